//! Configuration and policy are exchanged while the gateway runs.
#![cfg(unix)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::command::{BLOCK_EMAIL, Folder, WITH_EMAIL, run};
use crate::serve::Running;
use crate::token::made;

const LOG: &str = "log.txt";
const ALLOW: &str = "version = 1\n";

fn config(more: &str) -> String {
    format!(
        "[listen]\nquic = \"\"\n[auth]\nrequire = false\n[policy]\npath = \"policy.toml\"\n\
         [audit]\npath = \"audit.db\"\n{more}"
    )
}

/// Waits until something becomes true.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..600 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("never: {what}");
}

fn log(folder: &Folder) -> String {
    std::fs::read_to_string(folder.path().join(LOG)).unwrap()
}

/// The records of reloads, without what differs between runs.
fn records(folder: &Folder) -> Vec<serde_json::Value> {
    let path = folder.path().join("audit.db");
    let exported = run(&["audit", "export", path.to_str().unwrap(), "--kind", "config"]);
    assert_eq!(exported.status, 0, "{}", exported.stderr);
    exported.lines().into_iter().map(|record| record["body"].clone()).collect()
}

#[test]
fn a_good_change_takes_effect_and_a_bad_one_keeps_the_old_one_and_says_why() {
    let folder = Folder::new();
    let path = folder.file("aimds.toml", config("[reload]\nwatch_seconds = 0\n"));
    folder.file("policy.toml", ALLOW);
    let running = Running::start_logging(&folder, &["--config", &path], &folder.path().join(LOG));
    assert_eq!(running.guard("", WITH_EMAIL).1["decision"], "allow");

    folder.file("policy.toml", BLOCK_EMAIL);
    assert_eq!(running.guard("", WITH_EMAIL).1["decision"], "allow", "nobody has said so");
    running.hang_up();
    eventually("the policy is in force", || running.guard("", WITH_EMAIL).1["decision"] == "block");

    folder.file("policy.toml", "version = 1\nmode = \"sometimes\"\n");
    running.hang_up();
    eventually("the log says why", || log(&folder).contains("unknown variant `sometimes`"));
    folder.file("policy.toml", BLOCK_EMAIL);
    folder.file("aimds.toml", config("[limits]\nbody_byte = 10\n"));
    running.hang_up();
    eventually("the log says why", || log(&folder).contains("did you mean `body_bytes`?"));
    assert_eq!(running.guard("", WITH_EMAIL).1["decision"], "block");

    folder.file("aimds.toml", config("[limits]\nbody_bytes = 10\n[sessions]\nper_tenant = 7\n"));
    running.hang_up();
    eventually("the limit is in force", || running.guard("", WITH_EMAIL).0 == 413);
    eventually("the log says what waits", || {
        log(&folder).contains("these changes take effect with the next start")
    });
    running.stop();

    let records = records(&folder);
    let told: Vec<_> =
        records.iter().map(|body| (body["event"].as_str().unwrap(), body["changed"].to_string())).collect();
    assert_eq!(
        told,
        [
            ("reloaded", "[\"policy\"]".to_owned()),
            ("reload_refused", "null".to_owned()),
            ("reload_refused", "null".to_owned()),
            ("reloaded", "[\"limits\",\"sessions\",\"reload\"]".to_owned()),
        ]
    );
    let last = &records[3];
    assert_eq!(last["needs_restart"].to_string(), "[\"sessions\",\"reload\"]");
    assert_eq!((&last["cause"], &last["policy"]), (&"signal".into(), &records[0]["policy"]));
    assert_ne!(records[0]["policy"], records[0]["policy_before"]);
    assert_eq!(last["config_before"], records[0]["config"]);
}

