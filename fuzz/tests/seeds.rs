//! Every property on every seed and on mutations of them. The seeds are the files in `seeds/`, and what fuzzing has found
//! before, which lies there as well.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::{env, fs};

use aimds_fuzz::mutate::{Random, mutate};
use aimds_fuzz::{PROPERTIES, Property};

/// Mutations for each property; `AIMDS_FUZZ_ITERATIONS` asks for another number.
const ITERATIONS: usize = 1500;

/// Files, and the lines of each: some properties look at a line at a time.
fn seeds() -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    paths.sort();
    let mut seeds = vec![Vec::new()];
    for path in paths {
        let bytes = fs::read(path).unwrap();
        seeds.extend(bytes.split(|byte| *byte == b'\n').filter(|line| line.len() > 8).map(<[u8]>::to_vec));
        seeds.push(bytes);
    }
    seeds
}

fn check((name, property): Property, input: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| property(input))).is_err() {
        panic!("{name} does not hold for {:?}", String::from_utf8_lossy(input));
    }
}

fn holds(name: &str) {
    let property = *PROPERTIES.iter().find(|property| property.0 == name).unwrap();
    let iterations =
        env::var("AIMDS_FUZZ_ITERATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(ITERATIONS);
    let seeds = seeds();
    for seed in &seeds {
        check(property, seed);
    }
    let mut random = Random::new(1);
    let mut last = Vec::new();
    for round in 0..iterations {
        // A chain of mutations now and then, so that inputs also get far from their seed.
        let from = if round % 4 == 0 { last } else { seeds[random.below(seeds.len())].clone() };
        last = mutate(&mut random, &seeds, &from);
        check(property, &last);
    }
}

#[test]
fn normalise_total() {
    holds("normalise_total");
}

#[test]
fn rules_match_naive() {
    holds("rules_match_naive");
}

#[test]
fn validators_total() {
    holds("validators_total");
}

#[test]
fn policy_parse() {
    holds("policy_parse");
}

#[test]
fn temporal_parse() {
    holds("temporal_parse");
}

#[test]
fn inspect_total() {
    holds("inspect_total");
}

#[test]
fn every_property_has_a_target_and_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut targets: Vec<_> = fs::read_dir(root.join("fuzz_targets"))
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    targets.sort();
    let mut names: Vec<_> = PROPERTIES.iter().map(|(name, _)| (*name).to_owned()).collect();
    names.sort();
    assert_eq!(names, targets);
    let tests = include_str!("seeds.rs");
    assert!(names.iter().all(|name| tests.contains(&format!("fn {name}() {{"))));
}
