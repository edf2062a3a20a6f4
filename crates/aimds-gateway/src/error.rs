//! The one place where causes become wire answers. The rest of the crate returns a [`Failure`]; what the caller learns
//! is decided here: enough to fix the request, never a part of its content, a key, or the inside of the gateway.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use crate::auth::{Denied, Scope};
use crate::mitigation::Refused;
use crate::review::Refusal;

/// A place in a request body, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Place {
    /// The place of a byte. `before` is everything in front of it; columns count bytes, as serde_json does.
    pub(crate) fn after(before: &[u8]) -> Self {
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|&&byte| byte != b'\n').count() + 1;
        Self { line, column }
    }
}

/// Why a request is not answered as asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No such route.
    NotFound,
    /// The route exists, what it was asked about does not.
    NotThere(&'static str),
    /// The route exists with other methods.
    Method,
    /// The caller is turned away.
    Denied(Denied, Scope),
    /// The request line and the headers are larger than allowed.
    HeadTooLarge { limit: usize },
    /// The body is larger than allowed.
    TooLarge { limit: usize },
    /// The body did not arrive in time.
    BodyTimeout,
    /// The connection broke while the body arrived.
    BodyBroken,
    /// The body is not UTF-8.
    NotUtf8(Place),
    /// The body is not JSON, or not of the route's shape. The message quotes nothing of the body.
    Malformed(Place, String),
    /// Arrays and objects are nested too deep.
    TooDeep(Place, usize),
    /// An object names a member twice: readers differ in which one they believe.
    DuplicateMember(Place),
    /// Well-formed, but not something that this route can work with.
    Invalid(String),
    /// An intermediary forwarded the request from early data, which could be a replay.
    TooEarly,
    /// Too many requests in progress.
    Overloaded,
    /// The decision cannot be recorded.
    Unrecorded,
    /// A store that is not needed for requests is down.
    StoreAway(&'static str),
    /// The vault cannot keep or find what belongs to a session.
    Vault,
    /// No upstream is configured.
    NoUpstream,
    /// No route of the router is meant for the request.
    NoRoute,
    /// The request must not leave the operator's own models, and none of them takes it.
    NoLocalTarget,
    /// The money of a tenant or key is used up, for so many seconds.
    BudgetUsedUp { left_s: u64 },
    /// The upstream cannot be reached, or the connection to it broke.
    UpstreamDown,
    /// The upstream did not answer in time.
    UpstreamSlow,
    /// The upstream's answer is larger than allowed.
    UpstreamTooLarge,
    /// The upstream's answer is not what its API promises.
    UpstreamGarbage,
    /// The upstream failed by its own account.
    UpstreamFailed,
    /// So many requests are not wanted; for so many seconds.
    RateLimited { wait_s: u64 },
    /// The route is not open to the caller's address.
    Address,
    /// The key, or the session, is held.
    Held(Refused),
    /// A review cannot be seen or decided on.
    Review(Refusal),
    /// Blocked by policy, shaped as an error.
    Blocked { status: StatusCode, text: String },
    /// A bug in the gateway.
    Internal,
}

/// Whose error shape a route speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `{"error": {"code", "message", "line"?, "column"?}, "request_id"}`
    Native,
    /// `{"error": {"message", "type", "param", "code"}}`
    OpenAi,
    /// `{"error": {"code", "message"}}`
    Azure,
    /// `{"type": "error", "error": {"type", "message"}, "request_id"}`
    Anthropic,
    /// `{"error": {"code", "message", "status"}}`
    Google,
}

