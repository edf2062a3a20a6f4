use std::time::Duration;

use serde_json::{Value, json};

use super::{IBAN, Office, review_of, risky};
use crate::support::{Upstream, eventually};

#[tokio::test]
async fn what_nobody_decides_on_in_time_is_denied_and_its_texts_are_erased() {
    let office = Office::open("mode = \"ticket\"\ntimeout_ms = 300\n", "").await;
    let body = risky("");
    let id = review_of(&office.ask(&body).await);
    eventually("expired", async || office.state(&id).await == "expired").await;
    let shown = office.get_as(&office.ann, &format!("/admin/reviews/{id}")).await.json();
    assert_eq!((shown.get("texts"), shown.get("by")), (None, None), "{shown}");
    assert_eq!(office.decide(&id, "approve").await.json()["error"]["code"], "review_decided");
    assert_ne!(review_of(&office.ask(&body).await), id, "it may be asked again");
    assert_eq!(office.arrived(), [""; 0]);
    assert_eq!(office.close().await[..3], ["opened -", "expired -", "opened -"]);
}

#[tokio::test]
async fn the_default_can_be_yes_and_is_recorded_as_nobodys() {
    let office = Office::open("mode = \"ticket\"\ntimeout_ms = 200\non_timeout = \"approve\"\n", "").await;
    let body = risky("");
    let id = review_of(&office.ask(&body).await);
    eventually("approved", async || office.state(&id).await == "approved").await;
    assert_eq!(office.ask(&body).await.decision(), "flag");
    assert_eq!(office.arrived(), [body]);
    assert_eq!(office.close().await, ["opened -", "approved_by_timeout -", "used -"]);
}

#[tokio::test]
async fn an_approval_that_is_not_used_in_time_ends() {
    let office = Office::open("mode = \"ticket\"\ndecision_ms = 50\n", "").await;
    let body = risky("");
    let id = review_of(&office.ask(&body).await);
    office.decide(&id, "approve").await;
    tokio::time::sleep(Duration::from_millis(80)).await;
    assert_ne!(review_of(&office.ask(&body).await), id);
    assert_eq!(office.arrived(), [""; 0]);
}

#[tokio::test]
async fn a_full_queue_refuses_unless_the_oldest_is_to_go() {
    let office = Office::open("mode = \"ticket\"\nmax_pending = 1\n", "").await;
    let first = review_of(&office.ask(&risky("1")).await);
    assert_eq!(review_of(&office.ask(&risky("2")).await), "", "nobody is asked, and it does not go on");
    assert_eq!(office.gate.metric("aimds_reviews_total{event=\"full\"}").await, 1.0);
    office.decide(&first, "deny").await;
    assert_ne!(review_of(&office.ask(&risky("2")).await), "");
    let bytes = Office::open("mode = \"ticket\"\nmax_bytes = 100\n", "").await;
    assert_eq!(review_of(&bytes.ask(&risky("1")).await), "");
    assert_eq!(bytes.arrived(), [""; 0]);

    let office = Office::open("mode = \"ticket\"\nmax_pending = 1\non_full = \"oldest\"\n", "").await;
    let first = review_of(&office.ask(&risky("1")).await);
    let second = review_of(&office.ask(&risky("2")).await);
    assert_eq!(
        (office.state(&first).await, office.state(&second).await),
        ("expired".into(), "pending".into())
    );
    assert_eq!(office.close().await, ["opened -", "expired -", "opened -"]);
}

/// The secret that messages are signed with: a variable that every test of cargo's has.
const SECRET_ENV: &str = "CARGO_MANIFEST_DIR";

#[tokio::test]
async fn the_webhook_is_told_with_a_signature_and_without_texts() {
    let receiver = Upstream::start().await;
    receiver.answers(204, "");
    let notify = format!(
        "[notify]\nurl = \"http://{}/hook\"\nsecret_env = \"{SECRET_ENV}\"\nattempts = 1\n",
        receiver.address
    );
    let office = Office::open("mode = \"ticket\"\n", &notify).await;
    let id = review_of(&office.ask(&risky("of the customer")).await);
    eventually("told", async || receiver.bodies().len() == 1).await;
    let body = String::from_utf8(receiver.bodies()[0].to_vec()).unwrap();
    let headers = receiver.last_headers();
    let signature = headers["x-aimds-signature"].to_str().unwrap();
    let (at, v1) = signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    let secret = std::env::var(SECRET_ENV).unwrap();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    let signed = ring::hmac::sign(&key, format!("{at}.{body}").as_bytes());
    let hex: String = signed.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(v1, hex);
    let message: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&message["event"], &message["review"]), (&json!("review_opened"), &json!(id)));
    assert_eq!((&message["key"], &message["state"]), (&json!("test"), &json!("pending")));
    assert!(message["categories"].as_array().unwrap().contains(&json!("pii.iban")), "{message}");
    assert!(!body.contains(IBAN) && !body.contains("of the customer"), "{body}");
    office.decide(&id, "deny").await;
    eventually("told of the decision", async || receiver.bodies().len() == 2).await;
    let decided: Value = serde_json::from_slice(&receiver.bodies()[1]).unwrap();
    assert_eq!((&decided["event"], &decided["by"]), (&json!("review_denied"), &json!("ann")));
    assert!(!decided.to_string().contains("looked at it"), "a reason may quote a text");
}

#[tokio::test]
async fn a_tenant_that_fills_its_part_of_the_queue_is_told_and_the_others_have_theirs() {
    let config = "mode = \"ticket\"\nmax_pending_per_tenant = 1\non_full = \"oldest\"\n";
    let office = Office::open(config, "").await;
    let first = review_of(&office.ask(&risky("1")).await);
    let reply = office.ask(&risky("2")).await;
    assert_eq!((review_of(&reply).as_str(), reply.header("x-aimds-review-state")), ("", "tenant_full"));
    assert_eq!(office.state(&first).await, "pending");
    let guarded = office.gate.post("/v1/guard", &json!({ "text": IBAN })).await.json();
    assert_eq!(guarded["review"], json!({ "id": "", "state": "tenant_full" }));
    assert_eq!(office.gate.metric("aimds_reviews_total{event=\"tenant_full\"}").await, 2.0);
    assert_ne!(review_of(&office.ask_as(&office.eve, &risky("3")).await), "");
    office.decide(&first, "deny").await;
    assert_ne!(review_of(&office.ask(&risky("2")).await), "");
}
