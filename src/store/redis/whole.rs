//! Where one script can reach every key: each call is one step.

use std::sync::Arc;

use redis::Value;
use tokio::time::Instant;

use super::draft::Draft;
use super::engine::{Engine, word};
use super::failure::unexpected;
use super::layout::owner;
use super::row::{Row, padded};
use super::script::{CREATE, SUBJECT, SWAP};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::id::Id;
use crate::record::Meta;
use crate::store::{Admission, Created, Revoke, Revoked};

impl Engine {
    pub(super) async fn create_at_once(
        &self,
        id: Id,
        draft: &Draft,
        admission: Admission,
        now: Timestamp,
    ) -> Result<Created, StoreError> {
        let until = self.until();
        let replacing = admission.replacing.filter(|old| *old != id);
        if draft.owner.is_empty() && replacing.is_none() {
            let put = self.put(id, draft, now, until).await?;
            let done = Created::Done { evicted: Vec::new(), replaced: false };
            return Ok(if put { done } else { Created::Exists });
        }
        let key = self.layout.session(id);
        let (old, index);
        let call = match replacing {
            Some(replacing) if draft.owner.is_empty() => {
                old = self.layout.session(replacing);
                SWAP.on([&*key, &*old])
            }
            Some(replacing) => {
                (old, index) = (self.layout.session(replacing), self.layout.index(&draft.owner));
                CREATE.on([&*key, &*index, &*old])
            }
            None => {
                index = self.layout.index(&draft.owner);
                CREATE.on([&*key, &*index])
            }
        };
        let mut call = call.arg(padded(now.as_millis())).arg(&draft.text).arg(draft.expiry());
        if !draft.owner.is_empty() {
            let limit = admission.limit;
            call = call
                .arg(&draft.owner)
                .arg(name(replacing))
                .arg(limit.map_or_else(String::new, |limit| limit.max.to_string()))
                .arg(limit.map_or("", |limit| if limit.denies() { "deny" } else { "evict" }));
        }
        let answer = call.texts(&self.fleet, until).await?;
        match (word(&answer), answer.as_slice()) {
            ("exists", _) => Ok(Created::Exists),
            ("limit", _) => Ok(Created::Limit),
            (word @ ("done" | "replaced"), [_, evicted @ ..]) => {
                Ok(Created::Done { evicted: ids(evicted)?, replaced: word == "replaced" })
            }
            _ => Err(unexpected()),
        }
    }

    pub(super) async fn list_at_once(
        &self,
        subject: &str,
        after: Option<Id>,
        max: usize,
        now: Timestamp,
    ) -> Result<Vec<(Id, Meta)>, StoreError> {
        let until = self.until();
        let (mut found, mut after) = (Vec::new(), name(after));
        let owner: Arc<str> = subject.into();
        while found.len() < max {
            let page =
                Page { after: &after, max: max - found.len(), deed: "list", which: ("", "") };
            let answer = self.page(subject, page, now, until).await?;
            let [_, next, sessions @ ..] = answer.as_slice() else {
                return Err(unexpected());
            };
            for session in sessions.chunks_exact(2) {
                let [id, beginning] = session else {
                    return Err(unexpected());
                };
                let row = Row::read(beginning.as_bytes()).ok_or_else(unexpected)?;
                let context = row.context()?;
                let mut meta = row.meta;
                (meta.context, meta.subject) = (context, Some(Arc::clone(&owner)));
                found.push((id.parse().map_err(|_| unexpected())?, meta));
            }
            if next.is_empty() {
                break;
            }
            after.clone_from(next);
        }
        Ok(found)
    }

    pub(super) async fn count_at_once(
        &self,
        subject: &str,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let until = self.until();
        let (mut count, mut after) = (0, String::new());
        loop {
            let page = Page { after: &after, max: usize::MAX, deed: "count", which: ("", "") };
            let answer = self.page(subject, page, now, until).await?;
            let [_, next, some] = answer.as_slice() else {
                return Err(unexpected());
            };
            count += some.parse::<usize>().map_err(|_| unexpected())?;
            if next.is_empty() {
                return Ok(count);
            }
            after.clone_from(next);
        }
    }

    pub(super) async fn revoke_at_once(
        &self,
        subject: &str,
        which: Revoke,
        max: usize,
        now: Timestamp,
    ) -> Result<Revoked, StoreError> {
        let until = self.until();
        let one = match which {
            Revoke::One(id) => ("one", id.to_string()),
            Revoke::Others(id) => ("others", id.to_string()),
            Revoke::All => ("all", String::new()),
        };
        let (mut ended, mut after) = (Vec::new(), String::new());
        loop {
            let left = max - ended.len();
            let page = Page { after: &after, max: left, deed: "revoke", which: (one.0, &one.1) };
            let answer = self.page(subject, page, now, until).await?;
            let [more, next, some @ ..] = answer.as_slice() else {
                return Err(unexpected());
            };
            ended.extend(ids(some)?);
            if more == "1" || next.is_empty() || which == Revoke::All && max == 0 {
                return Ok(Revoked::new(ended, more == "1"));
            }
            after.clone_from(next);
        }
    }

    async fn page(
        &self,
        subject: &str,
        page: Page<'_>,
        now: Timestamp,
        until: Instant,
    ) -> Result<Vec<String>, StoreError> {
        let owner = owner(subject);
        let index = self.layout.index(&owner);
        let call = SUBJECT
            .on([&index])
            .arg(self.layout.prefix())
            .arg(padded(now.as_millis()))
            .arg(&owner)
            .arg(page.after)
            .arg(page.max)
            .arg(PAGE)
            .arg(page.deed)
            .arg(page.which.0)
            .arg(page.which.1);
        match call.run(&self.fleet, until).await? {
            Value::Array(values) => super::script::texts(Value::Array(values)),
            _ => Err(unexpected()),
        }
    }
}

/// What to do with the next sessions in an index.
struct Page<'a> {
    after: &'a str,
    max: usize,
    deed: &'static str,
    which: (&'static str, &'a str),
}

pub(super) fn ids(texts: &[String]) -> Result<Vec<Id>, StoreError> {
    texts.iter().map(|text| text.parse().map_err(|_| unexpected())).collect()
}

pub(super) fn name(id: Option<Id>) -> String {
    id.map_or_else(String::new, |id| id.to_string())
}

/// How many places of an index one script looks at: a few milliseconds' worth.
const PAGE: usize = 1_000;
