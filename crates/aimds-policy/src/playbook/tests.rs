use aimds_analyze::{Assessment, MessageRisk, Session, SessionRisk, Timestamp, assess};
use aimds_detect::validators::PiiKind;
use aimds_detect::{Category, Conversation, Detector, Finding, Message, Origin, Role};
use proptest::prelude::*;

use super::*;
use crate::{Decision, Policy, Reason};

const BASE: &str = r#"
version = 1
[risk.user]
flag = 0.5
block = 0.9
[risk.tool]
flag = 0.4
block = 0.95
[findings.any]
"pii.*" = "redact"
"#;

const BOOKS: &str = r#"
[[playbook]]
name = "planted orders"
origin = ["tool"]
category = ["indirect_injection"]
risk = { from = 0.4, to = 0.9 }
actions = ["strip", "sandwich"]
spotlight = "datamark"

[[playbook]]
name = "doubtful documents"
origin = ["document"]
risk = { from = 0.2 }
actions = ["quote"]

[[playbook]]
name = "caught"
decision = ["block"]
actions = ["quarantine", "notify"]
seconds = 60

[[playbook]]
name = "acme only"
tenant = ["acme"]
category = ["pii.*"]
actions = ["throttle", "delay"]
seconds = 5
delay_ms = 100
"#;

fn policy(books: &str) -> Policy {
    Policy::parse(&format!("{BASE}{books}")).unwrap()
}

fn finding(message: usize, category: Category, span: std::ops::Range<usize>) -> Finding {
    let (detector, rule, confidence) = (Detector::Rule, None, 0.9);
    Finding { category, detector, rule, confidence, message, span, explanation: "test".into() }
}

fn message(origin: Origin, text: &str) -> Message {
    Message { role: Role::Tool, origin, index: 0, pointer: String::new(), text: text.into() }
}

/// The decision on messages of these origins and risks.
fn decide(policy: &Policy, tenant: &str, messages: &[(Origin, f32)], findings: Vec<Finding>) -> Decision {
    let conversation = Conversation {
        messages: messages.iter().map(|(origin, _)| message(*origin, "0123456789 0123456789")).collect(),
        tools: vec![],
    };
    let risks = messages.iter().enumerate().map(|(at, &(origin, score))| MessageRisk {
        message: at,
        origin,
        score,
        exhausted: None,
        degraded: None,
    });
    let assessment = assess(risks.collect(), findings, vec![], &mut Session::new(tenant), Timestamp(0));
    policy.decide(&conversation, &assessment, tenant)
}

fn ordered(decision: &Decision) -> Vec<&'static str> {
    decision.orders().iter().map(|order| order.measure.as_str()).collect()
}

#[test]
fn a_playbook_applies_where_everything_holds_that_it_names() {
    use Category::{IndirectInjection, ToolAbuse};
    let policy = policy(BOOKS);
    let check = |origin, risk, category: Option<Category>, tenant, expected: &[&str], action| {
        let findings = category.map(|category| finding(0, category, 2..6)).into_iter().collect();
        let decision = decide(&policy, tenant, &[(origin, risk)], findings);
        let place = format!("{origin:?} {risk} {category:?} {tenant}");
        assert_eq!((ordered(&decision).as_slice(), decision.action()), (expected, action), "{place}");
    };
    let both: &[&str] = &["strip", "sandwich"];
    check(Origin::Tool, 0.4, Some(IndirectInjection), "", both, Action::Sandwich);
    check(Origin::Tool, 0.39, Some(IndirectInjection), "", &[], Action::Allow);
    check(Origin::Tool, 0.9, Some(IndirectInjection), "", &[], Action::Flag);
    check(Origin::Tool, 0.5, Some(ToolAbuse), "", &[], Action::Flag);
    check(Origin::Tool, 0.5, None, "", &[], Action::Flag);
    check(Origin::User, 0.5, Some(IndirectInjection), "", &[], Action::Flag);
    check(Origin::Tool, 0.96, Some(IndirectInjection), "", &["quarantine", "notify"], Action::Block);
    check(Origin::User, 0.95, None, "", &["quarantine", "notify"], Action::Block);
    check(Origin::Document, 1.0, Some(ToolAbuse), "", &["quote"], Action::Redact);
    let email = Some(Category::Pii(PiiKind::Email));
    check(Origin::User, 0.0, email, "", &[], Action::Redact);
    check(Origin::User, 0.0, email, "acme", &["throttle", "delay"], Action::Throttle);
}

