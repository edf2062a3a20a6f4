use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::{CHAT, IBAN, Office, review_of, risky};
use crate::support::{EMAIL, PLACEHOLDER, chat, completion, eventually};

const WAIT: &str = "mode = \"wait\"\nwait_ms = 20000\n";

/// The review that waits, as soon as there is one.
async fn waiting(office: &Office) -> String {
    let mut id = String::new();
    eventually("it waits", async || {
        let list = office.get_as(&office.ann, "/admin/reviews?state=pending").await.json();
        id = list["reviews"][0]["id"].as_str().unwrap_or_default().to_owned();
        !id.is_empty()
    })
    .await;
    id
}

#[tokio::test]
async fn a_request_is_held_until_somebody_has_decided() {
    let office = Office::open(WAIT, "").await;
    let body = risky("go on");
    let (reply, ()) = tokio::join!(office.ask(&body), async {
        let id = waiting(&office).await;
        assert_eq!(office.arrived(), [""; 0]);
        assert_eq!(office.decide(&id, "approve").await.status, 200);
    });
    assert_eq!((reply.status.as_u16(), reply.decision()), (200, "flag"));
    assert_eq!(office.arrived(), std::slice::from_ref(&body));
    let (reply, id) = tokio::join!(office.ask(&body), async {
        let id = waiting(&office).await;
        office.decide(&id, "deny").await;
        id
    });
    assert_eq!((review_of(&reply), reply.header("x-aimds-review-state")), (id, "denied"));
    assert_eq!(office.arrived().len(), 1);
    assert_eq!(office.close().await, ["opened -", "approved ann", "used ann", "opened -", "denied ann"]);
}

#[tokio::test]
async fn when_the_time_is_up_the_answer_is_no() {
    let office = Office::open("mode = \"wait\"\nwait_ms = 400\n", "").await;
    let started = Instant::now();
    let reply = office.ask(&risky("")).await;
    let took = started.elapsed();
    assert_eq!(reply.header("x-aimds-review-state"), "expired", "{}", reply.decision());
    assert!(took >= Duration::from_millis(390) && took < Duration::from_secs(10), "{took:?}");
    assert_eq!(office.arrived(), [""; 0]);
    assert_eq!(office.close().await, ["opened -", "expired -"]);
}

#[tokio::test]
async fn of_two_who_wait_for_the_same_bytes_one_passes() {
    let office = Office::open(WAIT, "").await;
    let body = risky("");
    let (one, two, ()) = tokio::join!(office.ask(&body), office.ask(&body), async {
        let id = waiting(&office).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        office.decide(&id, "approve").await;
    });
    let mut decisions = [one.decision(), two.decision()];
    decisions.sort_unstable();
    assert_eq!((decisions, office.arrived().len()), (["escalate", "flag"], 1));
}

#[tokio::test]
async fn an_answer_in_one_piece_is_held_as_well() {
    let office = Office::open(WAIT, "").await;
    let body = chat("what is the account?").to_string();
    office.upstream.answers(200, completion(&format!("It is {IBAN}, {EMAIL}.")));
    let (reply, id) = tokio::join!(office.ask(&body), async {
        let id = waiting(&office).await;
        let shown = office.get_as(&office.ann, &format!("/admin/reviews/{id}")).await.json();
        assert_eq!((&shown["part"], &shown["editable"]), (&json!("response"), &json!(false)));
        assert!(shown["texts"].to_string().contains(IBAN), "{shown}");
        office.decide(&id, "approve").await;
        id
    });
    assert_eq!((reply.status.as_u16(), reply.decision()), (200, "redact"));
    let said = &reply.json()["choices"][0]["message"]["content"];
    assert_eq!(said, &format!("It is {IBAN}, {PLACEHOLDER}."));
    let (reply, again) = tokio::join!(office.ask(&body), async {
        let id = waiting(&office).await;
        office.decide(&id, "deny").await;
        id
    });
    assert_ne!(again, id, "the same answer needs a person again");
    assert_eq!((review_of(&reply), reply.header("x-aimds-review-state")), (again, "denied"));
    assert!(!reply.text().contains(IBAN));

    // Both halves of one exchange may need a person. The denial of the same answer would stand.
    let both = risky("");
    office.upstream.answers(200, completion(&format!("Now {IBAN}, {EMAIL}.")));
    let (reply, ids) = tokio::join!(office.ask(&both), async {
        let mut ids = Vec::new();
        for _ in 0..2 {
            let id = waiting(&office).await;
            office.decide(&id, "approve").await;
            ids.push(id);
        }
        ids
    });
    assert_eq!((reply.status.as_u16(), reply.decision()), (200, "redact"));
    assert_eq!(ids[1], format!("{}-answer", ids[0]));

    let office = Office::open("mode = \"ticket\"\n", "").await;
    office.upstream.answers(200, completion(IBAN));
    let refused = office.ask(&body).await;
    assert_eq!((review_of(&refused).as_str(), refused.text().contains(IBAN)), ("", false));
}

#[tokio::test]
async fn who_goes_away_withdraws_the_review() {
    let office = Office::open(WAIT, "").await;
    let body = risky("");
    let mut stream = TcpStream::connect(office.gate.address).await.unwrap();
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n{body}",
        office.gate.key,
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let id = waiting(&office).await;
    drop(stream);
    eventually("withdrawn", async || office.state(&id).await == "withdrawn").await;
    assert_eq!(office.decide(&id, "approve").await.json()["error"]["code"], "review_decided");
    assert_eq!(office.close().await, ["opened -", "withdrawn -"]);
}

#[tokio::test]
async fn where_too_many_wait_the_next_one_gets_a_ticket() {
    let office = Office::open(&format!("{WAIT}max_waiting = 1\n"), "").await;
    let first = risky("1");
    tokio::join!(
        async { assert_eq!(office.ask(&first).await.header("x-aimds-review-state"), "denied") },
        async {
            let id = waiting(&office).await;
            let ticket = office.ask(&risky("2")).await;
            assert_eq!(ticket.header("x-aimds-review-state"), "pending");
            office.decide(&review_of(&ticket), "approve").await;
            assert_eq!(office.ask(&risky("2")).await.decision(), "flag", "the same request passes once");
            office.decide(&id, "deny").await;
        }
    );
}
