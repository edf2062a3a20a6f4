//! The scheduler against a sequential model of plain lists, under a clock that the test moves.
#![cfg(not(any(loom, shuttle)))]

mod reference;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aimds_scheduler::{
    Class, Clock as _, Discard, Handler, Order, Priority, Scheduler, Shed, Start, Task, Ticket, VirtualClock,
};
use proptest::prelude::*;
use reference::{Event, Model, Settings};

/// What a task of these tests does: takes so long, and panics or not.
#[derive(Debug, Clone, Copy)]
struct Load {
    id: usize,
    run: u64,
    panics: bool,
}

/// Writes down what happens.
struct Recorder {
    clock: Arc<VirtualClock>,
    log: Arc<Mutex<Vec<Event>>>,
}

impl Handler<Load> for Recorder {
    fn run(&self, load: Load, start: &Start) {
        assert_eq!(start.started_at, self.clock.now());
        self.log.lock().unwrap().push(Event::Started {
            id: load.id,
            at: start.started_at,
            deadline: start.deadline,
            aged: start.aged,
        });
        self.clock.advance(Duration::from_nanos(load.run));
        if load.panics {
            // Without the message that `panic!` prints.
            std::panic::resume_unwind(Box::new("on purpose"));
        }
    }

    fn discard(&self, load: Load, why: Discard) {
        self.log.lock().unwrap().push(Event::Discarded { id: load.id, why });
    }
}

