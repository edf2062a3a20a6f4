//! A QUIC client, for HTTP/3 and for bare streams.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{Method, Request};
use hyper::body::Buf as _;
use quinn::crypto::rustls::QuicClientConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;

use super::trusting;
use crate::support::Reply;

pub type Sender = h3::client::SendRequest<h3_quinn::OpenStreams, Bytes>;

/// A client's certificate chain and key.
pub type Shown = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

pub fn tls(alpn: &[u8], shown: Option<Shown>) -> rustls::ClientConfig {
    let builder = trusting::builder().unwrap();
    let mut config = match shown {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![alpn.to_vec()];
    config.enable_early_data = true;
    config
}

/// A socket with the sessions that it can resume.
pub struct Client {
    pub endpoint: quinn::Endpoint,
}

impl Client {
    pub fn new(alpn: &[u8]) -> Self {
        Self::showing(alpn, None)
    }

    pub fn showing(alpn: &[u8], shown: Option<Shown>) -> Self {
        let mut endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        let crypto = QuicClientConfig::try_from(tls(alpn, shown)).unwrap();
        endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(crypto)));
        Self { endpoint }
    }

    pub async fn connect(&self, address: SocketAddr) -> Result<quinn::Connection, quinn::ConnectionError> {
        self.endpoint.connect(address, "localhost").unwrap().await
    }

    /// A connection with HTTP/3 on it.
    pub async fn http3(&self, address: SocketAddr) -> Sender {
        http3(self.connect(address).await.unwrap()).await
    }
}

pub async fn http3(connection: quinn::Connection) -> Sender {
    let (mut driver, sender) = h3::client::new(h3_quinn::Connection::new(connection)).await.unwrap();
    tokio::spawn(async move { std::future::poll_fn(|cx| driver.poll_close(cx)).await });
    sender
}

/// One request and its answer. A body that the gateway does not want to read to its end is no failure.
pub async fn ask(
    sender: &mut Sender,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Result<Reply, h3::error::StreamError> {
    let mut request = Request::builder().method(method).uri(format!("https://localhost{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut stream = sender.send_request(request.body(()).unwrap()).await?;
    let body = body.into();
    if body.is_empty() || stream.send_data(body).await.is_ok() {
        stream.finish().await?;
    }
    let (parts, ()) = stream.recv_response().await?.into_parts();
    let mut body = Vec::new();
    while let Some(piece) = stream.recv_data().await? {
        body.extend_from_slice(piece.chunk());
    }
    Ok(Reply { status: parts.status, headers: parts.headers, body: body.into() })
}

pub async fn get(sender: &mut Sender, path: &str) -> Reply {
    ask(sender, Method::GET, path, &[], Bytes::new()).await.unwrap()
}

pub async fn post(sender: &mut Sender, key: &str, path: &str, body: impl Into<Bytes>) -> Reply {
    ask(sender, Method::POST, path, &[("x-api-key", key)], body).await.unwrap()
}

/// One request of `aimds/1` and its answer.
pub async fn native(connection: &quinn::Connection, request: &[u8]) -> Value {
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    // The answer to a request that is too large may come before its end.
    if send.write_all(request).await.is_ok() {
        send.finish().unwrap();
    }
    serde_json::from_slice(&receive.read_to_end(1 << 20).await.unwrap()).unwrap()
}
