//! What each setting and each error does, with real workers where they matter.
#![cfg(not(any(loom, shuttle)))]

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aimds_scheduler::{
    BuildError, Class, Discard, Handler, Job, Order, Priority, Reason, Scheduler, Shed, Start, Task,
    VirtualClock,
};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(20);

fn nanos(nanos: u64) -> Duration {
    Duration::from_nanos(nanos)
}

type Still = Scheduler<u32, Arc<VirtualClock>>;

/// No workers, time stands still, tasks are numbers that are dropped.
fn still(class: Class) -> (Still, Arc<VirtualClock>) {
    let clock = Arc::new(VirtualClock::default());
    let builder = Scheduler::builder().workers(0).clock(clock.clone()).class(Priority::Low, class);
    (builder.build(|_: u32, _: &Start| ()).unwrap(), clock)
}

fn jobs(workers: usize) -> Scheduler<Job> {
    Scheduler::builder().workers(workers).build(|job: Job, _: &Start| job()).unwrap()
}

fn job(run: impl FnOnce() + Send + 'static) -> Task<Job> {
    Task::new(Priority::Critical, Box::new(run))
}

/// Has a worker started and held until something is sent.
fn occupy(scheduler: &Scheduler<Job>) -> Sender<()> {
    let (release, wait) = channel();
    let (started, has_started) = channel();
    let hold = move || {
        let _ = started.send(());
        let _ = wait.recv();
    };
    scheduler.schedule(job(hold)).unwrap();
    has_started.recv().unwrap();
    release
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let check = |workers, class, expected: &str| {
        let builder = Scheduler::builder().workers(workers).class(Priority::High, class);
        let error = builder.build(|_: u32, _: &Start| ()).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some(expected));
    };
    let class = Class::new(1, LONG);
    check(61, class, "61 workers are more than 60");
    check(0, Class::new(0, LONG), "class high has no capacity");
    check(0, Class::new(1, Duration::ZERO), "class high has a deadline of zero");
    check(0, class.ageing(Duration::ZERO), "class high ages after zero time");
}

#[test]
fn a_name_no_thread_can_have_is_refused() {
    let built = Scheduler::builder().name("a\0b").build(|_: u32, _: &Start| ());
    assert!(matches!(built, Err(BuildError::Thread(_))));
}

#[test]
fn each_reason_gives_the_payload_back_and_is_counted() {
    let (scheduler, clock) = still(Class::new(1, nanos(100)));
    let low = |payload| Task::new(Priority::Low, payload);
    let check = |task, reason, text: &str| {
        let rejected = scheduler.schedule(task).unwrap_err();
        assert_eq!((rejected.reason, rejected.payload), (reason, 7));
        assert_eq!(rejected.to_string(), text);
    };
    check(low(7).deadline_at(50), Reason::DeadlineFixed, "the class has one deadline for all its tasks");
    check(low(7).cost_hint(nanos(101)), Reason::DeadlineInfeasible, "the deadline cannot be kept");
    scheduler.schedule(low(1)).unwrap();
    check(low(7), Reason::QueueFull, "the class is full");
    assert!(scheduler.drain(LONG).complete);
    check(low(7), Reason::ShuttingDown, "the scheduler is shutting down");
    check(low(7).cost_hint(nanos(101)), Reason::ShuttingDown, "the scheduler is shutting down");
    clock.advance(nanos(1));
    let stats = scheduler.stats();
    let low = stats.class(Priority::Low);
    let counts = [low.rejected_full, low.rejected_infeasible, low.rejected_fixed, low.rejected_closed];
    assert_eq!((counts, low.rejected(), low.accepted), ([1, 1, 1, 2], 5, 1));
}

#[test]
fn feasibility_counts_the_hinted_work_ahead() {
    let (scheduler, _clock) = still(Class::new(10, nanos(100)));
    let check = |priority, cost, fits: bool| {
        let task = Task::new(priority, 0).cost_hint(nanos(cost));
        assert_eq!(scheduler.schedule(task).is_ok(), fits, "{priority:?} {cost}");
    };
    check(Priority::Low, 60, true);
    check(Priority::Low, 41, false); // after the 60
    check(Priority::Low, 40, true);
    check(Priority::Critical, 1_000, true); // goes before both
    check(Priority::Low, 1, false); // and before this one
    assert!(scheduler.run_one());
    assert!(scheduler.run_one());
    check(Priority::Low, 60, true); // only the 40 are left
}

#[test]
fn a_deadline_in_the_past_is_refused_and_the_present_is_not_the_past() {
    let (scheduler, clock) = still(Class::new(10, LONG).order(Order::EarliestDeadline));
    clock.set(100);
    let schedule = |at| scheduler.schedule(Task::new(Priority::Low, 0).deadline_at(at));
    assert_eq!(schedule(99).unwrap_err().reason, Reason::DeadlineInfeasible);
    assert!(schedule(100).is_ok());
    assert!(schedule(u64::MAX).is_ok());
}

