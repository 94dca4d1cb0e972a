//! That no call reads more of a large table than it must.

use std::sync::Arc;

use sessile::Id;
use sessile::store::{
    Admission, Limit, PostgresOptions, PostgresStore, Revoke, Scan, Store, SubjectIndex,
};
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::{NOW, edit, fresh, pool_of, record, run};

/// Twenty thousand live sessions of a thousand subjects, and a thousand expired ones.
async fn fill(table: &str) {
    run(format!(
        "INSERT INTO {table} (id, user_id, expires_at, created_at, absolute_at, data)
            SELECT gen_random_uuid(), 'user-' || n % 1000,
                to_timestamp(1768465800) + CASE WHEN n % 21 = 0 THEN -n ELSE n END * interval '1 s',
                to_timestamp(1768400000), to_timestamp(1768465800) + interval '9 days', '7'
            FROM generate_series(1, 21000) n;
        ANALYZE {table}"
    ))
    .await;
}

/// What the server says it does for each statement that the store has prepared here.
async fn plans(connection: &mut PgConnection) -> Vec<(String, String)> {
    let mut plans = Vec::new();
    let prepared = "SELECT name, statement, parameter_types::text FROM pg_prepared_statements
        WHERE statement LIKE '%\"t_%'";
    for row in sqlx::raw_sql(prepared).fetch_all(&mut *connection).await.unwrap() {
        let (name, statement): (String, String) = (row.get(0), row.get(1));
        let types: String = row.get(2); // {uuid,"timestamp with time zone"}
        let types = types.replace(['{', '}', '"'], "");
        let arguments: Vec<&str> = types.split(',').map(sample).collect();
        let sql = format!("EXPLAIN EXECUTE \"{name}\" ({})", arguments.join(", "));
        let lines = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut *connection).await.unwrap();
        let lines: Vec<String> = lines.iter().map(|line| line.get(0)).collect();
        plans.push((statement, lines.join("\n")));
    }
    plans
}

fn sample(ty: &str) -> &'static str {
    match ty {
        "uuid" => "gen_random_uuid()",
        "text" => "'7'",
        "timestamp with time zone" => "to_timestamp(1768465800)",
        "bigint" => "7",
        "boolean" => "true",
        other => panic!("a parameter of type {other}"),
    }
}

#[tokio::test]
async fn no_call_reads_the_table_from_end_to_end() {
    let modes = [
        ("force_custom_plan", false),
        ("force_generic_plan", false),
        ("force_custom_plan", true),
        ("force_generic_plan", true),
    ];
    for (mode, announce) in modes {
        let (table, pool) = (fresh("t"), pool_of(1).await);
        let options = PostgresOptions::from_pool(pool.clone()).table(&table).announce(announce);
        let store = PostgresStore::<u32>::open(options).await.unwrap();
        fill(&table).await;
        let set = format!("SET plan_cache_mode = {mode}");
        sqlx::raw_sql(AssertSqlSafe(set)).execute(&pool).await.unwrap();
        let scans_before = sequential_scans(&pool, &table).await;
        call_everything(&store).await;
        assert_eq!(sequential_scans(&pool, &table).await, scans_before, "{mode}");

        let plans = plans(&mut pool.acquire().await.unwrap()).await;
        let index_bound = |what: &str, index: &str| {
            // The list begins as the load does; PostgreSQL names statements in no order.
            let is = |sql: &str| sql.trim_start().starts_with(what) && !sql.contains("id > $3");
            let plan = plans.iter().find(|(sql, _)| is(sql));
            let (_, plan) = plan.unwrap_or_else(|| panic!("no {what} among {plans:#?}"));
            assert!(plan.contains(index) && !plan.contains("Seq Scan"), "{mode}, {what}:\n{plan}");
        };
        let (by_id, by_subject, by_deadline) = (
            format!("{table}_pkey"),
            format!("{table}_by_subject"),
            format!("{table}_by_deadline"),
        );
        index_bound("SELECT user_id, expires_at, created_at, version", &by_id); // load
        index_bound("WITH written AS", &by_id); // replace
        index_bound("UPDATE", &by_id); // touch
        index_bound("WITH gone AS (DELETE", &by_id); // delete
        index_bound("WITH found AS", &by_subject); // revoke
        index_bound("SELECT count(*)", &by_subject);
        index_bound("WITH gone AS (\n    DELETE", &by_deadline); // sweep
        let list = plans.iter().find(|(sql, _)| sql.contains("id > $3")).unwrap();
        assert!(list.1.contains(&by_subject), "{mode}: {}", list.1);
    }
}

/// As the server counts them, those in functions included.
async fn sequential_scans(pool: &sqlx::PgPool, table: &str) -> i64 {
    let mut connection = pool.acquire().await.unwrap();
    sqlx::raw_sql("SELECT pg_stat_force_next_flush()").execute(&mut *connection).await.unwrap();
    let sql = format!("SELECT seq_scan FROM pg_stat_user_tables WHERE relname = '{table}'");
    sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(&mut *connection).await.unwrap().get(0)
}

async fn call_everything(store: &PostgresStore<u32>) {
    let new = || Arc::new(record(Some("user-7"), 7));
    let listed = store.list("user-7", None, 5, NOW).await.unwrap();
    let [(first, _), (second, _), ..] = listed[..] else { panic!("{listed:?}") };
    let id = Id::generate().unwrap();
    store.create(id, new(), Admission::OPEN.in_place_of(first), NOW).await.unwrap();
    edit(store, id, |n| *n += 1).await;
    store.touch(id, NOW).await.unwrap();
    store.delete(second, NOW).await.unwrap();
    let limited = Admission::OPEN.limited(Limit::evict_oldest(3));
    store.create(Id::generate().unwrap(), new(), limited, NOW).await.unwrap();
    assert_eq!(store.count("user-7", NOW).await.unwrap(), 3);
    store.revoke("user-7", Revoke::All, 10, NOW).await.unwrap();
    assert_eq!(store.sweep(NOW, 100).await.unwrap().removed, 100);
    assert_eq!(Scan::scan(store, None, 100, NOW).await.unwrap().sessions.len(), 100);
}
