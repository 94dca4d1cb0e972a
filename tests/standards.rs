//! What standards ask and what went wrong elsewhere, where no other file has it: each test is
//! named after its entry in `tests/requirements.tsv`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::clone_on_ref_ptr,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::header::{CACHE_CONTROL, COOKIE, SET_COOKIE, VARY};
use http::{Request, Response};
use sessile::store::{
    Admission, Answer, Ciphertext, Created, Encrypted, Limit, MemoryStore, Saved, Store,
    StoreAnswer, Swept,
};
use sessile::testkit::Faulty;
use sessile::transport::{Bearer, Cookie};
use sessile::{
    Client, ClientHints, ErrorKind, Event, Expiry, Id, Key, Keyring, NewSession, Record,
    SessionLayer, SiteData, StoreError, StoreErrorKind, Timestamp,
};
use support::{App, Member, Visitor, count_visit, handler, ignore, log_out, look, ok};

const MINUTE: Duration = Duration::from_secs(60);

fn log_in_as(subject: &'static str) -> support::Handler {
    handler(move |session| async move {
        session.create(NewSession::with(Member::named(subject)).subject(subject)).unwrap();
        ok()
    })
}

#[tokio::test]
async fn r05_c13_a_planted_ticket_never_becomes_the_victims() {
    let app = App::new(MemoryStore::new());
    let attacker = app.log_in("attacker").await;
    let mut victim = Visitor::new(&app);
    // The attacker gets their own cookie into the victim's browser, and the victim logs in.
    let planted = [("cookie", attacker.cookie().unwrap())];
    let answer = app.send(&planted, &log_in_as("victim")).await;
    victim.keep(&answer);
    assert_eq!(victim.member().await.unwrap().name, "victim");
    assert_ne!(victim.ticket(), attacker.ticket());
    assert_eq!(attacker.clone().member().await, None, "what was planted is dead");
}

#[tokio::test]
async fn r06_a_client_says_nothing_that_counts_but_its_ticket() {
    let app = App::new(MemoryStore::new());
    for claim in [
        ("cookie", "__Host-sid=admin; logged_in=true"),
        ("x-session", "1"),
        ("x-authenticated-user", "admin"),
        ("authorization", "Bearer admin"),
    ] {
        let seen = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&seen);
        app.send(
            &[claim],
            &handler(move |session| {
                *slot.lock().unwrap() = Some(session.get().is_some());
                async { ok() }
            }),
        )
        .await;
        assert_eq!(*seen.lock().unwrap(), Some(false), "{}", claim.0);
    }
}

#[tokio::test]
async fn r11_c08_a_cookie_that_the_client_keeps_longer_opens_nothing() {
    let app = App::with(MemoryStore::new(), |layer| {
        layer
            .transport(Cookie::host("sid").max_age(400 * 24 * 60 * MINUTE))
            .expiry(Expiry::idle(30 * MINUTE).absolute(60 * MINUTE))
    });
    let mut alice = app.log_in("alice").await;
    let mut last = None;
    for _ in 0..5 {
        app.clock.advance(10 * MINUTE);
        let seen = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&seen);
        alice
            .visit(&handler(move |session| {
                *slot.lock().unwrap() = session.meta();
                async { ok() }
            }))
            .await;
        let meta = seen.lock().unwrap().take().expect("alive");
        assert!(meta.deadline() <= meta.absolute);
        assert!(last.is_none_or(|last| last == meta.absolute), "the absolute deadline stays");
        last = Some(meta.absolute);
    }
    app.clock.advance(10 * MINUTE);
    assert_eq!(alice.member().await, None, "an hour is an hour, whatever Max-Age says");
}

