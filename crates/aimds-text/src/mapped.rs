//! A derived text together with its map back to where it came from.

use std::ops::Range;

use crate::OffsetMap;

/// A derived text and its map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapped {
    /// The derived text.
    pub text: String,
    /// Maps byte ranges of `text` back to the original.
    pub map: OffsetMap,
}

impl Mapped {
    /// A copy of `text` that maps to itself.
    #[must_use]
    pub fn identity(text: &str) -> Self {
        Self { text: text.to_owned(), map: OffsetMap::identity(text.len()) }
    }

    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { text: String::with_capacity(capacity), map: OffsetMap::default() }
    }

    /// Appends a copy of the source from `at`.
    pub(crate) fn copy(&mut self, copied: &str, at: usize) {
        self.text.push_str(copied);
        self.map.push_copy(copied.len(), at);
    }

    /// Appends text that stands as a whole for `source`.
    pub(crate) fn whole(&mut self, text: &str, source: Range<usize>) {
        self.text.push_str(text);
        self.map.push_whole(text.len(), source);
    }

    /// Appends one character that stands as a whole for `source`.
    pub(crate) fn whole_char(&mut self, c: char, source: Range<usize>) {
        self.text.push(c);
        self.map.push_whole(c.len_utf8(), source);
    }

    /// The same text, mapped through `parent`.
    pub(crate) fn through(self, parent: &OffsetMap) -> Self {
        Self { map: self.map.through(parent), text: self.text }
    }
}
