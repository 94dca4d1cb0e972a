//! Cookies as fastapi-sessions and fastapi-anchor wrote them, judged and written by a layer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::Response;
use http::header::SET_COOKIE;
use serde_json::Value;
use sessile::codec::FastapiSessions;
use sessile::store::{Admission, MemoryStore, Store};
use sessile::testkit::SimulatedClock;
use sessile::transport::Cookie;
use sessile::{Id, Meta, Record, SessionLayer};
use support::{App, Handler, Heard, Member, handler, key, look, ok};

const DAY: Duration = Duration::from_secs(86_400);

fn vectors() -> Value {
    serde_json::from_str(include_str!("vectors/fastapi-sessions.json")).unwrap()
}

fn text<'v>(vector: &'v Value, name: &str) -> &'v str {
    vector[name].as_str().unwrap()
}

/// A site with the settings of a vector, at its time.
fn site(vector: &Value, store: Arc<MemoryStore<Member>>) -> App {
    let secrets: Vec<_> = match &vector["secret"] {
        Value::Array(all) => all.iter().map(|one| one.as_str().unwrap()).collect(),
        one => vec![one.as_str().unwrap()],
    };
    let (newest, older) = secrets.split_last().unwrap();
    let codec = FastapiSessions::new(*newest)
        .max_age(Duration::from_secs(vector["max_age"].as_u64().unwrap()));
    let codec = older.iter().fold(codec, |codec, secret| codec.also_accept(*secret));
    let now = Duration::from_secs(vector["now"].as_u64().unwrap());
    let clock = SimulatedClock::starting_at(SystemTime::UNIX_EPOCH + now);
    let heard = Heard::default();
    let layer = SessionLayer::new(store, key())
        .transport_with(Cookie::named(text(vector, "cookie_name").to_owned()), codec)
        .clock(clock.clone())
        .observer(heard.observer());
    App { layer, clock, heard }
}

/// Keeps a session under this id, as the other system did.
async fn keep(id: Id, store: &Arc<MemoryStore<Member>>, app: &App) {
    let now = app.clock.timestamp();
    let record = Record::new(Meta::new(now, DAY, DAY), Member::named("alice"));
    store.create(id, Arc::new(record), Admission::OPEN, now).await.unwrap();
}

async fn visit(vector: &Value, app: &App, handle: &Handler) -> Response<String> {
    let line = format!("{}={}", text(vector, "cookie_name"), text(vector, "token"));
    app.send(&[("cookie", line.as_str())], handle).await
}

/// The status of the session that a handler finds.
fn status() -> Handler {
    handler(|session| async move {
        let name = session.get().map(|member| member.name.clone());
        Response::new(format!("{} {:?}", name.as_deref().unwrap_or("-"), session.status()))
    })
}

#[tokio::test]
async fn s03_b04_b05_b06_every_vector_is_judged_as_it_says() {
    let vectors = vectors();
    for vector in vectors["valid"].as_array().unwrap() {
        let store = Arc::new(MemoryStore::new());
        let app = site(vector, Arc::clone(&store));
        let name = text(vector, "id");
        if name == "ok-14" {
            // The nil UUID, which compresses, names nobody's session here (C16).
            assert_eq!(visit(vector, &app, &status()).await.body(), "- Rejected(Malformed)");
            continue;
        }
        assert_eq!(visit(vector, &app, &status()).await.body(), "- Rejected(Gone)", "{name}");
        keep(text(vector, "uuid").parse().unwrap(), &store, &app).await;
        assert_eq!(visit(vector, &app, &status()).await.body(), "alice Active", "{name}");
    }
    for kind in ["invalid", "accepted_by_upstream_but_not_canonical"] {
        for vector in vectors[kind].as_array().unwrap() {
            let app = site(vector, Arc::default());
            let answer = visit(vector, &app, &status()).await;
            let refused = ["- Rejected(Malformed)", "- Rejected(Forged)", "- Rejected(Expired)"];
            assert!(refused.contains(&answer.body().as_str()), "{vector}: {}", answer.body());
            assert_eq!(app.heard.count("Gone"), 0, "{vector}: no store was asked");
        }
    }
}

#[tokio::test]
async fn s03_what_is_written_is_what_fastapi_sessions_writes() {
    let vectors = vectors();
    let vector = &vectors["valid"][0];
    let store = Arc::new(MemoryStore::new());
    let app = site(vector, Arc::clone(&store));
    keep(text(vector, "uuid").parse().unwrap(), &store, &app).await;
    let renew = handler(|session| async move {
        session.renew().unwrap();
        ok()
    });
    let answer = visit(vector, &app, &renew).await;
    let line = answer.headers()[SET_COOKIE].to_str().unwrap();
    let expected = format!("{}={};", text(vector, "cookie_name"), text(vector, "token"));
    assert!(line.starts_with(&expected), "{line}");
    assert!(!visit(vector, &app, &look()).await.headers().contains_key(SET_COOKIE));
}
