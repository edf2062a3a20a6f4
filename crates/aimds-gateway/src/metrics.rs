//! Prometheus metrics with bounded label sets: routes of the table, status classes, actions, category identifiers.
//! Nothing that a client sends ever becomes a label.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use aimds_engine::{Action, Finding};

use crate::alarm::Alarm;
use crate::error::Failure;

/// Upper bounds of the latency buckets, in microseconds.
const BUCKETS: [u64; 18] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 7_500, 10_000, 15_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 5_000_000, 30_000_000,
];

/// A latency histogram.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    counts: [AtomicU64; BUCKETS.len()],
    total: AtomicU64,
    sum_us: AtomicU64,
}

impl Histogram {
    pub(crate) fn observe(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if let Some(slot) =
            BUCKETS.iter().position(|&bound| micros <= bound).and_then(|at| self.counts.get(at))
        {
            slot.fetch_add(1, Ordering::Relaxed);
        }
        self.total.fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(micros, Ordering::Relaxed);
    }

    pub(crate) fn write(&self, out: &mut String, name: &str, help: &str) {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} histogram");
        self.rows(out, name, "");
    }

    /// The rows of one histogram of a family, with a label or none.
    pub(crate) fn rows(&self, out: &mut String, name: &str, label: &str) {
        let (before, alone) = match label {
            "" => (String::new(), String::new()),
            label => (format!("{label},"), format!("{{{label}}}")),
        };
        let mut below = 0;
        for (bound, count) in BUCKETS.iter().zip(&self.counts) {
            below += count.load(Ordering::Relaxed);
            let _ = writeln!(out, "{name}_bucket{{{before}le=\"{}\"}} {below}", seconds(*bound));
        }
        let total = self.total.load(Ordering::Relaxed).max(below);
        let _ = writeln!(out, "{name}_bucket{{{before}le=\"+Inf\"}} {total}");
        let _ = writeln!(out, "{name}_sum{alone} {}", seconds(self.sum_us.load(Ordering::Relaxed)));
        let _ = writeln!(out, "{name}_count{alone} {total}");
    }
}

fn seconds(micros: u64) -> String {
    let fraction = format!("{:06}", micros % 1_000_000);
    format!("{}.{}", micros / 1_000_000, fraction.trim_end_matches('0')).trim_end_matches('.').to_owned()
}

/// Which text of an exchange a decision is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// What the caller sent.
    Request,
    /// What the model answered.
    Response,
}

impl Direction {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
        }
    }
}

/// What the gateway cannot know from its own counters when it is scraped.
pub(crate) struct AuditState {
    pub(crate) spooled: u64,
    pub(crate) healthy: bool,
}

/// Every counter of the process.
#[derive(Debug)]
pub(crate) struct Metrics {
    routes: Vec<&'static str>,
    /// By route (the last is "unmatched"), then by status class 1xx to 5xx.
    requests: Vec<[AtomicU64; 5]>,
    decisions: [[AtomicU64; Action::ALL.len()]; 2],
    /// By direction, by what the policy in force did, by what the one beside it would have done.
    shadow: [[[AtomicU64; Action::ALL.len()]; Action::ALL.len()]; 2],
    findings: Mutex<BTreeMap<&'static str, u64>>,
    failures: Mutex<BTreeMap<&'static str, u64>>,
    alarms: [AtomicU64; Alarm::ALL.len()],
    /// Time in the engine.
    engine: Histogram,
    /// Time from the request's head to the answer's head.
    total: Histogram,
    pub(crate) in_flight: AtomicI64,
    pub(crate) connections: AtomicI64,
    pub(crate) connections_refused: AtomicU64,
    /// QUIC clients that were told to prove their address first.
    pub(crate) quic_retries: AtomicU64,
    /// Requests that came in early data, and those of them that had to wait for the handshake.
    pub(crate) early_requests: AtomicU64,
    pub(crate) early_held: AtomicU64,
    pub(crate) cancelled: AtomicU64,
    /// Streams that were blocked for something that had already been sent on.
    pub(crate) late: AtomicU64,
    pub(crate) unrecorded: AtomicU64,
    /// Configurations and policies that were put into force while running, and those that were not.
    pub(crate) reloads_applied: AtomicU64,
    pub(crate) reloads_refused: AtomicU64,
    /// 1 while the files on the disk are not what is in force, because they are not in order.
    pub(crate) reload_refused: AtomicI64,
}

