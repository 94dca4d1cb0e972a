//! The access token of a request.

use std::any::type_name;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Request, Response};
use serde::de::DeserializeOwned;

use super::{Claims, Revocation, TokenErrorKind, TokenIds, TokenKind, Tokens};
use crate::log;
use crate::refusal::{Asked, Bodies, Denied, Refusal, Refusals, Target};
use crate::transport::{Candidates, Transport};

/// What an application adds to the claims of its access tokens.
///
/// ```
/// use sessile::token::CustomClaims;
/// #[derive(serde::Deserialize)]
/// struct Roles { roles: Vec<String> }
/// fn assert<C: CustomClaims>() {}
/// assert::<Roles>();
/// assert::<()>();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from an access token",
    note = "derive `serde::Deserialize`, and hold only what is `Send + Sync + 'static`"
)]
pub trait CustomClaims: DeserializeOwned + Send + Sync + 'static {}

impl<C: DeserializeOwned + Send + Sync + 'static> CustomClaims for C {}

/// The verified access token of a request, put into its extensions by
/// [`AccessLayer<C>`](super::AccessLayer). With the `axum` feature it is an extractor, and so is
/// `Option<Access<C>>`.
///
/// ```
/// use sessile::token::Access;
/// async fn whoami(access: Access) -> String {
///     access.subject.clone()
/// }
/// # let _ = whoami;
/// ```
pub struct Access<C = ()>(Arc<Claims<C>>);

impl<C: CustomClaims> Access<C> {
    /// The access token of this request.
    ///
    /// ```
    /// use sessile::Refusal;
    /// use sessile::token::Access;
    /// let request = http::Request::new(()); // that passed no access layer
    /// assert_eq!(Access::<()>::of(&request).unwrap_err(), Refusal::MissingLayer);
    /// ```
    ///
    /// # Errors
    /// Why there is none.
    pub fn of<B>(request: &Request<B>) -> Result<Self, Refusal> {
        Self::from_extensions(request.extensions())
    }

    /// The same, from the extensions of a request that is in parts.
    ///
    /// ```
    /// use sessile::Refusal;
    /// use sessile::token::Access;
    /// let (parts, ()) = http::Request::new(()).into_parts();
    /// let refusal = Access::<()>::from_extensions(&parts.extensions).unwrap_err();
    /// assert_eq!(refusal, Refusal::MissingLayer);
    /// ```
    ///
    /// # Errors
    /// Why there is none.
    pub fn from_extensions(extensions: &Extensions) -> Result<Self, Refusal> {
        let presented = extensions.get::<Presented<C>>().ok_or(Refusal::MissingLayer)?;
        presented.outcome.clone().map_err(TokenErrorKind::refusal)
    }

    pub(super) fn new(claims: Claims<C>) -> Self {
        Self(Arc::new(claims))
    }
}

impl<C> Deref for Access<C> {
    type Target = Claims<C>;

    fn deref(&self) -> &Claims<C> {
        &self.0
    }
}

impl<C> Clone for Access<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> fmt::Debug for Access<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Access").field(&self.0).finish()
    }
}

/// What a request came with, and how to say so.
pub(super) struct Presented<C> {
    pub(super) outcome: Result<Access<C>, TokenErrorKind>,
    pub(super) desk: Arc<Desk>,
}

impl<C> Clone for Presented<C> {
    fn clone(&self) -> Self {
        Self { outcome: self.outcome.clone(), desk: Arc::clone(&self.desk) }
    }
}

/// Where tokens are looked for and judged: the configuration of a layer.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) tokens: Tokens,
    pub(super) transports: Vec<Arc<dyn Transport>>,
    pub(super) revocation: Arc<dyn Revocation>,
    pub(super) timeout: std::time::Duration,
    pub(super) refusals: Refusals,
    pub(super) bodies: Bodies,
    pub(super) observer: Option<Arc<dyn Fn(TokenErrorKind) + Send + Sync>>,
}

