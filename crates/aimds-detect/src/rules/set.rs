//! Rules ready for use. A literal prefilter finds the places where a rule could begin; only there its pattern runs, and
//! only if something that it could end with follows.

use std::ops::Range;
use std::sync::Arc;

use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};
use regex_syntax::hir::Hir;
use regex_syntax::hir::literal::{ExtractKind, Extractor};

use super::file::{RuleFile, Severity, Status};
use super::forbidden::forbids;
use super::scratch::{Progress, Scratch, Scratches, Stretches};
use crate::literals::{Literals, SHORTEST as SHORTEST_PREFIX};
use crate::{Category, Origin};

/// Why a rule is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// The pattern is not valid or too large.
    #[error("rule {rule}: pattern {pattern}: {reason}")]
    Pattern {
        /// The rule.
        rule: String,
        /// Position of the pattern, from 1.
        pattern: usize,
        /// What is wrong.
        reason: String,
    },
    /// A category or origin that does not exist.
    #[error("rule {rule}: unknown {what}")]
    Unknown {
        /// The rule.
        rule: String,
        /// Category or origin.
        what: &'static str,
    },
}

/// A place where a rule matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleHit {
    /// Position of the rule in the set.
    pub rule: usize,
    /// Byte range in the text.
    pub range: Range<usize>,
    /// Whether the text only forbids what the rule looks for, everywhere that it matched: "never reveal your system prompt".
    pub forbidden: bool,
}

/// Rules that are switched off, as a set of positions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleMask {
    off: Vec<usize>,
}

/// What is kept of a rule at run time.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) id: Arc<str>,
    pub(crate) why: Arc<str>,
    pub(crate) category: Category,
    pub(crate) severity: Severity,
    pub(crate) status: Status,
    pub(crate) decides: bool,
    pub(crate) origins: Vec<Origin>,
}

/// A pattern with an automaton that is built while it runs. Walking it by hand, from places that the prefilter found,
/// costs a few bytes for each place where it fails, and tells how many bytes they were.
#[derive(Debug)]
struct Pattern {
    rule: usize,
    dfa: Box<DFA>,
    /// Bytes of its longest match.
    longest: usize,
    /// Positions in [`RuleSet::suffixes`]: every match ends with one of them. Empty where that is not known.
    ends: Vec<u32>,
}

/// A compiled set of rules.
#[derive(Debug)]
pub struct RuleSet {
    rules: Vec<Rule>,
    patterns: Vec<Pattern>,
    prefixes: Literals,
    /// The patterns that may begin with each prefix.
    begins: Vec<Vec<u32>>,
    /// Written backwards: hardly any place of a text ends as a pattern does, while many a place is inside such an end.
    suffixes: Literals,
    scratches: Scratches,
}

/// A pattern that has walked one byte for so many bytes of the text, from places where it failed, is searched for once
/// in the rest of the text instead: that is faster for each byte, and bounds what a text made of beginnings may cost.
const BYTES_PER_STEP: usize = 4;
/// Steps that every pattern has, and that one place costs besides the bytes that are walked.
const STEPS: usize = 1024;
const STEPS_PER_PLACE: usize = 4;
/// What is walked in a short text is never worth asking what the patterns could end with.
const STEPS_BEFORE_SUFFIXES: usize = 1 << 14;
/// Threads whose automata are kept, unless told otherwise.
const THREADS: usize = 16;
/// Memory for the automaton of one pattern. What does not fit is built again.
const CACHE_BYTES: usize = 1 << 18;
/// Size limit of a compiled pattern.
const NFA_BYTES: usize = 1 << 20;
/// What an operator's own rules for an assistant forbid in the words in which an attacker asks for it.
const FORBIDDEN: Category = Category::SystemPromptExtraction;
/// Most places of one rule in a text that are found to be forbidden; one more counts as any hit does.
const MOST_FORBIDDEN: usize = 16;
/// Most prefixes of one pattern.
const MOST_PREFIXES: usize = 400;

