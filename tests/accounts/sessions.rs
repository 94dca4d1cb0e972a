//! Accounts and sessions: what a log-in starts, and what ends it.

use std::sync::{Arc, Mutex};

use http::Response;
use sessile::accounts::{
    AccountAnswer, AccountErrorKind, Accounts, Described, EndSessions, Entry, Grant, LogIn,
    LoggedIn, Password, UserChange, UserId,
};
use sessile::guard::Principal;
use sessile::store::MemoryStore;
use sessile::{NewSession, Session};

use super::support::{App, Handler, Member, Visitor, handler, ok, status};
use super::{OTHER, PASSWORD, Service, kind, nobody, stores};

/// Accounts beside a layer of sessions.
pub(super) struct Site {
    pub(super) service: Service,
    pub(super) app: App,
}

impl Site {
    pub(super) fn new(service: Service) -> Self {
        Self::with(service, App::new(MemoryStore::new()))
    }

    pub(super) fn with(mut service: Service, app: App) -> Self {
        service.accounts = service.accounts.sessions(app.layer.sessions());
        Self { service, app }
    }

    pub(super) fn accounts(&self) -> Accounts {
        self.service.accounts.clone()
    }

    /// A browser in which this user has logged in.
    pub(super) async fn browser(&self, name: &str, password: &str) -> Visitor {
        let mut visitor = Visitor::new(&self.app);
        let logged_in = self.accounts().log_in(LogIn::new(name, password)).await.unwrap();
        let answer = visitor.visit(&start(self.accounts(), logged_in)).await;
        assert_eq!(answer.status(), 200);
        visitor
    }

    pub(super) async fn sessions_of(&self, id: UserId) -> usize {
        self.app.layer.sessions().count(&id.to_string()).await.unwrap()
    }
}

pub(super) fn start(accounts: Accounts, logged_in: LoggedIn) -> Handler {
    let logged_in = Arc::new(Mutex::new(Some(logged_in)));
    handler(move |session| {
        let (accounts, logged_in) = (accounts.clone(), logged_in.lock().unwrap().take().unwrap());
        async move {
            let new = NewSession::with(Member::named("ann"));
            answer(accounts.start(&session, logged_in, new).await)
        }
    })
}

pub(super) fn change(accounts: Accounts, current: &'static str, new: &'static str) -> Handler {
    handler(move |session: Session<Member>| {
        let accounts = accounts.clone();
        async move {
            let (current, new) = (Password::new(current), Password::new(new));
            answer(accounts.change_password(&session, &current, &new, &nobody()).await)
        }
    })
}

