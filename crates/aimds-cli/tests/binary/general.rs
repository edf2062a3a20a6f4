use crate::command::{Folder, run};

#[test]
fn version_and_help_go_to_standard_output() {
    let version = run(&["--version"]);
    assert_eq!(
        (version.status, version.stdout.as_str()),
        (0, concat!("aimds ", env!("CARGO_PKG_VERSION"), "\n"))
    );
    for arguments in [&["--help"][..], &["scan", "--help"], &["eval", "--help"], &["calibrate", "--help"]] {
        let help = run(arguments);
        assert_eq!((help.status, help.stderr.as_str()), (0, ""));
        assert!(help.stdout.contains("Example"), "{arguments:?}: {}", help.stdout);
    }
}

#[test]
fn usage_errors_exit_with_2_and_name_the_nearest() {
    let check = |arguments: &[&str], expected: &str| {
        let ran = run(arguments);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(expected), "{arguments:?}: {}", ran.stderr);
    };
    check(&["scna", "x"], "a similar subcommand exists: 'scan'");
    check(&["scan", "--formt", "json", "x"], "a similar argument exists: '--format'");
    check(&["scan", "--format", "jsno", "x"], "a similar value exists: 'json'");
    check(&["scan", "--origin", "documnet", "x"], "(did you mean \"document\"?)");
    check(&["scan", "--deep", "sometimes", "x"], "[possible values: auto, always, never]");
    check(&["scan", "two", "words"], "put the text in quotation marks");
    check(&["scan", "--input", "jsonl", "--format", "sarif", "-"], "use --format jsonl");
    check(&["eval"], "<PATH>...");
    check(&["eval", "--rows", "x.jsonl"], "--rows is for --format json");
    check(&["eval", "--threshold", "2", "x.jsonl"], "between 0 and 1");
    check(&["calibrate", "--benign", "x", "--fpr", "0"], "give a rate between 0 and 1");
}

#[test]
fn a_policy_that_is_refused_is_the_operators_to_mend() {
    let folder = Folder::new();
    let policy = folder.file("policy.toml", "version = 1\n[risk.user]\nblok = 0.5\n");
    for arguments in [
        &["scan", "--policy", &policy, "x"][..],
        &["scan", "--input", "jsonl", "--policy", &policy, "-"],
        &["eval", "--policy", &policy, "x.jsonl"],
    ] {
        let ran = run(arguments);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""));
        assert!(ran.stderr.starts_with("error: the configuration is refused: policy "), "{}", ran.stderr);
        assert!(ran.stderr.contains("line 3"), "{}", ran.stderr);
        assert!(ran.stderr.contains("unknown field `blok`"), "{}", ran.stderr);
    }
    assert_eq!(run(&["scan", "--policy", "/nowhere/policy.toml", "x"]).status, 2);
}