#[test]
fn what_is_taken_out_are_the_spans_of_the_findings() {
    let policy = policy(BOOKS);
    let findings = vec![
        finding(0, Category::IndirectInjection, 2..6),
        finding(0, Category::IndirectInjection, 4..9),
        finding(0, Category::ToolAbuse, 12..14),
        finding(0, Category::Pii(PiiKind::Email), 8..11),
        finding(0, Category::Pii(PiiKind::Email), 15..17),
        finding(1, Category::IndirectInjection, 0..3),
    ];
    let messages = [(Origin::Tool, 0.5), (Origin::User, 0.1)];
    let permit = decide(&policy, "", &messages, findings).into_permit().unwrap();
    let removals: Vec<_> = permit.removals().iter().map(|r| (r.message, r.span.clone(), r.how)).collect();
    assert_eq!(removals, [(0, 2..11, Neutral::Remove)]);
    let redactions: Vec<_> = permit.redactions().iter().map(|r| (r.span.start, r.span.end)).collect();
    assert_eq!(redactions, [(15, 17)]);
    let spotlight = permit.spotlight().unwrap();
    assert_eq!((spotlight.mode, spotlight.messages.as_slice()), (SpotlightMode::Datamark, &[0][..]));
}

#[test]
fn a_quotation_does_not_show_what_is_redacted() {
    let policy = policy(BOOKS);
    let findings = vec![
        finding(0, Category::ToolAbuse, 2..9),
        finding(0, Category::Pii(PiiKind::Email), 3..5),
        finding(0, Category::ToolAbuse, 12..14),
    ];
    let permit = decide(&policy, "", &[(Origin::Document, 0.3)], findings).into_permit().unwrap();
    let removals: Vec<_> = permit.removals().iter().map(|r| (r.span.clone(), r.how)).collect();
    assert_eq!(removals, [(2..9, Neutral::Remove), (12..14, Neutral::Quote)]);
    assert!(permit.redactions().is_empty());
}

#[test]
fn a_text_with_nothing_to_take_out_does_not_go_on() {
    let policy = policy(BOOKS);
    let decision = decide(&policy, "", &[(Origin::Document, 0.3)], vec![]);
    assert_eq!(decision.action(), Action::Block);
    assert!(decision.into_permit().is_none());
}

#[test]
fn nothing_is_ordered_while_the_policy_only_watches() {
    let watching = Policy::parse(&format!("{BASE}{BOOKS}").replacen(
        "version = 1",
        "version = 1\nmode = \"monitor\"",
        1,
    ));
    let findings = vec![finding(0, Category::IndirectInjection, 2..6)];
    let decision = decide(&watching.unwrap(), "", &[(Origin::Tool, 0.5)], findings);
    assert_eq!((decision.action(), decision.would()), (Action::Flag, Action::Sandwich));
    assert!(decision.orders().is_empty());
    let permit = decision.into_permit().unwrap();
    assert!(permit.removals().is_empty() && permit.spotlight().is_none());
}

#[test]
fn the_text_on_the_allow_list_is_left_alone() {
    let allow = "\n[[allow]]\ntext = \"0123456789 0123456789\"\nreason = \"test\"\n";
    let policy = policy(&format!("{BOOKS}{allow}"));
    let findings = vec![finding(0, Category::IndirectInjection, 2..6)];
    let decision = decide(&policy, "", &[(Origin::Tool, 0.5)], findings);
    assert_eq!((decision.action(), ordered(&decision).len()), (Action::Allow, 0));
}