fn answer<V>(outcome: Result<V, sessile::accounts::AccountError>) -> Response<String> {
    outcome.map_or_else(|error| status(error.status().as_u16()), |_| ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn r32_c12_a_changed_password_ends_other_sessions_and_renews_this_one() {
    for (name, store) in stores().await {
        let site = Site::new(Service::new(store));
        let ann = site.service.register("ann@example.org").await;
        let bob = site.service.register("bob@example.org").await;
        let mut here = site.browser("ann@example.org", PASSWORD).await;
        let mut there = site.browser("ann@example.org", PASSWORD).await;
        let mut bobs = site.browser("bob@example.org", PASSWORD).await;
        assert_eq!(site.sessions_of(ann.id).await, 2, "{name}");
        let mut thief = here.clone(); // has a copy of the ticket

        let wrong = here.visit(&change(site.accounts(), OTHER, OTHER)).await;
        assert_eq!(wrong.status(), 401, "{name}");
        let weak = here.visit(&change(site.accounts(), PASSWORD, "short")).await;
        assert_eq!(weak.status(), 400, "{name}");
        assert_eq!(site.sessions_of(ann.id).await, 2, "{name}: nothing has happened yet");

        let before = here.ticket().unwrap().to_owned();
        let changed = here.visit(&change(site.accounts(), PASSWORD, OTHER)).await;
        assert_eq!(changed.status(), 200, "{name}");
        assert_ne!(here.ticket(), Some(before.as_str()), "{name}");
        assert_eq!(here.member().await, Some(Member::named("ann")), "{name}: goes on");
        assert_eq!(there.member().await, None, "{name}: the other device");
        assert_eq!(thief.member().await, None, "{name}: the old ticket");
        assert!(bobs.member().await.is_some(), "{name}: somebody else");
        assert_eq!(site.sessions_of(ann.id).await, 1, "{name}");
        assert_eq!(site.sessions_of(bob.id).await, 1, "{name}");
        assert!(site.service.log_in("ann@example.org", PASSWORD).await.is_err(), "{name}");
        assert!(site.service.log_in("ann@example.org", OTHER).await.is_ok(), "{name}");

        let mut stranger = Visitor::new(&site.app);
        let refused = stranger.visit(&change(site.accounts(), OTHER, PASSWORD)).await;
        assert_eq!(refused.status(), 401, "{name}: nobody is logged in");
    }
}

#[tokio::test]
async fn r32_the_renewed_session_keeps_its_limits() {
    let site = Site::new(Service::in_memory());
    let ann = site.service.register("ann@example.org").await;
    let accounts = site.accounts();
    let logged_in = accounts.log_in(LogIn::new("ann@example.org", PASSWORD)).await.unwrap();
    let slot = Arc::new(Mutex::new(Some(logged_in)));
    let mut here = Visitor::new(&site.app);
    let month = std::time::Duration::from_secs(30 * 24 * 3_600);
    here.visit(&handler(move |session| {
        let (accounts, logged_in) = (accounts.clone(), slot.lock().unwrap().take().unwrap());
        async move {
            let new = NewSession::with(Member::named("ann")).remember(month).methods(["pwd"]);
            answer(accounts.start(&session, logged_in, new).await)
        }
    }))
    .await;
    let answer = here.visit(&change(site.accounts(), PASSWORD, OTHER)).await;
    let cookie = answer.headers()[http::header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.contains("Max-Age="), "still remembered: {cookie}");
    let listed = site.app.layer.sessions().list(&ann.id.to_string(), None, 10).await.unwrap();
    let meta = &listed[0].meta;
    assert_eq!((meta.idle(), meta.absolute.since(meta.created)), (month, month));
    assert_eq!(&*meta.context.as_ref().unwrap().methods[0], "pwd");
}

#[tokio::test(flavor = "multi_thread")]
async fn b24_a_reset_a_ban_and_a_deletion_end_every_session() {
    for (name, store) in stores().await {
        let site = Site::new(Service::new(store));
        let accounts = site.accounts();
        let ann = site.service.register("ann@example.org").await;

        let mut browser = site.browser("ann@example.org", PASSWORD).await;
        accounts.forgot("ann@example.org", &nobody()).await.unwrap();
        let token = site.service.told.token(3).await;
        accounts.reset(&token, &OTHER.into()).await.unwrap();
        assert_eq!(browser.member().await, None, "{name}: reset");

        let mut browser = site.browser("ann@example.org", OTHER).await;
        accounts.update(ann.id, UserChange::new().verified(true)).await.unwrap();
        assert!(browser.member().await.is_some(), "{name}: any other change ends nothing");
        accounts.update(ann.id, UserChange::new().active(false)).await.unwrap();
        assert_eq!(browser.member().await, None, "{name}: ban");

        accounts.update(ann.id, UserChange::new().active(true)).await.unwrap();
        let mut browser = site.browser("ann@example.org", OTHER).await;
        accounts.delete(ann.id).await.unwrap();
        assert_eq!(browser.member().await, None, "{name}: deletion");
        assert_eq!(site.sessions_of(ann.id).await, 0, "{name}");
    }
}

/// The log-in was right, and the user was barred before the session began: the very race that a
/// look at the sessions that there are cannot win.
#[tokio::test(flavor = "multi_thread")]
async fn r31_a_session_that_begins_after_the_end_of_all_is_not_started() {
    for (name, store) in stores().await {
        let site = Site::new(Service::new(store));
        let accounts = site.accounts();
        let ann = site.service.register("ann@example.org").await;
        let log_in = async |password: &str| {
            accounts.log_in(LogIn::new("ann@example.org", password)).await.unwrap()
        };
        let attempt = async |logged_in: LoggedIn| {
            let mut browser = Visitor::new(&site.app);
            let answer = browser.visit(&start(site.accounts(), logged_in)).await;
            (answer.status().as_u16(), browser.member().await, site.sessions_of(ann.id).await)
        };

        let logged_in = log_in(PASSWORD).await;
        accounts.set_password(ann.id, &OTHER.into()).await.unwrap();
        assert_eq!(attempt(logged_in).await, (401, None, 0), "{name}: another password");

        let logged_in = log_in(OTHER).await;
        accounts.update(ann.id, UserChange::new().active(false)).await.unwrap();
        assert_eq!(attempt(logged_in).await, (401, None, 0), "{name}: barred");

        accounts.update(ann.id, UserChange::new().active(true)).await.unwrap();
        let logged_in = log_in(OTHER).await;
        assert_eq!(attempt(logged_in).await, (200, Some(Member::named("ann")), 1), "{name}");

        let logged_in = log_in(OTHER).await;
        accounts.delete(ann.id).await.unwrap();
        assert_eq!(attempt(logged_in).await, (401, None, 0), "{name}: deleted");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_of_log_ins_during_a_ban_none_survives() {
    let site = Site::new(Service::in_memory());
    let ann = site.service.register("ann@example.org").await;
    for round in 0..10 {
        let mut log_ins = Vec::new();
        for _ in 0..4 {
            let (accounts, app) = (site.accounts(), site.app.clone());
            log_ins.push(tokio::spawn(async move {
                let attempt = LogIn::new("ann@example.org", PASSWORD);
                let Ok(logged_in) = accounts.log_in(attempt).await else { return };
                let mut browser = Visitor::new(&app);
                browser.visit(&start(accounts, logged_in)).await;
            }));
        }
        tokio::time::sleep(std::time::Duration::from_millis(round * 5)).await;
        site.accounts().update(ann.id, UserChange::new().active(false)).await.unwrap();
        for log_in in log_ins {
            log_in.await.unwrap();
        }
        assert_eq!(site.sessions_of(ann.id).await, 0, "round {round}");
        site.accounts().update(ann.id, UserChange::new().active(true)).await.unwrap();
    }
}

#[tokio::test]
async fn r31_a_verifier_ends_the_sessions_of_whoever_is_barred_elsewhere() {
    let service = Service::in_memory();
    let ann = service.register("ann@example.org").await;
    let verifier = service.accounts.active_users();
    let app = App::with(MemoryStore::new(), |layer| layer.verifier(verifier));
    // Another node's accounts, which know nothing of this layer.
    let site = Site { service, app };
    let mut browser = site.browser("ann@example.org", PASSWORD).await;
    assert!(browser.member().await.is_some());
    site.accounts().update(ann.id, UserChange::new().active(false)).await.unwrap();
    assert_eq!(browser.member().await, None);
    assert_eq!(site.sessions_of(ann.id).await, 0);
    let mut anonymous = site.app.log_in("nobody").await;
    assert!(anonymous.member().await.is_some(), "a session of no user is none of its business");
}

#[tokio::test(flavor = "multi_thread")]
async fn r56_f07_what_a_user_may_do_is_asked_with_every_request() {
    for (name, store) in stores().await {
        let site = Site::new(Service::new(store));
        let accounts = site.accounts();
        let ann = site.service.register("ann@example.org").await;
        let mut browser = site.browser("ann@example.org", PASSWORD).await;
        let asking = accounts.clone();
        let admins_only = handler(move |session: Session<Member>| {
            let accounts = asking.clone();
            async move {
                match accounts.snapshot_of(&session).await {
                    Ok(user) if user.has_role("admin") => ok(),
                    Ok(_) => status(403),
                    Err(error) => status(error.status().as_u16()),
                }
            }
        });
        let admin = || Grant::RoleOfUser(ann.id, "admin".parse().unwrap());
        accounts.put(Described::new(Entry::Role("admin".parse().unwrap()), "")).await.unwrap();
        assert_eq!(browser.visit(&admins_only).await.status(), 403, "{name}");
        accounts.grant(admin()).await.unwrap();
        assert_eq!(browser.visit(&admins_only).await.status(), 200, "{name}");
        accounts.withdraw(admin()).await.unwrap();
        assert_eq!(browser.visit(&admins_only).await.status(), 403, "{name}");
        let mut stranger = Visitor::new(&site.app);
        assert_eq!(stranger.visit(&admins_only).await.status(), 401, "{name}");
    }
}

#[tokio::test]
async fn logging_out_ends_this_session_and_everywhere_ends_all() {
    let site = Site::new(Service::in_memory());
    let ann = site.service.register("ann@example.org").await;
    let mut here = site.browser("ann@example.org", PASSWORD).await;
    let mut there = site.browser("ann@example.org", PASSWORD).await;
    let accounts = site.accounts();
    let log_out = handler(move |session: Session<Member>| {
        let accounts = accounts.clone();
        async move { answer(accounts.log_out(&session)) }
    });
    assert_eq!(here.visit(&log_out).await.status(), 200);
    assert_eq!(here.visit(&log_out).await.status(), 200, "twice is no error");
    assert_eq!(here.member().await, None);
    assert!(there.member().await.is_some());
    site.accounts().end_sessions(ann.id).await.unwrap();
    assert_eq!(there.member().await, None);
}

#[tokio::test]
async fn sessions_that_cannot_be_ended_are_said_after_all_were_tried() {
    struct Failing;
    impl EndSessions for Failing {
        fn end_all(&self, _: UserId) -> AccountAnswer<()> {
            AccountAnswer::ready(Err(AccountErrorKind::Store.into()))
        }
    }
    let mut site = Site::new(Service::in_memory());
    let sessions = site.app.layer.sessions();
    site.service.accounts = Service::in_memory().accounts.sessions(Failing).sessions(sessions);
    let ann = site.service.register("ann@example.org").await;
    let mut browser = site.browser("ann@example.org", PASSWORD).await;
    let refused = site.accounts().set_password(ann.id, &OTHER.into()).await;
    assert_eq!(kind(refused), Some(AccountErrorKind::Sessions));
    assert_eq!(browser.member().await, None);
    assert!(site.service.log_in("ann@example.org", OTHER).await.is_ok(), "it was changed");
}
