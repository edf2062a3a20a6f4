//! Carries out what changes the texts of a request before it goes to a model: redactions, instructions taken out or
//! quoted, untrusted content marked, and the reminder that belongs to the marks.

use std::ops::Range;
use std::time::Instant;

use aimds_engine::{
    Cleared, Conversation, Decision, Measure, Message, Neutral, Order, Origin, Permit, Removal, neutralise,
    redact, spotlight,
};

use super::{About, Done};
use crate::app::Call;
use crate::error::Failure;
use crate::json::Document;
use crate::providers::Provider;
use crate::review::{Granted, permit};

/// How often instructions are taken out of what is left. A rule reports its first hit only, so that an order that is
/// repeated takes a look for each time.
const ROUNDS: usize = 4;
/// Members in which conversations stand, of all providers.
const CONVERSATIONS: [&str; 3] = ["messages", "input", "contents"];
/// Members that hold words, not names.
const WORDS: [&str; 9] =
    ["content", "text", "output", "result", "results", "data", "context", "summary", "thought"];
/// Members that hold whatever a tool has returned.
const ANYTHING: [&str; 2] = ["functionResponse", "function_response"];

/// A request that is ready to be sent.
pub(crate) struct Prepared {
    pub(crate) cleared: Cleared,
    /// What the model is told: the bytes of the body that it takes the place of, and itself.
    pub(crate) reminder: Option<(Range<usize>, String)>,
}

/// Texts that are changed as a policy wants it.
pub(crate) struct Changed {
    pub(crate) conversation: Conversation,
    /// Positions of the texts that were changed, in order.
    pub(crate) positions: Vec<usize>,
    /// What a model must be told about marks in them.
    pub(crate) reminder: Option<String>,
}

/// Whether instructions go, and not only become quotations.
pub(crate) fn takes_out(removals: &[Removal]) -> bool {
    removals.iter().any(|removal| removal.how == Neutral::Remove)
}

/// What is to be done to the texts of a request.
pub(crate) struct Ordered<'a> {
    orders: &'a [Order],
    redacted: usize,
    removed: usize,
    decided: Instant,
    granted: Option<&'a Granted>,
}

impl<'a> Ordered<'a> {
    /// By a permit that is going to be spent.
    pub(crate) fn by(
        permit: &Permit,
        orders: &'a [Order],
        decided: Instant,
        granted: Option<&'a Granted>,
    ) -> Self {
        let (redacted, removed) = (permit.redactions().len(), permit.removals().len());
        Self { orders, redacted, removed, decided, granted }
    }
}

impl Call {
    /// Does to a request what is ordered beside its redactions. `None`: a measure that was to make the request harmless has not, so that it must not
    /// go on.
    pub(crate) fn prepare(
        &self,
        provider: &dyn Provider,
        document: &Document,
        ordered: &Ordered<'_>,
        mut cleared: Cleared,
    ) -> Result<Option<Prepared>, Failure> {
        let Ordered { orders, redacted, mut removed, decided, granted } = *ordered;
        let about = |measure: Measure| self.about(playbook(orders, measure), decided);
        if redacted > 0 {
            self.done(&self.about("", decided), &Done::ok("redact", "request", redacted));
        }
        if removed > 0 {
            let measure = if is_ordered(orders, Measure::Strip) { Measure::Strip } else { Measure::Quote };
            // What is left must be harmless by itself. A quotation still holds the words, so that this cannot be asked of it.
            if measure == Measure::Strip {
                let Some((rest, more)) = self.strip_the_rest(cleared, granted)? else {
                    let failed = Done::failed(measure.as_str(), "request", "remainder");
                    self.done(&about(measure), &failed);
                    return Ok(None);
                };
                cleared = rest;
                removed += more;
            }
            self.done(&about(measure), &Done::ok(measure.as_str(), "request", removed));
        }
        if !cleared.wants_marks() {
            return Ok(Some(Prepared { cleared, reminder: None }));
        }
        let speaks = provider.remind(document, "").is_some();
        let marked = cleared.spotlight(seed()?, |message| speaks && takes_marks(message));
        let reminder = marked.as_ref().and_then(|marked| provider.remind(document, &marked.reminder));
        let done = match &marked {
            Some(marked) => Done::ok("sandwich", "request", marked.texts),
            // A name cannot be marked without becoming another one.
            None => Done::failed("sandwich", "request", "no_place"),
        };
        self.done(&about(Measure::Sandwich), &done);
        Ok(Some(Prepared { cleared, reminder }))
    }

    /// Looks at what is left and takes more out, until there is nothing more to take out; how many more. `None`: what is
    /// left does not pass, or there is no end to it. What the policy says meanwhile is no decision and not recorded.
    pub(crate) fn strip_the_rest(
        &self,
        mut cleared: Cleared,
        granted: Option<&Granted>,
    ) -> Result<Option<(Cleared, usize)>, Failure> {
        let mut more = 0;
        for _ in 0..ROUNDS {
            let decision = self.look(cleared.conversation())?.outcome.decision;
            // Quotations hold their words still.
            let found = decision.removals().iter().filter(|removal| removal.how == Neutral::Remove).count();
            let settled = found == 0 && decision.redactions().is_empty();
            let Some(permit) = permit(decision, granted) else { return Ok(None) };
            if settled {
                return Ok(Some((cleared, more)));
            }
            more += found;
            cleared = cleared.again(permit);
        }
        Ok(None)
    }

