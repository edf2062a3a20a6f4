//! The resolved policy and the decision.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aimds_analyze::{Assessment, Cause, Degraded, Exhausted, MessageRisk};
use aimds_detect::validators::PiiKind;
use aimds_detect::{Category, Conversation, Finding, Origin};

use crate::decision::{Action, Decision, Reason, ReasonCode, Redaction};
use crate::file::{
    AllowEntry, DeepBand, DeepFile, DeepMode, FindingActions, Mode, OnBudget, PolicyFile, RiskBand,
    RiskBands, TenantFile,
};
use crate::playbook::{Plan, Playbooks, Situation};
use crate::promise::{self, Checked};
use crate::temporal::{Asked, Look, TemporalPolicies};

/// Why a policy file is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Not TOML, or not of the policy's shape. The message holds line and column.
    #[error("invalid policy: {0}")]
    Syntax(#[from] toml::de::Error),
    /// A version that this program does not know.
    #[error("invalid policy: version {0} is not supported (this program knows version 1)")]
    Version(u32),
    /// A number outside its range.
    #[error("invalid policy: {place}: {value} is not between 0 and 1")]
    Range {
        /// Where in the file.
        place: String,
        /// The value.
        value: f32,
    },
    /// `flag` above `block`.
    #[error("invalid policy: {place}: flag ({flag}) is above block ({block})")]
    Order {
        /// Where in the file.
        place: String,
        /// The flag threshold.
        flag: f32,
        /// The block threshold.
        block: f32,
    },
    /// `from` above `to`.
    #[error("invalid policy: {place}: from ({from}) is above to ({to})")]
    Band {
        /// Where in the file.
        place: String,
        /// Lower end.
        from: f32,
        /// Upper end.
        to: f32,
    },
    /// `redact` where only a whole text can be acted on.
    #[error(
        "invalid policy: {place}: a text that was not looked at completely cannot be redacted; use allow, flag, escalate or block"
    )]
    OnDegraded {
        /// Where in the file.
        place: String,
    },
    /// An allow entry with none or several of `text`, `rule` and `category`.
    #[error("invalid policy: {place}: give exactly one of text, rule and category")]
    Allow {
        /// Where in the file.
        place: String,
    },
    /// A category name that no category has.
    #[error("invalid policy: {place}: unknown category \"{name}\"")]
    Category {
        /// Where in the file.
        place: String,
        /// The name.
        name: String,
    },
    /// A temporal policy that is no formula, or speaks of events that never happen.
    #[error("invalid policy: {place}: {problem}")]
    Temporal {
        /// Where in the file.
        place: String,
        /// What is wrong.
        problem: String,
    },
    /// `redact` for a category whose findings mark no replaceable value.
    #[error("invalid policy: {place}: \"{name}\" cannot be redacted; use flag, escalate or block")]
    NotRedactable {
        /// Where in the file.
        place: String,
        /// The name.
        name: String,
    },
    /// An action that needs a playbook, which says how and for how long.
    #[error("invalid policy: {place}: \"{}\" is for the actions of a [[playbook]]", .action.as_str())]
    PlaybookOnly {
        /// Where in the file.
        place: String,
        /// The action.
        action: Action,
    },
    /// A playbook that says nothing, or what cannot be done.
    #[error("invalid policy: {place}: {problem}")]
    Playbook {
        /// Where in the file.
        place: String,
        /// What is wrong.
        problem: String,
    },
    /// A promise that cannot be checked.
    #[error("invalid policy: {place}: {problem}")]
    Promise {
        /// Where in the file.
        place: String,
        /// What is wrong.
        problem: String,
    },
    /// A promise that the policy does not keep.
    #[error("the policy breaks the promise \"{name}\"; say why in `waived` to use it all the same\n{run}")]
    Broken {
        /// The promise.
        name: String,
        /// A run that breaks it.
        run: String,
    },
}

impl PolicyFile {
    /// Reads a policy file as it is written; nothing is checked but its shape.
    ///
    /// # Errors
    /// [`PolicyError::Syntax`].
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        Ok(toml::from_str(text)?)
    }
}

