//! `FastAuth`'s routers and options: access and refresh tokens in headers and cookies, registration,
//! verified addresses, forgotten passwords, users, roles and permissions. In SQLite, or wherever
//! `DATABASE_URL` says.
//!
//! ```sh
//! ADMIN_EMAIL=root@example.org ADMIN_PASSWORD='sesame, open up' cargo run --example fastauth
//! curl -i -H 'content-type: application/json' http://127.0.0.1:3000/auth/register \
//!   -d '{"email":"ann@example.org","username":"ann","password":"correct horse battery"}'
//! curl -i -c ann.txt -d username=ann -d 'password=correct horse battery' \
//!   http://127.0.0.1:3000/auth/token/login
//! curl -i -b ann.txt http://127.0.0.1:3000/protected
//! curl -i -b ann.txt http://127.0.0.1:3000/users
//! curl -i -b ann.txt -c ann.txt -X POST http://127.0.0.1:3000/auth/token/refresh
//! curl -i -X POST http://127.0.0.1:3000/auth/request-verify-token/ann@example.org
//! curl -i -c root.txt -d username=root@example.org -d 'password=sesame, open up' \
//!   http://127.0.0.1:3000/auth/token/login
//! curl -i -b root.txt http://127.0.0.1:3000/users
//! curl -i -b root.txt http://127.0.0.1:3000/roles
//! curl -i -b ann.txt -X POST http://127.0.0.1:3000/auth/token/logout
//! ```
//! What would go out by e-mail is printed. The options are in `config.rs`: `JWT_SECRET` (from
//! `openssl rand -hex 32`) keeps tokens valid across restarts and instances, `TOKEN_LOCATIONS`,
//! `ACCESS_TOKEN_MAX_AGE`, `COOKIE_SECURE` and others are `FastAuth`'s.
#![expect(clippy::print_stdout, reason = "a program for people")]

mod app;
mod config;
mod failure;
mod guard;
mod hooks;
mod register;
mod roles;
mod tokens;
mod users;

use std::error::Error;
use std::net::SocketAddr;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use sessile::csrf::RefuseCrossSite;
use sessile::token::RequireAccess;

use crate::app::{App, UserClaims};
use crate::config::Config;
use crate::failure::access_refusals;
use crate::guard::{AdminRequired, UserRequired, VerifiedUser};
use crate::users::{MayDelete, UserRead};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let config = Config::read(|name| std::env::var(name).ok())?;
    let address = format!("127.0.0.1:{}", std::env::var("PORT").unwrap_or_else(|_| "3000".into()));
    let listener = tokio::net::TcpListener::bind(&address).await.map_err(|error| {
        format!("cannot listen on {address}: {error}. Choose another port: PORT=3001")
    })?;
    let app = App::open(config).await?;

    println!("Listening on http://{}: try POST /auth/register", listener.local_addr()?);
    let app = routes(app).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, app).await?;
    Ok(())
}

fn routes(app: App) -> Router {
    let open = Router::new().merge(tokens::open(&app)).merge(register::open());

    // Nothing of this is reached without an access token, whatever a handler forgets to ask.
    let closed = Router::new()
        .merge(tokens::closed(&app))
        .merge(users::closed())
        .merge(roles::closed(&app))
        .route("/me", get(users::me))
        .route("/me_verified", get(async |user: VerifiedUser| Json(UserRead::from(user.0))))
        .route("/admin", get(admin))
        .route("/or", get(async |user: UserRequired<MayDelete>| Json(UserRead::from(user.0))))
        .route("/hooks", get(hooks))
        .route_layer(RequireAccess::<UserClaims>::new().refusals(access_refusals(app.locations)));

    open.merge(closed)
        .layer(app.access.clone())
        // Cookies travel with what other sites post, too.
        .layer(RefuseCrossSite::new())
        .with_state(app)
}

async fn admin(admin: AdminRequired) -> Json<Value> {
    Json(json!({ "welcome": admin.0.user.email.as_str() }))
}

/// How often each hook was called, for administrators.
async fn hooks(_admin: AdminRequired, State(app): State<App>) -> Json<Value> {
    Json(json!(app.hooks.counts()))
}
