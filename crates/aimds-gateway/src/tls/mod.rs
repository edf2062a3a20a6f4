//! TLS of both listeners: certificates from files, clients' certificates, and the exchange of all of them without a
//! restart.
//!
//! What belongs together is exchanged together: a new certificate, a new key and new authorities make new
//! configurations with empty session caches, so that nobody resumes a session that the new authorities would not have
//! let begin. Connections that exist go on.

mod identity;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use quinn::crypto::rustls::QuicServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};

pub use identity::PeerIdentity;
pub(crate) use identity::{expires, identify};

use crate::config::{ClientAuth, TlsConfig};

/// ALPN of HTTP/3.
pub(crate) const H3: &[u8] = b"h3";
/// ALPN of requests and answers in JSON, one stream each.
pub(crate) const NATIVE: &[u8] = b"aimds/1";

/// Sessions that clients can resume over QUIC; the oldest goes first. Each can be resumed once, which is what makes
/// early data hard to replay (RFC 8446 §8.1).
const SESSIONS: usize = 4096;

/// Why certificates are not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}: {reason}", .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The certificate that the gateway makes for itself cannot be made.
    #[error("cannot make a development certificate")]
    Development(#[from] rcgen::Error),
    /// Certificate and key do not go together, or are of a kind that is not supported.
    #[error("the certificate cannot be used: {0}")]
    Unusable(String),
}

/// What new connections are greeted with.
struct Current {
    tcp: Option<Arc<ServerConfig>>,
    quic: Option<Arc<QuicServerConfig>>,
    /// Hash of the files that this came from.
    seen: Option<blake3::Hash>,
}

/// The certificates of a gateway.
pub(crate) struct Tls {
    files: Option<TlsConfig>,
    /// Whether there is a QUIC listener, and whether it takes early data.
    quic: Option<bool>,
    current: ArcSwap<Current>,
    /// One exchange at a time.
    exchange: Mutex<()>,
}

impl Tls {
    /// Reads the files, or makes a self-signed certificate where QUIC needs one and there are no files.
    pub(crate) fn load(files: Option<TlsConfig>, quic: Option<bool>) -> Result<Self, TlsError> {
        let current = Current::load(files.as_ref(), quic)?;
        Ok(Self { files, quic, current: ArcSwap::from_pointee(current), exchange: Mutex::new(()) })
    }

    /// For a new TCP connection; `None` where it has no TLS.
    pub(crate) fn tcp(&self) -> Option<Arc<ServerConfig>> {
        self.current.load().tcp.clone()
    }

    /// For a new QUIC connection.
    pub(crate) fn quic(&self) -> Option<Arc<QuicServerConfig>> {
        self.current.load().quic.clone()
    }

    /// Whether clients show certificates.
    pub(crate) fn asks_clients(&self) -> bool {
        self.files.as_ref().is_some_and(|files| files.clients.is_some())
    }

    /// Whether the certificate is of the gateway's own making.
    pub(crate) fn is_development(&self) -> bool {
        self.files.is_none()
    }

    fn reload(&self) -> Result<bool, TlsError> {
        let Some(files) = &self.files else { return Ok(false) };
        let _one = self.exchange.lock().unwrap_or_else(PoisonError::into_inner);
        if self.current.load().seen == Some(Content::read(files)?.hash()) {
            return Ok(false);
        }
        self.current.store(Arc::new(Current::load(Some(files), self.quic)?));
        Ok(true)
    }
}

/// The certificates of a running gateway, to be exchanged without a restart.
#[derive(Clone)]
pub struct Certificates(Arc<Tls>);

impl Certificates {
    pub(crate) fn of(tls: &Arc<Tls>) -> Self {
        Self(Arc::clone(tls))
    }

    /// Reads the files of `[tls]` again. True if they changed and new connections get what they hold now; false if they
    /// did not, or there are none. Blocks while it reads three small files.
    ///
    /// # Errors
    /// When the files cannot be used. What was in force stays in force.
    pub fn reload(&self) -> Result<bool, TlsError> {
        self.0.reload()
    }

    /// Looks at the files again and again, for as long as it is polled.
    pub(crate) async fn watch(self) {
        let Some(every) = self.0.files.as_ref().and_then(|files| files.watch) else {
            return std::future::pending().await;
        };
        loop {
            tokio::time::sleep(every).await;
            self.reload_and_tell().await;
        }
    }

    /// [`Self::reload`] off the thread, with the result in the log.
    pub async fn reload_and_tell(&self) {
        let again = self.clone();
        match tokio::task::spawn_blocking(move || again.reload()).await {
            Ok(Ok(true)) => tracing::info!("new certificates are in force"),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => {
                tracing::error!(error = %Chain(&error), "the certificates stay as they were: the new ones cannot be used");
            }
            Err(_) => tracing::error!("reading the certificates panicked"),
        }
    }
}

/// An error with its causes on one line.
pub(crate) struct Chain<'a>(pub(crate) &'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// What the files hold.
struct Content {
    certificate: Vec<u8>,
    key: Vec<u8>,
    clients: Option<Vec<u8>>,
}

