//! The writing end: options, the spool, and what can be asked while it runs.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::chain::Head;
use crate::error::{AppendError, CloseError, FlushError, OpenError};
use crate::key::{Keys, PublicKey, beside};
use crate::record::{Encoded, Plain, Record, Waiting};
use crate::report::Bad;
use crate::rotate::finish_rotation;
use crate::ticket::{Promise, Ticket, ticket};
use crate::writer::{Writer, open_or_replace};

/// How long dropping an [`AuditLog`] that was not closed waits for the store.
const PATIENCE_ON_DROP: Duration = Duration::from_secs(5);

/// What is true of a record once its [`Ticket`] resolves. In every mode the records waiting at that moment
/// share one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It is on disk: WAL with `synchronous=FULL`, one fsync per transaction. Survives `SIGKILL` and power
    /// loss, as far as the drive does not lie about fsync.
    Full,
    /// As `Full`, but transactions begin at least this far apart: fewer fsyncs, tickets that take up to this
    /// long, and up to this much traffic still in memory when the process dies.
    Interval(Duration),
    /// It is with the operating system: WAL with `synchronous=NORMAL`, no fsync per transaction. Survives
    /// `SIGKILL`; power loss or a kernel crash may take the latest records. What remains is an intact,
    /// shorter chain, which only a head kept elsewhere tells from the whole. Under load transactions begin
    /// five milliseconds apart: one signature and one wake-up for all that comes meanwhile.
    Normal,
}

impl Durability {
    /// The least time between the beginnings of two transactions.
    fn pace(self) -> Duration {
        match self {
            Self::Full => Duration::ZERO,
            Self::Interval(every) => every,
            Self::Normal => Duration::from_millis(5),
        }
    }
}

/// How much of an existing log is verified before it is continued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenCheck {
    /// From the last checkpoint to the end: bounded by [`Options::checkpoint_every`].
    Tail,
    /// All of it: time grows with the log.
    Full,
}

/// How an [`AuditLog`] is opened. Take what you need and leave the rest to [`Options::default`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What a resolved ticket promises.
    pub durability: Durability,
    /// Records that may wait in memory, those being written included.
    pub spool_capacity: usize,
    /// Bytes that they may take up together.
    pub spool_bytes: usize,
    /// The largest single record.
    pub max_record_bytes: usize,
    /// A signed checkpoint is written after this many records of a segment.
    pub checkpoint_every: u64,
    /// A new segment is begun after this many records; 0: only when the chain is found broken.
    pub segment_records: u64,
    /// What is verified at opening.
    pub check: OpenCheck,
    /// The time to write on the alarm record, should the chain be found broken at opening. Milliseconds since
    /// the Unix epoch.
    pub opened_at_ms: u64,
    /// The first pause after a failed transaction; it doubles from failure to failure.
    pub retry_min: Duration,
    /// The longest pause.
    pub retry_max: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durability: Durability::Full,
            spool_capacity: 65_536,
            spool_bytes: 64 << 20,
            max_record_bytes: 256 << 10,
            checkpoint_every: 1_000,
            segment_records: 1_000_000,
            check: OpenCheck::Tail,
            opened_at_ms: 0,
            retry_min: Duration::from_millis(10),
            retry_max: Duration::from_secs(2),
        }
    }
}

/// What opening found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// There was no log; there is one now.
    Created,
    /// The log is continued after its last record.
    Continued,
    /// The chain is broken: the log goes on in a new segment, whose first record is an alarm that says so.
    NewSegment {
        /// The first bad place that was found.
        bad: Bad,
    },
    /// SQLite cannot read the file, or its tables were changed: it was moved aside and a new log begun, whose
    /// first record is an alarm that says so.
    Replaced {
        /// Where the old file is now.
        moved_to: PathBuf,
        /// What was wrong with it.
        reason: String,
    },
}

/// Whether records reach the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// The last transaction succeeded.
    Healthy,
    /// The store is failing. Records wait in the spool, in order, and are tried again.
    Degraded {
        /// Failed attempts since the last success.
        since_attempts: u64,
        /// What went wrong last.
        reason: String,
    },
}

