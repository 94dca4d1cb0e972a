//! Sessions without a web framework: hyper, a tower `service_fn`, and one layer around it.
//!
//! ```sh
//! cargo run --example hyper_server
//! curl -i -c jar.txt -X POST http://127.0.0.1:3000/login/alice
//! curl -b jar.txt http://127.0.0.1:3000/profile
//! curl -i -b jar.txt -X POST http://127.0.0.1:3000/logout
//! curl -i http://127.0.0.1:3000/profile
//! ```
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::convert::Infallible;
use std::error::Error as StdError;
use std::future::ready;

use http::header::LOCATION;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use serde::{Deserialize, Serialize};
use sessile::store::MemoryStore;
use sessile::transport::Cookie;
use sessile::{Error, Key, RequireSession, Session, SessionLayer};
use tower::{Layer, ServiceExt, service_fn};

type Body = Full<Bytes>;

#[derive(Clone, Serialize, Deserialize)]
struct Member {
    name: String,
    visits: u32,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn StdError>> {
    let sessions = SessionLayer::<Member>::new(MemoryStore::new(), Key::generate())
        // Behind TLS, delete `dangerously_allow_plain_http`: the cookie is then Secure.
        .transport(Cookie::host("sid").dangerously_allow_plain_http())
        // How a refusal becomes a body of this application's type.
        .refusal_body(|text| Body::new(Bytes::from(text)));
    let service = sessions.layer(service_fn(serve));

    let address = format!("127.0.0.1:{}", std::env::var("PORT").unwrap_or_else(|_| "3000".into()));
    let listener = tokio::net::TcpListener::bind(&address).await.map_err(|error| {
        format!("cannot listen on {address}: {error}. Choose another port: PORT=3001")
    })?;
    println!("Listening on http://{}: try POST /login/alice", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            // A client that goes away in the middle is no news.
            server.serve_connection(TokioIo::new(stream), service).await.ok();
        });
    }
}

/// Every request gets an answer: an error would close the connection without a word.
async fn serve(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let failed = |_| answer(StatusCode::SERVICE_UNAVAILABLE, "sessions are unavailable");
    Ok(route(request).await.unwrap_or_else(failed))
}

async fn route(request: Request<Incoming>) -> Result<Response<Body>, Error> {
    let Some(session) = Session::<Member>::of(&request).cloned() else {
        return Ok(answer(StatusCode::INTERNAL_SERVER_ERROR, "no session layer"));
    };
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/profile") => {
            // The guard is a layer too, here around one route.
            let profile = service_fn(|_request: Request<Incoming>| ready(profile(&session)));
            RequireSession::<Member>::new().layer(profile).oneshot(request).await
        }
        (&Method::POST, "/logout") => {
            session.destroy()?;
            Ok(see_other("/"))
        }
        (&Method::POST, path) => match path.strip_prefix("/login/") {
            Some(name) if !name.is_empty() => {
                session.create(Member { name: name.to_owned(), visits: 0 })?;
                Ok(see_other("/profile"))
            }
            _ => Ok(answer(StatusCode::NOT_FOUND, "not found")),
        },
        _ => Ok(answer(StatusCode::NOT_FOUND, "not found")),
    }
}

fn profile(session: &Session<Member>) -> Result<Response<Body>, Error> {
    let (name, visits) = session.update(|member| {
        member.visits += 1;
        (member.name.clone(), member.visits)
    })?;
    Ok(answer(StatusCode::OK, format!("Welcome, {name}! Visit {visits}.")))
}

fn see_other(location: &'static str) -> Response<Body> {
    let mut response = answer(StatusCode::SEE_OTHER, "");
    response.headers_mut().insert(LOCATION, HeaderValue::from_static(location));
    response
}

fn answer(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::new(text.into()));
    *response.status_mut() = status;
    response
}
