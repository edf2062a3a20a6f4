//! The vault on every surface: what a field of an answer gets back, whole and in pieces.

use serde_json::Value;

use super::{SURFACES, Surface, ask, surfaces};
use crate::support::{After, EMAIL, Script, Upstream, gate_before};

/// Fields that hold what the model says to the user. Every other may be acted on by a program.
const PROSE: [&str; 14] = [
    "content",
    "refusal",
    "reasoning_content",
    "reasoning",
    "audio transcript",
    "second choice",
    "output text",
    "reasoning summary",
    "reasoning text",
    "text",
    "thinking",
    "thought",
    "second candidate",
    "mcp call output",
];

/// The placeholder in a request.
fn placeholder(asked: &str) -> &str {
    let start = asked.find("[EMAIL_1_").expect("a placeholder");
    &asked[start..=start + asked[start..].find(']').unwrap()]
}

/// Says the placeholder of the request in the field that it names.
fn echo(path: &str, asked: &Value) -> Script {
    let text = asked.to_string();
    let field = text.split("FIELD=").nth(1).unwrap().split(';').next().unwrap();
    let surface = SURFACES.iter().find(|surface| surface.paths.contains(&path)).unwrap();
    let word = placeholder(&text);
    if asked["stream"] == true || path.contains(":stream") {
        let pieces = (surface.events)(field, word).into_iter().map(Into::into).collect();
        return Script::Events(pieces, After::Close);
    }
    Script::Answer(200, vec![], (surface.response)(field, word).to_string().into())
}

fn request(surface: &Surface, field: &str, stream: bool) -> Value {
    let mut body = (surface.request)("user", &format!("Mail {EMAIL}, please. FIELD={field};"));
    if stream && surface.paths[0] == surface.paths[1] {
        body["stream"] = true.into();
    }
    body
}

#[tokio::test]
async fn a_placeholder_in_any_field_of_any_answer_comes_back_as_the_rules_say() {
    let upstream = Upstream::start().await;
    upstream.acts(Script::Choose(echo));
    let prose = gate_before(&upstream, "[vault]\nmode = \"request\"\n").await;
    let calls = "[vault]\nmode = \"request\"\ncall_categories = [\"pii.email\"]\n";
    let everything = gate_before(&upstream, calls).await;
    let mut rows = 0;
    // Embeddings do not answer in words.
    for (surface, _, fields, _) in surfaces().into_iter().filter(|(.., streams)| *streams) {
        for field in &fields {
            for (gate, restored) in [(&prose, PROSE.contains(&field.as_str())), (&everything, true)] {
                let at = format!("{} {field} {restored}", surface.route);
                let reply = ask(gate, surface, &request(surface, field, false), false).await;
                let bodies = upstream.bodies();
                let arrived = std::str::from_utf8(bodies.last().unwrap()).unwrap();
                assert!(!arrived.contains(EMAIL) && reply.decision() == "redact", "{at}: {arrived}");
                let expected = if restored { EMAIL } else { placeholder(arrived) };
                assert_eq!(reply.text(), (surface.response)(field, expected).to_string(), "{at}");
                rows += 1;
                let reply = ask(gate, surface, &request(surface, field, true), true).await;
                let bodies = upstream.bodies();
                let word = placeholder(std::str::from_utf8(bodies.last().unwrap()).unwrap());
                let sent = (surface.events)(field, word).concat();
                if restored {
                    let parts = [word, &word[1..8], "_1_", &word[word.len() - 5..]];
                    let left = parts.iter().any(|part| reply.text().contains(part));
                    assert!(!left && reply.text().contains(EMAIL), "{at}: {}", reply.text());
                    assert!(reply.text().contains(surface.finish), "{at}");
                    assert_eq!(
                        reply.text().matches("data: ").count(),
                        sent.matches("data: ").count(),
                        "{at}"
                    );
                } else {
                    assert_eq!(reply.text(), sent, "{at}");
                }
            }
        }
    }
    assert!(rows > 80, "{rows} rows");
}
