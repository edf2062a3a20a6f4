use serde_json::json;

use crate::command::{Folder, run, run_with};

const TRACE: &str = r#"{"t_ms":0,"events":["threat(\"a\")"]}
{"t_ms":4,"events":["threat(\"b\")","mitigated(\"a\")"]}
{"t_ms":30,"events":["mitigated(\"b\")"]}
"#;

#[test]
fn a_trace_satisfies_a_formula_or_says_where_it_does_not() {
    let check = |formula: &str, open: bool, status, verdict: &str, witness: &[usize]| {
        let mut arguments =
            vec!["policy", "verify", "--trace", "-", "--format", "json", "--formula", formula];
        arguments.extend(open.then_some("--open"));
        let ran = run_with(&arguments, TRACE.as_bytes());
        let answer = ran.json();
        assert_eq!((ran.status, &answer["verdict"]), (status, &json!(verdict)), "{formula}");
        assert_eq!(answer["witness"], json!(witness), "{formula}");
        assert!(answer["elapsed_us"].is_u64());
    };
    check("G(threat(id) -> F[0,10ms] mitigated(id))", false, 1, "false", &[1]);
    check("G(threat(id) -> F[0,30ms] mitigated(id))", false, 0, "true", &[]);
    check("G(threat(\"a\") -> F[0,10ms] mitigated(\"a\"))", false, 0, "true", &[]);
    check("X X X true", false, 1, "false", &[]);
    check("X X X true", true, 0, "true", &[]);
    check("G(threat(id) -> F mitigated(id))", true, 0, "presumably_true", &[]);
    check("F contained", true, 0, "presumably_false", &[]);
    check("G !threat(id)", true, 1, "false", &[0]);
}

#[test]
fn a_batch_is_answered_line_by_line() {
    let lines = r#"{"id":1,"formula":"F b","trace":[{"t_ms":0,"events":["b"]}]}
{"id":"2","formula":"F (","trace":[]}
{"id":3,"formula":"F b","trace":[{"t_ms":1,"events":[]},{"t_ms":0}]}
{"id":4,"formula":"G p","trace":[],"open":true}
[]
"#;
    let ran = run_with(&["policy", "verify", "--batch", "-"], lines.as_bytes());
    let answers = ran.lines();
    assert_eq!(ran.status, 3);
    assert_eq!(answers[0], json!({"id": 1, "verdict": "true", "witness": [0]}));
    assert_eq!(
        answers[1],
        json!({"id": "2", "error": "formula: expected an operand, found the end at byte 3"})
    );
    assert_eq!(answers[2], json!({"id": 3, "error": "trace[1]: time goes back at step 1: 0 ms after 1 ms"}));
    assert_eq!(answers[3]["verdict"], "presumably_true");
    assert!(answers[4]["error"].is_string());
}

#[test]
fn what_is_wrong_with_a_formula_or_a_trace_is_shown() {
    let ran = run_with(&["policy", "verify", "--trace", "-", "--formula", "G(a -> )"], b"");
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("\n  G(a -> )\n         ^\n"), "{}", ran.stderr);
    let ran = run_with(&["policy", "verify", "--trace", "-", "--formula", "a"], b"{\"t_ms\":0}\n{\"t\":1}\n");
    assert_eq!(ran.status, 3);
    assert!(ran.stderr.starts_with("error: line 2 of the trace: missing field `t_ms`"), "{}", ran.stderr);
    assert_eq!(run(&["policy", "verify", "--formula", "a"]).status, 2);
    let ran = run(&["policy", "explain", "after read, never send unless approved"]);
    assert_eq!(ran.stdout, "G(read -> !send W approved)\nevents: approved, read, send\n");
}

const MODEL: &str = r#"{"initial":["idle"],"states":{
    "idle":{"next":["idle","threat"]},
    "threat":{"props":["threat"],"next":["blocked","idle"]},
    "blocked":{"props":["blocked"]}}}"#;

