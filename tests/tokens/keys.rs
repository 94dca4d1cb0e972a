//! Keys and algorithms: what a token says of itself decides nothing.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use sessile::token::{
    Format, Jwt, JwtKey, NewToken, Paseto, PasetoKey, PasetoKeyPair, TokenErrorKind, TokenKind,
    Tokens,
};
use sessile::{Key, KeyId};

const ED25519: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEILB1WNBwOBWzI5N+o01CBeIOboEiP/rows9KEA6m7RvW
-----END PRIVATE KEY-----";
const P256: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg9OpRuYOxoNGF8Myw
B8mU9tk8XpbWj8wUs3QUP0fSHCehRANCAARRMwYtl69Is7AmumH22q7clF4UXRaY
shsA87jvCvkB0oX4LX1p5LbY5J0BpZ0STp8ieW8HqaUJ8T4w21BAxZh0
-----END PRIVATE KEY-----";
const P256_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEUTMGLZevSLOwJrph9tqu3JReFF0W
mLIbAPO47wr5AdKF+C19aeS22OSdAaWdEk6fInlvB6mlCfE+MNtQQMWYdA==
-----END PUBLIC KEY-----";
const P384_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEPgLfXmCUSF/b7OURLTyztlWvtFiDn5zU
AiYsCsy6sOtkJNfFXHNagCm7BJQYNC86LtizZET1fkrD/Bf/GfONN6Ba3rJPxyBP
14GFOuLp5aQ2CqdP4Kt70zwXHifhKJvq
-----END PUBLIC KEY-----";

fn encode(part: impl AsRef<[u8]>) -> String {
    BASE64URL_NOPAD.encode(part.as_ref())
}

/// The parts of a token.
fn parts(token: &str) -> [String; 3] {
    let parts: Vec<_> = token.split('.').map(str::to_owned).collect();
    parts.try_into().unwrap()
}

fn refusal(jwt: &Jwt, token: &str) -> Option<TokenErrorKind> {
    jwt.open(token.as_bytes()).err().map(|error| error.kind())
}

/// A token signed with HS256 and this secret, whatever its header says.
fn signed(secret: &[u8], header: &Value, claims: &[u8]) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    let message = format!("{}.{}", encode(header.to_string()), encode(claims));
    let mac = Hmac::<sha2::Sha256>::new_from_slice(secret).unwrap();
    let mac = mac.chain_update(message.as_bytes()).finalize().into_bytes();
    format!("{message}.{}", encode(mac))
}

const SECRET: [u8; 32] = *b"\x9d\x02\xb7\x54\x1e\xc8\x6f\xa3\x30\xe1\x8b\x47\xfc\x15\x62\xd9\x0a\xb6\x73\x2e\xf5\x98\x41\xcd\x19\x84\x5b\xe0\x37\xaa\x6c\x11";

#[test]
fn r39_c31_the_algorithm_is_the_keys_and_never_the_tokens() {
    let jwt = Jwt::new(JwtKey::hs256(&SECRET).unwrap());
    let good = signed(&SECRET, &json!({"alg": "HS256", "typ": "JWT"}), b"{}");
    assert_eq!(refusal(&jwt, &good), None);
    let others = [
        "none", "None", "NONE", "nOnE", "", "hs256", "HS256 ", "HS384", "HS512", "RS256", "PS256",
        "ES256", "EdDSA", "ES256K", "dir",
    ];
    for algorithm in others {
        let token = signed(&SECRET, &json!({"alg": algorithm, "typ": "JWT"}), b"{}");
        assert_eq!(refusal(&jwt, &token), Some(TokenErrorKind::Algorithm), "{algorithm}");
        let [header, claims, _] = parts(&token);
        let unsigned = format!("{header}.{claims}.");
        assert!(refusal(&jwt, &unsigned).is_some(), "{algorithm}");
    }
    for header in [
        json!({"typ": "JWT"}),
        json!({"alg": null, "typ": "JWT"}),
        json!({"alg": ["HS256"], "typ": "JWT"}),
        json!({"alg": 256, "typ": "JWT"}),
        json!([]),
        json!("HS256"),
    ] {
        let token = signed(&SECRET, &header, b"{}");
        assert_eq!(refusal(&jwt, &token), Some(TokenErrorKind::Malformed), "{header}");
    }
}

