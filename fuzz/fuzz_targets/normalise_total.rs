//! See [`aimds_fuzz::normalise_total`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| aimds_fuzz::normalise_total(bytes));
