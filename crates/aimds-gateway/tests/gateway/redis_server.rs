//! A real Redis server on a port of its own, which can be killed, stopped for a while and started again.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub struct RedisServer {
    pub port: u16,
    options: Vec<String>,
    running: Option<Child>,
}

impl RedisServer {
    /// Starts the program that `AIMDS_REDIS_SERVER` names.
    pub fn start(options: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let options = options.iter().map(|&option| option.to_owned()).collect();
        let mut server = Self { port, options, running: None };
        server.start_again();
        server
    }

    /// Starts it again, empty, on the same port.
    pub fn start_again(&mut self) {
        let program = std::env::var("AIMDS_REDIS_SERVER").expect("AIMDS_REDIS_SERVER names the program");
        let mut command = Command::new(program);
        command.args([
            "--port",
            &self.port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]);
        let child =
            command.args(&self.options).current_dir(std::env::temp_dir()).stdout(Stdio::null()).spawn();
        self.running = Some(child.unwrap());
        for _ in 0..500 {
            if self.answers() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the Redis server does not start");
    }

    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        let mut answer = [0; 1];
        // With a password it says that it wants one.
        stream.write_all(b"PING\r\n").is_ok() && stream.read_exact(&mut answer).is_ok()
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.running.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Sends a signal: `STOP` holds it, `CONT` lets it go on.
    pub fn signal(&self, name: &str) {
        let process = self.running.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-s", name, &process]).status().unwrap().success());
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}
