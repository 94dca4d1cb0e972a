//! Whatever stands where a ticket belongs: what must hold is in `judges/ticket.rs`.
//!
//! `cargo fuzz run ticket`
#![no_main]

#[path = "../judges/ticket.rs"]
mod ticket;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    ticket::judge(bytes);
});
