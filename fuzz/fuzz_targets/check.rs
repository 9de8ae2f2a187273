#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| drawplate_fuzz::check(data));
