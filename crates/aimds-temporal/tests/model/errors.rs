//! Formulas that cannot be checked, and checks that are too large.

use aimds_temporal::model::{CheckError, Exhausted, KripkeStructure, Limits, Outcome, Resource, check};
use aimds_temporal::{Formula, Unary};

fn model() -> KripkeStructure {
    KripkeStructure::builder()
        .state("a", ["p", "tool(\"send_email\")"], ["b"])
        .state("b", ["q"], ["a", "b"])
        .initial("a")
        .build()
        .unwrap()
}

fn error(formula: &Formula) -> CheckError {
    check(&model(), formula, &Limits::default()).unwrap_err()
}

#[test]
fn errors_say_why() {
    for (formula, expected) in [
        (
            "G(p -> F[0,10ms] q)",
            "`F[0,10ms] q` has a time bound, and a model has no time; use a monitor, or leave the bound out",
        ),
        (
            "G(p(id) -> F q(id))",
            "the variable `id` stands for every value, and a model has no values; write the value itself",
        ),
        (
            "G tool(\"send_emial\")",
            "no state of the model has the proposition `tool(\"send_emial\")`, and it is not listed in `props`; \
             did you mean `tool(\"send_email\")`?",
        ),
        (
            "F unheard_of",
            "no state of the model has the proposition `unheard_of`, and it is not listed in `props`",
        ),
    ] {
        assert_eq!(error(&Formula::parse(formula).unwrap()).to_string(), expected, "{formula}");
    }
}

#[test]
fn formulas_have_limits() {
    let times = |count: usize, operator: Unary| {
        (0..count).fold(Formula::atom("p"), |inner, _| Formula::unary(operator, inner))
    };
    let future_under_past = |count: usize| {
        (0..count).fold(Formula::True, |all, nth| {
            all & Formula::unary(
                Unary::Once(None),
                Formula::unary(Unary::Finally(None), times(nth, Unary::Next)),
            )
        })
    };
    let atoms = (0..65).fold(Formula::True, |all, nth| all & Formula::atom(format!("p{nth}")));
    let wide = (0..5000).fold(Formula::True, |all, _| all & Formula::True);
    let eventually = (0..65)
        .fold(Formula::True, |all, nth| all & Formula::unary(Unary::Globally(None), times(nth, Unary::Next)));
    for (formula, what, limit) in [
        (times(300, Unary::Next), "levels of nesting", 256),
        (times(65, Unary::Yesterday), "past operators", 64),
        (future_under_past(13), "future operators under past operators", 12),
        (atoms, "atoms", 64),
        (eventually, "eventualities", 64),
    ] {
        let CheckError::TooComplex { what: found, limit: most, .. } = error(&formula) else {
            panic!("{what}")
        };
        assert_eq!((found, most), (what, limit));
    }
    let CheckError::TooComplex { what, .. } = error(&wide) else { panic!("wide") };
    assert_eq!(what, "nodes");
}

#[test]
fn checks_have_limits() {
    // Twelve eventualities that can be put off in every combination.
    let parts: Vec<String> = (0..12).map(|nth| format!("F (p & {} q)", "X ".repeat(nth))).collect();
    let formula = Formula::parse(&format!("!({})", parts.join(" & "))).unwrap();
    let generous = Limits::default();
    for (limits, what, limit) in [
        (Limits { product_states: 10, ..generous }, Resource::ProductStates, 10),
        (Limits { tableau_states: 3, ..generous }, Resource::TableauStates, 3),
        (Limits { steps: 100, ..generous }, Resource::Steps, 100),
    ] {
        let outcome = check(&model(), &formula, &limits).unwrap();
        assert_eq!(outcome, Outcome::ResourceLimit(Exhausted { what, limit }));
    }
}
