//! Names: of the table, and of what belongs to it.

use std::fmt;

use crate::error::{OpenError, OpenErrorKind};

/// A name that was checked, perhaps with a schema before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TableName {
    schema: Option<String>,
    name: String,
}

impl TableName {
    pub(super) fn parse(text: &str) -> Result<Self, OpenError> {
        let (schema, name) = match text.split_once('.') {
            Some((schema, name)) => (Some(schema), name),
            None => (None, text),
        };
        if !is_identifier(name) || schema.is_some_and(|schema| !is_identifier(schema)) {
            return Err(OpenError::new(
                OpenErrorKind::Config,
                format!(
                    "the table's name must be `name` or `schema.name`, of letters, digits and \
                     `_`, not beginning with a digit, at most {LONGEST} bytes each"
                ),
            ));
        }
        Ok(Self { schema: schema.map(str::to_owned), name: name.to_owned() })
    }

    /// As SQL that any search path resolves as it was given.
    pub(super) fn quoted(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", Quoted(schema), Quoted(&self.name)),
            None => Quoted(&self.name).to_string(),
        }
    }

    pub(super) fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// The table in the schema where it is, or is to be.
    pub(super) fn within(self, schema: String) -> Table {
        Table { schema, name: self.name }
    }
}

/// A table whose schema is known, so that no search path decides which one is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) schema: String,
    pub(super) name: String,
}

impl Table {
    /// The session-keeping function. Its name changes with what it does, so that during an update
    /// nodes of both versions find theirs.
    pub(super) fn create(&self) -> String {
        format!("{}_create_{VERSION}", self.name)
    }

    /// What the triggers do that tell the changes of others.
    pub(super) fn tell(&self) -> String {
        format!("{}_tell", self.name)
    }

    pub(super) fn by_subject(&self) -> String {
        format!("{}_by_subject", self.name)
    }

    pub(super) fn by_deadline(&self) -> String {
        format!("{}_by_deadline", self.name)
    }

    /// Where changes are announced. Channels know no schemas: a table of the same name elsewhere
    /// in the database shares it, which costs a cache a few sessions and no more.
    pub(super) fn channel(&self) -> String {
        format!("{}_changes", self.name)
    }

    /// Fills in the names and figures of a statement.
    pub(super) fn fill(&self, sql: &str) -> String {
        let within = |name: &str| format!("{}.{}", Quoted(&self.schema), Quoted(name));
        sql.replace("{table}", &within(&self.name))
            .replace("{create}", &within(&self.create()))
            .replace("{tell}", &within(&self.tell()))
            .replace("{by_subject}", &Quoted(&self.by_subject()).to_string())
            .replace("{by_deadline}", &Quoted(&self.by_deadline()).to_string())
            .replace("{channel}", &self.channel())
            .replace("{most_told}", &MOST_TOLD.to_string())
            .replace("{version}", &VERSION.to_string())
    }
}

/// What the table and its function must be like; goes up by one with each change of them.
pub(super) const VERSION: u32 = 2;

/// More sessions than this are announced as "all": a notification holds 8000 bytes, an id 37.
const MOST_TOLD: usize = 200;

/// Postgres cuts names at 63 bytes; the longest that we make of one adds `_by_deadline`.
const LONGEST: usize = 48;

fn is_identifier(text: &str) -> bool {
    let first = text.chars().next();
    first.is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && text.len() <= LONGEST
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// An identifier between quotes.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('"', "\"\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_checked_and_quoted() {
        for (text, quoted) in [
            ("sessions", "\"sessions\""),
            ("auth.Sessions_2", "\"auth\".\"Sessions_2\""),
            ("_", "\"_\""),
        ] {
            assert_eq!(TableName::parse(text).unwrap().quoted(), quoted);
        }
        let long = "x".repeat(49);
        for text in ["", ".", "a.", ".a", "a.b.c", "2a", "a b", "a\"b", "a;b", "é", "a-b", &long] {
            assert_eq!(TableName::parse(text).unwrap_err().kind(), OpenErrorKind::Config, "{text}");
        }
    }

    #[test]
    fn every_name_is_short_enough_and_every_hole_filled() {
        let table = TableName::parse(&"x".repeat(48)).unwrap().within("we\"ird".to_owned());
        let names = [table.create(), table.tell(), table.by_subject(), table.by_deadline()];
        for name in names.into_iter().chain([table.channel()]) {
            assert!(name.len() <= 63, "{name}");
        }
        for file in [include_str!("schema.sql"), include_str!("announce.sql")] {
            let sql = table.fill(file);
            assert!(sql.contains("\"we\"\"ird\".\"xxx"), "{sql}");
            let holes = sql.replace("'{}'", "");
            assert!(!holes.contains('{'), "{holes}");
        }
    }
}
