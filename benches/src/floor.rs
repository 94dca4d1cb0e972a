//! The job done plainly, with no layer around it: find the cookie, decode base64, verify a
//! pre-keyed HMAC-SHA-256, look the id up in a dashmap hashed by the id's own bits, put a clone of
//! an `Arc` into the extensions. No deadlines, no versions, no generality.

use std::convert::Infallible;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use dashmap::DashMap;
use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use memchr::memchr;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use tower::{Service, service_fn};

use crate::contender::{Contender, Request, Response, Subject, now, ok, untouched};
use crate::data::{Member, saw};
use crate::scenario::Scenario;

const NAME: &[u8] = b"sid=";
const ID: usize = 16;
const TICKET: usize = 48;
const TOKEN: usize = 64;

#[derive(Clone)]
pub(crate) struct Floor(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    keyed: Hmac<Sha256>,
    pub(crate) sessions: DashMap<u128, Arc<Record>, BuildHasherDefault<OwnBits>>,
}

/// The session in the request's extensions.
#[derive(Clone)]
pub(crate) struct Session(pub(crate) Arc<Record>);

#[derive(Default)]
pub(crate) struct Record {
    pub(crate) data: Mutex<Option<Member>>,
    ended: AtomicBool,
}

impl Default for Floor {
    fn default() -> Self {
        let keyed = Hmac::new_from_slice(&[7; 32]).expect("any length will do");
        Self(Arc::new(Shared { keyed, sessions: DashMap::default() }))
    }
}

impl Floor {
    fn around<S>(&self, inner: S) -> Box<dyn Subject>
    where
        S: Service<Request, Response = Response, Error = Infallible> + Send + 'static,
    {
        Box::new(ByHand { shared: Arc::clone(&self.0), inner })
    }
}

/// A handler, and what is done for it in passing.
struct ByHand<S> {
    shared: Arc<Shared>,
    inner: S,
}

impl<S> Subject for ByHand<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Send,
{
    #[inline]
    fn answer(&mut self, request: Request) -> Response {
        let Ok(response) = now(serve(&self.shared, &mut self.inner, request));
        response
    }
}

impl Contender for Floor {
    fn subject(&self, scenario: Scenario) -> Box<dyn Subject> {
        match scenario {
            Scenario::A | Scenario::B | Scenario::B4 => self.around(service_fn(untouched)),
            Scenario::C | Scenario::G => self.around(service_fn(read)),
            Scenario::D => self.around(service_fn(count)),
            Scenario::E => self.around(service_fn(log_in)),
            Scenario::F => self.around(service_fn(log_out)),
        }
    }
}

async fn serve<S>(
    shared: &Shared,
    inner: &mut S,
    mut request: Request,
) -> Result<Response, Infallible>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    let id = token(request.headers()).and_then(|token| shared.open(token));
    let found = id.and_then(|id| shared.sessions.get(&id).map(|found| Arc::clone(&found)));
    let known = found.is_some();
    let record = found.unwrap_or_default();
    request.extensions_mut().insert(Session(Arc::clone(&record)));
    let mut response = inner.call(request).await?;
    if let (true, Some(id)) = (known, id) {
        if record.ended.load(Ordering::Relaxed) {
            shared.sessions.remove(&id);
            let removal = "sid=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0";
            response.headers_mut().append(SET_COOKIE, HeaderValue::from_static(removal));
        }
    } else if record.data.lock().expect("no panic inside").is_some() {
        let mut bytes = [0; ID];
        getrandom::fill(&mut bytes).expect("the system's generator");
        shared.sessions.insert(u128::from_ne_bytes(bytes), record);
        response.headers_mut().append(SET_COOKIE, shared.seal(bytes));
    }
    Ok(response)
}

pub(crate) fn token(headers: &HeaderMap) -> Option<&[u8]> {
    let mut rest = headers.get(COOKIE)?.as_bytes();
    loop {
        rest = rest.trim_ascii_start();
        let end = memchr(b';', rest);
        if let Some(value) = rest.strip_prefix(NAME) {
            return Some(&value[..end.map_or(value.len(), |end| end - NAME.len())]);
        }
        rest = &rest[end? + 1..];
    }
}

impl Shared {
    fn tag(&self, id: &[u8]) -> [u8; 32] {
        let mut mac = self.keyed.clone();
        mac.update(id);
        mac.finalize().into_bytes().into()
    }

    pub(crate) fn open(&self, token: &[u8]) -> Option<u128> {
        let mut ticket = [0; TICKET];
        let token: &[u8; TOKEN] = token.try_into().ok()?;
        let length = BASE64URL_NOPAD.decode_mut(token, &mut ticket).ok()?;
        let (id, tag) = ticket.split_first_chunk::<ID>()?;
        let genuine = length == TICKET && bool::from(self.tag(id).ct_eq(tag));
        genuine.then_some(u128::from_ne_bytes(*id))
    }

    fn seal(&self, id: [u8; ID]) -> HeaderValue {
        let mut ticket = [0; TICKET];
        ticket[..ID].copy_from_slice(&id);
        ticket[ID..].copy_from_slice(&self.tag(&id));
        let mut token = [0; TOKEN];
        BASE64URL_NOPAD.encode_mut(&ticket, &mut token);
        let attributes = b"; Path=/; Secure; HttpOnly; SameSite=Lax";
        let mut cookie = Vec::with_capacity(NAME.len() + TOKEN + attributes.len());
        cookie.extend_from_slice(NAME);
        cookie.extend_from_slice(&token);
        cookie.extend_from_slice(attributes);
        HeaderValue::from_maybe_shared(bytes::Bytes::from(cookie)).expect("visible characters")
    }
}

async fn read(request: Request) -> Result<Response, Infallible> {
    saw(session(&request).data.lock().expect("no panic inside").as_ref());
    ok()
}

async fn count(request: Request) -> Result<Response, Infallible> {
    let mut data = session(&request).data.lock().expect("no panic inside");
    if let Some(member) = &mut *data {
        member.user_id += 1;
    }
    saw(data.as_ref());
    drop(data);
    ok()
}

async fn log_in(request: Request) -> Result<Response, Infallible> {
    *session(&request).data.lock().expect("no panic inside") = Some(Member::sample());
    ok()
}

async fn log_out(request: Request) -> Result<Response, Infallible> {
    session(&request).ended.store(true, Ordering::Relaxed);
    ok()
}

fn session(request: &Request) -> &Record {
    &request.extensions().get::<Session>().expect("put there by the floor").0
}

/// Hashes an id, which is random, by its own first bits.
#[derive(Default)]
pub(crate) struct OwnBits(u64);

impl Hasher for OwnBits {
    fn write_u128(&mut self, id: u128) {
        self.0 = id as u64;
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only ids are hashed")
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
