//! Roles, permissions and grants, as rows. Whatever refers to a row goes with it.

use super::engine::{Row, Value};
use super::{SqlAccounts, fault};
use crate::accounts::error::AccountError;
use crate::accounts::role::{Described, Entry, Grant, Permission, RoleName};
use crate::accounts::store::{AccountAnswer, Held, Put, RoleStore};
use crate::accounts::user::UserId;

impl RoleStore for SqlAccounts {
    fn put(&self, described: Described) -> AccountAnswer<Put> {
        self.answer(|engine| async move {
            let Described { entry, description } = described;
            let (create, describe, name) = match &entry {
                Entry::Role(name) => (CREATE_ROLE, DESCRIBE_ROLE, name.as_str()),
                Entry::Permission(name) => (CREATE_PERMISSION, DESCRIBE_PERMISSION, name.as_str()),
            };
            let values = || [name.into(), description.as_str().into()];
            let mut work = engine.begin().await?;
            let put = if work.rows(create, values()).await?.is_empty() {
                work.rows(describe, values()).await?;
                Put::Updated
            } else {
                Put::Created
            };
            work.commit().await?;
            Ok(put)
        })
    }

    fn remove(&self, entry: Entry) -> AccountAnswer<bool> {
        self.answer(|engine| async move {
            let (sql, name) = match &entry {
                Entry::Role(name) => (REMOVE_ROLE, name.as_str()),
                Entry::Permission(name) => (REMOVE_PERMISSION, name.as_str()),
            };
            Ok(!engine.write(sql, [name.into()]).await?.is_empty())
        })
    }

    fn entries(&self) -> AccountAnswer<Vec<Described>> {
        self.answer(|engine| async move {
            let mut entries = Vec::new();
            for row in engine.read(ROLES, []).await? {
                entries.push(Described::new(Entry::Role(role(&row)?), row.text(1)?));
            }
            for row in engine.read(PERMISSIONS, []).await? {
                entries.push(Described::new(Entry::Permission(permission(&row)?), row.text(1)?));
            }
            Ok(entries)
        })
    }

    fn grant(&self, grant: Grant) -> AccountAnswer<bool> {
        self.answer(|engine| async move {
            let (sql, _, values) = statements(&grant);
            Ok(!engine.write(sql, values).await?.is_empty())
        })
    }

    fn withdraw(&self, grant: Grant) -> AccountAnswer<bool> {
        self.answer(|engine| async move {
            let (_, sql, values) = statements(&grant);
            Ok(!engine.write(sql, values).await?.is_empty())
        })
    }

    fn granted(&self, role: RoleName) -> AccountAnswer<Vec<Permission>> {
        self.answer(|engine| async move {
            let rows = engine.read(OF_ROLE, [role.as_str().into()]).await?;
            rows.iter().map(permission).collect()
        })
    }

    fn held(&self, user: UserId) -> AccountAnswer<Held> {
        self.answer(move |engine| async move {
            let id = user.to_string();
            let roles = engine.read(ROLES_OF_USER, [id.as_str().into()]).await?;
            let permissions = engine.read(PERMISSIONS_OF_USER, [id.into()]).await?;
            Ok(Held::new(
                roles.iter().map(role).collect::<Result<_, _>>()?,
                permissions.iter().map(permission).collect::<Result<_, _>>()?,
            ))
        })
    }
}

fn role(row: &Row) -> Result<RoleName, AccountError> {
    row.text(0)?.parse().map_err(|_| fault::unreadable())
}

fn permission(row: &Row) -> Result<Permission, AccountError> {
    row.text(0)?.parse().map_err(|_| fault::unreadable())
}

/// How it is given, how it is taken back, and what both are about.
fn statements(grant: &Grant) -> (&'static str, &'static str, [Value; 2]) {
    match grant {
        Grant::RoleOfUser(user, role) => (
            "INSERT INTO sessile_user_roles (user_id, role) VALUES ($1, $2) \
             ON CONFLICT DO NOTHING RETURNING role",
            "DELETE FROM sessile_user_roles WHERE user_id = $1 AND role = $2 RETURNING role",
            [user.to_string().into(), role.as_str().into()],
        ),
        Grant::PermissionOfUser(user, permission) => (
            "INSERT INTO sessile_user_permissions (user_id, permission) VALUES ($1, $2) \
             ON CONFLICT DO NOTHING RETURNING permission",
            "DELETE FROM sessile_user_permissions WHERE user_id = $1 AND permission = $2 \
             RETURNING permission",
            [user.to_string().into(), permission.as_str().into()],
        ),
        Grant::PermissionOfRole(role, permission) => (
            "INSERT INTO sessile_role_permissions (role, permission) VALUES ($1, $2) \
             ON CONFLICT DO NOTHING RETURNING permission",
            "DELETE FROM sessile_role_permissions WHERE role = $1 AND permission = $2 \
             RETURNING permission",
            [role.as_str().into(), permission.as_str().into()],
        ),
    }
}

const CREATE_ROLE: &str = "INSERT INTO sessile_roles (name, description) VALUES ($1, $2) \
    ON CONFLICT DO NOTHING RETURNING name";
const DESCRIBE_ROLE: &str = "UPDATE sessile_roles SET description = $2 WHERE name = $1";
const REMOVE_ROLE: &str = "DELETE FROM sessile_roles WHERE name = $1 RETURNING name";
const ROLES: &str = "SELECT name, description FROM sessile_roles ORDER BY name";

const CREATE_PERMISSION: &str = "INSERT INTO sessile_permissions (name, description) \
    VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING name";
const DESCRIBE_PERMISSION: &str = "UPDATE sessile_permissions SET description = $2 WHERE name = $1";
const REMOVE_PERMISSION: &str = "DELETE FROM sessile_permissions WHERE name = $1 RETURNING name";
const PERMISSIONS: &str = "SELECT name, description FROM sessile_permissions ORDER BY name";

const OF_ROLE: &str =
    "SELECT permission FROM sessile_role_permissions WHERE role = $1 ORDER BY permission";
const ROLES_OF_USER: &str = "SELECT role FROM sessile_user_roles WHERE user_id = $1 ORDER BY role";
const PERMISSIONS_OF_USER: &str = "SELECT permission FROM sessile_user_permissions \
    WHERE user_id = $1 UNION SELECT held.permission FROM sessile_role_permissions AS held \
    JOIN sessile_user_roles AS has ON has.role = held.role WHERE has.user_id = $1 ORDER BY 1";
