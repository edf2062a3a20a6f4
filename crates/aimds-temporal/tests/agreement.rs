//! Every engine against the textbook, on random formulas and traces. `AIMDS_TEMPORAL_PAIRS=1000000` tries that many.

mod naive;

use aimds_temporal::{Event, Formula, Policy, Trace, Verdict, evaluate, evaluate_open};
use naive::{Kind, Random};

fn pairs() -> u64 {
    std::env::var("AIMDS_TEMPORAL_PAIRS").ok().and_then(|pairs| pairs.parse().ok()).unwrap_or(10_000)
}

fn events(bits: u8) -> Vec<Event> {
    naive::names(bits).into_iter().map(Event::new).collect()
}

fn presumed(holds: bool) -> Verdict {
    if holds { Verdict::PresumablyTrue } else { Verdict::PresumablyFalse }
}

#[test]
fn complete_traces() {
    let mut random = Random(7);
    for _ in 0..pairs() {
        let kind = if random.below(2) == 0 { Kind::Untimed } else { Kind::Timed };
        let size = 1 + random.below(12) as usize;
        let formula = naive::formula(&mut random, kind, size);
        let steps = naive::steps(&mut random, 8);
        let verdict = evaluate(&formula, &naive::trace(&steps)).unwrap();
        assert_eq!(verdict.holds, naive::holds(&formula, &steps, 0), "{formula} on {steps:?}");
        assert!(
            verdict.witness.iter().all(|step| *step < steps.len()),
            "{formula} on {steps:?}: {verdict:?}"
        );
    }
}

#[test]
fn monitors_at_every_prefix() {
    let mut random = Random(11);
    for _ in 0..pairs() {
        let kind = if random.below(2) == 0 { Kind::Untimed } else { Kind::Timed };
        let size = 1 + random.below(12) as usize;
        let formula = naive::formula(&mut random, kind, size);
        let steps = naive::steps(&mut random, 8);
        let policy = Policy::compile(&formula).unwrap();
        let mut monitor = policy.monitor();
        let (mut definite, mut now) = (None, 0);
        for end in 0..=steps.len() {
            if let Some((time, bits)) = end.checked_sub(1).map(|last| steps[last]) {
                now = time;
                monitor.step(time, &events(bits)).unwrap();
            }
            check(&formula, &steps[..end], now, monitor.verdict(), &mut definite);
            if random.below(6) == 0 {
                let open = evaluate_open(&formula, &naive::trace(&steps[..end])).unwrap();
                assert!(
                    definite.is_some() || open.verdict == monitor.verdict(),
                    "{formula} on {:?}",
                    &steps[..end]
                );
            }
            let next = steps.get(end).map_or(now + 12, |(time, _)| *time);
            if random.below(3) == 0 && next > now {
                now += 1 + random.below(next - now);
                monitor.advance(now).unwrap();
                check(&formula, &steps[..end], now, monitor.verdict(), &mut definite);
            }
            let closed = monitor.close();
            assert!(closed.witness.iter().all(|step| *step < end), "{formula}: {closed:?}");
        }
    }
}

/// A definite verdict stays, what is certain is noticed, and otherwise the verdict is that of the trace so far.
fn check(formula: &Formula, steps: &[(u64, u8)], now: u64, verdict: Verdict, definite: &mut Option<Verdict>) {
    let context = || format!("{formula} on {steps:?} at {now}: {verdict:?}");
    if let Some(definite) = definite {
        assert_eq!(verdict, *definite, "{}", context());
        return;
    }
    if verdict.is_definite() {
        *definite = Some(verdict);
    } else {
        assert_eq!(verdict, presumed(naive::holds(formula, steps, 0)), "{}", context());
    }
    if let Some(certain) = naive::certain(formula, steps, now, 0) {
        assert_eq!(verdict, if certain { Verdict::True } else { Verdict::False }, "{}", context());
    }
}

/// Early definite verdicts with time bounds are right whatever follows.
#[test]
fn definite_verdicts_survive_continuations() {
    let mut random = Random(13);
    let mut early = 0;
    for _ in 0..pairs() {
        let size = 2 + random.below(9) as usize;
        let formula = naive::formula(&mut random, Kind::Timed, size);
        let mut steps = naive::steps(&mut random, 4);
        let verdict = evaluate_open(&formula, &naive::trace(&steps)).unwrap().verdict;
        if !verdict.is_definite() {
            continue;
        }
        early += 1;
        for _ in 0..6 {
            let last = steps.last().map_or(0, |(time, _)| *time);
            steps.push((last + random.below(4), random.below(8) as u8));
        }
        let last = steps.last().map_or(0, |(time, _)| *time);
        let certain = naive::certain(&formula, &steps, last + 100, 0);
        let opposite = Some(verdict == Verdict::False);
        assert_ne!(certain, opposite, "{formula} on {steps:?}: {verdict:?}");
    }
    assert!(early > pairs() / 10, "{early} early verdicts");
}

