//! `aimds calibrate`: thresholds that keep false alarms on the operator's own traffic below a bound.
//!
//! Two thresholds are told for each origin. The *conformal* one is the ⌈(n+1)(1−α)⌉-th smallest score: the next benign
//! text is blocked with probability at most α, on average over samples of this size. The *confident* one allows only so
//! many false alarms in the sample that the true rate is at most α with 95 % confidence (Clopper–Pearson); it needs more
//! data and is the one to use where there is enough.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use aimds_engine::{Conversation, Engine, Origin, Policy, Session, Timestamp};
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::chunks::{Chunk, Chunks, Source};
use crate::cli::Global;
use crate::eval::{LabelledFile, labelled_files};
use crate::ordered::Sink;
use crate::progress::Progress;
use crate::record::{Label, Record};
use crate::scan::{Deep, parse_origin};
use crate::statistics::{at_or_above, upper_bound};
use crate::{Status, loading, ordered};

/// How sure the confident threshold is.
const CONFIDENCE: f64 = 0.95;

/// Arguments of `aimds calibrate`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  aimds calibrate --benign last-week.jsonl.zst --fpr 0.01

Rows: {\"text\" or \"turns\", \"origin\"?}, all of them harmless; a row labelled \"attack\" is refused. The unit is the request:
of several texts of one origin in one request the highest score counts. Below about 1/fpr rows nothing can be said, and \
below about 3/fpr nothing with 95 % confidence.")]
pub struct Calibrate {
    /// Files (.jsonl, .jsonl.zst) or directories with harmless traffic
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    pub benign: Vec<PathBuf>,
    /// The share of harmless requests that may be blocked
    #[arg(long, default_value = "0.01", value_name = "RATE", value_parser = parse_rate)]
    pub fpr: f64,
    /// Where a text comes from, if the row does not say
    #[arg(short, long, value_name = "ORIGIN", default_value = "user", value_parser = parse_origin)]
    pub origin: Origin,
    /// What is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Policy instead of the embedded one; its `flag` thresholds are kept
    #[arg(short, long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Number of worker threads; one for each core unless told otherwise
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<usize>,
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table and a policy fragment for people.
    Text,
    /// One JSON object.
    Json,
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if rate > 0.0 && rate < 1.0 => Ok(rate),
        _ => Err("give a rate between 0 and 1, such as 0.01".into()),
    }
}

/// A threshold and what it does on the sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Threshold {
    /// At or above: block.
    pub block: f32,
    /// Requests of the sample that it blocks.
    pub false_alarms: u64,
    /// Their share.
    pub observed_fpr: f64,
    /// The true rate is at most this, with 95 % confidence.
    pub upper_fpr: f64,
}

/// What is told about one origin.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OriginThresholds {
    /// Its stable name.
    pub origin: &'static str,
    /// Requests that hold text of it.
    pub n: u64,
    /// What the policy in force blocks of them.
    pub current: Option<Threshold>,
    /// At most the asked rate on average.
    pub conformal: Option<Threshold>,
    /// At most the asked rate with 95 % confidence.
    pub confident: Option<Threshold>,
    /// What is missing, in words.
    pub too_little: Option<String>,
}

#[derive(Serialize)]
struct Report<'a> {
    format_version: u32,
    fpr: f64,
    confidence: f64,
    origins: &'a [OriginThresholds],
    policy: &'a str,
}

