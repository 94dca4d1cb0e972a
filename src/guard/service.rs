//! The service that stands behind a guard.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::gate::{Asking, Gate, handles, session};
use crate::record::SessionData;
use crate::refusal::{Denied, Refusal};
use crate::session::Session;

/// A service that only some requests reach. Made by [`RequireSession`](super::RequireSession)
/// and [`RequireLayer`](super::RequireLayer).
///
/// ```
/// use http::{Request, Response};
/// use sessile::guard::RequireService;
/// use sessile::{RequireSession, Values};
/// use tower::{Layer, ServiceExt, service_fn};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let inner = service_fn(|_: Request<()>| async { Ok::<_, ()>(Response::new(String::new())) });
/// let service: RequireService<_, Values> = RequireSession::new().layer(inner);
/// let answer = service.oneshot(Request::new(())).await.unwrap();
/// assert_eq!(answer.status(), 500, "there is no session layer outside of it");
/// # }
/// ```
pub struct RequireService<S, T> {
    inner: S,
    gate: Arc<Gate<T>>,
}

impl<S, T> RequireService<S, T> {
    pub(crate) const fn new(inner: S, gate: Arc<Gate<T>>) -> Self {
        Self { inner, gate }
    }
}

impl<S: Clone, T> Clone for RequireService<S, T> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), gate: Arc::clone(&self.gate) }
    }
}

impl<S: fmt::Debug, T> fmt::Debug for RequireService<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireService").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S, T, B, R> Service<Request<B>> for RequireService<S, T>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    T: SessionData,
    R: Default + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = RequireFuture<S, T, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let asking = Asking::of(&request);
        if !self.gate.is_open(asking) {
            let Some(session) = Session::<T>::of(&request) else {
                let clone = self.inner.clone();
                let ready = mem::replace(&mut self.inner, clone);
                return RequireFuture::load(request, ready, Arc::clone(&self.gate));
            };
            if let Err(denied) = self.gate.check(session, asking) {
                let refused = Some(self.gate.refuse(denied, asking));
                return RequireFuture { step: Step::Refuse { refused } };
            }
        }
        // Moved once: a request is large.
        RequireFuture { step: Step::Serve { response: self.inner.call(request) } }
    }
}

/// The load of a lazy session, under way.
type Load<T> = Pin<Box<dyn Future<Output = Result<Session<T>, Refusal>> + Send>>;

pin_project! {
    /// The response of a [`RequireService`]. Boxes nothing unless a lazy session must be loaded.
    ///
    /// ```
    /// use http::{Request, Response};
    /// use sessile::Values;
    /// use sessile::guard::{RequireFuture, RequireService};
    /// use tower::Service;
    ///
    /// fn ask<S, R>(service: &mut RequireService<S, Values>) -> RequireFuture<S, Values, ()>
    /// where
    ///     S: Service<Request<()>, Response = Response<R>> + Clone,
    ///     R: Default + 'static,
    /// {
    ///     service.call(Request::new(()))
    /// }
    /// ```
    pub struct RequireFuture<S, T, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        step: Step<S, T, B, S::Future, S::Response>,
    }
}

impl<S, T, B> RequireFuture<S, T, B>
where
    S: Service<Request<B>>,
    T: SessionData,
{
    fn load(request: Request<B>, ready: S, gate: Arc<Gate<T>>) -> Self {
        let (eager, lazy) = handles::<T>(request.extensions());
        let load = Box::pin(session(eager, lazy));
        Self { step: Step::Load { load, request: Some(request), ready, gate } }
    }
}

pin_project! {
    #[project = StepProjection]
    enum Step<S, T, B, F, R> {
        Load {
            load: Load<T>,
            request: Option<Request<B>>,
            ready: S,
            gate: Arc<Gate<T>>,
        },
        Serve {
            #[pin]
            response: F,
        },
        Refuse {
            refused: Option<R>,
        },
    }
}

impl<S, T, B, R> Future for RequireFuture<S, T, B>
where
    S: Service<Request<B>, Response = Response<R>>,
    T: SessionData,
    R: Default + 'static,
{
    type Output = Result<Response<R>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut step = self.project().step;
        loop {
            let next = match step.as_mut().project() {
                StepProjection::Load { load, request, ready, gate } => {
                    let loaded = ready!(load.as_mut().poll(cx)).map_err(Denied::from);
                    let Some(request) = request.take() else { return Poll::Pending };
                    let asking = Asking::of(&request);
                    match loaded.and_then(|session| gate.check(&session, asking)) {
                        Ok(()) => Step::Serve { response: ready.call(request) },
                        Err(denied) => Step::Refuse { refused: Some(gate.refuse(denied, asking)) },
                    }
                }
                StepProjection::Serve { response } => return response.poll(cx),
                StepProjection::Refuse { refused } => {
                    return refused
                        .take()
                        .map_or(Poll::Pending, |refused| Poll::Ready(Ok(refused)));
                }
            };
            step.set(next);
        }
    }
}

impl<S, T, B> fmt::Debug for RequireFuture<S, T, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequireFuture")
    }
}
