//! Limits that gateways share, with a real server between them.

use std::path::Path;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::Method;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use crate::quic::pki::Authority;
use crate::redis_server::RedisServer;
use crate::support::{Gate, Reply, eventually, gate};

/// A time limit that a busy machine keeps.
const PATIENT: &str = "redis_timeout_ms = 1000\n";

fn shared(limits: &str, port: u16) -> String {
    format!("[rate_limits]\n{limits}\nredis_url = \"redis://127.0.0.1:{port}\"\n")
}

async fn connected(config: &str) -> Gate {
    let gate = gate(config).await;
    is_up(&gate, true).await;
    gate
}

async fn is_up(gate: &Gate, up: bool) {
    eventually("the store is as expected", async || {
        open_metric(gate, "aimds_rate_limit_store_up").await == f64::from(u8::from(up))
    })
    .await;
}

/// A metric, read by somebody who is not limited.
async fn open_metric(gate: &Gate, series: &str) -> f64 {
    let reply = gate.send(Method::GET, "/metrics", &[], Bytes::new()).await;
    let line =
        reply.text().lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok());
    line.unwrap_or_else(|| panic!("no {series}"))
}

async fn answers(gate: &Gate, result: &str) -> f64 {
    open_metric(gate, &format!("aimds_rate_limit_store_answers_total{{result=\"{result}\"}}")).await
}

async fn ask(gate: &Gate) -> Reply {
    gate.post("/v1/guard", &json!({ "text": "hello" })).await
}

/// Requests of ten that are let in, from one gateway after the other.
async fn served(gates: &[&Gate]) -> usize {
    let mut served = 0;
    for round in 0..10 {
        let reply = ask(gates[round % gates.len()]).await;
        assert!([200, 429].contains(&reply.status.as_u16()), "{}", reply.status);
        served += usize::from(reply.status == 200);
    }
    served
}

const OPEN: &str = "[auth]\npublic_metrics = true\n";

#[tokio::test]
#[ignore = "needs a Redis server: AIMDS_REDIS_SERVER"]
async fn gateways_that_share_a_store_enforce_one_limit() {
    let server = RedisServer::start(&[]);
    let config =
        shared(&format!("per_key = \"5/1h\"\nper_tenant = \"100/1h\"\n{PATIENT}"), server.port) + OPEN;
    let (a, b) = (connected(&config).await, connected(&config).await);
    for (gate, left) in [(&a, 4), (&b, 3), (&a, 2)] {
        let reply = ask(gate).await;
        let told = reply.header("ratelimit");
        assert!(told.starts_with(&format!("\"key\";r={left};t=")), "{told}");
        assert!(told.contains(&format!("\"tenant\";r={}", 95 + left)), "{told}");
    }
    assert_eq!(served(&[&b, &a]).await, 2, "five in all");
    let reply = ask(&b).await;
    let wait: u64 = reply.header("retry-after").parse().unwrap();
    assert!((700..=720).contains(&wait), "{wait}");
    assert_eq!(reply.header("ratelimit"), format!("\"key\";r=0;t={wait}"));
    // Whoever is at the limit is known there: no flood reaches the server.
    let asked = answers(&b, "refused").await;
    assert_eq!(served(&[&b]).await, 0);
    assert_eq!((asked, answers(&b, "refused").await), (1.0, 1.0));
    // Callers at their limit have used up nothing of their tenant.
    let client = redis::Client::open(format!("redis://127.0.0.1:{}", server.port)).unwrap();
    let mut connection = client.get_connection().unwrap();
    let mut keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut connection).unwrap();
    keys.retain(|key| key != "aimds:probe");
    keys.sort();
    assert_eq!(keys.iter().map(String::len).collect::<Vec<_>>(), [42, 45], "{keys:?}");
    assert!(keys[0].starts_with("aimds:key:") && keys[1].starts_with("aimds:tenant:"), "{keys:?}");
    let used: String = redis::cmd("GET").arg(&keys[1]).query(&mut connection).unwrap();
    let used: u64 = used.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(used <= 5 * 36_000_000_000, "{used}");
}

#[tokio::test]
#[ignore = "needs a Redis server: AIMDS_REDIS_SERVER"]
async fn an_address_has_one_limit_at_all_gateways_before_its_keys_are_looked_at() {
    let server = RedisServer::start(&[]);
    let config = shared(&format!("per_ip = \"4/1h\"\n{PATIENT}"), server.port)
        + OPEN
        + "[listen]\ntrusted_proxies = [\"127.0.0.0/8\"]\n";
    let (a, b) = (connected(&config).await, connected(&config).await);
    let guess = async |gate: &Gate, from: &str| {
        let headers = [("x-api-key", "aimds_wrong".to_owned()), ("x-forwarded-for", from.to_owned())];
        gate.send(Method::POST, "/v1/guard", &headers, Bytes::from_static(b"{}")).await.status.as_u16()
    };
    let mut seen = Vec::new();
    for round in 0..6 {
        seen.push(guess([&a, &b][round % 2], "192.0.2.1").await);
    }
    assert_eq!(seen, [401, 401, 401, 401, 429, 429]);
    assert_eq!(guess(&a, "192.0.2.2").await, 401, "another address");
}

