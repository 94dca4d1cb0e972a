//! Hashing: costs, imported hashes, bounded work off the async threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sessile::accounts::{
    Account, AccountAnswer, AccountErrorKind, Chosen, LogIn, Lookup, Password, PasswordCheck,
    PasswordHash, Passwords, Registration, UserId, Verified,
};

use super::{OTHER, PASSWORD, Service, kind, stores};

/// bcrypt of `bcrypt`'s own making, cost 4.
fn bcrypt(password: &[u8]) -> PasswordHash {
    bcrypt::hash(password, 4).unwrap().parse().unwrap()
}

/// What `FastAuth` stores (pwdlib: 64 MiB, 3 passes, 4 lanes).
async fn fastauth(password: &str) -> PasswordHash {
    Passwords::new().argon2id(65_536, 3, 4).hash(&password.into()).await.unwrap()
}

#[tokio::test]
async fn r61_a_new_hash_is_argon2id_at_the_least_that_owasp_allows() {
    let hash = Passwords::new().hash(&PASSWORD.into()).await.unwrap();
    assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.expose());
    let another = Passwords::new().hash(&PASSWORD.into()).await.unwrap();
    assert_ne!(hash, another, "each has a salt of its own");
    let mut parts = hash.expose().rsplit('$');
    let (output, salt) = (parts.next().unwrap(), parts.next().unwrap());
    assert_eq!((output.len(), salt.len()), (43, 22), "32 and 16 bytes");
    for (memory, passes, lanes) in [(19_455, 2, 1), (19_456, 1, 1), (19_456, 2, 0), (1 << 21, 2, 1)]
    {
        let refused = std::panic::catch_unwind(|| Passwords::new().argon2id(memory, passes, lanes));
        assert!(refused.is_err(), "m={memory},t={passes},p={lanes}");
    }
    for length in [7..=128, 8..=63, 8..=257] {
        assert!(std::panic::catch_unwind(|| Passwords::new().length(length.clone())).is_err());
    }
}

#[tokio::test]
async fn r61_only_the_password_itself_verifies_however_it_was_typed() {
    let passwords = Passwords::new();
    let composed = "Z\u{e9}bre \u{e0} rayures";
    let hash = passwords.hash(&composed.into()).await.unwrap();
    let cases = [
        ("the same", composed.to_owned(), Verified::Yes),
        ("decomposed", "Ze\u{301}bre a\u{300} rayures".into(), Verified::Yes),
        ("in another case", composed.to_uppercase(), Verified::No),
        ("a blank more", format!("{composed} "), Verified::No),
        ("a prefix", "Z\u{e9}bre \u{e0}".into(), Verified::No),
        ("a NUL behind", format!("{composed}\0"), Verified::No),
        ("compatible only", composed.replace('r', "\u{ff52}"), Verified::No),
        ("empty", String::new(), Verified::No),
    ];
    for (name, typed, expected) in cases {
        let verified = passwords.verify(&typed.into(), Some(&hash)).await.unwrap();
        assert_eq!(verified, expected, "{name}");
    }
}

#[tokio::test]
async fn r61_bcrypt_never_matches_by_its_first_72_bytes() {
    let passwords = Passwords::new();
    let whole = "x7".repeat(36);
    let verify = async |typed: &str, hash: &PasswordHash| {
        passwords.verify(&typed.into(), Some(hash)).await.unwrap()
    };
    let hash = bcrypt(whole.as_bytes());
    assert_eq!(verify(&whole, &hash).await, Verified::Outdated, "72 bytes are all there");
    assert_eq!(verify(&format!("{whole}anything"), &hash).await, Verified::No, "73 are not");
    // The system it came from cut; whoever had a longer password resets it.
    let cut = bcrypt(format!("{whole}anything").as_bytes());
    assert_eq!(verify(&format!("{whole}anything"), &cut).await, Verified::No);
    assert_eq!(verify(&format!("{whole}something"), &cut).await, Verified::No);
    // 25 characters of three bytes are 75 bytes.
    let wide = "密".repeat(25);
    assert_eq!(verify(&wide, &bcrypt(wide.as_bytes())).await, Verified::No);
    // bcrypt reads C strings.
    assert_eq!(verify("abc\0def", &bcrypt(b"abc")).await, Verified::No);
    // Imported hashes were made of what was typed.
    let decomposed = "Ze\u{301}bre a\u{300} rayures";
    assert_eq!(verify(decomposed, &bcrypt(decomposed.as_bytes())).await, Verified::Outdated);
}

