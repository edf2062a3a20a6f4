//! What a person decides on.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::VaultKey;
use super::at_least_one;
use super::error::{ConfigError, value};

/// What a person decides on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReviewFile {
    /// Whether what the policy escalates waits for a person, and how.
    pub mode: ReviewMode,
    /// File of the queue.
    pub path: String,
    /// Name of the environment variable with the key of the file.
    pub key_env: String,
    /// File with the key.
    pub key_file: String,
    /// Mode "ticket": how long an item waits for a person, in milliseconds.
    pub timeout_ms: u64,
    /// Mode "wait": how long a request is held for a person, in milliseconds.
    pub wait_ms: u64,
    /// Mode "wait": requests that are held at the same time.
    pub max_waiting: NonZeroUsize,
    /// What is decided where nobody has in time.
    pub on_timeout: OnTimeout,
    /// How long a decision stands, in milliseconds.
    pub decision_ms: u64,
    /// How long what was decided on is kept as feedback, in milliseconds.
    pub keep_ms: u64,
    /// Items that wait at the same time.
    pub max_pending: NonZeroUsize,
    /// Items of one tenant that wait at the same time.
    pub max_pending_per_tenant: NonZeroUsize,
    /// Sealed bytes of everything that is kept.
    pub max_bytes: u64,
    /// What happens where the queue is full.
    pub on_full: OnQueueFull,
    /// For which decisions a reviewer must say why.
    pub reasons: ReasonsFor,
    /// Whether the webhook of `[notify]` is told.
    pub notify: bool,
}

/// Whether what the policy escalates waits for a person, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReviewMode {
    /// It is refused, and nobody is asked.
    Off,
    /// It is refused with the name of its review; once that is approved, the same request passes once.
    Ticket,
    /// The request is held until somebody has decided or the time is up.
    Wait,
}

/// What is decided where nobody has in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnTimeout {
    /// No.
    Deny,
    /// Yes.
    Approve,
}

/// What happens where the queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnQueueFull {
    /// The request is refused and nobody is asked.
    Closed,
    /// What has waited longest ends undecided.
    Oldest,
}

/// For which decisions a reviewer must say why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReasonsFor {
    /// None.
    None,
    /// Denials.
    Deny,
    /// Approvals.
    Approve,
    /// Both.
    Both,
}

impl ReasonsFor {
    /// Whether a decision needs one.
    #[must_use]
    pub fn need(self, approved: bool) -> bool {
        match self {
            Self::None => false,
            Self::Deny => !approved,
            Self::Approve => approved,
            Self::Both => true,
        }
    }
}

impl Default for ReviewFile {
    fn default() -> Self {
        Self {
            mode: ReviewMode::Off,
            path: String::new(),
            key_env: String::new(),
            key_file: String::new(),
            timeout_ms: 86_400_000,
            wait_ms: 60_000,
            max_waiting: at_least_one(256),
            on_timeout: OnTimeout::Deny,
            decision_ms: 3_600_000,
            keep_ms: 2_592_000_000,
            max_pending: at_least_one(1000),
            max_pending_per_tenant: at_least_one(500),
            max_bytes: 64 << 20,
            on_full: OnQueueFull::Closed,
            reasons: ReasonsFor::Both,
            notify: true,
        }
    }
}

/// The queue, checked.
#[derive(Clone, Debug)]
pub struct ReviewConfig {
    /// The file.
    pub path: PathBuf,
    /// Where its key is; `None` for a file beside it, which is made where there is none.
    pub key: Option<VaultKey>,
    /// Whether requests are held.
    pub waits: bool,
    /// How long an item waits for a person.
    pub timeout: Duration,
    /// Requests that are held at the same time.
    pub max_waiting: usize,
    /// Whether what nobody has decided on in time is approved.
    pub approve_on_timeout: bool,
    /// How long a decision stands.
    pub decision: Duration,
    /// How long what was decided on is kept.
    pub keep: Duration,
    /// Items that wait at the same time.
    pub max_pending: usize,
    /// Items of one tenant that wait at the same time.
    pub max_pending_per_tenant: usize,
    /// Sealed bytes of everything that is kept.
    pub max_bytes: u64,
    /// Whether what has waited longest ends where the queue is full.
    pub make_room: bool,
    /// For which decisions a reviewer must say why.
    pub reasons: ReasonsFor,
    /// Whether the webhook is told.
    pub notify: bool,
}

pub(super) fn resolve(file: ReviewFile) -> Result<Option<ReviewConfig>, ConfigError> {
    for (key, ms) in [
        ("timeout_ms", file.timeout_ms),
        ("wait_ms", file.wait_ms),
        ("decision_ms", file.decision_ms),
        ("keep_ms", file.keep_ms),
        ("max_bytes", file.max_bytes),
    ] {
        if ms == 0 {
            return Err(value(&format!("review.{key}"), "must be at least 1"));
        }
    }
    let key = match (file.key_env.as_str(), file.key_file.as_str()) {
        ("", "") => None,
        (name, "") => Some(VaultKey::Env(name.to_owned())),
        ("", path) => Some(VaultKey::File(path.into())),
        _ => return Err(value("review.key_file", "give key_env or key_file, not both")),
    };
    if file.mode == ReviewMode::Off {
        return Ok(None);
    }
    if file.path.is_empty() {
        return Err(value("review.path", "is missing: what waits survives a restart"));
    }
    let waits = file.mode == ReviewMode::Wait;
    Ok(Some(ReviewConfig {
        path: file.path.into(),
        key,
        waits,
        timeout: Duration::from_millis(if waits { file.wait_ms } else { file.timeout_ms }),
        max_waiting: file.max_waiting.get(),
        approve_on_timeout: file.on_timeout == OnTimeout::Approve,
        decision: Duration::from_millis(file.decision_ms),
        keep: Duration::from_millis(file.keep_ms),
        max_pending: file.max_pending.get(),
        max_pending_per_tenant: file.max_pending_per_tenant.get(),
        max_bytes: file.max_bytes,
        make_room: file.on_full == OnQueueFull::Oldest,
        reasons: file.reasons,
        notify: file.notify,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused_with_its_place() {
        let check = |text: &str, expected: &str| {
            let error = resolve(toml::from_str(text).unwrap()).unwrap_err().to_string();
            assert_eq!(error, format!("invalid configuration: review.{expected}"));
        };
        check("wait_ms = 0", "wait_ms: must be at least 1");
        check("mode = \"wait\"", "path: is missing: what waits survives a restart");
        check("key_env = \"K\"\nkey_file = \"k\"", "key_file: give key_env or key_file, not both");
    }

    #[test]
    fn it_is_off_unless_asked_for_and_closed_unless_told_otherwise() {
        assert!(resolve(ReviewFile::default()).unwrap().is_none());
        let config = |mode: &str| {
            resolve(toml::from_str(&format!("mode = \"{mode}\"\npath = \"r.db\"")).unwrap()).unwrap().unwrap()
        };
        let ticket = config("ticket");
        assert!(!ticket.approve_on_timeout && !ticket.make_room && !ticket.waits);
        assert_eq!((ticket.timeout.as_secs(), config("wait").timeout.as_secs()), (86_400, 60));
        assert!(ticket.reasons.need(true) && ticket.reasons.need(false));
        assert!(!ReasonsFor::Deny.need(true) && ReasonsFor::Deny.need(false));
    }
}
