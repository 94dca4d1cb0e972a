//! A contender prepared for one scenario.

use std::hint::black_box;
use std::time::{Duration, Instant};

use http::HeaderValue;
use http::header::{COOKIE, SET_COOKIE};

use crate::contender::{Contender, Request, Response, Subject};
use crate::data::{Member, saw, seen};
use crate::kind::Kind;
use crate::scenario::Scenario;

/// A contender with a live session, ready to serve requests of one scenario.
pub struct Workload {
    kind: Kind,
    scenario: Scenario,
    contender: Box<dyn Contender>,
    subject: Box<dyn Subject>,
    cookies: Cookies,
}

enum Cookies {
    None,
    Same(HeaderValue),
    /// One for each request, as it ends the session.
    Fresh(Vec<HeaderValue>),
}

/// Another entry in the extensions, as a router leaves there.
#[derive(Clone)]
struct Routed(#[expect(dead_code, reason = "it only takes its place")] &'static str);

/// As many requests are timed before a store that they fill is replaced by an empty one.
const BATCH: u64 = 10_000;

impl Workload {
    pub fn new(kind: Kind, scenario: Scenario) -> Self {
        let contender = kind.build();
        let subject = contender.subject(scenario);
        let cookies = match scenario {
            Scenario::A | Scenario::E => Cookies::None,
            Scenario::B | Scenario::C | Scenario::D => Cookies::Same(header(&contender.log_in())),
            Scenario::B4 => Cookies::Same(header(&among_others(&contender.log_in()))),
            Scenario::F => Cookies::Fresh(Vec::new()),
            Scenario::G => Cookies::Same(header(&forged(&contender.log_in()))),
        };
        Self { kind, scenario, contender, subject, cookies }
    }

    /// Prepares what so many requests will use up.
    pub fn stock(&mut self, rounds: u64) {
        let contender = &self.contender;
        if let Cookies::Fresh(stock) = &mut self.cookies {
            let missing = rounds.saturating_sub(stock.len() as u64);
            stock.extend((0..missing).map(|_| header(&contender.log_in())));
        }
    }

    /// One request: built, served, answered.
    #[inline]
    pub fn round(&mut self) -> Response {
        let cookie = match &mut self.cookies {
            Cookies::None => None,
            Cookies::Same(cookie) => Some(cookie.clone()),
            Cookies::Fresh(stock) => Some(stock.pop().expect("stocked")),
        };
        self.subject.answer(request(cookie))
    }

    /// The time that so many requests take, without what prepares them.
    pub fn time(&mut self, rounds: u64) -> Duration {
        let mut total = Duration::ZERO;
        let mut left = rounds;
        while left > 0 {
            let batch = left.min(BATCH);
            left -= batch;
            if self.fills_the_store() {
                *self = Self::new(self.kind, self.scenario);
            }
            self.stock(batch);
            let start = Instant::now();
            for _ in 0..batch {
                drop(black_box(self.round()));
            }
            total += start.elapsed();
        }
        total
    }

    fn fills_the_store(&self) -> bool {
        match self.scenario {
            Scenario::E => true,
            Scenario::A | Scenario::G => self.kind.keeps_strangers(),
            _ => false,
        }
    }
}

/// Makes sure that every scenario does what it says.
///
/// # Panics
/// If one does not.
pub fn check(kind: Kind) {
    let check = |holds: bool, what: &str| assert!(holds, "{kind}: {what}");
    let expected = Member::sample().user_id;

    let mut stranger = Workload::new(kind, Scenario::A);
    let sets_cookie = stranger.round().headers().contains_key(SET_COOKIE);
    check(sets_cookie == kind.keeps_strangers(), "A leaves strangers alone");

    for scenario in [Scenario::B, Scenario::B4] {
        let mut hit = Workload::new(kind, scenario);
        check(hit.round().status().is_success(), "B is served");
        hit.subject = hit.contender.subject(Scenario::C);
        hit.round();
        check(seen() == expected, "B has a live session");
    }

    let mut counting = Workload::new(kind, Scenario::D);
    for step in 1..=3 {
        counting.round();
        check(seen() == expected + step, "D counts");
    }
    counting.subject = counting.contender.subject(Scenario::C);
    counting.round();
    check(seen() == expected + 3, "D is kept and C reads it");

    let mut login = Workload::new(kind, Scenario::E);
    let cookie = crate::contender::issued(&login.round()).expect("E sets a cookie");
    login.cookies = Cookies::Same(header(&cookie));
    login.subject = login.contender.subject(Scenario::C);
    login.round();
    check(seen() == expected, "E creates a session");

    let mut logout = Workload::new(kind, Scenario::F);
    let cookie = header(&logout.contender.log_in());
    logout.cookies = Cookies::Fresh(vec![cookie.clone()]);
    check(logout.round().headers().contains_key(SET_COOKIE), "F removes the cookie");
    logout.cookies = Cookies::Same(cookie);
    logout.subject = logout.contender.subject(Scenario::C);
    saw(None);
    let served = logout.round().status().is_success();
    check(seen() == 0 && served != kind.is_guarded(), "F ends the session");

    let mut forger = Workload::new(kind, Scenario::G);
    check(forger.round().status().is_success(), "G is served");
    check(seen() == 0, "G does not get the value");
}

/// A request as the scenarios send it.
#[inline]
pub fn request(cookie: Option<HeaderValue>) -> Request {
    let mut request = Request::default();
    request.extensions_mut().insert(Routed("/"));
    if let Some(cookie) = cookie {
        request.headers_mut().insert(COOKIE, cookie);
    }
    request
}

/// The value of a Cookie header.
pub fn header(cookies: &str) -> HeaderValue {
    cookies.parse().expect("visible characters")
}

fn among_others(cookie: &str) -> String {
    format!("_ga=GA1.1.1234567890.1700000000; theme=dark; csrftoken=4dVtYkGvNfW8aVbQ; {cookie}")
}

/// The cookie with one character of its value changed.
fn forged(cookie: &str) -> String {
    let at = cookie.find('=').expect("name=value") + 6;
    let other = if cookie.as_bytes()[at] == b'a' { "b" } else { "a" };
    format!("{}{other}{}", &cookie[..at], &cookie[at + 1..])
}
