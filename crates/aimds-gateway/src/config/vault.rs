//! The vault of personal data.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use aimds_engine::vault::{Kinds, Options, Rules};
use axum::http::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;

use super::at_least_one;
use super::error::{ConfigError, value};

/// The vault of personal data.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VaultFile {
    /// Whose values are kept together.
    pub mode: VaultMode,
    /// Kinds of personal data that are kept where the policy redacts them.
    pub categories: Vec<String>,
    /// Kinds that are put back into the arguments of tool calls as well.
    pub call_categories: Vec<String>,
    /// Whether values are put back inside web addresses.
    pub restore_in_urls: bool,
    /// What placeholders look like.
    pub placeholders: Placeholders,
    /// Values of one request or session.
    pub max_values: NonZeroUsize,
    /// Header that names the session.
    pub session_header: String,
    /// JSON pointer of the member of the body that names the session, where there is no header.
    pub session_field: String,
    /// Time after its last request at which a session is erased, in milliseconds.
    pub ttl_ms: u64,
    /// Sessions of one tenant that are kept in memory.
    pub max_sessions: NonZeroUsize,
    /// File in which sessions survive a restart; empty where they do not.
    pub path: String,
    /// Name of the environment variable with the key.
    pub key_env: String,
    /// File with the key.
    pub key_file: String,
    /// What happens with a request whose session cannot be read or stored.
    pub on_error: OnVaultError,
}

/// Whose values are kept together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VaultMode {
    /// Nobody's: redaction is for good.
    Off,
    /// Those of one request, until its answer has ended.
    Request,
    /// Those of a session of a tenant; of a request, where it names no session.
    Session,
}

/// What placeholders look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Placeholders {
    /// `[EMAIL_1_k7q2m9xd]`.
    Tagged,
    /// E-mail addresses and card numbers look like some, and cannot be any.
    Lookalike,
}

/// What happens with a request whose session cannot be read or stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnVaultError {
    /// 503.
    Closed,
    /// It goes on with what is in memory; counted.
    Open,
}

impl Default for VaultFile {
    fn default() -> Self {
        Self {
            mode: VaultMode::Off,
            categories: vec!["pii.*".to_owned()],
            call_categories: Vec::new(),
            restore_in_urls: false,
            placeholders: Placeholders::Tagged,
            max_values: at_least_one(1024),
            session_header: "x-aimds-session".to_owned(),
            session_field: String::new(),
            ttl_ms: 3_600_000,
            max_sessions: at_least_one(10_000),
            path: String::new(),
            key_env: String::new(),
            key_file: String::new(),
            on_error: OnVaultError::Closed,
        }
    }
}

/// The vault, checked.
#[derive(Clone, Debug)]
pub struct VaultConfig {
    /// What is kept and put back.
    pub options: Options,
    /// Sessions; `None` where values are kept for a request only.
    pub sessions: Option<VaultSessions>,
}

/// Sessions of the vault.
#[derive(Clone, Debug)]
pub struct VaultSessions {
    /// Header that names the session.
    pub header: Option<HeaderName>,
    /// JSON pointer of the member that names it, empty where there is none.
    pub field: String,
    /// Time after the last request at which a session is erased.
    pub ttl: Duration,
    /// Sessions of one tenant in memory.
    pub most: usize,
    /// Where they survive a restart.
    pub file: Option<VaultStore>,
    /// Whether a request goes on whose session cannot be read or stored.
    pub open: bool,
}

/// The file of the vault and where its key is.
#[derive(Clone, Debug)]
pub struct VaultStore {
    /// The file.
    pub path: PathBuf,
    /// Where its key is.
    pub key: VaultKey,
}

/// Where the key of the file is: 64 hexadecimal digits.
#[derive(Clone, Debug)]
pub enum VaultKey {
    /// In this environment variable.
    Env(String),
    /// In this file, which only its owner may read.
    File(PathBuf),
}

/// More sealed values than this at once would make searching an answer slow.
const MOST_VALUES: usize = 65_536;

