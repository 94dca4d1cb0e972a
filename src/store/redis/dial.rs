//! Finding a server and connecting to it.

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, ErrorKind, FromRedisValue, RedisError,
    Value,
};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::address::{Manner, Peer};

/// Whom to call.
#[derive(Clone)]
pub(super) enum Dial {
    /// This server.
    One(ConnectionInfo),
    /// Whichever server the Sentinels say is the primary.
    Primary { sentinels: Vec<ConnectionInfo>, service: String, manner: Manner },
}

impl Dial {
    /// Connects; the driver authenticates and chooses the database.
    pub(super) async fn dial(&self, until: Instant) -> Result<MultiplexedConnection, RedisError> {
        match self {
            Self::One(info) => connect(info.clone(), config()).await,
            Self::Primary { manner, .. } => {
                let primary = self.primary(until).await?;
                let mut connection = connect(manner.at(&primary), config()).await?;
                // Right after a failover the Sentinels may still name the one that was.
                let role = redis::cmd("ROLE").query_async::<Vec<Value>>(&mut connection).await?;
                let role = role.into_iter().next().map(String::from_redis_value);
                match role {
                    Some(Ok(role)) if role == "master" => Ok(connection),
                    _ => {
                        Err((ErrorKind::Client, "Sentinel names a server that is no primary")
                            .into())
                    }
                }
            }
        }
    }

    /// Asks all Sentinels and takes the first answer.
    pub(super) async fn primary(&self, until: Instant) -> Result<Peer, RedisError> {
        let Self::Primary { sentinels, service, .. } = self else {
            return Err((ErrorKind::Client, "only Sentinels know of primaries").into());
        };
        let mut question = redis::cmd("SENTINEL");
        question.arg("get-master-addr-by-name").arg(service);
        let unknown = (ErrorKind::MasterNameNotFoundBySentinel, "no Sentinel knows the service");
        first(sentinels.clone(), question, until, |value| {
            let (host, port) = Option::<(String, u16)>::from_redis_value(value).ok().flatten()?;
            Some(Peer { host, port })
        })
        .await
        .map_err(|error| error.unwrap_or_else(|| unknown.into()))
    }
}

/// Puts a question to several servers at once and takes the first good answer.
pub(super) async fn first<V: Send + 'static>(
    servers: Vec<ConnectionInfo>,
    question: Cmd,
    until: Instant,
    read: fn(Value) -> Option<V>,
) -> Result<V, Option<RedisError>> {
    let mut asked = JoinSet::new();
    for info in servers {
        let question = question.clone();
        asked.spawn(timeout_at(until, async move {
            let mut connection = connect(info, config()).await?;
            exchange(&mut connection, &question).await
        }));
    }
    let mut last = None;
    while let Some(answer) = asked.join_next().await {
        match answer {
            Ok(Ok(Ok(value))) => match read(value) {
                Some(answer) => return Ok(answer),
                None => continue,
            },
            Ok(Ok(Err(error))) => last = Some(error),
            _ => {}
        }
    }
    Err(last)
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

/// Time is kept by the caller: a time limit of the driver's would leave a dead connection in use.
pub(super) fn config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None)
        .set_pipeline_buffer_size(QUEUE)
}

/// How many commands may wait to be written before their callers do.
const QUEUE: usize = 1_024;
