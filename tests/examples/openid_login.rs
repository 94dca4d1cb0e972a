//! `examples/openid_login`: log in through an OpenID provider, which is a real one: `oidc-provider`
//! from npm, certified by the OpenID Foundation, started by `scripts/services` and set up in
//! `tests/support/openid/provider.mjs`. What it would never send (a logout token with a nonce, say)
//! it signs for these tests.

#![allow(clippy::future_not_send, reason = "a running program is not `Sync`")]

use std::net::SocketAddr;

use data_encoding::BASE64URL_NOPAD;
use http::header::{ACCEPT, CONTENT_TYPE};
use serde_json::{Value, json};
use sessile::{Clock, SystemClock, Timestamp};
use tokio::time::{Duration, sleep};

use crate::http_support::{Program, Reply, Visitor, form, get, post, send};
use crate::services::shared_url;

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
const NOT_BEGUN: &str =
    "this log-in was not begun in this browser, took too long or was used already";

/// The shop, a client of its own at the provider.
struct Shop {
    _program: Program,
    address: SocketAddr,
    provider: SocketAddr,
    issuer: String,
    client: String,
}

/// A person at a browser, which keeps the cookies of shop and provider apart.
#[derive(Clone)]
struct Person {
    shop: Visitor,
    provider: Visitor,
}

impl Shop {
    async fn open() -> Self {
        Self::open_with(&[]).await
    }

    async fn open_with(more: &[(&str, &str)]) -> Self {
        let issuer = shared_url("TEST_OPENID_URL");
        let provider = issuer.strip_prefix("http://").unwrap().parse().unwrap();
        let client = format!("shop-{}", sessile::Id::generate().unwrap().as_uuid().simple());
        let mut variables = vec![
            ("OPENID_ISSUER", issuer.as_str()),
            ("OPENID_CLIENT_ID", client.as_str()),
            ("OPENID_CLIENT_SECRET", "of no worth either"),
        ];
        variables.extend_from_slice(more);
        let (program, address) = Program::serve("openid_login", &[], &variables);
        let metadata = json!({
            "client_name": client,
            "redirect_uris": [format!("http://{address}/callback")],
            "backchannel_logout_uri": format!("http://{address}/back-channel-logout"),
            "backchannel_logout_session_required": true,
        });
        let reply = send(provider, json_to("/reg", &metadata)).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        Self { _program: program, address, provider, issuer, client }
    }

    fn person(&self) -> Person {
        Person { shop: Visitor::new(self.address), provider: Visitor::new(self.provider) }
    }

    /// Somebody who has logged in with this form at the provider.
    async fn member(&self, login: &str) -> Person {
        let mut person = self.person();
        let reply = person.log_in("/login", login).await;
        assert_eq!((reply.status, reply.location()), (303, Some("/me")), "{}", reply.body);
        person
    }

    /// A logout token as it should be, but for these claims and header fields (`null` is none).
    async fn logout_token(&self, header: &Value, claims: &Value) -> String {
        let now = now();
        let mut all = json!({
            "iss": self.issuer, "aud": self.client, "iat": now, "exp": now + 120,
            "jti": sessile::Id::generate().unwrap().to_string(), "events": { EVENT: {} },
        });
        let mut head = json!({ "typ": "logout+jwt" });
        for (whole, part) in [(&mut head, header), (&mut all, claims)] {
            for (name, value) in part.as_object().unwrap() {
                match value {
                    Value::Null => drop(whole.as_object_mut().unwrap().remove(name)),
                    value => whole[name] = value.clone(),
                }
            }
        }
        let asked = json!({ "header": head, "claims": all });
        let reply = send(self.provider, json_to("/test/sign", &asked)).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.body
    }

    async fn back_channel(&self, token: &str) -> Reply {
        send(self.address, form("/back-channel-logout", &format!("logout_token={token}"))).await
    }
}

impl Person {
    /// From the log-in page to the provider, there with this form, and back to the shop.
    async fn log_in(&mut self, page: &str, login: &str) -> Reply {
        let callback = self.prove(page, login).await;
        self.shop.get(&callback).await
    }

    /// The same, but not back yet: where the provider sends the browser to.
    async fn prove(&mut self, page: &str, login: &str) -> String {
        let begun = self.shop.get(page).await;
        assert_eq!(begun.status, 303, "{}", begun.body);
        self.visit_provider(begun.location().unwrap(), login).await
    }

