//! `aimds policy verify-proof`.

use std::io::Write as _;

use aimds_temporal::model::{Evidence, Proof};
use anyhow::Context as _;
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Format, read};
use crate::Status;
use crate::cli::Global;
use crate::terminal::Paint;

/// Arguments of `aimds policy verify-proof`.
#[derive(Debug, Args)]
pub struct VerifyProof {
    /// What `model-check` wrote with --proof or --format json; - is standard input
    pub file: String,
    /// What is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// The answer of `model-check --format json`.
#[derive(Deserialize)]
struct Answer<'a> {
    verdict: String,
    prefix: Vec<String>,
    cycle: Vec<String>,
    #[serde(borrow)]
    certificate: &'a RawValue,
}

impl Answer<'_> {
    /// The proof shows what it shows; what stands around it must say the same.
    fn contradicts(&self, proof: &Proof) -> Option<String> {
        let (verdict, prefix, cycle) = match proof.evidence() {
            Evidence::Holds(_) => ("holds", &[][..], &[][..]),
            Evidence::Violated { prefix, cycle } => ("violated", prefix.as_slice(), cycle.as_slice()),
        };
        let same = [self.verdict == verdict, self.prefix == prefix, self.cycle == cycle];
        let names = ["verdict", "prefix", "cycle"];
        let differs = names.into_iter().zip(same).find_map(|(name, same)| (!same).then_some(name))?;
        Some(format!("{differs}: not that of the certificate"))
    }
}

#[derive(Serialize)]
struct Checked<'a> {
    valid: bool,
    verdict: &'static str,
    formula: &'a str,
    states: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

pub(super) fn run(arguments: &VerifyProof, global: &Global) -> anyhow::Result<Status> {
    let text = read(&arguments.file)?;
    let answer = serde_json::from_str::<Answer<'_>>(&text).ok();
    let document = answer.as_ref().map_or(text.as_str(), |answer| answer.certificate.get());
    let proof = Proof::from_json(document).with_context(|| format!("{} is not a proof", arguments.file))?;
    let wrong = proof.verify().err().map(|error| error.to_string());
    let problem = wrong.or_else(|| answer.and_then(|answer| answer.contradicts(&proof)));
    let checked = Checked {
        valid: problem.is_none(),
        verdict: if proof.holds() { "holds" } else { "violated" },
        formula: proof.formula(),
        states: proof.model().state_count(),
        problem,
    };
    let mut out = std::io::stdout().lock();
    match arguments.format {
        Format::Json => {
            serde_json::to_writer(&mut out, &checked)?;
            writeln!(out)?;
        }
        Format::Text => {
            let paint = Paint::for_stdout(global.color);
            let claim =
                format!("{} is {} on the {} states", checked.formula, claimed(&checked), checked.states);
            match &checked.problem {
                None => writeln!(out, "{}  {claim}", paint.good("right"))?,
                Some(problem) => writeln!(out, "{}  that {claim}: {problem}", paint.mark("not shown"))?,
            }
        }
    }
    Ok(if checked.valid { Status::Clean } else { Status::Blocked })
}

fn claimed(checked: &Checked<'_>) -> &'static str {
    if checked.verdict == "holds" { "satisfied" } else { "violated" }
}
