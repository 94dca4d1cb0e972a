//! Looks at the table that is there, and makes it what it must be.

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Error, Row};

use super::connections::{Connections, Repeat};
use super::fault;
use super::row::Bound;
use super::table::{Table, TableName, VERSION};
use crate::error::{OpenError, OpenErrorKind, StoreError};

/// Finds the table, or makes it, or adds what it lacks. Several may do so at once.
pub(super) async fn prepare(
    at: &Connections,
    name: TableName,
    announce: bool,
) -> Result<Table, OpenError> {
    let (table, existed) = locate(at, name).await?;
    if !existed {
        // Somebody may be making it. Their commit shows in a query before it shows in what a
        // connection remembers of names that it could not find; their lock goes last.
        one(at, AWAIT_MAKERS, arguments::<0>([])?).await?;
    }
    if !inspect(at, &table).await?.is_complete(&table)? {
        at.script(table.fill(include_str!("schema.sql"))).await.map_err(fault::open_error)?;
        if !inspect(at, &table).await?.is_complete(&table)? {
            return Err(unfit("it lacks columns that should be there"));
        }
    }
    if announce && !inspect(at, &table).await?.tells {
        at.script(table.fill(include_str!("announce.sql"))).await.map_err(fault::open_error)?;
    }
    Ok(table)
}

/// The schema where the table is or, if there is none, where it would be made; and whether there is
/// one.
async fn locate(at: &Connections, name: TableName) -> Result<(Table, bool), OpenError> {
    let arguments = arguments([Some(name.quoted().as_str()), name.schema()])?;
    let row = one(at, LOCATE, arguments).await?;
    let schema: Option<String> = row.try_get(0).map_err(fault::open_error)?;
    let existed = row.try_get(1).map_err(fault::open_error)?;
    check_isolation(row.try_get(2).map_err(fault::open_error)?)?;
    match schema {
        Some(schema) => Ok((name.within(schema), existed)),
        None => Err(OpenError::new(
            OpenErrorKind::Config,
            "the user's search_path has no schema where a table could be: name one, as in \
             `schema.table`",
        )),
    }
}

/// Under any other, a statement does not see the log-ins that its lock made it wait for, and a limit
/// is none.
fn check_isolation(level: &str) -> Result<(), OpenError> {
    if matches!(level, "read committed" | "read uncommitted") {
        return Ok(());
    }
    Err(OpenError::new(
        OpenErrorKind::Config,
        format!(
            "its transactions are `{level}`, under which a limit of sessions does not hold: give the \
             pool's options `.options([(\"default_transaction_isolation\", \"read committed\")])`, \
             or set that for the user or the database"
        ),
    ))
}

/// What is there.
#[derive(Default)]
struct Found {
    /// Name and type of each column.
    columns: Vec<String>,
    indexes: Vec<String>,
    function: bool,
    /// What a version of this crate noted.
    note: Option<String>,
    /// Whether the user may do all that a store does.
    allowed: bool,
    /// Whether it has the triggers that tell what others change.
    tells: bool,
}

async fn inspect(at: &Connections, table: &Table) -> Result<Found, OpenError> {
    let (schema, name, create) = (table.schema.as_str(), table.name.as_str(), table.create());
    let arguments = arguments([Some(schema), Some(name), Some(create.as_str())])?;
    let row = one(at, INSPECT, arguments).await?;
    let found = || -> Result<Found, Error> {
        Ok(Found {
            columns: row.try_get(0)?,
            indexes: row.try_get(1)?,
            function: row.try_get(2)?,
            note: row.try_get(3)?,
            allowed: row.try_get(4)?,
            tells: row.try_get(5)?,
        })
    };
    found().map_err(fault::open_error)
}

impl Found {
    /// Whether nothing needs to be done; an error if nothing can be.
    fn is_complete(&self, table: &Table) -> Result<bool, OpenError> {
        if self.noted_version().is_some_and(|noted| noted > VERSION) {
            return Err(unfit("it was made by a newer version of this crate: update this one"));
        }
        if self.columns.is_empty() {
            return Ok(false);
        }
        let mut lacks = false;
        for (name, types) in COLUMNS {
            let of = |column: &&String| column.split_once(' ').is_some_and(|(of, _)| of == name);
            match self.columns.iter().find(of) {
                Some(column) if types.iter().any(|expected| is_of(column, expected)) => {}
                Some(column) => {
                    return Err(unfit(&format!("its column {column} is not {types:?}")));
                }
                None if FIRST.contains(&name) => return Err(unfit(&format!("it has no {name}"))),
                None => lacks = true,
            }
        }
        let indexes = [table.by_subject(), table.by_deadline()];
        if lacks || !self.function || !indexes.iter().all(|index| self.indexes.contains(index)) {
            return Ok(false);
        }
        if !self.allowed {
            return Err(OpenError::new(OpenErrorKind::Denied, fault::DENIED));
        }
        Ok(true)
    }

