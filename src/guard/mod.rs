//! Guards: who may pass. [`RequireSession`] lets only requests with a live session through.

mod require;

use http::{Extensions, HeaderMap, Response};

pub use self::require::{RequireFuture, RequireService, RequireSession};
use crate::log;
use crate::record::SessionData;
use crate::refusal::{Refusal, Refusals, is_grpc};
use crate::session::{Active, LazySession, Session};

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

/// The live session behind a handle.
pub(crate) fn active<T: SessionData>(session: &Session<T>) -> Result<Active<T>, Refusal> {
    Active::from_session(session).ok_or_else(|| session.status().refusal())
}

/// A refusal in the words of the guard, else of the session's layer, else the default ones.
pub(crate) fn render<T: SessionData>(
    refusal: Refusal,
    own: Option<&Refusals>,
    session: Option<&Session<T>>,
    lazy: Option<&LazySession<T>>,
    headers: &HeaderMap,
) -> Response<String> {
    let shared = session.map(|session| &session.0).or_else(|| lazy.map(|lazy| &lazy.0));
    let shared = shared.map(|inner| &inner.shared);
    let default = Refusals::problem();
    let refusals = own.or_else(|| shared.map(|shared| &shared.refusals)).unwrap_or(&default);
    let challenge = shared.and_then(|shared| shared.challenge());
    refusals.render(refusal, challenge, is_grpc(headers))
}
