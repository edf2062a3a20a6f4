//! An open-loop load: when each task arrives is fixed beforehand.
//!
//! Nobody keeps a deadline on a machine that stands still: another program, the kernel or the host of a virtual machine
//! may take a processor away. Whoever is at work notices, as time that is missing between two looks at the clock. What was
//! missed is told whole, and how much of it would have been in time without those hold-ups.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aimds_attractor::systems::Random;
use aimds_scheduler::Priority::{self, Critical, High, Low, Medium};

use crate::samples::{Samples, nanos};

pub(super) const DEADLINE: Duration = Duration::from_millis(10);
/// What a task costs, in nanoseconds.
const COST_NS: u64 = 60_000;
/// Between two looks at the clock of who does nothing else there is hardly a microsecond. What is longer than this, which is
/// far from any deadline, was a hold-up.
const HOLD_UP: Duration = Duration::from_millis(1);
/// What still waits is given its time, far beyond every deadline.
const REST: Duration = Duration::from_millis(500);

/// A task that should arrive at `at` after the start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    pub(super) priority: Priority,
    pub(super) at: Duration,
}

/// What takes tasks, or refuses them, and has them worked on by one thread.
pub(super) trait Runner {
    fn offer(&self, due: Due);
}

impl<F: Fn(Due)> Runner for F {
    fn offer(&self, due: Due) {
        self(due);
    }
}

/// What the worker writes down.
pub(super) struct Record {
    start: Instant,
    /// What still waits then is not worked on: it would take time from the next contender.
    over: AtomicBool,
    ran: AtomicUsize,
    /// When they should have arrived, and when they ended.
    critical: Mutex<Vec<Span>>,
    held_up: Mutex<Vec<Span>>,
}

/// From when to when, after the start.
type Span = (Duration, Duration);

impl Record {
    pub(super) fn work(&self, due: &Due) {
        if self.over.load(Ordering::Relaxed) {
            return;
        }
        self.spin_until(Instant::now() + Duration::from_nanos(COST_NS));
        self.ran.fetch_add(1, Ordering::Relaxed);
        if due.priority == Critical {
            lock(&self.critical).push((due.at, self.start.elapsed()));
        }
    }

    /// Looks at the clock until then, and notes where time is missing.
    fn spin_until(&self, end: Instant) {
        let mut last = Instant::now();
        while last < end {
            std::hint::spin_loop();
            let now = Instant::now();
            if now.duration_since(last) > HOLD_UP {
                self.note_hold_up(last, now);
            }
            last = now;
        }
    }

    /// Sleeps as long as that is exact enough: a generator that spins all the time takes a core from the worker.
    fn wait_until(&self, due: Instant) {
        const SHORT: Duration = Duration::from_micros(10);
        let left = due.saturating_duration_since(Instant::now());
        if left > SHORT {
            std::thread::sleep(left);
            let now = Instant::now();
            if now.saturating_duration_since(due) > HOLD_UP {
                self.note_hold_up(due, now);
            }
        }
        self.spin_until(due);
    }

