//! What can go wrong, by who can mend it.

use std::io;

use crate::model::NodeId;

/// Something that the graph does not take. The caller's to mend; nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// The name of a kind.
    #[error("there is no such kind of node or edge")]
    Kind,
    /// A node's name.
    #[error("a node is named KIND:NAME, with a name of one word and at most 200 bytes in all")]
    Id,
    /// A tenant's name.
    #[error("a tenant's name has at most 200 bytes and no control characters")]
    Tenant,
    /// The name of a property.
    #[error(
        "a property's name has 1 to 32 of a-z, 0-9 and _, and is none of tenant, id, kind, first_ms, last_ms"
    )]
    PropertyName,
    /// The value of a property.
    #[error("property {name}: a text is one word of at most 128 bytes, a number is finite")]
    PropertyValue {
        /// Which one.
        name: String,
    },
    /// A node with too many of them.
    #[error("a node has at most {limit} properties")]
    TooManyProperties {
        /// The limit.
        limit: usize,
    },
    /// An edge to something that is not in the batch.
    #[error("an edge has the end {id}, which is not among the batch's nodes")]
    UnknownEnd {
        /// Which end.
        id: NodeId,
    },
    /// An edge from a node to itself.
    #[error("{id} has an edge to itself")]
    Loop {
        /// Which node.
        id: NodeId,
    },
    /// A weight that is none.
    #[error("a weight is above 0 and at most 1")]
    Weight,
    /// Times in the wrong order, or out of range.
    #[error("a first time lies after the last, or out of range")]
    Times,
    /// Too much at once.
    #[error("a batch has at most {limit} nodes and as many edges")]
    BatchTooLarge {
        /// The limit.
        limit: usize,
    },
}

/// Why the graph did not answer, or did not take something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller's to mend.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The tenant has no such node.
    #[error("there is no {id}")]
    NotFound {
        /// Which node.
        id: NodeId,
    },
    /// The file is something else.
    #[error("the file is not a graph")]
    NotAGraph,
    /// The file was written by a later version.
    #[error("the file has format {found}, this program knows formats up to {known}")]
    NewerFormat {
        /// In the file.
        found: i64,
        /// The latest known.
        known: i64,
    },
    /// The store holds what this crate never writes there.
    #[error("the graph holds a malformed {what}")]
    Malformed {
        /// What.
        what: &'static str,
    },
    /// The file system refused.
    #[error("{what}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// The refusal.
        source: io::Error,
    },
    /// SQLite refused.
    #[error("sqlite: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The graph database cannot be reached, or cannot work now. What was taken so far is kept and delivered later.
    #[error("the graph database is away: {0}")]
    Away(String),
    /// The graph database understood and refused.
    #[error("the graph database refused: {0}")]
    Refused(String),
    /// The spool in front of the graph database is at its limit. Nothing was taken.
    #[error("the graph's spool is full")]
    SpoolFull,
    /// The settings of the graph database are wrong.
    #[error("the graph database's settings: {0}")]
    Settings(String),
}
