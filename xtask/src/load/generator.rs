//! Programs that make as many requests as are answered, and what they tell.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::{Load, PROMPT, Protocol, SCRIPT};
use crate::process::{BUILD_LIMIT, cargo, command, on_path, run as must, spawn};

/// What is asked.
pub(super) struct Target {
    /// With its scheme; of QUIC without.
    pub(super) address: String,
    pub(super) key: String,
    /// Requests to a model; none: the prompts, for `/v1/guard`.
    pub(super) chat: Vec<String>,
}

impl Target {
    fn path(&self) -> &'static str {
        if self.chat.is_empty() { "/v1/guard" } else { "/v1/chat/completions" }
    }
}

/// What a load generator measured.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Measured {
    pub(crate) requests: f64,
    pub(crate) seconds: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    max_us: f64,
    pub(crate) errors: f64,
}

impl Measured {
    /// Reads `aimds-load requests=1 seconds=2 …`.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut measured = Self::default();
        for pair in line.strip_prefix("aimds-load ")?.split_whitespace() {
            let (name, value) = pair.split_once('=')?;
            let field = match name {
                "requests" => &mut measured.requests,
                "seconds" => &mut measured.seconds,
                "p50_us" => &mut measured.p50_us,
                "p99_us" => &mut measured.p99_us,
                "max_us" => &mut measured.max_us,
                "errors" => &mut measured.errors,
                _ => return None,
            };
            *field = value.parse().ok()?;
        }
        Some(measured)
    }

    pub(crate) fn rate(&self) -> f64 {
        self.requests / self.seconds.max(f64::MIN_POSITIVE)
    }

    /// Whether every request was answered as it should be.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.requests > 0.0, "no request was answered");
        anyhow::ensure!(self.errors == 0.0, "{} of {} requests failed", self.errors, self.requests);
        Ok(())
    }

    pub(crate) fn lines(&self) -> [String; 2] {
        let ms = |us: f64| us / 1000.0;
        [
            format!("{:.0} requests/s ({:.0} in {:.1} s)", self.rate(), self.requests, self.seconds),
            format!(
                "latency: p50 {:.3} ms, p99 {:.3} ms, max {:.3} ms",
                ms(self.p50_us),
                ms(self.p99_us),
                ms(self.max_us)
            ),
        ]
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "requests": self.requests,
            "seconds": self.seconds,
            "requests_per_second": self.rate(),
            "p50_us": self.p50_us,
            "p99_us": self.p99_us,
            "max_us": self.max_us,
        })
    }
}

/// A program that makes requests.
pub(super) enum Generator {
    Wrk(PathBuf),
    Oha(PathBuf),
    /// The example `load` of aimds-gateway, and the protocol that it is told to speak.
    Example(&'static str),
}

impl Generator {
    pub(super) fn find(load: &Load) -> anyhow::Result<Self> {
        let protocol = match load.protocol {
            Protocol::H1 => return Self::for_http_1(load),
            Protocol::H2 => "h2",
            Protocol::H3 => "h3",
        };
        must(
            cargo().args(["build", "--release", "--package", "aimds-gateway", "--example", "load"]),
            BUILD_LIMIT,
        )?;
        Ok(Self::Example(protocol))
    }

    fn for_http_1(load: &Load) -> anyhow::Result<Self> {
        anyhow::ensure!(
            load.streams == 1,
            "--streams is for --protocol h2 and h3: HTTP/1.1 has one request at a time"
        );
        if let Some(wrk) = on_path("wrk") {
            return Ok(Self::Wrk(wrk));
        }
        let built = crate::target().join("tools/bin/oha");
        if let Some(oha) = on_path("oha").or_else(|| built.is_file().then_some(built)) {
            return Ok(Self::Oha(oha));
        }
        bail!(
            "needs a load generator: wrk (Debian: apt-get install wrk), or oha, which takes long to build: \
             cargo install --locked oha --root target/tools"
        )
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Wrk(_) => "wrk",
            Self::Oha(_) => "oha (one prompt: it knows no scripts)",
            Self::Example(_) => "the example `load`",
        }
    }