    async fn visit_provider(&mut self, authorize: &str, login: &str) -> String {
        let mut next = path_of(authorize);
        for _ in 0..5 {
            let reply = match next.starts_with("/interaction/") {
                true => self.provider.send(form(&next, login)).await,
                false => self.provider.get(&next).await,
            };
            let location = reply.location().unwrap_or_else(|| panic!("{}", reply.body));
            next = path_of(location);
            if next.starts_with("/callback") {
                return next;
            }
        }
        panic!("the provider does not come to an end: {next}");
    }

    async fn me(&mut self) -> Value {
        let reply = self.shop.get("/me").await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        serde_json::from_str(&reply.body).unwrap()
    }

    async fn is_logged_in(&mut self) -> bool {
        self.shop.get("/me").await.status == 200
    }
}

fn json_to(path: &str, value: &Value) -> http::Request<http_body_util::Full<bytes::Bytes>> {
    let mut request = post(path);
    request.headers_mut().insert(CONTENT_TYPE, "application/json".parse().unwrap());
    *request.body_mut() = value.to_string().into();
    request
}

fn path_of(url: &str) -> String {
    url.parse::<http::Uri>().unwrap().path_and_query().unwrap().to_string()
}

/// What this parameter of a URL says.
fn parameter(url: &str, name: &str) -> String {
    let mut pairs = url.split(['?', '&']).filter_map(|pair| pair.split_once('='));
    pairs.find(|(found, _)| *found == name).unwrap_or_else(|| panic!("{name}: {url}")).1.to_owned()
}

fn now() -> u64 {
    Timestamp::from(SystemClock.now()).as_millis() / 1000
}

fn detail(reply: &Reply) -> (u16, String) {
    let body: Value = serde_json::from_str(&reply.body).unwrap_or_default();
    (reply.status, body["detail"].as_str().unwrap_or(&reply.body).to_owned())
}

fn not_begun() -> (u16, String) {
    (400, NOT_BEGUN.to_owned())
}

// ---- logging in -----------------------------------------------------------------------------

#[tokio::test]
async fn f11_a_visitor_logs_in_at_the_provider_and_comes_back_to_where_they_wanted_to_go() {
    let shop = Shop::open().await;
    let mut ada = shop.person();
    let mut asks = get("/me?tab=2");
    asks.headers_mut().insert(ACCEPT, "text/html".parse().unwrap());
    let sent = ada.shop.send(asks).await;
    let page = sent.location().unwrap().to_owned();
    assert_eq!(page, "/login?next=/me%3Ftab%3D2");

    let begun = ada.shop.get(&page).await;
    let url = begun.location().unwrap().to_owned();
    assert!(url.starts_with(&format!("{}/auth?", shop.issuer)), "{url}");
    assert_eq!(parameter(&url, "code_challenge_method"), "S256");
    assert_eq!(parameter(&url, "response_type"), "code");
    for secret in ["state", "nonce", "code_challenge"] {
        assert!(parameter(&url, secret).len() >= 22, "{secret} has 128 bits: {url}");
    }
    let (name, ticket, attributes) = begun.set_cookie();
    assert_eq!(name, "login");
    assert!(attributes.contains(&"HttpOnly") && attributes.contains(&"SameSite=Lax"));
    assert!(!ticket.contains(&parameter(&url, "state")), "a ticket, not the secrets");

    let callback = ada.visit_provider(&url, "login=ada").await;
    let back = ada.shop.get(&callback).await;
    assert_eq!((back.status, back.location()), (303, Some("/me?tab=2")));
    assert_eq!(ada.shop.cookie("login"), None, "the session of the way there is over");
    let me = ada.me().await;
    assert_eq!(me["email"], "ada@example.org");
    assert_eq!(ada.shop.post("/logout").await.location(), Some("/"));
    assert!(!ada.is_logged_in().await);
}

#[tokio::test]
async fn f11_b29_a_callback_with_the_state_of_another_visitor_is_400() {
    let shop = Shop::open().await;
    let (mut ada, mut eve) = (shop.person(), shop.person());
    // Eve logs in at the provider and would have Ada come back with it, and so be Eve.
    let of_eve = eve.prove("/login", "login=eve").await;
    assert_eq!(detail(&ada.shop.get(&of_eve).await), not_begun(), "b29: bound to nobody");
    let of_ada = ada.prove("/login", "login=ada").await;
    assert_eq!(detail(&ada.shop.get(&of_eve).await), not_begun(), "she has begun one as well");
    assert!(!ada.is_logged_in().await);
    // Nor did it end what they had begun.
    assert_eq!(ada.shop.get(&of_ada).await.status, 303);
    assert_eq!(eve.shop.get(&of_eve).await.status, 303);
    assert_eq!(ada.me().await["email"], "ada@example.org");
}

