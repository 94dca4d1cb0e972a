//! What is known of a session's beginning, and what becomes of it: changes of password, lists of
//! devices, throttling, step-up. Test names cite the requirements they cover.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "support/site.rs"]
mod site;
mod support;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use sessile::store::{
    Admission, Ciphertext, Encrypted, MemoryStore, SqliteOptions, SqliteStore, Store,
};
use sessile::testkit::{Faulty, Operation, SimulatedClock};
use sessile::verify::{SubjectEpoch, Verdict, Visit};
use sessile::{
    Assurance, Client, ClientHints, Event, Id, Key, Meta, NewSession, Record, Rejection,
    SessionLayer, Timestamp,
};
use site::{Browser, HOUR, Mode, Site};
use support::{App, Heard, Member, Visitor, handler, ok};

fn plain() -> Site {
    Site::new(Mode::ALL[0], |layer| layer)
}

/// What the store keeps of ann's only session.
async fn kept(site: &Site) -> Meta {
    let mut all = site.layer.sessions().list("ann", None, 9).await.unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0).meta
}

// ---- a change of password --------------------------------------------------------------------

/// The handler of a password change, with nothing but what the crate offers: the current session
/// begins anew, the others end.
async fn change_password(app: &App, visitor: &mut Visitor) {
    let sessions = app.layer.sessions();
    visitor
        .visit(&handler(move |session| {
            let sessions = sessions.clone();
            async move {
                let new = NewSession::with(Member::named("ann")).subject("ann");
                let current = session.create(new).unwrap();
                session.commit().await.unwrap();
                sessions.revoke_others("ann", current).await.unwrap();
                ok()
            }
        }))
        .await;
}

async fn log_in(app: &App, name: &'static str) -> Visitor {
    let mut visitor = Visitor::new(app);
    visitor
        .visit(&handler(move |session| {
            session.create(NewSession::with(Member::named(name)).subject(name)).unwrap();
            async { ok() }
        }))
        .await;
    visitor
}

#[tokio::test]
async fn r32_c12_a_password_change_ends_all_other_sessions_and_renews_the_current_one() {
    let store = MemoryStore::new();
    let app = App::new(store.clone());
    let mut here = log_in(&app, "ann").await;
    let mut others = [log_in(&app, "ann").await, log_in(&app, "ann").await];
    let mut bob = log_in(&app, "bob").await;
    let mut stolen = here.clone(); // the very cookie of the session that changes the password

    change_password(&app, &mut here).await;
    assert_ne!(here.ticket(), stolen.ticket());
    assert_eq!(here.member().await, Some(Member::named("ann")));
    for other in &mut others {
        assert_eq!(other.member().await, None);
    }
    assert_eq!(stolen.member().await, None, "what was current before is none");
    assert_eq!(bob.member().await, Some(Member::named("bob")));
    assert_eq!(store.len(), 2);
    assert_eq!(app.layer.sessions().count("ann").await.unwrap(), 1);
    assert_eq!(app.heard.count("reason: Revoked"), 2, "{:?}", app.heard.all());
    assert_eq!(app.heard.count("reason: Replaced"), 1, "{:?}", app.heard.all());
}

