//! Time series of behaviour: what kind of motion they show, and when they change.
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

mod analysis;
mod drift;
mod embedding;
mod error;
mod linear;
mod lyapunov;
mod period;
mod permutation;
mod random;
mod recurrence;
mod report;
mod spectrum;
mod standard;
mod surrogate;
mod trajectory;
mod zero_one;

pub use analysis::{Config, MAX_LEN, MIN_LEN, analyze, analyze_trajectory};
pub use embedding::{CaoStep, Embedding, MAX_DIMENSION, cao, first_minimum, mutual_information};
pub use error::Error;
pub use lyapunov::{Divergence, Estimate, kantz, kantz_divergence, rosenstein, rosenstein_divergence};
pub use permutation::permutation_entropy;
pub use recurrence::{MAX_RECURRENCE, Recurrence, recurrence};
pub use report::{Class, Exponent, Report, Summary};
pub use surrogate::{SurrogateTest, iaaft, surrogate_test};
pub use trajectory::Trajectory;
pub use zero_one::zero_one;
