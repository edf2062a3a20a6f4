//! Certificates of the gateway and of its clients, over QUIC and over TCP.

use std::net::SocketAddr;
use std::sync::Arc;

use aimds_engine::Engine;
use aimds_gateway::{BindError, Config, Gateway};
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::client::{Client, Shown, ask, get, tls};
use super::pki::{Authority, Files};
use crate::support::{Gate, gate};

/// The certificate that a new QUIC connection is greeted with.
async fn greeted_with(gate: &Gate) -> Vec<u8> {
    let connection = Client::new(b"h3").connect(gate.quic).await.unwrap();
    let chain = connection.peer_identity().unwrap().downcast::<Vec<CertificateDer<'static>>>().unwrap();
    chain[0].to_vec()
}

/// What `GET /healthz` over TLS on TCP answers, with the protocol that was agreed on.
async fn over_tcp(
    address: SocketAddr,
    alpn: &[u8],
    shown: Option<Shown>,
) -> std::io::Result<(Vec<u8>, String)> {
    let connector = tokio_rustls::TlsConnector::from(Arc::new(tls(alpn, shown)));
    let stream = TcpStream::connect(address).await?;
    let mut stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await?;
    let agreed = stream.get_ref().1.alpn_protocol().unwrap_or_default().to_vec();
    if agreed == b"h2" {
        let (mut sender, connection) = hyper::client::conn::http2::handshake(
            hyper_util::rt::TokioExecutor::new(),
            hyper_util::rt::TokioIo::new(stream),
        )
        .await
        .map_err(std::io::Error::other)?;
        tokio::spawn(connection);
        let request = axum::http::Request::get("https://localhost/healthz").body(axum::body::Body::empty());
        let answer = sender.send_request(request.unwrap()).await.map_err(std::io::Error::other)?;
        return Ok((agreed, answer.status().to_string()));
    }
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok((agreed, answer))
}

/// What `GET /healthz` over HTTP/3 answers to who shows a certificate. The gateway turns a client away after the
/// client's part of the handshake, so it may show only with the first request.
async fn over_quic(gate: &Gate, shown: Option<Shown>) -> Result<u16, String> {
    let connection =
        Client::showing(b"h3", shown).connect(gate.quic).await.map_err(|error| error.to_string())?;
    let opened = h3::client::new(h3_quinn::Connection::new(connection.clone())).await;
    let Ok((mut driver, mut sender)) = opened else { return Err(connection.closed().await.to_string()) };
    tokio::spawn(async move { std::future::poll_fn(|cx| driver.poll_close(cx)).await });
    match ask(&mut sender, axum::http::Method::GET, "/healthz", &[], "").await {
        Ok(reply) => Ok(reply.status.as_u16()),
        Err(_) => Err(connection.closed().await.to_string()),
    }
}

#[tokio::test]
async fn http_has_tls_where_there_is_a_certificate() {
    let authority = Authority::new();
    let files = Files::new(&authority);
    let gate = gate(&files.config(None)).await;
    let (agreed, answer) = over_tcp(gate.address, b"http/1.1", None).await.unwrap();
    assert_eq!(agreed, b"http/1.1");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("ok\n"), "{answer}");
    let (agreed, answer) = over_tcp(gate.address, b"h2", None).await.unwrap();
    assert_eq!((agreed.as_slice(), answer.as_str()), (&b"h2"[..], "200 OK"));
    let plain = gate.raw(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(!plain.contains("200"), "no answer without TLS: {plain}");
    assert_eq!(over_quic(&gate, None).await, Ok(200));
}

#[tokio::test]
async fn a_certificate_is_exchanged_without_a_restart() {
    let authority = Authority::new();
    let files = Files::new(&authority);
    let first = files.renew(&authority);
    let gate = gate(&files.config(None)).await;
    let client = Client::new(b"h3");
    let mut open = client.http3(gate.quic).await;
    assert_eq!(greeted_with(&gate).await, first);
    assert!(!gate.certificates.reload().unwrap(), "nothing has changed");

    let second = files.renew(&authority);
    assert!(gate.certificates.reload().unwrap());
    assert_eq!(greeted_with(&gate).await, second);
    assert_eq!(over_tcp(gate.address, b"http/1.1", None).await.unwrap().0, b"http/1.1");
    assert_eq!(get(&mut open, "/healthz").await.status, 200, "connections that exist go on");

    // A key that is not the certificate's, then no key at all.
    let key = std::fs::read(files.path("key.pem")).unwrap();
    files.renew(&authority);
    std::fs::write(files.path("key.pem"), key).unwrap();
    assert!(gate.certificates.reload().is_err());
    std::fs::write(files.path("key.pem"), "secret").unwrap();
    let error = gate.certificates.reload().unwrap_err().to_string();
    assert!(error.ends_with("holds no private key") && !error.contains("secret"), "{error}");
    assert_eq!(greeted_with(&gate).await, second, "the last good one stays");
}