#[tokio::test]
async fn f11_b29_a_code_of_another_log_in_is_400_even_with_the_visitors_own_state() {
    let shop = Shop::open().await;
    let (mut ada, mut eve) = (shop.person(), shop.person());
    let of_eve = eve.prove("/login", "login=eve").await;
    let of_ada = ada.prove("/login", "login=ada").await;
    let mixed = of_ada.replace(&parameter(&of_ada, "code"), &parameter(&of_eve, "code"));
    assert_ne!(mixed, of_ada);
    let reply = ada.shop.get(&mixed).await;
    assert_eq!(detail(&reply), (400, "the provider's answer does not hold".to_owned()));
    assert!(!ada.is_logged_in().await);
}

#[tokio::test]
async fn f11_b29_a_state_works_once_also_for_two_at_once() {
    let shop = Shop::open().await;
    let mut ada = shop.person();
    let callback = ada.prove("/login", "login=ada").await;
    let copies: Vec<_> = (0..4)
        .map(|_| {
            let (mut browser, callback) = (ada.shop.clone(), callback.clone());
            tokio::spawn(async move { browser.get(&callback).await })
        })
        .collect();
    let mut statuses = Vec::new();
    for copy in copies {
        statuses.push(copy.await.unwrap().status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 400, 400, 400]);
    assert_eq!(detail(&ada.shop.get(&callback).await), not_begun(), "and later");
}

#[tokio::test]
async fn f11_b29_an_expired_state_is_400_and_no_500() {
    let shop = Shop::open_with(&[("PENDING_SECONDS", "1")]).await;
    let mut ada = shop.person();
    let begun = ada.shop.get("/login").await;
    let state = parameter(begun.location().unwrap(), "state");
    sleep(Duration::from_millis(1200)).await;
    let late = ada.shop.get(&format!("/callback?code=any&state={state}")).await;
    assert_eq!(detail(&late), not_begun());
}

#[tokio::test]
async fn f11_b29_callbacks_that_nobody_asked_for_are_400() {
    let shop = Shop::open().await;
    let mut ada = shop.person();
    for query in
        ["", "?code=a", "?state=", "?code=a&state=b", "?error=access_denied", "?code=%00&state=%ff"]
    {
        assert_eq!(
            detail(&ada.shop.get(&format!("/callback{query}")).await),
            not_begun(),
            "{query}"
        );
    }
    ada.shop.get("/login").await;
    for query in ["", "?code=a", "?state=", "?code=a&state=b", "?error=access_denied"] {
        assert_eq!(
            detail(&ada.shop.get(&format!("/callback{query}")).await),
            not_begun(),
            "{query}"
        );
    }
}

#[tokio::test]
async fn f11_who_refuses_at_the_provider_is_told_so_and_the_state_is_used() {
    let shop = Shop::open().await;
    let mut ada = shop.person();
    let callback = ada.prove("/login", "deny=1").await;
    let reply = ada.shop.get(&callback).await;
    assert_eq!(detail(&reply), (403, "the provider did not log you in".to_owned()));
    assert_eq!(detail(&ada.shop.get(&callback).await), not_begun());
}

#[tokio::test]
async fn f11_an_answer_in_the_name_of_another_provider_is_400() {
    let shop = Shop::open().await;
    let mut ada = shop.person();
    let callback = ada.prove("/login", "login=ada").await;
    let (before, _) = callback.split_once("iss=").unwrap();
    let reply = ada.shop.get(&format!("{before}iss=https%3A%2F%2Fevil.example")).await;
    assert_eq!(detail(&reply).0, 400, "RFC 9207");
    assert!(!ada.is_logged_in().await);
}

#[tokio::test]
async fn f11_nobody_is_sent_to_another_site_after_the_log_in() {
    let shop = Shop::open().await;
    for evil in ["https://evil.example", "//evil.example", "/%5Cevil.example"] {
        let mut ada = shop.person();
        let back = ada.log_in(&format!("/login?next={evil}"), "login=ada").await;
        assert_eq!((back.status, back.location()), (303, Some("/me")), "{evil}");
    }
}

