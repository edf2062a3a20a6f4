//! `aimds policy verify`.

use std::io::{BufWriter, Write};
use std::time::Instant;

use aimds_temporal::{Event, Formula, Trace, Verdict, evaluate, evaluate_open};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Format, formula, read};
use crate::chunks::{Chunks, Line, Source};
use crate::cli::{Global, usage};
use crate::progress::Progress;
use crate::terminal::Paint;
use crate::{Status, suggestion};

/// Arguments of `aimds policy verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// What must hold
    #[arg(long, value_name = "F", required_unless_present = "batch", conflicts_with = "batch")]
    pub formula: Option<String>,
    /// The trace; - is standard input
    #[arg(long, value_name = "FILE", required_unless_present = "batch", conflicts_with = "batch")]
    pub trace: Option<String>,
    /// Many formulas and traces, one pair a line; - is standard input
    #[arg(long, value_name = "FILE")]
    pub batch: Option<String>,
    /// The trace may go on
    #[arg(long)]
    pub open: bool,
    /// What is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// One step of a trace.
#[derive(Deserialize)]
struct Step {
    t_ms: u64,
    #[serde(default)]
    events: Vec<String>,
}

/// One line of a batch.
#[derive(Deserialize)]
struct Pair {
    formula: String,
    trace: Vec<Step>,
    #[serde(default)]
    open: Option<bool>,
}

/// A verdict and the steps that explain it.
#[derive(Serialize)]
struct Answer {
    verdict: &'static str,
    witness: Vec<usize>,
    /// Whether an undecided verdict is known to be undecided; only over traces that may go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    exact: Option<bool>,
}

#[derive(Serialize)]
struct Timed<'a> {
    #[serde(flatten)]
    answer: &'a Answer,
    elapsed_us: u128,
}

#[derive(Serialize)]
struct BatchLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a RawValue>,
    #[serde(flatten)]
    answer: Answer,
}

#[derive(Serialize)]
struct ErrorLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a RawValue>,
    error: String,
}

pub(super) fn run(arguments: &Verify, global: &Global) -> anyhow::Result<Status> {
    if let Some(batch) = &arguments.batch {
        return run_batch(batch, arguments.open);
    }
    let (Some(text), Some(file)) = (&arguments.formula, &arguments.trace) else {
        return Err(usage("--formula and --trace, or --batch"));
    };
    let formula = formula(text)?;
    let trace = trace_of_lines(&read(file)?)?;
    let started = Instant::now();
    let answer = answer(&formula, &trace, arguments.open).map_err(usage)?;
    let elapsed = started.elapsed();
    let mut out = std::io::stdout().lock();
    match arguments.format {
        Format::Json => {
            serde_json::to_writer(&mut out, &Timed { answer: &answer, elapsed_us: elapsed.as_micros() })?;
            writeln!(out)?;
        }
        Format::Text => page(&answer, trace.len(), Paint::for_stdout(global.color), &mut out)?,
    }
    Ok(if answer.verdict == FALSE { Status::Blocked } else { Status::Clean })
}

const TRUE: &str = "true";
const FALSE: &str = "false";

fn page(answer: &Answer, steps: usize, paint: Paint, out: &mut impl Write) -> std::io::Result<()> {
    let shown = match answer.verdict {
        TRUE => paint.good(TRUE),
        FALSE => paint.mark(FALSE),
        undecided => paint.strong(undecided),
    };
    writeln!(out, "{shown}  ({steps} steps)")?;
    if !answer.witness.is_empty() {
        let steps: Vec<_> = answer.witness.iter().map(ToString::to_string).collect();
        writeln!(out, "because of step {} (counted from 0)", steps.join(", "))?;
    }
    Ok(())
}

/// Evaluates over a complete trace, or one that may go on.
fn answer(formula: &Formula, trace: &Trace, open: bool) -> Result<Answer, aimds_temporal::CompileError> {
    if !open {
        let closed = evaluate(formula, trace)?;
        return Ok(Answer {
            verdict: if closed.holds { TRUE } else { FALSE },
            witness: closed.witness,
            exact: None,
        });
    }
    let open = evaluate_open(formula, trace)?;
    let verdict = match open.verdict {
        Verdict::True => TRUE,
        // Nobody can say any more that it holds.
        Verdict::False | Verdict::LimitReached => FALSE,
        Verdict::PresumablyTrue => "presumably_true",
        Verdict::PresumablyFalse => "presumably_false",
    };
    Ok(Answer { verdict, witness: open.witness, exact: Some(open.exact) })
}

