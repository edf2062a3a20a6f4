use serde_json::Value;

use crate::command::{Folder, run};

/// The names of the cases, after a look at what all of them have.
fn cases(report: &Value) -> Vec<String> {
    let cases = report["cases"].as_array().unwrap();
    for case in cases {
        let number = |key: &str| case[key].as_f64().unwrap_or_else(|| panic!("{key}: {case}"));
        assert!(number("least") <= number("median") && number("median") <= number("p99"), "{case}");
        assert!(
            number("runs") >= 1.0 && ["ns", "us", "ms", "percent"].contains(&case["unit"].as_str().unwrap())
        );
        let target = &case["target"];
        assert!(target.is_null() || target["at_most"].is_number() && target["of"].is_string(), "{case}");
        for rival in case["rivals"].as_array().unwrap() {
            assert!(rival["name"].is_string() && rival["median"].is_number(), "{case}");
        }
    }
    cases.iter().map(|case| case["case"].as_str().unwrap().to_owned()).collect()
}

fn case<'a>(report: &'a Value, name: &str) -> &'a Value {
    let cases = report["cases"].as_array().unwrap();
    cases.iter().find(|case| case["case"] == name).unwrap_or_else(|| panic!("{name}: {report}"))
}

/// Everything that is compared with a truth is right, but for these.
fn check_right(report: &Value, wrong: &[&str]) {
    for case in report["cases"].as_array().unwrap().iter().filter(|case| case.get("truth").is_some()) {
        let expected = !wrong.contains(&case["case"].as_str().unwrap());
        assert_eq!(case["right"], expected, "{case}");
    }
}

#[test]
fn temporal_answers_and_stands_beside_its_rivals() {
    let size = ["bench", "temporal", "--events", "50", "--states", "100", "--runs", "3", "--format", "json"];
    let ran = run(&size);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    let report = ran.json();
    assert_eq!((report["bench"].clone(), report["seed"].clone()), ("temporal".into(), 1.into()));
    let names = cases(&report);
    assert_eq!(names.len(), 5 + 2 + 2 + 1 + 1 + 1 + 16, "{names:#?}");
    check_right(&report, &[]);
    let monitor = case(&report, "monitor bounded response, 50 events");
    assert_eq!(monitor["rivals"][0]["right"], true, "{monitor}");
    // A promise is made for one size.
    assert!(case(&report, "monitor unbounded response, 50 events")["target"].is_null());
}

