//! The file that keeps revocations and quarantines over a restart: JSON lines, and zeros after them. What changes is written
//! over the zeros, so that it costs the same however many are held, and forcing it to the disk does not wait for the file
//! system's own journal, as it would if the file grew. Where more was added than is worth reading again, the file is replaced
//! as a whole.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
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
/// Zeros that are put after the lines at a time.
const ROOM: usize = 1 << 20;
/// So much of the end of the lines is looked at again before more are added.
const END: usize = 4096;

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
    /// Reads the file; nothing is kept where there is none. The lines end with the first zero, which no JSON has. A last line
    /// without its end, and what may stand after zeros, was being written when the process or the machine stopped: nobody was
    /// told that it is kept.
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
        let bytes = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
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
    /// How we left it; `None` where it is not known to be whole.
    left: Option<Left>,
    /// Lines that it had when it was last replaced, and those added since.
    whole: usize,
    added: usize,
}

/// How long the lines of a file are and how they end, and how long the file with the zeros after them.
#[derive(Default)]
struct Left {
    lines: u64,
    end: Vec<u8>,
    file: u64,
}

impl Journal {
    /// A file that the first write replaces.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, left: None, whole: 0, added: 0 }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether so many lines more are better added than the file replaced.
    pub(super) fn takes(&self, lines: usize) -> bool {
        self.left.is_some() && self.added + lines <= self.whole.max(ADDED)
    }

    /// Adds lines and forces them to the disk.
    ///
    /// # Errors
    /// What the disk says, or that the file is not as it was left: then it takes nothing more until it is replaced.
    pub(super) fn add(&mut self, entries: &[Entry]) -> io::Result<()> {
        let left = self.left.take().ok_or_else(|| io::Error::other("it is not known to be whole"))?;
        // Opened each time: a file that was moved away must not swallow what is written.
        let mut file = OpenOptions::new().read(true).write(true).open(&self.path)?;
        if !left.is(&mut file)? {
            return Err(io::Error::other("it was changed by somebody else"));
        }
        let left = left.and(&mut file, lines(entries)?)?;
        file.sync_data()?;
        self.added += entries.len();
        self.left = Some(left);
        Ok(())
    }

    /// Replaces the file: written beside it, forced to the disk, and put in its place, so that a crash leaves the old or the
    /// new one.
    pub(super) fn replace(&mut self, entries: &[Entry]) -> io::Result<()> {
        self.left = None;
        let mut bytes = serde_json::to_vec(&Header { version: VERSION })?;
        bytes.push(b'\n');
        bytes.extend(lines(entries)?);
        let beside = self.path.with_extension("new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&beside)?;
        let left = Left::default().and(&mut file, bytes)?;
        file.sync_all()?;
        fs::rename(&beside, &self.path)?;
        // The new name is on the disk once its directory is.
        #[cfg(unix)]
        if let Some(directory) = self.path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            File::open(directory)?.sync_all()?;
        }
        (self.whole, self.added, self.left) = (entries.len(), 0, Some(left));
        Ok(())
    }
}

impl Left {
    /// Whether the file is as it was left.
    fn is(&self, file: &mut File) -> io::Result<bool> {
        if file.metadata()?.len() != self.file {
            return Ok(false);
        }
        let length = self.end.len() as u64;
        file.seek(SeekFrom::Start(self.lines.saturating_sub(length)))?;
        let mut found = Vec::new();
        file.take(length + 1).read_to_end(&mut found)?;
        Ok(matches!(found.strip_prefix(&*self.end), Some([] | [0])))
    }

    /// Writes lines after those that are there, and new zeros where the old ones are used up. A disk that has room for the
    /// lines alone gets these.
    fn and(self, file: &mut File, mut bytes: Vec<u8>) -> io::Result<Self> {
        file.seek(SeekFrom::Start(self.lines))?;
        file.write_all(&bytes)?;
        let lines = self.lines + bytes.len() as u64;
        let end = bytes.split_off(bytes.len().saturating_sub(END));
        if lines <= self.file {
            return Ok(Self { lines, end, ..self });
        }
        if file.write_all(&vec![0; ROOM]).is_ok() {
            return Ok(Self { lines, end, file: lines + ROOM as u64 });
        }
        file.set_len(lines)?;
        Ok(Self { lines, end, file: lines })
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
        // A line that was not written to its end says nothing, nor does what only came after zeros.
        let text = fs::read(&path).unwrap();
        let end = text.iter().position(|&byte| byte == 0).unwrap();
        for torn in [&b"{\"revoked\":{\"tenant\":\"\xc3"[..], b"{\"rev\0\0", b"\0\"k\"}\n{\"version\":3}\n"] {
            let mut text = text.clone();
            text[end..end + torn.len()].copy_from_slice(torn);
            fs::write(&path, &text).unwrap();
            check(&path, &["j"], &[(session("s"), vec![]), (session("t"), both.clone())]);
            fs::write(&path, &text[..end + torn.len()]).unwrap();
            check(&path, &["j"], &[(session("s"), vec![]), (session("t"), both.clone())]);
        }
    }

    #[test]
    fn more_than_the_zeros_have_room_for_is_added_all_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        let mut journal = Journal::new(path.clone());
        let nth = |nth: usize| (session(&nth.to_string()), vec![hold(Kind::Quarantine); 8]);
        let held: Vec<_> = (0..3000).map(nth).collect();
        journal.replace(&[]).unwrap();
        for held in held.chunks(7) {
            let entries: Vec<_> = held.iter().map(|(key, holds)| Entry::held(*key, holds.clone())).collect();
            journal.add(&entries).unwrap();
        }
        check(&path, &[], &held);
        let left = journal.left.unwrap();
        assert!(left.lines > ROOM as u64 && left.file == fs::metadata(&path).unwrap().len());
    }

    #[test]
    fn a_file_that_is_not_as_it_was_left_is_replaced_before_it_takes_more() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        let mut journal = Journal::new(path.clone());
        let another = || {
            let mut another = Journal::new(path.clone());
            another.replace(&[Entry::Revoked(revoked("k"))]).unwrap();
            another
        };
        let spoil: [&dyn Fn(); 5] = [
            &|| another().add(&[Entry::Revoked(revoked("l"))]).unwrap(),
            &|| another().replace(&[Entry::Revoked(revoked("l"))]).unwrap(),
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
