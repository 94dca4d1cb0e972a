//! What a response must say to caches about the session behind it (RFC 9111; ASVS 14.3.2).

use http::header::{CACHE_CONTROL, Entry, VARY};
use http::{HeaderMap, HeaderName, HeaderValue};

/// How closely the response is tied to one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Privacy {
    /// The handler looked at the session: only the client itself may keep the response.
    Private,
    /// The response carries a ticket: nobody may keep it.
    NoStore,
}

/// Merges `Cache-Control` and `Vary`, leaving whatever the handler chose if it is stricter.
pub(crate) fn guard_caches(headers: &mut HeaderMap, privacy: Privacy, reads: &[HeaderName]) {
    match privacy {
        Privacy::Private => keep_private(headers),
        Privacy::NoStore => keep_from_store(headers),
    }
    for name in reads {
        vary_by(headers, name);
    }
}

fn keep_private(headers: &mut HeaderMap) {
    if let Entry::Vacant(free) = headers.entry(CACHE_CONTROL) {
        free.insert(HeaderValue::from_static("private"));
        return;
    }
    if has_token(headers, &CACHE_CONTROL, "no-store")
        || has_token(headers, &CACHE_CONTROL, "private")
    {
        return;
    }
    // What the handler said about age still holds for the client's own cache.
    let mut value = String::from("private");
    for directive in tokens(headers, &CACHE_CONTROL) {
        let name = directive.split('=').next().unwrap_or(directive).trim();
        if !name.eq_ignore_ascii_case("public") && !name.eq_ignore_ascii_case("s-maxage") {
            value.push_str(", ");
            value.push_str(directive);
        }
    }
    let value = HeaderValue::try_from(value);
    headers.insert(CACHE_CONTROL, value.unwrap_or(HeaderValue::from_static("private")));
}

fn keep_from_store(headers: &mut HeaderMap) {
    if let Entry::Vacant(free) = headers.entry(CACHE_CONTROL) {
        free.insert(HeaderValue::from_static("no-store"));
    } else if !has_token(headers, &CACHE_CONTROL, "no-store") {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

fn vary_by(headers: &mut HeaderMap, name: &HeaderName) {
    if let Entry::Vacant(free) = headers.entry(VARY) {
        free.insert(HeaderValue::from(name.clone()));
    } else if !has_token(headers, &VARY, "*") && !has_token(headers, &VARY, name.as_str()) {
        headers.append(VARY, HeaderValue::from(name.clone()));
    }
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|found| found.eq_ignore_ascii_case(token))
}

fn tokens<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|token| !token.is_empty())
}

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
            guard_caches(&mut headers, privacy, &[http::header::COOKIE]);
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
            ("everything", vec!["*"], vec!["*"]),
        ];
        for (name, before, after) in cases {
            let mut headers = HeaderMap::new();
            for value in before {
                headers.append(VARY, HeaderValue::from_static(value));
            }
            guard_caches(&mut headers, Privacy::Private, &[http::header::COOKIE]);
            assert_eq!(headers.get_all(VARY).iter().collect::<Vec<_>>(), after, "{name}");
        }
    }
}
