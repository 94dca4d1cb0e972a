//! Several keys at once, so that the key can be changed without logging anybody out.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use super::{Key, KeyId};
use crate::error::ConfigError;

/// The keys of a layer: the newest signs, older ones still verify (ASVS 11.2.2, 13.3.4).
///
/// 1. A ticket under an older key is accepted and sealed anew with the newest on the way out.
/// 2. A clone is a handle on the same ring. Layers keep such a handle, so what is changed at run
///    time with [`roll_over`](Self::roll_over) and [`revoke`](Self::revoke) holds for the next
///    request of each of them.
/// 3. A ring is never empty, and a key is in it once.
///
/// To change the key of a deployment of many instances, let all of them *accept* the new key
/// before one of them signs with it, and keep the old one for as long as a session may live:
///
/// ```
/// use sessile::{Key, Keyring};
/// let (old, new) = (Key::generate(), Key::generate());
/// let first_release = Keyring::new(old.clone()).also_accept(new.clone());
/// let second_release = Keyring::new(new.clone()).also_accept(old);
/// let third_release = Keyring::new(new);
/// # assert_ne!(first_release.key_ids(), second_release.key_ids());
/// # assert_eq!(third_release.key_ids(), second_release.key_ids()[..1]);
/// ```
///
/// Every older key costs one more HMAC for a ticket that is not under the newest, so retire
/// those that have served.
#[derive(Clone)]
pub struct Keyring {
    shared: Arc<Shared>,
}

struct Shared {
    /// Counts the changes of `keys`. It is written under their lock and read without it, so that
    /// a request pays one plain load to learn that nothing changed.
    epoch: AtomicU64,
    keys: RwLock<Keys>,
}

/// The keys of a ring at one time.
#[derive(Clone, PartialEq)]
pub(crate) struct Keys {
    pub(crate) newest: Key,
    /// From the one before the newest to the oldest.
    pub(crate) older: Vec<Key>,
}

/// What [`Keyring::revoke`] did.
///
/// ```
/// use sessile::{Key, Keyring, Revoked};
/// let (old, new) = (Key::generate(), Key::generate());
/// let ring = Keyring::new(new).also_accept(old.clone());
/// assert_eq!(ring.revoke(old.id()), Ok(Revoked::Now));
/// assert_eq!(ring.revoke(old.id()), Ok(Revoked::Unknown), "it is gone already");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Revoked {
    /// The key was in the ring. No ticket under it is accepted any more.
    Now,
    /// No key of the ring has this id.
    Unknown,
}

impl Keyring {
    /// A ring of one key.
    ///
    /// ```
    /// use sessile::{Key, Keyring};
    /// let key = Key::generate();
    /// assert_eq!(Keyring::new(key.clone()).key_ids(), [key.id()]);
    /// ```
    pub fn new(newest: Key) -> Self {
        let keys = RwLock::new(Keys { newest, older: Vec::new() });
        Self { shared: Arc::new(Shared { epoch: AtomicU64::new(0), keys }) }
    }

    /// Accepts tickets under this key too, which is older than all keys named so far.
    ///
    /// ```
    /// use sessile::{Key, Keyring};
    /// let (old, new) = (Key::generate(), Key::generate());
    /// let ring = Keyring::new(new.clone()).also_accept(old.clone());
    /// assert_eq!(ring.key_ids(), [new.id(), old.id()]);
    /// ```
    #[must_use]
    pub fn also_accept(self, older: Key) -> Self {
        self.change(|keys| {
            if !keys.iter().any(|key| *key == older) {
                keys.older.push(older);
            }
        });
        self
    }

    /// From now on this key signs; those before it still verify.
    ///
    /// Other instances of the application must know the key by then. A key that is in the ring
    /// already becomes the newest.
    ///
    /// ```
    /// use sessile::{Key, Keyring};
    /// let (old, new) = (Key::generate(), Key::generate());
    /// let ring = Keyring::new(old.clone());
    /// ring.roll_over(new.clone());
    /// assert_eq!(ring.key_ids(), [new.id(), old.id()]);
    /// ```
    pub fn roll_over(&self, newest: Key) {
        self.change(|keys| {
            keys.older.retain(|key| *key != newest);
            if keys.newest != newest {
                let previous = std::mem::replace(&mut keys.newest, newest);
                keys.older.insert(0, previous);
            }
        });
    }

