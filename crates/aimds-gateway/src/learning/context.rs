//! What the learner knows of a request, and what a label says about each response: numbers in a fixed order.

use aimds_engine::{Action, Assessment, Origin};
use aimds_learn::{Action as Strength, Features};

/// The responses, weakest first, as rows name them.
pub const RESPONSES: [&str; 5] = ["allow", "flag", "redact", "escalate", "block"];

/// Numbers of a context. A state that was begun with another number cannot be used by this gateway.
pub(crate) const FEATURES: usize = 12;

/// How good each response to an attack is, and to a harmless request, from 0 to 1: attacks are to be stopped, people not to
/// be held up, and what a person decides costs a person.
const TO_ATTACK: [f64; RESPONSES.len()] = [0.0, 0.25, 0.4, 0.9, 1.0];
const TO_BENIGN: [f64; RESPONSES.len()] = [1.0, 0.9, 0.7, 0.4, 0.0];

/// A request as the learner sees it: always 1; the score, and its log-odds; the risk of the session, and the evidence that
/// its level has risen; of manipulation the surest finding, the number of findings and of categories; whether there are
/// personal data or secrets; whether a text is untrusted content; whether less was looked at than was wanted; what is done.
pub(crate) fn features(assessment: &Assessment, done: Strength) -> [f32; FEATURES] {
    let score = assessment.score.clamp(0.0, 1.0);
    let odds = (score.clamp(1e-4, 1.0 - 1e-4) / (1.0 - score.clamp(1e-4, 1.0 - 1e-4))).ln();
    let manipulation = || assessment.findings.iter().filter(|finding| !finding.category.is_data());
    let surest = manipulation().map(|finding| finding.confidence).fold(0.0, f32::max);
    let mut categories: Vec<&str> = manipulation().map(|finding| finding.category.as_str()).collect();
    categories.sort_unstable();
    categories.dedup();
    let holds = |yes: bool| f32::from(u8::from(yes));
    let untrusted = |origin: Origin| matches!(origin, Origin::Tool | Origin::Document);
    let all = [
        1.0,
        score,
        odds / 10.0,
        assessment.session.score,
        assessment.session.features.cusum.max(0.0).ln_1p() / 3.0,
        surest,
        (manipulation().count() as f32).ln_1p() / 3.0,
        categories.len() as f32 / 5.0,
        holds(assessment.findings.iter().any(|finding| finding.in_groups() && finding.category.is_data())),
        holds(assessment.messages.iter().any(|message| untrusted(message.origin))),
        holds(assessment.degraded().is_some() || assessment.exhausted().is_some()),
        f32::from(done.0) / 4.0,
    ];
    // Four decimals are recorded, so four are decided by.
    all.map(|number| if number.is_finite() { (number * 1e4).round() / 1e4 } else { 0.0 })
}

/// The same as the learner takes it.
pub(crate) fn as_features(numbers: &[f32; FEATURES]) -> Option<Features> {
    // The shortest decimal of each, as the record has it: 0.1 and not 0.10000000149.
    let exact = numbers.map(|number| (f64::from(number) * 1e4).round() / 1e4);
    Features::new(&exact).ok()
}

/// What a response is to the learner. What only delays is as strong as what a person decides.
pub(crate) fn strength(action: Action) -> Strength {
    Strength(match action {
        Action::Allow => 0,
        Action::Flag => 1,
        Action::Redact | Action::Sandwich => 2,
        Action::Throttle | Action::Escalate => 3,
        Action::Block => 4,
    })
}

/// How a response of the learner is carried out. To redact, the policy must have said what: else the request is marked.
pub(crate) fn action(strength: Strength) -> Action {
    match strength.0 {
        0 => Action::Allow,
        1 | 2 => Action::Flag,
        3 => Action::Escalate,
        _ => Action::Block,
    }
}

/// The name of a response.
pub(crate) fn name(strength: Strength) -> &'static str {
    RESPONSES.get(strength.index()).copied().unwrap_or("block")
}

/// How good a response was to a request whose label is known.
pub(crate) fn reward(attack: bool, strength: Strength) -> f64 {
    let table = if attack { TO_ATTACK } else { TO_BENIGN };
    table.get(strength.index()).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewards_rise_with_strength_for_attacks_and_fall_for_the_harmless() {
        assert!(TO_ATTACK.is_sorted() && TO_BENIGN.is_sorted_by(|a, b| a >= b));
        assert_eq!((reward(true, Strength(0)), reward(false, Strength(4))), (0.0, 0.0));
    }

    #[test]
    fn what_is_carried_out_is_never_stronger_than_what_was_chosen() {
        for chosen in 0..RESPONSES.len() as u8 {
            let done = strength(action(Strength(chosen)));
            assert!(done <= Strength(chosen), "{chosen}");
        }
        for action in Action::ALL {
            assert_eq!(strength(action) == Strength(0), action == Action::Allow);
        }
    }

    #[test]
    fn numbers_are_the_same_in_the_record_and_to_the_learner() {
        let numbers = [0.1, 0.3333, 1.0, -0.9217, 0.0, 0.5, 0.2311, 0.2, 1.0, 0.0, 0.0, 0.25];
        let features = as_features(&numbers).unwrap();
        assert_eq!(features.as_slice()[..4], [0.1, 0.3333, 1.0, -0.9217]);
    }
}
