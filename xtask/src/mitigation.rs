//! `cargo xtask mitigation`: how long it takes from a verdict to the end of what a playbook orders, while the gateway has other
//! requests to answer. One request in so many is an attack, whose session is put into quarantine (`quarantine`: the next
//! request of it is refused; `keep`: also after a crash) and of which a webhook on this machine is told (`notify`). The times
//! are those that the gateway writes into its audit log with each action, one by one.
//!
//! Generator, webhook and gateway share the machine: what comes out is an upper bound of what the gateway needs.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use clap::Args;
use serde_json::Value;

use crate::load::gateway::Gateway;
use crate::load::generator::Measured;
use crate::process::{BUILD_LIMIT, cargo, command, on_path, output, run as must};

const SCRIPT: &str = include_str!("mitigation.lua");
/// What is under way at the end of the load is given its time.
const REST: Duration = Duration::from_secs(1);
/// 99 of 100 of each action must have ended by then, in microseconds.
const PROMISED_US: u64 = 10_000;
/// What the playbook has done for each attack.
const ORDERED: [&str; 3] = ["quarantine", "keep", "notify"];
/// What a rate may fall short of the wanted one.
const NEARLY: f64 = 0.97;

/// Where the gateway finds what it signs messages to the webhook with.
const SECRET: &str = "AIMDS_MEASURED_SECRET";

const PLAYBOOK: &str = r#"
[[playbook]]
name = "stopped"
decision = ["block"]
actions = ["quarantine", "notify"]
seconds = 60
"#;

/// Arguments of `cargo xtask mitigation`.
#[derive(Args)]
pub(crate) struct Mitigation {
    /// Requests a second
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    rate: u64,
    /// One request in so many is an attack
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    every: u64,
    /// How long
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Connections, each kept alive
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=4096))]
    connections: u64,
    /// This `aimds` instead of one that is built now
    #[arg(long, value_name = "FILE")]
    aimds: Option<PathBuf>,
}

pub(crate) fn run(mitigation: &Mitigation) -> anyhow::Result<()> {
    let wrk = on_path("wrk").context("needs wrk (Debian: apt-get install wrk)")?;
    let aimds = match &mitigation.aimds {
        Some(aimds) => std::path::absolute(aimds)?,
        None => {
            must(cargo().args(["build", "--release", "--package", "aimds-cli"]), BUILD_LIMIT)?;
            crate::target().join("release/aimds")
        }
    };
    let directory = crate::target().join(format!("mitigation-{}", std::process::id()));
    fs::create_dir_all(&directory)?;
    let result = measure(mitigation, &wrk, &aimds, &directory);
    fs::remove_dir_all(&directory)?;
    result
}

fn measure(mitigation: &Mitigation, wrk: &Path, aimds: &Path, directory: &Path) -> anyhow::Result<()> {
    let gateway = start(aimds, directory, &webhook()?)?;
    let script = directory.join("mitigation.lua");
    fs::write(&script, SCRIPT)?;
    // One thread: the script keeps the pace of all connections.
    let load = |seconds: u64| -> anyhow::Result<Measured> {
        let mut load = command(wrk);
        load.args([
            "--threads",
            "1",
            "--connections",
            &mitigation.connections.to_string(),
            "--timeout",
            "5s",
        ]);
        load.args(["--duration", &format!("{seconds}s"), "--script"]).arg(&script);
        load.args([&format!("{}/v1/guard", gateway.address), "--", &gateway.key]);
        let text = output(load.args([mitigation.rate, mitigation.every].map(|number| number.to_string())))?;
        text.lines().find_map(Measured::parse).with_context(|| format!("wrk did not tell: {text}"))
    };
    load(1)?;
    std::thread::sleep(REST);
    let from_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let asked = load(mitigation.seconds)?;
    std::thread::sleep(REST);
    // Its log is whole once it has ended.
    drop(gateway);
    let mut export = command(aimds);
    export.args(["audit", "export", "--kind", "action", "--from", &from_ms.to_string()]);
    let actions = Actions::parse(&output(export.arg(directory.join("audit.db")))?)?;
    asked.check()?;
    let rate = asked.rate();
    println!("one request in {} an attack, {} connections", mitigation.every, mitigation.connections);
    asked.lines().iter().for_each(|line| println!("{line}"));
    let attacks = asked.requests / mitigation.every as f64;
    let mut slow = Vec::new();
    for action in ORDERED {
        let times = actions.times.get(action).map(Vec::as_slice).unwrap_or_default();
        println!("{}", line(action, times));
        ensure!(times.len() as f64 >= NEARLY * attacks, "{attacks:.0} times {action} was due");
        slow.extend((quantile(times, 0.99) > PROMISED_US).then_some(action));
    }
    ensure!(actions.failed == 0, "{} actions failed", actions.failed);
    ensure!(rate >= NEARLY * mitigation.rate as f64, "the rate of {} was not reached", mitigation.rate);
    ensure!(slow.is_empty(), "99 of 100 within 10 ms are promised; not so: {}", slow.join(", "));
    Ok(())
}

