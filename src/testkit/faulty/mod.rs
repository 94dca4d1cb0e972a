//! A store that fails on demand.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::error::StoreErrorKind;
use crate::store::Store;

mod fault;
mod relay;
mod script;

pub use self::fault::{Calls, Fault, Operation};
use self::script::Script;

/// A store in front of another that fails on demand, and counts.
///
/// It passes everything on until it is told otherwise; what it passes on at once is still answered
/// at once. Its clones are the same store: give one to the layer and keep one to pull the strings.
///
/// ```
/// use sessile::{Id, StoreErrorKind, Timestamp, store::Store};
/// use sessile::testkit::{Faulty, Model, Operation};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = Faulty::new(Model::<String>::new());
/// let (id, now) = (Id::generate()?, Timestamp::from_millis(0));
/// store.fail_next(Operation::Load, StoreErrorKind::Unavailable);
/// assert_eq!(store.load(id, now).await.unwrap_err().kind(), StoreErrorKind::Unavailable);
/// assert!(store.load(id, now).await?.is_none());
/// assert_eq!(store.calls().load, 2);
/// # Ok(()) }
/// ```
pub struct Faulty<T> {
    inner: Arc<dyn Store<T>>,
    clock: Arc<dyn Clock>,
    script: Arc<Mutex<Script>>,
}

impl<T: 'static> Faulty<T> {
    /// Stands in front of this store.
    pub fn new(store: impl Store<T>) -> Self {
        Self::in_front_of(Arc::new(store))
    }

    /// Stands in front of a store that somebody else holds as well.
    ///
    /// ```
    /// use std::sync::Arc;
    /// # use sessile::{Id, Timestamp};
    /// use sessile::store::Store;
    /// use sessile::testkit::{Faulty, Model};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (id, now) = (Id::generate()?, Timestamp::from_millis(0));
    /// let shared: Arc<dyn Store<String>> = Arc::new(Model::new());
    /// let store = Faulty::in_front_of(Arc::clone(&shared));
    /// shared.load(id, now).await?;
    /// assert_eq!(store.calls().total(), 0, "it hears of its own calls only");
    /// # Ok(()) }
    /// ```
    pub fn in_front_of(store: Arc<dyn Store<T>>) -> Self {
        let script = Arc::new(Mutex::new(Script::default()));
        Self { inner: store, clock: Arc::new(SystemClock), script }
    }

    /// The same with delays that this clock measures. Without it they take real time.
    ///
    /// ```
    /// use std::time::Duration;
    /// # use sessile::{Id, Timestamp, store::Store};
    /// use sessile::testkit::{Faulty, Model, Operation, SimulatedClock};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (id, now) = (Id::generate()?, Timestamp::from_millis(0));
    /// let clock = SimulatedClock::new();
    /// let store = Faulty::new(Model::<String>::new()).with_clock(clock.clone());
    /// store.delay(Operation::Load, Duration::from_secs(3));
    /// let answer = tokio::spawn(store.load(id, now));
    /// while clock.waiting() == 0 {
    ///     tokio::task::yield_now().await; // the delay begins when somebody waits for the answer
    /// }
    /// clock.advance(Duration::from_secs(3));
    /// assert!(answer.await?.is_ok());
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The same with every answer an [`Answer::later`](crate::store::Answer::later): nothing is
    /// done before the first poll, as with a database. This drives the layer down its other path.
    ///
    /// ```
    /// use sessile::{Id, Timestamp, store::Store, testkit::{Faulty, Model}};
    /// let store = Faulty::new(Model::<String>::new()).always_later();
    /// let answer = store.load(Id::generate().unwrap(), Timestamp::from_millis(0));
    /// assert!(answer.now_or_later().is_err());
    /// ```
    #[must_use]
    pub fn always_later(self) -> Self {
        self.script().later = true;
        self
    }
}

