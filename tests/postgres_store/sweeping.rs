//! Clearing away what has expired while others work.

use sessile::store::{Saved, Store, Swept};
use sqlx::AssertSqlSafe;

use super::{NOW, admin, fresh, keep, record, run, store_in};

#[tokio::test]
async fn a_sweep_takes_what_it_was_asked_for_and_nobody_waits() {
    let table = fresh("t");
    let store = store_in::<u32>(&table).await;
    run(format!(
        "INSERT INTO {table} (id, expires_at, created_at, data)
            SELECT gen_random_uuid(), to_timestamp(1768465800) - n * interval '1 s',
                to_timestamp(1768400000), '7'
            FROM generate_series(1, 30) n"
    ))
    .await;
    let live = keep(&store, record(None, 7)).await;
    // Somebody else has a batch of ten in hand and does not come to an end.
    let mut other = admin().await;
    let batch = format!(
        "BEGIN; DELETE FROM {table} WHERE id IN (SELECT id FROM {table}
            WHERE expires_at <= to_timestamp(1768465800) ORDER BY expires_at LIMIT 10)"
    );
    sqlx::raw_sql(AssertSqlSafe(batch)).execute(&mut other).await.unwrap();

    assert_eq!(store.sweep(NOW, 15).await.unwrap(), Swept::new(15, true));
    assert!(store.load(live, NOW).await.unwrap().is_some(), "between two batches");
    assert_eq!(store.touch(live, NOW).await.unwrap(), Saved::Done);
    assert_eq!(store.sweep(NOW, 15).await.unwrap(), Swept::new(5, false), "all but the ten");

    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    assert_eq!(store.sweep(NOW, 15).await.unwrap(), Swept::new(10, false), "nobody has them now");
    assert!(store.load(live, NOW).await.unwrap().is_some());
}
