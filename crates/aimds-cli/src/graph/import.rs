//! `aimds graph import`: from the audit log to the graph.

use std::collections::BTreeMap;
use std::path::PathBuf;

use aimds_graph::{Batch, Graph, Linker, Record};
use aimds_store::{Entry, Filter, ReadError, Reader};
use anyhow::Context as _;
use clap::Args;
use serde::Serialize;

use super::{Place, Plain, place, print, print_json};
use crate::cli::Global;
use crate::progress::Progress;
use crate::{Status, data_directory};

/// Nodes or edges that are written at once.
const BATCH: usize = 4000;

/// Arguments of `aimds graph import`.
#[derive(Debug, Args)]
pub struct Import {
    /// The audit log; audit.db in the data directory unless told otherwise
    #[arg(value_name = "AUDITLOG")]
    pub log: Option<PathBuf>,
    /// Where the graph is. Without --tenant, the records of all tenants are read, each into its own tenant's graph.
    #[command(flatten)]
    pub place: Place,
    /// Only after this record number
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub after: u64,
    /// What is written
    #[arg(long, value_enum, default_value_t = Plain::Text)]
    pub format: Plain,
}

/// What was done.
#[derive(Debug, Default, Serialize)]
struct Imported {
    /// Records read.
    records: u64,
    /// Of them, those that became nodes or edges.
    linked: u64,
    /// Of them, those with a name that the graph does not take.
    refused: u64,
    /// The last record, from which a later run can go on (`--after`).
    last: u64,
}

/// Reads the log and writes the graph, by the thousand.
pub(super) fn run(arguments: &Import, global: &Global) -> anyhow::Result<Status> {
    let path = match &arguments.log {
        Some(file) => file.clone(),
        None => data_directory::find(arguments.place.data_dir.as_deref())?.join(data_directory::AUDIT_LOG),
    };
    anyhow::ensure!(path.is_file(), "no audit log at {}", path.display());
    let unreadable = || format!("cannot read the audit log {}", path.display());
    let reader = Reader::open(&path).with_context(unreadable)?;
    let total = reader.tail(1).with_context(unreadable)?.last().map_or(0, |entry| entry.seq);
    let mut graph = arguments.place.open_or_make()?;
    let progress = Progress::steps(total.saturating_sub(arguments.after), global);
    let mut writer = Writer { graph: graph.as_mut(), waiting: BTreeMap::new(), done: Imported::default() };
    let mut linker = Linker::default();
    let tenant = Some(&arguments.place.tenant).filter(|tenant| !tenant.is_empty());
    let filter = Filter { after_seq: arguments.after, tenant: tenant.cloned(), ..Filter::default() };
    // An error of the graph ends the reading, and is told as such.
    let mut failed = None;
    let read = reader.read(&filter, |entry| {
        progress.step();
        writer.take(&mut linker, entry).map_err(|error| {
            failed = Some(error);
            ReadError::Output(std::io::Error::other("the graph"))
        })
    });
    progress.finish();
    if let Some(error) = failed {
        return Err(anyhow::Error::new(error).context("cannot write the graph"));
    }
    read.with_context(unreadable)?;
    writer.write_all().context("cannot write the graph")?;
    let done = writer.done;
    place::settle(graph.as_mut())?;
    report(&done, arguments.format)
}

fn report(done: &Imported, format: Plain) -> anyhow::Result<Status> {
    if format == Plain::Json {
        return print_json(done);
    }
    let Imported { records, linked, refused, last } = done;
    let refused = match refused {
        0 => String::new(),
        _ => format!(", {refused} with names that the graph does not take"),
    };
    print(&format!("{records} records read, {linked} linked{refused}; the last was record {last}\n"))
}

struct Writer<'a> {
    graph: &'a mut dyn Graph,
    /// By tenant.
    waiting: BTreeMap<String, Batch>,
    done: Imported,
}

impl Writer<'_> {
    fn take(&mut self, linker: &mut Linker, entry: Entry) -> Result<(), aimds_graph::Error> {
        self.done.records += 1;
        self.done.last = entry.seq;
        let Entry { at_ms, request_id, tenant, kind, body, .. } = entry;
        let body = serde_json::from_str(&body).unwrap_or_default();
        let Ok(batch) = linker.link(&Record { at_ms, request_id, tenant, kind, body }) else {
            self.done.refused += 1;
            return Ok(());
        };
        if batch.is_empty() {
            return Ok(());
        }
        self.done.linked += 1;
        let waiting = self.waiting.entry(batch.tenant.clone()).or_insert_with(|| Batch::new(&batch.tenant));
        waiting.nodes.extend(batch.nodes);
        waiting.edges.extend(batch.edges);
        if self.waiting.values().map(|batch| batch.nodes.len().max(batch.edges.len())).sum::<usize>() >= BATCH
        {
            self.write_all()?;
        }
        Ok(())
    }

    fn write_all(&mut self) -> Result<(), aimds_graph::Error> {
        for batch in std::mem::take(&mut self.waiting).into_values() {
            self.graph.upsert(&batch)?;
        }
        Ok(())
    }
}
