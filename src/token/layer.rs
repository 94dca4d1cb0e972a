//! Access tokens as a layer.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use tower_layer::Layer;

use super::access::{CustomClaims, Desk, default_refusals};
use super::service::AccessService;
use super::{Revocation, TokenErrorKind, Tokens};
use crate::error::ConfigError;
use crate::refusal::{Bodies, Refusals};
use crate::stripes::Stripes;
use crate::transport::{Bearer, Transport};

/// Verifies the access token of every request and puts an [`Access<C>`](super::Access) into its
/// extensions. No store is asked unless the [`Revocation`] does.
///
/// A token in a cookie comes with every request that a browser makes, whichever site had it made:
/// guard against [cross-site requests](crate::Refusal::CrossSite) as with sessions.
///
/// Like [`SessionLayer`](crate::SessionLayer) it refuses nobody: extractors and
/// [`RequireAccess`](super::RequireAccess) do, in the words that are set here.
///
/// ```
/// # async fn run() {
/// use http::{Request, Response};
/// use sessile::Key;
/// use sessile::token::{
///     AccessLayer, CannotBeRevoked, Jwt, JwtKey, NewToken, RequireAccess, Tokens,
/// };
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// let tokens = Tokens::new(Jwt::new(JwtKey::derived_from(&Key::generate())), "shop");
/// let service = ServiceBuilder::new()
///     .layer(AccessLayer::<()>::new(tokens.clone(), CannotBeRevoked))
///     .layer(RequireAccess::<()>::new())
///     .service(service_fn(|_: Request<()>| async { Ok::<_, ()>(Response::new(String::new())) }));
///
/// let token = tokens.issue(&NewToken::access("user-42")).unwrap();
/// let with = Request::get("/").header("authorization", format!("Bearer {token}")).body(()).unwrap();
/// assert_eq!(service.clone().oneshot(with).await.unwrap().status(), 200);
/// let without = service.oneshot(Request::new(())).await.unwrap();
/// assert_eq!(without.status(), 401);
/// assert_eq!(without.headers()["www-authenticate"], "Bearer");
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(run());
/// ```
///
/// # Defaults
/// Tokens come in `Authorization: Bearer`; a revocation check that takes more than 2 seconds has
/// failed, which is answered 503; refusals are problem+json.
#[must_use = "a layer does nothing until it wraps a service"]
pub struct AccessLayer<C = ()> {
    desk: Arc<Desk>,
    claims: PhantomData<fn() -> C>,
}

impl<C: CustomClaims> AccessLayer<C> {
    /// Takes these tokens. What ends them before they expire must be said: if nothing does, that is
    /// [`CannotBeRevoked`](super::CannotBeRevoked).
    pub fn new(tokens: Tokens, revocation: impl Revocation) -> Self {
        let desk = Desk {
            tokens,
            transports: vec![Arc::new(Bearer::new())],
            revocation: Arc::new(revocation),
            timeout: Duration::from_secs(2),
            refusals: default_refusals(),
            bodies: Bodies::default(),
            observer: None,
        };
        Self { desk: Arc::new(desk), claims: PhantomData }
    }

    /// Looks for tokens here, in place of `Authorization`.
    ///
    /// ```
    /// # use sessile::Key;
    /// # use sessile::token::{AccessLayer, CannotBeRevoked, Jwt, JwtKey, Tokens};
    /// # let tokens = Tokens::new(Jwt::new(JwtKey::derived_from(&Key::generate())), "shop");
    /// use sessile::transport::Cookie;
    /// let layer = AccessLayer::<()>::new(tokens, CannotBeRevoked).transport(Cookie::host("access"));
    /// ```
    ///
    /// # Panics
    /// If the transport is misconfigured.
    #[track_caller]
    pub fn transport(self, transport: impl Transport) -> Self {
        accept(self.with(transport, true))
    }

    /// Looks for tokens here too, if those named before found nothing: the first that finds
    /// anything decides, good or not.
    ///
    /// ```
    /// # use sessile::Key;
    /// # use sessile::token::{AccessLayer, CannotBeRevoked, Jwt, JwtKey, Tokens};
    /// # let tokens = Tokens::new(Jwt::new(JwtKey::derived_from(&Key::generate())), "shop");
    /// use sessile::transport::Cookie;
    /// let headers_and_cookies =
    ///     AccessLayer::<()>::new(tokens, CannotBeRevoked).or_transport(Cookie::host("access"));
    /// ```
    ///
    /// # Panics
    /// If the transport is misconfigured.
    #[track_caller]
    pub fn or_transport(self, transport: impl Transport) -> Self {
        accept(self.with(transport, false))
    }

