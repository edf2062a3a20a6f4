//! The gateway under load, as a process of its own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::Context as _;

use crate::process::{command, spawn, stop};

/// A gateway that is not listening by then will not.
const START: Duration = Duration::from_secs(30);

/// A running gateway, which ends with this value.
pub(crate) struct Gateway {
    child: Child,
    /// With its scheme.
    pub(crate) address: String,
    /// Address and port of the QUIC listener.
    pub(crate) quic: String,
    pub(crate) key: String,
}

impl Gateway {
    /// With its state in the directory; with a configuration, or as without one.
    pub(crate) fn start(
        aimds: &Path,
        directory: &Path,
        config: Option<&str>,
        environment: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let mut serve = command(aimds);
        serve.args(["serve", "--listen", "127.0.0.1:0", "--listen-quic", "127.0.0.1:0", "--data-dir"]);
        serve.arg(directory.join("data"));
        if let Some(text) = config {
            let config = directory.join("aimds.toml");
            fs::write(&config, text)?;
            serve.arg("--config").arg(config);
        }
        serve.env_remove("AIMDS_CONFIG").env("AIMDS_LOG", "warn").envs(environment.iter().copied());
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

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where it listens for HTTP.
    pub(crate) fn socket(&self) -> anyhow::Result<SocketAddr> {
        self.address.trim_start_matches("http://").parse().context("an address")
    }

    /// Processor time used so far, by the program and by the kernel for it, where the system tells.
    pub(crate) fn busy(&self) -> Option<Duration> {
        const TICKS_PER_SECOND: u64 = 100; // USER_HZ of Linux on every architecture that we run on
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        // The name in brackets may hold spaces; utime and stime are the 12th and 13th field after it.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        let mut ticks = || fields.next()?.parse::<u64>().ok();
        Some(Duration::from_millis((ticks()? + ticks()?) * 1000 / TICKS_PER_SECOND))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = stop(&mut self.child);
    }
}
