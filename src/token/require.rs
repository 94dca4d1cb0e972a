//! Guards that ask for an access token.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::Claims;
use super::access::{Access, CustomClaims, Presented, Refused};
use crate::refusal::{Bodies, Denied, Refusals};

/// Lets only requests with a good access token pass, or of those only some: 401 without one, 403 if
/// its claims do not suffice, a gRPC status for gRPC requests. It stands inside an
/// [`AccessLayer<C>`](super::AccessLayer).
///
/// ```
/// # async fn run() {
/// # use http::{Request, Response};
/// # use serde::{Deserialize, Serialize};
/// # use sessile::Key;
/// # use sessile::token::{AccessLayer, CannotBeRevoked, Jwt, JwtKey, NewToken, Tokens};
/// # use tower::{ServiceBuilder, ServiceExt, service_fn};
/// use sessile::token::RequireAccess;
/// #[derive(Serialize, Deserialize)]
/// struct Role { role: String }
///
/// let admins = RequireAccess::<Role>::new().only_if(|claims| claims.more.role == "admin");
/// # let tokens = Tokens::new(Jwt::new(JwtKey::derived_from(&Key::generate())), "shop");
/// # let service = ServiceBuilder::new()
/// #     .layer(AccessLayer::<Role>::new(tokens.clone(), CannotBeRevoked))
/// #     .layer(admins)
/// #     .service(service_fn(|_: Request<()>| async { Ok::<_, ()>(Response::new(String::new())) }));
/// # let token = tokens.issue(&NewToken::access("a").with(Role { role: "user".to_owned() })).unwrap();
/// # let with = Request::get("/").header("authorization", format!("Bearer {token}")).body(()).unwrap();
/// # assert_eq!(service.oneshot(with).await.unwrap().status(), 403);
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(run());
/// ```
#[must_use = "a guard does nothing until it wraps a service"]
pub struct RequireAccess<C = ()>(Arc<Gate<C>>);

struct Gate<C> {
    only_if: Option<Arc<Rule<C>>>,
    refusals: Option<Refusals>,
    bodies: Bodies,
}

type Rule<C> = dyn Fn(&Claims<C>) -> bool + Send + Sync;

impl<C: CustomClaims> RequireAccess<C> {
    /// Lets every good token pass.
    pub fn new() -> Self {
        Self(Arc::new(Gate { only_if: None, refusals: None, bodies: Bodies::default() }))
    }

    /// Of those only the ones whose claims suffice.
    pub fn only_if(
        mut self,
        suffices: impl Fn(&Claims<C>) -> bool + Send + Sync + 'static,
    ) -> Self {
        Arc::make_mut(&mut self.0).only_if = Some(Arc::new(suffices));
        self
    }

    /// Sets the statuses and bodies of this guard's refusals; without it those of the layer.
    ///
    /// ```
    /// use http::StatusCode;
    /// use sessile::{Refusal, Refusals};
    /// use sessile::token::RequireAccess;
    /// let words = Refusals::detail().with(Refusal::Forbidden, StatusCode::FORBIDDEN, "Access denied");
    /// let guard = RequireAccess::<()>::new().refusals(words);
    /// ```
    pub fn refusals(mut self, refusals: Refusals) -> Self {
        Arc::make_mut(&mut self.0).refusals = Some(refusals);
        self
    }

    /// Says how a refusal's text becomes a response body of type `B`; a guard that is told nothing
    /// asks the layer.
    ///
    /// ```
    /// use sessile::token::RequireAccess;
    /// let guard = RequireAccess::<()>::new().refusal_body(String::into_bytes);
    /// ```
    pub fn refusal_body<B: 'static>(mut self, make: fn(String) -> B) -> Self {
        Arc::make_mut(&mut self.0).bodies.register(make);
        self
    }
}

impl<C: CustomClaims> Gate<C> {
    fn check<B>(&self, request: &Request<B>) -> Result<(), Denied> {
        let access = Access::<C>::of(request)?;
        match &self.only_if {
            Some(suffices) if !suffices(&access) => Err(Denied::forbidden()),
            _ => Ok(()),
        }
    }

