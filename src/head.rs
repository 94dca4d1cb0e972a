//! The head of a request.

use http::{Extensions, HeaderMap, HeaderName, Method, Request, Uri};

/// The head of a request, lent to whoever judges it.
#[derive(Clone, Copy)] // no `Debug`: the ticket is in it
pub(crate) struct Head<'r> {
    pub(crate) method: &'r Method,
    pub(crate) uri: &'r Uri,
    pub(crate) headers: &'r HeaderMap,
    pub(crate) extensions: &'r Extensions,
}

impl<'r> Head<'r> {
    #[inline]
    pub(crate) fn of<B>(request: &'r Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }
}

/// Whether a header that is a list names this item, parameters aside.
pub(crate) fn lists(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    headers.get_all(name).iter().filter_map(|line| line.to_str().ok()).any(|line| {
        let mut items = line.split(',');
        items.any(|item| {
            item.split(';').next().is_some_and(|item| item.trim().eq_ignore_ascii_case(wanted))
        })
    })
}
