//! Verifiers inside the layer: eager and lazy, on stores that answer at once and later.

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

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use sessile::store::{Answer, StoreAnswer};
use sessile::verify::{Fingerprint, MaxAuthenticationAge, SubjectEpoch, Verdict, Verifier, Visit};
use sessile::{StoreError, StoreErrorKind};
use site::{Browser, HOUR, Mode, Site};
use support::Member;

/// Says the same of every session, at once or after a while.
#[derive(Clone)]
struct Says {
    verdict: Arc<Mutex<Result<Verdict, StoreErrorKind>>>,
    later: bool,
    asked: Arc<AtomicUsize>,
}

impl Says {
    fn new(verdict: Verdict, later: bool) -> Self {
        let verdict = Arc::new(Mutex::new(Ok(verdict)));
        Self { verdict, later, asked: Arc::default() }
    }

    fn now_says(&self, verdict: Result<Verdict, StoreErrorKind>) {
        *self.verdict.lock().unwrap() = verdict;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Verifier<Member> for Says {
    fn verify(&self, visit: &Visit<'_, Member>) -> StoreAnswer<Verdict> {
        assert_eq!(visit.record.data.name, "ann");
        assert!(visit.client.is_some_and(|client| client.address().is_some()));
        assert!(visit.headers.contains_key("cookie"));
        self.asked.fetch_add(1, Ordering::Relaxed);
        let verdict = self.verdict.lock().unwrap().map_err(StoreError::new);
        match self.later {
            false => Answer::ready(verdict),
            true => Answer::later(async move {
                tokio::task::yield_now().await;
                verdict
            }),
        }
    }
}

/// Every layer and store, with verifiers that answer at once and later.
fn everywhere() -> impl Iterator<Item = (Mode, bool)> {
    Mode::ALL.into_iter().flat_map(|mode| [(mode, false), (mode, true)])
}

#[tokio::test]
async fn every_verdict_has_its_consequence_and_is_told_once() {
    for (verdict, look, guarded, delicate, told, lives) in [
        (Verdict::Pass, "ann Active", 200, 200, 0, true),
        (Verdict::Observe("odd"), "ann Active", 200, 200, 1, true),
        (Verdict::StepUp("odd"), "ann Active", 200, 401, 1, true),
        (Verdict::Void("odd"), "- Rejected(Void)", 401, 401, 1, true),
        (Verdict::End("odd"), "- Rejected(Void)", 401, 401, 1, false),
    ] {
        for (mode, later) in everywhere() {
            let why = format!("{verdict:?} {mode:?} {later}");
            let says = Says::new(Verdict::Pass, later);
            let site = Site::new(mode, |layer| layer.verifier(says.clone()));
            let mut ann = Browser::log_in(&site).await;
            assert_eq!(says.asked(), 0, "{why}: there was no session to judge");
            let cookie = ann.cookie.clone();

            says.now_says(Ok(verdict));
            site.heard.clear();
            assert_eq!(ann.status("/guarded").await, guarded, "{why}");
            assert_eq!(site.heard.count("Doubted"), told, "{why}: {:?}", site.heard.all());
            assert_eq!(site.heard.count("Condemned"), usize::from(!lives), "{why}");
            assert_eq!(says.asked(), 1, "{why}: once a request");
            assert_eq!(site.store.len(), usize::from(lives), "{why}");

            ann.cookie = cookie;
            says.now_says(Ok(Verdict::Pass));
            let replay = ann.status("/guarded").await;
            assert_eq!(replay, if lives { 200 } else { 401 }, "{why}: the session afterwards");

            let mut ann = Browser::log_in(&site).await;
            says.now_says(Ok(verdict));
            assert_eq!(ann.clone().status("/delicate").await, delicate, "{why}");
            if lives {
                assert_eq!(ann.get("/look").await, (200, look.to_owned()), "{why}");
            }
        }
    }
}

#[tokio::test]
async fn what_was_ended_is_refused_to_everybody_and_its_cookie_goes() {
    for (mode, later) in everywhere() {
        let says = Says::new(Verdict::End("stolen"), later);
        let site = Site::new(mode, |layer| layer.verifier(says.clone()));
        let mut thief = Browser::log_in(&site).await;
        let mut owner = thief.clone();
        assert_eq!(thief.status("/guarded").await, 401);
        says.now_says(Ok(Verdict::Pass));
        assert_eq!(owner.get("/look").await.1, "- Rejected(Gone)", "{mode:?}");
        assert_eq!(owner.cookie, None, "cleared");
        assert_eq!(site.heard.count("reason: Condemned"), 1);
    }
}

#[tokio::test]
async fn verifiers_are_asked_in_order_and_the_first_refusal_has_the_last_word() {
    for (mode, _) in everywhere() {
        for laters in [[false; 3], [true; 3], [false, true, false], [true, false, true]] {
            let all = laters.map(|later| Says::new(Verdict::Pass, later));
            let [first, second, third] = all.clone();
            let site = Site::new(mode, |layer| {
                layer.verifier(first.clone()).verifier(second.clone()).verifier(third.clone())
            });
            let mut ann = Browser::log_in(&site).await;
            let why = format!("{mode:?} {laters:?}");

            first.now_says(Ok(Verdict::StepUp("one")));
            second.now_says(Ok(Verdict::Observe("two")));
            assert_eq!(ann.status("/delicate").await, 401, "{why}");
            let told = site.heard.all();
            let told: Vec<_> = told.iter().filter(|event| event.contains("Doubted")).collect();
            assert!(told.len() == 2 && told[0].contains("one"), "{why}: {told:?}");
            assert!(told[1].contains("two"), "{why}: {told:?}");
            assert_eq!(all.each_ref().map(Says::asked), [1, 1, 1], "{why}");

            second.now_says(Ok(Verdict::Void("two")));
            third.now_says(Ok(Verdict::End("three")));
            assert_eq!(ann.status("/guarded").await, 401, "{why}");
            assert_eq!(all.each_ref().map(Says::asked), [2, 2, 1], "{why}: nobody after it");
            assert_eq!(site.store.len(), 1, "{why}");
        }
    }
}

#[tokio::test]
async fn a_verifier_that_fails_means_503_and_no_session_leaks() {
    for (mode, later) in everywhere() {
        let says = Says::new(Verdict::Pass, later);
        let site =
            Site::new(mode, |layer| layer.anonymous_when_store_fails().verifier(says.clone()));
        let mut ann = Browser::log_in(&site).await;
        says.now_says(Err(StoreErrorKind::Unavailable));
        for path in ["/guarded", "/look", "/delicate"] {
            let (status, body) = ann.get(path).await;
            assert_eq!(status, 503, "{mode:?} {path}");
            assert!(!body.contains("ann"), "{mode:?} {path}: {body}");
        }
        assert_eq!(site.heard.count("StoreFailed"), 3, "{:?}", site.heard.all());
        assert_eq!(site.heard.count("operation: \"verify\""), 3);
        says.now_says(Ok(Verdict::Pass));
        assert_eq!(ann.status("/guarded").await, 200, "{mode:?}: it was not the session's fault");
    }
}

#[tokio::test]
async fn r52_what_a_verifier_prints_holds_no_ticket_and_nobodys_data() {
    for mode in Mode::ALL {
        let printed = Arc::new(Mutex::new(String::new()));
        let log = Arc::clone(&printed);
        let site = Site::new(mode, move |layer| {
            layer.verifier(move |visit: &Visit<'_, Member>| {
                log.lock().unwrap().push_str(&format!("{visit:?} {visit:#?}"));
                Verdict::Pass
            })
        });
        let mut ann = Browser::log_in(&site).await;
        let ticket = ann.cookie.clone().unwrap().split_once('=').unwrap().1.to_owned();
        assert_eq!(ann.status("/guarded").await, 200);
        let printed = printed.lock().unwrap().clone();
        assert!(printed.starts_with("Visit { id: "), "{mode:?}: {printed}");
        for secret in [ticket.as_str(), "cookie", "\"ann\"", "192.0.2.7", "Kit/1.0"] {
            assert!(!printed.contains(secret), "{mode:?}: {secret}: {printed}");
        }
    }
}

#[tokio::test]
async fn a_verifier_that_never_answers_is_given_up() {
    struct Hangs;
    impl Verifier<Member> for Hangs {
        fn verify(&self, _: &Visit<'_, Member>) -> StoreAnswer<Verdict> {
            Answer::later(std::future::pending())
        }
    }
    for mode in Mode::ALL {
        let site = Site::new(mode, |layer| layer.verifier(Hangs));
        let mut ann = Browser::log_in(&site).await;
        let asking = tokio::spawn(async move { ann.status("/guarded").await });
        while site.clock.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        site.clock.advance(Duration::from_secs(2));
        assert_eq!(asking.await.unwrap(), 503, "{mode:?}");
    }
}

// ---- the ready ones --------------------------------------------------------------------------

/// When the password of each was changed, or why nobody can say.
#[derive(Clone, Default)]
struct Users(Arc<Mutex<Option<SystemTime>>>, Arc<AtomicUsize>);

impl Users {
    fn changed_at(&self, time: SystemTime) {
        *self.0.lock().unwrap() = Some(time);
    }

