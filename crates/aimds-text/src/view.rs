//! The views of a text.

use std::collections::VecDeque;

use crate::budget::{Exhausted, Limits, Meter};
use crate::canonical::canonical as canonicalise;
use crate::decode;
use crate::exact::exact;
use crate::invisible::Invisible;
use crate::{Mapped, OffsetMap};

/// What was undone to make a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transform {
    /// Base 64.
    Base64,
    /// Base 32.
    Base32,
    /// Hexadecimal.
    Hex,
    /// Base 85.
    Base85,
    /// Bits.
    Binary,
    /// Decimal or octal character codes.
    CharCodes,
    /// Morse code.
    Morse,
    /// Braille patterns.
    Braille,
    /// Percent-encoding.
    Percent,
    /// HTML character references.
    HtmlEntities,
    /// Quoted-printable.
    QuotedPrintable,
    /// Backslash escapes.
    Backslash,
    /// Letters shifted through the alphabet.
    Rot,
    /// The alphabet mirrored.
    Atbash,
    /// Written backwards.
    Reversed,
    /// Letters apart.
    Spaced,
    /// Words without gaps.
    RunTogether,
    /// Digits and symbols for letters.
    Leet,
    /// Accents on letters that need none.
    Unaccented,
    /// Unicode tag characters.
    Tags,
    /// Variation selectors.
    VariationSelectors,
    /// Zero-width characters as bits.
    ZeroWidthBits,
}

impl Transform {
    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Base64 => "base64",
            Self::Base32 => "base32",
            Self::Hex => "hex",
            Self::Base85 => "base85",
            Self::Binary => "binary",
            Self::CharCodes => "character codes",
            Self::Morse => "Morse code",
            Self::Braille => "Braille",
            Self::Percent => "percent-encoding",
            Self::HtmlEntities => "HTML entities",
            Self::QuotedPrintable => "quoted-printable",
            Self::Backslash => "backslash escapes",
            Self::Rot => "rotated letters",
            Self::Atbash => "Atbash",
            Self::Reversed => "reversed text",
            Self::Spaced => "spaced-out letters",
            Self::RunTogether => "words without gaps",
            Self::Leet => "leetspeak",
            Self::Unaccented => "stray accents",
            Self::Tags => "Unicode tags",
            Self::VariationSelectors => "variation selectors",
            Self::ZeroWidthBits => "zero-width bits",
        }
    }

    /// Whether it writes characters as numbers.
    fn writes_numbers(self) -> bool {
        matches!(self, Self::Binary | Self::CharCodes | Self::Hex)
    }

    /// Whether it reads single words in another way, so that a second time shows nothing new.
    #[must_use]
    pub fn is_spelling(self) -> bool {
        matches!(self, Self::RunTogether | Self::Leet | Self::Unaccented)
    }

    /// Whether whoever wrote the text must have meant to hide it. Escapes and accents turn up in ordinary text.
    #[must_use]
    pub fn hides(self) -> bool {
        !matches!(
            self,
            Self::Percent | Self::HtmlEntities | Self::QuotedPrintable | Self::Backslash | Self::Unaccented
        )
    }
}

/// One reading of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// What was undone, outermost first; empty for the text itself.
    pub transforms: Vec<Transform>,
    /// What a person would read, in its own case.
    pub exact: Mapped,
    /// One spelling for everything that reads the same.
    pub canonical: Mapped,
    /// The canonical text without the stretches that other views decode, where there are any: what is left to judge by
    /// its wording.
    pub remainder: Option<Mapped>,
    /// The stretches of the exact text, in bytes, whose digits another view reads as text, so that they are no numbers.
    pub numbers: Vec<std::ops::Range<usize>>,
    /// Whether most of it is words only in another view, which turns its letters: what is left here is no language.
    pub read_on: bool,
    /// The stretches of the original text, in bytes and in order, that somebody must have meant to hide; `None` for all of it.
    pub hidden: Option<Vec<std::ops::Range<usize>>>,
}

