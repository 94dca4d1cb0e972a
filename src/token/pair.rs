//! Access and refresh tokens.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::{Claims, NewToken, TokenError, TokenErrorKind, Tokens};
use crate::error::{ConfigError, Error};
use crate::expiry::Expiry;
use crate::id::Id;
use crate::record::SessionData;
use crate::refusal::Refusal;
use crate::transport::Bearer;
use crate::{Active, NewSession, Session, SessionLayer, Sessions, Status};

/// Issues access tokens together with refresh tokens.
///
/// 1. The access token is short-lived and verified without a store. It names its session (`sid`).
/// 2. The refresh token is the ticket of that session, on a [`SessionLayer`] of its own: it can be
///    listed, limited per subject and ended, and lives no longer than the session's limits allow,
///    however often it is used (ASVS 10.4.8).
/// 3. Each refresh issues a new one and spends the old one. Whoever brings a spent one ends the
///    session for everybody who holds it (RFC 9700, 4.14.2).
/// 4. A log-out ends the session, and with it the access tokens, if the access layer's
///    [`Revocation`](super::Revocation) is [`LiveSessions`](super::LiveSessions).
///
/// ```
/// use std::time::Duration;
/// use axum::{Json, Router, routing::post};
/// use sessile::store::MemoryStore;
/// use sessile::token::{
///     Access, AccessLayer, Jwt, JwtKey, LiveSessions, Pair, PairError, Pairs, Tokens,
/// };
/// use sessile::transport::Cookie;
/// use sessile::{Expiry, Key, NewSession, Session, SessionLayer, Values};
///
/// async fn log_in(pairs: Pairs<Values>, session: Session<Values>) -> Result<Json<Pair>, PairError> {
///     // … who are they? …
///     pairs.issue(&session, NewSession::with(Values::new()).subject("user-42"), ()).await.map(Json)
/// }
/// async fn refresh(pairs: Pairs<Values>, session: Session<Values>) -> Result<Json<Pair>, PairError> {
///     pairs.refresh(&session, |_data| ()).await.map(Json)
/// }
/// async fn log_out(
///     pairs: Pairs<Values>,
///     session: Session<Values>,
///     access: Access,
/// ) -> Result<(), PairError> {
///     pairs.log_out(&session, &access).await
/// }
///
/// let (key, store) = (Key::generate(), MemoryStore::<Values>::new());
/// let tokens = Tokens::new(Jwt::new(JwtKey::derived_from(&key)), "shop");
/// let live = LiveSessions::new(store.clone());
/// let month = Duration::from_secs(30 * 24 * 3600);
/// let sessions = SessionLayer::new(store, key)
///     .transport(Cookie::host("refresh"))
///     .observer(live.clone());
/// let pairs = Pairs::new(tokens.clone(), sessions, Expiry::idle(month).absolute(3 * month));
///
/// let with = |pairs: &Pairs<Values>| pairs.clone();
/// let (a, b, c) = (with(&pairs), with(&pairs), with(&pairs));
/// let app: Router = Router::new()
///     .route("/log_in", post(move |session| log_in(a, session)))
///     .route("/refresh", post(move |session| refresh(b, session)))
///     .route("/log_out", post(move |session, access| log_out(c, session, access)))
///     .layer(pairs.layer().clone())
///     .layer(AccessLayer::<()>::new(tokens, live));
/// ```
pub struct Pairs<T> {
    tokens: Tokens,
    layer: SessionLayer<T>,
    sessions: Sessions<T>,
    ttl: Duration,
}

impl<T: SessionData> Pairs<T> {
    /// Issues these access tokens, and tickets of this layer as refresh tokens. The limits are the
    /// sessions'; each ticket is good until the next is issued ([`Expiry::strict`]), and renewed by
    /// [`refresh`](Self::refresh) only.
    ///
    /// # Panics
    /// If the limits contradict each other, or the store keeps no index of subjects.
    #[track_caller]
    #[expect(clippy::panic, reason = "documented: configuration mistakes fail at construction")]
    pub fn new(tokens: Tokens, layer: SessionLayer<T>, expiry: Expiry) -> Self {
        match Self::try_new(tokens, layer, expiry) {
            Ok(pairs) => pairs,
            Err(error) => panic!("{error}"),
        }
    }

    /// [`new`](Self::new) for settings that are read at run time.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use sessile::{Expiry, Key, SessionLayer, Values, store::MemoryStore};
    /// # use sessile::token::{Jwt, JwtKey, Pairs, Tokens};
    /// # let key = Key::generate();
    /// # let tokens = Tokens::new(Jwt::new(JwtKey::derived_from(&key)), "shop");
    /// let layer = SessionLayer::<Values>::new(MemoryStore::new(), key);
    /// assert!(Pairs::try_new(tokens, layer, Expiry::idle(Duration::ZERO)).is_err());
    /// ```
    ///
    /// # Errors
    /// If the limits contradict each other, or the store keeps no index of subjects.
    pub fn try_new(
        tokens: Tokens,
        layer: SessionLayer<T>,
        expiry: Expiry,
    ) -> Result<Self, ConfigError> {
        let layer = layer.try_expiry(expiry.without_renewal().strict())?;
        let sessions = layer.try_sessions()?;
        Ok(Self { tokens, layer, sessions, ttl: Duration::from_secs(15 * 60) })
    }

