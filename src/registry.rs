//! The sessions of a subject, from outside any of their requests.

use std::fmt;
use std::sync::Arc;

use crate::client::Client;
use crate::clock::Timestamp;
use crate::error::{Error, StoreError, StoreErrorKind};
use crate::event::EndReason;
use crate::id::Id;
use crate::record::Meta;
use crate::session::Session;
use crate::shared::Shared;
use crate::store::{Cursor, Revoke, Scanned, StoreAnswer, SubjectIndex};
use crate::wait::Timed;

/// Lists and ends sessions, whoever they belong to; made by
/// [`SessionLayer::sessions`](crate::SessionLayer::sessions). For "your devices" pages, password
/// changes and administrators (ASVS 7.4.2, 7.5.2).
///
/// What it ends is ended for every node: the next request with its ticket finds nothing (behind a
/// cache, within that cache's stated bound). Each end is told to the
/// [observer](crate::SessionLayer::observer) with [`EndReason::Revoked`] and wakes
/// [`Session::revoked`](crate::Session::revoked).
///
/// It reaches the sessions of the layer's store and no others: the table, the file or the key
/// prefix that the store was opened with is the border. Tenants who must not see each other's
/// sessions (ASVS 8.4.1) have a store each, on one server if you like; then no id and no subject of
/// the one means anything to the other. Layers that share a store share its subjects, whatever
/// their keys.
///
/// ```
/// use sessile::{Key, SessionLayer, Values, store::MemoryStore};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sessile::Error> {
/// let layer = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
/// let sessions = layer.sessions();
/// assert_eq!(sessions.count("ann").await?, 0);
/// // After a change of password:
/// let ended = sessions.revoke_all("ann").await?;
/// # assert_eq!(ended, 0);
/// # Ok(()) }
/// ```
pub struct Sessions<T>(Arc<Shared<T>>);

/// A live session in a list.
///
/// Where and with what it began is known if the layer
/// [records clients](crate::SessionLayer::client_hints). It is what the client said of itself
/// then: enough to recognise one's own devices by (ASVS 7.5.2), and text to be escaped like any
/// other that a stranger has written.
///
/// ```
/// use sessile::{Active, Client, Error, Listed, Sessions, Values};
/// /// "Your devices": what each is, when it was last seen, and which one this is.
/// async fn devices(sessions: &Sessions<Values>, user: &str, here: &Active<Values>) -> Result<(), Error> {
///     for device in sessions.list(user, None, 100).await? {
///         let Listed { id, meta, .. } = &device;
///         let mark = if device.is_current(here.session()) { "this one" } else { "another" };
///         let agent = device.client().and_then(Client::user_agent).unwrap_or("an unknown program");
///         println!("{id}: {mark}, {agent}, {}", meta.last_seen().as_millis());
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Listed {
    /// Its public handle. It is no ticket: knowing it lets nobody in.
    pub id: Id,
    /// When it began, was last used, ends, how it began, and so on.
    pub meta: Meta,
}

impl Listed {
    /// Whether it is the session of this request.
    pub fn is_current<T: crate::SessionData>(&self, session: &Session<T>) -> bool {
        session.id() == Some(self.id)
    }

    /// The client that began it, as far as that was known.
    pub fn client(&self) -> Option<&Client> {
        self.meta.context.as_deref()?.client.as_ref()
    }
}

