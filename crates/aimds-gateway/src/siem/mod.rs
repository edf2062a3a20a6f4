//! Detections for the systems that watch (SIEM), while they happen: to a file, to a syslog server, or both.
//!
//! A thread of its own writes; requests only put records into a bounded queue. What finds no place, or cannot be sent, is
//! dropped and counted: the audit log is where nothing is lost.

mod file;
mod syslog;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
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

/// Takes records and has those that are detections sent.
pub(crate) struct Siem {
    queue: Mutex<Option<SyncSender<Record>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    pub(crate) counters: Arc<Counters>,
}

impl Siem {
    /// Opens the file and starts the thread. The server is connected to when there is something to send.
    pub(crate) fn start(config: SiemConfig, started_ms: u64) -> Result<Self, SiemError> {
        let counters = Arc::new(Counters::default());
        let file = config.file.clone();
        let open = |path: PathBuf| {
            Rotated::open(&path, config.file_bytes, config.files).map_err(|source| SiemError { path, source })
        };
        let file = file.map(open).transpose()?;
        let (queue, records) = sync_channel(config.queue);
        let format = match config.format {
            SiemFormat::Ocsf => Format::Ocsf,
            SiemFormat::Cef => Format::Cef,
        };
        let syslog = config.syslog.map(Syslog::new);
        let writer = Writer { file, syslog, format, started_ms, counters: Arc::clone(&counters) };
        let path = config.file.unwrap_or_default();
        let thread = std::thread::Builder::new().name("aimds-siem".into());
        let thread =
            thread.spawn(move || writer.run(&records)).map_err(|source| SiemError { path, source })?;
        Ok(Self { queue: Mutex::new(Some(queue)), writer: Mutex::new(Some(thread)), counters })
    }

    /// Queues a record, if it is a detection and there is room.
    pub(crate) fn offer(&self, record: &Record) {
        if !record.is_detection() {
            return;
        }
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.as_ref().is_none_or(|queue| queue.try_send(record.clone()).is_err()) {
            self.counters.overflown.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes nothing more and waits until what is queued has been written, for at most `patience`. Blocks.
    pub(crate) fn close(&self, patience: Duration) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
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

struct Writer {
    file: Option<Rotated>,
    syslog: Option<Syslog>,
    format: Format,
    started_ms: u64,
    counters: Arc<Counters>,
}

impl Writer {
    fn run(mut self, records: &Receiver<Record>) {
        let mut number = 0_u64;
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
            number += 1;
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
