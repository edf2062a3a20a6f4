//! What the vault counts.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use aimds_engine::Kept;
use aimds_engine::vault::Met;

/// Counters of the vault.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    kept: AtomicU64,
    gone: AtomicU64,
    restored: AtomicU64,
    withheld: AtomicU64,
    expired: AtomicU64,
    evicted: AtomicU64,
    failures: AtomicU64,
}

fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
}

impl Counters {
    /// What became of the redacted places of a request.
    pub(super) fn kept(&self, kept: Kept) {
        add(&self.kept, kept.kept);
        add(&self.gone, kept.gone);
    }

    /// What an answer met.
    pub(crate) fn met(&self, met: Met) {
        add(&self.restored, met.restored);
        add(&self.withheld, met.withheld);
    }

    /// Sessions that were erased when their time was over.
    pub(super) fn expired(&self, count: usize) {
        add(&self.expired, count);
    }

    /// A session that made room for another.
    pub(super) fn evicted(&self) {
        add(&self.evicted, 1);
    }

    /// A session that could not be read, stored or erased.
    pub(super) fn failed(&self) {
        add(&self.failures, 1);
    }

    /// The text that Prometheus reads.
    pub(crate) fn expose(&self, sessions: usize, out: &mut String) {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut family = |name: &str, kind: &str, help: &str, rows: &[(&str, u64)]| {
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
            for (labels, value) in rows {
                let _ = writeln!(out, "{name}{labels} {value}");
            }
        };
        family(
            "aimds_vault_places_total",
            "counter",
            "Places of personal data: kept or redacted for good on the way to the model, restored or withheld on the way back.",
            &[
                ("{what=\"kept\"}", load(&self.kept)),
                ("{what=\"gone\"}", load(&self.gone)),
                ("{what=\"restored\"}", load(&self.restored)),
                ("{what=\"withheld\"}", load(&self.withheld)),
            ],
        );
        let sessions = u64::try_from(sessions).unwrap_or(u64::MAX);
        family("aimds_vault_sessions", "gauge", "Sessions of the vault in memory.", &[("", sessions)]);
        family(
            "aimds_vault_ended_total",
            "counter",
            "Sessions that left memory: expired, or evicted for another of their tenant.",
            &[("{why=\"expired\"}", load(&self.expired)), ("{why=\"evicted\"}", load(&self.evicted))],
        );
        family(
            "aimds_vault_failures_total",
            "counter",
            "Sessions of the vault that could not be read, stored or erased.",
            &[("", load(&self.failures))],
        );
    }
}
