//! Comparing sequences: time warping, edit distance, common subsequences, the nearest vectors, known patterns in a text.
//! One thread, wall time, in microseconds.
//!
//! Everybody gets the same sequences and is asked for the same number, which is known from a textbook loop.

mod input;
mod textbook;

use std::hint::black_box;
use std::io::{self, Write};
use std::time::Instant;

use aimds_sequence::{self as seq, Budget, PatternLibrary, Scratch, VectorIndex};
use rapidfuzz::distance::{lcs_seq, levenshtein};
use serde_json::json;

use crate::bench::Bench;
use crate::case::{Answer, Case, Measured, Of, Unit};
use input::{Known, Nearest, Pair, Symbols, Walks};

/// What others are called.
const LOOP: &str = "two-row loop";
const CRATE: &str = "crate rapidfuzz";
const PRODUCTS: &str = "f32 products of all";

/// How many there are of what is looked through.
#[derive(Clone, Copy, Debug)]
pub struct SequenceLoad {
    /// Vectors of 384 numbers.
    pub vectors: usize,
    /// Known patterns of 12 to 39 tokens.
    pub patterns: usize,
}

impl SequenceLoad {
    /// What the promises speak of.
    pub const PROMISED: Self = Self { vectors: 10_000, patterns: 10_000 };
}

/// Measures what is wanted.
///
/// # Errors
/// None with these sequences.
pub fn measure_sequence(bench: &mut Bench<'_>, load: &SequenceLoad) -> anyhow::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for walks in input::walks(bench.seed) {
        warping(bench, &walks, &mut cases)?;
    }
    for symbols in input::symbols(bench.seed) {
        edits(bench, &symbols, &mut cases);
    }
    nearest(bench, load, &mut cases)?;
    known(bench, load, &mut cases)?;
    Ok(cases)
}

/// Writes what rivals are given, a case a line: `{"case","kind"}`, and for a `warping` `a`, `b` and, with a band, `radius`;
/// for a `levenshtein` or an `lcs` of two sequences of numbers `a`, `b` and, with a cut-off, `cutoff`; for the `nearest`
/// `vectors`, `query` and `k`; for `patterns` in texts `patterns`, `texts` and `cutoff`, a share of a pattern's length.
///
/// # Errors
/// What `out` says.
pub fn export_sequence(out: &mut impl Write, load: &SequenceLoad, seed: u64) -> io::Result<()> {
    for Walks { len, a, b } in input::walks(seed) {
        let line = json!({ "case": warped(len), "kind": "warping", "a": a, "b": b });
        writeln!(out, "{line}")?;
        let line =
            json!({ "case": warped_in_a_band(len), "kind": "warping", "a": a, "b": b, "radius": len / 10 });
        writeln!(out, "{line}")?;
    }
    for symbols in input::symbols(seed) {
        for Pair { case, a, b, cutoff } in symbols.pairs() {
            let line = json!({ "case": case, "kind": "levenshtein", "a": a, "b": b, "cutoff": cutoff });
            writeln!(out, "{line}")?;
        }
        let line = json!({ "case": common(symbols.len), "kind": "lcs", "a": symbols.a, "b": symbols.other });
        writeln!(out, "{line}")?;
    }
    let Nearest { vectors, query } = input::nearest(load.vectors, seed);
    let case = nearest_of(load.vectors);
    writeln!(
        out,
        "{}",
        json!({ "case": case, "kind": "nearest", "vectors": vectors, "query": query, "k": TOP })
    )?;
    let Known { patterns, texts } = input::known(load.patterns, seed);
    let texts: Vec<_> = texts.into_iter().map(|(_, text)| text).collect();
    let line = json!({ "case": found_in(load.patterns), "kind": "patterns", "patterns": patterns, "texts": texts,
        "cutoff": CUTOFF });
    writeln!(out, "{line}")
}

fn warped(len: usize) -> String {
    format!("time warping, {len} values")
}

fn warped_in_a_band(len: usize) -> String {
    format!("time warping in a band of 10 %, {len} values")
}

