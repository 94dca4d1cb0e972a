//! What all competitors have in common.

use std::sync::Arc;

use http::HeaderValue;
pub use sessile_benches::contender::{Request, Response, SharedService, issued, ok, untouched};
pub use sessile_benches::workload::{header, request};
use tower::ServiceExt as _;

use crate::scenario::{Cookies, Scenario};

/// A way to have sessions, with its store on some engine.
pub struct Contender {
    pub name: &'static str,
    sessions: Arc<dyn Sessions>,
}

/// What each library does in its own way.
pub(crate) trait Sessions: Send + Sync {
    /// The service around the handler that does what the scenario says. All of one library share
    /// its store.
    fn service(&self, scenario: Scenario) -> SharedService;
}

impl Contender {
    pub(crate) fn new(name: &'static str, sessions: impl Sessions + 'static) -> Self {
        Self { name, sessions: Arc::new(sessions) }
    }

    pub fn service(&self, scenario: Scenario) -> SharedService {
        self.sessions.service(scenario)
    }

    /// Logs in and answers the Cookie header of the client from then on.
    ///
    /// # Panics
    /// If there is no session cookie in the answer.
    pub async fn log_in(&self) -> HeaderValue {
        header(&self.new_cookie().await)
    }

    /// What so many requests of a client send, one after another.
    pub async fn supply(&self, scenario: Scenario, requests: usize) -> Supply {
        match scenario.cookies() {
            Cookies::None => Supply::Same(None),
            Cookies::Valid => Supply::Same(Some(self.log_in().await)),
            Cookies::Forged => Supply::Same(Some(header(&forged(&self.new_cookie().await)))),
            Cookies::Fresh => {
                let mut stock = Vec::with_capacity(requests);
                for _ in 0..requests {
                    stock.push(self.log_in().await);
                }
                Supply::Each(stock)
            }
        }
    }

    async fn new_cookie(&self) -> String {
        let response = self.service(Scenario::E).oneshot(request(None)).await;
        let Ok(response) = response;
        issued(&response).unwrap_or_else(|| panic!("{}: no cookie at log in", self.name))
    }
}

/// The cookies of one client.
pub enum Supply {
    Same(Option<HeaderValue>),
    Each(Vec<HeaderValue>),
}

impl Supply {
    /// The next request, if there is one.
    pub fn next_request(&mut self) -> Option<Request> {
        match self {
            Self::Same(cookie) => Some(request(cookie.clone())),
            Self::Each(stock) => Some(request(Some(stock.pop()?))),
        }
    }
}

/// The cookie with one character of its value changed.
fn forged(cookie: &str) -> String {
    let at = cookie.find('=').expect("name=value") + 6;
    let other = if cookie.as_bytes()[at] == b'a' { "b" } else { "a" };
    format!("{}{other}{}", &cookie[..at], &cookie[at + 1..])
}
