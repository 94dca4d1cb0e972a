//! The table, and how it comes to be what this version needs.

use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use super::open::Refused;
use crate::error::{OpenError, OpenErrorKind};

/// Which shape of the table this version writes and reads.
const VERSION: i64 = 2;

/// The table that says which shape each of our tables has.
pub(super) const VERSIONS: &str = "sessile_schema";

/// The columns, and whether one that lacks can be added with its default to rows that are there.
///
/// Ids are text, 36 bytes where a BLOB takes 16: it is what log lines, device lists and other
/// languages show, so that it can be pasted into a query, and its order is that of the bytes. The
/// deadline is computed from the columns that it depends on, so that no writer can let them
/// disagree. STRICT keeps everybody from storing what would not decode, but for the data.
const COLUMNS: &[(&str, &str, bool)] = &[
    ("id", "TEXT NOT NULL PRIMARY KEY", false),
    ("subject", "TEXT", true),
    ("version", "INTEGER NOT NULL DEFAULT 1", true),
    ("generation", "INTEGER NOT NULL DEFAULT 0", true),
    ("confirmed", "INTEGER NOT NULL DEFAULT 1", true),
    ("persistent", "INTEGER NOT NULL DEFAULT 0", true),
    ("renewed", "INTEGER NOT NULL DEFAULT 0", true),
    ("created", "INTEGER NOT NULL", false),
    ("authenticated", "INTEGER NOT NULL DEFAULT 0", true),
    ("idle", "INTEGER NOT NULL", false),
    ("absolute", "INTEGER NOT NULL", false),
    ("last_seen", "INTEGER NOT NULL", false),
    ("deadline", "INTEGER GENERATED ALWAYS AS (min(last_seen + idle, absolute)) VIRTUAL", true),
    ("data", "TEXT NOT NULL", false),
    ("context", "TEXT", true), // since version 2
];

/// Makes the table, adds what an older version lacks, or does nothing, in one transaction: of
/// several processes that start at once, one does the work.
pub(super) async fn prepare(connection: &mut SqliteConnection, table: &str) -> Result<(), Refused> {
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
    // If it fails, the connection is closed, and the transaction ends with it.
    migrate(connection, table).await?;
    sqlx::query("COMMIT").execute(connection).await?;
    Ok(())
}

async fn migrate(connection: &mut SqliteConnection, table: &str) -> Result<(), Refused> {
    run(
        connection,
        format!(
            "CREATE TABLE IF NOT EXISTS {VERSIONS} \
             (name TEXT NOT NULL PRIMARY KEY COLLATE NOCASE, version INTEGER NOT NULL) STRICT"
        ),
    )
    .await?;
    refuse_newer(connection, table).await?;
    let there = columns(connection, table).await?;
    if there.is_empty() {
        let columns: Vec<_> =
            COLUMNS.iter().map(|(name, kind, _)| format!("{name} {kind}")).collect();
        run(connection, format!("CREATE TABLE \"{table}\" ({}) STRICT", columns.join(", ")))
            .await?;
    } else {
        complete(connection, table, &there).await?;
    }
    run(
        connection,
        format!(
            "CREATE INDEX IF NOT EXISTS \"{table}_subject\" ON \"{table}\" (subject, id) \
             WHERE subject IS NOT NULL; \
             CREATE INDEX IF NOT EXISTS \"{table}_deadline\" ON \"{table}\" (deadline)"
        ),
    )
    .await?;
    // Writes nothing if nothing changed, but asks for the right to write: a file that may only be
    // read opens without complaint.
    let record = "INSERT INTO sessile_schema (name, version) VALUES (?1, ?2) \
                  ON CONFLICT (name) DO UPDATE SET version = ?2 WHERE version <> ?2";
    sqlx::query(record).bind(table).bind(VERSION).execute(connection).await?;
    Ok(())
}

async fn refuse_newer(connection: &mut SqliteConnection, table: &str) -> Result<(), Refused> {
    let row = sqlx::query("SELECT version FROM sessile_schema WHERE name = ?1")
        .bind(table)
        .fetch_optional(connection)
        .await?;
    let Some(version) = row.map(|row| row.try_get::<i64, _>(0)).transpose()? else {
        return Ok(());
    };
    if version <= VERSION {
        return Ok(());
    }
    Err(misfit(format!(
        "the table {table} has version {version}, this release knows {VERSION}: upgrade sessile, \
         or give this application a table of its own"
    )))
}

/// The names of the table's columns; none if there is no table.
async fn columns(connection: &mut SqliteConnection, table: &str) -> Result<Vec<String>, Refused> {
    let rows = sqlx::query("SELECT name FROM pragma_table_xinfo(?1)")
        .bind(table)
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| row.try_get(0).map_err(Refused::from)).collect()
}

async fn complete(
    connection: &mut SqliteConnection,
    table: &str,
    there: &[String],
) -> Result<(), Refused> {
    for (name, kind, addable) in COLUMNS {
        if there.iter().any(|column| column.eq_ignore_ascii_case(name)) {
            continue;
        }
        if !addable {
            return Err(misfit(format!(
                "the table {table} is there, but has no column {name}, so it is not ours: give \
                 the sessions another table"
            )));
        }
        run(connection, format!("ALTER TABLE \"{table}\" ADD COLUMN {name} {kind}")).await?;
    }
    Ok(())
}

fn misfit(remedy: String) -> Refused {
    OpenError::new(OpenErrorKind::Schema, remedy).into()
}

/// What varies in this SQL is the table's name, which is a checked identifier.
async fn run(connection: &mut SqliteConnection, sql: String) -> Result<(), Refused> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await?;
    Ok(())
}
