//! A record as Redis has it.

use std::sync::Arc;
use std::time::Duration;

use redis::Value;

use super::failure::undecodable;
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::record::{Meta, Record, SessionData};
use crate::store::{self, json};

/// The format that is written. Others are not read.
const FORMAT: &str = "1";

/// The part of the text that scripts copy and do not read.
pub(super) fn rest(meta: &Meta) -> String {
    format!(
        "{} {} {} {} {} {}",
        meta.created.as_millis(),
        meta.authenticated.as_millis(),
        meta.renewed.as_millis(),
        meta.generation,
        u8::from(meta.confirmed),
        u8::from(meta.persistent),
    )
}

/// How long it may stay unused, in milliseconds.
pub(super) fn idle(meta: &Meta) -> u64 {
    Timestamp::from_millis(0).plus(meta.idle()).as_millis()
}

/// How it began, as the text of its own that it is; empty if nothing is known of that.
pub(super) fn context(meta: &Meta) -> String {
    store::context::encode(meta).unwrap_or_default()
}

/// Everything but subject, context and data.
pub(super) fn meta(meta: &Meta) -> String {
    format!(
        "{FORMAT} {} {} {} {} {}",
        meta.version,
        meta.last_seen().as_millis(),
        idle(meta),
        meta.absolute.as_millis(),
        rest(meta),
    )
}

/// Reads it back, with the fields `subject` and `context`.
pub(super) fn session(
    text: &str,
    subject: Option<Arc<str>>,
    context: Option<&str>,
) -> Result<Meta, StoreError> {
    let mut meta = parse(text, subject).ok_or_else(|| undecodable("`meta`"))?;
    meta.context = store::context::decode(context)?;
    Ok(meta)
}

/// Reads `meta` back.
pub(super) fn parse(text: &str, subject: Option<Arc<str>>) -> Option<Meta> {
    let mut fields = text.split(' ');
    if fields.next() != Some(FORMAT) {
        return None;
    }
    let mut number = || fields.next()?.parse::<u64>().ok();
    let (version, last_seen, idle, absolute) = (number()?, number()?, number()?, number()?);
    let (created, authenticated, renewed) = (number()?, number()?, number()?);
    let (generation, confirmed, persistent) = (number()?, number()?, number()?);
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
    meta.subject = subject;
    Some(meta)
}

/// The record in the answer to `HMGET key meta subject context data`, if it is live.
pub(super) fn record<T: SessionData>(
    answer: Value,
    now: Timestamp,
) -> Result<Option<Arc<Record<T>>>, StoreError> {
    let [meta, subject, context, data] = fields(answer)?;
    let Some(meta) = meta else {
        return if data.is_none() { Ok(None) } else { Err(undecodable("no `meta`")) };
    };
    let meta = session(&meta, subject.map(Into::into), context.as_deref())?;
    if !meta.is_live(now) {
        return Ok(None);
    }
    let data = data.ok_or_else(|| undecodable("no `data`"))?;
    Ok(Some(Arc::new(Record::new(meta, json::decode(&data)?))))
}

/// The fields of a record that `HMGET` answered.
pub(super) fn fields<const N: usize>(answer: Value) -> Result<[Option<String>; N], StoreError> {
    let Value::Array(values) = answer else {
        return Err(undecodable("no fields"));
    };
    let texts = values.into_iter().map(field).collect::<Result<Vec<_>, _>>()?;
    texts.try_into().map_err(|_| undecodable("no fields"))
}

fn field(value: Value) -> Result<Option<String>, StoreError> {
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) => {
            String::from_utf8(bytes).map(Some).map_err(|_| undecodable("not UTF-8"))
        }
        _ => Err(undecodable("not text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let text = meta(&one);
        let back = parse(&text, None).unwrap();
        assert_eq!(meta(&back), text);
        assert_eq!(back.idle(), Duration::from_millis(u64::MAX));
    }

    #[test]
    fn s46_another_format_is_not_read() {
        let now = Timestamp::from_millis(0);
        let text = meta(&Meta::new(now, Duration::from_secs(1), Duration::from_secs(1)));
        assert!(parse(&text, None).is_some());
        for garbled in [&*text.replacen('1', "2", 1), "", "1", "1 2 3", "1 -1 0 0 0 0 0 0 0 0 0"] {
            assert!(parse(garbled, None).is_none(), "{garbled}");
        }
    }
}
