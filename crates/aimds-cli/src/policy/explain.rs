//! `aimds policy explain`.

use std::io::Write as _;

use clap::Args;

use super::formula;
use crate::Status;

/// Arguments of `aimds policy explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// A formula, a pattern or a sentence
    pub formula: String,
}

pub(super) fn run(arguments: &Explain) -> anyhow::Result<Status> {
    let formula = formula(&arguments.formula)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{formula}")?;
    let atoms: Vec<_> = formula.atoms().into_iter().map(ToString::to_string).collect();
    writeln!(out, "events: {}", if atoms.is_empty() { "none".into() } else { atoms.join(", ") })?;
    let variables: Vec<_> = formula.variables().into_iter().collect();
    if !variables.is_empty() {
        writeln!(out, "for every value of: {}", variables.join(", "))?;
    }
    Ok(Status::Clean)
}
