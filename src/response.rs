//! What a response must say to caches about the session behind it (RFC 9111; ASVS 14.3.2).

use http::header::{CACHE_CONTROL, MaxSizeReached, VARY};
use http::{HeaderMap, HeaderName, HeaderValue};

/// How closely the response is tied to one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Privacy {
    /// The handler looked at the session: only the client itself may keep the response.
    Private,
    /// The response carries a ticket: nobody may keep it.
    NoStore,
}

/// What becomes of a line of ours where the handler has lines of the same name.
enum Merge {
    /// Theirs say it already.
    Theirs,
    /// Both stay.
    Both,
    /// This one takes the place of all.
    Instead(HeaderValue),
}

/// Merges `Cache-Control` and `Vary`, leaving whatever the handler chose if it is stricter.
///
/// # Errors
/// When the response has as many headers as a map can hold.
pub(crate) fn guard_caches(
    headers: &mut HeaderMap,
    privacy: Privacy,
    reads: &[HeaderName],
) -> Result<(), MaxSizeReached> {
    match privacy {
        Privacy::Private => add(headers, &CACHE_CONTROL, PRIVATE, keep_private)?,
        Privacy::NoStore => add(headers, &CACHE_CONTROL, NO_STORE, keep_from_store)?,
    }
    vary_by(headers, reads)
}

/// Says in `Vary` that the answer depends on these headers of the request.
///
/// # Errors
/// When the response has as many headers as a map can hold.
pub(crate) fn vary_by(headers: &mut HeaderMap, names: &[HeaderName]) -> Result<(), MaxSizeReached> {
    for name in names {
        add(headers, &VARY, HeaderValue::from(name.clone()), |theirs| keep_vary(theirs, name))?;
    }
    Ok(())
}

/// Adds a line; where the handler has lines of the same name, `merge` decides.
///
/// Appending tells whether it has any. To look beforehand would cost as much again in every
/// response, and hardly any handler speaks to caches.
fn add(
    headers: &mut HeaderMap,
    name: &HeaderName,
    ours: HeaderValue,
    merge: impl FnOnce(&[HeaderValue]) -> Merge,
) -> Result<(), MaxSizeReached> {
    if headers.try_append(name, ours)? {
        let mut theirs: Vec<_> = headers.get_all(name).into_iter().cloned().collect();
        theirs.pop(); // ours
        match merge(&theirs) {
            Merge::Theirs => set(headers, name, theirs)?,
            Merge::Both => {}
            Merge::Instead(line) => set(headers, name, vec![line])?,
        }
    }
    Ok(())
}

/// Puts these lines in place of all of that name.
fn set(
    headers: &mut HeaderMap,
    name: &HeaderName,
    lines: Vec<HeaderValue>,
) -> Result<(), MaxSizeReached> {
    let mut lines = lines.into_iter();
    if let Some(first) = lines.next() {
        headers.try_insert(name, first)?;
    }
    for line in lines {
        headers.try_append(name, line)?;
    }
    Ok(())
}

fn keep_private(theirs: &[HeaderValue]) -> Merge {
    if has_token(theirs, "no-store") || has_token(theirs, "private") {
        return Merge::Theirs;
    }
    // What the handler said about age still holds for the client's own cache.
    let mut value = String::from("private");
    for directive in tokens(theirs) {
        let name = directive.split('=').next().unwrap_or(directive).trim();
        if !name.eq_ignore_ascii_case("public") && !name.eq_ignore_ascii_case("s-maxage") {
            value.push_str(", ");
            value.push_str(directive);
        }
    }
    Merge::Instead(HeaderValue::try_from(value).unwrap_or(PRIVATE))
}

fn keep_from_store(theirs: &[HeaderValue]) -> Merge {
    if has_token(theirs, "no-store") { Merge::Theirs } else { Merge::Instead(NO_STORE) }
}

fn keep_vary(theirs: &[HeaderValue], name: &HeaderName) -> Merge {
    if has_token(theirs, "*") || has_token(theirs, name.as_str()) {
        Merge::Theirs
    } else {
        Merge::Both
    }
}

fn has_token(lines: &[HeaderValue], token: &str) -> bool {
    tokens(lines).any(|found| found.eq_ignore_ascii_case(token))
}

fn tokens(lines: &[HeaderValue]) -> impl Iterator<Item = &str> {
    lines
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|token| !token.is_empty())
}

const PRIVATE: HeaderValue = HeaderValue::from_static("private");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r26_caches_are_told_the_stricter_of_both() {
        use Privacy::{NoStore, Private};
        let cases = [
            ("nothing said, touched", "", Private, "private"),
            ("nothing said, ticket sent", "", NoStore, "no-store"),
            ("public", "public, max-age=60", Private, "private, max-age=60"),
            ("shared age", "max-age=60, s-maxage=600", Private, "private, max-age=60"),
            ("stricter already", "No-Store", Private, "No-Store"),
            ("private already", "private, max-age=5", Private, "private, max-age=5"),
            ("private is not enough for a ticket", "private", NoStore, "no-store"),
            (
                "stricter already, ticket sent",
                "no-store, max-age=0",
                NoStore,
                "no-store, max-age=0",
            ),
        ];
        for (name, before, privacy, after) in cases {
            let mut headers = HeaderMap::new();
            if !before.is_empty() {
                headers.insert(CACHE_CONTROL, HeaderValue::from_static(before));
            }
            guard_caches(&mut headers, privacy, &[http::header::COOKIE]).unwrap();
            assert_eq!(headers[CACHE_CONTROL], after, "{name}");
            assert_eq!(headers[VARY], "cookie", "{name}");
        }
    }

    #[test]
    fn c06_vary_is_merged_never_replaced_and_never_repeated() {
        let cases = [
            ("absent", vec![], vec!["cookie"]),
            ("another", vec!["Accept"], vec!["Accept", "cookie"]),
            ("there already", vec!["accept, Cookie"], vec!["accept, Cookie"]),
            (
                "there already, in the second line",
                vec!["accept", "Cookie"],
                vec!["accept", "Cookie"],
            ),
            ("everything", vec!["*"], vec!["*"]),
        ];
        for (name, before, after) in cases {
            let mut headers = HeaderMap::new();
            for value in before {
                headers.append(VARY, HeaderValue::from_static(value));
            }
            guard_caches(&mut headers, Privacy::Private, &[http::header::COOKIE]).unwrap();
            assert_eq!(headers.get_all(VARY).iter().collect::<Vec<_>>(), after, "{name}");
        }
    }

    #[test]
    fn a_response_that_is_full_of_headers_is_an_error_and_no_panic() {
        let mut headers = HeaderMap::new();
        for n in 0.. {
            let name = HeaderName::try_from(format!("x-{n}")).unwrap();
            if headers.try_append(name, HeaderValue::from_static("")).is_err() {
                break;
            }
        }
        assert!(guard_caches(&mut headers, Privacy::NoStore, &[]).is_err());
    }
}
