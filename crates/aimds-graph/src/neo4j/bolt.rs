//! The database: what is asked of it, and how its answers are read.
//!
//! The driver is asynchronous. Its runtime has one thread here; callers wait for it on a channel, which works from any thread,
//! also from one of another runtime.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use neo4rs::{BoltMap, BoltType, ConfigBuilder, Graph as Driver, Neo4jClientErrorKind, Neo4jErrorKind, Query, Row, Txn};
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;

use super::{Neo4jOptions, cypher};
use crate::answer::{Counts, Stats};
use crate::error::Error;
use crate::graph::{Hop, Place, Portion, Side, Step};
use crate::limits::Span;
use crate::model::{Batch, Edge, EdgeKind, Node, NodeId, NodeKind, Properties, Property};

/// Connections: one for what is delivered, the others for questions.
const CONNECTIONS: usize = 4;
/// Nodes that are removed by one statement.
const REMOVED_AT_ONCE: usize = 1000;

pub(super) struct Bolt {
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
    driver: Driver,
    /// The constraint and the index are there.
    prepared: Arc<AtomicBool>,
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
            .fetch_size(1000)
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
        let prepared = Arc::new(AtomicBool::new(false));
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

    /// Asks one question.
    fn ask(&self, query: Query) -> Result<Rows, Error> {
        let (driver, prepared) = (self.driver.clone(), self.prepared.clone());
        self.wait(async move {
            prepare(&driver, &prepared).await?;
            let mut transaction = driver.start_txn().await?;
            let rows = rows(&mut transaction, query).await?;
            transaction.commit().await?;
            Ok(rows)
        })
    }

