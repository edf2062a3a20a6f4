//! The connection to the server of shared limits: opened, tried, lost, opened again.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, RedisConnectionInfo, RedisError};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::gcra::Rate;
use super::shared::{State, arguments};
use crate::config::{SharedLimitsConfig, SharedLimitsTls};

/// The script, after the line that sets its clock.
pub(super) const SCRIPT: &str = include_str!("gcra.lua");
/// The server's own clock.
const CLOCK: &str = "local time = redis.call('TIME')\nlocal now = time[1] * 1000000 + time[2]\n";
/// Time to connect, to show who we are and to load the script.
const CONNECTING: Duration = Duration::from_secs(2);
/// Pause before the next attempt to connect; it doubles.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A connection that has lasted so long is not one of a series of failures.
const LASTING: Duration = Duration::from_secs(10);

/// Why there is no connection. Says nothing that a server has written: it may quote what it was sent.
#[derive(Debug)]
pub(super) enum Lost {
    /// It does not answer within the time limit.
    Slow,
    /// It has closed the connection.
    Closed,
    /// It cannot be reached, or does not speak TLS as it should.
    Unreachable(io::Error),
    /// The password cannot be read.
    Password(io::Error),
    /// The authorities cannot be read.
    Authorities(String),
    /// It refuses, with this code.
    Refused(String),
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slow => f.write_str("it does not answer in time"),
            Self::Closed => f.write_str("the connection was closed"),
            Self::Unreachable(error) => write!(f, "it cannot be reached: {error}"),
            Self::Password(error) => write!(f, "the password cannot be read: {error}"),
            Self::Authorities(reason) => write!(f, "rate_limits.redis_ca: {reason}"),
            Self::Refused(code) => write!(f, "it refuses: {code}"),
        }
    }
}

impl From<RedisError> for Lost {
    fn from(error: RedisError) -> Self {
        match (error.is_connection_dropped() || error.is_io_error(), error.code()) {
            (true, _) => Self::Closed,
            (false, Some(code)) => Self::Refused(code.to_owned()),
            (false, None) => Self::Refused(format!("{:?}", error.kind())),
        }
    }
}

/// A connection that requests share.
#[derive(Debug)]
pub(super) struct Link {
    connection: MultiplexedConnection,
    /// The hash by which the server knows the script.
    script: String,
    /// Time limits that ran out one after the other.
    slow: AtomicU32,
    lost: Mutex<Option<oneshot::Sender<Lost>>>,
}

impl Link {
    /// Has the script decide.
    pub(super) async fn evaluate(&self, asked: &[(String, Rate)]) -> Result<Vec<i64>, Lost> {
        let mut command = redis::cmd("EVALSHA");
        command.arg(&self.script).arg(asked.len());
        asked.iter().for_each(|(key, _)| {
            command.arg(key);
        });
        asked.iter().for_each(|(_, rate)| {
            command.arg(&arguments(*rate));
        });
        let answer = send(&self.connection, &command).await?;
        self.slow.store(0, Ordering::Relaxed);
        redis::from_redis_value(answer).map_err(|_| Lost::Refused("no numbers".to_owned()))
    }

    /// Counts a time limit that ran out; gives how many did one after the other.
    pub(super) fn was_slow(&self) -> u32 {
        self.slow.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// Gives the connection up, once.
    pub(super) fn lose(&self, why: Lost) {
        let sender = self.lost.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sender) = sender {
            let _ = sender.send(why);
        }
    }
}