#[test]
fn r39_c31_a_public_key_is_no_secret_to_sign_with() {
    let key = JwtKey::es256_public_pem(P256_PUBLIC).unwrap();
    let jwt = Jwt::new(key);
    let der = data_encoding::BASE64
        .decode(
            P256_PUBLIC
                .lines()
                .filter(|line| !line.starts_with('-'))
                .collect::<String>()
                .as_bytes(),
        )
        .unwrap();
    let point = &der[der.len() - 65..];
    for secret in [P256_PUBLIC.as_bytes(), &der, point] {
        for algorithm in ["HS256", "ES256"] {
            let token = signed(secret, &json!({"alg": algorithm, "typ": "JWT"}), b"{}");
            assert!(refusal(&jwt, &token).is_some(), "{algorithm}");
        }
    }
}

#[test]
fn c31_es256_signs_verifies_and_takes_no_zero_signature() {
    let jwt = Jwt::new(JwtKey::es256_pem(P256).unwrap());
    let verifier = Jwt::new(JwtKey::es256_public_pem(P256_PUBLIC).unwrap());
    let token = jwt.seal(b"{\"a\":1}").unwrap();
    assert_eq!(verifier.open(token.as_bytes()).unwrap(), b"{\"a\":1}");
    let [header, claims, signature] = parts(&token);
    let with = |signature: &[u8]| format!("{header}.{claims}.{}", encode(signature));
    // The order of the curve: 0 and it are the same number (CVE-2022-21449).
    let order = data_encoding::HEXUPPER
        .decode(b"FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551")
        .unwrap();
    let good = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
    let forged: [Vec<u8>; 7] = [
        vec![0; 64],
        [order.clone(), order.clone()].concat(),
        [good[..32].to_vec(), vec![0; 32]].concat(),
        [vec![0; 32], good[32..].to_vec()].concat(),
        good[..63].to_vec(),
        [good.clone(), vec![0]].concat(),
        vec![],
    ];
    for signature in forged {
        assert_eq!(refusal(&verifier, &with(&signature)), Some(TokenErrorKind::Forged));
    }
    // Every signature (r, s) has a twin (r, n - s), which JWS does not forbid; half of what signers
    // make is the high one. Nothing here tells tokens apart by their signatures.
    let twin = [good[..32].to_vec(), minus(&order, &good[32..])].concat();
    assert_eq!(refusal(&verifier, &with(&twin)), None);
}

/// `a - b`, both big-endian and of one length.
fn minus(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    let mut out: Vec<u8> = Vec::new();
    for (a, b) in a.iter().zip(b).rev() {
        let difference = i16::from(*a) - i16::from(*b) - borrow;
        borrow = i16::from(difference < 0);
        out.push(u8::try_from(difference.rem_euclid(256)).unwrap());
    }
    out.reverse();
    out
}

#[test]
fn eddsa_signs_and_verifies() {
    let jwt = Jwt::new(JwtKey::eddsa_pem(ED25519).unwrap());
    let token = jwt.seal(b"{}").unwrap();
    assert!(jwt.open(token.as_bytes()).is_ok());
    let other = Jwt::new(JwtKey::eddsa_public(&[7; 32]));
    assert_eq!(refusal(&other, &token), Some(TokenErrorKind::Forged));
    let es256 = Jwt::new(JwtKey::es256_pem(P256).unwrap());
    assert_eq!(refusal(&es256, &token), Some(TokenErrorKind::Algorithm));
}

#[test]
fn r40_a_key_id_chooses_among_our_own_keys_and_links_lead_nowhere() {
    let jwt = Jwt::new(JwtKey::hs256(&SECRET).unwrap().kid("1"));
    let header = |more: Value| {
        let mut header = json!({"alg": "HS256", "typ": "JWT"});
        header.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        header
    };
    let attacker = [7; 32];
    let jwk = json!({"kty": "oct", "k": encode(attacker)});
    let cases = [
        (json!({"kid": "1"}), &SECRET, None),
        (json!({}), &SECRET, None),
        (json!({"kid": "2"}), &SECRET, Some(TokenErrorKind::UnknownKey)),
        (json!({"kid": ""}), &SECRET, Some(TokenErrorKind::UnknownKey)),
        (json!({"kid": "../../dev/null"}), &attacker, Some(TokenErrorKind::UnknownKey)),
        (json!({"kid": ["1"]}), &SECRET, Some(TokenErrorKind::Malformed)),
        (json!({"kid": "1", "jwk": jwk}), &attacker, Some(TokenErrorKind::Forged)),
        (json!({"jku": "https://evil.example"}), &attacker, Some(TokenErrorKind::Forged)),
        (json!({"x5u": "https://evil.example"}), &attacker, Some(TokenErrorKind::Forged)),
        (json!({"kid": "1", "crit": ["exp"]}), &SECRET, Some(TokenErrorKind::Algorithm)),
        (json!({"crit": null}), &SECRET, Some(TokenErrorKind::Algorithm)),
        (json!({"b64": false, "crit": ["b64"]}), &SECRET, Some(TokenErrorKind::Algorithm)),
    ];
    for (more, secret, expected) in cases {
        let token = signed(secret, &header(more.clone()), b"{}");
        assert_eq!(refusal(&jwt, &token), expected, "{more}");
    }
    let twice = "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"alg\":\"none\"}";
    let [_, claims, signature] = parts(&signed(&SECRET, &header(json!({})), b"{}"));
    let token = format!("{}.{claims}.{signature}", encode(twice));
    assert_eq!(refusal(&jwt, &token), Some(TokenErrorKind::Malformed));
}