#[tokio::test]
async fn r29_c09_c10_a_captured_ticket_is_dead_after_logout() {
    for header in ["cookie", "authorization"] {
        let app = App::with(MemoryStore::new(), |layer| match header {
            "cookie" => layer,
            _ => layer.transport(Bearer::new()),
        });
        let answer = app.send(&[], &log_in_as("ann")).await;
        let captured = match header {
            "cookie" => {
                let line = answer.headers()[SET_COOKIE].to_str().unwrap();
                line.split(';').next().unwrap().to_owned()
            }
            _ => answer.headers()["authorization"].to_str().unwrap().to_owned(),
        };
        let ticket = [(header, captured.as_str())];
        app.send(&ticket, &log_out()).await;
        app.heard.clear();
        app.send(&ticket, &look()).await;
        assert_eq!(app.heard.count("Gone"), 1, "{header}");
    }
}

#[tokio::test]
async fn r33_one_call_ends_the_sessions_of_a_user_or_of_everybody() {
    let app = App::new(MemoryStore::new());
    let mut all = Vec::new();
    for subject in ["ann", "ann", "ben"] {
        let mut visitor = Visitor::new(&app);
        visitor.visit(&log_in_as(subject)).await;
        all.push(visitor);
    }
    let sessions = app.layer.sessions();
    assert_eq!(sessions.revoke_all("ann").await.unwrap(), 2);
    assert_eq!(all[0].member().await, None);
    assert!(all[2].member().await.is_some());
    assert_eq!(sessions.revoke_where(|_| true).await.unwrap(), 1);
    assert_eq!(all[2].member().await, None);
}

