//! Series whose nature is known: maps, flows, noise.
#![allow(dead_code, reason = "no test uses all of them")]

/// Reproducible numbers (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn normal(&mut self) -> f64 {
        let (a, b) = (1.0 - self.unit(), self.unit());
        (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
    }
}

pub fn logistic(len: usize, r: f64) -> Vec<f64> {
    let mut x = 0.3;
    let mut next = || {
        x = r * x * (1.0 - x);
        x
    };
    (0..100).for_each(|_| {
        next();
    });
    (0..len).map(|_| next()).collect()
}

pub fn henon(len: usize) -> Vec<f64> {
    let (mut x, mut y) = (0.1, 0.1);
    let mut next = || {
        (x, y) = (1.0 - 1.4 * x * x + y, 0.3 * x);
        x
    };
    (0..100).for_each(|_| {
        next();
    });
    (0..len).map(|_| next()).collect()
}

/// Runge and Kutta's fourth order; the first coordinate every `every` steps, after 2,000 steps.
fn flow(len: usize, step: f64, every: usize, field: impl Fn([f64; 3]) -> [f64; 3]) -> Vec<f64> {
    let add = |a: [f64; 3], b: [f64; 3], s: f64| [a[0] + s * b[0], a[1] + s * b[1], a[2] + s * b[2]];
    let mut state = [1.0, 1.0, 1.0];
    let mut next = || {
        let k1 = field(state);
        let k2 = field(add(state, k1, step / 2.0));
        let k3 = field(add(state, k2, step / 2.0));
        let k4 = field(add(state, k3, step));
        for (i, value) in state.iter_mut().enumerate() {
            *value += step / 6.0 * (k1[i] + 2.0 * k2[i] + 2.0 * k3[i] + k4[i]);
        }
        state[0]
    };
    for _ in 0..2000 {
        next();
    }
    (0..len)
        .map(|_| {
            for _ in 1..every {
                next();
            }
            next()
        })
        .collect()
}

/// Sampled every 0.01.
pub fn lorenz(len: usize) -> Vec<f64> {
    flow(len, 0.01, 1, |[x, y, z]| [10.0 * (y - x), x * (28.0 - z) - y, x * y - 8.0 / 3.0 * z])
}

/// Sampled every `every` twentieths.
pub fn rossler(len: usize, every: usize) -> Vec<f64> {
    flow(len, 0.05, every, |[x, y, z]| [-y - z, x + 0.2 * y, 0.2 + z * (x - 5.7)])
}

pub fn noise(len: usize, seed: u64) -> Vec<f64> {
    let mut random = Random(seed);
    (0..len).map(|_| random.normal()).collect()
}

/// Each value is the last times `memory`, and noise.
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

pub fn walk(len: usize, seed: u64) -> Vec<f64> {
    autoregressive(len, 1.0, seed)
}

pub fn sines(len: usize, waves: &[(f64, f64)]) -> Vec<f64> {
    let at = |i: usize| {
        waves.iter().map(|(period, size)| size * (std::f64::consts::TAU * i as f64 / period).sin()).sum()
    };
    (0..len).map(at).collect()
}

pub fn sum(a: Vec<f64>, b: Vec<f64>, share: f64) -> Vec<f64> {
    a.into_iter().zip(b).map(|(a, b)| a + share * b).collect()
}
