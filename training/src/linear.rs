//! Logistic regression over hashed n-grams: AdaGrad, feature dropout, class and source weights.

use aimds_detect::lexical::TABLE_BITS;

use crate::data::hash;
use crate::prepare::{Grams, Prepared, Reading};

/// What can be varied between recipes.
#[derive(Clone, Debug)]
pub struct Options {
    /// Passes over the data.
    pub epochs: usize,
    /// Step size of AdaGrad.
    pub rate: f32,
    /// Share of n-grams that is dropped from each example.
    pub dropout: f32,
    /// Pull towards zero, per update of a weight.
    pub decay: f32,
    /// Sources weigh as their size to this power.
    pub temper: f32,
    /// Weight of windows beside whole texts.
    pub windows: f32,
    /// Weight of all attacks together, beside all benign texts.
    pub attacks: f32,
    /// Seed of dropout, order and windows.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { epochs: 6, rate: 0.15, dropout: 0.4, decay: 1e-5, temper: 0.6, windows: 0.5, attacks: 0.6, seed: 1 }
    }
}

/// Weights before quantisation.
#[derive(Clone, Debug)]
pub struct Linear {
    /// One weight for each table entry.
    pub weights: Vec<f32>,
    /// Added to every logit.
    pub bias: f32,
}

const SMOOTHING: f32 = 8.0;

/// xorshift64*: small, seeded, the same everywhere.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator; equal seeds give equal numbers.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Uniform in 0..n.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n.max(1)
    }
}

impl Linear {
    /// The logit of a stretch of sentences.
    #[must_use]
    pub fn logit(&self, sentences: &[Grams]) -> f32 {
        let mut logit = self.bias;
        for family in 0..2 {
            let (mut sum, mut count) = (0.0, 0usize);
            for grams in sentences {
                let indices = &grams.0[family];
                count += indices.len();
                sum += indices.iter().map(|&index| self.weights[index as usize]).sum::<f32>();
            }
            logit += sum / (count as f32 + SMOOTHING).sqrt();
        }
        logit
    }

    /// The highest window of one to three sentences: logit and range.
    #[must_use]
    pub fn peak(&self, sentences: &[Grams]) -> (f32, std::ops::Range<usize>) {
        let mut best = (f32::NEG_INFINITY, 0..sentences.len());
        for end in 1..=sentences.len() {
            for start in end.saturating_sub(3)..end {
                let logit = self.logit(&sentences[start..end]);
                if logit > best.0 {
                    best = (logit, start..end);
                }
            }
        }
        best
    }
}

/// The reading of an attack that holds it: the innermost decoded one, else the text itself.
pub fn telling(prepared: &Prepared) -> &Reading {
    prepared
        .readings
        .iter()
        .rfind(|reading| reading.transforms.iter().any(|transform| transform.hides()))
        .unwrap_or(&prepared.readings[0])
}

/// Weight of each row: its own, times its source's, with attacks and benign texts balanced.
#[must_use]
pub fn weights(
    rows: &[&Prepared],
    options: &Options,
    is_positive: impl Fn(&Prepared) -> bool,
    weight: impl Fn(&Prepared) -> f32,
) -> Vec<f32> {
    let mut sizes = std::collections::HashMap::<(&str, bool), f32>::new();
    for row in rows {
        *sizes.entry((&row.row.source, is_positive(row))).or_default() += 1.0;
    }
    let mut weights: Vec<f32> = rows
        .iter()
        .map(|row| weight(row) * sizes[&(row.row.source.as_str(), is_positive(row))].powf(options.temper - 1.0))
        .collect();
    for positive in [true, false] {
        let members: Vec<usize> = (0..rows.len()).filter(|&at| is_positive(rows[at]) == positive).collect();
        let total: f32 = members.iter().map(|&at| weights[at]).sum();
        let share = if positive { options.attacks } else { 1.0 };
        for at in members {
            weights[at] *= share * rows.len() as f32 / 2.0 / total.max(f32::MIN_POSITIVE);
        }
    }
    weights
}

