//! `check` against Spin: `oracles/spin.py` writes what is read here.

use aimds_temporal::Formula;
use aimds_temporal::model::{KripkeStructure, Limits, Outcome, check};
use serde_json::Value;

#[test]
fn verdicts_are_those_of_spin() {
    let golden: Value = serde_json::from_str(include_str!("../golden/spin.json")).unwrap();
    let cases = golden["cases"].as_array().unwrap();
    let mut held = 0;
    for case in cases {
        let model = KripkeStructure::from_json(&case["model"].to_string()).unwrap();
        let formula = Formula::parse(case["formula"].as_str().unwrap()).unwrap();
        let outcome = check(&model, &formula, &Limits::default()).unwrap();
        let holds = matches!(outcome, Outcome::Holds(_));
        assert_eq!(Some(holds), case["holds"].as_bool(), "{case}");
        held += usize::from(holds);
    }
    assert!(cases.len() >= 300 && held > cases.len() / 10, "{held} of {}", cases.len());
}
