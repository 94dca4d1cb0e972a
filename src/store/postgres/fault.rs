//! What the driver's errors mean.

use std::error::Error as StdError;
use std::fmt;

use sqlx::Error;
use sqlx::error::DatabaseError;

use crate::error::{OpenError, OpenErrorKind, StoreError, StoreErrorKind};

/// What to do after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The connection is of no use any more. Whether the statement took effect, nobody knows.
    Broken,
    /// The statement met another and was undone. It can be sent again.
    Undone,
    /// It will not be better the next time.
    Final,
}

impl Fault {
    pub(super) fn of(error: &Error) -> Self {
        match error {
            Error::Database(error) => match code(&**error).as_bytes() {
                // Shutting down, crashed, not up yet, idle for too long; connection exceptions;
                // a primary that has become a standby; statements that were prepared and are not
                // there any more, or answer other types since somebody altered the table.
                [b'5', b'7', b'P', ..] | [b'0', b'8', ..] | b"25006" | b"26000" | b"0A000" => {
                    Self::Broken
                }
                b"40001" | b"40P01" => Self::Undone,
                _ => Self::Final,
            },
            Error::Io(_) | Error::Protocol(_) | Error::Tls(_) | Error::WorkerCrashed => {
                Self::Broken
            }
            _ => Self::Final,
        }
    }
}

pub(super) fn store_error(error: Error) -> StoreError {
    let kind = match &error {
        Error::Database(error) => match &*code(&**error) {
            // A text too long for its column, a JSON document too large.
            "22001" | "54000" => StoreErrorKind::TooLarge,
            // NUL in JSON, NULL in a subject that must not be, lists too deep, a date too late.
            "22P02" | "22P05" | "23502" | "54001" | "22008" => StoreErrorKind::Unencodable,
            // It waited for a lock, for longer than `statement_timeout` or `lock_timeout`.
            "57014" | "55P03" => StoreErrorKind::Timeout,
            _ => StoreErrorKind::Unavailable,
        },
        Error::ColumnDecode { .. } | Error::Decode(_) => StoreErrorKind::Undecodable,
        Error::ColumnIndexOutOfBounds { .. } | Error::ColumnNotFound(_) => {
            StoreErrorKind::Undecodable
        }
        _ => StoreErrorKind::Unavailable,
    };
    StoreError::new(kind).with_source(cause(error))
}

/// Why the store could not be opened. Not a word of the address is in it.
pub(super) fn open_error(error: Error) -> OpenError {
    let (kind, remedy) = match &error {
        Error::Database(error) => match &*code(&**error) {
            "28P01" | "28000" => (
                OpenErrorKind::Denied,
                "PostgreSQL accepts neither this user nor this password: check both, and pg_hba.conf",
            ),
            "42501" => (OpenErrorKind::Denied, DENIED),
            "3D000" => (OpenErrorKind::Config, "PostgreSQL has no database of this name"),
            "3F000" => (OpenErrorKind::Config, "the database has no schema of this name"),
            "55P03" | "57014" => (
                OpenErrorKind::Unreachable,
                "somebody holds the table and it could not be brought up to date: try again later",
            ),
            "53300" | "53400" => (
                OpenErrorKind::Unreachable,
                "PostgreSQL has no connection to spare: try again later",
            ),
            "08P01" => (
                OpenErrorKind::Config,
                "a parameter of the connection was refused: tell the PgBouncer before the server \
                 `ignore_startup_parameters = extra_float_digits, options`",
            ),
            code if code.starts_with("57P") || code.starts_with("08") => {
                (OpenErrorKind::Unreachable, "PostgreSQL starts or stops: try again later")
            }
            _ => (
                OpenErrorKind::Schema,
                "what is there under this name cannot be made a table of sessions",
            ),
        },
        Error::Configuration(_) => (OpenErrorKind::Config, ADDRESS),
        Error::Tls(_) if cfg!(feature = "tls") => (OpenErrorKind::Config, NO_TRUST),
        Error::Io(error) if error.to_string().contains("invalid peer certificate") => {
            (OpenErrorKind::Config, NO_TRUST)
        }
        Error::Tls(_) => (
            OpenErrorKind::Disabled,
            "TLS to PostgreSQL needs the feature `tls`: `sessile = { version = \"…\", features = \
             [\"postgres\", \"tls\"] }`",
        ),
        _ => (
            OpenErrorKind::Unreachable,
            "PostgreSQL does not answer: is it up, and this its address?",
        ),
    };
    OpenError::new(kind, remedy).with_source(cause(error))
}

pub(super) const ADDRESS: &str = "the address must be like postgres://user:password@host/database";

const NO_TRUST: &str = "there is no TLS that `sslmode` is content with: the server has none, or a certificate that \
     is for another host or not to be trusted (`sslrootcert=ca.pem` names its authority)";

pub(super) const DENIED: &str = "the user may not do this: let the owner of the table open it once with this version \
     and these options, and grant the user SELECT, INSERT, UPDATE and DELETE on it";

/// The driver's error without what might be of a session: the server's details quote rows.
fn cause(error: Error) -> Box<dyn StdError + Send + Sync> {
    match error {
        Error::Database(error) => {
            Box::new(Complaint { code: code(&*error), message: error.message().to_owned() })
        }
        Error::ColumnDecode { index, .. } => format!("column {index} is not as expected").into(),
        Error::Configuration(_) => "the address does not parse".into(), // it may be quoted
        error => Box::new(error),
    }
}

fn code(error: &dyn DatabaseError) -> String {
    error.code().map(String::from).unwrap_or_default()
}

/// What the server complained of.
#[derive(Debug)]
struct Complaint {
    code: String,
    message: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgreSQL says {}: {}", self.code, self.message)
    }
}

impl StdError for Complaint {}
