//! The vocabulary: pieces, their scores, their vectors in four bits.

use std::ops::Range;

/// Weights of a block of a vector share one scale.
const BLOCK: usize = 32;
/// Bytes of the weights of a block.
const NIBBLES: usize = BLOCK / 2;
const MAGIC: &[u8; 8] = b"AIMDSWD1";
/// What stands for white space inside pieces.
const MARK: char = '\u{2581}';
/// The piece that stands for characters of which no piece is made.
const UNKNOWN: u32 = 3;

/// Why a vocabulary is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum WordsError {
    /// Not a vocabulary of this version.
    #[error("not a vocabulary of this version")]
    Format,
    /// Shorter or longer than its header says.
    #[error("the vocabulary has the wrong length")]
    Length,
    /// A piece is not UTF-8.
    #[error("piece {0} of the vocabulary is not UTF-8")]
    Piece(usize),
    /// A score is not finite.
    #[error("the vocabulary holds a score that is not finite")]
    NotFinite,
}

/// One piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Number of the piece in the vocabulary.
    pub id: u32,
    /// The bytes of the text that it covers; empty for a mark of white space alone.
    pub range: Range<usize>,
}

/// Pieces with scores and vectors. The vectors stay in the bytes that were given.
pub struct Words {
    bytes: &'static [u8],
    width: usize,
    /// Where each piece is in `bytes`.
    places: Vec<(u32, u8)>,
    scores: Vec<f32>,
    /// Pieces in the order of their bytes.
    sorted: Vec<u32>,
    /// Where in `sorted` the pieces begin that start with each byte.
    starts: Box<[u32; 257]>,
    unknown_score: f64,
    scales: usize,
    nibbles: usize,
}

impl std::fmt::Debug for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Words").field("pieces", &self.places.len()).finish_non_exhaustive()
    }
}

impl Words {
    /// Reads a vocabulary: magic; number of pieces and width (`u32`, little-endian); pieces (length byte, UTF-8); scores
    /// (`f32`); scales (half floats) and nibbles of the vectors, block by block.
    ///
    /// # Errors
    /// [`WordsError`] if the bytes are not complete and of this version.
    pub fn parse(bytes: &'static [u8]) -> Result<Self, WordsError> {
        let mut at = Cursor { bytes, at: 0 };
        if at.take(MAGIC.len())? != MAGIC {
            return Err(WordsError::Format);
        }
        let (count, width) = (at.number()? as usize, at.number()? as usize);
        if width == 0 || !width.is_multiple_of(BLOCK) || count <= UNKNOWN as usize {
            return Err(WordsError::Format);
        }
        let mut places = Vec::new();
        for number in 0..count {
            let length = at.take(1)?.first().copied().unwrap_or_default();
            let start = u32::try_from(at.at).map_err(|_| WordsError::Length)?;
            std::str::from_utf8(at.take(usize::from(length))?).map_err(|_| WordsError::Piece(number))?;
            places.push((start, length));
        }
        let scores: Vec<f32> =
            at.take(4 * count)?.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        if !scores.iter().all(|score| score.is_finite()) {
            return Err(WordsError::NotFinite);
        }
        let blocks = count.checked_mul(width / BLOCK).ok_or(WordsError::Length)?;
        let scales = at.at;
        at.take(blocks.checked_mul(2).ok_or(WordsError::Length)?)?;
        let nibbles = at.at;
        at.take(blocks.checked_mul(NIBBLES).ok_or(WordsError::Length)?)?;
        if at.at != bytes.len() {
            return Err(WordsError::Length);
        }
        let lowest = scores.iter().copied().fold(f32::INFINITY, f32::min);
        let mut words = Self {
            bytes,
            width,
            places,
            scores,
            sorted: Vec::new(),
            starts: Box::new([0; 257]),
            unknown_score: f64::from(lowest) - 10.0,
            scales,
            nibbles,
        };
        let mut sorted: Vec<u32> = (0..u32::try_from(count).map_err(|_| WordsError::Length)?).collect();
        sorted.sort_by(|&a, &b| words.piece(a).cmp(words.piece(b)));
        for first in 0..=u8::MAX {
            let begins =
                sorted.partition_point(|&id| words.piece(id).first().is_none_or(|&byte| byte < first));
            if let Some(slot) = words.starts.get_mut(usize::from(first)) {
                *slot = u32::try_from(begins).map_err(|_| WordsError::Length)?;
            }
        }
        if let Some(slot) = words.starts.last_mut() {
            *slot = u32::try_from(count).map_err(|_| WordsError::Length)?;
        }
        words.sorted = sorted;
        Ok(words)
    }

