//! Session data as the text that other languages can read.
//!
//! What would not come back as it was is refused when it is written, where somebody can be told,
//! and not when it is read: by then the session is lost.

use std::io;

use memchr::memmem;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Serializer;
use serde_json::ser::Formatter;

use crate::error::{StoreError, StoreErrorKind};

mod finite;

/// How large the data of one session may be unless the store is told otherwise, in bytes of JSON.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "redis"))]
pub(super) const MAX_DATA: usize = 2 * 1024 * 1024;

pub(super) fn encode<T: Serialize>(data: &T, max: usize) -> Result<String, StoreError> {
    let mut text = Vec::with_capacity(USUAL);
    data.serialize(&mut Serializer::with_formatter(&mut text, Shallow::default()))
        .map_err(unencodable)?;
    // As `null` is written what JSON has no number for; as `null` reads nothing but an `Option`.
    if memmem::find(&text, b"null").is_some() {
        finite::check(data).map_err(unencodable)?;
    }
    if text.len() > max {
        return Err(StoreError::new(StoreErrorKind::TooLarge));
    }
    String::from_utf8(text).map_err(|_| unencodable("not UTF-8"))
}

fn unencodable(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::new(StoreErrorKind::Unencodable).with_source(why)
}

/// Writes as compactly as `serde_json` does, and no deeper than that reads.
#[derive(Default)]
struct Shallow {
    depth: usize,
}

impl Shallow {
    fn down(&mut self) -> io::Result<()> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(io::Error::other("lists or maps too deep inside each other to be read"));
        }
        Ok(())
    }
}

impl Formatter for Shallow {
    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.down()?;
        writer.write_all(b"[")
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        writer.write_all(b"]")
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.down()?;
        writer.write_all(b"{")
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        writer.write_all(b"}")
    }
}

/// `serde_json` reads 127 lists inside each other, and refuses 128.
const DEEPEST: usize = 127;

/// Most sessions are no larger.
const USUAL: usize = 128;

/// The error says where the text is wrong, never what it says: serde's own message may quote data.
pub(super) fn decode<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        StoreError::new(StoreErrorKind::Undecodable).with_source(place)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_is_refused() {
        assert_eq!(encode(&"four", 6).unwrap(), "\"four\"");
        assert_eq!(encode(&"fives", 6).unwrap_err().kind(), StoreErrorKind::TooLarge);
    }

    /// Lists so deep inside each other.
    enum Deep {
        Inner,
        In(Box<Self>),
    }

    impl Deep {
        fn of(depth: usize) -> Self {
            (1..depth).fold(Self::Inner, |inner, _| Self::In(Box::new(inner)))
        }
    }

    impl Serialize for Deep {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            match self {
                Self::Inner => serializer.collect_seq([(); 0]),
                Self::In(inner) => serializer.collect_seq([inner]),
            }
        }
    }

    #[test]
    fn s44_what_is_as_deep_as_can_be_read_is_written_and_nothing_deeper() {
        let text = encode(&Deep::of(DEEPEST), usize::MAX).unwrap();
        assert!(decode::<serde_json::Value>(&text).is_ok());
        let deeper = format!("[{text}]");
        assert!(decode::<serde_json::Value>(&deeper).is_err(), "the reader has changed");
        for depth in [DEEPEST + 1, 5_000] {
            let error = encode(&Deep::of(depth), usize::MAX).unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Unencodable, "{depth}");
        }
        let wide: Vec<Deep> = (0..1_000).map(|_| Deep::of(100)).collect();
        assert!(encode(&wide, usize::MAX).is_ok(), "beside each other is not inside");
    }

    #[test]
    fn s44_a_number_that_json_has_not_is_refused_and_nothing_else_that_is_null() {
        for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let error = encode(&(1.5, Some(odd)), usize::MAX).unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Unencodable, "{odd}");
        }
        assert_eq!(
            encode(&(1.5, None::<f64>, (), "null"), 99).unwrap(),
            r#"[1.5,null,null,"null"]"#
        );
    }

    #[test]
    fn s44_numbers_come_back_to_the_last_bit() {
        for n in 1..5_000_u32 {
            let number = 1.0 / f64::from(n).powi(7);
            let text = encode(&number, usize::MAX).unwrap();
            assert_eq!(decode::<f64>(&text).unwrap().to_bits(), number.to_bits(), "{text}");
        }
    }

    #[test]
    fn s45_an_error_does_not_quote_the_data() {
        let error = decode::<u32>("\"hunter2\"").unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Undecodable);
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}
