//! shuttle: the whole scheduler with its workers, over random interleavings. README.md says how to run it.
#![cfg(shuttle)]

use std::sync::Arc;
use std::time::Duration;

use aimds_scheduler::{Class, Discard, Handler, Order, Priority, Scheduler, Shed, Start, Task, VirtualClock};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::sync::Mutex;
use shuttle::sync::mpsc::{Receiver, channel};
use shuttle::thread;

const LONG: Duration = Duration::from_secs(3600);
const RUNS: usize = 3_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Started(Priority),
    Discarded(Discard),
}

type Fates = Arc<Mutex<Vec<(u32, Fate)>>>;
type Small = Scheduler<u32, VirtualClock>;

/// Writes down what becomes of each task; some of them panic.
struct Recorder {
    fates: Fates,
    /// Task 0 waits here.
    hold: Mutex<Option<Receiver<()>>>,
}

impl Handler<u32> for Recorder {
    fn run(&self, id: u32, start: &Start) {
        self.fates.lock().unwrap().push((id, Fate::Started(start.ticket.priority())));
        thread::yield_now();
        if id == 0
            && let Some(hold) = self.hold.lock().unwrap().take()
        {
            let _ = hold.recv();
        }
        if id % 5 == 4 {
            std::panic::resume_unwind(Box::new(()));
        }
    }

    fn discard(&self, id: u32, why: Discard) {
        self.fates.lock().unwrap().push((id, Fate::Discarded(why)));
    }
}

fn build(workers: usize, capacity: u32, shed: Shed, hold: Option<Receiver<()>>) -> (Arc<Small>, Fates) {
    let fates = Fates::default();
    let mut builder = Scheduler::builder().workers(workers).clock(VirtualClock::default());
    for (at, priority) in Priority::ALL.into_iter().enumerate() {
        let order = if at % 2 == 0 { Order::Fifo } else { Order::EarliestDeadline };
        builder = builder.class(priority, Class::new(capacity, LONG).order(order).shed(shed));
    }
    let recorder = Recorder { fates: fates.clone(), hold: Mutex::new(hold) };
    (Arc::new(builder.build(recorder).unwrap()), fates)
}

/// Schedules `count` tasks from each of two threads, cancels some; gives back which were accepted and cancelled.
fn produce(scheduler: &Arc<Small>, count: u32) -> [thread::JoinHandle<(Vec<u32>, Vec<u32>)>; 2] {
    [0, 1].map(|producer| {
        let scheduler = scheduler.clone();
        thread::spawn(move || {
            let (mut accepted, mut cancelled) = (Vec::new(), Vec::new());
            for id in (0..count).map(|at| 2 * at + producer + 1) {
                let priority = Priority::ALL[id as usize % 4];
                let Ok(ticket) = scheduler.schedule(Task::new(priority, id)) else { continue };
                accepted.push(id);
                if id % 3 == 0 && scheduler.cancel(ticket) {
                    cancelled.push(id);
                }
            }
            (accepted, cancelled)
        })
    })
}

/// Each accepted task has exactly one fate, the cancelled ones that of being cancelled, and the counters say the same.
fn settle(scheduler: &Small, fates: &Fates, produced: [(Vec<u32>, Vec<u32>); 2]) {
    let [(mut accepted, mut cancelled), (more, also)] = produced;
    accepted.extend(more);
    cancelled.extend(also);
    let fates = fates.lock().unwrap();
    let mut ended: Vec<u32> = fates.iter().map(|(id, _)| *id).collect();
    let of = |wanted: Fate| fates.iter().filter(move |(_, fate)| *fate == wanted).map(|(id, _)| *id);
    let mut were_cancelled: Vec<u32> = of(Fate::Discarded(Discard::Cancelled)).collect();
    [&mut accepted, &mut cancelled, &mut ended, &mut were_cancelled]
        .into_iter()
        .for_each(|ids| ids.sort_unstable());
    assert_eq!(ended, accepted);
    assert_eq!(were_cancelled, cancelled);
    let stats = scheduler.stats();
    let sum = |count: fn(&aimds_scheduler::ClassStats) -> u64| {
        stats.iter().map(|(_, class)| count(class)).sum::<u64>()
    };
    assert_eq!(sum(|class| class.accepted), accepted.len() as u64);
    assert_eq!(sum(|class| class.pending()), 0);
    assert_eq!(sum(|class| class.cancelled), cancelled.len() as u64);
    assert_eq!(sum(|class| class.shed), of(Fate::Discarded(Discard::Shed)).count() as u64);
    let panics = fates.iter().filter(|(id, fate)| id % 5 == 4 && matches!(fate, Fate::Started(_))).count();
    assert_eq!(sum(|class| class.panicked), panics as u64);
}

fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut config = shuttle::Config::new();
    // Four classes with their counters are some kilobytes, and are moved while they are made.
    config.stack_size = 1 << 20;
    let model = Arc::new(model);
    let again = model.clone();
    shuttle::Runner::new(RandomScheduler::new(RUNS), config.clone()).run(move || model());
    // Burckhardt and others, 2010: few preemptions, at places chosen well.
    shuttle::Runner::new(PctScheduler::new(3, RUNS), config).run(move || again());
}

#[test]
fn every_accepted_task_ends_once() {
    check(|| {
        let (scheduler, fates) = build(2, 8, Shed::Reject, None);
        let produced = produce(&scheduler, 4).map(|producer| producer.join().unwrap());
        assert!(scheduler.drain(LONG).complete);
        settle(&scheduler, &fates, produced);
    });
}

#[test]
fn every_accepted_task_ends_once_in_full_classes() {
    check(|| {
        let (scheduler, fates) = build(2, 1, Shed::DropOldest, None);
        let produced = produce(&scheduler, 5).map(|producer| producer.join().unwrap());
        assert!(scheduler.drain(LONG).complete);
        settle(&scheduler, &fates, produced);
    });
}

#[test]
fn full_classes_that_keep_their_first_lose_nothing() {
    check(|| {
        // Time stands still: nothing is ever late, and each task that comes looks at the first and leaves it there.
        let (scheduler, fates) = build(2, 1, Shed::DropPastDue, None);
        let produced = produce(&scheduler, 5).map(|producer| producer.join().unwrap());
        assert!(scheduler.drain(LONG).complete);
        settle(&scheduler, &fates, produced);
    });
}

#[test]
fn a_shutdown_in_the_middle_refuses_or_ends_everything() {
    check(|| {
        let (scheduler, fates) = build(2, 2, Shed::Reject, None);
        let producers = produce(&scheduler, 3);
        assert!(scheduler.drain(LONG).complete);
        let produced = producers.map(|producer| producer.join().unwrap());
        settle(&scheduler, &fates, produced);
    });
}

#[test]
fn an_impatient_shutdown_in_the_middle_drops_or_ends_everything() {
    check(|| {
        let (scheduler, fates) = build(1, 2, Shed::Reject, None);
        let producers = produce(&scheduler, 3);
        scheduler.drain(Duration::ZERO);
        let produced = producers.map(|producer| producer.join().unwrap());
        assert!(scheduler.drain(LONG).complete);
        settle(&scheduler, &fates, produced);
    });
}

#[test]
fn a_free_worker_takes_the_highest_class_first() {
    check(|| {
        let (release, hold) = channel();
        let (scheduler, fates) = build(1, 8, Shed::Reject, Some(hold));
        scheduler.schedule(Task::new(Priority::Critical, 0)).unwrap();
        // Everything comes while the only worker is held.
        while fates.lock().unwrap().is_empty() {
            thread::yield_now();
        }
        for producer in produce(&scheduler, 4) {
            producer.join().unwrap();
        }
        release.send(()).unwrap();
        assert!(scheduler.drain(LONG).complete);
        let started = |fate: &Fate| match fate {
            Fate::Started(priority) => Some(*priority),
            Fate::Discarded(_) => None,
        };
        let order: Vec<Priority> =
            fates.lock().unwrap().iter().filter_map(|(_, fate)| started(fate)).collect();
        assert!(order.is_sorted(), "{order:?}");
    });
}