    /// Numbers in a vector.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    fn piece(&self, id: u32) -> &[u8] {
        let (start, length) = self.places.get(id as usize).copied().unwrap_or_default();
        self.bytes.get(start as usize..start as usize + usize::from(length)).unwrap_or_default()
    }

    /// Appends the vector of a piece to `out`; zeros for a number that no piece has.
    pub fn vector(&self, id: u32, out: &mut Vec<f32>) {
        let blocks = self.width / BLOCK;
        let first = (id as usize).saturating_mul(blocks);
        for block in first..first + blocks {
            let scale = self.bytes.get(self.scales + 2 * block..).and_then(|rest| rest.first_chunk::<2>());
            let nibbles = self
                .bytes
                .get(self.nibbles + NIBBLES * block..)
                .and_then(|rest| rest.first_chunk::<NIBBLES>());
            let known = (id as usize) < self.places.len();
            let (Some(&scale), Some(nibbles)) = (scale.filter(|_| known), nibbles) else {
                out.extend([0.0; BLOCK]);
                continue;
            };
            let scale = half(u16::from_le_bytes(scale));
            out.extend(nibbles.iter().map(|byte| (f32::from(byte & 15) - 8.0) * scale));
            out.extend(nibbles.iter().map(|byte| (f32::from(byte >> 4) - 8.0) * scale));
        }
    }

    /// Cuts a text into the pieces with the highest sum of scores (Viterbi). White space is one mark, whatever it was.
    ///
    /// Cost: linear in the text for a vocabulary whose longest piece is bounded.
    #[must_use]
    pub fn pieces(&self, text: &str) -> Vec<Piece> {
        let marked = Marked::new(text);
        let bytes = marked.text.as_bytes();
        // The best way to each byte: its score, where its last piece began, which one it is.
        let mut best: Vec<(f64, u32, u32)> = vec![(f64::NEG_INFINITY, 0, UNKNOWN); bytes.len() + 1];
        if let Some(first) = best.first_mut() {
            first.0 = 0.0;
        }
        for (at, c) in marked.text.char_indices() {
            let here = best.get(at).map_or(f64::NEG_INFINITY, |best| best.0);
            let mut single = false;
            let mut better = |end: usize, score: f64, id: u32| {
                if let Some(best) = best.get_mut(end).filter(|best| score > best.0) {
                    *best = (score, at as u32, id);
                }
            };
            self.matches(bytes.get(at..).unwrap_or_default(), |length, id| {
                single |= length == c.len_utf8();
                let score = self.scores.get(id as usize).copied().unwrap_or_default();
                better(at + length, here + f64::from(score), id);
            });
            if !single {
                better(at + c.len_utf8(), here + self.unknown_score, UNKNOWN);
            }
        }
        let mut pieces: Vec<Piece> = Vec::new();
        let mut end = bytes.len();
        while end > 0 {
            let Some(&(_, start, id)) = best.get(end) else { break };
            let range = marked.source(start as usize..end);
            end = start as usize;
            match pieces.last_mut() {
                // Neighbouring unknown characters are one piece.
                Some(next) if id == UNKNOWN && next.id == UNKNOWN => next.range.start = range.start,
                _ => pieces.push(Piece { id, range }),
            }
        }
        pieces.reverse();
        pieces
    }

    /// Every piece that `bytes` begins with, by length.
    fn matches(&self, bytes: &[u8], mut found: impl FnMut(usize, u32)) {
        let Some(&first) = bytes.first() else { return };
        let bound = |at: usize| self.starts.get(at).map_or(0, |&start| start as usize);
        let (mut low, mut high) = (bound(usize::from(first)), bound(usize::from(first) + 1));
        let mut length = 1;
        while let Some(range) = self.sorted.get(low..high).filter(|range| !range.is_empty()) {
            // The shortest of the pieces that share the first `length` bytes comes first.
            if let Some(&id) = range.first().filter(|&&id| self.piece(id).len() == length) {
                found(length, id);
            }
            let Some(&next) = bytes.get(length) else { return };
            let byte = |id: u32| self.piece(id).get(length).copied();
            let skip = range.partition_point(|&id| byte(id).is_none_or(|byte| byte < next));
            let keep = range.partition_point(|&id| byte(id).is_none_or(|byte| byte <= next));
            (low, high) = (low + skip, low + keep);
            length += 1;
        }
    }
}

/// A text with marks for white space, and where its words are in the original.
struct Marked {
    text: String,
    /// Where each word begins, in the marked text (its mark) and in the original.
    words: Vec<(usize, usize)>,
}

impl Marked {
    fn new(text: &str) -> Self {
        let mut marked = Self { text: String::with_capacity(text.len() + 8), words: Vec::new() };
        for word in text.split_whitespace() {
            let source = word.as_ptr() as usize - text.as_ptr() as usize;
            marked.words.push((marked.text.len(), source));
            marked.text.push(MARK);
            marked.text.push_str(word);
        }
        if marked.text.is_empty() {
            marked.text.push(MARK);
        }
        marked
    }

