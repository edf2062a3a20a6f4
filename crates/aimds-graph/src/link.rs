//! From records of the audit log to the graph.
//!
//! A request in which something was found becomes
//!
//! ```text
//! source ─triggered→ attack ─caused→ finding ─decided→ decision ─acted→ action ─resulted_in→ outcome
//!    └─triggered→ session ←carried_by─┘ │        └─derived_from→ pattern
//!                   document ←carried_by┘
//! ```
//!
//! Personal data alone are no attack: then the source caused the findings. Requests in which nothing was found leave no trace
//! here. Attacks that were recognised by much the same rules are alike, by the share of the rules that both have (Jaccard).

use std::collections::{BTreeSet, HashMap, VecDeque};

use aimds_store::Record;
use serde_json::Value;

use crate::error::Invalid;
use crate::model::{Batch, Edge, EdgeKind, Node, NodeId, NodeKind, Property};

/// Findings of one decision that get a node each.
const MAX_FINDINGS: usize = 16;
/// Documents of one decision.
const MAX_DOCUMENTS: usize = 16;
/// Requests whose outcome is waited for.
const MAX_PENDING: usize = 10_000;
/// Tenants, and sets of rules for each, that later attacks are compared with.
const MAX_TENANTS: usize = 1024;
const MAX_SETS: usize = 64;
/// Attacks that one attack is said to be like, and how alike they are at least.
const MAX_ALIKE: usize = 4;
const MIN_ALIKE: f64 = 0.5;

/// Turns records into batches. Remembers a bounded number of requests and rule sets: what is linked to what is on record within
/// that memory.
///
/// ```
/// use aimds_graph::{Linker, Record};
/// let record = Record {
///     at_ms: 1_764_000_000_000,
///     request_id: "req-1".into(),
///     tenant: "acme".into(),
///     kind: "decision".into(),
///     body: serde_json::json!({
///         "key": "key_1", "direction": "request", "decision": "block", "score": 0.97,
///         "categories": ["jailbreak"],
///         "findings": [{ "category": "jailbreak", "detector": "rule", "rule": "jailbreak.dan", "confidence": 0.9 }],
///     }),
/// };
/// let batch = Linker::default().link(&record)?;
/// let ids: Vec<&str> = batch.nodes.iter().map(|node| node.id.as_str()).collect();
/// assert_eq!(ids, [
///     "attack:req-1", "source:key_1", "finding:req-1/request/0", "pattern:jailbreak.dan", "decision:req-1/request",
///     "action:req-1/request",
/// ]);
/// # Ok::<(), aimds_graph::Invalid>(())
/// ```
#[derive(Debug, Default)]
pub struct Linker {
    /// What the outcome of a request will be the outcome of.
    pending: HashMap<(String, String), NodeId>,
    order: VecDeque<(String, String)>,
    tenants: HashMap<String, Recent>,
}

/// The last attacks of a tenant, one for each set of rules, the newest last.
#[derive(Debug, Default)]
struct Recent {
    last_ms: u64,
    attacks: VecDeque<(NodeId, u64, BTreeSet<NodeId>)>,
}

impl Linker {
    /// What a record adds to the graph; an empty batch if nothing. O(findings + rule sets remembered).
    ///
    /// Of the body, only the fields that the gateway's audit log has are looked at, and `session`, `source` and `documents`
    /// (names or fingerprints) where a caller adds them.
    ///
    /// # Errors
    /// A name in the record is none that the graph takes; nothing is remembered then.
    pub fn link(&mut self, record: &Record) -> Result<Batch, Invalid> {
        match record.kind.as_str() {
            "decision" => self.decision(record),
            "outcome" => self.outcome(record),
            _ => Ok(Batch::new(&record.tenant)),
        }
    }

