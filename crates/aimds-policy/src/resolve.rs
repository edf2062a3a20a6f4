//! The policy file resolved: every number and name checked, and for each tenant what holds for it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aimds_detect::leaks::Canary;
use aimds_detect::{Category, Origin};

use crate::decision::Action;
use crate::error::PolicyError;
use crate::file::{
    AllowEntry, DeepBand, DeepFile, DeepMode, FindingActions, Mode, OnBudget, PolicyFile, RiskBand,
    RiskBands, TenantFile,
};
use crate::playbook::Playbooks;
use crate::promise::{self, Checked};
use crate::temporal::TemporalPolicies;

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
    pub(crate) temporal: TemporalPolicies,
    playbooks: Playbooks,
    waived: Vec<Checked>,
}

/// What holds for one tenant: the file's own sections with the tenant's over them.
#[derive(Clone, Debug)]
pub(crate) struct TenantPolicy {
    pub(crate) mode: Mode,
    pub(crate) risk: [RiskBand; Origin::ALL.len()],
    pub(crate) findings: [BTreeMap<String, Action>; Origin::ALL.len()],
    pub(crate) min_confidence: f32,
    pub(crate) on_budget: OnBudget,
    pub(crate) deep: DeepMode,
    pub(crate) deep_windows: usize,
    pub(crate) on_degraded: Action,
    pub(crate) bands: [Option<DeepBand>; Origin::ALL.len()],
    pub(crate) allowed_texts: BTreeSet<String>,
    pub(crate) allowed_rules: BTreeSet<String>,
    pub(crate) allowed_categories: BTreeSet<String>,
    canaries: Vec<Canary>,
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
            canaries: Vec::new(),
        };
        let top = TenantFile {
            mode: Some(file.mode),
            risk: file.risk,
            findings: file.findings,
            min_confidence: file.min_confidence,
            on_budget: file.on_budget,
            deep: file.deep,
            allow: file.allow,
            canaries: file.canaries,
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

    /// The values that must stand in no text of the model or a user for a tenant.
    #[must_use]
    pub fn canaries(&self, tenant: &str) -> &[Canary] {
        &self.of(tenant).canaries
    }

    pub(crate) fn of(&self, tenant: &str) -> &TenantPolicy {
        self.tenants.get(tenant).unwrap_or(&self.default)
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
                let replaceable = ["pii.", "secret.", "canary_leak"];
                if action == Action::Redact && !replaceable.iter().any(|start| name.starts_with(start)) {
                    return Err(PolicyError::NotRedactable { place, name });
                }
                slot.insert(name, action);
            }
        }
        for (name, value) in file.canaries {
            let canary = Canary::new(&name, &value);
            self.canaries
                .push(canary.ok_or_else(|| PolicyError::Canary { place: format!("{place}canaries"), name })?);
        }
        if self.canaries.len() > Canary::MOST_OF_A_TENANT {
            let number = self.canaries.len();
            return Err(PolicyError::Canaries { place: format!("{place}canaries"), number });
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

    pub(crate) fn deep_band(&self, origin: Origin) -> Option<DeepBand> {
        slot(&self.bands, origin).copied().flatten()
    }

    /// The strongest threshold of its origin that a score reaches.
    pub(crate) fn reached(&self, origin: Origin, score: f32) -> Option<(Action, f32)> {
        let band = self.band(origin);
        let reached = |threshold: Option<f32>| threshold.filter(|&threshold| score >= threshold);
        reached(band.block)
            .map(|threshold| (Action::Block, threshold))
            .or_else(|| reached(band.flag).map(|threshold| (Action::Flag, threshold)))
    }

    pub(crate) fn band(&self, origin: Origin) -> RiskBand {
        slot(&self.risk, origin).copied().unwrap_or(RiskBand { flag: None, block: None })
    }

    /// Whether the allow-list names the category or its family.
    pub(crate) fn is_allowed(&self, category: Category) -> bool {
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

    pub(crate) fn action_for(&self, category: Category, origin: Origin, groups: bool) -> Action {
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

#[cfg(test)]
mod tests;