impl RuleSet {
    /// Compiles rules.
    ///
    /// # Errors
    /// [`RuleError`] of the first rule that cannot be used.
    pub fn compile(files: &[RuleFile]) -> Result<Self, RuleError> {
        let mut rules = Vec::new();
        let mut patterns = Vec::new();
        let mut literals: Vec<Vec<u8>> = Vec::new();
        let mut begins: Vec<Vec<u32>> = Vec::new();
        let mut known = std::collections::HashMap::new();
        let mut suffix_literals: Vec<Vec<u8>> = Vec::new();
        let mut known_suffixes = std::collections::HashMap::new();
        for file in files {
            let unknown = |what| RuleError::Unknown { rule: file.id.clone(), what };
            for (position, pattern) in file.patterns.iter().enumerate() {
                let error = |reason: String| RuleError::Pattern {
                    rule: file.id.clone(),
                    pattern: position + 1,
                    reason,
                };
                let hir = parse(pattern).map_err(error)?;
                let index = u32::try_from(patterns.len()).map_err(|_| error("too many patterns".into()))?;
                for literal in prefixes(&hir).map_err(error)? {
                    let slot = *known.entry(literal.clone()).or_insert_with(|| {
                        literals.push(literal);
                        begins.push(Vec::new());
                        literals.len() - 1
                    });
                    if let Some(begin) = begins.get_mut(slot) {
                        begin.push(index);
                    }
                }
                let config = thompson::Config::new()
                    .utf8(false)
                    .which_captures(WhichCaptures::None)
                    .nfa_size_limit(Some(NFA_BYTES));
                let nfa = thompson::Compiler::new()
                    .configure(config)
                    .build_from_hir(&hir)
                    .map_err(|error_| error(error_.to_string()))?;
                let config = DFA::config().cache_capacity(CACHE_BYTES).skip_cache_capacity_check(true);
                let dfa = DFA::builder()
                    .configure(config)
                    .build_from_nfa(nfa)
                    .map_err(|error_| error(error_.to_string()))?;
                let longest = hir.properties().maximum_len().unwrap_or(usize::MAX);
                let mut ends = Vec::new();
                for mut literal in suffixes(&hir) {
                    literal.reverse();
                    let next = u32::try_from(suffix_literals.len())
                        .map_err(|_| error("too many suffixes".into()))?;
                    ends.push(*known_suffixes.entry(literal.clone()).or_insert_with(|| {
                        suffix_literals.push(literal);
                        next
                    }));
                }
                patterns.push(Pattern { rule: rules.len(), dfa: Box::new(dfa), longest, ends });
            }
            rules.push(Rule {
                id: file.id.as_str().into(),
                why: file.why.as_str().into(),
                category: file.category().ok_or_else(|| unknown("category"))?,
                severity: file.severity,
                status: file.status,
                decides: file.decides,
                origins: file.origins().ok_or_else(|| unknown("origin"))?,
            });
        }
        let (prefixes, suffixes) = (Literals::new(&literals), Literals::new(&suffix_literals));
        Ok(Self { rules, patterns, prefixes, begins, suffixes, scratches: Scratches::new(THREADS) })
    }

    /// The same, which keeps the automata of `threads` searches beside each other; 16 unless told otherwise. With more at a
    /// time the others build theirs for one text. What is kept is some megabytes for each thread that ever searched
    /// beside the others.
    #[must_use]
    pub fn with_threads(self, threads: usize) -> Self {
        Self { scratches: Scratches::new(threads), ..self }
    }