impl Failure {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NotFound | Self::NotThere(_) | Self::NoRoute => StatusCode::NOT_FOUND,
            Self::NoLocalTarget => StatusCode::FORBIDDEN,
            Self::BudgetUsedUp { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Denied(Denied::Unknown, _) => StatusCode::UNAUTHORIZED,
            Self::Denied(Denied::Scope, _) => StatusCode::FORBIDDEN,
            Self::HeadTooLarge { .. } => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyBroken
            | Self::NotUtf8(_)
            | Self::Malformed(..)
            | Self::TooDeep(..)
            | Self::DuplicateMember(_)
            | Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::TooEarly => StatusCode::TOO_EARLY,
            Self::Overloaded | Self::Unrecorded | Self::StoreAway(_) | Self::Vault | Self::NoUpstream => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::UpstreamSlow => StatusCode::GATEWAY_TIMEOUT,
            Self::UpstreamDown | Self::UpstreamTooLarge | Self::UpstreamGarbage | Self::UpstreamFailed => {
                StatusCode::BAD_GATEWAY
            }
            Self::RateLimited { .. } | Self::Held(Refused::Throttled { .. }) => StatusCode::TOO_MANY_REQUESTS,
            Self::Address | Self::Held(_) => StatusCode::FORBIDDEN,
            Self::Review(refusal) => refusal.status(),
            Self::Blocked { status, .. } => *status,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The stable code: the caller's programs branch on it, metrics count by it.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::NotThere(_) => "not_there",
            Self::Method => "method_not_allowed",
            Self::Denied(Denied::Unknown, _) => "invalid_api_key",
            Self::Denied(Denied::Scope, _) => "insufficient_scope",
            Self::HeadTooLarge { .. } => "head_too_large",
            Self::TooLarge { .. } => "request_too_large",
            Self::BodyTimeout => "request_timeout",
            Self::BodyBroken => "request_incomplete",
            Self::NotUtf8(_) => "not_utf8",
            Self::Malformed(..) => "malformed_json",
            Self::TooDeep(..) => "too_deep",
            Self::DuplicateMember(_) => "duplicate_member",
            Self::Invalid(_) => "invalid_request",
            Self::TooEarly => "too_early",
            Self::Overloaded => "overloaded",
            Self::Unrecorded => "audit_unavailable",
            Self::StoreAway(_) => "store_unavailable",
            Self::Vault => "vault_unavailable",
            Self::NoUpstream => "no_upstream",
            Self::NoRoute => "no_route",
            Self::NoLocalTarget => "no_local_target",
            Self::BudgetUsedUp { .. } => "budget_used_up",
            Self::UpstreamDown => "upstream_unreachable",
            Self::UpstreamSlow => "upstream_timeout",
            Self::UpstreamTooLarge => "upstream_answer_too_large",
            Self::UpstreamGarbage => "upstream_invalid_answer",
            Self::UpstreamFailed => "upstream_error",
            Self::RateLimited { .. } => "rate_limited",
            Self::Address => "address_not_allowed",
            Self::Held(Refused::Throttled { .. }) => "throttled",
            Self::Held(Refused::Quarantined) => "session_quarantined",
            Self::Held(Refused::Revoked) => "key_revoked",
            Self::Review(refusal) => refusal.code(),
            Self::Blocked { .. } => "content_filter",
            Self::Internal => "internal_error",
        }
    }

    /// What `x-aimds-decision` says of an answer that is none.
    pub(crate) fn decision(&self) -> &'static str {
        match self {
            Self::RateLimited { .. } | Self::Held(Refused::Throttled { .. }) => "throttle",
            Self::Held(_) => "block",
            _ => "error",
        }
    }

    fn message(&self) -> String {
        let at = |place: &Place| format!("line {}, column {}", place.line, place.column);
        match self {
            Self::NotFound => "no such route; /openapi.json lists them".into(),
            Self::NotThere(what) => format!("there is no such {what}"),
            Self::Method => "the route exists, but not with this method".into(),
            Self::Denied(Denied::Unknown, _) => "missing or unknown credentials".into(),
            Self::Denied(Denied::Scope, scope) => {
                format!("the caller does not have the scope \"{}\"", scope.as_str())
            }
            Self::HeadTooLarge { limit } => format!("the request head is larger than {limit} bytes"),
            Self::TooLarge { limit } => format!("the request body is larger than {limit} bytes"),
            Self::BodyTimeout => "the request body did not arrive in time".into(),
            Self::BodyBroken => "the request body did not arrive whole".into(),
            Self::NotUtf8(place) => format!("the request body is not UTF-8 at {}", at(place)),
            Self::Malformed(place, what) => format!("malformed request body at {}: {what}", at(place)),
            Self::TooDeep(place, limit) => {
                format!("the request body is nested deeper than {limit} levels at {}", at(place))
            }
            Self::DuplicateMember(place) => format!("the request body names a member twice at {}", at(place)),
            Self::Invalid(what) => what.clone(),
            Self::TooEarly => "not from early data: send the request again on a complete connection".into(),
            Self::Overloaded => "too many requests in progress; try again shortly".into(),
            Self::StoreAway(what) => format!("the {what} cannot be reached; try again shortly"),
            Self::Unrecorded => "the decision cannot be recorded; try again shortly".into(),
            Self::Vault => "the session's vault is not available; try again shortly".into(),
            Self::NoUpstream => "no upstream model is configured".into(),
            Self::NoRoute => "no route of the model router takes this request".into(),
            Self::NoLocalTarget => {
                "the request is private or carries personal data, and no local model takes it".into()
            }
            Self::BudgetUsedUp { .. } => "the budget of this tenant or key is used up".into(),
            Self::RateLimited { wait_s } => format!("too many requests; try again in {wait_s} s"),
            Self::Address => "this route is not open to your address".into(),
            Self::UpstreamDown => "the upstream model cannot be reached".into(),
            Self::UpstreamSlow => "the upstream model did not answer in time".into(),
            Self::UpstreamTooLarge => "the answer of the upstream model is too large".into(),
            Self::UpstreamGarbage => "the answer of the upstream model is not valid".into(),
            Self::UpstreamFailed => "the upstream model reported an error".into(),
            Self::Held(Refused::Throttled { .. }) => "too many suspicious requests; try again later".into(),
            Self::Held(Refused::Quarantined) => "the session is in quarantine".into(),
            Self::Held(Refused::Revoked) => "the API key has been revoked".into(),
            Self::Review(refusal) => refusal.to_string(),
            Self::Blocked { text, .. } => text.clone(),
            Self::Internal => "the request could not be processed".into(),
        }
    }

    fn place(&self) -> Option<Place> {
        match self {
            Self::NotUtf8(place)
            | Self::Malformed(place, _)
            | Self::TooDeep(place, _)
            | Self::DuplicateMember(place) => Some(*place),
            _ => None,
        }
    }

    /// The body of the wire answer.
    pub(crate) fn body(&self, shape: Shape, request_id: &str) -> Value {
        let (status, code, message) = (self.status().as_u16(), self.code(), self.message());
        match shape {
            Shape::Native => {
                let mut error = json!({ "code": code, "message": message });
                if let (Some(place), Some(error)) = (self.place(), error.as_object_mut()) {
                    error.insert("line".into(), place.line.into());
                    error.insert("column".into(), place.column.into());
                }
                json!({ "error": error, "request_id": request_id })
            }
            Shape::OpenAi => {
                let kind = match status {
                    429 => "rate_limit_error",
                    500.. => "server_error",
                    _ => "invalid_request_error",
                };
                json!({ "error": { "message": message, "type": kind, "param": null, "code": code } })
            }
            Shape::Azure => json!({ "error": { "code": code, "message": message } }),
            Shape::Anthropic => {
                let kind = match status {
                    401 => "authentication_error",
                    403 => "permission_error",
                    404 => "not_found_error",
                    413 => "request_too_large",
                    429 => "rate_limit_error",
                    503 => "overloaded_error",
                    504 => "timeout_error",
                    500.. => "api_error",
                    _ => "invalid_request_error",
                };
                let error = json!({ "type": kind, "message": format!("{code}: {message}") });
                json!({ "type": "error", "error": error, "request_id": request_id })
            }
            Shape::Google => {
                let name = match status {
                    401 => "UNAUTHENTICATED",
                    403 => "PERMISSION_DENIED",
                    404 => "NOT_FOUND",
                    429 => "RESOURCE_EXHAUSTED",
                    502 | 503 => "UNAVAILABLE",
                    504 => "DEADLINE_EXCEEDED",
                    500.. => "INTERNAL",
                    _ => "INVALID_ARGUMENT",
                };
                let message = format!("{code}: {message}");
                json!({ "error": { "code": status, "message": message, "status": name } })
            }
        }
    }

    /// The wire answer.
    pub(crate) fn respond(&self, shape: Shape, request_id: &str) -> Response<Body> {
        let status = self.status();
        let body = self.body(shape, request_id);
        let mut response = json_response(status, body.to_string());
        if matches!(self, Self::Overloaded | Self::Unrecorded) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if let Self::RateLimited { wait_s } = self {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(*wait_s));
        }
        if let Self::BudgetUsedUp { left_s } = self {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(*left_s));
            // The clients of OpenAI and Anthropic would try again at once otherwise.
            response.headers_mut().insert("x-should-retry", HeaderValue::from_static("false"));
        }
        if let Self::Held(Refused::Throttled { left_ms }) = self {
            // Rounded up: whoever comes back then is let in.
            let seconds = HeaderValue::from(left_ms.div_ceil(1000).max(1));
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if matches!(
            self,
            Self::HeadTooLarge { .. } | Self::TooLarge { .. } | Self::BodyTimeout | Self::BodyBroken
        ) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// A JSON answer.
pub(crate) fn json_response(status: StatusCode, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// What serde_json says about a body, without the parts of the body that its message may quote.
pub(crate) fn explain(error: &serde_json::Error) -> Failure {
    let place = Place { line: error.line(), column: error.column() };
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    let what = match error.classify() {
        serde_json::error::Category::Data => match text.strip_prefix("missing field `") {
            Some(_) => text.to_owned(),
            None => match text.rsplit_once(", expected ") {
                Some((_, expected)) => format!("expected {expected}"),
                None => "not of the expected shape".into(),
            },
        },
        serde_json::error::Category::Eof => "the text ends too early".into(),
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => text.to_owned(),
    };
    Failure::Malformed(place, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_explanation_names_place_and_expectation_and_quotes_nothing() {
        #[derive(Debug, serde::Deserialize)]
        struct Shape {
            #[allow(dead_code)]
            text: Vec<u8>,
        }
        let explain_text = |body: &str| match explain(&serde_json::from_str::<Shape>(body).unwrap_err()) {
            Failure::Malformed(place, what) => format!("{}:{} {what}", place.line, place.column),
            other => panic!("{other:?}"),
        };
        assert_eq!(explain_text("{\"text\":\n \"my secret\"}"), "2:12 expected a sequence");
        assert_eq!(explain_text("{}"), "1:2 missing field `text`");
        assert_eq!(explain_text("{\"text\": [1"), "1:11 the text ends too early");
        assert_eq!(explain_text("{\"text\": ]"), "1:10 expected value");
    }
}
