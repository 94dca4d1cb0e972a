//! Tokens: where they travel, what they are good for, when they end; and the options.

use std::time::{Duration, UNIX_EPOCH};

use data_encoding::BASE64URL_NOPAD;
use http::Method;
use http::header::{AUTHORIZATION, COOKIE};
use serde_json::{Value, json};
use sessile::testkit::SimulatedClock;
use sessile::token::{Jwt, JwtKey, NewToken, Tokens};
use sessile::{Id, Key};

use super::{
    MISSING, NO_ACCESS, NO_REFRESH, PASSWORD, SECRET, Site, Tokenholder, cookies, log_in,
    login_form, value, with, with_bearer,
};
use crate::http_support::{Program, Visitor, get, post, send};

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
async fn f1_b18_b22_only_what_the_program_would_issue_is_taken() {
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
        let then = UNIX_EPOCH + Duration::from_secs(seconds);
        ours().clock(SimulatedClock::starting_at(then))
    };
    let unsigned = format!(
        "{}.{}.",
        BASE64URL_NOPAD.encode(br#"{"alg":"none","typ":"JWT"}"#),
        BASE64URL_NOPAD.encode(&payload)
    );
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
