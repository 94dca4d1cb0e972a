//! Log in through an OpenID provider: the authorization code flow with state, nonce and PKCE in the
//! visitor's own session; guards on how and when they proved who they are; accounts linked by issuer
//! and subject; and the provider may log them out behind their back.
//!
//! ```sh
//! folder=$(mktemp -d)   # any provider will do; this is that of the tests
//! npm install --prefix "$folder" oidc-provider
//! node tests/support/openid/provider.mjs 9000 "$folder" &
//! curl http://127.0.0.1:9000/reg -H 'Content-Type: application/json' -d '{"client_name": "shop",
//!   "redirect_uris": ["http://127.0.0.1:3000/callback"],
//!   "backchannel_logout_uri": "http://127.0.0.1:3000/back-channel-logout",
//!   "backchannel_logout_session_required": true}'
//! OPENID_ISSUER=http://127.0.0.1:9000 OPENID_CLIENT_ID=shop OPENID_CLIENT_SECRET='of no worth either' \
//!   cargo run --example openid_login
//! ```
//! Then open <http://127.0.0.1:3000> in a browser. `ORIGIN` says where visitors reach it, if that is
//! elsewhere; `PENDING_SECONDS` (600) how long a log-in may take.
#![expect(clippy::print_stdout, reason = "a program for people")]

mod back_channel;
mod failure;
mod http;
mod linking;
mod provider;

use std::env;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sessile::accounts::{Lookup, MemoryAccounts, UserStore};
use sessile::guard::{Attempt, RequireLayer, assurance, fresh};
use sessile::store::MemoryStore;
use sessile::transport::Cookie;
use sessile::{
    Active, Assurance, Clock, Event, Expiry, Key, NewSession, Refusals, ReturnTo, Session,
    SessionLayer, Sessions, SystemClock, Timestamp,
};

use self::back_channel::Logins;
use self::failure::Failure;
use self::provider::{Begun, Proven, Provider, TWO_FACTORS};

/// Who is logged in.
#[derive(Clone, Serialize, Deserialize)]
struct Member {
    email: String,
    /// Their session at the provider.
    sid: Option<String>,
}

#[derive(Clone)]
struct App {
    provider: Arc<Provider>,
    accounts: MemoryAccounts,
    logins: Arc<Logins>,
    begun: Sessions<Begun>,
    members: Sessions<Member>,
}

/// Whom the sessions of visitors on their way to the provider belong to: nobody in particular.
const ON_THEIR_WAY: &str = "on their way";