/// A policy that is ready for use: every tenant resolved, every number checked.
#[derive(Clone, Debug)]
pub struct Policy {
    default: TenantPolicy,
    tenants: HashMap<String, TenantPolicy>,
    temporal: TemporalPolicies,
    playbooks: Playbooks,
    waived: Vec<Checked>,
}

#[derive(Clone, Debug)]
struct TenantPolicy {
    mode: Mode,
    risk: [RiskBand; Origin::ALL.len()],
    findings: [BTreeMap<String, Action>; Origin::ALL.len()],
    min_confidence: f32,
    on_budget: OnBudget,
    deep: DeepMode,
    deep_windows: usize,
    on_degraded: Action,
    bands: [Option<DeepBand>; Origin::ALL.len()],
    allowed_texts: BTreeSet<String>,
    allowed_rules: BTreeSet<String>,
    allowed_categories: BTreeSet<String>,
}

const DEFAULT_MIN_CONFIDENCE: f32 = 0.5;
const DEFAULT_DEEP_WINDOWS: usize = 64;

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// Anything that [`PolicyError`] names. A file is taken whole or not at all.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        Self::from_file(PolicyFile::parse(text)?)
    }

    /// Resolves a parsed policy file.
    ///
    /// # Errors
    /// As [`Policy::parse`], without `Syntax`.
    pub fn from_file(file: PolicyFile) -> Result<Self, PolicyError> {
        let (mut policy, promises) = Self::examine(file)?;
        for promise in promises.into_iter().filter(|promise| !promise.holds()) {
            if promise.waived.is_none() {
                let run = promise.broken_by.unwrap_or_default();
                return Err(PolicyError::Broken { name: promise.name, run });
            }
            policy.waived.push(promise);
        }
        Ok(policy)
    }

    /// The promises that the policy breaks and that its author has waived, for the record.
    #[must_use]
    pub fn waived(&self) -> &[Checked] {
        &self.waived
    }

    /// Resolves a file and checks every promise in it, kept or not, without refusing the policy for one that is broken.
    ///
    /// The time is that of the model checker, for a model of at most some thousand states.
    ///
    /// # Errors
    /// As [`Policy::from_file`], without `Broken`.
    pub fn examine(mut file: PolicyFile) -> Result<(Self, Vec<Checked>), PolicyError> {
        let promises = std::mem::take(&mut file.promise);
        let policy = Self::resolved(file)?;
        let checked = promise::check(&policy, promises)?;
        Ok((policy, checked))
    }

    fn resolved(file: PolicyFile) -> Result<Self, PolicyError> {
        if file.version != 1 {
            return Err(PolicyError::Version(file.version));
        }
        let base = TenantPolicy {
            mode: file.mode,
            risk: [RiskBand { flag: None, block: None }; Origin::ALL.len()],
            findings: Default::default(),
            min_confidence: DEFAULT_MIN_CONFIDENCE,
            on_budget: OnBudget::Escalate,
            deep: DeepMode::Auto,
            deep_windows: DEFAULT_DEEP_WINDOWS,
            on_degraded: Action::Block,
            bands: [None; Origin::ALL.len()],
            allowed_texts: BTreeSet::new(),
            allowed_rules: BTreeSet::new(),
            allowed_categories: BTreeSet::new(),
        };
        let top = TenantFile {
            mode: Some(file.mode),
            risk: file.risk,
            findings: file.findings,
            min_confidence: file.min_confidence,
            on_budget: file.on_budget,
            deep: file.deep,
            allow: file.allow,
        };
        let default = base.overlay("", top)?;
        let tenants = file
            .tenant
            .into_iter()
            .map(|(name, tenant)| {
                let resolved = default.clone().overlay(&format!("tenant.{name}."), tenant)?;
                Ok((name, resolved))
            })
            .collect::<Result<_, PolicyError>>()?;
        let temporal = TemporalPolicies::resolve(file.tools, file.temporal)?;
        let playbooks = Playbooks::resolve(file.playbook)?;
        Ok(Self { default, tenants, temporal, playbooks, waived: Vec::new() })
    }

    pub(crate) fn playbooks(&self) -> &Playbooks {
        &self.playbooks
    }

    /// Whether text of an origin and a risk reaches a threshold of a tenant, and which.
    pub(crate) fn reached(&self, tenant: &str, origin: Origin, score: f32) -> Option<Action> {
        self.of(tenant).reached(origin, score).map(|(action, _)| action)
    }

    /// The tenants that the file names.
    pub fn tenants(&self) -> impl Iterator<Item = &str> {
        self.tenants.keys().map(String::as_str)
    }

    /// The rules that are not applied for a tenant.
    pub fn allowed_rules(&self, tenant: &str) -> impl Iterator<Item = &str> {
        self.of(tenant).allowed_rules.iter().map(String::as_str)
    }

    /// The thresholds of a tenant for an origin.
    #[must_use]
    pub fn risk_band(&self, tenant: &str, origin: Origin) -> RiskBand {
        self.of(tenant).band(origin)
    }

    /// The same policy with the deep path used when the caller says, for every tenant.
    #[must_use]
    pub fn with_deep_mode(mut self, mode: DeepMode) -> Self {
        for policy in self.tenants.values_mut().chain([&mut self.default]) {
            policy.deep = mode;
        }
        self
    }

    /// When the deep path looks for a tenant.
    #[must_use]
    pub fn deep_mode(&self, tenant: &str) -> DeepMode {
        self.of(tenant).deep
    }

    /// How many windows of the deep path one request of a tenant may use.
    #[must_use]
    pub fn deep_windows(&self, tenant: &str) -> usize {
        self.of(tenant).deep_windows
    }

    /// The risks of the fast path that are not sure, for text of an origin; `None` where the deep path never looks.
    #[must_use]
    pub fn deep_band(&self, tenant: &str, origin: Origin) -> Option<DeepBand> {
        self.of(tenant).deep_band(origin)
    }

    fn of(&self, tenant: &str) -> &TenantPolicy {
        self.tenants.get(tenant).unwrap_or(&self.default)
    }

    /// Decides what happens with a request. Linear in messages plus findings.
    #[must_use]
    pub fn decide(&self, conversation: &Conversation, assessment: &Assessment, tenant: &str) -> Decision {
        self.decide_after(None, conversation, assessment, tenant)
    }

    /// Whether there are temporal policies: whoever asks for decisions on an answer in parts then has to say what came before
    /// each.
    #[must_use]
    pub fn follows(&self) -> bool {
        !self.temporal.is_empty()
    }

    /// Decides what happens with the answer to a request: temporal policies look at both. The taints of `assessment` are those
    /// of the answer after the request ([`aimds_analyze::taints_after`]).
    #[must_use]
    pub fn decide_answer(
        &self,
        asked: &Asked<'_>,
        answer: &Conversation,
        assessment: &Assessment,
        tenant: &str,
    ) -> Decision {
        self.decide_after(Some(asked), answer, assessment, tenant)
    }

    fn decide_after(
        &self,
        asked: Option<&Asked<'_>>,
        conversation: &Conversation,
        assessment: &Assessment,
        tenant: &str,
    ) -> Decision {
        let policy = self.of(tenant);
        let mut reasons = Vec::new();
        let mut redactions = Vec::new();
        let allowed = |message: usize| {
            !policy.allowed_texts.is_empty()
                && conversation
                    .messages
                    .get(message)
                    .is_some_and(|message| policy.allowed_texts.contains(message.text.trim()))
        };
        for risk in &assessment.messages {
            if allowed(risk.message) {
                reasons.push(Reason {
                    code: ReasonCode::AllowList,
                    action: Action::Allow,
                    category: None,
                    message: Some(risk.message),
                    text: "the text is on the allow-list".into(),
                    violation: None,
                });
                continue;
            }
            if let Some(exhausted) = risk.exhausted.filter(|exhausted| policy.counts(*exhausted, risk.origin))
            {
                let action = match policy.on_budget {
                    OnBudget::Escalate => Action::Escalate,
                    OnBudget::Block => Action::Block,
                };
                reasons.push(Reason {
                    code: ReasonCode::Budget,
                    action,
                    category: None,
                    message: Some(risk.message),
                    text: format!("the scan budget for {} ran out", exhausted.as_str()),
                    violation: None,
                });
            }
            if let Some(degraded) = risk.degraded {
                reasons.push(policy.degraded(risk, degraded));
            }
            if let Some((action, threshold)) = policy.reached(risk.origin, risk.score) {
                reasons.push(Reason {
                    code: ReasonCode::Risk,
                    action,
                    category: strongest_manipulation(&assessment.findings, risk.message),
                    message: Some(risk.message),
                    text: format!(
                        "manipulation risk {:.3} of {} text reaches the {} threshold {threshold:.3}",
                        risk.score,
                        risk.origin.as_str(),
                        action.as_str()
                    ),
                    violation: None,
                });
            }
        }
        reasons.extend(policy.session(assessment));
        for finding in &assessment.findings {
            let Some(message) = conversation.messages.get(finding.message) else { continue };
            if finding.confidence < policy.min_confidence || allowed(finding.message) {
                continue;
            }
            let action = policy.action_for(finding.category, message.origin, finding.in_groups());
            if action == Action::Allow {
                continue;
            }
            if action == Action::Redact {
                redactions.push(Redaction {
                    message: finding.message,
                    span: finding.span.clone(),
                    category: finding.category,
                });
            }
            reasons.push(Reason {
                code: ReasonCode::Finding,
                action,
                category: Some(finding.category),
                message: Some(finding.message),
                text: format!("{} in {} text", finding.category, message.origin.as_str()),
                violation: None,
            });
        }
        let look = Look {
            conversation,
            assessment,
            reached: &|risk| policy.reached(risk.origin, risk.score).map(|(action, _)| action),
            min_confidence: policy.min_confidence,
        };
        reasons.extend(match asked {
            None => self.temporal.violations(&look),
            Some(asked) => self.temporal.violations_of_answer(asked, &look),
        });
        let strongest =
            |reasons: &[Reason]| reasons.iter().map(|reason| reason.action).max().unwrap_or(Action::Allow);
        let mut redactions = without_overlaps(redactions);
        let mut plan = Plan::default();
        if !self.playbooks.is_empty() {
            let (added, planned) = self.playbooks.apply(&Situation {
                assessment,
                tenant,
                answer: asked.is_some(),
                decided: strongest(&reasons),
                allowed: &allowed,
                counts: &|finding| {
                    finding.confidence >= policy.min_confidence && !policy.is_allowed(finding.category)
                },
            });
            reasons.extend(added);
            plan = planned;
            plan.settle(&mut redactions);
        }
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.action));
        Decision::new(strongest(&reasons), policy.mode == Mode::Monitor, reasons, redactions, plan)
    }
}

