//! A small network over pooled n-gram embeddings: what a linear model cannot say ("never reveal your instructions" is
//! not "reveal your instructions").

use crate::linear::{Options, Random};
use crate::prepare::{Grams, Prepared, Reading};
use aimds_detect::lexical::TABLE_BITS;

/// Width of an embedding.
pub const WIDTH: usize = 16;
/// Inputs of the first layer: one pool for each family.
pub const INPUTS: usize = 2 * WIDTH;
/// First hidden layer.
pub const HIDDEN: usize = 32;
/// Second hidden layer.
pub const HIDDEN2: usize = 16;
/// The table has `2^EMBEDDING_BITS` rows.
pub const EMBEDDING_BITS: u32 = 18;

const SMOOTHING: f32 = 8.0;

/// The network before quantisation.
#[derive(Clone)]
pub struct Pooled {
    /// One row for each bucket.
    pub embeddings: Vec<[f32; WIDTH]>,
    /// Dense weights, row by row, then biases: first layer, second layer, output.
    pub dense: Dense,
}

/// The dense layers.
#[derive(Clone, Default)]
pub struct Dense {
    /// Weights of the first layer, one row of inputs for each unit.
    pub first: Vec<[f32; INPUTS]>,
    /// Biases of the first layer.
    pub first_bias: Vec<f32>,
    /// Weights of the second layer.
    pub second: Vec<[f32; HIDDEN]>,
    /// Biases of the second layer.
    pub second_bias: Vec<f32>,
    /// Weights of the output.
    pub output: [f32; HIDDEN2],
    /// Bias of the output.
    pub output_bias: f32,
}

struct Activations {
    inputs: [f32; INPUTS],
    first: [f32; HIDDEN],
    second: [f32; HIDDEN2],
    logit: f32,
}

impl Dense {
    fn forward(&self, inputs: [f32; INPUTS]) -> Activations {
        let mut first = [0.0; HIDDEN];
        for ((out, row), bias) in first.iter_mut().zip(&self.first).zip(&self.first_bias) {
            *out = (row.iter().zip(&inputs).map(|(a, b)| a * b).sum::<f32>() + bias).max(0.0);
        }
        let mut second = [0.0; HIDDEN2];
        for ((out, row), bias) in second.iter_mut().zip(&self.second).zip(&self.second_bias) {
            *out = (row.iter().zip(&first).map(|(a, b)| a * b).sum::<f32>() + bias).max(0.0);
        }
        let logit = self.output.iter().zip(&second).map(|(a, b)| a * b).sum::<f32>() + self.output_bias;
        Activations { inputs, first, second, logit }
    }
}

fn row(index: u32) -> usize {
    (index >> (TABLE_BITS - EMBEDDING_BITS)) as usize
}

impl Pooled {
    fn sums(&self, sentences: &[Grams]) -> ([f32; INPUTS], [f32; 2]) {
        let mut inputs = [0.0; INPUTS];
        let mut counts = [0.0; 2];
        for family in 0..2 {
            let pool = &mut inputs[family * WIDTH..(family + 1) * WIDTH];
            for &index in sentences.iter().flat_map(|grams| &grams.0[family]) {
                counts[family] += 1.0;
                for (sum, value) in pool.iter_mut().zip(&self.embeddings[row(index)]) {
                    *sum += value;
                }
            }
        }
        (inputs, counts)
    }

    fn from_sums(&self, mut inputs: [f32; INPUTS], counts: [f32; 2]) -> f32 {
        for (at, input) in inputs.iter_mut().enumerate() {
            *input /= (counts[at / WIDTH] + SMOOTHING).sqrt();
        }
        self.dense.forward(inputs).logit
    }

    /// The logit of a stretch of sentences.
    #[must_use]
    pub fn logit(&self, sentences: &[Grams]) -> f32 {
        let (inputs, counts) = self.sums(sentences);
        self.from_sums(inputs, counts)
    }

