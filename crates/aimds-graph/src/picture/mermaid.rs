//! A picture as text that many documents draw: <https://mermaid.js.org>.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::{label, lines};
use crate::answer::Subgraph;
use crate::model::NodeId;

/// A flow chart from cause to effect. Names are escaped, so that they can neither end their box nor bring links or scripts.
#[must_use]
pub fn mermaid(subgraph: &Subgraph) -> String {
    let mut out = String::from("flowchart LR\n");
    let mut numbers: HashMap<&NodeId, usize> = HashMap::new();
    for (number, node) in subgraph.nodes.iter().enumerate() {
        numbers.insert(&node.id, number);
        let lines: Vec<String> = lines(node).iter().map(|line| escaped(line)).collect();
        let _ = writeln!(out, "  n{number}[\"{}\"]", lines.join("<br/>"));
    }
    for edge in &subgraph.edges {
        let (Some(from), Some(to)) = (numbers.get(&edge.from), numbers.get(&edge.to)) else { continue };
        let arrow = if edge.kind.is_causal() { "-->" } else { "-.-" };
        let _ = writeln!(out, "  n{from} {arrow}|\"{}\"| n{to}", escaped(&label(edge)));
    }
    out
}

/// Everything that is not plainly harmless by its number, in Mermaid's own notation.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '.' | '-' | '_' | '/' | ' ' | '…' => out.push(character),
            _ if character.is_alphanumeric() => out.push(character),
            _ => {
                let _ = write!(out, "#{};", u32::from(character));
            }
        }
    }
    out
}
