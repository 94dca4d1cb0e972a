//! `examples/devices`: what one browser signs out, the other is told at once.

use std::net::SocketAddr;

use crate::driver::Browser;
use crate::http_support::serve;

async fn log_in(browser: &Browser, address: SocketAddr) {
    browser.go(address, "/").await;
    browser.fill("[name=name]", "Ada").await;
    browser.click("button").await;
    browser.wait_for("#state", "live").await;
}

#[tokio::test]
async fn a_page_that_is_signed_out_elsewhere_is_told_without_a_reload() {
    let (_program, address) = serve("devices");
    let (desk, phone) = (Browser::open().await, Browser::open().await);
    log_in(&phone, address).await;
    log_in(&desk, address).await;
    assert_eq!(desk.text("h1").await, "Ada, you are logged in here");

    desk.click("#others").await;
    phone.wait_for("#state", "signed out: your session has ended").await;
    desk.wait_for("#state", "live").await;
    phone.reload().await;
    assert_eq!(phone.text("h1").await, "Log in");
}
