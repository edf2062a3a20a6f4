//! Times of the operations, next to those of a rival where there is one: the `rapidfuzz` crate for symbols, the plain
//! two-row loop for time warping, comparing with every vector in f32 for the nearest.
//!
//! `cargo run --release -p aimds-sequence --example bench [-- --format json] [FILTER]`
//!
//! Each number is the median (and the minimum) over many runs on one thread, in microseconds of wall time. Operation and
//! rival take turns, so that whatever else the machine does hits both.

use std::hint::black_box;
use std::time::Instant;

use aimds_sequence as seq;

struct Row {
    name: String,
    median: f64,
    least: f64,
    rival: Option<(f64, f64)>,
    rival_name: &'static str,
    note: String,
}

type Rival<'a> = Option<(&'static str, &'a mut dyn FnMut())>;

struct Bench {
    filter: Option<String>,
    rows: Vec<Row>,
}

impl Bench {
    fn run(&mut self, name: &str, mut ours: impl FnMut(), rival: Rival<'_>) {
        self.run_noted(name, "", &mut ours, rival);
    }

    fn run_noted(&mut self, name: &str, note: &str, ours: &mut dyn FnMut(), mut rival: Rival<'_>) {
        if self.filter.as_ref().is_some_and(|filter| !name.contains(filter.as_str())) {
            return;
        }
        // So many calls a sample that the clock does not matter; so many samples that a median means something.
        let once = time(1, ours).max(0.02);
        let calls = (20.0 / once).ceil() as usize;
        let samples =
            ((400_000.0 / (once * calls as f64)) as usize).clamp(if once > 1e6 { 3 } else { 15 }, 2000);
        let (mut own, mut other) = (Vec::new(), Vec::new());
        for _ in 0..samples {
            own.push(time(calls, ours));
            if let Some((_, rival)) = &mut rival {
                other.push(time(calls, rival));
            }
        }
        let (median, least) = summary(&mut own);
        let rival_name = rival.map_or("", |(name, _)| name);
        let rival = (!other.is_empty()).then(|| summary(&mut other));
        self.rows.push(Row {
            name: name.to_owned(),
            median,
            least,
            rival,
            rival_name,
            note: note.to_owned(),
        });
    }
}

/// Has the result computed.
fn keep<T>(result: T) {
    let _ = black_box(result);
}

fn time(calls: usize, operation: &mut dyn FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..calls {
        operation();
    }
    start.elapsed().as_secs_f64() * 1e6 / calls as f64
}

fn summary(samples: &mut [f64]) -> (f64, f64) {
    samples.sort_by(f64::total_cmp);
    (samples[samples.len() / 2], samples[0])
}

/// Reproducible numbers (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }

    fn text(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| b'a' + self.below(32) as u8).collect()
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let json = arguments.iter().any(|argument| argument == "json");
    let filter = arguments.into_iter().find(|argument| !argument.starts_with("--") && argument != "json");
    let mut bench = Bench { filter, rows: Vec::new() };
    series(&mut bench);
    symbols(&mut bench);
    vectors(&mut bench);
    patterns(&mut bench);
    print(&bench.rows, json);
}

fn series(bench: &mut Bench) {
    let mut random = Random(1);
    let mut walk = |len: usize| -> Vec<f64> {
        let mut value = 0.0;
        (0..len)
            .map(|_| {
                value += random.normal();
                value
            })
            .collect()
    };
    for len in [100, 1000] {
        let (a, b) = (walk(len), walk(len));
        let narrow = |values: &[f64]| -> Vec<f32> { values.iter().map(|&value| value as f32).collect() };
        let (a32, b32) = (narrow(&a), narrow(&b));
        let band = len / 10;
        let plain = "two-row loop";
        let mut full = || keep(two_rows(black_box(&a), &b, len));
        let mut banded = || keep(two_rows(black_box(&a), &b, band));
        bench.run(
            &format!("dtw f32 {len}"),
            || keep(seq::dtw(black_box(&a32), &b32)),
            Some((plain, &mut full)),
        );
        bench.run(&format!("dtw f64 {len}"), || keep(seq::dtw(black_box(&a), &b)), Some((plain, &mut full)));
        bench.run(
            &format!("dtw f32 band 10% {len}"),
            || keep(seq::dtw_banded(black_box(&a32), &b32, band)),
            Some((plain, &mut banded)),
        );
        bench.run(
            &format!("dtw f64 band 10% {len}"),
            || keep(seq::dtw_banded(black_box(&a), &b, band)),
            Some((plain, &mut banded)),
        );
        let cutoff = seq::dtw_banded(&a, &b, band).unwrap_or(0.0) / 4.0;
        bench.run(
            &format!("dtw f64 band 10% cutoff d/4 {len}"),
            || keep(seq::dtw_banded_cutoff(black_box(&a), &b, band, cutoff)),
            None,
        );
        let envelope = seq::Envelope::new(&a, band).unwrap_or_else(|error| panic!("{error}"));
        bench.run(
            &format!("lb_keogh f64, envelope known {len}"),
            || keep(envelope.lower_bound(black_box(&b))),
            None,
        );
        bench.run(&format!("lb_keogh f64 {len}"), || keep(seq::lb_keogh(black_box(&a), &b, band)), None);
        let query = &a[..len / 10];
        bench.run(
            &format!("dtw_subsequence f64 {} in {len}", len / 10),
            || keep(seq::dtw_subsequence(black_box(query), &b)),
            None,
        );
        bench.run(
            &format!("dtw_path f64 band 10% {len}"),
            || keep(seq::dtw_path(black_box(&a), &b, band)),
            None,
        );
    }
}

