//! What reviewers said, for the learner.

use std::io::Write as _;

use aimds_store::ReviewState;
use serde_json::{Value, json};

use super::source::Source;
use crate::Status;
use crate::terminal::tell;

/// As many as one list holds.
const ALL: usize = 1000;

/// Writes one line for each review that a person decided on and labelled, oldest first.
pub(super) fn export(source: &Source) -> anyhow::Result<Status> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut rows = Vec::new();
    for state in [ReviewState::Approved, ReviewState::Denied] {
        let listed = source.list(Some(state), ALL)?;
        let reviews = listed.get("reviews").and_then(Value::as_array).cloned().unwrap_or_default();
        if reviews.len() == ALL {
            tell(format_args!("only the newest {ALL} that were {} are exported", state.as_str()));
        }
        rows.extend(reviews);
    }
    rows.sort_by_key(|row| row.get("decided_ms").and_then(Value::as_u64));
    for row in rows {
        let Some(id) = row.get("id").and_then(Value::as_str) else { continue };
        if let Some(line) = line(&source.show(id)?) {
            writeln!(out, "{line}")?;
        }
    }
    out.flush()?;
    Ok(Status::Clean)
}

/// The line of a review; `None` where nobody said what the texts are, or they are not kept any more.
fn line(review: &Value) -> Option<Value> {
    let text = |name: &str| review.get(name)?.as_str();
    let texts = review.get("texts")?.as_array()?;
    let decisive = review.get("decisive").and_then(Value::as_u64).and_then(|at| usize::try_from(at).ok());
    let of_user = || texts.iter().rposition(|text| text.get("role").is_some_and(|role| role == "user"));
    let chosen = texts.get(decisive.or_else(of_user)?)?.get("text")?.as_str()?;
    Some(json!({
        "id": format!("review:{}", text("id")?),
        "at_ms": review.get("decided_ms")?.as_u64()?,
        "source": text("by")?,
        "trust": "verified",
        "label": text("label")?,
        "score": review.get("verdict")?.get("score")?.as_f64()?,
        "text": chosen,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_a_person_said_of_the_text_that_decided() {
        let review = json!({
            "id": "a", "decided_ms": 5, "by": "ann", "label": "attack", "decisive": 1, "verdict": { "score": 0.25 },
            "texts": [
                { "at": 0, "role": "user", "origin": "user", "text": "first" },
                { "at": 1, "role": "tool", "origin": "tool", "text": "second" },
            ],
        });
        let expected = json!({ "id": "review:a", "at_ms": 5, "source": "ann", "trust": "verified", "label": "attack",
            "score": 0.25, "text": "second" });
        assert_eq!(line(&review).unwrap(), expected);
        let without = |name: &str| {
            let mut review = review.clone();
            review.as_object_mut().unwrap().remove(name);
            line(&review)
        };
        assert_eq!(without("decisive").unwrap()["text"], "first");
        for name in ["label", "by", "texts", "verdict"] {
            assert_eq!(without(name), None, "{name}");
        }
    }
}
