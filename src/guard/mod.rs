//! Guards: who may pass.
//!
//! [`RequireSession`] lets only requests with a live session through. [`RequireLayer`] asks a
//! [`Guard`] as well: a rule of this module, a closure, or a type of one's own.
//!
//! | passes | rule |
//! |---|---|
//! | who has a role, or one of several | [`has_role`], [`has_any_role`] |
//! | who has a permission, one of several, or all | [`has_permission`], [`any_permission`], [`all_permissions`] |
//! | who has it by themselves or by a role | [`Policy`] |
//! | who is enabled, who has confirmed their address | [`is_active`], [`is_verified`] |
//! | who logged in not long ago | [`fresh`] |
//! | who logged in with enough factors | [`assurance`] |
//! | by anything else | a closure |
//!
//! 1. The session is there, loaded and accepted by the layer's [verifiers](crate::verify), before a
//!    guard is asked; without one the answer is 401.
//! 2. A guard answers yes, [no](Denied::forbidden) (403), or
//!    [not before you have logged in again](Denied::step_up) (401 with a challenge). Of these
//!    [`and`](Guard::and) answers the worst and [`or`](Guard::or) the best.
//! 3. What the rules know is what the session and the server know. No header of the request has a
//!    say in it, unless a closure gives it one.
//! 4. No rule allocates, and none waits. Whatever must be looked up first is put into the request's
//!    extensions by a layer in between.
//!
//! Active *and* verified *and* (of a role *or* with a permission), each refused in words of its own:
//!
//! ```
//! use http::{Request, Response, StatusCode};
//! # use serde::{Deserialize, Serialize};
//! use sessile::guard::{Guard, Policy, Principal, RequireLayer, is_active, is_verified};
//! use sessile::{Refusal, Refusals, SessionLayer};
//! # use sessile::{Key, NewSession, Session, store::MemoryStore};
//! # use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
//!
//! #[derive(Clone, Serialize, Deserialize)]
//! struct User { role: String, active: bool, verified: bool }
//!
//! impl Principal for User {
//!     fn has_role(&self, role: &str) -> bool { self.role == role }
//!     fn is_active(&self) -> bool { self.active }
//!     fn is_verified(&self) -> bool { self.verified }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let policy = Policy::new().role("moderator", ["user:read", "user:delete"]).role("admin", [""; 0]);
//! let known = RequireLayer::<User>::new(is_active().and(is_verified())).refusals(
//!     Refusals::detail().with(Refusal::Forbidden, StatusCode::NOT_FOUND, "User not found"),
//! );
//! let allowed = RequireLayer::<User>::new(
//!     policy.has_role("admin").or(policy.has_permission("user:delete")),
//! )
//! .refusals(Refusals::fastauth());
//! # let sessions = SessionLayer::<User>::new(MemoryStore::new(), Key::generate());
//! # let log_in = sessions.clone().layer(service_fn(|request: Request<User>| async move {
//! #     let session = Session::<User>::of(&request).unwrap();
//! #     session.create(request.body().clone()).unwrap();
//! #     Ok::<_, ()>(Response::new(String::new()))
//! # }));
//!
//! let service = ServiceBuilder::new().layer(sessions).layer(known).layer(allowed)
//!     .service(service_fn(|_: Request<()>| async { Ok::<_, ()>(Response::new(String::new())) }));
//! # for (role, active, status) in
//! #     [("moderator", true, 200), ("admin", true, 200), ("user", true, 403), ("admin", false, 404)]
//! # {
//! #     let user = User { role: role.into(), active, verified: true };
//! #     let welcome = log_in.clone().oneshot(Request::new(user)).await.unwrap();
//! #     let request = Request::builder().header("cookie", &welcome.headers()["set-cookie"]);
//! #     let answer = service.clone().oneshot(request.body(()).unwrap()).await.unwrap();
//! #     assert_eq!(answer.status(), status, "{role} {active}");
//! # }
//! # }
//! ```
//!
//! A closure sees the whole [`Attempt`]. Everybody their own profile, and nobody else's:
//!
//! ```
//! use sessile::guard::{Attempt, RequireLayer};
//! # use sessile::Values;
//! let own_profile = RequireLayer::new(|attempt: &Attempt<'_, Values>| {
//!     let owner = attempt.uri().path().strip_prefix("/users/");
//!     owner.is_some() && owner == attempt.meta().subject.as_deref()
//! });
//! ```