    fn with(mut self, transport: impl Transport, only: bool) -> Result<Self, ConfigError> {
        transport.check()?;
        let desk = self.desk();
        if only {
            desk.transports.clear();
        }
        desk.transports.push(Arc::new(transport));
        Ok(self)
    }

    /// How long a revocation check may take: 2 seconds by default.
    ///
    /// ```
    /// # use sessile::Key;
    /// # use sessile::token::{AccessLayer, CannotBeRevoked, Jwt, JwtKey, Tokens};
    /// # let tokens = Tokens::new(Jwt::new(JwtKey::derived_from(&Key::generate())), "shop");
    /// use std::time::Duration;
    /// let layer = AccessLayer::<()>::new(tokens, CannotBeRevoked).timeout(Duration::from_secs(1));
    /// ```
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.desk().timeout = limit;
        self
    }

    /// Sets the statuses and bodies of the refusals of extractors and guards inside it. A missing
    /// token is [`NoTicket`](crate::Refusal::NoTicket), an expired or revoked one
    /// [`SessionEnded`](crate::Refusal::SessionEnded), any other
    /// [`InvalidTicket`](crate::Refusal::InvalidTicket).
    ///
    /// ```
    /// # use sessile::Key;
    /// # use sessile::token::{AccessLayer, CannotBeRevoked, Jwt, JwtKey, Tokens};
    /// # let tokens = Tokens::new(Jwt::new(JwtKey::derived_from(&Key::generate())), "shop");
    /// use http::StatusCode;
    /// use sessile::Refusals;
    /// let words = Refusals::detail().unauthenticated(StatusCode::UNAUTHORIZED, "log in first");
    /// let layer = AccessLayer::<()>::new(tokens, CannotBeRevoked).refusals(words);
    /// ```
    pub fn refusals(mut self, refusals: Refusals) -> Self {
        self.desk().refusals = refusals;
        self
    }

    /// Says how a refusal's text becomes a response body of type `B`, as
    /// [`SessionLayer::refusal_body`](crate::SessionLayer::refusal_body) does.
    ///
    /// ```
    /// # use sessile::Key;
    /// # use sessile::token::{AccessLayer, CannotBeRevoked, Jwt, JwtKey, Tokens};
    /// # let tokens = Tokens::new(Jwt::new(JwtKey::derived_from(&Key::generate())), "shop");
    /// let layer = AccessLayer::<()>::new(tokens, CannotBeRevoked).refusal_body(String::into_bytes);
    /// ```
    pub fn refusal_body<B: 'static>(mut self, make: fn(String) -> B) -> Self {
        self.desk().bodies.register(make);
        self
    }

    /// Is told of every token that is not taken, and why: for metrics and alarms.
    ///
    /// ```
    /// # use sessile::Key;
    /// # use sessile::token::{AccessLayer, CannotBeRevoked, Jwt, JwtKey, Tokens};
    /// # let tokens = Tokens::new(Jwt::new(JwtKey::derived_from(&Key::generate())), "shop");
    /// use sessile::token::TokenErrorKind;
    /// let layer = AccessLayer::<()>::new(tokens, CannotBeRevoked).observer(|why| {
    ///     if why == TokenErrorKind::Forged {
    ///         // count it
    ///     }
    /// });
    /// ```
    pub fn observer(mut self, tell: impl Fn(TokenErrorKind) + Send + Sync + 'static) -> Self {
        self.desk().observer = Some(Arc::new(tell));
        self
    }

    fn desk(&mut self) -> &mut Desk {
        Arc::make_mut(&mut self.desk)
    }
}

#[track_caller]
#[expect(clippy::panic, reason = "documented: configuration mistakes fail at construction")]
fn accept<L>(configured: Result<L, ConfigError>) -> L {
    match configured {
        Ok(layer) => layer,
        Err(error) => panic!("{error}"),
    }
}

impl<S, C> Layer<S> for AccessLayer<C> {
    type Service = AccessService<S, C>;

    fn layer(&self, inner: S) -> AccessService<S, C> {
        AccessService::new(inner, Stripes::new(&self.desk))
    }
}

impl<C> Clone for AccessLayer<C> {
    fn clone(&self) -> Self {
        Self { desk: Arc::clone(&self.desk), claims: PhantomData }
    }
}

impl<C> fmt::Debug for AccessLayer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLayer")
            .field("tokens", &self.desk.tokens)
            .field("transports", &self.desk.transports)
            .field("revocation", &self.desk.revocation)
            .finish_non_exhaustive()
    }
}
