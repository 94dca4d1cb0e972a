//! How a session began.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::assurance::Assurance;
use crate::client::Client;
use crate::clock::Timestamp;

/// How a session began: by which client, and how surely its holder proved who they are. Kept
/// beside the session's data, as JSON; `None` in [`Meta`](crate::Meta) where nothing is known.
///
/// ```
/// use sessile::{Assurance, Context};
/// let mut context = Context::default();
/// context.assurance = Some(Assurance::Aal2);
/// context.methods = vec!["pwd".into(), "otp".into()];
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Context {
    /// The client that began it, if the layer records clients.
    pub client: Option<Client>,
    /// How surely its holder proved who they are. Never more than the login was.
    pub assurance: Option<Assurance>,
    /// By which means (`amr` of OpenID Connect; values in RFC 8176).
    pub methods: Vec<Box<str>>,
    /// What an identity provider calls this kind of login (`acr` of OpenID Connect).
    pub acr: Option<Box<str>>,
    /// Numbers of single-use tickets that wait to be used, and until when they may.
    pub(crate) handshakes: Vec<(u32, Timestamp)>,
}

impl Context {
    /// As JSON, for stores: an object without the fields of which nothing is known.
    ///
    /// ```
    /// use sessile::{Assurance, Context};
    /// let mut context = Context::default();
    /// assert_eq!(context.to_json(), "{}");
    /// context.assurance = Some(Assurance::Aal1);
    /// assert_eq!(context.to_json(), r#"{"assurance":"aal1"}"#);
    /// assert_eq!(Context::from_json(&context.to_json()), Some(context));
    /// ```
    pub fn to_json(&self) -> String {
        let mut fields = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                fields.insert(name.to_owned(), value);
            }
        };
        let client = self.client.as_ref();
        put("address", client.and_then(Client::address).map(|address| json!(address.to_string())));
        put("user_agent", client.and_then(Client::user_agent).map(|agent| json!(agent)));
        put("assurance", self.assurance.map(|level| json!(level.as_str())));
        put("methods", (!self.methods.is_empty()).then(|| json!(*self.methods)));
        put("acr", self.acr.as_deref().map(|acr| json!(acr)));
        put(
            "handshakes",
            (!self.handshakes.is_empty()).then(|| {
                let pair = |(number, until): &(u32, Timestamp)| json!([number, until.as_millis()]);
                self.handshakes.iter().map(pair).collect()
            }),
        );
        Value::Object(fields).to_string()
    }

    /// What [`to_json`](Self::to_json) wrote; `None` if it is something else. Fields of later
    /// versions are passed over.
    pub fn from_json(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let fields = value.as_object()?;
        let text = |name: &str| match fields.get(name) {
            None => Some(None),
            Some(value) => value.as_str().map(Some),
        };
        let address = text("address")?.map(str::parse).transpose().ok()?;
        let agent = text("user_agent")?;
        let client = (address.is_some() || agent.is_some()).then(|| Client::new(address, agent));
        let assurance = match text("assurance")? {
            None => None,
            Some(name) => Some(Assurance::parse(name)?),
        };
        let methods = match fields.get("methods") {
            None => Vec::new(),
            Some(methods) => {
                let methods =
                    methods.as_array()?.iter().map(|method| Some(method.as_str()?.into()));
                methods.collect::<Option<_>>()?
            }
        };
        let handshake = |pair: &Value| {
            let number = u32::try_from(pair.get(0)?.as_u64()?).ok()?;
            Some((number, Timestamp::from_millis(pair.get(1)?.as_u64()?)))
        };
        let handshakes = match fields.get("handshakes") {
            None => Vec::new(),
            Some(pairs) => pairs.as_array()?.iter().map(handshake).collect::<Option<_>>()?,
        };
        let acr = text("acr")?.map(Into::into);
        Some(Self { client, assurance, methods, acr, handshakes })
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("assurance", &self.assurance)
            .field("methods", &self.methods)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_comes_back_from_json() {
        let full = Context {
            client: Some(Client::new("2001:db8::1".parse().ok(), Some("curl/8 \"q\" \u{1f980}"))),
            assurance: Some(Assurance::Aal2),
            methods: vec!["pwd".into(), "otp".into()],
            acr: Some("urn:mace:gold".into()),
            handshakes: vec![(u32::MAX, Timestamp::from_millis(1)), (0, Timestamp::from_millis(2))],
        };
        for context in [Context::default(), full] {
            assert_eq!(Context::from_json(&context.to_json()).unwrap(), context);
        }
        let later = r#"{"acr":"x","phase_of_the_moon":3}"#;
        assert_eq!(Context::from_json(later).unwrap().acr.as_deref(), Some("x"));
        for bad in [
            "",
            "[]",
            "null",
            r#"{"acr":1}"#,
            r#"{"assurance":"aal9"}"#,
            r#"{"address":"here"}"#,
            r#"{"methods":"pwd"}"#,
            r#"{"methods":[1]}"#,
            r#"{"handshakes":[7]}"#,
        ] {
            assert_eq!(Context::from_json(bad), None, "{bad}");
        }
    }
}
