//! Which lists a word is on: ordinary words, given names, family names, places. Hashed, so that it is small and of one size:
//! a word in a hundred is said to be on a list that it is not on, which the model knows, since it was trained with it.

use super::NamesError;

/// Words that are mostly written in lower case.
pub const ORDINARY: u8 = 1;
/// Given names.
pub const GIVEN: u8 = 2;
/// Family names.
pub const FAMILY: u8 = 4;
/// Cities, streets, regions, countries.
pub const PLACE: u8 = 8;
/// The lists that make a word a candidate.
pub(super) const LISTED: u8 = GIVEN | FAMILY;

/// Places, four bits each.
const PLACES: usize = 1 << 20;

/// Word lists as a Bloom filter of two hashes (Bloom 1970) for each of four lists.
#[derive(Clone)]
pub struct Gazetteer {
    halves: Box<[u8]>,
}

impl std::fmt::Debug for Gazetteer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gazetteer")
    }
}

impl Default for Gazetteer {
    fn default() -> Self {
        Self::new()
    }
}

impl Gazetteer {
    /// Bytes of the written form.
    pub const SIZE: usize = PLACES / 2;

    /// Empty lists.
    #[must_use]
    pub fn new() -> Self {
        Self { halves: vec![0; Self::SIZE].into() }
    }

    /// Reads the written form.
    ///
    /// # Errors
    /// If it has another size.
    pub fn parse(bytes: &[u8]) -> Result<Self, NamesError> {
        if bytes.len() != Self::SIZE {
            return Err(NamesError::Size);
        }
        Ok(Self { halves: bytes.into() })
    }

    /// The written form.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.halves
    }

    /// Puts a word, by its [`word_hash`](super::word_hash), on the lists.
    pub fn insert(&mut self, word: u32, lists: u8) {
        for place in places(word) {
            if let Some(byte) = self.halves.get_mut(place / 2) {
                *byte |= (lists & 15) << (place % 2 * 4);
            }
        }
    }

    /// The lists that a word is on.
    #[must_use]
    pub fn lists(&self, word: u32) -> u8 {
        places(word)
            .into_iter()
            .map(|place| self.halves.get(place / 2).map_or(0, |byte| byte >> (place % 2 * 4) & 15))
            .fold(15, |lists, half| lists & half)
    }
}

/// Two places in one run of 64 bytes: one line of the cache.
fn places(word: u32) -> [usize; 2] {
    let mixed = u64::from(word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let line = (mixed >> 51) as usize * 128;
    [line + (mixed >> 40 & 127) as usize, line + (mixed >> 33 & 127) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::word_hash;

    #[test]
    fn what_was_put_in_is_found_and_little_else() {
        let mut lists = Gazetteer::new();
        for number in 0..30_000 {
            lists.insert(word_hash(&format!("given{number}")), GIVEN);
        }
        lists.insert(word_hash("rose"), ORDINARY | GIVEN);
        assert_eq!(lists.lists(word_hash("Rose")) & (ORDINARY | GIVEN), ORDINARY | GIVEN);
        assert!((0..30_000).all(|n| lists.lists(word_hash(&format!("given{n}"))) & GIVEN != 0));
        let wrong = (0..10_000).filter(|n| lists.lists(word_hash(&format!("other{n}"))) & GIVEN != 0).count();
        assert!(wrong < 200, "{wrong}");
        let again = Gazetteer::parse(lists.bytes()).unwrap();
        assert_eq!(again.lists(word_hash("rose")), lists.lists(word_hash("rose")));
        assert!(Gazetteer::parse(&[0; 3]).is_err());
    }
}
