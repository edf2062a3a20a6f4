//! Named steps with their durations, and the table of them at the end.

use std::time::{Duration, Instant};

use anyhow::Context as _;

/// What was done so far.
#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<(&'static str, Duration, bool)>,
}

impl Steps {
    /// Does one step; after one that failed, nothing more is to be done.
    pub(crate) fn step(
        &mut self,
        name: &'static str,
        work: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        println!("\n=== {name}");
        let started = Instant::now();
        let result = work();
        let took = started.elapsed();
        println!(
            "=== {name}: {} after {:.1} s",
            if result.is_ok() { "ok" } else { "FAILED" },
            took.as_secs_f64()
        );
        self.done.push((name, took, result.is_ok()));
        result.with_context(|| format!("the step `{name}` failed"))
    }

    /// One line for each step.
    pub(crate) fn summary(&self) -> String {
        let width = self.done.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
        let total: Duration = self.done.iter().map(|(_, took, _)| *took).sum();
        let line = |name: &str, took: Duration, result: &str| {
            format!("{name:width$} {:8.1} s  {result}\n", took.as_secs_f64())
        };
        let mut text = String::from("\n=== summary\n");
        for (name, took, ok) in &self.done {
            text.push_str(&line(name, *took, if *ok { "ok" } else { "FAILED" }));
        }
        text + &line("total", total, "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_is_named_and_shown() {
        let mut steps = Steps::default();
        steps.step("format", || Ok(())).unwrap();
        let error = steps.step("lints", || anyhow::bail!("2 warnings")).unwrap_err();
        assert_eq!(format!("{error:#}"), "the step `lints` failed: 2 warnings");
        let summary = steps.summary();
        let ends: Vec<_> =
            summary.lines().skip(2).filter_map(|line| line.split_whitespace().last()).collect();
        assert_eq!(ends, ["ok", "FAILED", "s"]);
    }
}
