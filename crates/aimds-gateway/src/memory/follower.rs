//! The thread that follows the audit log.

use std::error::Error;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use aimds_store::{AuditLog, Entry, Filter, ReadError, Reader};

use super::place::Place;

/// Records without anything for a consumer after which its place is written all the same.
const STRIDE: u64 = 4096;
/// Pause between two looks at the end of the log, which is in memory.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Pause after a failure; it doubles from there.
const PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// It rests this many times as long as it has worked, so that it takes a quarter of one processor at most: requests come
/// first, and what is behind them waits in the log.
const REST_TO_WORK: u32 = 3;

/// Somebody who makes something of records.
pub(crate) trait Consumer: Send + 'static {
    /// How many of the records before its place it wants to see again when it begins: what it remembered of them is gone.
    const RECALLED: u64;
    /// The kind of record that it takes; all where there is none.
    const KIND: Option<&'static str> = None;
    /// Records that it is given at once.
    const AT_ONCE: u64 = 256;
    /// Pause after it has taken some.
    const REST: Duration = Duration::ZERO;

    /// Sees again what it has taken before this process began.
    fn recall(&mut self, entry: &Entry);

    /// Takes records, in order. When it returns, what it made of them is kept. After an error it is given the same again: taking
    /// twice must come to the same. Called without any now and then, so that it notices what happens elsewhere.
    ///
    /// # Errors
    /// Its store is down.
    fn take(&mut self, entries: &[Entry]) -> Result<(), Box<dyn Error + Send + Sync>>;
}

/// How it goes, for metrics.
#[derive(Debug, Default)]
pub(crate) struct State {
    taken: AtomicU64,
    failing: AtomicBool,
}

impl State {
    /// Whether the last attempt succeeded.
    pub(crate) fn is_healthy(&self) -> bool {
        !self.failing.load(Ordering::Relaxed)
    }
}

/// A consumer that follows a log, on a thread of its own.
pub(crate) struct Follower {
    log: Arc<AuditLog>,
    state: Arc<State>,
    stop: Arc<Stop>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Stop {
    /// Up to which record, and until when.
    order: Mutex<Option<(u64, Instant)>>,
    given: Condvar,
}

impl Follower {
    /// Begins where the file says that it ended.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start(
        name: &'static str,
        log: Arc<AuditLog>,
        place: PathBuf,
        consumer: impl Consumer,
    ) -> std::io::Result<Self> {
        let (state, stop) = (Arc::<State>::default(), Arc::<Stop>::default());
        let mut run = Run {
            name,
            log: Arc::clone(&log),
            file: place,
            place: None,
            written: 0,
            consumer,
            state: Arc::clone(&state),
            stop: Arc::clone(&stop),
        };
        let thread = std::thread::Builder::new().name(format!("aimds-{name}")).spawn(move || run.run())?;
        Ok(Self { log, state, stop, thread: Mutex::new(Some(thread)) })
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Records that are committed and not taken yet.
    pub(crate) fn waiting(&self) -> u64 {
        self.log.head().seq.saturating_sub(self.state.taken.load(Ordering::Relaxed))
    }

    /// Takes what is in the log by now, for at most `patience`, and ends. What is left, the next start takes. Blocks.
    pub(crate) fn close(&self, patience: Duration) {
        let until = Instant::now() + patience;
        let head = self.log.flush(patience).unwrap_or_else(|_| self.log.head());
        *lock(&self.stop.order) = Some((head.seq, until));
        self.stop.given.notify_all();
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop.order.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert((0, Instant::now()));
        self.stop.given.notify_all();
    }
}

struct Run<C> {
    name: &'static str,
    log: Arc<AuditLog>,
    file: PathBuf,
    /// `None` until the log could be read.
    place: Option<Place>,
    /// The last record of the place in the file.
    written: u64,
    consumer: C,
    state: Arc<State>,
    stop: Arc<Stop>,
}

impl<C: Consumer> Run<C> {
    fn run(&mut self) {
        let mut pause = PAUSE;
        loop {
            let began = Instant::now();
            let result = self.round();
            let worked = began.elapsed();
            self.tell(result.as_ref().err().map(Box::as_ref));
            let (rest, failed) = match result {
                Ok(true) => (C::REST.max(worked * REST_TO_WORK), false),
                Ok(false) => (LOOK_EVERY, false),
                Err(_) => (pause, true),
            };
            pause = if failed { (pause * 2).min(LONGEST_PAUSE) } else { PAUSE };
            let waited =
                self.stop.given.wait_timeout_while(lock(&self.stop.order), rest, |order| order.is_none());
            let told = *waited.unwrap_or_else(PoisonError::into_inner).0;
            let taken = self.state.taken.load(Ordering::Relaxed);
            if told.is_some_and(|(last, until)| taken >= last || failed || Instant::now() >= until) {
                return;
            }
        }
    }

    /// Hands on the next records; `false` where there are none.
    fn round(&mut self) -> Result<bool, Box<dyn Error + Send + Sync>> {
        let known = self.place.as_ref().map(|place| place.seq);
        if known == Some(self.log.head().seq) {
            self.consumer.take(&[])?;
            return Ok(false);
        }
        // Opened anew each time: the log may have been moved aside and begun again.
        let reader = Reader::open(self.log.path())?;
        let Some(first) = read(&reader, 0, 1, None)?.pop() else {
            self.consumer.take(&[])?;
            return Ok(false);
        };
        let last = reader.tail(1)?.pop().map_or(0, |entry| entry.seq);
        let before = match &self.place {
            Some(place) => place.clone(),
            None => Place::load(&self.file)?,
        };
        let mut place = before.in_log(&first.hash.to_string(), last);
        if self.place.is_none() {
            let from = place.seq.saturating_sub(C::RECALLED);
            reader.read(
                &Filter { after_seq: from, limit: Some(place.seq - from), ..Filter::default() },
                |entry| {
                    self.consumer.recall(&entry);
                    Ok(())
                },
            )?;
            self.written = place.seq;
            self.came_to(&place);
        }
        let entries = read(&reader, place.seq, C::AT_ONCE, C::KIND)?;
        self.consumer.take(&entries)?;
        place.seq = match entries.last() {
            Some(newest) if entries.len() as u64 == C::AT_ONCE => newest.seq,
            // There is no more of its kind up to what was the end before.
            newest => last.max(newest.map_or(0, |newest| newest.seq)),
        };
        if !entries.is_empty() || place.seq.saturating_sub(self.written) >= STRIDE {
            place.store(&self.file)?;
            self.written = place.seq;
        }
        self.came_to(&place);
        Ok(!entries.is_empty())
    }

    fn came_to(&mut self, place: &Place) {
        self.state.taken.store(place.seq, Ordering::Relaxed);
        self.place = Some(place.clone());
    }

    fn tell(&self, error: Option<&(dyn Error + Send + Sync)>) {
        let failed_before = self.state.failing.swap(error.is_some(), Ordering::Relaxed);
        match error {
            Some(error) if !failed_before => {
                tracing::error!(%error, what = self.name, "what follows the audit log is stuck; the log keeps what it misses");
            }
            None if failed_before => tracing::info!(what = self.name, "what follows the audit log goes on"),
            _ => {}
        }
    }
}

fn read(reader: &Reader, after_seq: u64, limit: u64, kind: Option<&str>) -> Result<Vec<Entry>, ReadError> {
    let mut entries = Vec::new();
    let kind = kind.map(str::to_owned);
    reader.read(&Filter { after_seq, kind, limit: Some(limit), ..Filter::default() }, |entry| {
        entries.push(entry);
        Ok(())
    })?;
    Ok(entries)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