fn trace_of_lines(text: &str) -> anyhow::Result<Trace> {
    let mut trace = Trace::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let place = |problem: String| anyhow::anyhow!("line {} of the trace: {problem}", number + 1);
        let step: Step = serde_json::from_str(line).map_err(|error| place(error.to_string()))?;
        push(&mut trace, step).map_err(place)?;
    }
    Ok(trace)
}

fn push(trace: &mut Trace, step: Step) -> Result<(), String> {
    let events = step.events.iter().map(|text| event(text)).collect::<Result<Vec<_>, _>>()?;
    trace.push(step.t_ms, events).map_err(|error| error.to_string())
}

/// An event as formulas write it: `mitigated`, `call("send_email")`, `threat(7)`. Any other text is the name itself.
fn event(text: &str) -> Result<Event, String> {
    if !text.ends_with(')') {
        return Ok(Event::new(text));
    }
    let Some((name, arguments)) = text.strip_suffix(')').and_then(|text| text.split_once('(')) else {
        return Ok(Event::new(text));
    };
    let mut event = Event::new(name.trim());
    // Commas inside quotes are part of the value.
    let mut rest = arguments.trim();
    while !rest.is_empty() {
        let (value, after) =
            value(rest).ok_or_else(|| format!("{} is no event", suggestion::quoted(text)))?;
        event = event.arg(value);
        rest = after;
    }
    Ok(event)
}

/// The first value of a list, and what follows its comma.
fn value(list: &str) -> Option<(String, &str)> {
    let (value, after) = if list.starts_with('"') {
        let mut values = serde_json::Deserializer::from_str(list).into_iter::<String>();
        let value = values.next()?.ok()?;
        (value, list.get(values.byte_offset()..)?)
    } else {
        let end = list.find(',').unwrap_or(list.len());
        (list.get(..end)?.trim().to_owned(), list.get(end..)?)
    };
    let after = after.trim_start();
    if after.is_empty() { Some((value, "")) } else { Some((value, after.strip_prefix(',')?.trim_start())) }
}

fn run_batch(file: &str, open: bool) -> anyhow::Result<Status> {
    let source = Source::from_argument(file);
    let mut out = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    let (mut violated, mut bad) = (0, 0);
    for chunk in Chunks::new(source.open(&Progress::none())?) {
        for (_, line) in chunk?.lines() {
            let (id, answered) = batch_line(&line, open);
            match answered {
                Ok(answer) => {
                    violated += u64::from(answer.verdict == FALSE);
                    serde_json::to_writer(&mut out, &BatchLine { id: id.as_deref(), answer })?;
                }
                Err(error) => {
                    bad += 1;
                    serde_json::to_writer(&mut out, &ErrorLine { id: id.as_deref(), error })?;
                }
            }
            out.write_all(b"\n")?;
        }
    }
    out.flush()?;
    Ok(Status::of_run(violated, bad, false))
}

fn batch_line(line: &Line<'_>, open: bool) -> (Option<Box<RawValue>>, Result<Answer, String>) {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(default, borrow)]
        id: Option<&'a RawValue>,
    }
    let Line::Bytes(bytes) = line else { return (None, Err("the line is too long".into())) };
    let id =
        serde_json::from_slice::<Named<'_>>(bytes).ok().and_then(|named| named.id.map(ToOwned::to_owned));
    (
        id,
        serde_json::from_slice(bytes)
            .map_err(|error| error.to_string())
            .and_then(|pair| answer_of(pair, open)),
    )
}

fn answer_of(pair: Pair, open: bool) -> Result<Answer, String> {
    let formula = Formula::parse(&pair.formula).map_err(|error| format!("formula: {error}"))?;
    let mut trace = Trace::new();
    for (at, step) in pair.trace.into_iter().enumerate() {
        push(&mut trace, step).map_err(|error| format!("trace[{at}]: {error}"))?;
    }
    answer(&formula, &trace, pair.open.unwrap_or(open)).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_as_formulas_write_them() {
        let check = |text: &str, name: &str, args: &[&str]| {
            let event = event(text).unwrap();
            assert_eq!(
                (event.name.as_str(), event.args),
                (name, args.iter().map(ToString::to_string).collect())
            );
        };
        check("mitigated", "mitigated", &[]);
        check("threat(7)", "threat", &["7"]);
        check("call( \"send, \\\"now\\\"\" , x)", "call", &["send, \"now\"", "x"]);
        check("odd)", "odd)", &[]);
        check("empty()", "empty", &[]);
        assert!(event("call(\"a\" b)").is_err());
        assert!(event("call(\"a)").is_err());
    }
}