/// Time warping as everyone writes it first, in `f64`.
fn two_rows(a: &[f64], b: &[f64], band: usize) -> f64 {
    let mut last = vec![f64::INFINITY; b.len() + 1];
    let mut current = last.clone();
    last[0] = 0.0;
    for (i, x) in a.iter().enumerate() {
        let (from, to) = (i.saturating_sub(band), (i + band + 1).min(b.len()));
        current[from] = f64::INFINITY;
        for j in from..to {
            let least = last[j].min(last[j + 1]).min(current[j]);
            current[j + 1] = (x - b[j]) * (x - b[j]) + least;
        }
        if let Some(outside) = current.get_mut(to + 1) {
            *outside = f64::INFINITY;
        }
        std::mem::swap(&mut last, &mut current);
    }
    last[b.len()].sqrt()
}

fn symbols(bench: &mut Bench) {
    use rapidfuzz::distance::{lcs_seq, levenshtein};
    let mut random = Random(2);
    for len in [64, 100, 1000, 10_000] {
        let (a, b) = (random.text(len), random.text(len));
        let mut near = a.clone();
        for _ in 0..len / 10 {
            let place = random.below(len as u64) as usize;
            near[place] = b'a' + random.below(32) as u8;
        }
        let cutoff = len * 15 / 100;
        let within = levenshtein::Args::default().score_cutoff(cutoff);
        let rapid = |a: &[u8], b: &[u8]| levenshtein::distance(a.iter().copied(), b.iter().copied());
        let rapid_within = |a: &[u8], b: &[u8]| {
            levenshtein::distance_with_args(a.iter().copied(), b.iter().copied(), &within)
        };
        bench.run(
            &format!("levenshtein random {len}"),
            || keep(seq::levenshtein(black_box(&a), &b)),
            Some(("rapidfuzz", &mut || keep(rapid(black_box(&a), &b)))),
        );
        bench.run(
            &format!("levenshtein 10% changed, cutoff 15% {len}"),
            || keep(seq::levenshtein_cutoff(black_box(&a), &near, cutoff)),
            Some(("rapidfuzz", &mut || keep(rapid_within(black_box(&a), &near)))),
        );
        bench.run(
            &format!("levenshtein random, cutoff 15% {len}"),
            || keep(seq::levenshtein_cutoff(black_box(&a), &b, cutoff)),
            Some(("rapidfuzz", &mut || keep(rapid_within(black_box(&a), &b)))),
        );
        bench.run(
            &format!("lcs_len random {len}"),
            || keep(seq::lcs_len(black_box(&a), &b)),
            Some(("rapidfuzz", &mut || {
                keep(lcs_seq::similarity(black_box(&a).iter().copied(), b.iter().copied()))
            })),
        );
        let (words_a, words_b): (Vec<u32>, Vec<u32>) =
            (0..len).map(|_| (random.next() as u32 % 500 * 7919, random.next() as u32 % 500 * 7919)).unzip();
        bench.run(
            &format!("levenshtein words {len}"),
            || keep(seq::levenshtein(black_box(&words_a), &words_b)),
            Some(("rapidfuzz", &mut || {
                keep(levenshtein::distance(black_box(&words_a).iter().copied(), words_b.iter().copied()))
            })),
        );
        bench.run(
            &format!("levenshtein_infix 64 in {len}"),
            || keep(seq::levenshtein_infix(black_box(&near[..64]), &b)),
            None,
        );
    }
}

