//! Your devices: list the places where you are logged in, sign one out, sign all others out; what
//! they have open (an event stream, a WebSocket) closes when their session ends.
//!
//! ```sh
//! cargo run --example devices
//! ```
//! Open <http://127.0.0.1:3000> in two browsers (or one and a private window), log in under the same
//! name, and sign one out from the other. Or with curl:
//! ```sh
//! curl -c desk.txt -d name=Ada http://127.0.0.1:3000/login
//! curl -c phone.txt -d name=Ada http://127.0.0.1:3000/login
//! curl -N -b phone.txt http://127.0.0.1:3000/events &
//! curl -b desk.txt http://127.0.0.1:3000/api/devices
//! curl -b desk.txt -X POST http://127.0.0.1:3000/sign-out-others
//! ```
#![expect(clippy::print_stdout, reason = "a program for people")]

mod page;

use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::Stream;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use sessile::csrf::RefuseCrossSite;
use sessile::store::MemoryStore;
use sessile::transport::Cookie;
use sessile::{
    Active, Clock, Error, Id, Key, Listed, NewSession, Session, SessionLayer, Sessions, SystemClock,
};

#[derive(Clone, Serialize, Deserialize)]
struct Member {
    name: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let layer = SessionLayer::<Member>::new(MemoryStore::new(), Key::generate())
        // Behind TLS, delete `dangerously_allow_plain_http`: the cookie is then Secure.
        .transport(Cookie::host("sid").dangerously_allow_plain_http())
        // How soon an open stream notices a sign-out on another node; on this one, at once.
        .revocation_check(Duration::from_secs(1));

    let app = Router::new()
        .route("/", get(home))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .route("/api/devices", get(devices))
        .route("/devices/{id}/sign-out", post(sign_out))
        .route("/sign-out-others", post(sign_out_others))
        .route("/events", get(events))
        .route("/socket", get(socket))
        .with_state(layer.sessions())
        .layer(layer)
        // Pages of other sites can open WebSockets that carry the cookie.
        .layer(RefuseCrossSite::new());

    let address = format!("127.0.0.1:{}", std::env::var("PORT").unwrap_or_else(|_| "3000".into()));
    let listener = tokio::net::TcpListener::bind(&address).await.map_err(|error| {
        format!("cannot listen on {address}: {error}. Choose another port: PORT=3001")
    })?;
    println!("Open http://{} in two browsers", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

async fn home(
    member: Option<Active<Member>>,
    State(sessions): State<Sessions<Member>>,
) -> Result<Html<String>, Error> {
    let Some(member) = member else {
        return Ok(Html(page::login()));
    };
    let devices = list(&sessions, &member).await?;
    Ok(Html(page::devices(&member.name, &devices)))
}

#[derive(Deserialize)]
struct Login {
    name: String,
}

async fn login(session: Session<Member>, Form(form): Form<Login>) -> Result<Response, Error> {
    let name = form.name.trim();
    if !(1..=40).contains(&name.chars().count()) {
        return Ok((StatusCode::BAD_REQUEST, Html(page::login())).into_response());
    }
    // The subject is what sessions are listed and ended by.
    let member = Member { name: name.to_owned() };
    session.create(NewSession::with(member).subject(name))?;
    Ok(Redirect::to("/").into_response())
}

async fn logout(session: Session<Member>) -> Result<Redirect, Error> {
    session.destroy()?;
    Ok(Redirect::to("/"))
}

/// A session as its owner sees it. The id is no ticket: showing it lets nobody in.
#[derive(Serialize)]
struct Device {
    id: Id,
    current: bool,
    /// Seconds since then.
    logged_in: u64,
    last_seen: u64,
}

impl Device {
    fn new(listed: &Listed, session: &Session<Member>, now: SystemTime) -> Self {
        let ago = |then| now.duration_since(then).unwrap_or_default().as_secs();
        Self {
            id: listed.id,
            current: listed.is_current(session),
            logged_in: ago(listed.meta.created.into()),
            last_seen: ago(listed.meta.last_seen().into()),
        }
    }
}

async fn list(sessions: &Sessions<Member>, member: &Active<Member>) -> Result<Vec<Device>, Error> {
    let now = SystemClock.now();
    let mut listed = sessions.list(&member.name, None, 100).await?;
    listed.sort_by_key(|listed| std::cmp::Reverse(listed.meta.created));
    Ok(listed.iter().map(|listed| Device::new(listed, member.session(), now)).collect())
}

async fn devices(
    member: Active<Member>,
    State(sessions): State<Sessions<Member>>,
) -> Result<Json<Vec<Device>>, Error> {
    Ok(Json(list(&sessions, &member).await?))
}

/// Only sessions of the same subject can be named: anybody else's id is "no such device".
async fn sign_out(
    member: Active<Member>,
    State(sessions): State<Sessions<Member>>,
    Path(id): Path<Id>,
) -> Result<Response, Error> {
    if sessions.revoke(&member.name, id).await? {
        Ok(Redirect::to("/").into_response())
    } else {
        Ok((StatusCode::NOT_FOUND, "no such device").into_response())
    }
}

async fn sign_out_others(
    member: Active<Member>,
    State(sessions): State<Sessions<Member>>,
) -> Result<Redirect, Error> {
    if let Some(current) = member.session().id() {
        sessions.revoke_others(&member.name, current).await?;
    }
    Ok(Redirect::to("/"))
}

/// Ticks every second until the session ends; says so, and closes.
async fn events(member: Active<Member>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    enum Turn {
        Tick,
        Bye,
    }
    let revoked = Box::pin(member.session().revoked());
    let ticks = stream::unfold((revoked, Turn::Tick), |(mut revoked, turn)| async move {
        let Turn::Tick = turn else {
            return None; // this closes the stream
        };
        tokio::select! {
            () = &mut revoked => {
                let bye = Event::default().event("signed-out").data("your session has ended");
                Some((Ok(bye), (revoked, Turn::Bye)))
            }
            () = tokio::time::sleep(Duration::from_secs(1)) => {
                let tick = Event::default().data("still here");
                Some((Ok(tick), (revoked, Turn::Tick)))
            }
        }
    });
    Sse::new(ticks).keep_alive(KeepAlive::default())
}

/// Echoes until the session ends. The session is checked by the handshake, like any request.
async fn socket(member: Active<Member>, upgrade: WebSocketUpgrade) -> Response {
    let session = member.session().clone();
    upgrade.on_upgrade(move |socket| echo(socket, session))
}

async fn echo(mut socket: WebSocket, session: Session<Member>) {
    let mut revoked = std::pin::pin!(session.revoked());
    loop {
        let message = tokio::select! {
            () = &mut revoked => break,
            message = socket.recv() => message,
        };
        let Some(Ok(Message::Text(text))) = message else {
            return; // they left
        };
        if socket.send(Message::Text(text)).await.is_err() {
            return;
        }
    }
    // 1008: policy violation (RFC 6455, 7.4.1), which browsers hand to `onclose`.
    let frame = axum::extract::ws::CloseFrame { code: 1008, reason: "signed out".into() };
    drop(socket.send(Message::Close(Some(frame))).await);
}
