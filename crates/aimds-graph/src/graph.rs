//! The graph as callers see it, and what a store must do to be one.

use std::hash::Hash;
use std::time::Duration;

use crate::answer::{Blast, Campaigns, Chain, Counts, Receipt, Related, Root, Stats};
use crate::error::Error;
use crate::limits::{CampaignLimits, Limits, Span};
use crate::model::{Batch, EdgeKind, Node, NodeId, Properties};
use crate::walk;

/// A direction in which a node has edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// To what caused it.
    Causes,
    /// To what came of it.
    Effects,
    /// To what is like it.
    Similar,
}

/// A node as a store finds it, without its properties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place<K> {
    /// What the store knows it by.
    pub key: K,
    /// Its name.
    pub id: NodeId,
    /// When it was first seen.
    pub first_ms: u64,
    /// When it was last seen.
    pub last_ms: u64,
}

/// An edge as a store finds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Hop<K> {
    /// The node it was found at: an index into what was asked for.
    pub from: usize,
    /// What the store knows the node by to which it leads.
    pub to: K,
    /// In which direction.
    pub side: Side,
    /// What it says.
    pub kind: EdgeKind,
    /// When it was first seen.
    pub first_ms: u64,
    /// When it was last seen.
    pub last_ms: u64,
    /// How alike.
    pub weight: f64,
}

/// Which edges are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// In which directions.
    pub sides: &'a [Side],
    /// Edges seen inside.
    pub span: Span,
    /// Of one node in one direction, the newest first.
    pub fan_out: usize,
    /// In all.
    pub budget: usize,
}

/// What a step finds.
#[derive(Clone, Debug)]
pub struct Steps<K> {
    /// The edges.
    pub hops: Vec<Hop<K>>,
    /// The nodes to which they lead and that were not known before, each once.
    pub places: Vec<Place<K>>,
    /// Whether there are more edges.
    pub truncated: bool,
}

impl<K> Default for Steps<K> {
    fn default() -> Self {
        Self { hops: Vec::new(), places: Vec::new(), truncated: false }
    }
}

/// What attacks hang together by.
#[derive(Clone, Debug)]
pub struct Ties<K> {
    /// The attacks, in the order of their times and names.
    pub attacks: Vec<Place<K>>,
    /// Their sources and patterns, each once.
    pub causes: Vec<Place<K>>,
    /// Which attack has which cause, by their numbers.
    pub caused: Vec<(usize, usize)>,
    /// Which of the attacks are alike, by their numbers, and how much.
    pub alike: Vec<(usize, usize, f64)>,
    /// Whether there are more attacks or edges.
    pub truncated: bool,
}

/// Some of what there is.
#[derive(Clone, Debug)]
pub struct Portion<T> {
    /// What was found.
    pub found: Vec<T>,
    /// Whether there is more.
    pub truncated: bool,
}

/// What a store does. Everything else, [`Graph`], is built on it, so that every store gives the same answers.
///
/// Every call names a tenant, and nothing of another tenant is ever found, counted or removed by it.
pub trait Store {
    /// What the store knows a node by.
    type Key: Clone + Eq + Hash;

    /// Writes a batch that was checked.
    ///
    /// # Errors
    /// The store's.
    fn write(&mut self, batch: &Batch) -> Result<(), Error>;

    /// Answers a question that needs several calls; from one state of the graph and faster, where the store can do that.
    ///
    /// # Errors
    /// Those of the question, or the store's.
    fn answer<T>(&self, question: impl FnOnce(&Self) -> Result<T, Error>) -> Result<T, Error> {
        question(self)
    }

    /// Waits until everything written so far can be read; at most for `patience`.
    ///
    /// # Errors
    /// [`Error::Away`] when patience ends; nothing is lost by that.
    fn settle(&mut self, patience: Duration) -> Result<(), Error>;

    /// The node of this name.
    ///
    /// # Errors
    /// The store's.
    fn find(&self, tenant: &str, id: &NodeId) -> Result<Option<Place<Self::Key>>, Error>;

    /// The edges of some nodes, in any order, and the nodes at their other ends, as far as they are not known.
    ///
    /// # Errors
    /// The store's.
    fn step(
        &self,
        tenant: &str,
        from: &[Self::Key],
        step: &Step<'_>,
        known: &dyn Fn(&Self::Key) -> bool,
    ) -> Result<Steps<Self::Key>, Error>;

    /// The properties of some nodes, in the same order.
    ///
    /// # Errors
    /// The store's.
    fn properties(&self, tenant: &str, keys: &[Self::Key]) -> Result<Vec<Properties>, Error>;

    /// Attacks first seen inside a span, the newest first.
    ///
    /// # Errors
    /// The store's.
    fn attacks(&self, tenant: &str, span: Span, limit: usize) -> Result<Portion<Place<Self::Key>>, Error>;

    /// The same attacks with their causes and likeness: of one attack in one direction at most `fan_out` edges, the newest.
    ///
    /// # Errors
    /// The store's.
    fn ties(&self, tenant: &str, span: Span, limit: usize, fan_out: usize) -> Result<Ties<Self::Key>, Error> {
        walk::ties(self, tenant, span, limit, fan_out)
    }

    /// Removes a node and all that came of it, all at once; then sessions and documents that nothing holds any more.
    ///
    /// # Errors
    /// The store's; nothing is removed then.
    fn remove_all_of(&mut self, tenant: &str, id: &NodeId) -> Result<Counts, Error>;

    /// Removes nodes and edges last seen before a moment, of one tenant or of all.
    ///
    /// # Errors
    /// The store's.
    fn remove_before(&mut self, tenant: Option<&str>, before_ms: u64) -> Result<Counts, Error>;

