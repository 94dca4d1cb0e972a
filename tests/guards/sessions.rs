//! Guards and the session that they ask for: none, a bad one, one of another type.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use axum::routing::{get, post};
use axum::{Router, middleware};
use http::header::{COOKIE, SET_COOKIE, WWW_AUTHENTICATE};
use http::{HeaderValue, Request, StatusCode};
use serde::{Deserialize, Serialize};
use sessile::guard::{Attempt, Guard, RequireLayer, has_role, is_active};
use sessile::store::MemoryStore;
use sessile::transport::Cookie;
use sessile::{
    Active, Denied, Error, Key, Permitted, Refusal, Refusals, RequireSession, Session, SessionLayer,
};
use tower::ServiceExt;

use crate::{DefaultUser, Holder, User, cookie, log_in_user, send, text, users};

#[derive(Clone, Serialize, Deserialize)]
struct Admin {
    name: String,
}

/// Administrators called root: a rule with a name.
#[derive(Default)]
struct Root;

impl Guard<Admin> for Root {
    fn check(&self, attempt: &Attempt<'_, Admin>) -> Result<(), Denied> {
        if attempt.data().name == "root" { Ok(()) } else { Err(Denied::forbidden()) }
    }
}

/// Ready-made, as F8 has it.
type AdminRequired = Permitted<Admin, Root>;

async fn log_in_admin(
    session: Session<Admin>,
    axum::extract::Path(name): axum::extract::Path<String>,
) -> Result<(), Error> {
    session.create(Admin { name }).map(drop)
}

fn two_layers(routes: Router) -> Router {
    let key = Key::generate();
    let admins = SessionLayer::<Admin>::new(MemoryStore::new(), key.clone())
        .transport(Cookie::host("admin"))
        .refusals(Refusals::fastapi_sessions());
    let users = SessionLayer::<User>::new(MemoryStore::new(), key)
        .transport(Cookie::host("user"))
        .refusals(Refusals::fastapi_sessions());
    routes
        .route("/user", post(log_in_user))
        .route("/admin/{name}", post(log_in_admin))
        .layer(users)
        .layer(admins)
}

