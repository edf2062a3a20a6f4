//! The statements. Their text is fixed here; everything from outside is a parameter.

use crate::graph::Side;
use crate::model::{EdgeKind, NodeKind};

/// What the database must have, made if it is not there.
pub(super) const SCHEMA: [&str; 2] = [
    "CREATE CONSTRAINT aimds_node IF NOT EXISTS FOR (n:AimdsNode) REQUIRE (n.tenant, n.id) IS UNIQUE",
    "CREATE INDEX aimds_attack_time IF NOT EXISTS FOR (n:Attack) ON (n.tenant, n.first_ms)",
];

fn label(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::Source => "Source",
        NodeKind::Session => "Session",
        NodeKind::Document => "Document",
        NodeKind::Pattern => "Pattern",
        NodeKind::Attack => "Attack",
        NodeKind::Finding => "Finding",
        NodeKind::Decision => "Decision",
        NodeKind::Action => "Action",
        NodeKind::Outcome => "Outcome",
    }
}

fn relation(kind: EdgeKind) -> &'static str {
    match kind {
        EdgeKind::Triggered => "TRIGGERED",
        EdgeKind::Caused => "CAUSED",
        EdgeKind::Decided => "DECIDED",
        EdgeKind::Acted => "ACTED",
        EdgeKind::ResultedIn => "RESULTED_IN",
        EdgeKind::DerivedFrom => "DERIVED_FROM",
        EdgeKind::CarriedBy => "CARRIED_BY",
        EdgeKind::SimilarTo => "SIMILAR_TO",
    }
}

/// The kind of a relation's name.
pub(super) fn kind_of(name: &str) -> Option<EdgeKind> {
    EdgeKind::ALL.iter().copied().find(|&kind| relation(kind) == name)
}

const WIDEN: &str = "x.first_ms = CASE WHEN row.first_ms < x.first_ms THEN row.first_ms ELSE x.first_ms END, \
     x.last_ms = CASE WHEN row.last_ms > x.last_ms THEN row.last_ms ELSE x.last_ms END";

/// Of `$rows`, all of one kind.
pub(super) fn put_nodes(kind: NodeKind) -> String {
    format!(
        "UNWIND $rows AS row MERGE (x:AimdsNode {{tenant: $tenant, id: row.id}}) \
         ON CREATE SET x:{}, x.kind = '{}', x.first_ms = row.first_ms, x.last_ms = row.last_ms ON MATCH SET {WIDEN} \
         SET x += row.properties",
        label(kind),
        kind.as_str()
    )
}

/// Of `$rows`, all of one kind.
pub(super) fn put_edges(kind: EdgeKind) -> String {
    format!(
        "UNWIND $rows AS row MATCH (a:AimdsNode {{tenant: $tenant, id: row.from}}) \
         MATCH (b:AimdsNode {{tenant: $tenant, id: row.to}}) MERGE (a)-[x:{}]->(b) \
         ON CREATE SET x.first_ms = row.first_ms, x.last_ms = row.last_ms ON MATCH SET {WIDEN} \
         SET x.weight = row.weight",
        relation(kind)
    )
}

pub(super) const FIND: &str = "MATCH (n:AimdsNode {tenant: $tenant, id: $id}) RETURN n.first_ms AS first_ms, \
     n.last_ms AS last_ms";

/// The edges of `$ids` in some directions, one direction after the other: of each node in each at most `$limit`, the newest
/// first. One statement, so that a step is one journey; the database walks only relations of the kinds and the direction
/// that are asked for, and looks at the nodes at their other ends only where it follows them.
pub(super) fn step(sides: &[Side]) -> String {
    let statements: Vec<String> =
        sides.iter().enumerate().map(|(number, &side)| one_side(number, side)).collect();
    statements.join(" UNION ALL ")
}

fn one_side(number: usize, side: Side) -> String {
    let causal = |points_back: bool| {
        let kinds = EdgeKind::ALL.iter().copied();
        let kinds = kinds.filter(|kind| kind.is_causal() && kind.points_back() == points_back);
        kinds.map(relation).collect::<Vec<_>>().join("|")
    };
    let (forth, back) = (causal(false), causal(true));
    let edges = match side {
        Side::Similar => edges("-", relation(EdgeKind::SimilarTo), "-"),
        Side::Effects => edges("-", &forth, "->") + " UNION ALL " + &edges("<-", &back, "-"),
        Side::Causes => edges("<-", &forth, "-") + " UNION ALL " + &edges("-", &back, "->"),
    };
    format!(
        "UNWIND range(0, size($ids) - 1) AS i MATCH (n:AimdsNode {{tenant: $tenant, id: $ids[i]}}) \
         CALL {{ WITH n CALL {{ {edges} }} RETURN r, m ORDER BY r.first_ms DESC LIMIT $limit }} \
         WITH i, r, m WHERE m.tenant = $tenant \
         RETURN {number} AS side, i, m.id AS id, m.first_ms AS node_first, m.last_ms AS node_last, type(r) AS kind, \
         r.first_ms AS first_ms, r.last_ms AS last_ms, r.weight AS weight LIMIT $budget"
    )
}

