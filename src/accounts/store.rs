//! Where accounts are kept: the contract.

use std::fmt;

use super::email::Email;
use super::error::AccountError;
use super::password::PasswordHash;
use super::role::{Described, Entry, Grant, Permission, RoleName};
use super::token::{Purpose, TokenDigest};
use super::user::{Account, User, UserChange, UserId};
use crate::clock::Timestamp;
use crate::store::Answer;

/// What a call on an [`AccountStore`] answers: at once, or later.
///
/// ```
/// use sessile::accounts::{AccountAnswer, AccountErrorKind};
/// fn unreachable<V>() -> AccountAnswer<V> {
///     AccountAnswer::ready(Err(AccountErrorKind::Store.into()))
/// }
/// # assert!(unreachable::<()>().now_or_later().unwrap().is_err());
/// ```
pub type AccountAnswer<V> = Answer<Result<V, AccountError>>;

/// Keeps accounts: users, one-time tokens, linked accounts, roles and permissions. A connection
/// behind `dyn AccountStore` is all that [`Accounts`](super::Accounts) knows.
///
/// Each method is one step that happens or does not. What fails for a reason of the engine's own
/// answers [`Store`](super::AccountErrorKind::Store).
///
/// ```
/// use sessile::accounts::{AccountStore, MemoryAccounts};
/// let store: Box<dyn AccountStore> = Box::new(MemoryAccounts::new());
/// ```
pub trait AccountStore: UserStore + TokenStore + LinkStore + RoleStore {}

impl<S: UserStore + TokenStore + LinkStore + RoleStore> AccountStore for S {}

/// By what a user is looked for.
///
/// ```
/// use sessile::accounts::Lookup;
/// let by_email = Lookup::Email("ann@example.org".parse()?);
/// let by_link = Lookup::link("github", "583231");
/// # Ok::<(), sessile::accounts::AccountError>(())
/// ```
///
/// Its `Debug` says by what, and not for whom.
#[derive(Clone)]
#[non_exhaustive]
pub enum Lookup {
    /// The id.
    Id(UserId),
    /// The address, whatever its case.
    Email(Email),
    /// The username, whatever its case.
    Username(super::email::Username),
    /// An account elsewhere.
    #[non_exhaustive]
    Link {
        /// Of whom.
        provider: String,
        /// What the provider calls the user.
        subject: String,
    },
}

impl Lookup {
    /// An account that this provider knows by this subject.
    ///
    /// ```
    /// use sessile::accounts::Lookup;
    /// let octocat = Lookup::link("github", "583231");
    /// ```
    pub fn link(provider: impl Into<String>, subject: impl Into<String>) -> Self {
        Self::Link { provider: provider.into(), subject: subject.into() }
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Id(_) => "Lookup::Id",
            Self::Email(_) => "Lookup::Email",
            Self::Username(_) => "Lookup::Username",
            Self::Link { .. } => "Lookup::Link",
        })
    }
}

/// Another hash in place of a user's.
///
/// ```
/// use sessile::accounts::{NewPassword, PasswordHash};
/// fn rehash(old: PasswordHash, new: PasswordHash) -> NewPassword {
///     NewPassword::Rehashed { old, new }
/// }
/// ```
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a store must carry out every one of them")]
pub enum NewPassword {
    /// The same password, hashed anew: if the hash is still `old`. Nothing else changes.
    Rehashed {
        /// What must be there.
        old: PasswordHash,
        /// What shall be.
        new: PasswordHash,
    },
    /// Another password: if the user's epoch is still this one. It goes up by one, and all of the
    /// user's tokens for [`Reset`](Purpose::Reset) are gone in the same step.
    Changed {
        /// What must be there.
        epoch: u64,
        /// What shall be.
        new: PasswordHash,
    },
}

/// The users of an [`AccountStore`].
///
/// ```
/// use sessile::Timestamp;
/// use sessile::accounts::{Account, Lookup, MemoryAccounts, UserChange, UserId, UserStore};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sessile::accounts::AccountError> {
/// let (store, now) = (MemoryAccounts::new(), Timestamp::from_millis(0));
/// let id = UserId::generate()?;
/// store.insert(Account::new(id, "ann@example.org".parse()?, now)).await?;
/// let user = store.update(id, UserChange::new().verified(true), now).await?;
/// assert!(user.is_some_and(|user| user.is_verified));
/// assert_eq!(store.list(None, 10).await?.len(), 1);
/// assert!(store.delete(id).await?);
/// assert!(store.find(Lookup::Id(id)).await?.is_none());
/// # Ok(()) }
/// ```
pub trait UserStore: Send + Sync + 'static {
    /// Adds a user. [`UsernameTaken`](super::AccountErrorKind::UsernameTaken) if the username is
    /// somebody's, whether the address is or not: who tries addresses with a username that is taken
    /// learns nothing. Else [`Taken`](super::AccountErrorKind::Taken) if the address is.
    fn insert(&self, account: Account) -> AccountAnswer<()>;

    /// Looks for one.
    fn find(&self, by: Lookup) -> AccountAnswer<Option<Account>>;

    /// Changes one, and answers what they are now; `None` if there is none.
    /// [`Taken`](super::AccountErrorKind::Taken) or
    /// [`UsernameTaken`](super::AccountErrorKind::UsernameTaken) if they are somebody else's. A
    /// change of address ends all of the user's tokens; making them inactive adds to their epoch.
    fn update(&self, id: UserId, change: UserChange, now: Timestamp)
    -> AccountAnswer<Option<User>>;

    /// Sets the hash; `None` if there is no such user, or not in the state that was demanded.
    fn set_password(
        &self,
        id: UserId,
        password: NewPassword,
        now: Timestamp,
    ) -> AccountAnswer<Option<User>>;

    /// Removes a user, with tokens, links and grants; says whether there was one.
    fn delete(&self, id: UserId) -> AccountAnswer<bool>;

    /// At most `max` users after this one, in the order of their ids.
    fn list(&self, after: Option<UserId>, max: usize) -> AccountAnswer<Vec<User>>;
}

