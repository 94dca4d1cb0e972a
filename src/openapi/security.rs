//! What a layer, or several, want to see of a client.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use utoipa::openapi::security::SecurityRequirement;

use super::scheme::{Scheme, is_name};
use crate::{ConfigError, Refusals, SessionData, SessionLayer};

/// How a client shows that it has a session: the security schemes of a layer, any of which
/// suffices.
///
/// ```
/// use sessile::openapi::Security;
/// use sessile::transport::Cookie;
/// use sessile::{Key, SessionLayer, Values, store::MemoryStore};
/// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
///     .transport(Cookie::named("cookie"));
/// let security = Security::of(&sessions).named("cookie", "SessionCookie");
/// let (name, scheme) = security.schemes().next().unwrap(); // for other generators than utoipa
/// assert_eq!(name, "SessionCookie");
/// assert_eq!(scheme.to_string(), r#"{"in":"cookie","name":"cookie","type":"apiKey"}"#);
/// ```
#[derive(Clone, Debug)]
#[must_use = "it does nothing until it is given to `SessionDocs::guard`"]
pub struct Security {
    schemes: BTreeMap<String, Scheme>,
    /// Any of these suffices, each in full.
    alternatives: Vec<BTreeSet<String>>,
    refusals: Vec<Refusals>,
}

impl Security {
    /// The schemes of this layer, in the order in which it tries its transports. One of
    /// handshakes ([`Query`](crate::transport::Query)) is left out: its tickets open no operation
    /// but the handshake that they were issued for, whose own documentation is to name the
    /// parameter.
    ///
    /// # Panics
    /// If one of its transports does not [describe](crate::transport::Transport::describe) itself.
    #[track_caller]
    pub fn of<T: SessionData>(layer: &SessionLayer<T>) -> Self {
        accept(Self::try_of(layer))
    }

    /// [`of`](Self::of) for layers that are put together at run time.
    ///
    /// ```
    /// use sessile::openapi::Security;
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// # let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// assert!(Security::try_of(&sessions).is_ok());
    /// ```
    ///
    /// # Errors
    /// If one of its transports does not describe itself.
    pub fn try_of<T: SessionData>(layer: &SessionLayer<T>) -> Result<Self, ConfigError> {
        let mut security = Self {
            schemes: BTreeMap::new(),
            alternatives: Vec::new(),
            refusals: vec![layer.refusals_in_use().clone()],
        };
        for transport in layer.report().transports.iter().filter(|one| !one.single_use) {
            let scheme = Scheme::of(&transport.description)?;
            let name = scheme.default_name();
            let alternative = BTreeSet::from([name.clone()]);
            // Two transports of one's own may read the same place.
            if !security.alternatives.contains(&alternative) {
                security.alternatives.push(alternative);
            }
            security.schemes.insert(name, scheme);
        }
        Ok(security)
    }

    /// Calls the scheme of the cookie, header or parameter `transport` by this name (`authorization`
    /// for a bearer token), in place of the default.
    ///
    /// # Panics
    /// If no transport has this name, another scheme is called so already, or it is no name for a
    /// component: letters, digits, `.`, `-` and `_`.
    #[track_caller]
    pub fn named(self, transport: &str, scheme: impl Into<String>) -> Self {
        accept(self.try_named(transport, scheme))
    }

    /// [`named`](Self::named) for names that are read at run time.
    ///
    /// ```
    /// use sessile::openapi::Security;
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// # let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// let error = Security::of(&sessions).try_named("sid", "Session").unwrap_err();
    /// assert!(error.to_string().contains("__Host-sid"), "{error}"); // is the name
    /// ```
    ///
    /// # Errors
    /// If no transport has this name, another scheme is called so already, or it is no name for a
    /// component.
    pub fn try_named(
        mut self,
        transport: &str,
        scheme: impl Into<String>,
    ) -> Result<Self, ConfigError> {
        let new = scheme.into();
        if !is_name(&new) {
            return Err(ConfigError::new(format!(
                "{new:?} is no name for a security scheme: use ASCII letters, digits, `.`, `-` \
                 and `_`"
            )));
        }
        let mut found = self.schemes.iter().filter(|(_, known)| known.parts().1 == transport);
        let Some(old) = found.next().map(|(name, _)| name.clone()) else {
            let known: Vec<_> = self.schemes.values().map(|known| known.parts().1).collect();
            return Err(ConfigError::new(format!(
                "no transport is named {transport:?}: there is `{}`",
                known.join("`, `")
            )));
        };
        if let Some(scheme) = self.schemes.remove(&old) {
            add(&mut self.schemes, &new, &scheme)?;
        }
        for alternative in &mut self.alternatives {
            if alternative.remove(&old) {
                alternative.insert(new.clone());
            }
        }
        Ok(self)
    }

