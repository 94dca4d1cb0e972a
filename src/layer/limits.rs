//! How long sessions live, how many there may be and how large, and whose time counts.

use std::sync::Arc;
use std::time::Duration;

use super::{SessionLayer, accept};
use crate::clock::Clock;
use crate::error::ConfigError;
use crate::expiry::Expiry;
use crate::profile::Profile;
use crate::record::SessionData;
use crate::store::Limit;

impl<T: SessionData> SessionLayer<T> {
    /// Sets how long sessions live and how often tickets are renewed.
    ///
    /// ```
    /// use std::time::Duration;
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// use sessile::Expiry;
    /// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .expiry(Expiry::idle(Duration::from_secs(15 * 60)));
    /// ```
    ///
    /// # Panics
    /// If the limits contradict each other, or are longer than those of the layer's
    /// [`profile`](Self::profile); the text says how to mend them.
    #[track_caller]
    pub fn expiry(self, expiry: Expiry) -> Self {
        accept(self.try_expiry(expiry))
    }

    /// [`expiry`](Self::expiry) for limits that are read at run time.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sessile::Expiry;
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// # let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// let a_day = Expiry::idle(Duration::from_secs(24 * 3600)); // and 12 hours in all
    /// let error = sessions.try_expiry(a_day).unwrap_err();
    /// assert!(error.to_string().contains("Expiry::absolute"));
    /// ```
    ///
    /// # Errors
    /// If the limits contradict each other, or are longer than those of the profile.
    pub fn try_expiry(mut self, expiry: Expiry) -> Result<Self, ConfigError> {
        expiry.check()?;
        if let Some(profile) = &self.shared.profile {
            profile.permit(&expiry)?;
        }
        self.shared().expiry = expiry;
        Ok(self)
    }

    /// Holds the limits to those of an authentication assurance level: see [`Profile`].
    ///
    /// ```
    /// use std::time::Duration;
    /// use sessile::{Expiry, Profile};
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .profile(Profile::aal2());
    /// let a_week = Duration::from_secs(7 * 24 * 3600);
    /// let error = sessions.try_expiry(Expiry::default().absolute(a_week)).unwrap_err();
    /// assert!(error.to_string().contains("24 hours of aal2"), "{error}");
    /// ```
    ///
    /// # Panics
    /// If the layer's limits were set to longer ones before, or the profile's reason is empty.
    #[track_caller]
    pub fn profile(self, profile: Profile) -> Self {
        accept(self.try_profile(profile))
    }

    /// [`profile`](Self::profile) for a profile that is chosen at run time.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sessile::{Expiry, Profile};
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// # let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// let half_an_hour = sessions.expiry(Expiry::idle(Duration::from_secs(1800)).without_renewal());
    /// assert!(half_an_hour.clone().try_profile(Profile::aal2()).is_ok());
    /// assert!(half_an_hour.try_profile(Profile::aal3()).is_err());
    /// ```
    ///
    /// # Errors
    /// If the layer's limits were set to longer ones before, or the profile's reason is empty.
    pub fn try_profile(mut self, profile: Profile) -> Result<Self, ConfigError> {
        profile.check()?;
        let expiry = profile.apply(self.shared.expiry)?;
        let shared = self.shared();
        shared.expiry = expiry;
        shared.profile = Some(profile);
        Ok(self)
    }

    /// Allows each subject at most so many sessions. Who a session belongs to is said when it is
    /// created ([`NewSession::subject`](crate::NewSession::subject)); those of nobody are not
    /// counted.
    ///
    /// ```
    /// use sessile::store::{Limit, MemoryStore};
    /// # use sessile::{Key, SessionLayer, Values};
    /// let three_devices = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .limit(Limit::evict_oldest(3));
    /// ```
    ///
    /// # Panics
    /// If the store keeps no index of subjects, or the limit is zero.
    #[track_caller]
    pub fn limit(self, limit: Limit) -> Self {
        accept(self.try_limit(limit))
    }

