//! `/auth/token/…`: log in, refresh, log out.

use axum::extract::{Form, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sessile::accounts::{AccountErrorKind, LogIn, Password};
use sessile::token::{CookieOverrides, Pair};
use sessile::{Active, Refusal, Session, Status};

use crate::app::{AUDIENCE, App, UserClaims};
use crate::failure::Failure;
use crate::guard::{AccessToken, Caller};

/// What works without an access token.
pub(crate) fn open(app: &App) -> Router<App> {
    let mut routes = Router::new().route("/auth/token/login", post(log_in));
    if app.refresh_cookie.is_some() {
        routes = routes
            .route("/auth/token/refresh", post(refresh))
            .route("/refresh", get(refresh_token));
    }
    routes.layer(app.pairs.layer().clone())
}

/// What needs one.
pub(crate) fn closed(app: &App) -> Router<App> {
    Router::new()
        .route("/auth/token/logout", post(log_out))
        .layer(app.pairs.layer().clone())
        .route("/protected", get(protected))
}

/// The form of RFC 6749, 4.3.2: the username is an address or a name.
#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: Password,
}

/// Both tokens, as the body of an answer.
#[derive(Serialize)]
struct Issued<'a> {
    access_token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    #[serde(rename = "type")]
    kind: &'static str,
}

async fn log_in(
    State(app): State<App>,
    Caller(client): Caller,
    session: Session<()>,
    Form(form): Form<Credentials>,
) -> Result<Response, Failure> {
    let who = LogIn::new(&form.username, form.password).client(client);
    let who = app.accounts.log_in(who).await?;
    let user = app.accounts.start(&session, who, ()).await?;
    let pair = app.pairs.issue_for(&session, UserClaims::from(&user)).await?;
    answer(&app, &session, &pair)
}

/// Spends the refresh token. Whoever brings it again ends the session, whoever holds it by now.
async fn refresh(State(app): State<App>, session: Session<()>) -> Result<Response, Failure> {
    let subject = session.meta().and_then(|meta| meta.subject);
    let Some(id) = subject.and_then(|subject| subject.parse().ok()) else {
        return Err(refused(&app, &session));
    };
    let user = match app.accounts.user(id).await {
        Ok(user) if user.is_active => user,
        Err(error) if error.kind() != AccountErrorKind::NotFound => return Err(error.into()),
        _ => return Err(refused(&app, &session)),
    };
    let pair = app.pairs.refresh(&session, |()| UserClaims::from(&user)).await?;
    answer(&app, &session, &pair)
}

async fn log_out(
    State(app): State<App>,
    session: Session<()>,
    access: AccessToken,
) -> Result<Response, Failure> {
    app.pairs.log_out(&session, &access).await?;
    let mut headers = HeaderMap::new();
    if app.locations.in_cookies() {
        let same = CookieOverrides::new();
        app.access_cookie.remove(&mut headers, &same).map_err(not_issued)?;
        if let Some(cookie) = &app.refresh_cookie {
            cookie.remove(&mut headers, &same).map_err(not_issued)?;
        }
    }
    Ok((StatusCode::NO_CONTENT, headers).into_response())
}

/// Both tokens: in the body, in cookies, or both.
fn answer(app: &App, session: &Session<()>, pair: &Pair) -> Result<Response, Failure> {
    let mut headers = HeaderMap::new();
    if app.locations.in_cookies() {
        let as_configured = CookieOverrides::new();
        app.access_cookie.set(&mut headers, pair.access(), &as_configured).map_err(not_issued)?;
        if let Some(cookie) = &app.refresh_cookie {
            // A ticket is sealed for where it travels: this one is none in a header.
            let ticket =
                session.issued_ticket(&cookie.transport()).ok_or_else(|| not_issued(()))?;
            cookie.set(&mut headers, &ticket, &as_configured).map_err(not_issued)?;
        }
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if !app.locations.in_headers() {
        return Ok((StatusCode::NO_CONTENT, headers).into_response());
    }
    let refresh_token = match app.refresh_cookie {
        Some(_) => Some(pair.refresh().ok_or_else(|| not_issued(()))?),
        None => None,
    };
    let body = Issued { access_token: pair.access(), refresh_token, kind: "bearer" };
    Ok((headers, Json(body)).into_response())
}

/// What the access token says, as `security.ACCESS_TOKEN` gives it.
async fn protected(access: AccessToken) -> Json<Value> {
    let (issued, expires) = App::times_of(&access);
    Json(json!({
        "sub": access.subject,
        "type": "access",
        "id": access.more.id,
        "email": access.more.email,
        "is_active": access.more.is_active,
        "is_verified": access.more.is_verified,
        "aud": [AUDIENCE],
        "iat": issued,
        "exp": expires,
    }))
}

/// Whose the refresh token is, as `security.REFRESH_TOKEN` gives it; it is not spent.
async fn refresh_token(
    State(app): State<App>,
    session: Session<()>,
    holder: Option<Active<()>>,
) -> Result<Json<Value>, Failure> {
    let holder = holder.ok_or_else(|| refused(&app, &session))?;
    Ok(Json(json!({ "sub": holder.meta().subject, "type": "refresh" })))
}

/// Says whether there was no refresh token, or none that is good.
fn refused(app: &App, session: &Session<()>) -> Failure {
    let refusal = match session.status() {
        Status::NoTicket => Refusal::NoTicket,
        Status::StoreFailed => Refusal::StoreUnavailable,
        _ => Refusal::SessionEnded,
    };
    Failure::refused(refusal, "refresh", app.locations)
}

fn not_issued<E>(_: E) -> Failure {
    Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "no tokens were issued")
}
