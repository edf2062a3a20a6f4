//! The shapes of other guards, exactly as their clients read them (PEERS.md §4).

use serde_json::{Value, json};

use crate::support::{CARD, EMAIL, PLACEHOLDER, gate, gate_with};

#[tokio::test]
async fn lakera_names_places_and_detectors() {
    let gate = gate("").await;
    let body = json!({
        "messages": [{ "role": "system", "content": "Be kind." }, { "role": "user", "content": format!("é {EMAIL}") }],
        "project_id": "project-123", "payload": true, "breakdown": true, "dev_info": true,
        "metadata": { "session_id": "s" },
    });
    let reply = gate.post("/v2/guard", &body).await;
    assert_eq!((reply.status.as_u16(), reply.decision()), (200, "redact"));
    let mut answer = reply.json();
    assert_eq!(answer["metadata"]["request_uuid"], reply.header("x-aimds-request-id"));
    let item = |kind: &str, detected: bool, message: usize| {
        json!({
            "project_id": "project-aimds", "policy_id": "policy-aimds", "message_id": message, "detected": detected,
            "detector_id": format!("detector-aimds-{}", kind.replace('/', "-")), "detector_type": kind,
        })
    };
    answer["metadata"].take();
    answer["dev_info"].take();
    assert_eq!(
        answer,
        json!({
            "flagged": true,
            "payload": [{
                "start": 2, "end": 2 + EMAIL.len(), "text": EMAIL, "detector_type": "pii/email", "labels": [],
                "message_id": 1,
            }],
            "breakdown": [
                item("prompt_attack", false, 0), item("prompt_attack", false, 1), item("pii/email", true, 1),
            ],
            "dev_info": null,
            "metadata": null,
        })
    );
    let reply =
        gate.post("/v2/guard", &json!({ "messages": [{ "role": "user", "content": "hello" }] })).await;
    assert_eq!(reply.json()["flagged"], false);
    assert_eq!(reply.json().as_object().unwrap().len(), 2, "only what was asked for");
}

#[tokio::test]
async fn moderations_answer_every_category_and_one_result_for_each_text() {
    let gate = gate("").await;
    for (input, flags) in [
        (json!("hello"), vec![false]),
        (json!(["hello", CARD]), vec![false, true]),
        (
            json!([{ "type": "text", "text": CARD }, { "type": "image_url", "image_url": { "url": "x" } }]),
            vec![true],
        ),
        (json!([]), vec![]),
    ] {
        let reply =
            gate.post("/v1/moderations", &json!({ "model": "omni-moderation-latest", "input": input })).await;
        assert_eq!(reply.status, 200);
        let answer = reply.json();
        assert!(answer["id"].as_str().unwrap().starts_with("modr-"));
        let results = answer["results"].as_array().unwrap();
        assert_eq!(
            results.iter().map(|result| result["flagged"].as_bool().unwrap()).collect::<Vec<_>>(),
            flags
        );
        for result in results {
            let categories = result["categories"].as_object().unwrap();
            assert_eq!(categories.len(), 13);
            assert!(categories.values().all(|flag| flag == false));
            let scores = result["category_scores"].as_object().unwrap();
            assert!(scores.keys().eq(categories.keys()) && scores.values().all(|score| score == 0.0));
            assert!(result["category_applied_input_types"].as_object().unwrap().keys().eq(categories.keys()));
        }
    }
    let reply = gate.post("/v1/moderations", &json!({ "input": 3 })).await;
    assert_eq!(reply.status, 400);
    assert_eq!(reply.json()["error"]["type"], "invalid_request_error");
}

async fn litellm(gate: &crate::support::Gate, body: Value) -> Value {
    let reply = gate.post("/beta/litellm_basic_guardrail_api", &body).await;
    assert_eq!(reply.status, 200);
    let mut answer = reply.json();
    if answer["action"] == "BLOCKED" {
        assert!(answer.as_object_mut().unwrap().remove("blocked_reason").unwrap().is_string());
    }
    answer
}

