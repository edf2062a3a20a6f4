//! JSON Web Tokens: RFC 7519 in the compact form of RFC 7515.

use super::{Hit, Input, Kind, SecretKind};

/// Longest header decoded.
const MAX_HEADER: usize = 1024;

/// The token whose first word starts at `start` with "eyJ".
pub(super) fn at_word(input: Input<'_>, start: usize) -> Option<Hit> {
    // inside base64url every word after a hyphen would be read again
    if input.slice(start, start + 3) != b"eyJ" || matches!(input.before(start), b'_' | b'-') {
        return None;
    }
    let part = |from: usize, most: usize| {
        let rest = input.bytes.get(from..).unwrap_or(&[]);
        rest.iter()
            .take(most)
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
            .count()
    };
    let header = part(start, MAX_HEADER + 1);
    let payload_at = start + header + 1;
    if !(12..=MAX_HEADER).contains(&header) || input.at(payload_at - 1) != b'.' {
        return None;
    }
    let payload = part(payload_at, usize::MAX);
    let signature_at = payload_at + payload + 1;
    if payload < 4 || input.at(signature_at - 1) != b'.' {
        return None;
    }
    let signature = part(signature_at, usize::MAX);
    let json = decode(input.slice(start, start + header))?;
    if !json.starts_with(b"{") || memchr::memmem::find(&json, b"\"alg\"").is_none() {
        return None;
    }
    let confidence = if signature >= 16 { 0.98 } else { 0.7 };
    let explanation = "a JSON Web Token (RFC 7519): its header decodes and names an algorithm";
    Some(Hit {
        kind: Kind::Secret(SecretKind::Jwt),
        start,
        end: signature_at + signature,
        confidence,
        explanation,
    })
}

/// Decodes base64url or base64 without padding.
pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let (mut buffer, mut bits) = (0_u32, 0);
    for &byte in text {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' | b'+' => 62,
            b'_' | b'/' => 63,
            b'=' => break,
            _ => return None,
        };
        buffer = buffer << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((buffer >> bits & 0xff) as u8);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use crate::validators::tests::{found, nothing};

    const TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c";

    #[test]
    fn hits() {
        found(TOKEN, "secret.jwt", TOKEN);
        found(&format!("Authorization: Bearer {TOKEN}\n"), "secret.jwt", TOKEN);
        found(&format!("\"token\":\"{TOKEN}\""), "secret.jwt", TOKEN);
    }

    #[test]
    fn near_misses() {
        for text in [
            "eyJhbGciOiJIUzI1NiJ9",
            "eyJmb28iOiJiYXIiLCJhIjoxfQ.eyJzdWIiOjF9.abcdefghijklmnopqrst",
            "eyJ.eyJ.eyJ",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOjF9",
        ] {
            nothing(text, "secret.jwt");
        }
    }

    /// Not done today: encrypted tokens (RFC 7516) are found only up to their third part.
    #[test]
    fn known_gaps() {
        let hits = crate::validators::scan(
            "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.OKOawDo13gRp2ojaHV7LFpZcgV7T6DVZKTyKOMTYUmKoTCVJRgckCL9kiMT03JGe.48V1_ALb6US04U3b.5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9oMo4vpzs9tX_EFShS8iB7j6ji.XFBoMYUZodetZdvTiFvSkQ",
        );
        assert_eq!(hits.len(), 1);
        assert!(hits[0].end < 130);
    }
}
