//! Which operations of a document are meant.

use std::fmt;
use std::sync::Arc;

use http::Method;
use utoipa::openapi::path::{Operation, PathItem};

use crate::routes::Routes;

/// Chooses operations of a document: by tag, by route, or by a rule of your own.
///
/// ```
/// use sessile::openapi::Operations;
/// let by_tag = Operations::tagged("members");
/// let by_route = Operations::at(["GET /me", "/admin/*"]);
/// let default_deny = Operations::all_but(["POST /log_in", "/health"]);
/// let by_rule = Operations::those(|method, path, operation| {
///     method.is_safe() && path.starts_with("/reports") && operation.deprecated.is_none()
/// });
/// # let _ = (by_tag, by_route, default_deny, by_rule);
/// ```
#[derive(Clone)]
#[must_use = "it does nothing until it is given to `SessionDocs::guard`"]
pub struct Operations(Choice);

#[derive(Clone)]
enum Choice {
    Tagged(Box<str>),
    At(Routes),
    AllBut(Routes),
    Those(Arc<dyn Fn(&Method, &str, &Operation) -> bool + Send + Sync>),
}

impl Operations {
    /// Those with this tag.
    pub fn tagged(tag: impl Into<Box<str>>) -> Self {
        Self(Choice::Tagged(tag.into()))
    }

    /// Those on these routes, written as in the document: `GET /items/{id}`, `/items` for all
    /// methods, `/items/*` for all below.
    ///
    /// # Panics
    /// If one is in none of these forms.
    #[track_caller]
    pub fn at(routes: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        Self(Choice::At(parse(routes)))
    }

    /// All but those on these routes, as a guard around a whole router has its open ones.
    ///
    /// # Panics
    /// If one is in none of the forms of [`at`](Self::at).
    #[track_caller]
    pub fn all_but(routes: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        Self(Choice::AllBut(parse(routes)))
    }

    /// Those of which this is true.
    pub fn those(
        choose: impl Fn(&Method, &str, &Operation) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self(Choice::Those(Arc::new(choose)))
    }

    pub(super) fn contain(&self, method: &Method, path: &str, operation: &Operation) -> bool {
        match &self.0 {
            Choice::Tagged(tag) => {
                operation.tags.iter().flatten().any(|own| own.as_str() == &**tag)
            }
            Choice::At(routes) => routes.contain(method, path),
            Choice::AllBut(routes) => !routes.contain(method, path),
            Choice::Those(choose) => choose(method, path, operation),
        }
    }
}

impl fmt::Debug for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |routes: &Routes| routes.iter().collect::<Vec<_>>().join(", ");
        match &self.0 {
            Choice::Tagged(tag) => write!(f, "Operations::tagged({tag:?})"),
            Choice::At(routes) => write!(f, "Operations::at({})", list(routes)),
            Choice::AllBut(routes) => write!(f, "Operations::all_but({})", list(routes)),
            Choice::Those(_) => f.write_str("Operations::those(..)"),
        }
    }
}

#[track_caller]
fn parse(texts: impl IntoIterator<Item = impl AsRef<str>>) -> Routes {
    let mut routes = Routes::default();
    for text in texts {
        routes.add(text.as_ref());
    }
    routes
}

/// The operations of one path, with their methods.
pub(super) fn of_path(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let query = Method::from_bytes(b"QUERY").ok();
    let fixed = [
        (Some(Method::GET), &mut item.get),
        (Some(Method::PUT), &mut item.put),
        (Some(Method::POST), &mut item.post),
        (Some(Method::DELETE), &mut item.delete),
        (Some(Method::OPTIONS), &mut item.options),
        (Some(Method::HEAD), &mut item.head),
        (Some(Method::PATCH), &mut item.patch),
        (Some(Method::TRACE), &mut item.trace),
        (query, &mut item.query),
    ];
    let fixed = fixed.into_iter().filter_map(|(method, slot)| Some((method?, slot.as_mut()?)));
    let named = item.additional_operations.iter_mut();
    fixed.chain(named.filter_map(|(name, operation)| {
        Some((Method::from_bytes(name.as_bytes()).ok()?, operation))
    }))
}
