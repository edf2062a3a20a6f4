use serde_json::json;

use super::{IBAN, Office, review_of, risky};
use crate::support::{CARD, EMAIL, PLACEHOLDER, chat};

const TICKET: &str = "mode = \"ticket\"\n";

#[tokio::test]
async fn an_approval_lets_the_same_bytes_of_the_same_caller_pass_once() {
    let office = Office::open(TICKET, "").await;
    let body = risky(EMAIL);
    let id = review_of(&office.ask(&body).await);
    assert_eq!(id.len(), 36);
    let again = office.ask(&body).await;
    assert_eq!((review_of(&again), again.header("x-aimds-review-state")), (id.clone(), "pending"));
    assert_eq!(office.state(&id).await, "pending");

    let list = office.get_as(&office.ann, "/admin/reviews?state=pending").await.json();
    assert_eq!((&list["pending"], &list["reviews"][0]["id"]), (&json!(1), &json!(id)));
    assert!(!list.to_string().contains(IBAN));
    let shown = office.get_as(&office.ann, &format!("/admin/reviews/{id}")).await.json();
    assert_eq!(shown["texts"][0]["text"], format!("{IBAN} {EMAIL}"));
    assert_eq!((&shown["decisive"], &shown["editable"]), (&json!(0), &json!(true)));
    assert_eq!((&shown["verdict"]["decision"], &shown["requester"]), (&json!("escalate"), &json!("test")));
    let approved = office.decide(&id, "approve").await;
    assert_eq!((approved.status.as_u16(), &approved.json()["by"]), (200, &json!("ann")));
    assert_eq!(office.decide(&id, "deny").await.json()["error"]["code"], "review_decided");
    assert_eq!(office.state(&id).await, "approved");

    // Other bytes, another key of the tenant, another tenant, another route: each needs a person of its own.
    let changed = office.ask(&format!("{body} ")).await;
    let bobs = office.ask_as(&office.bob, &body).await;
    let eves = office.ask_as(&office.eve, &body).await;
    for other in [&changed, &bobs, &eves] {
        assert_ne!(review_of(other), id);
        assert_eq!(other.header("x-aimds-review-state"), "pending");
    }
    assert_eq!(office.arrived(), [""; 0]);

    let passed = office.ask(&body).await;
    assert_eq!((passed.status.as_u16(), passed.decision()), (200, "redact"), "{}", passed.text());
    assert_eq!(passed.json()["choices"][0]["message"]["content"], "Hello.");
    assert_eq!(
        office.arrived(),
        [body.replace(EMAIL, PLACEHOLDER)],
        "what is redacted is redacted all the same"
    );
    let status = office.gate.get(&format!("/v1/reviews/{id}")).await.json();
    assert_eq!((&status["state"], &status["used"]), (&json!("approved"), &json!(true)));

    let replayed = office.ask(&body).await;
    assert_ne!(review_of(&replayed), id);
    assert_eq!(office.arrived().len(), 1);
    assert_eq!(office.gate.metric("aimds_reviews_total{event=\"used\"}").await, 1.0);
    assert_eq!(office.gate.metric("aimds_reviews_pending").await, 4.0);
    assert_eq!(office.gate.metric("aimds_review_seconds_count").await, 1.0);
}

#[tokio::test]
async fn everything_is_recorded_and_nothing_of_it_is_text() {
    let office = Office::open(TICKET, "").await;
    let [yes, no] = [risky("yes"), risky("no")];
    let id = review_of(&office.ask(&yes).await);
    office.decide(&id, "approve").await;
    assert_eq!(office.ask(&yes).await.decision(), "flag");
    let id = review_of(&office.ask(&no).await);
    office.decide(&id, "deny").await;
    let denied = office.ask(&no).await;
    assert_eq!((review_of(&denied), denied.header("x-aimds-review-state")), (id.clone(), "denied"));
    assert_eq!(office.arrived(), [yes]);
    assert_eq!(office.close().await, ["opened -", "approved ann", "used ann", "opened -", "denied ann"]);
}

