//! The tree of RFC 9162 (Certificate Transparency) over a list of hashes: its root in logarithmic memory, and its two
//! proofs. Pure; knows nothing of records, files or signatures.
//!
//! Nothing here recurses over data from outside, and a path of any length costs one hash per element.

use std::ops::Range;

use sha2::{Digest, Sha256};

use crate::chain::Hash;

/// The hash of a leaf: SHA-256(0x00 ‖ data). The prefix keeps a leaf from being passed off as an inner node.
pub(crate) fn leaf_hash(data: &Hash) -> Hash {
    sha256(&[&[0], &data.0])
}

/// The hash of an inner node: SHA-256(0x01 ‖ left ‖ right).
fn node_hash(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], &left.0, &right.0])
}

fn sha256(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    Hash(hasher.finalize().into())
}

/// A tree that only grows, as the roots of its complete subtrees, largest first: one per set bit of the size.
///
/// `push` costs two hashes on average, `root` one per subtree; memory is at most 64 hashes.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The tree of `size` leaves with these subtrees; `None` when their number does not fit the size.
    pub(crate) fn from_peaks(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (u32::try_from(peaks.len()) == Ok(size.count_ones())).then_some(Self { size, peaks })
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Adds a leaf, as hashed by [`leaf_hash`].
    pub(crate) fn push(&mut self, leaf: Hash) {
        let mut node = leaf;
        // Every trailing one is a subtree as large as what is being added: they become one.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.peaks.push(node);
        self.size = self.size.saturating_add(1);
    }

    /// The root; that of an empty tree is the hash of nothing.
    pub(crate) fn root(&self) -> Hash {
        let join = |right: Hash, left: &Hash| node_hash(left, &right);
        match self.peaks.split_last() {
            None => sha256(&[]),
            Some((last, larger)) => larger.iter().rev().fold(*last, join),
        }
    }
}

/// The largest power of two below `n`, where a tree of `n` > 1 leaves is divided.
fn split(n: u64) -> u64 {
    1 << (u64::BITS - 1 - (n - 1).leading_zeros())
}

/// The ranges of leaves whose roots are the inclusion path of leaf `index` in a tree of `size`, from the leaf up
/// (RFC 9162, 2.1.3.1); none when there is no such leaf.
pub(crate) fn inclusion_ranges(index: u64, size: u64) -> Vec<Range<u64>> {
    let mut ranges = Vec::new();
    let (mut low, mut high) = (0, size);
    while index < size && high - low > 1 {
        let middle = low + split(high - low);
        if index < middle {
            ranges.push(middle..high);
            high = middle;
        } else {
            ranges.push(low..middle);
            low = middle;
        }
    }
    ranges.reverse();
    ranges
}

/// The same for the proof that the tree of the first `old` leaves is the beginning of that of `new` (RFC 9162,
/// 2.1.4.1); none when it cannot be.
pub(crate) fn consistency_ranges(old: u64, new: u64) -> Vec<Range<u64>> {
    let mut ranges = Vec::new();
    if old == 0 || old >= new {
        return ranges;
    }
    let (mut low, mut high) = (0, new);
    // Until the old tree ends where the subtree at hand ends.
    while old < high {
        let middle = low + split(high - low);
        if old <= middle {
            ranges.push(middle..high);
            high = middle;
        } else {
            ranges.push(low..middle);
            low = middle;
        }
    }
    // When that subtree is the whole old tree, the verifier has its root already.
    if low > 0 {
        ranges.push(low..high);
    }
    ranges.reverse();
    ranges
}

/// Whether `leaf` is the one at `index` in the tree with `size` leaves and this root (RFC 9162, 2.1.3.2).
pub(crate) fn verify_inclusion(index: u64, size: u64, leaf: Hash, path: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut index, mut last) = (index, size - 1);
    let mut node = leaf;
    for sibling in path {
        if last == 0 {
            return false;
        }
        if index & 1 == 1 || index == last {
            node = node_hash(sibling, &node);
            // A node without right sibling is passed up unchanged.
            let skip = if index == 0 { 0 } else { index.trailing_zeros() };
            index >>= skip;
            last >>= skip;
        } else {
            node = node_hash(&node, sibling);
        }
        index >>= 1;
        last >>= 1;
    }
    last == 0 && node == *root
}

