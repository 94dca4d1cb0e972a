//! What a new session starts with.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::assurance::Assurance;
use crate::client::Client;
use crate::clock::Timestamp;
use crate::context::Context;
use crate::expiry::Expiry;
use crate::profile::Ceiling;
use crate::record::{Meta, Record};

/// A session about to be created: its data, whom it belongs to, and how long it lives if not as
/// long as the layer says.
///
/// Plain data converts into one, so `session.create(data)` is the short form.
///
/// ```
/// use std::time::Duration;
/// use sessile::{NewSession, Values};
/// let remembered = NewSession::with(Values::default())
///     .subject("user-42")
///     .remember(Duration::from_secs(30 * 24 * 3600));
/// # let _: NewSession<Values> = remembered;
/// ```
///
/// Its limits hold for this session, whatever the layer's are; a [`Profile`](crate::Profile) of the
/// layer cuts them to what it allows.
///
/// ```
/// # use http::{Request, Response};
/// # use sessile::{Error, Key, Session, SessionLayer, Values, store::MemoryStore};
/// # use tower::{Layer, ServiceExt, service_fn};
/// use std::time::Duration;
/// use sessile::NewSession;
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
/// # let service = sessions.layer(service_fn(|request: Request<()>| async move {
/// #     let session = Session::<Values>::of(&request).unwrap();
/// let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3600));
/// session.create(NewSession::with(Values::new()).idle(5 * minute).absolute(hour))?;
/// let meta = session.meta().expect("just created");
/// assert_eq!(meta.idle(), 5 * minute);
/// assert_eq!(meta.absolute.since(meta.created), hour);
/// #     Ok::<_, Error>(Response::new(String::new()))
/// # }));
/// # assert_eq!(service.oneshot(Request::new(())).await.unwrap().status(), 200);
/// # }
/// ```
#[must_use = "a new session does nothing until it is given to `Session::create`"]
#[derive(Clone)]
pub struct NewSession<T> {
    data: T,
    subject: Option<Arc<str>>,
    idle: Option<Duration>,
    absolute: Option<Duration>,
    persistent: Option<bool>,
    authenticated: Option<Timestamp>,
    /// Most logins say nothing of how they came about.
    context: Option<Box<Context>>,
}

impl<T> NewSession<T> {
    /// Starts with this data and the layer's limits, belonging to nobody.
    pub fn with(data: T) -> Self {
        Self {
            data,
            subject: None,
            idle: None,
            absolute: None,
            persistent: None,
            authenticated: None,
            context: None,
        }
    }