    fn note_hold_up(&self, from: Instant, to: Instant) {
        lock(&self.held_up).push((from.duration_since(self.start), to.duration_since(self.start)));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Spans in order, those that touch each other made one.
fn united(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    spans.dedup_by(|next, span| {
        let touches = next.0 <= span.1;
        if touches {
            span.1 = span.1.max(next.1);
        }
        touches
    });
    spans
}

/// How much of a span lies in others, which are [`united`].
fn covered(span: Span, by: &[Span]) -> Duration {
    by.iter().map(|held| held.1.min(span.1).saturating_sub(held.0.max(span.0))).sum()
}

/// Tasks at equal distances, whose classes come in blocks of equal shares.
#[derive(Debug, Clone)]
pub(super) struct Load {
    pub(super) name: &'static str,
    interval: Duration,
    block: &'static [Priority],
    /// The most critical tasks that may miss their deadline, in per cent.
    pub(super) at_most: f64,
}

/// 60 % of what one worker can do: 10,000 a second, a quarter of each class.
pub(super) const EVEN: Load = Load {
    name: "60 % load",
    interval: Duration::from_nanos(COST_NS * 10 / 6),
    block: &Priority::ALL,
    at_most: 0.0,
};

/// Twice what one worker can do: 33,333 a second, 30 % of them critical, high and medium.
pub(super) const OVERLOAD: Load = Load {
    name: "twice the capacity",
    interval: Duration::from_nanos(COST_NS / 2),
    block: &[Critical, Low, Low, High, Low, Low, Medium, Low, Low, Low],
    at_most: 0.1,
};

impl Load {
    /// The tasks in order. The seed shuffles the classes within each block.
    fn tasks(&self, tasks: usize, seed: u64) -> Vec<Due> {
        let mut random = Random::new(seed);
        let mut classes = Vec::with_capacity(tasks + self.block.len());
        while classes.len() < tasks {
            let mut block = self.block.to_vec();
            random.shuffle(&mut block);
            classes.extend(block);
        }
        let classes = classes.into_iter().take(tasks).zip(0_u32..);
        classes.map(|(priority, count)| Due { priority, at: self.interval * count }).collect()
    }

    pub(super) fn run(
        &self,
        tasks: usize,
        seed: u64,
        runner: &dyn Fn(Arc<Record>) -> anyhow::Result<Box<dyn Runner>>,
    ) -> anyhow::Result<Outcome> {
        let tasks = self.tasks(tasks, seed);
        let record = Arc::new(Record {
            start: Instant::now() + Duration::from_millis(50),
            over: AtomicBool::new(false),
            ran: AtomicUsize::new(0),
            critical: Mutex::new(Vec::with_capacity(tasks.len())),
            held_up: Mutex::default(),
        });
        let runner = runner(record.clone())?;
        let mut late = Vec::with_capacity(tasks.len());
        for due in &tasks {
            record.wait_until(record.start + due.at);
            late.push(nanos(record.start.elapsed().saturating_sub(due.at)));
            runner.offer(*due);
        }
        std::thread::sleep(REST);
        record.over.store(true, Ordering::Relaxed);
        let (done, held_up) = (lock(&record.critical).clone(), united(lock(&record.held_up).clone()));
        let critical = tasks.iter().filter(|due| due.priority == Critical).count();
        let late_ones = done.iter().filter(|(due, end)| end.saturating_sub(*due) > DEADLINE);
        let excused = late_ones.clone().filter(|&&span| {
            let latency = span.1.saturating_sub(span.0);
            latency.saturating_sub(covered(span, &held_up)) <= DEADLINE
        });
        Ok(Outcome {
            tasks: tasks.len(),
            not_run: tasks.len().saturating_sub(record.ran.load(Ordering::Relaxed)),
            critical,
            // One that was refused or has not run has missed, too.
            critical_missed: late_ones.clone().count() + critical.saturating_sub(done.len()),
            critical_held_up: excused.count(),
            longest_hold_up: held_up
                .iter()
                .map(|(from, to)| to.saturating_sub(*from))
                .max()
                .unwrap_or_default(),
            latencies: Samples::new(done.iter().map(|(due, end)| nanos(end.saturating_sub(*due))).collect()),
            late: Samples::new(late),
        })
    }
}

pub(super) struct Outcome {
    pub(super) tasks: usize,
    pub(super) not_run: usize,
    pub(super) critical: usize,
    pub(super) critical_missed: usize,
    /// Of those that missed, how many ran and were late by no more than they were held up.
    pub(super) critical_held_up: usize,
    pub(super) longest_hold_up: Duration,
    /// Of critical tasks, from when they should have arrived to their end, in nanoseconds.
    pub(super) latencies: Samples,
    /// How late the generator was.
    pub(super) late: Samples,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_keep_their_shares_whatever_the_seed() {
        let check = |load: &Load, tasks, class, expected| {
            let count = |seed| load.tasks(tasks, seed).iter().filter(|due| due.priority == class).count();
            assert_eq!([count(1), count(2)], [expected; 2], "{} {class:?}", load.name);
        };
        check(&EVEN, 4000, Critical, 1000);
        check(&OVERLOAD, 4000, Critical, 400);
        check(&OVERLOAD, 4000, Low, 2800);
        let tasks = EVEN.tasks(10_001, 1);
        assert_eq!(tasks.last().unwrap().at.as_millis(), 1000);
        let classes = |seed| EVEN.tasks(40, seed).iter().map(|due| due.priority).collect::<Vec<_>>();
        assert!(classes(1) == classes(1) && classes(1) != classes(2));
    }

    #[test]
    fn what_never_runs_has_missed_whatever_the_machine_does() {
        let lost = EVEN.run(40, 1, &|_| Ok(Box::new(|_: Due| ()))).unwrap();
        assert_eq!((lost.critical, lost.critical_missed, lost.not_run), (10, 10, 40));
        assert_eq!(lost.critical_held_up, 0);
    }

    #[test]
    fn only_what_was_late_by_a_hold_up_is_excused() {
        let ms = Duration::from_millis;
        let check = |late: Span, held: &[Span], expected: u64| {
            assert_eq!(covered(late, &united(held.to_vec())), ms(expected), "{late:?} {held:?}");
        };
        let late = (ms(10), ms(30));
        check(late, &[], 0);
        check(late, &[(ms(0), ms(10)), (ms(30), ms(40))], 0);
        check(late, &[(ms(0), ms(12)), (ms(29), ms(40))], 3);
        check(late, &[(ms(15), ms(20)), (ms(12), ms(18)), (ms(20), ms(21))], 9);
        check(late, &[(ms(0), ms(100)), (ms(12), ms(18))], 20);
    }

    #[test]
    fn a_runner_that_is_slow_has_no_excuse() {
        // It puts off every task beyond its deadline without taking any processor time.
        let slow = EVEN.run(8, 1, &|record| {
            Ok(Box::new(move |due: Due| {
                std::thread::sleep(DEADLINE + HOLD_UP);
                record.work(&due);
            }))
        });
        let slow = slow.unwrap();
        assert_eq!((slow.critical, slow.critical_missed, slow.critical_held_up, slow.not_run), (2, 2, 0, 0));
    }
}
