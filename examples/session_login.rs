//! The session-based log-in module: log in by redirect, a gated profile, log out; with the limits
//! and the rotation that it leaves as next steps.
//!
//! ```sh
//! cargo run --example session_login
//! curl -i -c jar.txt -X POST 'http://127.0.0.1:3000/login?username=alice'
//! curl -b jar.txt http://127.0.0.1:3000/profile
//! curl -i -b jar.txt -X POST http://127.0.0.1:3000/logout
//! curl -i -b jar.txt http://127.0.0.1:3000/profile
//! ```
//! `IDLE_SECONDS` and `ABSOLUTE_SECONDS` set the limits: with `IDLE_SECONDS=5`, wait and see.
//! `SESSION_KEY` (from `openssl rand -hex 32`) keeps tickets valid across restarts and instances.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::env;
use std::error::Error as StdError;
use std::time::Duration;

use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sessile::store::MemoryStore;
use sessile::transport::Cookie;
use sessile::{Active, Error, Expiry, Key, NewSession, Refusal, Refusals, Session, SessionLayer};

#[derive(Clone, Serialize, Deserialize)]
struct SessionData {
    username: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn StdError>> {
    // A short or missing secret is an error here, not a weakness later.
    let key = match env::var_os("SESSION_KEY") {
        Some(_) => Key::from_env("SESSION_KEY")?,
        None => Key::generate(),
    };
    let idle = seconds("IDLE_SECONDS", 30 * 60)?;
    let absolute = seconds("ABSOLUTE_SECONDS", 12 * 60 * 60)?;

    let sessions = SessionLayer::<SessionData>::new(MemoryStore::new(), key)
        // Behind TLS, delete `dangerously_allow_plain_http`: the cookie is then Secure.
        .transport(Cookie::named("session_id").dangerously_allow_plain_http())
        .try_expiry(Expiry::idle(idle).absolute(absolute))?
        .refusals(Refusals::fastapi_sessions().with(
            Refusal::SessionEnded,
            StatusCode::UNAUTHORIZED,
            "Invalid or expired session",
        ));

    let app = Router::new()
        .route("/", get(home))
        .route("/login", post(login))
        .route("/profile", get(profile))
        .route("/logout", post(logout))
        .layer(sessions);

    let address = format!("127.0.0.1:{}", env::var("PORT").unwrap_or_else(|_| "3000".into()));
    let listener = tokio::net::TcpListener::bind(&address).await.map_err(|error| {
        format!("cannot listen on {address}: {error}. Choose another port: PORT=3001")
    })?;
    println!("Listening on http://{}: try POST /login?username=alice", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

async fn home(session: Option<Active<SessionData>>) -> Json<Value> {
    Json(json!({ "logged_in": session.is_some() }))
}

#[derive(Deserialize)]
struct Login {
    username: Option<String>,
}

async fn login(
    session: Session<SessionData>,
    Query(login): Query<Login>,
) -> Result<Response, Error> {
    let Some(username) = login.username.filter(|name| !name.is_empty()) else {
        let missing = Json(json!({ "detail": "username is missing" }));
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, missing).into_response());
    };
    // A new id at each log-in. Whatever session the browser had is over, so nobody can have
    // planted it.
    let data = SessionData { username: username.clone() };
    session.create(NewSession::with(data).subject(username))?;
    Ok(Redirect::to("/profile").into_response())
}

async fn profile(session: Active<SessionData>) -> Json<Value> {
    Json(json!({ "message": format!("Welcome, {}!", session.username) }))
}

async fn logout(session: Active<SessionData>) -> Result<Redirect, Error> {
    session.session().destroy()?;
    Ok(Redirect::to("/"))
}

fn seconds(variable: &str, default: u64) -> Result<Duration, String> {
    let text = env::var(variable).unwrap_or_else(|_| default.to_string());
    let seconds = text.parse().map_err(|_| format!("{variable} is not a number of seconds"))?;
    Ok(Duration::from_secs(seconds))
}
