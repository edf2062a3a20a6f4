//! What the graph is made of: nodes, edges, and the batches in which they come.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Invalid;

/// The longest identifier, tenant included, in bytes.
pub const MAX_ID: usize = 200;
/// The most properties of a node.
pub const MAX_PROPERTIES: usize = 16;
/// The longest text of a property, in bytes.
pub const MAX_LABEL: usize = 128;
/// The most nodes, and the most edges, of a batch.
pub const MAX_BATCH: usize = 20_000;

/// Names that the stores keep for themselves.
const RESERVED: [&str; 5] = ["tenant", "id", "kind", "first_ms", "last_ms"];

macro_rules! kinds {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// All of them, in the order of their numbers in the store.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The stable name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The number in the store.
            pub(crate) fn number(self) -> i64 {
                self as i64
            }

            pub(crate) fn from_number(number: i64) -> Option<Self> {
                Self::ALL.get(usize::try_from(number).ok()?).copied()
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                Self::ALL.iter().copied().find(|kind| kind.as_str() == text).ok_or(Invalid::Kind)
            }
        }
    };
}

kinds! {
    /// What a node stands for. The order is that of an attack's story.
    NodeKind {
        /// Who sent it: an API key, a user, an address; by name, never by content.
        Source = "source",
        /// A conversation that goes on over requests.
        Session = "session",
        /// What carried an indirect attack: a web page, a mail, a file, a tool's result; by fingerprint.
        Document = "document",
        /// A rule or model that recognised it.
        Pattern = "pattern",
        /// One request that was attacked with.
        Attack = "attack",
        /// One thing that was recognised in it.
        Finding = "finding",
        /// What was decided.
        Decision = "decision",
        /// What was done.
        Action = "action",
        /// What came of it.
        Outcome = "outcome",
    }
}

kinds! {
    /// How two nodes hang together.
    EdgeKind {
        /// A source opened a session or sent an attack.
        Triggered = "triggered",
        /// An attack caused a finding.
        Caused = "caused",
        /// A finding or an attack was decided on.
        Decided = "decided",
        /// A decision was acted on.
        Acted = "acted",
        /// An action had an outcome.
        ResultedIn = "resulted_in",
        /// A finding or an attack is an instance of a pattern: points from the effect to its cause.
        DerivedFrom = "derived_from",
        /// An attack came in a document or a session: points from the effect to its cause.
        CarriedBy = "carried_by",
        /// Two attacks are alike. Has no direction and is no cause.
        SimilarTo = "similar_to",
    }
}

impl EdgeKind {
    /// Whether it says what came of what.
    #[must_use]
    pub fn is_causal(self) -> bool {
        self != Self::SimilarTo
    }

    /// Whether it is written from the effect to the cause.
    #[must_use]
    pub fn points_back(self) -> bool {
        matches!(self, Self::DerivedFrom | Self::CarriedBy)
    }
}

/// The name of a node: its kind, a colon, and a name that is unique in its tenant and kind.
///
/// ```
/// use aimds_graph::{NodeId, NodeKind};
/// let id: NodeId = "attack:req-1".parse()?;
/// assert_eq!((id.kind(), id.name()), (NodeKind::Attack, "req-1"));
/// assert_eq!(id, NodeId::new(NodeKind::Attack, "req-1")?);
/// assert!("attack:two words".parse::<NodeId>().is_err());
/// # Ok::<(), aimds_graph::Invalid>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeId {
    text: String,
    kind: NodeKind,
}

impl NodeId {
    /// The node of this kind with this name.
    ///
    /// # Errors
    /// The name is empty, too long, or has white space, control or invisible characters.
    pub fn new(kind: NodeKind, name: &str) -> Result<Self, Invalid> {
        Self::of(format!("{}:{name}", kind.as_str()))
    }

    /// The node of this whole name.
    fn of(text: String) -> Result<Self, Invalid> {
        let (kind, name) = text.split_once(':').ok_or(Invalid::Id)?;
        let kind = kind.parse()?;
        if name.is_empty() || text.len() > MAX_ID || !is_label(name) {
            return Err(Invalid::Id);
        }
        Ok(Self { text, kind })
    }

    /// What it stands for.
    #[must_use]
    pub fn kind(&self) -> NodeKind {
        self.kind
    }

    /// The part after the kind.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text.get(self.kind.as_str().len() + 1..).unwrap_or_default()
    }

    /// The whole, as stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for NodeId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::of(text.to_owned())
    }
}

impl TryFrom<String> for NodeId {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::of(text)
    }
}

impl From<NodeId> for String {
    fn from(id: NodeId) -> Self {
        id.text
    }
}

/// A small typed value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Property {
    /// Yes or no.
    Flag(bool),
    /// A count, a status.
    Count(i64),
    /// A score, a probability. Finite.
    Score(f64),
    /// A name out of a vocabulary: a category, a rule, a route. One word: sentences do not fit in.
    Label(String),
}

impl From<&str> for Property {
    fn from(text: &str) -> Self {
        Self::Label(text.to_owned())
    }
}

/// Properties by name.
pub type Properties = BTreeMap<String, Property>;

/// Something that exists, and when it was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Its name.
    pub id: NodeId,
    /// When it was first seen, in milliseconds since the Unix epoch.
    pub first_ms: u64,
    /// When it was last seen.
    pub last_ms: u64,
    /// What else is known. Never content.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: Properties,
}

