//! `aimds scan`: verdicts on a text, on files or on a stream of JSON lines.

mod page;
mod sarif;
mod stream;

use std::io::{IsTerminal as _, Read as _, Write as _};
use std::path::PathBuf;
use std::time::Instant;

use aimds_engine::{
    Action, Conversation, DeepMode, Engine, Finding, Origin, Outcome, Policy, ReasonCode, Redaction, Session,
    Timestamp, Verdict, redact,
};
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::chunks::{LONGEST_LINE, Source};
use crate::cli::{Global, usage};
use crate::progress::Progress;
use crate::terminal::{self, Paint};
use crate::{Status, loading, ordered};

/// Arguments of `aimds scan`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  aimds scan 'Ignore all previous instructions.'
  curl -s https://example.org | aimds scan - --origin document
  aimds scan --file README.md --file notes.txt --format sarif > aimds.sarif
  aimds scan --input jsonl --format jsonl prompts.jsonl > verdicts.jsonl

JSON lines: {\"id\",\"text\",\"origin\"?} or {\"id\",\"turns\":[{\"role\",\"content\"}]}. Every line is answered by one line, \
in the same order; a line that cannot be read is answered by {\"id\"?,\"line\",\"error\"}. Files that end in .zst are \
decompressed.

Exit status: 1 when something was blocked or needs a person (0 with --exit-zero), else 3 when something could not be \
read, else 0. Wrong usage and a policy that is refused: 2.")]
pub struct Scan {
    /// The text, or `-` for standard input; with `--input jsonl` the paths of the JSON lines
    #[arg(value_name = "TEXT|PATH|-")]
    pub what: Vec<String>,
    /// Look at the content of this file; may be given several times
    #[arg(short, long, value_name = "PATH", num_args = 1.., conflicts_with = "what")]
    pub file: Vec<PathBuf>,
    /// What is read: plain text, or one JSON object a line
    #[arg(short, long, value_enum, default_value_t = Input::Text)]
    pub input: Input,
    /// What is written; `text` for plain text and `jsonl` for JSON lines unless told otherwise
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Where the text comes from, if the line does not say: a sentence that gives orders is normal from a user and
    /// suspicious in a tool result
    #[arg(short, long, value_name = "ORIGIN", default_value = "user", value_parser = parse_origin)]
    pub origin: Origin,
    /// Add the text with personal data and secrets replaced, as far as the policy acts on them
    #[arg(long)]
    pub redact: bool,
    /// When to use the deep path
    #[arg(long, value_enum, default_value_t = Deep::Auto, value_name = "WHEN")]
    pub deep: Deep,
    /// Policy instead of the embedded one
    #[arg(short, long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Exit with 0 although something was blocked
    #[arg(long)]
    pub exit_zero: bool,
    /// Number of worker threads for JSON lines; one for each core unless told otherwise
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<usize>,
}

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Input {
    /// Plain text.
    Text,
    /// One JSON object a line.
    Jsonl,
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object for one input, an array for several files.
    Json,
    /// One JSON object a line.
    Jsonl,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
}

/// When to use the deep path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Deep {
    /// As the policy says: when the fast path is not sure, unless it says otherwise.
    Auto,
    /// For every text.
    Always,
    /// Not at all.
    Never,
}

impl Deep {
    /// The policy with the deep path used so.
    pub(crate) fn apply(self, policy: Policy) -> Policy {
        match self {
            Self::Auto => policy,
            Self::Always => policy.with_deep_mode(DeepMode::Always),
            Self::Never => policy.with_deep_mode(DeepMode::Never),
        }
    }
}

/// Reads the name of an origin.
pub(crate) fn parse_origin(name: &str) -> Result<Origin, String> {
    crate::record::origin(name).map_err(|error| {
        let known = Origin::ALL.map(Origin::as_str).join(", ");
        format!("{error}; known: {known}")
    })
}

/// Runs `aimds scan`.
///
/// # Errors
/// Wrong usage, a policy that is refused, input that cannot be read at all, output that cannot be written.
pub fn run(scan: &Scan, global: &Global) -> anyhow::Result<Status> {
    match (scan.input, scan.format) {
        (Input::Jsonl, None | Some(Format::Jsonl)) => scan_stream(scan, global),
        (Input::Jsonl, Some(_)) => Err(usage("--input jsonl is answered line by line: use --format jsonl")),
        (Input::Text, format) => scan_texts(scan, global, format.unwrap_or(Format::Text)),
    }
}

