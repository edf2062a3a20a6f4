//! The vault: personal data leaves as placeholders, and comes back as itself to whoever sent it, and to nobody else.
//!
//! A [`Vault`] belongs to one owner: a request, or a session of a tenant. It gives out a placeholder for every value
//! ([`crate::Cleared::kept`] does so for a conversation), keeps the value sealed (XChaCha20-Poly1305, RFC 8439 with the
//! longer nonce of draft-irtf-cfrg-xchacha) under a key that is its owner's alone, and makes a [`Restoration`] that finds
//! its own placeholders in an answer. A placeholder that another vault gave out is text like any other.
//!
//! ```
//! use std::sync::Arc;
//! use aimds_detect::validators::PiiKind;
//! use aimds_respond::vault::{Key, Kinds, Options, Vault};
//!
//! let options = Options { kinds: Kinds::parse(["pii.*"]).unwrap(), ..Options::default() };
//! // Key and seed are 32 random bytes each.
//! let mut vault = Vault::new(&Key::new([1; 32]), &[b"acme", b"session 7"], [2; 32], options);
//! let placeholder = vault.keep(PiiKind::Email, "jane.roe@corp-mail.com").unwrap();
//! assert!(placeholder.starts_with("[EMAIL_1_"));
//! assert_eq!(vault.keep(PiiKind::Email, "jane.roe@corp-mail.com").unwrap(), placeholder);
//!
//! let restoration = Arc::new(vault.restoration().unwrap().unwrap());
//! let answer = restoration.whole(&format!("I wrote to {placeholder}."), Vec::new(), false);
//! assert_eq!(answer.as_deref(), Some("I wrote to jane.roe@corp-mail.com."));
//! ```

mod context;
mod key;
mod kinds;
mod random;
mod restore;
mod stand_in;

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use aimds_detect::validators::PiiKind;
use zeroize::Zeroizing;

pub use key::Key;
pub use kinds::Kinds;
pub use random::Random;
pub use restore::{Found, Met, Restoration, Restorer, Rules};
pub use stand_in::LONGEST;

use restore::StandIns;

/// Why a value is not kept, or cannot be had back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The vault holds as many values as it may.
    #[error("the vault is full")]
    Full,
    /// The value is empty or longer than the vault keeps.
    #[error("the value is empty or too long to be kept")]
    Length,
    /// What was sealed does not open: another key, another owner, or changed bytes.
    #[error("what was sealed does not open: it was changed, or the key is another one")]
    Sealed,
}

/// What a vault keeps and gives back.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Kinds that are kept; others are redacted for good.
    pub kinds: Kinds,
    /// Whether placeholders look like values where they can.
    pub formatted: bool,
    /// Values of one vault.
    pub values: usize,
    /// Bytes of one value.
    pub value_bytes: usize,
    /// Where values are put back.
    pub rules: Rules,
}

impl Default for Options {
    /// Keeps nothing: `kinds` is empty.
    fn default() -> Self {
        Self {
            kinds: Kinds::default(),
            formatted: false,
            values: 1024,
            value_bytes: 4096,
            rules: Rules { calls: Kinds::default(), addresses: false },
        }
    }
}

/// A value that is kept.
#[derive(Clone)]
struct Entry {
    kind: PiiKind,
    stand_in: String,
    sealed: Vec<u8>,
}

impl Entry {
    fn about(kind: PiiKind, stand_in: &str) -> Vec<u8> {
        [kind.id().as_bytes(), b"\0", stand_in.as_bytes()].concat()
    }

    fn open(&self, key: &Key) -> Result<Zeroizing<String>, VaultError> {
        let plain = key.open(&Self::about(self.kind, &self.stand_in), &self.sealed)?;
        let value = std::str::from_utf8(&plain).map_err(|_| VaultError::Sealed)?;
        Ok(Zeroizing::new(value.to_owned()))
    }
}

