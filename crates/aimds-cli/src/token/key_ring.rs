//! The keys of the issuer: one that signs, and older ones that stay known until the last of their tokens has expired.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use aimds_gateway::{Claims, SigningKey};
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// In the data directory.
const FOLDER: &str = "tokens";
const SECRET: &str = "keys.json";
const PUBLIC: &str = "jwks.json";
/// What gateways allow clocks to differ at most: so much longer a key stays known.
const LEEWAY_S: u64 = 300;

/// The file of secret keys; the last one signs.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    keys: Vec<StoredKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredKey {
    secret: String,
    created_s: u64,
    last_expiry_s: u64,
}

/// One key.
pub(super) struct Key {
    key: SigningKey,
    pub(super) created_s: u64,
    /// When the last of its tokens expires; 0 where none was made.
    pub(super) last_expiry_s: u64,
    pub(super) signs: bool,
}

impl Key {
    pub(super) fn id(&self) -> &str {
        self.key.id()
    }
}

/// The keys, locked against other processes for as long as this value is there.
pub(super) struct KeyRing {
    folder: PathBuf,
    keys: Vec<Key>,
    _lock: File,
}

impl KeyRing {
    /// Reads the keys; makes the first one where there is none, and forgets those whose tokens have all expired.
    ///
    /// # Errors
    /// Files that cannot be read, written or locked, or hold something else.
    pub(super) fn open(directory: &Path, now_s: u64) -> anyhow::Result<Self> {
        let folder = directory.join(FOLDER);
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let lock = folder.join("lock");
        let lock = File::create(&lock).and_then(|file| file.lock().map(|()| file));
        let lock = lock.with_context(|| format!("cannot lock {}", folder.display()))?;
        let keys = read(&folder.join(SECRET))?;
        let mut ring = Self { folder, keys, _lock: lock };
        let before = ring.keys.len();
        ring.keys.retain(|key| key.signs || key.last_expiry_s + LEEWAY_S > now_s);
        if ring.keys.is_empty() {
            ring.add(now_s)?;
        }
        if ring.keys.len() != before || !ring.public_path().exists() {
            ring.store()?;
        }
        Ok(ring)
    }

    pub(super) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Where the public keys are.
    pub(super) fn public_path(&self) -> PathBuf {
        self.folder.join(PUBLIC)
    }

    /// The public keys as a key set (RFC 7517).
    pub(super) fn public(&self) -> Value {
        json!({ "keys": self.keys.iter().map(|key| key.key.jwk()).collect::<Vec<_>>() })
    }

    /// Signs a token. That its key is needed until then is on the disk before anyone has the token.
    ///
    /// # Errors
    /// The file cannot be written; no random numbers.
    pub(super) fn sign(&mut self, claims: &Claims) -> anyhow::Result<String> {
        let key = self.keys.last_mut().context("there is no key")?;
        let token = key.key.issue(claims)?;
        if claims.expires_s > key.last_expiry_s {
            key.last_expiry_s = claims.expires_s;
            self.store()?;
        }
        Ok(token)
    }

    /// Adds a key, which signs from now on. `revoke` forgets all others.
    ///
    /// # Errors
    /// The files cannot be written; no random numbers.
    pub(super) fn rotate(&mut self, now_s: u64, revoke: bool) -> anyhow::Result<()> {
        if revoke {
            self.keys.clear();
        }
        // A key without tokens need not be known to anyone.
        self.keys.retain(|key| key.last_expiry_s > 0);
        self.add(now_s)?;
        self.store()
    }

    fn add(&mut self, now_s: u64) -> anyhow::Result<()> {
        for key in &mut self.keys {
            key.signs = false;
        }
        let key = SigningKey::generate()?;
        self.keys.push(Key { key, created_s: now_s, last_expiry_s: 0, signs: true });
        Ok(())
    }

    /// The public keys first: a gateway may know a key that does not sign yet, never the other way round.
    fn store(&self) -> anyhow::Result<()> {
        let keys = self.keys.iter().map(|key| StoredKey {
            secret: key.key.secret().to_string(),
            created_s: key.created_s,
            last_expiry_s: key.last_expiry_s,
        });
        let stored = Stored { version: 1, keys: keys.collect() };
        replace(&self.public_path(), &format!("{:#}\n", self.public()), 0o644)?;
        replace(&self.folder.join(SECRET), &format!("{:#}\n", serde_json::to_value(&stored)?), 0o600)
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<Key>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    // What is wrong with it is not quoted: it holds keys.
    let broken = || anyhow::anyhow!("{} does not hold keys of this program", path.display());
    let stored: Stored = serde_json::from_str(&text).map_err(|_| broken())?;
    if stored.version != 1 || stored.keys.is_empty() {
        return Err(broken());
    }
    let last = stored.keys.len() - 1;
    let keys = stored.keys.into_iter().enumerate().map(|(index, stored)| {
        let StoredKey { secret, created_s, last_expiry_s } = stored;
        let key = SigningKey::parse(&secret).map_err(|_| broken())?;
        Ok(Key { key, created_s, last_expiry_s, signs: index == last })
    });
    keys.collect()
}

/// Replaces a file in one step: after a crash there is the old one or the new one.
fn replace(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let written = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        // One that a crash has left behind may be open to others.
        match fs::remove_file(&written) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
        let mut file = options.open(&written)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&written, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;

    fn claims(expires_s: u64) -> Claims {
        Claims {
            issuer: "i".into(),
            audience: "a".into(),
            subject: "s".into(),
            tenant: None,
            roles: Vec::new(),
            issued_s: 0,
            expires_s,
        }
    }

    #[test]
    fn a_key_is_known_until_the_last_of_its_tokens_has_expired() {
        let folder = std::env::temp_dir().join(format!("aimds-key-ring-{}", std::process::id()));
        let ids = |ring: &KeyRing| ring.keys().iter().map(|key| key.id().to_owned()).collect::<Vec<_>>();
        let mut ring = KeyRing::open(&folder, 0).unwrap();
        let first = ids(&ring);
        ring.rotate(1, false).unwrap();
        let second = ids(&ring);
        assert!(second.len() == 1 && second != first, "a key without tokens is not kept");
        ring.sign(&claims(HOUR)).unwrap();
        ring.sign(&claims(HOUR / 2)).unwrap();
        ring.rotate(2, false).unwrap();
        let both = ids(&ring);
        assert!(both.len() == 2 && both[0] == second[0]);
        drop(ring);
        assert_eq!(ids(&KeyRing::open(&folder, HOUR + LEEWAY_S - 1).unwrap()), both);
        assert_eq!(ids(&KeyRing::open(&folder, HOUR + LEEWAY_S).unwrap()), both[1..]);
        let mut ring = KeyRing::open(&folder, HOUR).unwrap();
        ring.sign(&claims(3 * HOUR)).unwrap();
        ring.rotate(HOUR, true).unwrap();
        assert!(ids(&ring).len() == 1 && ids(&ring) != both[1..]);
        drop(ring);
        fs::write(folder.join(FOLDER).join(SECRET), "{\"version\":1,\"keys\":[]}").unwrap();
        assert!(KeyRing::open(&folder, 0).is_err());
        fs::remove_dir_all(&folder).unwrap();
    }
}
