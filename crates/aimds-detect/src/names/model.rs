//! The model: a linear-chain conditional random field (Lafferty, McCallum and Pereira 2001) over hashed facts with three
//! labels, and the spans that it reads out of a text.

use std::ops::Range;

use super::features::{SLOTS, features};
use super::gazetteer::{Gazetteer, LISTED};
use super::tokens::{Shape, Token, segments, tokenise};
use super::{LABELS, Label, NamesError};
use crate::validators::{Hit, Kind, PiiKind};

/// What a file of this format begins with.
const MAGIC: &[u8; 8] = b"AIMDSNM1";
/// Bytes that are read at a time; a name across two blocks is not found, and blocks end where a line does if they can.
const BLOCK: usize = 16 * 1024;
/// Most words of a name.
const LONGEST_NAME: usize = 6;
/// Confidence from which a name and an address are reported: what is one mostly gets more.
const REPORTED: (f32, f32) = (0.7, 0.97);
/// The same for names in scripts without capitals, where any word may look like one.
const REPORTED_UNCASED: f32 = 0.8;
/// How near another word of such a script is part of the same text; there a name has to be on a list.
const NEAR: usize = 3;
/// Longest word of a name in a script without capitals, in bytes: eight Devanagari letters, all of a Chinese name.
const LONGEST_UNCASED: u32 = 24;

/// Names and addresses in text. Immutable: one instance serves every thread.
pub struct Tagger {
    step: f32,
    transitions: [[f32; LABELS]; LABELS],
    /// What a step between two labels multiplies a likelihood with.
    factors: [[f32; LABELS]; LABELS],
    weights: Box<[[i8; 4]]>,
    gazetteer: Gazetteer,
}

impl std::fmt::Debug for Tagger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tagger").field("transitions", &self.transitions).finish_non_exhaustive()
    }
}

impl Tagger {
    /// A tagger from its parts. `step` is the weight of one unit of the table, `weights` has [`SLOTS`] rows, of which the
    /// fourth number is unused; `transitions` are weights by label and the label after it.
    ///
    /// # Errors
    /// If the table has another size.
    pub fn new(
        step: f32,
        transitions: [[f32; LABELS]; LABELS],
        weights: Vec<[i8; 4]>,
        gazetteer: Gazetteer,
    ) -> Result<Self, NamesError> {
        if weights.len() != SLOTS {
            return Err(NamesError::Size);
        }
        let factors = transitions.map(|row| row.map(f32::exp));
        Ok(Self { step, transitions, factors, weights: weights.into(), gazetteer })
    }

    /// Reads a model file: magic; little-endian `f32`: step, transitions; the table; the lists.
    ///
    /// # Errors
    /// If it is no such file, or of another size.
    pub fn parse(bytes: &[u8]) -> Result<Self, NamesError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(NamesError::Magic)?;
        let (numbers, rest) = rest.split_at_checked(4 * (1 + LABELS * LABELS)).ok_or(NamesError::Size)?;
        let (table, lists) = rest.split_at_checked(4 * SLOTS).ok_or(NamesError::Size)?;
        let mut numbers = numbers.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes));
        let step = numbers.next().unwrap_or_default();
        let mut transitions = [[0.0; LABELS]; LABELS];
        for slot in transitions.as_flattened_mut() {
            *slot = numbers.next().unwrap_or_default();
        }
        if !step.is_finite() || transitions.as_flattened().iter().any(|weight| !weight.is_finite()) {
            return Err(NamesError::Number);
        }
        let weights = table.as_chunks::<4>().0.iter().map(|row| row.map(u8::cast_signed)).collect();
        Self::new(step, transitions, weights, Gazetteer::parse(lists)?)
    }

    /// Writes what [`parse`](Self::parse) reads.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(self.step.to_le_bytes());
        bytes.extend(self.transitions.as_flattened().iter().flat_map(|weight| weight.to_le_bytes()));
        bytes.extend(self.weights.as_flattened().iter().map(|weight| weight.cast_unsigned()));
        bytes.extend(self.gazetteer.bytes());
        bytes
    }

    /// Names and addresses in `text`, sorted by start, none inside another. Linear in the length of the text.
    #[must_use]
    pub fn tag(&self, text: &str) -> Vec<Hit> {
        let mut hits = Vec::new();
        let mut work = Work { tokens: Vec::with_capacity(text.len().min(BLOCK) / 4), ..Work::default() };
        let mut start = 0;
        while let Some(rest) = text.get(start..).filter(|rest| !rest.is_empty()) {
            let block = rest.get(..block(rest)).unwrap_or(rest);
            tokenise(block, &self.gazetteer, &mut work.tokens);
            segments(&work.tokens, &mut work.segments);
            for segment in &work.segments {
                self.label(block, &work.tokens, segment.clone(), &mut work.own, &mut work.marginals);
                spans(&work.tokens, segment.clone(), &work.marginals, |mut hit| {
                    hit.start += start;
                    hit.end += start;
                    hits.push(hit);
                });
            }
            start += block.len();
        }
        hits
    }

    /// The probability of each label for each token of a segment (forward-backward in probabilities, scaled).
    fn label(
        &self,
        text: &str,
        tokens: &[Token],
        segment: Range<usize>,
        own: &mut Vec<[f32; LABELS]>,
        marginals: &mut Vec<[f32; LABELS]>,
    ) {
        let likelihoods = |at: usize| {
            let mut sums = [0_i32; LABELS];
            for slot in features(text, tokens, at) {
                let row = self.weights.get(slot as usize).copied().unwrap_or_default();
                for (sum, weight) in sums.iter_mut().zip(row) {
                    *sum += i32::from(weight);
                }
            }
            let most = sums.into_iter().max().unwrap_or_default();
            sums.map(|sum| (self.step * (sum - most) as f32).exp())
        };
        forward_backward(segment.map(likelihoods), &self.factors, own, marginals);
    }
}

