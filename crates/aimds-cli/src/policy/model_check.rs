//! `aimds policy model-check`.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use aimds_temporal::Formula;
use aimds_temporal::model::{CheckError, KripkeStructure, Lasso, Limits, Outcome, Proof, check};
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{formula, read};
use crate::Status;
use crate::cli::{Global, usage};
use crate::terminal::{self, Paint};

/// Arguments of `aimds policy model-check`.
#[derive(Debug, Args)]
pub struct ModelCheck {
    /// The model; - is standard input
    #[arg(long, value_name = "FILE")]
    pub model: String,
    /// What must hold on every run
    #[arg(long, value_name = "F")]
    pub formula: String,
    /// Write the proof to this file, for `aimds policy verify-proof`
    #[arg(long, value_name = "FILE")]
    pub proof: Option<PathBuf>,
    /// Refuse a formula with an event that no state has; otherwise it never happens
    #[arg(long)]
    pub strict: bool,
    /// What is written; dot and mermaid draw the run that violates the formula
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object.
    Json,
    /// A Graphviz graph.
    Dot,
    /// A Mermaid flowchart.
    Mermaid,
}

#[derive(Serialize)]
struct Answer<'a> {
    verdict: &'static str,
    prefix: Vec<&'a str>,
    cycle: Vec<&'a str>,
    /// Everything that somebody else needs to check the answer.
    certificate: &'a Proof,
    /// Events of the formula that no state has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unknown_events: Vec<String>,
    elapsed_us: u128,
}

pub(super) fn run(arguments: &ModelCheck, global: &Global) -> anyhow::Result<Status> {
    let formula = formula(&arguments.formula)?;
    let model = KripkeStructure::from_json(&read(&arguments.model)?)
        .with_context(|| format!("{} is not a model", arguments.model))?;
    let (model, unknown_events) = known(model, &formula, arguments.strict)?;
    for event in unknown_events.iter().filter(|_| !global.quiet) {
        terminal::tell(format_args!("note: no state has {event}: it never happens"));
    }
    let started = Instant::now();
    let outcome = check(&model, &formula, &Limits::default()).map_err(usage)?;
    let elapsed = started.elapsed();
    let lasso = match &outcome {
        Outcome::ResourceLimit(exhausted) => anyhow::bail!("too large to check: {exhausted}"),
        Outcome::Violated(lasso) => lasso.clone(),
        Outcome::Holds(_) => Lasso { prefix: Vec::new(), cycle: Vec::new() },
    };
    let holds = matches!(outcome, Outcome::Holds(_));
    let proof = Proof::new(&model, &formula, outcome).context("no answer")?;
    if let Some(path) = &arguments.proof {
        std::fs::write(path, proof.to_json()).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let mut out = std::io::stdout().lock();
    match arguments.format {
        Format::Json => {
            let names = |states: &[_]| states.iter().map(|&state| model.name(state)).collect();
            let answer = Answer {
                verdict: if holds { "holds" } else { "violated" },
                prefix: names(&lasso.prefix),
                cycle: names(&lasso.cycle),
                certificate: &proof,
                unknown_events,
                elapsed_us: elapsed.as_micros(),
            };
            serde_json::to_writer(&mut out, &answer)?;
            writeln!(out)?;
        }
        Format::Dot => out.write_all(lasso.to_dot(&model).as_bytes())?,
        Format::Mermaid => out.write_all(lasso.to_mermaid(&model).as_bytes())?,
        Format::Text => {
            let paint = Paint::for_stdout(global.color);
            let size = format!("{} states, {} transitions", model.state_count(), model.transition_count());
            if holds {
                writeln!(out, "{}  ({size})", paint.good("holds"))?;
            } else {
                writeln!(
                    out,
                    "{}  ({size}) on this run:\n{}",
                    paint.mark("violated"),
                    lasso.to_text(&model)
                )?;
            }
        }
    }
    Ok(if holds { Status::Clean } else { Status::Blocked })
}

/// The model with the events of the formula that no state has, and which they are.
fn known(
    mut model: KripkeStructure,
    formula: &Formula,
    strict: bool,
) -> anyhow::Result<(KripkeStructure, Vec<String>)> {
    let mut unknown = Vec::new();
    for atom in formula.atoms().into_iter().map(ToString::to_string) {
        if model.vocabulary().binary_search(&atom).is_err() {
            unknown.push(atom);
        }
    }
    if !strict {
        model = model.with_vocabulary(unknown.iter().cloned());
    } else if let Some(atom) = unknown.first() {
        return Err(usage(CheckError::UnknownAtom { atom: atom.clone(), nearest: None }));
    }
    Ok((model, unknown))
}