/// Whoever was logging in with the old password while it was changed gets a session that nobody
/// could have ended, since it was not there. The epoch catches it.
#[tokio::test]
async fn r31_r32_a_login_under_way_during_the_revocation_does_not_outlive_it() {
    let epoch = Arc::new(Mutex::new(None::<SystemTime>));
    let seen = Arc::clone(&epoch);
    let verifier = SubjectEpoch::new(move |_| {
        let epoch = *seen.lock().unwrap();
        async move { Ok::<_, std::convert::Infallible>(epoch) }
    });
    let store = Faulty::new(MemoryStore::new());
    let app = App::with(store.clone(), |layer| layer.verifier(verifier));
    let (go_on, held) = tokio::sync::oneshot::channel::<()>();
    let (arrived, at_the_store) = tokio::sync::oneshot::channel::<()>();
    store.before(Operation::Create, async move {
        arrived.send(()).unwrap();
        held.await.unwrap();
    });
    let slow = app.clone();
    let login = tokio::spawn(async move { log_in(&slow, "ann").await });
    at_the_store.await.unwrap();

    app.clock.advance(Duration::from_millis(1));
    *epoch.lock().unwrap() = Some(app.clock.timestamp().into()); // first shut the door,
    let ended = app.layer.sessions().revoke_all("ann").await.unwrap(); // then end what is inside
    assert_eq!(ended, 0, "it was not there yet");
    go_on.send(()).unwrap();

    let mut late = login.await.unwrap();
    assert!(late.ticket().is_some(), "it has a session now");
    assert_eq!(late.member().await, None, "which is good for nothing");
    assert_eq!(app.layer.sessions().count("ann").await.unwrap(), 0);
    let mut with_the_new_password = log_in(&app, "ann").await;
    assert!(with_the_new_password.member().await.is_some());
}

/// Without an epoch: whatever was there when the call began is gone when it answers, also if the
/// same user is logging in all the time.
#[tokio::test(flavor = "multi_thread")]
async fn r31_revoking_all_ends_all_that_were_there_while_others_begin() {
    let app = App::new(MemoryStore::new());
    for _ in 0..20 {
        let mut before = Vec::new();
        for _ in 0..8 {
            before.push(log_in(&app, "ann").await);
        }
        let busy = app.clone();
        let storm = tokio::spawn(async move {
            for _ in 0..32 {
                drop(log_in(&busy, "ann").await);
            }
        });
        assert!(app.layer.sessions().revoke_all("ann").await.unwrap() >= 8);
        for visitor in &mut before {
            assert_eq!(visitor.member().await, None);
        }
        storm.await.unwrap();
        app.layer.sessions().revoke_all("ann").await.unwrap();
    }
}

// ---- a list of devices -----------------------------------------------------------------------

#[tokio::test]
async fn r34_a_list_of_devices_shows_where_and_with_what_each_began() {
    let site = plain();
    let mut phone = Browser::at(&site, "2001:db8::7");
    phone.agent = Some("Phone/1\t(mobile)");
    phone.get("/log_in").await;
    site.clock.advance(HOUR / 4);
    let mut laptop = Browser::log_in(&site).await;
    site.clock.advance(HOUR / 8);
    assert_eq!(phone.status_at("203.0.113.9", "/guarded").await, 200);

    let mut devices = site.layer.sessions().list("ann", None, 9).await.unwrap();
    devices.sort_by_key(|device| device.meta.created);
    let shown: Vec<_> = devices
        .iter()
        .map(|device| {
            let client = device.client().unwrap();
            let address = client.address().unwrap().to_string();
            (address, client.user_agent().unwrap().to_owned(), device.meta.created)
        })
        .collect();
    let (start, quarter) = (devices[0].meta.created, devices[0].meta.created.plus(HOUR / 4));
    assert_eq!(
        shown,
        [
            ("2001:db8::7".to_owned(), "Phone/1(mobile)".to_owned(), start),
            ("192.0.2.7".to_owned(), "Kit/1.0".to_owned(), quarter),
        ],
        "the client of the login, not of the last visit"
    );
    assert_eq!(devices[0].meta.last_seen(), quarter.plus(HOUR / 8));
    for device in &devices {
        let ticket = phone.cookie.as_deref().unwrap();
        assert!(!ticket.contains(&device.id.to_string()), "the handle is no ticket");
        let debug = format!("{device:?}");
        assert!(!debug.contains("192.0.2.7") && !debug.contains("Phone"), "{debug}");
    }
    assert!(site.layer.sessions().revoke("ann", devices[0].id).await.unwrap());
    assert_eq!(phone.status("/guarded").await, 401);
    assert_eq!(laptop.status("/guarded").await, 200);
}

