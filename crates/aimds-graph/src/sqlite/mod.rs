//! The graph in one SQLite file: the default.

mod edges;
mod read;
mod remove;
mod schema;
mod ties;
mod write;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};

use crate::answer::{Counts, Stats};
use crate::error::Error;
use crate::graph::{Place, Portion, Step, Steps, Store, Ties};
use crate::limits::Span;
use crate::model::{Batch, NodeId, Properties};
use crate::walk;

/// How long another process may hold the file.
const PATIENCE: Duration = Duration::from_secs(10);

/// A graph in an SQLite file, which other processes may read and write at the same time.
///
/// Writes are atomic, and survive the end of the process; the last ones may be lost with the power, the file is whole
/// in any case, and `aimds graph import` brings back what the audit log still has.
///
/// ```
/// use aimds_graph::{Batch, Edge, EdgeKind, Graph, Limits, Node, NodeId, NodeKind, SqliteGraph};
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("graph.db");
/// let mut graph = SqliteGraph::open(&path)?;
/// let source = NodeId::new(NodeKind::Source, "key_1")?;
/// let mut batch = Batch::new("acme");
/// batch.nodes.push(Node::new(source.clone(), 1_000));
/// for request in ["req-1", "req-2"] {
///     let attack = NodeId::new(NodeKind::Attack, request)?;
///     batch.nodes.push(Node::new(attack.clone(), 2_000));
///     batch.edges.push(Edge::new(&source, EdgeKind::Triggered, &attack, 2_000));
/// }
/// graph.upsert(&batch)?;
/// let attack = "attack:req-1".parse()?;
/// let related = graph.related("acme", &attack, &Limits::related())?;
/// assert_eq!(related.attacks.len(), 1);
/// assert_eq!((related.attacks[0].id.name(), related.attacks[0].hops), ("req-2", 2));
/// assert_eq!(graph.root("acme", &attack, &Limits::root())?.root, source);
/// assert!(graph.node("somebody else", &attack).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SqliteGraph {
    conn: Connection,
    path: PathBuf,
}

impl SqliteGraph {
    /// Opens a graph, and makes the file where there is none.
    ///
    /// # Errors
    /// The file cannot be made or read, is something else, or was written by a later version.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        if !path.exists() {
            create_private(path)?;
        }
        let conn = Connection::open(path)?;
        conn.busy_timeout(PATIENCE)?;
        schema::prepare(&conn)?;
        Ok(Self { conn, path: path.to_owned() })
    }

    fn transaction(&mut self) -> Result<Transaction<'_>, Error> {
        Ok(self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?)
    }

    fn tenant(&self, name: &str) -> Result<Option<i64>, Error> {
        let mut statement = self.conn.prepare_cached("SELECT key FROM tenants WHERE name = ?1")?;
        Ok(statement.query_row([name], |row| row.get(0)).optional()?)
    }

    /// The number of a tenant that must exist; `None` for all of them; nothing when it does not.
    fn wanted(&self, tenant: Option<&str>) -> Result<Option<Option<i64>>, Error> {
        match tenant {
            None => Ok(Some(None)),
            Some(name) => Ok(self.tenant(name)?.map(Some)),
        }
    }
}

/// Made here rather than by SQLite, which would leave it readable by everyone.
pub(crate) fn create_private(path: &Path) -> Result<(), Error> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let made = options.open(path);
    made.map(drop).map_err(|source| Error::Io { what: "cannot make the graph's file", source })
}

impl Store for SqliteGraph {
    type Key = i64;

    fn write(&mut self, batch: &Batch) -> Result<(), Error> {
        let transaction = self.transaction()?;
        write::batch(&transaction, batch)?;
        Ok(transaction.commit()?)
    }

    /// In one transaction: SQLite locks the file and looks for changes only once.
    fn answer<T>(&self, question: impl FnOnce(&Self) -> Result<T, Error>) -> Result<T, Error> {
        let transaction = self.conn.unchecked_transaction()?;
        let answer = question(self)?;
        transaction.finish()?;
        Ok(answer)
    }

    fn settle(&mut self, _patience: Duration) -> Result<(), Error> {
        Ok(())
    }

    fn find(&self, tenant: &str, id: &NodeId) -> Result<Option<Place<i64>>, Error> {
        match self.tenant(tenant)? {
            Some(tenant) => read::find(&self.conn, tenant, id),
            None => Ok(None),
        }
    }

    fn step(
        &self,
        tenant: &str,
        from: &[i64],
        step: &Step<'_>,
        known: &dyn Fn(&i64) -> bool,
    ) -> Result<Steps<i64>, Error> {
        match self.tenant(tenant)? {
            Some(tenant) => edges::step(&self.conn, tenant, from, step, known),
            None => Ok(Steps::default()),
        }
    }

    fn properties(&self, tenant: &str, keys: &[i64]) -> Result<Vec<Properties>, Error> {
        match self.tenant(tenant)? {
            Some(tenant) => read::properties(&self.conn, tenant, keys),
            None => Ok(vec![BTreeMap::new(); keys.len()]),
        }
    }

    fn attacks(&self, tenant: &str, span: Span, limit: usize) -> Result<Portion<Place<i64>>, Error> {
        match self.tenant(tenant)? {
            Some(tenant) => ties::attacks(&self.conn, tenant, span, limit),
            None => Ok(Portion { found: Vec::new(), truncated: false }),
        }
    }

    fn ties(&self, tenant: &str, span: Span, limit: usize, fan_out: usize) -> Result<Ties<i64>, Error> {
        match self.tenant(tenant)? {
            Some(tenant) if fan_out <= ties::MOST => ties::ties(&self.conn, tenant, span, limit, fan_out),
            _ => walk::ties(self, tenant, span, limit, fan_out),
        }
    }

    fn remove_all_of(&mut self, tenant: &str, id: &NodeId) -> Result<Counts, Error> {
        let Some(place) = self.find(tenant, id)? else { return Ok(Counts::default()) };
        let transaction = self.transaction()?;
        let counts = remove::all_of(&transaction, place.key)?;
        transaction.commit()?;
        remove::forget(&self.conn)?;
        Ok(counts)
    }

    fn remove_before(&mut self, tenant: Option<&str>, before_ms: u64) -> Result<Counts, Error> {
        let Some(tenant) = self.wanted(tenant)? else { return Ok(Counts::default()) };
        let transaction = self.transaction()?;
        let counts = remove::before(&transaction, tenant, signed(before_ms))?;
        transaction.commit()?;
        remove::forget(&self.conn)?;
        Ok(counts)
    }

    fn count(&self, tenant: Option<&str>) -> Result<Stats, Error> {
        let bytes = fs::metadata(&self.path).ok().map(|file| file.len());
        match self.wanted(tenant)? {
            Some(tenant) => Ok(Stats { bytes, ..read::count(&self.conn, tenant)? }),
            None => Ok(Stats { bytes, ..Stats::default() }),
        }
    }
}

/// SQLite integers are signed; times beyond are times far away.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn as_limit(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