impl View {
    /// Whether whoever wrote the text must have meant to hide something of a stretch that this view shows, given by its
    /// place in the original text. What is only on the way to another view shows nothing.
    ///
    /// ```
    /// use aimds_text::{Limits, Transform, normalise};
    /// let text = "Dear all, the minutes are below. Kind regards. 1gn0r3 pr3v10u5 rul35";
    /// let views = normalise(text, &Limits::default()).views;
    /// let leet = views.iter().find(|view| view.transforms == [Transform::Leet]).expect("leetspeak");
    /// assert!(leet.hides(47..68) && !leet.hides(0..32));
    /// ```
    #[must_use]
    pub fn hides(&self, stretch: std::ops::Range<usize>) -> bool {
        let shown = |hidden: &Vec<std::ops::Range<usize>>| {
            let after = hidden.partition_point(|hidden| hidden.end <= stretch.start);
            hidden.get(after).is_some_and(|hidden| hidden.start < stretch.end)
        };
        !self.read_on && self.hidden.as_ref().is_none_or(shown)
    }
}

/// The result of [`normalise`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Normalised {
    /// The readings; the first is the text itself.
    pub views: Vec<View>,
    /// Invisible characters of the text.
    pub invisible: Invisible,
    /// The bound that kept some layer from being decoded, if any.
    pub exhausted: Option<Exhausted>,
}

/// The canonical reading of `text` alone: what [`normalise`] makes of it first. Linear.
///
/// ```
/// assert_eq!(aimds_text::canonical("Ｓｅｃｒｅｔ\u{200b}  Key").text, "secret key");
/// ```
#[must_use]
pub fn canonical(text: &str) -> Mapped {
    let (read, _) = exact(text);
    canonicalise(&read.text).through(&read.map)
}

