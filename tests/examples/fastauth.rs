//! `examples/fastauth`: FastAuth's routers over accounts and pairs of tokens, row by row.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE};
use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use sessile::testkit::SimulatedClock;
use sessile::token::{Jwt, JwtKey, NewToken, Tokens};
use sessile::{Id, Key};
use sqlx::{Connection, PgConnection};
use tokio::time::{sleep, timeout};

use crate::http_support::{Program, Reply, Visitor, form, get, post, request, send};
use crate::services::shared_url;

const SECRET: &str = "c1b4f0a86d92e37754ab1099f3e2d86c05b7941eaf3d6b28907c5e1142d8f36b";
const PASSWORD: &str = "correct horse battery";
const ROOT: (&str, &str) = ("root@example.org", "sesame, open up");

const MISSING: (u16, &str) = (
    401,
    r#"{"detail":["Missing token in headers: Not authenticated","Missing token in cookies: Not authenticated"]}"#,
);
const NO_ACCESS: (u16, &str) = (401, r#"{"detail":"access token is required"}"#);
const NO_REFRESH: (u16, &str) = (401, r#"{"detail":"refresh token is required"}"#);
const DENIED: (u16, &str) = (403, r#"{"detail":"Access denied"}"#);
const UNKNOWN: (u16, &str) = (404, r#"{"detail":"User not found"}"#);

/// The program on a database of its own.
struct Site {
    program: Program,
    address: SocketAddr,
    database: PathBuf,
}

impl Site {
    fn new(variables: &[(&str, &str)]) -> Self {
        let name = format!("fastauth-{}.db", Id::generate().unwrap());
        Self::on(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name), variables)
    }

    fn on(database: PathBuf, variables: &[(&str, &str)]) -> Self {
        let url = format!("sqlite:{}", database.display());
        let (program, address) = run(&url, variables);
        Self { program, address, database }
    }

    /// The token that was sent to somebody, which the program prints instead.
    fn mailed(&self, email: &str) -> String {
        let line = std::iter::from_fn(|| self.program.line()).find(|line| line.contains(email));
        line.unwrap().rsplit([' ', '/']).next().unwrap().to_owned()
    }

    async fn register(&self, name: &str) -> Reply {
        let user = json!({
            "email": format!("{name}@example.org"), "username": name, "password": PASSWORD,
        });
        send(self.address, with_json(Method::POST, "/auth/register", &user)).await
    }

    async fn user(&self, name: &str) -> Tokenholder {
        assert_eq!(self.register(name).await.status, 200);
        Tokenholder::log_in(self.address, name, PASSWORD).await
    }

    async fn root(&self) -> Tokenholder {
        Tokenholder::log_in(self.address, ROOT.0, ROOT.1).await
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        for suffix in ["", "-wal", "-shm"] {
            std::fs::remove_file(format!("{}{suffix}", self.database.display())).ok();
        }
    }
}

fn run(database: &str, variables: &[(&str, &str)]) -> (Program, SocketAddr) {
    let mut all = vec![
        ("DATABASE_URL", database),
        ("JWT_SECRET", SECRET),
        ("ADMIN_EMAIL", ROOT.0),
        ("ADMIN_PASSWORD", ROOT.1),
    ];
    all.extend_from_slice(variables);
    Program::serve("fastauth", &[], &all)
}

/// A client that keeps its tokens itself.
#[derive(Clone)]
struct Tokenholder {
    address: SocketAddr,
    access: String,
    refresh: String,
}

impl Tokenholder {
    async fn log_in(address: SocketAddr, name: &str, password: &str) -> Self {
        let reply = log_in(address, name, password).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        Self::of(address, &reply)
    }

    fn of(address: SocketAddr, reply: &Reply) -> Self {
        let body = value(reply);
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        assert_eq!(text("type"), "bearer");
        Self { address, access: text("access_token"), refresh: text("refresh_token") }
    }

    async fn get(&self, path: &str) -> Reply {
        self.ask(Method::GET, path, &Value::Null).await
    }

    async fn ask(&self, method: Method, path: &str, body: &Value) -> Reply {
        let plain = match body {
            Value::Null => request(method, path),
            body => with_json(method, path, body),
        };
        send(self.address, with_bearer(plain, &self.access)).await
    }

    async fn refresh(&self) -> Reply {
        send(self.address, with_bearer(post("/auth/token/refresh"), &self.refresh)).await
    }

    async fn id(&self) -> String {
        value(&self.get("/me").await)["id"].as_str().unwrap().to_owned()
    }
}

async fn log_in(address: SocketAddr, name: &str, password: &str) -> Reply {
    send(address, login_form(name, password)).await
}

fn login_form(name: &str, password: &str) -> Request<Full<Bytes>> {
    let name = name.replace('@', "%40");
    let password = password.replace(' ', "+").replace(',', "%2C");
    form("/auth/token/login", &format!("username={name}&password={password}"))
}

fn with_bearer(request: Request<Full<Bytes>>, token: &str) -> Request<Full<Bytes>> {
    with(request, AUTHORIZATION, &format!("Bearer {token}"))
}

fn with(
    mut request: Request<Full<Bytes>>,
    name: http::HeaderName,
    value: &str,
) -> Request<Full<Bytes>> {
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}

fn with_json(method: Method, path: &str, body: &Value) -> Request<Full<Bytes>> {
    let mut request = with(request(method, path), CONTENT_TYPE, "application/json");
    *request.body_mut() = Full::from(body.to_string());
    request
}

fn value(reply: &Reply) -> Value {
    serde_json::from_str(&reply.body).unwrap_or_else(|_| panic!("no JSON: {reply:?}"))
}

/// Each `Set-Cookie` as name, value and sorted attributes.
fn cookies(reply: &Reply) -> Vec<(String, String, String)> {
    let parse = |line: &str| {
        let (pair, rest) = line.split_once("; ").unwrap();
        let (name, value) = pair.split_once('=').unwrap();
        let mut attributes: Vec<_> = rest.split("; ").collect();
        attributes.sort_unstable();
        (name.to_owned(), value.to_owned(), attributes.join("; "))
    };
    reply.set_cookies().into_iter().map(parse).collect()
}

#[tokio::test]
async fn f3_f4_f9_b1_b20_a_log_in_gives_both_tokens_in_the_body_and_in_cookies() {
    let site = Site::new(&[]);
    site.register("ann").await;
    let mut browser = Visitor::new(site.address);
    let reply = browser.send(login_form("ANN@example.org", PASSWORD)).await;
    let [access, refresh] = &cookies(&reply)[..] else { panic!("{reply:?}") };
    assert_eq!(access.0, "access_token_cookie");
    assert_eq!(access.2, "HttpOnly; Max-Age=86400; Path=/; SameSite=Lax");
    assert_eq!(refresh.0, "refresh_token_cookie");
    assert_eq!(refresh.2, "HttpOnly; Max-Age=1728000; Path=/; SameSite=Lax");
    assert_eq!(reply.headers["cache-control"], "no-store");
    let ann = Tokenholder::of(site.address, &reply);
    assert_eq!(access.1, ann.access);
    assert!(reply.headers.get("authorization").is_none(), "the body has it");

    let said = value(&browser.get("/protected").await);
    assert_eq!(said, value(&ann.get("/protected").await));
    let id = said["id"].as_str().unwrap();
    let seconds = |name: &str| said[name].as_u64().unwrap();
    assert_eq!(seconds("exp") - seconds("iat"), 86_400);
    let expected = json!({
        "sub": id, "type": "access", "id": id, "email": "ann@example.org", "is_active": true,
        "is_verified": false, "aud": ["fastauth:auth"], "iat": said["iat"], "exp": said["exp"],
    });
    assert_eq!(said, expected);

    // The first place that holds a token decides.
    let basic = with(get("/protected"), AUTHORIZATION, "Basic x");
    assert_eq!(browser.send(basic).await.status, 200);
    let junk = browser.send(with_bearer(get("/protected"), "junk")).await;
    assert_eq!(junk.said(), NO_ACCESS);
    assert!(junk.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
    for path in ["/protected", "/me", "/users", "/admin"] {
        let nothing = send(site.address, get(path)).await;
        assert_eq!(nothing.said(), MISSING, "{path}");
        assert_eq!(nothing.headers["www-authenticate"], "Bearer");
    }
    assert_eq!(send(site.address, post("/auth/token/logout")).await.said(), MISSING);
    assert_eq!(send(site.address, post("/auth/token/refresh")).await.said(), MISSING);
}

#[tokio::test]
async fn f2_each_token_does_its_own_and_nothing_else() {
    let site = Site::new(&[]);
    let ann = site.user("ann").await;
    let swapped = Tokenholder { access: ann.refresh.clone(), ..ann.clone() };
    assert_eq!(swapped.get("/protected").await.said(), NO_ACCESS);
    assert_eq!(
        swapped.ask(Method::POST, "/auth/token/logout", &Value::Null).await.said(),
        NO_ACCESS
    );
    let swapped = Tokenholder { refresh: ann.access.clone(), ..ann.clone() };
    assert_eq!(swapped.refresh().await.said(), NO_REFRESH);
    // A ticket is good where it was issued for: in a cookie the one of the body is none.
    let cookie = format!("refresh_token_cookie={}", ann.refresh);
    let moved = with(post("/auth/token/refresh"), COOKIE, &cookie);
    assert_eq!(send(site.address, moved).await.said(), NO_REFRESH);

    let holder = send(site.address, with_bearer(get("/refresh"), &ann.refresh)).await;
    assert_eq!(value(&holder), json!({ "sub": ann.id().await, "type": "refresh" }));
    assert_eq!(ann.refresh().await.status, 200, "looking at it spent nothing");
}

#[tokio::test]
async fn f1_b18_b22_b23_only_what_the_program_would_issue_is_taken() {
    let site = Site::new(&[]);
    let ann = site.user("ann").await;
    let payload = BASE64URL_NOPAD.decode(ann.access.split('.').nth(1).unwrap().as_bytes()).unwrap();
    let claims: Value = serde_json::from_slice(&payload).unwrap();
    let sid: Id = claims["sid"].as_str().unwrap().parse().unwrap();
    let jwt = |secret: &str| Jwt::new(JwtKey::derived_from(&Key::from_text(secret).unwrap()));
    let ours = || Tokens::new(jwt(SECRET), "fastauth:auth");
    let new = |token: NewToken| {
        token.session(sid).with(json!({
            "id": "x", "email": "ann@example.org", "is_active": true, "is_verified": true,
        }))
    };
    let access = || new(NewToken::access(claims["sub"].as_str().unwrap()));
    let purpose = new(NewToken::purpose("reset", claims["sub"].as_str().unwrap()));
    let at = |seconds| {
        let then = std::time::UNIX_EPOCH + Duration::from_secs(seconds);
        ours().clock(SimulatedClock::starting_at(then))
    };
    let unsigned = format!(
        "{}.{}.",
        BASE64URL_NOPAD.encode(br#"{"alg":"none","typ":"JWT"}"#),
        BASE64URL_NOPAD.encode(&payload)
    );
    let without_end = {
        let mut claims = claims.clone();
        claims.as_object_mut().unwrap().remove("exp");
        format!(
            "{}.{}.x",
            ann.access.split('.').next().unwrap(),
            BASE64URL_NOPAD.encode(claims.to_string().as_bytes())
        )
    };
    let other = "00112233445566778899aabbccddeeff0f1e2d3c4b5a69788796a5b4c3d2e1f0";
    let ask =
        async |token: String| send(site.address, with_bearer(get("/protected"), &token)).await;
    assert_eq!(ask(ours().issue(&access()).unwrap()).await.status, 200, "as the program issues it");
    for (what, token) in [
        ("expired", at(1_000_000_000).issue(&access()).unwrap()),
        ("from the future", at(32_503_680_000).issue(&access()).unwrap()),
        ("for a reset", ours().issue(&purpose).unwrap()),
        ("for others", Tokens::new(jwt(SECRET), "fastauth:reset").issue(&access()).unwrap()),
        ("of another key", Tokens::new(jwt(other), "fastauth:auth").issue(&access()).unwrap()),
        ("unsigned", unsigned),
        ("without an end", without_end),
        ("long", "a".repeat(100_000)),
    ] {
        let reply = ask(token).await;
        // A server may refuse to read so much of a head.
        let refused = reply.said() == NO_ACCESS || (what == "long" && reply.status == 431);
        assert!(refused, "{what}: {reply:?}");
    }
}

#[tokio::test]
async fn f5_b2_b24_a_log_out_ends_both_tokens_and_removes_both_cookies() {
    let site = Site::new(&[]);
    let ann = site.user("ann").await;
    let elsewhere = Tokenholder::log_in(site.address, "ann", PASSWORD).await;
    let reply = ann.ask(Method::POST, "/auth/token/logout", &Value::Null).await;
    assert_eq!(reply.said(), (204, ""));
    let attributes = "HttpOnly; Max-Age=0; Path=/; SameSite=Lax".to_owned();
    let removal = |name: &str| (name.to_owned(), String::new(), attributes.clone());
    let expected = [removal("access_token_cookie"), removal("refresh_token_cookie")];
    assert_eq!(cookies(&reply), expected);

    assert_eq!(ann.get("/me").await.said(), NO_ACCESS);
    assert_eq!(ann.refresh().await.said(), NO_REFRESH);
    assert_eq!(ann.ask(Method::POST, "/auth/token/logout", &Value::Null).await.said(), NO_ACCESS);
    assert_eq!(elsewhere.get("/me").await.status, 200, "that is another session");

    // With cookies alone, as a browser does it.
    let mut browser = Visitor::new(site.address);
    browser.send(login_form("ann", PASSWORD)).await;
    let mut thief = browser.clone();
    assert_eq!(browser.post("/auth/token/logout").await.status, 204);
    assert_eq!(browser.get("/me").await.said(), MISSING, "it has forgotten both");
    assert_eq!(thief.get("/me").await.said(), NO_ACCESS);
    assert_eq!(thief.post("/auth/token/refresh").await.said(), NO_REFRESH);
}

#[tokio::test]
async fn f6_b24_a_refresh_token_that_is_used_twice_ends_the_newest_pair_too() {
    let site = Site::new(&[]);
    let first = site.user("ann").await;
    let reply = first.refresh().await;
    assert_eq!((reply.status, reply.set_cookies().len()), (200, 2));
    let second = Tokenholder::of(site.address, &reply);
    assert_ne!((&first.access, &first.refresh), (&second.access, &second.refresh));
    assert_eq!(second.get("/me").await.status, 200);
    let third = Tokenholder::of(site.address, &second.refresh().await);
    assert_eq!(third.get("/me").await.status, 200);

    assert_eq!(first.refresh().await.said(), NO_REFRESH);
    for holder in [&first, &second, &third] {
        assert_eq!(holder.get("/me").await.said(), NO_ACCESS);
        assert_eq!(holder.refresh().await.said(), NO_REFRESH);
    }

    // The same with cookies.
    let mut browser = Visitor::new(site.address);
    browser.send(login_form("ann", PASSWORD)).await;
    let mut thief = browser.clone();
    assert_eq!(browser.post("/auth/token/refresh").await.status, 200);
    assert_eq!(browser.get("/me").await.status, 200);
    assert_eq!(thief.post("/auth/token/refresh").await.said(), NO_REFRESH);
    assert_eq!(browser.get("/me").await.said(), NO_ACCESS);
    assert_eq!(browser.post("/auth/token/refresh").await.said(), NO_REFRESH);
}

#[tokio::test]
async fn f7_b21_b25_roles_and_permissions_count_as_they_are_now_and_nobody_else_gets_in() {
    let site = Site::new(&[]);
    let (root, ann) = (site.root().await, site.user("ann").await);
    let id = ann.id().await;
    let own = format!("/users/{id}");

    // What is closed to strangers, and what to users without a role for it.
    let nothing = Value::Null;
    for (method, path) in [
        (Method::GET, "/users"),
        (Method::GET, &*own),
        (Method::PATCH, &*own),
        (Method::DELETE, &*own),
        (Method::PUT, "/users/x/roles/admin"),
        (Method::DELETE, "/users/x/permissions/user:read"),
        (Method::GET, "/roles"),
        (Method::POST, "/roles"),
        (Method::DELETE, "/roles/admin"),
        (Method::PUT, "/roles/user/permissions/user:delete"),
        (Method::GET, "/permissions"),
        (Method::PATCH, "/permissions/user:read"),
        (Method::GET, "/admin"),
        (Method::GET, "/hooks"),
        (Method::GET, "/or"),
    ] {
        let anonymous = send(site.address, request(method.clone(), path)).await;
        assert_eq!(anonymous.said(), MISSING, "{method} {path}");
        let reply = ann.ask(method.clone(), path, &nothing).await;
        assert_eq!(reply.said(), DENIED, "{method} {path}");
    }
    assert_eq!(root.get("/admin").await.said(), (200, r#"{"welcome":"root@example.org"}"#));

    // A permission of a role, one of one's own, and the role itself: any of them lets in.
    let done = async |method: Method, path: String| {
        let reply = root.ask(method, &path, &Value::Null).await;
        assert_eq!(reply.said(), (204, ""), "{path}");
    };
    let support = json!({ "codename": "support", "description": "helps" });
    assert_eq!(root.ask(Method::POST, "/roles", &support).await.status, 201);
    let delete = json!({ "codename": "user:delete" });
    assert_eq!(root.ask(Method::POST, "/permissions", &delete).await.status, 201);
    for grant in ["roles/support", "permissions/user:delete", "roles/admin"] {
        if grant == "roles/support" {
            done(Method::PUT, "/roles/support/permissions/user:delete".to_owned()).await;
        }
        done(Method::PUT, format!("{own}/{grant}")).await;
        assert_eq!(ann.get("/or").await.status, 200, "{grant}");
        done(Method::DELETE, format!("{own}/{grant}")).await;
        assert_eq!(ann.get("/or").await.said(), DENIED, "{grant} was taken back");
    }

    // `false` is a value: verified and back.
    assert_eq!(ann.get("/me_verified").await.said(), UNKNOWN);
    for (verified, status) in [(true, 200), (false, 404)] {
        let change = json!({ "is_verified": verified });
        let reply = root.ask(Method::PATCH, &own, &change).await;
        assert_eq!((reply.status, &value(&reply)["is_verified"]), (200, &json!(verified)));
        assert_eq!(ann.get("/me_verified").await.status, status);
    }
    // Whoever is made inactive is out, and stays out.
    let reply = root.ask(Method::PATCH, &own, &json!({ "is_active": false })).await;
    assert_eq!(value(&reply)["is_active"], false);
    assert_eq!(ann.get("/me").await.said(), NO_ACCESS);
    assert_eq!(ann.refresh().await.said(), NO_REFRESH);
    assert_eq!(log_in(site.address, "ann", PASSWORD).await.status, 401);
}

#[tokio::test]
async fn f10_b27_users_roles_and_permissions_are_read_changed_and_deleted() {
    let site = Site::new(&[]);
    let (root, ann) = (site.root().await, site.user("ann").await);
    let own = format!("/users/{}", ann.id().await);
    let renamed = ann.ask(Method::PATCH, "/users/me", &json!({ "username": "anna" })).await;
    assert_eq!(value(&renamed)["username"], "anna");
    assert_eq!(value(&root.get(&own).await), value(&ann.get("/users/me").await));
    let addresses = value(&root.get("/users").await);
    let addresses: Vec<_> = addresses.as_array().unwrap().iter().map(|u| &u["email"]).collect();
    assert_eq!(addresses.len(), 2);
    assert!(addresses.contains(&&json!("ann@example.org")), "{addresses:?}");
    for wrong in ["/users/x", "/users/00000000-0000-4000-8000-000000000000"] {
        assert_eq!(root.get(wrong).await.said(), UNKNOWN);
    }
    // Nobody gives themselves what is not theirs.
    let greedy = json!({ "username": "anna", "is_verified": true });
    assert_eq!(ann.ask(Method::PATCH, "/users/me", &greedy).await.status, 422);
    let taken = json!({ "email": "ROOT@example.org" });
    assert_eq!(root.ask(Method::PATCH, &own, &taken).await.status, 409);

    for (list, codename) in [("/roles", "editor"), ("/permissions", "article:edit")] {
        let path = format!("{list}/{codename}");
        let missing = (404, r#"{"detail":"Not found"}"#);
        assert_eq!(root.get(&path).await.said(), missing);
        let words = json!({ "description": "writes" });
        assert_eq!(root.ask(Method::PATCH, &path, &words).await.said(), missing);
        let new = json!({ "codename": codename, "description": "edits" });
        assert_eq!(root.ask(Method::POST, list, &new).await.status, 201);
        assert_eq!(value(&root.get(&path).await)["description"], "edits");
        let reply = root.ask(Method::PATCH, &path, &words).await;
        assert_eq!(value(&reply)["description"], "writes");
        assert_eq!(root.ask(Method::DELETE, &path, &Value::Null).await.status, 204);
        assert_eq!(root.ask(Method::DELETE, &path, &Value::Null).await.said(), missing);
        let bad = json!({ "codename": "No Name" });
        assert_eq!(root.ask(Method::POST, list, &bad).await.status, 400);
    }

    assert_eq!(root.ask(Method::DELETE, &own, &Value::Null).await.said(), (204, ""));
    assert_eq!(root.ask(Method::DELETE, &own, &Value::Null).await.said(), UNKNOWN);
    assert_eq!(ann.get("/me").await.said(), NO_ACCESS);
    assert_eq!(log_in(site.address, "anna", PASSWORD).await.status, 401);
}

#[tokio::test]
async fn f10_b28_b30_the_server_decides_what_somebody_who_registers_is() {
    let site = Site::new(&[]);
    let wish = json!({
        "email": "eve@example.org", "username": "eve", "password": PASSWORD,
        "is_verified": true, "is_active": false, "role_id": 2, "role": "admin", "roles": ["admin"],
    });
    let reply = send(site.address, with_json(Method::POST, "/auth/register", &wish)).await;
    let user = value(&reply);
    let expected = json!({
        "id": user["id"], "email": "eve@example.org", "username": "eve", "is_active": true,
        "is_verified": false, "roles": ["user"], "permissions": [],
    });
    assert_eq!((reply.status, user), (200, expected));
    let again = (403, r#"{"detail":"User already exists"}"#);
    assert_eq!(site.register("eve").await.said(), again);
    for (email, password) in [
        ("no address", PASSWORD),
        ("a@example.org", ""),
        ("a@example.org", "password1"),
        ("a@example.org", &*"long ".repeat(100)),
    ] {
        let wrong = json!({ "email": email, "password": password });
        let reply = send(site.address, with_json(Method::POST, "/auth/register", &wrong)).await;
        assert_eq!(reply.status, 400, "{reply:?}");
    }

    let wrong = log_in(site.address, "eve", "incorrect horse").await;
    let unknown = log_in(site.address, "nobody", "incorrect horse").await;
    assert_eq!(wrong.said(), (401, r#"{"detail":"the log-in or the password is wrong"}"#));
    assert_eq!(wrong.said(), unknown.said());
    assert_eq!(wrong.headers["www-authenticate"], unknown.headers["www-authenticate"]);
    for path in ["/auth/request-verify-token/", "/auth/forgot-password/"] {
        for name in ["eve", "nobody"] {
            let reply = send(site.address, post(&format!("{path}{name}@example.org"))).await;
            assert_eq!(reply.said(), (200, "null"), "{path}");
        }
    }
}

#[tokio::test]
async fn f10_b24_verification_and_reset_tokens_work_once_and_for_nothing_else() {
    let site = Site::new(&[]);
    let ann = site.user("ann").await;
    let address = site.address;
    let ask = async |path: &str| send(address, post(path)).await;
    let reset = async |token: &str, password: &str| {
        let body = json!({ "token": token, "password": password });
        send(address, with_json(Method::POST, "/auth/reset-password", &body)).await
    };
    let (no_verification, no_reset) =
        ((400, r#"{"detail":"verification"}"#), (400, r#"{"detail":"reset"}"#));

    ask("/auth/request-verify-token/ann@example.org").await;
    let verify = site.mailed("ann@example.org");
    ask("/auth/forgot-password/ann@example.org").await;
    let forgot = site.mailed("ann@example.org");
    for token in [&verify, &forgot] {
        let as_access = send(address, with_bearer(get("/protected"), token)).await;
        assert_eq!(as_access.said(), NO_ACCESS);
        let as_refresh = send(address, with_bearer(post("/auth/token/refresh"), token)).await;
        assert_eq!(as_refresh.said(), NO_REFRESH);
    }
    assert_eq!(ask(&format!("/auth/verify/{forgot}")).await.said(), no_verification);
    assert_eq!(reset(&verify, "another long one").await.said(), no_reset);
    assert_eq!(ask("/auth/verify/junk").await.said(), no_verification);

    let verified = ask(&format!("/auth/verify/{verify}")).await;
    assert_eq!((verified.status, &value(&verified)["is_verified"]), (200, &json!(true)));
    assert_eq!(ask(&format!("/auth/verify/{verify}")).await.said(), no_verification);
    assert_eq!(ann.get("/me_verified").await.status, 200);

    assert_eq!(reset(&forgot, "short").await.status, 400, "and the token is as it was");
    assert_eq!(reset(&forgot, "another long one").await.said(), (200, "null"));
    assert_eq!(reset(&forgot, "yet another long one").await.said(), no_reset);
    assert_eq!(ann.get("/me").await.said(), NO_ACCESS, "another password, no old session");
    assert_eq!(ann.refresh().await.said(), NO_REFRESH);
    assert_eq!(log_in(address, "ann", PASSWORD).await.status, 401);
    assert_eq!(log_in(address, "ann", "another long one").await.status, 200);
}

#[tokio::test]
async fn f12_each_hook_is_called_once_for_each_event() {
    let site = Site::new(&[]);
    let root = site.root().await;
    let before = value(&root.get("/hooks").await);
    let ann = site.user("ann").await;
    let own = format!("/users/{}", ann.id().await);
    let nothing = Value::Null;
    ann.ask(Method::PATCH, "/users/me", &json!({ "username": "anna" })).await;
    send(site.address, post("/auth/request-verify-token/ann@example.org")).await;
    let token = site.mailed("ann@example.org");
    send(site.address, post(&format!("/auth/verify/{token}"))).await;
    send(site.address, post("/auth/forgot-password/ann@example.org")).await;
    let token = site.mailed("ann@example.org");
    let body = json!({ "token": token, "password": "another long one" });
    send(site.address, with_json(Method::POST, "/auth/reset-password", &body)).await;
    for (list, codename) in [("/roles", "editor"), ("/permissions", "article:edit")] {
        root.ask(Method::POST, list, &json!({ "codename": codename })).await;
        let path = format!("{list}/{codename}");
        root.ask(Method::PATCH, &path, &json!({ "description": "edits" })).await;
    }
    root.ask(Method::PUT, "/roles/editor/permissions/article:edit", &nothing).await;
    root.ask(Method::DELETE, "/roles/editor", &nothing).await;
    root.ask(Method::DELETE, "/permissions/article:edit", &nothing).await;
    root.ask(Method::DELETE, &own, &nothing).await;

    let expected = [
        ("on_after_register", 1),
        ("on_after_login", 1),
        ("on_after_user_update", 1),
        ("on_after_request_verify", 1),
        ("on_after_verify", 1),
        ("on_after_forgot_password", 1),
        ("on_after_reset_password", 1),
        ("on_after_user_grants_update", 1), // everybody's role
        ("on_before_user_delete", 1),
        ("on_after_user_delete", 1),
        ("on_after_role_create", 1),
        ("on_after_role_update", 1),
        ("on_after_role_permissions_update", 1),
        ("on_after_role_delete", 1),
        ("on_after_permission_create", 1),
        ("on_after_permission_update", 1),
        ("on_after_permission_delete", 1),
    ];
    let count = |counts: &Value, name: &str| counts[name].as_u64().unwrap_or(0);
    let more = async || {
        let now = value(&root.get("/hooks").await);
        let of =
            |(name, _): &(&'static str, u64)| (*name, count(&now, name) - count(&before, name));
        expected.iter().map(of).collect::<Vec<_>>()
    };
    // They run beside the requests.
    let all_told = async {
        while more().await != expected {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(60), all_told).await.ok();
    assert_eq!(more().await, expected);
}

#[tokio::test]
async fn f4_f9_b18_b21_options_are_what_they_say_and_nonsense_does_not_start() {
    let site = Site::new(&[
        ("TOKEN_LOCATIONS", "cookies"),
        ("COOKIE_HTTPONLY", "false"),
        ("COOKIE_SECURE", "true"),
        ("COOKIE_SAMESITE", "strict"),
        ("ACCESS_TOKEN_MAX_AGE", "60"),
        ("REFRESH_TOKEN_MAX_AGE", "600"),
        ("USER_DEFAULT_IS_VERIFIED", "true"),
    ]);
    assert_eq!(value(&site.register("ann").await)["is_verified"], true);
    let mut browser = Visitor::new(site.address);
    let reply = browser.send(login_form("ann", PASSWORD)).await;
    assert_eq!(reply.said(), (204, ""));
    let attributes: Vec<_> = cookies(&reply).into_iter().map(|(_, _, rest)| rest).collect();
    let expected =
        ["60", "600"].map(|age| format!("Max-Age={age}; Path=/; SameSite=Strict; Secure"));
    assert_eq!(attributes, expected);
    assert_eq!(browser.get("/me_verified").await.status, 200);
    let token = browser.cookie("access_token_cookie").unwrap();
    let only = (401, r#"{"detail":["Missing token in cookies: Not authenticated"]}"#);
    assert_eq!(send(site.address, with_bearer(get("/me"), &token)).await.said(), only);

    let site = Site::new(&[("TOKEN_LOCATIONS", "headers"), ("ENABLE_REFRESH_TOKEN", "false")]);
    site.register("ann").await;
    let reply = log_in(site.address, "ann", PASSWORD).await;
    assert_eq!((reply.status, reply.set_cookies().len()), (200, 0));
    assert_eq!(value(&reply).get("refresh_token"), None);
    assert_eq!(send(site.address, post("/auth/token/refresh")).await.status, 404);

    let database = format!("sqlite:{}", site.database.display());
    for (name, wrong) in [
        ("JWT_SECRET", ""),
        ("JWT_SECRET", "abcdef0123456789"),
        ("TOKEN_LOCATIONS", "query"),
        ("ACCESS_TOKEN_MAX_AGE", "a day"),
        ("COOKIE_SECURE", "maybe"),
        ("COOKIE_SAMESITE", "SameSiteEnum.lax"),
    ] {
        let variables = [("DATABASE_URL", &*database), (name, wrong)];
        let (status, errors) = Program::run("fastauth", &[], &variables).end();
        assert_eq!(status.code(), Some(1), "{name}={wrong}");
        assert!(errors.contains(name) && !errors.contains("panicked"), "{errors}");
        assert!(wrong.is_empty() || name != "JWT_SECRET" || !errors.contains(wrong), "{errors}");
    }
}

#[tokio::test]
async fn f10_b17_b31_what_is_kept_survives_a_restart_and_other_sites_change_nothing() {
    let site = Site::new(&[]);
    let mut browser = Visitor::new(site.address);
    site.register("ann").await;
    browser.send(login_form("ann", PASSWORD)).await;
    let forged = Request::post("/auth/token/logout").header("sec-fetch-site", "cross-site");
    assert_eq!(browser.send(forged.body(Full::default()).unwrap()).await.status, 403);
    assert_eq!(browser.get("/me").await.status, 200);

    let (_again, address) = run(&format!("sqlite:{}", site.database.display()), &[]);
    let mut browser = browser.at(address);
    assert_eq!(browser.get("/me").await.status, 200);
    assert_eq!(browser.post("/auth/token/refresh").await.status, 200);
    assert_eq!(browser.post("/auth/token/logout").await.status, 204);
}

#[tokio::test]
async fn f10_postgres_keeps_users_and_tokens_as_well() {
    let url = shared_url("TEST_POSTGRES_URL");
    let mut database = PgConnection::connect(&url).await.unwrap();
    let schema = format!("fastauth_{}", Id::generate().unwrap().as_uuid().simple());
    let made = sqlx::AssertSqlSafe(format!("CREATE SCHEMA {schema}"));
    sqlx::raw_sql(made).execute(&mut database).await.unwrap();
    let join = if url.contains('?') { '&' } else { '?' };
    let (_program, address) = run(&format!("{url}{join}options=-csearch_path%3D{schema}"), &[]);

    let user = json!({ "email": "ann@example.org", "username": "ann", "password": PASSWORD });
    let registered = send(address, with_json(Method::POST, "/auth/register", &user)).await;
    assert_eq!(registered.status, 200, "{registered:?}");
    let first = Tokenholder::log_in(address, "ann", PASSWORD).await;
    let second = Tokenholder::of(address, &first.refresh().await);
    assert_eq!(second.get("/me").await.status, 200);
    assert_eq!(first.refresh().await.said(), NO_REFRESH);
    assert_eq!(second.get("/me").await.said(), NO_ACCESS);
    let third = Tokenholder::log_in(address, "ann", PASSWORD).await;
    assert_eq!(third.ask(Method::POST, "/auth/token/logout", &Value::Null).await.status, 204);
    assert_eq!(third.get("/me").await.said(), NO_ACCESS);
    assert_eq!(third.get("/users").await.said(), NO_ACCESS);
}
