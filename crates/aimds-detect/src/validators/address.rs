//! Postal addresses in the one form that is cheap and precise: house number, capitalised words, a word for street;
//! and US military boxes. Everything else is the models' business.

use super::{Hit, Input, Kind, PiiKind};

const STREETS: &[&str] = &[
    "Alley",
    "Avenue",
    "Ave",
    "Boulevard",
    "Blvd",
    "Bridge",
    "Brook",
    "Bypass",
    "Causeway",
    "Circle",
    "Cir",
    "Close",
    "Corner",
    "Corners",
    "Court",
    "Courts",
    "Ct",
    "Cove",
    "Creek",
    "Crescent",
    "Crest",
    "Crossing",
    "Crossroad",
    "Drive",
    "Drives",
    "Dr",
    "Expressway",
    "Extension",
    "Fields",
    "Freeway",
    "Gardens",
    "Gateway",
    "Glen",
    "Green",
    "Greens",
    "Grove",
    "Heights",
    "Highway",
    "Hwy",
    "Hill",
    "Hills",
    "Hollow",
    "Junction",
    "Knoll",
    "Lane",
    "Ln",
    "Manor",
    "Meadow",
    "Meadows",
    "Mews",
    "Mill",
    "Oval",
    "Parade",
    "Park",
    "Parkway",
    "Pkwy",
    "Pike",
    "Place",
    "Pl",
    "Plaza",
    "Ridge",
    "Road",
    "Rd",
    "Roads",
    "Route",
    "Row",
    "Square",
    "Sq",
    "Station",
    "Street",
    "St",
    "Streets",
    "Terrace",
    "Trace",
    "Track",
    "Trail",
    "Turnpike",
    "Valley",
    "View",
    "Villages",
    "Vista",
    "Walk",
    "Walks",
    "Way",
];

/// The address whose house number is the word `start..end`.
pub(super) fn at_word(input: Input<'_>, start: usize, end: usize) -> Option<Hit> {
    if end - start > 6
        || input.at(end) != b' '
        || !input.at(end + 1).is_ascii_uppercase()
        || matches!(input.before(start), b'.' | b'-' | b'/' | b'$' | b'#' | b':')
    {
        return None;
    }
    let mut at = end;
    let mut street = None;
    // up to four words: "West Martin Luther King Boulevard" is cut, rarely
    for _ in 0..4 {
        let word = word_after(input, at)?;
        at = word.1;
        if STREETS.iter().any(|known| input.slice(word.0, word.1) == known.as_bytes()) {
            street = Some(at);
        }
    }
    finish(input, start, street?)
}

/// The capitalised word after one space at `at`.
fn word_after(input: Input<'_>, at: usize) -> Option<(usize, usize)> {
    let start = at + 1;
    let length = input
        .slice(start, start + 24)
        .iter()
        .take_while(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'\'' | b'-'))
        .count();
    let fits = input.at(at) == b' ' && input.at(start).is_ascii_uppercase() && length < 24;
    // a shorter name than four words ends here without ending the search
    Some(if fits { (start, start + length) } else { (at, at) })
}

/// Takes in "Apt. 5, Springfield, IL 62704" where it follows.
fn finish(input: Input<'_>, start: usize, street: usize) -> Option<Hit> {
    let window = input.slice(street, street + 64);
    let line = window.get(..memchr::memchr2(b'\n', b'"', window).unwrap_or(window.len()))?;
    let zip = line.windows(8).position(|text| {
        let [b' ', state @ .., b' ', d1, d2, d3, d4] = text else { return false };
        state.iter().all(u8::is_ascii_uppercase) && [d1, d2, d3, d4].into_iter().all(u8::is_ascii_digit)
    });
    let five = zip.map(|at| at + 8 + usize::from(line.get(at + 8).is_some_and(u8::is_ascii_digit)));
    let (end, confidence, explanation) = match five {
        Some(length) if line.get(..length).is_some_and(|text| text.contains(&b',')) => {
            (street + length, 0.85, "a postal address: street, state and ZIP code")
        }
        _ => (street, 0.45, "a house number and a street"),
    };
    Some(Hit { kind: Kind::Pii(PiiKind::Address), start, end, confidence, explanation })
}

#[cfg(test)]
mod tests {
    use crate::validators::tests::{found, found_weak, nothing};

    #[test]
    fn hits() {
        found(
            "ship to 8374 Castaneda Oval Suite 829, Port Latoya, NV 67001.",
            "pii.address",
            "8374 Castaneda Oval Suite 829, Port Latoya, NV 67001",
        );
        found_weak("at 3314 Harley Brook Lane today", "pii.address");
        found_weak("221 Baker Street", "pii.address");
    }

    #[test]
    fn near_misses() {
        for text in ["5 Ways To Win", "in 2020 Apple", "12 Angry Men", "100 street lamps", "3.14 Main Street"]
        {
            nothing(text, "pii.address");
        }
    }

    /// Not done today: addresses of other countries and towns without a street.
    #[test]
    fn known_gaps() {
        nothing("Hauptstraße 12, 10115 Berlin", "pii.address");
        nothing("Åkergränd 616, 58038 Trollhättan", "pii.address");
    }
}
