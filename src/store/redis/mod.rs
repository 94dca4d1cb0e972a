//! Sessions in Redis or Valkey: one server, Sentinel or a cluster.
//!
//! 1. A session is one string with one time to live, which Redis keeps by its own clock. It never
//!    ends later than the deadlines; whether a session is live is decided by the time of the call.
//! 2. A load, a log-in that ends nothing and a log-out are one plain command each. A write that
//!    must decide is one script, that decides and writes in one step.
//! 3. The sessions of a subject are in a sorted set. A session has its place there before it
//!    begins and until after it has ended.
//! 4. Nothing here looks through keys, but for [`Scan`], the administrator's.
//! 5. A write whose outcome is unknown is not sent again.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use tokio::time::timeout;

use self::address::Address;
use self::engine::Engine;
use self::fleet::Fleet;
use self::layout::Layout;
pub use self::options::RedisOptions;
use super::answer::Answer;
use super::{
    Admission, ChangeFeed, Created, Revoke, Revoked, Saved, Scan, Store, StoreAnswer, SubjectIndex,
    Swept,
};
use crate::clock::Timestamp;
use crate::error::{OpenError, StoreError, StoreErrorKind};
use crate::id::Id;
use crate::record::{Meta, Record, SessionData};

mod address;
mod changes;
mod cluster;
mod dial;
mod draft;
mod engine;
mod failure;
mod fleet;
mod layout;
mod link;
mod options;
mod primaries;
mod row;
mod scan;
mod script;
mod steps;
mod tls;
mod whole;

/// Keeps sessions in Redis 6.2 or later, or in Valkey: one server, Sentinel or a cluster. Clones
/// share a connection to each server.
///
/// ```no_run
/// use sessile::{Key, SessionLayer, Values};
/// use sessile::store::RedisStore;
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let store = RedisStore::<Values>::connect("redis://127.0.0.1/").await?;
/// let layer = SessionLayer::new(store, Key::generate());
/// # Ok(())
/// # }
/// ```
///
/// # What is stored
///
/// With the default prefix, and for anybody to read:
///
/// | key | type | |
/// |---|---|---|
/// | `sessile:session:<id>` | string | a session; goes with its deadline |
/// | `sessile:subject:<SHA-256 of the subject, in hexadecimal>` | sorted set | the places of a subject's sessions; goes with the latest of their absolute deadlines |
///
/// `redis-cli --raw get` shows a session as four parts, each on a line of its own:
///
/// | part | |
/// |---|---|
/// | the first line | words with a space between: the format (1), version, last seen, end (the earlier deadline), place in the index, idle limit, absolute deadline, created, authenticated, renewed, generation, 0 or 1 for confirmed and for persistent, the lengths of context and subject in bytes, and, in a cluster, the places of the sessions that it ended when it began |
/// | context | the [context](crate::Context) as JSON: how it began |
/// | subject | whom it belongs to |
/// | data | the application's data, as JSON |
///
/// Times are in milliseconds since 1970; version, last seen and end have twenty digits. Of what there
/// is none has `-` in the first line and leaves its own line empty. Whoever changes a context or a
/// subject by hand changes its length with it; the data have none and are what remains.
///
/// A place is `<id> <stamp>` in the index and `<hash of the subject>/<stamp>` in the session, where
/// the stamp is the server's time in microseconds when the place was taken. A session that ends
/// leaves its place right after. Places whose sessions have gone are harmless. They are cleared away
/// when they are seen, and each new session of the subject looks at four.
///
/// # What is promised
///
/// What Redis has acknowledged is kept as long as Redis keeps it: with `appendfsync always` it
/// survives a crash, with the default up to a second of it is lost. **Replication is
/// asynchronous**: a replica that takes over may lack the last moments, which brings back what was
/// changed in them, a logout included. `min-replicas-to-write` bounds that. Set
/// `maxmemory-policy noeviction`: under another policy Redis ends sessions when memory is short,
/// or forgets whose they are. Servers and applications need clocks that agree, for Redis removes a
/// session when its own clock says so.
///
/// With one server or Sentinel, or under a prefix with a [hash tag](RedisOptions::prefix), every
/// call is one atomic step. **In a cluster** a session and the index of its subject are on
/// different nodes, and what concerns both takes several steps:
///
/// - A limit holds as it does anywhere else, and no session is ever missing from the index. A login
///   without a limit (another layer's) that slips in while one with a limit is under way is not
///   counted by that.
/// - What a new session replaces or evicts ends right after it has begun, not in the same moment.
///   Lists leave it out from the moment on; whoever has its ticket may still be served until then.
///   If the process dies in between, the old session stays beside the new one until its deadline,
///   or until it is ended.
/// - If the process dies just before the new session is written, its place counts as somebody who
///   is about to come: for ten seconds, logins for which that decides about the limit wait, and
///   fail with a timeout.
///
/// # Which rights
///
/// A user of Redis's access lists needs these, on every server, and is told so when one is missing:
///
/// ```text
/// ACL SETUSER app on >… ~sessile:* +@string +@sortedset +@keyspace +@scripting +time +ping +info
///     +role +select +asking +client|tracking +cluster|slots
/// ```
///
/// `role` is for Sentinel, `select` for a database other than 0, `asking` and `cluster|slots` for a
/// cluster, `client|tracking` and `ping` for the [change feed](Store::changes), `info` for
/// [going through all sessions](Store::all).
///
/// # Which servers
///
/// The whole conformance kit and the fault tests pass on one server, through Sentinel and in a
/// cluster of Redis 7.0, and were run in the same way on Redis 6.2 and Valkey 9.1. TLS was tried with
/// Redis 7.0, in all three forms.
///
/// # When servers fail
///
/// Every call on a session ends within the [timeout](RedisOptions::timeout), and so does each page
/// of a long list. In a cluster the steps that are left then go on without the caller. A connection
/// is replaced when it breaks, and when it owes answers and has given none for three quarters of the
/// timeout, whoever still waits; while that fails, calls fail at once, and one attempt is made after
/// pauses of 50 milliseconds up to a second. Reads are sent again once, writes are not, unless the
/// server said that it did nothing. In a cluster the map of slots is read again when a node does
/// not answer or names another; with Sentinel the primary is asked for at each new connection.
pub struct RedisStore<T> {
    engine: Arc<Engine>,
    data: PhantomData<fn() -> T>,
}

