//! Registering and logging in.

use std::fmt;

use super::email::{Email, Username};
use super::error::{AccountError, AccountErrorKind};
use super::event::AccountEvent;
use super::password::{Password, PasswordHash};
use super::passwords::Verified;
use super::service::Accounts;
use super::store::{Lookup, NewPassword};
use super::user::{Account, User, UserId};
use crate::client::Client;

/// What somebody registers with. There is no place in it for roles or flags: those are the
/// server's to decide.
///
/// ```
/// use sessile::Client;
/// use sessile::accounts::Registration;
/// let ann = Registration::new("ann@example.org", "correct horse battery staple")
///     .username("ann")
///     .client(Client::new(Some([192, 0, 2, 7].into()), None));
/// ```
pub struct Registration {
    email: Box<str>,
    username: Option<Box<str>>,
    password: Password,
    client: Client,
}

impl Registration {
    /// With this address and password, as they were typed.
    pub fn new(email: &str, password: impl Into<Password>) -> Self {
        let (email, password) = (email.into(), password.into());
        Self { email, username: None, password, client: Client::default() }
    }

    /// And this username.
    #[must_use]
    pub fn username(mut self, name: &str) -> Self {
        self.username = Some(name.into());
        self
    }

    /// Says where it comes from, so that attempts can be counted.
    #[must_use]
    pub fn client(mut self, client: Client) -> Self {
        self.client = client;
        self
    }
}

/// What somebody logs in with.
///
/// ```
/// use sessile::Client;
/// use sessile::accounts::LogIn;
/// let attempt = LogIn::new("ann", "correct horse battery staple")
///     .client(Client::new(Some([192, 0, 2, 7].into()), None));
/// ```
pub struct LogIn {
    name: Box<str>,
    password: Password,
    client: Client,
}

impl LogIn {
    /// With this e-mail address or username, and this password, as they were typed.
    pub fn new(name: &str, password: impl Into<Password>) -> Self {
        Self { name: name.into(), password: password.into(), client: Client::default() }
    }

    /// Says where it comes from, so that attempts can be counted.
    #[must_use]
    pub fn client(mut self, client: Client) -> Self {
        self.client = client;
        self
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Registration")
    }
}

impl fmt::Debug for LogIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogIn")
    }
}

/// The proof that somebody has just logged in. Only [`Accounts::log_in`] and
/// [`Accounts::log_in_linked`] make one; [`Accounts::start`] takes it.
///
/// ```
/// use sessile::accounts::LoggedIn;
/// fn greeting(who: &LoggedIn) -> String {
///     format!("Hello {}!", who.user().email.local())
/// }
/// ```
#[derive(Debug)]
#[must_use = "nobody is logged in until a session is started"]
pub struct LoggedIn {
    user: User,
}

impl LoggedIn {
    /// Who it is.
    pub const fn user(&self) -> &User {
        &self.user
    }

    /// The subject for sessions and tokens: the user's id.
    ///
    /// ```
    /// # use sessile::accounts::LoggedIn;
    /// fn session(who: &LoggedIn) -> sessile::NewSession<sessile::Values> {
    ///     sessile::NewSession::with(sessile::Values::new()).subject(who.subject())
    /// }
    /// ```
    pub fn subject(&self) -> String {
        self.user.id.to_string()
    }
}

