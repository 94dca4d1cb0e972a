//! Cookies of fastapi-sessions and fastapi-anchor, read and written.
//!
//! `base64url(json) '.' base64url(time) '.' base64url(mac)` without padding: the JSON is a UUID in
//! 32 lower-case hex digits and quotes, the time is seconds since 1970 in big-endian without
//! leading zeros, the mac is HMAC-SHA-1 of all before the last dot, under
//! `SHA1(cookie name ‖ "signer" ‖ secret)`.

use std::fmt;
use std::time::Duration;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::Ticket;
use crate::clock::Timestamp;
use crate::error::ConfigError;
use crate::event::Rejection;
use crate::id::Id;

/// The cookies of a fastapi-sessions (or fastapi-anchor) deployment, for moving from one without
/// logging anybody out: told to [`SessionLayer::transport_with`](crate::SessionLayer::transport_with).
///
/// They are weaker than this crate's own tickets: the key is derived by SHA-1 from a secret of any
/// length, the mac is HMAC-SHA-1, and without generations there is no theft alarm. Take them as
/// long as both systems run, then [read only](Self::read_only), then not at all.
///
/// Only the one canonical text of a cookie is taken, and nothing is inflated: random UUIDs never
/// compress.
///
/// ```
/// use std::time::Duration;
/// use sessile::codec::FastapiSessions;
/// let cookies = FastapiSessions::new("the secret_key of SessionCookie")
///     .also_accept("the one before")
///     .max_age(Duration::from_secs(14 * 24 * 3600));
/// ```
#[derive(Clone)]
#[must_use = "it does nothing until a layer is told"]
pub struct FastapiSessions {
    newest: Zeroizing<String>,
    older: Vec<Zeroizing<String>>,
    max_age: Duration,
    pub(crate) read_only: bool,
}

impl FastapiSessions {
    /// Cookies signed with this secret, for two weeks: the default of `CookieParameters`.
    pub fn new(secret: impl Into<String>) -> Self {
        Self {
            newest: Zeroizing::new(secret.into()),
            older: Vec::new(),
            max_age: Duration::from_secs(14 * 24 * 3600),
            read_only: false,
        }
    }

    /// Reads cookies signed with this secret as well. fastapi-sessions lists its secrets from the
    /// oldest to the newest, and signs with the last.
    pub fn also_accept(mut self, secret: impl Into<String>) -> Self {
        self.older.push(Zeroizing::new(secret.into()));
        self
    }

    /// Takes cookies for so long after they were signed: `CookieParameters.max_age`. The session's
    /// own deadlines hold besides.
    pub const fn max_age(mut self, limit: Duration) -> Self {
        self.max_age = limit;
        self
    }

    /// Reads them but writes none: whoever comes with one is given a ticket by the layer's first
    /// transport, and is known by that from then on.
    ///
    /// ```
    /// use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// use sessile::{codec::FastapiSessions, transport::Cookie};
    /// let legacy = FastapiSessions::new("secret").read_only();
    /// let layer = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// assert!(layer.try_or_transport_with(Cookie::named("cookie"), legacy).is_ok());
    /// ```
    pub const fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// For the cookie of this name, which is part of the key.
    pub(crate) fn bind(&self, purpose: &str) -> Result<Cookies, ConfigError> {
        let Some(name) = purpose.strip_prefix("cookie:") else {
            return Err(ConfigError::new(
                "fastapi-sessions has cookies only: give `transport_with` a `Cookie`",
            ));
        };
        if self.newest.is_empty() || self.older.iter().any(|secret| secret.is_empty()) {
            return Err(ConfigError::new(
                "an empty secret signs for everybody: give `FastapiSessions::new` the secret_key \
                 that the deployment has, and change it there first if that is empty",
            ));
        }
        let mac = |secret: &Zeroizing<String>| key(name, secret);
        let (newest, older) =
            (mac(&self.newest)?, self.older.iter().map(mac).collect::<Result<_, _>>()?);
        Ok(Cookies { newest, older, max_age: self.max_age })
    }
}

impl fmt::Debug for FastapiSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FastapiSessions")
            .field("older", &self.older.len())
            .field("max_age", &self.max_age)
            .field("read_only", &self.read_only)
            .finish_non_exhaustive()
    }
}

