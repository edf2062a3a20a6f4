use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::Stdio;

use serde_json::json;

use crate::command::{BLOCK_EMAIL, Folder, WITH_EMAIL, aimds, run, run_with};

const STREAM: [&str; 5] = ["scan", "--input", "jsonl", "--format", "jsonl"];

#[test]
fn every_line_is_answered_in_order() {
    let mut input = String::new();
    for number in 0..100_000 {
        // Lines of very different length, so that workers overtake each other.
        let words = "lorem ipsum ".repeat(if number % 1000 == 0 { 400 } else { number % 3 });
        input.push_str(&json!({"id": number, "text": words}).to_string());
        input.push('\n');
    }
    let ran = run_with(&[&STREAM[..], &["--jobs", "4"]].concat(), input.as_bytes());
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    let mut expected = 0;
    for line in ran.stdout.lines() {
        assert!(line.starts_with(&format!("{{\"id\":{expected},\"decision\":")), "{expected}: {line}");
        expected += 1;
    }
    assert_eq!(expected, 100_000);
}

#[test]
fn a_line_has_the_fields_of_the_contract() {
    let folder = Folder::new();
    let policy = folder.file("policy.toml", BLOCK_EMAIL);
    let input = json!({"id": "a", "text": "é anna@example.com"}).to_string();
    let ran = run_with(&[&STREAM[..], &["--policy", &policy, "-"]].concat(), input.as_bytes());
    assert_eq!(ran.status, 1);
    let line = &ran.lines()[0];
    let mut keys: Vec<_> = line.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["categories", "decision", "findings", "id", "latency_us", "path", "reasons", "score"]);
    let finding = &line["findings"][0];
    assert_eq!(
        (&finding["category"], &finding["detector"], &finding["start"], &finding["end"]),
        (&json!("pii.email"), &json!("validator"), &json!(2), &json!(18))
    );
    assert!(finding["confidence"].is_f64() && finding["explanation"].is_string());
}

