//! Limits on rates, the addresses that they count by, and the networks that administration is open to.

use aimds_gateway::generate_key;
use axum::body::Bytes;
use axum::http::Method;
use serde_json::json;

use crate::quic::client::{Client, ask};
use crate::support::{Gate, Reply, Upstream, chat, gate, gate_before};

async fn guarded(gate: &Gate, headers: &[(&str, String)]) -> Reply {
    gate.send(Method::POST, "/v1/guard", headers, Bytes::from(json!({ "text": "hello" }).to_string())).await
}

fn key(value: &str) -> (&'static str, String) {
    ("x-api-key", value.to_owned())
}

fn limited(reply: &Reply) -> bool {
    reply.status == 429 && reply.json()["error"]["code"] == "rate_limited"
}

#[tokio::test]
async fn a_caller_is_told_what_is_left_and_when_to_come_back() {
    let gate = gate("[rate_limits]\nper_key = \"3/1h\"\n").await;
    for left in [2, 1, 0] {
        let reply = guarded(&gate, &[key(&gate.key)]).await;
        assert_eq!((reply.status.as_u16(), reply.header("ratelimit-policy")), (200, "\"key\";q=3;w=3600"));
        let told = reply.header("ratelimit");
        assert!(told.starts_with(&format!("\"key\";r={left};t=")), "{told}");
        let full: u64 = told.rsplit('=').next().unwrap().parse().unwrap();
        assert!(((3 - left) * 1200 - 60..=(3 - left) * 1200).contains(&full), "{told}");
    }
    let reply = guarded(&gate, &[key(&gate.key)]).await;
    assert!(limited(&reply) && reply.decision() == "throttle");
    let wait: u64 = reply.header("retry-after").parse().unwrap();
    assert!((1100..=1200).contains(&wait), "{wait}");
    assert_eq!(reply.header("ratelimit"), format!("\"key\";r=0;t={wait}"));
    assert_eq!(reply.header("ratelimit-policy"), "\"key\";q=3;w=3600");
    // Over QUIC it is the same caller.
    let mut quic = Client::new(b"h3").http3(gate.quic).await;
    let body = json!({ "text": "hello" }).to_string();
    let reply = ask(&mut quic, Method::POST, "/v1/guard", &[("x-api-key", &gate.key)], body).await.unwrap();
    assert!(limited(&reply));
    // What needs no caller is not limited.
    let health = gate.send(Method::GET, "/healthz", &[], Bytes::new()).await;
    assert_eq!((health.status.as_u16(), health.headers.contains_key("ratelimit")), (200, false));
}

#[tokio::test]
async fn a_provider_is_limited_in_its_own_shape_and_the_model_is_not_asked() {
    let upstream = Upstream::start().await;
    let gate = gate_before(&upstream, "[rate_limits]\nper_key = \"1/1h\"\n").await;
    assert_eq!(gate.post("/v1/chat/completions", &chat("hello")).await.status, 200);
    let reply = gate.post("/v1/chat/completions", &chat("hello")).await;
    assert_eq!(
        (reply.status.as_u16(), reply.json()["error"]["type"].as_str()),
        (429, Some("rate_limit_error"))
    );
    let reply = gate.post("/v1/messages", &json!({ "model": "m", "max_tokens": 5, "messages": [] })).await;
    assert_eq!(
        (reply.status.as_u16(), reply.json()["error"]["type"].as_str()),
        (429, Some("rate_limit_error"))
    );
    assert_eq!(upstream.bodies().len(), 1);
}

#[tokio::test]
async fn keys_and_tenants_have_limits_of_their_own() {
    let [a, b, c] = [(); 3].map(|()| generate_key().unwrap());
    let named = |id: &str, tenant: &str, hash| {
        format!("{{ id = \"{id}\", tenant = \"{tenant}\", hash = \"{hash}\" }},")
    };
    let gate = gate(&format!(
        "[rate_limits]\nper_key = \"2/1h\"\nper_tenant = \"5/1h\"\nkeys = [{{ name = \"b\", rate = \"9/1h\" }}]\n\
         [auth]\nkeys = [{}{}{}]\n",
        named("a", "one", a.hash), named("b", "one", b.hash), named("c", "two", c.hash),
    ))
    .await;
    let served = async |secret: &str| {
        let mut served = 0;
        for _ in 0..6 {
            served += usize::from(guarded(&gate, &[key(secret)]).await.status == 200);
        }
        served
    };
    assert_eq!(served(&a.secret).await, 2, "its own limit");
    assert_eq!(served(&b.secret).await, 3, "what the tenant has left: who is limited uses up nothing");
    assert_eq!(served(&c.secret).await, 2, "another tenant");
    let reply = guarded(&gate, &[key(&b.secret)]).await;
    assert_eq!(reply.header("ratelimit-policy"), "\"key\";q=9;w=3600, \"tenant\";q=5;w=3600");
}