type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Keeps a connection for as long as it is polled. Whoever runs the gateway is told once that there is none, and once that
/// there is one again that lasts.
pub(super) async fn keep(state: Arc<State>) {
    let mut pause = PAUSE;
    let mut told = false;
    loop {
        let connected = tokio::time::timeout(CONNECTING, connect(&state.config)).await;
        let why = match connected.unwrap_or(Err(Lost::Slow)) {
            Err(why) => why,
            Ok((link, mut lost, mut driver)) => {
                state.link.store(Some(Arc::new(link)));
                let mut lasting = std::pin::pin!(tokio::time::sleep(LASTING));
                let mut lasts = false;
                let why = loop {
                    tokio::select! {
                        () = &mut driver => break Lost::Closed,
                        why = &mut lost => break why.unwrap_or(Lost::Closed),
                        () = &mut lasting, if !lasts => {
                            lasts = true;
                            pause = PAUSE;
                            if std::mem::take(&mut told) {
                                tracing::info!("rate limits are counted together with other gateways again");
                            }
                        }
                    }
                };
                state.link.store(None);
                why
            }
        };
        if !std::mem::replace(&mut told, true) {
            let server = format!("{}:{}", state.config.host, state.config.port);
            tracing::error!(%server, %why, "no shared rate limits: those of this process hold alone");
        }
        tokio::time::sleep(pause).await;
        pause = (2 * pause).min(LONGEST_PAUSE);
    }
}

/// Opens a connection, loads the script and has it decide once, so that a server that is too slow, too full, read-only or
/// does not permit it counts as away and no request has to find out.
async fn connect(config: &SharedLimitsConfig) -> Result<(Link, oneshot::Receiver<Lost>, Driver), Lost> {
    let password = config.password().map_err(Lost::Password)?;
    let mut info = RedisConnectionInfo::default().set_db(config.database.into()).set_skip_set_lib_name();
    if let Some(user) = &config.user {
        info = info.set_username(user);
    }
    if let Some(password) = &password {
        info = info.set_password(password.as_str());
    }
    let stream = open(config).await?;
    // Requests have a time limit of their own.
    let options = AsyncConnectionConfig::new().set_response_timeout(None);
    let (connection, driver) = MultiplexedConnection::new_with_config(&info, stream, options).await?;
    let mut driver: Driver = Box::pin(driver);
    let ready = async {
        let mut load = redis::cmd("SCRIPT");
        load.arg("LOAD").arg(format!("{CLOCK}{SCRIPT}"));
        let script = send(&connection, &load).await?;
        let script: String =
            redis::from_redis_value(script).map_err(|_| Lost::Refused("no hash".to_owned()))?;
        let (sender, lost) = oneshot::channel();
        let slow = AtomicU32::new(0);
        let link = Link { connection: connection.clone(), script, slow, lost: Mutex::new(Some(sender)) };
        let probe = [(format!("{}:probe", config.prefix), Rate::SMALLEST)];
        let tried = tokio::time::timeout(config.timeout, link.evaluate(&probe)).await;
        tried.map_err(|_| Lost::Slow)??;
        Ok::<_, Lost>((link, lost))
    };
    let (link, lost) = tokio::select! {
        () = &mut driver => return Err(Lost::Closed),
        ready = ready => ready?,
    };
    Ok((link, lost, driver))
}

async fn send(connection: &MultiplexedConnection, command: &Cmd) -> Result<redis::Value, Lost> {
    let value = connection.clone().send_packed_command(command).await?;
    Ok(value.extract_error()?)
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

async fn open(config: &SharedLimitsConfig) -> Result<Box<dyn Stream>, Lost> {
    let stream = TcpStream::connect((config.host.as_str(), config.port)).await.map_err(Lost::Unreachable)?;
    stream.set_nodelay(true).map_err(Lost::Unreachable)?;
    let Some(tls) = &config.tls else { return Ok(Box::new(stream)) };
    let name = ServerName::try_from(config.host.clone())
        .map_err(|_| Lost::Unreachable(io::ErrorKind::InvalidInput.into()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Lost::Unreachable(io::Error::other(error)))?
        .with_root_certificates(roots(tls)?)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
    let stream = connector.connect(name, stream).await.map_err(Lost::Unreachable)?;
    Ok(Box::new(stream))
}

fn roots(tls: &SharedLimitsTls) -> Result<RootCertStore, Lost> {
    let SharedLimitsTls::Authorities(path) = tls else {
        return Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
    };
    let wrong = |reason: String| Lost::Authorities(reason);
    let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(&pem) {
        let authority = authority.map_err(|_| wrong("is not PEM".to_owned()))?;
        roots.add(authority).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("holds no certificate".to_owned()));
    }
    Ok(roots)
}
