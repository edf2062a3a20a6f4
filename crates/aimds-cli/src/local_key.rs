//! The API key for use on this machine: made on the first start, shown once, known afterwards by its hash only.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use aimds_gateway::{KeyHash, NewKey, generate_key};
use anyhow::Context as _;

/// Beside the audit log.
const HASH_FILE: &str = "local-key.hash";

/// The key of this start.
pub(crate) enum LocalKey {
    /// Made now; not stored yet.
    New(NewKey),
    /// Made on an earlier start; whoever needs it has it.
    Known(KeyHash),
}

impl LocalKey {
    /// The key whose hash lies in the directory; a new one where there is none, or where one is wanted.
    ///
    /// # Errors
    /// The file cannot be read or holds something else; the operating system gives no random numbers.
    pub(crate) fn load_or_make(directory: &Path, new: bool) -> anyhow::Result<Self> {
        let path = directory.join(HASH_FILE);
        match fs::read_to_string(&path) {
            Ok(text) if !new => KeyHash::parse(text.trim()).map(Self::Known).with_context(|| {
                format!("{} does not hold the hash of a key: use --new-key", path.display())
            }),
            Err(error) if !new && error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot read {}", path.display()))
            }
            _ => Ok(Self::New(generate_key()?)),
        }
    }

    /// What the gateway knows the key by.
    pub(crate) fn hash(&self) -> KeyHash {
        match self {
            Self::New(key) => key.hash,
            Self::Known(hash) => *hash,
        }
    }

    /// Stores the hash of a new key, in one step: after a crash there is the old one or the new one.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn store(&self, directory: &Path) -> anyhow::Result<()> {
        let Self::New(key) = self else { return Ok(()) };
        let path = directory.join(HASH_FILE);
        let written = path.with_extension("new");
        let write = || -> std::io::Result<()> {
            let mut file = fs::File::create(&written)?;
            writeln!(file, "{}", key.hash)?;
            file.sync_all()?;
            fs::rename(&written, &path)
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_again_when_wanted() {
        let directory = std::env::temp_dir().join(format!("aimds-local-key-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let load = |new| LocalKey::load_or_make(&directory, new).unwrap();
        let first = load(false);
        assert!(matches!(first, LocalKey::New(_)));
        first.store(&directory).unwrap();
        let again = load(false);
        assert!(matches!(again, LocalKey::Known(hash) if hash == first.hash()));
        again.store(&directory).unwrap();
        let second = load(true);
        second.store(&directory).unwrap();
        assert!(second.hash() != first.hash() && load(false).hash() == second.hash());
        let LocalKey::New(NewKey { secret, .. }) = second else { panic!("not new") };
        assert!(!fs::read_to_string(directory.join(HASH_FILE)).unwrap().contains(&secret));
        fs::write(directory.join(HASH_FILE), "garbage").unwrap();
        assert!(LocalKey::load_or_make(&directory, false).is_err());
        fs::remove_dir_all(&directory).unwrap();
    }
}
