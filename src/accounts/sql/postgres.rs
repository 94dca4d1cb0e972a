//! Accounts in PostgreSQL.

use std::str::FromStr;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::fault;
use crate::accounts::error::AccountError;

pub(super) struct Postgres(PgPool);

impl Postgres {
    pub(super) async fn connect(url: &str) -> Result<Self, AccountError> {
        let options = PgConnectOptions::from_str(url).map_err(|_| {
            fault::misfit("the address must be like postgres://user:password@host/database")
        })?;
        let pool = PgPoolOptions::new().max_connections(10).acquire_timeout(PATIENCE);
        Self::from_pool(pool.connect_lazy_with(options)).await
    }

    pub(super) async fn from_pool(pool: PgPool) -> Result<Self, AccountError> {
        let mut transaction = pool.begin().await.map_err(fault::of)?;
        let schema = sqlx::raw_sql(include_str!("schema.postgres.sql"));
        schema.execute(&mut *transaction).await.map_err(fault::of)?;
        let version = sqlx::query_scalar("SELECT version FROM sessile_account_schema");
        let version = version.fetch_one(&mut *transaction).await.map_err(fault::of)?;
        fault::check_version(version)?;
        transaction.commit().await.map_err(fault::of)?;
        Ok(Self(pool))
    }

    pub(super) const fn pool(&self) -> &PgPool {
        &self.0
    }
}

/// How long a call waits for a connection.
const PATIENCE: Duration = Duration::from_secs(2);
