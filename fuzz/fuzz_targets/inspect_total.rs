//! See [`aimds_fuzz::inspect_total`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| aimds_fuzz::inspect_total(bytes));
