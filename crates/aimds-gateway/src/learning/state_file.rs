//! The learner's state on disk: one file, replaced as a whole, that one program at a time writes, and beside it what the audit
//! log must still be told.
//!
//! A decision about the state (a promotion, a rollback, the kill switch) is written down before it is carried out, together with
//! the hash of the state that it leads to. Whoever opens the state next knows by the hash whether it was carried out. What
//! was, stays in the file `.untold` until it is in an audit log: also where the program ends between the two, and where the log
//! is held by a gateway that runs.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use aimds_learn::Learner;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The learner and the file it is kept in; nobody else writes to it meanwhile.
#[derive(Debug)]
pub struct LearnState {
    /// The learner.
    pub learner: Learner,
    path: PathBuf,
    _lock: File,
}

/// A decision about the state, for the audit log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Untold {
    /// The hash of the state that it led to.
    state: String,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What, as the body of a record of kind `learn`.
    pub body: Value,
}

/// Why a state cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LearnStateError {
    /// The file, or one beside it.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It holds something else, or cannot be begun.
    #[error("cannot use the state {}", path.display())]
    Learner {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: aimds_learn::Error,
    },
}

impl LearnState {
    /// Opens what is there; `None` where there is nothing.
    ///
    /// # Errors
    /// [`LearnStateError`]. Waits while another program has it.
    pub fn open(path: &Path) -> Result<Option<Self>, LearnStateError> {
        if !path.is_file() {
            return Ok(None);
        }
        let lock = lock(path)?;
        Ok(read(path)?.map(|learner| Self { learner, path: path.to_owned(), _lock: lock }))
    }

    /// Opens what is there, else begins.
    ///
    /// # Errors
    /// [`LearnStateError`], and what `begin` says.
    pub fn open_or<E: From<LearnStateError>>(
        path: &Path,
        begin: impl FnOnce() -> Result<Learner, E>,
    ) -> Result<Self, E> {
        let lock = lock(path)?;
        let learner = match read(path)? {
            Some(learner) => learner,
            None => begin()?,
        };
        Ok(Self { learner, path: path.to_owned(), _lock: lock })
    }

    /// Writes the state beside the old one, then puts it in its place: at any moment there is one whole state.
    ///
    /// # Errors
    /// [`LearnStateError`]; the old state is still there.
    pub fn save(&self) -> Result<(), LearnStateError> {
        replace(&self.path, &self.snapshot()?)
    }

    /// Writes the state with a decision about it, which is from then on [`untold`](Self::untold).
    ///
    /// # Errors
    /// [`LearnStateError`]; the old state is still there, unless only the telling has failed: then the next opening tells.
    pub fn decide(&self, body: Value, at_ms: u64) -> Result<(), LearnStateError> {
        let bytes = self.snapshot()?;
        let intent = Untold { state: hash(&bytes), at_ms, body };
        replace(&self.beside(INTENT), line(&intent).as_bytes())?;
        replace(&self.path, &bytes)?;
        settle(&self.path, &bytes)
    }

    /// The decisions that no audit log has been told of, oldest first.
    ///
    /// # Errors
    /// [`LearnStateError`].
    pub fn untold(&self) -> Result<Vec<Untold>, LearnStateError> {
        read_untold(&self.beside(UNTOLD))
    }

    /// All of them are in an audit log.
    ///
    /// # Errors
    /// [`LearnStateError`].
    pub fn told(&self) -> Result<(), LearnStateError> {
        remove(&self.beside(UNTOLD))
    }

    fn snapshot(&self) -> Result<Vec<u8>, LearnStateError> {
        let bytes = self.learner.snapshot();
        bytes.map_err(|source| LearnStateError::Learner { path: self.path.clone(), source })
    }

    fn beside(&self, ending: &str) -> PathBuf {
        beside(&self.path, ending)
    }
}

const INTENT: &str = ".intent";
const UNTOLD: &str = ".untold";

/// Whether there may be decisions that the audit log has not been told of.
pub(crate) fn has_untold(path: &Path) -> bool {
    beside(path, UNTOLD).exists() || beside(path, INTENT).exists()
}

