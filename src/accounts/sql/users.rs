//! Users and their linked accounts, as rows.

use super::engine::{Row, Value};
use super::{SqlAccounts, fault};
use crate::accounts::email::{Email, Username};
use crate::accounts::error::{AccountError, AccountErrorKind};
use crate::accounts::store::{AccountAnswer, Link, LinkStore, Lookup, NewPassword, UserStore};
use crate::accounts::token::Purpose;
use crate::accounts::user::{Account, User, UserChange, UserId};
use crate::clock::Timestamp;

/// The columns of a user, in the order in which [`user`] reads them.
macro_rules! columns {
    () => {
        "id, email, username, is_active, is_verified, created, updated, epoch"
    };
}
pub(super) use columns;

/// What a row of these columns says.
pub(super) fn user(row: &Row) -> Result<User, AccountError> {
    let sound = |error: AccountError| fault::unreadable().with_source(error);
    let id = row.text(0)?.parse().map_err(sound)?;
    let email: Email = row.text(1)?.parse().map_err(sound)?;
    let username = row.optional(2)?.map(|name| name.parse::<Username>()).transpose();
    let mut user = Account::new(id, email, Timestamp::from_millis(row.number(5)?)).user;
    user.username = username.map_err(sound)?;
    user.is_active = row.flag(3)?;
    user.is_verified = row.flag(4)?;
    user.updated = Timestamp::from_millis(row.number(6)?);
    user.epoch = row.number(7)?;
    Ok(user)
}

/// The user of the first row, if there is one.
pub(super) fn first(rows: &[Row]) -> Result<Option<User>, AccountError> {
    rows.first().map(user).transpose()
}

fn account(rows: &[Row]) -> Result<Option<Account>, AccountError> {
    let Some(row) = rows.first() else { return Ok(None) };
    // A hash of a kind that is not verified here is as good as none: its owner takes the way of a
    // forgotten password, and is not told apart from others by a failure.
    let password = row.optional(8)?.and_then(|hash| hash.parse().ok());
    Ok(Some(Account { user: user(row)?, password }))
}

impl UserStore for SqlAccounts {
    fn insert(&self, account: Account) -> AccountAnswer<()> {
        self.answer(|engine| async move {
            let Account { user, password } = account;
            let values = [
                user.id.to_string().into(),
                user.email.as_str().into(),
                user.email.key().into(),
                user.username.as_ref().map(Username::as_str).into(),
                user.username.as_ref().map(Username::key).into(),
                password.as_ref().map(|hash| hash.expose()).into(),
                user.is_active.into(),
                user.is_verified.into(),
                user.created.as_millis().into(),
                user.updated.as_millis().into(),
                user.epoch.into(),
            ];
            let rows = engine.write(INSERT, values).await?;
            if rows.is_empty() { Err(AccountErrorKind::UsernameTaken.into()) } else { Ok(()) }
        })
    }

    fn find(&self, by: Lookup) -> AccountAnswer<Option<Account>> {
        self.answer(|engine| async move {
            let rows = match by {
                Lookup::Id(id) => engine.read(BY_ID, [id.to_string().into()]).await,
                Lookup::Email(email) => engine.read(BY_EMAIL, [email.key().into()]).await,
                Lookup::Username(name) => engine.read(BY_USERNAME, [name.key().into()]).await,
                Lookup::Link { provider, subject } => {
                    engine.read(BY_LINK, [provider.into(), subject.into()]).await
                }
            };
            account(&rows?)
        })
    }

    fn update(
        &self,
        id: UserId,
        change: UserChange,
        now: Timestamp,
    ) -> AccountAnswer<Option<User>> {
        self.answer(move |engine| async move {
            let mut work = engine.begin().await?;
            let id = id.to_string();
            // Locks the row on either engine, and shows it.
            let rows = work.rows(TOUCH, [id.as_str().into(), now.as_millis().into()]).await?;
            let Some(before) = first(&rows)? else { return Ok(None) };
            let (after, moved) = change.apply(&before, now);
            let values: [Value; 8] = [
                id.as_str().into(),
                after.email.as_str().into(),
                after.email.key().into(),
                after.username.as_ref().map(Username::as_str).into(),
                after.username.as_ref().map(Username::key).into(),
                after.is_active.into(),
                after.is_verified.into(),
                after.epoch.into(),
            ];
            work.rows(UPDATE, values).await?;
            if moved {
                work.rows("DELETE FROM sessile_user_tokens WHERE user_id = $1", [id.into()])
                    .await?;
            }
            work.commit().await?;
            Ok(Some(after))
        })
    }

