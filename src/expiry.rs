//! How long a session lives, and how often its ticket is renewed.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::error::ConfigError;
use crate::record::Meta;

/// How long sessions live: two deadlines, both enforced by the server whatever the client keeps
/// (ASVS 7.3.1 and 7.3.2), and the interval at which tickets are renewed.
///
/// | | default |
/// |---|---|
/// | idle: ends after so long without a request | 30 minutes |
/// | absolute: ends so long after it was created, however busy | 12 hours |
/// | renewal: the ticket is replaced by a fresh one | every 15 minutes |
/// | grace: how long the old ticket still passes once the new one has been seen | 30 seconds |
/// | what the client keeps | until the browser is closed |
///
/// A use is noted at most once a minute, or once per tenth of the idle limit if that is shorter, so
/// that reads do not become writes; a session may end that much early, never late.
///
/// ```
/// use std::time::Duration;
/// use sessile::Expiry;
/// let office_day = Expiry::idle(Duration::from_secs(3600)).absolute(Duration::from_secs(36_000));
/// assert_ne!(office_day, Expiry::default());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    pub(crate) idle: Duration,
    pub(crate) absolute: Duration,
    pub(crate) renew_after: Option<Duration>,
    pub(crate) grace: Duration,
    pub(crate) persistent: bool,
    pub(crate) strict: bool,
}

impl Expiry {
    /// The defaults with another idle limit. One of more than 12 hours needs a longer
    /// [`absolute`](Self::absolute) limit as well.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sessile::Expiry;
    /// assert_eq!(Expiry::idle(Duration::from_secs(30 * 60)), Expiry::default());
    /// ```
    pub fn idle(limit: Duration) -> Self {
        Self { idle: limit, ..Self::default() }
    }

    /// Ends sessions so long after they were created. It must not be shorter than the idle limit:
    /// [`SessionLayer::expiry`](crate::SessionLayer::expiry) refuses that.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use sessile::{Expiry, Key, SessionLayer, Values, store::MemoryStore};
    /// # let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// let hour = Duration::from_secs(3600);
    /// assert!(sessions.clone().try_expiry(Expiry::idle(hour).absolute(8 * hour)).is_ok());
    /// assert!(sessions.try_expiry(Expiry::idle(8 * hour).absolute(hour)).is_err());
    /// ```
    #[must_use]
    pub const fn absolute(mut self, limit: Duration) -> Self {
        self.absolute = limit;
        self
    }

    /// Replaces the ticket by a fresh one this often, with the first request that comes after so
    /// long. A stolen ticket then either dies or gives itself away: see
    /// [`Event::TicketReused`](crate::Event::TicketReused). At least twice the
    /// [`grace`](Self::grace).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use sessile::{Expiry, Key, SessionLayer, Values, store::MemoryStore};
    /// # let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// let every = |secs| Expiry::default().renew_after(Duration::from_secs(secs));
    /// assert!(sessions.clone().try_expiry(every(5 * 60)).is_ok());
    /// assert!(sessions.try_expiry(every(59)).is_err(), "the grace is 30 seconds");
    /// ```
    #[must_use]
    pub const fn renew_after(mut self, interval: Duration) -> Self {
        self.renew_after = Some(interval);
        self
    }

    /// Never replaces a ticket unless the application asks for it
    /// ([`Session::renew`](crate::Session::renew)): no theft alarm.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sessile::Expiry;
    /// let for_machines = Expiry::idle(Duration::from_secs(300)).without_renewal();
    /// assert_ne!(for_machines, Expiry::idle(Duration::from_secs(300)));
    /// ```
    #[must_use]
    pub const fn without_renewal(mut self) -> Self {
        self.renew_after = None;
        self
    }

    /// Makes each ticket good until the next is issued, and not a moment longer: neither until that
    /// arrives nor for a grace. Whoever uses a spent one ends the session. For refresh tokens (RFC
    /// 9700, 4.14.2), whose holder waits for the answer and can log in again if it is lost; a
    /// browser that sends requests side by side would log itself out.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sessile::Expiry;
    /// let month = Duration::from_secs(30 * 24 * 3600);
    /// let refresh_tokens = Expiry::idle(month).absolute(month).without_renewal().strict();
    /// assert_ne!(refresh_tokens, Expiry::idle(month).absolute(month).without_renewal());
    /// ```
    #[must_use]
    pub const fn strict(mut self) -> Self {
        self.strict = true;
        self.grace = Duration::ZERO;
        self
    }

