//! Rules: known wordings of attacks. One file for each rule, with its hits, near-misses and known gaps beside it.

mod file;
mod forbidden;
mod lint;
mod scratch;
mod set;

pub use file::{RuleFile, Severity, Status};
pub use lint::{Problem, lint};
pub use set::{RuleError, RuleHit, RuleMask, RuleSet};
