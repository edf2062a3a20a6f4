//! `aimds review`: what waits for a person, and what they say.

mod feedback;
mod page;
mod source;

use std::io::Write as _;
use std::path::PathBuf;

use aimds_store::ReviewState;
use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::Status;
use crate::cli::{Global, usage};
use crate::terminal::Paint;
use source::{Place, Source};

const AFTER: &str = "With --url the gateway is asked, with the key in AIMDS_API_KEY, which needs the scope \"review\". Without, \
list, show and export read the file of the queue, also while a gateway writes to it. Decisions go through the gateway: it \
knows who decides, and records it.

Exit status: 0 done, 2 wrong usage, 3 refused, not found or not readable.";

/// The subcommands of `aimds review`.
#[derive(Debug, Subcommand)]
pub enum Review {
    /// Which requests wait for a person, or did
    #[command(after_help = AFTER)]
    List(List),
    /// One of them with its texts
    #[command(after_help = AFTER)]
    Show(Show),
    /// Let it go on, once; with --edit with other texts
    #[command(after_help = AFTER)]
    Approve(Approve),
    /// Do not let it go on
    #[command(after_help = AFTER)]
    Deny(Deny),
    /// What reviewers said, as labelled JSON lines for `aimds learn replay`
    #[command(after_help = AFTER)]
    Export(Export),
}

/// Arguments of `aimds review list`.
#[derive(Debug, Args)]
pub struct List {
    /// Only those that stand so
    #[arg(long, value_enum)]
    pub state: Option<State>,
    /// At most so many, newest first
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub limit: u16,
    /// Where they are.
    #[command(flatten)]
    pub place: Place,
    /// What is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// Arguments of `aimds review show`.
#[derive(Debug, Args)]
pub struct Show {
    /// The review
    pub id: String,
    /// Where it is.
    #[command(flatten)]
    pub place: Place,
    /// What is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// Arguments of `aimds review approve`.
#[derive(Debug, Args)]
pub struct Approve {
    /// What is decided.
    #[command(flatten)]
    pub decision: Decision,
    /// Other texts in place of those of the request: a JSON array of {"at":N,"text":"..."}, with the places that `show` tells
    #[arg(long, value_name = "FILE")]
    pub edit: Option<PathBuf>,
}

/// Arguments of `aimds review deny`.
#[derive(Debug, Args)]
pub struct Deny {
    /// What is decided.
    #[command(flatten)]
    pub decision: Decision,
}

/// A decision.
#[derive(Debug, Args)]
pub struct Decision {
    /// The review
    pub id: String,
    /// Why
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub reason: String,
    /// What the texts are; an attack where it is denied, harmless where it is approved as it is, unless told otherwise
    #[arg(long, value_enum)]
    pub label: Option<Label>,
    /// Where it is.
    #[command(flatten)]
    pub place: Place,
    /// What is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// Arguments of `aimds review export`.
#[derive(Debug, Args)]
pub struct Export {
    /// Where they are.
    #[command(flatten)]
    pub place: Place,
}

/// Where a review stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum State {
    /// It waits for a person.
    Pending,
    /// It may go on, once.
    Approved,
    /// It may not.
    Denied,
    /// Nobody decided in time.
    Expired,
    /// Whoever asked has gone away.
    Withdrawn,
}

impl From<State> for ReviewState {
    fn from(state: State) -> Self {
        match state {
            State::Pending => Self::Pending,
            State::Approved => Self::Approved,
            State::Denied => Self::Denied,
            State::Expired => Self::Expired,
            State::Withdrawn => Self::Withdrawn,
        }
    }
}

/// What the texts of a request are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Label {
    /// An attack.
    Attack,
    /// Harmless.
    Benign,
    /// Not said: no feedback.
    None,
}

impl Label {
    fn as_str(self) -> &'static str {
        match self {
            Self::Attack => "attack",
            Self::Benign => "benign",
            Self::None => "none",
        }
    }
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// JSON, as the gateway answers it.
    Json,
}

/// Runs `aimds review`.
///
/// # Errors
/// A gateway that cannot be reached or refuses; a file that cannot be read; a review that does not exist.
pub fn run(review: &Review, global: &Global) -> anyhow::Result<Status> {
    match review {
        Review::List(list) => {
            let source = Source::of(&list.place)?;
            let reviews = source.list(list.state.map(ReviewState::from), usize::from(list.limit))?;
            write(list.format, global, &reviews, page::list)
        }
        Review::Show(show) => {
            let review = Source::of(&show.place)?.show(&show.id)?;
            write(show.format, global, &review, page::review)
        }
        Review::Approve(approve) => {
            let (action, texts) = match &approve.edit {
                None => ("approve", Value::Null),
                Some(file) => ("edit", edits(file)?),
            };
            decide(&approve.decision, action, texts, global)
        }
        Review::Deny(deny) => decide(&deny.decision, "deny", Value::Null, global),
        Review::Export(export) => feedback::export(&Source::of(&export.place)?),
    }
}

fn edits(file: &PathBuf) -> anyhow::Result<Value> {
    let named = || format!("cannot read {}", file.display());
    let edits: Value =
        serde_json::from_slice(&std::fs::read(file).with_context(named)?).with_context(named)?;
    anyhow::ensure!(edits.is_array(), "{} does not hold a JSON array", file.display());
    Ok(edits)
}

fn decide(decision: &Decision, action: &str, texts: Value, global: &Global) -> anyhow::Result<Status> {
    let Source::Gateway(gateway) = Source::of(&decision.place)? else {
        return Err(usage("decisions go through the gateway: give --url"));
    };
    let mut body = json!({ "action": action, "reason": decision.reason });
    if let Some(body) = body.as_object_mut() {
        if let Some(label) = decision.label {
            body.insert("label".into(), label.as_str().into());
        }
        if !texts.is_null() {
            body.insert("texts".into(), texts);
        }
    }
    let decided = gateway.decide(&decision.id, &body)?;
    write(decision.format, global, &decided, page::decided)
}

fn write(
    format: Format,
    global: &Global,
    value: &Value,
    page: impl FnOnce(&Value, Paint) -> String,
) -> anyhow::Result<Status> {
    let mut out = std::io::stdout().lock();
    match format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, value)?;
            writeln!(out)?;
        }
        Format::Text => out.write_all(page(value, Paint::for_stdout(global.color)).as_bytes())?,
    }
    Ok(Status::Clean)
}