/// Runs `aimds calibrate`.
///
/// # Errors
/// A policy that is refused, a file or a row that cannot be read, a row that is labelled as an attack.
pub fn run(calibrate: &Calibrate, global: &Global) -> anyhow::Result<Status> {
    let engine = loading::engine(calibrate.policy.as_deref(), Deep::Auto)?;
    let policy = engine.policy().clone();
    let files = labelled_files(&calibrate.benign)?;
    let sources: Vec<Source> = files.iter().map(|file| file.source.clone()).collect();
    let progress = Progress::over(&sources, global);
    let scores = scores(engine, files, calibrate, &progress);
    progress.finish();
    let scores = scores?.0;
    let origins: Vec<_> = Origin::ALL
        .into_iter()
        .zip(scores)
        .filter(|(_, scores)| !scores.is_empty())
        .map(|(origin, scores)| thresholds(origin, scores, calibrate.fpr, &policy))
        .collect();
    anyhow::ensure!(!origins.is_empty(), "no row to calibrate on");
    let fragment = fragment(&origins, calibrate.fpr, &policy);
    let mut out = std::io::stdout().lock();
    match calibrate.format {
        Format::Text => out.write_all(table(&origins, calibrate.fpr, &fragment).as_bytes())?,
        Format::Json => {
            let report = Report {
                format_version: 1,
                fpr: calibrate.fpr,
                confidence: CONFIDENCE,
                origins: &origins,
                policy: &fragment,
            };
            serde_json::to_writer_pretty(&mut out, &report)?;
            writeln!(out)?;
        }
    }
    Ok(Status::Clean)
}

/// Scores by origin, in the order of [`Origin::ALL`].
#[derive(Default)]
struct Scores([Vec<f32>; Origin::ALL.len()]);

impl Sink<anyhow::Result<Scores>> for Scores {
    fn take(&mut self, more: anyhow::Result<Scores>) -> anyhow::Result<()> {
        for (scores, more) in self.0.iter_mut().zip(more?.0) {
            scores.extend(more);
        }
        Ok(())
    }
}

fn scores(
    engine: Engine,
    files: Vec<LabelledFile>,
    calibrate: &Calibrate,
    progress: &Progress,
) -> anyhow::Result<Scores> {
    let (origin, progress) = (calibrate.origin, progress.clone());
    let chunks = files.into_iter().flat_map(move |LabelledFile { source, name }| {
        let chunks: Box<dyn Iterator<Item = anyhow::Result<Chunk>> + Send> = match source.open(&progress) {
            Ok(reader) => Box::new(Chunks::new(reader).map(|chunk| Ok(chunk?))),
            Err(error) => Box::new(std::iter::once(Err(error))),
        };
        chunks.map(move |chunk| (name.clone(), chunk))
    });
    let work = move |(name, chunk): (String, anyhow::Result<Chunk>)| {
        let chunk = chunk.with_context(|| format!("cannot read {name}"))?;
        let mut scores = Scores::default();
        for (number, line) in chunk.lines() {
            let read = Record::parse(&line).and_then(|record| match record.label()? {
                Some(Label::Attack) => {
                    Err("the row is labelled as an attack; give harmless rows only".into())
                }
                Some(Label::Benign) | None => record.conversation(origin),
            });
            let conversation = read.map_err(|error| anyhow::anyhow!("{name}:{number}: {error}"))?;
            score_row(&engine, &conversation, &mut scores);
        }
        Ok(scores)
    };
    let mut all = Scores::default();
    ordered::run(ordered::workers(calibrate.jobs), chunks, work, &mut all)?;
    Ok(all)
}

fn score_row(engine: &Engine, conversation: &Conversation, scores: &mut Scores) {
    let outcome = engine.inspect(conversation, &mut Session::new(""), Timestamp(0));
    for (origin, scores) in Origin::ALL.into_iter().zip(&mut scores.0) {
        let of_origin = outcome.assessment.messages.iter().filter(|message| message.origin == origin);
        scores.extend(of_origin.map(|message| message.score).reduce(f32::max));
    }
}

