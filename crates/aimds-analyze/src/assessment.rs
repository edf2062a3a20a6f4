//! One calibrated risk for a request, and why.

use aimds_detect::{Category, Finding, Origin};

use crate::{Obeyed, PlantedOrder, Session, SessionRisk, Taint, Timestamp};

/// A budget that ran out before everything was looked at. A text with one of these is never called clean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exhausted {
    /// More decoded bytes than allowed.
    Bytes,
    /// More decoded layers than allowed.
    Views,
    /// Deeper nesting than allowed.
    Depth,
    /// More findings than are reported.
    Findings,
    /// More names and addresses than are reported; it counts only where the policy acts on these.
    Names,
}

impl Exhausted {
    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Views => "views",
            Self::Depth => "depth",
            Self::Findings => "findings",
            Self::Names => "names",
        }
    }
}

/// Why a verdict rests on less than the full analysis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Degraded {
    /// No lexical model was loaded.
    NoModel,
    /// Tier 2 was wanted and no encoder is loaded.
    NoEncoder,
    /// Tier 2 did not look at everything in time.
    Late,
    /// Tier 2 failed.
    Failed,
}

impl Degraded {
    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoModel => "no_model",
            Self::NoEncoder => "no_encoder",
            Self::Late => "late",
            Self::Failed => "encoder_failed",
        }
    }
}

/// What detection says about one message.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageRisk {
    /// Position in `Conversation::messages`.
    pub message: usize,
    /// Where the text came from.
    pub origin: Origin,
    /// Calibrated probability in \[0, 1\] that the message manipulates the model.
    pub score: f32,
    /// The budget that ran out while looking at it.
    pub exhausted: Option<Exhausted>,
    /// Why the score rests on less than was wanted.
    pub degraded: Option<Degraded>,
}

/// The result of analysis: everything that policy needs to decide.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment {
    /// Calibrated probability in \[0, 1\] that the request manipulates the model: the highest of the risks of its messages and
    /// that of the session.
    pub score: f32,
    /// Each message by itself, in order.
    pub messages: Vec<MessageRisk>,
    /// Everything found, by message and position.
    pub findings: Vec<Finding>,
    /// Arguments of tool calls that untrusted content put there.
    pub taints: Vec<Taint>,
    /// Sentences that order something in texts that should be data.
    pub orders: Vec<PlantedOrder>,
    /// Tool calls that do what such a sentence ordered.
    pub obeyed: Vec<Obeyed>,
    /// The messages together.
    pub session: SessionRisk,
}

impl Assessment {
    /// The same with what the session says about the messages together.
    #[must_use]
    pub fn with_session(self, session: SessionRisk) -> Self {
        Self { score: self.score.max(session.score), session, ..self }
    }

    /// The same with the orders in the texts and the calls that obey them.
    #[must_use]
    pub fn with_orders(self, orders: Vec<PlantedOrder>, obeyed: Vec<Obeyed>) -> Self {
        Self { orders, obeyed, ..self }
    }

    /// The position of the first message that decided: the first at which its own risk or that of the session so far reaches
    /// a threshold.
    #[must_use]
    pub fn first_reaching(&self, threshold: f32) -> Option<usize> {
        let alone = self.messages.iter().map(|risk| (risk.message, risk.score));
        let together = self.session.steps.iter().copied();
        alone.chain(together).filter(|&(_, score)| score >= threshold).map(|(message, _)| message).min()
    }

    /// Why the verdict rests on less than the full analysis: the first reason of any message.
    #[must_use]
    pub fn degraded(&self) -> Option<Degraded> {
        self.messages.iter().find_map(|message| message.degraded)
    }

    /// The categories of the findings, each once, in order of identifier.
    #[must_use]
    pub fn categories(&self) -> Vec<Category> {
        let mut categories: Vec<_> = self.findings.iter().map(|finding| finding.category).collect();
        categories.sort_unstable_by_key(|category| category.as_str());
        categories.dedup();
        categories
    }

    /// The first budget that ran out.
    #[must_use]
    pub fn exhausted(&self) -> Option<Exhausted> {
        self.messages.iter().find_map(|message| message.exhausted)
    }
}

/// Joins what detection says about each message into one assessment and counts the request in the session.
///
/// What the messages say together, [`Session::follow`] says; [`Assessment::with_session`] adds it.
#[must_use]
pub fn assess(
    messages: Vec<MessageRisk>,
    mut findings: Vec<Finding>,
    taints: Vec<Taint>,
    session: &mut Session,
    now: Timestamp,
) -> Assessment {
    let score = messages.iter().map(|message| message.score).fold(0.0, f32::max);
    findings.sort_by(|a, b| {
        (a.message, a.span.start, a.span.end)
            .cmp(&(b.message, b.span.start, b.span.end))
            .then_with(|| b.confidence.total_cmp(&a.confidence))
    });
    session.observe(score, now);
    Assessment {
        score,
        messages,
        findings,
        taints,
        orders: Vec::new(),
        obeyed: Vec::new(),
        session: SessionRisk::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_is_the_highest_message_and_the_session_remembers_it() {
        let mut session = Session::new("");
        let risk = |message, score| MessageRisk {
            message,
            origin: Origin::User,
            score,
            exhausted: None,
            degraded: None,
        };
        let high = assess(vec![risk(0, 0.2), risk(1, 0.9)], vec![], vec![], &mut session, Timestamp(5));
        let low = assess(vec![risk(0, 0.1)], vec![], vec![], &mut session, Timestamp(7));
        assert_eq!((high.score, low.score), (0.9, 0.1));
        assert_eq!((session.turns(), session.peak(), session.last_seen()), (2, 0.9, Timestamp(7)));
    }
}
