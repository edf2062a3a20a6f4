//! The file of the queue with the key of what is sealed in it.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use aimds_engine::vault::{Key, Random};
use aimds_store::{ReviewFile, ReviewItem, SealedError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::content::{Content, Said};
use crate::config::VaultKey;
use crate::vault::{VaultOpenError, read_key, seed};

/// What the proof of the key is about.
const PROOF: &[u8] = b"aimds review file 1";
/// Which request it is; the bytes alone would let anybody who has the file guess short ones.
const DIGEST: &str = "aimds 2026-11-28 review request";

/// Why the review queue does not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReviewOpenError {
    /// The key cannot be had.
    #[error("no key for the review queue")]
    Key(#[from] VaultOpenError),
    /// The key beside the file cannot be made.
    #[error("cannot make the key file {}", path.display())]
    MakeKey {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file was written with another key.
    #[error("the key does not open the review queue {}: it was written with another one", .0.display())]
    WrongKey(PathBuf),
    /// The file cannot be opened.
    #[error("cannot open the review queue {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: SealedError,
    },
}

/// Why something was not read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShelfError {
    #[error("the database failed")]
    File(#[from] SealedError),
    #[error("what is sealed was changed, or is of another version")]
    Sealed,
    #[error("no random numbers from the operating system")]
    Random,
}

/// The key of a queue.
#[derive(Clone)]
pub(crate) struct ReviewKey(Key);

impl ReviewKey {
    /// The hash by which a request is known again.
    pub(crate) fn digest(&self, tenant: &str, requester: &str, uri: &str, body: &[u8]) -> [u8; 32] {
        self.0.hash(DIGEST, &[tenant.as_bytes(), requester.as_bytes(), uri.as_bytes(), body])
    }
}

/// The file and its key.
pub(crate) struct Shelf {
    pub(crate) file: ReviewFile,
    pub(crate) key: ReviewKey,
}

impl Shelf {
    /// Opens or makes the file, and the key beside it where it is to be there.
    pub(crate) fn open(path: &Path, key: Option<&VaultKey>) -> Result<Self, ReviewOpenError> {
        if key.is_none() && !path.exists() {
            make_key(&beside(path))?;
        }
        let key = key_of(path, key)?;
        let failed = |source| ReviewOpenError::File { path: path.to_owned(), source };
        let file = ReviewFile::open(path).map_err(failed)?;
        if file.proof().map_err(failed)?.is_none() {
            let mut random = Random::new(seed().map_err(VaultOpenError::Random)?);
            let sealed = key.seal(&mut random, PROOF, b"");
            let sealed = sealed.map_err(|_| ReviewOpenError::WrongKey(path.to_owned()))?;
            file.set_proof(&sealed).map_err(failed)?;
        }
        Self::proved(file, key, path)
    }

    /// Opens a file that is there, to be read.
    pub(crate) fn read(path: &Path, key: Option<&VaultKey>) -> Result<Self, ReviewOpenError> {
        let failed = |source| ReviewOpenError::File { path: path.to_owned(), source };
        let file = ReviewFile::read(path).map_err(failed)?;
        Self::proved(file, key_of(path, key)?, path)
    }

    fn proved(file: ReviewFile, key: Key, path: &Path) -> Result<Self, ReviewOpenError> {
        let failed = |source| ReviewOpenError::File { path: path.to_owned(), source };
        let proof = file.proof().map_err(failed)?.unwrap_or_default();
        key.open(PROOF, &proof).map_err(|_| ReviewOpenError::WrongKey(path.to_owned()))?;
        Ok(Self { file, key: ReviewKey(key) })
    }

    pub(crate) fn seal(&self, about: &str, what: &impl Serialize) -> Result<Vec<u8>, ShelfError> {
        let plain = serde_json::to_vec(what).map_err(|_| ShelfError::Sealed)?;
        let mut random = Random::new(seed().map_err(|_| ShelfError::Random)?);
        self.key.0.seal(&mut random, about.as_bytes(), &plain).map_err(|_| ShelfError::Sealed)
    }

    /// The texts of an item; `None` where they are not kept any more.
    pub(crate) fn content(&self, item: &ReviewItem) -> Result<Option<Content>, ShelfError> {
        item.sealed.as_deref().map(|sealed| self.unsealed(&about_content(&item.id), sealed)).transpose()
    }

    /// What the reviewer said of it; `None` where nobody did.
    pub(crate) fn said(&self, item: &ReviewItem) -> Result<Option<Said>, ShelfError> {
        item.said.as_deref().map(|sealed| self.unsealed(&about_said(&item.id), sealed)).transpose()
    }

    fn unsealed<T: DeserializeOwned>(&self, about: &str, sealed: &[u8]) -> Result<T, ShelfError> {
        let plain = self.key.0.open(about.as_bytes(), sealed).map_err(|_| ShelfError::Sealed)?;
        serde_json::from_slice(&plain).map_err(|_| ShelfError::Sealed)
    }
}

/// What is sealed of an item opens as that of this item only.
pub(crate) fn about_content(id: &str) -> String {
    format!("content of {id}")
}

pub(crate) fn about_said(id: &str) -> String {
    format!("said of {id}")
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".key");
    name.into()
}

fn key_of(path: &Path, key: Option<&VaultKey>) -> Result<Key, ReviewOpenError> {
    Ok(match key {
        Some(key) => read_key(key)?,
        None => read_key(&VaultKey::File(beside(path)))?,
    })
}

/// Makes the key beside a file that is not there yet, unless a start that went no further has made it.
fn make_key(path: &Path) -> Result<(), ReviewOpenError> {
    let failed = |source| ReviewOpenError::MakeKey { path: path.to_owned(), source };
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = match options.open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(()),
        opened => opened.map_err(failed)?,
    };
    let digits: String = seed().map_err(failed)?.iter().map(|byte| format!("{byte:02x}")).collect();
    file.write_all(digits.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(shelf: &Shelf, id: &str) -> ReviewItem {
        let said = Said { reason: "needle".into(), ..Said::default() };
        ReviewItem {
            id: id.into(),
            tenant: String::new(),
            requester: String::new(),
            route: String::new(),
            digest: [0; 32],
            state: aimds_store::ReviewState::Denied,
            opened_ms: 0,
            ends_ms: 0,
            decided_ms: None,
            decided_by: None,
            used_ms: None,
            sealed: None,
            said: Some(shelf.seal(&about_said(id), &said).unwrap()),
        }
    }

    #[test]
    fn what_is_sealed_opens_with_the_key_beside_the_file_and_for_its_item_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("review.db");
        let item = sealed(&Shelf::open(&path, None).unwrap(), "a");
        let shelf = Shelf::open(&path, None).unwrap();
        assert_eq!(shelf.said(&item).unwrap().unwrap().reason, "needle");
        assert!(!item.said.as_deref().unwrap().windows(6).any(|window| window == b"needle"));
        let other = ReviewItem { id: "b".into(), ..item };
        assert!(matches!(shelf.said(&other), Err(ShelfError::Sealed)));
        assert_ne!(shelf.key.digest("a", "b", "/x", b"y"), shelf.key.digest("a", "b", "/xy", b""));
        std::fs::write(beside(&path), "01".repeat(32)).unwrap();
        assert!(matches!(Shelf::open(&path, None), Err(ReviewOpenError::WrongKey(_))));
        std::fs::remove_file(beside(&path)).unwrap();
        assert!(matches!(Shelf::read(&path, None), Err(ReviewOpenError::Key(_))), "no new key for old texts");
    }
}