#[tokio::test]
async fn r37_a_logout_can_clear_the_browser() {
    let app = App::with(MemoryStore::new(), |layer| {
        layer.clear_site_data([SiteData::Cache, SiteData::Cookies, SiteData::Storage])
    });
    let mut alice = app.log_in("alice").await;
    assert!(!alice.visit(&look()).await.headers().contains_key("clear-site-data"));
    let gone = alice.clone();
    let answer = alice.visit(&log_out()).await;
    assert_eq!(answer.headers()["clear-site-data"], r#""cache", "cookies", "storage""#);
    let answer = gone.clone().visit(&ignore()).await;
    assert!(!answer.headers().contains_key("clear-site-data"), "that was not their log-out");
    let plain = App::new(MemoryStore::new());
    let answer = plain.log_in("alice").await.visit(&log_out()).await;
    assert!(!answer.headers().contains_key("clear-site-data"));
}

/// What an observer writes down: what happened, to which session in order of appearance, whose it
/// is, and who asked for it.
#[derive(Clone, Default)]
struct Journal(Arc<Mutex<(Vec<Id>, Vec<String>)>>);

impl Journal {
    fn write(&self, event: &Event<'_>) {
        let mut journal = self.0.lock().unwrap();
        let (ids, lines) = &mut *journal;
        let mut number = |id| {
            ids.iter().position(|other| *other == id).unwrap_or_else(|| {
                ids.push(id);
                ids.len() - 1
            })
        };
        let who = |client: Option<&Client>| {
            client
                .and_then(Client::address)
                .map_or_else(|| "nobody".to_owned(), |at| at.to_string())
        };
        lines.push(match *event {
            Event::Created { id, subject, client } => {
                format!("{} of {} created by {}", number(id), subject.unwrap(), who(client))
            }
            Event::Renewed { id, subject, client, .. } => {
                format!("{} of {} renewed by {}", number(id), subject.unwrap(), who(client))
            }
            Event::Ended { id, reason, subject, client } => {
                let (id, subject) = (number(id), subject.unwrap());
                format!("{id} of {subject} ended by {}: {reason:?}", who(client))
            }
            Event::TicketReused { id, subject, client } => {
                format!("{} of {} reused by {}", number(id), subject.unwrap(), who(client))
            }
            Event::Rejected { reason, id, client } => {
                format!("{:?} rejected of {}: {reason:?}", id.map(number), who(client))
            }
            Event::LimitReached { subject, client } => {
                format!("{subject} at the limit, by {}", who(client))
            }
            ref other => format!("{other:?}"),
        });
    }

    fn app(&self, limit: Limit) -> App {
        let journal = self.clone();
        App::with(MemoryStore::new(), |layer| {
            layer
                .limit(limit)
                .client_hints(ClientHints::from_peer(|_| Some([192, 0, 2, 7].into())))
                .observer(move |event: &Event<'_>| journal.write(event))
        })
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().1)
    }
}

#[tokio::test]
async fn r53_each_step_of_a_session_is_one_event_with_actor_subject_and_reason() {
    let journal = Journal::default();
    let app = journal.app(Limit::evict_oldest(1));
    let mut ann = Visitor::new(&app);
    ann.visit(&log_in_as("ann")).await;
    app.clock.advance(16 * MINUTE);
    let mut thief = ann.clone();
    ann.visit(&look()).await; // renewed
    ann.visit(&look()).await; // the new ticket arrives
    app.clock.advance(MINUTE);
    thief.visit(&look()).await; // reused: ended
    ann.visit(&look()).await; // gone
    assert_eq!(
        journal.take(),
        [
            "0 of ann created by 192.0.2.7",
            "0 of ann renewed by 192.0.2.7",
            "Some(0) rejected of 192.0.2.7: Reused",
            "0 of ann reused by 192.0.2.7",
            "0 of ann ended by 192.0.2.7: Reused",
            "Some(0) rejected of 192.0.2.7: Gone",
        ]
    );
    ann.visit(&log_in_as("ann")).await;
    let mut other = Visitor::new(&app);
    other.visit(&log_in_as("ann")).await; // the first makes way
    other.visit(&log_in_as("bob")).await; // in place of ann's
    other.visit(&log_out()).await;
    other.visit(&log_in_as("bob")).await;
    assert_eq!(app.layer.sessions().revoke_all("bob").await.unwrap(), 1);
    other.visit(&look()).await;
    assert_eq!(
        journal.take(),
        [
            "1 of ann created by 192.0.2.7",
            "1 of ann ended by 192.0.2.7: Evicted",
            "2 of ann created by 192.0.2.7",
            "2 of ann ended by 192.0.2.7: Replaced",
            "3 of bob created by 192.0.2.7",
            "3 of bob ended by 192.0.2.7: Destroyed",
            "4 of bob created by 192.0.2.7",
            "4 of bob ended by nobody: Revoked",
            "Some(4) rejected of 192.0.2.7: Gone",
        ]
    );
    other.visit(&log_in_as("bob")).await;
    app.clock.advance(31 * MINUTE); // expired, which is told when its ticket comes
    other.visit(&look()).await;
    app.send(&[("cookie", "__Host-sid=nonsense")], &look()).await;
    let strict = journal.app(Limit::deny(1));
    Visitor::new(&strict).visit(&log_in_as("carol")).await;
    Visitor::new(&strict).visit(&log_in_as("carol")).await;
    assert_eq!(
        journal.take(),
        [
            "5 of bob created by 192.0.2.7",
            "Some(5) rejected of 192.0.2.7: Gone",
            "None rejected of 192.0.2.7: Malformed",
            "6 of carol created by 192.0.2.7",
            "carol at the limit, by 192.0.2.7",
        ]
    );
}

#[tokio::test]
async fn c03_what_a_store_holds_opens_nothing() {
    let store = Arc::new(MemoryStore::new());
    let app = App::new(Arc::clone(&store));
    let alice = app.log_in("alice").await;
    let scan = Store::<Member>::all(&*store).expect("the memory store can be walked");
    let found = scan.scan(None, 10, app.clock.timestamp()).await.unwrap();
    let id: Id = found.sessions[0].0;
    assert!(!alice.ticket().unwrap().contains(&id.to_string()));
    for guess in [id.to_string(), id.as_uuid().simple().to_string()] {
        let cookie = format!("__Host-sid={guess}");
        app.heard.clear();
        app.send(&[("cookie", cookie.as_str())], &look()).await;
        assert_eq!(app.heard.count("Rejected { reason: Malformed"), 1, "{guess}");
    }
}

#[tokio::test]
async fn c14_an_emptied_login_is_saved() {
    emptied_login(Arc::new(MemoryStore::new())).await;
    // One that takes sessions apart and puts them together again.
    let store = Encrypted::new(MemoryStore::<Ciphertext>::new(), Key::generate());
    emptied_login(Arc::new(store)).await;
}

async fn emptied_login(store: Arc<impl Store<Member>>) {
    let (here, there) = (App::new(Arc::clone(&store)), App::new(store));
    let mut alice = here.log_in("alice").await;
    alice
        .visit(&handler(|session| async move {
            session.update(|member| member.name.clear()).unwrap();
            ok()
        }))
        .await;
    assert_eq!(alice.at(&there).member().await, Some(Member::default()));
}

#[tokio::test]
async fn c17_strangers_and_their_logouts_leave_no_record() {
    let store = Arc::new(MemoryStore::<Member>::new());
    let app = App::new(Arc::clone(&store));
    for _ in 0..1_000 {
        let ticket = foreign_ticket();
        for handle in [look(), log_out(), count_visit()] {
            let answer = app.send(&[("cookie", ticket.as_str())], &handle).await;
            assert!(!answer.headers().contains_key(SET_COOKIE));
        }
        let answer = app.send(&[], &log_out()).await;
        assert!(!answer.headers().contains_key(SET_COOKIE));
    }
    assert_eq!(store.len(), 0);
}

/// They are ours and valid, but this store has never seen their sessions: the most that a stranger
/// with an old ticket can show.
#[tokio::test]
async fn c17_valid_tickets_of_unknown_sessions_leave_no_record() {
    let elsewhere = App::new(MemoryStore::new());
    let store = Arc::new(MemoryStore::<Member>::new());
    let app = App::new(Arc::clone(&store));
    for round in 0..100 {
        let stranger = elsewhere.log_in("alice").await.at(&app);
        for handle in [look(), log_out(), count_visit(), ignore()] {
            let answer = stranger.clone().visit(&handle).await;
            for line in answer.headers().get_all(SET_COOKIE) {
                let line = line.to_str().unwrap();
                assert!(line.starts_with("__Host-sid=;") && line.contains("Max-Age=0"), "{line}");
            }
        }
        assert_eq!(store.len(), 0, "round {round}");
    }
    assert_eq!(app.heard.count("Rejected { reason: Gone"), 400, "each was looked for, and gone");
}

/// A ticket of somebody else's making.
fn foreign_ticket() -> String {
    let id = Id::generate().unwrap().as_uuid().simple().to_string();
    format!("__Host-sid={id}{}", id.get(..16).unwrap())
}

#[tokio::test]
async fn c18_a_session_takes_no_more_than_it_may() {
    let app = App::with(MemoryStore::new(), |layer| layer.max_size(100));
    let mut alice = app.log_in("alice").await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let slot = Arc::clone(&seen);
    alice
        .visit(&handler(move |session| {
            let long = || Member::named(&"a".repeat(1_000));
            let mut kinds = slot.lock().unwrap();
            kinds.push(session.update(move |member| *member = long()).unwrap_err().kind());
            kinds.push(session.replace(long()).unwrap_err().kind());
            kinds.push(session.create(long()).unwrap_err().kind());
            async { ok() }
        }))
        .await;
    assert_eq!(*seen.lock().unwrap(), [ErrorKind::TooLarge; 3]);
    assert_eq!(alice.member().await, Some(Member::named("alice")));
}

#[tokio::test]
async fn a_secure_cookie_says_itself_that_it_is_good_for_https_only() {
    let app = App::new(MemoryStore::new());
    let request = Request::get("http://example.com/").body(()).unwrap();
    let answer = app.request(request, &log_in_as("ann")).await;
    // The server behind a proxy cannot know how the browser came, and sends it (DESIGN.md says
    // why). The cookie itself says that it is for HTTPS, and its prefix that it is good for nothing
    // else: a browser that came by plain HTTP drops it.
    let line = answer.headers()[SET_COOKIE].to_str().unwrap();
    assert!(line.starts_with("__Host-") && line.contains("; Secure"), "{line}");
    let request = Request::get("/").header(COOKIE, line.replace("__Host-", "")).body(()).unwrap();
    app.heard.clear();
    app.request(request, &look()).await;
    assert_eq!(app.heard.all(), [""; 0], "without the prefix it is somebody else's cookie");
}

#[test]
fn c19_session_ids_share_no_namespace_with_what_users_choose() {
    // Keys of the layer are ids, and subjects are looked up by themselves: a subject that looks
    // like an id names nobody's session.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let app = App::new(MemoryStore::new());
        let mut ann = Visitor::new(&app);
        ann.visit(&log_in_as("ann")).await;
        let sessions = app.layer.sessions();
        let id = sessions.list("ann", None, 10).await.unwrap()[0].id;
        assert_eq!(sessions.count(&id.to_string()).await.unwrap(), 0);
        assert_eq!(sessions.revoke_all(&id.to_string()).await.unwrap(), 0);
        assert!(ann.member().await.is_some());
    });
}