/// Whether the tree of `old` leaves is the beginning of that of `new` (RFC 9162, 2.1.4.2). Nothing is said of an empty
/// one.
pub(crate) fn verify_consistency(
    (old, old_root): (u64, &Hash),
    (new, new_root): (u64, &Hash),
    path: &[Hash],
) -> bool {
    if old == 0 || old > new {
        return false;
    }
    if old == new {
        return path.is_empty() && old_root == new_root;
    }
    let (start, rest) = match path.split_first() {
        _ if old.is_power_of_two() => (old_root, path),
        Some((first, rest)) => (first, rest),
        None => return false,
    };
    let (mut index, mut last) = (old - 1, new - 1);
    let complete = index.trailing_ones();
    index >>= complete;
    last >>= complete;
    let (mut of_old, mut of_new) = (*start, *start);
    for sibling in rest {
        if last == 0 {
            return false;
        }
        if index & 1 == 1 || index == last {
            of_old = node_hash(sibling, &of_old);
            of_new = node_hash(sibling, &of_new);
            let skip = if index == 0 { 0 } else { index.trailing_zeros() };
            index >>= skip;
            last >>= skip;
        } else {
            of_new = node_hash(&of_new, sibling);
        }
        index >>= 1;
        last >>= 1;
    }
    last == 0 && of_old == *old_root && of_new == *new_root
}

/// Roots of ranges of leaves, from one pass over the leaves.
pub(crate) struct RangeRoots {
    ranges: Vec<(Range<u64>, Frontier)>,
    index: u64,
}

impl RangeRoots {
    pub(crate) fn new(ranges: Vec<Range<u64>>) -> Self {
        Self { ranges: ranges.into_iter().map(|range| (range, Frontier::default())).collect(), index: 0 }
    }

    /// The next leaf.
    pub(crate) fn push(&mut self, leaf: Hash) {
        for (range, frontier) in &mut self.ranges {
            if range.contains(&self.index) {
                frontier.push(leaf);
            }
        }
        self.index += 1;
    }

