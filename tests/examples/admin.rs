//! `examples/admin.rs`: members and administrators, and a deletion that wants a fresh log-in.

use std::net::SocketAddr;
use std::time::Duration;

use http::header::{ACCEPT, HeaderValue};
use http::{Method, Request};
use http_body_util::Full;
use tokio::time::sleep;

use crate::http_support::{Program, Visitor, form, get, request, serve};

const PROOF: &str = "password=open+sesame";

#[tokio::test]
async fn seed15_members_and_administrators_are_told_apart() {
    let (_program, address) = serve("admin");
    let mut browser = Visitor::new(address);
    assert_eq!(browser.post("/log_in/bob").await.said(), (200, "welcome"));
    assert_eq!(browser.get("/profile").await.said(), (200, r#"{"name":"bob"}"#));
    assert_eq!(browser.get("/admin/accounts").await.status, 401, "a member is no administrator");
    let wrong = browser.send(form("/admin/log_in", "password=guess")).await;
    assert_eq!((wrong.status, wrong.set_cookies().len()), (403, 0));
    browser.send(form("/admin/log_in", PROOF)).await;
    assert_eq!(browser.get("/admin/accounts").await.status, 200);
    assert_eq!(browser.get("/profile").await.status, 200, "and is both at once");
}

#[tokio::test]
async fn a_fresh_administrator_deletes_an_account_and_whoever_is_logged_in_to_it() {
    let (_program, address) = serve("admin");
    let mut eve = Visitor::new(address);
    eve.post("/log_in/eve").await;
    let mut root = administrator(address).await;
    assert_eq!(root.send(request(Method::DELETE, "/admin/accounts/eve")).await.status, 204);
    assert_eq!(eve.get("/profile").await.status, 401);
    assert_eq!(eve.post("/log_in/eve").await.status, 404);
    assert!(!root.get("/admin/accounts").await.body.contains("eve"));
}

#[tokio::test]
async fn r35_p6_a_stale_log_in_steps_up_by_a_page_or_by_a_challenge() {
    let (_program, address) = Program::serve("admin", &[], &[("FRESH_SECONDS", "2")]);
    let mut root = administrator(address).await;
    sleep(Duration::from_secs(3)).await;
    assert_eq!(root.get("/admin/accounts").await.status, 200, "reading is not delicate");

    let refused = root.send(request(Method::DELETE, "/admin/accounts/eve")).await;
    assert_eq!(refused.status, 401);
    assert!(refused.body.contains(r#""kind":"step_up""#), "{}", refused.body);
    let challenge = refused.lines("www-authenticate").concat();
    assert!(challenge.contains("insufficient_user_authentication"), "{challenge}");
    assert!(challenge.contains(r#"max_age="2""#), "{challenge}");

    let away = root.send(page("/admin/accounts/eve/delete")).await;
    let confirm = "/admin/confirm?next=/admin/accounts/eve/delete";
    assert_eq!((away.status, away.location()), (303, Some(confirm)));
    assert_eq!(root.send(page(confirm)).await.status, 200, "asks for the password");
    // As often as it takes: on a busy machine two seconds may be over before the next request.
    for _ in 0..20 {
        let before = root.cookie("admin");
        let back = root.send(form(confirm, PROOF)).await;
        assert_eq!((back.status, back.location()), (303, Some("/admin/accounts/eve/delete")));
        assert_ne!(root.cookie("admin"), before, "r4: another session");
        if root.send(form("/admin/accounts/eve/delete", "")).await.location()
            == Some("/admin/accounts")
        {
            assert!(!root.get("/admin/accounts").await.body.contains("eve"));
            return;
        }
    }
    panic!("a log-in of a moment ago was never fresh");
}

#[tokio::test]
async fn a_browser_without_a_session_logs_in_and_goes_nowhere_but_back() {
    let (_program, address) = serve("admin");
    let mut browser = Visitor::new(address);
    let away = browser.send(page("/admin/accounts?page=2")).await;
    let log_in = "/admin/log_in?next=/admin/accounts%3Fpage%3D2";
    assert_eq!((away.status, away.location()), (303, Some(log_in)));
    let confirm = browser.send(page("/admin/confirm")).await;
    assert_eq!(confirm.location(), Some("/admin/log_in?next=/admin/confirm"), "it is no way in");
    let back = browser.send(form(log_in, PROOF)).await;
    assert_eq!(back.location(), Some("/admin/accounts?page=2"));
    for next in ["//evil.example", "/%5Cevil.example", "%2F%2Fevil.example", "https://evil.example"]
    {
        let back = browser.send(form(&format!("/admin/log_in?next={next}"), PROOF)).await;
        assert_eq!(back.location(), Some("/admin/accounts"), "{next}");
    }
}

#[test]
fn a_time_that_is_none_is_an_error() {
    for bad in ["0", "soon"] {
        let (status, errors) = Program::run("admin", &[], &[("FRESH_SECONDS", bad)]).end();
        assert_eq!(status.code(), Some(1), "{bad}: {errors}");
        assert!(!errors.contains("panicked"), "{bad}: {errors}");
    }
}

/// A browser on its way to a page.
fn page(path: &str) -> Request<Full<bytes::Bytes>> {
    let mut request = get(path);
    let html = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static(html));
    request
}

async fn administrator(address: SocketAddr) -> Visitor {
    let mut visitor = Visitor::new(address);
    assert_eq!(visitor.send(form("/admin/log_in", PROOF)).await.status, 303);
    visitor
}
