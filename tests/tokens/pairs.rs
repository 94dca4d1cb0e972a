//! Access and refresh tokens: issue, refresh, log out; and what comes of a refresh token that is
//! used twice.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use data_encoding::BASE64URL_NOPAD;
use http::header::SET_COOKIE;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use sessile::store::{Limit, MemoryStore};
use sessile::testkit::{Faulty, Operation, SimulatedClock};
use sessile::token::{
    Access, AccessLayer, LiveSessions, Pair, PairError, Pairs, TokenCookie, TokenKind, Tokens,
};
use sessile::transport::{Bearer, Cookie};
use sessile::{Expiry, NewSession, Session, SessionLayer, StoreErrorKind};
use tower::ServiceExt;

use crate::{at, key, tokens};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

type Data = String;

struct Shop {
    app: Router,
    clock: SimulatedClock,
    tokens: Tokens,
    store: Faulty<Data>,
}

async fn log_in(
    State(pairs): State<Pairs<Data>>,
    session: Session<Data>,
    subject: String,
) -> Result<Json<Pair>, PairError> {
    let new = NewSession::with(format!("data of {subject}")).subject(subject);
    pairs.issue(&session, new, ()).await.map(Json)
}

async fn refresh(
    State(pairs): State<Pairs<Data>>,
    session: Session<Data>,
) -> Result<Json<Pair>, PairError> {
    pairs.refresh(&session, |_data| ()).await.map(Json)
}

async fn log_out(
    State(pairs): State<Pairs<Data>>,
    session: Session<Data>,
    access: Access,
) -> Result<StatusCode, PairError> {
    pairs.log_out(&session, &access).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Refresh tokens in `Authorization`, or in a cookie; idle for 10 days, 30 days in all.
fn shop(within: Duration) -> Shop {
    shop_with(within, |layer| layer)
}

fn shop_with(within: Duration, set: impl FnOnce(SessionLayer<Data>) -> SessionLayer<Data>) -> Shop {
    let clock = at(1_700_000_000);
    let tokens = tokens().clock(clock.clone());
    let store = Faulty::new(MemoryStore::new());
    let live = LiveSessions::new(store.clone()).within(within);
    let sessions = SessionLayer::new(store.clone(), key())
        .transport(Bearer::new().write_to("x-refresh"))
        .or_transport(Cookie::host("refresh"))
        .clock(clock.clone())
        .observer(live.clone());
    let pairs =
        Pairs::new(tokens.clone(), set(sessions), Expiry::idle(10 * DAY).absolute(30 * DAY));
    let app = Router::new()
        .route("/log_in", post(log_in))
        .route("/refresh", post(refresh))
        .route("/log_out", post(log_out))
        .with_state(pairs.clone())
        .layer(pairs.layer().clone())
        .route("/me", get(|access: Access| async move { access.subject.clone() }))
        .layer(AccessLayer::<()>::new(tokens.clone(), live).or_transport(Cookie::host("access")));
    Shop { app, clock, tokens, store }
}

impl Shop {
    async fn send(&self, request: http::request::Builder, body: &str) -> Response<String> {
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let answer = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Response::from_parts(parts, String::from_utf8(body.to_vec()).unwrap())
    }

    /// The access and the refresh token of a login.
    async fn log_in(&self, subject: &str) -> (String, String) {
        pair(&self.send(Request::post("/log_in"), subject).await)
    }

    async fn refresh(&self, refresh: &str) -> Response<String> {
        self.send(with(Request::post("/refresh"), refresh), "").await
    }

    async fn me(&self, access: &str) -> u16 {
        self.send(with(Request::get("/me"), access), "").await.status().as_u16()
    }

    async fn log_out(&self, access: &str) -> u16 {
        self.send(with(Request::post("/log_out"), access), "").await.status().as_u16()
    }
}

fn with(request: http::request::Builder, token: &str) -> http::request::Builder {
    request.header("authorization", format!("Bearer {token}"))
}

fn pair(answer: &Response<String>) -> (String, String) {
    assert_eq!(answer.status(), 200, "{}", answer.body());
    let body: Value = serde_json::from_str(answer.body()).unwrap();
    assert_eq!(body["token_type"], "bearer");
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    (text("access_token"), text("refresh_token"))
}

#[tokio::test]
async fn f04_a_log_in_gives_both_tokens_and_each_only_does_its_own() {
    let shop = shop(Duration::ZERO);
    let answer = shop.send(Request::post("/log_in"), "alice").await;
    let (access, refresh) = pair(&answer);
    assert_eq!(answer.headers()["x-refresh"], format!("Bearer {refresh}"), "in the header as well");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let body: Value = serde_json::from_str(answer.body()).unwrap();
    assert_eq!(body["expires_in"], 900);
    assert_eq!(shop.me(&access).await, 200);
    assert_eq!(shop.me(&refresh).await, 401, "f02: an access token is required");
    assert_eq!(shop.refresh(&access).await.status(), 401, "f02: and here a refresh token");
    assert_eq!(shop.refresh("junk").await.status(), 401);
    assert_eq!(shop.send(Request::post("/refresh"), "").await.status(), 401);
    let claims = shop.tokens.verify::<()>(access.as_bytes(), &TokenKind::Access).unwrap();
    assert!(claims.session.is_some() && claims.id.is_some());
}

#[tokio::test]
async fn r64_f06_b24_each_refresh_spends_a_token_and_a_spent_one_ends_the_family() {
    let shop = shop(Duration::ZERO);
    let (first_access, first) = shop.log_in("alice").await;
    shop.clock.advance(20 * MINUTE);
    assert_eq!(shop.me(&first_access).await, 401, "expired");
    let (second_access, second) = pair(&shop.refresh(&first).await);
    assert_ne!(first, second);
    assert_eq!(shop.me(&second_access).await, 200);
    shop.clock.advance(MINUTE);
    let (third_access, third) = pair(&shop.refresh(&second).await);
    // Somebody brings the first one again: it was stolen, or the thief was first.
    assert_eq!(shop.refresh(&first).await.status(), 401);
    assert_eq!(shop.refresh(&third).await.status(), 401, "so the newest is dead");
    assert_eq!(shop.me(&third_access).await, 401, "with its access token");
    assert_eq!(shop.me(&second_access).await, 401, "and that of before, which had not expired");
}

#[tokio::test]
async fn r64_a_spent_token_ends_the_family_at_once_also_if_the_next_was_never_used() {
    let shop = shop(Duration::ZERO);
    let (_, first) = shop.log_in("alice").await;
    let (_, second) = pair(&shop.refresh(&first).await);
    assert_eq!(shop.refresh(&first).await.status(), 401, "no grace");
    assert_eq!(shop.refresh(&second).await.status(), 401);
}

#[tokio::test]
async fn r64_of_requests_that_spend_one_token_at_once_one_gets_a_pair() {
    let shop = shop(Duration::ZERO);
    let (_, refresh) = shop.log_in("alice").await;
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let request = with(Request::post("/refresh"), &refresh).body(Body::empty()).unwrap();
        let app = shop.app.clone();
        asking.spawn(async move { app.oneshot(request).await.unwrap().status().as_u16() });
    }
    let statuses = asking.join_all().await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 15, "{statuses:?}");
}

