//! The session itself in the ticket, encrypted.

use std::sync::{Arc, PoisonError, RwLock};

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use data_encoding::BASE64URL_NOPAD;

use super::carrier::{Carried, Carrier};
use crate::event::Rejection;
use crate::key::{Key, KeyId, Keyring};

/// Encrypts the session into its ticket with XChaCha20-Poly1305 (ASVS 11.3.2): no store is asked,
/// and none is needed. A random nonce of 192 bits never repeats under one key; the transport's
/// name is authenticated with it, so that a ticket of one cookie does not open another.
///
/// What that costs is said at [`SessionLayer::carried`](crate::SessionLayer::carried): a session
/// in the client's hands cannot be changed by two requests at once, nor counted, nor listed, and
/// can be put back to what it was. And it is no larger than a cookie: some 2 500 bytes of data.
///
/// ```
/// use sessile::codec::Sealed;
/// use sessile::{Key, Revocation, SessionLayer, Values};
/// let key = Key::generate(); // or Key::from_env("SESSION_KEY")
/// let sessions = SessionLayer::<Values>::carried(Sealed::new(key), Revocation::impossible());
/// ```
#[derive(Debug)]
pub struct Sealed {
    ring: Keyring,
    ciphers: RwLock<Arc<Ciphers>>,
}

/// The ciphers of a ring as it was at one time.
struct Ciphers {
    epoch: u64,
    newest: XChaCha20Poly1305,
    older: Vec<XChaCha20Poly1305>,
}

impl Sealed {
    /// Seals under the newest of these keys, and opens under any.
    ///
    /// ```
    /// use sessile::codec::Sealed;
    /// use sessile::{Key, Keyring};
    /// let (new, old) = (Key::generate(), Key::generate());
    /// let during_a_change = Sealed::new(Keyring::new(new).also_accept(old));
    /// # let _ = during_a_change;
    /// ```
    pub fn new(keys: impl Into<Keyring>) -> Self {
        let ring = keys.into();
        let ciphers = RwLock::new(Arc::new(Ciphers::derive(&ring)));
        Self { ring, ciphers }
    }

    /// Of the keys that are in the ring now.
    fn ciphers(&self) -> Arc<Ciphers> {
        let epoch = self.ring.epoch();
        let ciphers = self.ciphers.read().unwrap_or_else(PoisonError::into_inner);
        if ciphers.epoch >= epoch {
            return Arc::clone(&ciphers);
        }
        drop(ciphers);
        let mut ciphers = self.ciphers.write().unwrap_or_else(PoisonError::into_inner);
        // Another request may have been here first; only what is outdated is made again.
        if ciphers.epoch < epoch {
            *ciphers = Arc::new(Ciphers::derive(&self.ring));
        }
        Arc::clone(&ciphers)
    }
}

impl Carrier for Sealed {
    fn seal(&self, purpose: &str, payload: &[u8]) -> Option<String> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).ok()?;
        let message = Payload { msg: payload, aad: purpose.as_bytes() };
        let sealed = self.ciphers().newest.encrypt(&XNonce::from(nonce), message).ok()?;
        Some(BASE64URL_NOPAD.encode(&[nonce.as_slice(), &sealed].concat()))
    }

    fn open(&self, purpose: &str, ticket: &[u8]) -> Result<Carried, Rejection> {
        if ticket.len() > LONGEST {
            return Err(Rejection::Malformed);
        }
        let bytes = BASE64URL_NOPAD.decode(ticket).map_err(|_| Rejection::Malformed)?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>().ok_or(Rejection::Malformed)?;
        let nonce = XNonce::from(*nonce);
        let message = || Payload { msg: sealed, aad: purpose.as_bytes() };
        let ciphers = self.ciphers();
        if let Ok(payload) = ciphers.newest.decrypt(&nonce, message()) {
            return Ok(Carried::new(payload, false));
        }
        let older = ciphers.older.iter().find_map(|key| key.decrypt(&nonce, message()).ok());
        older.map(|payload| Carried::new(payload, true)).ok_or(Rejection::Forged)
    }

    fn key_ids(&self) -> Vec<KeyId> {
        self.ring.key_ids()
    }
}

impl Ciphers {
    fn derive(ring: &Keyring) -> Self {
        let cipher = |key: &Key| XChaCha20Poly1305::new((&*key.derive("sealed", "")).into());
        let (epoch, keys) = ring.snapshot();
        Self { epoch, newest: cipher(&keys.newest), older: keys.older.iter().map(cipher).collect() }
    }
}

impl std::fmt::Debug for Ciphers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ciphers").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

const NONCE_LEN: usize = 24;

/// More than a header line may have: whatever is longer was not written by us.
const LONGEST: usize = 8_192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c02_what_was_tampered_with_or_is_of_another_key_or_purpose_does_not_open() {
        let key = Key::generate();
        let sealed = Sealed::new(key);
        let ticket = sealed.seal("cookie:a", b"payload").unwrap();
        assert_eq!(sealed.open("cookie:a", ticket.as_bytes()).unwrap().payload, b"payload");
        let open = |sealed: &Sealed, purpose: &str, ticket: &[u8]| {
            sealed.open(purpose, ticket).map(|carried| carried.payload)
        };
        assert_eq!(open(&sealed, "cookie:b", ticket.as_bytes()), Err(Rejection::Forged));
        let other = Sealed::new(Key::generate());
        assert_eq!(open(&other, "cookie:a", ticket.as_bytes()), Err(Rejection::Forged));
        for at in 0..ticket.len() {
            let mut bytes = ticket.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert!(open(&sealed, "cookie:a", &bytes).is_err(), "{at}");
        }
        let plain = BASE64URL_NOPAD.encode(b"{\"admin\":true}, and as long as a nonce and a tag");
        for bad in [plain.as_bytes(), b"", b"=", &ticket.as_bytes()[..30], &[0xff; 60]] {
            assert!(open(&sealed, "cookie:a", bad).is_err());
        }
        assert_eq!(open(&sealed, "cookie:a", &[b'A'; 10_000]), Err(Rejection::Malformed));
    }

    #[test]
    fn r44_an_older_key_opens_and_a_revoked_one_does_not() {
        let (old, new) = (Key::generate(), Key::generate());
        let ticket = Sealed::new(old.clone()).seal("p", b"x").unwrap();
        let ring = Keyring::new(new).also_accept(old.clone());
        let sealed = Sealed::new(ring.clone());
        assert!(sealed.open("p", ticket.as_bytes()).unwrap().old_key);
        ring.revoke(old.id()).unwrap();
        assert!(sealed.open("p", ticket.as_bytes()).is_err());
    }

    #[test]
    fn r46_nonces_do_not_repeat() {
        let sealed = Sealed::new(Key::generate());
        let all: std::collections::HashSet<_> =
            (0..1_000).map(|_| sealed.seal("p", b"x").unwrap()).collect();
        assert_eq!(all.len(), 1_000);
    }
}
