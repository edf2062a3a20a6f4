//! `cargo xtask load`: a gateway of its own on a free loopback port, and a load generator at it for a bounded time.
//!
//! Generator and gateway share the machine: what comes out is a lower bound of what the gateway can do.

pub(crate) mod gateway;
pub(crate) mod generator;
mod in_line;
mod memory;
mod paced;
mod rival;
mod upstream;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::process::{BUILD_LIMIT, cargo, run as must};
use gateway::Gateway;
use generator::{Generator, Target};
use memory::Memory;

const SCRIPT: &str = include_str!("../guard.lua");
/// What becomes other ten letters in each request and answer, so that no text passes twice: scans of texts are kept.
const MARK: &str = "##########";
/// So many characters has a prompt.
const PROMPT: usize = 200;

/// How requests travel.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Protocol {
    /// HTTP/1.1, with wrk or oha
    H1,
    /// HTTP/2 without TLS, with the example `load` of aimds-gateway
    H2,
    /// HTTP/3 over QUIC, with the same
    H3,
}

/// Another gateway with a guardrail of its own.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Rival {
    /// LiteLLM's proxy with its content filter, which needs Python and installs packages below target/
    Litellm,
}

/// Arguments of `cargo xtask load`.
#[derive(Args)]
pub(crate) struct Load {
    /// How requests travel
    #[arg(long, value_enum, default_value_t = Protocol::H1)]
    protocol: Protocol,
    /// Requests at a time on each connection; HTTP/1.1 has one
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1024))]
    streams: u64,
    /// How long, after a second to warm up; of --in-line and --rival, for each of the things compared
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Connections, each kept alive
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..=2048))]
    connections: u64,
    /// Threads of the load generator
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=64))]
    threads: u64,
    /// Leave out the audit log, which is a disk's speed and not the gateway's
    #[arg(long)]
    no_audit: bool,
    /// What the in-line proxy adds to the latency of /v1/chat/completions: the same requests at --rate to it and to the model
    /// behind it, a local one that answers at once, side by side in the same seconds
    #[arg(long, conflicts_with_all = ["rival", "streams", "threads", "protocol"])]
    in_line: bool,
    /// Requests a second of --in-line, to each of both
    #[arg(long, default_value_t = 200, requires = "in_line", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    rate: u64,
    /// The in-line proxy and another gateway, one after the other, over the same model and from the same generator
    #[arg(long, value_enum, conflicts_with_all = ["streams", "protocol"])]
    rival: Option<Rival>,
    /// This `aimds` instead of one that is built now
    #[arg(long, value_name = "FILE")]
    aimds: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What was measured: for people, and for programs.
struct Report {
    lines: Vec<String>,
    json: Value,
}

pub(crate) fn run(load: &Load) -> anyhow::Result<()> {
    let aimds = match &load.aimds {
        Some(aimds) => std::path::absolute(aimds)?,
        None => {
            must(cargo().args(["build", "--release", "--package", "aimds-cli"]), BUILD_LIMIT)?;
            crate::target().join("release/aimds")
        }
    };
    let directory = crate::target().join(format!("load-{}", std::process::id()));
    fs::create_dir_all(&directory)?;
    let result = match (load.in_line, load.rival) {
        (true, _) => in_line::run(load, &aimds, &directory),
        (_, Some(Rival::Litellm)) => rival::run(load, &aimds, &directory),
        _ => guard(load, &aimds, &directory),
    };
    fs::remove_dir_all(&directory)?;
    let report = result?;
    match load.json {
        true => println!("{}", report.json),
        false => report.lines.iter().for_each(|line| println!("{line}")),
    }
    Ok(())
}

