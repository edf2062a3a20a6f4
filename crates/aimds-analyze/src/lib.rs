//! Analysis: findings and session history in, one calibrated assessment with reasons out.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::unreachable
    )
)]

mod assessment;
mod obedience;
mod provenance;
mod session;
mod sessions;

pub use assessment::{Assessment, Degraded, Exhausted, MessageRisk, assess};
pub use obedience::{Obeyed, PlantedOrder, mark_wished, obeyed, obeyed_after};
pub use provenance::{Taint, taints, taints_after};
pub use session::{
    Categories, Cause, Event, Features, Fingerprint, Joined, Look, RiskFeatures, SUSPICIOUS, Session,
    SessionRisk, Timestamp, Trajectory, looks_like_refusal, session_risk, splits,
};
pub use sessions::{Known, NoRoom, SessionKey, SessionLimits, Sessions};
