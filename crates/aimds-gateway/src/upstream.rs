//! The client side of the in-line proxy. It takes only an [`Outbound`], and an `Outbound` is made only from what policy
//! has cleared: that nothing unscanned is forwarded is checked by the compiler.

use std::error::Error as _;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::auth::{Callers, bearer};
use crate::config::{ServiceConfig, UpstreamConfig};
use crate::error::Failure;
use crate::providers::{Outbound, Service};
use crate::telemetry::{Calling, UpstreamSpan};

/// Headers of the caller that an upstream may see.
pub(crate) const FORWARDED: [&str; 6] = [
    "openai-organization",
    "openai-project",
    "openai-beta",
    "anthropic-version",
    "anthropic-beta",
    "idempotency-key",
];

/// Headers of an upstream that the caller may see.
const RETURNED: [&str; 17] = [
    "retry-after",
    "x-request-id",
    "request-id",
    "openai-processing-ms",
    "openai-version",
    "x-ratelimit-limit-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
    "anthropic-ratelimit-requests-limit",
    "anthropic-ratelimit-requests-remaining",
    "anthropic-ratelimit-requests-reset",
    "anthropic-ratelimit-tokens-limit",
    "anthropic-ratelimit-tokens-remaining",
    "anthropic-ratelimit-tokens-reset",
];

/// The start of an answer.
#[derive(Default)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
}

/// What came back: a whole body, or a stream of events that is still to be read.
pub(crate) struct Answer {
    pub(crate) head: Head,
    pub(crate) body: Bytes,
    pub(crate) stream: Option<Body>,
    /// The call that it came from, in the trace of the request.
    pub(crate) span: Option<UpstreamSpan>,
}

/// One provider that is configured.
pub(crate) struct Server<'a> {
    config: &'a ServiceConfig,
    /// The header with the provider's API key.
    key: HeaderName,
    /// Headers in which a caller may bring credentials of its own.
    callers: &'static [&'static str],
}

impl Server<'_> {
    /// Whether the provider's own key is configured, so that a caller's credentials stay here.
    pub(crate) fn has_key(&self) -> bool {
        self.config.key.is_some()
    }

    /// The configured credentials.
    pub(crate) fn own_credentials(&self) -> HeaderMap {
        self.config.key.iter().map(|key| (self.key.clone(), key.clone())).collect()
    }

    /// The credentials that go to the provider: the configured ones, else the caller's, unless they are what let the
    /// caller in here.
    pub(crate) fn credentials(&self, caller: &HeaderMap, callers: &Callers) -> HeaderMap {
        if self.has_key() {
            return self.own_credentials();
        }
        let mut credentials = HeaderMap::new();
        for &name in self.callers {
            let Some(value) = caller.get(name) else { continue };
            let secret = match name {
                "authorization" => bearer(caller),
                _ => value.to_str().ok().map(str::trim),
            };
            if !secret.is_some_and(|secret| callers.is_own(secret)) {
                credentials.insert(HeaderName::from_static(name), value.clone());
            }
        }
        credentials
    }
}

/// Connections to servers, with TLS or without.
pub(crate) type HttpsClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A client that trusts the roots compiled in.
pub(crate) fn https_client(connect_timeout: Duration) -> HttpsClient {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(connect_timeout));
    connector.enforce_http(false);
    let connector = HttpsConnectorBuilder::new()
        .with_webpki_roots()
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(connector);
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(60))
        .build(connector)
}

/// Connections to the upstreams.
pub(crate) struct Upstream {
    client: HttpsClient,
    config: UpstreamConfig,
}

impl Upstream {
    pub(crate) fn new(config: UpstreamConfig) -> Self {
        Self { client: https_client(config.connect_timeout), config }
    }

    /// A provider, if it is configured.
    pub(crate) fn service(&self, service: Service) -> Result<Server<'_>, Failure> {
        let config = match service {
            Service::OpenAi => &self.config.openai,
            Service::Anthropic => &self.config.anthropic,
            Service::Gemini => &self.config.gemini,
        };
        Ok(Self::server(service, config.as_ref().ok_or(Failure::NoUpstream)?))
    }

    /// A server that speaks as a provider does.
    pub(crate) fn server(service: Service, config: &ServiceConfig) -> Server<'_> {
        let (key, callers): (_, &[&str]) = match service {
            Service::OpenAi => (header::AUTHORIZATION, &["authorization"]),
            Service::Anthropic => (HeaderName::from_static("x-api-key"), &["x-api-key", "authorization"]),
            Service::Gemini => {
                (HeaderName::from_static("x-goog-api-key"), &["x-goog-api-key", "authorization"])
            }
        };
        Server { config, key, callers }
    }

    /// Time for an answer, or between two pieces of a stream.
    pub(crate) fn timeout(&self) -> Duration {
        self.config.timeout
    }

    /// Largest answer, in bytes.
    pub(crate) fn response_bytes(&self) -> usize {
        self.config.response_bytes
    }

    /// Makes a cleared request ready to be sent.
    pub(crate) fn request(
        server: &Server<'_>,
        outbound: Outbound,
        caller: &HeaderMap,
        credentials: HeaderMap,
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let address = format!("{}{}", server.config.base, outbound.path);
        let accepts = if outbound.stream { "text/event-stream" } else { "application/json" };
        let mut request = Request::new(Full::new(outbound.into_body()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = address.parse::<Uri>().map_err(|_| Failure::NotFound)?;
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT, HeaderValue::from_static(accepts));
        for name in FORWARDED {
            if let Some(value) = caller.get(name) {
                headers.insert(HeaderName::from_static(name), value.clone());
            }
        }
        headers.extend(credentials);
        Ok(request)
    }

    /// Sends a request and reads the whole answer, or the head of a stream, as a part of a trace. Dropping the future, or the stream, closes
    /// the connection.
    pub(crate) async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
        calling: &Calling<'_>,
        timeout: Duration,
    ) -> Result<Answer, Failure> {
        let mut span = calling.begin(request.uri());
        if let Some(span) = &span {
            span.tell(request.headers_mut());
        }
        let exchange = tokio::time::timeout(timeout, self.exchange(request, calling.stream));
        let result = exchange.await.unwrap_or(Err(Failure::UpstreamSlow));
        if let Some(span) = &mut span {
            span.settle(&result);
        }
        result.map(|answer| Answer { span, ..answer })
    }

    async fn exchange(&self, request: Request<Full<Bytes>>, stream: bool) -> Result<Answer, Failure> {
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
        let mut headers = HeaderMap::new();
        for name in RETURNED {
            if let Some(value) = parts.headers.get(name) {
                headers.insert(HeaderName::from_static(name), value.clone());
            }
        }
        let head = Head { status: parts.status, headers };
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let events = kind.is_some_and(|kind| kind.trim_start().starts_with("text/event-stream"));
        if stream && events && parts.status.is_success() {
            return Ok(Answer { head, body: Bytes::new(), stream: Some(Body::new(body)), span: None });
        }
        let body = Limited::new(body, self.config.response_bytes).collect().await.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                Failure::UpstreamTooLarge
            } else {
                Failure::UpstreamDown
            }
        })?;
        Ok(Answer { head, body: body.to_bytes(), stream: None, span: None })
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