    /// What both want: a session of each.
    ///
    /// ```
    /// use sessile::openapi::Security;
    /// use sessile::transport::Cookie;
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// # let layer = |name| SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    /// #     .transport(Cookie::host(name));
    /// # let (users, admins) = (layer("user"), layer("admin"));
    /// let both = Security::of(&users).and(Security::of(&admins));
    /// let either = Security::of(&users).or(Security::of(&admins));
    /// assert_eq!((both.requirement().len(), either.requirement().len()), (1, 2));
    /// ```
    ///
    /// # Panics
    /// If two different schemes have one name.
    #[track_caller]
    pub fn and(self, other: Self) -> Self {
        accept(self.try_and(other))
    }

    /// [`and`](Self::and) for layers that are put together at run time.
    ///
    /// ```
    /// use sessile::openapi::Security;
    /// use sessile::transport::Cookie;
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// # let layer = |name| SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    /// #     .transport(Cookie::named(name));
    /// let users = Security::of(&layer("user")).named("user", "SessionCookie");
    /// let admins = Security::of(&layer("admin")).named("admin", "SessionCookie");
    /// assert!(users.try_and(admins).is_err()); // one of them would hide the other
    /// ```
    ///
    /// # Errors
    /// If two different schemes have one name.
    pub fn try_and(mut self, other: Self) -> Result<Self, ConfigError> {
        let pairs = self
            .alternatives
            .iter()
            .flat_map(|one| other.alternatives.iter().map(|two| one.union(two).cloned().collect()));
        self.alternatives = pairs.collect();
        self.merge(other.schemes, other.refusals)
    }

    /// What either wants: a session of one of them suffices.
    ///
    /// # Panics
    /// If two different schemes have one name.
    #[track_caller]
    pub fn or(self, other: Self) -> Self {
        accept(self.try_or(other))
    }

    /// [`or`](Self::or) for layers that are put together at run time.
    ///
    /// ```
    /// use sessile::openapi::Security;
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// # let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// let security = Security::of(&sessions);
    /// assert_eq!(security.clone().try_or(security)?.requirement().len(), 1); // the same
    /// # Ok::<(), sessile::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// If two different schemes have one name.
    pub fn try_or(mut self, other: Self) -> Result<Self, ConfigError> {
        for alternative in other.alternatives {
            if !self.alternatives.contains(&alternative) {
                self.alternatives.push(alternative);
            }
        }
        self.merge(other.schemes, other.refusals)
    }

    /// The schemes by name, as OpenAPI writes them, for generators other than utoipa.
    pub fn schemes(&self) -> impl Iterator<Item = (&str, Value)> {
        self.schemes.iter().map(|(name, scheme)| (name.as_str(), scheme.to_json()))
    }

    /// What an operation's `security` is to say: any of these suffices.
    pub fn requirement(&self) -> Vec<SecurityRequirement> {
        let none: [&str; 0] = []; // scopes are for OAuth
        let all = |names: &BTreeSet<String>| {
            names.iter().fold(SecurityRequirement::default(), |one, name| one.add(name, none))
        };
        self.alternatives.iter().map(all).collect()
    }

    pub(super) fn known(&self) -> &BTreeMap<String, Scheme> {
        &self.schemes
    }

    pub(super) fn refusals(&self) -> &[Refusals] {
        &self.refusals
    }

    fn merge(
        mut self,
        schemes: BTreeMap<String, Scheme>,
        refusals: Vec<Refusals>,
    ) -> Result<Self, ConfigError> {
        for (name, scheme) in schemes {
            add(&mut self.schemes, &name, &scheme)?;
        }
        self.refusals.extend(refusals);
        Ok(self)
    }
}

/// Adds a scheme, unless another one has its name: a document would show one of the two.
pub(super) fn add(
    schemes: &mut BTreeMap<String, Scheme>,
    name: &str,
    scheme: &Scheme,
) -> Result<(), ConfigError> {
    match schemes.get(name) {
        Some(known) if known != scheme => {
            let ((one, first), (two, second)) = (known.parts(), scheme.parts());
            Err(ConfigError::new(format!(
                "two security schemes are both named `{name}`, for the {one} `{first}` and the \
                 {two} `{second}`: give the second another name with `Security::named(..)`"
            )))
        }
        Some(_) => Ok(()),
        None => {
            schemes.insert(name.to_owned(), scheme.clone());
            Ok(())
        }
    }
}

#[track_caller]
#[expect(clippy::panic, reason = "documented: configuration mistakes fail at construction")]
pub(super) fn accept<V>(configured: Result<V, ConfigError>) -> V {
    match configured {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}
