//! The SQL of every operation.

use std::sync::Arc;

use super::row::{COLUMNS, META};
use super::statement::Statement;
use crate::store::Revoke;

/// The statements on one table.
///
/// Values are bound in the order of their question marks. A plus sign before `deadline` keeps the
/// planner from the index on it where another one finds the few rows in question. `changes()` is
/// what the statement before has changed, so that what depends on a creation happens only with it.
pub(super) struct Statements {
    pub(super) load: Arc<Statement>,
    /// The id, a record, the time.
    pub(super) insert: Arc<Statement>,
    /// The same and [`delete`](Self::delete), if the first has happened.
    pub(super) insert_for: Arc<Statement>,
    /// [`taken`](Self::taken); the id and a record; subject, id, id, time and how many others there
    /// may be; the time; and [`delete`](Self::delete).
    pub(super) insert_if_room: Arc<Statement>,
    /// As `insert`; subject, id, id, time and how many of the others stay; the id of one that
    /// does not in any case, and the time.
    pub(super) insert_and_evict: Arc<Statement>,
    /// Gives a row if there is a live session of this id.
    pub(super) taken: Arc<Statement>,
    /// A record, the id, the version before it, the time.
    pub(super) replace: Arc<Statement>,
    pub(super) version: Arc<Statement>,
    pub(super) touch: Arc<Statement>,
    pub(super) delete: Arc<Statement>,
    pub(super) sweep: Arc<Statement>,
    pub(super) list: Arc<Statement>,
    pub(super) count: Arc<Statement>,
    pub(super) scan: Arc<Statement>,
    one: Revocation,
    others: Revocation,
}

/// Ends some of a subject's sessions: of a subject, for a session, at a time, so many.
pub(super) struct Revocation {
    pub(super) end: Arc<Statement>,
    /// Gives a row if any is left.
    pub(super) rest: Arc<Statement>,
}

impl Statements {
    /// For a table whose name is a checked identifier.
    pub(super) fn on(table: &str) -> Self {
        let table = format!("\"{table}\"");
        let sql = |text: &str| {
            let values = vec!["?"; 1 + COLUMNS].join(", ");
            let excluded = META.replace(", ", ", excluded.");
            text.replace("{values}", &values)
                .replace("{excluded}", &format!("excluded.{excluded}, excluded.data"))
                .replace("{meta}", META)
                .replace("{table}", &table)
        };
        let read = |text: &str, together| Statement::reading(&sql(text), together);
        let write = |text: &str, together| Statement::writing(&[&sql(text)], together);
        let several = |parts: &[&str]| {
            let parts: Vec<_> = parts.iter().map(|part| sql(part)).collect();
            let parts: Vec<_> = parts.iter().map(|part| &**part).collect();
            Statement::writing(&parts, TOGETHER)
        };
        let insert = format!("{INTO} VALUES ({{values}}) {UNLESS_LIVE}");
        let delete = format!("{DELETE} AND changes() > 0 {WAS_LIVE}");
        Self {
            load: read("SELECT {meta}, data FROM {table} WHERE id = ? AND +deadline > ?", TOGETHER),
            insert: write(&insert, TOGETHER),
            insert_for: several(&[&insert, &delete]),
            insert_if_room: several(&[
                TAKEN,
                &format!(
                    "{INTO} SELECT {{values}} WHERE NOT EXISTS (SELECT 1 FROM {{table}} \
                     WHERE {OTHERS} LIMIT 1 OFFSET ?) {UNLESS_LIVE}"
                ),
                &delete,
            ]),
            insert_and_evict: several(&[
                &insert,
                &format!(
                    "DELETE FROM {{table}} WHERE id IN (SELECT id FROM (SELECT id FROM {{table}} \
                     WHERE {OTHERS} ORDER BY created DESC, id DESC LIMIT -1 OFFSET ?) \
                     UNION ALL SELECT ?) AND changes() > 0 {WAS_LIVE}"
                ),
            ]),
            taken: read(TAKEN, 1),
            replace: write(
                "UPDATE {table} SET ({meta}, data) = \
                (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, max(last_seen, ?), ?, ?) \
                WHERE id = ? AND version = ? AND +deadline > ? RETURNING 1",
                TOGETHER,
            ),
            version: read("SELECT version FROM {table} WHERE id = ? AND +deadline > ?", 1),
            touch: write(
                "UPDATE {table} SET last_seen = max(last_seen, ?) \
                WHERE id = ? AND +deadline > ? RETURNING 1",
                TOGETHER,
            ),
            delete: write(&format!("{DELETE} {WAS_LIVE}"), TOGETHER),
            sweep: write(
                "DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} \
                WHERE deadline <= ? ORDER BY deadline LIMIT ?) RETURNING 1",
                1,
            ),
            list: read(
                "SELECT id, {meta} FROM {table} \
                WHERE subject = ? AND id > ? AND +deadline > ? ORDER BY id LIMIT ?",
                1,
            ),
            count: read("SELECT count(*) FROM {table} WHERE subject = ? AND +deadline > ?", 1),
            scan: read(
                "SELECT id, {meta}, deadline > ? AS live FROM {table} \
                WHERE id > ? ORDER BY id LIMIT ?",
                1,
            ),
            one: Revocation::of("subject = ? AND id = ? AND +deadline > ?", sql),
            others: Revocation::of("subject = ? AND id <> ? AND +deadline > ?", sql),
        }
    }

