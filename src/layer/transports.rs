//! How tickets travel.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use super::{SessionLayer, accept};
use crate::clock::Timestamp;
use crate::codec::{Codec, Signed, Ticket};
use crate::error::{ConfigError, Error};
use crate::id::Id;
use crate::record::SessionData;
use crate::shared::Bound;
use crate::transport::Transport;

impl<T: SessionData> SessionLayer<T> {
    /// Lets the ticket travel this way, in place of the default cookie.
    ///
    /// ```
    /// use sessile::transport::{Cookie, SameSite};
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .transport(Cookie::host("sid").same_site(SameSite::Strict));
    /// ```
    ///
    /// # Panics
    /// If the transport is misconfigured; the text says what to write instead. Use
    /// [`try_transport`](Self::try_transport) for settings that are read at run time.
    #[track_caller]
    pub fn transport(self, transport: impl Transport) -> Self {
        accept(self.try_transport(transport))
    }

    /// [`transport`](Self::transport) for settings that are read at run time.
    ///
    /// ```
    /// use sessile::transport::Cookie;
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// # let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// let from_a_file = "example.com";
    /// let error = sessions.try_transport(Cookie::host("sid").domain(from_a_file)).unwrap_err();
    /// assert!(error.to_string().contains("Cookie::secure"), "{error}");
    /// ```
    ///
    /// # Errors
    /// If the transport is misconfigured.
    pub fn try_transport(self, transport: impl Transport) -> Result<Self, ConfigError> {
        if transport.is_single_use() {
            return Err(ConfigError::new(
                "a transport of handshakes gives nobody a session: name another with \
                 `SessionLayer::transport`, and this one with `or_transport`",
            ));
        }
        let bound = self.bind(transport)?;
        Ok(self.only(bound))
    }

    /// Lets the ticket travel this way too: transports are tried in the order in which they were
    /// named, the first with a valid ticket counts and gets the write-back. A new session's ticket
    /// goes out by the one whose ticket verified, else by the first.
    ///
    /// ```
    /// use sessile::transport::{Bearer, Cookie};
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// let browsers_and_scripts = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .transport(Cookie::host("sid"))
    ///     .or_transport(Bearer::new());
    /// ```
    ///
    /// # Panics
    /// If the transport is misconfigured, one of that name is there already, or there are eight.
    #[track_caller]
    pub fn or_transport(self, transport: impl Transport) -> Self {
        accept(self.try_or_transport(transport))
    }

    /// [`or_transport`](Self::or_transport) for settings that are read at run time.
    ///
    /// ```
    /// use sessile::transport::Cookie;
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// # let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// let error = sessions.try_or_transport(Cookie::host("sid")).unwrap_err(); // as the default
    /// assert!(error.to_string().contains("give the second another name"));
    /// ```
    ///
    /// # Errors
    /// If the transport is misconfigured, one of that name is there already, or there are eight.
    pub fn try_or_transport(self, transport: impl Transport) -> Result<Self, ConfigError> {
        let bound = self.bind(transport)?;
        self.also(bound)
    }

    /// Lets the first transport that brings anything decide, valid or not, as the token
    /// locations of `FastAuth` do. Without it, the first that brings a *valid* ticket decides.
    ///
    /// ```
    /// # use http::{Request, Response, header::SET_COOKIE};
    /// # use sessile::{Key, Session, SessionLayer, Values, store::MemoryStore};
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// use sessile::transport::{Bearer, Cookie};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .transport(Bearer::new())
    ///     .or_transport(Cookie::host("sid"))
    ///     .first_present_decides();
    /// # let pages = sessions.layer(service_fn(|request: Request<()>| async move {
    /// #     let session = Session::<Values>::of(&request).unwrap();
    /// #     let status = format!("{:?}", session.status());
    /// #     if request.uri() == "/log_in" { session.create(Values::new()).unwrap(); }
    /// #     Ok::<_, ()>(Response::new(status))
    /// # }));
    /// # let garbled = Request::get("/log_in").header("cookie", "__Host-sid=garbled").body(()).unwrap();
    /// # let answer = pages.clone().oneshot(garbled).await.unwrap();
    /// # assert_eq!(answer.body(), "Rejected(Malformed)");
    /// # assert!(answer.headers().contains_key("authorization"));
    /// // a request with a garbled bearer token is one without a session, whatever its cookie says
    /// # }
    /// ```
    pub fn first_present_decides(mut self) -> Self {
        self.shared().first_present = true;
        self
    }

    fn bind(&self, transport: impl Transport) -> Result<Bound, ConfigError> {
        let codec = Codec::Signed(Signed::new(&self.keys, transport.purpose()));
        Self::bind_with(transport, codec, false)
    }

    pub(super) fn bind_with(
        transport: impl Transport,
        codec: Codec,
        read_only: bool,
    ) -> Result<Bound, ConfigError> {
        transport.check()?;
        let sample = Ticket { id: Id::generate().map_err(random)?, generation: u32::MAX };
        let sample = codec.seal(&sample, || Timestamp::from_millis(u64::MAX));
        let ticket = sample.as_str();
        if transport.attach(&mut HeaderMap::new(), ticket, Some(Duration::MAX)).is_err() {
            return Err(ConfigError::new(format!(
                "a ticket of {} characters does not fit `{}`: give it a shorter name",
                ticket.len(),
                transport.purpose()
            )));
        }
        Ok(Bound { transport: Arc::new(transport), codec: Arc::new(codec), read_only })
    }

    pub(super) fn only(mut self, bound: Bound) -> Self {
        let shared = self.shared();
        shared.reads = vec![bound.transport.reads()];
        shared.transports = vec![bound];
        shared.handshakes = None;
        self
    }

    pub(super) fn also(mut self, bound: Bound) -> Result<Self, ConfigError> {
        let purpose = bound.transport.purpose();
        if self.shared.transports.iter().any(|other| other.transport.purpose() == purpose) {
            return Err(ConfigError::new(format!(
                "two transports of one layer are both `{purpose}`: give the second another name"
            )));
        }
        if self.shared.transports.len() == MOST_TRANSPORTS {
            return Err(ConfigError::new("a layer takes at most eight transports: drop one"));
        }
        let shared = self.shared();
        if bound.transport.is_single_use() {
            if shared.tickets.is_some() {
                return Err(ConfigError::new(
                    "single-use tickets are noted in a store, and these sessions live in their \
                     tickets: drop the `Query`, or give the layer a store",
                ));
            }
            if shared.handshakes.is_some() {
                return Err(ConfigError::new(
                    "a layer has one transport of handshakes: drop the second `Query`",
                ));
            }
            shared.handshakes = u8::try_from(shared.transports.len()).ok();
            shared.transports.push(bound);
            return Ok(self);
        }
        let reads = bound.transport.reads();
        if !shared.reads.contains(&reads) {
            shared.reads.push(reads);
        }
        shared.transports.push(bound);
        Ok(self)
    }
}

/// Nobody needs more, and every request without a ticket asks them all.
const MOST_TRANSPORTS: usize = 8;

fn random(_: Error) -> ConfigError {
    ConfigError::new("the operating system gave no random bytes")
}
