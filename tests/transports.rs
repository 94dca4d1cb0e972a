//! Chains of transports, and single-use tickets in the address of a handshake.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking"
)]

mod support;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use http::header::{AUTHORIZATION, COOKIE, SET_COOKIE};
use http::{Request, Response};
use sessile::store::MemoryStore;
use sessile::testkit::{Faulty, Operation, SimulatedClock};
use sessile::transport::{Bearer, Cookie, Query};
use sessile::{
    ErrorKind, Event, Key, LazySession, Rejection, Session, SessionLayer, StoreErrorKind,
};
use support::Member;
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt, service_fn};

type App = BoxCloneSyncService<Request<()>, Response<String>, Infallible>;

/// `/log_in`, `/ticket` (a handshake's), `/end`, and pages that say who is there.
fn app(layer: SessionLayer<Member>) -> App {
    let service = service_fn(|request: Request<()>| async move {
        let session = match Session::<Member>::of(&request) {
            Some(session) => session.clone(),
            None => LazySession::of(&request).unwrap().load().await.unwrap(),
        };
        let body = match request.uri().path() {
            "/log_in" => {
                session.create(Member::named("ann")).unwrap();
                "welcome".to_owned()
            }
            "/ticket" => session.handshake().unwrap_or_else(|error| format!("{:?}", error.kind())),
            "/again" => {
                session.destroy().unwrap();
                session.commit().await.unwrap();
                session.create(Member::named("bob")).unwrap();
                "welcome back".to_owned()
            }
            "/end" => {
                session.destroy().unwrap();
                "bye".to_owned()
            }
            _ => session
                .get()
                .map_or_else(|| format!("{:?}", session.status()), |member| member.name.clone()),
        };
        Ok::<_, Infallible>(Response::new(body))
    });
    BoxCloneSyncService::new(layer.layer(service))
}

fn layer() -> SessionLayer<Member> {
    SessionLayer::new(MemoryStore::new(), Key::generate())
        .transport(Cookie::host("sid"))
        .or_transport(Query::named("ticket"))
}

async fn ask(app: &App, request: http::request::Builder) -> Response<String> {
    app.clone().oneshot(request.body(()).unwrap()).await.unwrap()
}

async fn log_in(app: &App) -> String {
    let answer = ask(app, Request::get("/log_in")).await;
    let line = answer.headers()[SET_COOKIE].to_str().unwrap();
    line.split(';').next().unwrap().to_owned()
}

async fn ticket(app: &App, cookie: &str) -> String {
    ask(app, Request::get("/ticket").header(COOKIE, cookie)).await.into_body()
}

fn stream(ticket: &str) -> http::request::Builder {
    Request::get(format!("/events?ticket={ticket}")).header("accept", "text/event-stream")
}

#[tokio::test]
async fn r27_a_handshake_ticket_opens_its_session_once() {
    for layer in [layer(), layer().lazy()] {
        let app = app(layer);
        let cookie = log_in(&app).await;
        let ticket = ticket(&app, &cookie).await;
        let page = Request::get(format!("/page?ticket={ticket}")).header("accept", "text/html");
        assert_eq!(ask(&app, page).await.body(), "NoTicket", "no handshake");
        let answer = ask(&app, stream(&ticket)).await;
        assert_eq!(answer.body(), "ann");
        assert!(!answer.headers().contains_key(SET_COOKIE));
        assert_eq!(ask(&app, stream(&ticket)).await.body(), "Rejected(Spent)");
        let answer = ask(&app, Request::get("/page").header(COOKIE, &cookie)).await;
        assert_eq!(answer.body(), "ann", "the session itself goes on");
    }
}

#[tokio::test]
async fn of_many_handshakes_with_one_ticket_one_gets_in() {
    let app = app(layer());
    let cookie = log_in(&app).await;
    let ticket = ticket(&app, &cookie).await;
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let (app, ticket) = (app.clone(), ticket.clone());
        all.spawn(async move { ask(&app, stream(&ticket)).await.into_body() });
    }
    let answers = all.join_all().await;
    assert_eq!(answers.iter().filter(|answer| *answer == "ann").count(), 1, "{answers:?}");
}