/// Numbers since opening.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Records taken by [`AuditLog::append`].
    pub appended: u64,
    /// Those of them that are committed.
    pub committed: u64,
    /// Records that were not taken because the spool was full.
    pub refused: u64,
    /// Transactions committed.
    pub transactions: u64,
    /// Transactions that failed and were tried again.
    pub retried: u64,
    /// Segments begun because the chain was found broken.
    pub breaks: u64,
    /// Records waiting, those being written included.
    pub spool_len: usize,
    /// Bytes they take up.
    pub spool_bytes: usize,
}

/// The writing end of a log. One per file; share it behind an [`Arc`].
pub struct AuditLog {
    shared: Arc<Shared>,
    /// The writer thread, and the lock that keeps other writers out. The lock is held, never read: it is
    /// released when the log is closed, and by the operating system when the process ends, however it ends.
    writer: Mutex<Option<(JoinHandle<()>, fs::File)>>,
    opened: Opened,
    public_key: PublicKey,
    path: PathBuf,
}

/// What callers and the writer share.
pub(crate) struct Shared {
    pub(crate) options: Options,
    state: Mutex<State>,
    /// The writer sleeps on this.
    work: Condvar,
    /// Flushing and closing sleep on this.
    progress: Condvar,
}

pub(crate) struct State {
    queue: VecDeque<Pending>,
    pub(crate) counters: Counters,
    pub(crate) health: Health,
    pub(crate) head: Head,
    /// Commit without waiting for the interval until this many records are committed.
    flush_to: u64,
    writer: Sleep,
    /// Set when closing: when to stop trying.
    pub(crate) give_up_at: Option<Instant>,
    /// Set by the writer as the last thing it does.
    finished: Option<Result<(), String>>,
}

/// What the writer thread waits for. A notification is a system call, so it is only sent where it changes
/// something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sleep {
    /// It works, or was told to; it will look at the queue before it sleeps again.
    Awake,
    /// For a record.
    Work,
    /// For the interval to pass: it has work, and only urgency may wake it.
    Interval,
}

/// A record that waits for the writer.
pub(crate) struct Pending {
    record: Waiting,
    /// What it counts for in the spool until it is committed.
    bytes: usize,
    promise: Promise,
}

/// A record in the writer's hands.
pub(crate) struct Taken {
    pub(crate) record: Encoded,
    pub(crate) bytes: usize,
    pub(crate) promise: Promise,
}

/// While fewer records wait, the writer encodes them. When more do it has enough to do, and what is encoded takes up less memory.
const FEW: usize = 512;