fn scan_stream(scan: &Scan, global: &Global) -> anyhow::Result<Status> {
    let mut sources: Vec<_> = scan.what.iter().map(|path| Source::from_argument(path)).collect();
    sources.extend(scan.file.iter().cloned().map(Source::File));
    if sources.is_empty() {
        if std::io::stdin().is_terminal() {
            return Err(usage("nothing to scan: give a path, or - for standard input"));
        }
        sources.push(Source::Stdin);
    }
    let engine = loading::engine(scan.policy.as_deref(), scan.deep)?;
    let progress = Progress::over(&sources, global);
    let settings = stream::Settings {
        origin: scan.origin,
        redact: scan.redact,
        name_files: sources.len() > 1,
        workers: ordered::workers(scan.jobs),
    };
    let done = stream::run(engine, sources, settings, &progress);
    progress.finish();
    let done = done?;
    for error in &done.unreadable {
        terminal::tell(format_args!("error: {error:#}"));
    }
    if done.bad_lines > 0 && !global.quiet {
        terminal::tell(format_args!("warning: {} of {} lines could not be read", done.bad_lines, done.lines));
    }
    if global.verbose > 0 {
        terminal::tell(format_args!("{} lines, {} blocked", done.lines, done.blocked));
    }
    Ok(Status::of_run(done.blocked, done.bad_lines + done.unreadable.len() as u64, scan.exit_zero))
}

/// One text and what the engine says about it.
struct Scanned {
    name: Option<String>,
    conversation: Conversation,
    outcome: Outcome,
    verdict: Verdict,
    redacted: Option<String>,
}

impl Scanned {
    fn text(&self) -> &str {
        self.conversation.messages.first().map_or("", |message| &message.text)
    }

    fn findings(&self) -> &[Finding] {
        &self.outcome.assessment.findings
    }
}

/// One text on the wire.
#[derive(Serialize)]
struct ScannedLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(flatten)]
    verdict: &'a Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    redacted: Option<&'a str>,
}

impl<'a> From<&'a Scanned> for ScannedLine<'a> {
    fn from(scanned: &'a Scanned) -> Self {
        let Scanned { name, verdict, redacted, .. } = scanned;
        Self { file: name.as_deref(), verdict, redacted: redacted.as_deref() }
    }
}

fn scan_texts(scan: &Scan, global: &Global, format: Format) -> anyhow::Result<Status> {
    let sources = text_sources(scan, global)?;
    let engine = loading::engine(scan.policy.as_deref(), scan.deep)?;
    let mut scanned = Vec::new();
    let mut unreadable = Vec::new();
    for (name, source) in sources {
        let text = match source {
            TextSource::Argument(text) => Ok(text),
            TextSource::Read(source) => read_text(&source),
        };
        match text {
            Ok(text) => scanned.push(scan_text(&engine, name, text, scan)),
            Err(error) => {
                unreadable.push(format!("{error:#}"));
                terminal::tell(format_args!("error: {error:#}"));
            }
        }
    }
    write_scanned(&scanned, &unreadable, scan, global, format)?;
    let blocked = scanned.iter().filter(|scanned| !scanned.outcome.decision.action().forwards()).count();
    Ok(Status::of_run(blocked as u64, unreadable.len() as u64, scan.exit_zero))
}

enum TextSource {
    Argument(String),
    Read(Source),
}

fn text_sources(scan: &Scan, global: &Global) -> anyhow::Result<Vec<(Option<String>, TextSource)>> {
    if !scan.file.is_empty() {
        let named =
            |path: &PathBuf| (Some(path.display().to_string()), TextSource::Read(Source::File(path.clone())));
        return Ok(scan.file.iter().map(named).collect());
    }
    match scan.what.as_slice() {
        [] if std::io::stdin().is_terminal() => {
            Err(usage("nothing to scan: give a text, --file PATH, or - for standard input"))
        }
        [] => Ok(vec![(None, TextSource::Read(Source::Stdin))]),
        [dash] if dash == "-" => Ok(vec![(None, TextSource::Read(Source::Stdin))]),
        [text] => {
            if !global.quiet && text.len() < 4096 && std::path::Path::new(text).is_file() {
                terminal::tell(format_args!(
                    "note: these words were scanned; to scan the file, use --file {text}"
                ));
            }
            Ok(vec![(None, TextSource::Argument(text.clone()))])
        }
        [_, more, ..] => Err(usage(format!(
            "unexpected argument '{more}': put the text in quotation marks, or use --file for files"
        ))),
    }
}

