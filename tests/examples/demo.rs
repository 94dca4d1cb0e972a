//! `examples/demo`: the pages, without a browser. `tests/browser` has one.

use std::net::SocketAddr;
use std::process::Command;

use http::header::COOKIE;

use crate::http_support::{Program, Visitor, form, get, send, serve};

#[tokio::test]
async fn log_in_see_the_profile_count_visits_log_out() {
    let (_program, address) = serve("demo");
    let mut ada = Visitor::new(address);
    let home = ada.get("/").await;
    assert!(home.status == 200 && home.body.contains(r#"action="/login""#));
    assert!(home.set_cookies().is_empty(), "a visitor is no session");
    let reply = ada.send(form("/login", "name=++Ada+Lovelace+")).await;
    assert_eq!((reply.status, reply.location()), (303, Some("/profile")));
    let (name, _, attributes) = reply.set_cookie();
    assert_eq!((name, attributes), ("sid", vec!["HttpOnly", "Path=/", "SameSite=Lax"]));
    for visits in 1..=3 {
        let page = ada.get("/profile").await;
        assert_eq!(page.status, 200);
        assert!(page.body.contains(r#"<span id="who">Ada Lovelace</span>"#), "{}", page.body);
        assert_eq!(visits_on(&page.body), visits);
        assert_eq!(page.lines("cache-control"), ["private"]);
    }
    let home = ada.get("/").await;
    assert_eq!((home.status, home.location()), (303, Some("/profile")));
    let mut replay = ada.clone();
    let reply = ada.post("/logout").await;
    assert_eq!((reply.status, reply.location()), (303, Some("/")));
    assert_eq!(ada.cookie("sid"), None);
    let refused = replay.get("/profile").await;
    assert_eq!(refused.status, 401);
    assert!(refused.body.contains("Your session has ended"), "{}", refused.body);
}

#[tokio::test]
async fn the_page_shows_the_public_handle_and_never_the_ticket() {
    let (_program, address) = serve("demo");
    let mut ada = Visitor::new(address);
    ada.send(form("/login", "name=Ada")).await;
    let page = ada.get("/profile").await.body;
    let ticket = ada.cookie("sid").unwrap();
    let (_, rest) = page.split_once(r#"<code id="handle">"#).unwrap();
    let (handle, _) = rest.split_once('<').unwrap();
    assert!(handle.parse::<sessile::Id>().is_ok(), "{handle}");
    assert!(!page.contains(&ticket), "r15: the ticket never appears in a body");
    let as_ticket = format!("sid={handle}");
    let mut request = get("/profile");
    request.headers_mut().insert(COOKIE, as_ticket.parse().unwrap());
    assert_eq!(send(address, request).await.status, 401, "the handle opens nothing");
}

#[tokio::test]
async fn names_are_text_and_never_markup() {
    let (_program, address) = serve("demo");
    let mut mallory = Visitor::new(address);
    mallory.send(form("/login", "name=%3Cscript%3E%22%27%26%3C/script%3E")).await;
    let page = mallory.get("/profile").await.body;
    assert!(!page.contains("<script"), "{page}");
    assert!(page.contains("&lt;script&gt;&quot;&#39;&amp;&lt;/script&gt;"), "{page}");
}

#[tokio::test]
async fn what_it_prints_to_try_does_what_it_says() {
    let (program, _address) = serve("demo");
    let folder = std::env::temp_dir().join(format!("sessile-demo-curl-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut outputs = Vec::new();
    while outputs.len() < 4 {
        let line = program.line().unwrap();
        if line.trim_start().starts_with("curl ") {
            let output = Command::new("sh").args(["-c", &line]).current_dir(&folder).output();
            outputs.push(String::from_utf8(output.unwrap().stdout).unwrap());
        }
    }
    std::fs::remove_dir_all(folder).unwrap();
    let [login, profile, logout, after] = &*outputs else { unreachable!() };
    assert!(login.contains("303") && login.contains("set-cookie: sid="), "is curl there? {login}");
    assert!(profile.contains("Ada") && visits_on(profile) == 1, "{profile}");
    assert!(logout.contains("set-cookie: sid=;"), "{logout}");
    assert!(after.contains("401 Unauthorized"), "{after}");
}

#[tokio::test]
async fn names_that_are_empty_or_too_long_are_refused_with_400() {
    let (_program, address) = serve("demo");
    let (longest, longer) = ("ä".repeat(40), "ä".repeat(41));
    let encoded = |name: &str| format!("name={}", name.replace('ä', "%C3%A4"));
    for (name, status) in [
        (String::from("name="), 400),
        (String::from("name=+++"), 400),
        (encoded(&longer), 400),
        (encoded(&longest), 303),
    ] {
        let reply = send(address, form("/login", &name)).await;
        assert_eq!(reply.status, status, "{name}");
        assert_eq!(reply.set_cookies().len(), usize::from(status == 303), "{name}");
        assert!(status == 303 || reply.body.contains("1 to 40 characters"));
    }
}

#[tokio::test]
async fn the_profile_without_a_session_is_401_with_the_form() {
    let (_program, address) = serve("demo");
    for cookies in ["", "sid=garbage"] {
        let mut request = get("/profile");
        request.headers_mut().insert(COOKIE, cookies.parse().unwrap());
        let reply = send(address, request).await;
        assert_eq!(reply.status, 401);
        assert_eq!(reply.lines("content-type"), ["text/html; charset=utf-8"]);
        assert!(reply.body.contains("Please log in first") && reply.body.contains("<form"));
    }
}

#[tokio::test]
async fn visits_at_the_same_time_are_all_counted() {
    let (_program, address) = serve("demo");
    let mut ada = Visitor::new(address);
    ada.send(form("/login", "name=Ada")).await;
    let cookie = format!("sid={}", ada.cookie("sid").unwrap());
    let visits: Vec<_> = (0..32).map(|_| tokio::spawn(visit(address, cookie.clone()))).collect();
    for visit in visits {
        assert_eq!(visit.await.unwrap(), 200);
    }
    assert_eq!(visits_on(&ada.get("/profile").await.body), 33);
}

async fn visit(address: SocketAddr, cookie: String) -> u16 {
    let mut request = get("/profile");
    request.headers_mut().insert(COOKIE, cookie.parse().unwrap());
    send(address, request).await.status
}

fn visits_on(page: &str) -> u32 {
    let (_, rest) = page.split_once(r#"<strong id="visits">"#).unwrap();
    rest.split_once('<').unwrap().0.parse().unwrap()
}

#[tokio::test]
async fn sessions_survive_a_restart() {
    let folder = std::env::temp_dir().join(format!("sessile-demo-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let store = format!("sqlite:{}", folder.join("sessions.db").display());
    let variables = [("SESSION_STORE", store.as_str())];
    let (program, address) = Program::serve("demo", &[], &variables);
    let mut ada = Visitor::new(address);
    ada.send(form("/login", "name=Ada")).await;
    assert!(ada.get("/profile").await.body.contains(">1<"));
    drop(program); // killed, not asked to stop
    let (program, address) = Program::serve("demo", &[], &variables);
    let mut again = ada.at(address);
    let page = again.get("/profile").await;
    assert!(page.body.contains(">2<"), "{}", page.body);
    drop(program);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_store_that_cannot_be_opened_stops_the_program_with_a_remedy_and_without_the_password() {
    for (store, remedy) in [
        ("mongodb://ann:hunter2@localhost", "none of memory, sqlite, postgres"),
        ("hunter2", "begins with its kind"),
        ("memory:here", "`memory:`"),
        ("sqlite:no/such/folder/x.db", "folder"),
        ("redis://ann:hunter2@127.0.0.1:1", "check the address"),
    ] {
        let (status, errors) = Program::run("demo", &[], &[("SESSION_STORE", store)]).end();
        assert_eq!(status.code(), Some(1), "{store}: {errors}");
        assert!(errors.contains(remedy), "{store}: {errors}");
        assert!(!errors.contains("hunter2") && !errors.contains("panicked"), "{store}: {errors}");
    }
}
