//! A statement, and its text for several calls that travel together.

use std::sync::Arc;

/// What one kind of call does, in SQL with a `?` for each value, in the order of the values.
///
/// sqlx keeps every connection on a thread of its own, so that each text that it is sent costs two
/// changes of thread. Calls of the same kind that wait at the same time therefore go as one text,
/// which says the same as often as there are calls; if they write, it is one transaction. There is
/// a text for one call, for two, four and so on, and for no other number: each is prepared once per
/// connection, and kept.
pub(super) struct Statement {
    /// Of how many statements a call is made.
    parts: usize,
    writes: bool,
    texts: Vec<Arc<str>>,
}

/// The text for so many calls.
#[derive(Clone, Copy)]
pub(super) struct Trip<'a> {
    pub(super) sql: &'a Arc<str>,
    pub(super) calls: usize,
    pub(super) parts: usize,
    /// Whether `BEGIN` and `COMMIT` are around them.
    pub(super) transaction: bool,
}

impl Statement {
    /// Reads, for up to so many calls at once.
    pub(super) fn reading(sql: &str, together: usize) -> Arc<Self> {
        Self::new(&[sql], false, together)
    }

    /// Writes all of this or nothing, for up to so many calls at once.
    pub(super) fn writing(parts: &[&str], together: usize) -> Arc<Self> {
        Self::new(parts, true, together)
    }

    fn new(parts: &[&str], writes: bool, together: usize) -> Arc<Self> {
        let one = parts.join("; ");
        let mut statement = Self { parts: parts.len(), writes, texts: Vec::new() };
        let mut calls = 1;
        while calls <= together {
            let all = vec![&*one; calls].join("; ");
            statement.texts.push(match statement.is_transaction(calls) {
                true => format!("BEGIN IMMEDIATE; {all}; COMMIT").into(),
                false => all.into(),
            });
            calls *= 2;
        }
        Arc::new(statement)
    }

    /// One statement is a transaction by itself.
    const fn is_transaction(&self, calls: usize) -> bool {
        self.writes && self.parts * calls > 1
    }

    /// The text for these calls, or for as many of them as there is one for. `None` if there are
    /// no calls.
    pub(super) fn trip(&self, calls: usize) -> Option<Trip<'_>> {
        let doublings = usize::try_from(calls.checked_ilog2()?).ok()?;
        let doublings = doublings.min(self.texts.len().checked_sub(1)?);
        let (sql, calls) = (self.texts.get(doublings)?, 1 << doublings);
        let transaction = self.is_transaction(calls);
        Some(Trip { sql, calls, parts: self.parts, transaction })
    }

    /// What one call does, for those who look at its plan.
    #[cfg(test)]
    pub(super) fn parts(&self) -> Vec<String> {
        let text = self.texts[0].trim_start_matches("BEGIN IMMEDIATE; ");
        text.trim_end_matches("; COMMIT").split("; ").map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_for_powers_of_two() {
        let read = Statement::reading("SELECT ?", 4);
        let write = Statement::writing(&["DELETE ?"], 4);
        let both = Statement::writing(&["INSERT ?", "DELETE ?"], 2);
        let cases = [
            (&read, 1, "SELECT ?", 1, false),
            (&read, 3, "SELECT ?; SELECT ?", 2, false),
            (&read, 9, "SELECT ?; SELECT ?; SELECT ?; SELECT ?", 4, false),
            (&write, 1, "DELETE ?", 1, false),
            (&write, 2, "BEGIN IMMEDIATE; DELETE ?; DELETE ?; COMMIT", 2, true),
            (&both, 1, "BEGIN IMMEDIATE; INSERT ?; DELETE ?; COMMIT", 1, true),
        ];
        for (statement, calls, sql, carried, transaction) in cases {
            let trip = statement.trip(calls).unwrap();
            let found = (&**trip.sql, trip.calls, trip.transaction);
            assert_eq!(found, (sql, carried, transaction), "{calls} calls");
        }
        assert!(read.trip(0).is_none());
        assert_eq!(both.parts(), ["INSERT ?", "DELETE ?"]);
    }
}
