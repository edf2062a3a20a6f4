//! See [`aimds_fuzz::validators_total`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| aimds_fuzz::validators_total(bytes));
