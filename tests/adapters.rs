//! The session under axum, tonic and plain services: extractors, guards, layers side by side.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::unwrap_in_result,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::clone_on_ref_ptr,
    clippy::str_to_string,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Arc;

use axum::body::Body;
use axum::routing::{get, post};
use axum::{Router, middleware};
use http::header::{CONTENT_TYPE, COOKIE, SET_COOKIE, VARY, WWW_AUTHENTICATE};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};
use sessile::store::MemoryStore;
use sessile::transport::{Bearer, Cookie, Header};
use sessile::{
    Active, Error, Key, LazySession, Refusal, Refusals, RequireSession, Session, SessionLayer,
    SessionRequest, Status,
};
use support::Member;
use tower::{Layer, ServiceBuilder, ServiceExt};

/// A second kind of session.
#[derive(Clone, Serialize, Deserialize)]
struct Admin {
    name: String,
}

fn members() -> SessionLayer<Member> {
    SessionLayer::new(MemoryStore::new(), Key::generate())
}

async fn log_in(session: Session<Member>) -> Result<&'static str, Error> {
    session.create(Member::named("alice"))?;
    Ok("welcome")
}

async fn profile(member: Active<Member>) -> String {
    member.name.clone()
}

async fn perhaps(member: Option<Active<Member>>) -> String {
    member.map_or_else(|| "nobody".to_owned(), |member| member.name.clone())
}

async fn guarded(_guard: RequireSession<Member>) -> &'static str {
    "inside"
}

fn routes() -> Router {
    Router::new()
        .route("/log_in", post(log_in))
        .route("/profile", get(profile))
        .route("/perhaps", get(perhaps))
        .route("/guarded", get(guarded))
        .route("/static", get(|| async { "asset" }))
}

