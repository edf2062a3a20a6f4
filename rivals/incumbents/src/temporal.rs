//! `midstreamer-neural-solver`: it has no time bounds, so that it plays the unbounded formulas alone.

use std::hint::black_box;

use midstreamer_neural_solver::{
    TemporalFormula, TemporalNeuralSolver, TemporalState, VerificationStrictness,
};
use serde::Deserialize;

use crate::{Failed, Row, VERSION, scaled, times};

#[derive(Deserialize)]
struct Case {
    id: String,
    formula: String,
    trace: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    t_ms: u64,
    events: Vec<String>,
}

pub(crate) fn row(line: &str) -> Result<Option<Row>, Failed> {
    let Case { id, formula, trace } = serde_json::from_str(line)?;
    if formula != "G(threat -> F mitigated)" {
        return Ok(None);
    }
    let mut solver = TemporalNeuralSolver::new(trace.len(), 60_000, VerificationStrictness::High);
    for (number, step) in (0..).zip(&trace) {
        let mut state = TemporalState::new(number, step.t_ms);
        for event in &step.events {
            state.set_proposition(event, true);
        }
        solver.add_state(state);
    }
    let answered = TemporalFormula::finally(TemporalFormula::atom("mitigated"));
    let response = TemporalFormula::or(TemporalFormula::not(TemporalFormula::atom("threat")), answered);
    let formula = TemporalFormula::globally(response);
    let found = solver.verify(&formula)?;
    let answer = match found.counterexample.as_ref().and_then(|steps| steps.first()) {
        Some(&step) if !found.satisfied => step.into(),
        _ => if found.satisfied { "holds" } else { "violated" }.into(),
    };
    let samples = scaled(times(|| solver.verify(black_box(&formula))), 1e6);
    let name = "midstreamer-neural-solver";
    Ok(Some(Row { name, version: VERSION, case: id, unit: "us", samples, answer: Some(answer) }))
}
