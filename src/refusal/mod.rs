//! How a request is refused: a typed reason, rendered as problem+json, as a gRPC status, as a way
//! to the login page, or in the words of another system.

mod asked;
mod bodies;
mod denied;
mod refusals;
mod render;
mod return_to;

use http::StatusCode;

pub(crate) use self::asked::{Asked, Target};
pub(crate) use self::bodies::{Bodies, is_grpc};
pub use self::denied::Denied;
pub use self::refusals::Refusals;
pub use self::return_to::ReturnTo;
use crate::error::{Error, ErrorKind};

/// Why a request was refused. The response carries it in its extensions, for middleware outside.
///
/// ```
/// use http::Response;
/// use sessile::{Refusal, Refusals};
/// fn wants_login<B>(response: &Response<B>) -> bool {
///     use Refusal::{InvalidTicket, NoTicket, SessionEnded};
///     matches!(response.extensions().get(), Some(NoTicket | InvalidTicket | SessionEnded))
/// }
/// assert!(wants_login(&Refusals::problem().respond(Refusal::NoTicket)));
/// assert!(!wants_login(&Response::new("welcome")));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The route wants a session and the request has no ticket.
    NoTicket,
    /// What stands where the ticket belongs is none of ours: malformed, forged, or two valid ones
    /// of different sessions.
    InvalidTicket,
    /// The ticket is ours but its session has ended or expired.
    SessionEnded,
    /// A [verifier](crate::verify::Verifier) does not accept the session for this request.
    SessionVoid,
    /// Whoever holds the session may not do this.
    Forbidden,
    /// Whoever holds the session may do this, once they have proved again, or better, who they
    /// are (RFC 9470).
    StepUp,
    /// The request comes from another site, or cannot say that it does not.
    CrossSite,
    /// The request lacks the token that pages of this site carry, or has a wrong one.
    CsrfToken,
    /// The subject has as many sessions as it may.
    LimitReached,
    /// What was to be kept in the session is too large.
    TooLarge,
    /// Other writers kept winning; trying again may help.
    Conflict,
    /// The store failed or was too slow.
    StoreUnavailable,
    /// The session cannot be served for a reason that is the server's own.
    Internal,
    /// A guard or extractor found no session layer in front of it.
    MissingLayer,
    /// Two layers of the same session type wrap one route.
    DuplicateLayer,
}

impl Refusal {
    const ALL: usize = 15;

    /// A name that does not change, for programs: `kind` in problem+json.
    ///
    /// ```
    /// use sessile::Refusal;
    /// assert_eq!(Refusal::StepUp.kind(), "step_up");
    /// ```
    pub const fn kind(self) -> &'static str {
        match self {
            Self::NoTicket => "no_ticket",
            Self::InvalidTicket => "invalid_ticket",
            Self::SessionEnded => "session_ended",
            Self::SessionVoid => "session_void",
            Self::Forbidden => "forbidden",
            Self::StepUp => "step_up",
            Self::CrossSite => "cross_site",
            Self::CsrfToken => "csrf_token",
            Self::LimitReached => "limit_reached",
            Self::TooLarge => "too_large",
            Self::Conflict => "conflict",
            Self::StoreUnavailable => "store_unavailable",
            Self::Internal => "internal",
            Self::MissingLayer => "missing_layer",
            Self::DuplicateLayer => "duplicate_layer",
        }
    }

    const fn defaults(self) -> (StatusCode, &'static str) {
        match self {
            Self::NoTicket => (StatusCode::UNAUTHORIZED, "no session provided"),
            Self::InvalidTicket => (StatusCode::UNAUTHORIZED, "invalid session provided"),
            Self::SessionEnded => (StatusCode::UNAUTHORIZED, "the session has ended"),
            Self::SessionVoid => (StatusCode::UNAUTHORIZED, "the session is not accepted"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "not allowed"),
            Self::StepUp => (StatusCode::UNAUTHORIZED, "log in again to do this"),
            Self::CrossSite => (StatusCode::FORBIDDEN, "cross-site request refused"),
            Self::CsrfToken => (StatusCode::FORBIDDEN, "missing or wrong CSRF token"),
            Self::LimitReached => (StatusCode::FORBIDDEN, "too many sessions"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too much for one session"),
            Self::Conflict => (StatusCode::SERVICE_UNAVAILABLE, "the session is busy, try again"),
            Self::StoreUnavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "sessions are unavailable, try again")
            }
            Self::Internal | Self::DuplicateLayer => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal failure of session handling")
            }
            Self::MissingLayer => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal failure of session verification")
            }
        }
    }

    /// The text that a client may see.
    #[cfg(feature = "tonic")]
    pub(crate) const fn detail(self) -> &'static str {
        self.defaults().1
    }

    const fn index(self) -> usize {
        match self {
            Self::NoTicket => 0,
            Self::InvalidTicket => 1,
            Self::SessionEnded => 2,
            Self::SessionVoid => 3,
            Self::Forbidden => 4,
            Self::StepUp => 5,
            Self::CrossSite => 6,
            Self::CsrfToken => 7,
            Self::LimitReached => 8,
            Self::Conflict => 9,
            Self::StoreUnavailable => 10,
            Self::Internal => 11,
            Self::MissingLayer => 12,
            Self::DuplicateLayer => 13,
            Self::TooLarge => 14,
        }
    }

    /// The code of `grpc-status` (grpc/grpc, `statuscodes.md`).
    pub(crate) const fn grpc_code(self) -> u8 {
        match self {
            Self::NoTicket
            | Self::InvalidTicket
            | Self::SessionEnded
            | Self::SessionVoid
            | Self::StepUp => 16, // UNAUTHENTICATED
            Self::Forbidden | Self::CrossSite | Self::CsrfToken => 7, // PERMISSION_DENIED
            Self::LimitReached | Self::TooLarge => 8,                 // RESOURCE_EXHAUSTED
            Self::Conflict => 10,                                     // ABORTED
            Self::StoreUnavailable => 14,                             // UNAVAILABLE
            Self::Internal | Self::MissingLayer | Self::DuplicateLayer => 13, // INTERNAL
        }
    }

    /// Whether logging in would help.
    const fn wants_login(self) -> bool {
        matches!(
            self,
            Self::NoTicket | Self::InvalidTicket | Self::SessionEnded | Self::SessionVoid
        )
    }
}

impl Error {
    /// The refusal that tells a client of this error, for
    /// [`Refusals::respond`].
    ///
    /// ```
    /// use sessile::{Error, Refusals, StoreError, StoreErrorKind};
    /// fn answer(error: &Error) -> http::Response<String> {
    ///     Refusals::problem().respond(error.refusal())
    /// }
    /// let error = Error::from(StoreError::new(StoreErrorKind::Timeout));
    /// assert_eq!(answer(&error).status(), 503);
    /// ```
    pub const fn refusal(&self) -> Refusal {
        match self.kind() {
            ErrorKind::NoSession => Refusal::NoTicket,
            ErrorKind::Gone => Refusal::SessionEnded,
            ErrorKind::Conflict => Refusal::Conflict,
            ErrorKind::Limit => Refusal::LimitReached,
            ErrorKind::TooLarge => Refusal::TooLarge,
            ErrorKind::Store | ErrorKind::Unknown => Refusal::StoreUnavailable,
            ErrorKind::Closed | ErrorKind::Random | ErrorKind::NoTransport => Refusal::Internal,
        }
    }
}