/// The probability of each label for each of a row of tokens, from the likelihoods of its labels and the factors of the
/// steps between them. `own` is used for work.
pub fn forward_backward(
    likelihoods: impl Iterator<Item = [f32; LABELS]>,
    factors: &[[f32; LABELS]; LABELS],
    own: &mut Vec<[f32; LABELS]>,
    marginals: &mut Vec<[f32; LABELS]>,
) {
    own.clear();
    marginals.clear();
    let mut state: Option<[f32; LABELS]> = None;
    for likelihood in likelihoods {
        let before = state.map_or([1.0; LABELS], |state| {
            let mut sums = [0.0; LABELS];
            for (from, row) in state.iter().zip(factors) {
                for (sum, factor) in sums.iter_mut().zip(row) {
                    *sum += from * factor;
                }
            }
            sums
        });
        let next = scaled(product(before, likelihood));
        own.push(likelihood);
        marginals.push(next);
        state = Some(next);
    }
    let mut after = [1.0; LABELS];
    for (marginal, likelihood) in marginals.iter_mut().zip(own.iter()).rev() {
        let ahead = product(after, *likelihood);
        *marginal = scaled(product(*marginal, after));
        let mut back = [0.0; LABELS];
        for (slot, row) in back.iter_mut().zip(factors) {
            *slot = row.iter().zip(ahead).map(|(factor, ahead)| factor * ahead).sum();
        }
        after = scaled(back);
    }
}

fn product(mut one: [f32; LABELS], other: [f32; LABELS]) -> [f32; LABELS] {
    for (one, other) in one.iter_mut().zip(other) {
        *one *= other;
    }
    one
}

fn scaled(numbers: [f32; LABELS]) -> [f32; LABELS] {
    let sum: f32 = numbers.iter().sum();
    if sum > 0.0 { numbers.map(|number| number / sum) } else { [1.0 / LABELS as f32; LABELS] }
}

/// What is kept from block to block, so that nothing is allocated for each.
#[derive(Default)]
struct Work {
    tokens: Vec<Token>,
    segments: Vec<Range<usize>>,
    own: Vec<[f32; LABELS]>,
    marginals: Vec<[f32; LABELS]>,
}

/// The length of the next block: up to the last line break, else the last space.
fn block(rest: &str) -> usize {
    if rest.len() <= BLOCK {
        return rest.len();
    }
    let most = rest.floor_char_boundary(BLOCK);
    let head = rest.get(..most).unwrap_or_default().as_bytes();
    memchr::memrchr(b'\n', head).or_else(|| memchr::memrchr(b' ', head)).map_or(most, |at| at + 1)
}

