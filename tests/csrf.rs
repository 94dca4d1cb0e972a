//! Requests that other sites send, and tokens that only a page of this site has.

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

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use http::header::{
    CACHE_CONTROL, CONTENT_TYPE, COOKIE, HOST, HeaderName, ORIGIN, SET_COOKIE, VARY,
};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde::Deserialize;
use sessile::csrf::{
    CrossSiteService, Reason, RefuseCrossSite, RequireToken, TOKEN_FIELD, TOKEN_HEADER, Tokens,
    Verified, Violation,
};
use sessile::guard::RequireLayer;
use sessile::store::MemoryStore;
use sessile::testkit::{Faulty, Operation};
use sessile::{
    Active, Error, Key, Keyring, Refusal, Refusals, Session, SessionLayer, StoreErrorKind,
};
use support::Member;
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer, ServiceBuilder, ServiceExt};

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FORM: &str = "application/x-www-form-urlencoded";

// ---- where a request comes from --------------------------------------------------------------

/// A service that counts the requests that reach it.
fn counting(layer: &RefuseCrossSite) -> (CrossSiteService<impl Handler + use<>>, Arc<AtomicUsize>) {
    let reached = Arc::new(AtomicUsize::new(0));
    let count = reached.clone();
    let inner = tower::service_fn(move |_: Request<()>| {
        count.fetch_add(1, Ordering::Relaxed);
        async { Ok::<_, Infallible>(Response::new("done".to_owned())) }
    });
    (layer.layer(inner), reached)
}

trait Handler:
    tower::Service<Request<()>, Response = Response<String>, Error = Infallible, Future: Send> + Clone
{
}

impl<S> Handler for S where
    S: tower::Service<Request<()>, Response = Response<String>, Error = Infallible, Future: Send>
        + Clone
{
}

fn ask(method: &str, path: &str, lines: &[(HeaderName, &str)]) -> Request<()> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in lines {
        request = request.header(name, *value);
    }
    request.body(()).unwrap()
}

/// What the closure heard, as reasons and whether the request was refused.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<(Reason, bool)>>>);

