//! Hedged requests: a second attempt beside one that is slow, and the first good answer counts (Dean and Barroso, "The Tail
//! at Scale", CACM 2013).

use crate::json::{Document, Value};

use super::table::Surface;

/// When a second attempt is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HedgeLimits {
    /// Milliseconds after the first one.
    pub after_ms: u64,
    /// Once enough answers of the first target are known: the time in which so many in a hundred came. 0: always `after_ms`.
    pub percentile: u8,
}

impl HedgeLimits {
    /// Milliseconds to wait for a target whose latest answers took these times.
    pub(crate) fn wait_ms(self, times: &Times) -> u64 {
        let told = (self.percentile > 0).then(|| times.percentile(self.percentile)).flatten();
        told.unwrap_or(self.after_ms)
    }
}

/// Answers that are remembered, and how many of them tell something.
const LATEST: usize = 128;
const ENOUGH: usize = 32;

/// How long the latest answers of a target took, in milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct Times {
    latest: [u64; LATEST],
    seen: usize,
}

impl Default for Times {
    fn default() -> Self {
        Self { latest: [0; LATEST], seen: 0 }
    }
}

impl Times {
    /// Takes note of an answer, or of an attempt that was called off: it would have taken at least so long, and leaving it out
    /// would make the target look faster each time that it is slow.
    pub(crate) fn note(&mut self, ms: u64) {
        if let Some(place) = self.latest.get_mut(self.seen % LATEST) {
            *place = ms;
        }
        self.seen = self.seen.saturating_add(1);
    }

    /// The time in which so many in a hundred came (nearest rank); `None` while too few are known.
    pub(crate) fn percentile(&self, percent: u8) -> Option<u64> {
        let mut times =
            self.latest.get(..self.seen.min(LATEST)).filter(|times| times.len() >= ENOUGH)?.to_vec();
        let rank = (times.len() * usize::from(percent)).div_ceil(100).max(1);
        let at = (rank - 1).min(times.len() - 1);
        let (_, &mut found, _) = times.select_nth_unstable(at);
        Some(found)
    }
}

/// Members of a request that are known to change nothing but the answer.
const HARMLESS: [&str; 48] = [
    "cachedContent",
    "contents",
    "dimensions",
    "encoding_format",
    "frequency_penalty",
    "functions",
    "function_call",
    "generationConfig",
    "generation_config",
    "include",
    "input",
    "instructions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_output_tokens",
    "max_tokens",
    "messages",
    "metadata",
    "modalities",
    "model",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "reasoning",
    "reasoning_effort",
    "response_format",
    "safetySettings",
    "safety_identifier",
    "safety_settings",
    "seed",
    "service_tier",
    "stop",
    "stop_sequences",
    "stream",
    "stream_options",
    "system",
    "systemInstruction",
    "system_instruction",
    "temperature",
    "text",
    "thinking",
    "top_k",
    "top_logprobs",
    "top_p",
    "user",
];

/// Whether a request may be sent twice: it is known to leave nothing behind at the provider and to make it do nothing but
/// answer. A member that is not known makes it one that may not, as do tools that the provider runs itself.
pub(crate) fn is_repeatable(document: &Document, surface: Surface) -> bool {
    let scalar = |value: &Value| document.text.get(value.span.clone());
    let harmless = |name: &str, value: &Value| match name {
        "store" => scalar(value) == Some("false"),
        "tools" => value.elements().iter().all(|tool| is_declaration(document, tool)),
        "tool_choice" | "toolConfig" | "tool_config" | "verbosity" | "truncation" => true,
        name => HARMLESS.contains(&name),
    };
    let members = document.root.members();
    // OpenAI keeps responses unless it is told not to.
    let kept = surface == Surface::Responses && document.root.get("store").is_none();
    !kept && members.iter().all(|member| harmless(&member.key, &member.value))
}

