//! See [`aimds_fuzz::rules_match_naive`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| aimds_fuzz::rules_match_naive(bytes));
