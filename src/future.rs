//! A request on its way: load, serve, save, answer.

use std::any::type_name;
use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::client::Client;
use crate::commit::Commit;
use crate::entry::Loading;
use crate::error::{Error, ErrorKind};
use crate::finish::finish;
use crate::log;
use crate::plan::Outcome;
use crate::record::SessionData;
use crate::refusal::{Asked, Refusal, Target, is_grpc};
use crate::session::{Base, Inner, LazySession, Left, Mounted, Owed, Session};
use crate::shared::Shared;

pin_project! {
    /// The response of a [`SessionService`](crate::SessionService). A request that finds its
    /// session at once is served without a box and without a clone of the inner service.
    ///
    /// Its name is for services of yours that wrap one and box nothing either:
    ///
    /// ```
    /// # use std::task::{Context, Poll};
    /// use http::{Request, Response};
    /// use sessile::{ResponseFuture, SessionService, Values};
    /// use tower::Service;
    ///
    /// struct Front<S>(SessionService<S, Values>);
    ///
    /// impl<S, B, R> Service<Request<B>> for Front<S>
    /// where
    ///     S: Service<Request<B>, Response = Response<R>> + Clone,
    ///     R: Default + 'static,
    /// {
    ///     type Response = Response<R>;
    ///     type Error = S::Error;
    ///     type Future = ResponseFuture<S, Values, B>;
    /// #   fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
    /// #       self.0.poll_ready(cx)
    /// #   }
    ///
    ///     fn call(&mut self, request: Request<B>) -> Self::Future {
    ///         self.0.call(request)
    ///     }
    /// }
    /// ```
    pub struct ResponseFuture<S, T, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        step: Step<S, T, B, S::Future, S::Response, S::Error>,
    }
}

pin_project! {
    #[project = StepProjection]
    enum Step<S, T, B, F, R, E> {
        Load {
            loading: Loading<T>,
            // Taken when the session is there.
            request: Option<Request<B>>,
            ready: S,
            shared: Arc<Shared<T>>,
            client: Option<Arc<Client>>,
        },
        Serve {
            #[pin]
            response: F,
            session: Arc<Inner<T>>,
        },
        Save {
            commit: Commit<T>,
            // Taken when it is saved.
            result: Option<Result<R, E>>,
        },
        Refuse {
            refused: Option<Refused<T>>,
        },
    }
}

/// A refusal that waits to be sent.
struct Refused<T> {
    refusal: Refusal,
    asked: Asked,
    shared: Arc<Shared<T>>,
}

impl<S, T, B, R> ResponseFuture<S, T, B>
where
    S: Service<Request<B>, Response = Response<R>>,
    T: SessionData,
{
    pub(crate) const fn load(
        loading: Loading<T>,
        request: Request<B>,
        ready: S,
        shared: Arc<Shared<T>>,
        client: Option<Arc<Client>>,
    ) -> Self {
        Self { step: Step::Load { loading, request: Some(request), ready, shared, client } }
    }

    pub(crate) fn refuse(shared: &Arc<Shared<T>>, refusal: Refusal, request: &Request<B>) -> Self {
        Self { step: refuse(shared, refusal, Asked::by(request.headers())) }
    }

    #[inline(always)]
    pub(crate) const fn serve(response: S::Future, session: Arc<Inner<T>>) -> Self {
        Self { step: Step::Serve { response, session } }
    }
}

/// Puts the session into a request's extensions; `None` if there is one of the same type already.
#[inline(always)]
pub(crate) fn mount<T: SessionData, B>(
    shared: &Arc<Shared<T>>,
    request: &mut Request<B>,
    base: Base<T>,
    client: Option<Arc<Client>>,
) -> Option<Arc<Inner<T>>> {
    let session = Inner::new(Arc::clone(shared), base, client);
    let handle = Arc::clone(&session);
    let mounted = if shared.lazy {
        Mounted::Lazy(LazySession(handle))
    } else {
        Mounted::Eager(Session(handle))
    };
    if shared.refusals.has_pages() {
        let target = Target(request.uri().clone());
        request.extensions_mut().insert(target);
    }
    if request.extensions_mut().insert(mounted).is_some() {
        log::duplicate_layer(type_name::<T>());
        return None;
    }
    Some(session)
}

