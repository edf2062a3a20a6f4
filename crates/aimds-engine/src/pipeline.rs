//! The life of a request between receive and respond, on one screen.

use std::collections::HashMap;
use std::sync::Arc;

use aimds_analyze::{
    Assessment, Degraded, Exhausted, MessageRisk, PlantedOrder, Session, Timestamp, assess, mark_wished,
    obeyed_after, splits, taints_after,
};
use aimds_detect::encoder::EncoderError;
use aimds_detect::known::KnownError;
use aimds_detect::leaks::leaks;
use aimds_detect::lexical::ModelError;
use aimds_detect::names::NamesError;
use aimds_detect::rules::{RuleError, RuleMask};
use aimds_detect::{
    Conversation, Deep, Effort, Message, MessageScan, Ordering, Origin, ScanExhausted, Scanner, split_values,
};
use aimds_policy::{Action, Asked, Decision, DeepMode, Policy, PolicyError};

use crate::embedded::{self, DEFAULT_POLICY};
use crate::scan_cache::{Of, ScanCache};

/// How deep a request was analysed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Depth {
    /// Tier 1 only.
    Fast,
    /// Tier 2 read one of the texts at least to its end.
    Deep,
}

impl Depth {
    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Deep => "deep",
        }
    }
}

/// What the engine answers.
#[derive(Debug)]
pub struct Outcome {
    /// What happens, why, and the permit if it may go on.
    pub decision: Decision,
    /// The risk and what was found.
    pub assessment: Assessment,
    /// How deep it looked.
    pub path: Depth,
    /// The provider message that decided: the first at which the conversation so far would have got this decision. `None`
    /// where it is allowed, or where no single message is the reason.
    pub turn: Option<usize>,
}