impl TenantPolicy {
    fn overlay(mut self, place: &str, file: TenantFile) -> Result<Self, PolicyError> {
        self.mode = file.mode.unwrap_or(self.mode);
        self.on_budget = file.on_budget.unwrap_or(self.on_budget);
        if let Some(value) = file.min_confidence {
            self.min_confidence = in_unit_range(&format!("{place}min_confidence"), value)?;
        }
        for ((slot, origin), band) in self.risk.iter_mut().zip(Origin::ALL).zip(bands_in_order(file.risk)) {
            if let Some(band) = band {
                let place = format!("{place}risk.{}", origin.as_str());
                for value in [band.flag, band.block].into_iter().flatten() {
                    in_unit_range(&place, value)?;
                }
                if let (Some(flag), Some(block)) = (band.flag, band.block)
                    && flag > block
                {
                    return Err(PolicyError::Order { place, flag, block });
                }
                *slot = band;
            }
        }
        self.overlay_deep(place, file.deep)?;
        let FindingActions { any, user, system, tool, document, model } = file.findings;
        for (slot, own) in self.findings.iter_mut().zip([user, system, tool, document, model]) {
            for (name, action) in any.clone().into_iter().chain(own) {
                let place = format!("{place}findings");
                check_category(&place, &name)?;
                not_for_playbooks(&place, action)?;
                if action == Action::Redact && !name.starts_with("pii.") && !name.starts_with("secret.") {
                    return Err(PolicyError::NotRedactable { place, name });
                }
                slot.insert(name, action);
            }
        }
        for (index, AllowEntry { text, rule, category, reason: _ }) in file.allow.into_iter().enumerate() {
            match (text, rule, category) {
                (Some(text), None, None) => _ = self.allowed_texts.insert(text.trim().to_owned()),
                (None, Some(rule), None) => _ = self.allowed_rules.insert(rule),
                (None, None, Some(category)) => {
                    check_category(&format!("{place}allow[{index}]"), &category)?;
                    self.allowed_categories.insert(category);
                }
                _ => return Err(PolicyError::Allow { place: format!("{place}allow[{index}]") }),
            }
        }
        Ok(self)
    }

