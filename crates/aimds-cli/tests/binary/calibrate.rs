use serde_json::json;

use crate::command::{Folder, run};

fn rows(n: usize, origin: &str) -> String {
    (0..n)
        .map(|i| format!("{}\n", json!({"text": format!("What is {i} plus {i}?"), "origin": origin})))
        .collect()
}

#[test]
fn thresholds_by_origin_and_a_policy_to_paste() {
    let folder = Folder::new();
    let data = folder.file("benign.jsonl", rows(400, "user") + &rows(120, "tool") + &rows(20, "document"));
    let report = run(&["calibrate", "--benign", &data, "--fpr", "0.01", "--format", "json"]).json();
    let origins = report["origins"].as_array().unwrap();
    let told: Vec<_> = origins
        .iter()
        .map(|found| {
            (
                found["origin"].as_str().unwrap(),
                found["n"].as_u64().unwrap(),
                found["conformal"].is_object(),
                found["confident"].is_object(),
            )
        })
        .collect();
    assert_eq!(told, [("user", 400, true, true), ("tool", 120, true, false), ("document", 20, false, false)]);
    assert!(origins[0]["confident"]["upper_fpr"].as_f64().unwrap() <= 0.01);
    assert!(origins[0]["conformal"]["observed_fpr"].as_f64().unwrap() <= 0.01);
    assert_eq!(origins[2]["too_little"], "20 requests are too few for 1 %: at least 99 are needed");
    // What is told to paste is a policy, and keeps the promise on the same rows.
    let policy = folder.file("policy.toml", format!("version = 1\n{}", report["policy"].as_str().unwrap()));
    let labelled = rows(400, "user").replace("{\"origin\"", "{\"label\":\"benign\",\"origin\"");
    let labelled = folder.file("labelled.jsonl", labelled);
    let measured = run(&["eval", "--format", "json", "--policy", &policy, &labelled]).json();
    assert!(measured["overall"]["fpr"]["hits"].as_u64().unwrap() <= 4, "{}", measured["overall"]);
}

#[test]
fn the_page_says_what_to_do() {
    let folder = Folder::new();
    let data = folder.file("benign.jsonl", rows(400, "user"));
    let page = run(&["calibrate", "--benign", &data]).stdout;
    assert!(
        page.starts_with("thresholds for at most 1 % false alarms\n\nuser: 400 requests\n  now "),
        "{page}"
    );
    assert!(page.contains("\nfor the policy file:\n\n# at most 1 % of harmless requests with 95 % confidence; 400 requests\n[risk.user]\nflag = "), "{page}");
    let few = folder.file("few.jsonl", rows(3, "user"));
    let page = run(&["calibrate", "--benign", &few]).stdout;
    assert!(
        page.ends_with(
            "  3 requests are too few for 1 %: at least 99 are needed\n\nno threshold can be told\n"
        ),
        "{page}"
    );
}

#[test]
fn attacks_are_refused() {
    let folder = Folder::new();
    let data = folder.file("mixed.jsonl", "{\"text\":\"x\"}\n{\"text\":\"y\",\"label\":\"attack\"}\n");
    let ran = run(&["calibrate", "--benign", &data]);
    assert_eq!(ran.status, 3);
    assert_eq!(
        ran.stderr,
        format!("error: {data}:2: the row is labelled as an attack; give harmless rows only\n")
    );
    let empty = folder.file("empty.jsonl", "\n");
    assert_eq!(run(&["calibrate", "--benign", &empty]).stderr, "error: no row to calibrate on\n");
}
