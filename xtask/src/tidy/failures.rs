//! The failure table of SECURITY.md: a row without a test is a wish, and a test that is gone proves nothing.

use std::collections::BTreeMap;

use super::{File, Problem};

const PAGE: &str = "SECURITY.md";
const HEAD: &str = "| what fails |";

/// Every row names a test in its last cell, as `name` or `module::name`, and every name there is a test of this repository.
pub(super) fn check(files: &[File]) -> Vec<Problem> {
    let Some(page) = files.iter().find(|file| file.path == PAGE) else {
        return vec![Problem::new(PAGE, 0, "there is no such file")];
    };
    let tests = tests(files);
    let mut lines = page.text.lines().enumerate().skip_while(|(_, line)| !line.starts_with(HEAD));
    let Some((head, _)) = lines.next() else {
        return vec![Problem::new(PAGE, 0, format!("there is no table that begins with \"{HEAD}\""))];
    };
    let rows = lines.skip(1).take_while(|(_, line)| line.starts_with('|'));
    let mut problems: Vec<_> =
        rows.clone().flat_map(|(number, row)| missing(row, number + 1, &tests)).collect();
    if rows.count() == 0 {
        problems.push(Problem::new(PAGE, head + 1, "the table has no row"));
    }
    problems
}

fn missing(row: &str, line: usize, tests: &BTreeMap<&str, Vec<&str>>) -> Vec<Problem> {
    let cell = row.trim_end_matches([' ', '|']).rsplit('|').next().unwrap_or_default();
    let named: Vec<_> = cell.split('`').skip(1).step_by(2).collect();
    if named.is_empty() {
        return vec![Problem::new(PAGE, line, "a row needs a test in its last cell")];
    }
    let gone = named.into_iter().filter(|name| !is_there(name, tests));
    gone.map(|name| Problem::new(PAGE, line, format!("there is no test {name}"))).collect()
}

/// Whether a test has this name, in a file or folder with the name of the module before it.
fn is_there(name: &str, tests: &BTreeMap<&str, Vec<&str>>) -> bool {
    let (module, name) = name.rsplit_once("::").unwrap_or(("", name));
    let module = module.rsplit("::").next().unwrap_or_default();
    let within = |path: &&&str| {
        module.is_empty() || path.trim_end_matches(".rs").split('/').any(|part| part == module)
    };
    tests.get(name).is_some_and(|paths| paths.iter().any(|path| within(&path)))
}

/// The files of each test.
fn tests(files: &[File]) -> BTreeMap<&str, Vec<&str>> {
    let mut tests: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for File { path, text } in files.iter().filter(|file| file.path.ends_with(".rs")) {
        let mut marked = false;
        for line in text.lines().map(str::trim_start) {
            marked |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            let signature = line.trim_start_matches("pub ").trim_start_matches("async ").strip_prefix("fn ");
            let Some(signature) = signature else { continue };
            let name = signature.split(['(', '<']).next().unwrap_or_default();
            if std::mem::take(&mut marked) {
                tests.entry(name).or_default().push(path);
            }
        }
    }
    tests
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rows: &str) -> Vec<String> {
        let page = format!(
            "# T\n\n{HEAD} answer | test |\n|---|---|---|\n{rows}\n\n| other | table |\n|---|---|\n| `x` | |\n"
        );
        let code = "#[test]\nfn one_thing() {}\nfn no_test() {}\n    #[tokio::test(flavor = \"x\")]\n    async fn another() {}\n";
        let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
        let files = [file(PAGE, &page), file("crates/a/tests/faults/model.rs", code)];
        check(&files).iter().map(|problem| format!("{} {}", problem.line, problem.what)).collect()
    }

    #[test]
    fn a_row_needs_a_test_that_is_there() {
        for (rows, expected) in [
            ("| a | b | `one_thing`, `another` |", vec![]),
            ("| a | b `c` | `faults::model::one_thing` |", vec![]),
            (
                "| a | b | `model::another` |\n| a | `one_thing` | none |",
                vec!["6 a row needs a test in its last cell"],
            ),
            ("| a | b | `elsewhere::one_thing` |", vec!["5 there is no test elsewhere::one_thing"]),
            ("| a | b | `no_test`, `one_thing` |", vec!["5 there is no test no_test"]),
            ("", vec!["3 the table has no row"]),
        ] {
            assert_eq!(found(rows), expected, "{rows}");
        }
    }
}
