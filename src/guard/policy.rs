//! Which roles bring which permissions.

use std::collections::BTreeMap;
use std::fmt;

use super::principal::{HasPermission, HasRole, Wanted, accept, try_has_any_role};
use crate::error::ConfigError;

/// Which roles there are, and which permissions they bring. Guards made from it pass those who have
/// a permission by themselves or by a role, and do not build for a role or permission that it does
/// not know.
///
/// ```
/// use sessile::guard::{Policy, RequireLayer};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Clone, Serialize, Deserialize)] struct Member;
/// # impl sessile::guard::Principal for Member {}
///
/// let policy = Policy::new()
///     .role("support", ["user:read", "ticket:write"])
///     .role("admin", ["user:read", "user:delete"])
///     .permission("report:export"); // of no role: somebody may have it by themselves
///
/// let may_delete = RequireLayer::<Member>::new(policy.has_permission("user:delete"));
/// assert!(policy.grants("admin", "user:delete"));
/// assert!(policy.try_has_permission("user:remove").is_err(), "no such permission");
/// ```
///
/// A permission is `resource:action`. There are no wildcards: what a role may do is what is
/// written here.
#[derive(Clone, Default)]
#[must_use = "a policy does nothing until guards are made from it"]
pub struct Policy {
    /// Each permission with the roles that bring it.
    permissions: BTreeMap<Box<str>, Vec<Box<str>>>,
    roles: Vec<Box<str>>,
}

impl Policy {
    /// One that knows no role and no permission.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a role and the permissions that it brings.
    ///
    /// # Panics
    /// If the role has been added before or its name is empty, or a permission is not
    /// `resource:action`.
    #[track_caller]
    pub fn role<P: Into<Box<str>>>(
        self,
        role: impl Into<Box<str>>,
        permissions: impl IntoIterator<Item = P>,
    ) -> Self {
        accept(self.try_role(role, permissions))
    }

    /// [`role`](Self::role) for what is read at run time.
    ///
    /// ```
    /// use sessile::guard::Policy;
    /// assert!(Policy::new().try_role("admin", ["delete users"]).is_err());
    /// assert!(Policy::new().role("admin", ["user:read"]).try_role("admin", ["user:write"]).is_err());
    /// ```
    ///
    /// # Errors
    /// If the role has been added before or its name is empty, or a permission is not
    /// `resource:action`.
    pub fn try_role<P: Into<Box<str>>>(
        mut self,
        role: impl Into<Box<str>>,
        permissions: impl IntoIterator<Item = P>,
    ) -> Result<Self, ConfigError> {
        let role = role.into();
        if role.is_empty() {
            return Err(ConfigError::new("a role without a name is nobody's: give it one"));
        }
        if self.roles.contains(&role) {
            return Err(ConfigError::new(format!(
                "the role {role:?} is in the policy already: name all its permissions at once"
            )));
        }
        for permission in permissions {
            let roles = self.permissions.entry(permission_of(permission.into())?).or_default();
            if !roles.contains(&role) {
                roles.push(role.clone());
            }
        }
        self.roles.push(role);
        Ok(self)
    }

    /// Adds a permission that no role need bring: somebody may have it by themselves.
    ///
    /// # Panics
    /// If it is not `resource:action`.
    #[track_caller]
    pub fn permission(self, permission: impl Into<Box<str>>) -> Self {
        accept(self.try_permission(permission))
    }

    /// [`permission`](Self::permission) for one that is read at run time.
    ///
    /// ```
    /// use sessile::guard::Policy;
    /// assert!(Policy::new().try_permission("report:export").is_ok());
    /// for bad in ["", "report", "report:", ":export", "report:export:all", "report:*", "a b:c"] {
    ///     assert!(Policy::new().try_permission(bad).is_err(), "{bad:?}");
    /// }
    /// ```
    ///
    /// # Errors
    /// If it is not `resource:action`.
    pub fn try_permission(mut self, permission: impl Into<Box<str>>) -> Result<Self, ConfigError> {
        self.permissions.entry(permission_of(permission.into())?).or_default();
        Ok(self)
    }