#[tokio::test]
async fn nobody_decides_on_a_request_of_their_own_or_of_another_tenant() {
    let office = Office::open(TICKET, "").await;
    let id = review_of(&office.ask(&risky("")).await);
    let approve = json!({ "action": "approve", "reason": "mine" });
    let own = office.decide_as(&office.gate.key, &id, &approve).await;
    assert_eq!((own.status.as_u16(), &own.json()["error"]["code"]), (403, &json!("own_request")));
    let path = format!("/admin/reviews/{id}");
    let foreign = office.decide_as(&office.eve, &id, &approve).await;
    assert_eq!((foreign.status.as_u16(), &foreign.json()["error"]["code"]), (404, &json!("no_such_review")));
    assert_eq!(office.get_as(&office.eve, &path).await.status, 404);
    assert_eq!(office.get_as(&office.eve, "/admin/reviews").await.json()["reviews"], json!([]));
    for stranger in [&office.bob, &office.eve] {
        assert_eq!(office.get_as(stranger, &format!("/v1/reviews/{id}")).await.status, 404);
    }
    // Without the scope nothing is seen; a key that only decides asks for nothing.
    assert_eq!(office.get_as(&office.bob, &path).await.status, 403);
    assert_eq!(office.get_as(&office.ann, &format!("/v1/reviews/{id}")).await.status, 403);
    assert_eq!(office.state(&id).await, "pending");
    assert_eq!(office.decide_as(&office.root, &id, &approve).await.status, 200);
    assert_eq!(office.close().await, ["opened -", "approved root"]);
}

#[tokio::test]
async fn what_the_policy_blocks_is_never_asked_about() {
    let office = Office::open(TICKET, "").await;
    let blocked = office.ask(&chat(&format!("{CARD} {IBAN}")).to_string()).await;
    assert_eq!((blocked.decision(), blocked.header("x-aimds-review")), ("block", ""));
    assert_eq!(office.gate.metric("aimds_reviews_pending").await, 0.0);
    let harmless = office.ask(&chat("hello").to_string()).await;
    assert_eq!((harmless.decision(), harmless.header("x-aimds-review")), ("allow", ""));
}

#[tokio::test]
async fn an_edited_text_is_inspected_and_goes_on_in_place_of_the_original() {
    let office = Office::open(TICKET, "").await;
    let body = risky("please pay");
    let id = review_of(&office.ask(&body).await);
    let edit = |at: usize, text: &str| json!({ "action": "edit", "reason": "too much", "texts": [{ "at": at, "text": text }] });
    for (decision, status, code) in [
        (edit(0, CARD), 409, "edit_blocked"),
        (edit(9, "hello"), 400, "invalid_request"),
        (json!({ "action": "edit", "reason": "r" }), 400, "invalid_request"),
        (
            json!({ "action": "approve", "reason": "r", "texts": [{ "at": 0, "text": "" }] }),
            400,
            "invalid_request",
        ),
        (json!({ "action": "deny", "reason": " " }), 400, "reason_missing"),
    ] {
        let reply = office.decide_as(&office.ann, &id, &decision).await;
        assert_eq!(
            (reply.status.as_u16(), &reply.json()["error"]["code"]),
            (status, &json!(code)),
            "{decision}"
        );
    }
    assert_eq!(office.state(&id).await, "pending");
    assert_eq!(office.decide_as(&office.ann, &id, &edit(0, "please \"wait\"")).await.status, 200);
    let passed = office.ask(&body).await;
    assert_eq!((passed.status.as_u16(), passed.decision()), (200, "allow"));
    let expected = chat("please \"wait\"").to_string();
    assert_eq!(office.arrived(), [expected]);
    let shown = office.get_as(&office.ann, &format!("/admin/reviews/{id}")).await.json();
    assert_eq!((&shown["label"], &shown["reason"]), (&json!(null), &json!("too much")));

    // Another text that needs a person has had one.
    let body = risky("more");
    let id = review_of(&office.ask(&body).await);
    let other = format!("{IBAN} less");
    assert_eq!(office.decide_as(&office.ann, &id, &edit(0, &other)).await.status, 200);
    assert_eq!(office.ask(&body).await.decision(), "flag");
    assert_eq!(office.arrived()[1], chat(&other).to_string());
    assert_eq!(
        office.close().await,
        ["opened -", "approved_edited ann", "used ann", "opened -", "approved_edited ann", "used ann"]
    );
}

