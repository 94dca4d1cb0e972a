//! Who is measured.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::str::FromStr;
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
use crate::{axum_session, bare, floor, tower_sessions};

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

/// The contenders by name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// No sessions at all.
    Bare,
    /// The same, driven by tokio's `block_on`: what [`AxumSessionSigned`](Self::AxumSessionSigned)
    /// is compared with.
    BareOnRuntime,
    Floor,
    Sessile,
    SessileLazy,
    /// With a guard before every handler that reads or writes; counted when it is named.
    SessileGuarded,
    TowerSessions,
    TowerSessionsSigned,
    AxumSession,
    AxumSessionSigned,
}

impl Kind {
    const ALL: [Self; 10] = [
        Self::Bare,
        Self::BareOnRuntime,
        Self::Floor,
        Self::Sessile,
        Self::SessileLazy,
        Self::SessileGuarded,
        Self::TowerSessions,
        Self::TowerSessionsSigned,
        Self::AxumSession,
        Self::AxumSessionSigned,
    ];

    /// All that are compiled in.
    pub fn all() -> impl Iterator<Item = Self> {
        let with_sessile = cfg!(feature = "sessile");
        let ours = [Self::Sessile, Self::SessileLazy, Self::SessileGuarded];
        Self::ALL.into_iter().filter(move |kind| with_sessile || !ours.contains(kind))
    }

    /// All that have sessions.
    pub fn contenders() -> impl Iterator<Item = Self> {
        Self::all()
            .filter(|kind| !matches!(kind, Self::Bare | Self::BareOnRuntime | Self::SessileGuarded))
    }

    /// Whether a guard turns away whoever has no session.
    pub const fn is_guarded(self) -> bool {
        matches!(self, Self::SessileGuarded)
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::BareOnRuntime => "bare-on-runtime",
            Self::Floor => "floor",
            Self::Sessile => "sessile",
            Self::SessileLazy => "sessile-lazy",
            Self::SessileGuarded => "sessile-guarded",
            Self::TowerSessions => "tower-sessions",
            Self::TowerSessionsSigned => "tower-sessions-signed",
            Self::AxumSession => "axum_session",
            Self::AxumSessionSigned => "axum_session-signed",
        }
    }

    /// The service without sessions, driven in the same way.
    pub const fn bare(self) -> Self {
        match self {
            Self::BareOnRuntime | Self::AxumSessionSigned => Self::BareOnRuntime,
            _ => Self::Bare,
        }
    }

    /// Whether requests without a valid session leave one in the store.
    pub const fn keeps_strangers(self) -> bool {
        matches!(self, Self::AxumSession | Self::AxumSessionSigned)
    }

    /// This contender with an empty store.
    pub fn build(self) -> Box<dyn Contender> {
        match self {
            Self::Bare => Box::new(bare::Bare::polled()),
            Self::BareOnRuntime => Box::new(bare::Bare::on_runtime()),
            Self::Floor => Box::new(floor::Floor::default()),
            #[cfg(feature = "sessile")]
            Self::Sessile => Box::new(crate::ours::Eager::default()),
            #[cfg(feature = "sessile")]
            Self::SessileLazy => Box::new(crate::ours::Lazy::default()),
            #[cfg(feature = "sessile")]
            Self::SessileGuarded => Box::new(crate::ours::Guarded::default()),
            #[cfg(not(feature = "sessile"))]
            Self::Sessile | Self::SessileLazy | Self::SessileGuarded => {
                panic!("built without the feature `sessile`")
            }
            Self::TowerSessions => Box::new(tower_sessions::plain()),
            Self::TowerSessionsSigned => Box::new(tower_sessions::signed()),
            Self::AxumSession => Box::new(axum_session::AxumSession::plain()),
            Self::AxumSessionSigned => Box::new(axum_session::AxumSession::signed()),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::all().find(|kind| kind.name() == name);
        found.ok_or_else(|| format!("no contender {name}"))
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
