//! The graph in Neo4j, over Bolt.
//!
//! Writes go into a spool on disk first and from there, in order, to the database; a thread does that, so that a database that
//! is away holds up nobody. Reads go to the database at once.

mod bolt;
mod cypher;
mod delivery;
mod reading;
mod removal;
mod rows;
mod spool;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::answer::{Counts, Stats};
use crate::error::Error;
use crate::graph::{Place, Portion, Step, Steps, Store, Ties};
use crate::limits::Span;
use crate::model::{Batch, NodeId, Properties};
use crate::walk;
use bolt::Bolt;
use delivery::Delivery;
use reading::Reader;
use spool::Spool;

/// A password, which shows nowhere.
#[derive(Clone)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Where the database is, and what happens while it is away.
#[derive(Clone, Debug)]
pub struct Neo4jOptions {
    /// `bolt://host:7687`; with TLS `bolt+s://host:7687`.
    pub url: String,
    /// The user.
    pub user: String,
    /// The password.
    pub password: Password,
    /// Which database; the server's default unless told otherwise.
    pub database: Option<String>,
    /// A certificate authority of one's own, as PEM, for `bolt+s`.
    pub ca: Option<PathBuf>,
    /// The file that keeps writes until they are delivered.
    pub spool: PathBuf,
    /// Batches that it keeps at most.
    pub spool_batches: u64,
    /// Bytes that it keeps at most.
    pub spool_bytes: u64,
    /// How long one question may take, connecting included.
    pub timeout: Duration,
    /// The first pause after a failure; each next is twice as long.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl Neo4jOptions {
    /// With the usual limits: 100 000 batches, 256 MiB, 10 seconds, pauses of a quarter second to half a minute.
    #[must_use]
    pub fn new(url: &str, user: &str, password: Password, spool: PathBuf) -> Self {
        Self {
            url: url.to_owned(),
            user: user.to_owned(),
            password,
            database: None,
            ca: None,
            spool,
            spool_batches: 100_000,
            spool_bytes: 256 << 20,
            timeout: Duration::from_secs(10),
            first_pause: Duration::from_millis(250),
            longest_pause: Duration::from_secs(30),
        }
    }

    fn check(&self) -> Result<(), Error> {
        let known = ["bolt://", "bolt+s://", "neo4j://", "neo4j+s://"];
        if !known.iter().any(|scheme| self.url.starts_with(scheme)) {
            return Err(Error::Settings(format!("an address begins with one of {}", known.join(", "))));
        }
        // It would show in messages.
        if self.url.contains('@') {
            return Err(Error::Settings("user and password do not belong into the address".to_owned()));
        }
        Ok(())
    }
}

/// How the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Nothing has been delivered yet.
    Unknown,
    /// The last delivery arrived.
    Healthy,
    /// The last delivery did not: why.
    Away(String),
}

/// A graph in Neo4j 4.4 or 5.
///
/// [`Graph::upsert`](crate::Graph::upsert) returns when the batch is on disk; it reaches the database in its turn, also after
/// a restart of either. Batches that the database refuses for what they are (none that this crate makes) are set aside in
/// the spool and counted, so that they do not hold up the others.
pub struct Neo4jGraph {
    bolt: Arc<Bolt>,
    reader: Reader,
    spool: Arc<Spool>,
    delivery: Delivery,
}

impl fmt::Debug for Neo4jGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Neo4jGraph").field("health", &self.delivery.health()).finish_non_exhaustive()
    }
}

impl Neo4jGraph {
    /// Opens the spool and begins to deliver. Does not wait for the database.
    ///
    /// # Errors
    /// The settings are wrong, or the spool cannot be opened.
    pub fn open(options: Neo4jOptions) -> Result<Self, Error> {
        options.check()?;
        let spool = Arc::new(Spool::open(&options.spool, options.spool_batches, options.spool_bytes)?);
        let bolt = Arc::new(Bolt::new(&options)?);
        let delivery = Delivery::start(spool.clone(), bolt.clone(), &options)?;
        let reader = Reader::new(bolt.clone());
        Ok(Self { bolt, reader, spool, delivery })
    }

    /// How the database is, by the last delivery.
    #[must_use]
    pub fn health(&self) -> Health {
        self.delivery.health()
    }
}

impl Store for Neo4jGraph {
    /// The database's number of a node, in one question.
    type Key = i64;

    fn write(&mut self, batch: &Batch) -> Result<(), Error> {
        self.spool.push(batch)?;
        self.delivery.wake();
        Ok(())
    }

    fn settle(&mut self, patience: Duration) -> Result<(), Error> {
        self.delivery.settle(patience)
    }

    fn answer<T>(&self, question: impl FnOnce(&Self) -> Result<T, Error>) -> Result<T, Error> {
        let answer = question(self);
        self.reader.end();
        answer
    }

    fn find(&self, tenant: &str, id: &NodeId) -> Result<Option<Place<i64>>, Error> {
        self.reader.find(tenant, id)
    }

    fn step(
        &self,
        tenant: &str,
        from: &[i64],
        step: &Step<'_>,
        known: &dyn Fn(&i64) -> bool,
    ) -> Result<Steps<i64>, Error> {
        self.reader.step(tenant, from, step, known)
    }

    fn properties(&self, tenant: &str, keys: &[i64]) -> Result<Vec<Properties>, Error> {
        self.reader.properties(tenant, keys)
    }

    fn attacks(&self, tenant: &str, span: Span, limit: usize) -> Result<Portion<Place<i64>>, Error> {
        self.reader.attacks(tenant, span, limit)
    }

    fn ties(&self, tenant: &str, span: Span, limit: usize, fan_out: usize) -> Result<Ties<i64>, Error> {
        match self.reader.ties(tenant, span, limit, fan_out)? {
            Some(ties) => Ok(ties),
            None => walk::ties(self, tenant, span, limit, fan_out),
        }
    }

    fn remove_all_of(&mut self, tenant: &str, id: &NodeId) -> Result<Counts, Error> {
        // What still waits might be of the subject, and would come back after it.
        self.with_empty_spool(|bolt| {
            let is_known = self.answer(|graph| graph.find(tenant, id))?.is_some();
            if is_known { bolt.remove_all_of(tenant, id) } else { Ok(Counts::default()) }
        })
    }

    fn remove_before(&mut self, tenant: Option<&str>, before_ms: u64) -> Result<Counts, Error> {
        self.with_empty_spool(|bolt| bolt.remove_before(tenant, before_ms))
    }

    fn count(&self, tenant: Option<&str>) -> Result<Stats, Error> {
        let (waiting, refused) = self.spool.counts()?;
        self.answer(|graph| Ok(Stats { waiting, refused, ..graph.reader.count(tenant)? }))
    }
}

impl Neo4jGraph {
    /// Waits until everything is delivered, and keeps it so during the work.
    fn with_empty_spool(&self, work: impl FnOnce(&Bolt) -> Result<Counts, Error>) -> Result<Counts, Error> {
        let deadline = Instant::now() + self.bolt.timeout();
        loop {
            self.delivery.settle(deadline.saturating_duration_since(Instant::now()))?;
            let _pause = self.delivery.pause();
            if self.spool.counts()?.0 == 0 {
                return work(&self.bolt);
            }
        }
    }
}
