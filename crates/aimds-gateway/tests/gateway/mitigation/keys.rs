use aimds_gateway::{NewKey, generate_key};
use axum::body::Bytes;
use axum::http::Method;
use serde_json::json;

use super::{Log, told};
use crate::support::{CARD, Gate, Reply, eventually, gate_with};

const POLICY: &str = "version = 1\n[[playbook]]\nname = \"stolen\"\ncategory = [\"pii.credit_card\"]\n\
    actions = [\"revoke_key\"]\n";

fn config(key: &NewKey, more: &str) -> String {
    format!(
        "{more}\n[[auth.keys]]\nid = \"app\"\nhash = \"{}\"\ntenant = \"acme\"\nscopes = [\"guard\"]\n",
        key.hash
    )
}

async fn by(gate: &Gate, key: &NewKey, text: &str) -> Reply {
    let headers = [("authorization", format!("Bearer {}", key.secret))];
    let body = Bytes::from(json!({ "text": text }).to_string());
    gate.send(Method::POST, "/v1/guard", &headers, body).await
}

#[tokio::test]
async fn a_revoked_key_is_refused_until_it_is_reinstated_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let state = format!("[mitigation]\nstate = {:?}\n", folder.path().join("state.json"));
    let key = generate_key().unwrap();
    let log = Log::open();
    let mut gate = gate_with(&config(&key, &state), POLICY, Some(log.log.clone())).await;
    assert_eq!(by(&gate, &key, CARD).await.json()["decision"], "block");
    let refused = by(&gate, &key, "hello").await;
    assert_eq!((refused.status.as_u16(), refused.decision()), (403, "block"));
    assert_eq!(refused.json()["error"]["code"], "key_revoked");
    // The operator's key still works.
    assert_eq!(gate.get("/admin/revocations").await.json()["revoked"][0]["key"], "app");
    eventually("kept", async || {
        gate.metric("aimds_actions_total{action=\"keep\",result=\"ok\"}").await > 0.0
    })
    .await;
    gate.stop();
    gate.stopped().await;

    let gate = gate_with(&config(&key, &state), POLICY, None).await;
    assert_eq!(by(&gate, &key, "hello").await.status, 403, "it holds after a restart");
    let reinstate = json!({ "action": "reinstate", "key": "app" });
    assert_eq!(gate.post("/admin/revocations", &reinstate).await.json()["changed"], true);
    assert_eq!(gate.post("/admin/revocations", &reinstate).await.json()["changed"], false);
    assert_eq!(by(&gate, &key, "hello").await.status, 200);
    let told = told(&log.of(gate, "action", &[CARD]).await);
    assert_eq!(told, ["keep ok file 1", "revoke_key ok key 1"]);

    let gate = gate_with(&config(&key, &state), POLICY, None).await;
    assert_eq!(by(&gate, &key, "hello").await.status, 200, "so does the reinstatement");
}

#[tokio::test]
async fn an_operator_revokes_and_cannot_lock_itself_out() {
    let key = generate_key().unwrap();
    let gate = gate_with(&config(&key, ""), "version = 1\n", None).await;
    let revoke = |key: &str| json!({ "action": "revoke", "key": key });
    assert_eq!(gate.post("/admin/revocations", &revoke("app")).await.json()["changed"], true);
    assert_eq!(by(&gate, &key, "hello").await.status, 403);
    for (body, expected) in [
        (revoke("test"), "a key cannot revoke itself"),
        (revoke(""), "key must have 1 to 256 bytes and no control characters"),
        (
            json!({ "action": "revoke", "key": "x", "tenant": "" }),
            "a key of a tenant manages its own sessions and keys",
        ),
    ] {
        assert_eq!(gate.post("/admin/revocations", &body).await.json()["error"]["message"], expected);
    }
}

#[tokio::test]
async fn without_keys_there_is_nothing_to_revoke_and_the_record_says_so() {
    let log = Log::open();
    let gate = gate_with("[auth]\nrequire = false\n", POLICY, Some(log.log.clone())).await;
    let ask = async || {
        gate.send(Method::POST, "/v1/guard", &[], Bytes::from(json!({ "text": CARD }).to_string())).await
    };
    assert_eq!(ask().await.json()["decision"], "block");
    assert_eq!(ask().await.json()["decision"], "block");
    let records = log.of(gate, "action", &[CARD]).await;
    assert_eq!(told(&records), ["revoke_key no_key request 0"; 2]);
}

#[tokio::test]
async fn a_disk_that_cannot_be_written_is_reported_and_the_key_is_refused_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("no/such/folder/state.json");
    let key = generate_key().unwrap();
    let gate = gate_with(&config(&key, &format!("[mitigation]\nstate = {place:?}\n")), POLICY, None).await;
    by(&gate, &key, CARD).await;
    assert_eq!(by(&gate, &key, "hello").await.status, 403);
    assert_eq!(gate.post("/v1/guard", &json!({ "text": "hello" })).await.status, 200);
    // It is tried again for some seconds; the folder appears meanwhile.
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    eventually("kept", async || place.exists()).await;
}
