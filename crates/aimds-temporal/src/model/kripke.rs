//! The model: states, what holds in each, and which may follow which.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

/// The most states a model can have.
pub const MAX_STATES: usize = 1_000_000;
/// The most transitions a model can have, and the most propositions over all states.
pub const MAX_TRANSITIONS: usize = 10_000_000;

/// A state of one model: its place among the names in byte order, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StateId(pub(crate) u32);

impl StateId {
    /// The place as an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Why something is not a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KripkeError {
    /// Not JSON, or not of the shape of a model; with line and column.
    #[error("cannot read the model: {0}")]
    Json(String),
    /// There is no state to begin in.
    #[error("no initial state")]
    NoInitialState,
    /// Two states have the same name.
    #[error("state `{0}` is given twice")]
    DuplicateState(String),
    /// `initial` or the `next` of a state names a state that is not there.
    #[error("{named_by} names the unknown state `{name}`{}", Suggestion(nearest))]
    UnknownState {
        /// `initial`, or the state whose `next` it is.
        named_by: String,
        /// The unknown name.
        name: String,
        /// A state whose name differs little.
        nearest: Option<String>,
    },
    /// The model lists its propositions, and a state has another.
    #[error(
        "state `{state}` has the proposition `{prop}`, which `props` does not list{}",
        Suggestion(nearest)
    )]
    UnlistedProposition {
        /// The state.
        state: String,
        /// What it has.
        prop: String,
        /// A listed proposition that differs little.
        nearest: Option<String>,
    },
    /// More than [`MAX_STATES`] or [`MAX_TRANSITIONS`].
    #[error("more than {limit} {what}")]
    TooMany {
        /// `states`, `transitions`, or `propositions`.
        what: &'static str,
        /// The most that is allowed.
        limit: usize,
    },
}

/// The end of a message: what was probably meant.
pub(crate) struct Suggestion<'a>(pub(crate) &'a Option<String>);

impl fmt::Display for Suggestion<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |name| write!(f, "; did you mean `{name}`?"))
    }
}

/// Among `known`, the name that differs least from `name`, if by no more than a third of its letters.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let most = (name.len() / 3).max(1);
    known
        .into_iter()
        .filter(|other| other.len().abs_diff(name.len()) <= most)
        .map(|other| (aimds_sequence::levenshtein(name.as_bytes(), other.as_bytes()), other))
        .filter(|&(distance, _)| distance <= most)
        .min()
        .map(|(_, other)| other.to_owned())
}

/// A model with finitely many states: a Kripke structure. Every state has a successor: one that is given none repeats for
/// ever (it *stutters*), so that every run is infinite. Two models are equal if their states, propositions and transitions
/// are, in whatever order they were given.
///
/// ```
/// use aimds_temporal::model::KripkeStructure;
///
/// let model = KripkeStructure::from_json(
///     r#"{"initial": ["asked"], "states": {
///         "asked": {"props": ["request"], "next": ["asked", "answered"]},
///         "answered": {"props": ["answer"]}}}"#,
/// )?;
/// assert_eq!((model.state_count(), model.transition_count()), (2, 3));
/// # Ok::<(), aimds_temporal::model::KripkeError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KripkeStructure {
    /// In byte order.
    names: Vec<String>,
    /// In byte order.
    vocabulary: Vec<String>,
    /// Whether the vocabulary was listed, and may therefore hold what no state has.
    listed: bool,
    initial: Vec<StateId>,
    props: Rows<u32>,
    next: Rows<StateId>,
}

impl KripkeStructure {
    /// A model to be filled.
    pub fn builder() -> KripkeBuilder {
        KripkeBuilder::default()
    }

    /// Reads `{"initial": ["s0"], "states": {"s0": {"props": ["a"], "next": ["s1"]}, …}}`. An optional `"props": […]` lists
    /// every proposition there is; then a formula may speak of one that no state has, and no state may have another.
    pub fn from_json(text: &str) -> Result<Self, KripkeError> {
        let document: Document =
            serde_json::from_str(text).map_err(|error| KripkeError::Json(error.to_string()))?;
        document.builder().build()
    }

    /// What [`from_json`](Self::from_json) reads, with states and transitions in order.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// How many states there are.
    pub fn state_count(&self) -> usize {
        self.names.len()
    }

    /// How many transitions there are, those of stuttering states included.
    pub fn transition_count(&self) -> usize {
        self.next.items.len()
    }

    /// All states, in order.
    pub fn states(&self) -> impl Iterator<Item = StateId> + use<> {
        (0..self.names.len() as u32).map(StateId)
    }

    /// Where a run may begin, in order.
    pub fn initial(&self) -> &[StateId] {
        &self.initial
    }

