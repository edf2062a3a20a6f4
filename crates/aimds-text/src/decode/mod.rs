//! Finds and undoes encodings. One file per family; each looks for a cheap trigger first and answers `None` when the
//! text does not hold its encoding, so that prose costs next to nothing.

mod alphabets;
mod digits;
mod escapes;
mod plausible;
mod rotation;
mod signals;
mod smuggling;
mod spelling;

use std::ops::Range;

use crate::{Mapped, Transform};

/// A decoded layer, mapped to the text that it was found in.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) transform: Transform,
    pub(crate) mapped: Mapped,
    /// What was undone in the same pass.
    pub(crate) also: Vec<Transform>,
    /// The stretches of the source that were encoded, in order; empty where that is not known.
    pub(crate) sources: Vec<Range<usize>>,
    /// The only stretches of the source that read differently now, in order, where the rest is still there as it was.
    pub(crate) changed: Option<Vec<Range<usize>>>,
}

impl Decoded {
    fn new(transform: Transform, mapped: Mapped, sources: Vec<Range<usize>>) -> Self {
        Self { transform, mapped, also: Vec::new(), sources, changed: None }
    }

    /// The source with some stretches read in another way.
    fn changing(transform: Transform, mapped: Mapped, changed: Vec<Range<usize>>) -> Self {
        Self { transform, mapped, also: Vec::new(), sources: Vec::new(), changed: Some(changed) }
    }
}

/// Everything that can be decoded from one view. `raw` still holds invisible characters, `exact` does not; the results map
/// to the text that their decoder reads.
#[derive(Debug)]
pub(crate) struct Layers {
    pub(crate) from_raw: Vec<Decoded>,
    pub(crate) from_exact: Vec<Decoded>,
}

/// `room` says how many more encodings may be undone one inside the other.
pub(crate) fn layers(raw: &str, exact: &str, hidden: bool, room: usize) -> Layers {
    let mut layers = Layers { from_raw: Vec::new(), from_exact: Vec::new() };
    if hidden {
        layers.from_raw.extend(smuggling::tags(raw));
        layers.from_raw.extend(smuggling::variation_selectors(raw));
        layers.from_raw.extend(smuggling::zero_width_bits(raw));
    }
    let profile = Profile::of(exact);
    let mut known = Vec::new();
    if profile.longest_run >= alphabets::SHORTEST {
        let runs = alphabets::Runs::of(exact);
        let base64 = alphabets::base64(exact, &runs);
        known = base64.as_ref().map_or(known, |found| found.sources.clone());
        layers.from_exact.extend(base64);
        // What reads well in one alphabet is noise in the others.
        let runs = runs.outside(&known);
        layers.from_exact.extend(alphabets::base32(exact, &runs));
        layers.from_exact.extend(alphabets::hex(exact, &runs));
    }
    if profile.longest_word >= alphabets::SHORTEST_BASE85 {
        layers.from_exact.extend(alphabets::base85(exact, &known));
    }
    if profile.digits >= 16 {
        layers.from_exact.extend(digits::binary(exact));
        layers.from_exact.extend(digits::codes(exact));
        layers.from_exact.extend(digits::spaced_hex(exact));
    }
    if profile.dots_and_dashes >= 10 {
        layers.from_exact.extend(signals::morse(exact));
    }
    if profile.braille {
        layers.from_exact.extend(signals::braille(exact));
    }
    if profile.escapes {
        layers.from_exact.extend(escapes::escapes(exact, room.max(1)));
    }
    layers.from_exact.extend(spelling::spaced(exact));
    if profile.symbols * 5 > exact.len() {
        layers.from_exact.extend(rotation::rot47(exact));
    }
    layers
}

/// The other readings of the words of a canonical text, in which nothing is left that [`layers`] can decode.
pub(crate) fn respelt(canonical: &str) -> Vec<Decoded> {
    let words = spelling::Words::of(canonical);
    let mut found = Vec::new();
    found.extend(rotation::rotated(canonical, &words));
    found.extend(rotation::reversed(canonical, &words));
    found.extend(spelling::leet(canonical));
    found.extend(spelling::unaccented(canonical));
    found.extend(spelling::run_together(canonical, &words));
    found
}

