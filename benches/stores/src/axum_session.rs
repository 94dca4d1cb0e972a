//! axum_session on any of its stores, with its own defaults: unsigned cookies, and every session
//! kept in the memory of the process as well, where nobody hears of other nodes' changes.

use std::convert::Infallible;
use std::fmt::Debug;

use axum_session::{DatabasePool, Session, SessionConfig, SessionLayer, SessionStore};
use sessile_benches::data::{Member, saw};
use tower::layer::Layer;
use tower::{Service, service_fn};

use crate::contender::{Contender, Request, Response, Sessions, SharedService, ok, untouched};
use crate::scenario::Scenario;

const MEMBER: &str = "member";

/// What it asks of a pool.
pub(crate) trait Pool: DatabasePool + Clone + Debug + Send + Sync + 'static {}

impl<P: DatabasePool + Clone + Debug + Send + Sync + 'static> Pool for P {}

struct AxumSession<P: Pool>(SessionLayer<P>);

/// On this pool; on none, in memory alone.
pub(crate) async fn on<P: Pool>(pool: Option<P>) -> Contender {
    let config = SessionConfig::default().with_table_name("axum_sessions");
    let store = SessionStore::new(pool, config).await.expect("a store");
    Contender::new("axum_session", AxumSession(SessionLayer::new(store)))
}

impl<P: Pool> AxumSession<P> {
    fn around<H>(&self, inner: H) -> SharedService
    where
        H: Service<Request, Response = Response, Error = Infallible>,
        H: Clone + Send + Sync + 'static,
        H::Future: Send,
    {
        SharedService::new(self.0.layer(inner))
    }
}

impl<P: Pool> Sessions for AxumSession<P> {
    fn service(&self, scenario: Scenario) -> SharedService {
        match scenario {
            Scenario::A | Scenario::B => self.around(service_fn(untouched)),
            Scenario::C | Scenario::G => self.around(service_fn(read::<P>)),
            Scenario::D => self.around(service_fn(count::<P>)),
            Scenario::E => self.around(service_fn(log_in::<P>)),
            Scenario::E2 => self.around(service_fn(log_in_anew::<P>)),
            Scenario::F => self.around(service_fn(log_out::<P>)),
        }
    }
}

async fn read<P: Pool>(request: Request) -> Result<Response, Infallible> {
    saw(session::<P>(&request).get(MEMBER).as_ref());
    ok()
}

async fn count<P: Pool>(request: Request) -> Result<Response, Infallible> {
    let session = session::<P>(&request);
    let mut member: Member = session.get(MEMBER).expect("a session");
    member.user_id += 1;
    saw(Some(&member));
    session.set(MEMBER, member);
    ok()
}

async fn log_in<P: Pool>(request: Request) -> Result<Response, Infallible> {
    session::<P>(&request).set(MEMBER, Member::sample());
    ok()
}

async fn log_in_anew<P: Pool>(request: Request) -> Result<Response, Infallible> {
    let session = session::<P>(&request);
    session.renew();
    session.set(MEMBER, Member::sample());
    ok()
}

async fn log_out<P: Pool>(request: Request) -> Result<Response, Infallible> {
    session::<P>(&request).destroy();
    ok()
}

fn session<P: Pool>(request: &Request) -> &Session<P> {
    request.extensions().get().expect("put there by the layer")
}
