//! tower-sessions with its own memory store and its own defaults, plain and signed.

use std::convert::Infallible;

use tower::layer::Layer;
use tower::{Service, service_fn};
use tower_sessions::cookie::Key;
use tower_sessions::service::{CookieController, PlaintextCookie, SignedCookie};
use tower_sessions::{MemoryStore, Session, SessionManagerLayer};

use crate::contender::{
    Contender, Polled, Request, Response, SharedService, Subject, ok, untouched,
};
use crate::data::{Member, saw};
use crate::scenario::Scenario;

const MEMBER: &str = "member";

pub(crate) struct TowerSessions<C: CookieController>(SessionManagerLayer<MemoryStore, C>);

pub(crate) fn plain() -> TowerSessions<PlaintextCookie> {
    TowerSessions(SessionManagerLayer::new(MemoryStore::default()))
}

pub(crate) fn signed() -> TowerSessions<SignedCookie> {
    let key = Key::from(&[7; 64]);
    TowerSessions(SessionManagerLayer::new(MemoryStore::default()).with_signed(key))
}

impl<C: CookieController + Sync> TowerSessions<C> {
    fn around<S>(&self, inner: S) -> Box<dyn Subject>
    where
        S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send,
    {
        Box::new(Polled(self.0.layer(inner)))
    }
}

impl<C: CookieController + Sync> Contender for TowerSessions<C> {
    fn subject(&self, scenario: Scenario) -> Box<dyn Subject> {
        match scenario {
            Scenario::A | Scenario::B | Scenario::B4 => self.around(service_fn(untouched)),
            Scenario::C | Scenario::G => self.around(service_fn(read)),
            Scenario::D => self.around(service_fn(count)),
            Scenario::E => self.around(service_fn(log_in)),
            Scenario::F => self.around(service_fn(log_out)),
        }
    }

    fn slow_update(&self) -> Option<SharedService> {
        Some(SharedService::new(self.0.layer(service_fn(count_slowly))))
    }

    fn router(&self) -> Option<axum::Router> {
        async fn page(session: Session) -> &'static str {
            saw(session.get(MEMBER).await.expect("decodes").as_ref());
            "hello"
        }
        Some(axum::Router::new().route("/", axum::routing::get(page)).layer(self.0.clone()))
    }
}

async fn read(request: Request) -> Result<Response, Infallible> {
    saw(session(&request).get(MEMBER).await.expect("decodes").as_ref());
    ok()
}

async fn count(request: Request) -> Result<Response, Infallible> {
    let session = session(&request);
    let mut member: Member = session.get(MEMBER).await.expect("decodes").expect("a session");
    member.user_id += 1;
    saw(Some(&member));
    session.insert(MEMBER, member).await.expect("encodes");
    ok()
}

async fn count_slowly(request: Request) -> Result<Response, Infallible> {
    let session = session(&request);
    let mut member: Member = session.get(MEMBER).await.expect("decodes").expect("a session");
    tokio::task::yield_now().await;
    member.user_id += 1;
    session.insert(MEMBER, member).await.expect("encodes");
    ok()
}

async fn log_in(request: Request) -> Result<Response, Infallible> {
    session(&request).insert(MEMBER, Member::sample()).await.expect("encodes");
    ok()
}

async fn log_out(request: Request) -> Result<Response, Infallible> {
    session(&request).flush().await.expect("a memory store never fails");
    ok()
}

fn session(request: &Request) -> &Session {
    request.extensions().get().expect("put there by the layer")
}
