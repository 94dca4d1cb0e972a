//! A site with four doors, for what is decided before a handler is asked: log in, look, what needs
//! a session, and what needs a fresh login.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::ConnectInfo;
use http::header::{COOKIE, SET_COOKIE, USER_AGENT};
use http::{Request, Response};
use sessile::guard::{Attempt, Guard, RequireLayer};
use sessile::store::{MemoryStore, Store};
use sessile::testkit::{Faulty, SimulatedClock};
use sessile::{
    Assurance, ClientHints, Denied, ErrorKind, LazySession, NewSession, Session, SessionLayer,
};
use tower::{ServiceBuilder, ServiceExt, service_fn};

use crate::support::{Heard, Member, key};

pub const HOUR: Duration = Duration::from_secs(3_600);

/// How clients are known here: by the peer that the server tells.
pub fn hints() -> ClientHints {
    ClientHints::from_peer(|extensions| Some(extensions.get::<ConnectInfo<SocketAddr>>()?.ip()))
}

/// The same store, at once or later; the same layer, eager or lazy.
#[derive(Clone, Copy, Debug)]
pub struct Mode {
    pub lazy: bool,
    pub later: bool,
}

impl Mode {
    pub const ALL: [Self; 4] = [
        Self { lazy: false, later: false },
        Self { lazy: false, later: true },
        Self { lazy: true, later: false },
        Self { lazy: true, later: true },
    ];
}

#[derive(Clone)]
pub struct Site {
    pub layer: SessionLayer<Member>,
    pub clock: SimulatedClock,
    pub heard: Heard,
    pub store: MemoryStore<Member>,
}

impl Site {
    pub fn new(
        mode: Mode,
        configure: impl FnOnce(SessionLayer<Member>) -> SessionLayer<Member>,
    ) -> Self {
        let store = MemoryStore::new();
        let behind: Arc<dyn Store<Member>> = match mode.later {
            true => Arc::new(Faulty::new(store.clone()).always_later()),
            false => Arc::new(store.clone()),
        };
        let (clock, heard) = (SimulatedClock::new(), Heard::default());
        let layer = SessionLayer::new(behind, key())
            .clock(clock.clone())
            .observer(heard.observer())
            .client_hints(hints());
        let layer = configure(layer);
        let layer = if mode.lazy { layer.lazy() } else { layer };
        Self { layer, clock, heard, store }
    }

    pub fn now(&self) -> SystemTime {
        self.clock.timestamp().into()
    }

    async fn serve(&self, request: Request<()>) -> Response<String> {
        let service = ServiceBuilder::new()
            .layer(self.layer.clone())
            .layer(RequireLayer::new(Fresh).open("/log_in").open("/look"))
            .service(service_fn(answer));
        service.oneshot(request).await.unwrap()
    }
}

/// `/delicate` wants a fresh login if a verifier wants one, and so does every step-up. What this
/// guard says is all that the test needs; the ready ones have tests of their own.
struct Fresh;

impl Guard<Member> for Fresh {
    fn check(&self, attempt: &Attempt<'_, Member>) -> Result<(), Denied> {
        let context = attempt.meta().context.as_deref();
        let level = context.and_then(|context| context.assurance);
        match attempt.uri().path() {
            "/delicate" if attempt.wants_step_up() => Err(Denied::step_up()),
            "/aal2" if level < Some(Assurance::Aal2) => {
                Err(Denied::step_up().at_least(Assurance::Aal2))
            }
            _ => Ok(()),
        }
    }
}

async fn answer(request: Request<()>) -> Result<Response<String>, sessile::Error> {
    let session = match Session::<Member>::of(&request) {
        Some(session) => session.clone(),
        None => match LazySession::<Member>::of(&request).expect("a layer").load().await {
            Ok(session) => session,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Store);
                let mut response = Response::new("-".to_owned());
                *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
                return Ok(response);
            }
        },
    };
    let new = |name: &str| NewSession::with(Member::named(name)).subject(name);
    match request.uri().path() {
        "/log_in" => {
            let new = match request.uri().query() {
                Some("aal2") => {
                    new("ann").assurance(Assurance::Aal2).methods(["pwd", "otp"]).acr("gold")
                }
                Some("long_ago") => new("ann").authenticated_at(SystemTime::UNIX_EPOCH),
                Some("nobody") => NewSession::with(Member::named("nobody")),
                _ => new("ann"),
            };
            session.create(new)?;
        }
        "/renew" => session.renew()?,
        _ => {}
    }
    let name = session.get().map(|member| member.name.clone());
    Ok(Response::new(format!("{} {:?}", name.as_deref().unwrap_or("-"), session.status())))
}

/// Somebody at an address, with a program that calls itself something, and a cookie.
#[derive(Clone)]
pub struct Browser {
    site: Site,
    pub address: Option<IpAddr>,
    pub agent: Option<&'static str>,
    pub cookie: Option<String>,
}

impl Browser {
    pub fn at(site: &Site, address: &str) -> Self {
        let address = Some(address.parse().unwrap());
        Self { site: site.clone(), address, agent: Some("Kit/1.0"), cookie: None }
    }

    pub async fn log_in(site: &Site) -> Self {
        let mut browser = Self::at(site, "192.0.2.7");
        let answer = browser.get("/log_in").await;
        assert_eq!(answer, (200, "ann Active".to_owned()));
        browser
    }

    /// Status and body.
    pub async fn get(&mut self, path: &str) -> (u16, String) {
        let response = self.ask(path).await;
        (response.status().as_u16(), response.into_body())
    }

    pub async fn status(&mut self, path: &str) -> u16 {
        self.ask(path).await.status().as_u16()
    }

    /// The same request from elsewhere, with the same cookie.
    pub async fn status_at(&mut self, address: &str, path: &str) -> u16 {
        let home = self.address.replace(address.parse().unwrap());
        let status = self.status(path).await;
        self.address = home;
        status
    }

    pub async fn ask(&mut self, path: &str) -> Response<String> {
        let mut request = Request::get(path);
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        if let Some(agent) = self.agent {
            request = request.header(USER_AGENT, agent);
        }
        if let Some(address) = self.address {
            request = request.extension(ConnectInfo(SocketAddr::new(address, 4_711)));
        }
        let response = self.site.serve(request.body(()).unwrap()).await;
        for line in response.headers().get_all(SET_COOKIE) {
            let pair = line.to_str().unwrap().split(';').next().unwrap();
            let removed = line.to_str().unwrap().contains("Max-Age=0");
            self.cookie = (!removed).then(|| pair.to_owned());
        }
        response
    }
}
