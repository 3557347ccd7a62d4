//! See `microhlo_tests::fuzz::hlo_text`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| microhlo_tests::fuzz::hlo_text(data));
