//! `/roles` and `/permissions`: what there is to be given. For administrators.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::middleware::from_extractor_with_state;
use axum::routing::{get, put};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use sessile::accounts::{AccountErrorKind, Described, Entry, Grant, Put};

use crate::app::App;
use crate::failure::Failure;
use crate::guard::AdminRequired;

pub(crate) fn closed(app: &App) -> Router<App> {
    Router::new()
        .route("/roles", get(async |app| list(app, Kind::Role).await).post(create_role))
        .route("/roles/{codename}", get(read_role).patch(update_role).delete(remove_role))
        .route("/roles/{codename}/permissions/{permission}", put(give).delete(take))
        .route("/permissions", get(async |app| list(app, Kind::Permission).await).post(create))
        .route("/permissions/{codename}", get(read).patch(update).delete(remove))
        .route_layer(from_extractor_with_state::<AdminRequired, App>(app.clone()))
}

/// The two things of which there are lists: they differ in how they are named.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Role,
    Permission,
}

impl Kind {
    fn entry(self, codename: &str) -> Result<Entry, Failure> {
        Ok(match self {
            Self::Role => Entry::Role(codename.parse()?),
            Self::Permission => Entry::Permission(codename.parse()?),
        })
    }

    /// The codename of an entry of this kind.
    fn codename(self, entry: &Entry) -> Option<String> {
        match (self, entry) {
            (Self::Role, Entry::Role(name)) => Some(name.to_string()),
            (Self::Permission, Entry::Permission(name)) => Some(name.to_string()),
            _ => None,
        }
    }
}

#[derive(Serialize)]
struct EntryRead {
    codename: String,
    description: String,
    /// Of roles: what whoever has it may do.
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    codename: String,
    #[serde(default)]
    description: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    description: String,
}

async fn all(app: &App, kind: Kind) -> Result<Vec<EntryRead>, Failure> {
    let mut read = Vec::new();
    for Described { entry, description, .. } in app.accounts.store().entries().await? {
        let Some(codename) = kind.codename(&entry) else { continue };
        let permissions = match entry {
            Entry::Role(role) => {
                let granted = app.accounts.store().granted(role).await?;
                Some(granted.iter().map(ToString::to_string).collect())
            }
            _ => None,
        };
        read.push(EntryRead { codename, description, permissions });
    }
    Ok(read)
}

async fn list(State(app): State<App>, kind: Kind) -> Result<Json<Vec<EntryRead>>, Failure> {
    Ok(Json(all(&app, kind).await?))
}

async fn one(app: &App, kind: Kind, codename: &str) -> Result<Json<EntryRead>, Failure> {
    let found = all(app, kind).await?.into_iter().find(|entry| entry.codename == codename);
    found.map(Json).ok_or_else(|| Failure::new(StatusCode::NOT_FOUND, "Not found"))
}

async fn make(
    app: &App,
    kind: Kind,
    Create { codename, description }: Create,
) -> Result<(StatusCode, Json<EntryRead>), Failure> {
    let entry = kind.entry(&codename)?;
    let put = app.accounts.put(Described::new(entry, description)).await?;
    let status = if put == Put::Created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, one(app, kind, &codename).await?))
}

/// Only what there is: a codename that was misspelt makes no second role.
async fn describe(
    app: &App,
    kind: Kind,
    codename: &str,
    description: String,
) -> Result<Json<EntryRead>, Failure> {
    let _there = one(app, kind, codename).await?;
    app.accounts.put(Described::new(kind.entry(codename)?, description)).await?;
    one(app, kind, codename).await
}

async fn unmake(app: &App, kind: Kind, codename: &str) -> Result<StatusCode, Failure> {
    app.accounts.remove(kind.entry(codename)?).await.map_err(|error| {
        Failure::of(&error, AccountErrorKind::NotFound, StatusCode::NOT_FOUND, "Not found")
    })?;
    Ok(StatusCode::NO_CONTENT)
}

type Made = Result<(StatusCode, Json<EntryRead>), Failure>;
type One = Result<Json<EntryRead>, Failure>;
type Done = Result<StatusCode, Failure>;

async fn create_role(State(app): State<App>, Json(form): Json<Create>) -> Made {
    make(&app, Kind::Role, form).await
}

async fn read_role(State(app): State<App>, Path(codename): Path<String>) -> One {
    one(&app, Kind::Role, &codename).await
}

async fn update_role(
    State(app): State<App>,
    Path(codename): Path<String>,
    Json(form): Json<Update>,
) -> One {
    describe(&app, Kind::Role, &codename, form.description).await
}

async fn remove_role(State(app): State<App>, Path(codename): Path<String>) -> Done {
    unmake(&app, Kind::Role, &codename).await
}

async fn create(State(app): State<App>, Json(form): Json<Create>) -> Made {
    make(&app, Kind::Permission, form).await
}

async fn read(State(app): State<App>, Path(codename): Path<String>) -> One {
    one(&app, Kind::Permission, &codename).await
}

async fn update(
    State(app): State<App>,
    Path(codename): Path<String>,
    Json(form): Json<Update>,
) -> One {
    describe(&app, Kind::Permission, &codename, form.description).await
}

async fn remove(State(app): State<App>, Path(codename): Path<String>) -> Done {
    unmake(&app, Kind::Permission, &codename).await
}

async fn give(State(app): State<App>, Path((role, permission)): Path<(String, String)>) -> Done {
    app.accounts.grant(Grant::PermissionOfRole(role.parse()?, permission.parse()?)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn take(State(app): State<App>, Path((role, permission)): Path<(String, String)>) -> Done {
    app.accounts.withdraw(Grant::PermissionOfRole(role.parse()?, permission.parse()?)).await?;
    Ok(StatusCode::NO_CONTENT)
}
