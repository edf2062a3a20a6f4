//! Whatever the pieces in which an answer arrives: what goes on is what would have gone on without a stream.

use std::sync::OnceLock;

use aimds_engine::{Cleared, Engine, Policy, Session, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::providers::{self, Provider, Refusal};

/// E-mail addresses are replaced, card numbers block.
const POLICY: &str = "version = 1\n[findings.any]\n\"pii.email\" = \"redact\"\n\"pii.iban\" = \"redact\"\n\"secret.*\" = \"redact\"\n\"pii.credit_card\" = \"block\"\n";
const EMAIL: &str = "jane.roe@corp-mail.com";
const CARD: &str = "4111 1111 1111 1111";
const WINDOW: Window = Window { hold: 128, step: 64, overlap: 512 };

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::with_policy(Policy::parse(POLICY).unwrap()).unwrap())
}

pub(super) fn judge(_: Extent, conversation: Conversation) -> Result<Judgement, Failure> {
    let outcome = engine().inspect(&conversation, &mut Session::new(""), Timestamp(0));
    Ok(match outcome.decision.into_permit() {
        Some(permit) => Judgement::Cleared(Cleared::new(permit, conversation)),
        None => Judgement::Blocked,
    })
}

/// A text of the model.
pub(super) fn words(text: &str) -> Conversation {
    Conversation::single(Origin::Model, text)
}

/// The text as it goes on without a stream; `None` where it is blocked.
fn whole(text: &str) -> Option<String> {
    match judge(Extent::Whole, words(text)).unwrap() {
        Judgement::Cleared(cleared) => Some(cleared.conversation().messages[0].text.clone()),
        Judgement::Blocked => None,
    }
}

pub(super) fn relay(provider: &dyn Provider) -> Relay {
    let refusal = Refusal { id: "1".into(), model: "m".into(), text: "No.".into(), created: 1, usage: false };
    Relay::new(provider.dialogue(refusal).unwrap(), WINDOW, 1 << 20)
}

/// Sends a stream through in pieces of these sizes, again and again.
pub(super) fn run(relay: &mut Relay, stream: &[u8], sizes: &[usize]) -> (String, Ended) {
    run_with(relay, stream, sizes, &mut judge)
}

/// The same with another judge.
pub(super) fn run_with(
    relay: &mut Relay,
    stream: &[u8],
    sizes: &[usize],
    judge: &mut Judge<'_>,
) -> (String, Ended) {
    let mut out = Vec::new();
    let mut rest = stream;
    let mut sizes = sizes.iter().cycle();
    let ended = loop {
        let size = (*sizes.next().unwrap()).clamp(1, rest.len().max(1));
        let taken = match rest.is_empty() {
            true => relay.finish(judge, &mut out),
            false => {
                let (piece, after) = rest.split_at(size);
                rest = after;
                relay.push(piece, judge, &mut out)
            }
        };
        if let Err(ended) = taken {
            break ended;
        }
    };
    out.extend(relay.close(&ended).into_bytes());
    (String::from_utf8(out).unwrap(), ended)
}

/// The data of each event.
fn data(stream: &str) -> Vec<Value> {
    let lines = stream.lines().filter_map(|line| line.strip_prefix("data: "));
    lines.filter(|line| *line != "[DONE]").map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Everything that the strings at a place say.
pub(super) fn said(stream: &str, pointer: &str) -> String {
    data(stream).iter().filter_map(|event| event.pointer(pointer)?.as_str().map(str::to_owned)).collect()
}

pub(super) fn pieces<'a>(text: &'a str, sizes: &[usize]) -> Vec<&'a str> {
    let mut rest = text;
    let mut sizes = sizes.iter().cycle();
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let at = rest.ceil_char_boundary((*sizes.next().unwrap()).clamp(1, rest.len()));
        let (piece, after) = rest.split_at(at);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

pub(super) const CONTENT: &str = "/choices/0/delta/content";
pub(super) const ARGUMENTS: &str = "/choices/0/delta/tool_calls/0/function/arguments";
pub(super) const REASONING: &str = "/choices/0/delta/reasoning_content";

pub(super) fn chunk(delta: &Value, finish: Option<&str>) -> String {
    sse::event(
        None,
        &json!({ "id": "c", "object": "chat.completion.chunk", "created": 1700000000, "model": "m",
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }] }),
    )
}