#[test]
fn a_model_is_checked_and_the_answer_can_be_checked_again() {
    let folder = Folder::new();
    let model = folder.file("model.json", MODEL);
    let check = |formula: &str, format: &str| {
        run(&["policy", "model-check", "--model", &model, "--formula", formula, "--format", format])
    };
    let holds = check("G (blocked -> G blocked)", "json");
    assert_eq!((holds.status, &holds.json()["verdict"]), (0, &json!("holds")));
    let violated = check("G (threat -> F blocked)", "json");
    let answer = violated.json();
    assert_eq!((violated.status, &answer["verdict"]), (1, &json!("violated")));
    assert_eq!((&answer["prefix"], &answer["cycle"]), (&json!([]), &json!(["idle", "threat"])));
    assert!(check("G (threat -> F blocked)", "dot").stdout.starts_with("digraph lasso {"));
    assert!(check("G (threat -> F blocked)", "mermaid").stdout.starts_with("flowchart LR"));
    let text = check("G (threat -> F blocked)", "text").stdout;
    assert!(
        text.starts_with("violated  (3 states, 5 transitions) on this run:\nfor ever:\n1. idle"),
        "{text}"
    );

    for answer in [&holds.stdout, &violated.stdout] {
        let ran = run_with(&["policy", "verify-proof", "-", "--format", "json"], answer.as_bytes());
        assert_eq!((ran.status, &ran.json()["valid"]), (0, &json!(true)), "{}", ran.stdout);
    }
    // Whatever is changed, the answer is no longer believed.
    for (from, to) in [
        ("\"verdict\":\"violated\"", "\"verdict\":\"holds\""),
        ("\"cycle\":[\"idle\",\"threat\"]", "\"cycle\":[\"blocked\"]"),
        ("\"formula\":\"G(threat -> F blocked)\"", "\"formula\":\"F G true\""),
        ("\"next\":[\"blocked\",\"idle\"]", "\"next\":[\"blocked\"]"),
    ] {
        assert!(violated.stdout.contains(from), "{} {from}", violated.stdout);
        let changed = violated.stdout.replace(from, to);
        let ran = run_with(&["policy", "verify-proof", "-"], changed.as_bytes());
        assert_eq!(ran.status, 1, "{to}: {}", ran.stdout);
    }
    assert_eq!(run_with(&["policy", "verify-proof", "-"], b"{}").status, 3);
}

#[test]
fn an_event_that_no_state_has_never_happens_unless_that_is_refused() {
    let folder = Folder::new();
    let model = folder.file("model.json", MODEL);
    let arguments = ["policy", "model-check", "--model", &model, "--formula", "G !blokced"];
    let ran = run(&arguments);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, "note: no state has blokced: it never happens\n"));
    let ran = run(&[&arguments[..], &["--strict"]].concat());
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("no state of the model has the proposition `blokced`"), "{}", ran.stderr);
    let ran = run(&["policy", "model-check", "--model", &model, "--formula", "G[0,1s] !blocked"]);
    assert_eq!(ran.status, 2);
    let broken = folder.file("broken.json", r#"{"initial":["a"],"states":{}}"#);
    assert_eq!(run(&["policy", "model-check", "--model", &broken, "--formula", "a"]).status, 3);
}

#[test]
fn the_promises_of_a_policy_are_checked() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/mitigations.toml");
    let ran = run(&["policy", "check", example, "--format", "json"]);
    let answer = ran.json();
    assert_eq!((ran.status, &answer["valid"], &answer["playbooks"]), (0, &json!(true), &json!(5)));
    assert!(answer["promises"].as_array().unwrap().iter().all(|promise| promise["verdict"] == "holds"));

    let folder = Folder::new();
    let broken = "version = 1\n[[playbook]]\nname = \"p\"\ncategory = [\"jailbreak\"]\nactions = [\"quarantine\"]\n\
                  [[promise]]\nname = \"nobody is held\"\nformula = \"G !quarantine\"\n";
    let check = |text: &str, status, shown: &str| {
        let path = folder.file("policy.toml", text);
        let ran = run(&["policy", "check", &path]);
        assert_eq!(ran.status, status, "{}{}", ran.stdout, ran.stderr);
        assert!(format!("{}{}", ran.stdout, ran.stderr).contains(shown), "{}{}", ran.stdout, ran.stderr);
    };
    check(broken, 1, "broken  nobody is held, on this run:");
    check(&format!("{broken}waived = \"a trial\"\n"), 0, "waived: a trial");
    check(&broken.replace("G !quarantine", "G !quarantin"), 2, "did you mean `quarantine`?");
    check(&broken.replace("jailbreak", "jail"), 2, "unknown category \"jail\"");

    // A gateway does not start with it.
    let path = folder.file("policy.toml", broken);
    let ran = run(&["config", "validate", "--policy", &path]);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("the policy breaks the promise \"nobody is held\""), "{}", ran.stderr);
}
