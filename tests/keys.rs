//! The application's secret and how it is changed.

#![expect(
    clippy::unwrap_used,
    clippy::string_slice,
    reason = "the helpers of tests may fail as tests do"
)]

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};
use sessile::{ConfigError, Key, KeyId, Keyring, Revoked};

const SECRET: &str = "b1946ac92492d2347c6235b4d2611184f2ca1bb6c7e907d06dafe4687e579fce";

fn secret() -> Vec<u8> {
    HEXLOWER.decode(SECRET.as_bytes()).unwrap()
}

#[test]
fn r43_a_key_below_32_bytes_does_not_build() {
    let long = [secret(), secret().into_iter().rev().collect()].concat();
    for len in 0..32 {
        let error = Key::from_bytes(&long[..len]).unwrap_err().to_string();
        assert!(error.contains("32 bytes") && error.contains("openssl rand"), "{len}: {error}");
        assert!(Key::from_text(&HEXLOWER.encode(&long[..len])).is_err(), "{len}, hexadecimal");
        assert!(Key::from_text(&BASE64.encode(&long[..len])).is_err(), "{len}, base64");
    }
    for len in 32..=64 {
        assert!(Key::from_bytes(&long[..len]).is_ok(), "{len}");
    }
}

#[test]
fn r43_a_sample_is_no_key() {
    let cases: [(&str, String); 6] = [
        ("zeros", "0".repeat(64)),
        ("counting", HEXLOWER.encode(&(0..32).collect::<Vec<u8>>())),
        ("zeros in base64", BASE64.encode(&[0; 32])),
        ("a placeholder", "change-me-change-me-please-change-me-now0000".to_owned()),
        ("a typed text", "0123456789abcdef".repeat(4)),
        ("a password", "MyPasswordIsVeryVeryLongAndStillAPassword0000".to_owned()),
    ];
    for (name, text) in cases {
        let error = Key::from_text(&text).unwrap_err().to_string();
        assert!(error.contains("sample"), "{name}: {error}");
        assert!(error.contains("openssl rand -hex 32"), "{name}: {error}");
        assert!(!error.contains(&text[..8]), "{name}: {error}");
    }
}

#[test]
fn every_spelling_of_a_secret_is_the_same_key() {
    let key = Key::from_bytes(&secret()).unwrap();
    let cases = [
        ("lower hexadecimal", HEXLOWER.encode(&secret())),
        ("upper hexadecimal", HEXUPPER.encode(&secret())),
        ("base64", BASE64.encode(&secret())),
        ("base64 unpadded", BASE64_NOPAD.encode(&secret())),
        ("base64url", BASE64URL.encode(&secret())),
        ("base64url unpadded", BASE64URL_NOPAD.encode(&secret())),
        ("a line of a file", format!("  {SECRET}\r\n")),
    ];
    for (name, text) in cases {
        assert_eq!(Key::from_text(&text).as_ref(), Ok(&key), "{name}");
    }
}

#[test]
fn what_is_no_spelling_is_refused_without_being_repeated() {
    let base64 = BASE64.encode(&secret());
    let cases = [
        ("an odd digit", format!("{SECRET}a")),
        ("white space inside", format!("{} {}", &SECRET[..32], &SECRET[32..])),
        ("both alphabets", format!("{}+-", &base64[..42])),
        ("padding too much", format!("{base64}=")),
        ("not ASCII", format!("{SECRET}é")),
        ("a prefix", format!("0x{SECRET}")),
    ];
    for (name, text) in cases {
        let error = Key::from_text(&text).unwrap_err().to_string();
        assert!(error.contains("hexadecimal or base64"), "{name}: {error}");
        assert!(!error.contains(&SECRET[..8]) && !error.contains(&base64[..8]), "{name}: {error}");
    }
}

#[test]
fn a_missing_or_malformed_variable_is_named_and_never_quoted() {
    let error = Key::from_env("SESSILE_TEST_UNSET").unwrap_err().to_string();
    assert!(error.contains("`SESSILE_TEST_UNSET` is not set"), "{error}");
    assert!(error.contains("openssl rand -hex 32"), "{error}");
    // Set by cargo for every test.
    let value = std::env::var("CARGO_PKG_DESCRIPTION").unwrap();
    let error = Key::from_env("CARGO_PKG_DESCRIPTION").unwrap_err().to_string();
    assert!(error.contains("`CARGO_PKG_DESCRIPTION` holds no key"), "{error}");
    assert!(!error.contains(&value[..8]), "{error}");
}

