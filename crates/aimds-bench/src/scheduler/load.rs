//! An open-loop load: when each task arrives is fixed beforehand.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aimds_attractor::systems::Random;
use aimds_scheduler::Priority::{self, Critical, High, Low, Medium};

use crate::samples::{Samples, nanos};

pub(super) const DEADLINE: Duration = Duration::from_millis(10);
/// What a task costs, in nanoseconds.
const COST_NS: u64 = 60_000;
/// What still waits is given its time, far beyond every deadline.
const REST: Duration = Duration::from_millis(500);

/// A task that should arrive at `at` after the start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    pub(super) priority: Priority,
    pub(super) at: Duration,
}

/// What takes tasks and has them worked on by one thread: whether it took this one.
pub(super) trait Runner {
    fn offer(&self, due: Due) -> bool;
}

impl<F: Fn(Due) -> bool> Runner for F {
    fn offer(&self, due: Due) -> bool {
        self(due)
    }
}

/// What the worker writes down.
pub(super) struct Record {
    start: Instant,
    /// What still waits then is not worked on: it would take time from the next contender.
    over: AtomicBool,
    ran: AtomicUsize,
    critical_missed: AtomicUsize,
    /// Nanoseconds from when they should have arrived to their end.
    critical: Mutex<Vec<f64>>,
}

impl Record {
    pub(super) fn work(&self, due: &Due) {
        if self.over.load(Ordering::Relaxed) {
            return;
        }
        let began = Instant::now();
        while began.elapsed() < Duration::from_nanos(COST_NS) {
            std::hint::spin_loop();
        }
        self.ran.fetch_add(1, Ordering::Relaxed);
        if due.priority == Critical {
            let latency = self.start.elapsed().saturating_sub(due.at);
            self.critical.lock().unwrap_or_else(PoisonError::into_inner).push(nanos(latency));
            if latency > DEADLINE {
                self.critical_missed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
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
            critical_missed: AtomicUsize::new(0),
            critical: Mutex::new(Vec::with_capacity(tasks.len())),
        });
        let runner = runner(record.clone())?;
        let (mut critical_refused, mut late) = (0, Vec::with_capacity(tasks.len()));
        for due in &tasks {
            wait_until(record.start + due.at);
            late.push(nanos(record.start.elapsed().saturating_sub(due.at)));
            if !runner.offer(*due) && due.priority == Critical {
                critical_refused += 1;
            }
        }
        std::thread::sleep(REST);
        record.over.store(true, Ordering::Relaxed);
        let latencies = Samples::new(record.critical.lock().unwrap_or_else(PoisonError::into_inner).clone());
        let critical = tasks.iter().filter(|due| due.priority == Critical).count();
        // One that was refused or has not run has missed, too.
        let critical_missed = record.critical_missed.load(Ordering::Relaxed)
            + (critical - critical_refused).saturating_sub(latencies.len())
            + critical_refused;
        Ok(Outcome {
            tasks: tasks.len(),
            not_run: tasks.len().saturating_sub(record.ran.load(Ordering::Relaxed)),
            critical,
            critical_missed,
            latencies,
            late: Samples::new(late),
        })
    }
}

pub(super) struct Outcome {
    pub(super) tasks: usize,
    pub(super) not_run: usize,
    pub(super) critical: usize,
    pub(super) critical_missed: usize,
    /// Of critical tasks, from when they should have arrived to their end, in nanoseconds.
    pub(super) latencies: Samples,
    /// How late the generator was.
    pub(super) late: Samples,
}

/// Sleeps as long as that is exact enough: a generator that spins all the time takes a core from the worker.
fn wait_until(due: Instant) {
    const SHORT: Duration = Duration::from_micros(10);
    loop {
        let left = due.saturating_duration_since(Instant::now());
        match left {
            Duration::ZERO => return,
            left if left > SHORT => std::thread::sleep(left),
            _ => std::hint::spin_loop(),
        }
    }
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
    fn what_is_refused_or_never_runs_has_missed() {
        let refused = EVEN.run(40, 1, &|_| Ok(Box::new(|_: Due| false))).unwrap();
        assert_eq!((refused.critical, refused.critical_missed, refused.not_run), (10, 10, 40));
        let lost = EVEN.run(40, 1, &|_| Ok(Box::new(|_: Due| true))).unwrap();
        assert_eq!((lost.critical, lost.critical_missed, lost.not_run), (10, 10, 40));
    }
}
