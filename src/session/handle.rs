//! The session in a request's extensions.

use std::any::type_name;
use std::fmt;
use std::future::poll_fn;
use std::ops::Deref;
use std::sync::{Arc, MutexGuard};
use std::time::SystemTime;

use http::{Extensions, Request};
use serde::{Serialize, Serializer};

use super::Mounted;
use super::edits::{Edits, New};
use super::new::NewSession;
use super::state::{Inner, State, Status};
use crate::codec::Ticket;
use crate::commit::Commit;
use crate::endings::ended;
use crate::error::{Error, ErrorKind};
use crate::id::Id;
use crate::log;
use crate::plan::{Intent, Outcome};
use crate::record::{Meta, Record, SessionData};
use crate::spend::issue;

/// A request's session with data `T`, put into the request's extensions by
/// [`SessionLayer<T>`](crate::SessionLayer).
///
/// Reading and editing are synchronous: the session is loaded, and edits are carried out when the
/// response head is ready, before it is sent. Clones are handles to the same session.
///
/// ```
/// use sessile::{Error, Session};
/// # use serde::{Deserialize, Serialize};
/// #[derive(Clone, Serialize, Deserialize)]
/// struct Member { name: String, visits: u32 }
///
/// fn count_visit(session: &Session<Member>) -> Result<u32, Error> {
///     session.update(|member| {
///         member.visits += 1;
///         member.visits
///     })
/// }
/// ```
///
/// What a request sees, own edits included:
///
/// ```
/// # use http::{Request, Response};
/// # use sessile::{Error, Key, SessionLayer, Values, store::MemoryStore};
/// # use tower::{Layer, ServiceExt, service_fn};
/// use sessile::{NewSession, Session, Status};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
/// # let service = sessions.layer(service_fn(|request: Request<()>| async move {
/// #     let session = Session::<Values>::of(&request).unwrap();
/// assert_eq!((session.status(), session.id()), (Status::NoTicket, None));
/// assert!(session.get().is_none() && session.expiry().is_none());
///
/// let id = session.create(NewSession::with(Values::new()).subject("user-42"))?;
/// assert_eq!((session.status(), session.id()), (Status::Active, Some(id)));
/// assert!(session.get().is_some_and(|values| values.is_empty()));
/// let meta = session.meta().expect("just created");
/// assert_eq!(meta.subject.as_deref(), Some("user-42"));
/// assert_eq!(session.expiry(), Some(meta.deadline().into()));
/// #     Ok::<_, Error>(Response::new(String::new()))
/// # }));
/// # assert_eq!(service.oneshot(Request::new(())).await.unwrap().status(), 200);
/// # }
/// ```
pub struct Session<T>(pub(crate) Arc<Inner<T>>);

impl<T: SessionData> Session<T> {
    /// The session of this request; `None` if no [`SessionLayer<T>`](crate::SessionLayer) stands
    /// in front, or a [lazy](crate::SessionLayer::lazy) one that nobody has loaded yet.
    ///
    /// ```
    /// # use sessile::{Session, Values};
    /// let request = http::Request::new(());
    /// assert!(Session::<Values>::of(&request).is_none());
    /// ```
    pub fn of<B>(request: &Request<B>) -> Option<&Self> {
        Self::from_extensions(request.extensions())
    }

    /// The same, from the extensions of a request that is in parts.
    ///
    /// ```
    /// # use sessile::{Session, Values};
    /// let (parts, ()) = http::Request::new(()).into_parts();
    /// assert!(Session::<Values>::from_extensions(&parts.extensions).is_none());
    /// ```
    pub fn from_extensions(extensions: &Extensions) -> Option<&Self> {
        match Mounted::of(extensions)? {
            Mounted::Eager(session) => Some(session),
            Mounted::Lazy(_) => None,
        }
    }

    /// How this request stands to its session.
    pub fn status(&self) -> Status {
        self.touch().status()
    }

    /// Its public handle, or the handle of the one just created; `None` if there is none.
    pub fn id(&self) -> Option<Id> {
        self.touch().id()
    }

    /// Its data as this request sees it, own edits included; `None` if there is no session.
    pub fn get(&self) -> Option<Snapshot<T>> {
        self.touch().current().map(|record| Snapshot(Arc::clone(record)))
    }

