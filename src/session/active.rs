//! A session that is there for certain.

use std::fmt;
use std::ops::Deref;

use http::Request;
use serde::{Serialize, Serializer};

use super::handle::{Session, Snapshot};
use crate::record::{Meta, SessionData};
use crate::refusal::Refusal;

/// A live session: proof that there is one, with its data at hand. Derefs to `T`.
///
/// As an axum extractor (feature `axum`) it answers 401 when there is no session;
/// `Option<Active<T>>` lets the handler decide.
///
/// ```
/// use sessile::{Active, Error};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Clone, Serialize, Deserialize)]
/// # struct Member { name: String, visits: u32 }
/// async fn profile(member: Active<Member>) -> Result<String, Error> {
///     member.session().update(|m| m.visits += 1)?;
///     Ok(format!("Welcome, {}!", member.name))
/// }
/// ```
pub struct Active<T> {
    session: Session<T>,
    data: Snapshot<T>,
}

impl<T: SessionData> Active<T> {
    /// The live session of this request, or why there is none. A lazy session must have been
    /// loaded.
    ///
    /// ```
    /// # use sessile::{Active, Refusal, Values};
    /// let request = http::Request::new(());
    /// let refused = Active::<Values>::of(&request).unwrap_err();
    /// assert_eq!(refused, Refusal::MissingLayer);
    /// ```
    ///
    /// # Errors
    /// The reason, to be answered with [`Refusals::respond`](crate::Refusals::respond).
    pub fn of<B>(request: &Request<B>) -> Result<Self, Refusal> {
        let session = Session::of(request).ok_or(Refusal::MissingLayer)?;
        Self::from_session(session).ok_or_else(|| session.status().refusal())
    }

    /// The session if it is live; `None` otherwise.
    ///
    /// ```
    /// use sessile::{Active, Session, Values};
    /// fn greeting(session: &Session<Values>) -> &'static str {
    ///     match Active::from_session(session) {
    ///         Some(_member) => "Welcome back!",
    ///         None => "Welcome!",
    ///     }
    /// }
    /// ```
    pub fn from_session(session: &Session<T>) -> Option<Self> {
        session.get().map(|data| Self { session: session.clone(), data })
    }
}

impl<T> Active<T> {
    /// What the layer knows about the session, as it was loaded.
    ///
    /// ```
    /// use sessile::{Active, Values};
    /// fn owner(member: &Active<Values>) -> Option<&str> {
    ///     member.meta().subject.as_deref()
    /// }
    /// ```
    pub fn meta(&self) -> &Meta {
        &self.data.0.meta
    }

    /// The handle, for editing. What it changes does not show in this view.
    pub const fn session(&self) -> &Session<T> {
        &self.session
    }
}

impl<T> Deref for Active<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.data
    }
}

/// Serialises as its data.
impl<T: Serialize> Serialize for Active<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        T::serialize(self, serializer)
    }
}

impl<T> Clone for Active<T> {
    fn clone(&self) -> Self {
        Self { session: self.session.clone(), data: self.data.clone() }
    }
}

impl<T> fmt::Debug for Active<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Active").field(&self.session).finish()
    }
}
