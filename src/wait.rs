//! Waiting for a store, but not for ever.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::answer::StoreAnswer;
use crate::clock::{Clock, Sleep};
use crate::error::{StoreError, StoreErrorKind};

/// A store's answer, or a timeout error if it takes too long. An answer that is there at once
/// starts no timer.
pub(crate) struct Timed<V> {
    answer: StoreAnswer<V>,
    timer: Timer,
}

enum Timer {
    Unset,
    Set(Sleep),
}

impl<V> Timed<V> {
    pub(crate) fn new(answer: StoreAnswer<V>, clock: &dyn Clock, limit: Duration) -> Self {
        match answer.now_or_later() {
            Ok(value) => Self { answer: StoreAnswer::ready(value), timer: Timer::Unset },
            Err(answer) => Self { answer, timer: Timer::Set(clock.sleep(limit)) },
        }
    }
}

impl<V> Future for Timed<V> {
    type Output = Result<V, StoreError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(value) = Pin::new(&mut self.answer).poll(cx) {
            return Poll::Ready(value);
        }
        match &mut self.timer {
            Timer::Unset => Poll::Pending,
            Timer::Set(sleep) => {
                Pin::new(sleep).poll(cx).map(|()| Err(StoreError::new(StoreErrorKind::Timeout)))
            }
        }
    }
}