    fn set_password(
        &self,
        id: UserId,
        password: NewPassword,
        now: Timestamp,
    ) -> AccountAnswer<Option<User>> {
        self.answer(move |engine| async move {
            let id = id.to_string();
            let (epoch, new) = match password {
                NewPassword::Rehashed { old, new } => {
                    let values = [id.into(), old.expose().into(), new.expose().into()];
                    return first(&engine.write(REHASH, values).await?);
                }
                NewPassword::Changed { epoch, new } => (epoch, new),
            };
            let mut work = engine.begin().await?;
            let values =
                [id.as_str().into(), epoch.into(), new.expose().into(), now.as_millis().into()];
            let Some(user) = first(&work.rows(CHANGE, values).await?)? else { return Ok(None) };
            work.rows(END_TOKENS, [id.into(), Purpose::Reset.name().into()]).await?;
            work.commit().await?;
            Ok(Some(user))
        })
    }

    fn delete(&self, id: UserId) -> AccountAnswer<bool> {
        self.answer(move |engine| async move {
            let sql = "DELETE FROM sessile_users WHERE id = $1 RETURNING id"; // takes the rest along
            Ok(!engine.write(sql, [id.to_string().into()]).await?.is_empty())
        })
    }

    fn list(&self, after: Option<UserId>, max: usize) -> AccountAnswer<Vec<User>> {
        self.answer(move |engine| async move {
            let after = after.map(|id| id.to_string()).unwrap_or_default();
            let max = u64::try_from(max).unwrap_or(u64::MAX);
            let rows = engine.read(LIST, [after.into(), max.into()]).await?;
            rows.iter().map(user).collect()
        })
    }
}

impl LinkStore for SqlAccounts {
    fn link(&self, user: UserId, link: Link) -> AccountAnswer<()> {
        self.answer(move |engine| async move {
            let id = user.to_string();
            let values = [link.provider().into(), link.subject().into(), id.as_str().into()];
            let rows = engine.write(LINK, values).await?;
            let owner = rows.first().map(|row| row.text(0)).transpose()?;
            if owner.as_ref() == Some(&id) { Ok(()) } else { Err(AccountErrorKind::Taken.into()) }
        })
    }

    fn unlink(&self, user: UserId, link: Link) -> AccountAnswer<bool> {
        self.answer(move |engine| async move {
            let values = [link.provider().into(), link.subject().into(), user.to_string().into()];
            Ok(!engine.write(UNLINK, values).await?.is_empty())
        })
    }

    fn links(&self, user: UserId) -> AccountAnswer<Vec<Link>> {
        self.answer(move |engine| async move {
            let rows = engine.read(LINKS, [user.to_string().into()]).await?;
            let link = |row: &Row| {
                Link::new(&row.text(0)?, &row.text(1)?).map_err(|_| fault::unreadable())
            };
            rows.iter().map(link).collect()
        })
    }
}

/// A username that is taken is found before an address that is.
const INSERT: &str = "INSERT INTO sessile_users (id, email, email_key, username, username_key, \
    password_hash, is_active, is_verified, created, updated, epoch) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (username_key) DO NOTHING RETURNING id";

const BY_ID: &str =
    concat!("SELECT ", columns!(), ", password_hash FROM sessile_users WHERE id = $1");
const BY_EMAIL: &str =
    concat!("SELECT ", columns!(), ", password_hash FROM sessile_users WHERE email_key = $1");
const BY_USERNAME: &str =
    concat!("SELECT ", columns!(), ", password_hash FROM sessile_users WHERE username_key = $1");
const BY_LINK: &str = concat!(
    "SELECT ",
    columns!(),
    ", password_hash FROM sessile_users WHERE id = \
     (SELECT user_id FROM sessile_user_links WHERE provider = $1 AND subject = $2)"
);

const TOUCH: &str =
    concat!("UPDATE sessile_users SET updated = $2 WHERE id = $1 RETURNING ", columns!());
const UPDATE: &str = "UPDATE sessile_users SET email = $2, email_key = $3, username = $4, \
    username_key = $5, is_active = $6, is_verified = $7, epoch = $8 WHERE id = $1";
const REHASH: &str = concat!(
    "UPDATE sessile_users SET password_hash = $3 WHERE id = $1 AND password_hash = $2 RETURNING ",
    columns!()
);
const CHANGE: &str = concat!(
    "UPDATE sessile_users SET password_hash = $3, epoch = epoch + 1, updated = $4 \
     WHERE id = $1 AND epoch = $2 RETURNING ",
    columns!()
);
const END_TOKENS: &str = "DELETE FROM sessile_user_tokens WHERE user_id = $1 AND purpose = $2";
const LIST: &str =
    concat!("SELECT ", columns!(), " FROM sessile_users WHERE id > $1 ORDER BY id LIMIT $2");

/// Updates nothing, so that the row that is there shows.
const LINK: &str = "INSERT INTO sessile_user_links (provider, subject, user_id) \
    VALUES ($1, $2, $3) ON CONFLICT (provider, subject) \
    DO UPDATE SET user_id = sessile_user_links.user_id RETURNING user_id";
const UNLINK: &str = "DELETE FROM sessile_user_links \
    WHERE provider = $1 AND subject = $2 AND user_id = $3 RETURNING user_id";
const LINKS: &str = "SELECT provider, subject FROM sessile_user_links WHERE user_id = $1 \
    ORDER BY provider, subject";
