//! Personal data: spans in the data against findings.

use std::collections::BTreeMap;
use std::ops::Range;

use aimds_engine::VerdictFinding;
use serde::Serialize;

use super::measure::Rate;
use crate::record::Span;

/// Findings below this have no action under the shipped policy.
const LEAST_CONFIDENCE: f32 = 0.5;
/// Intersection over union at which a finding is the span.
const LEAST_OVERLAP: f64 = 0.5;

/// Counts by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Spans in the data.
    pub(super) spans: u64,
    /// Findings.
    pub(super) findings: u64,
    /// Pairs of both.
    pub(super) matched: u64,
    /// Spans of which findings of any kind cover at least half.
    pub(super) covered: u64,
}

/// Counts over rows.
#[derive(Clone, Debug, Default)]
pub(super) struct PiiTally {
    pub(super) kinds: BTreeMap<String, Counts>,
    /// Rows by file.
    pub(super) rows: BTreeMap<usize, u64>,
    pub(super) rows_without_spans: u64,
    /// Rows without spans that have findings.
    pub(super) alarmed: u64,
    /// Findings by category in rows without spans.
    pub(super) false_alarms: BTreeMap<&'static str, u64>,
}

/// The kind that a type of the data is counted under: our category, `secret.*` for every credential.
///
/// Types without a category of ours become `pii.` and their name, so that what is not covered is told as well.
fn kind_of_type(name: &str) -> String {
    match name {
        // What the data calls a date is a date of birth with few exceptions; other dates are no personal data of ours.
        "DATE" | "DOB" => "pii.date_of_birth".into(),
        "API_KEY" | "PASSWORD" | "SECRET" | "TOKEN" => "secret.*".into(),
        "IP_ADDRESS" => "pii.ip".into(),
        "MAC_ADDRESS" => "pii.mac".into(),
        "PHONE_NUMBER" => "pii.phone".into(),
        "US_SSN" => "pii.ssn".into(),
        other => format!("pii.{}", other.to_lowercase()),
    }
}

fn kind_of_category(category: &str) -> &str {
    if category.starts_with("secret.") { "secret.*" } else { category }
}

impl PiiTally {
    /// Counts one row.
    pub(super) fn row(&mut self, file: usize, spans: &[Span], findings: &[VerdictFinding]) {
        let data = |finding: &&VerdictFinding| {
            finding.confidence >= LEAST_CONFIDENCE
                && (finding.category.starts_with("pii.") || finding.category.starts_with("secret."))
        };
        let findings: Vec<_> = findings.iter().filter(data).collect();
        *self.rows.entry(file).or_default() += 1;
        if spans.is_empty() {
            self.rows_without_spans += 1;
            self.alarmed += u64::from(!findings.is_empty());
            for finding in &findings {
                *self.false_alarms.entry(finding.category).or_default() += 1;
            }
        }
        for finding in &findings {
            self.kinds.entry(kind_of_category(finding.category).to_owned()).or_default().findings += 1;
        }
        let places: Vec<_> = findings.iter().map(|finding| finding.start..finding.end).collect();
        let mut pairs = Vec::new();
        for (s, span) in spans.iter().enumerate() {
            let kind = kind_of_type(&span.kind);
            for (f, (finding, place)) in findings.iter().zip(&places).enumerate() {
                let overlap = overlap(&(span.start..span.end), place);
                if overlap >= LEAST_OVERLAP && kind == kind_of_category(finding.category) {
                    pairs.push((overlap, s, f));
                }
            }
            let counts = self.kinds.entry(kind).or_default();
            counts.spans += 1;
            counts.covered +=
                u64::from(2 * covered(&(span.start..span.end), &places) >= span.end - span.start);
        }
        // Best overlap first, each span and each finding once.
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        let (mut taken_spans, mut taken_findings) = (vec![], vec![]);
        for (_, s, f) in pairs {
            if taken_spans.contains(&s) || taken_findings.contains(&f) {
                continue;
            }
            taken_spans.push(s);
            taken_findings.push(f);
            if let Some(span) = spans.get(s) {
                self.kinds.entry(kind_of_type(&span.kind)).or_default().matched += 1;
            }
        }
    }

    /// Adds the counts of other rows.
    pub(super) fn add(&mut self, other: Self) {
        for (kind, counts) in other.kinds {
            let sum = self.kinds.entry(kind).or_default();
            sum.spans += counts.spans;
            sum.findings += counts.findings;
            sum.matched += counts.matched;
            sum.covered += counts.covered;
        }
        for (file, rows) in other.rows {
            *self.rows.entry(file).or_default() += rows;
        }
        self.rows_without_spans += other.rows_without_spans;
        self.alarmed += other.alarmed;
        for (category, count) in other.false_alarms {
            *self.false_alarms.entry(category).or_default() += count;
        }
    }
}

fn overlap(a: &Range<usize>, b: &Range<usize>) -> f64 {
    let both = a.end.min(b.end).saturating_sub(a.start.max(b.start));
    let union = a.len() + b.len() - both;
    if union == 0 { 0.0 } else { both as f64 / union as f64 }
}

/// How many positions of `span` lie in any of the places (sorted by start).
fn covered(span: &Range<usize>, places: &[Range<usize>]) -> usize {
    let (mut total, mut reached) = (0, span.start);
    for place in places {
        let start = place.start.max(reached);
        let end = place.end.min(span.end);
        if end > start {
            total += end - start;
            reached = end;
        }
    }
    total
}

