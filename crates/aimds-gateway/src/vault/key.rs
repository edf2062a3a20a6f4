//! Where the key of the vault comes from, and why the vault does not open.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use aimds_engine::vault::Key;
use aimds_store::SealedError;
use zeroize::Zeroizing;

use crate::config::VaultKey;

/// 64 digits and the white space around them.
const LONGEST: u64 = 256;

/// Why the vault does not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultOpenError {
    /// The operating system gives no random bytes.
    #[error("no random bytes from the operating system")]
    Random(#[source] std::io::Error),
    /// The environment variable does not hold a key.
    #[error("the environment variable {0} does not hold a key of 64 hexadecimal digits")]
    Env(String),
    /// The key file cannot be read.
    #[error("cannot read the key file {}", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The key file does not hold a key.
    #[error("the key file {} does not hold a key of 64 hexadecimal digits", .0.display())]
    NoKey(PathBuf),
    /// Others than its owner may read the key file.
    #[error("others may read the key file {}: chmod 600 it", .0.display())]
    Exposed(PathBuf),
    /// The file was written with another key, or its proof was changed.
    #[error("the key does not open the vault file {}: it was written with another one", .0.display())]
    WrongKey(PathBuf),
    /// The file cannot be opened.
    #[error("cannot open the vault file {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: SealedError,
    },
}

/// 32 random bytes.
pub(crate) fn seed() -> Result<[u8; 32], std::io::Error> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(seed)
}

/// Reads the key.
pub(crate) fn read(from: &VaultKey) -> Result<Key, VaultOpenError> {
    match from {
        VaultKey::Env(name) => {
            let text = std::env::var(name).ok().map(Zeroizing::new);
            text.and_then(|text| Key::parse(&text)).ok_or_else(|| VaultOpenError::Env(name.clone()))
        }
        VaultKey::File(path) => {
            let mut text = Zeroizing::new(String::new());
            open(path)?
                .take(LONGEST)
                .read_to_string(&mut text)
                .map_err(|source| VaultOpenError::KeyFile { path: path.clone(), source })?;
            Key::parse(&text).ok_or_else(|| VaultOpenError::NoKey(path.clone()))
        }
    }
}

/// Opens the key file, and looks at the rights of what was opened.
fn open(path: &Path) -> Result<std::fs::File, VaultOpenError> {
    let failed = |source| VaultOpenError::KeyFile { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if file.metadata().map_err(failed)?.permissions().mode() & 0o077 != 0 {
            return Err(VaultOpenError::Exposed(path.to_owned()));
        }
    }
    Ok(file)
}