    /// Carries out statements, all of them or none.
    fn carry_out(&self, queries: Vec<Query>) -> Result<(), Error> {
        let (driver, prepared) = (self.driver.clone(), self.prepared.clone());
        self.wait(async move {
            prepare(&driver, &prepared).await?;
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
        from: &[Place<NodeId>],
        step: &Step<'_>,
    ) -> Result<Portion<Hop<NodeId>>, Error> {
        let mut portion = Portion { found: Vec::new(), truncated: false };
        for &side in step.sides {
            let left = step.budget.saturating_sub(portion.found.len());
            let query = Query::new(cypher::step(side))
                .param("tenant", tenant)
                .param("ids", ids(from.iter().map(|place| &place.key)))
                .param("back", cypher::pointing_back())
                .param("from_ms", signed(step.span.from_ms))
                .param("to_ms", signed(step.span.to_ms))
                .param("limit", count(step.fan_out.saturating_add(1)))
                .param("budget", count(left.saturating_add(1)));
            let mut taken: HashMap<usize, usize> = HashMap::new();
            for (number, row) in self.ask(query)?.iter().enumerate() {
                let hop = hop(row, side)?;
                let of_this_node = taken.entry(hop.from).or_default();
                *of_this_node += 1;
                if number >= left || *of_this_node > step.fan_out {
                    portion.truncated = true;
                } else {
                    portion.found.push(hop);
                }
            }
        }
        Ok(portion)
    }

    pub(super) fn properties(&self, tenant: &str, keys: &[NodeId]) -> Result<Vec<Properties>, Error> {
        let query =
            Query::new(cypher::PROPERTIES.to_owned()).param("tenant", tenant).param("ids", ids(keys.iter()));
        let mut all = vec![Properties::new(); keys.len()];
        for row in self.ask(query)? {
            let number: i64 = get(&row, "i")?;
            let mut properties: Properties = get::<HashMap<String, Property>>(&row, "properties")?.into_iter().collect();
            for stored in ["tenant", "id", "kind", "first_ms", "last_ms"] {
                properties.remove(stored);
            }
            if let Some(place) = usize::try_from(number).ok().and_then(|number| all.get_mut(number)) {
                *place = properties;
            }
        }
        Ok(all)
    }

    pub(super) fn attacks(&self, tenant: &str, span: Span, limit: usize) -> Result<Portion<Place<NodeId>>, Error> {
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
        let (driver, prepared) = (self.driver.clone(), self.prepared.clone());
        let (tenant, id) = (tenant.to_owned(), id.as_str().to_owned());
        let (kinds, edges) = self.wait(async move {
            prepare(&driver, &prepared).await?;
            let mut transaction = driver.start_txn().await?;
            let doomed = descendants(&mut transaction, &tenant, id).await?;
            let carriers = names(&mut transaction, cypher::CARRIERS, &tenant, &doomed).await?;
            let carriers: Vec<String> = carriers.into_iter().filter(|id| !doomed.contains(id)).collect();
            let mut removed = remove(&mut transaction, &tenant, &doomed).await?;
            let alone = names(&mut transaction, cypher::ALONE, &tenant, &carriers).await?;
            let more = remove(&mut transaction, &tenant, &alone).await?;
            transaction.commit().await?;
            removed.0.extend(more.0);
            Ok((removed.0, removed.1 + more.1))
        })?;
        counts(kinds, edges)
    }

    pub(super) fn remove_before(&self, tenant: Option<&str>, before_ms: u64) -> Result<Counts, Error> {
        let mut all = Counts::default();
        let old = |text: &str| {
            Query::new(text.to_owned()).param("before", signed(before_ms)).param("tenant", tenant.map(str::to_owned))
        };
        loop {
            let rows = self.ask(old(cypher::OLD_NODES).param("limit", count(REMOVED_AT_ONCE)))?;
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
                    let removed = remove(&mut transaction, &tenant, &ids).await?;
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

/// Makes the constraint and the index, once for each process.
async fn prepare(driver: &Driver, prepared: &AtomicBool) -> Result<(), neo4rs::Error> {
    if prepared.load(Ordering::Acquire) {
        return Ok(());
    }
    for statement in cypher::SCHEMA {
        let mut transaction = driver.start_txn().await?;
        transaction.run(statement).await?;
        transaction.commit().await?;
    }
    prepared.store(true, Ordering::Release);
    Ok(())
}

async fn rows(transaction: &mut Txn, query: Query) -> Result<Rows, neo4rs::Error> {
    let mut stream = transaction.execute(query).await?;
    let mut rows = Vec::new();
    while let Some(row) = stream.next(&mut *transaction).await? {
        rows.push(row);
    }
    Ok(rows)
}

/// The `id` of every row of a statement about some nodes.
async fn names(
    transaction: &mut Txn,
    statement: &str,
    tenant: &str,
    ids: &[String],
) -> Result<Vec<String>, neo4rs::Error> {
    let mut found = Vec::new();
    for some in ids.chunks(REMOVED_AT_ONCE) {
        for row in rows(transaction, about(statement, tenant, some)).await? {
            found.push(row.get("id")?);
        }
    }
    Ok(found)
}

fn about(statement: &str, tenant: &str, ids: &[String]) -> Query {
    Query::new(statement.to_owned())
        .param("tenant", tenant)
        .param("ids", ids)
        .param("back", cypher::pointing_back())
}

/// A node and everything that came of it.
async fn descendants(transaction: &mut Txn, tenant: &str, id: String) -> Result<Vec<String>, neo4rs::Error> {
    let mut seen = HashSet::from([id.clone()]);
    let mut all = vec![id];
    let mut done = 0;
    while done < all.len() {
        let frontier = all.split_off(done);
        let effects = names(transaction, cypher::EFFECTS, tenant, &frontier).await?;
        all.extend(frontier);
        done = all.len();
        all.extend(effects.into_iter().filter(|id| seen.insert(id.clone())));
    }
    Ok(all)
}

type Removed = (Vec<(String, i64)>, i64);

/// Removes some nodes with their edges, and counts both.
async fn remove(transaction: &mut Txn, tenant: &str, ids: &[String]) -> Result<Removed, neo4rs::Error> {
    let (mut kinds, mut edges) = (Vec::new(), 0_i64);
    for some in ids.chunks(REMOVED_AT_ONCE) {
        for row in rows(transaction, about(cypher::COUNT_NODES_OF, tenant, some)).await? {
            kinds.push((row.get("kind")?, row.get("nodes")?));
        }
        for row in rows(transaction, about(cypher::COUNT_EDGES_OF, tenant, some)).await? {
            edges += row.get::<i64>("edges")?;
        }
        transaction.run(about(cypher::REMOVE, tenant, some)).await?;
    }
    Ok((kinds, edges))
}

fn counts(kinds: Vec<(String, i64)>, edges: i64) -> Result<Counts, Error> {
    let mut counts = Counts { nodes: BTreeMap::new(), edges: edges.unsigned_abs() };
    for (name, nodes) in kinds {
        *counts.nodes.entry(kind(&name)?).or_default() += nodes.unsigned_abs();
    }
    Ok(counts)
}

/// One statement for each kind of node and edge in the batch.
fn statements(batch: &Batch) -> Vec<Query> {
    let mut statements = Vec::new();
    for &kind in NodeKind::ALL {
        let nodes = batch.nodes.iter().filter(|node| node.id.kind() == kind);
        put(&mut statements, cypher::put_nodes(kind), &batch.tenant, nodes.map(node_row).collect());
    }
    for &kind in EdgeKind::ALL {
        let edges = batch.edges.iter().filter(|edge| edge.kind == kind);
        put(&mut statements, cypher::put_edges(kind), &batch.tenant, edges.map(edge_row).collect());
    }
    statements
}

fn put(statements: &mut Vec<Query>, text: String, tenant: &str, rows: Vec<BoltType>) {
    if !rows.is_empty() {
        statements.push(Query::new(text).param("tenant", tenant).param("rows", rows));
    }
}

fn map(fields: impl IntoIterator<Item = (String, BoltType)>) -> BoltType {
    let mut map = BoltMap::default();
    for (name, value) in fields {
        map.put(name.as_str().into(), value);
    }
    BoltType::Map(map)
}

fn node_row(node: &Node) -> BoltType {
    let properties = node.properties.iter().map(|(name, value)| {
        let value: BoltType = match value {
            Property::Flag(flag) => (*flag).into(),
            Property::Count(count) => (*count).into(),
            Property::Score(score) => (*score).into(),
            Property::Label(text) => text.as_str().into(),
        };
        (name.clone(), value)
    });
    map([
        ("id".to_owned(), node.id.as_str().into()),
        ("first_ms".to_owned(), signed(node.first_ms).into()),
        ("last_ms".to_owned(), signed(node.last_ms).into()),
        ("properties".to_owned(), map(properties)),
    ])
}

fn edge_row(edge: &Edge) -> BoltType {
    // Likeness has no direction, so it has one.
    let (from, to) = match edge.kind {
        EdgeKind::SimilarTo => ((&edge.from).min(&edge.to), (&edge.from).max(&edge.to)),
        _ => (&edge.from, &edge.to),
    };
    map([
        ("from".to_owned(), from.as_str().into()),
        ("to".to_owned(), to.as_str().into()),
        ("first_ms".to_owned(), signed(edge.first_ms).into()),
        ("last_ms".to_owned(), signed(edge.last_ms).into()),
        ("weight".to_owned(), edge.weight.into()),
    ])
}

fn ids<'a>(ids: impl Iterator<Item = &'a NodeId>) -> Vec<String> {
    ids.map(|id| id.as_str().to_owned()).collect()
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn get<T: DeserializeOwned>(row: &Row, column: &str) -> Result<T, Error> {
    row.get(column).map_err(|_| Error::Malformed { what: "answer" })
}

fn time(row: &Row, column: &str) -> Result<u64, Error> {
    get::<i64>(row, column).map(i64::unsigned_abs)
}

fn kind(name: &str) -> Result<NodeKind, Error> {
    name.parse().map_err(|_| Error::Malformed { what: "node" })
}

fn place(row: &Row, first: &str, last: &str) -> Result<Place<NodeId>, Error> {
    let id: NodeId = get::<String>(row, "id")?.parse().map_err(|_| Error::Malformed { what: "node" })?;
    Ok(Place { key: id.clone(), id, first_ms: time(row, first)?, last_ms: time(row, last)? })
}

fn hop(row: &Row, side: Side) -> Result<Hop<NodeId>, Error> {
    Ok(Hop {
        from: usize::try_from(get::<i64>(row, "i")?).map_err(|_| Error::Malformed { what: "answer" })?,
        to: place(row, "node_first", "node_last")?,
        side,
        kind: cypher::kind_of(&get::<String>(row, "kind")?).ok_or(Error::Malformed { what: "edge" })?,
        first_ms: time(row, "first_ms")?,
        last_ms: time(row, "last_ms")?,
        weight: get(row, "weight")?,
    })
}

/// What the driver says, sorted by whether trying again may help. Statements are not repeated in messages, nor are their
/// parameters.
fn explained(error: &neo4rs::Error) -> Error {
    match error {
        neo4rs::Error::Neo4j(error) => match error.kind() {
            Neo4jErrorKind::Client(
                Neo4jClientErrorKind::Other | Neo4jClientErrorKind::Unknown | Neo4jClientErrorKind::ProtocolViolation,
            ) => Error::Refused(error.code().to_owned()),
            _ => Error::Away(error.code().to_owned()),
        },
        neo4rs::Error::AuthenticationError(_) => Error::Away("it does not accept the user or the password".to_owned()),
        neo4rs::Error::IOError { detail } => Error::Away(detail.kind().to_string()),
        neo4rs::Error::DeserializationError(_) => Error::Malformed { what: "answer" },
        other => Error::Away(other.to_string()),
    }
}