    /// Counts what there is, of one tenant or of all.
    ///
    /// # Errors
    /// The store's.
    fn count(&self, tenant: Option<&str>) -> Result<Stats, Error>;
}

/// The causal memory. Implemented by every [`Store`]; see [`crate::SqliteGraph`] for an example.
///
/// Calls block: the gateway makes them off the request path.
pub trait Graph: Send {
    /// Writes a batch, all of it or nothing. Once it returns, the batch survives the end of this process.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the batch is not as it should be, [`Error::SpoolFull`] when a graph database has been
    /// away for too long, the store's otherwise. Nothing was written then.
    fn upsert(&mut self, batch: &Batch) -> Result<(), Error>;

    /// Waits until everything written so far can be read; at once for SQLite, until the spool is empty for Neo4j.
    ///
    /// # Errors
    /// [`Error::Away`] when patience ends; nothing is lost by that.
    fn flush(&mut self, patience: Duration) -> Result<(), Error>;

    /// One node with its properties.
    ///
    /// # Errors
    /// [`Error::NotFound`], or the store's.
    fn node(&self, tenant: &str, id: &NodeId) -> Result<Node, Error>;

    /// Attacks that hang together with an attack, over causes, effects and likeness: breadth first, bounded.
    ///
    /// # Errors
    /// [`Error::NotFound`], or the store's.
    fn related(&self, tenant: &str, id: &NodeId, limits: &Limits) -> Result<Related, Error>;

    /// The earliest cause of a node: of all its causes, the causes' causes and so on the one first seen first. Of several, the
    /// furthest, then by kind (a source before all) and name. Patterns do not count: they tell what an attack is like, not where it began.
    ///
    /// # Errors
    /// [`Error::NotFound`], or the store's.
    fn root(&self, tenant: &str, id: &NodeId, limits: &Limits) -> Result<Root, Error>;

    /// All that came of a source, a document, or any other node.
    ///
    /// # Errors
    /// [`Error::NotFound`], or the store's.
    fn blast(&self, tenant: &str, id: &NodeId, limits: &Limits) -> Result<Blast, Error>;

    /// All causes and all effects of an attack, and the line that leads from its root to its last effect.
    ///
    /// # Errors
    /// [`Error::NotFound`], or the store's.
    fn chain(&self, tenant: &str, id: &NodeId, limits: &Limits) -> Result<Chain, Error>;

    /// Attacks that belong together: the connected components over likeness and common sources (union-find).
    ///
    /// # Errors
    /// The store's.
    fn campaigns(&self, tenant: &str, limits: &CampaignLimits) -> Result<Campaigns, Error>;

    /// Erases a person's data: a source (or a session, a document, any node) with all that came of it. `at_ms` is for the
    /// receipt.
    ///
    /// # Errors
    /// [`Error::NotFound`], or the store's; nothing was erased then.
    fn erase(&mut self, tenant: &str, subject: &NodeId, at_ms: u64) -> Result<Receipt, Error>;

    /// Drops what was last seen before a moment, of one tenant or of all.
    ///
    /// # Errors
    /// The store's.
    fn retain(&mut self, tenant: Option<&str>, before_ms: u64) -> Result<Counts, Error>;

    /// How much there is, of one tenant or of all.
    ///
    /// # Errors
    /// The store's.
    fn stats(&self, tenant: Option<&str>) -> Result<Stats, Error>;
}

impl<S: Store + Send> Graph for S {
    fn upsert(&mut self, batch: &Batch) -> Result<(), Error> {
        batch.check()?;
        if batch.is_empty() { Ok(()) } else { self.write(batch) }
    }

    fn flush(&mut self, patience: Duration) -> Result<(), Error> {
        self.settle(patience)
    }

    fn node(&self, tenant: &str, id: &NodeId) -> Result<Node, Error> {
        self.answer(|store| {
            let place = walk::start(store, tenant, id)?;
            let properties = store.properties(tenant, &[place.key])?.pop().unwrap_or_default();
            Ok(Node { id: place.id, first_ms: place.first_ms, last_ms: place.last_ms, properties })
        })
    }

    fn related(&self, tenant: &str, id: &NodeId, limits: &Limits) -> Result<Related, Error> {
        self.answer(|store| walk::related(store, tenant, id, limits.clamped()))
    }

    fn root(&self, tenant: &str, id: &NodeId, limits: &Limits) -> Result<Root, Error> {
        self.answer(|store| walk::root(store, tenant, id, limits.clamped()))
    }

    fn blast(&self, tenant: &str, id: &NodeId, limits: &Limits) -> Result<Blast, Error> {
        self.answer(|store| walk::blast(store, tenant, id, limits.clamped()))
    }

    fn chain(&self, tenant: &str, id: &NodeId, limits: &Limits) -> Result<Chain, Error> {
        self.answer(|store| walk::chain(store, tenant, id, limits.clamped()))
    }

    fn campaigns(&self, tenant: &str, limits: &CampaignLimits) -> Result<Campaigns, Error> {
        self.answer(|store| walk::campaigns(store, tenant, limits))
    }

    fn erase(&mut self, tenant: &str, subject: &NodeId, at_ms: u64) -> Result<Receipt, Error> {
        let erased = self.remove_all_of(tenant, subject)?;
        if erased.nodes.is_empty() {
            return Err(Error::NotFound { id: subject.clone() });
        }
        Ok(Receipt { tenant: tenant.to_owned(), subject: subject.clone(), at_ms, erased })
    }

    fn retain(&mut self, tenant: Option<&str>, before_ms: u64) -> Result<Counts, Error> {
        self.remove_before(tenant, before_ms)
    }

    fn stats(&self, tenant: Option<&str>) -> Result<Stats, Error> {
        self.count(tenant)
    }
}