    /// The roots, in the order of the ranges.
    pub(crate) fn finish(self) -> Vec<Hash> {
        self.ranges.iter().map(|(_, frontier)| frontier.root()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // The definitions of RFC 9162, 2.1, word for word.

    fn naive_root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => sha256(&[]),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(naive_split(leaves.len()));
                node_hash(&naive_root(left), &naive_root(right))
            }
        }
    }

    fn naive_split(n: usize) -> usize {
        (0..).map(|exponent| 1 << exponent).take_while(|k| *k < n).last().unwrap()
    }

    fn naive_path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
        if leaves.len() == 1 {
            return vec![];
        }
        let k = naive_split(leaves.len());
        let (left, right) = leaves.split_at(k);
        let (mut path, other) =
            if index < k { (naive_path(index, left), right) } else { (naive_path(index - k, right), left) };
        path.push(naive_root(other));
        path
    }

    fn naive_proof(old: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
        if old == leaves.len() {
            return if whole { vec![] } else { vec![naive_root(leaves)] };
        }
        let k = naive_split(leaves.len());
        let (left, right) = leaves.split_at(k);
        let (mut proof, other) = if old <= k {
            (naive_proof(old, left, whole), right)
        } else {
            (naive_proof(old - k, right, false), left)
        };
        proof.push(naive_root(other));
        proof
    }

    fn leaves(n: usize) -> Vec<Hash> {
        (0..n).map(|i| leaf_hash(&Hash(*blake3::hash(&i.to_le_bytes()).as_bytes()))).collect()
    }

    fn of(ranges: Vec<Range<u64>>, leaves: &[Hash]) -> Vec<Hash> {
        let mut roots = RangeRoots::new(ranges);
        leaves.iter().for_each(|leaf| roots.push(*leaf));
        roots.finish()
    }

    fn frontier(leaves: &[Hash]) -> Frontier {
        let mut frontier = Frontier::default();
        leaves.iter().for_each(|leaf| frontier.push(*leaf));
        frontier
    }

    fn check_inclusion(index: usize, leaves: &[Hash]) {
        let (i, n) = (index as u64, leaves.len() as u64);
        let (root, path) = (naive_root(leaves), naive_path(index, leaves));
        assert_eq!(of(inclusion_ranges(i, n), leaves), path, "{index} of {n}");
        assert!(verify_inclusion(i, n, leaves[index], &path, &root), "{index} of {n}");
        let wrong = Hash([7; 32]);
        assert!(!verify_inclusion(i, n, wrong, &path, &root));
        assert!(!verify_inclusion(i, n, leaves[index], &path, &wrong));
        for at in 0..path.len() {
            let mut changed = path.clone();
            changed[at] = wrong;
            assert!(!verify_inclusion(i, n, leaves[index], &changed, &root));
            changed.remove(at);
            assert!(!verify_inclusion(i, n, leaves[index], &changed, &root));
        }
        assert!(!verify_inclusion(i, n, leaves[index], &[path, vec![wrong]].concat(), &root));
    }

    fn check_consistency(old: usize, leaves: &[Hash]) {
        let (m, n) = (old as u64, leaves.len() as u64);
        let (old_root, new_root) = (naive_root(&leaves[..old]), naive_root(leaves));
        let path = naive_proof(old, leaves, true);
        assert_eq!(of(consistency_ranges(m, n), leaves), path, "{old} of {n}");
        let holds = |a: &Hash, b: &Hash, path: &[Hash]| verify_consistency((m, a), (n, b), path);
        assert!(holds(&old_root, &new_root, &path), "{old} of {n}");
        let wrong = Hash([7; 32]);
        assert!(!holds(&wrong, &new_root, &path));
        assert!(!holds(&old_root, &wrong, &path));
        for at in 0..path.len() {
            let mut changed = path.clone();
            changed[at] = wrong;
            assert!(!holds(&old_root, &new_root, &changed));
            changed.remove(at);
            assert!(!holds(&old_root, &new_root, &changed));
        }
        assert!(!holds(&old_root, &new_root, &[path, vec![wrong]].concat()));
    }

    #[test]
    fn every_small_tree_agrees_with_the_definition() {
        for n in 0..=72 {
            let leaves = leaves(n);
            assert_eq!(frontier(&leaves).root(), naive_root(&leaves), "{n}");
            for index in 0..n {
                check_inclusion(index, &leaves);
            }
            for old in 1..=n {
                check_consistency(old, &leaves);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

        #[test]
        fn large_trees_agree_with_the_definition(n in 73..3_000_usize, index: prop::sample::Index) {
            let leaves = leaves(n);
            let frontier = frontier(&leaves);
            prop_assert_eq!(frontier.root(), naive_root(&leaves));
            let again = Frontier::from_peaks(n as u64, frontier.peaks().to_vec());
            prop_assert_eq!(again, Some(frontier));
            check_inclusion(index.index(n), &leaves);
            check_consistency(index.index(n) + 1, &leaves);
        }

        /// Sizes that nobody can hold: nothing overflows and nothing is believed.
        #[test]
        fn absurd_numbers_are_refused(index: u64, size: u64, length in 0..80_usize) {
            let path = vec![Hash([1; 32]); length];
            let root = Hash([2; 32]);
            prop_assert!(!verify_inclusion(index, size, root, &path, &root) || (index, size, length) == (0, 1, 0));
            let consistent = verify_consistency((index, &root), (size, &Hash([3; 32])), &path);
            prop_assert!(!consistent);
            prop_assert!(inclusion_ranges(index, size).len() <= 64);
            prop_assert!(consistency_ranges(index, size).len() <= 65);
        }
    }

    /// The data and roots with which implementations of Certificate Transparency are tested.
    #[test]
    fn roots_of_certificate_transparency() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let mut tree = Frontier::default();
        assert_eq!(tree.root().to_string(), empty);
        let rows: [(&[u8], &str); 8] = [
            (&[], "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
            (&[0], "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
            (&[16], "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
            (&[32, 33], "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
            (&[48, 49], "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
            (&[64, 65, 66, 67], "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
            (
                &[80, 81, 82, 83, 84, 85, 86, 87],
                "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            ),
            (
                &[96, 97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111],
                "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
            ),
        ];
        for (data, root) in rows {
            tree.push(sha256(&[&[0], data]));
            assert_eq!(tree.root().to_string(), root, "{}", tree.size());
        }
    }

    #[test]
    fn peaks_must_fit_the_size() {
        assert!(Frontier::from_peaks(0, vec![]).is_some());
        assert!(Frontier::from_peaks(3, vec![Hash([0; 32])]).is_none());
        assert!(Frontier::from_peaks(4, vec![Hash([0; 32]); 3]).is_none());
        assert!(verify_consistency((5, &Hash([1; 32])), (5, &Hash([1; 32])), &[]));
        assert!(!verify_consistency((0, &Hash([1; 32])), (5, &Hash([1; 32])), &[]));
    }
}
