//! What every call works with, and the calls that touch one record.

use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, Value};
use tokio::time::Instant;

use super::cluster;
use super::draft::Draft;
use super::failure::{self, unexpected};
use super::fleet::{Effect, Fleet};
use super::layout::Layout;
use super::row::{self, Row, padded};
use super::script::{DELETE, ENTER, PROBE, PUT, REPLACE, TOUCH, texts};
use crate::clock::Timestamp;
use crate::error::{OpenError, OpenErrorKind, StoreError};
use crate::id::Id;
use crate::record::{Record, SessionData};
use crate::store::Saved;

pub(super) struct Engine {
    pub(super) fleet: Fleet,
    pub(super) layout: Layout,
    pub(super) max_data: usize,
    pub(super) timeout: Duration,
    /// Whether one script can reach every key, so that a call is one step.
    pub(super) whole: bool,
    pub(super) changes: bool,
}

impl Engine {
    /// Tries out every command that the store needs, and that the server is what the address says.
    pub(super) async fn probe(&self) -> Result<(), OpenError> {
        let until = self.until();
        let [record, index] = self.layout.probe();
        let probe = PROBE.on([&*record, &*index]).run(&self.fleet, until).await;
        probe.map_err(|failure| failure::opening(&failure))?;
        let Fleet::One(link) = &self.fleet else {
            return Ok(());
        };
        // One of a cluster has room for some sessions and would refuse the others.
        match link.send(&cluster::question(), until).await {
            Ok(_) => Err(OpenError::new(OpenErrorKind::Config, failure::A_CLUSTER)),
            Err(_) => Ok(()),
        }
    }

    /// When a call that begins now has to be answered.
    pub(super) fn until(&self) -> Instant {
        Instant::now() + self.timeout
    }

    pub(super) fn draft<T: SessionData>(&self, record: &Record<T>) -> Result<Draft, StoreError> {
        Draft::new(record, self.max_data)
    }

    pub(super) async fn load<T: SessionData>(
        &self,
        id: Id,
        now: Timestamp,
    ) -> Result<Option<Arc<Record<T>>>, StoreError> {
        let key = self.layout.session(id);
        let get = command("GET", &key);
        row::record(&self.fleet.ask(&key, &get, Effect::Idempotent, self.until()).await?, now)
    }

    /// A record, with or without its data; nothing if there is none.
    pub(super) async fn glance(&self, id: Id, until: Instant) -> Result<Vec<u8>, StoreError> {
        let key = self.layout.session(id);
        let mut some = command("GETRANGE", &key);
        some.arg(0).arg(GLANCE - 1);
        let bytes = bytes(self.fleet.ask(&key, &some, Effect::Idempotent, until).await?)?;
        if bytes.len() < GLANCE || Row::read(&bytes).is_some_and(|row| row.is_complete()) {
            return Ok(bytes);
        }
        let all = command("GET", &key);
        self::bytes(self.fleet.ask(&key, &all, Effect::Idempotent, until).await?)
    }

    /// Writes a new record that has its place in the index already. Answers whether it did: not
    /// over a session that is live.
    pub(super) async fn put(
        &self,
        id: Id,
        draft: &Draft,
        now: Timestamp,
        until: Instant,
    ) -> Result<bool, StoreError> {
        let key = self.layout.session(id);
        let mut set = command("SET", &key);
        set.arg(&draft.text).arg("PXAT").arg(draft.expiry()).arg("NX");
        match self.fleet.ask(&key, &set, Effect::Once, until).await? {
            Value::Okay => return Ok(true),
            Value::Nil => {}
            _ => return Err(unexpected()),
        }
        // What is there may be over for whoever calls, whose clock may be ahead of the server's.
        let call = PUT.on([&key]).arg(padded(now.as_millis()));
        let call = call.arg(&draft.text).arg(draft.expiry());
        match call.texts(&self.fleet, until).await?.as_slice() {
            [word] if word == "exists" => Ok(false),
            [word, before] if word == "done" => {
                self.leave(id, before, until).await?;
                Ok(true)
            }
            _ => Err(unexpected()),
        }
    }

    pub(super) async fn touch(&self, id: Id, now: Timestamp) -> Result<Saved, StoreError> {
        let key = self.layout.session(id);
        let call = TOUCH.on([&key]).arg(padded(now.as_millis()));
        match word(&call.texts(&self.fleet, self.until()).await?) {
            "done" => Ok(Saved::Done),
            "gone" => Ok(Saved::Gone),
            _ => Err(unexpected()),
        }
    }

    /// Writes over a session. In steps, a session that changes hands takes its new place in an
    /// index before and leaves the old one after; one that may last longer sees to its place first.
    pub(super) async fn replace(
        &self,
        id: Id,
        expected: u64,
        draft: Draft,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        let until = self.until();
        let stamp = if self.whole { IN_REACH } else { "" };
        let answer = self.try_replace(id, expected, &draft, now, stamp, until).await?;
        let kept = match answer.as_slice() {
            [word, kept] if word == "index" => kept,
            _ => return self.saved(id, &answer, until).await,
        };
        let entered = self.enter(id, &draft, "", kept, until).await?.ok_or_else(unexpected)?;
        let answer = self.try_replace(id, expected, &draft, now, &entered.stamp, until).await?;
        if word(&answer) != "done" && kept.is_empty() {
            self.leave(id, &format!("{}/{}", draft.owner, entered.stamp), until).await?;
        }
        self.saved(id, &answer, until).await
    }

