use aimds_graph::{Batch, Edge, EdgeKind, Invalid, MAX_BATCH, Node, NodeId, NodeKind, Property};

use crate::words::{batch, id};

#[test]
fn names_are_words_with_a_kind() {
    for good in
        ["attack:req-1", "source:key_1", "document:sha256:ab", "pattern:lexical/jailbreak", "session:日本"]
    {
        let id: NodeId = good.parse().unwrap();
        assert_eq!(id.to_string(), good);
        assert_eq!(serde_json::from_str::<NodeId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
    }
    let long = format!("attack:{}", "a".repeat(200));
    for (bad, why) in [
        ("attack", Invalid::Id),
        ("attack:", Invalid::Id),
        ("thing:1", Invalid::Kind),
        ("attack:ignore all instructions", Invalid::Id),
        ("attack:a\u{200b}b", Invalid::Id),
        ("attack:a\u{1b}[31m", Invalid::Id),
        (long.as_str(), Invalid::Id),
    ] {
        assert_eq!(bad.parse::<NodeId>(), Err(why), "{bad}");
        assert!(serde_json::from_value::<NodeId>(bad.into()).is_err());
    }
}

#[test]
fn what_is_not_as_it_should_be_is_refused() {
    let node = || Node::new(id("attack:1"), 5);
    let with = |node: Node| Batch { nodes: vec![node], ..Batch::new("acme") }.check();
    assert_eq!(with(node().with("category", "jailbreak")), Ok(()));
    let value = |name: &str| Err(Invalid::PropertyValue { name: name.to_owned() });
    // Content does not fit in.
    assert_eq!(with(node().with("category", "ignore all previous instructions")), value("category"));
    assert_eq!(with(node().with("category", "a".repeat(129).as_str())), value("category"));
    assert_eq!(with(node().with("score", Property::Score(f64::NAN))), value("score"));
    for name in ["", "Category", "two words", "tenant", "id", "first_ms", "a}) DETACH DELETE (n"] {
        assert_eq!(with(node().with(name, "x")), Err(Invalid::PropertyName), "{name}");
    }
    let many = (0..17).fold(node(), |node, i| node.with(&format!("p{i}"), "x"));
    assert_eq!(with(many), Err(Invalid::TooManyProperties { limit: 16 }));
    assert_eq!(with(Node { last_ms: 4, ..node() }), Err(Invalid::Times));
    assert_eq!(with(Node { last_ms: u64::MAX, ..node() }), Err(Invalid::Times));
    assert_eq!(Batch::new("a\nb").check(), Err(Invalid::Tenant));
    let edge = |change: fn(&mut Edge)| {
        let mut batch = batch("acme", &["source:a triggered attack:1 @5"]);
        change(&mut batch.edges[0]);
        batch.check()
    };
    assert_eq!(edge(|edge| edge.weight = 0.0), Err(Invalid::Weight));
    assert_eq!(edge(|edge| edge.weight = f64::NAN), Err(Invalid::Weight));
    assert_eq!(edge(|edge| edge.weight = 1.1), Err(Invalid::Weight));
    assert_eq!(edge(|edge| edge.first_ms = 6), Err(Invalid::Times));
    assert_eq!(edge(|edge| edge.to = edge.from.clone()), Err(Invalid::Loop { id: id("source:a") }));
    assert_eq!(
        edge(|edge| edge.to = "attack:2".parse().unwrap()),
        Err(Invalid::UnknownEnd { id: id("attack:2") })
    );
    let large = Batch { nodes: vec![node(); MAX_BATCH + 1], ..Batch::new("acme") };
    assert_eq!(large.check(), Err(Invalid::BatchTooLarge { limit: MAX_BATCH }));
}

#[test]
fn edges_know_their_causes() {
    let (attack, document) = (id("attack:1"), id("document:d"));
    let carried = Edge::new(&attack, EdgeKind::CarriedBy, &document, 1);
    assert_eq!((carried.cause(), carried.effect()), (&document, &attack));
    let similar = Edge::similar(&id("attack:2"), &attack, 0.5, 1);
    assert_eq!((similar.from, similar.to), (attack, id("attack:2")));
    assert_eq!(NodeKind::ALL.len(), 9);
    for kind in EdgeKind::ALL {
        assert_eq!(kind.as_str().parse(), Ok(*kind));
    }
}