#[test]
fn a_rival_from_a_file_is_judged_like_us() {
    let folder = Folder::new();
    let violated = "evaluate unbounded response, violated at the end, 50 events";
    let row = |answer: &str| {
        format!(
            r#"{{"name":"them","version":"1.2","case":"{violated}","unit":"us","samples":[9e9],"answer":{answer}}}"#
        )
    };
    let file = folder.file("rivals.json", format!("[{}]", row("0")));
    let other = folder.file("more.json", format!("[{},{}]", row("40"), row("1").replace("50", "51")));
    let bench = ["bench", "temporal", "--events", "50", "--states", "10", "--runs", "1", "--only"];
    let files = [violated, "--rivals", file.as_str(), "--rivals", other.as_str()];
    let ran = run(&[&bench[..], &files, &["--format", "json"]].concat());
    let report = ran.json();
    let rivals = case(&report, violated)["rivals"].as_array().unwrap();
    let right: Vec<_> = rivals.iter().map(|rival| &rival["right"]).collect();
    assert_eq!(right, [false, true], "{report}");
    assert_eq!((rivals[0]["version"].clone(), rivals[0]["median"].clone()), ("1.2".into(), 9e9.into()));
    assert!(rivals[0]["ratio"].as_f64().unwrap() < 1.0);
    assert_eq!(report["unmatched"].as_array().unwrap().len(), 1);
    let page = run(&[&bench[..], &files].concat()).stdout;
    assert!(page.contains("    them 1.2 ") && page.contains("; 0, WRONG: 40"), "{page}");
    assert!(page.contains("which was not measured"), "{page}");
    // What cannot be read is said before anything is measured.
    let broken = folder.file("broken.json", r#"[{"name":"them"}]"#);
    let ran = run(&[&bench[..], &[violated, "--rivals", &broken]].concat());
    assert_eq!((ran.status, ran.stdout.as_str()), (3, ""));
    assert!(ran.stderr.contains("broken.json: missing field"), "{}", ran.stderr);
    assert_eq!(run(&[&bench[..], &["no such case"]].concat()).status, 2);
    assert_eq!(run(&["bench", "temporal", "--events", "3"]).status, 2);
}

#[test]
fn what_temporal_exports_is_a_batch_that_verify_takes() {
    let folder = Folder::new();
    let file = folder.path().join("cases.jsonl").to_str().unwrap().to_owned();
    let ran = run(&["bench", "temporal", "--events", "30", "--seed", "5", "--export", &file]);
    assert_eq!((ran.status, ran.stdout.as_str()), (0, ""), "{}", ran.stderr);
    let verdicts = run(&["policy", "verify", "--batch", &file]).lines();
    let told: Vec<_> = verdicts.iter().map(|line| line["verdict"].as_str().unwrap()).collect();
    assert_eq!(told, ["true", "true", "false", "false", "true"], "{verdicts:?}");
    let one = std::fs::read_to_string(&file).unwrap();
    run(&["bench", "temporal", "--events", "30", "--seed", "6", "--export", &file]);
    assert_ne!(one, std::fs::read_to_string(&file).unwrap(), "the seed says which events");
}

#[test]
fn the_scheduler_says_what_it_missed_and_what_calls_cost() {
    let size = ["--tasks", "300", "--batches", "2", "--wakes", "2", "--runs", "2", "--format", "json"];
    let ran = run(&[&["bench", "scheduler"], &size[..]].concat());
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    let report = ran.json();
    assert_eq!(cases(&report).len(), 3 + 2 + 4);
    for (name, critical) in [("60 % load", 150.0), ("twice the capacity", 60.0)] {
        let missed = case(&report, &format!("critical deadlines missed at {name}"));
        assert_eq!((missed["unit"].clone(), missed["runs"].clone()), ("percent".into(), 2.into()));
        assert_eq!(missed["details"]["critical"], critical, "{missed}");
        assert_eq!(missed["details"]["tasks"], 600.0);
        assert_eq!(missed["rivals"].as_array().unwrap().len(), 2);
        assert_eq!(missed["rivals"][0]["details"]["tasks"], 60.0);
        assert!(missed["target"]["reached"].is_boolean());
    }
    let calls = case(&report, "enqueue, time-stamp counter as clock");
    assert_eq!((calls["runs"].clone(), calls["rivals"].as_array().unwrap().len()), (4.into(), 2));
    assert_eq!(case(&report, "enqueue to start, worker parked")["runs"], 4);
}

#[test]
fn the_attractor_is_right_where_the_truth_is_known() {
    let arguments = ["bench", "attractor", "--values", "1000", "--runs", "1", "--format", "json", "--only"];
    let classes = run(&[&arguments[..], &["class of"]].concat()).json();
    assert_eq!(cases(&classes).len(), 12);
    // Ten turns of a flow are too few.
    check_right(&classes, &["class of Lorenz flow, 1000 values"]);
    let exponents = run(&[&arguments[..], &["exponent of"]].concat()).json();
    assert_eq!(cases(&exponents).len(), 3);
    let logistic = case(&exponents, "exponent of logistic map at 4, 1000 values");
    assert_eq!(
        (logistic["right"].clone(), logistic["rivals"][0]["name"].clone()),
        (true.into(), "textbook loop".into())
    );
    assert_eq!(logistic["target"]["of"], "median / nolds");
    assert!(logistic["target"]["reached"].is_null(), "nolds was not there");
    let rest = run(&[&arguments[..], &["push to"]].concat()).json();
    assert_eq!(cases(&rest).len(), 6);
}

#[test]
fn sequences_are_compared_right_by_everybody() {
    let small =
        ["bench", "sequence", "--vectors", "200", "--patterns", "200", "--runs", "3", "--format", "json"];
    let report = run(&small).json();
    assert_eq!(cases(&report).len(), 2 * 3 + 3 * 4 + 1 + 1);
    check_right(&report, &[]);
    for case in report["cases"].as_array().unwrap() {
        let rivals = case["rivals"].as_array().unwrap();
        assert!(rivals.iter().all(|rival| rival["right"] == true), "{case}");
    }
    let found = case(&report, "which of 200 patterns a text of 64 tokens holds");
    assert_eq!((found["answer"].clone(), found["runs"].clone()), (200.0.into(), 200.into()));
    assert!(found["target"].is_null(), "it is promised for ten thousand");
}

#[test]
fn series_and_calls_are_exported_for_rivals() {
    let folder = Folder::new();
    let lines = |bench: &[&str]| -> Vec<Value> {
        let file = folder.path().join("cases.jsonl").to_str().unwrap().to_owned();
        let ran = run(&[&["bench"], bench, &["--export", &file]].concat());
        assert_eq!((ran.status, ran.stdout.as_str()), (0, ""), "{}", ran.stderr);
        let text = std::fs::read_to_string(&file).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let series = lines(&["attractor", "--values", "300,400"]);
    assert_eq!(series.len(), 2 * (12 + 3));
    assert_eq!(series[0]["values"].as_array().unwrap().len(), 300);
    assert_eq!((series[14]["dimension"].clone(), series[14]["interval"].clone()), (5.into(), 0.01.into()));
    let calls = lines(&["scheduler", "--runs", "3", "--batches", "7"]);
    assert_eq!((calls[0]["batch"].clone(), calls[0]["batches"].clone()), (64.into(), 21.into()));
    let sequences = lines(&["sequence", "--vectors", "100", "--patterns", "100"]);
    let kinds: Vec<_> = sequences.iter().map(|case| case["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "warping").count(), 4);
    assert_eq!(kinds[kinds.len() - 3..], ["lcs", "nearest", "patterns"]);
    let texts = sequences.last().unwrap()["texts"].as_array().unwrap();
    assert_eq!((texts.len(), texts[0].as_array().unwrap().len()), (200, 64));
}
