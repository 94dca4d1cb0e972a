//! Session data as the text that other languages can read.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{StoreError, StoreErrorKind};

/// How large the data of one session may be unless the store is told otherwise, in bytes of JSON.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "redis"))]
pub(super) const MAX_DATA: usize = 2 * 1024 * 1024;

pub(super) fn encode<T: Serialize>(data: &T, max: usize) -> Result<String, StoreError> {
    let text = serde_json::to_string(data)
        .map_err(|error| StoreError::new(StoreErrorKind::Unencodable).with_source(error))?;
    if text.len() > max {
        return Err(StoreError::new(StoreErrorKind::TooLarge));
    }
    Ok(text)
}

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

    #[test]
    fn s45_an_error_does_not_quote_the_data() {
        let error = decode::<u32>("\"hunter2\"").unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Undecodable);
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}
