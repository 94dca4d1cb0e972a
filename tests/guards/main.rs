//! Who may pass: each guard under axum, tonic and a plain service, and what bad input gets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_in_result,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]

mod browsers;
mod router;
mod rules;
mod sessions;
mod step_up;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::header::{CONTENT_TYPE, COOKIE, SET_COOKIE};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};
use sessile::guard::{Guard, IsActive, Principal, RequireLayer};
use sessile::store::MemoryStore;
use sessile::{Error, Key, NewSession, Permitted, Session, SessionLayer, SessionRequest};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Clone, Default, Serialize, Deserialize)]
struct User {
    roles: Vec<String>,
    permissions: Vec<String>,
    active: bool,
    verified: bool,
}

impl User {
    fn of(roles: &[&str], permissions: &[&str]) -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let (roles, permissions) = (owned(roles), owned(permissions));
        Self { roles, permissions, active: true, verified: true }
    }
}

impl Principal for User {
    fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|own| own == role)
    }

    fn has_permission(&self, permission: &str) -> bool {
        self.permissions.iter().any(|own| own == permission)
    }

    fn is_active(&self) -> bool {
        self.active
    }

    fn is_verified(&self) -> bool {
        self.verified
    }
}

fn users() -> SessionLayer<User> {
    SessionLayer::new(MemoryStore::new(), Key::generate())
}

/// Ready-made, as F8 has it.
type DefaultUser = Permitted<User, IsActive>;

async fn log_in_user(session: Session<User>) -> Result<(), Error> {
    session.create(User::of(&["user"], &[])).map(drop)
}

/// A layer, and the cookie of a session that it began.
struct Holder {
    layer: SessionLayer<User>,
    cookie: HeaderValue,
}

impl Holder {
    async fn of(layer: SessionLayer<User>, session: impl Into<NewSession<User>>) -> Self {
        let new = session.into();
        let log_in = layer.layer(service_fn(move |request: Request<()>| {
            let new = new.clone();
            async move {
                // A lazy layer gives a handle that has nothing loaded; extractors see to that.
                let (mut parts, ()) = request.into_parts();
                let session = load(&mut parts).await;
                session.create(new).unwrap();
                Ok::<_, Infallible>(Response::new(String::new()))
            }
        }));
        let response = log_in.oneshot(Request::new(())).await.unwrap();
        let line = response.headers()[SET_COOKIE].to_str().unwrap();
        let cookie = line.split(';').next().unwrap().parse().unwrap();
        Self { layer, cookie }
    }

    fn request(&self, path: &str) -> Request<()> {
        Request::get(path).header(COOKIE, &self.cookie).body(()).unwrap()
    }

    /// The status that this guard gives in each kind of application, which must be one and the same.
    async fn ask<G: Guard<User> + Clone + Sync>(&self, guard: G) -> StatusCode {
        let require = RequireLayer::new(guard.clone());
        let plain = ServiceBuilder::new().layer(self.layer.clone()).layer(require.clone());
        let plain = plain.service(service_fn(|_: Request<()>| async { answer("inside") }));
        let status = plain.oneshot(self.request("/")).await.unwrap().status();

        let app = Router::new().route("/", get(|| async { "inside" }));
        let app = app.layer(require.clone()).layer(self.layer.clone());
        let axum = app.oneshot(self.request("/").map(|()| Body::empty())).await.unwrap();
        assert_eq!(axum.status(), status, "axum");

        let grpc = ServiceBuilder::new().layer(self.layer.clone()).layer(require);
        let grpc = grpc.service(service_fn(|_: Request<()>| async {
            Ok::<_, Infallible>(Response::new(tonic::body::Body::empty()))
        }));
        let mut request = self.request("/");
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        let refused = grpc.oneshot(request).await.unwrap();
        let code = refused.headers().get("grpc-status").map_or("0", |code| code.to_str().unwrap());
        assert_eq!(code, code_of(status), "a layer before tonic");

        let (told, seen) = tokio::sync::oneshot::channel();
        let told = Arc::new(std::sync::Mutex::new(Some(told)));
        let handler = self.layer.layer(service_fn(move |request: Request<()>| {
            let (guard, told) = (guard.clone(), Arc::clone(&told));
            async move {
                let request = tonic::Request::from_parts(
                    tonic::metadata::MetadataMap::from_headers(request.headers().clone()),
                    request.extensions().clone(),
                    (),
                );
                let code = match request.permitted::<User>(&guard).await {
                    Ok(_) => tonic::Code::Ok,
                    Err(status) => status.code(),
                };
                told.lock().unwrap().take().unwrap().send(code).unwrap();
                answer("")
            }
        }));
        handler.oneshot(self.request("/")).await.unwrap();
        assert_eq!(i32::from(seen.await.unwrap()).to_string(), code_of(status), "in tonic");
        status
    }
}

async fn load(parts: &mut http::request::Parts) -> Session<User> {
    use axum::extract::FromRequestParts;
    Session::from_request_parts(parts, &()).await.unwrap()
}

fn answer(text: &str) -> Result<Response<String>, Infallible> {
    Ok(Response::new(text.to_owned()))
}

fn code_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        200 => "0",
        401 => "16",
        403 => "7",
        other => panic!("{other}"),
    }
}

async fn text(response: Response<Body>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

async fn send(app: &Router, request: http::request::Builder) -> Response<Body> {
    app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn cookie(app: &Router, path: &str) -> String {
    let response = send(app, Request::post(path)).await;
    let line = response.headers()[SET_COOKIE].to_str().unwrap();
    line.split(';').next().unwrap().to_owned()
}
