//! State as bytes: a name, a version, the content, a checksum.
//!
//! ```text
//! "AIMDSLRN" ‖ kind: 4 bytes ‖ version: u32 LE ‖ content (postcard) ‖ BLAKE3 of all before: 32 bytes
//! ```
//!
//! The checksum finds accidents. It is no signature: who may write the file may write a checksum.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;

const MAGIC: &[u8; 8] = b"AIMDSLRN";
const VERSION: u32 = 3;
const CHECKSUM: usize = 32;
/// Larger bytes are refused before they are looked at.
const MAX_BYTES: usize = 256 << 20;

/// Writes a state of the kind.
pub(crate) fn seal<T: Serialize>(kind: [u8; 4], state: &T) -> Result<Vec<u8>, Error> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(kind);
    bytes.extend(VERSION.to_le_bytes());
    let content = postcard::to_allocvec(state).map_err(|_| Error::Snapshot("the state cannot be written"))?;
    bytes.extend(content);
    let checksum = blake3::hash(&bytes);
    bytes.extend(checksum.as_bytes());
    Ok(bytes)
}

/// Reads a state of the kind.
pub(crate) fn unseal<T: DeserializeOwned>(kind: [u8; 4], bytes: &[u8]) -> Result<T, Error> {
    if bytes.len() > MAX_BYTES {
        return Err(Error::Snapshot("too large"));
    }
    let content = bytes.len().checked_sub(CHECKSUM).ok_or(Error::Snapshot("too short"))?;
    let (sealed, checksum) = bytes.split_at_checked(content).ok_or(Error::Snapshot("too short"))?;
    let rest = sealed.strip_prefix(MAGIC).ok_or(Error::Snapshot("it begins otherwise"))?;
    let rest = rest.strip_prefix(&kind).ok_or(Error::Snapshot("it is of another kind"))?;
    let (version, content) = rest.split_first_chunk::<4>().ok_or(Error::Snapshot("too short"))?;
    let found = u32::from_le_bytes(*version);
    if found != VERSION {
        return Err(Error::Version { found, known: VERSION });
    }
    if blake3::hash(sealed).as_bytes() != checksum {
        return Err(Error::Snapshot("the checksum is wrong"));
    }
    let (state, left) =
        postcard::take_from_bytes(content).map_err(|_| Error::Snapshot("the content cannot be read"))?;
    if left.is_empty() { Ok(state) } else { Err(Error::Snapshot("there is something behind the content")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_comes_back_and_nothing_else_does() {
        let bytes = seal(*b"test", &vec![0.1_f64, -3.0e-300]).unwrap();
        assert_eq!(unseal::<Vec<f64>>(*b"test", &bytes).unwrap(), [0.1, -3.0e-300]);
        let refused = |bytes: &[u8]| unseal::<Vec<f64>>(*b"test", bytes).unwrap_err().to_string();
        assert_eq!(
            unseal::<Vec<f64>>(*b"else", &bytes).unwrap_err().to_string(),
            "not a snapshot: it is of another kind"
        );
        assert_eq!(refused(b""), "not a snapshot: too short");
        assert_eq!(refused(&[7; 60]), "not a snapshot: it begins otherwise");
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(unseal::<Vec<f64>>(*b"test", &changed).is_err(), "{at}");
        }
        let mut newer = bytes;
        newer[12] = 9;
        assert_eq!(refused(&newer), "snapshot of version 9, this program reads version 3");
    }
}
