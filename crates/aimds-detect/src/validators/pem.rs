//! Private keys in text: RFC 7468 (PEM), OpenSSH, OpenPGP armour (RFC 9580), PuTTY.

use memchr::memmem;

use super::{Hit, Input, Kind, SecretKind};

const DASHES: &[u8] = b"-----";
/// Longest key read; what is longer is cut there.
const MAX: usize = 32 * 1024;

/// The key whose first dash is at `start`. Reads no further than the next five dashes, where looking goes on: hostile
/// headers without an end stay linear.
pub(super) fn at_dash(input: Input<'_>, start: usize) -> Option<Hit> {
    let header = input.slice(start, start + 64);
    let label = header.strip_prefix(b"-----BEGIN ")?;
    let length = memmem::find(label, DASHES)?;
    memmem::find(label.get(..length)?, b"PRIVATE KEY")?;
    let body = start + 11 + length + DASHES.len();
    let window = input.slice(body, (body + MAX).min(input.bytes.len()));
    let end = match memmem::find(window, DASHES) {
        Some(dashes) if window.get(dashes..).is_some_and(|rest| rest.starts_with(b"-----END ")) => {
            let footer = input.slice(body + dashes + 9, body + dashes + 73);
            body + dashes + 9 + memmem::find(footer, DASHES).map_or(0, |at| at + DASHES.len())
        }
        // cut short: as far as it looks like base64
        _ => {
            body + window
                .iter()
                .take_while(|byte| {
                    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'\n' | b'\r' | b'\\')
                })
                .count()
        }
    };
    let body_length = end.saturating_sub(body);
    let (confidence, explanation) = if body_length > 60 {
        (0.99, "a private key in PEM form (RFC 7468)")
    } else {
        (0.4, "the header of a private key without its body")
    };
    Some(Hit { kind: Kind::Secret(SecretKind::PrivateKey), start, end, confidence, explanation })
}

/// "PuTTY-User-Key-File-3:", the word "PuTTY" at `start`.
pub(super) fn putty(input: Input<'_>, start: usize) -> Option<Hit> {
    let head = b"PuTTY-User-Key-File-";
    (input.slice(start, start + head.len()) == head).then(|| Hit {
        kind: Kind::Secret(SecretKind::PrivateKey),
        start,
        end: start + head.len(),
        confidence: 0.95,
        explanation: "the header of a PuTTY private key file",
    })
}

#[cfg(test)]
mod tests {
    use crate::validators::tests::{found, found_weak, nothing, random_text};

    #[test]
    fn hits() {
        for label in [
            "RSA PRIVATE KEY",
            "PRIVATE KEY",
            "OPENSSH PRIVATE KEY",
            "EC PRIVATE KEY",
            "ENCRYPTED PRIVATE KEY",
            "PGP PRIVATE KEY BLOCK",
        ] {
            let key = format!(
                "-----BEGIN {label}-----\n{}\n{}\n-----END {label}-----",
                random_text(64),
                random_text(64)
            );
            found(&format!("here: {key}\nthanks"), "secret.private_key", &key);
        }
        let cut = format!("-----BEGIN PRIVATE KEY-----\n{}", random_text(64));
        found(&cut, "secret.private_key", &cut);
        found_weak("what does -----BEGIN RSA PRIVATE KEY----- mean?", "secret.private_key");
        found("PuTTY-User-Key-File-3: ssh-rsa", "secret.private_key", "PuTTY-User-Key-File-");
    }

    #[test]
    fn near_misses() {
        for text in [
            "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
            "-----BEGIN PUBLIC KEY-----",
            "----- PRIVATE KEY -----",
            "-----BEGIN ",
        ] {
            nothing(text, "secret.private_key");
        }
    }
}