/// The thresholds for one origin.
fn thresholds(origin: Origin, mut scores: Vec<f32>, fpr: f64, policy: &Policy) -> OriginThresholds {
    scores.sort_unstable_by(f32::total_cmp);
    let n = scores.len() as u64;
    let effect = |block: f32| {
        let false_alarms = at_or_above(&scores, block);
        let upper_fpr = upper_bound(false_alarms, n, CONFIDENCE);
        Threshold { block, false_alarms, observed_fpr: false_alarms as f64 / n as f64, upper_fpr }
    };
    // The threshold that lies just above the score of this rank, from 1.
    let above = |rank: u64| {
        let score = scores.get(usize::try_from(rank).ok()?.checked_sub(1)?)?;
        paste_ready(score.next_up()).map(effect)
    };
    let rank = ((n + 1) as f64 * (1.0 - fpr) - 1e-9).ceil() as u64;
    let conformal = above(rank);
    let confident = most_false_alarms(n, fpr).and_then(|allowed| above(n - allowed));
    let needed = (1.0 / fpr - 1.0 - 1e-9).ceil() as u64;
    let needed_to_be_sure = ((1.0 - CONFIDENCE).ln() / (-fpr).ln_1p() - 1e-9).ceil() as u64;
    let too_little = if n < needed {
        Some(format!("{n} requests are too few for {}: at least {needed} are needed", percent(fpr)))
    } else if n < needed_to_be_sure {
        Some(format!(
            "{n} requests are too few to be sure of {}: {needed_to_be_sure} are needed",
            percent(fpr)
        ))
    } else if conformal.is_none() || confident.is_none() {
        Some("too many harmless requests have the highest possible score: no threshold keeps the rate".into())
    } else {
        None
    };
    let current = policy.risk_band("", origin).block.map(effect);
    OriginThresholds { origin: origin.as_str(), n, current, conformal, confident, too_little }
}

/// The largest number of false alarms in a sample of `n` that still makes sure of the rate; `None` if not even 0 does.
fn most_false_alarms(n: u64, fpr: f64) -> Option<u64> {
    let sure = |allowed: u64| upper_bound(allowed, n, CONFIDENCE) <= fpr;
    if !sure(0) {
        return None;
    }
    // The bound grows with the number of false alarms and lies above their share.
    let (mut low, mut high) = (0, (fpr * n as f64) as u64 + 1);
    while low + 1 < high {
        let middle = u64::midpoint(low, high);
        if sure(middle) { low = middle } else { high = middle }
    }
    Some(low)
}

/// Rounded up to four decimals where that leaves room below 1; `None` above 1, which no policy can say.
fn paste_ready(threshold: f32) -> Option<f32> {
    let rounded = (f64::from(threshold) * 10_000.0).ceil() / 10_000.0;
    let candidate = rounded as f32;
    let candidate = if candidate >= threshold && candidate < 1.0 { candidate } else { threshold };
    (candidate <= 1.0).then_some(candidate)
}

fn fragment(origins: &[OriginThresholds], fpr: f64, policy: &Policy) -> String {
    let mut toml = String::new();
    for found in origins {
        let best = [(found.confident, "with 95 % confidence"), (found.conformal, "on average")];
        let best = best.into_iter().find_map(|(threshold, how)| Some((threshold?, how)));
        let Some((threshold, how)) = best else { continue };
        let flag = Origin::parse(found.origin).and_then(|origin| policy.risk_band("", origin).flag);
        _ = writeln!(toml, "# at most {} of harmless requests {how}; {} requests", percent(fpr), found.n);
        _ = writeln!(toml, "[risk.{}]", found.origin);
        if let Some(flag) = flag {
            _ = writeln!(toml, "flag = {}", flag.min(threshold.block));
        }
        _ = writeln!(toml, "block = {}\n", threshold.block);
    }
    toml.truncate(toml.trim_end().len());
    toml
}

fn table(origins: &[OriginThresholds], fpr: f64, fragment: &str) -> String {
    let mut page = format!("thresholds for at most {} false alarms\n", percent(fpr));
    for found in origins {
        _ = writeln!(page, "\n{}: {} requests", found.origin, found.n);
        let kinds = [
            ("now", found.current),
            ("on average", found.conformal),
            ("with 95 % confidence", found.confident),
        ];
        for (kind, threshold) in kinds {
            let Some(Threshold { block, false_alarms, observed_fpr, upper_fpr }) = threshold else {
                _ = writeln!(page, "  {kind:<21} -");
                continue;
            };
            _ = writeln!(
                page,
                "  {kind:<21} block at {block:<8} {false_alarms} false alarms ({}), with 95 % confidence below {}",
                percent(observed_fpr),
                percent(upper_fpr)
            );
        }
        if let Some(problem) = &found.too_little {
            _ = writeln!(page, "  {problem}");
        }
    }
    if fragment.is_empty() {
        page.push_str("\nno threshold can be told\n");
    } else {
        _ = writeln!(page, "\nfor the policy file:\n\n{fragment}");
    }
    page
}

