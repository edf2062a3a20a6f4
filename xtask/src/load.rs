//! `cargo xtask load`: a gateway of its own on a free loopback port, and a load generator at it for a bounded time.
//!
//! Generator and gateway share the machine: what comes out is a lower bound of what the gateway can do.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};

use crate::process::{BUILD_LIMIT, cargo, command, on_path, run as must, spawn, stop};

/// A gateway that is not listening by then will not.
const START: Duration = Duration::from_secs(30);
const SCRIPT: &str = include_str!("guard.lua");

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

/// Arguments of `cargo xtask load`.
#[derive(Args)]
pub(crate) struct Load {
    /// How requests travel
    #[arg(long, value_enum, default_value_t = Protocol::H1)]
    protocol: Protocol,
    /// Requests at a time on each connection; HTTP/1.1 has one
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1024))]
    streams: u64,
    /// How long, after a second to warm up
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Connections, each kept alive
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..=4096))]
    connections: u64,
    /// Threads of the load generator
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=64))]
    threads: u64,
    /// Leave out the audit log, which is a disk's speed and not the gateway's
    #[arg(long)]
    no_audit: bool,
}

pub(crate) fn run(load: &Load) -> anyhow::Result<()> {
    let generator = Generator::find(load)?;
    must(cargo().args(["build", "--release", "--package", "aimds-cli"]), BUILD_LIMIT)?;
    let directory = crate::target().join(format!("load-{}", std::process::id()));
    fs::create_dir_all(&directory)?;
    let result = measure(load, &generator, &directory);
    fs::remove_dir_all(&directory)?;
    result
}

fn measure(load: &Load, generator: &Generator, directory: &Path) -> anyhow::Result<()> {
    let gateway = Gateway::start(directory, load.no_audit)?;
    println!(
        "{} on POST {}/v1/guard: prompts of 200 characters, {} connections kept alive, {} requests at a time on each, {} s",
        generator.name(),
        gateway.address,
        load.connections,
        load.streams,
        load.seconds
    );
    generator.run(load, &gateway, directory, 1)?;
    let before = gateway.resident_kib();
    let busy_before = gateway.busy();
    let measured = generator.run(load, &gateway, directory, load.seconds)?;
    let after = gateway.resident_kib();
    measured.print();
    // Other than the rate, this hardly depends on who else uses the machine.
    if let Some((before, after)) = busy_before.zip(gateway.busy()) {
        let us = after.saturating_sub(before).as_secs_f64() * 1e6;
        println!("processor time of the gateway: {:.1} µs a request", us / measured.requests);
    }
    if let (Some(before), Some(after)) = (before, after) {
        println!("resident memory: {} KiB before, {} KiB after", before, after);
    }
    anyhow::ensure!(measured.requests > 0.0, "no request was answered");
    anyhow::ensure!(measured.errors == 0.0, "{} requests failed", measured.errors);
    Ok(())
}

/// What a load generator measured.
#[derive(Debug, Default, PartialEq)]
struct Measured {
    requests: f64,
    seconds: f64,
    p50_us: f64,
    p99_us: f64,
    max_us: f64,
    errors: f64,
}

impl Measured {
    /// Reads `aimds-load requests=1 seconds=2 …`.
    fn parse(line: &str) -> Option<Self> {
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

    fn print(&self) {
        let rate = self.requests / self.seconds.max(f64::MIN_POSITIVE);
        println!(
            "{rate:.0} requests/s ({:.0} in {:.1} s, {:.0} errors)",
            self.requests, self.seconds, self.errors
        );
        let ms = |us: f64| us / 1000.0;
        println!(
            "latency: p50 {:.3} ms, p99 {:.3} ms, max {:.3} ms",
            ms(self.p50_us),
            ms(self.p99_us),
            ms(self.max_us)
        );
    }
}

/// A program that makes requests.
enum Generator {
    Wrk(PathBuf),
    Oha(PathBuf),
    /// The example `load` of aimds-gateway, and the protocol that it is told to speak.
    Example(&'static str),
}

impl Generator {
    fn find(load: &Load) -> anyhow::Result<Self> {
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

    fn name(&self) -> &'static str {
        match self {
            Self::Wrk(_) => "wrk",
            Self::Oha(_) => "oha (one prompt: it knows no scripts)",
            Self::Example(_) => "the example `load`",
        }
    }