impl Node {
    /// A node seen once, without properties.
    #[must_use]
    pub fn new(id: NodeId, at_ms: u64) -> Self {
        Self { id, first_ms: at_ms, last_ms: at_ms, properties: Properties::new() }
    }

    /// The same with one more property.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Property>) -> Self {
        self.properties.insert(name.to_owned(), value.into());
        self
    }
}

/// How two nodes hang together, and when that was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Edge {
    /// Where it is written from.
    pub from: NodeId,
    /// Where it is written to.
    pub to: NodeId,
    /// What it says.
    pub kind: EdgeKind,
    /// When it was first seen, in milliseconds since the Unix epoch.
    pub first_ms: u64,
    /// When it was last seen.
    pub last_ms: u64,
    /// How alike, in (0, 1]; 1 for causal edges.
    pub weight: f64,
}

impl Edge {
    /// A causal edge seen once.
    #[must_use]
    pub fn new(from: &NodeId, kind: EdgeKind, to: &NodeId, at_ms: u64) -> Self {
        Self { from: from.clone(), to: to.clone(), kind, first_ms: at_ms, last_ms: at_ms, weight: 1.0 }
    }

    /// Two attacks that are alike.
    #[must_use]
    pub fn similar(one: &NodeId, other: &NodeId, weight: f64, at_ms: u64) -> Self {
        Self { weight, ..Self::new(one.min(other), EdgeKind::SimilarTo, one.max(other), at_ms) }
    }

    /// The end that came first.
    #[must_use]
    pub fn cause(&self) -> &NodeId {
        if self.kind.points_back() { &self.to } else { &self.from }
    }

    /// The end that came of it.
    #[must_use]
    pub fn effect(&self) -> &NodeId {
        if self.kind.points_back() { &self.from } else { &self.to }
    }
}

/// What is written at once, or not at all: nodes of one tenant and edges between them.
///
/// Writing the same batch twice changes nothing: times widen, properties are replaced by name, a weight is
/// replaced. Every end of an edge is among the nodes, so that a batch says all that is needed to write it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// Whose it is; empty where there are no tenants.
    pub tenant: String,
    /// What exists.
    pub nodes: Vec<Node>,
    /// How it hangs together.
    pub edges: Vec<Edge>,
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new(tenant: &str) -> Self {
        Self { tenant: tenant.to_owned(), ..Self::default() }
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.edges.is_empty()
    }

    /// Whether a store takes it. Linear in its size.
    ///
    /// # Errors
    /// The first thing that is not as it should be.
    pub fn check(&self) -> Result<(), Invalid> {
        check_tenant(&self.tenant)?;
        if self.nodes.len() > MAX_BATCH || self.edges.len() > MAX_BATCH {
            return Err(Invalid::BatchTooLarge { limit: MAX_BATCH });
        }
        self.nodes.iter().try_for_each(check_node)?;
        let known: HashSet<&NodeId> = self.nodes.iter().map(|node| &node.id).collect();
        for edge in &self.edges {
            check_edge(edge)?;
            if let Some(end) = [&edge.from, &edge.to].into_iter().find(|end| !known.contains(end)) {
                return Err(Invalid::UnknownEnd { id: end.clone() });
            }
        }
        Ok(())
    }
}

/// A tenant is a name, too.
pub(crate) fn check_tenant(tenant: &str) -> Result<(), Invalid> {
    if tenant.len() > MAX_ID || tenant.chars().any(char::is_control) { Err(Invalid::Tenant) } else { Ok(()) }
}

fn check_node(node: &Node) -> Result<(), Invalid> {
    check_times(node.first_ms, node.last_ms)?;
    if node.properties.len() > MAX_PROPERTIES {
        return Err(Invalid::TooManyProperties { limit: MAX_PROPERTIES });
    }
    node.properties.iter().try_for_each(|(name, value)| check_property(name, value))
}

fn check_property(name: &str, value: &Property) -> Result<(), Invalid> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if name.is_empty() || name.len() > 32 || !name.bytes().all(plain) || RESERVED.contains(&name) {
        return Err(Invalid::PropertyName);
    }
    let fits = match value {
        Property::Flag(_) | Property::Count(_) => true,
        Property::Score(score) => score.is_finite(),
        Property::Label(text) => text.len() <= MAX_LABEL && is_label(text),
    };
    if fits { Ok(()) } else { Err(Invalid::PropertyValue { name: name.to_owned() }) }
}

fn check_edge(edge: &Edge) -> Result<(), Invalid> {
    check_times(edge.first_ms, edge.last_ms)?;
    if edge.from == edge.to {
        return Err(Invalid::Loop { id: edge.from.clone() });
    }
    if !(edge.weight > 0.0 && edge.weight <= 1.0) {
        return Err(Invalid::Weight);
    }
    Ok(())
}

fn check_times(first_ms: u64, last_ms: u64) -> Result<(), Invalid> {
    // The stores have signed integers.
    if first_ms <= last_ms && i64::try_from(last_ms).is_ok() { Ok(()) } else { Err(Invalid::Times) }
}

/// One word that shows as it is.
pub(crate) fn is_label(text: &str) -> bool {
    // Nearly all of them are.
    text.bytes().all(|byte| byte.is_ascii_graphic())
        || !text.chars().any(|c| c.is_whitespace() || c.is_control() || is_invisible(c))
}

fn is_invisible(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}