    /// How long an access token is good: 15 minutes by default, and never longer than its session.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use sessile::token::Pairs;
    /// fn for_five_minutes(pairs: Pairs<sessile::Values>) -> Pairs<sessile::Values> {
    ///     pairs.access_ttl(Duration::from_secs(5 * 60))
    /// }
    /// # let _ = for_five_minutes;
    /// ```
    #[must_use]
    pub const fn access_ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// The layer of the refresh tokens, to be put around the routes that log in, refresh and log
    /// out, and no others.
    pub const fn layer(&self) -> &SessionLayer<T> {
        &self.layer
    }

    /// Begins a session and issues both tokens: log in. The session must have a
    /// [subject](NewSession::subject); the refresh token travels in the response as the layer's
    /// transports have it, and is in the pair if one of these is [`Bearer`].
    ///
    /// Another password or a ban ends the sessions that there are, and this may begin a moment
    /// later: look at the user again afterwards, and [destroy](Session::destroy) the session of one
    /// who would not be let in now. With `accounts`, `Accounts::start` does, and
    /// [`issue_for`](Self::issue_for) takes it from there.
    ///
    /// # Errors
    /// What creating a session may run into, such as a limit; what issuing a token may. There is no
    /// session then.
    pub async fn issue<C: Serialize + Send>(
        &self,
        session: &Session<T>,
        new: impl Into<NewSession<T>> + Send,
        more: C,
    ) -> Result<Pair, PairError> {
        session.create(new)?;
        if session.meta().is_none_or(|meta| meta.subject.is_none()) {
            session.destroy()?;
            return Err(TokenErrorKind::Claims.into());
        }
        session.commit().await?;
        self.issue_for(session, more).await
    }

    /// Issues both tokens for the session that this request has begun and committed: log in, where
    /// something else begins the session. The session must have a subject.
    ///
    /// ```
    /// # #[cfg(feature = "accounts")] mod example {
    /// use sessile::accounts::{Accounts, LogIn};
    /// use sessile::token::{Pair, Pairs};
    /// use sessile::{Session, Values};
    /// async fn log_in(
    ///     accounts: &Accounts,
    ///     pairs: &Pairs<Values>,
    ///     session: &Session<Values>,
    ///     form: LogIn,
    /// ) -> Result<Pair, Box<dyn std::error::Error>> {
    ///     let who = accounts.log_in(form).await?;
    ///     let user = accounts.start(session, who, Values::new()).await?; // looks at them again
    ///     Ok(pairs.issue_for(session, user.is_verified).await?)
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// 401 if there is no such session; what issuing a token may run into, and what ending a session
    /// may: one that gets no tokens ends.
    pub async fn issue_for<C: Serialize + Send>(
        &self,
        session: &Session<T>,
        more: C,
    ) -> Result<Pair, PairError> {
        if !session.has_issued_ticket() {
            return Err(TokenErrorKind::Revoked.into());
        }
        let pair = self.pair(session, more);
        if pair.is_err() {
            session.destroy()?;
            session.commit().await.or_else(|error| session.destroy().and(Err(error)))?;
        }
        pair
    }

    /// Spends the refresh token of this request and issues both tokens anew; `more` makes what the
    /// access token says besides.
    ///
    /// # Errors
    /// 401 if there is no live session, because the token was spent before, or somebody else spent
    /// it just now; what writing a session may run into.
    pub async fn refresh<C: Serialize + Send>(
        &self,
        session: &Session<T>,
        more: impl FnOnce(&T) -> C + Send,
    ) -> Result<Pair, PairError> {
        let member = active(session)?;
        session.renew()?;
        session.commit().await?;
        // Of requests that spend one ticket at once, one has renewed it: the others get nothing.
        active(session)?;
        if !session.has_issued_ticket() {
            return Err(PairError::refused(Refusal::StoreUnavailable));
        }
        self.pair(session, more(&member))
    }

    /// Ends the session of this access token: log out. The refresh token is dead, and so are the
    /// access tokens, as soon as the [`Revocation`](super::Revocation) learns of it. Fine if it has
    /// ended already.
    ///
    /// # Errors
    /// What ending a session may run into.
    pub async fn log_out<C: Sync>(
        &self,
        session: &Session<T>,
        access: &Claims<C>,
    ) -> Result<(), PairError> {
        let id: Option<Id> = access.session.as_ref().and_then(|id| id.parse().ok());
        // A request that brings the refresh token too has it cleared with the response.
        if session.id().is_some() && session.id() == id {
            session.destroy()?;
            session.commit().await?;
        } else if let Some(id) = id {
            self.sessions.revoke(&access.subject, id).await?;
        }
        Ok(())
    }

