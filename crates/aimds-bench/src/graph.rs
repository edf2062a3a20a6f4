//! The causal memory: how fast a large one is built and asked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use aimds_graph::{
    Batch, CampaignLimits, Edge, EdgeKind, Error, Graph, Limits, Node, NodeId, NodeKind, Span,
};
use serde::Serialize;

use crate::case::{Case, Measured, Of, Unit};

/// Thirty days of attacks.
const BEGIN_MS: u64 = 1_764_000_000_000;
const DAY_MS: u64 = 86_400_000;
const DAYS: u64 = 30;
/// How long deliveries to a graph database are waited for.
const PATIENCE: Duration = Duration::from_secs(3600);
const TENANT: &str = "bench";
/// The source that a fifth of the attacks come from.
const HUB: u64 = 0;

/// What is built.
#[derive(Clone, Copy, Debug)]
pub struct GraphLoad {
    /// Edges, at least.
    pub edges: u64,
    /// Where randomness comes from: the same seed gives the same graph and the same questions.
    pub seed: u64,
    /// Questions of each kind.
    pub queries: usize,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct GraphReport {
    /// Attacks in the graph.
    pub attacks: u64,
    /// Nodes in the graph.
    pub nodes: u64,
    /// Edges in the graph.
    pub edges: u64,
    /// Edges of the source that most attacks came from.
    pub hub_edges: u64,
    /// How long building took.
    pub load_s: f64,
    /// Edges a second.
    pub edges_per_s: f64,
    /// Bytes on disk, where the store can tell.
    pub bytes: Option<u64>,
    /// The most memory that the process has held until then, mapped pages of files included, where the
    /// system can tell; with a store measured before, also for that one.
    pub memory_bytes: Option<u64>,
    /// By question, in microseconds, with the share of the answers that the limits cut.
    #[serde(skip)]
    pub queries: Vec<Case>,
}

/// What the slowest of a hundred questions may take, in microseconds, in a graph of [`PROMISED_EDGES`].
const PROMISED_US: f64 = 10_000.0;
const PROMISED_EDGES: u64 = 1_000_000;

/// Builds a graph and asks it; `progress` is told of every batch, with its edges.
///
/// A fifth of the attacks comes from one source, and rules are as unevenly frequent as they are in practice: there are nodes
/// with tens of thousands of edges.
///
/// # Errors
/// The graph's.
pub fn measure_graph(
    graph: &mut dyn Graph,
    load: &GraphLoad,
    mut progress: impl FnMut(u64),
) -> Result<GraphReport, Error> {
    let mut story = Story::new(load.seed);
    // About thirteen edges an attack.
    let step = DAYS * DAY_MS / (load.edges / 13).max(1);
    let started = Instant::now();
    while story.edges < load.edges {
        let before = story.edges;
        let mut batch = Batch::new(TENANT);
        while batch.edges.len() < 4000 && story.edges < load.edges {
            story.attack(&mut batch, step)?;
        }
        graph.upsert(&batch)?;
        progress(story.edges - before);
    }
    graph.flush(PATIENCE)?;
    let load_s = started.elapsed().as_secs_f64();
    let queries = ask(graph, load, &story, step)?;
    let stats = graph.stats(Some(TENANT))?;
    let hub = graph.blast(
        TENANT,
        &source(most(&story.sources))?,
        &Limits { hops: 1, fan_out: 100_000, nodes: 200_000, ..Limits::blast() },
    )?;
    Ok(GraphReport {
        attacks: story.attacks,
        nodes: stats.counts.nodes_total(),
        edges: stats.counts.edges,
        hub_edges: hub.subgraph.edges.len() as u64,
        load_s,
        edges_per_s: stats.counts.edges as f64 / load_s.max(1e-9),
        bytes: stats.bytes,
        memory_bytes: peak_memory(),
        queries,
    })
}

fn ask(graph: &dyn Graph, load: &GraphLoad, story: &Story, step: u64) -> Result<Vec<Case>, Error> {
    let mut random = Random(load.seed ^ 0x5eed);
    let queries = 0..load.queries.max(1);
    let ids = queries.clone().map(|_| attack(random.below(story.attacks.max(1))));
    let ids = ids.collect::<Result<Vec<NodeId>, Error>>()?;
    let largest = most(&story.sources);
    // In a small graph not every source has attacked.
    let others: Vec<u64> = story.sources.keys().copied().filter(|origin| *origin != largest).collect();
    let sources = queries.filter_map(|_| others.get(random.below(others.len() as u64) as usize));
    let sources = sources.map(|origin| source(*origin)).collect::<Result<Vec<NodeId>, Error>>()?;
    let hub = vec![source(largest)?; ids.len()];
    let rule = vec![pattern(most(&story.rules))?; ids.len()];
    let usual = Limits::related();
    let cases = [
        timed("related attacks, 3 hops, 24 hours", &ids, |id| {
            Ok(graph.related(TENANT, id, &usual)?.truncated)
        })?,
        timed("root cause", &ids, |id| Ok(graph.root(TENANT, id, &Limits::root())?.truncated))?,
        timed("attack chain", &ids, |id| Ok(graph.chain(TENANT, id, &Limits::chain())?.truncated))?,
        timed("blast radius of a source", &sources, |id| {
            Ok(graph.blast(TENANT, id, &Limits::blast())?.truncated)
        })?,
        timed("blast radius of the largest source", &hub, |id| {
            Ok(graph.blast(TENANT, id, &Limits::blast())?.truncated)
        })?,
        timed("blast radius of the commonest rule", &rule, |id| {
            Ok(graph.blast(TENANT, id, &Limits::blast())?.truncated)
        })?,
        timed("campaigns of a day", &ids, |id| {
            let number: u64 = id.name().parse().unwrap_or(0);
            let from_ms = BEGIN_MS + number * step;
            let span = Span { from_ms, to_ms: from_ms + DAY_MS };
            Ok(graph.campaigns(TENANT, &CampaignLimits { span, ..CampaignLimits::default() })?.truncated)
        })?,
    ];
    let promised = load.edges >= PROMISED_EDGES;
    Ok(cases.into_iter().map(|case| case.target_if(promised, Of::P99, PROMISED_US)).collect())
}

/// Asks about each; the first tenth is asked twice, to warm up.
fn timed(
    query: &'static str,
    about: &[NodeId],
    ask: impl Fn(&NodeId) -> Result<bool, Error>,
) -> Result<Case, Error> {
    for id in about.iter().take(about.len().div_ceil(10)) {
        ask(id)?;
    }
    let mut micros = Vec::with_capacity(about.len());
    let mut truncated = 0_usize;
    for id in about {
        let started = Instant::now();
        truncated += usize::from(ask(id)?);
        micros.push(started.elapsed().as_secs_f64() * 1e6);
    }
    let share = truncated as f64 / about.len().max(1) as f64;
    let slowest = micros.iter().copied().fold(0.0, f64::max);
    let measured = Measured::new(micros).detail("slowest", slowest).detail("truncated", share);
    Ok(Case::new(query, Unit::Us, measured))
}

/// Linux tells it as `VmHWM:   12345 kB`.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// What has been told so far.
struct Story {
    random: Random,
    /// Those that come again are counted once.
    edges: u64,
    attacks: u64,
    sessions: BTreeSet<NodeId>,
    /// Attacks of each source.
    sources: BTreeMap<u64, u64>,
    /// Findings of each rule.
    rules: BTreeMap<u64, u64>,
}

impl Story {
    fn new(seed: u64) -> Self {
        let (sessions, sources, rules) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        Self { random: Random(seed), edges: 0, attacks: 0, sessions, sources, rules }
    }

