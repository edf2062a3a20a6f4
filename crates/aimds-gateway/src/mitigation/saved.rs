//! The file that keeps revocations and quarantines over a restart: JSON lines. What changes is added at the end, so that it
//! costs the same however many are held; where more was added than is worth reading again, the file is replaced as a whole.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::holds::Hold;
use super::revocations::Revoked;
use crate::session_key::SessionKey;

const VERSION: u32 = 2;
/// Larger is no file of ours.
const MAX_BYTES: usize = 256 << 20;
/// So many lines may always be added before the file is replaced; more where it was larger when it was last replaced.
const ADDED: usize = 4096;

/// Why the file cannot be used. A gateway that would forget who is refused does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// It cannot be read.
    #[error("cannot be read")]
    Read(#[source] io::Error),
    /// It is not what the gateway writes.
    #[error("is not a file of the gateway's: {0}")]
    Content(String),
}

/// The first line.
#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
}

/// A line: what holds from here on, whatever was said before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Entry {
    /// What a session or key is held for; nothing once it is released.
    Held { id: String, holds: Vec<Hold> },
    /// A key is refused.
    Revoked(Revoked),
    /// A key is let in again.
    Reinstated { tenant: String, key: String },
}

impl Entry {
    pub(super) fn held(key: SessionKey, holds: Vec<Hold>) -> Self {
        Self::Held { id: key.to_string(), holds }
    }
}

/// What the file says in the end.
#[derive(Debug, Default)]
pub(super) struct Saved {
    pub(super) revoked: BTreeMap<(String, String), Revoked>,
    pub(super) held: BTreeMap<SessionKey, Vec<Hold>>,
}

impl Saved {
    /// Reads the file; nothing is kept where there is none. A last line without its end was being written when the process
    /// ended, and nobody was told that it is kept.
    pub(super) fn load(path: &Path) -> Result<Option<Self>, StateError> {
        let bytes = match fs::metadata(path).and_then(|metadata| {
            let small = metadata.len() <= MAX_BYTES as u64;
            small.then(|| fs::read(path)).transpose()
        }) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                return Err(StateError::Content(format!("it is larger than {} MiB", MAX_BYTES >> 20)));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StateError::Read(error)),
        };
        let mut lines = bytes.split_inclusive(|&byte| byte == b'\n');
        let header: Header = read(1, lines.next().unwrap_or_default())?;
        if header.version != VERSION {
            return Err(StateError::Content(format!("its version is {}, not {VERSION}", header.version)));
        }
        let mut saved = Self::default();
        for (number, line) in (2..).zip(lines).filter(|(_, line)| line.ends_with(b"\n")) {
            saved.take(read(number, line)?)?;
        }
        Ok(Some(saved))
    }

    fn take(&mut self, entry: Entry) -> Result<(), StateError> {
        match entry {
            Entry::Held { id, holds } => {
                let key = SessionKey::parse(&id);
                let key =
                    key.ok_or_else(|| StateError::Content("an id is not 32 hexadecimal digits".into()))?;
                self.held.insert(key, holds);
            }
            Entry::Revoked(revoked) => {
                self.revoked.insert((revoked.tenant.clone(), revoked.key.clone()), revoked);
            }
            Entry::Reinstated { tenant, key } => {
                self.revoked.remove(&(tenant, key));
            }
        }
        Ok(())
    }
}

fn read<'a, T: Deserialize<'a>>(number: usize, line: &'a [u8]) -> Result<T, StateError> {
    serde_json::from_slice(line)
        .map_err(|error| StateError::Content(format!("line {number}, column {}", error.column())))
}

/// The file while the gateway runs.
pub(super) struct Journal {
    path: PathBuf,
    /// How long we left it; `None` where it is not known to be whole.
    length: Option<u64>,
    /// Lines that it had when it was last replaced, and those added since.
    whole: usize,
    added: usize,
}

impl Journal {
    /// A file that the first write replaces.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, length: None, whole: 0, added: 0 }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether so many lines more are better added than the file replaced.
    pub(super) fn takes(&self, lines: usize) -> bool {
        self.length.is_some() && self.added + lines <= self.whole.max(ADDED)
    }

    /// Adds lines and forces them to the disk.
    ///
    /// # Errors
    /// What the disk says, or that the file is not as it was left: then it takes nothing more until it is replaced.
    pub(super) fn add(&mut self, entries: &[Entry]) -> io::Result<()> {
        let known = self.length.take();
        // Opened each time: a file that was moved away must not swallow what is written.
        let mut file = OpenOptions::new().append(true).open(&self.path)?;
        let length = file.metadata()?.len();
        if known != Some(length) {
            return Err(io::Error::other("it was changed by somebody else"));
        }
        let bytes = lines(entries)?;
        file.write_all(&bytes)?;
        file.sync_data()?;
        self.added += entries.len();
        self.length = Some(length + bytes.len() as u64);
        Ok(())
    }

