//! fastapi-anchor on Postgres: its routes, its words, its table and its cookie, so that both can run
//! side by side while an application moves over. Who is logged in there is logged in here, what
//! anchor logs out is logged out here, and the reverse.
//!
//! ```sh
//! export COOKIE_SECRET='the secret_key of anchor'
//! scripts/services run postgres cargo run --example anchor    # with a server just for this
//! curl -c jar.txt -X POST 'http://127.0.0.1:3000/login?user_id=ada'
//! curl -b jar.txt http://127.0.0.1:3000/me
//! curl -b jar.txt -X POST http://127.0.0.1:3000/logout
//! curl -b jar.txt http://127.0.0.1:3000/me
//! ```
//! `SESSION_STORE=postgres://…` names a server of your own.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::env;
use std::error::Error as StdError;
use std::time::Duration;

use axum::extract::Query;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sessile::codec::FastapiSessions;
use sessile::store::{PostgresOptions, PostgresStore};
use sessile::transport::Cookie;
use sessile::{
    Active, Error, Expiry, Key, Meta, NewSession, Refusal, Refusals, Session, SessionLayer,
};

#[derive(Clone, Serialize, Deserialize)]
struct SessionData {
    user_id: String,
}

const TWO_WEEKS: Duration = Duration::from_secs(14 * 24 * 3_600);

/// Anchor keeps no data but whose the session is, and that in a column.
fn of_anchor(meta: &Meta) -> SessionData {
    SessionData { user_id: meta.subject.as_deref().unwrap_or_default().to_owned() }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn StdError>> {
    let url =
        env::var("SESSION_STORE").or_else(|_| env::var("TEST_POSTGRES_URL")).map_err(|_| {
            "SESSION_STORE is not set: give a postgres:// address, or run this with \
         `scripts/services run postgres cargo run --example anchor`"
        })?;
    // The table that anchor made, or makes: what ours needs beyond its four columns is added.
    let options = PostgresOptions::new(url).table("anchor_sessions").data_when_missing(of_anchor);
    let secret = env::var("COOKIE_SECRET")
        .map_err(|_| "COOKIE_SECRET is not set: give the secret_key of anchor's SessionCookie")?;
    // Behind TLS, delete `dangerously_allow_plain_http`: the cookie is then Secure.
    let cookie = Cookie::named("session").dangerously_allow_plain_http();
    let cookies = FastapiSessions::new(secret).max_age(TWO_WEEKS);

    // Anchor's secret signs, so that this key has nothing to sign. How to go on once anchor is gone
    // is what the example `migrate_fastapi_sessions` shows.
    let key = Key::generate();
    let sessions = SessionLayer::<SessionData>::new(PostgresStore::open(options).await?, key)
        .try_transport_with(cookie, cookies)?
        .expiry(Expiry::idle(TWO_WEEKS).absolute(TWO_WEEKS))
        .refusals(Refusals::fastapi_sessions().with(
            Refusal::SessionEnded,
            StatusCode::UNAUTHORIZED,
            "Invalid session",
        ));
    // Anchor leaves expired rows where they are.
    let sweeper = sessions.sweeper(Duration::from_secs(60));
    let sweeping = sweeper.handle();
    tokio::spawn(sweeper);

    let app = Router::new()
        .route("/login", post(login))
        .route("/me", get(me))
        .route("/logout", post(logout))
        .layer(sessions);

    let address = format!("127.0.0.1:{}", env::var("PORT").unwrap_or_else(|_| "3000".into()));
    let listener = tokio::net::TcpListener::bind(&address).await.map_err(|error| {
        format!("cannot listen on {address}: {error}. Choose another port: PORT=3001")
    })?;
    println!("Listening on http://{}: try POST /login?user_id=ada", listener.local_addr()?);
    axum::serve(listener, app)
        .with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) })
        .await?;
    sweeping.stop().await;
    Ok(())
}

#[derive(Deserialize)]
struct Login {
    user_id: String,
}

async fn login(
    session: Session<SessionData>,
    Query(Login { user_id }): Query<Login>,
) -> Result<Json<Value>, Error> {
    let data = SessionData { user_id: user_id.clone() };
    session.create(NewSession::with(data).subject(user_id).remember(TWO_WEEKS))?;
    Ok(Json(json!({ "ok": true })))
}

async fn me(session: Active<SessionData>) -> Json<SessionData> {
    Json(SessionData::clone(&session))
}

async fn logout(session: Active<SessionData>) -> Result<Json<Value>, Error> {
    session.session().destroy()?;
    Ok(Json(json!({ "ok": true })))
}
