//! How a request is refused: a typed reason, rendered as problem+json, as a gRPC status, or in
//! the words of another system.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

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
    /// The subject has as many sessions as it may.
    LimitReached,
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
    const ALL: usize = 9;

    fn defaults(self) -> (StatusCode, &'static str) {
        match self {
            Self::NoTicket => (StatusCode::UNAUTHORIZED, "no session provided"),
            Self::InvalidTicket => (StatusCode::UNAUTHORIZED, "invalid session provided"),
            Self::SessionEnded => (StatusCode::UNAUTHORIZED, "the session has ended"),
            Self::LimitReached => (StatusCode::FORBIDDEN, "too many sessions"),
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
    pub(crate) fn detail(self) -> &'static str {
        self.defaults().1
    }

    const fn index(self) -> usize {
        match self {
            Self::NoTicket => 0,
            Self::InvalidTicket => 1,
            Self::SessionEnded => 2,
            Self::LimitReached => 3,
            Self::Conflict => 4,
            Self::StoreUnavailable => 5,
            Self::Internal => 6,
            Self::MissingLayer => 7,
            Self::DuplicateLayer => 8,
        }
    }

    /// The code of `grpc-status` (grpc/grpc, `statuscodes.md`).
    pub(crate) const fn grpc_code(self) -> u8 {
        match self {
            Self::NoTicket | Self::InvalidTicket | Self::SessionEnded => 16, // UNAUTHENTICATED
            Self::LimitReached => 8,                                         // RESOURCE_EXHAUSTED
            Self::Conflict => 10,                                            // ABORTED
            Self::StoreUnavailable => 14,                                    // UNAVAILABLE
            Self::Internal | Self::MissingLayer | Self::DuplicateLayer => 13, // INTERNAL
        }
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
            ErrorKind::Store | ErrorKind::Unknown => Refusal::StoreUnavailable,
            ErrorKind::Closed | ErrorKind::Random => Refusal::Internal,
        }
    }
}

