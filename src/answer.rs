//! An answer that is there at once, or later.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::error::StoreError;

/// What a store answers: a value that is there at once, or a future that will have it.
///
/// A map in memory answers without a future and so without a box; a database puts its future in
/// one. Either way it can be awaited.
///
/// ```
/// use sessile::store::Answer;
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let at_once = Answer::ready(7);
/// assert_eq!(at_once.now_or_later().unwrap(), 7);
///
/// let later = Answer::later(async { 8 });
/// let unanswered = later.now_or_later().unwrap_err();
/// assert_eq!(unanswered.await, 8);
/// # }
/// ```
#[must_use = "an answer does nothing unless it is awaited"]
pub struct Answer<V>(Inner<V>);

enum Inner<V> {
    Ready(Option<V>),
    Later(Pin<Box<dyn Future<Output = V> + Send>>),
}

impl<V> Answer<V> {
    /// The answer is known.
    #[inline]
    pub const fn ready(value: V) -> Self {
        Self(Inner::Ready(Some(value)))
    }

    /// The answer needs I/O. The future owns what it works with (clone the pool into it).
    pub fn later(future: impl Future<Output = V> + Send + 'static) -> Self {
        Self(Inner::Later(Box::pin(future)))
    }

    /// The value if it is there without waiting.
    ///
    /// # Errors
    /// The answer itself, if it must be awaited.
    #[inline]
    pub fn now_or_later(self) -> Result<V, Self> {
        match self.0 {
            Inner::Ready(Some(value)) => Ok(value),
            other => Err(Self(other)),
        }
    }
}

// The value is moved out, never pinned.
impl<V> Unpin for Answer<V> {}

impl<V> Future for Answer<V> {
    type Output = V;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<V> {
        match &mut self.0 {
            // A taken answer stays pending, as a fused future would: it is never polled again.
            Inner::Ready(value) => value.take().map_or(Poll::Pending, Poll::Ready),
            Inner::Later(future) => future.as_mut().poll(cx),
        }
    }
}

/// What a call on a store answers.
///
/// ```
/// use sessile::store::StoreAnswer;
/// use sessile::{StoreError, StoreErrorKind};
/// fn unreachable<V>() -> StoreAnswer<V> {
///     StoreAnswer::ready(Err(StoreError::new(StoreErrorKind::Unavailable)))
/// }
/// # assert!(unreachable::<()>().now_or_later().unwrap().is_err());
/// ```
pub type StoreAnswer<V> = Answer<Result<V, StoreError>>;

impl<V> fmt::Debug for Answer<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Inner::Ready(_) => "Answer::ready",
            Inner::Later(_) => "Answer::later",
        })
    }
}