#[tokio::test]
async fn r64_refreshing_slides_but_never_passes_the_absolute_limit() {
    let shop = shop(Duration::ZERO);
    let (_, mut refresh) = shop.log_in("alice").await;
    for _ in 0..3 {
        shop.clock.advance(9 * DAY);
        (_, refresh) = pair(&shop.refresh(&refresh).await);
    }
    shop.clock.advance(3 * DAY - 5 * MINUTE);
    let answer = shop.refresh(&refresh).await;
    let (access, refresh) = pair(&answer);
    let body: Value = serde_json::from_str(answer.body()).unwrap();
    assert_eq!(body["expires_in"], 300, "nor does the access token");
    assert_eq!(shop.me(&access).await, 200);
    shop.clock.advance(5 * MINUTE);
    assert_eq!(shop.refresh(&refresh).await.status(), 401);
    assert_eq!(shop.me(&access).await, 401);
    let (_, idle) = shop.log_in("alice").await;
    shop.clock.advance(10 * DAY);
    assert_eq!(shop.refresh(&idle).await.status(), 401, "not used for so long");
}

#[tokio::test]
async fn r30_f05_b24_a_log_out_ends_both_tokens() {
    // The check may be out of date by an hour, but not about what this node ended.
    for within in [Duration::ZERO, 60 * MINUTE] {
        let shop = shop(within);
        let (access, refresh) = shop.log_in("alice").await;
        let (other_access, other_refresh) = shop.log_in("alice").await;
        assert_eq!((shop.me(&access).await, shop.me(&other_access).await), (200, 200));
        assert_eq!(shop.log_out(&access).await, 204);
        assert_eq!(shop.me(&access).await, 401);
        assert_eq!(shop.log_out(&access).await, 401, "there is nothing left to end");
        assert_eq!(shop.refresh(&refresh).await.status(), 401);
        assert_eq!(shop.me(&other_access).await, 200, "on another device");
        assert_eq!(shop.refresh(&other_refresh).await.status(), 200);
        assert_eq!(shop.log_out(&other_refresh).await, 401, "f05: an access token is required");
    }
}