/// The statuses and bodies of refusals over plain HTTP. gRPC requests get a gRPC status instead.
///
/// ```
/// use http::StatusCode;
/// use sessile::{Refusal, Refusals};
/// let refusals = Refusals::problem().with(Refusal::NoTicket, StatusCode::FORBIDDEN, "log in first");
/// let response = refusals.respond(Refusal::NoTicket);
/// assert_eq!(response.status(), StatusCode::FORBIDDEN);
/// assert!(response.body().contains("log in first"));
/// ```
#[derive(Clone)]
pub struct Refusals {
    style: Style,
    texts: [Option<(StatusCode, Cow<'static, str>)>; Refusal::ALL],
}

#[derive(Clone)]
enum Style {
    /// RFC 9457.
    Problem,
    /// `{"detail": …}`.
    Detail,
    Custom(Arc<dyn Fn(Refusal) -> Response<String> + Send + Sync>),
}

impl Refusals {
    /// `application/problem+json` (RFC 9457) with `type`, `title`, `status` and `detail`; 401 for
    /// whatever lacks a valid session, 403 for a limit, 503 for a store that fails. The default.
    ///
    /// ```
    /// use sessile::{Refusal, Refusals};
    /// let response = Refusals::problem().respond(Refusal::LimitReached);
    /// assert_eq!(response.status(), 403);
    /// assert_eq!(response.headers()["content-type"], "application/problem+json");
    /// assert!(response.body().contains("too many sessions"));
    /// ```
    pub const fn problem() -> Self {
        Self { style: Style::Problem, texts: [const { None }; Refusal::ALL] }
    }

    /// The statuses and bodies of fastapi-sessions: 403 `No session provided`, 401
    /// `Invalid session provided`, 403 `invalid session`, as `{"detail": …}`.
    ///
    /// ```
    /// use sessile::{Refusal, Refusals};
    /// let response = Refusals::fastapi_sessions().respond(Refusal::NoTicket);
    /// assert_eq!(response.status(), 403);
    /// assert_eq!(response.body(), r#"{"detail":"No session provided"}"#);
    /// ```
    pub fn fastapi_sessions() -> Self {
        Self { style: Style::Detail, ..Self::problem() }
            .with(Refusal::NoTicket, StatusCode::FORBIDDEN, "No session provided")
            .with(Refusal::InvalidTicket, StatusCode::UNAUTHORIZED, "Invalid session provided")
            .with(Refusal::SessionEnded, StatusCode::FORBIDDEN, "invalid session")
    }

    /// Responses of your own making.
    ///
    /// ```
    /// use http::{Response, StatusCode};
    /// use sessile::{Refusal, Refusals};
    /// let refusals = Refusals::custom(|reason| {
    ///     let mut response = Response::new("<h1>Please log in</h1>".to_owned());
    ///     *response.status_mut() = match reason {
    ///         Refusal::StoreUnavailable => StatusCode::SERVICE_UNAVAILABLE,
    ///         _ => StatusCode::UNAUTHORIZED,
    ///     };
    ///     response
    /// });
    /// assert_eq!(refusals.respond(Refusal::NoTicket).status(), 401);
    /// ```
    pub fn custom(respond: impl Fn(Refusal) -> Response<String> + Send + Sync + 'static) -> Self {
        Self { style: Style::Custom(Arc::new(respond)), ..Self::problem() }
    }

    /// Gives one refusal another status and detail. A [`custom`](Self::custom) one decides for
    /// itself.
    ///
    /// ```
    /// use http::StatusCode;
    /// use sessile::{Refusal, Refusals};
    /// let refusals = Refusals::problem()
    ///     .with(Refusal::LimitReached, StatusCode::CONFLICT, "log out somewhere else first");
    /// assert_eq!(refusals.respond(Refusal::LimitReached).status(), 409);
    /// assert_eq!(refusals.respond(Refusal::NoTicket).status(), 401);
    /// ```
    #[must_use]
    pub fn with(
        mut self,
        refusal: Refusal,
        status: StatusCode,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        if let Some(text) = self.texts.get_mut(refusal.index()) {
            *text = Some((status, detail.into()));
        }
        self
    }

    /// Gives the three refusals for want of a live session (no ticket, an invalid one, one whose
    /// session has ended) the same status and detail.
    ///
    /// ```
    /// use http::StatusCode;
    /// use sessile::{Refusal, Refusals};
    /// let refusals = Refusals::problem().unauthenticated(StatusCode::NOT_FOUND, "no such page");
    /// assert_eq!(refusals.respond(Refusal::NoTicket).status(), 404);
    /// ```
    #[must_use]
    pub fn unauthenticated(self, status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        let detail = detail.into();
        self.with(Refusal::NoTicket, status, detail.clone())
            .with(Refusal::InvalidTicket, status, detail.clone())
            .with(Refusal::SessionEnded, status, detail)
    }

    /// The refusal as a response over plain HTTP, for handlers that refuse by themselves. It has no
    /// `WWW-Authenticate`: what stands there is the layer's to know.
    ///
    /// ```
    /// use sessile::{Active, Refusals, Values};
    /// let request = http::Request::new(()); // that passed no session layer
    /// let refusal = Active::<Values>::of(&request).unwrap_err();
    /// assert_eq!(Refusals::problem().respond(refusal).status(), 500);
    /// ```
    pub fn respond(&self, refusal: Refusal) -> Response<String> {
        self.render(refusal, None, false)
    }

    /// The whole refusal, its body as text.
    pub(crate) fn render(
        &self,
        refusal: Refusal,
        challenge: Option<HeaderValue>,
        grpc: bool,
    ) -> Response<String> {
        let mut response = match &self.style {
            _ if grpc => return self.respond_grpc(refusal),
            Style::Custom(respond) => respond(refusal),
            Style::Problem => self.json(refusal, "application/problem+json"),
            Style::Detail => self.json(refusal, "application/json"),
        };
        let unauthorized = response.status() == StatusCode::UNAUTHORIZED;
        if let (true, Some(challenge)) = (unauthorized, challenge) {
            response.headers_mut().entry(WWW_AUTHENTICATE).or_insert(challenge);
        }
        response.extensions_mut().insert(refusal);
        response
    }

    fn json(&self, refusal: Refusal, content_type: &'static str) -> Response<String> {
        let (status, detail) = self.text(refusal);
        let body = match self.style {
            Style::Problem => serde_json::json!({
                "type": "about:blank",
                "title": status.canonical_reason().unwrap_or_default(),
                "status": status.as_u16(),
                "detail": detail,
            }),
            Style::Detail | Style::Custom(_) => serde_json::json!({ "detail": detail }),
        };
        let mut response = Response::new(body.to_string());
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// A trailers-only response: HTTP 200 and the status in the headers.
    fn respond_grpc(&self, refusal: Refusal) -> Response<String> {
        let (_, detail) = self.text(refusal);
        let mut response = Response::new(String::new());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert("grpc-status", HeaderValue::from(u16::from(refusal.grpc_code())));
        // Percent-encoding is due for bytes outside printable ASCII; a detail with those is left
        // out rather than sent wrong.
        if detail.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'%')
            && let Ok(detail) = HeaderValue::from_str(detail)
        {
            headers.insert("grpc-message", detail);
        }
        response.extensions_mut().insert(refusal);
        response
    }

    fn text(&self, refusal: Refusal) -> (StatusCode, &str) {
        match self.texts.get(refusal.index()) {
            Some(Some((status, detail))) => (*status, detail),
            _ => refusal.defaults(),
        }
    }
}

impl Default for Refusals {
    fn default() -> Self {
        Self::problem()
    }
}

impl fmt::Debug for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.style {
            Style::Problem => "Refusals::problem",
            Style::Detail => "Refusals::fastapi_sessions",
            Style::Custom(_) => "Refusals::custom",
        })
    }
}

