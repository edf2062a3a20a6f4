//! The table of routes. The router, the check of scopes, the metrics and the OpenAPI document all come from it, so that
//! a route cannot exist without its scope and its documentation.

mod access;
mod admin;
mod agentgateway;
mod attempts;
mod feedback;
mod graph;
mod guard;
mod lakera;
mod litellm;
mod moderations;
mod ops;
mod prompt_shield;
mod proxy;
mod relay;
mod release;
mod review;
mod sessions;

use std::future::Future;
use std::pin::Pin;

use aimds_engine::{Action, Cleared, Conversation, Permit};
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::app::Call;
use crate::auth::Scope;
use crate::error::{Failure, Shape, json_response};
use crate::mitigation::{seed, takes_out};
use crate::providers::{self, Provider};
use crate::review::{ReviewDetail, ReviewRow};

/// What a route's handler returns.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Failure>> + Send>>;

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everyone.
    Open,
    /// Callers who have the scope.
    Key(Scope),
    /// As `Key`, for those who run the gateway: what is about it and not about texts.
    Staff(Scope),
    /// Callers who may send requests, by either scope: they see what is theirs.
    Known,
    /// As `Staff(Scope::Metrics)`, unless the operator opens /metrics.
    Metrics,
}

impl Access {
    /// The scope that a caller needs; `None` where everyone may come.
    pub(crate) fn scope(self) -> Option<Scope> {
        match self {
            Self::Open => None,
            Self::Key(scope) | Self::Staff(scope) => Some(scope),
            Self::Metrics => Some(Scope::Metrics),
            Self::Known => Some(Scope::Guard),
        }
    }

    /// Another scope that will do instead.
    pub(crate) fn or(self) -> Option<Scope> {
        (self == Self::Known).then_some(Scope::Proxy)
    }
}

/// One route.
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    /// Whose error shape it speaks.
    pub(crate) shape: Shape,
    /// Whether its answers carry `x-aimds-decision`.
    pub(crate) guarded: bool,
    pub(crate) summary: &'static str,
    pub(crate) request: Option<fn(&mut SchemaGenerator) -> Schema>,
    pub(crate) answer: (&'static str, fn(&mut SchemaGenerator) -> Schema),
    /// The model provider whose surface it is.
    pub(crate) provider: Option<&'static dyn Provider>,
    pub(crate) handler: fn(Call, Request<Body>) -> Answer,
}

impl Route {
    /// Whether it may be answered from early data, which whoever recorded it can send again (RFC 8446 §8, RFC 8470): it
    /// tells everyone the same, changes nothing and records nothing. A verdict does: it is counted and recorded.
    pub(crate) fn may_be_early(&self) -> bool {
        self.access == Access::Open && self.method == Method::GET
    }
}

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

/// The OpenAPI 3.1 document of every route.
///
/// ```
/// let document = aimds_gateway::openapi();
/// assert!(document["paths"]["/v1/guard"]["post"]["summary"].is_string());
/// ```
#[must_use]
pub fn openapi() -> Value {
    describe(ROUTES)
}

pub(crate) fn describe(routes: &[Route]) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    for route in routes {
        let (media, answer) = route.answer;
        let mut operation = json!({
            "summary": route.summary,
            "responses": {
                "200": { "description": "The answer.", "content": { media: { "schema": answer(&mut generator) } } },
                "default": { "description": "An error in the shape of the API that the route speaks." },
            },
        });
        if let Some(operation) = operation.as_object_mut() {
            if let Some(request) = route.request {
                let content = json!({ JSON: { "schema": request(&mut generator) } });
                operation.insert("requestBody".into(), json!({ "required": true, "content": content }));
            }
            let scopes = route.access.scope().into_iter().chain(route.access.or());
            operation.insert("security".into(), scopes.flat_map(security).collect());
            if let Some(provider) = route.provider {
                let fields = provider.fields();
                operation.insert(
                    "x-aimds-inspects".into(),
                    json!({ "request": fields.request, "response": fields.response, "streams": fields.streams }),
                );
            }
        }
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(route.method.as_str().to_ascii_lowercase(), operation);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "AIMDS gateway", "version": env!("CARGO_PKG_VERSION") },
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "x-api-key": { "type": "apiKey", "in": "header", "name": "x-api-key" },
                "ocp-apim-subscription-key": { "type": "apiKey", "in": "header", "name": "Ocp-Apim-Subscription-Key" },
                "api-key": { "type": "apiKey", "in": "header", "name": "api-key" },
                "x-goog-api-key": { "type": "apiKey", "in": "header", "name": "x-goog-api-key" },
            },
        },
    })
}

/// Any of the headers will do; the scope is what the key must have.
fn security(scope: Scope) -> impl Iterator<Item = Value> {
    ["bearer", "x-api-key", "ocp-apim-subscription-key", "api-key", "x-goog-api-key"]
        .into_iter()
        .map(move |name| json!({ name: [scope.as_str()] }))
}

/// The name of the header that carries the decision.
pub(crate) const DECISION: HeaderName = HeaderName::from_static("x-aimds-decision");

/// Marks an answer with the decision that it rests on.
pub(crate) fn decided(mut response: Response<Body>, action: Action) -> Response<Body> {
    response.headers_mut().insert(DECISION, HeaderValue::from_static(action.as_str()));
    response
}

/// A 200 answer of a guarded route.
fn verdict<T: Serialize>(action: Action, body: &T) -> Result<Response<Body>, Failure> {
    let body = serde_json::to_vec(body).map_err(|_| Failure::Internal)?;
    Ok(decided(json_response(StatusCode::OK, body), action))
}

/// What a guard hands back for its caller to send on, under a permit. There is no place for the reminder of marked texts: what
/// stands behind each mark must do. `None`: what is left of it must not go on.
fn clear(call: &Call, permit: Permit, conversation: Conversation) -> Result<Option<Cleared>, Failure> {
    let strips = takes_out(permit.removals());
    let mut cleared = Cleared::new(permit, conversation);
    if strips {
        let Some((rest, _)) = call.strip_the_rest(cleared, None)? else { return Ok(None) };
        cleared = rest;
    }
    if cleared.wants_marks() {
        cleared.spotlight(seed()?, |_| true);
    }
    Ok(Some(cleared))
}

/// What a reason leads to: no more than a mark while the policy only watches.
fn effective(action: Action, monitored: bool) -> Action {
    if monitored { action.min(Action::Flag) } else { action }
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

    #[test]
    fn the_document_lists_every_route_and_every_reference_resolves() {
        let document = openapi();
        for route in ROUTES {
            let method = route.method.as_str().to_ascii_lowercase();
            assert_eq!(document["paths"][route.path][method]["summary"], route.summary);
        }
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"").skip(1) {
            let pointer = reference.split('"').next().unwrap().trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }
}
