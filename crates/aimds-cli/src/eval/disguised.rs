//! `aimds eval --disguises`: does a verdict survive when the text is encoded or disguised?
//!
//! Attacks that are stopped as they are should be stopped in every disguise; benign texts that pass should pass in the
//! same disguise. Only plain English texts are taken: what is encoded already, or not ASCII, would measure pairs of
//! disguises. Texts longer than [`LONGEST`] are left out: some disguises multiply them by nine.

use std::io::Write;

use aimds_bench::{DISGUISES, Disguise};
use aimds_engine::{Conversation, Engine, Session, Timestamp};
use anyhow::Context as _;

use super::rows::{LabelledFile, Settings};
use crate::chunks::Chunks;
use crate::progress::Progress;
use crate::record::{Label, Record};
use crate::statistics::wilson;

const LONGEST: usize = 2000;

struct Sample {
    text: String,
    label: Label,
}

/// What happened under one disguise.
#[derive(Clone, Copy, Default)]
struct Counts {
    attacks: u64,
    stopped: u64,
    benign: u64,
    alarms: u64,
}

/// Measures every disguise on the rows of the files and writes a table.
///
/// # Errors
/// A file or row that cannot be read.
pub(super) fn run(
    engine: &Engine,
    files: &[LabelledFile],
    settings: Settings,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let stops = |text: &str| {
        let conversation = Conversation::single(settings.origin, text);
        let outcome = engine.inspect(&conversation, &mut Session::new(""), Timestamp(0));
        match settings.threshold {
            Some(threshold) => outcome.assessment.score >= threshold,
            None => !outcome.decision.would().forwards(),
        }
    };
    // What is judged right as it is; a disguise can only lose it.
    let mut samples = read(files, settings)?;
    samples.retain(|sample| stops(&sample.text) == (sample.label == Label::Attack));
    let samples = &samples;
    let next = &std::sync::atomic::AtomicUsize::new(0);
    let stops = &stops;
    let judge = move |disguise: &Disguise| {
        let mut counts = Counts::default();
        for sample in samples {
            let stopped = u64::from(stops(&(disguise.apply)(&sample.text)));
            match sample.label {
                Label::Attack => {
                    (counts.attacks, counts.stopped) = (counts.attacks + 1, counts.stopped + stopped)
                }
                Label::Benign => {
                    (counts.benign, counts.alarms) = (counts.benign + 1, counts.alarms + stopped)
                }
            }
        }
        counts
    };
    let mut results: Vec<(usize, Counts)> = std::thread::scope(|scope| {
        let worker = || {
            let mut done = Vec::new();
            loop {
                let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let Some(disguise) = DISGUISES.get(at) else { return done };
                done.push((at, judge(disguise)));
            }
        };
        let workers: Vec<_> = (0..settings.workers).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
    });
    anyhow::ensure!(results.len() == DISGUISES.len(), "a worker failed");
    results.sort_by_key(|(at, _)| *at);
    writeln!(
        out,
        "{:<26} {:>8} {:>8} {:>14} {:>8} {:>8} {:>14}",
        "disguise", "attacks", "stopped", "95 %", "benign", "alarms", "95 %"
    )?;
    let interval = |hits, n| wilson(hits, n).map_or("-".into(), |(low, high)| format!("{low:.3}–{high:.3}"));
    let share =
        |hits: u64, n: u64| if n == 0 { "-".into() } else { format!("{:.3}", hits as f64 / n as f64) };
    for (at, counts) in results {
        let name = DISGUISES.get(at).map_or("", |disguise| disguise.name);
        let Counts { attacks, stopped, benign, alarms } = counts;
        writeln!(
            out,
            "{name:<26} {attacks:>8} {:>8} {:>14} {benign:>8} {:>8} {:>14}",
            share(stopped, attacks),
            interval(stopped, attacks),
            share(alarms, benign),
            interval(alarms, benign)
        )?;
    }
    Ok(())
}

fn is_plain(text: &str) -> bool {
    text.is_ascii() && aimds_text::normalise(text, &aimds_text::Limits::default()).views.len() == 1
}

fn read(files: &[LabelledFile], settings: Settings) -> anyhow::Result<Vec<Sample>> {
    let mut samples = Vec::new();
    for file in files {
        let name = &file.name;
        let reader = file.source.open(&Progress::none()).with_context(|| format!("cannot read {name}"))?;
        for chunk in Chunks::new(reader) {
            let chunk = chunk.with_context(|| format!("cannot read {name}"))?;
            for (number, line) in chunk.lines().take_while(|(number, _)| *number <= settings.limit) {
                let bad = |error: String| anyhow::anyhow!("{name}:{number}: {error}");
                let record = Record::parse(&line).map_err(bad)?;
                let conversation = record.conversation(settings.origin).map_err(bad)?;
                let label = record.label().map_err(bad)?;
                if let (Some(label), [message]) = (label, conversation.messages.as_slice())
                    && message.text.len() <= LONGEST
                    && is_plain(&message.text)
                {
                    samples.push(Sample { text: message.text.clone(), label });
                }
            }
        }
    }
    Ok(samples)
}
