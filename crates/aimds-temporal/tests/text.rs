//! Formulas from text and back.

mod naive;

use aimds_temporal::{Atom, Formula, Interval, MAX_DEPTH, MAX_NODES, MAX_TEXT, ParseError, Term};
use naive::{Kind, Random};
use proptest::prelude::*;

#[track_caller]
fn check(text: &str, printed: &str) {
    let formula = Formula::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(formula.to_string(), printed);
    assert_eq!(Formula::parse(printed), Ok(formula));
}

#[test]
fn precedence() {
    check("!p & q | r -> s <-> t", "!p & q | r -> s <-> t");
    check("((!p & q) | r -> s) <-> t", "!p & q | r -> s <-> t");
    check("p -> q -> r", "p -> q -> r");
    check("(p -> q) -> r", "(p -> q) -> r");
    check("p & q & r", "p & q & r");
    check("p & (q & r)", "p & (q & r)");
    check("p U q U r", "p U q U r");
    check("(p U q) U r", "(p U q) U r");
    check("p R q V r", "p R q R r");
    check("p U q & r", "p U q & r");
    check("p U (q & r)", "p U (q & r)");
    check("G p U q", "G p U q");
    check("G(p U q)", "G(p U q)");
    check("!X WX Y Z p", "!X WX Y Z p");
    check("p&&q||r=>s<=>t", "p & q | r -> s <-> t");
    check("a->b", "a -> b");
    check("G(p)->F(q)", "G p -> F q");
    check("p S q W r", "p S q W r");
}

