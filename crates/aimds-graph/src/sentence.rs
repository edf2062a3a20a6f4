//! What an answer means, in a sentence.

use std::collections::BTreeSet;

use crate::answer::{Blast, Campaign, Chain, Counts, Receipt, Related, Root};
use crate::model::{Node, NodeId, NodeKind, Property};

impl Chain {
    /// Who attacked with what, by which rules that was recognised, what was decided, and what came of it.
    #[must_use]
    pub fn sentence(&self) -> String {
        let nodes = |kind| self.subgraph.nodes.iter().filter(move |node| node.id.kind() == kind);
        let names = |kind| listed(nodes(kind).map(|node| node.id.name()));
        let mut words = match nodes(NodeKind::Source).next() {
            Some(_) => format!("{} came from source {}", self.start, names(NodeKind::Source)),
            None => format!("{} has no known source", self.start),
        };
        for (kind, before) in
            [(NodeKind::Session, " in session "), (NodeKind::Document, ", carried by document ")]
        {
            if nodes(kind).next().is_some() {
                words += &format!("{before}{}", names(kind));
            }
        }
        if nodes(NodeKind::Pattern).next().is_some() {
            words += &format!("; it was recognised by {}", names(NodeKind::Pattern));
        }
        for (kind, property, before) in [
            (NodeKind::Decision, "decision", "; decided: "),
            (NodeKind::Action, "action", "; done: "),
            (NodeKind::Outcome, "result", "; outcome: "),
        ] {
            let values: BTreeSet<&str> = nodes(kind).filter_map(|node| property_of(node, property)).collect();
            if !values.is_empty() {
                words += &format!("{before}{}", listed(values.into_iter()));
            }
        }
        ended(words, self.truncated)
    }
}

impl Related {
    /// How many attacks are near, and which is nearest.
    #[must_use]
    pub fn sentence(&self) -> String {
        let words = match self.attacks.first() {
            None => format!("No other attack hangs together with {}", self.start),
            Some(first) => format!(
                "{} with {}; the nearest is {}, {} away",
                counted(self.attacks.len() as u64, "attack hangs together", "attacks hang together"),
                self.start,
                first.id,
                counted(u64::from(first.hops), "step", "steps")
            ),
        };
        ended(words, self.truncated)
    }
}

impl Root {
    /// Where it began.
    #[must_use]
    pub fn sentence(&self) -> String {
        let steps = self.path.len().saturating_sub(1) as u64;
        let words = match steps {
            0 => format!("{} has no known cause", self.start),
            _ => format!(
                "{} began with {}, {} before it",
                self.start,
                self.root,
                counted(steps, "step", "steps")
            ),
        };
        ended(words, self.truncated)
    }
}

impl Blast {
    /// How much it reached.
    #[must_use]
    pub fn sentence(&self) -> String {
        let words = match self.reached.is_empty() {
            true => format!("{} reached nothing", self.start),
            false => {
                let kinds = self.reached.iter().map(|(&kind, &count)| of_kind(kind, count));
                format!("{} reached {}", self.start, listed(kinds))
            }
        };
        ended(words, self.truncated)
    }
}

impl Campaign {
    /// How large it is, and what holds it together.
    #[must_use]
    pub fn sentence(&self) -> String {
        let attacks = of_kind(NodeKind::Attack, self.attacks.len() as u64);
        let sources = of_kind(NodeKind::Source, self.sources.len() as u64);
        let mut words = format!("{attacks} from {sources}, the first {}", self.first);
        if !self.patterns.is_empty() {
            words += &format!(", by {}", listed(self.patterns.iter().map(NodeId::name)));
        }
        ended(words, false)
    }
}

impl Receipt {
    /// What was erased.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Counts { nodes, edges } = &self.erased;
        let kinds = nodes.iter().map(|(&kind, &count)| of_kind(kind, count));
        let edges = counted(*edges, "edge", "edges");
        ended(
            format!("{} was erased with all that came of it: {}, and {edges}", self.subject, listed(kinds)),
            false,
        )
    }
}

fn property_of<'a>(node: &'a Node, name: &str) -> Option<&'a str> {
    match node.properties.get(name) {
        Some(Property::Label(text)) => Some(text),
        _ => None,
    }
}

fn of_kind(kind: NodeKind, count: u64) -> String {
    counted(count, kind.as_str(), &format!("{}s", kind.as_str()))
}

fn counted(count: u64, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

/// `a, b and c`; what is beyond the fifth is counted.
fn listed<T: ToString>(items: impl Iterator<Item = T>) -> String {
    const MOST: usize = 5;
    let mut words: Vec<String> = items.map(|item| item.to_string()).collect();
    if words.len() > MOST + 1 {
        let more = words.len() - MOST;
        words.truncate(MOST);
        words.push(format!("{more} more"));
    }
    match words.pop() {
        None => "nothing".to_owned(),
        Some(last) if words.is_empty() => last,
        Some(last) => format!("{} and {last}", words.join(", ")),
    }
}

fn ended(words: String, truncated: bool) -> String {
    if truncated { format!("{words}. There is more than the limits let through.") } else { words + "." }
}