/// Opens and seals the cookies of one name.
pub(crate) struct Cookies {
    newest: Hmac<Sha1>,
    older: Vec<Hmac<Sha1>>,
    max_age: Duration,
}

impl Cookies {
    /// The session that a cookie names, and whether an older secret signed it.
    pub(crate) fn open(&self, token: &[u8], now: Timestamp) -> Result<(Id, bool), Rejection> {
        // Longer ones hold something else, or something compressed.
        let token = str::from_utf8(token).ok().filter(|token| token.len() <= LONGEST);
        let (signed, mac) = token.and_then(|t| t.rsplit_once('.')).ok_or(Rejection::Malformed)?;
        let (json, time) = signed.split_once('.').ok_or(Rejection::Malformed)?;
        let mac = BASE64URL_NOPAD.decode(mac.as_bytes()).map_err(|_| Rejection::Malformed)?;
        let old_key = self.verify(signed.as_bytes(), &mac).ok_or(Rejection::Forged)?;
        let issued = time_of(time).ok_or(Rejection::Malformed)?;
        let id = id_of(json).ok_or(Rejection::Malformed)?;
        let now = now.as_millis() / 1_000;
        match now.checked_sub(issued) {
            Some(age) if age <= self.max_age.as_secs() => Ok((id, old_key)),
            _ => Err(Rejection::Expired),
        }
    }

    /// The cookie's value.
    pub(crate) fn seal(&self, ticket: &Ticket, now: Timestamp) -> String {
        let id = HEXLOWER.encode(&ticket.id.into_bytes());
        let seconds = (now.as_millis() / 1_000).to_be_bytes();
        let start = seconds.iter().position(|byte| *byte != 0).unwrap_or(seconds.len());
        let time = seconds.get(start..).unwrap_or_default();
        let mut text = BASE64URL_NOPAD.encode(format!("\"{id}\"").as_bytes());
        text.push('.');
        text.push_str(&BASE64URL_NOPAD.encode(time));
        let mac = tag(&self.newest, text.as_bytes());
        text.push('.');
        text.push_str(&BASE64URL_NOPAD.encode(&mac));
        text
    }

    /// Whether the key that made this mac is an older one; `None` when it is none of them.
    fn verify(&self, signed: &[u8], mac: &[u8]) -> Option<bool> {
        let made_by = |key: &Hmac<Sha1>| bool::from(tag(key, signed).as_slice().ct_eq(mac));
        if made_by(&self.newest) {
            return Some(false);
        }
        self.older.iter().any(made_by).then_some(true)
    }
}

impl fmt::Debug for Cookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FastapiSessions").field("max_age", &self.max_age).finish_non_exhaustive()
    }
}

/// 46 characters of a quoted id, 11 of a time of 64 bits, 27 of a mac, and two dots.
pub(super) const LONGEST: usize = 86;

fn key(name: &str, secret: &str) -> Result<Hmac<Sha1>, ConfigError> {
    let derived = Sha1::new()
        .chain_update(name.as_bytes())
        .chain_update(b"signer")
        .chain_update(secret.as_bytes())
        .finalize();
    Hmac::new_from_slice(&derived).map_err(|_| ConfigError::new("the secret gives no key"))
}

fn tag(key: &Hmac<Sha1>, message: &[u8]) -> Vec<u8> {
    key.clone().chain_update(message).finalize().into_bytes().to_vec()
}

/// Seconds since 1970.
fn time_of(text: &str) -> Option<u64> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
    let canonical = bytes.first().is_none_or(|byte| *byte != 0) && bytes.len() <= 8;
    canonical.then(|| bytes.iter().fold(0, |time, byte| (time << 8) | u64::from(*byte)))
}

/// The id in `"920d8b80111f4d16a948b2a0eec0e0fe"`.
fn id_of(json: &str) -> Option<Id> {
    let json = BASE64URL_NOPAD.decode(json.as_bytes()).ok()?;
    let hex = json.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    Id::from_bytes(HEXLOWER.decode(hex).ok()?.try_into().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b18_an_empty_secret_does_not_build() {
        assert!(FastapiSessions::new("").bind("cookie:a").is_err());
        assert!(FastapiSessions::new("a").also_accept("").bind("cookie:a").is_err());
        assert!(FastapiSessions::new("a").bind("header:a").is_err());
    }
}
