//! The main job on an embedded default: log in, see your profile and a visit counter, log out.
//!
//! ```sh
//! cargo run --example demo
//! ```

use std::net::Ipv4Addr;

use axum::Router;
use axum::extract::Form;
use axum::response::{Html, Redirect};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use sessile::store::MemoryStore;
use sessile::transport::Cookie;
use sessile::{Active, Error, Key, NewSession, Session, SessionLayer};

#[derive(Clone, Serialize, Deserialize)]
struct Member {
    name: String,
    visits: u32,
}

#[derive(Deserialize)]
struct Login {
    username: String,
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let sessions = SessionLayer::<Member>::new(MemoryStore::new(), Key::generate())
        .transport(Cookie::host("sid").dangerously_allow_plain_http());
    let app = Router::new()
        .route("/", get(home))
        .route("/login", post(login))
        .route("/profile", get(profile))
        .route("/logout", post(logout))
        .layer(sessions);
    let port = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(3000);
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await
}

async fn home(member: Option<Active<Member>>) -> Html<String> {
    Html(member.map_or("anonymous".to_owned(), |member| format!("hello {}", member.name)))
}

async fn login(session: Session<Member>, Form(form): Form<Login>) -> Result<Redirect, Error> {
    session.create(
        NewSession::with(Member { name: form.username.clone(), visits: 0 }).subject(form.username),
    )?;
    Ok(Redirect::to("/profile"))
}

async fn profile(member: Active<Member>) -> Result<String, Error> {
    let visits = member.session().update(|member| {
        member.visits += 1;
        member.visits
    })?;
    Ok(format!("Welcome, {}! visit {visits}", member.name))
}

async fn logout(session: Session<Member>) -> Result<Redirect, Error> {
    session.destroy()?;
    Ok(Redirect::to("/"))
}
