//! What the fuzzer once found worth keeping is judged with every run of the tests, and so is what
//! is only a little different. New inputs are `cargo fuzz`'s to make up: `fuzz/README.md`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_in_result,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::Path;

#[path = "../fuzz/judges/cookie_reader.rs"]
mod cookie_reader;
#[path = "../fuzz/judges/ticket.rs"]
mod ticket;

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let seeds: Vec<_> = entries.map(|path| fs::read(path).unwrap()).collect();
    assert!(seeds.len() > 10, "a small set of seeds: {}", seeds.len());
    seeds
}

/// The seeds; each of them cut short anywhere, with any one byte another, and with any other behind
/// it.
fn neighbours(seeds: &[Vec<u8>], mut judge: impl FnMut(&[u8])) {
    for seed in seeds {
        judge(seed);
        for end in 0..seed.len() {
            judge(&seed[..end]);
            for byte in [0, b'\n', b' ', b'"', b';', b'=', b'A', 0x7f, 0x80, 0x81, 0xff] {
                let mut other = seed.clone();
                other[end] = byte;
                judge(&other);
            }
        }
        for other in seeds {
            judge(&[&seed[..], &other[..]].concat());
        }
    }
}

#[test]
fn nothing_but_what_stands_behind_our_name_is_found() {
    let (mut most, mut none) = (0, 0);
    neighbours(&seeds("cookie_reader"), |bytes| match cookie_reader::judge(bytes) {
        0 => none += 1,
        found => most = most.max(found),
    });
    assert!(most > 1 && none > 0, "or the judge was asked nothing: {most} and {none}");
}

#[test]
fn no_ticket_but_the_one_that_was_issued_gives_a_session() {
    let valid: Vec<u8> = (0x80..0xb0).collect();
    assert!(ticket::judge(&valid), "the ticket itself");
    let (mut sessions, mut none) = (0, 0);
    neighbours(&seeds("ticket"), |bytes| match ticket::judge(bytes) {
        true => sessions += 1,
        false => none += 1,
    });
    assert!(sessions > 0 && none > 0, "or the judge was asked nothing: {sessions} and {none}");
}
