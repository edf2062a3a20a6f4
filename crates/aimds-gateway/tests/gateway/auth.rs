use axum::body::Bytes;
use axum::http::Method;
use serde_json::json;

use crate::support::{gate, gate_with};

#[tokio::test]
async fn a_key_is_taken_from_every_header_that_clients_use() {
    let gate = gate("").await;
    let body = Bytes::from(json!({ "text": "hello" }).to_string());
    for (name, value) in [
        ("authorization", format!("Bearer {}", gate.key)),
        ("x-api-key", gate.key.clone()),
        ("Ocp-Apim-Subscription-Key", gate.key.clone()),
        ("api-key", gate.key.clone()),
    ] {
        let reply = gate.send(Method::POST, "/v1/guard", &[(name, value)], body.clone()).await;
        assert_eq!(reply.status, 200, "{name}");
    }
}

#[tokio::test]
async fn without_a_known_key_every_route_but_the_open_ones_is_closed() {
    let gate = gate("").await;
    let listed = gate.get("/openapi.json").await.json();
    let mut open = Vec::new();
    for (path, methods) in listed["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let method: Method = method.to_uppercase().parse().unwrap();
            for headers in [vec![], vec![("authorization", "Bearer aimds_wrong".to_owned())]] {
                let reply = gate.send(method.clone(), path, &headers, Bytes::new()).await;
                if reply.status == 401 {
                    assert_eq!(reply.header("www-authenticate"), "Bearer");
                    assert!(!reply.header("x-aimds-request-id").is_empty());
                } else {
                    open.push(path.clone());
                }
            }
        }
    }
    open.dedup();
    assert_eq!(open, ["/healthz", "/openapi.json", "/readyz"]);
}

#[tokio::test]
async fn a_key_without_the_scope_is_turned_away() {
    let key = aimds_gateway::generate_key().unwrap();
    let keys =
        format!("[auth]\nkeys = [{{ id = \"m\", hash = \"{}\", scopes = [\"metrics\"] }}]\n", key.hash);
    let gate = gate(&keys).await;
    let headers = [("x-api-key", key.secret)];
    let body = Bytes::from(json!({ "text": "hello" }).to_string());
    let reply = gate.send(Method::POST, "/v1/guard", &headers, body.clone()).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["error"]["code"]), (403, &json!("insufficient_scope")));
    let reply = gate.send(Method::POST, "/v1/chat/completions", &headers, body).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["error"]["code"]), (403, &json!("insufficient_scope")));
    assert_eq!(gate.send(Method::GET, "/metrics", &headers, Bytes::new()).await.status, 200);
}

#[tokio::test]
async fn the_tenant_comes_from_the_key() {
    let policy = "version = 1\n[findings.any]\n\"pii.email\" = \"flag\"\n\
                  [tenant.acme.findings.any]\n\"pii.email\" = \"block\"\n";
    let key = aimds_gateway::generate_key().unwrap();
    let keys =
        format!("[auth]\nkeys = [{{ id = \"other\", hash = \"{}\", tenant = \"other\" }}]\n", key.hash);
    let gate = gate_with(&keys, policy, None).await;
    let body = json!({ "text": format!("write to {}", crate::support::EMAIL) });
    assert_eq!(gate.post("/v1/guard", &body).await.decision(), "block");
    let other = [("x-api-key", key.secret)];
    let reply = gate.send(Method::POST, "/v1/guard", &other, body.to_string().into()).await;
    assert_eq!(reply.decision(), "flag");
}

#[tokio::test]
async fn without_required_auth_everyone_is_the_default_tenant_and_metrics_may_be_opened() {
    let gate_open = gate("[auth]\nrequire = false\n").await;
    let body = Bytes::from(json!({ "text": "hello" }).to_string());
    assert_eq!(gate_open.send(Method::POST, "/v1/guard", &[], body.clone()).await.status, 200);
    let gate_metrics = gate("[auth]\npublic_metrics = true\n").await;
    assert_eq!(gate_metrics.send(Method::GET, "/metrics", &[], Bytes::new()).await.status, 200);
    assert_eq!(gate_metrics.send(Method::POST, "/v1/guard", &[], body).await.status, 401);
}
