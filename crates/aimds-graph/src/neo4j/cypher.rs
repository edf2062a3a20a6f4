//! The statements. Their text is fixed here; everything from outside is a parameter.

use crate::graph::Side;
use crate::model::{EdgeKind, NodeKind};

/// What the database must have beside the indexes of hubs, made if it is not there.
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
    let hub = hub_end(kind).map_or(String::new(), |end| format!(", {}", set_hub(end)));
    format!(
        "UNWIND $rows AS row MATCH (a:AimdsNode {{tenant: $tenant, id: row.from}}) \
         MATCH (b:AimdsNode {{tenant: $tenant, id: row.to}}) MERGE (a)-[x:{}]->(b) \
         ON CREATE SET x.first_ms = row.first_ms, x.last_ms = row.last_ms ON MATCH SET {WIDEN} \
         SET x.weight = row.weight{hub}",
        relation(kind)
    )
}

/// Kinds of relations of which one node may have tens of thousands, as a cause.
pub(super) const OF_HUBS: [EdgeKind; 3] = [EdgeKind::Triggered, EdgeKind::DerivedFrom, EdgeKind::CarriedBy];

/// Kinds of nodes that have them.
const HUBS: &str = "n.kind IN ['source', 'session', 'document', 'pattern']";

/// The cause's end of such a relation: `a` where it begins, `b` where it ends.
fn hub_end(kind: EdgeKind) -> Option<char> {
    OF_HUBS.contains(&kind).then(|| if kind.points_back() { 'b' } else { 'a' })
}

/// A relation says whose it is, so that an index can find the newest of a node. Of those that were seen more than once another
/// index finds what was still seen after some time.
fn set_hub(end: char) -> String {
    format!(
        "x.hub = {end}.tenant + '\\n' + {end}.id, \
         x.long_hub = CASE WHEN x.last_ms > x.first_ms THEN {end}.tenant + '\\n' + {end}.id END"
    )
}

/// Both indexes of a kind, made when all relations say whose they are.
pub(super) fn hub_indexes(kind: EdgeKind) -> [String; 2] {
    [("hub", "first_ms"), ("long_hub", "last_ms")].map(|(whose, time)| {
        let (name, relation) = (hub_index(kind, whose), relation(kind));
        format!("CREATE INDEX {name} IF NOT EXISTS FOR ()-[r:{relation}]-() ON (r.{whose}, r.{time})")
    })
}

fn hub_index(kind: EdgeKind, whose: &str) -> String {
    format!("aimds_{}_{whose}", kind.as_str())
}

/// A row where the last of both is there.
pub(super) fn has_hub_indexes(kind: EdgeKind) -> String {
    format!("SHOW INDEXES YIELD name WHERE name = '{}'", hub_index(kind, "long_hub"))
}

/// Some of those that an earlier version wrote.
pub(super) fn fill_hubs(kind: EdgeKind) -> String {
    let (relation, set) = (relation(kind), set_hub(hub_end(kind).unwrap_or('a')));
    format!(
        "MATCH (a:AimdsNode)-[x:{relation}]->(b) WHERE x.hub IS NULL WITH a, x, b LIMIT 20000 SET {set} \
         RETURN count(x) AS filled"
    )
}

pub(super) const AWAIT_INDEXES: &str = "CALL db.awaitIndexes(300)";

pub(super) const FIND: &str = "MATCH (n:AimdsNode {tenant: $tenant, id: $id}) \
     RETURN [id(n), n.id, n.first_ms, n.last_ms] AS place";

/// Nodes by the database's numbers, which another tenant's may have got since.
const NODES: &str =
    "UNWIND range(0, size($keys) - 1) AS i MATCH (n) WHERE id(n) = $keys[i] AND n.tenant = $tenant";

/// The edges of `$keys` in some directions: of each node in each at most `$limit`, the newest first. One statement, so that a step
/// is one journey, and one row for each of its parts, because rows are dear.
pub(super) fn step(sides: &[Side]) -> String {
    let parts = sides.iter().enumerate().flat_map(|(number, &side)| match side {
        Side::Effects => vec![
            part(number, &format!(" AND NOT {HUBS}"), &edges(side)),
            part(number, &format!(" AND {HUBS}"), &edges_of_hubs()),
        ],
        Side::Causes | Side::Similar => vec![part(number, "", &edges(side))],
    });
    parts.collect::<Vec<_>>().join(" UNION ALL ")
}

fn part(number: usize, which: &str, edges: &[String]) -> String {
    let edges: Vec<String> = edges.iter().map(|edges| format!("WITH n {edges}")).collect();
    let edges = edges.join(" UNION ALL ");
    format!(
        "{NODES}{which} CALL {{ WITH n CALL {{ {edges} }} RETURN r, m ORDER BY r.first_ms DESC LIMIT $limit }} \
         WITH i, r, m WHERE m.tenant = $tenant WITH i, r, m LIMIT $budget \
         RETURN {number} AS side, collect([i, id(m), m.id, m.first_ms, m.last_ms, type(r), r.first_ms, r.last_ms, \
         r.weight]) AS found"
    )
}

