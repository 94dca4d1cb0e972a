//! WebSockets that other sites open with a visitor's cookie (RFC 6455, 10.2), over real connections.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::unwrap_in_result,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]

mod support;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message as Frame, WebSocket, WebSocketUpgrade};
use axum::routing::{any, post};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::header::{COOKIE, HOST, SET_COOKIE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::client::conn::{http1, http2};
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use sessile::csrf::RefuseCrossSite;
use sessile::store::MemoryStore;
use sessile::{Active, Error, Session, SessionLayer};
use support::Member;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};
use tokio_tungstenite::{WebSocketStream, client_async};
use tower::ServiceBuilder;

const ORIGIN: &str = "origin";
const SITE: &str = "sec-fetch-site";
const OWN: &str = "http://app.example";
const FRIEND: &str = "https://friend.example";

/// Where a page that opens a WebSocket is, what its browser says of it, and the answer.
const PAGES: [(&str, &[(&str, &str)], u16); 9] = [
    ("our own", &[(ORIGIN, OWN)], 101),
    ("our own, a browser that says so", &[(ORIGIN, OWN), (SITE, "same-origin")], 101),
    ("a trusted one", &[(ORIGIN, FRIEND)], 101),
    ("a trusted one, said to be foreign", &[(ORIGIN, FRIEND), (SITE, "cross-site")], 101),
    ("no page but a program", &[], 101),
    ("another site", &[(ORIGIN, "https://evil.example")], 403),
    ("another site, a browser that says so", &[(ORIGIN, OWN), (SITE, "cross-site")], 403),
    ("a neighbour", &[(ORIGIN, "http://blog.app.example"), (SITE, "same-site")], 403),
    ("a sandbox", &[(ORIGIN, "null")], 403),
];

/// A server with a WebSocket that tells its visitor's name, and how many it has opened.
struct Site {
    address: SocketAddr,
    opened: Arc<AtomicUsize>,
    server: tokio::task::JoinHandle<()>,
}

impl Site {
    async fn start() -> Self {
        let opened = Arc::new(AtomicUsize::new(0));
        let layers = ServiceBuilder::new()
            .layer(RefuseCrossSite::new().trust(FRIEND))
            .layer(SessionLayer::<Member>::new(MemoryStore::new(), support::key()));
        let app = Router::new()
            .route("/log_in", post(log_in))
            .route("/live", any(live))
            .with_state(Arc::clone(&opened))
            .layer(layers);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, opened, server }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn log_in(session: Session<Member>) -> Result<(), Error> {
    session.create(Member::named("alice")).map(drop)
}

async fn live(
    member: Active<Member>,
    State(opened): State<Arc<AtomicUsize>>,
    upgrade: WebSocketUpgrade,
) -> Response<axum::body::Body> {
    opened.fetch_add(1, Ordering::SeqCst);
    let name = member.name.clone();
    upgrade.on_upgrade(move |socket| tell(socket, name))
}

async fn tell(mut socket: WebSocket, name: String) {
    while let Some(Ok(Frame::Text(question))) = socket.recv().await {
        if question == "who am I?" {
            socket.send(Frame::text(name.clone())).await.ok();
        }
    }
}

/// Asks a socket whose it is.
async fn whose<S: AsyncRead + AsyncWrite + Unpin>(mut socket: WebSocketStream<S>) -> String {
    socket.send(Message::text("who am I?")).await.unwrap();
    let answer = socket.next().await.unwrap().unwrap();
    answer.into_text().unwrap().as_str().to_owned()
}

fn log_in_request() -> Request<Empty<Bytes>> {
    let request = Request::post(format!("{OWN}/log_in")).header(HOST, "app.example");
    request.header(ORIGIN, OWN).body(Empty::new()).unwrap()
}

fn cookie<B>(answer: &Response<B>) -> String {
    assert_eq!(answer.status(), 200);
    let line = answer.headers()[SET_COOKIE].to_str().unwrap();
    line.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn r47_a_websocket_that_another_site_opens_is_refused() {
    let site = Site::start().await;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(site.connect().await)).await.unwrap();
    let connection = tokio::spawn(connection);
    let cookie = cookie(&sender.send_request(log_in_request()).await.unwrap());
    connection.abort();
    for (page, lines, status) in PAGES {
        let mut request = "ws://app.example/live".into_client_request().unwrap();
        request.headers_mut().insert(COOKIE, cookie.parse().unwrap());
        for (name, value) in lines {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let before = site.opened();
        let opened = match client_async(request, site.connect().await).await {
            Ok((socket, answer)) => {
                assert_eq!(whose(socket).await, "alice", "{page}");
                answer.status()
            }
            Err(SocketError::Http(refused)) => refused.status(),
            Err(error) => panic!("{page}: {error}"),
        };
        assert_eq!(opened, status, "{page}");
        assert_eq!(site.opened() - before, usize::from(status == 101), "{page}");
    }
}

/// RFC 8441: the method is `CONNECT`, and the answer to a handshake 200.
#[tokio::test]
async fn r47_over_http2_as_well() {
    let site = Site::start().await;
    let io = TokioIo::new(site.connect().await);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let connection = tokio::spawn(connection);
    let cookie = cookie(&sender.send_request(log_in_request()).await.unwrap());
    for (page, lines, status) in PAGES {
        let mut request = Request::builder()
            .method(Method::CONNECT)
            .uri(format!("{OWN}/live"))
            .header("sec-websocket-version", "13")
            .header(COOKIE, &cookie);
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Empty::new()).unwrap();
        request.extensions_mut().insert(Protocol::from_static("websocket"));
        let before = site.opened();
        let answer = sender.send_request(request).await.unwrap();
        let passed = status == 101;
        let expected = if passed { StatusCode::OK } else { StatusCode::FORBIDDEN };
        assert_eq!(answer.status(), expected, "{page}");
        assert_eq!(site.opened() - before, usize::from(passed), "{page}");
        if passed {
            let io = TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
            let socket = WebSocketStream::from_raw_socket(io, Role::Client, None).await;
            assert_eq!(whose(socket).await, "alice", "{page}");
        }
    }
    connection.abort();
}
