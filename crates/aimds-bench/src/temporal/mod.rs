//! Temporal policies: compiling, evaluating and monitoring formulas, checking models and their proofs. One thread,
//! wall time.

mod model;
mod trace;

use std::collections::VecDeque;
use std::hint::black_box;
use std::io::{self, Write};

use aimds_temporal::{Event, EventId, Formula, MonitorSet, Pattern, Policy, Scope, Trace, Verdict, evaluate};
use anyhow::Context as _;
use serde_json::json;

use crate::bench::Bench;
use crate::case::{Answer, Case, Measured, Of, Unit, times};
use trace::{NAMES, Story};

/// How much there is to do.
#[derive(Clone, Copy, Debug)]
pub struct TemporalLoad {
    /// Events of a trace.
    pub events: usize,
    /// States of a model.
    pub states: usize,
}

impl TemporalLoad {
    /// What the promises speak of.
    pub const PROMISED: Self = Self { events: 10_000, states: 100_000 };
}

/// Measures what is wanted.
///
/// # Errors
/// None, unless a formula of the workload cannot be compiled.
pub fn measure_temporal(bench: &mut Bench<'_>, load: &TemporalLoad) -> anyhow::Result<Vec<Case>> {
    let mut cases = Vec::new();
    evaluations(bench, load, &mut cases)?;
    monitors(bench, load, &mut cases)?;
    parametric(bench, load, &mut cases)?;
    compile(bench, &mut cases)?;
    model::check_models(bench, load, &mut cases)?;
    Ok(cases)
}

/// Writes the traces that rivals evaluate as lines that `aimds policy verify --batch` takes:
/// `{"id":case,"formula","trace":[{"t_ms","events"}]}`.
///
/// # Errors
/// What `out` says.
pub fn export_temporal(out: &mut impl Write, load: &TemporalLoad, seed: u64) -> io::Result<()> {
    for Evaluation { case, formula, story, .. } in evaluations_of(load, seed) {
        let steps = story.names.iter().enumerate();
        let trace: Vec<_> = steps.map(|(step, name)| json!({ "t_ms": step, "events": [name] })).collect();
        writeln!(out, "{}", json!({ "id": case, "formula": formula, "trace": trace }))?;
    }
    Ok(())
}

const BOUNDED: &str = "G(threat -> F[0,10ms] mitigated)";
const UNBOUNDED: &str = "G(threat -> F mitigated)";

/// A complete trace and a question about it.
struct Evaluation {
    case: String,
    formula: &'static str,
    story: Story,
}

fn evaluations_of(load: &TemporalLoad, seed: u64) -> Vec<Evaluation> {
    let events = load.events;
    let evaluation = |what: &str, formula, story| Evaluation {
        case: format!("evaluate {what}, {events} events"),
        formula,
        story,
    };
    vec![
        evaluation("bounded response", BOUNDED, Story::answered(events, seed)),
        evaluation("unbounded response", UNBOUNDED, Story::answered(events, seed)),
        evaluation("bounded response, violated at the end", BOUNDED, Story::unanswered(events, seed)),
        evaluation("unbounded response, violated at the end", UNBOUNDED, Story::unanswered(events, seed)),
        evaluation("unbounded response, answered by the last event", UNBOUNDED, Story::late(events)),
    ]
}

fn evaluations(bench: &mut Bench<'_>, load: &TemporalLoad, cases: &mut Vec<Case>) -> anyhow::Result<()> {
    let promised = load.events == TemporalLoad::PROMISED.events;
    for Evaluation { case, formula, story } in evaluations_of(load, bench.seed) {
        let (formula, trace) = (Formula::parse(formula)?, story.trace()?);
        let closed = evaluate(&formula, &trace)?;
        // The answer is `holds`, or the step that is to blame.
        let answer = match closed.witness.first() {
            Some(&step) if !closed.holds => Answer::Number(step as f64),
            _ => Answer::from(if closed.holds { "holds" } else { "violated" }),
        };
        let truth = story.violated_at.map_or("holds".into(), |step| Answer::Number(step as f64));
        let measured = bench.time(case, Unit::Us, || evaluate(black_box(&formula), &trace));
        cases.extend(measured.map(|case| {
            case.each("ns an event", load.events).answer(Some(answer), (truth, 0.0)).target_if(
                promised,
                Of::Median,
                100.0,
            )
        }));
    }
    Ok(())
}

