//! Sessions that live in their tickets, and how such a session can end all the same.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::answer::{Answer, StoreAnswer};
use crate::clock::Timestamp;
use crate::codec::Carrier;
use crate::context::Context;
use crate::error::{StoreError, StoreErrorKind};
use crate::event::Rejection;
use crate::id::Id;
use crate::record::{Meta, Record, SessionData};
use crate::store::{Admission, Created, Saved, Store, Swept};

/// Whether a session that lives in its ticket can be ended before it expires: to be said when its
/// layer is built.
///
/// ```
/// use std::time::Duration;
/// use sessile::codec::Sealed;
/// use sessile::{Key, Revocation, SessionLayer, Values, store::MemoryStore};
/// let day = Duration::from_secs(24 * 3600);
/// let denied = Revocation::deny_list(MemoryStore::new(), day); // a store that all nodes share
/// let sessions = SessionLayer::<Values>::carried(Sealed::new(Key::generate()), denied);
/// ```
#[derive(Clone)]
#[must_use = "a layer wants to know"]
pub struct Revocation(Option<(Arc<dyn Store<()>>, Duration)>);

impl Revocation {
    /// It cannot: a log-out makes the browser forget its ticket, and whoever has copied that goes
    /// on until it expires. The browser itself may get it back: a request that was under way during
    /// the log-out, and writes the session, answers with a ticket. For what nobody needs to end,
    /// such as preferences.
    ///
    /// ```
    /// # #[cfg(feature = "sealed")] {
    /// use sessile::{Key, Revocation, SessionLayer, Values, codec::Sealed};
    /// let sealed = Sealed::new(Key::generate());
    /// let preferences = SessionLayer::<Values>::carried(sealed, Revocation::impossible());
    /// # }
    /// ```
    pub fn impossible() -> Self {
        Self(None)
    }

    /// The ids of those that ended are kept in this store, until the sessions would have expired.
    /// It is asked in each request with a ticket, and again before one is sent, so that every node
    /// knows at once and no slow request brings a session back; a cache in
    /// front of it would not help, since caches do not hold what is absent. No session lives longer
    /// than `longest`.
    pub fn deny_list(store: impl Store<()>, longest: Duration) -> Self {
        Self(Some((Arc::new(store), longest)))
    }

    /// How long a session lives at most because of the deny list, if there is one.
    pub(crate) fn longest(&self) -> Option<Duration> {
        self.0.as_ref().map(|(_, longest)| *longest)
    }
}

impl fmt::Debug for Revocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("Revocation::impossible"),
            Some((store, longest)) => {
                f.debug_tuple("Revocation::deny_list").field(store).field(longest).finish()
            }
        }
    }
}

/// The tickets of a layer whose sessions live in them. To the rest of the layer they are a store
/// in which each request finds what it brought.
pub(crate) struct Tickets<T> {
    carrier: Box<dyn Carrier>,
    revocation: Revocation,
    data: PhantomData<fn() -> T>,
}

impl<T> Tickets<T> {
    pub(crate) fn carrier(&self) -> &dyn Carrier {
        &*self.carrier
    }

    pub(crate) const fn revocation(&self) -> &Revocation {
        &self.revocation
    }
}

impl<T: SessionData> Tickets<T> {
    pub(crate) fn new(carrier: impl Carrier, revocation: Revocation) -> Self {
        Self { carrier: Box::new(carrier), revocation, data: PhantomData }
    }

    /// The ticket of a session that is used now.
    pub(crate) fn seal(
        &self,
        purpose: &str,
        id: Id,
        record: &Record<T>,
        now: Timestamp,
    ) -> Option<String> {
        let meta = &record.meta;
        meta.touch(now);
        let payload = json!({
            "id": id.to_string(),
            "version": meta.version,
            "generation": meta.generation,
            "persistent": meta.persistent,
            "renewed": meta.renewed.as_millis(),
            "created": meta.created.as_millis(),
            "authenticated": meta.authenticated.as_millis(),
            "absolute": self.end(meta).as_millis(),
            "idle": u64::try_from(meta.idle().as_millis()).ok()?,
            "last_seen": meta.last_seen().as_millis(),
            "subject": meta.subject.as_deref(),
            "context": meta.context.as_deref().map(Context::to_json),
            "data": serde_json::to_value(&record.data).ok()?,
        });
        self.carrier.seal(purpose, payload.to_string().as_bytes())
    }

    /// The session in a ticket, if that decodes, and whether it is under an older key.
    pub(crate) fn open(
        &self,
        purpose: &str,
        ticket: &[u8],
    ) -> Result<(Id, Option<Arc<Record<T>>>, bool), Rejection> {
        let carried = self.carrier.open(purpose, ticket)?;
        let payload: Option<Value> = serde_json::from_slice(&carried.payload).ok();
        let id = payload.as_ref().and_then(|payload| payload.get("id")?.as_str()?.parse().ok());
        let id = id.ok_or(Rejection::Undecodable)?;
        let record = payload.and_then(read).map(|mut record| {
            record.meta.absolute = self.end(&record.meta);
            Arc::new(record)
        });
        Ok((id, record, carried.old_key))
    }

    /// When a session ends however it is used: not after its end on a deny list is forgotten, also
    /// if its ticket was sealed when that was later, or when there was none.
    fn end(&self, meta: &Meta) -> Timestamp {
        match self.revocation.longest() {
            Some(longest) => meta.absolute.min(meta.created.plus(longest)),
            None => meta.absolute,
        }
    }

