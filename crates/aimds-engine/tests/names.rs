//! Names and addresses that the shipped tagger finds: reported always, decided on only where the policy says their name.

use aimds_engine::{
    Action, Conversation, Detector, Engine, Exhausted, Origin, Outcome, Policy, ReasonCode, Session,
    Timestamp,
};

const REDACTS: &str =
    "version = 1\n[findings.any]\n\"pii.person\" = \"redact\"\n\"pii.address\" = \"redact\"\n";

fn inspect(engine: &Engine, text: &str) -> Outcome {
    engine.inspect(&Conversation::single(Origin::User, text), &mut Session::new(""), Timestamp(0))
}

fn redacting() -> Engine {
    Engine::with_policy(Policy::parse(REDACTS).unwrap()).unwrap()
}

#[test]
fn names_are_reported_and_decide_nothing_by_default() {
    let text = "Please call Samuel Cain at Hauptstraße 12, 10115 Berlin tomorrow.";
    let outcome = inspect(&Engine::embedded().unwrap(), text);
    assert_eq!(outcome.decision.action(), Action::Allow);
    let found = |finding: &&aimds_engine::Finding| finding.detector == Detector::Tagger;
    let found: Vec<_> = outcome.assessment.findings.iter().filter(found).collect();
    let found: Vec<_> =
        found.iter().map(|finding| (finding.category.as_str(), &text[finding.span.clone()])).collect();
    assert_eq!(found, [("pii.person", "Samuel Cain"), ("pii.address", "Hauptstraße 12, 10115 Berlin")]);
}

#[test]
fn a_policy_that_names_them_redacts_them() {
    let outcome = inspect(&redacting(), "Please call Samuel Cain tomorrow.");
    assert_eq!(outcome.decision.action(), Action::Redact);
    assert_eq!(inspect(&redacting(), "Please call tomorrow.").decision.action(), Action::Allow);
}

/// Groups of categories mean announced names only.
#[test]
fn groups_do_not_mean_names_that_nothing_announces() {
    let engine = Engine::embedded().unwrap();
    assert_eq!(inspect(&engine, "My name is Samuel Cain.").decision.action(), Action::Flag);
    assert_eq!(inspect(&engine, "She met Samuel Cain.").decision.action(), Action::Allow);
}

#[test]
fn more_names_than_are_reported_matter_where_names_do() {
    let many = "Please call Samuel Cain tomorrow.\n".repeat(1100);
    let outcome = inspect(&Engine::embedded().unwrap(), &many);
    assert_eq!(outcome.assessment.exhausted(), Some(Exhausted::Names));
    assert_eq!(outcome.decision.action(), Action::Allow);
    let outcome = inspect(&redacting(), &many);
    assert_eq!(outcome.decision.action(), Action::Escalate);
    assert!(outcome.decision.reasons().iter().any(|reason| reason.code == ReasonCode::Budget));
}