#[test]
fn r01_generated_keys_never_repeat() {
    let ids: std::collections::HashSet<KeyId> = (0..1000).map(|_| Key::generate().id()).collect();
    assert_eq!(ids.len(), 1000);
    assert_ne!(Key::try_generate().unwrap(), Key::try_generate().unwrap());
}

#[test]
fn c15_debug_shows_no_key() {
    let key = Key::from_text(SECRET).unwrap();
    let ring = Keyring::new(key.clone()).also_accept(Key::generate());
    let shown = format!("{key:?} {key:#?} {ring:?} {ring:#?} {:?}", Key::from_bytes(b"hunter2"));
    assert!(shown.contains(&format!("Key({})", key.id())), "{shown}");
    for form in [HEXLOWER.encode(&secret()), BASE64.encode(&secret()), format!("{:?}", secret())] {
        assert!(!shown.contains(&form[1..9]), "{shown}");
    }
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn r52_the_id_names_a_key_and_survives_a_log() {
    let key = Key::from_text(SECRET).unwrap();
    let id = key.id();
    assert_eq!(id, Key::from_bytes(&secret()).unwrap().id());
    assert_eq!(id.to_string().parse(), Ok(id));
    assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
    assert_eq!(format!("{id:?}"), format!("KeyId({id})"));
    assert!(!SECRET.contains(&id.to_string()));
    for text in ["", "b1946ac92492d23", "b1946ac92492d2347", "b1946ac92492d23z", "éééééééé"]
    {
        assert!(text.parse::<KeyId>().is_err(), "{text:?}");
    }
}

#[test]
fn c05_the_ring_names_the_newest_first() {
    let [a, b, c] = [(); 3].map(|()| Key::generate());
    let ring = Keyring::new(a.clone()).also_accept(b.clone()).also_accept(c.clone());
    assert_eq!(ring.key_ids(), [a.id(), b.id(), c.id()]);
    let ring = ring.also_accept(a.clone()).also_accept(b.clone());
    assert_eq!(ring.key_ids(), [a.id(), b.id(), c.id()], "duplicates change nothing");
}

#[test]
fn r44_a_rolled_over_key_becomes_the_newest() {
    let [a, b, c] = [(); 3].map(|()| Key::generate());
    let ring = Keyring::new(a.clone()).also_accept(b.clone());
    let layers = ring.clone();
    let cases = [
        ("a new one", &c, [c.id(), a.id(), b.id()]),
        ("the newest again", &c, [c.id(), a.id(), b.id()]),
        ("an older one", &b, [b.id(), c.id(), a.id()]),
    ];
    for (name, key, want) in cases {
        ring.roll_over(key.clone());
        assert_eq!(layers.key_ids(), want, "{name}");
    }
}

#[test]
fn r44_a_revoked_key_is_gone_and_the_last_one_stays() {
    let [a, b, c] = [(); 3].map(|()| Key::generate());
    let ring = Keyring::new(a.clone()).also_accept(b.clone()).also_accept(c.clone());
    assert_eq!(ring.revoke(Key::generate().id()), Ok(Revoked::Unknown));
    assert_eq!(ring.revoke(b.id()), Ok(Revoked::Now));
    assert_eq!(ring.revoke(b.id()), Ok(Revoked::Unknown));
    assert_eq!(ring.revoke(a.id()), Ok(Revoked::Now));
    assert_eq!(ring.key_ids(), [c.id()]);
    let error: ConfigError = ring.revoke(c.id()).unwrap_err();
    assert!(error.to_string().contains("`roll_over`"), "{error}");
    assert_eq!(ring.key_ids(), [c.id()]);
}

#[test]
fn keys_can_be_shared_between_threads() {
    fn shared<T: Clone + std::fmt::Debug + Send + Sync + 'static>() {}
    shared::<Key>();
    shared::<KeyId>();
    shared::<Keyring>();
}

proptest! {
    #[test]
    fn r43_any_text_is_a_key_or_an_error_and_never_a_panic(text in "\\PC{0,100}") {
        prop_assert!(Key::from_text(&text).is_err() || text.trim().len() >= 43);
    }

    #[test]
    fn r43_any_bytes_are_a_key_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let key = Key::from_bytes(&bytes);
        prop_assert!(bytes.len() >= 32 || key.is_err());
        if let Ok(key) = key {
            prop_assert_eq!(Key::from_text(&HEXLOWER.encode(&bytes)), Ok(key));
        }
    }
}
