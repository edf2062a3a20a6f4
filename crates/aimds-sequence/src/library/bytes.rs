//! The bytes of a library.
//!
//! Only the patterns are stored; the index is built again on reading. That takes milliseconds and leaves nothing in the
//! bytes that could contradict itself.

use super::builder::BuildError;
use super::{MAX_PATTERN, PatternLibrary};

const MAGIC: &[u8; 8] = b"SEQPATLB";
const VERSION: u32 = 1;

/// Why bytes are not a library.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// They are something else.
    #[error("not a pattern library")]
    Magic,
    /// They are of a version that this program does not know.
    #[error("version {found} of the format is not known, only {VERSION}")]
    Version {
        /// The version.
        found: u32,
    },
    /// They end too early, go on after the end, or name something that is not there.
    #[error("damaged at byte {at}")]
    Damaged {
        /// Where it shows.
        at: usize,
    },
    /// The checksum is another. It tells accidents, not attacks: who can write the bytes can write the checksum.
    #[error("the checksum is wrong")]
    Checksum,
    /// The patterns do not make a library.
    #[error(transparent)]
    Build(#[from] BuildError),
}

impl PatternLibrary {
    /// The library as bytes: little-endian, versioned, with a checksum. Equal libraries give equal bytes.
    ///
    /// ```
    /// use aimds_sequence::PatternLibrary;
    ///
    /// let mut builder = PatternLibrary::builder();
    /// builder.insert("id", "class", &[1, 2, 3])?;
    /// let bytes = builder.build()?.to_bytes();
    /// assert_eq!(PatternLibrary::from_bytes(&bytes)?.tokens(0), Some(vec![1, 2, 3]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend((self.classes.len() as u32).to_le_bytes());
        bytes.extend((self.names.len() as u32).to_le_bytes());
        let name = |bytes: &mut Vec<u8>, name: &str| {
            // Builders refuse names that are longer than 16 bits can say.
            bytes.extend((name.len() as u16).to_le_bytes());
            bytes.extend(name.as_bytes());
        };
        for class in &self.classes {
            name(&mut bytes, class);
        }
        for (number, pattern) in self.names.iter().enumerate() {
            name(&mut bytes, &pattern.id);
            bytes.extend(pattern.class.to_le_bytes());
            let tokens = self.tokens(number).unwrap_or_default();
            bytes.extend((tokens.len() as u16).to_le_bytes());
            bytes.extend(tokens.into_iter().flat_map(u32::to_le_bytes));
        }
        bytes.extend(checksum(&bytes).to_le_bytes());
        bytes
    }

    /// The library that [`to_bytes`](Self::to_bytes) made these bytes of.
    ///
    /// Reads bytes from anyone: time and memory are bounded by their number, and whatever is wrong is an error.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut reader = Reader { bytes, at: 0 };
        if reader.take(MAGIC.len()) != Ok(MAGIC.as_slice()) {
            return Err(ReadError::Magic);
        }
        let version = reader.u32()?;
        if version != VERSION {
            return Err(ReadError::Version { found: version });
        }
        let Some((body, sum)) = bytes.split_last_chunk::<8>() else { return Err(reader.damaged()) };
        if body.len() < reader.at {
            return Err(reader.damaged());
        }
        if checksum(body) != u64::from_le_bytes(*sum) {
            return Err(ReadError::Checksum);
        }
        reader.bytes = body;
        let (class_count, pattern_count) = (reader.u32()?, reader.u32()?);
        let mut classes = Vec::new();
        for _ in 0..class_count {
            classes.push(reader.name()?);
        }
        let mut builder = Self::builder();
        for _ in 0..pattern_count {
            let id = reader.name()?;
            let class = reader.u32()?;
            let Some(class) = classes.get(class as usize) else { return Err(reader.damaged()) };
            let len = usize::from(reader.u16()?);
            if len > MAX_PATTERN {
                return Err(reader.damaged());
            }
            let tokens: Vec<u32> =
                reader.take(len * 4)?.as_chunks().0.iter().map(|&token| u32::from_le_bytes(token)).collect();
            builder.insert(id, class, &tokens)?;
        }
        if reader.at != body.len() {
            return Err(reader.damaged());
        }
        Ok(builder.build()?)
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn damaged(&self) -> ReadError {
        ReadError::Damaged { at: self.at }
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], ReadError> {
        let taken =
            self.bytes.get(self.at..).and_then(|rest| rest.get(..len)).ok_or_else(|| self.damaged())?;
        self.at += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let taken = self.take(N)?;
        taken.first_chunk().copied().ok_or_else(|| self.damaged())
    }

    fn u16(&mut self) -> Result<u16, ReadError> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, ReadError> {
        self.array().map(u32::from_le_bytes)
    }

    fn name(&mut self) -> Result<&'a str, ReadError> {
        let len = usize::from(self.u16()?);
        let bytes = self.take(len)?;
        std::str::from_utf8(bytes).map_err(|_| self.damaged())
    }
}