#[tokio::test]
async fn r02_an_id_that_this_store_never_saw_is_not_adopted() {
    let elsewhere = App::new(MemoryStore::new());
    let mut alice = Visitor::new(&elsewhere);
    alice.visit(&log_in_as("alice")).await;
    let presented = elsewhere.layer.sessions().list("alice", None, 9).await.unwrap().remove(0).id;
    let store = Arc::new(MemoryStore::<Member>::new());
    let here = App::new(Arc::clone(&store));
    assert_eq!(alice.at(&here).member().await, None);
    assert_eq!(store.len(), 0, "nothing came about");
    assert_eq!(here.heard.count("Rejected { reason: Gone"), 1);
    let stranger = alice;
    let mut alice = stranger.at(&here);
    alice.visit(&log_in_as("alice")).await;
    let ids = here.heard.all();
    assert!(ids.iter().any(|event| event.starts_with("Created")), "{ids:?}");
    assert_eq!(store.len(), 1);
    let own = here.layer.sessions().list("alice", None, 9).await.unwrap().remove(0).id;
    assert_ne!(own, presented, "nor is it used for the session that begins");
    assert_ne!(alice.ticket(), stranger.ticket());
    assert_eq!(stranger.at(&here).member().await, None, "what was presented opens nothing");
}