#[derive(Debug, Clone)]
enum Step {
    Schedule { class: usize, deadline: Option<u64>, cost: u64, run: u64, panics: bool },
    Cancel(usize),
    Run,
    Advance(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let schedule = (0..4_usize, prop::option::weighted(0.3, 0..400_u64), 0..60_u64, 0..50_u64, any::<bool>())
        .prop_map(|(class, deadline, cost, run, panics)| Step::Schedule {
            class,
            deadline,
            // Most without a hint.
            cost: cost.saturating_sub(40),
            run,
            panics,
        });
    let step = prop_oneof![
        6 => schedule,
        1 => (0..100_usize).prop_map(Step::Cancel),
        4 => Just(Step::Run),
        2 => (0..100_u64).prop_map(Step::Advance),
    ];
    prop::collection::vec(step, 1..150)
}

fn settings() -> impl Strategy<Value = [Settings; 4]> {
    let class = (
        1..6_u32,
        1..300_u64,
        prop_oneof![Just(Order::Fifo), Just(Order::EarliestDeadline)],
        prop_oneof![Just(Shed::Reject), Just(Shed::DropOldest), Just(Shed::DropPastDue)],
        prop::option::of(1..150_u64),
    )
        .prop_map(|(capacity, deadline, order, shed, ageing)| Settings {
            capacity,
            deadline,
            order,
            shed,
            ageing,
        });
    prop::array::uniform4(class)
}

fn class(settings: &Settings) -> Class {
    let class = Class::new(settings.capacity, Duration::from_nanos(settings.deadline))
        .order(settings.order)
        .shed(settings.shed);
    settings.ageing.map_or(class, |after| class.ageing(Duration::from_nanos(after)))
}

/// A scheduler without workers, the clock it goes by, and what its handler writes.
struct Rig {
    scheduler: Scheduler<Load, Arc<VirtualClock>>,
    clock: Arc<VirtualClock>,
    log: Arc<Mutex<Vec<Event>>>,
}

impl Rig {
    fn new(settings: &[Settings; 4]) -> Self {
        let (clock, log) = (Arc::new(VirtualClock::default()), Arc::new(Mutex::default()));
        let mut builder = Scheduler::builder().workers(0).clock(clock.clone());
        for (priority, settings) in Priority::ALL.into_iter().zip(settings) {
            builder = builder.class(priority, class(settings));
        }
        let recorder = Recorder { clock: clock.clone(), log: log.clone() };
        Self { scheduler: builder.build(recorder).unwrap(), clock, log }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn picks_and_counts_are_those_of_the_model(settings in settings(), steps in steps()) {
        let rig = Rig::new(&settings);
        let mut model = Model::new(settings);
        let mut tickets: Vec<(usize, Ticket)> = Vec::new();
        for (id, step) in steps.into_iter().enumerate() {
            let now = rig.clock.now();
            match step {
                Step::Schedule { class, deadline, cost, run, panics } => {
                    let deadline = deadline.map(|after| now + after);
                    let mut task = Task::new(Priority::ALL[class], Load { id, run, panics })
                        .cost_hint(Duration::from_nanos(cost));
                    if let Some(deadline) = deadline {
                        task = task.deadline_at(deadline);
                    }
                    let answer = rig.scheduler.schedule(task);
                    let expected = model.schedule(now, class, id, deadline, cost, run, panics);
                    prop_assert_eq!(answer.as_ref().err().map(|rejected| rejected.reason), expected.err());
                    tickets.extend(answer.ok().map(|ticket| (id, ticket)));
                }
                Step::Cancel(which) if !tickets.is_empty() => {
                    let (id, ticket) = tickets[which % tickets.len()];
                    prop_assert_eq!(rig.scheduler.cancel(ticket), model.cancel(id));
                }
                Step::Cancel(_) => {}
                Step::Run => prop_assert_eq!(rig.scheduler.run_one(), model.run_one(now)),
                Step::Advance(by) => rig.clock.advance(Duration::from_nanos(by)),
            }
            prop_assert_eq!(&*rig.log.lock().unwrap(), &model.log);
        }
        while model.run_one(rig.clock.now()) {
            prop_assert!(rig.scheduler.run_one());
        }
        prop_assert!(!rig.scheduler.run_one());
        prop_assert_eq!(&*rig.log.lock().unwrap(), &model.log);
        for (class, (_, stats)) in rig.scheduler.stats().iter().enumerate() {
            let counts = [
                stats.accepted, stats.completed, stats.panicked, stats.cancelled, stats.expired, stats.shed,
                stats.rejected(), stats.missed_at_start, stats.missed_at_finish, stats.aged,
            ];
            prop_assert_eq!(counts, model.counts(class));
            prop_assert_eq!(stats.pending(), 0);
            prop_assert_eq!(stats.wait.count(), stats.completed + stats.panicked);
            prop_assert_eq!((stats.wait.sum(), stats.latency.sum()), model.times(class));
        }
    }

    /// The bound that the documentation of `Class::ageing` gives, while critical tasks never end.
    #[test]
    fn a_waiting_class_starts_within_its_bound(
        ages in prop::array::uniform3(prop::option::weighted(0.8, 1..2000_u64)),
        runs in prop::collection::vec(1..=100_u64, 300),
    ) {
        let settings = [None, ages[0], ages[1], ages[2]].map(|ageing| Settings {
            capacity: 400, deadline: 1000, order: Order::Fifo, shed: Shed::Reject, ageing,
        });
        let rig = Rig::new(&settings);
        for id in 0..runs.len() * 4 {
            let load = Load { id, run: runs[id % runs.len()], panics: false };
            rig.scheduler.schedule(Task::new(Priority::ALL[id % 4], load)).unwrap();
        }
        // As long as critical tasks wait, everything that starts elsewhere is out of turn.
        let mut last = [0_u64; 4];
        let ageing = ages.iter().flatten().count() as u64;
        while rig.scheduler.waiting(Priority::Critical) > 0 {
            let now = rig.clock.now();
            prop_assert!(rig.scheduler.run_one());
            let Some(Event::Started { id, at, aged, .. }) = rig.log.lock().unwrap().last().cloned() else {
                return Err(TestCaseError::fail("nothing started"));
            };
            prop_assert_eq!(aged, id % 4 != 0);
            if aged {
                let after = settings[id % 4].ageing.unwrap();
                prop_assert!(at - last[id % 4] >= after, "out of turn before its time");
                last[id % 4] = at;
            }
            for (class, settings) in settings.iter().enumerate().skip(1) {
                let Some(after) = settings.ageing else { continue };
                let waits = rig.scheduler.waiting(Priority::ALL[class]) > 0;
                prop_assert!(!waits || now <= last[class] + after + 100 * ageing, "starved");
            }
        }
    }
}
