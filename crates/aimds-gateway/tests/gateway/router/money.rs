use axum::body::Bytes;
use serde_json::json;

use super::{CHAT, key, pair, post_as, route, stream, target};
use crate::support::{
    After, Gate, POLICY, Script, Upstream, chat, chunks, completion, eventually, gate_with,
};

/// What one answer of the default upstream costs: three tokens in, two out.
const ONE: f64 = 7000.0;

async fn paid(gate: &Gate, target: &str) -> [f64; 4] {
    let mut numbers = [0.0; 4];
    for (number, name) in
        ["cost_nanodollars", "input_tokens", "output_tokens", "estimated"].iter().enumerate()
    {
        numbers[number] = gate.metric(&format!("aimds_router_{name}_total{{target=\"{target}\"}}")).await;
    }
    numbers
}

#[tokio::test]
async fn what_an_answer_costs_is_counted_by_target_tenant_and_key() {
    let (_, _, gate) = pair("", "").await;
    gate.post(CHAT, &chat("hello")).await;
    gate.post(CHAT, &chat("hello")).await;
    assert_eq!(paid(&gate, "a").await, [2.0 * ONE, 6.0, 4.0, 0.0]);
    for holder in ["holder=\"tenant\",name=\"acme\"", "holder=\"key\",name=\"test\""] {
        for period in ["day", "month"] {
            let series = format!("aimds_router_spent_nanodollars{{{holder},period=\"{period}\"}}");
            assert_eq!(gate.metric(&series).await, 2.0 * ONE, "{series}");
        }
    }
}

#[tokio::test]
async fn blocked_answers_are_paid_as_well() {
    let (a, _, gate) = pair("", "").await;
    a.answers(200, completion(crate::support::CARD));
    assert_eq!(gate.post(CHAT, &chat("hello")).await.decision(), "block");
    assert_eq!(paid(&gate, "a").await[0], ONE);
}

#[tokio::test]
async fn an_answer_without_usage_is_estimated_and_said_so() {
    let (a, _, gate) = pair("", "").await;
    let answer = json!({ "id": "x", "choices": [{ "index": 0, "message": { "role": "assistant", "content": "12345678" }, "finish_reason": "stop" }] });
    a.answers(200, answer.to_string());
    gate.post(CHAT, &chat(&"x".repeat(40))).await;
    let [cost, input, output, estimated] = paid(&gate, "a").await;
    assert_eq!((input, estimated), (10.0, 1.0));
    assert!(output >= 2.0 && cost == 1000.0 * input + 2000.0 * output, "{output} {cost}");
}

#[tokio::test]
async fn streams_are_paid_by_their_last_event_or_estimated() {
    let (a, _, gate) = pair("", "").await;
    let mut told = chunks(&["Hello ", "there."], "stop");
    let usage = json!({ "id": "x", "object": "chat.completion.chunk", "choices": [], "usage": { "prompt_tokens": 30, "completion_tokens": 20 } });
    told.insert(told.len() - 1, format!("data: {usage}\n\n"));
    a.streams(&told);
    let reply = gate.post(CHAT, &stream("hello")).await;
    assert!(reply.text().ends_with("[DONE]\n\n"));
    assert_eq!(paid(&gate, "a").await, [70_000.0, 30.0, 20.0, 0.0]);
    a.streams(&chunks(&["Hello ", "there."], "stop"));
    gate.post(CHAT, &stream("hello")).await;
    let [_, input, output, estimated] = paid(&gate, "a").await;
    assert_eq!((input, estimated), (32.0, 1.0));
    assert!(output >= 23.0, "{output}");
}

#[tokio::test]
async fn a_stream_that_the_caller_leaves_is_paid_until_then() {
    let (a, _, gate) = pair("", "").await;
    let words = "Some words of a long answer that never ends. ".repeat(10);
    let begun = &chunks(&[&words], "stop")[..2];
    a.acts(Script::Events(begun.iter().map(|text| Bytes::from(text.clone())).collect(), After::Stall));
    let asked = stream("hello");
    let left = tokio::time::timeout(std::time::Duration::from_secs(1), gate.post(CHAT, &asked)).await;
    assert!(left.is_err());
    eventually("it is paid", async || paid(&gate, "a").await[0] > 200_000.0).await;
    assert_eq!(paid(&gate, "a").await[3], 1.0);
}

#[tokio::test]
async fn a_budget_warns_stops_its_holder_alone_and_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let upstream = Upstream::start().await;
    let ((one, first), (two, second), (three, third)) = (key("k1", "t1"), key("k2", "t1"), key("k3", "t2"));
    let config = [
        format!("[router]\nledger = {:?}\n", directory.path().join("spent.db")),
        target("a", &upstream, ""),
        route("all", &["a"], ""),
        "[[router.budgets]]\nkey = \"k1\"\nperiod = \"month\"\ndollars = \"0.000014\"\n".to_owned(),
        "[[router.budgets]]\ntenant = \"t1\"\nperiod = \"month\"\ndollars = \"0.000024\"\n".to_owned(),
        one,
        two,
        three,
    ]
    .concat();
    let mut gate = gate_with(&config, POLICY, None).await;
    let ask = async |gate: &Gate, key: &str| post_as(gate, key, &chat("hello")).await;
    // 7 of 14 thousand, then all of them.
    for _ in 0..2 {
        let reply = ask(&gate, &first).await;
        assert_eq!((reply.status.as_u16(), reply.header("x-aimds-budget")), (200, ""));
    }
    let refused = ask(&gate, &first).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]["code"]), (429, &json!("budget_used_up")));
    assert_eq!(refused.header("x-should-retry"), "false");
    let left: u64 = refused.header("retry-after").parse().unwrap();
    assert!(left > 0 && left <= 31 * 86_400);
    // The tenant's other key: 21 of 24 thousand, a warning, then used up.
    let reply = ask(&gate, &second).await;
    assert_eq!((reply.status.as_u16(), reply.header("x-aimds-budget")), (200, ""));
    let reply = ask(&gate, &second).await;
    assert_eq!((reply.status.as_u16(), reply.header("x-aimds-budget")), (200, "87% spent"));
    assert_eq!(ask(&gate, &second).await.status.as_u16(), 429);
    assert_eq!(ask(&gate, &third).await.status.as_u16(), 200);
    let sent = upstream.bodies().len();
    assert_eq!(sent, 5);
    gate.stop();
    gate.stopped().await;

    let gate = gate_with(&config, POLICY, None).await;
    for refused in [&first, &second] {
        assert_eq!(ask(&gate, refused).await.status.as_u16(), 429);
    }
    assert_eq!(ask(&gate, &third).await.status.as_u16(), 200);
    assert_eq!(gate.metric("aimds_router_used_up_total").await, 2.0);
    assert_eq!(upstream.bodies().len(), sent + 1);
}

#[tokio::test]
async fn a_ledger_that_cannot_be_opened_stops_the_start() {
    let upstream = Upstream::start().await;
    let config = [
        "[router]\nledger = \"/nowhere/at/all/spent.db\"\n".to_owned(),
        target("a", &upstream, ""),
        route("all", &["a"], ""),
    ];
    let config = aimds_gateway::Config::parse(&config.concat()).unwrap();
    let config = aimds_gateway::Config { require_auth: false, ..config };
    let engine = std::sync::Arc::new(aimds_engine::Engine::embedded().unwrap());
    let error = aimds_gateway::Gateway::bind(config, engine, None).await.err().unwrap();
    assert_eq!(error.to_string(), "cannot open router.ledger");
}
