//! Series whose nature is known: maps, flows, noise. What the tests and the benchmark of this crate measure, and what
//! anybody else can try a method on before trusting it.
//!
//! ```
//! use aimds_attractor::{Class, Config, analyze, systems};
//!
//! assert_eq!(analyze(&systems::henon(1000), &Config::default())?.class, Class::Chaotic);
//! assert_eq!(analyze(&systems::noise(1000, 1), &Config::default())?.class, Class::Stochastic);
//! # Ok::<(), aimds_attractor::Error>(())
//! ```

pub use crate::random::Random;

/// Steps after which a map is on its attractor.
const TRANSIENT: usize = 100;

/// `len` values of the logistic map, `x → r·x·(1 - x)`, after a hundred steps from 0.3. Its exponent at `r = 4` is ln 2.
#[must_use]
pub fn logistic(len: usize, r: f64) -> Vec<f64> {
    let mut x = 0.3;
    let next = std::iter::repeat_with(move || {
        x = r * x * (1.0 - x);
        x
    });
    next.skip(TRANSIENT).take(len).collect()
}

/// `len` first coordinates of the map of Hénon (a = 1.4, b = 0.3), after a hundred steps. Its exponent is 0.4192.
#[must_use]
pub fn henon(len: usize) -> Vec<f64> {
    let (mut x, mut y) = (0.1, 0.1);
    let next = std::iter::repeat_with(move || {
        (x, y) = (1.0 - 1.4 * x * x + y, 0.3 * x);
        x
    });
    next.skip(TRANSIENT).take(len).collect()
}

/// Runge and Kutta's fourth order; the first coordinate every `every` steps, after 2,000 steps.
fn flow(len: usize, step: f64, every: usize, field: impl Fn([f64; 3]) -> [f64; 3]) -> Vec<f64> {
    let add = |a: [f64; 3], b: [f64; 3], s: f64| [a[0] + s * b[0], a[1] + s * b[1], a[2] + s * b[2]];
    let mut state = [1.0, 1.0, 1.0];
    let next = std::iter::repeat_with(move || {
        let k1 = field(state);
        let k2 = field(add(state, k1, step / 2.0));
        let k3 = field(add(state, k2, step / 2.0));
        let k4 = field(add(state, k3, step));
        let sum = add(add(add(k1, k2, 2.0), k3, 2.0), k4, 1.0);
        state = add(state, sum, step / 6.0);
        state[0]
    });
    next.skip(2000 + every - 1).step_by(every).take(len).collect()
}

/// `len` first coordinates of the flow of Lorenz (10, 28, 8/3), one every 0.01. Its exponent is 0.9056 per unit of time.
#[must_use]
pub fn lorenz(len: usize) -> Vec<f64> {
    flow(len, 0.01, 1, |[x, y, z]| [10.0 * (y - x), x * (28.0 - z) - y, x * y - 8.0 / 3.0 * z])
}

/// `len` first coordinates of the flow of Rössler (0.2, 0.2, 5.7), one every `every` twentieths; at least one. Its
/// exponent is 0.0714 per unit of time.
#[must_use]
pub fn rossler(len: usize, every: usize) -> Vec<f64> {
    flow(len, 0.05, every.max(1), |[x, y, z]| [-y - z, x + 0.2 * y, 0.2 + z * (x - 5.7)])
}

/// White noise of mean 0 and deviation 1.
#[must_use]
pub fn noise(len: usize, seed: u64) -> Vec<f64> {
    let mut random = Random::new(seed);
    (0..len).map(|_| random.normal()).collect()
}

/// Each value is the last times `memory`, and noise; without the first two hundred.
#[must_use]
pub fn autoregressive(len: usize, memory: f64, seed: u64) -> Vec<f64> {
    let mut value = 0.0;
    noise(len + 200, seed)
        .into_iter()
        .map(|noise| {
            value = memory * value + noise;
            value
        })
        .skip(200)
        .collect()
}

/// A random walk.
#[must_use]
pub fn walk(len: usize, seed: u64) -> Vec<f64> {
    autoregressive(len, 1.0, seed)
}

/// The sum of waves, each with its period in values and its size.
#[must_use]
pub fn sines(len: usize, waves: &[(f64, f64)]) -> Vec<f64> {
    let at = |i: usize| {
        waves.iter().map(|(period, size)| size * (std::f64::consts::TAU * i as f64 / period).sin()).sum()
    };
    (0..len).map(at).collect()
}

/// One series and a share of another, value by value, as far as both go.
#[must_use]
pub fn sum(a: Vec<f64>, b: Vec<f64>, share: f64) -> Vec<f64> {
    a.into_iter().zip(b).map(|(a, b)| a + share * b).collect()
}
