//! What a store is given instead of the data.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Session data that only the application's key opens; what the store behind an
/// [`Encrypted`](super::Encrypted) one keeps.
///
/// It serialises as one string: `v1.`, the id of the key (16 hexadecimal digits), a dot, and in
/// base64 (URL alphabet, no padding) 24 bytes of nonce, the ciphertext and 16 bytes of tag.
///
/// ```
/// use sessile::store::{Ciphertext, Encrypted, MemoryStore};
/// let behind = MemoryStore::<Ciphertext>::new();
/// let store = Encrypted::new(behind.clone(), sessile::Key::generate());
/// # let _ = store;
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Ciphertext(Box<str>);

impl Ciphertext {
    pub(super) fn new(text: String) -> Self {
        Self(text.into_boxed_str())
    }

    /// The string as it is stored.
    ///
    /// ```
    /// use sessile::store::Ciphertext;
    /// let kept: Ciphertext = serde_json::from_str(r#""v1.0123456789abcdef.AAAA""#)?;
    /// assert_eq!(kept.as_str(), "v1.0123456789abcdef.AAAA");
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for Ciphertext {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Ciphertext {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl fmt::Debug for Ciphertext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ciphertext({} bytes)", self.0.len())
    }
}
