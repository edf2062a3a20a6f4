//! The model router: several upstreams, of which each answers as it is told.

mod answers;
mod failures;
mod hedging;
mod money;
mod routing;

use aimds_gateway::{Config, generate_key};
use serde_json::{Value, json};

use crate::support::{Gate, Reply, Upstream, chat, gate_with};

pub const CHAT: &str = "/v1/chat/completions";

/// A target in front of an upstream. Prices: a dollar for a million tokens of input, two for output.
pub fn target(name: &str, upstream: &Upstream, more: &str) -> String {
    format!(
        "[[router.targets]]\nname = \"{name}\"\nbase_url = \"http://{}/v1\"\nsurfaces = [\"chat\"]\n\
         input_price = \"1\"\noutput_price = \"2\"\n{more}\n",
        upstream.address
    )
}

pub fn route(name: &str, targets: &[&str], more: &str) -> String {
    format!("[[router.routes]]\nname = \"{name}\"\ntargets = {targets:?}\n{more}\n")
}

/// Two targets, `a` before `b`, and one route.
pub async fn pair(settings: &str, more: &str) -> (Upstream, Upstream, Gate) {
    let (a, b) = (Upstream::start().await, Upstream::start().await);
    let config = format!(
        "[router]\n{settings}\n{}{}{}",
        target("a", &a, more),
        target("b", &b, more),
        route("all", &["a", "b"], "")
    );
    let gate = gate_with(&config, crate::support::POLICY, None).await;
    (a, b, gate)
}

/// One value of `x-aimds-route`.
pub fn said<'a>(reply: &'a Reply, name: &str) -> &'a str {
    let parts = reply.header("x-aimds-route").split("; ");
    parts.filter_map(|part| part.split_once('=')).find(|(key, _)| *key == name).map_or("", |(_, value)| value)
}

pub fn stream(content: &str) -> Value {
    let mut asked = chat(content);
    asked["stream"] = json!(true);
    asked
}

/// `[[auth.keys]]` for a key of its own, and the key.
pub fn key(id: &str, tenant: &str) -> (String, String) {
    let key = generate_key().unwrap();
    let table = format!("[[auth.keys]]\nid = \"{id}\"\nhash = \"{}\"\ntenant = \"{tenant}\"\n", key.hash);
    (table, key.secret)
}

pub async fn post_as(gate: &Gate, secret: &str, body: &Value) -> Reply {
    let headers = [("authorization", format!("Bearer {secret}"))];
    gate.send(axum::http::Method::POST, CHAT, &headers, body.to_string().into()).await
}

#[test]
fn the_example_is_a_configuration() {
    let text = include_str!("../../../../../examples/router.toml");
    // Keys are read from the environment: not here.
    let text = text.replace("api_key_env = \"OPENAI_API_KEY\"\n", "");
    assert!(Config::parse(&text).unwrap().router.is_some());
}
