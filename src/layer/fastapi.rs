//! Cookies that fastapi-sessions wrote or will read, as tickets.

use super::{SessionLayer, accept};
use crate::codec::{Codec, FastapiSessions};
use crate::error::ConfigError;
use crate::record::SessionData;
use crate::shared::Bound;
use crate::transport::{Cookie, Transport};

impl<T: SessionData> SessionLayer<T> {
    /// Lets the cookie of a fastapi-sessions deployment be the session's ticket: both systems take
    /// each other's cookies, as long as both are there and share the sessions behind them.
    ///
    /// ```
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// use sessile::{codec::FastapiSessions, transport::Cookie};
    /// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .transport_with(Cookie::named("cookie"), FastapiSessions::new("its secret_key"));
    /// ```
    ///
    /// # Panics
    /// If the cookie is misconfigured, a secret is empty, or it is [read
    /// only](FastapiSessions::read_only), which is for
    /// [`or_transport_with`](Self::or_transport_with).
    #[track_caller]
    pub fn transport_with(self, cookie: Cookie, codec: FastapiSessions) -> Self {
        accept(self.try_transport_with(cookie, codec))
    }

    /// [`transport_with`](Self::transport_with) for settings that are read at run time.
    ///
    /// ```
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// # use sessile::{codec::FastapiSessions, transport::Cookie};
    /// # let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// let error = sessions.try_transport_with(Cookie::named("cookie"), FastapiSessions::new(""));
    /// assert!(error.unwrap_err().to_string().contains("empty secret"));
    /// ```
    ///
    /// # Errors
    /// As for [`transport_with`](Self::transport_with).
    #[expect(clippy::needless_pass_by_value, reason = "a setting is handed over, as all are")]
    pub fn try_transport_with(
        self,
        cookie: Cookie,
        codec: FastapiSessions,
    ) -> Result<Self, ConfigError> {
        if codec.read_only {
            return Err(ConfigError::new(
                "cookies that are only read give nobody a ticket: name another with \
                 `SessionLayer::transport`, and these with `or_transport_with`",
            ));
        }
        let bound = self.bind_fastapi(cookie, &codec)?;
        Ok(self.only(bound))
    }

    /// Takes the cookie of a fastapi-sessions deployment as well. If it is [read
    /// only](FastapiSessions::read_only), whoever comes with one is given a ticket by the first
    /// transport.
    ///
    /// ```
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// use sessile::{codec::FastapiSessions, transport::Cookie};
    /// let after_the_move = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .transport(Cookie::host("sid"))
    ///     .or_transport_with(Cookie::named("cookie"), FastapiSessions::new("secret").read_only());
    /// ```
    ///
    /// # Panics
    /// If the cookie is misconfigured, a secret is empty, a transport of that name is there
    /// already, or there are eight.
    #[track_caller]
    pub fn or_transport_with(self, cookie: Cookie, codec: FastapiSessions) -> Self {
        accept(self.try_or_transport_with(cookie, codec))
    }

    /// [`or_transport_with`](Self::or_transport_with) for settings that are read at run time.
    ///
    /// ```
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// use sessile::{codec::FastapiSessions, transport::Cookie};
    /// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// let legacy = FastapiSessions::new("secret").read_only();
    /// let error = sessions.try_or_transport_with(Cookie::host("sid"), legacy).unwrap_err();
    /// assert!(error.to_string().contains("give the second another name"));
    /// ```
    ///
    /// # Errors
    /// As for [`or_transport_with`](Self::or_transport_with).
    #[expect(clippy::needless_pass_by_value, reason = "a setting is handed over, as all are")]
    pub fn try_or_transport_with(
        self,
        cookie: Cookie,
        codec: FastapiSessions,
    ) -> Result<Self, ConfigError> {
        let bound = self.bind_fastapi(cookie, &codec)?;
        self.also(bound)
    }

    fn bind_fastapi(&self, cookie: Cookie, codec: &FastapiSessions) -> Result<Bound, ConfigError> {
        if self.shared.tickets.is_some() {
            return Err(ConfigError::new(
                "cookies of fastapi-sessions name sessions in a store, and these live in their \
                 tickets: give the layer a store",
            ));
        }
        let cookies = Codec::FastapiSessions(codec.bind(cookie.purpose())?);
        Self::bind_with(cookie, cookies, codec.read_only)
    }
}