#[test]
fn changed_files_are_seen_also_under_load_and_in_quick_succession() {
    let folder = Folder::new();
    let path = folder.file("aimds.toml", config("[reload]\nwatch_seconds = 1\n"));
    folder.file("policy.toml", ALLOW);
    let running = Arc::new(Running::start_logging(&folder, &["--config", &path], &folder.path().join(LOG)));
    let ended = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..3)
        .map(|_| {
            let (running, ended) = (Arc::clone(&running), Arc::clone(&ended));
            std::thread::spawn(move || {
                let mut answered = 0;
                while !ended.load(Ordering::Relaxed) {
                    let (status, verdict) = running.guard("", WITH_EMAIL);
                    assert!(
                        status == 200 && ["allow", "block"].contains(&verdict["decision"].as_str().unwrap())
                    );
                    answered += 1;
                }
                answered
            })
        })
        .collect();
    for number in 0..40 {
        folder.file("policy.toml", if number % 2 == 0 { BLOCK_EMAIL } else { "version = " });
        std::thread::sleep(Duration::from_millis(20));
    }
    folder.file("policy.toml", BLOCK_EMAIL);
    eventually("the last change is in force", || running.guard("", WITH_EMAIL).1["decision"] == "block");
    folder.file("policy.toml", "version = ");
    eventually("the broken one is refused", || log(&folder).contains("stay as they were"));
    assert_eq!(running.guard("", WITH_EMAIL).1["decision"], "block");
    folder.file("policy.toml", ALLOW);
    eventually("the next good one is in force", || running.guard("", WITH_EMAIL).1["decision"] == "allow");
    ended.store(true, Ordering::Relaxed);
    for caller in callers {
        assert!(caller.join().unwrap() > 0);
    }
    Arc::try_unwrap(running).ok().unwrap().stop();
}

#[test]
fn a_policy_in_the_shadow_says_what_it_would_have_done_and_changes_nothing() {
    let folder = Folder::new();
    let path =
        folder.file("aimds.toml", config("[shadow]\npolicy = \"next.toml\"\n[reload]\nwatch_seconds = 0\n"));
    folder.file("policy.toml", ALLOW);
    folder.file("next.toml", BLOCK_EMAIL);
    let running = Running::start_logging(&folder, &["--config", &path], &folder.path().join(LOG));
    assert_eq!(running.guard("", WITH_EMAIL).1["decision"], "allow");
    folder.file("next.toml", "version = ");
    running.hang_up();
    eventually("a broken one is refused", || log(&folder).contains("stay as they were"));
    assert_eq!(running.guard("", WITH_EMAIL).1["decision"], "allow");
    folder.file("next.toml", ALLOW);
    running.hang_up();
    eventually("the next one is in force", || log(&folder).contains("changed=[\"shadow\"]"));
    assert_eq!(running.guard("", WITH_EMAIL).1["decision"], "allow");
    running.stop();
    let audit = folder.path().join("audit.db");
    let exported = run(&["audit", "export", audit.to_str().unwrap(), "--kind", "decision"]);
    let told: Vec<_> = exported
        .lines()
        .iter()
        .map(|record| [record["body"]["decision"].clone(), record["body"]["shadow"].clone()])
        .collect();
    assert_eq!(told, [["allow", "block"], ["allow", "block"], ["allow", "allow"]]);
}

#[test]
fn detections_go_to_other_places_without_a_restart_and_none_is_lost_or_told_twice() {
    let folder = Folder::new();
    let config = |siem: &str| config(&format!("[reload]\nwatch_seconds = 0\n{siem}"));
    let path = folder.file("aimds.toml", config(""));
    folder.file("policy.toml", BLOCK_EMAIL);
    let running = Running::start_logging(&folder, &["--config", &path], &folder.path().join(LOG));
    let block = || assert_eq!(running.guard("", WITH_EMAIL).1["decision"], "block");
    let lines = |name: &str| -> Vec<String> {
        let written = std::fs::read_to_string(folder.path().join(name)).unwrap_or_default();
        written.lines().map(str::to_owned).collect()
    };
    let change = |siem: &str, expected: &str| {
        let before = log(&folder).matches(expected).count();
        folder.file("aimds.toml", config(siem));
        running.hang_up();
        eventually(expected, || log(&folder).matches(expected).count() > before);
    };
    let changed = "changed=[\"siem\"]";
    block();
    change("[siem]\nfile = \"one.jsonl\"\n", changed);
    block();
    // The same file goes on while something else changes.
    change("[siem]\nfile = \"one.jsonl\"\nqueue = 16\n", changed);
    block();
    change("[siem]\nfile = \"two.cef\"\nformat = \"cef\"\n", changed);
    block();
    change("[siem]\nfile = \"missing/three.jsonl\"\n", "cannot open");
    assert!(log(&folder).contains("stay as they were"));
    block();
    eventually("the last good place goes on", || lines("two.cef").len() == 2);
    change("", changed);
    block();
    running.stop();
    let one: Vec<serde_json::Value> =
        lines("one.jsonl").iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(one.len(), 2);
    assert_ne!(one[0]["metadata"]["uid"], one[1]["metadata"]["uid"]);
    let two = lines("two.cef");
    assert!(two.len() == 2 && two.iter().all(|line| line.starts_with("CEF:0|AIMDS|")), "{two:?}");
    let told: Vec<_> =
        records(&folder).iter().map(|body| body["event"].as_str().unwrap().to_owned()).collect();
    assert_eq!(told, ["reloaded", "reloaded", "reloaded", "reload_refused", "reloaded"]);
    assert!(records(&folder).iter().all(|body| body["needs_restart"].as_array().is_none_or(Vec::is_empty)));
}

