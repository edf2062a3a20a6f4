//! Finds every place where one of many short strings begins.
//!
//! A bit for the first bytes says for most places of a text that nothing begins there; at the others a trie is walked. An
//! Aho-Corasick automaton with as many literals reads every byte through a table that no near cache holds, and follows its
//! failure links.

use std::collections::BTreeMap;
use std::ops::Range;

/// Fewest bytes of a literal.
pub(crate) const SHORTEST: usize = 3;
/// Bytes that the filter looks at, if hardly any literal is shorter.
const HEAD: usize = 4;
/// Literals of three bytes that are worth a head for each byte that may follow.
const FEW_SHORT: usize = 8;
const NONE: u32 = u32::MAX;

/// A set of byte strings, each of at least [`SHORTEST`] bytes.
#[derive(Debug)]
pub(crate) struct Literals {
    len: usize,
    /// Which of four bytes belong to a head.
    mask: u32,
    /// One bit for each hash of a head.
    filter: Box<[u64; 1 << (HASH_BITS - 6)]>,
    /// Open addressing, a power of two of them.
    heads: Vec<Head>,
    nodes: Vec<Node>,
    /// The edges of all nodes, those of each node side by side: the byte that they bear and the node that they lead to.
    edges: Vec<(u8, u32)>,
}

/// The bytes that a literal begins with; those of a literal of three bytes with whatever follows it.
#[derive(Clone, Debug)]
struct Head {
    bytes: u32,
    /// The literal that is shorter than the head.
    short: u32,
    /// Where longer ones go on.
    node: u32,
}

impl Head {
    const FREE: Self = Self { bytes: 0, short: NONE, node: NONE };

    fn is_free(&self) -> bool {
        self.short == NONE && self.node == NONE
    }
}

#[derive(Debug)]
struct Node {
    /// The literal that ends here.
    literal: u32,
    edges: Range<u32>,
    /// The lower six bits of what they bear, as a set.
    labels: u64,
}

impl Literals {
    /// Builds the set. A literal that is too short is never found.
    pub(crate) fn new(literals: &[Vec<u8>]) -> Self {
        let width = match literals.iter().filter(|literal| literal.len() == SHORTEST).count() {
            0..=FEW_SHORT => HEAD,
            _ => SHORTEST,
        };
        let mut tries: BTreeMap<u32, Vec<(&[u8], u32)>> = BTreeMap::new();
        let mut short: BTreeMap<u32, u32> = BTreeMap::new();
        for (index, literal) in (0u32..).zip(literals) {
            match (literal.as_slice(), literal.split_at_checked(width)) {
                (_, Some((head, rest))) => tries.entry(number(head)).or_default().push((rest, index)),
                (&[a, b, c], None) => {
                    short.extend((0..=u8::MAX).map(|next| (number(&[a, b, c, next]), index)));
                }
                _ => {}
            }
        }
        let mut set = Self {
            len: literals.len(),
            mask: if width == HEAD { u32::MAX } else { u32::MAX >> 8 },
            filter: Box::new([0; 1 << (HASH_BITS - 6)]),
            heads: vec![Head::FREE; ((tries.len() + short.len()) * 2).next_power_of_two()],
            nodes: Vec::new(),
            edges: Vec::new(),
        };
        for (&bytes, rests) in &tries {
            let node = set.node(rests);
            set.insert(Head { bytes, short: short.remove(&bytes).unwrap_or(NONE), node });
        }
        for (bytes, literal) in short {
            set.insert(Head { bytes, short: literal, node: NONE });
        }
        set
    }

