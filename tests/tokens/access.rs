//! Access tokens in requests: where they are looked for, who passes, what ends them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::header::{CACHE_CONTROL, COOKIE, VARY, WWW_AUTHENTICATE};
use http::{Request, Response};
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sessile::testkit::SimulatedClock;
use sessile::token::{
    Access, AccessLayer, AccessRejection, CannotBeRevoked, DenyList, NewToken, RequireAccess,
    Revocation, TokenErrorKind, TokenKind, Tokens, check,
};
use sessile::transport::{Bearer, Cookie};
use sessile::{Refusal, Refusals, StoreError, StoreErrorKind};
use tower::ServiceExt;

use crate::{at, tokens};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Role {
    role: String,
}

fn role(role: &str) -> Role {
    Role { role: role.to_owned() }
}

async fn whoami(access: Access<Role>) -> String {
    format!("{} is {}", access.subject, access.more.role)
}

async fn perhaps(access: Option<Access<Role>>) -> String {
    access.map_or_else(|| "nobody".to_owned(), |access| access.subject.clone())
}

fn app(layer: AccessLayer<Role>) -> Router {
    Router::new()
        .route("/whoami", get(whoami))
        .route("/perhaps", get(perhaps))
        .route("/public", get(|| async { "public" }))
        .route(
            "/admin",
            get(|| async { "secrets" })
                .layer(RequireAccess::<Role>::new().only_if(|claims| claims.more.role == "admin")),
        )
        .layer(layer)
}

fn both(tokens: &Tokens, revocation: impl Revocation) -> AccessLayer<Role> {
    AccessLayer::new(tokens.clone(), revocation).or_transport(Cookie::host("access"))
}

fn token(tokens: &Tokens, subject: &str) -> String {
    tokens.issue(&NewToken::access(subject).with(role("user"))).unwrap()
}

async fn ask(app: &Router, path: &str, headers: &[(&str, String)]) -> Response<String> {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let answer = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Response::from_parts(parts, String::from_utf8(body.to_vec()).unwrap())
}

fn bearer(token: &str) -> (&'static str, String) {
    ("authorization", format!("Bearer {token}"))
}

fn cookie(token: &str) -> (&'static str, String) {
    ("cookie", format!("__Host-access={token}"))
}

#[tokio::test]
async fn f03_b32_the_first_place_that_holds_anything_decides() {
    let tokens = tokens();
    let app = app(both(&tokens, CannotBeRevoked));
    let (alice, bob) = (token(&tokens, "alice"), token(&tokens, "bob"));
    let scheme = |scheme: &str| ("authorization", format!("{scheme} {alice}"));
    let cases: Vec<(&str, Vec<(&str, String)>, Result<&str, &str>)> = vec![
        ("bearer", vec![bearer(&alice)], Ok("alice")),
        ("in lower case", vec![scheme("bearer")], Ok("alice")),
        ("cookie", vec![cookie(&bob)], Ok("bob")),
        ("both", vec![cookie(&bob), bearer(&alice)], Ok("alice")),
        ("another scheme is nothing", vec![scheme("Basic"), cookie(&bob)], Ok("bob")),
        ("b32: nor is a longer one", vec![scheme("NotBearerAtAll")], Err("no_ticket")),
        ("junk first", vec![bearer("junk"), cookie(&bob)], Err("invalid_ticket")),
        ("nothing", vec![], Err("no_ticket")),
        ("an empty cookie is nothing", vec![cookie("")], Err("no_ticket")),
        ("a cookie of another name", vec![("cookie", format!("access={bob}"))], Err("no_ticket")),
        (
            "the same twice",
            vec![("cookie", format!("__Host-access={bob}; __Host-access={bob}"))],
            Ok("bob"),
        ),
        (
            "beside a planted one",
            vec![("cookie", format!("__Host-access=junk; __Host-access={bob}"))],
            Ok("bob"),
        ),
        (
            "two that are valid",
            vec![("cookie", format!("__Host-access={alice}; __Host-access={bob}"))],
            Err("invalid_ticket"),
        ),
    ];
    for (name, headers, expected) in cases {
        let answer = ask(&app, "/whoami", &headers).await;
        match expected {
            Ok(subject) => {
                assert_eq!(answer.status(), 200, "{name}");
                assert_eq!(*answer.body(), format!("{subject} is user"), "{name}");
            }
            Err(kind) => {
                assert_eq!(answer.status(), 401, "{name}");
                let problem: Value = serde_json::from_str(answer.body()).unwrap();
                assert_eq!(problem["kind"], kind, "{name}");
            }
        }
        let perhaps = ask(&app, "/perhaps", &headers).await;
        assert_eq!(perhaps.status(), 200, "{name}");
        assert_eq!(perhaps.body(), expected.unwrap_or("nobody"), "{name}");
        assert_eq!(ask(&app, "/public", &headers).await.status(), 200, "{name}: refuses nobody");
    }
}

