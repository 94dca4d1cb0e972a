//! An API that documents its sessions: Swagger UI from this very server (no network), a guarded
//! part, and at the start a report of what the session layer is set to.
//!
//! ```sh
//! cargo run --example openapi               # then open http://127.0.0.1:3000/docs
//! cargo run --example openapi -- report     # what the layer is set to, for people
//! cargo run --example openapi -- json       # the same for programs
//! curl -s http://127.0.0.1:3000/openapi.json
//! curl -i http://127.0.0.1:3000/me
//! curl -i -c jar.txt -H 'content-type: application/json' -d '{"name":"alice"}' http://127.0.0.1:3000/log_in
//! curl -i -b jar.txt http://127.0.0.1:3000/me
//! ```
//! In Swagger UI, log in with "Try it out": the browser keeps the cookie, and `/me` answers.
#![expect(clippy::print_stdout, reason = "a program for people")]
#![expect(clippy::exhaustive_structs, reason = "what `utoipa::path` makes")]

use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use sessile::guard::{Attempt, RequireLayer};
use sessile::openapi::{Operations, Security, SessionDocs};
use sessile::store::{Limit, MemoryStore};
use sessile::transport::{Bearer, Cookie};
use sessile::{Active, Error, Event, Key, NewSession, Profile, Session, SessionLayer};
use utoipa::{Modify, OpenApi, ToSchema};
use utoipa_swagger_ui::SwaggerUi;

#[derive(Clone, Serialize, Deserialize, ToSchema)]
struct Member {
    name: String,
}

#[derive(OpenApi)]
#[openapi(info(title = "Members"), paths(log_in, me, log_out), components(schemas(Member)))]
struct Api;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sessions = SessionLayer::<Member>::new(MemoryStore::new(), Key::generate())
        .profile(Profile::aal2())
        // Behind TLS, delete `dangerously_allow_plain_http`: the cookie is then Secure.
        .transport(Cookie::host("sid").dangerously_allow_plain_http())
        .or_transport(Bearer::new())
        .limit(Limit::evict_oldest(5))
        .observer(|event: &Event<'_>| println!("{event:?}"));

    match std::env::args().nth(1).as_deref() {
        Some("report") => println!("{}", sessions.report()),
        Some("json") => println!("{}", sessions.report().to_json()),
        _ => {}
    }

    // One list for both: what the guard leaves open, the document leaves open.
    let guard = RequireLayer::new(|_: &Attempt<'_, Member>| true).open("POST /log_in");
    let mut document = Api::openapi();
    SessionDocs::new()
        .guard(Operations::all_but(guard.open_routes()), Security::of(&sessions))
        .modify(&mut document);

    let members = Router::new()
        .route("/log_in", post(log_in))
        .route("/me", get(me))
        .route("/log_out", post(log_out))
        .layer(guard)
        .layer(sessions);
    let app = members.merge(SwaggerUi::new("/docs").url("/openapi.json", document));

    let address = format!("127.0.0.1:{}", std::env::var("PORT").unwrap_or_else(|_| "3000".into()));
    let listener = tokio::net::TcpListener::bind(&address).await.map_err(|error| {
        format!("cannot listen on {address}: {error}. Choose another port: PORT=3001")
    })?;
    println!("Listening on http://{}: open /docs", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

/// Log in under any name. The cookie comes with the answer.
#[utoipa::path(post, path = "/log_in", request_body = Member, responses((status = 204)))]
async fn log_in(session: Session<Member>, Json(member): Json<Member>) -> Result<StatusCode, Error> {
    let name = member.name.clone();
    session.create(NewSession::with(member).subject(name))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who is logged in.
#[utoipa::path(get, path = "/me", responses((status = 200, body = Member)))]
async fn me(member: Active<Member>) -> Json<Member> {
    Json(Member::clone(&member))
}

/// Log out.
#[utoipa::path(post, path = "/log_out", responses((status = 204)))]
async fn log_out(member: Active<Member>) -> Result<StatusCode, Error> {
    member.session().destroy()?;
    Ok(StatusCode::NO_CONTENT)
}
