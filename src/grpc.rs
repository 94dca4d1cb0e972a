//! The session of a tonic request.

use std::future::Future;

use tonic::{Code, Request, Status};

use crate::error::{Error, ErrorKind};
use crate::guard::{active, handles, session};
use crate::record::SessionData;
use crate::refusal::Refusal;
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
}

impl<M> SessionRequest for Request<M> {
    fn session<T: SessionData>(
        &self,
    ) -> impl Future<Output = Result<Session<T>, Status>> + Send + use<M, T> {
        let (eager, lazy) = handles::<T>(self.extensions());
        async move { session(eager, lazy).await.map_err(status) }
    }

    fn active<T: SessionData>(
        &self,
    ) -> impl Future<Output = Result<Active<T>, Status>> + Send + use<M, T> {
        let (eager, lazy) = handles::<T>(self.extensions());
        async move { active(&session(eager, lazy).await.map_err(status)?).map_err(status) }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let code = match error.kind() {
            ErrorKind::NoSession | ErrorKind::Gone => Code::Unauthenticated,
            ErrorKind::Conflict => Code::Aborted,
            ErrorKind::Limit => Code::ResourceExhausted,
            ErrorKind::Store | ErrorKind::Unknown => Code::Unavailable,
            _ => Code::Internal,
        };
        // The text names no more than the kind; the cause is for the operator's log.
        Self::new(code, Error::new(error.kind()).to_string())
    }
}

fn status(refusal: Refusal) -> Status {
    Status::new(Code::from(i32::from(refusal.grpc_code())), refusal.detail())
}

#[expect(unnameable_types, reason = "sealed: nobody else implements the trait")]
mod sealed {
    pub trait Sealed {}

    impl<M> Sealed for tonic::Request<M> {}
}