    fn decision(&mut self, record: &Record) -> Result<Batch, Invalid> {
        let decided = Decided::read(record)?;
        if !decided.is_detection() {
            return Ok(Batch::new(&record.tenant));
        }
        let mut batch = Batch::new(&record.tenant);
        let last = decided.story(&mut batch)?;
        let rules = decided.rules();
        let alike = match decided.attack {
            Some(_) => self.alike(&record.tenant, &rules),
            None => Vec::new(),
        };
        for (other, at_ms, weight) in alike {
            if let Some(attack) = decided.attack.as_ref().filter(|&attack| *attack != other) {
                batch.edges.push(Edge::similar(attack, &other, weight, record.at_ms));
                batch.nodes.push(Node::new(other, at_ms));
            }
        }
        batch.check()?;
        if let Some(attack) = decided.attack {
            self.remember(&record.tenant, attack, record.at_ms, rules);
        }
        self.await_outcome(record, last);
        Ok(batch)
    }

    fn outcome(&mut self, record: &Record) -> Result<Batch, Invalid> {
        let mut batch = Batch::new(&record.tenant);
        let Some(cause) = self.pending.get(&key(record)).cloned() else { return Ok(batch) };
        let id = NodeId::new(NodeKind::Outcome, &record.request_id)?;
        let mut node = Node::new(id.clone(), record.at_ms);
        put(&mut node, "result", label(&record.body, "result"));
        put(
            &mut node,
            "status",
            record.body.get("upstream_status").and_then(Value::as_i64).map(Property::Count),
        );
        batch.edges.push(Edge::new(&cause, EdgeKind::ResultedIn, &id, record.at_ms));
        batch.nodes.extend([Node::new(cause, record.at_ms), node]);
        batch.check()?;
        Ok(batch)
    }

    /// Earlier attacks with much the same rules, the most alike first.
    fn alike(&self, tenant: &str, rules: &BTreeSet<NodeId>) -> Vec<(NodeId, u64, f64)> {
        let recent = self.tenants.get(tenant).into_iter().flat_map(|recent| recent.attacks.iter().rev());
        let weighed = recent.map(|(id, at_ms, others)| (id.clone(), *at_ms, jaccard(rules, others)));
        let mut alike: Vec<_> = weighed.filter(|(_, _, weight)| *weight >= MIN_ALIKE).collect();
        alike.sort_by(|a, b| b.2.total_cmp(&a.2));
        alike.truncate(MAX_ALIKE);
        alike
    }

    fn remember(&mut self, tenant: &str, attack: NodeId, at_ms: u64, rules: BTreeSet<NodeId>) {
        if rules.is_empty() {
            return;
        }
        if !self.tenants.contains_key(tenant) && self.tenants.len() >= MAX_TENANTS {
            let oldest = self.tenants.iter().min_by_key(|(name, recent)| (recent.last_ms, *name));
            if let Some(name) = oldest.map(|(name, _)| name.clone()) {
                self.tenants.remove(&name);
            }
        }
        let recent = self.tenants.entry(tenant.to_owned()).or_default();
        recent.last_ms = at_ms;
        recent.attacks.retain(|(_, _, others)| *others != rules);
        recent.attacks.push_back((attack, at_ms, rules));
        if recent.attacks.len() > MAX_SETS {
            recent.attacks.pop_front();
        }
    }

    fn await_outcome(&mut self, record: &Record, last: NodeId) {
        if self.pending.insert(key(record), last).is_none() {
            self.order.push_back(key(record));
        }
        if self.order.len() > MAX_PENDING
            && let Some(oldest) = self.order.pop_front()
        {
            self.pending.remove(&oldest);
        }
    }
}

fn key(record: &Record) -> (String, String) {
    (record.tenant.clone(), record.request_id.clone())
}

/// A decision record, read.
struct Decided<'a> {
    record: &'a Record,
    /// `req-1/request`: what names the nodes of this decision.
    name: String,
    decision: &'a str,
    would: Option<&'a str>,
    attack: Option<NodeId>,
    findings: Vec<&'a Value>,
}

