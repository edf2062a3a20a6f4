//! Requests at a fixed rate over HTTP/1.1, whatever the answers do: a latency begins when its request was due, so that one slow
//! answer does not hide those behind it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::marked;
use super::upstream::find;

/// Whoever has not answered by then will not.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is asked of whom, and how often.
#[derive(Clone)]
pub(super) struct Pace {
    pub(super) address: SocketAddr,
    pub(super) key: String,
    /// Bodies, in turn.
    pub(super) bodies: Vec<String>,
    /// What a good answer holds.
    pub(super) holds: &'static str,
    pub(super) per_second: u64,
    pub(super) connections: u64,
    pub(super) duration: Duration,
    /// How long after `begin` the first request is due.
    pub(super) offset: Duration,
}

/// Latencies in microseconds, sorted.
#[derive(Default)]
pub(super) struct Paced {
    /// To the first byte of the body.
    pub(super) first: Vec<u64>,
    /// To the end of the body.
    pub(super) whole: Vec<u64>,
    pub(super) errors: u64,
    /// One of the errors, in words.
    pub(super) error: Option<String>,
}

impl Pace {
    /// Asks from `begin` on; gives what it took.
    pub(super) fn run(&self, begin: Instant) -> Paced {
        let mut all = Paced::default();
        std::thread::scope(|scope| {
            let workers: Vec<_> =
                (0..self.connections).map(|number| scope.spawn(move || self.work(begin, number))).collect();
            for measured in workers.into_iter().filter_map(|worker| worker.join().ok()) {
                all.first.extend(measured.first);
                all.whole.extend(measured.whole);
                all.errors += measured.errors;
                all.error = all.error.take().or(measured.error);
            }
        });
        all.first.sort_unstable();
        all.whole.sort_unstable();
        all
    }

    /// The requests of one connection, which is made anew after an error.
    fn work(&self, begin: Instant, number: u64) -> Paced {
        let mut measured = Paced::default();
        let mut connection = None;
        let total = self.per_second * self.duration.as_secs();
        for request in (number..total).step_by(usize::try_from(self.connections).unwrap_or(usize::MAX)) {
            let due = begin
                + self.offset
                + Duration::from_secs(request) / u32::try_from(self.per_second).unwrap_or(1);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let body = &self.bodies[usize::try_from(request).unwrap_or(0) % self.bodies.len()];
            match self.ask(&mut connection, &marked(body, request)) {
                Ok((first, whole)) => {
                    measured.first.push(micros(first.saturating_duration_since(due)));
                    measured.whole.push(micros(whole.saturating_duration_since(due)));
                }
                Err(error) => {
                    connection = None;
                    measured.errors += 1;
                    measured.error.get_or_insert_with(|| format!("{error:#}"));
                }
            }
        }
        measured
    }

    /// One request; when its first byte came and when its last.
    fn ask(&self, connection: &mut Option<TcpStream>, body: &str) -> anyhow::Result<(Instant, Instant)> {
        let stream = match connection {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect_timeout(&self.address, PATIENCE)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                connection.insert(stream)
            }
        };
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            self.key,
            body.len()
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        let mut piece = [0; 16 << 10];
        let mut first = None;
        loop {
            let read = stream.read(&mut piece)?;
            anyhow::ensure!(read > 0, "the connection was closed");
            answer.extend_from_slice(&piece[..read]);
            let Some(head) = find(&answer, b"\r\n\r\n").map(|at| at + 4) else { continue };
            if answer.len() > head {
                first.get_or_insert_with(Instant::now);
            }
            if is_whole(&answer, head)? {
                break;
            }
        }
        let end = Instant::now();
        let status = answer.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        anyhow::ensure!(status == b"200", "status {}", String::from_utf8_lossy(status));
        anyhow::ensure!(find(&answer, self.holds.as_bytes()).is_some(), "the answer is not the model's");
        Ok((first.context("an empty answer")?, end))
    }
}

/// Whether the body behind the head is complete. Chunks are not counted: events end with a line feed, so that what ends the
/// last chunk is found nowhere else.
fn is_whole(answer: &[u8], head: usize) -> anyhow::Result<bool> {
    let lines = std::str::from_utf8(&answer[..head])?.to_ascii_lowercase();
    if lines.contains("transfer-encoding: chunked") {
        return Ok(answer.ends_with(b"\r\n0\r\n\r\n"));
    }
    let length = lines.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.context("an answer without a length")?.trim().parse()?;
    Ok(answer.len() >= head + length)
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

/// The value below which a share of sorted values lies.
pub(super) fn quantile(sorted: &[u64], share: f64) -> u64 {
    let place = (sorted.len() as f64 * share) as usize;
    sorted.get(place.min(sorted.len().saturating_sub(1))).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::upstream::Upstream;

    #[test]
    fn as_many_requests_as_are_due_are_answered_whole_and_as_a_stream() {
        let upstream = Upstream::start().unwrap();
        for (body, holds) in [("{\"stream\":true}", "[DONE]"), ("{}", "chat.completion\"")] {
            let pace = Pace {
                address: upstream.address,
                key: "k".to_owned(),
                bodies: vec![body.to_owned()],
                holds,
                per_second: 100,
                connections: 3,
                duration: Duration::from_secs(1),
                offset: Duration::ZERO,
            };
            let paced = pace.run(Instant::now());
            assert_eq!((paced.whole.len(), paced.errors), (100, 0), "{:?}", paced.error);
            assert!(paced.first.iter().zip(&paced.whole).all(|(first, whole)| first <= whole));
            let paced = Pace { holds: "never", ..pace }.run(Instant::now());
            assert_eq!((paced.whole.len(), paced.errors), (0, 100));
        }
    }

    #[test]
    fn quantiles_of_sorted_values() {
        let values: Vec<u64> = (1..=100).collect();
        assert_eq!([0.0, 0.5, 0.99, 1.0].map(|share| quantile(&values, share)), [1, 51, 100, 100]);
        assert_eq!(quantile(&[], 0.5), 0);
    }
}
