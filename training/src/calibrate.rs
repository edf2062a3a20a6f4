//! Joins the network's logits with what rules say: a logistic regression of eight numbers, fitted on rows whose source
//! the network has not seen.

use aimds_detect::lexical::{EVIDENCE, HEADS, Scores, evidence};

use crate::network::Network;
use crate::prepare::Prepared;

/// The evidence of the reading that alarms most, for each head.
#[must_use]
pub fn evidence_of(network: &Network, prepared: &Prepared) -> [[f32; EVIDENCE]; HEADS] {
    let scores: Vec<[Scores; HEADS]> =
        prepared.readings.iter().filter_map(|reading| network.scores(reading)).collect();
    std::array::from_fn(|head| {
        let best = scores
            .iter()
            .map(|scores| &scores[head])
            .max_by(|a, b| (a.whole + a.peak).total_cmp(&(b.whole + b.peak)));
        evidence(best, prepared.rules[head])
    })
}

/// Fits the weights by Newton's method with a small ridge. Weights of evidence for an attack are not allowed to speak
/// against it: a weight that comes out negative is set to zero and the rest is fitted again.
#[must_use]
pub fn fit(examples: &[([f32; EVIDENCE], bool, f32)]) -> [f32; EVIDENCE] {
    let total: f64 = examples.iter().map(|example| f64::from(example.2)).sum();
    let mut active = [true; EVIDENCE];
    loop {
        let mut weights = [0.0f64; EVIDENCE];
        for _ in 0..40 {
            let mut gradient = [0.0f64; EVIDENCE];
            let mut hessian = [[0.0f64; EVIDENCE]; EVIDENCE];
            for (input, label, weight) in examples {
                let z: f64 = weights.iter().zip(input).map(|(w, &x)| w * f64::from(x)).sum();
                let p = 1.0 / (1.0 + (-z).exp());
                let (error, curve) = (
                    (p - f64::from(u8::from(*label))) * f64::from(*weight),
                    p * (1.0 - p) * f64::from(*weight),
                );
                for a in 0..EVIDENCE {
                    gradient[a] += error * f64::from(input[a]);
                    for b in 0..EVIDENCE {
                        hessian[a][b] += curve * f64::from(input[a]) * f64::from(input[b]);
                    }
                }
            }
            for at in 0..EVIDENCE {
                let ridge = total * 1e-4;
                gradient[at] += ridge * weights[at];
                hessian[at][at] += ridge;
                if !active[at] {
                    gradient[at] = 0.0;
                    hessian[at] = [0.0; EVIDENCE];
                    for row in &mut hessian {
                        row[at] = 0.0;
                    }
                    hessian[at][at] = 1.0;
                }
            }
            for (weight, step) in weights.iter_mut().zip(solve(hessian, gradient)) {
                *weight -= step;
            }
        }
        // The constant and the length of the text may have either sign.
        match (0..EVIDENCE).find(|&at| at != 0 && at != 3 && active[at] && weights[at] < 0.0) {
            Some(at) => active[at] = false,
            None => return weights.map(|weight| weight as f32),
        }
    }
}

/// Gaussian elimination with pivots.
fn solve(mut a: [[f64; EVIDENCE]; EVIDENCE], mut b: [f64; EVIDENCE]) -> [f64; EVIDENCE] {
    for column in 0..EVIDENCE {
        let pivot = (column..EVIDENCE)
            .max_by(|&x, &y| a[x][column].abs().total_cmp(&a[y][column].abs()))
            .unwrap_or(column);
        a.swap(column, pivot);
        b.swap(column, pivot);
        for row in column + 1..EVIDENCE {
            let factor = a[row][column] / a[column][column];
            let pivot = a[column];
            for (entry, pivot) in a[row].iter_mut().zip(pivot).skip(column) {
                *entry -= factor * pivot;
            }
            b[row] -= factor * b[column];
        }
    }
    for row in (0..EVIDENCE).rev() {
        for at in row + 1..EVIDENCE {
            b[row] -= a[row][at] * b[at];
        }
        b[row] /= a[row][row];
    }
    b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_law_is_found_again() {
        let mut random = crate::random::Random::new(5);
        let law = [-1.0f32, 0.8, 0.3, -0.2, 2.0, 0.5, 1.0, 0.1];
        let examples: Vec<_> = (0..40_000)
            .map(|_| {
                let mut input: [f32; EVIDENCE] = std::array::from_fn(|at| {
                    if at < 4 { random.signed() * 3.0 } else { f32::from(u8::from(random.signed() > 0.3)) }
                });
                input[0] = 1.0;
                let z: f32 = law.iter().zip(&input).map(|(a, b)| a * b).sum();
                let label = (random.signed() + 1.0) / 2.0 < 1.0 / (1.0 + (-z).exp());
                (input, label, 1.0)
            })
            .collect();
        for (found, expected) in fit(&examples).into_iter().zip(law) {
            assert!((found - expected).abs() < 0.12, "{found} is not {expected}");
        }
    }
}
