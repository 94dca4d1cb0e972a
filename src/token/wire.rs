//! Claims as they stand in a token.
//!
//! Whoever reads them trusts the key that made them, and nothing else: a claim of another JSON type
//! than its own is no claim at all (CVE-2026-25537: `"exp": "…"` read as absent).

use std::borrow::Cow;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(bound(deserialize = "C: Deserialize<'de>, M: Deserialize<'de>"))]
pub(super) struct Wire<'a, C, M> {
    #[serde(borrow)]
    pub(super) sub: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    pub(super) kind: Cow<'a, str>,
    pub(super) iat: M,
    pub(super) exp: M,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) nbf: Option<M>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) jti: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) sid: Option<String>,
    #[serde(
        borrow,
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) iss: Option<Text<'a>>,
    #[serde(
        borrow,
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub(super) aud: Option<Audience<'a>>,
    #[serde(flatten)]
    pub(super) more: C,
}

/// A text that is not copied if it need not be.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// RFC 7519, 4.1.3: one audience or several.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Audience<'a> {
    One(#[serde(borrow)] Text<'a>),
    Several(#[serde(borrow)] Vec<Text<'a>>),
}

impl Audience<'_> {
    pub(super) fn contains(&self, wanted: &str) -> bool {
        match self {
            Self::One(one) => one.0 == wanted,
            Self::Several(several) => several.iter().any(|one| one.0 == wanted),
        }
    }
}

/// A point in time as a format writes it, in seconds since 1970.
pub(super) trait Moment: Serialize {
    fn at(secs: u64) -> Self;
    fn secs(&self) -> u64;
}

/// The first second of the year 10 000: no token lives that long, and no text says it.
const END: u64 = 253_402_300_800;

/// A whole number of seconds. RFC 7519 allows fractions; nobody needs them.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct Numeric(u64);

impl Moment for Numeric {
    fn at(secs: u64) -> Self {
        Self(secs)
    }

    fn secs(&self) -> u64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Numeric {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let secs = u64::deserialize(deserializer)?;
        if secs < END { Ok(Self(secs)) } else { Err(D::Error::custom("too late")) }
    }
}

/// A text in RFC 3339. Fractions of a second are dropped.
#[cfg(feature = "paseto")]
pub(super) struct Written(u64);

#[cfg(feature = "paseto")]
impl Moment for Written {
    fn at(secs: u64) -> Self {
        Self(secs)
    }

    fn secs(&self) -> u64 {
        self.0
    }
}

#[cfg(feature = "paseto")]
impl Serialize for Written {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::Error as _;
        use time::OffsetDateTime;
        use time::format_description::well_known::Rfc3339;

        let text = i64::try_from(self.0)
            .ok()
            .and_then(|secs| OffsetDateTime::from_unix_timestamp(secs).ok())
            .and_then(|time| time.format(&Rfc3339).ok());
        serializer.serialize_str(&text.ok_or_else(|| S::Error::custom("too late"))?)
    }
}

#[cfg(feature = "paseto")]
impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use time::OffsetDateTime;
        use time::format_description::well_known::Rfc3339;

        let text = Text::deserialize(deserializer)?;
        let time = OffsetDateTime::parse(&text.0, &Rfc3339).map_err(D::Error::custom)?;
        let secs = u64::try_from(time.unix_timestamp()).map_err(D::Error::custom)?;
        if secs < END { Ok(Self(secs)) } else { Err(D::Error::custom("too late")) }
    }
}

/// What is there must be of its type: `null` is not the same as nothing.
pub(super) fn present<'de, D, V>(deserializer: D) -> Result<Option<V>, D::Error>
where
    D: Deserializer<'de>,
    V: Deserialize<'de>,
{
    V::deserialize(deserializer).map(Some)
}
