//! A client of the gateway's own admin API, for the command line: JSON over HTTP/1.1 or HTTP/2, one request at a time.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Method, Request, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// Time for one request.
const PATIENCE: Duration = Duration::from_secs(30);
/// Largest answer.
const ANSWER_BYTES: usize = 64 << 20;

/// Why a request to a gateway gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The address is none.
    #[error("not an http:// or https:// address")]
    Address,
    /// Nothing answers there, or not in time.
    #[error("the gateway cannot be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It answers something else than a gateway does.
    #[error("the answer is not that of a gateway (status {0})")]
    Foreign(u16),
    /// It refuses.
    #[error("the gateway refuses: {message} ({code})")]
    Refused {
        /// The status.
        status: u16,
        /// The stable code.
        code: String,
        /// In words.
        message: String,
    },
}

/// A gateway and the key for it.
pub struct AdminClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: String,
    bearer: String,
}

impl AdminClient {
    /// A client for the gateway at `base` (`http://127.0.0.1:8080`).
    ///
    /// # Errors
    /// [`ClientError::Address`].
    pub fn new(base: &str, key: &str) -> Result<Self, ClientError> {
        let uri: Uri = base.parse().map_err(|_| ClientError::Address)?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
            return Err(ClientError::Address);
        }
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, base: base.trim_end_matches('/').to_owned(), bearer: format!("Bearer {key}") })
    }

    /// `GET` of a path.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn get(&self, path: &str) -> Result<Value, ClientError> {
        self.send(Method::GET, path, Bytes::new()).await
    }

    /// `POST` of a JSON body.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        self.send(Method::POST, path, body.to_string().into()).await
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Value, ClientError> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(header::AUTHORIZATION, &self.bearer)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|_| ClientError::Address)?;
        let exchange = async {
            let answer =
                self.client.request(request).await.map_err(|error| ClientError::Unreachable(error.into()))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER_BYTES).collect().await.map_err(ClientError::Unreachable)?;
            Ok((head.status, body.to_bytes()))
        };
        let late = |error: tokio::time::error::Elapsed| ClientError::Unreachable(error.into());
        let (status, body) = tokio::time::timeout(PATIENCE, exchange).await.map_err(late)??;
        let foreign = || ClientError::Foreign(status.as_u16());
        let value: Value = serde_json::from_slice(&body).map_err(|_| foreign())?;
        if status.is_success() {
            return Ok(value);
        }
        let told = |name: &str| Some(value.get("error")?.get(name)?.as_str()?.to_owned());
        let (code, message) = told("code").zip(told("message")).ok_or_else(foreign)?;
        Err(ClientError::Refused { status: status.as_u16(), code, message })
    }
}