/// A tool that the caller runs: OpenAI says so, Anthropic says nothing or "custom", Gemini lists functions and nothing else.
fn is_declaration(document: &Document, tool: &Value) -> bool {
    let lists = ["functionDeclarations", "function_declarations"];
    if tool.members().iter().any(|member| lists.contains(&member.key.as_str())) {
        return tool.members().len() == 1;
    }
    match tool.get("type") {
        Some(kind) => matches!(
            document.string(kind),
            Ok(Some(kind)) if kind == "function" || kind == "custom"
        ),
        None => tool.get("input_schema").is_some(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_is_known_to_change_nothing_is_sent_twice() {
        let check = |surface, body: &str, expected: bool| {
            assert_eq!(is_repeatable(&Document::parse(body).unwrap(), surface), expected, "{body}");
        };
        check(Surface::Chat, r#"{"model":"m","messages":[],"temperature":0,"stream":true}"#, true);
        check(
            Surface::Chat,
            r#"{"messages":[],"tools":[{"type":"function","function":{}}],"store":false}"#,
            true,
        );
        check(Surface::Chat, r#"{"messages":[],"store":true}"#, false);
        check(Surface::Chat, r#"{"messages":[],"store":null}"#, false);
        check(Surface::Chat, r#"{"messages":[],"web_search_options":{}}"#, false);
        check(Surface::Chat, r#"{"messages":[],"what_comes_next_year":1}"#, false);
        check(Surface::Responses, r#"{"input":"a"}"#, false);
        check(Surface::Responses, r#"{"input":"a","store":false}"#, true);
        check(Surface::Responses, r#"{"input":"a","store":false,"background":true}"#, false);
        check(Surface::Responses, r#"{"input":"a","store":false,"tools":[{"type":"mcp"}]}"#, false);
        check(Surface::Messages, r#"{"messages":[],"tools":[{"name":"f","input_schema":{}}]}"#, true);
        check(
            Surface::Messages,
            r#"{"messages":[],"tools":[{"type":"bash_20250124","name":"bash"}]}"#,
            false,
        );
        check(Surface::Messages, r#"{"messages":[],"mcp_servers":[]}"#, false);
        check(Surface::Gemini, r#"{"contents":[],"tools":[{"functionDeclarations":[{}]}]}"#, true);
        check(
            Surface::Gemini,
            r#"{"contents":[],"tools":[{"functionDeclarations":[],"codeExecution":{}}]}"#,
            false,
        );
        check(Surface::Gemini, r#"{"contents":[],"tools":[{"googleSearch":{}}]}"#, false);
        check(Surface::Embeddings, r#"{"model":"m","input":["a"],"dimensions":5}"#, true);
    }

    #[test]
    fn the_time_is_a_percentile_once_enough_answers_are_known() {
        let (mut times, limits) = (Times::default(), HedgeLimits { after_ms: 7, percentile: 90 });
        for ms in 1..=31 {
            times.note(ms);
        }
        assert_eq!(limits.wait_ms(&times), 7);
        times.note(32);
        assert_eq!(limits.wait_ms(&times), 29);
        assert_eq!(HedgeLimits { percentile: 0, ..limits }.wait_ms(&times), 7);
    }

    proptest! {
        /// As many in a hundred of the latest are no slower, and no smaller time has this.
        #[test]
        fn a_percentile_is_what_sorting_says(seen in prop::collection::vec(0_u64..1000, 32..300), percent in 1_u8..=99) {
            let mut times = Times::default();
            seen.iter().for_each(|&ms| times.note(ms));
            let latest = &seen[seen.len().saturating_sub(LATEST)..];
            let within = |ms: u64| latest.iter().filter(|&&time| time <= ms).count() * 100;
            let enough = latest.len() * usize::from(percent);
            let expected = latest.iter().copied().filter(|&ms| within(ms) >= enough).min();
            prop_assert_eq!(times.percentile(percent), expected);
        }
    }
}