    /// What may follow `state`, in order; never empty for a state of this model.
    pub fn next(&self, state: StateId) -> &[StateId] {
        self.next.row(state.index())
    }

    /// The name of `state`; empty for a state of another model.
    pub fn name(&self, state: StateId) -> &str {
        self.names.get(state.index()).map_or("", String::as_str)
    }

    /// The state called `name`.
    pub fn state(&self, name: &str) -> Option<StateId> {
        find(&self.names, name).map(StateId)
    }

    /// What holds in `state`, in order.
    pub fn props(&self, state: StateId) -> impl Iterator<Item = &str> {
        let numbers = self.props.row(state.index()).iter();
        numbers.filter_map(|&number| self.vocabulary.get(number as usize)).map(String::as_str)
    }

    /// Whether `prop` holds in `state`.
    pub fn holds(&self, state: StateId, prop: &str) -> bool {
        self.has(state, find(&self.vocabulary, prop))
    }

    /// Whether `prop` holds, for each state in order.
    pub(super) fn where_holds(&self, prop: &str) -> impl Iterator<Item = bool> {
        let number = find(&self.vocabulary, prop);
        self.states().map(move |state| self.has(state, number))
    }

    fn has(&self, state: StateId, prop: Option<u32>) -> bool {
        prop.is_some_and(|prop| self.props.row(state.index()).binary_search(&prop).is_ok())
    }

    /// Every proposition, in order: those that were listed, else those that some state has.
    pub fn vocabulary(&self) -> &[String] {
        &self.vocabulary
    }

    /// The same model, in which these propositions exist as well, though no state has them.
    #[must_use]
    pub fn with_vocabulary(mut self, props: impl IntoIterator<Item = String>) -> Self {
        let before = std::mem::take(&mut self.vocabulary);
        self.vocabulary = before.iter().cloned().chain(props).collect();
        self.vocabulary.sort_unstable();
        self.vocabulary.dedup();
        self.listed |= self.vocabulary.len() > before.len();
        // Both are sorted, so rows stay in order.
        let moved: Vec<u32> = before.iter().filter_map(|name| find(&self.vocabulary, name)).collect();
        for number in &mut self.props.items {
            *number = moved.get(*number as usize).copied().unwrap_or(*number);
        }
        self
    }
}

fn find(sorted: &[String], name: &str) -> Option<u32> {
    sorted.binary_search_by(|other| other.as_str().cmp(name)).ok().map(|place| place as u32)
}

/// Rows of different length, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rows<T> {
    ends: Vec<u32>,
    items: Vec<T>,
}

impl<T: Copy + Ord> Rows<T> {
    fn new() -> Self {
        Self { ends: Vec::new(), items: Vec::new() }
    }

    fn row(&self, row: usize) -> &[T] {
        let start = row.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(row).copied().unwrap_or(start);
        self.items.get(start as usize..end as usize).unwrap_or_default()
    }

    /// Adds a row, sorted and without repetitions.
    fn push(&mut self, mut row: Vec<T>) {
        row.sort_unstable();
        row.dedup();
        self.items.append(&mut row);
        self.ends.push(self.items.len() as u32);
    }
}

/// Collects the parts of a [`KripkeStructure`], in any order.
///
/// ```
/// use aimds_temporal::model::KripkeStructure;
///
/// let model = KripkeStructure::builder()
///     .state("on", ["light"], ["on", "off"])
///     .state("off", [], ["on"])
///     .initial("off")
///     .build()?;
/// assert_eq!(model.transition_count(), 3);
/// # Ok::<(), aimds_temporal::model::KripkeError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct KripkeBuilder {
    vocabulary: Option<Vec<String>>,
    initial: Vec<String>,
    states: Vec<(String, StateParts)>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StateParts {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    props: Vec<String>,
    #[serde(default)]
    next: Vec<String>,
}

impl KripkeBuilder {
    /// Adds a state, what holds in it, and the names of what may follow.
    pub fn state<const P: usize, const N: usize>(
        self,
        name: &str,
        props: [&str; P],
        next: [&str; N],
    ) -> Self {
        self.state_from(name, props, next)
    }

    /// [`state`](Self::state) from anything that yields strings.
    pub fn state_from<P: Into<String>, N: Into<String>>(
        mut self,
        name: impl Into<String>,
        props: impl IntoIterator<Item = P>,
        next: impl IntoIterator<Item = N>,
    ) -> Self {
        let props = props.into_iter().map(Into::into).collect();
        let next = next.into_iter().map(Into::into).collect();
        self.states.push((name.into(), StateParts { props, next }));
        self
    }

    /// Says that a run may begin in the state called `name`.
    pub fn initial(mut self, name: impl Into<String>) -> Self {
        self.initial.push(name.into());
        self
    }

