//! What refusals say, and where they lead.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use http::{HeaderName, HeaderValue, Response, StatusCode};

use super::{Asked, Refusal, ReturnTo};
use crate::error::ConfigError;

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
    pub(super) style: Style,
    pub(super) texts: [Option<(StatusCode, Cow<'static, str>)>; Refusal::ALL],
    pub(super) headers: Vec<(Refusal, HeaderName, HeaderValue)>,
    pub(super) login_page: Option<Box<str>>,
    pub(super) step_up_page: Option<Box<str>>,
}

#[derive(Clone)]
pub(super) enum Style {
    /// RFC 9457.
    Problem,
    /// `{"detail": …}`.
    Detail,
    Custom(Arc<dyn Fn(Refusal) -> Response<String> + Send + Sync>),
}

impl Refusals {
    /// `application/problem+json` (RFC 9457) with `type`, `title`, `status`, `detail` and
    /// [`kind`](Refusal::kind); 401 for
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
        Self {
            style: Style::Problem,
            texts: [const { None }; Refusal::ALL],
            headers: Vec::new(),
            login_page: None,
            step_up_page: None,
        }
    }

    /// `{"detail": …}`, as FastAPI writes errors, with the statuses of [`problem`](Self::problem).
    ///
    /// ```
    /// use sessile::{Refusal, Refusals};
    /// let response = Refusals::detail().respond(Refusal::Forbidden);
    /// assert_eq!(response.body(), r#"{"detail":"not allowed"}"#);
    /// ```
    pub fn detail() -> Self {
        Self { style: Style::Detail, ..Self::problem() }
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
        Self::detail()
            .with(Refusal::NoTicket, StatusCode::FORBIDDEN, "No session provided")
            .with(Refusal::InvalidTicket, StatusCode::UNAUTHORIZED, "Invalid session provided")
            .with(Refusal::SessionEnded, StatusCode::FORBIDDEN, "invalid session")
    }

    /// The words of `FastAuth` for whoever may not do something: 403 `Access denied`, as
    /// `{"detail": …}`. Its 404 for users who are not active or not verified is a guard of its own:
    /// see [`guard`](mod@crate::guard).
    ///
    /// ```
    /// use sessile::{Refusal, Refusals};
    /// let response = Refusals::fastauth().respond(Refusal::Forbidden);
    /// assert_eq!(response.status(), 403);
    /// assert_eq!(response.body(), r#"{"detail":"Access denied"}"#);
    /// ```
    pub fn fastauth() -> Self {
        Self::detail().with(Refusal::Forbidden, StatusCode::FORBIDDEN, "Access denied")
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

    /// Gives the refusals for want of a session (no ticket, an invalid one, one whose session has
    /// ended or is not accepted) the same status and detail.
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
            .with(Refusal::SessionEnded, status, detail.clone())
            .with(Refusal::SessionVoid, status, detail)
    }

    /// Adds a header to one refusal, in place of one of that name.
    ///
    /// ```
    /// use http::{HeaderValue, StatusCode, header::WWW_AUTHENTICATE};
    /// use sessile::{Refusal, Refusals};
    /// let admins = Refusals::detail()
    ///     .with(Refusal::Forbidden, StatusCode::UNAUTHORIZED, "admin only")
    ///     .header(Refusal::Forbidden, WWW_AUTHENTICATE, HeaderValue::from_static("Session"));
    /// assert_eq!(admins.respond(Refusal::Forbidden).headers()["www-authenticate"], "Session");
    /// ```
    #[must_use]
    pub fn header(mut self, refusal: Refusal, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.retain(|(of, existing, _)| *of != refusal || *existing != name);
        self.headers.push((refusal, name, value));
        self
    }

    /// Sends browsers that ask for a page and have no session to the login page (303), with where
    /// they were going in the parameter `next`: see [`ReturnTo`]. Programs get the status as
    /// before, and so do scripts in a page. Whoever asks for the login page itself and is refused
    /// gets it too: leave that page [open](crate::RequireSession::open).
    ///
    /// ```
    /// # use http::{Request, Response, header::{ACCEPT, LOCATION}};
    /// # use sessile::{Key, RequireSession, SessionLayer, Values, store::MemoryStore};
    /// # use tower::{ServiceBuilder, ServiceExt, service_fn};
    /// use sessile::Refusals;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .refusals(Refusals::problem().login_page("/log_in"));
    /// # let guarded = ServiceBuilder::new().layer(sessions).layer(RequireSession::<Values>::new())
    /// #     .service(service_fn(|_: Request<()>| async { Ok::<_, ()>(Response::new(String::new())) }));
    /// let visit = Request::get("/invoices?page=2").header(ACCEPT, "text/html").body(()).unwrap();
    /// let answer = guarded.oneshot(visit).await.unwrap(); // behind a guard
    /// assert_eq!(answer.status(), 303);
    /// assert_eq!(answer.headers()[LOCATION], "/log_in?next=/invoices%3Fpage%3D2");
    /// # }
    /// ```
    ///
    /// # Panics
    /// If it is no path of this site.
    #[must_use]
    #[track_caller]
    pub fn login_page(self, path: &str) -> Self {
        accept(self.try_login_page(path))
    }

    /// [`login_page`](Self::login_page) for a path that is read at run time.
    ///
    /// ```
    /// use sessile::Refusals;
    /// assert!(Refusals::problem().try_login_page("//log_in").is_err());
    /// ```
    ///
    /// # Errors
    /// If it is no path of this site.
    pub fn try_login_page(mut self, path: &str) -> Result<Self, ConfigError> {
        self.login_page = Some(page(path)?);
        Ok(self)
    }

    /// Sends browsers that must prove again, or better, who they are to this page (303), as
    /// [`login_page`](Self::login_page) does for those without a session.
    ///
    /// ```
    /// use sessile::Refusals;
    /// let refusals = Refusals::problem().login_page("/log_in").step_up_page("/confirm");
    /// # let _ = refusals;
    /// ```
    ///
    /// # Panics
    /// If it is no path of this site.
    #[must_use]
    #[track_caller]
    pub fn step_up_page(self, path: &str) -> Self {
        accept(self.try_step_up_page(path))
    }

    /// [`step_up_page`](Self::step_up_page) for a path that is read at run time.
    ///
    /// ```
    /// use sessile::Refusals;
    /// assert!(Refusals::problem().try_step_up_page("confirm").is_err());
    /// ```
    ///
    /// # Errors
    /// If it is no path of this site.
    pub fn try_step_up_page(mut self, path: &str) -> Result<Self, ConfigError> {
        self.step_up_page = Some(page(path)?);
        Ok(self)
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
        self.render(refusal.into(), None, &Asked::Plain)
    }

    /// Whether anybody is sent to a page.
    pub(crate) const fn has_pages(&self) -> bool {
        self.login_page.is_some() || self.step_up_page.is_some()
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
            Style::Detail => "Refusals::detail",
            Style::Custom(_) => "Refusals::custom",
        })
    }
}

fn page(path: &str) -> Result<Box<str>, ConfigError> {
    if ReturnTo::parse(path).is_some() && !path.contains('#') {
        return Ok(path.into());
    }
    Err(ConfigError::new(format!(
        "{path:?} is no page of this site: give its path from the root, such as \"/log_in\""
    )))
}

#[track_caller]
#[expect(clippy::panic, reason = "documented: configuration mistakes fail at construction")]
fn accept(configured: Result<Refusals, ConfigError>) -> Refusals {
    match configured {
        Ok(refusals) => refusals,
        Err(error) => panic!("{error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_a_path_of_this_site() {
        for bad in ["log_in", "//log_in", r"/\log_in", "https://a.example/log_in", "/log_in#top"] {
            assert!(Refusals::problem().try_login_page(bad).is_err(), "{bad}");
            assert!(Refusals::problem().try_step_up_page(bad).is_err(), "{bad}");
        }
        assert!(Refusals::problem().try_login_page("/log_in?lang=en").is_ok());
    }
}
