//! Rules ready for use. A literal prefilter finds the places where a rule could begin; only there its pattern runs.

use std::ops::Range;
use std::sync::Arc;

use aho_corasick::AhoCorasick;
use regex_automata::meta::Regex;
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

#[derive(Debug)]
struct Pattern {
    rule: usize,
    regex: Regex,
}

/// A compiled set of rules.
#[derive(Debug)]
pub struct RuleSet {
    rules: Vec<Rule>,
    patterns: Vec<Pattern>,
    prefixes: AhoCorasick,
    /// The patterns that may begin with each prefix.
    begins: Vec<Vec<u32>>,
}

/// A pattern that failed at this many places is searched for once in the rest of the text instead, so that a text made
/// of prefixes costs one linear pass for each pattern and not one attempt for each place.
const ATTEMPTS: u32 = 24;
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
                let regex = Regex::builder()
                    .configure(Regex::config().utf8_empty(false).nfa_size_limit(Some(NFA_BYTES)))
                    .build_from_hir(&hir)
                    .map_err(|error_| error(error_.to_string()))?;
                patterns.push(Pattern { rule: rules.len(), regex });
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
        Ok(Self { rules, patterns, prefixes, begins })
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
        // Patterns that were tried: (pattern, attempts left).
        let mut tried: Vec<(u32, u32)> = Vec::new();
        for place in self.prefixes.find_overlapping_iter(text) {
            for &index in self.begins.get(place.pattern().as_usize()).into_iter().flatten() {
                let Some(pattern) = self.patterns.get(index as usize) else { continue };
                let slot = match tried.iter().position(|(known, _)| *known == index) {
                    Some(slot) => slot,
                    None => {
                        let applies =
                            self.rule(pattern.rule).is_some_and(|rule| rule.origins.contains(&origin)) && !mask.off.contains(&pattern.rule);
                        tried.push((index, if applies { ATTEMPTS } else { 0 }));
                        tried.len() - 1
                    }
                };
                let Some((_, left)) = tried.get_mut(slot) else { continue };
                if *left == 0 || hits.iter().any(|hit| hit.rule == pattern.rule) {
                    continue;
                }
                *left -= 1;
                let input = Input::new(text).range(place.start()..);
                let anchored = if *left == 0 { Anchored::No } else { Anchored::Yes };
                if let Some(found) = pattern.regex.search(&input.anchored(anchored)) {
                    *left = 0;
                    hits.push(RuleHit { rule: pattern.rule, range: found.range() });
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
            .filter(|pattern| pattern.regex.is_match(text))
            .map(|pattern| pattern.rule)
            .collect();
        rules.sort_unstable();
        rules.dedup();
        rules
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