#[tokio::test]
async fn the_guard_names_the_review_and_passes_once_after_it() {
    let office = Office::open(TICKET, "").await;
    let body = json!({ "text": IBAN });
    let asked = office.gate.post("/v1/guard", &body).await.json();
    assert_eq!((&asked["decision"], &asked["review"]["state"]), (&json!("escalate"), &json!("pending")));
    let id = asked["review"]["id"].as_str().unwrap();
    let edit = json!({ "action": "edit", "reason": "r", "texts": [{ "at": 0, "text": "x" }] });
    assert_eq!(office.decide_as(&office.ann, id, &edit).await.json()["error"]["code"], "not_editable");
    office.decide(id, "approve").await;
    let passed = office.gate.post("/v1/guard", &body).await;
    assert_eq!((passed.decision(), &passed.json()["decision"]), ("flag", &json!("flag")));
    let bare = office.gate.post("/v1/guard?format=verdict", &body).await;
    assert_eq!(bare.text(), "block", "another address, another request");
    let replayed = office.gate.post("/v1/guard", &body).await.json();
    assert_eq!(replayed["decision"], "escalate");
    assert_ne!(replayed["review"]["id"], id);

    // What is redacted is redacted all the same.
    let both = json!({ "text": format!("{IBAN} {EMAIL}"), "redact": true });
    let asked = office.gate.post("/v1/guard", &both).await.json();
    office.decide(asked["review"]["id"].as_str().unwrap(), "approve").await;
    let passed = office.gate.post("/v1/guard", &both).await.json();
    assert_eq!(
        (&passed["decision"], &passed["redacted"]),
        (&json!("redact"), &json!(format!("{IBAN} {PLACEHOLDER}")))
    );
}

#[tokio::test]
async fn without_a_queue_nobody_is_asked() {
    let office = Office::open("mode = \"off\"\n", "").await;
    let refused = office.ask(&risky("")).await;
    assert_eq!((review_of(&refused).as_str(), refused.decision()), ("", "escalate"));
    assert_eq!(office.get_as(&office.ann, "/admin/reviews").await.status, 404);
    let guard = office.gate.post("/v1/guard", &json!({ "text": IBAN })).await.json();
    assert_eq!((&guard["decision"], guard.get("review")), (&json!("escalate"), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_reviewer_says_is_learnt_from() {
    let learnt = tempfile::tempdir().unwrap();
    let state = learnt.path().join("learn.state");
    let office = Office::open(TICKET, &format!("[learn]\nstate = \"{}\"\n", state.display())).await;
    let (denied, approved) = (office.ask(&risky("a")).await, office.ask(&risky("b")).await);
    assert_eq!(office.decide(&review_of(&denied), "deny").await.status, 200);
    assert_eq!(office.decide(&review_of(&approved), "approve").await.status, 200);
    // A second word of a reviewer on the same request counts no more.
    let again = json!({ "request_id": review_of(&denied), "label": "benign" });
    assert_eq!(office.gate.post("/v1/feedback", &again).await.json()["taken"], false);
    office.close().await;
    let learner = aimds_gateway::LearnState::open(&state).unwrap().unwrap().learner;
    assert_eq!((learner.summary().labels, learner.summary().learnt), (2, 2));
}
