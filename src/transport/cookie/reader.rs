//! Reads our cookie out of a `Cookie` line, byte by byte.

use memchr::memchr;
use memchr::memmem::Finder;

use crate::transport::Candidates;

/// Collects the values of the cookies in `line` whose name and `=` are exactly the needle.
///
/// This is what browsers mean by a cookie (RFC 6265bis, 5.8.3: `; ` between pairs), not what a
/// lenient parser could make of it. Only `;` ends a pair, so a quote cannot widen a value over its
/// neighbours (the "cookie sandwich"); only SP and HTAB directly after the separator are skipped,
/// so neither a Unicode blank nor a nameless `=name=value` becomes our name (CVE-2020-7070 and
/// its kin); blanks after a value stay part of it, because browsers send none and a ticket holds
/// none.
///
/// The name is looked for before the separators: most of a line is other people's cookies.
#[inline]
pub(super) fn find<'r>(line: &'r [u8], needle: &Finder<'_>, found: &mut Candidates<'r>) {
    let mut rest = Some(line);
    // Each round starts where a pair does, and leaves the pair of the needle behind.
    while let Some(pairs) = rest {
        let Some((before, value)) = split_around(pairs, needle) else {
            return;
        };
        let (value, next) = split_at_separator(value);
        if ends_at_a_separator(before) && !value.is_empty() {
            found.push(value);
        }
        rest = next;
    }
}

/// What stands before the needle, and behind it.
#[inline]
fn split_around<'r>(pairs: &'r [u8], needle: &Finder<'_>) -> Option<(&'r [u8], &'r [u8])> {
    let name = needle.needle();
    // Ours is often the first or the only one. One byte tells most others apart.
    if let Some((head, value)) = pairs.split_at_checked(name.len())
        && head.last() == Some(&b'=')
        && head == name
    {
        return Some((&[], value));
    }
    let (before, ours) = pairs.split_at_checked(needle.find(pairs)?)?;
    Some((before, ours.get(name.len()..)?))
}

/// Whether a pair starts behind these bytes and the blanks at their end.
#[inline]
fn ends_at_a_separator(mut before: &[u8]) -> bool {
    while let [rest @ .., b' ' | b'\t'] = before {
        before = rest;
    }
    matches!(before, [] | [.., b';'])
}

#[inline]
fn split_at_separator(bytes: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr(b';', bytes).and_then(|at| bytes.split_at_checked(at)) {
        Some((value, rest)) => (value, rest.get(1..)),
        None => (bytes, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_yields_exactly_the_values_behind_our_name() {
        struct Case {
            name: &'static str,
            line: &'static [u8],
            found: &'static [&'static [u8]],
        }
        let cases = [
            Case { name: "alone", line: b"sid=t", found: &[b"t"] },
            Case { name: "empty line", line: b"", found: &[] },
            Case { name: "separators only", line: b";; ;\t;", found: &[] },
            Case { name: "first of two", line: b"sid=t; a=b", found: &[b"t"] },
            Case { name: "behind three", line: b"a=b; c=d; e=f; sid=t", found: &[b"t"] },
            Case { name: "no space", line: b"a=b;sid=t;c=d", found: &[b"t"] },
            Case { name: "tab and spaces", line: b"a=b; \t sid=t", found: &[b"t"] },
            Case { name: "leading blanks", line: b"  sid=t", found: &[b"t"] },
            Case { name: "trailing separator", line: b"sid=t;", found: &[b"t"] },
            Case { name: "value with =", line: b"sid=t=u==", found: &[b"t=u=="] },
            Case { name: "blank after the value is data", line: b"sid=t ; a=b", found: &[b"t "] },
            Case { name: "blank before the value is data", line: b"sid= t", found: &[b" t"] },
            Case { name: "empty value", line: b"sid=; sid=", found: &[] },
            Case { name: "no equals sign", line: b"sid; sidt", found: &[] },
            Case { name: "blank before the equals sign", line: b"sid =t", found: &[] },
            Case { name: "longer name", line: b"sidt=t; xsid=t", found: &[] },
            Case { name: "other case", line: b"SID=t; Sid=t", found: &[] },
            Case { name: "inside a value", line: b"a=sid=t; b= sid=t", found: &[] },
            Case { name: "twice inside a value", line: b"a=sid=sid=t", found: &[] },
            Case {
                name: "inside a value, then ours",
                line: b"a=sid=1 sid=2; sid=3; b=sid=4;sid=5",
                found: &[b"3", b"5"],
            },
            Case {
                name: "tail of a longer name, then ours",
                line: b"__Host-sid=1; sid=2",
                found: &[b"2"],
            },
            Case { name: "comma is no separator", line: b"a=b, sid=t", found: &[] },
            Case { name: "shorter than the name", line: b"a;b; =", found: &[] },
            Case { name: "all of them in order", line: b"sid=1; a=b; sid=2", found: &[b"1", b"2"] },
            Case { name: "non-UTF-8", line: b"\xff=\xfe; sid=\x80", found: &[b"\x80"] },
        ];
        for case in cases {
            let mut found = Candidates::new();
            find(case.line, &Finder::new("sid="), &mut found);
            assert_eq!(found.as_slice(), case.found, "{}", case.name);
        }
    }
}
