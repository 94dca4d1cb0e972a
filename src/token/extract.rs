//! axum extractors: `Access<C>` and `Option<Access<C>>`.

use std::fmt;

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;

use super::access::{Access, CustomClaims, Refused};
use super::{PairError, TokenError};
use crate::refusal::{Refusal, Refusals};

/// Why an extractor found no access token. As a response it is worded as the layer's refusals are.
///
/// ```
/// use sessile::token::{Access, AccessRejection};
/// async fn greet(access: Result<Access, AccessRejection>) -> String {
///     match access {
///         Ok(access) => format!("Welcome, {}!", access.subject),
///         Err(error) => format!("{:?}", error.refusal()),
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # use tower::ServiceExt;
/// # let app = axum::Router::new().route("/", axum::routing::get(greet));
/// # let answer = app.oneshot(http::Request::new(String::new())).await.unwrap();
/// # assert_eq!(answer.status(), 200);
/// # }
/// ```
pub struct AccessRejection {
    refusal: Refusal,
    response: Box<http::Response<String>>,
}

impl AccessRejection {
    /// The reason.
    pub const fn refusal(&self) -> Refusal {
        self.refusal
    }

    fn new<C: CustomClaims>(refusal: Refusal, parts: &Parts) -> Self {
        let refused = Refused {
            method: &parts.method,
            uri: &parts.uri,
            headers: &parts.headers,
            extensions: &parts.extensions,
        };
        Self { refusal, response: Box::new(refused.render::<C>(refusal.into(), None)) }
    }
}

impl fmt::Debug for AccessRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AccessRejection").field(&self.refusal).finish()
    }
}

impl fmt::Display for AccessRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the request was refused: {:?}", self.refusal)
    }
}

impl std::error::Error for AccessRejection {}

impl IntoResponse for AccessRejection {
    fn into_response(self) -> Response {
        self.response.into_response()
    }
}

/// 401 for all that is wrong with a token, 503 for a store that fails, 500 for what is the server's
/// own; as problem+json.
impl IntoResponse for TokenError {
    fn into_response(self) -> Response {
        super::access::default_refusals().respond(self.refusal()).into_response()
    }
}

/// 401 where there is no session to renew, 503 where the store failed; as problem+json.
impl IntoResponse for PairError {
    fn into_response(self) -> Response {
        Refusals::problem().respond(self.refusal()).into_response()
    }
}

impl<C: CustomClaims, S: Send + Sync> FromRequestParts<S> for Access<C> {
    type Rejection = AccessRejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, AccessRejection> {
        Self::from_extensions(&parts.extensions)
            .map_err(|refusal| AccessRejection::new::<C>(refusal, parts))
    }
}

/// `None` where there is no good token; an error where nobody can say.
impl<C: CustomClaims, S: Send + Sync> OptionalFromRequestParts<S> for Access<C> {
    type Rejection = AccessRejection;

    async fn from_request_parts(
        parts: &mut Parts,
        _state: &S,
    ) -> Result<Option<Self>, AccessRejection> {
        match Self::from_extensions(&parts.extensions) {
            Ok(access) => Ok(Some(access)),
            Err(Refusal::NoTicket | Refusal::InvalidTicket | Refusal::SessionEnded) => Ok(None),
            Err(refusal) => Err(AccessRejection::new::<C>(refusal, parts)),
        }
    }
}
