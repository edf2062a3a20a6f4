//! Rows of truth values, sixty-four steps to a word.

/// The truth of one subformula at every step of a trace, and after the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bits {
    words: Vec<u64>,
    steps: usize,
}

const WORD: usize = 64;

impl Bits {
    /// The same value at every one of so many steps and after them.
    pub(crate) fn all(value: bool, steps: usize) -> Self {
        let word = if value { u64::MAX } else { 0 };
        Self { words: vec![word; steps / WORD + 1], steps }
    }

    /// From the words of the steps, first step in the lowest bit; false after the last step.
    fn of_steps(words: impl Iterator<Item = u64>, steps: usize) -> Self {
        let mut row = Self { words: words.take(steps / WORD + 1).collect(), steps };
        row.words.resize(steps / WORD + 1, 0);
        if let Some(last) = row.words.last_mut() {
            *last &= below(steps % WORD);
        }
        row
    }

    /// For each letter of so many the row in which it happens; `happens` has the letters of each step as bits.
    pub(crate) fn letters(mut happens: impl Iterator<Item = u64>, letters: usize, steps: usize) -> Vec<Self> {
        let mut rows = vec![Self::all(false, steps); letters];
        let mut left = steps;
        for place in 0..steps.div_ceil(WORD) {
            let mut chunk = [0; WORD];
            for (step, letter) in chunk.iter_mut().zip(happens.by_ref().take(left.min(WORD))) {
                *step = letter;
            }
            left = left.saturating_sub(WORD);
            for (number, row) in rows.iter_mut().enumerate() {
                let bits = (0..).zip(&chunk).map(|(bit, letter)| (letter >> number & 1) << bit);
                if let Some(word) = row.words.get_mut(place) {
                    *word = bits.fold(0, |all, bit| all | bit);
                }
            }
        }
        rows
    }

    /// The value at a step, or after the last one; false beyond.
    #[inline]
    pub(crate) fn at(&self, step: usize) -> bool {
        self.words.get(step / WORD).is_some_and(|word| word >> (step % WORD) & 1 == 1)
    }

    pub(crate) fn not(&self) -> Self {
        Self { words: self.words.iter().map(|word| !word).collect(), steps: self.steps }
    }

    pub(crate) fn join(&self, other: &Self, join: impl Fn(u64, u64) -> u64) -> Self {
        let words = self.words.iter().zip(&other.words).map(|(a, b)| join(*a, *b)).collect();
        Self { words, steps: self.steps }
    }

    /// The words without the value after the last step.
    fn steps_only(&self) -> impl DoubleEndedIterator<Item = u64> + ExactSizeIterator + '_ {
        let last = self.words.len().saturating_sub(1);
        let end = below(self.steps % WORD);
        self.words.iter().enumerate().map(move |(place, word)| if place == last { word & end } else { *word })
    }

    /// At every step the value at the step after it; false where there is none.
    pub(crate) fn next(&self) -> Self {
        let after = self.steps_only().skip(1).chain([0]);
        let words = self.steps_only().zip(after).map(|(word, after)| word >> 1 | after << (WORD - 1));
        Self::of_steps(words, self.steps)
    }

    /// At every step the value at the step before it; false at the first one.
    pub(crate) fn yesterday(&self) -> Self {
        let mut carried = 0;
        let words = self.words.iter().map(|word| {
            let shifted = word << 1 | carried;
            carried = word >> (WORD - 1);
            shifted
        });
        Self::of_steps(words, self.steps)
    }

    /// `self U goal`.
    pub(crate) fn until(&self, goal: &Self) -> Self {
        let mut later = 0;
        let mut words: Vec<u64> = self
            .words
            .iter()
            .rev()
            .zip(goal.steps_only().rev())
            .map(|(kept, goal)| {
                let mut reached = goal | (kept & later << (WORD - 1));
                let mut through = *kept;
                for distance in [1, 2, 4, 8, 16, 32] {
                    reached |= through & reached >> distance;
                    through &= through >> distance;
                }
                later = reached & 1;
                reached
            })
            .collect();
        words.reverse();
        Self::of_steps(words.into_iter(), self.steps)
    }

    /// `self S goal`.
    pub(crate) fn since(&self, goal: &Self) -> Self {
        let mut earlier = 0;
        let words = self.words.iter().zip(&goal.words).map(|(kept, goal)| {
            let mut reached = goal | (kept & earlier);
            let mut through = *kept;
            for distance in [1, 2, 4, 8, 16, 32] {
                reached |= through & reached << distance;
                through &= through << distance;
            }
            earlier = reached >> (WORD - 1);
            reached
        });
        Self::of_steps(words, self.steps)
    }

    /// The row that `holds` gives, asked step by step from the last to the first.
    pub(crate) fn backwards(steps: usize, mut holds: impl FnMut(usize) -> bool) -> Self {
        let mut row = Self::all(false, steps);
        for (place, word) in row.words.iter_mut().enumerate().rev() {
            let first = place * WORD;
            for step in (first..steps.min(first + WORD)).rev() {
                *word |= u64::from(holds(step)) << (step - first);
            }
        }
        row
    }

    /// The row that `holds` gives, asked step by step.
    pub(crate) fn forwards(steps: usize, mut holds: impl FnMut(usize) -> bool) -> Self {
        let mut row = Self::all(false, steps);
        for (place, word) in row.words.iter_mut().enumerate() {
            let first = place * WORD;
            for step in first..steps.min(first + WORD) {
                *word |= u64::from(holds(step)) << (step - first);
            }
        }
        row
    }

    /// The first step from `from` on with this value.
    pub(crate) fn first(&self, value: bool, from: usize) -> Option<usize> {
        let flip = if value { 0 } else { u64::MAX };
        let start = from / WORD;
        let words = self.words.iter().enumerate().skip(start).map(|(place, word)| {
            let wanted = word ^ flip;
            (place, if place == start { wanted & !below(from % WORD) } else { wanted })
        });
        let found = words
            .filter(|(_, word)| *word != 0)
            .map(|(place, word)| place * WORD + word.trailing_zeros() as usize);
        found.take(1).find(|step| *step < self.steps)
    }

    /// The last step up to `to`, which is a step, with this value.
    pub(crate) fn last(&self, value: bool, to: usize) -> Option<usize> {
        let flip = if value { 0 } else { u64::MAX };
        let end = to / WORD;
        let words = self.words.iter().enumerate().take(end + 1).rev().map(|(place, word)| {
            let wanted = word ^ flip;
            (place, if place == end { wanted & below(to % WORD + 1) } else { wanted })
        });
        words
            .filter(|(_, word)| *word != 0)
            .map(|(place, word)| place * WORD + (WORD - 1) - word.leading_zeros() as usize)
            .next()
    }
}

