//! Who a client is, from its certificate to the requests on its connection.

use std::time::SystemTime;

use axum::body::Body;
use axum::http::{Method, Response};
use quinn::crypto::rustls::QuicClientConfig;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType, date_time_ymd};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::identity::Unidentified;
use super::*;
use crate::error::Shape;
use crate::routes::{Access, Route};
use crate::{Config, Gateway};

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    fn sign(&self, params: &CertificateParams) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }
}

fn agent() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "agent-7");
    params.subject_alt_names = vec![
        SanType::DnsName("agent-7.internal".try_into().unwrap()),
        SanType::URI("spiffe://test/agent-7".try_into().unwrap()),
        SanType::Rfc822Name("agent-7@internal".try_into().unwrap()),
        SanType::IpAddress("127.0.0.1".parse().unwrap()),
    ];
    params
}

#[test]
fn names_are_read_and_time_is_looked_at_again() {
    let authority = Authority::new();
    let (certificate, _) = authority.sign(&agent());
    let identity = identify(&[certificate.der().clone()]).unwrap();
    assert_eq!(identity.common_name(), Some("agent-7"));
    assert_eq!(identity.dns_names(), ["agent-7.internal"]);
    assert_eq!(identity.uris(), ["spiffe://test/agent-7"]);
    assert_eq!(identity.emails(), ["agent-7@internal"]);

    let mut nobody = CertificateParams::default();
    nobody.distinguished_name = rcgen::DistinguishedName::new();
    let (certificate, _) = authority.sign(&nobody);
    assert_eq!(identify(&[certificate.der().clone()]), Ok(PeerIdentity::default()));

    let mut expired = agent();
    (expired.not_before, expired.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    let (certificate, _) = authority.sign(&expired);
    assert!(expires(certificate.der()).unwrap() < SystemTime::now());
    assert_eq!(identify(&[certificate.der().clone()]), Err(Unidentified::Expired));

    assert_eq!(identify(&[]), Err(Unidentified::Unreadable));
    assert_eq!(identify(&[CertificateDer::from(vec![0x30, 0x80, 1])]), Err(Unidentified::Unreadable));
}

static WHO: &[Route] = &[Route {
    method: Method::GET,
    path: "/who",
    access: Access::Open,
    shape: Shape::Native,
    guarded: false,
    summary: "Who asks.",
    request: None,
    answer: ("text/plain", |generator| generator.subschema_for::<String>()),
    provider: None,
    handler: |_, request| {
        let identity = request.extensions().get::<Arc<PeerIdentity>>();
        let name = identity.and_then(|identity| identity.common_name()).unwrap_or("nobody").to_owned();
        Box::pin(std::future::ready(Ok(Response::new(Body::from(name)))))
    },
}];

fn client(authority: &Authority, alpn: &[u8]) -> rustls::ClientConfig {
    let (certificate, key) = authority.sign(&agent());
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate.der().clone()).unwrap();
    let builder = rustls::ClientConfig::builder_with_provider(provider());
    let builder = builder.with_protocol_versions(&[&TLS13]).unwrap().with_root_certificates(roots);
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let mut config = builder.with_client_auth_cert(vec![certificate.der().clone()], key).unwrap();
    config.alpn_protocols = vec![alpn.to_vec()];
    config
}

#[tokio::test]
async fn every_request_carries_who_its_connection_belongs_to() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (own, key) = authority.sign(&CertificateParams::new(vec!["localhost".to_owned()]).unwrap());
    let config = format!(
        "[listen]\nhttp = \"127.0.0.1:0\"\nquic = \"127.0.0.1:0\"\n[auth]\nrequire = false\n\
         [tls]\ncertificate = '{}'\nkey = '{}'\nclient_ca = '{}'\n",
        file("certificate.pem", own.pem()),
        file("key.pem", key.serialize_pem()),
        file("clients.pem", authority.certificate.pem()),
    );
    let engine = Arc::new(aimds_engine::Engine::embedded().unwrap());
    let bound = Gateway::bind_routes(Config::parse(&config).unwrap(), engine, None, WHO).await.unwrap();
    let (tcp, quic) = (bound.local_addr(), bound.quic_addr().unwrap());
    tokio::spawn(bound.serve(std::future::pending()));

    let connector = tokio_rustls::TlsConnector::from(Arc::new(client(&authority, b"http/1.1")));
    let stream = tokio::net::TcpStream::connect(tcp).await.unwrap();
    let mut stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    stream.write_all(b"GET /who HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("\r\n\r\nagent-7"), "{answer}");

    let crypto = QuicClientConfig::try_from(client(&authority, NATIVE)).unwrap();
    let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let connecting = endpoint.connect_with(quinn::ClientConfig::new(Arc::new(crypto)), quic, "localhost");
    let connection = connecting.unwrap().await.unwrap();
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    send.write_all(br#"{"route":"/who"}"#).await.unwrap();
    send.finish().unwrap();
    let answer: serde_json::Value =
        serde_json::from_slice(&receive.read_to_end(1000).await.unwrap()).unwrap();
    assert_eq!(answer["body"], "agent-7", "{answer}");
}
