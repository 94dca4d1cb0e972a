//! `examples/fastauth`: `FastAuth`'s routers over accounts and pairs of tokens, row by row.

mod accounts;
mod tokens;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Mutex;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use sessile::Id;

use crate::http_support::{Program, Reply, form, post, request, send};

const SECRET: &str = "c1b4f0a86d92e37754ab1099f3e2d86c05b7941eaf3d6b28907c5e1142d8f36b";
const PASSWORD: &str = "correct horse battery";
const ROOT: (&str, &str) = ("root@example.org", "sesame, open up");

const MISSING: (u16, &str) = (
    401,
    r#"{"detail":["Missing token in headers: Not authenticated","Missing token in cookies: Not authenticated"]}"#,
);
const NO_ACCESS: (u16, &str) = (401, r#"{"detail":"access token is required"}"#);
const NO_REFRESH: (u16, &str) = (401, r#"{"detail":"refresh token is required"}"#);
const DENIED: (u16, &str) = (403, r#"{"detail":"Access denied"}"#);
const UNKNOWN: (u16, &str) = (404, r#"{"detail":"User not found"}"#);

/// The program on a database of its own.
struct Site {
    program: Mutex<Program>,
    address: SocketAddr,
    database: PathBuf,
}

impl Site {
    fn new(variables: &[(&str, &str)]) -> Self {
        let name = format!("fastauth-{}.db", Id::generate().unwrap());
        Self::on(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name), variables)
    }

    fn on(database: PathBuf, variables: &[(&str, &str)]) -> Self {
        let url = format!("sqlite:{}", database.display());
        let (program, address) = run(&url, variables);
        Self { program: Mutex::new(program), address, database }
    }

    /// The token that was sent to somebody, which the program prints instead.
    fn mailed(&self, email: &str) -> String {
        let program = self.program.lock().unwrap();
        let line = std::iter::from_fn(|| program.line()).find(|line| line.contains(email));
        line.unwrap().rsplit([' ', '/']).next().unwrap().to_owned()
    }

    async fn register(&self, name: &str) -> Reply {
        let user = json!({
            "email": format!("{name}@example.org"), "username": name, "password": PASSWORD,
        });
        send(self.address, with_json(Method::POST, "/auth/register", &user)).await
    }

    async fn user(&self, name: &str) -> Tokenholder {
        assert_eq!(self.register(name).await.status, 200);
        Tokenholder::log_in(self.address, name, PASSWORD).await
    }

    async fn root(&self) -> Tokenholder {
        Tokenholder::log_in(self.address, ROOT.0, ROOT.1).await
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        for suffix in ["", "-wal", "-shm"] {
            std::fs::remove_file(format!("{}{suffix}", self.database.display())).ok();
        }
    }
}

fn run(database: &str, variables: &[(&str, &str)]) -> (Program, SocketAddr) {
    let mut all = vec![
        ("DATABASE_URL", database),
        ("JWT_SECRET", SECRET),
        ("ADMIN_EMAIL", ROOT.0),
        ("ADMIN_PASSWORD", ROOT.1),
    ];
    all.extend_from_slice(variables);
    Program::serve("fastauth", &[], &all)
}

/// A client that keeps its tokens itself.
#[derive(Clone)]
struct Tokenholder {
    address: SocketAddr,
    access: String,
    refresh: String,
}

impl Tokenholder {
    async fn log_in(address: SocketAddr, name: &str, password: &str) -> Self {
        let reply = log_in(address, name, password).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        Self::of(address, &reply)
    }

    fn of(address: SocketAddr, reply: &Reply) -> Self {
        let body = value(reply);
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        assert_eq!(text("type"), "bearer");
        Self { address, access: text("access_token"), refresh: text("refresh_token") }
    }

    async fn get(&self, path: &str) -> Reply {
        self.ask(Method::GET, path, &Value::Null).await
    }

    async fn ask(&self, method: Method, path: &str, body: &Value) -> Reply {
        let plain = match body {
            Value::Null => request(method, path),
            body => with_json(method, path, body),
        };
        send(self.address, with_bearer(plain, &self.access)).await
    }

    async fn refresh(&self) -> Reply {
        send(self.address, with_bearer(post("/auth/token/refresh"), &self.refresh)).await
    }

    async fn id(&self) -> String {
        value(&self.get("/me").await)["id"].as_str().unwrap().to_owned()
    }
}

async fn log_in(address: SocketAddr, name: &str, password: &str) -> Reply {
    send(address, login_form(name, password)).await
}

fn login_form(name: &str, password: &str) -> Request<Full<Bytes>> {
    let name = name.replace('@', "%40");
    let password = password.replace(' ', "+").replace(',', "%2C");
    form("/auth/token/login", &format!("username={name}&password={password}"))
}

fn with_bearer(request: Request<Full<Bytes>>, token: &str) -> Request<Full<Bytes>> {
    with(request, AUTHORIZATION, &format!("Bearer {token}"))
}

fn with(
    mut request: Request<Full<Bytes>>,
    name: http::HeaderName,
    value: &str,
) -> Request<Full<Bytes>> {
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}

fn with_json(method: Method, path: &str, body: &Value) -> Request<Full<Bytes>> {
    let mut request = with(request(method, path), CONTENT_TYPE, "application/json");
    *request.body_mut() = Full::from(body.to_string());
    request
}

fn value(reply: &Reply) -> Value {
    serde_json::from_str(&reply.body).unwrap_or_else(|_| panic!("no JSON: {reply:?}"))
}

/// Each `Set-Cookie` as name, value and sorted attributes.
fn cookies(reply: &Reply) -> Vec<(String, String, String)> {
    let parse = |line: &str| {
        let (pair, rest) = line.split_once("; ").unwrap();
        let (name, value) = pair.split_once('=').unwrap();
        let mut attributes: Vec<_> = rest.split("; ").collect();
        attributes.sort_unstable();
        (name.to_owned(), value.to_owned(), attributes.join("; "))
    };
    reply.set_cookies().into_iter().map(parse).collect()
}
