//! See [`aimds_fuzz::policy_parse`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| aimds_fuzz::policy_parse(bytes));
