//! What holds for every input. Each function takes any bytes and panics if its property does not hold; the fuzz targets
//! and the tests on seeds call the same functions.

pub mod mutate;

use std::sync::LazyLock;

use aimds_detect::Origin;
use aimds_detect::rules::{RuleMask, RuleSet};
use aimds_engine::{Cleared, Conversation, Engine, Role, Session, Timestamp, Verdict};
use aimds_policy::{Action, Policy};
use aimds_temporal::{Event, Formula, Policy as TemporalPolicy, Term, Trace, Verdict as Verdict4};
use aimds_text::{Limits, Mapped, normalise};

/// A property and its name.
pub type Property = (&'static str, fn(&[u8]));

/// Every property.
pub const PROPERTIES: [Property; 6] = [
    ("normalise_total", normalise_total),
    ("rules_match_naive", rules_match_naive),
    ("validators_total", validators_total),
    ("policy_parse", policy_parse),
    ("temporal_parse", temporal_parse),
    ("inspect_total", inspect_total),
];

static RULES: LazyLock<RuleSet> = LazyLock::new(|| {
    let files = aimds_engine::rule_files().expect("the embedded rules parse");
    RuleSet::compile(&files).expect("the embedded rules compile")
});

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::embedded().expect("the embedded engine starts"));

/// Normalisation answers for every text; each position of each view maps to a span of the original that cuts no
/// character; the limits hold; and normalising what came out changes nothing.
pub fn normalise_total(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let limits = Limits::default();
    let normalised = normalise(&text, &limits);
    assert!(!normalised.views.is_empty() && normalised.views.len() <= limits.max_views);
    for view in &normalised.views {
        assert!(view.transforms.len() <= limits.max_depth, "{:?}", view.transforms);
        maps_into(&text, &view.exact);
        maps_into(&text, &view.canonical);
        if let Some(remainder) = &view.remainder {
            maps_into(&text, remainder);
        }
    }
    let once = &normalised.views[0].canonical.text;
    let again = normalise(once, &limits);
    assert_eq!(*once, again.views[0].canonical.text, "not a fixed point");
}

fn maps_into(original: &str, mapped: &Mapped) {
    assert_eq!(mapped.map.len(), mapped.text.len());
    for (at, character) in mapped.text.char_indices() {
        let span = mapped.map.span(at..at + character.len_utf8());
        assert!(original.get(span.clone()).is_some(), "{span:?} of {} bytes", original.len());
    }
}

/// Searching with the prefilter finds the rules that searching without one finds.
pub fn rules_match_naive(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).to_lowercase();
    for origin in [Origin::User, Origin::Tool] {
        let hits = RULES.find(&text, origin, &RuleMask::default());
        for hit in &hits {
            assert!(hit.range.start <= hit.range.end && hit.range.end <= text.len(), "{:?}", hit.range);
        }
        let mut found: Vec<usize> = hits.iter().map(|hit| hit.rule).collect();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found, RULES.find_naively(&text, origin), "{origin:?}");
    }
}

/// Validators answer for every text: in order, without overlap, between characters, with a probability.
pub fn validators_total(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut at = 0;
    for hit in aimds_detect::validators::scan(&text) {
        assert!(hit.start >= at && hit.start < hit.end, "{hit:?} after {at}");
        assert!(text.get(hit.start..hit.end).is_some(), "{hit:?} of {} bytes", text.len());
        assert!((0.0..=1.0).contains(&hit.confidence), "{hit:?}");
        at = hit.end;
    }
}

/// A policy is accepted or refused with a message, never anything else; what is accepted decides.
pub fn policy_parse(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Policy::parse(&text) {
        Ok(policy) => {
            let Ok(engine) = Engine::with_policy(policy) else { return };
            let conversation = Conversation::single(Origin::User, "What is the capital of France?");
            let _ = engine.inspect(&conversation, &mut Session::new(""), Timestamp(0));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A temporal formula is accepted or refused with a place in the text; what is accepted comes back from its print, and can be
/// evaluated and monitored without the two contradicting each other.
pub fn temporal_parse(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let formula = match Formula::parse(&text) {
        Ok(formula) => formula,
        Err(error) => return assert!(error.span.start <= error.span.end && error.span.end <= text.len()),
    };
    assert_eq!(Formula::parse(&formula.to_string()).as_ref(), Ok(&formula));
    let Ok(policy) = TemporalPolicy::compile(&formula) else { return };
    let mut monitor = policy.monitor();
    let mut trace = Trace::new();
    for (step, byte) in (0..).zip(bytes.iter().take(8)) {
        let atoms = formula.atoms().into_iter().enumerate();
        let happening = atoms.filter(|(place, _)| byte >> (place % 8) & 1 == 1).map(|(_, atom)| Event {
            name: atom.name.clone(),
            args: atom
                .args
                .iter()
                .map(|(Term::Constant(text) | Term::Variable(text))| text.clone())
                .collect(),
        });
        let events: Vec<Event> = happening.collect();
        trace.push(step, events.clone()).expect("times are in order");
        monitor.step(step, &events).expect("times are in order");
    }
    let undecided = [Verdict4::PresumablyTrue, Verdict4::PresumablyFalse].contains(&monitor.verdict());
    if let Ok(closed) = aimds_temporal::evaluate(&formula, &trace)
        && undecided
    {
        assert_eq!(monitor.close().holds, closed.holds, "{formula}");
    }
}

/// The whole pipeline answers for every conversation: findings lie inside their messages, the score is a probability,
/// only a decision that forwards has a permit, and redacting changes just what it says it changed.
pub fn inspect_total(bytes: &[u8]) {
    let conversation = conversation(bytes);
    let outcome = ENGINE.inspect(&conversation, &mut Session::new(""), Timestamp(0));
    for finding in &outcome.assessment.findings {
        let message = &conversation.messages[finding.message];
        assert!(message.text.get(finding.span.clone()).is_some(), "{finding:?}");
    }
    let verdict = Verdict::new(&outcome, &conversation, None);
    assert!((0.0..=1.0).contains(&verdict.score), "{}", verdict.score);
    for finding in &verdict.findings {
        assert!(finding.start <= finding.end, "{finding:?}");
    }
    let action = outcome.decision.action();
    match outcome.decision.into_permit() {
        None => assert!(!action.forwards(), "{action:?} without a permit"),
        Some(permit) => {
            assert!(action.forwards(), "{action:?} with a permit");
            let cleared = Cleared::new(permit, conversation.clone());
            assert!(action == Action::Redact || cleared.changed().is_empty(), "{action:?}");
            for (position, message) in cleared.conversation().messages.iter().enumerate() {
                let same = message.text == conversation.messages[position].text;
                assert!(same != cleared.changed().contains(&position), "message {position}");
            }
        }
    }
}

/// Reads bytes as a conversation: a line is a message, whose first byte tells who speaks.
fn conversation(bytes: &[u8]) -> Conversation {
    let mut conversation = Conversation::default();
    for line in bytes.split(|byte| *byte == b'\n').take(16) {
        let (first, rest) = line.split_first().unwrap_or((&b'u', &[]));
        let (role, origin) = match first {
            b's' => (Role::System, Origin::System),
            b'a' => (Role::Assistant, Origin::Model),
            b't' => (Role::Tool, Origin::Tool),
            b'd' => (Role::User, Origin::Document),
            _ => (Role::User, Origin::User),
        };
        conversation.push(role, origin, String::from_utf8_lossy(rest));
    }
    conversation
}
