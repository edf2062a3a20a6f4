//! From patterns to a library.

use std::collections::BTreeMap;

use super::index::Postings;
use super::{MAX_PATTERN, Name, PatternLibrary};
use crate::symbols::SortedIndex;

/// Largest number of patterns, and of bytes of an id or class.
const MAX_PATTERNS: usize = 1 << 24;
pub(super) const MAX_NAME: usize = u16::MAX as usize;

/// Why a library could not be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A pattern without tokens would be found everywhere.
    #[error("pattern {id:?} has no tokens")]
    EmptyPattern {
        /// The pattern.
        id: String,
    },
    /// A pattern is longer than [`MAX_PATTERN`].
    #[error("pattern {id:?} has {len} tokens, more than {MAX_PATTERN}")]
    PatternTooLong {
        /// The pattern.
        id: String,
        /// Its tokens.
        len: usize,
    },
    /// An id or a class is longer than 65,535 bytes.
    #[error("an id or class of {len} bytes is too long")]
    NameTooLong {
        /// Its bytes.
        len: usize,
    },
    /// Two patterns have one id, so that a hit would not say which.
    #[error("two patterns have the id {id:?}")]
    DuplicateId {
        /// The id.
        id: String,
    },
    /// There are more than 16,777,216 patterns.
    #[error("too many patterns")]
    TooManyPatterns,
}

/// Collects patterns. See [`PatternLibrary`].
#[derive(Clone, Debug, Default)]
pub struct PatternLibraryBuilder {
    patterns: Vec<(String, u32, Vec<u32>)>,
    classes: BTreeMap<String, u32>,
}

impl PatternLibraryBuilder {
    /// Adds a pattern. The same tokens may be there under several ids.
    ///
    /// # Errors
    ///
    /// [`BuildError`], except for [`BuildError::DuplicateId`], which shows when building.
    ///
    /// ```
    /// let mut builder = aimds_sequence::PatternLibrary::builder();
    /// assert!(builder.insert("nothing", "class", &[]).is_err());
    /// ```
    pub fn insert(&mut self, id: &str, class: &str, tokens: &[u32]) -> Result<&mut Self, BuildError> {
        if tokens.is_empty() {
            return Err(BuildError::EmptyPattern { id: id.to_owned() });
        }
        if tokens.len() > MAX_PATTERN {
            return Err(BuildError::PatternTooLong { id: id.to_owned(), len: tokens.len() });
        }
        if let Some(name) = [id, class].into_iter().find(|name| name.len() > MAX_NAME) {
            return Err(BuildError::NameTooLong { len: name.len() });
        }
        if self.patterns.len() >= MAX_PATTERNS {
            return Err(BuildError::TooManyPatterns);
        }
        let class = match self.classes.get(class) {
            Some(&class) => class,
            None => {
                let number = self.classes.len() as u32;
                self.classes.insert(class.to_owned(), number);
                number
            }
        };
        self.patterns.push((id.to_owned(), class, tokens.to_vec()));
        Ok(self)
    }

    /// The library of these patterns. O(n log n) for n tokens.
    ///
    /// # Errors
    ///
    /// [`BuildError::DuplicateId`].
    ///
    /// ```
    /// let library = aimds_sequence::PatternLibrary::builder().build()?;
    /// assert!(library.is_empty());
    /// # Ok::<(), aimds_sequence::BuildError>(())
    /// ```
    pub fn build(self) -> Result<PatternLibrary, BuildError> {
        let mut ids: Vec<&str> = self.patterns.iter().map(|(id, ..)| id.as_str()).collect();
        ids.sort_unstable();
        if let Some(&[id, _]) = ids.array_windows::<2>().find(|[a, b]| a == b) {
            return Err(BuildError::DuplicateId { id: id.to_owned() });
        }
        let vocabulary =
            SortedIndex::new(self.patterns.iter().flat_map(|(.., tokens)| tokens).copied().collect());
        let mut classes: Vec<(String, u32)> = self.classes.into_iter().collect();
        classes.sort_by_key(|&(_, number)| number);

        let mut order: Vec<u32> = (0..self.patterns.len() as u32).collect();
        let len_of =
            |&number: &u32| self.patterns.get(number as usize).map_or(0, |(.., tokens)| tokens.len());
        order.sort_by_key(len_of);
        let mut places = vec![0; order.len()];
        for (place, &number) in order.iter().enumerate() {
            if let Some(known) = places.get_mut(number as usize) {
                *known = place as u32;
            }
        }
        let patterns: Vec<Vec<u32>> = order
            .iter()
            .filter_map(|&number| self.patterns.get(number as usize))
            .map(|(.., tokens)| {
                tokens.iter().map(|&token| vocabulary.row(token).saturating_sub(1) as u32).collect()
            })
            .collect();

        let mut occurrences: Vec<(u64, u32)> = Vec::new();
        let mut token_occurrences: Vec<(u64, u32)> = Vec::new();
        for (place, pattern) in patterns.iter().enumerate() {
            token_occurrences.extend(pattern.iter().map(|&token| (u64::from(token), place as u32)));
            occurrences.extend(pattern.array_windows().map(|&[a, b]| (bigram(a, b), place as u32)));
        }
        let (keys, bigrams) = Postings::new(occurrences);
        let (_, tokens) = Postings::new(token_occurrences);
        let seconds = keys.iter().map(|&key| key as u32).collect();
        let mut firsts = vec![0_u32; vocabulary.len() + 1];
        for &key in &keys {
            if let Some(count) = firsts.get_mut((key >> 32) as usize + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for start in &mut firsts {
            sum += *start;
            *start = sum;
        }
        let names = self.patterns.into_iter().zip(places);
        Ok(PatternLibrary {
            names: names.map(|((id, class, _), place)| Name { id, class, place }).collect(),
            classes: classes.into_iter().map(|(class, _)| class).collect(),
            vocabulary,
            lens: patterns.iter().map(|pattern| pattern.len() as u16).collect(),
            patterns,
            numbers: order,
            bigrams,
            seconds,
            firsts,
            tokens,
        })
    }
}

/// Two tokens that follow each other.
pub(super) fn bigram(first: u32, second: u32) -> u64 {
    u64::from(first) << 32 | u64::from(second)
}
