//! `/auth/register`, `/auth/verify…`, `/auth/…-password`: become a user, show that an address is
//! one's own, get in again without the password.
//!
//! Whoever asks for a token is told nothing of whether there is such a user.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::Value;
use sessile::accounts::{AccountErrorKind, Password, Registration};

use crate::app::App;
use crate::failure::Failure;
use crate::guard::Caller;
use crate::users::UserRead;

pub(crate) fn open() -> Router<App> {
    Router::new()
        .route("/auth/register", post(register))
        .route("/auth/request-verify-token/{email}", post(request_verify))
        .route("/auth/verify/{token}", post(verify))
        .route("/auth/forgot-password/{email}", post(forgot))
        .route("/auth/reset-password", post(reset))
}

/// What somebody may say of themselves. Whatever else they send, a role say, is not read.
#[derive(Deserialize)]
struct UserCreate {
    email: String,
    username: Option<String>,
    password: Password,
}

async fn register(
    State(app): State<App>,
    Caller(client): Caller,
    Json(form): Json<UserCreate>,
) -> Result<Json<UserRead>, Failure> {
    let mut registration = Registration::new(&form.email, form.password).client(client);
    if let Some(name) = &form.username {
        registration = registration.username(name);
    }
    let user = app.register(registration).await.map_err(|error| match error.kind() {
        AccountErrorKind::Taken | AccountErrorKind::UsernameTaken => {
            Failure::new(StatusCode::FORBIDDEN, "User already exists")
        }
        _ => error.into(),
    })?;
    Ok(Json(UserRead::from(app.accounts.snapshot(user.id).await?)))
}

async fn request_verify(
    State(app): State<App>,
    Caller(client): Caller,
    Path(email): Path<String>,
) -> Result<Json<Value>, Failure> {
    app.accounts.request_verify(&email, &client).await?;
    Ok(Json(Value::Null))
}

async fn verify(
    State(app): State<App>,
    Path(token): Path<String>,
) -> Result<Json<UserRead>, Failure> {
    let user = app.accounts.verify(&token).await.map_err(|error| {
        Failure::of(&error, AccountErrorKind::Token, StatusCode::BAD_REQUEST, "verification")
    })?;
    Ok(Json(UserRead::from(app.accounts.snapshot(user.id).await?)))
}

async fn forgot(
    State(app): State<App>,
    Caller(client): Caller,
    Path(email): Path<String>,
) -> Result<Json<Value>, Failure> {
    app.accounts.forgot(&email, &client).await?;
    Ok(Json(Value::Null))
}

#[derive(Deserialize)]
struct Reset {
    token: String,
    password: Password,
}

/// With another password every token of the user's is dead, access tokens included.
async fn reset(
    State(app): State<App>,
    Json(Reset { token, password }): Json<Reset>,
) -> Result<Json<Value>, Failure> {
    app.accounts.reset(&token, &password).await.map_err(|error| {
        Failure::of(&error, AccountErrorKind::Token, StatusCode::BAD_REQUEST, "reset")
    })?;
    Ok(Json(Value::Null))
}
