//! Opening a database: the file, its mode, and the table.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Row, SqliteConnection, SqlitePool};

use super::connection::BUSY;
use super::engine::Engine;
use super::error::{is_busy, refusal};
use super::options::{Source, SqliteOptions};
use super::schema::{VERSIONS, prepare};
use crate::error::{OpenError, OpenErrorKind};

/// Why one attempt to open came to nothing.
pub(super) enum Refused {
    Engine(sqlx::Error),
    Open(OpenError),
}

impl From<sqlx::Error> for Refused {
    fn from(error: sqlx::Error) -> Self {
        Self::Engine(error)
    }
}

impl From<OpenError> for Refused {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}

/// Opens the database and makes the table what this version needs.
pub(super) async fn open(options: &SqliteOptions) -> Result<Engine, OpenError> {
    check_table(&options.table)?;
    let place = Place::of(options)?;
    let mut attempt = 1;
    loop {
        match place.open(&options.table).await {
            // Others that open at the same moment: some steps need the file for themselves, and
            // do not wait for it.
            Err(Refused::Engine(error)) if is_busy(&error) && attempt < ATTEMPTS => {
                attempt += 1;
                tokio::time::sleep(PAUSE).await;
            }
            Err(Refused::Engine(error)) => return Err(refusal(error, place.path().as_deref())),
            Err(Refused::Open(error)) => return Err(error),
            Ok(engine) => return Ok(engine),
        }
    }
}

/// Only such a name is put into SQL.
fn check_table(name: &str) -> Result<(), OpenError> {
    let well_formed = name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_');
    let begins_well = name.chars().next().is_some_and(|char| !char.is_ascii_digit());
    let lower = name.to_ascii_lowercase();
    let reserved = lower.starts_with("sqlite_") || lower == VERSIONS;
    if well_formed && begins_well && !reserved && name.len() <= LONGEST_NAME {
        return Ok(());
    }
    let remedy = format!(
        "choose a table name of letters, digits and underscores, {LONGEST_NAME} at most, that \
         neither begins with a digit or `sqlite_` nor is `{VERSIONS}`"
    );
    Err(OpenError::new(OpenErrorKind::Config, remedy))
}

/// Where the database is.
struct Place {
    writer: SqliteConnectOptions,
    /// The application's own; else the store has one.
    pool: Option<SqlitePool>,
}

impl Place {
    fn of(options: &SqliteOptions) -> Result<Self, OpenError> {
        let (writer, pool) = match &options.source {
            Source::Url(url) => (of_url(url)?.synchronous(SqliteSynchronous::Normal), None),
            Source::Pool(pool) => ((*pool.connect_options()).clone(), Some(pool.clone())),
        };
        let mut writer = writer.busy_timeout(BUSY);
        if options.synchronous_full {
            writer = writer.synchronous(SqliteSynchronous::Full);
        }
        Ok(Self { writer, pool })
    }

    async fn open(&self, table: &str) -> Result<Engine, Refused> {
        let mut writer = self.writer.connect().await?;
        let on_disk = is_on_disk(&mut writer).await?;
        if on_disk && self.pool.is_none() {
            keep_a_log(&mut writer).await?;
        }
        prepare(&mut writer, table).await?;
        let options = Arc::new(self.writer.clone().create_if_missing(false));
        match &self.pool {
            pool if on_disk => Ok(Engine::on_disk(&options, writer, pool.as_ref())),
            Some(_) => Err(private_memory().into()),
            None => Ok(Engine::in_memory(options, writer, table)),
        }
    }

    fn path(&self) -> Option<PathBuf> {
        let path = self.writer.get_filename();
        let in_memory = path.as_os_str().as_encoded_bytes().starts_with(b"file:sqlx-in-memory");
        (!in_memory).then(|| Path::to_path_buf(path))
    }
}

fn of_url(url: &str) -> Result<SqliteConnectOptions, OpenError> {
    // The address is not repeated: that of another engine may hold a password.
    let usage = || {
        let remedy = "write the address as `sqlite:path/to/file.db` or `sqlite::memory:`";
        OpenError::new(OpenErrorKind::Config, remedy)
    };
    let place = url.strip_prefix("sqlite:").ok_or_else(usage)?;
    let (path, parameters) = place.split_once('?').unwrap_or((place, ""));
    if path.trim_start_matches('/').is_empty() && !parameters.contains("mode=memory") {
        return Err(usage());
    }
    let options =
        SqliteConnectOptions::from_str(url).map_err(|error| usage().with_source(error))?;
    // A cache that connections share would bring locks that nothing waits for.
    let options = options.shared_cache(false);
    let says_mode = parameters.contains("mode=");
    Ok(if says_mode { options } else { options.create_if_missing(true) })
}

async fn is_on_disk(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let file = "SELECT file <> '' FROM pragma_database_list WHERE name = 'main'";
    sqlx::query(file).fetch_one(connection).await?.try_get(0)
}

/// Turns the write-ahead log on, for good: it is a property of the file. It lets readers read
/// while somebody writes. A file system that cannot have it keeps its rollback journal.
async fn keep_a_log(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let mode = sqlx::query("PRAGMA journal_mode").fetch_one(&mut *connection).await?;
    if mode.try_get::<&str, _>(0)? != "wal" {
        sqlx::query("PRAGMA journal_mode = WAL").fetch_all(connection).await?;
    }
    Ok(())
}

fn private_memory() -> OpenError {
    let remedy = "a database in memory belongs to one connection and cannot be shared with a pool: \
                  use a file, or `SqliteStore::connect(\"sqlite::memory:\")`";
    OpenError::new(OpenErrorKind::Config, remedy)
}

const ATTEMPTS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(20);
const LONGEST_NAME: usize = 48;
