//! What scheduling costs and what it keeps, next to what one would build otherwise.
//!
//! - *enqueue*: one call that finds no sleeping worker, in batches between which the queues are emptied, all contenders
//!   in turn; ours with a clock that reads the time-stamp counter and with the machine's.
//! - *wake*: from before the call until a worker that sleeps, or looks for work, runs the task.
//! - *load*: tasks of 60 µs arrive at times fixed beforehand, whatever the scheduler does (open loop), a worker runs
//!   them. A deadline counts from when the task *should* have arrived, so that a generator that was held up hides nothing
//!   (coordinated omission); a detail says by how much it was late. At twice the capacity, low tasks are shed.
//!
//! Time is wall time, and other programs count: compare within one run.

mod load;
mod rivals;

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aimds_scheduler::{Class, Clock, MonotonicClock, Order, Priority, Scheduler, Shed, Start, Task};
use serde_json::json;

use crate::bench::Bench;
use crate::case::{Case, Measured, Of, Unit};
use crate::samples::{Samples, nanos};
use load::{EVEN, Load, OVERLOAD, Outcome, Record, Runner};
use rivals::{Channels, LockedHeap};

/// How much there is to do in each run.
#[derive(Clone, Copy, Debug)]
pub struct SchedulerLoad {
    /// Tasks of a load; rivals get a tenth.
    pub tasks: usize,
    /// Batches of calls.
    pub batches: usize,
    /// Times that a worker is woken.
    pub wakes: usize,
}

/// Calls of a batch.
const BATCH: usize = 64;
/// Batches before the measurement.
const WARM_UP: usize = 10;
const COUNTER: &str = "enqueue, time-stamp counter as clock";
const SYSTEM: &str = "enqueue, the system's clock";
const DEADLINE: &str = "enqueue, earliest deadline first, counter";
const CHANNELS: &str = "four crossbeam channels";
const HEAP: &str = "Mutex<BinaryHeap>";

/// Measures what is wanted.
///
/// # Errors
/// If threads cannot be started.
pub fn measure_scheduler(bench: &mut Bench<'_>, load: &SchedulerLoad) -> anyhow::Result<Vec<Case>> {
    let mut cases = enqueue(bench, load)?;
    wake(bench, load, "worker parked", Duration::ZERO, 15.0, &mut cases)?;
    wake(bench, load, "worker spinning", Duration::from_millis(50), 1.0, &mut cases)?;
    loads(bench, load, &mut cases)?;
    Ok(cases)
}

/// Writes what a rival needs to make the same calls, with the system's clock: `{"case","batch","batches"}`.
///
/// # Errors
/// What `out` says.
pub fn export_scheduler(out: &mut impl Write, load: &SchedulerLoad, runs: usize) -> io::Result<()> {
    writeln!(out, "{}", json!({ "case": SYSTEM, "batch": BATCH, "batches": load.batches * runs }))
}

/// Reads the time-stamp counter, which the crate `quanta` calibrates.
#[derive(Default)]
struct CounterClock(quanta::Clock);

impl Clock for CounterClock {
    fn now(&self) -> u64 {
        self.0.delta_as_nanos(0, self.0.raw())
    }
}

/// Puts one in, and empties the queues.
type Contender<'a> = (Box<dyn FnMut(u64) + 'a>, Box<dyn FnMut() + 'a>);