pub(super) fn resolve(file: VaultFile) -> Result<Option<VaultConfig>, ConfigError> {
    let kinds = |key: &str, names: &[String]| {
        Kinds::parse(names.iter().map(String::as_str)).map_err(|name| {
            let message = format!("\"{name}\" is no kind of personal data; secrets are never kept");
            value(&format!("vault.{key}"), &message)
        })
    };
    let rules =
        Rules { calls: kinds("call_categories", &file.call_categories)?, addresses: file.restore_in_urls };
    let options = Options {
        kinds: kinds("categories", &file.categories)?,
        formatted: file.placeholders == Placeholders::Lookalike,
        values: file.max_values.get(),
        rules,
        ..Options::default()
    };
    if options.values > MOST_VALUES {
        return Err(value("vault.max_values", "must be at most 65536"));
    }
    let sessions = sessions(&file)?;
    Ok(match file.mode {
        VaultMode::Off => None,
        VaultMode::Request => Some(VaultConfig { options, sessions: None }),
        VaultMode::Session => Some(VaultConfig { options, sessions: Some(sessions) }),
    })
}

fn sessions(file: &VaultFile) -> Result<VaultSessions, ConfigError> {
    let header = match file.session_header.as_str() {
        "" => None,
        name => Some(name.parse().map_err(|_| value("vault.session_header", "is not the name of a header"))?),
    };
    if !file.session_field.is_empty() && !file.session_field.starts_with('/') {
        return Err(value("vault.session_field", "must be a JSON pointer: \"/metadata/session\""));
    }
    if header.is_none() && file.session_field.is_empty() && file.mode == VaultMode::Session {
        return Err(value("vault.mode", "\"session\" needs session_header or session_field"));
    }
    if file.ttl_ms == 0 {
        return Err(value("vault.ttl_ms", "must be at least 1"));
    }
    let key = match (file.key_env.as_str(), file.key_file.as_str()) {
        ("", "") => None,
        (name, "") => Some(VaultKey::Env(name.to_owned())),
        ("", path) => Some(VaultKey::File(path.into())),
        _ => return Err(value("vault.key_file", "give key_env or key_file, not both")),
    };
    let store = match (file.path.as_str(), key) {
        ("", None) => None,
        ("", Some(_)) => return Err(value("vault.path", "is missing: a key is for a file only")),
        (_, None) => return Err(value("vault.path", "needs key_env or key_file")),
        (path, Some(key)) => Some(VaultStore { path: path.into(), key }),
    };
    if store.is_some() && file.mode != VaultMode::Session {
        return Err(value("vault.path", "needs mode = \"session\""));
    }
    Ok(VaultSessions {
        header,
        field: file.session_field.clone(),
        ttl: Duration::from_millis(file.ttl_ms),
        most: file.max_sessions.get(),
        file: store,
        open: file.on_error == OnVaultError::Open,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let file: VaultFile = toml::from_str(text).unwrap();
        assert_eq!(resolve(file).unwrap_err().to_string(), format!("invalid configuration: {expected}"));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_place() {
        check(
            "categories = [\"secret.jwt\"]",
            "vault.categories: \"secret.jwt\" is no kind of personal data; secrets are never kept",
        );
        check(
            "call_categories = [\"pii.mail\"]",
            "vault.call_categories: \"pii.mail\" is no kind of personal data; secrets are never kept",
        );
        check("max_values = 65537", "vault.max_values: must be at most 65536");
        check("session_header = \"a b\"", "vault.session_header: is not the name of a header");
        check(
            "session_field = \"user\"",
            "vault.session_field: must be a JSON pointer: \"/metadata/session\"",
        );
        check(
            "mode = \"session\"\nsession_header = \"\"",
            "vault.mode: \"session\" needs session_header or session_field",
        );
        check("ttl_ms = 0", "vault.ttl_ms: must be at least 1");
        check("path = \"v.db\"", "vault.path: needs key_env or key_file");
        check("key_env = \"K\"", "vault.path: is missing: a key is for a file only");
        check(
            "path = \"v\"\nkey_env = \"K\"\nkey_file = \"k\"",
            "vault.key_file: give key_env or key_file, not both",
        );
        check("mode = \"request\"\npath = \"v\"\nkey_env = \"K\"", "vault.path: needs mode = \"session\"");
    }

    #[test]
    fn it_is_off_unless_asked_for() {
        assert!(resolve(VaultFile::default()).unwrap().is_none());
        let mode =
            |mode: &str| resolve(toml::from_str(&format!("mode = \"{mode}\"")).unwrap()).unwrap().unwrap();
        assert!(mode("request").sessions.is_none() && mode("session").sessions.unwrap().file.is_none());
    }
}
