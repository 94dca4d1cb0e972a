//! What SQLite says went wrong, in our words.

use std::path::Path;
use std::sync::Arc;

use sqlx::error::DatabaseError;

use crate::error::{OpenError, OpenErrorKind, StoreError, StoreErrorKind};

// Primary result codes: <https://sqlite.org/rescode.html>
const PERM: u32 = 3;
const BUSY: u32 = 5;
const LOCKED: u32 = 6;
const READONLY: u32 = 8;
const IOERR: u32 = 10;
const CORRUPT: u32 = 11;
const FULL: u32 = 13;
const CANTOPEN: u32 = 14;
const TOOBIG: u32 = 18;
const AUTH: u32 = 23;
const NOTADB: u32 = 26;

/// What a call could not do.
pub(super) fn failure(error: impl Into<Arc<sqlx::Error>>) -> StoreError {
    let error = error.into();
    let kind = match &*error {
        sqlx::Error::PoolTimedOut => StoreErrorKind::Timeout,
        sqlx::Error::Database(cause) => match primary_code(&**cause) {
            Some(BUSY | LOCKED) => StoreErrorKind::Timeout,
            Some(FULL) => StoreErrorKind::Full,
            Some(TOOBIG) => StoreErrorKind::TooLarge,
            _ => StoreErrorKind::Unavailable,
        },
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => StoreErrorKind::Undecodable,
        _ => StoreErrorKind::Unavailable,
    };
    StoreError::new(kind).with_source(error)
}

/// Why the database at this path (in memory, if there is none) could not be opened.
pub(super) fn refusal(error: sqlx::Error, path: Option<&Path>) -> OpenError {
    let code = match &error {
        sqlx::Error::Database(cause) => primary_code(&**cause),
        _ => None,
    };
    let name = path.map_or_else(|| "the database in memory".into(), Path::to_string_lossy);
    let (kind, remedy) = match code {
        Some(CANTOPEN) => unopenable(path),
        Some(READONLY | PERM | AUTH) => (
            OpenErrorKind::Denied,
            format!("{name} is read-only: make the file and its folder writable for this user"),
        ),
        Some(NOTADB | CORRUPT) => (
            OpenErrorKind::Schema,
            format!("{name} is not a sound SQLite database: choose another path or a backup"),
        ),
        Some(BUSY | LOCKED) => (
            OpenErrorKind::Unreachable,
            format!("{name} stays locked by another process: end what holds it"),
        ),
        Some(FULL | IOERR) => (
            OpenErrorKind::Unreachable,
            format!("{name} cannot be written: look at the disk and its free space"),
        ),
        Some(_) => (
            OpenErrorKind::Schema,
            format!("{name} refuses our table: choose another table name or another file"),
        ),
        None => (
            OpenErrorKind::Config,
            "write the address as `sqlite:path/to/file.db` or `sqlite::memory:`".to_owned(),
        ),
    };
    OpenError::new(kind, remedy).with_source(error)
}

/// SQLite says only that it cannot open the file; the file system knows more.
fn unopenable(path: Option<&Path>) -> (OpenErrorKind, String) {
    let Some(path) = path else {
        return (OpenErrorKind::Unreachable, "no memory for a database".to_owned());
    };
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let name = path.display();
    if path.is_dir() {
        (OpenErrorKind::Config, format!("{name} is a folder: name a file in it"))
    } else if !folder.is_dir() {
        let folder = folder.display();
        (OpenErrorKind::Unreachable, format!("the folder {folder} does not exist: create it first"))
    } else {
        let remedy = format!(
            "{name} can be neither opened nor created: make it and its folder readable and \
             writable for this user, or create it first if the address says `mode=rw`"
        );
        (OpenErrorKind::Denied, remedy)
    }
}

/// Whether somebody else holds the lock, so that a later attempt may succeed. Such a statement
/// has done nothing.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    let cause = error.as_database_error();
    matches!(cause.and_then(primary_code), Some(BUSY | LOCKED))
}

fn primary_code(cause: &(dyn DatabaseError + 'static)) -> Option<u32> {
    cause.code()?.parse::<u32>().ok().map(|extended| extended & 0xff)
}
