//! Access tokens: who is let in by which issuer's keys, also while the issuer is away or changes its keys.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use aimds_gateway::{Claims, SigningKey};
use axum::body::Bytes;
use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{Gate, POLICY, Reply, Script, Upstream, chat, eventually, gate, gate_with};

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// What a good token says: for an hour, as an application of acme.
pub fn claims() -> Claims {
    Claims {
        issuer: "https://id.example".into(),
        audience: "aimds".into(),
        subject: "app-7".into(),
        tenant: Some("acme".into()),
        roles: vec!["app".into()],
        issued_s: now(),
        expires_s: now() + 3600,
    }
}

pub fn jwks(keys: &[&SigningKey]) -> String {
    json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() }).to_string()
}

/// The configuration of a gateway that trusts the issuer whose keys are at a place.
pub fn trusting(place: &str) -> String {
    format!(
        "[auth]\nroles = [{{ name = \"app\", scopes = [\"guard\", \"proxy\"] }}, {{ name = \"boss\", scopes = [\"admin\"] }}]\n\
         [[auth.issuers]]\nname = \"corp\"\nissuer = \"https://id.example\"\naudiences = [\"aimds\"]\njwks = '{place}'\n\
         tenant_claim = \"/tenant\"\nroles_claim = \"/roles\"\nrefresh_seconds = 1\n"
    )
}

async fn by(gate: &Gate, header: &str, value: String, path: &str, body: Option<&Value>) -> Reply {
    let method = if body.is_some() { Method::POST } else { Method::GET };
    let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
    gate.send(method, path, &[(header, value)], body).await
}

pub async fn guarded(gate: &Gate, token: &str) -> Reply {
    by(gate, "authorization", format!("Bearer {token}"), "/v1/guard", Some(&json!({ "text": "hello" }))).await
}

fn stored(folder: &Path, keys: &[&SigningKey]) -> String {
    let path = folder.join("jwks.json");
    std::fs::write(&path, jwks(keys)).unwrap();
    path.display().to_string()
}

#[tokio::test]
async fn a_token_lets_its_bearer_do_what_its_roles_allow_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey::generate().unwrap();
    let gate = gate(&trusting(&stored(folder.path(), &[&key]))).await;
    let token = key.issue(&claims()).unwrap();
    for (header, value) in [("authorization", format!("Bearer {token}")), ("x-api-key", token.clone())] {
        let reply = by(&gate, header, value, "/v1/guard", Some(&json!({ "text": "hello" }))).await;
        assert_eq!(reply.status, 200, "{header}");
    }
    let bearer = |claims: Claims| format!("Bearer {}", key.issue(&claims).unwrap());
    let admin =
        async |claims| by(&gate, "authorization", bearer(claims), "/admin/revocations", None).await.status;
    assert_eq!(admin(claims()).await, 403);
    let boss = || Claims { subject: "boss".into(), roles: vec!["boss".into()], ..claims() };
    assert_eq!(admin(boss()).await, 200);
    // A tenant's administrator revokes a bearer by its name, and sees no other tenant.
    let revoke = json!({ "action": "revoke", "key": "token:corp:app-7" });
    let others = Claims { tenant: Some("other".into()), ..boss() };
    let revoked = by(&gate, "authorization", bearer(others), "/admin/revocations", Some(&revoke)).await;
    assert_eq!((revoked.status.as_u16(), guarded(&gate, &token).await.status.as_u16()), (200, 200));
    let revoked = by(&gate, "authorization", bearer(boss()), "/admin/revocations", Some(&revoke)).await;
    assert_eq!(revoked.status, 200);
    let refused = guarded(&gate, &token).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]["code"]), (403, &json!("key_revoked")));
}

