//! The file that keeps revocations and quarantines over a restart: JSON, replaced as a whole.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::holds::Hold;
use super::revocations::Revoked;
use crate::session_key::SessionKey;

/// Larger is no file of ours.
const MAX_BYTES: u64 = 256 << 20;

/// Why the file cannot be used. A gateway that would forget who is refused does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// It cannot be read.
    #[error("cannot be read")]
    Read(#[source] std::io::Error),
    /// It is not what the gateway writes.
    #[error("is not a file of the gateway's: {0}")]
    Content(String),
}

/// What the file holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Saved {
    version: u32,
    pub(super) revoked: Vec<Revoked>,
    pub(super) held: Vec<SavedHold>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedHold {
    id: String,
    #[serde(flatten)]
    hold: Hold,
}

impl Saved {
    pub(super) fn new(revoked: Vec<Revoked>, held: Vec<(SessionKey, Hold)>) -> Self {
        let held = held.into_iter().map(|(key, hold)| SavedHold { id: key.to_string(), hold }).collect();
        Self { version: 1, revoked, held }
    }

    pub(super) fn into_holds(self) -> Result<Vec<(SessionKey, Hold)>, StateError> {
        let read = |SavedHold { id, hold }| match SessionKey::parse(&id) {
            Some(key) => Ok((key, hold)),
            None => Err(StateError::Content("an id is not 32 hexadecimal digits".into())),
        };
        self.held.into_iter().map(read).collect()
    }

    /// Reads the file; nothing is kept where there is none.
    pub(super) fn load(path: &Path) -> Result<Option<Self>, StateError> {
        let size = match fs::metadata(path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StateError::Read(error)),
        };
        if size > MAX_BYTES {
            return Err(StateError::Content(format!("it is larger than {} MiB", MAX_BYTES >> 20)));
        }
        let text = fs::read_to_string(path).map_err(StateError::Read)?;
        let place = |error: &serde_json::Error| format!("line {}, column {}", error.line(), error.column());
        let saved: Self = serde_json::from_str(&text).map_err(|error| StateError::Content(place(&error)))?;
        match saved.version {
            1 => Ok(Some(saved)),
            other => Err(StateError::Content(format!("its version is {other}, not 1"))),
        }
    }

    /// Replaces the file: written beside it, forced to the disk, and put in its place, so that a crash leaves the old or the
    /// new one.
    pub(super) fn store(&self, path: &Path) -> std::io::Result<()> {
        let beside = path.with_extension("new");
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&beside)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        // The new name is on the disk once its directory is.
        #[cfg(unix)]
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            fs::File::open(directory)?.sync_all()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::holds::Kind;
    use super::*;

    #[test]
    fn what_is_stored_is_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        assert!(Saved::load(&path).unwrap().is_none());
        let revoked = Revoked { tenant: "a".into(), key: "k".into(), since_ms: 1, by: "p".into() };
        let hold =
            |kind| Hold { kind, tenant: "a".into(), key: None, since_ms: 1, until_ms: 9, by: "p".into() };
        let held = vec![
            (SessionKey::of("a", "s").unwrap(), hold(Kind::Quarantine)),
            (SessionKey::of_api_key("a", "k"), Hold { key: Some("k".into()), ..hold(Kind::Delay { ms: 3 }) }),
        ];
        for _ in 0..2 {
            Saved::new(vec![revoked.clone()], held.clone()).store(&path).unwrap();
            let saved = Saved::load(&path).unwrap().unwrap();
            assert_eq!(saved.revoked, std::slice::from_ref(&revoked));
            assert_eq!(saved.into_holds().unwrap(), held);
        }
    }

    #[test]
    fn a_file_that_is_not_ours_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        let check = |content: &[u8], expected: &str| {
            fs::write(&path, content).unwrap();
            let error = Saved::load(&path).and_then(|saved| saved.unwrap().into_holds()).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        };
        check(b"{", "line 1, column 1");
        check(b"\xff", "cannot be read");
        check(br#"{"version":2,"revoked":[],"held":[]}"#, "its version is 2, not 1");
        check(br#"{"version":1,"revoked":[],"held":[],"more":1}"#, "line 1");
        let hold = br#"{"version":1,"revoked":[],"held":[{"id":"x","kind":"quarantine","tenant":"","since_ms":1,"until_ms":2,"by":""}]}"#;
        check(hold, "32 hexadecimal digits");
        assert!(Saved::new(vec![], vec![]).store(&directory.path().join("no/such/state.json")).is_err());
    }
}