/// FNV-1a, 64 bits.
fn checksum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Budget;

    fn library() -> impl Strategy<Value = PatternLibrary> {
        prop::collection::vec(("\\PC{0,6}", prop::collection::vec(any::<u32>(), 1..30)), 0..20).prop_map(
            |patterns| {
                let mut builder = PatternLibrary::builder();
                for (number, (class, tokens)) in patterns.iter().enumerate() {
                    builder.insert(&format!("{number}-{class}"), class, tokens).unwrap();
                }
                builder.build().unwrap()
            },
        )
    }

    fn with_checksum(mut body: Vec<u8>) -> Vec<u8> {
        body.extend(checksum(&body).to_le_bytes());
        body
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(library in library()) {
            let bytes = library.to_bytes();
            let read = PatternLibrary::from_bytes(&bytes).unwrap();
            prop_assert_eq!(read.to_bytes(), bytes);
            for pattern in 0..library.len() {
                prop_assert_eq!(read.id(pattern), library.id(pattern));
                prop_assert_eq!(read.class(pattern), library.class(pattern));
                let tokens = library.tokens(pattern).unwrap();
                prop_assert_eq!(read.tokens(pattern), Some(tokens.clone()));
                let found = read.find(&tokens, Budget::default(), 0.0).unwrap();
                prop_assert!(found.hits.iter().any(|hit| hit.pattern == pattern && hit.distance == 0));
            }
        }

        #[test]
        fn damaged_bytes_are_errors(library in library(), at in any::<prop::sample::Index>(), value: u8, cut in any::<prop::sample::Index>()) {
            let bytes = library.to_bytes();
            let cut = cut.index(bytes.len());
            prop_assert!(PatternLibrary::from_bytes(&bytes[..cut]).is_err());
            let mut changed = bytes.clone();
            changed[at.index(bytes.len())] ^= value.max(1);
            prop_assert!(PatternLibrary::from_bytes(&changed).is_err());
            prop_assert!(PatternLibrary::from_bytes(&[bytes, vec![0]].concat()).is_err());
        }

        /// Even with a valid checksum nothing panics, and what is read can be used.
        #[test]
        fn hostile_bytes_do_no_harm(library in library(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), cut in any::<prop::sample::Index>()) {
            let bytes = library.to_bytes();
            let mut body = bytes[..bytes.len() - 8].to_vec();
            for (at, value) in changes {
                let at = at.index(body.len());
                body[at] = value;
            }
            body.truncate(body.len() - cut.index(3).min(body.len()));
            if let Ok(read) = PatternLibrary::from_bytes(&with_checksum(body)) {
                read.find(&[1, 2, 3], Budget::default(), 0.5).unwrap();
            }
        }

        #[test]
        fn noise_is_no_library(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(PatternLibrary::from_bytes(&bytes).is_err());
        }
    }

    #[test]
    fn each_error_has_its_cause() {
        let header = |version: u32, classes: u32, patterns: u32| {
            [MAGIC.as_slice(), &version.to_le_bytes(), &classes.to_le_bytes(), &patterns.to_le_bytes()]
                .concat()
        };
        let read = |bytes: Vec<u8>| PatternLibrary::from_bytes(&bytes).err();
        assert_eq!(read(vec![]), Some(ReadError::Magic));
        assert_eq!(read(with_checksum(header(2, 0, 0))), Some(ReadError::Version { found: 2 }));
        assert_eq!(read(with_checksum(header(1, 0, 0))), None);
        // Counts far beyond the bytes: an error at once, not memory for four billion patterns.
        assert_eq!(read(with_checksum(header(1, u32::MAX, 0))), Some(ReadError::Damaged { at: 20 }));
        assert_eq!(read(with_checksum(header(1, 0, u32::MAX))), Some(ReadError::Damaged { at: 20 }));
        let pattern = |id: &[u8], class: u32, tokens: u16| {
            [
                &(id.len() as u16).to_le_bytes(),
                id,
                &class.to_le_bytes(),
                &tokens.to_le_bytes(),
                &vec![0; usize::from(tokens) * 4],
            ]
            .concat()
        };
        let one = |pattern: Vec<u8>| with_checksum([header(1, 1, 1), vec![1, 0, b'c'], pattern].concat());
        assert_eq!(read(one(pattern(b"id", 0, 1))), None);
        assert!(matches!(read(one(pattern(b"id", 1, 1))), Some(ReadError::Damaged { .. })));
        assert!(matches!(read(one(pattern(b"\xff", 0, 1))), Some(ReadError::Damaged { .. })));
        assert!(matches!(read(one(pattern(b"id", 0, 1025))), Some(ReadError::Damaged { .. })));
        assert!(matches!(
            read(one(pattern(b"id", 0, 0))),
            Some(ReadError::Build(BuildError::EmptyPattern { .. }))
        ));
        let twice = [header(1, 1, 2), vec![1, 0, b'c'], pattern(b"id", 0, 1), pattern(b"id", 0, 1)].concat();
        assert!(matches!(read(with_checksum(twice)), Some(ReadError::Build(BuildError::DuplicateId { .. }))));
        let mut wrong = with_checksum(header(1, 0, 0));
        wrong[21] ^= 1;
        assert_eq!(read(wrong), Some(ReadError::Checksum));
    }
}
