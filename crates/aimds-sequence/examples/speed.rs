//! What time warping and the search for the nearest vectors take, in microseconds: minimum and median of 200 runs.
//!
//! `cargo run --release -p aimds-sequence --example speed`

use std::hint::black_box;
use std::time::Instant;

use aimds_sequence::{VectorIndex, dtw, dtw_banded};

/// Reproducible numbers of about a normal distribution.
struct Random(u64);

impl Random {
    fn normal(&mut self) -> f64 {
        let mut unit = || {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 40) as f64 / (1_u64 << 24) as f64
        };
        (0..12).map(|_| unit()).sum::<f64>() - 6.0
    }

    fn walk(&mut self, len: usize) -> Vec<f64> {
        let mut value = 0.0;
        let next = std::iter::repeat_with(|| {
            value += self.normal();
            value
        });
        next.take(len).collect()
    }
}

/// So many calls in a run that the clock does not matter.
fn report<T>(name: &str, mut operation: impl FnMut() -> T) {
    let mut run = |calls: u32| {
        let start = Instant::now();
        (0..calls).for_each(|_| drop(black_box(operation())));
        start.elapsed().as_secs_f64() * 1e6 / f64::from(calls)
    };
    run(1);
    let calls = (50.0 / run(1).max(0.05)).ceil() as u32;
    let mut times: Vec<f64> = (0..200).map(|_| run(calls)).collect();
    times.sort_by(f64::total_cmp);
    println!("{name:45} {:8.2} {:8.2}", times[0], times[100]);
}

fn main() -> Result<(), aimds_sequence::VectorError> {
    let mut random = Random(1);
    for len in [100, 1000] {
        let (a, b) = (random.walk(len), random.walk(len));
        let narrow = |values: &[f64]| -> Vec<f32> { values.iter().map(|&value| value as f32).collect() };
        let (narrow_a, narrow_b) = (narrow(&a), narrow(&b));
        report(&format!("time warping f32, n = {len}"), || dtw(black_box(&narrow_a), &narrow_b));
        report(&format!("time warping f64, n = {len}"), || dtw(black_box(&a), &b));
        report(&format!("time warping f64, band 10 %, n = {len}"), || {
            dtw_banded(black_box(&a), &b, len / 10)
        });
    }
    // Around a hundred centres, as embeddings of texts are.
    let centres: Vec<Vec<f64>> = (0..100).map(|_| (0..384).map(|_| random.normal()).collect()).collect();
    let mut near = |centre: &Vec<f64>| -> Vec<f32> {
        centre.iter().map(|component| (component + 0.5 * random.normal()) as f32).collect()
    };
    let vectors: Vec<Vec<f32>> = centres.iter().cycle().take(10_000).map(&mut near).collect();
    let query = near(&centres[0]);
    let index = VectorIndex::build(&vectors.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
    report("10 nearest of 10,000 of 384", || index.top_k(black_box(&query), 10));
    Ok(())
}