fn percent(rate: f64) -> String {
    let digits = if rate < 0.001 && rate > 0.0 { 4 } else { 2 };
    let text = format!("{:.digits$}", 100.0 * rate);
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text} %")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        Policy::parse("version = 1\n[risk.user]\nflag = 0.3\nblock = 0.7\n").unwrap()
    }

    /// 1/n, 2/n, … below 1.
    fn ladder(n: u64) -> Vec<f32> {
        (0..n).map(|i| i as f32 / n as f32).collect()
    }

    #[test]
    fn the_confident_threshold_is_stricter_than_the_conformal_one() {
        let found = thresholds(Origin::User, ladder(1000), 0.01, &policy());
        // ceil(1001 * 0.99) = 991: nine scores are above.
        assert_eq!(found.conformal.unwrap().false_alarms, 9);
        // Clopper-Pearson: 4 of 1000 are below 1 % with 95 % confidence (0.913 %), 5 are not (1.047 %).
        let confident = found.confident.unwrap();
        assert_eq!(confident.false_alarms, 4);
        assert!((confident.upper_fpr - 0.009_13).abs() < 1e-4, "{}", confident.upper_fpr);
        assert_eq!(found.current.unwrap().false_alarms, 300);
        assert_eq!(found.too_little, None);
    }

    #[test]
    fn too_little_data_is_said() {
        let check = |n: u64, conformal: bool, confident: bool, expected: Option<&str>| {
            let found = thresholds(Origin::User, ladder(n), 0.01, &policy());
            assert_eq!((found.conformal.is_some(), found.confident.is_some()), (conformal, confident), "{n}");
            assert_eq!(found.too_little.as_deref(), expected, "{n}");
        };
        check(98, false, false, Some("98 requests are too few for 1 %: at least 99 are needed"));
        check(99, true, false, Some("99 requests are too few to be sure of 1 %: 299 are needed"));
        check(298, true, false, Some("298 requests are too few to be sure of 1 %: 299 are needed"));
        check(299, true, true, None);
    }

    #[test]
    fn scores_that_cannot_be_exceeded_leave_no_threshold() {
        let found = thresholds(Origin::User, vec![1.0; 500], 0.01, &policy());
        assert_eq!((found.conformal, found.confident), (None, None));
        assert!(found.too_little.unwrap().starts_with("too many harmless requests"));
    }

    #[test]
    fn thresholds_are_short_and_never_below_what_was_asked() {
        assert_eq!(paste_ready(0.123_41), Some(0.1235));
        assert_eq!(paste_ready(0.5), Some(0.5));
        assert_eq!(paste_ready(0.999_95), Some(0.999_95));
        assert_eq!(paste_ready(1.0_f32.next_up()), None);
        for i in 0..10_000 {
            let score = i as f32 / 10_007.0;
            assert!(paste_ready(score.next_up()).unwrap() > score);
        }
    }

    #[test]
    fn the_fragment_is_a_policy() {
        let found =
            [Origin::User, Origin::Tool].map(|origin| thresholds(origin, ladder(400), 0.01, &policy()));
        let fragment = fragment(&found, 0.01, &policy());
        assert_eq!(
            fragment,
            "# at most 1 % of harmless requests with 95 % confidence; 400 requests
[risk.user]
flag = 0.3
block = 0.9976

# at most 1 % of harmless requests with 95 % confidence; 400 requests
[risk.tool]
block = 0.9976"
        );
        Policy::parse(&format!("version = 1\n{fragment}")).unwrap();
    }
}
