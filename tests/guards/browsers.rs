//! Browsers are sent to the page that helps, and from there to nowhere but back.

use axum::Router;
use axum::routing::{any, post};
use http::Request;
use http::header::{ACCEPT, COOKIE, LOCATION};
use sessile::guard::{Attempt, Guard, RequireLayer, assurance, has_role};
use sessile::{Assurance, Denied, Error, Permitted, Refusals, RequireSession, ReturnTo, Session};

use crate::{Holder, User, send, users};

#[tokio::test]
async fn r35_browsers_are_sent_to_the_page_that_helps_and_programs_are_told() {
    let pages = Refusals::problem().login_page("/login").step_up_page("/confirm");
    let holder = Holder::of(users().refusals(pages), User::of(&["user"], &[])).await;
    let inner = Router::new()
        .route("/page", any(|| async {}).layer(RequireSession::<User>::new()))
        .route(
            "/delicate",
            any(|| async {}).layer(RequireLayer::<User>::new(assurance(Assurance::Aal2))),
        )
        .route("/permitted", any(|_: Permitted<User, Delicate>| async {}))
        .route("/admin", any(|| async {}).layer(RequireLayer::<User>::new(has_role("admin"))));
    let app = Router::new().nest("/app", inner).layer(holder.layer.clone());
    let html = "text/html,application/xhtml+xml,*/*;q=0.8";
    let mine = holder.cookie.to_str().unwrap();
    for (name, method, path, accept, cookies, status, location) in [
        (
            "no session",
            "GET",
            "/app/page?a=1&b=2",
            html,
            "",
            303,
            "/login?next=/app/page%3Fa%3D1%26b%3D2",
        ),
        ("a dead one", "GET", "/app/page", html, "__Host-sid=bad", 303, "/login?next=/app/page"),
        ("a form", "POST", "/app/page", html, "", 303, "/login"),
        ("a program", "GET", "/app/page", "application/json", "", 401, ""),
        ("step-up", "GET", "/app/delicate", html, mine, 303, "/confirm?next=/app/delicate"),
        (
            "step-up by an extractor",
            "GET",
            "/app/permitted",
            html,
            mine,
            303,
            "/confirm?next=/app/permitted",
        ),
        ("step-up of a program", "GET", "/app/delicate", "*/*", mine, 401, ""),
        (
            "step-up without a session",
            "GET",
            "/app/delicate",
            html,
            "",
            303,
            "/login?next=/app/delicate",
        ),
        ("forbidden", "GET", "/app/admin", html, mine, 403, ""),
    ] {
        let request = Request::builder().method(method).uri(path).header(ACCEPT, accept);
        let response = send(&app, request.header(COOKIE, cookies)).await;
        assert_eq!(response.status(), status, "{name}");
        let there = response.headers().get(LOCATION).map_or("", |to| to.to_str().unwrap());
        assert_eq!(there, location, "{name}");
    }
}

#[tokio::test]
async fn r35_nobody_is_sent_round_and_round() {
    let pages = || Refusals::problem().login_page("/login?lang=en").step_up_page("/confirm");
    let holder = Holder::of(users().refusals(pages()), User::of(&["user"], &[])).await;
    let cookie = holder.cookie.to_str().unwrap();
    let closed = || {
        Router::new()
            .route("/page", any(|| async {}))
            .route("/login", any(|| async {}))
            .route("/confirm", any(|| async {}))
    };
    let members = RequireSession::<User>::new();
    for (name, guarded, cookies, asked, hops, status) in [
        ("an open page", closed().layer(members.clone().open("/login")), "", "/page", 1, 200),
        ("a closed one", closed().layer(members.clone()), "", "/page?a=1", 1, 401),
        ("from the start", closed().layer(members.clone()), "", "/login?next=/page", 0, 401),
        ("only posts are open", closed().layer(members.open("POST /login")), "", "/page", 1, 401),
        (
            "a page that asks for what it gives",
            closed().layer(RequireLayer::<User>::new(assurance(Assurance::Aal2))),
            cookie,
            "/page",
            1,
            401,
        ),
        (
            "both closed",
            closed().layer(RequireLayer::<User>::new(assurance(Assurance::Aal2))),
            "",
            "/confirm",
            1,
            401,
        ),
    ] {
        let app = guarded.layer(holder.layer.clone());
        let (mut path, mut followed) = (asked.to_owned(), 0);
        let answer = loop {
            let visit = Request::get(&path).header(ACCEPT, "text/html").header(COOKIE, cookies);
            let answer = send(&app, visit).await;
            let Some(there) = answer.headers().get(LOCATION) else { break answer };
            path = there.to_str().unwrap().to_owned();
            followed += 1;
            assert!(followed < 10, "{name}: for ever, at last to {path}");
        };
        assert_eq!((followed, answer.status().as_u16()), (hops, status), "{name}: {path}");
    }
}

/// A rule that needs a better log-in.
#[derive(Default)]
struct Delicate;

impl Guard<User> for Delicate {
    fn check(&self, attempt: &Attempt<'_, User>) -> Result<(), Denied> {
        assurance(Assurance::Aal2).check(attempt)
    }
}

#[tokio::test]
async fn no_way_back_leads_to_another_site() {
    let login = |axum::extract::RawQuery(query): axum::extract::RawQuery,
                 session: Session<User>| async move {
        session.create(User::of(&["user"], &[]))?;
        let to = ReturnTo::from_query(query.as_deref());
        let to = to.as_ref().map_or("/", ReturnTo::as_str);
        Ok::<_, Error>(axum::response::Redirect::to(to))
    };
    let app = Router::new()
        .route("/login", post(login))
        .fallback(any(|| async { "page" }).layer(RequireSession::<User>::new()))
        .layer(users().refusals(Refusals::problem().login_page("/login")));
    // What a visitor asks for, and where they are after the log-in.
    for (asked, back) in [
        ("/invoices?page=2", "/invoices?page=2"),
        ("//evil.example", "/"),
        ("//evil.example/%2e%2e", "/"),
        ("/%2Fevil.example", "/"),
        ("/%5Cevil.example", "/"),
        ("/%09/evil.example", "/"),
        ("/%0d%0aset-cookie:%20a=b", "/"),
    ] {
        let uri = http::Uri::builder().path_and_query(asked).build().unwrap();
        let visit = send(&app, Request::get(uri).header(ACCEPT, "text/html")).await;
        assert_eq!(visit.status(), 303, "{asked}");
        let page = visit.headers()[LOCATION].to_str().unwrap().to_owned();
        assert!(page.starts_with("/login"), "{asked}: {page}");
        let login = send(&app, Request::post(&page)).await;
        assert_eq!(login.headers()[LOCATION], back, "{asked}");
    }
    // What an attacker's link says.
    for next in [
        "//evil",
        "%2F%2Fevil",
        "%5C%5Cevil",
        "/%5Cevil",
        "/%255Cevil",
        "/%252Fevil",
        "https://evil",
        "javascript:alert(1)",
        "/%09/evil",
        "/%0A/evil",
        "%09//evil",
        "evil",
        "@evil",
        "",
        "/%00",
    ] {
        let login = send(&app, Request::post(format!("/login?next={next}"))).await;
        assert_eq!(login.headers()[LOCATION], "/", "{next}");
    }
}
