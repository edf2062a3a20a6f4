//! `aimds graph`: the causal memory. Builds it from the audit log, asks it, and takes out what must go.

mod ask;
mod change;
mod import;
mod place;

use std::io::Write as _;

use aimds_graph::{Limits, NodeId, NodeKind};
use clap::{Args, Subcommand, ValueEnum};

use crate::cli::Global;
use crate::{Status, moment};

pub(crate) use place::Place;

const BOUNDED: &str = "Answers are bounded; one that could be longer says so. Exit status: 0 answered, 2 wrong usage, 3 not \
there, or not readable.";

/// The subcommands of `aimds graph`.
#[derive(Debug, Subcommand)]
pub enum Graph {
    /// Build the graph from the audit log; again is harmless
    #[command(
        after_help = "Detections with their sources, rules, decisions and outcomes become nodes and edges; requests in which \
nothing was found leave no trace. Attacks that were recognised by much the same rules are linked as alike.

Exit status: 0 read to its end, 3 not readable."
    )]
    Import(import::Import),
    /// Attacks that hang together with an attack
    #[command(after_help = BOUNDED)]
    Related(Related),
    /// One attack from its first cause to its last effect
    #[command(after_help = BOUNDED)]
    Chain(About),
    /// Where something began
    #[command(after_help = BOUNDED)]
    Root(About),
    /// What came of a source, a document or anything else
    #[command(after_help = BOUNDED)]
    Blast(Blast),
    /// Attacks that belong together, by likeness and common sources
    #[command(after_help = BOUNDED)]
    Campaigns(Campaigns),
    /// Erase a person's data: a source with all that came of it
    #[command(
        after_help = "Prints a receipt. Sessions and documents that nothing else holds go, too; rules stay. The audit log is \
not touched, and importing the same records again brings the data back: import with --after.

Exit status: 0 erased, 3 not there, or not writable."
    )]
    Erase(change::Erase),
    /// Drop what was last seen long ago
    Retain(change::Retain),
    /// How much there is
    Stats(change::Stats),
}

/// What an answer looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A sentence and a list.
    Text,
    /// One JSON object.
    Json,
    /// A flow chart for Mermaid.
    Mermaid,
    /// A picture.
    Svg,
}

/// What an answer without a picture looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Plain {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

/// Bounds of a question; each question has its own usual ones.
#[derive(Debug, Args)]
pub struct Bounds {
    /// Edges away, at most
    #[arg(long, value_name = "N")]
    pub hops: Option<u8>,
    /// Only what was seen so many hours before and after
    #[arg(long, value_name = "HOURS")]
    pub window_hours: Option<u32>,
    /// Edges that are followed from one node in one direction, the newest first
    #[arg(long, value_name = "N")]
    pub fan_out: Option<usize>,
    /// Nodes that are visited
    #[arg(long, value_name = "N")]
    pub nodes: Option<usize>,
}

impl Bounds {
    fn over(&self, usual: Limits) -> Limits {
        let window_ms = self.window_hours.map(|hours| u64::from(hours) * 3_600_000);
        Limits {
            hops: self.hops.unwrap_or(usual.hops),
            window_ms: window_ms.or(usual.window_ms),
            fan_out: self.fan_out.unwrap_or(usual.fan_out),
            nodes: self.nodes.unwrap_or(usual.nodes),
        }
    }
}

/// What every question about a node takes.
#[derive(Debug, Args)]
pub struct Question {
    /// Where the graph is.
    #[command(flatten)]
    pub place: Place,
    /// How far it goes.
    #[command(flatten)]
    pub bounds: Bounds,
    /// What is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// Arguments of `aimds graph related`.
#[derive(Debug, Args)]
pub struct Related {
    /// The attack: a request's id
    #[arg(value_name = "ID", required_unless_present = "attack")]
    pub id: Option<String>,
    /// The same, by name
    #[arg(long, value_name = "ID", conflicts_with = "id")]
    pub attack: Option<String>,
    /// Where, how far, and how it is told.
    #[command(flatten)]
    pub question: Question,
}

/// Arguments of `aimds graph chain` and `aimds graph root`.
#[derive(Debug, Args)]
pub struct About {
    /// An attack by its request's id, or any node as KIND:NAME
    #[arg(value_name = "ID")]
    pub id: String,
    /// Where, how far, and how it is told.
    #[command(flatten)]
    pub question: Question,
}

/// Arguments of `aimds graph blast`.
#[derive(Debug, Args)]
pub struct Blast {
    /// A source by its name, or any node as KIND:NAME, such as document:NAME
    #[arg(value_name = "SOURCE")]
    pub source: String,
    /// Where, how far, and how it is told.
    #[command(flatten)]
    pub question: Question,
}

/// Arguments of `aimds graph campaigns`.
#[derive(Debug, Args)]
pub struct Campaigns {
    /// Where the graph is.
    #[command(flatten)]
    pub place: Place,
    /// Only attacks not before: milliseconds since 1970, or UTC as 2026-11-22 or 2026-11-22T17:30:00Z
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    pub from: Option<u64>,
    /// Only attacks not after
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    pub to: Option<u64>,
    /// The longest pause within a campaign
    #[arg(long, value_name = "HOURS", default_value_t = 24)]
    pub gap_hours: u32,
    /// How alike two attacks must be, in (0, 1]
    #[arg(long, value_name = "SHARE", default_value_t = 0.5)]
    pub alike: f64,
    /// Attacks of a campaign, at least
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub min_size: usize,
    /// Attacks that are looked at, the newest first
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub attacks: usize,
    /// What is written
    #[arg(long, value_enum, default_value_t = Plain::Text)]
    pub format: Plain,
}

/// Runs `aimds graph`.
///
/// # Errors
/// What is not there, cannot be read, or cannot be written.
pub fn run(graph: &Graph, global: &Global) -> anyhow::Result<Status> {
    match graph {
        Graph::Import(arguments) => import::run(arguments, global),
        Graph::Related(arguments) => ask::related(arguments),
        Graph::Chain(arguments) => ask::chain(arguments),
        Graph::Root(arguments) => ask::root(arguments),
        Graph::Blast(arguments) => ask::blast(arguments),
        Graph::Campaigns(arguments) => ask::campaigns(arguments),
        Graph::Erase(arguments) => change::erase(arguments),
        Graph::Retain(arguments) => change::retain(arguments),
        Graph::Stats(arguments) => change::stats(arguments),
    }
}

/// `KIND:NAME`, or a name of the kind that is usually asked about.
fn node_id(text: &str, usual: NodeKind) -> anyhow::Result<NodeId> {
    let whole = text.parse::<NodeId>();
    whole.or_else(|_| NodeId::new(usual, text)).map_err(crate::cli::usage)
}

/// Somebody else's words and ours, on standard output.
fn print(text: &str) -> anyhow::Result<Status> {
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(Status::Clean)
}

fn print_json(value: &impl serde::Serialize) -> anyhow::Result<Status> {
    print(&(serde_json::to_string_pretty(value)? + "\n"))
}
