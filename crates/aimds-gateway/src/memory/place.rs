//! How far somebody has come in the audit log, in a file.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A place in a log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    /// The hash of the log's first record, which tells logs apart; empty before the first.
    pub(super) log: String,
    /// The last record that was taken.
    pub(super) seq: u64,
}

impl Place {
    /// The place in the file; the beginning where there is no file.
    pub(super) fn load(path: &Path) -> io::Result<Self> {
        match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Writes it beside the old one, then puts it in its place.
    pub(super) fn store(&self, path: &Path) -> io::Result<()> {
        let new = beside(path, ".new");
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        fs::rename(&new, path)
    }

    /// Where to go on in a log that begins with this record and ends with that one: at the beginning of another log, and at
    /// the end of one that has lost its last records.
    pub(super) fn in_log(&self, first: &str, last: u64) -> Self {
        let seq = if self.log == first { self.seq.min(last) } else { 0 };
        Self { log: first.to_owned(), seq }
    }
}

pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_kept_and_belongs_to_one_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("graph.db.place");
        assert_eq!(Place::load(&path).unwrap(), Place::default());
        let place = Place { log: "aa".into(), seq: 7 };
        place.store(&path).unwrap();
        assert_eq!(Place::load(&path).unwrap(), place);
        let check = |first: &str, last, expected| assert_eq!(place.in_log(first, last).seq, expected);
        check("aa", 9, 7);
        check("aa", 5, 5);
        check("bb", 9, 0);
        fs::write(&path, "{ broken").unwrap();
        assert!(Place::load(&path).is_err());
    }
}
