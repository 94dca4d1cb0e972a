//! tower-sessions on any of its stores, with its own defaults and signed cookies, so that a forged
//! one need not be looked up.

use std::convert::Infallible;

use sessile_benches::data::{Member, saw};
use tower::layer::Layer;
use tower::{Service, service_fn};
use tower_sessions::cookie::Key;
use tower_sessions::service::SignedCookie;
use tower_sessions::{Session, SessionManagerLayer, SessionStore};

use crate::contender::{Contender, Request, Response, Sessions, SharedService, ok, untouched};
use crate::scenario::Scenario;

const MEMBER: &str = "member";

struct TowerSessions<S: SessionStore>(SessionManagerLayer<S, SignedCookie>);

pub(crate) fn on(store: impl SessionStore + Clone) -> Contender {
    let layer = SessionManagerLayer::new(store).with_signed(Key::from(&[7; 64]));
    Contender::new("tower-sessions", TowerSessions(layer))
}

impl<S: SessionStore + Clone> TowerSessions<S> {
    fn around<H>(&self, inner: H) -> SharedService
    where
        H: Service<Request, Response = Response, Error = Infallible>,
        H: Clone + Send + Sync + 'static,
        H::Future: Send,
    {
        SharedService::new(self.0.layer(inner))
    }
}

impl<S: SessionStore + Clone> Sessions for TowerSessions<S> {
    fn service(&self, scenario: Scenario) -> SharedService {
        match scenario {
            Scenario::A | Scenario::B => self.around(service_fn(untouched)),
            Scenario::C | Scenario::G => self.around(service_fn(read)),
            Scenario::D => self.around(service_fn(count)),
            Scenario::E => self.around(service_fn(log_in)),
            Scenario::E2 => self.around(service_fn(log_in_anew)),
            Scenario::F => self.around(service_fn(log_out)),
        }
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

async fn log_in(request: Request) -> Result<Response, Infallible> {
    session(&request).insert(MEMBER, Member::sample()).await.expect("encodes");
    ok()
}

async fn log_in_anew(request: Request) -> Result<Response, Infallible> {
    let session = session(&request);
    session.cycle_id().await.expect("a store that works");
    session.insert(MEMBER, Member::sample()).await.expect("encodes");
    ok()
}

async fn log_out(request: Request) -> Result<Response, Infallible> {
    session(&request).flush().await.expect("a store that works");
    ok()
}

fn session(request: &Request) -> &Session {
    request.extensions().get().expect("put there by the layer")
}