    /// The highest window of one to three sentences.
    #[must_use]
    pub fn peak(&self, sentences: &[Grams]) -> (f32, std::ops::Range<usize>) {
        let each: Vec<_> = sentences.iter().map(|grams| self.sums(std::slice::from_ref(grams))).collect();
        let mut best = (f32::NEG_INFINITY, 0..sentences.len());
        for end in 1..=sentences.len() {
            let mut inputs = [0.0; INPUTS];
            let mut counts = [0.0; 2];
            for start in (end.saturating_sub(3)..end).rev() {
                for (sum, value) in inputs.iter_mut().zip(&each[start].0) {
                    *sum += value;
                }
                counts[0] += each[start].1[0];
                counts[1] += each[start].1[1];
                let logit = self.from_sums(inputs, counts);
                if logit > best.0 {
                    best = (logit, start..end);
                }
            }
        }
        best
    }
}

struct Trainer<'o> {
    model: Pooled,
    /// Mean squared gradient of each embedding row.
    squares: Vec<f32>,
    dense_squares: Dense,
    random: Random,
    options: &'o Options,
    rate: f32,
}

/// Trains the network on the same examples as the linear model.
#[must_use]
pub fn train(rows: &[&Prepared], weights: &[f32], options: &Options, is_positive: impl Fn(&Prepared) -> bool) -> Pooled {
    let mut random = Random::new(options.seed + 77);
    let mut uniform = |scale: f32| ((random.next() >> 40) as f32 / (1u64 << 24) as f32 * 2.0 - 1.0) * scale;
    let mut dense = Dense::default();
    for _ in 0..HIDDEN {
        dense.first.push(std::array::from_fn(|_| uniform((3.0 / INPUTS as f32).sqrt())));
        dense.first_bias.push(0.1);
    }
    for _ in 0..HIDDEN2 {
        dense.second.push(std::array::from_fn(|_| uniform((3.0 / HIDDEN as f32).sqrt())));
        dense.second_bias.push(0.1);
    }
    dense.output = std::array::from_fn(|_| uniform(0.4));
    dense.output_bias = -1.0;
    let embeddings = (0..1usize << EMBEDDING_BITS).map(|_| std::array::from_fn(|_| uniform(0.05))).collect();
    let small = 1e-4;
    let dense_squares = Dense {
        first: vec![[small; INPUTS]; HIDDEN],
        first_bias: vec![small; HIDDEN],
        second: vec![[small; HIDDEN]; HIDDEN2],
        second_bias: vec![small; HIDDEN2],
        output: [small; HIDDEN2],
        output_bias: small,
    };
    let mut trainer = Trainer {
        model: Pooled { embeddings, dense },
        squares: vec![1e-4; 1 << EMBEDDING_BITS],
        dense_squares,
        random,
        options,
        rate: options.rate,
    };
    let mut order: Vec<usize> = (0..rows.len()).collect();
    for epoch in 0..options.epochs {
        for at in (1..order.len()).rev() {
            order.swap(at, trainer.random.below(at + 1));
        }
        trainer.rate = options.rate * (1.0 - epoch as f32 / options.epochs as f32 * 0.9);
        for &at in &order {
            if weights[at] > 0.0 {
                trainer.example(rows[at], weights[at], is_positive(rows[at]), epoch);
            }
        }
        eprintln!("network: epoch {epoch} done");
    }
    trainer.model
}

