//! What sessions show, in numbers: the input of `training/session`.
//!
//! `cargo run --release -p aimds-analyze --example measures < conversations.jsonl`
//!
//! In: `{"turns":[{"role","content","score","categories"}], "joined":[0.1]?}`, the scores those of the turns alone and of the joined
//! texts, in the order in which a run without `joined` prints them. Out, for each line: the joined texts, and after each message with
//! a score its position, whether the session has a risk, the evidence in nats, that risk and its measures.

use std::io::{BufRead, Write};

use aimds_analyze::{Cause, MessageRisk, RiskFeatures, Session, Timestamp, splits};
use aimds_detect::{Category, Conversation, Detector, Finding, Origin, Role};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        writeln!(out, "{}", measured(&serde_json::from_str(&line?)?))?;
    }
    Ok(())
}

fn measured(line: &Value) -> Value {
    let mut conversation = Conversation::default();
    let (mut risks, mut findings) = (Vec::new(), Vec::new());
    for (message, turn) in list(&line["turns"]).iter().enumerate() {
        let role = turn["role"].as_str().and_then(Role::parse).unwrap_or(Role::User);
        let origin = role.default_origin();
        conversation.push(role, origin, turn["content"].as_str().unwrap_or_default());
        let score = turn["score"].as_f64().unwrap_or(0.0) as f32;
        if !matches!(origin, Origin::Model | Origin::System) {
            risks.push(MessageRisk { message, origin, score, exhausted: None, degraded: None });
        }
        findings.extend(list(&turn["categories"]).iter().filter_map(|name| finding(message, name)));
    }
    let joined = splits(&conversation, &risks);
    for (joined, score) in joined.iter().zip(list(&line["joined"])) {
        let (message, score) = (joined.last(), score.as_f64().unwrap_or(0.0) as f32);
        let whole = MessageRisk { message, origin: Origin::User, score, exhausted: None, degraded: None };
        joined.attribute(&whole, Vec::new(), &mut risks, &mut findings);
    }
    let texts: Vec<&str> = joined.iter().map(|joined| joined.text.as_str()).collect();
    let peak = risks.iter().map(|risk| risk.score).fold(0.0, f32::max);
    json!({ "joined": texts, "peak": peak, "steps": steps(&conversation, &risks, &findings) })
}

/// The session message by message.
fn steps(conversation: &Conversation, risks: &[MessageRisk], findings: &[Finding]) -> Vec<Value> {
    let mut session = Session::new("");
    let mut steps = Vec::new();
    let mut so_far = Conversation::default();
    for message in &conversation.messages {
        so_far.messages.push(message.clone());
        let risk = session.follow(&so_far, risks, findings, &[], Timestamp(0));
        for (at, score) in risk.steps {
            let features = session.features();
            let measures = RiskFeatures::of(&features).0;
            steps.push(json!([at, Cause::of(&features).is_some(), features.cusum, score, measures]));
        }
    }
    steps
}

fn finding(message: usize, category: &Value) -> Option<Finding> {
    Some(Finding {
        category: Category::parse_manipulation(category.as_str()?)?,
        detector: Detector::Rule,
        rule: None,
        confidence: 1.0,
        message,
        span: 0..0,
        explanation: "".into(),
    })
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
