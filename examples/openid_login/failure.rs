//! What goes wrong between a visitor, the provider and this application, and what is said of it:
//! constant texts, nothing of what was sent.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use sessile::accounts::AccountError;

#[derive(Debug)]
pub(crate) enum Failure {
    /// The state is not this visitor's, or no longer.
    NotBegun,
    /// The provider says that they did not log in.
    Refused,
    /// The code or the ID token does not hold.
    NotProven,
    /// The provider has logged them out while they logged in here.
    LoggedOut,
    /// The provider did not answer, or not as one.
    Unreachable,
    /// Who is new needs an address that the provider has verified.
    NoAddress,
    /// The address is somebody's who has not shown that it is theirs.
    AddressTaken,
    /// Switched off here, whatever the provider says.
    Inactive,
    /// A logout token that does not hold.
    BadLogoutToken,
    /// The sessions or the accounts.
    Internal,
}

impl From<sessile::Error> for Failure {
    fn from(_: sessile::Error) -> Self {
        Self::Internal
    }
}

impl From<AccountError> for Failure {
    fn from(_: AccountError) -> Self {
        Self::Internal
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, detail) = match self {
            Self::NotBegun => (
                StatusCode::BAD_REQUEST,
                "this log-in was not begun in this browser, took too long or was used already",
            ),
            Self::Refused => (StatusCode::FORBIDDEN, "the provider did not log you in"),
            Self::NotProven => (StatusCode::BAD_REQUEST, "the provider's answer does not hold"),
            Self::LoggedOut => (StatusCode::FORBIDDEN, "the provider has logged you out meanwhile"),
            Self::Unreachable => (StatusCode::BAD_GATEWAY, "the provider does not answer"),
            Self::NoAddress => {
                (StatusCode::FORBIDDEN, "the provider has not verified your e-mail address")
            }
            Self::AddressTaken => (
                StatusCode::CONFLICT,
                "there is an account with this address: log in to it and link it there",
            ),
            Self::Inactive => (StatusCode::FORBIDDEN, "this account is switched off"),
            Self::BadLogoutToken => (StatusCode::BAD_REQUEST, "this is no valid logout token"),
            Self::Internal => (StatusCode::SERVICE_UNAVAILABLE, "try again later"),
        };
        (status, Json(json!({ "detail": detail }))).into_response()
    }
}
