//! What scheduling costs and what it keeps, next to what one would build otherwise.
//!
//! `cargo run --release -p aimds-scheduler --example bench [-- --format json] [--tasks N]`
//!
//! - *enqueue*: nanoseconds of one call that finds no sleeping worker, in batches of 64 between which the queues are
//!   emptied; ours with a clock that reads the time-stamp counter and with the machine's, and the rivals in turn.
//! - *wake*: from before the call until a worker that had gone to sleep runs the task.
//! - *load*: tasks of 50 µs arrive at times fixed beforehand, whatever the scheduler does (open loop), a worker runs
//!   them. A deadline counts from when the task *should* have arrived, so that a generator that was held up hides nothing
//!   (coordinated omission); `generator` says by how much it was late. The four classes come in turn at 60 % load; at
//!   200 %, critical, high and medium together are 60 % and the rest is low, which is shed.
//!
//! Time is wall time, and other programs count: compare within one run. The incumbent `midstreamer-scheduler` is not
//! here, because it pulls in a whole async runtime.

mod load;
mod rivals;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aimds_scheduler::{Class, Clock, MonotonicClock, Order, Priority, Scheduler, Shed, Start, Task};

use load::{Load, Outcome, Runner};
use rivals::{Channels, LockedHeap};

/// Reads the time-stamp counter, which the crate `quanta` calibrates.
#[derive(Default)]
struct CounterClock(quanta::Clock);

impl Clock for CounterClock {
    fn now(&self) -> u64 {
        self.0.delta_as_nanos(0, self.0.raw())
    }
}

const BATCH: usize = 64;
const BATCHES: usize = 20_000;
const WAKES: usize = 2_000;

/// Quantiles of sorted samples.
struct Row {
    name: String,
    unit: &'static str,
    samples: Vec<f64>,
}

impl Row {
    fn new(name: &str, unit: &'static str, mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        Self { name: name.to_owned(), unit, samples }
    }

    fn quantile(&self, q: f64) -> f64 {
        let last = self.samples.len().saturating_sub(1);
        self.samples.get((q * last as f64).round() as usize).copied().unwrap_or(f64::NAN)
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let json = arguments.iter().any(|argument| argument == "json");
    let tasks = arguments
        .iter()
        .position(|argument| argument == "--tasks")
        .and_then(|at| arguments.get(at + 1)?.parse().ok())
        .unwrap_or(1_000_000);
    let mut rows = enqueue();
    rows.extend(wake());
    let loads = loads(tasks);
    if json {
        println!("{}", report(&rows, &loads));
    } else {
        print(&rows, &loads);
    }
}

/// A name, what puts one in, and what empties the queues.
type Case<'a> = (&'a str, Box<dyn FnMut(u64) + 'a>, Box<dyn FnMut() + 'a>);

fn enqueue() -> Vec<Row> {
    let ours = |order| {
        let class = Class::new(1024, Duration::from_millis(10)).order(order);
        Scheduler::builder().workers(0).class(Priority::Critical, class)
    };
    let counter =
        ours(Order::Fifo).clock(CounterClock::default()).build(|_: u64, _: &Start| ()).expect("no threads");
    let system =
        ours(Order::Fifo).clock(MonotonicClock::default()).build(|_: u64, _: &Start| ()).expect("no threads");
    let heap = ours(Order::EarliestDeadline)
        .clock(CounterClock::default())
        .build(|_: u64, _: &Start| ())
        .expect("no threads");
    let channels = Channels::new(1024);
    let locked = LockedHeap::default();
    let clock = CounterClock::default();
    let task = |payload| Task::new(Priority::Critical, payload);
    let mut cases: Vec<Case<'_>> = vec![
        (
            "enqueue, counter clock",
            Box::new(|at| drop(counter.schedule(task(at)))),
            Box::new(|| while counter.run_one() {}),
        ),
        (
            "enqueue, system clock",
            Box::new(|at| drop(system.schedule(task(at)))),
            Box::new(|| while system.run_one() {}),
        ),
        (
            "enqueue, earliest deadline first, counter clock",
            Box::new(|at| drop(heap.schedule(task(at)))),
            Box::new(|| while heap.run_one() {}),
        ),
        (
            "enqueue, rival: four crossbeam channels, counter clock",
            Box::new(|at| channels.send(Priority::Critical, (at, clock.now()))),
            Box::new(|| while channels.try_receive().is_some() {}),
        ),
        (
            "enqueue, rival: Mutex<BinaryHeap>, counter clock",
            Box::new(|at| locked.push(Priority::Critical, clock.now(), at)),
            Box::new(|| while locked.try_pop().is_some() {}),
        ),
    ];
    let mut samples = vec![Vec::with_capacity(BATCHES); cases.len()];
    for _ in 0..BATCHES {
        for ((_, put, empty), samples) in cases.iter_mut().zip(&mut samples) {
            let start = Instant::now();
            for at in 0..BATCH as u64 {
                put(at);
            }
            samples.push(start.elapsed().as_nanos() as f64 / BATCH as f64);
            empty();
        }
    }
    cases.iter().zip(samples).map(|((name, ..), samples)| Row::new(name, "ns", samples)).collect()
}

