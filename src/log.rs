//! The few lines this crate logs, in one place: each names the remedy, none holds an id, a
//! ticket or data, and each is written at most once a second, so that no outsider can flood a
//! log by sending requests. Without the `tracing` feature they cost nothing.

#[cfg(feature = "tracing")]
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(feature = "tracing")]
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::error::StoreError;

/// At most one line a second from one place, and how many were left out since.
#[cfg(feature = "tracing")]
struct Throttle {
    last: AtomicU64,
    suppressed: AtomicU64,
}

#[cfg(feature = "tracing")]
impl Throttle {
    const fn new() -> Self {
        Self { last: AtomicU64::new(0), suppressed: AtomicU64::new(0) }
    }

    /// How many lines were left out, if one may be written now.
    fn admit(&self, now: Timestamp) -> Option<u64> {
        let second = now.as_millis() / 1_000;
        let last = self.last.load(Ordering::Relaxed);
        let won = second != last
            && self
                .last
                .compare_exchange(last, second, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if won {
            Some(self.suppressed.swap(0, Ordering::Relaxed))
        } else {
            self.suppressed.fetch_add(1, Ordering::Relaxed);
            None
        }
    }
}

macro_rules! throttled {
    ($level:ident, $($arg:tt)+) => {{
        #[cfg(feature = "tracing")]
        {
            static THROTTLE: Throttle = Throttle::new();
            if let Some(suppressed) = THROTTLE.admit(SystemClock.now().into()) {
                tracing::$level!(suppressed, $($arg)+);
            }
        }
    }};
}

#[cfg_attr(not(feature = "tracing"), expect(unused_variables, reason = "nothing is logged"))]
pub(crate) fn store_failed(operation: &'static str, error: &StoreError) {
    throttled!(
        error,
        operation,
        cause = std::error::Error::source(error).map(tracing::field::display),
        "{error}"
    );
}

#[cfg_attr(not(feature = "tracing"), expect(unused_variables, reason = "nothing is logged"))]
pub(crate) fn missing_layer(data: &'static str) {
    throttled!(
        error,
        "no session for `{data}` in the request: is `SessionLayer<{data}>` outside this handler or \
         guard? Add it with `.layer(SessionLayer::<{data}>::new(..))` after the routes that use it"
    );
}

#[cfg(any(feature = "jwt", feature = "paseto"))]
#[cfg_attr(not(feature = "tracing"), expect(unused_variables, reason = "nothing is logged"))]
pub(crate) fn missing_access_layer(claims: &'static str) {
    throttled!(
        error,
        "no `AccessLayer<{claims}>` is outside this handler or guard: add it with \
         `.layer(AccessLayer::<{claims}>::new(..))` after the routes that use it"
    );
}

#[cfg_attr(not(feature = "tracing"), expect(unused_variables, reason = "nothing is logged"))]
pub(crate) fn duplicate_layer(data: &'static str) {
    throttled!(
        error,
        "two layers for sessions with `{data}` wrap one route: remove one `SessionLayer<{data}>`, \
         or give the second session a type of its own"
    );
}

#[cfg_attr(not(feature = "tracing"), expect(unused_variables, reason = "nothing is logged"))]
pub(crate) fn edit_after_close(data: &'static str) {
    throttled!(
        warn,
        "a session with `{data}` was edited after its response head had left, and the edit is \
         lost: edit earlier, or call `session.commit().await` before streaming"
    );
}

#[cfg_attr(not(feature = "tracing"), expect(unused_variables, reason = "nothing is logged"))]
pub(crate) fn ticket_does_not_fit(purpose: &str) {
    throttled!(error, "a ticket does not fit its transport `{purpose}`: shorten the cookie's name");
}

pub(crate) fn ticket_reused() {
    throttled!(
        warn,
        "a session's ticket came back after its successor had been in use: two parties hold it, \
         and it is being ended. `SessionLayer::observer` is told whose it is and who came"
    );
}

#[cfg_attr(not(feature = "tracing"), expect(unused_variables, reason = "nothing is logged"))]
pub(crate) fn forged(reason: &'static str, refused: bool) {
    throttled!(
        warn,
        reason,
        refused,
        "a request looks as if another site had sent it: if that site is yours, `.trust` its \
         origin; if a form of your own lacks a token, put one in"
    );
}

#[cfg(all(test, feature = "tracing"))]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_admitted_once_a_second_and_counts_what_was_left_out() {
        let throttle = Throttle::new();
        let at = Timestamp::from_millis;
        assert_eq!(throttle.admit(at(5_000)), Some(0));
        assert_eq!(throttle.admit(at(5_001)), None);
        assert_eq!(throttle.admit(at(5_999)), None);
        assert_eq!(throttle.admit(at(6_000)), Some(2));
    }
}