/// What was to be done last: it was if the state is the one that it leads to.
fn settle(path: &Path, bytes: &[u8]) -> Result<(), LearnStateError> {
    let (intent, untold) = (beside(path, INTENT), beside(path, UNTOLD));
    if let Some(intent) = read_untold(&intent)?.pop().filter(|intent| intent.state == hash(bytes)) {
        let mut all = read_untold(&untold)?;
        // The end may have come between this and the removal.
        if all.last() != Some(&intent) {
            all.push(intent);
            replace(&untold, all.iter().map(line).collect::<String>().as_bytes())?;
        }
    }
    remove(&intent)
}

fn read(path: &Path) -> Result<Option<Learner>, LearnStateError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed("read", path)(source)),
    };
    settle(path, &bytes)?;
    let learner = Learner::restore(&bytes);
    learner.map(Some).map_err(|source| LearnStateError::Learner { path: path.to_owned(), source })
}

fn read_untold(path: &Path) -> Result<Vec<Untold>, LearnStateError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(failed("read", path)(source)),
    };
    let read = text.lines().map(serde_json::from_str);
    read.collect::<Result<_, _>>().map_err(|error| failed("read", path)(error.into()))
}

fn line(untold: &Untold) -> String {
    serde_json::to_string(untold).unwrap_or_default() + "\n"
}

fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_string()
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LearnStateError {
    let path = path.to_owned();
    move |source| LearnStateError::Io { what, path, source }
}

fn remove(path: &Path) -> Result<(), LearnStateError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn lock(path: &Path) -> Result<File, LearnStateError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(failed("create", folder))?;
    }
    let name = beside(path, ".lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&name);
    let file = file.map_err(failed("open", &name))?;
    file.lock().map_err(failed("lock", &name))?;
    Ok(file)
}

fn replace(path: &Path, bytes: &[u8]) -> Result<(), LearnStateError> {
    let new = beside(path, ".new");
    let write = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        // The rename is only as durable as the folder that holds the name.
        #[cfg(unix)]
        if let Some(folder) = path.parent() {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    };
    write().map_err(failed("write", path))
}

#[cfg(test)]
mod tests {
    use aimds_learn::LearnerConfig;
    use serde_json::json;

    use super::*;

    fn begun(path: &Path) -> LearnState {
        LearnState::open_or(path, || {
            Ok::<_, LearnStateError>(Learner::new(LearnerConfig::new(1, 2), 1).unwrap())
        })
        .unwrap()
    }

    #[test]
    fn a_decision_is_told_of_wherever_the_program_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("learn.state");
        let mut state = begun(&path);
        state.save().unwrap();
        let events = |state: &LearnState| -> Vec<Value> {
            state.untold().unwrap().into_iter().map(|mut untold| untold.body["event"].take()).collect()
        };
        state.learner.ledger_mut().stop(true);
        state.decide(json!({ "event": "stopped" }), 1).unwrap();
        assert_eq!(events(&state), ["stopped"]);

        // It ends after the intent: nothing was done, and nothing is told.
        state.learner.ledger_mut().stop(false);
        let bytes = state.snapshot().unwrap();
        let intent = Untold { state: hash(&bytes), at_ms: 2, body: json!({ "event": "resumed" }) };
        replace(&state.beside(INTENT), line(&intent).as_bytes()).unwrap();
        drop(state);
        let state = LearnState::open(&path).unwrap().unwrap();
        assert!(state.learner.ledger().is_stopped());
        assert_eq!(events(&state), ["stopped"]);

        // It ends after the state: it was done, and is told of once.
        replace(&state.beside(INTENT), line(&intent).as_bytes()).unwrap();
        replace(&path, &bytes).unwrap();
        drop(state);
        assert!(has_untold(&path));
        let state = LearnState::open(&path).unwrap().unwrap();
        assert!(!state.learner.ledger().is_stopped());
        assert_eq!(events(&state), ["stopped", "resumed"]);
        replace(&state.beside(INTENT), line(&intent).as_bytes()).unwrap();
        drop(state);
        let state = LearnState::open(&path).unwrap().unwrap();
        assert_eq!(events(&state), ["stopped", "resumed"]);
        state.told().unwrap();
        assert!(events(&state).is_empty() && !has_untold(&path));
    }

    #[test]
    fn what_is_no_state_is_said_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deeper/learn.state");
        assert!(LearnState::open(&path).unwrap().is_none());
        begun(&path).save().unwrap();
        assert!(LearnState::open(&path).unwrap().is_some());
        fs::write(&path, "something else that is long enough to be looked at").unwrap();
        assert!(matches!(LearnState::open(&path), Err(LearnStateError::Learner { .. })));
    }
}