/// One pass over the bytes that tells which decoders are worth asking.
struct Profile {
    longest_run: usize,
    longest_word: usize,
    digits: usize,
    dots_and_dashes: usize,
    symbols: usize,
    escapes: bool,
    braille: bool,
}

/// What the decoders want to know of a byte.
static CLASSES: [u8; 256] = classes();
const DIGIT: u8 = 1;
const DOT_OR_DASH: u8 = 2;
const SYMBOL: u8 = 4;
const IN_RUN: u8 = 8;
const ESCAPES: u8 = 16;
/// What every Braille pattern begins with in UTF-8.
const BRAILLE: u8 = 32;

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which would refuse to build")]
const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < classes.len() {
        classes[byte] = match byte as u8 {
            b'0'..=b'9' => DIGIT | IN_RUN,
            b'a'..=b'z' | b'A'..=b'Z' | b'/' => IN_RUN,
            b'+' | b'_' => IN_RUN | SYMBOL,
            b'-' => IN_RUN | DOT_OR_DASH,
            b'.' => DOT_OR_DASH,
            b'%' | b'&' | b'=' | b'\\' => ESCAPES | SYMBOL,
            0xe2 => BRAILLE,
            other if other.is_ascii_punctuation() => SYMBOL,
            _ => 0,
        };
        byte += 1;
    }
    classes
}

impl Profile {
    fn of(text: &str) -> Self {
        let mut profile = Self {
            longest_run: 0,
            longest_word: 0,
            digits: 0,
            dots_and_dashes: 0,
            symbols: 0,
            escapes: false,
            braille: false,
        };
        let mut seen = 0;
        let (mut run, mut word) = (0usize, 0usize);
        for byte in text.bytes() {
            let class = CLASSES.get(usize::from(byte)).copied().unwrap_or_default();
            profile.digits += usize::from(class & DIGIT != 0);
            profile.dots_and_dashes += usize::from(class & DOT_OR_DASH != 0);
            profile.symbols += usize::from(class & SYMBOL != 0);
            seen |= class;
            run = if class & IN_RUN != 0 { run + 1 } else { 0 };
            word = if byte > b' ' { word + 1 } else { 0 };
            profile.longest_run = profile.longest_run.max(run);
            profile.longest_word = profile.longest_word.max(word);
        }
        profile.escapes = seen & ESCAPES != 0;
        profile.braille = seen & BRAILLE != 0;
        profile
    }
}

/// Collects decoded pieces of one layer, with a line end between neighbours that do not touch.
#[derive(Default)]
struct Pieces {
    mapped: Mapped,
    sources: Vec<Range<usize>>,
}

impl Pieces {
    /// Appends a decoded piece that stands as a whole for `source`.
    fn push_whole(&mut self, piece: &str, source: Range<usize>) {
        self.gap(&source);
        self.mapped.whole(piece, source);
    }

    fn gap(&mut self, source: &Range<usize>) {
        if let Some(last) = self.sources.last()
            && source.start > last.end
        {
            self.mapped.whole("\n", last.end..source.start);
        }
        self.sources.push(source.clone());
    }

    /// Appends a decoded piece whose characters lie evenly in `source`, which is ASCII.
    fn push(&mut self, piece: &str, source: Range<usize>) {
        self.gap(&source);
        if piece.is_ascii() {
            self.mapped.text.push_str(piece);
            self.mapped.map.push_even(piece.len(), source);
            return;
        }
        let (from, to) = (source.end - source.start, piece.len().max(1));
        let mut at = 0;
        while at < piece.len() {
            let next = piece.ceil_char_boundary(at + 1);
            let (left, right) = (source.start + at * from / to, source.start + (next * from).div_ceil(to));
            self.mapped.whole(piece.get(at..next).unwrap_or_default(), left..right.min(source.end));
            at = next;
        }
    }

    fn finish(self, transform: Transform) -> Option<Decoded> {
        (!self.mapped.text.is_empty()).then(|| Decoded::new(transform, self.mapped, self.sources))
    }
}
