//! Series of behaviour: what the analysis and its parts take, and what it says of series whose nature is known. One
//! thread, wall time.
//!
//! Exponents are asked for with the same embedding, minimal distance in time and number of steps from everybody.

use std::hint::black_box;
use std::io::{self, Write};

use aimds_attractor::{self as attractor, Config, Embedding, Estimate, systems};
use serde_json::json;

use crate::bench::Bench;
use crate::case::{Answer, Case, Measured, Of, Unit, times};

/// Lengths of the series that the promises speak of, with the milliseconds that an analysis without surrogates may take.
const PROMISED: [(usize, f64); 2] = [(1000, 2.0), (10_000, 60.0)];
/// What an analysis with surrogates may take, for the first of them.
const WITH_SURROGATES_MS: f64 = 40.0;

/// Measures what is wanted, with series of these lengths.
///
/// # Errors
/// None with these series.
pub fn measure_attractor(bench: &mut Bench<'_>, lengths: &[usize]) -> anyhow::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for &len in lengths {
        analyses(bench, len, &mut cases)?;
        exponents(bench, len, &mut cases)?;
        parts(bench, len, &mut cases)?;
    }
    detectors(bench, &mut cases)?;
    Ok(cases)
}

/// Writes the series that rivals look at: `{"case","values"}`, and for an exponent `dimension`, `delay`, `apart` (the
/// least distance in time of two neighbours), `steps` (of the divergence curve) and `interval` (the time between two
/// values).
///
/// # Errors
/// What `out` says.
pub fn export_attractor(out: &mut impl Write, lengths: &[usize], seed: u64) -> io::Result<()> {
    for &len in lengths {
        for Known { name, values, .. } in known(len, seed) {
            writeln!(out, "{}", json!({ "case": analysis_of(name, len), "values": values }))?;
        }
        for Flow { name, values, embedding: (delay, dimension, apart), steps, interval, .. } in flows(len) {
            let line = json!({ "case": exponent_of(name, len), "values": values, "dimension": dimension,
                "delay": delay, "apart": apart, "steps": steps, "interval": interval });
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

fn analysis_of(name: &str, len: usize) -> String {
    format!("class of {name}, {len} values")
}

fn exponent_of(name: &str, len: usize) -> String {
    format!("exponent of {name}, {len} values")
}

/// A series and what it is.
struct Known {
    name: &'static str,
    class: &'static str,
    values: Vec<f64>,
}

fn known(len: usize, seed: u64) -> Vec<Known> {
    let known = |name, class, values| Known { name, class, values };
    let scaled = systems::logistic(len, 4.0).into_iter().map(|value| 1000.0 * value).collect();
    vec![
        known("logistic map at 4", "chaotic", systems::logistic(len, 4.0)),
        known("logistic map at 4, a thousand times as large", "chaotic", scaled),
        known("logistic map at 3.83", "periodic", systems::logistic(len, 3.83)),
        known("Henon map", "chaotic", systems::henon(len)),
        known("Lorenz flow", "chaotic", systems::lorenz(len)),
        known("white noise", "stochastic", systems::noise(len, seed)),
        known("autoregressive noise", "stochastic", systems::autoregressive(len, 0.9, seed)),
        known("random walk", "drifting", systems::walk(len, seed)),
        known("sine wave", "periodic", systems::sines(len, &[(25.3, 1.0)])),
        known("sine wave of size 100", "periodic", systems::sines(len, &[(25.3, 100.0)])),
        known("straight line", "drifting", (0..len).map(|i| 2.0 * i as f64).collect()),
        known("constant", "constant", vec![3.0; len]),
    ]
}

fn analyses(bench: &mut Bench<'_>, len: usize, cases: &mut Vec<Case>) -> anyhow::Result<()> {
    let without = Config { surrogates: 0, seed: bench.seed, ..Config::default() };
    let with = Config { seed: bench.seed, ..Config::default() };
    let promised = PROMISED.into_iter().find(|(promised, _)| *promised == len);
    for Known { name, class, values } in known(len, bench.seed) {
        let case = format!("analyze {name}, {len} values, no surrogates");
        let measured = bench.time(case, Unit::Ms, || attractor::analyze(black_box(&values), &without));
        cases.extend(measured.map(|case| match promised {
            Some((_, at_most)) => case.target(Of::Median, at_most),
            None => case,
        }));
        let case = analysis_of(name, len);
        if !bench.begins(&case) {
            continue;
        }
        let found = attractor::analyze(&values, &with)?;
        let case = Case::time(case, Unit::Ms, bench.runs, || attractor::analyze(black_box(&values), &with))
            .answer(Some(found.class.as_str().into()), (class.into(), 0.0))
            .target_if(len == PROMISED[0].0, Of::Median, WITH_SURROGATES_MS);
        cases.push(found.lyapunov.iter().fold(case, |case, found| case.detail("exponent", found.value)));
    }
    Ok(())
}

/// A series with an exponent that the literature knows.
struct Flow {
    name: &'static str,
    values: Vec<f64>,
    /// Delay, dimension, least distance in time.
    embedding: (usize, usize, usize),
    steps: usize,
    interval: f64,
    exponent: f64,
    tolerance: f64,
}

fn flows(len: usize) -> [Flow; 3] {
    let map = |name, values, exponent| Flow {
        name,
        values,
        embedding: (1, 2, 10),
        steps: 8,
        interval: 1.0,
        exponent,
        tolerance: 0.03,
    };
    [
        map("logistic map at 4", systems::logistic(len, 4.0), std::f64::consts::LN_2),
        map("Henon map", systems::henon(len), 0.4192),
        Flow {
            name: "Lorenz flow",
            values: systems::lorenz(len),
            embedding: (10, 5, 100),
            steps: 100,
            interval: 0.01,
            exponent: 0.9056,
            tolerance: 0.15,
        },
    ]
}

fn exponents(bench: &mut Bench<'_>, len: usize, cases: &mut Vec<Case>) -> anyhow::Result<()> {
    for Flow { name, values, embedding: (delay, dimension, apart), steps, interval, exponent, tolerance } in
        flows(len)
    {
        let case = exponent_of(name, len);
        if !bench.begins(&case) {
            continue;
        }
        let embedding = Embedding::new(delay, dimension, apart)?;
        let found = attractor::rosenstein(&values, &embedding, steps)?;
        let number = |found: Option<Estimate>| found.map(|found| Answer::Number(found.value / interval));
        let truth = (Answer::Number(exponent), tolerance);
        let promised = PROMISED.iter().any(|(promised, _)| *promised == len);
        let ours = Case::time(case, Unit::Us, bench.runs, || {
            attractor::rosenstein(black_box(&values), &embedding, steps)
        });
        let ours = ours.answer(number(found), truth).target_if(promised, Of::Ratio("nolds"), 1.0 / 30.0);
        let textbook = || textbook(black_box(&values), (delay, dimension, apart), steps);
        let (answer, times) = (textbook(), times(Unit::Us, bench.runs, textbook));
        let answer = answer.map(|slope| Answer::Number(slope / interval));
        cases.push(ours.rival("textbook loop", None, Measured { answer, ..Measured::new(times) }));
    }
    Ok(())
}

/// Rosenstein's method as it is written down: all pairs, and the slope of the whole curve.
fn textbook(values: &[f64], (delay, dimension, apart): (usize, usize, usize), steps: usize) -> Option<f64> {
    let vectors: Vec<Vec<f64>> = (0..values.len().checked_sub((dimension - 1) * delay)?)
        .map(|at| values.iter().skip(at).step_by(delay).take(dimension).copied().collect())
        .collect();
    let distance = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    let followed = vectors.get(..vectors.len().checked_sub(steps)?)?;
    let mut sums = vec![(0.0, 0.0); steps + 1];
    for (at, vector) in followed.iter().enumerate() {
        let others = followed.iter().enumerate().filter(|(other, _)| at.abs_diff(*other) > apart);
        let others =
            others.map(|(other, near)| (other, distance(vector, near))).filter(|(_, near)| *near > 0.0);
        let Some((nearest, _)) = others.min_by(|a, b| a.1.total_cmp(&b.1)) else { continue };
        let pairs = vectors.iter().skip(at).zip(vectors.iter().skip(nearest));
        for ((sum, count), (one, other)) in sums.iter_mut().zip(pairs) {
            let logarithm = distance(one, other).ln();
            if logarithm.is_finite() {
                *sum += logarithm;
                *count += 1.0;
            }
        }
    }
    let middle = steps as f64 / 2.0;
    let slope = sums.iter().zip(0_u32..).map(|((sum, count), step)| (f64::from(step) - middle) * sum / count);
    let spread: f64 = (0..=steps).map(|step| (step as f64 - middle).powi(2)).sum();
    Some(slope.sum::<f64>() / spread).filter(|slope| slope.is_finite())
}

fn parts(bench: &mut Bench<'_>, len: usize, cases: &mut Vec<Case>) -> anyhow::Result<()> {
    let (map, flow) = (Embedding::new(1, 2, 10)?, Embedding::new(10, 5, 100)?);
    let (noise, lorenz) = (systems::noise(len, bench.seed), systems::lorenz(len));
    let seed = bench.seed;
    let mut time = |name: &str, operation: &mut dyn FnMut()| {
        cases.extend(bench.time(format!("{name}, {len} values"), Unit::Us, operation));
    };
    time("19 surrogates of white noise", &mut || {
        keep(attractor::surrogate_test(black_box(&noise), &map, 19, seed))
    });
    time("19 surrogates of the Lorenz flow", &mut || {
        keep(attractor::surrogate_test(black_box(&lorenz), &flow, 19, seed));
    });
    time("one surrogate (IAAFT)", &mut || keep(attractor::iaaft(black_box(&noise), seed)));
    time("recurrence", &mut || keep(attractor::recurrence(black_box(&noise), &map, 0.25)));
    time("0-1 test", &mut || keep(attractor::zero_one(black_box(&noise), seed)));
    time("permutation entropy", &mut || keep(attractor::permutation_entropy(black_box(&noise), 4, 1)));
    time("dimension (Cao)", &mut || keep(attractor::cao(black_box(&noise), 1, 10, 6)));
    Ok(())
}

/// Has the result computed.
fn keep<T>(result: T) {
    let _ = black_box(result);
}

/// One value at a time: nanoseconds of each, over a stream of them.
fn detectors(bench: &mut Bench<'_>, cases: &mut Vec<Case>) -> anyhow::Result<()> {
    const VALUES: usize = 20_000;
    let noise = systems::noise(VALUES, bench.seed);
    let mut stream = |name: &str, push: &mut dyn FnMut(f64)| {
        let case = format!("push to {name}");
        if bench.begins(&case) {
            let times = times(Unit::Ns, bench.runs, || noise.iter().for_each(|&value| push(value)));
            let each = times.into_iter().map(|time| time / VALUES as f64).collect();
            cases.push(Case::new(case, Unit::Ns, Measured::new(each)));
        }
    };
    let mut cusum = attractor::Cusum::new(0.0, 0.5, 20.0)?;
    stream("CUSUM", &mut |value| keep(cusum.push(value)));
    let shift = attractor::Shift::Normal { before: 0.0, after: 1.0, deviation: 1.0 };
    let mut likelihood = attractor::LikelihoodCusum::new(shift, 20.0)?;
    stream("likelihood CUSUM", &mut |value| keep(likelihood.push(value)));
    let mut page_hinkley = attractor::PageHinkley::new(Default::default())?;
    stream("Page-Hinkley", &mut |value| keep(page_hinkley.push(value)));
    let mut adwin = attractor::Adwin::new(Default::default())?;
    stream("ADWIN", &mut |value| keep(adwin.push(value)));
    let prior = attractor::Prior { mean: 0.0, strength: 1.0, shape: 1.0, rate: 1.0 };
    let mut bocpd = attractor::Bocpd::new(prior, 250.0, 100)?;
    stream("BOCPD with 100 hypotheses", &mut |value| keep(bocpd.push(value)));
    let mut trees = attractor::HalfSpaceTrees::new(&[(0.0, 1.0); 3], Default::default())?;
    stream("half-space trees, 25 of height 8", &mut |value| {
        let value = value / 8.0 + 0.5;
        keep(trees.push(&[value, 1.0 - value, value * value]));
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_textbook_finds_the_exponents_of_maps() {
        let check = |values: Vec<f64>, steps, expected: f64| {
            let found = textbook(&values, (1, 2, 10), steps).unwrap();
            assert!((found - expected).abs() < 0.1, "{found}");
        };
        check(systems::logistic(1000, 4.0), 4, std::f64::consts::LN_2);
        check(systems::henon(1000), 6, 0.4192);
        assert_eq!(textbook(&[1.0; 5], (1, 2, 10), 8), None);
        assert_eq!(textbook(&[1.0; 500], (1, 2, 10), 8), None);
    }
}
