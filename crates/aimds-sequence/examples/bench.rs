//! Times of the operations, next to those of the `rapidfuzz` crate where it has them.
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
    note: String,
}

struct Bench {
    filter: Option<String>,
    rows: Vec<Row>,
}

impl Bench {
    fn run(&mut self, name: &str, mut ours: impl FnMut(), rival: Option<&mut dyn FnMut()>) {
        self.run_noted(name, "", &mut ours, rival);
    }

    fn run_noted(
        &mut self,
        name: &str,
        note: &str,
        ours: &mut dyn FnMut(),
        mut rival: Option<&mut dyn FnMut()>,
    ) {
        if self.filter.as_ref().is_some_and(|filter| !name.contains(filter.as_str())) {
            return;
        }
        // So many calls a sample that the clock does not matter; so many samples that a median means something.
        let once = time(1, ours).max(0.02);
        let calls = (20.0 / once).ceil() as usize;
        let samples = ((400_000.0 / (once * calls as f64)) as usize).clamp(15, 2000);
        let (mut own, mut other) = (Vec::new(), Vec::new());
        for _ in 0..samples {
            own.push(time(calls, ours));
            if let Some(rival) = rival.as_deref_mut() {
                other.push(time(calls, rival));
            }
        }
        let (median, least) = summary(&mut own);
        let rival = (!other.is_empty()).then(|| summary(&mut other));
        self.rows.push(Row { name: name.to_owned(), median, least, rival, note: note.to_owned() });
    }
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
        bench.run(&format!("dtw f32 {len}"), || drop(black_box(seq::dtw(black_box(&a32), &b32))), None);
        bench.run(&format!("dtw f64 {len}"), || drop(black_box(seq::dtw(black_box(&a), &b))), None);
        bench.run(
            &format!("dtw f32 band 10% {len}"),
            || drop(black_box(seq::dtw_banded(black_box(&a32), &b32, band))),
            None,
        );
        bench.run(
            &format!("dtw f64 band 10% {len}"),
            || drop(black_box(seq::dtw_banded(black_box(&a), &b, band))),
            None,
        );
        let cutoff = seq::dtw_banded(&a, &b, band).unwrap_or(0.0) / 4.0;
        bench.run(
            &format!("dtw f64 band 10% cutoff d/4 {len}"),
            || drop(black_box(seq::dtw_banded_cutoff(black_box(&a), &b, band, cutoff))),
            None,
        );
        let envelope = seq::Envelope::new(&a, band).unwrap_or_else(|error| panic!("{error}"));
        bench.run(
            &format!("lb_keogh f64, envelope known {len}"),
            || drop(black_box(envelope.lower_bound(black_box(&b)))),
            None,
        );
        bench.run(
            &format!("lb_keogh f64 {len}"),
            || drop(black_box(seq::lb_keogh(black_box(&a), &b, band))),
            None,
        );
        let query = &a[..len / 10];
        bench.run(
            &format!("dtw_subsequence f64 {} in {len}", len / 10),
            || drop(black_box(seq::dtw_subsequence(black_box(query), &b))),
            None,
        );
        bench.run(
            &format!("dtw_path f64 band 10% {len}"),
            || drop(black_box(seq::dtw_path(black_box(&a), &b, band))),
            None,
        );
    }
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
            || drop(black_box(seq::levenshtein(black_box(&a), &b))),
            Some(&mut || drop(black_box(rapid(black_box(&a), &b)))),
        );
        bench.run(
            &format!("levenshtein 10% changed, cutoff 15% {len}"),
            || drop(black_box(seq::levenshtein_cutoff(black_box(&a), &near, cutoff))),
            Some(&mut || drop(black_box(rapid_within(black_box(&a), &near)))),
        );
        bench.run(
            &format!("levenshtein random, cutoff 15% {len}"),
            || drop(black_box(seq::levenshtein_cutoff(black_box(&a), &b, cutoff))),
            Some(&mut || drop(black_box(rapid_within(black_box(&a), &b)))),
        );
        bench.run(
            &format!("lcs_len random {len}"),
            || drop(black_box(seq::lcs_len(black_box(&a), &b))),
            Some(&mut || {
                drop(black_box(lcs_seq::similarity(black_box(&a).iter().copied(), b.iter().copied())))
            }),
        );
        let (words_a, words_b): (Vec<u32>, Vec<u32>) =
            (0..len).map(|_| (random.next() as u32 % 500 * 7919, random.next() as u32 % 500 * 7919)).unzip();
        bench.run(
            &format!("levenshtein words {len}"),
            || drop(black_box(seq::levenshtein(black_box(&words_a), &words_b))),
            Some(&mut || {
                drop(black_box(levenshtein::distance(
                    black_box(&words_a).iter().copied(),
                    words_b.iter().copied(),
                )))
            }),
        );
        bench.run(
            &format!("levenshtein_infix 64 in {len}"),
            || drop(black_box(seq::levenshtein_infix(black_box(&near[..64]), &b))),
            None,
        );
    }
}

fn print(rows: &[Row], json: bool) {
    if json {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| {
                serde_json::json!({
                    "case": row.name, "median_us": row.median, "min_us": row.least, "note": row.note,
                    "rapidfuzz_median_us": row.rival.map(|rival| rival.0),
                    "rapidfuzz_min_us": row.rival.map(|rival| rival.1),
                })
            })
            .collect();
        println!("{}", serde_json::Value::from(rows));
        return;
    }
    println!(
        "{:<46} {:>10} {:>10} {:>10} {:>10} {:>6}",
        "case, us", "median", "min", "rapidfuzz", "min", "ratio"
    );
    for row in rows {
        print!("{:<46} {:>10.3} {:>10.3}", row.name, row.median, row.least);
        match row.rival {
            Some((median, least)) => print!(" {median:>10.3} {least:>10.3} {:>6.2}", median / row.median),
            None => print!(" {:>10} {:>10} {:>6}", "", "", ""),
        }
        println!("  {}", row.note);
    }
}
