//! Since when a subject's sessions count.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::SystemTime;

use super::{Consequence, Verdict, Verifier, Visit};
use crate::answer::{Answer, StoreAnswer};
use crate::clock::Timestamp;
use crate::error::{StoreError, StoreErrorKind};

/// Ends sessions from before a time of their subject's: of the last change of password, of the
/// last "sign out everywhere", of a reset of the second factor (ASVS 7.4.3).
///
/// [`Sessions::revoke_others`](crate::Sessions::revoke_others) ends what is there when it is
/// called. An epoch holds also for what it cannot see: a login with the old password that is still
/// under way, a restored backup, another store. Use both: one ends sessions and wakes those who
/// wait for that, the other lets none slip through.
///
/// 1. It compares with [`Meta::authenticated`](crate::Meta::authenticated): who logged in before
///    the epoch is out, who did so in the same millisecond or later is in. Take both times from
///    one clock, or a login right after the change may have to be repeated.
/// 2. `None` means that nothing has happened to the subject yet, and all its sessions are good.
/// 3. A session without a subject is good: there is no password that could have changed.
/// 4. An error, or no answer within the layer's [limit](crate::SessionLayer::store_timeout), is a
///    failure of the store: the request gets 503, and the session stays.
///
/// The look-up is made in every request with a session of somebody: let it be quick, or cached for
/// as long as an outdated session may live on.
///
/// ```
/// use std::sync::Arc;
/// use std::time::SystemTime;
/// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
/// use sessile::verify::SubjectEpoch;
///
/// #[derive(Clone)]
/// struct Users; // a pool of connections
///
/// impl Users {
///     /// SELECT password_changed_at FROM users WHERE id = $1
///     async fn password_changed(&self, id: &str) -> Result<Option<SystemTime>, std::io::Error> {
///         # let _ = id;
///         Ok(Some(SystemTime::UNIX_EPOCH))
///     }
/// }
///
/// let users = Users;
/// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
///     .verifier(SubjectEpoch::new(move |subject: Arc<str>| {
///         let users = users.clone();
///         async move { users.password_changed(&subject).await }
///     }));
/// ```
#[must_use = "a verifier judges nothing until a layer is given it"]
pub struct SubjectEpoch {
    lookup: Lookup,
    consequence: Consequence,
}

type Lookup = Arc<dyn Fn(Arc<str>) -> StoreAnswer<Option<SystemTime>> + Send + Sync>;

impl SubjectEpoch {
    /// Asks this closure since when a subject's sessions count.
    pub fn new<F, A, E>(lookup: F) -> Self
    where
        F: Fn(Arc<str>) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Option<SystemTime>, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let lookup = Arc::new(move |subject| {
            let epoch = lookup(subject);
            Answer::later(async move {
                let failed =
                    |error| StoreError::new(StoreErrorKind::Unavailable).with_source(error);
                epoch.await.map_err(failed)
            })
        });
        Self { lookup, consequence: Verdict::End }
    }

    /// Lets the session live, and serves its requests as if they had none ([`Verdict::Void`]): for
    /// epochs that may be taken back.
    ///
    /// ```
    /// # use std::{convert::Infallible, sync::Arc, time::SystemTime};
    /// use sessile::verify::SubjectEpoch;
    /// # async fn suspended_since(_subject: Arc<str>) -> Result<Option<SystemTime>, Infallible> { Ok(None) }
    /// let suspended = SubjectEpoch::new(suspended_since).void();
    /// ```
    pub const fn void(mut self) -> Self {
        self.consequence = Verdict::Void;
        self
    }
}

impl<T> Verifier<T> for SubjectEpoch {
    fn verify(&self, visit: &Visit<'_, T>) -> StoreAnswer<Verdict> {
        let meta = &visit.record.meta;
        let Some(subject) = &meta.subject else { return Answer::ready(Ok(Verdict::Pass)) };
        let (epoch, authenticated) = ((self.lookup)(Arc::clone(subject)), meta.authenticated);
        let consequence = self.consequence;
        Answer::later(async move {
            let outdated = epoch.await?.is_some_and(|epoch| authenticated < Timestamp::from(epoch));
            Ok(if outdated { consequence(OUTDATED) } else { Verdict::Pass })
        })
    }
}

const OUTDATED: &str = "authenticated before the subject's epoch";

impl Clone for SubjectEpoch {
    fn clone(&self) -> Self {
        Self { lookup: Arc::clone(&self.lookup), consequence: self.consequence }
    }
}

impl fmt::Debug for SubjectEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubjectEpoch")
    }
}
