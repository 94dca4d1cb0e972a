//! The statuses and bodies of refusals.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, LOCATION, VARY, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Response, StatusCode};

use super::return_to::PARAMETER;
use super::{Asked, Denied, Refusal, ReturnTo};
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
    style: Style,
    texts: [Option<(StatusCode, Cow<'static, str>)>; Refusal::ALL],
    headers: Vec<(Refusal, HeaderName, HeaderValue)>,
    login_page: Option<Box<str>>,
    step_up_page: Option<Box<str>>,
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
    /// before, and so do scripts in a page.
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

    /// The whole refusal, its body as text.
    pub(crate) fn render(
        &self,
        denied: Denied,
        challenge: Option<HeaderValue>,
        asked: &Asked,
    ) -> Response<String> {
        let refusal = denied.refusal();
        let mut response = match (asked, &self.style) {
            (Asked::Grpc, _) => return self.respond_grpc(denied, challenge),
            (Asked::Page(back), _) if let Some(page) = self.page(refusal) => {
                redirect(page, back.as_ref())
            }
            (_, Style::Custom(respond)) => respond(refusal),
            (_, Style::Problem) => self.json(refusal, "application/problem+json"),
            (_, Style::Detail) => self.json(refusal, "application/json"),
        };
        if response.status() == StatusCode::UNAUTHORIZED
            && let Some(challenge) = challenge
        {
            let challenge = denied.on(challenge);
            response.headers_mut().entry(WWW_AUTHENTICATE).or_insert(challenge);
        }
        if self.has_pages() {
            response.headers_mut().append(VARY, HeaderValue::from(ACCEPT));
        }
        for (_, name, value) in self.headers.iter().filter(|(of, ..)| *of == refusal) {
            response.headers_mut().insert(name, value.clone());
        }
        response.extensions_mut().insert(refusal);
        response
    }

    /// Whether anybody is sent to a page.
    pub(crate) const fn has_pages(&self) -> bool {
        self.login_page.is_some() || self.step_up_page.is_some()
    }

    /// The page that would help, if there is one.
    fn page(&self, refusal: Refusal) -> Option<&str> {
        if refusal.wants_login() {
            return self.login_page.as_deref();
        }
        if refusal == Refusal::StepUp { self.step_up_page.as_deref() } else { None }
    }

    fn json(&self, refusal: Refusal, content_type: &'static str) -> Response<String> {
        let (status, detail) = self.text(refusal);
        let body = match self.style {
            Style::Problem => serde_json::json!({
                "type": "about:blank",
                "title": status.canonical_reason().unwrap_or_default(),
                "status": status.as_u16(),
                "kind": refusal.kind(),
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

    /// A trailers-only response: HTTP 200 and the status in the headers. gRPC has no challenges of
    /// its own, so that of a step-up, which says what would help, is sent as HTTP would.
    fn respond_grpc(&self, denied: Denied, challenge: Option<HeaderValue>) -> Response<String> {
        let refusal = denied.refusal();
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
        if refusal == Refusal::StepUp
            && let Some(challenge) = challenge
        {
            headers.insert(WWW_AUTHENTICATE, denied.on(challenge));
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
            Style::Detail => "Refusals::detail",
            Style::Custom(_) => "Refusals::custom",
        })
    }
}

/// A way to a page, that leads back afterwards.
fn redirect(page: &str, back: Option<&ReturnTo>) -> Response<String> {
    let location = match back {
        None => page.to_owned(),
        Some(back) => {
            let joint = if page.contains('?') { '&' } else { '?' };
            format!("{page}{joint}{PARAMETER}={}", back.encoded())
        }
    };
    let mut response = Response::new(String::new());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::try_from(location) {
        headers.insert(LOCATION, location);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
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
    fn every_refusal_has_its_status_and_body() {
        let seeds = Refusals::fastapi_sessions();
        let problem = Refusals::problem();
        let cases = [
            (
                &problem,
                Refusal::NoTicket,
                401,
                r#"{"detail":"no session provided","kind":"no_ticket","status":401,"title":"Unauthorized","type":"about:blank"}"#,
            ),
            (
                &problem,
                Refusal::StoreUnavailable,
                503,
                r#"{"detail":"sessions are unavailable, try again","kind":"store_unavailable","status":503,"title":"Service Unavailable","type":"about:blank"}"#,
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
        let response =
            Refusals::fastapi_sessions().render(Refusal::NoTicket.into(), None, &Asked::Grpc);
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["grpc-status"], "16");
        assert_eq!(response.headers()["grpc-message"], "No session provided");
        assert!(response.body().is_empty());
    }

    #[test]
    fn b34_a_401_carries_a_challenge() {
        let session = Some(HeaderValue::from_static("Session"));
        let refused =
            Refusals::problem().render(Refusal::NoTicket.into(), session.clone(), &Asked::Plain);
        assert_eq!(refused.headers()[WWW_AUTHENTICATE], "Session");
        let failed =
            Refusals::problem().render(Refusal::StoreUnavailable.into(), session, &Asked::Plain);
        assert!(!failed.headers().contains_key(WWW_AUTHENTICATE));
    }

    #[test]
    fn r35_a_step_up_says_what_would_help() {
        let bearer = Some(HeaderValue::from_static("Bearer"));
        let denied = Denied::step_up()
            .within(std::time::Duration::from_secs(300))
            .at_least(crate::assurance::Assurance::Aal2);
        let response = Refusals::problem().render(denied, bearer, &Asked::Plain);
        assert_eq!(response.status(), 401);
        assert_eq!(
            response.headers()[WWW_AUTHENTICATE],
            "Bearer error=\"insufficient_user_authentication\", error_description=\"log in again \
             to do this\", max_age=\"300\", acr_values=\"aal2\""
        );
        assert!(response.body().contains(r#""kind":"step_up""#));
    }

    #[test]
    fn s12_a_refusal_has_a_status_a_body_and_headers_of_ones_own() {
        let admins = Refusals::detail()
            .with(Refusal::Forbidden, StatusCode::UNAUTHORIZED, "admin only")
            .header(Refusal::Forbidden, WWW_AUTHENTICATE, HeaderValue::from_static("Session"));
        let response = admins.respond(Refusal::Forbidden);
        assert_eq!(response.status(), 401);
        assert_eq!(response.body(), r#"{"detail":"admin only"}"#);
        assert_eq!(response.headers()[WWW_AUTHENTICATE], "Session");
        assert!(!admins.respond(Refusal::NoTicket).headers().contains_key(WWW_AUTHENTICATE));
    }

    #[test]
    fn browsers_are_sent_to_the_page_that_helps() {
        let refusals = Refusals::problem().login_page("/log_in?lang=en").step_up_page("/confirm");
        let back = || Asked::Page(ReturnTo::parse("/a?b=c"));
        let cases = [
            (Refusal::NoTicket, back(), 303, "/log_in?lang=en&next=/a%3Fb%3Dc"),
            (Refusal::SessionVoid, Asked::Page(None), 303, "/log_in?lang=en"),
            (Refusal::StepUp, back(), 303, "/confirm?next=/a%3Fb%3Dc"),
            (Refusal::Forbidden, back(), 403, ""),
            (Refusal::StoreUnavailable, back(), 503, ""),
            (Refusal::NoTicket, Asked::Plain, 401, ""),
        ];
        for (refusal, asked, status, location) in cases {
            let response = refusals.render(refusal.into(), None, &asked);
            assert_eq!(response.status(), status, "{refusal:?}");
            let there = response.headers().get(LOCATION).map_or("", |to| to.to_str().unwrap());
            assert_eq!(there, location, "{refusal:?}");
            assert_eq!(response.headers()[VARY], "accept", "{refusal:?}");
        }
        for bad in ["log_in", "//log_in", r"/\log_in", "https://a.example/log_in", "/log_in#top"] {
            assert!(Refusals::problem().try_login_page(bad).is_err(), "{bad}");
        }
    }
}
