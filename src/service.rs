//! The service that a layer makes of another.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use crate::entry::Entry;
use crate::future::{ResponseFuture, mount};
use crate::head::Head;
use crate::record::SessionData;
use crate::refusal::Refusal;
use crate::session::{Base, Status};
use crate::shared::Shared;
use crate::stripes::Stripes;

/// A service whose requests carry a session. Made by [`SessionLayer`](crate::SessionLayer).
///
/// Any service of HTTP requests can be in it, if it can be cloned and its response body has a
/// `Default`.
///
/// ```
/// use http::{Request, Response};
/// use sessile::{Key, Session, SessionLayer, SessionService, Values, store::MemoryStore};
/// use tower::{Layer, ServiceExt, service_fn};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let inner = service_fn(|request: Request<()>| async move {
///     let session = Session::<Values>::of(&request);
///     Ok::<_, ()>(Response::new(session.is_some()))
/// });
/// let layer = SessionLayer::new(MemoryStore::new(), Key::generate());
/// let service: SessionService<_, Values> = layer.layer(inner);
/// assert!(service.oneshot(Request::new(())).await.unwrap().into_body());
/// # }
/// ```
pub struct SessionService<S, T> {
    inner: S,
    shared: Stripes<Shared<T>>,
}

impl<S, T> SessionService<S, T> {
    pub(crate) fn new(inner: S, shared: &Shared<T>) -> Self {
        Self { inner, shared: Stripes::new(shared) }
    }
}

impl<S, T, B, R> Service<Request<B>> for SessionService<S, T>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    T: SessionData,
    R: Default + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ResponseFuture<S, T, B>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let shared = &*self.shared;
        let head = Head::of(&request);
        let client = shared.client(head);
        let session = match shared.enter(head, client.as_ref()) {
            Entry::Nobody => mount(shared, &mut request, Base::without(Status::NoTicket), client),
            Entry::Known(base) => mount(shared, &mut request, base, client),
            Entry::Refused(refusal) => return ResponseFuture::refuse(shared, refusal, &request),
            Entry::Later(loading) => {
                // The service that was polled ready goes with the request, its clone stays.
                let clone = self.inner.clone();
                let ready = mem::replace(&mut self.inner, clone);
                return ResponseFuture::load(loading, request, ready, Arc::clone(shared), client);
            }
        };
        match session {
            // Moved once: a request is large.
            Some(session) => ResponseFuture::serve(self.inner.call(request), session),
            None => ResponseFuture::refuse(shared, Refusal::DuplicateLayer, &request),
        }
    }
}

impl<S: Clone, T> Clone for SessionService<S, T> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), shared: self.shared.clone() }
    }
}

impl<S: fmt::Debug, T> fmt::Debug for SessionService<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionService")
            .field("inner", &self.inner)
            .field("layer", &*self.shared)
            .finish()
    }
}
