//! Few sequences that stand for many.

use super::builder::bigram;
use super::masks::Masks;
use super::search::edits_within;
use crate::symbols::{SortedIndex, WORD, levenshtein_cutoff, scan_word};

/// Members of a cluster that are tried as its medoid.
const TRIED: usize = 32;

/// Sequences that are near one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// The member that all others are near.
    pub medoid: usize,
    /// All members in rising order, the medoid among them.
    pub members: Vec<usize>,
}

/// Groups `sequences` so that each is within `cutoff` of the medoid of its cluster: the Levenshtein distance, divided by
/// the length of the longer sequence. Two empty sequences are equal.
///
/// Greedy, in the order given: a sequence joins the nearest of the clusters that exist, by their first member, or begins
/// one; equal sequences stay together. Then each cluster gets as medoid, of up to 32 of its members, the one with the least sum of distances of those
/// that all members are within the cutoff of. Clusters are in the order of their first members. Where a sequence lies
/// between clusters, the order of the input decides; there is no best answer that could be computed at this size.
///
/// Hartigan, *Clustering Algorithms*, 1975 (the leader algorithm). The first members are found by the count filter of
/// [`PatternLibrary::find`](crate::PatternLibrary::find); cutoffs of 1/2 and above compare all pairs.
///
/// ```
/// use aimds_sequence::medoids;
///
/// let clusters = medoids(&[vec![1, 2, 3, 4], vec![7, 8, 9], vec![1, 2, 3, 5], vec![1, 2, 3, 4]], 0.3);
/// assert_eq!(clusters.len(), 2);
/// assert_eq!((clusters[0].medoid, &clusters[0].members[..]), (0, &[0, 2, 3][..]));
/// ```
#[must_use]
pub fn medoids<S: AsRef<[u32]>>(sequences: &[S], cutoff: f64) -> Vec<Cluster> {
    let vocabulary =
        SortedIndex::new(sequences.iter().flat_map(|sequence| sequence.as_ref()).copied().collect());
    let ranks: Vec<Vec<u32>> = sequences
        .iter()
        .map(|sequence| {
            sequence.as_ref().iter().map(|&token| vocabulary.row(token).saturating_sub(1) as u32).collect()
        })
        .collect();
    // Equal sequences are compared once.
    let mut order: Vec<usize> = (0..ranks.len()).collect();
    order.sort_by(|&a, &b| ranks.get(a).cmp(&ranks.get(b)).then(a.cmp(&b)));
    let mut copies: Vec<Vec<usize>> = vec![Vec::new(); ranks.len()];
    for equal in order.chunk_by(|&a, &b| ranks.get(a) == ranks.get(b)) {
        if let Some(copies) = equal.first().and_then(|&first| copies.get_mut(first)) {
            copies.extend(equal);
        }
    }
    let mut leaders = Leaders::new(&ranks, cutoff, vocabulary.len());
    let mut clusters: Vec<Vec<usize>> = Vec::new();
    for number in
        (0..ranks.len()).filter(|&number| copies.get(number).is_some_and(|copies| !copies.is_empty()))
    {
        match leaders.nearest(number).and_then(|leader| clusters.get_mut(leader)) {
            Some(members) => members.push(number),
            None => {
                leaders.insert(number);
                clusters.push(vec![number]);
            }
        }
    }
    let weight = |member: usize| copies.get(member).map_or(0, Vec::len);
    let finish = |members: Vec<usize>| {
        let medoid = leaders.medoid(&members, weight);
        let mut members: Vec<usize> =
            members.iter().filter_map(|&member| copies.get(member)).flatten().copied().collect();
        members.sort_unstable();
        Cluster { medoid, members }
    };
    clusters.into_iter().map(finish).collect()
}

/// The first members of the clusters so far, with an index to find them by.
struct Leaders<'a> {
    ranks: &'a [Vec<u32>],
    cutoff: f64,
    /// For each sequence the ranks of its bigrams, each once, with how often it has them.
    bigrams: Vec<Vec<(u32, u32)>>,
    leaders: Vec<usize>,
    /// For each bigram the leaders that have it, with how often.
    postings: Vec<Vec<(u32, u32)>>,
    by_len: Vec<Vec<u32>>,
    counts: Vec<u32>,
    masks: Masks,
}

