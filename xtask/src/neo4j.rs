//! A Neo4j server for tests and measurements: from Maven Central, with its checksums, below `target/neo4j`.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::Context as _;

use crate::process::{command, on_path, run, spawn, stop};

/// What it is made of; beside it the sums of all the files that Maven finds for it.
const PARTS: &str = "tests/external/neo4j";
const LOADING: Duration = Duration::from_secs(600);

/// The folder with `lib` and `Launcher.java`. What is there is kept as long as the parts are the same.
pub(crate) fn provision() -> anyhow::Result<PathBuf> {
    let parts = crate::root().join(PARTS);
    let folder = crate::target().join("neo4j");
    let sums = read(&parts.join("jars.sha256"))?;
    let wanted = read(&parts.join("pom.xml"))? + &sums;
    fs::create_dir_all(&folder)?;
    fs::copy(parts.join("Launcher.java"), folder.join("Launcher.java"))?;
    let installed = folder.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|text| text == wanted) {
        return Ok(folder);
    }
    for program in ["java", "mvn"] {
        anyhow::ensure!(
            on_path(program).is_some(),
            "the Neo4j tests need {program} (Debian: openjdk-17-jre-headless, maven)"
        );
    }
    let count = sums.lines().count();
    println!("loading Neo4j into target/neo4j, once: {count} files, about 130 MB");
    let lib = folder.join("lib");
    if lib.exists() {
        fs::remove_dir_all(&lib)?;
    }
    // Checksums that do not agree end the build (-C); then all files together are those that were here when this was written.
    let mut maven = command("mvn");
    maven.args(["--quiet", "--batch-mode", "--strict-checksums", "--file"]).arg(parts.join("pom.xml"));
    maven.arg("dependency:copy-dependencies").arg(format!("-DoutputDirectory={}", lib.display()));
    run(&mut maven, LOADING)?;
    let mut check = command("sha256sum");
    check.args(["--check", "--strict", "--quiet"]).arg(parts.join("jars.sha256")).current_dir(&lib);
    run(&mut check, LOADING)?;
    let found = fs::read_dir(&lib)?.count();
    anyhow::ensure!(found == count, "Maven found {found} files where {count} are known");
    fs::write(&installed, wanted)?;
    Ok(folder)
}

/// An empty server for one measurement; it ends, and its files go, when this is dropped.
pub(crate) struct Server {
    process: Child,
    folder: PathBuf,
    /// Where it answers.
    pub(crate) url: String,
}

/// The password of the user neo4j on [`Server`].
pub(crate) const PASSWORD: &str = "correct-horse";
/// Where the graph of a measurement has room; what the database keeps of its files beside that is up to it.
const HEAP: &str = "-Xmx1g";

impl Server {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let parts = provision()?;
        let folder = crate::target().join(format!("neo4j-{}", std::process::id()));
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut java = command("java");
        java.arg(HEAP);
        java.args(
            ["java.nio", "java.io", "java.lang", "sun.nio.ch"]
                .map(|package| format!("--add-opens=java.base/{package}=ALL-UNNAMED")),
        );
        java.arg("-cp")
            .arg(parts.join("lib/*"))
            .arg(parts.join("Launcher.java"))
            .arg(&folder)
            .arg(port.to_string());
        // It ends with its standard input.
        java.env("AIMDS_NEO4J_PASSWORD", PASSWORD).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut server = Self { process: spawn(&mut java)?, folder, url: format!("bolt://127.0.0.1:{port}") };
        let output = server.process.stdout.take().context("the server has no output")?;
        let is_ready = BufReader::new(output).lines().map_while(Result::ok).any(|line| line == "ready");
        anyhow::ensure!(is_ready, "the Neo4j server ended");
        Ok(server)
    }

    /// The most memory that it has held, and what its files take, in bytes; where the system tells.
    pub(crate) fn size(&self) -> (Option<u64>, Option<u64>) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).ok();
        let peak =
            status.as_deref().and_then(|status| status.lines().find_map(|line| line.strip_prefix("VmHWM:")));
        let peak = peak.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        (peak.map(|kib| kib * 1024), bytes_in(&self.folder.join("data")).ok())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = stop(&mut self.process);
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn bytes_in(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() { bytes_in(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
