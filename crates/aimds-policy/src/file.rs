//! The policy file as the operator writes it. Resolved into a [`Policy`](crate::Policy) before use.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::Action;
use crate::playbook::{Measure, SpotlightMode};

/// The whole file.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyFile {
    /// Version of the format: 1.
    pub version: u32,
    /// Enforce or only watch.
    #[serde(default)]
    pub mode: Mode,
    /// Risk thresholds by origin.
    #[serde(default)]
    pub risk: RiskBands,
    /// Actions for findings by category.
    #[serde(default)]
    pub findings: FindingActions,
    /// Findings below this confidence have no action of their own.
    #[serde(default)]
    pub min_confidence: Option<f32>,
    /// What happens when a scan budget runs out.
    #[serde(default)]
    pub on_budget: Option<OnBudget>,
    /// When the deep path looks, and how much it may cost.
    #[serde(default)]
    pub deep: DeepFile,
    /// Names for groups of tools: `sends = ["send_*", "http_post"]`. A `*` at either end stands for anything.
    #[serde(default)]
    pub tools: BTreeMap<String, Vec<String>>,
    /// What must hold over the whole conversation, for every tenant.
    #[serde(default)]
    pub temporal: Vec<TemporalEntry>,
    /// What is done beside the decision, and with which texts.
    #[serde(default)]
    pub playbook: Vec<PlaybookEntry>,
    /// What the playbooks promise: checked before the policy is used.
    #[serde(default)]
    pub promise: Vec<PromiseEntry>,
    /// What must not alarm.
    #[serde(default)]
    pub allow: Vec<AllowEntry>,
    /// Values that must stand in no text of the model or a user, by the name under which they are reported: 8 characters to
    /// 128 bytes, 100 of them at most.
    #[serde(default)]
    pub canaries: BTreeMap<String, String>,
    /// Differences by tenant.
    #[serde(default)]
    pub tenant: BTreeMap<String, TenantFile>,
}

/// What one tenant does differently. What is not given is taken from the file's top level.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TenantFile {
    /// Enforce or only watch.
    pub mode: Option<Mode>,
    /// Risk thresholds by origin.
    #[serde(default)]
    pub risk: RiskBands,
    /// Actions for findings by category.
    #[serde(default)]
    pub findings: FindingActions,
    /// Findings below this confidence have no action of their own.
    pub min_confidence: Option<f32>,
    /// What happens when a scan budget runs out.
    pub on_budget: Option<OnBudget>,
    /// When the deep path looks, and how much it may cost.
    #[serde(default)]
    pub deep: DeepFile,
    /// What must not alarm, in addition to the top level.
    #[serde(default)]
    pub allow: Vec<AllowEntry>,
    /// Values that must stand in no text of the model or a user, in addition to the top level.
    #[serde(default)]
    pub canaries: BTreeMap<String, String>,
}

/// Whether decisions are carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Decisions are carried out.
    #[default]
    Enforce,
    /// Decisions are recorded; everything goes on unchanged.
    Monitor,
}

/// What happens when a scan budget runs out: never "clean".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnBudget {
    /// A person must look at it.
    Escalate,
    /// Do not forward.
    Block,
}

/// The deep path (tier 2).
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeepFile {
    /// When it looks; `auto` unless told otherwise.
    pub mode: Option<DeepMode>,
    /// How many windows of about a hundred words one request may use.
    pub windows: Option<usize>,
    /// What happens with a text in the upper half of its band when the deep path is late or missing.
    pub on_degraded: Option<Action>,
    /// The band for text typed by the user.
    pub user: Option<DeepBand>,
    /// The band for text returned by a tool.
    pub tool: Option<DeepBand>,
    /// The band for a document, e-mail or page.
    pub document: Option<DeepBand>,
    /// The band for text written by the model.
    pub model: Option<DeepBand>,
}

/// When the deep path looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeepMode {
    /// When the risk of the fast path lies in the band of the text's origin.
    #[default]
    Auto,
    /// At every text.
    Always,
    /// Never.
    Never,
}

/// Risks of the fast path that are not sure, each in \[0, 1\].
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeepBand {
    /// From here.
    pub from: f32,
    /// To here.
    pub to: f32,
}