impl AuditLog {
    /// Opens the log at `path`, creating it, its signing key (`<path>.key`) and its list of public keys
    /// (`<path>.pub`) where they are missing.
    ///
    /// A broken chain is no error: see [`AuditLog::opened`]. Only one writer may have a log open; readers are
    /// many.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let lock = lock(&beside(path, ".lock"))?;
        finish_rotation(path)?;
        let keys = Keys::load_or_create(path)
            .map_err(|source| OpenError::Io { what: "the signing key could not be loaded", source })?;
        let public_key = keys.public;
        let state = open_or_replace(path, &options, &keys, true)?;
        let opened = state.opened();
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                queue: VecDeque::new(),
                counters: Counters::default(),
                health: Health::Healthy,
                head: state.head(),
                flush_to: 0,
                writer: Sleep::Awake,
                give_up_at: None,
                finished: None,
            }),
            work: Condvar::new(),
            progress: Condvar::new(),
            options,
        });
        let mut writer = Writer::new(path.to_owned(), shared.clone(), keys, state);
        let thread =
            std::thread::Builder::new()
                .name("aimds-audit".to_owned())
                .spawn(move || writer.run())
                .map_err(|source| OpenError::Io { what: "the writer thread could not be started", source })?;
        Ok(Self {
            shared,
            writer: Mutex::new(Some((thread, lock))),
            opened,
            public_key,
            path: path.to_owned(),
        })
    }

    /// Queues a record and returns at once; touches no file. Records are written in the order in which this
    /// returned.
    pub fn append(&self, record: Record) -> Result<Ticket, AppendError> {
        let plain = Plain::new(record)?;
        let options = &self.shared.options;
        let (promise, ticket) = ticket();
        if plain.may_wait(options.max_record_bytes) {
            let state = self.shared.lock();
            let bytes = plain.size();
            if state.counters.spool_len < FEW && state.counters.spool_bytes + bytes <= options.spool_bytes {
                self.enqueue(state, Pending { record: Waiting::Plain(plain), bytes, promise })?;
                return Ok(ticket);
            }
        }
        let record = plain.encode();
        let (bytes, limit) = (record.size(), options.max_record_bytes);
        if bytes > limit {
            return Err(AppendError::RecordTooLarge { bytes, limit });
        }
        self.enqueue(self.shared.lock(), Pending { record: Waiting::Encoded(record), bytes, promise })?;
        Ok(ticket)
    }

    fn enqueue(&self, mut state: MutexGuard<'_, State>, pending: Pending) -> Result<(), AppendError> {
        let options = &self.shared.options;
        if state.give_up_at.is_some() {
            return Err(AppendError::Closed);
        }
        let full = state.counters.spool_len >= options.spool_capacity
            || state.counters.spool_bytes + pending.bytes > options.spool_bytes;
        if full {
            state.counters.refused += 1;
            return Err(AppendError::SpoolFull);
        }
        state.counters.appended += 1;
        state.counters.spool_len += 1;
        state.counters.spool_bytes += pending.bytes;
        state.queue.push_back(pending);
        let asleep = self.shared.rouse(&mut state);
        drop(state);
        if asleep {
            self.shared.work.notify_one();
        }
        Ok(())
    }

    /// Waits until everything appended before this call is committed, for at most `patience`.
    pub fn flush(&self, patience: Duration) -> Result<Head, FlushError> {
        let mut state = self.shared.lock();
        let target = state.counters.appended;
        state.flush_to = state.flush_to.max(target);
        if self.shared.rouse(&mut state) {
            self.shared.work.notify_one();
        }
        let pending = |s: &mut State| s.counters.committed < target && s.finished.is_none();
        let (state, _) = self
            .shared
            .progress
            .wait_timeout_while(state, patience, pending)
            .unwrap_or_else(PoisonError::into_inner);
        if state.counters.committed < target {
            return Err(FlushError { waiting: state.counters.spool_len, patience });
        }
        Ok(state.head)
    }

    /// Takes no more records, writes what is waiting and a closing checkpoint, and returns the final head: a
    /// good one to note elsewhere. A failing store is tried for at most `patience`; a system call that hangs
    /// is waited for.
    ///
    /// What could not be written comes back in the error. Closing twice returns the head again.
    pub fn close(&self, patience: Duration) -> Result<Head, CloseError> {
        {
            let mut state = self.shared.lock();
            // A patience beyond what the clock can hold means "for ever"; a year will do.
            let now = Instant::now();
            let deadline = now.checked_add(patience).unwrap_or(now + Duration::from_secs(31_536_000));
            state.give_up_at.get_or_insert(deadline);
            state.writer = Sleep::Awake;
            // Unconditionally: it may be pausing between attempts.
            self.shared.work.notify_one();
        }
        let thread = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((thread, lock)) = thread {
            // The writer does not panic; if it did all the same, `finished` is unset and says so below.
            let _ = thread.join();
            drop(lock);
        }
        let mut state = self.shared.lock();
        let unwritten = std::mem::take(&mut state.queue);
        state.counters.spool_len = 0;
        state.counters.spool_bytes = 0;
        let finished = state.finished.clone().unwrap_or_else(|| Err("the writer stopped".to_owned()));
        let head = state.head;
        drop(state);
        let give_back = |pending: Pending| {
            pending.promise.resolve(Err(crate::Abandoned));
            pending.record.into_record()
        };
        let unwritten = unwritten.into_iter().map(give_back).collect();
        finished.map(|()| head).map_err(|reason| CloseError { reason, unwritten })
    }

    /// Its file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What opening found.
    #[must_use]
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// The key that this log's checkpoints and heads are signed with from now on.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        self.public_key
    }

    /// Whether records reach the store.
    #[must_use]
    pub fn health(&self) -> Health {
        self.shared.lock().health.clone()
    }

    /// Numbers since opening.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.lock().counters
    }

    /// The last committed record.
    #[must_use]
    pub fn head(&self) -> Head {
        self.shared.lock().head
    }
}

