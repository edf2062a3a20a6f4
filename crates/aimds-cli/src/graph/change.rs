//! What takes out of the graph, and what counts it.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use aimds_graph::{Counts, NodeKind};
use clap::Args;
use serde_json::json;

use super::{Place, Plain, node_id, print, print_json};
use crate::{Status, moment};

const DAY_MS: u64 = 86_400_000;

/// Arguments of `aimds graph erase`.
#[derive(Debug, Args)]
pub struct Erase {
    /// A source by its name, or any node as KIND:NAME
    #[arg(value_name = "SUBJECT")]
    pub subject: String,
    /// Where the graph is.
    #[command(flatten)]
    pub place: Place,
    /// What is written
    #[arg(long, value_enum, default_value_t = Plain::Text)]
    pub format: Plain,
}

/// Arguments of `aimds graph retain`.
#[derive(Debug, Args)]
pub struct Retain {
    /// Keep what was seen in the last so many days
    #[arg(long, value_name = "N", required_unless_present = "before")]
    pub days: Option<u32>,
    /// Drop what was last seen before: milliseconds since 1970, or UTC as 2026-11-22 or 2026-11-22T17:30:00Z
    #[arg(long, value_name = "TIME", value_parser = moment::parse, conflicts_with = "days")]
    pub before: Option<u64>,
    /// Of all tenants, whatever --tenant says
    #[arg(long)]
    pub all_tenants: bool,
    /// Where the graph is.
    #[command(flatten)]
    pub place: Place,
    /// What is written
    #[arg(long, value_enum, default_value_t = Plain::Text)]
    pub format: Plain,
}

/// Arguments of `aimds graph stats`.
#[derive(Debug, Args)]
pub struct Stats {
    /// Of all tenants, whatever --tenant says
    #[arg(long)]
    pub all_tenants: bool,
    /// Where the graph is.
    #[command(flatten)]
    pub place: Place,
    /// What is written
    #[arg(long, value_enum, default_value_t = Plain::Text)]
    pub format: Plain,
}

pub(super) fn erase(arguments: &Erase) -> anyhow::Result<Status> {
    let subject = node_id(&arguments.subject, NodeKind::Source)?;
    let receipt = arguments.place.open()?.erase(&arguments.place.tenant, &subject, now_ms())?;
    match arguments.format {
        Plain::Json => print_json(&receipt),
        Plain::Text => print(&format!("{}  {}\n", moment::format(receipt.at_ms), receipt.sentence())),
    }
}

pub(super) fn retain(arguments: &Retain) -> anyhow::Result<Status> {
    let days = arguments.days.map(|days| now_ms().saturating_sub(u64::from(days) * DAY_MS));
    let before_ms = arguments.before.or(days).unwrap_or(0);
    let tenant = (!arguments.all_tenants).then_some(arguments.place.tenant.as_str());
    let dropped = arguments.place.open()?.retain(tenant, before_ms)?;
    match arguments.format {
        Plain::Json => print_json(&json!({ "before_ms": before_ms, "dropped": dropped })),
        Plain::Text => print(&format!(
            "dropped what was last seen before {}: {} nodes, {} edges\n{}",
            moment::format(before_ms),
            dropped.nodes_total(),
            dropped.edges,
            by_kind(&dropped)
        )),
    }
}

pub(super) fn stats(arguments: &Stats) -> anyhow::Result<Status> {
    let tenant = (!arguments.all_tenants).then_some(arguments.place.tenant.as_str());
    let stats = arguments.place.open()?.stats(tenant)?;
    if arguments.format == Plain::Json {
        return print_json(&stats);
    }
    let mut page = format!("{} nodes, {} edges\n", stats.counts.nodes_total(), stats.counts.edges);
    page += &by_kind(&stats.counts);
    if let (Some(first), Some(last)) = (stats.first_ms, stats.last_ms) {
        let _ = writeln!(page, "from {} to {}", moment::format(first), moment::format(last));
    }
    if let Some(bytes) = stats.bytes {
        let _ = writeln!(page, "{bytes} bytes on disk, of all tenants");
    }
    if stats.waiting + stats.refused > 0 {
        let _ = writeln!(page, "{} batches wait, {} were refused", stats.waiting, stats.refused);
    }
    print(&page)
}

fn by_kind(counts: &Counts) -> String {
    let mut lines = String::new();
    for (kind, count) in &counts.nodes {
        let _ = writeln!(lines, "{count:>12}  {}", kind.as_str());
    }
    lines
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