/// Thresholds by origin of the text.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RiskBands {
    /// Typed by the user.
    pub user: Option<RiskBand>,
    /// Written by the operator.
    pub system: Option<RiskBand>,
    /// Returned by a tool.
    pub tool: Option<RiskBand>,
    /// A document, e-mail or page.
    pub document: Option<RiskBand>,
    /// Written by the model.
    pub model: Option<RiskBand>,
}

/// Thresholds on the calibrated risk, each in \[0, 1\].
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RiskBand {
    /// At or above: mark. Absent: never.
    pub flag: Option<f32>,
    /// At or above: do not forward. Absent: never.
    pub block: Option<f32>,
}

/// Action by category. `any` holds for every origin; a table named after an origin goes before it. The most specific
/// category name wins: `pii.credit_card` before `pii.*` before `*`. Names and addresses that only the tagger found are meant by
/// `pii.person` and `pii.address` alone, not by `pii.*` and `*`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FindingActions {
    /// For every origin.
    #[serde(default)]
    pub any: BTreeMap<String, Action>,
    /// For text typed by the user.
    #[serde(default)]
    pub user: BTreeMap<String, Action>,
    /// For text written by the operator.
    #[serde(default)]
    pub system: BTreeMap<String, Action>,
    /// For tool results.
    #[serde(default)]
    pub tool: BTreeMap<String, Action>,
    /// For documents.
    #[serde(default)]
    pub document: BTreeMap<String, Action>,
    /// For text written by the model.
    #[serde(default)]
    pub model: BTreeMap<String, Action>,
}

/// One thing that must not alarm. Exactly one of `text`, `rule` and `category` is given.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AllowEntry {
    /// A message that equals this text (apart from white space at its ends) carries no risk.
    pub text: Option<String>,
    /// A rule that is not applied.
    pub rule: Option<String>,
    /// A category whose findings have no action (`pii.email`, `pii.*`). Risk thresholds are not affected.
    pub category: Option<String>,
    /// Why, for whoever reads the file next.
    pub reason: String,
}

/// One temporal policy.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TemporalEntry {
    /// Its name in reasons.
    pub name: String,
    /// What must hold: a formula, a pattern or a sentence over events, as `aimds policy explain` reads it.
    pub formula: String,
    /// What is done with a conversation that violates it; `block` unless told otherwise.
    pub action: Option<Action>,
}

/// One playbook. It applies where everything holds that it names, and only adds to what the rest of the policy decides.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlaybookEntry {
    /// Its name in reasons, records and metrics.
    pub name: String,
    /// What is done.
    pub actions: Vec<Measure>,
    /// Where the rest of the policy has decided one of these.
    #[serde(default)]
    pub decision: Vec<Action>,
    /// Where a message has a finding of one of these categories (`pii.email`, `pii.*`, `*`).
    #[serde(default)]
    pub category: Vec<String>,
    /// Where the message is of one of these origins.
    #[serde(default)]
    pub origin: Vec<String>,
    /// Where the risk of the message lies in this range.
    pub risk: Option<RiskRange>,
    /// For these tenants; for all where left out. The empty name is the default tenant.
    pub tenant: Option<Vec<String>>,
    /// How `sandwich` marks untrusted content; `delimit` unless told otherwise.
    pub spotlight: Option<SpotlightMode>,
    /// How long `throttle`, `delay` and `quarantine` hold, in seconds.
    pub seconds: Option<u32>,
    /// How long `delay` holds each request up, in milliseconds.
    pub delay_ms: Option<u32>,
}

/// A range of risks: from `from`, below `to`. A `to` of 1 belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RiskRange {
    /// From here.
    pub from: f32,
    /// To here; 1 unless told otherwise.
    pub to: Option<f32>,
}

/// What the playbooks promise.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PromiseEntry {
    /// Its name in errors.
    pub name: String,
    /// What must hold on every run of the model that is made from the policy, as `aimds policy explain` reads it.
    pub formula: String,
    /// Why the policy may be used although the promise is broken. Whoever loads it is told.
    pub waived: Option<String>,
}
