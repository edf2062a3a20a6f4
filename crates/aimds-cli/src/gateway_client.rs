//! The admin routes of a running gateway, for commands that look at it or change something in it.

use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, Uri};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// The longest answer that is read.
const MAX_ANSWER: usize = 64 << 20;
const PATIENCE: Duration = Duration::from_secs(30);

/// Which gateway.
#[derive(Debug, Args)]
pub struct Running {
    /// The running gateway
    #[arg(long, value_name = "URL", env = "AIMDS_URL", default_value = "http://127.0.0.1:8080")]
    pub url: String,
    /// An API key of it with the scope admin; better in the environment, where other users do not see it
    #[arg(long, value_name = "KEY", env = "AIMDS_API_KEY", hide_env_values = true)]
    pub key: Option<String>,
}

impl Running {
    /// Asks a route and reads its JSON.
    ///
    /// # Errors
    /// It cannot be reached, takes too long, or refuses; then with its reason.
    pub(crate) fn get(&self, path: &str, query: &[(&str, Option<&str>)]) -> anyhow::Result<Value> {
        self.ask(Method::GET, &with_query(path, query), Bytes::new())
    }

    fn ask(&self, method: Method, path: &str, body: Bytes) -> anyhow::Result<Value> {
        let base = self.url.trim_end_matches('/');
        let uri: Uri = format!("{base}{path}").parse().with_context(|| format!("{base} is no address"))?;
        let mut request =
            Request::builder().method(method).uri(uri).header("content-type", "application/json");
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let request = request.body(Full::new(body)).context("the key holds characters that no key has")?;
        let connector =
            HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let asked = async {
            let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
            let response = client.request(request).await.with_context(|| format!("cannot reach {base}"))?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await;
            let body = body.map_err(|error| anyhow::anyhow!("the answer broke off: {error}"))?.to_bytes();
            anyhow::Ok((parts.status, body))
        };
        let (status, body) = runtime
            .block_on(async { tokio::time::timeout(PATIENCE, asked).await })
            .with_context(|| format!("{base} does not answer"))??;
        let answer: Option<Value> = serde_json::from_slice(&body).ok();
        if !status.is_success() {
            let reason = answer.as_ref().and_then(|answer| answer.pointer("/error/message")?.as_str());
            bail!(
                "{base} refuses ({status}): {}",
                crate::terminal::printable(reason.unwrap_or("without a reason"))
            );
        }
        answer.with_context(|| format!("{base} answers with something else than JSON: is it a gateway?"))
    }
}

/// A path with what is given of the query.
fn with_query(path: &str, query: &[(&str, Option<&str>)]) -> String {
    let mut whole = path.to_owned();
    let given = query.iter().filter_map(|(name, value)| Some((name, (*value)?)));
    for (number, (name, value)) in given.enumerate() {
        whole.push(if number == 0 { '?' } else { '&' });
        whole.push_str(name);
        whole.push('=');
        whole.push_str(&escaped(value));
    }
    whole
}

/// A text as a part of an address (RFC 3986, section 2.1).
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_what_is_not_given_is_left_out() {
        let query = [("tenant", None), ("name", Some("a b/ü&=")), ("limit", Some("3"))];
        assert_eq!(with_query("/x", &query), "/x?name=a%20b%2F%C3%BC%26%3D&limit=3");
        assert_eq!(with_query("/x", &[("tenant", None)]), "/x");
    }
}
