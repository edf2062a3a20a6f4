//! The `aimds` command as a library: one module per subcommand, and what they share under the name of the idea.
//!
//! Exit statuses: 0 nothing blocked, 1 something blocked, 2 wrong usage or configuration, 3 input that could not be
//! read. The order in which they win is written at [`Status`].
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

mod chunks;
mod cli;
mod data_directory;
mod gateway_client;
mod loading;
mod local_key;
mod moment;
mod ordered;
mod progress;
mod record;
mod status;
mod suggestion;
mod terminal;

pub mod attractor;
pub mod audit;
pub mod bench;
pub mod calibrate;
pub mod config;
pub mod eval;
pub mod explain;
pub mod graph;
pub mod learn;
pub mod policy;
pub mod review;
pub mod router;
pub mod scan;
pub mod serve;
pub mod session;
pub mod statistics;
pub mod token;

pub use cli::{Cli, Command, run};
pub use status::{Status, is_broken_pipe, is_usage};
