//! Tokens that do one thing once, and cookies with overrides.

use std::time::Duration;

use http::HeaderMap;
use http::header::SET_COOKIE;
use sessile::Key;
use sessile::token::{
    CookieOverrides, DenyList, NewToken, OneTime, TokenCookie, TokenErrorKind, TokenKind, Tokens,
};

use crate::{at, jwt, key, tokens};

const NOW: u64 = 1_700_000_000;

fn resets() -> OneTime {
    OneTime::new(tokens().clock(at(NOW)), &key(), "reset_password")
}

fn redeem(of: &OneTime, token: &str, state: &str) -> Result<(), TokenErrorKind> {
    of.open(token.as_bytes()).and_then(|opened| opened.redeem(state)).map_err(|error| error.kind())
}

#[test]
fn f10_a_reset_token_works_until_the_password_has_changed() {
    use TokenErrorKind::{Audience, Expired, Forged, Revoked, WrongKind};
    let token = resets().issue("alice", "hash 1").unwrap();
    let verification = OneTime::new(tokens().clock(at(NOW)), &key(), "verify_email");
    let till = OneTime::new(Tokens::new(jwt(), "till").clock(at(NOW)), &key(), "reset_password");
    let other_key = OneTime::new(tokens().clock(at(NOW)), &Key::generate(), "reset_password");
    let later = |secs| OneTime::new(tokens().clock(at(NOW + secs)), &key(), "reset_password");
    let cases = [
        ("first", resets(), "hash 1", Ok(())),
        ("b24: again, the password has changed", resets(), "hash 2", Err(Revoked)),
        ("no state", resets(), "", Err(Revoked)),
        ("another purpose", verification, "hash 1", Err(WrongKind)),
        ("another audience", till, "hash 1", Err(Audience)),
        ("another key for states", other_key, "hash 1", Err(Revoked)),
        ("just in time", later(3604), "hash 1", Ok(())),
        ("too late", later(3605), "hash 1", Err(Expired)),
    ];
    for (name, of, state, expected) in cases {
        assert_eq!(redeem(&of, &token, state), expected, "{name}");
    }
    let mut tampered = token.clone();
    tampered.pop();
    tampered.push(if token.ends_with('A') { 'E' } else { 'A' });
    assert!(matches!(
        redeem(&resets(), &tampered, "hash 1"),
        Err(Forged | TokenErrorKind::Malformed)
    ));
}

#[test]
fn f10_r42_a_purpose_token_opens_nothing_else_and_nothing_else_is_one() {
    let tokens = tokens().clock(at(NOW));
    let reset = resets().issue("alice", "hash").unwrap();
    for kind in [TokenKind::Access, TokenKind::Refresh] {
        let error = tokens.verify::<()>(reset.as_bytes(), &kind).unwrap_err();
        assert_eq!(error.kind(), TokenErrorKind::WrongKind, "{kind}");
    }
    let named_like_access = OneTime::new(tokens.clone(), &key(), "access");
    let token = named_like_access.issue("alice", "").unwrap();
    assert!(tokens.verify::<()>(token.as_bytes(), &TokenKind::Access).is_err());
    let access = tokens.issue(&NewToken::access("alice")).unwrap();
    let error = resets().open(access.as_bytes()).unwrap_err();
    assert_eq!(error.kind(), TokenErrorKind::WrongKind);
    // One of this purpose that is bound to no state.
    let unbound = tokens.issue(&NewToken::purpose("reset_password", "alice")).unwrap();
    let error = resets().open(unbound.as_bytes()).unwrap_err();
    assert_eq!(error.kind(), TokenErrorKind::Claims);
}

#[test]
fn the_state_of_one_subject_is_not_that_of_another() {
    let token = resets().issue("alice", "s").unwrap();
    let same_text_elsewhere = resets().issue("alices", "").unwrap();
    assert_eq!(redeem(&resets(), &token, "s"), Ok(()));
    assert_ne!(
        redeem(&resets(), &same_text_elsewhere, "s"),
        Ok(()),
        "subject and state are kept apart"
    );
    let payload = token.split('.').nth(1).unwrap();
    let payload = data_encoding::BASE64URL_NOPAD.decode(payload.as_bytes()).unwrap();
    let resets = resets().issue("alice", "$argon2id$secret").unwrap();
    assert!(!String::from_utf8(payload).unwrap().contains("argon2"));
    assert!(!resets.contains("argon2"));
}

