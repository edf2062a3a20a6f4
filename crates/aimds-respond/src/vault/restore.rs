//! Puts values back in place of their placeholders, in whole texts and in texts that still grow.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aho_corasick::AhoCorasick;
use aimds_detect::validators::PiiKind;
use zeroize::Zeroizing;

use super::context::{Context, is_json};
use super::key::Key;
use super::stand_in::LONGEST;
use super::{Entry, Kinds, VaultError};
use crate::Edit;

/// The placeholders that a vault had given out at one moment, ready to be found. Immutable and shared.
pub(crate) struct StandIns {
    pub(super) key: Key,
    pub(super) entries: Vec<Entry>,
    finder: AhoCorasick,
}

impl StandIns {
    pub(super) fn new(key: Key, entries: Vec<Entry>) -> Result<Self, VaultError> {
        let finder = AhoCorasick::new(entries.iter().map(|entry| entry.stand_in.as_str()));
        Ok(Self { key, entries, finder: finder.map_err(|_| VaultError::Full)? })
    }

    /// Whether a text holds a placeholder that was given out as the `first`th or later.
    pub(super) fn says(&self, text: &str, first: usize) -> bool {
        self.finder.find_overlapping_iter(text).any(|found| found.pattern().as_usize() >= first)
    }
}

/// How much is put back, and where.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Kinds that are put back into the arguments of tool calls.
    pub calls: Kinds,
    /// Whether values are put back inside addresses on the web.
    pub addresses: bool,
}

/// What one exchange may put back, and how often it did.
pub struct Restoration {
    stand_ins: Arc<StandIns>,
    rules: Rules,
    restored: AtomicUsize,
    withheld: AtomicUsize,
}

impl std::fmt::Debug for Restoration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Restoration").field("values", &self.stand_ins.entries.len()).finish_non_exhaustive()
    }
}

/// How often placeholders were met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Met {
    /// With the value put back.
    pub restored: usize,
    /// Left as they were: in a tool call or an address.
    pub withheld: usize,
}

impl Restoration {
    pub(super) fn new(stand_ins: Arc<StandIns>, rules: Rules) -> Self {
        Self { stand_ins, rules, restored: AtomicUsize::new(0), withheld: AtomicUsize::new(0) }
    }

    /// How often placeholders were met so far.
    #[must_use]
    pub fn met(&self) -> Met {
        let load = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        Met { restored: load(&self.restored), withheld: load(&self.withheld) }
    }

    /// Where placeholders stand in a text, whatever stands around them.
    #[must_use]
    pub fn places(&self, text: &str) -> Vec<Range<usize>> {
        self.stand_ins.finder.find_iter(text).map(|found| found.span().into()).collect()
    }

    /// Drops the edits that only touch placeholders: what detection finds inside one is not the value.
    pub fn spare(&self, text: &str, edits: &mut Vec<Edit>) {
        if edits.is_empty() {
            return;
        }
        let places = self.places(text);
        edits.retain(|edit| {
            !places.iter().any(|place| place.start <= edit.span.start && edit.span.end <= place.end)
        });
    }

    /// A whole text as the caller gets it: with `edits` (of one text, in order) carried out and values put back where no
    /// edit is. `None` where nothing changes. `call` says that it is an argument of a tool call.
    #[must_use]
    pub fn whole(self: &Arc<Self>, text: &str, mut edits: Vec<Edit>, call: bool) -> Option<String> {
        self.spare(text, &mut edits);
        let (_, found) = Restorer::new(Arc::clone(self), call).advance(text, text.len(), true);
        let mut changes: Vec<(Range<usize>, &str)> =
            edits.iter().map(|edit| (edit.span.clone(), edit.replacement.as_str())).collect();
        let values =
            found.iter().filter_map(|found| Some((found.span.clone(), found.value.as_ref()?.as_str())));
        changes.extend(values.filter(|(span, _)| !edits.iter().any(|edit| overlap(&edit.span, span))));
        if changes.is_empty() {
            return None;
        }
        changes.sort_by_key(|(span, _)| span.start);
        let (mut out, mut from) = (String::with_capacity(text.len() + 64), 0);
        for (span, change) in changes {
            out.push_str(text.get(from..span.start).unwrap_or_default());
            out.push_str(change);
            from = span.end;
        }
        out.push_str(text.get(from..).unwrap_or_default());
        Some(out)
    }
}