/// Why an engine cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The policy is refused.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A rule is refused.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// A rule file is not valid TOML.
    #[error("invalid rule file: {0}")]
    RuleFile(String),
    /// The model is refused.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The library of known attacks is refused.
    #[error(transparent)]
    Known(#[from] KnownError),
    /// The encoder is refused.
    #[error(transparent)]
    Encoder(#[from] EncoderError),
    /// The model of names is refused.
    #[error(transparent)]
    Names(#[from] NamesError),
    /// The policy's allow-list names a rule that does not exist.
    #[error("invalid policy: the allow-list names the rule \"{0}\", which does not exist")]
    UnknownRule(String),
}

/// Rules, models and policy, ready for use. Immutable: share one instance between threads.
#[derive(Debug)]
pub struct Engine {
    scanner: Arc<Scanner>,
    policy: Policy,
    /// Rules that a tenant's allow-list switches off; the empty name is everybody else.
    masks: HashMap<String, RuleMask>,
    /// The mask that switches nothing off.
    nothing: RuleMask,
    scan_cache: Option<ScanCache>,
}

impl Engine {
    /// The engine with the rules, models and policy that ship inside the binary.
    ///
    /// # Errors
    /// Never in a released binary: what is embedded is checked by the tests.
    pub fn embedded() -> Result<Self, EngineError> {
        Self::with_policy(Policy::parse(DEFAULT_POLICY)?)
    }

    /// The embedded rules and models with the operator's policy.
    ///
    /// # Errors
    /// As [`Engine::embedded`].
    pub fn with_policy(policy: Policy) -> Result<Self, EngineError> {
        Self::new(embedded::scanner()?, policy)
    }

    /// An engine of the caller's own rules, models and policy.
    ///
    /// # Errors
    /// [`EngineError::UnknownRule`] if the policy's allow-list names a rule that the scanner does not have.
    pub fn new(scanner: Scanner, policy: Policy) -> Result<Self, EngineError> {
        Self::of(Arc::new(scanner), policy)
    }

    /// Another engine with the same rules and models, which both share, and another policy. If this one remembers texts, so
    /// does the other, from none on.
    ///
    /// # Errors
    /// As [`Engine::new`].
    pub fn with_other_policy(&self, policy: Policy) -> Result<Self, EngineError> {
        let other = Self::of(Arc::clone(&self.scanner), policy)?;
        Ok(Self { scan_cache: self.scan_cache.as_ref().map(ScanCache::emptied), ..other })
    }

    fn of(scanner: Arc<Scanner>, policy: Policy) -> Result<Self, EngineError> {
        let masks = policy
            .tenants()
            .chain([""])
            .map(|tenant| {
                let mask =
                    scanner.rules().mask(policy.allowed_rules(tenant)).map_err(EngineError::UnknownRule)?;
                Ok((tenant.to_owned(), mask))
            })
            .collect::<Result<_, EngineError>>()?;
        Ok(Self { scanner, policy, masks, nothing: RuleMask::default(), scan_cache: None })
    }

    /// The same for `threads` requests beside each other: as many may be in the deep path, one unless told otherwise, and for
    /// so many the automata of the rules are kept. Rules and models that are shared with another engine stay as they are.
    #[must_use]
    pub fn with_threads(self, threads: usize) -> Self {
        let scanner = match Arc::try_unwrap(self.scanner) {
            Ok(scanner) => Arc::new(scanner.with_threads(threads)),
            Err(shared) => shared,
        };
        Self { scanner, ..self }
    }

    /// The same, which remembers the scans of texts.
    #[must_use]
    pub fn with_scan_cache(self, cache: ScanCache) -> Self {
        Self { scan_cache: Some(cache), ..self }
    }

    /// What it remembers, if it does.
    #[must_use]
    pub fn scan_cache(&self) -> Option<&ScanCache> {
        self.scan_cache.as_ref()
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// normalise → detect → analyse → decide, with the deep path as the policy says and no deadline.
    ///
    /// Cost is linear in the text. `session` is changed: it remembers the request.
    #[must_use]
    pub fn inspect(&self, conversation: &Conversation, session: &mut Session, now: Timestamp) -> Outcome {
        self.inspect_until(conversation, session, now, &|| false)
    }

    /// The same until time is up: the core has no clock, whoever has one says so. Asked before every few windows of the
    /// deep path; what is not done by then is reported as degraded.
    #[must_use]
    pub fn inspect_until(
        &self,
        conversation: &Conversation,
        session: &mut Session,
        now: Timestamp,
        expired: &dyn Fn() -> bool,
    ) -> Outcome {
        self.look(None, conversation, session, now, expired)
    }

    /// The same for the answer to a request: only its texts are looked at, but temporal policies are told what was asked, so
    /// that a tool call that would violate one is stopped before it leaves.
    #[must_use]
    pub fn inspect_answer(
        &self,
        asked: &Asked<'_>,
        answer: &Conversation,
        session: &mut Session,
        now: Timestamp,
        expired: &dyn Fn() -> bool,
    ) -> Outcome {
        self.look(Some(asked), answer, session, now, expired)
    }

    pub(crate) fn scanner(&self) -> &Scanner {
        &self.scanner
    }

    /// The rules that a tenant's allow-list switches off.
    pub(crate) fn mask(&self, tenant: &str) -> &RuleMask {
        self.masks.get(tenant).or_else(|| self.masks.get("")).unwrap_or(&self.nothing)
    }

    /// Between which risks by the fast path the deep path looks.
    pub(crate) fn deep_band(&self, tenant: &str, origin: Origin) -> Option<(f32, f32)> {
        match self.policy.deep_mode(tenant) {
            DeepMode::Never => None,
            DeepMode::Always => Some((0.0, 1.0)),
            DeepMode::Auto => self.policy.deep_band(tenant, origin).map(|band| (band.from, band.to)),
        }
    }

    fn look(
        &self,
        asked: Option<&Asked<'_>>,
        conversation: &Conversation,
        session: &mut Session,
        now: Timestamp,
        expired: &dyn Fn() -> bool,
    ) -> Outcome {
        let (tenant, mask) = (session.tenant(), self.mask(session.tenant()));
        let whose_mask = if self.masks.contains_key(tenant) { tenant } else { "" };
        let mut windows = self.policy.deep_windows(session.tenant());
        let mut path = Depth::Fast;
        let mut look = |position: usize, message: &Message| {
            let band = self.deep_band(tenant, message.origin);
            let mut effort = Effort { band, windows: &mut windows, expired };
            let mut scan = || self.scanner.scan(position, message, mask, &mut effort);
            let scan = match &self.scan_cache {
                None => scan(),
                Some(cache) => {
                    let (origin, text) = (message.origin, message.text.as_str());
                    cache.scan(&Of { tenant, mask: whose_mask, origin, band, text }, position, scan)
                }
            };
            if scan.deep == Deep::Done {
                path = Depth::Deep;
            }
            scan
        };
        let mut risks = Vec::with_capacity(conversation.messages.len());
        let mut findings = Vec::new();
        let mut orders = Vec::new();
        for (position, message) in conversation.messages.iter().enumerate() {
            let mut scan = look(position, message);
            findings.append(&mut scan.findings);
            orders.extend(scan.orders.drain(..).map(|order| planted(position, order)));
            risks.push(self.risk(position, message, &scan));
        }
        let split = split_values(conversation, &findings);
        findings.extend(split);
        let of = asked.map_or(conversation, |asked| asked.conversation);
        findings.extend(leaks(of, conversation, self.policy.canaries(session.tenant())));
        let mut completed = Vec::new();
        for joined in splits(conversation, &risks) {
            let (position, message) = (joined.last(), joined.message(conversation));
            let scan = look(position, &message);
            let whole = self.risk(position, &message, &scan);
            if joined.attribute(&whole, scan.findings, &mut risks, &mut findings) {
                completed.push(position);
            }
        }
        let together = session.follow(conversation, &risks, &findings, &completed, now);
        let nothing = Conversation::default();
        let (before, before_orders) = match asked {
            Some(Asked { conversation: before, assessment }) if self.policy.follows() => {
                (*before, assessment.orders.as_slice())
            }
            _ => (&nothing, [].as_slice()),
        };
        let mut tainted = taints_after(before, conversation);
        mark_wished(&mut tainted, before, before_orders, conversation, &orders);
        let obedient = obeyed_after(before, before_orders, conversation, &orders);
        let assessment = assess(risks, findings, tainted, session, now)
            .with_orders(orders, obedient)
            .with_session(together);
        let tenant = session.tenant();
        let decision = match asked {
            None => self.policy.decide(conversation, &assessment, tenant),
            Some(asked) => self.policy.decide_answer(asked, conversation, &assessment, tenant),
        };
        let turn = decided(&decision, conversation);
        Outcome { decision, assessment, path, turn }
    }

    fn risk(&self, position: usize, message: &Message, scan: &MessageScan) -> MessageRisk {
        MessageRisk {
            message: position,
            origin: message.origin,
            score: scan.score,
            exhausted: scan.exhausted.map(exhausted),
            degraded: self.degraded(scan.deep),
        }
    }

    fn degraded(&self, deep: Deep) -> Option<Degraded> {
        match deep {
            _ if !self.scanner.has_model() => Some(Degraded::NoModel),
            Deep::NotNeeded | Deep::Done => None,
            Deep::Missing => Some(Degraded::NoEncoder),
            Deep::Late => Some(Degraded::Late),
            Deep::Failed => Some(Degraded::Failed),
        }
    }
}

fn planted(message: usize, order: Ordering) -> PlantedOrder {
    let Ordering { span, actions, confidence } = order;
    PlantedOrder { message, span, actions, confidence }
}

/// The provider message of the earliest reason for what is decided.
fn decided(decision: &Decision, conversation: &Conversation) -> Option<usize> {
    let reasons = decision.reasons().iter().filter(|reason| reason.action == decision.would());
    let first = reasons.filter_map(|reason| reason.message).min()?;
    let message = conversation.messages.get(first).filter(|_| decision.would() != Action::Allow)?;
    Some(message.index)
}

fn exhausted(exhausted: ScanExhausted) -> Exhausted {
    match exhausted {
        ScanExhausted::Findings => Exhausted::Findings,
        ScanExhausted::Names => Exhausted::Names,
        ScanExhausted::Text(aimds_text::Exhausted::Bytes) => Exhausted::Bytes,
        ScanExhausted::Text(aimds_text::Exhausted::Views) => Exhausted::Views,
        ScanExhausted::Text(aimds_text::Exhausted::Depth) => Exhausted::Depth,
    }
}
