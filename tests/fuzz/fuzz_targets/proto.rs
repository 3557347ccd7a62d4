//! See `microhlo_tests::fuzz::proto`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| microhlo_tests::fuzz::proto(data));
