//! Series whose nature is known: maps, flows, noise.

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
    let at = |i: usize| waves.iter().map(|(period, size)| size * (std::f64::consts::TAU * i as f64 / period).sin()).sum();
    (0..len).map(at).collect()
}

pub fn sum(a: Vec<f64>, b: Vec<f64>, share: f64) -> Vec<f64> {
    a.into_iter().zip(b).map(|(a, b)| a + share * b).collect()
}
pub fn all(n: usize) -> Vec<(String, Vec<f64>, f64)> {
    let mut v = vec![
        ("logistic4", logistic(n, 4.0), 1.0), ("logistic3.9", logistic(n, 3.9), 1.0), ("logistic3.83", logistic(n, 3.83), 1.0),
        ("logistic3.5", logistic(n, 3.5), 1.0), ("logistic3.2", logistic(n, 3.2), 1.0), ("henon", henon(n), 1.0), ("lorenz", lorenz(n), 0.01), ("rossler.1", rossler(n, 2), 0.1), ("rossler.3", rossler(n, 6), 0.3),
        ("sine25.3", sines(n, &[(25.3, 1.0)]), 1.0), ("sine25", sines(n, &[(25.0, 1.0)]), 1.0), ("golden", sines(n, &[(1.6180339887,1.0)]), 1.0),
        ("two sines", sines(n, &[(25.3, 1.0), (25.3/2f64.sqrt(), 0.7)]), 1.0), ("harmonics", sines(n, &[(30.7, 1.0), (30.7/3.0, 0.5), (30.7/5., 0.2)]), 1.0),
        ("sine+noise.3", sum(sines(n, &[(25.3, 1.0)]), noise(n, 3), 0.3), 1.0), ("3cycle+noise", sum(logistic(n, 3.83), noise(n, 4), 0.05), 1.0),
        ("logistic+noise", sum(logistic(n, 4.0), noise(n, 4), 0.02), 1.0),
        ("ramp", (0..n).map(|i| 2.0 * i as f64).collect(), 1.0), ("constant", vec![3.0; n], 1.0), ("settles", logistic(n, 2.8).iter().enumerate().map(|(i,x)| x + 0.9f64.powi(i as i32)).collect(), 1.0),
        ("step", (0..n).map(|i| if i > n/2 {1.0} else {0.0}).collect(), 1.0),
        ("quantised", logistic(n, 4.0).iter().map(|x| (x*50.0).round()).collect(), 1.0),
        ("counts", { let mut r = Random(5); (0..n).map(|_| (r.unit() * 5.0).floor()).collect() }, 1.0),
    ].into_iter().map(|(a,b,c)| (a.to_string(), b, c)).collect::<Vec<_>>();
    for s in 0..4 { 
        v.push((format!("noise{s}"), noise(n, 10+s), 1.0));
        v.push((format!("ar.9-{s}"), autoregressive(n, 0.9, 20+s), 1.0));
        v.push((format!("walk{s}"), walk(n, 30+s), 1.0));
        v.push((format!("garch{s}"), { let mut h: f64 = 1.0; let mut l: f64 = 0.0; noise(n, 40+s).into_iter().map(|e| { h = 0.1+0.3*l*l+0.6*h; l = h.sqrt()*e; l}).collect() }, 1.0));
        v.push((format!("tar{s}"), { let mut x: f64 = 0.0; noise(n, 50+s).into_iter().map(|e| { x = if x > 0.0 { -0.8*x } else {0.6*x} + e; x}).collect() }, 1.0));
    }
    v
}
