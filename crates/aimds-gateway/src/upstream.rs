//! The client side of the in-line proxy. It takes only an [`Outbound`], and an `Outbound` is made only from what policy
//! has cleared: that nothing unscanned is forwarded is checked by the compiler.

use std::error::Error as _;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::config::UpstreamConfig;
use crate::error::Failure;
use crate::openai::Outbound;

/// Headers of the caller that the upstream may see.
const FORWARDED: [&str; 4] = ["openai-organization", "openai-project", "openai-beta", "idempotency-key"];

/// Headers of the upstream that the caller may see.
const RETURNED: [&str; 10] = [
    "retry-after",
    "x-request-id",
    "openai-processing-ms",
    "openai-version",
    "x-ratelimit-limit-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
];

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Connections to one upstream.
pub(crate) struct Upstream {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    config: UpstreamConfig,
}

impl Upstream {
    pub(crate) fn new(config: UpstreamConfig) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(config.connect_timeout));
        connector.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(60))
            .build(connector);
        Self { client, config }
    }

    /// Whether the upstream's own key is configured, so that a caller's credentials stay here.
    pub(crate) fn has_key(&self) -> bool {
        self.config.authorization.is_some()
    }

    /// Sends a cleared request and reads the whole answer. Dropping the future closes the connection.
    pub(crate) async fn send(
        &self,
        outbound: Outbound,
        caller: &HeaderMap,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, Failure> {
        let mut request = Request::new(Full::new(outbound.into_body()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.config.chat_completions.clone();
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        for name in FORWARDED {
            if let Some(value) = caller.get(name) {
                headers.insert(HeaderName::from_static(name), value.clone());
            }
        }
        if let Some(value) = self.config.authorization.as_ref().or(authorization) {
            headers.insert(header::AUTHORIZATION, value.clone());
        }
        tokio::time::timeout(self.config.timeout, self.exchange(request))
            .await
            .map_err(|_| Failure::UpstreamSlow)?
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, Failure> {
        let response =
            self.client.request(request).await.map_err(|error| {
                if timed_out(&error) { Failure::UpstreamSlow } else { Failure::UpstreamDown }
            })?;
        let (parts, body) = response.into_parts();
        let encoded =
            parts.headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity");
        if encoded {
            return Err(Failure::UpstreamGarbage);
        }
        let body = Limited::new(body, self.config.response_bytes).collect().await.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                Failure::UpstreamTooLarge
            } else {
                Failure::UpstreamDown
            }
        })?;
        let mut headers = HeaderMap::new();
        for name in RETURNED {
            if let Some(value) = parts.headers.get(name) {
                headers.insert(HeaderName::from_static(name), value.clone());
            }
        }
        Ok(Answer { status: parts.status, headers, body: body.to_bytes() })
    }
}

/// Whether a connection attempt ran into the connect timeout.
fn timed_out(error: &hyper_util::client::legacy::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::TimedOut)
        {
            return true;
        }
        cause = error.source();
    }
    false
}
