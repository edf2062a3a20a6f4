//! Answers for known models: the lasso where the formula is violated, the pictures made of it, and the limits.

use aimds_temporal::Formula;
use aimds_temporal::model::{KripkeStructure, Lasso, Limits, Outcome, check};

/// Asks, waits, is answered or refused, and may ask again; a refusal is the end.
fn requests() -> KripkeStructure {
    KripkeStructure::builder()
        .state("idle", [], ["ask"])
        .state("ask", ["ask"], ["wait"])
        .state("wait", [], ["wait", "answer", "refuse"])
        .state("answer", ["answer"], ["idle"])
        .state("refuse", ["refuse", "tool(\"log\")"], [])
        .initial("idle")
        .vocabulary(["ask", "answer", "refuse", "tool(\"log\")", "unused"])
        .build()
        .unwrap()
}

fn lasso(model: &KripkeStructure, formula: &str) -> Option<Lasso> {
    match check(model, &Formula::parse(formula).unwrap(), &Limits::default()).unwrap() {
        Outcome::Holds(_) => None,
        Outcome::Violated(lasso) => Some(lasso),
        Outcome::ResourceLimit(limit) => panic!("{formula}: {limit}"),
    }
}

/// `holds`, or the states of the prefix and, in parentheses, of the cycle.
fn answer(model: &KripkeStructure, formula: &str) -> String {
    let names = |states: &[_]| states.iter().map(|&state| model.name(state)).collect::<Vec<_>>().join(" ");
    lasso(model, formula).map_or("holds".to_owned(), |Lasso { prefix, cycle }| {
        format!("{} ({})", names(&prefix), names(&cycle)).trim_start().to_owned()
    })
}

#[test]
fn formulas_on_requests() {
    let model = requests();
    for (formula, expected) in [
        ("true", "holds"),
        ("false", "idle ask (wait)"),
        ("X ask", "holds"),
        ("WX ask", "holds"),
        ("X X X (answer | refuse)", "idle ask (wait)"),
        ("G(ask -> X !ask)", "holds"),
        ("G(ask -> F (answer | refuse))", "idle ask (wait)"),
        ("F G refuse", "idle ask (wait)"),
        ("G(refuse -> G refuse)", "holds"),
        ("G(refuse <-> tool(\"log\"))", "holds"),
        ("G !tool(\"log\")", "idle ask wait (refuse)"),
        ("!answer W ask", "holds"),
        ("!answer U ask", "holds"),
        ("ask R !answer", "holds"),
        ("G F ask -> G F answer", "holds"),
        ("G(answer -> O ask)", "holds"),
        ("G(answer -> Y ask)", "(idle ask wait answer)"),
        ("G(answer -> !refuse S ask)", "holds"),
        ("G(ask -> H !answer)", "(idle ask wait answer)"),
        ("G(O refuse -> refuse)", "holds"),
        ("Y true", "idle ask (wait)"),
        ("Z false", "holds"),
        ("X Z false", "idle ask (wait)"),
        // A past operator over the future: once it has been true that an answer comes, an answer comes or came.
        ("G(O F answer -> F answer | O answer)", "holds"),
        ("G(O F answer -> F answer)", "idle ask wait answer idle ask (wait)"),
        ("G !unused", "holds"),
    ] {
        assert_eq!(answer(&model, formula), expected, "{formula}");
    }
}

#[test]
fn every_initial_state_counts() {
    let model = |initial: &[&str]| {
        let builder = KripkeStructure::builder().state("a", ["p"], ["a"]).state("b", [], ["b"]);
        initial.iter().fold(builder, |builder, &name| builder.initial(name)).build().unwrap()
    };
    for (initial, expected) in [(&["a"][..], "holds"), (&["b"], "(b)"), (&["a", "b"], "(b)")] {
        assert_eq!(answer(&model(initial), "G p"), expected, "{initial:?}");
    }
}

#[test]
fn a_cycle_passes_through_every_eventuality() {
    // Three petals around a centre; the run must return to all of them.
    let builder = ["x", "y", "z"]
        .iter()
        .fold(KripkeStructure::builder(), |builder, &petal| builder.state_from(petal, [petal], ["centre"]));
    let model = builder.state("centre", [], ["x", "y", "z"]).initial("centre").build().unwrap();
    let run = lasso(&model, "!(G F x & G F y & G F z)").unwrap();
    assert_eq!((run.prefix.len(), run.cycle.len()), (0, 6));
}

#[test]
fn the_same_question_has_the_same_answer() {
    let formula = Formula::parse("G(ask -> F answer) & G F !ask").unwrap();
    let first = check(&requests(), &formula, &Limits::default());
    for _ in 0..10 {
        assert_eq!(check(&requests(), &formula, &Limits::default()), first);
    }
}

#[test]
fn a_long_model_does_not_exhaust_the_stack() {
    let count = 200_000;
    let builder = (0..count).fold(KripkeStructure::builder().initial("s0"), |builder, state| {
        let props: &[&str] = if state == count - 1 { &["end"] } else { &[] };
        builder.state_from(
            format!("s{state}"),
            props.iter().copied(),
            [format!("s{}", (state + 1).min(count - 1))],
        )
    });
    let model = builder.build().unwrap();
    assert_eq!(lasso(&model, "F G end"), None);
    let run = lasso(&model, "G !end").unwrap();
    assert_eq!((run.prefix.len(), run.cycle.len()), (count - 1, 1));
}

#[test]
fn pictures_of_a_run() {
    let model = KripkeStructure::builder()
        .state("say \"hi\"", ["a", "b(\"x\")"], ["end;#"])
        .state("end;#", [], [])
        .initial("say \"hi\"")
        .build()
        .unwrap();
    let run = lasso(&model, "G a").unwrap();
    assert_eq!(run.to_text(&model), "1. say \\\"hi\\\": a, b(\\\"x\\\")\nfor ever:\n2. end;#: nothing\n");
    let dot = [
        "digraph lasso {",
        "  rankdir=LR;",
        "  start [shape=point];",
        "  start -> 1;",
        r#"  1 [shape=box, label="say \"hi\"\na, b(\"x\")"];"#,
        r#"  2 [shape=box, label="end;#\nnothing"];"#,
        "  1 -> 2;",
        "  2 -> 2 [style=bold];",
        "}\n",
    ];
    assert_eq!(run.to_dot(&model), dot.join("\n"));
    let mermaid = [
        "flowchart LR",
        "  start(( )) --> s1",
        "  s1[\"say #34;hi#34;<br/>a, b#40;#34;x#34;#41;\"]",
        "  s2[\"end#59;#35;<br/>nothing\"]",
        "  s1 --> s2",
        "  s2 ==> s2\n",
    ];
    assert_eq!(run.to_mermaid(&model), mermaid.join("\n"));
}
