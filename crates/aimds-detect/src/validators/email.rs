//! E-mail addresses: RFC 5321 mailboxes as people write them, with RFC 6531 letters and a sanity check on the domain.

use super::{Hit, Input, Kind, PiiKind};

/// RFC 5321 §4.5.3.1.
const MAX_LOCAL: usize = 64;
const MAX_DOMAIN: usize = 255;

/// The address around the `@` at `at`.
pub(super) fn at_sign(input: Input<'_>, at: usize) -> Option<Hit> {
    let mut start = local_start(input, at);
    // sentences and code put punctuation before an address that is no part of it
    while start < at && matches!(input.at(start), b'.' | b'-' | b'\'' | b'#' | b'%') {
        start += 1;
    }
    let local = input.slice(start, at);
    if local.is_empty() || local.ends_with(b".") || memchr::memmem::find(local, b"..").is_some() {
        return None;
    }
    // the user of a URL is no mailbox; the URL family judges it
    if matches!(input.before(start), b':' | b'/') && in_authority(input, start) {
        return None;
    }
    let (end, literal_ip) = domain_end(input, at + 1)?;
    // RFC 2606 reserves it so that it never exists: placeholders and test data, nobody's mailbox
    if input.slice(at + 1, end).to_ascii_lowercase().ends_with(b".invalid") {
        return None;
    }
    let international = !local.is_ascii() || !input.slice(at, end).is_ascii();
    let (confidence, explanation) = match (international, literal_ip) {
        (_, true) => (0.6, "an e-mail address at an IP address"),
        (true, _) => (0.8, "an internationalised e-mail address (RFC 6531)"),
        (false, false) => (0.97, "an e-mail address (RFC 5321)"),
    };
    Some(Hit { kind: Kind::Pii(PiiKind::Email), start, end, confidence, explanation })
}

/// Whether `://` stands before `start` without a space between.
fn in_authority(input: Input<'_>, start: usize) -> bool {
    let window = input.slice(start.saturating_sub(96), start);
    let word = window.iter().rposition(|byte| byte.is_ascii_whitespace()).map_or(0, |at| at + 1);
    memchr::memmem::find(window.get(word..).unwrap_or(&[]), b"://").is_some()
}

/// First byte of the local part that ends before `at`. Letters beyond ASCII belong to it only where no ASCII stands
/// directly before the sign: text without spaces runs into addresses.
fn local_start(input: Input<'_>, at: usize) -> usize {
    let from = at.saturating_sub(MAX_LOCAL);
    let window = input.slice(from, at);
    let ascii = window.iter().rev().take_while(|&&byte| is_atom(byte)).count();
    if ascii > 0 {
        return at - ascii;
    }
    let head = input.text.floor_char_boundary(from);
    let letters = input.text.get(head..at).unwrap_or("").chars().rev();
    let width: usize = letters
        .take_while(|char| char.is_alphanumeric() || matches!(char, '.' | '-' | '_'))
        .map(char::len_utf8)
        .sum();
    at - width
}

/// RFC 5322 atext without the characters that in running text stand before an address more often than inside one.
fn is_atom(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-' | b'\'' | b'~' | b'#')
}

/// End of the domain that starts at `from`, and whether it is an IPv4 address.
fn domain_end(input: Input<'_>, from: usize) -> Option<(usize, bool)> {
    let mut end = input.text.len().min(from + MAX_DOMAIN);
    end = input.text.floor_char_boundary(end);
    let mut labels = 0;
    let (mut label, mut last_dot, mut accepted) = (from, None, None);
    let rest = input.text.get(from..end)?;
    let ideographic = rest.chars().next().is_some_and(|char| !char.is_ascii());
    for (offset, char) in rest.char_indices().chain([(rest.len(), ' ')]) {
        let place = from + offset;
        // an ASCII domain ends where another script begins
        if char.is_ascii_alphanumeric() || char == '-' || (ideographic && char.is_alphanumeric()) {
            continue;
        }
        if char.is_alphanumeric() && last_dot.is_none() {
            continue;
        }
        let text = input.slice(label, place);
        if text.is_empty() || text.len() > 63 || text.starts_with(b"-") || text.ends_with(b"-") {
            break;
        }
        labels += 1;
        if last_dot.is_some() {
            let numeric = text.iter().all(u8::is_ascii_digit);
            let top_level = text.len() >= 2
                && (text.iter().all(u8::is_ascii_alphabetic)
                    || !text.is_ascii()
                    || text.starts_with(b"xn--"));
            if top_level || (numeric && labels == 4) {
                accepted = Some((place, numeric));
            }
        }
        if char != '.' {
            break;
        }
        last_dot = Some(place);
        label = place + 1;
    }
    accepted
}

#[cfg(test)]
mod tests {
    use crate::validators::tests::{found, nothing};

    #[test]
    fn hits() {
        for (text, value) in [
            ("write to jane.doe+tag@mail.example.co.uk.", "jane.doe+tag@mail.example.co.uk"),
            ("<a_b-c@x-y.org>", "a_b-c@x-y.org"),
            ("mailto:o'brien@example.ie?subject=x", "o'brien@example.ie"),
            ("user=ana@example.com src=1", "ana@example.com"),
            ("请联系john@example.com谢谢", "john@example.com"),
            ("иван@почта.рф", "иван@почта.рф"),
            ("jörg@müller.de", "rg@müller.de"),
            ("a@b.museum,c", "a@b.museum"),
            ("x@10.1.2.3", "x@10.1.2.3"),
            ("a.b@xn--bcher-kva.example", "a.b@xn--bcher-kva.example"),
        ] {
            found(text, "pii.email", value);
        }
    }

    #[test]
    fn near_misses() {
        for text in [
            "@user hi",
            "a@b",
            "x @ y.com",
            "user@localhost",
            "a..b@example.com",
            "f(x)@3.14",
            "@property\ndef f",
            "v1@2.0",
            "pkg@1.2.3",
        ] {
            nothing(text, "pii.email");
        }
    }

    /// Not done today: written-out and quoted forms.
    #[test]
    fn known_gaps() {
        nothing("jane at example dot com", "pii.email");
        nothing("jane [at] example.com", "pii.email");
        nothing("\"jane doe\"@example.com", "pii.email");
    }
}
