//! The environments as a file, so that a rival in another language plays exactly the same cases.

use std::io::{self, Write};

use aimds_learn::{Action, Environment, Scenario};

/// Writes every run of every scenario: a header `{"scenario","seed","steps"}`, then for each case one line
/// `[[features], [expected reward of each action], [reward of each action as it is told], delay]`.
///
/// # Errors
/// What `out` says.
pub fn export(out: &mut impl Write, scenarios: &[Scenario], seeds: usize, steps: usize) -> io::Result<()> {
    for &scenario in scenarios {
        for seed in 0..seeds as u64 {
            writeln!(out, "{{\"scenario\":\"{}\",\"seed\":{seed},\"steps\":{steps}}}", scenario.name())?;
            let mut environment = Environment::new(scenario, seed, steps).map_err(io::Error::other)?;
            for _ in 0..steps {
                let (features, means) = environment.case().map_err(io::Error::other)?;
                write!(out, "[[{}],[{}],[", list(features.as_slice()), list(&means))?;
                let mut delay = 0;
                for action in 0..environment.actions() {
                    let told = environment.feedback(Action(action as u8));
                    delay = told.delay;
                    write!(out, "{}{}", if action == 0 { "" } else { "," }, told.reward)?;
                }
                writeln!(out, "],{delay}]")?;
            }
        }
    }
    Ok(())
}

fn list(numbers: &[f64]) -> String {
    numbers.iter().map(|number| format!("{number:.6}")).collect::<Vec<_>>().join(",")
}
