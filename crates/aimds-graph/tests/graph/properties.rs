use std::collections::BTreeSet;

use aimds_graph::{Batch, CampaignLimits, Edge, EdgeKind, Graph, Limits, Node, NodeId, NodeKind, Span};
use proptest::prelude::*;

use crate::naive::Naive;
use crate::words::Home;

/// Few names, so that nodes are hit often; times that touch.
const LATEST: u64 = 60;

fn node_ids() -> Vec<NodeId> {
    let kinds = [
        (NodeKind::Attack, 5),
        (NodeKind::Source, 2),
        (NodeKind::Session, 2),
        (NodeKind::Document, 2),
        (NodeKind::Pattern, 1),
        (NodeKind::Finding, 2),
        (NodeKind::Decision, 1),
    ];
    let named = |(kind, count)| (0..count).map(move |n: usize| NodeId::new(kind, &n.to_string()).unwrap());
    kinds.into_iter().flat_map(named).collect()
}

fn span() -> impl Strategy<Value = (u64, u64)> {
    (0..LATEST, prop_oneof![3 => Just(0), 1 => 0..LATEST]).prop_map(|(first, length)| (first, first + length))
}

fn edge(ids: Vec<NodeId>) -> impl Strategy<Value = Option<Edge>> {
    let end = 0..ids.len();
    let kind = proptest::sample::select(EdgeKind::ALL.to_vec());
    (end.clone(), end, kind, span(), 1..=10_u8).prop_map(
        move |(from, to, kind, (first_ms, last_ms), tenths)| {
            if from == to {
                return None;
            }
            let edge = match kind {
                EdgeKind::SimilarTo => {
                    Edge::similar(&ids[from], &ids[to], f64::from(tenths) / 10.0, first_ms)
                }
                _ => Edge::new(&ids[from], kind, &ids[to], first_ms),
            };
            Some(Edge { last_ms, ..edge })
        },
    )
}

/// Every node there is, and some edges, each at most once.
fn graphs() -> impl Strategy<Value = Naive> {
    let ids = node_ids();
    let times = proptest::collection::vec(span(), ids.len());
    let edges = proptest::collection::vec(edge(ids.clone()), 0..30);
    (times, edges).prop_map(move |(times, edges)| {
        let node = |(id, (first_ms, last_ms)): (&NodeId, (u64, u64))| Node {
            last_ms,
            ..Node::new(id.clone(), first_ms)
        };
        let mut seen = BTreeSet::new();
        let edges = edges.into_iter().flatten();
        let edges = edges.filter(|edge| seen.insert((edge.from.clone(), edge.to.clone(), edge.kind)));
        Naive { edges: edges.collect(), nodes: ids.iter().zip(times).map(node).collect() }
    })
}

fn limits() -> impl Strategy<Value = Limits> {
    (0..6_u8, prop_oneof![Just(None), (0..LATEST).prop_map(Some)]).prop_map(|(hops, window_ms)| Limits {
        hops,
        window_ms,
        fan_out: 1000,
        nodes: 1000,
    })
}

/// Both graphs in one file, as two tenants, in batches of random size.
fn stored(graph: &Naive, other: &Naive, at: usize) -> Home {
    let mut home = Home::new();
    for (tenant, graph) in [("one", graph), ("other", other)] {
        let (first, second) = graph.edges.split_at(at.min(graph.edges.len()));
        for edges in [first, second] {
            let batch =
                Batch { nodes: graph.nodes.clone(), edges: edges.to_vec(), tenant: tenant.to_owned() };
            home.graph.upsert(&batch).unwrap();
        }
    }
    home
}

