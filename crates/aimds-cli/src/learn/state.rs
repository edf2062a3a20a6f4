//! The state on disk: one file, replaced as a whole.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use aimds_learn::Learner;
use anyhow::Context as _;
use serde_json::Value;

use super::{Where, audit};
use crate::data_directory;

const NAME: &str = "learn.state";

/// The learner and the file it is kept in; nobody else writes to it meanwhile.
pub(super) struct State {
    pub(super) learner: Learner,
    path: PathBuf,
    _lock: File,
}

impl State {
    /// Opens what is there.
    pub(super) fn open(place: &Where) -> anyhow::Result<Self> {
        let path = path(place)?;
        anyhow::ensure!(
            path.is_file(),
            "no state at {}: `aimds learn replay FILE` begins one",
            path.display()
        );
        let lock = lock(&path)?;
        let learner = read(&path)?.with_context(|| format!("no state at {}", path.display()))?;
        Ok(Self { learner, path, _lock: lock })
    }

    /// Opens what is there, else begins.
    pub(super) fn open_or(
        place: &Where,
        begin: impl FnOnce() -> anyhow::Result<Learner>,
    ) -> anyhow::Result<Self> {
        let path = path(place)?;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let lock = lock(&path)?;
        let learner = match read(&path)? {
            Some(learner) => learner,
            None => begin()?,
        };
        Ok(Self { learner, path, _lock: lock })
    }

    /// Writes the state beside the old one, then puts it in its place: at any moment there is one whole state.
    pub(super) fn save(&self) -> anyhow::Result<()> {
        replace(&self.path, &self.learner.snapshot()?)
    }

    /// Writes the state and then appends to the log what was done; if that fails, the old state is put back. A process that is
    /// killed between the two leaves a state in force that the log does not tell of.
    pub(super) fn save_with(
        &self,
        log: Option<aimds_store::AuditLog>,
        record: Value,
        at_ms: u64,
    ) -> anyhow::Result<()> {
        let before =
            std::fs::read(&self.path).with_context(|| format!("cannot read {}", self.path.display()))?;
        self.save()?;
        let Some(log) = log else { return Ok(()) };
        audit::append(&log, record, at_ms).or_else(|error| {
            replace(&self.path, &before)?;
            Err(error.context("nothing was changed: the audit log could not be appended to"))
        })
    }
}

/// The caller's clock: milliseconds since 1970.
pub(super) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

fn path(place: &Where) -> anyhow::Result<PathBuf> {
    match &place.state {
        Some(file) => Ok(file.clone()),
        None => Ok(data_directory::find(place.data_dir.as_deref())?.join(NAME)),
    }
}

fn read(path: &Path) -> anyhow::Result<Option<Learner>> {
    match std::fs::read(path) {
        Ok(bytes) => {
            let learner = Learner::restore(&bytes);
            Ok(Some(learner.with_context(|| format!("cannot use the state {}", path.display()))?))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn lock(path: &Path) -> anyhow::Result<File> {
    let name = beside(path, ".lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&name);
    let file = file.with_context(|| format!("cannot open {}", name.display()))?;
    file.lock().with_context(|| format!("cannot lock {}", name.display()))?;
    Ok(file)
}

fn replace(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let new = beside(path, ".new");
    let write = || -> std::io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&new, path)?;
        // The rename is only as durable as the folder that holds the name.
        #[cfg(unix)]
        if let Some(folder) = path.parent() {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
