//! Addresses of cryptocurrencies: Base58Check with its double SHA-256, Bech32 (BIP 173/350), and Ethereum's twenty
//! bytes in hexadecimal.

use super::checksum::{base58check, bech32};
use super::{Hit, Input, Kind, PiiKind, SecretKind};

/// The address or private key that the word `start..end` is.
pub(super) fn at_word(input: Input<'_>, start: usize, end: usize) -> Option<Hit> {
    let word = input.slice(start, end);
    let (kind, confidence, explanation) = judge(word)?;
    // a piece of a path or of base64
    let glued = |byte: u8| matches!(byte, b'_' | b'+');
    if glued(input.before(start)) || glued(input.at(end)) {
        return None;
    }
    Some(Hit { kind, start, end, confidence, explanation })
}

fn judge(word: &[u8]) -> Option<(Kind, f32, &'static str)> {
    const WALLET: Kind = Kind::Pii(PiiKind::CryptoWallet);
    match (word.len(), word.first()?) {
        (42, b'0') if word.starts_with(b"0x") || word.starts_with(b"0X") => {
            let hex = word.get(2..)?;
            let plain = hex.iter().all(u8::is_ascii_hexdigit);
            let distinct = hex.iter().any(|byte| Some(byte) != hex.first());
            (plain && distinct).then_some((WALLET, 0.85, "an Ethereum address: 0x and twenty bytes"))
        }
        (26..=35, b'1' | b'3' | b'L' | b'M' | b'D' | b'T' | b'm' | b'n' | b'2' | b'A' | b'9') => {
            let bytes = base58check::<25>(word)?;
            // Bitcoin, Litecoin, Dogecoin, Dash, Tron, test networks
            matches!(
                bytes.first()?,
                0x00 | 0x05 | 0x30 | 0x32 | 0x1e | 0x16 | 0x4c | 0x10 | 0x41 | 0x6f | 0xc4
            )
            .then_some((WALLET, 0.97, "a wallet address: Base58Check checksum"))
        }
        (51, b'5' | b'9') => wif::<37>(word),
        (52, b'K' | b'L' | b'c') => wif::<38>(word),
        (14..=90, b'b' | b'B' | b't' | b'T' | b'l' | b'L') => {
            let named = [b"bc1", b"tb1"]
                .iter()
                .any(|prefix| word.get(..3).is_some_and(|head| head.eq_ignore_ascii_case(*prefix)))
                || word.get(..4).is_some_and(|head| {
                    head.eq_ignore_ascii_case(b"ltc1") || head.eq_ignore_ascii_case(b"bcrt")
                });
            match named && bech32(word) {
                true => Some((WALLET, 0.98, "a wallet address: Bech32 checksum (BIP 173)")),
                // nothing else looks like this: mistyped or made up, still meant as an address
                false => witness(word).then_some((
                    WALLET,
                    0.55,
                    "the form of a Bech32 address; its checksum does not hold",
                )),
            }
        }
        _ => None,
    }
}

/// Whether the word has the form of a version 0 or 1 witness address of Bitcoin.
fn witness(word: &[u8]) -> bool {
    let symbol = |byte: &u8| {
        byte.is_ascii_digit() && *byte != b'1' || byte.is_ascii_lowercase() && !b"bio".contains(byte)
    };
    let data = word.strip_prefix(b"bc1").unwrap_or(&[]);
    matches!((data.first(), data.len()), (Some(b'q'), 39 | 59) | (Some(b'p'), 59))
        && data.iter().all(symbol)
        && data.iter().filter(|byte| byte.is_ascii_digit()).count() > 3
}

/// Wallet import format: a private key.
fn wif<const N: usize>(word: &[u8]) -> Option<(Kind, f32, &'static str)> {
    let bytes = base58check::<N>(word)?;
    matches!(bytes.first()?, 0x80 | 0xef).then_some((
        Kind::Secret(SecretKind::PrivateKey),
        0.98,
        "a private key of a wallet: Base58Check checksum",
    ))
}

#[cfg(test)]
mod tests {
    use crate::validators::tests::{found, nothing};

    #[test]
    fn hits() {
        for value in [
            "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
            "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
            "0xd8489eeed9d86eb4774cd4a08c3c5bcbd9ce62d3",
            "0x52908400098527886E0F7030069857D2E4169EE7",
            "DH5yaieqoZN36fDVciNyRueRGvGLR3mr7L",
        ] {
            found(&format!("send to {value}, please"), "pii.crypto_wallet", value);
        }
        let key = "5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ";
        found(key, "secret.private_key", key);
    }

    #[test]
    fn near_misses() {
        for text in [
            "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb",
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t",
            "0x0000000000000000000000000000000000000000",
            "0xd8489eeed9d86eb4774cd4a08c3c5bcbd9ce62d",
            "d8489eeed9d86eb4774cd4a08c3c5bcbd9ce62d3",
        ] {
            nothing(text, "pii.crypto_wallet");
        }
    }

    /// A wrong checksum lowers the confidence of a Bech32 address and removes a Base58Check one.
    #[test]
    fn wrong_checksum() {
        let hits = crate::validators::scan("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5");
        assert!(hits.iter().all(|hit| hit.confidence < 0.6) && hits.len() == 1, "{hits:?}");
    }

    /// Not done today: addresses without a checksum of their own that we know (Solana, Monero, Ripple), and EIP-55
    /// capitals are not verified.
    #[test]
    fn known_gaps() {
        nothing("4Nd1mYQzvgV8Vr3Z3nYb7pD6T8K2jF2eqWxE1234abcd", "pii.crypto_wallet");
        found(
            "0x52908400098527886e0F7030069857D2E4169EE7",
            "pii.crypto_wallet",
            "0x52908400098527886e0F7030069857D2E4169EE7",
        );
    }
}