#[test]
fn hints_beyond_all_measure_do_no_harm() {
    let (scheduler, _clock) = still(Class::new(10, LONG).order(Order::EarliestDeadline));
    for _ in 0..10 {
        let task = Task::new(Priority::Low, 0).deadline_at(u64::MAX).cost_hint(Duration::MAX);
        scheduler.schedule(task).unwrap();
    }
    while scheduler.run_one() {}
    assert_eq!(scheduler.stats().class(Priority::Low).completed, 10);
}

#[test]
fn a_clock_that_goes_back_breaks_nothing() {
    let (scheduler, clock) = still(Class::new(10, nanos(100)).ageing(nanos(10)));
    clock.set(1_000_000);
    scheduler.schedule(Task::new(Priority::Low, 0)).unwrap();
    clock.set(10);
    scheduler.schedule(Task::new(Priority::Low, 0)).unwrap();
    scheduler.schedule(Task::new(Priority::High, 0)).unwrap();
    while scheduler.run_one() {}
    let stats = scheduler.stats();
    let low = stats.class(Priority::Low);
    assert_eq!((low.completed, low.missed_at_finish, low.wait.max()), (2, 0, 0));
}

#[test]
fn a_cancelled_task_never_runs_and_keeps_its_place_until_it_is_first() {
    let (scheduler, _clock) = still(Class::new(2, LONG));
    let first = scheduler.schedule(Task::new(Priority::Low, 1)).unwrap();
    let second = scheduler.schedule(Task::new(Priority::Low, 2)).unwrap();
    assert!(scheduler.cancel(second) && !scheduler.cancel(second));
    // The gap today: the second place is not seen from outside.
    assert_eq!(scheduler.schedule(Task::new(Priority::Low, 3)).unwrap_err().reason, Reason::QueueFull);
    assert!(scheduler.cancel(first));
    // The first place is.
    assert!(scheduler.schedule(Task::new(Priority::Low, 4)).is_ok());
    assert!(scheduler.run_one() && !scheduler.run_one());
    let stats = scheduler.stats();
    let low = stats.class(Priority::Low);
    assert_eq!((low.accepted, low.completed, low.cancelled), (3, 1, 2));
}

#[test]
fn cancelling_what_has_started_is_refused() {
    let scheduler = jobs(1);
    let (started, has_started) = channel();
    let (release, wait) = channel::<()>();
    let hold = move || {
        let _ = started.send(());
        let _ = wait.recv();
    };
    let ticket = scheduler.schedule(job(hold)).unwrap();
    has_started.recv().unwrap();
    assert!(!scheduler.cancel(ticket));
    drop(release);
    assert!(scheduler.drain(LONG).complete);
    assert!(!scheduler.cancel(ticket));
}

#[test]
fn a_panic_ends_one_task_and_no_worker() {
    /// Panics again when what was panicked with is dropped.
    struct Twice;
    impl Drop for Twice {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new("again"));
        }
    }
    let scheduler = jobs(1);
    scheduler.schedule(job(|| std::panic::resume_unwind(Box::new("once")))).unwrap();
    scheduler.schedule(job(|| std::panic::resume_unwind(Box::new(Twice)))).unwrap();
    scheduler.schedule(job(|| ())).unwrap();
    assert!(scheduler.drain(LONG).complete);
    let stats = scheduler.stats();
    let critical = stats.class(Priority::Critical);
    assert_eq!((critical.completed, critical.panicked, critical.latency.count()), (1, 2, 3));
}

/// Tells a channel what is dropped, and panics then.
struct Telling(Mutex<Sender<(u32, Discard)>>);

impl Handler<u32> for Telling {
    fn run(&self, _: u32, _: &Start) {}

    fn discard(&self, id: u32, why: Discard) {
        self.0.lock().unwrap().send((id, why)).unwrap();
        std::panic::resume_unwind(Box::new("in discard"));
    }
}

fn telling(class: Class) -> (Still, Arc<VirtualClock>, Receiver<(u32, Discard)>) {
    let clock = Arc::new(VirtualClock::default());
    let (sender, receiver) = channel();
    let builder = Scheduler::builder().workers(0).clock(clock.clone()).class(Priority::Low, class);
    (builder.build(Telling(Mutex::new(sender))).unwrap(), clock, receiver)
}