/// All of one tenant's, those of one attack as well.
fn campaigns(home: &Home) -> BTreeSet<Vec<NodeId>> {
    let limits = CampaignLimits { gap_ms: LATEST, min_size: 1, ..CampaignLimits::default() };
    let answer = home.graph.campaigns("one", &limits).unwrap();
    answer.campaigns.into_iter().map(|campaign| campaign.attacks).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn walks_equal_the_naive_ones(
        graph in graphs(), other in graphs(), at in 0..30_usize, start in 0..15_usize, limits in limits(),
    ) {
        let home = stored(&graph, &other, at);
        let start = &graph.nodes[start].id;
        let (hops, window) = (limits.hops, limits.window_ms);
        let related = home.graph.related("one", start, &limits).unwrap();
        let found: Vec<_> = related.attacks.iter().map(|attack| (attack.hops, attack.id.clone())).collect();
        prop_assert_eq!(found, graph.related(start, window, hops));
        prop_assert!(!related.truncated);
        for attack in &related.attacks {
            prop_assert_eq!(attack.path.len(), usize::from(attack.hops) + 1);
            prop_assert_eq!((attack.path.first(), attack.path.last()), (Some(start), Some(&attack.id)));
            for pair in attack.path.windows(2) {
                let joined = |edge: &&Edge| {
                    (edge.from == pair[0] && edge.to == pair[1]) || (edge.from == pair[1] && edge.to == pair[0])
                };
                let span = graph.span(start, window);
                prop_assert!(graph.edges.iter().filter(joined).any(|edge| span.overlaps(edge.first_ms, edge.last_ms)));
                prop_assert!(related.subgraph.edges.iter().any(|edge| joined(&edge)));
            }
        }
        let root = home.graph.root("one", start, &limits).unwrap();
        let (naive, distance) = graph.root(start, window, hops);
        prop_assert_eq!((&root.root, root.path.len()), (&naive, usize::from(distance) + 1));
        let blast = home.graph.blast("one", start, &limits).unwrap();
        let reached: BTreeSet<NodeId> =
            blast.subgraph.nodes.iter().map(|node| node.id.clone()).filter(|id| id != start).collect();
        prop_assert_eq!(&reached, &graph.blast(start, window, hops));
        prop_assert_eq!(blast.reached.values().sum::<u64>(), reached.len() as u64);
        let chain = home.graph.chain("one", start, &limits).unwrap();
        let mut whole = reached;
        whole.extend(graph.distances(start, crate::naive::Along::Causes, graph.span(start, window), hops).into_keys());
        prop_assert_eq!(chain.subgraph.nodes.iter().map(|node| node.id.clone()).collect::<BTreeSet<_>>(), whole);
    }

    #[test]
    fn campaigns_equal_the_naive_ones(
        graph in graphs(), other in graphs(), at in 0..30_usize, gap_ms in 0..LATEST, tenths in 1..=10_u8,
        from_ms in 0..LATEST / 2, length in 0..LATEST,
    ) {
        let home = stored(&graph, &other, at);
        let span = Span { from_ms, to_ms: from_ms + length };
        let min_weight = f64::from(tenths) / 10.0;
        let limits = CampaignLimits { span, gap_ms, min_weight, min_size: 1, ..CampaignLimits::default() };
        let answer = home.graph.campaigns("one", &limits).unwrap();
        prop_assert!(!answer.truncated);
        let found: BTreeSet<_> = answer.campaigns.into_iter().map(|campaign| campaign.attacks).collect();
        prop_assert_eq!(found, graph.campaigns(span, gap_ms, min_weight));
    }

    #[test]
    fn what_is_erased_is_gone_and_the_rest_is_as_it_was(
        graph in graphs(), other in graphs(), at in 0..30_usize, subject in 0..15_usize, limits in limits(),
    ) {
        let mut home = stored(&graph, &other, at);
        let subject = graph.nodes[subject].id.clone();
        let mut left = graph.clone();
        let erased = left.erase(&subject);
        let receipt = home.graph.erase("one", &subject, 1).unwrap();
        prop_assert_eq!(receipt.erased.nodes_total(), erased as u64);
        prop_assert_eq!(receipt.erased.edges as usize, graph.edges.len() - left.edges.len());
        for node in &graph.nodes {
            let kept = left.nodes.iter().any(|other| other.id == node.id);
            prop_assert_eq!(home.graph.node("one", &node.id).is_ok(), kept);
            if kept {
                let related = home.graph.related("one", &node.id, &limits).unwrap();
                let found: Vec<_> = related.attacks.into_iter().map(|attack| (attack.hops, attack.id)).collect();
                prop_assert_eq!(found, left.related(&node.id, limits.window_ms, limits.hops));
            }
        }
        prop_assert_eq!(campaigns(&home), left.campaigns(Span::ALL, LATEST, 0.5));
        let counts = home.graph.stats(Some("other")).unwrap().counts;
        prop_assert_eq!((counts.nodes_total(), counts.edges), (other.nodes.len() as u64, other.edges.len() as u64));
    }

    #[test]
    fn what_is_dropped_for_its_age_joins_nothing(
        graph in graphs(), other in graphs(), at in 0..30_usize, before_ms in 0..LATEST,
    ) {
        let mut home = stored(&graph, &other, at);
        home.graph.retain(Some("one"), before_ms).unwrap();
        let mut left = graph;
        left.nodes.retain(|node| node.last_ms >= before_ms);
        let kept: BTreeSet<NodeId> = left.nodes.iter().map(|node| node.id.clone()).collect();
        left.edges.retain(|edge| edge.last_ms >= before_ms && kept.contains(&edge.from) && kept.contains(&edge.to));
        prop_assert_eq!(campaigns(&home), left.campaigns(Span::ALL, LATEST, 0.5));
    }

    /// However small the bounds: what is found is true, and what is not found was said to be missing.
    #[test]
    fn truncated_answers_say_so(
        graph in graphs(), other in graphs(), start in 0..15_usize, limits in limits(), fan_out in 1..4_usize, nodes in 1..8_usize,
    ) {
        let home = stored(&graph, &other, 0);
        let start = &graph.nodes[start].id;
        let small = Limits { fan_out, nodes, ..limits };
        let all: BTreeSet<NodeId> =
            graph.related(start, limits.window_ms, limits.hops).into_iter().map(|(_, id)| id).collect();
        let related = home.graph.related("one", start, &small).unwrap();
        let found: BTreeSet<NodeId> = related.attacks.iter().map(|attack| attack.id.clone()).collect();
        prop_assert!(found.is_subset(&all));
        prop_assert!(related.truncated || found == all);
        let blast = home.graph.blast("one", start, &small).unwrap();
        let all = graph.blast(start, limits.window_ms, limits.hops);
        prop_assert!(blast.subgraph.nodes.len() <= nodes + 1);
        prop_assert!(blast.truncated || blast.subgraph.nodes.len() == all.len() + 1);
    }
}
