//! The quick start of fastapi-sessions with the same routes, statuses and bodies: create a
//! session, ask who it belongs to, delete it.
//!
//! ```sh
//! cargo run --example getting_started
//! curl -i -c jar.txt -X POST http://127.0.0.1:3000/create_session/alice
//! curl -b jar.txt http://127.0.0.1:3000/whoami
//! curl -i -b jar.txt -X POST http://127.0.0.1:3000/delete_session
//! curl -b jar.txt http://127.0.0.1:3000/whoami
//! curl http://127.0.0.1:3000/whoami
//! ```
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::time::Duration;

use axum::extract::Path;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use sessile::store::MemoryStore;
use sessile::transport::Cookie;
use sessile::{Active, Error, Expiry, Key, Refusals, Session, SessionLayer};

/// What a session holds: any type that serde knows.
#[derive(Clone, Serialize, Deserialize)]
struct SessionData {
    username: String,
}

const TWO_WEEKS: Duration = Duration::from_secs(1_209_600);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // How the ticket travels. Behind TLS, delete `dangerously_allow_plain_http`: the cookie is
    // then Secure. An application that need not keep this name takes `Cookie::host("sid")`.
    let cookie = Cookie::named("cookie").max_age(TWO_WEEKS).dangerously_allow_plain_http();

    // Where sessions are kept, what signs the tickets, and how to say no.
    let sessions = SessionLayer::<SessionData>::new(MemoryStore::new(), Key::generate())
        .transport(cookie)
        .expiry(Expiry::idle(TWO_WEEKS).absolute(TWO_WEEKS))
        .refusals(Refusals::fastapi_sessions());

    let app = Router::new()
        .route("/create_session/{name}", post(create_session))
        .route("/whoami", get(whoami))
        .route("/delete_session", post(delete_session))
        .layer(sessions);

    let address = format!("127.0.0.1:{}", std::env::var("PORT").unwrap_or_else(|_| "3000".into()));
    let listener = tokio::net::TcpListener::bind(&address).await.map_err(|error| {
        format!("cannot listen on {address}: {error}. Choose another port: PORT=3001")
    })?;
    println!("Listening on http://{}: try POST /create_session/alice", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

async fn create_session(
    session: Session<SessionData>,
    Path(name): Path<String>,
) -> Result<Json<String>, Error> {
    session.create(SessionData { username: name.clone() })?;
    Ok(Json(format!("created session for {name}")))
}

/// `Active` is the gate: without a live session the handler does not run.
async fn whoami(session: Active<SessionData>) -> Json<SessionData> {
    Json(SessionData::clone(&session))
}

async fn delete_session(session: Active<SessionData>) -> Result<Json<&'static str>, Error> {
    session.session().destroy()?;
    Ok(Json("deleted session"))
}