impl<'a> Decided<'a> {
    fn read(record: &'a Record) -> Result<Self, Invalid> {
        let body = &record.body;
        let direction = text(body, "direction").unwrap_or("request");
        let findings =
            body.get("findings").and_then(Value::as_array).into_iter().flatten().take(MAX_FINDINGS);
        let mut decided = Self {
            record,
            name: format!("{}/{direction}", record.request_id),
            decision: text(body, "decision").unwrap_or("allow"),
            would: text(body, "would"),
            attack: None,
            findings: findings.collect(),
        };
        if decided.is_detection() && decided.is_attack() {
            decided.attack = Some(NodeId::new(NodeKind::Attack, &record.request_id)?);
        }
        Ok(decided)
    }

    fn is_detection(&self) -> bool {
        !self.findings.is_empty()
            || self.decision != "allow"
            || self.would.is_some_and(|would| would != "allow")
    }

    fn categories(&self) -> impl Iterator<Item = &'a str> {
        let categories = self.record.body.get("categories").and_then(Value::as_array);
        categories.into_iter().flatten().filter_map(Value::as_str)
    }

    /// Whether there is more to it than personal data and secrets.
    fn is_attack(&self) -> bool {
        let mut categories = self.categories().peekable();
        categories.peek().is_none() || categories.any(is_manipulation)
    }

    /// Writes the nodes and edges; gives what the outcome will be the outcome of.
    fn story(&self, batch: &mut Batch) -> Result<NodeId, Invalid> {
        let at_ms = self.record.at_ms;
        if let Some(attack) = &self.attack {
            batch.nodes.push(self.attack_node(attack));
        }
        let origin = self.origins(batch)?;
        let findings = self.findings(batch, origin.as_ref())?;
        let decision = NodeId::new(NodeKind::Decision, &self.name)?;
        let mut node = Node::new(decision.clone(), at_ms).with("decision", self.decision);
        put(&mut node, "would", label(&self.record.body, "would"));
        put(&mut node, "path", label(&self.record.body, "path"));
        put(&mut node, "score", score(&self.record.body, "score"));
        batch.nodes.push(node);
        let causes: Vec<&NodeId> =
            if findings.is_empty() { origin.iter().collect() } else { findings.iter().collect() };
        for cause in causes {
            batch.edges.push(Edge::new(cause, EdgeKind::Decided, &decision, at_ms));
        }
        if self.decision == "allow" {
            return Ok(decision);
        }
        let action = NodeId::new(NodeKind::Action, &self.name)?;
        batch.nodes.push(Node::new(action.clone(), at_ms).with("action", self.decision));
        batch.edges.push(Edge::new(&decision, EdgeKind::Acted, &action, at_ms));
        Ok(action)
    }

    fn attack_node(&self, attack: &NodeId) -> Node {
        let mut node = Node::new(attack.clone(), self.record.at_ms).with("decision", self.decision);
        let category = self.categories().find(|category| is_manipulation(category));
        put(&mut node, "category", category.map(Property::from));
        put(&mut node, "route", label(&self.record.body, "route"));
        put(&mut node, "score", score(&self.record.body, "score"));
        node
    }

    /// Where it came from; gives what caused the findings: the attack, else the source.
    fn origins(&self, batch: &mut Batch) -> Result<Option<NodeId>, Invalid> {
        let (body, at_ms) = (&self.record.body, self.record.at_ms);
        let source = text(body, "source").or_else(|| text(body, "key"));
        let source = source.map(|name| NodeId::new(NodeKind::Source, name)).transpose()?;
        let session = text(body, "session").map(|name| NodeId::new(NodeKind::Session, name)).transpose()?;
        batch.nodes.extend(source.iter().chain(&session).map(|id| Node::new(id.clone(), at_ms)));
        if let (Some(source), Some(session)) = (&source, &session) {
            batch.edges.push(Edge::new(source, EdgeKind::Triggered, session, at_ms));
        }
        let Some(attack) = &self.attack else { return Ok(source.or(session)) };
        if let Some(source) = &source {
            batch.edges.push(Edge::new(source, EdgeKind::Triggered, attack, at_ms));
        }
        if let Some(session) = &session {
            batch.edges.push(Edge::new(attack, EdgeKind::CarriedBy, session, at_ms));
        }
        let documents = body.get("documents").and_then(Value::as_array).into_iter().flatten();
        for name in documents.filter_map(Value::as_str).take(MAX_DOCUMENTS) {
            let document = NodeId::new(NodeKind::Document, name)?;
            batch.edges.push(Edge::new(attack, EdgeKind::CarriedBy, &document, at_ms));
            batch.nodes.push(Node::new(document, at_ms));
        }
        Ok(Some(attack.clone()))
    }

    fn findings(&self, batch: &mut Batch, origin: Option<&NodeId>) -> Result<Vec<NodeId>, Invalid> {
        let at_ms = self.record.at_ms;
        let mut ids = Vec::with_capacity(self.findings.len());
        for (number, &finding) in self.findings.iter().enumerate() {
            let id = NodeId::new(NodeKind::Finding, &format!("{}/{number}", self.name))?;
            let mut node = Node::new(id.clone(), at_ms);
            put(&mut node, "category", label(finding, "category"));
            put(&mut node, "detector", label(finding, "detector"));
            put(&mut node, "confidence", score(finding, "confidence"));
            batch.nodes.push(node);
            if let Some(origin) = origin {
                batch.edges.push(Edge::new(origin, EdgeKind::Caused, &id, at_ms));
            }
            if let Some(pattern) = pattern(finding)? {
                batch.edges.push(Edge::new(&id, EdgeKind::DerivedFrom, &pattern, at_ms));
                if let Some(attack) = self.attack.as_ref().filter(|_| is_of_manipulation(finding)) {
                    batch.edges.push(Edge::new(attack, EdgeKind::DerivedFrom, &pattern, at_ms));
                }
                batch.nodes.push(Node::new(pattern, at_ms));
            }
            ids.push(id);
        }
        Ok(ids)
    }

    /// The rules by which an attack was recognised.
    fn rules(&self) -> BTreeSet<NodeId> {
        let told = self.findings.iter().filter(|finding| is_of_manipulation(finding));
        told.filter_map(|finding| NodeId::new(NodeKind::Pattern, text(finding, "rule")?).ok()).collect()
    }
}

