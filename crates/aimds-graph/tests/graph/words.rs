use aimds_graph::{Batch, Edge, EdgeKind, Graph, Node, NodeId, SqliteGraph};

pub const HOUR: u64 = 3_600_000;

pub fn id(text: &str) -> NodeId {
    text.parse().unwrap()
}

/// Lines like `source:a triggered attack:1 @5`, `attack:1 similar_to attack:2 @5 0.9` or `attack:1 @5`; a time may be a span, `@5-9`.
/// Nodes are made where they are first named, with the time of their line.
pub fn batch(tenant: &str, lines: &[&str]) -> Batch {
    let mut batch = Batch::new(tenant);
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        let at = words.iter().position(|word| word.starts_with('@')).unwrap();
        let (first, last) = words[at][1..].split_once('-').unwrap_or((&words[at][1..], &words[at][1..]));
        let (first_ms, last_ms): (u64, u64) = (first.parse().unwrap(), last.parse().unwrap());
        for name in words[..at].iter().step_by(2) {
            if !batch.nodes.iter().any(|node| node.id == id(name)) {
                batch.nodes.push(Node { first_ms, last_ms, ..Node::new(id(name), first_ms) });
            }
        }
        if at == 3 {
            let kind: EdgeKind = words[1].parse().unwrap();
            let weight = words.get(4).map_or(1.0, |weight| weight.parse().unwrap());
            let edge =
                Edge { first_ms, last_ms, weight, ..Edge::new(&id(words[0]), kind, &id(words[2]), first_ms) };
            batch.edges.push(edge);
        }
    }
    batch
}

pub fn names<'a>(ids: impl IntoIterator<Item = &'a NodeId>) -> Vec<&'a str> {
    ids.into_iter().map(NodeId::as_str).collect()
}

/// An SQLite graph that goes with its folder.
pub struct Home {
    pub graph: SqliteGraph,
    pub folder: tempfile::TempDir,
}

impl Home {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let graph = SqliteGraph::open(folder.path().join("graph.db")).unwrap();
        Self { graph, folder }
    }

    pub fn with(tenant: &str, lines: &[&str]) -> Self {
        let mut home = Self::new();
        home.graph.upsert(&batch(tenant, lines)).unwrap();
        home
    }
}