impl Desk {
    /// The token of a request, and the header that it came in. The first transport that finds
    /// anything decides, good or not; a scheme other than `Bearer` is nothing.
    pub(super) fn verify<C: CustomClaims>(
        &self,
        headers: &HeaderMap,
    ) -> (Result<Access<C>, TokenErrorKind>, Option<HeaderName>) {
        for transport in &self.transports {
            let mut found = Candidates::new();
            transport.find(headers, &mut found);
            if !found.as_slice().is_empty() {
                return (self.judge(found.as_slice()), Some(transport.reads()));
            }
        }
        (Err(TokenErrorKind::Missing), None)
    }

    /// Of several under one name the valid one counts: others may have been set by somebody else.
    /// Of two that are valid nobody can say whose request this is.
    fn judge<C: CustomClaims>(&self, found: &[&[u8]]) -> Result<Access<C>, TokenErrorKind> {
        let verify = |token: &[u8]| {
            self.tokens.verify::<C>(token, &TokenKind::Access).map_err(|error| error.kind())
        };
        let [first, others @ ..] = found else { return Err(TokenErrorKind::Missing) };
        let mut outcome = verify(first);
        for (at, other) in others.iter().enumerate() {
            if *other == *first || others.get(..at).is_some_and(|seen| seen.contains(other)) {
                continue;
            }
            match (verify(other), &outcome) {
                (Ok(_), Ok(_)) => return Err(TokenErrorKind::Ambiguous),
                (Ok(claims), Err(_)) => outcome = Ok(claims),
                (Err(_), _) => {}
            }
        }
        outcome.map(Access::new)
    }

    pub(super) fn tell(&self, kind: TokenErrorKind) {
        if let (Some(observer), true) = (&self.observer, kind != TokenErrorKind::Missing) {
            observer(kind);
        }
    }

    /// What a 401 says in `WWW-Authenticate` (RFC 6750, 3).
    fn challenge(&self, kind: TokenErrorKind) -> Option<HeaderValue> {
        let challenge = self.transports.first()?.challenge();
        if kind == TokenErrorKind::Missing || challenge != "Bearer" {
            return Some(challenge);
        }
        Some(HeaderValue::from_static(r#"Bearer error="invalid_token""#))
    }
}

/// By what a request may be refused.
pub(super) struct Refused<'r> {
    pub(super) method: &'r http::Method,
    pub(super) uri: &'r http::Uri,
    pub(super) headers: &'r HeaderMap,
    pub(super) extensions: &'r Extensions,
}

impl Refused<'_> {
    /// The refusal in the words of the guard, else of the layer.
    pub(super) fn render<C: CustomClaims>(
        &self,
        denied: Denied,
        own: Option<&Refusals>,
    ) -> Response<String> {
        let presented = self.extensions.get::<Presented<C>>();
        if presented.is_none() {
            log::missing_access_layer(type_name::<C>());
        }
        let default = default_refusals();
        let refusals = own.or_else(|| presented.map(|presented| &presented.desk.refusals));
        let kind = presented.and_then(|presented| presented.outcome.as_ref().err().copied());
        let challenge = presented.and_then(|presented| {
            presented.desk.challenge(kind.unwrap_or(TokenErrorKind::Missing))
        });
        let uri = self.extensions.get::<Target>().map_or(self.uri, |target| &target.0);
        let asked = Asked::of(self.method, uri, self.headers);
        let mut response = refusals.unwrap_or(&default).render(denied, challenge, &asked);
        if let Some(kind) = kind {
            response.extensions_mut().insert(kind);
        }
        response
    }
}

/// Problem+json that speaks of tokens.
pub(super) fn default_refusals() -> Refusals {
    let unauthorized = http::StatusCode::UNAUTHORIZED;
    Refusals::problem()
        .with(Refusal::NoTicket, unauthorized, "access token is missing")
        .with(Refusal::InvalidTicket, unauthorized, "access token is required")
        .with(Refusal::SessionEnded, unauthorized, "access token has expired")
}

/// Whether caches must be told of the header that a token came in. They know about `Authorization`
/// (RFC 9111, 3.5).
pub(super) fn told_to_caches(reads: Option<HeaderName>) -> Option<HeaderName> {
    reads.filter(|name| *name != AUTHORIZATION)
}

/// The ids by which a token can be revoked.
pub(super) fn ids<C>(access: &Access<C>) -> TokenIds<'_> {
    TokenIds::of(&access.0)
}