/// A token to keep.
///
/// ```
/// use sessile::Timestamp;
/// use sessile::accounts::{NewToken, Purpose, TokenDigest};
/// let digest = TokenDigest::of("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", Purpose::Verify)?;
/// let to = "ann@example.org".parse()?;
/// let token = NewToken::new(digest, Purpose::Verify, to, Timestamp::from_millis(0));
/// assert_eq!(token.expires.as_millis(), 24 * 3_600_000);
/// # Ok::<(), sessile::accounts::AccountError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NewToken {
    /// What is kept of it.
    pub digest: TokenDigest,
    /// What it is good for.
    pub purpose: Purpose,
    /// Where it is sent to.
    pub to: Email,
    /// When it was made.
    pub now: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
}

impl NewToken {
    /// One that lives as long as its purpose says.
    pub const fn new(digest: TokenDigest, purpose: Purpose, to: Email, now: Timestamp) -> Self {
        Self { digest, purpose, to, now, expires: now.plus(purpose.lifetime()) }
    }
}

/// The one-time tokens of an [`AccountStore`].
///
/// ```
/// use sessile::Timestamp;
/// use sessile::accounts::{Account, MemoryAccounts, NewToken, Purpose, TokenDigest, TokenStore, UserId, UserStore};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sessile::accounts::AccountError> {
/// # let (store, now) = (MemoryAccounts::new(), Timestamp::from_millis(0));
/// # let to: sessile::accounts::Email = "ann@example.org".parse()?;
/// # store.insert(Account::new(UserId::generate()?, to.clone(), now)).await?;
/// let digest = TokenDigest::of("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", Purpose::Verify)?;
/// let token = NewToken::new(digest.clone(), Purpose::Verify, to, now);
/// assert!(store.issue(token).await?.is_some());
/// assert!(store.holder(digest.clone(), Purpose::Verify, now).await?.is_some());
/// assert!(store.verify(digest.clone(), now).await?.is_some());
/// assert!(store.verify(digest, now).await?.is_none()); // once
/// # Ok(()) }
/// ```
pub trait TokenStore: Send + Sync + 'static {
    /// Keeps a token for the active user of this address, and says who that is. Without one it is
    /// kept for nobody, so that the same work is done. Expired tokens may be removed on this
    /// occasion.
    fn issue(&self, token: NewToken) -> AccountAnswer<Option<User>>;

    /// Whose the token is, which stays as it is; `None` if it is unknown, expired, for another
    /// purpose or nobody's.
    fn holder(
        &self,
        digest: TokenDigest,
        purpose: Purpose,
        now: Timestamp,
    ) -> AccountAnswer<Option<User>>;

    /// Spends a token to verify and marks the user's address as verified, in one step; `None` if
    /// it is spent, unknown, expired, for another purpose, or the user is inactive or has another
    /// address by now.
    fn verify(&self, digest: TokenDigest, now: Timestamp) -> AccountAnswer<Option<User>>;

    /// Spends a token to reset and sets the hash, in one step, with all that
    /// [`Changed`](NewPassword::Changed) brings about; `None` if it is spent, unknown, expired, for
    /// another purpose, or the user is inactive.
    fn reset(
        &self,
        digest: TokenDigest,
        new: PasswordHash,
        now: Timestamp,
    ) -> AccountAnswer<Option<User>>;
}

/// A user's account elsewhere. Its `Debug` does not say whose.
///
/// ```
/// use sessile::accounts::Link;
/// let link = Link::new("github", "583231")?;
/// assert_eq!((link.provider(), link.subject()), ("github", "583231"));
/// assert!(Link::new("Git Hub", "583231").is_err());
/// assert!(!format!("{link:?}").contains("583231"));
/// # Ok::<(), sessile::accounts::AccountError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link {
    provider: Box<str>,
    subject: Box<str>,
}

