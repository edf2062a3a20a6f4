//! The wire form of `aimds/1`: one JSON object for a request, one for its answer.
//!
//! A request:
//!
//! ```json
//! {"route": "/v1/guard", "key": "aimds_…", "priority": "high", "body": {"text": "…"}}
//! ```
//!
//! An answer has the status, the headers that every answer of the gateway carries, and the body that HTTP would have:
//!
//! ```json
//! {"status": 200, "request_id": "…", "decision": "allow", "body": {"decision": "allow"}}
//! ```

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, header};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use super::turns::Priority;
use crate::error::{Failure, explain};
use crate::json;
use crate::routes::DECISION;
use crate::server::REQUEST_ID;

/// More headers than any client of the drop-in shapes sends.
const MAX_HEADERS: usize = 32;

/// A request as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    /// POST with a body and GET without, unless told otherwise.
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    /// Path and query.
    #[serde(borrow)]
    route: Cow<'a, str>,
    #[serde(borrow)]
    key: Option<Cow<'a, str>>,
    #[serde(default)]
    priority: Priority,
    #[serde(borrow, default)]
    headers: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

/// Reads a request. Linear in its length; nests no deeper than `depth`, its own object not counted.
pub(super) fn read(bytes: &[u8], depth: usize) -> Result<(Priority, Request<Body>), Failure> {
    let text = json::check(bytes, depth.saturating_add(1))?;
    let envelope: Envelope<'_> = serde_json::from_str(text).map_err(|error| explain(&error))?;
    let invalid = |what: &str| Failure::Invalid(what.to_owned());
    let method = match envelope.method.as_deref() {
        Some(method) => Method::from_bytes(method.as_bytes()).map_err(|_| invalid("method is not one"))?,
        None if envelope.body.is_some() => Method::POST,
        None => Method::GET,
    };
    let route = envelope.route.as_ref();
    let uri = Uri::try_from(route).ok().filter(|_| route.starts_with('/'));
    let uri = uri.ok_or_else(|| invalid("route is not a path"))?;
    let body = envelope.body.map_or_else(Bytes::new, |body| Bytes::copy_from_slice(body.get().as_bytes()));
    let mut request = Request::new(Body::from(body));
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers(&envelope)?;
    Ok((envelope.priority, request))
}

fn headers(envelope: &Envelope<'_>) -> Result<HeaderMap, Failure> {
    let invalid = |what: &str| Failure::Invalid(what.to_owned());
    if envelope.headers.len() > MAX_HEADERS {
        return Err(Failure::Invalid(format!("there are more than {MAX_HEADERS} headers")));
    }
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in &envelope.headers {
        let name =
            HeaderName::try_from(name.as_ref()).map_err(|_| invalid("the name of a header is not one"))?;
        let value =
            HeaderValue::try_from(value.as_ref()).map_err(|_| invalid("the value of a header is not one"))?;
        headers.insert(name, value);
    }
    if let Some(key) = &envelope.key {
        if headers.contains_key(header::AUTHORIZATION) {
            return Err(invalid("there is a key and an authorization header; which one is meant?"));
        }
        let bearer =
            HeaderValue::try_from(format!("Bearer {key}")).map_err(|_| invalid("key is not a key"))?;
        headers.insert(header::AUTHORIZATION, bearer);
    }
    Ok(headers)
}

/// Writes an answer. A body that is not JSON is a string in it.
pub(super) fn write(response: &Response<()>, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 128);
    out.extend_from_slice(format!("{{\"status\":{}", response.status().as_u16()).as_bytes());
    for (member, name) in
        [("request_id", REQUEST_ID), ("decision", DECISION), ("retry_after", header::RETRY_AFTER)]
    {
        if let Some(value) = response.headers().get(name).and_then(|value| value.to_str().ok()) {
            out.extend_from_slice(format!(",\"{member}\":{}", Value::from(value)).as_bytes());
        }
    }
    out.extend_from_slice(b",\"body\":");
    match serde_json::from_slice::<IgnoredAny>(body) {
        Ok(_) => out.extend_from_slice(body),
        Err(_) => out.extend_from_slice(Value::from(String::from_utf8_lossy(body)).to_string().as_bytes()),
    }
    out.push(b'}');
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_becomes_what_http_would_have_carried() {
        let text = r#"{"route":"/v1/guard?format=verdict","key":"aimds_x","priority":"critical",
            "headers":{"anthropic-version":"1"},"body":{"text":"a"}}"#;
        let (priority, request) = read(text.as_bytes(), 8).unwrap();
        assert_eq!((priority, request.method()), (Priority::Critical, &Method::POST));
        assert_eq!(request.uri(), "/v1/guard?format=verdict");
        assert_eq!(request.headers()["authorization"], "Bearer aimds_x");
        assert_eq!(request.headers()["anthropic-version"], "1");
        let (priority, request) = read(br#"{"route":"/healthz"}"#, 8).unwrap();
        assert_eq!((priority, request.method()), (Priority::Normal, &Method::GET));
        let (_, request) = read(br#"{"route":"/x","method":"DELETE","body":null}"#, 8).unwrap();
        assert_eq!(request.method(), Method::DELETE);
    }

    #[test]
    fn what_is_wrong_is_named_and_nothing_is_quoted() {
        fn check(text: &str, expected: &str) {
            let failure = read(text.as_bytes(), 2).err().unwrap();
            let said = format!("{failure:?}");
            assert!(said.contains(expected) && !said.contains("secret"), "{text}: {said}");
        }
        check("", "Malformed");
        check("{}", "missing field `route`");
        check(r#"{"route":"/v1/guard","secret":1}"#, "Malformed");
        check(r#"{"route":"secret"}"#, "route is not a path");
        check(r#"{"route":"/a secret"}"#, "route is not a path");
        check(r#"{"route":"http://secret/v1"}"#, "route is not a path");
        check(r#"{"route":"/a","method":"a secret"}"#, "method is not one");
        check(r#"{"route":"/a","priority":"secret"}"#, "Malformed");
        check(r#"{"route":"/a","key":"secret\n"}"#, "key is not a key");
        check(r#"{"route":"/a","key":"k","headers":{"Authorization":"secret"}}"#, "which one is meant");
        check(r#"{"route":"/a","headers":{"a secret":"b"}}"#, "name of a header");
        check(r#"{"route":"/a","headers":{"a":"\u0000secret"}}"#, "value of a header");
        check(r#"{"route":"/a","route":"/secret"}"#, "Malformed");
        check(r#"{"route":"/a","body":[[["secret"]]]}"#, "TooDeep");
        let many: BTreeMap<String, &str> = (0..33).map(|n| (format!("h{n}"), "secret")).collect();
        check(&json!({ "route": "/a", "headers": many }).to_string(), "more than 32 headers");
    }

    proptest! {
        #[test]
        fn an_answer_is_json_whatever_the_body(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut response = Response::new(());
            response.headers_mut().insert(REQUEST_ID, HeaderValue::from_static("id"));
            let written: Value = serde_json::from_slice(&write(&response, &body)).unwrap();
            prop_assert_eq!(&written["status"], 200);
            prop_assert_eq!(&written["request_id"], "id");
            match serde_json::from_slice::<Value>(&body) {
                Ok(value) => prop_assert_eq!(&written["body"], &value),
                Err(_) => prop_assert_eq!(&written["body"], &Value::from(String::from_utf8_lossy(&body))),
            }
        }

        #[test]
        fn nothing_makes_reading_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes, 4);
        }
    }
}
