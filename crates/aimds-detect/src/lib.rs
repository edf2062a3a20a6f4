//! Detection: normalised text in, findings out.
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

mod conversation;
pub mod encoder;
mod finding;
pub mod known;
pub mod leaks;
pub mod lexical;
mod literals;
pub mod names;
pub mod orders;
mod parts;
pub mod rules;
pub mod validators;

pub use conversation::{Conversation, Message, Origin, Role, ToolUse, ToolUseKind, Trust};
pub use finding::{Category, Detector, Finding};
pub use parts::split_values;
mod scanner;
pub use scanner::{Deep, Effort, MessageScan, Ordering, ScanExhausted, Scanner, head};
