//! What claims must look like, and whom they are for.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sessile::Timestamp;
use sessile::token::{
    Format, JwtKey, NewToken, Paseto, PasetoKey, TokenErrorKind, TokenKind, Tokens,
};

use crate::{at, jwt, key, tokens};

const NOW: u64 = 1_700_000_000;

/// Claims that are good at [`NOW`], with one of them changed or, if it is `None`, taken away.
fn claims(name: &str, value: Option<Value>) -> Vec<u8> {
    let mut all = json!({
        "sub": "alice", "type": "access", "aud": "shop",
        "iat": NOW, "exp": NOW + 60, "nbf": NOW, "jti": "1",
    });
    match value {
        Some(value) => all[name] = value,
        None => drop(all.as_object_mut().unwrap().remove(name)),
    }
    all.to_string().into_bytes()
}

fn verdict(claims: &[u8]) -> Result<(), TokenErrorKind> {
    let token = jwt().seal(claims).unwrap();
    let tokens = tokens().clock(at(NOW));
    tokens
        .verify::<()>(token.as_bytes(), &TokenKind::Access)
        .map(drop)
        .map_err(|error| error.kind())
}

#[test]
fn r41_c04_a_claim_of_another_type_is_no_claim() {
    assert_eq!(verdict(&claims("jti", Some(json!("2")))), Ok(()), "the others are good");
    let wrong_times = [
        json!("1700000060"),
        json!(""),
        json!(1_700_000_060.5),
        json!(1_700_000_060.0),
        json!(1e300),
        json!(null),
        json!([1_700_000_060]),
        json!({}),
        json!(true),
        json!(-1),
        json!(-1_700_000_060),
        json!(253_402_300_800_u64),
        json!(u64::MAX),
    ];
    for name in ["exp", "nbf", "iat"] {
        for value in &wrong_times {
            let judged = verdict(&claims(name, Some(value.clone())));
            assert_eq!(judged, Err(TokenErrorKind::Claims), "{name}: {value}");
        }
        // Numbers that serde_json itself would not write.
        for raw in ["18446744073709551616", "1e400", "-0.0", "1700000060e0", "NaN", "0x1"] {
            let text = String::from_utf8(claims(name, Some(json!("HERE")))).unwrap();
            let judged = verdict(text.replace("\"HERE\"", raw).as_bytes());
            assert_eq!(judged, Err(TokenErrorKind::Claims), "{name}: {raw}");
        }
    }
    let wrong_texts = [json!(null), json!(7), json!(["alice"]), json!({}), json!(true)];
    for name in ["sub", "type", "jti", "sid", "iss"] {
        for value in &wrong_texts {
            let judged = verdict(&claims(name, Some(value.clone())));
            assert_eq!(judged, Err(TokenErrorKind::Claims), "{name}: {value}");
        }
    }
    for value in [json!(null), json!(7), json!({}), json!([7]), json!([null]), json!([["shop"]])] {
        let judged = verdict(&claims("aud", Some(value.clone())));
        assert_eq!(judged, Err(TokenErrorKind::Claims), "aud: {value}");
    }
}

#[test]
fn r41_b23_what_must_be_there_must_be_there() {
    let cases = [
        ("exp", Err(TokenErrorKind::Claims)),
        ("iat", Err(TokenErrorKind::Claims)),
        ("sub", Err(TokenErrorKind::Claims)),
        ("type", Err(TokenErrorKind::Claims)),
        ("aud", Err(TokenErrorKind::Audience)),
        ("nbf", Ok(())),
        ("jti", Ok(())),
    ];
    for (name, expected) in cases {
        assert_eq!(verdict(&claims(name, None)), expected, "{name}");
    }
}

#[test]
fn a_name_that_stands_twice_is_no_claim() {
    for (name, value) in [("exp", "1700000099"), ("sub", "\"bob\""), ("type", "\"access\"")] {
        let mut text = String::from_utf8(claims("jti", None)).unwrap();
        text.insert_str(1, &format!("\"{name}\":{value},"));
        assert_eq!(verdict(text.as_bytes()), Err(TokenErrorKind::Claims), "{name}");
    }
}

