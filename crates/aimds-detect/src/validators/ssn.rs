//! US social security numbers: the Social Security Administration's ranges (no 000, 666, 9xx area; no 00 group; no
//! 0000 serial).

use super::context::Topic;
use super::number::{Gap, Number};
use super::{Around, Hit, Input, Kind, PiiKind, ends_cleanly, starts_cleanly};

/// Numbers that were printed as examples so often that they identify nobody.
const PUBLISHED: &[u64] = &[78_051_120, 219_099_999, 123_456_789, 111_111_111];

/// The number that begins with the first group of `number`.
pub(super) fn ssn(input: Input<'_>, number: &Number, around: &mut Around<'_>) -> Option<Hit> {
    let (groups, hyphens) = match number.lengths() {
        [3, 2, 4, ..] if number.all_gaps(3, Gap::Hyphen) => (3, true),
        [3, 2, 4, ..] if number.all_gaps(3, Gap::Space) || number.all_gaps(3, Gap::Dot) => (3, false),
        [9, ..] => (1, false),
        _ => return None,
    };
    let end = number.end(groups);
    if !starts_cleanly(input, number.start) || !ends_cleanly(input, end) {
        return None;
    }
    let all = super::checksum::value(number.digits(groups));
    let (area, group, serial) = (all / 1_000_000, all / 10_000 % 100, all % 10_000);
    if area == 0 || area == 666 || area >= 900 || group == 0 || serial == 0 {
        return None;
    }
    let named = around.context(number.start, end).has(Topic::Ssn);
    let (confidence, explanation) = match (hyphens, named) {
        _ if PUBLISHED.contains(&all) && (hyphens || named) => {
            (0.5, "a social security number used in examples")
        }
        (true, true) => (0.97, "a US social security number: valid range, named nearby"),
        (true, false) => (0.9, "a US social security number: valid range in its usual grouping"),
        (false, true) => (0.9, "nine digits in the range of US social security numbers, named nearby"),
        (false, false) => return None,
    };
    Some(Hit { kind: Kind::Pii(PiiKind::Ssn), start: number.start, end, confidence, explanation })
}

#[cfg(test)]
mod tests {
    use crate::validators::tests::{found, nothing};

    #[test]
    fn hits() {
        for (text, value) in [
            ("477-72-9453", "477-72-9453"),
            ("SSN: 477 72 9453", "477 72 9453"),
            ("social security number is 477729453.", "477729453"),
            ("ssn=123-45-6789", "123-45-6789"),
        ] {
            found(text, "pii.ssn", value);
        }
    }

    #[test]
    fn near_misses() {
        for text in [
            "000-12-3456",
            "666-12-3456",
            "900-12-3456",
            "477-00-9453",
            "477-72-0000",
            "477729453",
            "477 72 9453",
            "1-477-72-9453",
            "477-72-94531",
            "A477-72-9453",
            "477-72-9453-1",
        ] {
            nothing(text, "pii.ssn");
        }
    }
}