    /// When it was created, last used and so on; `None` if there is no session.
    pub fn meta(&self) -> Option<Meta> {
        self.touch().meta()
    }

    /// When it ends if it is not used again; `None` if there is no session.
    pub fn expiry(&self) -> Option<SystemTime> {
        self.touch().meta().map(|meta| meta.deadline().into())
    }

    /// Whether a [verifier](crate::verify::Verdict::StepUp) wants a fresh login for whatever is
    /// delicate. A session created in this request is as fresh as can be.
    ///
    /// ```
    /// use sessile::{Session, Values};
    /// fn notice(session: &Session<Values>) -> &'static str {
    ///     if session.wants_step_up() { "Confirm that it is you before you pay." } else { "" }
    /// }
    /// ```
    pub fn wants_step_up(&self) -> bool {
        self.touch().is_doubted()
    }

    /// Begins a new session under a new id, in place of the one that the request came with: log
    /// in, step up, become somebody else (ASVS 7.2.4). The old one ends in the step that writes
    /// the new one, so nobody can plant a session on a visitor. Data of the old session is carried
    /// over by you, in `new`. Like edits, a new session is dropped when the handler answers 5xx;
    /// that the old one ends is kept all the same if [`destroy`](Self::destroy) said so before.
    /// Answers its id.
    ///
    /// ```
    /// # use sessile::{Error, NewSession, Session, Values};
    /// fn log_in(session: &Session<Values>, user: &str) -> Result<(), Error> {
    ///     session.create(NewSession::with(Values::default()).subject(user))?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Closed`] after the response head has left; [`ErrorKind::Random`] if the
    /// operating system gives no random bytes. That the subject has too many sessions turns out
    /// when it is written: the request is then answered 403, or [`commit`](Self::commit) says so.
    pub fn create(&self, new: impl Into<NewSession<T>>) -> Result<Id, Error> {
        let id = Id::generate()?;
        let shared = &self.0.shared;
        let record = Arc::new(new.into().into_record(
            &shared.expiry,
            shared.ceiling(),
            shared.now(),
            self.0.client.as_deref(),
        ));
        shared.check_size(&record)?;
        let mut state = self.open()?;
        let restart = matches!(state.edits.intent(), Intent::Destroy | Intent::Restart);
        let new = Edits::Create(New { id, record, restart });
        let replaced = std::mem::replace(&mut state.edits, new);
        drop(state);
        drop(replaced); // user data is dropped outside the lock
        Ok(id)
    }