impl Drop for AuditLog {
    /// Closes, waiting up to five seconds for a failing store. Close explicitly to learn what was not
    /// written.
    fn drop(&mut self) {
        let _ = self.close(PATIENCE_ON_DROP);
    }
}

impl std::fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditLog")
            .field("head", &self.head())
            .field("health", &self.health())
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is something to write and it is time to. Takes up to `max`
    /// records; none at all means that the log is closing and nothing is left. The records stay counted until
    /// they are committed.
    pub(crate) fn take_batch(&self, max: usize, last_commit: Option<Instant>) -> Vec<Taken> {
        // Encoded after the lock was given back.
        let encoded = |Pending { record, bytes, promise }| Taken { record: record.encode(), bytes, promise };
        self.take_pending(max, last_commit).into_iter().map(encoded).collect()
    }

    fn take_pending(&self, max: usize, last_commit: Option<Instant>) -> Vec<Pending> {
        let mut state = self.lock();
        loop {
            let due = match last_commit {
                Some(last) if !state.queue.is_empty() && !state.urgent(&self.options) => {
                    self.options.durability.pace().saturating_sub(last.elapsed())
                }
                _ => Duration::ZERO,
            };
            let ready = !state.queue.is_empty() || state.give_up_at.is_some();
            if ready && due.is_zero() {
                let n = state.queue.len().min(max);
                return state.queue.drain(..n).collect();
            }
            state = if ready {
                state.writer = Sleep::Interval;
                self.work.wait_timeout(state, due).unwrap_or_else(PoisonError::into_inner).0
            } else {
                state.writer = Sleep::Work;
                self.work.wait(state).unwrap_or_else(PoisonError::into_inner)
            };
            state.writer = Sleep::Awake;
        }
    }

    /// Puts an unwritten batch back where it came from.
    pub(crate) fn put_back(&self, batch: Vec<Taken>) {
        let mut state = self.lock();
        for Taken { record, bytes, promise } in batch.into_iter().rev() {
            state.queue.push_front(Pending { record: Waiting::Encoded(record), bytes, promise });
        }
    }

    /// Pauses the writer between attempts. Appends do not disturb it, or back-off would be none; a close
    /// does, and later pauses then end at its deadline.
    pub(crate) fn pause(&self, pause: Duration) {
        let state = self.lock();
        let closing = state.give_up_at;
        let pause = closing.map_or(pause, |at| pause.min(at.saturating_duration_since(Instant::now())));
        let undisturbed = |s: &mut State| s.give_up_at == closing;
        drop(self.work.wait_timeout_while(state, pause, undisturbed));
    }

    /// Tells everyone who flushes or closes that something happened.
    pub(crate) fn announce(&self) {
        self.progress.notify_all();
    }

    pub(crate) fn finish(&self, outcome: Result<(), String>) {
        self.lock().finished = Some(outcome);
        self.announce();
    }

    /// Whether the writer sleeps and has to be notified, after the lock is given back: it would only wait for that.
    fn rouse(&self, state: &mut State) -> bool {
        let wake = match state.writer {
            Sleep::Awake => false,
            Sleep::Work => true,
            Sleep::Interval => state.urgent(&self.options),
        };
        if wake {
            state.writer = Sleep::Awake;
        }
        wake
    }
}

impl State {
    /// Whether waiting for the interval to pass would be wrong.
    fn urgent(&self, options: &Options) -> bool {
        self.give_up_at.is_some()
            || self.counters.committed < self.flush_to
            || self.counters.spool_len >= options.spool_capacity / 2
            || self.counters.spool_bytes >= options.spool_bytes / 2
    }
}

/// Keeps other writers out until it is dropped.
pub(crate) fn lock(path: &Path) -> Result<fs::File, OpenError> {
    let io = |source| OpenError::Io { what: "the lock file could not be opened", source };
    let file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(io)?;
    // A predecessor that is just ending, or a process that it was starting, may hold the lock for a moment longer.
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(fs::TryLockError::Error(source)) => return Err(io(source)),
        }
    }
    Err(OpenError::AlreadyOpen)
}

const LOCK_TRIES: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(20);