#[tokio::test]
async fn r03_what_is_no_ticket_is_no_session_and_no_call_of_the_store() {
    let store = Faulty::new(MemoryStore::new());
    let elsewhere = App::new(MemoryStore::new());
    let valid = elsewhere.log_in("alice").await.ticket().unwrap().to_owned();
    let by_cookie = App::new(store.clone());
    let by_header = App::with(store.clone(), |layer| layer.transport(Bearer::new()));
    let other_key = App::with(store.clone(), |_| {
        SessionLayer::new(store.clone(), Key::generate()).observer(by_cookie.heard.observer())
    });
    let long = "A".repeat(20_000);
    let shapes: [(&str, Vec<u8>); 9] = [
        ("over-long", long.into()),
        ("empty", Vec::new()),
        ("one character", b"A".to_vec()),
        ("as long as a ticket", b"A".repeat(valid.len())),
        ("cut short", valid.as_bytes()[1..].to_vec()),
        ("twice", valid.repeat(2).into()),
        ("a path", b"../../../etc/passwd".to_vec()),
        ("not UTF-8", b"\xff".repeat(valid.len())),
        ("changed", valid.bytes().rev().collect()),
    ];
    let ask = async |app: &App, name, head: &[u8], ticket: &[u8]| {
        let value = http::HeaderValue::from_bytes(&[head, ticket].concat()).unwrap();
        let request = Request::get("/").header::<&str, _>(name, value).body(()).unwrap();
        app.request(
            request,
            &handler(|session| async move { Response::new(session.get().is_some().to_string()) }),
        )
        .await
    };
    for (shape, ticket) in shapes {
        for (app, name, head) in
            [(&by_cookie, "cookie", "__Host-sid="), (&by_header, "authorization", "Bearer ")]
        {
            let answer = ask(app, name, head.as_bytes(), &ticket).await;
            assert_eq!(
                (answer.status().as_u16(), answer.body().as_str()),
                (200, "false"),
                "{shape}"
            );
        }
    }
    let answer = ask(&other_key, "cookie", b"__Host-sid=", valid.as_bytes()).await;
    assert_eq!(answer.body(), "false", "sealed under another key");
    assert_eq!(store.calls().total(), 0, "none of it was worth a question");
    ask(&by_cookie, "cookie", b"__Host-sid=", valid.as_bytes()).await;
    assert_eq!(store.calls().total(), 1, "as a ticket of ours is");
}