#[tokio::test]
async fn f11_each_log_in_is_a_new_session_in_place_of_the_old() {
    let shop = Shop::open().await;
    let mut ada = shop.member("login=ada").await;
    let mut stolen = ada.clone();
    ada.log_in("/login/again", "login=ada").await;
    assert_ne!(ada.shop.cookie("member"), stolen.shop.cookie("member"));
    assert!(ada.is_logged_in().await && !stolen.is_logged_in().await);
}

#[tokio::test]
async fn f11_a_provider_that_does_not_answer_is_502() {
    let variables = [
        ("OPENID_ISSUER", "http://127.0.0.1:1"),
        ("OPENID_CLIENT_ID", "shop"),
        ("OPENID_CLIENT_SECRET", "secret"),
    ];
    let (_program, address) = Program::serve("openid_login", &[], &variables);
    let reply = send(address, get("/login")).await;
    assert_eq!(detail(&reply), (502, "the provider does not answer".to_owned()));
    assert!(reply.set_cookies().is_empty());
}

// ---- accounts -------------------------------------------------------------------------------

#[tokio::test]
async fn f11_an_account_is_found_by_issuer_and_subject_and_by_address_only_if_verified() {
    let shop = Shop::open().await;
    let user = async |login: &str| shop.member(login).await.me().await["user"].clone();
    let ada = user("login=ada").await;
    assert_eq!(user("login=ada").await, ada, "the link");
    assert_eq!(
        user("login=ada%2B2").await,
        ada,
        "another subject, the address verified on both sides"
    );
    assert_ne!(user("login=bob").await, ada);
    // From before there was a provider, and verified then.
    assert_eq!(shop.member("login=old").await.me().await["email"], "old@example.org");

    let taken = "there is an account with this address: log in to it and link it there";
    let unverified = "the provider has not verified your e-mail address";
    for (login, expected) in [
        ("ada-unverified", (403, unverified)),
        ("new-unverified", (403, unverified)),
        ("unsure", (409, taken)),
        ("off", (403, "this account is switched off")),
    ] {
        let mut person = shop.person();
        let reply = person.log_in("/login", &format!("login={login}")).await;
        assert_eq!(detail(&reply), (expected.0, expected.1.to_owned()), "{login}");
        assert!(!person.is_logged_in().await, "{login}");
    }
}

// ---- how surely and when --------------------------------------------------------------------

#[tokio::test]
async fn r62_acr_amr_and_auth_time_of_the_provider_are_kept_in_the_session() {
    let shop = Shop::open().await;
    let login = "login=ada&acr=urn:example:two-factors&amr=pwd+otp&age=1000";
    let me = shop.member(login).await.me().await;
    assert_eq!(me["acr"], "urn:example:two-factors");
    assert_eq!(me["amr"], json!(["pwd", "otp"]));
    let age = now() - me["auth_time"].as_u64().unwrap();
    assert!((1000..1100).contains(&age), "when it was there, not here: {age}");
    assert!(me["sid"].as_str().is_some_and(|sid| !sid.is_empty()));
}

#[tokio::test]
async fn r62_acr_amr_and_auth_time_open_and_close_routes() {
    let shop = Shop::open().await;
    let mut table = Vec::new();
    for login in [
        "login=ada",
        "login=ada&amr=pwd+otp",
        "login=ada&acr=urn:example:two-factors&amr=hwk",
        "login=ada&acr=urn:example:two-factors&amr=pwd+otp&age=1000",
        "login=ada&acr=urn:example:three-factors",
    ] {
        let mut ada = shop.member(login).await;
        let mut row = [0; 3];
        for (status, path) in row.iter_mut().zip(["/vault", "/codes", "/address"]) {
            *status = ada.shop.get(path).await.status;
        }
        table.push(row);
    }
    let expected =
        [[401, 403, 200], [401, 200, 200], [200, 403, 200], [200, 200, 401], [401, 403, 200]];
    assert_eq!(table, expected, "by acr, amr, auth_time");
}

