//! A request on its way: load, serve, save, answer.

use std::any::type_name;
use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{HeaderMap, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::commit::Commit;
use crate::entry::Loading;
use crate::error::ErrorKind;
use crate::finish::finish;
use crate::log;
use crate::plan::Outcome;
use crate::record::SessionData;
use crate::refusal::{Refusal, is_grpc};
use crate::response::{Privacy, guard_caches};
use crate::session::{Base, Inner, LazySession, Left, Owed, Session};
use crate::shared::Shared;

pin_project! {
    /// The response of a [`SessionService`](crate::SessionService). A request that finds its
    /// session at once is served without a box and without a clone of the inner service.
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
    grpc: bool,
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
    ) -> Self {
        Self { step: Step::Load { loading, request: Some(request), ready, shared } }
    }

    pub(crate) fn refuse(shared: &Arc<Shared<T>>, refusal: Refusal, request: &Request<B>) -> Self {
        Self { step: refuse(shared, refusal, is_grpc(request.headers())) }
    }

    #[inline(always)]
    pub(crate) fn serve(
        service: &mut S,
        shared: &Arc<Shared<T>>,
        request: Request<B>,
        base: Base<T>,
    ) -> Self {
        Self { step: serve(service, shared, request, base) }
    }
}

/// The inner service, with the session in the request's extensions.
#[inline(always)] // the request is large: it is moved once
fn serve<S, T, B>(
    service: &mut S,
    shared: &Arc<Shared<T>>,
    mut request: Request<B>,
    base: Base<T>,
) -> Step<S, T, B, S::Future, S::Response, S::Error>
where
    S: Service<Request<B>>,
    T: SessionData,
{
    let session = Inner::new(Arc::clone(shared), base);
    let extensions = request.extensions_mut();
    let twice = if shared.lazy {
        extensions.insert(LazySession(Arc::clone(&session))).is_some()
            || extensions.get::<Session<T>>().is_some()
    } else {
        extensions.insert(Session(Arc::clone(&session))).is_some()
            || extensions.get::<LazySession<T>>().is_some()
    };
    if twice {
        log::duplicate_layer(type_name::<T>());
        return refuse(shared, Refusal::DuplicateLayer, is_grpc(request.headers()));
    }
    Step::Serve { response: service.call(request), session }
}

fn refuse<S, T, B, F, R, E>(
    shared: &Arc<Shared<T>>,
    refusal: Refusal,
    grpc: bool,
) -> Step<S, T, B, F, R, E> {
    Step::Refuse { refused: Some(Refused { refusal, grpc, shared: Arc::clone(shared) }) }
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
                StepProjection::Load { loading, request, ready, shared } => {
                    let loaded = ready!(Pin::new(&mut loading.answer).poll(cx));
                    let Some(request) = request.take() else { return Poll::Pending };
                    match shared
                        .accept(loading.presented, loaded, loading.now, || loading.clearable)
                    {
                        Ok(base) => serve(ready, shared, request, base),
                        Err(_) => {
                            let grpc = is_grpc(request.headers());
                            refuse(shared, Refusal::StoreUnavailable, grpc)
                        }
                    }
                }
                StepProjection::Serve { response, session } => {
                    let result = ready!(response.poll(cx));
                    // The guard must go before the arms: they lock again.
                    let left = session.state().close();
                    match left {
                        Left::Nothing => return Poll::Ready(result),
                        Left::Caches => {
                            return Poll::Ready(result.map(|mut response| {
                                let reads = &session.shared.reads;
                                guard_caches(response.headers_mut(), Privacy::Private, reads);
                                response
                            }));
                        }
                        Left::Commit => {}
                    }
                    let outcome = outcome(&result, session.shared.keep_edits_on_server_error);
                    let commit = Commit::new(Arc::clone(session), outcome);
                    Step::Save { commit, result: Some(result) }
                }
                StepProjection::Save { commit, result } => {
                    let saved = ready!(commit.poll(cx));
                    let Some(result) = result.take() else { return Poll::Pending };
                    return Poll::Ready(result.map(|mut response| {
                        let refusal = match saved {
                            Ok(()) => send(commit.session(), response.headers_mut()).err(),
                            Err(error) => refusal(error.kind()),
                        };
                        match refusal {
                            None => response,
                            Some(refusal) => {
                                let grpc = is_grpc(response.headers());
                                respond(&commit.session().shared, refusal, grpc)
                            }
                        }
                    }));
                }
                StepProjection::Refuse { refused } => {
                    let Some(Refused { refusal, grpc, shared }) = refused.take() else {
                        return Poll::Pending;
                    };
                    return Poll::Ready(Ok(respond(&shared, refusal, grpc)));
                }
            };
            step.set(next);
        }
    }
}

/// Puts on the response what the commit decided.
fn send<T>(session: &Inner<T>, headers: &mut HeaderMap) -> Result<(), Refusal> {
    let (owed, touched) = {
        let mut state = session.state();
        (mem::replace(&mut state.owed, Owed::Nothing), state.touched)
    };
    finish(&session.shared, owed, touched, headers)
}

fn respond<T: 'static, R: Default + 'static>(
    shared: &Shared<T>,
    refusal: Refusal,
    grpc: bool,
) -> Response<R> {
    let response = shared.refusals.render(refusal, shared.challenge(), grpc);
    shared.bodies.render(response)
}

/// Which refusal takes the place of a response whose session could not be saved. That somebody
/// else ended the session meanwhile is no reason for one: the response goes out as it is.
const fn refusal(failed: ErrorKind) -> Option<Refusal> {
    match failed {
        ErrorKind::Gone => None,
        ErrorKind::Conflict => Some(Refusal::Conflict),
        ErrorKind::Limit => Some(Refusal::LimitReached),
        ErrorKind::Store => Some(Refusal::StoreUnavailable),
        _ => Some(Refusal::Internal),
    }
}

/// How the inner service fared. gRPC says so in a header of its own when it fails at once.
fn outcome<R, E>(result: &Result<Response<R>, E>, keep_edits: bool) -> Outcome {
    let Ok(response) = result else { return Outcome::Errored };
    let failed = response.status().is_server_error()
        || (response.status() == StatusCode::OK && is_grpc_failure(response));
    if failed && !keep_edits { Outcome::Failed } else { Outcome::Answered }
}

/// Unknown, internal, unavailable and data loss are the server's fault.
fn is_grpc_failure<R>(response: &Response<R>) -> bool {
    let status = response.headers().get("grpc-status");
    status.is_some_and(|code| ["2", "13", "14", "15"].iter().any(|fault| code == fault))
}

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