    /// Whether this role brings this permission.
    pub fn grants(&self, role: &str, permission: &str) -> bool {
        self.permissions.get(permission).is_some_and(|roles| roles.iter().any(|own| **own == *role))
    }

    /// Passes those who have this role.
    ///
    /// ```
    /// # use sessile::guard::Policy;
    /// let policy = Policy::new().role("admin", ["user:delete"]);
    /// let admins = policy.has_role("admin");
    /// ```
    ///
    /// # Panics
    /// If the policy does not know it.
    #[track_caller]
    pub fn has_role(&self, role: &str) -> HasRole {
        accept(self.try_has_role(role))
    }

    /// [`has_role`](Self::has_role) for one that is read at run time.
    ///
    /// ```
    /// # use sessile::guard::Policy;
    /// let policy = Policy::new().role("admin", ["user:delete"]);
    /// let error = policy.try_has_role("amdin").unwrap_err();
    /// assert!(error.to_string().contains("\"admin\""), "it names those that there are");
    /// ```
    ///
    /// # Errors
    /// If the policy does not know it.
    pub fn try_has_role(&self, role: &str) -> Result<HasRole, ConfigError> {
        self.try_has_any_role([role])
    }

    /// Passes those who have at least one of these roles.
    ///
    /// ```
    /// # use sessile::guard::Policy;
    /// let policy = Policy::new().role("admin", ["user:delete"]).role("support", ["user:read"]);
    /// let staff = policy.has_any_role(["admin", "support"]);
    /// ```
    ///
    /// # Panics
    /// If there is none among them, or one that the policy does not know.
    #[track_caller]
    pub fn has_any_role<R: AsRef<str>>(&self, roles: impl IntoIterator<Item = R>) -> HasRole {
        accept(self.try_has_any_role(roles))
    }

    /// [`has_any_role`](Self::has_any_role) for roles that are read at run time.
    ///
    /// ```
    /// # use sessile::guard::Policy;
    /// let policy = Policy::new().role("admin", ["user:delete"]);
    /// assert!(policy.try_has_any_role(["admin", "root"]).is_err());
    /// assert!(policy.try_has_any_role([] as [&str; 0]).is_err());
    /// ```
    ///
    /// # Errors
    /// If there is none among them, or one that the policy does not know.
    pub fn try_has_any_role<R: AsRef<str>>(
        &self,
        roles: impl IntoIterator<Item = R>,
    ) -> Result<HasRole, ConfigError> {
        let one = |role: R| match self.roles.iter().find(|known| ***known == *role.as_ref()) {
            Some(known) => Ok(known.clone()),
            None => Err(unknown("role", role.as_ref(), self.roles.iter())),
        };
        try_has_any_role(roles.into_iter().map(one).collect::<Result<Vec<_>, _>>()?)
    }

    /// Passes those who have this permission, by themselves or by a role.
    ///
    /// # Panics
    /// If the policy does not know it.
    #[track_caller]
    pub fn has_permission(&self, permission: &str) -> HasPermission {
        accept(self.try_has_permission(permission))
    }

    /// [`has_permission`](Self::has_permission) for one that is read at run time.
    ///
    /// # Errors
    /// If the policy does not know it.
    pub fn try_has_permission(&self, permission: &str) -> Result<HasPermission, ConfigError> {
        self.try_any_permission([permission])
    }

    /// Passes those who have at least one of these permissions, by themselves or by a role.
    ///
    /// ```
    /// # use sessile::guard::Policy;
    /// let policy = Policy::new().role("admin", ["user:read", "user:delete"]);
    /// let readers = policy.any_permission(["user:read", "user:delete"]);
    /// ```
    ///
    /// # Panics
    /// If there is none among them, or one that the policy does not know.
    #[track_caller]
    pub fn any_permission<P: AsRef<str>>(
        &self,
        permissions: impl IntoIterator<Item = P>,
    ) -> HasPermission {
        accept(self.try_any_permission(permissions))
    }

