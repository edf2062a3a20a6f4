//! Reproducible numbers (splitmix64: Steele, Lea and Flood, 2014). The caller passes the seed in; nothing here asks the
//! system for randomness, so that a run can be repeated byte for byte.

use serde::{Deserialize, Serialize};

/// A stream of numbers that its seed fixes.
///
/// Whoever knows the seed knows which decisions will explore: a gateway seeds from the system's generator.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Random(u64);

impl Random {
    /// The stream of this seed.
    ///
    /// ```
    /// use aimds_learn::Random;
    /// assert_eq!(Random::new(7).unit(), Random::new(7).unit());
    /// ```
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to below 1.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From 0 to below `end`; 0 if `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.unit() * end as f64) as usize
    }

    /// A normal deviate (Box and Muller, 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}

impl std::fmt::Debug for Random {
    /// Without the state, which would tell what comes next.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Random(…)")
    }
}