impl<T: Send + Sync + 'static> Sessions<T> {
    pub(crate) const fn new(shared: Arc<Shared<T>>) -> Self {
        Self(shared)
    }

    /// The subject's live sessions in the order of their ids, which is no order in time: at most
    /// `max` of them, after the id `after`. The last id of a page is where the next one starts.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store) if the store failed.
    pub async fn list(
        &self,
        subject: &str,
        after: Option<Id>,
        max: usize,
    ) -> Result<Vec<Listed>, Error> {
        let page = self.ask("list", |index, now| index.list(subject, after, max, now)).await?;
        Ok(page.into_iter().map(|(id, meta)| Listed { id, meta }).collect())
    }

    /// How many live sessions the subject has.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store) if the store failed.
    pub async fn count(&self, subject: &str) -> Result<usize, Error> {
        self.ask("count", |index, now| index.count(subject, now)).await
    }

    /// Ends this session if it is the subject's; says whether it was and lived until now. On a page
    /// for users, let only a fresh login do so (ASVS 7.5.2): a [guard](crate::guard) can ask for one.
    ///
    /// ```
    /// use sessile::{Active, Error, Id, Sessions, Values};
    /// /// "Sign out this device", "sign out all others".
    /// async fn sign_out(
    ///     sessions: &Sessions<Values>,
    ///     user: &str,
    ///     device: Option<Id>,
    ///     here: &Active<Values>,
    /// ) -> Result<usize, Error> {
    ///     match (device, here.session().id()) {
    ///         (Some(device), _) => Ok(usize::from(sessions.revoke(user, device).await?)),
    ///         (None, Some(current)) => sessions.revoke_others(user, current).await,
    ///         (None, None) => Ok(0),
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store) if the store failed.
    pub async fn revoke(&self, subject: &str, id: Id) -> Result<bool, Error> {
        Ok(self.revoke_each(subject, Revoke::One(id)).await? > 0)
    }

    /// Ends all of the subject's sessions but this one ("sign out my other devices"), and counts
    /// them.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store) if the store failed; some may have ended.
    pub async fn revoke_others(&self, subject: &str, current: Id) -> Result<usize, Error> {
        self.revoke_each(subject, Revoke::Others(current)).await
    }

    /// Ends all of the subject's sessions, and counts them. One that begins meanwhile may live on:
    /// whatever shall keep the subject out must be in force before this is called.
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store) if the store failed; some may have ended.
    pub async fn revoke_all(&self, subject: &str) -> Result<usize, Error> {
        self.revoke_each(subject, Revoke::All).await
    }

    /// Goes through all sessions of everybody and ends those that the predicate picks; counts
    /// them. An administrator's tool: it reads the whole store, in steps, between which others get
    /// their turn. Spawn it rather than await it in a request.
    ///
    /// ```
    /// # use sessile::{Key, SessionLayer, Timestamp, Values, store::MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sessile::Error> {
    /// # let layer = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// # let incident = Timestamp::from_millis(0);
    /// let sessions = layer.sessions();
    /// let ended = sessions.revoke_where(|listed| listed.meta.authenticated < incident).await?;
    /// # assert_eq!(ended, 0);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Store`](crate::ErrorKind::Store) if the store failed or has no way through all
    /// sessions; some may have ended.
    pub async fn revoke_where(
        &self,
        mut predicate: impl FnMut(&Listed) -> bool + Send,
    ) -> Result<usize, Error> {
        let (mut ended, mut from) = (0, None);
        loop {
            let step = self.scan(from).await?;
            for (id, meta) in step.sessions {
                let listed = Listed { id, meta };
                if predicate(&listed) {
                    ended += usize::from(self.end(&listed).await?);
                }
            }
            if step.next.is_none() {
                return Ok(ended);
            }
            from = step.next;
            self.0.clock.sleep(BREATH).await;
        }
    }

    async fn scan(&self, from: Option<Cursor>) -> Result<Scanned, Error> {
        let shared = &self.0;
        let answer = shared.store.all().map_or_else(
            || StoreAnswer::ready(Err(unsupported("this store has no `Store::all`"))),
            |scan| scan.scan(from, STEP, shared.now()),
        );
        self.answer("scan", answer).await
    }

    async fn end(&self, listed: &Listed) -> Result<bool, Error> {
        let Listed { id, meta } = listed;
        let existed = self.answer("delete", self.0.store.delete(*id, self.0.now())).await?;
        if existed {
            self.0.ended(*id, EndReason::Revoked, meta.subject.as_deref(), None);
        }
        Ok(existed)
    }

    async fn revoke_each(&self, subject: &str, which: Revoke) -> Result<usize, Error> {
        let mut ended = 0;
        loop {
            let revoked =
                self.ask("revoke", |index, now| index.revoke(subject, which, STEP, now)).await?;
            for id in &revoked.ids {
                self.0.ended(*id, EndReason::Revoked, Some(subject), None);
            }
            ended += revoked.ids.len();
            if !revoked.more {
                return Ok(ended);
            }
        }
    }

    fn ask<V: Send + 'static>(
        &self,
        operation: &'static str,
        call: impl FnOnce(&dyn SubjectIndex, Timestamp) -> StoreAnswer<V>,
    ) -> impl Future<Output = Result<V, Error>> + Send {
        let answer = self.0.store.subjects().map_or_else(
            || StoreAnswer::ready(Err(unsupported("this store has no `Store::subjects`"))),
            |index| call(index, self.0.now()),
        );
        self.answer(operation, answer)
    }

    fn answer<V: Send + 'static>(
        &self,
        operation: &'static str,
        answer: StoreAnswer<V>,
    ) -> impl Future<Output = Result<V, Error>> + Send {
        let shared = Arc::clone(&self.0);
        async move {
            let timed = Timed::new(answer, &*shared.clock, shared.store_timeout);
            timed.await.map_err(|error| {
                shared.store_failed(operation, &error);
                error.into()
            })
        }
    }
}

/// It cannot be said when the layer is built: a store may be chosen at run time.
fn unsupported(what: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable).with_source(what)
}

/// How many sessions one call of the store lists or ends.
const STEP: usize = 500;

/// Between two steps through all sessions.
const BREATH: std::time::Duration = std::time::Duration::from_millis(1);

impl<T> Clone for Sessions<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Sessions<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sessions").field(&self.0.store).finish()
    }
}