/// A chat completion: thoughts, words and a call, each in pieces.
pub(super) fn chat(reasoning: &str, content: &str, arguments: &str, sizes: &[usize]) -> String {
    let mut out = chunk(&json!({ "role": "assistant", "content": "" }), None);
    for piece in pieces(reasoning, sizes) {
        out += &chunk(&json!({ "reasoning_content": piece }), None);
    }
    for piece in pieces(content, sizes) {
        out += &chunk(&json!({ "content": piece }), None);
    }
    for (number, piece) in pieces(arguments, sizes).into_iter().enumerate() {
        let function = match number {
            0 => json!({ "name": "send", "arguments": piece }),
            _ => json!({ "arguments": piece }),
        };
        out += &chunk(&json!({ "tool_calls": [{ "index": 0, "function": function }] }), None);
    }
    out + &chunk(&json!({}), Some("stop")) + "data: [DONE]\n\n"
}

/// A stream of one text on each of the other surfaces, and where its pieces are.
pub(super) fn others(text: &str, sizes: &[usize]) -> Vec<(&'static dyn Provider, &'static str, String)> {
    let pieces = pieces(text, sizes);
    let named = |data: Value| sse::event(data["type"].as_str(), &data);
    let mut blocks = named(json!({ "type": "message_start", "message": { "id": "m", "content": [] } }));
    let mut items = named(json!({ "type": "response.created", "response": { "id": "r", "output": [] } }));
    let mut answers = String::new();
    for piece in &pieces {
        let delta = json!({ "type": "text_delta", "text": piece });
        blocks += &named(json!({ "type": "content_block_delta", "index": 0, "delta": delta }));
        items += &named(
            json!({ "type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": piece }),
        );
        answers +=
            &sse::event(None, &json!({ "candidates": [{ "content": { "parts": [{ "text": piece }] } }] }));
    }
    blocks += &named(json!({ "type": "content_block_stop", "index": 0 }));
    blocks += &named(json!({ "type": "message_stop" }));
    items += &named(
        json!({ "type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": text }),
    );
    items += &named(
        json!({ "type": "response.completed", "response": { "id": "r", "output": [{ "text": text }] } }),
    );
    answers += &sse::event(None, &json!({ "candidates": [{ "finishReason": "STOP" }] }));
    vec![
        (providers::ANTHROPIC, "/delta/text", blocks),
        (providers::RESPONSES, "/delta", items),
        (providers::GEMINI, "/candidates/0/content/parts/0/text", answers),
    ]
}

fn token() -> impl Strategy<Value = String> {
    let words =
        ["the ", "answer is ", "Zürich, ", "\n", ". Next: ", "数字是", "1234 ", "a@b ", "🙂", "0x1f ", "- "];
    prop_oneof![
        20 => prop::sample::select(words.to_vec()).prop_map(str::to_owned),
        3 => Just(format!("{EMAIL} ")),
        1 => Just(EMAIL.to_owned()),
        1 => Just("GB82 WEST 1234 5698 7654 32 ".to_owned()),
        1 => Just("ghp_16C7e42F292c6912E7710c838347Ae178B4a ".to_owned()),
        1 => "[a-zA-Z0-9]{1,300}".prop_map(|run| format!("{run} ")),
        1 => "[a-z ]{0,200}",
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(token(), 0..60).prop_map(|tokens| tokens.concat())
}

pub(super) fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        Just(vec![1]),
        Just(vec![100_000]),
        prop::collection::vec(1_usize..12, 1..8),
        prop::collection::vec(1_usize..400, 1..8),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_pieces_release_what_the_whole_would(
        reasoning in text(), content in text(), arguments in text(), deltas in sizes(), chunks in sizes(),
    ) {
        let expected = [&reasoning, &content, &arguments].map(|text| whole(text));
        prop_assume!(expected.iter().all(Option::is_some));
        let stream = chat(&reasoning, &content, &arguments, &deltas);
        let (out, ended) = run(&mut relay(providers::CHAT), stream.as_bytes(), &chunks);
        prop_assert_eq!(ended, Ended::Complete);
        for (pointer, expected) in [REASONING, CONTENT, ARGUMENTS].iter().zip(&expected) {
            prop_assert_eq!(&said(&out, pointer), expected.as_ref().unwrap());
        }
        let changed = [reasoning, content, arguments].iter().zip(&expected).any(|(text, expected)| Some(text) != expected.as_ref());
        prop_assert!(changed || out == stream, "an event changed for no reason");
    }

    #[test]
    fn so_it_is_on_every_surface(text in text(), deltas in sizes(), chunks in sizes()) {
        let expected = whole(&text);
        for (provider, pointer, stream) in others(&text, &deltas) {
            let (out, ended) = run(&mut relay(provider), stream.as_bytes(), &chunks);
            let Some(expected) = &expected else { continue };
            prop_assert_eq!(ended, Ended::Complete);
            prop_assert_eq!(&said(&out, pointer), expected);
            prop_assert!(expected != &text || out == stream, "an event changed for no reason");
        }
    }

    #[test]
    fn a_block_ends_the_stream_before_what_it_is_for(
        before in text(), after in text(), deltas in sizes(), chunks in sizes(),
    ) {
        let expected = whole(&format!("{before}\n"));
        prop_assume!(expected.is_some());
        let content = format!("{before}\n{CARD}\n{after}");
        prop_assume!(whole(&content).is_none());
        let stream = chat("", &content, "", &deltas);
        let (out, ended) = run(&mut relay(providers::CHAT), stream.as_bytes(), &chunks);
        prop_assert_eq!(ended, Ended::Blocked);
        prop_assert!(!out.contains("4111"));
        let said = said(&out, CONTENT);
        let said = said.strip_suffix("No.").unwrap_or(&said);
        prop_assert!(expected.unwrap().starts_with(said), "{said:?}");
        prop_assert!(out.ends_with("data: [DONE]\n\n") && out.contains("\"content_filter\""));
    }

    #[test]
    fn nothing_that_arrives_makes_it_panic(stream in any::<Vec<u8>>(), text in ".{0,200}", chunks in sizes()) {
        for provider in [providers::CHAT, providers::RESPONSES, providers::ANTHROPIC, providers::GEMINI] {
            run(&mut relay(provider), &stream, &chunks);
            let event = sse::event(None, &json!({ "type": text, "choices": [{ "index": text, "delta": text }], "delta": text }));
            run(&mut relay(provider), event.as_bytes(), &chunks);
        }
    }
}