impl Trainer<'_> {
    fn example(&mut self, prepared: &Prepared, weight: f32, positive: bool, epoch: usize) {
        if positive {
            let reading: &Reading = crate::linear::telling(prepared);
            if reading.sentences.len() > 1 && epoch > 0 {
                let (_, range) = self.model.peak(&reading.sentences);
                self.step(&reading.sentences[range], 1.0, weight * self.options.windows);
            }
            self.step(&reading.sentences, 1.0, weight);
            return;
        }
        for reading in &prepared.readings {
            let weight = weight * if reading.transforms.is_empty() { 1.0 } else { 0.5 };
            self.step(&reading.sentences, 0.0, weight);
            if reading.sentences.len() > 1 {
                let range = if epoch > 0 { self.model.peak(&reading.sentences).1 } else { 0..1 };
                self.step(&reading.sentences[range], 0.0, weight * self.options.windows);
                let start = self.random.below(reading.sentences.len());
                let end = (start + 1 + self.random.below(3)).min(reading.sentences.len());
                self.step(&reading.sentences[start..end], 0.0, weight * self.options.windows);
            }
        }
    }

    fn step(&mut self, sentences: &[Grams], target: f32, weight: f32) {
        let keep_share = 1.0 - self.options.dropout;
        let keep = (keep_share * 256.0) as u64;
        let salt = self.random.next();
        let kept = |index: u32| {
            (u64::from(index).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt).wrapping_mul(0xd6e8_feb8_6659_fd93) >> 56 < keep
        };
        let mut inputs = [0.0; INPUTS];
        let mut norms = [0.0f32; 2];
        for family in 0..2 {
            let pool = &mut inputs[family * WIDTH..(family + 1) * WIDTH];
            let mut count = 0.0;
            for index in sentences.iter().flat_map(|grams| &grams.0[family]).copied().filter(|&index| kept(index)) {
                count += 1.0;
                for (sum, value) in pool.iter_mut().zip(&self.model.embeddings[row(index)]) {
                    *sum += value;
                }
            }
            norms[family] = 1.0 / ((count + SMOOTHING * keep_share) * keep_share).sqrt();
            for sum in pool {
                *sum *= norms[family];
            }
        }
        let activations = self.model.dense.forward(inputs);
        let error = (1.0 / (1.0 + (-activations.logit).exp()) - target) * weight;
        if error.abs() < 1e-3 {
            return;
        }
        let gradient = self.dense_step(&activations, error);
        for family in 0..2 {
            let mut step: [f32; WIDTH] = std::array::from_fn(|at| gradient[family * WIDTH + at] * norms[family]);
            let square = step.iter().map(|value| value * value).sum::<f32>() / WIDTH as f32;
            if square == 0.0 {
                continue;
            }
            for value in &mut step {
                *value *= self.rate;
            }
            for index in sentences.iter().flat_map(|grams| &grams.0[family]).copied().filter(|&index| kept(index)) {
                let slot = &mut self.squares[row(index)];
                *slot += square;
                let scale = 1.0 / slot.sqrt();
                for (value, step) in self.model.embeddings[row(index)].iter_mut().zip(&step) {
                    *value -= step * scale;
                }
            }
        }
    }

    /// Back-propagates through the dense layers, updates them, and returns the gradient of the inputs.
    fn dense_step(&mut self, activations: &Activations, error: f32) -> [f32; INPUTS] {
        let rate = self.rate * 0.1;
        let mut update = |weight: &mut f32, square: &mut f32, gradient: f32| {
            *square += gradient * gradient;
            *weight -= rate * gradient / square.sqrt();
        };
        let (dense, squares) = (&mut self.model.dense, &mut self.dense_squares);
        let mut second_error = [0.0; HIDDEN2];
        for at in 0..HIDDEN2 {
            if activations.second[at] > 0.0 {
                second_error[at] = error * dense.output[at];
            }
            update(&mut dense.output[at], &mut squares.output[at], error * activations.second[at]);
        }
        update(&mut dense.output_bias, &mut squares.output_bias, error);
        let mut first_error = [0.0; HIDDEN];
        for unit in 0..HIDDEN2 {
            if second_error[unit] == 0.0 {
                continue;
            }
            for at in 0..HIDDEN {
                first_error[at] += second_error[unit] * dense.second[unit][at];
                update(&mut dense.second[unit][at], &mut squares.second[unit][at], second_error[unit] * activations.first[at]);
            }
            update(&mut dense.second_bias[unit], &mut squares.second_bias[unit], second_error[unit]);
        }
        let mut gradient = [0.0; INPUTS];
        for unit in 0..HIDDEN {
            if activations.first[unit] <= 0.0 || first_error[unit] == 0.0 {
                continue;
            }
            for at in 0..INPUTS {
                gradient[at] += first_error[unit] * dense.first[unit][at];
                update(&mut dense.first[unit][at], &mut squares.first[unit][at], first_error[unit] * activations.inputs[at]);
            }
            update(&mut dense.first_bias[unit], &mut squares.first_bias[unit], first_error[unit]);
        }
        gradient
    }
}
