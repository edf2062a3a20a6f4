//! What other tools say: `oracles/generate.py` wrote it with MONA, reelay and rtamt.

mod naive;

use aimds_temporal::{Formula, Policy, Trace, evaluate};
use serde_json::Value;

fn cases(section: &str) -> Vec<Value> {
    let golden: Value = serde_json::from_str(include_str!("oracles/golden.json")).unwrap();
    golden[section].as_array().unwrap().clone()
}

fn formula(case: &Value) -> Formula {
    Formula::parse(case["formula"].as_str().unwrap()).unwrap()
}

fn trace(letters: &Value) -> Trace {
    let letters = letters.as_array().unwrap().iter().map(|letter| letter.as_u64().unwrap() as u8);
    naive::trace(&(0..).zip(letters).collect::<Vec<_>>())
}

fn booleans(values: &Value) -> Vec<bool> {
    values.as_array().unwrap().iter().map(|value| value.as_bool().unwrap()).collect()
}

/// The formula holds at the last step.
fn at_the_end(formula: Formula) -> Formula {
    let last = Formula::parse("WX false").unwrap();
    Formula::unary(aimds_temporal::Unary::Finally(None), last & formula)
}

#[track_caller]
fn check(formula: &Formula, traces: &Value, holds: &[bool]) {
    let policy = Policy::compile(formula).unwrap();
    assert_eq!(traces.as_array().unwrap().len(), holds.len());
    for (letters, expected) in traces.as_array().unwrap().iter().zip(holds) {
        let trace = trace(letters);
        assert_eq!(evaluate(formula, &trace).unwrap().holds, *expected, "{formula} on {letters}");
        let mut monitor = policy.monitor();
        for (step, time) in trace.times().iter().enumerate() {
            let events: Vec<_> = trace
                .events_at(step)
                .iter()
                .map(|id| trace.distinct_events()[*id as usize].clone())
                .collect();
            monitor.step(*time, &events).unwrap();
        }
        if !monitor.verdict().is_definite() {
            assert_eq!(monitor.close().holds, *expected, "monitor of {formula} on {letters}");
        }
    }
}

#[test]
fn mona_on_the_future() {
    let cases = cases("ltlf");
    assert_eq!(cases.len(), 160);
    for case in &cases {
        check(&formula(case), &case["traces"], &booleans(&case["holds"]));
    }
}

#[test]
fn mona_on_the_past() {
    let cases = cases("past");
    assert_eq!(cases.len(), 60);
    for case in &cases {
        check(&at_the_end(formula(case)), &case["traces"], &booleans(&case["holds"]));
    }
}

#[test]
fn reelay_on_the_past_with_bounds() {
    let cases = cases("past_with_bounds");
    assert_eq!(cases.len(), 120);
    for case in &cases {
        let letters = case["trace"].as_array().unwrap();
        let prefixes =
            (1..=letters.len()).map(|end| Value::from(letters[..end].to_vec())).collect::<Vec<_>>();
        check(&at_the_end(formula(case)), &Value::from(prefixes), &booleans(&case["holds"]));
    }
}

#[test]
fn rtamt_on_the_future_with_bounds() {
    let cases = cases("future_with_bounds");
    assert_eq!(cases.len(), 200);
    for case in &cases {
        check(&formula(case), &case["traces"], &booleans(&case["holds"]));
    }
}
