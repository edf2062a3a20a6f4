//! Times of the analysis and its parts.
//!
//! `cargo run --release -p aimds-attractor --example bench [-- --format json] [FILTER]`
//!
//! Each number is the median (and the minimum) over many runs on one thread, in microseconds of wall time; the rows of
//! the detectors are nanoseconds a value. `oracles/nolds_time.py` takes the time of nolds for the same series.

#[path = "../tests/systems/mod.rs"]
mod systems;

use std::hint::black_box;
use std::time::Instant;

use aimds_attractor as attractor;
use attractor::{Config, Embedding};

struct Row {
    name: String,
    unit: &'static str,
    median: f64,
    least: f64,
}

struct Bench {
    filter: Option<String>,
    rows: Vec<Row>,
}

impl Bench {
    /// Runs for about a second, at least seven times.
    fn run(&mut self, name: &str, mut operation: impl FnMut()) {
        if !self.wanted(name) {
            return;
        }
        let once = microseconds(&mut operation).max(1.0);
        let runs = ((1e6 / once) as usize).clamp(7, 500);
        let samples = (0..runs).map(|_| microseconds(&mut operation)).collect();
        self.add(name, "µs", samples);
    }

    /// Pushes the stream again and again; the time of one value.
    fn stream(&mut self, name: &str, values: &[f64], mut push: impl FnMut(f64)) {
        if !self.wanted(name) {
            return;
        }
        let mut all = || values.iter().for_each(|&value| push(value));
        all();
        let samples = (0..50).map(|_| microseconds(&mut all) * 1e3 / values.len() as f64).collect();
        self.add(name, "ns", samples);
    }

    fn wanted(&self, name: &str) -> bool {
        self.filter.as_ref().is_none_or(|filter| name.contains(filter.as_str()))
    }

    fn add(&mut self, name: &str, unit: &'static str, mut samples: Vec<f64>) {
        samples.sort_by(f64::total_cmp);
        let (median, least) = (samples[samples.len() / 2], samples[0]);
        self.rows.push(Row { name: name.to_owned(), unit, median, least });
    }
}

/// Has the result computed.
fn keep<T>(result: T) {
    let _ = black_box(result);
}

fn microseconds(operation: &mut dyn FnMut()) -> f64 {
    let start = Instant::now();
    operation();
    start.elapsed().as_secs_f64() * 1e6
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let json = arguments.iter().any(|argument| argument == "json");
    let filter = arguments.into_iter().find(|argument| !argument.starts_with("--") && argument != "json");
    let mut bench = Bench { filter, rows: Vec::new() };
    analyses(&mut bench);
    parts(&mut bench);
    detectors(&mut bench);
    print(&bench.rows, json);
}

fn analyses(bench: &mut Bench) {
    let without = Config { surrogates: 0, ..Config::default() };
    for len in [1000, 10_000] {
        let series = [
            ("logistic 4", systems::logistic(len, 4.0)),
            ("henon", systems::henon(len)),
            ("lorenz", systems::lorenz(len)),
            ("noise", systems::noise(len, 1)),
            ("ar 0.9", systems::autoregressive(len, 0.9, 1)),
            ("walk", systems::walk(len, 1)),
            ("sine", systems::sines(len, &[(25.3, 1.0)])),
            ("period 3", systems::logistic(len, 3.83)),
        ];
        for (name, series) in &series {
            bench.run(&format!("analyze {len} {name}, no surrogates"), || {
                keep(attractor::analyze(black_box(series), &without));
            });
        }
        for (name, series) in series.iter().filter(|(name, _)| ["henon", "lorenz", "noise"].contains(name)) {
            bench.run(&format!("analyze {len} {name}, 19 surrogates"), || {
                keep(attractor::analyze(black_box(series), &Config::default()));
            });
        }
    }
}

fn parts(bench: &mut Bench) {
    let (map, flow) = (Embedding::new(1, 2, 10), Embedding::new(10, 5, 100));
    let (Ok(map), Ok(flow)) = (map, flow) else { return };
    for len in [1000, 10_000] {
        let (logistic, lorenz) = (systems::logistic(len, 4.0), systems::lorenz(len));
        let noise = systems::noise(len, 1);
        bench.run(&format!("rosenstein {len} logistic 4"), || {
            keep(attractor::rosenstein(black_box(&logistic), &map, 8));
        });
        bench.run(&format!("rosenstein {len} lorenz"), || {
            keep(attractor::rosenstein(black_box(&lorenz), &flow, 100));
        });
        bench.run(&format!("19 surrogates {len} noise"), || {
            keep(attractor::surrogate_test(black_box(&noise), &map, 19, 1));
        });
        bench.run(&format!("19 surrogates {len} lorenz"), || {
            keep(attractor::surrogate_test(black_box(&lorenz), &flow, 19, 1));
        });
        bench.run(&format!("iaaft {len}"), || keep(attractor::iaaft(black_box(&noise), 1)));
        bench
            .run(&format!("recurrence {len}"), || keep(attractor::recurrence(black_box(&noise), &map, 0.25)));
        bench.run(&format!("zero_one {len}"), || keep(attractor::zero_one(black_box(&noise), 1)));
        bench.run(&format!("permutation_entropy {len}"), || {
            keep(attractor::permutation_entropy(black_box(&noise), 4, 1));
        });
        bench.run(&format!("cao {len} noise"), || keep(attractor::cao(black_box(&noise), 1, 10, 6)));
    }
}

fn detectors(bench: &mut Bench) {
    let noise = systems::noise(20_000, 1);
    let points: Vec<f64> = noise.iter().map(|value| value / 8.0 + 0.5).collect();
    let unwrap = "settings of a benchmark are valid";
    let mut cusum = attractor::Cusum::new(0.0, 0.5, 20.0).expect(unwrap);
    bench.stream("cusum", &noise, |value| keep(cusum.push(value)));
    let shift = attractor::Shift::Normal { before: 0.0, after: 1.0, deviation: 1.0 };
    let mut likelihood = attractor::LikelihoodCusum::new(shift, 20.0).expect(unwrap);
    bench.stream("likelihood cusum", &noise, |value| keep(likelihood.push(value)));
    let mut page_hinkley = attractor::PageHinkley::new(Default::default()).expect(unwrap);
    bench.stream("page-hinkley", &noise, |value| keep(page_hinkley.push(value)));
    let mut adwin = attractor::Adwin::new(Default::default()).expect(unwrap);
    bench.stream("adwin", &noise, |value| keep(adwin.push(value)));
    let prior = attractor::Prior { mean: 0.0, strength: 1.0, shape: 1.0, rate: 1.0 };
    let mut bocpd = attractor::Bocpd::new(prior, 250.0, 100).expect(unwrap);
    bench.stream("bocpd, 100 hypotheses", &noise, |value| keep(bocpd.push(value)));
    let mut trees = attractor::HalfSpaceTrees::new(&[(0.0, 1.0); 3], Default::default()).expect(unwrap);
    bench.stream("half-space trees, 25 of height 8", &points, |value| {
        keep(trees.push(&[value, 1.0 - value, value * value]));
    });
}

fn print(rows: &[Row], json: bool) {
    if json {
        let rows: Vec<serde_json::Value> = rows
            .iter()
            .map(|row| {
                serde_json::json!({"name": row.name, "unit": row.unit, "median": row.median, "least": row.least})
            })
            .collect();
        println!("{}", serde_json::Value::from(rows));
        return;
    }
    for Row { name, unit, median, least } in rows {
        println!("{name:45} {median:10.1} {unit} (least {least:.1})");
    }
}
