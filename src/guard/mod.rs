//! Guards: who may pass.
//!
//! [`RequireSession`] lets only requests with a live session through. [`RequireLayer`] asks a
//! [`Guard`] as well: a closure, or a rule of one's own.

use http::{Extensions, HeaderMap, Method, Uri};

mod gate;
mod require;
mod service;

pub(crate) use self::gate::{Asking, active, handles, render, session};
pub use self::require::{RequireLayer, RequireSession};
pub use self::service::{RequireFuture, RequireService};
use crate::clock::Timestamp;
use crate::record::{Meta, SessionData};
use crate::refusal::Denied;
use crate::session::{Active, Session};

/// Decides whether a request with a live session may pass. It reads what is loaded: nothing in it
/// waits.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// use sessile::Denied;
/// use sessile::guard::{Attempt, Guard};
///
/// #[derive(Clone, Serialize, Deserialize)]
/// struct Member { name: String, admin: bool }
///
/// struct AdminsOnly;
///
/// impl Guard<Member> for AdminsOnly {
///     fn check(&self, attempt: &Attempt<'_, Member>) -> Result<(), Denied> {
///         if attempt.data().admin { Ok(()) } else { Err(Denied::forbidden()) }
///     }
/// }
/// ```
///
/// A closure that answers yes or no is one too.
pub trait Guard<T>: Send + Sync + 'static {
    /// Decides.
    ///
    /// # Errors
    /// Why not.
    fn check(&self, attempt: &Attempt<'_, T>) -> Result<(), Denied>;
}

impl<T, F> Guard<T> for F
where
    F: Fn(&Attempt<'_, T>) -> bool + Send + Sync + 'static,
{
    fn check(&self, attempt: &Attempt<'_, T>) -> Result<(), Denied> {
        if self(attempt) { Ok(()) } else { Err(Denied::forbidden()) }
    }
}

/// A request with a live session, before a guard.
pub struct Attempt<'a, T> {
    active: &'a Active<T>,
    asking: Asking<'a>,
}

impl<'a, T: SessionData> Attempt<'a, T> {
    pub(crate) const fn new(active: &'a Active<T>, asking: Asking<'a>) -> Self {
        Self { active, asking }
    }

    /// The session's data.
    pub fn data(&self) -> &'a T {
        self.active
    }

    /// What the layer knows about the session.
    pub fn meta(&self) -> &'a Meta {
        self.active.meta()
    }

    /// The handle.
    pub const fn session(&self) -> &'a Session<T> {
        self.active.session()
    }

    /// Whether a [verifier](crate::verify::Verdict::StepUp) wants a fresh login for whatever is
    /// delicate.
    pub fn wants_step_up(&self) -> bool {
        self.session().wants_step_up()
    }

    /// The time, by the layer's clock.
    pub fn now(&self) -> Timestamp {
        self.session().0.shared.now()
    }

    /// The request's method.
    pub const fn method(&self) -> &'a Method {
        self.asking.method
    }

    /// Where it goes, as the routers before have left it.
    pub const fn uri(&self) -> &'a Uri {
        self.asking.uri
    }

    /// Its headers.
    pub const fn headers(&self) -> &'a HeaderMap {
        self.asking.headers
    }

    /// What layers before have put into it, such as a user looked up in a database.
    pub const fn extensions(&self) -> &'a Extensions {
        self.asking.extensions
    }
}

impl<T> std::fmt::Debug for Attempt<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Attempt")
    }
}
