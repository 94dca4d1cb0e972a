//! What is accepted as an address, a username, a role: tables.

use sessile::accounts::{AccountErrorKind, Email, Link, Permission, RoleName, Username};

#[test]
fn r60_two_addresses_are_the_same_if_they_differ_in_case_only() {
    let cases = [
        ("ann@example.org", "ann@example.org", "ann@example.org"),
        (" ann@example.org\r\n", "ann@example.org", "ann@example.org"),
        ("Ann.B@EXAMPLE.Org", "Ann.B@example.org", "ann.b@example.org"),
        ("ann+list@example.org", "ann+list@example.org", "ann+list@example.org"),
        ("o'hara@mail.example.org", "o'hara@mail.example.org", "o'hara@mail.example.org"),
        ("ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example"),
    ];
    for (typed, shown, key) in cases {
        let email: Email = typed.parse().unwrap();
        assert_eq!((email.as_str(), email.key()), (shown, key), "{typed:?}");
        assert_eq!(email, key.parse().unwrap(), "{typed:?}");
    }
    let (list, plain): (Email, Email) =
        ("ann+list@example.org".parse().unwrap(), "ann@example.org".parse().unwrap());
    assert_ne!(list, plain);
}

#[test]
fn what_looks_like_another_address_is_none() {
    let long = |count: usize| "a".repeat(count);
    let cases = [
        ("nothing", String::new()),
        ("no at", "ann.example.org".into()),
        ("no local part", "@example.org".into()),
        ("no domain", "ann@".into()),
        ("one label", "ann@localhost".into()),
        ("a number for a top", "ann@127.0.0.1".into()),
        ("a literal", "ann@[127.0.0.1]".into()),
        ("an empty label", "ann@example..org".into()),
        ("a dot at the end", "ann@example.org.".into()),
        ("a hyphen at the edge", "ann@-example.org".into()),
        ("two dots", "a..nn@example.org".into()),
        ("a dot first", ".ann@example.org".into()),
        ("two ats", "ann@evil.example@example.org".into()),
        ("quotes", "\"ann b\"@example.org".into()),
        ("a comment", "ann(b)@example.org".into()),
        ("a blank inside", "ann b@example.org".into()),
        ("a header", "ann@example.org\nBcc: all@example.org".into()),
        ("a NUL", "ann@example.org\0".into()),
        ("two recipients", "ann@example.org,bob@example.org".into()),
        ("a name before", "Ann <ann@example.org>".into()),
        ("Cyrillic a", "\u{430}nn@example.org".into()),
        ("Cyrillic a in the domain", "ann@ex\u{430}mple.org".into()),
        ("full width", "\u{ff41}nn@example.org".into()),
        ("full-width at", "ann\u{ff20}example.org".into()),
        ("kelvin", "\u{212a}im@example.org".into()),
        ("dotless i", "m\u{131}ke@example.org".into()),
        ("long s", "\u{17f}am@example.org".into()),
        ("zero-width space", "an\u{200b}n@example.org".into()),
        ("zero-width joiner at the end", "ann@example.org\u{200d}".into()),
        ("right to left", "\u{202e}ann@example.org".into()),
        ("ideographic full stop", "ann@example\u{3002}org".into()),
        ("no-break space around", "\u{a0}ann@example.org".into()),
        ("a local part of 65", format!("{}@example.org", long(65))),
        ("a label of 64", format!("ann@{}.org", long(64))),
        ("255 in all", format!("a@{}.org", vec![long(61); 4].join(".") + "aa")),
        ("a megabyte", format!("{}@example.org", long(1 << 20))),
    ];
    for (name, typed) in cases {
        let refused = typed.parse::<Email>().expect_err(name);
        assert_eq!(refused.kind(), AccountErrorKind::Email, "{name}");
        assert!(typed.len() < 5 || !format!("{refused:?}{refused}").contains(&typed), "{name}");
    }
    assert!(format!("{}@example.org", long(64)).parse::<Email>().is_ok());
}

#[test]
fn usernames_are_plain_and_never_an_address() {
    let cases = [
        ("ann", true),
        ("Ann_7.b-c", true),
        ("7ann", true),
        (" ann ", true),
        ("a", false),
        ("", false),
        ("_ann", false),
        (".ann", false),
        ("ann@example.org", false),
        ("ann b", false),
        ("\u{430}nn", false),
        ("an\u{200b}n", false),
        ("ann\n", false),
        ("a234567890123456789012345678901", true),
        ("a23456789012345678901234567890123", false),
    ];
    for (typed, accepted) in cases {
        assert_eq!(typed.parse::<Username>().is_ok(), accepted, "{typed:?}");
    }
    let (upper, lower): (Username, Username) = ("ANN".parse().unwrap(), "ann".parse().unwrap());
    assert_eq!(upper, lower);
}

#[test]
fn f07_permissions_are_a_resource_and_an_action() {
    let cases = [
        ("user:delete", true),
        ("blog.post:read-own", true),
        ("user", false),
        ("user:", false),
        (":delete", false),
        ("user:delete:all", false),
        ("User:delete", false),
        ("user :delete", false),
        ("user:*", false),
    ];
    for (text, accepted) in cases {
        assert_eq!(text.parse::<Permission>().is_ok(), accepted, "{text:?}");
    }
    for (text, accepted) in [("admin", true), ("", false), ("a:b", false), ("Admin", false)] {
        assert_eq!(text.parse::<RoleName>().is_ok(), accepted, "{text:?}");
    }
    assert!("a".repeat(64).parse::<RoleName>().is_ok());
    assert!("a".repeat(65).parse::<RoleName>().is_err());
    assert!(Link::new("github", "").is_err());
    assert!(Link::new("github", "a\u{7}").is_err());
    assert!(Link::new("github", &"a".repeat(256)).is_err());
}