/// Without time bounds a verdict is definite exactly if no continuation decides otherwise. Continuations are tried that end
/// in a short cycle; for formulas as small as these, if there is one at all, there is a short one.
#[test]
fn definite_verdicts_are_exact() {
    let mut random = Random(17);
    let cycles = words(2, 1);
    let stems = words(2, 0);
    for _ in 0..pairs() / 10 {
        let size = 1 + random.below(6) as usize;
        let formula = naive::formula(&mut random, Kind::Untimed, size);
        let prefix: Vec<u8> = naive::steps(&mut random, 3).iter().map(|(_, bits)| bits & 3).collect();
        let steps: Vec<(u64, u8)> = (0..).zip(prefix.iter().copied()).collect();
        let open = evaluate_open(&formula, &naive::trace(&steps)).unwrap();
        assert!(open.exact, "{formula}");
        let (mut satisfied, mut violated) = (false, false);
        for (stem, cycle) in stems.iter().flat_map(|stem| cycles.iter().map(move |cycle| (stem, cycle))) {
            let whole: Vec<u8> = prefix.iter().chain(stem).copied().collect();
            let holds = naive::holds_forever(&formula, &whole, cycle);
            satisfied |= holds;
            violated |= !holds;
            if satisfied && violated {
                break;
            }
        }
        let expected = match (satisfied, violated) {
            (true, false) => Verdict::True,
            (false, true) => Verdict::False,
            _ => presumed(naive::holds(&formula, &steps, 0)),
        };
        assert_eq!(open.verdict, expected, "{formula} after {prefix:?}");
    }
}

/// Every word of at most and at least so many letters over all subsets of three propositions.
fn words(most: u32, least: u32) -> Vec<Vec<u8>> {
    (least..=most)
        .flat_map(|length| {
            (0..8_u32.pow(length))
                .map(move |word| (0..length).map(|at| (word >> (3 * at) & 7) as u8).collect())
        })
        .collect()
}

/// Small formulas and traces, all of them.
#[test]
fn exhaustively_small() {
    let words = (0..=4_u32).flat_map(|length| (0..4_u32.pow(length)).map(move |word| (length, word)));
    let traces: Vec<Vec<(u64, u8)>> = words
        .map(|(length, word)| (0..length).map(|at| (u64::from(at), (word >> (2 * at) & 3) as u8)).collect())
        .collect();
    let prepared: Vec<Trace> = traces.iter().map(|steps| naive::trace(steps)).collect();
    let mut sizes: Vec<Vec<Formula>> = vec![Vec::new()];
    for nodes in 1..=4 {
        sizes.push(formulas(nodes, &sizes));
    }
    assert_eq!(sizes.iter().map(Vec::len).collect::<Vec<_>>(), [0, 2, 18, 194, 2322]);
    for formula in sizes.iter().flatten() {
        for (steps, trace) in traces.iter().zip(&prepared) {
            let verdict = evaluate(formula, trace).unwrap();
            assert_eq!(verdict.holds, naive::holds(formula, steps, 0), "{formula} on {steps:?}");
        }
    }
}

/// Every formula of so many nodes over two propositions, from all that are smaller.
fn formulas(nodes: usize, smaller: &[Vec<Formula>]) -> Vec<Formula> {
    use aimds_temporal::{Binary::*, Unary::*};
    if nodes == 1 {
        return ["p", "q"].map(Formula::atom).into();
    }
    let (weak, past) = ([Not, Next, WeakNext, Finally(None), Globally(None)], [Yesterday, WeakYesterday]);
    let unary = weak.into_iter().chain(past).chain([Once(None), Historically(None)]);
    let mut all: Vec<Formula> = unary
        .flat_map(|operator| smaller[nodes - 1].iter().map(move |a| Formula::unary(operator, a.clone())))
        .collect();
    for operator in [And, Or, Implies, Iff, Until(None), Release, WeakUntil, Since(None)] {
        for left in 1..nodes - 1 {
            for a in &smaller[left] {
                let right = smaller[nodes - 1 - left].iter();
                all.extend(right.map(|b| Formula::binary(operator, a.clone(), b.clone())));
            }
        }
    }
    all
}
