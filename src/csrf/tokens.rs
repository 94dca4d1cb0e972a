//! Tokens that only a page of this site can have read: `base64url(nonce ‖ tag)`.
//!
//! The nonce is 16 random bytes, the tag the first 16 of HMAC-SHA-256 of nonce and session id under
//! a subkey of its own. As the nonce is fresh in every page, so is the whole token, and nothing in
//! the page repeats that an attacker who watches compressed lengths could guess byte by byte
//! (BREACH).

use std::fmt;
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, Method, Uri};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::judge::is_safe;
use super::violation::{Reason, Violation, Watch};
use crate::error::{Error, ErrorKind};
use crate::guard::{Attempt, Guard};
use crate::id::Id;
use crate::key::{Key, Keyring};
use crate::record::SessionData;
use crate::refusal::{Denied, Refusal};
use crate::session::Session;

/// The header in which scripts send their token.
///
/// ```
/// assert_eq!(sessile::csrf::TOKEN_HEADER, "x-csrf-token");
/// ```
pub static TOKEN_HEADER: HeaderName = HeaderName::from_static("x-csrf-token");

/// The field in which forms send their token.
///
/// ```
/// use sessile::csrf::TOKEN_FIELD;
/// fn hidden(token: &str) -> String {
///     format!(r#"<input type="hidden" name="{TOKEN_FIELD}" value="{token}">"#)
/// }
/// assert!(hidden("abc").contains(r#"name="csrf_token""#));
/// ```
pub const TOKEN_FIELD: &str = "csrf_token";

/// Makes and verifies the tokens that the forms and scripts of this site carry (the synchronizer
/// token pattern; ASVS 3.5.1).
///
/// 1. A token is good for one session. It depends on the session's id, so every
///    [`create`](Session::create), that is, every change of who the visitor is, makes those from
///    before worthless (NIST SP 800-63B, 5.1). A renewal of the ticket does not: pages that are
///    open stay good.
/// 2. Each one is different, even on the same page. There is nothing to store.
/// 3. Tokens under an older key of the [`Keyring`] are good as long as the key is in it.
///
/// It is itself a [`Guard`] that wants a live session and, unless the method is safe, a token in
/// the header; [`RequireToken`](super::RequireToken) lets requests without a session pass.
///
/// ```
/// # use http::{Request, Response};
/// # use tower::{Layer, ServiceExt, service_fn};
/// use sessile::csrf::Tokens;
/// use sessile::{Error, Key, Session, SessionLayer, Values, store::MemoryStore};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let key = Key::generate();
/// let tokens = Tokens::new(key.clone());
/// # let sessions = SessionLayer::<Values>::new(MemoryStore::new(), key);
/// # let service = sessions.layer(service_fn(move |request: Request<()>| { let tokens = tokens.clone(); async move {
/// #     let session = Session::<Values>::of(&request).unwrap();
/// assert!(tokens.issue(session).is_err(), "there is no session");
/// session.create(Values::new())?;
/// let token = tokens.issue(session)?;
/// assert!(tokens.verify(session, &token));
/// session.create(Values::new())?;
/// assert!(!tokens.verify(session, &token), "another session");
/// #     Ok::<_, Error>(Response::new(String::new()))
/// # }}));
/// # assert_eq!(service.oneshot(Request::new(())).await.unwrap().status(), 200);
/// # }
/// ```
#[derive(Clone)]
pub struct Tokens(Arc<Config>);

#[derive(Clone)]
struct Config {
    ring: Keyring,
    /// Good as long as the ring's epoch is theirs, which is until somebody changes the ring.
    macs: Macs,
    watch: Watch,
}

#[derive(Clone)]
struct Macs {
    epoch: u64,
    newest: Hmac<Sha256>,
    older: Vec<Hmac<Sha256>>,
}

impl Tokens {
    /// Tokens under this key, or this keyring: those of the session's layer will do, since each
    /// use has a subkey of its own.
    pub fn new(keys: impl Into<Keyring>) -> Self {
        let ring = keys.into();
        let macs = Macs::derive(&ring);
        Self(Arc::new(Config { ring, macs, watch: Watch::default() }))
    }