fn enqueue(bench: &mut Bench<'_>, load: &SchedulerLoad) -> anyhow::Result<Vec<Case>> {
    // Contenders take turns, so all are measured or none.
    if ![COUNTER, SYSTEM, DEADLINE].into_iter().any(|name| bench.wants(name)) {
        return Ok(Vec::new());
    }
    bench.begins(COUNTER);
    let ours = |order| {
        let class = Class::new(1024, load::DEADLINE).order(order);
        Scheduler::builder().workers(0).class(Priority::Critical, class)
    };
    let counter = ours(Order::Fifo).clock(CounterClock::default()).build(|_: u64, _: &Start| ())?;
    let system = ours(Order::Fifo).clock(MonotonicClock::default()).build(|_: u64, _: &Start| ())?;
    let deadline =
        ours(Order::EarliestDeadline).clock(CounterClock::default()).build(|_: u64, _: &Start| ())?;
    let (channels, locked, clock) = (Channels::new(1024), LockedHeap::default(), CounterClock::default());
    let task = |payload| Task::new(Priority::Critical, payload);
    let mut contenders: [Contender<'_>; 5] = [
        (Box::new(|at| drop(counter.schedule(task(at)))), Box::new(|| while counter.run_one() {})),
        (Box::new(|at| drop(system.schedule(task(at)))), Box::new(|| while system.run_one() {})),
        (Box::new(|at| drop(deadline.schedule(task(at)))), Box::new(|| while deadline.run_one() {})),
        (
            Box::new(|at| channels.send(Priority::Critical, (at, clock.now()))),
            Box::new(|| while channels.try_receive().is_some() {}),
        ),
        (
            Box::new(|at| locked.offer(Priority::Critical, clock.now(), at)),
            Box::new(|| while locked.try_pop().is_some() {}),
        ),
    ];
    let batches = load.batches * bench.runs;
    let mut samples: [Vec<f64>; 5] = Default::default();
    for batch in 0..WARM_UP + batches {
        for ((put, empty), samples) in contenders.iter_mut().zip(&mut samples) {
            let start = Instant::now();
            for at in 0..BATCH as u64 {
                put(at);
            }
            let each = nanos(start.elapsed()) / BATCH as f64;
            empty();
            if batch >= WARM_UP {
                samples.push(each);
            }
        }
    }
    let [counter, system, deadline, channels, locked] = samples.map(Measured::new);
    // The rivals read the counter, and stand beside us where we do, too.
    let rivals = |case: Case| case.rival(CHANNELS, None, channels.clone()).rival(HEAP, None, locked.clone());
    let case = |name, measured| Case::new(name, Unit::Ns, measured);
    let cases = [
        rivals(case(COUNTER, counter)).target(Of::Median, 30.0),
        case(SYSTEM, system).target(Of::Median, 50.0),
        rivals(case(DEADLINE, deadline)),
    ];
    Ok(cases.into_iter().filter(|case| bench.wants(&case.case)).collect())
}

fn wake(
    bench: &mut Bench<'_>,
    load: &SchedulerLoad,
    how: &str,
    spin: Duration,
    at_most_us: f64,
    cases: &mut Vec<Case>,
) -> anyhow::Result<()> {
    let case = format!("enqueue to start, {how}");
    if !bench.begins(&case) {
        return Ok(());
    }
    let started = Arc::new(AtomicU64::new(0));
    let clock = Arc::new(MonotonicClock::default());
    let handler = {
        let (started, clock) = (started.clone(), clock.clone());
        move |(): (), _: &Start| started.store(clock.now(), Ordering::Release)
    };
    let scheduler = Scheduler::builder().spin(spin).clock(clock.clone()).build(handler)?;
    let mut samples = Vec::new();
    for _ in 0..load.wakes * bench.runs {
        // Long enough to go to sleep, where it does.
        std::thread::sleep(if spin.is_zero() { Duration::from_millis(1) } else { Duration::ZERO });
        started.store(0, Ordering::Release);
        let before = clock.now();
        scheduler.schedule(Task::new(Priority::Critical, ()))?;
        let after = loop {
            match started.load(Ordering::Acquire) {
                0 => std::hint::spin_loop(),
                at => break at,
            }
        };
        samples.push(after.saturating_sub(before) as f64 / 1e3);
    }
    cases.push(Case::new(case, Unit::Us, Measured::new(samples)).target(Of::Median, at_most_us));
    Ok(())
}

