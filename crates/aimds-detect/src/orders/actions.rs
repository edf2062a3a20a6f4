//! What tools do, told by words: the verbs of orders, the names of tools and what a user speaks of share one table.

use super::verbs::{NOUNS, VERBS};

/// Kinds of things that tools do; a word may belong to several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Actions(u16);

impl Actions {
    /// Nothing that a tool does.
    pub const NONE: Self = Self(0);
    /// Something leaves: messages, posts, uploads.
    pub const SEND: Self = Self(1);
    /// Money or goods change hands.
    pub const PAY: Self = Self(1 << 1);
    /// Somebody gets in, or may do more.
    pub const GRANT: Self = Self(1 << 2);
    /// Something that is there becomes different.
    pub const CHANGE: Self = Self(1 << 3);
    /// Something is gone afterwards.
    pub const REMOVE: Self = Self(1 << 4);
    /// A time, a place or a seat is taken.
    pub const BOOK: Self = Self(1 << 5);
    /// Something new is made or written down.
    pub const CREATE: Self = Self(1 << 6);
    /// Something is looked up or opened.
    pub const READ: Self = Self(1 << 7);
    /// A program, a function or a device is set going.
    pub const RUN: Self = Self(1 << 8);

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those of `self` that are not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Those that are in both.
    #[must_use]
    pub const fn only(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether one of them is in both.
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// How many they are.
    pub(super) const fn number(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What the verb of an order asks for; nothing where the word is none that tools follow. Lower case.
    #[must_use]
    pub fn ordered_by(verb: &str) -> Self {
        found(&VERBS, verb)
    }

    /// What a tool of this name does, by its first verb; what it does it to tells of payments and bookings: `send_money` sends
    /// and pays.
    ///
    /// ```
    /// use aimds_detect::orders::Actions;
    /// assert!(Actions::of_tool("sendMoney").meets(Actions::PAY));
    /// assert_eq!(Actions::of_tool("search_emails"), Actions::READ);
    /// assert!(Actions::of_tool("weather").is_empty());
    /// ```
    #[must_use]
    pub fn of_tool(name: &str) -> Self {
        let mut words = String::with_capacity(name.len() + 8);
        let mut lower = false;
        for c in name.chars() {
            if c.is_uppercase() && lower {
                words.push(' ');
            }
            lower = c.is_lowercase();
            words.extend(c.to_lowercase());
        }
        let words = || words.split(|c: char| !c.is_ascii_alphabetic());
        let does = words().map(|word| found(&VERBS, word)).find(|does| !does.is_empty()).unwrap_or_default();
        if does.without(Self::READ).is_empty() {
            return does;
        }
        let to_what = words().fold(Self::NONE, |named, word| named.and(Self::named_by(word)));
        does.and(to_what.only(Self::PAY.and(Self::BOOK)))
    }

    /// What a lower-case text speaks of, in any of the usual forms of a word. Linear.
    #[must_use]
    pub fn named_in(text: &str) -> Self {
        let words = text.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| word.len() >= 2);
        words.fold(Self::NONE, |named, word| named.and(Self::named_by(word)))
    }

    /// What one word speaks of.
    fn named_by(word: &str) -> Self {
        let plain = found(&VERBS, word).and(found(&NOUNS, word));
        if !plain.is_empty() {
            return plain;
        }
        let stems = ["ing", "ed", "es", "s", "d"].iter().filter_map(|ending| word.strip_suffix(ending));
        for stem in stems {
            let short = stem.len().checked_sub(1).and_then(|end| stem.get(..end)).unwrap_or_default();
            let named = found(&VERBS, stem).and(found(&NOUNS, stem));
            // "sharing" is of "share", "transferring" of "transfer".
            let with_e = || found(&VERBS, &[stem, "e"].concat());
            let doubled = || {
                if stem.ends_with(['t', 'r', 'n', 'p', 'b', 'd', 'l', 'g']) {
                    found(&VERBS, short)
                } else {
                    Self::NONE
                }
            };
            for named in [named, with_e(), doubled()] {
                if !named.is_empty() {
                    return named;
                }
            }
        }
        Self::NONE
    }
}

fn found(table: &[(&str, Actions)], word: &str) -> Actions {
    let at = table.binary_search_by(|(entry, _)| (*entry).cmp(word)).ok();
    at.and_then(|at| table.get(at)).map_or(Actions::NONE, |(_, actions)| *actions)
}
