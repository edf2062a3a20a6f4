//! Reading models.

use aimds_temporal::model::{KripkeError, KripkeStructure, MAX_STATES};
use proptest::prelude::*;

fn error(json: &str) -> String {
    KripkeStructure::from_json(json).unwrap_err().to_string()
}

#[test]
fn errors_say_what_and_where() {
    for (json, expected) in [
        ("", "cannot read the model: EOF while parsing a value at line 1 column 0"),
        ("{}", "cannot read the model: missing field `initial` at line 1 column 2"),
        (r#"{"initial": [], "states": {"a": {}}}"#, "no initial state"),
        (r#"{"initial": [], "states": {}}"#, "no initial state"),
        (
            r#"{"initial": ["detekt"], "states": {"detect": {}}}"#,
            "`initial` names the unknown state `detekt`; did you mean `detect`?",
        ),
        (
            r#"{"initial": ["a"], "states": {"a": {"next": ["zzz"]}}}"#,
            "state `a` names the unknown state `zzz`",
        ),
        (r#"{"initial": ["a"], "states": {"a": {}, "b": {}, "a": {}}}"#, "state `a` is given twice"),
        (
            r#"{"initial": ["a"], "props": ["alarm"], "states": {"a": {"props": ["alarms"]}}}"#,
            "state `a` has the proposition `alarms`, which `props` does not list; did you mean `alarm`?",
        ),
        (
            r#"{"initial": ["a"], "states": {"a": {"prop": []}}}"#,
            "cannot read the model: unknown field `prop`, expected `props` or `next` at line 1 column 42",
        ),
        (
            r#"{"initial": ["a"], "states": [1]}"#,
            "cannot read the model: invalid type: sequence, expected an object of states by name at line 1 column 29",
        ),
    ] {
        assert_eq!(error(json), expected, "{json}");
    }
}

#[test]
fn a_model_can_be_too_large() {
    let builder = (0..=MAX_STATES).fold(KripkeStructure::builder().initial("0"), |builder, state| {
        builder.state_from(state.to_string(), [""; 0], [""; 0])
    });
    assert_eq!(builder.build(), Err(KripkeError::TooMany { what: "states", limit: MAX_STATES }));
}

#[test]
fn a_state_without_successors_repeats() {
    let model =
        KripkeStructure::from_json(r#"{"initial": ["a"], "states": {"a": {"next": ["b"]}, "b": {}}}"#)
            .unwrap();
    let b = model.state("b").unwrap();
    assert_eq!(model.next(b), [b]);
    assert_eq!(model.state("c"), None);
    assert_eq!(model.name(b), "b");
    assert_eq!(model.to_json(), r#"{"initial":["a"],"states":{"a":{"next":["b"]},"b":{"next":["b"]}}}"#);
}

#[test]
fn the_order_of_everything_is_irrelevant() {
    let one = r#"{"initial": ["b", "a"], "states": {"b": {"props": ["y", "x"], "next": ["b", "a", "b"]}, "a": {}}}"#;
    let other = r#"{"states": {"a": {}, "b": {"next": ["a", "b"], "props": ["x", "y"]}}, "initial": ["a", "b", "a"]}"#;
    assert_eq!(KripkeStructure::from_json(one), KripkeStructure::from_json(other));
}

proptest! {
    #[test]
    fn what_is_written_is_read(seed: u64) {
        let model = crate::random::model(&mut crate::random::Random(seed));
        prop_assert_eq!(KripkeStructure::from_json(&model.to_json()), Ok(model));
    }

    #[test]
    fn any_text_is_a_model_or_an_error(text in r#"[{}\[\]",:a-c initialstatespropsnext]{0,60}"#) {
        let _ = KripkeStructure::from_json(&text);
    }
}
