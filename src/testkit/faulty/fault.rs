//! What can be made to go wrong, and where.

use std::time::Duration;

use crate::error::StoreErrorKind;

/// An operation of a store.
///
/// ```
/// use sessile::{Id, StoreErrorKind, Timestamp, store::Store};
/// use sessile::testkit::{Faulty, Model, Operation};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = Faulty::new(Model::<String>::new());
/// store.fail_all(Operation::Touch, StoreErrorKind::Unavailable);
/// let (id, now) = (Id::generate()?, Timestamp::from_millis(0));
/// assert!(store.touch(id, now).await.is_err());
/// assert!(store.load(id, now).await.is_ok(), "the others work");
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// [`Store::load`](crate::store::Store::load)
    Load,
    /// [`Store::create`](crate::store::Store::create)
    Create,
    /// [`Store::replace`](crate::store::Store::replace)
    Replace,
    /// [`Store::touch`](crate::store::Store::touch)
    Touch,
    /// [`Store::delete`](crate::store::Store::delete)
    Delete,
    /// [`Store::sweep`](crate::store::Store::sweep)
    Sweep,
    /// [`SubjectIndex::list`](crate::store::SubjectIndex::list)
    List,
    /// [`SubjectIndex::count`](crate::store::SubjectIndex::count)
    Count,
    /// [`SubjectIndex::revoke`](crate::store::SubjectIndex::revoke)
    Revoke,
    /// [`Scan::scan`](crate::store::Scan::scan)
    Scan,
}

impl Operation {
    /// Every operation.
    ///
    /// ```
    /// use sessile::{Id, StoreErrorKind, Timestamp, store::Store};
    /// use sessile::testkit::{Faulty, Model, Operation};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let store = Faulty::new(Model::<String>::new());
    /// for operation in Operation::ALL {
    ///     store.fail_all(*operation, StoreErrorKind::Unavailable);
    /// }
    /// assert!(store.delete(Id::generate()?, Timestamp::from_millis(0)).await.is_err());
    /// # Ok(()) }
    /// ```
    pub const ALL: &[Self] = &[
        Self::Load,
        Self::Create,
        Self::Replace,
        Self::Touch,
        Self::Delete,
        Self::Sweep,
        Self::List,
        Self::Count,
        Self::Revoke,
        Self::Scan,
    ];
}

/// What goes wrong with a call. [`Faulty::next`](super::Faulty::next) and
/// [`Faulty::always`](super::Faulty::always) take one; the common ones have methods of their own.
///
/// ```
/// use sessile::{Id, StoreErrorKind, Timestamp, store::Store};
/// use sessile::testkit::{Fault, Faulty, Model, Operation};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = Faulty::new(Model::<String>::new());
/// store.next(Operation::Load, Fault::Yield { before: 1, after: 0 });
/// store.next(Operation::Load, Fault::Fail(StoreErrorKind::Timeout));
/// let (id, now) = (Id::generate()?, Timestamp::from_millis(0));
/// assert!(store.load(id, now).await.is_ok(), "late, but right");
/// assert!(store.load(id, now).await.is_err());
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It is not done and answers with such an error.
    Fail(StoreErrorKind),
    /// It is done and answers with such an error all the same.
    LoseReply(StoreErrorKind),
    /// It is not done and never answers.
    Hang,
    /// It is done and never answers.
    HangAfter,
    /// It is done after this time.
    Delay(Duration),
    /// Its future must be polled again so often before it is done, and so often until it answers.
    /// Dropping it between these polls is the client that went away.
    Yield {
        /// Before it is done.
        before: u32,
        /// Between that and the answer.
        after: u32,
    },
}

/// How often each operation was called.
///
/// ```
/// use sessile::{Id, Timestamp, store::Store, testkit::{Faulty, Model}};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (store, id) = (Faulty::new(Model::<String>::new()), Id::generate()?);
/// store.load(id, Timestamp::from_millis(0)).await?;
/// store.delete(id, Timestamp::from_millis(0)).await?;
/// let calls = store.calls();
/// assert_eq!((calls.load, calls.total(), calls.writes()), (1, 2, 1));
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Calls {
    /// Calls of [`Operation::Load`].
    pub load: u64,
    /// Calls of [`Operation::Create`].
    pub create: u64,
    /// Calls of [`Operation::Replace`].
    pub replace: u64,
    /// Calls of [`Operation::Touch`].
    pub touch: u64,
    /// Calls of [`Operation::Delete`].
    pub delete: u64,
    /// Calls of [`Operation::Sweep`].
    pub sweep: u64,
    /// Calls of [`Operation::List`].
    pub list: u64,
    /// Calls of [`Operation::Count`].
    pub count: u64,
    /// Calls of [`Operation::Revoke`].
    pub revoke: u64,
    /// Calls of [`Operation::Scan`].
    pub scan: u64,
}

impl Calls {
    /// All calls together.
    pub const fn total(&self) -> u64 {
        self.load + self.list + self.count + self.sweep + self.scan + self.writes()
    }

    /// The calls that change a session or end one: create, replace, touch, delete, revoke.
    pub const fn writes(&self) -> u64 {
        self.create + self.replace + self.touch + self.delete + self.revoke
    }

    pub(super) const fn note(&mut self, operation: Operation) {
        let count = match operation {
            Operation::Load => &mut self.load,
            Operation::Create => &mut self.create,
            Operation::Replace => &mut self.replace,
            Operation::Touch => &mut self.touch,
            Operation::Delete => &mut self.delete,
            Operation::Sweep => &mut self.sweep,
            Operation::List => &mut self.list,
            Operation::Count => &mut self.count,
            Operation::Revoke => &mut self.revoke,
            Operation::Scan => &mut self.scan,
        };
        *count += 1;
    }
}
