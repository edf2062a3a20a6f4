//! Characters that a person cannot see and a model reads.

use std::ops::Range;

/// What kind of invisible character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    ZeroWidth,
    Bidi,
    Tag,
    VariationSelector,
    Control,
}

/// The class of an invisible character.
pub(crate) fn class(c: char) -> Option<Class> {
    Some(match c {
        '\u{0}'..='\u{8}' | '\u{b}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' => {
            Class::Control
        }
        '\u{200b}'..='\u{200d}'
        | '\u{2060}'..='\u{2064}'
        | '\u{feff}'
        | '\u{180b}'..='\u{180f}'
        | '\u{ad}'
        | '\u{34f}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{3164}'
        | '\u{ffa0}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{206a}'..='\u{206f}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' => Class::ZeroWidth,
        '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            Class::Bidi
        }
        '\u{e0000}'..='\u{e007f}' => Class::Tag,
        '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => Class::VariationSelector,
        _ => return None,
    })
}

/// Invisible characters of one text, counted, with the places where they hide something.
///
/// Ordinary uses are not counted: joiners inside emoji and in scripts that need them, one variation selector after a
/// symbol, a byte-order mark at the start, isolated soft hyphens and direction marks beside right-to-left letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invisible {
    /// Zero-width characters between ASCII letters or in runs.
    pub zero_width: usize,
    /// Direction controls in text without right-to-left letters, and overrides anywhere.
    pub bidi: usize,
    /// Unicode tag characters (a hidden copy of ASCII), flags excepted.
    pub tags: usize,
    /// Variation selectors in runs or after letters.
    pub variation_selectors: usize,
    /// Control characters other than tab and line ends.
    pub controls: usize,
    /// Combining marks that were taken off because no letter needs them.
    pub marks: usize,
    /// Byte ranges of the original that hold counted characters, neighbours joined; at most 16.
    pub spans: Vec<Range<usize>>,
}

impl Invisible {
    /// Everything that was counted, marks apart.
    #[must_use]
    pub fn total(&self) -> usize {
        self.zero_width + self.bidi + self.tags + self.variation_selectors + self.controls
    }

    /// Judges one invisible character by its neighbours.
    pub(crate) fn observe(
        &mut self,
        class: Class,
        c: char,
        at: usize,
        before: Option<char>,
        after: Option<char>,
    ) {
        let ascii = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let hidden = |c: Option<char>| c.is_some_and(|c| self::class(c).is_some());
        let counted = match class {
            Class::ZeroWidth if c == '\u{feff}' && at == 0 => false,
            Class::ZeroWidth if c == '\u{ad}' => hidden(before) || hidden(after),
            Class::ZeroWidth => ascii(before) && ascii(after) || hidden(before) && before != Some('\u{fe0f}'),
            Class::Bidi => {
                matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
                    || ascii(before) && ascii(after)
            }
            // England, Scotland and Wales: a black flag, tags, and the end tag.
            Class::Tag => !matches!(before, Some('\u{1f3f4}' | '\u{e0061}'..='\u{e007a}')),
            Class::VariationSelector => {
                hidden(before) || ascii(before) && !before.is_some_and(|c| c.is_ascii_digit())
            }
            Class::Control => true,
        };
        if !counted {
            return;
        }
        match class {
            Class::ZeroWidth => self.zero_width += 1,
            Class::Bidi => self.bidi += 1,
            Class::Tag => self.tags += 1,
            Class::VariationSelector => self.variation_selectors += 1,
            Class::Control => self.controls += 1,
        }
        let end = at + c.len_utf8();
        let full = self.spans.len() >= 16;
        match self.spans.last_mut() {
            // A word whose letters are kept apart by invisible characters is one place, not many.
            Some(last) if at <= last.end + 8 || full => last.end = end,
            _ => self.spans.push(at..end),
        }
    }
}
