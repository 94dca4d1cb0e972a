//! What comes between the steps of a call that ends sessions or begins one: a visitor who goes, a
//! store that does not say what it did, a ban.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::header::SET_COOKIE;
use sessile::accounts::{
    Account, AccountAnswer, AccountError, AccountErrorKind, Accounts, Chosen, Described,
    EndSessions, Entry, Grant, Held, Link, LinkStore, LogIn, Lookup, MemoryAccounts, NewPassword,
    NewToken, PasswordCheck, PasswordHash, Passwords, Permission, Purpose, Put, RoleName,
    RoleStore, TokenDigest, TokenStore, User, UserChange, UserId, UserStore,
};
use sessile::store::MemoryStore;
use sessile::testkit::{Faulty, Operation};
use sessile::{StoreErrorKind, Timestamp};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::sessions::{Site, change, start};
use super::support::{App, Member, Visitor, count_visit, handler};
use super::{OTHER, PASSWORD, Service, kind, nobody};

/// Accounts that do what they are asked to, and then may say that they have failed, or nothing.
#[derive(Clone, Default)]
struct Doubtful {
    inner: MemoryAccounts,
    /// Changes of users answer an error.
    fails: Arc<AtomicBool>,
    /// Looking for a user never ends.
    hangs: Arc<AtomicBool>,
}

impl Doubtful {
    fn doubt<V>(&self, answer: AccountAnswer<V>) -> AccountAnswer<V> {
        match self.fails.load(Ordering::SeqCst) {
            true => AccountAnswer::ready(Err(AccountErrorKind::Store.into())),
            false => answer,
        }
    }
}

macro_rules! as_inner {
    ($($name:ident($($value:ident: $of:ty),*) -> $answer:ty;)*) => {
        $(fn $name(&self, $($value: $of),*) -> AccountAnswer<$answer> {
            self.inner.$name($($value),*)
        })*
    };
}

impl UserStore for Doubtful {
    as_inner! {
        insert(account: Account) -> ();
        list(after: Option<UserId>, max: usize) -> Vec<User>;
    }

    fn find(&self, by: Lookup) -> AccountAnswer<Option<Account>> {
        match self.hangs.load(Ordering::SeqCst) {
            true => AccountAnswer::later(pending()),
            false => self.inner.find(by),
        }
    }

    fn update(&self, id: UserId, to: UserChange, now: Timestamp) -> AccountAnswer<Option<User>> {
        self.doubt(self.inner.update(id, to, now))
    }

    fn set_password(
        &self,
        id: UserId,
        new: NewPassword,
        now: Timestamp,
    ) -> AccountAnswer<Option<User>> {
        self.doubt(self.inner.set_password(id, new, now))
    }

    fn delete(&self, id: UserId) -> AccountAnswer<bool> {
        self.doubt(self.inner.delete(id))
    }
}

impl TokenStore for Doubtful {
    as_inner! {
        issue(token: NewToken) -> Option<User>;
        holder(digest: TokenDigest, purpose: Purpose, now: Timestamp) -> Option<User>;
        verify(digest: TokenDigest, now: Timestamp) -> Option<User>;
    }

    fn reset(
        &self,
        digest: TokenDigest,
        new: PasswordHash,
        now: Timestamp,
    ) -> AccountAnswer<Option<User>> {
        self.doubt(self.inner.reset(digest, new, now))
    }
}

impl LinkStore for Doubtful {
    as_inner! {
        link(user: UserId, link: Link) -> ();
        unlink(user: UserId, link: Link) -> bool;
        links(user: UserId) -> Vec<Link>;
    }
}

impl RoleStore for Doubtful {
    as_inner! {
        put(described: Described) -> Put;
        remove(entry: Entry) -> bool;
        entries() -> Vec<Described>;
        grant(grant: Grant) -> bool;
        withdraw(grant: Grant) -> bool;
        granted(role: RoleName) -> Vec<Permission>;
        held(user: UserId) -> Held;
    }
}

/// A call that shall end all sessions of a user.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Reset,
    SetPassword,
    Ban,
    Delete,
}

type Call = Pin<Box<dyn Future<Output = Result<(), AccountError>> + Send>>;

const ENDINGS: [Ending; 4] = [Ending::Reset, Ending::SetPassword, Ending::Ban, Ending::Delete];

