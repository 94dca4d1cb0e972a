//! What is logged, and what never is. One test, because lines are limited per process.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::unwrap_in_result,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::clone_on_ref_ptr,
    clippy::str_to_string,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]

mod support;

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, Response};
use sessile::StoreErrorKind;
use sessile::store::MemoryStore;
use sessile::testkit::{Faulty, Operation};
use support::{App, Member, count_visit, handler, look, ok};
use tower::{Layer, ServiceExt};

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

#[test]
fn c15_no_ticket_id_or_data_is_ever_logged_and_a_missing_or_second_layer_is_named_once() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let secrets = tracing::subscriber::with_default(subscriber, || {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
            let store = Faulty::new(MemoryStore::new());
            let app = App::new(store.clone());
            let mut alice = app.log_in("alice-the-secret").await;
            let mut secrets = vec![alice.ticket().unwrap().to_owned()];
            for operation in [Operation::Load, Operation::Replace] {
                store.fail_next(operation, StoreErrorKind::Unavailable);
                alice.visit(&count_visit()).await;
            }
            for _ in 0..100 {
                let cookie = ("cookie", "__Host-sid=forgedforgedforgedforgedforgedforgedforgedforged");
                app.send(&[cookie], &look()).await;
            }
            alice
                .visit(&handler(|session| async move {
                    let id = session.id().unwrap().to_string();
                    tracing::trace!(?session, meta = ?session.meta(), data = ?session.get(), "debug");
                    Response::new(id)
                }))
                .await
                .into_body()
                .clone_into(&mut secrets[0]);
            secrets.push(alice.ticket().unwrap().to_owned());
            let stolen = alice.clone();
            for minutes in [16, 0, 1] {
                app.clock.advance(Duration::from_secs(60 * minutes));
                alice.visit(&look()).await; // renewed, and used
            }
            stolen.clone().visit(&look()).await;
            secrets.push(stolen.ticket().unwrap().to_owned());
            let bare = sessile::RequireSession::<Member>::new()
                .layer(tower::service_fn(|_: Request<()>| async { Ok::<_, ()>(ok()) }));
            for _ in 0..100 {
                let refused = bare.clone().oneshot(Request::new(())).await.unwrap();
                assert_eq!(refused.status(), 500);
            }
            let twice = app.layer.layer(app.layer.layer(tower::service_fn(
                |_: Request<()>| async { Ok::<_, std::convert::Infallible>(ok()) },
            )));
            for _ in 0..100 {
                let refused = twice.clone().oneshot(Request::new(())).await.unwrap();
                assert_eq!(refused.status(), 500);
            }
            secrets
        })
    });
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("the session store is unavailable"), "{log}");
    for secret in secrets.iter().map(String::as_str).chain(["alice-the-secret", "forged"]) {
        assert!(!log.contains(secret), "{secret} was logged: {log}");
    }
    assert_eq!(log.matches("two parties hold it").count(), 1, "a theft alarm: {log}");
    for what in ["no session for", "two layers for sessions"] {
        let lines: Vec<_> = log.lines().filter(|line| line.contains(what)).collect();
        assert!((1..=3).contains(&lines.len()), "a hundred requests, one line a second: {lines:?}");
        assert!(lines[0].contains("SessionLayer<logs::support::Member>"), "{}", lines[0]);
    }
}
