//! The token in a form, as an axum extractor.

use std::marker::PhantomData;

use axum_core::body::Body;
use axum_core::extract::{FromRef, FromRequest, Request};
use axum_core::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http::request::Parts;

use super::tokens::{TOKEN_FIELD, Tokens, in_header};
use crate::guard::{Asking, active, handles, render, session};
use crate::record::SessionData;
use crate::refusal::Denied;

/// What another extractor `E` makes of the body, once the request has shown a token of its live
/// session with data `T`: in the form field [`csrf_token`](super::TOKEN_FIELD), or in the header.
/// `E` does not run before that.
///
/// It takes the body, so it is a handler's last argument. The [`Tokens`] are taken from the
/// application's state. A body that is no urlencoded form (JSON,
/// multipart) is not read: there the token stands in the header. A form is read under axum's own
/// limit for bodies.
///
/// Without a live session it refuses as [`Active<T>`](crate::Active) does, without a good token
/// with 403. So it is not for login forms, which have no session yet: those are what
/// [`RefuseCrossSite`](super::RefuseCrossSite) is for.
///
/// ```
/// # use axum::body::Body;
/// # use http::{Request, header::{CONTENT_TYPE, COOKIE, SET_COOKIE}};
/// # use tower::ServiceExt;
/// use axum::extract::State;
/// use axum::routing::{get, post};
/// use axum::{Form, Router};
/// use serde::Deserialize;
/// use sessile::csrf::{Tokens, Verified};
/// use sessile::{Active, Error, Key, Session, SessionLayer, Values, store::MemoryStore};
///
/// #[derive(Deserialize)]
/// struct Transfer { to: String }
///
/// async fn form(session: Active<Values>, State(tokens): State<Tokens>) -> Result<String, Error> {
///     let token = tokens.issue(session.session())?;
///     Ok(format!(r#"<form method="post"><input name="to">
///         <input type="hidden" name="csrf_token" value="{token}"></form>"#))
/// }
///
/// async fn transfer(form: Verified<Form<Transfer>, Values>) -> String {
///     let Form(transfer) = form.into_inner();
///     format!("sent to {}", transfer.to)
/// }
/// # async fn start(session: Session<Values>, State(tokens): State<Tokens>) -> Result<String, Error> {
/// #     session.create(Values::new())?;
/// #     tokens.issue(&session)
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let key = Key::generate();
/// let app = Router::new()
///     .route("/transfer", get(form).post(transfer))
/// #   .route("/start", post(start))
///     .with_state(Tokens::new(key.clone()))
///     .layer(SessionLayer::<Values>::new(MemoryStore::new(), key));
/// # let started = app.clone().oneshot(Request::post("/start").body(Body::empty()).unwrap()).await.unwrap();
/// # let cookie = started.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
/// # let token = axum::body::to_bytes(started.into_body(), usize::MAX).await.unwrap();
/// # let token = String::from_utf8(token.to_vec()).unwrap();
///
/// let post = |form: String| {
///     let request = Request::post("/transfer").header(COOKIE, &cookie);
///     let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
///     app.clone().oneshot(request.body(Body::from(form)).unwrap())
/// };
/// assert_eq!(post("to=eve".to_owned()).await.unwrap().status(), 403);
/// assert_eq!(post(format!("to=bob&csrf_token={token}")).await.unwrap().status(), 200);
/// # }
/// ```
#[derive(Debug)]
pub struct Verified<E, T> {
    inner: E,
    session: PhantomData<fn() -> T>,
}

impl<E, T> Verified<E, T> {
    /// What the other extractor made.
    pub fn into_inner(self) -> E {
        self.inner
    }
}

impl<E, T, S> FromRequest<S> for Verified<E, T>
where
    E: FromRequest<S>,
    T: SessionData,
    S: Send + Sync,
    Tokens: FromRef<S>,
{
    /// The refusal, with its reason in the response's extensions; or what `E` says.
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let (body, field) = if in_header(&parts.headers).is_none() && is_form(&parts.headers) {
            // The limit for bodies stands in the extensions.
            let whole = String::from_request(Request::from_parts(parts.clone(), body), state).await;
            let form = whole.map_err(IntoResponse::into_response)?;
            let field = in_form(&form).map(str::to_owned);
            (Body::from(form), field)
        } else {
            (body, None)
        };
        check::<T>(&Tokens::from_ref(state), &parts, field.as_deref())
            .await
            .map_err(|denied| refuse::<T>(denied, &parts))?;
        let inner = E::from_request(Request::from_parts(parts, body), state).await;
        let inner = inner.map_err(IntoResponse::into_response)?;
        Ok(Self { inner, session: PhantomData })
    }
}

async fn check<T: SessionData>(
    tokens: &Tokens,
    parts: &Parts,
    field: Option<&str>,
) -> Result<(), Denied> {
    let (eager, lazy) = handles::<T>(&parts.extensions);
    let session = session(eager, lazy).await?;
    active(&session)?;
    let token = in_header(&parts.headers).or(field);
    tokens.demand(&session, token, (&parts.method, &parts.uri, &parts.headers))
}

fn refuse<T: SessionData>(denied: Denied, parts: &Parts) -> Response {
    render::<T>(denied, None, Asking::of_parts(parts)).into_response()
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// The token in a form. Browsers escape nothing in its name or value.
fn in_form(form: &str) -> Option<&str> {
    form.split('&').find_map(|field| field.strip_prefix(TOKEN_FIELD)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r50_the_field_is_found_wherever_it_stands() {
        let cases = [
            ("csrf_token=abc", Some("abc")),
            ("name=a&csrf_token=abc", Some("abc")),
            ("csrf_token=abc&name=a", Some("abc")),
            ("a=csrf_token=abc", None),
            ("xcsrf_token=abc", None),
            ("csrf_tokens=abc", None),
            ("csrf_token", None),
            ("csrf_token=", Some("")),
            ("csrf_token=a&csrf_token=b", Some("a")),
            ("", None),
        ];
        for (form, token) in cases {
            assert_eq!(in_form(form), token, "{form}");
        }
    }

    #[test]
    fn r50_only_forms_are_read() {
        for (kind, form) in [
            ("application/x-www-form-urlencoded", true),
            ("Application/X-WWW-Form-Urlencoded; charset=utf-8", true),
            ("application/x-www-form-urlencodedx", false),
            ("multipart/form-data; boundary=x", false),
            ("application/json", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind.parse().unwrap())]);
            assert_eq!(is_form(&headers), form, "{kind}");
        }
        assert!(!is_form(&HeaderMap::new()));
    }
}