/// The values of one owner, sealed, each behind its placeholder.
///
/// Memory: the sealed values, a keyed hash of each, and the placeholders; bounded by [`Options`].
pub struct Vault {
    key: Key,
    random: Random,
    options: Options,
    entries: Vec<Entry>,
    by_value: HashMap<[u8; 32], usize>,
    given: HashSet<String>,
    snapshot: Option<Arc<StandIns>>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault").field("values", &self.entries.len()).finish_non_exhaustive()
    }
}

impl Vault {
    /// An empty vault. `owner` names whose it is (the parts are kept apart); `seed` is 32 random bytes that are used for
    /// nothing else.
    #[must_use]
    pub fn new(key: &Key, owner: &[&[u8]], seed: [u8; 32], options: Options) -> Self {
        Self {
            key: key.derive("aimds 2026-11-28 vault owner", owner),
            random: Random::new(seed),
            options,
            entries: Vec::new(),
            by_value: HashMap::new(),
            given: HashSet::new(),
            snapshot: None,
        }
    }

    /// Values that it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether values of a kind are kept.
    #[must_use]
    pub fn keeps(&self, kind: PiiKind) -> bool {
        self.options.kinds.contains(kind)
    }

    /// The placeholder of a value: the one that it has, else a new one. A text that is itself one of the vault's
    /// placeholders stands for itself.
    ///
    /// # Errors
    /// [`VaultError::Full`] and [`VaultError::Length`], by what [`Options`] allow. Nothing has changed then.
    pub fn keep(&mut self, kind: PiiKind, value: &str) -> Result<String, VaultError> {
        if self.given.contains(value) {
            return Ok(value.to_owned());
        }
        if value.is_empty() || value.len() > self.options.value_bytes {
            return Err(VaultError::Length);
        }
        let hash = self.hash(kind, value);
        if let Some(entry) = self.by_value.get(&hash).and_then(|&at| self.entries.get(at)) {
            return Ok(entry.stand_in.clone());
        }
        if self.entries.len() >= self.options.values {
            return Err(VaultError::Full);
        }
        let number = self.entries.iter().filter(|entry| entry.kind == kind).count() + 1;
        let mut stand_in = String::new();
        while stand_in.is_empty() || self.given.contains(&stand_in) {
            stand_in = stand_in::make(kind, number, self.options.formatted, &mut self.random);
        }
        let sealed = self.key.seal(&mut self.random, &Entry::about(kind, &stand_in), value.as_bytes())?;
        self.add(Entry { kind, stand_in: stand_in.clone(), sealed }, hash);
        Ok(stand_in)
    }

    fn add(&mut self, entry: Entry, hash: [u8; 32]) {
        self.by_value.insert(hash, self.entries.len());
        self.given.insert(entry.stand_in.clone());
        self.entries.push(entry);
        self.snapshot = None;
    }

    fn hash(&self, kind: PiiKind, value: &str) -> [u8; 32] {
        self.key.hash("aimds 2026-11-28 vault value", &[kind.id().as_bytes(), value.as_bytes()])
    }

    /// Forgets every value from the `first`th on: their placeholders mean nothing any more.
    pub fn forget(&mut self, first: usize) {
        for entry in self.entries.drain(first.min(self.entries.len())..) {
            self.given.remove(&entry.stand_in);
        }
        self.by_value.retain(|_, &mut at| at < first);
        self.snapshot = None;
    }