fn vectors(bench: &mut Bench) {
    let mut random = Random(3);
    let dimension = 384;
    let centers: Vec<Vec<f32>> =
        (0..100).map(|_| (0..dimension).map(|_| random.normal() as f32).collect()).collect();
    for (name, noise) in [("normal", None), ("clustered", Some(0.5)), ("near duplicates", Some(0.02))] {
        let mut vector = |number: usize| -> Vec<f32> {
            (0..dimension)
                .map(|at| match noise {
                    None => random.normal() as f32,
                    Some(noise) => centers[number % 100][at] + noise * random.normal() as f32,
                })
                .collect()
        };
        let vectors: Vec<Vec<f32>> = (0..10_000).map(&mut vector).collect();
        let query = vector(17);
        let index = seq::VectorIndex::build(&vectors.iter().map(Vec::as_slice).collect::<Vec<_>>())
            .unwrap_or_else(|error| panic!("{error}"));
        bench.run(&format!("top 10 of 10k x 384, {name}"), || keep(index.top_k(black_box(&query), 10)), None);
        // Each pushes the other's vectors out of the cache.
        bench.run(
            &format!("top 10 of 10k x 384, {name}, in turn with the rival"),
            || keep(index.top_k(black_box(&query), 10)),
            Some(("f32 brute force", &mut || keep(nearest(&vectors, black_box(&query))))),
        );
        let few = seq::VectorIndex::build(&vectors[..1000].iter().map(Vec::as_slice).collect::<Vec<_>>())
            .unwrap_or_else(|error| panic!("{error}"));
        bench.run(&format!("top 10 of 1k x 384, {name}"), || keep(few.top_k(black_box(&query), 10)), None);
    }
}

/// The ten largest products, each in 32 sums that the compiler can compute at once.
fn nearest(vectors: &[Vec<f32>], query: &[f32]) -> Vec<(f32, usize)> {
    let mut best: Vec<(f32, usize)> = Vec::new();
    for (index, vector) in vectors.iter().enumerate() {
        let mut sums = [0.0_f32; 32];
        for (a, b) in vector.as_chunks::<32>().0.iter().zip(query.as_chunks::<32>().0) {
            for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
                *sum += a * b;
            }
        }
        let product = sums.iter().sum::<f32>();
        if best.len() < 10 || product > best[9].0 {
            best.push((product, index));
            best.sort_by(|a, b| b.0.total_cmp(&a.0));
            best.truncate(10);
        }
    }
    best
}

/// Words as common as in language: the n-th most frequent is 1/n as frequent as the first.
struct Zipf(Vec<f64>);

impl Zipf {
    fn new(words: usize) -> Self {
        let mut sum = 0.0;
        Self(
            (1..=words)
                .map(|rank| {
                    sum += 1.0 / rank as f64;
                    sum
                })
                .collect(),
        )
    }

    fn word(&self, random: &mut Random) -> u32 {
        let at = random.unit() * self.0[self.0.len() - 1];
        (self.0.partition_point(|&sum| sum < at) as u32).wrapping_mul(0x9e37_79b1)
    }
}

/// Texts of each kind that are searched.
const TEXTS: usize = 200;

