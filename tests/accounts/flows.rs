//! Registering, logging in, changing and deleting, on every store.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sessile::accounts::{
    Account, AccountAnswer, AccountErrorKind, Chosen, Described, Entry, Grant, Link, LogIn, Lookup,
    PasswordCheck, Passwords, Registration, Throttle, UserChange, UserId,
};
use sessile::guard::Principal;

use super::{OTHER, PASSWORD, Service, kind, nobody, stores};

#[tokio::test(flavor = "multi_thread")]
async fn f10_whoever_registers_can_log_in_by_address_and_by_name() {
    for (name, store) in stores().await {
        let service = Service::new(store);
        let ann = Registration::new(" Ann@Example.org ", PASSWORD).username("Ann");
        let user = service.accounts.register(ann).await.unwrap();
        for log_in in ["ann@example.org", "ANN@EXAMPLE.ORG", "ann", " ANN "] {
            let found = service.log_in(log_in, PASSWORD).await;
            assert_eq!(found.map(|user| user.id), Ok(user.id), "{name} {log_in}");
            let wrong = service.log_in(log_in, OTHER).await.map(|user| user.id);
            assert_eq!(wrong, Err(AccountErrorKind::Credentials), "{name} {log_in}");
        }
        let again = Registration::new("ANN@example.org", OTHER);
        assert_eq!(kind(service.accounts.register(again).await), Some(AccountErrorKind::Taken));
        assert!(service.log_in("ann", PASSWORD).await.is_ok(), "{name}: the first one stands");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b30_a_registration_decides_nothing_but_address_name_and_password() {
    for (name, store) in stores().await {
        let service = Service::new(store);
        let user = service.register("ann@example.org").await;
        let snapshot = service.accounts.snapshot(user.id).await.unwrap();
        assert!(snapshot.roles.is_empty() && snapshot.permissions.is_empty(), "{name}");
        assert!(snapshot.is_active() && !snapshot.is_verified(), "{name}");
        assert!(!snapshot.has_role("admin") && !snapshot.has_permission("user:delete"), "{name}");
    }
}

#[tokio::test]
async fn b30_what_cannot_be_registered_is_refused_before_anything_is_hashed() {
    use AccountErrorKind::{
        Email, PasswordTooLong, PasswordTooShort, PasswordTrivial, PasswordUnfit, Username,
    };
    let service = Service::in_memory();
    let (long, longer) = ("x7".repeat(1 << 19), "x7z".repeat(43));
    let cases = [
        ("no address", "", None, PASSWORD, Email),
        ("a look-alike", "\u{430}nn@example.org", None, PASSWORD, Email),
        ("a strange name", "ann@example.org", Some("a b"), PASSWORD, Username),
        ("no password", "ann@example.org", None, "", PasswordTooShort),
        ("a short one", "ann@example.org", None, "aB3$xyz", PasswordTooShort),
        ("a long one", "ann@example.org", None, &longer, PasswordTooLong),
        ("a megabyte", "ann@example.org", None, &long, PasswordTooLong),
        ("one with a NUL", "ann@example.org", None, "correct\0horse", PasswordUnfit),
        ("a common one", "ann@example.org", None, "Password123!", PasswordTrivial),
        (
            "the address",
            "Ann.Example@example.org",
            None,
            "ann.example@example.org",
            PasswordTrivial,
        ),
        ("the local part", "annabella@example.org", None, "Annabella", PasswordTrivial),
        ("the name", "a@example.org", Some("annabella"), "ANNABELLA", PasswordTrivial),
    ];
    for (name, email, username, password, expected) in cases {
        let mut registration = Registration::new(email, password);
        if let Some(username) = username {
            registration = registration.username(username);
        }
        assert!(!format!("{registration:?}").contains("horse"), "{name}");
        let refused = service.accounts.register(registration).await.expect_err(name);
        assert_eq!(refused.kind(), expected, "{name}");
        assert_eq!(refused.status(), 400, "{name}");
        let text = format!("{refused} {refused:?}");
        assert!(password.is_empty() || !text.contains(password), "{name}: {text}");
    }
    assert_eq!(service.accounts.password_stats().hashed, 0);
    assert!(service.told.all().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn r60_b28_unknown_wrong_and_inactive_are_the_same_answer_after_the_same_work() {
    for (name, store) in stores().await {
        let service = Service::new(store);
        service.register("ann@example.org").await;
        let bob = service.register("bob@example.org").await;
        service.accounts.update(bob.id, UserChange::new().active(false)).await.unwrap();
        let linked = Account::new(
            UserId::generate().unwrap(),
            "eve@example.org".parse().unwrap(),
            bob.created,
        );
        service.accounts.store().insert(linked).await.unwrap();

        let long = "x7".repeat(100);
        let mut answers = Vec::new();
        let cases = [
            ("wrong", "ann@example.org", OTHER),
            ("unknown", "nobody@example.org", OTHER),
            ("unknown name", "nobody", OTHER),
            ("not even an address", "@@", OTHER),
            ("empty", "", OTHER),
            ("inactive", "bob@example.org", PASSWORD),
            ("without a password", "eve@example.org", OTHER),
        ];
        for (case, log_in, password) in cases {
            let before = service.accounts.password_stats().hashed;
            let attempt = LogIn::new(log_in, password);
            let error = service.accounts.log_in(attempt).await.expect_err(case);
            let work = service.accounts.password_stats().hashed - before;
            let text = format!("{error} {error:?} {:?}", error.retry_after());
            answers.push((error.kind(), error.status(), text, work));
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{name}: {answers:?}");
        let (kind, status, _, work) = &answers[0];
        assert_eq!((*kind, status.as_u16(), *work), (AccountErrorKind::Credentials, 401, 1));

        // One that is too long for any password is no work for anybody.
        for log_in in ["ann@example.org", "nobody@example.org"] {
            let before = service.accounts.password_stats().hashed;
            assert_eq!(
                service.log_in(log_in, &long).await.err(),
                Some(AccountErrorKind::Credentials)
            );
            assert_eq!(service.accounts.password_stats().hashed, before, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r60_registering_does_the_same_work_whether_the_address_is_taken_or_not() {
    for (name, store) in stores().await {
        let service = Service::new(store);
        let mut work = Vec::new();
        for _ in 0..2 {
            let before = service.accounts.password_stats().hashed;
            drop(service.accounts.register(Registration::new("ann@example.org", PASSWORD)).await);
            work.push(service.accounts.password_stats().hashed - before);
        }
        assert_eq!(work, [1, 1], "{name}");
        let mut told = service.told.names(2).await;
        told.sort();
        assert_eq!(told, ["Registered", "RegisteredAgain"], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r60_b28_who_registers_does_not_learn_whether_the_address_was_free() {
    for (name, store) in stores().await {
        let mut service = Service::new(store);
        service.register("ann@example.org").await;
        service.accounts = service.accounts.only_verified();
        let bob = Registration::new("bob@example.org", PASSWORD).username("bob");
        let bob = service.accounts.register(bob).await.unwrap();
        let mut seen = Vec::new();
        for email in ["ann@example.org", "free@example.org"] {
            // What the recipe of `register` makes of it: neither is told apart.
            let taken = Registration::new(email, OTHER).username("BOB");
            let taken = kind(service.accounts.register(taken).await);
            assert_eq!(taken, Some(AccountErrorKind::UsernameTaken), "{name}");
            let registered = kind(service.accounts.register(Registration::new(email, OTHER)).await);
            assert!(matches!(registered, None | Some(AccountErrorKind::Taken)), "{name}");
            let before = service.accounts.password_stats().hashed;
            let log_in = service.log_in(email, OTHER).await.map(|user| user.id);
            seen.push((log_in, service.accounts.password_stats().hashed - before));
        }
        assert_eq!(seen[0], (Err(AccountErrorKind::Credentials), 1), "{name}");
        assert_eq!(seen[0], seen[1], "{name}");

        let refused = service.log_in("bob", PASSWORD).await.err();
        assert_eq!(refused, Some(AccountErrorKind::Credentials), "{name}");
        let verified = UserChange::new().verified(true);
        service.accounts.update(bob.id, verified).await.unwrap();
        assert!(service.log_in("bob", PASSWORD).await.is_ok(), "{name}: has shown it");
    }
}

/// A check may ask others, and pay for it.
#[tokio::test]
async fn r59_a_password_is_judged_only_if_the_attempt_is_heard() {
    struct Asked(Arc<AtomicUsize>);
    impl PasswordCheck for Asked {
        fn is_trivial(&self, _: &Chosen<'_>) -> AccountAnswer<bool> {
            self.0.fetch_add(1, Ordering::SeqCst);
            AccountAnswer::ready(Ok(true))
        }
    }
    let asked = Arc::new(AtomicUsize::new(0));
    let passwords = Passwords::new().check(Asked(Arc::clone(&asked)));
    let throttle = Throttle::new().account(2);
    let accounts = Service::in_memory().accounts.passwords(passwords).throttle(throttle);
    let mut kinds = Vec::new();
    for _ in 0..5 {
        let registration = Registration::new("ann@example.org", PASSWORD);
        kinds.push(kind(accounts.register(registration).await).unwrap());
    }
    use AccountErrorKind::{PasswordTrivial, Throttled};
    let expected = [PasswordTrivial, PasswordTrivial, PasswordTrivial, Throttled, Throttled];
    assert_eq!((kinds.as_slice(), asked.load(Ordering::SeqCst)), (&expected[..], 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn f07_r56_a_role_is_in_force_with_the_next_look() {
    for (name, store) in stores().await {
        let service = Service::new(store);
        let ann = service.register("ann@example.org").await;
        let accounts = &service.accounts;
        accounts.put(Described::new(Entry::Role("admin".parse().unwrap()), "")).await.unwrap();
        let delete = Entry::Permission("user:delete".parse().unwrap());
        accounts.put(Described::new(delete, "")).await.unwrap();
        let grant =
            Grant::PermissionOfRole("admin".parse().unwrap(), "user:delete".parse().unwrap());
        accounts.grant(grant).await.unwrap();
        let admin = || Grant::RoleOfUser(ann.id, "admin".parse().unwrap());
        accounts.grant(admin()).await.unwrap();
        let snapshot = accounts.snapshot(ann.id).await.unwrap();
        assert!(snapshot.has_role("admin") && snapshot.has_permission("user:delete"), "{name}");
        assert!(!snapshot.has_role("adm") && !snapshot.has_permission("user:delet"), "{name}");
        accounts.withdraw(admin()).await.unwrap();
        let snapshot = accounts.snapshot(ann.id).await.unwrap();
        assert!(!snapshot.has_role("admin") && !snapshot.has_permission("user:delete"), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b27_users_that_are_deleted_or_made_inactive_log_in_no_more() {
    for (name, store) in stores().await {
        let service = Service::new(store);
        let ann = service.register("ann@example.org").await;
        let wrong = Some(AccountErrorKind::Credentials);
        service.accounts.update(ann.id, UserChange::new().active(false)).await.unwrap();
        assert_eq!(service.log_in("ann@example.org", PASSWORD).await.err(), wrong, "{name}");
        service.accounts.update(ann.id, UserChange::new().active(true)).await.unwrap();
        assert!(service.log_in("ann@example.org", PASSWORD).await.is_ok(), "{name}");
        service.accounts.delete(ann.id).await.unwrap();
        assert_eq!(service.log_in("ann@example.org", PASSWORD).await.err(), wrong, "{name}");
        let gone = Some(AccountErrorKind::NotFound);
        assert_eq!(kind(service.accounts.delete(ann.id).await), gone, "{name}");
        assert_eq!(kind(service.accounts.update(ann.id, UserChange::new()).await), gone, "{name}");
        assert_eq!(kind(service.accounts.user(ann.id).await), gone, "{name}");
        assert_eq!(kind(service.accounts.set_password(ann.id, &OTHER.into()).await), gone);
        service.register("ann@example.org").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f10_a_linked_account_logs_in_its_active_user() {
    for (name, store) in stores().await {
        let service = Service::new(store);
        let ann = service.register("ann@example.org").await;
        let link = Link::new("github", "583231").unwrap();
        let wrong = Some(AccountErrorKind::Credentials);
        assert_eq!(kind(service.accounts.log_in_linked(&link).await), wrong, "{name}");
        service.accounts.store().link(ann.id, link.clone()).await.unwrap();
        let who = service.accounts.log_in_linked(&link).await.unwrap();
        assert_eq!(who.user().id, ann.id, "{name}");
        service.accounts.update(ann.id, UserChange::new().active(false)).await.unwrap();
        assert_eq!(kind(service.accounts.log_in_linked(&link).await), wrong, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_can_set_a_password_by_the_same_rules() {
    for (name, store) in stores().await {
        let service = Service::new(store);
        let ann = service.register("ann@example.org").await;
        let short = service.accounts.set_password(ann.id, &"short".into()).await;
        assert_eq!(kind(short), Some(AccountErrorKind::PasswordTooShort), "{name}");
        let user = service.accounts.set_password(ann.id, &OTHER.into()).await.unwrap();
        assert_eq!(user.epoch, 1, "{name}");
        assert!(service.log_in("ann@example.org", PASSWORD).await.is_err(), "{name}");
        assert!(service.log_in("ann@example.org", OTHER).await.is_ok(), "{name}");
        let found = service.accounts.store().find(Lookup::Id(ann.id)).await.unwrap().unwrap();
        assert!(!format!("{found:?}").contains("$argon2"), "{name}");
        drop(nobody());
    }
}
