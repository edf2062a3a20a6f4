//! Rust files: how they open, and what the pure crates stay away from.

use super::Problem;
use super::rust::{code, std_paths, without_tests};

/// No clock, no file, no environment, no socket: what they need is passed in.
const PURE: [&str; 10] = [
    "aimds-text",
    "aimds-sequence",
    "aimds-detect",
    "aimds-attractor",
    "aimds-analyze",
    "aimds-temporal",
    "aimds-policy",
    "aimds-learn",
    "aimds-respond",
    "aimds-engine",
];
const IMPURE: [&str; 10] = [
    "std::time::Instant",
    "std::time::SystemTime",
    "std::time::*",
    "std::fs",
    "std::env",
    // Addresses are data; what opens sockets or asks for names is not.
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::net::ToSocketAddrs",
    "std::net::*",
];

/// Every module says what it is for. Tests speak for themselves.
pub(super) fn opening(path: &str, text: &str) -> Option<Problem> {
    let opens = text.trim_start_matches('\u{feff}').starts_with("//!");
    (!is_test(path) && !opens).then(|| Problem::new(path, 1, "a module opens with `//!`"))
}

/// Pure crates stay pure outside their tests and build scripts.
pub(super) fn purity(path: &str, text: &str) -> Vec<Problem> {
    let pure = PURE.iter().any(|name| {
        path.strip_prefix("crates/")
            .and_then(|rest| rest.strip_prefix(name))
            .is_some_and(|rest| rest.starts_with("/src/"))
    });
    if !pure || is_test(path) {
        return Vec::new();
    }
    let paths = std_paths(&without_tests(&code(text)));
    let impure = paths.into_iter().filter(|(_, found)| {
        IMPURE.iter().any(|known| {
            found.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        })
    });
    impure
        .map(|(line, found)| Problem::new(path, line, format!("a pure crate does not use {found}")))
        .collect()
}

/// A file under `tests/`, or the `tests.rs` of a module.
pub(super) fn is_test(path: &str) -> bool {
    path.split('/').any(|part| part == "tests" || part == "tests.rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_open_with_their_purpose() {
        for (path, text, good) in [
            ("crates/a/src/lib.rs", "//! Purpose.\n", true),
            ("crates/a/src/lib.rs", "\u{feff}//! Purpose.\n", true),
            ("crates/a/src/lib.rs", "use std::fs;\n", false),
            ("crates/a/src/lib.rs", "// no\n//! late\n", false),
            ("crates/a/tests/x/y.rs", "use std::fs;\n", true),
            ("crates/a/src/x/tests.rs", "use super::*;\n", true),
            ("crates/a/build.rs", "fn main() {}\n", false),
        ] {
            assert_eq!(opening(path, text).is_none(), good, "{path}: {text}");
        }
    }

    #[test]
    fn pure_crates_stay_away_from_the_world() {
        let pure = "crates/aimds-text/src/lib.rs";
        for (path, text, lines) in [
            (pure, "use std::time::Duration;", vec![]),
            (pure, "use std::time::{Duration, Instant};", vec![1]),
            (pure, "\nfn f() { std::fs::read(x); }", vec![2]),
            (pure, "use std::{env, fmt};", vec![1]),
            (pure, "use std::time::*;", vec![1]),
            (pure, "use std::net::{IpAddr, TcpStream};", vec![1]),
            (pure, "use std::net::Ipv4Addr;", vec![]),
            (pure, "// std::fs\nlet x = \"std::net\"; env!(\"X\");", vec![]),
            (pure, "use std::fmt;\n#[cfg(test)]\nmod tests { use std::fs; }", vec![]),
            (pure, "std::environment::x(); std::fs_x();", vec![]),
            ("crates/aimds-text/tests/a.rs", "use std::fs;", vec![]),
            ("crates/aimds-text/build.rs", "use std::fs;", vec![]),
            ("crates/aimds-text/src/decode/tests.rs", "use std::fs;", vec![]),
            ("crates/aimds-gateway/src/lib.rs", "use std::fs;", vec![]),
        ] {
            let found: Vec<_> = purity(path, text).into_iter().map(|problem| problem.line).collect();
            assert_eq!(found, lines, "{path}: {text}");
        }
    }
}
