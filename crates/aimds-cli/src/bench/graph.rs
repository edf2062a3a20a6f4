//! `aimds bench graph`: how fast a large causal memory is built and asked.

use std::path::PathBuf;

use aimds_bench::{Case, GraphLoad, GraphReport, Report, measure_graph};
use aimds_graph::{Graph, Neo4jGraph, Neo4jOptions, Password, SqliteGraph};
use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::page::{self, Output};
use crate::cli::Global;
use crate::progress::Progress;
use crate::status::Status;

/// Arguments of `aimds bench graph`.
#[derive(Debug, Args)]
#[command(
    after_help = "The graph is of one seed: thirty days of attacks, a fifth of them from one source. Run it on an idle \
machine, more than once. With --neo4j the same is measured there, in the tenant `bench`, which should be empty."
)]
pub struct GraphBench {
    /// Edges of the graph
    #[arg(long, default_value_t = 1_000_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub edges: u64,
    /// Questions of each kind
    #[arg(long, default_value_t = 1000, value_name = "N")]
    pub queries: usize,
    /// Where randomness comes from: the same seed gives the same graph and the same questions
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// A folder for the graph's files, which are removed afterwards; that for temporary files unless told otherwise
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,
    /// Also measure a Neo4j server: bolt://host:7687. Its password is taken from AIMDS_NEO4J_PASSWORD
    #[arg(long, value_name = "URL", env = "AIMDS_NEO4J_URL")]
    pub neo4j: Option<String>,
    /// Neo4j: the user
    #[arg(long, value_name = "NAME", env = "AIMDS_NEO4J_USER", default_value = "neo4j")]
    pub neo4j_user: String,
    /// Who else is shown, and how.
    #[command(flatten)]
    pub output: Output,
}

/// Measures SQLite, and Neo4j where there is one.
pub(super) fn run(arguments: &GraphBench, global: &Global) -> anyhow::Result<Status> {
    let rivals = page::read_rivals(&arguments.output.rivals)?;
    let folder = arguments.folder.clone().unwrap_or_else(std::env::temp_dir);
    let folder = folder.join(format!("aimds-bench-graph-{}", std::process::id()));
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let measured = measure(arguments, &folder, global);
    std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    let reports = measured?;
    let stores: Vec<_> =
        reports.iter().map(|(store, report)| json!({ "store": store, "report": report })).collect();
    let heading: String = reports.iter().map(|(store, report)| page(store, report)).collect();
    let report = Report::new("graph", arguments.seed, beside(reports));
    page::print(report, &rivals, json!({ "stores": stores }), &heading, arguments.output.format)
}

/// The questions of the first store, with those of the others as its rivals.
fn beside(reports: Vec<(&'static str, GraphReport)>) -> Vec<Case> {
    let mut reports = reports.into_iter();
    let mut cases = reports.next().map_or(Vec::new(), |(_, report)| report.queries);
    for (store, report) in reports {
        cases = cases
            .into_iter()
            .zip(report.queries)
            .map(|(case, other)| case.rival(store, None, other.measured))
            .collect();
    }
    cases
}

fn measure(
    arguments: &GraphBench,
    folder: &std::path::Path,
    global: &Global,
) -> anyhow::Result<Vec<(&'static str, GraphReport)>> {
    let mut reports =
        vec![("sqlite", one(&mut SqliteGraph::open(folder.join("graph.db"))?, arguments, global)?)];
    if let Some(url) = &arguments.neo4j {
        let password = Password(std::env::var("AIMDS_NEO4J_PASSWORD").unwrap_or_default());
        let mut options = Neo4jOptions::new(url, &arguments.neo4j_user, password, folder.join("spool.db"));
        options.timeout = std::time::Duration::from_secs(300);
        options.spool_bytes = 16 << 30;
        reports.push(("neo4j", one(&mut Neo4jGraph::open(options)?, arguments, global)?));
    }
    Ok(reports)
}

fn one(graph: &mut dyn Graph, arguments: &GraphBench, global: &Global) -> anyhow::Result<GraphReport> {
    let load = GraphLoad { edges: arguments.edges, seed: arguments.seed, queries: arguments.queries };
    let progress = Progress::steps(load.edges, global);
    let report = measure_graph(graph, &load, |edges| progress.advance(edges));
    progress.finish();
    Ok(report?)
}

fn page(store: &str, report: &GraphReport) -> String {
    let megabytes = |bytes: Option<u64>, what: &str| {
        bytes.map_or(String::new(), |bytes| format!(", {:.0} MB {what}", bytes as f64 / 1e6))
    };
    let bytes = megabytes(report.bytes, "on disk") + &megabytes(report.memory_bytes, "of memory at most");
    format!(
        "{store}: {} nodes, {} edges ({} at the largest source), built in {:.1} s ({:.0} edges/s){bytes}\n",
        report.nodes, report.edges, report.hub_edges, report.load_s, report.edges_per_s
    )
}
