//! The forms in which a value may leave: as it is, spelled out, turned round, encoded.
//!
//! Decoding asks for words, so that noise is left alone; a value is often one word or none. What is looked for is known here, so
//! it is encoded instead.

use aimds_text::canonical;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::kept::{Needle, unusual};

/// Letters and digits that do not follow each other by chance.
const LEAST_SPELLED: usize = 8;
/// As many of what no language writes.
const LEAST_ENCODED: usize = 6;

/// What to look for in the canonical spelling of texts; the value itself first.
pub(super) fn forms(value: &str) -> Vec<Needle> {
    let one = canonical(value).text.trim().to_owned();
    let letters = alphanumeric(&one);
    let mut forms = vec![Needle::Value(one)];
    let long = |least: usize| letters.chars().count() >= least;
    if long(LEAST_SPELLED) && unusual(value) {
        forms.push(Needle::Spelled(letters.clone()));
    }
    if long(LEAST_ENCODED) {
        let turned: String = letters.chars().rev().collect();
        let shifted: String = letters.chars().map(rot13).collect();
        let encoded = [turned, shifted].into_iter().filter(|other| *other != letters);
        let written = [value.to_owned(), value.to_lowercase(), value.to_uppercase()];
        let encoded =
            encoded.chain(written.iter().flat_map(|value| [hex(value)].into_iter().chain(base64(value))));
        for form in encoded.map(|form| alphanumeric(&form)).filter(|form| form.len() >= LEAST_ENCODED) {
            let form = Needle::Encoded(form);
            if !forms.contains(&form) {
                forms.push(form);
            }
        }
    }
    forms
}

fn alphanumeric(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn rot13(c: char) -> char {
    let shifted = |first: u8| char::from((c as u8 - first + 13) % 26 + first);
    if c.is_ascii_lowercase() { shifted(b'a') } else { c }
}

fn hex(value: &str) -> String {
    value.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// The characters that stand for the value in base64 whatever stands around it, for each of its three alignments.
fn base64(value: &str) -> impl Iterator<Item = String> {
    (0..3).map(move |before| {
        let bytes: Vec<u8> = std::iter::repeat_n(0, before).chain(value.bytes()).collect();
        let encoded = STANDARD_NO_PAD.encode(&bytes);
        // Six bits a character: the first and last may hold bits of a neighbour.
        let (first, last) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
        encoded.get(first..last).unwrap_or_default().to_owned()
    })
}