impl<T> Faulty<T> {
    /// The next call of this operation suffers this fault. Further ones queue up behind it.
    ///
    /// ```
    /// # use sessile::{Id, Timestamp, store::{Saved, Store}};
    /// use sessile::testkit::{Fault, Faulty, Model, Operation};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (id, now) = (Id::generate()?, Timestamp::from_millis(0));
    /// let store = Faulty::new(Model::<String>::new());
    /// store.next(Operation::Touch, Fault::Yield { before: 1, after: 1 });
    /// assert_eq!(store.touch(id, now).await?, Saved::Gone, "a little later");
    /// # Ok(()) }
    /// ```
    pub fn next(&self, operation: Operation, fault: Fault) {
        self.script().next(operation, fault);
    }

    /// Every call of this operation suffers this fault from now on.
    ///
    /// ```
    /// # use sessile::{Id, Timestamp, store::Store};
    /// use std::time::Duration;
    /// use sessile::testkit::{Fault, Faulty, Model, Operation};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (id, now) = (Id::generate()?, Timestamp::from_millis(0));
    /// let store = Faulty::new(Model::<String>::new());
    /// store.always(Operation::Delete, Fault::HangAfter);
    /// let waited = tokio::time::timeout(Duration::from_millis(1), store.delete(id, now)).await;
    /// assert!(waited.is_err(), "done, but nobody is told");
    /// # Ok(()) }
    /// ```
    pub fn always(&self, operation: Operation, fault: Fault) {
        self.script().always(operation, fault);
    }

    /// The next call fails with such an error, and nothing is done.
    ///
    /// ```
    /// # use sessile::{Id, Timestamp, store::Store};
    /// use sessile::{StoreErrorKind, testkit::{Faulty, Model, Operation}};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (id, now) = (Id::generate()?, Timestamp::from_millis(0));
    /// let store = Faulty::new(Model::<String>::new());
    /// store.fail_next(Operation::Load, StoreErrorKind::Unavailable);
    /// assert!(store.load(id, now).await.is_err());
    /// assert!(store.load(id, now).await.is_ok());
    /// # Ok(()) }
    /// ```
    pub fn fail_next(&self, operation: Operation, kind: StoreErrorKind) {
        self.next(operation, Fault::Fail(kind));
    }