impl Metrics {
    pub(crate) fn new(routes: impl Iterator<Item = &'static str>) -> Self {
        let routes: Vec<_> = routes.chain(["unmatched"]).collect();
        Self {
            requests: routes.iter().map(|_| Default::default()).collect(),
            routes,
            decisions: Default::default(),
            shadow: Default::default(),
            findings: Mutex::default(),
            failures: Mutex::default(),
            alarms: Default::default(),
            engine: Histogram::default(),
            total: Histogram::default(),
            in_flight: AtomicI64::new(0),
            connections: AtomicI64::new(0),
            connections_refused: AtomicU64::new(0),
            quic_retries: AtomicU64::new(0),
            early_requests: AtomicU64::new(0),
            early_held: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            late: AtomicU64::new(0),
            unrecorded: AtomicU64::new(0),
            reloads_applied: AtomicU64::new(0),
            reloads_refused: AtomicU64::new(0),
            reload_refused: AtomicI64::new(0),
        }
    }

    /// One answered request. `route` beyond the table counts as unmatched.
    pub(crate) fn answered(&self, route: usize, status: u16, took: Duration) {
        let class = usize::from(status / 100).saturating_sub(1);
        let row = self.requests.get(route).or(self.requests.last());
        if let Some(counter) = row.and_then(|row| row.get(class)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        self.total.observe(took);
    }

    /// One failure, by its stable code.
    pub(crate) fn failed(&self, failure: &Failure) {
        count(&self.failures, [failure.code()]);
    }

    /// One alarm.
    pub(crate) fn alarmed(&self, alarm: Alarm) {
        let slot = Alarm::ALL.iter().position(|&known| known == alarm);
        if let Some(counter) = slot.and_then(|slot| self.alarms.get(slot)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One decision of the engine.
    pub(crate) fn decided(&self, direction: Direction, action: Action, found: &[Finding], took: Duration) {
        let row = match direction {
            Direction::Request => self.decisions.first(),
            Direction::Response => self.decisions.last(),
        };
        let slot = Action::ALL.iter().position(|&known| known == action);
        if let Some(counter) = row.zip(slot).and_then(|(row, slot)| row.get(slot)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        if !found.is_empty() {
            count(&self.findings, found.iter().map(|finding| finding.category.as_str()));
        }
        self.engine.observe(took);
    }

    /// What a policy would have done that is asked beside the one in force.
    pub(crate) fn shadowed(&self, direction: Direction, live: Action, shadow: Action) {
        let rows = match direction {
            Direction::Request => self.shadow.first(),
            Direction::Response => self.shadow.last(),
        };
        let slot = |action: Action| Action::ALL.iter().position(|&known| known == action);
        let row = rows.zip(slot(live)).and_then(|(rows, slot)| rows.get(slot));
        if let Some(counter) = row.zip(slot(shadow)).and_then(|(row, slot)| row.get(slot)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The text that Prometheus reads.
    pub(crate) fn expose(&self, audit: Option<&AuditState>) -> String {
        let mut out = String::with_capacity(8 << 10);
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut family = |name: &str, kind: &str, help: &str, rows: Vec<(String, i128)>| {
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
            for (labels, value) in rows {
                let _ = writeln!(out, "{name}{labels} {value}");
            }
        };
        let one = |value: i128| vec![(String::new(), value)];
        family(
            "aimds_build_info",
            "gauge",
            "Version of the program.",
            vec![(format!("{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), 1)],
        );
        let mut rows = Vec::new();
        for (route, classes) in self.routes.iter().zip(&self.requests) {
            for (class, counter) in classes.iter().enumerate().filter(|(_, counter)| load(counter) > 0) {
                rows.push((
                    format!("{{route=\"{route}\",status=\"{}xx\"}}", class + 1),
                    load(counter).into(),
                ));
            }
        }
        family("aimds_requests_total", "counter", "Answered requests by route and status class.", rows);
        let mut rows = Vec::new();
        for (direction, actions) in [Direction::Request, Direction::Response].iter().zip(&self.decisions) {
            for (action, counter) in Action::ALL.iter().zip(actions) {
                let labels =
                    format!("{{direction=\"{}\",action=\"{}\"}}", direction.as_str(), action.as_str());
                rows.push((labels, load(counter).into()));
            }
        }
        family("aimds_decisions_total", "counter", "Decisions by direction and action.", rows);
        let mut rows = Vec::new();
        for (direction, lives) in [Direction::Request, Direction::Response].iter().zip(&self.shadow) {
            for (live, shadows) in Action::ALL.iter().zip(lives) {
                let counted = Action::ALL.iter().zip(shadows).filter(|(_, counter)| load(counter) > 0);
                rows.extend(counted.map(|(shadow, counter)| {
                    let (direction, live, shadow) = (direction.as_str(), live.as_str(), shadow.as_str());
                    let labels = format!("{{direction=\"{direction}\",live=\"{live}\",shadow=\"{shadow}\"}}");
                    (labels, load(counter).into())
                }));
            }
        }
        family(
            "aimds_shadow_decisions_total",
            "counter",
            "What the policy in force did, and what the one of [shadow] would have done.",
            rows,
        );
        let labelled = |name: &str, counts: &Mutex<BTreeMap<&'static str, u64>>| {
            let counts = counts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            counts.iter().map(|(label, &count)| (format!("{{{name}=\"{label}\"}}"), count.into())).collect()
        };
        family(
            "aimds_findings_total",
            "counter",
            "Findings by category.",
            labelled("category", &self.findings),
        );
        family(
            "aimds_failures_total",
            "counter",
            "Requests not answered as asked, by code.",
            labelled("code", &self.failures),
        );
        let alarms = Alarm::ALL.iter().zip(&self.alarms);
        family(
            "aimds_alarms_total",
            "counter",
            "What somebody has to look at, by what happened.",
            alarms
                .map(|(alarm, count)| (format!("{{event=\"{}\"}}", alarm.as_str()), load(count).into()))
                .collect(),
        );
        let gauge = |value: &AtomicI64| one(value.load(Ordering::Relaxed).into());
        family("aimds_requests_in_flight", "gauge", "Requests in progress.", gauge(&self.in_flight));
        family("aimds_connections", "gauge", "Open connections.", gauge(&self.connections));
        family(
            "aimds_connections_refused_total",
            "counter",
            "Connections over the limit.",
            one(load(&self.connections_refused).into()),
        );
        for (name, help, value) in [
            (
                "aimds_quic_retries_total",
                "QUIC clients told to prove their address first, because many handshakes were under way.",
                &self.quic_retries,
            ),
            ("aimds_quic_early_requests_total", "Requests in QUIC early data.", &self.early_requests),
            (
                "aimds_quic_early_held_total",
                "Those of them that had to wait until the handshake was complete.",
                &self.early_held,
            ),
        ] {
            family(name, "counter", help, one(load(value).into()));
        }
        family(
            "aimds_requests_cancelled_total",
            "counter",
            "Requests whose caller went away before the answer.",
            one(load(&self.cancelled).into()),
        );
        family(
            "aimds_stream_late_total",
            "counter",
            "Streams blocked for something that had already been sent on.",
            one(load(&self.late).into()),
        );
        family(
            "aimds_audit_unrecorded_total",
            "counter",
            "Events that the audit log did not take.",
            one(load(&self.unrecorded).into()),
        );
        let reloads = [("applied", &self.reloads_applied), ("refused", &self.reloads_refused)];
        family(
            "aimds_reloads_total",
            "counter",
            "Changes of configuration or policy, by what came of them.",
            reloads.map(|(result, count)| (format!("{{result=\"{result}\"}}"), load(count).into())).to_vec(),
        );
        family(
            "aimds_reload_refused",
            "gauge",
            "Whether the files on the disk are refused, so that the last good ones are in force.",
            gauge(&self.reload_refused),
        );
        if let Some(audit) = audit {
            family(
                "aimds_audit_healthy",
                "gauge",
                "Whether the audit log can write.",
                one(audit.healthy.into()),
            );
            family(
                "aimds_audit_spooled",
                "gauge",
                "Records that wait for the disk.",
                one(audit.spooled.into()),
            );
        }
        self.engine.write(&mut out, "aimds_engine_seconds", "Time in the engine for one conversation.");
        self.total.write(
            &mut out,
            "aimds_request_seconds",
            "Time from a request's head to its answer's head.",
        );
        out
    }
}

fn count(counts: &Mutex<BTreeMap<&'static str, u64>>, labels: impl IntoIterator<Item = &'static str>) {
    let mut counts = counts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for label in labels {
        *counts.entry(label).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_written_exactly() {
        assert_eq!(
            [50, 1_000, 1_500_000, 30_000_000, 0].map(seconds),
            ["0.00005", "0.001", "1.5", "30", "0"]
        );
    }

    #[test]
    fn buckets_are_cumulative_and_end_with_the_count() {
        let histogram = Histogram::default();
        for micros in [10, 60, 60, 99_000_000] {
            histogram.observe(Duration::from_micros(micros));
        }
        let mut text = String::new();
        histogram.write(&mut text, "h", "help");
        for line in ["h_bucket{le=\"0.00005\"} 1", "h_bucket{le=\"0.0001\"} 3", "h_bucket{le=\"30\"} 3"] {
            assert!(text.contains(line), "{text}");
        }
        assert!(text.contains("h_bucket{le=\"+Inf\"} 4\nh_sum 99.00013\nh_count 4\n"), "{text}");
        let mut labelled = String::new();
        histogram.rows(&mut labelled, "h", "a=\"b\"");
        let end = "h_bucket{a=\"b\",le=\"+Inf\"} 4\nh_sum{a=\"b\"} 99.00013\nh_count{a=\"b\"} 4\n";
        assert!(
            labelled.starts_with("h_bucket{a=\"b\",le=\"0.00005\"} 1\n") && labelled.ends_with(end),
            "{labelled}"
        );
    }
}