    fn overlay_deep(&mut self, place: &str, file: DeepFile) -> Result<(), PolicyError> {
        let DeepFile { mode, windows, on_degraded, user, tool, document, model } = file;
        self.deep = mode.unwrap_or(self.deep);
        self.deep_windows = windows.unwrap_or(self.deep_windows);
        self.on_degraded = on_degraded.unwrap_or(self.on_degraded);
        if self.on_degraded == Action::Redact {
            return Err(PolicyError::OnDegraded { place: format!("{place}deep.on_degraded") });
        }
        not_for_playbooks(&format!("{place}deep.on_degraded"), self.on_degraded)?;
        let bands = [user, None, tool, document, model];
        for ((slot, origin), band) in self.bands.iter_mut().zip(Origin::ALL).zip(bands) {
            let Some(band) = band else { continue };
            let place = format!("{place}deep.{}", origin.as_str());
            let (from, to) = (in_unit_range(&place, band.from)?, in_unit_range(&place, band.to)?);
            if from > to {
                return Err(PolicyError::Band { place, from, to });
            }
            *slot = Some(band);
        }
        Ok(())
    }

    fn deep_band(&self, origin: Origin) -> Option<DeepBand> {
        slot(&self.bands, origin).copied().flatten()
    }

    /// What a text deserves that was not analysed as far as it should have been.
    fn degraded(&self, risk: &MessageRisk, degraded: Degraded) -> Reason {
        let (text, unsure) = match degraded {
            Degraded::NoModel => ("no lexical model is loaded", false),
            Degraded::NoEncoder => ("the deep path was wanted and no encoder is loaded", true),
            Degraded::Late => ("the deep path did not look at everything in time", true),
            Degraded::Failed => ("the deep path failed", true),
        };
        let middle = self.deep_band(risk.origin).map_or(0.5, |band| (band.from + band.to) / 2.0);
        let action = if unsure && risk.score >= middle { self.on_degraded } else { Action::Flag };
        Reason {
            code: ReasonCode::Degraded,
            action,
            category: None,
            message: Some(risk.message),
            text: text.into(),
            violation: None,
        }
    }

