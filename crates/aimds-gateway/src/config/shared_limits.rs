//! Where limits on rates are counted together with other gateways: the keys of `[rate_limits]` that begin with `redis_`.

use std::io::{self, Read as _};
use std::path::PathBuf;
use std::time::Duration;

use axum::http::Uri;
use zeroize::Zeroizing;

use super::error::{ConfigError, value};
use super::rate_limits::RateLimitsFile;

/// Longer than any password that is meant.
const LONGEST: u64 = 4096;

/// The server, Redis or Valkey, and how it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedLimitsConfig {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Number of the database.
    pub database: u16,
    /// TLS; `None` for none.
    pub tls: Option<SharedLimitsTls>,
    /// The user of its access list.
    pub user: Option<String>,
    /// Where the password is, read for each connection.
    pub password: Option<SecretPlace>,
    /// Time for an answer.
    pub timeout: Duration,
    /// What its keys begin with.
    pub prefix: String,
}

/// Whose certificates are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SharedLimitsTls {
    /// Those of the authorities that browsers trust.
    Public,
    /// Those of the authorities in this file.
    Authorities(PathBuf),
}

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretPlace {
    /// In this environment variable.
    Env(String),
    /// In this file, which only its owner may read.
    File(PathBuf),
}

impl SharedLimitsConfig {
    /// Reads the password, if there is one; without white space around it.
    ///
    /// # Errors
    /// The variable is not set, or the file cannot be read or is open to others.
    pub fn password(&self) -> io::Result<Option<Zeroizing<String>>> {
        let text = match &self.password {
            None => return Ok(None),
            Some(SecretPlace::Env(name)) => {
                let unset = || io::Error::other(format!("the environment variable {name} is not set"));
                Zeroizing::new(std::env::var(name).map_err(|_| unset())?)
            }
            Some(SecretPlace::File(path)) => {
                let file = std::fs::File::open(path)?;
                #[cfg(unix)]
                {
                    use std::os::unix::fs::PermissionsExt as _;
                    if file.metadata()?.permissions().mode() & 0o077 != 0 {
                        return Err(io::Error::other("others may read the file: chmod 600 it"));
                    }
                }
                let mut text = Zeroizing::new(String::new());
                file.take(LONGEST).read_to_string(&mut text)?;
                text
            }
        };
        Ok(Some(Zeroizing::new(text.trim().to_owned())))
    }
}

pub(super) fn resolve(file: &RateLimitsFile) -> Result<Option<SharedLimitsConfig>, ConfigError> {
    if file.redis_url.is_empty() {
        return Ok(None);
    }
    let wrong = || {
        value("rate_limits.redis_url", "must be redis://[user@]host[:port][/database], or rediss:// for TLS")
    };
    let uri = file.redis_url.parse::<Uri>().map_err(|_| wrong())?;
    let (scheme, authority) = uri.scheme_str().zip(uri.authority()).ok_or_else(wrong)?;
    let user = authority.as_str().rsplit_once('@').map(|(user, _)| user);
    if user.is_some_and(|user| user.contains(':')) {
        let message =
            "must not hold the password: redis_password_env or redis_password_file says where it is";
        return Err(value("rate_limits.redis_url", message));
    }
    let database = match uri.path().trim_start_matches('/') {
        "" => 0,
        number => number.parse().map_err(|_| wrong())?,
    };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    if host.is_empty() || uri.query().is_some() {
        return Err(wrong());
    }
    let tls = match (scheme, file.redis_ca.as_str()) {
        ("redis", "") => None,
        ("redis", _) => return Err(value("rate_limits.redis_ca", "is for rediss:// only")),
        ("rediss", "") => Some(SharedLimitsTls::Public),
        ("rediss", path) => Some(SharedLimitsTls::Authorities(path.into())),
        _ => return Err(wrong()),
    };
    let password = match (file.redis_password_env.as_str(), file.redis_password_file.as_str()) {
        ("", "") => None,
        (name, "") if std::env::var_os(name).is_none() => {
            return Err(value("rate_limits.redis_password_env", "the environment variable is not set"));
        }
        (name, "") => Some(SecretPlace::Env(name.to_owned())),
        ("", path) => Some(SecretPlace::File(path.into())),
        _ => {
            let message = "give redis_password_env or redis_password_file, not both";
            return Err(value("rate_limits.redis_password_file", message));
        }
    };
    if !(1..=1000).contains(&file.redis_timeout_ms) {
        return Err(value("rate_limits.redis_timeout_ms", "must be between 1 and 1000"));
    }
    Ok(Some(SharedLimitsConfig {
        host,
        port: authority.port_u16().unwrap_or(6379),
        database,
        tls,
        user: user.filter(|user| !user.is_empty()).map(str::to_owned),
        password,
        timeout: Duration::from_millis(file.redis_timeout_ms),
        prefix: file.redis_prefix.clone(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<SharedLimitsConfig>, ConfigError> {
        resolve(&toml::from_str(text).unwrap())
    }

    #[test]
    fn addresses_are_taken_apart() {
        let check = |url: &str, expected: (&str, u16, u16, Option<&str>, bool)| {
            let config = read(&format!("redis_url = \"{url}\"")).unwrap().unwrap();
            let SharedLimitsConfig { host, port, database, user, tls, .. } = &config;
            assert_eq!((host.as_str(), *port, *database, user.as_deref(), tls.is_some()), expected, "{url}");
        };
        check("redis://cache", ("cache", 6379, 0, None, false));
        check("rediss://cache.example:7000/3", ("cache.example", 7000, 3, None, true));
        check("redis://limits@[::1]:1/", ("::1", 1, 0, Some("limits"), false));
        assert!(read("").unwrap().is_none());
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_place() {
        let check = |text: &str, expected: &str| {
            let error = read(&text.replace("URL", "redis_url = \"redis://a\"")).unwrap_err().to_string();
            assert_eq!(error, format!("invalid configuration: rate_limits.redis_{expected}"), "{text}");
        };
        let shape = "url: must be redis://[user@]host[:port][/database], or rediss:// for TLS";
        for url in ["cache:6379", "http://a", "redis://", "redis://a/b", "redis://a?b=1", "redis:///0"] {
            check(&format!("redis_url = \"{url}\""), shape);
        }
        check(
            "redis_url = \"redis://:secret@a\"",
            "url: must not hold the password: redis_password_env or redis_password_file says where it is",
        );
        check("URL\nredis_ca = \"ca.pem\"", "ca: is for rediss:// only");
        check("URL\nredis_timeout_ms = 0", "timeout_ms: must be between 1 and 1000");
        check(
            "URL\nredis_password_env = \"AIMDS_NO_SUCH_VARIABLE\"",
            "password_env: the environment variable is not set",
        );
        check(
            "URL\nredis_password_env = \"PATH\"\nredis_password_file = \"p\"",
            "password_file: give redis_password_env or redis_password_file, not both",
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_password_is_read_from_a_file_that_nobody_else_may_read() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        std::fs::write(&path, " s3cret\n").unwrap();
        let config =
            read(&format!("redis_url = \"redis://a\"\nredis_password_file = \"{}\"", path.display()));
        let config = config.unwrap().unwrap();
        let allow = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        allow(0o644);
        assert!(config.password().unwrap_err().to_string().contains("chmod 600"));
        allow(0o600);
        assert_eq!(config.password().unwrap().unwrap().as_str(), "s3cret");
    }
}
