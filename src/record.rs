//! What a store keeps of a session.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::Timestamp;
use crate::context::Context;

/// What can be kept in a session: any type with these traits has it.
///
/// `Serialize` is also how a write is compared with what was there: a value that serialises alike
/// is no change, and a field with `#[serde(skip)]` is not part of the session.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// #[derive(Clone, Serialize, Deserialize)]
/// struct Member {
///     name: String,
///     #[serde(default)] // records from before this field was added still decode
///     theme: Option<String>,
/// }
/// # fn can_be_kept<T: sessile::SessionData>() {}
/// # can_be_kept::<Member>();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept in a session",
    note = "derive `Clone`, `serde::Serialize` and `serde::Deserialize` for it; it must be `Send + Sync + 'static`"
)]
pub trait SessionData: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {}

impl<T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static> SessionData for T {}

/// A session as a store keeps it: the application's data and what the layer must know about it.
///
/// Its `Debug` shows neither data nor subject.
///
/// ```
/// use std::time::Duration;
/// use sessile::{Meta, Record, Timestamp};
/// let now = Timestamp::from_millis(0);
/// let meta = Meta::new(now, Duration::from_secs(60), Duration::from_secs(90));
/// let record = Record::new(meta, "what ann told us");
/// assert_eq!((record.meta.version, record.data), (1, "what ann told us"));
/// assert!(!format!("{record:?}").contains("ann"));
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Record<T> {
    /// Deadlines, version and the like.
    pub meta: Meta,
    /// The application's data.
    pub data: T,
}

impl<T> Record<T> {
    /// Puts together what a store took apart.
    pub const fn new(meta: Meta, data: T) -> Self {
        Self { meta, data }
    }
}

impl<T> fmt::Debug for Record<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record").field("meta", &self.meta).finish_non_exhaustive()
    }
}

/// What the layer must know about a session beside its data. Stores keep every field.
///
/// ```
/// use std::time::Duration;
/// use sessile::{Meta, Timestamp};
/// let start = Timestamp::from_millis(0);
/// let meta = Meta::new(start, Duration::from_secs(60), Duration::from_secs(90));
/// assert!(meta.is_live(Timestamp::from_millis(59_999)));
/// assert!(!meta.is_live(Timestamp::from_millis(60_000)), "idle for a minute");
/// meta.touch(Timestamp::from_millis(50_000));
/// assert_eq!(meta.deadline().as_millis(), 90_000, "the absolute limit stays");
/// assert_eq!(meta.last_seen().as_millis(), 50_000);
/// ```
#[non_exhaustive]
pub struct Meta {
    /// Goes up by one with every write except a touch. Writes are compare-and-swap on it.
    pub version: u64,
    /// Which ticket of this session is the newest; goes up by one at each renewal.
    pub generation: u32,
    /// Whether a client has presented a ticket of `generation` yet.
    pub confirmed: bool,
    /// Whether the client keeps the ticket when it closes ("remember me").
    pub persistent: bool,
    /// When `generation` was issued or, once it is confirmed, first presented.
    pub renewed: Timestamp,
    /// When the record was created.
    pub created: Timestamp,
    /// When the person behind it last proved who they are.
    pub authenticated: Timestamp,
    /// When it ends whatever happens.
    pub absolute: Timestamp,
    /// Whom it belongs to, if anybody.
    pub subject: Option<Arc<str>>,
    /// How it began, if anything is known of that.
    pub context: Option<Arc<Context>>,
    /// How long it may stay unused, in milliseconds: half the size of a `Duration`, a million
    /// times.
    idle: u64,
    /// When it was last used. The one field that moves without a write, by [`Meta::touch`].
    last_seen: AtomicU64,
}

impl Meta {
    /// The first version of a session that starts now, may stay unused for `idle` and ends after
    /// `absolute`. Durations count in whole milliseconds.
    pub const fn new(now: Timestamp, idle: Duration, absolute: Duration) -> Self {
        Self {
            version: 1,
            generation: 0,
            confirmed: true,
            persistent: false,
            renewed: now,
            created: now,
            authenticated: now,
            idle: Timestamp::from_millis(0).plus(idle).as_millis(),
            absolute: now.plus(absolute),
            subject: None,
            context: None,
            last_seen: AtomicU64::new(now.as_millis()),
        }
    }

    /// How long it may stay unused, in whole milliseconds.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use sessile::{Meta, Timestamp};
    /// # let start = Timestamp::from_millis(0);
    /// let mut meta = Meta::new(start, Duration::from_secs(60), Duration::from_secs(3600));
    /// meta.set_idle(Duration::from_secs(90));
    /// assert_eq!(meta.idle(), Duration::from_secs(90));
    /// assert_eq!(meta.deadline(), start.plus(Duration::from_secs(90)));
    /// ```
    pub const fn idle(&self) -> Duration {
        Duration::from_millis(self.idle)
    }

    /// The same as it is kept: every request asks, and a `Duration` is made by division.
    pub(crate) const fn idle_millis(&self) -> u64 {
        self.idle
    }

    /// Sets how long it may stay unused.
    pub const fn set_idle(&mut self, limit: Duration) {
        self.idle = Timestamp::from_millis(0).plus(limit).as_millis();
    }

    /// When it was last used.
    pub fn last_seen(&self) -> Timestamp {
        Timestamp::from_millis(self.last_seen.load(Ordering::Relaxed))
    }

    /// Notes a use at this time; never moves backwards.
    pub fn touch(&self, at: Timestamp) {
        self.last_seen.fetch_max(at.as_millis(), Ordering::Relaxed);
    }

    /// The earlier of the idle and the absolute deadline.
    pub fn deadline(&self) -> Timestamp {
        let idle = self.last_seen().as_millis().saturating_add(self.idle);
        Timestamp::from_millis(idle).min(self.absolute)
    }

    /// Whether it may still be used at this time: strictly before its deadline.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.deadline()
    }
}

impl Clone for Meta {
    fn clone(&self) -> Self {
        Self {
            subject: self.subject.clone(),
            context: self.context.clone(),
            last_seen: AtomicU64::new(self.last_seen.load(Ordering::Relaxed)),
            ..*self
        }
    }
}

impl fmt::Debug for Meta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meta")
            .field("version", &self.version)
            .field("generation", &self.generation)
            .field("confirmed", &self.confirmed)
            .field("persistent", &self.persistent)
            .field("created", &self.created)
            .field("last_seen", &self.last_seen())
            .field("absolute", &self.absolute)
            .finish_non_exhaustive()
    }
}