    fn refuse<B, R: Default + 'static>(&self, denied: Denied, request: &Request<B>) -> Response<R> {
        let refused = Refused {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
        };
        let text = refused.render::<C>(denied, self.refusals.as_ref());
        match request.extensions().get::<Presented<C>>() {
            Some(presented) if self.bodies.is_empty() => presented.desk.bodies.render(text),
            _ => self.bodies.render(text),
        }
    }
}

impl<C> Clone for Gate<C> {
    fn clone(&self) -> Self {
        Self {
            only_if: self.only_if.clone(),
            refusals: self.refusals.clone(),
            bodies: self.bodies.clone(),
        }
    }
}

impl<C: CustomClaims> Default for RequireAccess<C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<C> Clone for RequireAccess<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> fmt::Debug for RequireAccess<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequireAccess<{}>", std::any::type_name::<C>())
    }
}

impl<S, C> Layer<S> for RequireAccess<C> {
    type Service = RequireAccessService<S, C>;

    fn layer(&self, inner: S) -> RequireAccessService<S, C> {
        RequireAccessService { inner, gate: Arc::clone(&self.0) }
    }
}

/// A service that only requests with an access token reach. Made by [`RequireAccess`].
///
/// ```
/// use http::{Request, Response};
/// use sessile::token::{RequireAccess, RequireAccessService};
/// use tower::{Layer, ServiceExt, service_fn};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let inner = service_fn(|_: Request<()>| async { Ok::<_, ()>(Response::new(String::new())) });
/// let service: RequireAccessService<_, ()> = RequireAccess::new().layer(inner);
/// let answer = service.oneshot(Request::new(())).await.unwrap();
/// assert_eq!(answer.status(), 500, "there is no access layer outside of it");
/// # }
/// ```
pub struct RequireAccessService<S, C> {
    inner: S,
    gate: Arc<Gate<C>>,
}

impl<S, C, B, R> Service<Request<B>> for RequireAccessService<S, C>
where
    S: Service<Request<B>, Response = Response<R>>,
    C: CustomClaims,
    R: Default + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = RequireAccessFuture<S::Future, Response<R>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let step = match self.gate.check(&request) {
            Ok(()) => Step::Serve { response: self.inner.call(request) },
            Err(denied) => Step::Refuse { refused: Some(self.gate.refuse(denied, &request)) },
        };
        RequireAccessFuture { step }
    }
}

impl<S: Clone, C> Clone for RequireAccessService<S, C> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), gate: Arc::clone(&self.gate) }
    }
}

impl<S: fmt::Debug, C> fmt::Debug for RequireAccessService<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireAccessService").field("inner", &self.inner).finish_non_exhaustive()
    }
}

pin_project! {
    /// The response of a [`RequireAccessService`].
    ///
    /// ```
    /// use http::{Request, Response};
    /// use sessile::token::{RequireAccessFuture, RequireAccessService};
    /// use tower::Service;
    ///
    /// fn ask<S, R>(
    ///     service: &mut RequireAccessService<S, ()>,
    /// ) -> RequireAccessFuture<S::Future, Response<R>>
    /// where
    ///     S: Service<Request<()>, Response = Response<R>>,
    ///     R: Default + 'static,
    /// {
    ///     service.call(Request::new(()))
    /// }
    /// ```
    pub struct RequireAccessFuture<F, R> {
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
        },
        Refuse {
            refused: Option<R>,
        },
    }
}

impl<F, R, E> Future for RequireAccessFuture<F, R>
where
    F: Future<Output = Result<R, E>>,
{
    type Output = Result<R, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().step.project() {
            StepProjection::Serve { response } => response.poll(cx),
            StepProjection::Refuse { refused } => {
                refused.take().map_or(Poll::Pending, |refused| Poll::Ready(Ok(refused)))
            }
        }
    }
}

impl<F, R> fmt::Debug for RequireAccessFuture<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequireAccessFuture")
    }
}