/// Runs of tokens with one label, as findings.
fn spans(tokens: &[Token], segment: Range<usize>, marginals: &[[f32; LABELS]], mut found: impl FnMut(Hit)) {
    let tokens = tokens.get(segment).unwrap_or_default();
    let labelled = |at: usize| marginals.get(at).map(Label::likeliest);
    let mut at = 0;
    while at < tokens.len() {
        let label = labelled(at).unwrap_or(Label::Other);
        let start = at;
        while at < tokens.len() && labelled(at) == Some(label) {
            at += 1;
        }
        let hit = match label {
            Label::Other => None,
            Label::Person => person(tokens, marginals, start..at),
            Label::Address => address(tokens, marginals, start..at),
        };
        if let Some(hit) = hit {
            found(hit);
        }
    }
}

/// The run without what cannot stand at its ends.
fn trimmed(tokens: &[Token], run: Range<usize>, belongs: impl Fn(&Token) -> bool) -> Range<usize> {
    let belongs = |at: usize| tokens.get(at).is_some_and(&belongs);
    let (mut start, mut end) = (run.start, run.end);
    while start < end && !belongs(start) {
        start += 1;
    }
    while end > start && !belongs(end - 1) {
        end -= 1;
    }
    start..end
}

fn person(tokens: &[Token], marginals: &[[f32; LABELS]], run: Range<usize>) -> Option<Hit> {
    let named = |token: &Token| token.shape.is_proper() || token.lists & LISTED != 0;
    let run = trimmed(tokens, run, |token| named(token) || token.shape == Shape::Initial);
    let name = tokens.get(run.clone())?;
    let uncased = |token: &Token| token.shape == Shape::Uncased;
    let possible = |token: &Token| {
        let long = uncased(token) && token.end - token.start > LONGEST_UNCASED;
        !token.joined && !token.shape.has_digits() && token.shape != Shape::Break && !long
    };
    if name.len() > 2 * LONGEST_NAME || !name.iter().any(named) || !name.iter().all(possible) {
        return None;
    }
    let least = if name.iter().any(uncased) { REPORTED_UNCASED } else { REPORTED.0 };
    let around = tokens.get(run.start.saturating_sub(NEAR)..run.start).into_iter();
    let mut around = around.chain(tokens.get(run.end..tokens.len().min(run.end + NEAR))).flatten();
    let listed = name.iter().any(|token| token.lists & LISTED != 0);
    if name.iter().any(uncased) && !listed && around.any(uncased) {
        return None;
    }
    hit(tokens, marginals, run, Label::Person).filter(|hit| hit.confidence >= least)
}

fn address(tokens: &[Token], marginals: &[[f32; LABELS]], run: Range<usize>) -> Option<Hit> {
    let run = trimmed(tokens, run, |token| !matches!(token.shape, Shape::Mark | Shape::Break));
    let parts = tokens.get(run.clone())?;
    let any = |part: fn(Shape) -> bool| parts.iter().any(|token| part(token.shape));
    if parts.len() < 2 || !any(Shape::has_digits) || !any(Shape::is_proper) {
        return None;
    }
    hit(tokens, marginals, run, Label::Address).filter(|hit| hit.confidence >= REPORTED.1)
}

