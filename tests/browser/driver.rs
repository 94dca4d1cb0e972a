//! A real browser, driven through `WebDriver`.

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use data_encoding::BASE64;
use http::Method;
use http::header::CONTENT_TYPE;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::http_support::{request, send};

/// A browser of its own, closed when this is dropped.
pub(crate) struct Browser {
    driver: SocketAddr,
    session: String,
}

impl Browser {
    pub(crate) async fn open() -> Self {
        let url = env::var("TEST_WEBDRIVER_URL").unwrap_or_else(|_| {
            panic!(
                "TEST_WEBDRIVER_URL is not set: run `scripts/test`, or only this with \
                 `scripts/test run cargo test --test browser`"
            )
        });
        let driver = url.trim_start_matches("http://").trim_end_matches('/').parse();
        let driver = driver.expect("TEST_WEBDRIVER_URL is http://ADDRESS:PORT");
        let arguments = [
            "--headless=new",
            "--no-sandbox", // for root, as in a container
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--window-size=900,790",
        ];
        let options =
            json!({ "browserName": "chrome", "goog:chromeOptions": { "args": arguments } });
        let wanted = json!({ "capabilities": { "alwaysMatch": options } });
        let made = ask(driver, Method::POST, "/session", Some(wanted)).await;
        let session = made["sessionId"].as_str().expect("a session").to_owned();
        Self { driver, session }
    }

    pub(crate) async fn go(&self, address: SocketAddr, path: &str) {
        self.post("url", json!({ "url": format!("http://{address}{path}") })).await;
    }

    pub(crate) async fn reload(&self) {
        self.post("refresh", json!({})).await;
    }

    pub(crate) async fn path(&self, address: SocketAddr) -> String {
        let url = self.get("url").await.as_str().unwrap().to_owned();
        url.trim_start_matches(&format!("http://{address}")).to_owned()
    }

    pub(crate) async fn log_in(&self, name: &str) {
        self.fill("#name", name).await;
        self.click("button").await;
    }

    pub(crate) async fn fill(&self, selector: &str, text: &str) {
        let field = self.find(selector).await;
        self.post(&format!("element/{field}/value"), json!({ "text": text })).await;
    }

    /// Waits until the element says this.
    pub(crate) async fn wait_for(&self, selector: &str, text: &str) {
        let mut said = String::new();
        for _ in 0..200 {
            said = self.text(selector).await;
            if said == text {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{selector} says {said:?}, not {text:?}");
    }

    /// Clicks, and waits for the next page.
    pub(crate) async fn click(&self, selector: &str) {
        self.script("window.leaving = true").await;
        let element = self.find(selector).await;
        self.post(&format!("element/{element}/click"), json!({})).await;
        for _ in 0..100 {
            if self.script("return !window.leaving && document.readyState").await == "complete" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("clicking {selector} led nowhere");
    }

    pub(crate) async fn text(&self, selector: &str) -> String {
        let element = self.find(selector).await;
        self.get(&format!("element/{element}/text")).await.as_str().unwrap().to_owned()
    }

    pub(crate) async fn cookie(&self, name: &str) -> Option<Value> {
        let cookies = self.get("cookie").await;
        cookies.as_array().unwrap().iter().find(|cookie| cookie["name"] == name).cloned()
    }

    pub(crate) async fn script(&self, script: &str) -> Value {
        self.post("execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// A phone in this colour scheme.
    pub(crate) async fn emulate(&self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        let phone = json!({ "width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": true });
        for (command, parameters) in [
            ("Emulation.setEmulatedMedia", json!({ "features": features })),
            ("Emulation.setDeviceMetricsOverride", phone),
        ] {
            self.post("goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await;
        }
    }

    pub(crate) async fn take_picture_if_asked(&self) {
        if let Some(file) = env::var_os("TEST_SCREENSHOT") {
            let picture = self.get("screenshot").await;
            fs::write(file, BASE64.decode(picture.as_str().unwrap().as_bytes()).unwrap()).unwrap();
        }
    }

    async fn find(&self, selector: &str) -> String {
        let by = json!({ "using": "css selector", "value": selector });
        let found = self.post("element", by).await;
        let (_, id) = found.as_object().unwrap().iter().next().unwrap();
        id.as_str().unwrap().to_owned()
    }

    async fn get(&self, command: &str) -> Value {
        ask(self.driver, Method::GET, &format!("/session/{}/{command}", self.session), None).await
    }

    async fn post(&self, command: &str, body: Value) -> Value {
        let path = format!("/session/{}/{command}", self.session);
        ask(self.driver, Method::POST, &path, Some(body)).await
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let Ok(mut stream) = TcpStream::connect(self.driver) else { return };
        let (driver, session) = (self.driver, &self.session);
        let close = format!(
            "DELETE /session/{session} HTTP/1.1\r\nHost: {driver}\r\nConnection: close\r\n\r\n"
        );
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok();
        stream.write_all(close.as_bytes()).ok();
        stream.read_exact(&mut [0]).ok(); // the driver answers when it has closed it
    }
}

/// One `WebDriver` command; answers its `value`.
async fn ask(driver: SocketAddr, method: Method, path: &str, body: Option<Value>) -> Value {
    let mut command = request(method, path);
    if let Some(body) = body {
        command.headers_mut().insert(CONTENT_TYPE, "application/json".parse().unwrap());
        *command.body_mut() = Full::from(body.to_string());
    }
    let reply = send(driver, command).await;
    let mut answer: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(reply.status, 200, "{path}: {answer}");
    answer["value"].take()
}
