//! Hashed n-grams of canonical text. Training and inference share this file: the hash is part of the model.

/// Which kind of n-gram. Each kind is normalised by its own count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// One to three neighbouring words, and pairs with one word between.
    Words,
    /// Three to five neighbouring characters of one word, its edges included.
    Characters,
}

/// The n-grams of a text as the learner takes them, in order, repeats included: those of all kinds, where those of characters are
/// complements so that they are none of words, and those of words alone.
#[must_use]
pub fn ngrams(text: &str) -> (Vec<u32>, Vec<u32>) {
    let (mut all, mut words) = (Vec::new(), Vec::new());
    features(text, |family, hash| {
        if family == Family::Words {
            words.push(hash);
            all.push(hash);
        } else {
            all.push(!hash);
        }
    });
    (all, words)
}

/// Receives each n-gram of a text as a 32-bit hash, in order, repeats included. Linear, without allocation.
///
/// Words are runs of letters and digits (digits all read as `0`), single characters of scripts that write without
/// gaps, and runs of one punctuation character.
///
/// ```
/// use aimds_detect::lexical::{Family, features};
/// let mut words = 0;
/// features("ignore this", |family, _hash| words += usize::from(family == Family::Words));
/// assert_eq!(words, 2 + 1); // two words, one pair
/// ```
pub fn features(text: &str, mut sink: impl FnMut(Family, u32)) {
    let mut before = [0u64; 2];
    let mut word = Word::default();
    let mut punctuation = '\0';
    for c in text.chars() {
        let kind = kind(c);
        if kind == Kind::Letter {
            word.push(if c.is_ascii_digit() { '0' } else { c }, &mut sink);
            punctuation = '\0';
            continue;
        }
        if let Some(hash) = word.finish(&mut sink) {
            token(hash, &mut before, &mut sink);
        }
        match kind {
            Kind::Alone => token(mix(u64::from(u32::from(c)) ^ ALONE), &mut before, &mut sink),
            // A run of one punctuation character is one word, whatever its length.
            Kind::Punctuation if c != punctuation => {
                token(mix(u64::from(u32::from(c)) ^ PUNCTUATION), &mut before, &mut sink);
            }
            _ => {}
        }
        punctuation = if kind == Kind::Punctuation { c } else { '\0' };
    }
    if let Some(hash) = word.finish(&mut sink) {
        token(hash, &mut before, &mut sink);
    }
}

const ALONE: u64 = 0x5851_f42d_4c95_7f2d;
const PUNCTUATION: u64 = 0x1405_7b7e_f767_814f;
const PAIR: u64 = 0x2545_f491_4f6c_dd1d;
const TRIPLE: u64 = 0x9e6c_63d0_876a_3f6b;
const SKIP: u64 = 0xd6e8_feb8_6659_fd93;
const CHARACTERS: u64 = 0xa076_1d64_78bd_642f;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Letter,
    /// A character of a script without gaps between words: a word by itself.
    Alone,
    Punctuation,
    Gap,
}

/// The kinds of the ASCII characters.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which would refuse to build")]
static ASCII: [Kind; 128] = {
    let mut kinds = [Kind::Letter; 128];
    let mut byte = 0;
    while byte < 128 {
        kinds[byte] = match byte as u8 {
            b'a'..=b'z' | b'0'..=b'9' | b'\'' => Kind::Letter,
            b' ' | b'\n' | b'\t' => Kind::Gap,
            b'!'..=b'~' => Kind::Punctuation,
            _ => Kind::Letter,
        };
        byte += 1;
    }
    kinds
};

fn kind(c: char) -> Kind {
    match c {
        '\0'..='\x7f' => ASCII.get(c as usize).copied().unwrap_or(Kind::Letter),
        '\u{e00}'..='\u{eff}'
        | '\u{3040}'..='\u{30ff}'
        | '\u{3400}'..='\u{9fff}'
        | '\u{20000}'..='\u{3134f}' => Kind::Alone,
        _ if c.is_alphanumeric() || ('\u{900}'..='\u{dff}').contains(&c) => Kind::Letter,
        _ => Kind::Punctuation,
    }
}

/// The word being read: its hash, and its last characters for the character n-grams.
#[derive(Default)]
struct Word {
    hash: u64,
    len: usize,
    last: [u64; 4],
}

/// Longer words are cut for hashing, so that noise costs no more than prose.
const LONGEST: usize = 32;
const EDGE: u64 = 1;

impl Word {
    fn push(&mut self, c: char, sink: &mut impl FnMut(Family, u32)) {
        if self.len == 0 {
            self.last = [0, 0, 0, EDGE];
        }
        self.len += 1;
        if self.len > LONGEST {
            return;
        }
        let c = u64::from(u32::from(c));
        self.hash = (self.hash ^ c).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
        self.characters(c, sink);
    }

    fn characters(&mut self, c: u64, sink: &mut impl FnMut(Family, u32)) {
        let [first, second, third, fourth] = self.last;
        if third != 0 {
            let three = third << 42 ^ fourth << 21 ^ c ^ CHARACTERS;
            sink(Family::Characters, fold(mix(three)));
            if second != 0 {
                let four = mix(three).wrapping_add(second);
                sink(Family::Characters, fold(mix(four)));
                if first != 0 {
                    sink(Family::Characters, fold(mix(mix(four).wrapping_add(first) ^ SKIP)));
                }
            }
        }
        self.last = [second, third, fourth, c];
    }

    fn finish(&mut self, sink: &mut impl FnMut(Family, u32)) -> Option<u64> {
        if self.len == 0 {
            return None;
        }
        self.characters(EDGE, sink);
        let hash = mix(self.hash ^ (self.len.min(LONGEST) as u64) << 56);
        *self = Self::default();
        Some(hash)
    }
}

fn token(hash: u64, before: &mut [u64; 2], sink: &mut impl FnMut(Family, u32)) {
    let [second, first] = *before;
    sink(Family::Words, fold(hash));
    if first != 0 {
        let pair = mix(first.wrapping_mul(PAIR) ^ hash);
        sink(Family::Words, fold(pair));
        if second != 0 {
            sink(Family::Words, fold(mix(second.wrapping_mul(TRIPLE) ^ pair)));
            sink(Family::Words, fold(mix(second.wrapping_mul(SKIP) ^ hash)));
        }
    }
    *before = [first, hash | 1];
}

fn mix(value: u64) -> u64 {
    let value = (value ^ value >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    value ^ value >> 32
}

/// The upper half is the better mixed one.
fn fold(hash: u64) -> u32 {
    (hash >> 32) as u32 ^ hash as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<u32> {
        let mut hashes = Vec::new();
        features(text, |_, hash| hashes.push(hash));
        hashes
    }

    #[test]
    fn the_hash_is_part_of_the_model() {
        // If this changes, every trained model must be trained again.
        assert_eq!(all("ignore 42!")[..4], [2637782084, 3506933055, 1283088538, 456796076]);
    }

    #[test]
    fn digits_are_alike_and_words_are_not() {
        assert_eq!(all("room 12"), all("room 99"));
        assert_ne!(all("room"), all("broom"));
        assert_ne!(all("a b"), all("b a"));
    }

    #[test]
    fn scripts_without_gaps_give_words_of_one_character() {
        let mut words = 0;
        features("忽略之前", |family, _| words += usize::from(family == Family::Words));
        assert_eq!(words, 4 + 3 + 2 + 2);
    }
}
