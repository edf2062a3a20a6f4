//! The questions of `aimds graph`.

use std::fmt::Write as _;

use aimds_graph::{CampaignLimits, Limits, NodeId, NodeKind, Span, Subgraph, mermaid, svg};
use serde::Serialize;

use super::{About, Blast, Campaigns, Format, Plain, Related, node_id, print, print_json};
use crate::terminal::printable;
use crate::{Status, moment};

pub(super) fn related(arguments: &Related) -> anyhow::Result<Status> {
    // Clap sees to it that there is one.
    let id = arguments.attack.as_ref().or(arguments.id.as_ref()).map_or("", String::as_str);
    let id = node_id(id, NodeKind::Attack)?;
    let limits = arguments.question.bounds.over(Limits::related());
    let graph = arguments.question.place.open()?;
    let answer = graph.related(&arguments.question.place.tenant, &id, &limits)?;
    let mut page = answer.sentence() + "\n";
    for attack in &answer.attacks {
        let _ =
            writeln!(page, "{:>3}  {}  {}", attack.hops, moment::format(attack.first_ms), path(&attack.path));
    }
    show(&answer, &answer.subgraph, &page, arguments.question.format)
}

pub(super) fn chain(arguments: &About) -> anyhow::Result<Status> {
    let id = node_id(&arguments.id, NodeKind::Attack)?;
    let limits = arguments.question.bounds.over(Limits::chain());
    let answer = arguments.question.place.open()?.chain(&arguments.question.place.tenant, &id, &limits)?;
    let page = format!("{}\n{}\n", answer.sentence(), path(&answer.path));
    show(&answer, &answer.subgraph, &page, arguments.question.format)
}

pub(super) fn root(arguments: &About) -> anyhow::Result<Status> {
    let id = node_id(&arguments.id, NodeKind::Attack)?;
    let limits = arguments.question.bounds.over(Limits::root());
    let answer = arguments.question.place.open()?.root(&arguments.question.place.tenant, &id, &limits)?;
    let page = format!("{}\n{}\n", answer.sentence(), path(&answer.path));
    show(&answer, &answer.subgraph, &page, arguments.question.format)
}

pub(super) fn blast(arguments: &Blast) -> anyhow::Result<Status> {
    let id = node_id(&arguments.source, NodeKind::Source)?;
    let limits = arguments.question.bounds.over(Limits::blast());
    let answer = arguments.question.place.open()?.blast(&arguments.question.place.tenant, &id, &limits)?;
    let mut page = answer.sentence() + "\n";
    if let (Some(first), Some(last)) = (answer.first_ms, answer.last_ms) {
        let _ = writeln!(page, "from {} to {}", moment::format(first), moment::format(last));
    }
    show(&answer, &answer.subgraph, &page, arguments.question.format)
}

pub(super) fn campaigns(arguments: &Campaigns) -> anyhow::Result<Status> {
    if !(arguments.alike > 0.0 && arguments.alike <= 1.0) {
        return Err(crate::cli::usage("--alike: give a share above 0 and at most 1"));
    }
    let limits = CampaignLimits {
        span: Span {
            from_ms: arguments.from.unwrap_or(Span::ALL.from_ms),
            to_ms: arguments.to.unwrap_or(Span::ALL.to_ms),
        },
        gap_ms: u64::from(arguments.gap_hours) * 3_600_000,
        min_weight: arguments.alike,
        min_size: arguments.min_size,
        attacks: arguments.attacks,
        ..CampaignLimits::default()
    };
    let answer = arguments.place.open()?.campaigns(&arguments.place.tenant, &limits)?;
    if arguments.format == Plain::Json {
        return print_json(&answer);
    }
    let count = answer.campaigns.len();
    let mut page = format!(
        "{count} campaign{} in {} attack{}\n",
        if count == 1 { "" } else { "s" },
        answer.attacks,
        if answer.attacks == 1 { "" } else { "s" }
    );
    for campaign in &answer.campaigns {
        let (first, last) = (moment::format(campaign.first_ms), moment::format(campaign.last_ms));
        let _ = writeln!(page, "{first} to {last}  {}", printable(&campaign.sentence()));
    }
    if answer.truncated {
        page += "There are more than the limits let through.\n";
    }
    print(&page)
}

fn show(answer: &impl Serialize, subgraph: &Subgraph, page: &str, format: Format) -> anyhow::Result<Status> {
    match format {
        Format::Text => print(page),
        Format::Json => print_json(answer),
        Format::Mermaid => print(&mermaid(subgraph)),
        Format::Svg => print(&svg(subgraph)),
    }
}

fn path(ids: &[NodeId]) -> String {
    let names: Vec<String> = ids.iter().map(|id| printable(id.as_str())).collect();
    names.join(" > ")
}
