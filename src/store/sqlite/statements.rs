//! The SQL of every operation.

use std::sync::Arc;

use super::row::META;
use crate::store::Revoke;

/// The statements on one table.
///
/// Those that write a record have its id as `?1`, what [`bind_record`](super::row::bind_record)
/// binds as `?2` to `?14`, and the time as `?15`. A plus sign before `deadline` keeps the planner
/// from the index on it where another one finds the few rows in question.
pub(super) struct Statements {
    pub(super) load: Arc<str>,
    pub(super) insert: Arc<str>,
    pub(super) replace: Arc<str>,
    pub(super) version: Arc<str>,
    pub(super) touch: Arc<str>,
    pub(super) delete: Arc<str>,
    pub(super) is_full: Arc<str>,
    pub(super) evict: Arc<str>,
    pub(super) sweep: Arc<str>,
    pub(super) list: Arc<str>,
    pub(super) count: Arc<str>,
    pub(super) scan: Arc<str>,
    one: Revocation,
    others: Revocation,
}

/// Ends some of a subject's sessions: of `?1`, for a session `?2`, at the time `?3`, so many.
pub(super) struct Revocation {
    pub(super) end: Arc<str>,
    /// Gives a row if any is left.
    pub(super) rest: Arc<str>,
}

impl Statements {
    /// For a table whose name is a checked identifier.
    pub(super) fn on(table: &str) -> Self {
        let table = format!("\"{table}\"");
        let sql = |text: &str| Arc::from(text.replace("{meta}", META).replace("{table}", &table));
        Self {
            load: sql("SELECT {meta}, data FROM {table} WHERE id = ?1 AND +deadline > ?2"),
            insert: sql("INSERT INTO {table} (id, {meta}, data) \
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) \
                ON CONFLICT (id) DO UPDATE SET ({meta}, data) = \
                (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) \
                WHERE {table}.deadline <= ?15 RETURNING 1"),
            replace: sql("UPDATE {table} SET ({meta}, data) = \
                (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, max(last_seen, ?12), ?13, ?14) \
                WHERE id = ?1 AND version = ?16 AND +deadline > ?15 RETURNING 1"),
            version: sql("SELECT version FROM {table} WHERE id = ?1 AND +deadline > ?2"),
            touch: sql("UPDATE {table} SET last_seen = max(last_seen, ?2) \
                WHERE id = ?1 AND +deadline > ?2 RETURNING 1"),
            delete: sql("DELETE FROM {table} WHERE id = ?1 RETURNING deadline > ?2 AS live"),
            is_full: sql("SELECT 1 FROM {table} WHERE subject = ?1 AND id NOT IN (?2, ?3) \
                AND +deadline > ?4 LIMIT 1 OFFSET ?5"),
            evict: sql("DELETE FROM {table} WHERE id IN (SELECT id FROM {table} \
                WHERE subject = ?1 AND id NOT IN (?2, ?3) AND +deadline > ?4 \
                ORDER BY created DESC, id DESC LIMIT -1 OFFSET ?5) RETURNING id"),
            sweep: sql("DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} \
                WHERE deadline <= ?1 ORDER BY deadline LIMIT ?2) RETURNING 1"),
            list: sql("SELECT id, {meta} FROM {table} \
                WHERE subject = ?1 AND id > ?2 AND +deadline > ?3 ORDER BY id LIMIT ?4"),
            count: sql("SELECT count(*) AS sessions FROM {table} \
                WHERE subject = ?1 AND +deadline > ?2"),
            scan: sql("SELECT id, {meta}, deadline > ?2 AS live FROM {table} \
                WHERE id > ?1 ORDER BY id LIMIT ?3"),
            one: Revocation::of("subject = ?1 AND id = ?2 AND +deadline > ?3", sql),
            others: Revocation::of("subject = ?1 AND id <> ?2 AND +deadline > ?3", sql),
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
    fn of(which: &str, sql: impl Fn(&str) -> Arc<str>) -> Self {
        Self {
            end: sql(&format!(
                "DELETE FROM {{table}} WHERE id IN (SELECT id FROM {{table}} WHERE {which} \
                 ORDER BY id LIMIT ?4) RETURNING id"
            )),
            rest: sql(&format!("SELECT 1 FROM {{table}} WHERE {which} LIMIT 1")),
        }
    }
}

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
            (&sql.scan, by_id),
            (&sql.list, "t_subject (subject=? AND id>?)"),
            (&sql.count, by_subject),
            (&sql.is_full, by_subject),
            (&sql.evict, by_subject),
            (&sql.others.end, by_subject),
            (&sql.others.rest, by_subject),
            (&sql.one.end, "(id=?)"),
            (&sql.one.rest, "(id=?)"),
            (&sql.sweep, "t_deadline (deadline<?)"),
        ];
        for (statement, index) in cases {
            let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
            let rows = sqlx::query(explain).fetch_all(&mut connection).await.unwrap();
            let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
            assert!(plan.iter().any(|step| step.contains(index)), "{statement}: {plan:#?}");
            assert!(!plan.iter().any(|step| step.starts_with("SCAN t")), "{statement}: {plan:#?}");
        }
        let plan = format!("EXPLAIN QUERY PLAN {}", sql.list);
        let rows = sqlx::query(AssertSqlSafe(plan)).fetch_all(&mut connection).await.unwrap();
        assert_eq!(rows.len(), 1, "a page is sorted by the index, not afterwards");
    }
}
