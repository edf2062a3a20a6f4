//! Internet addresses: IPv4 dotted quads and IPv6 (RFC 4291, RFC 5952), told apart from versions, sections, times and
//! paths.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::context::Topic;
use super::number::{Gap, Number};
use super::{Around, Hit, Input, Kind, PiiKind};

/// The IPv4 address made of the first four groups.
pub(super) fn v4(input: Input<'_>, number: &Number, around: &mut Around<'_>) -> Option<Hit> {
    let [1..=3, 1..=3, 1..=3, 1..=3, ..] = number.lengths() else { return None };
    let (start, end) = (number.start, number.end(4));
    if !number.all_gaps(4, Gap::Dot) || number.gap_after(4) == Some(Gap::Dot) {
        return None;
    }
    let before = input.before(start);
    let (next, after_next) = (input.at(end), input.at(end + 1));
    if matches!(before, b'.' | b'-' | b'_' | b'+')
        || next.is_ascii_alphabetic()
        || matches!(next, b'_' | b'+' | b'$')
    {
        return None;
    }
    // 1.2.3.4-rc1, 1.2.3.4.dev0, 1.2.3.4.5
    if matches!(next, b'-' | b'.')
        && after_next.is_ascii_alphanumeric()
        && !after_next.is_ascii_uppercase()
        && number.gap_after(4) != Some(Gap::Hyphen)
    {
        return None;
    }
    let address: Ipv4Addr = input.text.get(start..end)?.parse().ok()?;
    let [a, b, c, d] = address.octets();
    let context = around.context(start, end);
    let named = context.has(Topic::Ip);
    let (confidence, explanation) = if context.nearer(Topic::Version, Topic::Ip) {
        (0.2, "a dotted number near a word for versions or sections")
    } else if a == 0 || a >= 240 {
        (0.2, "a dotted quad outside the assigned IPv4 space")
    } else if address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || a >= 224
    {
        (0.4, "an IPv4 address of a private or reserved range (RFC 1918, RFC 5737)")
    } else if named {
        (0.95, "an IPv4 address, named nearby")
    } else if [a, b, c, d].iter().all(|&octet| octet < 20) {
        (0.4, "a dotted quad of small numbers: an IPv4 address or a version")
    } else {
        (0.92, "an IPv4 address")
    };
    Some(Hit { kind: Kind::Pii(PiiKind::Ip), start, end, confidence, explanation })
}

/// Bytes of hexadecimal digits, colons and dots around a colon: the place to judge, and where to look on.
pub(super) fn colon_run(input: Input<'_>, colon: usize) -> (usize, usize) {
    /// The longest spelling, ::ffff: with a dotted quad, and one more to notice what is longer.
    const MAX: usize = 47;
    let part = |byte: u8| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.';
    let before = input.slice(colon.saturating_sub(MAX), colon);
    let start = colon - before.iter().rev().take_while(|&&byte| part(byte)).count();
    let after = input.slice(colon, (colon + MAX).min(input.bytes.len()));
    (start, colon + after.iter().take_while(|&&byte| part(byte)).count())
}

