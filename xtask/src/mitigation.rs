//! `cargo xtask mitigation`: how long it takes from a verdict to the end of what a playbook orders, while the gateway has other
//! requests to answer. One request in so many is an attack, whose session is put into quarantine and of which a webhook on this
//! machine is told; the times are those that the gateway publishes (`aimds_action_seconds`).
//!
//! Generator, webhook and gateway share the machine: what comes out is an upper bound of what the gateway needs.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args;

use crate::load::gateway::Gateway;
use crate::load::generator::Measured;
use crate::process::{BUILD_LIMIT, cargo, command, on_path, output, run as must};

const SCRIPT: &str = include_str!("mitigation.lua");
/// An answer that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is under way at the end of the load is given its time.
const REST: Duration = Duration::from_secs(1);
/// 99 of 100 actions must have ended by then.
const PROMISED_S: f64 = 0.01;
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
    let before = Actions::parse(&metrics(&gateway)?);
    let asked = load(mitigation.seconds)?;
    std::thread::sleep(REST);
    let actions = Actions::parse(&metrics(&gateway)?).since(&before);
    asked.check()?;
    let rate = asked.rate();
    println!("one request in {} an attack, {} connections", mitigation.every, mitigation.connections);
    asked.lines().iter().for_each(|line| println!("{line}"));
    println!("actions: {} ended, {} failed", actions.ended, actions.failed);
    for share in [0.5, 0.99, 0.999, 1.0] {
        println!(
            "verdict to action done, p{}: at most {:.2} ms",
            share * 100.0,
            1e3 * actions.quantile(share)
        );
    }
    let expected = 2.0 * asked.requests / mitigation.every as f64;
    ensure!(actions.ended >= NEARLY * expected, "{expected:.0} actions were due");
    ensure!(actions.failed == 0.0, "{} actions failed", actions.failed);
    ensure!(rate >= NEARLY * mitigation.rate as f64, "the rate of {} was not reached", mitigation.rate);
    let p99 = actions.quantile(0.99);
    ensure!(p99 <= PROMISED_S, "99 of 100 took up to {:.1} ms, 10 are promised", 1e3 * p99);
    Ok(())
}

/// What the gateway publishes about actions.
#[derive(Debug, Default, PartialEq)]
struct Actions {
    /// How many took at most so many seconds; the last bound is infinite.
    within: Vec<(f64, f64)>,
    ended: f64,
    failed: f64,
}

impl Actions {
    fn parse(metrics: &str) -> Self {
        let mut actions = Self::default();
        for (name, value) in metrics.lines().filter_map(|line| line.rsplit_once(' ')) {
            let value: f64 = value.parse().unwrap_or(0.0);
            if let Some(bound) = name.strip_prefix("aimds_action_seconds_bucket{le=\"") {
                let bound = bound.trim_end_matches("\"}").parse().unwrap_or(f64::INFINITY);
                actions.within.push((bound, value));
            } else if name == "aimds_action_seconds_count" {
                actions.ended = value;
            } else if name.starts_with("aimds_actions_total{") && name.contains("result=\"failed\"") {
                actions.failed += value;
            }
        }
        actions
    }

    /// Without what was there before.
    fn since(mut self, before: &Self) -> Self {
        for ((_, count), (_, earlier)) in self.within.iter_mut().zip(&before.within) {
            *count -= earlier;
        }
        self.ended -= before.ended;
        self.failed -= before.failed;
        self
    }

    /// The bound that a share of the actions kept.
    fn quantile(&self, share: f64) -> f64 {
        let kept = self.within.iter().find(|(_, count)| *count >= share * self.ended);
        kept.map_or(f64::INFINITY, |(bound, _)| *bound)
    }
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

fn metrics(gateway: &Gateway) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(gateway.socket()?)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let key = &gateway.key;
    write!(
        stream,
        "GET /metrics HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n"
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    ensure!(text.starts_with("HTTP/1.1 200 "), "/metrics: {}", text.lines().next().unwrap_or_default());
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_what_came_since() {
        let metrics = |quick: u64, slow: u64, failed: u64| {
            Actions::parse(&format!(
                "# HELP aimds_action_seconds Time.\naimds_action_seconds_bucket{{le=\"0.01\"}} {quick}\n\
                 aimds_action_seconds_bucket{{le=\"0.1\"}} {slow}\naimds_action_seconds_bucket{{le=\"+Inf\"}} {slow}\n\
                 aimds_action_seconds_sum 3\naimds_action_seconds_count {slow}\n\
                 aimds_actions_total{{action=\"notify\",result=\"ok\"}} 5\n\
                 aimds_actions_total{{action=\"notify\",result=\"failed\"}} {failed}\n"
            ))
        };
        let actions = metrics(100, 200, 7).since(&metrics(50, 100, 4));
        assert_eq!((actions.ended, actions.failed), (100.0, 3.0));
        assert_eq!([0.1, 0.5, 0.51, 0.99].map(|share| actions.quantile(share)), [0.01, 0.01, 0.1, 0.1]);
        assert_eq!(metrics(0, 0, 0).quantile(0.99), 0.01);
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
