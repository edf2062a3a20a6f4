//! How many verdicts a second two cores give, with the load generator on the same cores.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::gate_with;

const CONNECTIONS: usize = 32;
const TIME: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: run it alone on an idle machine"]
async fn ten_thousand_verdicts_a_second() {
    let gate = gate_with("", aimds_engine::DEFAULT_POLICY, None).await;
    let body =
        r#"{"text":"Could you summarise the attached report and list the three main risks for our team?"}"#;
    let request = format!(
        "POST /v1/guard HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        gate.key,
        body.len()
    );
    let until = Instant::now() + TIME;
    let workers: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (request, address) = (request.clone(), gate.address);
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let (mut took, mut buffer) = (Vec::new(), vec![0; 16 << 10]);
                while Instant::now() < until {
                    let started = Instant::now();
                    stream.write_all(request.as_bytes()).await.unwrap();
                    // An answer is far smaller than the buffer and arrives in one piece.
                    let length = stream.read(&mut buffer).await.unwrap();
                    assert!(
                        buffer[..length].starts_with(b"HTTP/1.1 200 OK") && buffer[..length].ends_with(b"}")
                    );
                    took.push(started.elapsed());
                }
                took
            })
        })
        .collect();
    let mut took = Vec::new();
    for worker in workers {
        took.extend(worker.await.unwrap());
    }
    took.sort_unstable();
    let rate = took.len() as f64 / TIME.as_secs_f64();
    let quantile = |q: f64| took[((took.len() - 1) as f64 * q) as usize];
    println!("{rate:.0} verdicts/s, p50 {:?}, p99 {:?}", quantile(0.5), quantile(0.99));
    println!("engine: {} s in all", gate.metric("aimds_engine_seconds_sum").await);
    assert!(rate >= 10_000.0);
}
