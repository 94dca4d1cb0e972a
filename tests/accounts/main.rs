//! Accounts: rules, stores and flows, on memory, SQLite and PostgreSQL (`TEST_POSTGRES_URL`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::clone_on_ref_ptr,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]

mod between;
mod dropped;
mod flows;
mod hooks;
mod passwords;
mod recovery;
mod rules;
#[path = "../support/services.rs"]
mod services;
mod sessions;
mod stores;
#[path = "../support/mod.rs"]
mod support;
mod throttling;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sessile::accounts::{
    AccountError, AccountErrorKind, AccountEvent, AccountStore, Accounts, LogIn, MemoryAccounts,
    NothingToEnd, Passwords, Registration, SqlAccounts, Throttle, User,
};
use sessile::testkit::SimulatedClock;
use sessile::{Client, Id};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

const PASSWORD: &str = "correct horse battery staple";
const OTHER: &str = "incorrect horse battery staple";

/// One store of each kind, each empty.
async fn stores() -> Stores {
    let folder = Folder::new();
    let connect = async |url: &str| Arc::new(SqlAccounts::connect(url).await.unwrap());
    let list: Vec<(&str, Arc<dyn AccountStore>)> = vec![
        ("memory", Arc::new(MemoryAccounts::new())),
        ("SQLite", connect("sqlite::memory:").await),
        ("SQLite in a file", connect(&folder.sqlite()).await),
        ("PostgreSQL", connect(&fresh_postgres().await).await),
    ];
    Stores { list: list.into_iter(), _folder: folder }
}

/// They last as long as the loop over them.
struct Stores {
    list: std::vec::IntoIter<(&'static str, Arc<dyn AccountStore>)>,
    _folder: Folder,
}

impl Iterator for Stores {
    type Item = (&'static str, Arc<dyn AccountStore>);

    fn next(&mut self) -> Option<Self::Item> {
        self.list.next()
    }
}

/// A folder of its own, removed when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let name = format!("sessile-accounts-{}", Id::generate().unwrap());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    /// The address of the database in it.
    fn sqlite(&self) -> String {
        format!("sqlite:{}", self.0.join("accounts.db").display())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// The address of a schema of its own on the server that all tests share.
async fn fresh_postgres() -> String {
    let url = services::shared_url("TEST_POSTGRES_URL");
    let schema = format!("accounts_{}", Id::generate().unwrap().as_uuid().simple());
    let mut admin = PgConnection::connect(&url).await.unwrap();
    let sql = format!("CREATE SCHEMA {schema}");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await.unwrap();
    let mark = if url.contains('?') { '&' } else { '?' };
    format!("{url}{mark}options[search_path]={schema}")
}

/// What was told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<AccountEvent>>>);

impl Told {
    fn all(&self) -> Vec<AccountEvent> {
        self.0.lock().unwrap().clone()
    }

    /// The names of the events, once there are so many. More would be found by the next look.
    async fn names(&self, count: usize) -> Vec<String> {
        for _ in 0..1_000 {
            if self.all().len() >= count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let name = |event: &AccountEvent| {
            format!("{event:?}").split([' ', '{']).next().unwrap_or_default().to_owned()
        };
        self.all().iter().map(name).collect()
    }

    /// The token of the last such event, when there are so many events.
    async fn token(&self, count: usize) -> String {
        self.names(count).await;
        let tokens = self.all().into_iter().filter_map(|event| match event {
            AccountEvent::ForgotPassword { token, .. }
            | AccountEvent::VerifyRequested { token, .. } => Some(token.expose().to_owned()),
            _ => None,
        });
        tokens.collect::<Vec<_>>().pop().expect("a token")
    }
}

/// Accounts with a clock that stands still, and all that they tell.
struct Service {
    accounts: Accounts,
    clock: SimulatedClock,
    told: Told,
}

impl Service {
    fn new(store: Arc<dyn AccountStore>) -> Self {
        let (clock, told) = (SimulatedClock::new(), Told::default());
        let list = told.0.clone();
        let accounts = Accounts::shared(store, NothingToEnd)
            .clock(clock.clone())
            .passwords(Passwords::new().parallel(2))
            .throttle(Throttle::new().account(1_000))
            .hooks(move |event: AccountEvent| list.lock().unwrap().push(event));
        Self { accounts, clock, told }
    }

    fn in_memory() -> Self {
        Self::new(Arc::new(MemoryAccounts::new()))
    }

    async fn register(&self, email: &str) -> User {
        self.accounts.register(Registration::new(email, PASSWORD)).await.unwrap()
    }

    async fn log_in(&self, name: &str, password: &str) -> Result<User, AccountErrorKind> {
        let outcome = self.accounts.log_in(LogIn::new(name, password)).await;
        outcome.map(|who| who.user().clone()).map_err(|error| error.kind())
    }
}

fn kind<V>(outcome: Result<V, AccountError>) -> Option<AccountErrorKind> {
    outcome.err().map(|error| error.kind())
}

fn nobody() -> Client {
    Client::default()
}
