//! A refusal as a response.

use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, LOCATION, VARY, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};

use super::refusals::Style;
use super::return_to::{PARAMETER, path_of};
use super::{Asked, Denied, Refusal, Refusals, ReturnTo};

impl Refusals {
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
            (Asked::Page(back), _) if let Some(page) = self.page(refusal, back.as_ref()) => {
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

    /// The page that would help, if there is one and the request was not for that very page:
    /// whoever is refused there would be sent round and round.
    fn page(&self, refusal: Refusal, asked: Option<&ReturnTo>) -> Option<&str> {
        let page = match refusal {
            Refusal::StepUp => self.step_up_page.as_deref(),
            _ if refusal.wants_login() => self.login_page.as_deref(),
            _ => None,
        };
        page.filter(|page| asked.is_none_or(|asked| asked.path() != path_of(page)))
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
    fn seed12_a_refusal_has_a_status_a_body_and_headers_of_ones_own() {
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
            // Nobody is sent from a page to itself.
            (Refusal::NoTicket, Asked::Page(ReturnTo::parse("/log_in?lang=de&next=/a")), 401, ""),
            (Refusal::StepUp, Asked::Page(ReturnTo::parse("/confirm")), 401, ""),
            (
                Refusal::NoTicket,
                Asked::Page(ReturnTo::parse("/confirm")),
                303,
                "/log_in?lang=en&next=/confirm",
            ),
            (
                Refusal::NoTicket,
                Asked::Page(ReturnTo::parse("/log_in/help")),
                303,
                "/log_in?lang=en&next=/log_in/help",
            ),
        ];
        for (refusal, asked, status, location) in cases {
            let response = refusals.render(refusal.into(), None, &asked);
            assert_eq!(response.status(), status, "{refusal:?}");
            let there = response.headers().get(LOCATION).map_or("", |to| to.to_str().unwrap());
            assert_eq!(there, location, "{refusal:?}");
            assert_eq!(response.headers()[VARY], "accept", "{refusal:?}");
        }
    }
}