impl<'a> Leaders<'a> {
    fn new(ranks: &'a [Vec<u32>], cutoff: f64, vocabulary: usize) -> Self {
        let mut keys: Vec<u64> =
            ranks.iter().flat_map(|ranks| ranks.array_windows()).map(|&[a, b]| bigram(a, b)).collect();
        keys.sort_unstable();
        keys.dedup();
        let bigrams_of = |ranks: &Vec<u32>| {
            let mut bigrams: Vec<u32> = ranks
                .array_windows()
                .filter_map(|&[a, b]| keys.binary_search(&bigram(a, b)).ok())
                .map(|rank| rank as u32)
                .collect();
            bigrams.sort_unstable();
            bigrams
                .chunk_by(|a, b| a == b)
                .filter_map(|equal| Some((*equal.first()?, equal.len() as u32)))
                .collect()
        };
        let mut masks = Masks::default();
        masks.fit(vocabulary);
        let longest = ranks.iter().map(Vec::len).max().unwrap_or(0);
        Self {
            ranks,
            cutoff,
            bigrams: ranks.iter().map(bigrams_of).collect(),
            leaders: Vec::new(),
            postings: vec![Vec::new(); keys.len()],
            by_len: vec![Vec::new(); longest + 1],
            counts: Vec::new(),
            masks,
        }
    }

    /// Edits that are allowed between sequences of which the longer has `len` tokens.
    fn edits(&self, len: usize) -> usize {
        if self.cutoff >= 1.0 { len } else { edits_within(self.cutoff.max(0.0), len) }
    }

    /// Bigrams that sequences within the cutoff have in common at least, if that says anything.
    fn needed(&self, len: usize) -> Option<u32> {
        len.checked_sub(1 + 2 * self.edits(len)).filter(|&needed| needed > 0).map(|needed| needed as u32)
    }

    fn insert(&mut self, number: usize) {
        let leader = self.leaders.len() as u32;
        self.leaders.push(number);
        self.counts.push(0);
        for &(bigram, times) in self.bigrams.get(number).into_iter().flatten() {
            if let Some(posting) = self.postings.get_mut(bigram as usize) {
                posting.push((leader, times));
            }
        }
        let len = self.ranks.get(number).map_or(0, Vec::len);
        if let Some(leaders) = self.by_len.get_mut(len) {
            leaders.push(leader);
        }
    }

    /// The nearest leader within the cutoff, of equally near ones the first.
    fn nearest(&mut self, number: usize) -> Option<usize> {
        let sequence = self.ranks.get(number)?;
        let mut counted = Vec::new();
        for &(bigram, times) in self.bigrams.get(number)? {
            for &(leader, other_times) in self.postings.get(bigram as usize)? {
                let count = self.counts.get_mut(leader as usize)?;
                if *count == 0 {
                    counted.push(leader);
                }
                *count += times.min(other_times);
            }
        }
        let mut candidates = Vec::new();
        for leader in counted {
            let count = std::mem::take(self.counts.get_mut(leader as usize)?);
            let len = sequence.len().max(self.len_of(leader));
            if self.needed(len).is_some_and(|needed| count >= needed) {
                candidates.push(leader);
            }
        }
        // Those that the bigrams say nothing about.
        for len in 0..self.by_len.len() {
            let longer = len.max(sequence.len());
            if self.needed(longer).is_none() && len.abs_diff(sequence.len()) <= self.edits(longer) {
                candidates.extend(self.by_len.get(len).into_iter().flatten());
            }
        }
        candidates.sort_unstable();
        let (ranks, leaders, cutoff) = (self.ranks, &self.leaders, self.cutoff);
        let mut best: Option<(f64, usize)> = None;
        let compare = |others: &mut dyn FnMut(&[u32], usize) -> Option<usize>| {
            for &leader in &candidates {
                let Some(other) = leaders.get(leader as usize).and_then(|&leader| ranks.get(leader)) else {
                    continue;
                };
                let longer = sequence.len().max(other.len());
                let limit = if cutoff >= 1.0 { longer } else { edits_within(cutoff.max(0.0), longer) };
                if let Some(distance) = others(other, limit) {
                    let share = distance as f64 / longer.max(1) as f64;
                    if best.is_none_or(|(least, _)| share < least) {
                        best = Some((share, leader as usize));
                    }
                }
            }
        };
        compare_all(&mut self.masks, sequence, compare);
        best.map(|(_, leader)| leader)
    }

    fn len_of(&self, leader: u32) -> usize {
        self.leaders.get(leader as usize).and_then(|&number| self.ranks.get(number)).map_or(0, Vec::len)
    }

