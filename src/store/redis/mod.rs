//! Sessions in Redis.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

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
use crate::error::{OpenError, StoreError};
use crate::id::Id;
use crate::record::{Meta, Record, SessionData};

mod address;
mod changes;
mod cluster;
mod dial;
mod engine;
mod failure;
mod fleet;
mod layout;
mod link;
mod options;
mod row;
mod scan;
mod script;
mod steps;
mod whole;

/// Keeps sessions in Redis.
pub struct RedisStore<T> {
    engine: Arc<Engine>,
    data: PhantomData<fn() -> T>,
}

impl<T: SessionData> RedisStore<T> {
    /// Connects to the server or servers at this address with the default
    /// [options](RedisOptions::new).
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn connect(url: &str) -> Result<Self, OpenError> {
        Self::open(RedisOptions::new(url)).await
    }

    /// Connects and makes sure that all commands the store needs are there and permitted.
    ///
    /// # Errors
    /// An [`OpenError`] that says what to change, and of what kind it is: an address that makes
    /// no sense, a scheme without a store, TLS that is not compiled in, nobody at the address, a
    /// wrong password or a missing right.
    pub async fn open(options: RedisOptions) -> Result<Self, OpenError> {
        let address = Address::parse(&options.url)?;
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

    /// Answers what this call on the engine comes to. A call of several steps runs to its end once
    /// it has begun, whoever stops waiting.
    fn later<V: Send + 'static, F>(&self, call: impl FnOnce(Arc<Engine>) -> F) -> StoreAnswer<V>
    where
        F: Future<Output = Result<V, StoreError>> + Send + 'static,
    {
        let future = call(Arc::clone(&self.engine));
        if self.engine.whole {
            return Answer::later(future);
        }
        Answer::later(async move {
            tokio::spawn(future).await.unwrap_or_else(|_| Err(failure::unexpected()))
        })
    }
}

impl<T: SessionData> Store<T> for RedisStore<T> {
    fn load(&self, id: Id, now: Timestamp) -> StoreAnswer<Option<Arc<Record<T>>>> {
        let engine = Arc::clone(&self.engine);
        Answer::later(async move { engine.load(id, now).await })
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
        self.later(|engine| async move {
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
        self.later(|engine| async move { engine.replace(id, expected, draft, now).await })
    }

    fn touch(&self, id: Id, now: Timestamp) -> StoreAnswer<Saved> {
        let engine = Arc::clone(&self.engine);
        Answer::later(async move { engine.touch(id, now).await })
    }

    fn delete(&self, id: Id, now: Timestamp) -> StoreAnswer<bool> {
        self.later(|engine| async move { engine.delete(id, "", now, engine.until()).await })
    }

    /// Redis removes expired records by itself: there is nothing left to sweep.
    fn sweep(&self, _now: Timestamp, _max: usize) -> StoreAnswer<Swept> {
        Answer::ready(Ok(Swept::new(0, false)))
    }

    fn subjects(&self) -> Option<&dyn SubjectIndex> {
        Some(self)
    }

    fn scan(&self) -> Option<&dyn Scan> {
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
        self.later(move |engine| async move {
            match engine.whole {
                true => engine.list_at_once(&subject, after, max, now).await,
                false => engine.list_in_steps(&subject, after, max, now).await,
            }
        })
    }

    fn count(&self, subject: &str, now: Timestamp) -> StoreAnswer<usize> {
        let subject = subject.to_owned();
        self.later(move |engine| async move {
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
        self.later(move |engine| async move {
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
