//! JSON lines in, JSON lines out: same order, all cores, constant memory. A line that cannot be read is answered by an
//! error line, and the run goes on.

use std::io::{self, BufWriter, StdoutLock, Write as _};
use std::sync::Arc;
use std::{iter, panic};

use aimds_engine::{Conversation, Engine, Origin, Verdict};
use anyhow::Context as _;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{inspect, redacted};
use crate::chunks::{Chunk, Chunks, Source};
use crate::ordered::{self, Sink};
use crate::progress::Progress;
use crate::record::Record;

/// What the lines do not say themselves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) origin: Origin,
    pub(super) redact: bool,
    /// Whether error lines tell which file they are about.
    pub(super) name_files: bool,
    pub(super) workers: usize,
}

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) lines: u64,
    pub(super) bad_lines: u64,
    pub(super) blocked: u64,
    /// Sources that could not be opened, or not be read to their end.
    pub(super) unreadable: Vec<anyhow::Error>,
}

#[derive(Serialize)]
struct VerdictLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a RawValue>,
    #[serde(flatten)]
    verdict: &'a Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    redacted: Option<Redacted<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Redacted<'a> {
    Text(&'a str),
    Turns(Vec<RedactedTurn<'a>>),
}

#[derive(Serialize)]
struct RedactedTurn<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Serialize)]
struct ErrorLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    line: u64,
    error: &'a str,
}

/// The answer to one chunk.
#[derive(Default)]
struct Answer {
    bytes: Vec<u8>,
    lines: u64,
    bad_lines: u64,
    blocked: u64,
    unreadable: Option<anyhow::Error>,
}

/// Answers every line of every source on standard output.
///
/// # Errors
/// Standard output cannot be written.
pub(super) fn run(
    engine: Engine,
    sources: Vec<Source>,
    settings: Settings,
    progress: &Progress,
) -> anyhow::Result<Done> {
    let progress = progress.clone();
    let chunks = sources.into_iter().flat_map(move |source| chunks_of(&source, &progress));
    let answer = move |(name, chunk): (Arc<str>, anyhow::Result<Chunk>)| match chunk {
        Ok(chunk) => answer(&engine, &name, &chunk, settings),
        Err(error) => Answer { unreadable: Some(error), ..Answer::default() },
    };
    let mut writer =
        Writer { out: BufWriter::with_capacity(1 << 16, io::stdout().lock()), done: Done::default() };
    ordered::run(settings.workers, chunks, answer, &mut writer)?;
    writer.out.flush()?;
    Ok(writer.done)
}

type NamedChunk = (Arc<str>, anyhow::Result<Chunk>);

fn chunks_of(source: &Source, progress: &Progress) -> Box<dyn Iterator<Item = NamedChunk> + Send> {
    let name: Arc<str> = source.name().into();
    match source.open(progress) {
        Ok(reader) => Box::new(Chunks::new(reader).map(move |chunk| {
            let chunk = chunk.with_context(|| format!("cannot read {name}"));
            (name.clone(), chunk)
        })),
        Err(error) => Box::new(iter::once((name, Err(error)))),
    }
}

struct Writer<'a> {
    out: BufWriter<StdoutLock<'a>>,
    done: Done,
}

impl Sink<Answer> for Writer<'_> {
    fn take(&mut self, answer: Answer) -> anyhow::Result<()> {
        self.out.write_all(&answer.bytes)?;
        self.done.lines += answer.lines;
        self.done.bad_lines += answer.bad_lines;
        self.done.blocked += answer.blocked;
        self.done.unreadable.extend(answer.unreadable);
        Ok(())
    }

    fn idle(&mut self) -> anyhow::Result<()> {
        Ok(self.out.flush()?)
    }
}

fn answer(engine: &Engine, name: &str, chunk: &Chunk, settings: Settings) -> Answer {
    let mut answer = Answer::default();
    for (number, line) in chunk.lines() {
        answer.lines += 1;
        let (id, result) = match Record::parse(&line) {
            Ok(record) => (record.id, verdict_line(engine, &record, settings)),
            Err(error) => (None, Err(error)),
        };
        match result {
            Ok((line, blocked)) => {
                answer.bytes.extend(line);
                answer.blocked += u64::from(blocked);
            }
            Err(error) => {
                answer.bad_lines += 1;
                let file = settings.name_files.then_some(name);
                let line = ErrorLine { id, file, line: number, error: &error };
                // Writing these types to memory cannot fail.
                answer.bytes.extend(serde_json::to_vec(&line).unwrap_or_default());
            }
        }
        answer.bytes.push(b'\n');
    }
    answer
}

fn verdict_line(engine: &Engine, record: &Record<'_>, settings: Settings) -> Result<(Vec<u8>, bool), String> {
    let conversation = record.conversation(settings.origin)?;
    // One text must not take down the run that a million others are part of.
    let looked = panic::catch_unwind(panic::AssertUnwindSafe(|| inspect(engine, &conversation, "")));
    let (outcome, verdict) =
        looked.map_err(|_| "the engine failed on this text; this is a fault of aimds".to_owned())?;
    let clean = settings.redact.then(|| redacted(&conversation, &outcome));
    let redacted = clean.as_ref().map(|clean| on_the_wire(clean, record.is_single()));
    let line = serde_json::to_vec(&VerdictLine { id: record.id, verdict: &verdict, redacted })
        .map_err(|error| error.to_string())?;
    Ok((line, !outcome.decision.action().forwards()))
}

fn on_the_wire(conversation: &Conversation, single: bool) -> Redacted<'_> {
    match conversation.messages.as_slice() {
        [only] if single => Redacted::Text(&only.text),
        messages => Redacted::Turns(
            messages
                .iter()
                .map(|message| RedactedTurn { role: message.role.as_str(), content: &message.text })
                .collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunks::Line;

    #[test]
    fn a_line_that_cannot_be_read_is_answered_in_its_place() {
        let engine = Engine::embedded().unwrap();
        let input = b"{\"id\":1,\"text\":\"hello\"}\n{\"id\":2}\n\xff\n{\"text\":\"x\"}";
        let chunk = Chunks::new(&input[..]).next().unwrap().unwrap();
        let settings = Settings { origin: Origin::User, redact: false, name_files: true, workers: 1 };
        let answer = answer(&engine, "a.jsonl", &chunk, settings);
        let text = String::from_utf8(answer.bytes).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].starts_with(r#"{"id":1,"decision":"allow","#), "{}", lines[0]);
        assert_eq!(
            lines[1],
            r#"{"id":2,"file":"a.jsonl","line":2,"error":"neither \"text\" nor \"turns\""}"#
        );
        assert_eq!(lines[2], r#"{"file":"a.jsonl","line":3,"error":"not UTF-8: byte 1 of the line"}"#);
        // The fourth line has no line end yet: it is in the next chunk.
        assert_eq!((answer.lines, answer.bad_lines), (3, 2));
    }

    #[test]
    fn a_line_of_bytes() {
        assert_eq!(Record::parse(&Line::Bytes(b"{\"a\xff\"}")).unwrap_err(), "not UTF-8: byte 4 of the line");
    }
}