    fn insert(&mut self, head: Head) {
        let hash = hash(head.bytes);
        if let Some(bits) = self.filter.get_mut(usize::from(hash >> 6)) {
            *bits |= 1 << (hash & 63);
        }
        let mask = self.heads.len() - 1;
        let mut at = usize::from(hash) & mask;
        while let Some(slot) = self.heads.get_mut(at) {
            if slot.is_free() {
                *slot = head;
                return;
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds the trie of what remains of some literals, and returns its root.
    fn node(&mut self, rests: &[(&[u8], u32)]) -> u32 {
        let literal = rests.iter().find(|(rest, _)| rest.is_empty()).map_or(NONE, |&(_, index)| index);
        let mut next: BTreeMap<u8, Vec<(&[u8], u32)>> = BTreeMap::new();
        for &(rest, index) in rests {
            if let [byte, rest @ ..] = rest {
                next.entry(*byte).or_default().push((rest, index));
            }
        }
        let labels = next.keys().fold(0, |labels, byte| labels | 1 << (byte & 63));
        let edges: Vec<(u8, u32)> = next.into_iter().map(|(byte, rests)| (byte, self.node(&rests))).collect();
        let start = count(self.edges.len());
        self.edges.extend(edges);
        self.nodes.push(Node { literal, edges: start..count(self.edges.len()), labels });
        count(self.nodes.len() - 1)
    }

    /// Number of literals.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Calls `found` with each literal and its place, in order of the places. Linear in the text for literals of bounded
    /// length.
    pub(crate) fn find(&self, text: &[u8], mut found: impl FnMut(usize, Range<usize>)) {
        for (start, four) in text.array_windows::<HEAD>().enumerate() {
            let bytes = u32::from_le_bytes(*four) & self.mask;
            let hash = hash(bytes);
            let bits = self.filter.get(usize::from(hash >> 6)).copied().unwrap_or_default();
            if bits >> (hash & 63) & 1 == 1 {
                self.find_at(text, start, bytes, &mut found);
            }
        }
        if let Some(last) = text.last_chunk::<SHORTEST>() {
            self.find_at(text, text.len() - SHORTEST, number(last), &mut found);
        }
    }

    #[inline(never)]
    fn find_at(&self, text: &[u8], start: usize, bytes: u32, found: &mut impl FnMut(usize, Range<usize>)) {
        let Some(head) = self.head(bytes) else { return };
        if head.short != NONE {
            found(head.short as usize, start..start + SHORTEST);
        }
        let mut end = start + if self.mask == u32::MAX { HEAD } else { SHORTEST };
        let mut node = self.nodes.get(head.node as usize).filter(|_| end <= text.len());
        while let Some(here) = node {
            if here.literal != NONE {
                found(here.literal as usize, start..end);
            }
            node = text.get(end).and_then(|&byte| self.step(here, byte));
            end += 1;
        }
    }

    fn head(&self, bytes: u32) -> Option<&Head> {
        let mask = self.heads.len() - 1;
        let mut at = usize::from(hash(bytes)) & mask;
        loop {
            let head = self.heads.get(at).filter(|head| !head.is_free())?;
            if head.bytes == bytes {
                return Some(head);
            }
            at = (at + 1) & mask;
        }
    }

    fn step(&self, node: &Node, byte: u8) -> Option<&Node> {
        if node.labels >> (byte & 63) & 1 == 0 {
            return None;
        }
        let edges = self.edges.get(node.edges.start as usize..node.edges.end as usize)?;
        let (_, next) = edges.iter().find(|(label, _)| *label == byte)?;
        self.nodes.get(*next as usize)
    }
}

const HASH_BITS: u32 = 16;

/// Up to four bytes as a number.
fn number(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |number, &byte| number << 8 | u32::from(byte))
}

/// Multiplicative hashing (Knuth); the upper bits are the better mixed ones.
fn hash(bytes: u32) -> u16 {
    (bytes.wrapping_mul(0x9e37_79b1) >> (32 - HASH_BITS)) as u16
}

/// Rules have far fewer literals than 2^32; saturating keeps this total.
fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(NONE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(literals: &[Vec<u8>], text: &[u8]) -> Vec<(usize, Range<usize>)> {
        let mut places = Vec::new();
        Literals::new(literals).find(text, |literal, range| places.push((literal, range)));
        places
    }

    #[test]
    fn nothing_is_found_in_nothing() {
        assert_eq!(found(&[], b"text"), []);
        assert_eq!(found(&[b"abc".to_vec()], b"ab"), []);
        assert_eq!(found(&[b"ab".to_vec()], b"abab"), [], "too short to be looked for");
        assert_eq!(found(&[b"abc\0".to_vec()], b"abc"), [], "the end of the text is no byte");
    }

    proptest! {
        #[test]
        fn every_place_of_every_literal_is_found(
            literals in prop::collection::btree_set(
                prop::collection::vec(prop::sample::select(b"ab!\xe1".as_slice()), 3..8), 0..60),
            text in prop::collection::vec(prop::sample::select(b"abc!\xe1\0".as_slice()), 0..200),
        ) {
            let literals: Vec<Vec<u8>> = literals.into_iter().collect();
            let mut naive = Vec::new();
            for start in 0..text.len() {
                let here = literals.iter().enumerate().filter(|(_, l)| text[start..].starts_with(l));
                let mut here: Vec<_> = here.map(|(index, l)| (index, start..start + l.len())).collect();
                here.sort_by_key(|(_, range)| range.end);
                naive.extend(here);
            }
            prop_assert_eq!(found(&literals, &text), naive);
        }
    }
}
