//! Members and administrators on one application, each with a session of their own; and a deletion
//! that wants a log-in of a moment ago: browsers are sent to a page that asks for the password again
//! and back to where they were, programs are told what is missing.
//!
//! ```sh
//! cargo run --example admin
//! curl -i -c jar.txt -X POST http://127.0.0.1:3000/log_in/bob
//! curl -i -b jar.txt http://127.0.0.1:3000/admin/accounts
//! curl -i -b jar.txt -c jar.txt -d 'password=open sesame' http://127.0.0.1:3000/admin/log_in
//! curl -i -b jar.txt http://127.0.0.1:3000/admin/accounts
//! curl -i -b jar.txt -X DELETE http://127.0.0.1:3000/admin/accounts/eve
//! ```
//! `FRESH_SECONDS` (300) says how long a log-in counts as fresh: with `FRESH_SECONDS=5`, wait and
//! delete somebody, with curl and with a browser at `/admin/accounts`.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{delete, get, post};
use axum::{Form, Json, Router};
use serde::{Deserialize, Serialize};
use sessile::guard::{RequireLayer, try_fresh};
use sessile::store::MemoryStore;
use sessile::transport::{Cookie, SameSite};
use sessile::{
    Active, Error, Key, NewSession, Refusals, RequireSession, ReturnTo, Session, SessionLayer,
    Sessions,
};

/// Whoever has an account.
#[derive(Clone, Serialize, Deserialize)]
struct Member {
    name: String,
}

/// Another type, another session: no member's cookie passes for it.
#[derive(Clone, Serialize, Deserialize)]
struct Admin {
    name: String,
}

/// The accounts, and the members' sessions.
#[derive(Clone)]
struct App {
    accounts: Arc<Mutex<BTreeSet<String>>>,
    members: Sessions<Member>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seconds = std::env::var("FRESH_SECONDS").unwrap_or_else(|_| "300".into());
    let seconds = seconds.parse().map_err(|_| "FRESH_SECONDS is not a number of seconds")?;
    let fresh = RequireLayer::<Admin>::new(try_fresh(Duration::from_secs(seconds))?);

    // Behind TLS, delete both `dangerously_allow_plain_http`: the cookies are then Secure.
    let members = SessionLayer::<Member>::new(MemoryStore::new(), Key::generate())
        .transport(Cookie::named("member").dangerously_allow_plain_http());
    let strict = Cookie::named("admin").same_site(SameSite::Strict).dangerously_allow_plain_http();
    let admins = SessionLayer::<Admin>::new(MemoryStore::new(), Key::generate())
        .transport(strict)
        .refusals(Refusals::problem().login_page("/admin/log_in").step_up_page("/admin/confirm"));

    let accounts = ["bob", "eve", "mallory"].map(str::to_owned).into();
    let app = App { accounts: Arc::new(Mutex::new(accounts)), members: members.sessions() };

    // All of it is for administrators, and what deletes also wants a fresh log-in.
    let admin = Router::new()
        .route("/admin/log_in", get(async || Html(PASSWORD)).post(log_in_admin))
        .route("/admin/confirm", get(async || Html(PASSWORD)).post(log_in_admin))
        .route("/admin/accounts", get(list))
        .route("/admin/accounts/{name}", delete(remove).layer(fresh.clone()))
        .route("/admin/accounts/{name}/delete", get(ask).post(remove_by_form).layer(fresh))
        .layer(RequireSession::<Admin>::new().open("/admin/log_in"));

    let app = Router::new()
        .route("/log_in/{name}", post(log_in))
        .route("/profile", get(async |member: Active<Member>| Json(Member::clone(&member))))
        .merge(admin)
        .with_state(app)
        .layer(members)
        .layer(admins);

    let address = format!("127.0.0.1:{}", std::env::var("PORT").unwrap_or_else(|_| "3000".into()));
    let listener = tokio::net::TcpListener::bind(&address).await.map_err(|error| {
        format!("cannot listen on {address}: {error}. Choose another port: PORT=3001")
    })?;
    let address = listener.local_addr()?;
    println!("Listening on http://{address}: open /admin/accounts, or try");
    println!("  curl -i -c jar.txt -d 'password=open sesame' http://{address}/admin/log_in");
    println!("  curl -i -b jar.txt -X DELETE http://{address}/admin/accounts/eve");
    axum::serve(listener, app).await?;
    Ok(())
}

/// A real one asks for a password.
async fn log_in(
    State(app): State<App>,
    session: Session<Member>,
    Path(name): Path<String>,
) -> Result<Response, Error> {
    if !app.accounts.lock().unwrap_or_else(PoisonError::into_inner).contains(&name) {
        return Ok(StatusCode::NOT_FOUND.into_response());
    }
    session.create(NewSession::with(Member { name: name.clone() }).subject(name))?;
    Ok("welcome".into_response())
}

const PASSWORD: &str = "<!doctype html><title>Administration</title>\
    <form method=post><label>Password: <input type=password name=password></label>\
    <button>Go on</button></form>";

#[derive(Deserialize)]
struct Proof {
    password: String,
}

/// The first log-in and each one after it: a new session, as fresh as can be, in place of the one
/// that was there. A form without an action is sent to where it came from, `next` included.
async fn log_in_admin(
    session: Session<Admin>,
    RawQuery(query): RawQuery,
    Form(proof): Form<Proof>,
) -> Result<Response, Error> {
    // A real one keeps a hash of it, and says no more slowly each time.
    if proof.password != "open sesame" {
        return Ok((StatusCode::FORBIDDEN, Html(PASSWORD)).into_response());
    }
    session.create(NewSession::with(Admin { name: "root".into() }).subject("root"))?;
    let back = ReturnTo::from_query(query.as_deref());
    let back = back.as_ref().map_or("/admin/accounts", ReturnTo::as_str);
    Ok(Redirect::to(back).into_response())
}

async fn list(State(app): State<App>, admin: Active<Admin>) -> Html<String> {
    let accounts = app.accounts.lock().unwrap_or_else(PoisonError::into_inner);
    let row =
        |name: &String| format!("<li>{name} <a href=\"/admin/accounts/{name}/delete\">delete</a>");
    let rows: String = accounts.iter().map(row).collect();
    Html(format!("<!doctype html><title>Accounts</title><p>You are {}.<ul>{rows}</ul>", admin.name))
}

async fn ask(State(app): State<App>, Path(name): Path<String>) -> Response {
    // A name of the list, so none that could be mark-up.
    if !app.accounts.lock().unwrap_or_else(PoisonError::into_inner).contains(&name) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let page = format!("<!doctype html><form method=post><button>Delete {name}</button></form>");
    Html(page).into_response()
}

async fn remove_by_form(app: State<App>, name: Path<String>) -> Result<Redirect, Error> {
    remove(app, name).await?;
    Ok(Redirect::to("/admin/accounts"))
}

/// Takes the account away, and with it whoever is logged in to it.
async fn remove(State(app): State<App>, Path(name): Path<String>) -> Result<StatusCode, Error> {
    let was = app.accounts.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
    app.members.revoke_all(&name).await?;
    Ok(if was { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND })
}
