//! Rules about whoever holds a session.

use std::sync::Arc;

use super::{Attempt, Guard};
use crate::error::ConfigError;
use crate::record::SessionData;
use crate::refusal::Denied;

/// What session data knows of whoever it belongs to. Nobody may anything unless it says so.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// use sessile::guard::Principal;
///
/// #[derive(Clone, Serialize, Deserialize)]
/// struct Member { roles: Vec<String>, confirmed_mail: bool }
///
/// impl Principal for Member {
///     fn has_role(&self, role: &str) -> bool {
///         self.roles.iter().any(|own| own == role)
///     }
///
///     fn is_verified(&self) -> bool {
///         self.confirmed_mail
///     }
/// }
///
/// let member = Member { roles: vec!["author".into()], confirmed_mail: true };
/// assert!(member.has_role("author") && member.is_verified());
/// assert!(!member.has_permission("post:delete") && !member.is_active());
/// ```
///
/// What stands in a session is as old as the last write to it. Whoever takes somebody's role away
/// also changes their sessions, or ends them with
/// [`Sessions::revoke_all`](crate::Sessions::revoke_all), or keeps no roles in sessions: a layer
/// before the guard looks the user up, and a closure asks [`Attempt::extensions`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say which roles and permissions it has",
    label = "a rule about roles, permissions or standing is asked of `{Self}`",
    note = "implement `sessile::guard::Principal` for the data of the session, or use a closure: `|attempt: &Attempt<'_, {Self}>| …`"
)]
#[expect(unused_variables, reason = "the defaults say no, whatever is asked")]
pub trait Principal {
    /// Whether it has this role.
    fn has_role(&self, role: &str) -> bool {
        false
    }

    /// Whether it has this permission (`resource:action`) by itself. What its roles bring is a
    /// [`Policy`](crate::guard::Policy)'s to know.
    fn has_permission(&self, permission: &str) -> bool {
        false
    }

    /// Whether it has been enabled, or has not been disabled.
    fn is_active(&self) -> bool {
        false
    }

    /// Whether its address, or whatever proves that it is somebody, has been confirmed.
    fn is_verified(&self) -> bool {
        false
    }
}

/// Passes those who have this role.
///
/// ```
/// use sessile::guard::{Guard, RequireLayer, has_role};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Clone, Serialize, Deserialize)] struct Member;
/// # impl sessile::guard::Principal for Member {}
/// let staff = RequireLayer::<Member>::new(has_role("editor").or(has_role("admin")));
/// ```
pub fn has_role(role: impl Into<Box<str>>) -> HasRole {
    HasRole { any: [role.into()].into() }
}

/// Passes those who have at least one of these roles.
///
/// ```
/// use sessile::guard::{RequireLayer, has_any_role};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Clone, Serialize, Deserialize)] struct Member;
/// # impl sessile::guard::Principal for Member {}
/// let staff = RequireLayer::<Member>::new(has_any_role(["editor", "admin"]));
/// ```
///
/// # Panics
/// If there is no role among them.
#[track_caller]
pub fn has_any_role<R: Into<Box<str>>>(roles: impl IntoIterator<Item = R>) -> HasRole {
    accept(try_has_any_role(roles))
}

/// [`has_any_role`] for roles that are read at run time.
///
/// ```
/// use sessile::guard::try_has_any_role;
/// assert!(try_has_any_role([] as [&str; 0]).is_err());
/// ```
///
/// # Errors
/// If there is no role among them.
pub fn try_has_any_role<R: Into<Box<str>>>(
    roles: impl IntoIterator<Item = R>,
) -> Result<HasRole, ConfigError> {
    let any: Arc<[Box<str>]> = roles.into_iter().map(Into::into).collect();
    if any.is_empty() {
        return Err(ConfigError::new(
            "a guard for any of no roles lets nobody pass: name the roles, or take it away",
        ));
    }
    Ok(HasRole { any })
}

