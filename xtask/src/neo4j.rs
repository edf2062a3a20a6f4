//! A Neo4j server for the tests: from Maven Central, with its checksums, below `target/neo4j`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use crate::process::{command, on_path, run};

/// What it is made of; beside it the sums of all the files that Maven finds for it.
const PARTS: &str = "tests/external/neo4j";
const LOADING: Duration = Duration::from_secs(600);

/// The folder with `lib` and `Launcher.java`. What is there is kept as long as the parts are the same.
pub(crate) fn provision() -> anyhow::Result<PathBuf> {
    let parts = crate::root().join(PARTS);
    let folder = crate::target().join("neo4j");
    let sums = read(&parts.join("jars.sha256"))?;
    let wanted = read(&parts.join("pom.xml"))? + &sums;
    fs::create_dir_all(&folder)?;
    fs::copy(parts.join("Launcher.java"), folder.join("Launcher.java"))?;
    let installed = folder.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|text| text == wanted) {
        return Ok(folder);
    }
    for program in ["java", "mvn"] {
        anyhow::ensure!(
            on_path(program).is_some(),
            "the Neo4j tests need {program} (Debian: openjdk-17-jre-headless, maven)"
        );
    }
    let count = sums.lines().count();
    println!("loading Neo4j into target/neo4j, once: {count} files, about 130 MB");
    let lib = folder.join("lib");
    if lib.exists() {
        fs::remove_dir_all(&lib)?;
    }
    // Checksums that do not agree end the build (-C); then all files together are those that were here when this was written.
    let mut maven = command("mvn");
    maven.args(["--quiet", "--batch-mode", "--strict-checksums", "--file"]).arg(parts.join("pom.xml"));
    maven.arg("dependency:copy-dependencies").arg(format!("-DoutputDirectory={}", lib.display()));
    run(&mut maven, LOADING)?;
    let mut check = command("sha256sum");
    check.args(["--check", "--strict", "--quiet"]).arg(parts.join("jars.sha256")).current_dir(&lib);
    run(&mut check, LOADING)?;
    let found = fs::read_dir(&lib)?.count();
    anyhow::ensure!(found == count, "Maven found {found} files where {count} are known");
    fs::write(&installed, wanted)?;
    Ok(folder)
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
