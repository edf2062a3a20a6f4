//! The checker of proofs: what it accepts is true, whatever is done to the document.

use aimds_temporal::Formula;
use aimds_temporal::model::{KripkeStructure, Limits, Outcome, Proof, check};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::random::{self, Random};

fn proof(model: &KripkeStructure, formula: &Formula) -> Proof {
    Proof::new(model, formula, check(model, formula, &Limits::default()).unwrap()).unwrap()
}

fn example(formula: &str) -> Value {
    let model = r#"{"initial": ["a"], "states": {
        "a": {"props": ["p"], "next": ["b"]}, "b": {"props": ["q"], "next": ["a", "c"]}, "c": {}}}"#;
    let proof = proof(&KripkeStructure::from_json(model).unwrap(), &Formula::parse(formula).unwrap());
    serde_json::from_str(&proof.to_json()).unwrap()
}

fn verify(document: &Value) -> Result<(), String> {
    let proof = Proof::from_json(&document.to_string()).map_err(|error| error.to_string())?;
    proof.verify().map_err(|error| error.to_string())
}

#[test]
fn documents_are_readable() {
    let violated = example("G F p");
    assert_eq!(violated["evidence"], json!({"violated": {"prefix": ["a", "b"], "cycle": ["c"]}}));
    assert_eq!(verify(&violated), Ok(()));
    let holds = example("G(p -> X q)");
    assert_eq!(verify(&holds), Ok(()));
    assert_eq!(
        holds["evidence"]["holds"]["subformulas"],
        json!(["p", "q", "X q", "p -> X q", "G(p -> X q)"])
    );
}

#[test]
fn errors_say_where() {
    let holds = "G(p -> X q)";
    for (formula, pointer, value, expected) in [
        (holds, "/format", json!("x"), "format: `x` is not `aimds-model-proof/1`"),
        (holds, "/formula", json!("G(("), "formula: "),
        (holds, "/formula", json!("G(p -> F[0,1ms] q)"), "formula: has time bounds or variables"),
        (holds, "/formula", json!("G(p -> q)"), "evidence.holds.subformulas[2]: `X q` is no subformula"),
        (
            holds,
            "/evidence/holds/obligations/0/claims/0/0",
            json!(9),
            "evidence.holds.obligations[0]: there is no",
        ),
        (
            holds,
            "/evidence/holds/obligations/0/memory/0",
            json!(9),
            "evidence.holds.obligations[0]: there is no",
        ),
        (
            holds,
            "/evidence/holds/components/0",
            json!([9, true]),
            "evidence.holds.components[0]: there is no",
        ),
        (
            holds,
            "/evidence/holds/places/0",
            json!([9, 0, 0]),
            "evidence.holds.places[0]: there is no such state",
        ),
        (
            holds,
            "/evidence/holds/places/0",
            json!([0, 9, 0]),
            "evidence.holds.places[0]: there is no such obligation",
        ),
        (
            holds,
            "/evidence/holds/places/0",
            json!([0, 0, 9]),
            "evidence.holds.places[0]: there is no such component",
        ),
        (holds, "/evidence/holds/places", json!([]), "evidence.holds.places: none for the initial state `a`"),
        (
            holds,
            "/evidence/holds/places/0/2",
            json!(0),
            "evidence.holds.places[0]: the step to state `b` does not lower the rank",
        ),
        ("G F p", "/formula", json!("true"), "evidence.violated: the formula holds on this run"),
        ("G F p", "/evidence/violated/cycle", json!([]), "evidence.violated: the cycle is empty"),
        (
            "G F p",
            "/evidence/violated/cycle",
            json!(["z"]),
            "evidence.violated: `z` is no state of the model",
        ),
        (
            "G F p",
            "/evidence/violated/cycle",
            json!(["b"]),
            "evidence.violated: the model has no step from `b` to `b`",
        ),
        (
            "G F p",
            "/evidence/violated/prefix",
            json!(["b"]),
            "evidence.violated: does not begin in an initial state",
        ),
    ] {
        let mut document = example(formula);
        // A memory to spoil.
        if pointer.ends_with("memory/0") {
            document["evidence"]["holds"]["obligations"][0]["memory"] = json!([0]);
        }
        *document.pointer_mut(pointer).unwrap() = value;
        let error = verify(&document).unwrap_err();
        assert!(error.starts_with(expected), "{pointer}: {error}, not {expected}");
    }
}

#[test]
fn a_place_given_twice_is_refused() {
    let mut document = example("G(p -> X q)");
    let places = document["evidence"]["holds"]["places"].as_array_mut().unwrap();
    places.push(places[0].clone());
    assert!(verify(&document).unwrap_err().ends_with("state `a` has an obligation twice"));
}

#[test]
fn a_proof_that_asks_for_too_much_is_refused() {
    // Exponentially many ways to meet the obligations, none of which a certificate without places needs to list.
    let parts: Vec<String> = (0..40).map(|nth| format!("F(p & {}q)", "X ".repeat(nth))).collect();
    let mut document = example("G(p -> X q)");
    let formula = format!("!({})", parts.join(" & "));
    document["formula"] = json!(formula);
    document["evidence"]["holds"] = json!({
        "subformulas": [formula],
        "obligations": [{"claims": [[0, false]], "memory": []}],
        "places": [[0, 0, 0]],
        "components": [null],
    });
    assert!(verify(&document).unwrap_err().ends_with("takes too long to check"));
}