#[tokio::test]
async fn a_handshake_ticket_is_short_lived_and_dies_with_its_session() {
    let clock = SimulatedClock::starting_at(UNIX_EPOCH + Duration::from_secs(1_000_000));
    let app = app(layer().clock(clock.clone()));
    let cookie = log_in(&app).await;
    let late = ticket(&app, &cookie).await;
    clock.advance(Duration::from_secs(30));
    assert_eq!(ask(&app, stream(&late)).await.body(), "Rejected(Spent)");
    let orphan = ticket(&app, &cookie).await;
    ask(&app, Request::get("/end").header(COOKIE, &cookie)).await;
    assert_eq!(ask(&app, stream(&orphan)).await.body(), "Rejected(Gone)");
}

#[tokio::test]
async fn s45_a_handshake_into_a_record_that_does_not_decode_is_no_session() {
    let store = Faulty::new(MemoryStore::new());
    let layer = SessionLayer::new(store.clone(), Key::generate())
        .transport(Cookie::host("sid"))
        .or_transport(Query::named("ticket"));
    let app = app(layer);
    let cookie = log_in(&app).await;
    let ticket = ticket(&app, &cookie).await;
    store.fail_next(Operation::Load, StoreErrorKind::Undecodable);
    assert_eq!(ask(&app, stream(&ticket)).await.body(), "Rejected(Undecodable)");
    store.fail_next(Operation::Load, StoreErrorKind::Unavailable);
    assert_eq!(ask(&app, stream(&ticket)).await.status(), 503);
    assert_eq!(ask(&app, stream(&ticket)).await.body(), "ann", "and neither used it up");
}

#[tokio::test]
async fn r27_tickets_do_not_pass_by_another_way_than_their_own() {
    let app = app(layer());
    let cookie = log_in(&app).await;
    let (_, session_ticket) = cookie.split_once('=').unwrap();
    assert_eq!(ask(&app, stream(session_ticket)).await.body(), "Rejected(Forged)");
    let handshake = ticket(&app, &cookie).await;
    let as_cookie = Request::get("/").header(COOKIE, format!("__Host-sid={handshake}"));
    assert_eq!(ask(&app, as_cookie).await.body(), "Rejected(Forged)");
    for bad in ["x", "", &"A".repeat(48), &handshake[1..]] {
        let answer = ask(&app, stream(bad)).await.into_body();
        assert!(answer.starts_with("Rejected") || answer == "NoTicket", "{bad}: {answer}");
    }
    assert_eq!(ask(&app, stream(&handshake)).await.body(), "ann", "and was not used up by that");
}

#[tokio::test]
async fn a_layer_without_a_query_issues_no_handshake_tickets() {
    let app = app(SessionLayer::new(MemoryStore::new(), Key::generate()));
    let cookie = log_in(&app).await;
    assert_eq!(ticket(&app, &cookie).await, format!("{:?}", ErrorKind::NoTransport));
}

#[test]
fn a_query_stands_beside_another_transport() {
    let layer = || SessionLayer::<Member>::new(MemoryStore::new(), Key::generate());
    let error = layer().try_transport(Query::named("ticket")).unwrap_err();
    assert!(error.to_string().contains("or_transport"), "{error}");
    let two = layer().or_transport(Query::named("a")).try_or_transport(Query::named("b"));
    assert!(two.unwrap_err().to_string().contains("drop the second"));
    assert!(layer().try_or_transport(Query::named("a b")).is_err());
}

