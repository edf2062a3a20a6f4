//! What sessions have shown, for people: in words with the numbers behind, never with a text.
//!
//! A caller of the default tenant (the empty name) sees every tenant's sessions; one of another tenant only its own.

use aimds_engine::{Cause, Features, RiskFeatures, Timestamp};
use axum::body::Body;
use axum::extract::Query;
use axum::http::{Response, Uri};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::admin::{answer, tenant_of};
use crate::app::{Call, now_ms};
use crate::error::Failure;
use crate::session_key::SessionKey;
use crate::sessions::Shown;

/// Sessions that one answer lists, where nothing else is said, and at most.
const LISTED: usize = 100;
const MOST_LISTED: usize = 1000;

/// Which sessions.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Asked {
    /// Whose; every tenant's that the caller may see where left out.
    tenant: Option<String>,
    /// The session that callers give this name.
    name: Option<String>,
    limit: Option<usize>,
}

/// The sessions that are remembered.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SessionsAnswer {
    /// Those that would be forgotten last come first: the risky before the suspicious before the calm.
    sessions: Vec<SessionAnswer>,
    /// How many there are.
    total: usize,
}

/// One session.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SessionAnswer {
    /// A hash of its name, as records and /admin/quarantine have it.
    id: String,
    /// Whose it is.
    tenant: String,
    /// What it has shown, a sentence for each thing.
    words: Vec<String>,
    /// Calibrated risk in \[0, 1\] of its messages together.
    risk: f32,
    /// What weighs most in it: `rising` or `repeating`; left out where the risk is 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'static str>,
    /// What each thing adds to the log-odds of the risk.
    log_odds: LogOdds,
    /// The highest score of a single message.
    peak: f32,
    /// How often the engine looked at a request or an answer of it.
    looks: u64,
    /// The last of these, at most 16, the oldest first.
    trajectory: Vec<LookAnswer>,
    /// Milliseconds since the Unix epoch.
    last_seen_ms: u64,
    /// What was counted and gathered.
    features: FeaturesAnswer,
}

/// What each thing adds to the log-odds of a session's risk.
#[derive(Debug, Serialize, JsonSchema)]
struct LogOdds {
    /// Evidence that the level of the scores has risen.
    level: f32,
    /// Scores gathered.
    gathered: f32,
    /// The same asked again and again.
    repeating: f32,
}

/// One look.
#[derive(Debug, Serialize, JsonSchema)]
struct LookAnswer {
    /// The highest score of a single message.
    score: f32,
    /// The risk of the session's messages together, afterwards.
    risk: f32,
}

/// What was counted and gathered. What is said to fade loses a tenth with each message.
#[derive(Debug, Serialize, JsonSchema)]
struct FeaturesAnswer {
    /// Messages with a score.
    messages: u32,
    /// Messages that were suspicious, apart from those with the same words as one shortly before.
    suspicious: u32,
    /// Evidence in nats that the level of the scores has risen.
    cusum: f32,
    /// Scores gathered; fades.
    accumulated: f32,
    /// Scores averaged, the older the less.
    average: f32,
    /// Refusals of the model.
    refusals: u32,
    /// Texts of the user that say again what the model has just refused.
    rephrased: u32,
    /// Of these, suspicious ones; fades.
    pressed: f32,
    /// How often the user's last text has been asked again: in other words after a refusal, or nearly word for word.
    near_duplicates: u32,
    /// Payloads that were split over several texts and put together.
    split_payloads: u32,
    /// Messages with something encoded or invisible.
    obfuscated: u32,
    /// Categories of manipulation found.
    categories: u32,
    /// Requests within a second after the one before.
    hurried: u32,
    /// First calls of tools.
    new_tools: u32,
}

pub(crate) fn list(call: &Call, uri: &Uri) -> Result<Response<Body>, Failure> {
    let Asked { tenant, name, limit } = asked(uri)?;
    let now = Timestamp(now_ms());
    let sessions = &call.app.sessions;
    let (shown, total) = match name {
        Some(name) => {
            let tenant = tenant_of(call, tenant)?;
            let found = sessions.find(Some(&tenant), SessionKey::of(&tenant, &name)?, now);
            let total = usize::from(found.is_some());
            (found.into_iter().collect(), total)
        }
        None => {
            let most = limit.unwrap_or(LISTED).min(MOST_LISTED);
            sessions.list(visible(call, tenant)?.as_deref(), now, most)
        }
    };
    answer(&SessionsAnswer { sessions: shown.into_iter().map(SessionAnswer::of).collect(), total })
}

pub(crate) fn show(call: &Call, uri: &Uri) -> Result<Response<Body>, Failure> {
    let id = uri.path().rsplit('/').next().unwrap_or_default();
    let id = SessionKey::parse(id)
        .ok_or_else(|| Failure::Invalid("the id of a session has 32 hexadecimal digits".into()))?;
    let tenant = visible(call, asked(uri)?.tenant)?;
    let found = call.app.sessions.find(tenant.as_deref(), id, Timestamp(now_ms()));
    answer(&SessionAnswer::of(found.ok_or(Failure::NotThere("session"))?))
}

fn asked(uri: &Uri) -> Result<Asked, Failure> {
    let Query(asked) = Query::try_from_uri(uri)
        .map_err(|_| Failure::Invalid("the query has tenant, name and limit (a number), each once".into()))?;
    Ok(asked)
}

/// One tenant, or every tenant for whoever may see all.
fn visible(call: &Call, asked: Option<String>) -> Result<Option<String>, Failure> {
    if asked.is_none() && call.tenant().is_empty() { Ok(None) } else { tenant_of(call, asked).map(Some) }
}

impl SessionAnswer {
    fn of(shown: Shown) -> Self {
        let Shown { id, tenant, session } = shown;
        let features = session.features();
        let [level, gathered, repeating] = RiskFeatures::of(&features).log_odds();
        let trajectory = session.looks().map(|look| LookAnswer { score: look.score, risk: look.risk });
        Self {
            id,
            tenant,
            words: session.words(),
            risk: session.risk(),
            cause: Cause::of(&features).map(Cause::as_str),
            log_odds: LogOdds { level, gathered, repeating },
            peak: session.peak(),
            looks: session.turns(),
            trajectory: trajectory.collect(),
            last_seen_ms: session.last_seen().0,
            features: features.into(),
        }
    }
}

impl From<Features> for FeaturesAnswer {
    fn from(features: Features) -> Self {
        let Features {
            messages,
            peak: _,
            cusum,
            accumulated,
            average,
            suspicious,
            pressed,
            repeated,
            rephrased,
            refusals,
            obfuscated,
            categories,
            hurried,
            new_tools,
            joined,
        } = features;
        Self {
            messages,
            suspicious,
            cusum,
            accumulated,
            average,
            refusals,
            rephrased,
            pressed,
            near_duplicates: repeated,
            split_payloads: joined,
            obfuscated,
            categories,
            hurried,
            new_tools,
        }
    }
}