    fn run(
        &self,
        load: &Load,
        gateway: &Gateway,
        directory: &Path,
        seconds: u64,
    ) -> anyhow::Result<Measured> {
        let url = format!("{}/v1/guard", gateway.address);
        let limit = Duration::from_secs(seconds + 30);
        match self {
            Self::Wrk(program) => {
                let script = directory.join("guard.lua");
                fs::write(&script, SCRIPT)?;
                let mut wrk = command(program);
                let threads = load.threads.min(load.connections);
                wrk.args(["--threads", &threads.to_string(), "--connections", &load.connections.to_string()]);
                wrk.args(["--duration", &format!("{seconds}s"), "--timeout", "5s", "--script"]);
                wrk.arg(&script).args([&url, "--", &gateway.key]);
                let text = quiet(&mut wrk, limit)?;
                text.lines().find_map(Measured::parse).with_context(|| format!("wrk did not tell: {text}"))
            }
            Self::Oha(program) => {
                let prompt = "Please summarise the quarterly report for the board. ".repeat(4);
                let body = serde_json::json!({ "messages": [{ "role": "user", "content": &prompt[..200] }] });
                let mut oha = command(program);
                oha.args(["--no-tui", "--output-format", "json", "-z", &format!("{seconds}s")]);
                oha.args(["-c", &load.connections.to_string(), "-m", "POST", "-T", "application/json"]);
                oha.args([
                    "-H",
                    &format!("authorization: Bearer {}", gateway.key),
                    "-d",
                    &body.to_string(),
                    &url,
                ]);
                oha_result(&quiet(&mut oha, limit)?)
            }
            Self::Example(protocol) => {
                let mut example = command(crate::target().join("release/examples/load"));
                let address = match load.protocol {
                    Protocol::H3 => gateway.quic.as_str(),
                    _ => gateway.address.trim_start_matches("http://"),
                };
                example.args([protocol, address, &gateway.key, "--seconds", &seconds.to_string()]);
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

/// A running gateway, which ends with this value.
struct Gateway {
    child: Child,
    address: String,
    /// Address and port of the QUIC listener.
    quic: String,
    key: String,
}

impl Gateway {
    fn start(directory: &Path, no_audit: bool) -> anyhow::Result<Self> {
        let mut serve = command(crate::target().join("release/aimds"));
        serve.args(["serve", "--listen", "127.0.0.1:0", "--listen-quic", "127.0.0.1:0", "--data-dir"]);
        serve.arg(directory.join("data"));
        if no_audit {
            let config = directory.join("aimds.toml");
            fs::write(&config, "")?;
            serve.arg("--config").arg(config);
        }
        serve.env_remove("AIMDS_CONFIG").env("AIMDS_LOG", "warn");
        let mut child = spawn(serve.stdout(Stdio::piped()))?;
        let output = child.stdout.take().context("no output")?;
        let mut gateway = Self { child, address: String::new(), quic: String::new(), key: String::new() };
        let (send, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // Read to the end also when nobody listens any more: the gateway must not wait for a full pipe.
                let _ = send.send(line);
            }
        });
        while gateway.key.is_empty() {
            let line = lines.recv_timeout(START).context("the gateway did not start")?;
            if let Some(address) = line.strip_prefix("listening on ") {
                gateway.address = address.to_owned();
            } else if let Some((_, address)) = line.split_once("QUIC (HTTP/3, aimds/1) on ") {
                gateway.quic = address.split(' ').next().unwrap_or_default().to_owned();
            } else if let Some((_, key)) = line.split_once("shown only now: ") {
                gateway.key = key.to_owned();
            }
        }
        Ok(gateway)
    }

    /// Processor time used so far, by the program and by the kernel for it, where the system tells.
    fn busy(&self) -> Option<Duration> {
        const TICKS_PER_SECOND: u64 = 100; // USER_HZ of Linux on every architecture that we run on
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        // The name in brackets may hold spaces; utime and stime are the 12th and 13th field after it.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        let mut ticks = || fields.next()?.parse::<u64>().ok();
        Some(Duration::from_millis((ticks()? + ticks()?) * 1000 / TICKS_PER_SECOND))
    }

    /// Memory in use, where the system tells.
    fn resident_kib(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?
            .trim()
            .strip_suffix("kB")?
            .trim()
            .parse()
            .ok()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = stop(&mut self.child);
    }
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
