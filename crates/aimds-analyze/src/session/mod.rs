//! What is remembered between the requests of one session: a fixed number of bytes, whatever the traffic.

mod fingerprint;
mod history;
mod refusal;
mod risk;
mod split;
mod trajectory;
mod words;

use std::hash::{DefaultHasher, Hash, Hasher};

use aimds_detect::{Conversation, Finding, Message, Origin, ToolUseKind};

pub use fingerprint::Fingerprint;
pub use refusal::looks_like_refusal;
pub use risk::{Cause, RiskFeatures, session_risk};
pub use split::{Joined, splits};
pub use trajectory::{Categories, Event, Features, SUSPICIOUS, Trajectory};

use crate::MessageRisk;
use history::History;

/// Milliseconds since the Unix epoch. Passed in by the caller: the core has no clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

/// Looks at a session that are remembered one by one.
const LOOKS: usize = 16;

/// What one look at a session, at a request or at an answer, came to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Look {
    /// The highest score of a single message.
    pub score: f32,
    /// The risk of the session's messages together, afterwards.
    pub risk: f32,
}

/// The state of one session.
///
/// ```
/// use aimds_analyze::Session;
/// let session = Session::new("acme");
/// assert_eq!(session.tenant(), "acme");
/// assert_eq!(session.turns(), 0);
/// ```
#[derive(Clone, Debug)]
pub struct Session {
    tenant: Box<str>,
    turns: u64,
    peak: f32,
    last_seen: Timestamp,
    /// The last ones; the one of turn n lies at n modulo their number.
    looks: [Look; LOOKS],
    trajectory: Trajectory,
    history: History,
}

/// What a session adds to the assessment of one request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SessionRisk {
    /// Calibrated risk in \[0, 1\] that the messages together manipulate the model though none of them does so alone: the
    /// highest after any of the request's new messages.
    pub score: f32,
    /// After each message that the session had not seen before and that has a score: its position, and the session's risk then.
    pub steps: Vec<(usize, f32)>,
    /// What the session has shown so far.
    pub features: Features,
    /// What weighs most in the score; `None` where it is 0.
    pub cause: Option<Cause>,
}

impl Session {
    /// A new session of a tenant. The empty name is the default tenant.
    #[must_use]
    pub fn new(tenant: impl Into<Box<str>>) -> Self {
        Self {
            tenant: tenant.into(),
            turns: 0,
            peak: 0.0,
            last_seen: Timestamp(0),
            looks: [Look::default(); LOOKS],
            trajectory: Trajectory::default(),
            history: History::default(),
        }
    }

    /// Whose session it is.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// How many requests it has seen.
    #[must_use]
    pub fn turns(&self) -> u64 {
        self.turns
    }

    /// The highest risk of any request so far.
    #[must_use]
    pub fn peak(&self) -> f32 {
        self.peak
    }

    /// When it was last used.
    #[must_use]
    pub fn last_seen(&self) -> Timestamp {
        self.last_seen
    }

    /// What it has shown so far.
    #[must_use]
    pub fn features(&self) -> Features {
        self.trajectory.features()
    }

    /// The risk of its messages together, as it stands now.
    #[must_use]
    pub fn risk(&self) -> f32 {
        session_risk(&self.features())
    }

    /// The last looks at it, at most 16, the oldest first.
    pub fn looks(&self) -> impl Iterator<Item = Look> {
        let kept = self.turns.min(LOOKS as u64);
        (self.turns - kept..self.turns).filter_map(|turn| self.looks.get(place(turn)).copied())
    }

    /// Takes the texts of a request that it has not seen yet: chat interfaces send the whole conversation again with each turn.
    ///
    /// `risks` and `findings` are those of the request's messages; `joined` are the messages that completed a payload which was
    /// split over several. Linear in the texts.
    pub fn follow(
        &mut self,
        conversation: &Conversation,
        risks: &[MessageRisk],
        findings: &[Finding],
        joined: &[usize],
        now: Timestamp,
    ) -> SessionRisk {
        let first = self.history.first_new(conversation);
        let events = events(conversation, first, risks, findings, now);
        let mut result = SessionRisk::default();
        for (at, event) in events.into_iter().enumerate().skip(first) {
            self.trajectory.push(&event);
            if joined.contains(&at) {
                self.trajectory.joined();
            }
            if matches!(event.origin, Origin::System | Origin::Model) {
                continue;
            }
            let features = self.features();
            let risk = session_risk(&features);
            if risk > result.score {
                (result.score, result.cause) = (risk, Cause::of(&features));
            }
            result.steps.push((at, risk));
        }
        result.features = self.features();
        result
    }

    pub(crate) fn observe(&mut self, score: f32, now: Timestamp) {
        let risk = self.risk();
        if let Some(look) = self.looks.get_mut(place(self.turns)) {
            *look = Look { score, risk };
        }
        self.turns = self.turns.saturating_add(1);
        self.peak = self.peak.max(score);
        self.last_seen = self.last_seen.max(now);
    }
}

fn place(turn: u64) -> usize {
    (turn % LOOKS as u64) as usize
}

/// What the trajectory sees of each message from the first new one on.
fn events(
    conversation: &Conversation,
    first: usize,
    risks: &[MessageRisk],
    findings: &[Finding],
    now: Timestamp,
) -> Vec<Event> {
    let messages = conversation.messages.iter().enumerate();
    let mut events: Vec<Event> = messages.map(|(at, message)| event(message, at >= first, now)).collect();
    for risk in risks {
        if let Some(event) = events.get_mut(risk.message) {
            event.score = risk.score;
        }
    }
    for finding in findings {
        if let Some(event) = events.get_mut(finding.message) {
            event.note(finding);
        }
    }
    for tool in conversation.tools.iter().filter(|tool| matches!(tool.kind, ToolUseKind::Call { .. })) {
        if let Some(event) = events.get_mut(tool.last()) {
            let mut hasher = DefaultHasher::new();
            tool.name.hash(&mut hasher);
            event.tool = Some(hasher.finish());
        }
    }
    events
}

fn event(message: &Message, new: bool, now: Timestamp) -> Event {
    let mut event = Event::new(message.origin, 0.0, now);
    match message.origin {
        _ if !new => {}
        Origin::User => event.fingerprint = Fingerprint::of(&message.text),
        Origin::Model => event.refused = looks_like_refusal(&message.text),
        Origin::System | Origin::Tool | Origin::Document => {}
    }
    event
}
