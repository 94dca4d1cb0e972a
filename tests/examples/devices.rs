//! `examples/devices.rs`: a person's sessions, and connections that close when theirs ends.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::Request;
use http::header::{COOKIE, HOST};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::http_support::{Visitor, form, get, send, serve};

const PATIENCE: Duration = Duration::from_secs(20);

async fn log_in(address: SocketAddr, name: &str) -> Visitor {
    let mut visitor = Visitor::new(address);
    let reply = visitor.send(form("/login", &format!("name={name}"))).await;
    assert_eq!(reply.status, 303, "{}", reply.body);
    visitor
}

async fn devices(visitor: &mut Visitor) -> Vec<serde_json::Value> {
    let reply = visitor.get("/api/devices").await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    serde_json::from_str(&reply.body).unwrap()
}

/// The id of the session that this visitor has.
async fn own(visitor: &mut Visitor) -> String {
    let all = devices(visitor).await;
    let mut current = all.iter().filter(|device| device["current"] == true);
    let own = current.next().unwrap()["id"].as_str().unwrap().to_owned();
    assert!(current.next().is_none(), "one is this one");
    own
}

#[tokio::test]
async fn r34_a_person_sees_their_sessions_and_nobody_elses() {
    let (_program, address) = serve("devices");
    let (mut desk, mut phone) = (log_in(address, "ada").await, log_in(address, "ada").await);
    let mut bob = log_in(address, "bob").await;
    assert_eq!((devices(&mut desk).await.len(), devices(&mut bob).await.len()), (2, 1));
    assert_ne!(own(&mut desk).await, own(&mut phone).await);
    let page = desk.get("/").await;
    assert!(page.body.contains("ada, you are logged in here"), "{}", page.body);
    assert_eq!(send(address, get("/api/devices")).await.status, 401);
}

#[tokio::test]
async fn one_device_is_signed_out_from_another_and_bobs_is_no_such_device() {
    let (_program, address) = serve("devices");
    let (mut desk, mut phone) = (log_in(address, "ada").await, log_in(address, "ada").await);
    let mut bob = log_in(address, "bob").await;
    let (phones, bobs) = (own(&mut phone).await, own(&mut bob).await);
    assert_eq!(desk.post(&format!("/devices/{bobs}/sign-out")).await.status, 404);
    assert_eq!(desk.post("/devices/no-id/sign-out").await.status, 400);
    assert_eq!(desk.post(&format!("/devices/{phones}/sign-out")).await.status, 303);
    assert_eq!(phone.get("/api/devices").await.status, 401);
    assert_eq!((devices(&mut desk).await.len(), devices(&mut bob).await.len()), (1, 1));
}

#[tokio::test]
async fn an_event_stream_says_goodbye_and_ends_when_its_session_does() {
    let (_program, address) = serve("devices");
    let (mut desk, phone) = (log_in(address, "ada").await, log_in(address, "ada").await);
    let mut stream = open(address, "/events", &phone).await;
    let mut heard = String::new();
    while !heard.contains("data: ") {
        heard.push_str(&next(&mut stream).await.expect("the stream ended while its session lived"));
    }
    assert!(!heard.contains("signed-out"), "{heard}");
    assert_eq!(desk.post("/sign-out-others").await.status, 303);
    while let Some(text) = next(&mut stream).await {
        heard.push_str(&text);
    }
    assert!(heard.contains("event: signed-out"), "the last word: {heard}");
}

#[tokio::test]
async fn a_web_socket_is_closed_when_its_session_ends_and_refused_without_one() {
    let (_program, address) = serve("devices");
    let (mut desk, phone) = (log_in(address, "ada").await, log_in(address, "ada").await);
    let stream = TcpStream::connect(address).await.unwrap();
    let mut request = format!("ws://{address}/socket").into_client_request().unwrap();
    let refused = client_async(request.clone(), TcpStream::connect(address).await.unwrap()).await;
    assert!(refused.unwrap_err().to_string().contains("401"));

    request.headers_mut().insert(COOKIE, cookies(&phone).parse().unwrap());
    let (mut socket, _) = client_async(request, stream).await.unwrap();
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hello"));
    desk.post("/sign-out-others").await;
    let last = timeout(PATIENCE, socket.next()).await.expect("it is still open");
    let Some(Ok(Message::Close(Some(frame)))) = last else { panic!("not closed: {last:?}") };
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1008, "signed out"));
}

fn cookies(visitor: &Visitor) -> String {
    format!("sid={}", visitor.cookie("sid").unwrap())
}

async fn open(address: SocketAddr, path: &str, visitor: &Visitor) -> Incoming {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get(path).header(HOST, address.to_string());
    let request = request.header(COOKIE, cookies(visitor)).body(Empty::<&[u8]>::new()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    // Keeps the connection for as long as the body is read.
    tokio::spawn(async move { sender.ready().await });
    response.into_body()
}

/// The next piece of a body, or `None` at its end.
async fn next(body: &mut Incoming) -> Option<String> {
    let frame = timeout(PATIENCE, body.frame()).await.expect("nothing was said");
    let data = frame?.unwrap().into_data().unwrap_or_default();
    Some(String::from_utf8(data.to_vec()).unwrap())
}