/// How many may be on their way at once: some 50 MB. Further ones are told to come later.
const MOST_BEGUN: usize = 50_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = format!("127.0.0.1:{}", env::var("PORT").unwrap_or_else(|_| "3000".into()));
    let listener = tokio::net::TcpListener::bind(&address).await.map_err(|error| {
        format!("cannot listen on {address}: {error}. Choose another port: PORT=3001")
    })?;
    let address = listener.local_addr()?;
    let origin = env::var("ORIGIN").unwrap_or_else(|_| format!("http://{address}"));
    let needed =
        |name| env::var(name).map_err(|_| format!("{name} is not set: see the head of main.rs"));
    let (issuer, client) = (needed("OPENID_ISSUER")?, needed("OPENID_CLIENT_ID")?);
    let provider = Provider::new(issuer, client, needed("OPENID_CLIENT_SECRET")?, &origin)?;
    let pending = env::var("PENDING_SECONDS").unwrap_or_else(|_| "600".into());
    let pending = pending.parse().map_err(|_| "PENDING_SECONDS is not a number of seconds")?;

    let logins = Arc::new(Logins::default());
    let told = Arc::clone(&logins);
    // Behind TLS, delete both `dangerously_allow_plain_http`: the cookies are then Secure. Both must
    // be `SameSite=Lax`, as they are: the provider sends visitors back from another site.
    let members = SessionLayer::<Member>::new(MemoryStore::new(), Key::generate())
        .transport(Cookie::named("member").dangerously_allow_plain_http())
        .refusals(Refusals::problem().login_page("/login").step_up_page("/login/again"))
        .observer(move |event: &Event<'_>| {
            if let Event::Ended { id, .. } = event {
                told.ended(*id);
            }
        });
    // What a visitor takes along to the provider is in a session of their own, which ends when they
    // are back or too late. The browser has a ticket for it, not the secrets themselves.
    // Every stranger may begin one, so there is an end to what they take.
    let limit = Duration::from_secs(pending);
    let begun = SessionLayer::<Begun>::new(MemoryStore::with_capacity(MOST_BEGUN), Key::generate())
        .transport(Cookie::named("login").dangerously_allow_plain_http())
        .try_expiry(Expiry::idle(limit).absolute(limit).without_renewal())?;

    let app = App {
        provider: Arc::new(provider),
        accounts: linking::accounts().await.map_err(|_| "the accounts cannot be made")?,
        logins,
        begun: begun.sessions(),
        members: members.sessions(),
    };
    let surely = RequireLayer::<Member>::new(assurance(Assurance::Aal2));
    let recently = RequireLayer::<Member>::new(fresh(Duration::from_secs(300)));
    let by_code = RequireLayer::<Member>::new(|attempt: &Attempt<'_, Member>| {
        let context = attempt.meta().context.as_deref();
        context.is_some_and(|context| context.methods.iter().any(|method| &**method == "otp"))
    });
    let app = Router::new()
        .route("/", get(async || Html(HOME)))
        .route("/login", get(log_in))
        .route("/login/again", get(log_in_again))
        .route("/callback", get(callback))
        .route("/back-channel-logout", post(back_channel_logout))
        .route("/me", get(me))
        .route("/vault", get(async || "gold").layer(surely)) // by `acr`
        .route("/codes", get(async || "used").layer(by_code)) // by `amr`
        .route("/address", get(async || "change it").layer(recently)) // by `auth_time`
        .route("/logout", post(log_out))
        .with_state(app)
        .layer(members)
        .layer(begun);

    println!("Listening on http://{address}: open it in a browser");
    axum::serve(listener, app).await?;
    Ok(())
}

const HOME: &str = "<!doctype html><title>Shop</title><a href=/login?next=/me>Log in</a>
    <a href=/me>Me</a> <a href=/vault>Vault</a> <a href=/address>Address</a>
    <form method=post action=/logout><button>Log out</button></form>";

type Begins = Result<Redirect, Failure>;

async fn log_in(app: State<App>, visitor: Session<Begun>, RawQuery(query): RawQuery) -> Begins {
    begin(&app, &visitor, query.as_deref(), false).await
}

/// For whom must prove again, or better, who they are.
async fn log_in_again(
    app: State<App>,
    visitor: Session<Begun>,
    RawQuery(query): RawQuery,
) -> Begins {
    begin(&app, &visitor, query.as_deref(), true).await
}

/// A log-in that this visitor began earlier and did not finish is over.
async fn begin(app: &App, visitor: &Session<Begun>, query: Option<&str>, again: bool) -> Begins {
    let back = ReturnTo::from_query(query).map(|path| path.to_string());
    let (url, begun) = app.provider.begin(back, again).await?;
    visitor.create(NewSession::with(begun).subject(ON_THEIR_WAY))?;
    Ok(Redirect::to(&url))
}

#[derive(Deserialize)]
struct Returned {
    state: Option<String>,
    code: Option<String>,
    /// Which provider it was (RFC 9207).
    iss: Option<String>,
}