    /// Says whom it belongs to, so that a subject's sessions can be counted, limited, listed and
    /// revoked. Use an id that never changes, rather than an e-mail address.
    pub fn subject(mut self, subject: impl Into<Arc<str>>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Sets another idle limit than the layer's; one that is longer than the absolute limit is as
    /// good as that. Later writes keep it.
    pub const fn idle(mut self, limit: Duration) -> Self {
        self.idle = Some(limit);
        self
    }

    /// Sets another absolute limit than the layer's. Later writes keep it.
    pub const fn absolute(mut self, limit: Duration) -> Self {
        self.absolute = Some(limit);
        self
    }

    /// "Remember me": both limits become `limit`, and the client keeps its ticket across restarts.
    pub const fn remember(mut self, limit: Duration) -> Self {
        self.idle = Some(limit);
        self.absolute = Some(limit);
        self.persistent = Some(true);
        self
    }

    /// Says how surely its holder has just proved who they are, for
    /// [guards](crate::guard::assurance) that ask.
    ///
    /// It holds for this session alone. A session in whose place this one begins hands nothing
    /// on: whoever logs in again with less than before has less (NIST SP 800-63B, 5.1), and one
    /// that says nothing here has no level at all.
    pub fn assurance(mut self, level: Assurance) -> Self {
        self.context.get_or_insert_default().assurance = Some(level);
        self
    }

    /// Says by which means they did (`amr` of OpenID Connect; values in RFC 8176).
    ///
    /// ```
    /// use sessile::{Assurance, NewSession, Values};
    /// let two_factors = NewSession::with(Values::new())
    ///     .subject("user-42")
    ///     .assurance(Assurance::Aal2)
    ///     .methods(["pwd", "otp"]);
    /// # let _: NewSession<Values> = two_factors;
    /// ```
    pub fn methods(mut self, methods: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        self.context.get_or_insert_default().methods =
            methods.into_iter().map(Into::into).collect();
        self
    }

    /// Says what the identity provider calls this kind of login (`acr` of OpenID Connect). What it
    /// is worth is for the application to say, with [`assurance`](Self::assurance).
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use sessile::{Assurance, NewSession, Values};
    /// /// What an ID token says, once its signature was checked.
    /// struct Claims { sub: String, acr: String, amr: Vec<String>, auth_time: u64 }
    ///
    /// fn session_of(claims: Claims) -> NewSession<Values> {
    ///     let level = match claims.acr.as_str() {
    ///         "urn:example:two_factors" => Assurance::Aal2,
    ///         _ => Assurance::Aal1,
    ///     };
    ///     NewSession::with(Values::new())
    ///         .subject(claims.sub)
    ///         .assurance(level)
    ///         .methods(claims.amr)
    ///         .acr(claims.acr)
    ///         .authenticated_at(SystemTime::UNIX_EPOCH + Duration::from_secs(claims.auth_time))
    /// }
    /// # let (sub, acr) = ("user-42".to_owned(), "urn:example:one".to_owned());
    /// # let _ = session_of(Claims { sub, acr, amr: vec!["pwd".to_owned()], auth_time: 1_768_465_800 });
    /// ```
    pub fn acr(mut self, class: impl Into<Box<str>>) -> Self {
        self.context.get_or_insert_default().acr = Some(class.into());
        self
    }

    /// Says that they proved who they are at this time (`auth_time` of OpenID Connect), rather
    /// than just now. A time in the future counts as now.
    ///
    /// Under a [`Profile`](crate::Profile) the session ends when the time that the level gives is
    /// over, counted from then. If that is already so, it is over as soon as it began: ask the
    /// identity provider for a log-in that is recent enough (`max_age`). Without a profile the
    /// absolute limit counts from the beginning of the session, however long ago the log-in was, and
    /// [`MaxAuthenticationAge`](crate::verify::MaxAuthenticationAge) is what looks at its age.
    pub fn authenticated_at(mut self, time: SystemTime) -> Self {
        self.authenticated = Some(time.into());
        self
    }

    pub(crate) fn into_record(
        self,
        expiry: &Expiry,
        ceiling: Ceiling,
        now: Timestamp,
        client: Option<&Client>,
    ) -> Record<T> {
        let authenticated = self.authenticated.map_or(now, |time| time.min(now));
        let left = authenticated.plus(ceiling.absolute).since(now);
        let absolute = self.absolute.unwrap_or(expiry.absolute).min(ceiling.absolute).min(left);
        let idle = self.idle.unwrap_or(expiry.idle).min(ceiling.idle).min(absolute);
        let mut meta = Meta::new(now, idle, absolute);
        meta.persistent = self.persistent.unwrap_or(expiry.persistent);
        meta.subject = self.subject;
        meta.authenticated = authenticated;
        if client.is_some() || self.context.is_some() {
            let mut context = self.context.unwrap_or_default();
            context.client = client.cloned();
            meta.context = Some(Arc::from(context));
        }
        Record::new(meta, self.data)
    }
}

impl<T> From<T> for NewSession<T> {
    fn from(data: T) -> Self {
        Self::with(data)
    }
}

impl<T> fmt::Debug for NewSession<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewSession")
            .field("idle", &self.idle)
            .field("absolute", &self.absolute)
            .field("persistent", &self.persistent)
            .finish_non_exhaustive()
    }
}
