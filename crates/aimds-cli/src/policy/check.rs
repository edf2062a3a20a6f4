//! `aimds policy check`.

use std::io::Write as _;
use std::path::PathBuf;

use aimds_engine::{Checked, Policy, PolicyFile};
use anyhow::Context as _;
use clap::Args;
use serde::Serialize;

use super::Format;
use crate::Status;
use crate::cli::Global;
use crate::loading::misconfigured;
use crate::terminal::{Paint, printable};

/// Arguments of `aimds policy check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The policy
    pub file: PathBuf,
    /// What is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

#[derive(Serialize)]
struct Answer<'a> {
    /// It may be used: every promise is kept or waived.
    valid: bool,
    playbooks: usize,
    promises: Vec<Promise<'a>>,
}

#[derive(Serialize)]
struct Promise<'a> {
    name: &'a str,
    formula: &'a str,
    verdict: &'static str,
    /// A run that breaks it, in lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waived: Option<&'a str>,
}

pub(super) fn run(arguments: &Check, global: &Global) -> anyhow::Result<Status> {
    let named = || format!("policy {}", arguments.file.display());
    let text = std::fs::read_to_string(&arguments.file).with_context(named).map_err(misconfigured)?;
    let file = PolicyFile::parse(&text).with_context(named).map_err(misconfigured)?;
    let playbooks = file.playbook.len();
    let (_, promises) = Policy::examine(file).with_context(named).map_err(misconfigured)?;
    let valid = promises.iter().all(|promise| promise.holds() || promise.waived.is_some());
    let mut out = std::io::stdout().lock();
    match arguments.format {
        Format::Json => {
            let promises = promises.iter().map(promise).collect();
            serde_json::to_writer(&mut out, &Answer { valid, playbooks, promises })?;
            writeln!(out)?;
        }
        Format::Text => {
            let paint = Paint::for_stdout(global.color);
            writeln!(out, "{playbooks} playbooks, {} promises", promises.len())?;
            for promise in &promises {
                tell(&mut out, &paint, promise)?;
            }
        }
    }
    Ok(if valid { Status::Clean } else { Status::Blocked })
}

fn promise(checked: &Checked) -> Promise<'_> {
    Promise {
        name: &checked.name,
        formula: &checked.formula,
        verdict: if checked.holds() { "holds" } else { "broken" },
        run: checked.broken_by.as_deref(),
        waived: checked.waived.as_deref(),
    }
}

fn tell(out: &mut impl std::io::Write, paint: &Paint, promise: &Checked) -> std::io::Result<()> {
    let name = printable(&promise.name);
    match (&promise.broken_by, &promise.waived) {
        (None, _) => writeln!(out, "{}  {name}", paint.good("holds")),
        (Some(run), waived) => {
            writeln!(out, "{}  {name}, on this run:\n{run}", paint.mark("broken"))?;
            match waived {
                Some(why) => writeln!(out, "waived: {}", printable(why)),
                None => Ok(()),
            }
        }
    }
}
