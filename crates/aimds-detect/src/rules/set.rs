//! Rules ready for use. A literal prefilter finds the places where a rule could begin; only there its pattern runs.

use std::ops::Range;
use std::sync::Arc;

use aho_corasick::AhoCorasick;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::util::pool::Pool;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};
use regex_syntax::hir::Hir;
use regex_syntax::hir::literal::Extractor;

use super::file::{RuleFile, Severity, Status};
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
    /// The prefilter cannot be built.
    #[error("the literal prefilter cannot be built: {0}")]
    Prefilter(String),
}

/// A place where a rule matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleHit {
    /// Position of the rule in the set.
    pub rule: usize,
    /// Byte range in the text.
    pub range: Range<usize>,
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
    pub(crate) origins: Vec<Origin>,
}

/// A pattern with an automaton that is built while it runs. Walking it by hand, from places that the prefilter found,
/// costs a few bytes for each place where it fails, and tells how many bytes they were.
#[derive(Debug)]
struct Pattern {
    rule: usize,
    dfa: DFA,
    /// Bytes of its longest match.
    longest: usize,
}

/// What searching needs and keeps from one text to the next. Every thread that searches has its own.
#[derive(Debug, Default)]
struct Scratch {
    /// Number of the current search; what bears another number is of an earlier one.
    search: u64,
    patterns: Vec<Progress>,
    /// The search in which each rule was found last.
    found: Vec<u64>,
}

/// How far one pattern has come.
#[derive(Debug, Default)]
struct Progress {
    search: u64,
    /// Bytes that it may still walk from place to place; 0 if there is nothing more to find.
    steps: usize,
    /// Places before this one cannot be the beginning of a match.
    from: usize,
    cache: Option<Cache>,
}

/// A compiled set of rules.
#[derive(Debug)]
pub struct RuleSet {
    rules: Vec<Rule>,
    patterns: Vec<Pattern>,
    prefixes: AhoCorasick,
    /// The patterns that may begin with each prefix.
    begins: Vec<Vec<u32>>,
    scratch: Pool<Scratch, fn() -> Scratch>,
}

/// A pattern that has walked this many bytes for each byte of the text, from places where it failed, is searched for
/// once in the rest of the text instead, so that a text made of beginnings of matches costs each pattern linear time.
const STEPS_PER_BYTE: usize = 1;
/// Steps that every pattern has, and that one place costs besides the bytes that are walked.
const STEPS: usize = 1024;
const STEPS_PER_PLACE: usize = 4;
/// Memory for the automaton of one pattern. What does not fit is built again.
const CACHE_BYTES: usize = 1 << 18;
/// Size limit of a compiled pattern.
const NFA_BYTES: usize = 1 << 20;
/// Fewest bytes of a prefix.
const SHORTEST_PREFIX: usize = 3;
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
        for file in files {
            let unknown = |what| RuleError::Unknown { rule: file.id.clone(), what };
            for (position, pattern) in file.patterns.iter().enumerate() {
                let error = |reason: String| RuleError::Pattern { rule: file.id.clone(), pattern: position + 1, reason };
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
                patterns.push(Pattern { rule: rules.len(), dfa, longest });
            }
            rules.push(Rule {
                id: file.id.as_str().into(),
                why: file.why.as_str().into(),
                category: file.category().ok_or_else(|| unknown("category"))?,
                severity: file.severity,
                status: file.status,
                origins: file.origins().ok_or_else(|| unknown("origin"))?,
            });
        }
        let prefixes =
            AhoCorasick::builder().build(&literals).map_err(|error| RuleError::Prefilter(error.to_string()))?;
        Ok(Self { rules, patterns, prefixes, begins, scratch: Pool::new(Scratch::default) })
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

    /// The first hit of each rule that applies to `origin`, in order of the text.
    ///
    /// One pass of the prefilter, plus work that is linear in the text for each pattern whose prefix occurs; a rule
    /// whose prefixes do not occur costs nothing.
    #[must_use]
    pub fn find(&self, text: &str, origin: Origin, mask: &RuleMask) -> Vec<RuleHit> {
        let mut hits: Vec<RuleHit> = Vec::new();
        let mut scratch = self.scratch.get();
        let Scratch { search, patterns, found } = &mut *scratch;
        *search += 1;
        patterns.resize_with(self.patterns.len(), Progress::default);
        found.resize(self.rules.len(), 0);
        for place in self.prefixes.find_overlapping_iter(text) {
            for &index in self.begins.get(place.pattern().as_usize()).into_iter().flatten() {
                let index = index as usize;
                let (Some(pattern), Some(progress)) = (self.patterns.get(index), patterns.get_mut(index)) else { continue };
                if progress.search != *search {
                    let applies =
                        self.rule(pattern.rule).is_some_and(|rule| rule.origins.contains(&origin)) && !mask.off.contains(&pattern.rule);
                    progress.search = *search;
                    progress.from = 0;
                    progress.steps = if applies { STEPS + text.len().saturating_mul(STEPS_PER_BYTE) } else { 0 };
                }
                let Some(found) = found.get_mut(pattern.rule) else { continue };
                if progress.steps == 0 || place.start() < progress.from || *found == *search {
                    continue;
                }
                if let Some(end) = pattern.ends(text, place.start(), progress) {
                    *found = *search;
                    hits.push(RuleHit { rule: pattern.rule, range: place.start()..end });
                }
            }
        }
        hits.sort_by_key(|hit| (hit.range.start, hit.rule));
        hits
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
    /// The end of the match that begins at `start`. Where the pattern has walked too far in vain, it is searched for
    /// once, which tells where to go on.
    fn ends(&self, text: &str, start: usize, progress: &mut Progress) -> Option<usize> {
        let cache = progress.cache.get_or_insert_with(|| self.dfa.create_cache());
        if progress.steps == 1 {
            progress.steps = 0;
            progress.from = self.search(text, start, cache)?.saturating_sub(self.longest);
            progress.steps = usize::MAX;
            if start < progress.from {
                return None;
            }
        }
        let (end, steps) = self.walk(text, start, cache)?;
        progress.steps = progress.steps.saturating_sub(steps + STEPS_PER_PLACE).max(1);
        end
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
        self.dfa.try_search_fwd(cache, &Input::new(text).range(start..)).ok().flatten().map(|half| half.offset())
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
        return Err(format!("may begin with {:?}, which is too short to look for", String::from_utf8_lossy(short)));
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
