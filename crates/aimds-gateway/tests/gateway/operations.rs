use serde_json::json;

use crate::support::{CARD, EMAIL, Upstream, chat, completion, gate, gate_before};

#[tokio::test]
async fn health_and_readiness_need_no_key() {
    let gate = gate("").await;
    let reply = gate.send(axum::http::Method::GET, "/healthz", &[], Default::default()).await;
    assert_eq!((reply.status.as_u16(), reply.text()), (200, "ok\n"));
    let reply = gate.send(axum::http::Method::GET, "/readyz", &[], Default::default()).await;
    assert_eq!((reply.status.as_u16(), reply.json()), (200, json!({ "ready": true, "engine": true })));
}

#[tokio::test]
async fn metrics_count_exactly_what_happened() {
    let upstream = Upstream::start().await;
    let gate = gate_before(&upstream, "").await;
    gate.post("/v1/guard", &json!({ "text": "hello" })).await;
    gate.post("/v1/guard", &json!({ "text": format!("{EMAIL} {EMAIL}") })).await;
    gate.post("/v1/guard", &json!({ "text": CARD })).await;
    gate.post_bytes("/v1/guard", "{").await;
    upstream.answers(200, completion(EMAIL));
    gate.post("/v1/chat/completions", &chat("hello")).await;
    let exposed = gate.get("/metrics").await;
    let lines: Vec<_> = exposed.text().lines().collect();
    for line in [
        "aimds_requests_total{route=\"/v1/guard\",status=\"2xx\"} 3",
        "aimds_requests_total{route=\"/v1/guard\",status=\"4xx\"} 1",
        "aimds_requests_total{route=\"/v1/chat/completions\",status=\"2xx\"} 1",
        "aimds_decisions_total{direction=\"request\",action=\"block\"} 1",
        "aimds_decisions_total{direction=\"request\",action=\"redact\"} 1",
        "aimds_decisions_total{direction=\"response\",action=\"redact\"} 1",
        "aimds_findings_total{category=\"pii.email\"} 3",
        "aimds_findings_total{category=\"pii.credit_card\"} 1",
        "aimds_failures_total{code=\"malformed_json\"} 1",
        "aimds_engine_seconds_count 5",
        "aimds_request_seconds_count 5",
        "aimds_requests_in_flight 1",
        "aimds_requests_cancelled_total 0",
    ] {
        assert!(lines.contains(&line), "{line}\n{}", exposed.text());
    }
    assert!(!exposed.text().contains(EMAIL));
}

#[tokio::test]
async fn the_exposition_is_well_formed() {
    let gate = gate("").await;
    gate.post("/v1/guard", &json!({ "text": EMAIL })).await;
    let exposed = gate.get("/metrics").await;
    assert_eq!(exposed.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let mut families = std::collections::HashSet::new();
    for line in exposed.text().lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            assert!(families.insert(rest.split(' ').next().unwrap()), "twice: {line}");
        } else if !line.starts_with('#') {
            let (series, value) = line.rsplit_once(' ').unwrap();
            value.parse::<f64>().unwrap();
            let name = series.split('{').next().unwrap();
            let family =
                ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
            assert!(families.contains(family) || families.contains(name), "no type: {line}");
        }
    }
}

#[tokio::test]
async fn the_openapi_document_is_served() {
    let gate = gate("").await;
    assert_eq!(gate.get("/openapi.json").await.json(), aimds_gateway::openapi());
}