/// Passes those who have this permission by themselves. What roles bring, and whether there is a
/// permission of that name, a [`Policy`](crate::guard::Policy) knows.
///
/// ```
/// use sessile::guard::{RequireLayer, has_permission};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Clone, Serialize, Deserialize)] struct Member;
/// # impl sessile::guard::Principal for Member {}
/// let may_export = RequireLayer::<Member>::new(has_permission("report:export"));
/// ```
pub fn has_permission(permission: impl Into<Box<str>>) -> HasPermission {
    HasPermission { wanted: [Wanted::direct(permission.into())].into(), all: false }
}

/// Passes those who have at least one of these permissions by themselves.
///
/// ```
/// use sessile::guard::{RequireLayer, any_permission};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Clone, Serialize, Deserialize)] struct Member;
/// # impl sessile::guard::Principal for Member {}
/// let readers = RequireLayer::<Member>::new(any_permission(["report:read", "report:export"]));
/// ```
///
/// # Panics
/// If there is no permission among them.
#[track_caller]
pub fn any_permission<P: Into<Box<str>>>(
    permissions: impl IntoIterator<Item = P>,
) -> HasPermission {
    accept(try_any_permission(permissions))
}

/// [`any_permission`] for permissions that are read at run time.
///
/// ```
/// use sessile::guard::try_any_permission;
/// assert!(try_any_permission([] as [&str; 0]).is_err());
/// ```
///
/// # Errors
/// If there is no permission among them.
pub fn try_any_permission<P: Into<Box<str>>>(
    permissions: impl IntoIterator<Item = P>,
) -> Result<HasPermission, ConfigError> {
    HasPermission::new(permissions.into_iter().map(|one| Wanted::direct(one.into())), false)
}

/// Passes those who have all of these permissions by themselves.
///
/// ```
/// use sessile::guard::{RequireLayer, all_permissions};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Clone, Serialize, Deserialize)] struct Member;
/// # impl sessile::guard::Principal for Member {}
/// let movers = RequireLayer::<Member>::new(all_permissions(["file:read", "file:delete"]));
/// ```
///
/// # Panics
/// If there is no permission among them: everybody has all of none.
#[track_caller]
pub fn all_permissions<P: Into<Box<str>>>(
    permissions: impl IntoIterator<Item = P>,
) -> HasPermission {
    accept(try_all_permissions(permissions))
}

/// [`all_permissions`] for permissions that are read at run time.
///
/// ```
/// use sessile::guard::try_all_permissions;
/// assert!(try_all_permissions([] as [&str; 0]).is_err());
/// ```
///
/// # Errors
/// If there is no permission among them: everybody has all of none.
pub fn try_all_permissions<P: Into<Box<str>>>(
    permissions: impl IntoIterator<Item = P>,
) -> Result<HasPermission, ConfigError> {
    HasPermission::new(permissions.into_iter().map(|one| Wanted::direct(one.into())), true)
}

/// Passes those who [are active](Principal::is_active).
///
/// ```
/// use sessile::guard::{RequireLayer, is_active};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Clone, Serialize, Deserialize)] struct Member;
/// # impl sessile::guard::Principal for Member {}
/// let enabled = RequireLayer::<Member>::new(is_active());
/// ```
pub const fn is_active() -> IsActive {
    IsActive(())
}

/// Passes those who [are verified](Principal::is_verified).
///
/// ```
/// use sessile::guard::{RequireLayer, is_verified};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Clone, Serialize, Deserialize)] struct Member;
/// # impl sessile::guard::Principal for Member {}
/// let confirmed = RequireLayer::<Member>::new(is_verified());
/// ```
pub const fn is_verified() -> IsVerified {
    IsVerified(())
}

/// A rule about roles. Made by [`has_role`], [`has_any_role`] and [`Policy`](crate::guard::Policy).
///
/// ```
/// use sessile::guard::{HasRole, has_role};
/// let admins: HasRole = has_role("admin");
/// ```
#[derive(Clone, Debug)]
#[must_use = "a guard does nothing until a layer asks it"]
pub struct HasRole {
    any: Arc<[Box<str>]>,
}