impl<T: SessionData> RedisStore<T> {
    /// Connects to the server or servers at this address with the default
    /// [options](RedisOptions::new).
    ///
    /// ```no_run
    /// # use sessile::{Values, store::RedisStore};
    /// # async fn run() -> Result<(), sessile::OpenError> {
    /// let cluster = "redis+cluster://10.0.0.1:6379,10.0.0.2:6379,10.0.0.3:6379";
    /// let store = RedisStore::<Values>::connect(cluster).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn connect(url: &str) -> Result<Self, OpenError> {
        Self::open(RedisOptions::new(url)).await
    }

    /// Connects and makes sure that all commands the store needs are there and permitted.
    ///
    /// ```no_run
    /// # use sessile::{Values, store::{RedisOptions, RedisStore}};
    /// # async fn run() -> Result<(), sessile::OpenError> {
    /// let options = RedisOptions::new("redis+sentinel://10.0.0.1:26379/main/2").prefix("shop:");
    /// let store = RedisStore::<Values>::open(options).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// An [`OpenError`] that says what to change, and of what kind it is: an address that makes
    /// no sense, a scheme without a store, TLS that is not compiled in, nobody at the address, a
    /// wrong password or a missing right.
    pub async fn open(options: RedisOptions) -> Result<Self, OpenError> {
        let address = Address::parse(&options.url, options.root_certificate.as_deref())?;
        let layout = Layout::new(options.prefix);
        let whole = !matches!(address, Address::Cluster { .. }) || layout.is_pinned();
        let engine = Engine {
            fleet: Fleet::new(address, options.timeout),
            layout,
            max_data: options.max_data,
            timeout: options.timeout,
            whole,
            changes: options.changes,
        };
        engine.probe().await?;
        Ok(Self { engine: Arc::new(engine), data: PhantomData })
    }

    /// Answers what a change on the engine comes to. One of several steps runs to its end once it
    /// has begun, whoever stops waiting.
    fn change<V: Send + 'static, F>(&self, call: impl FnOnce(Arc<Engine>) -> F) -> StoreAnswer<V>
    where
        F: Future<Output = Result<V, StoreError>> + Send + 'static,
    {
        let (change, limit) = (call(Arc::clone(&self.engine)), self.engine.timeout);
        if self.engine.whole {
            return Answer::later(change);
        }
        Answer::later(async move {
            match timeout(limit, tokio::spawn(change)).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => Err(failure::unexpected()),
                Err(_) => Err(StoreError::new(StoreErrorKind::Timeout)),
            }
        })
    }

    fn ask<V: 'static, F>(&self, call: impl FnOnce(Arc<Engine>) -> F) -> StoreAnswer<V>
    where
        F: Future<Output = Result<V, StoreError>> + Send + 'static,
    {
        Answer::later(call(Arc::clone(&self.engine)))
    }
}