    /// Changes the texts of a decision for a caller that forwards them itself. `None`: as [`Call::prepare`].
    pub(crate) fn change(
        &self,
        decision: Decision,
        mut conversation: Conversation,
        decided: Instant,
    ) -> Result<Option<Changed>, Failure> {
        if decision.action().changes_texts() && takes_out(decision.removals()) {
            let Some(permit) = decision.into_permit() else { return Ok(None) };
            return self.carry_out(permit, conversation, decided, None);
        }
        // Who asks for it is told what would be replaced, whether it goes on or not.
        let edits = redact(&mut conversation, decision.redactions());
        let edits = neutralise(&mut conversation, decision.removals(), edits);
        let mut positions: Vec<usize> = edits.iter().map(|edit| edit.message).collect();
        let mut reminder = None;
        if let Some(plan) = decision.spotlight() {
            let marked = spotlight(&mut conversation, plan, seed()?, |_| true);
            reminder = marked.map(|marked| marked.reminder);
            positions.extend(&plan.messages);
            positions.sort_unstable();
        }
        positions.dedup();
        Ok(Some(Changed { conversation, positions, reminder }))
    }

    /// Spends a permit for a caller that forwards the texts itself. `None`: as [`Call::prepare`].
    pub(crate) fn carry_out(
        &self,
        permit: Permit,
        conversation: Conversation,
        decided: Instant,
        granted: Option<&Granted>,
    ) -> Result<Option<Changed>, Failure> {
        let strips = takes_out(permit.removals());
        let mut cleared = Cleared::new(permit, conversation);
        if strips {
            let Some((rest, _)) = self.strip_the_rest(cleared, granted)? else {
                self.done(&self.about("", decided), &Done::failed("strip", "request", "remainder"));
                return Ok(None);
            };
            cleared = rest;
        }
        let marked = cleared.spotlight(seed()?, |_| true);
        let (positions, conversation) = (cleared.changed().to_vec(), cleared.conversation().clone());
        Ok(Some(Changed { conversation, positions, reminder: marked.map(|marked| marked.reminder) }))
    }

    /// Whose action it is.
    pub(crate) fn about(&self, by: &str, decided: Instant) -> About {
        About {
            request_id: self.id.as_str().to_owned(),
            tenant: self.tenant().to_owned(),
            route: self.route.path,
            by: by.to_owned(),
            decided,
        }
    }

    /// Counts and records an action.
    pub(crate) fn done(&self, about: &About, done: &Done) {
        self.app.mitigations.reports.done(about, done);
    }
}

/// Random numbers for the marks of one request.
pub(crate) fn seed() -> Result<[u8; 16], Failure> {
    let mut seed = [0; 16];
    getrandom::fill(&mut seed).map_err(|_| Failure::Internal)?;
    Ok(seed)
}

fn is_ordered(orders: &[Order], measure: Measure) -> bool {
    orders.iter().any(|order| order.measure == measure)
}

/// The playbook that orders a measure.
fn playbook(orders: &[Order], measure: Measure) -> &str {
    orders.iter().find(|order| order.measure == measure).map_or("", |order| &*order.playbook)
}

/// Whether a text is content of others that may stand between marks, not a name that something else refers to.
fn takes_marks(message: &Message) -> bool {
    if !matches!(message.origin, Origin::Tool | Origin::Document) || message.pointer.ends_with("#key") {
        return false;
    }
    let mut steps = message.pointer.split('/').skip(1);
    if !steps.next().is_some_and(|root| CONVERSATIONS.contains(&root)) {
        return false;
    }
    let rest: Vec<&str> = steps.collect();
    let last = rest.iter().rev().find(|step| !step.bytes().all(|byte| byte.is_ascii_digit()));
    last.is_some_and(|last| WORDS.contains(last)) || rest.iter().any(|step| ANYTHING.contains(step))
}

#[cfg(test)]
mod tests {
    use aimds_engine::Role;

    use super::*;

    #[test]
    fn words_are_marked_and_names_are_not() {
        let check = |origin, pointer: &str, expected| {
            let message =
                Message { role: Role::Tool, origin, index: 0, pointer: pointer.into(), text: "x".into() };
            assert_eq!(takes_marks(&message), expected, "{pointer}");
        };
        for place in [
            "/messages/2/content",
            "/messages/2/content/0/text",
            "/messages/1/content/0/content/0/text",
            "/messages/1/content/0/source/data",
            "/input/3/output",
            "/input/3/output/0/text",
            "/contents/2/parts/0/functionResponse/response/weather/today",
        ] {
            check(Origin::Tool, place, true);
            check(Origin::Document, place, true);
            check(Origin::User, place, false);
            check(Origin::System, place, false);
            check(Origin::Model, place, false);
        }
        for place in [
            "/messages/2/content/0/text#key",
            "/messages/2/tool_call_id",
            "/messages/2/name",
            "/tools/0/function/description",
            "/response_format/json_schema/name",
            "/input",
            "",
        ] {
            check(Origin::Document, place, false);
        }
    }
}
