//! Cases that every store passes. Each has tenants of its own, so that all can run in one store.

use std::collections::BTreeMap;
use std::time::Duration;

use aimds_graph::{
    Batch, CampaignLimits, Edge, EdgeKind, Error, Graph, Invalid, Limits, Node, NodeKind, Property, Span,
};

use crate::words::{HOUR, batch, id, names};

type Case = (&'static str, fn(&mut dyn Graph, &str));

pub const CASES: [Case; 13] = [
    ("written again, times widen and properties are replaced", writing_again),
    ("a batch is written as a whole or not at all", refused_batches),
    ("related attacks within hops", related_hops),
    ("related attacks within a window", related_window),
    ("a hub's edges are bounded and that is said", hubs),
    ("the earliest cause", roots),
    ("what a source and a document reached", blasts),
    ("a chain", chains),
    ("campaigns", campaigns),
    ("erasing", erasing),
    ("dropping what is old", retaining),
    ("tenants do not see each other", tenants),
    ("counts", counting),
];

/// Runs all of them; `run` makes the tenants' names unique.
pub fn all(graph: &mut dyn Graph, run: &str) {
    for (number, (name, case)) in CASES.iter().enumerate() {
        println!("{name}");
        case(graph, &format!("{run}-{number}"));
    }
}

fn put(graph: &mut dyn Graph, batch: &Batch) {
    graph.upsert(batch).unwrap();
    graph.flush(Duration::from_secs(30)).unwrap();
}

fn missing<T: std::fmt::Debug>(answer: Result<T, Error>) {
    assert!(matches!(answer, Err(Error::NotFound { .. })), "{answer:?}");
}

fn writing_again(graph: &mut dyn Graph, t: &str) {
    let first =
        Node::new(id("attack:1"), 50).with("category", "jailbreak").with("score", Property::Score(0.5));
    let mut one = Batch { nodes: vec![first, Node::new(id("source:a"), 50)], ..Batch::new(t) };
    one.edges.push(Edge::new(&id("source:a"), EdgeKind::Triggered, &id("attack:1"), 50));
    put(graph, &one);
    let second = Node { last_ms: 90, ..Node::new(id("attack:1"), 20) };
    let second = second.with("category", "canary_leak").with("flagged", Property::Flag(true));
    let other = batch(t, &["source:a triggered attack:1 @20-90"]);
    put(
        graph,
        &Batch { nodes: vec![second.with("status", Property::Count(403)), other.nodes[0].clone()], ..other },
    );
    put(graph, &one);
    let node = graph.node(t, &id("attack:1")).unwrap();
    assert_eq!((node.first_ms, node.last_ms), (20, 90));
    let expected: BTreeMap<String, Property> = BTreeMap::from([
        ("category".into(), Property::from("jailbreak")),
        ("flagged".into(), Property::Flag(true)),
        ("score".into(), Property::Score(0.5)),
        ("status".into(), Property::Count(403)),
    ]);
    assert_eq!(node.properties, expected);
    let root = graph.root(t, &id("attack:1"), &Limits::root()).unwrap();
    assert_eq!((root.subgraph.edges[0].first_ms, root.subgraph.edges[0].last_ms), (20, 90));
    missing(graph.node(t, &id("attack:2")));
}

fn refused_batches(graph: &mut dyn Graph, t: &str) {
    let mut lost = batch(t, &["source:a triggered attack:1 @5"]);
    lost.nodes.pop();
    assert!(matches!(graph.upsert(&lost), Err(Error::Invalid(Invalid::UnknownEnd { .. }))));
    missing(graph.node(t, &id("source:a")));
    graph.upsert(&Batch::new(t)).unwrap();
    assert_eq!(graph.stats(Some(t)).unwrap().counts.nodes_total(), 0);
}

const STORY: [&str; 12] = [
    "source:a triggered attack:1 @1000",
    "source:a triggered attack:2 @2000",
    "source:b triggered attack:3 @3000",
    "attack:2 similar_to attack:3 @3000 0.8",
    "attack:3 derived_from pattern:p @3000",
    "attack:4 derived_from pattern:p @4000",
    "attack:1 carried_by document:d @1000",
    "attack:1 caused finding:1/0 @1001",
    "finding:1/0 derived_from pattern:q @1001",
    "finding:1/0 decided decision:1 @1002",
    "decision:1 acted action:1 @1003",
    "action:1 resulted_in outcome:1 @1004",
];

fn related_hops(graph: &mut dyn Graph, t: &str) {
    put(graph, &batch(t, &STORY));
    let related = |hops| {
        let limits = Limits { hops, ..Limits::related() };
        let related = graph.related(t, &id("attack:1"), &limits).unwrap();
        assert!(!related.truncated);
        related.attacks
    };
    assert_eq!(related(1), []);
    assert_eq!(names(related(2).iter().map(|attack| &attack.id)), ["attack:2"]);
    let three = related(3);
    assert_eq!(names(three.iter().map(|attack| &attack.id)), ["attack:2", "attack:3"]);
    assert_eq!((three[1].hops, three[1].first_ms), (3, 3000));
    assert_eq!(names(&three[1].path), ["attack:1", "source:a", "attack:2", "attack:3"]);
    assert_eq!(related(5).len(), 3);
    let limits = Limits::related();
    let whole = graph.related(t, &id("attack:1"), &limits).unwrap().subgraph;
    assert_eq!(
        names(whole.nodes.iter().map(|node| &node.id)),
        ["attack:1", "attack:2", "attack:3", "source:a"]
    );
    assert_eq!(whole.edges.len(), 3);
    assert_eq!((whole.edges[0].kind, whole.edges[0].weight), (EdgeKind::SimilarTo, 0.8));
    missing(graph.related(t, &id("attack:9"), &limits));
}

/// Both ends of the window are inside; an edge counts if any part of it is.
fn related_window(graph: &mut dyn Graph, t: &str) {
    let lines = [
        "attack:0 @100000",
        "source:a triggered attack:0 @100000",
        "source:a triggered attack:1 @99000",
        "source:a triggered attack:2 @98999",
        "source:a triggered attack:3 @101000",
        "source:a triggered attack:4 @101001",
        "session:s @1-200000",
        "source:a triggered session:s @1-99500",
        "attack:5 @100500",
        "attack:5 carried_by session:s @100500",
        "session:old @1",
        "source:a triggered session:old @1-98999",
        "attack:6 @100500",
        "attack:6 carried_by session:old @100500",
    ];
    put(graph, &batch(t, &lines));
    let near = |window_ms| {
        let limits = Limits { window_ms, ..Limits::related() };
        let related = graph.related(t, &id("attack:0"), &limits).unwrap();
        related.attacks.iter().map(|attack| attack.id.name().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(near(Some(1000)), ["1", "3", "5"]);
    assert_eq!(near(Some(1001)), ["1", "2", "3", "4", "5", "6"]);
    assert_eq!(near(None), ["1", "2", "3", "4", "5", "6"]);
    assert_eq!(near(Some(0)), [""; 0]);
}

fn hubs(graph: &mut dyn Graph, t: &str) {
    let lines: Vec<String> =
        (0..300).map(|i| format!("source:hub triggered attack:{i} @{}", 1000 + i)).collect();
    put(graph, &batch(t, &lines.iter().map(String::as_str).collect::<Vec<_>>()));
    let limits = Limits { fan_out: 50, ..Limits::related() };
    let related = graph.related(t, &id("attack:7"), &limits).unwrap();
    assert!(related.truncated);
    assert_eq!(related.attacks.len(), 50);
    assert!(related.attacks.iter().all(|attack| attack.first_ms >= 1250), "the newest");
    let limits = Limits { fan_out: 300, ..limits };
    let related = graph.related(t, &id("attack:7"), &limits).unwrap();
    assert_eq!((related.truncated, related.attacks.len()), (false, 299));
    let limits = Limits { nodes: 20, ..limits };
    let related = graph.related(t, &id("attack:7"), &limits).unwrap();
    assert!(related.truncated && related.attacks.len() <= 20, "{}", related.attacks.len());
    let blast = graph.blast(t, &id("source:hub"), &Limits { fan_out: 299, ..Limits::blast() }).unwrap();
    assert_eq!((blast.truncated, blast.reached[&NodeKind::Attack]), (true, 299));
}

fn roots(graph: &mut dyn Graph, t: &str) {
    put(graph, &batch(t, &["source:z @10", "attack:1 @1000"]));
    put(graph, &batch(t, &STORY));
    put(graph, &batch(t, &["source:z triggered document:d @900"]));
    let root = graph.root(t, &id("outcome:1"), &Limits::root()).unwrap();
    assert_eq!(root.root, id("source:z"));
    let path = ["source:z", "document:d", "attack:1", "finding:1/0", "decision:1", "action:1", "outcome:1"];
    assert_eq!((names(&root.path), root.truncated), (path.to_vec(), false));
    assert_eq!(root.subgraph.edges.len(), 6);
    let near = graph.root(t, &id("outcome:1"), &Limits { hops: 2, ..Limits::root() }).unwrap();
    assert_eq!(near.root, id("decision:1"));
    let itself = graph.root(t, &id("source:z"), &Limits::root()).unwrap();
    assert_eq!(names(&itself.path), ["source:z"]);
    // Likeness is no cause, and a pattern is not where an attack began.
    assert_eq!(
        names(&graph.root(t, &id("attack:3"), &Limits::root()).unwrap().path),
        ["source:b", "attack:3"]
    );
    assert_eq!(graph.root(t, &id("attack:4"), &Limits::root()).unwrap().root, id("attack:4"));
    // Causes that go round in a circle end.
    put(graph, &batch(t, &["document:x caused document:y @7", "document:y caused document:x @7"]));
    assert_eq!(graph.root(t, &id("document:x"), &Limits::root()).unwrap().root, id("document:y"));
}

fn blasts(graph: &mut dyn Graph, t: &str) {
    put(graph, &batch(t, &STORY));
    let blast = graph.blast(t, &id("document:d"), &Limits::blast()).unwrap();
    let kinds =
        [NodeKind::Attack, NodeKind::Finding, NodeKind::Decision, NodeKind::Action, NodeKind::Outcome];
    assert_eq!(blast.reached, kinds.map(|kind| (kind, 1)).into());
    assert_eq!((blast.first_ms, blast.last_ms, blast.truncated), (Some(1000), Some(1004), false));
    assert_eq!(blast.subgraph.nodes.len(), 6);
    assert_eq!(graph.blast(t, &id("source:a"), &Limits::blast()).unwrap().reached[&NodeKind::Attack], 2);
    let nothing = graph.blast(t, &id("outcome:1"), &Limits::blast()).unwrap();
    assert_eq!((nothing.reached.len(), nothing.first_ms), (0, None));
    let within = Limits { hops: 1, ..Limits::blast() };
    assert_eq!(graph.blast(t, &id("source:a"), &within).unwrap().reached, [(NodeKind::Attack, 2)].into());
}

fn chains(graph: &mut dyn Graph, t: &str) {
    put(graph, &batch(t, &STORY));
    let chain = graph.chain(t, &id("attack:1"), &Limits::chain()).unwrap();
    let path = ["source:a", "attack:1", "finding:1/0", "decision:1", "action:1", "outcome:1"];
    assert_eq!(names(&chain.path), path);
    assert_eq!(chain.root, id("source:a"));
    assert!(!chain.truncated);
    // The document is a cause, too; other attacks of the source, and patterns of what it caused, are not.
    assert_eq!(chain.subgraph.nodes.len(), 7);
    assert_eq!(chain.subgraph.edges.len(), 6);
}

fn campaigns(graph: &mut dyn Graph, t: &str) {
    let hours = |n: u64| n * HOUR;
    let lines = [
        format!("source:a triggered attack:1 @{}", hours(100)),
        format!("source:a triggered attack:2 @{}", hours(101)),
        // Likeness joins another source's; weak likeness and a long pause do not.
        format!("source:b triggered attack:3 @{}", hours(102)),
        format!("attack:2 similar_to attack:3 @{} 0.5", hours(102)),
        format!("source:c triggered attack:4 @{}", hours(102)),
        format!("attack:3 similar_to attack:4 @{} 0.49", hours(102)),
        format!("source:a triggered attack:5 @{}", hours(126)),
        format!("source:a triggered attack:6 @{}", hours(127)),
        format!("attack:3 derived_from pattern:p @{}", hours(102)),
        format!("attack:7 @{}", hours(102)),
    ];
    put(graph, &batch(t, &lines.iter().map(String::as_str).collect::<Vec<_>>()));
    let answer = graph.campaigns(t, &CampaignLimits::default()).unwrap();
    assert_eq!((answer.attacks, answer.truncated), (7, false));
    let attacks = |n: usize| names(&answer.campaigns[n].attacks);
    assert_eq!(answer.campaigns.len(), 2);
    assert_eq!(
        (attacks(0), attacks(1)),
        (vec!["attack:1", "attack:2", "attack:3"], vec!["attack:5", "attack:6"])
    );
    let first = &answer.campaigns[0];
    assert_eq!((first.first_ms, first.last_ms, first.first.name()), (hours(100), hours(102), "1"));
    assert_eq!(
        (names(&first.sources), names(&first.patterns)),
        (vec!["source:a", "source:b"], vec!["pattern:p"])
    );
    let limits = CampaignLimits { gap_ms: 25 * HOUR, min_size: 1, ..CampaignLimits::default() };
    let wider = graph.campaigns(t, &limits).unwrap();
    assert_eq!(wider.campaigns.iter().map(|c| c.attacks.len()).collect::<Vec<_>>(), [5, 1, 1]);
    let span = Span { from_ms: hours(101), to_ms: hours(126) };
    let inside = graph.campaigns(t, &CampaignLimits { span, ..CampaignLimits::default() }).unwrap();
    assert_eq!((inside.attacks, inside.campaigns.len()), (5, 1));
    let few = graph.campaigns(t, &CampaignLimits { attacks: 2, ..CampaignLimits::default() }).unwrap();
    assert!(few.truncated);
    assert_eq!(names(&few.campaigns[0].attacks), ["attack:5", "attack:6"]);
}

fn erasing(graph: &mut dyn Graph, t: &str) {
    put(graph, &batch(t, &STORY));
    let more = ["attack:1 carried_by session:s @1000", "attack:3 carried_by document:e @3000"];
    put(graph, &batch(t, &more));
    put(graph, &batch(&format!("{t}-other"), &STORY));
    let receipt = graph.erase(t, &id("source:a"), 77).unwrap();
    // The document and the session carried only what is erased; the rule is nobody's data.
    let expected = [
        (NodeKind::Source, 1),
        (NodeKind::Session, 1),
        (NodeKind::Document, 1),
        (NodeKind::Attack, 2),
        (NodeKind::Finding, 1),
        (NodeKind::Decision, 1),
        (NodeKind::Action, 1),
        (NodeKind::Outcome, 1),
    ];
    assert_eq!(receipt.erased.nodes, expected.into());
    assert_eq!((receipt.erased.edges, receipt.at_ms, receipt.tenant.as_str()), (10, 77, t));
    for gone in ["source:a", "session:s", "document:d", "attack:1", "attack:2", "finding:1/0", "outcome:1"] {
        missing(graph.node(t, &id(gone)));
    }
    assert_eq!(graph.related(t, &id("attack:3"), &Limits::related()).unwrap().attacks.len(), 1);
    assert!(graph.node(t, &id("document:e")).is_ok());
    assert!(graph.node(t, &id("pattern:q")).is_ok());
    missing(graph.erase(t, &id("source:a"), 78));
    assert_eq!(graph.stats(Some(&format!("{t}-other"))).unwrap().counts.nodes_total(), 13);
    // Several times as many as are removed at once.
    let many: Vec<String> = (0..2500).map(|i| format!("source:many triggered attack:m{i} @5")).collect();
    put(graph, &batch(t, &many.iter().map(String::as_str).collect::<Vec<_>>()));
    let receipt = graph.erase(t, &id("source:many"), 79).unwrap();
    assert_eq!((receipt.erased.nodes_total(), receipt.erased.edges), (2501, 2500));
}

fn retaining(graph: &mut dyn Graph, t: &str) {
    put(graph, &batch(t, &STORY));
    put(graph, &batch(&format!("{t}-other"), &STORY));
    put(graph, &batch(t, &["source:a triggered attack:9 @5000"]));
    let dropped = graph.retain(Some(t), 3000).unwrap();
    // Attacks 1 and 2 with what came of 1, its document and the rule of its finding; not source a, which was seen again.
    assert_eq!(dropped.nodes[&NodeKind::Attack], 2);
    assert_eq!((dropped.nodes_total(), dropped.edges), (8, 9));
    missing(graph.node(t, &id("attack:1")));
    assert!(graph.node(t, &id("source:a")).is_ok());
    assert_eq!(graph.retain(Some(t), 3000).unwrap(), aimds_graph::Counts::default());
    assert_eq!(graph.stats(Some(&format!("{t}-other"))).unwrap().counts.edges, 12);
    // An edge may be older than both of its ends.
    put(graph, &batch(t, &["attack:8 @9000", "attack:9 @9000", "attack:8 similar_to attack:9 @10 0.7"]));
    let dropped = graph.retain(Some(t), 3000).unwrap();
    assert_eq!((dropped.nodes_total(), dropped.edges), (0, 1));
    assert_eq!(graph.retain(Some("nobody"), 3000).unwrap(), aimds_graph::Counts::default());
}

fn tenants(graph: &mut dyn Graph, t: &str) {
    let other = format!("{t}-other");
    put(graph, &batch(t, &["source:a triggered attack:1 @10", "source:a triggered attack:2 @10"]));
    put(graph, &batch(&other, &["source:a triggered attack:3 @5", "source:b triggered source:a @4"]));
    let related = graph.related(t, &id("attack:1"), &Limits::related()).unwrap();
    assert_eq!(names(related.attacks.iter().map(|attack| &attack.id)), ["attack:2"]);
    assert_eq!(graph.root(t, &id("attack:1"), &Limits::root()).unwrap().root, id("source:a"));
    assert_eq!(
        graph.blast(&other, &id("source:a"), &Limits::blast()).unwrap().reached,
        [(NodeKind::Attack, 1)].into()
    );
    missing(graph.related(t, &id("attack:3"), &Limits::related()));
    missing(graph.node("nobody", &id("attack:1")));
    missing(graph.erase("nobody", &id("source:a"), 1));
    let campaigns = graph.campaigns(t, &CampaignLimits { min_size: 1, ..CampaignLimits::default() }).unwrap();
    assert_eq!(campaigns.attacks, 2);
    assert_eq!(graph.campaigns("nobody", &CampaignLimits::default()).unwrap().attacks, 0);
    assert_eq!(graph.erase(&other, &id("source:b"), 1).unwrap().erased.nodes_total(), 3);
    assert_eq!(graph.stats(Some(t)).unwrap().counts.nodes_total(), 3);
}

fn counting(graph: &mut dyn Graph, t: &str) {
    put(graph, &batch(t, &STORY));
    let stats = graph.stats(Some(t)).unwrap();
    assert_eq!((stats.counts.nodes_total(), stats.counts.edges), (13, 12));
    assert_eq!(stats.counts.nodes[&NodeKind::Pattern], 2);
    assert_eq!((stats.first_ms, stats.last_ms), (Some(1000), Some(4000)));
    assert_eq!((stats.waiting, stats.refused), (0, 0));
    assert!(graph.stats(None).unwrap().counts.nodes_total() >= 13);
    let nobody = graph.stats(Some("nobody")).unwrap();
    assert_eq!((nobody.counts.nodes_total(), nobody.first_ms), (0, None));
}