    /// Every call fails with such an error, and nothing is done.
    ///
    /// ```
    /// # use sessile::{Id, Timestamp, store::Store};
    /// use sessile::{StoreErrorKind, testkit::{Faulty, Model, Operation}};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (id, now) = (Id::generate()?, Timestamp::from_millis(0));
    /// let store = Faulty::new(Model::<String>::new());
    /// store.fail_all(Operation::Load, StoreErrorKind::Undecodable);
    /// for _ in 0..3 {
    ///     let error = store.load(id, now).await.unwrap_err();
    ///     assert_eq!(error.kind(), StoreErrorKind::Undecodable);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn fail_all(&self, operation: Operation, kind: StoreErrorKind) {
        self.always(operation, Fault::Fail(kind));
    }

    /// Every call takes this long before anything is done.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// # use sessile::{Id, Timestamp, store::Store};
    /// use sessile::testkit::{Faulty, Model, Operation};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (id, now) = (Id::generate()?, Timestamp::from_millis(0));
    /// let store = Faulty::new(Model::<String>::new());
    /// store.delay(Operation::Load, Duration::from_millis(20)); // real ones: it has no other clock
    /// let start = Instant::now();
    /// store.load(id, now).await?;
    /// assert!(start.elapsed() >= Duration::from_millis(20));
    /// # Ok(()) }
    /// ```
    pub fn delay(&self, operation: Operation, by: Duration) {
        self.always(operation, Fault::Delay(by));
    }

    /// Calls are neither done nor ever answered.
    ///
    /// ```
    /// # use sessile::{Id, Timestamp, store::Store};
    /// use std::time::Duration;
    /// use sessile::testkit::{Faulty, Model, Operation};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (id, now) = (Id::generate()?, Timestamp::from_millis(0));
    /// let store = Faulty::new(Model::<String>::new());
    /// store.hang(Operation::Load);
    /// let waited = tokio::time::timeout(Duration::from_millis(1), store.load(id, now)).await;
    /// assert!(waited.is_err());
    /// # Ok(()) }
    /// ```
    pub fn hang(&self, operation: Operation) {
        self.always(operation, Fault::Hang);
    }

    /// The next call is done, but what comes back is such an error: the connection broke after
    /// the write.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use sessile::{Id, Meta, Record, Timestamp, store::{Admission, Store}};
    /// use sessile::{StoreErrorKind, testkit::{Faulty, Model, Operation}};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (id, now) = (Id::generate()?, Timestamp::from_millis(0));
    /// # let meta = Meta::new(now, Duration::from_secs(60), Duration::from_secs(90));
    /// # let record = Arc::new(Record::new(meta, "data"));
    /// let store = Faulty::new(Model::new());
    /// store.lose_reply(Operation::Create, StoreErrorKind::Timeout);
    /// assert!(store.create(id, record, Admission::OPEN, now).await.is_err());
    /// assert!(store.load(id, now).await?.is_some(), "it is there all the same");
    /// # Ok(()) }
    /// ```
    pub fn lose_reply(&self, operation: Operation, kind: StoreErrorKind) {
        self.next(operation, Fault::LoseReply(kind));
    }

    /// Runs this once, right before the next call of the operation reaches the store: the way to
    /// lose a race on purpose.
    ///
    /// ```
    /// use std::{sync::Arc, time::Duration};
    /// use sessile::{Id, Meta, Record, Timestamp, store::{Admission, Saved, Store}};
    /// use sessile::testkit::{Faulty, Model, Operation};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (model, id, now) = (Model::new(), Id::generate()?, Timestamp::from_millis(0));
    /// let meta = Meta::new(now, Duration::from_secs(60), Duration::from_secs(90));
    /// model.create(id, Arc::new(Record::new(meta, "data")), Admission::OPEN, now).await?;
    ///
    /// let store = Faulty::new(model.clone());
    /// store.before(Operation::Touch, async move { drop(model.delete(id, now).await) });
    /// assert_eq!(store.touch(id, now).await?, Saved::Gone, "the logout came first");
    /// # Ok(()) }
    /// ```
    pub fn before(&self, operation: Operation, hook: impl Future<Output = ()> + Send + 'static) {
        self.script().before(operation, Box::pin(hook));
    }

    /// Runs this once, between the next call of the operation and its answer.
    ///
    /// ```
    /// use sessile::{Id, Timestamp, store::Store, testkit::{Faulty, Model, Operation}};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (store, id, now) = (Faulty::new(Model::<String>::new()), Id::generate()?, Timestamp::from_millis(0));
    /// let other = store.clone();
    /// store.after(Operation::Load, async move { drop(other.delete(id, now).await) });
    /// store.load(id, now).await?;
    /// assert_eq!(store.calls().delete, 1);
    /// # Ok(()) }
    /// ```
    pub fn after(&self, operation: Operation, hook: impl Future<Output = ()> + Send + 'static) {
        self.script().after(operation, Box::pin(hook));
    }

    /// Forgets all faults and hooks: the store works again. Calls that hang go on hanging, the
    /// count of calls goes on counting, and [`always_later`](Self::always_later) stays.
    ///
    /// ```
    /// use sessile::{Id, Timestamp, store::Store, testkit::{Faulty, Model, Operation}};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let store = Faulty::new(Model::<String>::new());
    /// store.hang(Operation::Load);
    /// store.heal();
    /// assert!(store.load(Id::generate()?, Timestamp::from_millis(0)).await?.is_none());
    /// # Ok(()) }
    /// ```
    pub fn heal(&self) {
        self.script().heal();
    }

    /// How often each operation was called so far, failures included.
    ///
    /// ```
    /// # use sessile::{Id, Timestamp, store::Store};
    /// use sessile::testkit::{Faulty, Model};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (id, now) = (Id::generate()?, Timestamp::from_millis(0));
    /// let store = Faulty::new(Model::<String>::new());
    /// store.load(id, now).await?;
    /// assert_eq!(store.calls().load, 1);
    /// # Ok(()) }
    /// ```
    pub fn calls(&self) -> Calls {
        self.script().calls
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for Faulty<T> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            clock: Arc::clone(&self.clock),
            script: Arc::clone(&self.script),
        }
    }
}

impl<T> fmt::Debug for Faulty<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty").field("calls", &self.calls()).finish_non_exhaustive()
    }
}
