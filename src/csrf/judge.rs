//! Whether a request may come from where it comes from: pure decisions.

use http::header::{HOST, ORIGIN, UPGRADE};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use super::origin::Origin;
use super::violation::Reason;
use crate::head::lists;
use crate::refusal::is_grpc;
use crate::routes::Routes;

/// What a layer was told.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    pub(super) trusted: Vec<Box<str>>,
    pub(super) exempt: Routes,
    pub(super) strict: bool,
    pub(super) https_only: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It does not matter where the request comes from.
    Unasked,
    /// It comes from where it may.
    Pass,
    Violation(Reason),
}

impl Rules {
    /// The decision. What browsers say of themselves in `Sec-Fetch-Site` counts; `Origin` is for
    /// those that say nothing.
    pub(super) fn judge(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Judgement {
        if !acts(method, headers) || self.exempt.contain(method, uri.path()) {
            return Judgement::Unasked;
        }
        let violation = match foreign_site(headers) {
            Some(None) => None,
            Some(Some(foreign)) => Some(foreign).filter(|_| !self.is_trusted(headers)),
            None => self.judge_origin(uri, headers),
        };
        violation.map_or(Judgement::Pass, Judgement::Violation)
    }

    fn judge_origin(&self, uri: &Uri, headers: &HeaderMap) -> Option<Reason> {
        let origin = match only(headers, &ORIGIN) {
            Lines::None if self.strict && !is_grpc(headers) => return Some(Reason::NoOrigin),
            Lines::None => return None,
            Lines::One(origin) if origin == "null" => return Some(Reason::NullOrigin),
            Lines::One(origin) => origin,
            Lines::Several => return Some(Reason::ForeignOrigin),
        };
        let own = || origin.to_str().is_ok_and(|origin| self.is_own(origin, uri, headers));
        (!self.trusts(origin) && !own()).then_some(Reason::ForeignOrigin)
    }

    /// Whether the request went to the host that its page came from. The request's target counts
    /// before the `Host` header (RFC 9112, 3.2.2); HTTP/2 has only the former.
    fn is_own(&self, origin: &str, uri: &Uri, headers: &HeaderMap) -> bool {
        let host = || match only(headers, &HOST) {
            Lines::One(host) => host.to_str().ok(),
            Lines::None | Lines::Several => None,
        };
        let authority = uri.authority().map(Authority::as_str).or_else(host);
        let scheme = if self.https_only { Some("https") } else { uri.scheme_str() };
        Origin::parse(origin).is_some_and(|origin| {
            scheme.is_none_or(|scheme| origin.has_scheme(scheme))
                && authority.is_some_and(|authority| origin.is_at(authority))
        })
    }

    fn is_trusted(&self, headers: &HeaderMap) -> bool {
        matches!(only(headers, &ORIGIN), Lines::One(origin) if self.trusts(origin))
    }

    fn trusts(&self, origin: &HeaderValue) -> bool {
        self.trusted.iter().any(|trusted| origin == &**trusted)
    }
}

/// Whether a request can do something in its sender's name: by its method, or because it opens a
/// WebSocket (RFC 6455, 4.1), which is a `GET` with the visitor's cookie and a channel both ways.
/// Over HTTP/2 the method says it, `CONNECT` (RFC 8441, 4).
fn acts(method: &Method, headers: &HeaderMap) -> bool {
    !is_safe(method) || lists(headers, &UPGRADE, "websocket")
}

/// Whether a request with this method changes nothing (RFC 9110, 9.2.1). `TRACE`, which browsers
/// cannot send, does not count.
pub(super) fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// What the browser says of the site that sent the request, if it says anything: `Some(None)` if
/// it is this origin, or the user's own doing. A value that no standard knows is foreign.
#[expect(clippy::option_option, reason = "said nothing, nothing foreign, or what is foreign")]
fn foreign_site(headers: &HeaderMap) -> Option<Option<Reason>> {
    let mut said = headers.get_all(&SEC_FETCH_SITE).iter().map(|site| match site.as_bytes() {
        b"same-origin" | b"none" => None,
        b"same-site" => Some(Reason::SameSite),
        _ => Some(Reason::CrossSite),
    });
    let first = said.next()?;
    Some(first.or_else(|| said.flatten().next()))
}

enum Lines<'h> {
    None,
    One(&'h HeaderValue),
    Several,
}

fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Lines<'h> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (None, _) => Lines::None,
        (Some(line), None) => Lines::One(line),
        (Some(_), Some(_)) => Lines::Several,
    }
}

