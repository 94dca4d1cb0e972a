//! The session of a tonic request.

use std::future::Future;

use tonic::{Code, Request, Status};

use crate::error::{Error, ErrorKind};
use crate::guard::{Asking, Guard, active, handles, permitted, render, session};
use crate::record::SessionData;
use crate::refusal::Denied;
use crate::session::{Active, Session};

/// Gives a tonic request its session. Loads a lazy one.
///
/// ```
/// use sessile::{SessionRequest, Values};
/// use tonic::{Code, Request, Response, Status};
///
/// async fn log_in(request: Request<()>) -> Result<Response<()>, Status> {
///     request.session::<Values>().await?.create(Values::new())?;
///     Ok(Response::new(()))
/// }
///
/// async fn forget(request: Request<()>) -> Result<Response<()>, Status> {
///     let member = request.active::<Values>().await?; // UNAUTHENTICATED when there is none
///     member.session().update(|values| values.clear())?;
///     Ok(Response::new(()))
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # assert_eq!(log_in(Request::new(())).await.unwrap_err().code(), Code::Internal, "no layer");
/// # assert_eq!(forget(Request::new(())).await.unwrap_err().code(), Code::Internal, "no layer");
/// # }
/// ```
pub trait SessionRequest: sealed::Sealed {
    /// The request's session, live or not.
    ///
    /// # Errors
    /// `INTERNAL` if no layer for `T` stands in front, `UNAVAILABLE` if the store failed.
    fn session<T: SessionData>(
        &self,
    ) -> impl Future<Output = Result<Session<T>, Status>> + Send + use<Self, T>;

    /// The request's live session.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` if there is none, and those of [`session`](Self::session).
    fn active<T: SessionData>(
        &self,
    ) -> impl Future<Output = Result<Active<T>, Status>> + Send + use<Self, T>;

    /// The request's live session, if this guard lets it pass.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sessile::guard::fresh;
    /// use sessile::{SessionRequest, Values};
    /// use tonic::{Code, Request, Response, Status};
    ///
    /// async fn close_account(request: Request<()>) -> Result<Response<()>, Status> {
    ///     let rule = fresh(Duration::from_secs(300));
    ///     let member = request.permitted::<Values>(&rule).await?;
    ///     member.session().destroy()?;
    ///     Ok(Response::new(()))
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let refused = close_account(Request::new(())).await.unwrap_err();
    /// # assert_eq!(refused.code(), Code::Internal, "no layer");
    /// # }
    /// ```
    ///
    /// # Errors
    /// `PERMISSION_DENIED` if the guard says no; `UNAUTHENTICATED` if it wants a fresh or better
    /// log-in, with what would help in the metadatum `www-authenticate` (RFC 9470); and those of
    /// [`active`](Self::active).
    fn permitted<T: SessionData>(
        &self,
        guard: &impl Guard<T>,
    ) -> impl Future<Output = Result<Active<T>, Status>> + Send;
}

impl<M> SessionRequest for Request<M> {
    fn session<T: SessionData>(
        &self,
    ) -> impl Future<Output = Result<Session<T>, Status>> + Send + use<M, T> {
        let (eager, lazy) = handles::<T>(self.extensions());
        async move { session(eager, lazy).await.map_err(|refusal| plain(refusal.into())) }
    }

    fn active<T: SessionData>(
        &self,
    ) -> impl Future<Output = Result<Active<T>, Status>> + Send + use<M, T> {
        let (eager, lazy) = handles::<T>(self.extensions());
        async move {
            let session = session(eager, lazy).await.map_err(|refusal| plain(refusal.into()))?;
            active(&session).map_err(|refusal| plain(refusal.into()))
        }
    }

    fn permitted<T: SessionData>(
        &self,
        guard: &impl Guard<T>,
    ) -> impl Future<Output = Result<Active<T>, Status>> + Send {
        // Not the request itself: its message need not be `Sync`.
        let (headers, extensions) = (self.metadata().as_ref(), self.extensions());
        let (eager, lazy) = handles::<T>(extensions);
        async move {
            let asking = Asking::of_grpc(headers, extensions);
            let session = session(eager, lazy).await.map_err(Denied::from);
            session
                .and_then(|session| permitted(&session, guard, asking))
                .map_err(|denied| worded::<T>(denied, asking))
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let code = match error.kind() {
            ErrorKind::NoSession | ErrorKind::Gone => Code::Unauthenticated,
            ErrorKind::Conflict => Code::Aborted,
            ErrorKind::Limit | ErrorKind::TooLarge => Code::ResourceExhausted,
            ErrorKind::Store | ErrorKind::Unknown => Code::Unavailable,
            _ => Code::Internal,
        };
        // The text names no more than the kind; the cause is for the operator's log.
        Self::new(code, Error::new(error.kind()).to_string())
    }
}

fn plain(denied: Denied) -> Status {
    Status::new(code(denied), denied.refusal().detail())
}

/// In the words of the session's layer, and with what would help.
fn worded<T: SessionData>(denied: Denied, asking: Asking<'_>) -> Status {
    let response = render::<T>(denied, None, asking);
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    let detail = header("grpc-message").unwrap_or_else(|| denied.refusal().detail());
    let mut status = Status::new(code(denied), detail);
    if let Some(challenge) = header("www-authenticate").and_then(|text| text.parse().ok()) {
        status.metadata_mut().insert("www-authenticate", challenge);
    }
    status
}

fn code(denied: Denied) -> Code {
    Code::from(i32::from(denied.refusal().grpc_code()))
}

#[expect(unnameable_types, reason = "sealed: nobody else implements the trait")]
mod sealed {
    pub trait Sealed {}

    impl<M> Sealed for tonic::Request<M> {}
}
