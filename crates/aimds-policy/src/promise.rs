//! What playbooks promise, checked before a policy is used.
//!
//! The model is made from the policy itself: each situation of one message that the policy tells apart (tenant, origin,
//! risk between two thresholds, category of a finding, whole or not) is decided on by [`Policy::decide`], and what was
//! decided and ordered are the propositions of its state. What follows a measure that lasts are states of their own. A
//! promise is a formula that must hold on every infinite run of this model (Vardi & Wolper 1986). A situation has one
//! finding at most; since the strongest reason decides, what is refused with one is refused with more.
//!
//! What a state says of itself: `request`, or `watch` between two requests; the origin (`user`, `system`, `tool`,
//! `document`, `model`); `risk_flag`, `risk_block` (thresholds that are reached); `category("pii.email")`; `budget`,
//! `degraded`; `tenant("acme")`; the decision (`block`) and `forwarded` or `refused`; each measure (`strip`); each
//! playbook by `playbook("name")`. After measures: `quarantined`, `revoked`, `throttled` (each with `refused`),
//! `released`, `reinstated`, `timed_out`.

use std::collections::{BTreeMap, BTreeSet};

use aimds_analyze::{Assessment, Degraded, Exhausted, MessageRisk, SessionRisk};
use aimds_detect::validators::{PiiKind, SecretKind};
use aimds_detect::{Category, Conversation, Detector, Finding, Origin};
use aimds_temporal::model::{KripkeBuilder, KripkeStructure, Limits, Outcome, check as model_check};
use aimds_temporal::{Atom, Formula, Term};

use crate::Action;
use crate::error::PolicyError;
use crate::file::PromiseEntry;
use crate::playbook::Measure;
use crate::resolve::Policy;

/// Some 20 MB and a second: the models have some thousand states.
const LIMITS: Limits = Limits { product_states: 400_000, tableau_states: 20_000, steps: 40_000_000 };

/// What follows a measure: its state's name, what holds there, and what may come next.
const AFTER: [(&str, &[&str], &[&str]); 7] = [
    ("quarantined", &["quarantined", "refused"], &["quarantined", "released", "timed out"]),
    ("revoked", &["revoked", "refused"], &["revoked", "reinstated"]),
    ("throttled", &["throttled", "refused"], &["throttled", "timed out"]),
    ("released", &["released"], &["watch"]),
    ("reinstated", &["reinstated"], &["watch"]),
    ("timed out", &["timed_out"], &["watch"]),
    // A key is reinstated, and its session is still in quarantine.
    ("reinstated in quarantine", &["reinstated"], &["quarantined"]),
];

/// One promise and whether it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Its name.
    pub name: String,
    /// The formula, as the file has it.
    pub formula: String,
    /// A run that breaks it, in lines; `None` where it is kept.
    pub broken_by: Option<String>,
    /// Why the policy may be used although it is broken.
    pub waived: Option<String>,
}

impl Checked {
    /// Whether it is kept.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.broken_by.is_none()
    }
}

/// Checks promises on the model of a policy. Costs nothing where there are none.
pub(crate) fn check(policy: &Policy, promises: Vec<PromiseEntry>) -> Result<Vec<Checked>, PolicyError> {
    if promises.is_empty() {
        return Ok(Vec::new());
    }
    let model = model(policy).map_err(|problem| PolicyError::Promise { place: "promise".into(), problem })?;
    let mut checked = Vec::with_capacity(promises.len());
    for (at, promise) in promises.into_iter().enumerate() {
        let place = format!("promise[{at}] ({})", promise.name);
        let broken_by =
            broken_by(&model, &promise.formula).map_err(|problem| PolicyError::Promise { place, problem })?;
        let PromiseEntry { name, formula, waived } = promise;
        checked.push(Checked { name, formula, broken_by, waived });
    }
    Ok(checked)
}

