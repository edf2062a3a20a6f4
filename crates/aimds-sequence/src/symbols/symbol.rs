//! What sequences may be made of, and how symbols become rows of a table.

/// A symbol of a sequence: `u8`, `char`, or `u32` (a word by its number or hash).
///
/// Symbols are equal or not; nothing else about them matters to any function here.
pub trait Symbol: Copy + Eq + sealed::Sealed {}

impl Symbol for u8 {}
impl Symbol for u32 {}
impl Symbol for char {}

/// A pattern and a text with each symbol replaced by a row number: 0 for symbols of the text that the pattern does not
/// have, then one for each distinct symbol of the pattern.
pub struct Encoded {
    pub pattern: Vec<u32>,
    pub text: Vec<u32>,
    /// Row numbers in use, 0 included.
    pub rows: usize,
}

impl Encoded {
    /// For each row the places of its symbol in a pattern of up to 128 symbols.
    pub fn double_masks(&self) -> Vec<u128> {
        let mut masks = vec![0; self.rows];
        for (place, &row) in self.pattern.iter().take(128).enumerate() {
            if let Some(mask) = masks.get_mut(row as usize) {
                *mask |= 1 << place;
            }
        }
        masks
    }
}

pub(super) mod sealed {
    use super::{Encoded, HashedMasks, SortedIndex};

    pub trait Sealed: Sized {
        /// The table that gives the places of each symbol in a pattern of one word.
        type WordMasks;
        fn word_masks(pattern: &[Self]) -> Self::WordMasks;
        fn word_mask(masks: &Self::WordMasks, symbol: Self) -> u64;
        fn encode(pattern: &[Self], text: &[Self]) -> Encoded;
    }

    impl Sealed for u8 {
        type WordMasks = [u64; 256];

        #[inline]
        fn word_masks(pattern: &[Self]) -> [u64; 256] {
            let mut masks = [0; 256];
            for (place, &symbol) in pattern.iter().take(64).enumerate() {
                if let Some(mask) = masks.get_mut(usize::from(symbol)) {
                    *mask |= 1 << place;
                }
            }
            masks
        }

        #[inline(always)]
        fn word_mask(masks: &[u64; 256], symbol: Self) -> u64 {
            masks.get(usize::from(symbol)).copied().unwrap_or(0)
        }

        fn encode(pattern: &[Self], text: &[Self]) -> Encoded {
            let mut table = [0_u32; 256];
            let mut rows = 1;
            for &symbol in pattern {
                if let Some(row) = table.get_mut(usize::from(symbol))
                    && *row == 0
                {
                    *row = rows;
                    rows += 1;
                }
            }
            let row = |&symbol: &u8| table.get(usize::from(symbol)).copied().unwrap_or(0);
            Encoded {
                pattern: pattern.iter().map(row).collect(),
                text: text.iter().map(row).collect(),
                rows: rows as usize,
            }
        }
    }

    impl Sealed for u32 {
        type WordMasks = HashedMasks;

        fn word_masks(pattern: &[Self]) -> Self::WordMasks {
            HashedMasks::new(pattern.iter().copied())
        }

        #[inline]
        fn word_mask(masks: &Self::WordMasks, symbol: Self) -> u64 {
            masks.of(symbol)
        }

        fn encode(pattern: &[Self], text: &[Self]) -> Encoded {
            encode_sorted(pattern.iter().copied(), text.iter().copied())
        }
    }

    impl Sealed for char {
        type WordMasks = HashedMasks;

        fn word_masks(pattern: &[Self]) -> Self::WordMasks {
            HashedMasks::new(pattern.iter().map(|&c| u32::from(c)))
        }

        #[inline]
        fn word_mask(masks: &Self::WordMasks, symbol: Self) -> u64 {
            masks.of(u32::from(symbol))
        }

        fn encode(pattern: &[Self], text: &[Self]) -> Encoded {
            encode_sorted(pattern.iter().map(|&c| u32::from(c)), text.iter().map(|&c| u32::from(c)))
        }
    }

    fn encode_sorted(pattern: impl Iterator<Item = u32> + Clone, text: impl Iterator<Item = u32>) -> Encoded {
        let index = SortedIndex::new(pattern.clone().collect());
        let row = |symbol| u32::try_from(index.row(symbol)).unwrap_or(0);
        Encoded { pattern: pattern.map(row).collect(), text: text.map(row).collect(), rows: index.len() + 1 }
    }
}

