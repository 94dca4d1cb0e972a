//! The session data that the kit stores.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The session data that the kit stores: a little of everything that stores get wrong.
///
/// It is written by hand, because the crate does without serde's derive.
///
/// ```
/// use sessile::testkit::Sample;
/// let sample = Sample::new("ann").counting(3).tagged("theme", "dark").with_blob("…").nested(9);
/// let json = serde_json::to_string(&sample).unwrap();
/// assert_eq!(serde_json::from_str::<Sample>(&json).unwrap(), sample);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sample {
    /// A name.
    pub user: String,
    /// A number that concurrent writers raise.
    pub counter: u64,
    /// Fields that come and go.
    pub tags: BTreeMap<String, String>,
    /// Text of any size and content.
    pub blob: String,
    /// Something deep.
    pub nest: Nest,
}

impl Sample {
    /// A sample of this user, otherwise empty.
    pub fn new(user: impl Into<String>) -> Self {
        Self { user: user.into(), ..Self::default() }
    }

    /// The same with this number.
    #[must_use]
    pub fn counting(mut self, counter: u64) -> Self {
        self.counter = counter;
        self
    }

    /// The same with one more field.
    #[must_use]
    pub fn tagged(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(key.into(), value.into());
        self
    }

    /// The same with this text.
    #[must_use]
    pub fn with_blob(mut self, blob: impl Into<String>) -> Self {
        self.blob = blob.into();
        self
    }

    /// The same with this many lists inside each other.
    #[must_use]
    pub fn nested(mut self, depth: usize) -> Self {
        self.nest = Nest::of_depth(depth);
        self
    }
}

const FIELDS: &[&str] = &["user", "counter", "tags", "blob", "nest"];

impl Serialize for Sample {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Sample", FIELDS.len())?;
        out.serialize_field("user", &self.user)?;
        out.serialize_field("counter", &self.counter)?;
        out.serialize_field("tags", &self.tags)?;
        out.serialize_field("blob", &self.blob)?;
        out.serialize_field("nest", &self.nest)?;
        out.end()
    }
}

impl<'de> Deserialize<'de> for Sample {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_struct("Sample", FIELDS, SampleVisitor)
    }
}

struct SampleVisitor;

impl<'de> Visitor<'de> for SampleVisitor {
    type Value = Sample;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sample")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Sample, A::Error> {
        let mut sample = Sample::default();
        let mut seen = 0;
        while let Some(key) = map.next_key::<String>()? {
            seen += 1;
            match key.as_str() {
                "user" => sample.user = map.next_value()?,
                "counter" => sample.counter = map.next_value()?,
                "tags" => sample.tags = map.next_value()?,
                "blob" => sample.blob = map.next_value()?,
                "nest" => sample.nest = map.next_value()?,
                _ => {
                    seen -= 1;
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if seen == FIELDS.len() { Ok(sample) } else { Err(A::Error::custom("a field is missing")) }
    }

    /// For formats without field names.
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Sample, A::Error> {
        let short = || A::Error::invalid_length(FIELDS.len(), &"all fields of a sample");
        Ok(Sample {
            user: seq.next_element()?.ok_or_else(short)?,
            counter: seq.next_element()?.ok_or_else(short)?,
            tags: seq.next_element()?.ok_or_else(short)?,
            blob: seq.next_element()?.ok_or_else(short)?,
            nest: seq.next_element()?.ok_or_else(short)?,
        })
    }
}

/// Lists inside each other: `[[[]]]` has depth 3.
///
/// ```
/// use sessile::testkit::Nest;
/// assert_eq!(serde_json::to_string(&Nest::of_depth(3)).unwrap(), "[[[]]]");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nest(Vec<Self>);

impl Nest {
    /// So many lists inside each other; at least one.
    pub fn of_depth(depth: usize) -> Self {
        (1..depth).fold(Self::default(), |inner, _| Self(vec![inner]))
    }
}

impl Serialize for Nest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

impl<'de> Deserialize<'de> for Nest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self)
    }
}