    fn epoch(&self) -> SubjectEpoch {
        let users = self.clone();
        SubjectEpoch::new(move |subject: Arc<str>| {
            assert_eq!(&*subject, "ann");
            users.1.fetch_add(1, Ordering::Relaxed);
            let epoch = *users.0.lock().unwrap();
            async move {
                tokio::task::yield_now().await;
                Ok::<_, io::Error>(epoch)
            }
        })
    }
}

#[tokio::test]
async fn r32_sessions_from_before_the_password_change_end() {
    for mode in Mode::ALL {
        let users = Users::default();
        let site = Site::new(mode, |layer| layer.verifier(users.epoch()));
        let mut old = Browser::log_in(&site).await;
        assert_eq!(old.status("/guarded").await, 200, "{mode:?}: nothing was changed yet");

        site.clock.advance(HOUR / 4);
        users.changed_at(site.now());
        let mut new = Browser::log_in(&site).await;
        assert_eq!(new.status("/guarded").await, 200, "{mode:?}: in the very millisecond");
        users.changed_at(site.now() + Duration::from_micros(999));
        assert_eq!(new.status("/guarded").await, 200, "{mode:?}: times are milliseconds");
        let mut copy = old.clone();
        assert_eq!(old.status("/guarded").await, 401, "{mode:?}");
        assert_eq!(copy.get("/look").await.1, "- Rejected(Gone)", "{mode:?}: it has ended");
        assert_eq!(site.heard.count("Condemned"), 1);
        assert_eq!(site.heard.count("before the subject's epoch"), 1, "{:?}", site.heard.all());
        assert_eq!(new.status("/guarded").await, 200);

        users.changed_at(site.now() + Duration::from_millis(1));
        assert_eq!(new.status("/guarded").await, 401, "{mode:?}");
    }
}

#[tokio::test]
async fn an_epoch_that_only_voids_can_be_taken_back() {
    for mode in Mode::ALL {
        let users = Users::default();
        let site = Site::new(mode, |layer| layer.verifier(users.epoch().void()));
        let mut ann = Browser::log_in(&site).await;
        users.changed_at(site.now() + HOUR);
        assert_eq!(ann.get("/look").await, (200, "- Rejected(Void)".to_owned()), "{mode:?}");
        users.changed_at(site.now());
        assert_eq!(ann.status("/guarded").await, 200, "{mode:?}");
    }
}

#[tokio::test]
async fn sessions_of_nobody_have_no_epoch() {
    let users = Users::default();
    let site = Site::new(Mode::ALL[0], |layer| layer.verifier(users.epoch()));
    let mut visitor = Browser::at(&site, "192.0.2.7");
    visitor.get("/log_in?nobody").await;
    users.changed_at(site.now() + HOUR);
    assert_eq!(visitor.status("/guarded").await, 200);
    assert_eq!(users.1.load(Ordering::Relaxed), 0, "nobody was asked about nobody");
}

#[tokio::test]
async fn s45_an_epoch_that_nobody_can_say_means_503() {
    for mode in Mode::ALL {
        let site = Site::new(mode, |layer| {
            let broken = |_| async { Err::<Option<SystemTime>, _>(io::Error::other("no route")) };
            layer.verifier(SubjectEpoch::new(broken))
        });
        let mut ann = Browser::log_in(&site).await;
        let (status, body) = ann.get("/guarded").await;
        assert!(status == 503 && !body.contains("ann"), "{mode:?}: {status} {body}");
        assert_eq!(site.store.len(), 1, "{mode:?}: the session stays");
    }
}

#[tokio::test]
async fn r10_a_login_gets_too_old_however_often_its_session_is_used() {
    for mode in Mode::ALL {
        let site = Site::new(mode, |layer| layer.verifier(MaxAuthenticationAge::new(HOUR)));
        let mut ann = Browser::log_in(&site).await;
        for _ in 0..3 {
            site.clock.advance(HOUR / 4);
            assert_eq!(ann.status("/renew").await, 200, "{mode:?}");
        }
        site.clock.advance(HOUR / 4 - Duration::from_millis(1));
        assert_eq!(ann.status("/guarded").await, 200, "{mode:?}: a millisecond before");
        site.clock.advance(Duration::from_millis(1));
        assert_eq!(ann.status("/guarded").await, 401, "{mode:?}: exactly then");
        assert_eq!(site.store.len(), 0, "{mode:?}: it has ended");
    }
}

#[tokio::test]
async fn r62_the_age_counts_from_what_the_provider_says() {
    let limit = MaxAuthenticationAge::new(HOUR);
    for (limit, guarded, delicate) in
        [(limit, 401, 401), (limit.step_up(), 200, 401), (limit.observe(), 200, 200)]
    {
        let site = Site::new(Mode::ALL[0], |layer| layer.verifier(limit));
        for (path, expected) in [("/guarded", guarded), ("/delicate", delicate)] {
            let mut ann = Browser::at(&site, "192.0.2.7");
            ann.get("/log_in?long_ago").await;
            assert_eq!(ann.status(path).await, expected, "{limit:?} {path}");
        }
        assert_eq!(site.heard.count("authenticated too long ago"), 2);
    }
}

#[tokio::test]
async fn r65_a_fingerprint_observes_unless_it_is_told_more() {
    let network = Fingerprint::network();
    for (print, guarded, delicate, lives) in [
        (network, 200, 200, true),
        (network.step_up(), 200, 401, true),
        (network.void(), 401, 401, true),
        (network.end(), 401, 401, false),
    ] {
        for mode in Mode::ALL {
            let site = Site::new(mode, |layer| layer.verifier(print));
            for (path, expected) in [("/guarded", guarded), ("/delicate", delicate)] {
                let mut ann = Browser::log_in(&site).await;
                assert_eq!(ann.status(path).await, 200, "{print:?}: at home");
                assert_eq!(site.heard.count("Doubted"), 0);
                let mut thief = ann.clone();
                thief.address = "203.0.113.9".parse().ok();
                assert_eq!(thief.status(path).await, expected, "{print:?} {mode:?} {path}");
                assert_eq!(site.heard.count("another network than at login"), 1);
                let at_home = ann.status(path).await;
                assert_eq!(at_home, if lives { 200 } else { 401 }, "{print:?} {mode:?} {path}");
                site.heard.clear();
            }
        }
    }
}

#[tokio::test]
async fn r65_a_fingerprint_of_the_agent_knows_an_update_from_another_program() {
    let site = Site::new(Mode::ALL[0], |layer| layer.verifier(Fingerprint::user_agent().void()));
    let mut ann = Browser::log_in(&site).await;
    for (agent, status) in
        [(Some("Kit/1.0"), 200), (Some("Kit/2.17"), 200), (Some("curl/8.1"), 401), (None, 401)]
    {
        ann.agent = agent;
        assert_eq!(ann.status("/guarded").await, status, "{agent:?}");
    }
    ann.agent = Some("curl/8.1");
    ann.get("/log_in").await;
    assert_eq!(ann.status("/guarded").await, 200, "a login takes the client as it is");
}

#[tokio::test]
async fn what_was_not_known_at_login_is_not_compared() {
    let site = Site::new(Mode::ALL[0], |layer| {
        layer.verifier(Fingerprint::network().end()).verifier(Fingerprint::user_agent().end())
    });
    let mut ann = Browser::at(&site, "192.0.2.7");
    (ann.address, ann.agent) = (None, None);
    ann.get("/log_in").await;
    (ann.address, ann.agent) = ("192.0.2.7".parse().ok(), Some("Kit/1"));
    assert_eq!(ann.status("/guarded").await, 200);
}

#[tokio::test]
async fn a_login_in_a_voided_request_leaves_the_session_that_stays_alone() {
    for mode in Mode::ALL {
        let site = Site::new(mode, |layer| layer.verifier(Fingerprint::network().void()));
        let mut ann = Browser::log_in(&site).await;
        let mut thief = ann.clone();
        thief.address = "203.0.113.9".parse().ok();
        assert_eq!(thief.get("/log_in").await.0, 200);
        assert_eq!(thief.status("/guarded").await, 200, "{mode:?}: with a session of its own");
        assert_eq!(ann.status("/guarded").await, 200, "{mode:?}: and nobody was logged out");
        assert_eq!(site.store.len(), 2, "{mode:?}");
    }
}
