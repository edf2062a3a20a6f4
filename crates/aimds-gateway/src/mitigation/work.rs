//! What an action leaves to be done beside requests: keeping state on the disk, telling people. It runs on the
//! scheduler, whose threads are its own: class and deadline say what goes first, and its counters what was not done.

use std::sync::Arc;
use std::time::Duration;

use aimds_scheduler::{Class, Discard, Handler, Priority, Scheduler, Start, Task};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::MitigationError;
use super::courier::Courier;
use super::keeper::{Asked, Change, Keeper};
use super::notify::{Undelivered, Webhook};
use super::report::{About, Done, Reports};

/// Notifications that wait or are under way. What comes on top is reported as failed.
const UNDER_WAY: usize = 256;
/// How often a write is tried that the disk refuses.
const WRITE_ATTEMPTS: u32 = 6;
/// Pause before the second attempt of anything; it doubles from there.
const PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// One piece of work.
pub(super) enum Work {
    /// Write what has changed of revocations and quarantines.
    Keep { attempt: u32, place: OwnedSemaphorePermit },
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

/// Does the work, on threads of the scheduler.
struct Worker {
    keeper: Arc<Keeper>,
    reports: Arc<Reports>,
    webhook: Option<Arc<Webhook>>,
    courier: Handle,
    /// Where an attempt that failed goes after its pause.
    again: tokio::sync::mpsc::UnboundedSender<Work>,
}

/// The desk where work is handed in.
pub(super) struct Desk {
    scheduler: Arc<Scheduler<Work>>,
    reports: Arc<Reports>,
    keeper: Arc<Keeper>,
    places: Arc<Semaphore>,
    _courier: Courier,
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
    ) -> Result<Self, MitigationError> {
        let courier = Courier::start()?;
        let (again, mut returned) = tokio::sync::mpsc::unbounded_channel();
        let worker = Worker {
            keeper: Arc::clone(&keeper),
            reports: Arc::clone(&reports),
            webhook: webhook.map(Arc::new),
            courier: courier.handle().clone(),
            again,
        };
        let scheduler = Scheduler::builder()
            .name("aimds-actions")
            .workers(2)
            // Of writes there is one at a time.
            .class(Priority::Critical, Class::new(1, Duration::from_millis(100)))
            .class(Priority::Medium, Class::new(capacity(UNDER_WAY), Duration::from_secs(5)))
            .build(worker)?;
        let scheduler = Arc::new(scheduler);
        // Ends with the last sender, which the workers hold.
        let (again, its) = (Arc::downgrade(&scheduler), (Arc::clone(&keeper), Arc::clone(&reports)));
        courier.handle().spawn(async move {
            while let Some(work) = returned.recv().await {
                let Some(scheduler) = again.upgrade() else { break };
                hand_in(&scheduler, &its.0, &its.1, work);
            }
        });
        let places = Arc::new(Semaphore::new(UNDER_WAY));
        Ok(Self { scheduler, reports, keeper, places, _courier: courier })
    }

    /// Has a change written; reported as `keep`. Nothing where no file is configured.
    pub(super) fn keep(&self, about: About, change: Change) {
        if !self.keeper.is_on() {
            return;
        }
        match self.keeper.ask(Asked { about, change }) {
            Ok(Some(place)) => self.hand_in(Work::Keep { attempt: 1, place }),
            // Whoever writes now, writes again.
            Ok(None) => {}
            Err(asked) => self.reports.done(&asked.about, &Done::failed("keep", "file", "too_many")),
        }
    }

    /// Has a message sent; reported as `notify`.
    pub(super) fn tell(&self, about: About, message: Value) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return self.reports.done(&about, &Done::failed("notify", "webhook", "too_many"));
        };
        let reports = Arc::clone(&self.reports);
        let telling = Telling { about, message, attempt: 1, reports, ended: false, _place: place };
        self.hand_in(Work::Tell(Box::new(telling)));
    }

    fn hand_in(&self, work: Work) {
        hand_in(&self.scheduler, &self.keeper, &self.reports, work);
    }

    /// Waits until everything that was handed in has ended, for at most `patience`; then writes what no attempt has.
    pub(super) async fn close(&self, patience: Duration) {
        // Attempts that failed come back: only the places tell that everything has ended.
        let told = self.places.acquire_many(capacity(UNDER_WAY));
        let _ = tokio::time::timeout(patience, futures_util::future::join(told, self.keeper.ended())).await;
        let (scheduler, keeper) = (Arc::clone(&self.scheduler), Arc::clone(&self.keeper));
        let drained = tokio::task::spawn_blocking(move || {
            let drained = scheduler.drain(patience);
            (drained, keeper.write())
        });
        let Ok((drained, written)) = drained.await else { return };
        if !drained.complete || written.is_err() {
            tracing::warn!(shed = drained.shed, running = drained.running, "actions were cut off");
        }
        for asked in written.unwrap_or_default() {
            self.reports.done(&asked.about, &Done::ok("keep", "file", 1));
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

fn hand_in(scheduler: &Scheduler<Work>, keeper: &Keeper, reports: &Reports, work: Work) {
    let class = match work {
        Work::Keep { .. } => Priority::Critical,
        Work::Tell(_) => Priority::Medium,
    };
    if let Err(rejected) = scheduler.schedule(Task::new(class, work)) {
        not_run(keeper, reports, rejected.payload, "not_scheduled");
    }
}

fn not_run(keeper: &Keeper, reports: &Reports, work: Work, error: &'static str) {
    match work {
        Work::Keep { place, .. } => {
            for asked in keeper.give_up(place) {
                reports.done(&asked.about, &Done::failed("keep", "file", error));
            }
        }
        Work::Tell(mut telling) => telling.end(Some(error)),
    }
}

impl Handler<Work> for Worker {
    fn run(&self, work: Work, _: &Start) {
        match work {
            Work::Keep { attempt, place } => self.keep(attempt, place),
            Work::Tell(telling) => self.tell(telling),
        }
    }

    fn discard(&self, work: Work, _: Discard) {
        not_run(&self.keeper, &self.reports, work, "shutdown");
    }
}

impl Worker {
    /// Writes until nothing waits: what is asked for during one write goes into the next.
    fn keep(&self, mut attempt: u32, mut place: OwnedSemaphorePermit) {
        loop {
            match self.keeper.write() {
                Ok(kept) => {
                    for asked in kept {
                        self.reports.done(&asked.about, &Done::ok("keep", "file", 1));
                    }
                    attempt = 1;
                }
                Err(_) if attempt < WRITE_ATTEMPTS => {
                    return self.after_pause(attempt, Work::Keep { attempt: attempt + 1, place });
                }
                Err(_) => return not_run(&self.keeper, &self.reports, Work::Keep { attempt, place }, "disk"),
            }
            match self.keeper.end(place) {
                Ok(()) => return,
                Err(more) => place = more,
            }
        }
    }

    /// The courier waits for the answer, not this thread: a slow receiver holds up nothing.
    fn tell(&self, mut telling: Box<Telling>) {
        let Some(webhook) = self.webhook.clone() else { return telling.end(Some("not_configured")) };
        let again = self.again.clone();
        self.courier.spawn(async move {
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
        self.courier.spawn(async move {
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
