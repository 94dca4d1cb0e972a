//! A record as Redis has it: one string, whose first line the scripts read.
//!
//! ```text
//! 1 00000000000000000004 00000001768465800123 00000001768467600123 - 1800000 1769070600123 1768465800123 1768465800123 1768465800123 0 1 0 - 3
//!
//! ann
//! {"theme":"dark"}
//! ```
//!
//! 1. The first line has the format, the version, when it was last seen and when it ends (the
//!    earlier of the two deadlines), its place in the index or `-`; then idle limit, absolute
//!    deadline, created, authenticated, renewed, generation, and 0 or 1 for confirmed and
//!    persistent; the lengths of context and subject in bytes, or `-` where there is none; and, in a
//!    cluster, the places of the sessions that it ended when it began. Times are in milliseconds
//!    since 1970.
//! 2. Each on a line of its own, however many lines that comes to, are context, subject and data.
//! 3. Version, last seen and end have twenty digits at the same place always: a touch writes over
//!    two of them, and text compares as the numbers do.
//! 4. A place is `owner/stamp`, and `id/stamp` where the owner is known.

use std::sync::Arc;
use std::time::Duration;

use redis::Value;

use super::failure::undecodable;
use crate::clock::Timestamp;
use crate::context::Context;
use crate::error::StoreError;
use crate::record::{Meta, Record, SessionData};
use crate::store::{context, json};

/// The format that is written. Others are not read.
pub(super) const FORMAT: &str = "1";
/// What stands for the place in the index of a record that has none, and where.
pub(super) const NO_PLACE: &str = "-";
pub(super) const PLACE: usize = 65;

/// A number as text that compares with others.
pub(super) fn padded(number: u64) -> String {
    format!("{number:020}")
}

/// A record, or the beginning of one.
pub(super) struct Row<'a> {
    /// Without subject and context.
    pub(super) meta: Meta,
    pub(super) place: Option<&'a str>,
    costs: &'a str,
    context: Option<usize>,
    subject: Option<usize>,
    /// What follows the first line.
    rest: &'a [u8],
}

impl<'a> Row<'a> {
    /// Nothing if this is no record, or less than its first line.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (line, rest) = bytes.split_at_checked(memchr::memchr(b'\n', bytes)?)?;
        let line = std::str::from_utf8(line).ok()?;
        let mut fields = line.splitn(16, ' ');
        if fields.next() != Some(FORMAT) {
            return None;
        }
        let mut wide = || fields.next().filter(|field| field.len() == 20)?.parse::<u64>().ok();
        let (version, last_seen, _ends) = (wide()?, wide()?, wide()?);
        let place = fields.next()?;
        let mut number = || fields.next()?.parse::<u64>().ok();
        let (idle, absolute) = (number()?, number()?);
        let (created, authenticated, renewed) = (number()?, number()?, number()?);
        let (generation, confirmed, persistent) = (number()?, number()?, number()?);
        let mut length = || match fields.next()? {
            "-" => Some(None),
            field => field.parse().ok().map(Some),
        };
        let (context, subject) = (length()?, length()?);

        let at = Timestamp::from_millis;
        let mut meta = Meta::new(at(0), Duration::from_millis(idle), Duration::ZERO);
        meta.version = version;
        meta.touch(at(last_seen));
        meta.absolute = at(absolute);
        meta.created = at(created);
        meta.authenticated = at(authenticated);
        meta.renewed = at(renewed);
        meta.generation = u32::try_from(generation).ok()?;
        meta.confirmed = confirmed == 1;
        meta.persistent = persistent == 1;
        let place = Some(place).filter(|place| *place != NO_PLACE);
        let costs = fields.next().unwrap_or_default();
        Some(Self { meta, place, costs, context, subject, rest: rest.get(1..)? })
    }

    /// The places of the sessions that it ended when it began.
    pub(super) fn costs(&self) -> impl Iterator<Item = &'a str> {
        self.costs.split_whitespace()
    }

    /// Whether all but the data is there.
    pub(super) fn is_complete(&self) -> bool {
        self.data().is_some()
    }

    /// How it began, if anything is known of that.
    pub(super) fn context(&self) -> Result<Option<Arc<Context>>, StoreError> {
        let Some(length) = self.context else { return Ok(None) };
        context::decode(Some(text(self.rest.get(..length))?))
    }

    fn subject(&self) -> Result<Option<Arc<str>>, StoreError> {
        let Some(length) = self.subject else { return Ok(None) };
        let start = self.context.unwrap_or(0).saturating_add(1);
        let subject = self.rest.get(start..start.saturating_add(length));
        Ok(Some(text(subject)?.into()))
    }

    fn data(&self) -> Option<&'a [u8]> {
        let context = self.context.unwrap_or(0);
        let end = context.saturating_add(self.subject.unwrap_or(0)).saturating_add(1);
        self.rest.get(end..)?.strip_prefix(b"\n")
    }

    /// With subject and context.
    pub(super) fn session(self) -> Result<Meta, StoreError> {
        let (context, subject) = (self.context()?, self.subject()?);
        let mut meta = self.meta;
        (meta.context, meta.subject) = (context, subject);
        Ok(meta)
    }
}

