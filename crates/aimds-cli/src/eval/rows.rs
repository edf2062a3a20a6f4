//! Every labelled row, judged by the engine.

use std::sync::Arc;
use std::time::Instant;

use aimds_engine::{Conversation, Engine, Origin, Outcome, Session, Timestamp, Verdict};
use anyhow::Context as _;

use super::pii::PiiTally;
use crate::chunks::{Chunk, Chunks, Line, Source};
use crate::ordered::{self, Sink};
use crate::progress::Progress;
use crate::record::{Label, Record};

/// A file of labelled rows.
#[derive(Clone, Debug)]
pub(crate) struct LabelledFile {
    pub(crate) source: Source,
    pub(crate) name: String,
}

/// How rows are judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) origin: Origin,
    pub(crate) threshold: Option<f32>,
    pub(crate) limit: u64,
    pub(crate) workers: usize,
}

/// One row with an attack or benign label.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    /// Position in the list of files.
    pub(crate) file: usize,
    /// As in the data, or `line N` where the row has none.
    pub(crate) id: String,
    pub(crate) label: Label,
    pub(crate) category: Option<String>,
    pub(crate) source: Option<String>,
    /// What the policy would do.
    pub(crate) decision: &'static str,
    /// Whether the row counts as predicted to be an attack.
    pub(crate) predicted: bool,
    pub(crate) score: f32,
    pub(crate) latency_ns: u64,
}

/// All rows.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) judged: Vec<Judged>,
    /// Personal data by file.
    pub(super) pii: PiiTally,
    /// Of the rows that measure personal data.
    pub(super) pii_latency_ns: Vec<u64>,
}

struct Piece {
    file: usize,
    chunk: anyhow::Result<Chunk>,
}

/// Judges every row of every file.
///
/// # Errors
/// The first file or row that cannot be read, by name and line.
pub(super) fn judge(
    engine: Engine,
    files: Vec<LabelledFile>,
    settings: Settings,
    progress: &Progress,
) -> anyhow::Result<Rows> {
    let names: Arc<[String]> = files.iter().map(|file| file.name.clone()).collect();
    let mut rows = Rows::default();
    let work = move |piece: Piece| {
        let name = names.get(piece.file).map_or("", String::as_str);
        let chunk = piece.chunk.with_context(|| format!("cannot read {name}"))?;
        let mut rows = Rows::default();
        for (number, line) in chunk.lines().take_while(|(number, _)| *number <= settings.limit) {
            judge_row(&engine, piece.file, number, &line, settings, &mut rows)
                .map_err(|error| anyhow::anyhow!("{name}:{number}: {error}"))?;
        }
        Ok(rows)
    };
    ordered::run(settings.workers, pieces(files, settings.limit, progress.clone()), work, &mut rows)?;
    Ok(rows)
}

fn pieces(files: Vec<LabelledFile>, limit: u64, progress: Progress) -> impl Iterator<Item = Piece> + Send {
    (0..).zip(files).flat_map(move |(file, LabelledFile { source, .. })| {
        let chunks: Box<dyn Iterator<Item = anyhow::Result<Chunk>> + Send> = match source.open(&progress) {
            Ok(reader) => Box::new(Chunks::new(reader).map(|chunk| Ok(chunk?))),
            Err(error) => Box::new(std::iter::once(Err(error))),
        };
        chunks
            .take_while(move |chunk| !chunk.as_ref().is_ok_and(|chunk| chunk.first_line > limit))
            .map(move |chunk| Piece { file, chunk })
    })
}

impl Sink<anyhow::Result<Rows>> for Rows {
    fn take(&mut self, more: anyhow::Result<Rows>) -> anyhow::Result<()> {
        let more = more?;
        self.judged.extend(more.judged);
        self.pii.add(more.pii);
        self.pii_latency_ns.extend(more.pii_latency_ns);
        Ok(())
    }
}

fn judge_row(
    engine: &Engine,
    file: usize,
    number: u64,
    line: &Line<'_>,
    settings: Settings,
    rows: &mut Rows,
) -> Result<(), String> {
    let record = Record::parse(line)?;
    let label = record.label()?;
    let conversation = record.conversation(settings.origin)?;
    let (outcome, latency_ns) = timed(engine, &conversation);
    let Some(label) = label else {
        let spans = record.spans()?.ok_or("neither \"label\" nor \"spans\"")?;
        if !record.is_single() {
            return Err("\"spans\" need \"text\", not \"turns\"".into());
        }
        let verdict = Verdict::new(&outcome, &conversation, None);
        rows.pii.row(file, &spans, &verdict.findings);
        rows.pii_latency_ns.push(latency_ns);
        return Ok(());
    };
    let decision = outcome.decision.would();
    let score = outcome.assessment.score;
    rows.judged.push(Judged {
        file,
        id: record.id.map_or_else(|| format!("line {number}"), identifier),
        label,
        category: record.category()?,
        source: record.source()?,
        decision: decision.as_str(),
        predicted: settings.threshold.map_or(!decision.forwards(), |threshold| score >= threshold),
        score,
        latency_ns,
    });
    Ok(())
}

/// A string by its content, anything else as it was written.
fn identifier(id: &serde_json::value::RawValue) -> String {
    serde_json::from_str(id.get()).unwrap_or_else(|_| id.get().to_owned())
}

/// Each row is the first request of a session.
fn timed(engine: &Engine, conversation: &Conversation) -> (Outcome, u64) {
    let mut session = Session::new("");
    let start = Instant::now();
    let outcome = engine.inspect(conversation, &mut session, Timestamp(0));
    (outcome, u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX))
}