fn common(len: usize) -> String {
    format!("longest common subsequence, {len} symbols")
}

fn nearest_of(vectors: usize) -> String {
    format!("the {TOP} nearest of {vectors} vectors")
}

fn found_in(patterns: usize) -> String {
    format!("which of {patterns} patterns a text of {} tokens holds", input::TEXT)
}

/// How many of the nearest vectors are asked for.
const TOP: usize = 10;
/// Which share of a pattern may differ.
const CUTOFF: f64 = 0.2;

/// The times of single calls in microseconds: so many calls in a run that the clock does not matter.
fn calls<T>(runs: usize, mut operation: impl FnMut() -> T) -> Measured {
    let mut run = |calls: u32| {
        let start = Instant::now();
        for _ in 0..calls {
            let _ = black_box(operation());
        }
        start.elapsed().as_secs_f64() * 1e6 / f64::from(calls)
    };
    run(1);
    let calls = (50.0 / run(1).max(0.05)).ceil() as u32;
    Measured::new((0..runs).map(|_| run(calls)).collect())
}

fn says<N: Into<f64>>(measured: Measured, number: Option<N>) -> Measured {
    Measured { answer: number.map(|number| Answer::Number(number.into())), ..measured }
}

fn warping(bench: &mut Bench<'_>, walks: &Walks, cases: &mut Vec<Case>) -> anyhow::Result<()> {
    let Walks { len, a, b } = walks;
    let narrow = |values: &[f64]| -> Vec<f32> { values.iter().map(|&value| value as f32).collect() };
    let (a32, b32) = (narrow(a), narrow(b));
    let runs = bench.runs;
    let mut add =
        |case: String, radius: usize, ours: &dyn Fn() -> Result<f64, seq::SeriesError>, most: f64| {
            if !bench.begins(&case) {
                return Ok(());
            }
            let truth = textbook::warping(a, b, radius);
            let answer = Answer::Number(ours()?);
            let plain = says(
                calls(runs, || textbook::warping(black_box(a), b, radius)),
                Some(textbook::warping(a, b, radius)),
            );
            let case = Case::new(case, Unit::Us, calls(runs, ours))
                .answer(Some(answer), (Answer::Number(truth), truth * 1e-5))
                .rival(LOOP, None, plain);
            cases.push(case.target_if(most > 0.0, Of::Median, most));
            anyhow::Ok(())
        };
    let promised = |small: f64, large: f64| if *len == 100 { small } else { large };
    let full = || seq::dtw(black_box(a), b);
    add(warped(*len), *len, &full, 0.0)?;
    let single = || seq::dtw(black_box(&a32), &b32).map(f64::from);
    add(format!("{}, f32", warped(*len)), *len, &single, promised(3.0, 160.0))?;
    let banded = || seq::dtw_banded(black_box(a), b, len / 10);
    add(warped_in_a_band(*len), len / 10, &banded, promised(0.0, 250.0))
}