#[tokio::test]
async fn stored_hashes_that_make_no_sense_or_cost_too_much_are_refused() {
    let rest = "$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let cases = [
        ("nothing", String::new()),
        ("plain text", PASSWORD.to_owned()),
        ("MD5", "$1$abcdefgh$0123456789012345678901".to_owned()),
        ("a terabyte", format!("$argon2id$v=19$m=1073741824,t=2,p=1{rest}")),
        ("a million passes", format!("$argon2id$v=19$m=19456,t=1000000,p=1{rest}")),
        ("no output", "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA".to_owned()),
        ("no costs", format!("$argon2id$v=19{rest}")),
        ("bcrypt of cost 31", format!("$2b$31${}", "A".repeat(53))),
        ("bcrypt cut short", format!("$2b$10${}", "A".repeat(52))),
    ];
    for (name, text) in cases {
        let error = text.parse::<PasswordHash>().expect_err(name);
        assert_eq!(error.kind(), AccountErrorKind::Internal, "{name}");
        assert!(text.is_empty() || !format!("{error:?}").contains(&text), "{name}");
    }
    let other = format!("$argon2i$v=19$m=4096,t=3,p=1{rest}").parse::<PasswordHash>().unwrap();
    let verified = Passwords::new().verify(&PASSWORD.into(), Some(&other)).await.unwrap();
    assert_eq!(verified, Verified::No);
}