#[tokio::test]
async fn r15_a_ticket_is_in_no_body_no_address_and_no_readable_cookie() {
    let app = App::with(MemoryStore::new(), |layer| {
        layer.limit(Limit::deny(1)).refusal_body(|text| text)
    });
    let redirect = handler(|session| async move {
        session.create(NewSession::with(Member::named("ann")).subject("ann")).unwrap();
        let target = http::HeaderValue::from_static("/profile");
        let mut answer = Response::new("off you go".to_owned());
        *answer.status_mut() = http::StatusCode::SEE_OTHER;
        answer.headers_mut().insert(http::header::LOCATION, target);
        answer
    });
    let mut ann = Visitor::new(&app);
    let mut answers = vec![ann.visit(&redirect).await];
    answers.push(ann.visit(&count_visit()).await);
    app.clock.advance(MINUTE * 16);
    let before = ann.ticket().unwrap().to_owned();
    answers.push(ann.visit(&ignore()).await); // renewed
    let refused = Visitor::new(&app).visit(&redirect).await;
    assert!(refused.status() == 403 && !refused.body().is_empty(), "{refused:?}");
    answers.push(refused);
    let tickets = [before, ann.ticket().unwrap().to_owned()];
    assert_ne!(tickets[0], tickets[1], "it was renewed");
    answers.push(ann.visit(&log_out()).await);
    let mut set = 0;
    for answer in answers {
        for (name, value) in answer.headers() {
            let value = value.to_str().unwrap();
            if name == SET_COOKIE {
                set += 1;
                assert!(
                    value.contains("; HttpOnly") && value.contains("; SameSite=Lax"),
                    "{value}"
                );
            } else {
                assert!(!tickets.iter().any(|ticket| value.contains(ticket)), "in {name}");
            }
        }
        assert!(!tickets.iter().any(|ticket| answer.body().contains(ticket)), "in the body");
        let printed = format!("{answer:?}");
        assert!(!tickets.iter().any(|ticket| printed.contains(ticket)), "printed: {printed}");
    }
    assert_eq!(set, 3, "created, renewed, removed");
}

/// A store that cannot be reached, and says why in words that are nobody's business.
#[derive(Debug)]
struct Down;

impl Down {
    fn why<V>() -> StoreAnswer<V> {
        let why = "connect to 10.0.0.7:5432 as sessile, password correct-horse: refused";
        Answer::ready(Err(StoreError::new(StoreErrorKind::Unavailable).with_source(why)))
    }
}

impl Store<Member> for Down {
    fn load(&self, _: Id, _: Timestamp) -> StoreAnswer<Option<Arc<Record<Member>>>> {
        Self::why()
    }

    fn create(
        &self,
        _: Id,
        _: Arc<Record<Member>>,
        _: Admission,
        _: Timestamp,
    ) -> StoreAnswer<Created> {
        Self::why()
    }

    fn replace(&self, _: Id, _: u64, _: Arc<Record<Member>>, _: Timestamp) -> StoreAnswer<Saved> {
        Self::why()
    }