impl Heard {
    fn observer(&self) -> impl Fn(&Violation<'_>) + Send + Sync + 'static {
        let heard = self.0.clone();
        move |violation| heard.lock().unwrap().push((violation.reason(), violation.is_refused()))
    }

    fn all(&self) -> Vec<(Reason, bool)> {
        self.0.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn r47_a_refused_request_reaches_nobody_and_says_why() {
    let heard = Heard::default();
    let layer =
        RefuseCrossSite::new().refusal_body(std::convert::identity).observer(heard.observer());
    let (service, reached) = counting(&layer);
    let own = (HOST, "app.example");
    for (lines, reason) in [
        (vec![(SITE, "cross-site"), own.clone()], Reason::CrossSite),
        (vec![(SITE, "same-site"), own.clone()], Reason::SameSite),
        (vec![(ORIGIN, "https://evil.example"), own.clone()], Reason::ForeignOrigin),
        (vec![(ORIGIN, "null"), own.clone()], Reason::NullOrigin),
    ] {
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let refused = service.clone().oneshot(ask(method, "/a?b", &lines)).await.unwrap();
            assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{method} {lines:?}");
            assert_eq!(refused.extensions().get(), Some(&Refusal::CrossSite));
            assert!(refused.body().contains(r#""kind":"cross_site""#), "{}", refused.body());
            assert_eq!(heard.all().last(), Some(&(reason, true)), "{method} {lines:?}");
        }
    }
    assert_eq!((reached.load(Ordering::Relaxed), heard.all().len()), (0, 16));
    for lines in [
        vec![(SITE, "same-origin"), own.clone()],
        vec![(SITE, "none"), own.clone()],
        vec![(ORIGIN, "https://app.example"), own.clone()],
        vec![own],
    ] {
        let passed = service.clone().oneshot(ask("POST", "/a", &lines)).await.unwrap();
        assert_eq!(passed.status(), 200, "{lines:?}");
    }
    assert_eq!((reached.load(Ordering::Relaxed), heard.all().len()), (4, 16));
}

#[tokio::test]
async fn r47_grpc_clients_pass_and_a_forged_grpc_request_gets_a_status() {
    let (service, _) = counting(&RefuseCrossSite::new().strict());
    let grpc = (CONTENT_TYPE, "application/grpc");
    let call = |lines: &[(HeaderName, &str)]| {
        service.clone().oneshot(ask("POST", "/pkg.Greeter/Hello", lines))
    };
    assert_eq!(call(std::slice::from_ref(&grpc)).await.unwrap().body(), "done");
    let refused = call(&[grpc, (SITE, "cross-site")]).await.unwrap();
    assert_eq!(
        (refused.status(), &refused.headers()["grpc-status"]),
        (StatusCode::OK, &"7".parse().unwrap())
    );
    assert!(refused.body().is_empty());
}

#[tokio::test]
async fn r47_the_words_of_the_refusal_are_ones_own() {
    let refusals = Refusals::detail().with(Refusal::CrossSite, StatusCode::NOT_FOUND, "no");
    let layer = RefuseCrossSite::new().refusals(refusals);
    let forged = || ask("POST", "/a", &[(SITE, "cross-site")]);
    let (service, _) = counting(&layer);
    let bare = service.oneshot(forged()).await.unwrap();
    assert_eq!((bare.status().as_u16(), bare.body().as_str()), (404, ""), "nobody said how");
    let (service, _) = counting(&layer.refusal_body(std::convert::identity));
    let worded = service.oneshot(forged()).await.unwrap();
    assert_eq!(worded.body(), r#"{"detail":"no"}"#);
}

#[test]
fn r48_a_misspelt_origin_does_not_build_and_the_remedy_is_named() {
    for (bad, remedy) in [
        ("https://app.example/", "no slash"),
        ("app.example", "no scheme"),
        ("null", "sandboxed"),
        ("https://App.example", "lower case"),
        ("https://app.example:443", "default port"),
    ] {
        let error = RefuseCrossSite::new().try_trust(bad).unwrap_err().to_string();
        assert!(error.contains(remedy), "{bad}: {error}");
        let panic = catch_unwind(|| RefuseCrossSite::new().trust(bad)).unwrap_err();
        assert_eq!(panic.downcast_ref::<String>(), Some(&error));
    }
    for bad in ["webhook", "POST /a/../b", "post /a", "/a?b"] {
        assert!(catch_unwind(|| RefuseCrossSite::new().exempt(bad)).is_err(), "{bad}");
    }
    assert!(RefuseCrossSite::new().try_trust("https://app.example:8443").is_ok());
}

#[tokio::test]
async fn c24_an_exempt_route_is_exempt_to_the_letter() {
    let layer = RefuseCrossSite::new().exempt("POST /hello/");
    let (service, reached) = counting(&layer);
    for (path, status) in [
        ("/hello/", 200),
        ("/hello", 403),
        ("/hello//", 403),
        ("/x/../hello/", 403),
        ("/hello%2f", 403),
        ("/hello/%2e", 403),
    ] {
        let forged = ask("POST", path, &[(SITE, "cross-site")]);
        assert_eq!(service.clone().oneshot(forged).await.unwrap().status(), status, "{path}");
    }
    assert_eq!(reached.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn r51_report_only_lets_pass_tells_and_varies() {
    let heard = Heard::default();
    let (service, reached) =
        counting(&RefuseCrossSite::new().report_only().observer(heard.observer()));
    let forged = ask("POST", "/a", &[(SITE, "cross-site")]);
    let passed = service.clone().oneshot(forged).await.unwrap();
    assert_eq!((passed.status().as_u16(), passed.body().as_str()), (200, "done"));
    assert_eq!(passed.headers()[VARY], "sec-fetch-site, origin");
    assert_eq!(heard.all(), [(Reason::CrossSite, false)]);
    let own = ask("POST", "/a", &[(SITE, "same-origin")]);
    service.oneshot(own).await.unwrap();
    assert_eq!((reached.load(Ordering::Relaxed), heard.all().len()), (2, 1));
}

#[tokio::test]
async fn r51_vary_is_merged_and_only_where_the_answer_depends_on_it() {
    let inner = tower::service_fn(|_: Request<()>| async {
        let mut response = Response::new(String::new());
        response.headers_mut().insert(VARY, HeaderValue::from_static("Accept, Origin"));
        Ok::<_, Infallible>(response)
    });
    let service = RefuseCrossSite::new().exempt("/hook").layer(inner);
    for (method, path, vary) in [
        ("POST", "/a", &["Accept, Origin", "sec-fetch-site"][..]),
        ("GET", "/a", &["Accept, Origin"]),
        ("POST", "/hook", &["Accept, Origin"]),
    ] {
        let answer = service.clone().oneshot(ask(method, path, &[])).await.unwrap();
        assert!(answer.headers().get_all(VARY).iter().eq(vary), "{method} {path}: {answer:?}");
    }
}

#[tokio::test]
async fn c25_over_http2_the_target_says_host_and_scheme() {
    let app = Router::new().route("/a", post(async || "done")).layer(RefuseCrossSite::new());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    for (origin, status) in [
        ("http://app.example", 200),
        ("https://app.example", 403),
        ("http://app.example:8080", 403),
        ("http://evil.example", 403),
        ("null", 403),
    ] {
        let request = Request::post("http://app.example/a").header(ORIGIN, origin);
        let answer = sender.send_request(request.body(String::new()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), status, "{origin}");
    }
    connection.abort();
    server.abort();
}

// ---- sessions --------------------------------------------------------------------------------

/// One application with everything in it, and a token issued to whoever logs in.
fn routes(tokens: &Tokens) -> Router {
    Router::new()
        .route("/log_in", post(log_in))
        .route("/token", get(token))
        .route("/renew", get(renew))
        .route("/page", get(async || "page"))
        .route("/act", post(async || "done").put(async || "done").delete(async || "done"))
        .route("/form", post(rename))
        .route("/json", post(rename_by_json))
        .with_state(tokens.clone())
}

async fn log_in(session: Session<Member>, State(tokens): State<Tokens>) -> Result<String, Error> {
    session.create(Member::named("alice"))?;
    tokens.issue(&session)
}

async fn token(session: Session<Member>, State(tokens): State<Tokens>) -> Result<String, Error> {
    tokens.issue(&session)
}

async fn renew(session: Session<Member>) -> Result<(), Error> {
    session.renew()
}

#[derive(Deserialize)]
struct Rename {
    name: String,
}

async fn rename(member: Active<Member>, form: Verified<Form<Rename>, Member>) -> String {
    let Form(rename) = form.into_inner();
    format!("{} is {}", member.name, rename.name)
}

async fn rename_by_json(rename: Verified<Json<Rename>, Member>) -> String {
    rename.into_inner().0.name
}

/// A visitor of that application.
struct Visitor {
    app: Router,
    cookie: String,
    token: String,
}

impl Visitor {
    async fn log_in(app: &Router) -> Self {
        let mut visitor = Self { app: app.clone(), cookie: String::new(), token: String::new() };
        visitor.log_in_again().await;
        visitor
    }

    async fn log_in_again(&mut self) {
        let answer = self.send(Method::POST, "/log_in", &[], "").await;
        assert_eq!(answer.status(), 200, "{answer:?}");
        self.keep(&answer);
        self.token = text(answer).await;
        assert_eq!(self.token.len(), 43);
    }

    fn keep(&mut self, answer: &Response<Body>) {
        let line = answer.headers()[SET_COOKIE].to_str().unwrap();
        self.cookie = line.split(';').next().unwrap().to_owned();
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        lines: &[(HeaderName, &str)],
        body: &str,
    ) -> Response<Body> {
        let mut request = Request::builder().method(method).uri(path);
        if !self.cookie.is_empty() {
            request = request.header(COOKIE, &self.cookie);
        }
        for (name, value) in lines {
            request = request.header(name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        self.app.clone().oneshot(request).await.unwrap()
    }

    /// The status of a request with this token in the header.
    async fn act(&self, token: &str) -> u16 {
        let line = (TOKEN_HEADER.clone(), token);
        let lines = if token.is_empty() { &[][..] } else { &[line] };
        self.send(Method::POST, "/act", lines, "").await.status().as_u16()
    }

    /// The answer to a form with these fields.
    async fn fill_in(&self, form: &str) -> (u16, String) {
        let answer = self.send(Method::POST, "/form", &[(CONTENT_TYPE, FORM)], form).await;
        (answer.status().as_u16(), text(answer).await)
    }
}

async fn text(response: Response<Body>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn members() -> SessionLayer<Member> {
    SessionLayer::new(MemoryStore::new(), support::key())
}

/// With the token's layer around all routes but the forms.
fn guarded(sessions: SessionLayer<Member>, tokens: &Tokens) -> Router {
    let guard = RequireToken::<Member>::new(tokens.clone()).exempt("POST /form");
    routes(tokens).layer(ServiceBuilder::new().layer(sessions).layer(guard))
}

#[tokio::test]
async fn r49_a_forged_login_without_cookies_is_refused_and_logs_nobody_in() {
    let heard = support::Heard::default();
    let sessions = members().observer(heard.observer());
    let layers = ServiceBuilder::new().layer(RefuseCrossSite::new()).layer(sessions);
    let app = routes(&Tokens::new(support::key())).layer(layers);
    let stranger = Visitor { app, cookie: String::new(), token: String::new() };
    for (lines, status) in [
        (vec![(SITE, "cross-site"), (ORIGIN, "https://evil.example")], 403),
        (vec![(SITE, "same-site"), (ORIGIN, "https://blog.app.example")], 403),
        (vec![(ORIGIN, "https://evil.example"), (HOST, "app.example")], 403),
        (vec![(ORIGIN, "null"), (HOST, "app.example")], 403),
        (vec![(SITE, "same-origin"), (ORIGIN, "https://app.example")], 200),
    ] {
        let navigation = (HeaderName::from_static("sec-fetch-mode"), "navigate");
        let lines = [lines, vec![navigation, (CONTENT_TYPE, FORM)]].concat();
        let answer = stranger.send(Method::POST, "/log_in", &lines, "").await;
        assert_eq!(answer.status(), status, "{lines:?}");
        assert_eq!(answer.headers().contains_key(SET_COOKIE), status == 200, "{lines:?}");
        assert_eq!(heard.count("Created"), usize::from(status == 200), "{lines:?}");
    }
}

#[tokio::test]
async fn r50_what_is_done_with_a_session_wants_a_token_of_that_session() {
    for (name, sessions) in [("eager", members()), ("lazy", members().lazy())] {
        let tokens = Tokens::new(support::key());
        let app = guarded(sessions, &tokens);
        let (alice, bob) = (Visitor::log_in(&app).await, Visitor::log_in(&app).await);
        let foreign = Tokens::new(Key::generate());
        let of_another_key = {
            let app = routes(&foreign).layer(members());
            Visitor::log_in(&app).await.token
        };
        let half = &alice.token[..22];
        for (what, token, status) in [
            ("its own", alice.token.as_str(), 200),
            ("none", "", 403),
            ("that of another session", &bob.token, 403),
            ("that of another key", &of_another_key, 403),
            ("half of one", half, 403),
            ("rubbish", "🦀", 403),
        ] {
            assert_eq!(alice.act(token).await, status, "{name}: {what}");
        }
        for method in [Method::PUT, Method::DELETE] {
            let refused = alice.send(method, "/act", &[], "").await;
            assert_eq!(refused.extensions().get(), Some(&Refusal::CsrfToken), "{name}");
            assert!(text(refused).await.contains(r#""kind":"csrf_token""#), "{name}");
        }
        let safe = alice.send(Method::GET, "/page", &[], "").await;
        assert_eq!(safe.status(), 200, "{name}");
        let stranger = Visitor { app, cookie: String::new(), token: String::new() };
        assert_eq!(stranger.act("").await, 200, "{name}: there is nothing to abuse");
    }
}

#[tokio::test]
async fn r50_each_change_of_principal_makes_tokens_worthless_and_a_renewal_does_not() {
    let tokens = Tokens::new(support::key());
    let app = guarded(members(), &tokens);
    let mut alice = Visitor::log_in(&app).await;
    let first = alice.token.clone();
    let answer = alice.send(Method::GET, "/renew", &[], "").await;
    alice.keep(&answer);
    assert_eq!(alice.act(&first).await, 200, "renewed: open pages stay good");

    // Who is logged in logs in again with the token that they have.
    let line = [(TOKEN_HEADER.clone(), first.as_str())];
    let answer = alice.send(Method::POST, "/log_in", &line, "").await;
    alice.keep(&answer);
    let second = text(answer).await;
    assert_eq!(alice.act(&first).await, 403, "from before the login");
    assert_eq!(alice.act(&second).await, 200);
}

#[tokio::test]
async fn r50_tokens_survive_a_change_of_keys_and_not_a_revocation() {
    let (old, new) = (Key::generate(), Key::generate());
    let ring = Keyring::new(old.clone());
    let tokens = Tokens::new(ring.clone());
    let app = guarded(SessionLayer::new(MemoryStore::new(), support::key()), &tokens);
    let alice = Visitor::log_in(&app).await;
    ring.roll_over(new);
    assert_eq!(alice.act(&alice.token).await, 200);
    let newer = text(alice.send(Method::GET, "/token", &[], "").await).await;
    ring.revoke(old.id()).unwrap();
    assert_eq!((alice.act(&alice.token).await, alice.act(&newer).await), (403, 200));
}

#[tokio::test]
async fn r50_no_two_tokens_are_alike_and_pages_with_one_are_private() {
    let tokens = Tokens::new(support::key());
    let alice = Visitor::log_in(&guarded(members(), &tokens)).await;
    let mut seen = std::collections::HashSet::from([alice.token.clone()]);
    for _ in 0..100 {
        let page = alice.send(Method::GET, "/token", &[], "").await;
        assert_eq!(page.headers()[CACHE_CONTROL], "private");
        let token = text(page).await;
        assert_eq!(alice.act(&token).await, 200);
        assert!(seen.insert(token), "a token repeated");
    }
    for at in 0..43 {
        let letters: std::collections::HashSet<_> =
            seen.iter().map(|token| token.as_bytes()[at]).collect();
        assert!(letters.len() > 1, "all tokens have the same letter at {at} (BREACH)");
    }
}

#[tokio::test]
async fn r50_a_safe_request_loads_no_lazy_session_and_a_store_that_fails_is_no_pass() {
    let store = Faulty::new(MemoryStore::new());
    let tokens = Tokens::new(support::key());
    let sessions = SessionLayer::new(store.clone(), support::key()).lazy();
    let alice = Visitor::log_in(&guarded(sessions, &tokens)).await;
    store.fail_next(Operation::Load, StoreErrorKind::Unavailable);
    assert_eq!(alice.send(Method::GET, "/page", &[], "").await.status(), 200, "not asked");
    assert_eq!(alice.act(&alice.token).await, 503, "asked");
    assert_eq!(alice.act(&alice.token).await, 200);
}

#[tokio::test]
async fn r50_without_a_session_layer_every_act_is_refused() {
    let tokens = Tokens::new(support::key());
    let guard = RequireToken::<Member>::new(tokens.clone());
    let app = routes(&tokens).layer(guard);
    let visitor = Visitor { app, cookie: String::new(), token: String::new() };
    assert_eq!(visitor.act("").await, 500);
    assert_eq!(visitor.fill_in("name=a").await.0, 500);
}

#[tokio::test]
async fn r50_as_a_guard_it_wants_a_session_as_well() {
    let tokens = Tokens::new(support::key());
    let guard = RequireLayer::<Member>::new(tokens.clone()).open("POST /log_in");
    let app = routes(&tokens).layer(ServiceBuilder::new().layer(members()).layer(guard));
    let alice = Visitor::log_in(&app).await;
    assert_eq!((alice.act("").await, alice.act(&alice.token).await), (403, 200));
    let stranger = Visitor { app, cookie: String::new(), token: String::new() };
    assert_eq!(stranger.act("").await, 401);
}

#[tokio::test]
async fn r51_tokens_that_only_report_refuse_nothing() {
    let heard = Heard::default();
    let tokens = Tokens::new(support::key()).report_only().observer(heard.observer());
    let alice = Visitor::log_in(&guarded(members(), &tokens)).await;
    assert_eq!((alice.act("").await, alice.act("x").await), (200, 200));
    assert_eq!(alice.fill_in("name=ann").await.0, 200);
    assert_eq!(alice.act(&alice.token).await, 200);
    let told = [Reason::NoToken, Reason::WrongToken, Reason::NoToken].map(|reason| (reason, false));
    assert_eq!(heard.all(), told);
}

#[tokio::test]
async fn r50_a_form_is_verified_before_it_is_read() {
    for (name, sessions) in [("eager", members()), ("lazy", members().lazy())] {
        let tokens = Tokens::new(support::key());
        let app = guarded(sessions, &tokens);
        let (alice, bob) = (Visitor::log_in(&app).await, Visitor::log_in(&app).await);
        let good = &alice.token;
        for (form, status) in [
            (format!("{TOKEN_FIELD}={good}&name=ann"), 200),
            (format!("name=ann&{TOKEN_FIELD}={good}"), 200),
            ("name=ann".to_owned(), 403),
            (format!("name=ann&{TOKEN_FIELD}="), 403),
            (format!("name=ann&{TOKEN_FIELD}={}", bob.token), 403),
            (format!("name=ann&{TOKEN_FIELD}=wrong&{TOKEN_FIELD}={good}"), 403),
            ("none of the fields".to_owned(), 403),
            (format!("{TOKEN_FIELD}={good}"), 422),
        ] {
            let (said, body) = alice.fill_in(&form).await;
            assert_eq!(said, status, "{name}: {form}: {body}");
            assert_eq!(body == "alice is ann", status == 200, "{name}: {form}: {body}");
        }
        let stranger = Visitor { app, cookie: String::new(), token: String::new() };
        let (status, body) = stranger.fill_in(&format!("name=ann&{TOKEN_FIELD}={good}")).await;
        assert_eq!(status, 401, "{name}: {body}");
    }
}

#[tokio::test]
async fn r50_a_body_that_is_no_form_is_verified_by_the_header() {
    let tokens = Tokens::new(support::key());
    let alice = Visitor::log_in(&routes(&tokens).layer(members())).await;
    let json = (CONTENT_TYPE, "application/json");
    let header = |token| (TOKEN_HEADER.clone(), token);
    let field = format!(r#"{{"name":"ann","csrf_token":"{}"}}"#, alice.token);
    for (what, lines, body, status) in [
        ("JSON", vec![json.clone(), header(alice.token.as_str())], r#"{"name":"ann"}"#, 200),
        ("without", vec![json.clone()], r#"{"name":"ann"}"#, 403),
        ("in the body", vec![json.clone()], field.as_str(), 403),
        ("wrong, and no JSON", vec![json.clone(), header("x")], "{", 403),
        ("good, and no JSON", vec![json.clone(), header(&alice.token)], "{", 400),
    ] {
        let answer = alice.send(Method::POST, "/json", &lines, body).await;
        assert_eq!(answer.status(), status, "{what}");
    }
    let form = [(CONTENT_TYPE, FORM), header(&alice.token)];
    let answer = alice.send(Method::POST, "/form", &form, "name=ann").await;
    assert_eq!(answer.status(), 200, "a form that a script sends with the header");
    let form = [(CONTENT_TYPE, FORM), header("wrong")];
    let body = format!("name=ann&{TOKEN_FIELD}={}", alice.token);
    let answer = alice.send(Method::POST, "/form", &form, &body).await;
    assert_eq!(answer.status(), 403, "the header counts where there is one");
}

#[tokio::test]
async fn r50_a_form_is_read_under_the_limit_that_the_application_set() {
    let tokens = Tokens::new(support::key());
    let large = "a".repeat(3 << 20);
    for (what, limit, len, status) in [
        ("axum's own", None, large.len(), 413),
        ("more", Some(DefaultBodyLimit::max(4 << 20)), large.len(), 200),
        ("none", Some(DefaultBodyLimit::disable()), large.len(), 200),
        ("less", Some(DefaultBodyLimit::max(64)), 64, 413),
    ] {
        let mut app = routes(&tokens);
        if let Some(limit) = limit {
            app = app.layer(limit);
        }
        let alice = Visitor::log_in(&app.layer(members())).await;
        let form = format!("{TOKEN_FIELD}={}&name={}", alice.token, &large[..len]);
        assert_eq!(alice.fill_in(&form).await.0, status, "{what}");
    }
    let alice = Visitor::log_in(&routes(&tokens).layer(members())).await;
    let mut body = format!("{TOKEN_FIELD}={}&name=", alice.token).into_bytes();
    body.push(0xff);
    let request = Request::post("/form").header(COOKIE, &alice.cookie).header(CONTENT_TYPE, FORM);
    let request = request.body(Body::from(body)).unwrap();
    let answer = alice.app.oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 400, "no browser sends a form that is not ASCII");
}

#[test]
fn r52_nothing_secret_is_in_debug() {
    let key = support::key();
    let tokens = Tokens::new(key.clone());
    assert_eq!(
        format!("{tokens:?}"),
        format!("Tokens {{ ring: Keyring([KeyId({})]), watch: refuse, .. }}", key.id())
    );
    let guard = RequireToken::<Member>::new(tokens);
    assert!(format!("{guard:?}").starts_with("RequireToken<"));
    let layer = RefuseCrossSite::new().trust("https://app.example").report_only();
    let shown = format!("{layer:?}");
    assert!(shown.contains("https://app.example") && shown.contains("report only"), "{shown}");
}
