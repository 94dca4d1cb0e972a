//! Rows of the seeds that no example shows, against servers inside the test: over real HTTP all
//! the same.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{AppendHeaders, IntoResponse, Redirect};
use axum::routing::{get, post};
use http::header::{CACHE_CONTROL, CONTENT_LANGUAGE, COOKIE, SET_COOKIE, VARY};
use serde::{Deserialize, Serialize};
use sessile::store::MemoryStore;
use sessile::testkit::SimulatedClock;
use sessile::transport::Cookie;
use sessile::{
    Active, Error, Expiry, Key, Keyring, Refusals, RequireSession, Session, SessionLayer,
};
use tokio::sync::Notify;
use tower::ServiceExt;

use crate::http_support::{Reply, Server, Visitor, get as getting, post as post_to, send};

const TWO_WEEKS: Duration = Duration::from_secs(1_209_600);
const INVALID: (u16, &str) = (401, r#"{"detail":"Invalid session provided"}"#);
const GONE: (u16, &str) = (403, r#"{"detail":"invalid session"}"#);

#[derive(Clone, Serialize, Deserialize)]
struct Data {
    username: String,
}

fn alice() -> Data {
    Data { username: "alice".into() }
}

fn layer(keys: impl Into<Keyring>) -> SessionLayer<Data> {
    SessionLayer::new(MemoryStore::new(), keys)
        .transport(Cookie::named("cookie").max_age(TWO_WEEKS).dangerously_allow_plain_http())
        .expiry(Expiry::idle(TWO_WEEKS).absolute(TWO_WEEKS).without_renewal())
        .refusals(Refusals::fastapi_sessions())
}

fn routes() -> Router {
    Router::new()
        .route("/create", post(create))
        .route("/whoami", get(async |session: Active<Data>| session.username.clone()))
        .route("/delete", post(delete))
}

async fn create(session: Session<Data>) -> Result<(), Error> {
    session.create(alice()).map(drop)
}

async fn delete(session: Active<Data>) -> Result<&'static str, Error> {
    session.session().destroy()?;
    Ok("deleted")
}

#[tokio::test]
async fn s2_a_handler_that_ignores_the_session_answers_as_without_the_layer() {
    let plain = || {
        let answer = ([(CONTENT_LANGUAGE, "en"), (SET_COOKIE, "theme=dark")], "hello");
        Router::new()
            .route("/", get(async move || answer))
            .route("/moved", get(async || Redirect::to("/")))
    };
    let bare = Server::start(plain()).await;
    let wrapped = Server::start(plain().layer(layer(Key::generate()))).await;
    for path in ["/", "/moved", "/missing"] {
        for cookies in ["", "theme=dark", "cookie=garbage"] {
            let mut replies = Vec::new();
            for server in [&bare, &wrapped] {
                let mut request = getting(path);
                request.headers_mut().insert(COOKIE, cookies.parse().unwrap());
                let mut reply = send(server.address, request).await;
                reply.headers.remove("date");
                replies.push(format!("{reply:?}"));
            }
            assert_eq!(replies[0], replies[1], "{path} {cookies:?}");
        }
    }
}

#[tokio::test]
async fn s4_r44_an_older_key_passes_until_it_is_taken_out_of_the_ring() {
    let old = Key::generate();
    let ring = Keyring::new(old.clone());
    let server = Server::start(routes().layer(layer(ring.clone()))).await;
    let (mut away, mut here) = (server.visitor(), server.visitor());
    away.post("/create").await;
    here.post("/create").await;

    ring.roll_over(Key::generate());
    let reply = here.get("/whoami").await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.set_cookie().2[1], "Max-Age=1209600", "the ticket is signed anew");
    assert!(here.get("/whoami").await.set_cookies().is_empty(), "once");

    ring.revoke(old.id()).unwrap();
    assert_eq!(here.get("/whoami").await.status, 200);
    assert_eq!(away.get("/whoami").await.said(), INVALID, "under the key that is gone");
}

#[tokio::test]
async fn s6_r11_a_ticket_passes_to_the_end_of_its_time_whatever_the_client_keeps() {
    let clock = SimulatedClock::new();
    let server = Server::start(routes().layer(layer(Key::generate()).clock(clock.clone()))).await;
    let mut alice = server.visitor();
    alice.post("/create").await;
    clock.advance(TWO_WEEKS - Duration::from_secs(1));
    assert_eq!(alice.get("/whoami").await.status, 200);
    clock.advance(Duration::from_secs(1));
    assert_eq!(alice.get("/whoami").await.said(), GONE, "however much it was used");
}