/// What the audit log says about actions.
#[derive(Debug, Default, PartialEq)]
struct Actions {
    /// Microseconds from the verdict to the end of each that succeeded, by its name, in ascending order.
    times: BTreeMap<String, Vec<u64>>,
    failed: usize,
}

impl Actions {
    fn parse(log: &str) -> anyhow::Result<Self> {
        let mut actions = Self::default();
        for line in log.lines() {
            let record: Value = serde_json::from_str(line).context("a record of the audit log")?;
            let body = record.get("body").context("a record without a body")?;
            let name = body.get("event").and_then(Value::as_str).context("an action without a name")?;
            let took = body.get("latency_us").and_then(Value::as_u64).context("an action without a time")?;
            match body.get("ok") {
                Some(Value::Bool(true)) => actions.times.entry(name.to_owned()).or_default().push(took),
                _ => actions.failed += 1,
            }
        }
        actions.times.values_mut().for_each(|times| times.sort_unstable());
        Ok(actions)
    }
}

/// What a share of the times, which are in ascending order, do not exceed.
fn quantile(times: &[u64], share: f64) -> u64 {
    let rank = (share * times.len() as f64).ceil() as usize;
    times.get(rank.saturating_sub(1)).copied().unwrap_or(u64::MAX)
}

fn line(action: &str, times: &[u64]) -> String {
    let shares = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];
    let shown = shares.map(|(name, share)| format!("{name} {:.2} ms", quantile(times, share) as f64 / 1e3));
    format!("verdict to {action} done: {} times, {}", times.len(), shown.join(", "))
}

/// A webhook that takes everything; its address. It ends with this process.
fn webhook() -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || take(stream));
        }
    });
    Ok(address)
}

/// Takes one message after the other until the sender goes.
fn take(stream: TcpStream) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
            if line.is_empty() {
                break;
            }
        }
        io::copy(&mut reader.by_ref().take(length), &mut io::sink())?;
        reader.get_mut().write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
    }
}

/// A gateway with the embedded policy and the playbook.
fn start(aimds: &Path, directory: &Path, webhook: &str) -> anyhow::Result<Gateway> {
    let policy = fs::read_to_string(crate::root().join("policies/default.toml"))?;
    fs::write(directory.join("policy.toml"), policy + PLAYBOOK)?;
    let config = format!(
        "[policy]\npath = \"policy.toml\"\n[audit]\npath = \"audit.db\"\n[notify]\nurl = \"http://{webhook}/\"\n\
         secret_env = \"{SECRET}\"\n\
         [mitigation]\nstate = \"held.json\"\n"
    );
    Gateway::start(aimds, directory, Some(&config), &[(SECRET, "of this measurement")])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_by_action_and_in_order() {
        let record = |event: &str, ok: bool, took: u64| {
            format!(r#"{{"kind":"action","body":{{"event":"{event}","ok":{ok},"latency_us":{took}}}}}"#)
        };
        let log = [
            record("keep", true, 900),
            record("notify", true, 5),
            record("keep", false, 7),
            record("keep", true, 20),
        ];
        let actions = Actions::parse(&log.join("\n")).unwrap();
        let times =
            [("keep", vec![20, 900]), ("notify", vec![5])].map(|(name, times)| (name.to_owned(), times));
        assert_eq!(actions, Actions { times: times.into(), failed: 1 });
        assert!(Actions::parse("{}").is_err());
    }

    #[test]
    fn a_quantile_is_what_so_many_do_not_exceed() {
        let times: Vec<u64> = (1..=200).collect();
        assert_eq!([0.5, 0.99, 0.999, 1.0].map(|share| quantile(&times, share)), [100, 198, 200, 200]);
        assert_eq!((quantile(&[7], 0.5), quantile(&[], 0.5)), (7, u64::MAX));
    }

    #[test]
    fn the_webhook_takes_one_message_after_the_other() {
        let mut stream = TcpStream::connect(webhook().unwrap()).unwrap();
        for body in ["{}", "", "{\"a\":1}"] {
            write!(stream, "POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
            let mut answer = [0; 27];
            stream.read_exact(&mut answer).unwrap();
            assert!(answer.starts_with(b"HTTP/1.1 204 "), "{answer:?}");
        }
    }
}
