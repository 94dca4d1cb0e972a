//! What others change, told by the servers themselves: client-side caching in broadcast mode.
//!
//! Each primary is told once which keys matter and from then on names every one that is written,
//! deleted or expires. A connection that breaks, a server that is silent for a second or a cluster
//! that looks different all end the feed, and whoever listens begins anew.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::{MultiplexedConnection, SendError};
use redis::{ProtocolVersion, PushInfo, PushKind, Value};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::RedisStore;
use super::dial;
use super::engine::Engine;
use super::failure::Failure;
use super::primaries::ask_each;
use crate::error::{StoreError, StoreErrorKind};
use crate::record::SessionData;
use crate::store::answer::Answer;
use crate::store::{Change, ChangeFeed};

type Tell = Arc<dyn Fn(Change) + Send + Sync>;

impl<T: SessionData> ChangeFeed for RedisStore<T> {
    fn listen(&self, tell: Tell) -> Answer<StoreError> {
        let engine = Arc::clone(&self.engine);
        Answer::later(async move {
            let broken = engine.follow(&tell).await;
            broken.unwrap_or_else(|error| error)
        })
    }
}

impl Engine {
    /// Listens until something breaks, and answers what it was.
    async fn follow(self: &Arc<Self>, tell: &Tell) -> Result<StoreError, StoreError> {
        let primaries = self.fleet.primaries(self.until()).await?;
        let mut connections = Vec::new();
        for info in &primaries.addresses {
            let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
            let info = info.clone().set_redis_settings(settings);
            connections.push(self.track(info, tell, self.until()).await?);
        }
        tell(Change::Listening);
        loop {
            let until = Instant::now() + BEAT;
            pulse(&connections, until + SILENCE).await?;
            tell(Change::Alive);
            if !self.fleet.are_still(&primaries, &connections, until + SILENCE).await? {
                return Ok(broken("the primaries are others now"));
            }
            sleep_until(until).await;
        }
    }

    /// A connection of its own, on which the server names what changes.
    async fn track(
        self: &Arc<Self>,
        info: redis::ConnectionInfo,
        tell: &Tell,
        until: Instant,
    ) -> Result<MultiplexedConnection, StoreError> {
        let (engine, tell) = (Arc::clone(self), Arc::clone(tell));
        let config = dial::config().set_push_sender(move |push: PushInfo| {
            engine.pass_on(&push, &tell);
            Ok::<_, SendError>(())
        });
        let mut command = redis::cmd("CLIENT");
        command.arg("TRACKING").arg("ON").arg("BCAST").arg("PREFIX").arg(self.layout.sessions());
        let tracking = async {
            let mut connection = dial::connect(info, config).await.map_err(Failure::Unsent)?;
            dial::exchange(&mut connection, &command).await.map_err(Failure::Sent)?;
            Ok::<_, Failure>(connection)
        };
        Ok(timeout_at(until, tracking).await.unwrap_or(Err(Failure::Late))?)
    }

    fn pass_on(&self, push: &PushInfo, tell: &Tell) {
        if push.kind != PushKind::Invalidate {
            return;
        }
        match push.data.first() {
            Some(Value::Array(keys)) => {
                for key in keys {
                    let Value::BulkString(key) = key else { continue };
                    if let Some(id) = self.layout.id(key) {
                        tell(Change::Changed { id });
                    }
                }
            }
            // The whole database was emptied.
            _ => tell(Change::All),
        }
    }
}

/// Whether all connections work. Twice, because a server writes the names of what has changed
/// after it has answered the commands that came in the same moment.
async fn pulse(connections: &[MultiplexedConnection], until: Instant) -> Result<(), StoreError> {
    for _ in 0..2 {
        ask_each(connections, &redis::cmd("PING"), until).await?;
    }
    Ok(())
}

fn broken(why: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable).with_source(why)
}

/// Between two signs of life.
const BEAT: Duration = Duration::from_millis(400);
/// How long a server may take for one.
const SILENCE: Duration = Duration::from_millis(600);