/// By looking at all of a node's relations of the kinds and the direction.
fn edges(side: Side) -> Vec<String> {
    let (forth, back) = (causal(false, |_| true), causal(true, |_| true));
    match side {
        Side::Similar => vec![looked_at("-", relation(EdgeKind::SimilarTo), "-")],
        Side::Effects => vec![looked_at("-", &forth, "->"), looked_at("<-", &back, "-")],
        Side::Causes => vec![looked_at("<-", &forth, "-"), looked_at("-", &back, "->")],
    }
}

/// The effects of a node that may have many.
fn edges_of_hubs() -> Vec<String> {
    let mut all = vec![looked_at("-", &causal(false, |kind| !OF_HUBS.contains(&kind)), "->")];
    all.extend(OF_HUBS.iter().flat_map(|&kind| found_by_index(kind)));
    all
}

fn causal(points_back: bool, wanted: impl Fn(EdgeKind) -> bool) -> String {
    let kinds = EdgeKind::ALL.iter().copied();
    let kinds = kinds.filter(|&kind| kind.is_causal() && kind.points_back() == points_back && wanted(kind));
    kinds.map(relation).collect::<Vec<_>>().join("|")
}

fn looked_at(begin: &str, relations: &str, end: &str) -> String {
    format!(
        "MATCH (n){begin}[r:{relations}]{end}(m) WHERE r.first_ms <= $to_ms AND r.last_ms >= $from_ms RETURN r, m"
    )
}

/// Those that began in the span, the newest of them, and those that began before it and were still seen in it. The order names
/// both columns of the index, because it is the index's only then.
fn found_by_index(kind: EdgeKind) -> [String; 2] {
    let relation = relation(kind);
    let (begin, end) = if kind.points_back() { ("(m)", "()") } else { ("()", "(m)") };
    let edges = |whose: &str, time: &str, wanted: &str| {
        format!(
            "MATCH {begin}-[r:{relation}]->{end} USING INDEX r:{relation}({whose}, {time}) \
             WHERE r.{whose} = n.tenant + '\\n' + n.id AND {wanted}"
        )
    };
    [
        edges("hub", "first_ms", "r.first_ms >= $from_ms AND r.first_ms <= $to_ms")
            + " RETURN r, m ORDER BY r.hub DESC, r.first_ms DESC LIMIT $limit",
        edges("long_hub", "last_ms", "r.last_ms >= $from_ms AND r.first_ms < $from_ms") + " RETURN r, m",
    ]
}

/// The names of the relations that point from the effect to the cause.
pub(super) fn pointing_back() -> Vec<&'static str> {
    EdgeKind::ALL.iter().copied().filter(|kind| kind.points_back()).map(relation).collect()
}

pub(super) fn properties() -> String {
    format!("{NODES} RETURN collect([i, properties(n)]) AS found")
}

const IN_SPAN: &str =
    "MATCH (n:Attack) WHERE n.tenant = $tenant AND n.first_ms >= $from_ms AND n.first_ms <= $to_ms";

/// The newest first.
pub(super) fn attacks() -> String {
    format!(
        "{IN_SPAN} WITH n ORDER BY n.tenant DESC, n.first_ms DESC, n.id DESC LIMIT $limit \
         RETURN collect([id(n), n.id, n.first_ms, n.last_ms]) AS found"
    )
}

pub(super) fn places() -> String {
    format!("{NODES} RETURN collect([id(n), n.id, n.first_ms, n.last_ms]) AS found")
}

/// What all attacks of a span hang together by: at most `$budget` pairs of each kind, in no order, because to sort each attack's few
/// edges costs more than to read them.
pub(super) fn ties() -> String {
    let (forth, back) = (causal(false, |_| true), causal(true, |_| true));
    let similar = relation(EdgeKind::SimilarTo);
    let part = |side: &str, edges: &str, weights: &str| {
        format!(
            "{IN_SPAN} MATCH {edges} WITH n, r, m LIMIT $budget \
             RETURN {side} AS are_alike, collect(id(n)) AS attacks, collect(id(m)) AS others, {weights} AS weights"
        )
    };
    [
        part("false", &format!("(n)<-[r:{forth}]-(m)"), "[]"),
        part("false", &format!("(n)-[r:{back}]->(m)"), "[]"),
        part("true", &format!("(n)-[r:{similar}]-(m)"), "collect(r.weight)"),
    ]
    .join(" UNION ALL ")
}

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