/// The finding over a run of tokens, as sure as its tokens are on average.
fn hit(tokens: &[Token], marginals: &[[f32; LABELS]], run: Range<usize>, label: Label) -> Option<Hit> {
    let inside = marginals.get(run.clone())?;
    let sure: f32 = inside.iter().map(|marginal| label.of(marginal)).sum();
    let (kind, explanation) = match label {
        Label::Address => (PiiKind::Address, "words and numbers that read like a postal address"),
        Label::Person | Label::Other => (PiiKind::Person, "words that read like a person's name"),
    };
    Some(Hit {
        kind: Kind::Pii(kind),
        start: tokens.get(run.start)?.start as usize,
        end: tokens.get(run.end.checked_sub(1)?)?.end as usize,
        confidence: sure / inside.len() as f32,
        explanation,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tagger() -> Tagger {
        Tagger::parse(include_bytes!("../../../../models/names.bin")).unwrap()
    }

    #[track_caller]
    fn check(tagger: &Tagger, text: &str, expected: &[(&str, &str)]) {
        let hits = tagger.tag(text);
        let id = |hit: &Hit| match hit.kind {
            Kind::Pii(kind) => kind.id(),
            Kind::Secret(kind) => kind.id(),
        };
        let found: Vec<_> = hits.iter().map(|hit| (id(hit), &text[hit.start..hit.end])).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn names_and_addresses_are_found_and_other_capitals_are_not() {
        let tagger = tagger();
        let check = |text: &str, expected: &[(&str, &str)]| check(&tagger, text, expected);
        check("Please call Samuel Cain tomorrow.", &[("pii.person", "Samuel Cain")]);
        check("I spoke with Kenneth's sister.", &[("pii.person", "Kenneth")]);
        check(
            "Herr Schmidt wohnt in der Hauptstraße 12, 10115 Berlin.",
            &[("pii.person", "Schmidt"), ("pii.address", "Hauptstraße 12, 10115 Berlin")],
        );
        check(
            "Ship it to Åkergränd 616, 58038 Trollhättan",
            &[("pii.address", "Åkergränd 616, 58038 Trollhättan")],
        );
        check("Меня зовут Иван Петров.", &[("pii.person", "Иван Петров")]);
        for text in [
            "What is the capital of France?",
            "How do I install Python 3.12 on Ubuntu?",
            "On Monday the Ministry of Finance published its Annual Report.",
            "Write a function that sorts a list of numbers.",
            "john.smith@example.com",
            "",
        ] {
            check(text, &[]);
        }
    }

    #[test]
    fn files_are_written_as_they_are_read_and_others_are_refused() {
        let bytes = tagger().bytes();
        assert_eq!(bytes, include_bytes!("../../../../models/names.bin"));
        assert_eq!(Tagger::parse(b"something else").unwrap_err(), NamesError::Magic);
        assert_eq!(Tagger::parse(&bytes[..bytes.len() - 1]).unwrap_err(), NamesError::Size);
        let mut broken = bytes;
        broken[8..12].copy_from_slice(&f32::NAN.to_le_bytes());
        assert_eq!(Tagger::parse(&broken).unwrap_err(), NamesError::Number);
    }

    #[test]
    fn long_texts_are_read_in_blocks() {
        let text = "Please call Samuel Cain tomorrow.\n".repeat(2000);
        assert_eq!(tagger().tag(&text).len(), 2000);
    }

    /// The marginals by their definition: every row of labels weighed.
    fn naive(likelihoods: &[[f32; LABELS]], factors: &[[f32; LABELS]; LABELS]) -> Vec<[f32; LABELS]> {
        let count = LABELS.pow(likelihoods.len() as u32);
        let mut sums = vec![[0.0; LABELS]; likelihoods.len()];
        let mut total = 0.0;
        for row in 0..count {
            let label = |at: usize| row / LABELS.pow(at as u32) % LABELS;
            let mut weight: f32 = (0..likelihoods.len()).map(|at| likelihoods[at][label(at)]).product();
            weight *= (1..likelihoods.len()).map(|at| factors[label(at - 1)][label(at)]).product::<f32>();
            total += weight;
            (0..likelihoods.len()).for_each(|at| sums[at][label(at)] += weight);
        }
        sums.iter().map(|sums| sums.map(|sum| sum / total)).collect()
    }

    proptest! {
        #[test]
        fn marginals_are_those_of_all_labellings(
            likelihoods in proptest::collection::vec(proptest::array::uniform3(0.01_f32..1.0), 1..6),
            factors in proptest::array::uniform3(proptest::array::uniform3(0.1_f32..4.0)),
        ) {
            let mut marginals = Vec::new();
            forward_backward(likelihoods.iter().copied(), &factors, &mut Vec::new(), &mut marginals);
            for (fast, slow) in marginals.iter().zip(naive(&likelihoods, &factors)) {
                for (fast, slow) in fast.iter().zip(slow) {
                    prop_assert!((fast - slow).abs() < 1e-4);
                }
            }
        }

        #[test]
        fn any_text_is_tagged_in_order_on_character_boundaries(text in "(?s).{0,200}|([A-Z][a-zé]{1,8}[ ,.\n]{1,2}|[0-9]{1,5} ?){0,60}") {
            let mut reached = 0;
            for hit in tagger().tag(&text) {
                prop_assert!(reached <= hit.start && hit.start < hit.end && text.get(hit.start..hit.end).is_some());
                prop_assert!((0.0..=1.0001).contains(&hit.confidence));
                reached = hit.end;
            }
        }
    }
}
