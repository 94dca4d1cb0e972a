//! What the driver's errors mean.

use std::error::Error as StdError;

use sqlx::Error;
use sqlx::error::ErrorKind;

use crate::accounts::error::{AccountError, AccountErrorKind};

/// What a statement could not do. Constraints of our tables speak for themselves; of anything else,
/// only what the engine calls it is kept, since its details quote rows.
pub(super) fn of(error: Error) -> AccountError {
    let kind = match &error {
        Error::Database(cause) => match cause.kind() {
            // PostgreSQL names the constraint, SQLite the column; both have its name.
            ErrorKind::UniqueViolation
                if cause.constraint().unwrap_or_else(|| cause.message()).contains("username") =>
            {
                AccountErrorKind::UsernameTaken
            }
            ErrorKind::UniqueViolation => AccountErrorKind::Taken,
            ErrorKind::ForeignKeyViolation => AccountErrorKind::NotFound,
            _ => AccountErrorKind::Store,
        },
        _ => AccountErrorKind::Store,
    };
    if kind != AccountErrorKind::Store {
        return kind.into();
    }
    let source: Box<dyn StdError + Send + Sync> = match error {
        Error::Database(cause) => {
            format!("code {}: {}", cause.code().unwrap_or_default(), cause.message()).into()
        }
        Error::ColumnDecode { index, .. } => format!("column {index} is not as expected").into(),
        Error::Configuration(_) => "the address does not parse".into(), // it may be quoted
        error => Box::from(error),
    };
    AccountError::new(kind).with_source(source)
}

/// A setting that cannot work, with the remedy.
pub(super) fn misfit(remedy: &'static str) -> AccountError {
    AccountError::new(AccountErrorKind::Store).with_source(remedy)
}

/// Whether this version can write what a version has made.
pub(super) fn check_version(version: i64) -> Result<(), AccountError> {
    if version <= VERSION {
        return Ok(());
    }
    Err(misfit("the account tables were made by a newer version of this crate: update this one"))
}

/// A row that is not what this crate writes.
pub(super) fn unreadable() -> AccountError {
    AccountError::new(AccountErrorKind::Store)
        .with_source("a row of the account tables is not ours")
}

/// Whether another process holds SQLite's lock.
#[cfg(feature = "sqlite")]
pub(super) fn is_busy(error: &Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    let primary = code.and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff);
    matches!(primary, Some(5 | 6)) // BUSY, LOCKED: <https://sqlite.org/rescode.html>
}

/// The shape of the tables, as the schemas note it.
const VERSION: i64 = 1;