    async fn try_replace(
        &self,
        id: Id,
        expected: u64,
        draft: &Draft,
        now: Timestamp,
        stamp: &str,
        until: Instant,
    ) -> Result<Vec<String>, StoreError> {
        let key = self.layout.session(id);
        let call = REPLACE
            .on([&*key])
            .arg(padded(now.as_millis()))
            .arg(padded(expected))
            .arg(&draft.text)
            .arg(draft.expiry())
            .arg(&draft.owner)
            .arg(stamp);
        call.texts(&self.fleet, until).await
    }

    async fn saved(&self, id: Id, answer: &[String], until: Instant) -> Result<Saved, StoreError> {
        match answer {
            [word] if word == "done" => Ok(Saved::Done),
            [word, before] if word == "done" => {
                self.leave(id, before, until).await?;
                Ok(Saved::Done)
            }
            [word] if word == "gone" => Ok(Saved::Gone),
            [word] if word == "stale" => Ok(Saved::Stale),
            _ => Err(unexpected()),
        }
    }

    /// Ends a session. Answers whether it was live.
    pub(super) async fn delete(
        self: &Arc<Self>,
        id: Id,
        now: Timestamp,
        until: Instant,
    ) -> Result<bool, StoreError> {
        let key = self.layout.session(id);
        let answer = self.fleet.ask(&key, &command("GETDEL", &key), Effect::Once, until).await;
        let bytes = match answer {
            Ok(Value::Nil) => return Ok(false),
            Ok(value) => bytes(value)?,
            Err(failure) if failure.is_wrong_type() => {
                let deleted = command("DEL", &key);
                let deleted = self.fleet.ask(&key, &deleted, Effect::Once, until).await?;
                return Ok(deleted == Value::Int(1));
            }
            Err(failure) => return Err(failure.into()),
        };
        let Some(row) = Row::read(&bytes) else {
            return Ok(true);
        };
        match row.place {
            // Nobody waits for a place whose session has gone, nor takes it for one that has not.
            Some(place) if self.whole => {
                let (engine, place) = (Arc::clone(self), place.to_owned());
                tokio::spawn(async move { engine.leave(id, &place, until).await });
            }
            Some(place) => self.leave(id, place, until).await?,
            None => {}
        }
        Ok(row.meta.is_live(now))
    }

    /// Ends a session if it has this place in the index. Answers whether it did and it was live.
    pub(super) async fn delete_at(
        &self,
        id: Id,
        place: &str,
        now: Timestamp,
        until: Instant,
    ) -> Result<bool, StoreError> {
        let key = self.layout.session(id);
        let call = DELETE.on([&key]).arg(padded(now.as_millis())).arg(place);
        let answer = call.texts(&self.fleet, until).await?;
        self.leave(id, place, until).await?;
        Ok(word(&answer) == "1")
    }

    /// Takes a place in the index of the draft's subject, or keeps the one with this stamp for as
    /// long as the draft may last. With a digest: only if the index is still as it was; otherwise
    /// `None`.
    pub(super) async fn enter(
        &self,
        id: Id,
        draft: &Draft,
        digest: &str,
        kept: &str,
        until: Instant,
    ) -> Result<Option<Entered>, StoreError> {
        let index = self.layout.index(&draft.owner);
        let call = ENTER.on([&index]).arg(id.to_string()).arg(draft.absolute).arg(digest).arg(kept);
        let mut answer = call.texts(&self.fleet, until).await?.into_iter();
        match (answer.next().as_deref(), answer.next()) {
            (Some("done"), Some(stamp)) => Ok(Some(Entered { stamp, others: answer.collect() })),
            (Some("changed"), None) => Ok(None),
            _ => Err(unexpected()),
        }
    }

    /// Gives up a place in an index, if there is one. No other place that the same id has or will
    /// have is touched.
    pub(super) async fn leave(
        &self,
        id: Id,
        place: &str,
        until: Instant,
    ) -> Result<(), StoreError> {
        let Some((owner, stamp)) = place.split_once('/') else {
            return Ok(());
        };
        let index = self.layout.index(owner);
        let mut command = command("ZREM", &index);
        command.arg(format!("{id} {stamp}"));
        let answer = self.fleet.ask(&index, &command, Effect::Idempotent, until).await?;
        texts(answer).map(drop)
    }
}

/// A place in an index.
pub(super) struct Entered {
    pub(super) stamp: String,
    /// Some other places in it, to look after.
    pub(super) others: Vec<String>,
}

fn command(name: &str, key: &str) -> Cmd {
    let mut command = Cmd::with_capacity(6, 128);
    command.arg(name).arg(key);
    command
}

fn bytes(value: Value) -> Result<Vec<u8>, StoreError> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::Nil => Ok(Vec::new()),
        _ => Err(unexpected()),
    }
}

/// The first word of an answer.
pub(super) fn word(answer: &[String]) -> &str {
    answer.first().map_or("", String::as_str)
}

/// Instead of the stamp of a place that was taken: the script may take one itself.
const IN_REACH: &str = "*";
/// So long is the beginning of a record in which nearly always everything but the data is.
const GLANCE: usize = 1_024;
