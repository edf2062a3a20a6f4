//! The database: what is asked of it, and how its answers are read.
//!
//! The driver is asynchronous. Its runtime has one thread here; callers wait for it on a channel, which works from any thread,
//! also from one of another runtime.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use neo4rs::{ConfigBuilder, Graph as Driver, Neo4jClientErrorKind, Neo4jErrorKind, Query, Row, Txn};
use tokio::runtime::Runtime;

use super::rows::{count, counts, get, hop, ids, kind, place, signed, statements, time};
use super::{Neo4jOptions, cypher, removal};
use crate::answer::{Counts, Stats};
use crate::error::Error;
use crate::graph::{Place, Portion, Side, Step, Steps};
use crate::limits::Span;
use crate::model::{Batch, NodeId, Properties, Property};

/// Connections: one for what is delivered, the others for questions.
const CONNECTIONS: usize = 4;

/// Rows of one answer that come in one journey: those of most steps.
const FETCHED: usize = 10_000;

pub(super) struct Bolt {
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
    driver: Driver,
    /// The constraint and the index are there.
    prepared: AtomicBool,
    timeout: Duration,
}

impl Drop for Bolt {
    fn drop(&mut self) {
        // Waiting for its thread is forbidden on a thread of another runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

type Rows = Vec<Row>;

impl Bolt {
    pub(super) fn new(options: &Neo4jOptions) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("aimds-graph-bolt")
            .enable_all()
            .build()
            .map_err(|source| Error::Io { what: "cannot start the graph's runtime", source })?;
        let mut config = ConfigBuilder::new()
            .uri(&options.url)
            .user(&options.user)
            .password(&options.password.0)
            .max_connections(CONNECTIONS)
            .fetch_size(FETCHED)
            .connection_timeout(options.timeout);
        if let Some(database) = &options.database {
            config = config.db(database.as_str());
        }
        if let Some(ca) = &options.ca {
            config = config.with_client_certificate(ca);
        }
        let driver = {
            // The driver's pool looks for a runtime as soon as it is made.
            let _inside = runtime.enter();
            config.build().and_then(Driver::connect).map_err(|error| Error::Settings(error.to_string()))?
        };
        let prepared = AtomicBool::new(false);
        Ok(Self { runtime: Some(runtime), driver, prepared, timeout: options.timeout })
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Runs something on the runtime and waits for it, not for ever.
    fn wait<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, neo4rs::Error>> + Send + 'static,
    {
        let gone = || Error::Away("its runtime has ended".to_owned());
        let runtime = self.runtime.as_ref().ok_or_else(gone)?;
        let (send, receive) = mpsc::sync_channel(1);
        let timeout = self.timeout;
        runtime.spawn(async move {
            let _ = send.send(tokio::time::timeout(timeout, work).await);
        });
        match receive.recv() {
            Ok(Ok(result)) => result.map_err(|error| explained(&error)),
            Ok(Err(_)) => Err(Error::Away(format!("no answer within {timeout:?}"))),
            Err(_) => Err(gone()),
        }
    }

    /// Makes the constraint and the index, once for each process. A database that refuses them refuses no batch, so that none is
    /// set aside for it.
    fn prepare(&self) -> Result<(), Error> {
        if self.prepared.load(Ordering::Acquire) {
            return Ok(());
        }
        let driver = self.driver.clone();
        let made = self.wait(async move {
            for statement in cypher::SCHEMA {
                let mut transaction = driver.start_txn().await?;
                transaction.run(statement).await?;
                transaction.commit().await?;
            }
            Ok(())
        });
        made.map_err(|error| match error {
            Error::Refused(code) => Error::Away(code),
            error => error,
        })?;
        self.prepared.store(true, Ordering::Release);
        Ok(())
    }

    /// Asks one question.
    fn ask(&self, query: Query) -> Result<Rows, Error> {
        self.prepare()?;
        let driver = self.driver.clone();
        self.wait(async move {
            let mut transaction = driver.start_txn().await?;
            let rows = rows(&mut transaction, query).await?;
            transaction.commit().await?;
            Ok(rows)
        })
    }

    /// Carries out statements, all of them or none.
    fn carry_out(&self, queries: Vec<Query>) -> Result<(), Error> {
        self.prepare()?;
        let driver = self.driver.clone();
        self.wait(async move {
            let mut transaction = driver.start_txn().await?;
            for query in queries {
                transaction.run(query).await?;
            }
            transaction.commit().await?;
            Ok(())
        })
    }

    pub(super) fn write<'a>(&self, batches: impl Iterator<Item = &'a Batch>) -> Result<(), Error> {
        self.carry_out(batches.flat_map(statements).collect())
    }

    pub(super) fn find(&self, tenant: &str, id: &NodeId) -> Result<Option<Place<NodeId>>, Error> {
        let query = Query::new(cypher::FIND.to_owned()).param("tenant", tenant).param("id", id.as_str());
        let rows = self.ask(query)?;
        let place = |row: &Row| {
            Ok(Place {
                key: id.clone(),
                id: id.clone(),
                first_ms: time(row, "first_ms")?,
                last_ms: time(row, "last_ms")?,
            })
        };
        rows.first().map(place).transpose()
    }

    pub(super) fn step(
        &self,
        tenant: &str,
        from: &[NodeId],
        step: &Step<'_>,
        known: &dyn Fn(&NodeId) -> bool,
    ) -> Result<Steps<NodeId>, Error> {
        let mut steps = Steps::default();
        let mut seen = HashSet::new();
        let query = Query::new(cypher::step(step.sides))
            .param("tenant", tenant)
            .param("ids", ids(from.iter()))
            .param("from_ms", signed(step.span.from_ms))
            .param("to_ms", signed(step.span.to_ms))
            .param("limit", count(step.fan_out.saturating_add(1)))
            .param("budget", count(step.budget.saturating_add(1)));
        let mut taken: HashMap<(Side, usize), usize> = HashMap::new();
        for row in self.ask(query)? {
            let (hop, place) = hop(&row, step.sides)?;
            let of_this_node = taken.entry((hop.side, hop.from)).or_default();
            *of_this_node += 1;
            if steps.hops.len() >= step.budget || *of_this_node > step.fan_out {
                steps.truncated = true;
                continue;
            }
            if !known(&hop.to) && seen.insert(hop.to.clone()) {
                steps.places.push(place);
            }
            steps.hops.push(hop);
        }
        Ok(steps)
    }

    pub(super) fn properties(&self, tenant: &str, keys: &[NodeId]) -> Result<Vec<Properties>, Error> {
        let query =
            Query::new(cypher::PROPERTIES.to_owned()).param("tenant", tenant).param("ids", ids(keys.iter()));
        let mut all = vec![Properties::new(); keys.len()];
        for row in self.ask(query)? {
            let number: i64 = get(&row, "i")?;
            let mut properties: Properties =
                get::<HashMap<String, Property>>(&row, "properties")?.into_iter().collect();
            for stored in ["tenant", "id", "kind", "first_ms", "last_ms"] {
                properties.remove(stored);
            }
            if let Some(place) = usize::try_from(number).ok().and_then(|number| all.get_mut(number)) {
                *place = properties;
            }
        }
        Ok(all)
    }

    pub(super) fn attacks(
        &self,
        tenant: &str,
        span: Span,
        limit: usize,
    ) -> Result<Portion<Place<NodeId>>, Error> {
        let query = Query::new(cypher::ATTACKS.to_owned())
            .param("tenant", tenant)
            .param("from_ms", signed(span.from_ms))
            .param("to_ms", signed(span.to_ms))
            .param("limit", count(limit.saturating_add(1)));
        let rows = self.ask(query)?;
        let place = |row: &Row| place(row, "first_ms", "last_ms");
        let found = rows.iter().take(limit).map(place).collect::<Result<_, Error>>()?;
        Ok(Portion { found, truncated: rows.len() > limit })
    }

    pub(super) fn remove_all_of(&self, tenant: &str, id: &NodeId) -> Result<Counts, Error> {
        if self.find(tenant, id)?.is_none() {
            return Ok(Counts::default());
        }
        self.prepare()?;
        let driver = self.driver.clone();
        let (tenant, id) = (tenant.to_owned(), id.as_str().to_owned());
        let (kinds, edges) = self.wait(async move {
            let mut transaction = driver.start_txn().await?;
            let doomed = removal::descendants(&mut transaction, &tenant, id).await?;
            let carriers = removal::names(&mut transaction, cypher::CARRIERS, &tenant, &doomed).await?;
            let carriers: Vec<String> = carriers.into_iter().filter(|id| !doomed.contains(id)).collect();
            let mut removed = removal::remove(&mut transaction, &tenant, &doomed).await?;
            let alone = removal::names(&mut transaction, cypher::ALONE, &tenant, &carriers).await?;
            let more = removal::remove(&mut transaction, &tenant, &alone).await?;
            transaction.commit().await?;
            removed.0.extend(more.0);
            Ok((removed.0, removed.1 + more.1))
        })?;
        counts(kinds, edges)
    }

    pub(super) fn remove_before(&self, tenant: Option<&str>, before_ms: u64) -> Result<Counts, Error> {
        let mut all = Counts::default();
        let old = |text: &str| {
            Query::new(text.to_owned())
                .param("before", signed(before_ms))
                .param("tenant", tenant.map(str::to_owned))
        };
        loop {
            let rows = self.ask(old(cypher::OLD_NODES).param("limit", count(removal::AT_ONCE)))?;
            if rows.is_empty() {
                break;
            }
            let mut by_tenant: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for row in &rows {
                by_tenant.entry(get(row, "tenant")?).or_default().push(get(row, "id")?);
            }
            for (tenant, ids) in by_tenant {
                let driver = self.driver.clone();
                let (kinds, edges) = self.wait(async move {
                    let mut transaction = driver.start_txn().await?;
                    let removed = removal::remove(&mut transaction, &tenant, &ids).await?;
                    transaction.commit().await?;
                    Ok(removed)
                })?;
                all.add(&counts(kinds, edges)?);
            }
        }
        let edges = self.ask(old(cypher::COUNT_OLD_EDGES))?;
        all.edges += edges.first().map_or(Ok(0), |row| time(row, "edges"))?;
        self.carry_out(vec![old(cypher::REMOVE_OLD_EDGES)])?;
        Ok(all)
    }

    pub(super) fn count(&self, tenant: Option<&str>) -> Result<Stats, Error> {
        let of = |text: &str| Query::new(text.to_owned()).param("tenant", tenant.map(str::to_owned));
        let mut stats = Stats::default();
        for row in self.ask(of(cypher::COUNT_NODES))? {
            stats.counts.nodes.insert(kind(&get::<String>(&row, "kind")?)?, time(&row, "nodes")?);
            let (first, last) = (time(&row, "first_ms")?, time(&row, "last_ms")?);
            stats.first_ms = Some(stats.first_ms.map_or(first, |known| known.min(first)));
            stats.last_ms = stats.last_ms.max(Some(last));
        }
        let edges = self.ask(of(cypher::COUNT_EDGES))?;
        stats.counts.edges = edges.first().map_or(Ok(0), |row| time(row, "edges"))?;
        Ok(stats)
    }
}

pub(super) async fn rows(transaction: &mut Txn, query: Query) -> Result<Rows, neo4rs::Error> {
    let mut stream = transaction.execute(query).await?;
    let mut rows = Vec::new();
    while let Some(row) = stream.next(&mut *transaction).await? {
        rows.push(row);
    }
    Ok(rows)
}

/// What the driver says, sorted by whether trying again may help. Statements are not repeated in messages, nor are their
/// parameters.
fn explained(error: &neo4rs::Error) -> Error {
    match error {
        neo4rs::Error::Neo4j(error) => match error.kind() {
            Neo4jErrorKind::Client(
                Neo4jClientErrorKind::Other
                | Neo4jClientErrorKind::Unknown
                | Neo4jClientErrorKind::ProtocolViolation,
            ) => Error::Refused(error.code().to_owned()),
            _ => Error::Away(error.code().to_owned()),
        },
        neo4rs::Error::AuthenticationError(_) => {
            Error::Away("it does not accept the user or the password".to_owned())
        }
        neo4rs::Error::IOError { detail } => Error::Away(detail.kind().to_string()),
        neo4rs::Error::DeserializationError(_) => Error::Malformed { what: "answer" },
        neo4rs::Error::ConnectionTimedOut
        | neo4rs::Error::ConnectionError
        | neo4rs::Error::UnsupportedVersion(..)
        | neo4rs::Error::ProtocolMismatch(_)
        | neo4rs::Error::InvalidDnsName(_) => Error::Away(error.to_string()),
        // What else there is may quote the answer.
        _ => Error::Away("its answer was not understood".to_owned()),
    }
}
