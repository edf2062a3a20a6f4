//! What an action leaves to be done beside requests: keeping state on the disk, telling people. It runs on the
//! scheduler, whose threads are its own: class and deadline say what goes first, and its counters what was not done.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aimds_scheduler::{Class, Discard, Handler, Priority, Scheduler, Start, Task};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::holds::Holds;
use super::notify::{Undelivered, Webhook};
use super::report::{About, Done, Reports};
use super::revocations::Revocations;
use super::saved::Saved;
use crate::app::now_ms;

/// Notifications that wait or are under way. What comes on top is reported as failed.
const UNDER_WAY: usize = 256;
/// Writes of the state that wait. Each writes everything, so that what comes on top is in one of them.
const WRITES: usize = 256;
/// How often a write is tried that the disk refuses.
const WRITE_ATTEMPTS: u32 = 6;
/// Pause before the second attempt of anything; it doubles from there.
const PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// One piece of work.
pub(super) enum Work {
    /// Write revocations and quarantines.
    Keep { about: About, attempt: u32, place: OwnedSemaphorePermit },
    /// Tell the webhook.
    Tell(Box<Telling>),
}

/// A notification on its way. Dropped before it has ended, it says so.
pub(super) struct Telling {
    about: About,
    message: Value,
    attempt: u32,
    reports: Arc<Reports>,
    ended: bool,
    _place: OwnedSemaphorePermit,
}

impl Telling {
    fn end(&mut self, error: Option<&'static str>) {
        self.ended = true;
        let count = usize::from(error.is_none());
        let done = Done { action: "notify", target: "webhook".into(), count, error };
        self.reports.done(&self.about, &done);
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        if !self.ended {
            self.end(Some("shutdown"));
        }
    }
}

/// What the state is kept in.
pub(super) struct Keeper {
    pub(super) holds: Arc<Holds>,
    pub(super) revocations: Arc<Revocations>,
    pub(super) path: Option<PathBuf>,
    /// Something has changed since the last write.
    pub(super) changed: AtomicBool,
    /// One write at a time, so that the last one is the newest.
    pub(super) writing: Mutex<()>,
}

impl Keeper {
    /// Writes what has changed. `Ok(false)`: somebody else has written it.
    fn write(&self) -> std::io::Result<bool> {
        let Some(path) = &self.path else { return Ok(false) };
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.changed.swap(false, Ordering::AcqRel) {
            return Ok(false);
        }
        let saved = Saved::new(self.revocations.list(), self.holds.list(now_ms()));
        saved.store(path).inspect_err(|error| {
            self.changed.store(true, Ordering::Release);
            tracing::error!(%error, path = %path.display(), "revocations and quarantines cannot be written");
        })?;
        Ok(true)
    }
}

/// Does the work, on threads of the scheduler.
struct Worker {
    keeper: Arc<Keeper>,
    reports: Arc<Reports>,
    webhook: Option<Arc<Webhook>>,
    runtime: Handle,
    /// Where an attempt that failed goes after its pause.
    again: tokio::sync::mpsc::UnboundedSender<Work>,
}

/// The desk where work is handed in.
pub(super) struct Desk {
    scheduler: Arc<Scheduler<Work>>,
    reports: Arc<Reports>,
    keeper: Arc<Keeper>,
    places: Arc<Semaphore>,
    writes: Arc<Semaphore>,
}

impl Desk {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn open(
        keeper: Arc<Keeper>,
        reports: Arc<Reports>,
        webhook: Option<Webhook>,
        runtime: Handle,
    ) -> Result<Self, aimds_scheduler::BuildError> {
        let (again, mut returned) = tokio::sync::mpsc::unbounded_channel();
        let worker = Worker {
            keeper: Arc::clone(&keeper),
            reports: Arc::clone(&reports),
            webhook: webhook.map(Arc::new),
            runtime: runtime.clone(),
            again,
        };
        let scheduler = Scheduler::builder()
            .name("aimds-actions")
            .workers(2)
            .class(Priority::Critical, Class::new(capacity(WRITES), Duration::from_millis(100)))
            .class(Priority::Medium, Class::new(capacity(UNDER_WAY), Duration::from_secs(5)))
            .build(worker)?;
        let scheduler = Arc::new(scheduler);
        // Ends with the last sender, which the workers hold.
        let (again, its_reports) = (Arc::downgrade(&scheduler), Arc::clone(&reports));
        runtime.spawn(async move {
            while let Some(work) = returned.recv().await {
                let Some(scheduler) = again.upgrade() else { break };
                hand_in(&scheduler, &its_reports, work);
            }
        });
        let (places, writes) = (Semaphore::new(UNDER_WAY), Semaphore::new(WRITES));
        Ok(Self { scheduler, reports, keeper, places: Arc::new(places), writes: Arc::new(writes) })
    }

