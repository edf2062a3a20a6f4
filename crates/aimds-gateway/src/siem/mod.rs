//! Detections for the systems that watch (SIEM), while they happen: to a file, to a syslog server, or both.
//!
//! A thread of its own writes; requests only put records into a bounded queue. What finds no place, or cannot be sent, is
//! dropped and counted: the audit log is where nothing is lost. Where the configuration changes, another thread goes on when
//! the first has written what was queued for it.

mod file;
mod syslog;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use aimds_store::{Format, Record, write_event};

use crate::config::{SiemConfig, SiemFormat};
use file::Rotated;
use syslog::Syslog;

/// Time after which what was written is handed to the system, if nothing else comes.
const IDLE: Duration = Duration::from_millis(200);

/// What became of detections.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Written to the file, and sent to the server.
    pub(crate) written: AtomicU64,
    pub(crate) sent: AtomicU64,
    /// Dropped because the queue was full; because the file, or the server, did not take them.
    pub(crate) overflown: AtomicU64,
    pub(crate) unwritten: AtomicU64,
    pub(crate) unsent: AtomicU64,
}

impl Counters {
    /// Appends them to an exposition.
    pub(crate) fn expose(&self, out: &mut String) {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let families = [
            (
                "aimds_siem_events_total",
                "Detections that were handed over, by where.",
                vec![("to=\"file\"", &self.written), ("to=\"syslog\"", &self.sent)],
            ),
            (
                "aimds_siem_dropped_total",
                "Detections that were dropped: the queue was full, or file or syslog did not take them.",
                vec![
                    ("at=\"queue\"", &self.overflown),
                    ("at=\"file\"", &self.unwritten),
                    ("at=\"syslog\"", &self.unsent),
                ],
            ),
        ];
        for (name, help, rows) in families {
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} counter");
            for (label, counter) in rows {
                let _ = writeln!(out, "{name}{{{label}}} {}", load(counter));
            }
        }
    }
}

/// The file for detections cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot open {} for detections", .path.display())]
pub struct SiemError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub source: std::io::Error,
}

/// Takes records and has those that are detections sent, if anywhere.
pub(crate) struct Siem {
    /// Where records go now; `None` where nobody is told.
    queue: Mutex<Option<SyncSender<Record>>>,
    /// The last thread, which waits for the one before it.
    writer: Mutex<Option<JoinHandle<()>>>,
    started_ms: u64,
    /// Events so far.
    number: Arc<AtomicU64>,
    pub(crate) counters: Arc<Counters>,
}

impl Siem {
    /// Begins as [`Self::change`] goes on.
    pub(crate) fn start(config: Option<SiemConfig>, started_ms: u64) -> Result<Self, SiemError> {
        let siem = Self {
            queue: Mutex::new(None),
            writer: Mutex::new(None),
            started_ms,
            number: Arc::default(),
            counters: Arc::default(),
        };
        siem.change(config)?;
        Ok(siem)
    }

    /// Sends what comes from now on to other places. The file is opened once to see that it can be; the server is connected
    /// to when there is something to send. After an error everything is as it was.
    pub(crate) fn change(&self, config: Option<SiemConfig>) -> Result<(), SiemError> {
        let Some(config) = config else {
            lock(&self.queue).take();
            return Ok(());
        };
        let file = config.file.map(|path| Rotated::new(path, config.file_bytes, config.files));
        if let Some(file) = &file {
            file.check().map_err(|source| SiemError { path: file.path().to_owned(), source })?;
        }
        let (queue, records) = sync_channel(config.queue);
        let path = file.as_ref().map(|file| file.path().to_owned()).unwrap_or_default();
        let writer = Writer {
            file,
            syslog: config.syslog.map(Syslog::new),
            format: match config.format {
                SiemFormat::Ocsf => Format::Ocsf,
                SiemFormat::Cef => Format::Cef,
            },
            started_ms: self.started_ms,
            number: Arc::clone(&self.number),
            counters: Arc::clone(&self.counters),
        };
        let (give, given) = sync_channel::<Option<JoinHandle<()>>>(1);
        let run = move || {
            // Two threads must not write the same file, nor one overtake the other.
            if let Ok(Some(before)) = given.recv() {
                let _ = before.join();
            }
            writer.run(&records);
        };
        let thread = std::thread::Builder::new().name("aimds-siem".into()).spawn(run);
        let thread = thread.map_err(|source| SiemError { path, source })?;
        let mut last = lock(&self.writer);
        let _ = give.send(last.replace(thread));
        *lock(&self.queue) = Some(queue);
        Ok(())
    }

    /// Whether anybody is told.
    pub(crate) fn is_on(&self) -> bool {
        lock(&self.queue).is_some()
    }

    /// Queues a record, if it is a detection and there is room.
    pub(crate) fn offer(&self, record: &Record) {
        if !record.is_detection() {
            return;
        }
        if let Some(queue) = &*lock(&self.queue)
            && queue.try_send(record.clone()).is_err()
        {
            self.counters.overflown.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes nothing more and waits until what is queued has been written, for at most `patience`. Blocks.
    pub(crate) fn close(&self, patience: Duration) {
        lock(&self.queue).take();
        let writer = lock(&self.writer).take();
        let Some(writer) = writer else { return };
        let until = Instant::now() + patience;
        while !writer.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        if !writer.is_finished() {
            tracing::warn!("detections that were still queued have not been sent");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Writer {
    file: Option<Rotated>,
    syslog: Option<Syslog>,
    format: Format,
    started_ms: u64,
    number: Arc<AtomicU64>,
    counters: Arc<Counters>,
}

impl Writer {
    fn run(mut self, records: &Receiver<Record>) {
        let mut line = Vec::new();
        let (mut file_alarmed, mut syslog_alarmed) = (false, false);
        loop {
            let record = match records.recv_timeout(IDLE) {
                Ok(record) => record,
                Err(RecvTimeoutError::Timeout) => {
                    self.flush();
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return self.flush(),
            };
            let number = self.number.fetch_add(1, Ordering::Relaxed) + 1;
            line.clear();
            // Unique over restarts, and in the order of the events.
            let uid = format!("{:x}-{number}", self.started_ms);
            let Ok(severity) = write_event(&record, &uid, number, self.format, &mut line) else { continue };
            if let Some(file) = &mut self.file {
                let result = file.write(&line);
                tell(&result, "file", &mut file_alarmed);
                count(&result, &self.counters.written, &self.counters.unwritten);
            }
            if let Some(syslog) = &mut self.syslog {
                let result = syslog.send(severity, record.at_ms, line.trim_ascii_end());
                tell(&result, "syslog", &mut syslog_alarmed);
                count(&result, &self.counters.sent, &self.counters.unsent);
            }
        }
    }

    fn flush(&mut self) {
        if let Some(file) = &mut self.file
            && let Err(error) = file.flush()
        {
            tracing::error!(%error, "the file of detections cannot be written");
        }
    }
}

fn count(result: &std::io::Result<()>, good: &AtomicU64, bad: &AtomicU64) {
    let counter = if result.is_ok() { good } else { bad };
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Logs the first failure of a row, and the end of the row.
fn tell(result: &std::io::Result<()>, to: &str, alarmed: &mut bool) {
    match result {
        Err(error) if !*alarmed => tracing::error!(%error, to, "detections are not taken"),
        Ok(()) if *alarmed => tracing::info!(to, "detections are taken again"),
        _ => {}
    }
    *alarmed = result.is_err();
}
