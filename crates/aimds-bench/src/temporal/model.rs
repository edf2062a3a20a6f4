//! Checking models, and the proofs that come of it. The rate counts the transitions of a model once, however often
//! the product follows them.

use aimds_temporal::Formula;
use aimds_temporal::model::{Certificate, KripkeStructure, Limits, Outcome, Proof, check};

use super::TemporalLoad;
use crate::bench::Bench;
use crate::case::{Answer, Case, Of, Unit};

/// A model of its own, because as many sets of obligations as a formula of its size can have are open in it.
const SMALL: usize = 1000;

pub(super) fn check_models(
    bench: &mut Bench<'_>,
    load: &TemporalLoad,
    cases: &mut Vec<Case>,
) -> anyhow::Result<()> {
    let large = requests(load.states, false)?;
    let flawed = requests(load.states, true)?;
    let small = requests(SMALL.min(load.states), false)?;
    let outstanding: Vec<String> =
        (0..8).map(|steps| format!("F(q & {}grant)", "X ".repeat(steps))).collect();
    let outstanding = format!("!({})", outstanding.join(" & "));
    for (name, model, formula, truth) in [
        ("response", &large, "G(request -> F grant)", "holds"),
        ("response, violated", &flawed, "G(request -> F grant)", "violated"),
        ("safety", &large, "G(request -> !p W (q | grant) | F p)", "holds"),
        ("precedence in the past", &large, "G(grant -> !grant | O request | O p | H !request)", "holds"),
        ("past and future", &large, "G(grant -> O(request | F grant))", "holds"),
        ("fairness", &large, "G F request & G F p -> G F grant", "holds"),
        ("two responses", &large, "G(request -> F grant) & G(p -> F grant)", "holds"),
        ("eight outstanding", &small, outstanding.as_str(), "holds"),
    ] {
        let states = model.state_count();
        let promised = states == TemporalLoad::PROMISED.states && name.starts_with("response");
        let names = [("model-check", name), ("verify the proof of", name)]
            .map(|(what, name)| format!("{what} {name}, {states} states"));
        if !names.iter().any(|name| bench.wants(name)) {
            continue;
        }
        let [check_case, verify_case] = names;
        let formula = Formula::parse(formula)?;
        let ask = || check(model, &formula, &Limits::default());
        let outcome = ask()?;
        let (answer, details) = told(&outcome);
        let checked = bench.time(check_case, Unit::Ms, ask);
        cases.extend(checked.map(|case| {
            let rate = model.transition_count() as f64 / case.measured.median * 1e3;
            let case = case.answer(Some(answer), (truth.into(), 0.0)).detail("transitions/s", rate);
            let case = details.into_iter().fold(case, |case, (name, count)| case.detail(name, count as f64));
            case.target_if(promised, Of::Median, 200.0)
        }));
        if let Some(proof) = Proof::new(model, &formula, outcome) {
            cases.extend(bench.time(verify_case, Unit::Ms, || proof.verify()));
        }
    }
    Ok(())
}

fn told(outcome: &Outcome) -> (Answer, Vec<(&'static str, usize)>) {
    match outcome {
        Outcome::Holds(Certificate { places, obligations, .. }) => {
            ("holds".into(), vec![("places", places.len()), ("obligations", obligations.len())])
        }
        Outcome::Violated(lasso) => {
            ("violated".into(), vec![("prefix", lasso.prefix.len()), ("cycle", lasso.cycle.len())])
        }
        Outcome::ResourceLimit(limit) => (Answer::Text(limit.to_string()), Vec::new()),
    }
}

/// Blocks of ten states: a request, work in varying order, a grant that leads on to three other blocks. Every request is
/// granted; with `flaw`, one state of the last block can repeat for ever.
fn requests(states: usize, flaw: bool) -> anyhow::Result<KripkeStructure> {
    let blocks = (states / 10).max(1);
    let mut builder = KripkeStructure::builder().initial("b0.0");
    for block in 0..blocks {
        for place in 0..10 {
            let props: &[&str] = match place {
                1 => &["request"],
                4 => &["p"],
                6 => &["q"],
                9 => &["grant"],
                _ => &[],
            };
            let mut next: Vec<String> = if place == 9 {
                // A multiplier without common factors, so that all blocks are reached.
                let to = [block + 1, block * 7 + 3, block * 13 + 5];
                to.iter().map(|to| format!("b{}.0", to % blocks)).collect()
            } else {
                (place + 1..=(place + 3).min(9)).map(|to| format!("b{block}.{to}")).collect()
            };
            if flaw && block == blocks - 1 && place == 5 {
                next.push(format!("b{block}.5"));
            }
            builder = builder.state_from(format!("b{block}.{place}"), props.iter().copied(), next);
        }
    }
    Ok(builder.build()?)
}
