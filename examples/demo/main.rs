//! The main job: log in, see your profile and a visit counter, log out. Pages without a script.
//! Sessions are kept in a SQLite file and so survive a restart: stop it, start it, reload.
//!
//! ```sh
//! cargo run --example demo
//! ```
//! It prints where to open it, and what to try with curl.
//!
//! `SESSION_STORE` keeps them elsewhere: `memory:`, `postgres://…`, `redis://…`.
#![expect(clippy::print_stdout, reason = "a program for people")]

mod keep;
mod page;

use std::time::Duration;

use axum::Router;
use axum::extract::Form;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{self, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use sessile::store;
use sessile::transport::Cookie;
use sessile::{Active, Error, NewSession, Refusal, Refusals, Session, SessionLayer};

/// What a session holds.
#[derive(Clone, Serialize, Deserialize)]
struct Member {
    name: String,
    visits: u32,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = store::connect(&keep::store_address()?).await?;
    let sessions = SessionLayer::<Member>::new(store, keep::key()?)
        // So that the demo works over http://. Behind TLS, delete `dangerously_allow_plain_http`:
        // the cookie is then `__Host-sid`, and Secure.
        .transport(Cookie::host("sid").dangerously_allow_plain_http())
        .refusals(Refusals::custom(refused));
    // What has expired is of no use to anybody, but stays in the file until it is swept.
    tokio::spawn(sessions.sweeper(Duration::from_secs(60)));

    let app = Router::new()
        .route("/", get(home))
        .route("/login", post(login))
        .route("/profile", get(profile))
        .route("/logout", post(logout))
        .layer(sessions);

    let address = format!("127.0.0.1:{}", std::env::var("PORT").unwrap_or_else(|_| "3000".into()));
    let listener = tokio::net::TcpListener::bind(&address).await.map_err(|error| {
        format!("cannot listen on {address}: {error}. Choose another port: PORT=3001")
    })?;
    println!("{}", what_to_try(listener.local_addr()?));
    axum::serve(listener, app).await?;
    Ok(())
}

fn what_to_try(address: std::net::SocketAddr) -> String {
    format!(
        "Open http://{address} in a browser, or try:

  curl -i -c jar.txt -d name=Ada http://{address}/login     # a session, and its cookie
  curl -b jar.txt http://{address}/profile                  # counts the visit
  curl -i -b jar.txt -X POST http://{address}/logout        # ends the session
  curl -i -b jar.txt http://{address}/profile               # 401: the cookie is worth nothing now
"
    )
}

async fn home(member: Option<Active<Member>>) -> Response {
    match member {
        Some(_) => Redirect::to("/profile").into_response(),
        None => Html(page::login("")).into_response(),
    }
}

#[derive(Deserialize)]
struct Login {
    name: String,
}

async fn login(session: Session<Member>, Form(form): Form<Login>) -> Result<Response, Error> {
    let name = form.name.trim();
    if !(1..=40).contains(&name.chars().count()) {
        let page = page::login("A name has 1 to 40 characters.");
        return Ok((StatusCode::BAD_REQUEST, Html(page)).into_response());
    }
    // Whatever session the visitor came with ends here; the new cookie rides on the redirect.
    let member = Member { name: name.to_owned(), visits: 0 };
    session.create(NewSession::with(member).subject(name))?;
    Ok(Redirect::to("/profile").into_response())
}

async fn profile(member: Active<Member>) -> Result<Html<String>, Error> {
    // Two tabs that reload at once count two visits: an update is never lost.
    let visits = member.session().update(|member| {
        member.visits += 1;
        member.visits
    })?;
    Ok(Html(page::profile(&member.name, visits, member.session())))
}

async fn logout(session: Session<Member>) -> Result<Redirect, Error> {
    session.destroy()?;
    Ok(Redirect::to("/"))
}

/// The page for a request without the session that it needs.
fn refused(reason: Refusal) -> http::Response<String> {
    let unauthorized = StatusCode::UNAUTHORIZED;
    let (status, notice) = match reason {
        Refusal::NoTicket | Refusal::InvalidTicket => (unauthorized, "Please log in first."),
        Refusal::SessionEnded => (unauthorized, "Your session has ended. Please log in again."),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "Something failed here. Please try again."),
    };
    let mut response = http::Response::new(page::login(notice));
    *response.status_mut() = status;
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, html);
    response
}
