//! Protection against requests that other sites send: by what browsers say of where a request
//! comes from, and by a token in each form and script.
//!
//! ```sh
//! cargo run --example csrf_form
//! ```
//! and then, in another terminal, the lines that it prints.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::error::Error as StdError;
use std::net::SocketAddr;

use axum::extract::State;
use axum::response::{Html, Redirect};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sessile::csrf::{RefuseCrossSite, RequireToken, TOKEN_FIELD, Tokens, Verified, Violation};
use sessile::store::MemoryStore;
use sessile::transport::Cookie;
use sessile::{Active, Error, Key, NewSession, Session, SessionLayer};

#[derive(Clone, Serialize, Deserialize)]
struct Member {
    name: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn StdError>> {
    let key = Key::generate();
    let tokens = Tokens::new(key.clone()).observer(report);
    let sessions = SessionLayer::<Member>::new(MemoryStore::new(), key)
        // Behind TLS, delete `dangerously_allow_plain_http`: the cookie is then Secure.
        .transport(Cookie::host("sid").dangerously_allow_plain_http());
    // Behind TLS, add `.https_only()`. What another origin of yours sends would need `.trust(…)`.
    let own_site_only = RefuseCrossSite::new().observer(report);

    // Scripts send the token in a header, so a layer can ask for it.
    let api = Router::new()
        .route("/api/token", get(token))
        .route("/api/name", post(rename_by_script))
        .layer(RequireToken::<Member>::new(tokens.clone()));
    let app = Router::new()
        .route("/", get(home))
        .route("/login", post(login))
        .route("/name", post(rename))
        .route("/logout", post(logout))
        .merge(api)
        .with_state(tokens)
        .layer(sessions)
        .layer(own_site_only);

    let address = format!("127.0.0.1:{}", std::env::var("PORT").unwrap_or_else(|_| "3000".into()));
    let listener = tokio::net::TcpListener::bind(&address).await.map_err(|error| {
        format!("cannot listen on {address}: {error}. Choose another port: PORT=3001")
    })?;
    print_what_to_try(listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

/// Who is refused is worth knowing; what stands in `Origin` was written by whoever sent it.
fn report(violation: &Violation<'_>) {
    println!(
        "refused: {} {} from {:?}: {}",
        violation.method(),
        violation.uri().path(),
        violation.origin().unwrap_or("nowhere"),
        violation.reason().as_str(),
    );
}

async fn home(
    member: Option<Active<Member>>,
    State(tokens): State<Tokens>,
) -> Result<Html<String>, Error> {
    let Some(member) = member else {
        // Nobody is logged in, so there is no session that a token could belong to: that this
        // form is filled in here and not on another site is for `RefuseCrossSite` to see.
        return Ok(Html(page(
            r#"<form method="post" action="/login"><input name="name"><button>Log in</button></form>"#,
        )));
    };
    let token = tokens.issue(member.session())?;
    let hidden = format!(r#"<input type="hidden" name="{TOKEN_FIELD}" value="{token}">"#);
    Ok(Html(page(&format!(
        r#"<h1>{}</h1>
<form method="post" action="/name">{hidden}<input name="name"><button>Rename</button></form>
<form method="post" action="/logout">{hidden}<button>Log out</button></form>"#,
        escape(&member.name),
    ))))
}

#[derive(Deserialize)]
struct Name {
    name: String,
}

async fn login(session: Session<Member>, Form(form): Form<Name>) -> Result<Redirect, Error> {
    // The new session has a new id: tokens from before are worth nothing.
    session.create(NewSession::with(Member { name: form.name.clone() }).subject(form.name))?;
    Ok(Redirect::to("/"))
}

async fn rename(
    member: Active<Member>,
    form: Verified<Form<Name>, Member>,
) -> Result<Redirect, Error> {
    let Form(Name { name }) = form.into_inner();
    member.session().update(move |member| member.name.clone_from(&name))?;
    Ok(Redirect::to("/"))
}

/// Nothing is read from this form but its token.
async fn logout(
    session: Session<Member>,
    _form: Verified<String, Member>,
) -> Result<Redirect, Error> {
    session.destroy()?;
    Ok(Redirect::to("/"))
}

async fn token(member: Active<Member>, State(tokens): State<Tokens>) -> Result<Json<Value>, Error> {
    let token = tokens.issue(member.session())?;
    Ok(Json(json!({ "name": member.name, "csrf_token": token })))
}

async fn rename_by_script(
    member: Active<Member>,
    Json(Name { name }): Json<Name>,
) -> Result<Json<Value>, Error> {
    let answer = json!({ "name": name });
    member.session().update(move |member| member.name.clone_from(&name))?;
    Ok(Json(answer))
}

fn page(body: &str) -> String {
    format!("<!doctype html><html lang=\"en\"><title>csrf_form</title>{body}</html>")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

fn print_what_to_try(address: SocketAddr) {
    println!(
        "Listening on http://{address}

# another site cannot log you in:                               403
curl -i -H 'Sec-Fetch-Site: cross-site' -d name=mallory http://{address}/login
# this one can:                                                 303
curl -i -c jar.txt -d name=alice http://{address}/login
# another site cannot log you out, and the session still works: 403, 200
curl -i -b jar.txt -H 'Sec-Fetch-Site: cross-site' -X POST http://{address}/logout
curl -b jar.txt http://{address}/api/token
# nor can an old browser's, nor a sandboxed page:               403, 403
curl -i -b jar.txt -H 'Origin: https://evil.example' -X POST http://{address}/logout
curl -i -b jar.txt -H 'Origin: null' -X POST http://{address}/logout
# without the token nothing is done, with it everything:        403, 200, 303
token=$(curl -s -b jar.txt http://{address}/api/token | sed 's/.*csrf_token\":\"//; s/\".*//')
curl -i -b jar.txt --json '{{\"name\":\"bob\"}}' http://{address}/api/name
curl -i -b jar.txt --json '{{\"name\":\"bob\"}}' -H \"x-csrf-token: $token\" http://{address}/api/name
curl -i -b jar.txt -d name=carol -d csrf_token=$token http://{address}/name
"
    );
}