#[test]
fn bad_lines_are_answered_and_the_run_goes_on() {
    let input = [
        b"\xef\xbb\xbf{\"id\":1,\"text\":\"one\"}\n".as_slice(),
        b"{\"id\":2,\"text\":\n\n",
        b"{\"id\":\"four\"}\n{\"id\":null,\"text\":5}\n",
        b"{\"id\":6,\"text\":\"\xff\"}\n[]\n",
        b"{\"id\":[8],\"turns\":[{\"role\":\"robot\",\"content\":\"x\"}]}\r\n",
        b"{\"text\":\"last, without identifier and line end\"}",
    ]
    .concat();
    let ran = run_with(&STREAM, &input);
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert!(lines[0].starts_with(r#"{"id":1,"decision":"allow","#));
    assert_eq!(lines[1], r#"{"line":2,"error":"malformed JSON at column 15: EOF while parsing a value"}"#);
    assert_eq!(lines[2], r#"{"id":"four","line":4,"error":"neither \"text\" nor \"turns\""}"#);
    assert_eq!(lines[3], r#"{"id":null,"line":5,"error":"\"text\" is a number, not a string"}"#);
    assert_eq!(lines[4], r#"{"line":6,"error":"not UTF-8: byte 17 of the line"}"#);
    assert_eq!(lines[5], r#"{"line":7,"error":"not a JSON object"}"#);
    assert_eq!(lines[6], r#"{"id":[8],"line":8,"error":"\"turns\"[0]: unknown role \"robot\""}"#);
    assert!(lines[7].starts_with(r#"{"decision":"allow","#));
    assert_eq!(lines.len(), 8);
    assert_eq!(ran.stderr, "warning: 6 of 8 lines could not be read\n");
    assert_eq!(ran.status, 3);
}

#[test]
fn blocked_goes_before_unreadable() {
    let folder = Folder::new();
    let policy = folder.file("policy.toml", BLOCK_EMAIL);
    let input = format!("{}\n{{}}\n", json!({"text": WITH_EMAIL}));
    let arguments = [&STREAM[..], &["--policy", &policy]].concat();
    assert_eq!(run_with(&arguments, input.as_bytes()).status, 1);
    assert_eq!(run_with(&[&arguments[..], &["--exit-zero"]].concat(), input.as_bytes()).status, 3);
    assert_eq!(run_with(&[&STREAM[..], &["/nowhere.jsonl"]].concat(), b"").status, 3);
}

#[test]
fn a_line_that_is_too_long_is_skipped() {
    let mut input = b"{\"id\":1,\"text\":\"".to_vec();
    input.resize((64 << 20) + 100, b'x');
    input.extend(b"\"}\n{\"id\":2,\"text\":\"short\"}\n");
    let lines = run_with(&STREAM, &input).lines();
    assert_eq!(lines[0], json!({"line": 1, "error": "the line is longer than 64 MiB"}));
    assert_eq!((&lines[1]["id"], lines.len()), (&json!(2), 2));
}

#[test]
fn turns_are_one_conversation() {
    let folder = Folder::new();
    let policy = folder.file("policy.toml", "version = 1\n[findings.tool]\n\"pii.email\" = \"block\"\n");
    let turns = |role: &str| json!({"id": role, "turns": [{"role": "user", "content": "look it up"}, {"role": role, "content": WITH_EMAIL}]});
    let input = format!("{}\n{}\n", turns("tool"), turns("user"));
    let lines =
        run_with(&[&STREAM[..], &["--redact", "--policy", &policy]].concat(), input.as_bytes()).lines();
    assert_eq!((&lines[0]["decision"], &lines[1]["decision"]), (&json!("block"), &json!("allow")));
    let findings = lines[0]["findings"].as_array().unwrap();
    let finding = findings.iter().find(|finding| finding["category"] == "pii.email").unwrap();
    assert_eq!((&finding["message"], &finding["start"]), (&json!(1), &json!(9)));
    assert_eq!(
        lines[0]["redacted"],
        json!([
            {"role": "user", "content": "look it up"},
            {"role": "tool", "content": "Write to [REDACTED:pii.email] please."}
        ])
    );
    // The policy says nothing about e-mail addresses that users type.
    assert_eq!(lines[1]["redacted"][1]["content"], WITH_EMAIL);
}

#[test]
fn origin_of_the_line_goes_before_the_option() {
    let folder = Folder::new();
    let policy = folder.file("policy.toml", "version = 1\n[findings.tool]\n\"pii.email\" = \"block\"\n");
    let input =
        format!("{}\n{}\n", json!({"text": WITH_EMAIL}), json!({"text": WITH_EMAIL, "origin": "user"}));
    let lines =
        run_with(&[&STREAM[..], &["--origin", "tool", "--policy", &policy]].concat(), input.as_bytes())
            .lines();
    assert_eq!((&lines[0]["decision"], &lines[1]["decision"]), (&json!("block"), &json!("allow")));
}

#[test]
fn compressed_files_and_several_files() {
    let folder = Folder::new();
    let lines: String =
        (0..5000).map(|id| format!("{{\"id\":{id},\"text\":\"text number {id}\"}}\n")).collect();
    let packed = folder.file("a.jsonl.zst", zstd::encode_all(lines.as_bytes(), 3).unwrap());
    let plain = folder.file("b.jsonl", "{\"id\":\"b\",\"text\":\"x\"}\n{\"id\":\"c\"}\n");
    let ran = run(&[&STREAM[..], &[&packed, &plain]].concat());
    let answers = ran.lines();
    assert_eq!(answers.len(), 5002);
    assert!(answers.iter().take(5000).zip(0..).all(|(line, id)| line["id"] == id));
    assert_eq!(answers[5001]["file"], plain);
    let broken = folder.file("broken.jsonl.zst", "this is not zstd");
    let ran = run(&[&STREAM[..], &[&broken, &plain]].concat());
    assert_eq!((ran.status, ran.lines().len()), (3, 2));
    assert!(
        ran.stderr.contains("error: cannot read") && ran.stderr.contains("broken.jsonl.zst"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_pipe_is_answered_as_it_speaks() {
    let mut child =
        aimds().args(STREAM).arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    for number in 0..3 {
        writeln!(stdin, "{{\"id\":{number},\"text\":\"x\"}}").unwrap();
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert!(line.starts_with(&format!("{{\"id\":{number},")), "{line}");
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_reader_that_leaves_ends_the_run_quietly() {
    let mut child = aimds()
        .args(STREAM)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut stdin = child.stdin.take().unwrap();
    let line = format!("{}\n", json!({"text": "x".repeat(500)}));
    // Endless: it ends because the process does.
    let writer = std::thread::spawn(move || while stdin.write_all(line.as_bytes()).is_ok() {});
    let mut first = String::new();
    stdout.read_line(&mut first).unwrap();
    drop(stdout);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    writer.join().unwrap();
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(stderr, "");
}

#[cfg(target_os = "linux")]
#[test]
fn memory_stays_bounded() {
    // 20 MB of input; the peak of the process does not follow it.
    let folder = Folder::new();
    let policy = folder.file("policy.toml", "version = 1\n");
    let line = format!("{}\n", json!({"id": 1, "text": "word ".repeat(2000)}));
    let mut child = aimds()
        .args(STREAM)
        .args(["--policy", &policy])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut stdout = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()).unwrap());
    let peak = || -> u64 {
        let text = std::fs::read_to_string(&status).unwrap();
        let line = text.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let lines = 20_000_000 / line.len();
    for _ in 0..lines / 10 {
        stdin.write_all(line.as_bytes()).unwrap();
    }
    let early = peak();
    for _ in 0..lines - lines / 10 {
        stdin.write_all(line.as_bytes()).unwrap();
    }
    let late = peak();
    drop(stdin);
    assert!(child.wait().unwrap().success());
    reader.join().unwrap();
    assert!(late < early + 10_000, "{early} kB grew to {late} kB");
}
