//! The service that a layer makes of another.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use crate::entry::Entry;
use crate::future::ResponseFuture;
use crate::record::SessionData;
use crate::shared::Shared;

/// A service whose requests carry a session. Made by [`SessionLayer`](crate::SessionLayer).
pub struct SessionService<S, T> {
    inner: S,
    shared: Arc<Shared<T>>,
}

impl<S, T> SessionService<S, T> {
    pub(crate) const fn new(inner: S, shared: Arc<Shared<T>>) -> Self {
        Self { inner, shared }
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

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.shared.enter(request.headers()) {
            Entry::Known(base) => {
                ResponseFuture::serve(&mut self.inner, &self.shared, request, base)
            }
            Entry::Refused(refusal) => ResponseFuture::refuse(&self.shared, refusal, &request),
            Entry::Later(loading) => {
                // The service that was polled ready goes with the request, its clone stays.
                let clone = self.inner.clone();
                let ready = mem::replace(&mut self.inner, clone);
                ResponseFuture::load(loading, request, ready, Arc::clone(&self.shared))
            }
        }
    }
}

impl<S: Clone, T> Clone for SessionService<S, T> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), shared: Arc::clone(&self.shared) }
    }
}

impl<S: fmt::Debug, T> fmt::Debug for SessionService<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionService")
            .field("inner", &self.inner)
            .field("layer", &self.shared)
            .finish()
    }
}
