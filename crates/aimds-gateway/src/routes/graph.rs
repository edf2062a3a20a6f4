//! Questions to the causal memory, for people: the answers of `aimds graph`.
//!
//! A caller of the default tenant (the empty name) may ask about every tenant; one of another tenant about its own.

use aimds_graph::{CampaignLimits, Error, Graph, Limits, NodeId, NodeKind, Span, Subgraph, mermaid, svg};
use axum::body::Body;
use axum::extract::Query;
use axum::http::{HeaderValue, Response, Uri, header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::admin::{answer, tenant_of};
use crate::app::Call;
use crate::error::Failure;
use crate::memory::Unanswered;

const HOUR_MS: u64 = 3_600_000;
/// What a question may cost at most, whatever it asks for.
const MOST_HOPS: u8 = 32;
const MOST_FAN_OUT: usize = 1000;
const MOST_NODES: usize = 20_000;

/// What a question may say.
const QUERY: &str = "tenant, id, hops, window_hours, fan_out, nodes, from_ms, to_ms, gap_hours, alike, min_size, attacks and \
                     format (json, mermaid or svg), each once";

/// A question.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Asked {
    tenant: Option<String>,
    id: Option<String>,
    hops: Option<u8>,
    window_hours: Option<u32>,
    fan_out: Option<usize>,
    nodes: Option<usize>,
    from_ms: Option<u64>,
    to_ms: Option<u64>,
    gap_hours: Option<u32>,
    alike: Option<f64>,
    min_size: Option<usize>,
    attacks: Option<usize>,
    format: Picture,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Picture {
    #[default]
    Json,
    Mermaid,
    Svg,
}

/// An answer, ready to be sent.
enum Told {
    Json(Value),
    Text(&'static str, String),
}

pub(crate) async fn ask(call: Call, uri: Uri) -> Result<Response<Body>, Failure> {
    let memory = call.app.memory.as_ref().ok_or(Failure::NotThere("graph: graph.path is not configured"))?;
    let question = uri.path().rsplit('/').next().unwrap_or_default().to_owned();
    let Query(asked) = Query::<Asked>::try_from_uri(&uri)
        .map_err(|_| Failure::Invalid(format!("the query takes {QUERY}")))?;
    let tenant = tenant_of(&call, asked.tenant.clone())?;
    let ask: fn(&dyn Graph, &str, &Asked) -> Result<Told, Error> = match question.as_str() {
        "related" => related,
        "chain" => chain,
        "root" => root,
        "blast" => blast,
        "campaigns" => campaigns,
        _ => return Err(Failure::NotFound),
    };
    if question != "campaigns" {
        asked.node(NodeKind::Attack).map_err(|error| Failure::Invalid(error.to_string()))?;
    }
    if asked.alike.is_some_and(|alike| !(alike > 0.0 && alike <= 1.0)) {
        return Err(Failure::Invalid("alike must be above 0 and at most 1".into()));
    }
    match memory.ask(move |graph| ask(graph, &tenant, &asked)).await.map_err(failure)? {
        Told::Json(told) => answer(&told),
        Told::Text(media, text) => {
            let mut response = Response::new(Body::from(text));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
            Ok(response)
        }
    }
}

fn failure(unanswered: Unanswered) -> Failure {
    match unanswered {
        Unanswered::Busy => Failure::Overloaded,
        Unanswered::Graph(Error::NotFound { .. }) => Failure::NotThere("node in the graph"),
        Unanswered::Graph(Error::Invalid(error)) => Failure::Invalid(error.to_string()),
        Unanswered::Graph(error) => {
            tracing::error!(%error, "the graph does not answer");
            Failure::StoreAway("graph")
        }
        Unanswered::Away => Failure::StoreAway("graph"),
    }
}

impl Asked {
    /// `KIND:NAME`, or a name of the kind that is usually asked about.
    fn node(&self, usual: NodeKind) -> Result<NodeId, Error> {
        let id = self.id.as_deref().unwrap_or_default();
        Ok(id.parse().or_else(|_| NodeId::new(usual, id))?)
    }

    fn over(&self, usual: Limits) -> Limits {
        Limits {
            hops: self.hops.unwrap_or(usual.hops).min(MOST_HOPS),
            window_ms: self.window_hours.map(|hours| u64::from(hours) * HOUR_MS).or(usual.window_ms),
            fan_out: self.fan_out.unwrap_or(usual.fan_out).min(MOST_FAN_OUT),
            nodes: self.nodes.unwrap_or(usual.nodes).min(MOST_NODES),
        }
    }
}

fn related(graph: &dyn Graph, tenant: &str, asked: &Asked) -> Result<Told, Error> {
    let found = graph.related(tenant, &asked.node(NodeKind::Attack)?, &asked.over(Limits::related()))?;
    Ok(told(asked.format, &found, found.sentence(), &found.subgraph))
}

fn chain(graph: &dyn Graph, tenant: &str, asked: &Asked) -> Result<Told, Error> {
    let found = graph.chain(tenant, &asked.node(NodeKind::Attack)?, &asked.over(Limits::chain()))?;
    Ok(told(asked.format, &found, found.sentence(), &found.subgraph))
}

fn root(graph: &dyn Graph, tenant: &str, asked: &Asked) -> Result<Told, Error> {
    let found = graph.root(tenant, &asked.node(NodeKind::Attack)?, &asked.over(Limits::root()))?;
    Ok(told(asked.format, &found, found.sentence(), &found.subgraph))
}

fn blast(graph: &dyn Graph, tenant: &str, asked: &Asked) -> Result<Told, Error> {
    let found = graph.blast(tenant, &asked.node(NodeKind::Source)?, &asked.over(Limits::blast()))?;
    Ok(told(asked.format, &found, found.sentence(), &found.subgraph))
}

fn campaigns(graph: &dyn Graph, tenant: &str, asked: &Asked) -> Result<Told, Error> {
    let usual = CampaignLimits::default();
    let limits = CampaignLimits {
        span: Span {
            from_ms: asked.from_ms.unwrap_or(Span::ALL.from_ms),
            to_ms: asked.to_ms.unwrap_or(Span::ALL.to_ms),
        },
        gap_ms: asked.gap_hours.map_or(usual.gap_ms, |hours| u64::from(hours) * HOUR_MS),
        min_weight: asked.alike.unwrap_or(usual.min_weight),
        min_size: asked.min_size.unwrap_or(usual.min_size),
        attacks: asked.attacks.unwrap_or(usual.attacks).min(MOST_NODES),
        fan_out: asked.fan_out.unwrap_or(usual.fan_out).min(MOST_FAN_OUT),
    };
    let found = graph.campaigns(tenant, &limits)?;
    let each = found.campaigns.iter().map(|campaign| with_sentence(campaign, campaign.sentence()));
    let each: Vec<Value> = each.collect();
    Ok(Told::Json(json!({ "campaigns": each, "attacks": found.attacks, "truncated": found.truncated })))
}

fn told(format: Picture, found: &impl Serialize, sentence: String, subgraph: &Subgraph) -> Told {
    match format {
        Picture::Json => Told::Json(with_sentence(found, sentence)),
        Picture::Mermaid => Told::Text("text/plain; charset=utf-8", mermaid(subgraph)),
        Picture::Svg => Told::Text("image/svg+xml", svg(subgraph)),
    }
}

fn with_sentence(found: &impl Serialize, sentence: String) -> Value {
    let mut object = Map::new();
    object.insert("sentence".into(), sentence.into());
    if let Ok(Value::Object(found)) = serde_json::to_value(found) {
        object.extend(found);
    }
    object.into()
}