fn refuse<S, T, B, F, R, E>(
    shared: &Arc<Shared<T>>,
    refusal: Refusal,
    asked: Asked,
) -> Step<S, T, B, F, R, E> {
    Step::Refuse { refused: Some(Refused { refusal, asked, shared: Arc::clone(shared) }) }
}

impl<S, T, B, R> Future for ResponseFuture<S, T, B>
where
    S: Service<Request<B>, Response = Response<R>>,
    T: SessionData,
    R: Default + 'static,
{
    type Output = Result<Response<R>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut step = self.project().step;
        loop {
            let next = match step.as_mut().project() {
                StepProjection::Load { loading, request, ready, shared, client } => {
                    let Some(asking) = request.as_ref() else { return Poll::Pending };
                    let asker = (asking.headers(), client.as_ref());
                    let base = ready!(loading.poll(cx, shared, asker));
                    let Some(mut request) = request.take() else { return Poll::Pending };
                    let session = match base {
                        Ok(base) => mount(shared, &mut request, base, client.take())
                            .ok_or(Refusal::DuplicateLayer),
                        Err(_) => Err(Refusal::StoreUnavailable),
                    };
                    match session {
                        Ok(session) => Step::Serve { response: ready.call(request), session },
                        Err(refusal) => refuse(shared, refusal, Asked::by(request.headers())),
                    }
                }
                StepProjection::Serve { response, session } => {
                    // Handed on as it is, where possible: a response is large to move.
                    let mut polled = response.poll(cx);
                    let Poll::Ready(result) = &mut polled else { return Poll::Pending };
                    match session.close() {
                        Left::Nothing => return polled,
                        Left::Caches => {
                            answer(session, Owed::Nothing, result);
                            return polled;
                        }
                        Left::Commit => {}
                    }
                    let outcome = outcome(result, session.shared.keep_edits_on_server_error);
                    let mut commit = Commit::new(Arc::clone(session), outcome);
                    if let Poll::Ready(saved) = commit.poll(cx) {
                        conclude(session, saved, result);
                        return polled;
                    }
                    let Poll::Ready(result) = polled else { return Poll::Pending };
                    Step::Save { commit, result: Some(result) }
                }
                StepProjection::Save { commit, result } => {
                    let saved = ready!(commit.poll(cx));
                    let Some(mut result) = result.take() else { return Poll::Pending };
                    conclude(commit.session(), saved, &mut result);
                    return Poll::Ready(result);
                }
                StepProjection::Refuse { refused } => {
                    let Some(Refused { refusal, asked, shared }) = refused.take() else {
                        return Poll::Pending;
                    };
                    return Poll::Ready(Ok(respond(&shared, refusal, &asked)));
                }
            };
            step.set(next);
        }
    }
}

/// Puts on the response what the commit has left. That somebody else ended the session meanwhile is
/// no reason for a refusal: the response goes out as it is.
fn conclude<T: SessionData, R: Default + 'static, E>(
    session: &Inner<T>,
    saved: Result<(), Error>,
    result: &mut Result<Response<R>, E>,
) {
    let owed = mem::replace(&mut session.state().owed, Owed::Nothing);
    match saved {
        Err(error) if error.kind() != ErrorKind::Gone => {
            refuse_instead(session, error.refusal(), owed, result);
        }
        _ => answer(session, owed, result),
    }
}

/// Puts on the response what is owed, or a refusal in its place if that cannot be.
fn answer<T: SessionData, R: Default + 'static, E>(
    session: &Inner<T>,
    owed: Owed,
    result: &mut Result<Response<R>, E>,
) {
    let Ok(response) = result else { return };
    let touched = session.was_touched();
    let headers = response.headers_mut();
    if let Err(refusal) = finish(&session.shared, owed, session, touched, headers) {
        refuse_instead(session, refusal, Owed::Nothing, result);
    }
}

