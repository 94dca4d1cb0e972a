//! The service that an access layer makes of another.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{HeaderName, Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::TokenErrorKind;
use super::access::{Access, CustomClaims, Desk, Presented, ids, told_to_caches};
use crate::error::StoreError;
use crate::response::{Privacy, guard_caches};
use crate::stripes::Stripes;
use crate::wait::Timed;

/// A service whose requests carry what their access token says. Made by
/// [`AccessLayer`](super::AccessLayer).
///
/// ```
/// use http::{Request, Response};
/// use sessile::Key;
/// use sessile::token::{Access, AccessLayer, AccessService, CannotBeRevoked, Jwt, JwtKey, Tokens};
/// use tower::{Layer, ServiceExt, service_fn};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let inner = service_fn(|request: Request<()>| async move {
///     Ok::<_, ()>(Response::new(Access::<()>::of(&request).is_ok()))
/// });
/// let tokens = Tokens::new(Jwt::new(JwtKey::derived_from(&Key::generate())), "shop");
/// let service: AccessService<_, ()> = AccessLayer::new(tokens, CannotBeRevoked).layer(inner);
/// assert!(!service.oneshot(Request::new(())).await.unwrap().into_body());
/// # }
/// ```
pub struct AccessService<S, C> {
    inner: S,
    desk: Stripes<Desk>,
    claims: PhantomData<fn() -> C>,
}

impl<S, C> AccessService<S, C> {
    pub(super) const fn new(inner: S, desk: Stripes<Desk>) -> Self {
        Self { inner, desk, claims: PhantomData }
    }
}

impl<S, C, B, R> Service<Request<B>> for AccessService<S, C>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    C: CustomClaims,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = AccessFuture<S, C, B>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let desk = &*self.desk;
        let (outcome, reads) = desk.verify::<C>(request.headers());
        let checked = match check(desk, outcome) {
            Ok(outcome) => outcome,
            Err((check, access)) => {
                // The service that was polled ready goes with the request, its clone stays.
                let clone = self.inner.clone();
                let ready = mem::replace(&mut self.inner, clone);
                let (access, desk) = (Some(access), Arc::clone(desk));
                let step = Step::Check { check, access, desk, request: Some(request), ready };
                return AccessFuture { step, reads };
            }
        };
        let reads = reads.filter(|_| checked.is_ok());
        present(desk, &mut request, checked);
        AccessFuture { step: Step::Serve { response: self.inner.call(request) }, reads }
    }
}

/// What became of a token, or the check that must be waited for.
type Checked<C> = Result<Result<Access<C>, TokenErrorKind>, (Timed<bool>, Access<C>)>;

fn check<C>(desk: &Desk, outcome: Result<Access<C>, TokenErrorKind>) -> Checked<C> {
    let access = match outcome {
        Ok(access) => access,
        Err(kind) => return Ok(Err(kind)),
    };
    let now = desk.tokens.now();
    match desk.revocation.is_revoked(&ids(&access), now).now_or_later() {
        Ok(answer) => Ok(judge(answer, access)),
        Err(later) => Err((Timed::new(later, desk.tokens.its_clock(), desk.timeout), access)),
    }
}

fn judge<C>(
    revoked: Result<bool, StoreError>,
    access: Access<C>,
) -> Result<Access<C>, TokenErrorKind> {
    match revoked {
        Ok(false) => Ok(access),
        Ok(true) => Err(TokenErrorKind::Revoked),
        Err(error) => {
            crate::log::store_failed("revocation", &error);
            Err(TokenErrorKind::Unavailable)
        }
    }
}

fn present<C: CustomClaims, B>(
    desk: &Arc<Desk>,
    request: &mut Request<B>,
    outcome: Result<Access<C>, TokenErrorKind>,
) {
    if let Err(kind) = outcome {
        desk.tell(kind);
    }
    request.extensions_mut().insert(Presented { outcome, desk: Arc::clone(desk) });
}

impl<S: Clone, C> Clone for AccessService<S, C> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), desk: self.desk.clone(), claims: PhantomData }
    }
}

impl<S: fmt::Debug, C> fmt::Debug for AccessService<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessService").field("inner", &self.inner).finish_non_exhaustive()
    }
}

pin_project! {
    /// The response of an [`AccessService`]. Boxes nothing unless a revocation check must be waited
    /// for.
    ///
    /// ```
    /// use http::{Request, Response};
    /// use sessile::token::{AccessFuture, AccessService};
    /// use tower::Service;
    ///
    /// fn ask<S, R>(service: &mut AccessService<S, ()>) -> AccessFuture<S, (), ()>
    /// where
    ///     S: Service<Request<()>, Response = Response<R>> + Clone,
    /// {
    ///     service.call(Request::new(()))
    /// }
    /// ```
    pub struct AccessFuture<S, C, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        step: Step<S, C, B, S::Future>,
        reads: Option<HeaderName>,
    }
}

pin_project! {
    #[project = StepProjection]
    enum Step<S, C, B, F> {
        Check {
            check: Timed<bool>,
            access: Option<Access<C>>,
            desk: Arc<Desk>,
            request: Option<Request<B>>,
            ready: S,
        },
        Serve {
            #[pin]
            response: F,
        },
    }
}

impl<S, C, B, R> Future for AccessFuture<S, C, B>
where
    S: Service<Request<B>, Response = Response<R>>,
    C: CustomClaims,
{
    type Output = Result<Response<R>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.step.as_mut().project() {
                StepProjection::Check { check, access, desk, request, ready } => {
                    let revoked = ready!(Pin::new(check).poll(cx));
                    let (Some(mut request), Some(access)) = (request.take(), access.take()) else {
                        return Poll::Pending;
                    };
                    let outcome = judge(revoked, access);
                    if outcome.is_err() {
                        *this.reads = None;
                    }
                    present(desk, &mut request, outcome);
                    Step::Serve { response: ready.call(request) }
                }
                StepProjection::Serve { response } => {
                    let mut response = ready!(response.poll(cx))?;
                    if let Some(name) = told_to_caches(this.reads.take()) {
                        // It fails if the response is full of headers: it is private enough then.
                        guard_caches(response.headers_mut(), Privacy::Private, &[name]).ok();
                    }
                    return Poll::Ready(Ok(response));
                }
            };
            this.step.set(next);
        }
    }
}

impl<S, C, B> fmt::Debug for AccessFuture<S, C, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessFuture")
    }
}