#[tokio::test]
async fn f02_r45_b34_refusals_are_401_with_a_challenge_and_constant_texts() {
    let tokens = tokens().clock(at(1_700_000_000));
    let later = app(both(&tokens.clone().clock(at(1_700_086_400)), CannotBeRevoked));
    let today = app(both(&tokens, CannotBeRevoked));
    let refresh = tokens.issue(&NewToken::refresh("alice").with(role("user"))).unwrap();
    let good = token(&tokens, "alice");
    let mut tampered = good.clone();
    tampered.replace_range(40..41, if &good[40..41] == "A" { "B" } else { "A" });
    let invalid = r#"Bearer error="invalid_token""#;
    let cases = [
        ("none", &today, None, "Bearer", "access token is missing"),
        ("a refresh token", &today, Some(&refresh), invalid, "access token is required"),
        ("tampered", &today, Some(&tampered), invalid, "access token is required"),
        ("expired", &later, Some(&good), invalid, "access token has expired"),
    ];
    for (name, there, token, challenge, detail) in cases {
        let headers: Vec<_> = token.map(|token| bearer(token)).into_iter().collect();
        for path in ["/whoami", "/admin"] {
            let answer = ask(there, path, &headers).await;
            assert_eq!(answer.status(), 401, "{name}");
            assert_eq!(answer.headers()[WWW_AUTHENTICATE], challenge, "{name}");
            assert_eq!(answer.headers()[CACHE_CONTROL], "no-store", "{name}");
            let problem: Value = serde_json::from_str(answer.body()).unwrap();
            assert_eq!(problem["detail"], detail, "{name}");
            assert!(answer.extensions().get::<Refusal>().is_some(), "{name}");
        }
    }
    let user = ask(&today, "/admin", &[bearer(&good)]).await;
    assert_eq!(user.status(), 403);
    let admin = tokens.issue(&NewToken::access("root").with(role("admin"))).unwrap();
    assert_eq!(ask(&today, "/admin", &[bearer(&admin)]).await.body(), "secrets");
    let words = Refusals::detail().with(Refusal::NoTicket, http::StatusCode::UNAUTHORIZED, "who?");
    let own = app(both(&tokens, CannotBeRevoked).refusals(words));
    assert_eq!(ask(&own, "/whoami", &[]).await.body(), r#"{"detail":"who?"}"#);
    assert_eq!(ask(&own, "/admin", &[]).await.body(), r#"{"detail":"who?"}"#);
}

#[tokio::test]
async fn a_guard_or_extractor_without_its_layer_is_500_and_grpc_gets_a_status() {
    let bare = Router::new()
        .route("/whoami", get(whoami))
        .route("/guarded", get(|| async {}).layer(RequireAccess::<Role>::new()))
        .route(
            "/asked",
            get(|access: Result<Access<Role>, AccessRejection>| async move {
                format!("{:?}", access.unwrap_err().refusal())
            }),
        );
    assert_eq!(ask(&bare, "/whoami", &[]).await.status(), 500);
    assert_eq!(ask(&bare, "/guarded", &[]).await.status(), 500);
    assert_eq!(ask(&bare, "/asked", &[]).await.body(), "MissingLayer");
    let app = app(both(&tokens(), CannotBeRevoked));
    let grpc = [("content-type", "application/grpc".to_owned())];
    let answer = ask(&app, "/admin", &grpc).await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["grpc-status"]),
        (200, &"16".parse().unwrap())
    );
}

