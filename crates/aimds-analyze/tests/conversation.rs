//! Whole conversations: what is new, what they say together, which message decided.

use aimds_analyze::{MessageRisk, Session, SessionRisk, Timestamp, assess};
use aimds_detect::{Conversation, Origin, Role};
use proptest::prelude::*;

/// A chat whose user turns have these scores.
fn chat(scores: &[f32]) -> (Conversation, Vec<MessageRisk>) {
    let mut conversation = Conversation::default();
    let mut risks = Vec::new();
    for (turn, score) in scores.iter().enumerate() {
        let message = conversation.messages.len();
        conversation.push(Role::User, Origin::User, format!("question{turn}"));
        risks.push(MessageRisk {
            message,
            origin: Origin::User,
            score: *score,
            exhausted: None,
            degraded: None,
        });
        conversation.push(Role::Assistant, Origin::Model, format!("answer {turn}"));
    }
    (conversation, risks)
}

fn followed(session: &mut Session, scores: &[f32]) -> SessionRisk {
    let (conversation, risks) = chat(scores);
    session.follow(&conversation, &risks, &[], &[], Timestamp(0))
}

const RISING: [f32; 7] = [0.02, 0.02, 0.15, 0.3, 0.5, 0.7, 0.8];

#[test]
fn a_conversation_at_once_or_turn_by_turn_is_the_same() {
    let at_once = followed(&mut Session::new(""), &RISING);
    let mut session = Session::new("");
    let mut steps = Vec::new();
    for turn in 1..=RISING.len() {
        steps.extend(followed(&mut session, &RISING[..turn]).steps);
    }
    assert_eq!((at_once.features, at_once.steps), (session.features(), steps));
    // Sent again: nothing is new.
    let again = followed(&mut session, &RISING);
    assert_eq!((again.score, again.steps.len(), again.features), (0.0, 0, at_once.features));
}

#[test]
fn the_score_is_the_highest_of_messages_and_session_and_the_first_to_reach_it_is_named() {
    let check = |scores: &[f32], threshold, expected: Option<usize>| {
        let (_, risks) = chat(scores);
        let mut session = Session::new("");
        let together = followed(&mut session, scores);
        let alone = scores.iter().copied().fold(0.0, f32::max);
        let assessment =
            assess(risks, vec![], vec![], &mut session, Timestamp(0)).with_session(together.clone());
        assert_eq!(assessment.score, alone.max(together.score));
        assert_eq!(assessment.first_reaching(threshold), expected, "{scores:?}");
    };
    check(&[0.01, 0.97, 0.99], 0.94, Some(2));
    check(&[0.01, 0.02], 0.94, None);
    check(&[], 0.94, None);
    // No message reaches it alone.
    let (_, risks) = chat(&RISING);
    let together = followed(&mut Session::new(""), &RISING);
    assert!(risks.iter().all(|risk| risk.score < 0.9) && together.score >= 0.9);
    let decided = together.steps.iter().find(|(_, risk)| *risk >= 0.9).unwrap().0;
    check(&RISING, 0.9, Some(decided));
}

#[test]
fn a_session_recovers() {
    let mut scores = RISING.to_vec();
    scores.extend([0.0125; 30]);
    let steps = followed(&mut Session::new(""), &scores).steps;
    assert!(steps.last().unwrap().1 < 0.5, "{steps:?}");
}

proptest! {
    #[test]
    fn cutting_a_conversation_into_requests_changes_nothing(
        scores in prop::collection::vec(0.0_f32..=1.0, 1..30),
        mut cuts in prop::collection::vec(1_usize..30, 0..5),
    ) {
        cuts.retain(|cut| *cut < scores.len());
        cuts.push(scores.len());
        cuts.sort_unstable();
        let mut session = Session::new("");
        for cut in cuts {
            let _ = followed(&mut session, &scores[..cut]);
        }
        prop_assert_eq!(session.features(), followed(&mut Session::new(""), &scores).features);
    }
}

#[test]
fn a_split_payload_is_counted_once_however_often_the_conversation_is_sent() {
    let (conversation, risks) = chat(&RISING);
    let mut session = Session::new("");
    for _ in 0..2 {
        session.follow(&conversation, &risks, &[], &[2], Timestamp(0));
        let _ = assess(risks.clone(), vec![], vec![], &mut session, Timestamp(0));
        assert_eq!(session.features().joined, 1);
    }
    let words = session.words().join("\n");
    assert!(words.contains("split over several texts was put together 1 time."), "{words}");
    assert!(words.starts_with("2 looks at requests and answers with 7 messages"), "{words}");
    assert!(words.contains("the scores have risen or stay high"), "{words}");
}

#[test]
fn the_last_looks_are_kept_in_order() {
    let mut session = Session::new("");
    assert_eq!(session.looks().count(), 0);
    for number in 0..20_u8 {
        let (_, risks) = chat(&[f32::from(number) / 100.0]);
        let _ = assess(risks, vec![], vec![], &mut session, Timestamp(0));
    }
    let scores: Vec<f32> = session.looks().map(|look| look.score).collect();
    assert_eq!(scores, (4..20_u8).map(|number| f32::from(number) / 100.0).collect::<Vec<_>>());
}
