//! What producers and workers share: admission, the choice of the next task, running it, the end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::lane::{Head, Lane, Room, is_feasible};
use crate::priority::{PerClass, Priority};
use crate::queue::Entry;
use crate::signal::{Ready, Signal};
use crate::slots::Slot;
use crate::stats::{End, Stats};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Condvar, Mutex};
use crate::task::{Discard, Handler, Reason, Rejected, Start, Task, Ticket};

/// So often a full class tries to make room for one task, while other threads take the room it made.
const ROOM_TRIES: usize = 4;
/// How often a drain without workers looks whether other threads have finished.
const POLL: Duration = Duration::from_millis(1);

pub(crate) struct Core<T, C> {
    pub(crate) lanes: PerClass<Lane<T>>,
    pub(crate) signal: Signal,
    pub(crate) clock: C,
    pub(crate) handler: Box<dyn Handler<T>>,
    pub(crate) workers: usize,
    /// Set when the time of a drain is up: nothing is started any more.
    pub(crate) abandon: AtomicBool,
    /// How many workers live.
    pub(crate) alive: Mutex<usize>,
    pub(crate) one_left: Condvar,
}

/// A task that was picked.
struct Pick<T> {
    priority: Priority,
    aged: bool,
    entry: Entry<T>,
}

impl<T: 'static, C: Clock> Core<T, C> {
    pub(crate) fn schedule(&self, task: Task<T>) -> Result<Ticket, Rejected<T>> {
        let now = self.clock.now();
        let priority = task.priority;
        let lane = self.lanes.get(priority);
        let reject = |reason, payload| {
            lane.counters.refuse(reason);
            Err(Rejected { reason, payload })
        };
        let deadline = match self.check(lane, &task, now) {
            Ok(deadline) => deadline,
            Err(reason) => return reject(reason, task.payload),
        };
        if !lane.gate.enter() {
            self.leave(lane);
            return reject(Reason::ShuttingDown, task.payload);
        }
        let Some(slot) = self.place(priority, now) else {
            self.leave(lane);
            return reject(Reason::QueueFull, task.payload);
        };
        if !self.signal.ready().contains(priority) {
            lane.waits_from(now);
        }
        let entry = Entry { payload: task.payload, deadline, accepted_at: now, cost: task.cost, slot };
        if let Err(entry) = lane.push(entry) {
            self.leave(lane);
            return reject(Reason::QueueFull, entry.payload);
        }
        self.signal.announce(priority);
        Ok(Ticket { priority, slot })
    }

    /// The deadline of a task that may be let in.
    fn check(&self, lane: &Lane<T>, task: &Task<T>, now: u64) -> Result<u64, Reason> {
        let deadline = lane.deadline_of(task, now);
        let ahead = if task.cost > 0 { self.ahead_of(lane, task.priority) } else { 0 };
        match deadline {
            Ok(deadline) if is_feasible(now, ahead, task.cost, deadline) => Ok(deadline),
            _ if lane.gate.is_closed() => Err(Reason::ShuttingDown),
            Ok(_) => Err(Reason::DeadlineInfeasible),
            Err(reason) => Err(reason),
        }
    }

    /// Nanoseconds of waiting work that goes before a new task, shared among the workers.
    fn ahead_of(&self, lane: &Lane<T>, priority: Priority) -> u64 {
        let higher = self.lanes.iter().filter(|(other, _)| *other < priority);
        let ahead = higher.fold(lane.ahead_of_new(), |sum, (_, lane)| sum.saturating_add(lane.backlog()));
        ahead / self.workers.max(1) as u64
    }

    fn place(&self, priority: Priority, now: u64) -> Option<Slot> {
        let lane = self.lanes.get(priority);
        for _ in 0..ROOM_TRIES {
            if let Some(slot) = lane.free_slot() {
                return Some(slot);
            }
            match lane.make_room(now) {
                Room::Made(payload, why) => self.discard(lane, payload, why),
                Room::Kept => {
                    self.signal.announce(priority);
                    return None;
                }
                Room::None => return None,
            }
        }
        lane.free_slot()
    }

    fn leave(&self, lane: &Lane<T>) {
        if lane.gate.leave() {
            self.signal.call_all();
        }
    }

    pub(crate) fn cancel(&self, ticket: Ticket) -> bool {
        self.lanes.get(ticket.priority).cancel(ticket.slot)
    }

    /// Runs the task whose turn it is. `false`: there is none.
    pub(crate) fn run_one(&self) -> bool {
        let now = self.clock.now();
        let Some(pick) = self.pick(now) else { return false };
        self.run(pick, now);
        true
    }

    fn pick(&self, now: u64) -> Option<Pick<T>> {
        loop {
            let ready = self.signal.ready();
            let highest = ready.highest()?;
            let (priority, turn) = match self.overdue(ready, highest, now) {
                Some((priority, since)) => (priority, Some(since)),
                None => (highest, None),
            };
            let lane = self.lanes.get(priority);
            if turn.is_some_and(|since| !lane.take_turn(since, now)) {
                continue;
            }
            if let Some(entry) = self.take(priority, now) {
                lane.served_at(now);
                return Some(Pick { priority, aged: turn.is_some(), entry });
            }
            if let Some(since) = turn {
                lane.give_turn_back(since, now);
            }
        }
    }

    /// The class below the highest ready one that is over its time the longest, and since when it waits.
    fn overdue(&self, ready: Ready, highest: Priority, now: u64) -> Option<(Priority, u64)> {
        let lower =
            self.lanes.iter().filter(|(priority, _)| *priority > highest && ready.contains(*priority));
        let due = lower.filter_map(|(priority, lane)| {
            let (since, due) = lane.due()?;
            (due <= now).then_some((due, priority, since))
        });
        due.min().map(|(_, priority, since)| (priority, since))
    }

    /// Takes the first of a class; one that is not to be run ends here.
    fn take(&self, priority: Priority, now: u64) -> Option<Entry<T>> {
        let lane = self.lanes.get(priority);
        let head = lane.pop(now, self.abandon.load(Ordering::Acquire));
        if lane.is_empty() {
            self.signal.retire(priority, || lane.is_empty());
        }
        match head? {
            Head::Live(entry) => Some(entry),
            Head::Dead(payload, why) => {
                self.discard(lane, payload, why);
                None
            }
        }
    }

    fn run(&self, pick: Pick<T>, now: u64) {
        let Pick { priority, aged, entry } = pick;
        let counters = &self.lanes.get(priority).counters;
        let start = Start {
            ticket: Ticket { priority, slot: entry.slot },
            accepted_at: entry.accepted_at,
            started_at: now,
            deadline: entry.deadline,
            aged,
        };
        counters.started(now.saturating_sub(entry.accepted_at), now > entry.deadline, aged);
        let panicked = panics(|| self.handler.run(entry.payload, &start));
        let end = self.clock.now();
        counters.finished(end.saturating_sub(entry.accepted_at), end > entry.deadline);
        counters.end(if panicked { End::Panicked } else { End::Completed });
    }

    fn discard(&self, lane: &Lane<T>, payload: T, why: Discard) {
        panics(|| self.handler.discard(payload, why));
        // Also what was cancelled ends only here: a worker must not leave while it waits to be given back.
        lane.counters.end(End::Discarded(why));
    }

    pub(crate) fn close(&self) {
        self.lanes.iter().for_each(|(_, lane)| lane.gate.close());
        self.signal.call_all();
    }

    pub(crate) fn is_through(&self) -> bool {
        self.lanes.iter().all(|(_, lane)| lane.is_through())
    }

    /// Drops all that waits, and has workers drop what still comes.
    pub(crate) fn abandon(&self) -> u64 {
        self.abandon.store(true, Ordering::Release);
        let before = self.shed();
        let now = self.clock.now();
        // Nothing is picked any more; picking drops.
        while self.pick(now).is_some() {}
        self.shed() - before
    }

    fn shed(&self) -> u64 {
        self.stats().iter().map(|(_, class)| class.shed).sum()
    }

    /// Waits until all has ended, running it where there is no worker. `false`: the time was up before.
    pub(crate) fn wait(&self, until: Option<Instant>) -> bool {
        let left = || until.map_or(Duration::MAX, |until| until.saturating_duration_since(Instant::now()));
        while self.workers == 0 && !left().is_zero() {
            if self.run_one() {
                continue;
            }
            if self.is_through() {
                return true;
            }
            std::thread::sleep(POLL);
        }
        let mut alive = self.alive.lock().unwrap_or_else(PoisonError::into_inner);
        while *alive > 0 && !left().is_zero() {
            let (guard, _) =
                self.one_left.wait_timeout(alive, left()).unwrap_or_else(PoisonError::into_inner);
            alive = guard;
        }
        // Workers leave when all is through. Asked again, it may say no for a moment, while a late task is being refused.
        let left_alive = *alive;
        drop(alive);
        (self.workers > 0 && left_alive == 0) || self.is_through()
    }

    pub(crate) fn work(&self, worker: usize) {
        self.signal.work(worker, || self.run_one(), || self.is_through());
    }

    pub(crate) fn stats(&self) -> Stats {
        Stats {
            classes: PerClass::new(|priority| {
                let lane = self.lanes.get(priority);
                lane.counters.read(|| lane.gate.entered())
            }),
        }
    }
}

/// Runs code that is not ours; whether it panicked. What it panicked with may panic when dropped, too.
fn panics(run: impl FnOnce()) -> bool {
    let result = catch_unwind(AssertUnwindSafe(run));
    result.is_err_and(|what| {
        let _ = catch_unwind(AssertUnwindSafe(|| drop(what)));
        true
    })
}