/// Trains on `rows` with the given weights (0 leaves a row out).
#[must_use]
pub fn train(rows: &[&Prepared], weights: &[f32], options: &Options, is_positive: impl Fn(&Prepared) -> bool) -> Linear {
    let mut model = Linear { weights: vec![0.0; 1 << TABLE_BITS], bias: 0.0 };
    let mut squares = vec![1e-3f32; 1 << TABLE_BITS];
    let mut random = Random::new(options.seed);
    let mut order: Vec<usize> = (0..rows.len()).collect();
    for epoch in 0..options.epochs {
        for at in (1..order.len()).rev() {
            order.swap(at, random.below(at + 1));
        }
        let rate = options.rate * (1.0 - epoch as f32 / options.epochs as f32 * 0.8);
        for &at in &order {
            let (prepared, weight) = (rows[at], weights[at]);
            if weight == 0.0 {
                continue;
            }
            let positive = is_positive(prepared);
            if positive {
                let reading = telling(prepared);
                let many = reading.sentences.len() > 1;
                // A planted sentence must stand out by itself; the rest of its document is innocent.
                if many && epoch > 0 {
                    let (_, range) = model.peak(&reading.sentences);
                    step(&mut model, &mut squares, &reading.sentences[range], 1.0, weight * options.windows, rate, options, &mut random);
                }
                step(&mut model, &mut squares, &reading.sentences, 1.0, weight, rate, options, &mut random);
            } else {
                for reading in &prepared.readings {
                    let share = if reading.transforms.is_empty() { 1.0 } else { 0.5 };
                    step(&mut model, &mut squares, &reading.sentences, 0.0, weight * share, rate, options, &mut random);
                    if reading.sentences.len() > 1 {
                        // The window that alarms most, and one by chance.
                        let (_, range) = if epoch > 0 { model.peak(&reading.sentences) } else { (0.0, 0..1) };
                        step(&mut model, &mut squares, &reading.sentences[range], 0.0, weight * share * options.windows, rate, options, &mut random);
                        let start = random.below(reading.sentences.len());
                        let end = (start + 1 + random.below(3)).min(reading.sentences.len());
                        step(&mut model, &mut squares, &reading.sentences[start..end], 0.0, weight * share * options.windows, rate, options, &mut random);
                    }
                }
            }
        }
    }
    model
}

#[expect(clippy::too_many_arguments, reason = "the inner loop, called from four places above")]
fn step(
    model: &mut Linear,
    squares: &mut [f32],
    sentences: &[Grams],
    target: f32,
    weight: f32,
    rate: f32,
    options: &Options,
    random: &mut Random,
) {
    let keep = ((1.0 - options.dropout) * 256.0) as u64;
    let salt = random.next();
    // The same decision for every repeat of an n-gram in this example, and no memory of what was dropped.
    let kept = |index: u32| (u64::from(index).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt).wrapping_mul(0xd6e8_feb8_6659_fd93) >> 56 < keep;
    let mut logit = model.bias;
    let mut norms = [0.0f32; 2];
    for (family, norm) in norms.iter_mut().enumerate() {
        let (mut sum, mut count) = (0.0, 0usize);
        for index in sentences.iter().flat_map(|grams| &grams.0[family]).copied().filter(|&index| kept(index)) {
            count += 1;
            sum += model.weights[index as usize];
        }
        *norm = 1.0 / (count as f32 + SMOOTHING * (1.0 - options.dropout)).sqrt();
        // As many n-grams as without dropout, in expectation.
        *norm /= (1.0 - options.dropout).sqrt();
        logit += sum * *norm;
    }
    let probability = 1.0 / (1.0 + (-logit).exp());
    let gradient = (probability - target) * weight;
    if gradient.abs() < 1e-4 {
        return;
    }
    model.bias -= rate * 0.05 * gradient;
    for (family, norm) in norms.iter().enumerate() {
        let gradient = gradient * norm;
        for index in sentences.iter().flat_map(|grams| &grams.0[family]).copied().filter(|&index| kept(index)) {
            let (weight, square) = (&mut model.weights[index as usize], &mut squares[index as usize]);
            let gradient = gradient + options.decay * *weight;
            *square += gradient * gradient;
            *weight -= rate * gradient / square.sqrt();
        }
    }
}

/// Which of `folds` parts a row belongs to, by its base row, so that variants stay together.
#[must_use]
pub fn fold(prepared: &Prepared, folds: u64) -> u64 {
    hash(prepared.row.base.as_deref().unwrap_or(&prepared.row.id)) % folds
}
