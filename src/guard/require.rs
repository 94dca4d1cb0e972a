//! Guards as layers.

use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;

use super::gate::Gate;
use super::{Guard, RequireService};
use crate::record::SessionData;
use crate::refusal::Refusals;

/// Lets only requests with a live session of data `T` pass; others get 401 (a gRPC status if they
/// are gRPC requests). It stands inside a [`SessionLayer<T>`](crate::SessionLayer); without one,
/// every request gets 500 and a log line says which layer is missing.
///
/// With the `axum` feature it is an extractor too, for handlers that need no data.
///
/// ```
/// # async fn run() {
/// use sessile::{Key, RequireSession, SessionLayer, Values, store::MemoryStore};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
/// use http::{Request, Response};
///
/// let service = ServiceBuilder::new()
///     .layer(SessionLayer::<Values>::new(MemoryStore::new(), Key::generate()))
///     .layer(RequireSession::<Values>::new())
///     .service(service_fn(|_: Request<()>| async { Ok::<_, ()>(Response::new(String::new())) }));
///
/// let response = service.oneshot(Request::new(())).await.unwrap();
/// assert_eq!(response.status(), 401);
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(run());
/// ```
#[must_use = "a guard does nothing until it wraps a service"]
pub struct RequireSession<T>(Arc<Gate<T>>);

impl<T> RequireSession<T> {
    /// A guard that refuses in the words of the session's layer.
    ///
    /// ```
    /// use sessile::{RequireSession, Values};
    /// # use axum::{Router, routing::get};
    /// let members_only: Router = Router::new()
    ///     .route("/profile", get(|| async { "hello" }))
    ///     .layer(RequireSession::<Values>::new());
    /// ```
    pub fn new() -> Self
    where
        T: SessionData, // here, so that the compiler says what `T` lacks
    {
        Self(Arc::new(Gate::new(None)))
    }

    /// Lets anybody reach this route, as [`RequireLayer::open`] does.
    ///
    /// ```
    /// use sessile::{RequireSession, Values};
    /// # use axum::{Router, routing::get};
    /// let members_only: Router = Router::new()
    ///     .route("/login", get(|| async { "who are you?" }))
    ///     .route("/profile", get(|| async { "hello" }))
    ///     .layer(RequireSession::<Values>::new().open("GET /login"));
    /// ```
    ///
    /// # Panics
    /// If it is no route.
    #[track_caller]
    pub fn open(mut self, route: &str) -> Self {
        Arc::make_mut(&mut self.0).open.add(route);
        self
    }

    /// The routes that anybody may reach.
    ///
    /// ```
    /// # use sessile::{RequireSession, Values};
    /// let guard = RequireSession::<Values>::new().open("GET /login").open("/assets/*");
    /// assert_eq!(guard.open_routes().collect::<Vec<_>>(), ["GET /login", "/assets/*"]);
    /// ```
    pub fn open_routes(&self) -> impl Iterator<Item = &str> {
        self.0.open.iter()
    }

    /// Sets the statuses and bodies of this guard's refusals. A [login
    /// page](Refusals::login_page) belongs to the [layer](crate::SessionLayer::refusals): inside a
    /// nested router a guard does not see the part of the path that the router took off, and would
    /// send visitors back to somewhere else.
    ///
    /// ```
    /// # use http::{Request, Response};
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// # use tower::{ServiceBuilder, ServiceExt, service_fn};
    /// use http::StatusCode;
    /// use sessile::{Refusals, RequireSession};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// let hidden = Refusals::problem().unauthenticated(StatusCode::NOT_FOUND, "no such page");
    /// let guard = RequireSession::<Values>::new().refusals(hidden);
    /// # let service = ServiceBuilder::new().layer(sessions).layer(guard)
    /// #     .service(service_fn(|_: Request<()>| async { Ok::<_, ()>(Response::new(String::new())) }));
    /// let answer = service.oneshot(Request::new(())).await.unwrap(); // behind the guard
    /// assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    /// # }
    /// ```
    pub fn refusals(mut self, refusals: Refusals) -> Self {
        Arc::make_mut(&mut self.0).refusals = Some(refusals);
        self
    }

