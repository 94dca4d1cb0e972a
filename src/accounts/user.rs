//! Users, and what is known about them.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use super::email::{Email, Username};
use super::error::{AccountError, AccountErrorKind};
use super::password::PasswordHash;
use super::role::{Permission, RoleName};
use crate::clock::Timestamp;
use crate::guard::Principal;

/// A user's id: a random UUID that never changes and is never given out again. It is the subject of
/// the user's sessions.
///
/// ```
/// use sessile::accounts::UserId;
/// let id = UserId::generate()?;
/// assert_eq!(id.to_string().parse::<UserId>()?, id);
/// assert!("somebody".parse::<UserId>().is_err());
/// # Ok::<(), sessile::accounts::AccountError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(Uuid);

impl UserId {
    /// A fresh one.
    ///
    /// # Errors
    /// [`AccountErrorKind::Internal`] when the system gives no random bytes.
    pub fn generate() -> Result<Self, AccountError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)
            .map_err(|error| AccountError::new(AccountErrorKind::Internal).with_source(error))?;
        Ok(Self(uuid::Builder::from_random_bytes(bytes).into_uuid()))
    }

    /// The same as a UUID, for databases that have that type.
    ///
    /// ```
    /// use sessile::accounts::UserId;
    /// let id = UserId::generate()?;
    /// assert_eq!(UserId::from(id.as_uuid()), id);
    /// # Ok::<(), sessile::accounts::AccountError>(())
    /// ```
    pub const fn as_uuid(&self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for UserId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl FromStr for UserId {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<Self, AccountError> {
        Uuid::try_parse(text).map(Self).map_err(|_| AccountErrorKind::NotFound.into())
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// What may be known about a user. The hash of the password is not in it.
///
/// ```
/// use sessile::accounts::User;
/// fn greeting(user: &User) -> String {
///     let name = user.username.as_ref().map_or(user.email.local(), |name| name.as_str());
///     format!("Hello {name}!")
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct User {
    /// Who it is.
    pub id: UserId,
    /// Where to write to.
    pub email: Email,
    /// Another name to log in with.
    pub username: Option<Username>,
    /// Whether they may log in. Nobody is told that they may not: it is a wrong password.
    pub is_active: bool,
    /// Whether they have shown that the address is theirs.
    pub is_verified: bool,
    /// When they registered.
    pub created: Timestamp,
    /// When any of this, or the password, last changed.
    pub updated: Timestamp,
    /// Goes up with whatever ends the user's sessions: another password, being made inactive. A
    /// self-contained token that holds it can be compared.
    pub epoch: u64,
}

/// A user as a store keeps it.
///
/// ```
/// use sessile::Timestamp;
/// use sessile::accounts::{Account, UserId};
/// let email = "ann@example.org".parse()?;
/// let imported = "$2b$04$x4E2tSgdDCcLrfFzcbYl1eSGzMZHCdXJxNk3CU0C8A8V2ZU0OTHgq".parse()?;
/// let account = Account::new(UserId::generate()?, email, Timestamp::from_millis(0))
///     .username("ann".parse()?)
///     .password(imported);
/// assert!(account.user.is_active && !account.user.is_verified);
/// # Ok::<(), sessile::accounts::AccountError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Account {
    /// What may be known.
    pub user: User,
    /// `None` for who has no password, and logs in through somebody else.
    pub password: Option<PasswordHash>,
}

impl Account {
    /// An active user without a username, a password or a verified address.
    #[must_use]
    pub const fn new(id: UserId, email: Email, now: Timestamp) -> Self {
        let user = User {
            id,
            email,
            username: None,
            is_active: true,
            is_verified: false,
            created: now,
            updated: now,
            epoch: 0,
        };
        Self { user, password: None }
    }

    /// Adds a username.
    #[must_use]
    pub fn username(mut self, name: Username) -> Self {
        self.user.username = Some(name);
        self
    }

    /// Adds the hash of a password.
    #[must_use]
    pub fn password(mut self, hash: PasswordHash) -> Self {
        self.password = Some(hash);
        self
    }
}

/// What shall become of a user. What is not named stays.
///
/// ```
/// use sessile::accounts::UserChange;
/// let change = UserChange::new().email("ann@example.net".parse()?).active(true);
/// # Ok::<(), sessile::accounts::AccountError>(())
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct UserChange {
    /// Another address. It counts as not verified, and tokens that went to the old one are void.
    pub email: Option<Email>,
    /// Another username, or none.
    pub username: Option<Option<Username>>,
    /// Whether they may log in.
    pub is_active: Option<bool>,
    /// Whether the address is theirs.
    pub is_verified: Option<bool>,
}

impl UserChange {
    /// No change at all.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Another address. Unless it differs in case only, it is not verified yet.
    ///
    /// **Whoever has the address gets the account**: it is where a forgotten password is reset. Who
    /// sits at somebody's open session for a minute, or has their token, must not be able to change
    /// it. Let users do so only with their password given anew
    /// ([`fresh`](crate::guard::fresh)), after a token that went to the *new* address came back, and
    /// tell the old one, which is in [`Updated`](super::AccountEvent::Updated) (ASVS 6.3.7).
    #[must_use]
    pub fn email(mut self, email: Email) -> Self {
        self.email = Some(email);
        self
    }

    /// Another username, or none.
    ///
    /// ```
    /// let change = sessile::accounts::UserChange::new().username(None);
    /// ```
    #[must_use]
    pub fn username(mut self, name: Option<Username>) -> Self {
        self.username = Some(name);
        self
    }

    /// Whether they may log in. Making somebody inactive ends their sessions.
    #[must_use]
    pub const fn active(mut self, is_active: bool) -> Self {
        self.is_active = Some(is_active);
        self
    }

    /// Whether the address is theirs, for administrators who know.
    ///
    /// ```
    /// let change = sessile::accounts::UserChange::new().verified(true);
    /// ```
    #[must_use]
    pub const fn verified(mut self, is_verified: bool) -> Self {
        self.is_verified = Some(is_verified);
        self
    }

    /// The user after this, and whether the address is another one.
    pub(super) fn apply(&self, user: &User, now: Timestamp) -> (User, bool) {
        let mut user = user.clone();
        let moved = self.email.as_ref().is_some_and(|email| *email != user.email);
        if let Some(email) = &self.email {
            user.email = email.clone();
        }
        if let Some(username) = &self.username {
            user.username.clone_from(username);
        }
        if self.is_active == Some(false) && user.is_active {
            user.epoch = user.epoch.saturating_add(1);
        }
        user.is_active = self.is_active.unwrap_or(user.is_active);
        user.is_verified = self.is_verified.unwrap_or(user.is_verified && !moved);
        user.updated = now;
        (user, moved)
    }
}

/// A user with their roles and permissions, as they were when it was asked for.
///
/// ```
/// use sessile::accounts::UserSnapshot;
/// use sessile::guard::Principal;
/// fn may_edit(who: &UserSnapshot) -> bool {
///     who.is_verified() && (who.has_role("editor") || who.has_permission("article:edit"))
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UserSnapshot {
    /// The user.
    pub user: User,
    /// Their roles, in order.
    pub roles: Vec<RoleName>,
    /// Their permissions, both their own and those of their roles, in order.
    pub permissions: Vec<Permission>,
}

/// The rules of guards can be asked of it.
///
/// Unlike session data it is as fresh as the look into the store that made it.
impl Principal for UserSnapshot {
    fn has_role(&self, name: &str) -> bool {
        self.roles.iter().any(|role| role.as_str() == name)
    }

    /// Their own permissions and those of their roles.
    fn has_permission(&self, permission: &str) -> bool {
        self.permissions.iter().any(|held| held.as_str() == permission)
    }

    fn is_active(&self) -> bool {
        self.user.is_active
    }

    fn is_verified(&self) -> bool {
        self.user.is_verified
    }
}
