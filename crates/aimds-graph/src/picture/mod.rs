//! Pictures of a part of the graph: the same input gives the same picture, byte for byte.

mod layout;
mod mermaid;
mod svg;

pub use mermaid::mermaid;
pub use svg::svg;

use crate::model::{Edge, Node, Property};

/// Longest text in a box, in characters.
const LONGEST: usize = 26;

/// What stands in a node's box: its kind, its name, and what else is worth knowing.
fn lines(node: &Node) -> Vec<String> {
    let mut lines = vec![node.id.kind().as_str().to_owned(), shortened(node.id.name())];
    let told = ["category", "decision", "action", "result", "route"].into_iter();
    let told = told.filter_map(|name| match node.properties.get(name) {
        Some(Property::Label(text)) if text != node.id.name() => Some(shortened(text)),
        _ => None,
    });
    lines.extend(told.take(1));
    lines
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST - 1).chain(['…']).collect()
}

/// What stands at an edge.
fn label(edge: &Edge) -> String {
    let words = edge.kind.as_str().replace('_', " ");
    if edge.kind.is_causal() { words } else { format!("{words} {:.2}", edge.weight) }
}
