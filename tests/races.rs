//! One single-use ticket, or one refresh token, at two nodes at once: two layers with the same key,
//! each with a store of its own, on every engine that nodes can share.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::Request;
use http::header::{ACCEPT, AUTHORIZATION, COOKIE, SET_COOKIE};
use http_body_util::BodyExt;
use sessile::store::{
    PostgresOptions, PostgresStore, RedisOptions, RedisStore, SqliteStore, Store,
};
use sessile::token::{Jwt, JwtKey, Pair, PairError, Pairs, Tokens};
use sessile::transport::{Bearer, Cookie, Query};
use sessile::{Error, Expiry, Id, Key, NewSession, Session, SessionLayer};
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tower::ServiceExt;

#[path = "support/services.rs"]
mod services;

use services::shared_url;

/// How often each race is run.
const ROUNDS: usize = 20;
/// How many bring the same ticket to each node.
const REQUESTS: usize = 16;
/// Patient: other tests keep the machine busy.
const PATIENCE: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_secs(60);

async fn log_in(session: Session<String>) -> Result<(), Error> {
    session.create("ann".to_owned()).map(drop)
}

async fn handshake(session: Session<String>) -> Result<String, Error> {
    session.handshake()
}

async fn who(session: Session<String>) -> String {
    session.get().map_or_else(|| format!("{:?}", session.status()), |name| name.to_string())
}

async fn issue(
    State(pairs): State<Pairs<String>>,
    session: Session<String>,
) -> Result<Json<Pair>, PairError> {
    let new = NewSession::with("ann".to_owned()).subject("ann");
    pairs.issue(&session, new, ()).await.map(Json)
}

async fn refresh(
    State(pairs): State<Pairs<String>>,
    session: Session<String>,
) -> Result<Json<Pair>, PairError> {
    pairs.refresh(&session, |_name| ()).await.map(Json)
}

/// A site that two nodes serve, each with its own connections to the same sessions.
struct Site([Router; 2]);

impl Site {
    fn of(stores: [impl Store<String> + Clone; 2]) -> Self {
        let key = Key::generate();
        Self(stores.map(|store| node(store, &key)))
    }

    /// The status and the body that the first node answers.
    async fn ask(&self, request: Request<Body>) -> (u16, String) {
        ask(self.0[0].clone(), request).await
    }

    /// What both answer to the same request, brought to each of them many times at once.
    async fn race(&self, request: impl Fn() -> Request<Body>) -> Vec<(u16, String)> {
        let start = Arc::new(Barrier::new(2 * REQUESTS));
        let mut asking = JoinSet::new();
        for number in 0..2 * REQUESTS {
            let (start, node, request) =
                (Arc::clone(&start), self.0[number % 2].clone(), request());
            asking.spawn(async move {
                start.wait().await;
                ask(node, request).await
            });
        }
        asking.join_all().await
    }

    async fn one_of_all_gets_in(&self) {
        self.one_handshake_gets_in().await;
        self.one_refresh_gets_a_pair().await;
    }

    async fn one_handshake_gets_in(&self) {
        let answer = self.0[0].clone().oneshot(to("/log_in")).await.unwrap();
        let line = answer.headers()[SET_COOKIE].to_str().unwrap();
        let cookie = line.split(';').next().unwrap();
        for round in 0..ROUNDS {
            let mut request = to("/ticket");
            request.headers_mut().insert(COOKIE, cookie.parse().unwrap());
            let (status, ticket) = self.ask(request).await;
            assert_eq!(status, 200, "{ticket}");
            let answers = self
                .race(|| {
                    let mut request = to(&format!("/events?ticket={ticket}"));
                    request.headers_mut().insert(ACCEPT, "text/event-stream".parse().unwrap());
                    request
                })
                .await;
            let like = |body: &str| answers.iter().filter(|(_, other)| other == body).count();
            assert_eq!(like("ann"), 1, "round {round}: {answers:?}");
            assert_eq!(like("Rejected(Spent)"), 2 * REQUESTS - 1, "round {round}: {answers:?}");
        }
    }