#[test]
fn issuers_of_tokens_come_and_go_without_a_restart() {
    let folder = Folder::new();
    let token = made(&folder, &[]);
    let issuer = |more: &str| {
        format!(
            "[[auth.issuers]]\nname = \"own\"\nissuer = \"aimds\"\naudiences = [\"aimds\"]\n\
             tenant_claim = \"/tenant\"\nroles_claim = \"/roles\"\n{more}"
        )
    };
    let config = |more: &str| {
        let key = "keys = [{ id = \"k\", hash = \"blake3:00000000000000000000000000000000000000000000000000000000000000aa\" }]";
        format!(
            "[listen]\nquic = \"\"\n[audit]\npath = \"audit.db\"\n[reload]\nwatch_seconds = 0\n\
             [auth]\nroles = [{{ name = \"app\", scopes = [\"guard\"] }}]\n{key}\n{more}"
        )
    };
    let jwks = "jwks = \"data/tokens/jwks.json\"\n";
    let path = folder.file("aimds.toml", config(""));
    let running = Running::start_logging(&folder, &["--config", &path], &folder.path().join(LOG));
    let change = |content: String| {
        folder.file("aimds.toml", content);
        running.hang_up();
    };
    let status = || running.guard(&token, "hello").0;
    assert_eq!(status(), 401, "nobody has said who may sign");
    change(config(&issuer(&format!("{jwks}refresh_seconds = 1\n"))));
    eventually("the issuer is trusted", || status() == 200);
    // Its keys are watched as if it had been there from the start.
    let jwks_file = folder.path().join("data/tokens/jwks.json");
    let keys = std::fs::read(&jwks_file).unwrap();
    let other = Folder::new();
    made(&other, &[]);
    std::fs::copy(other.path().join("data/tokens/jwks.json"), &jwks_file).unwrap();
    eventually("its keys are replaced", || status() == 401);
    std::fs::write(&jwks_file, &keys).unwrap();
    eventually("its keys are back", || status() == 200);
    change(config(&issuer("jwks = \"missing.json\"\n")));
    eventually("a key set that is not there is refused", || log(&folder).contains("missing.json"));
    assert!(log(&folder).contains("stay as they were"));
    assert_eq!(status(), 200);
    change(config(&issuer(&format!("{jwks}refresh_seconds = 1\n")).replace("[\"aimds\"]", "[\"others\"]")));
    eventually("tokens are for others now", || status() == 401);
    change(config(""));
    eventually("the issuer is gone", || log(&folder).matches("are in force").count() == 3);
    assert_eq!(status(), 401);
    running.stop();
    let records = records(&folder);
    let told: Vec<_> = records
        .iter()
        .map(|body| {
            (body["event"].as_str().unwrap(), body["changed"].to_string(), body["needs_restart"].to_string())
        })
        .collect();
    let (auth, none) = ("[\"auth\"]".to_owned(), "[]".to_owned());
    let good = ("reloaded", auth, none);
    let bad = ("reload_refused", "null".to_owned(), "null".to_owned());
    assert_eq!(told, [good.clone(), bad, good.clone(), good]);
}
