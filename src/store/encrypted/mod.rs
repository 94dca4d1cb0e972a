//! Session data that only the application can read.
//!
//! 1. What the store behind keeps of the data is a [`Ciphertext`]: whoever reads its tables, its
//!    backups or its traffic learns how long the data is and nothing else of it.
//! 2. Each write has a fresh nonce and is bound to its session and that session's subject: a
//!    ciphertext that was altered, or moved to another row, or whose row was given to another
//!    subject, does not open.
//! 3. The newest key of the ring seals, every key of the ring opens. What does not open is
//!    [`Undecodable`](crate::StoreErrorKind::Undecodable) and stays where it is: the request has
//!    no session.
//! 4. The [metadata](crate::Meta) stays readable, for the store needs it: deadlines, version, and
//!    the subject, by which sessions are found. Make the subject a number or a random name, not
//!    an e-mail address, and it says nothing about a person to those who do not have the
//!    application's own tables. So does the [context](crate::Context), for lists of devices are
//!    made without the data: a layer that records [clients](crate::SessionLayer::client_hints) keeps
//!    addresses and user agents in the clear, whatever is encrypted.
//!
//! It does not help against someone who may *write* to the store's tables: deadlines can be put
//! off, sessions be deleted, and an older state of a session be put back in its place.

mod ciphertext;
mod sealer;

use std::fmt;
use std::sync::Arc;

pub use self::ciphertext::Ciphertext;
use self::sealer::Sealer;
use super::answer::Answer;
use super::{Admission, ChangeFeed, Created, Saved, Scan, Store, StoreAnswer, SubjectIndex, Swept};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::id::Id;
use crate::key::Keyring;
use crate::record::{Record, SessionData};

/// Encrypts the data before the store behind it sees it, with XChaCha20-Poly1305.
///
/// The keys may be those of the layer: each use has a subkey of its own. Keep the ring that you
/// give it, or a clone, and it follows a [roll-over](Keyring::roll_over) or a
/// [revocation](Keyring::revoke) at run time. A session is sealed with the newest key when it is
/// next written, which the renewal of its ticket does as well; until then its old key must stay
/// in the ring. Sessions under a revoked key cannot be read any more.
///
/// The metadata stays readable, and with it who the session belongs to and how it began: address
/// and user agent, if the layer records them.
///
/// Every load decrypts. If that is too much, put `Cached` *before* it, as in
/// `Cached::new(Encrypted::new(redis, key))`: then the plain data is in the memory of this
/// process only, and a hit decrypts nothing.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use sessile::{Id, Key, Meta, Record, Timestamp};
/// use sessile::store::{Admission, Encrypted, MemoryStore, Store};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let behind = MemoryStore::new();
/// let store = Encrypted::new(behind.clone(), Key::generate());
///
/// let (id, now) = (Id::generate()?, Timestamp::from_millis(0));
/// let meta = Meta::new(now, Duration::from_secs(60), Duration::from_secs(600));
/// let record = Arc::new(Record::new(meta, "a secret".to_owned()));
/// store.create(id, record, Admission::OPEN, now).await?;
///
/// let kept = behind.load(id, now).await?.unwrap();
/// assert!(kept.data.as_str().starts_with("v1."));
/// let found: Arc<Record<String>> = store.load(id, now).await?.unwrap();
/// assert_eq!(found.data, "a secret");
/// # Ok(()) }
/// ```
pub struct Encrypted<S> {
    store: S,
    sealer: Arc<Sealer>,
}

impl<S: Store<Ciphertext>> Encrypted<S> {
    /// Encrypts what goes to this store with the keys of this ring, or with one key.
    ///
    /// ```
    /// use sessile::{Key, Keyring, store::{Encrypted, MemoryStore}};
    /// let (old, new) = (Key::generate(), Key::generate());
    /// let ring = Keyring::new(new).also_accept(old);
    /// let store = Encrypted::new(MemoryStore::new(), ring.clone());
    /// ring.roll_over(Key::generate()); // from now on this one seals
    /// # let _ = store;
    /// ```
    pub fn new(store: S, keys: impl Into<Keyring>) -> Self {
        Self { store, sealer: Arc::new(Sealer::new(keys.into())) }
    }
}

impl<T: SessionData, S: Store<Ciphertext>> Store<T> for Encrypted<S> {
    fn load(&self, id: Id, now: Timestamp) -> StoreAnswer<Option<Arc<Record<T>>>> {
        let sealer = Arc::clone(&self.sealer);
        then(self.store.load(id, now), move |found| {
            found.map(|record| sealer.open(id, &record).map(Arc::new)).transpose()
        })
    }

    fn create(
        &self,
        id: Id,
        record: Arc<Record<T>>,
        admission: Admission,
        now: Timestamp,
    ) -> StoreAnswer<Created> {
        match self.sealer.seal(id, &record) {
            Ok(sealed) => self.store.create(id, Arc::new(sealed), admission, now),
            Err(error) => Answer::ready(Err(error)),
        }
    }

    fn replace(
        &self,
        id: Id,
        expected: u64,
        record: Arc<Record<T>>,
        now: Timestamp,
    ) -> StoreAnswer<Saved> {
        match self.sealer.seal(id, &record) {
            Ok(sealed) => self.store.replace(id, expected, Arc::new(sealed), now),
            Err(error) => Answer::ready(Err(error)),
        }
    }

    fn touch(&self, id: Id, now: Timestamp) -> StoreAnswer<Saved> {
        self.store.touch(id, now)
    }

    fn delete(&self, id: Id, now: Timestamp) -> StoreAnswer<bool> {
        self.store.delete(id, now)
    }

    fn sweep(&self, now: Timestamp, max: usize) -> StoreAnswer<Swept> {
        self.store.sweep(now, max)
    }

    fn subjects(&self) -> Option<&dyn SubjectIndex> {
        self.store.subjects()
    }

    fn all(&self) -> Option<&dyn Scan> {
        self.store.all()
    }

    fn changes(&self) -> Option<&dyn ChangeFeed> {
        self.store.changes()
    }
}

/// The same answer, at once or later, with its value made into another.
fn then<V: Send + 'static, W>(
    answer: StoreAnswer<V>,
    make: impl FnOnce(V) -> Result<W, StoreError> + Send + 'static,
) -> StoreAnswer<W> {
    match answer.now_or_later() {
        Ok(answer) => Answer::ready(answer.and_then(make)),
        Err(later) => Answer::later(async move { later.await.and_then(make) }),
    }
}

impl<S: Clone> Clone for Encrypted<S> {
    fn clone(&self) -> Self {
        Self { store: self.store.clone(), sealer: Arc::clone(&self.sealer) }
    }
}

/// Shows the store behind and the ids of the keys.
impl<S: fmt::Debug> fmt::Debug for Encrypted<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encrypted")
            .field("store", &self.store)
            .field("keys", self.sealer.ring())
            .finish()
    }
}
