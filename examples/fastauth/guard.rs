//! Who may do what: `user_required(roles, permissions, is_verified)` as types, so that a handler's
//! signature says whom it serves, and a router's layer whom all of it serves.

use std::marker::PhantomData;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use sessile::Client;
use sessile::accounts::{AccountErrorKind, UserSnapshot};
use sessile::guard::Principal;
use sessile::token::Access;

use crate::app::{App, UserClaims};
use crate::failure::Failure;

/// What the access token says.
pub(crate) type AccessToken = Access<UserClaims>;

/// Whom a route serves. Somebody with any of the roles or any of the permissions passes; where
/// neither is named, everybody does who is in good standing.
pub(crate) trait Rule: Send + Sync + 'static {
    const ROLES: &'static [&'static str] = &[];
    const PERMISSIONS: &'static [&'static str] = &[];
    const VERIFIED: bool = false;
}

/// The user of the access token, read from the database with this request: a role that was taken
/// away a moment ago does not count.
pub(crate) struct UserRequired<R>(pub(crate) UserSnapshot, PhantomData<fn() -> R>);

pub(crate) type DefaultUser = UserRequired<Anybody>;
pub(crate) type VerifiedUser = UserRequired<Verified>;
pub(crate) type AdminRequired = UserRequired<Admins>;

pub(crate) struct Anybody;
pub(crate) struct Verified;
pub(crate) struct Admins;

impl Rule for Anybody {}

impl Rule for Verified {
    const VERIFIED: bool = true;
}

impl Rule for Admins {
    const ROLES: &'static [&'static str] = &["admin"];
}

/// The decision, from nothing but what is known of the user.
fn decide<R: Rule>(user: &UserSnapshot) -> Result<(), Failure> {
    if !user.is_active() || (R::VERIFIED && !user.is_verified()) {
        return Err(Failure::user_not_found());
    }
    let everybody = R::ROLES.is_empty() && R::PERMISSIONS.is_empty();
    let by_role = || R::ROLES.iter().any(|role| user.has_role(role));
    let by_permission = || R::PERMISSIONS.iter().any(|one| user.has_permission(one));
    if everybody || by_role() || by_permission() { Ok(()) } else { Err(Failure::access_denied()) }
}

impl<R: Rule> FromRequestParts<App> for UserRequired<R> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let access = <AccessToken as FromRequestParts<App>>::from_request_parts(parts, app).await;
        let access = access.map_err(IntoResponse::into_response)?;
        let gone = || Failure::user_not_found().into_response();
        let id = access.subject.parse().map_err(|_| gone())?;
        let user = app.accounts.snapshot(id).await.map_err(|error| match error.kind() {
            AccountErrorKind::NotFound => gone(),
            _ => Failure::from(error).into_response(),
        })?;
        decide::<R>(&user).map_err(IntoResponse::into_response)?;
        Ok(Self(user, PhantomData))
    }
}

/// Whose attempts are counted together.
pub(crate) struct Caller(pub(crate) Client);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Response> {
        let peer = parts.extensions.get::<ConnectInfo<std::net::SocketAddr>>();
        let agent = parts.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
        Ok(Self(Client::new(peer.map(|peer| peer.0.ip()), agent)))
    }
}