#[tokio::test]
async fn changed_files_are_noticed() {
    let authority = Authority::new();
    let files = Files::new(&authority);
    let gate = gate(&files.config(None).replace("watch_seconds = 0", "watch_seconds = 1")).await;
    let second = files.renew(&authority);
    crate::support::eventually("the new certificate is in force", async || {
        greeted_with(&gate).await == second
    })
    .await;
}

#[tokio::test]
async fn clients_show_a_certificate_of_the_right_authority() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let files = Files::new(&authority);
    files.trust(&authority);
    let gate = gate(&files.config(Some("required"))).await;
    let known = || Some(authority.client("agent-7", 2099));
    assert_eq!(over_quic(&gate, known()).await, Ok(200));
    assert!(over_tcp(gate.address, b"http/1.1", known()).await.unwrap().1.contains("200 OK"));
    for (what, shown) in [
        ("none", None),
        ("a stranger's", Some(stranger.client("agent-7", 2099))),
        ("an expired one", Some(authority.client("agent-7", 2021))),
    ] {
        let refused = over_quic(&gate, shown).await;
        assert!(
            refused.as_ref().is_err_and(
                |error| error.contains("cryptographic handshake failed") || error.contains("error 4")
            ),
            "{what}: {refused:?}"
        );
    }
    for shown in [None, Some(stranger.client("agent-7", 2099)), Some(authority.client("agent-7", 2021))] {
        assert!(
            !over_tcp(gate.address, b"http/1.1", shown).await.is_ok_and(|(_, answer)| answer.contains("200"))
        );
    }
}

#[tokio::test]
async fn a_client_certificate_can_be_optional_but_never_wrong() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let files = Files::new(&authority);
    files.trust(&authority);
    let gate = gate(&files.config(Some("optional"))).await;
    assert_eq!(over_quic(&gate, None).await, Ok(200));
    assert_eq!(over_quic(&gate, Some(authority.client("a", 2099))).await, Ok(200));
    assert!(over_quic(&gate, Some(stranger.client("a", 2099))).await.is_err());
}

#[tokio::test]
async fn clients_of_an_authority_that_was_replaced_are_refused_also_when_they_resume() {
    let (old, new) = (Authority::new(), Authority::new());
    let files = Files::new(&old);
    files.trust(&old);
    let gate = gate(&files.config(Some("required"))).await;
    let client = Client::showing(b"h3", Some(old.client("agent-7", 2099)));
    assert_eq!(get(&mut client.http3(gate.quic).await, "/healthz").await.status, 200);
    // The same client has a session to resume, without early data: it has not shown yet who it is.
    assert!(client.endpoint.connect(gate.quic, "localhost").unwrap().into_0rtt().is_err());

    files.trust(&new);
    assert!(gate.certificates.reload().unwrap());
    let again = client.connect(gate.quic).await;
    if let Ok(connection) = again {
        let closed = connection.closed().await.to_string();
        assert!(closed.contains("handshake") || closed.contains("error 4"), "{closed}");
    }
    assert_eq!(over_quic(&gate, Some(new.client("agent-7", 2099))).await, Ok(200));
}

#[tokio::test]
async fn a_gateway_whose_certificate_cannot_be_used_does_not_start() {
    async fn check(config: &str, expected: &str) {
        let config = format!(
            "[listen]\nhttp = \"127.0.0.1:0\"\nquic = \"127.0.0.1:0\"\n[auth]\nrequire = false\n{config}"
        );
        let engine = Arc::new(Engine::embedded().unwrap());
        let error = Gateway::bind(Config::parse(&config).unwrap(), engine, None).await.err().unwrap();
        assert!(matches!(error, BindError::Tls(_)), "{error:?}");
        let said = error.to_string();
        assert!(said.contains(expected) && !said.contains("secret"), "{said}");
    }
    let authority = Authority::new();
    let files = Files::new(&authority);
    std::fs::write(files.path("clients.pem"), "").unwrap();
    check(&files.config(Some("required")), "clients.pem: holds no certificate").await;
    std::fs::write(files.path("key.pem"), "-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n")
        .unwrap();
    check(&files.config(None), "failed to parse private key").await;
    std::fs::write(files.path("certificate.pem"), "secret").unwrap();
    check(&files.config(None), "certificate.pem: holds no certificate").await;
    std::fs::remove_file(files.path("certificate.pem")).unwrap();
    check(&files.config(None), "cannot read ").await;
}

