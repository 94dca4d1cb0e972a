//! `examples/migrate_fastapi_sessions`: one cookie jar for the example and for a real process of
//! fastapi-sessions 0.3.2.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use crate::http_support::{Program, Reply, Visitor};

const EXAMPLE: &str = "migrate_fastapi_sessions";
const SECRET: &str = "DONOTUSE";
const GONE: (u16, &str) = (403, r#"{"detail":"invalid session"}"#);
const INVALID: (u16, &str) = (401, r#"{"detail":"Invalid session provided"}"#);

/// What runs Python with fastapi-sessions. It installs what is missing, or says how to.
fn python_side() -> Command {
    let mut command = Command::new("bash");
    command.arg(format!("{}/examples/{EXAMPLE}/python-side", env!("CARGO_MANIFEST_DIR")));
    command
}

/// What Python says to these arguments.
pub(crate) fn python(arguments: &[&str]) -> String {
    let output = python_side().args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A database file, which goes when this does.
struct File(PathBuf);

impl File {
    fn new() -> Self {
        let folder = format!("sessile-migrate-{}", sessile::Id::generate().unwrap());
        let folder = std::env::temp_dir().join(folder);
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn url(&self) -> String {
        format!("sqlite:{}", self.0.join("sessions.db").display())
    }

    fn rust(&self, phase: &str) -> (Program, SocketAddr) {
        let url = self.url();
        let half = || sessile::Id::generate().unwrap().as_uuid().simple();
        let key = format!("{}{}", half(), half());
        let variables =
            [("SESSION_STORE", &*url), ("COOKIE_SECRET", SECRET), ("SESSION_KEY", &key)];
        Program::serve(EXAMPLE, &[phase], &variables)
    }

    fn python(&self) -> Program {
        python(&["-c", ""]); // the packages may take longer than a program that serves
        let url = self.url();
        Program::start(python_side(), &[], &[("SESSION_STORE", &url), ("COOKIE_SECRET", SECRET)])
    }
}

impl Drop for File {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// A visitor to whom this side gave a session.
async fn created(side: SocketAddr, name: &str) -> Visitor {
    let mut visitor = Visitor::new(side);
    let reply = visitor.post(&format!("/create_session/{name}")).await;
    assert_eq!(reply.said(), (200, &*format!(r#""created session for {name}""#)));
    visitor
}

fn assert_is(reply: &Reply, name: &str, visits: u32) {
    let body = format!(r#"{{"username":"{name}","visits":{visits}}}"#);
    assert_eq!(reply.said(), (200, &*body));
}

#[tokio::test]
async fn seed03_seed10_while_both_run_one_cookie_and_one_session_serve_both() {
    let file = File::new();
    let (_ours, ours) = file.rust("roll-over");
    let mut python = file.python();
    let theirs = python.address();
    for (first, second, name) in [(theirs, ours, "alice"), (ours, theirs, "bob")] {
        let mut visitor = created(first, name).await;
        let cookie = visitor.cookie("cookie").unwrap();
        let mut visitor_there = visitor.at(second);
        assert_is(&visitor_there.get("/whoami").await, name, 0);
        assert_is(&visitor_there.post("/visit").await, name, 1);
        assert_is(&visitor.post("/visit").await, name, 2);
        assert_is(&visitor_there.post("/visit").await, name, 3);
        assert_is(&visitor.get("/whoami").await, name, 3);
        assert_eq!(visitor_there.cookie("cookie"), Some(cookie), "nobody had to give another one");
        // Copies: our answer takes the cookie away.
        let replay = visitor.clone();
        let ended = visitor_there.post("/delete_session").await;
        assert_eq!(ended.said(), (200, r#""deleted session""#));
        assert_eq!(visitor_there.cookie("cookie"), None);
        assert_eq!(visitor.get("/whoami").await.said(), GONE, "{name}: a log-out counts on both");
        assert_eq!(
            replay.clone().post("/visit").await.said(),
            GONE,
            "{name}: and nothing revives it"
        );
        assert_eq!(replay.at(second).get("/whoami").await.said(), GONE);
    }
}

#[tokio::test]
async fn seed03_seed13_after_the_cut_over_their_cookie_gives_way_to_ours_and_a_log_out_ends_it() {
    let file = File::new();
    let (before, ours) = file.rust("roll-over");
    let mut python = file.python();
    let theirs = python.address();
    let mut alice = created(theirs, "alice").await;
    assert_is(&alice.post("/visit").await, "alice", 1);
    let bob = created(ours, "bob").await;
    drop(before);

    let (_after, after) = file.rust("cut-over");
    for (legacy, name, visits) in [(alice, "alice", 1), (bob, "bob", 0)] {
        let mut visitor = legacy.at(after);
        let reply = visitor.get("/whoami").await;
        assert_is(&reply, name, visits);
        let (cookie, ticket, attributes) = reply.set_cookie();
        assert_eq!((cookie, ticket.len()), ("sid", 48));
        assert_eq!(attributes, ["HttpOnly", "Max-Age=1209600", "Path=/", "SameSite=Lax"]);
        let reply = visitor.post("/visit").await;
        assert_is(&reply, name, visits + 1);
        assert!(reply.set_cookies().is_empty(), "both cookies, and ours counts");
        // Python still runs, and knows the session by its cookie.
        assert_is(&legacy.at(theirs).get("/whoami").await, name, visits + 1);
        assert_eq!(visitor.post("/delete_session").await.status, 200);
        assert_eq!((visitor.cookie("sid"), visitor.cookie("cookie")), (None, None));
        assert_eq!(legacy.at(after).get("/whoami").await.said(), GONE, "{name}");
        assert_eq!(legacy.at(theirs).get("/whoami").await.said(), GONE, "{name}");
    }

    let new = created(after, "carol").await;
    assert_eq!(new.cookie("cookie"), None, "of theirs, none is written any more");
}

#[tokio::test]
async fn seed08_a_cookie_under_another_secret_opens_nothing_on_either_side() {
    let (file, other) = (File::new(), File::new());
    let (_ours, ours) = file.rust("roll-over");
    let mut python = file.python();
    let theirs = python.address();
    let url = other.url();
    let variables = [("SESSION_STORE", &*url), ("COOKIE_SECRET", "another")];
    let (_foreign, foreign) = Program::serve(EXAMPLE, &[], &variables);
    let mallory = created(foreign, "mallory").await;
    for side in [ours, theirs] {
        let reply = mallory.at(side).get("/whoami").await;
        assert_eq!(reply.said(), INVALID);
        assert!(reply.set_cookies().is_empty());
    }
}

#[test]
fn what_is_missing_is_named() {
    let file = File::new();
    let url = file.url();
    let (store, secret) = (("SESSION_STORE", &*url), ("COOKIE_SECRET", SECRET));
    let cases: [(&[_], &[_], _); 4] = [
        (&[], &[store], "COOKIE_SECRET is not set"),
        (&[], &[store, ("COOKIE_SECRET", "")], "empty secret"),
        (&["cut-over"], &[store, secret], "SESSION_KEY"),
        (&["later"], &[store, secret], "roll-over"),
    ];
    for (arguments, variables, remedy) in cases {
        let (status, errors) = Program::run(EXAMPLE, arguments, variables).end();
        assert_eq!(status.code(), Some(1), "{errors}");
        assert!(errors.contains(remedy) && !errors.contains("panicked"), "{errors}");
    }
    let without_a_table = File::new();
    let (status, errors) = without_a_table.python().end();
    assert_eq!(status.code(), Some(1), "{errors}");
    assert!(errors.contains("Start the Rust side first"), "{errors}");
}
