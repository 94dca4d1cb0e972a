//! Going through all sessions, server by server.

use redis::{FromRedisValue, Value};

use super::RedisStore;
use super::address::Peer;
use super::engine::Engine;
use super::failure::unexpected;
use super::layout::Layout;
use super::row::Row;
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::id::Id;
use crate::record::{Meta, SessionData};
use crate::store::answer::Answer;
use crate::store::{Cursor, Scan, Scanned, StoreAnswer};

use std::sync::Arc;

use tokio::task::JoinSet;

impl<T: SessionData> Scan for RedisStore<T> {
    fn scan(&self, from: Option<Cursor>, max: usize, now: Timestamp) -> StoreAnswer<Scanned> {
        let engine = Arc::clone(&self.engine);
        Answer::later(async move { engine.scan(from, max, now).await })
    }
}

/// Which server, by its place in the order of their names, and that server's own cursor.
struct Place {
    server: Peer,
    cursor: u64,
}

impl Place {
    fn parse(cursor: &Cursor) -> Option<Self> {
        let (server, cursor) = cursor.as_str().rsplit_once(' ')?;
        Some(Self { server: Peer::parse(server)?, cursor: cursor.parse().ok()? })
    }

    fn cursor(&self) -> Cursor {
        Cursor::new(format!("{}:{} {}", self.server.host, self.server.port, self.cursor))
    }
}

impl Engine {
    async fn scan(
        self: Arc<Self>,
        from: Option<Cursor>,
        max: usize,
        now: Timestamp,
    ) -> Result<Scanned, StoreError> {
        let until = self.until();
        let from = from.as_ref().and_then(Place::parse);
        // Who the servers are is asked for each of them and not for each step: that takes longer.
        if from.as_ref().is_none_or(|from| from.cursor == 0) {
            self.fleet.look_around(until).await?;
        }
        let servers = self.fleet.links();
        // A server that has gone leaves no trace of how far one came: all begins again, for a
        // session may be seen twice but not be missed.
        let known = from.as_ref().and_then(|from| {
            let place = servers.iter().position(|(peer, _)| *peer == from.server)?;
            Some((place, from.cursor))
        });
        let (place, cursor) = known.unwrap_or((0, 0));
        let Some((peer, link)) = servers.get(place) else {
            return Ok(Scanned::default());
        };
        let mut command = redis::cmd("SCAN");
        command.arg(cursor).arg("MATCH").arg(pattern(&self.layout));
        command.arg("COUNT").arg(max.clamp(1, 10_000)).arg("TYPE").arg("string");
        let answer = match link.send(&command, until).await {
            Ok(answer) => answer,
            Err(failure) => {
                // Whether or not it is the reason, the next step shall know who has taken over.
                drop(self.fleet.look_around(until).await);
                return Err(failure.into());
            }
        };
        let (cursor, keys) =
            <(u64, Vec<Value>)>::from_redis_value(answer).map_err(|_| unexpected())?;
        let next = match cursor {
            0 => servers.get(place + 1).map(|(peer, _)| Place { server: peer.clone(), cursor: 0 }),
            _ => Some(Place { server: peer.clone(), cursor }),
        };
        let sessions = self.sessions(keys, now).await?;
        Ok(Scanned::new(sessions, next.map(|next| next.cursor())))
    }

    /// The live sessions with these keys.
    async fn sessions(
        self: &Arc<Self>,
        keys: Vec<Value>,
        now: Timestamp,
    ) -> Result<Vec<(Id, Meta)>, StoreError> {
        let mut reading = JoinSet::new();
        for key in keys {
            let Value::BulkString(key) = key else { continue };
            let Some(id) = self.layout.id(&key) else { continue };
            let engine = Arc::clone(self);
            reading.spawn(async move { engine.session(id, now).await });
        }
        let mut sessions = Vec::new();
        for session in reading.join_all().await {
            sessions.extend(session?);
        }
        Ok(sessions)
    }

    async fn session(&self, id: Id, now: Timestamp) -> Result<Option<(Id, Meta)>, StoreError> {
        let bytes = self.glance(id, self.until()).await?;
        let meta = Row::read(&bytes).and_then(|row| row.session().ok());
        Ok(meta.filter(|meta| meta.is_live(now)).map(|meta| (id, meta)))
    }
}

/// Matches the keys of records; what is special in a pattern may be in the prefix.
fn pattern(layout: &Layout) -> String {
    let mut pattern = String::new();
    for sign in layout.sessions().chars() {
        if matches!(sign, '*' | '?' | '[' | ']' | '\\' | '^') {
            pattern.push('\\');
        }
        pattern.push(sign);
    }
    pattern.push('*');
    pattern
}