fn broken_by(model: &KripkeStructure, formula: &str) -> Result<Option<String>, String> {
    let formula = Formula::parse(formula).map_err(|problem| problem.to_string())?;
    match model_check(model, &formula, &LIMITS).map_err(|problem| problem.to_string())? {
        Outcome::Holds(_) => Ok(None),
        Outcome::Violated(lasso) => Ok(Some(lasso.to_text(model))),
        Outcome::ResourceLimit(exhausted) => Err(format!("too large to check: {exhausted}")),
    }
}

/// What a state says of itself.
type Props = BTreeSet<String>;

fn model(policy: &Policy) -> Result<KripkeStructure, String> {
    let mut situations: BTreeMap<Props, Vec<&'static str>> = BTreeMap::new();
    let categories = categories();
    for tenant in tenants(policy) {
        for origin in Origin::ALL {
            for score in risks(policy, &tenant, origin) {
                for category in categories.iter().copied().map(Some).chain([None]) {
                    for doubt in [Doubt::None, Doubt::Budget, Doubt::Degraded] {
                        let situation = Situation { tenant: &tenant, origin, score, category, doubt };
                        let (props, next) = situation.decided(policy);
                        situations.insert(props, next);
                    }
                }
            }
        }
    }
    let named = situations.into_iter().enumerate().map(|(number, (props, next))| {
        // Like it reads in a counterexample: what leads to what.
        (format!("request {number}"), props, next)
    });
    let named: Vec<_> = named.collect();
    let mut builder = KripkeStructure::builder().initial("watch");
    builder = builder.state_from("watch", ["watch"], named.iter().map(|(name, ..)| name.clone()));
    for (name, props, next) in AFTER {
        builder = builder.state_from(name, props.iter().copied(), next.iter().copied());
    }
    let vocabulary = vocabulary(policy, &categories);
    let add = |builder: KripkeBuilder, (name, props, next): (String, Props, Vec<&'static str>)| {
        builder.state_from(name, props, next)
    };
    let builder = named.into_iter().fold(builder, add).vocabulary(vocabulary);
    builder.build().map_err(|problem| problem.to_string())
}

/// Why a text was not looked at completely.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Doubt {
    None,
    Budget,
    Degraded,
}

/// One message, as far as a policy tells it apart.
struct Situation<'a> {
    tenant: &'a str,
    origin: Origin,
    score: f32,
    category: Option<Category>,
    doubt: Doubt,
}

impl Situation<'_> {
    /// What the policy does, in words of the model, and what may follow.
    fn decided(&self, policy: &Policy) -> (Props, Vec<&'static str>) {
        let conversation = Conversation::single(self.origin, "…");
        let assessment = self.assessment();
        let decision = policy.decide(&conversation, &assessment, self.tenant);
        let action = decision.action();
        let mut props: Props = ["request", self.origin.as_str(), action.as_str()].map(str::to_owned).into();
        props.insert(if action.forwards() { "forwarded" } else { "refused" }.to_owned());
        props.insert(atom("tenant", self.tenant));
        match policy.reached(self.tenant, self.origin, self.score) {
            Some(Action::Block) => props.extend(["risk_flag", "risk_block"].map(str::to_owned)),
            Some(_) => _ = props.insert("risk_flag".to_owned()),
            None => {}
        }
        props.extend(self.category.map(|category| atom("category", category.as_str())));
        match self.doubt {
            Doubt::None => {}
            Doubt::Budget => _ = props.insert("budget".to_owned()),
            Doubt::Degraded => _ = props.insert("degraded".to_owned()),
        }
        for order in decision.orders() {
            props.insert(atom("playbook", &order.playbook));
            let done = match order.measure {
                // The decision says which of these it came to.
                Measure::Flag | Measure::Sandwich | Measure::Escalate | Measure::Block => false,
                Measure::Quote | Measure::Strip => action.forwards(),
                _ => true,
            };
            props.extend(done.then(|| order.measure.as_str().to_owned()));
        }
        let ordered = |measure| decision.orders().iter().any(|order| order.measure == measure);
        let quarantined = ordered(Measure::Quarantine);
        let next = match (ordered(Measure::RevokeKey), quarantined, ordered(Measure::Throttle)) {
            (true, true, _) => vec!["reinstated in quarantine", "revoked"],
            (true, false, _) => vec!["revoked"],
            (false, true, _) => vec!["quarantined"],
            (false, false, true) => vec!["throttled"],
            (false, false, false) => vec!["watch"],
        };
        (props, next)
    }

    fn assessment(&self) -> Assessment {
        let risk = MessageRisk {
            message: 0,
            origin: self.origin,
            score: self.score,
            exhausted: (self.doubt == Doubt::Budget).then_some(Exhausted::Bytes),
            degraded: (self.doubt == Doubt::Degraded).then_some(Degraded::Late),
        };
        let finding = |category| Finding {
            category,
            detector: Detector::Rule,
            rule: None,
            confidence: 1.0,
            message: 0,
            span: 0..1,
            explanation: "".into(),
        };
        Assessment {
            score: self.score,
            messages: vec![risk],
            findings: self.category.map(finding).into_iter().collect(),
            taints: Vec::new(),
            orders: Vec::new(),
            obeyed: Vec::new(),
            session: SessionRisk::default(),
        }
    }
}

