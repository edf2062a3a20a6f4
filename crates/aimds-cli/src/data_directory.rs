//! Where the program keeps what it writes.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The audit log's name in the data directory.
pub(crate) const AUDIT_LOG: &str = "audit.db";

/// The causal memory's name in the data directory.
pub(crate) const GRAPH: &str = "graph.db";

/// The learner's state in the data directory.
pub(crate) const LEARN: &str = "learn.state";

/// The name of the file with revoked keys and quarantines in the data directory.
pub(crate) const MITIGATION: &str = "mitigation.json";

/// The review queue's name in the data directory.
pub(crate) const REVIEW: &str = "review.db";

/// The directory that was asked for, else `$XDG_DATA_HOME/aimds`, else `~/.local/share/aimds`.
///
/// # Errors
/// None of the three can be told.
pub(crate) fn find(asked: Option<&Path>) -> anyhow::Result<PathBuf> {
    choose(asked, std::env::var_os("XDG_DATA_HOME"), std::env::home_dir())
        .ok_or_else(|| anyhow::anyhow!("no home directory: give --data-dir"))
}

fn choose(asked: Option<&Path>, xdg: Option<OsString>, home: Option<PathBuf>) -> Option<PathBuf> {
    if let Some(asked) = asked {
        return Some(asked.to_owned());
    }
    // The specification: a relative path is to be ignored.
    let xdg = xdg.map(PathBuf::from).filter(|path| path.is_absolute());
    let home = home.filter(|path| path.is_absolute()).map(|home| home.join(".local/share"));
    xdg.or(home).map(|directory| directory.join("aimds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_goes_before_the_environment() {
        let check = |asked: Option<&str>, xdg: Option<&str>, home: Option<&str>, expected: Option<&str>| {
            let found = choose(asked.map(Path::new), xdg.map(OsString::from), home.map(PathBuf::from));
            assert_eq!(found, expected.map(PathBuf::from));
        };
        check(Some("here"), Some("/xdg"), Some("/home/a"), Some("here"));
        check(None, Some("/xdg"), Some("/home/a"), Some("/xdg/aimds"));
        check(None, Some("relative"), Some("/home/a"), Some("/home/a/.local/share/aimds"));
        check(None, Some(""), None, None);
    }
}