    /// Changes the data and answers what the closure does. The closure runs at once on a copy and
    /// is kept: if another request wrote the session in between, the newer data is loaded and the
    /// closure runs again on that, so that no update is lost. It must therefore depend on nothing
    /// but its argument, and do nothing else. On a session that this request has begun, it edits what
    /// will be created.
    ///
    /// ```
    /// # use http::{Request, Response};
    /// # use sessile::{Error, Key, Session, SessionLayer, Values, store::MemoryStore};
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// # let service = sessions.layer(service_fn(|request: Request<()>| async move {
    /// #     let session = Session::<Values>::of(&request).unwrap();
    /// session.create(Values::new())?;
    /// let before = session.update(|values| {
    ///     let count = values.get("count").ok().flatten().unwrap_or(0);
    ///     values.insert("count", count + 1).map(|_| count)
    /// })?;
    /// assert_eq!(before, Ok(0));
    /// assert_eq!(session.get().unwrap().get("count"), Ok(Some(1)));
    /// #     Ok::<_, Error>(Response::new(String::new()))
    /// # }));
    /// # assert_eq!(service.oneshot(Request::new(())).await.unwrap().status(), 200);
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::NoSession`] if there is none; [`ErrorKind::Store`] if the store could not say
    /// whether there is one ([`Status::StoreFailed`]); [`ErrorKind::TooLarge`] if the data becomes
    /// larger than the layer's [`max_size`](crate::SessionLayer::max_size); [`ErrorKind::Closed`]
    /// after the response head has left; [`ErrorKind::Conflict`] if the closure itself edits this
    /// session.
    pub fn update<R>(
        &self,
        mut change: impl FnMut(&mut T) -> R + Send + 'static,
    ) -> Result<R, Error> {
        self.edit(move |record| change(&mut record.data), false)
    }

    fn edit<R>(
        &self,
        mut change: impl FnMut(&mut Record<T>) -> R + Send + 'static,
        replaces: bool,
    ) -> Result<R, Error> {
        // User code runs outside the lock, so another task may edit the handle meanwhile.
        for _ in 0..REENTRIES {
            let state = self.open()?;
            let before = state.current().map(Arc::clone).ok_or_else(|| state.none())?;
            drop(state);
            let mut after = Record::clone(&before);
            let answer = change(&mut after);
            self.0.shared.check_size(&after)?;
            let mut state = self.open()?;
            if state.current().is_some_and(|now| Arc::ptr_eq(now, &before)) {
                let again = Box::new(move |record: &mut Record<T>| drop(change(record)));
                let stale = state.edits.note(Arc::new(after), again, replaces);
                drop(state);
                drop(stale);
                return Ok(answer);
            }
        }
        Err(Error::new(ErrorKind::Conflict))
    }

    /// Puts this data in place of whatever is there, also of what another request wrote in
    /// between: the last writer wins. Prefer [`update`](Self::update). Data equal to what this
    /// request has seen costs a look at the store, and a write only if that holds other data by
    /// now.
    ///
    /// ```
    /// # use http::{Request, Response};
    /// # use sessile::{Error, Key, Session, SessionLayer, Values, store::MemoryStore};
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// # let service = sessions.layer(service_fn(|request: Request<()>| async move {
    /// #     let session = Session::<Values>::of(&request).unwrap();
    /// #     session.create(Values::new())?;
    /// let mut settings = Values::new();
    /// settings.insert("theme", "dark").expect("plain text");
    /// session.replace(settings)?;
    /// assert!(session.get().unwrap().contains_key("theme"));
    /// #     Ok::<_, Error>(Response::new(String::new()))
    /// # }));
    /// # assert_eq!(service.oneshot(Request::new(())).await.unwrap().status(), 200);
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`update`](Self::update).
    pub fn replace(&self, data: T) -> Result<(), Error> {
        self.edit(move |record| record.data = data.clone(), true)
    }

    /// Issues a new ticket for the same session, whether or not one is due. The old one passes
    /// until the new one has been presented, and for the layer's grace after that. When somebody's
    /// privileges change, use [`create`](Self::create) instead. A request that came by a ticket for
    /// one handshake, or has been issued a ticket already, renews nothing.
    ///
    /// ```
    /// # use http::{Request, Response};
    /// # use sessile::{Error, Key, Session, SessionLayer, Values, store::MemoryStore};
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// # let service = sessions.layer(service_fn(|request: Request<()>| async move {
    /// #     let session = Session::<Values>::of(&request).unwrap();
    /// #     session.create(Values::new())?;
    /// #     session.commit().await?;
    /// let id = session.id();
    /// session.renew()?;
    /// assert_eq!(session.id(), id, "the session stays; its ticket does not");
    /// #     Ok::<_, Error>(Response::new(String::new()))
    /// # }));
    /// # assert_eq!(service.oneshot(Request::new(())).await.unwrap().status(), 200);
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::NoSession`] if there is none; [`ErrorKind::Store`] if the store could not say;
    /// [`ErrorKind::Closed`] after the response head has left.
    pub fn renew(&self) -> Result<(), Error> {
        let mut state = self.open()?;
        if state.current().is_none() {
            return Err(state.none());
        }
        state.renew = true;
        drop(state);
        Ok(())
    }

    /// Issues a single-use ticket for a WebSocket or an event stream, to be put into its address
    /// by a page of this session: see [`Query`](crate::transport::Query). It is good once, for 30
    /// seconds, from the moment this response is on its way (or a [`commit`](Self::commit) is
    /// done). Of a session's unused ones the last eight are good.
    ///
    /// ```
    /// # use http::{Request, Response};
    /// # use sessile::{Error, Key, Session, SessionLayer, Values, store::MemoryStore};
    /// use sessile::transport::{Cookie, Query};
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .transport(Cookie::host("sid"))
    ///     .or_transport(Query::named("ticket"));
    /// # let service = sessions.layer(service_fn(|request: Request<()>| async move {
    /// #     let session = Session::<Values>::of(&request).unwrap();
    /// #     session.create(Values::new())?;
    /// // in a handler, for the page that opens the stream:
    /// let address = format!("/events?ticket={}", session.handshake()?);
    /// #     assert_eq!(address.len(), "/events?ticket=".len() + 48);
    /// #     Ok::<_, Error>(Response::new(String::new()))
    /// # }));
    /// # assert_eq!(service.oneshot(Request::new(())).await.unwrap().status(), 200);
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::NoTransport`] if the layer has no [`Query`](crate::transport::Query);
    /// [`ErrorKind::NoSession`] if there is no session; [`ErrorKind::Closed`] after the response
    /// head has left; [`ErrorKind::Random`] if the operating system gives no random bytes.
    pub fn handshake(&self) -> Result<String, Error> {
        let shared = &self.0.shared;
        let bound = shared.handshakes.and_then(|via| shared.transports.get(usize::from(via)));
        let bound = bound.ok_or(Error::new(ErrorKind::NoTransport))?;
        let state = self.touch();
        let id = state.id().ok_or_else(|| state.none())?;
        drop(state);
        let number = getrandom::u32().map_err(|_| Error::new(ErrorKind::Random))?;
        let clock = Arc::clone(&shared.clock);
        self.edit(move |record| issue(record, number, clock.now().into()), false)?;
        let ticket = Ticket { id, generation: number };
        Ok(bound.codec.seal(&ticket, || shared.now()).as_str().to_owned())
    }

    /// Ends the session and clears the client's ticket: log out. Fine if there is none.
    ///
    /// A session that this request does not see, because the store failed to load it or a
    /// [verifier](crate::verify::Verdict::Void) does not accept it here, ends as well; one that has
    /// ended before has its ticket cleared.
    ///
    /// ```
    /// # use http::{Request, Response};
    /// # use sessile::{Error, Key, Session, SessionLayer, Values, store::MemoryStore};
    /// use sessile::Status;
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// # let service = sessions.layer(service_fn(|request: Request<()>| async move {
    /// #     let session = Session::<Values>::of(&request).unwrap();
    /// #     session.create(Values::new())?;
    /// #     session.commit().await?;
    /// session.destroy()?;
    /// assert_eq!(session.status(), Status::Ended);
    /// assert!(session.get().is_none());
    /// #     Ok::<_, Error>(Response::new(String::new()))
    /// # }));
    /// # assert_eq!(service.oneshot(Request::new(())).await.unwrap().status(), 200);
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Closed`] after the response head has left.
    pub fn destroy(&self) -> Result<(), Error> {
        let mut state = self.open()?;
        let ended = std::mem::replace(&mut state.edits, Edits::Destroy);
        // Of what shall end no ticket is handed out, also if it turns out that it cannot be ended.
        if matches!(state.owed, super::Owed::Ticket { .. }) {
            state.owed = super::Owed::Nothing;
        }
        drop(state);
        drop(ended);
        Ok(())
    }

    /// Carries out the edits made so far now, rather than when the response head is ready: for
    /// streams, upgraded connections, and handlers that must know that it is written.
    ///
    /// Await it in the handler: a commit that a task of its own carries out while the response head
    /// leaves is not waited for, and a ticket that it issues is not sent.
    ///
    /// Dropped before it has answered (by a timeout around it, say), a log-out is carried out with
    /// the response after all; with any other edit the request is answered 503, since nobody knows
    /// whether it was written.
    ///
    /// ```
    /// # use http::{Request, Response};
    /// # use sessile::{Error, Key, Session, SessionLayer, Values, store::MemoryStore};
    /// use sessile::ErrorKind;
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// # let service = sessions.layer(service_fn(|request: Request<()>| async move {
    /// #     let session = Session::<Values>::of(&request).unwrap();
    /// session.create(Values::new())?;
    /// match session.commit().await {
    ///     Ok(()) => {} // from now on the session is in the store
    ///     Err(error) if error.kind() == ErrorKind::Limit => { /* offer to end another one */ }
    ///     Err(error) => return Err(error),
    /// }
    /// #     Ok::<_, Error>(Response::new(String::new()))
    /// # }));
    /// # assert_eq!(service.oneshot(Request::new(())).await.unwrap().status(), 200);
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Gone`] if somebody else ended the session meanwhile; [`ErrorKind::Conflict`]
    /// if other writers kept winning; [`ErrorKind::Limit`] if the subject has too many sessions;
    /// [`ErrorKind::Store`] if the store failed; [`ErrorKind::Unknown`] if an earlier commit of
    /// this request was dropped; [`ErrorKind::Closed`] after the response head has left.
    pub async fn commit(&self) -> Result<(), Error> {
        drop(self.open()?);
        let mut commit = Commit::new(Arc::clone(&self.0), Outcome::Answered);
        poll_fn(|cx| commit.poll(cx)).await
    }

    /// Ends when the session has ended: logged out here or on another device, revoked, replaced,
    /// evicted or expired. For connections that outlive their request, such as WebSockets and event
    /// streams: race it against their work and close them. If there is no session it ends at once.
    ///
    /// What this node ends is noticed at once, what others end within the layer's
    /// [`revocation_check`](crate::SessionLayer::revocation_check). While the store fails it goes
    /// on asking. To wait is not to use the session: it expires if nothing else happens. A session
    /// that this request begins counts from its commit on: [`commit`](Self::commit) first.
    ///
    /// ```
    /// # use sessile::{Session, Values};
    /// # async fn read() -> Option<String> { None }
    /// async fn relay(session: Session<Values>) {
    ///     let mut revoked = std::pin::pin!(session.revoked());
    ///     loop {
    ///         tokio::select! {
    ///             () = &mut revoked => break, // say goodbye
    ///             message = read() => if message.is_none() { break },
    ///         }
    ///     }
    /// }
    /// ```
    pub fn revoked(&self) -> impl Future<Output = ()> + Send + use<T> {
        let (shared, id) = (Arc::clone(&self.0.shared), self.id());
        let deadline = self.meta().map(|meta| meta.deadline());
        async move {
            if let Some(id) = id {
                ended(shared, id, deadline).await;
            }
        }
    }

    /// The state, for looking at it; the response is then tied to this client.
    fn touch(&self) -> MutexGuard<'_, State<T>> {
        self.0.touch()
    }

    /// The state, for editing it.
    fn open(&self) -> Result<MutexGuard<'_, State<T>>, Error> {
        self.0.open().ok_or_else(|| {
            log::edit_after_close(type_name::<T>());
            Error::new(ErrorKind::Closed)
        })
    }
}

