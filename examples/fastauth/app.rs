//! What the program is made of: accounts in a database, and pairs of tokens.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName};
use serde::{Deserialize, Serialize};
use sessile::accounts::{
    AccountError, Accounts, Described, Entry, Grant, Lookup, Registration, SqlAccounts, User,
    UserChange,
};
use sessile::token::{AccessLayer, Jwt, JwtKey, LiveSessions, Pairs, TokenCookie, Tokens};
use sessile::transport::{Bearer, Candidates, Description, TooLong, Transport};
use sessile::{ConfigError, Expiry, SessionLayer, Timestamp, store};

use crate::config::{Config, Locations};
use crate::failure::access_refusals;
use crate::guard::AccessToken;
use crate::hooks::Hooks;

#[derive(Clone)]
pub(crate) struct App {
    pub(crate) accounts: Accounts,
    pub(crate) hooks: Hooks,
    /// A refresh token is the ticket of a session, which holds nothing but whose it is.
    pub(crate) pairs: Pairs<()>,
    pub(crate) access: AccessLayer<UserClaims>,
    pub(crate) access_cookie: TokenCookie,
    /// `None` where there are no refresh tokens.
    pub(crate) refresh_cookie: Option<TokenCookie>,
    pub(crate) locations: Locations,
    default_is_verified: bool,
}

/// What an access token says besides who and until when.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct UserClaims {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) is_active: bool,
    pub(crate) is_verified: bool,
}

impl From<&User> for UserClaims {
    fn from(user: &User) -> Self {
        Self {
            id: user.id.to_string(),
            email: user.email.to_string(),
            is_active: user.is_active,
            is_verified: user.is_verified,
        }
    }
}

pub(crate) const AUDIENCE: &str = "fastauth:auth";
const USER: &str = "user";
const ADMIN: &str = "admin";

impl App {
    pub(crate) async fn open(config: Config) -> Result<Self, Box<dyn Error>> {
        let Config { locations, access_cookie, refresh_cookie, .. } = config;
        let sessions = store::connect::<()>(&config.database).await?;
        let tokens = Tokens::new(Jwt::new(JwtKey::derived_from(&config.key)), AUDIENCE);

        // An access token dies with its session: at a log-out, with another password, with the user.
        let live = LiveSessions::new(Arc::clone(&sessions));
        let mut access = AccessLayer::new(tokens.clone(), live.clone());
        let mut layer = SessionLayer::new(sessions, config.key).observer(live);
        let (in_header, in_cookie) = (Found(Bearer::new()), Found(refresh_cookie.transport()));
        match locations {
            Locations::Headers => layer = layer.try_transport(in_header)?,
            Locations::Cookies => {
                access = access.transport(access_cookie.transport());
                layer = layer.try_transport(in_cookie)?;
            }
            Locations::HeadersThenCookies => {
                access = access.or_transport(access_cookie.transport());
                layer = layer.try_transport(in_header)?.try_or_transport(in_cookie)?;
            }
        }
        // Each refresh adds this much, and three times as much ends it for good.
        let expiry =
            Expiry::idle(config.refresh_max_age).absolute(config.refresh_max_age.saturating_mul(3));
        let pairs = Pairs::try_new(tokens, layer.first_present_decides(), expiry)?
            .access_ttl(config.access_max_age);

        let hooks = Hooks::default();
        let users = SqlAccounts::connect(&config.database).await?;
        let accounts = Accounts::new(users, pairs.layer().sessions()).hooks(hooks.clone());
        let app = Self {
            accounts,
            hooks,
            pairs,
            access: access.refusals(access_refusals(locations)),
            access_cookie,
            refresh_cookie: config.refresh_enabled.then_some(refresh_cookie),
            locations,
            default_is_verified: config.default_is_verified,
        };
        app.make_roles().await?;
        if let Some((email, password)) = config.admin {
            app.make_admin(&email, &password).await?;
        }
        Ok(app)
    }

    /// Registers somebody as what the server says: a user. Nobody is asked.
    pub(crate) async fn register(&self, form: Registration) -> Result<User, AccountError> {
        let user = self.accounts.register(form).await?;
        self.accounts.grant(Grant::RoleOfUser(user.id, USER.parse()?)).await?;
        if self.default_is_verified {
            return self.accounts.update(user.id, UserChange::new().verified(true)).await;
        }
        Ok(user)
    }

    async fn make_roles(&self) -> Result<(), AccountError> {
        let there = self.accounts.store().entries().await?;
        for (role, words) in [(ADMIN, "may do everything"), (USER, "what everybody is")] {
            let entry = Entry::Role(role.parse()?);
            if !there.iter().any(|described| described.entry == entry) {
                self.accounts.put(Described::new(entry, words)).await?;
            }
        }
        Ok(())
    }

    /// The first administrator, who makes the others. Whoever has the address already stays what
    /// they are: it may be somebody else who was quicker to register it.
    async fn make_admin(&self, email: &str, password: &str) -> Result<(), AccountError> {
        if self.accounts.store().find(Lookup::Email(email.parse()?)).await?.is_some() {
            return Ok(());
        }
        let admin = self.register(Registration::new(email, password)).await?;
        self.accounts.update(admin.id, UserChange::new().verified(true)).await?;
        self.accounts.grant(Grant::RoleOfUser(admin.id, ADMIN.parse()?)).await
    }

    /// From when until when this access token is good, in seconds as its claims have them.
    pub(crate) fn times_of(access: &AccessToken) -> (u64, u64) {
        let seconds = |time: Timestamp| Duration::from_millis(time.as_millis()).as_secs();
        (seconds(access.issued_at), seconds(access.expires_at))
    }
}

/// Finds tickets where this transport does, and writes none: what goes into the body and the
/// cookies of an answer, its handler says.
#[derive(Debug)]
struct Found<T>(T);

impl<T: Transport> Transport for Found<T> {
    fn purpose(&self) -> &str {
        self.0.purpose()
    }

    fn find<'r>(&self, headers: &'r HeaderMap, found: &mut Candidates<'r>) {
        self.0.find(headers, found);
    }

    fn attach(&self, _: &mut HeaderMap, _: &str, _: Option<Duration>) -> Result<(), TooLong> {
        Ok(())
    }

    fn clear(&self, _: &mut HeaderMap) {}

    fn reads(&self) -> HeaderName {
        self.0.reads()
    }

    fn describe(&self) -> Description {
        self.0.describe()
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.0.check()
    }
}
