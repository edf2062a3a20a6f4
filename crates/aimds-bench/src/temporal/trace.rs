//! Traces of an event a millisecond.

use aimds_attractor::systems::Random;
use aimds_temporal::Trace;

/// The events that there are.
pub(super) const NAMES: [&str; 8] =
    ["threat", "mitigated", "request", "response", "login", "send", "read", "approved"];

/// The events in order, and the step that violates a response to threats.
pub(super) struct Story {
    pub(super) names: Vec<&'static str>,
    pub(super) violated_at: Option<usize>,
}

impl Story {
    /// One event in ten is a threat, mitigated four steps later; the others are of all other kinds.
    pub(super) fn answered(events: usize, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut others = || NAMES.iter().skip(2 + random.below(NAMES.len() - 2)).copied().next();
        let mut names: Vec<&str> = (0..events)
            .map(|step| match step % 10 {
                0 => "threat",
                4 => "mitigated",
                _ => others().unwrap_or("read"),
            })
            .collect();
        // A threat whose answer would come after the end is none.
        if let Some(last) = names.len().checked_sub(1).map(|last| last - last % 10)
            && last + 4 >= events
            && let Some(name) = names.get_mut(last)
        {
            *name = "read";
        }
        Self { names, violated_at: None }
    }

    /// The same, but the last threat is not mitigated.
    pub(super) fn unanswered(events: usize, seed: u64) -> Self {
        let Self { mut names, .. } = Self::answered(events, seed);
        let violated_at = names.iter().rposition(|name| *name == "threat");
        if let Some(name) = violated_at.and_then(|at| names.get_mut(at + 4)) {
            *name = "read";
        }
        Self { names, violated_at }
    }

    /// Every event is a threat, and the last one mitigates all of them.
    pub(super) fn late(events: usize) -> Self {
        let mut names = vec!["threat"; events.saturating_sub(1)];
        names.push("mitigated");
        Self { names, violated_at: None }
    }

    pub(super) fn trace(&self) -> anyhow::Result<Trace> {
        let steps = self.names.iter().enumerate();
        Ok(Trace::from_steps(steps.map(|(step, name)| (step as u64, [*name])))?)
    }
}
