//! Trains the network of the lexical model: AdaGrad, one example at a time, n-gram dropout, both heads at once.

use aimds_detect::lexical::{Dense, FIRST, HEADS, INPUTS, SECOND, SMOOTHING, Scores, TABLE_BITS, WIDTH};

use crate::prepare::{Grams, Prepared, Reading};
use crate::random::Random;

/// What can be varied between recipes.
#[derive(Clone, Debug)]
pub struct Options {
    /// Passes over the data.
    pub epochs: usize,
    /// Step size of AdaGrad.
    pub rate: f32,
    /// Share of n-grams that is dropped from each example.
    pub dropout: f32,
    /// Weight of windows beside whole texts.
    pub windows: f32,
    /// Seed of weights, dropout, order and windows.
    pub seed: u64,
}

/// The network before quantisation.
#[derive(Clone)]
pub struct Network {
    /// Vectors of the n-grams.
    pub table: Vec<[f32; WIDTH]>,
    /// The layers above.
    pub dense: Dense,
}

type Sums = ([f32; INPUTS], [f32; 2]);

impl Network {
    fn sums(&self, sentences: &[Grams]) -> Sums {
        let mut inputs = [0.0; INPUTS];
        let mut counts = [0.0; 2];
        for family in 0..2 {
            let pool = &mut inputs[family * WIDTH..(family + 1) * WIDTH];
            for &index in sentences.iter().flat_map(|grams| &grams.0[family]) {
                counts[family] += 1.0;
                for (sum, value) in pool.iter_mut().zip(&self.table[index as usize]) {
                    *sum += value;
                }
            }
        }
        (inputs, counts)
    }

    fn logits(&self, (mut inputs, counts): Sums) -> [f32; HEADS] {
        for (at, input) in inputs.iter_mut().enumerate() {
            *input /= (counts[at / WIDTH] + SMOOTHING).sqrt();
        }
        self.dense.forward(&inputs).2
    }

    /// The window of one to three sentences with the highest logit, by head.
    fn peaks(&self, sentences: &[Grams]) -> [(f32, std::ops::Range<usize>); HEADS] {
        let each: Vec<Sums> = sentences.iter().map(|grams| self.sums(std::slice::from_ref(grams))).collect();
        let mut best = std::array::from_fn(|_| (f32::NEG_INFINITY, 0..sentences.len()));
        for end in 1..=sentences.len() {
            let mut sums: Sums = ([0.0; INPUTS], [0.0; 2]);
            for start in (end.saturating_sub(3)..end).rev() {
                add(&mut sums, &each[start]);
                for (best, logit) in best.iter_mut().zip(self.logits(sums)) {
                    if logit > best.0 {
                        *best = (logit, start..end);
                    }
                }
            }
        }
        best
    }

    /// What the network says about one reading, by head; `None` for a reading without words.
    #[must_use]
    pub fn scores(&self, reading: &Reading) -> Option<[Scores; HEADS]> {
        if reading.sentences.is_empty() {
            return None;
        }
        let whole = self.logits(self.sums(&reading.sentences));
        let peaks = self.peaks(&reading.sentences);
        let sentences = u32::try_from(reading.sentences.len()).unwrap_or(u32::MAX);
        let mut scores = whole.into_iter().zip(peaks).map(|(whole, (peak, range))| Scores {
            whole,
            peak,
            range,
            sentences,
        });
        Some(std::array::from_fn(|_| scores.next().expect("one for each head")))
    }
}

fn add(sums: &mut Sums, other: &Sums) {
    for (sum, other) in sums.0.iter_mut().zip(other.0) {
        *sum += other;
    }
    for (count, other) in sums.1.iter_mut().zip(other.1) {
        *count += other;
    }
}

/// The reading of an attack that holds it: the innermost decoded one, else the text itself.
fn telling(prepared: &Prepared) -> &Reading {
    prepared
        .readings
        .iter()
        .rfind(|reading| reading.transforms.iter().any(|transform| transform.hides()))
        .unwrap_or(&prepared.readings[0])
}