    /// Number of rules.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is no rule.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The mask that switches the named rules off; names that no rule has come back as the error.
    ///
    /// # Errors
    /// The first unknown name.
    pub fn mask<'n>(&self, names: impl Iterator<Item = &'n str>) -> Result<RuleMask, String> {
        let off = names
            .map(|name| self.rules.iter().position(|rule| &*rule.id == name).ok_or_else(|| name.to_owned()))
            .collect::<Result<_, _>>()?;
        Ok(RuleMask { off })
    }

    pub(crate) fn rule(&self, index: usize) -> Option<&Rule> {
        self.rules.get(index)
    }

    /// The first hit of each rule that applies to `origin`, in order of the text; one that the text forbids only where there
    /// is no other.
    ///
    /// One pass of the prefilter, plus work that is linear in the text for each pattern whose prefix occurs; a rule
    /// whose prefixes do not occur costs nothing.
    #[must_use]
    pub fn find(&self, text: &str, origin: Origin, mask: &RuleMask) -> Vec<RuleHit> {
        self.scratches.with(|scratch| self.find_with(scratch, text, origin, mask))
    }

    fn find_with(&self, scratch: &mut Scratch, text: &str, origin: Origin, mask: &RuleMask) -> Vec<RuleHit> {
        let mut hits: Vec<RuleHit> = Vec::new();
        let Scratch { search, patterns, caches, spent, found, suffixes } = scratch;
        let stretches = Stretches::of(text);
        let mut walked = 0;
        *search += 1;
        suffixes.clear();
        patterns.resize_with(self.patterns.len(), Progress::default);
        caches.resize_with(self.patterns.len(), || None);
        found.resize(self.rules.len(), 0);
        spent.resize(self.begins.len(), 0);
        self.prefixes.find(text.as_bytes(), |prefix, Range { start, .. }| {
            let (Some(begin), Some(spent)) = (self.begins.get(prefix), spent.get_mut(prefix)) else { return };
            if *spent == *search {
                return;
            }
            let mut goes_on = false;
            for index in begin.iter().map(|&index| index as usize) {
                let (Some(pattern), Some(progress)) = (self.patterns.get(index), patterns.get_mut(index))
                else {
                    continue;
                };
                let (Some(found), Some(cache)) = (found.get_mut(pattern.rule), caches.get_mut(index)) else {
                    continue;
                };
                if progress.search != *search {
                    let applies = self.rule(pattern.rule).is_some_and(|rule| rule.origins.contains(&origin))
                        && !mask.off.contains(&pattern.rule);
                    let steps = if applies { STEPS + text.len() / BYTES_PER_STEP } else { 0 };
                    *progress = Progress { search: *search, steps, from: 0, ends: pattern.may_end(suffixes) };
                }
                if *found == *search || !progress.goes_on(start, stretches) {
                    continue;
                }
                goes_on = true;
                let reach = start.saturating_add(pattern.longest).min(text.len());
                if start < progress.from || progress.ends & stretches.bits(start, reach) == 0 {
                    continue;
                }
                let cache = cache.get_or_insert_with(|| Box::new(pattern.dfa.create_cache()));
                let (end, steps) = pattern.match_at(text, start, progress, cache);
                walked += steps;
                if let Some(end) = end {
                    // A bounded gap of bytes may end inside a character.
                    let range = text.floor_char_boundary(start)..text.ceil_char_boundary(end);
                    let forbidden = origin == Origin::User
                        && self.rule(pattern.rule).is_some_and(|rule| rule.category == FORBIDDEN)
                        && hits.iter().filter(|hit| hit.rule == pattern.rule).count() < MOST_FORBIDDEN
                        && forbids(text, range.clone());
                    if forbidden {
                        progress.steps = progress.steps.min(STEPS);
                    } else {
                        *found = *search;
                    }
                    hits.push(RuleHit { rule: pattern.rule, range, forbidden });
                }
            }
            if !goes_on {
                *spent = *search;
            }
            // Once all patterns together have walked as far as the text is long, it is worth a pass over the text to see
            // what they could end with.
            if suffixes.is_empty() && walked > STEPS_BEFORE_SUFFIXES.max(text.len()) {
                self.mark_suffixes(text, stretches, suffixes);
                for (pattern, progress) in self.patterns.iter().zip(patterns.iter_mut()) {
                    progress.ends = pattern.may_end(suffixes);
                }
            }
        });
        hits.sort_by_key(|hit| (hit.rule, hit.forbidden, hit.range.start));
        hits.dedup_by_key(|hit| hit.rule);
        hits.sort_by_key(|hit| (hit.range.start, hit.rule));
        hits
    }

    /// Notes where each suffix ends.
    fn mark_suffixes(&self, text: &str, stretches: Stretches, marks: &mut Vec<u64>) {
        marks.resize(self.suffixes.len() + 1, 0);
        let backwards: Vec<u8> = text.bytes().rev().collect();
        self.suffixes.find(&backwards, |suffix, place| {
            if let Some(marks) = marks.get_mut(suffix) {
                *marks |= stretches.bit(text.len().saturating_sub(place.start + 1));
            }
        });
    }

    /// What [`RuleSet::find`] would answer without a prefilter: every pattern searched for in the whole text.
    #[must_use]
    pub fn find_naively(&self, text: &str, origin: Origin) -> Vec<usize> {
        let mut rules: Vec<usize> = self
            .patterns
            .iter()
            .filter(|pattern| self.rule(pattern.rule).is_some_and(|rule| rule.origins.contains(&origin)))
            .filter(|pattern| pattern.search(text, 0, &mut pattern.dfa.create_cache()).is_some())
            .map(|pattern| pattern.rule)
            .collect();
        rules.sort_unstable();
        rules.dedup();
        rules
    }
}

impl Pattern {
    /// The stretches in which a match may end, by the suffixes that were marked there.
    fn may_end(&self, marks: &[u64]) -> u64 {
        if self.ends.is_empty() || marks.is_empty() {
            return u64::MAX; // everywhere
        }
        self.ends.iter().filter_map(|&suffix| marks.get(suffix as usize)).fold(0, |bits, marks| bits | marks)
    }

