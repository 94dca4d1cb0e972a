//! Where the records are kept, and who competes there.

use std::env;
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::process;

use ::axum_session::SessionNullPool;
use ::tower_sessions::{CachingSessionStore, MemoryStore as TowerMemory};
use axum_session_redispool::SessionRedisPool;
use axum_session_sqlx::{SessionPgPool, SessionSqlitePool};
use redis_pool::SingleRedisPool;
use sessile::store::{Cached, MemoryStore, PostgresOptions, PostgresStore, RedisStore, SqliteStore};
use sessile_benches::data::Member;
use tower_sessions_moka_store::MokaStore;
use tower_sessions_redis_store::RedisStore as TowerRedis;
use tower_sessions_redis_store::fred::prelude::{ClientLike as _, Config, Pool};
use tower_sessions_sqlx_store::{PostgresStore as TowerPostgres, SqliteStore as TowerSqlite};

use crate::contender::Contender;
use crate::{axum_session, ours, tower_sessions};

/// An engine, with or without a cache in the process before it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Engine {
    Memory,
    Sqlite,
    Postgres,
    Redis,
    RedisCluster,
    CachedPostgres,
    CachedRedis,
}

/// Connections of each pool, ours and the peers'.
const CONNECTIONS: u32 = 10;
/// As many clients does tower-sessions' documentation give to its Redis pool.
const FRED_CLIENTS: usize = 6;
const CACHE_CAPACITY: u64 = 100_000;

impl Engine {
    pub const ALL: [Self; 7] = [
        Self::Memory,
        Self::Sqlite,
        Self::Postgres,
        Self::Redis,
        Self::RedisCluster,
        Self::CachedPostgres,
        Self::CachedRedis,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::RedisCluster => "redis-cluster",
            Self::CachedPostgres => "cached-postgres",
            Self::CachedRedis => "cached-redis",
        }
    }

    /// The variable with its server's address, if it is a server's.
    const fn variable(self) -> Option<&'static str> {
        match self {
            Self::Memory | Self::Sqlite => None,
            Self::Postgres | Self::CachedPostgres => Some("TEST_POSTGRES_URL"),
            Self::Redis | Self::CachedRedis => Some("TEST_REDIS_URL"),
            Self::RedisCluster => Some("TEST_REDIS_CLUSTER_URL"),
        }
    }

    /// Where it is. A SQLite file is a new one each time.
    ///
    /// # Panics
    /// If nobody has set the address.
    pub fn url(self) -> String {
        if let Some(name) = self.variable() {
            let hint = "run with `scripts/services run … cargo run …`";
            return env::var(name).unwrap_or_else(|_| panic!("{name} is not set: {hint}"));
        }
        if self == Self::Memory {
            return "memory:".to_owned();
        }
        format!("sqlite:{}", scratch("sqlite").join("sessions.db").display())
    }

    /// Lets the engine see what is there now. Plans that PostgreSQL made for an empty table scan it
    /// row by row, and are kept until it has counted the rows, at most a minute later.
    ///
    /// # Panics
    /// If it cannot be reached.
    pub async fn settle(self) {
        if !matches!(self, Self::Postgres | Self::CachedPostgres) {
            return;
        }
        let pool = sqlx::PgPool::connect(&self.url()).await.expect("PostgreSQL");
        sqlx::raw_sql("VACUUM ANALYZE").execute(&pool).await.expect("the owner's rights");
    }

    /// Who competes here, sessile first. `url` is [`Engine::url`] or leads there.
    ///
    /// # Panics
    /// If somebody cannot reach the engine.
    pub async fn contenders(self, url: &str) -> Vec<Contender> {
        match self {
            Self::Memory => vec![
                ours::eager("sessile", MemoryStore::<Member>::new()),
                tower_sessions::on(TowerMemory::default()),
                axum_session::on::<SessionNullPool>(None).await,
            ],
            Self::Sqlite => {
                let store = SqliteStore::<Member>::connect(url).await.expect("our SQLite");
                vec![
                    ours::eager("sessile", store.clone()),
                    ours::lazy("sessile-lazy", store),
                    tower_sessions::on(tower_sqlite().await),
                    axum_session::on(Some(axum_sqlite().await)).await,
                ]
            }
            Self::Postgres => {
                let store = PostgresStore::<Member>::connect(url).await.expect("our PostgreSQL");
                vec![
                    ours::eager("sessile", store.clone()),
                    ours::lazy("sessile-lazy", store),
                    tower_sessions::on(tower_postgres(url).await),
                    axum_session::on(Some(axum_postgres(url).await)).await,
                ]
            }
            Self::Redis => {
                let store = RedisStore::<Member>::connect(url).await.expect("our Redis");
                vec![
                    ours::eager("sessile", store.clone()),
                    ours::lazy("sessile-lazy", store),
                    tower_sessions::on(tower_redis(url).await),
                    axum_session::on(Some(axum_redis(url))).await,
                ]
            }
            Self::RedisCluster => {
                let store = RedisStore::<Member>::connect(url).await.expect("our cluster");
                vec![
                    ours::eager("sessile", store.clone()),
                    ours::lazy("sessile-lazy", store),
                    tower_sessions::on(tower_redis(&first_of(url)).await),
                    // axum_session_redispool 0.13.0 does not compile for clusters: it names a
                    // variant of axum_session's error that is called otherwise since 0.22.
                ]
            }
            Self::CachedPostgres => {
                let options = PostgresOptions::new(url).table("sessile_announced").announce(true);
                let store = PostgresStore::<Member>::open(options).await.expect("our PostgreSQL");
                let cached = Cached::new(store).expect("a store that announces");
                let moka = MokaStore::new(Some(CACHE_CAPACITY));
                let peer = CachingSessionStore::new(moka, tower_postgres(url).await);
                vec![
                    ours::eager("sessile", cached),
                    ours::eager(IN_MEMORY, MemoryStore::<Member>::new()),
                    tower_sessions::on(peer),
                    axum_session::on(Some(axum_postgres(url).await)).await,
                ]
            }
            Self::CachedRedis => {
                let store = RedisStore::<Member>::connect(url).await.expect("our Redis");
                let cached = Cached::new(store).expect("a store that tells its changes");
                let moka = MokaStore::new(Some(CACHE_CAPACITY));
                let peer = CachingSessionStore::new(moka, tower_redis(url).await);
                vec![
                    ours::eager("sessile", cached),
                    ours::eager(IN_MEMORY, MemoryStore::<Member>::new()),
                    tower_sessions::on(peer),
                    axum_session::on(Some(axum_redis(url))).await,
                ]
            }
        }
    }
}

