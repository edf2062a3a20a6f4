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
}

impl View {
    /// Whether whoever wrote the text must have meant to hide what this view shows.
    #[must_use]
    pub fn hides(&self) -> bool {
        self.transforms.iter().any(|transform| transform.hides())
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
    }]);
    while let Some(layer) = queue.pop_front() {
        let Layer { raw, exact: read, transforms } = layer;
        let canonical = canonicalise(&read.text).through(&read.map);
        if views.iter().any(|view: &View| view.canonical.text == canonical.text) {
            continue;
        }
        let raw_text = raw.as_ref().map_or("", |raw| raw.text.as_str());
        let room = limits.max_depth.saturating_sub(transforms.len());
        let found = decode::layers(raw_text, &read.text, &canonical.text, raw.is_some(), room);
        let remainder = without(&read.text, found.from_exact.iter().flat_map(|decoded| &decoded.sources))
            .map(|rest| canonicalise(&rest.text).through(&rest.map).through(&read.map));
        let raw_map = raw.map(|raw| raw.map).unwrap_or_default();
        let from = |decoded: Vec<decode::Decoded>, parent: &OffsetMap| -> Vec<(Vec<Transform>, Mapped)> {
            let undone = |layer: &decode::Decoded| [&[layer.transform], layer.also.as_slice()].concat();
            decoded.into_iter().map(|layer| (undone(&layer), layer.mapped.through(parent))).collect()
        };
        let mut next = from(found.from_raw, &raw_map);
        next.extend(from(found.from_exact, &read.map));
        next.extend(from(found.from_canonical, &canonical.map));
        for (undone, mapped) in next {
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
            queue.push_back(Layer::decoded(mapped, chain));
        }
        views.push(View { transforms, exact: read, canonical, remainder });
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
}

impl Layer {
    fn decoded(raw: Mapped, transforms: Vec<Transform>) -> Self {
        let (read, invisible) = exact(&raw.text);
        let hidden = invisible.tags + invisible.variation_selectors + invisible.zero_width > 0;
        let read = read.through(&raw.map);
        Self { raw: hidden.then_some(raw), exact: read, transforms }
    }
}
