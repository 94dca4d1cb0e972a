//! Whatever stands where a ticket belongs: no panic, and no session for what we did not issue.
//!
//! No fuzzer guesses a tag, so the bytes 0x80 to 0xAF stand for the characters of a valid ticket:
//! parts of one get together with anything else.
//!
//! `cargo fuzz run ticket` has it judge what it makes up, `tests/fuzz_seeds.rs` the seeds.
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderValue, Request, Response};
use sessile::store::MemoryStore;
use sessile::{Key, Session, SessionLayer, SessionService, Values};
use tower_layer::Layer;
use tower_service::Service;

/// Logs in when asked to, and answers whether there is a session.
#[derive(Clone)]
struct Handler;

impl Service<Request<bool>> for Handler {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<bool>) -> Self::Future {
        let session = Session::<Values>::of(&request).expect("a session in the extensions");
        if *request.body() {
            session.create(Values::default()).expect("a new session");
        }
        ready(Ok(Response::new(session.get().is_some().to_string())))
    }
}

/// Wrapped once: the layer asks the system for the number of cores when it wraps.
static SERVICE: LazyLock<SessionService<Handler, Values>> =
    LazyLock::new(|| SessionLayer::new(MemoryStore::new(), Key::generate()).layer(Handler));

/// `__Host-sid=` and a ticket that the layer issued.
static VALID: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let response = ask(Request::new(true));
    let line = response.headers()[SET_COOKIE].as_bytes();
    line.split(|byte| *byte == b';').next().expect("a cookie").to_vec()
});

/// The character of the valid ticket that `byte` stands for.
fn issued(byte: u8) -> Option<u8> {
    let ticket = VALID.strip_prefix(b"__Host-sid=").expect("the name of the default cookie");
    ticket.get(usize::from(byte.checked_sub(0x80)?)).copied()
}

fn ask(request: Request<bool>) -> Response<String> {
    let mut response = pin!(SERVICE.clone().call(request));
    match response.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(response)) => response,
        Poll::Ready(Err(never)) => match never {},
        Poll::Pending => panic!("a store in memory answers at once"),
    }
}

/// Panics if there is a session for what was not issued; whether there is one.
pub fn judge(data: &[u8]) -> bool {
    let mut line = b"__Host-sid=".to_vec();
    line.extend(data.iter().map(|byte| issued(*byte).unwrap_or(*byte)));
    let Ok(value) = HeaderValue::from_bytes(&line) else { return false };
    let mut request = Request::new(false);
    request.headers_mut().insert(COOKIE, value);
    let answer = ask(request);
    let ours = line.split(|byte| *byte == b';').any(|pair| pair.trim_ascii_start() == *VALID);
    let found = answer.body() == "true";
    assert!(ours || !found, "a session for a ticket that was never issued");
    found
}
