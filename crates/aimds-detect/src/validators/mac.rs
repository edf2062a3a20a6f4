//! Hardware addresses: IEEE 802 EUI-48 with colons, hyphens or in groups of four.

use super::{Hit, Input, Kind, PiiKind};

/// The address whose first colon or hyphen is at `mark`.
pub(super) fn at_mark(input: Input<'_>, mark: usize) -> Option<Hit> {
    let start = mark.checked_sub(2)?;
    let separator = input.at(mark);
    let text = input.slice(start, start + 17);
    let pairs = text.len() == 17
        && text
            .iter()
            .enumerate()
            .all(|(place, &byte)| if place % 3 == 2 { byte == separator } else { byte.is_ascii_hexdigit() });
    if !pairs {
        return None;
    }
    judge(input, start, start + 17, separator == b':')
}

/// The address in Cisco's notation (`0123.4567.89ab`) whose first dot is at `dot`.
pub(super) fn at_dot(input: Input<'_>, dot: usize) -> Option<Hit> {
    let start = dot.checked_sub(4)?;
    let text = input.slice(start, start + 14);
    let quads = text.len() == 14
        && text.iter().enumerate().all(
            |(place, &byte)| {
                if place % 5 == 4 { byte == b'.' } else { byte.is_ascii_hexdigit() }
            },
        );
    // without a letter it is a decimal number in groups
    if !quads || !text.iter().any(u8::is_ascii_alphabetic) || !text.iter().any(u8::is_ascii_digit) {
        return None;
    }
    judge(input, start, start + 14, false)
}

fn judge(input: Input<'_>, start: usize, end: usize, colons: bool) -> Option<Hit> {
    let (before, after) = (input.before(start), input.at(end));
    // part of something longer: a fingerprint, a UUID
    let joined = match before {
        b':' | b'-' | b'.' => {
            let earlier = input.slice(start.saturating_sub(5), start - 1);
            let group = earlier.iter().rev().take_while(|byte| byte.is_ascii_alphanumeric()).count();
            matches!(group, 2 | 4) && earlier.iter().rev().take(group).all(u8::is_ascii_hexdigit)
        }
        _ => before.is_ascii_alphanumeric() || before == b'_',
    };
    if joined
        || after.is_ascii_alphanumeric()
        || after == b'_'
        || (matches!(after, b':' | b'-') && input.at(end + 1).is_ascii_hexdigit())
    {
        return None;
    }
    let mut digits = input.slice(start, end).iter().filter(|byte| byte.is_ascii_hexdigit());
    let first = digits.next().copied().unwrap_or(b'0');
    let (confidence, explanation) = if digits.all(|byte| byte.eq_ignore_ascii_case(&first)) {
        (0.3, "a broadcast or empty hardware address")
    } else if colons || input.slice(start, end).iter().any(u8::is_ascii_alphabetic) {
        (0.95, "a hardware address (EUI-48)")
    } else {
        (0.4, "six pairs of digits: a hardware address or another number")
    };
    Some(Hit { kind: Kind::Pii(PiiKind::Mac), start, end, confidence, explanation })
}

#[cfg(test)]
mod tests {
    use crate::validators::tests::{found, found_weak, nothing};

    #[test]
    fn hits() {
        for (text, value) in [
            ("mac=a2:ef:98:10:19:49", "a2:ef:98:10:19:49"),
            ("00-1B-44-11-3A-B7.", "00-1B-44-11-3A-B7"),
            ("MAC:A2:EF:98:10:19:49", "A2:EF:98:10:19:49"),
            ("arp 001b.4411.3ab7", "001b.4411.3ab7"),
            ("12:34:56:78:90:12", "12:34:56:78:90:12"),
        ] {
            found(text, "pii.mac", value);
        }
        found_weak("ff:ff:ff:ff:ff:ff", "pii.mac");
        found_weak("06-12-34-56-78-90", "pii.mac");
    }

    #[test]
    fn near_misses() {
        for text in [
            "10:22:01",
            "a2:ef:98:10:19",
            "a2:ef:98:10:19:49:00:11:22",
            "g2:ef:98:10:19:49",
            "a2-ef:98:10:19:49",
            "1234.5678.9012",
        ] {
            nothing(text, "pii.mac");
        }
    }
}