#[tokio::test]
async fn r26_caches_keep_apart_what_depends_on_a_cookie() {
    let tokens = tokens();
    let app = app(both(&tokens, CannotBeRevoked));
    let alice = token(&tokens, "alice");
    let by_cookie = ask(&app, "/whoami", &[cookie(&alice)]).await;
    assert_eq!(by_cookie.headers()[CACHE_CONTROL], "private");
    assert_eq!(by_cookie.headers()[VARY], COOKIE.as_str());
    let by_header = ask(&app, "/whoami", &[bearer(&alice)]).await;
    assert!(!by_header.headers().contains_key(CACHE_CONTROL), "RFC 9111, 3.5 has it");
    assert!(!by_header.headers().contains_key(VARY));
}

#[tokio::test]
async fn r30_c10_a_revoked_token_is_refused_though_it_verifies() {
    let clock = at(1_700_000_000);
    let tokens = tokens().clock(clock.clone());
    let revoked = DenyList::new();
    let app = app(both(&tokens, revoked.clone()));
    let now = || clock.timestamp();
    let claims = |token: &str| tokens.verify::<Role>(token.as_bytes(), &TokenKind::Access).unwrap();
    let passes = async |token: &str| ask(&app, "/whoami", &[bearer(token)]).await.status() == 200;

    let (one, two) = (token(&tokens, "alice"), token(&tokens, "alice"));
    assert!(revoked.deny(&claims(&one), now()));
    assert!(!passes(&one).await, "by its id");
    assert!(passes(&two).await, "and no other");

    let session = sessile::Id::generate().unwrap();
    let under = |subject: &str| {
        tokens.issue(&NewToken::access(subject).session(session).with(role("user"))).unwrap()
    };
    let (three, four) = (under("alice"), under("alice"));
    revoked.deny_session(&session.to_string(), claims(&three).expires_at, now());
    assert!(!passes(&three).await && !passes(&four).await, "by its session");

    clock.advance(Duration::from_secs(10));
    revoked.deny_subject("alice", now());
    assert!(!passes(&two).await, "by its subject");
    assert!(passes(&token(&tokens, "bob")).await, "and of nobody else");
    clock.advance(Duration::from_secs(1));
    assert!(passes(&token(&tokens, "alice")).await, "who has logged in again");
}

#[tokio::test]
async fn r30_a_revoked_token_is_not_forgotten_while_clocks_may_differ() {
    let clock = at(1_700_000_000);
    let tokens = tokens().clock(clock.clone()).skew(Duration::from_secs(300));
    let revoked = DenyList::new();
    let app = app(both(&tokens, revoked.clone()));
    let passes = async |token: &str| ask(&app, "/whoami", &[bearer(token)]).await.status() == 200;
    let minute = Duration::from_secs(60);
    let session = sessile::Id::generate().unwrap();
    let new = |subject: &str| NewToken::access(subject).ttl(minute).with(role("user"));
    let by_id = tokens.issue(&new("alice")).unwrap();
    let by_session = tokens.issue(&new("bob").session(session)).unwrap();
    let other = tokens.issue(&new("carol")).unwrap();
    let claims = tokens.verify::<Role>(by_id.as_bytes(), &TokenKind::Access).unwrap();
    revoked.deny(&claims, clock.timestamp());
    revoked.deny_session(&session.to_string(), claims.expires_at, clock.timestamp());
    // So many that the list looks for some to forget.
    let fill = |round: u32| {
        for number in 0..2_000 {
            let end = clock.timestamp().plus(minute);
            revoked.deny_session(&format!("{round} {number}"), end, clock.timestamp());
        }
    };
    clock.advance(Duration::from_secs(60 + 299));
    fill(0);
    assert!(passes(&other).await, "by the clock that is slowest");
    assert!(!passes(&by_id).await && !passes(&by_session).await, "still revoked");
    clock.advance(10 * minute);
    fill(1);
    fill(2);
    let shown = format!("{revoked:?}");
    assert!(shown.contains("tokens: 0"), "forgotten in the end: {shown}");
}