#[tokio::test]
async fn seed15_f8_two_session_types_are_required_on_one_route_and_neither_passes_for_the_other() {
    let extractors = |user: DefaultUser, admin: AdminRequired| async move {
        format!("{} {}", user.roles.join(" "), admin.name)
    };
    let guarded = get(|| async { "user root" })
        .route_layer(RequireLayer::<User>::new(is_active()))
        .route_layer(RequireLayer::<Admin>::new(Root));
    let app = two_layers(Router::new().route("/a", get(extractors)).route("/b", guarded));
    let (user, root, other) = (
        cookie(&app, "/user").await,
        cookie(&app, "/admin/root").await,
        cookie(&app, "/admin/x").await,
    );
    let forged = user.replace("__Host-user", "__Host-admin");
    let none = r#"{"detail":"No session provided"}"#;
    let invalid = r#"{"detail":"Invalid session provided"}"#;
    for (name, cookies, expected) in [
        ("both", format!("{user}; {root}"), (200, "user root")),
        ("the user's", user.clone(), (403, none)),
        ("the administrator's", root.clone(), (403, none)),
        (
            "an administrator of another name",
            format!("{user}; {other}"),
            (403, r#"{"detail":"not allowed"}"#),
        ),
        ("s15: the user's as the administrator's", format!("{user}; {forged}"), (401, invalid)),
        ("s7: an empty cookie", format!("{user}; __Host-admin="), (403, none)),
    ] {
        for path in ["/a", "/b"] {
            let response = send(&app, Request::get(path).header(COOKIE, &cookies)).await;
            assert_eq!(
                (response.status().as_u16(), &*text(response).await),
                expected,
                "{name} {path}"
            );
        }
    }
}

#[tokio::test]
async fn c26_a_half_finished_log_in_is_a_session_of_another_type_and_passes_no_guard() {
    #[derive(Clone, Serialize, Deserialize)]
    struct SecondFactorPending {
        user: String,
    }
    let first_factor = |session: Session<SecondFactorPending>| async move {
        session.create(SecondFactorPending { user: "ann".into() }).map(drop)
    };
    let key = Key::generate();
    let pending = SessionLayer::<SecondFactorPending>::new(MemoryStore::new(), key.clone())
        .transport(Cookie::host("pending"));
    let app = Router::new()
        .route("/a", get(|_: Active<User>| async { "inside" }))
        .route("/b", get(|_: DefaultUser| async { "inside" }))
        .route("/c", get(|| async { "inside" }).route_layer(RequireSession::<User>::new()))
        .route("/first_factor", post(first_factor))
        .layer(SessionLayer::<User>::new(MemoryStore::new(), key).transport(Cookie::host("sid")))
        .layer(pending);
    let half = cookie(&app, "/first_factor").await;
    let moved = half.replace("__Host-pending", "__Host-sid");
    for path in ["/a", "/b", "/c"] {
        for cookies in [&half, &moved, &format!("{half}; {moved}")] {
            let response = send(&app, Request::get(path).header(COOKIE, cookies)).await;
            assert_eq!(response.status(), 401, "{path} {cookies}");
        }
    }
}

#[tokio::test]
async fn seed07_seed08_seed09_seed13_a_guard_is_loud_where_an_optional_session_is_quiet() {
    let app = Router::new()
        .route("/guarded", get(|| async { "inside" }).route_layer(RequireSession::<User>::new()))
        .route(
            "/ruled",
            get(|| async { "inside" }).route_layer(RequireLayer::<User>::new(is_active())),
        )
        .route("/permitted", get(|_: DefaultUser| async { "inside" }))
        .route(
            "/optional",
            get(|user: Option<Active<User>>| async move {
                if user.is_some() { "somebody" } else { "nobody" }
            }),
        )
        .route("/user", post(log_in_user))
        .route("/log_out", post(|session: Session<User>| async move { session.destroy() }))
        .layer(users().refusals(Refusals::fastapi_sessions()));
    let ended = cookie(&app, "/user").await;
    send(&app, Request::post("/log_out").header(COOKIE, &ended)).await;
    let live = cookie(&app, "/user").await;
    for (name, cookies, status, body) in [
        ("s7: none", "", 403, r#"{"detail":"No session provided"}"#),
        ("s7: empty", "__Host-sid=", 403, r#"{"detail":"No session provided"}"#),
        ("s8: forged", "__Host-sid=bad", 401, r#"{"detail":"Invalid session provided"}"#),
        ("s13: gone", &ended, 403, r#"{"detail":"invalid session"}"#),
        ("live", &live, 200, "inside"),
    ] {
        for path in ["/guarded", "/ruled", "/permitted"] {
            let response = send(&app, Request::get(path).header(COOKIE, cookies)).await;
            assert_eq!(
                (response.status().as_u16(), &*text(response).await),
                (status, body),
                "{name} {path}"
            );
        }
        let optional = send(&app, Request::get("/optional").header(COOKIE, cookies)).await;
        let who = if status == 200 { "somebody" } else { "nobody" };
        assert_eq!((optional.status().as_u16(), &*text(optional).await), (200, who), "s9: {name}");
    }
}

#[tokio::test]
async fn seed12_a_guard_refuses_with_a_status_a_body_and_a_header_of_its_own() {
    let admins =
        RequireLayer::<User>::new(has_role("admin")).refusals(
            Refusals::detail()
                .with(Refusal::Forbidden, StatusCode::UNAUTHORIZED, "admin only")
                .header(Refusal::Forbidden, WWW_AUTHENTICATE, HeaderValue::from_static("Session")),
        );
    let holder = Holder::of(users(), User::of(&["user"], &[])).await;
    let app = Router::new().route("/", get(|| async {})).layer(admins).layer(holder.layer.clone());
    let response = app.oneshot(holder.request("/").map(|()| Body::empty())).await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()[WWW_AUTHENTICATE], "Session");
    assert_eq!(text(response).await, r#"{"detail":"admin only"}"#);
}

#[tokio::test]
async fn seed14_a_guard_without_or_outside_of_its_layer_answers_500_and_never_passes() {
    let guard = || RequireLayer::<User>::new(|_: &Attempt<'_, User>| true);
    let routes = || Router::new().route("/", get(|| async { "inside" }));
    let permitted = Router::new().route("/", get(|_: DefaultUser| async { "inside" }));
    let open = guard().open("GET /health");
    for (name, app) in [
        ("no layer", routes().layer(guard())),
        ("outside of it", routes().layer(users()).layer(guard())),
        (
            "of another type",
            routes()
                .layer(guard())
                .layer(SessionLayer::<Admin>::new(MemoryStore::new(), Key::generate())),
        ),
        ("an extractor", permitted),
        ("with open routes", routes().layer(open)),
    ] {
        let response = send(&app, Request::get("/")).await;
        assert_eq!(response.status(), 500, "{name}");
        assert_eq!(response.extensions().get(), Some(&Refusal::MissingLayer), "{name}");
        let body = text(response).await;
        assert!(body.contains("internal failure of session verification"), "{name}: {body}");
        assert!(!body.contains("User"), "{name}: types are for the log");
    }
}

#[tokio::test]
async fn r4_r56_a_change_of_roles_holds_from_the_next_request_on() {
    let demote =
        |user: Active<User>| async move { user.session().update(|user| user.roles.clear()) };
    let promote = |user: Active<User>| async move {
        let promoted = User::of(&["admin"], &[]);
        user.session().create(promoted).map(drop)
    };
    let app = Router::new()
        .route(
            "/inside",
            get(|| async {}).route_layer(RequireLayer::<User>::new(has_role("admin"))),
        )
        .route("/user", post(log_in_user))
        .route("/promote", post(promote))
        .route("/demote", post(demote))
        .layer(users());
    let status = async |cookie: &str| {
        send(&app, Request::get("/inside").header(COOKIE, cookie)).await.status()
    };
    let before = cookie(&app, "/user").await;
    assert_eq!(status(&before).await, 403);
    let promoted = send(&app, Request::post("/promote").header(COOKIE, &before)).await;
    let line = promoted.headers()[SET_COOKIE].to_str().unwrap();
    let after = line.split(';').next().unwrap().to_owned();
    assert_eq!(status(&before).await, 401, "r4: the old ticket is dead");
    assert_eq!(status(&after).await, 200);
    send(&app, Request::post("/demote").header(COOKIE, &after)).await;
    assert_eq!(status(&after).await, 403, "r56");
}

#[tokio::test]
async fn r56_what_is_looked_up_for_each_request_is_never_old() {
    #[derive(Clone)]
    struct Account {
        suspended: bool,
    }
    let suspended = Arc::new(AtomicBool::new(false));
    let lookup = {
        let suspended = Arc::clone(&suspended);
        middleware::from_fn(move |mut request: axum::extract::Request, next: middleware::Next| {
            let account = Account { suspended: suspended.load(Ordering::Relaxed) };
            request.extensions_mut().insert(account);
            next.run(request)
        })
    };
    let guard = RequireLayer::<User>::new(|attempt: &Attempt<'_, User>| {
        attempt.extensions().get::<Account>().is_some_and(|account| !account.suspended)
    });
    let holder = Holder::of(users(), User::of(&[], &[])).await;
    let routes = Router::new().route("/", get(|| async {}));
    let app = routes.clone().layer(guard.clone()).layer(lookup).layer(holder.layer.clone());
    let status = async |app: &Router| {
        let request = holder.request("/").map(|()| Body::empty());
        app.clone().oneshot(request).await.unwrap().status()
    };
    assert_eq!(status(&app).await, 200);
    suspended.store(true, Ordering::Relaxed);
    assert_eq!(status(&app).await, 403);
    let without = routes.layer(guard).layer(holder.layer.clone());
    assert_eq!(status(&without).await, 403, "nobody looked it up");
}

#[tokio::test]
async fn r5_r6_what_a_client_claims_or_plants_passes_no_guard() {
    let app = Router::new()
        .route("/", get(|| async {}).route_layer(RequireLayer::<User>::new(has_role("user"))))
        .route("/user", post(log_in_user))
        .layer(users());
    let planted = cookie(&app, "/user").await;
    let claims = Request::get("/").header("x-role", "user").header("x-authenticated", "true");
    assert_eq!(send(&app, claims.header(COOKIE, "role=user; __Host-sid=1")).await.status(), 401);
    let foreign = users();
    let foreign = Holder::of(foreign, User::of(&["user"], &[])).await;
    let request = Request::get("/").header(COOKIE, &foreign.cookie);
    assert_eq!(send(&app, request).await.status(), 401, "signed with another key");
    // r5: a victim logs in with a planted ticket; what they get is another one.
    let login = send(&app, Request::post("/user").header(COOKIE, &planted)).await;
    assert!(!login.headers()[SET_COOKIE].to_str().unwrap().starts_with(&planted));
    assert_eq!(send(&app, Request::get("/").header(COOKIE, &planted)).await.status(), 401);
}
