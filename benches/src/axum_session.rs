//! axum_session in memory with its own defaults, plain and signed.
//!
//! Constructing its layer takes a tokio runtime, and so does every signed request: it signs and
//! verifies on a pool of blocking threads.

use std::convert::Infallible;
use std::sync::Arc;

use axum_session::{
    Key, SessionConfig, SessionLayer, SessionNullPool, SessionNullSession, SessionNullSessionStore,
};
use tokio::runtime::Runtime;
use tower::layer::Layer;
use tower::{Service, service_fn};

use crate::contender::{
    Contender, OnRuntime, Polled, Request, Response, SharedService, Subject, ok, runtime, untouched,
};
use crate::data::{Member, saw};
use crate::scenario::Scenario;

const MEMBER: &str = "member";

pub(crate) struct AxumSession {
    layer: SessionLayer<SessionNullPool>,
    signed: bool,
    runtime: Arc<Runtime>,
}

impl AxumSession {
    pub(crate) fn plain() -> Self {
        Self::new(SessionConfig::default(), false)
    }

    pub(crate) fn signed() -> Self {
        Self::new(SessionConfig::default().with_key(Key::from(&[7; 64])), true)
    }

    fn new(config: SessionConfig, signed: bool) -> Self {
        let runtime = runtime();
        let store = runtime.block_on(SessionNullSessionStore::new(None, config));
        Self { layer: SessionLayer::new(store.expect("a store")), signed, runtime }
    }

    fn around<S>(&self, inner: S) -> Box<dyn Subject>
    where
        S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send,
    {
        let _entered = self.runtime.enter();
        let service = self.layer.layer(inner);
        if self.signed {
            Box::new(OnRuntime(service, Arc::clone(&self.runtime)))
        } else {
            Box::new(Polled(service))
        }
    }
}

impl Contender for AxumSession {
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
        let _entered = self.runtime.enter();
        Some(SharedService::new(self.layer.layer(service_fn(count_slowly))))
    }

    fn router(&self) -> Option<axum::Router> {
        async fn page(session: SessionNullSession) -> &'static str {
            saw(session.get(MEMBER).as_ref());
            "hello"
        }
        let _entered = self.runtime.enter();
        Some(axum::Router::new().route("/", axum::routing::get(page)).layer(self.layer.clone()))
    }
}

async fn read(request: Request) -> Result<Response, Infallible> {
    saw(session(&request).get(MEMBER).as_ref());
    ok()
}

async fn count(request: Request) -> Result<Response, Infallible> {
    let session = session(&request);
    let mut member: Member = session.get(MEMBER).expect("a session");
    member.user_id += 1;
    saw(Some(&member));
    session.set(MEMBER, member);
    ok()
}

async fn count_slowly(request: Request) -> Result<Response, Infallible> {
    let session = session(&request);
    let mut member: Member = session.get(MEMBER).expect("a session");
    tokio::task::yield_now().await;
    member.user_id += 1;
    session.set(MEMBER, member);
    ok()
}

async fn log_in(request: Request) -> Result<Response, Infallible> {
    session(&request).set(MEMBER, Member::sample());
    ok()
}

async fn log_out(request: Request) -> Result<Response, Infallible> {
    session(&request).destroy();
    ok()
}

fn session(request: &Request) -> &SessionNullSession {
    request.extensions().get().expect("put there by the layer")
}
