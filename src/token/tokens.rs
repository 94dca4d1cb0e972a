//! Issues tokens and judges what they say.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};

#[cfg(feature = "paseto")]
use super::wire::Written;
use super::wire::{Audience, Moment, Numeric, Text, Wire};
use super::{Claims, Format, NewToken, Times, TokenError, TokenErrorKind, TokenKind};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::error::ConfigError;
use crate::id::Id;

/// Issues tokens and judges them, in one [`Format`], for one audience.
///
/// 1. A token is judged by what is configured here and nothing that it says of itself: format, keys,
///    algorithm, audience, issuer.
/// 2. `sub`, `type`, `iat` and `exp` must be there; every claim has its JSON type or the token is
///    refused (CVE-2026-25537).
/// 3. Whatever is longer than [`max_len`](Self::max_len) is refused before it is looked at.
/// 4. Errors say what was wrong to the program and nothing to the client.
///
/// ```
/// # use sessile::Key;
/// use sessile::token::{Jwt, JwtKey, NewToken, TokenErrorKind, TokenKind, Tokens};
/// let tokens = Tokens::new(Jwt::new(JwtKey::derived_from(&Key::generate())), "shop")
///     .issuer("https://accounts.example.com");
/// let token = tokens.issue(&NewToken::refresh("user-42"))?;
/// assert!(tokens.verify::<()>(token.as_bytes(), &TokenKind::Refresh).is_ok());
/// let error = tokens.verify::<()>(token.as_bytes(), &TokenKind::Access).unwrap_err();
/// assert_eq!(error.kind(), TokenErrorKind::WrongKind);
/// # Ok::<(), sessile::token::TokenError>(())
/// ```
#[derive(Clone)]
#[must_use = "it issues and verifies"]
pub struct Tokens {
    format: Arc<dyn Format>,
    audience: Option<Arc<str>>,
    issuer: Option<Arc<str>>,
    skew: Duration,
    max_len: usize,
    clock: Arc<dyn Clock>,
}

impl Tokens {
    /// Tokens of this format for this audience (`aud`): the service that takes them. A token for
    /// another is refused, also under the same key (ASVS 9.2.3).
    pub fn new(format: impl Format, audience: impl Into<Arc<str>>) -> Self {
        Self { audience: Some(audience.into()), ..Self::dangerously_without_audience(format) }
    }

    /// Tokens that name no audience: whatever service shares the key takes them. For tokens that
    /// another system issues so; one that names an audience is refused here (RFC 7519, 4.1.3).
    ///
    /// ```
    /// # use sessile::Key;
    /// use sessile::token::{Paseto, PasetoKey, Tokens};
    /// let tokens = Tokens::dangerously_without_audience(
    ///     Paseto::local(PasetoKey::derived_from(&Key::generate())),
    /// );
    /// # let _ = tokens;
    /// ```
    pub fn dangerously_without_audience(format: impl Format) -> Self {
        Self {
            format: Arc::new(format),
            audience: None,
            issuer: None,
            skew: Duration::from_secs(5),
            max_len: 4096,
            clock: Arc::new(SystemClock),
        }
    }

