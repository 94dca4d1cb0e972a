//! Logging out under a lazy layer: the store is told to end the session and asked nothing else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::unwrap_in_result,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::str_to_string,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::Duration;

use http::header::{COOKIE, SET_COOKIE};
use http::{Request, Response};
use sessile::store::MemoryStore;
use sessile::testkit::{Faulty, Operation};
use sessile::{Error, ErrorKind, LazySession, Status, StoreErrorKind};
use support::{App, Heard, Member, Visitor, ignore, look};
use tower::{Layer, ServiceExt, service_fn};

const MINUTE: Duration = Duration::from_secs(60);

/// An application, and the same one with a lazy layer.
struct Site {
    app: App,
    store: Faulty<Member>,
}

type Page = fn(&LazySession<Member>) -> Result<(), Error>;

impl Site {
    fn new() -> Self {
        let store = Faulty::new(MemoryStore::new());
        Self { app: App::new(store.clone()), store }
    }

    /// A request with this cookie to a handler of an unloaded session, and the calls that load and
    /// that delete.
    async fn send(&self, headers: &[(&str, &str)], page: Page) -> (Response<String>, [u64; 2]) {
        let mut request = Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let service = self.app.layer.clone().lazy().layer(service_fn(
            move |request: Request<()>| async move {
                let session = LazySession::<Member>::of(&request).expect("a lazy layer");
                page(session).map(|()| Response::new(String::new()))
            },
        ));
        let before = self.store.calls();
        let response = service.oneshot(request.body(()).unwrap()).await.unwrap();
        let after = self.store.calls();
        let (loads, deletes) = (after.load - before.load, after.delete - before.delete);
        assert_eq!(after.total() - before.total(), loads + deletes, "other calls");
        (response, [loads, deletes])
    }

    async fn log_out(&self, visitor: &Visitor) -> (Response<String>, [u64; 2]) {
        self.send(&[(COOKIE.as_str(), visitor.cookie().unwrap())], log_out).await
    }

    fn heard(&self) -> &Heard {
        &self.app.heard
    }
}

fn log_out(session: &LazySession<Member>) -> Result<(), Error> {
    session.destroy()
}

fn is_cleared(response: &Response<String>) -> bool {
    let line = response.headers().get(SET_COOKIE).map(|line| line.to_str().unwrap().to_owned());
    line.is_some_and(|line| line.contains("Max-Age=0"))
}

#[tokio::test]
async fn r29_a_log_out_is_one_call_told_once_and_clears_the_ticket() {
    let site = Site::new();
    let alice = site.app.log_in("alice").await;
    let (response, calls) = site.log_out(&alice).await;
    assert_eq!((response.status().as_u16(), calls), (200, [0, 1]));
    assert!(is_cleared(&response));
    assert_eq!(site.heard().count("Destroyed"), 1);
    assert_eq!(alice.clone().member().await, None, "the old ticket is dead");

    let (response, calls) = site.log_out(&alice).await;
    assert_eq!((response.status().as_u16(), calls), (200, [0, 1]), "again");
    assert!(is_cleared(&response), "a dead ticket is cleared as ever");
    assert_eq!(site.heard().count("Ended"), 1, "but only the first ended anything");
}

#[tokio::test]
async fn c17_a_log_out_twice_in_one_request_is_one_delete() {
    let site = Site::new();
    let alice = site.app.log_in("alice").await;
    let twice: Page = |session| session.destroy().and_then(|()| session.destroy());
    let cookie = [(COOKIE.as_str(), alice.cookie().unwrap())];
    let (response, calls) = site.send(&cookie, twice).await;
    assert_eq!((is_cleared(&response), calls), (true, [0, 1]));
    assert_eq!(site.heard().count("Destroyed"), 1);
}

#[tokio::test]
async fn a_forged_ticket_and_none_at_all_call_no_store() {
    let site = Site::new();
    let alice = site.app.log_in("alice").await;
    let cookie = alice.cookie().unwrap();
    let forged = format!("{}AAAA", &cookie[..cookie.len() - 4]);
    site.heard().clear();
    let (response, calls) = site.send(&[(COOKIE.as_str(), &forged)], log_out).await;
    assert_eq!((response.status().as_u16(), calls), (200, [0, 0]));
    assert!(!response.headers().contains_key(SET_COOKIE), "as with an eager layer");
    assert_eq!(site.heard().all(), ["Rejected { reason: Forged, id: None, client: None }"]);
    let (response, calls) = site.send(&[], log_out).await;
    assert_eq!((response.status().as_u16(), calls), (200, [0, 0]));
    assert!(!response.headers().contains_key(SET_COOKIE));
    assert!(alice.clone().member().await.is_some(), "nobody was logged out");
}

#[tokio::test]
async fn a_log_out_in_the_background_clears_the_ticket_also_of_a_session_that_was_gone() {
    let site = Site::new();
    let (alice, bob) = (site.app.log_in("alice").await, site.app.log_in("bob").await);
    for (visitor, gone) in [(&alice, false), (&bob, true)] {
        if gone {
            visitor.clone().visit(&support::log_out()).await;
        }
        let headers = [("sec-fetch-dest", "empty"), (COOKIE.as_str(), visitor.cookie().unwrap())];
        let (response, calls) = site.send(&headers, log_out).await;
        assert_eq!((is_cleared(&response), calls), (true, [0, 1]), "gone: {gone}");
    }
}