/// The numbers that a set gives to the names, which it gets in this order.
fn ids(names: &[&str]) -> anyhow::Result<Vec<EventId>> {
    let mut set = MonitorSet::new([]);
    let known = NAMES.map(|name| (name, set.event(&name.into())));
    let id = |name: &&str| known.iter().find(|(known, _)| known == name).and_then(|(_, id)| *id);
    names.iter().map(id).collect::<Option<_>>().context("a set takes eight events")
}

fn run_set(policies: &[Policy], ids: &[EventId]) -> anyhow::Result<MonitorSet> {
    let mut set = MonitorSet::new(policies);
    for name in NAMES {
        set.event(&name.into()).context("a set takes eight events")?;
    }
    for (step, id) in ids.iter().enumerate() {
        set.step(step as u64, &[*id])?;
    }
    Ok(set)
}

fn monitors(bench: &mut Bench<'_>, load: &TemporalLoad, cases: &mut Vec<Case>) -> anyhow::Result<()> {
    let events = load.events;
    let promised = events == TemporalLoad::PROMISED.events;
    let story = Story::answered(events, bench.seed);
    let ids = ids(&story.names)?;
    for (name, formula) in [("bounded", BOUNDED), ("unbounded", UNBOUNDED)] {
        let policy = Policy::parse(formula)?;
        let answer = run_set(std::slice::from_ref(&policy), &ids)?.verdict(0).map(told);
        let case = format!("monitor {name} response, {events} events");
        let measured = bench.time(case, Unit::Us, || run_set(black_box(std::slice::from_ref(&policy)), &ids));
        cases.extend(measured.map(|case| {
            // 50 ns a step.
            let case = case.each("ns an event", events).answer(answer, (NOT_VIOLATED.into(), 0.0)).target_if(
                promised,
                Of::Median,
                500.0,
            );
            match name {
                "bounded" => {
                    let times = times(Unit::Us, bench.runs, || by_hand(black_box(&story.names)));
                    let answer = Some(told(by_hand(&story.names)));
                    let measured = Measured { answer, ..Measured::new(times) };
                    case.rival("written by hand for this formula", None, measured)
                }
                _ => case,
            }
        }));
    }
    for (name, timed) in
        [("64 policies without time bounds", false), ("64 policies, 16 with time bounds", true)]
    {
        let policies = sixty_four(timed)?;
        let case = format!("monitor {name}, {events} events");
        let measured = bench.time(case, Unit::Us, || run_set(black_box(&policies), &ids));
        cases.extend(measured.map(|case| {
            case.each("ns a policy and event", events * policies.len()).target_if(
                promised,
                Of::Median,
                2000.0,
            )
        }));
    }
    let (policies, trace) = (sixty_four(true)?, story.trace()?);
    let case = format!("evaluate 64 policies, 16 with time bounds, {events} events");
    let measured = bench.time(case, Unit::Us, || all_hold(black_box(&policies), &trace));
    cases.extend(measured.map(|case| case.each("ns a policy and event", events * policies.len())));
    Ok(())
}

fn all_hold(policies: &[Policy], trace: &Trace) -> anyhow::Result<bool> {
    let mut all = true;
    for policy in policies {
        all &= evaluate(policy.formula(), trace)?.holds;
    }
    Ok(all)
}

const NOT_VIOLATED: &str = "not violated";

fn told(verdict: Verdict) -> Answer {
    match verdict {
        Verdict::False | Verdict::LimitReached => "violated".into(),
        _ => NOT_VIOLATED.into(),
    }
}

/// What one would write for [`BOUNDED`] alone: the least that a general monitor can cost.
fn by_hand(names: &[&str]) -> Verdict {
    let mut open: VecDeque<usize> = VecDeque::new();
    for (step, name) in names.iter().enumerate() {
        if *name == "threat" {
            open.push_back(step);
        }
        if *name == "mitigated" {
            open.clear();
        }
        if open.front().is_some_and(|first| step - first >= 10) {
            return Verdict::False;
        }
    }
    if open.is_empty() { Verdict::PresumablyTrue } else { Verdict::PresumablyFalse }
}