    fn touch(&self, _: Id, _: Timestamp) -> StoreAnswer<Saved> {
        Self::why()
    }

    fn delete(&self, _: Id, _: Timestamp) -> StoreAnswer<bool> {
        Self::why()
    }

    fn sweep(&self, _: Timestamp, _: usize) -> StoreAnswer<Swept> {
        Self::why()
    }
}

#[tokio::test]
async fn r55_a_refusal_with_a_body_says_nothing_of_what_failed() {
    let app = App::with(Down, |layer| layer.refusal_body(|text| text));
    let ann = App::new(MemoryStore::new()).log_in("ann").await.at(&app);
    let mut bodies = Vec::new();
    for (mut visitor, handle) in
        [(ann.clone(), look()), (ann, log_out()), (Visitor::new(&app), log_in_as("ann"))]
    {
        let answer = visitor.visit(&handle).await;
        assert_eq!(answer.status(), 503);
        let said = format!("{:?} {}", answer.headers(), answer.body());
        for detail in ["10.0.0.7", "5432", "correct-horse", "refused", "connect", "ann"] {
            assert!(!said.contains(detail), "{detail:?} in {said}");
        }
        assert!(
            answer.body().contains("try again"),
            "a body in which a leak could be seen: {said}"
        );
        bodies.push(answer.into_body());
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "the same, whatever failed: {bodies:?}");
}

/// Tenants that share a store are told apart by their subjects.
#[tokio::test]
async fn r57_tenants_on_one_store_do_not_see_each_other() {
    let app = App::new(MemoryStore::new());
    let mut anns = [Visitor::new(&app), Visitor::new(&app)];
    anns[0].visit(&log_in_as("red/ann")).await;
    anns[1].visit(&log_in_as("blue/ann")).await;
    let sessions = app.layer.sessions();
    let red = sessions.list("red/ann", None, 9).await.unwrap().remove(0).id;
    let blues = sessions.list("blue/ann", None, 9).await.unwrap();
    assert_eq!((blues.len(), sessions.count("blue/ann").await.unwrap()), (1, 1));
    assert_ne!(blues[0].id, red);
    for subject in ["blue", "blue/", "ann", "", "red/an", "red/ann/", "RED/ANN"] {
        assert_eq!(sessions.count(subject).await.unwrap(), 0, "{subject}");
        assert_eq!(sessions.revoke_all(subject).await.unwrap(), 0, "{subject}");
    }
    assert!(!sessions.revoke("blue/ann", red).await.unwrap(), "an id of the other tenant");
    assert_eq!(sessions.revoke_all("blue/ann").await.unwrap(), 1);
    assert!(anns[0].member().await.is_some());
    assert_eq!(anns[1].member().await, None);
}

#[tokio::test]
async fn c07_asking_whether_a_fresh_login_is_wanted_is_a_look_at_the_session() {
    let app = App::new(MemoryStore::new());
    let mut ann = app.log_in("ann").await;
    let asks = handler(|session| async move {
        assert!(!session.wants_step_up());
        ok()
    });
    assert_eq!(ann.visit(&asks).await.headers()[VARY], "cookie");
}

/// Neither has a body to keep apart, but caches update what they hold from the headers of both
/// (RFC 9110 9.3.2, 15.4.5).
#[tokio::test]
async fn r26_answers_to_head_and_not_modified_say_what_a_full_answer_says() {
    let app = App::new(MemoryStore::new());
    let ann = app.log_in("ann").await;
    let mut seen = Vec::new();
    for (method, status) in [("GET", 200), ("HEAD", 200), ("GET", 304), ("HEAD", 304)] {
        let answer_with = handler(move |session| async move {
            session.renew().unwrap();
            support::status(status)
        });
        let request = Request::builder().method(method).header(COOKIE, ann.cookie().unwrap());
        let answer = app.request(request.body(()).unwrap(), &answer_with).await;
        assert_eq!(answer.status(), status);
        let set = answer.headers().contains_key(SET_COOKIE);
        seen.push((set, answer.headers()[CACHE_CONTROL].clone(), answer.headers()[VARY].clone()));
    }
    assert!(seen.iter().all(|answer| *answer == seen[0]), "{seen:?}");
    assert_eq!(
        (seen[0].0, seen[0].1.as_bytes(), seen[0].2.as_bytes()),
        (true, &b"no-store"[..], &b"cookie"[..])
    );
}

