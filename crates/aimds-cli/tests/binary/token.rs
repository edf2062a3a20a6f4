use crate::command::{Folder, run};
use crate::serve::Running;

/// A configuration that trusts the issuer in the data directory of a folder.
fn trusting(folder: &Folder) -> String {
    let roles = "[auth]\nroles = [{ name = \"app\", scopes = [\"guard\"] }]\n";
    let issuer = "[[auth.issuers]]\nname = \"own\"\nissuer = \"aimds\"\naudiences = [\"aimds\"]\n\
        jwks = \"data/tokens/jwks.json\"\ntenant_claim = \"/tenant\"\nroles_claim = \"/roles\"\nrefresh_seconds = 1\n";
    folder.file("gateway.toml", format!("[listen]\nquic = \"\"\n{roles}{issuer}[log]\nlevel = \"trace\"\n"))
}

fn token(folder: &Folder, arguments: &[&str]) -> String {
    let data = folder.path().join("data");
    let ran = run(&[&["token"], arguments, &["--data-dir", data.to_str().unwrap()]].concat());
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    ran.stdout
}

/// A token of the issuer in the data directory of a folder.
pub fn made(folder: &Folder, more: &[&str]) -> String {
    let arguments = [&["create", "--subject", "app-7", "--tenant", "acme", "--role", "app"], more].concat();
    token(folder, &arguments).trim().to_owned()
}

#[cfg(unix)]
#[test]
fn a_gateway_takes_the_tokens_of_its_own_issuer_through_a_rotation_and_never_logs_one() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = Folder::new();
    let first = made(&folder, &[]);
    let mode = |name: &str| {
        let path = folder.path().join("data/tokens").join(name);
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!((mode("keys.json"), mode("jwks.json")), (0o600, 0o644));
    let log = folder.path().join("log.txt");
    let gateway = Running::start_logging(&folder, &["--config", &trusting(&folder)], &log);
    let ask = |token: &str| gateway.post(token, &serde_json::json!({ "text": "hello" })).0;
    assert_eq!(ask(&first), 200);
    let short = made(&folder, &["--ttl", "2s"]);
    assert_eq!(ask(&short), 200);

    token(&folder, &["rotate"]);
    let second = made(&folder, &[]);
    let kid = |token: &str| token.split('.').next().unwrap().to_owned();
    assert_ne!(kid(&first), kid(&second));
    let eventually = |token: &str, expected: u16| {
        let answers = || {
            (0..100).map(|_| {
                std::thread::sleep(std::time::Duration::from_millis(100));
                ask(token)
            })
        };
        assert!(answers().any(|status| status == expected), "never {expected}");
    };
    eventually(&second, 200);
    assert_eq!(ask(&first), 200, "the old key overlaps");
    let keys: serde_json::Value =
        serde_json::from_str(&token(&folder, &["keys", "--format", "json"])).unwrap();
    let signs: Vec<_> = keys["keys"].as_array().unwrap().iter().map(|key| &key["signs"]).collect();
    assert_eq!(signs, [false, true]);
    let listed = token(&folder, &["keys"]);
    assert!(listed.lines().count() == 2 && listed.contains("  signs  "), "{listed}");
    let public: serde_json::Value = serde_json::from_str(&token(&folder, &["jwks"])).unwrap();
    assert_eq!(public["keys"].as_array().unwrap().len(), 2);
    assert!(public["keys"].as_array().unwrap().iter().all(|key| key.get("d").is_none()));

    token(&folder, &["rotate", "--revoke"]);
    let third = made(&folder, &[]);
    eventually(&second, 401);
    assert_eq!((ask(&first), ask(&third)), (401, 200));
    gateway.stop();
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(log.contains("token refused") && log.contains("no key of the issuer fits"), "{log}");
    let secrets = std::fs::read_to_string(folder.path().join("data/tokens/keys.json")).unwrap();
    assert!(secrets.contains("\"secret\""));
    for token in [&first, &second, &third, &short] {
        for part in token.split('.') {
            assert!(!log.contains(part), "a part of a token is in the log");
        }
    }
}

#[test]
fn wrong_lifetimes_and_broken_keys_are_refused() {
    let folder = Folder::new();
    for wrong in ["0", "25h", "1d", "-5", "", "h"] {
        let ran = run(&["token", "create", "--subject", "a", "--ttl", wrong]);
        assert_eq!(ran.status, 2, "{wrong}");
    }
    let path = folder.file("data/tokens/keys.json", "{\"version\":1,\"keys\":[{\"secret\":\"hidden\"}]}");
    let data = folder.path().join("data");
    let ran = run(&["token", "create", "--subject", "a", "--data-dir", data.to_str().unwrap()]);
    assert_eq!(ran.status, 3);
    assert!(
        ran.stderr.contains("does not hold keys of this program") && !ran.stderr.contains("hidden"),
        "{}",
        ran.stderr
    );
    assert_eq!(std::fs::read_to_string(path).unwrap(), "{\"version\":1,\"keys\":[{\"secret\":\"hidden\"}]}");
}
