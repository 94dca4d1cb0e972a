//! Records and the columns that hold them.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments, Decode, Encode, Postgres, Row, Type};

use super::fault;
use super::wire::{Key, Moment};
use crate::clock::Timestamp;
use crate::error::{StoreError, StoreErrorKind};
use crate::id::Id;
use crate::record::Meta;
use crate::store::context;

/// The arguments of a statement.
#[derive(Default)]
pub(super) struct Bound(PgArguments);

impl Bound {
    pub(super) fn with<'t, V>(mut self, value: V) -> Result<Self, StoreError>
    where
        V: Encode<'t, Postgres> + Type<Postgres>,
    {
        self.0.add(value).map_err(|_| StoreError::new(StoreErrorKind::Unencodable))?;
        Ok(self)
    }

    pub(super) fn done(self) -> PgArguments {
        self.0
    }
}

/// A subject as a text of Postgres, which knows no NUL.
pub(super) fn subject(subject: &str) -> Result<&str, StoreError> {
    if subject.contains('\0') {
        let why = "a subject with a NUL character";
        return Err(StoreError::new(StoreErrorKind::Unencodable).with_source(why));
    }
    Ok(subject)
}

/// A number that never gets that large, unless somebody makes it so.
pub(super) fn bigint(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::new(StoreErrorKind::Unencodable))
}

/// How many at most. The last number is left free, so that one more can be asked for.
pub(super) fn at_most(max: usize) -> i64 {
    i64::try_from(max).unwrap_or(i64::MAX).min(i64::MAX - 1)
}

/// Milliseconds; `None` for more than 285 years, where the server's arithmetic loses some of them
/// and where nobody waits for the end.
pub(super) fn idle(meta: &Meta) -> Option<i64> {
    i64::try_from(meta.idle().as_millis()).ok().filter(|millis| *millis <= LONGEST_IDLE)
}

const LONGEST_IDLE: i64 = (1 << 53) / 1_000;

/// The column behind those of [`meta`].
pub(super) const AFTER_META: usize = 13;

/// What columns say of a session beside its data, in the order of the statements.
pub(super) fn meta(row: &PgRow) -> Result<Meta, StoreError> {
    let expires = Timestamp::from(get::<Moment>(row, 1)?);
    let created = Timestamp::from(get::<Moment>(row, 2)?);
    let or_created = |at: Option<Moment>| at.map_or(created, Timestamp::from);

    let idle = match get::<Option<i64>>(row, 11)? {
        Some(millis) => Duration::from_millis(u64::try_from(millis).map_err(out_of_range)?),
        None => Duration::MAX,
    };
    let mut meta = Meta::new(created, idle, Duration::ZERO);
    meta.subject = get::<Option<&str>>(row, 0)?.map(Arc::from);
    meta.version = u64::try_from(get::<i64>(row, 3)?).map_err(out_of_range)?;
    meta.generation = u32::try_from(get::<i64>(row, 4)?).map_err(out_of_range)?;
    meta.confirmed = get(row, 5)?;
    meta.persistent = get(row, 6)?;
    meta.renewed = or_created(get(row, 7)?);
    meta.authenticated = or_created(get(row, 8)?);
    meta.touch(or_created(get(row, 9)?));
    meta.absolute = get::<Option<Moment>>(row, 10)?.map_or(expires, Timestamp::from);
    meta.context = context::decode(get(row, 12)?)?;
    if expires < meta.deadline() {
        meta.absolute = expires; // another program shortened it
    }
    Ok(meta)
}

/// The id in this column.
pub(super) fn id(row: &PgRow, column: usize) -> Result<Id, StoreError> {
    get::<Key>(row, column)?.id().ok_or_else(|| StoreError::new(StoreErrorKind::Undecodable))
}

/// The value in this column, by its place: names would be looked up.
pub(super) fn get<'r, V>(row: &'r PgRow, column: usize) -> Result<V, StoreError>
where
    V: Decode<'r, Postgres> + Type<Postgres>,
{
    row.try_get(column).map_err(fault::store_error)
}

fn out_of_range(error: std::num::TryFromIntError) -> StoreError {
    StoreError::new(StoreErrorKind::Undecodable).with_source(error)
}
