//! `/users`: oneself, and for those who may, the others.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use sessile::accounts::{
    AccountError, AccountErrorKind, Email, Grant, UserChange, UserId, UserSnapshot, Username,
};

use crate::app::App;
use crate::failure::Failure;
use crate::guard::{AdminRequired, DefaultUser, Rule, UserRequired};

pub(crate) fn closed() -> Router<App> {
    Router::new()
        .route("/users", get(list))
        .route("/users/me", get(me).patch(update_me))
        .route("/users/{id}", get(read).patch(update).delete(delete))
        .route("/users/{id}/roles/{role}", put(give_role).delete(take_role))
        .route("/users/{id}/permissions/{permission}", put(give_permission).delete(take_permission))
}

/// Administrators, and those who have this permission, themselves or through a role.
pub(crate) struct MayRead;
pub(crate) struct MayDelete;

impl Rule for MayRead {
    const ROLES: &'static [&'static str] = &["admin"];
    const PERMISSIONS: &'static [&'static str] = &["user:read"];
}

impl Rule for MayDelete {
    const ROLES: &'static [&'static str] = &["admin"];
    const PERMISSIONS: &'static [&'static str] = &["user:delete"];
}

/// A user as others see them.
#[derive(Serialize)]
pub(crate) struct UserRead {
    id: String,
    email: String,
    username: Option<String>,
    is_active: bool,
    is_verified: bool,
    roles: Vec<String>,
    permissions: Vec<String>,
}

impl From<UserSnapshot> for UserRead {
    fn from(UserSnapshot { user, roles, permissions, .. }: UserSnapshot) -> Self {
        Self {
            id: user.id.to_string(),
            email: user.email.to_string(),
            username: user.username.map(|name| name.to_string()),
            is_active: user.is_active,
            is_verified: user.is_verified,
            roles: roles.iter().map(ToString::to_string).collect(),
            permissions: permissions.iter().map(ToString::to_string).collect(),
        }
    }
}

pub(crate) async fn me(user: DefaultUser) -> Json<UserRead> {
    Json(user.0.into())
}

/// What people may change of themselves. An address is the way to a new password: who has another's
/// token for a moment must not change it, so administrators do.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnUpdate {
    username: String,
}

async fn update_me(
    State(app): State<App>,
    user: DefaultUser,
    Json(form): Json<OwnUpdate>,
) -> Result<Json<UserRead>, Failure> {
    let name: Username = form.username.parse()?;
    change(&app, user.0.user.id, UserChange::new().username(Some(name))).await
}

/// Of a list: whom to go on after.
#[derive(Deserialize)]
struct Page {
    after: Option<String>,
}

async fn list(
    State(app): State<App>,
    _may: UserRequired<MayRead>,
    Query(page): Query<Page>,
) -> Result<Json<Vec<UserRead>>, Failure> {
    let after = page.after.as_deref().map(id_of).transpose()?;
    let mut users = Vec::new();
    for user in app.accounts.store().list(after, 50).await? {
        match app.accounts.snapshot(user.id).await {
            Ok(user) => users.push(user.into()),
            Err(error) if error.kind() == AccountErrorKind::NotFound => {} // deleted meanwhile
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Json(users))
}

async fn read(
    State(app): State<App>,
    _may: UserRequired<MayRead>,
    Path(id): Path<String>,
) -> Result<Json<UserRead>, Failure> {
    let user = app.accounts.snapshot(id_of(&id)?).await.map_err(not_found)?;
    Ok(Json(user.into()))
}

/// What administrators may change. `false` is a value like any other.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    email: Option<String>,
    username: Option<String>,
    is_active: Option<bool>,
    is_verified: Option<bool>,
}

async fn update(
    State(app): State<App>,
    _admin: AdminRequired,
    Path(id): Path<String>,
    Json(form): Json<Update>,
) -> Result<Json<UserRead>, Failure> {
    let mut wanted = UserChange::new();
    if let Some(email) = form.email {
        wanted = wanted.email(email.parse::<Email>()?);
    }
    if let Some(name) = form.username {
        wanted = wanted.username(Some(name.parse()?));
    }
    if let Some(active) = form.is_active {
        wanted = wanted.active(active);
    }
    if let Some(verified) = form.is_verified {
        wanted = wanted.verified(verified);
    }
    change(&app, id_of(&id)?, wanted).await
}

async fn change(app: &App, id: UserId, wanted: UserChange) -> Result<Json<UserRead>, Failure> {
    app.accounts.update(id, wanted).await.map_err(not_found)?;
    Ok(Json(app.accounts.snapshot(id).await.map_err(not_found)?.into()))
}

async fn delete(
    State(app): State<App>,
    _may: UserRequired<MayDelete>,
    Path(id): Path<String>,
) -> Result<StatusCode, Failure> {
    app.accounts.delete(id_of(&id)?).await.map_err(not_found)?;
    Ok(StatusCode::NO_CONTENT)
}

type Pair = Path<(String, String)>;

async fn give_role(
    State(app): State<App>,
    _admin: AdminRequired,
    Path((id, role)): Pair,
) -> Result<StatusCode, Failure> {
    app.accounts.grant(Grant::RoleOfUser(id_of(&id)?, role.parse()?)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn take_role(
    State(app): State<App>,
    _admin: AdminRequired,
    Path((id, role)): Pair,
) -> Result<StatusCode, Failure> {
    app.accounts.withdraw(Grant::RoleOfUser(id_of(&id)?, role.parse()?)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn give_permission(
    State(app): State<App>,
    _admin: AdminRequired,
    Path((id, permission)): Pair,
) -> Result<StatusCode, Failure> {
    app.accounts.grant(Grant::PermissionOfUser(id_of(&id)?, permission.parse()?)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn take_permission(
    State(app): State<App>,
    _admin: AdminRequired,
    Path((id, permission)): Pair,
) -> Result<StatusCode, Failure> {
    app.accounts.withdraw(Grant::PermissionOfUser(id_of(&id)?, permission.parse()?)).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn id_of(text: &str) -> Result<UserId, Failure> {
    text.parse().map_err(not_found)
}

fn not_found(error: AccountError) -> Failure {
    if error.kind() == AccountErrorKind::NotFound {
        return Failure::user_not_found();
    }
    error.into()
}
