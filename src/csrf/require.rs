//! The token as a layer.

use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;

use super::judge::is_safe;
use super::tokens::Tokens;
use crate::guard::{Gate, RequireService};
use crate::record::SessionData;
use crate::refusal::Refusals;

/// Refuses what is done with a session of data `T` (any method but `GET`, `HEAD` and `OPTIONS`)
/// without a token of that session in the header [`x-csrf-token`](super::TOKEN_HEADER): 403, a
/// gRPC status for gRPC requests. It stands inside the session's layer.
///
/// A request without a live session passes: there is nothing in it to abuse. For forms, which send
/// no headers, there is an extractor with the `axum` feature.
///
/// It is no protection of WebSockets: browsers let no page add a header to a handshake, so those by
/// `GET` pass, and the route of one by `CONNECT` (HTTP/2) must be exempt. Whose page opens one is
/// for [`RefuseCrossSite`](super::RefuseCrossSite#websockets) to judge.
///
/// ```
/// # use http::{Request, Response, header::{COOKIE, SET_COOKIE}};
/// # use tower::{ServiceBuilder, ServiceExt, service_fn};
/// use sessile::csrf::{RequireToken, TOKEN_HEADER, Tokens};
/// # use sessile::{Error, Key, Session, SessionLayer, Values, store::MemoryStore};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let key = Key::generate();
/// let tokens = Tokens::new(key.clone());
/// # let issuer = tokens.clone();
/// let service = ServiceBuilder::new()
///     .layer(SessionLayer::<Values>::new(MemoryStore::new(), key))
///     .layer(RequireToken::<Values>::new(tokens).exempt("POST /webhook"))
/// #   .service(service_fn(move |request: Request<()>| { let issuer = issuer.clone(); async move {
/// #       let session = Session::<Values>::of(&request).unwrap();
/// #       if session.get().is_none() { session.create(Values::new())?; }
/// #       Ok::<_, Error>(Response::new(issuer.issue(session)?))
/// #   }}));
/// #   /*
///     .service(/* … */);
/// # */
/// # let first = service.clone().oneshot(Request::new(())).await.unwrap();
/// # let cookie = first.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
/// # let token = first.into_body();
///
/// let post = || Request::post("/settings").header(COOKIE, &cookie);
/// let without = service.clone().oneshot(post().body(()).unwrap()).await.unwrap();
/// assert_eq!(without.status(), 403);
/// let with = service.oneshot(post().header(&TOKEN_HEADER, token).body(()).unwrap()).await.unwrap();
/// assert_eq!(with.status(), 200);
/// # }
/// ```
#[must_use = "a guard does nothing until it wraps a service"]
pub struct RequireToken<T>(Arc<Gate<T>>);

impl<T: SessionData> RequireToken<T> {
    /// Requires one of these tokens.
    pub fn new(tokens: Tokens) -> Self {
        Self(Arc::new(Gate::of_acts(Arc::new(tokens), |method| !is_safe(method))))
    }

    /// Requires none on this route, in the form `POST /webhook`, `/webhook` for all methods, or
    /// with a `*` at its end for everything below (`/forms/*`): for routes that prove by other
    /// means who sends the request, such as a token in a form. The path must be the very same.
    ///
    /// # Panics
    /// If it is none of these forms.
    #[track_caller]
    pub fn exempt(mut self, route: &str) -> Self {
        Arc::make_mut(&mut self.0).open.add(route);
        self
    }

    /// The exempt routes.
    ///
    /// ```
    /// use sessile::csrf::{RequireToken, Tokens};
    /// use sessile::{Key, Values};
    /// let guard = RequireToken::<Values>::new(Tokens::new(Key::generate())).exempt("/forms/*");
    /// assert!(guard.exempt_routes().eq(["/forms/*"]));
    /// ```
    pub fn exempt_routes(&self) -> impl Iterator<Item = &str> {
        self.0.open.iter()
    }

    /// Sets the statuses and bodies of this guard's refusals; without it those of the session's
    /// layer.
    ///
    /// ```
    /// use sessile::csrf::{RequireToken, Tokens};
    /// use sessile::{Key, Refusals, Values};
    /// let tokens = Tokens::new(Key::generate());
    /// let guard = RequireToken::<Values>::new(tokens).refusals(Refusals::detail());
    /// # let _ = guard;
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
    /// use sessile::csrf::{RequireToken, Tokens};
    /// use sessile::{Key, Values};
    /// let tokens = Tokens::new(Key::generate());
    /// let guard = RequireToken::<Values>::new(tokens).refusal_body(String::into_bytes);
    /// # let _ = guard;
    /// ```
    pub fn refusal_body<B: 'static>(mut self, make: fn(String) -> B) -> Self {
        Arc::make_mut(&mut self.0).bodies.register(make);
        self
    }
}

impl<T> Clone for RequireToken<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for RequireToken<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequireToken<{}>", std::any::type_name::<T>())
    }
}

impl<S, T> Layer<S> for RequireToken<T> {
    type Service = RequireService<S, T>;

    fn layer(&self, inner: S) -> RequireService<S, T> {
        RequireService::new(inner, Arc::clone(&self.0))
    }
}