    /// The stretch of the original that a stretch of the marked text stands for.
    fn source(&self, range: Range<usize>) -> Range<usize> {
        let place = |at: usize| {
            let word = self.words.partition_point(|&(start, _)| start <= at).saturating_sub(1);
            let (start, source) = self.words.get(word).copied().unwrap_or_default();
            (source + (at - start).saturating_sub(MARK.len_utf8()), start)
        };
        let (begin, word) = place(range.start);
        if range == (word..word + MARK.len_utf8()) {
            return begin..begin; // the mark alone
        }
        begin..place(range.end.saturating_sub(1)).0 + 1
    }
}

/// IEEE 754 half precision. (Not in the standard library yet.)
fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 0x3ff));
    sign * match exponent {
        0 => fraction * (-24f32).exp2(),
        31 => f32::INFINITY,
        _ => (1.0 + fraction / 1024.0) * (exponent as f32 - 15.0).exp2(),
    }
}

struct Cursor {
    bytes: &'static [u8],
    at: usize,
}

impl Cursor {
    fn take(&mut self, number: usize) -> Result<&'static [u8], WordsError> {
        let end = self.at.checked_add(number).ok_or(WordsError::Length)?;
        let taken = self.bytes.get(self.at..end).ok_or(WordsError::Length)?;
        self.at = end;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u32, WordsError> {
        self.take(4)?.first_chunk::<4>().map(|&bytes| u32::from_le_bytes(bytes)).ok_or(WordsError::Length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A vocabulary of `pieces` with vectors of 32 times the number of the piece.
    pub(crate) fn vocabulary(pieces: &[(&str, f32)]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend((pieces.len() as u32).to_le_bytes());
        bytes.extend((BLOCK as u32).to_le_bytes());
        for (piece, _) in pieces {
            bytes.push(piece.len() as u8);
            bytes.extend(piece.as_bytes());
        }
        pieces.iter().for_each(|(_, score)| bytes.extend(score.to_le_bytes()));
        pieces.iter().for_each(|_| bytes.extend(0x3c00u16.to_le_bytes())); // scale 1
        (0..pieces.len()).for_each(|number| bytes.extend([number as u8 | 0x80; NIBBLES]));
        bytes
    }

    const PIECES: [(&str, f32); 11] = [
        ("<s>", 0.0),
        ("<pad>", 0.0),
        ("</s>", 0.0),
        ("<unk>", 0.0),
        ("▁", -3.0),
        ("▁a", -2.0),
        ("b", -4.0),
        ("ab", -3.5),
        ("▁ab", -4.5),
        ("a", -4.0),
        ("é", -5.0),
    ];

    fn words() -> Words {
        Words::parse(vocabulary(&PIECES).leak()).unwrap()
    }

    fn check(text: &str, expected: &[(&str, &str)]) {
        let words = words();
        let found: Vec<(&str, &str)> = words
            .pieces(text)
            .into_iter()
            .map(|piece| (PIECES[piece.id as usize].0, &text[piece.range]))
            .collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn the_best_pieces_are_chosen_and_know_their_place() {
        check("ab", &[("▁ab", "ab")]);
        check("  ab \n a", &[("▁ab", "ab"), ("▁a", "a")]);
        check("aab", &[("▁a", "a"), ("ab", "ab")]);
        check("b", &[("▁", ""), ("b", "b")]);
        check("xyéb", &[("▁", ""), ("<unk>", "xy"), ("é", "é"), ("b", "b")]);
        check("", &[("▁", "")]);
    }

    #[test]
    fn vectors_are_read_as_they_were_packed() {
        let mut vector = Vec::new();
        words().vector(5, &mut vector);
        assert_eq!(vector[..16], [-3.0; 16]);
        assert_eq!(vector[16..], [0.0; 16]);
        vector.clear();
        words().vector(999, &mut vector);
        assert_eq!(vector, [0.0; 32]);
    }

    #[test]
    fn half_floats_are_what_the_standard_says() {
        for (bits, expected) in
            [(0x3c00, 1.0), (0xc000, -2.0), (0x3555, 0.333_251_95), (0x0001, 5.960_464_5e-8), (0, 0.0)]
        {
            assert_eq!(half(bits), expected);
        }
    }

    #[test]
    fn damaged_vocabularies_are_refused() {
        let whole = vocabulary(&PIECES);
        for length in 0..whole.len() {
            assert!(Words::parse(whole[..length].to_vec().leak()).is_err(), "{length}");
        }
        let mut long = whole.clone();
        long.push(0);
        assert_eq!(Words::parse(long.leak()).err(), Some(WordsError::Length));
        let mut huge = whole.clone();
        huge[8..12].fill(0xff);
        assert!(Words::parse(huge.leak()).is_err());
        let mut garbled = whole;
        garbled[17] = 0xff;
        assert_eq!(Words::parse(garbled.leak()).err(), Some(WordsError::Piece(0)));
    }
}
