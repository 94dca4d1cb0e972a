//! Finding a server and connecting to it.

use std::pin::Pin;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, ErrorKind, FromRedisValue, RedisError,
    Value,
};
use tokio::time::Instant;

use super::address::{Manner, Peer};
use super::failure::Failure;
use super::link::{Link, first};

/// Whom to call.
#[derive(Clone)]
pub(super) enum Dial {
    /// This server.
    One(ConnectionInfo),
    /// Whichever server the Sentinels say is the primary.
    Primary { sentinels: Vec<Link>, service: String, manner: Manner },
}

impl Dial {
    /// Connects; the driver authenticates and chooses the database.
    pub(super) async fn dial(&self, until: Instant) -> Result<MultiplexedConnection, Failure> {
        match self {
            Self::One(info) => connect(info.clone(), config()).await.map_err(Failure::Unsent),
            Self::Primary { manner, .. } => {
                let primary = self.primary(until).await?;
                connect_to_primary(manner.at(&primary)).await.map_err(Failure::Unsent)
            }
        }
    }

    /// Asks all Sentinels, each on a connection that is kept, and takes the first answer. In a box,
    /// for asking may take dialling, and dialling a primary takes this.
    pub(super) fn primary(
        &self,
        until: Instant,
    ) -> Pin<Box<dyn Future<Output = Result<Peer, Failure>> + Send + '_>> {
        Box::pin(async move {
            let Self::Primary { sentinels, service, .. } = self else {
                let error = (ErrorKind::Client, "only Sentinels know of primaries");
                return Err(Failure::Unsent(error.into()));
            };
            let mut question = redis::cmd("SENTINEL");
            question.arg("get-master-addr-by-name").arg(service);
            let sentinels = sentinels.iter().map(|link| ((), link.clone())).collect();
            let primary = first(sentinels, question, until, |(), value| {
                let named = Option::<(String, u16)>::from_redis_value(value);
                let (host, port) = named.ok().flatten()?;
                Some(Peer { host, port })
            });
            primary.await.map_err(|failure| failure.map_or_else(unknown, Failure::unsent))
        })
    }
}

async fn connect_to_primary(info: ConnectionInfo) -> Result<MultiplexedConnection, RedisError> {
    let mut connection = connect(info, config()).await?;
    // Right after a failover the Sentinels may still name the one that was.
    let role = redis::cmd("ROLE").query_async::<Vec<Value>>(&mut connection).await?;
    let role = role.into_iter().next().map(String::from_redis_value);
    match role {
        Some(Ok(role)) if role == "master" => Ok(connection),
        _ => Err((ErrorKind::Client, "Sentinel names a server that is no primary").into()),
    }
}

fn unknown() -> Failure {
    let error = (ErrorKind::MasterNameNotFoundBySentinel, "no Sentinel knows the service");
    Failure::Unsent(error.into())
}

pub(super) async fn connect(
    info: ConnectionInfo,
    config: AsyncConnectionConfig,
) -> Result<MultiplexedConnection, RedisError> {
    Client::open(info)?.get_multiplexed_async_connection_with_config(&config).await
}

/// Sends a command and waits for its answer. The driver hands a refusal over as an answer.
pub(super) async fn exchange(
    connection: &mut MultiplexedConnection,
    command: &Cmd,
) -> Result<Value, RedisError> {
    connection.send_packed_command(command).await?.extract_error()
}

/// The same for two, which go out together.
pub(super) async fn exchange_both(
    connection: &mut MultiplexedConnection,
    commands: [&Cmd; 2],
) -> Result<[Value; 2], RedisError> {
    let mut both = redis::pipe();
    for command in commands {
        both.add_command(command.clone());
    }
    let answers = connection.send_packed_commands(&both, 0, 2).await?;
    let answers: Result<Vec<Value>, _> = answers.into_iter().map(Value::extract_error).collect();
    <[Value; 2]>::try_from(answers?)
        .map_err(|_| (ErrorKind::Parse, "two commands were not answered by two answers").into())
}

/// Time is kept by the caller: a time limit of the driver's would leave a dead connection in use.
pub(super) fn config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None)
        .set_pipeline_buffer_size(QUEUE)
}

/// How many commands may wait to be written before their callers do.
const QUEUE: usize = 1_024;