async fn callback(
    State(app): State<App>,
    visitor: Option<Active<Begun>>,
    member: Session<Member>,
    Query(returned): Query<Returned>,
) -> Result<Redirect, Failure> {
    let visitor = visitor.ok_or(Failure::NotBegun)?;
    let id = visitor.session().id().ok_or(Failure::NotBegun)?;
    // Somebody else's state ends nobody's log-in: a link with a made-up one is easily sent.
    if !visitor.has_state(returned.state.as_deref().unwrap_or_default()) {
        return Err(Failure::NotBegun);
    }
    // Once: of all that come with it at the same time, one hears yes.
    let begun = Begun::clone(&visitor);
    if !app.begun.revoke(ON_THEIR_WAY, id).await? {
        return Err(Failure::NotBegun);
    }
    visitor.session().destroy()?;
    if returned.iss.is_some_and(|issuer| issuer != app.provider.issuer()) {
        return Err(Failure::NotProven);
    }
    let code = returned.code.ok_or(Failure::Refused)?;
    let back = begun.back.clone();
    let since = Timestamp::from(SystemClock.now());
    let proven = app.provider.finish(begun, code).await?;
    let user = linking::user_of(&app.accounts, app.provider.issuer(), &proven).await?;

    let user_id = user.id.to_string();
    member.create(session_of(&proven, user.email.to_string(), &user_id))?;
    if let (Some(sid), Some(id), Some(meta)) = (&proven.sid, member.id(), member.meta()) {
        app.logins.began(id, user_id, sid.clone(), meta.absolute);
    }
    member.commit().await?;
    // The provider may have logged them out before there was a session here to end. This one ends
    // with the response, which hands out no ticket for it.
    if app.logins.are_logged_out(&proven, since) {
        member.destroy()?;
        return Err(Failure::LoggedOut);
    }
    // It was a path of this site when the log-in began, and nobody else could write it since.
    Ok(Redirect::to(back.as_deref().unwrap_or("/me")))
}

/// The new session, with how, how surely and when its holder proved who they are.
fn session_of(proven: &Proven, email: String, user: &str) -> NewSession<Member> {
    let level = match proven.acr.as_deref() {
        Some(TWO_FACTORS) => Assurance::Aal2,
        _ => Assurance::Aal1,
    };
    let session = NewSession::with(Member { email, sid: proven.sid.clone() })
        .subject(user)
        .assurance(level)
        .methods(proven.amr.iter().map(String::as_str))
        .authenticated_at(proven.authenticated_at);
    match proven.acr.as_deref() {
        Some(acr) => session.acr(acr),
        None => session,
    }
}

async fn me(member: Active<Member>) -> Json<Value> {
    let meta = member.meta();
    let context = meta.context.as_deref();
    Json(json!({
        "user": meta.subject.as_deref(),
        "email": member.email,
        "sid": member.sid,
        "acr": context.and_then(|context| context.acr.as_deref()),
        "amr": context.map(|context| &context.methods[..]),
        "auth_time": meta.authenticated.as_millis() / 1000,
    }))
}

/// Of this application only: the session at the provider goes on.
async fn log_out(member: Session<Member>) -> Result<Redirect, Failure> {
    member.destroy()?;
    Ok(Redirect::to("/"))
}

#[derive(Deserialize)]
struct LogoutForm {
    logout_token: String,
}

/// The provider comes here, not a browser: no cookie, no session of its own.
async fn back_channel_logout(
    State(app): State<App>,
    Form(form): Form<LogoutForm>,
) -> Result<impl IntoResponse, Failure> {
    let now = Timestamp::from(SystemClock.now());
    let metadata = app.provider.metadata().await?;
    let client = app.provider.client_id();
    let logout = back_channel::verify(&form.logout_token, &metadata, client, now)?;
    app.logins.spend(&logout, now)?;
    // First, so that who logs in at this moment finds it, or is found.
    app.logins.log_out(&logout, now);
    if let Err(failure) = end(&app, &logout).await {
        app.logins.unspend(&logout);
        return Err(failure);
    }
    Ok((StatusCode::OK, [("cache-control", "no-store")]))
}

/// With a `sid` the sessions that came of it, otherwise all of the user.
async fn end(app: &App, logout: &back_channel::Logout) -> Result<(), Failure> {
    let user = match &logout.subject {
        None => None,
        Some(subject) => {
            let provider = linking::name_of(app.provider.issuer());
            let found = app.accounts.find(Lookup::link(provider, subject.as_str())).await?;
            // Nobody here: there is nothing to end.
            let Some(account) = found else { return Ok(()) };
            Some(account.user.id.to_string())
        }
    };
    match (&logout.sid, user) {
        (Some(sid), user) => {
            for (id, owner) in app.logins.of_sid(sid) {
                if user.as_ref().is_none_or(|user| *user == owner) {
                    app.members.revoke(&owner, id).await?;
                }
            }
        }
        (None, Some(user)) => drop(app.members.revoke_all(&user).await?),
        (None, None) => {}
    }
    Ok(())
}
