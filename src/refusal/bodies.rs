//! The text of a refusal, in whatever bodies an application's responses have.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response};

/// Makes refusal bodies of the types that responses in this application have.
///
/// Of a response body only `Default` is asked, so a refusal can always be sent; its text needs a
/// way into the body. axum's body is known; others register theirs.
#[derive(Clone, Default)]
pub(crate) struct Bodies(Vec<Arc<dyn Any + Send + Sync>>);

impl Bodies {
    pub(crate) fn register<B: 'static>(&mut self, make: fn(String) -> B) {
        self.0.push(Arc::new(make));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The refusal with its text in a body of type `B`, or with an empty one if nobody said how.
    pub(crate) fn render<B: Default + 'static>(&self, refusal: Response<String>) -> Response<B> {
        let (mut parts, text) = refusal.into_parts();
        let made = if text.is_empty() { None } else { self.make(text) };
        if made.is_none() {
            strip_content(&mut parts.headers);
        }
        Response::from_parts(parts, made.unwrap_or_default())
    }

    fn make<B: Default + 'static>(&self, text: String) -> Option<B> {
        let registered = self.0.iter().find_map(|make| make.downcast_ref::<fn(String) -> B>());
        if let Some(make) = registered {
            return Some(make(text));
        }
        #[cfg(feature = "axum")]
        {
            let mut body = B::default();
            let any: &mut dyn Any = &mut body;
            if let Some(known) = any.downcast_mut::<axum_core::body::Body>() {
                *known = axum_core::body::Body::from(text);
                return Some(body);
            }
        }
        None
    }
}

impl fmt::Debug for Bodies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bodies({})", self.0.len())
    }
}

/// An empty body has no JSON in it; a gRPC status has none to begin with.
fn strip_content(headers: &mut HeaderMap) {
    let grpc = headers.get(CONTENT_TYPE).is_some_and(is_grpc_type);
    if !grpc {
        headers.remove(CONTENT_TYPE);
    }
}

/// Whether these are the headers of a gRPC request or response.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(is_grpc_type)
}

fn is_grpc_type(content_type: &HeaderValue) -> bool {
    content_type.as_bytes().starts_with(b"application/grpc")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::{Refusal, Refusals};

    #[test]
    fn a_body_that_nobody_can_make_stays_empty_and_says_nothing_of_json() {
        let mut bodies = Bodies::default();
        let refusal = || Refusals::problem().respond(Refusal::NoTicket);
        let bare: Response<Vec<u8>> = bodies.render(refusal());
        assert!(bare.body().is_empty() && !bare.headers().contains_key(CONTENT_TYPE));
        bodies.register::<Vec<u8>>(String::into_bytes);
        let made: Response<Vec<u8>> = bodies.render(refusal());
        assert!(made.body().starts_with(b"{") && made.headers().contains_key(CONTENT_TYPE));
    }
}
