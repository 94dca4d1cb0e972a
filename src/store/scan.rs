//! All sessions, step by step.

use super::StoreAnswer;
use crate::clock::Timestamp;
use crate::id::Id;
use crate::record::Meta;

/// Goes through all sessions, step by step: for an administrator's task, never for a request.
///
/// ```
/// use std::collections::BTreeSet;
/// use sessile::store::Scan; // of a store, by `Store::all`
/// use sessile::{StoreError, Timestamp};
///
/// /// How many people have a session.
/// async fn people(scan: &dyn Scan, now: Timestamp) -> Result<usize, StoreError> {
///     let (mut people, mut from) = (BTreeSet::new(), None);
///     loop {
///         let step = scan.scan(from, 1_000, now).await?;
///         people.extend(step.sessions.into_iter().filter_map(|(_, meta)| meta.subject));
///         from = step.next;
///         if from.is_none() {
///             return Ok(people.len());
///         }
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # use std::time::Duration;
/// # use sessile::{Id, Meta, store::{Answer, Cursor, Scanned, StoreAnswer}};
/// # struct Pages;
/// # impl Scan for Pages {
/// #     fn scan(&self, from: Option<Cursor>, _: usize, now: Timestamp) -> StoreAnswer<Scanned> {
/// #         let mut meta = Meta::new(now, Duration::from_secs(60), Duration::from_secs(60));
/// #         meta.subject = Some(if from.is_some() { "ann" } else { "bob" }.into());
/// #         let next = if from.is_some() { None } else { Some(Cursor::new("2")) };
/// #         Answer::ready(Ok(Scanned::new(vec![(Id::generate().unwrap(), meta)], next)))
/// #     }
/// # }
/// # assert_eq!(people(&Pages, Timestamp::from_millis(0)).await.unwrap(), 2);
/// # }
/// ```
pub trait Scan: Send + Sync {
    /// The next live sessions, about `max` of them (a step may be empty and not the last), from
    /// the beginning or from where an earlier step said. A session that is live from the first
    /// step to the last is in at least one of them.
    fn scan(&self, from: Option<Cursor>, max: usize, now: Timestamp) -> StoreAnswer<Scanned>;
}

/// Where a [`Scan`] goes on. Only the store that made it can read it, and it is text, so that a
/// page of an administrator's can carry it to the next.
///
/// ```
/// use sessile::store::Cursor;
/// let next = Cursor::new("after:8c6f4d0a");
/// assert_eq!(next.as_str().strip_prefix("after:"), Some("8c6f4d0a"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(String);

impl Cursor {
    /// A store's own note of a place.
    pub fn new(place: impl Into<String>) -> Self {
        Self(place.into())
    }

    /// The note.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One step of a [`Scan`].
///
/// ```
/// use sessile::store::{Cursor, Scanned};
/// let nothing_here_but_go_on = Scanned::new(vec![], Some(Cursor::new("4711")));
/// assert!(nothing_here_but_go_on.next.is_some());
/// assert!(Scanned::default().next.is_none(), "the end");
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Scanned {
    /// Live sessions.
    pub sessions: Vec<(Id, Meta)>,
    /// Where to go on; `None` at the end.
    pub next: Option<Cursor>,
}

impl Scanned {
    /// These sessions, and where to go on.
    pub const fn new(sessions: Vec<(Id, Meta)>, next: Option<Cursor>) -> Self {
        Self { sessions, next }
    }
}
