//! See [`aimds_fuzz::temporal_parse`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| aimds_fuzz::temporal_parse(bytes));