fn check_ended(stream: &str, expected: &Ended) {
    for sizes in [vec![1], vec![7], vec![100_000]] {
        let (out, ended) = run(&mut relay(providers::CHAT), stream.as_bytes(), &sizes);
        assert_eq!(&ended, expected, "{stream:?}");
        assert_eq!(out.contains("[DONE]"), matches!(ended, Ended::Complete | Ended::Blocked), "{out}");
    }
}

#[test]
fn a_stream_that_breaks_off_is_no_finished_answer() {
    let down = Ended::Failed(Failure::UpstreamDown);
    check_ended("", &down);
    check_ended(&chunk(&json!({ "content": "half an ans" }), None), &down);
    let whole = chat("", "Hello.", "", &[3]);
    check_ended(&whole, &Ended::Complete);
    check_ended(&whole[..whole.len() - 20], &down);
    let garbage = Ended::Failed(Failure::UpstreamGarbage);
    check_ended("data: <html>\n\n", &garbage);
    check_ended("data: {\"a\":1,\"a\":2}\n\n", &garbage);
    check_ended(&format!("data: [\"{CARD}\"]\n\n"), &garbage);
    check_ended(&format!("data: \"{CARD}\"\n\n"), &garbage);
}

#[test]
fn without_the_mark_at_its_end_a_finished_answer_is_complete() {
    let stream = chat("", "Hello.", "", &[3]);
    let (out, ended) = run(&mut relay(providers::CHAT), &stream.as_bytes()[..stream.len() - 14], &[5]);
    assert_eq!((said(&out, CONTENT).as_str(), ended), ("Hello.", Ended::Complete));
}

#[test]
fn an_error_that_the_upstream_reports_goes_on() {
    let stream = format!(
        "{}data: {{\"error\":{{\"message\":\"mail {EMAIL}\"}}}}\n\n",
        chunk(&json!({ "content": "Hello" }), None)
    );
    let (out, ended) = run(&mut relay(providers::CHAT), stream.as_bytes(), &[9]);
    assert_eq!(ended, Ended::Reported);
    assert_eq!(said(&out, CONTENT), "Hello");
    assert_eq!(said(&out, "/error/message"), "mail [REDACTED:pii.email]");
}

#[test]
fn a_long_text_does_not_wait_for_its_end() {
    let mut relay = relay(providers::CHAT);
    let mut out = Vec::new();
    for _ in 0..100 {
        let piece = chunk(&json!({ "content": "A quiet sentence about nothing. " }), None);
        relay.push(piece.as_bytes(), &mut judge, &mut out).unwrap();
    }
    let said = said(std::str::from_utf8(&out).unwrap(), CONTENT).len();
    assert!((3200 - 128 - 64 - 64..=3200 - 128).contains(&said), "{said}");
}