    /// Has revocations and quarantines written; reported as `keep`. Nothing where no file is configured.
    pub(super) fn keep(&self, about: About) {
        if self.keeper.path.is_none() {
            return;
        }
        self.keeper.changed.store(true, Ordering::Release);
        if let Ok(place) = Arc::clone(&self.writes).try_acquire_owned() {
            hand_in(&self.scheduler, &self.reports, Work::Keep { about, attempt: 1, place });
        }
    }

    /// Has a message sent; reported as `notify`.
    pub(super) fn tell(&self, about: About, message: Value) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return self.reports.done(&about, &Done::failed("notify", "webhook", "too_many"));
        };
        let reports = Arc::clone(&self.reports);
        let telling = Telling { about, message, attempt: 1, reports, ended: false, _place: place };
        hand_in(&self.scheduler, &self.reports, Work::Tell(Box::new(telling)));
    }

    /// Waits until everything that was handed in has ended, for at most `patience`; then writes what no attempt has.
    pub(super) async fn close(&self, patience: Duration) {
        // Attempts that failed come back: only the places tell that everything has ended.
        let told = self.places.acquire_many(capacity(UNDER_WAY));
        let kept = self.writes.acquire_many(capacity(WRITES));
        let _ = tokio::time::timeout(patience, futures_util::future::join(told, kept)).await;
        let (scheduler, keeper) = (Arc::clone(&self.scheduler), Arc::clone(&self.keeper));
        let drained = tokio::task::spawn_blocking(move || {
            let drained = scheduler.drain(patience);
            (drained, keeper.write())
        });
        match drained.await {
            Ok((drained, written)) if !drained.complete || written.is_err() => {
                tracing::warn!(shed = drained.shed, running = drained.running, "actions were cut off");
            }
            _ => {}
        }
    }

    /// The scheduler's numbers.
    pub(super) fn stats(&self) -> aimds_scheduler::Stats {
        self.scheduler.stats()
    }
}

fn capacity(places: usize) -> u32 {
    u32::try_from(places).unwrap_or(u32::MAX)
}

fn hand_in(scheduler: &Scheduler<Work>, reports: &Reports, work: Work) {
    let class = match work {
        Work::Keep { .. } => Priority::Critical,
        Work::Tell(_) => Priority::Medium,
    };
    if let Err(rejected) = scheduler.schedule(Task::new(class, work)) {
        not_run(reports, rejected.payload, "not_scheduled");
    }
}

fn not_run(reports: &Reports, work: Work, error: &'static str) {
    match work {
        Work::Keep { about, .. } => reports.done(&about, &Done::failed("keep", "file", error)),
        Work::Tell(mut telling) => telling.end(Some(error)),
    }
}

impl Handler<Work> for Worker {
    fn run(&self, work: Work, _: &Start) {
        match work {
            Work::Keep { about, attempt, place } => self.keep(about, attempt, place),
            Work::Tell(telling) => self.tell(telling),
        }
    }

    fn discard(&self, work: Work, _: Discard) {
        not_run(&self.reports, work, "shutdown");
    }
}

impl Worker {
    fn keep(&self, about: About, attempt: u32, place: OwnedSemaphorePermit) {
        match self.keeper.write() {
            Ok(_) => self.reports.done(&about, &Done::ok("keep", "file", 1)),
            Err(_) if attempt < WRITE_ATTEMPTS => {
                self.after_pause(attempt, Work::Keep { about, attempt: attempt + 1, place });
            }
            Err(_) => self.reports.done(&about, &Done::failed("keep", "file", "disk")),
        }
    }

    /// The runtime waits for the answer, not this thread: a slow receiver holds up nothing.
    fn tell(&self, mut telling: Box<Telling>) {
        let Some(webhook) = self.webhook.clone() else { return telling.end(Some("not_configured")) };
        let again = self.again.clone();
        self.runtime.spawn(async move {
            match webhook.deliver(&telling.message).await {
                Ok(()) => telling.end(None),
                Err(Undelivered::Later(_)) if telling.attempt < webhook.attempts() => {
                    tokio::time::sleep(pause(telling.attempt)).await;
                    telling.attempt += 1;
                    let _ = again.send(Work::Tell(telling));
                }
                Err(Undelivered::Later(why) | Undelivered::Never(why)) => telling.end(Some(why)),
            }
        });
    }

    fn after_pause(&self, attempt: u32, work: Work) {
        let again = self.again.clone();
        self.runtime.spawn(async move {
            tokio::time::sleep(pause(attempt)).await;
            let _ = again.send(work);
        });
    }
}

fn pause(attempt: u32) -> Duration {
    PAUSE.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_have_an_end() {
        assert_eq!(
            [1, 2, 3, 8, 40].map(|attempt| pause(attempt).as_millis()),
            [200, 400, 800, 25_600, 30_000]
        );
    }
}
