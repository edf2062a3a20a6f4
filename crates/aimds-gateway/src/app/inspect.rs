//! What the engine says about the texts of a request or its answer, and where it is asked so that it holds up nobody else.

use std::time::{Duration, Instant};

use aimds_engine::{Action, Asked, Conversation, Degraded, Outcome, Session, Timestamp, Verdict};
use tokio::runtime::{Handle, RuntimeFlavor};

use super::{Call, now_ms};
use crate::audit;
use crate::error::Failure;
use crate::learning::Considered;
use crate::metrics::Direction;

/// Texts together larger than this are scanned where they do not hold up other requests.
const INLINE_BYTES: usize = 16 << 10;

/// Texts of one conversation. More is refused: each costs memory beyond its bytes.
pub(crate) const MAX_TEXTS: usize = 4096;

/// What the engine says about one conversation.
pub(crate) struct Inspection {
    pub(crate) outcome: Outcome,
    pub(crate) verdict: Verdict,
    /// When it was known.
    pub(crate) decided: Instant,
    /// What the policy would have done that is asked beside the one in force.
    pub(super) shadow: Option<Action>,
    /// What it made of the session.
    pub(super) session: Session,
    /// What the learner made of it.
    pub(super) considered: Option<Considered>,
    /// Keyed hash of the texts, for the trace.
    pub(super) hash: Option<String>,
    pub(super) took: Duration,
}

impl Call {
    /// Asks the engine and records what it says. An error means that the answer must not be used.
    pub(crate) fn inspect(
        &self,
        direction: Direction,
        conversation: &Conversation,
    ) -> Result<Inspection, Failure> {
        let mut inspection = self.look(conversation)?;
        if direction == Direction::Request {
            self.consider(conversation, &mut inspection);
        }
        self.settle(direction, &inspection)?;
        Ok(inspection)
    }

    /// Asks the learner, which can only make the decision stricter.
    fn consider(&self, conversation: &Conversation, inspection: &mut Inspection) {
        let Some(learning) = &self.app.learning else { return };
        let Inspection { outcome, verdict, considered, took, .. } = inspection;
        let before = outcome.decision.would();
        *considered = Some(learning.consider(&outcome.assessment, &mut outcome.decision));
        if outcome.decision.would() != before {
            *verdict = Verdict::new(outcome, conversation, Some(audit::micros(*took)));
        }
    }

    /// Asks the engine about an answer and records what it says.
    pub(crate) fn inspect_answer(
        &self,
        asked: &Asked<'_>,
        answer: &Conversation,
    ) -> Result<Inspection, Failure> {
        let inspection = self.look_after(Some(asked), answer)?;
        self.settle(Direction::Response, &inspection)?;
        Ok(inspection)
    }

    /// Asks the engine. What it says about a part of an answer is not yet a decision.
    pub(crate) fn look(&self, conversation: &Conversation) -> Result<Inspection, Failure> {
        self.look_after(None, conversation)
    }

    /// The same about a part of the answer to what was `asked`.
    pub(crate) fn look_at_answer(
        &self,
        asked: &Asked<'_>,
        part: &Conversation,
    ) -> Result<Inspection, Failure> {
        self.look_after(Some(asked), part)
    }

    fn look_after(
        &self,
        asked: Option<&Asked<'_>>,
        conversation: &Conversation,
    ) -> Result<Inspection, Failure> {
        if conversation.messages.len() > MAX_TEXTS {
            return Err(Failure::Invalid(format!("the request holds more than {MAX_TEXTS} texts")));
        }
        let app = &self.app;
        let started = Instant::now();
        let now = Timestamp(now_ms());
        let opened = app.sessions.open(self.session(), self.tenant(), now);
        // Each pass begins with the session as it was opened: none may see the request twice.
        let inspect = |expired: &dyn Fn() -> bool| {
            let mut session = opened.clone();
            let outcome = match asked {
                None => app.engine.inspect_until(conversation, &mut session, now, expired),
                Some(asked) => app.engine.inspect_answer(asked, conversation, &mut session, now, expired),
            };
            (outcome, session)
        };
        // Time is up at once: whether the deep path is wanted shows without holding up this thread for it.
        let fast = || inspect(&|| true);
        let bytes: usize = conversation.messages.iter().map(|message| message.text.len()).sum();
        let (mut outcome, mut session) = if bytes > INLINE_BYTES { beside(fast) } else { fast() };
        if outcome.assessment.degraded() == Some(Degraded::Late)
            && let Ok(_place) = app.deep.try_acquire()
        {
            (outcome, session) = beside(|| inspect(&|| started.elapsed() > app.limits.deep_deadline));
        }
        let took = started.elapsed();
        let shadow = app.shadow.as_ref().map(|policy| match asked {
            None => policy.decide(conversation, &outcome.assessment, self.tenant()).action(),
            Some(asked) => {
                policy.decide_answer(asked, conversation, &outcome.assessment, self.tenant()).action()
            }
        });
        let verdict = Verdict::new(&outcome, conversation, Some(audit::micros(took)));
        let decided = Instant::now();
        let hash = self.trace.hash(conversation);
        Ok(Inspection { outcome, verdict, decided, shadow, session, considered: None, hash, took })
    }
}

/// Does long work where it does not hold up other requests, if the runtime can replace a thread that is busy.
pub(crate) fn beside<T>(work: impl FnOnce() -> T) -> T {
    let may_block =
        Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
    if may_block { tokio::task::block_in_place(work) } else { work() }
}
