//! Who is let in, and to what.

use aimds_gateway::{NewKey, Scope, generate_key};
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
    let key = generate_key().unwrap();
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
    let key = generate_key().unwrap();
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

#[tokio::test]
async fn every_route_wants_the_scope_that_it_lists_and_no_other_scope_will_do() {
    let (keys, config) = one_key_for_each_scope();
    let gate = gate(&config).await;
    let listed = gate.get("/openapi.json").await.json();
    let mut asked = 0;
    for (path, methods) in listed["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let alternatives = operation["security"].as_array().unwrap().iter();
            let needed: Vec<_> = alternatives.filter_map(|one| one["bearer"][0].as_str()).collect();
            if needed.is_empty() {
                continue;
            }
            let method: Method = method.to_uppercase().parse().unwrap();
            for (scope, key) in &keys {
                let headers = [("x-api-key", key.secret.clone())];
                let reply = gate.send(method.clone(), path, &headers, Bytes::new()).await;
                let turned_away = [401, 403].contains(&reply.status.as_u16());
                assert_eq!(turned_away, !needed.contains(&scope.as_str()), "{method} {path} with {scope:?}");
                asked += 1;
            }
        }
    }
    assert!(asked >= 15 * keys.len(), "{asked}");
}

fn one_key_for_each_scope() -> (Vec<(Scope, NewKey)>, String) {
    let mut config = "[auth]\nkeys = [\n".to_owned();
    let keys = Scope::ALL.map(|scope| {
        let (name, key) = (scope.as_str(), generate_key().unwrap());
        let hash = &key.hash;
        config += &format!("{{ id = \"{name}\", hash = \"{hash}\", scopes = [\"{name}\"] }},\n");
        (scope, key)
    });
    (keys.into(), config + "]\n")
}

#[tokio::test]
async fn who_may_do_what_is_told_to_administrators_each_about_its_own_tenant() {
    let (mine, theirs) = (generate_key().unwrap(), generate_key().unwrap());
    let config = format!(
        "[auth]\nroles = [{{ name = \"app\", scopes = [\"guard\", \"proxy\"] }}]\nkeys = [\
         {{ id = \"root\", hash = \"{}\", scopes = [\"admin\"] }},\
         {{ id = \"app\", hash = \"{}\", tenant = \"other\", roles = [\"app\"] }}]\n",
        mine.hash, theirs.hash
    );
    let gate = gate(&config).await;
    let ask = async |key: &str| {
        gate.send(Method::GET, "/admin/access", &[("x-api-key", key.to_owned())], Bytes::new()).await
    };
    assert_eq!(ask(&theirs.secret).await.status, 403);
    let all = ask(&mine.secret).await.json();
    let key = |id: &str, tenant: &str, scopes: &[&str]| json!({ "id": id, "tenant": tenant, "by": "key", "scopes": scopes });
    let every: Vec<_> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
    let app = key("app", "other", &["guard", "proxy"]);
    assert_eq!(all["callers"], json!([key("root", "", &["admin"]), key("test", "acme", &every), app]),);
    assert_eq!(
        (&all["callers_total"], &all["roles"]),
        (&json!(3), &json!([{ "name": "app", "scopes": ["guard", "proxy"] }]))
    );
    assert_eq!(all["open"], json!(["GET /healthz", "GET /readyz", "GET /openapi.json"]));
    let scopes: Vec<_> = all["scopes"].as_array().unwrap().iter().map(|scope| &scope["scope"]).collect();
    assert_eq!(scopes, every);
    let metrics = all["scopes"].as_array().unwrap().iter().find(|scope| scope["scope"] == "metrics").unwrap();
    assert_eq!(metrics["routes"], json!(["GET /metrics"]));
    let mut listed: usize =
        all["scopes"].as_array().unwrap().iter().map(|s| s["routes"].as_array().unwrap().len()).sum();
    listed += all["open"].as_array().unwrap().len();
    let document = gate.get("/openapi.json").await.json();
    let routes = document["paths"].as_object().unwrap().values();
    assert_eq!(listed, routes.map(|methods| methods.as_object().unwrap().len()).sum::<usize>());
    // The key of the tests is one of the tenant acme: it sees its own tenant alone.
    let own = gate.get("/admin/access").await.json();
    assert_eq!((&own["callers"], &own["callers_total"]), (&json!([key("test", "acme", &every)]), &json!(1)));
}