    /// Says how a refusal's text becomes a response body of type `B`, as
    /// [`SessionLayer::refusal_body`](crate::SessionLayer::refusal_body) does. A guard that is
    /// told nothing asks the layer.
    ///
    /// ```
    /// # use http::{Request, Response};
    /// # use sessile::{Key, RequireSession, SessionLayer, Values, store::MemoryStore};
    /// # use tower::{ServiceBuilder, ServiceExt, service_fn};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// let guard = RequireSession::<Values>::new().refusal_body(String::into_bytes);
    /// # let service = ServiceBuilder::new().layer(sessions).layer(guard)
    /// #     .service(service_fn(|_: Request<()>| async { Ok::<_, ()>(Response::new(Vec::new())) }));
    /// let answer = service.oneshot(Request::new(())).await.unwrap(); // bodies are `Vec<u8>` here
    /// assert!(answer.body().starts_with(b"{"));
    /// # }
    /// ```
    pub fn refusal_body<B: 'static>(mut self, make: fn(String) -> B) -> Self {
        Arc::make_mut(&mut self.0).bodies.register(make);
        self
    }
}

impl<T: SessionData> Default for RequireSession<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for RequireSession<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for RequireSession<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequireSession<{}>", std::any::type_name::<T>())
    }
}

impl<S, T> Layer<S> for RequireSession<T> {
    type Service = RequireService<S, T>;

    fn layer(&self, inner: S) -> RequireService<S, T> {
        RequireService::new(inner, Arc::clone(&self.0))
    }
}

/// Lets only requests pass whose session a [`Guard`] accepts: 401 without a live session, 403 or a
/// [step-up](crate::Refusal::StepUp) if the guard says no; a gRPC status for gRPC requests.
///
/// Put around a whole router it refuses by default; [`open`](Self::open) names what anybody may
/// reach.
///
/// ```
/// # async fn run() {
/// use sessile::guard::{Attempt, RequireLayer};
/// use sessile::{Key, SessionLayer, Values, store::MemoryStore};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
/// use http::{Request, Response};
///
/// let admins = RequireLayer::new(|attempt: &Attempt<'_, Values>| {
///     attempt.data().get::<String>("role").is_ok_and(|role| role.as_deref() == Some("admin"))
/// });
/// let service = ServiceBuilder::new()
///     .layer(SessionLayer::<Values>::new(MemoryStore::new(), Key::generate()))
///     .layer(admins.open("GET /health"))
///     .service(service_fn(|_: Request<()>| async { Ok::<_, ()>(Response::new(String::new())) }));
///
/// let answer = |path| service.clone().oneshot(Request::get(path).body(()).unwrap());
/// assert_eq!(answer("/users").await.unwrap().status(), 401);
/// assert_eq!(answer("/health").await.unwrap().status(), 200);
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(run());
/// ```
#[must_use = "a guard does nothing until it wraps a service"]
pub struct RequireLayer<T>(Arc<Gate<T>>);

impl<T> RequireLayer<T> {
    /// Asks this guard.
    pub fn new(guard: impl Guard<T>) -> Self
    where
        T: SessionData, // here, so that the compiler says what `T` lacks
    {
        Self(Arc::new(Gate::new(Some(Arc::new(guard)))))
    }

    /// Lets anybody reach this route, in the form `GET /login`, `/login` for all methods, or with
    /// a `*` at its end for everything below (`GET /assets/*`). The path must be the very same;
    /// one with dot segments, doubled or encoded slashes, or backslashes is never open. It is the
    /// path that reaches the guard: inside a nested router, without what the router took off.
    ///
    /// # Panics
    /// If it is none of these forms.
    #[track_caller]
    pub fn open(mut self, route: &str) -> Self {
        Arc::make_mut(&mut self.0).open.add(route);
        self
    }

    /// The routes that anybody may reach.
    pub fn open_routes(&self) -> impl Iterator<Item = &str> {
        self.0.open.iter()
    }

    /// Sets the statuses and bodies of this guard's refusals; without it those of the layer, where
    /// a [login page](Refusals::login_page) belongs: inside a nested router a guard does not see
    /// where the visitor was going.
    pub fn refusals(mut self, refusals: Refusals) -> Self {
        Arc::make_mut(&mut self.0).refusals = Some(refusals);
        self
    }

    /// Says how a refusal's text becomes a response body of type `B`, as
    /// [`SessionLayer::refusal_body`](crate::SessionLayer::refusal_body) does. A guard that is
    /// told nothing asks the layer.
    pub fn refusal_body<B: 'static>(mut self, make: fn(String) -> B) -> Self {
        Arc::make_mut(&mut self.0).bodies.register(make);
        self
    }
}

impl<T> Clone for RequireLayer<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for RequireLayer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequireLayer<{}>", std::any::type_name::<T>())
    }
}

impl<S, T> Layer<S> for RequireLayer<T> {
    type Service = RequireService<S, T>;

    fn layer(&self, inner: S) -> RequireService<S, T> {
        RequireService::new(inner, Arc::clone(&self.0))
    }
}
