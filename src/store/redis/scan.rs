//! Going through all sessions, server by server.
//!
//! A server's own cursor means nothing to another process, not even to the same server after a
//! restart, and a slot that moves may move behind one's back. Both are noticed, and all begins
//! again: a session may be seen twice but not be missed.

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

/// How far one has come.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    server: Peer,
    /// That server's own; 0 at its beginning.
    cursor: u64,
    /// The process that gave the cursor; nothing at the beginning.
    run: String,
    /// Which server had which slot when the first one was begun.
    map: String,
}

impl Place {
    const fn beginning(server: Peer, map: String) -> Self {
        Self { server, cursor: 0, run: String::new(), map }
    }

    fn parse(cursor: &Cursor) -> Option<Self> {
        let mut words = cursor.as_str().splitn(4, ' ');
        let (cursor, run, map) = (words.next()?.parse().ok()?, words.next()?, words.next()?);
        let server = Peer::parse(words.next()?)?;
        Some(Self { server, cursor, run: run.to_owned(), map: map.to_owned() })
    }

    fn cursor(&self) -> Cursor {
        Cursor::new(format!("{} {} {} {}", self.cursor, self.run, self.map, self.server))
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
        // Who the servers are is asked at the ends of each and not for each step: that takes longer.
        if from.is_none() {
            self.fleet.look_around(until).await?;
        }
        let (servers, map) = self.fleet.servers();
        let known = from.filter(|from| from.map == map);
        let known = known.and_then(|from| {
            let place = servers.iter().position(|(peer, _)| *peer == from.server)?;
            Some((place, from.cursor, from.run))
        });
        let (place, cursor, run) = known.unwrap_or_default();
        let Some((peer, link)) = servers.get(place) else {
            return Ok(Scanned::default());
        };
        let mut command = redis::cmd("SCAN");
        command.arg(cursor).arg("MATCH").arg(pattern(&self.layout));
        command.arg("COUNT").arg(max.clamp(1, 10_000)).arg("TYPE").arg("string");
        let mut question = redis::cmd("INFO");
        question.arg("server");
        let [info, answer] = match link.send_both([&question, &command], until).await {
            Ok(answers) => answers,
            Err(failure) => {
                // Whether or not it is the reason, the next step shall know who has taken over.
                drop(self.fleet.look_around(until).await);
                return Err(failure.into());
            }
        };
        let again = || servers.first().map(|(peer, _)| Place::beginning(peer.clone(), map.clone()));
        let runs = run_id(info).ok_or_else(unexpected)?;
        if cursor != 0 && runs != run {
            return Ok(Scanned::new(Vec::new(), again().map(|place| place.cursor())));
        }
        let (cursor, keys) =
            <(u64, Vec<Value>)>::from_redis_value(answer).map_err(|_| unexpected())?;
        let sessions = self.sessions(keys, now).await?;
        let next = if cursor == 0 {
            self.fleet.look_around(until).await?;
            let following = servers.get(place + 1);
            match self.fleet.servers().1 == map {
                true => following.map(|(peer, _)| Place::beginning(peer.clone(), map.clone())),
                false => again(),
            }
        } else {
            Some(Place { server: peer.clone(), cursor, run: runs, map })
        };
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

/// The name of a server's process, from what it says of itself.
fn run_id(info: Value) -> Option<String> {
    let info = String::from_redis_value(info).ok()?;
    let mut lines = info.lines();
    lines.find_map(|line| line.strip_prefix("run_id:")).map(|id| id.trim_end().to_owned())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_comes_back_and_what_is_none_begins_again() {
        for (host, run, map) in
            [("", "", ""), ("::1", "0a1b", "2c3d"), ("redis.internal", "0a", "")]
        {
            let server = Peer { host: host.to_owned(), port: 6379 };
            let place = Place { server, cursor: 17, run: run.to_owned(), map: map.to_owned() };
            assert_eq!(Place::parse(&place.cursor()), Some(place));
        }
        for text in ["", "0", "17", "17 0a 2c", "x 0a 2c h:1", "17 0a 2c h", "h:1 17"] {
            assert_eq!(Place::parse(&Cursor::new(text)), None, "{text}");
        }
    }
}
