//! loom: all interleavings of a few threads over [`Signal`] and [`Gate`]. What waits is a plain counter whose accesses
//! order nothing, so that only the word can make it visible.

use std::sync::Arc;
use std::time::Duration;

use loom::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::Release};
use loom::thread;

use super::{Ready, Signal};
use crate::gate::Gate;
use crate::priority::Priority;

/// The least that has queues, workers and an end: a lane of [`crate::core::Core`] each, without what it holds.
struct Small {
    signal: Signal,
    waiting: [AtomicU64; 2],
    gate: Gate,
    ended: AtomicU64,
}

const CLASSES: [Priority; 2] = [Priority::Critical, Priority::Low];

impl Small {
    fn new(workers: usize) -> Arc<Self> {
        Arc::new(Self {
            signal: Signal::new(workers, Duration::ZERO),
            waiting: [AtomicU64::new(0), AtomicU64::new(0)],
            gate: Gate::new(),
            ended: AtomicU64::new(0),
        })
    }

    fn schedule(&self, class: usize) -> bool {
        if !self.gate.enter() {
            if self.gate.leave() {
                self.signal.call_all();
            }
            return false;
        }
        self.waiting[class].fetch_add(1, Relaxed);
        self.signal.announce(CLASSES[class]);
        true
    }

    fn close(&self) {
        self.gate.close();
        self.signal.call_all();
    }

    fn take(&self, class: usize) -> bool {
        let waiting = &self.waiting[class];
        let taken = waiting.fetch_update(Relaxed, Relaxed, |waiting| waiting.checked_sub(1)).is_ok();
        if waiting.load(Relaxed) == 0 {
            self.signal.retire(CLASSES[class], || waiting.load(Relaxed) == 0);
        }
        taken
    }

    fn run_one(&self) -> bool {
        loop {
            let ready: Ready = self.signal.ready();
            let Some(class) = CLASSES.iter().position(|&class| ready.contains(class)) else { return false };
            if self.take(class) {
                self.ended.fetch_add(1, Release);
                return true;
            }
        }
    }

    fn is_through(&self) -> bool {
        self.gate.is_through(self.ended.load(loom::sync::atomic::Ordering::Acquire))
    }

    fn work(&self, worker: usize) {
        self.signal.work(worker, || self.run_one(), || self.is_through());
    }
}

/// At most so many preemptions, or fewer if `LOOM_MAX_PREEMPTIONS` says so: each more takes many times as long.
fn bounded(preemptions: usize) -> loom::model::Builder {
    let mut builder = loom::model::Builder::new();
    let wanted = builder.preemption_bound.unwrap_or(preemptions);
    builder.preemption_bound = Some(wanted.min(preemptions));
    builder
}

/// That the model ends at all says that no wake-up is lost: loom reports a worker that sleeps for ever as a deadlock.
#[test]
fn one_worker_runs_what_two_threads_schedule_and_ends() {
    bounded(2).check(|| {
        let small = Small::new(1);
        let worker = thread::spawn({
            let small = small.clone();
            move || small.work(0)
        });
        let producer = thread::spawn({
            let small = small.clone();
            move || assert!(small.schedule(0))
        });
        // The same class: what comes while the worker finds it empty must not be overlooked.
        assert!(small.schedule(0));
        producer.join().unwrap();
        small.close();
        worker.join().unwrap();
        assert_eq!(small.ended.load(Relaxed), 2);
    });
}

#[test]
fn two_workers_run_a_task_and_both_end() {
    bounded(2).check(|| {
        let small = Small::new(2);
        let workers = [0, 1].map(|worker| {
            let small = small.clone();
            thread::spawn(move || small.work(worker))
        });
        assert!(small.schedule(0));
        small.close();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        assert_eq!(small.ended.load(Relaxed), 1);
    });
}

#[test]
fn what_races_with_the_closing_is_refused_or_runs() {
    bounded(3).check(|| {
        let small = Small::new(1);
        let worker = thread::spawn({
            let small = small.clone();
            move || small.work(0)
        });
        let producer = thread::spawn({
            let small = small.clone();
            move || small.schedule(0)
        });
        small.close();
        let accepted = producer.join().unwrap();
        worker.join().unwrap();
        assert_eq!(small.ended.load(Relaxed), u64::from(accepted));
    });
}