#[tokio::test]
async fn r30_what_another_node_ended_is_known_within_the_bound() {
    let shop = shop(10 * MINUTE);
    let (access, _) = shop.log_in("alice").await;
    assert_eq!(shop.me(&access).await, 200);
    // Another node: the same store, and nobody here is told.
    let elsewhere = SessionLayer::new(shop.store.clone(), key()).clock(shop.clock.clone());
    assert_eq!(elsewhere.sessions().revoke_all("alice").await.unwrap(), 1);
    assert_eq!(shop.me(&access).await, 200, "what was found out may be used for so long");
    shop.clock.advance(10 * MINUTE - Duration::from_millis(1));
    assert_eq!(shop.me(&access).await, 200);
    shop.clock.advance(Duration::from_millis(1));
    assert_eq!(shop.me(&access).await, 401);
}

#[tokio::test]
async fn r30_an_answer_is_used_no_longer_although_the_clock_was_set_back() {
    let shop = shop(MINUTE);
    let (access, _) = shop.log_in("alice").await;
    shop.clock.advance(Duration::from_secs(4));
    assert_eq!(shop.me(&access).await, 200);
    let elsewhere = SessionLayer::new(shop.store.clone(), key()).clock(shop.clock.clone());
    assert_eq!(elsewhere.sessions().revoke_all("alice").await.unwrap(), 1);
    shop.clock.rewind(Duration::from_secs(4));
    assert_eq!(shop.me(&access).await, 401);
}

#[tokio::test]
async fn a_pair_for_a_session_that_something_else_has_begun() {
    let shop = shop(Duration::ZERO);
    let layer = SessionLayer::new(shop.store.clone(), key()).clock(shop.clock.clone());
    let pairs = Pairs::new(shop.tokens.clone(), layer, Expiry::default());
    let sessions = pairs.layer().sessions();
    let begin = |subject: &'static str, more: &'static str| {
        let pairs = pairs.clone();
        post(async move |session: Session<Data>| {
            match subject {
                "" => {}
                "nobody" => drop(session.create(NewSession::with("data".to_owned())).unwrap()),
                subject => {
                    let new = NewSession::with("data".to_owned()).subject(subject);
                    session.create(new).unwrap();
                }
            }
            session.commit().await.unwrap();
            // What is neither a struct nor a map is no claims: the token cannot be made.
            match more {
                "" => pairs.issue_for(&session, ()).await.map(Json),
                more => pairs.issue_for(&session, more).await.map(Json),
            }
        })
    };
    let app = Router::new()
        .route("/good", begin("alice", ""))
        .route("/without", begin("", ""))
        .route("/nobody", begin("nobody", ""))
        .route("/claims", begin("alice", "junk"))
        .layer(pairs.layer().clone());
    let ask = async |path: &str| {
        let request = Request::post(path).body(Body::empty()).unwrap();
        let answer = app.clone().oneshot(request).await.unwrap();
        let ticket = answer
            .headers()
            .get_all(SET_COOKIE)
            .iter()
            .any(|line| !line.to_str().unwrap().contains("Max-Age=0"));
        (answer.status().as_u16(), ticket)
    };
    assert_eq!(ask("/good").await, (200, true));
    assert_eq!(sessions.count("alice").await.unwrap(), 1);
    assert_eq!(ask("/without").await, (401, false));
    assert_eq!(ask("/nobody").await, (500, false), "ended again");
    assert_eq!(ask("/claims").await, (500, false), "ended again");
    assert_eq!(sessions.count("alice").await.unwrap(), 1);
    shop.store.fail_next(Operation::Delete, StoreErrorKind::Unavailable);
    assert_eq!(ask("/claims").await, (503, false), "the response has tried once more");
    assert_eq!(sessions.count("alice").await.unwrap(), 1);
}

#[tokio::test]
async fn an_answer_of_the_store_is_used_for_the_bound_and_its_failure_is_503() {
    let shop = shop(MINUTE);
    let (access, _) = shop.log_in("alice").await;
    assert_eq!(shop.me(&access).await, 200);
    shop.store.fail_next(Operation::Load, StoreErrorKind::Unavailable);
    assert_eq!(shop.me(&access).await, 200, "not asked");
    shop.clock.advance(MINUTE);
    assert_eq!(shop.me(&access).await, 503, "asked");
    assert_eq!(shop.me(&access).await, 200);
}