#[test]
fn arguments_wait_until_the_call_is_whole() {
    let mut relay = relay(providers::CHAT);
    let mut out = Vec::new();
    for number in 0..100 {
        let call = json!({ "index": 0, "function": { "arguments": format!("{number} is a number. ") } });
        relay.push(chunk(&json!({ "tool_calls": [call] }), None).as_bytes(), &mut judge, &mut out).unwrap();
    }
    assert!(out.is_empty());
    relay.push(chunk(&json!({}), Some("tool_calls")).as_bytes(), &mut judge, &mut out).unwrap();
    assert_eq!(data(std::str::from_utf8(&out).unwrap()).len(), 101);
}

#[test]
fn a_text_that_goes_on_after_its_end_waits_for_the_end_of_the_stream() {
    let stream = chunk(&json!({ "content": "4111 1111 " }), None)
        + &chunk(&json!({ "reasoning_content": "hm" }), None)
        + &chunk(&json!({ "content": "1111 1111" }), None)
        + &chunk(&json!({}), Some("stop"));
    let (out, ended) = run(&mut relay(providers::CHAT), stream.as_bytes(), &[1]);
    // A known gap: the first half had gone on when the text seemed to be complete.
    assert_eq!((said(&out, CONTENT).as_str(), ended), ("4111 1111 ", Ended::Blocked));
}

#[test]
fn texts_that_take_turns_are_inspected_once_more_and_no_more() {
    let turns: String = (0..2000)
        .map(|number| {
            chunk(&json!({ (if number % 2 == 0 { "content" } else { "reasoning" }): "word " }), None)
        })
        .collect();
    let stream = turns + &chunk(&json!({}), Some("stop"));
    let mut inspected = 0;
    let mut relay = relay(providers::CHAT);
    let mut out = Vec::new();
    let mut counting = |extent, conversation: Conversation| {
        inspected += conversation.messages[0].text.len();
        judge(extent, conversation)
    };
    relay.push(stream.as_bytes(), &mut counting, &mut out).unwrap();
    assert_eq!(relay.finish(&mut counting, &mut out).unwrap_err(), Ended::Complete);
    assert_eq!(std::str::from_utf8(&out).unwrap(), stream);
    assert!(inspected < 4 * 2000 * "word ".len(), "{inspected} bytes");
}

#[test]
fn two_choices_do_not_mix() {
    let both = |texts: [&str; 2]| {
        let choices: Vec<_> = (0..2)
            .map(|index| json!({ "index": index, "delta": { "content": texts[index] }, "finish_reason": null }))
            .collect();
        sse::event(None, &json!({ "choices": choices }))
    };
    let finish = |index: usize| {
        sse::event(None, &json!({ "choices": [{ "index": index, "delta": {}, "finish_reason": "stop" }] }))
    };
    let stream =
        both(["jane.roe@", "4111 "]) + &both(["corp-mail.com", "1111 1111"]) + &finish(1) + &finish(0);
    let (out, ended) = run(&mut relay(providers::CHAT), stream.as_bytes(), &[1]);
    assert_eq!(ended, Ended::Complete);
    assert_eq!(said(&out, CONTENT), "[REDACTED:pii.email]");
    assert_eq!(said(&out, "/choices/1/delta/content"), "4111 1111 1111");
}

#[test]
fn what_is_longer_than_what_is_held_back_ends_the_stream_when_it_is_seen() {
    let window = Window { hold: 4, step: 1, overlap: 8 };
    let mut relay = Relay { window, ..relay(providers::CHAT) };
    let stream = chat("", "Pay to GB82 WEST 1234 5698 7654 32 today.", "", &[3]);
    let (out, ended) = run(&mut relay, stream.as_bytes(), &[1]);
    assert_eq!(ended, Ended::Late);
    assert!(!said(&out, CONTENT).contains("7654 32") && out.contains("content_filter"), "{out}");
}

#[test]
fn a_private_key_is_not_sent_on_by_its_beginning() {
    let line = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n";
    let key = format!("-----BEGIN PRIVATE KEY-----\n{}-----END PRIVATE KEY-----", line.repeat(25));
    let content = format!("Here it is:\n{key}\nKeep it well. {}", "Bye. ".repeat(60));
    let stream = chat("", &content, "", &[4]);
    let (out, ended) = run(&mut relay(providers::CHAT), stream.as_bytes(), &[50]);
    assert_eq!(ended, Ended::Complete);
    assert_eq!(said(&out, CONTENT), content.replace(&key, "[REDACTED:secret.private_key]"));
}