/// The IPv6 address that fills `start..end`.
pub(super) fn v6(input: Input<'_>, start: usize, end: usize) -> Option<Hit> {
    let boundary = |byte: u8| !byte.is_ascii_alphanumeric() && byte != b'_' && byte != b':';
    // "SRC:2001:db8::1": the run begins inside the word before
    let start = if boundary(input.before(start)) {
        start
    } else {
        start + memchr::memchr(b':', input.slice(start, end))? + 1
    };
    let mut text = input.text.get(start..end)?;
    if !(boundary(input.before(start)) || input.before(start) == b':')
        || input.at(end).is_ascii_alphanumeric()
        || input.at(end) == b'_'
    {
        return None;
    }
    text = text.trim_end_matches('.');
    if text.ends_with(':') && !text.ends_with("::") {
        text = text.trim_end_matches(':');
    }
    // "src:2001:db8::1" is cut by the boundary; ":2001:…" has its colon from the text before
    let head = text.len();
    if text.starts_with(':') && !text.starts_with("::") {
        text = text.trim_start_matches(':');
    }
    let start = start + head - text.len();
    let address: Ipv6Addr = text.parse().ok()?;
    let groups = text.split(':').filter(|group| !group.is_empty()).count();
    let full = !text.contains("::");
    let digit = text.bytes().any(|byte| byte.is_ascii_digit());
    if full && text.split(':').all(|group| group.len() == 2) {
        return Some(Hit {
            kind: Kind::Pii(PiiKind::Mac),
            start,
            end: start + text.len(),
            confidence: 0.7,
            explanation: "an EUI-64 hardware address",
        });
    }
    if !full && (groups < 2 || !digit) {
        return None;
    }
    let first = address.segments()[0];
    let documentation = first == 0x2001 && address.segments()[1] == 0x0db8;
    let local = documentation || first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80 || first == 0;
    let (confidence, explanation) = match (full, local) {
        _ if documentation => (0.4, "an IPv6 address of the documentation range (RFC 3849)"),
        (true, _) => (0.95, "an IPv6 address with all eight groups"),
        (false, true) => (0.4, "an IPv6 address of a local or reserved range"),
        (false, false) if first & 0xe000 == 0x2000 && groups >= 3 => {
            (0.92, "an IPv6 address of the global unicast range")
        }
        (false, false) if groups >= 4 => (0.8, "a compressed IPv6 address"),
        (false, false) if groups >= 3 => (0.3, "a compressed IPv6 address or a path of names"),
        (false, false) => return None,
    };
    Some(Hit { kind: Kind::Pii(PiiKind::Ip), start, end: start + text.len(), confidence, explanation })
}

#[cfg(test)]
mod tests {
    use crate::validators::tests::{found, found_weak, nothing};

    #[test]
    fn hits() {
        for (text, value) in [
            ("from 201.144.248.187:8080", "201.144.248.187"),
            ("http://93.184.216.34/x", "93.184.216.34"),
            ("93.184.216.0/24", "93.184.216.0"),
            ("ip: 8.8.8.8", "8.8.8.8"),
            ("blocked 52.213.129.152.", "52.213.129.152"),
            ("f40c:2881:6f71:c690:81e9:1843:59d2:98c3", "f40c:2881:6f71:c690:81e9:1843:59d2:98c3"),
            ("[2606:4700::6810:84e5]:443", "2606:4700::6810:84e5"),
            ("src=2a00:1450:4001:82a::200e.", "2a00:1450:4001:82a::200e"),
            ("d42:e3ad:3614:69ba:5429:1224:c081:a022", "d42:e3ad:3614:69ba:5429:1224:c081:a022"),
        ] {
            found(text, "pii.ip", value);
        }
    }

    #[test]
    fn weak() {
        for text in [
            "192.168.1.1",
            "127.0.0.1",
            "10.0.0.7",
            "203.0.113.9",
            "version 24.11.98.44",
            "1.2.3.4",
            "8.8.8.8",
            "fe80::1:2",
            "2001:db8::1:2",
            "0.0.0.0",
            "255.255.255.0",
        ] {
            found_weak(text, "pii.ip");
        }
    }

    /// Not done today: an address glued to the word before it.
    #[test]
    fn known_gaps() {
        nothing("LON8881890:e757:2201:5dc:5f1b:8f82:e5a9:b13e", "pii.ip");
    }

    #[test]
    fn near_misses() {
        for text in [
            "2.23.98.4485",
            "1.2.3.4.5",
            "256.1.1.1",
            "01.02.03.04",
            "v93.184.216.34",
            "93.184.216.34-rc1",
            "3.14159",
            "10:22:01",
            "std::cout",
            "a[1::2]",
            "dead::beef",
            "::1",
            "de:ad:be:ef",
            "Foo::Bar::Baz",
            "12:34:56:78:9a:bc:de:f0:12:34:56:78:9a:bc:de:f0",
        ] {
            nothing(text, "pii.ip");
        }
    }
}