#[tokio::test]
async fn r62_who_is_not_sure_or_fresh_enough_is_asked_again_by_the_provider() {
    let shop = Shop::open().await;
    let mut ada = shop.member("login=ada&age=1000").await;
    let mut asks = get("/vault");
    asks.headers_mut().insert(ACCEPT, "text/html".parse().unwrap());
    let sent = ada.shop.send(asks).await;
    let page = sent.location().unwrap().to_owned();
    assert!(page.starts_with("/login/again?next=/vault"), "{page}");
    // She is logged in at the provider: without `prompt=login` it would not ask.
    let back = ada.log_in(&page, "login=ada&acr=urn:example:two-factors&amr=pwd+otp").await;
    assert_eq!(back.location(), Some("/vault"));
    assert_eq!(ada.shop.get("/vault").await.said(), (200, "gold"));
    assert_eq!(ada.shop.get("/address").await.status, 200);
}

#[tokio::test]
async fn r62_who_takes_the_wish_for_a_fresh_log_in_out_of_the_link_is_not_let_in() {
    let shop = Shop::open().await;
    for (max_age, status) in [("max_age=0", 303), ("max_age=86400", 400)] {
        let mut ada = shop.person();
        let begun = ada.shop.get("/login/again").await;
        let url = begun.location().unwrap().replace("max_age=0", max_age);
        let age = if status == 303 { 0 } else { 1000 };
        let callback = ada.visit_provider(&url, &format!("login=ada&age={age}")).await;
        assert_eq!(ada.shop.get(&callback).await.status, status, "{max_age}");
        assert_eq!(ada.is_logged_in().await, status == 303, "{max_age}");
    }
}

// ---- logging out behind the back ------------------------------------------------------------

#[tokio::test]
async fn r63_who_logs_out_at_the_provider_is_logged_out_here_and_only_there() {
    let shop = Shop::open().await;
    let (mut desk, mut phone) = (shop.member("login=ada").await, shop.member("login=ada").await);
    let mut bob = shop.member("login=bob").await;
    let page = desk.provider.get("/session/end").await;
    let (_, rest) = page.body.split_once("name=\"xsrf\" value=\"").unwrap();
    let (xsrf, _) = rest.split_once('"').unwrap();
    let confirm = form("/session/end/confirm", &format!("xsrf={xsrf}&logout=yes"));
    let reply = desk.provider.send(confirm).await;
    assert!(reply.status < 400, "{}", reply.body);
    // The provider has waited for our answer.
    assert!(!desk.is_logged_in().await, "its own token, sent by itself");
    assert!(phone.is_logged_in().await, "another session at the provider");
    assert!(bob.is_logged_in().await);
}

#[tokio::test]
async fn r63_a_logout_token_ends_the_sessions_of_its_sid_or_of_its_subject() {
    let shop = Shop::open().await;
    let none = json!({});
    let (mut desk, mut phone) = (shop.member("login=ada").await, shop.member("login=ada").await);
    let mut bob = shop.member("login=bob").await;
    let sid = desk.me().await["sid"].clone();
    assert_ne!(sid, phone.me().await["sid"]);

    // Nobody's, and a sid under another's name.
    for claims in
        [json!({ "sub": "carol" }), json!({ "sid": "x" }), json!({ "sub": "bob", "sid": sid })]
    {
        let token = shop.logout_token(&none, &claims).await;
        assert_eq!(shop.back_channel(&token).await.status, 200, "{claims}");
    }
    assert!(desk.is_logged_in().await && phone.is_logged_in().await && bob.is_logged_in().await);

    let token = shop.logout_token(&none, &json!({ "sid": sid })).await;
    let reply = shop.back_channel(&token).await;
    assert_eq!((reply.status, reply.lines("cache-control")), (200, vec!["no-store"]));
    assert!(!desk.is_logged_in().await && phone.is_logged_in().await, "that sid alone");

    let token = shop.logout_token(&none, &json!({ "sub": "ada" })).await;
    assert_eq!(shop.back_channel(&token).await.status, 200);
    assert!(!phone.is_logged_in().await && bob.is_logged_in().await, "all of the subject");
}