use http::{Extensions, HeaderMap, Method, Uri};

mod gate;
mod logic;
mod policy;
mod principal;
mod proof;
mod require;
mod service;

pub(crate) use self::gate::{Asking, Gate};
#[cfg(any(feature = "axum", feature = "tonic"))]
pub(crate) use self::gate::{active, handles, permitted, render, session};
pub use self::logic::{And, Not, Or};
pub use self::policy::Policy;
pub use self::principal::{
    HasPermission, HasRole, IsActive, IsVerified, Principal, all_permissions, any_permission,
    has_any_role, has_permission, has_role, is_active, is_verified, try_all_permissions,
    try_any_permission, try_has_any_role,
};
pub use self::proof::{AtLeast, Fresh, assurance, fresh, try_fresh};
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
///
/// Guards combine:
///
/// ```
/// use std::time::Duration;
/// use sessile::guard::{Attempt, Guard, RequireLayer, fresh, has_any_role, has_role};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Clone, Serialize, Deserialize)] struct Member { region: u8 }
/// # impl sessile::guard::Principal for Member {}
///
/// let editors = has_any_role(["editor", "admin"]).and(has_role("suspended").not());
/// let local = |attempt: &Attempt<'_, Member>| attempt.data().region == 7;
/// let may_publish = RequireLayer::new(editors.and(local).and(fresh(Duration::from_secs(900))));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no guard for sessions with `{T}`",
    label = "not a guard for `{T}`",
    note = "a guard is a closure `|attempt: &Attempt<'_, {T}>| -> bool`, a type that implements `Guard<{T}>`, or a rule of `sessile::guard`",
    note = "the rules about roles, permissions and standing want `{T}` to implement `sessile::guard::Principal`"
)]
pub trait Guard<T>: Send + Sync + 'static {
    /// Decides.
    ///
    /// # Errors
    /// Why not.
    fn check(&self, attempt: &Attempt<'_, T>) -> Result<(), Denied>;

    /// Passes what both pass. If one says no, that is the answer, whatever the other would need; if
    /// both want a fresh or better log-in, one that satisfies both.
    fn and<G>(self, other: G) -> And<Self, G, T>
    where
        Self: Sized,
        G: Guard<T>,
    {
        And::new(self, other)
    }

    /// Passes what either passes. If neither does, the answer is the one that would help: to log in
    /// again, before a plain no.
    fn or<G>(self, other: G) -> Or<Self, G, T>
    where
        Self: Sized,
        G: Guard<T>,
    {
        Or::new(self, other)
    }

    /// Passes what this one forbids, and nothing that it asks to log in again for.
    fn not(self) -> Not<Self, T>
    where
        Self: Sized,
    {
        Not::new(self)
    }
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
///
/// ```
/// use std::time::Duration;
/// use http::Method;
/// use sessile::guard::{Attempt, RequireLayer};
/// # use sessile::Values;
///
/// /// Looked up, and put into the request, by a layer between that of the session and the guard.
/// #[derive(Clone)]
/// struct Account { suspended: bool }
///
/// /// Suspended accounts may do nothing; new or doubted sessions, and rehearsals, only read.
/// let careful = RequireLayer::new(|attempt: &Attempt<'_, Values>| {
///     let account = attempt.extensions().get::<Account>();
///     let known = account.is_some_and(|account| !account.suspended);
///     let settled = attempt.now().since(attempt.meta().created) > Duration::from_secs(60);
///     let trusted = settled && !attempt.wants_step_up() && attempt.session().id().is_some();
///     let in_earnest = !attempt.headers().contains_key("x-dry-run");
///     known && (attempt.method() == Method::GET || trusted && in_earnest)
/// });
/// ```
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

    /// The request's method. In a tonic handler it is POST.
    pub const fn method(&self) -> &'a Method {
        self.asking.method
    }

    /// Where it goes, as the routers before have left it. In a tonic handler it is `/`: tonic has
    /// dropped it. A [`RequireLayer`] in front of a tonic service sees the whole path.
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