/// Makes refusal bodies of the types that responses in this application have.
///
/// Of a response body only `Default` is asked, so a refusal can always be sent; its text needs a
/// way into the body. axum's body is known; others register theirs.
#[derive(Clone, Default)]
pub(crate) struct Bodies(Vec<Arc<dyn Any + Send + Sync>>);

impl Bodies {
    pub(crate) fn register<B: 'static>(&mut self, make: fn(String) -> B) {
        self.0.push(Arc::new(make));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The refusal with its text in a body of type `B`, or with an empty one if nobody said how.
    pub(crate) fn render<B: Default + 'static>(&self, refusal: Response<String>) -> Response<B> {
        let (mut parts, text) = refusal.into_parts();
        let made = if text.is_empty() { None } else { self.make(text) };
        if made.is_none() {
            strip_content(&mut parts.headers);
        }
        Response::from_parts(parts, made.unwrap_or_default())
    }

    fn make<B: Default + 'static>(&self, text: String) -> Option<B> {
        let registered = self.0.iter().find_map(|make| make.downcast_ref::<fn(String) -> B>());
        if let Some(make) = registered {
            return Some(make(text));
        }
        #[cfg(feature = "axum")]
        {
            let mut body = B::default();
            let any: &mut dyn Any = &mut body;
            if let Some(known) = any.downcast_mut::<axum_core::body::Body>() {
                *known = axum_core::body::Body::from(text);
                return Some(body);
            }
        }
        None
    }
}

impl fmt::Debug for Bodies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bodies({})", self.0.len())
    }
}

/// An empty body has no JSON in it; a gRPC status has none to begin with.
fn strip_content(headers: &mut HeaderMap) {
    let grpc = headers.get(CONTENT_TYPE).is_some_and(is_grpc_type);
    if !grpc {
        headers.remove(CONTENT_TYPE);
    }
}

/// Whether these are the headers of a gRPC request or response.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(is_grpc_type)
}

fn is_grpc_type(content_type: &HeaderValue) -> bool {
    content_type.as_bytes().starts_with(b"application/grpc")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_its_status_and_body() {
        let seeds = Refusals::fastapi_sessions();
        let problem = Refusals::problem();
        let cases = [
            (
                &problem,
                Refusal::NoTicket,
                401,
                r#"{"detail":"no session provided","status":401,"title":"Unauthorized","type":"about:blank"}"#,
            ),
            (
                &problem,
                Refusal::StoreUnavailable,
                503,
                r#"{"detail":"sessions are unavailable, try again","status":503,"title":"Service Unavailable","type":"about:blank"}"#,
            ),
            (&seeds, Refusal::NoTicket, 403, r#"{"detail":"No session provided"}"#),
            (&seeds, Refusal::InvalidTicket, 401, r#"{"detail":"Invalid session provided"}"#),
            (&seeds, Refusal::SessionEnded, 403, r#"{"detail":"invalid session"}"#),
            (
                &seeds,
                Refusal::MissingLayer,
                500,
                r#"{"detail":"internal failure of session verification"}"#,
            ),
        ];
        for (refusals, refusal, status, body) in cases {
            let response = refusals.respond(refusal);
            assert_eq!(response.status(), status, "{refusal:?}");
            assert_eq!(response.body(), body, "{refusal:?}");
            assert_eq!(response.extensions().get(), Some(&refusal));
        }
    }

    #[test]
    fn grpc_refusals_are_trailers_only() {
        let response = Refusals::fastapi_sessions().render(Refusal::NoTicket, None, true);
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["grpc-status"], "16");
        assert_eq!(response.headers()["grpc-message"], "No session provided");
        assert!(response.body().is_empty());
    }

    #[test]
    fn b34_a_401_carries_a_challenge() {
        let session = Some(HeaderValue::from_static("Session"));
        let refused = Refusals::problem().render(Refusal::NoTicket, session.clone(), false);
        assert_eq!(refused.headers()[WWW_AUTHENTICATE], "Session");
        let failed = Refusals::problem().render(Refusal::StoreUnavailable, session, false);
        assert!(!failed.headers().contains_key(WWW_AUTHENTICATE));
    }

    #[test]
    fn a_body_that_nobody_can_make_stays_empty_and_says_nothing_of_json() {
        let mut bodies = Bodies::default();
        let refusal = || Refusals::problem().respond(Refusal::NoTicket);
        let bare: Response<Vec<u8>> = bodies.render(refusal());
        assert!(bare.body().is_empty() && !bare.headers().contains_key(CONTENT_TYPE));
        bodies.register::<Vec<u8>>(String::into_bytes);
        let made: Response<Vec<u8>> = bodies.render(refusal());
        assert!(made.body().starts_with(b"{") && made.headers().contains_key(CONTENT_TYPE));
    }
}