fn atom(name: &str, argument: &str) -> String {
    Atom { name: name.to_owned(), args: vec![Term::Constant(argument.to_owned())] }.to_string()
}

/// The default tenant, and every other that the file names.
fn tenants(policy: &Policy) -> BTreeSet<String> {
    let in_playbooks = policy.playbooks().names().flat_map(|(_, tenants)| tenants.iter().cloned());
    policy.tenants().map(str::to_owned).chain(in_playbooks).chain([String::new()]).collect()
}

/// One risk of each range that the policy tells apart: every threshold belongs to the range above it.
fn risks(policy: &Policy, tenant: &str, origin: Origin) -> Vec<f32> {
    let band = policy.risk_band(tenant, origin);
    let deep = policy.deep_band(tenant, origin).map(|band| (band.from + band.to) / 2.0);
    let mut risks: Vec<f32> = [Some(0.0), Some(1.0), band.flag, band.block, deep]
        .into_iter()
        .flatten()
        .chain(policy.playbooks().cuts())
        .collect();
    // Where there is no band, a text counts as unsure from the middle.
    risks.push(0.5);
    risks.sort_by(f32::total_cmp);
    risks.dedup();
    risks
}

/// Everything that can be found.
fn categories() -> Vec<Category> {
    let pii = PiiKind::ALL.iter().copied().map(Category::Pii);
    let secrets = SecretKind::ALL.iter().copied().map(Category::Secret);
    Category::MANIPULATION.into_iter().chain([Category::CanaryLeak]).chain(pii).chain(secrets).collect()
}

/// Everything that a promise may speak of, so that a typing error is no event that never happens.
fn vocabulary(policy: &Policy, categories: &[Category]) -> BTreeSet<String> {
    let plain = ["watch", "request", "risk_flag", "risk_block", "budget", "degraded", "forwarded"];
    let after = AFTER.iter().flat_map(|(_, props, _)| props.iter().copied());
    plain
        .into_iter()
        .chain(after)
        .chain(Origin::ALL.map(Origin::as_str))
        .chain(Action::ALL.map(Action::as_str))
        .chain(Measure::ALL.map(Measure::as_str))
        .map(str::to_owned)
        .chain(categories.iter().map(|category| atom("category", category.as_str())))
        .chain(tenants(policy).iter().map(|tenant| atom("tenant", tenant)))
        .chain(policy.playbooks().names().map(|(name, _)| atom("playbook", name)))
        .collect()
}

#[cfg(test)]
mod tests;