#[tokio::test]
async fn an_outdated_ticket_ends_its_session_without_the_alarm() {
    let site = Site::new();
    let mut alice = site.app.log_in("alice").await;
    let stolen = alice.clone();
    site.app.clock.advance(16 * MINUTE);
    alice.visit(&ignore()).await; // is renewed
    assert_ne!(alice.cookie(), stolen.cookie());
    alice.visit(&look()).await; // is confirmed
    site.app.clock.advance(MINUTE);
    site.heard().clear();
    let (response, calls) = site.log_out(&stolen).await;
    assert_eq!((is_cleared(&response), calls), (true, [0, 1]));
    assert_eq!(site.heard().count("Destroyed"), 1);
    assert_eq!(site.heard().all().len(), 1);
    assert_eq!(alice.member().await, None, "the newer ticket is dead as well");
}

#[tokio::test]
async fn a_log_out_that_the_store_does_not_carry_out_is_a_503() {
    let site = Site::new();
    let alice = site.app.log_in("alice").await;
    site.store.fail_next(Operation::Delete, StoreErrorKind::Unavailable);
    let (response, calls) = site.log_out(&alice).await;
    assert_eq!((response.status().as_u16(), calls), (503, [0, 1]));
    assert!(!response.headers().contains_key(SET_COOKIE), "the client keeps its ticket");
    assert_eq!(site.heard().count("Ended"), 0);
    assert!(alice.clone().member().await.is_some());
    let (response, _) = site.log_out(&alice).await;
    assert!(is_cleared(&response), "the next attempt");
}

#[tokio::test]
async fn a_failed_handler_keeps_the_log_out() {
    let site = Site::new();
    let alice = site.app.log_in("alice").await;
    let failing = site.app.layer.clone().lazy().layer(service_fn(async |request: Request<()>| {
        LazySession::<Member>::of(&request).unwrap().destroy().unwrap();
        Err::<Response<String>, _>("the handler fails")
    }));
    let request = Request::builder().header(COOKIE, alice.cookie().unwrap()).body(()).unwrap();
    failing.oneshot(request).await.unwrap_err();
    assert_eq!(site.heard().count("Destroyed"), 1);
    assert_eq!(alice.clone().member().await, None);
}

#[tokio::test]
async fn r04_whoever_logs_in_after_it_in_the_same_request_replaces_the_session() {
    let site = Site::new();
    let alice = site.app.log_in("alice").await;
    let calls = site.store.calls();
    let service = site.app.layer.clone().lazy().layer(service_fn(async |request: Request<()>| {
        let lazy = LazySession::<Member>::of(&request).unwrap();
        lazy.destroy()?;
        let session = lazy.load().await?;
        assert_eq!((session.status(), session.id()), (Status::Ended, None));
        assert!(session.get().is_none());
        assert_eq!(session.update(|_| ()).unwrap_err().kind(), ErrorKind::NoSession);
        session.create(Member::named("bob"))?;
        Ok::<_, Error>(Response::new(String::new()))
    }));
    let request = Request::builder().header(COOKIE, alice.cookie().unwrap()).body(()).unwrap();
    let response = service.oneshot(request).await.unwrap();
    let mut bob = alice.clone();
    bob.keep(&response);
    let after = site.store.calls();
    assert_eq!((after.load - calls.load, after.writes() - calls.writes()), (0, 1));
    assert_eq!(site.heard().count("Replaced"), 1);
    assert_eq!(alice.clone().member().await, None);
    assert_eq!(bob.member().await.unwrap().name, "bob");
}

#[tokio::test]
async fn after_the_response_has_left_it_comes_too_late() {
    let site = Site::new();
    let alice = site.app.log_in("alice").await;
    let (kept, leak) = (std::sync::Mutex::new(None), |request: &Request<()>| {
        LazySession::<Member>::of(request).unwrap().clone()
    });
    let service = site.app.layer.clone().lazy().layer(service_fn(async |request: Request<()>| {
        *kept.lock().unwrap() = Some(leak(&request));
        Ok::<_, Error>(Response::new(String::new()))
    }));
    let request = Request::builder().header(COOKIE, alice.cookie().unwrap()).body(()).unwrap();
    service.oneshot(request).await.unwrap();
    let session = kept.lock().unwrap().take().unwrap();
    assert_eq!(session.destroy().unwrap_err().kind(), ErrorKind::Closed);
    assert!(alice.clone().member().await.is_some());
}

#[tokio::test]
async fn a_log_out_is_kept_when_the_login_after_it_fails() {
    for errs in [false, true] {
        let site = Site::new();
        let alice = site.app.log_in("alice").await;
        let failing =
            site.app.layer.clone().lazy().layer(service_fn(async |request: Request<()>| {
                let lazy = LazySession::<Member>::of(&request).unwrap();
                lazy.destroy().unwrap();
                lazy.load().await.unwrap().create(Member::named("bob")).unwrap();
                if errs {
                    return Err("the handler fails");
                }
                Ok(Response::builder().status(500).body(String::new()).unwrap())
            }));
        let request = Request::builder().header(COOKIE, alice.cookie().unwrap()).body(()).unwrap();
        match failing.oneshot(request).await {
            Ok(response) => assert!(is_cleared(&response) && !errs),
            Err(_) => assert!(errs),
        }
        assert_eq!(site.heard().count("Destroyed"), 1, "errs: {errs}");
        assert_eq!(alice.clone().member().await, None, "errs: {errs}");
    }
}