/// Puts a refusal in the response's place. A commit before the one that failed may have issued or
/// ended a ticket: that the client must know all the same.
#[cold]
fn refuse_instead<T: SessionData, R: Default + 'static, E>(
    session: &Inner<T>,
    refusal: Refusal,
    owed: Owed,
    result: &mut Result<Response<R>, E>,
) {
    let Ok(response) = result else { return };
    let shared = &session.shared;
    let asked = Asked::by(response.headers());
    *response = respond(shared, refusal, &asked);
    if finish(shared, owed, session, false, response.headers_mut()).is_err() {
        *response = respond(shared, refusal, &asked); // without what does not fit
    }
}

fn respond<T: 'static, R: Default + 'static>(
    shared: &Shared<T>,
    refusal: Refusal,
    asked: &Asked,
) -> Response<R> {
    let response = shared.refusals.render(refusal.into(), shared.challenge(), asked);
    shared.bodies.render(response)
}

/// How the inner service fared. gRPC says so in a header of its own when it fails at once.
fn outcome<R, E>(result: &Result<Response<R>, E>, keep_edits: bool) -> Outcome {
    let Ok(response) = result else { return Outcome::Errored };
    let failed = response.status().is_server_error()
        || (response.status() == StatusCode::OK && is_grpc_failure(response));
    if failed && !keep_edits { Outcome::Failed } else { Outcome::Answered }
}

/// Unknown, internal, unavailable and data loss are the server's fault. What is not of gRPC's
/// content type is no answer of gRPC, whatever else it says.
fn is_grpc_failure<R>(response: &Response<R>) -> bool {
    let fault = |code: &HeaderValue| ["2", "13", "14", "15"].iter().any(|fault| code == fault);
    let headers = response.headers();
    // It takes two headers to say so: most handlers set one, and are spared the search for it.
    headers.len() > 1 && is_grpc(headers) && headers.get(&GRPC_STATUS).is_some_and(fault)
}

/// Made once: to look a name up by its text is to parse it (300 instructions).
static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

impl<S, T, B> fmt::Debug for ResponseFuture<S, T, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.step {
            Step::Load { .. } => "ResponseFuture::Load",
            Step::Serve { .. } => "ResponseFuture::Serve",
            Step::Save { .. } => "ResponseFuture::Save",
            Step::Refuse { .. } => "ResponseFuture::Refuse",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_by_status_or_by_what_grpc_says_at_once() {
        let cases = [
            ("ok", 200, "text/plain", None, Outcome::Answered),
            ("the client's fault", 404, "text/plain", None, Outcome::Answered),
            ("the server's fault", 500, "text/plain", None, Outcome::Failed),
            ("gRPC, in trailers", 200, "application/grpc", None, Outcome::Answered),
            ("gRPC, ok at once", 200, "application/grpc", Some("0"), Outcome::Answered),
            ("gRPC, not found", 200, "application/grpc", Some("5"), Outcome::Answered),
            ("gRPC, unknown", 200, "application/grpc", Some("2"), Outcome::Failed),
            ("gRPC, internal", 200, "application/grpc+proto", Some("13"), Outcome::Failed),
            ("gRPC-web, unavailable", 200, "application/grpc-web", Some("14"), Outcome::Failed),
            ("a word of gRPC's elsewhere", 200, "text/plain", Some("13"), Outcome::Answered),
        ];
        for (name, status, content_type, grpc_status, expected) in cases {
            let mut response =
                Response::builder().status(status).header("content-type", content_type);
            if let Some(code) = grpc_status {
                response = response.header("grpc-status", code);
            }
            let result = Ok::<_, ()>(response.body(()).unwrap());
            assert_eq!(outcome(&result, false), expected, "{name}");
            assert_eq!(outcome(&result, true), Outcome::Answered, "{name}, edits kept");
        }
        assert_eq!(outcome(&Err::<Response<()>, _>(()), true), Outcome::Errored);
    }
}