fn wake() -> Vec<Row> {
    let measure = |name: &str, spin: Duration| {
        let started = Arc::new(AtomicU64::new(0));
        let clock = Arc::new(MonotonicClock::default());
        let handler = {
            let (started, clock) = (started.clone(), clock.clone());
            move |_: (), _: &Start| started.store(clock.now(), Ordering::Release)
        };
        let scheduler =
            Scheduler::builder().spin(spin).clock(clock.clone()).build(handler).expect("a thread");
        let samples = (0..WAKES).map(|_| {
            std::thread::sleep(if spin.is_zero() { Duration::from_millis(1) } else { Duration::ZERO });
            started.store(0, Ordering::Release);
            let before = clock.now();
            let _ = scheduler.schedule(Task::new(Priority::Critical, ()));
            let after = loop {
                match started.load(Ordering::Acquire) {
                    0 => std::hint::spin_loop(),
                    at => break at,
                }
            };
            after.saturating_sub(before) as f64 / 1e3
        });
        Row::new(name, "us", samples.collect())
    };
    vec![
        measure("enqueue to start, worker parked", Duration::ZERO),
        measure("enqueue to start, worker spinning", Duration::from_millis(50)),
    ]
}

/// Ours and the rivals under the same load; the rivals get a tenth of the tasks.
fn loads(tasks: usize) -> Vec<(String, Outcome)> {
    let mut done = Vec::new();
    for (name, load) in [("60 %", Load::even(tasks)), ("200 %", Load::overload(tasks))] {
        let fewer = Load { tasks: tasks / 10, ..load.clone() };
        let mut run = |who: &str, load: &Load, runner: &dyn Fn(Arc<load::Record>) -> Box<dyn Runner>| {
            eprintln!("{name} load, {} tasks: {who}", load.tasks);
            done.push((format!("{name} load, {who}"), load.run(runner)));
        };
        run("aimds-scheduler", &load, &|record| Box::new(ours(record)));
        run("rival: four crossbeam channels", &fewer, &|record| Box::new(rivals::channels(record)));
        run("rival: Mutex<BinaryHeap>", &fewer, &|record| Box::new(rivals::locked_heap(record)));
    }
    done
}

fn ours(record: Arc<load::Record>) -> impl Runner {
    let low = Class::new(4096, load::DEADLINE).shed(Shed::DropPastDue);
    let class = Class::new(4096, load::DEADLINE);
    let scheduler = Scheduler::builder()
        .class(Priority::Critical, class)
        .class(Priority::High, class)
        .class(Priority::Medium, class)
        .class(Priority::Low, low)
        .build(move |due: load::Due, _: &Start| record.work(&due))
        .expect("a thread");
    move |due: load::Due| scheduler.schedule(Task::new(due.priority, due)).is_ok()
}

fn report(rows: &[Row], loads: &[(String, Outcome)]) -> serde_json::Value {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            serde_json::json!({
                "name": row.name, "unit": row.unit, "min": row.quantile(0.0), "p50": row.quantile(0.5),
                "p99": row.quantile(0.99), "p999": row.quantile(0.999),
            })
        })
        .collect();
    let loads: Vec<_> = loads
        .iter()
        .map(|(name, outcome)| {
            serde_json::json!({
                "name": name, "tasks": outcome.tasks, "refused": outcome.refused, "not_run": outcome.not_run(),
                "critical": outcome.critical, "critical_missed": outcome.critical_missed,
                "critical_p50_us": outcome.critical_us(0.5), "critical_p99_us": outcome.critical_us(0.99),
                "critical_p999_us": outcome.critical_us(0.999),
                "generator_p99_us": outcome.generator_us(0.99), "generator_max_us": outcome.generator_us(1.0),
            })
        })
        .collect();
    serde_json::json!({ "rows": rows, "loads": loads })
}

fn print(rows: &[Row], loads: &[(String, Outcome)]) {
    for row in rows {
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|q| row.quantile(q));
        println!("{:<56} p50 {p50:9.1}  p99 {p99:9.1}  p99.9 {p999:9.1} {}", row.name, row.unit);
    }
    for (name, outcome) in loads {
        println!(
            "{name:<44} critical missed {} of {} (p50 {:.0} us, p99 {:.0}, p99.9 {:.0}), not run {} of {}; generator late p99 {:.0} us, max {:.0}",
            outcome.critical_missed,
            outcome.critical,
            outcome.critical_us(0.5),
            outcome.critical_us(0.99),
            outcome.critical_us(0.999),
            outcome.not_run(),
            outcome.tasks,
            outcome.generator_us(0.99),
            outcome.generator_us(1.0),
        );
    }
}
