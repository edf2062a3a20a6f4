//! Check digits and the small hashes some formats are sealed with. Pure arithmetic over digit values (0–9) or bytes.

/// The Luhn formula, ISO/IEC 7812-1 annex B.
pub(super) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, &digit)| {
            let value = u32::from(digit) << (place & 1);
            if value > 9 { value - 9 } else { value }
        })
        .sum();
    !digits.is_empty() && sum.is_multiple_of(10)
}

/// Sum of digit × weight; the shorter of the two ends it.
pub(super) fn weighted(digits: &[u8], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(&digit, &weight)| u32::from(digit) * weight).sum()
}

/// The number that the digits spell, for at most eighteen of them.
pub(super) fn value(digits: &[u8]) -> u64 {
    digits.iter().take(18).fold(0, |sum, &digit| sum * 10 + u64::from(digit))
}

/// ISO/IEC 7064 MOD 97-10 of ASCII letters and digits (a letter counts as two decimal places, A = 10).
pub(super) fn mod97(characters: impl Iterator<Item = u8>) -> u32 {
    characters.fold(0, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        b'A'..=b'Z' => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
        b'a'..=b'z' => (rest * 100 + u32::from(byte - b'a') + 10) % 97,
        _ => rest,
    })
}

/// ISO/IEC 7064 MOD 11,10, check digit last.
pub(super) fn mod11_10(digits: &[u8]) -> bool {
    let Some((&check, body)) = digits.split_last() else { return false };
    let product = body.iter().fold(10, |product, &digit| {
        let sum = (u32::from(digit) + product) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (11 - product) % 10 == u32::from(check)
}

/// The Verhoeff scheme: products in the dihedral group of the pentagon, each place permuted once more.
pub(super) fn verhoeff(digits: &[u8]) -> bool {
    /// Rotations are 0–4, reflections 5–9.
    fn product(a: u8, b: u8) -> u8 {
        match (a < 5, b < 5) {
            (true, true) => (a + b) % 5,
            (true, false) => 5 + (a + b - 5) % 5,
            (false, true) => 5 + (a - b) % 5,
            (false, false) => (a + 5 - b) % 5,
        }
    }
    const PERMUTATION: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let permuted = |digit: u8, times: usize| {
        (0..times).fold(digit, |digit, _| PERMUTATION.get(usize::from(digit)).copied().unwrap_or(0))
    };
    digits.iter().rev().enumerate().fold(0, |sum, (place, &digit)| product(sum, permuted(digit, place % 8)))
        == 0
}

/// SHA-256 (FIPS 180-4) of at most 55 bytes, which is one block: all that an address checksum needs.
pub(super) fn sha256_block(message: &[u8]) -> Option<[u8; 32]> {
    const ROUND: [u32; 64] = [
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
    ];
    const START: [u32; 8] =
        [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
    let mut block = [0_u8; 64];
    block.get_mut(..message.len()).filter(|_| message.len() <= 55)?.copy_from_slice(message);
    *block.get_mut(message.len())? = 0x80;
    block.get_mut(56..)?.copy_from_slice(&(message.len() as u64 * 8).to_be_bytes());

    let mut schedule = [0_u32; 16];
    for (word, bytes) in schedule.iter_mut().zip(block.chunks_exact(4)) {
        *word = bytes.iter().fold(0, |word, &byte| word << 8 | u32::from(byte));
    }
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = START;
    for constant in ROUND {
        let choice = (e & f) ^ (!e & g);
        let t1 = h
            .wrapping_add(e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25))
            .wrapping_add(choice)
            .wrapping_add(constant)
            .wrapping_add(schedule[0]);
        let majority = (a & b) ^ (a & c) ^ (b & c);
        let t2 = (a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22)).wrapping_add(majority);
        (h, g, f, e, d, c, b, a) = (g, f, e, d.wrapping_add(t1), c, b, a, t1.wrapping_add(t2));
        let (early, late) = (schedule[1], schedule[14]);
        let next = schedule[0]
            .wrapping_add(early.rotate_right(7) ^ early.rotate_right(18) ^ early >> 3)
            .wrapping_add(schedule[9])
            .wrapping_add(late.rotate_right(17) ^ late.rotate_right(19) ^ late >> 10);
        schedule.rotate_left(1);
        schedule[15] = next;
    }
    let mut digest = [0_u8; 32];
    for ((out, start), word) in digest.chunks_exact_mut(4).zip(START).zip([a, b, c, d, e, f, g, h]) {
        out.copy_from_slice(&start.wrapping_add(word).to_be_bytes());
    }
    Some(digest)
}

/// Base58Check: decodes `text` into exactly `N` bytes, of which the last four are the head of a double SHA-256 of
/// the others. Returns the bytes when the checksum holds.
pub(super) fn base58check<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    const ALPHABET: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut number = [0_u8; N];
    for &byte in text {
        let mut carry = ALPHABET.iter().position(|&symbol| symbol == byte)?;
        for place in number.iter_mut().rev() {
            carry += 58 * usize::from(*place);
            *place = (carry & 0xff) as u8;
            carry >>= 8;
        }
        if carry != 0 {
            return None;
        }
    }
    let (payload, check) = number.split_at_checked(N.checked_sub(4)?)?;
    let digest = sha256_block(&sha256_block(payload)?)?;
    digest.starts_with(check).then_some(number)
}

