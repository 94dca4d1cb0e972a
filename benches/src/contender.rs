//! What it takes to be measured.

use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;

use bytes::Bytes;
use http::HeaderValue;
use http::header::{CONTENT_TYPE, SET_COOKIE};
use http_body_util::Full;
use tokio::runtime::Runtime;
use tower::Service;
use tower::util::BoxCloneSyncService;

use crate::scenario::Scenario;

pub type Body = Full<Bytes>;
pub type Request = http::Request<Body>;
pub type Response = http::Response<Body>;
/// A service that many requests use at once.
pub type SharedService = BoxCloneSyncService<Request, Response, Infallible>;

/// A way to have sessions, with its own store.
pub trait Contender: Send + Sync {
    /// The service around the handler that does what the scenario says. All services of one
    /// contender share its store.
    fn subject(&self, scenario: Scenario) -> Box<dyn Subject>;

    /// Logs in and answers the cookie (`name=value`) that the client was given.
    fn log_in(&self) -> String {
        issued(&self.subject(Scenario::E).answer(Request::default())).expect("a session cookie")
    }

    /// A service that reads the session, waits, and writes the number one higher.
    fn slow_update(&self) -> Option<SharedService> {
        None
    }

    /// An axum application whose `/` reads the session.
    fn router(&self) -> Option<axum::Router> {
        None
    }
}

/// A service and what drives it.
pub trait Subject: Send {
    fn answer(&mut self, request: Request) -> Response;
}

/// A service that answers at the first poll.
pub struct Polled<S>(pub S);

impl<S> Subject for Polled<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Send,
{
    #[inline]
    fn answer(&mut self, request: Request) -> Response {
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(Ok(())) = self.0.poll_ready(&mut context) else {
            panic!("the service is not ready")
        };
        let Ok(response) = now(self.0.call(request));
        response
    }
}

/// What the future yields: at the first poll, unless two threads want the same lock.
#[inline]
pub fn now<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => wait(future),
    }
}

/// Asks again and again, as a runtime does that has other requests to serve meanwhile.
#[cold]
fn wait<F: Future>(mut future: Pin<&mut F>) -> F::Output {
    for turn in 1_u64.. {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
        if turn.is_multiple_of(1_000) {
            thread::yield_now();
        }
    }
    unreachable!("that takes centuries")
}

/// A service that needs a runtime.
pub struct OnRuntime<S>(pub S, pub Arc<Runtime>);

impl<S> Subject for OnRuntime<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Send,
{
    #[inline]
    fn answer(&mut self, request: Request) -> Response {
        let Self(service, runtime) = self;
        let answered = runtime.block_on(async {
            std::future::poll_fn(|context| service.poll_ready(context)).await?;
            service.call(request).await
        });
        let Ok(response) = answered;
        response
    }
}

/// What every handler answers.
#[inline]
pub fn ok() -> Result<Response, Infallible> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"hello")));
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    Ok(response)
}

/// A handler that does not touch the session.
pub async fn untouched(_: Request) -> Result<Response, Infallible> {
    ok()
}

/// A runtime on the calling thread whose pool threads stay.
pub fn runtime() -> Arc<Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let hour = std::time::Duration::from_secs(3600);
    Arc::new(builder.enable_all().thread_keep_alive(hour).build().expect("a runtime"))
}

/// The cookie (`name=value`) that a response sets, if its value is not empty.
pub fn issued(response: &Response) -> Option<String> {
    let cookies = response.headers().get_all(SET_COOKIE).into_iter();
    let pairs = cookies.filter_map(|cookie| cookie.to_str().ok()?.split(';').next());
    pairs.filter(|pair| !pair.ends_with('=')).max_by_key(|pair| pair.len()).map(str::to_owned)
}
