//! Users, what they may do, and what is told of them.

use std::time::Duration;

use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use sessile::Id;
use sqlx::{Connection, PgConnection};
use tokio::time::{sleep, timeout};

use super::{
    DENIED, MISSING, NO_ACCESS, NO_REFRESH, PASSWORD, Site, Tokenholder, UNKNOWN, log_in,
    login_form, run, value, with_bearer, with_json,
};
use crate::http_support::{Visitor, get, post, request, send};
use crate::services::shared_url;

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
    for (email, username) in [("EVE@example.org", "adam"), ("adam@example.org", "EVE")] {
        let form = json!({ "email": email, "username": username, "password": PASSWORD });
        let reply = send(site.address, with_json(Method::POST, "/auth/register", &form)).await;
        assert_eq!(reply.said(), again, "{email} {username}");
    }
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
