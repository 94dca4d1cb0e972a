//! sessile with its memory store and its defaults, eager and lazy.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sessile::guard::{Principal, RequireLayer, has_role};
use sessile::store::MemoryStore;
use sessile::{Clock, Key, LazySession, Session, SessionLayer, Sleep};
use tower::layer::Layer;
use tower::{Service, service_fn};

use crate::contender::{
    Contender, Polled, Request, Response, SharedService, Subject, ok, untouched,
};
use crate::data::{Member, saw};
use crate::scenario::Scenario;

/// The session is there when the handler begins.
pub struct Eager(SessionLayer<Member>);

/// The session is loaded when the handler asks.
pub struct Lazy(SessionLayer<Member>);

/// As [`Eager`], with a guard that asks for a role before each handler that looks at a session.
pub struct Guarded(SessionLayer<Member>);

impl Eager {
    /// With this store and clock.
    pub fn with(store: MemoryStore<Member>, clock: Hands) -> Self {
        Self(SessionLayer::new(store, Key::generate()).clock(clock))
    }
}

impl Default for Eager {
    fn default() -> Self {
        Self(SessionLayer::new(MemoryStore::new(), Key::generate()))
    }
}

impl Default for Lazy {
    fn default() -> Self {
        Self(SessionLayer::new(MemoryStore::new(), Key::generate()).lazy())
    }
}

impl Default for Guarded {
    fn default() -> Self {
        Self(SessionLayer::new(MemoryStore::new(), Key::generate()))
    }
}

impl Principal for Member {
    fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|own| own == role)
    }
}

fn around<S>(layer: &SessionLayer<Member>, inner: S) -> Box<dyn Subject>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    Box::new(Polled(layer.layer(inner)))
}

impl Contender for Eager {
    fn subject(&self, scenario: Scenario) -> Box<dyn Subject> {
        match scenario {
            Scenario::A | Scenario::B | Scenario::B4 => around(&self.0, service_fn(untouched)),
            Scenario::C | Scenario::G => around(&self.0, service_fn(read)),
            Scenario::D => around(&self.0, service_fn(count)),
            Scenario::E => around(&self.0, service_fn(log_in)),
            Scenario::F => around(&self.0, service_fn(log_out)),
        }
    }

    fn slow_update(&self) -> Option<SharedService> {
        Some(SharedService::new(self.0.layer(service_fn(count_slowly))))
    }

    fn router(&self) -> Option<axum::Router> {
        async fn page(session: Session<Member>) -> &'static str {
            saw(session.get().as_deref());
            "hello"
        }
        Some(axum::Router::new().route("/", axum::routing::get(page)).layer(self.0.clone()))
    }
}

impl Contender for Guarded {
    fn subject(&self, scenario: Scenario) -> Box<dyn Subject> {
        let member = Member::sample();
        let role = member.roles.first().expect("a role").as_str();
        let guard = RequireLayer::<Member>::new(has_role(role));
        match scenario {
            Scenario::C => around(&self.0, guard.layer(service_fn(read))),
            Scenario::D => around(&self.0, guard.layer(service_fn(count))),
            Scenario::F => around(&self.0, guard.layer(service_fn(log_out))),
            _ => Eager(self.0.clone()).subject(scenario),
        }
    }
}

impl Contender for Lazy {
    fn subject(&self, scenario: Scenario) -> Box<dyn Subject> {
        match scenario {
            Scenario::A | Scenario::B | Scenario::B4 => around(&self.0, service_fn(untouched)),
            Scenario::C | Scenario::G => around(&self.0, service_fn(read_lazily)),
            Scenario::D => around(&self.0, service_fn(count_lazily)),
            Scenario::E => around(&self.0, service_fn(log_in_lazily)),
            Scenario::F => around(&self.0, service_fn(log_out_lazily)),
        }
    }
}

async fn read(request: Request) -> Result<Response, Infallible> {
    saw(session(&request).get().as_deref());
    ok()
}

async fn count(request: Request) -> Result<Response, Infallible> {
    count_up(session(&request));
    ok()
}

async fn count_slowly(request: Request) -> Result<Response, Infallible> {
    let session = session(&request);
    saw(session.get().as_deref());
    tokio::task::yield_now().await;
    session.update(|member| member.user_id += 1).expect("a session");
    ok()
}

async fn log_in(request: Request) -> Result<Response, Infallible> {
    session(&request).create(Member::sample()).expect("the system's generator");
    ok()
}

async fn log_out(request: Request) -> Result<Response, Infallible> {
    session(&request).destroy().expect("an open session");
    ok()
}

async fn read_lazily(request: Request) -> Result<Response, Infallible> {
    saw(loaded(&request).await.get().as_deref());
    ok()
}

async fn count_lazily(request: Request) -> Result<Response, Infallible> {
    count_up(&loaded(&request).await);
    ok()
}

async fn log_in_lazily(request: Request) -> Result<Response, Infallible> {
    loaded(&request).await.create(Member::sample()).expect("the system's generator");
    ok()
}

async fn log_out_lazily(request: Request) -> Result<Response, Infallible> {
    let session = LazySession::<Member>::of(&request).expect("put there by the layer");
    session.destroy().expect("an open session");
    ok()
}

fn count_up(session: &Session<Member>) {
    let change = |member: &mut Member| {
        member.user_id += 1;
        saw(Some(member));
    };
    session.update(change).expect("a session");
}

fn session(request: &Request) -> &Session<Member> {
    Session::of(request).expect("put there by the layer")
}

async fn loaded(request: &Request) -> Session<Member> {
    let session = LazySession::of(request).expect("put there by the layer");
    session.load().await.expect("a memory store never fails")
}

/// A clock that stands still until it is moved.
#[derive(Clone, Debug)]
pub struct Hands(Arc<AtomicU64>);

impl Default for Hands {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(1_800_000_000)))
    }
}

impl Hands {
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_secs(), Ordering::Relaxed);
    }
}

impl Clock for Hands {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.0.load(Ordering::Relaxed))
    }

    fn sleep(&self, _: Duration) -> Sleep {
        Sleep::new(std::future::pending())
    }
}