#[tokio::test]
async fn a_token_that_is_bad_in_any_way_is_refused_with_the_same_words() {
    let folder = tempfile::tempdir().unwrap();
    let (key, stranger) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let gate = gate(&trusting(&stored(folder.path(), &[&key]))).await;
    let make = |claims: Claims| key.issue(&claims).unwrap();
    let good = make(claims());
    assert_eq!(guarded(&gate, &good).await.status, 200);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let other = make(Claims { subject: "root".into(), ..claims() });
    let other = other.rsplit_once('.').unwrap().0;
    let unsigned = "eyJhbGciOiJub25lIn0";
    let payload = signed.split_once('.').unwrap().1;
    let bad = [
        ("expired", make(Claims { issued_s: now() - 7200, expires_s: now() - 3600, ..claims() })),
        ("from the future", make(Claims { issued_s: now() + 300, ..claims() })),
        ("for others", make(Claims { audience: "others".into(), ..claims() })),
        ("without a tenant", make(Claims { tenant: None, ..claims() })),
        ("of the default tenant", make(Claims { tenant: Some(String::new()), ..claims() })),
        ("of another issuer", make(Claims { issuer: "https://id.example/".into(), ..claims() })),
        ("of a key that is not known", stranger.issue(&claims()).unwrap()),
        ("with another's signature", format!("{other}.{signature}")),
        ("without a signature", format!("{signed}.")),
        ("with no algorithm", format!("{unsigned}.{payload}.")),
        ("cut off", signed.to_owned()),
        ("too long", format!("{good}{}", "A".repeat(9000))),
    ];
    let unknown = guarded(&gate, "aimds_unknown").await;
    let said = |reply: &Reply| {
        (reply.status, reply.json()["error"].clone(), reply.header("www-authenticate").to_owned())
    };
    for (what, token) in &bad {
        let reply = guarded(&gate, token).await;
        assert_eq!(said(&reply), said(&unknown), "{what}");
    }
    assert_eq!(said(&unknown).0, 401);
    // Clocks may differ by a minute.
    for claims in [
        Claims { issued_s: now() + 30, ..claims() },
        Claims { issued_s: now() - 3600, expires_s: now() - 30, ..claims() },
    ] {
        assert_eq!(guarded(&gate, &make(claims)).await.status, 200);
    }
}

#[tokio::test]
async fn a_bad_token_is_refused_where_nobody_is_asked_and_no_token_reaches_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey::generate().unwrap();
    let upstream = Upstream::start().await;
    let trust = trusting(&stored(folder.path(), &[&key])).replace("[auth]\n", "[auth]\nrequire = false\n");
    let gate = gate_with(&format!("{}{trust}", upstream.config()), POLICY, None).await;
    let ask = async |token: String| {
        let body = chat("hello");
        by(&gate, "authorization", format!("Bearer {token}"), "/v1/chat/completions", Some(&body))
            .await
            .status
    };
    assert_eq!(ask(key.issue(&claims()).unwrap()).await, 200);
    assert!(!upstream.last_headers().contains_key("authorization"), "the token stays here");
    let expired = Claims { issued_s: now() - 7200, expires_s: now() - 3600, ..claims() };
    assert_eq!(ask(key.issue(&expired).unwrap()).await, 401);
    assert_eq!(upstream.bodies().len(), 1);
    // A token of somebody else's is the caller's own for the model.
    let foreign = key.issue(&Claims { issuer: "https://model.example".into(), ..claims() }).unwrap();
    assert_eq!(ask(foreign.clone()).await, 200);
    assert_eq!(upstream.last_headers()["authorization"], format!("Bearer {foreign}"));
}

