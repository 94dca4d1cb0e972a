//! The floor as a layer of an axum application, by hand and with nothing else in it: what the job
//! takes there, whoever does it.

use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, VARY};
use tower::Service;
use tower::layer::Layer;
use tower::util::MapResponseLayer;

use crate::contender::{Contender, Subject};
use crate::data::saw;
use crate::floor::{Floor, Session, Shared, token};
use crate::scenario::Scenario;

/// Puts the session of a request into its extensions, and does nothing for the response.
#[derive(Clone, Default)]
pub struct FloorLayer(Floor);

/// The same, and tells caches that the response is one client's, as every layer must whose
/// session was looked at.
#[derive(Clone, Default)]
pub struct PrivateFloorLayer(Floor);

#[derive(Clone)]
pub struct FloorService<S> {
    shared: Arc<Shared>,
    inner: S,
}

impl<S> Layer<S> for FloorLayer {
    type Service = FloorService<S>;

    fn layer(&self, inner: S) -> FloorService<S> {
        FloorService { shared: Arc::clone(&self.0.0), inner }
    }
}

impl<S: Service<Request>> Service<Request> for FloorService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> S::Future {
        let id = token(request.headers()).and_then(|token| self.shared.open(token));
        let found = id.and_then(|id| self.shared.sessions.get(&id));
        let record = found.map(|found| Arc::clone(&found));
        request.extensions_mut().insert(Session(record.unwrap_or_default()));
        self.inner.call(request)
    }
}

impl Contender for FloorLayer {
    fn subject(&self, scenario: Scenario) -> Box<dyn Subject> {
        self.0.subject(scenario)
    }

    fn router(&self) -> Option<Router> {
        Some(site().layer(self.clone()))
    }
}

impl Contender for PrivateFloorLayer {
    fn subject(&self, scenario: Scenario) -> Box<dyn Subject> {
        self.0.subject(scenario)
    }

    fn router(&self) -> Option<Router> {
        Some(site().layer((MapResponseLayer::new(private), FloorLayer(self.0.clone()))))
    }
}

fn site() -> Router {
    async fn page(Extension(session): Extension<Session>) -> &'static str {
        saw(session.0.data.lock().expect("no panic inside").as_ref());
        "hello"
    }
    Router::new().route("/", get(page))
}

fn private(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.append(CACHE_CONTROL, HeaderValue::from_static("private"));
    headers.append(VARY, HeaderValue::from_static("cookie"));
    response
}