#[tokio::test(flavor = "multi_thread")]
async fn f13_imported_users_log_in_and_are_hashed_anew_once() {
    for (name, store) in stores().await {
        let service = Service::new(store);
        let imports =
            [("bcrypt", bcrypt(PASSWORD.as_bytes())), ("fastauth", fastauth(PASSWORD).await)];
        for (user, hash) in imports {
            let email = format!("{user}@example.org").parse().unwrap();
            let now = sessile::Timestamp::from_millis(0);
            let id = UserId::generate().unwrap();
            let account = Account::new(id, email, now).password(hash.clone());
            service.accounts.store().insert(account).await.unwrap();
            let log_in = format!("{user}@example.org");
            let stored = async || {
                let found = service.accounts.store().find(Lookup::Id(id)).await.unwrap().unwrap();
                found.password.unwrap()
            };

            assert!(service.log_in(&log_in, OTHER).await.is_err(), "{name} {user}");
            assert_eq!(stored().await, hash, "{name} {user}: a wrong password changes nothing");
            assert!(service.log_in(&log_in, PASSWORD).await.is_ok(), "{name} {user}");
            let new = stored().await;
            assert!(new.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{name} {user}");
            let epoch = service.log_in(&log_in, PASSWORD).await.unwrap().epoch;
            assert_eq!(
                (stored().await, epoch),
                (new, 0),
                "{name} {user}: once, and nobody is logged out"
            );
        }
    }
}

/// By a wide margin, since other tests run beside this one: without it, there is a factor of 13.
#[tokio::test]
async fn r60_after_the_costs_were_raised_a_wrong_password_takes_as_long_as_an_unknown_user() {
    let cheap = Passwords::new().hash(&PASSWORD.into()).await.unwrap();
    let passwords = Passwords::new().argon2id(128 * 1_024, 4, 1);
    let time = async |hash: Option<&PasswordHash>| {
        let began = tokio::time::Instant::now();
        let verified = passwords.verify(&OTHER.into(), hash).await.unwrap();
        assert_eq!(verified, Verified::No);
        began.elapsed()
    };
    let mut times = Vec::new();
    for _ in 0..3 {
        times.push((time(Some(&cheap)).await, time(None).await));
    }
    let known = times.iter().map(|(known, _)| *known).min().unwrap();
    let unknown = times.iter().map(|(_, unknown)| *unknown).min().unwrap();
    assert!(known * 4 > unknown, "{known:?} and {unknown:?}");
    let right = passwords.verify(&PASSWORD.into(), Some(&cheap)).await.unwrap();
    assert_eq!(right, Verified::Outdated);
}

#[tokio::test]
async fn b18_nothing_that_holds_a_password_shows_it() {
    let password = Password::new(PASSWORD);
    let passwords = Passwords::new();
    let hash = passwords.hash(&password).await.unwrap();
    let shown = format!(
        "{password:?} {hash:?} {passwords:?} {:?} {:?} {:?}",
        Registration::new("ann@example.org", PASSWORD),
        LogIn::new("ann@example.org", PASSWORD),
        serde_json::from_str::<Password>(&format!("\"{PASSWORD}\"")).unwrap(),
    );
    for secret in ["horse", "$argon2", "ann@example.org"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[tokio::test]
async fn a_check_of_ones_own_takes_the_place_of_the_list() {
    struct Breached;
    impl PasswordCheck for Breached {
        fn is_trivial(&self, chosen: &Chosen<'_>) -> AccountAnswer<bool> {
            let breached = chosen.text() == PASSWORD;
            AccountAnswer::later(async move {
                tokio::task::yield_now().await;
                Ok(breached)
            })
        }
    }
    let passwords = Passwords::new().check(Breached);
    let email = "annabella@example.org".parse().unwrap();
    let trivial = Some(AccountErrorKind::PasswordTrivial);
    assert_eq!(kind(passwords.accept(&PASSWORD.into(), &email, None).await), trivial);
    assert_eq!(kind(passwords.accept(&"Password123!".into(), &email, None).await), None);
    let own = passwords.accept(&"annabella@example.org".into(), &email, None).await;
    assert_eq!(kind(own), trivial, "one's own address is refused in any case");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_are_hashed_at_a_time_than_may_and_what_finds_the_queue_full_is_told() {
    let passwords = Passwords::new().parallel(2).queue(3);
    let tasks: Vec<_> = (0..40)
        .map(|_| {
            let passwords = passwords.clone();
            tokio::spawn(async move { kind(passwords.hash(&PASSWORD.into()).await) })
        })
        .collect();
    let mut most = 0;
    while !tasks.iter().all(tokio::task::JoinHandle::is_finished) {
        let stats = passwords.stats();
        most = most.max(stats.running);
        assert!(stats.running <= 2 && stats.running + stats.waiting <= 5, "{stats:?}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(most >= 1);
    let (mut done, mut busy) = (0, 0);
    for task in tasks {
        match task.await.unwrap() {
            None => done += 1,
            Some(AccountErrorKind::Busy) => busy += 1,
            other => panic!("{other:?}"),
        }
    }
    let stats = passwords.stats();
    assert_eq!((done + busy, stats.hashed, stats.refused), (40, done, busy));
    assert!(done >= 5 && busy >= 1, "{done} done, {busy} refused");
    assert_eq!((stats.running, stats.waiting), (0, 0));
}

#[tokio::test]
async fn a_full_queue_is_503_and_no_failed_attempt() {
    let service = Service::in_memory();
    service.register("ann@example.org").await;
    let passwords = Passwords::new().parallel(1).queue(0);
    let throttle = sessile::accounts::Throttle::new().account(1);
    let accounts = service.accounts.clone().passwords(passwords.clone()).throttle(throttle);
    // Takes far longer than ten log-ins that are refused.
    let costly = passwords.clone().argon2id(256 * 1_024, 4, 1);
    let hog = tokio::spawn(async move { costly.hash(&PASSWORD.into()).await.is_ok() });
    while accounts.password_stats().running == 0 {
        tokio::task::yield_now().await;
    }
    let mut busy = 0;
    for _ in 0..10 {
        match accounts.log_in(LogIn::new("ann@example.org", PASSWORD)).await {
            Ok(_) => break,
            Err(error) => {
                assert_eq!((error.kind(), error.status().as_u16()), (AccountErrorKind::Busy, 503));
                busy += 1;
            }
        }
    }
    assert!(busy >= 1, "the hash was quicker than ten log-ins");
    assert!(hog.await.unwrap());
    assert!(accounts.log_in(LogIn::new("ann@example.org", PASSWORD)).await.is_ok());
}

/// One thread serves everything. If hashing ran on it, nothing else could.
#[tokio::test]
async fn other_requests_are_served_while_log_ins_saturate_the_hasher() {
    let service = Service::in_memory();
    service.register("ann@example.org").await;
    let accounts = service.accounts.passwords(Passwords::new().parallel(1).queue(50));
    let served = Arc::new(AtomicUsize::new(0));
    let log_ins: Vec<_> = (0..12)
        .map(|_| {
            let accounts = accounts.clone();
            tokio::spawn(async move {
                accounts.log_in(LogIn::new("ann@example.org", OTHER)).await.is_err()
            })
        })
        .collect();
    let count = Arc::clone(&served);
    let others = tokio::spawn(async move {
        loop {
            tokio::task::yield_now().await;
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    // Between any two log-ins, others were served.
    let mut last = 0;
    for log_in in log_ins {
        assert!(log_in.await.unwrap());
        let now = served.load(Ordering::Relaxed);
        assert!(now > last, "nobody else was served meanwhile");
        last = now;
    }
    others.abort();
    assert!(last > 1_000, "only {last} others were served during twelve log-ins");
}

#[tokio::test]
async fn a_log_in_that_nobody_waits_for_gives_its_place_back() {
    let passwords = Passwords::new().parallel(1).queue(1);
    for _ in 0..20 {
        let (one, two) = (PASSWORD.into(), PASSWORD.into());
        let both = async { tokio::join!(passwords.hash(&one), passwords.hash(&two)) };
        drop(tokio::time::timeout(Duration::from_millis(1), both).await);
        // What runs is finished first, and what waits is forgotten at once.
        assert_eq!(passwords.stats().waiting, 0);
        while passwords.stats().running > 0 {
            tokio::task::yield_now().await;
        }
    }
    assert!(passwords.hash(&PASSWORD.into()).await.is_ok());
}
