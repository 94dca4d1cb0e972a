//! axum extractors: `Session<T>`, `Active<T>`, `Option<Active<T>>`, `LazySession<T>`,
//! `RequireSession<T>` and `Permitted<T, G>`, on `axum-core` alone. They load a lazy session by
//! themselves.

use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;

use crate::error::Error;
use crate::guard::{Asking, Guard, RequireSession, active, handles, permitted, render, session};
use crate::log;
use crate::record::SessionData;
use crate::refusal::{Denied, Refusal, Refusals};
use crate::session::{Active, LazySession, Session};

/// A live session that a [`Guard`] lets pass, as an axum extractor: the handler cannot run without
/// it, and its signature says so. Derefs to [`Active<T>`], and so to the data.
///
/// The guard is a type here, made anew for each request by its `Default`. Give your rules names:
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// use sessile::guard::{Attempt, Guard, Principal};
/// use sessile::{Denied, Permitted};
///
/// #[derive(Clone, Serialize, Deserialize)]
/// struct Member { name: String, admin: bool }
///
/// #[derive(Default)]
/// struct AdminsOnly;
///
/// impl Guard<Member> for AdminsOnly {
///     fn check(&self, attempt: &Attempt<'_, Member>) -> Result<(), Denied> {
///         if attempt.data().admin { Ok(()) } else { Err(Denied::forbidden()) }
///     }
/// }
///
/// type Admin = Permitted<Member, AdminsOnly>;
///
/// async fn settings(admin: Admin) -> String {
///     format!("{} may change everything", admin.name)
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # use tower::ServiceExt;
/// # let app = axum::Router::new().route("/", axum::routing::get(settings));
/// # let answer = app.oneshot(http::Request::new(String::new())).await.unwrap();
/// # assert_eq!(answer.status(), 500, "no layer");
/// # }
/// ```
///
/// A guard that is costly to make, or that has something to be told, is a
/// [`RequireLayer`](crate::guard::RequireLayer) on the route.
pub struct Permitted<T, G> {
    active: Active<T>,
    guard: PhantomData<fn() -> G>,
}

impl<T, G> Permitted<T, G> {
    /// The session, to be handed on to what knows nothing of the guard.
    ///
    /// ```
    /// use sessile::guard::IsActive;
    /// use sessile::{Active, Permitted};
    /// fn hand_on<T>(member: Permitted<T, IsActive>) -> Active<T> {
    ///     member.into_active()
    /// }
    /// ```
    pub fn into_active(self) -> Active<T> {
        self.active
    }
}

impl<T, G> Deref for Permitted<T, G> {
    type Target = Active<T>;

    fn deref(&self) -> &Active<T> {
        &self.active
    }
}

impl<T, G> Clone for Permitted<T, G> {
    fn clone(&self) -> Self {
        Self { active: self.active.clone(), guard: PhantomData }
    }
}

impl<T, G> fmt::Debug for Permitted<T, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Permitted").field(&self.active).finish()
    }
}

/// Why an extractor found no session, or none that may pass. As a response it is worded as the layer's refusals are.
///
/// A handler that takes the `Result` decides by itself:
///
/// ```
/// use axum::response::{IntoResponse, Redirect, Response};
/// use sessile::{Active, Refusal, SessionRejection, Values};
///
/// async fn profile(member: Result<Active<Values>, SessionRejection>) -> Response {
///     match member {
///         Ok(member) => format!("{} values", member.len()).into_response(),
///         Err(error) if error.refusal() == Refusal::SessionEnded => {
///             Redirect::to("/log_in?again").into_response()
///         }
///         Err(error) => error.into_response(),
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # use tower::ServiceExt;
/// # let app = axum::Router::new().route("/", axum::routing::get(profile));
/// # let answer = app.oneshot(http::Request::new(String::new())).await.unwrap();
/// # assert_eq!(answer.status(), 500, "no layer");
/// # }
/// ```
pub struct SessionRejection {
    refusal: Refusal,
    response: Box<http::Response<String>>,
}

impl SessionRejection {
    /// The reason.
    pub const fn refusal(&self) -> Refusal {
        self.refusal
    }

    fn new<T: SessionData>(denied: impl Into<Denied>, parts: &Parts) -> Self {
        let denied = denied.into();
        let response = render::<T>(denied, None, Asking::of_parts(parts));
        Self { refusal: denied.refusal(), response: Box::new(response) }
    }
}

impl fmt::Debug for SessionRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionRejection").field(&self.refusal).finish()
    }
}

impl fmt::Display for SessionRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the request was refused: {:?}", self.refusal)
    }
}

impl std::error::Error for SessionRejection {}

impl IntoResponse for SessionRejection {
    fn into_response(self) -> Response {
        self.response.into_response()
    }
}

/// 401 where a session was missing, 503 where the store failed, 500 for a mistake of the program;
/// as problem+json. Not in the words of the layer's [`Refusals`]; for those, answer
/// `refusals.respond(error.refusal())`.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Refusals::problem().respond(self.refusal()).into_response()
    }
}

async fn loaded<T: SessionData>(parts: &Parts) -> Result<Session<T>, SessionRejection> {
    let (eager, lazy) = handles::<T>(&parts.extensions);
    let loaded = session(eager, lazy).await;
    loaded.map_err(|refusal| SessionRejection::new::<T>(refusal, parts))
}

impl<T: SessionData, S: Send + Sync> FromRequestParts<S> for Session<T> {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, SessionRejection> {
        loaded(parts).await
    }
}

impl<T: SessionData, S: Send + Sync> FromRequestParts<S> for Active<T> {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, SessionRejection> {
        let session = loaded(parts).await?;
        active(&session).map_err(|refusal| SessionRejection::new::<T>(refusal, parts))
    }
}

impl<T: SessionData, S: Send + Sync> OptionalFromRequestParts<S> for Active<T> {
    type Rejection = SessionRejection;

    async fn from_request_parts(
        parts: &mut Parts,
        _state: &S,
    ) -> Result<Option<Self>, SessionRejection> {
        Ok(Self::from_session(&loaded(parts).await?))
    }
}

impl<T: SessionData, S: Send + Sync> FromRequestParts<S> for LazySession<T> {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, SessionRejection> {
        Self::from_extensions(&parts.extensions).cloned().ok_or_else(|| {
            log::missing_layer(type_name::<T>());
            SessionRejection::new::<T>(Refusal::MissingLayer, parts)
        })
    }
}

impl<T: SessionData, S: Send + Sync> FromRequestParts<S> for RequireSession<T> {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, SessionRejection> {
        <Active<T> as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        Ok(Self::new())
    }
}

impl<T, G, S> FromRequestParts<S> for Permitted<T, G>
where
    T: SessionData,
    G: Guard<T> + Default,
    S: Send + Sync,
{
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, SessionRejection> {
        let session = loaded(parts).await?;
        let active = permitted(&session, &G::default(), Asking::of_parts(parts))
            .map_err(|denied| SessionRejection::new::<T>(denied, parts))?;
        Ok(Self { active, guard: PhantomData })
    }
}