#[tokio::test]
async fn litellm_passes_masks_and_blocks() {
    let gate = gate("").await;
    let nulls = json!({
        "input_type": "request", "texts": ["hello"], "images": null, "tools": null, "tool_calls": null,
        "structured_messages": [{ "role": "user", "content": "hello" }], "model": "m", "litellm_version": "1.109.1",
        "request_data": { "user_api_key_hash": "h" }, "additional_provider_specific_params": {},
    });
    assert_eq!(litellm(&gate, nulls).await, json!({ "action": "NONE" }));
    let masked = litellm(&gate, json!({ "texts": ["one", EMAIL, "three"], "input_type": "response" })).await;
    assert_eq!(masked, json!({ "action": "GUARDRAIL_INTERVENED", "texts": ["one", PLACEHOLDER, "three"] }));
    assert_eq!(litellm(&gate, json!({ "texts": ["one", CARD] })).await, json!({ "action": "BLOCKED" }));
    let call = json!([{ "id": "c", "type": "function", "function": { "name": "f", "arguments": CARD } }]);
    assert_eq!(
        litellm(&gate, json!({ "texts": [], "tool_calls": call })).await,
        json!({ "action": "BLOCKED" })
    );
    let tools = json!([{ "type": "function", "function": { "name": "f", "description": CARD } }]);
    assert_eq!(
        litellm(&gate, json!({ "texts": ["a"], "tools": tools })).await,
        json!({ "action": "BLOCKED" })
    );
}

#[tokio::test]
async fn litellm_blocks_what_it_cannot_mask() {
    let gate = gate("").await;
    let call = json!([{ "id": "c", "type": "function", "function": { "name": "f", "arguments": EMAIL } }]);
    assert_eq!(
        litellm(&gate, json!({ "texts": ["a"], "tool_calls": call })).await,
        json!({ "action": "BLOCKED" })
    );
}

#[tokio::test]
async fn litellm_texts_have_the_origin_of_their_structured_message() {
    let policy = "version = 1\n[findings.tool]\n\"pii.email\" = \"block\"\n[findings.model]\n\"pii.email\" = \"redact\"\n";
    let gate = gate_with("", policy, None).await;
    let with_role =
        |role: &str| json!({ "texts": [EMAIL], "structured_messages": [{ "role": role, "content": EMAIL }] });
    assert_eq!(litellm(&gate, with_role("user")).await["action"], "NONE");
    assert_eq!(litellm(&gate, with_role("tool")).await["action"], "BLOCKED");
    assert_eq!(litellm(&gate, with_role("assistant")).await["action"], "GUARDRAIL_INTERVENED");
    assert_eq!(litellm(&gate, json!({ "texts": [EMAIL] })).await["action"], "NONE");
    let response = json!({ "texts": [EMAIL], "input_type": "response" });
    assert_eq!(litellm(&gate, response).await["action"], "GUARDRAIL_INTERVENED");
}

#[tokio::test]
async fn litellm_texts_are_masked_where_they_stand_and_calls_are_counted_once() {
    let policy = "version = 1\n[findings.tool]\n\"pii.email\" = \"redact\"\n\
        [[temporal]]\nname = \"pay once\"\nformula = 'at most 1 call(\"pay\")'\n";
    let gate = gate_with("", policy, None).await;
    let call =
        |id: &str| json!({ "id": id, "type": "function", "function": { "name": "pay", "arguments": "{}" } });
    let body = |calls: &[Value]| {
        json!({
            "texts": ["hello", EMAIL, EMAIL, "more"], "tool_calls": calls,
            "structured_messages": [
                { "role": "user", "content": "hello" },
                { "role": "user", "content": EMAIL },
                { "role": "assistant", "content": null, "tool_calls": [call("a")] },
                { "role": "tool", "tool_call_id": "a", "content": EMAIL },
            ],
        })
    };
    let masked = json!({ "action": "GUARDRAIL_INTERVENED", "texts": ["hello", EMAIL, PLACEHOLDER, "more"] });
    assert_eq!(litellm(&gate, body(&[call("a")])).await, masked);
    assert_eq!(litellm(&gate, body(&[call("a"), call("b")])).await, json!({ "action": "BLOCKED" }));
}