/// Sixty-four policies that none of the events violate at once, so that all have work to do at each step.
fn sixty_four(timed: bool) -> anyhow::Result<Vec<Policy>> {
    let mut texts = Vec::new();
    let in_turn = || NAMES.iter().cycle();
    for ((a, b), c) in in_turn().zip(in_turn().skip(1)).zip(in_turn().skip(3)).take(NAMES.len()) {
        texts.extend([
            format!("G({a} -> F {b})"),
            format!("G({a} -> !never_seen W {b})"),
            format!("G F({a} | {c})"),
            format!("G(never_seen -> O {a})"),
            format!("G({a} -> X !({a} & {c}))"),
            format!("G(({a} S {b}) | !({a} & {b}))"),
        ]);
        if timed {
            texts.extend([format!("G({a} -> F[0,900ms] {b})"), format!("G({a} -> F[0,2s] ({b} | {c}))")]);
        } else {
            texts.extend([format!("F never_seen | G({a} -> F {c})"), format!("H !never_seen -> G F {a}")]);
        }
    }
    texts.iter().map(|text| Ok(Policy::parse(text)?)).collect()
}

/// A threat with its own number every fifth step, mitigated three steps later: one is open at a time.
fn parametric(bench: &mut Bench<'_>, load: &TemporalLoad, cases: &mut Vec<Case>) -> anyhow::Result<()> {
    let policy = Policy::parse("G(threat(id) -> F[0,10ms] mitigated(id))")?;
    let events: Vec<Event> = (0..load.events)
        .map(|step| match step % 5 {
            0 => Event::new("threat").arg((step / 5).to_string()),
            3 => Event::new("mitigated").arg((step / 5).to_string()),
            _ => Event::new("read"),
        })
        .collect();
    let run = || -> anyhow::Result<Verdict> {
        let mut monitor = policy.monitor();
        for (step, event) in events.iter().enumerate() {
            monitor.step(step as u64, std::slice::from_ref(event))?;
        }
        Ok(monitor.verdict())
    };
    let answer = Some(told(run()?));
    let case = format!("monitor threat(id) with a number each, {} events", load.events);
    let measured = bench.time(case, Unit::Us, run);
    cases.extend(
        measured.map(|case| case.each("ns an event", load.events).answer(answer, (NOT_VIOLATED.into(), 0.0))),
    );
    Ok(())
}

/// The patterns of Dwyer, Avrunin and Corbett in every scope: one number for each of them.
fn compile(bench: &mut Bench<'_>, cases: &mut Vec<Case>) -> anyhow::Result<()> {
    let case = "compile the 30 patterns";
    if !bench.begins(case) {
        return Ok(());
    }
    let atom = |name: &str| Formula::atom(name);
    let patterns = [
        Pattern::Absence(atom("p")),
        Pattern::Existence(atom("p")),
        Pattern::BoundedExistence(atom("p"), 2),
        Pattern::Universality(atom("p")),
        Pattern::Precedence(atom("s"), atom("p")),
        Pattern::Response(atom("p"), atom("s")),
    ];
    let scopes = [
        Scope::Globally,
        Scope::Before(atom("r")),
        Scope::After(atom("q")),
        Scope::Between(atom("q"), atom("r")),
        Scope::AfterUntil(atom("q"), atom("r")),
    ];
    let mut medians = Vec::new();
    for formula in patterns.iter().flat_map(|pattern| scopes.iter().map(|scope| pattern.within(scope))) {
        Policy::compile(&formula)?;
        let times = times(Unit::Us, bench.runs, || Policy::compile(black_box(&formula)));
        medians.push(Measured::new(times).median);
    }
    cases.push(Case::new(case, Unit::Us, Measured::new(medians)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monitor_by_hand_agrees_with_ours() {
        let policy = Policy::parse(BOUNDED).unwrap();
        for story in [Story::answered(500, 1), Story::unanswered(500, 2), Story::unanswered(495, 3)] {
            let ids = ids(&story.names).unwrap();
            let ours = run_set(std::slice::from_ref(&policy), &ids).unwrap().verdict(0).unwrap();
            assert_eq!(by_hand(&story.names), ours, "{:?}", story.violated_at);
        }
    }

    #[test]
    fn stories_are_violated_where_they_say() {
        for load in [TemporalLoad { events: 20, states: 10 }, TemporalLoad { events: 1234, states: 10 }] {
            for Evaluation { case, formula, story } in evaluations_of(&load, 7) {
                let closed = evaluate(&Formula::parse(formula).unwrap(), &story.trace().unwrap()).unwrap();
                let expected = story.violated_at.map(|step| vec![step]);
                let found = (!closed.holds).then_some(closed.witness);
                assert_eq!(found, expected, "{case}");
            }
        }
    }
}