/// What makes one contender for a record.
type Contend = fn(Arc<Record>) -> anyhow::Result<Box<dyn Runner>>;

/// Ours and the rivals under the same load; the rivals get a tenth of the tasks.
fn loads(bench: &mut Bench<'_>, load: &SchedulerLoad, cases: &mut Vec<Case>) -> anyhow::Result<()> {
    for kind in [EVEN, OVERLOAD] {
        let missed = format!("critical deadlines missed at {}", kind.name);
        let took = format!("critical tasks, due to done, at {}", kind.name);
        if ![&missed, &took].into_iter().any(|case| bench.wants(case)) {
            continue;
        }
        bench.begins(&missed);
        let [share, latency] = contend(bench, &kind, load.tasks, |record| Ok(Box::new(ours(record)?)))?;
        let mut both = [
            // Of the worst run: a median would forgive.
            Case::new(missed, Unit::Percent, share).target(Of::P99, kind.at_most),
            Case::new(took, Unit::Us, latency),
        ];
        let rivals: [(&str, Contend); 2] = [
            (CHANNELS, |record| Ok(Box::new(rivals::channels(record)))),
            (HEAP, |record| Ok(Box::new(rivals::locked_heap(record)))),
        ];
        for (name, runner) in rivals {
            let [share, latency] = contend(bench, &kind, load.tasks.div_ceil(10), runner)?;
            let [missed, took] = both;
            both = [missed.rival(name, None, share), took.rival(name, None, latency)];
        }
        cases.extend(both.into_iter().filter(|case| bench.wants(&case.case)));
    }
    Ok(())
}

/// Every run of one contender: the share of critical tasks that missed, and how long they took, which is of medians.
fn contend(bench: &Bench<'_>, kind: &Load, tasks: usize, runner: Contend) -> anyhow::Result<[Measured; 2]> {
    let runs = (0..bench.runs as u64).map(|run| kind.run(tasks, bench.seed.wrapping_add(run), &runner));
    let runs = runs.collect::<anyhow::Result<Vec<Outcome>>>()?;
    let of = |number: &dyn Fn(&Outcome) -> f64| runs.iter().map(number).collect::<Vec<f64>>();
    let sum = |number: &dyn Fn(&Outcome) -> usize| runs.iter().map(number).sum::<usize>() as f64;
    let worst = |samples: &dyn Fn(&Outcome) -> f64| Samples::new(of(samples)).quantile(1.0) / 1e3;
    let share = |run: &Outcome| 100.0 * run.critical_missed as f64 / run.critical.max(1) as f64;
    Ok([
        Measured::new(of(&share))
            .detail("critical", sum(&|run| run.critical))
            .detail("critical missed", sum(&|run| run.critical_missed))
            .detail("critical missed while the machine stood still", sum(&|run| run.critical_held_up))
            .detail("longest hold-up of the machine, us", worst(&|run| nanos(run.longest_hold_up)))
            .detail("tasks", sum(&|run| run.tasks))
            .detail("not run", sum(&|run| run.not_run)),
        Measured::new(of(&|run| run.latencies.quantile(0.5) / 1e3))
            .detail("worst p99 of a run", worst(&|run| run.latencies.quantile(0.99)))
            .detail("generator late, worst p99 of a run", worst(&|run| run.late.quantile(0.99))),
    ])
}

fn ours(record: Arc<Record>) -> anyhow::Result<impl Runner> {
    let low = Class::new(4096, load::DEADLINE).shed(Shed::DropPastDue);
    let class = Class::new(4096, load::DEADLINE);
    let scheduler = Scheduler::builder()
        .class(Priority::Critical, class)
        .class(Priority::High, class)
        .class(Priority::Medium, class)
        .class(Priority::Low, low)
        .build(move |due: load::Due, _: &Start| record.work(&due))?;
    Ok(move |due: load::Due| drop(scheduler.schedule(Task::new(due.priority, due))))
}
