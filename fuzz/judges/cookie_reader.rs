//! Any bytes as `Cookie` lines: the reader never panics, and what it finds stands in the request
//! right behind our name, ended by `;` or the end of its line.
//!
//! `cargo fuzz run cookie_reader` has it judge what it makes up, `tests/fuzz_seeds.rs` the seeds.
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use sessile::transport::{Candidates, Cookie, Transport};

/// Panics if something else is found; how many were.
pub fn judge(bytes: &[u8]) -> usize {
    let mut headers = HeaderMap::new();
    // No header value holds a line feed, so it may stand for the end of one.
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Ok(line) = HeaderValue::from_bytes(line) {
            headers.append(COOKIE, line);
        }
    }
    let mut found = Candidates::new();
    Cookie::named("sid").find(&headers, &mut found);
    for value in found.as_slice() {
        assert!(
            headers.get_all(COOKIE).iter().any(|line| is_behind_our_name(line.as_bytes(), value)),
            "not a value of ours: {value:?}"
        );
    }
    found.as_slice().len()
}

/// Whether `value` is a part of `line` itself, and which bytes stand around it.
fn is_behind_our_name(line: &[u8], value: &[u8]) -> bool {
    let Some(start) = value.as_ptr().addr().checked_sub(line.as_ptr().addr()) else {
        return false;
    };
    let end = start + value.len();
    if value.is_empty() || end > line.len() {
        return false;
    }
    let before = line[..start].strip_suffix(b"sid=").map(<[u8]>::trim_ascii_end);
    let starts_a_pair = before.is_some_and(|before| before.is_empty() || before.ends_with(b";"));
    starts_a_pair && !value.contains(&b';') && matches!(line.get(end), None | Some(b';'))
}