/// What is measured on one kind of personal data.
#[derive(Clone, Debug, Serialize)]
pub(super) struct KindMeasures {
    pub(super) kind: String,
    pub(super) recall: Option<Rate>,
    pub(super) precision: Option<Rate>,
    pub(super) covered: Option<Rate>,
}

/// What is measured on personal data.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PiiMeasures {
    pub(super) rows: u64,
    pub(super) kinds: Vec<KindMeasures>,
    /// Over the kinds that have both spans and findings.
    pub(super) known: Option<KindMeasures>,
    /// Over everything in the data.
    pub(super) all: KindMeasures,
    /// Rows without spans that have findings.
    pub(super) rows_with_false_alarm: Option<Rate>,
    /// Findings in rows without spans, by category.
    pub(super) false_alarms: BTreeMap<&'static str, u64>,
}

impl PiiMeasures {
    /// `None` where no row measures personal data.
    pub(super) fn new(tally: &PiiTally) -> Option<Self> {
        let rows: u64 = tally.rows.values().sum();
        let all = total(tally.kinds.values());
        let known = total(tally.kinds.values().filter(|counts| counts.spans > 0 && counts.findings > 0));
        (rows > 0).then(|| Self {
            rows,
            kinds: tally.kinds.iter().map(|(kind, counts)| measures(kind, counts)).collect(),
            known: (known.spans > 0).then(|| measures("known kinds", &known)),
            all: measures("all kinds", &all),
            rows_with_false_alarm: Rate::new(tally.alarmed, tally.rows_without_spans),
            false_alarms: tally.false_alarms.clone(),
        })
    }
}

fn measures(kind: &str, counts: &Counts) -> KindMeasures {
    KindMeasures {
        kind: kind.to_owned(),
        recall: Rate::new(counts.matched, counts.spans),
        precision: Rate::new(counts.matched, counts.findings),
        covered: Rate::new(counts.covered, counts.spans),
    }
}

fn total<'a>(counts: impl Iterator<Item = &'a Counts>) -> Counts {
    counts.fold(Counts::default(), |sum, counts| Counts {
        spans: sum.spans + counts.spans,
        findings: sum.findings + counts.findings,
        matched: sum.matched + counts.matched,
        covered: sum.covered + counts.covered,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        spans: &[(usize, usize, &str)],
        findings: &[(usize, usize, &'static str, f32)],
        expected: &[(&str, [u64; 4])],
    ) {
        let spans: Vec<_> =
            spans.iter().map(|&(start, end, kind)| Span { start, end, kind: kind.into() }).collect();
        let findings: Vec<_> = findings
            .iter()
            .map(|&(start, end, category, confidence)| VerdictFinding {
                category,
                detector: "validator",
                rule: None,
                confidence,
                message: None,
                start,
                end,
                explanation: String::new(),
            })
            .collect();
        let mut tally = PiiTally::default();
        tally.row(0, &spans, &findings);
        let kinds: Vec<_> = tally
            .kinds
            .iter()
            .map(|(kind, c)| (kind.as_str(), [c.spans, c.findings, c.matched, c.covered]))
            .collect();
        assert_eq!(kinds, expected);
    }

    #[test]
    fn a_finding_is_the_span_when_they_share_half() {
        check(&[(0, 10, "EMAIL")], &[(0, 10, "pii.email", 0.9)], &[("pii.email", [1, 1, 1, 1])]);
        check(&[(0, 10, "EMAIL")], &[(5, 10, "pii.email", 0.9)], &[("pii.email", [1, 1, 1, 1])]);
        check(&[(0, 10, "EMAIL")], &[(6, 10, "pii.email", 0.9)], &[("pii.email", [1, 1, 0, 0])]);
        check(&[(0, 10, "EMAIL")], &[(0, 30, "pii.email", 0.9)], &[("pii.email", [1, 1, 0, 1])]);
        check(&[(0, 10, "EMAIL")], &[(0, 10, "pii.email", 0.4)], &[("pii.email", [1, 0, 0, 0])]);
        check(&[(0, 10, "EMAIL")], &[(0, 10, "prompt_injection", 0.9)], &[("pii.email", [1, 0, 0, 0])]);
    }

    #[test]
    fn another_kind_covers_and_does_not_match() {
        check(
            &[(0, 10, "PHONE"), (20, 30, "API_KEY"), (40, 50, "DOMAIN")],
            &[(0, 10, "pii.ssn", 0.9), (20, 30, "secret.aws_key", 0.9)],
            &[
                ("pii.domain", [1, 0, 0, 0]),
                ("pii.phone", [1, 0, 0, 1]),
                ("pii.ssn", [0, 1, 0, 0]),
                ("secret.*", [1, 1, 1, 1]),
            ],
        );
    }

    #[test]
    fn each_finding_matches_once() {
        check(
            &[(0, 10, "EMAIL"), (2, 10, "EMAIL")],
            &[(0, 10, "pii.email", 0.9), (50, 60, "pii.email", 0.9)],
            &[("pii.email", [2, 2, 1, 2])],
        );
    }

    #[test]
    fn alarms_on_rows_without_spans_are_false() {
        let mut tally = PiiTally::default();
        tally.row(3, &[], &[]);
        let finding = VerdictFinding {
            category: "pii.ip",
            detector: "validator",
            rule: None,
            confidence: 1.0,
            message: None,
            start: 0,
            end: 4,
            explanation: String::new(),
        };
        tally.row(3, &[], &[finding.clone(), finding]);
        let measures = PiiMeasures::new(&tally).unwrap();
        let rate = measures.rows_with_false_alarm.unwrap();
        assert_eq!((measures.rows, rate.hits, rate.n, measures.false_alarms["pii.ip"]), (2, 1, 2, 2));
    }
}