#[tokio::test]
async fn a_refresh_that_the_store_did_not_keep_gives_no_pair_and_spends_nothing() {
    let shop = shop(Duration::ZERO);
    let (_, refresh) = shop.log_in("alice").await;
    shop.store.fail_next(Operation::Replace, StoreErrorKind::Unavailable);
    assert_eq!(shop.refresh(&refresh).await.status(), 503);
    assert_eq!(shop.refresh(&refresh).await.status(), 200, "it is as good as before");
}

#[tokio::test]
async fn p07_one_session_per_subject_the_oldest_makes_way() {
    let shop = shop_with(Duration::ZERO, |layer| layer.limit(Limit::evict_oldest(1)));
    let (first, _) = shop.log_in("alice").await;
    let (second, refresh) = shop.log_in("alice").await;
    let (bob, _) = shop.log_in("bob").await;
    assert_eq!(shop.me(&first).await, 401);
    assert_eq!((shop.me(&second).await, shop.me(&bob).await), (200, 200));
    assert_eq!(shop.refresh(&refresh).await.status(), 200);
}

#[tokio::test]
async fn f08_refresh_tokens_travel_in_cookies_too() {
    let shop = shop_with(Duration::ZERO, |layer| layer.transport(Cookie::host("refresh")));
    let answer = shop.send(Request::post("/log_in"), "alice").await;
    let body: Value = serde_json::from_str(answer.body()).unwrap();
    assert!(body.get("refresh_token").is_none(), "scripts need not see it");
    let cookie = |answer: &Response<String>| {
        let line = answer.headers()[SET_COOKIE].to_str().unwrap();
        line.split(';').next().unwrap().to_owned()
    };
    let (first, access) = (cookie(&answer), body["access_token"].as_str().unwrap().to_owned());
    let refreshed = shop.send(Request::post("/refresh").header("cookie", &first), "").await;
    assert_eq!(refreshed.status(), 200);
    let second = cookie(&refreshed);
    assert_ne!(first, second);
    let request = with(Request::post("/log_out"), &access).header("cookie", &second);
    let out = shop.send(request, "").await;
    assert_eq!(out.status(), 204);
    let removal = out.headers()[SET_COOKIE].to_str().unwrap();
    assert!(removal.starts_with("__Host-refresh=;") && removal.contains("Max-Age=0"), "{removal}");
    let replay = shop.send(Request::post("/refresh").header("cookie", second), "").await;
    assert_eq!(replay.status(), 401);
    // An access token in a cookie, beside it.
    let (access, _) = {
        let answer = shop.send(Request::post("/log_in"), "alice").await;
        let body: Value = serde_json::from_str(answer.body()).unwrap();
        (body["access_token"].as_str().unwrap().to_owned(), ())
    };
    let mut headers = http::HeaderMap::new();
    TokenCookie::host("access").set(&mut headers, &access, &Default::default()).unwrap();
    let line = headers[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
    let me = shop.send(Request::get("/me").header("cookie", line), "").await;
    assert_eq!(me.body(), "alice");
}

#[tokio::test]
async fn a_session_without_a_subject_gets_no_tokens() {
    let shop = shop(Duration::ZERO);
    let clock = shop.clock.clone();
    let layer = SessionLayer::new(MemoryStore::<Data>::new(), key()).clock(clock);
    let pairs = Pairs::new(shop.tokens.clone(), layer, Expiry::default());
    let app = Router::new()
        .route(
            "/",
            post(|State(pairs): State<Pairs<Data>>, session: Session<Data>| async move {
                pairs.issue(&session, "nobody's".to_owned(), ()).await.map(Json)
            }),
        )
        .with_state(pairs.clone())
        .layer(pairs.layer().clone());
    let request = Request::post("/").body(Body::empty()).unwrap();
    let answer = app.oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 500);
    assert!(!answer.headers().contains_key(SET_COOKIE), "nor a session");
}

#[test]
fn r45_a_pair_says_nothing_of_itself_in_debug() {
    let token = tokens().issue(&sessile::token::NewToken::access("alice")).unwrap();
    let payload = token.split('.').nth(1).unwrap();
    assert!(BASE64URL_NOPAD.decode(payload.as_bytes()).is_ok(), "a holder may read it");
    let layer = SessionLayer::new(MemoryStore::<Data>::new(), key());
    let shown = format!("{:?}", Pairs::new(tokens(), layer, Expiry::default()));
    assert!(shown.contains("access_ttl: 900s") && !shown.contains("5b0f8e3c"), "{shown}");
}
