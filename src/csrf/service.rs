//! The cross-site rule in front of a service.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::header::{ORIGIN, VARY};
use http::{HeaderMap, HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::judge::SEC_FETCH_SITE;
use super::layer::{Course, Policy};
use crate::response::vary_by;

/// A service that other sites' pages do not reach. Made by
/// [`RefuseCrossSite`](super::RefuseCrossSite).
///
/// ```
/// use http::{Request, Response};
/// use sessile::csrf::{CrossSiteService, RefuseCrossSite};
/// use tower::{Layer, ServiceExt, service_fn};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let inner = service_fn(|_: Request<()>| async { Ok::<_, ()>(Response::new(String::new())) });
/// let service: CrossSiteService<_> = RefuseCrossSite::new().layer(inner);
/// let forged = Request::delete("/account").header("sec-fetch-site", "same-site").body(()).unwrap();
/// let answer = service.oneshot(forged).await.unwrap();
/// assert_eq!(answer.status(), 403);
/// assert_eq!(answer.headers()["vary"], "sec-fetch-site, origin");
/// # }
/// ```
#[derive(Clone)]
pub struct CrossSiteService<S> {
    inner: S,
    policy: Arc<Policy>,
}

impl<S> CrossSiteService<S> {
    pub(super) const fn new(inner: S, policy: Arc<Policy>) -> Self {
        Self { inner, policy }
    }
}

impl<S: fmt::Debug> fmt::Debug for CrossSiteService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrossSiteService").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S, B, R> Service<Request<B>> for CrossSiteService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Default + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = CrossSiteFuture<S::Future, Response<R>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let course = self.policy.decide(request.method(), request.uri(), request.headers());
        let step = match course {
            Course::Unasked => Step::Serve { response: self.inner.call(request), judged: false },
            Course::Pass => Step::Serve { response: self.inner.call(request), judged: true },
            Course::Refuse(refused) => Step::Refuse { refused: Some(refused) },
        };
        CrossSiteFuture { step }
    }
}

pin_project! {
    /// The response of a [`CrossSiteService`]. Boxes nothing.
    ///
    /// ```
    /// use http::{Request, Response};
    /// use sessile::csrf::{CrossSiteFuture, CrossSiteService};
    /// use tower::Service;
    ///
    /// fn ask<S>(service: &mut CrossSiteService<S>) -> CrossSiteFuture<S::Future, S::Response>
    /// where
    ///     S: Service<Request<()>, Response = Response<String>>,
    /// {
    ///     service.call(Request::new(()))
    /// }
    /// ```
    pub struct CrossSiteFuture<F, R> {
        #[pin]
        step: Step<F, R>,
    }
}

pin_project! {
    #[project = StepProjection]
    enum Step<F, R> {
        Serve {
            #[pin]
            response: F,
            judged: bool,
        },
        Refuse {
            refused: Option<R>,
        },
    }
}

impl<F, R, E> Future for CrossSiteFuture<F, Response<R>>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let (mut response, judged) = match self.project().step.project() {
            StepProjection::Serve { response, judged } => (ready!(response.poll(cx))?, *judged),
            StepProjection::Refuse { refused } => match refused.take() {
                Some(refused) => (refused, true),
                None => return Poll::Pending,
            },
        };
        if judged {
            vary(response.headers_mut());
        }
        Poll::Ready(Ok(response))
    }
}

impl<F, R> fmt::Debug for CrossSiteFuture<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CrossSiteFuture")
    }
}

/// Says that the answer depends on what was judged. A response that holds as many headers as there
/// may be goes out without: what it answers has been done.
fn vary(headers: &mut HeaderMap) {
    if headers.contains_key(VARY) {
        vary_by(headers, &[SEC_FETCH_SITE.clone(), ORIGIN]).ok();
    } else {
        headers.try_insert(VARY, BOTH).ok();
    }
}

const BOTH: HeaderValue = HeaderValue::from_static("sec-fetch-site, origin");
