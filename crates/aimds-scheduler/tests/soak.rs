//! Everything at once for a while: many producers, a worker that is held up, a clock that jumps, panics, full classes, and
//! a shutdown in the middle. In the end the books must balance.
#![cfg(not(any(loom, shuttle)))]

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aimds_scheduler::{
    Class, Clock, Discard, Handler, MonotonicClock, Order, Priority, Scheduler, Shed, Start, Task,
};

/// The machine's clock, which can be made to jump, backwards too.
#[derive(Default)]
struct JumpingClock {
    clock: MonotonicClock,
    offset: AtomicU64,
}

impl Clock for JumpingClock {
    fn now(&self) -> u64 {
        self.clock.now() + self.offset.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Fate {
    Ran,
    Panicked,
    Discarded(Discard),
}

/// What became of each task.
#[derive(Default)]
struct Book(Mutex<HashMap<u64, Vec<(Priority, Fate)>>>);

struct Task64 {
    id: u64,
    priority: Priority,
}

struct Keeper(Arc<Book>);

impl Keeper {
    fn note(&self, task: &Task64, fate: Fate) {
        self.0.0.lock().unwrap().entry(task.id).or_default().push((task.priority, fate));
    }
}

impl Handler<Task64> for Keeper {
    fn run(&self, task: Task64, _: &Start) {
        let panics = task.id % 3 == 1;
        self.note(&task, if panics { Fate::Panicked } else { Fate::Ran });
        if task.id % 1000 == 999 {
            std::thread::sleep(Duration::from_millis(5)); // held up, while everything fills
        }
        if panics {
            std::panic::resume_unwind(Box::new(()));
        }
    }

    fn discard(&self, task: Task64, why: Discard) {
        self.note(&task, Fate::Discarded(why));
    }
}

fn soak(workers: usize, seed: u64, patience: Duration) {
    let clock = Arc::new(JumpingClock::default());
    let book = Arc::new(Book::default());
    let millis = Duration::from_millis;
    let scheduler = Scheduler::builder()
        .workers(workers)
        .spin(Duration::from_micros(5))
        .clock(clock.clone())
        .class(Priority::Critical, Class::new(64, millis(10)))
        .class(
            Priority::High,
            Class::new(16, millis(2)).order(Order::EarliestDeadline).shed(Shed::DropPastDue),
        )
        .class(Priority::Medium, Class::new(16, millis(1)).shed(Shed::DropPastDue).ageing(millis(1)))
        .class(Priority::Low, Class::new(8, millis(100)).shed(Shed::DropOldest).ageing(millis(2)))
        .build(Keeper(book.clone()))
        .unwrap();
    let accepted = AtomicU64::new(0);
    let (cancelled, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for producer in 0..3 {
            let (scheduler, accepted, cancelled, refused) = (&scheduler, &accepted, &cancelled, &refused);
            let clock = &clock;
            scope.spawn(move || {
                for at in 0..10_000_u64 {
                    let id = at * 3 + producer;
                    // As good as random, and the same each time.
                    let draw = (id + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
                    let priority = Priority::ALL[draw as usize % 4];
                    match scheduler.schedule(Task::new(priority, Task64 { id, priority })) {
                        Ok(ticket) => {
                            accepted.fetch_add(1, Ordering::Relaxed);
                            if draw.is_multiple_of(7) && scheduler.cancel(ticket) {
                                cancelled.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                        Err(_) => drop(refused.fetch_add(1, Ordering::Relaxed)),
                    }
                    if draw.is_multiple_of(500) {
                        clock.offset.store(draw % 50_000_000, Ordering::Relaxed);
                    }
                }
            });
        }
        if patience < Duration::from_secs(1) {
            std::thread::sleep(patience);
            scheduler.drain(patience);
        }
    });
    assert!(scheduler.drain(Duration::from_secs(60)).complete);
    let book = book.0.lock().unwrap();
    assert!(book.values().all(|fates| fates.len() == 1), "a task ended twice");
    assert_eq!(book.len() as u64, accepted.into_inner(), "a task was lost");
    let stats = scheduler.stats();
    let mut sums = [0; 2];
    for (priority, class) in stats.iter() {
        let count = |fate| book.values().filter(|fates| fates[0] == (priority, fate)).count() as u64;
        assert_eq!(class.completed, count(Fate::Ran));
        assert_eq!(class.panicked, count(Fate::Panicked));
        assert_eq!(class.cancelled, count(Fate::Discarded(Discard::Cancelled)));
        assert_eq!(class.expired, count(Fate::Discarded(Discard::Expired)));
        assert_eq!(class.shed, count(Fate::Discarded(Discard::Shed)));
        assert_eq!(class.pending(), 0);
        let ran = class.completed + class.panicked;
        assert_eq!((class.wait.count(), class.latency.count()), (ran, ran));
        assert!(class.missed_at_start <= ran && class.missed_at_finish <= ran && class.aged <= ran);
        sums[0] += class.cancelled;
        sums[1] += class.rejected();
    }
    assert_eq!(sums, [cancelled.into_inner(), refused.into_inner()]);
}

#[test]
fn the_books_balance_after_everything_at_once() {
    for seed in 0..4 {
        for workers in [1, 2, 4] {
            soak(workers, seed, Duration::from_secs(5));
        }
    }
}

#[test]
fn the_books_balance_after_a_shutdown_in_the_middle() {
    for seed in 0..20 {
        for workers in [0, 1, 3] {
            soak(workers, seed, Duration::from_millis(seed % 4));
        }
    }
}