    /// One attack from its source to its outcome.
    fn attack(&mut self, batch: &mut Batch, step: u64) -> Result<(), Error> {
        let number = self.attacks;
        let at_ms = BEGIN_MS + number * step;
        self.attacks += 1;
        let random = &mut self.random;
        let origin = if random.below(5) == 0 { HUB } else { 1 + random.below(999) };
        *self.sources.entry(origin).or_default() += 1;
        let (source, attack) = (source(origin)?, attack(number)?);
        let session = NodeId::new(NodeKind::Session, &format!("{origin}-{}", random.below(50)))?;
        let begun = batch.edges.len();
        let mut again = u64::from(!self.sessions.insert(session.clone()));
        let mut link = |from: &NodeId, kind, to: &NodeId| batch.edges.push(Edge::new(from, kind, to, at_ms));
        link(&source, EdgeKind::Triggered, &attack);
        link(&source, EdgeKind::Triggered, &session);
        link(&attack, EdgeKind::CarriedBy, &session);
        let decision = NodeId::new(NodeKind::Decision, &number.to_string())?;
        let action = NodeId::new(NodeKind::Action, &number.to_string())?;
        let outcome = NodeId::new(NodeKind::Outcome, &number.to_string())?;
        let mut nodes = vec![source, session];
        for finding in 0..2 {
            let finding = NodeId::new(NodeKind::Finding, &format!("{number}/{finding}"))?;
            // The smaller of several numbers: a few rules find most.
            let rule = random.below(200).min(random.below(200)).min(random.below(200));
            *self.rules.entry(rule).or_default() += 1;
            let rule = pattern(rule)?;
            again += u64::from(nodes.contains(&rule));
            link(&attack, EdgeKind::Caused, &finding);
            link(&finding, EdgeKind::DerivedFrom, &rule);
            link(&attack, EdgeKind::DerivedFrom, &rule);
            link(&finding, EdgeKind::Decided, &decision);
            nodes.extend([finding, rule]);
        }
        link(&decision, EdgeKind::Acted, &action);
        link(&action, EdgeKind::ResultedIn, &outcome);
        if number > 100 {
            let before = 1 + random.below(100);
            let other = self::attack(number - before)?;
            batch.edges.push(Edge::similar(&attack, &other, 0.75, at_ms));
            batch.nodes.push(Node::new(other, at_ms - before * step));
        }
        self.edges += (batch.edges.len() - begun) as u64 - again;
        nodes.extend([attack, decision, action, outcome]);
        batch.nodes.extend(nodes.into_iter().map(|id| Node::new(id, at_ms)));
        Ok(())
    }
}

/// The name that was counted most often.
fn most(counts: &BTreeMap<u64, u64>) -> u64 {
    counts.iter().max_by_key(|(_, count)| **count).map_or(0, |(name, _)| *name)
}

fn source(number: u64) -> Result<NodeId, Error> {
    Ok(NodeId::new(NodeKind::Source, &number.to_string())?)
}

fn attack(number: u64) -> Result<NodeId, Error> {
    Ok(NodeId::new(NodeKind::Attack, &number.to_string())?)
}

fn pattern(number: u64) -> Result<NodeId, Error> {
    Ok(NodeId::new(NodeKind::Pattern, &format!("rule.{number}"))?)
}

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}