#[tokio::test]
async fn s9_b7_x18_a_handler_that_takes_anybody_sees_none_and_never_an_error_that_looks_like_data()
{
    let look = async |session: Option<Active<Data>>| match session {
        Some(session) => session.username.clone(),
        None => "nobody".to_owned(),
    };
    let app = routes().route("/opt", get(look)).layer(layer(Key::generate()));
    let server = Server::start(app).await;
    let mut alice = server.visitor();
    alice.post("/create").await;
    let mut deleted = alice.clone();
    assert_eq!(alice.get("/opt").await.said(), (200, "alice"));
    for cookies in ["", "cookie=bad", "cookie="] {
        let mut request = getting("/opt");
        request.headers_mut().insert(COOKIE, cookies.parse().unwrap());
        assert_eq!(send(server.address, request).await.said(), (200, "nobody"), "{cookies:?}");
    }
    alice.post("/delete").await;
    assert_eq!(deleted.get("/opt").await.said(), (200, "nobody"));
}

#[tokio::test]
async fn s11_b14_sessions_that_expired_leave_the_memory_while_the_store_is_used() {
    const MANY: usize = 10_000;
    let (store, clock) = (MemoryStore::new(), SimulatedClock::new());
    let second = Expiry::idle(Duration::from_secs(1)).absolute(Duration::from_secs(1));
    let sessions = SessionLayer::<Data>::new(store.clone(), Key::generate())
        .transport(Cookie::named("cookie").dangerously_allow_plain_http())
        .expiry(second.without_renewal())
        .clock(clock.clone());
    let app = routes().layer(sessions);
    let mut ticket = None;
    for _ in 0..MANY {
        let create = post_to("/create");
        let reply = app.clone().oneshot(create.map(Body::new)).await.unwrap();
        ticket = reply.headers().get(SET_COOKIE).cloned();
    }
    assert_eq!(store.len(), MANY);

    clock.advance(Duration::from_secs(2));
    let server = Server::start(app).await;
    let ticket = ticket.unwrap();
    let cookie = ticket.to_str().unwrap().split(';').next().unwrap();
    let mut visits = 0;
    while !store.is_empty() {
        let mut request = getting("/whoami");
        request.headers_mut().insert(COOKIE, cookie.parse().unwrap());
        assert_eq!(send(server.address, request).await.status, 401);
        visits += 1;
        assert!(visits < 1000, "{} sessions are still held", store.len());
    }
}

#[tokio::test]
async fn s14_x12_b10_a_guard_without_its_layer_is_500_and_says_the_same_in_any_order() {
    let guard = RequireSession::<Data>::new().refusals(Refusals::fastapi_sessions());
    let route = || Router::new().route("/", get(async || "inside"));
    let internal = r#"{"detail":"internal failure of session verification"}"#;
    let alone = Server::start(route().layer(guard.clone())).await;
    assert_eq!(alone.visitor().get("/").await.said(), (500, internal));
    // The guard outside the layer: it runs first and finds nothing.
    let outside = route().layer(layer(Key::generate())).layer(guard.clone());
    let outside = Server::start(outside).await;
    assert_eq!(outside.visitor().get("/").await.said(), (500, internal));
    let inside = Server::start(route().layer(guard).layer(layer(Key::generate()))).await;
    assert_eq!(inside.visitor().get("/").await.status, 403);

    let extractor = Server::start(routes()).await;
    let reply = extractor.visitor().get("/whoami").await;
    assert_eq!(reply.status, 500);
    let problem: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(problem["detail"], "internal failure of session verification");
}

#[tokio::test]
async fn s16_b16_x19_two_creates_in_one_handler_send_one_cookie_and_keep_one_session() {
    async fn twice(session: Session<Data>) -> Result<(), Error> {
        session.create(alice())?;
        session.create(Data { username: "bob".into() }).map(drop)
    }
    let app = routes().route("/twice", post(twice)).layer(layer(Key::generate()));
    let server = Server::start(app).await;
    let mut visitor = server.visitor();
    let reply = visitor.post("/twice").await;
    assert_eq!(reply.set_cookies().len(), 1);
    assert_eq!(visitor.get("/whoami").await.said(), (200, "bob"));
}

