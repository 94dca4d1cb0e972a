//! Session data for those who want keys and values: [`Values`].

use std::any::type_name;
use std::error::Error as StdError;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// A JSON map with typed access, ready to be the data of a session.
///
/// A type of your own says more and costs less: choose `Values` when the keys are not known
/// beforehand.
///
/// 1. Absent and undecodable are never confused: the first is `Ok(None)`, the second an error.
/// 2. It serialises as the JSON object that it is, so other languages read it.
/// 3. `Debug` shows how many values there are, and none of them (ASVS 16.2.5).
///
/// ```
/// use sessile::Values;
/// let mut values = Values::default();
/// values.insert("visits", 3)?;
/// assert_eq!(values.get::<u32>("visits")?, Some(3));
/// assert_eq!(values.get::<u32>("views")?, None);
/// assert!(values.get::<String>("visits").is_err());
/// # Ok::<(), sessile::ValueError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Values(Map<String, Value>);

impl Values {
    /// No values.
    ///
    /// ```
    /// use sessile::Values;
    /// assert!(Values::new().is_empty());
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// The value under this key; `None` when there is none.
    ///
    /// ```
    /// # let mut values = sessile::Values::new();
    /// values.insert("roles", ["admin", "author"])?;
    /// let roles: Option<Vec<String>> = values.get("roles")?;
    /// assert_eq!(roles.unwrap_or_default(), ["admin", "author"]);
    /// # Ok::<(), sessile::ValueError>(())
    /// ```
    ///
    /// # Errors
    /// When there is a value, but not one of type `V`.
    pub fn get<V: DeserializeOwned>(&self, key: &str) -> Result<Option<V>, ValueError> {
        let decode = |value| V::deserialize(value).map_err(|_| ValueError::decode::<V>(key));
        self.0.get(key).map(decode).transpose()
    }

    /// Puts a value (or a reference to one) under this key and gives back what was there.
    ///
    /// ```
    /// # let mut values = sessile::Values::new();
    /// assert_eq!(values.insert("theme", "dark")?, None);
    /// assert_eq!(values.insert("theme", "light")?, Some("dark".into()));
    /// # Ok::<(), sessile::ValueError>(())
    /// ```
    ///
    /// # Errors
    /// When the value does not encode as JSON, such as a map whose keys are no strings. What was
    /// there stays.
    pub fn insert<V: Serialize>(
        &mut self,
        key: impl Into<String>,
        value: V,
    ) -> Result<Option<Value>, ValueError> {
        let key = key.into();
        match serde_json::to_value(value) {
            Ok(value) => Ok(self.0.insert(key, value)),
            Err(_) => Err(ValueError::encode::<V>(key)),
        }
    }

    /// Takes out what is under this key.
    ///
    /// ```
    /// # let mut values = sessile::Values::new();
    /// values.insert("draft", "Dear all")?;
    /// assert_eq!(values.remove("draft"), Some("Dear all".into()));
    /// assert_eq!(values.remove("draft"), None);
    /// # Ok::<(), sessile::ValueError>(())
    /// ```
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        self.0.remove(key)
    }

    /// Whether there is a value under this key, of whatever type.
    ///
    /// ```
    /// # let mut values = sessile::Values::new();
    /// values.insert("theme", "dark")?;
    /// assert!(values.contains_key("theme") && !values.contains_key("them"));
    /// # Ok::<(), sessile::ValueError>(())
    /// ```
    pub fn contains_key(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// The keys, in the order of the alphabet unless the feature `preserve_order` of
    /// `serde_json` is on somewhere.
    ///
    /// ```
    /// # let mut values = sessile::Values::new();
    /// values.insert("a", 1)?;
    /// values.insert("b", 2)?;
    /// assert_eq!(values.keys().collect::<Vec<_>>(), ["a", "b"]);
    /// # Ok::<(), sessile::ValueError>(())
    /// ```
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The keys with their values as JSON.
    ///
    /// ```
    /// # let mut values = sessile::Values::new();
    /// values.insert("visits", 3)?;
    /// assert_eq!(values.iter().next(), Some(("visits", &3.into())));
    /// # Ok::<(), sessile::ValueError>(())
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// How many values there are.
    ///
    /// ```
    /// # let mut values = sessile::Values::new();
    /// values.insert("visits", 3)?;
    /// assert_eq!(values.len(), 1);
    /// # Ok::<(), sessile::ValueError>(())
    /// ```
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    ///
    /// ```
    /// assert!(sessile::Values::new().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes all of them out.
    ///
    /// ```
    /// # let mut values = sessile::Values::new();
    /// values.insert("visits", 3)?;
    /// values.clear();
    /// assert!(values.is_empty());
    /// # Ok::<(), sessile::ValueError>(())
    /// ```
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl Serialize for Values {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Map::deserialize(deserializer).map(Self)
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Values").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// A value in [`Values`] is not of the type asked for, or one does not encode as JSON.
///
/// It names the key and the type. The value, and serde's own message, which may quote it, are
/// left out (ASVS 16.2.5).
///
/// ```
/// # let mut values = sessile::Values::new();
/// values.insert("pin", "1234")?;
/// let error = values.get::<u32>("pin").unwrap_err();
/// assert_eq!(error.to_string(), "the session's value `pin` does not decode as `u32`");
/// # Ok::<(), sessile::ValueError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueError {
    key: String,
    type_name: &'static str,
    failed: &'static str,
}

impl ValueError {
    /// The key that it is about.
    ///
    /// ```
    /// # let mut values = sessile::Values::new();
    /// values.insert("pin", "1234")?;
    /// assert_eq!(values.get::<u32>("pin").unwrap_err().key(), "pin");
    /// # Ok::<(), sessile::ValueError>(())
    /// ```
    pub fn key(&self) -> &str {
        &self.key
    }

    fn decode<V>(key: &str) -> Self {
        Self { key: key.to_owned(), type_name: type_name::<V>(), failed: "does not decode as" }
    }

    fn encode<V>(key: String) -> Self {
        Self { key, type_name: type_name::<V>(), failed: "does not encode as JSON from" }
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the session's value `{}` {} `{}`", self.key, self.failed, self.type_name)
    }
}

impl StdError for ValueError {}
