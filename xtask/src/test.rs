//! `cargo xtask test`: every test of the repository, counted.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;

use crate::process::{BUILD_LIMIT, cargo, run as must, watched};
use crate::steps::Steps;
use crate::{external, fuzz, models};

/// Rust tests together end well before this.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// How many tests passed and failed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }

    /// Counts one line of `cargo test`: `test result: ok. 3 passed; 0 failed; …`.
    pub(crate) fn result(&mut self, line: &str) {
        let Some(counts) = line.strip_prefix("test result: ") else { return };
        let count = |what: &str| -> u64 {
            let words: Vec<&str> = counts.split([' ', ';']).filter(|word| !word.is_empty()).collect();
            let at = words.iter().position(|word| *word == what);
            at.and_then(|at| words.get(at.checked_sub(1)?)?.parse().ok()).unwrap_or(0)
        };
        self.add(&Self { passed: count("passed"), failed: count("failed") });
    }

    /// Counts one line of an external script: `ok - name` or `FAIL - name: why`.
    pub(crate) fn check(&mut self, line: &str) {
        self.passed += u64::from(line.starts_with("ok - "));
        self.failed += u64::from(line.starts_with("FAIL - "));
    }
}

pub(crate) fn run(fast: bool) -> anyhow::Result<()> {
    let mut done = Steps::default();
    let mut tally = Tally::default();
    let result = steps(&mut done, &mut tally, fast);
    close(&done, tally, result)
}

/// The end of a run. Its last line is the count, also after a failure.
pub(crate) fn close(done: &Steps, mut tally: Tally, result: anyhow::Result<()>) -> anyhow::Result<()> {
    print!("{}", done.summary());
    if let Err(error) = result {
        tally.failed = tally.failed.max(1);
        println!("\nxtask: {error:#}\n\n{tally}");
        std::process::exit(1);
    }
    println!("\n{tally}");
    Ok(())
}

/// Builds once, then tests. Tests that fail do not keep the later ones from running.
pub(crate) fn steps(steps: &mut Steps, tally: &mut Tally, fast: bool) -> anyhow::Result<()> {
    let test = || {
        let mut test = cargo();
        test.args(["test", "--workspace", "--release"]);
        test
    };
    steps.step("build", || must(test().args(["--no-run", "--quiet"]), BUILD_LIMIT))?;
    let mut failures = Vec::new();
    let mut suite = |name, work: &mut dyn FnMut() -> anyhow::Result<Tally>| {
        let counted = steps.step(name, || {
            let counted = work()?;
            let failed = counted.failed;
            tally.add(&counted);
            ensure!(failed == 0, "{failed} failed");
            ensure!(counted.passed > 0, "no test ran");
            Ok(())
        });
        failures.extend(counted.err());
    };
    suite("Rust tests", &mut || cargo_test(test().arg("--no-fail-fast")));
    suite("fuzz targets on seeds and mutations", &mut || cargo_test(&mut fuzz::smoke()));
    suite("fuzz targets compile", &mut || {
        must(&mut fuzz::check(), BUILD_LIMIT)?;
        Ok(Tally { passed: 1, failed: 0 })
    });
    if fast {
        println!("\n--fast: the models of the scheduler and the external tests were left out");
    } else {
        suite("models of the scheduler", &mut || {
            let mut all = Tally::default();
            for mut checker in models::quick() {
                all.add(&cargo_test(&mut checker)?);
            }
            Ok(all)
        });
        suite("external tests", &mut || external::run(&binary()?));
    }
    match failures.into_iter().next() {
        None => Ok(()),
        Some(first) => Err(first),
    }
}

/// Runs tests and counts them. A run that failed without a failed test (it did not compile, or a test ended its
/// process) counts as one.
fn cargo_test(test: &mut std::process::Command) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let ok = watched(test, LIMIT, |line| tally.result(line))?;
    if !ok && tally.failed == 0 {
        tally.failed = 1;
    }
    Ok(tally)
}

/// The program that the tests have just been run with.
fn binary() -> anyhow::Result<PathBuf> {
    let path = crate::target().join("release/aimds");
    ensure!(path.exists(), "there is no {}", path.display());
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_results_are_counted_and_others_are_not() {
        for (line, passed, failed) in [
            (
                "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.01s",
                12,
                0,
            ),
            ("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out", 3, 2),
            ("test tests::a_test_result: ok. 4 passed ... ok", 0, 0),
            ("running 7 tests", 0, 0),
            ("test result: nonsense passed", 0, 0),
        ] {
            let mut tally = Tally::default();
            tally.result(line);
            assert_eq!(tally, Tally { passed, failed }, "{line}");
        }
    }

    #[test]
    fn lines_of_checks_are_counted_and_others_are_not() {
        let mut tally = Tally::default();
        for line in ["ok - a", "FAIL - b: why", "not ok - c", " ok - d", "ok"] {
            tally.check(line);
        }
        assert_eq!(tally.to_string(), "1 passed, 1 failed");
    }
}