#[tokio::test]
async fn r34_without_hints_nothing_of_the_client_is_kept() {
    let app = App::new(MemoryStore::new());
    let mut visitor = Visitor::new(&app);
    let begin = handler(|session| {
        session.create(NewSession::with(Member::named("ann")).subject("ann")).unwrap();
        async { ok() }
    });
    visitor.visit_with(&[("user-agent", "Kit/1"), ("x-forwarded-for", "1.2.3.4")], &begin).await;
    let listed = app.layer.sessions().list("ann", None, 9).await.unwrap().remove(0);
    assert_eq!(listed.client(), None);
    assert_eq!(listed.meta.context, None);
}

#[tokio::test]
async fn r57_a_store_is_the_border_between_tenants() {
    // One database, two tables; the same subject and the same id in both.
    let folder = std::env::temp_dir().join(format!("sessile-{}", Id::generate().unwrap()));
    std::fs::create_dir(&folder).unwrap();
    let url = format!("sqlite:{}", folder.join("tenants.db").display());
    let tenant = async |table: &str| {
        let store = SqliteStore::<Member>::open(SqliteOptions::new(&url).table(table)).await;
        Arc::new(store.unwrap())
    };
    let (red, blue) = (tenant("red").await, tenant("blue").await);
    let apps = [App::new(Arc::clone(&red)), App::new(Arc::clone(&blue))]; // and the same key
    let mut anns = [log_in(&apps[0], "ann").await, log_in(&apps[1], "ann").await];
    let [reds, blues] = apps.each_ref().map(|app| app.layer.sessions());
    let red_ann = reds.list("ann", None, 9).await.unwrap().remove(0).id;

    assert_eq!(blues.count("ann").await.unwrap(), 1);
    assert!(blues.list("ann", None, 9).await.unwrap().iter().all(|listed| listed.id != red_ann));
    assert!(!blues.revoke("ann", red_ann).await.unwrap(), "an id of the other tenant");
    assert_eq!(blues.revoke_others("ann", red_ann).await.unwrap(), 1, "all of blue's, not red's");
    assert_eq!(blues.revoke_where(|_| true).await.unwrap(), 0);
    assert_eq!(anns[0].member().await, Some(Member::named("ann")));
    assert_eq!(anns[1].member().await, None);

    let mut at_blue = anns[0].at(&apps[1]);
    assert_eq!(at_blue.member().await, None, "a ticket of one tenant at the other");
    let now = apps[0].clock.timestamp();
    let record = red.load(red_ann, now).await.unwrap().unwrap();
    blue.create(red_ann, record, Admission::OPEN, now).await.unwrap();
    assert_eq!(reds.revoke_all("ann").await.unwrap(), 1);
    assert!(blue.load(red_ann, now).await.unwrap().is_some(), "the same id is another session");
    std::fs::remove_dir_all(folder).unwrap();
}

// ---- what a login was worth ------------------------------------------------------------------

#[tokio::test]
async fn r12_assurance_is_never_more_than_the_login_was() {
    let site = plain();
    let mut ann = Browser::at(&site, "192.0.2.7");
    ann.get("/log_in").await;
    assert_eq!(ann.status("/aal2").await, 401, "a login that says nothing has no level");
    ann.get("/log_in?aal2").await;
    assert_eq!(ann.status("/aal2").await, 200);
    ann.get("/renew").await;
    assert_eq!(ann.status("/aal2").await, 200, "a new ticket is no new login");
    ann.get("/log_in").await;
    assert_eq!(ann.status("/aal2").await, 401, "nothing is handed on");
    assert_eq!(site.store.len(), 1);
}

#[tokio::test]
async fn r12_r62_acr_amr_and_auth_time_are_kept_for_guards() {
    let site = plain();
    let mut ann = Browser::at(&site, "192.0.2.7");
    ann.get("/log_in?aal2").await;
    site.clock.advance(HOUR / 4);
    for path in ["/renew", "/guarded", "/renew"] {
        assert_eq!(ann.status(path).await, 200);
    }
    let meta = kept(&site).await;
    let context = meta.context.as_deref().unwrap();
    assert_eq!(context.assurance, Some(Assurance::Aal2));
    assert_eq!(context.methods.iter().map(|method| &**method).collect::<Vec<_>>(), ["pwd", "otp"]);
    assert_eq!(context.acr.as_deref(), Some("gold"));
    assert_eq!(meta.authenticated, meta.created);

    ann.get("/log_in?long_ago").await;
    let meta = kept(&site).await;
    assert_eq!(meta.authenticated, Timestamp::from_millis(0), "auth_time of the provider");
    assert_eq!(meta.created, site.clock.timestamp());
}

