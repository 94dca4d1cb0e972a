//! `examples/anchor.rs`: fastapi-anchor's routes on fastapi-anchor's table.

use std::net::SocketAddr;

use http::header::COOKIE;
use sessile::Id;
use sqlx::{Connection, PgConnection};

use crate::http_support::{Program, Visitor, get, send};
use crate::migrate_fastapi_sessions::python;
use crate::services::shared_url;

const SECRET: &str = "your-secret";

/// The table as fastapi-anchor creates it.
const ANCHORS: &str = "CREATE TABLE IF NOT EXISTS anchor_sessions (
    id uuid NOT NULL PRIMARY KEY, user_id varchar(255) NOT NULL,
    expires_at timestamptz NOT NULL, created_at timestamptz NOT NULL);
    CREATE INDEX IF NOT EXISTS ix_anchor_sessions_user_id ON anchor_sessions (user_id)";

/// A schema of its own with anchor's table in it, and the program on that.
async fn serve() -> (Program, SocketAddr, PgConnection) {
    let url = shared_url("TEST_POSTGRES_URL");
    let mut database = PgConnection::connect(&url).await.unwrap();
    let schema = format!("anchor_{}", Id::generate().unwrap().as_uuid().simple());
    let made = format!("CREATE SCHEMA {schema}; SET search_path = {schema}; {ANCHORS}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(made)).execute(&mut database).await.unwrap();
    let join = if url.contains('?') { '&' } else { '?' };
    let store = format!("{url}{join}options=-csearch_path%3D{schema}");
    let variables = [("SESSION_STORE", &*store), ("COOKIE_SECRET", SECRET)];
    let (program, address) = Program::serve("anchor", &[], &variables);
    (program, address, database)
}

async fn log_in(address: SocketAddr, user: &str) -> Visitor {
    let mut visitor = Visitor::new(address);
    let reply = visitor.post(&format!("/login?user_id={user}")).await;
    assert_eq!(reply.said(), (200, r#"{"ok":true}"#));
    let (name, _, attributes) = reply.set_cookie();
    assert_eq!(name, "session");
    assert_eq!(attributes, ["HttpOnly", "Max-Age=1209600", "Path=/", "SameSite=Lax"]);
    visitor
}

#[tokio::test]
async fn a1_a_logout_is_real() {
    let (_program, address, _) = serve().await;
    let mut ada = log_in(address, "ada").await;
    assert_eq!(ada.get("/me").await.said(), (200, r#"{"user_id":"ada"}"#));
    let mut replay = ada.clone();
    assert_eq!(ada.post("/logout").await.said(), (200, r#"{"ok":true}"#));
    assert_eq!(replay.get("/me").await.said(), (401, r#"{"detail":"Invalid session"}"#));
    assert_eq!(send(address, get("/me")).await.status, 403);
}

#[tokio::test]
async fn a2_a_row_that_anchor_wrote_is_a_session_and_ours_is_one_of_anchors() {
    let (_program, address, mut database) = serve().await;
    let mut ada = log_in(address, "ada").await;
    // What anchor selects, and what it would have written for this cookie.
    let anchors = "SELECT id, user_id, created_at FROM anchor_sessions WHERE expires_at > now()";
    let row = format!("CREATE TABLE kept AS {anchors}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(row)).execute(&mut database).await.unwrap();
    let again = "DELETE FROM anchor_sessions;
        INSERT INTO anchor_sessions (id, user_id, expires_at, created_at)
        SELECT id, 'ada@anchor', now() + interval '1 hour', created_at FROM kept";
    sqlx::raw_sql(again).execute(&mut database).await.unwrap();
    assert_eq!(ada.get("/me").await.said(), (200, r#"{"user_id":"ada@anchor"}"#));
    // Logged out by anchor: it deletes the row.
    sqlx::raw_sql("DELETE FROM anchor_sessions").execute(&mut database).await.unwrap();
    assert_eq!(ada.get("/me").await.said(), (401, r#"{"detail":"Invalid session"}"#));
}

#[tokio::test]
async fn a2_seed03_a_row_and_a_cookie_of_anchor_are_a_session() {
    let (_program, address, mut database) = serve().await;
    let id = Id::generate().unwrap().as_uuid();
    let row = format!(
        "INSERT INTO anchor_sessions (id, user_id, expires_at, created_at)
        VALUES ('{id}', 'ada', now() + interval '1 hour', now())"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(row)).execute(&mut database).await.unwrap();
    // The call by which anchor's `SessionCookie` makes the value.
    let dumps = format!(
        "import itsdangerous; print(itsdangerous.URLSafeTimedSerializer('{SECRET}', \
        salt='session').dumps('{}'))",
        id.simple()
    );
    let cookie = python(&["-c", &dumps]);
    let mut request = get("/me");
    request.headers_mut().insert(COOKIE, format!("session={}", cookie.trim()).parse().unwrap());
    assert_eq!(send(address, request).await.said(), (200, r#"{"user_id":"ada"}"#));
}

#[tokio::test]
async fn a3_an_expired_row_is_no_session_and_stays_dead() {
    let (_program, address, mut database) = serve().await;
    let ada = log_in(address, "ada").await;
    let expired = "UPDATE anchor_sessions SET expires_at = now() - interval '1 second'";
    sqlx::raw_sql(expired).execute(&mut database).await.unwrap();
    for _ in 0..2 {
        // A copy each time: the answer takes the cookie away.
        let reply = ada.clone().get("/me").await;
        assert_eq!(reply.said(), (401, r#"{"detail":"Invalid session"}"#));
    }
}

#[test]
fn without_a_server_or_a_secret_it_says_what_to_do() {
    let cases: [(&[_], _); 2] = [
        (&[("SESSION_STORE", "memory:"), ("COOKIE_SECRET", SECRET)], "postgres://"),
        (&[("SESSION_STORE", "postgres://127.0.0.1/a")], "COOKIE_SECRET is not set"),
    ];
    for (variables, remedy) in cases {
        let (status, errors) = Program::run("anchor", &[], variables).end();
        assert_eq!(status.code(), Some(1), "{errors}");
        assert!(errors.contains(remedy), "{errors}");
    }
}