/// sessile's memory store, beside the caches: what they are measured by.
pub const IN_MEMORY: &str = "sessile-memory";

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

async fn tower_postgres(url: &str) -> TowerPostgres {
    let pool = sqlx_peer::postgres::PgPoolOptions::new().max_connections(CONNECTIONS);
    let store = TowerPostgres::new(pool.connect(url).await.expect("the peer's PostgreSQL"));
    store.migrate().await.expect("the peer's table");
    store
}

async fn axum_postgres(url: &str) -> SessionPgPool {
    let pool = sqlx::postgres::PgPoolOptions::new().max_connections(CONNECTIONS);
    pool.connect(url).await.expect("the peer's PostgreSQL").into()
}

/// With the journal and the durability of ours, as the next: their defaults are several times
/// slower.
async fn tower_sqlite() -> TowerSqlite {
    use sqlx_peer::sqlite::{
        SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
    };
    let options = SqliteConnectOptions::new()
        .filename(scratch("tower-sessions").join("sessions.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal);
    let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS);
    let store = TowerSqlite::new(pool.connect_with(options).await.expect("the peer's SQLite"));
    store.migrate().await.expect("the peer's table");
    store
}

async fn axum_sqlite() -> SessionSqlitePool {
    use sqlx::sqlite::{
        SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
    };
    let options = SqliteConnectOptions::new()
        .filename(scratch("axum_session").join("sessions.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal);
    let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS);
    pool.connect_with(options).await.expect("the peer's SQLite").into()
}

async fn tower_redis(url: &str) -> TowerRedis<Pool> {
    let config = Config::from_url(url).expect("an address of Redis");
    let pool = Pool::new(config, None, None, None, FRED_CLIENTS).expect("a pool");
    drop(pool.connect());
    pool.wait_for_connect().await.expect("the peer's Redis");
    TowerRedis::new(pool)
}

fn axum_redis(url: &str) -> SessionRedisPool {
    let client = redis::Client::open(url).expect("an address of Redis");
    SingleRedisPool::from(client).into()
}

/// The cluster as fred writes it.
fn first_of(url: &str) -> String {
    format!("redis-cluster://{}", nodes(url).next().expect("a node"))
}

fn nodes(url: &str) -> impl Iterator<Item = &str> {
    url.trim_start_matches("redis+cluster://").trim_end_matches('/').split(',')
}

/// An empty folder of this process.
fn scratch(name: &str) -> PathBuf {
    let folder = env::temp_dir().join(format!("sessile-store-benches-{}", process::id()));
    let folder = folder.join(name);
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder).expect("a writable folder");
    folder
}

/// Removes what [`Engine::url`] left in the file system.
pub fn clean_up() {
    let folder = env::temp_dir().join(format!("sessile-store-benches-{}", process::id()));
    drop(fs::remove_dir_all(folder));
}