#[test]
fn f10_where_a_use_changes_nothing_a_list_remembers_it() {
    let clock = at(NOW);
    let invitations = OneTime::new(tokens().clock(clock.clone()), &key(), "invitation")
        .ttl(Duration::from_secs(60));
    let used = DenyList::new();
    let (one, two) =
        (invitations.issue("alice", "").unwrap(), invitations.issue("alice", "").unwrap());
    let spend = |token: &str| {
        invitations
            .open(token.as_bytes())
            .and_then(|opened| opened.spend(&used, clock.timestamp()))
            .is_ok()
    };
    let (first, second, other) = (spend(&one), spend(&one), spend(&two));
    assert!(first && !second && other);
    // Of many at once, one.
    let three = invitations.issue("alice", "").unwrap();
    let won: usize = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..8).map(|_| scope.spawn(|| usize::from(spend(&three)))).collect();
        tries.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(won, 1);
}

#[test]
fn what_has_expired_is_forgotten() {
    let clock = at(NOW);
    let tokens = tokens().clock(clock.clone());
    let used = DenyList::new();
    for round in 0..4 {
        for _ in 0..1_500 {
            let token = tokens.issue(&NewToken::access("a").ttl(Duration::from_secs(60))).unwrap();
            let claims = tokens.verify::<()>(token.as_bytes(), &TokenKind::Access).unwrap();
            assert!(used.deny(&claims, clock.timestamp()), "{round}");
        }
        clock.advance(Duration::from_secs(61 + 300)); // as far as clocks may differ
    }
    let shown = format!("{used:?}");
    let held: usize = shown
        .split("tokens: ")
        .nth(1)
        .and_then(|rest| rest.split(',').next())
        .and_then(|number| number.parse().ok())
        .unwrap();
    assert!(held < 6_000, "{shown}");
}

#[test]
fn f09_b20_b21_cookies_take_overrides_of_zero_and_false() {
    let readable = || CookieOverrides::new().dangerously_readable_by_scripts(true);
    let base = TokenCookie::named("access_token_cookie").attributes(
        readable().dangerously_allow_plain_http(true).max_age(Duration::from_secs(86_400)),
    );
    let none = CookieOverrides::new;
    let cases = [
        ("as set up", none(), "; Path=/; SameSite=Lax; Max-Age=86400"),
        ("max_age=0", none().max_age(Duration::ZERO), "; Path=/; SameSite=Lax; Max-Age=0"),
        (
            "httponly after all",
            none().dangerously_readable_by_scripts(false),
            "; Path=/; HttpOnly; SameSite=Lax; Max-Age=86400",
        ),
        (
            "secure after all",
            none().dangerously_allow_plain_http(false),
            "; Path=/; Secure; SameSite=Lax; Max-Age=86400",
        ),
    ];
    for (name, overrides, attributes) in cases {
        let mut headers = HeaderMap::new();
        base.set(&mut headers, "a.b.c", &overrides).unwrap();
        base.set(&mut headers, "a.b.c", &overrides).unwrap();
        assert_eq!(headers.get_all(SET_COOKIE).iter().count(), 1, "{name}");
        let line = headers[SET_COOKIE].to_str().unwrap();
        assert_eq!(line, format!("access_token_cookie=a.b.c{attributes}"), "{name}");
        base.remove(&mut headers, &overrides).unwrap();
        let removal = headers[SET_COOKIE].to_str().unwrap();
        assert!(removal.starts_with("access_token_cookie=;") && removal.ends_with("Max-Age=0"));
        assert_eq!(removal.contains("HttpOnly"), attributes.contains("HttpOnly"), "b02: {name}");
        assert_eq!(removal.contains("Secure"), attributes.contains("Secure"), "b02: {name}");
    }
    let mut headers = HeaderMap::new();
    let secure_by_default = TokenCookie::host("access");
    secure_by_default.set(&mut headers, "a.b.c", &none()).unwrap();
    let line = headers[SET_COOKIE].to_str().unwrap();
    assert!(line.contains("HttpOnly") && line.contains("Secure"), "{line}");
    let contradiction = none().domain("example.com");
    assert!(secure_by_default.set(&mut headers, "a", &contradiction).is_err());
    assert!(secure_by_default.set(&mut headers, &"a".repeat(5_000), &none()).is_err());
}
