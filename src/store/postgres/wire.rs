//! Ids and times as Postgres has them: `uuid` and `timestamptz`, sixteen and eight bytes.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueRef};
use sqlx::{Decode, Encode, Postgres, Type};

use crate::clock::Timestamp;
use crate::id::Id;

/// An id in a `uuid` column, or the nil UUID, which is before every id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key([u8; 16]);

impl Key {
    pub(super) const BEFORE_ALL: Self = Self([0; 16]);

    /// `None` for the nil UUID, which only somebody else can have put there.
    pub(super) const fn id(self) -> Option<Id> {
        Id::from_bytes(self.0)
    }
}

impl From<Id> for Key {
    fn from(id: Id) -> Self {
        Self(id.into_bytes())
    }
}

impl Type<Postgres> for Key {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(UUID)
    }

    fn compatible(ty: &PgTypeInfo) -> bool {
        ty.oid() == Some(UUID)
    }
}

impl PgHasArrayType for Key {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(UUIDS)
    }

    fn array_compatible(ty: &PgTypeInfo) -> bool {
        ty.oid() == Some(UUIDS)
    }
}

impl Encode<'_, Postgres> for Key {
    fn encode_by_ref(&self, buf: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buf.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }
}

impl Decode<'_, Postgres> for Key {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        Ok(Self(value.as_bytes()?.try_into()?))
    }
}

/// A time in a `timestamptz` column: microseconds since the year 2000.
///
/// Postgres's calendar ends with the year 294276. Whatever comes after is `infinity`, which
/// reads back as the last moment of a [`Timestamp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(i64);

impl Moment {
    pub(super) const INFINITY: Self = Self(i64::MAX);

    /// The last microsecond of this millisecond. A deadline that another program wrote has come
    /// when its millisecond has, as for [`Meta`](crate::Meta).
    pub(super) fn end_of(at: Timestamp) -> Self {
        match Self::from(at) {
            Self::INFINITY => Self::INFINITY,
            Self(micros) => Self(micros.saturating_add(999)),
        }
    }
}

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        let micros = i64::try_from(at.as_millis()).ok().and_then(|millis| {
            millis.checked_sub(YEAR_2000)?.checked_mul(1_000).filter(|micros| *micros < END)
        });
        micros.map_or(Self::INFINITY, Self)
    }
}

impl From<Moment> for Timestamp {
    fn from(at: Moment) -> Self {
        if at == Moment::INFINITY {
            return Self::from_millis(u64::MAX);
        }
        let millis = at.0.div_euclid(1_000).saturating_add(YEAR_2000);
        Self::from_millis(u64::try_from(millis).unwrap_or(0)) // nothing was before 1970
    }
}

impl Type<Postgres> for Moment {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(TIMESTAMPTZ)
    }

    fn compatible(ty: &PgTypeInfo) -> bool {
        ty.oid() == Some(TIMESTAMPTZ)
    }
}

impl Encode<'_, Postgres> for Moment {
    fn encode_by_ref(&self, buf: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buf.extend_from_slice(&self.0.to_be_bytes());
        Ok(IsNull::No)
    }
}

impl Decode<'_, Postgres> for Moment {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        Ok(Self(i64::from_be_bytes(value.as_bytes()?.try_into()?)))
    }
}

// Numbers of built-in types never change.
const UUID: Oid = Oid(2950);
const UUIDS: Oid = Oid(2951);
const TIMESTAMPTZ: Oid = Oid(1184);

/// The first moment of 2000 in milliseconds since 1970.
const YEAR_2000: i64 = 946_684_800_000;
/// The first moment of 294277 in microseconds since 2000: the end of Postgres's calendar.
const END: i64 = 9_223_371_331_200_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_back_to_the_millisecond() {
        for millis in
            [0, 1, 946_684_799_999, 946_684_800_000, 1_768_465_800_123, 253_402_300_800_000]
        {
            let at = Timestamp::from_millis(millis);
            assert_eq!(Timestamp::from(Moment::from(at)), at);
            assert_eq!(Timestamp::from(Moment::end_of(at)), at);
            assert!(Moment::end_of(at) < Moment::from(Timestamp::from_millis(millis + 1)));
        }
    }

    #[test]
    fn beyond_the_calendar_is_infinity() {
        let last = Timestamp::from_millis(9_224_318_015_999_999);
        assert_eq!(Timestamp::from(Moment::from(last)), last);
        for millis in [9_224_318_016_000_000, u64::MAX / 2, u64::MAX - 1, u64::MAX] {
            let at = Timestamp::from_millis(millis);
            assert_eq!(Moment::from(at), Moment::INFINITY);
            assert_eq!(Moment::end_of(at), Moment::INFINITY);
            assert_eq!(Timestamp::from(Moment::from(at)).as_millis(), u64::MAX);
        }
        assert_eq!(Timestamp::from(Moment(i64::MIN)).as_millis(), 0, "-infinity");
    }
}
