//! Writes what layers want into a document.

use std::collections::BTreeMap;

use utoipa::Modify;
use utoipa::openapi::{Components, OpenApi, RefOr};

use super::operations::{self, Operations};
use super::refusals;
use super::scheme::Scheme;
use super::security::{Security, accept, add};
use crate::ConfigError;

/// What a document says about sessions: which [operations](Operations) want
/// [which](Security). A [`Modify`] of utoipa.
///
/// Each chosen operation gets the layer's schemes as `security`, any of which suffices, and its
/// refusals as responses; one that is chosen twice wants both. The document gets the schemes.
///
/// ```
/// use sessile::openapi::{Operations, Security, SessionDocs};
/// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
/// # let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
/// # #[derive(utoipa::OpenApi)]
/// # #[openapi(paths(me))]
/// # struct Api;
/// # #[utoipa::path(get, path = "/me", responses((status = 200)))]
/// # async fn me() {}
/// use utoipa::{Modify, OpenApi};
/// let mut document = Api::openapi();
/// let docs = SessionDocs::new().guard(Operations::all_but(["POST /log_in"]), Security::of(&sessions));
/// docs.modify(&mut document);
/// assert!(document.components.unwrap().security_schemes.contains_key("cookie.__Host-sid"));
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "it does nothing until it modifies a document"]
pub struct SessionDocs {
    rules: Vec<(Operations, Security)>,
    schemes: BTreeMap<String, Scheme>,
}

impl SessionDocs {
    /// Says nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that these operations want this.
    ///
    /// # Panics
    /// If two different schemes have one name.
    #[track_caller]
    pub fn guard(self, operations: Operations, security: Security) -> Self {
        accept(self.try_guard(operations, security))
    }

    /// [`guard`](Self::guard) for layers that are put together at run time.
    ///
    /// ```
    /// use sessile::openapi::{Operations, Security, SessionDocs};
    /// use sessile::transport::Cookie;
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// # let layer = |name| SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    /// #     .transport(Cookie::named(name));
    /// let users = Security::of(&layer("user")).named("user", "SessionCookie");
    /// let admins = Security::of(&layer("admin")).named("admin", "SessionCookie");
    /// let docs = SessionDocs::new().guard(Operations::tagged("user"), users);
    /// let error = docs.try_guard(Operations::tagged("admin"), admins).unwrap_err();
    /// assert!(error.to_string().contains("Security::named"), "{error}");
    /// ```
    ///
    /// # Errors
    /// If two different schemes have one name.
    pub fn try_guard(
        mut self,
        operations: Operations,
        security: Security,
    ) -> Result<Self, ConfigError> {
        for (name, scheme) in security.known() {
            add(&mut self.schemes, name, scheme)?;
        }
        self.rules.push((operations, security));
        Ok(self)
    }

    /// Writes it all into a document; [`modify`](Modify::modify) that does not panic.
    ///
    /// ```
    /// use sessile::openapi::{Operations, Security, SessionDocs};
    /// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// # let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// # #[derive(utoipa::OpenApi)]
    /// # #[openapi(paths())]
    /// # struct Api;
    /// use utoipa::OpenApi;
    /// let docs = SessionDocs::new().guard(Operations::tagged("membres"), Security::of(&sessions));
    /// let error = docs.apply(&mut Api::openapi()).unwrap_err();
    /// assert!(error.to_string().contains("membres"), "{error}"); // no operation has this tag
    /// ```
    ///
    /// # Errors
    /// If the document has another scheme, or another schema, of a name that is used here, or if
    /// a rule chooses none of its operations. The document is then as it was.
    pub fn apply(&self, document: &mut OpenApi) -> Result<(), ConfigError> {
        let mut components = document.components.clone().unwrap_or_default();
        self.add_schemes(&mut components)?;
        refusals::add_schema(&mut components)?;
        let mut paths = document.paths.clone();
        let mut chosen = vec![false; self.rules.len()];
        for (path, item) in &mut paths.paths {
            for (method, operation) in operations::of_path(item) {
                let mut wanted: Option<Security> = None;
                for ((operations, security), chosen) in self.rules.iter().zip(&mut chosen) {
                    if operations.contain(&method, path, operation) {
                        *chosen = true;
                        wanted = Some(match wanted {
                            Some(others) => others.try_and(security.clone())?,
                            None => security.clone(),
                        });
                    }
                }
                if let Some(wanted) = wanted {
                    operation.security.get_or_insert_with(|| wanted.requirement());
                    refusals::document(wanted.refusals(), &mut operation.responses);
                }
            }
        }
        if let Some((_, (operations, _))) = chosen.iter().zip(&self.rules).find(|(one, _)| !**one) {
            return Err(ConfigError::new(format!(
                "{operations:?} chooses no operation of this document: mend the tag or route, or \
                 leave it out"
            )));
        }
        document.components = Some(components);
        document.paths = paths;
        Ok(())
    }

    fn add_schemes(&self, components: &mut Components) -> Result<(), ConfigError> {
        for (name, scheme) in &self.schemes {
            let scheme = RefOr::T(scheme.to_utoipa());
            match components.security_schemes.get(name) {
                Some(other) if *other != scheme => {
                    return Err(ConfigError::new(format!(
                        "the document has another security scheme named `{name}`: give the \
                         session's another name with `Security::named(..)`"
                    )));
                }
                Some(_) => {}
                None => {
                    components.security_schemes.insert(name.clone(), scheme);
                }
            }
        }
        Ok(())
    }
}

/// Panics where [`SessionDocs::apply`] is an error.
impl Modify for SessionDocs {
    fn modify(&self, document: &mut OpenApi) {
        accept(self.apply(document));
    }
}