/// Bech32 and Bech32m (BIP 173, BIP 350). `text` is all lower or all upper case, human-readable part included.
pub(super) fn bech32(text: &[u8]) -> bool {
    const ALPHABET: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const GENERATOR: [u32; 5] = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
    if text.iter().any(u8::is_ascii_lowercase) && text.iter().any(u8::is_ascii_uppercase) {
        return false;
    }
    let Some(split) = memchr::memrchr(b'1', text) else { return false };
    let (prefix, data) = (text.get(..split).unwrap_or(&[]), text.get(split + 1..).unwrap_or(&[]));
    if prefix.is_empty() || data.len() < 6 || text.len() > 90 {
        return false;
    }
    let step = |sum: u32, symbol: u32| {
        GENERATOR
            .iter()
            .enumerate()
            .filter(|(bit, _)| sum >> (25 + bit) & 1 == 1)
            .fold((sum & 0x01ff_ffff) << 5 ^ symbol, |sum, (_, generator)| sum ^ generator)
    };
    let lower = |byte: &u8| u32::from(byte.to_ascii_lowercase());
    let mut sum = prefix.iter().map(|byte| lower(byte) >> 5).fold(1, step);
    sum = step(sum, 0);
    sum = prefix.iter().map(|byte| lower(byte) & 31).fold(sum, step);
    for byte in data {
        let Some(symbol) = ALPHABET.iter().position(|&known| u32::from(known) == lower(byte)) else {
            return false;
        };
        sum = step(sum, symbol as u32);
    }
    sum == 1 || sum == 0x2bc8_30a3
}

/// CRC-32 (ISO 3309), bit by bit: it seals thirty bytes at a time.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| sum >> 1 ^ (0xedb8_8320 & (sum & 1).wrapping_neg()))
    })
}

/// Whether the last six of a token's 36 characters are the CRC-32 of the first thirty in base 62, as GitHub and npm
/// seal theirs.
pub(super) fn crc32_base62(body: &[u8]) -> bool {
    const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let Some((random, check)) = body.split_at_checked(30).filter(|(_, check)| check.len() == 6) else {
        return false;
    };
    let spelled = check.iter().try_fold(0_u64, |sum, byte| {
        ALPHABET.iter().position(|symbol| symbol == byte).map(|place| sum * 62 + place as u64)
    });
    spelled == Some(u64::from(crc32(random)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(text: &str) -> Vec<u8> {
        text.bytes().map(|byte| byte - b'0').collect()
    }

    #[test]
    fn published_vectors() {
        assert!(luhn(&digits("79927398713")));
        assert!(!luhn(&digits("79927398714")));
        assert!(!luhn(&[]));
        assert_eq!(mod97(b"WEST12345698765432GB82".iter().copied()), 1);
        assert!(mod11_10(&digits("86095742719")));
        assert!(!mod11_10(&digits("86095742718")));
        assert!(verhoeff(&digits("2363")));
        assert!(!verhoeff(&digits("2364")));
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert!(bech32(b"A12UEL5L"));
        assert!(bech32(b"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"));
        assert!(bech32(b"bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"));
        assert!(!bech32(b"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5"));
        let abc = sha256_block(b"abc").unwrap();
        assert_eq!(abc[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(sha256_block(b"").unwrap()[..4], [0xe3, 0xb0, 0xc4, 0x42]);
        assert!(sha256_block(&[0; 55]).is_some());
        assert!(sha256_block(&[0; 56]).is_none());
        assert!(base58check::<25>(b"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa").is_some());
        assert!(base58check::<25>(b"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb").is_none());
        assert!(crc32_base62(b"zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17"));
        assert!(!crc32_base62(b"zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq18"));
    }
}
