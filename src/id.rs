//! The session's public handle.

use std::fmt;
use std::str::FromStr;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::error::{Error, ErrorKind};

/// The public handle of a session: 128 bits from the operating system's generator, carried in a
/// UUID.
///
/// It is the store's key and may be shown (device lists, logs, SQL): without the ticket's tag,
/// which only the application's [`Key`](crate::Key) can make, it opens nothing (ASVS 7.2.3).
/// There is no empty or default id.
///
/// ```
/// use sessile::Id;
/// let id: Id = "8c6f4d0a-0f39-4f0e-9a55-6d4f0a3b9c11".parse().unwrap();
/// assert_eq!(id.to_string(), "8c6f4d0a-0f39-4f0e-9a55-6d4f0a3b9c11");
/// assert!("00000000-0000-0000-0000-000000000000".parse::<Id>().is_err());
/// assert_eq!(Id::try_from(id.as_uuid()), Ok(id));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(Uuid); // never nil; `NonNilUuid` would align every struct around it to 16 bytes

impl Id {
    /// A fresh id from the operating system's generator.
    ///
    /// ```
    /// use sessile::Id;
    /// assert_ne!(Id::generate()?, Id::generate()?);
    /// # Ok::<(), sessile::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Random`] when the generator fails.
    pub fn generate() -> Result<Self, Error> {
        let mut bytes = [0; 16];
        loop {
            getrandom::fill(&mut bytes).map_err(|_| Error::new(ErrorKind::Random))?;
            if let Some(id) = Self::from_bytes(bytes) {
                return Ok(id);
            }
        }
    }

    /// The id with these bytes; `None` for sixteen zeros.
    ///
    /// ```
    /// use sessile::Id;
    /// let id = Id::from_bytes([7; 16]).expect("not all zero");
    /// assert_eq!(id.into_bytes(), [7; 16]);
    /// assert_eq!(Id::from_bytes([0; 16]), None);
    /// ```
    pub const fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        let uuid = Uuid::from_bytes(bytes);
        if uuid.is_nil() { None } else { Some(Self(uuid)) }
    }

    /// Its sixteen bytes.
    pub const fn into_bytes(self) -> [u8; 16] {
        self.0.into_bytes()
    }

    /// The same as a UUID, for databases that have that type.
    pub const fn as_uuid(&self) -> Uuid {
        self.0
    }
}

impl TryFrom<Uuid> for Id {
    type Error = ParseIdError;

    fn try_from(uuid: Uuid) -> Result<Self, ParseIdError> {
        Self::from_bytes(uuid.into_bytes()).ok_or(ParseIdError(()))
    }
}

impl FromStr for Id {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        Uuid::try_parse(text).map_err(|_| ParseIdError(()))?.try_into()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_uuid().hyphenated().fmt(f)
    }
}

/// As its text.
impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// From its text.
impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Id;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a session id as text")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Id, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Text)
    }
}

/// The text or UUID is no session id.
///
/// ```
/// use sessile::Id;
/// let error = "42".parse::<Id>().unwrap_err();
/// assert_eq!(error.to_string(), "not a session id: expected a UUID other than the nil UUID");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseIdError(());

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a session id: expected a UUID other than the nil UUID")
    }
}

impl std::error::Error for ParseIdError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r01_ids_never_repeat_and_no_bit_is_fixed() {
        let mut seen = std::collections::HashSet::new();
        let (mut ones, mut zeros) = ([0u8; 16], [0u8; 16]);
        for _ in 0..100_000 {
            let id = Id::generate().unwrap();
            assert!(seen.insert(id), "an id repeated");
            for (i, byte) in id.into_bytes().into_iter().enumerate() {
                ones[i] |= byte;
                zeros[i] |= !byte;
            }
        }
        assert_eq!((ones, zeros), ([0xff; 16], [0xff; 16]), "some bit never changed");
    }

    #[test]
    fn an_id_is_its_text_in_json() {
        let id = Id::generate().unwrap();
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, format!("\"{id}\""));
        assert_eq!(serde_json::from_str::<Id>(&json).unwrap(), id);
        for wrong in ["\"\"", "7", "\"00000000-0000-0000-0000-000000000000\"", "null"] {
            assert!(serde_json::from_str::<Id>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn c16_empty_and_default_ids_are_unrepresentable() {
        assert_eq!(Id::from_bytes([0; 16]), None);
        assert!("".parse::<Id>().is_err());
        assert!(Id::try_from(Uuid::nil()).is_err());
    }
}