#[tokio::test]
async fn an_address_is_limited_before_its_keys_are_looked_at_and_only_a_trusted_proxy_names_others() {
    let limits = "[rate_limits]\nper_ip = \"3/1h\"\n";
    let direct = gate(limits).await;
    for forwarded in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
        let headers = [key("aimds_wrong"), ("x-forwarded-for", forwarded.to_owned())];
        assert_eq!(guarded(&direct, &headers).await.status, 401);
    }
    let good = [key(&direct.key), ("x-forwarded-for", "192.0.2.4".to_owned())];
    assert!(limited(&guarded(&direct, &good).await), "the header counts for nothing");
    let mut quic = Client::new(b"h3").http3(direct.quic).await;
    let reply = ask(&mut quic, Method::GET, "/metrics", &[("x-api-key", &direct.key)], "").await.unwrap();
    assert!(limited(&reply), "the same address over QUIC");

    let behind = gate(&format!("{limits}[listen]\ntrusted_proxies = [\"127.0.0.0/8\"]\n")).await;
    let from = async |address: &str| {
        guarded(&behind, &[key(&behind.key), ("x-forwarded-for", address.to_owned())]).await
    };
    for _ in 0..3 {
        assert_eq!(from("192.0.2.1").await.status, 200);
    }
    assert!(limited(&from("192.0.2.1").await));
    assert!(limited(&from("203.0.113.5, 192.0.2.1").await), "what a client writes itself");
    assert_eq!(from("192.0.2.2").await.status, 200);
    for host in 1..4 {
        assert_eq!(from(&format!("2001:db8:0:7::{host}")).await.status, 200);
    }
    assert!(limited(&from("2001:db8:0:7:ffff::1").await), "one subscriber");
    assert_eq!(from("2001:db8:0:8::1").await.status, 200);
}

#[tokio::test]
async fn administration_is_open_to_the_networks_that_are_listed() {
    let answers = async |config: &str, headers: &[(&str, String)]| {
        let gate = gate(config).await;
        let own = [headers, &[key(&gate.key)]].concat();
        let mut quic = Client::new(b"h3").http3(gate.quic).await;
        let tcp = gate.send(Method::GET, "/admin/access", &own, Bytes::new()).await;
        let names: Vec<_> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let quic = ask(&mut quic, Method::GET, "/admin/access", &names, "").await.unwrap();
        assert_eq!(guarded(&gate, &own).await.status, 200, "other routes are open");
        if tcp.status == 403 {
            assert_eq!(tcp.json()["error"]["code"], "address_not_allowed");
            // Not even whether a key is good is told.
            let unknown = gate.send(Method::GET, "/admin/access", headers, Bytes::new()).await;
            assert_eq!(unknown.status, 403);
        }
        [tcp.status.as_u16(), quic.status.as_u16()]
    };
    let open = "[admin]\nallow = [\"10.0.0.0/8\", \"127.0.0.1\"]\n";
    let closed = "[admin]\nallow = [\"10.0.0.0/8\", \"::1\"]\n";
    let claim = [("x-forwarded-for", "10.0.0.1".to_owned())];
    assert_eq!(answers(open, &[]).await, [200; 2]);
    assert_eq!(answers(closed, &[]).await, [403; 2]);
    assert_eq!(answers(closed, &claim).await, [403; 2]);
    let proxied = "[listen]\ntrusted_proxies = [\"127.0.0.1\"]\n";
    assert_eq!(answers(&format!("{closed}{proxied}"), &claim).await, [200; 2]);
    assert_eq!(
        answers(&format!("{open}{proxied}"), &[("x-forwarded-for", "192.0.2.1".to_owned())]).await,
        [403; 2]
    );
}
