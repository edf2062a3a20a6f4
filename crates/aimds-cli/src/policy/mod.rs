//! `aimds policy`: what a policy promises; temporal formulas over traces, and over every run of a model.

mod check;
mod explain;
mod model_check;
mod proof;
mod verify;

use std::io::Read as _;

use aimds_temporal::{Formula, ParseError};
use anyhow::Context as _;
use clap::{Subcommand, ValueEnum};

use crate::Status;
use crate::chunks::{LONGEST_LINE, Source};
use crate::cli::{Global, usage};
use crate::progress::Progress;

/// The subcommands of `aimds policy`.
#[derive(Debug, Subcommand)]
pub enum Policy {
    /// Check a policy: its playbooks, and what they promise
    #[command(
        after_help = "A promise is a formula over what the policy decides and orders, checked on every run of a model that \
is made from the policy itself; a policy that breaks one is not used unless the promise says why in `waived`.

Exit status: 0 valid and every promise kept or waived, 1 a promise is broken, 2 not a policy."
    )]
    Check(check::Check),
    /// Evaluate a formula over a trace of events
    #[command(
        after_help = "A trace is JSON lines in order of time: {\"t_ms\":0,\"events\":[\"read\",\"call(\\\"send\\\")\"]}.
A batch is JSON lines: {\"id\",\"formula\",\"trace\":[…],\"open\"?}; each is answered in its place.

Exit status: 0 holds (or is undecided), 1 is violated, 2 not a formula, 3 not a trace."
    )]
    Verify(verify::Verify),
    /// Check a formula on every run of a model
    #[command(
        after_help = "A model is JSON: {\"initial\":[\"s0\"],\"states\":{\"s0\":{\"props\":[\"a\"],\"next\":[\"s1\"]}}}. A state \
without successors stutters.

Exit status: 0 holds, 1 is violated, 2 not a formula, 3 not a model or too large."
    )]
    ModelCheck(model_check::ModelCheck),
    /// Re-check an answer of model-check without trusting the search
    #[command(after_help = "Exit status: 0 right, 1 wrong, 3 not a proof.")]
    VerifyProof(proof::VerifyProof),
    /// Show what a formula, a pattern or a sentence stands for
    Explain(explain::Explain),
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

/// Runs `aimds policy`.
///
/// # Errors
/// A formula that is none, a file that cannot be read.
pub fn run(policy: &Policy, global: &Global) -> anyhow::Result<Status> {
    match policy {
        Policy::Check(check) => check::run(check, global),
        Policy::Verify(verify) => verify::run(verify, global),
        Policy::ModelCheck(check) => model_check::run(check, global),
        Policy::VerifyProof(verify) => proof::run(verify, global),
        Policy::Explain(explain) => explain::run(explain),
    }
}

/// A formula from the command line; what is wrong with it is shown where it stands.
fn formula(text: &str) -> anyhow::Result<Formula> {
    Formula::parse(text).map_err(|error| usage(pointed_at(text, &error)))
}

/// The error below the text that it is about.
fn pointed_at(text: &str, error: &ParseError) -> String {
    let start = text.floor_char_boundary(error.span.start);
    let end = text.floor_char_boundary(error.span.end).max(start);
    let columns = |text: &str| text.chars().count();
    let before = columns(text.get(..start).unwrap_or_default());
    let marks = columns(text.get(start..end).unwrap_or_default()).max(1);
    format!("{error}\n  {}\n  {}{}", crate::terminal::printable(text), " ".repeat(before), "^".repeat(marks))
}

/// The whole of a small file.
fn read(argument: &str) -> anyhow::Result<String> {
    let source = Source::from_argument(argument);
    let mut text = String::new();
    source
        .open(&Progress::none())?
        .take(LONGEST_LINE as u64 + 1)
        .read_to_string(&mut text)
        .with_context(|| format!("cannot read {}", source.name()))?;
    anyhow::ensure!(
        text.len() <= LONGEST_LINE,
        "{} is larger than {} MiB",
        source.name(),
        LONGEST_LINE >> 20
    );
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_points_at_its_place() {
        let text = "G(p -> )";
        let shown = pointed_at(text, &Formula::parse(text).unwrap_err());
        assert!(shown.ends_with("\n  G(p -> )\n         ^"), "{shown}");
    }
}
