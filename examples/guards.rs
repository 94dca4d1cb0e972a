//! Who may do what on an API: roles and permissions, written down once, and a router that refuses
//! whatever is not named open.
//!
//! ```sh
//! cargo run --example guards
//! curl -i http://127.0.0.1:3000/users
//! curl -i -c sam.txt -X POST http://127.0.0.1:3000/login/sam
//! curl -i -b sam.txt http://127.0.0.1:3000/users
//! curl -i -b sam.txt -X DELETE http://127.0.0.1:3000/users/bob
//! curl -i -c ann.txt -X POST http://127.0.0.1:3000/login/ann
//! curl -i -b ann.txt -X DELETE http://127.0.0.1:3000/users/bob
//! ```
//! There are ann (an administrator), sam (support), rita (may export reports, by herself), bob (may
//! nothing but see himself) and eve (has not confirmed her address).
#![expect(clippy::print_stdout, reason = "a program for people")]

use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sessile::guard::{Attempt, Guard, Policy, Principal, RequireLayer, is_active, is_verified};
use sessile::store::MemoryStore;
use sessile::transport::Cookie;
use sessile::{
    Active, Denied, Key, NewSession, Permitted, Refusal, Refusals, Session, SessionLayer,
};

#[derive(Clone, Serialize, Deserialize)]
struct User {
    roles: Vec<String>,
    permissions: Vec<String>,
    verified: bool,
}

/// What the rules ask of a user.
impl Principal for User {
    fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|own| own == role)
    }

    fn has_permission(&self, permission: &str) -> bool {
        self.permissions.iter().any(|own| own == permission)
    }

    fn is_active(&self) -> bool {
        true
    }

    fn is_verified(&self) -> bool {
        self.verified
    }
}

/// A rule with a name, for signatures.
#[derive(Default)]
struct MayExport;

impl Guard<User> for MayExport {
    fn check(&self, attempt: &Attempt<'_, User>) -> Result<(), Denied> {
        if attempt.data().has_permission("report:export") {
            Ok(())
        } else {
            Err(Denied::forbidden())
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // What there is to be allowed. A misspelt role or permission below does not start.
    let policy = Policy::new()
        .role("support", ["user:read"])
        .role("admin", ["user:read", "user:delete"])
        .permission("report:export");

    // Everything is closed but these. Who is not in good standing is told that there is no such
    // user, and who may not do something that they may not.
    let closed = RequireLayer::<User>::new(is_active().and(is_verified()))
        .open("GET /")
        .open("POST /login/*")
        .refusals(Refusals::detail().with(
            Refusal::Forbidden,
            StatusCode::NOT_FOUND,
            "User not found",
        ));
    let open: Vec<String> = closed.open_routes().map(str::to_owned).collect();
    println!("Anybody may reach: {}", open.join(", "));

    let denied = Refusals::fastauth();
    let may = |permission| RequireLayer::<User>::new(policy.has_permission(permission));
    let read = may("user:read").refusals(denied.clone());
    let remove = may("user:delete").refusals(denied.clone());
    let own = |attempt: &Attempt<'_, User>| {
        let owner = attempt.uri().path().strip_prefix("/users/");
        owner.is_some() && owner == attempt.meta().subject.as_deref()
    };
    let profile = RequireLayer::<User>::new(own.or(policy.has_permission("user:read")))
        .refusals(denied.clone());

    let app = Router::new()
        .route("/", get(async move || Json(json!({ "open": open }))))
        .route("/login/{name}", post(log_in))
        .route("/whoami", get(who_am_i))
        .route("/users", get(async || Json(["ann", "sam", "rita", "bob", "eve"])).layer(read))
        .route("/users/{name}", get(show).layer(profile).merge(delete(delete_user).layer(remove)))
        .route("/reports", get(export))
        .layer(closed)
        // Behind TLS, delete `dangerously_allow_plain_http`: the cookie is then Secure.
        .layer(
            SessionLayer::<User>::new(MemoryStore::new(), Key::generate())
                .transport(Cookie::named("sid").dangerously_allow_plain_http())
                .refusals(denied),
        );

    let address = format!("127.0.0.1:{}", std::env::var("PORT").unwrap_or_else(|_| "3000".into()));
    let listener = tokio::net::TcpListener::bind(&address).await.map_err(|error| {
        format!("cannot listen on {address}: {error}. Choose another port: PORT=3001")
    })?;
    let address = listener.local_addr()?;
    println!("Listening on http://{address}. Try, with and without the cookie:");
    println!("  curl -i -c jar.txt -X POST http://{address}/login/sam");
    println!("  curl -i -b jar.txt http://{address}/users");
    println!("  curl -i -b jar.txt -X DELETE http://{address}/users/bob");
    axum::serve(listener, app).await?;
    Ok(())
}

/// A real one asks for a password. What somebody may do, the server knows; nobody is asked.
async fn log_in(
    session: Session<User>,
    Path(name): Path<String>,
) -> Result<Json<Value>, (StatusCode, Json<Value>)> {
    let (roles, permissions): (&[&str], &[&str]) = match name.as_str() {
        "ann" => (&["admin"], &[]),
        "sam" => (&["support"], &[]),
        "rita" => (&[], &["report:export"]),
        "bob" | "eve" => (&[], &[]),
        _ => return Err((StatusCode::NOT_FOUND, Json(json!({ "detail": "User not found" })))),
    };
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let verified = name != "eve";
    let user = User { roles: owned(roles), permissions: owned(permissions), verified };
    let begun = session.create(NewSession::with(user).subject(name.as_str()));
    begun.map_err(|_| (StatusCode::INTERNAL_SERVER_ERROR, Json(Value::Null)))?;
    Ok(Json(json!({ "welcome": name })))
}

/// No guard of its own: the router's holds.
async fn who_am_i(user: Active<User>) -> Json<Value> {
    Json(json!({ "name": user.meta().subject.as_deref(), "roles": user.roles }))
}

async fn show(Path(name): Path<String>) -> Json<Value> {
    Json(json!({ "name": name }))
}

async fn delete_user(Path(name): Path<String>) -> Json<Value> {
    Json(json!({ "deleted": name }))
}

/// The signature says who may: without the permission this does not run.
async fn export(user: Permitted<User, MayExport>) -> Json<Value> {
    Json(json!({ "reports": [], "exported_by": user.meta().subject.as_deref() }))
}
