//! Many known sequences of tokens, to be found inside of texts.
//!
//! What is found is exact: the filter only discards patterns that cannot be within the cutoff.

mod builder;
mod bytes;
mod cluster;
mod index;
mod masks;
mod search;

use crate::symbols::SortedIndex;
use index::Postings;

pub use builder::{BuildError, PatternLibraryBuilder};
pub use bytes::ReadError;
pub use cluster::{Cluster, medoids};
pub use search::{Budget, CutoffError, Found, PatternHit, Scratch};

/// Tokens that a pattern may have at most.
pub const MAX_PATTERN: usize = 1024;

/// Patterns to find in texts: an immutable snapshot, to be shared between threads and replaced as a whole.
///
/// A pattern is a sequence of tokens (words as numbers, mostly hashes) with a name and a class. [`find`](Self::find)
/// returns the patterns that a text contains up to a number of token edits.
///
/// ```
/// use aimds_sequence::{Budget, PatternLibrary};
///
/// let mut builder = PatternLibrary::builder();
/// builder.insert("override", "injection", &[1, 2, 3, 4, 5])?;
/// let library = builder.build()?;
/// // One token replaced, in the middle of a text.
/// let found = library.find(&[9, 9, 1, 2, 7, 4, 5, 9], Budget::default(), 0.25)?;
/// assert!(found.exact);
/// assert_eq!((found.hits[0].distance, found.hits[0].span.clone()), (1, 2..7));
/// assert_eq!(library.id(found.hits[0].pattern), Some("override"));
/// assert_eq!(found.hits[0].matched, [(0, 2), (1, 3), (3, 5), (4, 6)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct PatternLibrary {
    names: Vec<Name>,
    classes: Vec<String>,
    /// All tokens of all patterns. A token is known in here by its rank among them.
    vocabulary: SortedIndex,
    /// The patterns by length, each as the ranks of its tokens. All indexes count in this order.
    patterns: Vec<Vec<u32>>,
    /// Their lengths, close together: every pattern that shares anything with a text is asked for its length.
    lens: Vec<u16>,
    /// The number in the order of insertion.
    numbers: Vec<u32>,
    bigrams: Postings,
    /// The second token of each bigram, by the first.
    seconds: Vec<u32>,
    /// Where the bigrams of each first token begin.
    firsts: Vec<u32>,
    tokens: Postings,
}

#[derive(Clone, Debug)]
struct Name {
    id: String,
    class: u32,
    /// Its place in the order by length.
    place: u32,
}

impl PatternLibrary {
    /// A library to fill.
    #[must_use]
    pub fn builder() -> PatternLibraryBuilder {
        PatternLibraryBuilder::default()
    }

    /// How many patterns there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// True for the library of no patterns.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The name of a pattern, by its number in the order of insertion.
    #[must_use]
    pub fn id(&self, pattern: usize) -> Option<&str> {
        Some(&self.names.get(pattern)?.id)
    }

    /// The class of a pattern.
    #[must_use]
    pub fn class(&self, pattern: usize) -> Option<&str> {
        self.classes.get(self.names.get(pattern)?.class as usize).map(String::as_str)
    }

    /// The tokens of a pattern.
    #[must_use]
    pub fn tokens(&self, pattern: usize) -> Option<Vec<u32>> {
        let ranks = self.patterns.get(self.names.get(pattern)?.place as usize)?;
        Some(ranks.iter().filter_map(|&rank| self.vocabulary.keys().get(rank as usize).copied()).collect())
    }
}