#[test]
fn r41_times_are_judged_with_a_bounded_skew() {
    use TokenErrorKind::{Expired, NotYetValid};
    let cases = [
        ("exp", NOW, Duration::ZERO, Err(Expired)),
        ("exp", NOW + 1, Duration::ZERO, Ok(())),
        ("exp", NOW - 29, Duration::from_secs(30), Ok(())),
        ("exp", NOW - 30, Duration::from_secs(30), Err(Expired)),
        ("exp", 0, Duration::from_secs(300), Err(Expired)),
        ("nbf", NOW + 1, Duration::ZERO, Err(NotYetValid)),
        ("nbf", NOW + 30, Duration::from_secs(30), Ok(())),
        ("iat", NOW + 31, Duration::from_secs(30), Err(NotYetValid)),
    ];
    for (name, value, skew, expected) in cases {
        let token = jwt().seal(&claims(name, Some(json!(value)))).unwrap();
        let tokens = tokens().skew(skew).clock(at(NOW));
        let judged = tokens.verify::<()>(token.as_bytes(), &TokenKind::Access);
        assert_eq!(judged.map(drop).map_err(|error| error.kind()), expected, "{name} {value}");
    }
    assert!(tokens().try_skew(Duration::from_secs(300)).is_ok());
    assert!(tokens().try_skew(Duration::from_millis(300_001)).is_err());
}