    /// Names the issuer (`iss`): tokens say so, and those that say otherwise are refused. Without
    /// it those that name any are.
    pub fn issuer(mut self, issuer: impl Into<Arc<str>>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// By how much the clocks of issuer and verifier may differ: 5 seconds by default.
    ///
    /// ```
    /// # use sessile::Key;
    /// # use sessile::token::{Jwt, JwtKey, Tokens};
    /// # let tokens = Tokens::new(Jwt::new(JwtKey::derived_from(&Key::generate())), "shop");
    /// use std::time::Duration;
    /// let tokens = tokens.skew(Duration::from_secs(30));
    /// assert!(tokens.try_skew(Duration::from_secs(3600)).is_err());
    /// ```
    ///
    /// # Panics
    /// If it is more than five minutes.
    #[track_caller]
    #[expect(clippy::panic, reason = "documented: configuration mistakes fail at construction")]
    pub fn skew(self, skew: Duration) -> Self {
        match self.try_skew(skew) {
            Ok(tokens) => tokens,
            Err(error) => panic!("{error}"),
        }
    }

    /// [`skew`](Self::skew) for settings that are read at run time.
    ///
    /// # Errors
    /// If it is more than five minutes.
    pub fn try_skew(mut self, skew: Duration) -> Result<Self, ConfigError> {
        if skew > MOST_SKEW {
            return Err(ConfigError::new(
                "clocks that differ by more than five minutes are broken: synchronise them, and \
                 give `Tokens::skew` no more than 300 seconds",
            ));
        }
        self.skew = skew;
        Ok(self)
    }

    /// How many bytes a token may have: 4096 by default, which is what a cookie holds.
    ///
    /// ```
    /// # use sessile::Key;
    /// # use sessile::token::{Jwt, JwtKey, TokenErrorKind, TokenKind, Tokens};
    /// let tokens = Tokens::new(Jwt::new(JwtKey::derived_from(&Key::generate())), "a").max_len(512);
    /// let error = tokens.verify::<()>(&[b'A'; 513], &TokenKind::Access).unwrap_err();
    /// assert_eq!(error.kind(), TokenErrorKind::TooLong);
    /// ```
    pub const fn max_len(mut self, bytes: usize) -> Self {
        self.max_len = bytes;
        self
    }

    /// Takes the time from this clock.
    ///
    /// ```
    /// # use sessile::Key;
    /// # use sessile::token::{Jwt, JwtKey, Tokens};
    /// use sessile::testkit::SimulatedClock;
    /// let tokens = Tokens::new(Jwt::new(JwtKey::derived_from(&Key::generate())), "shop")
    ///     .clock(SimulatedClock::new());
    /// # let _ = tokens;
    /// ```
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// A new token.
    ///
    /// # Errors
    /// [`CannotSign`](TokenErrorKind::CannotSign) if the newest key only verifies;
    /// [`Claims`](TokenErrorKind::Claims) if what was added is neither a struct nor a map, or has a
    /// name that the token has itself; [`TooLong`](TokenErrorKind::TooLong);
    /// [`Random`](TokenErrorKind::Random).
    pub fn issue<C: Serialize>(&self, new: &NewToken<C>) -> Result<String, TokenError> {
        let claims = match self.format.times() {
            Times::Numeric => self.write::<C, Numeric>(new),
            #[cfg(feature = "paseto")]
            Times::Text => self.write::<C, Written>(new),
        }?;
        let token = self.format.seal(&claims)?;
        if token.len() > self.max_len { Err(TokenErrorKind::TooLong.into()) } else { Ok(token) }
    }

    /// What a token says, if it is one of ours, of this kind, and good now.
    ///
    /// # Errors
    /// Why it is not.
    #[inline]
    pub fn verify<C: DeserializeOwned>(
        &self,
        token: &[u8],
        kind: &TokenKind,
    ) -> Result<Claims<C>, TokenError> {
        if token.len() > self.max_len {
            return Err(TokenErrorKind::TooLong.into());
        }
        let claims = self.format.open(token)?;
        match self.format.times() {
            Times::Numeric => self.read::<C, Numeric>(&claims, kind),
            #[cfg(feature = "paseto")]
            Times::Text => self.read::<C, Written>(&claims, kind),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now().into()
    }

    pub(super) fn its_clock(&self) -> &dyn Clock {
        &*self.clock
    }

    fn write<C, M>(&self, new: &NewToken<C>) -> Result<Vec<u8>, TokenError>
    where
        C: Serialize,
        M: Moment + DeserializeOwned,
    {
        let now = self.now();
        let end = new.until.into_iter().fold(now.plus(new.ttl), Timestamp::min);
        let id = Id::generate().map_err(|_| TokenErrorKind::Random)?;
        let claims = serde_json::to_vec(&Wire {
            sub: Cow::Borrowed(&*new.subject),
            kind: new.kind.claim(),
            iat: M::at(secs(now)),
            exp: M::at(secs(end)),
            nbf: (!new.after.is_zero()).then(|| M::at(secs(now.plus(new.after)))),
            jti: Some(id.to_string()),
            sid: new.session.map(|id| id.to_string()),
            iss: self.issuer.as_deref().map(|issuer| Text(Cow::Borrowed(issuer))),
            aud: self.audience.as_deref().map(|one| Audience::One(Text(Cow::Borrowed(one)))),
            more: &new.more,
        })
        .map_err(|_| TokenErrorKind::Claims)?;
        // A name that the application and the token both have stands there twice.
        serde_json::from_slice::<Wire<'_, IgnoredAny, M>>(&claims)
            .map_err(|_| TokenErrorKind::Claims)?;
        Ok(claims)
    }

    fn read<'c, C, M>(&self, claims: &'c [u8], kind: &TokenKind) -> Result<Claims<C>, TokenError>
    where
        C: DeserializeOwned,
        M: Moment + serde::Deserialize<'c>,
    {
        let wire: Wire<'c, C, M> = serde_json::from_slice(claims).map_err(|_| {
            match serde_json::from_slice::<Wire<'c, IgnoredAny, M>>(claims) {
                Ok(wire) if !kind.is(&wire.kind) => TokenErrorKind::WrongKind,
                _ => TokenErrorKind::Claims,
            }
        })?;
        if !self.is_for_us(wire.aud.as_ref(), wire.iss.as_ref()) {
            return Err(TokenErrorKind::Audience.into());
        }
        if !kind.is(&wire.kind) {
            return Err(TokenErrorKind::WrongKind.into());
        }
        let (issued, expires) = (wire.iat.secs(), wire.exp.secs());
        let not_before = wire.nbf.as_ref().map(Moment::secs);
        in_time(issued, not_before, expires, self.skew.as_secs(), secs(self.now()))?;
        Ok(Claims {
            subject: wire.sub.into_owned(),
            kind: kind.clone(),
            issued_at: at(issued),
            expires_at: at(expires),
            not_before: not_before.map(at),
            id: wire.jti,
            session: wire.sid,
            more: wire.more,
        })
    }

    fn is_for_us(&self, audience: Option<&Audience<'_>>, issuer: Option<&Text<'_>>) -> bool {
        let audience = match (&self.audience, audience) {
            (Some(wanted), Some(audience)) => audience.contains(wanted),
            (wanted, audience) => wanted.is_none() && audience.is_none(),
        };
        audience && self.issuer.as_deref() == issuer.map(|issuer| &*issuer.0)
    }
}

