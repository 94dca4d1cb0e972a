//! Two kinds of session in one application: users and administrators, each with its own data,
//! cookie and key; a route that wants both; and a route that wants a user of a certain role.
//!
//! ```sh
//! cargo run --example two_sessions
//! curl -i -c jar.txt -X POST http://127.0.0.1:3000/user/login/alice
//! curl -i -b jar.txt http://127.0.0.1:3000/both
//! curl -i -b jar.txt -c jar.txt -X POST http://127.0.0.1:3000/admin/login/root
//! curl -i -b jar.txt http://127.0.0.1:3000/both
//! curl -i -b jar.txt http://127.0.0.1:3000/reports
//! ```
#![expect(clippy::print_stdout, reason = "a program for people")]

use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sessile::store::MemoryStore;
use sessile::transport::{Cookie, SameSite};
use sessile::{Active, Error, Key, Refusal, Refusals, RequireSession, Session, SessionLayer};

#[derive(Clone, Serialize, Deserialize)]
struct User {
    name: String,
    role: Role,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    Member,
    Auditor,
}

#[derive(Clone, Serialize, Deserialize)]
struct Admin {
    name: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Behind TLS, delete both `dangerously_allow_plain_http`: the cookies are then Secure.
    let users = SessionLayer::<User>::new(MemoryStore::new(), Key::generate())
        .transport(Cookie::named("user").dangerously_allow_plain_http())
        .refusals(Refusals::fastapi_sessions());
    let strict = Cookie::named("admin").same_site(SameSite::Strict).dangerously_allow_plain_http();
    let admins = SessionLayer::<Admin>::new(MemoryStore::new(), Key::generate())
        .transport(strict)
        .refusals(Refusals::fastapi_sessions());

    // A guard in front of one route, in its own words. With each 401 goes `WWW-Authenticate`.
    let admin_only = RequireSession::<Admin>::new().refusals(
        Refusals::fastapi_sessions()
            .with(Refusal::NoTicket, StatusCode::UNAUTHORIZED, "admin only")
            .with(Refusal::InvalidTicket, StatusCode::UNAUTHORIZED, "admin only")
            .with(Refusal::SessionEnded, StatusCode::UNAUTHORIZED, "admin only"),
    );

    let app = Router::new()
        .route("/settings", get(async || Json("secret settings")).route_layer(admin_only))
        .route("/user/login/{name}", post(user_login))
        .route("/admin/login/{name}", post(admin_login))
        .route("/user", get(async |user: Active<User>| Json(User::clone(&user))))
        .route("/admin", get(async |admin: Active<Admin>| Json(Admin::clone(&admin))))
        .route("/both", get(both))
        .route("/reports", get(reports))
        .layer(users)
        .layer(admins);

    let address = format!("127.0.0.1:{}", std::env::var("PORT").unwrap_or_else(|_| "3000".into()));
    let listener = tokio::net::TcpListener::bind(&address).await.map_err(|error| {
        format!("cannot listen on {address}: {error}. Choose another port: PORT=3001")
    })?;
    println!("Listening on http://{}: try POST /user/login/alice", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

async fn user_login(session: Session<User>, Path(name): Path<String>) -> Result<Json<User>, Error> {
    // The server knows who may do what; nobody is asked for their role.
    let role = if name == "audrey" { Role::Auditor } else { Role::Member };
    let user = User { name, role };
    session.create(user.clone())?;
    Ok(Json(user))
}

async fn admin_login(
    session: Session<Admin>,
    Path(name): Path<String>,
) -> Result<Json<Admin>, Error> {
    let admin = Admin { name };
    session.create(admin.clone())?;
    Ok(Json(admin))
}

async fn both(admin: Active<Admin>, user: Active<User>) -> Json<Value> {
    Json(json!({ "user": user.name, "admin": admin.name }))
}

async fn reports(Auditor(auditor): Auditor) -> Json<Value> {
    Json(json!({ "reports": [], "read_by": auditor.name }))
}

/// A user whose session says that they are an auditor: a verifier is an extractor.
struct Auditor(Active<User>);

impl<S: Send + Sync> FromRequestParts<S> for Auditor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let user = <Active<User> as FromRequestParts<S>>::from_request_parts(parts, state).await;
        let user = user.map_err(IntoResponse::into_response)?;
        if user.role != Role::Auditor {
            let body = Json(json!({ "detail": "auditors only" }));
            let challenge = [(WWW_AUTHENTICATE, "Session")];
            return Err((StatusCode::UNAUTHORIZED, challenge, body).into_response());
        }
        Ok(Self(user))
    }
}
