//! Notifications: a signed POST to the operator's webhook. It holds reasons and names, never content.
//!
//! `x-aimds-signature: t=<seconds since the Unix epoch>,v1=<hex>` is the HMAC-SHA256 (RFC 2104) of `<t>.<body>` under the
//! shared secret: a receiver checks it, and refuses a `t` that is old, so that nobody can send the message again later.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use ring::hmac;
use serde_json::Value;

use crate::app::now_ms;
use crate::config::NotifyConfig;

const SIGNATURE: HeaderName = HeaderName::from_static("x-aimds-signature");
/// As much of an answer is read as lets the connection be used again.
const ANSWER_BYTES: usize = 64 << 10;

/// Why a message did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undelivered {
    /// It may arrive later.
    Later(&'static str),
    /// The receiver does not want it.
    Never(&'static str),
}

/// The receiver of notifications.
pub(super) struct Webhook {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    config: NotifyConfig,
    key: hmac::Key,
}

impl Webhook {
    pub(super) fn new(config: NotifyConfig) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(config.timeout));
        connector.enforce_http(false);
        connector.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(60))
            .build(connector);
        let key = hmac::Key::new(hmac::HMAC_SHA256, config.secret.as_bytes());
        Self { client, config, key }
    }

    /// How often a message is tried.
    pub(super) fn attempts(&self) -> u32 {
        self.config.attempts
    }

    /// Tries once to deliver a message.
    pub(super) async fn deliver(&self, message: &Value) -> Result<(), Undelivered> {
        let request = self.request(message, now_ms() / 1000).ok_or(Undelivered::Never("address"))?;
        let answer = tokio::time::timeout(self.config.timeout, self.client.request(request));
        let answer = answer.await.map_err(|_| Undelivered::Later("timeout"))?;
        let (head, body) = answer.map_err(|_| Undelivered::Later("unreachable"))?.into_parts();
        let rest = Limited::new(body, ANSWER_BYTES).collect();
        let _ = tokio::time::timeout(self.config.timeout, rest).await;
        match head.status {
            status if status.is_success() => Ok(()),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Err(Undelivered::Later("refused")),
            status if status.is_server_error() => Err(Undelivered::Later("refused")),
            _ => Err(Undelivered::Never("refused")),
        }
    }

    fn request(&self, message: &Value, at: u64) -> Option<Request<Full<Bytes>>> {
        let body = message.to_string();
        let signed = hmac::sign(&self.key, format!("{at}.{body}").as_bytes());
        let hex: String = signed.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.config.url.clone();
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(SIGNATURE, HeaderValue::try_from(format!("t={at},v1={hex}")).ok()?);
        Some(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_signature_is_the_hmac_of_time_and_body() {
        let config = NotifyConfig {
            url: "http://127.0.0.1:1/hook".parse().unwrap(),
            secret: "key".to_owned().into(),
            timeout: Duration::from_secs(1),
            attempts: 1,
        };
        let webhook = Webhook::new(config);
        let request = webhook.request(&serde_json::json!({ "a": 1 }), 12).unwrap();
        // printf '12.{"a":1}' | openssl dgst -sha256 -hmac key
        let expected = "t=12,v1=7212380e67628554ba59ab20028b53b99d4c7716394eface6e2635bfa1665878";
        assert_eq!(request.headers()[SIGNATURE], expected);
    }
}
