//! The signing key beside the database, and the public keys that verification trusts.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use serde::{Deserialize, Serialize};

use crate::chain::{ParseError, hex, hexadecimal, unhex};

/// No key file of ours is longer: a wrong path must not be read into memory.
const MAX_KEY_FILE: u64 = 1 << 20;

/// Where a key waits until its predecessor's word for it is in the log.
const NEXT: &str = ".key.next";

/// An Ed25519 public key; printed and parsed as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PublicKey(#[serde(with = "hexadecimal")] pub [u8; 32]);

impl PublicKey {
    /// Whether `signature` is this key's over `message`. Strict: small-order keys and malleable signatures
    /// are refused.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        VerifyingKey::from_bytes(&self.0)
            .is_ok_and(|key| key.verify_strict(message, &Signature::from_bytes(signature)).is_ok())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        unhex(text.trim()).map(Self).ok_or(ParseError("a public key of 64 hexadecimal digits"))
    }
}

/// The private key, and every public key this log has been signed with.
pub(crate) struct Keys {
    signing: SigningKey,
    pub(crate) public: PublicKey,
    pub(crate) trusted: Vec<PublicKey>,
    /// The private key did not exist before this opening.
    pub(crate) created: bool,
}

impl Keys {
    /// Reads `<database>.key`, creating it when it is missing, and keeps `<database>.pub` in step with it.
    pub(crate) fn load_or_create(database: &Path) -> io::Result<Self> {
        let path = beside(database, ".key");
        let (seed, created) = match read_private(&path) {
            Ok(seed) => (seed, false),
            Err(e) if e.kind() == io::ErrorKind::NotFound => (create_private(&path)?, true),
            Err(e) => return Err(e),
        };
        let signing = SigningKey::from_bytes(&seed);
        let public = public_of(&seed);
        let mut trusted = match read_public_keys(database) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other?,
        };
        if !trusted.contains(&public) {
            trusted.push(public);
            let lines: String = trusted.iter().map(|key| format!("{key}\n")).collect();
            write_whole(&beside(database, ".pub"), lines.as_bytes(), 0o644)?;
        }
        Ok(Self { signing, public, trusted, created })
    }

    /// Makes the key that is to come after, in `<database>.key.next`.
    pub(crate) fn prepare_next(database: &Path) -> io::Result<PublicKey> {
        Ok(public_of(&create_private(&beside(database, NEXT))?))
    }

    /// The public half of what [`Self::prepare_next`] left behind, if anything did.
    pub(crate) fn prepared(database: &Path) -> io::Result<Option<PublicKey>> {
        match read_private(&beside(database, NEXT)) {
            Ok(seed) => Ok(Some(public_of(&seed))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Puts the prepared key in place of the present one.
    pub(crate) fn install_next(database: &Path) -> io::Result<()> {
        let path = beside(database, ".key");
        fs::rename(beside(database, NEXT), &path)?;
        sync_parent(&path)
    }

    /// Removes the prepared key: nothing was ever signed with it.
    pub(crate) fn discard_next(database: &Path) -> io::Result<()> {
        fs::remove_file(beside(database, NEXT))
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.signing.sign(message).to_bytes()
    }
}

fn public_of(seed: &[u8; 32]) -> PublicKey {
    PublicKey(SigningKey::from_bytes(seed).verifying_key().to_bytes())
}

/// The public keys listed in `<database>.pub`, one a line, oldest first.
pub(crate) fn read_public_keys(database: &Path) -> io::Result<Vec<PublicKey>> {
    let path = beside(database, ".pub");
    read_bounded(&path)?
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.parse().map_err(|e| invalid(&path, e)))
        .collect()
}

/// `audit.db` and `.key` to `audit.db.key`: the suffix is added, never put in place of an extension.
pub(crate) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(database);
    name.push(suffix);
    PathBuf::from(name)
}

/// Makes a file's name durable. Only Unix has (and needs) a way to ask for it.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::File::open(parent)?.sync_all()?;
    }
    Ok(())
}

/// Opens a new file with the given Unix mode, from its first moment on.
pub(crate) fn create_new(path: &Path, mode: u32) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(mode);
    }
    #[cfg(not(unix))]
    let _ = mode;
    options.open(path)
}

fn read_private(path: &Path) -> io::Result<[u8; 32]> {
    let text = read_bounded(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Reading by the group stays possible: secrets mounted by an orchestrator often arrive as 0440.
        let mode = fs::metadata(path)?.permissions().mode();
        if mode & 0o037 != 0 {
            return Err(invalid(
                path,
                format!("mode {:o} lets others at the signing key; chmod 600 it", mode & 0o777),
            ));
        }
    }
    unhex(text.trim()).ok_or_else(|| invalid(path, ParseError("a private key of 64 hexadecimal digits")))
}

fn create_private(path: &Path) -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    write_whole(path, format!("{}\n", hex(&seed)).as_bytes(), 0o600)?;
    Ok(seed)
}

/// Writes a file so that after a crash either all of it is there or none.
fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let temporary = beside(path, ".tmp");
    match fs::remove_file(&temporary) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut file = create_new(&temporary, mode)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    sync_parent(path)
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?.take(MAX_KEY_FILE).read_to_string(&mut text)?;
    Ok(text)
}

fn invalid(path: &Path, why: impl fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("audit.db");
        let first = Keys::load_or_create(&database).unwrap();
        let second = Keys::load_or_create(&database).unwrap();
        assert!(first.created && !second.created);
        assert_eq!(first.public, second.public);
        assert_eq!(read_public_keys(&database).unwrap(), [first.public]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let key = beside(&database, ".key");
            assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
            fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
            assert!(Keys::load_or_create(&database).is_err());
        }
    }

    #[test]
    fn a_replaced_key_is_listed_after_the_old_one() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("audit.db");
        let old = Keys::load_or_create(&database).unwrap().public;
        fs::remove_file(beside(&database, ".key")).unwrap();
        let new = Keys::load_or_create(&database).unwrap();
        assert!(new.created);
        assert_eq!(new.trusted, [old, new.public]);
    }

    #[test]
    fn a_signature_holds_for_its_message_only() {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::load_or_create(&dir.path().join("a.db")).unwrap();
        let signature = keys.sign(b"one");
        assert!(keys.public.verifies(b"one", &signature));
        assert!(!keys.public.verifies(b"two", &signature));
    }
}