pub(crate) fn read_text(source: &Source) -> anyhow::Result<String> {
    let named = || format!("cannot read {}", source.name());
    let mut bytes = Vec::new();
    source
        .open(&Progress::none())?
        .take(LONGEST_LINE as u64 + 1)
        .read_to_end(&mut bytes)
        .with_context(named)?;
    if bytes.len() > LONGEST_LINE {
        anyhow::bail!("cannot read {}: longer than {} MiB", source.name(), LONGEST_LINE >> 20);
    }
    String::from_utf8(bytes).map_err(|error| {
        let place = error.utf8_error().valid_up_to() + 1;
        anyhow::anyhow!("cannot read {}: not UTF-8: byte {place}", source.name())
    })
}

fn scan_text(engine: &Engine, name: Option<String>, text: String, scan: &Scan) -> Scanned {
    let conversation = Conversation::single(scan.origin, text);
    let (outcome, verdict) = inspect(engine, &conversation, "");
    let redacted = scan.redact.then(|| {
        let messages = redacted(&conversation, &outcome).messages;
        messages.into_iter().map(|message| message.text).collect()
    });
    Scanned { name, conversation, outcome, verdict, redacted }
}

/// Asks the engine, as the first request of a session, and takes the time.
pub(crate) fn inspect(engine: &Engine, conversation: &Conversation, tenant: &str) -> (Outcome, Verdict) {
    let mut session = Session::new(tenant);
    let start = Instant::now();
    let outcome = engine.inspect(conversation, &mut session, Timestamp(0));
    let latency_us = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
    let verdict = Verdict::new(&outcome, conversation, Some(latency_us));
    (outcome, verdict)
}

/// The conversation with every personal datum and secret replaced that the policy acts on, be it only by a flag: who asks
/// for redaction wants them gone.
fn redacted(conversation: &Conversation, outcome: &Outcome) -> Conversation {
    let reasons = outcome.decision.reasons();
    let acted_on = |finding: &&Finding| {
        finding.category.is_data()
            && reasons.iter().any(|reason| {
                reason.code == ReasonCode::Finding
                    && reason.action > Action::Allow
                    && reason.category == Some(finding.category)
                    && reason.message == Some(finding.message)
            })
    };
    let mut places: Vec<Redaction> = Vec::new();
    // Findings are sorted by message and start, so that only the last place can overlap the next finding.
    for finding in outcome.assessment.findings.iter().filter(acted_on) {
        match places.last_mut() {
            Some(last) if last.message == finding.message && finding.span.start < last.span.end => {
                last.span.end = last.span.end.max(finding.span.end);
            }
            _ => places.push(Redaction {
                message: finding.message,
                span: finding.span.clone(),
                category: finding.category,
            }),
        }
    }
    let mut redacted = conversation.clone();
    redact(&mut redacted, &places);
    redacted
}

fn write_scanned(
    scanned: &[Scanned],
    unreadable: &[String],
    scan: &Scan,
    global: &Global,
    format: Format,
) -> anyhow::Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    match format {
        Format::Text => {
            let style = page::Style { paint: Paint::for_stdout(global.color), width: terminal::width() };
            for (number, scanned) in scanned.iter().enumerate() {
                if number > 0 && !global.quiet {
                    writeln!(out)?;
                }
                out.write_all(page::verdict(scanned, style, global).as_bytes())?;
            }
        }
        Format::Json => {
            let lines: Vec<_> = scanned.iter().map(ScannedLine::from).collect();
            match lines.as_slice() {
                [only] if scan.file.len() <= 1 => serde_json::to_writer_pretty(&mut out, only)?,
                [] if scan.file.len() <= 1 => return Ok(()),
                several => serde_json::to_writer_pretty(&mut out, several)?,
            }
            writeln!(out)?;
        }
        Format::Jsonl => {
            for scanned in scanned {
                serde_json::to_writer(&mut out, &ScannedLine::from(scanned))?;
                writeln!(out)?;
            }
        }
        Format::Sarif => {
            serde_json::to_writer_pretty(&mut out, &sarif::log(scanned, unreadable))?;
            writeln!(out)?;
        }
    }
    out.flush()?;
    Ok(())
}