impl<T: SessionData> Store<T> for RedisStore<T> {
    fn load(&self, id: Id, now: Timestamp) -> StoreAnswer<Option<Arc<Record<T>>>> {
        self.ask(|engine| async move { engine.load(id, now).await })
    }

    fn create(
        &self,
        id: Id,
        record: Arc<Record<T>>,
        admission: Admission,
        now: Timestamp,
    ) -> StoreAnswer<Created> {
        let draft = match self.engine.draft(&record) {
            Ok(draft) => draft,
            Err(error) => return Answer::ready(Err(error)),
        };
        self.change(|engine| async move {
            match engine.whole {
                true => engine.create_at_once(id, &draft, admission, now).await,
                false => engine.create_in_steps(id, draft, admission, now).await,
            }
        })
    }

    fn replace(
        &self,
        id: Id,
        expected: u64,
        record: Arc<Record<T>>,
        now: Timestamp,
    ) -> StoreAnswer<Saved> {
        let draft = match self.engine.draft(&record) {
            Ok(draft) => draft,
            Err(error) => return Answer::ready(Err(error)),
        };
        self.change(|engine| async move { engine.replace(id, expected, draft, now).await })
    }

    fn touch(&self, id: Id, now: Timestamp) -> StoreAnswer<Saved> {
        self.ask(|engine| async move { engine.touch(id, now).await })
    }

    fn delete(&self, id: Id, now: Timestamp) -> StoreAnswer<bool> {
        self.change(|engine| async move { engine.delete(id, now, engine.until()).await })
    }

    /// Redis removes expired records by itself: there is nothing left to sweep.
    fn sweep(&self, _now: Timestamp, _max: usize) -> StoreAnswer<Swept> {
        Answer::ready(Ok(Swept::new(0, false)))
    }

    fn subjects(&self) -> Option<&dyn SubjectIndex> {
        Some(self)
    }

    fn all(&self) -> Option<&dyn Scan> {
        Some(self)
    }

    fn changes(&self) -> Option<&dyn ChangeFeed> {
        self.engine.changes.then_some(self)
    }
}

impl<T: SessionData> SubjectIndex for RedisStore<T> {
    fn list(
        &self,
        subject: &str,
        after: Option<Id>,
        max: usize,
        now: Timestamp,
    ) -> StoreAnswer<Vec<(Id, Meta)>> {
        let subject = subject.to_owned();
        self.ask(move |engine| async move {
            match engine.whole {
                true => engine.list_at_once(&subject, after, max, now).await,
                false => engine.list_in_steps(&subject, after, max, now).await,
            }
        })
    }

    fn count(&self, subject: &str, now: Timestamp) -> StoreAnswer<usize> {
        let subject = subject.to_owned();
        self.ask(move |engine| async move {
            match engine.whole {
                true => engine.count_at_once(&subject, now).await,
                false => engine.count_in_steps(&subject, now).await,
            }
        })
    }

    fn revoke(
        &self,
        subject: &str,
        which: Revoke,
        max: usize,
        now: Timestamp,
    ) -> StoreAnswer<Revoked> {
        let subject = subject.to_owned();
        self.ask(move |engine| async move {
            match engine.whole {
                true => engine.revoke_at_once(&subject, which, max, now).await,
                false => engine.revoke_in_steps(&subject, which, max, now).await,
            }
        })
    }
}

impl<T> Clone for RedisStore<T> {
    fn clone(&self) -> Self {
        Self { engine: Arc::clone(&self.engine), data: PhantomData }
    }
}

/// Shows neither address nor credentials.
impl<T> fmt::Debug for RedisStore<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("at", &self.engine.fleet.name())
            .field("prefix", &self.engine.layout.prefix())
            .finish_non_exhaustive()
    }
}