    fn medoid(&self, members: &[usize], weight: impl Fn(usize) -> usize) -> usize {
        let Some(&leader) = members.first() else { return 0 };
        if members.len() <= 2 && members.iter().all(|&member| weight(member) == 1) {
            return leader;
        }
        let mut masks = self.masks.clone();
        let mut best: Option<(f64, usize)> = None;
        // The leader is the first that is tried, and always possible.
        for &tried in members.iter().step_by(members.len().div_ceil(TRIED)) {
            let Some(sequence) = self.ranks.get(tried) else { continue };
            let mut sum = Some(0.0);
            compare_all(&mut masks, sequence, |compare| {
                for &member in members {
                    let Some(other) = self.ranks.get(member) else { continue };
                    let longer = sequence.len().max(other.len());
                    let Some(distance) = compare(other, self.edits(longer)) else {
                        sum = None;
                        return;
                    };
                    sum = sum.map(|sum| sum + (distance * weight(member)) as f64 / longer.max(1) as f64);
                }
            });
            if let Some(sum) = sum
                && best.is_none_or(|(least, _)| sum < least)
            {
                best = Some((sum, tried));
            }
        }
        best.map_or(leader, |(_, medoid)| medoid)
    }
}

/// Gives `compare` the distance of `sequence` to others, or `None` above a limit.
fn compare_all(
    masks: &mut Masks,
    sequence: &[u32],
    compare: impl FnOnce(&mut dyn FnMut(&[u32], usize) -> Option<usize>),
) {
    if sequence.len() > WORD || sequence.is_empty() {
        return compare(&mut |other, limit| levenshtein_cutoff(sequence, other, limit));
    }
    masks.with(sequence, |masks| {
        compare(&mut |other, limit| {
            if sequence.len().abs_diff(other.len()) > limit {
                return None;
            }
            let mut distance = sequence.len();
            scan_word(other.iter().map(|&token| masks.of(token)), sequence.len(), false, |value| {
                distance = value;
                true
            });
            (distance <= limit).then_some(distance)
        });
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::levenshtein;

    fn share(a: &[u32], b: &[u32]) -> f64 {
        levenshtein(a, b) as f64 / a.len().max(b.len()).max(1) as f64
    }

    /// The first members without an index.
    fn naive_leaders(sequences: &[Vec<u32>], cutoff: f64) -> Vec<(usize, Vec<usize>)> {
        let mut clusters: Vec<(usize, Vec<usize>)> = Vec::new();
        for (number, sequence) in sequences.iter().enumerate() {
            if let Some((_, members)) = clusters
                .iter_mut()
                .find(|(_, members)| members.iter().any(|&member| sequences[member] == *sequence))
            {
                members.push(number);
                continue;
            }
            let near = |leader: usize| {
                let other = &sequences[leader];
                let (distance, longer) = (levenshtein(sequence, other), sequence.len().max(other.len()));
                let allowed = if cutoff >= 1.0 { longer } else { edits_within(cutoff, longer) };
                (distance <= allowed).then(|| share(sequence, other))
            };
            let nearest = clusters
                .iter()
                .enumerate()
                .filter_map(|(cluster, &(leader, _))| Some((near(leader)?, cluster)))
                .min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            match nearest {
                Some((_, cluster)) => clusters[cluster].1.push(number),
                None => clusters.push((number, vec![number])),
            }
        }
        clusters
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn clusters_are_those_found_without_an_index(
            sequences in prop::collection::vec(
                prop_oneof![prop::collection::vec(0..4_u32, 0..9), prop::collection::vec(0..30_u32, 0..80)], 0..25),
            copies in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..30_u32), 0..25),
            cutoff in prop_oneof![prop::sample::select(vec![0.0, 0.1, 0.25, 0.5, 1.0]), 0.0..1.0],
        ) {
            let mut sequences = sequences;
            for (from, at, token) in copies {
                if !sequences.is_empty() {
                    let mut copy = from.get(&sequences).clone();
                    if !copy.is_empty() {
                        let at = at.index(copy.len());
                        copy[at] = token;
                    }
                    sequences.push(copy);
                }
            }
            let clusters = medoids(&sequences, cutoff);
            let expected = naive_leaders(&sequences, cutoff);
            let members: Vec<Vec<usize>> = clusters.iter().map(|cluster| cluster.members.clone()).collect();
            prop_assert_eq!(members, expected.into_iter().map(|(_, members)| members).collect::<Vec<_>>());
            for cluster in clusters {
                prop_assert!(cluster.members.contains(&cluster.medoid));
                let sum = |medoid: usize| cluster.members.iter().map(|&m| share(&sequences[m], &sequences[medoid])).sum::<f64>();
                for &member in &cluster.members {
                    prop_assert!(share(&sequences[member], &sequences[cluster.medoid]) <= cutoff + 1e-9);
                }
                prop_assert!(sum(cluster.medoid) <= sum(cluster.members[0]) + 1e-9);
            }
        }
    }
}
