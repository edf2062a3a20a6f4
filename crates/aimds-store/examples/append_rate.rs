//! Records per second with group commit, for each durability, on the disk that holds the given directory.
//!
//! `cargo run --release -p aimds-store --example append_rate [-- DIRECTORY]` (default: the current directory;
//! a tmpfs such as /dev/shm has no fsync to wait for and flatters `Full`.)
//!
//! First what an append costs the request that makes it: the call alone, in small groups, 20,000 records a second, and with
//! the product's allocator; and the same as fast as it goes, where the writer does not keep up. Then two loads: *stream*, one thread that appends as fast as the spool takes records
//! and flushes at the end; and *acknowledged*, threads that each wait for their ticket before the next append, as a
//! request that must be on record before it is answered would.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aimds_store::{AppendError, AuditLog, Durability, Options, Record, VerifyOptions, verify};
use serde_json::json;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const STREAM: u64 = 200_000;
const PATIENCE: Duration = Duration::from_secs(600);

fn main() -> Result<(), Box<dyn Error>> {
    let parent = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let modes = [
        ("full", Durability::Full),
        ("interval 10 ms", Durability::Interval(Duration::from_millis(10))),
        ("normal", Durability::Normal),
    ];
    request_path(&parent)?;
    println!(
        "{:<16} {:>8} {:>10} {:>13} {:>14}",
        "durability", "threads", "records", "records/s", "records/commit"
    );
    for (name, durability) in modes {
        let home = tempfile::tempdir_in(&parent)?;
        let path = home.path().join("audit.db");
        stream(name, &path, durability)?;
        let start = Instant::now();
        let report = verify(&path, &VerifyOptions::default())?;
        let rate = report.records as f64 / start.elapsed().as_secs_f64();
        println!(
            "{:<16} {:>8} {:>10} {rate:>13.0}   (verify: {})",
            "",
            "",
            report.records,
            report.is_intact()
        );
        for threads in [1, 8, 64] {
            let home = tempfile::tempdir_in(&parent)?;
            acknowledged(name, &home.path().join("audit.db"), durability, threads)?;
        }
    }
    Ok(())
}

/// A few appends at a time, as a gateway makes them, while the writer works beside them.
fn request_path(parent: &str) -> Result<(), Box<dyn Error>> {
    const BURST: u64 = 16;
    const BURSTS: u64 = 4_000;
    let paces = [("20,000 records/s", Duration::from_micros(800)), ("as fast as it goes", Duration::ZERO)];
    for (pace, pause) in paces {
        let home = tempfile::tempdir_in(parent)?;
        let options = Options { durability: Durability::Normal, ..Options::default() };
        let log = AuditLog::open(home.path().join("audit.db"), options)?;
        let mut costs = Vec::new();
        for burst in 0..BURSTS {
            if !pause.is_zero() {
                std::thread::sleep(pause);
            }
            let records: Vec<_> = (0..BURST).map(|i| decision(burst * BURST + i)).collect();
            let start = Instant::now();
            for record in records {
                drop(log.append(record)?);
            }
            costs.push(start.elapsed().as_nanos() as u64 / BURST);
        }
        costs.sort_unstable();
        let part = |of: usize| costs.get(costs.len() * of / 100).copied().unwrap_or_default();
        println!("append call, {pace}: median {} ns, p10 {} ns, p90 {} ns", part(50), part(10), part(90));
        log.close(PATIENCE)?;
    }
    println!();
    Ok(())
}

fn stream(name: &str, path: &Path, durability: Durability) -> Result<(), Box<dyn Error>> {
    let log = AuditLog::open(path, Options { durability, ..Options::default() })?;
    let start = Instant::now();
    for i in 0..STREAM {
        loop {
            match log.append(decision(i)) {
                Ok(ticket) => break drop(ticket),
                Err(AppendError::SpoolFull) => std::thread::sleep(Duration::from_micros(200)),
                Err(error) => return Err(error.into()),
            }
        }
    }
    log.flush(PATIENCE)?;
    print_row(name, "stream", &log, start);
    log.close(PATIENCE)?;
    Ok(())
}

fn acknowledged(name: &str, path: &Path, durability: Durability, threads: u64) -> Result<(), Box<dyn Error>> {
    let log = Arc::new(AuditLog::open(path, Options { durability, ..Options::default() })?);
    let start = Instant::now();
    let end = start + Duration::from_secs(3);
    let workers: Vec<_> = (0..threads)
        .map(|thread| {
            let log = log.clone();
            std::thread::spawn(move || -> Result<(), String> {
                let mut i = 0;
                while Instant::now() < end {
                    let ticket = log.append(decision(thread << 32 | i)).map_err(|e| e.to_string())?;
                    ticket.wait().map_err(|e| e.to_string())?;
                    i += 1;
                }
                Ok(())
            })
        })
        .collect();
    for worker in workers {
        worker.join().map_err(|_| "a worker panicked")??;
    }
    print_row(name, &threads.to_string(), &log, start);
    log.close(PATIENCE)?;
    Ok(())
}

fn print_row(name: &str, load: &str, log: &AuditLog, start: Instant) {
    let counters = log.counters();
    let rate = counters.committed as f64 / start.elapsed().as_secs_f64();
    let grouped = counters.committed as f64 / counters.transactions as f64;
    println!("{name:<16} {load:>8} {:>10} {rate:>13.0} {grouped:>14.1}", counters.committed);
}

/// What a decision of the firewall looks like: about 330 bytes of JSON.
fn decision(i: u64) -> Record {
    Record {
        at_ms: 1_764_000_000_000 + i,
        request_id: format!("01JD{i:022x}"),
        tenant: "acme".to_owned(),
        kind: "decision".to_owned(),
        body: json!({
            "action": "block", "path": "fast", "score": 0.9731, "latency_us": 412,
            "categories": ["prompt_injection", "encoded_attack"], "policy": "default@7",
            "findings": [
                { "category": "prompt_injection", "detector": "rules", "rule": "ignore-previous", "start": 120, "end": 161 },
                { "category": "encoded_attack", "detector": "decode", "rule": "base64", "start": 300, "end": 420 },
            ],
        }),
    }
}