/// The places of up to 64 symbols, in a hash table of twice the size. Symbols chosen to collide make a look-up 64 steps
/// long and not longer.
pub struct HashedMasks {
    keys: [u32; Self::SLOTS],
    /// 0 where there is no key.
    masks: [u64; Self::SLOTS],
}

impl HashedMasks {
    const SLOTS: usize = 128;

    fn new(pattern: impl Iterator<Item = u32>) -> Self {
        let mut table = Self { keys: [0; Self::SLOTS], masks: [0; Self::SLOTS] };
        for (place, symbol) in pattern.take(64).enumerate() {
            let slot = table.slot(symbol);
            if let (Some(key), Some(mask)) = (table.keys.get_mut(slot), table.masks.get_mut(slot)) {
                *key = symbol;
                *mask |= 1 << place;
            }
        }
        table
    }

    /// Where the symbol is, or the free slot where it would be: half of the slots are free.
    #[inline(always)]
    fn slot(&self, symbol: u32) -> usize {
        let mut slot = (symbol.wrapping_mul(0x9e37_79b1) >> 25) as usize;
        while let (Some(&key), Some(&mask)) = (self.keys.get(slot), self.masks.get(slot))
            && mask != 0
            && key != symbol
        {
            slot = (slot + 1) % Self::SLOTS;
        }
        slot
    }

    #[inline(always)]
    fn of(&self, symbol: u32) -> u64 {
        self.masks.get(self.slot(symbol)).copied().unwrap_or(0)
    }
}

/// Finds the rank of a number in a set.
///
/// A directory over the leading bits narrows the binary search to a few numbers where they are spread evenly, as hashes
/// are. Whoever chooses the numbers to be unevenly spread makes a look-up as slow as a binary search and no slower,
/// which is why this is no hash table: its worst case could be provoked.
#[derive(Clone, Debug, Default)]
pub struct SortedIndex {
    keys: Vec<u32>,
    /// Where the numbers of each bucket begin, and one more.
    directory: Vec<u32>,
    shift: u32,
}

impl SortedIndex {
    pub fn new(mut keys: Vec<u32>) -> Self {
        keys.sort_unstable();
        keys.dedup();
        let highest = keys.last().copied().unwrap_or(0);
        let bits = u32::BITS - highest.leading_zeros();
        // About one number a bucket.
        let shift = bits.saturating_sub(keys.len().max(1).ilog2() + 1);
        let buckets = (highest >> shift) as usize + 1;
        let mut directory = vec![0_u32; buckets + 1];
        for &key in &keys {
            if let Some(count) = directory.get_mut((key >> shift) as usize + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for start in &mut directory {
            sum += *start;
            *start = sum;
        }
        Self { keys, directory, shift }
    }

    /// How many numbers there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The numbers in order.
    pub fn keys(&self) -> &[u32] {
        &self.keys
    }

    /// 1 + the rank of `key`, or 0 if it is not in the set.
    #[inline]
    pub fn row(&self, key: u32) -> usize {
        let bucket = (key.unbounded_shr(self.shift)) as usize;
        let Some(&[start, end]) = self.directory.get(bucket..bucket + 2) else { return 0 };
        let start = start as usize;
        let Some(keys) = self.keys.get(start..end as usize) else { return 0 };
        let found = if keys.len() <= 4 {
            keys.iter().position(|&other| other == key)
        } else {
            keys.binary_search(&key).ok()
        };
        found.map_or(0, |offset| start + offset + 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::SortedIndex;

    proptest! {
        #[test]
        fn ranks_are_those_of_a_sorted_list(
            keys in prop_oneof![
                prop::collection::vec(any::<u32>(), 0..80),
                prop::collection::vec(0..40_u32, 0..80),
                prop::collection::vec(prop_oneof![0..3_u32, u32::MAX - 3..u32::MAX], 0..80),
                prop::collection::vec((0..64_u32).prop_map(|low| low | 0xab00_0000), 0..80),
            ],
            others in prop::collection::vec(prop_oneof![any::<u32>(), 0..50_u32], 0..20),
        ) {
            let index = SortedIndex::new(keys.clone());
            let mut sorted = keys.clone();
            sorted.sort_unstable();
            sorted.dedup();
            for key in keys.into_iter().chain(others) {
                prop_assert_eq!(index.row(key), sorted.binary_search(&key).map_or(0, |rank| rank + 1));
            }
        }
    }
}