async fn ask(app: &Router, method: &str, path: &str, cookie: &str) -> Response<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if !cookie.is_empty() {
        request = request.header(COOKIE, cookie);
    }
    app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn text(response: Response<Body>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn cookie_of(response: &Response<Body>) -> String {
    let line = response.headers()[SET_COOKIE].to_str().unwrap();
    line.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn axum_extractors_read_eager_and_lazy_sessions_alike() {
    for (name, layer) in [("eager", members()), ("lazy", members().lazy())] {
        let app = routes().layer(layer);
        let cookie = cookie_of(&ask(&app, "POST", "/log_in", "").await);
        for (path, cookie, status, body) in [
            ("/profile", cookie.as_str(), 200, "alice"),
            ("/perhaps", &cookie, 200, "alice"),
            ("/guarded", &cookie, 200, "inside"),
            ("/perhaps", "", 200, "nobody"),
            ("/perhaps", "__Host-sid=forged", 200, "nobody"),
            ("/static", &cookie, 200, "asset"),
        ] {
            let response = ask(&app, "GET", path, cookie).await;
            assert_eq!(response.status(), status, "{name} {path} {cookie}");
            assert_eq!(text(response).await, body, "{name} {path} {cookie}");
        }
        for path in ["/profile", "/guarded"] {
            let refused = ask(&app, "GET", path, "").await;
            assert_eq!(refused.status(), 401, "{name} {path}");
            assert_eq!(refused.headers()[CONTENT_TYPE], "application/problem+json");
            assert_eq!(refused.headers()[WWW_AUTHENTICATE], "Session");
            assert_eq!(refused.headers()[VARY], "cookie");
            assert!(text(refused).await.contains(r#""detail":"no session provided""#));
        }
    }
}

#[tokio::test]
async fn a_lazy_handle_loads_once_and_can_be_taken_as_it_is() {
    let app = Router::new()
        .route("/log_in", post(log_in))
        .route(
            "/twice",
            get(|lazy: LazySession<Member>| async move {
                let (a, b) = (lazy.load().await?, lazy.load().await?);
                Ok::<_, Error>(format!("{:?} {:?}", a.id() == b.id(), a.status()))
            }),
        )
        .layer(members().lazy());
    let cookie = cookie_of(&ask(&app, "POST", "/log_in", "").await);
    assert_eq!(text(ask(&app, "GET", "/twice", &cookie).await).await, "true Active");
    assert_eq!(text(ask(&app, "GET", "/twice", "").await).await, "true NoTicket");
}

#[tokio::test]
async fn s14_without_a_layer_every_extractor_and_guard_answers_500() {
    let app = routes();
    for path in ["/profile", "/perhaps", "/guarded"] {
        let response = ask(&app, "GET", path, "").await;
        assert_eq!(response.status(), 500, "{path}");
        let body = text(response).await;
        assert!(body.contains("internal failure of session verification"), "{path}: {body}");
    }
    let guarded = Router::new().route("/", get(|| async {})).layer(RequireSession::<Member>::new());
    assert_eq!(ask(&guarded, "GET", "/", "").await.status(), 500);
}

#[tokio::test]
async fn s14_the_order_of_guard_and_layer_decides_and_a_wrong_one_is_loud() {
    let right = routes().layer(RequireSession::<Member>::new()).layer(members());
    assert_eq!(ask(&right, "GET", "/static", "").await.status(), 401);
    let wrong = routes().layer(members()).layer(RequireSession::<Member>::new());
    assert_eq!(ask(&wrong, "GET", "/static", "").await.status(), 500);
}

#[tokio::test]
async fn a_guard_layer_protects_whole_routers_in_the_words_of_the_layer_or_its_own() {
    let seeds = members().refusals(Refusals::fastapi_sessions());
    let app = routes().layer(RequireSession::<Member>::new()).layer(seeds);
    let refused = ask(&app, "GET", "/static", "").await;
    assert_eq!(refused.status(), 403);
    assert_eq!(refused.extensions().get(), Some(&Refusal::NoTicket), "a typed reason rides along");
    assert_eq!(text(refused).await, r#"{"detail":"No session provided"}"#);

    let own = RequireSession::<Member>::new().refusals(Refusals::problem().with(
        Refusal::NoTicket,
        StatusCode::NOT_FOUND,
        "no such page",
    ));
    let app = routes().layer(own).layer(members());
    let refused = ask(&app, "GET", "/static", "").await;
    assert_eq!(refused.status(), 404);
    assert!(text(refused).await.contains("no such page"));
}

#[tokio::test]
async fn guards_load_lazy_sessions_by_themselves() {
    let open = Router::new().route("/log_in", post(log_in));
    let closed = Router::new()
        .route("/inside", get(|| async { "inside" }))
        .layer(RequireSession::<Member>::new());
    let app = open.merge(closed).layer(members().lazy());
    assert_eq!(ask(&app, "GET", "/inside", "").await.status(), 401);
    let cookie = cookie_of(&ask(&app, "POST", "/log_in", "").await);
    assert_eq!(text(ask(&app, "GET", "/inside", &cookie).await).await, "inside");
}

#[tokio::test]
async fn s15_layers_of_different_types_stand_side_by_side() {
    async fn both(member: Active<Member>, admin: Active<Admin>) -> String {
        format!("{} {}", member.name, admin.name)
    }
    async fn promote(session: Session<Admin>) -> Result<(), Error> {
        session.create(Admin { name: "root".to_owned() })?;
        Ok(())
    }
    let key = Key::generate();
    let admins = SessionLayer::<Admin>::new(MemoryStore::new(), key.clone())
        .transport(Cookie::host("admin"));
    let members =
        SessionLayer::<Member>::new(MemoryStore::new(), key).transport(Cookie::host("user"));
    let app = Router::new()
        .route("/log_in", post(log_in))
        .route("/promote", post(promote))
        .route("/both", get(both))
        .layer(admins)
        .layer(members);
    let user = cookie_of(&ask(&app, "POST", "/log_in", "").await);
    let admin = cookie_of(&ask(&app, "POST", "/promote", "").await);
    let response = ask(&app, "GET", "/both", &format!("{user}; {admin}")).await;
    assert_eq!(response.headers().get_all(VARY).iter().count(), 1, "vary is merged");
    assert_eq!(text(response).await, "alice root");
    assert_eq!(ask(&app, "GET", "/both", &user).await.status(), 401);
    let moved = user.replace("__Host-user", "__Host-admin");
    let answer = ask(&app, "GET", "/both", &format!("{user}; {moved}")).await;
    assert!(text(answer).await.contains("invalid session"), "signed for another cookie");
}

#[tokio::test]
async fn b11_two_layers_of_one_type_are_refused() {
    for (name, outer) in [("eager", members()), ("lazy", members().lazy())] {
        let app = routes().layer(members()).layer(outer);
        let response = ask(&app, "GET", "/static", "").await;
        assert_eq!(response.status(), 500, "{name}");
        assert_eq!(response.extensions().get(), Some(&Refusal::DuplicateLayer), "{name}");
    }
}

#[tokio::test]
async fn chained_transports_are_tried_in_order_and_the_presenter_gets_the_answer() {
    let layer = members()
        .transport(Cookie::host("sid"))
        .or_transport(Header::named("x-session"))
        .or_transport(Bearer::new());
    let app = routes()
        .route("/log_out", post(|session: Session<Member>| async move { session.destroy() }))
        .layer(layer);
    let fresh = ask(&app, "POST", "/log_in", "").await;
    assert!(fresh.headers().contains_key(SET_COOKIE), "a new session goes out by the first");
    let vary: Vec<_> = fresh.headers().get_all(VARY).iter().collect();
    assert_eq!(vary, ["cookie", "x-session", "authorization"]);

    let with = |path: &'static str, name: &'static str, value: String| {
        let app = app.clone();
        async move {
            let request = Request::builder().method("POST").uri(path).header(name, value);
            app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
        }
    };
    let ticket = cookie_of(&fresh).split_once('=').unwrap().1.to_owned();
    let moved = with("/log_out", "x-session", ticket.clone()).await;
    assert!(moved.headers().get("x-session").is_none(), "r27: a cookie's ticket is no header's");
    let moved = with("/log_in", "authorization", format!("Bearer {ticket}")).await;
    assert!(moved.headers().contains_key(SET_COOKIE), "nor a bearer's");
}

#[tokio::test]
async fn header_and_bearer_tickets_come_back_the_way_they_went() {
    let cases: [(&str, &str, SessionLayer<Member>); 2] = [
        ("x-session", "", members().transport(Header::named("x-session"))),
        ("authorization", "Bearer ", members().transport(Bearer::new())),
    ];
    for (name, scheme, layer) in cases {
        let app = routes()
            .route("/log_out", post(|session: Session<Member>| async move { session.destroy() }))
            .layer(layer);
        let response = ask(&app, "POST", "/log_in", "").await;
        assert!(!response.headers().contains_key(SET_COOKIE));
        let value = response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(value.strip_prefix(scheme).unwrap().len(), 48, "{value}");
        let send = |method: &'static str, path: &'static str| {
            let request = Request::builder().method(method).uri(path).header(name, &value);
            app.clone().oneshot(request.body(Body::empty()).unwrap())
        };
        assert_eq!(text(send("GET", "/profile").await.unwrap()).await, "alice");
        let out = send("POST", "/log_out").await.unwrap();
        assert_eq!(out.headers()[name], "", "told to forget it");
        assert_eq!(send("GET", "/profile").await.unwrap().status(), 401);
    }
}

#[tokio::test]
async fn an_axum_middleware_reads_the_session_before_the_handler() {
    async fn gate(
        member: Option<Active<Member>>,
        request: axum::extract::Request,
        next: middleware::Next,
    ) -> Result<axum::response::Response, StatusCode> {
        if member.is_none() {
            return Err(StatusCode::IM_A_TEAPOT);
        }
        Ok(next.run(request).await)
    }
    let app = Router::new()
        .route("/inside", get(|| async { "inside" }))
        .layer(middleware::from_fn(gate))
        .route("/log_in", post(log_in))
        .layer(members());
    assert_eq!(ask(&app, "GET", "/inside", "").await.status(), 418);
    let cookie = cookie_of(&ask(&app, "POST", "/log_in", "").await);
    assert_eq!(text(ask(&app, "GET", "/inside", &cookie).await).await, "inside");
}

#[tokio::test]
async fn tonic_requests_give_their_session_or_a_status() {
    let statuses = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&statuses);
    let service = members().layer(tower::service_fn(move |request: Request<()>| {
        let seen = Arc::clone(&seen);
        async move {
            let (parts, ()) = request.into_parts();
            let mut request = tonic::Request::new(());
            *request.extensions_mut() = parts.extensions;
            let session = request.session::<Member>().await.unwrap();
            assert_eq!(session.status(), Status::NoTicket);
            let none = request.active::<Member>().await.unwrap_err().code();
            seen.lock().unwrap().push(none);
            session.create(Member::named("alice")).unwrap();
            let no_layer = request.active::<Admin>().await.unwrap_err().code();
            seen.lock().unwrap().push(no_layer);
            assert_eq!(request.active::<Member>().await.unwrap().name, "alice");
            Ok::<_, std::convert::Infallible>(Response::new(tonic::body::Body::empty()))
        }
    }));
    service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(*statuses.lock().unwrap(), [tonic::Code::Unauthenticated, tonic::Code::Internal]);
}

#[tokio::test]
async fn what_is_too_large_exhausts_a_resource() {
    let service = members().max_size(100).layer(tower::service_fn(async |request: Request<()>| {
        let session = Session::<Member>::of(&request).unwrap();
        let error = session.create(Member::named(&"a".repeat(200))).unwrap_err();
        assert_eq!(tonic::Status::from(error).code(), tonic::Code::ResourceExhausted);
        Ok::<_, std::convert::Infallible>(Response::new(tonic::body::Body::empty()))
    }));
    service.oneshot(Request::new(())).await.unwrap();
}

#[tokio::test]
async fn a_grpc_request_is_refused_with_a_grpc_status() {
    let service = ServiceBuilder::new()
        .layer(members())
        .layer(RequireSession::<Member>::new())
        .service(tower::service_fn(|_: Request<()>| async {
            Ok::<_, std::convert::Infallible>(Response::new(tonic::body::Body::empty()))
        }));
    let request = Request::builder().header(CONTENT_TYPE, "application/grpc").body(()).unwrap();
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["grpc-status"], "16");
    assert_eq!(response.headers()[CONTENT_TYPE], "application/grpc");
}

#[tokio::test]
async fn an_error_of_the_inner_service_passes_through_and_only_an_end_is_kept() {
    let store = Arc::new(MemoryStore::new());
    let layer = SessionLayer::<Member>::new(Arc::clone(&store), Key::generate());
    let failing = layer.layer(tower::service_fn(|request: Request<()>| async move {
        let session = Session::<Member>::of(&request).unwrap();
        match request.uri().path() {
            "/log_in" => drop(session.create(Member::named("alice")).unwrap()),
            "/change" => session.update(|member| member.visits += 1).unwrap(),
            _ => session.destroy().unwrap(),
        }
        Err::<Response<String>, _>("the inner error")
    }));
    let routes = Router::new().route("/log_in", post(log_in)).layer(layer);
    let alice = cookie_of(&ask(&routes, "POST", "/log_in", "").await);
    for (path, kept) in [("/log_in", 1), ("/change", 1), ("/log_out", 0)] {
        let visits = store.len();
        assert_eq!(visits, 1, "{path}");
        let request = Request::builder().uri(path).header(COOKIE, &alice).body(()).unwrap();
        assert_eq!(failing.clone().oneshot(request).await.unwrap_err(), "the inner error");
        assert_eq!(store.len(), kept, "{path}");
    }
}