    /// How to end these, and the session that it is about; there is none without an id.
    pub(super) fn revoke(&self, which: Revoke) -> (&Revocation, String) {
        match which {
            Revoke::One(id) => (&self.one, id.to_string()),
            Revoke::Others(id) => (&self.others, id.to_string()),
            Revoke::All => (&self.others, String::new()),
        }
    }
}

impl Revocation {
    fn of(which: &str, sql: impl Fn(&str) -> String) -> Self {
        let end = sql(&format!(
            "DELETE FROM {{table}} WHERE id IN (SELECT id FROM {{table}} WHERE {which} \
             ORDER BY id LIMIT ?) RETURNING id"
        ));
        let rest = sql(&format!("SELECT 1 FROM {{table}} WHERE {which} LIMIT 1"));
        Self { end: Statement::writing(&[&end], 1), rest: Statement::reading(&rest, 1) }
    }
}

const TAKEN: &str = "SELECT id, 0 FROM {table} WHERE id = ? AND +deadline > ?";
const INTO: &str = "INSERT INTO {table} (id, {meta}, data)";
/// An expired session gives way.
const UNLESS_LIVE: &str = "ON CONFLICT (id) DO UPDATE SET ({meta}, data) = ({excluded}) \
                           WHERE {table}.deadline <= ? RETURNING id, 1";
const DELETE: &str = "DELETE FROM {table} WHERE id = ?";
const WAS_LIVE: &str = "RETURNING id, deadline > ?";
/// The subject's others: neither the newcomer nor whom it replaces.
const OTHERS: &str = "subject = ? AND id NOT IN (?, ?) AND +deadline > ?";
/// How many calls go together: as few that each trip is over at once, even where it waits for the
/// disk.
const TOGETHER: usize = 16;

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, ConnectOptions, Row, SqliteConnection};

    use super::super::schema::prepare;
    use super::*;

    const ROWS: u32 = 20_000;

    /// A table with so many sessions, a hundred of each subject.
    async fn filled() -> SqliteConnection {
        let memory = sqlx::sqlite::SqliteConnectOptions::new().in_memory(true);
        let mut connection = memory.connect().await.unwrap();
        assert!(prepare(&mut connection, "t").await.is_ok());
        let fill = format!(
            "WITH RECURSIVE n(value) AS \
             (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < {ROWS}) \
             INSERT INTO t (id, subject, created, idle, absolute, last_seen, data) \
             SELECT format('%08x-0000-4000-8000-000000000000', value * 7919), \
             'user ' || (value / 100), value, 1000, value + 5000, value, '{{}}' FROM n; ANALYZE"
        );
        sqlx::raw_sql(AssertSqlSafe(fill)).execute(&mut connection).await.unwrap();
        connection
    }

    #[tokio::test]
    async fn every_statement_finds_its_rows_by_an_index() {
        let mut connection = filled().await;
        let sql = Statements::on("t");
        let (by_id, by_subject) = ("sqlite_autoindex_t_1 (id", "t_subject (subject=?");
        let cases = [
            (&sql.load, by_id),
            (&sql.replace, by_id),
            (&sql.version, by_id),
            (&sql.touch, by_id),
            (&sql.delete, by_id),
            (&sql.insert_for, by_id),
            (&sql.insert_if_room, by_subject),
            (&sql.insert_and_evict, by_subject),
            (&sql.scan, by_id),
            (&sql.list, "t_subject (subject=? AND id>?)"),
            (&sql.count, by_subject),
            (&sql.others.end, by_subject),
            (&sql.others.rest, by_subject),
            (&sql.one.end, "(id=?)"),
            (&sql.one.rest, "(id=?)"),
            (&sql.sweep, "t_deadline (deadline<?)"),
        ];
        for (statement, index) in cases {
            let mut plan = Vec::new();
            for part in statement.parts() {
                plan.extend(steps(&mut connection, part).await);
            }
            assert!(plan.iter().any(|step| step.contains(index)), "{plan:#?}");
            assert!(!plan.iter().any(|step| step.starts_with("SCAN t")), "{plan:#?}");
        }
        let list = sql.list.parts().remove(0);
        let steps = steps(&mut connection, list).await;
        assert_eq!(steps.len(), 1, "a page is sorted by the index, not afterwards");
    }

    /// How SQLite carries it out.
    async fn steps(connection: &mut SqliteConnection, statement: String) -> Vec<String> {
        let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
        let rows = sqlx::query(explain).fetch_all(connection).await.unwrap();
        rows.iter().map(|row| row.get("detail")).collect()
    }
}
