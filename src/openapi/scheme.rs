//! One security scheme: where a ticket travels, as OpenAPI says it.

use serde_json::{Value, json};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};

use crate::ConfigError;
use crate::transport::{Description, Place};

/// What OpenAPI can say of a transport; the attributes of a cookie are not part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Cookie(Box<str>),
    Header(Box<str>),
    Query(Box<str>),
    Bearer,
}

impl Scheme {
    pub(super) fn of(description: &Description) -> Result<Self, ConfigError> {
        let name = description.name.clone();
        match &description.place {
            Place::Cookie(_) => Ok(Self::Cookie(name)),
            Place::Header => Ok(Self::Header(name)),
            Place::Query => Ok(Self::Query(name)),
            Place::Bearer => Ok(Self::Bearer),
            Place::Other => Err(ConfigError::new(format!(
                "the transport `{name}` does not say where its tickets are, so no API document \
                 can: implement `Transport::describe`"
            ))),
        }
    }

    /// Where the ticket travels and under which name. Another place never has the same name: what
    /// a component may not be called after is escaped, and so is the escape.
    pub(super) fn default_name(&self) -> String {
        let (place, name) = self.parts();
        match self {
            Self::Bearer => place.to_owned(),
            _ => name.bytes().fold(format!("{place}."), |mut text, byte| {
                if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
                    text.push(char::from(byte));
                } else {
                    text.push_str(&format!(".{byte:02X}"));
                }
                text
            }),
        }
    }

    /// The place, and the name that a client must use there.
    pub(super) fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Cookie(name) => ("cookie", name),
            Self::Header(name) => ("header", name),
            Self::Query(name) => ("query", name),
            Self::Bearer => ("bearer", "authorization"),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        match self.parts() {
            ("bearer", _) => json!({ "type": "http", "scheme": "bearer" }),
            (place, name) => json!({ "type": "apiKey", "in": place, "name": name }),
        }
    }

    pub(super) fn to_utoipa(&self) -> SecurityScheme {
        let key = |name: &str| ApiKeyValue::new(name);
        match self {
            Self::Cookie(name) => SecurityScheme::ApiKey(ApiKey::Cookie(key(name))),
            Self::Header(name) => SecurityScheme::ApiKey(ApiKey::Header(key(name))),
            Self::Query(name) => SecurityScheme::ApiKey(ApiKey::Query(key(name))),
            Self::Bearer => SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)),
        }
    }
}

/// What the components of a document may be called (OpenAPI, "Components Object").
pub(super) fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !name.is_empty() && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn b12_the_name_is_derived_from_the_transport_and_no_two_share_one() {
        let cookie = |name: &str| Scheme::Cookie(name.into());
        let cases = [
            (cookie("__Host-sid"), "cookie.__Host-sid"),
            (cookie("sid"), "cookie.sid"),
            (cookie("s.id"), "cookie.s.2Eid"),
            (cookie("s.2Eid"), "cookie.s.2E2Eid"),
            (cookie("s~id"), "cookie.s.7Eid"),
            (Scheme::Header("sid".into()), "header.sid"),
            (Scheme::Query("sid".into()), "query.sid"),
            (Scheme::Bearer, "bearer"),
        ];
        let names: BTreeSet<_> = cases.iter().map(|(_, name)| *name).collect();
        assert_eq!(names.len(), cases.len());
        for (scheme, name) in cases {
            assert_eq!(scheme.default_name(), name);
            assert!(is_name(name), "{name}");
        }
        for bad in ["", "a b", "a/b", "ä", "a#"] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }

    #[test]
    fn seed19_both_forms_of_a_scheme_say_the_same() {
        let schemes = [
            Scheme::Cookie("cookie".into()),
            Scheme::Header("x-session".into()),
            Scheme::Query("ticket".into()),
            Scheme::Bearer,
        ];
        for scheme in schemes {
            assert_eq!(serde_json::to_value(scheme.to_utoipa()).unwrap(), scheme.to_json());
        }
    }
}