/// The rule, else the detector and what it looks for.
fn pattern(finding: &Value) -> Result<Option<NodeId>, Invalid> {
    let name = match (text(finding, "rule"), text(finding, "detector"), text(finding, "category")) {
        (Some(rule), _, _) => rule.to_owned(),
        (None, Some(detector), Some(category)) => format!("{detector}/{category}"),
        _ => return Ok(None),
    };
    NodeId::new(NodeKind::Pattern, &name).map(Some)
}

fn is_of_manipulation(finding: &Value) -> bool {
    text(finding, "category").is_some_and(is_manipulation)
}

fn is_manipulation(category: &str) -> bool {
    !category.starts_with("pii.") && !category.starts_with("secret.")
}

fn jaccard(one: &BTreeSet<NodeId>, other: &BTreeSet<NodeId>) -> f64 {
    let both = one.intersection(other).count();
    let either = one.len() + other.len() - both;
    if either == 0 { 0.0 } else { both as f64 / either as f64 }
}

fn text<'a>(body: &'a Value, key: &str) -> Option<&'a str> {
    body.get(key)?.as_str().filter(|text| !text.is_empty())
}

fn label(body: &Value, key: &str) -> Option<Property> {
    text(body, key).map(Property::from)
}

fn score(body: &Value, key: &str) -> Option<Property> {
    body.get(key)?.as_f64().map(Property::Score)
}

fn put(node: &mut Node, name: &str, value: Option<Property>) {
    if let Some(value) = value {
        node.properties.insert(name.to_owned(), value);
    }
}