#[test]
fn names() {
    check("GFp", "GFp");
    check("G F p", "G F p");
    check("tool.call:send-2", "tool.call:send-2");
    check("\"G\" & \"true\" & \"a b\"", "\"G\" & \"true\" & \"a b\"");
    check(r#""quote \" and \\""#, r#""quote \" and \\""#);
    check("\"plain\"", "plain");
    check("tool(\"send_email\", id, 42)", "tool(\"send_email\", id, \"42\")");
    check("größe & имя", "größe & имя");
    check("\"never\" & p", "\"never\" & p");
    let formula = Formula::parse("threat(id)").unwrap();
    let args = vec![Term::Variable("id".into())];
    assert_eq!(formula, Formula::Atom(Atom { name: "threat".into(), args }));
    assert_eq!(formula.variables().into_iter().collect::<Vec<_>>(), ["id"]);
}

#[test]
fn bounds() {
    for text in ["F[0,10ms] p", "F[0, 10 ms]p", "F[0ms,10]p", "F [ 0 , 10ms ] (p)"] {
        match Formula::parse(text) {
            Ok(formula) => {
                assert_eq!(formula.interval(), Interval::new(0, 10));
                assert_eq!(formula.to_string(), "F[0,10ms] p");
            }
            Err(error) => assert!(text.contains("10]"), "{text}: {error}"),
        }
    }
    check("G[1m,1h]p", "G[60000,3600000ms] p");
    check("O[0,2s] p & H[500ms, 1 s] q", "O[0,2000ms] p & H[500,1000ms] q");
    check("p U[0,1d] q S[1,2s] r", "p U[0,86400000ms] q S[1000,2000ms] r");
}

#[test]
fn quantifiers() {
    check("forall id. G(threat(id) -> F[0,10ms] mitigated(id))", "G(threat(id) -> F[0,10ms] mitigated(id))");
    check("forall a, b. p(a) U q(b)", "p(a) U q(b)");
    check("forall id.G(p(id))", "G p(id)");
}

#[test]
fn sentences() {
    check("always p", "G p");
    check("always (p -> q)", "G(p -> q)");
    check("never p", "G !p");
    check("never p unless q", "!p W q");
    check("never send before login", "!send W login");
    check("never retry within 5 s after failure", "G(failure -> G[0,5000ms] !retry)");
    check("never send without approved", "G(send -> O approved)");
    check("never send without approved within 1h", "G(send -> O[0,3600000ms] approved)");
    check("always answer within 10 ms of question", "G(question -> F[0,10ms] answer)");
    check("every alarm is followed by reaction", "G(alarm -> F reaction)");
    check("every alarm is followed by reaction within 2s", "G(alarm -> F[0,2000ms] reaction)");
    check("after a, never b", "G(a -> G !b)");
    check(
        "after untrusted_read, never send_external unless approved",
        "G(untrusted_read -> !send_external W approved)",
    );
    check("after a, eventually b", "G(a -> F b)");
    check("after a, eventually b within 1m", "G(a -> F[0,60000ms] b)");
    check("after a, always b", "G(a -> G b)");
    check("at most 1 p", "!p W p W G !p");
    check(
        "forall id. every threat(id) is followed by mitigated(id) within 10ms",
        "G(threat(id) -> F[0,10ms] mitigated(id))",
    );
}

#[test]
fn macros() {
    check("@absence(p)", "G !p");
    check("@existence(p) before r", "F r -> !r U (p & !r)");
    check("@precedence(s, p) globally", "!p W s");
    check("@response(p, s) after q", "G(q -> G(p -> F s))");
    check("@universality(p) between q and r", "G(q & !r & F r -> p U r)");
    check("@absence(p) after q until r", "G(q & !r -> !p W r)");
    check("@bounded_existence(p, 1)", "!p W p W G !p");
    check("G !x & @absence(p | q)", "G !x & G !(p | q)");
}

#[track_caller]
fn refuse(text: &str, span: std::ops::Range<usize>, message: &str) {
    let error = Formula::parse(text).unwrap_err();
    assert_eq!((error.to_string().as_str(), error.span), (message, span), "{text}");
}

#[test]
fn errors() {
    refuse("", 0..0, "expected an operand, found the end at byte 0");
    refuse("p &", 3..3, "expected an operand, found the end at byte 3");
    refuse("(p", 2..2, "expected `)`, found the end at byte 2");
    refuse("p q", 2..3, "expected an operator or the end, found `q` at byte 2");
    refuse("p until q", 2..7, "expected an operator or the end, found `until` at byte 2 (write U for until)");
    refuse(
        "globally p",
        9..10,
        "expected an operator or the end, found `p` at byte 9 (write G for globally)",
    );
    refuse("p and q", 2..5, "expected an operator or the end, found `and` at byte 2 (write & for and)");
    refuse(
        "GF p",
        3..4,
        "expected an operator or the end, found `p` at byte 3 (GF is one name; an operator needs a gap: G F)",
    );
    refuse(
        "p u q",
        2..3,
        "expected an operator or the end, found `u` at byte 2 (operators are capital letters: U)",
    );
    refuse("F[0,10] p", 6..7, "expected a unit after the upper bound: ms, s, m, h or d, found `]` at byte 6");
    refuse(
        "F[5,1ms] p",
        1..8,
        "expected a lower bound that is not above the upper one, and fewer than 2^64 ms, found [5,1] at byte 1",
    );
    refuse(
        "F[0,99999999999999999999s] p",
        4..25,
        "expected a time such as 10ms, found `99999999999999999999s` at byte 4",
    );
    refuse(
        "F[0,1.5s] p",
        4..8,
        "expected a whole number and one of the units ms, s, m, h, d, found `1.5s` at byte 4",
    );
    refuse(
        "tool(send.email)",
        5..15,
        "expected a variable of letters, digits and `_`, found `send.email` at byte 5 (a constant is written in quotes)",
    );
    refuse(
        "forall id. p(other)",
        13..18,
        "expected a variable that `forall` names, found `other` at byte 13 (a constant is written in quotes)",
    );
    refuse(
        "p ? q",
        2..3,
        "expected an operator or an operand, found '?' at byte 2 (names with other characters go in quotes)",
    );
    refuse("\"p", 0..2, "expected `\"` at the end of the quoted text, found the end at byte 0");
    refuse("after a never b", 8..13, "expected `,`, found `never` at byte 8");
    refuse(
        "@respons(p, q)",
        1..8,
        "expected one of absence, existence, bounded_existence, universality, precedence, response, found `respons` at byte 1",
    );
    refuse("@bounded_existence(p, 99)", 22..24, "expected a number of at most 32, found `99` at byte 22");
    refuse("forall a, a. p(a)", 10..11, "expected each variable once, found `a` at byte 10");
}

#[test]
fn limits() {
    let error = |text: String| {
        Formula::parse(&text).map(|formula| formula.nodes()).map_err(|error: ParseError| error.expected)
    };
    let levels = format!("a formula of at most {MAX_DEPTH} levels");
    assert_eq!(error("(".repeat(60_000)), Err(levels.clone()));
    assert_eq!(error("!".repeat(60_000)), Err(levels.clone()));
    assert_eq!(error("X ".repeat(30_000)), Err(levels.clone()));
    assert_eq!(error(vec!["p"; MAX_DEPTH].join("&")), Ok(2 * MAX_DEPTH - 1));
    assert_eq!(error(vec!["p"; MAX_DEPTH + 1].join("&")), Err(levels.clone()));
    assert_eq!(error(vec!["p"; 300].join("->")), Err(levels));
    let group = format!("({})", vec!["p"; 200].join("&"));
    assert_eq!(error([group.as_str(); 11].join("|")), Err(format!("a formula of at most {MAX_NODES} nodes")));
    assert_eq!(error("p".repeat(MAX_TEXT + 1)), Err(format!("a text of at most {MAX_TEXT} bytes")));
    // A macro repeats its parts; what it makes of them counts.
    let nested = (0..12).fold("p".to_owned(), |inner, _| format!("@bounded_existence({inner}, 3)"));
    assert_eq!(error(nested), Err(format!("a formula of at most {MAX_NODES} nodes")));
}

#[test]
fn printing_loses_nothing() {
    let mut random = Random(3);
    for _ in 0..20_000 {
        let size = 1 + random.below(30) as usize;
        let formula = naive::formula(&mut random, Kind::Timed, size);
        assert_eq!(Formula::parse(&formula.to_string()), Ok(formula.clone()), "{formula:?}");
    }
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text in "[pqGFXUWS()&|!\\->\\[\\],0-9a-z\"@. ]{0,60}") {
        match Formula::parse(&text) {
            Ok(formula) => prop_assert_eq!(Formula::parse(&formula.to_string()), Ok(formula)),
            Err(error) => prop_assert!(error.span.start <= error.span.end && error.span.end <= text.len()),
        }
    }

    #[test]
    fn any_name_is_printed_so_that_it_comes_back(name in ".{1,12}", value in ".{0,12}") {
        let formula = Formula::Atom(Atom { name, args: vec![Term::Constant(value)] });
        prop_assert_eq!(Formula::parse(&formula.to_string()), Ok(formula));
    }
}
