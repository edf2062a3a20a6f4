//! Random bytes from a seed: the core asks no operating system.

/// A stream of random bytes from a secret seed (BLAKE3 as an extendable output function). As unpredictable as the seed.
pub struct Random(blake3::OutputReader);

impl std::fmt::Debug for Random {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Random")
    }
}

impl Random {
    /// A stream from 32 random bytes that are used for nothing else.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("aimds 2026-11-28 vault random");
        hasher.update(&seed);
        Self(hasher.finalize_xof())
    }

    /// Fills a buffer with the next bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }
}
