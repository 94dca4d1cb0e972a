//! A visitor with a cookie jar in front of a service, no sockets involved.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::clone_on_ref_ptr,
    reason = "a test fails by panicking"
)]

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use http::header::{COOKIE, SET_COOKIE};
use http::{Request, Response};
use serde::{Deserialize, Serialize};
use sessile::testkit::SimulatedClock;
use sessile::{Event, Key, Session, SessionLayer, store::Store};
use tower::{Layer, Service, ServiceExt};

/// The data of the tests' sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub name: String,
    pub visits: u32,
}

impl Member {
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), visits: 0 }
    }
}

pub type Answer = Pin<Box<dyn Future<Output = Result<Response<String>, Infallible>> + Send>>;

/// What a handler does with the request's session.
pub type Handler = Arc<dyn Fn(Session<Member>) -> Answer + Send + Sync>;

/// A handler of an async closure.
pub fn handler<F, A>(handle: F) -> Handler
where
    F: Fn(Session<Member>) -> A + Send + Sync + 'static,
    A: Future<Output = Response<String>> + Send + 'static,
{
    Arc::new(move |session| {
        let answer = handle(session);
        Box::pin(async move { Ok(answer.await) })
    })
}

pub fn ok() -> Response<String> {
    Response::new("ok".to_owned())
}

pub fn status(code: u16) -> Response<String> {
    let mut response = ok();
    *response.status_mut() = http::StatusCode::from_u16(code).unwrap();
    response
}

/// The events that a layer told.
#[derive(Clone, Default)]
pub struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub fn count(&self, like: &str) -> usize {
        self.all().iter().filter(|event| event.contains(like)).count()
    }

    pub fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    pub fn observer(&self) -> impl Fn(&Event<'_>) + Send + Sync + 'static {
        let heard = self.0.clone();
        move |event| heard.lock().unwrap().push(format!("{event:?}"))
    }
}

/// One application: a layer around a handler that can be changed per request.
#[derive(Clone)]
pub struct App {
    pub layer: SessionLayer<Member>,
    pub clock: SimulatedClock,
    pub heard: Heard,
}

/// A key that every node of the tests' application has.
pub fn key() -> Key {
    Key::from_text("7d4f1c9be02a6853f1b7cc04d95e8a21360fbe97a4d8520c6ef31b8845a09d73").unwrap()
}

impl App {
    pub fn new(store: impl Store<Member>) -> Self {
        Self::with(store, |layer| layer)
    }

    pub fn with(
        store: impl Store<Member>,
        configure: impl FnOnce(SessionLayer<Member>) -> SessionLayer<Member>,
    ) -> Self {
        let (clock, heard) = (SimulatedClock::new(), Heard::default());
        let layer = SessionLayer::new(store, key()).clock(clock.clone()).observer(heard.observer());
        Self { layer: configure(layer), clock, heard }
    }

    /// Sends a request with these header lines through the layer to the handler.
    pub async fn send(&self, headers: &[(&str, &str)], handle: &Handler) -> Response<String> {
        let mut request = Request::builder().uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.request(request.body(()).unwrap(), handle).await
    }

    pub async fn request(&self, request: Request<()>, handle: &Handler) -> Response<String> {
        let handle = Arc::clone(handle);
        let inner = tower::service_fn(move |request: Request<()>| {
            let session = Session::<Member>::of(&request).expect("a session in the extensions");
            handle(session.clone())
        });
        let mut service = self.layer.layer(inner);
        service.ready().await.unwrap().call(request).await.unwrap()
    }

    /// Logs somebody in and answers a visitor with their ticket.
    pub async fn log_in(&self, name: &str) -> Visitor {
        let mut visitor = Visitor::new(self);
        let member = Member::named(name);
        visitor
            .visit(&handler(move |session| {
                let member = member.clone();
                async move {
                    session.create(member).unwrap();
                    ok()
                }
            }))
            .await;
        assert!(visitor.ticket().is_some(), "logging in gave no ticket");
        visitor
    }
}

/// A browser: keeps the cookie that it is given.
#[derive(Clone)]
pub struct Visitor {
    app: App,
    cookie: Option<String>,
}

impl Visitor {
    pub fn new(app: &App) -> Self {
        Self { app: app.clone(), cookie: None }
    }

    /// `name=value` of the cookie, if there is one.
    pub fn cookie(&self) -> Option<&str> {
        self.cookie.as_deref()
    }

    pub fn ticket(&self) -> Option<&str> {
        self.cookie.as_deref().and_then(|cookie| cookie.split_once('=')).map(|(_, value)| value)
    }

    /// The same browser on another node.
    pub fn at(&self, app: &App) -> Self {
        Self { app: app.clone(), cookie: self.cookie.clone() }
    }

    pub async fn visit(&mut self, handle: &Handler) -> Response<String> {
        self.visit_with(&[], handle).await
    }

    pub async fn visit_with(
        &mut self,
        headers: &[(&str, &str)],
        handle: &Handler,
    ) -> Response<String> {
        let cookie = self.cookie.clone();
        let mut lines = headers.to_vec();
        if let Some(cookie) = &cookie {
            lines.push((COOKIE.as_str(), cookie));
        }
        let response = self.app.send(&lines, handle).await;
        self.keep(&response);
        response
    }

    /// Keeps what the response sets, as a browser does.
    pub fn keep(&mut self, response: &Response<String>) {
        for line in response.headers().get_all(SET_COOKIE) {
            let pair = line.to_str().unwrap().split(';').next().unwrap();
            let removed = line.to_str().unwrap().contains("Max-Age=0");
            self.cookie = (!removed).then(|| pair.to_owned());
        }
    }

    /// The data that a handler sees, if there is a session.
    pub async fn member(&mut self) -> Option<Member> {
        let seen = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&seen);
        self.visit(&handler(move |session| {
            *slot.lock().unwrap() = session.get().map(|member| Member::clone(&member));
            async { ok() }
        }))
        .await;
        seen.lock().unwrap().take()
    }
}

pub fn count_visit() -> Handler {
    handler(|session| async move {
        session.update(|member| member.visits += 1).map_or_else(|_| status(401), |()| ok())
    })
}

pub fn log_out() -> Handler {
    handler(|session| async move {
        session.destroy().unwrap();
        ok()
    })
}

pub fn look() -> Handler {
    handler(|session| async move {
        drop(session.get());
        ok()
    })
}

pub fn ignore() -> Handler {
    handler(|_session| async { ok() })
}
