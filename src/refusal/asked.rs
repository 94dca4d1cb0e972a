//! In which form a request wants to be refused.

use http::header::ACCEPT;
use http::{HeaderMap, HeaderName, Method, Uri};

use super::{ReturnTo, is_grpc};

/// In which form a request wants to be refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A gRPC status.
    Grpc,
    /// For a program.
    Plain,
    /// A page for a person, who wants to get back to where they were.
    Page(Option<ReturnTo>),
}

/// Where a request was going before routers took the front of its path off.
#[derive(Clone)] // no `Debug`: single-use tickets stand in addresses
pub(crate) struct Target(pub(crate) Uri);

impl Asked {
    pub(crate) fn of(method: &Method, uri: &Uri, headers: &HeaderMap) -> Self {
        if is_grpc(headers) {
            return Self::Grpc;
        }
        if !wants_page(headers) {
            return Self::Plain;
        }
        // What was posted is gone after a login: only pages can be returned to.
        let back = matches!(*method, Method::GET | Method::HEAD)
            .then(|| uri.path_and_query().and_then(|path| ReturnTo::parse(path.as_str())));
        Self::Page(back.flatten())
    }

    /// The form where only the headers of a request or response are known.
    pub(crate) fn by(headers: &HeaderMap) -> Self {
        if is_grpc(headers) { Self::Grpc } else { Self::Plain }
    }
}

/// Whether a browser is on its way to a page: it names HTML among what it accepts, and does not
/// say that a script asks.
fn wants_page(headers: &HeaderMap) -> bool {
    let navigates = headers.get(&SEC_FETCH_MODE).is_none_or(|mode| mode == "navigate");
    navigates
        && headers.get_all(ACCEPT).iter().any(|line| {
            line.to_str().is_ok_and(|line| line.split(',').any(|range| is_html(range.trim())))
        })
}

/// `text/html` of any quality but zero; `*/*` is what programs send that do not care.
fn is_html(range: &str) -> bool {
    let mut parts = range.split(';').map(str::trim);
    let html = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("text/html"));
    let unwanted = |part: &str| {
        part.split_once('=').is_some_and(|(name, value)| {
            name.trim().eq_ignore_ascii_case("q") && value.trim().parse() == Ok(0.0_f32)
        })
    };
    html && !parts.any(unwanted)
}

static SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_for_browsers_on_their_way_to_one() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        let page = |path| Asked::Page(ReturnTo::parse(path));
        let cases = [
            ("a browser", "GET", "/a?b=c", browser, "navigate", page("/a?b=c")),
            ("an old browser", "GET", "/a", browser, "", page("/a")),
            ("a form", "POST", "/a", browser, "navigate", Asked::Page(None)),
            ("a script's request for HTML", "GET", "/a", "text/html", "cors", Asked::Plain),
            ("curl", "GET", "/a", "*/*", "", Asked::Plain),
            ("an API client", "GET", "/a", "application/json", "", Asked::Plain),
            ("HTML is not wanted", "GET", "/a", "text/html;q=0, */*", "", Asked::Plain),
            ("in capitals", "GET", "/a", "TEXT/HTML; q=0.1", "", page("/a")),
            ("to another origin", "GET", "//evil", browser, "navigate", Asked::Page(None)),
        ];
        for (name, method, target, accept, mode, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, accept.parse().unwrap());
            if !mode.is_empty() {
                headers.insert(&SEC_FETCH_MODE, mode.parse().unwrap());
            }
            let (method, uri) = (method.parse().unwrap(), target.parse().unwrap());
            assert_eq!(Asked::of(&method, &uri, &headers), expected, "{name}");
        }
        let mut grpc = HeaderMap::new();
        grpc.insert("content-type", "application/grpc".parse().unwrap());
        assert_eq!(Asked::of(&Method::POST, &Uri::from_static("/a"), &grpc), Asked::Grpc);
    }
}
