//! The causal memory of what the gateway has decided.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aimds_graph::{Batch, Graph, Linker, Record, SqliteGraph};
use aimds_store::{AuditLog, Entry};
use tokio::sync::Semaphore;

use super::follower::{Consumer, Follower};
use super::place::beside;
use crate::config::{GraphConfig, GraphStore};

/// Nodes or edges that are written at once.
const BATCH: usize = 4000;
/// Questions that wait for the graph at the same time.
const QUESTIONS: usize = 8;

type Shared = Mutex<Option<Box<dyn Graph>>>;

/// The causal memory: written behind requests, asked by people.
pub(crate) struct Memory {
    graph: Arc<Shared>,
    counts: Arc<Counts>,
    follower: Follower,
    questions: Arc<Semaphore>,
}

/// Why a question has no answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// The store is down.
    Away,
    /// Too many ask at once.
    Busy,
    /// What the graph said.
    Graph(aimds_graph::Error),
}

#[derive(Default)]
struct Counts {
    linked: AtomicU64,
    refused: AtomicU64,
}

impl Memory {
    /// Opens it where it can, and follows the log.
    ///
    /// # Errors
    /// The system gives no thread. A store that is down is no error: it is tried again.
    pub(crate) fn start(config: GraphConfig, log: Arc<AuditLog>) -> std::io::Result<Self> {
        let (graph, counts) = (Arc::<Shared>::default(), Arc::<Counts>::default());
        let place = match &config.store {
            GraphStore::File(path) => beside(path, ".place"),
            #[cfg(feature = "neo4j")]
            GraphStore::Neo4j(options) => beside(&options.spool, ".place"),
        };
        let links = Links {
            store: config.store,
            graph: Arc::clone(&graph),
            counts: Arc::clone(&counts),
            linker: Linker::default(),
        };
        let follower = Follower::start("graph", log, place, links)?;
        Ok(Self { graph, counts, follower, questions: Arc::new(Semaphore::new(QUESTIONS)) })
    }

    /// Asks it, where that does not hold up requests.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Graph) -> Result<T, aimds_graph::Error> + Send + 'static,
    ) -> Result<T, Unanswered> {
        let place = Arc::clone(&self.questions).try_acquire_owned().map_err(|_| Unanswered::Busy)?;
        let graph = Arc::clone(&self.graph);
        let asked = tokio::task::spawn_blocking(move || {
            let _place = place;
            let graph = graph.lock().unwrap_or_else(PoisonError::into_inner);
            question(graph.as_deref().ok_or(Unanswered::Away)?).map_err(Unanswered::Graph)
        });
        asked.await.unwrap_or(Err(Unanswered::Away))
    }

    /// Links what is in the log by now. Blocks.
    pub(crate) fn close(&self, patience: Duration) {
        self.follower.close(patience);
    }

    /// Adds to what Prometheus reads.
    pub(crate) fn expose(&self, out: &mut String) {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let healthy = u64::from(self.follower.state().is_healthy());
        for (name, kind, help, value) in [
            (
                "aimds_graph_linked_total",
                "counter",
                "Records that became nodes and edges.",
                load(&self.counts.linked),
            ),
            (
                "aimds_graph_refused_total",
                "counter",
                "Records with a name that the graph does not take.",
                load(&self.counts.refused),
            ),
            (
                "aimds_graph_waiting",
                "gauge",
                "Records of the audit log not looked at yet.",
                self.follower.waiting(),
            ),
            ("aimds_graph_healthy", "gauge", "Whether the graph could be written last time.", healthy),
        ] {
            // Writing to a String does not fail.
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
        }
    }
}

/// Makes nodes and edges of records.
struct Links {
    store: GraphStore,
    graph: Arc<Shared>,
    counts: Arc<Counts>,
    linker: Linker,
}

impl Consumer for Links {
    /// What the linker remembers: attacks that later ones may be like, and requests whose outcome is to come.
    const RECALLED: u64 = 10_000;

    fn recall(&mut self, entry: &Entry) {
        let _ = self.link(entry);
    }

    fn take(&mut self, entries: &[Entry]) -> Result<(), Box<dyn Error + Send + Sync>> {
        let graph = Arc::clone(&self.graph);
        let mut graph = graph.lock().unwrap_or_else(PoisonError::into_inner);
        if graph.is_some() && self.is_gone() {
            tracing::warn!(
                "the graph's file is gone; a new one begins here: aimds graph import makes it whole"
            );
            *graph = None;
        }
        let graph = match &mut *graph {
            Some(graph) => graph,
            none => none.insert(open(&self.store)?),
        };
        let (mut waiting, mut linked, mut refused) = (BTreeMap::new(), 0, 0);
        for entry in entries {
            match self.link(entry) {
                Some(Ok(batch)) if !batch.is_empty() => {
                    linked += 1;
                    let merged: &mut Batch =
                        waiting.entry(batch.tenant.clone()).or_insert_with(|| Batch::new(&batch.tenant));
                    merged.nodes.extend(batch.nodes);
                    merged.edges.extend(batch.edges);
                    if merged.nodes.len().max(merged.edges.len()) >= BATCH {
                        graph.upsert(&std::mem::replace(merged, Batch::new(&batch.tenant)))?;
                    }
                }
                Some(Err(_)) => refused += 1,
                _ => {}
            }
        }
        for batch in waiting.values() {
            graph.upsert(batch)?;
        }
        self.counts.linked.fetch_add(linked, Ordering::Relaxed);
        self.counts.refused.fetch_add(refused, Ordering::Relaxed);
        Ok(())
    }
}

impl Links {
    /// `None` for a record that says nothing about attacks.
    fn link(&mut self, entry: &Entry) -> Option<Result<Batch, aimds_graph::Invalid>> {
        if !matches!(entry.kind.as_str(), "decision" | "outcome") {
            return None;
        }
        let Entry { at_ms, request_id, tenant, kind, body, .. } = entry;
        Some(self.linker.link(&Record {
            at_ms: *at_ms,
            request_id: request_id.clone(),
            tenant: tenant.clone(),
            kind: kind.clone(),
            body: serde_json::from_str(body).unwrap_or_default(),
        }))
    }

    /// A file that was deleted can still be written, but by nobody be read.
    fn is_gone(&self) -> bool {
        match &self.store {
            GraphStore::File(path) => !path.exists(),
            #[cfg(feature = "neo4j")]
            GraphStore::Neo4j(_) => false,
        }
    }
}

fn open(store: &GraphStore) -> Result<Box<dyn Graph>, aimds_graph::Error> {
    Ok(match store {
        GraphStore::File(path) => Box::new(SqliteGraph::open(path)?),
        #[cfg(feature = "neo4j")]
        GraphStore::Neo4j(options) => Box::new(aimds_graph::Neo4jGraph::open(options.as_ref().clone())?),
    })
}
