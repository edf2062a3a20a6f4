//! Time series of behaviour: what kind of motion they show, when they change, and what is unusual in them.
//!
//! - **Kind of motion**: [`analyze`] says whether a series is constant, settles, repeats, drifts, is noise or is chaotic,
//!   with the numbers behind it and a sentence that says why. A positive exponent alone is not chaos: noise has one too.
//!   [`Class::Chaotic`] needs a test against surrogates, an exponent whose interval lies above 0, and a straight
//!   divergence curve.
//! - **Its parts**, to be used alone: [`mutual_information`], [`cao`], [`rosenstein`], [`kantz`], [`zero_one`],
//!   [`permutation_entropy`], [`recurrence()`], [`iaaft`], [`surrogate_test`].
//! - **Change**, one value at a time: [`Cusum`], [`LikelihoodCusum`], [`PageHinkley`], [`Adwin`], [`Bocpd`].
//! - **Anomaly**: [`HalfSpaceTrees`] for points of several measures.
//! - **Pictures** as SVG text: [`phase_portrait`], [`recurrence_plot`].
//! - **Series to try it on**: [`systems`].
//!
//! No clock, no files, no global randomness: what is random takes a seed. Values that are not finite are refused with
//! their place. The class of motion takes hundreds of values; a session of twenty has none, and is for the change detectors.
//!
//! ```
//! use aimds_attractor::{Class, Config, analyze};
//!
//! let wave: Vec<f64> = (0..500).map(|i| (f64::from(i) * std::f64::consts::TAU / 24.0).sin()).collect();
//! let report = analyze(&wave, &Config::default())?;
//! assert_eq!(report.class, Class::Periodic { period: 24.0 });
//! println!("{}", report.reason);
//! # Ok::<(), aimds_attractor::Error>(())
//! ```
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
mod anomaly;
mod change;
mod drift;
mod embedding;
mod error;
mod linear;
mod lyapunov;
mod period;
mod permutation;
mod picture;
mod random;
mod recurrence;
mod report;
mod spectrum;
mod standard;
mod surrogate;
pub mod systems;
mod trajectory;
mod zero_one;

pub use analysis::{Config, MAX_LEN, MIN_LEN, analyze, analyze_trajectory};
pub use anomaly::{HalfSpaceConfig, HalfSpaceTrees};
pub use change::{
    Adwin, AdwinConfig, Bocpd, Change, Cusum, Direction, LikelihoodCusum, PageHinkley, PageHinkleyConfig,
    Prior, RunLength, Shift, Sides,
};
pub use embedding::{CaoStep, Embedding, MAX_DIMENSION, cao, first_minimum, mutual_information};
pub use error::Error;
pub use lyapunov::{Divergence, Estimate, kantz, kantz_divergence, rosenstein, rosenstein_divergence};
pub use permutation::permutation_entropy;
pub use picture::{phase_portrait, recurrence_plot};
pub use recurrence::{MAX_RECURRENCE, Recurrence, recurrence};
pub use report::{Class, Exponent, Report, Summary};
pub use surrogate::{SurrogateTest, iaaft, surrogate_test};
pub use trajectory::Trajectory;
pub use zero_one::zero_one;