/// The lowest so many bits.
fn below(bits: usize) -> u64 {
    if bits >= WORD { u64::MAX } else { (1 << bits) - 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bits(values: &[bool], end: bool) -> Bits {
        let mut row = Bits::forwards(values.len(), |step| values[step]);
        // The value after the last step is not part of what is asked.
        if end {
            let last = row.words.len() - 1;
            row.words[last] |= 1 << (values.len() % WORD);
        }
        row
    }

    fn values(row: &Bits) -> Vec<bool> {
        assert!(!row.at(row.steps), "a value after the last step");
        (0..row.steps).map(|step| row.at(step)).collect()
    }

    proptest! {
        #[test]
        fn operators_are_those_of_single_values(
            pairs in prop::collection::vec((any::<bool>(), prop::bool::weighted(0.1)), 0..200),
            (end_a, end_b, from) in (any::<bool>(), any::<bool>(), 0_usize..200),
        ) {
            let (a, b): (Vec<bool>, Vec<bool>) = pairs.iter().copied().unzip();
            let (kept, goal) = (bits(&a, end_a), bits(&b, end_b));
            let steps = a.len();
            let until = |step: usize| (step..steps).find(|at| b[*at] || !a[*at]).is_some_and(|at| b[at]);
            let since = |step: usize| (0..=step).rev().find(|at| b[*at] || !a[*at]).is_some_and(|at| b[at]);
            let each = |value: &dyn Fn(usize) -> bool| (0..steps).map(value).collect::<Vec<_>>();
            prop_assert_eq!(values(&kept.until(&goal)), each(&until));
            prop_assert_eq!(values(&kept.since(&goal)), each(&since));
            prop_assert_eq!(values(&goal.next()), each(&|step| b.get(step + 1).copied().unwrap_or(false)));
            prop_assert_eq!(values(&goal.yesterday()), each(&|step| step > 0 && b[step - 1]));
            prop_assert_eq!(values(&Bits::backwards(steps, |step| b[step])), b.clone());
            for value in [false, true] {
                prop_assert_eq!(goal.first(value, from), (from..steps).find(|step| b[*step] == value));
                if from < steps {
                    prop_assert_eq!(goal.last(value, from), (0..=from).rev().find(|step| b[*step] == value));
                }
            }
            let letters = pairs.iter().map(|(a, b)| u64::from(*a) | u64::from(*b) << 2);
            let rows = Bits::letters(letters, 3, steps);
            prop_assert_eq!(rows.iter().map(values).collect::<Vec<_>>(), vec![a, vec![false; steps], b]);
        }
    }
}
