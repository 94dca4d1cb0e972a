//! A session that is only loaded when somebody asks.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;

use http::{Extensions, Request};

use super::Mounted;
use super::flight::Boarding;
use super::handle::Session;
use super::state::Inner;
use crate::error::Error;
use crate::record::SessionData;

/// A session not yet loaded, put into the request's extensions by a
/// [lazy](crate::SessionLayer::lazy) layer. Until [`load`](Self::load) is called, neither the
/// ticket is verified nor the store asked; [`destroy`](Self::destroy) asks it to end the session
/// unseen. Extractors and guards call it by themselves. A request
/// that never loads its session does not count as a use of it.
///
/// ```
/// # use http::{Request, Response};
/// use sessile::{Error, Key, LazySession, SessionLayer, Values, store::MemoryStore};
/// # use tower::{Layer, ServiceExt, service_fn};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate()).lazy();
/// let service = sessions.layer(service_fn(|request: Request<()>| async move {
///     let lazy = LazySession::<Values>::of(&request).expect("a lazy layer");
///     let session = lazy.load().await?; // asks the store, if there is a valid ticket
///     Ok::<_, Error>(Response::new(session.get().is_some()))
/// }));
/// let is_logged_in = service.oneshot(Request::new(())).await.unwrap().into_body();
/// assert!(!is_logged_in);
/// # }
/// ```
pub struct LazySession<T>(pub(crate) Arc<Inner<T>>);

impl<T: SessionData> LazySession<T> {
    /// The unloaded session of this request; `None` if no lazy
    /// [`SessionLayer<T>`](crate::SessionLayer) stands in front.
    ///
    /// ```
    /// # use sessile::{LazySession, Values};
    /// let request = http::Request::new(());
    /// assert!(LazySession::<Values>::of(&request).is_none());
    /// ```
    pub fn of<B>(request: &Request<B>) -> Option<&Self> {
        Self::from_extensions(request.extensions())
    }

    /// The same, from the extensions of a request that is in parts.
    ///
    /// ```
    /// # use sessile::{LazySession, Values};
    /// let (parts, ()) = http::Request::new(()).into_parts();
    /// assert!(LazySession::<Values>::from_extensions(&parts.extensions).is_none());
    /// ```
    pub fn from_extensions(extensions: &Extensions) -> Option<&Self> {
        match Mounted::of(extensions)? {
            Mounted::Lazy(session) => Some(session),
            Mounted::Eager(_) => None,
        }
    }

    /// Verifies the ticket and loads the session, once per request however often it is called. Of
    /// several calls at the same time, on clones of the handle, one loads and the others wait for
    /// what comes of it; if the one is dropped, the others go on.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store) if the store failed; the next call tries
    /// again. A layer that is told to
    /// [serve such requests without a session](crate::SessionLayer::anonymous_when_store_fails)
    /// answers a handle of the status [`StoreFailed`](crate::Status::StoreFailed) instead.
    pub async fn load(&self) -> Result<Session<T>, Error> {
        let inner = &self.0;
        let aboard = match inner.board() {
            Boarding::Known => None,
            Boarding::Aboard(aboard) => Some(aboard),
            Boarding::Unread(unread) => {
                match inner.shared.load_unread(&unread, inner.client.as_ref()) {
                    Ok(base) => {
                        inner.loaded(base?);
                        None
                    }
                    Err(loading) => inner.launch(unread, loading),
                }
            }
        };
        if let Some(aboard) = aboard {
            poll_fn(|cx| aboard.poll(cx)).await?;
        }
        Ok(Session(Arc::clone(inner)))
    }

    /// Ends the session and clears the client's ticket without loading it first: log out, in one
    /// call of the store. Fine if there is none.
    ///
    /// The ticket is verified here; a forged one ends nothing and costs no call. What its record
    /// says is never looked at, so an outdated ticket ends its session without the alarm
    /// ([`Event::TicketReused`](crate::Event::TicketReused)), which would have ended it as well.
    /// For the rest of this request there is no session, and [`load`](Self::load) asks no store.
    ///
    /// ```
    /// # use http::{Request, Response};
    /// # use sessile::{Error, Key, LazySession, SessionLayer, Values, store::MemoryStore};
    /// use sessile::Status;
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate()).lazy();
    /// # let service = sessions.layer(service_fn(|request: Request<()>| async move {
    /// #     let lazy = LazySession::<Values>::of(&request).expect("a lazy layer");
    /// lazy.destroy()?;
    /// assert_eq!(lazy.load().await?.status(), Status::Ended);
    /// #     Ok::<_, Error>(Response::new(String::new()))
    /// # }));
    /// # assert_eq!(service.oneshot(Request::new(())).await.unwrap().status(), 200);
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed) after the response head has left.
    pub fn destroy(&self) -> Result<(), Error> {
        if let Some(unread) = self.0.unread() {
            let base = self.0.shared.name_unread(&unread, self.0.client.as_deref());
            self.0.loaded(base);
        }
        Session(Arc::clone(&self.0)).destroy()
    }
}

impl<T> Clone for LazySession<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for LazySession<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LazySession")
    }
}