fn edges(begin: &str, relations: &str, end: &str) -> String {
    format!(
        "WITH n MATCH (n){begin}[r:{relations}]{end}(m:AimdsNode) \
         WHERE r.first_ms <= $to_ms AND r.last_ms >= $from_ms RETURN r, m"
    )
}

/// The names of the relations that point from the effect to the cause.
pub(super) fn pointing_back() -> Vec<&'static str> {
    EdgeKind::ALL.iter().copied().filter(|kind| kind.points_back()).map(relation).collect()
}

pub(super) const PROPERTIES: &str = "UNWIND range(0, size($ids) - 1) AS i \
     MATCH (n:AimdsNode {tenant: $tenant, id: $ids[i]}) RETURN i, properties(n) AS properties";

pub(super) const ATTACKS: &str = "MATCH (n:Attack) WHERE n.tenant = $tenant AND n.first_ms >= $from_ms \
     AND n.first_ms <= $to_ms RETURN n.id AS id, n.first_ms AS first_ms, n.last_ms AS last_ms \
     ORDER BY first_ms DESC, id DESC LIMIT $limit";

/// The direct effects of `$ids`.
pub(super) const EFFECTS: &str = "UNWIND $ids AS id MATCH (n:AimdsNode {tenant: $tenant, id: id})-[r]-(m:AimdsNode {tenant: \
     $tenant}) WHERE type(r) <> 'SIMILAR_TO' AND (startNode(r) = n) = (NOT type(r) IN $back) RETURN DISTINCT m.id AS id";

/// Sessions and documents that caused `$ids`.
pub(super) const CARRIERS: &str = "UNWIND $ids AS id MATCH (n:AimdsNode {tenant: $tenant, id: id})-[r]-(m:AimdsNode {tenant: \
     $tenant}) WHERE type(r) <> 'SIMILAR_TO' AND (endNode(r) = n) = (NOT type(r) IN $back) \
     AND m.kind IN ['session', 'document'] RETURN DISTINCT m.id AS id";

/// Of `$ids`, those without edges.
pub(super) const ALONE: &str = "UNWIND $ids AS id MATCH (n:AimdsNode {tenant: $tenant, id: id}) WHERE NOT (n)--() \
     RETURN n.id AS id";

pub(super) const COUNT_EDGES_OF: &str = "UNWIND $ids AS id MATCH (:AimdsNode {tenant: $tenant, id: id})-[r]-() \
     RETURN count(DISTINCT r) AS edges";

pub(super) const COUNT_NODES_OF: &str = "UNWIND $ids AS id MATCH (n:AimdsNode {tenant: $tenant, id: id}) \
     RETURN n.kind AS kind, count(DISTINCT n) AS nodes";

pub(super) const REMOVE: &str =
    "UNWIND $ids AS id MATCH (n:AimdsNode {tenant: $tenant, id: id}) DETACH DELETE n";

/// The oldest first, some of them: `$limit`.
pub(super) const OLD_NODES: &str = "MATCH (n:AimdsNode) WHERE n.last_ms < $before AND ($tenant IS NULL OR n.tenant = $tenant) \
     RETURN n.tenant AS tenant, n.id AS id LIMIT $limit";

pub(super) const COUNT_OLD_EDGES: &str = "MATCH (n:AimdsNode)-[r]->() WHERE r.last_ms < $before \
     AND ($tenant IS NULL OR n.tenant = $tenant) RETURN count(r) AS edges";

pub(super) const REMOVE_OLD_EDGES: &str = "MATCH (n:AimdsNode)-[r]->() WHERE r.last_ms < $before \
     AND ($tenant IS NULL OR n.tenant = $tenant) DELETE r";

pub(super) const COUNT_NODES: &str = "MATCH (n:AimdsNode) WHERE $tenant IS NULL OR n.tenant = $tenant \
     RETURN n.kind AS kind, count(n) AS nodes, min(n.first_ms) AS first_ms, max(n.last_ms) AS last_ms";

pub(super) const COUNT_EDGES: &str = "MATCH (n:AimdsNode)-[r]->(:AimdsNode) WHERE $tenant IS NULL OR n.tenant = $tenant \
     RETURN count(r) AS edges";
