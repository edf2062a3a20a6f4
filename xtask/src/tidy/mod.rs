//! `cargo xtask tidy`: rules of this repository that no other tool knows. Each check is a function from what it looks at
//! to the problems it sees; this file reads the repository and prints what they found.

mod failures;
mod layers;
mod paths;
mod rust;
mod sources;
mod specification;

use std::fmt;
use std::path::Path;

use anyhow::Context as _;

use crate::process::{cargo, command, output};

/// Something that is not as it should be.
#[derive(Debug, PartialEq, Eq)]
struct Problem {
    path: String,
    /// Counted from 1; 0 for the whole file.
    line: usize,
    what: String,
}

impl Problem {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.what),
            line => write!(f, "{}:{line}: {}", self.path, self.what),
        }
    }
}

/// A file of the repository, as text.
struct File {
    path: String,
    text: String,
}

pub(crate) fn run() -> anyhow::Result<()> {
    let files = files(&crate::root())?;
    let rules: Vec<&str> = files.iter().map(|file| file.path.as_str()).filter_map(paths::rule_of).collect();
    let mut problems = layers::check(&metadata()?)?;
    problems.extend(failures::check(&files));
    for File { path, text } in &files {
        problems.extend(paths::name(path));
        problems.extend(paths::machine_paths(path, text));
        problems.extend(paths::listed_rules(path, text, &rules));
        if path.ends_with(".rs") {
            problems.extend(sources::opening(path, text));
            problems.extend(sources::purity(path, text));
        }
        if path.rsplit('/').next() == Some("SPECIFICATION.md") {
            problems.extend(specification::check(path, text));
        }
    }
    for problem in &problems {
        println!("{problem}");
    }
    anyhow::ensure!(problems.is_empty(), "{} problems", problems.len());
    println!("{} files, no problem", files.len());
    Ok(())
}

/// Every text file that is tracked or could be.
fn files(root: &Path) -> anyhow::Result<Vec<File>> {
    let mut list = command("git");
    list.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let listed = output(&mut list)?;
    let mut files = Vec::new();
    for path in listed.split('\0').filter(|path| !path.is_empty()) {
        let file = root.join(path);
        // Deleted, but not yet for Git; or a link.
        if !file.is_file() {
            continue;
        }
        let bytes = std::fs::read(&file).with_context(|| format!("cannot read {path}"))?;
        // What is not text has no lines to look at, but a name.
        let text = String::from_utf8(bytes).unwrap_or_default();
        files.push(File { path: path.to_owned(), text });
    }
    anyhow::ensure!(!files.is_empty(), "git lists no file");
    Ok(files)
}

fn metadata() -> anyhow::Result<serde_json::Value> {
    let text = output(cargo().args(["metadata", "--format-version", "1", "--no-deps"]))?;
    Ok(serde_json::from_str(&text)?)
}
