//! The key of a vault, and what is sealed with it.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::VaultError;
use super::random::Random;

/// Bytes of a nonce of XChaCha20-Poly1305: long enough to be drawn at random for every value.
const NONCE: usize = 24;

/// 256 bits that seal values. Wiped from memory when dropped, never shown.
#[derive(Clone)]
pub struct Key(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// A key of 32 random bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The key of 64 hexadecimal digits, with white space around them; `None` where the text is anything else.
    ///
    /// ```
    /// use aimds_respond::vault::Key;
    /// assert!(Key::parse(&format!("{}\n", "0f".repeat(32))).is_some());
    /// assert!(Key::parse("a password").is_none());
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.trim().as_bytes();
        let mut bytes = Zeroizing::new([0; 32]);
        if digits.len() != 2 * bytes.len() {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair.iter().try_fold(0, |value, &digit| {
                let digit = u8::try_from(char::from(digit).to_digit(16)?).ok()?;
                Some((value << 4) | digit)
            })?;
        }
        Some(Self(bytes))
    }

    /// A key for one purpose and one owner: whoever has it learns neither this one nor that of another owner (BLAKE3 in
    /// its modes for deriving keys and for keyed hashes).
    #[must_use]
    pub fn derive(&self, purpose: &str, owner: &[&[u8]]) -> Self {
        Self(Zeroizing::new(self.hash(purpose, owner)))
    }

    /// A hash that nobody can compute, or guess from, without the key. The parts are kept apart by their lengths.
    #[must_use]
    pub fn hash(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        let key = Zeroizing::new(blake3::derive_key(purpose, self.0.as_slice()));
        let mut hasher = blake3::Hasher::new_keyed(&key);
        for part in parts {
            hasher.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            hasher.update(part);
        }
        hasher.finalize().into()
    }

    /// Seals bytes: nonce, ciphertext, tag. `about` is authenticated and must be the same when they are opened.
    ///
    /// # Errors
    /// Only for more bytes than the cipher takes (256 GiB).
    pub fn seal(&self, random: &mut Random, about: &[u8], plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        let mut nonce = [0; NONCE];
        random.fill(&mut nonce);
        let sealed = self
            .cipher()
            .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: about })
            .map_err(|_| VaultError::Sealed)?;
        let mut out = Vec::with_capacity(NONCE + sealed.len());
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        Ok(out)
    }

    /// Opens what was sealed with this key about the same thing.
    ///
    /// # Errors
    /// Another key, another `about`, or bytes that were changed.
    pub fn open(&self, about: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE).ok_or(VaultError::Sealed)?;
        let nonce = <[u8; NONCE]>::try_from(nonce).map_err(|_| VaultError::Sealed)?;
        let payload = Payload { msg: sealed, aad: about };
        self.cipher()
            .decrypt(&XNonce::from(nonce), payload)
            .map(Zeroizing::new)
            .map_err(|_| VaultError::Sealed)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        let key: &[u8; 32] = &self.0;
        XChaCha20Poly1305::new(key.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_the_same_key_about_the_same_thing_only() {
        let (key, other) = (Key::new([1; 32]), Key::new([2; 32]));
        let mut random = Random::new([7; 32]);
        let sealed = key.seal(&mut random, b"about", b"jane").unwrap();
        assert_eq!(key.open(b"about", &sealed).unwrap().as_slice(), b"jane");
        assert!(!sealed.windows(4).any(|window| window == b"jane"));
        assert_ne!(sealed, key.seal(&mut random, b"about", b"jane").unwrap(), "a nonce was used twice");
        assert!(matches!(other.open(b"about", &sealed), Err(VaultError::Sealed)));
        assert!(matches!(key.open(b"else", &sealed), Err(VaultError::Sealed)));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key.open(b"about", &changed).is_err(), "byte {at}");
        }
        for length in 0..NONCE + 16 {
            assert!(key.open(b"about", &sealed[..length]).is_err());
        }
    }

    #[test]
    fn keys_of_owners_differ_however_their_names_are_joined() {
        let key = Key::new([1; 32]);
        let hashes = [&[&b"ab"[..], b"c"][..], &[b"a", b"bc"], &[b"abc"], &[b"abc", b""]];
        for (at, left) in hashes.iter().enumerate() {
            for right in hashes.iter().skip(at + 1) {
                assert_ne!(key.hash("p", left), key.hash("p", right));
            }
        }
        assert_ne!(key.hash("p", &[b"a"]), key.hash("q", &[b"a"]));
        assert_eq!(format!("{key:?}"), "Key");
    }

    #[test]
    fn a_key_is_64_hexadecimal_digits() {
        assert_eq!(Key::parse(&"01".repeat(32)).unwrap().0.as_slice(), [1; 32]);
        for text in ["", "01", &"0g".repeat(32), &"é".repeat(32), &"01".repeat(33)] {
            assert!(Key::parse(text).is_none(), "{text}");
        }
    }
}