#[tokio::test]
async fn the_default_address_may_be_taken_and_no_other() {
    let engine = Arc::new(Engine::embedded().unwrap());
    let bind = async |config: &str| {
        let config = format!("[auth]\nrequire = false\n[listen]\nhttp = \"127.0.0.1:0\"\n{config}");
        Gateway::bind(Config::parse(&config).unwrap(), Arc::clone(&engine), None).await
    };
    // If another program has the port already, neither of them gets it.
    let _first = bind("").await.unwrap();
    assert_eq!(bind("").await.unwrap().quic_addr(), None);
    let files = Files::new(&Authority::new());
    assert!(matches!(bind(&files.config(None)).await.err(), Some(BindError::Quic { .. })));
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = bind(&format!("quic = \"{address}\"\n")).await.err().unwrap();
    assert!(error.to_string().starts_with(&format!("cannot listen on {address} for QUIC")), "{error}");
}

#[tokio::test]
async fn without_any_address_for_quic_there_is_none() {
    let config = "[listen]\nhttp = \"127.0.0.1:0\"\nquic = \"\"\n[auth]\nrequire = false\n";
    let engine = Arc::new(Engine::embedded().unwrap());
    let bound = Gateway::bind(Config::parse(config).unwrap(), engine, None).await.unwrap();
    assert_eq!((bound.quic_addr(), bound.is_https()), (None, false));
    assert!(!bound.certificates().reload().unwrap());
}

/// What `GET path` over TLS on TCP and over HTTP/3 answers to who shows a certificate.
async fn asked_both_ways(
    gate: &Gate,
    path: &str,
    shown: impl Fn() -> Shown,
    headers: &[(&str, &str)],
) -> [u16; 2] {
    let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(tls(b"http/1.1", Some(shown()))));
    let stream = TcpStream::connect(gate.address).await.unwrap();
    let mut stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{lines}connection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let tcp = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let mut quic = Client::showing(b"h3", Some(shown())).http3(gate.quic).await;
    let asked = ask(&mut quic, axum::http::Method::GET, path, headers, "").await.unwrap();
    [tcp, asked.status.as_u16()]
}

#[tokio::test]
async fn a_client_certificate_that_is_listed_is_a_caller_and_no_other_gives_access() {
    let authority = Authority::new();
    let files = Files::new(&authority);
    files.trust(&authority);
    let callers = "[auth]\nroles = [{ name = \"watch\", scopes = [\"metrics\"] }]\ncertificates = [\
        { id = \"watcher\", uri = \"spiffe://test/watcher\", roles = [\"watch\"] },\
        { id = \"boss\", dns = \"Boss.internal\", tenant = \"acme\", scopes = [\"admin\"] },\
        { id = \"clerk\", email = \"clerk@internal\", scopes = [\"guard\"] }]\n";
    let gate = gate(&format!("{}{callers}", files.config(Some("optional")))).await;
    let check = async |name: &str, path: &str, expected: u16| {
        let answers = asked_both_ways(&gate, path, || authority.client(name, 2099), &[]).await;
        assert_eq!(answers, [expected; 2], "{name} {path}");
    };
    check("watcher", "/metrics", 200).await;
    check("watcher", "/admin/access", 403).await;
    check("boss", "/admin/access", 200).await;
    check("boss", "/metrics", 403).await;
    check("clerk", "/metrics", 403).await;
    check("stranger", "/metrics", 401).await;
    check("watcher2", "/metrics", 401).await;
    // A key that is known goes before the certificate; one that is not may be the caller's own for the model.
    let watcher = || authority.client("watcher", 2099);
    let known = [("x-api-key", gate.key.as_str())];
    assert_eq!(asked_both_ways(&gate, "/admin/access", watcher, &known).await, [200; 2]);
    let foreign = [("authorization", "Bearer sk-someone-elses")];
    assert_eq!(asked_both_ways(&gate, "/metrics", watcher, &foreign).await, [200; 2]);
}
