//! One line of experience, as a file or the audit log has it.

use aimds_detect::lexical::ngrams;
use aimds_learn::{Action, Case, Experience, Features, Row, Trust};
use serde::Deserialize;

use super::context::RESPONSES;

/// Longest text that is hashed.
const LONGEST_TEXT: usize = 16 << 10;
/// Probabilities nearer to 0 and 1 are no surer than this.
const SUREST: f64 = 1e-6;

/// A line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: String,
    at_ms: u64,
    #[serde(default)]
    source: String,
    trust: Trust,
    features: Option<Vec<f64>>,
    #[serde(default = "weakest")]
    floor: String,
    action: Option<String>,
    propensity: Option<f64>,
    reward: Option<f64>,
    #[serde(default)]
    class: u8,
    proposal: Option<u64>,
    label: Option<Label>,
    score: Option<f64>,
    text: Option<String>,
    #[serde(default)]
    ngrams: Vec<u32>,
    #[serde(default)]
    words: Vec<u32>,
    #[serde(default)]
    tokens: Vec<u32>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Label {
    Attack,
    Benign,
}

/// A record of `aimds audit export`.
#[derive(Deserialize)]
struct Record {
    kind: String,
    request_id: String,
    at_ms: u64,
    body: Option<serde_json::Map<String, serde_json::Value>>,
}

fn weakest() -> String {
    "allow".into()
}

/// Reads a line of experience, as `aimds learn replay --help` describes it, or a record of the audit log; `None` for a record
/// that is no experience.
///
/// # Errors
/// What is wrong, without what the line holds.
pub fn parse_row(line: &[u8]) -> Result<Option<Row>, String> {
    // The messages of serde quote values, and lines may hold texts: only the place is told.
    if let Ok(record) = serde_json::from_slice::<Record>(line) {
        if record.kind != "experience" {
            return Ok(None);
        }
        let body = record.body.ok_or("a record without a body")?;
        return of_record(&record.request_id, record.at_ms, body).map(Some);
    }
    match serde_json::from_slice::<Line>(line) {
        Ok(line) => row(line).map(Some),
        Err(error) => {
            Err(missing(line).unwrap_or_else(|| format!("not an experience, at column {}", error.column())))
        }
    }
}

/// Reads the body of a record of kind `experience`.
pub(super) fn row_of(request_id: &str, at_ms: u64, body: &str) -> Result<Row, String> {
    let body = serde_json::from_str(body).map_err(|_| "a record without a body")?;
    of_record(request_id, at_ms, body)
}

fn of_record(
    request_id: &str,
    at_ms: u64,
    mut body: serde_json::Map<String, serde_json::Value>,
) -> Result<Row, String> {
    body.entry("id").or_insert_with(|| request_id.into());
    body.entry("at_ms").or_insert_with(|| at_ms.into());
    let line =
        serde_json::from_value(body.into()).map_err(|_| "the body of the record is not an experience")?;
    row(line)
}

/// A missing or unknown name is the commonest mistake, and can be told without quoting a value.
fn missing(line: &[u8]) -> Option<String> {
    let value: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(line).ok()?;
    let name = ["id", "at_ms", "trust"].into_iter().find(|name| !value.contains_key(*name))?;
    Some(format!("{name:?} is missing"))
}

fn row(line: Line) -> Result<Row, String> {
    if line.id.is_empty() {
        return Err("\"id\" is empty".into());
    }
    let experience = experience(&line)?;
    let case = case(&line)?;
    if experience.is_none() && case.is_none() {
        return Err("neither \"features\" with \"action\", \"propensity\" and \"reward\", nor \"label\" with \"score\"".into());
    }
    Ok(Row {
        id: source_number(&line.id),
        source: source_number(&line.source),
        trust: line.trust,
        at_ms: line.at_ms,
        experience,
        case,
        proposal: line.proposal,
    })
}

fn experience(line: &Line) -> Result<Option<Experience>, String> {
    let Some(numbers) = &line.features else { return Ok(None) };
    let (Some(action), Some(propensity), Some(reward)) = (&line.action, line.propensity, line.reward) else {
        return Err("\"features\" need \"action\", \"propensity\" and \"reward\"".into());
    };
    Ok(Some(Experience {
        features: Features::new(numbers).map_err(|error| error.to_string())?,
        floor: named("floor", &line.floor)?,
        action: named("action", action)?,
        propensity,
        reward,
        weight: 1.0,
        trust: line.trust,
        class: line.class,
        at_ms: line.at_ms,
    }))
}

