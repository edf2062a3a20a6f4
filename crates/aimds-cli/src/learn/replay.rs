//! `aimds learn replay`: takes experiences in, line by line.

use aimds_learn::{Learner, LearnerConfig, LedgerLimits, Row};
use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};

use aimds_gateway::{LearnState, RESPONSES, parse_row, source_number};

use super::{Format, Where, page, state, write};
use crate::Status;
use crate::chunks::{Chunks, Line, Source};
use crate::cli::{Global, usage};
use crate::progress::Progress;
use crate::terminal::tell;

pub(super) const HELP: &str = "A line is a JSON object. Always: \"id\" (the same id counts once), \"at_ms\", \"trust\" \
(untrusted, trusted, verified), and \"source\", the name of who reports.
A decision and its outcome: \"features\" (1 to 32 numbers, the same number in every line), \"action\" and \"floor\" (allow, \
flag, redact, escalate, block; floor is allow unless given), \"propensity\" (the probability with which the action was \
chosen), \"reward\" (0 to 1), and where there are any \"class\" (0 or 1) and \"proposal\" (the one that decided, in a canary).
A labelled text: \"label\" (attack, benign), \"score\" (0 to 1, of the detector), and \"text\" or \"ngrams\", \"words\" (n-grams \
of words) and \"tokens\" (32-bit hashes, the last two in order). A text is hashed and not kept. Only labels with \"trust\":\"verified\" are learnt from.
Records of `aimds audit export` are read too: those of kind \"experience\", whose body is such a line; others are passed over.

Exit status: 0 all read, 3 some lines or the state could not be used.";

/// Lines whose fault is told.
const TOLD: u64 = 20;

/// Arguments of `aimds learn replay`.
#[derive(Debug, Args)]
pub struct Replay {
    /// JSON lines, `.zst` too; `-` reads standard input
    #[arg(value_name = "FILE")]
    pub file: String,
    /// How far a source is trusted, from 0 to 1: NAME=TRUST. May be given several times
    #[arg(long, value_name = "NAME=TRUST", value_parser = trust)]
    pub trust: Vec<(String, f64)>,
    /// For a new state: permitted rate of false alarms
    #[arg(long, value_name = "RATE", default_value_t = 0.01)]
    pub false_alarms: f64,
    /// For a new state: experiences between two looks at what could be better
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub adapt_every: u64,
    /// For a new state: levels of tuning at most, up to 25
    #[arg(long, value_name = "N", default_value_t = aimds_learn::MAX_LEVELS)]
    pub levels: usize,
    /// For a new state: cases of a canary; 0 for none
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub canary_rows: usize,
    /// For a new state: the seed of everything random
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Which state.
    #[command(flatten)]
    pub place: Where,
    /// What is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

fn trust(text: &str) -> Result<(String, f64), String> {
    let (name, trust) = text.rsplit_once('=').ok_or("give NAME=TRUST")?;
    let trust: f64 = trust.parse().map_err(|_| "TRUST is not a number".to_owned())?;
    if (0.0..=1.0).contains(&trust) {
        Ok((name.into(), trust))
    } else {
        Err("TRUST is not from 0 to 1".into())
    }
}

/// What came of a file.
#[derive(Default)]
struct Taken {
    rows: u64,
    passed_over: u64,
    faults: u64,
    told: Vec<Value>,
    notes: Vec<String>,
}

pub(super) fn run(arguments: &Replay, global: &Global) -> anyhow::Result<Status> {
    let source = Source::from_argument(&arguments.file);
    let progress = Progress::over(std::slice::from_ref(&source), global);
    let mut chunks = Chunks::new(source.open(&progress)?);
    let mut taken = Taken::default();
    let mut state: Option<LearnState> = None;
    while let Some(chunk) =
        chunks.next().transpose().with_context(|| format!("cannot read {}", source.name()))?
    {
        for (number, line) in chunk.lines() {
            let parsed = match line {
                Line::Bytes(bytes) => parse_row(bytes),
                Line::TooLong => Err("the line is too long".into()),
            };
            match parsed {
                Ok(None) => taken.passed_over += 1,
                Ok(Some(row)) => {
                    let state = match &mut state {
                        Some(state) => state,
                        None => state.insert(open(arguments, &row)?),
                    };
                    observe(state, &row, number, &mut taken);
                }
                Err(fault) => note_fault(number, fault, &mut taken),
            }
        }
    }
    progress.finish();
    let Some(state) = state else {
        report(arguments, global, &taken, None)?;
        anyhow::bail!("{} holds no experience", source.name());
    };
    state.save()?;
    report(arguments, global, &taken, Some(&state.learner))?;
    Ok(if taken.faults > 0 { Status::Input } else { Status::Clean })
}

/// Opens the state, or begins one with as many features as the first row.
fn open(arguments: &Replay, first: &Row) -> anyhow::Result<LearnState> {
    let mut state = state::open_or(&arguments.place, || {
        let features = first.experience.map_or(1, |experience| experience.features.len());
        let mut config = LearnerConfig::new(features, RESPONSES.len());
        config.false_alarms = arguments.false_alarms;
        config.adapt_every = arguments.adapt_every;
        config.levels.max_depth = arguments.levels;
        config.limits = LedgerLimits { canary_rows: arguments.canary_rows, ..LedgerLimits::default() };
        if !(1..=aimds_learn::MAX_LEVELS).contains(&arguments.levels) {
            return Err(usage("--levels is from 1 to 25"));
        }
        Learner::new(config, arguments.seed).map_err(usage)
    })?;
    for (name, trust) in &arguments.trust {
        state.learner.set_trust(source_number(name), *trust)?;
    }
    Ok(state)
}

fn observe(state: &mut LearnState, row: &Row, number: u64, taken: &mut Taken) {
    match state.learner.observe(row) {
        Ok(notes) => {
            taken.rows += 1;
            taken.notes.extend(notes.into_iter().map(|note| format!("line {number}: {note}")));
        }
        Err(error) => note_fault(number, error.to_string(), taken),
    }
}

fn note_fault(number: u64, fault: String, taken: &mut Taken) {
    taken.faults += 1;
    if taken.faults <= TOLD {
        tell(format_args!("line {number}: {fault}"));
        taken.told.push(json!({ "line": number, "error": fault }));
    }
}

fn report(
    arguments: &Replay,
    global: &Global,
    taken: &Taken,
    learner: Option<&Learner>,
) -> anyhow::Result<()> {
    let Taken { rows, passed_over, faults, told, notes } = taken;
    let json = json!({
        "rows": rows, "passed_over": passed_over, "faults": faults, "errors": told, "notes": notes,
        "status": learner.map(page::status),
    });
    write(arguments.format, global, &json, |paint| {
        let read = format!("{rows} rows read, {passed_over} passed over, {faults} not usable\n");
        let notes: String = notes.iter().map(|note| format!("{note}\n")).collect();
        let status = learner.map(|learner| page::text(learner, paint)).unwrap_or_default();
        format!("{read}{notes}\n{status}")
    })
}
