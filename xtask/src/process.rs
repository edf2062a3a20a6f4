//! Runs other programs: from the repository's root, never for longer than allowed.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// How often a running process is looked at.
const POLL: Duration = Duration::from_millis(20);
/// Time to end in peace, once told to.
const GRACE: Duration = Duration::from_secs(15);
/// Long enough for a cold build of everything on two cores.
pub(crate) const BUILD_LIMIT: Duration = Duration::from_secs(40 * 60);

/// The same cargo that runs this.
pub(crate) fn cargo() -> Command {
    command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// A program, in the repository's root.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(crate::root()).stdin(Stdio::null());
    // What cargo tells the programs that it runs is about xtask. Some build scripts (ring's) look at it, and would
    // build anew each time that a build is begun by xtask and not by hand.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command that must succeed.
pub(crate) fn run(command: &mut Command, limit: Duration) -> anyhow::Result<()> {
    let mut child = spawn(command)?;
    let status = wait(&mut child, limit)?;
    anyhow::ensure!(status.success(), "{} ended with {status}", shown(command));
    Ok(())
}

/// Runs a command that must succeed, and gives its standard output.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("cannot run {}", shown(command)))?;
    let error = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{} ended with {}: {error}", shown(command), output.status);
    String::from_utf8(output.stdout).with_context(|| format!("{} did not write UTF-8", shown(command)))
}

/// Runs a command, passes its standard output on and shows each line to `see`. Gives whether it succeeded; a command
/// that had to be stopped did not.
pub(crate) fn watched(
    command: &mut Command,
    limit: Duration,
    mut see: impl FnMut(&str),
) -> anyhow::Result<bool> {
    let mut child = spawn(command.stdout(Stdio::piped()))?;
    let lines = child.stdout.take().map(read_lines);
    let status = wait(&mut child, limit);
    for line in lines.into_iter().filter_map(|thread| thread.join().ok()).flatten() {
        see(&line);
    }
    match status {
        Ok(status) => Ok(status.success()),
        Err(error) => {
            eprintln!("xtask: {error:#}");
            Ok(false)
        }
    }
}

/// Passes lines on as they come; gives them at the end.
fn read_lines(stream: impl Read + Send + 'static) -> thread::JoinHandle<Vec<String>> {
    thread::spawn(move || {
        let mut seen = Vec::new();
        let mut lines = BufReader::new(stream);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            let text = String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned();
            println!("{text}");
            seen.push(text);
            line.clear();
        }
        seen
    })
}

pub(crate) fn spawn(command: &mut Command) -> anyhow::Result<Child> {
    command.spawn().with_context(|| format!("cannot run {}", shown(command)))
}

/// Waits for a process, and ends it when it takes too long.
pub(crate) fn wait(child: &mut Child, limit: Duration) -> anyhow::Result<ExitStatus> {
    match wait_until(child, limit)? {
        Some(status) => Ok(status),
        None => {
            stop(child)?;
            bail!("stopped after {} s", limit.as_secs())
        }
    }
}

fn wait_until(child: &mut Child, limit: Duration) -> anyhow::Result<Option<ExitStatus>> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if started.elapsed() > limit {
            return Ok(None);
        }
        thread::sleep(POLL);
    }
}

/// Tells a process to end; where it does not, ends it.
pub(crate) fn stop(child: &mut Child) -> anyhow::Result<()> {
    let _ = Command::new("kill").arg(child.id().to_string()).status();
    if wait_until(child, GRACE)?.is_none() {
        child.kill()?;
        child.wait()?;
    }
    Ok(())
}

/// Finds a program on the search path.
pub(crate) fn on_path(name: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|program| program.is_file())
}

fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str());
    let words = std::iter::once(program).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    format!("`{}`", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_takes_too_long_is_stopped() {
        let started = Instant::now();
        let error = run(command("sleep").arg("60"), Duration::from_millis(50)).unwrap_err();
        assert!(error.to_string().contains("stopped after"), "{error}");
        assert!(started.elapsed() < GRACE);
    }

    #[test]
    fn the_lines_of_a_watched_command_are_seen_in_order() {
        let mut seen = Vec::new();
        let mut echo = command("printf");
        echo.arg("one\\ntwo\\nthree");
        assert!(watched(&mut echo, GRACE, |line| seen.push(line.to_owned())).unwrap());
        assert_eq!(seen, ["one", "two", "three"]);
    }

    #[test]
    fn failures_name_the_command() {
        let error = run(&mut command("false"), GRACE).unwrap_err();
        assert!(error.to_string().starts_with("`false` ended with"), "{error}");
    }
}
