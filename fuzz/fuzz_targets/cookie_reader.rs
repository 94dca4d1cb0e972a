//! Any bytes as `Cookie` lines: what must hold is in `judges/cookie_reader.rs`.
//!
//! `cargo fuzz run cookie_reader`
#![no_main]

#[path = "../judges/cookie_reader.rs"]
mod cookie_reader;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    cookie_reader::judge(bytes);
});