/// How often a closure is run anew because the handle was edited while it ran.
const REENTRIES: usize = 64;

impl<T> Clone for Session<T> {
    #[inline]
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Session<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A session's data at one moment; derefs to `T`. Later edits do not show in it.
///
/// ```
/// # use http::{Request, Response};
/// # use sessile::{Error, Key, Session, SessionLayer, Values, store::MemoryStore};
/// use sessile::Snapshot;
/// # use tower::{Layer, ServiceExt, service_fn};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
/// # let service = sessions.layer(service_fn(|request: Request<()>| async move {
/// #     let session = Session::<Values>::of(&request).unwrap();
/// session.create(Values::new())?;
/// let before: Snapshot<Values> = session.get().expect("just created");
/// session.update(|values| values.insert("theme", "dark").map(drop))?.expect("plain text");
/// assert!(before.is_empty());
/// assert_eq!(session.get().unwrap().len(), 1);
/// #     Ok::<_, Error>(Response::new(String::new()))
/// # }));
/// # assert_eq!(service.oneshot(Request::new(())).await.unwrap().status(), 200);
/// # }
/// ```
pub struct Snapshot<T>(pub(super) Arc<Record<T>>);

impl<T> Deref for Snapshot<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.data
    }
}

/// Serialises as the data.
impl<T: Serialize> Serialize for Snapshot<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        T::serialize(self, serializer)
    }
}

impl<T> Clone for Snapshot<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Snapshot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Snapshot(..)")
    }
}
