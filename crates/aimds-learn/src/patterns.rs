//! Templates of confirmed attacks: what their wordings have in common, with gaps where they differ.
//!
//! Sequences of tokens (hashes of words) are grouped by edit distance; in each group every member is aligned with the
//! medoid, and the tokens of the medoid that nearly all members share become the template. Proposals only: a person reads them before
//! they are a rule.

use aimds_sequence::{alignment, medoids};
use serde::{Deserialize, Serialize};

use crate::error::{Error, setting};

/// Longest sequence that is looked at, and most sequences.
pub const MAX_TOKENS: usize = 512;
/// The most sequences at once.
pub const MAX_SEQUENCES: usize = 4096;
/// Tokens that may lie between two pieces of a template beyond what the attacks had.
const SLACK: usize = 2;

/// Settings of [`extract`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PatternConfig {
    /// Edit distance, as a share of the length, within which attacks are one family. Default 0.45.
    pub family: f64,
    /// Attacks of a family that a template takes. Default 3.
    pub min_support: usize,
    /// Share of a family that must have a token. Default 0.8.
    pub shared: f64,
    /// Tokens of the shortest template. Default 4.
    pub min_tokens: usize,
    /// Benign sequences that it may be found in. Default 0.
    pub max_benign: usize,
}

impl Default for PatternConfig {
    fn default() -> Self {
        Self { family: 0.45, min_support: 3, shared: 0.8, min_tokens: 4, max_benign: 0 }
    }
}

/// Pieces that follow each other with bounded gaps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// Runs of tokens.
    pub pieces: Vec<Vec<u32>>,
    /// The most tokens between two pieces.
    pub max_gap: usize,
    /// Confirmed attacks in which it is found.
    pub support: usize,
    /// Benign sequences in which it is found.
    pub benign: usize,
}

impl Template {
    /// How many tokens it has.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.pieces.iter().map(Vec::len).sum()
    }

    /// Whether a sequence contains it. O(tokens of the sequence · tokens of the template · gap).
    #[must_use]
    pub fn matches(&self, sequence: &[u32]) -> bool {
        let Some((first, rest)) = self.pieces.split_first() else { return false };
        // Places behind which the pieces so far end.
        let mut ends: Vec<usize> = ends_of(first, sequence, 0..sequence.len());
        for piece in rest {
            let mut next = Vec::new();
            let mut from = 0;
            for end in ends {
                let window = end.max(from)..end + self.max_gap + 1;
                from = window.end.max(from);
                next.extend(ends_of(piece, sequence, window));
            }
            ends = next;
        }
        !ends.is_empty()
    }
}

/// Where the piece ends, of those of its places that begin in `starts`.
fn ends_of(piece: &[u32], sequence: &[u32], starts: std::ops::Range<usize>) -> Vec<usize> {
    let begins = |&start: &usize| sequence.get(start..start + piece.len()) == Some(piece);
    starts
        .take_while(|start| *start < sequence.len())
        .filter(begins)
        .map(|start| start + piece.len())
        .collect()
}

