//! How much the outcomes of each source count.
//!
//! Three bounds, of which the strictest applies: the trust that the operator gave the source; a quota for each window of
//! time, so that no source drowns the others; and its credibility, which falls where the source contradicts what the
//! policy expects much more than the others do. The yardstick of credibility is the reviewers where they have said
//! enough, else the median of the sources: a single liar among honest sources moves neither.

use serde::{Deserialize, Serialize};

use crate::error::{Error, setting};

/// Sources that are told apart. All others share one place, so that inventing names brings nothing.
pub const MAX_SOURCES: usize = 64;
/// Outcomes before a source's errors count, for and against it.
const WARM_UP: u32 = 20;
/// How fast the mean error follows.
const RATE: f64 = 0.02;
/// Errors up to this multiple of the yardstick are honest; from `REFUSED` on nothing of the source counts.
const HONEST: f64 = 1.3;
const REFUSED: f64 = 1.9;
/// Yardsticks below this are rounding.
const LEAST_ERROR: f64 = 0.02;
const REFRESH_EVERY: u32 = 32;

/// Bounds on what one source can do.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceLimits {
    /// Length of a window in milliseconds. Default one hour.
    pub window_ms: u64,
    /// Outcomes of one source that count in a window. Default 1,000.
    pub quota: u32,
    /// Trust in a source that the operator has not named. Default 1.
    pub default_trust: f64,
}

impl Default for SourceLimits {
    fn default() -> Self {
        Self { window_ms: 3_600_000, quota: 1000, default_trust: 1.0 }
    }
}

impl SourceLimits {
    pub(crate) fn check(&self) -> Result<(), Error> {
        setting("window_ms", self.window_ms as f64, "at least 1", self.window_ms >= 1)?;
        setting("quota", f64::from(self.quota), "at least 1", self.quota >= 1)?;
        let trust = self.default_trust;
        setting("default_trust", trust, "from 0 to 1", (0.0..=1.0).contains(&trust))
    }
}

/// What is known of a source.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Its number: a hash of its name.
    pub key: u64,
    /// The operator's trust in it, from 0 to 1.
    pub trust: f64,
    /// Mean squared difference between what it reported and what was expected.
    pub error: f64,
    /// Outcomes it has sent, counted or not.
    pub outcomes: u32,
    window: u64,
    used: u32,
}

impl Source {
    fn spend(&mut self, SourceLimits { window_ms, quota, .. }: SourceLimits, at_ms: u64) -> bool {
        let window = at_ms / window_ms.max(1);
        // A clock that runs backwards does not open a fresh window.
        if window > self.window {
            (self.window, self.used) = (window, 0);
        }
        self.outcomes = self.outcomes.saturating_add(1);
        let within = self.used < quota;
        self.used += u32::from(within);
        within
    }
}

/// All sources.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Sources {
    limits: SourceLimits,
    known: Vec<Source>,
    /// Those that found no place.
    others: Source,
    reviewers: Source,
    /// All untrusted parties together: they neither use up the quota of a trusted source nor its place.
    untrusted: Source,
    yardstick: Option<f64>,
    until_refresh: u32,
}

impl Sources {
    pub(crate) fn new(limits: SourceLimits) -> Self {
        let fresh =
            |key| Source { key, trust: limits.default_trust, error: 0.0, outcomes: 0, window: 0, used: 0 };
        Self {
            limits,
            known: Vec::with_capacity(MAX_SOURCES),
            others: fresh(u64::MAX),
            reviewers: fresh(0),
            untrusted: fresh(0),
            yardstick: None,
            until_refresh: 0,
        }
    }

    /// Names a source and the trust in it.
    pub(crate) fn set_trust(&mut self, key: u64, trust: f64) -> Result<(), Error> {
        setting("trust", trust, "from 0 to 1", (0.0..=1.0).contains(&trust))?;
        if !self.known.iter().any(|source| source.key == key) && self.known.len() >= MAX_SOURCES {
            return Err(Error::Full { what: "sources", limit: MAX_SOURCES });
        }
        self.find(key).trust = trust;
        Ok(())
    }

    /// Takes one outcome off the quota of this window; `false` when it is used up.
    pub(crate) fn spend(&mut self, key: u64, at_ms: u64) -> bool {
        let limits = self.limits;
        self.find(key).spend(limits, at_ms)
    }

    /// The same for whatever an untrusted party says.
    pub(crate) fn spend_untrusted(&mut self, at_ms: u64) -> bool {
        self.untrusted.spend(self.limits, at_ms)
    }

