//! How far a question goes.

use serde::{Deserialize, Serialize};

const HOUR_MS: u64 = 3_600_000;

/// A time span, both ends included, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// First moment.
    pub from_ms: u64,
    /// Last moment.
    pub to_ms: u64,
}

impl Span {
    /// Everything.
    pub const ALL: Self = Self { from_ms: 0, to_ms: i64::MAX.unsigned_abs() };

    /// Around a node's own times.
    #[must_use]
    pub fn around(first_ms: u64, last_ms: u64, reach_ms: u64) -> Self {
        let to_ms = last_ms.saturating_add(reach_ms).min(Self::ALL.to_ms);
        Self { from_ms: first_ms.saturating_sub(reach_ms), to_ms }
    }

    /// Whether something that was seen from `first_ms` to `last_ms` was seen inside.
    #[must_use]
    pub fn overlaps(&self, first_ms: u64, last_ms: u64) -> bool {
        first_ms <= self.to_ms && last_ms >= self.from_ms
    }
}

/// The bounds of one question. What lies beyond them makes the answer `truncated`, never silently short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many edges away, at most 32.
    pub hops: u8,
    /// How long before and after the node that is asked about; `None` for always. An edge counts if it was seen inside.
    pub window_ms: Option<u64>,
    /// Edges that are followed from one node in one direction, the newest first; at most 100 000.
    pub fan_out: usize,
    /// Nodes that are visited, at most 1 000 000.
    pub nodes: usize,
}

impl Limits {
    /// Related attacks: three hops, a day.
    #[must_use]
    pub fn related() -> Self {
        Self { hops: 3, window_ms: Some(24 * HOUR_MS), fan_out: 32, nodes: 1000 }
    }

    /// Causes back to the first.
    #[must_use]
    pub fn root() -> Self {
        Self { hops: 16, window_ms: None, fan_out: 32, nodes: 1000 }
    }

    /// All that came of a source or a document.
    #[must_use]
    pub fn blast() -> Self {
        Self { hops: 16, window_ms: None, fan_out: 256, nodes: 1000 }
    }

    /// One attack from its first cause to its last effect.
    #[must_use]
    pub fn chain() -> Self {
        Self { hops: 16, window_ms: None, fan_out: 32, nodes: 200 }
    }

    pub(crate) fn clamped(self) -> Self {
        Self {
            hops: self.hops.min(32),
            window_ms: self.window_ms,
            fan_out: self.fan_out.clamp(1, 100_000),
            nodes: self.nodes.clamp(1, 1_000_000),
        }
    }

    /// Edges that may be looked at in all: a hub's edges lead to the same nodes again and again.
    pub(crate) fn edges(&self) -> usize {
        self.nodes.saturating_mul(8).max(self.fan_out.saturating_mul(2))
    }

    pub(crate) fn span(&self, first_ms: u64, last_ms: u64) -> Span {
        self.window_ms.map_or(Span::ALL, |reach| Span::around(first_ms, last_ms, reach))
    }
}

/// Which attacks make a campaign.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CampaignLimits {
    /// Attacks that are looked at.
    pub span: Span,
    /// Two attacks of one source, or two that are alike, belong together if no more than this lies between them.
    pub gap_ms: u64,
    /// How alike two attacks must be.
    pub min_weight: f64,
    /// Attacks of a campaign, at least.
    pub min_size: usize,
    /// Attacks that are looked at, the newest first.
    pub attacks: usize,
    /// Edges that are followed from one attack in one direction.
    pub fan_out: usize,
}

impl Default for CampaignLimits {
    fn default() -> Self {
        Self {
            span: Span::ALL,
            gap_ms: 24 * HOUR_MS,
            min_weight: 0.5,
            min_size: 2,
            attacks: 10_000,
            fan_out: 32,
        }
    }
}