/// A rule about permissions. Made by [`has_permission`], [`any_permission`], [`all_permissions`] and
/// [`Policy`](crate::guard::Policy).
///
/// ```
/// use sessile::guard::{HasPermission, has_permission};
/// let may_delete: HasPermission = has_permission("user:delete");
/// ```
#[derive(Clone, Debug)]
#[must_use = "a guard does nothing until a layer asks it"]
pub struct HasPermission {
    wanted: Arc<[Wanted]>,
    all: bool,
}

/// A permission, and the roles that bring it.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) permission: Box<str>,
    pub(super) roles: Box<[Box<str>]>,
}

/// The rule [`is_active`].
///
/// ```
/// use sessile::guard::IsActive;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Clone, Serialize, Deserialize)] struct Member;
/// # impl sessile::guard::Principal for Member {}
/// # #[cfg(feature = "axum")]
/// async fn dashboard(member: sessile::Permitted<Member, IsActive>) {}
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "a guard does nothing until a layer asks it"]
pub struct IsActive(());

/// The rule [`is_verified`].
///
/// ```
/// use sessile::guard::IsVerified;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Clone, Serialize, Deserialize)] struct Member;
/// # impl sessile::guard::Principal for Member {}
/// # #[cfg(feature = "axum")]
/// async fn comment(member: sessile::Permitted<Member, IsVerified>) {}
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "a guard does nothing until a layer asks it"]
pub struct IsVerified(());

impl HasPermission {
    pub(super) fn new(
        wanted: impl Iterator<Item = Wanted>,
        all: bool,
    ) -> Result<Self, ConfigError> {
        let wanted: Arc<[Wanted]> = wanted.collect();
        if wanted.is_empty() {
            return Err(ConfigError::new(if all {
                "everybody has all of no permissions: name the permissions, or take the guard away"
            } else {
                "a guard for any of no permissions lets nobody pass: name the permissions, or take \
                 it away"
            }));
        }
        Ok(Self { wanted, all })
    }
}

impl Wanted {
    fn direct(permission: Box<str>) -> Self {
        Self { permission, roles: Box::default() }
    }

    fn is_had_by(&self, principal: &impl Principal) -> bool {
        principal.has_permission(&self.permission)
            || self.roles.iter().any(|role| principal.has_role(role))
    }
}

impl<T: SessionData + Principal> Guard<T> for HasRole {
    fn check(&self, attempt: &Attempt<'_, T>) -> Result<(), Denied> {
        allow(self.any.iter().any(|role| attempt.data().has_role(role)))
    }
}

impl<T: SessionData + Principal> Guard<T> for HasPermission {
    fn check(&self, attempt: &Attempt<'_, T>) -> Result<(), Denied> {
        let mut had = self.wanted.iter().map(|wanted| wanted.is_had_by(attempt.data()));
        allow(if self.all { had.all(|has| has) } else { had.any(|has| has) })
    }
}

impl<T: SessionData + Principal> Guard<T> for IsActive {
    fn check(&self, attempt: &Attempt<'_, T>) -> Result<(), Denied> {
        allow(attempt.data().is_active())
    }
}

impl<T: SessionData + Principal> Guard<T> for IsVerified {
    fn check(&self, attempt: &Attempt<'_, T>) -> Result<(), Denied> {
        allow(attempt.data().is_verified())
    }
}

const fn allow(allowed: bool) -> Result<(), Denied> {
    if allowed { Ok(()) } else { Err(Denied::forbidden()) }
}

/// Takes what was configured by the program's own text.
#[track_caller]
#[expect(clippy::panic, reason = "documented: configuration mistakes fail at construction")]
pub(super) fn accept<G>(configured: Result<G, ConfigError>) -> G {
    match configured {
        Ok(guard) => guard,
        Err(error) => panic!("{error}"),
    }
}