#[tokio::test]
async fn r63_a_log_out_at_the_provider_that_comes_before_the_session_here_is_not_lost() {
    let shop = Shop::open().await;
    let mut ada = shop.member("login=ada").await;
    let sid = ada.me().await["sid"].clone();
    ada.shop.post("/logout").await;
    // She is still logged in there, and on her way back, when that session ends.
    let callback = ada.prove("/login", "login=ada").await;
    let token = shop.logout_token(&json!({}), &json!({ "sid": sid })).await;
    assert_eq!(shop.back_channel(&token).await.status, 200);
    let reply = ada.shop.get(&callback).await;
    assert_eq!(detail(&reply), (403, "the provider has logged you out meanwhile".to_owned()));
    assert_eq!(ada.shop.cookie("member"), None);
    assert!(!ada.is_logged_in().await);
    assert!(shop.member("login=ada").await.is_logged_in().await, "another session there");
}

#[tokio::test]
async fn r63_a_logout_token_works_once() {
    let shop = Shop::open().await;
    let token = shop.logout_token(&json!({}), &json!({ "sub": "ada" })).await;
    assert_eq!(shop.back_channel(&token).await.status, 200);
    let mut ada = shop.member("login=ada").await;
    let again = shop.back_channel(&token).await;
    assert_eq!(detail(&again), (400, "this is no valid logout token".to_owned()));
    assert!(ada.is_logged_in().await, "replayed after the next log-in");
}

#[tokio::test]
async fn r63_whatever_is_no_logout_token_ends_nothing() {
    let shop = Shop::open().await;
    let mut ada = shop.member("login=ada").await;
    let (nothing, now) = (json!({}), now());
    let mut bad = Vec::new();
    for (name, header, claims) in [
        ("no event", nothing.clone(), json!({ "events": null })),
        ("another event", nothing.clone(), json!({ "events": { "http://example.org": {} } })),
        ("an event that is no object", nothing.clone(), json!({ "events": { EVENT: 1 } })),
        ("a nonce", nothing.clone(), json!({ "nonce": "n" })),
        ("another issuer", nothing.clone(), json!({ "iss": "https://evil.example" })),
        ("no issuer", nothing.clone(), json!({ "iss": null })),
        ("another audience", nothing.clone(), json!({ "aud": "other" })),
        ("no audience", nothing.clone(), json!({ "aud": null })),
        ("expired", nothing.clone(), json!({ "iat": now - 400, "exp": now - 200 })),
        ("no end", nothing.clone(), json!({ "exp": null })),
        ("old", nothing.clone(), json!({ "iat": now - 4000 })),
        ("from the future", nothing.clone(), json!({ "iat": now + 4000, "exp": now + 5000 })),
        ("no time", nothing.clone(), json!({ "iat": null })),
        ("huge times", nothing.clone(), json!({ "iat": u64::MAX, "exp": u64::MAX })),
        ("no id", nothing.clone(), json!({ "jti": null })),
        ("an empty id", nothing.clone(), json!({ "jti": "" })),
        ("an ID token's type", json!({ "typ": "JWT" }), nothing.clone()),
        ("no type", json!({ "typ": null }), nothing.clone()),
        ("an unknown key", json!({ "kid": "other" }), nothing.clone()),
    ] {
        let mut all = json!({ "sub": "ada" });
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        bad.push((name, shop.logout_token(&header, &all).await));
    }
    bad.push(("nobody", shop.logout_token(&nothing, &nothing).await));

    let good = shop.logout_token(&nothing, &json!({ "sub": "ada" })).await;
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (_, claims) = signed.split_once('.').unwrap();
    let unsigned = BASE64URL_NOPAD.encode(br#"{"typ":"logout+jwt","alg":"none"}"#);
    let by_secret = BASE64URL_NOPAD.encode(br#"{"typ":"logout+jwt","alg":"HS256"}"#);
    let first = if signature.starts_with('A') { "B" } else { "A" };
    bad.extend([
        ("unsigned", format!("{unsigned}.{claims}.")),
        ("another algorithm", format!("{by_secret}.{claims}.{signature}")),
        ("another signature", format!("{signed}.{first}{}", &signature[1..])),
        ("no signature", format!("{signed}.")),
        ("no token", "a.b".to_owned()),
        ("nothing", String::new()),
    ]);
    for (name, token) in &bad {
        let reply = shop.back_channel(token).await;
        assert_eq!(detail(&reply), (400, "this is no valid logout token".to_owned()), "{name}");
        assert!(ada.is_logged_in().await, "{name}");
    }
    let without = send(shop.address, form("/back-channel-logout", "token=x")).await;
    assert_eq!(without.status, 422);
    assert_eq!(shop.back_channel(&good).await.status, 200, "the one that they differ from");
    assert!(!ada.is_logged_in().await);
}