    /// Replaces the file: written beside it, forced to the disk, and put in its place, so that a crash leaves the old or the
    /// new one.
    pub(super) fn replace(&mut self, entries: &[Entry]) -> io::Result<()> {
        self.length = None;
        let mut bytes = serde_json::to_vec(&Header { version: VERSION })?;
        bytes.push(b'\n');
        bytes.extend(lines(entries)?);
        let beside = self.path.with_extension("new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&beside)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&beside, &self.path)?;
        // The new name is on the disk once its directory is.
        #[cfg(unix)]
        if let Some(directory) = self.path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            File::open(directory)?.sync_all()?;
        }
        (self.whole, self.added, self.length) = (entries.len(), 0, Some(bytes.len() as u64));
        Ok(())
    }
}

fn lines(entries: &[Entry]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for entry in entries {
        serde_json::to_writer(&mut bytes, entry)?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::holds::Kind;
    use super::*;

    fn hold(kind: Kind) -> Hold {
        Hold { kind, tenant: "a".into(), key: None, since_ms: 1, until_ms: 9, by: "p".into() }
    }

    fn session(name: &str) -> SessionKey {
        SessionKey::of("a", name).unwrap()
    }

    fn revoked(key: &str) -> Revoked {
        Revoked { tenant: "a".into(), key: key.into(), since_ms: 1, by: "p".into() }
    }

    #[track_caller]
    fn check(path: &Path, revoked_keys: &[&str], held: &[(SessionKey, Vec<Hold>)]) {
        let saved = Saved::load(path).unwrap().unwrap();
        assert_eq!(
            saved.revoked.into_values().collect::<Vec<_>>(),
            revoked_keys.iter().map(|key| revoked(key)).collect::<Vec<_>>()
        );
        assert_eq!(saved.held, held.iter().cloned().collect());
    }

    #[test]
    fn what_is_added_counts_over_what_was_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        assert!(Saved::load(&path).unwrap().is_none());
        let mut journal = Journal::new(path.clone());
        assert!(!journal.takes(1) && journal.add(&[]).is_err());
        let both =
            vec![hold(Kind::Quarantine), Hold { key: Some("k".into()), ..hold(Kind::Delay { ms: 3 }) }];
        for _ in 0..2 {
            journal
                .replace(&[Entry::Revoked(revoked("k")), Entry::held(session("s"), both.clone())])
                .unwrap();
            check(&path, &["k"], &[(session("s"), both.clone())]);
        }
        assert!(journal.takes(ADDED) && !journal.takes(ADDED + 1));
        journal.add(&[Entry::Revoked(revoked("j")), Entry::held(session("t"), both.clone())]).unwrap();
        check(&path, &["j", "k"], &[(session("s"), both.clone()), (session("t"), both.clone())]);
        let reinstated = Entry::Reinstated { tenant: "a".into(), key: "k".into() };
        journal.add(&[reinstated, Entry::held(session("s"), vec![])]).unwrap();
        check(&path, &["j"], &[(session("s"), vec![]), (session("t"), both.clone())]);
        // A line that the process did not come to the end of says nothing.
        let text = fs::read(&path).unwrap();
        fs::write(&path, [&text[..], b"{\"revoked\":{\"tenant\":\"\xc3"].concat()).unwrap();
        check(&path, &["j"], &[(session("s"), vec![]), (session("t"), both)]);
    }

    #[test]
    fn a_file_that_is_not_as_it_was_left_is_replaced_before_it_takes_more() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        let mut journal = Journal::new(path.clone());
        let spoil: [&dyn Fn(); 3] = [
            &|| fs::remove_file(&path).unwrap(),
            &|| fs::write(&path, "{\"version\":2}\n{\"rev").unwrap(),
            &|| fs::write(&path, "").unwrap(),
        ];
        for spoil in spoil {
            journal.replace(&[Entry::Revoked(revoked("k"))]).unwrap();
            spoil();
            assert!(journal.takes(1) && journal.add(&[Entry::Revoked(revoked("j"))]).is_err());
            assert!(!journal.takes(1) && journal.add(&[]).is_err());
        }
        journal.replace(&[]).unwrap();
        check(&path, &[], &[]);
    }

    #[test]
    fn a_file_that_is_not_ours_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        let check = |content: &[u8], expected: &str| {
            fs::write(&path, content).unwrap();
            let error = Saved::load(&path).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        };
        check(b"", "line 1, column 0");
        check(b"{", "line 1, column 1");
        check(b"\xff", "line 1, column 1");
        check(br#"{"version":1,"revoked":[],"held":[]}"#, "its version is 1, not 2");
        check(b"{\"version\":2}\n\n", "line 2, column");
        check(
            b"{\"version\":2}\n{\"reinstated\":{\"tenant\":\"\",\"key\":\"\",\"more\":1}}\n",
            "line 2, column",
        );
        check(b"{\"version\":2}\n{\"held\":{\"id\":\"x\",\"holds\":[]}}\n", "32 hexadecimal digits");
        let mut nowhere = Journal::new(directory.path().join("no/such/state.json"));
        assert!(nowhere.replace(&[]).is_err());
    }
}
