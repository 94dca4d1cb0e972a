//! What is said to the server: one prepared statement for each call.
//!
//! Each takes effect as a whole or not at all, whoever drops the call. `$1` is the session or the
//! subject and `$2` the time, where there is one; the server's own clock is never asked.

use std::sync::Arc;

use super::table::Table;

/// The statements of one table.
#[derive(Debug)]
pub(super) struct Statements {
    pub(super) load: Arc<str>,
    pub(super) create: Arc<str>,
    pub(super) replace: Arc<str>,
    pub(super) touch: Arc<str>,
    pub(super) delete: Arc<str>,
    pub(super) sweep: Arc<str>,
    pub(super) list: Arc<str>,
    pub(super) count: Arc<str>,
    pub(super) revoke: Arc<str>,
    pub(super) scan: Arc<str>,
}

impl Statements {
    /// With `announce`, whatever changes or ends a session tells so in the same statement.
    pub(super) fn new(table: &Table, announce: bool) -> Self {
        let (ours, channel) = if announce { (OURS, OUR_CHANNEL) } else { ("", "NULL") };
        let quiet = |sql: &str| -> Arc<str> {
            let sql = sql.replace("{meta}", META).replace("{mine}", MINE).replace("{seen}", SEEN);
            table.fill(&sql.replace("{lowered}", LOWERED).replace("{ours}", ours)).into()
        };
        // A part that nobody reads is not evaluated, hence `heard`.
        let telling = |sql: &str, news: &str| match announce {
            true => quiet(
                &sql.replace("{told}", &format!(", told AS ({news})"))
                    .replace("{heard}", ", (SELECT count(*) FROM told)"),
            ),
            false => quiet(&sql.replace("{told}", "").replace("{heard}", "")),
        };
        Self {
            load: quiet(LOAD),
            create: quiet(&CREATE.replace("{where}", channel)),
            replace: telling(REPLACE, WRITTEN),
            touch: quiet(TOUCH),
            delete: telling(DELETE, ENDED),
            sweep: quiet(SWEEP),
            list: quiet(LIST),
            count: quiet(COUNT),
            revoke: telling(REVOKE, ENDED),
            scan: quiet(SCAN),
        }
    }
}

/// In the order in which [`row`](super::row) reads them.
const META: &str = "user_id, expires_at, created_at, version, generation, confirmed, persistent, \
                    renewed_at, authenticated_at, last_seen_at, absolute_at, idle_ms, \
                    context::text";

/// The subject's sessions, by the index on the hash.
const MINE: &str = "hashtextextended(user_id, 0) = hashtextextended($1, 0) AND user_id = $1";

const LOAD: &str = "SELECT {meta}, data::text FROM {table} WHERE id = $1 AND expires_at > $2";

const CREATE: &str = "SELECT outcome, replaced, evicted FROM {create}($1, $2, $3, $4, $5, $6, $7, \
                      $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, {where})";

/// Nothing is written and the version is the expected one: somebody was quicker, and what he did
/// cannot be seen from here; the caller asks again.
const REPLACE: &str = "
WITH written AS (
    UPDATE {table} SET
        user_id = $4, expires_at = least({lowered}, $12, {seen} + $13 * interval '1 ms'),
        created_at = $5, version = $6, generation = $7, confirmed = $8, persistent = $9,
        renewed_at = $10, authenticated_at = $11, last_seen_at = {seen},
        absolute_at = least({lowered}, $12), idle_ms = $13, data = $15::text::jsonb,
        context = $16::text::jsonb
    WHERE id = $1 AND version = $3 AND expires_at > $2{ours}
    RETURNING id, version
){told}
SELECT EXISTS (SELECT FROM written), CASE WHEN NOT EXISTS (SELECT FROM written)
    THEN (SELECT version FROM {table} WHERE id = $1 AND expires_at > $2) END{heard}";

/// The later of what is stored and what is given.
const SEEN: &str = "greatest(last_seen_at, created_at, $14)";

const TOUCH: &str = "
UPDATE {table} SET
    last_seen_at = greatest(last_seen_at, created_at, $3),
    expires_at = least({lowered}, coalesce(absolute_at, expires_at),
        greatest(last_seen_at, created_at, $3) + idle_ms * interval '1 ms')
WHERE id = $1 AND expires_at > $2
RETURNING true";

/// The deadline, if it is earlier than the row's own limits say: then somebody lowered it, and it
/// stays. (`least` passes over what is NULL.)
const LOWERED: &str = "CASE WHEN expires_at < least(coalesce(absolute_at, expires_at),
    greatest(last_seen_at, created_at) + idle_ms * interval '1 ms') THEN expires_at END";

const DELETE: &str = "
WITH gone AS (DELETE FROM {table} WHERE id = $1{ours} RETURNING id, expires_at > $2 AS live){told}
SELECT live{heard} FROM gone";

/// Rows that another sweeper has in hand are left to it.
const SWEEP: &str = "
WITH gone AS (
    DELETE FROM {table} WHERE expires_at <= $1 AND id = ANY (ARRAY(
        SELECT id FROM {table} WHERE expires_at <= $1
        ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
    )){ours} RETURNING true
) SELECT count(*) FROM gone";

const LIST: &str = "
SELECT {meta}, id FROM {table} WHERE {mine} AND expires_at > $2 AND id > $3 ORDER BY id LIMIT $4";

const COUNT: &str = "SELECT count(*) FROM {table} WHERE {mine} AND expires_at > $2";

const REVOKE: &str = "
WITH found AS MATERIALIZED (
    SELECT id FROM {table} WHERE {mine} AND expires_at > $2
        AND ($4 IS NULL OR id = $4) AND ($5 IS NULL OR id <> $5)
    ORDER BY id LIMIT $3 + 1
), gone AS (
    DELETE FROM {table} WHERE user_id = $1 AND expires_at > $2
        AND id = ANY (ARRAY(SELECT id FROM found ORDER BY id LIMIT $3)){ours}
    RETURNING id
){told}
SELECT ARRAY(SELECT id FROM gone ORDER BY id), (SELECT count(*) FROM found) > $3{heard}";

const SCAN: &str =
    "SELECT {meta}, id FROM {table} WHERE expires_at > $1 AND id > $2 ORDER BY id LIMIT $3";

const WRITTEN: &str = "SELECT pg_notify('{channel}', concat(id, ':', version)) FROM written";

const ENDED: &str = "
    SELECT pg_notify('{channel}', CASE
        WHEN count(*) > {most_told} THEN '*' ELSE string_agg(id::text, ' ') END)
    FROM gone HAVING count(*) > 0";

/// Keeps the triggers of `announce.sql` quiet, in this statement alone. It is asked once, before
/// the first row is written.
const OURS: &str = " AND (SELECT set_config('sessile.announces', 'on', true)) = 'on'";

/// The same where arguments are computed before the function runs.
const OUR_CHANNEL: &str =
    "CASE set_config('sessile.announces', 'on', true) WHEN 'on' THEN '{channel}' END";
