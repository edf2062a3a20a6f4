//! Lassos for people: as text, and as graphs for Graphviz and Mermaid.

use std::fmt::Write as _;

use super::Lasso;
use super::kripke::{KripkeStructure, StateId};

impl Lasso {
    /// One line for each step: its number, the state, what holds in it. A line before the cycle says that it repeats.
    ///
    /// ```
    /// # use aimds_temporal::model::{KripkeStructure, Lasso};
    /// let model = KripkeStructure::builder()
    ///     .state("ask", ["request"], ["wait"])
    ///     .state("wait", [], ["wait"])
    ///     .initial("ask")
    ///     .build()?;
    /// let [ask, wait] = [0, 1].map(|at| model.states().nth(at).unwrap());
    /// let lasso = Lasso { prefix: vec![ask], cycle: vec![wait] };
    /// assert_eq!(lasso.to_text(&model), "1. ask: request\nfor ever:\n2. wait: nothing\n");
    /// # Ok::<(), aimds_temporal::model::KripkeError>(())
    /// ```
    pub fn to_text(&self, model: &KripkeStructure) -> String {
        let mut text = String::new();
        for (number, state) in self.states().enumerate() {
            if number == self.prefix.len() {
                text.push_str("for ever:\n");
            }
            let name = model.name(state).escape_debug();
            let _ = writeln!(text, "{}. {name}: {}", number + 1, props(model, state).escape_debug());
        }
        text
    }

    /// A Graphviz digraph with a node for each step; the edges of the cycle are bold.
    pub fn to_dot(&self, model: &KripkeStructure) -> String {
        let mut text =
            String::from("digraph lasso {\n  rankdir=LR;\n  start [shape=point];\n  start -> 1;\n");
        for (number, state) in self.states().enumerate() {
            let label = format!("{}\n{}", model.name(state), props(model, state));
            let _ = writeln!(text, "  {} [shape=box, label=\"{}\"];", number + 1, dot_escaped(&label));
        }
        for (from, to) in self.edges() {
            let style = if from > self.prefix.len() { " [style=bold]" } else { "" };
            let _ = writeln!(text, "  {from} -> {to}{style};");
        }
        text.push_str("}\n");
        text
    }

    /// A Mermaid flowchart with a node for each step; the edges of the cycle are thick.
    pub fn to_mermaid(&self, model: &KripkeStructure) -> String {
        let mut text = String::from("flowchart LR\n  start(( )) --> s1\n");
        for (number, state) in self.states().enumerate() {
            let (name, props) = (mermaid_escaped(model.name(state)), mermaid_escaped(&props(model, state)));
            let _ = writeln!(text, "  s{}[\"{name}<br/>{props}\"]", number + 1);
        }
        for (from, to) in self.edges() {
            let arrow = if from > self.prefix.len() { "==>" } else { "-->" };
            let _ = writeln!(text, "  s{from} {arrow} s{to}");
        }
        text
    }

    /// Steps counted from 1; the last leads back to the first of the cycle.
    fn edges(&self) -> impl Iterator<Item = (usize, usize)> {
        let last = self.prefix.len() + self.cycle.len();
        (1..=last).map(move |from| (from, if from == last { self.prefix.len() + 1 } else { from + 1 }))
    }
}

fn props(model: &KripkeStructure, state: StateId) -> String {
    let props: Vec<&str> = model.props(state).collect();
    if props.is_empty() { "nothing".to_owned() } else { props.join(", ") }
}

fn dot_escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Anything that could be markup becomes a numbered entity.
fn mermaid_escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        if character.is_alphanumeric() || " _-.,:/".contains(character) {
            escaped.push(character);
        } else {
            let _ = write!(escaped, "#{};", u32::from(character));
        }
    }
    escaped
}