    /// Whether one of the texts holds a placeholder that was given out as the `first`th or later.
    pub(crate) fn collides<'a>(
        &mut self,
        first: usize,
        mut texts: impl Iterator<Item = &'a str>,
    ) -> Result<bool, VaultError> {
        if first >= self.entries.len() {
            return Ok(false);
        }
        let stand_ins = self.stand_ins()?;
        Ok(texts.any(|text| stand_ins.says(text, first)))
    }

    fn stand_ins(&mut self) -> Result<Arc<StandIns>, VaultError> {
        if let Some(stand_ins) = &self.snapshot {
            return Ok(Arc::clone(stand_ins));
        }
        let stand_ins = Arc::new(StandIns::new(self.key.clone(), self.entries.clone())?);
        self.snapshot = Some(Arc::clone(&stand_ins));
        Ok(stand_ins)
    }

    /// What an answer may get back: the values that are in the vault now. `None` where there are none.
    ///
    /// # Errors
    /// [`VaultError::Full`] where there are more placeholders than can be searched for together.
    pub fn restoration(&mut self) -> Result<Option<Restoration>, VaultError> {
        if self.is_empty() {
            return Ok(None);
        }
        let rules = self.options.rules;
        Ok(Some(Restoration::new(self.stand_ins()?, rules)))
    }

    /// The values from the `first`th on as sealed rows, to be kept elsewhere: neither value, kind nor placeholder shows.
    ///
    /// # Errors
    /// [`VaultError::Sealed`], only for rows longer than the cipher takes.
    pub fn export(&mut self, first: usize) -> Result<Vec<Vec<u8>>, VaultError> {
        let Self { key, random, entries, .. } = self;
        let rows = entries.iter().enumerate().skip(first).map(|(number, entry)| {
            let about = Entry::about(entry.kind, &entry.stand_in);
            let plain =
                [&u32::try_from(about.len()).unwrap_or(u32::MAX).to_le_bytes(), &about[..], &entry.sealed]
                    .concat();
            key.seal(random, &row(number), &plain)
        });
        rows.collect()
    }

    /// Takes back the rows that [`Vault::export`] made of a vault with the same key and owner, all of them in their order.
    ///
    /// # Errors
    /// [`VaultError::Sealed`] for a row that is not one; the vault is empty then.
    pub fn import(&mut self, rows: &[Vec<u8>]) -> Result<(), VaultError> {
        self.forget(0);
        for (number, sealed) in rows.iter().enumerate() {
            let taken = self.take(number, sealed);
            if taken.is_err() {
                self.forget(0);
                return taken;
            }
        }
        Ok(())
    }

    fn take(&mut self, number: usize, sealed: &[u8]) -> Result<(), VaultError> {
        let plain = self.key.open(&row(number), sealed)?;
        let entry = read(&plain).ok_or(VaultError::Sealed)?;
        let value = entry.open(&self.key)?;
        let hash = self.hash(entry.kind, &value);
        self.add(entry, hash);
        Ok(())
    }
}

/// The value that stands in a text: as it reads, where the text is JSON and escapes it. `None` where the escapes are cut.
pub(crate) fn read_value(text: &str, span: &Range<usize>) -> Option<Zeroizing<String>> {
    let (before, written) = (text.get(..span.start)?, text.get(span.clone())?);
    let cut = before.bytes().rev().take_while(|&byte| byte == b'\\').count() % 2 == 1;
    if !cut && !written.contains('\\') || !context::is_json(before) {
        return Some(Zeroizing::new(written.to_owned()));
    }
    let quoted = Zeroizing::new(format!("\"{written}\""));
    let read = serde_json::from_str(&quoted).ok().map(Zeroizing::new);
    read.filter(|_| !cut)
}

/// What a row is about: its number, so that none is moved or repeated.
fn row(number: usize) -> Vec<u8> {
    [b"row", &u64::try_from(number).unwrap_or(u64::MAX).to_le_bytes()[..]].concat()
}

fn read(plain: &[u8]) -> Option<Entry> {
    let (length, rest) = plain.split_first_chunk::<4>()?;
    let (about, sealed) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    let (kind, stand_in) = std::str::from_utf8(about).ok()?.split_once('\0')?;
    let kind = *PiiKind::ALL.iter().find(|known| known.id() == kind)?;
    Some(Entry { kind, stand_in: stand_in.to_owned(), sealed: sealed.to_vec() })
}

#[cfg(test)]
mod tests;