/// The templates of families of attacks that are found in enough of them and in hardly any benign sequence, those with
/// most support first.
///
/// What is longer than [`MAX_TOKENS`] is cut. Equal sequences count once: the same text sent again is no support.
///
/// # Errors
/// [`Error::Setting`]; [`Error::Full`] for more than [`MAX_SEQUENCES`] of either kind.
///
/// ```
/// use aimds_learn::{PatternConfig, extract};
///
/// let attacks = vec![vec![9, 1, 2, 50, 3, 4], vec![1, 2, 51, 3, 4, 8], vec![7, 1, 2, 52, 3, 4]];
/// let benign = vec![vec![1, 2, 60, 61], vec![3, 4, 62]];
/// let found = extract(&attacks, &benign, &PatternConfig { family: 0.5, ..Default::default() })?;
/// assert_eq!(found[0].pieces, [[1, 2], [3, 4]]);
/// assert!(found[0].matches(&[70, 1, 2, 71, 3, 4]) && !found[0].matches(&[3, 4, 1, 2]));
/// # Ok::<(), aimds_learn::Error>(())
/// ```
pub fn extract(
    attacks: &[Vec<u32>],
    benign: &[Vec<u32>],
    config: &PatternConfig,
) -> Result<Vec<Template>, Error> {
    let PatternConfig { family, min_support, shared, min_tokens, max_benign } = *config;
    setting("family", family, "above 0 and at most 0.5", family > 0.0 && family <= 0.5)?;
    setting("shared", shared, "above 0.5 and at most 1", shared > 0.5 && shared <= 1.0)?;
    setting("min_support", min_support as f64, "at least 2", min_support >= 2)?;
    setting("min_tokens", min_tokens as f64, "at least 1", min_tokens >= 1)?;
    if attacks.len().max(benign.len()) > MAX_SEQUENCES {
        return Err(Error::Full { what: "sequences", limit: MAX_SEQUENCES });
    }
    let mut distinct: Vec<&[u32]> =
        attacks.iter().map(|attack| attack.get(..MAX_TOKENS).unwrap_or(attack)).collect();
    distinct.sort_unstable();
    distinct.dedup();
    let mut templates = Vec::new();
    for cluster in medoids(&distinct, family) {
        let members: Vec<&[u32]> =
            cluster.members.iter().filter_map(|&member| distinct.get(member).copied()).collect();
        let Some(medoid) = distinct.get(cluster.medoid) else { continue };
        if members.len() < min_support {
            continue;
        }
        let mut template = common(medoid, &members, shared);
        template.support = distinct.iter().filter(|attack| template.matches(attack)).count();
        template.benign = benign.iter().filter(|text| template.matches(text)).count();
        let good = template.tokens() >= min_tokens
            && template.support >= min_support
            && template.benign <= max_benign;
        if good {
            templates.push(template);
        }
    }
    templates.sort_by(|a, b| b.support.cmp(&a.support).then(a.pieces.cmp(&b.pieces)));
    Ok(templates)
}

/// The tokens of the medoid that this share of the members has, split where they are no neighbours in the medoid or in
/// one of the members.
fn common(medoid: &[u32], members: &[&[u32]], shared: f64) -> Template {
    let mut counts = vec![0_usize; medoid.len()];
    let mut gaps = vec![0_usize; medoid.len()];
    for member in members {
        let pairs = alignment(medoid, member).matched;
        for (at, &(place, _)) in pairs.iter().enumerate() {
            if let Some(count) = counts.get_mut(place) {
                *count += 1;
            }
            let before = at.checked_sub(1).and_then(|at| pairs.get(at));
            if let Some((left, right)) = before
                && let Some(gap) = gaps.get_mut(place)
            {
                let here = pairs.get(at).map_or(0, |pair| pair.1);
                *gap = (*gap).max((place - left - 1).max(here - right - 1));
            }
        }
    }
    let needed = (shared * members.len() as f64).ceil() as usize;
    let mut template = Template { pieces: Vec::new(), max_gap: 0, support: 0, benign: 0 };
    let mut last = None;
    for (place, token) in medoid.iter().enumerate() {
        if counts.get(place).is_none_or(|count| *count < needed) {
            continue;
        }
        let gap = gaps.get(place).copied().unwrap_or(0);
        let adjacent = last.is_some_and(|last| last + 1 == place) && gap == 0;
        match template.pieces.last_mut() {
            Some(piece) if adjacent => piece.push(*token),
            Some(_) => {
                let skipped = last.map_or(0, |last| place - last - 1);
                template.max_gap = template.max_gap.max(gap.max(skipped) + SLACK);
                template.pieces.push(vec![*token]);
            }
            None => template.pieces.push(vec![*token]),
        }
        last = Some(place);
    }
    template
}
