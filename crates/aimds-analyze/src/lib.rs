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
mod provenance;
mod session;

pub use assessment::{Assessment, Degraded, Exhausted, MessageRisk, assess};
pub use provenance::{Taint, taints};
pub use session::{Session, Timestamp};
