//! `examples/demo`: log in, the counter, log out.

use crate::driver::Browser;
use crate::http_support::serve;

#[tokio::test]
async fn a_person_logs_in_sees_the_counter_grow_and_logs_out() {
    let (_program, address) = serve("demo");
    let browser = Browser::open().await;

    browser.go(address, "/").await;
    assert_eq!(browser.text("h1").await, "Log in");
    browser.log_in("Ada Lovelace").await;
    assert_eq!(browser.text("h1").await, "Welcome, Ada Lovelace!");
    assert_eq!(browser.path(address).await, "/profile");
    assert_eq!(browser.text("#visits").await, "1");
    for visits in ["2", "3", "4"] {
        browser.reload().await;
        assert_eq!(browser.text("#visits").await, visits);
    }

    let cookie = browser.cookie("sid").await.expect("the browser kept the cookie");
    assert_eq!(cookie["httpOnly"], true);
    assert_eq!(cookie["sameSite"], "Lax");
    assert_eq!(cookie["path"], "/");
    assert_eq!(cookie.get("expiry"), None, "until the browser closes");
    assert_eq!(browser.script("return document.cookie").await, "", "no script can read it");
    let handle = browser.text("#handle").await;
    assert!(handle.parse::<sessile::Id>().is_ok(), "{handle}");
    browser.take_picture_if_asked().await;

    browser.click("button").await;
    assert_eq!(browser.text("h1").await, "Log in");
    assert_eq!(browser.path(address).await, "/");
    assert_eq!(browser.cookie("sid").await, None, "the browser removed the cookie");
    browser.go(address, "/profile").await;
    assert_eq!(browser.text("[role=alert]").await, "Please log in first.");

    browser.log_in("Bob").await;
    assert_eq!(browser.text("#visits").await, "1", "another session from the start");
}

#[tokio::test]
async fn a_name_full_of_markup_is_shown_as_it_was_typed() {
    let (_program, address) = serve("demo");
    let browser = Browser::open().await;
    browser.go(address, "/").await;
    let name = r#"<img src=x onerror="hacked=1">&'"#;
    browser.log_in(name).await;
    assert_eq!(browser.text("#who").await, name);
    assert_eq!(browser.script("return typeof hacked").await, "undefined");
}

#[tokio::test]
async fn the_page_fits_a_phone_and_follows_the_colour_scheme() {
    let (_program, address) = serve("demo");
    let browser = Browser::open().await;
    let mut backgrounds = Vec::new();
    for scheme in ["light", "dark"] {
        browser.emulate(scheme).await;
        browser.go(address, "/").await;
        let colour = "return getComputedStyle(document.body).backgroundColor";
        backgrounds.push(browser.script(colour).await);
    }
    assert_ne!(backgrounds[0], backgrounds[1]);
    browser.log_in("Wolfeschlegelsteinhausenbergerdorff 1st").await;
    let overflow = "return document.documentElement.scrollWidth - window.innerWidth";
    let overflow = browser.script(overflow).await;
    assert!(overflow.as_i64().unwrap() <= 0, "{overflow} pixels too wide");
}