    /// How long requests with the previous ticket still pass once the new one has been presented.
    /// It covers requests that were under way: make it as long as the slowest request.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use sessile::{Expiry, Key, SessionLayer, Values, store::MemoryStore};
    /// # let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// let slow_uploads = Expiry::default().grace(Duration::from_secs(5 * 60));
    /// assert!(sessions.try_expiry(slow_uploads).is_ok());
    /// ```
    #[must_use]
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Lets every client keep its ticket across restarts, until the absolute deadline. Prefer
    /// [`NewSession::remember`](crate::NewSession::remember) for those who ask for it.
    ///
    /// ```
    /// # use http::{Request, Response, header::SET_COOKIE};
    /// # use sessile::{Error, Key, Session, SessionLayer, Values, store::MemoryStore};
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// use sessile::Expiry;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .expiry(Expiry::default().persistent());
    /// # let service = sessions.layer(service_fn(|request: Request<()>| async move {
    /// #     Session::<Values>::of(&request).unwrap().create(Values::new())?;
    /// #     Ok::<_, Error>(Response::new(String::new()))
    /// # }));
    /// # let answer = service.oneshot(Request::new(())).await.unwrap();
    /// // the answer to a login:
    /// assert!(answer.headers()[SET_COOKIE].to_str().unwrap().contains("; Max-Age="));
    /// # }
    /// ```
    #[must_use]
    pub const fn persistent(mut self) -> Self {
        self.persistent = true;
        self
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.idle.is_zero() || self.absolute.is_zero() {
            return Err(ConfigError::new(
                "a session limit of zero ends every session at once: give `Expiry` an idle and an \
                 absolute limit above zero",
            ));
        }
        if self.idle > self.absolute {
            return Err(ConfigError::new(
                "the idle limit is longer than the absolute limit and could never act: raise it \
                 with `Expiry::absolute(..)` or lower the idle limit",
            ));
        }
        if self.renew_after.is_some_and(|after| after < self.grace.saturating_mul(2)) {
            return Err(ConfigError::new(
                "tickets would be renewed before requests with the previous one are over: make \
                 `Expiry::renew_after(..)` at least twice the grace (30 seconds by default), or \
                 shorten `Expiry::grace(..)`",
            ));
        }
        Ok(())
    }

    /// Whether the ticket is old enough to be replaced.
    pub(crate) fn wants_renewal(&self, meta: &Meta, now: Timestamp) -> bool {
        self.renew_after.is_some_and(|after| now.since(meta.renewed) >= after)
    }
}

impl Default for Expiry {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(30 * 60),
            absolute: Duration::from_secs(12 * 60 * 60),
            renew_after: Some(Duration::from_secs(15 * 60)),
            grace: Duration::from_secs(30),
            persistent: false,
            strict: false,
        }
    }
}

/// Whether enough time has passed since the last noted use to note another.
pub(crate) fn wants_touch(meta: &Meta, now: Timestamp) -> bool {
    let throttle = (meta.idle_millis() / 10).min(60_000);
    now.as_millis().saturating_sub(meta.last_seen().as_millis()) >= throttle
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn limits_that_cannot_work_say_what_to_write_instead() {
        let cases = [
            ("idle of zero", Expiry::idle(Duration::ZERO), "above zero"),
            ("absolute of zero", Expiry::default().absolute(Duration::ZERO), "above zero"),
            ("idle beyond absolute", Expiry::idle(SECOND * 9).absolute(SECOND), "Expiry::absolute"),
            ("renewal within the grace", Expiry::default().renew_after(SECOND), "Expiry::grace"),
        ];
        for (name, expiry, remedy) in cases {
            let text = expiry.check().unwrap_err().to_string();
            assert!(text.contains(remedy), "{name}: {text}");
        }
        Expiry::default().check().unwrap();
        Expiry::idle(SECOND).absolute(SECOND).without_renewal().check().unwrap();
    }

    #[test]
    fn s42_uses_are_noted_once_per_tenth_of_the_idle_limit_and_at_most_once_a_minute() {
        let start = Timestamp::from_millis(1_000_000);
        for (idle, throttle) in [(20, 2), (600, 60), (36_000, 60)] {
            let meta = Meta::new(start, SECOND * idle, SECOND * 100_000);
            let at = |secs: u32| start.plus(SECOND * secs);
            assert!(!wants_touch(&meta, at(throttle - 1)), "idle {idle}");
            assert!(wants_touch(&meta, at(throttle)), "idle {idle}");
        }
    }
}
