//! The router's metrics. Labels are names from the configuration.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use super::desk::Desk;
use super::lane::{Attempt, Lane};
use super::ledger::Period;
use crate::app::now_ms;

/// Appends the router's metrics in Prometheus' text format.
pub(crate) fn expose(desk: &Desk, out: &mut String) {
    targets(desk, out);
    money(desk, out);
    let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let mut one = |name: &str, kind: &str, help: &str, value: u64| {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
    };
    let unretried = load(&desk.unretried);
    one(
        "aimds_router_unretried_total",
        "counter",
        "Attempts that the retry budget did not allow.",
        unretried,
    );
    let hedges = load(&desk.hedges);
    one("aimds_router_hedges_total", "counter", "Second attempts beside a first that was slow.", hedges);
    let won = load(&desk.hedges_won);
    one("aimds_router_hedges_won_total", "counter", "Those of them that answered first.", won);
    let confined = load(&desk.confined);
    one(
        "aimds_router_no_local_total",
        "counter",
        "Requests that had to stay local and had no target.",
        confined,
    );
    let used_up = load(&desk.used_up);
    one("aimds_router_used_up_total", "counter", "Requests whose budget was used up.", used_up);
    if let Some(answers) = &desk.answers {
        let (bytes, entries) = answers.size();
        let hits = load(&answers.hits);
        one("aimds_router_cache_hits_total", "counter", "Answers that were given again.", hits);
        let misses = load(&answers.misses);
        one("aimds_router_cache_misses_total", "counter", "Answers that might have been kept.", misses);
        one("aimds_router_cache_bytes", "gauge", "Bytes of the answers that are kept.", bytes as u64);
        one("aimds_router_cache_entries", "gauge", "Answers that are kept.", entries as u64);
    }
}

fn targets(desk: &Desk, out: &mut String) {
    let _ = writeln!(
        out,
        "# HELP aimds_router_attempts_total Attempts by target and result.\n# TYPE aimds_router_attempts_total counter"
    );
    for Lane { target, counters, .. } in desk.lanes.iter().map(AsRef::as_ref) {
        for attempt in Attempt::ALL {
            let (name, result, count) = (&target.name, attempt.as_str(), counters.attempts(attempt));
            let _ =
                writeln!(out, "aimds_router_attempts_total{{target=\"{name}\",result=\"{result}\"}} {count}");
        }
    }
    let mut family = |name: &str, kind: &str, help: &str, value: fn(&Lane) -> u64| {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for lane in &desk.lanes {
            let _ = writeln!(out, "{name}{{target=\"{}\"}} {}", lane.target.name, value(lane));
        }
    };
    family("aimds_router_open", "gauge", "Whether the target is left alone.", |lane| lane.is_open().into());
    family("aimds_router_input_tokens_total", "counter", "Tokens of input.", |lane| {
        lane.counters.input.load(Ordering::Relaxed)
    });
    family("aimds_router_output_tokens_total", "counter", "Tokens of output.", |lane| {
        lane.counters.output.load(Ordering::Relaxed)
    });
    family("aimds_router_estimated_total", "counter", "Answers without a count of tokens.", |lane| {
        lane.counters.estimated.load(Ordering::Relaxed)
    });
    family("aimds_router_cost_nanodollars_total", "counter", "What the target's answers cost.", |lane| {
        lane.counters.nanos.load(Ordering::Relaxed)
    });
}

fn money(desk: &Desk, out: &mut String) {
    let now_ms = now_ms();
    desk.book.read(|ledger| {
        let _ = writeln!(
            out,
            "# HELP aimds_router_spent_nanodollars What was spent in the current period of UTC.\n\
             # TYPE aimds_router_spent_nanodollars gauge"
        );
        for (holder, period, amount) in ledger.accounts(now_ms) {
            let _ = writeln!(
                out,
                "aimds_router_spent_nanodollars{{{}}} {}",
                labels(holder.kind(), holder.name(), period),
                amount.nanos()
            );
        }
        let _ = writeln!(
            out,
            "# HELP aimds_router_budget_nanodollars What may be spent in a period of UTC.\n\
             # TYPE aimds_router_budget_nanodollars gauge"
        );
        for budget in ledger.budgets() {
            let labels = labels(budget.holder.kind(), budget.holder.name(), budget.period);
            let _ = writeln!(out, "aimds_router_budget_nanodollars{{{labels}}} {}", budget.amount.nanos());
        }
        let _ = writeln!(
            out,
            "# HELP aimds_router_unsaved Accounts with amounts that wait for the disk.\n\
             # TYPE aimds_router_unsaved gauge\naimds_router_unsaved {}",
            ledger.unsaved()
        );
    });
}

/// Names of tenants and keys may hold anything.
fn labels(kind: &str, name: &str, period: Period) -> String {
    let name = name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("holder=\"{kind}\",name=\"{name}\",period=\"{}\"", period.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_label() {
        assert_eq!(
            labels("tenant", "a\"} 1\n\\", Period::Day),
            "holder=\"tenant\",name=\"a\\\"} 1\\n\\\\\",period=\"day\""
        );
    }
}