impl Ending {
    async fn call(self, site: &Site, id: UserId) -> Call {
        let accounts = site.accounts();
        let token = match self {
            Self::Reset => {
                accounts.forgot("ann@example.org", &nobody()).await.unwrap();
                site.service.told.token(3).await
            }
            _ => String::new(),
        };
        Box::pin(async move {
            match self {
                Self::Reset => accounts.reset(&token, &OTHER.into()).await.map(drop),
                Self::SetPassword => accounts.set_password(id, &OTHER.into()).await.map(drop),
                Self::Ban => accounts.update(id, UserChange::new().active(false)).await.map(drop),
                Self::Delete => accounts.delete(id).await,
            }
        })
    }
}

/// Sessions that take their time to end.
#[derive(Clone)]
struct Slow {
    begun: Arc<Semaphore>,
    may_end: Arc<Semaphore>,
    ended: Arc<AtomicUsize>,
}

impl Slow {
    fn new() -> Self {
        let semaphore = || Arc::new(Semaphore::new(0));
        Self { begun: semaphore(), may_end: semaphore(), ended: Arc::default() }
    }

    async fn has_ended(&self) -> bool {
        let ended = async {
            while self.ended.load(Ordering::SeqCst) == 0 {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(20), ended).await.is_ok()
    }
}

impl EndSessions for Slow {
    fn end_all(&self, _: UserId) -> AccountAnswer<()> {
        let slow = self.clone();
        AccountAnswer::later(async move {
            slow.begun.add_permits(1);
            slow.may_end.acquire().await.unwrap().forget();
            slow.ended.fetch_add(1, Ordering::SeqCst);
            Ok(())
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b24_r31_sessions_end_although_nobody_waits_for_the_call_any_more() {
    for ending in ENDINGS {
        let mut site = Site::new(Service::in_memory());
        let slow = Slow::new();
        let sessions = site.app.layer.sessions();
        site.service.accounts = site.accounts().sessions(slow.clone()).sessions(sessions);
        let ann = site.service.register("ann@example.org").await;
        let mut browser = site.browser("ann@example.org", PASSWORD).await;
        let call = tokio::spawn(ending.call(&site, ann.id).await);
        slow.begun.acquire().await.unwrap().forget();
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled(), "{ending:?}");
        slow.may_end.add_permits(10);
        assert!(slow.has_ended().await, "{ending:?}");
        let gone = async {
            while browser.member().await.is_some() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(timeout(Duration::from_secs(20), gone).await.is_ok(), "{ending:?}: what is next");
    }
}

#[tokio::test]
async fn b24_r31_sessions_end_if_the_store_does_not_say_whether_it_has_changed_the_user() {
    for ending in ENDINGS {
        let store = Doubtful::default();
        let site = Site::new(Service::new(Arc::new(store.clone())));
        let ann = site.service.register("ann@example.org").await;
        let mut browser = site.browser("ann@example.org", PASSWORD).await;
        let call = ending.call(&site, ann.id).await;
        store.fails.store(true, Ordering::SeqCst);
        assert_eq!(kind(call.await), Some(AccountErrorKind::Store), "{ending:?}");
        assert_eq!(browser.member().await, None, "{ending:?}");
    }
    // What has certainly not happened ends nobody.
    let site = Site::new(Service::in_memory());
    let ann = site.service.register("ann@example.org").await;
    let mut browser = site.browser("ann@example.org", PASSWORD).await;
    site.service.register("bob@example.org").await;
    let taken = UserChange::new().active(false).email("bob@example.org".parse().unwrap());
    let refused = site.accounts().update(ann.id, taken).await;
    assert_eq!(kind(refused), Some(AccountErrorKind::Taken));
    assert!(browser.member().await.is_some());
}

fn faulty() -> (Faulty<Member>, App) {
    let store = Faulty::new(MemoryStore::new());
    (store.clone(), App::new(store))
}

#[tokio::test]
async fn r31_r32_a_ban_or_a_reset_while_a_password_is_changed_leaves_no_session() {
    for barred in [true, false] {
        let (sessions, app) = faulty();
        let site = Site::with(Service::in_memory(), app);
        let ann = site.service.register("ann@example.org").await;
        let mut browser = site.browser("ann@example.org", PASSWORD).await;
        // All sessions have ended, and the new one is not there yet.
        let accounts = site.accounts();
        sessions.before(Operation::Create, async move {
            let outcome = match barred {
                true => accounts.update(ann.id, UserChange::new().active(false)).await,
                false => accounts.set_password(ann.id, &"yet another long one".into()).await,
            };
            outcome.unwrap();
        });
        let answer = browser.visit(&change(site.accounts(), PASSWORD, OTHER)).await;
        assert_eq!(answer.status(), 401, "barred: {barred}");
        assert_eq!(browser.member().await, None, "barred: {barred}");
        assert_eq!(site.sessions_of(ann.id).await, 0, "barred: {barred}");
    }
}

#[tokio::test]
async fn r32_the_renewed_session_has_what_was_written_while_the_password_was_hashed() {
    /// Another tab of the browser.
    struct Tab(Arc<std::sync::Mutex<Option<Visitor>>>);
    impl PasswordCheck for Tab {
        fn is_trivial(&self, _: &Chosen<'_>) -> AccountAnswer<bool> {
            let tab = self.0.lock().unwrap().take();
            AccountAnswer::later(async move {
                if let Some(mut tab) = tab {
                    assert_eq!(tab.visit(&count_visit()).await.status(), 200);
                }
                Ok(false)
            })
        }
    }
    let mut site = Site::new(Service::in_memory());
    let tab = Arc::new(std::sync::Mutex::new(None));
    let passwords = Passwords::new().check(Tab(Arc::clone(&tab)));
    site.service.accounts = site.accounts().passwords(passwords);
    site.service.register("ann@example.org").await;
    let mut browser = site.browser("ann@example.org", PASSWORD).await;
    *tab.lock().unwrap() = Some(browser.clone());
    let accounts = site.accounts();
    let change = handler(move |session: sessile::Session<Member>| {
        let accounts = accounts.clone();
        async move {
            session.update(|member| "Ann".clone_into(&mut member.name)).unwrap();
            let (current, new) = (PASSWORD.into(), OTHER.into());
            accounts.change_password(&session, &current, &new, &nobody()).await.unwrap();
            super::support::ok()
        }
    });
    assert_eq!(browser.visit(&change).await.status(), 200);
    let expected = Member { name: "Ann".to_owned(), visits: 1 };
    assert_eq!(browser.member().await, Some(expected), "its own edits, and the other tab's");
}

#[tokio::test]
async fn r31_a_session_that_cannot_be_withdrawn_is_not_handed_out() {
    for failures in 1..3 {
        let (sessions, app) = faulty();
        let site = Site::with(Service::in_memory(), app);
        let ann = site.service.register("ann@example.org").await;
        let attempt = LogIn::new("ann@example.org", PASSWORD);
        let logged_in = site.accounts().log_in(attempt).await.unwrap();
        site.accounts().set_password(ann.id, &OTHER.into()).await.unwrap();
        for _ in 0..failures {
            sessions.fail_next(Operation::Delete, StoreErrorKind::Unavailable);
        }
        let mut browser = Visitor::new(&site.app);
        let answer = browser.visit(&start(site.accounts(), logged_in)).await;
        assert_eq!(answer.status(), 503, "{failures}");
        let lines: Vec<_> = answer.headers().get_all(SET_COOKIE).iter().collect();
        let removal = |line: &&http::HeaderValue| line.to_str().unwrap().contains("Max-Age=0");
        assert!(lines.iter().all(removal), "{failures}: {lines:?}");
        assert_eq!(browser.member().await, None, "{failures}");
        let left = usize::from(failures == 2);
        assert_eq!(site.sessions_of(ann.id).await, left, "the response has tried once more");
    }
}

#[tokio::test]
async fn r31_a_log_in_that_is_given_up_before_the_user_was_looked_at_again_is_none() {
    let store = Doubtful::default();
    let site = Site::new(Service::new(Arc::new(store.clone())));
    let ann = site.service.register("ann@example.org").await;
    let accounts: Accounts = site.accounts();
    let logged_in = accounts.log_in(LogIn::new("ann@example.org", PASSWORD)).await.unwrap();
    store.hangs.store(true, Ordering::SeqCst);
    let slot = Arc::new(std::sync::Mutex::new(Some(logged_in)));
    let impatient = handler(move |session: sessile::Session<Member>| {
        let (accounts, logged_in) = (accounts.clone(), slot.lock().unwrap().take().unwrap());
        async move {
            let start = accounts.start(&session, logged_in, Member::named("ann"));
            match timeout(Duration::from_millis(200), start).await {
                Ok(_) => super::support::ok(),
                Err(_) => super::support::status(408),
            }
        }
    });
    let mut browser = Visitor::new(&site.app);
    assert_eq!(browser.visit(&impatient).await.status(), 408);
    assert_eq!(browser.member().await, None);
    assert_eq!(site.sessions_of(ann.id).await, 0);
}