#[tokio::test]
async fn r19_the_handlers_own_cookies_and_cache_headers_survive_in_order() {
    async fn create_among_others(session: Session<Data>) -> Result<impl IntoResponse, Error> {
        session.create(alice())?;
        let headers = [(SET_COOKIE, "a=1"), (VARY, "accept"), (CACHE_CONTROL, "max-age=60")];
        let more = AppendHeaders([(SET_COOKIE, "b=2"), (SET_COOKIE, "cookie=mine")]);
        Ok((headers, more, "made"))
    }
    let app = Router::new().route("/", post(create_among_others)).layer(layer(Key::generate()));
    let server = Server::start(app).await;
    let reply = server.visitor().post("/").await;
    let (ours, theirs): (Vec<_>, Vec<_>) =
        reply.set_cookies().into_iter().partition(|line| line.starts_with("cookie="));
    assert_eq!(theirs, ["a=1", "b=2"]);
    assert_eq!(ours.len(), 1, "b16: {ours:?}");
    assert!(ours[0].contains("HttpOnly"), "{ours:?}");
    assert_eq!(reply.lines("vary"), ["accept", "cookie"]);
    assert_eq!(reply.lines("cache-control"), ["no-store"]);
}

#[tokio::test]
async fn s21_b15_c01_a_request_in_flight_during_a_logout_neither_brings_the_session_back_nor_fails()
{
    type Edit = fn(&Session<Data>) -> Result<(), Error>;
    let edits: [(&str, Edit); 4] = [
        ("update", |session| session.update(|data| data.username.push('!'))),
        ("replace", |session| session.replace(Data { username: "bob".into() })),
        ("renew", Session::renew),
        ("b3: destroy", Session::destroy),
    ];
    for (name, edit) in edits {
        let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (inside, go) = (Arc::clone(&entered), Arc::clone(&release));
        let slow = async move |session: Active<Data>| {
            inside.notify_one();
            go.notified().await;
            edit(session.session()).map(|()| "written")
        };
        let app = routes().route("/slow", post(slow)).layer(layer(Key::generate()));
        let server = Server::start(app).await;
        let mut alice = server.visitor();
        alice.post("/create").await;
        let mut replay = alice.clone();

        let mut browser = alice.clone();
        let a = tokio::spawn(async move { browser.post("/slow").await });
        entered.notified().await;
        assert_eq!(alice.post("/delete").await.status, 200, "{name}: B logs out");
        release.notify_one();
        let a = a.await.unwrap();
        assert_eq!(a.said(), (200, "written"), "{name}: A is answered");
        let ticket = a.set_cookies().into_iter().find(|line| !line.starts_with("cookie=;"));
        assert_eq!(ticket, None, "{name}: A sends no ticket");
        assert_eq!(replay.get("/whoami").await.said(), GONE, "{name}: it is not back");
    }
}

#[tokio::test]
async fn b11_two_layers_of_one_type_are_refused_loudly() {
    let app = routes().layer(layer(Key::generate())).layer(layer(Key::generate()));
    let server = Server::start(app).await;
    let reply = server.visitor().get("/whoami").await;
    assert_eq!(reply.said(), (500, r#"{"detail":"internal failure of session handling"}"#));
}

#[test]
#[should_panic(expected = "give the second another name")]
fn b11_two_transports_of_one_name_do_not_build() {
    let sid = || Cookie::host("sid").dangerously_allow_plain_http();
    drop(layer(Key::generate()).transport(sid()).or_transport(sid()));
}

#[tokio::test]
async fn b03_concurrent_logouts_are_all_answered() {
    let server = Server::start(routes().layer(layer(Key::generate()))).await;
    let mut alice = server.visitor();
    alice.post("/create").await;
    let logout = |mut browser: Visitor| async move { browser.post("/delete").await };
    let logouts: Vec<_> = (0..8).map(|_| tokio::spawn(logout(alice.clone()))).collect();
    let mut replies: Vec<Reply> = Vec::new();
    for logout in logouts {
        replies.push(logout.await.unwrap());
    }
    assert!(replies.iter().any(|reply| reply.status == 200));
    for reply in replies {
        assert!(reply.status == 200 || reply.said() == GONE, "b3: {reply:?}");
        assert_eq!(reply.set_cookie().1, "");
    }
}
