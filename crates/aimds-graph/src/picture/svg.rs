//! A picture as SVG, without scripts, fonts or anything else from outside.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::{label, layout, lines};
use crate::answer::Subgraph;
use crate::model::{Edge, Node, NodeId, NodeKind};

const WIDTH: usize = 210;
const HEIGHT: usize = 60;
const ACROSS: usize = 330;
const DOWN: usize = 90;
const MARGIN: usize = 20;

const STYLE: &str = "text{font:12px sans-serif;fill:#111}.k{font-size:10px;fill:#555}.e{font-size:10px;fill:#333;paint-order:stroke;\
     stroke:#fff;stroke-width:3px}path{fill:none;stroke:#555}.s{stroke-dasharray:4 3}";

/// Boxes in columns from cause to effect, joined by arrows; likeness by broken lines. Texts are escaped.
#[must_use]
pub fn svg(subgraph: &Subgraph) -> String {
    let places = layout::places(subgraph);
    let extent = |of: fn(&(usize, usize)) -> usize| places.iter().map(of).max().map_or(0, |last| last + 1);
    let (width, height) = (
        extent(|place| place.0).max(1) * ACROSS - (ACROSS - WIDTH) + 2 * MARGIN,
        extent(|place| place.1).max(1) * DOWN + DOWN / 2 - (DOWN - HEIGHT) + 2 * MARGIN,
    );
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\">\n<style>{STYLE}</style>\n<defs><marker id=\"a\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" \
         markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" style=\"fill:#555;stroke:none\"/>\
         </marker></defs>\n"
    );
    let corners: HashMap<&NodeId, (usize, usize)> =
        subgraph.nodes.iter().zip(&places).map(|(node, &place)| (&node.id, corner(place))).collect();
    // The words come last, so that no box hides them.
    let mut words = String::new();
    for edge in &subgraph.edges {
        if let (Some(from), Some(to)) = (corners.get(&edge.from), corners.get(&edge.to)) {
            let (line, word) = joined(edge, *from, *to);
            out.push_str(&line);
            words.push_str(&word);
        }
    }
    for node in &subgraph.nodes {
        if let Some(corner) = corners.get(&node.id) {
            out.push_str(&drawn(node, *corner));
        }
    }
    out.push_str(&words);
    out.push_str("</svg>\n");
    out
}

/// Every other column stands half a row lower, so that a line over two columns passes between the boxes.
fn corner((column, row): (usize, usize)) -> (usize, usize) {
    (MARGIN + column * ACROSS, MARGIN + row * DOWN + column % 2 * (DOWN / 2))
}

/// From one box to the other, whichever of them is further left; and what stands there.
fn joined(edge: &Edge, from: (usize, usize), to: (usize, usize)) -> (String, String) {
    let middle = HEIGHT / 2;
    let (start, end) = match from.0.cmp(&to.0) {
        std::cmp::Ordering::Less => (from.0 + WIDTH, to.0),
        std::cmp::Ordering::Greater => (from.0, to.0 + WIDTH),
        std::cmp::Ordering::Equal => (from.0 + WIDTH, to.0 + WIDTH),
    };
    let (top, bottom) = (from.1 + middle, to.1 + middle);
    let bend = if from.0 == to.0 { start + (ACROSS - WIDTH) / 2 } else { start.midpoint(end) };
    let look = if edge.kind.is_causal() { "marker-end=\"url(#a)\"" } else { "class=\"s\"" };
    // The words stand nearer to the end, where lines of one node have parted.
    let (across, down) = ((start + bend + 2 * end) / 4, (top + 3 * bottom) / 4);
    let line = format!("<path d=\"M{start} {top}C{bend} {top} {bend} {bottom} {end} {bottom}\" {look}/>\n");
    let word = format!(
        "<text class=\"e\" x=\"{across}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
        down.saturating_sub(4),
        escaped(&label(edge))
    );
    (line, word)
}

fn drawn(node: &Node, (left, top): (usize, usize)) -> String {
    let mut out = format!(
        "<g><title>{}</title><rect x=\"{left}\" y=\"{top}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"6\" fill=\"{}\" \
         stroke=\"#777\"/>",
        escaped(node.id.as_str()),
        fill(node.id.kind())
    );
    for (number, text) in lines(node).iter().enumerate() {
        let class = if number == 0 { " class=\"k\"" } else { "" };
        let _ = write!(
            out,
            "<text{class} x=\"{}\" y=\"{}\">{}</text>",
            left + 8,
            top + 16 + number * 17,
            escaped(text)
        );
    }
    out.push_str("</g>\n");
    out
}

fn fill(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::Attack => "#f6c9c4",
        NodeKind::Finding | NodeKind::Pattern => "#f8e3b4",
        NodeKind::Source | NodeKind::Session | NodeKind::Document => "#d5e2f4",
        NodeKind::Decision | NodeKind::Action | NodeKind::Outcome => "#d2ebd3",
    }
}

/// XML's five, and nothing that XML cannot hold: names have no control characters.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(character),
        }
    }
    out
}
