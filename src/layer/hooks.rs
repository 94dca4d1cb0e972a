//! Whom the layer asks and tells: verifiers, the proxies in front, the observer, the browser.

use std::sync::Arc;

use super::SessionLayer;
use crate::event::Observer;
use crate::hints::ClientHints;
use crate::record::SessionData;
use crate::site_data::{SiteData, line};
use crate::verify::Verifier;

impl<T: SessionData> SessionLayer<T> {
    /// Asks this verifier, after those named before, whether a session is good for a request: see
    /// [`verify`](crate::verify).
    ///
    /// ```
    /// # use http::{Request, Response, header::{COOKIE, SET_COOKIE}};
    /// # use sessile::{Key, RequireSession, Session, SessionLayer, Values, store::MemoryStore};
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// use sessile::verify::{Verdict, Visit};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .verifier(|visit: &Visit<'_, Values>| {
    ///         if visit.headers.contains_key("x-forged") { Verdict::End("forged") } else { Verdict::Pass }
    ///     });
    /// # let pages = sessions.layer(service_fn(|request: Request<()>| async move {
    /// #     let session = Session::<Values>::of(&request).unwrap();
    /// #     if request.uri() == "/log_in" { session.create(Values::new()).unwrap(); }
    /// #     Ok::<_, ()>(Response::new(format!("{:?}", session.status())))
    /// # }));
    /// # let log_in = Request::get("/log_in").body(()).unwrap();
    /// # let answer = pages.clone().oneshot(log_in).await.unwrap();
    /// # let cookie = answer.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap();
    /// # let visit = || Request::get("/").header(COOKIE, cookie);
    /// # let answer = pages.clone().oneshot(visit().body(()).unwrap()).await.unwrap();
    /// # assert_eq!(answer.body(), "Active");
    /// # let forged = visit().header("x-forged", "1").body(()).unwrap();
    /// # let answer = pages.clone().oneshot(forged).await.unwrap();
    /// # assert_eq!(answer.body(), "Rejected(Void)");
    /// # let answer = pages.clone().oneshot(visit().body(()).unwrap()).await.unwrap();
    /// # assert_eq!(answer.body(), "Rejected(Gone)");
    /// # }
    /// ```
    pub fn verifier(mut self, verifier: impl Verifier<T>) -> Self {
        self.shared().verifiers.push(Arc::new(verifier));
        self
    }

    /// Finds out the [`Client`](crate::Client) of each request, for events and verifiers, and
    /// records that of each new session.
    ///
    /// ```
    /// use std::net::SocketAddr;
    /// use axum::extract::ConnectInfo;
    /// use sessile::ClientHints;
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .client_hints(ClientHints::from_peer(|extensions| {
    ///         Some(extensions.get::<ConnectInfo<SocketAddr>>()?.ip())
    ///     }));
    /// ```
    pub fn client_hints(mut self, hints: ClientHints) -> Self {
        self.shared().hints = Some(hints);
        self
    }

    /// Tells this hook what happens to sessions. There is one; a second takes its place.
    ///
    /// ```
    /// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
    /// use sessile::Event;
    /// # use http::{Request, Response};
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// let rejected = Arc::new(AtomicU64::new(0));
    /// let metric = Arc::clone(&rejected);
    /// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .observer(move |event: &Event<'_>| {
    ///         if let Event::Rejected { .. } = event {
    ///             metric.fetch_add(1, Ordering::Relaxed);
    ///         }
    ///     });
    /// # let service = sessions
    /// #     .layer(service_fn(|_: Request<()>| async { Ok::<_, ()>(Response::new(String::new())) }));
    /// # let request = Request::get("/").header("cookie", "__Host-sid=garbled").body(()).unwrap();
    /// # tokio::runtime::Runtime::new().unwrap().block_on(service.oneshot(request)).unwrap();
    /// // after a request with the cookie `__Host-sid=garbled`:
    /// assert_eq!(rejected.load(Ordering::Relaxed), 1);
    /// ```
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.shared().observer = Some(Arc::new(observer));
        self
    }

    /// Tells browsers to forget this at each log-out ([`Session::destroy`](crate::Session::destroy)),
    /// as well as the ticket.
    ///
    /// ```
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// use sessile::SiteData;
    /// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .clear_site_data([SiteData::Cache, SiteData::Storage]);
    /// ```
    pub fn clear_site_data(mut self, what: impl IntoIterator<Item = SiteData>) -> Self {
        self.shared().clear_site_data = line(what);
        self
    }
}
