//! Compares every engine with the textbook on many random formulas and traces:
//! `cargo run --release -p aimds-temporal --example agreement [-- PAIRS]`, a million if not said.

#[path = "../tests/naive/mod.rs"]
mod naive;

use aimds_temporal::{Event, MonitorSet, Policy, Verdict, evaluate};
use naive::{Kind, Random};

fn main() {
    let pairs: u64 = std::env::args().nth(1).and_then(|pairs| pairs.parse().ok()).unwrap_or(1_000_000);
    let mut random = Random(23);
    let (mut steps_taken, mut definite) = (0_u64, 0_u64);
    for _ in 0..pairs {
        let kind = if random.below(2) == 0 { Kind::Untimed } else { Kind::Timed };
        let size = 1 + random.below(12) as usize;
        let formula = naive::formula(&mut random, kind, size);
        let steps = naive::steps(&mut random, 8);
        let expected = naive::holds(&formula, &steps, 0);
        let closed = evaluate(&formula, &naive::trace(&steps)).expect("small formulas can be evaluated");
        assert_eq!(closed.holds, expected, "{formula} on {steps:?}");
        let policy = Policy::compile(&formula).expect("small formulas can be monitored");
        // Alone and in a set, which takes its steps by tables where it can.
        let (mut monitor, mut set) = (policy.monitor(), MonitorSet::new([&policy]));
        for (time, bits) in &steps {
            let events: Vec<Event> = naive::names(*bits).into_iter().map(Event::new).collect();
            monitor.step(*time, &events).expect("times are in order");
            let known: Vec<_> =
                events.iter().map(|event| set.event(event).expect("three events are few")).collect();
            set.step(*time, &known).expect("times are in order");
            steps_taken += 1;
        }
        assert_eq!(set.verdict(0), Some(monitor.verdict()), "{formula} on {steps:?}");
        assert_eq!(set.close(0), Some(monitor.close()), "{formula} on {steps:?}");
        let now = steps.last().map_or(0, |(time, _)| *time);
        let known = match monitor.verdict() {
            Verdict::True => Some(true),
            Verdict::False => Some(false),
            verdict => {
                assert_eq!(verdict == Verdict::PresumablyTrue, expected, "{formula} on {steps:?}");
                None
            }
        };
        definite += u64::from(known.is_some());
        let certain = naive::certain(&formula, &steps, now, 0);
        assert!(certain.is_none() || certain == known, "{formula} on {steps:?}: {known:?}");
    }
    println!("{pairs} pairs, {steps_taken} steps, {definite} definite verdicts: no disagreement");
}
