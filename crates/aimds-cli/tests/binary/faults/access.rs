//! Tokens while their issuer is away, and clocks that differ.

use super::model::{Model, Then, plain};
use super::{Raw, exchange, log, metric};
use crate::command::{Folder, run};
use crate::reload::eventually;
use crate::serve::Running;

fn config(folder: &Folder, jwks: &str, leeway: u64) -> String {
    folder.file("policy.toml", "version = 1\n");
    folder.file(
        "aimds.toml",
        format!(
            "[listen]\nquic = \"\"\n[auth]\npublic_metrics = true\nroles = [{{ name = \"app\", scopes = [\"guard\"] }}]\n\
             [[auth.issuers]]\nname = \"own\"\nissuer = \"aimds\"\naudiences = [\"aimds\"]\njwks = \"{jwks}\"\n\
             tenant_claim = \"/tenant\"\nroles_claim = \"/roles\"\nrefresh_seconds = 1\nleeway_seconds = {leeway}\n\
             [policy]\npath = \"policy.toml\"\n"
        ),
    )
}

fn token(folder: &Folder, arguments: &[&str]) -> String {
    let data = folder.path().join("data");
    let ran = run(&[&["token"], arguments, &["--data-dir", data.to_str().unwrap()]].concat());
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    ran.stdout.trim().to_owned()
}

fn made(folder: &Folder, ttl: &str) -> String {
    token(folder, &["create", "--subject", "app-7", "--tenant", "acme", "--role", "app", "--ttl", ttl])
}

fn ask(running: &Running, token: &str) -> Raw {
    let body = "{\"text\":\"hello\"}";
    let request = format!(
        "POST /v1/guard HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    exchange(running, request.into_bytes())
}

#[test]
fn while_the_issuer_is_away_the_last_good_keys_stay_and_callers_learn_nothing() {
    let folder = Folder::new();
    let good = made(&folder, "1h");
    let jwks = token(&folder, &["jwks"]);
    let issuer = Model::start();
    issuer.does(Then::Reset(Vec::new()));
    let config = config(&folder, &format!("http://{}/jwks.json", issuer.address), 60);
    let running = Running::start_logging(&folder, &["--config", &config], &folder.path().join("log.txt"));
    let refused = ask(&running, &good);
    assert_eq!(refused.status, 401, "there are no keys yet");
    assert_eq!(ask(&running, "aimds_unknown").body.len(), refused.body.len(), "the same words for everyone");
    issuer.does(Then::Close(plain(200, &jwks)));
    eventually("the keys are there", || ask(&running, &good).status == 200);
    let failed = "aimds_issuer_keys_read_total{issuer=\"own\",result=\"failed\"}";
    for then in [Then::Reset(Vec::new()), Then::Close(plain(200, "<html>")), Then::Close(plain(500, ""))] {
        let before = metric(&running, failed);
        issuer.does(then);
        eventually("another failure", || metric(&running, failed) > before);
        assert_eq!(ask(&running, &good).status, 200);
    }
    let log = log(&folder);
    assert!(log.contains("no key of the issuer fits") || log.contains("token refused"), "{log}");
    assert!(!log.contains(&good));
}

#[test]
fn clocks_may_differ_by_the_leeway_and_no_more() {
    let folder = Folder::new();
    let short = made(&folder, "1s");
    let config = config(&folder, "data/tokens/jwks.json", 60);
    let running = Running::start_logging(&folder, &["--config", &config], &folder.path().join("log.txt"));
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(ask(&running, &short).status, 200, "expired, and within the leeway");
    running.stop();
    let strict = self::config(&folder, "data/tokens/jwks.json", 0);
    let running = Running::start_logging(&folder, &["--config", &strict], &folder.path().join("log.txt"));
    let refused = ask(&running, &short);
    assert_eq!(refused.status, 401);
    assert!(!refused.body.contains("expired"), "{}", refused.body);
    assert_eq!(ask(&running, &made(&folder, "1h")).status, 200);
    assert!(log(&folder).contains("expired"), "{}", log(&folder));
}
