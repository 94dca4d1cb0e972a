//! Routes that are exempt from a rule, by method and path.

use http::Method;

/// Routes by method and path: exact ones, and everything below a folder.
#[derive(Clone, Debug, Default)]
pub(crate) struct Routes(Vec<Route>);

#[derive(Clone, Debug)]
struct Route {
    text: Box<str>,
    method: Option<Method>,
    /// Up to a `*`, which is not part of it.
    path: Box<str>,
    below: bool,
}

impl Routes {
    /// Adds `GET /login`, `/login`, or `/assets/*`.
    ///
    /// # Panics
    /// If it is none of these forms.
    #[track_caller]
    #[expect(clippy::panic, reason = "documented: configuration mistakes fail at construction")]
    pub(crate) fn add(&mut self, route: &str) {
        match parse(route) {
            Some(route) => self.0.push(route),
            None => panic!(
                "{route:?} is no route: write \"GET /login\", \"/login\" for all methods, or \
                 \"/assets/*\" for all below"
            ),
        }
    }

    #[inline]
    pub(crate) fn contain(&self, method: &Method, path: &str) -> bool {
        !self.0.is_empty() && self.hold(method, path)
    }

    fn hold(&self, method: &Method, path: &str) -> bool {
        is_plain(path)
            && self.0.iter().any(|route| {
                let same =
                    if route.below { path.starts_with(&*route.path) } else { path == &*route.path };
                same && route.method.as_ref().is_none_or(|own| own == method)
            })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|route| &*route.text)
    }
}

fn parse(text: &str) -> Option<Route> {
    let (method, path) = match text.split_once(' ') {
        Some((method, path)) => {
            let known = method.bytes().all(|byte| byte.is_ascii_uppercase());
            (Some(Method::from_bytes(method.as_bytes()).ok().filter(|_| known)?), path)
        }
        None => (None, text),
    };
    let (path, below) = match path.strip_suffix("/*") {
        Some(_) => (path.strip_suffix('*')?, true),
        None => (path, false),
    };
    let good = path.starts_with('/') && is_plain(path) && !path.contains(['*', '?', '#', ' ']);
    good.then(|| Route { text: text.into(), method, path: path.into(), below })
}

/// Whether a path means the same to whoever routes it, however it normalises paths (CVE-2025-47910
/// was an exemption that did not).
fn is_plain(path: &str) -> bool {
    let dots = |segment: &str| segment == "." || segment == "..";
    let escape = |at: &[u8]| ESCAPES.iter().any(|escape| at.eq_ignore_ascii_case(escape));
    !path.contains("//")
        && !path.contains('\\')
        && !path.split('/').any(dots)
        && !path.as_bytes().windows(3).any(escape)
}

/// What some router decodes and another does not: `/`, `\`, `.` and the end of a text.
const ESCAPES: [&[u8]; 4] = [b"%2f", b"%5c", b"%2e", b"%00"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c24_an_open_route_opens_nothing_else() {
        let mut routes = Routes::default();
        for route in ["GET /login", "/health", "GET /assets/*", "/pkg.Greeter/Hello"] {
            routes.add(route);
        }
        let cases = [
            ("GET", "/login", true),
            ("POST", "/login", false),
            ("GET", "/login/", false),
            ("GET", "/Login", false),
            ("GET", "//login", false),
            ("GET", "/login/../admin", false),
            ("POST", "/health", true),
            ("GET", "/healthy", false),
            ("GET", "/assets/a/b.css", true),
            ("GET", "/assets/", true),
            ("GET", "/assets", false),
            ("GET", "/assets/../admin", false),
            ("GET", "/assets/%2e%2e/admin", false),
            ("GET", "/assets/%2E%2E%2Fadmin", false),
            ("GET", "/assets/..%5cadmin", false),
            ("GET", r"/assets/..\admin", false),
            ("GET", "/assets//admin", false),
            ("POST", "/pkg.Greeter/Hello", true),
            ("POST", "/pkg.Greeter/Other", false),
            ("GET", "", false),
        ];
        for (method, path, open) in cases {
            assert_eq!(routes.contain(&method.parse().unwrap(), path), open, "{method} {path}");
        }
    }

    #[test]
    fn what_is_no_route_is_refused() {
        for bad in ["", "login", "get /login", "GET  /login", "GET /a*", "/*/b", "/a?b", "/a/../b"]
        {
            assert!(parse(bad).is_none(), "{bad:?}");
        }
        assert!(parse("/*").is_some());
    }
}
