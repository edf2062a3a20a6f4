use crate::command::{Folder, run};

#[test]
fn what_is_shown_is_valid() {
    let folder = Folder::new();
    let shown = run(&["config", "show"]);
    assert!(shown.status == 0 && shown.stdout.contains("\n[listen]\n"), "{}", shown.stdout);
    let file = folder.file("aimds.toml", &shown.stdout);
    let ran = run(&["config", "validate", &file]);
    assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr), (0, "", format!("{file} is valid\n")));
    assert_eq!(run(&["config", "validate", "--quiet"]).stderr, "");
    let policy = run(&["config", "show", "--policy"]).stdout;
    assert!(policy.contains("\n[risk.user]\n"), "{policy}");
    let policy = folder.file("policy.toml", policy);
    assert_eq!(run(&["config", "validate", "--policy", &policy]).status, 0);
}

#[test]
fn what_is_wrong_is_named() {
    let folder = Folder::new();
    let check = |content: &str, arguments: &[&str], expected: &str| {
        let file = folder.file("aimds.toml", content);
        let ran = run(&[&["config", "validate", &file], arguments].concat());
        assert_eq!(ran.status, 2);
        assert_eq!(
            ran.stderr.replace(&file, "FILE"),
            format!("error: the configuration is refused: {expected}\n")
        );
    };
    check(
        "[limits]\njson_dept = 3\n",
        &[],
        "FILE: invalid configuration: line 2: unknown key `json_dept`; did you mean `json_depth`?",
    );
    check(
        "[listen]\nhttp = \"here\"\n",
        &[],
        "FILE: invalid configuration: listen.http: is not an address and port",
    );
    check(
        "version = 2\n",
        &["--policy"],
        "policy FILE: invalid policy: version 2 is not supported (this program knows version 1)",
    );
    let ran = run(&["config", "validate", "/nowhere.toml"]);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("/nowhere.toml: No such file"), "{}", ran.stderr);
}

#[test]
fn the_policy_of_a_configuration_is_found_beside_it_and_checked() {
    let folder = Folder::new();
    let file = folder.file("aimds.toml", "[policy]\npath = \"policy.toml\"\n");
    folder.file("policy.toml", "version = 1\n");
    assert_eq!(run(&["config", "validate", &file]).status, 0);
    folder.file("policy.toml", "version = 1\n[risk.user]\nblock = 7\n");
    let ran = run(&["config", "validate", &file]);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("risk.user: 7 is not between 0 and 1"), "{}", ran.stderr);
    let ran = run(&["serve", "--config", &file]);
    assert_eq!((ran.status, ran.stdout.as_str()), (2, ""));
}

#[test]
fn schemas_are_json_schemas() {
    for (arguments, key) in
        [(&["config", "schema"][..], "listen"), (&["config", "schema", "--policy"], "risk")]
    {
        let schema = run(arguments).json();
        assert!(schema["$schema"].is_string());
        assert!(schema["properties"][key].is_object(), "{schema}");
    }
}