#[test]
fn r42_the_type_of_the_header_is_the_configured_one() {
    let key = || JwtKey::hs256(&SECRET).unwrap();
    let cases = [
        (Jwt::new(key()), json!("JWT"), true),
        (Jwt::new(key()), json!("jwt"), true),
        (Jwt::new(key()), json!("at+jwt"), false),
        (Jwt::new(key()), json!(""), false),
        (Jwt::new(key()), json!(null), false),
        (Jwt::new(key()).typ("at+jwt"), json!("at+jwt"), true),
        (Jwt::new(key()).typ("at+jwt"), json!("JWT"), false),
        (Jwt::new(key()).without_typ(), json!("JWT"), false),
    ];
    for (jwt, typ, passes) in cases {
        let token = signed(&SECRET, &json!({"alg": "HS256", "typ": typ}), b"{}");
        assert_eq!(refusal(&jwt, &token).is_none(), passes, "{typ} for {jwt:?}");
    }
    let own = Jwt::new(key()).typ("at+jwt").seal(b"{}").unwrap();
    let header = BASE64URL_NOPAD.decode(parts(&own)[0].as_bytes()).unwrap();
    assert_eq!(header, br#"{"alg":"HS256","typ":"at+jwt"}"#);
}

#[test]
fn r43_b18_keys_that_can_be_guessed_do_not_build() {
    assert!(JwtKey::hs256(&SECRET).is_ok());
    for secret in [&b""[..], b"secret", &SECRET[..31], &[0; 32], &[b'a'; 64]] {
        assert!(JwtKey::hs256(secret).is_err(), "{secret:?}");
    }
    for secret in ["changeme-changeme-changeme-changeme", "0123456789abcdef0123456789abcdef"] {
        assert!(JwtKey::hs256(secret.as_bytes()).is_err(), "{secret}");
    }
    assert!(JwtKey::dangerously_hs256(&[b'a'; 31]).is_err());
    assert!(JwtKey::dangerously_hs256(b"").is_err());
    for pem in ["", "secret", P256, P256_PUBLIC] {
        assert!(JwtKey::eddsa_pem(pem).is_err(), "{pem}");
    }
    for pem in ["", ED25519, P256_PUBLIC, P384_PUBLIC] {
        assert!(JwtKey::es256_pem(pem).is_err(), "{pem}");
    }
    for pem in ["", ED25519, P256, P384_PUBLIC] {
        assert!(JwtKey::es256_public_pem(pem).is_err(), "{pem}");
    }
    assert!(PasetoKey::dangerously_raw(b"").is_err());
    assert!(PasetoKey::dangerously_raw(&[1; 65]).is_err());
    assert!(PasetoKey::from_bytes(&[9; 32]).is_err());
}

#[test]
fn r44_the_newest_key_signs_older_ones_verify_and_retired_ones_do_not() {
    let key = |name: &str| JwtKey::derived_from(&Key::generate()).kid(name);
    let (first, second) = (key("1"), key("2"));
    let before = Jwt::new(first.clone());
    let during = Jwt::new(second.clone()).also_accept(first);
    let after = Jwt::new(second.clone());
    let (old, new) = (before.seal(b"{}").unwrap(), during.seal(b"{}").unwrap());
    let cases = [
        ("before, old", &before, &old, None),
        ("before, new", &before, &new, Some(TokenErrorKind::UnknownKey)),
        ("during, old", &during, &old, None),
        ("during, new", &during, &new, None),
        ("after, old", &after, &old, Some(TokenErrorKind::UnknownKey)),
        ("after, new", &after, &new, None),
    ];
    for (name, jwt, token, expected) in cases {
        assert_eq!(refusal(jwt, token), expected, "{name}");
    }
    // Another algorithm takes over as well.
    let es256 = Jwt::new(JwtKey::es256_pem(P256).unwrap().kid("3")).also_accept(second);
    assert_eq!(refusal(&es256, &new), None);
    assert_eq!(refusal(&during, &es256.seal(b"{}").unwrap()), Some(TokenErrorKind::UnknownKey));
    // Without names all are tried.
    let unnamed = || JwtKey::derived_from(&Key::generate());
    let (one, two) = (unnamed(), unnamed());
    let both = Jwt::new(two).also_accept(one.clone());
    assert_eq!(refusal(&both, &Jwt::new(one).seal(b"{}").unwrap()), None);
    assert_eq!(
        refusal(&both, &Jwt::new(unnamed()).seal(b"{}").unwrap()),
        Some(TokenErrorKind::Forged)
    );
}

#[test]
fn r46_nonces_do_not_repeat_and_each_use_has_a_key_of_its_own() {
    let key = Key::generate();
    let _: KeyId = key.id();
    let paseto = Paseto::local(PasetoKey::derived_from(&key));
    let nonces: std::collections::HashSet<_> = (0..500)
        .map(|_| paseto.seal(b"{}").unwrap()["v4.local.".len()..][..42].to_owned())
        .collect();
    assert_eq!(nonces.len(), 500);
    // What one use seals, no other opens, although the application has one key.
    let jwt = Jwt::new(JwtKey::derived_from(&key));
    let token = jwt.seal(b"{}").unwrap();
    let same_bytes = Jwt::new(JwtKey::derived_from(&key));
    assert!(same_bytes.open(token.as_bytes()).is_ok());
    assert!(paseto.open(token.as_bytes()).is_err());
}

#[test]
fn c02_b33_nothing_falls_back_to_what_is_not_authentic() {
    let claims = br#"{"sub":"alice","type":"access"}"#;
    let pair = PasetoKeyPair::generate().unwrap();
    let (local, public) =
        (Paseto::local(PasetoKey::derived_from(&crate::key())), Paseto::public(pair.clone()));
    let sealed = local.seal(claims).unwrap();
    let plain = encode(claims);
    let forged = [
        format!("v4.local.{plain}"),
        format!("v4.public.{plain}"),
        plain,
        format!("v4.local.{}", encode([&[0; 32], &claims[..], &[0; 32]].concat())),
        format!("v4.public.{}", encode([&claims[..], &[0; 64]].concat())),
        sealed.replace("v4.local", "v4.public"),
        sealed.replace("v4.local", "v3.local"),
        sealed.replace("v4.local", "V4.LOCAL"),
        format!("{sealed}.{}", encode("a footer")),
        format!("{sealed}."),
        public.seal(claims).unwrap().replace("v4.public", "v4.local"),
        Paseto::local(PasetoKey::derived_from(&Key::generate())).seal(claims).unwrap(),
    ];
    for token in &forged {
        assert!(local.open(token.as_bytes()).is_err(), "{token}");
        assert!(public.open(token.as_bytes()).is_err(), "{token}");
    }
    // A key of the other kind is no key: its bytes as a secret open nothing.
    let as_secret = Paseto::dangerously_with_raw_key(&pair.public_bytes()).unwrap();
    assert!(as_secret.open(public.seal(claims).unwrap().as_bytes()).is_err());
}

#[test]
fn during_a_move_the_tokens_of_the_other_system_are_read_and_ours_are_written() {
    let theirs = b"jinuyubu^%$#&*&57384u92307fbry2737h084bf8y20^&%*$&^*%&9vutvutvy";
    let paseto = Paseto::local(PasetoKey::derived_from(&crate::key()))
        .also_accept(PasetoKey::dangerously_raw(theirs).unwrap());
    let tokens = Tokens::dangerously_without_audience(paseto);
    let own = tokens.issue(&NewToken::access("alice")).unwrap();
    assert!(tokens.verify::<()>(own.as_bytes(), &TokenKind::Access).is_ok());
    let only_theirs = Paseto::dangerously_with_raw_key(theirs).unwrap();
    assert!(only_theirs.open(own.as_bytes()).is_err());
    assert_eq!(only_theirs.seal(b"{}").unwrap_err().kind(), TokenErrorKind::CannotSign);
}
