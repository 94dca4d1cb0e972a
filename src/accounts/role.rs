//! Roles, permissions, and who has them.

use std::fmt;
use std::str::FromStr;

use super::error::{AccountError, AccountErrorKind};
use super::user::UserId;

/// The name of a role: 1 to 64 lower-case ASCII letters, digits, `.`, `_` and `-`.
///
/// ```
/// use sessile::accounts::RoleName;
/// let editor: RoleName = "editor".parse()?;
/// assert_eq!(editor.as_str(), "editor");
/// assert!("Éditeur".parse::<RoleName>().is_err());
/// # Ok::<(), sessile::accounts::AccountError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleName(Box<str>);

impl RoleName {
    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RoleName {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<Self, AccountError> {
        if is_name(text) { Ok(Self(text.into())) } else { Err(AccountErrorKind::Name.into()) }
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A permission, `resource:action`, both of the form of a [`RoleName`].
///
/// ```
/// use sessile::accounts::Permission;
/// let delete: Permission = "user:delete".parse()?;
/// assert_eq!(delete.as_str(), "user:delete");
/// assert!("user".parse::<Permission>().is_err());
/// # Ok::<(), sessile::accounts::AccountError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Permission(Box<str>);

impl Permission {
    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Permission {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<Self, AccountError> {
        let parts = text.split_once(':');
        if parts.is_some_and(|(resource, action)| is_name(resource) && is_name(action)) {
            Ok(Self(text.into()))
        } else {
            Err(AccountErrorKind::Name.into())
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Also what a provider of linked accounts is called.
pub(super) fn is_name(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    (1..=64).contains(&text.len()) && text.bytes().all(fits)
}

/// A role or a permission, as something that can be made and removed.
///
/// ```
/// use sessile::accounts::Entry;
/// let entries = [Entry::Role("editor".parse()?), Entry::Permission("article:edit".parse()?)];
/// # Ok::<(), sessile::accounts::AccountError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Entry {
    /// A role.
    Role(RoleName),
    /// A permission.
    Permission(Permission),
}

/// An entry with the words that explain it to administrators.
///
/// ```
/// use sessile::accounts::Described;
/// fn line(Described { entry, description, .. }: &Described) -> String {
///     format!("{entry:?}: {description}")
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Described {
    /// Which.
    pub entry: Entry,
    /// What it is for.
    pub description: String,
}

impl Described {
    /// With these words.
    ///
    /// ```
    /// use sessile::accounts::{Described, Entry};
    /// let editor = Described::new(Entry::Role("editor".parse()?), "may change every article");
    /// # Ok::<(), sessile::accounts::AccountError>(())
    /// ```
    pub fn new(entry: Entry, description: impl Into<String>) -> Self {
        Self { entry, description: description.into() }
    }
}

/// One line of who has what.
///
/// ```
/// use sessile::accounts::{Grant, UserId};
/// # let ann = UserId::generate()?;
/// let grants = [
///     Grant::RoleOfUser(ann, "editor".parse()?),
///     Grant::PermissionOfUser(ann, "article:publish".parse()?),
///     Grant::PermissionOfRole("editor".parse()?, "article:edit".parse()?),
/// ];
/// # Ok::<(), sessile::accounts::AccountError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Grant {
    /// The user has the role.
    RoleOfUser(UserId, RoleName),
    /// The user has the permission, whatever their roles.
    PermissionOfUser(UserId, Permission),
    /// Whoever has the role has the permission.
    PermissionOfRole(RoleName, Permission),
}
