//! Bit masks of short patterns over a vocabulary: where each token stands in the pattern.

use crate::symbols::WORD;

/// One word for each token, all 0 between patterns.
#[derive(Clone, Debug, Default)]
pub(super) struct Masks(Vec<u64>);

impl Masks {
    /// Makes room for tokens up to `vocabulary`, which is the token that no pattern has.
    pub(super) fn fit(&mut self, vocabulary: usize) {
        if self.0.len() <= vocabulary {
            self.0.resize(vocabulary + 1, 0);
        }
    }

    /// Runs `search` with the masks of `pattern`, of which the first 64 tokens count.
    #[inline]
    pub(super) fn with<R>(&mut self, pattern: &[u32], search: impl FnOnce(&Self) -> R) -> R {
        for (place, &token) in pattern.iter().take(WORD).enumerate() {
            if let Some(mask) = self.0.get_mut(token as usize) {
                *mask |= 1 << place;
            }
        }
        let result = search(self);
        for &token in pattern {
            if let Some(mask) = self.0.get_mut(token as usize) {
                *mask = 0;
            }
        }
        result
    }

    #[inline(always)]
    pub(super) fn of(&self, token: u32) -> u64 {
        self.0.get(token as usize).copied().unwrap_or(0)
    }
}