#[tokio::test]
async fn f03_the_first_transport_present_decides_if_so_told() {
    let with = |value: &str, cookie: &str| {
        Request::get("/").header(AUTHORIZATION, value).header(COOKIE, cookie)
    };
    for (decides, lazy, junk) in [
        (false, false, "ann"),
        (false, true, "ann"),
        (true, false, "Rejected(Malformed)"),
        (true, true, "Rejected(Malformed)"),
    ] {
        let (store, key) = (Arc::new(MemoryStore::new()), Key::generate());
        let cookies = SessionLayer::<Member>::new(Arc::clone(&store), key.clone());
        let cookie = log_in(&app(cookies)).await;
        let mut both = SessionLayer::<Member>::new(store, key)
            .transport(Bearer::new())
            .or_transport(Cookie::host("sid"));
        if decides {
            both = both.first_present_decides();
        }
        let app = app(if lazy { both.lazy() } else { both });
        let answer = ask(&app, Request::get("/log_in")).await;
        let bearer = answer.headers()[AUTHORIZATION].to_str().unwrap();
        assert_eq!(ask(&app, with(bearer, "__Host-sid=x")).await.body(), "ann");
        assert_eq!(ask(&app, with("Basic x", "a=b")).await.body(), "NoTicket");
        assert_eq!(ask(&app, with("Basic x", &cookie)).await.body(), "ann");
        assert_eq!(ask(&app, with("Bearer junk", &cookie)).await.body(), junk);
    }
}

#[tokio::test]
async fn r58_an_event_tells_who_presents_spent_tickets() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&heard);
    let app = app(layer().observer(move |event: &Event<'_>| {
        if let Event::Rejected { reason, .. } = event {
            ear.lock().unwrap().push(*reason);
        }
    }));
    let cookie = log_in(&app).await;
    let ticket = ticket(&app, &cookie).await;
    ask(&app, stream(&ticket)).await;
    ask(&app, stream(&ticket)).await;
    assert_eq!(*heard.lock().unwrap(), [Rejection::Spent]);
}

#[tokio::test]
async fn whoever_logs_in_after_a_log_out_in_one_request_is_answered_by_their_transport() {
    let layer = SessionLayer::new(MemoryStore::new(), Key::generate())
        .transport(Cookie::host("sid"))
        .or_transport(Bearer::new());
    let bearer = layer.clone().transport(Bearer::new());
    let answer = ask(&app(bearer), Request::get("/log_in")).await;
    let ticket = answer.headers()[AUTHORIZATION].to_str().unwrap();
    let answer = ask(&app(layer), Request::get("/again").header(AUTHORIZATION, ticket)).await;
    assert_eq!(answer.body(), "welcome back");
    assert!(answer.headers().contains_key(AUTHORIZATION));
    assert!(!answer.headers().contains_key(SET_COOKIE), "a program, not a browser");
}

#[tokio::test]
async fn a_handshake_says_nothing_of_the_tickets_that_its_client_has() {
    let clock = SimulatedClock::new();
    let layer = layer().clock(clock.clone());
    let pages = app(layer.clone());
    let cookie = log_in(&pages).await;
    let with_cookie = |path: &str| Request::get(path).header(COOKIE, &cookie);
    let (rival, other) = (pages.clone(), cookie.clone());
    let streams = layer.layer(service_fn(|request: Request<()>| {
        let (rival, other) = (rival.clone(), other.clone());
        async move {
            let session = Session::<Member>::of(&request).unwrap();
            if request.uri().path() == "/renew" {
                session.renew().unwrap();
            } else {
                // Its write meets another: what is due is then worked out anew.
                session.update(|member| member.visits += 1).unwrap();
                ask(&rival, Request::get("/ticket").header(COOKIE, other)).await;
            }
            Ok::<_, Infallible>(Response::new(format!("{:?}", session.status())))
        }
    }));
    let open = async |path: &str| {
        let ticket = ticket(&pages, &cookie).await;
        let stream = Request::get(format!("{path}?ticket={ticket}"));
        let stream = stream.header("accept", "text/event-stream").body(()).unwrap();
        let answer = streams.clone().oneshot(stream).await.unwrap();
        assert_eq!(answer.body(), "Active");
        answer
    };
    clock.advance(Duration::from_secs(16 * 60));
    ask(&pages, with_cookie("/page")).await; // is renewed, and the answer lost
    open("/write").await;
    clock.advance(Duration::from_secs(60));
    let answer = ask(&pages, with_cookie("/page")).await;
    assert_eq!(answer.body(), "ann", "the new ticket is still not confirmed: no alarm");
    assert!(answer.headers().contains_key(SET_COOKIE), "it is sent again");
    let answer = open("/renew").await;
    assert!(!answer.headers().contains_key(SET_COOKIE), "nor is another issued");
}