#[tokio::test]
async fn keys_are_fetched_and_the_last_good_ones_stay_while_the_issuer_is_away() {
    let issuer = Upstream::start().await;
    issuer.acts(Script::HangUp);
    let (first, second) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let gate = gate(&trusting(&format!("http://{}/jwks.json", issuer.address))).await;
    let token = |key: &SigningKey| key.issue(&claims()).unwrap();
    let status = async |key: &SigningKey| guarded(&gate, &token(key)).await.status.as_u16();
    let reads = |result: &str| format!("aimds_issuer_keys_read_total{{issuer=\"corp\",result=\"{result}\"}}");
    assert_eq!(status(&first).await, 401, "no keys yet");
    eventually("a failure is counted", async || gate.metric(&reads("failed")).await > 0.0).await;

    issuer.answers(200, jwks(&[&first]));
    eventually("the keys are there", async || status(&first).await == 200).await;
    assert_eq!(issuer.last_path(), "/jwks.json");

    // Away, an error, something else, nothing that fits: what was good last stays.
    let html = Script::Answer(200, vec![], Bytes::from_static(b"<html>"));
    let empty = Script::Answer(200, vec![], Bytes::from_static(b"{\"keys\":[]}"));
    let moved = Script::Answer(302, vec![("location", "http://127.0.0.1:1/")], Bytes::new());
    let large = Script::Answer(200, vec![], Bytes::from(vec![b' '; 300 << 10]));
    for bad in [Script::HangUp, Script::Answer(500, vec![], Bytes::new()), html, empty, moved, large] {
        let before = gate.metric(&reads("failed")).await;
        issuer.acts(bad);
        eventually("another failure", async || gate.metric(&reads("failed")).await > before).await;
        assert_eq!(status(&first).await, 200);
    }
    assert_eq!(gate.metric("aimds_issuer_keys{issuer=\"corp\"}").await, 1.0);

    // Rotation with overlap: both are good; then the old one is gone.
    issuer.answers(200, jwks(&[&second, &first]));
    eventually("the new key is known", async || status(&second).await == 200).await;
    assert_eq!(status(&first).await, 200);
    issuer.answers(200, jwks(&[&second]));
    eventually("the old key is gone", async || status(&first).await == 401).await;
    assert_eq!(status(&second).await, 200);
}

#[tokio::test]
async fn made_up_keys_do_not_make_the_gateway_ask_the_issuer_for_each() {
    let issuer = Upstream::start().await;
    let key = SigningKey::generate().unwrap();
    issuer.answers(200, jwks(&[&key]));
    let config = trusting(&format!("http://{}/jwks.json", issuer.address));
    let gate = gate(&config.replace("refresh_seconds = 1", "refresh_seconds = 300")).await;
    eventually("the keys are there", async || {
        guarded(&gate, &key.issue(&claims()).unwrap()).await.status == 200
    })
    .await;
    let before = issuer.bodies().len();
    for _ in 0..50 {
        let stranger = SigningKey::generate().unwrap();
        assert_eq!(guarded(&gate, &stranger.issue(&claims()).unwrap()).await.status, 401);
    }
    assert!(issuer.bodies().len() <= before + 1, "{} more", issuer.bodies().len() - before);
}

#[tokio::test]
async fn a_key_file_that_cannot_be_used_stops_the_start_and_a_later_one_does_no_harm() {
    use std::sync::Arc;

    use aimds_engine::Engine;
    use aimds_gateway::{BindError, Config, Gateway};

    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey::generate().unwrap();
    let path = stored(folder.path(), &[&key]);
    let engine = Arc::new(Engine::embedded().unwrap());
    for (content, expected) in [(Some("secret"), "it is no key set"), (None, "cannot read ")] {
        match content {
            Some(content) => std::fs::write(&path, content).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        let config = format!("[listen]\nhttp = \"127.0.0.1:0\"\nquic = \"\"\n{}", trusting(&path));
        let error =
            Gateway::bind(Config::parse(&config).unwrap(), Arc::clone(&engine), None).await.err().unwrap();
        let said = error.to_string();
        assert!(
            matches!(error, BindError::Tokens(_)) && said.contains(expected) && !said.contains("secret"),
            "{said}"
        );
    }
    stored(folder.path(), &[&key]);
    let gate = gate(&trusting(&path)).await;
    let token = key.issue(&claims()).unwrap();
    assert_eq!(guarded(&gate, &token).await.status, 200);
    std::fs::write(&path, "{\"keys\":[").unwrap();
    let failed = "aimds_issuer_keys_read_total{issuer=\"corp\",result=\"failed\"}";
    eventually("it was read", async || gate.metric(failed).await > 0.0).await;
    assert_eq!(guarded(&gate, &token).await.status, 200);
    let next = SigningKey::generate().unwrap();
    stored(folder.path(), &[&next]);
    eventually("the new key is known", async || {
        guarded(&gate, &next.issue(&claims()).unwrap()).await.status == 200
    })
    .await;
}