    /// Lists every proposition there is; see [`KripkeStructure::from_json`].
    pub fn vocabulary<P: Into<String>>(mut self, props: impl IntoIterator<Item = P>) -> Self {
        self.vocabulary = Some(props.into_iter().map(Into::into).collect());
        self
    }

    /// The model. O((states + transitions) · log states).
    pub fn build(self) -> Result<KripkeStructure, KripkeError> {
        let Self { vocabulary, initial, mut states } = self;
        limit(states.len(), MAX_STATES, "states")?;
        limit(states.iter().map(|(_, state)| state.next.len()).sum(), MAX_TRANSITIONS, "transitions")?;
        limit(states.iter().map(|(_, state)| state.props.len()).sum(), MAX_TRANSITIONS, "propositions")?;
        states.sort_by(|a, b| a.0.cmp(&b.0));
        let (names, parts): (Vec<String>, Vec<StateParts>) = states.into_iter().unzip();
        if let Some([twice, _]) = names.array_windows().find(|[name, next]| name == next) {
            return Err(KripkeError::DuplicateState(twice.clone()));
        }
        let listed = vocabulary.is_some();
        let vocabulary = sorted(match vocabulary {
            Some(list) => list,
            None => parts.iter().flat_map(|state| state.props.iter().cloned()).collect(),
        });
        let mut initial = identify(&initial, "`initial`", &names)?;
        initial.sort_unstable();
        initial.dedup();
        if initial.is_empty() {
            return Err(KripkeError::NoInitialState);
        }
        let (mut props, mut next) = (Rows::new(), Rows::new());
        for ((number, name), state) in (0..).map(StateId).zip(&names).zip(&parts) {
            props.push(listed_props(name, &state.props, &vocabulary)?);
            let mut successors = identify(&state.next, &format!("state `{name}`"), &names)?;
            if successors.is_empty() {
                successors.push(number);
            }
            next.push(successors);
        }
        Ok(KripkeStructure { names, vocabulary, listed, initial, props, next })
    }
}

fn limit(count: usize, limit: usize, what: &'static str) -> Result<(), KripkeError> {
    if count > limit { Err(KripkeError::TooMany { what, limit }) } else { Ok(()) }
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort_unstable();
    names.dedup();
    names
}

fn identify(wanted: &[String], named_by: &str, names: &[String]) -> Result<Vec<StateId>, KripkeError> {
    let unknown = |name: &String| KripkeError::UnknownState {
        named_by: named_by.to_owned(),
        name: name.clone(),
        nearest: nearest(name, names.iter().map(String::as_str)),
    };
    wanted.iter().map(|name| find(names, name).map(StateId).ok_or_else(|| unknown(name))).collect()
}

fn listed_props(state: &str, props: &[String], vocabulary: &[String]) -> Result<Vec<u32>, KripkeError> {
    let unlisted = |prop: &String| KripkeError::UnlistedProposition {
        state: state.to_owned(),
        prop: prop.clone(),
        nearest: nearest(prop, vocabulary.iter().map(String::as_str)),
    };
    props.iter().map(|prop| find(vocabulary, prop).ok_or_else(|| unlisted(prop))).collect()
}

/// The shape of the JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    props: Option<Vec<String>>,
    initial: Vec<String>,
    states: States,
}

impl Document {
    fn builder(self) -> KripkeBuilder {
        KripkeBuilder { vocabulary: self.props, initial: self.initial, states: self.states.0 }
    }
}

impl Serialize for KripkeStructure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let named = |states: &[StateId]| states.iter().map(|&state| self.name(state).to_owned()).collect();
        let state = |state: StateId| {
            let props = self.props(state).map(str::to_owned).collect();
            (self.name(state).to_owned(), StateParts { props, next: named(self.next(state)) })
        };
        let document = Document {
            props: self.listed.then(|| self.vocabulary.clone()),
            initial: named(&self.initial),
            states: States(self.states().map(state).collect()),
        };
        document.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for KripkeStructure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Document::deserialize(deserializer)?.builder().build().map_err(serde::de::Error::custom)
    }
}

/// A JSON object whose repeated keys are kept, so that they can be refused.
struct States(Vec<(String, StateParts)>);

impl Serialize for States {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, state)| (name, state)))
    }
}

impl<'de> Deserialize<'de> for States {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(StatesVisitor)
    }
}

struct StatesVisitor;

impl<'de> Visitor<'de> for StatesVisitor {
    type Value = States;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of states by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<States, A::Error> {
        let mut states = Vec::new();
        while let Some(entry) = map.next_entry()? {
            states.push(entry);
        }
        Ok(States(states))
    }
}
