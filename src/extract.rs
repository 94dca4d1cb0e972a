//! axum extractors: `Session<T>`, `Active<T>`, `Option<Active<T>>`, `LazySession<T>` and
//! `RequireSession<T>`, on `axum-core` alone. They load a lazy session by themselves.

use std::any::type_name;
use std::fmt;

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;

use crate::error::Error;
use crate::guard::{Asking, RequireSession, active, handles, render, session};
use crate::log;
use crate::record::SessionData;
use crate::refusal::{Refusal, Refusals};
use crate::session::{Active, LazySession, Session};

/// Why an extractor found no session. As a response it is worded as the layer's refusals are.
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

    fn new<T: SessionData>(refusal: Refusal, parts: &Parts) -> Self {
        let response = render::<T>(refusal.into(), None, Asking::of_parts(parts));
        Self { refusal, response: Box::new(response) }
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