/// The record in the answer to `GET`, if it is live.
pub(super) fn record<T: SessionData>(
    answer: &Value,
    now: Timestamp,
) -> Result<Option<Arc<Record<T>>>, StoreError> {
    let bytes = match answer {
        Value::Nil => return Ok(None),
        Value::BulkString(bytes) => bytes,
        _ => return Err(undecodable("not text")),
    };
    let row = Row::read(bytes).ok_or_else(|| undecodable("the first line"))?;
    if !row.meta.is_live(now) {
        return Ok(None);
    }
    let data = json::decode(text(row.data())?)?;
    Ok(Some(Arc::new(Record::new(row.session()?, data))))
}

fn text(part: Option<&[u8]>) -> Result<&str, StoreError> {
    let part = part.ok_or_else(|| undecodable("a length"))?;
    std::str::from_utf8(part).map_err(|_| undecodable("not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::super::draft::Draft;
    use super::*;

    fn text_of(meta: Meta) -> String {
        Draft::new(&Record::new(meta, 7), 100).unwrap().text
    }

    fn back(text: &str) -> Record<u32> {
        let answer = Value::BulkString(text.into());
        let record = record(&answer, Timestamp::from_millis(0)).unwrap().unwrap();
        Arc::try_unwrap(record).unwrap()
    }

    #[test]
    fn all_that_a_record_says_of_itself_comes_back() {
        let at = Timestamp::from_millis;
        let mut one = Meta::new(at(1_768_465_800_123), Duration::MAX, Duration::from_secs(5));
        one.version = u64::MAX;
        one.generation = u32::MAX;
        one.confirmed = false;
        one.persistent = true;
        one.authenticated = at(3);
        one.renewed = at(4);
        one.touch(at(u64::MAX - 1));
        for subject in [None, Some(""), Some("ann"), Some("a\nb\0 -\u{1f600}")] {
            one.subject = subject.map(Into::into);
            let text = text_of(one.clone());
            let record = back(&text);
            assert_eq!((record.meta.subject.as_deref(), record.data), (subject, 7));
            assert_eq!(record.meta.idle(), Duration::from_millis(u64::MAX));
            assert_eq!(text_of(record.meta), text);
        }
    }

    #[test]
    fn a_place_and_its_costs_change_nothing_else() {
        let now = Timestamp::from_millis(5);
        let mut meta = Meta::new(now, Duration::from_secs(1), Duration::from_secs(1));
        meta.subject = Some("ann".into());
        let mut draft = Draft::new(&Record::new(meta, 7), 100).unwrap();
        let plain = draft.text.clone();
        assert_eq!(Row::read(plain.as_bytes()).unwrap().place, None);
        assert_eq!(Row::read(plain.as_bytes()).unwrap().costs().count(), 0);
        draft.place("f00/17", &["a/1".to_owned(), "b/2".to_owned()]);
        let row = Row::read(draft.text.as_bytes()).unwrap();
        assert_eq!(row.place, Some("f00/17"));
        assert_eq!(row.costs().collect::<Vec<_>>(), ["a/1", "b/2"]);
        assert_eq!(text_of(back(&draft.text).meta), plain);
    }

    #[test]
    fn what_is_cut_short_is_not_complete() {
        let mut meta = Meta::new(Timestamp::from_millis(5), Duration::MAX, Duration::MAX);
        meta.subject = Some("ann".into());
        let text = text_of(meta);
        let data = text.len() - 1;
        for end in 0..=text.len() {
            let row = Row::read(&text.as_bytes()[..end]);
            assert_eq!(row.is_some_and(|row| row.is_complete()), end >= data, "{end}");
        }
    }

    #[test]
    fn s46_another_format_is_not_read() {
        let now = Timestamp::from_millis(0);
        let text = text_of(Meta::new(now, Duration::from_secs(1), Duration::from_secs(1)));
        assert!(Row::read(text.as_bytes()).is_some());
        let narrow = text.replacen("1 0", "1 ", 1);
        let negative = text.replacen("- 1000", "- -1", 1);
        let garbled =
            [&*text.replacen('1', "2", 1), &*narrow, &*negative, "", "\n", "1\n", "1 2 3\n"];
        for garbled in garbled {
            assert!(Row::read(garbled.as_bytes()).is_none(), "{garbled}");
        }
    }
}