#[test]
fn a_bad_playbook_is_refused_with_its_place() {
    fn check(book: &str, expected: &str) {
        let text = format!("version = 1\n[[playbook]]\nname = \"p\"\n{book}\n");
        let error = Policy::parse(&text).unwrap_err().to_string();
        assert_eq!(error, format!("invalid policy: playbook[0] (p){expected}"), "{book}");
    }
    check("actions = [\"block\"]", ": name a decision, a category or a risk: it would apply to everything");
    check("actions = []\ndecision = [\"block\"]", ": actions is empty: it would do nothing");
    check("actions = [\"block\", \"block\"]\ncategory = [\"*\"]", ": an action is named twice");
    check("actions = [\"block\"]\ncategory = [\"jail\"]", ".category: unknown category \"jail\"");
    check(
        "actions = [\"block\"]\ncategory = [\"*\"]\norigin = [\"web\"]",
        ": unknown origin \"web\"; there are user, system, tool, document and model",
    );
    check(
        "actions = [\"block\"]\nrisk = { from = 0.5, to = 0.5 }",
        ".risk: from (0.5) is not below to (0.5)",
    );
    check("actions = [\"block\"]\nrisk = { from = 1.5 }", ".risk: 1.5 is not between 0 and 1");
    check("actions = [\"strip\", \"quote\"]\ncategory = [\"*\"]", ": strip and quote exclude each other");
    check(
        "actions = [\"strip\"]\ndecision = [\"flag\"]",
        ": strip is about messages: name a category or a risk",
    );
    check(
        "actions = [\"sandwich\"]\ncategory = [\"*\"]\norigin = [\"user\"]",
        ": sandwich is for untrusted content: origin may be tool and document only",
    );
    check(
        "actions = [\"block\"]\ncategory = [\"*\"]\nspotlight = \"encode\"",
        ": spotlight is for the action sandwich",
    );
    check("actions = [\"block\"]\ncategory = [\"*\"]\ndelay_ms = 5", ": delay_ms is for the action delay");
    check(
        "actions = [\"block\"]\ncategory = [\"*\"]\nseconds = 5",
        ": seconds is for the actions throttle, delay and quarantine",
    );
    check(
        "actions = [\"throttle\"]\ncategory = [\"*\"]\nseconds = 0",
        ": seconds must be between 1 and 2592000",
    );
    check(
        "actions = [\"delay\"]\ncategory = [\"*\"]\ndelay_ms = 0",
        ": delay_ms must be between 1 and 30000",
    );
    check(
        "actions = [\"block\"]\ndecision = [\"allow\"]",
        ": the decision \"allow\" says that there is nothing to do",
    );
    let twice =
        "version = 1\n[[playbook]]\nname = \"p\"\nactions = [\"flag\"]\ncategory = [\"*\"]\n".to_owned();
    let twice = twice.clone() + &twice.replace("version = 1\n", "");
    assert!(Policy::parse(&twice).unwrap_err().to_string().ends_with("another playbook has the same name"));
    for place in [
        "[findings.any]\njailbreak",
        "[deep]\non_degraded",
        "[[temporal]]\nname = \"t\"\nformula = \"G !call\"\naction",
    ] {
        for action in ["sandwich", "throttle"] {
            let error =
                Policy::parse(&format!("version = 1\n{place} = \"{action}\"\n")).unwrap_err().to_string();
            assert!(
                error.ends_with(&format!("\"{action}\" is for the actions of a [[playbook]]")),
                "{error}"
            );
        }
    }
}

#[test]
fn measures_stand_for_actions_in_order() {
    for pair in Measure::ALL.windows(2) {
        assert!(pair[0].action() <= pair[1].action() && pair[0] < pair[1]);
    }
    for pair in Action::ALL.windows(2) {
        assert!(pair[0] < pair[1]);
    }
}

proptest! {
    /// A playbook only adds: the decision is never weaker than without, and it is the strongest of its reasons.
    #[test]
    fn no_playbook_makes_a_decision_weaker(
        messages in prop::collection::vec((prop::sample::select(Origin::ALL.to_vec()), 0.0_f32..=1.0), 1..4),
        found in prop::collection::vec((0_usize..4, prop::sample::select(Category::MANIPULATION.to_vec()), 0_usize..20, 0_usize..6), 0..6),
        tenant in prop::sample::select(vec!["", "acme"]),
    ) {
        let mut findings: Vec<_> = found
            .into_iter()
            .filter(|(message, ..)| *message < messages.len())
            .map(|(message, category, start, length)| finding(message, category, start..start + length))
            .collect();
        findings.sort_by_key(|finding| (finding.message, finding.span.start));
        let without = decide(&policy(""), tenant, &messages, findings.clone());
        let with = decide(&policy(BOOKS), tenant, &messages, findings);
        prop_assert!(with.action() >= without.action());
        let strongest = with.reasons().iter().map(|reason: &Reason| reason.action).max();
        prop_assert_eq!(strongest.unwrap_or(Action::Allow), with.action());
        for order in with.orders() {
            prop_assert!(order.measure.action() <= with.action());
        }
        let spans: Vec<_> = with.removals().iter().map(|r| (r.message, r.span.start, r.span.end)).collect();
        for pair in spans.windows(2) {
            prop_assert!(pair[0].0 < pair[1].0 || pair[0].2 <= pair[1].1);
        }
    }
}

#[test]
fn the_session_alone_starts_what_follows_a_block() {
    let policy = policy(BOOKS);
    let conversation = Conversation::single(Origin::User, "x");
    let risk = MessageRisk { message: 0, origin: Origin::User, score: 0.1, exhausted: None, degraded: None };
    let session = SessionRisk { score: 0.97, ..SessionRisk::default() };
    let assessment: Assessment =
        assess(vec![risk], vec![], vec![], &mut Session::new(""), Timestamp(0)).with_session(session);
    assert_eq!(ordered(&policy.decide(&conversation, &assessment, "")), ["quarantine", "notify"]);
}
