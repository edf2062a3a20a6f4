//! The table of routes. The router, the check of scopes, the metrics and the OpenAPI document all come from it, so that
//! a route cannot exist without its scope and its documentation.

mod access;
mod admin;
mod agentgateway;
mod answer;
mod attempts;
mod feedback;
mod graph;
mod guard;
mod lakera;
mod litellm;
mod moderations;
mod openapi;
mod ops;
mod prompt_shield;
mod proxy;
mod relay;
mod release;
mod review;
mod route;
mod sessions;

use axum::http::Method;
use schemars::generate::SchemaGenerator;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value};

use crate::auth::Scope;
use crate::error::Shape;
use crate::providers;
use crate::review::{ReviewDetail, ReviewRow};
pub(crate) use answer::{DECISION, decided};
use answer::{clear, effective, verdict};
pub(crate) use openapi::describe;
pub use openapi::openapi;
pub(crate) use route::{Access, Route};

const JSON: &str = "application/json";

/// Every route of the gateway.
pub(crate) static ROUTES: &[Route] = &[
    Route {
        method: Method::POST,
        path: "/v1/guard",
        access: Access::Key(Scope::Guard),
        shape: Shape::Native,
        guarded: true,
        summary: "Verdict on a text or a conversation. ?format=verdict answers the bare word block or pass.",
        request: Some(schema::<guard::GuardRequest>),
        answer: (JSON, schema::<guard::GuardAnswerSchema>),
        provider: None,
        handler: |call, request| Box::pin(guard::answer(call, request)),
    },
    Route {
        method: Method::POST,
        path: "/v2/guard",
        access: Access::Key(Scope::Guard),
        shape: Shape::Native,
        guarded: true,
        summary: "Drop-in for Lakera Guard.",
        request: Some(schema::<lakera::LakeraRequest>),
        answer: (JSON, schema::<lakera::LakeraAnswer>),
        provider: None,
        handler: |call, request| Box::pin(lakera::answer(call, request)),
    },
    Route {
        method: Method::POST,
        path: "/v1/moderations",
        access: Access::Key(Scope::Guard),
        shape: Shape::OpenAi,
        guarded: true,
        summary: "Drop-in for OpenAI's moderations: flagged means that the policy would not let the text pass.",
        request: Some(schema::<moderations::ModerationsRequest>),
        answer: (JSON, schema::<moderations::ModerationsAnswer>),
        provider: None,
        handler: |call, request| Box::pin(moderations::answer(call, request)),
    },
    Route {
        method: Method::POST,
        path: "/beta/litellm_basic_guardrail_api",
        access: Access::Key(Scope::Guard),
        shape: Shape::Native,
        guarded: true,
        summary: "LiteLLM's generic guardrail API.",
        request: Some(schema::<litellm::LitellmRequest>),
        answer: (JSON, schema::<litellm::LitellmAnswer>),
        provider: None,
        handler: |call, request| Box::pin(litellm::answer(call, request)),
    },
    Route {
        method: Method::POST,
        path: "/request",
        access: Access::Key(Scope::Guard),
        shape: Shape::Native,
        guarded: true,
        summary: "agentgateway's guardrail webhook, for what goes to a model: pass, mask or reject.",
        request: Some(schema::<agentgateway::PromptRequest>),
        answer: (JSON, schema::<agentgateway::PromptAnswer>),
        provider: None,
        handler: |call, request| Box::pin(agentgateway::request(call, request)),
    },
    Route {
        method: Method::POST,
        path: "/response",
        access: Access::Key(Scope::Guard),
        shape: Shape::Native,
        guarded: true,
        summary: "agentgateway's guardrail webhook, for what a model answers: pass, mask or reject.",
        request: Some(schema::<agentgateway::AnswerRequest>),
        answer: (JSON, schema::<agentgateway::ChoicesAnswer>),
        provider: None,
        handler: |call, request| Box::pin(agentgateway::response(call, request)),
    },
    Route {
        method: Method::POST,
        path: "/contentsafety/text:shieldPrompt",
        access: Access::Key(Scope::Guard),
        shape: Shape::Azure,
        guarded: true,
        summary: "Drop-in for Azure Prompt Shields.",
        request: Some(schema::<prompt_shield::ShieldRequest>),
        answer: (JSON, schema::<prompt_shield::ShieldAnswer>),
        provider: None,
        handler: |call, request| Box::pin(prompt_shield::answer(call, request)),
    },
    Route {
        method: Method::POST,
        path: "/v1/chat/completions",
        access: Access::Key(Scope::Proxy),
        shape: Shape::OpenAi,
        guarded: true,
        summary: "In-line proxy for OpenAI's chat completions, whole or as a stream.",
        request: Some(schema::<Map<String, Value>>),
        answer: (JSON, schema::<Map<String, Value>>),
        provider: Some(providers::CHAT),
        handler: |call, request| Box::pin(proxy::answer(providers::CHAT, call, request)),
    },
    Route {
        method: Method::POST,
        path: "/v1/responses",
        access: Access::Key(Scope::Proxy),
        shape: Shape::OpenAi,
        guarded: true,
        summary: "In-line proxy for OpenAI's responses, whole or as a stream.",
        request: Some(schema::<Map<String, Value>>),
        answer: (JSON, schema::<Map<String, Value>>),
        provider: Some(providers::RESPONSES),
        handler: |call, request| Box::pin(proxy::answer(providers::RESPONSES, call, request)),
    },
    Route {
        method: Method::POST,
        path: "/v1/embeddings",
        access: Access::Key(Scope::Proxy),
        shape: Shape::OpenAi,
        guarded: true,
        summary: "In-line proxy for OpenAI's embeddings: what is embedded is inspected.",
        request: Some(schema::<Map<String, Value>>),
        answer: (JSON, schema::<Map<String, Value>>),
        provider: Some(providers::EMBEDDINGS),
        handler: |call, request| Box::pin(proxy::answer(providers::EMBEDDINGS, call, request)),
    },
    Route {
        method: Method::POST,
        path: "/v1/messages",
        access: Access::Key(Scope::Proxy),
        shape: Shape::Anthropic,
        guarded: true,
        summary: "In-line proxy for Anthropic's messages, whole or as a stream.",
        request: Some(schema::<Map<String, Value>>),
        answer: (JSON, schema::<Map<String, Value>>),
        provider: Some(providers::ANTHROPIC),
        handler: |call, request| Box::pin(proxy::answer(providers::ANTHROPIC, call, request)),
    },
    Route {
        method: Method::POST,
        path: "/v1/models/{call}",
        access: Access::Key(Scope::Proxy),
        shape: Shape::Google,
        guarded: true,
        summary: "In-line proxy for Gemini: {model}:generateContent and {model}:streamGenerateContent?alt=sse.",
        request: Some(schema::<Map<String, Value>>),
        answer: (JSON, schema::<Map<String, Value>>),
        provider: Some(providers::GEMINI),
        handler: |call, request| Box::pin(proxy::answer(providers::GEMINI, call, request)),
    },
    Route {
        method: Method::POST,
        path: "/v1beta/models/{call}",
        access: Access::Key(Scope::Proxy),
        shape: Shape::Google,
        guarded: true,
        summary: "The same by its older name: {model}:generateContent and {model}:streamGenerateContent?alt=sse.",
        request: Some(schema::<Map<String, Value>>),
        answer: (JSON, schema::<Map<String, Value>>),
        provider: Some(providers::GEMINI),
        handler: |call, request| Box::pin(proxy::answer(providers::GEMINI, call, request)),
    },
    Route {
        method: Method::POST,
        path: "/v1/feedback",
        access: Access::Staff(Scope::Feedback),
        shape: Shape::Native,
        guarded: false,
        summary: "Say what became of a decision: whether the request was an attack, or how good the response turned out.",
        request: Some(schema::<feedback::FeedbackRequest>),
        answer: (JSON, schema::<feedback::FeedbackAnswer>),
        provider: None,
        handler: |call, request| Box::pin(feedback::hear(call, request)),
    },
    Route {
        method: Method::GET,
        path: "/healthz",
        access: Access::Open,
        shape: Shape::Native,
        guarded: false,
        summary: "The process lives.",
        request: None,
        answer: ("text/plain", schema::<String>),
        provider: None,
        handler: |_, _| Box::pin(std::future::ready(Ok(ops::health()))),
    },
    Route {
        method: Method::GET,
        path: "/readyz",
        access: Access::Open,
        shape: Shape::Native,
        guarded: false,
        summary: "The gateway can take requests: 200, or 503 with what is missing.",
        request: None,
        answer: (JSON, schema::<ops::Readiness>),
        provider: None,
        handler: |call, _| Box::pin(std::future::ready(Ok(ops::ready(&call)))),
    },
    Route {
        method: Method::GET,
        path: "/metrics",
        access: Access::Metrics,
        shape: Shape::Native,
        guarded: false,
        summary: "Prometheus metrics.",
        request: None,
        answer: ("text/plain", schema::<String>),
        provider: None,
        handler: |call, _| Box::pin(std::future::ready(Ok(ops::metrics(&call)))),
    },
    Route {
        method: Method::GET,
        path: "/admin/quarantine",
        access: Access::Staff(Scope::Admin),
        shape: Shape::Native,
        guarded: false,
        summary: "Sessions and keys that are in quarantine, throttled or delayed.",
        request: None,
        answer: (JSON, schema::<admin::HeldAnswer>),
        provider: None,
        handler: |call, _| Box::pin(std::future::ready(admin::held(&call))),
    },
    Route {
        method: Method::POST,
        path: "/admin/quarantine",
        access: Access::Staff(Scope::Admin),
        shape: Shape::Native,
        guarded: false,
        summary: "Release a session or key from everything that it is held for, or put a session into quarantine.",
        request: Some(schema::<admin::HoldRequest>),
        answer: (JSON, schema::<admin::Changed>),
        provider: None,
        handler: |call, request| Box::pin(admin::change_hold(call, request)),
    },
    Route {
        method: Method::GET,
        path: "/admin/revocations",
        access: Access::Staff(Scope::Admin),
        shape: Shape::Native,
        guarded: false,
        summary: "API keys that are revoked.",
        request: None,
        answer: (JSON, schema::<admin::RevokedAnswer>),
        provider: None,
        handler: |call, _| Box::pin(std::future::ready(admin::revoked(&call))),
    },
    Route {
        method: Method::POST,
        path: "/admin/revocations",
        access: Access::Staff(Scope::Admin),
        shape: Shape::Native,
        guarded: false,
        summary: "Revoke or reinstate an API key.",
        request: Some(schema::<admin::RevocationRequest>),
        answer: (JSON, schema::<admin::Changed>),
        provider: None,
        handler: |call, request| Box::pin(admin::change_revocation(call, request)),
    },
    Route {
        method: Method::GET,
        path: "/v1/reviews/{id}",
        access: Access::Known,
        shape: Shape::Native,
        guarded: false,
        summary: "Where the review of a request of the caller's own stands.",
        request: None,
        answer: (JSON, schema::<review::ReviewStatus>),
        provider: None,
        handler: |call, request| Box::pin(review::status(call, request)),
    },
    Route {
        method: Method::GET,
        path: "/admin/reviews",
        access: Access::Staff(Scope::Review),
        shape: Shape::Native,
        guarded: false,
        summary: "Requests that wait for a person, or did. ?state=pending and ?limit=100 narrow it.",
        request: None,
        answer: (JSON, schema::<review::ReviewList>),
        provider: None,
        handler: |call, request| Box::pin(review::list(call, request)),
    },
    Route {
        method: Method::GET,
        path: "/admin/reviews/{id}",
        access: Access::Staff(Scope::Review),
        shape: Shape::Native,
        guarded: false,
        summary: "One of them, with its texts, its verdict and what the reviewer said.",
        request: None,
        answer: (JSON, schema::<ReviewDetail>),
        provider: None,
        handler: |call, request| Box::pin(review::show(call, request)),
    },
    Route {
        method: Method::POST,
        path: "/admin/reviews/{id}",
        access: Access::Staff(Scope::Review),
        shape: Shape::Native,
        guarded: false,
        summary: "Approve it, deny it, or approve it with other texts. Nobody decides on a request of their own.",
        request: Some(schema::<review::ReviewRequest>),
        answer: (JSON, schema::<ReviewRow>),
        provider: None,
        handler: |call, request| Box::pin(review::decide(call, request)),
    },
    Route {
        method: Method::GET,
        path: "/admin/access",
        access: Access::Staff(Scope::Admin),
        shape: Shape::Native,
        guarded: false,
        summary: "Scopes with the routes that need them, roles, and which callers the configuration names.",
        request: None,
        answer: (JSON, schema::<access::AccessAnswer>),
        provider: None,
        handler: |call, _| Box::pin(std::future::ready(access::answer(&call))),
    },
    Route {
        method: Method::GET,
        path: "/admin/sessions",
        access: Access::Staff(Scope::Admin),
        shape: Shape::Native,
        guarded: false,
        summary: "What remembered sessions have shown, the riskiest first: ?tenant=, ?name= (one session by its name), ?limit=.",
        request: None,
        answer: (JSON, schema::<sessions::SessionsAnswer>),
        provider: None,
        handler: |call, request| Box::pin(std::future::ready(sessions::list(&call, request.uri()))),
    },
    Route {
        method: Method::GET,
        path: "/admin/sessions/{id}",
        access: Access::Staff(Scope::Admin),
        shape: Shape::Native,
        guarded: false,
        summary: "What one session has shown, in words with the numbers behind. ?tenant= where several have it.",
        request: None,
        answer: (JSON, schema::<sessions::SessionAnswer>),
        provider: None,
        handler: |call, request| Box::pin(std::future::ready(sessions::show(&call, request.uri()))),
    },
    Route {
        method: Method::GET,
        path: "/admin/graph/{question}",
        access: Access::Staff(Scope::Admin),
        shape: Shape::Native,
        guarded: false,
        summary: "Asks the causal memory, as aimds graph does: related, chain, root, blast (?id=) or campaigns; ?tenant=, \
                  ?format=json|mermaid|svg, and the bounds hops, window_hours, fan_out, nodes, from_ms, to_ms, gap_hours, alike, \
                  min_size, attacks.",
        request: None,
        answer: (JSON, schema::<Map<String, Value>>),
        provider: None,
        handler: |call, request| Box::pin(graph::ask(call, request.uri().clone())),
    },
    Route {
        method: Method::GET,
        path: "/openapi.json",
        access: Access::Open,
        shape: Shape::Native,
        guarded: false,
        summary: "This document.",
        request: None,
        answer: (JSON, schema::<Map<String, Value>>),
        provider: None,
        handler: |call, _| Box::pin(std::future::ready(Ok(ops::openapi(&call)))),
    },
];

fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_lists_its_scope_and_the_open_ones_are_these() {
        let mut open = Vec::new();
        for route in ROUTES {
            match route.access {
                Access::Open => open.push(route.path),
                Access::Key(_) | Access::Metrics | Access::Staff(_) | Access::Known => {}
            }
            assert!(!route.summary.is_empty());
            assert_eq!(route.guarded, matches!(route.access, Access::Key(_)), "{}", route.path);
            let proxies = matches!(route.access, Access::Key(Scope::Proxy));
            assert_eq!(proxies, route.provider.is_some(), "{}", route.path);
            if let Some(provider) = route.provider {
                let fields = provider.fields();
                assert!(!fields.request.is_empty() && !fields.response.is_empty(), "{}", route.path);
            }
        }
        assert_eq!(open, ["/healthz", "/readyz", "/openapi.json"]);
        let early = ROUTES.iter().filter(|route| route.may_be_early());
        assert!(early.map(|route| route.path).eq(open), "what may be early changes nothing");
    }
}
