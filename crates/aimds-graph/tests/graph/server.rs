//! A Neo4j server of a test's own, from the folder that xtask made (AIMDS_NEO4J_FOLDER). The gateway's tests use it, too.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The password of the user neo4j: AIMDS_NEO4J_PASSWORD where it is set, which the gateway reads as well.
pub fn password() -> String {
    std::env::var("AIMDS_NEO4J_PASSWORD").unwrap_or_else(|_| "correct-horse".to_owned())
}

/// Is killed at the end.
pub struct Server {
    child: Child,
    pub port: u16,
}

impl Server {
    /// Starts one on what another may have left behind, and waits until it answers.
    pub fn start(data: &Path, port: u16) -> Self {
        let folder = PathBuf::from(std::env::var_os("AIMDS_NEO4J_FOLDER").expect("AIMDS_NEO4J_FOLDER"));
        let opened = ["java.nio", "java.io", "java.lang", "sun.nio.ch"];
        let opened = opened.map(|package| format!("--add-opens=java.base/{package}=ALL-UNNAMED"));
        let mut child = Command::new("java")
            .arg("-Xmx512m")
            .args(opened)
            .arg("-cp")
            .arg(folder.join("lib/*"))
            .arg(folder.join("Launcher.java"))
            .arg(data)
            .arg(port.to_string())
            .env("AIMDS_NEO4J_PASSWORD", password())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "ready"), "the server ended");
        Self { child, port }
    }

    /// No warning, no goodbye.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
