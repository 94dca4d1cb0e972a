//! sessile on any store, eager and lazy.

use std::convert::Infallible;

use sessile::store::Store;
use sessile::{Key, LazySession, Session, SessionLayer};
use sessile_benches::data::{Member, saw};
use tower::layer::Layer;
use tower::{Service, service_fn};

use crate::contender::{Contender, Request, Response, Sessions, SharedService, ok, untouched};
use crate::scenario::Scenario;

/// The session is there when the handler begins.
struct Eager(SessionLayer<Member>);

/// The session is loaded when the handler asks.
struct Lazy(SessionLayer<Member>);

pub(crate) fn eager(name: &'static str, store: impl Store<Member>) -> Contender {
    Contender::new(name, Eager(SessionLayer::new(store, Key::generate())))
}

pub(crate) fn lazy(name: &'static str, store: impl Store<Member>) -> Contender {
    Contender::new(name, Lazy(SessionLayer::new(store, Key::generate()).lazy()))
}

fn around<S>(layer: &SessionLayer<Member>, inner: S) -> SharedService
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    SharedService::new(layer.layer(inner))
}

impl Sessions for Eager {
    fn service(&self, scenario: Scenario) -> SharedService {
        match scenario {
            Scenario::A | Scenario::B => around(&self.0, service_fn(untouched)),
            Scenario::C | Scenario::G => around(&self.0, service_fn(read)),
            Scenario::D => around(&self.0, service_fn(count)),
            Scenario::E | Scenario::E2 => around(&self.0, service_fn(log_in)),
            Scenario::F => around(&self.0, service_fn(log_out)),
        }
    }
}

impl Sessions for Lazy {
    fn service(&self, scenario: Scenario) -> SharedService {
        match scenario {
            Scenario::A | Scenario::B => around(&self.0, service_fn(untouched)),
            Scenario::C | Scenario::G => around(&self.0, service_fn(read_lazily)),
            Scenario::D => around(&self.0, service_fn(count_lazily)),
            Scenario::E | Scenario::E2 => around(&self.0, service_fn(log_in_lazily)),
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
    unloaded(&request).destroy().expect("an open session");
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
    unloaded(request).load().await.expect("a store that works")
}

fn unloaded(request: &Request) -> &LazySession<Member> {
    LazySession::of(request).expect("put there by the layer")
}
