//! What becomes of a request when something fails, and in which words one is refused.

use std::time::Duration;

use super::SessionLayer;
use crate::record::SessionData;
use crate::refusal::Refusals;

impl<T: SessionData> SessionLayer<T> {
    /// How long one call of the store may take before the request fails with 503. 2 seconds by
    /// default. An answer that is there at once is never late.
    ///
    /// ```
    /// use std::time::Duration;
    /// use http::{Request, Response};
    /// use sessile::testkit::{Faulty, Operation};
    /// use sessile::{Error, Key, Session, SessionLayer, Values, store::MemoryStore};
    /// use tower::{Layer, ServiceExt, service_fn};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let store = Faulty::new(MemoryStore::new());
    /// store.hang(Operation::Create);
    /// let log_in = SessionLayer::<Values>::new(store, Key::generate())
    ///     .store_timeout(Duration::from_millis(10))
    ///     .layer(service_fn(|request: Request<()>| async move {
    ///         Session::of(&request).expect("the layer").create(Values::new())?;
    ///         Ok::<_, Error>(Response::new(String::new()))
    ///     }));
    /// assert_eq!(log_in.oneshot(Request::new(())).await.unwrap().status(), 503);
    /// # }
    /// ```
    pub fn store_timeout(mut self, limit: Duration) -> Self {
        self.shared().store_timeout = limit;
        self
    }

    /// Serves requests whose session cannot be loaded as if they had none, rather than with 503.
    /// For public pages only: whoever was logged in looks logged out until the store is back
    /// ([`Status::StoreFailed`](crate::Status::StoreFailed)). Writes still fail with 503.
    ///
    /// ```
    /// use sessile::testkit::{Faulty, Operation};
    /// use sessile::{Key, Session, SessionLayer, StoreErrorKind, Values, store::MemoryStore};
    /// # use http::{Request, Response, header::{COOKIE, SET_COOKIE}};
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let store = Faulty::new(MemoryStore::new());
    /// let sessions = SessionLayer::<Values>::new(store.clone(), Key::generate())
    ///     .anonymous_when_store_fails();
    /// # let front_page = sessions.layer(service_fn(|request: Request<()>| async move {
    /// #     let session = Session::<Values>::of(&request).unwrap();
    /// #     if request.uri() == "/log_in" { session.create(Values::new()).unwrap(); }
    /// #     Ok::<_, ()>(Response::new(format!("{:?}", session.status())))
    /// # }));
    /// # let log_in = Request::get("/log_in").body(()).unwrap();
    /// # let answer = front_page.clone().oneshot(log_in).await.unwrap();
    /// # let cookie = answer.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap();
    /// # let with_a_session = Request::get("/").header(COOKIE, cookie).body(()).unwrap();
    /// store.fail_next(Operation::Load, StoreErrorKind::Unavailable);
    /// // a page that prints `session.status()` still comes:
    /// let answer = front_page.oneshot(with_a_session).await.unwrap();
    /// assert_eq!((answer.status().as_u16(), answer.body().as_str()), (200, "StoreFailed"));
    /// # }
    /// ```
    pub fn anonymous_when_store_fails(mut self) -> Self {
        self.shared().anonymous_when_store_fails = true;
        self
    }

    /// Keeps edits and new sessions also when the handler answers 5xx. By default they are dropped
    /// with the failed request; the end of a session is always kept.
    ///
    /// ```
    /// use http::{Request, Response, header::SET_COOKIE};
    /// use sessile::{Error, Key, Session, SessionLayer, Values, store::MemoryStore};
    /// use tower::{Layer, ServiceExt, service_fn};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let service = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .keep_edits_on_server_error()
    ///     .layer(service_fn(|request: Request<()>| async move {
    ///         Session::of(&request).expect("the layer").create(Values::new())?;
    ///         let failed = Response::builder().status(500);
    ///         Ok::<_, Error>(failed.body(String::new()).expect("a response"))
    ///     }));
    /// let answer = service.oneshot(Request::new(())).await.unwrap();
    /// assert!(answer.headers().contains_key(SET_COOKIE));
    /// # }
    /// ```
    pub fn keep_edits_on_server_error(mut self) -> Self {
        self.shared().keep_edits_on_server_error = true;
        self
    }

    /// Sets the statuses and bodies of refusals: the layer's own, and those of extractors and
    /// guards inside it.
    ///
    /// ```
    /// use http::StatusCode;
    /// use sessile::Refusals;
    /// # use http::{Request, Response};
    /// # use sessile::{Key, RequireSession, SessionLayer, Values, store::MemoryStore};
    /// # use tower::{ServiceBuilder, ServiceExt, service_fn};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .refusals(Refusals::problem().unauthenticated(StatusCode::NOT_FOUND, "no such page"));
    /// # let guarded = ServiceBuilder::new().layer(sessions).layer(RequireSession::<Values>::new())
    /// #     .service(service_fn(|_: Request<()>| async { Ok::<_, ()>(Response::new(String::new())) }));
    /// let answer = guarded.oneshot(Request::new(())).await.unwrap(); // a guard behind the layer
    /// assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    /// # }
    /// ```
    pub fn refusals(mut self, refusals: Refusals) -> Self {
        self.shared().refusals = refusals;
        self
    }

    /// Says how a refusal's text becomes a response body of type `B`. axum's body is known with
    /// the `axum` feature; without this, other bodies are empty.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http_body_util::Full;
    /// use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// let layer = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .refusal_body(|text| Full::new(Bytes::from(text)));
    /// ```
    pub fn refusal_body<B: 'static>(mut self, make: fn(String) -> B) -> Self {
        self.shared().bodies.register(make);
        self
    }
}