impl Link {
    /// The provider's name is of the form of a [`RoleName`]; the subject is what the provider calls
    /// the user, up to 255 bytes without control characters (OpenID Connect Core, 2).
    ///
    /// # Errors
    /// [`Name`](super::AccountErrorKind::Name) if they are not.
    pub fn new(provider: &str, subject: &str) -> Result<Self, AccountError> {
        let sound = (1..=255).contains(&subject.len()) && !subject.chars().any(char::is_control);
        if !super::role::is_name(provider) || !sound {
            return Err(super::AccountErrorKind::Name.into());
        }
        Ok(Self { provider: provider.into(), subject: subject.into() })
    }

    /// Of whom.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// What the provider calls the user.
    pub fn subject(&self) -> &str {
        &self.subject
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("provider", &self.provider).finish_non_exhaustive()
    }
}

/// The linked accounts of an [`AccountStore`]: each link is one user's.
///
/// ```
/// use sessile::Timestamp;
/// use sessile::accounts::{Account, Link, LinkStore, MemoryAccounts, UserId, UserStore};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sessile::accounts::AccountError> {
/// # let (store, now) = (MemoryAccounts::new(), Timestamp::from_millis(0));
/// # let ann = UserId::generate()?;
/// # store.insert(Account::new(ann, "ann@example.org".parse()?, now)).await?;
/// store.link(ann, Link::new("github", "583231")?).await?;
/// assert_eq!(store.links(ann).await?.len(), 1);
/// assert!(store.unlink(ann, Link::new("github", "583231")?).await?);
/// # Ok(()) }
/// ```
pub trait LinkStore: Send + Sync + 'static {
    /// Links the user; [`Taken`](super::AccountErrorKind::Taken) if it is somebody else's,
    /// [`NotFound`](super::AccountErrorKind::NotFound) if there is no such user. Linking again is
    /// no change.
    fn link(&self, user: UserId, link: Link) -> AccountAnswer<()>;

    /// Removes it; says whether it was this user's.
    fn unlink(&self, user: UserId, link: Link) -> AccountAnswer<bool>;

    /// The user's links, in order.
    fn links(&self, user: UserId) -> AccountAnswer<Vec<Link>>;
}

/// What a user has.
///
/// ```
/// use sessile::accounts::Held;
/// fn is_editor(held: &Held) -> bool {
///     held.roles.iter().any(|role| role.as_str() == "editor") || !held.permissions.is_empty()
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held {
    /// Roles, in order.
    pub roles: Vec<RoleName>,
    /// Permissions, their own and their roles', in order and each once.
    pub permissions: Vec<Permission>,
}

impl Held {
    /// These.
    ///
    /// ```
    /// let nothing = sessile::accounts::Held::new(Vec::new(), Vec::new());
    /// ```
    #[must_use]
    pub const fn new(roles: Vec<RoleName>, permissions: Vec<Permission>) -> Self {
        Self { roles, permissions }
    }
}

/// What putting an entry came to.
///
/// ```
/// use sessile::accounts::Put;
/// assert_ne!(Put::Created, Put::Updated);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "complete: there is a new one or there was one")]
pub enum Put {
    /// There was none.
    Created,
    /// There was one, and it has these words now.
    Updated,
}

/// The roles and permissions of an [`AccountStore`].
///
/// ```
/// use sessile::accounts::{Described, Entry, Grant, MemoryAccounts, Put, RoleStore};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sessile::accounts::AccountError> {
/// let store = MemoryAccounts::new();
/// let (role, permission) = (Entry::Role("editor".parse()?), Entry::Permission("article:edit".parse()?));
/// assert_eq!(store.put(Described::new(role.clone(), "edits")).await?, Put::Created);
/// store.put(Described::new(permission, "")).await?;
/// let grant = Grant::PermissionOfRole("editor".parse()?, "article:edit".parse()?);
/// assert!(store.grant(grant.clone()).await?);
/// assert!(!store.grant(grant.clone()).await?, "there it was already");
/// assert_eq!(store.granted("editor".parse()?).await?.len(), 1);
/// assert!(store.withdraw(grant).await?);
/// assert!(store.remove(role).await?);
/// assert_eq!(store.entries().await?.len(), 1);
/// # Ok(()) }
/// ```
pub trait RoleStore: Send + Sync + 'static {
    /// Makes a role or a permission, or changes its words.
    fn put(&self, described: Described) -> AccountAnswer<Put>;

    /// Removes it, and every grant of it; says whether there was one.
    fn remove(&self, entry: Entry) -> AccountAnswer<bool>;

    /// All roles, then all permissions, each in order.
    fn entries(&self) -> AccountAnswer<Vec<Described>>;

    /// Adds this; says whether it is new. [`NotFound`](super::AccountErrorKind::NotFound) if there
    /// is no such user, role or permission.
    fn grant(&self, grant: Grant) -> AccountAnswer<bool>;

    /// Takes it back; says whether it was there.
    fn withdraw(&self, grant: Grant) -> AccountAnswer<bool>;

    /// The permissions of a role, in order.
    fn granted(&self, role: RoleName) -> AccountAnswer<Vec<Permission>>;

    /// What a user has, themselves and through roles.
    fn held(&self, user: UserId) -> AccountAnswer<Held>;
}