/// Whether a token is good at this second (RFC 7519, 4.1.4: from `exp` on it is not). One that was
/// made in the future is none of ours, or of a clock that is wrong.
fn in_time(
    issued: u64,
    not_before: Option<u64>,
    expires: u64,
    skew: u64,
    now: u64,
) -> Result<(), TokenErrorKind> {
    if now >= expires.saturating_add(skew) {
        return Err(TokenErrorKind::Expired);
    }
    if issued.max(not_before.unwrap_or(0)) > now.saturating_add(skew) {
        return Err(TokenErrorKind::NotYetValid);
    }
    Ok(())
}

const fn secs(time: Timestamp) -> u64 {
    time.as_millis() / 1_000
}

const fn at(secs: u64) -> Timestamp {
    Timestamp::from_millis(secs.saturating_mul(1_000))
}

/// Longer than this after its end no token is good anywhere.
pub(super) const MOST_SKEW: Duration = Duration::from_secs(300);

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("format", &self.format)
            .field("audience", &self.audience)
            .field("issuer", &self.issuer)
            .field("skew", &self.skew)
            .field("max_len", &self.max_len)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r41_a_token_is_good_from_its_beginning_until_before_its_end() {
        use TokenErrorKind::{Expired, NotYetValid};
        let cases = [
            ("just made", 100, None, 200, 0, 100, Ok(())),
            ("its last second", 100, None, 200, 0, 199, Ok(())),
            ("at its end", 100, None, 200, 0, 200, Err(Expired)),
            ("within the skew", 100, None, 200, 5, 204, Ok(())),
            ("beyond the skew", 100, None, 200, 5, 205, Err(Expired)),
            ("made in the future", 106, None, 200, 5, 100, Err(NotYetValid)),
            ("made a moment from now", 105, None, 200, 5, 100, Ok(())),
            ("not before its time", 100, Some(151), 200, 0, 150, Err(NotYetValid)),
            ("in its time", 100, Some(150), 200, 0, 150, Ok(())),
            ("ends before it begins", 100, Some(300), 200, 0, 150, Err(NotYetValid)),
            ("the largest numbers", 0, Some(u64::MAX), u64::MAX, 5, u64::MAX, Err(Expired)),
        ];
        for (name, issued, not_before, expires, skew, now, expected) in cases {
            assert_eq!(in_time(issued, not_before, expires, skew, now), expected, "{name}");
        }
    }
}
