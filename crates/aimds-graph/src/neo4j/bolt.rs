//! The database: what is asked of it, and how its answers are read.
//!
//! The driver is asynchronous. Its runtime has one thread here; callers wait for it on a channel, which works from any thread,
//! also from one of another runtime.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use neo4rs::{ConfigBuilder, Graph as Driver, Neo4jClientErrorKind, Neo4jErrorKind, Query, Row, Txn};
use tokio::runtime::Runtime;

use super::rows::{count, counts, get, signed, statements, time};
use super::{Neo4jOptions, cypher, removal};
use crate::answer::Counts;
use crate::error::Error;
use crate::model::{Batch, NodeId};

/// Connections: one for what is delivered, the others for questions.
const CONNECTIONS: usize = 4;

/// Rows of one answer that come in one journey.
const FETCHED: usize = 1000;

pub(super) struct Bolt {
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
    driver: Driver,
    /// The constraint and the indexes are there.
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

pub(super) type Rows = Vec<Row>;

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

    /// Makes the constraint and the indexes, once for each process. A database that refuses them refuses no batch, so that none is
    /// set aside for it.
    fn prepare(&self) -> Result<(), Error> {
        if self.prepared.load(Ordering::Acquire) {
            return Ok(());
        }
        let driver = self.driver.clone();
        let made = self.wait(async move { make_indexes(&driver).await });
        made.map_err(|error| match error {
            Error::Refused(code) => Error::Away(code),
            error => error,
        })?;
        self.prepared.store(true, Ordering::Release);
        Ok(())
    }

    /// Asks one question.
    fn ask(&self, query: Query) -> Result<Rows, Error> {
        let (transaction, rows) = self.read(None, query)?;
        self.end(transaction);
        Ok(rows)
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

    /// Asks in a transaction that is under way, or in a new one, and gives it back.
    pub(super) fn read(&self, begun: Option<Txn>, query: Query) -> Result<(Txn, Rows), Error> {
        self.prepare()?;
        let driver = self.driver.clone();
        self.wait(async move {
            let mut transaction = match begun {
                Some(transaction) => transaction,
                None => driver.start_txn().await?,
            };
            let rows = rows(&mut transaction, query).await?;
            Ok((transaction, rows))
        })
    }

    /// Ends a transaction that changed nothing, without waiting for it.
    pub(super) fn end(&self, transaction: Txn) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(transaction.commit());
        }
    }

    pub(super) fn remove_all_of(&self, tenant: &str, id: &NodeId) -> Result<Counts, Error> {
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
}

/// A transaction of its own for each statement: what was done when time runs out need not be done again.
async fn make_indexes(driver: &Driver) -> Result<(), neo4rs::Error> {
    for statement in cypher::SCHEMA {
        alone(driver, statement.to_owned()).await?;
    }
    for kind in cypher::OF_HUBS {
        if !alone(driver, cypher::has_hub_indexes(kind)).await?.is_empty() {
            continue;
        }
        loop {
            let filled = alone(driver, cypher::fill_hubs(kind)).await?;
            if filled.first().map_or(Ok(0), |row| row.get::<i64>("filled"))? == 0 {
                break;
            }
        }
        for statement in cypher::hub_indexes(kind) {
            alone(driver, statement).await?;
        }
    }
    alone(driver, cypher::AWAIT_INDEXES.to_owned()).await?;
    Ok(())
}

async fn alone(driver: &Driver, statement: String) -> Result<Rows, neo4rs::Error> {
    let mut transaction = driver.start_txn().await?;
    let rows = rows(&mut transaction, Query::new(statement)).await?;
    transaction.commit().await?;
    Ok(rows)
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