impl Content {
    fn read(files: &TlsConfig) -> Result<Self, TlsError> {
        let read = |path: &Path| {
            std::fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })
        };
        Ok(Self {
            certificate: read(&files.certificate)?,
            key: read(&files.key)?,
            clients: files.clients.as_ref().map(|(path, _)| read(path)).transpose()?,
        })
    }

    fn hash(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        for part in [Some(&self.certificate), Some(&self.key), self.clients.as_ref()].into_iter().flatten() {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        hasher.finalize()
    }
}

/// A certificate chain and its key.
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    fn read(files: &TlsConfig, content: &Content) -> Result<Self, TlsError> {
        let chain = certificates(&files.certificate, &content.certificate)?;
        if chain.first().and_then(expires).is_some_and(|at| at <= std::time::SystemTime::now()) {
            tracing::warn!(path = %files.certificate.display(), "the gateway's own certificate has expired");
        }
        let key =
            PrivateKeyDer::from_pem_slice(&content.key).map_err(|error| unreadable(&files.key, &error))?;
        Ok(Self { chain, key })
    }

    /// Self-signed, for the names of this machine to itself.
    fn development() -> Result<Self, TlsError> {
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names)?;
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        Ok(Self { chain: vec![made.cert.der().clone()], key })
    }

    fn server(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
        clients: Option<&Arc<dyn ClientCertVerifier>>,
    ) -> Result<ServerConfig, TlsError> {
        let unusable = |error: rustls::Error| TlsError::Unusable(error.to_string());
        let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(versions);
        let builder = builder.map_err(unusable)?;
        let builder = match clients {
            Some(verifier) => builder.with_client_cert_verifier(Arc::clone(verifier)),
            None => builder.with_no_client_auth(),
        };
        builder.with_single_cert(self.chain.clone(), self.key.clone_key()).map_err(unusable)
    }
}

impl Current {
    fn load(files: Option<&TlsConfig>, quic: Option<bool>) -> Result<Self, TlsError> {
        let Some(files) = files else {
            let quic = match quic {
                Some(early) => Some(for_quic(Identity::development()?.server(&[&TLS13], None)?, early)?),
                None => None,
            };
            return Ok(Self { tcp: None, quic, seen: None });
        };
        let content = Content::read(files)?;
        let identity = Identity::read(files, &content)?;
        let clients = match (&files.clients, &content.clients) {
            (Some((path, auth)), Some(pem)) => Some(verifier(path, *auth, pem)?),
            _ => None,
        };
        let mut tcp = identity.server(&[&TLS13, &TLS12], clients.as_ref())?;
        tcp.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let quic = match quic {
            // Early data comes before the client has shown who it is.
            Some(early) => {
                Some(for_quic(identity.server(&[&TLS13], clients.as_ref())?, early && clients.is_none())?)
            }
            None => None,
        };
        Ok(Self { tcp: Some(Arc::new(tcp)), quic, seen: Some(content.hash()) })
    }
}

fn for_quic(mut config: ServerConfig, early_data: bool) -> Result<Arc<QuicServerConfig>, TlsError> {
    config.alpn_protocols = vec![H3.to_vec(), NATIVE.to_vec()];
    // QUIC knows only these two values (RFC 9001 §4.6.1).
    config.max_early_data_size = if early_data { u32::MAX } else { 0 };
    config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
    let config = QuicServerConfig::try_from(config);
    config.map(Arc::new).map_err(|error| TlsError::Unusable(error.to_string()))
}

fn verifier(path: &Path, auth: ClientAuth, pem: &[u8]) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let refused = |reason: String| TlsError::Content { path: path.to_owned(), reason };
    let mut roots = RootCertStore::empty();
    for authority in certificates(path, pem)? {
        roots.add(authority).map_err(|error| refused(error.to_string()))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    let builder = match auth {
        ClientAuth::Required => builder,
        ClientAuth::Optional => builder.allow_unauthenticated(),
    };
    builder.build().map_err(|error| refused(error.to_string()))
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let read = read.map_err(|error| unreadable(path, &error))?;
    match read.is_empty() {
        true => Err(TlsError::Content { path: path.to_owned(), reason: "holds no certificate".into() }),
        false => Ok(read),
    }
}

/// Says what is wrong with a PEM file without a part of it, which may be a key.
fn unreadable(path: &Path, error: &pem::Error) -> TlsError {
    let reason = match error {
        pem::Error::NoItemsFound => "holds no private key",
        _ => "is not PEM",
    };
    TlsError::Content { path: path.to_owned(), reason: reason.into() }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// How long a TLS handshake over TCP may take at most, and who came.
pub(crate) async fn shake_hands(
    config: Arc<ServerConfig>,
    stream: tokio::net::TcpStream,
    limit: Duration,
) -> io::Result<(tokio_rustls::server::TlsStream<tokio::net::TcpStream>, Option<Arc<PeerIdentity>>)> {
    let accepted = tokio::time::timeout(limit, tokio_rustls::TlsAcceptor::from(config).accept(stream));
    let stream = accepted.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let shown = stream.get_ref().1.peer_certificates();
    let peer = shown.map(identify).transpose().map_err(io::Error::other)?;
    Ok((stream, peer.map(Arc::new)))
}

#[cfg(test)]
mod tests;