struct Trainer<'o> {
    network: Network,
    /// Mean squared gradient of each vector.
    squares: Vec<f32>,
    dense_squares: Dense,
    random: Random,
    options: &'o Options,
    rate: f32,
}

/// Trains on `rows`, each with its weight for each head (0 leaves it out).
#[must_use]
pub fn train(
    rows: &[(&Prepared, [f32; HEADS])],
    options: &Options,
    mut progress: impl FnMut(usize),
) -> Network {
    let mut random = Random::new(options.seed);
    let mut uniform = |scale: f32| random.signed() * scale;
    let dense = Dense {
        first: std::array::from_fn(|_| std::array::from_fn(|_| uniform((3.0 / INPUTS as f32).sqrt()))),
        first_bias: [0.1; FIRST],
        second: std::array::from_fn(|_| std::array::from_fn(|_| uniform((3.0 / FIRST as f32).sqrt()))),
        second_bias: [0.1; SECOND],
        output: std::array::from_fn(|_| std::array::from_fn(|_| uniform(0.4))),
        output_bias: [-1.0; HEADS],
    };
    let table = (0..1usize << TABLE_BITS).map(|_| std::array::from_fn(|_| uniform(0.05))).collect();
    const SMALL: f32 = 1e-4;
    let dense_squares = Dense {
        first: [[SMALL; INPUTS]; FIRST],
        first_bias: [SMALL; FIRST],
        second: [[SMALL; FIRST]; SECOND],
        second_bias: [SMALL; SECOND],
        output: [[SMALL; SECOND]; HEADS],
        output_bias: [SMALL; HEADS],
    };
    let squares = vec![SMALL; 1 << TABLE_BITS];
    let mut trainer = Trainer {
        network: Network { table, dense },
        squares,
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
            let (prepared, weights) = rows[at];
            trainer.example(prepared, weights, epoch);
        }
        progress(epoch);
    }
    trainer.network
}