impl Accounts {
    /// Registers somebody: an active user with no role, whose address is not verified.
    ///
    /// That an address is [`Taken`](AccountErrorKind::Taken) tells who is a user. An application
    /// that keeps this to itself answers both in the same way ("we have sent you an e-mail"), and
    /// writes to the owner on [`RegisteredAgain`](AccountEvent::RegisteredAgain); the work done is the
    /// same. It must also let in [only whose address is verified](Self::only_verified): who could log
    /// in at once with the password just chosen would know that the address was free. The hook that
    /// hears of [`Registered`](AccountEvent::Registered) asks for the
    /// [verification](Self::request_verify), so that no answer waits for it. That a username is taken
    /// may be said: it is said whether the address is taken or not.
    ///
    /// ```
    /// use sessile::accounts::{AccountError, AccountErrorKind, Accounts, Registration};
    /// /// With accounts that are `only_verified`.
    /// async fn sign_up(accounts: &Accounts, form: Registration) -> Result<&'static str, AccountError> {
    ///     match accounts.register(form).await {
    ///         Err(error) if error.kind() != AccountErrorKind::Taken => Err(error),
    ///         Ok(_) | Err(_) => Ok("We have sent you an e-mail."),
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Email`](AccountErrorKind::Email), [`Username`](AccountErrorKind::Username), the kinds that
    /// begin with `Password`, [`Taken`](AccountErrorKind::Taken),
    /// [`UsernameTaken`](AccountErrorKind::UsernameTaken), [`Throttled`](AccountErrorKind::Throttled) per client, [`Busy`](AccountErrorKind::Busy), and
    /// what the store fails with.
    pub async fn register(&self, registration: Registration) -> Result<User, AccountError> {
        let Registration { email, username, password, client } = registration;
        let email: Email = email.parse()?;
        let username = username.as_deref().map(str::parse::<Username>).transpose()?;
        let key = format!("register {}", email.key());
        // Whether it succeeds or not, it counts: the check of a password may be a question to others.
        drop(self.0.throttle.attempt(&key, &client, self.now())?);
        self.0.passwords.accept(&password, &email, username.as_ref()).await?;
        let hash = self.0.passwords.hash(&password).await?;
        let mut account = Account::new(UserId::generate()?, email, self.now()).password(hash);
        account.user.username = username;
        let user = account.user.clone();
        match self.0.store.insert(account).await {
            Ok(()) => {
                self.tell(AccountEvent::Registered { user: user.clone() });
                Ok(user)
            }
            Err(error) => {
                if error.kind() == AccountErrorKind::Taken {
                    self.tell_owner(user.email);
                }
                Err(error)
            }
        }
    }

    /// Tells that somebody registered with an address that is a user's, without anybody waiting.
    fn tell_owner(&self, email: Email) {
        let accounts = self.clone();
        drop(tokio::spawn(async move {
            if let Ok(Some(account)) = accounts.0.store.find(Lookup::Email(email)).await {
                accounts.tell(AccountEvent::RegisteredAgain { user: account.user });
            }
        }));
    }

    /// Checks who somebody is. That starts no session yet: [`start`](Self::start) does.
    ///
    /// An unknown name, a wrong password and a user who may not log in are the same error, after the
    /// same work: one look into the store and one hash. A hash that is not what a new one would be is
    /// replaced on this occasion.
    ///
    /// ```
    /// use sessile::accounts::{AccountError, Accounts, LogIn};
    /// # use sessile::{Client, Session, Values};
    /// async fn log_in(
    ///     accounts: &Accounts,
    ///     session: Session<Values>,
    ///     form: (String, String),
    ///     client: Client,
    /// ) -> Result<(), AccountError> {
    ///     let attempt = LogIn::new(&form.0, form.1).client(client);
    ///     let logged_in = accounts.log_in(attempt).await?;
    ///     accounts.start(&session, logged_in, Values::new()).await?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Credentials`](AccountErrorKind::Credentials), [`Throttled`](AccountErrorKind::Throttled),
    /// [`Busy`](AccountErrorKind::Busy), and what the store fails with.
    pub async fn log_in(&self, attempt: LogIn) -> Result<LoggedIn, AccountError> {
        let LogIn { name, password, client } = attempt;
        let who = lookup(&name);
        let key = who.as_ref().map_or_else(|| "log-in ?".to_owned(), key);
        let attempt = self.0.throttle.attempt(&key, &client, self.now())?;
        match self.check(who, &password).await {
            Ok(Some(user)) => {
                attempt.succeeded();
                self.tell(AccountEvent::LoggedIn { user: user.clone() });
                Ok(LoggedIn { user })
            }
            Ok(None) => Err(AccountErrorKind::Credentials.into()),
            Err(error) => {
                attempt.withdrawn();
                Err(error)
            }
        }
    }

    /// Logs in the user whom a provider knows by this subject, after the provider has said so.
    /// There is no password to check and nothing is counted.
    ///
    /// ```
    /// use sessile::accounts::{AccountError, Accounts, Link};
    /// async fn callback(accounts: &Accounts, subject: &str) -> Result<(), AccountError> {
    ///     let logged_in = accounts.log_in_linked(&Link::new("github", subject)?).await?;
    /// #   drop(logged_in);
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Credentials`](AccountErrorKind::Credentials) if nobody is linked to it, or the user is
    /// inactive; what the store fails with.
    pub async fn log_in_linked(&self, link: &super::Link) -> Result<LoggedIn, AccountError> {
        let lookup = Lookup::link(link.provider(), link.subject());
        let account = self.0.store.find(lookup).await?.filter(|account| account.user.is_active);
        let Some(Account { user, .. }) = account else {
            return Err(AccountErrorKind::Credentials.into());
        };
        self.tell(AccountEvent::LoggedIn { user: user.clone() });
        Ok(LoggedIn { user })
    }

    /// The user of this name with this password, if they may log in.
    async fn check(
        &self,
        who: Option<Lookup>,
        password: &Password,
    ) -> Result<Option<User>, AccountError> {
        let account = match who {
            Some(who) => self.0.store.find(who).await?,
            None => None,
        };
        let account = account.filter(|account| self.may_log_in(&account.user));
        let hash = account.as_ref().and_then(|account| account.password.as_ref());
        let verified = self.0.passwords.verify(password, hash).await?;
        let Some(Account { user, password: hash }) = account else { return Ok(None) };
        match (verified, hash) {
            (Verified::No, _) => return Ok(None),
            (Verified::Outdated, Some(old)) => self.rehash(user.id, old, password).await,
            _ => {}
        }
        Ok(Some(user))
    }

    fn may_log_in(&self, user: &User) -> bool {
        user.is_active && (user.is_verified || !self.0.only_verified)
    }

    /// Replaces an outdated hash. If it fails, the next log-in tries again.
    async fn rehash(&self, id: UserId, old: PasswordHash, password: &Password) {
        if let Ok(new) = self.0.passwords.hash(password).await {
            let password = NewPassword::Rehashed { old, new };
            drop(self.0.store.set_password(id, password, self.now()).await);
        }
    }
}

/// What was typed: an address if there is an `@` in it.
fn lookup(name: &str) -> Option<Lookup> {
    if name.contains('@') {
        name.parse().ok().map(Lookup::Email)
    } else {
        name.parse().ok().map(Lookup::Username)
    }
}

/// What its attempts are counted by.
fn key(who: &Lookup) -> String {
    match who {
        Lookup::Email(email) => log_in_key(email.key()),
        Lookup::Username(name) => log_in_key(name.key()),
        Lookup::Id(_) | Lookup::Link { .. } => "log-in ?".to_owned(),
    }
}

pub(super) fn log_in_key(name: &str) -> String {
    format!("log-in {name}")
}