    fn pair<C: Serialize>(&self, session: &Session<T>, more: C) -> Result<Pair, PairError> {
        let (meta, id) = session.meta().zip(session.id()).ok_or(TokenErrorKind::Revoked)?;
        let subject = meta.subject.as_deref().ok_or(TokenErrorKind::Claims)?;
        let ttl = self.ttl.min(meta.absolute.since(self.tokens.now()));
        let access = NewToken::access(subject).ttl(ttl).session(id).with(more);
        Ok(Pair {
            access: self.tokens.issue(&access)?,
            refresh: session.issued_ticket(&Bearer::new()),
            expires_in: ttl,
        })
    }
}

fn active<T: SessionData>(session: &Session<T>) -> Result<Active<T>, PairError> {
    Active::from_session(session).ok_or_else(|| {
        PairError::refused(match session.status() {
            Status::NoTicket => Refusal::NoTicket,
            Status::StoreFailed => Refusal::StoreUnavailable,
            _ => Refusal::SessionEnded,
        })
    })
}

impl<T> Clone for Pairs<T> {
    fn clone(&self) -> Self {
        Self {
            tokens: self.tokens.clone(),
            layer: self.layer.clone(),
            sessions: self.sessions.clone(),
            ttl: self.ttl,
        }
    }
}

impl<T> fmt::Debug for Pairs<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pairs")
            .field("tokens", &self.tokens)
            .field("layer", &self.layer)
            .field("access_ttl", &self.ttl)
            .finish()
    }
}

/// An access token and, for clients that keep it themselves, a refresh token. Serialises as the
/// answer of a token endpoint (RFC 6749, 5.1).
///
/// ```
/// # use sessile::token::{Pair, PairError, Pairs};
/// # use sessile::{Session, Values};
/// async fn answer(pairs: &Pairs<Values>, session: &Session<Values>) -> Result<String, PairError> {
///     let pair: Pair = pairs.refresh(session, |_| ()).await?;
///     Ok(format!("for {} seconds: {}", pair.expires_in().as_secs(), pair.access()))
/// }
/// # let _ = answer;
/// ```
#[derive(Clone)]
pub struct Pair {
    access: String,
    refresh: Option<String>,
    expires_in: Duration,
}

impl Pair {
    /// The access token.
    pub fn access(&self) -> &str {
        &self.access
    }

    /// The refresh token, if the layer takes it from [`Bearer`]. One in a
    /// cookie is the browser's affair.
    ///
    /// ```
    /// fn to_keep(pair: &sessile::token::Pair) -> Option<&str> {
    ///     pair.refresh()
    /// }
    /// # let _ = to_keep;
    /// ```
    pub fn refresh(&self) -> Option<&str> {
        self.refresh.as_deref()
    }

    /// How long the access token is good.
    pub const fn expires_in(&self) -> Duration {
        self.expires_in
    }
}

impl Serialize for Pair {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = 3 + usize::from(self.refresh.is_some());
        let mut out = serializer.serialize_struct("Pair", fields)?;
        out.serialize_field("access_token", &self.access)?;
        if let Some(refresh) = &self.refresh {
            out.serialize_field("refresh_token", refresh)?;
        }
        out.serialize_field("token_type", "bearer")?;
        out.serialize_field("expires_in", &self.expires_in.as_secs())?;
        out.end()
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

/// Why a pair was not issued, renewed or ended.
///
/// ```
/// use sessile::Refusal;
/// use sessile::token::PairError;
/// fn wants_login(error: &PairError) -> bool {
///     matches!(error.refusal(), Refusal::NoTicket | Refusal::SessionEnded)
/// }
/// # let _ = wants_login;
/// ```
pub struct PairError {
    refusal: Refusal,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl PairError {
    /// What the client is told.
    pub const fn refusal(&self) -> Refusal {
        self.refusal
    }

    const fn refused(refusal: Refusal) -> Self {
        Self { refusal, source: None }
    }
}

impl From<Error> for PairError {
    fn from(error: Error) -> Self {
        Self { refusal: error.refusal(), source: Some(Box::new(error)) }
    }
}

impl From<TokenError> for PairError {
    fn from(error: TokenError) -> Self {
        // Here a token is made, not taken: what goes wrong is the program's.
        let refusal = match error.refusal() {
            Refusal::SessionEnded => Refusal::SessionEnded,
            _ => Refusal::Internal,
        };
        Self { refusal, source: Some(Box::new(error)) }
    }
}

impl From<TokenErrorKind> for PairError {
    fn from(kind: TokenErrorKind) -> Self {
        TokenError::new(kind).into()
    }
}

impl fmt::Display for PairError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no tokens were issued")
    }
}

impl fmt::Debug for PairError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PairError")
            .field("refusal", &self.refusal)
            .field("source", &self.source)
            .finish()
    }
}

impl StdError for PairError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.source {
            Some(source) => Some(source.as_ref()),
            None => None,
        }
    }
}