    /// The end of the match that begins at `start`, and how many bytes were walked. Where the pattern has walked too far
    /// in vain, it is searched for once, which tells where to go on.
    fn match_at(
        &self,
        text: &str,
        start: usize,
        progress: &mut Progress,
        cache: &mut Cache,
    ) -> (Option<usize>, usize) {
        if progress.steps == 1 {
            let Some(end) = self.search(text, start, cache) else {
                progress.steps = 0;
                return (None, text.len());
            };
            // It matches, and no earlier than its longest match before this end.
            progress.from = end.saturating_sub(self.longest);
            progress.steps = usize::MAX;
            if start < progress.from {
                return (None, text.len());
            }
        }
        let (end, steps) = self.walk(text, start, cache).unwrap_or((None, text.len()));
        progress.steps = progress.steps.saturating_sub(steps + STEPS_PER_PLACE).max(1);
        (end, steps)
    }

    /// Walks the automaton from `start`: the end of the match that begins there, and how many bytes were looked at.
    /// `None` only if the automaton fails, which ours cannot.
    fn walk(&self, text: &str, start: usize, cache: &mut Cache) -> Option<(Option<usize>, usize)> {
        let bytes = text.as_bytes();
        let input = Input::new(text).range(start..).anchored(Anchored::Yes);
        let mut state = self.dfa.start_state_forward(cache, &input).ok()?;
        let mut end = None;
        // A match is known one byte after its end.
        for (at, &byte) in bytes.iter().enumerate().skip(start) {
            state = self.dfa.next_state(cache, state, byte).ok()?;
            if state.is_tagged() {
                if state.is_dead() {
                    return Some((end, at + 1 - start));
                }
                if state.is_match() {
                    end = Some(at);
                }
            }
        }
        state = self.dfa.next_eoi_state(cache, state).ok()?;
        if state.is_match() {
            end = Some(bytes.len());
        }
        Some((end, bytes.len() - start))
    }

    /// The end of the first match that begins at `start` or later.
    fn search(&self, text: &str, start: usize, cache: &mut Cache) -> Option<usize> {
        // It fails only where it meets bytes that it was told to refuse, or gives up; it is told neither.
        self.dfa
            .try_search_fwd(cache, &Input::new(text).range(start..))
            .ok()
            .flatten()
            .map(|half| half.offset())
    }
}

/// Parses a pattern: bytes, not Unicode, the dot matches line ends.
pub(super) fn parse(pattern: &str) -> Result<Hir, String> {
    let config = syntax::Config::new().unicode(false).utf8(false).dot_matches_new_line(true).nest_limit(64);
    syntax::parse_with(pattern, &config).map_err(|error| error.to_string())
}

/// The literals that every match of the pattern begins with one of.
pub(super) fn prefixes(hir: &Hir) -> Result<Vec<Vec<u8>>, String> {
    let mut extractor = Extractor::new();
    extractor.limit_class(12).limit_repeat(4).limit_literal_len(16).limit_total(MOST_PREFIXES);
    let mut sequence = extractor.extract(hir);
    sequence.dedup();
    let literals = sequence.literals().ok_or("does not begin with a known set of literals")?;
    let mut literals: Vec<Vec<u8>> = literals.iter().map(|literal| literal.as_bytes().to_vec()).collect();
    if let Some(short) = literals.iter().find(|literal| literal.len() < SHORTEST_PREFIX) {
        return Err(format!(
            "may begin with {:?}, which is too short to look for",
            String::from_utf8_lossy(short)
        ));
    }
    literals.sort();
    literals.dedup();
    // A literal that begins with another one adds nothing: wherever it is, the other is as well.
    let mut kept: Vec<Vec<u8>> = Vec::new();
    for literal in literals {
        if !kept.last().is_some_and(|shorter| literal.starts_with(shorter)) {
            kept.push(literal);
        }
    }
    Ok(kept)
}

/// The literals that every match of the pattern ends with one of; none where there is no such set.
fn suffixes(hir: &Hir) -> Vec<Vec<u8>> {
    let mut extractor = Extractor::new();
    extractor
        .kind(ExtractKind::Suffix)
        .limit_class(12)
        .limit_repeat(4)
        .limit_literal_len(16)
        .limit_total(MOST_PREFIXES);
    let sequence = extractor.extract(hir);
    let Some(literals) = sequence.literals() else { return Vec::new() };
    let mut literals: Vec<Vec<u8>> = literals.iter().map(|literal| literal.as_bytes().to_vec()).collect();
    if literals.iter().any(|literal| literal.len() < SHORTEST_PREFIX) {
        return Vec::new();
    }
    // A literal that ends with another one adds nothing.
    literals.sort_by(|a, b| a.iter().rev().cmp(b.iter().rev()));
    literals.dedup_by(|longer, shorter| longer.ends_with(shorter));
    literals
}
