//! `--in-line`: what the in-line proxy adds to the latency of a model.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::gateway::Gateway;
use super::paced::{Pace, Paced, quantile};
use super::upstream::Upstream;
use super::{Load, Report, chat_bodies, config};

/// Connections to each of both, so many at most: the rate is moderate.
const CONNECTIONS: u64 = 8;
/// Before the first request is due.
const LEAD: Duration = Duration::from_millis(100);

pub(super) fn run(load: &Load, aimds: &Path, directory: &Path) -> anyhow::Result<Report> {
    let upstream = Upstream::start()?;
    let config = config(load, Some(upstream.address));
    let gateway = Gateway::start(aimds, directory, config.as_deref(), &[])?;
    let connections = load.connections.min(CONNECTIONS);
    let mut lines = vec![format!(
        "POST /v1/chat/completions, prompts of {} characters, {} requests/s to each of both, {connections} connections, {} s",
        super::PROMPT,
        load.rate,
        load.seconds
    )];
    let mut reports = serde_json::Map::new();
    for (name, stream, holds) in [("whole", false, "\"stop\""), ("streamed", true, "[DONE]")] {
        let direct = Pace {
            address: upstream.address,
            key: gateway.key.clone(),
            bodies: chat_bodies(stream),
            holds,
            per_second: load.rate,
            connections,
            duration: Duration::from_secs(1),
            offset: LEAD,
        };
        // Half-way between two requests of the other.
        let offset = LEAD + Duration::from_secs(1) / u32::try_from(2 * load.rate)?;
        let through = Pace { address: gateway.socket()?, offset, ..direct.clone() };
        both(&direct, &through)?;
        let duration = Duration::from_secs(load.seconds);
        let (direct, through) = both(&Pace { duration, ..direct }, &Pace { duration, ..through })?;
        lines.extend(told(name, &direct, &through, stream));
        reports.insert(name.to_owned(), report(&direct, &through));
    }
    let json = json!({
        "mode": "in_line",
        "rate": load.rate,
        "connections": connections,
        "seconds": load.seconds,
        "audit": !load.no_audit,
        "answers": reports,
    });
    Ok(Report { lines, json })
}

/// Asks both in the same seconds.
fn both(direct: &Pace, through: &Pace) -> anyhow::Result<(Paced, Paced)> {
    let begin = Instant::now();
    let (direct, through) = std::thread::scope(|scope| {
        let beside = scope.spawn(|| direct.run(begin));
        let through = through.run(begin);
        (beside.join().unwrap_or_default(), through)
    });
    for (name, paced) in [("directly", &direct), ("through the gateway", &through)] {
        let (errors, error) = (paced.errors, paced.error.as_deref().unwrap_or_default());
        anyhow::ensure!(errors == 0 && !paced.whole.is_empty(), "{errors} requests failed {name}: {error}");
    }
    Ok((direct, through))
}

/// What a comparison is made of: the name, and the latencies.
type Part = (&'static str, fn(&Paced) -> &[u64]);
const PARTS: [Part; 2] = [("first_byte", |paced| &paced.first), ("end", |paced| &paced.whole)];

fn told(name: &str, direct: &Paced, through: &Paced, stream: bool) -> Vec<String> {
    // Of an answer in one piece both are the same moment.
    let parts = if stream { &PARTS[..] } else { &PARTS[1..] };
    let ms = |us: u64| us as f64 / 1000.0;
    let part = |(what, of): &Part| {
        let at = |share: f64| (quantile(of(direct), share), quantile(of(through), share));
        let ((direct_50, through_50), (direct_99, through_99)) = (at(0.5), at(0.99));
        format!(
            "{name}, {}: direct p50 {:.3} ms, p99 {:.3} ms; through p50 {:.3} ms, p99 {:.3} ms; added p50 {:.3} ms, p99 {:.3} ms",
            what.replace('_', " "),
            ms(direct_50),
            ms(direct_99),
            ms(through_50),
            ms(through_99),
            ms(through_50) - ms(direct_50),
            ms(through_99) - ms(direct_99)
        )
    };
    parts.iter().map(part).collect()
}

fn report(direct: &Paced, through: &Paced) -> Value {
    let quantiles = |values: &[u64]| json!({ "p50_us": quantile(values, 0.5), "p99_us": quantile(values, 0.99), "max_us": quantile(values, 1.0) });
    let parts = PARTS.iter().map(|(what, of)| {
        let added = |share| quantile(of(through), share) as i64 - quantile(of(direct), share) as i64;
        let part = json!({
            "direct": quantiles(of(direct)),
            "through": quantiles(of(through)),
            "added_p50_us": added(0.5),
            "added_p99_us": added(0.99),
        });
        ((*what).to_owned(), part)
    });
    let mut report: serde_json::Map<_, _> = parts.collect();
    report.insert("requests".to_owned(), through.whole.len().into());
    report.into()
}