    /// [`limit`](Self::limit) for a limit that is read at run time.
    ///
    /// ```
    /// use sessile::store::{Limit, MemoryStore};
    /// # use sessile::{Key, SessionLayer, Values};
    /// # let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// assert!(sessions.clone().try_limit(Limit::deny(1)).is_ok());
    /// assert!(sessions.try_limit(Limit::deny(0)).is_err());
    /// ```
    ///
    /// # Errors
    /// If the store keeps no index of subjects, or the limit is zero.
    pub fn try_limit(mut self, limit: Limit) -> Result<Self, ConfigError> {
        if limit.max == 0 {
            return Err(ConfigError::new(
                "a limit of zero sessions lets nobody in: give `SessionLayer::limit` at least one",
            ));
        }
        if self.shared.store.subjects().is_none() {
            return Err(ConfigError::new(
                "this store keeps no index of subjects and cannot limit their sessions: use one \
                 whose `Store::subjects` answers an index, or drop `SessionLayer::limit`",
            ));
        }
        self.shared().limit = Some(limit);
        Ok(self)
    }

    /// Refuses data of more than so many bytes, counted as JSON, with
    /// [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge): for applications that keep in a session
    /// what visitors write. Unlimited by default, but for what the store takes; counting costs a
    /// serialisation per edit.
    ///
    /// ```
    /// # use http::{Request, Response};
    /// # use sessile::{Error, Key, Session, SessionLayer, Values, store::MemoryStore};
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// use sessile::ErrorKind;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate()).max_size(4096);
    /// # let service = sessions.layer(service_fn(|request: Request<()>| async move {
    /// #     let session = Session::<Values>::of(&request).unwrap();
    /// session.create(Values::new())?;
    /// let novel = "It was a dark and stormy night. ".repeat(1000);
    /// let refused = session.update(move |values| values.insert("text", &novel).map(drop));
    /// assert_eq!(refused.unwrap_err().kind(), ErrorKind::TooLarge);
    /// assert!(session.get().unwrap().is_empty(), "nothing was changed");
    /// #     Ok::<_, Error>(Response::new(String::new()))
    /// # }));
    /// # assert_eq!(service.oneshot(Request::new(())).await.unwrap().status(), 200);
    /// # }
    /// ```
    pub fn max_size(mut self, bytes: usize) -> Self {
        self.shared().max_size = Some(bytes);
        self
    }

    /// How often a wait for [`Session::revoked`](crate::Session::revoked) asks the store: within
    /// this time it notices a session that another node has ended. 5 seconds by default; with a
    /// cache in front of the store asking costs next to nothing, so it may be less.
    ///
    /// ```
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// use std::time::Duration;
    /// let layer = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .revocation_check(Duration::from_secs(1));
    /// ```
    pub fn revocation_check(mut self, every: Duration) -> Self {
        self.shared().revocation_check = every;
        self
    }

    /// Takes the time from this clock, and its waits. [`SystemClock`](crate::SystemClock) by
    /// default.
    ///
    /// ```
    /// use std::time::{Duration, UNIX_EPOCH};
    /// use sessile::testkit::SimulatedClock;
    /// # use http::{Request, Response};
    /// # use sessile::{Error, Key, Session, SessionLayer, Values, store::MemoryStore};
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .clock(SimulatedClock::starting_at(UNIX_EPOCH));
    /// # let service = sessions.layer(service_fn(|request: Request<()>| async move {
    /// #     let session = Session::<Values>::of(&request).unwrap();
    /// // in a handler:
    /// session.create(Values::new())?;
    /// assert_eq!(session.expiry(), Some(UNIX_EPOCH + Duration::from_secs(30 * 60)));
    /// #     Ok::<_, Error>(Response::new(String::new()))
    /// # }));
    /// # assert_eq!(service.oneshot(Request::new(())).await.unwrap().status(), 200);
    /// # }
    /// ```
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.shared().clock = Arc::new(clock);
        self
    }
}