    /// Makes requests for so long.
    pub(super) fn run(
        &self,
        load: &Load,
        target: &Target,
        directory: &Path,
        seconds: u64,
    ) -> anyhow::Result<Measured> {
        let url = format!("{}{}", target.address, target.path());
        let limit = Duration::from_secs(seconds + 30);
        match self {
            Self::Wrk(program) => {
                let script = directory.join("guard.lua");
                fs::write(&script, SCRIPT)?;
                let mut wrk = command(program);
                let threads = load.threads.min(load.connections);
                wrk.args(["--threads", &threads.to_string(), "--connections", &load.connections.to_string()]);
                wrk.args(["--duration", &format!("{seconds}s"), "--timeout", "30s", "--script"]);
                wrk.arg(&script).args([&url, "--", &target.key]);
                if !target.chat.is_empty() {
                    wrk.arg(target.path()).args(&target.chat);
                }
                let text = quiet(&mut wrk, limit)?;
                text.lines().find_map(Measured::parse).with_context(|| format!("wrk did not tell: {text}"))
            }
            Self::Oha(program) => {
                let prompt = "Please summarise the quarterly report for the board. ".repeat(4);
                let guard =
                    json!({ "messages": [{ "role": "user", "content": &prompt[..PROMPT] }] }).to_string();
                let body = target.chat.first().unwrap_or(&guard);
                let mut oha = command(program);
                oha.args(["--no-tui", "--output-format", "json", "-z", &format!("{seconds}s")]);
                oha.args(["-c", &load.connections.to_string(), "-m", "POST", "-T", "application/json"]);
                oha.args(["-H", &format!("authorization: Bearer {}", target.key), "-d", body, &url]);
                oha_result(&quiet(&mut oha, limit)?)
            }
            Self::Example(protocol) => {
                let mut example = command(crate::target().join("release/examples/load"));
                let address = target.address.trim_start_matches("http://");
                example.args([protocol, address, &target.key, "--seconds", &seconds.to_string()]);
                example.args(["--connections", &load.connections.to_string()]);
                example.args(["--streams", &load.streams.to_string()]);
                let text = quiet(&mut example, limit)?;
                text.lines().find_map(Measured::parse).with_context(|| format!("load did not tell: {text}"))
            }
        }
    }
}

fn oha_result(text: &str) -> anyhow::Result<Measured> {
    let json: serde_json::Value = serde_json::from_str(text).context("oha did not write JSON")?;
    let number = |pointer: &str| json.pointer(pointer).and_then(serde_json::Value::as_f64).unwrap_or(0.0);
    let statuses = json["statusCodeDistribution"].as_object();
    let of = |good: bool| {
        let chosen = statuses.into_iter().flatten().filter(|(status, _)| (*status == "200") == good);
        chosen.filter_map(|(_, count)| count.as_f64()).sum::<f64>()
    };
    Ok(Measured {
        requests: of(true) + of(false),
        seconds: number("/summary/total"),
        p50_us: number("/latencyPercentiles/p50") * 1e6,
        p99_us: number("/latencyPercentiles/p99") * 1e6,
        max_us: number("/summary/slowest") * 1e6,
        errors: of(false),
    })
}

/// Runs a program and keeps what it writes to itself.
fn quiet(program: &mut std::process::Command, limit: Duration) -> anyhow::Result<String> {
    let mut child = spawn(program.stdout(Stdio::piped()))?;
    let mut output = child.stdout.take().context("no output")?;
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut output, &mut text).map(|_| text)
    });
    let status = crate::process::wait(&mut child, limit)?;
    let text = reader.join().ok().context("the reader ended")??;
    anyhow::ensure!(status.success(), "the load generator ended with {status}: {text}");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_script_is_read() {
        let line = "aimds-load requests=10 seconds=2.5 p50_us=100 p99_us=900 max_us=1000 errors=1";
        let expected = Measured {
            requests: 10.0,
            seconds: 2.5,
            p50_us: 100.0,
            p99_us: 900.0,
            max_us: 1000.0,
            errors: 1.0,
        };
        assert_eq!(Measured::parse(line), Some(expected));
        assert_eq!(Measured::parse("Requests/sec: 10"), None);
        assert_eq!(Measured::parse("aimds-load requests=many"), None);
    }

    #[test]
    fn what_oha_writes_is_read() {
        let text = r#"{"summary":{"total":2.0,"slowest":0.5},"latencyPercentiles":{"p50":0.001,"p99":0.002},
            "statusCodeDistribution":{"200":8,"503":2}}"#;
        let measured = oha_result(text).unwrap();
        assert_eq!((measured.requests, measured.errors, measured.p99_us), (10.0, 2.0, 2000.0));
        assert!(oha_result("nonsense").is_err());
    }
}