#[tokio::test]
async fn r62_an_auth_time_in_the_future_counts_as_now() {
    let app = App::new(MemoryStore::new());
    let later = SystemTime::from(app.clock.timestamp()) + HOUR;
    let begin = handler(move |session| {
        let new = NewSession::with(Member::named("ann")).authenticated_at(later);
        session.create(new).unwrap();
        assert_eq!(session.meta().unwrap().authenticated, session.meta().unwrap().created);
        async { ok() }
    });
    assert_eq!(Visitor::new(&app).visit(&begin).await.status(), 200);
}

#[tokio::test]
async fn r10_a_new_login_restarts_both_timers_and_possession_only_one() {
    let site = plain();
    let mut ann = Browser::log_in(&site).await;
    let first = kept(&site).await;
    site.clock.advance(HOUR / 4);
    for path in ["/guarded", "/renew"] {
        assert_eq!(ann.status(path).await, 200);
        let used = kept(&site).await;
        assert_eq!(used.last_seen(), site.clock.timestamp(), "{path}: the idle limit begins anew");
        assert_eq!(
            (used.absolute, used.authenticated, used.created),
            (first.absolute, first.authenticated, first.created),
            "{path}: the overall limit does not"
        );
    }
    ann.get("/log_in").await;
    let again = kept(&site).await;
    assert_eq!(again.authenticated, site.clock.timestamp());
    assert_eq!(again.absolute, first.absolute.plus(HOUR / 4));
    assert_eq!(again.deadline(), first.deadline().plus(HOUR / 4));
}

// ---- clients that guess, clients that move ---------------------------------------------------

#[tokio::test]
async fn r58_c27_rejected_tickets_are_counted_by_network() {
    let counted = Arc::new(Mutex::new(HashMap::<IpAddr, u32>::new()));
    let counts = Arc::clone(&counted);
    for mode in Mode::ALL {
        counted.lock().unwrap().clear();
        let counts = Arc::clone(&counts);
        let site = Site::new(mode, |layer| {
            layer.observer(move |event: &Event<'_>| {
                let Event::Rejected { reason, client, .. } = event else { return };
                assert!(matches!(
                    reason,
                    Rejection::Forged | Rejection::Malformed | Rejection::Gone
                ));
                let network = client.and_then(Client::network).expect("the client's network");
                *counts.lock().unwrap().entry(network).or_default() += 1;
            })
        });
        let guesser = |address: &str, cookie: String| {
            let mut browser = Browser::at(&site, address);
            browser.cookie = Some(cookie);
            async move { assert_eq!(browser.status("/guarded").await, 401) }
        };
        // One household: other addresses of the same /64, and the same address otherwise written.
        for (place, address) in
            ["2001:db8::1", "2001:DB8:0:0:0:0:0:1", "2001:db8::ffff:1:2:3"].into_iter().enumerate()
        {
            guesser(address, format!("__Host-sid={}", "ABC".repeat(16 + place))).await;
        }
        for address in ["192.0.2.7", "::ffff:192.0.2.7", "::ffff:c000:207"] {
            guesser(address, "__Host-sid=nonsense".to_owned()).await;
        }
        guesser("2001:db8:0:1::1", "__Host-sid=nonsense".to_owned()).await;
        let mut late = Browser::log_in(&site).await;
        site.layer.sessions().revoke_all("ann").await.unwrap();
        late.address = "198.51.100.1".parse().ok();
        assert_eq!(late.status("/guarded").await, 401);

        let counted = counted.lock().unwrap();
        let of = |network: &str| counted.get(&network.parse().unwrap()).copied();
        assert_eq!(of("2001:db8::"), Some(3), "{mode:?} {counted:?}");
        assert_eq!(of("192.0.2.7"), Some(3), "{mode:?} {counted:?}");
        assert_eq!(of("2001:db8:0:1::"), Some(1), "{mode:?}: the neighbours");
        assert_eq!(of("198.51.100.1"), Some(1), "{mode:?}: a ticket that was good once");
        assert_eq!(counted.len(), 4, "{mode:?} {counted:?}");
    }
}

