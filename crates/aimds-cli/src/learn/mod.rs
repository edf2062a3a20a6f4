//! `aimds learn`: learns from what happened, proposes, and puts into force what a person promotes.

mod audit;
mod page;
mod replay;
mod state;

use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;

use crate::Status;
use crate::cli::Global;
use crate::terminal::Paint;

/// The subcommands of `aimds learn`.
#[derive(Debug, Subcommand)]
pub enum Learn {
    /// Show what was learnt, what is proposed, and what is in force
    Status(Show),
    /// Learn from experiences: JSON lines, or records of `aimds audit export`
    #[command(after_help = replay::HELP)]
    Replay(replay::Replay),
    /// Look now what could be better, and take proposals as far as their evidence goes
    #[command(
        after_help = "A proposal goes from drafted to shadowed (what it would have changed is known), gated (rows that it \
has not learnt from show a sure gain), proven (a canary shows no loss), and then waits for `aimds learn promote`.

Exit status: 0, also when there is nothing to propose; 3 state not readable."
    )]
    Propose(Show),
    /// Put a proven proposal into force
    #[command(
        after_help = "Exit status: 0 in force, 1 refused (not proven, too fast, stopped), 3 state not readable."
    )]
    Promote(Decide),
    /// Put back what was in force before a promotion, or reject a proposal that is still open
    #[command(
        after_help = "Works at any rate and while learning is stopped. Exit status: 0 done, 1 refused, 3 state not readable."
    )]
    Rollback(Decide),
    /// The kill switch: nothing is learnt, proposed or promoted until --resume
    Stop(Stop),
}

/// Which state.
#[derive(Debug, Args)]
pub struct Where {
    /// The state; learn.state in the data directory unless told otherwise
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// Data directory; $XDG_DATA_HOME/aimds or ~/.local/share/aimds unless told otherwise
    #[arg(long, value_name = "DIR", env = "AIMDS_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
}

/// Arguments of `aimds learn status` and `propose`.
#[derive(Debug, Args)]
pub struct Show {
    /// Which state.
    #[command(flatten)]
    pub place: Where,
    /// What is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// Arguments of `aimds learn promote` and `rollback`.
#[derive(Debug, Args)]
pub struct Decide {
    /// The number of the proposal
    #[arg(value_name = "PROPOSAL")]
    pub proposal: u64,
    /// Who decides
    #[arg(long, value_name = "NAME")]
    pub by: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Append the decision to this audit log. A gateway that runs with this state does it by itself, and holds its log
    #[arg(long, value_name = "FILE")]
    pub audit: Option<PathBuf>,
    /// Which state.
    #[command(flatten)]
    pub place: Where,
    /// What is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// Arguments of `aimds learn stop`.
#[derive(Debug, Args)]
pub struct Stop {
    /// Go on again
    #[arg(long)]
    pub resume: bool,
    /// Append the decision to this audit log. A gateway that runs with this state does it by itself, and holds its log
    #[arg(long, value_name = "FILE")]
    pub audit: Option<PathBuf>,
    /// Which state.
    #[command(flatten)]
    pub place: Where,
    /// What is written
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
}

/// Runs `aimds learn`.
///
/// # Errors
/// A state that cannot be read or written, an audit log that cannot be appended to.
pub fn run(learn: &Learn, global: &Global) -> anyhow::Result<Status> {
    match learn {
        Learn::Status(show) => {
            let state = state::open(&show.place)?;
            write(show.format, global, &page::status(&state.learner), |paint| {
                page::text(&state.learner, paint)
            })?;
            Ok(Status::Clean)
        }
        Learn::Replay(arguments) => replay::run(arguments, global),
        Learn::Propose(show) => propose(show, global),
        Learn::Promote(decide) => decided(decide, global, true),
        Learn::Rollback(decide) => decided(decide, global, false),
        Learn::Stop(stop) => stopped(stop, global),
    }
}

fn propose(show: &Show, global: &Global) -> anyhow::Result<Status> {
    let mut state = state::open(&show.place)?;
    let notes = state.learner.adapt()?;
    state.save()?;
    let mut told = page::status(&state.learner);
    if let Some(told) = told.as_object_mut() {
        told.insert("notes".to_owned(), notes.clone().into());
    }
    let text = |paint: Paint| {
        let news = if notes.is_empty() { "nothing new to propose".to_owned() } else { notes.join("\n") };
        format!("{news}\n\n{}", page::proposals(&state.learner, paint))
    };
    write(show.format, global, &told, text)?;
    Ok(Status::Clean)
}

fn decided(decide: &Decide, global: &Global, promote: bool) -> anyhow::Result<Status> {
    let mut state = state::open(&decide.place)?;
    let log = decide.audit.as_deref().map(audit::open).transpose()?;
    let (by, reason, now_ms) = (decide.by.as_str(), decide.reason.as_str(), state::now_ms());
    let ledger = state.learner.ledger_mut();
    let open = ledger.proposals().iter().any(|it| it.id == decide.proposal && it.stage.is_open());
    let (event, done) = match (promote, open) {
        (true, _) => ("promoted", ledger.promote(decide.proposal, by, reason, now_ms)),
        (false, false) => ("rolled_back", ledger.roll_back(decide.proposal, by, reason, now_ms)),
        (false, true) => ("rejected", ledger.reject(decide.proposal, by, reason, now_ms)),
    };
    let told = match done {
        Ok(proposal) => page::proposal(proposal),
        Err(refused) => {
            let told = serde_json::json!({ "proposal": decide.proposal, "refused": refused.to_string() });
            write(decide.format, global, &told, |paint| format!("{}  {refused}\n", paint.mark("refused")))?;
            return Ok(Status::Blocked);
        }
    };
    let version = state.learner.ledger().live().version;
    let record = serde_json::json!({ "event": event, "proposal": decide.proposal, "kind": told.get("kind"), "by": by,
        "reason": reason, "live_version": version });
    state::decide(&state, log, record, now_ms)?;
    write(decide.format, global, &told, |paint| {
        format!(
            "{}  proposal {}; the live set is version {version}\n",
            paint.good(&event.replace('_', " ")),
            decide.proposal
        )
    })?;
    Ok(Status::Clean)
}

fn stopped(stop: &Stop, global: &Global) -> anyhow::Result<Status> {
    let mut state = state::open(&stop.place)?;
    let log = stop.audit.as_deref().map(audit::open).transpose()?;
    state.learner.ledger_mut().stop(!stop.resume);
    let event = if stop.resume { "learning_resumed" } else { "learning_stopped" };
    state::decide(&state, log, serde_json::json!({ "event": event }), state::now_ms())?;
    let told = serde_json::json!({ "stopped": !stop.resume });
    write(stop.format, global, &told, |_| format!("{}\n", event.replace('_', " ")))?;
    Ok(Status::Clean)
}

fn write(
    format: Format,
    global: &Global,
    json: &Value,
    text: impl FnOnce(Paint) -> String,
) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, json)?;
            writeln!(out)?;
        }
        Format::Text => out.write_all(text(Paint::for_stdout(global.color)).as_bytes())?,
    }
    Ok(())
}
