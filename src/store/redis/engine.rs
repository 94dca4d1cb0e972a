//! What every call works with, and the calls that touch one record.

use std::sync::Arc;
use std::time::Duration;

use redis::Value;
use tokio::time::Instant;

use super::failure::{self, unexpected};
use super::fleet::{Effect, Fleet};
use super::layout::{Layout, owner};
use super::row;
use super::script::{DELETE, ENTER, PROBE, REPLACE, TOUCH, texts};
use crate::clock::Timestamp;
use crate::error::{OpenError, OpenErrorKind, StoreError};
use crate::id::Id;
use crate::record::{Meta, Record, SessionData};
use crate::store::{Saved, json};

pub(super) struct Engine {
    pub(super) fleet: Fleet,
    pub(super) layout: Layout,
    pub(super) max_data: usize,
    pub(super) timeout: Duration,
    /// Whether one script can reach every key, so that a call is one step.
    pub(super) whole: bool,
    pub(super) changes: bool,
}

/// A record on its way to Redis.
pub(super) struct Draft {
    pub(super) meta: Meta,
    pub(super) data: String,
    /// How its subject is named in keys; empty without a subject.
    pub(super) owner: String,
}

impl Draft {
    pub(super) fn subject(&self) -> &str {
        self.meta.subject.as_deref().unwrap_or_default()
    }

    pub(super) const fn absolute(&self) -> u64 {
        self.meta.absolute.as_millis()
    }
}

impl Engine {
    /// Tries out every command that the store needs, and that the server is what the address says.
    pub(super) async fn probe(&self) -> Result<(), OpenError> {
        let until = self.until();
        let [record, index] = self.layout.probe();
        let probe = PROBE.on([&*record, &*index]).run(&self.fleet, until).await;
        probe.map_err(|failure| failure::opening(&failure))?;
        let mut question = redis::cmd("CLUSTER");
        question.arg("SLOTS");
        let Fleet::One { link, .. } = &self.fleet else {
            return Ok(());
        };
        // One of a cluster has room for some sessions and would refuse the others.
        match link.send(&question, until).await {
            Ok(_) => Err(OpenError::new(OpenErrorKind::Config, failure::A_CLUSTER)),
            Err(_) => Ok(()),
        }
    }

    /// When a call that begins now has to be answered.
    pub(super) fn until(&self) -> Instant {
        Instant::now() + self.timeout
    }

    pub(super) fn draft<T: SessionData>(&self, record: &Record<T>) -> Result<Draft, StoreError> {
        Ok(Draft {
            meta: record.meta.clone(),
            data: json::encode(&record.data, self.max_data)?,
            owner: record.meta.subject.as_deref().map(owner).unwrap_or_default(),
        })
    }

    pub(super) async fn fields(
        &self,
        id: Id,
        fields: &[&str],
        until: Instant,
    ) -> Result<Value, StoreError> {
        let key = self.layout.session(id);
        let mut command = redis::cmd("HMGET");
        command.arg(&key).arg(fields);
        Ok(self.fleet.ask(&key, &command, Effect::Idempotent, until).await?)
    }

    pub(super) async fn load<T: SessionData>(
        &self,
        id: Id,
        now: Timestamp,
    ) -> Result<Option<Arc<Record<T>>>, StoreError> {
        row::record(
            self.fields(id, &["meta", "subject", "context", "data"], self.until()).await?,
            now,
        )
    }

    pub(super) async fn touch(&self, id: Id, now: Timestamp) -> Result<Saved, StoreError> {
        let key = self.layout.session(id);
        let call = TOUCH.on([&key]).arg(now.as_millis());
        match word(&call.texts(&self.fleet, self.until()).await?) {
            "done" => Ok(Saved::Done),
            "gone" => Ok(Saved::Gone),
            _ => Err(unexpected()),
        }
    }

    /// Writes over a session. In steps, a session that changes hands takes its new place in an
    /// index before and leaves the old one after.
    pub(super) async fn replace(
        &self,
        id: Id,
        expected: u64,
        draft: Draft,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        let until = self.until();
        let answer = self.try_replace(id, expected, &draft, now, "", until).await?;
        if word(&answer) != "index" {
            return self.saved(id, &answer, until).await;
        }
        let stamp =
            self.enter(id, &draft, "", until).await?.map_or_else(String::new, |at| at.stamp);
        let answer = self.try_replace(id, expected, &draft, now, &stamp, until).await?;
        if word(&answer) != "done" {
            self.leave(id, &format!("{} {stamp}", draft.owner), until).await?;
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
        let (key, index) = (self.layout.session(id), self.layout.index(&draft.owner));
        let call = match self.whole {
            true => REPLACE.on([&*key, &*index]),
            false => REPLACE.on([&*key]),
        };
        let meta = &draft.meta;
        let call = call
            .arg(self.layout.prefix())
            .arg(id.to_string())
            .arg(now.as_millis())
            .arg(expected)
            .arg(meta.version)
            .arg(meta.last_seen().as_millis())
            .arg(row::idle(meta))
            .arg(draft.absolute())
            .arg(row::rest(meta))
            .arg(&draft.data)
            .arg(draft.subject())
            .arg(&draft.owner)
            .arg(stamp)
            .arg(u8::from(self.whole))
            .arg(row::context(meta));
        call.texts(&self.fleet, until).await
    }

    async fn saved(&self, id: Id, answer: &[String], until: Instant) -> Result<Saved, StoreError> {
        match answer {
            [word, before] if word == "done" => {
                if !self.whole {
                    self.leave(id, before, until).await?;
                }
                Ok(Saved::Done)
            }
            [word] if word == "gone" => Ok(Saved::Gone),
            [word] if word == "stale" => Ok(Saved::Stale),
            _ => Err(unexpected()),
        }
    }

    /// Ends a session, or nothing if it has not this place in the index (`""` for any). Answers
    /// whether it was live.
    pub(super) async fn delete(
        &self,
        id: Id,
        entry: &str,
        now: Timestamp,
        until: Instant,
    ) -> Result<bool, StoreError> {
        let key = self.layout.session(id);
        let call = DELETE
            .on([&key])
            .arg(self.layout.prefix())
            .arg(id.to_string())
            .arg(now.as_millis())
            .arg(entry)
            .arg(u8::from(self.whole));
        let answer = call.texts(&self.fleet, until).await?;
        let [live, before] = answer.as_slice() else {
            return Err(unexpected());
        };
        if !self.whole {
            self.leave(id, before, until).await?;
        }
        Ok(live == "1")
    }

    /// Takes a place in the index of the draft's subject. With a digest: only if the index is
    /// still as it was; otherwise `None`.
    pub(super) async fn enter(
        &self,
        id: Id,
        draft: &Draft,
        digest: &str,
        until: Instant,
    ) -> Result<Option<Entered>, StoreError> {
        let index = self.layout.index(&draft.owner);
        let call = ENTER.on([&index]).arg(id.to_string()).arg(draft.absolute()).arg(digest);
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
        entry: &str,
        until: Instant,
    ) -> Result<(), StoreError> {
        let Some((owner, stamp)) = entry.split_once(' ') else {
            return Ok(());
        };
        let index = self.layout.index(owner);
        let mut command = redis::cmd("ZREM");
        command.arg(&index).arg(format!("{id} {stamp}"));
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

/// The first word of an answer.
pub(super) fn word(answer: &[String]) -> &str {
    answer.first().map_or("", String::as_str)
}