    /// Lets requests without a good token pass and only tells of them, in
    /// [`RequireToken`](super::RequireToken) and the form extractor alike: to find the pages that
    /// still lack a token. Not a protection.
    ///
    /// ```
    /// use sessile::Key;
    /// use sessile::csrf::Tokens;
    /// let trial = Tokens::new(Key::generate()).report_only();
    /// # let _ = trial;
    /// ```
    #[must_use]
    pub fn report_only(mut self) -> Self {
        Arc::make_mut(&mut self.0).watch.report_only = true;
        self
    }

    /// Tells this closure of every request without a good token, within the request: it should be
    /// quick.
    ///
    /// ```
    /// use sessile::Key;
    /// use sessile::csrf::{Tokens, Violation};
    /// let tokens = Tokens::new(Key::generate()).observer(|violation: &Violation<'_>| {
    ///     println!("{}: {}", violation.uri().path(), violation.reason().as_str());
    /// });
    /// # let _ = tokens;
    /// ```
    #[must_use]
    pub fn observer(mut self, observer: impl Fn(&Violation<'_>) + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.0).watch.observer = Some(Arc::new(observer));
        self
    }

    /// A token for the pages of this session: 43 letters, digits, `-` and `_`, which need no
    /// escaping in HTML or a form. A session that this request has begun counts already.
    ///
    /// # Errors
    /// [`ErrorKind::NoSession`] if there is none, [`ErrorKind::Random`] if the operating system
    /// gives no random bytes.
    pub fn issue<T: SessionData>(&self, session: &Session<T>) -> Result<String, Error> {
        let id = session.id().ok_or_else(|| Error::new(ErrorKind::NoSession))?;
        let mut nonce = [0; HALF];
        getrandom::fill(&mut nonce).map_err(|_| Error::new(ErrorKind::Random))?;
        let tag = self.with_macs(|macs| tag(&macs.newest, &nonce, id));
        Ok(BASE64URL_NOPAD.encode([nonce, tag].as_flattened()))
    }

    /// Whether this is a token of this session. How long that takes does not depend on where a
    /// wrong one differs (ASVS 11.2.4).
    pub fn verify<T: SessionData>(&self, session: &Session<T>, token: &str) -> bool {
        session.id().is_some_and(|id| self.is_of(id, token))
    }

    fn is_of(&self, id: Id, token: &str) -> bool {
        let Some((nonce, given)) = decode(token) else { return false };
        self.with_macs(|macs| macs.iter().any(|mac| tag(mac, &nonce, id).ct_eq(&given).into()))
    }

    /// Refuses a request of this session without a good token, and tells of it.
    pub(super) fn demand<T: SessionData>(
        &self,
        session: &Session<T>,
        token: Option<&str>,
        (method, uri, headers): (&Method, &Uri, &HeaderMap),
    ) -> Result<(), Denied> {
        let reason = match token {
            None => Reason::NoToken,
            Some(token) if self.verify(session, token) => return Ok(()),
            Some(_) => Reason::WrongToken,
        };
        if self.0.watch.tell(reason, method, uri, headers) {
            Err(Refusal::CsrfToken.into())
        } else {
            Ok(())
        }
    }

    fn with_macs<R>(&self, act: impl FnOnce(&Macs) -> R) -> R {
        let Config { ring, macs, .. } = &*self.0;
        if macs.epoch == ring.epoch() { act(macs) } else { act(&Macs::derive(ring)) }
    }
}

/// Who wants a token *and* a session says so with this guard; see
/// [`RequireToken`](super::RequireToken) for the token alone.
impl<T: SessionData> Guard<T> for Tokens {
    fn check(&self, attempt: &Attempt<'_, T>) -> Result<(), Denied> {
        let (method, headers) = (attempt.method(), attempt.headers());
        if is_safe(method) {
            return Ok(());
        }
        self.demand(attempt.session(), in_header(headers), (method, attempt.uri(), headers))
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("ring", &self.0.ring)
            .field("watch", &self.0.watch)
            .finish_non_exhaustive()
    }
}

impl Macs {
    fn derive(ring: &Keyring) -> Self {
        let mac = |key: &Key| {
            let mut block = zeroize::Zeroizing::new([0; BLOCK]);
            // HMAC pads a key with zeros to a whole block (RFC 2104, 2).
            block
                .iter_mut()
                .zip(key.derive("csrf", "session token").iter())
                .for_each(|(to, from)| *to = *from);
            Hmac::new((&*block).into())
        };
        let (epoch, keys) = ring.snapshot();
        Self { epoch, newest: mac(&keys.newest), older: keys.older.iter().map(mac).collect() }
    }

