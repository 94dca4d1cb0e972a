//! What is logged of a forged request. Alone in its process: there is one line a second for all.

#![allow(clippy::unwrap_used, clippy::unwrap_in_result, reason = "a test fails by panicking")]

use std::convert::Infallible;
use std::io::Write;
use std::sync::{Arc, Mutex};

use http::header::{HOST, ORIGIN};
use http::{Request, Response};
use sessile::csrf::RefuseCrossSite;
use tower::{Layer, ServiceExt, service_fn};

/// Collects what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn r51_c15_a_violation_is_a_log_line_that_holds_nothing_the_sender_wrote() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let service = RefuseCrossSite::new().report_only().layer(service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(Response::new(String::new()))
    }));
    let text = || String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let request = Request::post("/secret?token=x")
        .header(ORIGIN, "https://evil.example")
        .header(HOST, "app.example");
    service.oneshot(request.body(()).unwrap()).await.unwrap();
    let text = text();
    assert!(text.contains("foreign_origin") && text.contains("refused=false"), "{text}");
    assert!(text.contains("`.trust` its origin"), "{text}");
    assert!(
        !text.contains("evil") && !text.contains("secret") && !text.contains("token=x"),
        "{text}"
    );
}
