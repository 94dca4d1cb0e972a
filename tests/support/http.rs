//! Real HTTP for tests: the example programs as child processes, servers inside the test, and
//! visitors with a cookie jar.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test support")]

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use cookie::Cookie;
use http::header::{CONTENT_TYPE, COOKIE, HOST, LOCATION, SET_COOKIE};
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

/// How long anything may take. A busy machine is slow, a broken program never answers.
const PATIENCE: Duration = Duration::from_secs(60);

// ---- requests and replies -------------------------------------------------------------------

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Reply {
    /// Every line of this header.
    pub fn lines(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().map(|line| line.to_str().unwrap()).collect()
    }

    pub fn set_cookies(&self) -> Vec<&str> {
        self.lines(SET_COOKIE.as_str())
    }

    /// The one `Set-Cookie` line as name, value and sorted attributes.
    pub fn set_cookie(&self) -> (&str, &str, Vec<&str>) {
        let lines = self.set_cookies();
        let [line] = lines[..] else { panic!("not exactly one Set-Cookie: {lines:?}") };
        let mut parts = line.split("; ");
        let (name, value) = parts.next().unwrap().split_once('=').unwrap();
        let mut attributes: Vec<_> = parts.collect();
        attributes.sort_unstable();
        (name, value, attributes)
    }

    /// The status and the body.
    pub fn said(&self) -> (u16, &str) {
        (self.status, &self.body)
    }

    pub fn location(&self) -> Option<&str> {
        self.headers.get(LOCATION).map(|location| location.to_str().unwrap())
    }
}

pub fn get(path: &str) -> Request<Full<Bytes>> {
    request(Method::GET, path)
}

pub fn post(path: &str) -> Request<Full<Bytes>> {
    request(Method::POST, path)
}

/// A form with one field, already encoded.
pub fn form(path: &str, field: &str) -> Request<Full<Bytes>> {
    let mut request = post(path);
    let kind = "application/x-www-form-urlencoded".parse().unwrap();
    request.headers_mut().insert(CONTENT_TYPE, kind);
    *request.body_mut() = Full::from(field.to_owned());
    request
}

pub fn request(method: Method, path: &str) -> Request<Full<Bytes>> {
    Request::builder().method(method).uri(path).body(Full::default()).unwrap()
}

/// One request on a connection of its own.
pub async fn send(address: SocketAddr, mut request: Request<Full<Bytes>>) -> Reply {
    request.headers_mut().insert(HOST, address.to_string().parse().unwrap());
    timeout(PATIENCE, exchange(address, request)).await.expect("no answer in time")
}

async fn exchange(address: SocketAddr, request: Request<Full<Bytes>>) -> Reply {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    connection.abort();
    let body = String::from_utf8(body.to_vec()).unwrap();
    Reply { status: head.status.as_u16(), headers: head.headers, body }
}

// ---- visitors -------------------------------------------------------------------------------

/// A browser: sends the cookies it holds and keeps those it is given. A clone is a second browser
/// with a copy of the jar, as a thief would have it.
#[derive(Clone, Debug)]
pub struct Visitor {
    address: SocketAddr,
    jar: Vec<Kept>,
}

#[derive(Clone, Debug)]
struct Kept {
    name: String,
    value: String,
    path: String,
    until: Option<Instant>,
}

impl Visitor {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, jar: Vec::new() }
    }

    /// The same browser, when the server is elsewhere now.
    pub fn at(&self, address: SocketAddr) -> Self {
        Self { address, jar: self.jar.clone() }
    }

    pub async fn get(&mut self, path: &str) -> Reply {
        self.send(get(path)).await
    }

    pub async fn post(&mut self, path: &str) -> Reply {
        self.send(post(path)).await
    }

    pub async fn send(&mut self, mut request: Request<Full<Bytes>>) -> Reply {
        if let Some(cookies) = self.cookies_for(request.uri().path()) {
            request.headers_mut().insert(COOKIE, cookies.parse().unwrap());
        }
        let reply = send(self.address, request).await;
        for line in reply.set_cookies() {
            self.keep(line);
        }
        reply
    }

    /// The value of this cookie, wherever it is valid.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let alive = |kept: &&Kept| kept.until.is_none_or(|until| Instant::now() < until);
        self.jar.iter().filter(alive).find(|kept| kept.name == name).map(|kept| kept.value.clone())
    }

    /// The `Cookie` line for this path, longest cookie paths first (RFC 6265, 5.4).
    fn cookies_for(&self, path: &str) -> Option<String> {
        let alive = |kept: &&Kept| kept.until.is_none_or(|until| Instant::now() < until);
        let mut sent: Vec<_> =
            self.jar.iter().filter(alive).filter(|kept| covers(&kept.path, path)).collect();
        sent.sort_by_key(|kept| std::cmp::Reverse(kept.path.len()));
        let pairs: Vec<_> =
            sent.iter().map(|kept| format!("{}={}", kept.name, kept.value)).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    fn keep(&mut self, line: &str) {
        let cookie = Cookie::parse(line).unwrap();
        let path = cookie.path().unwrap_or("/").to_owned();
        self.jar.retain(|kept| kept.name != cookie.name() || kept.path != path);
        let age = cookie.max_age().map(|age| age.whole_seconds());
        if age.is_some_and(|age| age <= 0) {
            return;
        }
        let until = age.map(|age| Instant::now() + Duration::from_secs(age.unsigned_abs()));
        let (name, value) = (cookie.name().to_owned(), cookie.value().to_owned());
        self.jar.push(Kept { name, value, path, until });
    }
}