    /// What the messages together deserve: a session is the user's, and so is the threshold. Its risk is calibrated where it
    /// blocks; below, single messages say more.
    fn session(&self, assessment: &Assessment) -> Option<Reason> {
        let session = &assessment.session;
        let threshold = self.band(Origin::User).block.filter(|&block| session.score >= block)?;
        let cause = session.cause.map_or("suspicious", Cause::as_str);
        let step = session.steps.iter().find(|(_, score)| *score >= threshold);
        Some(Reason {
            code: ReasonCode::Session,
            action: Action::Block,
            category: None,
            message: step.map(|(message, _)| *message),
            text: format!(
                "risk {:.3} of the session ({cause}) reaches the block threshold {threshold:.3}",
                session.score
            ),
            violation: None,
        })
    }

    /// The strongest threshold of its origin that a score reaches.
    fn reached(&self, origin: Origin, score: f32) -> Option<(Action, f32)> {
        let band = self.band(origin);
        let reached = |threshold: Option<f32>| threshold.filter(|&threshold| score >= threshold);
        reached(band.block)
            .map(|threshold| (Action::Block, threshold))
            .or_else(|| reached(band.flag).map(|threshold| (Action::Flag, threshold)))
    }

    fn band(&self, origin: Origin) -> RiskBand {
        slot(&self.risk, origin).copied().unwrap_or(RiskBand { flag: None, block: None })
    }

