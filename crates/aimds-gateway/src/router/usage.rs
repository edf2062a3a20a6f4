//! Tokens of an exchange: read from what the provider says at the end of its answer, estimated where it says nothing.

use crate::json::{Document, Value};

use super::complexity::estimate_tokens;

/// Tokens that are paid for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) input: u64,
    pub(crate) output: u64,
    /// At least one of them was not told by the provider.
    pub(crate) estimated: bool,
}

/// Members in which the providers tell the tokens of the input. Anthropic tells those that its cache wrote and read apart.
const INPUT: [&str; 5] = [
    "prompt_tokens",
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "promptTokenCount",
];

/// Members in which they tell the tokens of the output. Gemini tells those of thoughts apart.
const OUTPUT: [&str; 4] =
    ["completion_tokens", "output_tokens", "candidatesTokenCount", "thoughtsTokenCount"];

/// What is known so far about an answer, whole or in events.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meter {
    input: Option<u64>,
    output: Option<u64>,
    /// Bytes of the texts of the request, for an estimate.
    asked_bytes: u64,
    /// Bytes of the texts of the answer, for an estimate.
    answered_bytes: u64,
    /// The answer has no tokens that are paid for.
    no_output: bool,
}

impl Meter {
    /// A meter for a request whose texts have so many bytes. `no_output`: its answer is no text.
    pub(crate) fn new(asked_bytes: u64, no_output: bool) -> Self {
        Self { asked_bytes, no_output, ..Self::default() }
    }

    /// Takes a whole answer, or an event of one. Where events tell more than once, the highest number counts: all
    /// providers count up.
    pub(crate) fn read(&mut self, document: &Document) {
        let root = &document.root;
        let nested = ["response", "message"].iter().filter_map(|name| root.get(name));
        for holder in std::iter::once(root).chain(nested) {
            for usage in ["usage", "usageMetadata"].iter().filter_map(|name| holder.get(name)) {
                self.input = self.input.max(sum(document, usage, &INPUT));
                self.output = self.output.max(sum(document, usage, &OUTPUT));
            }
        }
    }

    /// Takes note of a text of the answer.
    pub(crate) fn text(&mut self, text: &str) {
        self.answered_bytes = self.answered_bytes.saturating_add(text.len() as u64);
    }

    /// What the provider has told of the input and of the output.
    pub(crate) fn told(&self) -> (Option<u64>, Option<u64>) {
        (self.input, self.output)
    }

    /// What is to be paid. Where an answer is not `complete`, what it has said so far counts if that is more than what the
    /// provider has told: a caller that leaves before the last event does not get the answer for nothing.
    pub(crate) fn usage(&self, complete: bool) -> Usage {
        let told = self.output.or(self.no_output.then_some(0));
        let said = estimate_tokens(self.answered_bytes);
        let output = match told {
            Some(told) if complete => told,
            told => told.unwrap_or_default().max(said),
        };
        Usage {
            input: self.input.unwrap_or_else(|| estimate_tokens(self.asked_bytes)),
            output,
            estimated: self.input.is_none() || told.is_none() || !complete,
        }
    }
}

/// The sum of those members that are whole numbers; `None` where none is.
fn sum(document: &Document, usage: &Value, names: &[&str]) -> Option<u64> {
    let number = |name: &&str| document.text.get(usage.get(name)?.span.clone())?.parse::<u64>().ok();
    names.iter().filter_map(number).reduce(u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_is_understood_whole_and_in_events() {
        let check = |events: &[&str], expected: (u64, u64, bool)| {
            let mut meter = Meter::new(400, false);
            meter.text(&"x".repeat(40));
            for event in events {
                meter.read(&Document::parse(event).unwrap());
            }
            let Usage { input, output, estimated } = meter.usage(true);
            assert_eq!((input, output, estimated), expected, "{events:?}");
        };
        check(&[r#"{"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}"#], (7, 3, false));
        check(
            &[r#"{"choices":[],"usage":null}"#, r#"{"usage":{"prompt_tokens":7,"completion_tokens":3}}"#],
            (7, 3, false),
        );
        check(
            &[r#"{"type":"response.completed","response":{"usage":{"input_tokens":7,"output_tokens":3}}}"#],
            (7, 3, false),
        );
        check(
            &[
                r#"{"type":"message_start","message":{"usage":{"input_tokens":7,"cache_read_input_tokens":5,"output_tokens":1}}}"#,
                r#"{"type":"message_delta","usage":{"output_tokens":9}}"#,
            ],
            (12, 9, false),
        );
        check(
            &[
                r#"{"usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":1}}"#,
                r#"{"usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":3,"thoughtsTokenCount":4}}"#,
            ],
            (7, 7, false),
        );
        check(&[], (100, 10, true));
        check(&[r#"{"usage":{"prompt_tokens":7}}"#], (7, 10, true));
        check(&[r#"{"usage":{"prompt_tokens":-1,"completion_tokens":"9"}}"#], (100, 10, true));
        check(
            &[
                r#"{"usage":{"input_tokens":18446744073709551615,"cache_read_input_tokens":2,"output_tokens":0}}"#,
            ],
            (u64::MAX, 0, false),
        );
    }

    #[test]
    fn a_part_of_an_answer_is_estimated_by_what_it_said() {
        let mut meter = Meter::new(400, false);
        meter
            .read(&Document::parse(r#"{"message":{"usage":{"input_tokens":7,"output_tokens":1}}}"#).unwrap());
        assert_eq!(meter.usage(false), Usage { input: 7, output: 1, estimated: true });
        meter.text(&"x".repeat(40));
        assert_eq!(meter.usage(false), Usage { input: 7, output: 10, estimated: true });
    }

    #[test]
    fn embeddings_have_no_output() {
        let mut meter = Meter::new(400, true);
        meter.read(&Document::parse(r#"{"data":[],"usage":{"prompt_tokens":7,"total_tokens":7}}"#).unwrap());
        assert_eq!(meter.usage(true), Usage { input: 7, output: 0, estimated: false });
    }
}
