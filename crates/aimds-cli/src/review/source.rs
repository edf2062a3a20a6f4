//! Where reviews are: behind a gateway, or in the file of the queue.

use std::path::PathBuf;

use aimds_gateway::{AdminClient, ReviewArchive, VaultKey};
use aimds_store::ReviewState;
use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::cli::usage;
use crate::data_directory;

/// The environment variable with the key of the API.
const API_KEY: &str = "AIMDS_API_KEY";
/// The environment variable with the key of the file.
const FILE_KEY: &str = "AIMDS_REVIEW_KEY";

/// Where reviews are.
#[derive(Debug, Args)]
pub struct Place {
    /// A gateway: http://127.0.0.1:8080. The key is taken from AIMDS_API_KEY
    #[arg(long, value_name = "URL", env = "AIMDS_URL")]
    pub url: Option<String>,
    /// The file of the queue, instead of a gateway; review.db in the data directory unless told otherwise
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// File with the key of that file; else AIMDS_REVIEW_KEY, else FILE.key
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// Data directory; $XDG_DATA_HOME/aimds or ~/.local/share/aimds unless told otherwise
    #[arg(long, value_name = "DIR", env = "AIMDS_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
}

/// What is asked.
pub(super) enum Source {
    Gateway(Box<Gateway>),
    File(ReviewArchive),
}

/// A gateway, asked from a thread that may wait.
pub(super) struct Gateway {
    client: AdminClient,
    runtime: Runtime,
}

impl Source {
    pub(super) fn of(place: &Place) -> anyhow::Result<Self> {
        // A file that is named goes before a gateway that the environment names.
        if let Some(url) = place.url.as_deref().filter(|_| place.file.is_none()) {
            let key = std::env::var(API_KEY).map_err(|_| usage(format!("--url: {API_KEY} is not set")))?;
            let client = AdminClient::new(url, &key).map_err(|error| usage(format!("--url: {error}")))?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            return Ok(Self::Gateway(Box::new(Gateway { client, runtime })));
        }
        let path = match &place.file {
            Some(file) => file.clone(),
            None => data_directory::find(place.data_dir.as_deref())?.join(data_directory::REVIEW),
        };
        anyhow::ensure!(path.is_file(), "no review queue at {}: give --file or --url", path.display());
        let key = match &place.key_file {
            Some(file) => Some(VaultKey::File(file.clone())),
            None => std::env::var_os(FILE_KEY).map(|_| VaultKey::Env(FILE_KEY.to_owned())),
        };
        Ok(Self::File(ReviewArchive::open(&path, key.as_ref())?))
    }

    /// As `GET /admin/reviews` answers it.
    pub(super) fn list(&self, state: Option<ReviewState>, limit: usize) -> anyhow::Result<Value> {
        match self {
            Self::Gateway(gateway) => {
                let state = state.map(|state| format!("state={}&", state.as_str())).unwrap_or_default();
                gateway.get(&format!("/admin/reviews?{state}limit={limit}"))
            }
            Self::File(file) => {
                let pending = file.list(Some(ReviewState::Pending), usize::MAX)?.len();
                Ok(json!({ "reviews": file.list(state, limit)?, "pending": pending }))
            }
        }
    }

    /// As `GET /admin/reviews/{id}` answers it.
    pub(super) fn show(&self, id: &str) -> anyhow::Result<Value> {
        match self {
            Self::Gateway(gateway) => gateway.get(&format!("/admin/reviews/{}", checked(id)?)),
            Self::File(file) => file.show(id)?.context("no such review"),
        }
    }
}

impl Gateway {
    fn get(&self, path: &str) -> anyhow::Result<Value> {
        Ok(self.runtime.block_on(self.client.get(path))?)
    }

    pub(super) fn decide(&self, id: &str, body: &Value) -> anyhow::Result<Value> {
        let path = format!("/admin/reviews/{}", checked(id)?);
        Ok(self.runtime.block_on(self.client.post(&path, body))?)
    }
}

/// The name of a review, which becomes part of a path.
fn checked(id: &str) -> anyhow::Result<&str> {
    let is_name = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_name { Ok(id) } else { Err(usage("not the name of a review: letters, digits and dashes")) }
}