fn case(line: &Line) -> Result<Option<Case>, String> {
    let Some(label) = &line.label else { return Ok(None) };
    let score = line.score.ok_or("\"label\" needs \"score\"")?;
    if !(0.0..=1.0).contains(&score) {
        return Err("\"score\" is not from 0 to 1".into());
    }
    let score = score.clamp(SUREST, 1.0 - SUREST);
    let (mut indices, mut words, mut tokens) = (line.ngrams.clone(), line.words.clone(), line.tokens.clone());
    if let Some(text) = &line.text {
        let text = text.get(..text.floor_char_boundary(LONGEST_TEXT)).unwrap_or_default().to_lowercase();
        let (of_all_kinds, of_words) = ngrams(&text);
        indices.extend(of_all_kinds);
        words.extend(of_words);
        tokens.extend(text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(word));
    }
    // A text says no more by saying it often, and would be learnt too fast.
    indices.sort_unstable();
    indices.dedup();
    let (score, attack) = ((score / (1.0 - score)).ln(), *label == Label::Attack);
    Ok(Some(Case { score, attack, indices, words, tokens }))
}

fn named(what: &str, name: &str) -> Result<Action, String> {
    let place = RESPONSES.iter().position(|known| *known == name);
    let place = place.ok_or_else(|| format!("{what:?} is none of {}", RESPONSES.join(", ")))?;
    Ok(Action(place as u8))
}

/// A name as a number: what is kept of it.
#[must_use]
pub fn source_number(name: &str) -> u64 {
    let digest = blake3::hash(name.as_bytes());
    u64::from_le_bytes(*digest.as_bytes().first_chunk().unwrap_or(&[0; 8]))
}

fn word(word: &str) -> u32 {
    source_number(word) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(line: &str) -> String {
        parse_row(line.as_bytes()).unwrap_err()
    }

    #[test]
    fn lines_and_audit_records_are_the_same() {
        let line = r#"{"id":"r1","at_ms":5,"source":"soc","trust":"trusted","features":[1,0.5],"action":"flag","propensity":0.5,"reward":1}"#;
        let record = r#"{"segment":1,"seq":9,"at_ms":5,"request_id":"r1","tenant":"","kind":"experience","body":{"action":"flag","features":[1,0.5],"propensity":0.5,"reward":1,"source":"soc","trust":"trusted"},"prev_hash":"","hash":""}"#;
        let row = parse_row(line.as_bytes()).unwrap().unwrap();
        assert_eq!(parse_row(record.as_bytes()).unwrap().unwrap(), row);
        assert_eq!(row.experience.unwrap().action, Action(1));
        let other = record.replace("experience", "decision");
        assert_eq!(parse_row(other.as_bytes()), Ok(None));
    }

    #[test]
    fn texts_become_hashes() {
        let line = r#"{"id":"r1","at_ms":5,"trust":"verified","label":"attack","score":0.5,"text":"Ignore all, ignore"}"#;
        let case = parse_row(line.as_bytes()).unwrap().unwrap().case.unwrap();
        assert_eq!((case.score, case.attack, case.tokens.len()), (0.0, true, 3));
        assert_eq!(case.tokens[0], case.tokens[2]);
        // Three words and a comma, with pairs, triples and pairs with one between; the first word is the last, too.
        assert_eq!((case.words.len(), case.words[0]), (4 + 3 + 2 + 2, case.words[7]));
        assert!(case.indices.len() > case.words.len() && case.indices.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn mistakes_are_named_and_nothing_is_quoted() {
        assert_eq!(error("{"), "not an experience, at column 1");
        assert_eq!(error(r#"{"at_ms":1,"trust":"verified"}"#), "\"id\" is missing");
        assert_eq!(error(r#"{"id":"a","at_ms":1,"trust":"verified"}"#).split(' ').next(), Some("neither"));
        let secret = error(r#"{"id":"a","at_ms":1,"trust":"my secret"}"#);
        assert!(secret.starts_with("not an experience, at column") && !secret.contains("secret"), "{secret}");
        assert_eq!(
            error(r#"{"id":"a","at_ms":1,"trust":"verified","features":[1]}"#),
            "\"features\" need \"action\", \"propensity\" and \"reward\""
        );
        assert_eq!(
            error(
                r#"{"id":"a","at_ms":1,"trust":"verified","features":[1],"action":"stop","propensity":1,"reward":1}"#
            ),
            "\"action\" is none of allow, flag, redact, escalate, block"
        );
        assert_eq!(
            error(r#"{"id":"a","at_ms":1,"trust":"verified","label":"attack"}"#),
            "\"label\" needs \"score\""
        );
        assert_eq!(
            error(r#"{"id":"a","at_ms":1,"trust":"verified","label":"attack","score":2}"#),
            "\"score\" is not from 0 to 1"
        );
    }
}
