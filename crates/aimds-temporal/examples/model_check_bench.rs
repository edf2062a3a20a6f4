//! Times of the model checker and of the checker of its proofs.
//!
//! `cargo run --release -p aimds-temporal --example model_check_bench [-- --format json] [FILTER]`
//!
//! Each time is the median (and the minimum) of several runs on one thread, in milliseconds of wall time. The rate counts
//! the transitions of the model once, however often the product follows them.

use std::time::Instant;

use aimds_temporal::Formula;
use aimds_temporal::model::{Certificate, KripkeStructure, Limits, Outcome, Proof, check};

const RUNS: usize = 9;

struct Row {
    name: &'static str,
    states: usize,
    transitions: usize,
    answer: String,
    check: (f64, f64),
    verify: Option<(f64, f64)>,
}

/// Blocks of ten states: a request, work in varying order, a grant that leads on to three other blocks. Every request is
/// granted; with `flaw`, one state of the last block can repeat for ever.
fn requests(states: usize, flaw: bool) -> KripkeStructure {
    let blocks = states / 10;
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
                [block + 1, block * 7 + 3, block * 13 + 5]
                    .iter()
                    .map(|to| format!("b{}.0", to % blocks))
                    .collect()
            } else {
                (place + 1..=(place + 3).min(9)).map(|to| format!("b{block}.{to}")).collect()
            };
            if flaw && block == blocks - 1 && place == 5 {
                next.push(format!("b{block}.5"));
            }
            builder = builder.state_from(format!("b{block}.{place}"), props.iter().copied(), next);
        }
    }
    builder.build().expect("every named state is there")
}

fn times(mut operation: impl FnMut()) -> (f64, f64) {
    let mut samples: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            operation();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    samples.sort_by(f64::total_cmp);
    (samples[RUNS / 2], samples[0])
}

fn row(name: &'static str, model: &KripkeStructure, formula: &str) -> Row {
    let formula = Formula::parse(formula).expect("a formula");
    let ask = || check(model, &formula, &Limits::default()).expect("can be checked");
    let outcome = ask();
    let answer = match &outcome {
        Outcome::Holds(Certificate { places, obligations, .. }) => {
            format!("holds, {} places, {} obligations", places.len(), obligations.len())
        }
        Outcome::Violated(lasso) => format!("violated, {} + {} steps", lasso.prefix.len(), lasso.cycle.len()),
        Outcome::ResourceLimit(limit) => limit.to_string(),
    };
    let proof = Proof::new(model, &formula, outcome);
    Row {
        name,
        states: model.state_count(),
        transitions: model.transition_count(),
        answer,
        check: times(|| drop(ask())),
        verify: proof.map(|proof| times(|| proof.verify().expect("a proof"))),
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let json = arguments.iter().any(|argument| argument == "json");
    let filter = arguments.iter().find(|argument| !argument.starts_with("--") && *argument != "json");
    let (large, flawed, small) = (requests(100_000, false), requests(100_000, true), requests(1_000, false));
    // Every set of these can be outstanding: as many sets of obligations as a formula of this size can have.
    let outstanding: Vec<String> =
        (0..8).map(|steps| format!("F(q & {}grant)", "X ".repeat(steps))).collect();
    let outstanding = format!("!({})", outstanding.join(" & "));
    let rows = [
        ("response", &large, "G(request -> F grant)"),
        ("response, violated", &flawed, "G(request -> F grant)"),
        ("safety", &large, "G(request -> !p W (q | grant) | F p)"),
        ("precedence in the past", &large, "G(grant -> !grant | O request | O p | H !request)"),
        ("past and future", &large, "G(grant -> O(request | F grant))"),
        ("fairness", &large, "G F request & G F p -> G F grant"),
        ("two responses", &large, "G(request -> F grant) & G(p -> F grant)"),
        ("eight outstanding", &small, outstanding.as_str()),
    ];
    for (name, model, formula) in rows {
        if filter.is_none_or(|filter| name.contains(filter.as_str())) {
            print(&row(name, model, formula), json);
        }
    }
}

fn print(row: &Row, json: bool) {
    let rate = row.transitions as f64 / row.check.0 * 1e3;
    if json {
        let line = serde_json::json!({
            "name": row.name, "states": row.states, "transitions": row.transitions, "answer": row.answer,
            "check_ms": {"median": row.check.0, "min": row.check.1},
            "verify_ms": row.verify.map(|(median, min)| serde_json::json!({"median": median, "min": min})),
            "transitions_per_s": rate,
        });
        println!("{line}");
    } else {
        let verify = row.verify.map_or(String::new(), |(median, min)| format!("{median:.1} ({min:.1})"));
        println!(
            "{:24} {:>7} states  check {:>7.1} ({:.1}) ms  {:>5.1} M transitions/s  verify {verify:>14} ms  {}",
            row.name,
            row.states,
            row.check.0,
            row.check.1,
            rate / 1e6,
            row.answer
        );
    }
}