    /// The record that was in a ticket, unless its session has ended.
    pub(crate) fn check(
        &self,
        id: Id,
        record: Arc<Record<T>>,
        now: Timestamp,
    ) -> StoreAnswer<Option<Arc<Record<T>>>> {
        let Some((denied, _)) = &self.revocation.0 else { return Answer::ready(Ok(Some(record))) };
        let outcome = |found: Result<Option<_>, StoreError>| {
            found.map(|found| if found.is_some() { None } else { Some(record) })
        };
        match denied.load(id, now).now_or_later() {
            Ok(found) => Answer::ready(outcome(found)),
            Err(later) => Answer::later(async move { outcome(later.await) }),
        }
    }

    /// Puts an id on the deny list; whether it was not there yet.
    fn deny(&self, id: Id, now: Timestamp) -> StoreAnswer<bool> {
        let Some((denied, longest)) = &self.revocation.0 else { return Answer::ready(Ok(true)) };
        let record = Arc::new(Record::new(Meta::new(now, *longest, *longest), ()));
        let outcome = |created: Result<Created, StoreError>| {
            created.map(|created| matches!(created, Created::Done { .. }))
        };
        match denied.create(id, record, Admission::OPEN, now).now_or_later() {
            Ok(created) => Answer::ready(outcome(created)),
            Err(later) => Answer::later(async move { outcome(later.await) }),
        }
    }
}

fn read<T: SessionData>(mut payload: Value) -> Option<Record<T>> {
    let data = serde_json::from_value(payload.get_mut("data")?.take()).ok()?;
    let number = |name: &str| payload.get(name)?.as_u64();
    let time = |name: &str| number(name).map(Timestamp::from_millis);
    let text = |name: &str| match payload.get(name)? {
        Value::Null => Some(None),
        value => value.as_str().map(Some),
    };
    let (created, absolute) = (time("created")?, time("absolute")?);
    let idle = Duration::from_millis(number("idle")?);
    let mut meta = Meta::new(created, idle, absolute.since(created));
    meta.version = number("version")?;
    meta.generation = u32::try_from(number("generation")?).ok()?;
    meta.persistent = payload.get("persistent")?.as_bool()?;
    meta.renewed = time("renewed")?;
    meta.authenticated = time("authenticated")?;
    meta.subject = text("subject")?.map(Into::into);
    meta.context = match text("context")? {
        None => None,
        Some(context) => Some(Arc::new(Context::from_json(context)?)),
    };
    meta.touch(time("last_seen")?);
    Some(Record::new(meta, data))
}

/// Nothing is kept, so every write of a session that has not ended succeeds: what it made goes out
/// with the response.
impl<T: SessionData> Store<T> for Tickets<T> {
    /// Only whether the session was ended, for those who wait for that.
    fn load(&self, id: Id, now: Timestamp) -> StoreAnswer<Option<Arc<Record<T>>>> {
        let elsewhere = || StoreError::new(StoreErrorKind::Unavailable);
        let Some((denied, _)) = &self.revocation.0 else { return Answer::ready(Err(elsewhere())) };
        let found = denied.load(id, now);
        Answer::later(async move {
            match found.await? {
                Some(_) => Ok(None),
                None => Err(elsewhere()),
            }
        })
    }

    fn create(
        &self,
        _id: Id,
        _record: Arc<Record<T>>,
        admission: Admission,
        now: Timestamp,
    ) -> StoreAnswer<Created> {
        let done = |replaced| Created::Done { evicted: Vec::new(), replaced };
        let Some(old) = admission.replacing else { return Answer::ready(Ok(done(false))) };
        match self.deny(old, now).now_or_later() {
            Ok(denied) => Answer::ready(denied.map(done)),
            Err(later) => Answer::later(async move { later.await.map(done) }),
        }
    }

    fn replace(
        &self,
        id: Id,
        _expected: u64,
        _record: Arc<Record<T>>,
        now: Timestamp,
    ) -> StoreAnswer<Saved> {
        self.touch(id, now)
    }

    /// The session may have been ended since the request came in, and the client have another by
    /// now, which its ticket must not take the place of.
    fn touch(&self, id: Id, now: Timestamp) -> StoreAnswer<Saved> {
        let Some((denied, _)) = &self.revocation.0 else { return Answer::ready(Ok(Saved::Done)) };
        let outcome = |found: Result<Option<_>, StoreError>| {
            found.map(|found| if found.is_some() { Saved::Gone } else { Saved::Done })
        };
        match denied.load(id, now).now_or_later() {
            Ok(found) => Answer::ready(outcome(found)),
            Err(later) => Answer::later(async move { outcome(later.await) }),
        }
    }

    fn delete(&self, id: Id, now: Timestamp) -> StoreAnswer<bool> {
        self.deny(id, now)
    }

    fn sweep(&self, now: Timestamp, max: usize) -> StoreAnswer<Swept> {
        match &self.revocation.0 {
            Some((denied, _)) => denied.sweep(now, max),
            None => Answer::ready(Ok(Swept::default())),
        }
    }
}

impl<T> fmt::Debug for Tickets<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tickets")
            .field("carrier", &self.carrier)
            .field("revocation", &self.revocation)
            .finish()
    }
}