    /// The weight of an outcome that missed what was expected by `residual`.
    pub(crate) fn weigh(&mut self, key: u64, residual: f64) -> f64 {
        if self.until_refresh == 0 {
            self.refresh();
        }
        self.until_refresh -= 1;
        let yardstick = self.yardstick;
        let source = self.find(key);
        follow(source, residual);
        let credibility = match yardstick {
            Some(yardstick) if source.outcomes >= WARM_UP => {
                let ratio = source.error / yardstick.max(LEAST_ERROR);
                ((REFUSED - ratio) / (REFUSED - HONEST)).clamp(0.0, 1.0)
            }
            _ => 1.0,
        };
        source.trust * credibility
    }

    /// What a reviewer found, as the yardstick for the others.
    pub(crate) fn reviewed(&mut self, residual: f64) {
        self.reviewers.outcomes = self.reviewers.outcomes.saturating_add(1);
        follow(&mut self.reviewers, residual);
    }

    pub(crate) fn known(&self) -> &[Source] {
        &self.known
    }

    fn find(&mut self, key: u64) -> &mut Source {
        let place = self.known.iter().position(|source| source.key == key);
        let place = place.unwrap_or(self.known.len());
        if place == self.known.len() && place < MAX_SOURCES {
            let trust = self.limits.default_trust;
            self.known.push(Source { key, trust, error: 0.0, outcomes: 0, window: 0, used: 0 });
        }
        self.known.get_mut(place).unwrap_or(&mut self.others)
    }

    fn refresh(&mut self) {
        self.until_refresh = REFRESH_EVERY;
        if self.reviewers.outcomes >= 2 * WARM_UP {
            self.yardstick = Some(self.reviewers.error);
            return;
        }
        let mut errors = [0.0; MAX_SOURCES];
        let mut count = 0;
        for source in self.known.iter().filter(|source| source.outcomes >= WARM_UP) {
            if let Some(slot) = errors.get_mut(count) {
                *slot = source.error;
                count += 1;
            }
        }
        let errors = errors.get_mut(..count).unwrap_or_default();
        errors.sort_unstable_by(f64::total_cmp);
        // The lower median: of two sources the better one is the yardstick.
        self.yardstick = errors.get(count.saturating_sub(1) / 2).copied();
    }

    pub(crate) fn is_sound(&self) -> bool {
        self.limits.check().is_ok() && self.known.len() <= MAX_SOURCES
    }
}

/// A mean over all at first, then one that forgets.
fn follow(source: &mut Source, residual: f64) {
    let rate = RATE.max(1.0 / f64::from(source.outcomes.max(1)));
    source.error += rate * (residual * residual - source.error);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_holds_for_each_window_and_unknown_sources_share_one() {
        let mut sources = Sources::new(SourceLimits { window_ms: 100, quota: 2, default_trust: 1.0 });
        let spent: Vec<bool> = [0, 10, 20, 100, 99].iter().map(|&at| sources.spend(7, at)).collect();
        assert_eq!(spent, [true, true, false, true, true]);
        for key in 0..MAX_SOURCES as u64 {
            sources.spend(1000 + key, 0);
        }
        let strangers: Vec<bool> = (0..4).map(|i| sources.spend(5000 + i, 0)).collect();
        // One of them took the last place when the list was filled.
        assert_eq!(strangers, [true, false, false, false]);
        assert!(sources.set_trust(9999, 0.5).is_err());
        assert!(sources.set_trust(7, 1.5).is_err());
    }

    #[test]
    fn a_source_that_contradicts_all_others_loses_its_weight() {
        let mut sources = Sources::new(SourceLimits::default());
        let mut last = [0.0; 5];
        for round in 0..100 {
            for (key, weight) in last.iter_mut().enumerate() {
                sources.spend(key as u64, 0);
                let residual = if key == 3 { 0.8 } else { 0.3 + 0.01 * f64::from(round % 3) };
                *weight = sources.weigh(key as u64, residual);
            }
        }
        assert_eq!(last, [1.0, 1.0, 1.0, 0.0, 1.0]);
        sources.set_trust(1, 0.25).unwrap();
        assert_eq!(sources.weigh(1, 0.3), 0.25);
    }

    #[test]
    fn reviewers_are_the_yardstick_where_most_sources_lie() {
        let mut sources = Sources::new(SourceLimits::default());
        for _ in 0..100 {
            sources.reviewed(0.3);
            for key in 0..3 {
                sources.spend(key, 0);
                sources.weigh(key, 0.9);
            }
        }
        assert_eq!(sources.weigh(0, 0.9), 0.0);
    }
}
