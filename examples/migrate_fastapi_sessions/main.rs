//! Moving from fastapi-sessions without logging anybody out: while both systems run, one cookie
//! and one session serve both; after the cut-over, the old cookies are only read.
//!
//! ```sh
//! export COOKIE_SECRET='the secret_key of SessionCookie' SESSION_STORE=sqlite:target/moving.db
//! cargo run --example migrate_fastapi_sessions                        # makes the table
//! PORT=8000 examples/migrate_fastapi_sessions/python-side             # the other side, app.py
//! curl -c jar.txt -b jar.txt -X POST http://127.0.0.1:8000/create_session/alice  # by Python
//! curl -b jar.txt http://127.0.0.1:3000/whoami                                   # known here
//! curl -b jar.txt -X POST http://127.0.0.1:3000/visit                            # and back:
//! curl -b jar.txt -X POST http://127.0.0.1:8000/visit                            # visit 2
//! # Stop the first, and go on without Python:
//! export SESSION_KEY=$(openssl rand -hex 32)
//! cargo run --example migrate_fastapi_sessions -- cut-over
//! curl -i -c jar.txt -b jar.txt http://127.0.0.1:3000/whoami    # the cookie is replaced by ours
//! ```
//!
//! A cookie of fastapi-sessions holds the session's id and nothing else; what is behind the id is
//! in a backend, a class that the application chooses. The only one that comes with the library is
//! a dictionary in the process, which forgets everybody at each restart, so a deployment that has
//! something to lose has written its own. Here that class (`SharedBackend` in `app.py`) keeps its
//! sessions in the table of `SqliteStore`: the data is JSON there, times are milliseconds. The
//! other way, asking Python over HTTP when somebody comes for the first time, would give each
//! session two copies, and a log-out on one side would leave the other one alive.
//!
//! The order of the steps: start this one, give Python the new backend, let both take traffic,
//! send all of it here, cut over, and once `CookieParameters.max_age` has passed, delete
//! `or_transport_with`.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::env;
use std::error::Error as StdError;
use std::time::Duration;

use axum::extract::Path;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use sessile::codec::FastapiSessions;
use sessile::store::{SqliteOptions, SqliteStore};
use sessile::transport::Cookie;
use sessile::{Active, Error, Expiry, Key, NewSession, Refusals, Session, SessionLayer};

/// The fields of `SessionData` in `app.py`. A field that only one side knew would be lost when the
/// other one writes.
#[derive(Clone, Serialize, Deserialize)]
struct SessionData {
    username: String,
    visits: u32,
}

/// `CookieParameters.max_age`. Python notes no use, so that here, too, idle time ends nobody.
const TWO_WEEKS: Duration = Duration::from_secs(14 * 24 * 3_600);

#[tokio::main]
async fn main() -> Result<(), Box<dyn StdError>> {
    let cut_over = match env::args().nth(1).as_deref() {
        None | Some("roll-over") => false,
        Some("cut-over") => true,
        Some(_) => return Err("the phases are: roll-over (if none is named), cut-over".into()),
    };
    let secret = env::var("COOKIE_SECRET")
        .map_err(|_| "COOKIE_SECRET is not set: give the secret_key of Python's SessionCookie")?;
    let url = env::var("SESSION_STORE").map_err(
        |_| "SESSION_STORE is not set: name a file for both sides, such as sqlite:target/moving.db",
    )?;
    let store = SqliteStore::open(SqliteOptions::new(url)).await?;
    // Signs nothing before the cut-over. From then on it must stay the same over restarts.
    let key = if cut_over { Key::from_env("SESSION_KEY")? } else { Key::generate() };

    // Behind TLS, delete `dangerously_allow_plain_http`: `sid` is then `__Host-sid`.
    let old_cookie = Cookie::named("cookie").max_age(TWO_WEEKS).dangerously_allow_plain_http();
    let new_cookie = Cookie::host("sid").max_age(TWO_WEEKS).dangerously_allow_plain_http();
    let cookies = FastapiSessions::new(secret).max_age(TWO_WEEKS);
    let layer = SessionLayer::<SessionData>::new(store, key);
    let sessions = if cut_over {
        layer.transport(new_cookie).try_or_transport_with(old_cookie, cookies.read_only())?
    } else {
        layer.try_transport_with(old_cookie, cookies)?
    };
    let sessions = sessions
        .expiry(Expiry::idle(TWO_WEEKS).absolute(TWO_WEEKS))
        .refusals(Refusals::fastapi_sessions());
    // Nobody else removes what has expired.
    let sweeper = sessions.sweeper(Duration::from_secs(60));
    tokio::spawn(sweeper);

    let app = Router::new()
        .route("/create_session/{name}", post(create_session))
        .route("/whoami", get(whoami))
        .route("/visit", post(visit))
        .route("/delete_session", post(delete_session))
        .layer(sessions);

    let address = format!("127.0.0.1:{}", env::var("PORT").unwrap_or_else(|_| "3000".into()));
    let listener = tokio::net::TcpListener::bind(&address).await.map_err(|error| {
        format!("cannot listen on {address}: {error}. Choose another port: PORT=3001")
    })?;
    let phase = if cut_over { "cut-over" } else { "roll-over" };
    println!("Listening on http://{} ({phase})", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

async fn create_session(
    session: Session<SessionData>,
    Path(name): Path<String>,
) -> Result<Json<String>, Error> {
    let data = SessionData { username: name.clone(), visits: 0 };
    session.create(NewSession::with(data).subject(&*name))?;
    Ok(Json(format!("created session for {name}")))
}

async fn whoami(session: Active<SessionData>) -> Json<SessionData> {
    Json(SessionData::clone(&session))
}

/// If Python writes at the same time, this runs again on what Python wrote.
async fn visit(session: Active<SessionData>) -> Result<Json<SessionData>, Error> {
    let data = session.session().update(|data| {
        data.visits += 1;
        data.clone()
    })?;
    Ok(Json(data))
}

async fn delete_session(session: Active<SessionData>) -> Result<Json<&'static str>, Error> {
    session.session().destroy()?;
    Ok(Json("deleted session"))
}
