//! Revoked tokens, remembered until they would have expired.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dashmap::DashMap;

use super::tokens::MOST_SKEW;
use super::{Claims, Revocation, TokenIds};
use crate::answer::StoreAnswer;
use crate::clock::Timestamp;

/// Revoked tokens in this process's memory, each until it would have expired, however far
/// [clocks may differ](super::Tokens::skew). A clone is a handle on the same list.
///
/// It is known to this node only, and gone when it restarts: with several nodes, or for tokens that
/// live long, use [`LiveSessions`](super::LiveSessions) or a [`check`](super::check) of your own.
///
/// ```
/// # use sessile::{Clock, Key, SystemClock};
/// # use sessile::token::{Jwt, JwtKey, NewToken, TokenKind, Tokens};
/// use sessile::token::{DenyList, Revocation, TokenIds};
/// # let tokens = Tokens::new(Jwt::new(JwtKey::derived_from(&Key::generate())), "shop");
/// # let token = tokens.issue(&NewToken::access("user-42"))?;
/// # let claims = tokens.verify::<()>(token.as_bytes(), &TokenKind::Access)?;
/// # let now = SystemClock.now().into();
/// let revoked = DenyList::new();
/// assert!(revoked.deny(&claims, now));
/// assert!(!revoked.deny(&claims, now), "it was on the list already");
/// let answer = revoked.is_revoked(&TokenIds::of(&claims), now);
/// assert!(answer.now_or_later().unwrap().unwrap());
/// # Ok::<(), sessile::token::TokenError>(())
/// ```
#[derive(Clone, Default)]
pub struct DenyList(Arc<Lists>);

#[derive(Default)]
struct Lists {
    /// Token → when it would have expired.
    tokens: DashMap<Box<str>, Timestamp>,
    /// Session → when the last token of it will have expired.
    sessions: DashMap<Box<str>, Timestamp>,
    /// Subject → tokens issued before this are void.
    epochs: DashMap<Box<str>, Timestamp>,
    /// How many tokens and sessions there may be before the list looks for some to forget.
    sweep_at: AtomicUsize,
}

impl DenyList {
    /// With nothing on it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Revokes one token. Answers whether it was not on the list already: of all that try at the
    /// same time, one hears yes. A token without an id cannot be revoked, nor told apart.
    pub fn deny<C>(&self, claims: &Claims<C>, now: Timestamp) -> bool {
        let Some(id) = &claims.id else { return false };
        let is_new = self.0.tokens.insert(id.as_str().into(), claims.expires_at).is_none();
        self.0.sweep(now);
        is_new
    }

    /// Revokes all tokens of a session, the last of which expires then.
    ///
    /// ```
    /// # use sessile::{Clock, SystemClock, Timestamp};
    /// # use std::time::Duration;
    /// use sessile::token::DenyList;
    /// let (revoked, now) = (DenyList::new(), Timestamp::from(SystemClock.now()));
    /// let session = "8c6f4d0a-0f39-4f0e-9a55-6d4f0a3b9c11";
    /// revoked.deny_session(session, now.plus(Duration::from_secs(15 * 60)), now);
    /// ```
    pub fn deny_session(&self, session: &str, until: Timestamp, now: Timestamp) {
        self.0.sessions.insert(session.into(), until);
        self.0.sweep(now);
    }

    /// Revokes all tokens of a subject that were issued until now, this second included (`iat` has
    /// no fractions): a change of password, a ban. One that the subject gets within the same second
    /// is refused too. It takes a few bytes per subject, for good.
    ///
    /// ```
    /// # use sessile::{Clock, SystemClock};
    /// use sessile::token::DenyList;
    /// let revoked = DenyList::new();
    /// revoked.deny_subject("user-42", SystemClock.now().into());
    /// ```
    pub fn deny_subject(&self, subject: &str, now: Timestamp) {
        let next_second =
            Timestamp::from_millis((now.as_millis() / 1_000).saturating_add(1) * 1_000);
        self.0.epochs.insert(subject.into(), next_second);
    }
}

impl Lists {
    /// Forgets what has expired, each time the list has doubled: a constant cost per entry.
    fn sweep(&self, now: Timestamp) {
        if self.tokens.len() + self.sessions.len() < self.sweep_at.load(Ordering::Relaxed) {
            return;
        }
        let is_needed = |until: Timestamp| until.plus(MOST_SKEW) > now;
        self.tokens.retain(|_, until| is_needed(*until));
        self.sessions.retain(|_, until| is_needed(*until));
        let left = self.tokens.len() + self.sessions.len();
        self.sweep_at.store((2 * left).max(1_024), Ordering::Relaxed);
    }
}

impl Revocation for DenyList {
    fn is_revoked(&self, token: &TokenIds<'_>, _now: Timestamp) -> StoreAnswer<bool> {
        let lists = &self.0;
        let revoked = token.id.is_some_and(|id| lists.tokens.contains_key(id))
            || token.session.is_some_and(|id| lists.sessions.contains_key(id))
            || lists.epochs.get(token.subject).is_some_and(|epoch| token.issued_at < *epoch);
        StoreAnswer::ready(Ok(revoked))
    }

    fn staleness(&self) -> Option<Duration> {
        Some(Duration::ZERO)
    }
}

impl fmt::Debug for DenyList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DenyList")
            .field("tokens", &self.0.tokens.len())
            .field("sessions", &self.0.sessions.len())
            .field("subjects", &self.0.epochs.len())
            .finish()
    }
}