#[test]
fn what_will_not_run_is_given_back_with_the_reason() {
    let check = |shed, late: bool, expected: &[(u32, Discard)], completed| {
        let (scheduler, clock, told) = telling(Class::new(2, nanos(10)).shed(shed));
        for id in 0..4 {
            let _ = scheduler.schedule(Task::new(Priority::Low, id));
            clock.advance(nanos(if late { 6 } else { 1 }));
        }
        while scheduler.run_one() {}
        assert_eq!(told.try_iter().collect::<Vec<_>>(), expected, "{shed:?} {late}");
        assert_eq!(scheduler.stats().class(Priority::Low).completed, completed, "{shed:?} {late}");
    };
    check(Shed::Reject, false, &[], 2);
    check(Shed::DropOldest, false, &[(0, Discard::Shed), (1, Discard::Shed)], 2);
    check(Shed::DropPastDue, false, &[], 2);
    let late: Vec<_> = (0..3).map(|id| (id, Discard::Expired)).collect();
    check(Shed::DropPastDue, true, &late, 1);
}

#[test]
fn a_drain_out_of_time_drops_what_waits_and_says_what_runs() {
    let scheduler = jobs(1);
    let release = occupy(&scheduler);
    for _ in 0..3 {
        scheduler.schedule(job(|| panic!("must not run"))).unwrap();
    }
    let drained = scheduler.drain(SHORT);
    assert_eq!((drained.complete, drained.shed, drained.running), (false, 3, 1));
    drop(release);
    let drained = scheduler.drain(LONG);
    assert_eq!((drained.complete, drained.shed, drained.running), (true, 0, 0));
    let stats = scheduler.stats();
    let critical = stats.class(Priority::Critical);
    assert_eq!((critical.completed, critical.shed, critical.panicked), (1, 3, 0));
}

#[test]
fn a_drain_runs_what_tasks_have_scheduled_before_and_refuses_what_they_want_then() {
    let scheduler = Arc::new(jobs(2));
    let release = occupy(&scheduler);
    let (answer, answers) = channel();
    let inner = scheduler.clone();
    scheduler
        .schedule(job(move || {
            // Long after the drain has begun.
            std::thread::sleep(SHORT);
            let _ = answer.send(inner.schedule(job(|| ())).map(drop).map_err(|rejected| rejected.reason));
            drop(release);
        }))
        .unwrap();
    assert!(scheduler.drain(LONG).complete);
    assert_eq!(answers.recv().unwrap(), Err(Reason::ShuttingDown));
}

#[test]
fn without_workers_a_drain_works_itself() {
    let scheduler = jobs(0);
    let (sender, receiver) = channel();
    scheduler.schedule(job(move || sender.send(std::thread::current().id()).unwrap())).unwrap();
    assert!(!scheduler.drain(Duration::ZERO).complete || receiver.try_recv().is_ok());
    let scheduler = jobs(0);
    let (sender, receiver) = channel();
    scheduler.schedule(job(move || sender.send(std::thread::current().id()).unwrap())).unwrap();
    assert!(scheduler.drain(LONG).complete);
    assert_eq!(receiver.recv().unwrap(), std::thread::current().id());
}

#[test]
fn dropped_from_inside_of_a_task_it_does_not_wait_for_itself() {
    let scheduler = Arc::new(jobs(1));
    let (done, is_done) = channel();
    let (give, take) = channel::<Arc<Scheduler<Job>>>();
    let last = move || {
        drop(take.recv());
        done.send(()).unwrap();
    };
    scheduler.schedule(job(last)).unwrap();
    give.send(scheduler).unwrap();
    is_done.recv_timeout(LONG).unwrap();
}

#[test]
fn a_scheduler_that_is_dropped_gives_back_what_waits() {
    let (scheduler, _clock, told) = telling(Class::new(4, LONG));
    scheduler.schedule(Task::new(Priority::Low, 5)).unwrap();
    drop(scheduler);
    assert_eq!(told.recv(), Ok((5, Discard::Shed)));
    assert!(told.recv().is_err(), "nobody keeps the handler");
}

#[test]
fn a_worker_sees_its_task_after_parking_and_while_spinning() {
    for spin in [Duration::ZERO, Duration::from_micros(50)] {
        let scheduler =
            Scheduler::builder().workers(2).spin(spin).build(|job: Job, _: &Start| job()).unwrap();
        for pause in [0, 10, 40, 60, 200, 1000].into_iter().cycle().take(300) {
            let (sender, receiver) = channel();
            scheduler.schedule(job(move || sender.send(()).unwrap())).unwrap();
            receiver.recv_timeout(LONG).unwrap();
            let start = Instant::now();
            while start.elapsed() < Duration::from_micros(pause) {
                std::hint::spin_loop();
            }
        }
    }
}

#[test]
fn workers_are_named() {
    let scheduler = Scheduler::builder().name("mitigation").build(|job: Job, _: &Start| job()).unwrap();
    let (sender, receiver) = channel();
    scheduler
        .schedule(job(move || sender.send(std::thread::current().name().map(str::to_owned)).unwrap()))
        .unwrap();
    assert_eq!(receiver.recv().unwrap().as_deref(), Some("mitigation-0"));
}