    fn iter(&self) -> impl Iterator<Item = &Hmac<Sha256>> {
        std::iter::once(&self.newest).chain(&self.older)
    }
}

/// The token in the header, if there is one.
pub(super) fn in_header(headers: &HeaderMap) -> Option<&str> {
    headers.get(&TOKEN_HEADER).map(|value| value.to_str().unwrap_or_default())
}

fn tag(mac: &Hmac<Sha256>, nonce: &[u8; HALF], id: Id) -> [u8; HALF] {
    let whole = mac.clone().chain_update(nonce).chain_update(id.into_bytes()).finalize();
    let mut tag = [0; HALF];
    tag.iter_mut().zip(whole.into_bytes()).for_each(|(to, from)| *to = from);
    tag
}

fn decode(token: &str) -> Option<([u8; HALF], [u8; HALF])> {
    let mut bytes = [0; 2 * HALF];
    let fits = token.len() == BASE64URL_NOPAD.encode_len(bytes.len());
    let whole = fits && BASE64URL_NOPAD.decode_mut(token.as_bytes(), &mut bytes).is_ok();
    let halves = (*bytes.first_chunk()?, *bytes.last_chunk()?);
    whole.then_some(halves)
}

const HALF: usize = 16;
const BLOCK: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn token(tokens: &Tokens, id: Id, nonce: [u8; HALF]) -> String {
        let tag = tokens.with_macs(|macs| tag(&macs.newest, &nonce, id));
        BASE64URL_NOPAD.encode([nonce, tag].as_flattened())
    }

    #[test]
    fn r50_the_tag_is_hmac_under_a_subkey_of_its_own() {
        let (key, id, nonce) = (Key::generate(), Id::generate().unwrap(), [7; HALF]);
        let subkey = key.derive("csrf", "session token");
        let mac = Hmac::<Sha256>::new_from_slice(subkey.as_slice()).unwrap();
        let want = mac.chain_update(nonce).chain_update(id.into_bytes()).finalize().into_bytes();
        let token = BASE64URL_NOPAD.decode(token(&Tokens::new(key), id, nonce).as_bytes()).unwrap();
        assert_eq!((&token[..HALF], &token[HALF..]), (&nonce[..], &want[..HALF]));
    }

    #[test]
    fn r50_a_token_is_good_for_its_id_and_unchanged_only() {
        let tokens = Tokens::new(Key::generate());
        let (id, other) = (Id::generate().unwrap(), Id::generate().unwrap());
        let good = token(&tokens, id, [9; HALF]);
        assert!(tokens.is_of(id, &good));
        assert!(!tokens.is_of(other, &good), "another session");
        assert!(!Tokens::new(Key::generate()).is_of(id, &good), "another key");
        for at in 0..good.len() {
            for with in ['A', 'B', '=', '+', ' ', 'é'] {
                let mut changed: Vec<char> = good.chars().collect();
                if changed[at] == with {
                    continue;
                }
                changed[at] = with;
                let changed: String = changed.into_iter().collect();
                assert!(!tokens.is_of(id, &changed), "{changed} for {good}");
            }
        }
        for wrong in ["", "x", good.split_at(1).1, &format!("{good}A"), &format!("{good}=")] {
            assert!(!tokens.is_of(id, wrong), "{wrong:?}");
        }
    }

    #[test]
    fn r50_tokens_follow_the_keyring() {
        let (old, new) = (Key::generate(), Key::generate());
        let ring = Keyring::new(old.clone());
        let (tokens, id) = (Tokens::new(ring.clone()), Id::generate().unwrap());
        let before = token(&tokens, id, [1; HALF]);
        ring.roll_over(new.clone());
        let after = token(&tokens, id, [1; HALF]);
        assert_ne!(before, after, "the newest key makes them");
        assert!(tokens.is_of(id, &before) && tokens.is_of(id, &after));
        assert!(Tokens::new(new).is_of(id, &after), "as do other nodes");
        ring.revoke(old.id()).unwrap();
        assert!(!tokens.is_of(id, &before) && tokens.is_of(id, &after));
    }
}