#[tokio::test]
async fn r30_a_check_in_a_database_is_waited_for_and_its_failure_is_503() {
    let clock = SimulatedClock::new();
    let tokens = tokens().clock(clock);
    let asked = Arc::new(AtomicUsize::new(0));
    let mode = Arc::new(Mutex::new("fine"));
    let revocation = {
        let (asked, mode) = (Arc::clone(&asked), Arc::clone(&mode));
        check(Duration::ZERO, move |subject, _issued_at| {
            asked.fetch_add(1, Ordering::SeqCst);
            let mode = *mode.lock().unwrap();
            async move {
                tokio::task::yield_now().await;
                match mode {
                    "down" => Err(StoreError::new(StoreErrorKind::Unavailable)),
                    _ => Ok(subject == "mallory"),
                }
            }
        })
    };
    let told = Arc::new(Mutex::new(Vec::new()));
    let layer = both(&tokens, revocation).observer({
        let told = Arc::clone(&told);
        move |why| told.lock().unwrap().push(why)
    });
    let app = app(layer);
    let (alice, mallory) = (token(&tokens, "alice"), token(&tokens, "mallory"));
    assert_eq!(ask(&app, "/whoami", &[cookie(&alice)]).await.status(), 200);
    let refused = ask(&app, "/whoami", &[cookie(&mallory)]).await;
    assert_eq!(refused.status(), 401);
    assert!(!refused.headers().contains_key(VARY));
    assert_eq!(ask(&app, "/whoami", &[bearer("junk")]).await.status(), 401);
    assert_eq!(ask(&app, "/whoami", &[]).await.status(), 401);
    assert_eq!(asked.load(Ordering::SeqCst), 2, "only what verifies is worth a question");
    *mode.lock().unwrap() = "down";
    assert_eq!(ask(&app, "/whoami", &[bearer(&alice)]).await.status(), 503, "never let through");
    assert_eq!(ask(&app, "/perhaps", &[bearer(&alice)]).await.status(), 503, "nor called nobody");
    assert_eq!(ask(&app, "/public", &[bearer(&alice)]).await.status(), 200);
    let told = told.lock().unwrap();
    use TokenErrorKind::{Malformed, Revoked, Unavailable};
    assert_eq!(*told, [Revoked, Malformed, Unavailable, Unavailable, Unavailable]);
}

#[tokio::test]
async fn r30_a_check_that_hangs_is_given_up() {
    let clock = SimulatedClock::new();
    let tokens = tokens().clock(clock.clone());
    let hanging = check(Duration::ZERO, |_, _| std::future::pending());
    let app = app(AccessLayer::new(tokens.clone(), hanging).timeout(Duration::from_secs(3)));
    let alice = token(&tokens, "alice");
    let asking =
        tokio::spawn(async move { ask(&app, "/whoami", &[bearer(&alice)]).await.status() });
    while clock.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    clock.advance(Duration::from_secs(3));
    assert_eq!(asking.await.unwrap(), 503);
}

#[test]
fn a_misconfigured_transport_does_not_build() {
    let refused = std::panic::catch_unwind(|| {
        AccessLayer::<()>::new(tokens(), CannotBeRevoked).transport(Cookie::host("a b"))
    });
    assert!(refused.is_err());
    let fine = AccessLayer::<()>::new(tokens(), CannotBeRevoked).transport(Bearer::new());
    assert!(format!("{fine:?}").contains("CannotBeRevoked"));
}
