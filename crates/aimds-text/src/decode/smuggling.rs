//! Text carried by characters that are not drawn.

use super::{Decoded, Pieces, plausible};
use crate::Transform;

/// ASCII as Unicode tag characters.
pub(super) fn tags(raw: &str) -> Option<Decoded> {
    let mut pieces = Pieces::default();
    for (at, c) in raw.char_indices() {
        if let '\u{e0020}'..='\u{e007e}' = c
            && let Some(plain) = char::from_u32(u32::from(c) - 0xe0000)
        {
            pieces.mapped.whole_char(plain, at..at + c.len_utf8());
        }
    }
    // Fewer than four are a flag.
    if pieces.mapped.text.len() < 4
        || pieces.mapped.text.chars().all(|c| c.is_ascii_lowercase()) && pieces.mapped.text.len() <= 6
    {
        return None;
    }
    pieces.finish(Transform::Tags)
}

/// Bytes as variation selectors: VS1–16 are 0–15, VS17–256 are 16–255.
pub(super) fn variation_selectors(raw: &str) -> Option<Decoded> {
    let mut pieces = Pieces::default();
    let mut bytes = Vec::new();
    let mut source = 0..0;
    for (at, c) in raw.char_indices().chain([(raw.len(), '\0')]) {
        let byte = match c {
            '\u{fe00}'..='\u{fe0f}' => u8::try_from(u32::from(c) - 0xfe00).ok(),
            '\u{e0100}'..='\u{e01ef}' => u8::try_from(u32::from(c) - 0xe0100 + 16).ok(),
            _ => None,
        };
        if let Some(byte) = byte {
            if bytes.is_empty() {
                source.start = at;
            }
            bytes.push(byte);
            source.end = at + c.len_utf8();
        } else if bytes.len() >= 4 {
            if let Some(text) = plausible::text(std::mem::take(&mut bytes)) {
                pieces.push_whole(&text, source.clone());
            }
        } else {
            bytes.clear();
        }
    }
    pieces.finish(Transform::VariationSelectors)
}

/// Bits as two kinds of zero-width character, eight to a character, either way round.
pub(super) fn zero_width_bits(raw: &str) -> Option<Decoded> {
    let pairs = [
        ('\u{200b}', '\u{200c}'),
        ('\u{2062}', '\u{2064}'),
        ('\u{200c}', '\u{200d}'),
        ('\u{200b}', '\u{200d}'),
    ];
    for (zero, one) in pairs {
        let mut bits = Vec::new();
        let mut source = 0..0;
        for (at, c) in raw.char_indices().filter(|&(_, c)| c == zero || c == one) {
            if bits.is_empty() {
                source.start = at;
            }
            bits.push(u8::from(c == one));
            source.end = at + c.len_utf8();
        }
        if bits.len() < 32 {
            continue;
        }
        for flip in [0, 1] {
            let (bytes, _) = bits.as_chunks::<8>();
            let bytes = bytes
                .iter()
                .map(|byte| byte.iter().fold(0, |value, bit| value << 1 | (bit ^ flip)))
                .collect();
            if let Some(text) = plausible::text(bytes) {
                let mut pieces = Pieces::default();
                pieces.push_whole(&text, source);
                return pieces.finish(Transform::ZeroWidthBits);
            }
        }
    }
    None
}