fn overlap(left: &Range<usize>, right: &Range<usize>) -> bool {
    left.start < right.end && right.start < left.end
}

/// A placeholder that was met.
pub struct Found {
    /// Where.
    pub span: Range<usize>,
    /// What belongs there, escaped where the text is JSON; `None` where it is not put back. Wiped when dropped.
    pub value: Option<Zeroizing<String>>,
}

/// Goes over one text that may still grow. However it grows, what is put back is what would be in the whole text.
pub struct Restorer {
    of: Arc<Restoration>,
    call: bool,
    at: usize,
    context: Context,
    json: Option<bool>,
}

impl std::fmt::Debug for Restorer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Restorer").field("at", &self.at).finish_non_exhaustive()
    }
}

impl Restorer {
    /// At the beginning of a text. `call` says that it is an argument of a tool call.
    #[must_use]
    pub fn new(of: Arc<Restoration>, call: bool) -> Self {
        Self { of, call, at: 0, context: Context::default(), json: None }
    }

    /// What the text belongs to.
    #[must_use]
    pub fn of(&self) -> &Arc<Restoration> {
        &self.of
    }

    /// Goes on to `to`. `text` is everything that has arrived, from its beginning; with `complete`, nothing follows.
    ///
    /// Gives the place up to which everything is settled, which lies before `to` where a placeholder goes across it or may
    /// do so with what follows (never more than [`super::LONGEST`] bytes), and the placeholders since the last call. Linear.
    pub fn advance(&mut self, text: &str, to: usize, complete: bool) -> (usize, Vec<Found>) {
        let asked = if complete { text.len() } else { to.min(text.len()) };
        // What stands behind this may be the beginning of a placeholder.
        let open = if complete { 0 } else { self.of.stand_ins.finder.max_pattern_len().saturating_sub(1) };
        let to = text.floor_char_boundary(asked.min(text.len().saturating_sub(open)));
        let mut found = Vec::new();
        if to <= self.at {
            return (self.at, found);
        }
        let of = Arc::clone(&self.of);
        let ahead = text.get(self.at..text.floor_char_boundary(to + LONGEST)).unwrap_or_default();
        let (base, mut settled) = (self.at, to);
        for place in of.stand_ins.finder.find_iter(ahead) {
            let span = base + place.start()..base + place.end();
            if span.start >= to {
                break;
            }
            if span.end > asked {
                settled = span.start;
                break;
            }
            settled = settled.max(span.end);
            self.follow(text, span.start);
            let value = of.stand_ins.entries.get(place.pattern().as_usize()).and_then(|entry| {
                self.may(entry.kind).then(|| self.value(entry, text, span.start)).flatten()
            });
            let counter = if value.is_some() { &of.restored } else { &of.withheld };
            counter.fetch_add(1, Ordering::Relaxed);
            self.follow(text, span.end);
            found.push(Found { span, value });
        }
        // Nobody asks what stands behind the last placeholder of a whole text.
        if !complete {
            self.follow(text, settled);
        }
        self.at = settled;
        (settled, found)
    }

    fn follow(&mut self, text: &str, to: usize) {
        self.context.follow(text.as_bytes(), self.at, to);
        self.at = to.max(self.at);
    }

    fn may(&self, kind: PiiKind) -> bool {
        let rules = &self.of.rules;
        (!self.call || rules.calls.contains(kind)) && (rules.addresses || !self.context.in_address())
    }

    fn value(&mut self, entry: &Entry, text: &str, at: usize) -> Option<Zeroizing<String>> {
        let value = entry.open(&self.of.stand_ins.key).ok()?;
        let json = *self.json.get_or_insert_with(|| is_json(text.get(..at).unwrap_or_default()));
        if !json {
            return Some(value);
        }
        let quoted = Zeroizing::new(serde_json::to_string(value.as_str()).ok()?);
        quoted.get(1..quoted.len().saturating_sub(1)).map(|inner| Zeroizing::new(inner.to_owned()))
    }
}