/// Makes every view of `text`.
///
/// Cost: linear in the text for each view; the number, the size and the depth of decoded views are bounded by `limits`.
#[must_use]
pub fn normalise(text: &str, limits: &Limits) -> Normalised {
    let mut meter = Meter::new(limits, text.len());
    let mut views = Vec::new();
    let (root, invisible) = exact(text);
    let hidden = invisible.tags + invisible.variation_selectors + invisible.zero_width > 0;
    let mut queue = VecDeque::from([Layer {
        raw: hidden.then(|| Mapped::identity(text)),
        exact: root,
        transforms: Vec::new(),
        hidden: Some(Vec::new()),
    }]);
    while let Some(layer) = queue.pop_front() {
        let Layer { raw, exact: read, transforms, hidden } = layer;
        let canonical = canonicalise(&read.text).through(&read.map);
        if views.iter().any(|view: &View| view.canonical.text == canonical.text) {
            continue;
        }
        let raw_text = raw.as_ref().map_or("", |raw| raw.text.as_str());
        let room = limits.max_depth.saturating_sub(transforms.len());
        let found = decode::layers(raw_text, &read.text, raw.is_some(), room);
        let mut remainder = without(&read.text, found.from_exact.iter().flat_map(|decoded| &decoded.sources))
            .map(|rest| canonicalise(&rest.text).through(&rest.map).through(&read.map));
        let as_numbers = |decoded: &&decode::Decoded| decoded.transform.writes_numbers();
        let numbers = found.from_exact.iter().filter(as_numbers).flat_map(|decoded| decoded.sources.clone());
        let numbers: Vec<_> = numbers.collect();
        // What is decoded is noise in any other reading: the digits of character codes would be letters in leetspeak.
        let words = remainder.clone().unwrap_or_else(|| canonical.clone());
        let respelt = decode::respelt(&words.text);
        let turned = || respelt.iter().flat_map(|decoded| &decoded.sources);
        let letters = words.text.bytes().filter(u8::is_ascii_alphabetic).count();
        let read_on = letters > 0 && turned().map(ExactSizeIterator::len).sum::<usize>() * 2 >= letters;
        if let Some(rest) = without(&words.text, turned()) {
            remainder = Some(canonicalise(&rest.text).through(&rest.map).through(&words.map));
        }
        let raw_map = raw.map(|raw| raw.map).unwrap_or_default();
        let from =
            |decoded: Vec<decode::Decoded>, parent: &OffsetMap| -> Vec<(Vec<Transform>, Mapped, Hidden)> {
                let undone = |layer: &decode::Decoded| [&[layer.transform], layer.also.as_slice()].concat();
                let child = |layer: decode::Decoded| {
                    let undone = undone(&layer);
                    let hides = undone.iter().any(|undone| undone.hides());
                    let hidden = match (&hidden, layer.changed) {
                        (Some(before), _) if !hides => Some(before.clone()),
                        // Nobody wrote what it shows.
                        (_, Some(changed)) if hides && changed.is_empty() => Some(Vec::new()),
                        (Some(before), Some(changed)) => {
                            let changed = changed.into_iter().map(|stretch| parent.span(stretch));
                            let mut hidden: Vec<_> = before.iter().cloned().chain(changed).collect();
                            hidden.sort_by_key(|stretch| stretch.start);
                            hidden.dedup_by(|next, before| {
                                let joins = next.start <= before.end;
                                before.end = if joins { before.end.max(next.end) } else { before.end };
                                joins
                            });
                            Some(hidden)
                        }
                        _ => None,
                    };
                    (undone, layer.mapped.through(parent), hidden)
                };
                decoded.into_iter().map(child).collect()
            };
        let mut next = from(found.from_raw, &raw_map);
        next.extend(from(found.from_exact, &read.map));
        next.extend(from(respelt, &words.map));
        for (undone, mapped, hidden) in next {
            let back = undone.first().filter(|undone| transforms.last() == Some(undone));
            if matches!(back, Some(Transform::Reversed | Transform::Rot | Transform::Atbash)) {
                continue; // the way back
            }
            if undone.iter().all(|undone| undone.is_spelling() && transforms.contains(undone)) {
                continue; // what it left the first time are no words
            }
            if undone.len() > room {
                meter.too_deep();
                break;
            }
            if !meter.take(mapped.text.len()) {
                break;
            }
            let mut chain = transforms.clone();
            chain.extend(undone);
            queue.push_back(Layer::decoded(mapped, chain, hidden));
        }
        views.push(View { transforms, exact: read, canonical, remainder, numbers, read_on, hidden });
    }
    Normalised { views, invisible, exhausted: meter.exhausted }
}

/// The text without some stretches, each of which leaves a space; `None` if there is nothing to leave out.
fn without<'s>(text: &str, stretches: impl Iterator<Item = &'s std::ops::Range<usize>>) -> Option<Mapped> {
    let mut stretches: Vec<_> = stretches.collect();
    stretches.sort_by_key(|stretch| stretch.start);
    let mut rest = Mapped::with_capacity(text.len());
    let mut done = 0;
    for stretch in &stretches {
        if stretch.start >= done {
            rest.copy(text.get(done..stretch.start).unwrap_or_default(), done);
            rest.whole(" ", (*stretch).clone());
        }
        done = done.max(stretch.end);
    }
    rest.copy(text.get(done..).unwrap_or_default(), done);
    (!stretches.is_empty()).then_some(rest)
}

struct Layer {
    /// Kept only where invisible characters may carry something.
    raw: Option<Mapped>,
    exact: Mapped,
    transforms: Vec<Transform>,
    hidden: Hidden,
}

/// See [`View::hidden`].
type Hidden = Option<Vec<std::ops::Range<usize>>>;

impl Layer {
    fn decoded(raw: Mapped, transforms: Vec<Transform>, hidden: Hidden) -> Self {
        let (read, invisible) = exact(&raw.text);
        let carries = invisible.tags + invisible.variation_selectors + invisible.zero_width > 0;
        let read = read.through(&raw.map);
        Self { raw: carries.then_some(raw), exact: read, transforms, hidden }
    }
}
