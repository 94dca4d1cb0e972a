//! What a layer says of itself: the report as text and as JSON, word by word; and profiles, which
//! hold its limits to a level.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, SystemTime};

use http::header::SET_COOKIE;
use serde_json::{Value, json};
use sessile::codec::{Carried, Carrier, FastapiSessions, Sealed};
use sessile::store::{Limit, MemoryStore};
use sessile::transport::{Bearer, Cookie, Description, Header, Place, Query, SameSite, Transport};
use sessile::{
    Deviation, Event, Expiry, Key, Keyring, NewSession, Profile, Rejection, Revocation,
    SessionLayer, Standard,
};
use support::{App, Member, Visitor, handler, ignore, key, ok};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

fn defaults() -> SessionLayer<Member> {
    SessionLayer::new(MemoryStore::new(), key())
}

/// As a laptop runs it.
fn development() -> SessionLayer<Member> {
    defaults().transport(Cookie::host("sid").dangerously_allow_plain_http())
}

/// As strict as it gets.
fn strict() -> SessionLayer<Member> {
    let old = Key::from_text("5b21f6a9c07d4e83b1c95a02d7e64f3819acbe57d20f683471c9a5eeb06d1f42");
    SessionLayer::new(MemoryStore::new(), Keyring::new(key()).also_accept(old.unwrap()))
        .profile(Profile::aal3())
        .transport(Cookie::host("sid").same_site(SameSite::Strict))
        .or_transport(Header::named("x-session"))
        .limit(Limit::deny(1))
        .observer(|_: &Event<'_>| {})
}

#[test]
fn r13_the_text_of_the_default_layer() {
    let expected = "\
session layer
  profile               none
  idle limit            30 min
  absolute limit        12 h
  a single login        may choose any limits
  ticket renewal        every 15 min, grace 30 s
  kept by clients       until they close
  sessions a subject    any number
  transport             cookie __Host-sid: Secure, HttpOnly, SameSite=Lax, Path=/; signed tickets
  key                   KEY (signs)
  revocation            in the store
  verifiers             0
  observer              none
  loading               before the handler
  store timeout         2 s
  when the store fails  503
  edits when 5xx        are dropped
  revocation check      every 5 s
deviations
  ASVS 16.3.3 (L2)           nobody is told of forged and reused tickets: there is no observer
  NIST 2.3.3 (AAL3, should)  the idle limit is 30 min, not 15 min at most
";
    assert_eq!(defaults().report().to_string(), expected.replace("KEY", &key().id().to_string()));
}

#[test]
fn r13_the_text_of_a_layer_for_development() {
    let text = development().report().to_string();
    let (_, deviations) = text.split_once("deviations\n").unwrap();
    let expected = [
        "  ASVS 3.3.1 (L1)                cookie sid also travels over plain HTTP",
        "  ASVS 3.3.3 (L2)                cookie sid lacks the prefix __Host-: other hosts can plant one like it",
        "  ASVS 16.3.3 (L2)               nobody is told of forged and reused tickets: there is no observer",
        "  NIST 5.1.1 (1) (AAL1)          cookie sid also travels over plain HTTP",
        "  NIST 5.1.1 (5) (AAL1, should)  cookie sid lacks the prefix __Host-: other hosts can plant one like it",
        "  NIST 2.3.3 (AAL3, should)      the idle limit is 30 min, not 15 min at most",
    ];
    let deviations: Vec<_> = deviations.lines().collect();
    assert_eq!(deviations, expected);
    assert!(
        text.contains("cookie sid: HttpOnly, SameSite=Lax, Path=/; signed tickets\n"),
        "{text}"
    );
}

#[test]
fn r13_the_text_of_a_strict_layer() {
    let report = strict().report();
    let text = report.to_string();
    let ids: Vec<_> = report.keys.iter().map(ToString::to_string).collect();
    let expected = "\
session layer
  profile               aal3
  idle limit            15 min
  absolute limit        12 h
  a single login        at most 15 min idle and 12 h in all
  ticket renewal        every 15 min, grace 30 s
  kept by clients       until they close
  sessions a subject    1; one more is refused
  transport             cookie __Host-sid: Secure, HttpOnly, SameSite=Strict, Path=/; signed tickets
  transport             header x-session; signed tickets
  key                   NEW (signs)
  key                   OLD (still accepted)
  revocation            in the store
  verifiers             0
  observer              told of events
  loading               before the handler
  store timeout         2 s
  when the store fails  503
  edits when 5xx        are dropped
  revocation check      every 5 s
no deviations
";
    assert_eq!(text, expected.replace("NEW", &ids[0]).replace("OLD", &ids[1]));
}

#[test]
fn r13_the_json_of_the_default_layer() {
    assert_eq!(
        read(&defaults()),
        json!({
            "profile": null,
            "idle_seconds": 1800,
            "absolute_seconds": 43_200,
            "longest_idle_seconds": null,
            "longest_absolute_seconds": null,
            "renew_after_seconds": 900,
            "grace_seconds": 30,
            "persistent": false,
            "limit": null,
            "transports": [{
                "place": "cookie", "name": "__Host-sid", "secure": true, "http_only": true,
                "same_site": "Lax", "path": "/", "domain": null, "partitioned": false,
                "max_age_seconds": null, "format": "signed", "single_use": false,
                "read_only": false,
            }],
            "revocation": "store",
            "key_ids": [key().id().to_string()],
            "verifiers": 0,
            "observed": false,
            "lazy": false,
            "store_timeout_seconds": 2,
            "anonymous_when_store_fails": false,
            "keep_edits_on_server_error": false,
            "revocation_check_seconds": 5,
            "deviations": [
                {
                    "standard": "OWASP ASVS 5.0", "requirement": "16.3.3", "level": "L2",
                    "required": true, "accepted_because": null,
                    "text": "nobody is told of forged and reused tickets: there is no observer",
                },
                {
                    "standard": "NIST SP 800-63B-4", "requirement": "2.3.3", "level": "AAL3",
                    "required": false, "accepted_because": null,
                    "text": "the idle limit is 30 min, not 15 min at most",
                },
            ],
        })
    );
}

#[test]
fn r13_the_json_of_development_and_strict_layers() {
    let development = read(&development());
    assert_eq!(development["transports"][0]["secure"], false);
    let found: Vec<_> = development["deviations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["requirement"].as_str().unwrap())
        .collect();
    assert_eq!(found, ["3.3.1", "3.3.3", "16.3.3", "5.1.1 (1)", "5.1.1 (5)", "2.3.3"]);

    let strict = read(&strict());
    assert_eq!(strict["profile"], json!({ "level": "aal3", "longer_because": null }));
    assert_eq!(strict["longest_idle_seconds"], 900);
    assert_eq!(strict["limit"], json!({ "sessions": 1, "then": "deny" }));
    assert_eq!(
        strict["transports"][1],
        json!({
            "place": "header", "name": "x-session", "format": "signed", "single_use": false,
            "read_only": false,
        })
    );
    assert_eq!(strict["deviations"], json!([]));
}

#[test]
fn r13_every_setting_shows() {
    let layer = defaults()
        .transport(Cookie::secure("sid").domain("example.com").path("/a").max_age(HOUR))
        .or_transport(Bearer::new())
        .expiry(Expiry::idle(DAY).absolute(7 * DAY).without_renewal().persistent())
        .limit(Limit::evict_oldest(3))
        .verifier(|_: &sessile::verify::Visit<'_, Member>| sessile::verify::Verdict::Pass)
        .lazy()
        .anonymous_when_store_fails()
        .keep_edits_on_server_error()
        .store_timeout(Duration::from_millis(1500))
        .revocation_check(MINUTE);
    let text = layer.report().to_string();
    for row in [
        "idle limit            24 h",
        "absolute limit        7 d",
        "ticket renewal        never",
        "kept by clients       until the absolute limit",
        "sessions a subject    3; one more ends the oldest",
        "Path=/a, Domain=example.com, Max-Age=3600",
        "transport             bearer authorization; signed tickets\n",
        "verifiers             1",
        "loading               when somebody asks",
        "store timeout         1500 ms",
        "when the store fails  anonymous; writes 503",
        "edits when 5xx        are kept",
        "revocation check      every 1 min",
    ] {
        assert!(text.contains(row), "{row}: {text}");
    }
}

#[test]
fn r27_tickets_in_the_query_string_are_a_deviation_and_no_default() {
    let ours = defaults().or_transport(Query::named("ticket"));
    assert!(!requirements(&defaults()).contains(&"14.2.1"));
    for query in [&ours, &defaults().or_transport(InQuery)] {
        assert!(requirements(query).contains(&"14.2.1"));
    }
    let text = ours.report().to_string();
    let row = "transport             query ticket; single-use tickets, for handshakes\n";
    assert!(text.contains(row), "{text}");
    assert_eq!(
        read(&ours)["transports"][1],
        json!({
            "place": "query", "name": "ticket", "format": "signed", "single_use": true,
            "read_only": false,
        })
    );
}

// ---- tickets of other kinds ------------------------------------------------------------------

/// Signs with what this crate knows nothing of.
#[derive(Debug)]
struct Elsewhere;

impl Carrier for Elsewhere {
    fn seal(&self, _: &str, _: &[u8]) -> Option<String> {
        None
    }

    fn open(&self, _: &str, _: &[u8]) -> Result<Carried, Rejection> {
        Err(Rejection::Malformed)
    }
}

#[test]
fn r13_r30_sessions_in_their_tickets_are_reported_as_what_they_are() {
    let old = Key::generate();
    let keys = Keyring::new(key()).also_accept(old.clone());
    let layer = SessionLayer::<Member>::carried(Sealed::new(keys), Revocation::impossible());
    let text = layer.report().to_string();
    for row in [
        "absolute limit        12 h\n".to_owned(),
        "ticket renewal        none: an older ticket is as good as the newest\n".to_owned(),
        "Path=/; sealed tickets with the session in them, no theft alarm\n".to_owned(),
        format!("key                   {} (seals)\n", key().id()),
        format!("key                   {} (still accepted)\n", old.id()),
        "revocation            impossible: a copied ticket passes until it expires\n".to_owned(),
        "revocation check      none\n".to_owned(),
        "ASVS 7.4.1 (L1) ".to_owned(),
    ] {
        assert!(text.contains(&row), "{row}: {text}");
    }
    assert_eq!(text.matches("\n  key ").count(), 2, "no key that was thrown away: {text}");
    let json = read(&layer);
    assert_eq!(json["key_ids"], json!([key().id().to_string(), old.id().to_string()]));
    assert_eq!(json["renew_after_seconds"], Value::Null);
    assert_eq!(json["revocation"], "impossible");
    assert_eq!(json["transports"][0]["format"], "carried");
}

#[test]
fn r13_r30_a_deny_list_ends_sessions_and_bounds_them() {
    let denied = Revocation::deny_list(MemoryStore::new(), HOUR);
    let layer = SessionLayer::<Member>::carried(Elsewhere, denied);
    let text = layer.report().to_string();
    for row in [
        "absolute limit        1 h\n",
        "a single login        at most 1 h idle and 1 h in all\n",
        "key                   none that has an id\n",
        "revocation            by a deny list, of sessions that live 1 h at most\n",
        "revocation check      every 5 s\n",
    ] {
        assert!(text.contains(row), "{row}: {text}");
    }
    assert!(!requirements(&layer).contains(&"7.4.1"));
    assert_eq!(
        (&read(&layer)["revocation"], &read(&layer)["key_ids"]),
        (&"deny_list".into(), &json!([]))
    );
}

#[test]
fn r13_cookies_of_fastapi_sessions_are_told_and_those_it_issues_are_a_deviation() {
    let legacy = || FastapiSessions::new("DONOTUSE");
    let theirs = defaults().transport_with(Cookie::named("cookie"), legacy());
    let text = theirs.report().to_string();
    for row in [
        "ticket renewal        none: an older ticket is as good as the newest\n",
        "Path=/; tickets of fastapi-sessions, no theft alarm\n",
        "key                   none that has an id\n",
        "ASVS 11.4.1 (L1) ",
        "ASVS 11.2.3 (L2) ",
    ] {
        assert!(text.contains(row), "{row}: {text}");
    }
    let both = defaults().or_transport_with(Cookie::named("cookie"), legacy());
    assert!(requirements(&both).contains(&"11.4.1"));
    assert_eq!(both.report().keys, [key().id()]);

    let leaving = defaults().or_transport_with(Cookie::named("cookie"), legacy().read_only());
    assert!(!requirements(&leaving).contains(&"11.4.1"));
    let text = leaving.report().to_string();
    let row = "Path=/; tickets of fastapi-sessions, no theft alarm, only read\n";
    assert!(text.contains(row), "{text}");
    assert!(text.contains("ticket renewal        every 15 min"), "{text}");
    assert_eq!(read(&leaving)["transports"][1]["read_only"], true);
}

fn requirements(layer: &SessionLayer<Member>) -> Vec<&'static str> {
    layer.report().deviations.iter().map(|one| one.requirement).collect()
}

#[test]
fn r52_a_report_holds_no_secret_and_no_name_forges_a_line() {
    let profile = Profile::aal3().dangerously_allow_longer("one door\nno deviations");
    let layer = defaults().profile(profile).expiry(Expiry::idle(HOUR)).or_transport(Liar);
    let report = layer.report();
    let secret = "7d4f1c9be02a6853"; // the key begins so
    for text in [report.to_string(), report.to_json(), format!("{report:?}")] {
        assert!(!text.contains(secret), "{text}");
    }
    assert!(!report.to_string().lines().any(|line| line.starts_with("no deviations")), "{report}");
    assert_eq!(report.to_json().lines().count(), 1);
}

#[test]
fn r09_a_longer_limit_fails_at_construction_whether_set_before_or_after() {
    let long = Expiry::idle(HOUR).absolute(25 * HOUR);
    let after = defaults().profile(Profile::aal2()).try_expiry(long).unwrap_err();
    let before = defaults().expiry(long).try_profile(Profile::aal2()).unwrap_err();
    for error in [after, before] {
        let text = error.to_string();
        for part in ["24 hours of aal2", "2.2.3", "Expiry::absolute", "dangerously_allow_longer"] {
            assert!(text.contains(part), "{text}");
        }
    }
    let panics =
        catch_unwind(AssertUnwindSafe(|| defaults().profile(Profile::aal2()).expiry(long)));
    assert!(panics.is_err(), "`expiry` panics where `try_expiry` is an error");
}

#[test]
fn r09_an_exception_is_listed_with_its_reason() {
    let profile = Profile::aal3().dangerously_allow_longer("the room has one door");
    let layer = defaults().profile(profile).expiry(Expiry::idle(HOUR).absolute(24 * HOUR));
    let report = layer.report();
    let excused: Vec<&Deviation> =
        report.deviations.iter().filter(|one| one.standard == Standard::Nist).collect();
    assert_eq!(excused.len(), 2, "{excused:?}");
    for one in excused {
        assert_eq!((one.requirement, one.level), ("2.3.3", "AAL3"));
        assert_eq!(one.reason.as_deref(), Some("the room has one door"));
    }
    assert!(report.to_string().contains("profile               aal3, with an exception"));
    let json: Value = serde_json::from_str(&report.to_json()).unwrap();
    assert_eq!(json["profile"]["longer_because"], "the room has one door");
    let silent = Profile::aal3().dangerously_allow_longer(" ");
    assert!(defaults().try_profile(silent).unwrap_err().to_string().contains("reason"));
}

#[tokio::test]
async fn r08_r09_what_a_single_login_asks_for_is_cut_to_the_profile() {
    let cases: [(&str, Profile, fn(NewSession<Member>) -> NewSession<Member>, _, _); 7] = [
        ("nothing", Profile::aal2(), |new| new, 30 * MINUTE, 12 * HOUR),
        ("shorter", Profile::aal2(), |new| new.idle(MINUTE).absolute(HOUR), MINUTE, HOUR),
        ("idle", Profile::aal2(), |new| new.idle(2 * HOUR), HOUR, 12 * HOUR),
        ("absolute", Profile::aal2(), |new| new.absolute(DAY + HOUR), 30 * MINUTE, DAY),
        ("remembered", Profile::aal1(), |new| new.remember(90 * DAY), 30 * DAY, 30 * DAY),
        ("remembered, aal2", Profile::aal2(), |new| new.remember(90 * DAY), HOUR, DAY),
        ("remembered, aal3", Profile::aal3(), |new| new.remember(90 * DAY), 15 * MINUTE, 12 * HOUR),
    ];
    for (name, profile, ask, idle, absolute) in cases {
        let app = App::with(MemoryStore::new(), |layer| layer.profile(profile));
        let new = ask(NewSession::with(Member::named("alice")));
        let answer = Visitor::new(&app)
            .visit(&handler(move |session| {
                session.create(new.clone()).unwrap();
                let meta = session.meta().unwrap();
                assert_eq!(meta.idle(), idle, "{name}");
                assert_eq!(meta.absolute.since(meta.created), absolute, "{name}");
                async { ok() }
            }))
            .await;
        let cookie = answer.headers()[SET_COOKIE].to_str().unwrap();
        let age = format!("; Max-Age={}", absolute.as_secs());
        assert_eq!(cookie.contains(&age), name.starts_with("remembered"), "{name}: {cookie}");
    }
}

#[tokio::test]
async fn r09_r62_the_time_of_a_level_counts_from_the_log_in() {
    let long = Profile::aal2().dangerously_allow_longer("one door");
    let cases: [(&str, Option<Profile>, Duration, Duration, Duration); 7] = [
        ("just now", Some(Profile::aal2()), Duration::ZERO, DAY, DAY),
        ("in between", Some(Profile::aal2()), 2 * HOUR, 12 * HOUR, 12 * HOUR),
        ("nearly over", Some(Profile::aal2()), 23 * HOUR, DAY, HOUR),
        ("another level", Some(Profile::aal3()), 11 * HOUR, DAY, HOUR),
        ("an exception", Some(long), 23 * HOUR, 48 * HOUR, 25 * HOUR),
        ("over", Some(Profile::aal2()), 25 * HOUR, DAY, Duration::ZERO),
        ("no profile", None, 25 * HOUR, DAY, DAY),
    ];
    for (name, profile, ago, asked, left) in cases {
        let app = App::with(MemoryStore::new(), |layer| match profile {
            Some(profile) if profile.reason().is_some() => {
                layer.profile(profile).expiry(Expiry::idle(HOUR).absolute(48 * HOUR))
            }
            Some(profile) => layer.profile(profile),
            None => layer,
        });
        let proved = SystemTime::from(app.clock.timestamp()) - ago;
        let new = NewSession::with(Member::named("alice")).remember(asked).authenticated_at(proved);
        let mut alice = Visitor::new(&app);
        alice
            .visit(&handler(move |session| {
                session.create(new.clone()).unwrap();
                let meta = session.meta().unwrap();
                assert_eq!(meta.absolute.since(meta.created), left, "{name}");
                async { ok() }
            }))
            .await;
        if left < 2 * HOUR {
            app.clock.advance(left);
            assert_eq!(alice.member().await, None, "{name}: a day after the log-in");
        }
    }
}

#[tokio::test]
async fn r08_under_a_profile_a_remembered_session_ends_when_the_level_says_so() {
    let app = App::with(MemoryStore::new(), |layer| layer.profile(Profile::aal2()));
    let mut busy = Visitor::new(&app);
    busy.visit(&handler(|session| {
        session.create(NewSession::with(Member::named("alice")).remember(30 * DAY)).unwrap();
        async { ok() }
    }))
    .await;
    for _ in 0..47 {
        app.clock.advance(30 * MINUTE);
        busy.visit(&ignore()).await;
    }
    assert!(busy.member().await.is_some(), "23 h 30 min of use");
    app.clock.advance(30 * MINUTE);
    assert_eq!(busy.member().await, None, "24 hours are over");
}

fn read(layer: &SessionLayer<Member>) -> Value {
    serde_json::from_str(&layer.report().to_json()).unwrap()
}

/// A transport that says it reads the query string.
#[derive(Debug)]
struct InQuery;

/// A transport whose name would begin a line of its own.
#[derive(Debug)]
struct Liar;

macro_rules! silent_transport {
    ($transport:ty, $purpose:literal, $description:expr) => {
        impl Transport for $transport {
            fn purpose(&self) -> &str {
                $purpose
            }

            fn find<'r>(&self, _: &'r http::HeaderMap, _: &mut sessile::transport::Candidates<'r>) {
            }

            fn attach(
                &self,
                _: &mut http::HeaderMap,
                _: &str,
                _: Option<Duration>,
            ) -> Result<(), sessile::transport::TooLong> {
                Ok(())
            }

            fn clear(&self, _: &mut http::HeaderMap) {}

            fn reads(&self) -> http::HeaderName {
                http::HeaderName::from_static("x-none")
            }

            fn describe(&self) -> Description {
                $description
            }
        }
    };
}

silent_transport!(InQuery, "in:query", Description::new(Place::Query, "ticket"));
silent_transport!(Liar, "liar", Description::new(Place::Other, "x\nno deviations"));