/// Whether a cookie with the first path goes to the second (RFC 6265, 5.1.4).
fn covers(cookie: &str, path: &str) -> bool {
    path.strip_prefix(cookie)
        .is_some_and(|rest| rest.is_empty() || cookie.ends_with('/') || rest.starts_with('/'))
}

// ---- servers inside the test ----------------------------------------------------------------

/// An axum application on a port of its own, until it is dropped.
pub struct Server {
    pub address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub async fn start(app: Router) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, task }
    }

    pub fn visitor(&self) -> Visitor {
        Visitor::new(self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

// ---- example programs -----------------------------------------------------------------------

/// A running example program. It ends when this is dropped, whatever became of the test.
pub struct Program {
    child: Child,
    lines: Receiver<String>,
    errors: Option<JoinHandle<String>>,
}

impl Program {
    /// Starts an example that does not necessarily listen.
    pub fn run(name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::start(Command::new(example(name)), arguments, variables)
    }

    /// Starts any program, with what examples are started with.
    pub fn start(mut command: Command, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        for own in [
            "PORT",
            "COOKIE_SECRET",
            "SESSION_KEY",
            "IDLE_SECONDS",
            "ABSOLUTE_SECONDS",
            "FRESH_SECONDS",
        ] {
            command.env_remove(own);
        }
        // Pipes of its own: a test runner that waits for the end of its output waits for ours.
        let mut child = command
            .args(arguments)
            .env("PORT", "0")
            .env("SESSION_STORE", "memory:")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (line, lines) = channel();
        std::thread::spawn(move || {
            BufReader::new(stdout)
                .lines()
                .map_while(Result::ok)
                .try_for_each(|text| line.send(text))
        });
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            BufReader::new(stderr).read_to_string(&mut text).ok();
            text
        });
        Self { child, lines, errors: Some(errors) }
    }

    /// Starts an example that serves; answers it together with the address that it printed.
    pub fn serve(name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> (Self, SocketAddr) {
        let mut program = Self::run(name, arguments, variables);
        let address = program.address();
        (program, address)
    }

    /// The address that it prints when it serves.
    pub fn address(&mut self) -> SocketAddr {
        while let Some(line) = self.line() {
            let address = line.split_once("http://").and_then(|(_, rest)| leading_address(rest));
            if let Some(address) = address {
                return address;
            }
        }
        let (status, errors) = self.end();
        panic!("the program ended ({status}) before it printed an address: {errors}");
    }

    /// Its next line; `None` when there will be no more.
    pub fn line(&self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("the program says nothing and does not end"),
        }
    }

    /// What it still has to say.
    pub fn rest(&self) -> Vec<String> {
        std::iter::from_fn(|| self.line()).collect()
    }

    /// Waits for it to end by itself: how it ended, and what it said to standard error.
    pub fn end(&mut self) -> (ExitStatus, String) {
        self.rest();
        let status = self.child.wait().unwrap();
        (status, self.errors.take().map(|errors| errors.join().unwrap()).unwrap_or_default())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// An example on a port of its own, without arguments.
pub fn serve(name: &str) -> (Program, SocketAddr) {
    Program::serve(name, &[], &[])
}

/// The address that this text begins with.
fn leading_address(text: &str) -> Option<SocketAddr> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':');
    text.get(..end.unwrap_or(text.len()))?.trim_end_matches(':').parse().ok()
}

/// The binary of an example: `cargo test` puts it into `examples`, beside the folder of this test.
fn example(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let file = format!("{name}{}", env::consts::EXE_SUFFIX);
    let program = profile.join("examples").join(file);
    assert!(
        program.is_file(),
        "the example `{name}` is not built. `cargo test` builds it, `cargo test --test …` does \
         not: run `cargo build --examples` first"
    );
    if let Some(newer) = newer_source(&program) {
        panic!("the example `{name}` is older than {newer}: run `cargo build --examples` first");
    }
    program
}

/// A source that was changed after the program was built, going by the list that rustc left.
fn newer_source(program: &Path) -> Option<String> {
    let built = program.metadata().and_then(|data| data.modified()).ok()?;
    let list = fs::read_to_string(program.with_extension("d")).ok()?;
    let (_, sources) = list.split_once(": ")?;
    let changed = |source: &&str| {
        let modified = Path::new(source).metadata().and_then(|data| data.modified());
        modified.is_ok_and(|modified| modified > built)
    };
    sources.split_whitespace().find(changed).map(str::to_owned)
}