#[tokio::test]
async fn s47_an_over_long_id_is_none() {
    assert!("a".repeat(10_000).parse::<Id>().is_err());
    let app = App::new(MemoryStore::new());
    let cookie = format!("__Host-sid={}", "A".repeat(10_000));
    app.send(&[("cookie", cookie.as_str())], &look()).await;
    assert_eq!(app.heard.count("Rejected { reason: Malformed"), 1);
}

#[tokio::test]
async fn c28_tickets_of_two_people_cannot_be_mixed() {
    let app = App::new(MemoryStore::new());
    let mut both = Vec::new();
    for subject in ["ann", "ben"] {
        let mut visitor = Visitor::new(&app);
        visitor
            .visit(&handler(move |session| async move {
                let remembered = NewSession::with(Member::named(subject)).remember(MINUTE * 600);
                session.create(remembered.subject(subject)).unwrap();
                ok()
            }))
            .await;
        both.push(visitor);
    }
    let (ann, ben) = (both[0].ticket().unwrap(), both[1].ticket().unwrap());
    // 16 bytes of id and 4 of generation are 26 characters and a piece of one.
    for at in [11, 22, 27, 40] {
        let mixed = format!("{}{}", ann.get(..at).unwrap(), ben.get(at..).unwrap());
        let cookie = format!("__Host-sid={mixed}");
        app.heard.clear();
        app.send(&[("cookie", cookie.as_str())], &look()).await;
        assert_eq!(app.heard.count("Rejected"), 1, "{at}: {:?}", app.heard.all());
    }
    let pair = format!("__Host-sid={ann}; __Host-sid={ben}");
    app.heard.clear();
    app.send(&[("cookie", pair.as_str())], &look()).await;
    assert_eq!(app.heard.count("Rejected { reason: Ambiguous"), 1);
}

/// CVE-2023-30861: an answer that sets, renews or removes the cookie ended up in a shared cache.
#[tokio::test]
async fn r26_c06_no_cache_keeps_an_answer_that_says_something_of_a_session() {
    let store = Arc::new(MemoryStore::new());
    let app = App::new(Arc::clone(&store));
    let rolled_over = App::with(Arc::clone(&store), |_| {
        let ring = Keyring::new(Key::generate()).also_accept(support::key());
        SessionLayer::new(store.clone(), ring).clock(app.clock.clone())
    });
    let check = |name: &str, answer: &Response<String>, sets: bool, cache: Option<&str>| {
        let header = |name| answer.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!(answer.headers().contains_key(SET_COOKIE), sets, "{name}");
        assert_eq!(header(CACHE_CONTROL), cache, "{name}");
        assert_eq!(header(VARY), cache.map(|_| "cookie"), "{name}");
    };
    let no_store = Some("no-store");
    let mut ann = Visitor::new(&app);
    check("created", &ann.visit(&log_in_as("ann")).await, true, no_store);
    check("untouched", &ann.visit(&ignore()).await, false, None);
    check("looked at", &ann.visit(&look()).await, false, Some("private"));
    check("changed", &ann.visit(&count_visit()).await, false, Some("private"));
    app.clock.advance(MINUTE * 16);
    check("renewed", &ann.visit(&ignore()).await, true, no_store);
    check("sealed anew", &ann.at(&rolled_over).visit(&ignore()).await, true, no_store);
    let mut too_late = ann.clone();
    check("logged out", &ann.visit(&log_out()).await, true, no_store);
    check("a dead ticket", &too_late.visit(&ignore()).await, true, no_store);
}
