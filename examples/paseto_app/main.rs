//! The PASETO app: sign up with a shared secret, log in, a profile for bearers of a token; with what
//! its document leaves as a wish: one active session per user, and a profile that can be changed.
//!
//! ```sh
//! cargo run --example paseto_app
//! json='content-type: application/json'
//! curl -i -H "$json" http://127.0.0.1:3000/v1/users/signup -d '{"username": "alice",
//!   "email": "alice@example.com", "firstname": "Alice", "password": "correct horse battery",
//!   "referer_secret": "DEMO_PROJECT"}'
//! curl -H "$json" http://127.0.0.1:3000/v1/login \
//!   -d '{"username": "alice", "password": "correct horse battery"}'
//! curl -H "Authorization: Bearer v4.local.…" http://127.0.0.1:3000/v1/users/alice
//! ```
//! `TOKEN_SECONDS` and `FRESH_SECONDS` set for how long a token is good, and a login fresh enough to
//! change an e-mail address. `SIGNUP_SECRET` is what one must know to sign up. `SESSION_KEY` (from
//! `openssl rand -hex 32`) keeps tokens valid across restarts.
#![expect(clippy::print_stdout, reason = "a program for people")]

mod users;

use std::env;
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sessile::store::{Limit, MemoryStore};
use sessile::token::{
    Access, AccessLayer, LiveSessions, Pair, PairError, Pairs, Paseto, PasetoKey, Tokens,
};
use sessile::transport::Bearer;
use sessile::{
    Clock, Expiry, Key, NewSession, Refusal, Refusals, Session, SessionLayer, SystemClock,
    Timestamp,
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::users::{Change, NewUser, Users};

/// What our tokens say besides whose they are: whether a password was given for this very one.
#[derive(Clone, Serialize, Deserialize)]
struct Fresh {
    fresh: bool,
}

/// The session behind a pair of tokens holds nothing but its owner.
#[derive(Clone, Serialize, Deserialize)]
struct SignedIn {}

#[derive(Clone)]
struct App {
    users: Arc<Users>,
    pairs: Pairs<SignedIn>,
    signup_secret: Arc<str>,
    fresh_for: Duration,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn StdError>> {
    let key = match env::var_os("SESSION_KEY") {
        Some(_) => Key::from_env("SESSION_KEY")?,
        None => Key::generate(),
    };
    let tokens = Tokens::new(Paseto::local(PasetoKey::derived_from(&key)), "paseto_app")
        .skew(Duration::ZERO);

    // Every token names its session, and each request asks whether that is live. With a store across
    // the network, an answer would be good for some seconds.
    let store = MemoryStore::<SignedIn>::new();
    let live = LiveSessions::new(store.clone()).within(Duration::ZERO);
    let sessions = SessionLayer::new(store, key)
        .transport(Bearer::new().write_to("x-refresh-token"))
        .limit(Limit::evict_oldest(1))
        .observer(live.clone());
    let month = Duration::from_secs(30 * 24 * 3600);
    let pairs = Pairs::new(tokens.clone(), sessions, Expiry::idle(month).absolute(month))
        .access_ttl(seconds("TOKEN_SECONDS", 300 * 60)?);

    let app = App {
        users: Arc::new(Users::new()?),
        pairs: pairs.clone(),
        signup_secret: env::var("SIGNUP_SECRET").unwrap_or_else(|_| "DEMO_PROJECT".into()).into(),
        fresh_for: seconds("FRESH_SECONDS", 300)?,
    };
    let unauthorized = StatusCode::UNAUTHORIZED;
    let words = Refusals::detail()
        .with(Refusal::NoTicket, unauthorized, "PASETO Authorization Token required")
        .with(Refusal::InvalidTicket, unauthorized, "Invalid token.")
        .with(Refusal::SessionEnded, unauthorized, "Token expired.");
    let router = Router::new()
        .route("/v1/login", post(log_in))
        .route("/v1/refresh", post(refresh))
        .route("/v1/logout", post(log_out))
        .layer(pairs.layer().clone())
        .route("/v1/users/signup", post(sign_up))
        .route("/v1/users/{username}", get(profile).patch(update))
        .layer(AccessLayer::<Fresh>::new(tokens, live).refusals(words))
        .with_state(app);

    let address = format!("127.0.0.1:{}", env::var("PORT").unwrap_or_else(|_| "3000".into()));
    let listener = tokio::net::TcpListener::bind(&address).await.map_err(|error| {
        format!("cannot listen on {address}: {error}. Choose another port: PORT=3001")
    })?;
    println!("Listening on http://{}: try POST /v1/users/signup", listener.local_addr()?);
    axum::serve(listener, router).await?;
    Ok(())
}

#[derive(Deserialize)]
struct SignUp {
    referer_secret: String,
    #[serde(flatten)]
    user: NewUser,
}

async fn sign_up(State(app): State<App>, Json(asked): Json<SignUp>) -> Response {
    // Digests have one length: what is compared says nothing about how much of it was right.
    let digest = |text: &str| Sha256::digest(text.as_bytes());
    let knows = digest(&asked.referer_secret).ct_eq(&digest(&app.signup_secret));
    if !bool::from(knows) {
        return refuse(StatusCode::FORBIDDEN, "You are not authorized to signup");
    }
    match app.users.add(asked.user).await {
        Ok(profile) => success(StatusCode::CREATED, json!([profile])),
        Err(why) => refuse(StatusCode::UNPROCESSABLE_ENTITY, why),
    }
}

#[derive(Deserialize)]
struct Login {
    username: String,
    password: String,
}

async fn log_in(
    State(app): State<App>,
    session: Session<SignedIn>,
    Json(login): Json<Login>,
) -> Result<Response, PairError> {
    // As much work, and the same words, whether there is no such user or the password is wrong.
    if !app.users.verify(&login.username, login.password).await {
        return Ok(refuse(StatusCode::UNAUTHORIZED, "Invalid username or password"));
    }
    let new = NewSession::with(SignedIn {}).subject(login.username);
    let pair = app.pairs.issue(&session, new, Fresh { fresh: true }).await?;
    Ok(success(StatusCode::CREATED, tokens_of(&pair)))
}

async fn refresh(
    State(app): State<App>,
    session: Session<SignedIn>,
) -> Result<Response, PairError> {
    let pair = app.pairs.refresh(&session, |_| Fresh { fresh: false }).await?;
    Ok(success(StatusCode::CREATED, tokens_of(&pair)))
}

async fn log_out(
    State(app): State<App>,
    session: Session<SignedIn>,
    access: Access<Fresh>,
) -> Result<StatusCode, PairError> {
    app.pairs.log_out(&session, &access).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn profile(
    State(app): State<App>,
    access: Access<Fresh>,
    Path(username): Path<String>,
) -> Response {
    if access.subject != username {
        return refuse(StatusCode::FORBIDDEN, "This profile is not yours");
    }
    match app.users.profile(&username) {
        Some(profile) => success(StatusCode::OK, json!([profile])),
        None => refuse(StatusCode::NOT_FOUND, "User not found"),
    }
}

async fn update(
    State(app): State<App>,
    access: Access<Fresh>,
    Path(username): Path<String>,
    Json(change): Json<Change>,
) -> Response {
    if access.subject != username {
        return refuse(StatusCode::FORBIDDEN, "This profile is not yours");
    }
    let age = Timestamp::from(SystemClock.now()).since(access.issued_at);
    if change.email.is_some() && !(access.more.fresh && age < app.fresh_for) {
        return refuse(StatusCode::UNAUTHORIZED, "Log in again to change your e-mail address");
    }
    match app.users.change(&username, change) {
        Some(profile) => success(StatusCode::OK, json!([profile])),
        None => refuse(StatusCode::NOT_FOUND, "User not found"),
    }
}

fn tokens_of(pair: &Pair) -> Value {
    json!({
        "access_token": pair.access(),
        "refresh_token": pair.refresh(),
        "token_type": "bearer",
    })
}

#[expect(clippy::needless_pass_by_value, reason = "made for this")]
fn success(status: StatusCode, data: Value) -> Response {
    (status, Json(json!({ "status": "Success", "data": data }))).into_response()
}

fn refuse(status: StatusCode, detail: &str) -> Response {
    (status, Json(json!({ "status": "Failed", "detail": detail }))).into_response()
}

fn seconds(variable: &str, default: u64) -> Result<Duration, String> {
    let text = env::var(variable).unwrap_or_else(|_| default.to_string());
    let seconds = text.parse().map_err(|_| format!("{variable} is not a number of seconds"))?;
    Ok(Duration::from_secs(seconds))
}
