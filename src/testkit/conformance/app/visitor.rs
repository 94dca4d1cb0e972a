//! Who visits an application, and the service that they get to.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use super::{App, session_of};
use crate::error::ErrorKind;
use crate::id::Id;
use crate::session::Session;
use crate::testkit::Sample;
use crate::testkit::conformance::trial::fail;

/// The header that tickets travel in.
pub(super) const HEADER: &str = "x-session";

/// A client that keeps the ticket that it is given. Its clones are other tabs, or thieves.
#[derive(Clone)]
pub(in crate::testkit::conformance) struct Visitor {
    app: App,
    ticket: Option<HeaderValue>,
}

/// What came back from a visit.
#[derive(Debug)]
#[must_use = "an answer that nobody looks at may be an error"]
pub(in crate::testkit::conformance) struct Reply<V> {
    pub(in crate::testkit::conformance) status: StatusCode,
    /// The ticket that it brought; an empty one says that the client should forget its own.
    pub(in crate::testkit::conformance) sent: Option<HeaderValue>,
    /// What the handler came to, if the request got as far.
    pub(in crate::testkit::conformance) value: Option<V>,
}

impl Visitor {
    pub(super) fn new(app: &App) -> Self {
        Self { app: app.clone(), ticket: None }
    }

    /// Sends a request, whose handler does this with its session and answers 200.
    pub(in crate::testkit::conformance) async fn visit<V, A>(
        &mut self,
        deed: impl FnOnce(Session<Sample>) -> A + Send + 'static,
    ) -> Reply<V>
    where
        V: Send + 'static,
        A: Future<Output = V> + Send + 'static,
    {
        let value = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&value);
        let handler = Handler::new(move |session| {
            let doing = deed(session);
            Box::pin(async move {
                let value = doing.await;
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
            })
        });
        let response = self.send(handler).await;
        let sent = response.headers().get(&FIELD).cloned();
        if let Some(ticket) = &sent {
            self.ticket = Some(ticket.clone()).filter(|ticket| !ticket.is_empty());
        }
        let value = value.lock().unwrap_or_else(PoisonError::into_inner).take();
        Reply { status: response.status(), sent, value }
    }

    async fn send(&self, handler: Handler) -> Response<()> {
        let mut service = self.app.layer.layer(handler);
        let mut request = Request::new(());
        if let Some(ticket) = &self.ticket {
            request.headers_mut().insert(FIELD, ticket.clone());
        }
        let Ok(()) = poll_fn(|cx| service.poll_ready(cx)).await;
        let Ok(response) = service.call(request).await;
        response
    }

    /// Begins a session under this name. Answers its id.
    pub(in crate::testkit::conformance) async fn log_in(&mut self, subject: &str) -> Reply<Id> {
        let new = session_of(subject);
        self.visit(|session| async move {
            session.create(new).unwrap_or_else(|error| fail(&format!("create: {error}")))
        })
        .await
    }

    /// Reads the session.
    pub(in crate::testkit::conformance) async fn look(&mut self) -> Reply<Option<Sample>> {
        self.visit(|session| async move { session.get().map(|data| Sample::clone(&data)) }).await
    }

    /// Adds one to the counter. Answers what it is then, or why not.
    pub(in crate::testkit::conformance) async fn count(&mut self) -> Reply<Result<u64, ErrorKind>> {
        self.visit(|session| async move { count(&session) }).await
    }

    /// Ends the session.
    pub(in crate::testkit::conformance) async fn log_out(&mut self) -> Reply<()> {
        self.visit(|session| async move {
            session.destroy().unwrap_or_else(|error| fail(&format!("destroy: {error}")));
        })
        .await
    }
}

/// Adds one to the counter. Answers what it is then, or why not.
fn count(session: &Session<Sample>) -> Result<u64, ErrorKind> {
    let counted = session.update(|data| {
        data.counter += 1;
        data.counter
    });
    counted.map_err(|error| error.kind())
}

impl<V> Reply<V> {
    /// What the handler came to; the case fails if anything else was answered than 200.
    #[track_caller]
    pub(in crate::testkit::conformance) fn ok(self, what: &str) -> V {
        assert_eq!(self.status, StatusCode::OK, "{what}: the status");
        self.value.unwrap_or_else(|| fail(&format!("{what}: the handler was not asked")))
    }

    /// The same where what was sent is of more interest than what the handler came to.
    #[track_caller]
    pub(in crate::testkit::conformance) fn served(self, what: &str) -> Option<HeaderValue> {
        let sent = self.sent.clone();
        drop(self.ok(what));
        sent
    }

    /// Whether it brought a ticket.
    pub(in crate::testkit::conformance) fn has_ticket(&self) -> bool {
        self.sent.as_ref().is_some_and(|ticket| !ticket.is_empty())
    }

    /// Whether it said that the client should forget its ticket.
    pub(in crate::testkit::conformance) fn clears(&self) -> bool {
        self.sent.as_ref().is_some_and(HeaderValue::is_empty)
    }
}

type Doing = Pin<Box<dyn Future<Output = ()> + Send>>;
type Deed = Box<dyn FnOnce(Session<Sample>) -> Doing + Send>;

/// The inner service: does one deed, and answers 200.
#[derive(Clone)]
struct Handler(Arc<Mutex<Option<Deed>>>);

impl Handler {
    fn new(deed: impl FnOnce(Session<Sample>) -> Doing + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Some(Box::new(deed)))))
    }
}

impl Service<Request<()>> for Handler {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<()>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let session = Session::of(&request).cloned();
        let deed = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        Box::pin(async move {
            if let (Some(session), Some(deed)) = (session, deed) {
                deed(session).await;
            }
            Ok(Response::new(()))
        })
    }
}

const FIELD: HeaderName = HeaderName::from_static(HEADER);