/// As many verdicts as the gateway can give.
fn guard(load: &Load, aimds: &Path, directory: &Path) -> anyhow::Result<Report> {
    let generator = Generator::find(load)?;
    let gateway = Gateway::start(aimds, directory, config(load, None).as_deref(), &[])?;
    let target = Target {
        address: match load.protocol {
            Protocol::H3 => gateway.quic.clone(),
            _ => gateway.address.clone(),
        },
        key: gateway.key.clone(),
        chat: Vec::new(),
    };
    generator.run(load, &target, directory, 1)?;
    let busy_before = gateway.busy();
    let memory = Memory::watch(gateway.id(), load.seconds);
    let measured = generator.run(load, &target, directory, load.seconds)?;
    let memory = memory.end();
    // Other than the rate, this hardly depends on who else uses the machine.
    let busy = busy_before.zip(gateway.busy());
    measured.check()?;
    let each =
        busy.map(|(before, after)| after.saturating_sub(before).as_secs_f64() * 1e6 / measured.requests);
    let mut lines = vec![format!(
        "{} on POST {}/v1/guard: prompts of {PROMPT} characters, {} connections kept alive, {} requests at a time on each, {} s",
        generator.name(),
        gateway.address,
        load.connections,
        load.streams,
        load.seconds
    )];
    lines.extend(measured.lines());
    lines.extend(each.map(|us| format!("processor time of the gateway: {us:.1} µs a request")));
    lines.extend(memory.line());
    let json = json!({
        "mode": "guard",
        "connections": load.connections,
        "streams": load.streams,
        "audit": !load.no_audit,
        "measured": measured.json(),
        "cpu_us_per_request": each,
        "memory": memory.json(),
    });
    Ok(Report { lines, json })
}

/// The configuration of a gateway with the model behind it, and, unless told otherwise, with audit log, causal memory and learner
/// in the shadow as without a configuration; `None` where it takes none.
fn config(load: &Load, upstream: Option<SocketAddr>) -> Option<String> {
    let records = match (load.no_audit, upstream) {
        (false, None) => return None,
        (false, Some(_)) => {
            "[audit]\npath = \"audit.db\"\n[graph]\npath = \"graph.db\"\n[learn]\nstate = \"learn.state\"\n"
        }
        (true, _) => "",
    };
    let upstream = upstream.map(|address| format!("[upstream]\nbase_url = \"http://{address}/v1\"\n"));
    Some(format!("{records}{}", upstream.unwrap_or_default()))
}

/// The prompts of the script that are no attacks, as requests to a model.
fn chat_bodies(stream: bool) -> Vec<String> {
    let prompts = SCRIPT.lines().filter_map(|line| line.trim().strip_prefix('"')?.strip_suffix("\","));
    let harmless = prompts.filter(|prompt| !prompt.starts_with("Ignore "));
    let body = |prompt: &str| {
        let text: String = format!("{MARK} {prompt}{prompt}").chars().take(PROMPT).collect();
        // The order of members is that of their names, so that "stream" is found as it is written here.
        json!({ "model": "m", "stream": stream, "messages": [{ "role": "user", "content": text }] })
            .to_string()
    };
    harmless.map(body).collect()
}

/// The text with letters for its [`MARK`]. Letters, since a number would be looked at as somebody's identifier.
fn marked(text: &str, number: u64) -> String {
    let letter = |digit: u8| char::from(b'a' + (digit - b'0'));
    let letters: String = format!("{number:010}").bytes().map(letter).collect();
    text.replacen(MARK, &letters, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_to_a_model_are_harmless_and_say_whether_they_want_a_stream() {
        let bodies = chat_bodies(true);
        assert_eq!(bodies.len(), 7);
        assert!(
            bodies
                .iter()
                .all(|body| body.contains("\"stream\":true") && !body.contains("previous instructions"))
        );
        assert!(bodies.iter().all(|body| body.contains(MARK) && !marked(body, 7).contains(MARK)));
        assert_eq!(marked("- ########## -", 1_234_567_890), "- bcdefghija -");
        assert!(chat_bodies(false).iter().all(|body| body.contains("\"stream\":false")));
    }
}
