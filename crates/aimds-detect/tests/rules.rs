//! The rules that ship: each keeps the promises of its file, and the prefilter changes no answer.

use std::path::{Path, PathBuf};

use aimds_detect::Origin;
use aimds_detect::rules::{RuleFile, RuleMask, RuleSet, lint};

fn rule_files() -> Vec<(PathBuf, RuleFile)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules");
    let mut files = Vec::new();
    for family in
        std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
    {
        for path in std::fs::read_dir(family).unwrap().map(|entry| entry.unwrap().path()) {
            let rule = RuleFile::parse(&std::fs::read_to_string(&path).unwrap())
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            files.push((path, rule));
        }
    }
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files
}

#[test]
fn every_rule_keeps_the_promises_of_its_file() {
    let files: Vec<_> = rule_files();
    assert!(files.len() > 50, "only {} rules", files.len());
    for (path, rule) in &files {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let family = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
        assert_eq!(rule.id, format!("{family}.{stem}"), "{}", path.display());
    }
    let problems = lint(&files.into_iter().map(|(_, rule)| rule).collect::<Vec<_>>());
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn the_prefilter_changes_no_answer() {
    let files: Vec<_> = rule_files().into_iter().map(|(_, rule)| rule).collect();
    let set = RuleSet::compile(&files).unwrap();
    let texts =
        files.iter().flat_map(|rule| rule.hits.iter().chain(&rule.near_misses).chain(&rule.known_gaps));
    let all = texts.clone().cloned().collect::<Vec<_>>().join(" ");
    let stuffed = "ignore disregard forget you are now reveal your system ".repeat(40) + &all;
    for text in texts.chain([&all, &stuffed]) {
        let text = text.to_lowercase();
        for origin in [Origin::User, Origin::Tool] {
            let mut found: Vec<_> =
                set.find(&text, origin, &RuleMask::default()).into_iter().map(|hit| hit.rule).collect();
            found.sort_unstable();
            assert_eq!(found, set.find_naively(&text, origin), "{text:?}");
        }
    }
}

#[test]
fn the_linter_refuses_what_would_be_slow_or_double() {
    let rule = |id: &str, pattern: &str| RuleFile {
        id: id.into(),
        patterns: vec![pattern.into()],
        ..RuleFile::parse(
            r#"
            id = "x.y"
            title = "t"
            category = "jailbreak"
            severity = "low"
            status = "stable"
            languages = ["en"]
            why = "w"
            patterns = []
            hits = ["alpha beta", "alpha beta.", "an alpha beta"]
            near_misses = ["alpha", "beta", "gamma"]
            "#,
        )
        .unwrap()
    };
    let check = |rules: &[RuleFile], expected: &str| {
        let problems = lint(rules);
        assert!(
            problems.iter().any(|problem| problem.what.contains(expected)),
            "{expected:?} not in {problems:#?}"
        );
    };
    assert_eq!(lint(&[rule("a.b", r"\balpha beta\b")]), []);
    check(&[rule("a.b", r"alpha.*beta")], "without an upper bound");
    check(&[rule("a.b", r"\w{1,9} beta")], "slow");
    check(&[rule("a.b", r"(?:alpha )?beta")], "matches its near-miss");
    check(&[rule("a.b", r"alpha gamma")], "does not match its hit");
    check(&[rule("a.b", r"(alpha")], "invalid pattern");
    check(&[rule("a.b", r"alpha beta"), rule("a.c", r"alpha beta")], "stands in a.b as well");
    check(&[rule("a.b", r"alpha beta"), rule("a.b", r"alpha  ?beta")], "same id");
    check(&[rule("A.b", r"alpha beta")], "lower case");
    check(&[RuleFile { decides: true, ..rule("a.b", r"alpha beta") }], "may decide");
}