/// A hook of the application: it looks at first, then demands, then ends.
#[tokio::test]
async fn r65_a_hook_observes_then_demands_a_step_up_then_ends() {
    for mode in Mode::ALL {
        let suspicion = Arc::new(AtomicU8::new(0));
        let level = Arc::clone(&suspicion);
        let site = Site::new(mode, |layer| {
            layer.verifier(move |visit: &Visit<'_, Member>| {
                let context = visit.record.meta.context.as_deref();
                let home = context.and_then(|context| context.client.as_ref()?.network());
                if visit.client.and_then(Client::network) == home {
                    return Verdict::Pass;
                }
                match level.load(Ordering::Relaxed) {
                    0 => Verdict::Observe("elsewhere"),
                    1 => Verdict::StepUp("elsewhere"),
                    _ => Verdict::End("elsewhere"),
                }
            })
        });
        let mut ann = Browser::log_in(&site).await;
        let away = "203.0.113.9";
        assert_eq!(ann.status("/delicate").await, 200);
        assert_eq!(site.heard.count("Doubted"), 0);

        assert_eq!(ann.status_at(away, "/delicate").await, 200, "{mode:?}: nothing but a word");
        assert_eq!(site.heard.count("verdict: Observe(\"elsewhere\")"), 1);

        suspicion.store(1, Ordering::Relaxed);
        assert_eq!(ann.status_at(away, "/guarded").await, 200, "{mode:?}");
        assert_eq!(ann.status_at(away, "/delicate").await, 401, "{mode:?}");
        assert_eq!(ann.status("/delicate").await, 200, "{mode:?}: at home nobody asks");

        // Who can log in again is at home there from then on.
        let (home, mut there) = (ann.clone(), ann.clone());
        there.address = away.parse().ok();
        assert_eq!(there.status("/log_in").await, 200);
        assert_eq!(there.status("/delicate").await, 200, "{mode:?}");
        assert_eq!(home.clone().status("/guarded").await, 401, "{mode:?}: it took its place");

        suspicion.store(2, Ordering::Relaxed);
        assert_eq!(there.clone().status_at("198.51.100.1", "/guarded").await, 401, "{mode:?}");
        assert_eq!(there.status("/guarded").await, 401, "{mode:?}: it has ended for everybody");
        assert_eq!(site.heard.count("reason: Condemned"), 1);
    }
}

// ---- what is kept, and who can read it -------------------------------------------------------

/// A list of devices is made without the data, so the context lies beside it.
#[tokio::test]
async fn an_encrypted_store_keeps_the_context_in_the_clear_and_says_so() {
    let behind = MemoryStore::<Ciphertext>::new();
    let store = Encrypted::new(behind.clone(), Key::generate());
    let layer = SessionLayer::<Member>::new(store, support::key())
        .client_hints(ClientHints::from_peer(|_| "192.0.2.7".parse().ok()));
    let app = App { layer, clock: SimulatedClock::new(), heard: Heard::default() };
    drop(log_in(&app, "ann").await);
    let listed = app.layer.sessions().list("ann", None, 9).await.unwrap().remove(0);
    let client = listed.client().unwrap();
    assert_eq!(client.address(), "192.0.2.7".parse().ok());
    let now = listed.meta.last_seen();
    let record: Arc<Record<Ciphertext>> = behind.load(listed.id, now).await.unwrap().unwrap();
    assert_eq!(record.meta.context, listed.meta.context);
}
