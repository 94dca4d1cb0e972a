//! A record on its way to Redis.

use crate::error::StoreError;
use crate::record::{Record, SessionData};
use crate::store::{context, json};

use super::layout::owner;
use super::row::{FORMAT, NO_PLACE, PLACE};

/// The text of a record, as [`Row`](super::row::Row) describes it.
pub(super) struct Draft {
    /// It has no place in an index yet.
    pub(super) text: String,
    /// How long the first line is.
    line: usize,
    ends: u64,
    pub(super) absolute: u64,
    /// How its subject is named in keys; empty without a subject.
    pub(super) owner: String,
}

impl Draft {
    pub(super) fn new<T: SessionData>(
        record: &Record<T>,
        max_data: usize,
    ) -> Result<Self, StoreError> {
        let meta = &record.meta;
        let data = json::encode(&record.data, max_data)?;
        let (context, subject) = (context::encode(meta), meta.subject.as_deref());
        // Read once, for it may move.
        let seen = meta.last_seen();
        let ends = seen.plus(meta.idle()).min(meta.absolute);
        let line = format!(
            "{FORMAT} {:020} {:020} {:020} {NO_PLACE} {} {} {} {} {} {} {} {} {} {}",
            meta.version,
            seen.as_millis(),
            ends.as_millis(),
            meta.idle_millis(),
            meta.absolute.as_millis(),
            meta.created.as_millis(),
            meta.authenticated.as_millis(),
            meta.renewed.as_millis(),
            meta.generation,
            u8::from(meta.confirmed),
            u8::from(meta.persistent),
            length(context.as_deref()),
            length(subject),
        );
        let context = context.as_deref().unwrap_or_default();
        let body = [&*line, context, subject.unwrap_or_default(), &*data];
        Ok(Self {
            text: body.join("\n"),
            line: line.len(),
            ends: ends.as_millis(),
            absolute: meta.absolute.as_millis(),
            owner: subject.map(owner).unwrap_or_default(),
        })
    }

    /// Gives it its place in an index, and the places of the sessions that it ends when it begins.
    pub(super) fn place(&mut self, place: &str, costs: &[String]) {
        for cost in costs.iter().rev() {
            self.text.insert_str(self.line, cost);
            self.text.insert(self.line, ' ');
        }
        self.text.replace_range(PLACE..=PLACE, place);
    }

    /// When Redis is to remove it: it takes no zero and would wrap around at the end of time.
    pub(super) fn expiry(&self) -> u64 {
        self.ends.clamp(1, 999_999_999_999_999)
    }
}

/// How many bytes a part has, if there is one.
fn length(part: Option<&str>) -> String {
    part.map_or_else(|| "-".to_owned(), |part| part.len().to_string())
}