fn edits(bench: &mut Bench<'_>, symbols: &Symbols, cases: &mut Vec<Case>) {
    let runs = bench.runs;
    for Pair { case, a, b, cutoff } in symbols.pairs() {
        if !bench.begins(&case) {
            continue;
        }
        let most = cutoff.unwrap_or(usize::MAX);
        let truth = textbook::edits(a, b);
        let truth = if truth <= most { truth as f64 } else { BEYOND };
        let number = |found: Option<usize>| Some(found.map_or(BEYOND, |distance| distance as f64));
        let within = levenshtein::Args::default().score_cutoff(most);
        let rapid = || {
            let (a, b) = (black_box(a).iter().copied(), b.iter().copied());
            match cutoff {
                None => Some(levenshtein::distance(a, b)),
                Some(_) => levenshtein::distance_with_args(a, b, &within),
            }
        };
        let ours = || match cutoff {
            None => Some(seq::levenshtein(black_box(a), b)),
            Some(most) => seq::levenshtein_cutoff(black_box(a), b, most),
        };
        let case = Case::new(case, Unit::Us, calls(runs, ours))
            .answer(number(ours()).map(Answer::Number), (Answer::Number(truth), 0.0))
            .rival(CRATE, Some(RAPIDFUZZ), says(calls(runs, rapid), number(rapid())));
        let most = match (symbols.len, cutoff) {
            (1000, None) => 41.0,
            (1000, Some(_)) => 17.0,
            _ => 0.0,
        };
        cases.push(case.target_if(most > 0.0, Of::Median, most));
    }
    let case = common(symbols.len);
    if bench.begins(&case) {
        let (a, b) = (&symbols.a, &symbols.other);
        let ours = || seq::lcs_len(black_box(a), b);
        let rapid = || lcs_seq::similarity(black_box(a).iter().copied(), b.iter().copied());
        let case = Case::new(case, Unit::Us, calls(runs, ours))
            .answer(Some(Answer::Number(ours() as f64)), (Answer::Number(textbook::common(a, b) as f64), 0.0))
            .rival(CRATE, Some(RAPIDFUZZ), says(calls(runs, rapid), Some(rapid() as f64)));
        cases.push(case.target_if(symbols.len == 1000, Of::Median, 20.0));
    }
}

/// What is answered where the distance is above the cut-off.
const BEYOND: f64 = -1.0;
/// The version of the crate.
const RAPIDFUZZ: &str = "0.5";

fn nearest(bench: &mut Bench<'_>, load: &SequenceLoad, cases: &mut Vec<Case>) -> anyhow::Result<()> {
    let case = nearest_of(load.vectors);
    if !bench.begins(&case) {
        return Ok(());
    }
    let Nearest { vectors, query } = input::nearest(load.vectors, bench.seed);
    let index = VectorIndex::build(&vectors.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
    let truth = textbook::nearest(&vectors, &query, TOP);
    let ours: Vec<usize> = index.top_k(&query, TOP)?.iter().map(|hit| hit.index).collect();
    let right = ours.iter().filter(|hit| truth.contains(hit)).count() as f64;
    let products = calls(bench.runs, || textbook::nearest(&vectors, black_box(&query), TOP));
    let case = Case::new(case, Unit::Us, calls(bench.runs, || index.top_k(black_box(&query), TOP)))
        .answer(Some(Answer::Number(right)), (Answer::Number(TOP as f64), 0.0))
        .target_if(load.vectors == SequenceLoad::PROMISED.vectors, Of::Median, 150.0);
    cases.push(case.rival(PRODUCTS, None, says(products, Some(TOP as f64))));
    Ok(())
}

/// The times of the texts one by one, after a look at all of them.
fn known(bench: &mut Bench<'_>, load: &SequenceLoad, cases: &mut Vec<Case>) -> anyhow::Result<()> {
    let case = found_in(load.patterns);
    if !bench.begins(&case) {
        return Ok(());
    }
    let Known { patterns, texts } = input::known(load.patterns, bench.seed);
    let mut builder = PatternLibrary::builder();
    for (number, pattern) in patterns.iter().enumerate() {
        builder.insert(&number.to_string(), "class", pattern)?;
    }
    let library = builder.build()?;
    let mut scratch = Scratch::default();
    let mut right = 0.0;
    for (planted, text) in &texts {
        let found = library.find_with(&mut scratch, text, Budget::default(), CUTOFF)?;
        right += f64::from(u8::from(found.hits.first().is_some_and(|hit| hit.pattern == *planted)));
    }
    let times = texts.iter().map(|(_, text)| {
        let start = Instant::now();
        let _ = black_box(library.find_with(&mut scratch, black_box(text), Budget::default(), CUTOFF));
        start.elapsed().as_secs_f64() * 1e6
    });
    let case = Case::new(case, Unit::Us, Measured::new(times.collect()))
        .answer(Some(Answer::Number(right)), (Answer::Number(texts.len() as f64), 0.0));
    cases.push(case.target_if(load.patterns == SequenceLoad::PROMISED.patterns, Of::Median, 100.0));
    Ok(())
}