#[test]
fn r42_a_token_for_somebody_else_or_of_another_kind_is_refused() {
    use TokenErrorKind::{Audience, WrongKind};
    let ours = |name: &str| Tokens::new(jwt(), name.to_owned()).clock(at(NOW));
    let of = |issuer: &str| ours("shop").issuer(issuer.to_owned());
    let new = NewToken::access("alice");
    let cases = [
        ("as issued", ours("shop"), ours("shop"), Ok(())),
        ("another audience", ours("till"), ours("shop"), Err(Audience)),
        ("audiences in other case", ours("Shop"), ours("shop"), Err(Audience)),
        ("the issuer", of("a"), of("a"), Ok(())),
        ("another issuer", of("a"), of("b"), Err(Audience)),
        ("no issuer", ours("shop"), of("b"), Err(Audience)),
        ("an issuer that nobody named", of("a"), ours("shop"), Err(Audience)),
        (
            "an audience that nobody named",
            ours("shop"),
            Tokens::dangerously_without_audience(jwt()).clock(at(NOW)),
            Err(Audience),
        ),
    ];
    for (name, issuer, verifier, expected) in cases {
        let token = issuer.issue(&new).unwrap();
        let judged = verifier.verify::<()>(token.as_bytes(), &TokenKind::Access);
        assert_eq!(judged.map(drop).map_err(|error| error.kind()), expected, "{name}");
    }
    let kinds = [
        (NewToken::access("alice"), TokenKind::Access),
        (NewToken::refresh("alice"), TokenKind::Refresh),
        (NewToken::purpose("reset", "alice"), TokenKind::Purpose("reset".into())),
        (NewToken::purpose("access", "alice"), TokenKind::Purpose("access".into())),
    ];
    for (new, own) in &kinds {
        let token = ours("shop").issue(new).unwrap();
        for (_, wanted) in &kinds {
            let judged = ours("shop").verify::<()>(token.as_bytes(), wanted);
            let expected = if own == wanted { Ok(()) } else { Err(WrongKind) };
            assert_eq!(
                judged.map(drop).map_err(|error| error.kind()),
                expected,
                "{own} as {wanted}"
            );
        }
    }
    // One of several audiences (RFC 7519, 4.1.3).
    assert_eq!(verdict(&claims("aud", Some(json!(["till", "shop"])))), Ok(()));
    assert_eq!(verdict(&claims("aud", Some(json!([])))), Err(Audience));
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Profile {
    roles: Vec<String>,
    tenant: Option<u32>,
}

#[test]
fn what_an_application_adds_comes_back_in_both_formats() {
    let profile = Profile { roles: vec!["admin".to_owned()], tenant: Some(7) };
    let paseto = Paseto::local(PasetoKey::derived_from(&key()));
    for tokens in [tokens(), Tokens::new(paseto, "shop")] {
        let tokens = tokens.issuer("https://accounts.example").clock(at(NOW));
        let session = sessile::Id::generate().unwrap();
        let new = NewToken::access("alice")
            .ttl(Duration::from_secs(60))
            .session(session)
            .with(profile.clone());
        let token = tokens.issue(&new).unwrap();
        let claims = tokens.verify::<Profile>(token.as_bytes(), &TokenKind::Access).unwrap();
        assert_eq!(claims.more, profile);
        assert_eq!((claims.subject.as_str(), &claims.kind), ("alice", &TokenKind::Access));
        assert_eq!(claims.issued_at, Timestamp::from_millis(NOW * 1_000));
        assert_eq!(claims.expires_at, Timestamp::from_millis((NOW + 60) * 1_000));
        assert_eq!(claims.session, Some(session.to_string()));
        assert_eq!(claims.id.as_ref().map(String::len), Some(36));
        let anything =
            tokens.verify::<BTreeMap<String, Value>>(token.as_bytes(), &TokenKind::Access).unwrap();
        assert_eq!(anything.more.keys().collect::<Vec<_>>(), ["roles", "tenant"]);
        assert!(tokens.verify::<()>(token.as_bytes(), &TokenKind::Access).is_ok());
        let missing = tokens.verify::<BTreeMap<String, u8>>(token.as_bytes(), &TokenKind::Access);
        assert_eq!(missing.unwrap_err().kind(), TokenErrorKind::Claims);
        let later = tokens.clone().clock(at(NOW + 66));
        let expired = later.verify::<()>(token.as_bytes(), &TokenKind::Access).unwrap_err();
        assert_eq!(expired.kind(), TokenErrorKind::Expired);
    }
}

#[test]
fn what_an_application_adds_has_names_of_its_own() {
    for name in ["sub", "exp", "type", "aud", "jti"] {
        let new = NewToken::access("alice").with(BTreeMap::from([(name, "mine")]));
        assert_eq!(tokens().issue(&new).unwrap_err().kind(), TokenErrorKind::Claims, "{name}");
    }
    let neither_struct_nor_map = NewToken::access("alice").with("text");
    assert_eq!(tokens().issue(&neither_struct_nor_map).unwrap_err().kind(), TokenErrorKind::Claims);
    let long = NewToken::access("a".repeat(5_000));
    assert_eq!(tokens().issue(&long).unwrap_err().kind(), TokenErrorKind::TooLong);
}

#[test]
fn what_is_no_token_is_refused_and_no_panic() {
    let good = tokens().issue(&NewToken::access("alice")).unwrap();
    let deep = format!("{{\"sub\":{}1{}}}", "[".repeat(1_400), "]".repeat(1_400));
    let deep = jwt().seal(deep.as_bytes()).unwrap();
    let wide = format!("{{\"sub\":\"a\",\"x\":[{}1]}}", "1,".repeat(1_300));
    let wide = jwt().seal(wide.as_bytes()).unwrap();
    let header = data_encoding::BASE64URL_NOPAD
        .encode(format!("{{\"alg\":{}}}", "[".repeat(2_000)).as_bytes());
    let mut junk: Vec<Vec<u8>> = [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "a.b",
        "{}.{}.{}",
        " ",
        "v4.local.",
        "v4.public.AAAA",
        &good[..good.len() - 1],
        &format!("{good}="),
        &format!("{good}."),
        &format!(".{good}"),
        &format!("{good} "),
        &deep,
        &wide,
        &format!("{header}.e30.AAAA"),
        &good.to_lowercase(),
    ]
    .map(|text| text.as_bytes().to_vec())
    .into();
    junk.extend([vec![0xff; 40], vec![b'.'; 4_000], vec![b'A'; 1 << 20], vec![0; 3]]);
    let paseto = Tokens::new(Paseto::local(PasetoKey::derived_from(&key())), "shop");
    for token in junk {
        let shown = String::from_utf8_lossy(&token[..token.len().min(60)]).into_owned();
        assert!(tokens().verify::<Value>(&token, &TokenKind::Access).is_err(), "{shown}");
        assert!(paseto.verify::<Value>(&token, &TokenKind::Access).is_err(), "{shown}");
    }
}

#[test]
fn r45_errors_and_debug_say_nothing_of_a_token() {
    let secret = "the-subject-of-this-token";
    let token = tokens().issue(&NewToken::access(secret)).unwrap();
    let claims = tokens().verify::<()>(token.as_bytes(), &TokenKind::Access).unwrap();
    let error = tokens().verify::<()>(token.as_bytes(), &TokenKind::Refresh).unwrap_err();
    let shown = format!(
        "{error} {error:?} {claims:?} {:?} {:?} {:?}",
        tokens(),
        NewToken::access(secret),
        JwtKey::derived_from(&key()),
    );
    assert!(!shown.contains(secret) && !shown.contains(&token[..20]), "{shown}");
}