fn patterns(bench: &mut Bench) {
    let mut random = Random(4);
    let zipf = Zipf::new(5000);
    let mut sentence = |from: u64, to: u64| -> Vec<u32> {
        (0..from + random.below(to - from)).map(|_| zipf.word(&mut random)).collect()
    };
    let known: Vec<Vec<u32>> = (0..10_000).map(|_| sentence(12, 40)).collect();
    let mut builder = seq::PatternLibrary::builder();
    for (number, pattern) in known.iter().enumerate() {
        builder.insert(&number.to_string(), "class", pattern).unwrap_or_else(|error| panic!("{error}"));
    }
    let builder_again = builder.clone();
    let library = builder.build().unwrap_or_else(|error| panic!("{error}"));
    bench.run("build 10k patterns", || keep(builder_again.clone().build()), None);
    let bytes = library.to_bytes();
    bench.run_noted(
        "read 10k patterns",
        &format!("{} KiB", bytes.len() / 1024),
        &mut || keep(seq::PatternLibrary::from_bytes(&bytes)),
        None,
    );
    let mut scratch = seq::Scratch::default();
    for (len, planted) in [(64, true), (64, false), (400, true), (400, false), (4000, true)] {
        for cutoff in [0.2, 0.35, 0.5] {
            // Many texts, so that it is not the time of one.
            let texts: Vec<Vec<u32>> = (0..TEXTS)
                .map(|number| {
                    let mut text = sentence(len, len + 1);
                    if planted {
                        let pattern = &known[number * 37];
                        text[10..10 + pattern.len()].copy_from_slice(pattern);
                        text[12] = 1;
                    }
                    text
                })
                .collect();
            let mut next = texts.iter().cycle();
            let (mut hits, mut work, mut inexact) = (0, 0, 0);
            for text in &texts {
                if let Ok(found) = library.find_with(&mut scratch, text, seq::Budget::default(), cutoff) {
                    hits += found.hits.len();
                    work += found.work_done;
                    inexact += usize::from(!found.exact);
                }
            }
            let name = if planted { "with a pattern" } else { "without" };
            // Each text by itself: what one request waits for. The best of ten, so that it is the text and not the machine.
            let mut times: Vec<f64> = texts
                .iter()
                .map(|text| {
                    let mut search = || {
                        keep(library.find_with(&mut scratch, black_box(text), seq::Budget::default(), cutoff))
                    };
                    (0..10).map(|_| time(1, &mut search)).fold(f64::INFINITY, f64::min)
                })
                .collect();
            times.sort_by(f64::total_cmp);
            let (p50, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
            bench.run_noted(
                &format!("find in 10k patterns, {len} tokens {name}, cutoff {cutoff}"),
                &format!(
                    "by text p50 {p50:.0} p99 {p99:.0}; {:.1} hits, {} cells, {inexact} of {TEXTS} inexact",
                    hits as f64 / TEXTS as f64,
                    work / TEXTS as u64
                ),
                &mut || {
                    if let Some(text) = next.next() {
                        keep(library.find_with(&mut scratch, text, seq::Budget::default(), cutoff));
                    }
                },
                None,
            );
        }
    }
    // Attacks as they are collected: variants of fewer originals.
    let variants: Vec<Vec<u32>> = (0..20_000)
        .map(|number| {
            let mut variant: Vec<u32> = known[number % 4000].iter().take(15).copied().collect();
            if let Some(token) = variant.get_mut(number % 13) {
                *token = number as u32;
            }
            variant
        })
        .collect();
    let clusters = seq::medoids(&variants, 0.3).len();
    bench.run_noted(
        "medoids of 20k sequences",
        &format!("{clusters} clusters"),
        &mut || keep(seq::medoids(&variants, 0.3)),
        None,
    );
    // The most work: few words, so that everything shares something, and yet nothing is alike.
    let few = Zipf::new(300);
    let unrelated: Vec<Vec<u32>> =
        (0..20_000).map(|_| (0..15).map(|_| few.word(&mut random)).collect()).collect();
    bench.run_noted(
        "medoids of 20k unrelated sequences of 300 words",
        &format!("{} clusters", seq::medoids(&unrelated, 0.3).len()),
        &mut || keep(seq::medoids(&unrelated, 0.3)),
        None,
    );
}

fn print(rows: &[Row], json: bool) {
    if json {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| {
                serde_json::json!({
                    "case": row.name, "median_us": row.median, "min_us": row.least, "note": row.note,
                    "rival": row.rival.map(|_| row.rival_name),
                    "rival_median_us": row.rival.map(|rival| rival.0),
                    "rival_min_us": row.rival.map(|rival| rival.1),
                })
            })
            .collect();
        println!("{}", serde_json::Value::from(rows));
        return;
    }
    println!(
        "{:<60} {:>10} {:>10} {:>10} {:>10} {:>6}",
        "case, us", "median", "min", "rival", "min", "ratio"
    );
    for row in rows {
        print!("{:<60} {:>10.3} {:>10.3}", row.name, row.median, row.least);
        match row.rival {
            Some((median, least)) => {
                print!(" {median:>10.3} {least:>10.3} {:>6.2}  {}", median / row.median, row.rival_name);
            }
            None => print!(" {:>10} {:>10} {:>6}", "", "", ""),
        }
        println!("  {}", row.note);
    }
}
