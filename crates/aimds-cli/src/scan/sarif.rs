//! SARIF 2.1.0 (<https://docs.oasis-open.org/sarif/sarif/v2.1.0/>): one result for each finding, for code scanning.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::str::Chars;

use aimds_engine::{Action, Category, Detector};
use serde_json::{Value, json};

use super::Scanned;

/// Findings of this rule are about the whole text: the risk reached a threshold, and no place stands out.
const WHOLE_TEXT: &str = "manipulation_risk";

/// The whole log. `unreadable` are the messages about what could not be read.
pub(super) fn log(scanned: &[Scanned], unreadable: &[String]) -> Value {
    let mut rules: BTreeMap<&str, Value> = BTreeMap::new();
    for scanned in scanned {
        for finding in scanned.findings() {
            rules.entry(finding.category.as_str()).or_insert_with(|| rule(finding.category));
        }
        if needs_whole_text_result(scanned) {
            rules.entry(WHOLE_TEXT).or_insert_with(|| {
                json!({"id": WHOLE_TEXT, "shortDescription": {"text": "The text as a whole reads like manipulation"}})
            });
        }
    }
    let index: BTreeMap<&str, usize> = rules.keys().copied().zip(0..).collect();
    let results: Vec<Value> = scanned.iter().flat_map(|scanned| results(scanned, &index)).collect();
    let notifications: Vec<Value> =
        unreadable.iter().map(|error| json!({"level": "error", "message": {"text": error}})).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "aimds",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.into_values().collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": unreadable.is_empty(),
                "toolExecutionNotifications": notifications,
            }],
            "results": results,
        }],
    })
}

fn rule(category: Category) -> Value {
    json!({
        "id": category.as_str(),
        "shortDescription": {"text": category.as_str().replace(['_', '.'], " ")},
        "properties": {"tags": ["security", category.owasp_llm(), category.atlas()]},
    })
}

fn needs_whole_text_result(scanned: &Scanned) -> bool {
    !scanned.outcome.decision.action().forwards() && scanned.findings().is_empty()
}

fn results(scanned: &Scanned, rules: &BTreeMap<&str, usize>) -> Vec<Value> {
    let decision = scanned.outcome.decision.action();
    let level = match decision.as_str() {
        "block" | "escalate" => "error",
        "allow" => "note",
        _ => "warning",
    };
    let artifact = json!({"uri": uri(scanned.name.as_deref())});
    if needs_whole_text_result(scanned) {
        return vec![json!({
            "ruleId": WHOLE_TEXT,
            "ruleIndex": rules.get(WHOLE_TEXT),
            "level": level,
            "message": {"text": scanned.verdict.reasons.first().map_or("blocked", String::as_str)},
            "locations": [{"physicalLocation": {"artifactLocation": artifact}}],
            "properties": {"score": scanned.verdict.score, "decision": decision.as_str()},
        })];
    }
    let mut lines = Lines::of(scanned.text());
    scanned
        .verdict
        .findings
        .iter()
        // a name in a text that is allowed is nothing to report
        .filter(|finding| decision != Action::Allow || finding.detector != Detector::Tagger.as_str())
        .map(|finding| {
            let start = lines.at(finding.start);
            let end = lines.clone().at(finding.end);
            json!({
                "ruleId": finding.category,
                "ruleIndex": rules.get(finding.category),
                "level": level,
                "message": {"text": finding.explanation},
                "locations": [{"physicalLocation": {
                    "artifactLocation": artifact,
                    "region": {
                        "charOffset": finding.start,
                        "charLength": finding.end - finding.start,
                        "startLine": start.0,
                        "startColumn": start.1,
                        "endLine": end.0,
                        "endColumn": end.1,
                    },
                }}],
                "properties": {
                    "confidence": finding.confidence,
                    "detector": finding.detector,
                    "rule": finding.rule,
                    "score": scanned.verdict.score,
                    "decision": decision.as_str(),
                },
            })
        })
        .collect()
}

/// Lines and columns (code points, from 1) of places that come in order.
#[derive(Clone)]
struct Lines<'a> {
    rest: Chars<'a>,
    passed: usize,
    line: usize,
    column: usize,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        Self { rest: text.chars(), passed: 0, line: 1, column: 1 }
    }

    fn at(&mut self, point: usize) -> (usize, usize) {
        while self.passed < point
            && let Some(character) = self.rest.next()
        {
            self.passed += 1;
            (self.line, self.column) =
                if character == '\n' { (self.line + 1, 1) } else { (self.line, self.column + 1) };
        }
        (self.line, self.column)
    }
}

/// A URI reference to the file; a name that no file has where there is none.
fn uri(name: Option<&str>) -> String {
    let Some(name) = name else { return "stdin".into() };
    let mut uri = String::from(if name.starts_with('/') { "file://" } else { "" });
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_uri_references() {
        assert_eq!(uri(Some("/tmp/a b/ü.txt")), "file:///tmp/a%20b/%C3%BC.txt");
        assert_eq!(uri(Some("notes:1.txt")), "notes%3A1.txt");
        assert_eq!(uri(None), "stdin");
    }

    #[test]
    fn columns_count_code_points() {
        let mut lines = Lines::of("aé\nb");
        assert_eq!((lines.at(2), lines.at(3), lines.at(9)), ((1, 3), (2, 1), (2, 2)));
    }
}
