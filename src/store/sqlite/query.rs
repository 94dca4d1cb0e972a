//! A call, and the values that it brings.

use std::sync::Arc;

use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, Error};

use super::row::stored;
use super::statement::{Statement, Trip};
use crate::clock::Timestamp;
use crate::id::Id;

/// A call: its statement, and the values for it.
pub(super) struct Query {
    statement: Arc<Statement>,
    values: Vec<Value>,
}

pub(super) enum Value {
    Integer(i64),
    Text(Arc<str>),
    Null,
}

impl Query {
    pub(super) fn new(statement: &Arc<Statement>) -> Self {
        Self { statement: Arc::clone(statement), values: Vec::with_capacity(USUAL) }
    }

    pub(super) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Whether both do the same with other values, so that they can go together.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.statement, &other.statement)
    }

    /// The way for so many of them, or for as many of them as go together.
    pub(super) fn trip(&self, calls: usize) -> Option<Trip<'_>> {
        self.statement.trip(calls)
    }

    /// Puts its values behind those of the calls before it.
    pub(super) fn put_into(&self, arguments: &mut SqliteArguments) -> Result<(), Error> {
        self.values.iter().try_for_each(|value| {
            let added = match value {
                Value::Integer(number) => arguments.add(*number),
                Value::Text(text) => arguments.add(Arc::clone(text)),
                Value::Null => arguments.add(None::<i64>),
            };
            added.map_err(Error::Encode)
        })
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Integer(stored(number))
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Integer(flag.into())
    }
}

impl From<Timestamp> for Value {
    fn from(time: Timestamp) -> Self {
        time.as_millis().into()
    }
}

impl From<Id> for Value {
    fn from(id: Id) -> Self {
        Self::Text(id.to_string().into())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<Option<Arc<str>>> for Value {
    fn from(text: Option<Arc<str>>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }
}

impl From<Option<Id>> for Value {
    fn from(id: Option<Id>) -> Self {
        id.map_or(Self::Null, Self::from)
    }
}

/// As many values have those that write a record.
const USUAL: usize = 17;