impl Trainer<'_> {
    fn example(&mut self, prepared: &Prepared, weights: [f32; HEADS], epoch: usize) {
        let windows = weights.map(|weight| weight * self.options.windows);
        if prepared.row.is_attack() {
            let reading = telling(prepared);
            // A planted sentence must stand out by itself; the rest of its document is innocent.
            if reading.sentences.len() > 1 && epoch > 0 {
                let [(_, range), _] = self.network.peaks(&reading.sentences);
                self.step(&reading.sentences[range], 1.0, windows);
            }
            self.step(&reading.sentences, 1.0, weights);
            return;
        }
        for reading in &prepared.readings {
            let share = if reading.transforms.is_empty() { 1.0 } else { 0.5 };
            self.step(&reading.sentences, 0.0, weights.map(|weight| weight * share));
            if reading.sentences.len() > 1 {
                let windows = windows.map(|weight| weight * share);
                // The window that alarms most, and one by chance.
                let range =
                    if epoch > 0 { self.network.peaks(&reading.sentences)[0].1.clone() } else { 0..1 };
                self.step(&reading.sentences[range], 0.0, windows);
                let start = self.random.below(reading.sentences.len());
                let end = (start + 1 + self.random.below(3)).min(reading.sentences.len());
                self.step(&reading.sentences[start..end], 0.0, windows);
            }
        }
    }

    fn step(&mut self, sentences: &[Grams], target: f32, weights: [f32; HEADS]) {
        let keep_share = 1.0 - self.options.dropout;
        let keep = (keep_share * 256.0) as u64;
        let salt = self.random.next();
        // The same decision for every repeat of an n-gram in this example, and no memory of what was dropped.
        let kept = |index: u32| {
            (u64::from(index).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt).wrapping_mul(0xd6e8_feb8_6659_fd93)
                >> 56
                < keep
        };
        let mut inputs = [0.0; INPUTS];
        let mut norms = [0.0f32; 2];
        for family in 0..2 {
            let pool = &mut inputs[family * WIDTH..(family + 1) * WIDTH];
            let mut count = 0.0;
            for index in
                sentences.iter().flat_map(|grams| &grams.0[family]).copied().filter(|&index| kept(index))
            {
                count += 1.0;
                for (sum, value) in pool.iter_mut().zip(&self.network.table[index as usize]) {
                    *sum += value;
                }
            }
            // As large as without dropout, in expectation.
            norms[family] = 1.0 / ((count + SMOOTHING * keep_share) * keep_share).sqrt();
            for sum in pool {
                *sum *= norms[family];
            }
        }
        let (first, second, logits) = self.network.dense.forward(&inputs);
        let errors: [f32; HEADS] =
            std::array::from_fn(|head| (1.0 / (1.0 + (-logits[head]).exp()) - target) * weights[head]);
        if errors.iter().all(|error| error.abs() < 1e-3) {
            return;
        }
        let gradient = self.dense_step(&inputs, &first, &second, errors);
        for family in 0..2 {
            let step: [f32; WIDTH] = std::array::from_fn(|at| gradient[family * WIDTH + at] * norms[family]);
            let square = step.iter().map(|value| value * value).sum::<f32>() / WIDTH as f32;
            if square == 0.0 {
                continue;
            }
            for index in
                sentences.iter().flat_map(|grams| &grams.0[family]).copied().filter(|&index| kept(index))
            {
                let slot = &mut self.squares[index as usize];
                *slot += square;
                let scale = self.rate / slot.sqrt();
                for (value, step) in self.network.table[index as usize].iter_mut().zip(&step) {
                    *value -= step * scale;
                }
            }
        }
    }

    /// Back-propagates through the dense layers, updates them, and returns the gradient of the inputs.
    fn dense_step(
        &mut self,
        inputs: &[f32; INPUTS],
        first: &[f32; FIRST],
        second: &[f32; SECOND],
        errors: [f32; HEADS],
    ) -> [f32; INPUTS] {
        let rate = self.rate * 0.1;
        let update = |weight: &mut f32, square: &mut f32, gradient: f32| {
            *square += gradient * gradient;
            *weight -= rate * gradient / square.sqrt();
        };
        let (dense, squares) = (&mut self.network.dense, &mut self.dense_squares);
        let mut second_error = [0.0; SECOND];
        for (head, error) in errors.into_iter().enumerate() {
            for at in 0..SECOND {
                if second[at] > 0.0 {
                    second_error[at] += error * dense.output[head][at];
                }
                update(&mut dense.output[head][at], &mut squares.output[head][at], error * second[at]);
            }
            update(&mut dense.output_bias[head], &mut squares.output_bias[head], error);
        }
        let mut first_error = [0.0; FIRST];
        for unit in (0..SECOND).filter(|&unit| second_error[unit] != 0.0) {
            for at in 0..FIRST {
                first_error[at] += second_error[unit] * dense.second[unit][at];
                update(
                    &mut dense.second[unit][at],
                    &mut squares.second[unit][at],
                    second_error[unit] * first[at],
                );
            }
            update(&mut dense.second_bias[unit], &mut squares.second_bias[unit], second_error[unit]);
        }
        let mut gradient = [0.0; INPUTS];
        for unit in (0..FIRST).filter(|&unit| first[unit] > 0.0 && first_error[unit] != 0.0) {
            for at in 0..INPUTS {
                gradient[at] += first_error[unit] * dense.first[unit][at];
                update(
                    &mut dense.first[unit][at],
                    &mut squares.first[unit][at],
                    first_error[unit] * inputs[at],
                );
            }
            update(&mut dense.first_bias[unit], &mut squares.first_bias[unit], first_error[unit]);
        }
        gradient
    }
}