    /// [`any_permission`](Self::any_permission) for permissions that are read at run time.
    ///
    /// ```
    /// # use sessile::guard::Policy;
    /// let policy = Policy::new().role("admin", ["user:read"]);
    /// assert!(policy.try_any_permission([] as [&str; 0]).is_err());
    /// ```
    ///
    /// # Errors
    /// If there is none among them, or one that the policy does not know.
    pub fn try_any_permission<P: AsRef<str>>(
        &self,
        permissions: impl IntoIterator<Item = P>,
    ) -> Result<HasPermission, ConfigError> {
        HasPermission::new(self.wanted(permissions)?.into_iter(), false)
    }

    /// Passes those who have all of these permissions, by themselves or by roles.
    ///
    /// ```
    /// # use sessile::guard::Policy;
    /// let policy = Policy::new().role("admin", ["user:read", "user:delete"]);
    /// let movers = policy.all_permissions(["user:read", "user:delete"]);
    /// ```
    ///
    /// # Panics
    /// If there is none among them, or one that the policy does not know.
    #[track_caller]
    pub fn all_permissions<P: AsRef<str>>(
        &self,
        permissions: impl IntoIterator<Item = P>,
    ) -> HasPermission {
        accept(self.try_all_permissions(permissions))
    }

    /// [`all_permissions`](Self::all_permissions) for permissions that are read at run time.
    ///
    /// ```
    /// # use sessile::guard::Policy;
    /// let policy = Policy::new().role("admin", ["user:read"]);
    /// assert!(policy.try_all_permissions(["user:read", "user:delete"]).is_err());
    /// ```
    ///
    /// # Errors
    /// If there is none among them, or one that the policy does not know.
    pub fn try_all_permissions<P: AsRef<str>>(
        &self,
        permissions: impl IntoIterator<Item = P>,
    ) -> Result<HasPermission, ConfigError> {
        HasPermission::new(self.wanted(permissions)?.into_iter(), true)
    }

    fn wanted<P: AsRef<str>>(
        &self,
        permissions: impl IntoIterator<Item = P>,
    ) -> Result<Vec<Wanted>, ConfigError> {
        let one = |permission: P| match self.permissions.get_key_value(permission.as_ref()) {
            Some((known, roles)) => {
                Ok(Wanted { permission: known.clone(), roles: roles.as_slice().into() })
            }
            None => Err(unknown("permission", permission.as_ref(), self.permissions.keys())),
        };
        permissions.into_iter().map(one).collect()
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("roles", &self.roles)
            .field("permissions", &self.permissions)
            .finish()
    }
}

fn unknown<K: AsRef<str>>(what: &str, name: &str, known: impl Iterator<Item = K>) -> ConfigError {
    let known: Vec<_> = known.map(|known| format!("{:?}", known.as_ref())).collect();
    let known = if known.is_empty() { "none at all".to_owned() } else { known.join(", ") };
    ConfigError::new(format!(
        "{name:?} is no {what} of this policy, which knows {known}: correct the name, or add it \
         with `Policy::{what}`"
    ))
}

/// A permission, if it is one.
fn permission_of(text: Box<str>) -> Result<Box<str>, ConfigError> {
    let is_word = |word: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        !word.is_empty() && word.bytes().all(plain)
    };
    match text.split_once(':') {
        Some((resource, action)) if is_word(resource) && is_word(action) => Ok(text),
        _ => Err(ConfigError::new(format!(
            "{text:?} is no permission: write \"resource:action\" in letters, digits, '-', '_' \
             and '.', such as \"user:delete\""
        ))),
    }
}