    /// Of the version that made it or added to it; `None` after a dump without comments.
    fn noted_version(&self) -> Option<u32> {
        self.note.as_deref()?.strip_prefix("sessile schema ")?.parse().ok()
    }
}

/// Whether `name type` is of this type, whatever its length.
fn is_of(column: &str, expected: &str) -> bool {
    column.split_once(' ').is_some_and(|(_, found)| found.split('(').next() == Some(expected))
}

async fn one(at: &Connections, sql: &str, arguments: PgArguments) -> Result<PgRow, OpenError> {
    let rows = at.rows(&sql.into(), arguments, Repeat::Harmless).await;
    let row = rows.map_err(fault::open_error)?.into_iter().next();
    row.ok_or_else(|| fault::open_error(Error::RowNotFound))
}

fn arguments<const N: usize>(texts: [Option<&str>; N]) -> Result<PgArguments, OpenError> {
    let bound = texts.into_iter().try_fold(Bound::default(), Bound::with);
    Ok(bound
        .map_err(|error: StoreError| unfit("its name cannot be sent").with_source(error))?
        .done())
}

fn unfit(why: &str) -> OpenError {
    OpenError::new(OpenErrorKind::Schema, format!("{why}; another table can be named"))
}

const LOCATE: &str = "
SELECT coalesce(
    (SELECT nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE pg_class.oid = to_regclass($1)),
    $2, current_schema())::text, to_regclass($1) IS NOT NULL,
    current_setting('transaction_isolation')";

const AWAIT_MAKERS: &str =
    "SELECT pg_advisory_xact_lock_shared(hashtextextended('sessile schema', 0))";

const INSPECT: &str = "
WITH found AS (
    SELECT pg_class.oid FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = $1 AND relname = $2
)
SELECT
    ARRAY(SELECT attname || ' ' || format_type(atttypid, atttypmod) FROM pg_attribute JOIN found
        ON attrelid = oid WHERE attnum > 0 AND NOT attisdropped),
    ARRAY(SELECT relname::text FROM pg_class JOIN pg_index ON indexrelid = pg_class.oid JOIN found
        ON indrelid = found.oid WHERE indisvalid),
    EXISTS (SELECT FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace
        WHERE nspname = $1 AND proname = $3),
    (SELECT col_description(oid, attnum) FROM pg_attribute JOIN found ON attrelid = oid
        WHERE attname = 'version'),
    coalesce((SELECT has_any_column_privilege(oid, 'SELECT')
        AND has_any_column_privilege(oid, 'INSERT') AND has_any_column_privilege(oid, 'UPDATE')
        AND has_table_privilege(oid, 'DELETE') FROM found), false),
    (SELECT count(*) = 3 FROM pg_trigger JOIN found ON tgrelid = found.oid WHERE tgenabled <> 'D'
        AND tgname IN ('sessile_tell_delete', 'sessile_tell_update', 'sessile_tell_truncate'))";

/// The columns that a table must have from the start; the others can be added.
const FIRST: [&str; 4] = ["id", "user_id", "expires_at", "created_at"];

/// What each column may be of. A `character varying` has its length behind it.
const COLUMNS: [(&str, &[&str]); 15] = [
    ("id", &["uuid"]),
    ("user_id", &["text", "character varying"]),
    ("expires_at", TIME),
    ("created_at", TIME),
    ("version", NUMBER),
    ("generation", NUMBER),
    ("confirmed", &["boolean"]),
    ("persistent", &["boolean"]),
    ("renewed_at", TIME),
    ("authenticated_at", TIME),
    ("last_seen_at", TIME),
    ("absolute_at", TIME),
    ("idle_ms", NUMBER),
    ("data", &["jsonb"]),
    ("context", &["jsonb"]),
];
const TIME: &[&str] = &["timestamp with time zone"];
const NUMBER: &[&str] = &["bigint"];
