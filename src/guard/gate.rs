//! What all guards do: find the session, ask the guard, word the refusal.

use std::sync::Arc;
#[cfg(feature = "tonic")]
use std::sync::LazyLock;

#[cfg(feature = "axum")]
use http::request::Parts;
use http::{Extensions, HeaderMap, Method, Request, Response, Uri};

use super::{Attempt, Guard};
use crate::log;
use crate::record::SessionData;
use crate::refusal::{Asked, Bodies, Denied, Refusal, Refusals, Target};
use crate::routes::Routes;
use crate::session::{Active, LazySession, Session};

/// A guard and what it says.
pub(crate) struct Gate<T> {
    guard: Option<Arc<dyn Guard<T>>>,
    acts: Option<fn(&Method) -> bool>,
    pub(crate) refusals: Option<Refusals>,
    pub(crate) bodies: Bodies,
    pub(crate) open: Routes,
}

/// The head of a request.
#[derive(Clone, Copy)]
pub(crate) struct Asking<'r> {
    pub(crate) method: &'r Method,
    pub(crate) uri: &'r Uri,
    pub(crate) headers: &'r HeaderMap,
    pub(crate) extensions: &'r Extensions,
    /// It is a gRPC request, whatever its headers say.
    grpc: bool,
}

impl<'r> Asking<'r> {
    pub(crate) fn of<B>(request: &'r Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
            grpc: false,
        }
    }

    #[cfg(feature = "axum")]
    pub(crate) const fn of_parts(parts: &'r Parts) -> Self {
        Self {
            method: &parts.method,
            uri: &parts.uri,
            headers: &parts.headers,
            extensions: &parts.extensions,
            grpc: false,
        }
    }

    /// What tonic leaves of a request: every gRPC request is a POST, and its path is gone.
    #[cfg(feature = "tonic")]
    pub(crate) fn of_grpc(headers: &'r HeaderMap, extensions: &'r Extensions) -> Self {
        static NOWHERE: LazyLock<Uri> = LazyLock::new(|| Uri::from_static("/"));
        Self { method: &Method::POST, uri: &NOWHERE, headers, extensions, grpc: true }
    }

    /// In which form it wants to be refused.
    fn asked(self) -> Asked {
        if self.grpc {
            return Asked::Grpc;
        }
        let uri = self.extensions.get::<Target>().map_or(self.uri, |target| &target.0);
        Asked::of(self.method, uri, self.headers)
    }
}

impl<T: SessionData> Gate<T> {
    pub(super) fn new(guard: Option<Arc<dyn Guard<T>>>) -> Self {
        Self {
            guard,
            acts: None,
            refusals: None,
            bodies: Bodies::default(),
            open: Routes::default(),
        }
    }

    /// A gate about what is done with a session, by methods that are acts: requests by other
    /// methods, or without a live session, pass unasked.
    pub(crate) fn of_acts(guard: Arc<dyn Guard<T>>, acts: fn(&Method) -> bool) -> Self {
        Self { acts: Some(acts), ..Self::new(Some(guard)) }
    }

    #[inline]
    pub(super) fn is_open(&self, asking: Asking<'_>) -> bool {
        self.acts.is_some_and(|is_act| !is_act(asking.method))
            || self.open.contain(asking.method, asking.uri.path())
    }

    pub(super) fn check(&self, session: &Session<T>, asking: Asking<'_>) -> Result<(), Denied> {
        if self.acts.is_some() && active(session).is_err() {
            return Ok(()); // nobody acts
        }
        match &self.guard {
            Some(guard) => permitted(session, &**guard, asking).map(drop),
            None => Ok(active(session).map(drop)?),
        }
    }

    pub(super) fn refuse<R>(&self, denied: Denied, asking: Asking<'_>) -> Response<R>
    where
        R: Default + 'static,
    {
        let text = render::<T>(denied, self.refusals.as_ref(), asking);
        let (session, lazy) = found::<T>(asking.extensions);
        let inner = session.map(|session| &session.0).or_else(|| lazy.map(|lazy| &lazy.0));
        match inner {
            Some(inner) if self.bodies.is_empty() => inner.shared.bodies.render(text),
            _ => self.bodies.render(text),
        }
    }
}

impl<T> Clone for Gate<T> {
    fn clone(&self) -> Self {
        Self {
            guard: self.guard.clone(),
            acts: self.acts,
            refusals: self.refusals.clone(),
            bodies: self.bodies.clone(),
            open: self.open.clone(),
        }
    }
}

/// The session of these extensions, loaded if need be.
pub(crate) async fn session<T: SessionData>(
    eager: Option<Session<T>>,
    lazy: Option<LazySession<T>>,
) -> Result<Session<T>, Refusal> {
    match (eager, lazy) {
        (Some(session), _) => Ok(session),
        (None, Some(lazy)) => lazy.load().await.map_err(|error| error.refusal()),
        (None, None) => {
            log::missing_layer(std::any::type_name::<T>());
            Err(Refusal::MissingLayer)
        }
    }
}

/// The handle in a request's extensions: one kind or the other, whichever the layer put there.
pub(crate) fn handles<T: SessionData>(
    extensions: &Extensions,
) -> (Option<Session<T>>, Option<LazySession<T>>) {
    match Session::from_extensions(extensions) {
        Some(eager) => (Some(eager.clone()), None),
        None => (None, LazySession::from_extensions(extensions).cloned()),
    }
}

fn found<T: SessionData>(
    extensions: &Extensions,
) -> (Option<&Session<T>>, Option<&LazySession<T>>) {
    (Session::from_extensions(extensions), LazySession::from_extensions(extensions))
}

/// The live session behind a handle.
pub(crate) fn active<T: SessionData>(session: &Session<T>) -> Result<Active<T>, Refusal> {
    Active::from_session(session).ok_or_else(|| session.status().refusal())
}

/// The live session behind a handle, if the guard lets it pass.
pub(crate) fn permitted<T: SessionData>(
    session: &Session<T>,
    guard: &(impl Guard<T> + ?Sized),
    asking: Asking<'_>,
) -> Result<Active<T>, Denied> {
    let active = active(session)?;
    guard.check(&Attempt::new(&active, asking))?;
    Ok(active)
}

/// A refusal in the words of the guard, else of the session's layer, else the default ones.
pub(crate) fn render<T: SessionData>(
    denied: Denied,
    own: Option<&Refusals>,
    asking: Asking<'_>,
) -> Response<String> {
    let (session, lazy) = found::<T>(asking.extensions);
    let shared = session.map(|session| &session.0).or_else(|| lazy.map(|lazy| &lazy.0));
    let shared = shared.map(|inner| &inner.shared);
    let default = Refusals::problem();
    let refusals = own.or_else(|| shared.map(|shared| &shared.refusals)).unwrap_or(&default);
    let challenge = shared.and_then(|shared| shared.challenge());
    refusals.render(denied, challenge, &asking.asked())
}