#[tokio::test]
#[ignore = "needs a Redis server: AIMDS_REDIS_SERVER"]
async fn a_store_that_is_killed_leaves_each_gateway_its_own_limits_until_it_is_back() {
    let mut server = RedisServer::start(&[]);
    let config = shared(&format!("per_key = \"6/1h\"\n{PATIENT}"), server.port) + OPEN;
    let (a, b) = (connected(&config).await, connected(&config).await);
    for gate in [&a, &b] {
        assert_eq!(ask(gate).await.status, 200);
    }
    server.kill();
    for gate in [&a, &b] {
        is_up(gate, false).await;
    }
    assert_eq!(served(&[&a]).await, 5, "it knows of its own");
    assert_eq!(served(&[&b]).await, 4, "it was told of the other's");
    assert_eq!((answers(&a, "away").await, answers(&b, "away").await), (5.0, 4.0));
    server.start_again();
    let c = connected(&config).await;
    for gate in [&a, &b] {
        is_up(gate, true).await;
    }
    assert_eq!(served(&[&c]).await, 6, "the store begins anew");
    assert_eq!(served(&[&a]).await, 0);
}

#[tokio::test]
#[ignore = "needs a Redis server: AIMDS_REDIS_SERVER"]
async fn a_store_that_hangs_holds_up_nobody_and_is_left_alone() {
    let server = RedisServer::start(&[]);
    let config = shared("per_key = \"1000/1h\"\nredis_timeout_ms = 20", server.port) + OPEN;
    let gate = connected(&config).await;
    // On a busy machine a connection may have been slow before; the next ones count.
    eventually("the store answers", async || {
        ask(&gate).await.status == 200 && answers(&gate, "granted").await > 0.0
    })
    .await;
    server.signal("STOP");
    let begun = Instant::now();
    for _ in 0..30 {
        assert_eq!(ask(&gate).await.status, 200);
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    is_up(&gate, false).await;
    let (slow, away) = (answers(&gate, "slow").await, answers(&gate, "away").await);
    assert!(slow >= 3.0 && away >= 20.0, "{slow} {away}");
    server.signal("CONT");
    is_up(&gate, true).await;
    let granted = answers(&gate, "granted").await;
    eventually("the store answers", async || {
        ask(&gate).await;
        answers(&gate, "granted").await > granted
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a Redis server: AIMDS_REDIS_SERVER"]
async fn a_wrong_password_is_a_store_that_is_away_until_the_file_holds_the_right_one() {
    let server = RedisServer::start(&["--requirepass", "right"]);
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    let write = |text: &str| secret(&password, text);
    write("wrong");
    let place = format!("redis_password_file = \"{}\"\n", password.display());
    let gate = gate(&(shared(&format!("per_key = \"5/1h\"\n{PATIENT}{place}"), server.port) + OPEN)).await;
    assert_eq!(served(&[&gate]).await, 5, "its own limits hold");
    assert_eq!((answers(&gate, "granted").await, answers(&gate, "away").await), (0.0, 5.0));
    write("right\n");
    is_up(&gate, true).await;
}

#[tokio::test]
#[ignore = "needs a Redis server: AIMDS_REDIS_SERVER"]
async fn the_store_is_reached_over_tls_if_its_certificate_is_of_the_authority() {
    let server = RedisServer::start(&["--requirepass", "right"]);
    let folder = tempfile::tempdir().unwrap();
    let (authority, other) = (Authority::new(), Authority::new());
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        secret(&path, text);
        path.display().to_string()
    };
    let (good, bad) = (file("ca.pem", authority.pem()), file("other.pem", other.pem()));
    let password = file("password", "right");
    let port = terminator(&authority, server.port).await;
    let config = |ca: &str| {
        format!(
            "[rate_limits]\nper_key = \"5/1h\"\n{PATIENT}redis_url = \"rediss://default@localhost:{port}\"\nredis_ca = \"{ca}\"\n\
             redis_password_file = \"{password}\"\n{OPEN}"
        )
    };
    let trusting = connected(&config(&good)).await;
    assert_eq!((served(&[&trusting]).await, answers(&trusting, "granted").await), (5, 5.0));
    let wary = gate(&config(&bad)).await;
    assert_eq!(served(&[&wary]).await, 5, "its own limits");
    assert_eq!(answers(&wary, "away").await, 5.0);
}

fn secret(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}

/// TLS in front of the server, as a proxy of its operator would have it.
async fn terminator(authority: &Authority, server: u16) -> u16 {
    let config = authority.server();
    let acceptor = tokio_rustls::TlsAcceptor::from(config);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut plain = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut plain).await;
            });
        }
    });
    port
}
