//! Two nodes and a Redis cluster. Each node has a cache of its own and knows nothing of the other;
//! whatever one does to a session, the other sees.
//!
//! ```sh
//! scripts/services run redis-cluster cargo run --example cluster    # with a cluster just for this
//! curl -c jar.txt -d name=Ada http://127.0.0.1:3000/login
//! curl -b jar.txt http://127.0.0.1:3000/visit     # node 0
//! curl -b jar.txt http://127.0.0.1:3001/visit     # node 1 counts on
//! curl -N -b jar.txt http://127.0.0.1:3001/events &
//! curl -b jar.txt -X POST http://127.0.0.1:3000/logout
//! curl -b jar.txt http://127.0.0.1:3001/visit     # the log-out counts there as well
//! ```
//! `SESSION_STORE` names a cluster of your own (`redis+cluster://host:6379,…`), or any other Redis.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::convert::Infallible;
use std::env;
use std::error::Error as StdError;
use std::time::Duration;

use axum::extract::{Form, State};
use axum::response::sse::{Event, Sse};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sessile::store::{Cached, RedisStore};
use sessile::transport::Cookie;
use sessile::{Active, Error, Key, NewSession, Session, SessionLayer};
use tokio::net::TcpListener;

#[derive(Clone, Serialize, Deserialize)]
struct Member {
    name: String,
    visits: u32,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn StdError>> {
    let store = env::var("SESSION_STORE").or_else(|_| env::var("TEST_REDIS_CLUSTER_URL"));
    let store = store.map_err(|_| {
        "SESSION_STORE is not set: give a redis+cluster:// address, or run this with \
         `scripts/services run redis-cluster cargo run --example cluster`"
    })?;
    // What the nodes share: the cluster and the key. On two machines it is SESSION_KEY.
    let key = match env::var_os("SESSION_KEY") {
        Some(_) => Key::from_env("SESSION_KEY")?,
        None => Key::generate(),
    };
    let port: u16 = env::var("PORT").unwrap_or_else(|_| "3000".into()).parse()?;
    let mut nodes = Vec::new();
    for node in 0..2 {
        // Port 0 means any, for both.
        let address = format!("127.0.0.1:{}", if port == 0 { 0 } else { port + node });
        let listener = TcpListener::bind(&address).await.map_err(|error| {
            format!("cannot listen on {address}: {error}. Choose another port: PORT=3001")
        })?;
        println!("Node {node}: http://{}", listener.local_addr()?);
        let app = app(node, &store, key.clone()).await?;
        nodes.push(tokio::spawn(async move { axum::serve(listener, app).await }));
    }
    for node in nodes {
        node.await??;
    }
    Ok(())
}

/// One node, with connections and a cache of its own.
async fn app(node: u16, store: &str, key: Key) -> Result<Router, Box<dyn StdError>> {
    let store = Cached::new(RedisStore::connect(store).await?)?;
    let sessions = SessionLayer::<Member>::new(store, key)
        // Behind TLS, delete `dangerously_allow_plain_http`: the cookie is then Secure.
        .transport(Cookie::host("sid").dangerously_allow_plain_http())
        // Asking the cache costs nothing, so streams may ask often.
        .revocation_check(Duration::from_millis(200));
    Ok(Router::new()
        .route("/login", post(login))
        .route("/visit", get(visit))
        .route("/events", get(events))
        .route("/logout", post(logout))
        .with_state(node)
        .layer(sessions))
}

#[derive(Deserialize)]
struct Login {
    name: String,
}

async fn login(
    State(node): State<u16>,
    session: Session<Member>,
    Form(Login { name }): Form<Login>,
) -> Result<Json<Value>, Error> {
    let member = Member { name: name.clone(), visits: 0 };
    session.create(NewSession::with(member).subject(name.clone()))?;
    Ok(Json(json!({ "node": node, "name": name })))
}

/// Both nodes may count at once: none of the visits is lost.
async fn visit(State(node): State<u16>, member: Active<Member>) -> Result<Json<Value>, Error> {
    let visits = member.session().update(|member| {
        member.visits += 1;
        member.visits
    })?;
    Ok(Json(json!({ "node": node, "name": member.name, "visits": visits })))
}

/// Says hello, and goodbye when the session ends, on whichever node that happens.
async fn events(member: Active<Member>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let hello = Event::default().data(format!("hello, {}", member.name));
    let revoked = member.session().revoked();
    let goodbye = stream::once(async move {
        revoked.await;
        Event::default().event("signed-out").data("your session has ended")
    });
    Sse::new(stream::iter([hello]).chain(goodbye).map(Ok))
}

async fn logout(session: Session<Member>) -> Result<Json<Value>, Error> {
    session.destroy()?;
    Ok(Json(json!({ "ok": true })))
}