    /// Whether the allow-list names the category or its family.
    fn is_allowed(&self, category: Category) -> bool {
        if self.allowed_categories.is_empty() {
            return false;
        }
        let name = category.as_str();
        let family = name.split_once('.').map(|(family, _)| format!("{family}.*"));
        [Some(name), family.as_deref(), Some("*")]
            .into_iter()
            .flatten()
            .any(|name| self.allowed_categories.contains(name))
    }

    /// Whether a budget that ran out has kept something from being decided on.
    fn counts(&self, exhausted: Exhausted, origin: Origin) -> bool {
        let acts = |kind| self.action_for(Category::Pii(kind), origin, false) != Action::Allow;
        exhausted != Exhausted::Names || acts(PiiKind::Person) || acts(PiiKind::Address)
    }

    fn action_for(&self, category: Category, origin: Origin, groups: bool) -> Action {
        if self.is_allowed(category) {
            return Action::Allow;
        }
        let name = category.as_str();
        let family = name.split_once('.').map(|(family, _)| format!("{family}.*"));
        let names = [Some(name), family.as_deref(), Some("*")];
        let table = slot(&self.findings, origin);
        names
            .iter()
            .take(if groups { names.len() } else { 1 })
            .flatten()
            .find_map(|name| table.and_then(|table| table.get(*name)).copied())
            .unwrap_or(Action::Allow)
    }
}

fn slot<T>(table: &[T], origin: Origin) -> Option<&T> {
    Origin::ALL.iter().position(|&known| known == origin).and_then(|index| table.get(index))
}

fn bands_in_order(bands: RiskBands) -> [Option<RiskBand>; Origin::ALL.len()] {
    [bands.user, bands.system, bands.tool, bands.document, bands.model]
}

/// An action that says too little by itself.
pub(crate) fn not_for_playbooks(place: &str, action: Action) -> Result<(), PolicyError> {
    match action {
        Action::Sandwich | Action::Throttle => {
            Err(PolicyError::PlaybookOnly { place: place.to_owned(), action })
        }
        _ => Ok(()),
    }
}

pub(crate) fn in_unit_range(place: &str, value: f32) -> Result<f32, PolicyError> {
    if (0.0..=1.0).contains(&value) {
        Ok(value)
    } else {
        Err(PolicyError::Range { place: place.to_owned(), value })
    }
}

pub(crate) fn check_category(place: &str, name: &str) -> Result<(), PolicyError> {
    let known = matches!(name, "*" | "pii.*" | "secret.*" | "canary_leak" | "policy_violation")
        || name.starts_with("pii.")
        || name.starts_with("secret.")
        || Category::parse_manipulation(name).is_some();
    if known { Ok(()) } else { Err(PolicyError::Category { place: place.to_owned(), name: name.to_owned() }) }
}

fn strongest_manipulation(findings: &[Finding], message: usize) -> Option<Category> {
    findings
        .iter()
        .filter(|finding| finding.message == message && !finding.category.is_data())
        .max_by(|a, b| a.confidence.total_cmp(&b.confidence))
        .map(|finding| finding.category)
}

/// Joins redactions that overlap; the longer one names the category, but a secret is never called anything else: what is
/// personal data may be given back to whoever sent it.
fn without_overlaps(mut redactions: Vec<Redaction>) -> Vec<Redaction> {
    redactions.sort_by_key(|redaction| (redaction.message, redaction.span.start));
    let mut joined: Vec<Redaction> = Vec::with_capacity(redactions.len());
    for redaction in redactions {
        match joined.last_mut() {
            Some(last) if last.message == redaction.message && redaction.span.start < last.span.end => {
                let rank = |redaction: &Redaction| {
                    (matches!(redaction.category, Category::Secret(_)), redaction.span.len())
                };
                if rank(&redaction) > rank(last) {
                    last.category = redaction.category;
                }
                last.span.end = last.span.end.max(redaction.span.end);
            }
            _ => joined.push(redaction),
        }
    }
    joined
}

#[cfg(test)]
mod tests;
