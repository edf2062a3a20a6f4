//! An open-loop load: when each task arrives is fixed beforehand.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aimds_scheduler::Priority;

pub(crate) const DEADLINE: Duration = Duration::from_millis(10);
/// What a task costs.
const COST: Duration = Duration::from_micros(50);

/// A task that should arrive at `at` after the start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Due {
    pub(crate) priority: Priority,
    pub(crate) at: Duration,
}

/// What takes tasks and has them worked on by one thread: whether it took this one.
pub(crate) trait Runner {
    fn offer(&self, due: Due) -> bool;
}

impl<F: Fn(Due) -> bool> Runner for F {
    fn offer(&self, due: Due) -> bool {
        self(due)
    }
}

/// What the worker writes down.
pub(crate) struct Record {
    start: Instant,
    ran: AtomicUsize,
    critical_missed: AtomicUsize,
    /// Nanoseconds from when they should have arrived to their end.
    critical: Mutex<Vec<u64>>,
}

impl Record {
    pub(crate) fn work(&self, due: &Due) {
        let began = Instant::now();
        while began.elapsed() < COST {
            std::hint::spin_loop();
        }
        self.ran.fetch_add(1, Ordering::Relaxed);
        if due.priority == Priority::Critical {
            let latency = self.start.elapsed().saturating_sub(due.at);
            self.critical.lock().expect("no panics").push(latency.as_nanos() as u64);
            if latency > DEADLINE {
                self.critical_missed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) tasks: usize,
    pub(crate) interval: Duration,
    /// Classes in turn.
    pub(crate) classes: &'static [Priority],
}

use Priority::{Critical, High, Low, Medium};

impl Load {
    /// 60 % of what one worker can do: 12,000 a second.
    pub(crate) fn even(tasks: usize) -> Self {
        Self { tasks, interval: COST * 10 / 6, classes: &Priority::ALL }
    }

    /// Twice what one worker can do, 40,000 a second: 30 % critical, high and medium, 70 % low.
    pub(crate) fn overload(tasks: usize) -> Self {
        Self {
            tasks,
            interval: COST / 2,
            classes: &[Critical, Low, Low, High, Low, Low, Medium, Low, Low, Low],
        }
    }

    pub(crate) fn run(&self, runner: &dyn Fn(Arc<Record>) -> Box<dyn Runner>) -> Outcome {
        let record = Arc::new(Record {
            start: Instant::now() + Duration::from_millis(50),
            ran: AtomicUsize::new(0),
            critical_missed: AtomicUsize::new(0),
            critical: Mutex::new(Vec::with_capacity(self.tasks)),
        });
        let runner = runner(record.clone());
        let (mut refused, mut critical_refused, mut late) = (0, 0, Vec::with_capacity(self.tasks));
        let classes = self.classes.iter().cycle().take(self.tasks);
        for (count, &priority) in classes.enumerate() {
            let at = self.interval * count as u32;
            wait_until(record.start + at);
            late.push(record.start.elapsed().saturating_sub(at).as_nanos() as u64);
            if !runner.offer(Due { priority, at }) {
                refused += 1;
                critical_refused += usize::from(priority == Critical);
            }
        }
        // What still waits is given its time, far beyond every deadline.
        std::thread::sleep(Duration::from_millis(500));
        late.sort_unstable();
        let mut critical = record.critical.lock().expect("no panics").clone();
        critical.sort_unstable();
        let expected =
            self.classes.iter().cycle().take(self.tasks).filter(|&&class| class == Critical).count();
        let missed = record.critical_missed.load(Ordering::Relaxed);
        Outcome {
            tasks: self.tasks,
            refused,
            ran: record.ran.load(Ordering::Relaxed),
            critical: expected,
            // One that was refused or has not run has missed, too.
            critical_missed: missed
                + (expected - critical_refused).saturating_sub(critical.len())
                + critical_refused,
            latencies: critical,
            late,
        }
    }
}

pub(crate) struct Outcome {
    pub(crate) tasks: usize,
    pub(crate) refused: usize,
    ran: usize,
    pub(crate) critical: usize,
    pub(crate) critical_missed: usize,
    latencies: Vec<u64>,
    late: Vec<u64>,
}

impl Outcome {
    pub(crate) fn not_run(&self) -> usize {
        self.tasks - self.ran
    }

    pub(crate) fn critical_us(&self, q: f64) -> f64 {
        quantile(&self.latencies, q)
    }

    pub(crate) fn generator_us(&self, q: f64) -> f64 {
        quantile(&self.late, q)
    }
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

fn quantile(sorted: &[u64], q: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((q * last as f64).round() as usize).map_or(f64::NAN, |&nanos| nanos as f64 / 1e3)
}