#[tokio::test]
async fn prompt_shield_answers_for_prompt_and_documents() {
    let gate = gate("").await;
    let path = "/contentsafety/text:shieldPrompt?api-version=2024-09-01";
    let reply = gate.post(path, &json!({ "userPrompt": "hello", "documents": ["one", CARD] })).await;
    assert_eq!(
        reply.json(),
        json!({
            "userPromptAnalysis": { "attackDetected": false },
            "documentsAnalysis": [{ "attackDetected": false }, { "attackDetected": false }],
        }),
        "personal data is no attack"
    );
    let reply = gate.post(path, &json!({ "documents": ["one"] })).await;
    assert_eq!(reply.json(), json!({ "documentsAnalysis": [{ "attackDetected": false }] }));
    let reply = gate.post(path, &json!({})).await;
    assert_eq!(reply.status, 400);
    let expected =
        json!({ "error": { "code": "invalid_request", "message": "give userPrompt, documents or both" } });
    assert_eq!(reply.json(), expected);
}

#[tokio::test]
async fn agentgateway_passes_masks_and_rejects_both_ways() {
    let gate = gate("[block]\nstatus = 422\nrefusal_text = \"Not this.\"\n").await;
    let ask = async |path: &str, body: Value| {
        let reply = gate.post(path, &json!({ "body": body })).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let mut answer = reply.json();
        let action = answer["action"].as_object_mut().unwrap();
        let reason = action.remove("reason").unwrap();
        assert!(!reason.as_str().unwrap().contains("@"));
        (reply.decision().to_owned(), json!(action))
    };
    let said = |role: &str, content: &str| json!({ "role": role, "content": content });
    let prompt = |texts: [&str; 2]| json!({ "messages": [said("system", texts[0]), said("User", texts[1])] });
    let choices = |texts: [&str; 2]| {
        let choice = |text| json!({ "message": said("Assistant", text) });
        json!({ "choices": texts.map(choice) })
    };
    let rejected = json!({ "body": "Not this.", "status_code": 422 });
    for (path, body) in [("/request", &prompt as &dyn Fn([&str; 2]) -> Value), ("/response", &choices)] {
        assert_eq!(ask(path, body(["Be kind.", "hello"])).await, ("allow".to_owned(), json!({})));
        let masked = json!({ "body": body(["Be kind.", PLACEHOLDER]) });
        assert_eq!(ask(path, body(["Be kind.", EMAIL])).await, ("redact".to_owned(), masked));
        assert_eq!(ask(path, body([EMAIL, CARD])).await, ("block".to_owned(), rejected.clone()));
        assert_eq!(gate.post(path, &json!({ "body": { "texts": [] } })).await.status, 400);
    }
    assert_eq!(ask("/request", json!({ "messages": [] })).await.1, json!({}));
}

#[tokio::test]
async fn agentgateway_roles_say_whose_texts_they_are() {
    let policy = "version = 1\n[findings.tool]\n\"pii.email\" = \"block\"\n[findings.document]\n\"pii.email\" = \"redact\"\n";
    let gate = gate_with("", policy, None).await;
    for (role, decision) in [("user", "allow"), ("Tool", "block"), ("system", "allow"), ("critic", "redact")]
    {
        let body = json!({ "body": { "messages": [{ "role": role, "content": EMAIL }] } });
        assert_eq!(gate.post("/request", &body).await.decision(), decision, "{role}");
    }
}
