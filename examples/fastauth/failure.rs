//! What goes wrong, as `{"detail": …}` with a text that is always the same: what the database or a
//! hash says is nobody's business.

use axum::Json;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use sessile::accounts::{AccountError, AccountErrorKind};
use sessile::token::PairError;
use sessile::{Error, Refusal, Refusals};

use crate::config::Locations;

#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    detail: Value,
    retry_after: Option<u64>,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, detail: impl Into<Value>) -> Self {
        Self { status, detail: detail.into(), retry_after: None }
    }

    pub(crate) fn user_not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "User not found")
    }

    pub(crate) fn access_denied() -> Self {
        Self::new(StatusCode::FORBIDDEN, "Access denied")
    }

    /// Turned away: no token, a bad one, or one that has ended.
    pub(crate) fn refused(refusal: Refusal, token: &'static str, locations: Locations) -> Self {
        match refusal {
            Refusal::NoTicket => Self::new(StatusCode::UNAUTHORIZED, missing(locations)),
            Refusal::InvalidTicket | Refusal::SessionEnded | Refusal::SessionVoid => {
                Self::new(StatusCode::UNAUTHORIZED, format!("{token} token is required"))
            }
            Refusal::Forbidden => Self::access_denied(),
            other => {
                let status = Refusals::detail().respond(other).status();
                Self::new(status, status.canonical_reason())
            }
        }
    }

    /// This detail instead, if it is this kind of error.
    pub(crate) fn of(
        error: &AccountError,
        kind: AccountErrorKind,
        status: StatusCode,
        detail: &str,
    ) -> Self {
        if error.kind() == kind { Self::new(status, detail) } else { Self::from_account(error) }
    }

    fn from_account(error: &AccountError) -> Self {
        let retry_after = error.retry_after().map(|wait| wait.as_secs().saturating_add(1));
        Self { retry_after, ..Self::new(error.status(), error.to_string()) }
    }
}

/// One message for each place that was looked at.
fn missing(locations: Locations) -> Vec<Value> {
    let mut messages = Vec::new();
    if locations.in_headers() {
        messages.push(json!("Missing token in headers: Not authenticated"));
    }
    if locations.in_cookies() {
        messages.push(json!("Missing token in cookies: Not authenticated"));
    }
    messages
}

/// The words for a bad access token, for extractors and guards of the access layer.
pub(crate) fn access_refusals(locations: Locations) -> Refusals {
    Refusals::custom(move |refusal| {
        let Failure { status, detail, .. } = Failure::refused(refusal, "access", locations);
        let mut response = http::Response::new(json!({ "detail": detail }).to_string());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    })
}

impl From<AccountError> for Failure {
    fn from(error: AccountError) -> Self {
        Self::from_account(&error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        PairError::from(error).into()
    }
}

impl From<PairError> for Failure {
    fn from(error: PairError) -> Self {
        Self::refused(error.refusal(), "refresh", Locations::HeadersThenCookies)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({ "detail": self.detail }))).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