pub(super) static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert, proptest};

    use super::Judgement::{Pass, Unasked};
    use super::*;

    const OWN: &str = "https://app.example";
    const FRIEND: &str = "https://friend.example";

    fn rules() -> Rules {
        Rules { trusted: vec![FRIEND.into()], ..Rules::default() }
    }

    fn judge(rules: &Rules, method: &str, target: &str, lines: &[(&str, &str)]) -> Judgement {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        rules.judge(&method.parse().unwrap(), &target.parse().unwrap(), &headers)
    }

    const fn refuse(reason: Reason) -> Judgement {
        Judgement::Violation(reason)
    }

    #[test]
    fn r47_what_the_browser_says_counts_and_origin_where_it_says_nothing() {
        use Reason::{CrossSite, ForeignOrigin, NullOrigin, SameSite};
        let site = |value| ("sec-fetch-site", value);
        let origin = |value| ("origin", value);
        let host = ("host", "app.example");
        let cases: &[(&str, &[(&str, &str)], Judgement)] = &[
            ("own page", &[site("same-origin"), origin(OWN), host], Pass),
            ("typed by the user", &[site("none"), host], Pass),
            ("own page without referrer", &[site("same-origin"), origin("null"), host], Pass),
            ("behind a proxy that renames", &[site("same-origin"), origin(OWN)], Pass),
            ("another site", &[site("cross-site"), host], refuse(CrossSite)),
            ("a subdomain", &[site("same-site"), host], refuse(SameSite)),
            ("a liar", &[site("cross-site"), origin(OWN), host], refuse(CrossSite)),
            ("a trusted site", &[site("cross-site"), origin(FRIEND), host], Pass),
            ("a trusted subdomain", &[site("same-site"), origin(FRIEND), host], Pass),
            (
                "not quite the trusted one",
                &[site("cross-site"), origin("https://friend.example:8443"), host],
                refuse(CrossSite),
            ),
            (
                "the trusted one, over http",
                &[site("cross-site"), origin("http://friend.example"), host],
                refuse(CrossSite),
            ),
            ("sandboxed", &[site("cross-site"), origin("null"), host], refuse(CrossSite)),
            ("a word of the future", &[site("same-party"), host], refuse(CrossSite)),
            ("nothing said", &[site(""), origin(OWN), host], refuse(CrossSite)),
            ("in capitals", &[site("Same-Origin"), host], refuse(CrossSite)),
            ("two answers", &[site("same-origin"), site("cross-site")], refuse(CrossSite)),
            ("twice the same", &[site("same-origin"), site("none")], Pass),
            (
                "trusted and not",
                &[site("cross-site"), origin(FRIEND), origin("https://evil.example")],
                refuse(CrossSite),
            ),
            ("old browser, own page", &[origin(OWN), host], Pass),
            ("old browser, trusted", &[origin(FRIEND), host], Pass),
            ("old browser, forged", &[origin("https://evil.example"), host], refuse(ForeignOrigin)),
            (
                "old browser, lookalike",
                &[origin("https://app.example.evil.example"), host],
                refuse(ForeignOrigin),
            ),
            ("old browser, null", &[origin("null"), host], refuse(NullOrigin)),
            ("old browser, empty", &[origin(""), host], refuse(ForeignOrigin)),
            (
                "old browser, no origin at all",
                &[origin("app.example"), host],
                refuse(ForeignOrigin),
            ),
            ("old browser, two", &[origin(OWN), origin(OWN), host], refuse(ForeignOrigin)),
            ("no host", &[origin(OWN)], refuse(ForeignOrigin)),
            ("two hosts", &[origin(OWN), host, host], refuse(ForeignOrigin)),
            ("a program", &[host], Pass),
        ];
        for (name, lines, expected) in cases {
            for method in ["POST", "PUT", "PATCH", "DELETE", "CONNECT", "PURGE"] {
                assert_eq!(judge(&rules(), method, "/a", lines), *expected, "{name}, {method}");
            }
            for method in ["GET", "HEAD", "OPTIONS"] {
                assert_eq!(judge(&rules(), method, "/a", lines), Unasked, "{name}, {method}");
            }
            for (upgrade, asked) in [
                ("websocket", true),
                ("WebSocket", true),
                ("h2c, websocket", true),
                ("h2c", false),
                ("websockets", false),
            ] {
                let lines = [*lines, &[("upgrade", upgrade)]].concat();
                let expected = if asked { *expected } else { Unasked };
                assert_eq!(judge(&rules(), "GET", "/a", &lines), expected, "{name}, {upgrade}");
            }
        }
    }

    proptest! {
        #[test]
        fn r47_no_bytes_in_a_header_pass_for_another_site(
            site in prop::collection::vec(32_u8..=255, 0..16),
            origin in prop::collection::vec(any::<u8>(), 0..32),
            host in "[a-z.]{1,3}(:[0-9]{1,5})?",
        ) {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            if let Ok(origin) = HeaderValue::from_bytes(&origin) {
                headers.insert(ORIGIN, origin);
                let judged = rules().judge(&Method::POST, &Uri::from_static("/a"), &headers);
                prop_assert!(judged != Pass, "random bytes are no origin of {host}");
            }
            if let Ok(site) = HeaderValue::from_bytes(&site) {
                headers.insert(&SEC_FETCH_SITE, site.clone());
                let judged = rules().judge(&Method::POST, &Uri::from_static("/a"), &headers);
                prop_assert!((judged == Pass) == (site == "none" || site == "same-origin"));
            }
        }
    }

    #[test]
    fn c25_the_scheme_counts_where_it_is_known() {
        let (http, https) = ("http://app.example", "https://app.example");
        let host = Some("app.example");
        let cases = [
            ("unknown, http", false, "/a", host, http, true),
            ("unknown, https", false, "/a", host, https, true),
            ("said to be https", true, "/a", host, http, false),
            ("said to be https, and is", true, "/a", host, https, true),
            ("HTTP/2 over TLS, from http", false, "https://app.example/a", None, http, false),
            ("HTTP/2 over TLS", false, "https://app.example/a", None, https, true),
            ("HTTP/2 without TLS", false, "http://app.example/a", None, http, true),
            ("HTTP/2 without TLS, from https", false, "http://app.example/a", None, https, false),
            ("TLS ends before us", true, "http://app.example/a", None, https, true),
            ("the target counts before Host", false, "https://b.example/a", host, https, false),
        ];
        let socket = ("upgrade", "websocket");
        for (name, https_only, target, host, origin, pass) in cases {
            let rules = Rules { https_only, ..Rules::default() };
            let mut lines = vec![("origin", origin)];
            lines.extend(host.map(|host| ("host", host)));
            let expected = if pass { Pass } else { refuse(Reason::ForeignOrigin) };
            assert_eq!(judge(&rules, "POST", target, &lines), expected, "{name}");
            assert_eq!(judge(&rules, "CONNECT", target, &lines), expected, "{name}, RFC 8441");
            lines.push(socket);
            assert_eq!(judge(&rules, "GET", target, &lines), expected, "{name}, RFC 6455");
        }
    }

    #[test]
    fn r47_strict_asks_for_a_header_that_browsers_send() {
        let strict = Rules { strict: true, ..rules() };
        let grpc = ("content-type", "application/grpc");
        assert_eq!(judge(&strict, "POST", "/a", &[]), refuse(Reason::NoOrigin));
        assert_eq!(judge(&strict, "GET", "/a", &[]), Unasked);
        let socket = [("upgrade", "websocket")];
        assert_eq!(judge(&strict, "GET", "/a", &socket), refuse(Reason::NoOrigin));
        assert_eq!(judge(&strict, "POST", "/pkg.Greeter/Hello", &[grpc]), Pass, "no browser");
        let posing = [grpc, ("origin", "https://evil.example")];
        assert_eq!(judge(&strict, "POST", "/a", &posing), refuse(Reason::ForeignOrigin));
    }

    #[test]
    fn c24_an_exemption_exempts_nothing_else() {
        let mut rules = rules();
        rules.exempt.add("POST /hello/");
        rules.exempt.add("/hooks/*");
        let evil = [("sec-fetch-site", "cross-site")];
        for (method, path, exempt) in [
            ("POST", "/hello/", true),
            ("POST", "/hello/?a=b", true),
            ("PUT", "/hello/", false),
            ("POST", "/hello", false),
            ("POST", "/hello//", false),
            ("POST", "/x/../hello/", false),
            ("POST", "/hello/%2f", false),
            ("POST", "/hello%2f", false),
            ("DELETE", "/hooks/a", true),
            ("DELETE", "/hooks/../account", false),
            ("DELETE", "/hooks/%2e%2e/account", false),
            ("DELETE", "/hooks", false),
        ] {
            let expected = if exempt { Unasked } else { refuse(Reason::CrossSite) };
            assert_eq!(judge(&rules, method, path, &evil), expected, "{method} {path}");
        }
        let socket = [("upgrade", "websocket"), ("sec-fetch-site", "cross-site")];
        rules.exempt.add("GET /live");
        assert_eq!(judge(&rules, "GET", "/live", &socket), Unasked);
        assert_eq!(judge(&rules, "CONNECT", "/live", &evil), refuse(Reason::CrossSite));
        assert_eq!(judge(&rules, "GET", "/hello/", &socket), refuse(Reason::CrossSite));
    }
}
