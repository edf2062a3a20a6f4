//! Collects the rule files into one array of texts, sorted by path.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?)
        .join("../../rules")
        .canonicalize()?;
    println!("cargo::rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    for family in fs::read_dir(&root)? {
        let family = family?.path();
        if family.is_dir() {
            println!("cargo::rerun-if-changed={}", family.display());
            for file in fs::read_dir(family)? {
                files.push(file?.path());
            }
        }
    }
    files.retain(|path: &PathBuf| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    let list: String =
        files.iter().map(|path| format!("include_str!({:?}),\n", path.display().to_string())).collect();
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(Path::new(&out).join("rules.rs"), format!("&[\n{list}]"))
}