/// Changes one thing somewhere in the document.
fn mutate(value: &mut Value, random: &mut Random) {
    match value {
        Value::Array(items) if !items.is_empty() => {
            let at = random.below(items.len());
            let other = random.below(items.len());
            match random.below(8) {
                0 => drop(items.remove(at)),
                1 => items.insert(at, items[other].clone()),
                2 => items.swap(at, other),
                _ => mutate(&mut items[at], random),
            }
        }
        Value::Object(fields) if !fields.is_empty() => {
            let at = random.below(fields.len());
            mutate(fields.values_mut().nth(at).unwrap(), random);
        }
        Value::Number(number) => {
            let number = number.as_u64().unwrap();
            *value = json!(if random.one_in(2) { number + 1 } else { number.saturating_sub(1) });
        }
        Value::Bool(flag) => *flag = !*flag,
        Value::Null => *value = json!([]),
        Value::Array(_) => *value = if random.one_in(2) { Value::Null } else { json!([0]) },
        Value::String(text) if random::PROPS.contains(&text.as_str()) => {
            *text = (*random.pick(&random::PROPS)).to_owned();
        }
        Value::String(text) if text.starts_with('s') => *text = format!("s{}", random.below(5)),
        _ => {}
    }
}

/// If the document is accepted, what it claims is so.
fn accepted_only_if_true(document: &Value) -> bool {
    let Ok(proof) = Proof::from_json(&document.to_string()) else { return false };
    if proof.verify().is_err() {
        return false;
    }
    let formula = Formula::parse(proof.formula()).unwrap();
    // The model may have lost the last state with an atom; then no such state has it.
    let mut parts: Value = serde_json::from_str(&proof.model().to_json()).unwrap();
    parts["props"] = json!(random::PROPS);
    let model = KripkeStructure::from_json(&parts.to_string()).unwrap();
    let holds = matches!(check(&model, &formula, &Limits::default()).unwrap(), Outcome::Holds(_));
    assert_eq!(holds, proof.holds(), "{document}");
    true
}

#[test]
fn changed_proofs_are_refused_or_true() {
    let (mut accepted, mut refused) = (0, 0);
    for case in 0..3_000 {
        let mut random = Random(case);
        let model = random::model(&mut random);
        let formula = random::formula(&mut random, 8);
        let document: Value = serde_json::from_str(&proof(&model, &formula).to_json()).unwrap();
        for _ in 0..6 {
            let mut changed = document.clone();
            for _ in 0..1 + random.below(3) {
                // The evidence more often than the model.
                let part = if random.one_in(4) { "model" } else { "evidence" };
                mutate(&mut changed[part], &mut random);
            }
            if accepted_only_if_true(&changed) { accepted += 1 } else { refused += 1 }
        }
    }
    assert!(refused > accepted / 2 && accepted > 500, "{accepted} accepted, {refused} refused");
}

/// The evidence for one formula or model does not do for another, unless that is so as well.
#[test]
fn exchanged_proofs_are_refused_or_true() {
    let mut refused = 0;
    for case in 0..3_000 {
        let mut random = Random(case);
        let model = random::model(&mut random);
        let formula = random::formula(&mut random, 7);
        let original: Value = serde_json::from_str(&proof(&model, &formula).to_json()).unwrap();
        let mut other_model = original.clone();
        other_model["model"] = serde_json::from_str(&random::model(&mut random).to_json()).unwrap();
        let mut negated = original.clone();
        negated["formula"] = json!((!formula.clone()).to_string());
        let mut weaker = original.clone();
        weaker["formula"] = json!(Formula::unary(aimds_temporal::Unary::Next, formula).to_string());
        for document in [other_model, negated, weaker] {
            refused += usize::from(!accepted_only_if_true(&document));
        }
    }
    assert!(refused > 3_000, "{refused} refused");
}

/// A certificate with all of its ranks and witnesses made up, over every place that the search could visit, is never good
/// enough for a formula that does not hold.
#[test]
fn no_ranks_prove_what_is_false() {
    let mut tried = 0;
    for case in 0..3_000 {
        let mut random = Random(case);
        let model = random::model(&mut random);
        let formula = random::formula(&mut random, 5);
        // The obligations come from a model that satisfies the formula, if there is one; the states from that which does not.
        let honest = proof(&model, &formula);
        let false_model = random::model(&mut random);
        if !honest.holds() || proof(&false_model, &formula).holds() {
            continue;
        }
        let mut document: Value = serde_json::from_str(&honest.to_json()).unwrap();
        document["model"] = serde_json::from_str(&false_model.to_json()).unwrap();
        let holds = &mut document["evidence"]["holds"];
        let obligations = holds["obligations"].as_array().unwrap().len();
        let subformulas = holds["subformulas"].as_array().unwrap().len();
        let components = 1 + random.below(4);
        let places = (0..false_model.state_count())
            .flat_map(|state| (0..obligations).map(move |obligation| (state, obligation)));
        holds["places"] =
            places.map(|(state, obligation)| json!([state, obligation, random.below(components)])).collect();
        holds["components"] =
            (0..components).map(|_| json!([random.below(subformulas), random.one_in(2)])).collect();
        assert!(verify(&document).is_err(), "{document}");
        tried += 1;
    }
    assert!(tried > 200, "{tried}");
}

proptest! {
    #[test]
    fn documents_survive_a_round_trip(seed: u64) {
        let mut random = Random(seed);
        let proof = proof(&random::model(&mut random), &random::formula(&mut random, 6));
        prop_assert_eq!(Proof::from_json(&proof.to_json()), Ok(proof));
    }
}
