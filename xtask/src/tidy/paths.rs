//! Names of files, and paths inside of files.

use super::Problem;
use super::rust::without_tests;
use super::sources::is_test;

/// Say nothing about what is inside.
const EMPTY_NAMES: [&str; 8] = ["util", "utils", "common", "helper", "helpers", "misc", "shared", "stuff"];

/// Folders of one machine. Put together here, so that this file does not name them.
const MACHINE: [&str; 3] = [concat!("/", "work/"), concat!("/", "root/"), concat!("/", "tmp/")];

/// Texts that are about attacks name the paths that attacks are after.
const ABOUT_ATTACKS: [&str; 5] = ["rules/", "corpus/", "conformance/", "redteam/", "fuzz/seeds/"];

/// A file or folder is named after what it holds.
pub(super) fn name(path: &str) -> Option<Problem> {
    let empty = path.split('/').find(|part| {
        let stem = part.split('.').next().unwrap_or(part);
        EMPTY_NAMES.contains(&stem.to_ascii_lowercase().as_str())
    })?;
    Some(Problem::new(path, 0, format!("`{empty}` does not say what it holds")))
}

/// No path of the machine that something was written on, outside of tests.
pub(super) fn machine_paths(path: &str, text: &str) -> Vec<Problem> {
    if is_test(path) || ABOUT_ATTACKS.iter().any(|folder| path.starts_with(folder)) {
        return Vec::new();
    }
    let text = if path.ends_with(".rs") { without_tests(text) } else { text.to_owned() };
    let mut problems = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for folder in MACHINE {
            for (at, _) in line.match_indices(folder) {
                let before = line[..at].chars().next_back();
                // What goes on a longer path or an address is not absolute; what follows the two slashes of `file:` is.
                if before.is_none_or(|c| {
                    !(c.is_alphanumeric() || "._-*~{}$/".contains(c)) || line[..at].ends_with("//")
                }) {
                    problems.push(Problem::new(
                        path,
                        number + 1,
                        format!("names a path of one machine: {folder}"),
                    ));
                }
            }
        }
    }
    problems
}

/// The name of a rule, from the path of its file: family and file.
pub(super) fn rule_of(path: &str) -> Option<&str> {
    let rule = path.strip_prefix("rules/")?;
    (rule.ends_with(".toml") && rule.contains('/')).then_some(rule)
}

/// A rule exists because its file does; a list of the files would be a second truth.
pub(super) fn listed_rules(path: &str, text: &str, rules: &[&str]) -> Vec<Problem> {
    if path.starts_with("rules/") || !text.contains(".toml") {
        return Vec::new();
    }
    let listed = |line: &str| rules.iter().find(|rule| line.contains(**rule)).map(|rule| (*rule).to_owned());
    let lines = text.lines().enumerate().filter_map(|(number, line)| Some((number, listed(line)?)));
    lines
        .map(|(number, rule)| Problem::new(path, number + 1, format!("lists the rule file {rule}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_after_what_they_hold() {
        for (path, good) in [
            ("crates/a/src/segment.rs", true),
            ("crates/a/src/utils.rs", false),
            ("crates/a/src/common/mod.rs", false),
            ("crates/a/src/Helpers.rs", false),
            ("tests/external/util.py", false),
            ("crates/a/src/utilisation.rs", true),
        ] {
            assert_eq!(name(path).is_none(), good, "{path}");
        }
    }

    #[test]
    fn paths_of_one_machine_are_found_and_others_are_not() {
        let root = concat!("/", "root/");
        let tmp = concat!("/", "tmp/");
        for (path, text, good) in [
            ("README.md", format!("see {root}x"), false),
            ("README.md", format!("{tmp}x"), false),
            ("README.md", format!("see `{tmp}x`"), false),
            ("README.md", format!("file://{tmp}x"), false),
            ("README.md", format!("target{tmp}x"), true),
            ("README.md", format!("https://a.example{tmp}x"), true),
            ("rules/a/b.toml", format!("cat {root}.ssh"), true),
            ("crates/a/tests/b.rs", format!("\"{tmp}x\""), true),
            ("crates/a/src/b.rs", format!("const X: &str = \"{tmp}x\";"), false),
            ("crates/a/src/b.rs", format!("#[cfg(test)]\nmod tests {{ const X: &str = \"{tmp}x\"; }}"), true),
        ] {
            assert_eq!(machine_paths(path, &text).is_empty(), good, "{path}: {text}");
        }
    }

    #[test]
    fn rule_files_are_listed_nowhere() {
        let rule = rule_of("rules/a/b.toml").unwrap();
        assert_eq!(rule_of("rules/README.md"), None);
        assert_eq!(rule_of("policies/default.toml"), None);
        for (path, text, good) in [
            ("crates/x/src/list.rs", "include_str!(\"../../../rules/a/b.toml\")", false),
            ("crates/x/src/list.rs", "// the rule a.b", true),
            ("rules/README.md", "a/b.toml", true),
        ] {
            assert_eq!(listed_rules(path, text, &[rule]).is_empty(), good, "{path}: {text}");
        }
    }
}
