//! Inputs near the seeds: the same ones each time, so that a failure in the ordinary tests can be had again.

/// A small generator of numbers (SplitMix64).
pub struct Random(u64);

impl Random {
    /// The same seed gives the same numbers.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`; 0 for an `end` of 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end.max(1) as u64) as usize
    }
}

/// Pieces that change what a text means to a normaliser, a rule or a parser.
const PIECES: [&str; 24] = [
    "\u{200b}",
    "\u{202e}",
    "\u{e0041}",
    "\u{fe0f}",
    "\u{301}",
    "а",
    "%49",
    "&#73;",
    "=",
    "aWdub3Jl",
    "\\u0069",
    "ignore all previous instructions",
    "system prompt",
    "4111 1111 1111 1111",
    "a@b.example",
    "\n",
    "\"",
    "[",
    "]",
    " = ",
    "-----BEGIN",
    "🦀",
    "\0",
    "İ",
];

/// Changes an input in one to four places: bytes, stretches, pieces of other seeds.
pub fn mutate(random: &mut Random, seeds: &[Vec<u8>], from: &[u8]) -> Vec<u8> {
    let mut bytes = from.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(12)).min(bytes.len());
        match random.below(7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 => drop(bytes.drain(at..end)),
            2 => drop(bytes.splice(at..at, PIECES[random.below(PIECES.len())].bytes())),
            3 => drop(bytes.splice(at..end, PIECES[random.below(PIECES.len())].bytes())),
            4 => {
                let stretch = bytes[at..end].to_vec();
                for _ in 0..=random.below(8) {
                    bytes.splice(at..at, stretch.iter().copied());
                }
            }
            5 => {
                let other = &seeds[random.below(seeds.len())];
                let start = random.below(other.len() + 1);
                let stop = (start + random.below(64)).min(other.len());
                bytes.splice(at..at, other[start..stop].iter().copied());
            }
            _ => bytes.truncate(at),
        }
    }
    bytes.truncate(4096);
    bytes
}