    async fn one_refresh_gets_a_pair(&self) {
        for round in 0..ROUNDS {
            let first = refresh_token(&self.ask(to_post("/issue", "")).await);
            let answers = self.race(|| to_post("/refresh", &first)).await;
            let with = |wanted: u16| answers.iter().filter(move |(status, _)| *status == wanted);
            assert_eq!(with(200).count(), 1, "round {round}: {answers:?}");
            assert_eq!(with(401).count(), 2 * REQUESTS - 1, "round {round}: {answers:?}");
            let next = refresh_token(with(200).next().unwrap());
            assert_ne!(first, next);
            assert_eq!(self.ask(to_post("/refresh", &first)).await.0, 401, "spent");
            assert_eq!(self.ask(to_post("/refresh", &next)).await.0, 401, "and so its family");
        }
    }
}

fn node(store: impl Store<String> + Clone, key: &Key) -> Router {
    let pages = SessionLayer::new(store.clone(), key.clone())
        .transport(Cookie::host("sid"))
        .or_transport(Query::named("ticket"))
        .store_timeout(PATIENCE);
    let tokens = Tokens::new(Jwt::new(JwtKey::derived_from(key)), "shop");
    let family = SessionLayer::new(store, key.clone()).transport(Bearer::new());
    let pairs = Pairs::new(
        tokens,
        family.store_timeout(PATIENCE),
        Expiry::idle(10 * MINUTE).absolute(60 * MINUTE),
    );
    let tokens = Router::new()
        .route("/issue", post(issue))
        .route("/refresh", post(refresh))
        .with_state(pairs.clone())
        .layer(pairs.layer().clone());
    Router::new()
        .route("/log_in", get(log_in))
        .route("/ticket", get(handshake))
        .route("/events", get(who))
        .layer(pages)
        .merge(tokens)
}

async fn ask(node: Router, request: Request<Body>) -> (u16, String) {
    let (parts, body) = node.oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status.as_u16(), String::from_utf8(body.to_vec()).unwrap())
}

fn to(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

fn to_post(path: &str, token: &str) -> Request<Body> {
    let request = Request::post(path).header(AUTHORIZATION, format!("Bearer {token}"));
    request.body(Body::empty()).unwrap()
}

/// The refresh token of an answer with a pair.
fn refresh_token((status, body): &(u16, String)) -> String {
    assert_eq!(*status, 200, "{body}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    body["refresh_token"].as_str().unwrap().to_owned()
}

async fn on_postgres() -> Site {
    let table = format!("t_{}", Id::generate().unwrap().as_uuid().simple());
    let open = async || {
        let options = PostgresOptions::new(shared_url("TEST_POSTGRES_URL")).table(table.as_str());
        PostgresStore::open(options).await.unwrap()
    };
    Site::of([open().await, open().await])
}

async fn on_redis(variable: &str) -> Site {
    let prefix = format!("races-{}:", Id::generate().unwrap());
    let open = async || {
        let options = RedisOptions::new(shared_url(variable)).prefix(prefix.as_str());
        RedisStore::open(options.timeout(PATIENCE)).await.unwrap()
    };
    Site::of([open().await, open().await])
}

/// A SQLite file, gone with its folder.
struct File(std::path::PathBuf);

impl File {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("sessile-{}", Id::generate().unwrap()));
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    async fn site(&self) -> Site {
        let url = format!("sqlite:{}", self.0.join("sessions.db").display());
        let open = async || SqliteStore::connect(&url).await.unwrap();
        Site::of([open().await, open().await])
    }
}

impl Drop for File {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r27_r64_on_postgres_one_of_all_at_two_nodes_gets_in() {
    on_postgres().await.one_of_all_gets_in().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r27_r64_on_redis_one_of_all_at_two_nodes_gets_in() {
    on_redis("TEST_REDIS_URL").await.one_of_all_gets_in().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r27_r64_on_a_redis_cluster_one_of_all_at_two_nodes_gets_in() {
    on_redis("TEST_REDIS_CLUSTER_URL").await.one_of_all_gets_in().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r27_r64_with_sentinel_one_of_all_at_two_nodes_gets_in() {
    on_redis("TEST_REDIS_SENTINEL_URL").await.one_of_all_gets_in().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r27_r64_on_one_sqlite_file_one_of_all_at_two_nodes_gets_in() {
    let file = File::new();
    file.site().await.one_of_all_gets_in().await;
}