    /// Takes a key out of the ring: from now on no ticket under it is accepted, in any layer
    /// built from this ring or a clone of it. Its sessions need a new log-in.
    ///
    /// When the newest is revoked, the one before it signs: if the newest leaked,
    /// [`roll_over`](Self::roll_over) first.
    ///
    /// ```
    /// use sessile::{Key, Keyring, Revoked};
    /// let leaked = Key::generate();
    /// let ring = Keyring::new(leaked.clone());
    /// assert!(ring.revoke(leaked.id()).is_err());
    /// ring.roll_over(Key::generate());
    /// assert_eq!(ring.revoke(leaked.id()), Ok(Revoked::Now));
    /// ```
    ///
    /// # Errors
    /// When it is the only key: the ring is left as it is, and a new key must be rolled over
    /// first.
    pub fn revoke(&self, id: KeyId) -> Result<Revoked, ConfigError> {
        self.change(|keys| {
            if keys.newest.id() != id {
                let before = keys.older.len();
                keys.older.retain(|key| key.id() != id);
                return Ok(if keys.older.len() < before { Revoked::Now } else { Revoked::Unknown });
            }
            if keys.older.is_empty() {
                return Err(ConfigError::new(
                    "the only key of a ring cannot be revoked: call `roll_over` with a new one first",
                ));
            }
            keys.newest = keys.older.remove(0);
            Ok(Revoked::Now)
        })
    }

    /// The ids of its keys, the newest first.
    ///
    /// ```
    /// use sessile::{Key, Keyring};
    /// let key = Key::generate();
    /// assert_eq!(Keyring::from(key.clone()).key_ids(), [key.id()]);
    /// ```
    pub fn key_ids(&self) -> Vec<KeyId> {
        self.read().iter().map(Key::id).collect()
    }

    /// How often the ring has changed.
    #[inline]
    pub(crate) fn epoch(&self) -> u64 {
        // Pairs with the release in `change`: who sees the new epoch finds the new keys.
        self.shared.epoch.load(Ordering::Acquire)
    }

    /// Its keys, and the epoch that they belong to.
    pub(crate) fn snapshot(&self) -> (u64, Keys) {
        let keys = self.read();
        // The epoch cannot move while the lock is held.
        (self.epoch(), keys.clone())
    }

    fn read(&self) -> RwLockReadGuard<'_, Keys> {
        // No code that runs under the lock can panic halfway through a change.
        self.shared.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<R>(&self, change: impl FnOnce(&mut Keys) -> R) -> R {
        let mut keys = self.shared.keys.write().unwrap_or_else(PoisonError::into_inner);
        let before = keys.clone();
        let outcome = change(&mut keys);
        // Layers leave their fast path when the epoch moves, so it moves for a reason only.
        if *keys != before {
            self.shared.epoch.fetch_add(1, Ordering::Release);
        }
        outcome
    }
}

impl From<Key> for Keyring {
    fn from(key: Key) -> Self {
        Self::new(key)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keyring").field(&self.key_ids()).finish()
    }
}

impl Keys {
    /// From the newest to the oldest.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.newest).chain(&self.older)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r44_the_epoch_moves_with_every_change_and_with_nothing_else() {
        let (old, new) = (Key::generate(), Key::generate());
        let ring = Keyring::new(old.clone());
        type Act<'a> = &'a dyn Fn(&Keyring);
        let cases: [(&str, u64, Act<'_>); 7] = [
            ("the same key again", 0, &|ring| ring.roll_over(old.clone())),
            ("a new key", 1, &|ring| ring.roll_over(new.clone())),
            ("a known older key", 1, &|ring| drop(ring.clone().also_accept(old.clone()))),
            ("an unknown id", 1, &|ring| drop(ring.revoke(Key::generate().id()))),
            ("a revoked key", 2, &|ring| drop(ring.revoke(old.id()))),
            ("the last key", 2, &|ring| drop(ring.revoke(new.id()))),
            ("an older key", 3, &|ring| drop(ring.clone().also_accept(old.clone()))),
        ];
        for (name, want, act) in cases {
            act(&ring);
            assert_eq!(ring.epoch(), want, "{name}");
        }
        let (epoch, keys) = ring.snapshot();
        assert_eq!((epoch, keys.newest, keys.older), (3, new, vec![old]));
    }
}
