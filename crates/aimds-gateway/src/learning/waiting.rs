//! Decisions that wait for what becomes of them.

use std::collections::{HashMap, VecDeque};

use aimds_learn::{Action as Strength, Trust};

use super::context::FEATURES;

/// How long a decision waits, in milliseconds: a week.
const LONGEST_MS: u64 = 7 * 24 * 3_600_000;

/// A decision, as its experience will tell it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Decided {
    pub(crate) tenant: Box<str>,
    pub(crate) features: [f32; FEATURES],
    pub(crate) score: f32,
    /// What the operator's policy decided: nothing weaker is permitted.
    pub(crate) floor: Strength,
    /// What was done.
    pub(crate) done: Strength,
    pub(crate) at_ms: u64,
}

/// Why an outcome finds no decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Never made, too old, another tenant's, or so many came after it.
    Unknown,
    /// It has its outcome.
    Answered,
}

/// The last decisions by request. The oldest makes room for the newest. O(1).
#[derive(Debug)]
pub(crate) struct Waiting {
    most: usize,
    known: HashMap<Box<str>, Entry>,
    order: VecDeque<Box<str>>,
}

#[derive(Debug)]
struct Entry {
    decided: Decided,
    /// Whose outcomes it has.
    heard: [bool; 3],
}

impl Waiting {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, known: HashMap::new(), order: VecDeque::new() }
    }

    pub(crate) fn insert(&mut self, request_id: &str, decided: Decided) {
        let entry = Entry { decided, heard: [false; 3] };
        if self.known.insert(request_id.into(), entry).is_none() {
            self.order.push_back(request_id.into());
        }
        if self.order.len() > self.most
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// A decision of a tenant (`None`: of any) that an outcome is for, marked as answered. One outcome each; a reviewer's may
    /// follow one that is not, and what end users say takes nobody's place.
    pub(crate) fn answer(
        &mut self,
        request_id: &str,
        tenant: Option<&str>,
        trust: Trust,
        now_ms: u64,
    ) -> Result<Decided, Missing> {
        let entry = self.known.get_mut(request_id).ok_or(Missing::Unknown)?;
        let foreign = tenant.is_some_and(|tenant| *entry.decided.tenant != *tenant);
        if foreign || now_ms.saturating_sub(entry.decided.at_ms) > LONGEST_MS {
            return Err(Missing::Unknown);
        }
        let [untrusted, trusted, verified] = &mut entry.heard;
        let heard = match trust {
            Trust::Untrusted => std::mem::replace(untrusted, true),
            Trust::Trusted => *verified || std::mem::replace(trusted, true),
            Trust::Verified => std::mem::replace(verified, true),
        };
        if heard { Err(Missing::Answered) } else { Ok(entry.decided.clone()) }
    }

    /// The outcome could not be kept: it may come again.
    pub(crate) fn reopen(&mut self, request_id: &str, trust: Trust) {
        let Some(entry) = self.known.get_mut(request_id) else { return };
        let [untrusted, trusted, verified] = &mut entry.heard;
        *match trust {
            Trust::Untrusted => untrusted,
            Trust::Trusted => trusted,
            Trust::Verified => verified,
        } = false;
    }

    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(at_ms: u64) -> Decided {
        Decided {
            tenant: "acme".into(),
            features: [0.0; FEATURES],
            score: 0.5,
            floor: Strength(0),
            done: Strength(0),
            at_ms,
        }
    }

    #[test]
    fn an_outcome_counts_once_and_a_reviewers_once_more() {
        let mut waiting = Waiting::new(2);
        waiting.insert("a", decided(0));
        let mut answer = |id: &str, tenant, trust, now| {
            waiting.answer(id, tenant, trust, now).map(|decided| decided.at_ms)
        };
        let (unknown, answered) = (Err(Missing::Unknown), Err(Missing::Answered));
        assert_eq!(answer("b", None, Trust::Trusted, 1), unknown);
        assert_eq!(answer("a", Some("other"), Trust::Trusted, 1), unknown);
        assert_eq!(answer("a", Some("acme"), Trust::Trusted, LONGEST_MS + 1), unknown);
        assert_eq!(answer("a", None, Trust::Untrusted, 1), Ok(0));
        assert_eq!(answer("a", None, Trust::Untrusted, 1), answered);
        assert_eq!(answer("a", Some("acme"), Trust::Trusted, 1), Ok(0));
        assert_eq!(answer("a", None, Trust::Trusted, 1), answered);
        assert_eq!(answer("a", None, Trust::Verified, 1), Ok(0));
        assert_eq!(answer("a", None, Trust::Verified, 1), answered);
        waiting.insert("b", decided(0));
        assert!(waiting.answer("b", None, Trust::Verified, 1).is_ok());
        assert!(waiting.answer("b", None, Trust::Trusted, 1).is_err(), "the reviewer has spoken");
    }

    #[test]
    fn the_oldest_makes_room() {
        let mut waiting = Waiting::new(2);
        for (at_ms, id) in ["a", "b", "b", "c"].into_iter().enumerate() {
            waiting.insert(id, decided(at_ms as u64));
        }
        assert_eq!(waiting.len(), 2);
        assert_eq!(waiting.answer("a", None, Trust::Trusted, 5), Err(Missing::Unknown));
        assert_eq!(waiting.answer("b", None, Trust::Trusted, 5).unwrap().at_ms, 2);
        waiting.reopen("b", Trust::Trusted);
        assert!(waiting.answer("b", None, Trust::Trusted, 5).is_ok());
    }
}
