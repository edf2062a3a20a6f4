//! The models under `policies/playbooks` keep their promises, and do not keep others.

use aimds_temporal::Formula;
use aimds_temporal::model::{KripkeStructure, Limits, Outcome, Proof, check};

const RESPONSE: &str = include_str!("../../../../policies/playbooks/response.json");
const RESPONSE_PROMISES: &str = include_str!("../../../../policies/playbooks/response.ltl");
const TOOLS: &str = include_str!("../../../../policies/playbooks/agent-tools.json");
const TOOLS_PROMISES: &str = include_str!("../../../../policies/playbooks/agent-tools.ltl");

fn outcome(model: &KripkeStructure, formula: &str) -> Outcome {
    let formula = Formula::parse(formula).unwrap();
    let outcome = check(model, &formula, &Limits::default()).unwrap();
    assert_eq!(Proof::new(model, &formula, outcome.clone()).unwrap().verify(), Ok(()));
    outcome
}

#[test]
fn promises_are_kept() {
    for (model, promises, count) in [(RESPONSE, RESPONSE_PROMISES, 6), (TOOLS, TOOLS_PROMISES, 5)] {
        let model = KripkeStructure::from_json(model).unwrap();
        let formulas: Vec<&str> =
            promises.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        assert_eq!(formulas.len(), count);
        for formula in formulas {
            assert!(matches!(outcome(&model, formula), Outcome::Holds(_)), "{formula}");
        }
    }
}

#[test]
fn what_is_not_promised_has_a_counterexample() {
    for (model, formula, expected) in [
        (
            RESPONSE,
            "G(threat -> F escalated)",
            "for ever:\n1. watch: nothing\n2. detect: threat\n3. contain: blocked, threat\n4. verify: blocked\n\
             5. resolve: resolved\n",
        ),
        (
            TOOLS,
            "G(tool(\"send_email\") -> O confirmed)",
            "1. start: nothing\n2. read file: tool(\"read_file\")\n3. send own words: tool(\"send_email\")\n\
             for ever:\n4. answer: done\n",
        ),
        (
            TOOLS,
            "F done",
            "1. start: nothing\nfor ever:\n2. read web: tainted, tool(\"read_web\")\n3. draft: tainted\n",
        ),
    ] {
        let model = KripkeStructure::from_json(model).unwrap();
        let Outcome::Violated(lasso) = outcome(&model, formula) else { panic!("{formula}") };
        assert_eq!(lasso.to_text(&model).replace('\\', ""), expected, "{formula}");
    }
}
