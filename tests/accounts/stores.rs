//! The contract of an `AccountStore`, on every one of them.

use std::sync::Arc;

use sessile::Timestamp;
use sessile::accounts::{
    Account, AccountErrorKind, AccountStore, Described, Email, Entry, Grant, Link, Lookup,
    NewPassword, NewToken, PasswordHash, Permission, Purpose, Put, RoleName, SqlAccounts,
    TokenDigest, TokenStore, UserChange, UserId, UserStore,
};
use sqlx::{Connection, PgConnection, SqliteConnection};

use super::{Folder, fresh_postgres, kind, stores};

const NOW: Timestamp = Timestamp::from_millis(1_768_465_800_123);

fn email(text: &str) -> Email {
    text.parse().unwrap()
}

fn hash(digit: u8) -> PasswordHash {
    let text =
        format!("$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAA{digit}A${}", "A".repeat(43));
    text.parse().unwrap()
}

fn account(text: &str) -> Account {
    Account::new(UserId::generate().unwrap(), email(text), NOW)
}

async fn added(store: &dyn AccountStore, text: &str) -> UserId {
    let account = account(text).password(hash(0));
    let id = account.user.id;
    store.insert(account).await.unwrap();
    id
}

fn digest(letter: char, purpose: Purpose) -> TokenDigest {
    TokenDigest::of(&format!("{}A", letter.to_string().repeat(42)), purpose).unwrap()
}

async fn issued(store: &dyn AccountStore, letter: char, purpose: Purpose, to: &str) -> TokenDigest {
    let digest = digest(letter, purpose);
    store.issue(NewToken::new(digest.clone(), purpose, email(to), NOW)).await.unwrap();
    digest
}

#[tokio::test(flavor = "multi_thread")]
async fn f10_users_are_found_by_whatever_names_them_and_nobody_has_a_name_twice() {
    for (name, store) in stores().await {
        let ann = account("Ann@Example.org").username("Ann".parse().unwrap()).password(hash(1));
        let id = ann.user.id;
        store.insert(ann).await.unwrap();
        let same_email = account("ann@example.ORG");
        assert_eq!(kind(store.insert(same_email).await), Some(AccountErrorKind::Taken), "{name}");
        let same_name = account("bob@example.org").username("aNN".parse().unwrap());
        let name_taken = Some(AccountErrorKind::UsernameTaken);
        assert_eq!(kind(store.insert(same_name).await), name_taken, "{name}");
        // Or who tries addresses with a name that is taken would learn which of them are.
        let same_both = account("ann@example.org").username("ann".parse().unwrap());
        assert_eq!(kind(store.insert(same_both).await), name_taken, "{name}");

        let lookups = [
            Lookup::Id(id),
            Lookup::Email(email("ANN@example.org")),
            Lookup::Username("ANN".parse().unwrap()),
        ];
        for lookup in lookups {
            let found = store.find(lookup.clone()).await.unwrap().expect(name);
            assert_eq!(found.user.id, id, "{name} {lookup:?}");
            assert_eq!(found.user.email.as_str(), "Ann@example.org", "{name}");
            assert_eq!(found.user.username.unwrap().as_str(), "Ann", "{name}");
            assert_eq!(found.password, Some(hash(1)), "{name}");
            assert_eq!((found.user.is_active, found.user.is_verified), (true, false), "{name}");
            assert_eq!((found.user.created, found.user.updated), (NOW, NOW), "{name}");
        }
        let strangers = [
            Lookup::Id(UserId::generate().unwrap()),
            Lookup::Email(email("bob@example.org")),
            Lookup::Username("bob".parse().unwrap()),
            Lookup::link("github", "1"),
        ];
        for lookup in strangers {
            assert!(store.find(lookup).await.unwrap().is_none(), "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f10_a_change_changes_what_it_names() {
    for (name, store) in stores().await {
        let ann = added(&*store, "ann@example.org").await;
        added(&*store, "bob@example.org").await;
        let later = Timestamp::from_millis(NOW.as_millis() + 5);

        let taken = UserChange::new().email(email("BOB@example.org"));
        let refused = store.update(ann, taken, later).await;
        assert_eq!(kind(refused), Some(AccountErrorKind::Taken), "{name}");

        let carl = account("carl@example.org").username("carl".parse().unwrap());
        store.insert(carl).await.unwrap();
        let taken = UserChange::new().username(Some("CARL".parse().unwrap()));
        let refused = store.update(ann, taken, later).await;
        assert_eq!(kind(refused), Some(AccountErrorKind::UsernameTaken), "{name}");

        let change = UserChange::new().verified(true).username(Some("ann".parse().unwrap()));
        let user = store.update(ann, change, later).await.unwrap().expect(name);
        assert!(user.is_verified && user.updated == later && user.epoch == 0, "{name}");

        let case = UserChange::new().email(email("ANN@example.org"));
        let user = store.update(ann, case, later).await.unwrap().expect(name);
        assert!(user.is_verified, "{name}: it is the same address");

        let token = issued(&*store, 'a', Purpose::Verify, "ann@example.org").await;
        let moved = UserChange::new().email(email("ann@example.net"));
        let user = store.update(ann, moved, later).await.unwrap().expect(name);
        assert!(!user.is_verified, "{name}: it is another address");
        assert!(store.verify(token, later).await.unwrap().is_none(), "{name}: it went elsewhere");

        let barred = UserChange::new().active(false).username(None);
        let user = store.update(ann, barred.clone(), later).await.unwrap().expect(name);
        assert_eq!((user.is_active, user.epoch), (false, 1), "{name}");
        let again = store.update(ann, barred, later).await.unwrap().expect(name);
        assert_eq!(again.epoch, 1, "{name}: nothing new");
        let found = store.find(Lookup::Id(ann)).await.unwrap().expect(name);
        assert_eq!(found.user.email.as_str(), "ann@example.net", "{name}");
        assert!(found.user.username.is_none() && !found.user.is_active, "{name}");
        assert_eq!(found.password, Some(hash(0)), "{name}");

        let nobody = store.update(UserId::generate().unwrap(), UserChange::new(), later).await;
        assert!(nobody.unwrap().is_none(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r32_a_hash_is_replaced_only_in_the_state_that_was_demanded() {
    for (name, store) in stores().await {
        let ann = added(&*store, "ann@example.org").await;
        let token = issued(&*store, 'r', Purpose::Reset, "ann@example.org").await;

        let stale = NewPassword::Rehashed { old: hash(7), new: hash(1) };
        assert!(store.set_password(ann, stale, NOW).await.unwrap().is_none(), "{name}");
        let rehashed = NewPassword::Rehashed { old: hash(0), new: hash(1) };
        let user = store.set_password(ann, rehashed, NOW).await.unwrap().expect(name);
        assert_eq!(user.epoch, 0, "{name}: it is the same password");
        let holder = store.holder(token.clone(), Purpose::Reset, NOW).await.unwrap();
        assert!(holder.is_some(), "{name}");

        let stale = NewPassword::Changed { epoch: 1, new: hash(2) };
        assert!(store.set_password(ann, stale, NOW).await.unwrap().is_none(), "{name}");
        let changed = NewPassword::Changed { epoch: 0, new: hash(2) };
        let user = store.set_password(ann, changed, NOW).await.unwrap().expect(name);
        assert_eq!(user.epoch, 1, "{name}");
        let reset = store.reset(token, hash(3), NOW).await.unwrap();
        assert!(reset.is_none(), "{name}: tokens for a reset die with the password");
        let found = store.find(Lookup::Id(ann)).await.unwrap().expect(name);
        assert_eq!(found.password, Some(hash(2)), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f10_tokens_are_good_once_in_time_for_their_purpose_and_address() {
    for (name, store) in stores().await {
        added(&*store, "ann@example.org").await;
        let late = |purpose: Purpose| NOW.plus(purpose.lifetime());
        let verify = issued(&*store, 'v', Purpose::Verify, "ANN@example.org").await;
        let reset = issued(&*store, 'r', Purpose::Reset, "ann@example.org").await;
        let other = issued(&*store, 's', Purpose::Reset, "ann@example.org").await;

        let crossed = digest('v', Purpose::Reset);
        assert!(store.reset(crossed, hash(1), NOW).await.unwrap().is_none(), "{name}");
        let wrong = store.holder(verify.clone(), Purpose::Reset, NOW).await.unwrap();
        assert!(wrong.is_none(), "{name}: for another purpose");
        let late_verify = store.verify(verify.clone(), late(Purpose::Verify)).await.unwrap();
        assert!(late_verify.is_none(), "{name}: too late");
        let late_reset = store.reset(reset.clone(), hash(1), late(Purpose::Reset)).await.unwrap();
        assert!(late_reset.is_none(), "{name}: too late");

        let user = store.verify(verify.clone(), NOW).await.unwrap().expect(name);
        assert!(user.is_verified, "{name}");
        assert!(store.verify(verify, NOW).await.unwrap().is_none(), "{name}: once");
        let user = store.reset(reset.clone(), hash(1), NOW).await.unwrap().expect(name);
        assert_eq!(user.epoch, 1, "{name}");
        assert!(store.reset(reset, hash(2), NOW).await.unwrap().is_none(), "{name}: once");
        assert!(store.reset(other, hash(2), NOW).await.unwrap().is_none(), "{name}: all of them");

        let unknown =
            NewToken::new(digest('u', Purpose::Reset), Purpose::Reset, email("x@example.org"), NOW);
        assert!(store.issue(unknown).await.unwrap().is_none(), "{name}");
        added(&*store, "x@example.org").await;
        let reset = store.reset(digest('u', Purpose::Reset), hash(2), NOW).await.unwrap();
        assert!(reset.is_none(), "{name}: it was nobody's when it was issued");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f10_an_inactive_user_can_neither_verify_nor_reset() {
    for (name, store) in stores().await {
        let ann = added(&*store, "ann@example.org").await;
        let verify = issued(&*store, 'v', Purpose::Verify, "ann@example.org").await;
        let reset = issued(&*store, 'r', Purpose::Reset, "ann@example.org").await;
        store.update(ann, UserChange::new().active(false), NOW).await.unwrap();
        assert!(store.verify(verify, NOW).await.unwrap().is_none(), "{name}");
        assert!(store.reset(reset, hash(1), NOW).await.unwrap().is_none(), "{name}");
        let token = NewToken::new(
            digest('n', Purpose::Reset),
            Purpose::Reset,
            email("ann@example.org"),
            NOW,
        );
        assert!(store.issue(token).await.unwrap().is_none(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f10_of_many_who_spend_a_token_at_once_one_succeeds() {
    for (name, store) in stores().await {
        added(&*store, "ann@example.org").await;
        let token = issued(&*store, 'r', Purpose::Reset, "ann@example.org").await;
        let tasks: Vec<_> = (0..8)
            .map(|digit| {
                let (store, token) = (Arc::clone(&store), token.clone());
                tokio::spawn(async move {
                    store.reset(token, hash(digit), NOW).await.unwrap().map(|_| hash(digit))
                })
            })
            .collect();
        let mut winners = Vec::new();
        for task in tasks {
            winners.extend(task.await.unwrap());
        }
        assert_eq!(winners.len(), 1, "{name}");
        let ann = store.find(Lookup::Email(email("ann@example.org"))).await.unwrap().expect(name);
        assert_eq!((ann.password, ann.user.epoch), (winners.pop(), 1), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_register_one_name_at_once_one_succeeds() {
    for (name, store) in stores().await {
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let store = Arc::clone(&store);
                tokio::spawn(async move { store.insert(account("ann@example.org")).await.is_ok() })
            })
            .collect();
        let mut won = 0;
        for task in tasks {
            won += usize::from(task.await.unwrap());
        }
        assert_eq!(won, 1, "{name}");
        assert_eq!(store.list(None, 100).await.unwrap().len(), 1, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_users_hold_everybody_once() {
    for (name, store) in stores().await {
        let mut ids = Vec::new();
        for number in 0..7 {
            ids.push(added(&*store, &format!("user{number}@example.org")).await);
        }
        ids.sort_unstable();
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = store.list(after, 3).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            seen.extend(page.iter().map(|user| user.id));
        }
        assert_eq!(seen, ids, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f10_a_linked_account_is_one_users() {
    for (name, store) in stores().await {
        let ann = added(&*store, "ann@example.org").await;
        let bob = added(&*store, "bob@example.org").await;
        let link = || Link::new("github", "583231").unwrap();
        store.link(ann, link()).await.unwrap();
        store.link(ann, link()).await.unwrap();
        store.link(ann, Link::new("example", "a b").unwrap()).await.unwrap();
        assert_eq!(kind(store.link(bob, link()).await), Some(AccountErrorKind::Taken), "{name}");
        let stranger = store.link(UserId::generate().unwrap(), Link::new("x", "1").unwrap()).await;
        assert_eq!(kind(stranger), Some(AccountErrorKind::NotFound), "{name}");
        let found = store.find(Lookup::link("github", "583231")).await.unwrap().expect(name);
        assert_eq!(found.user.id, ann, "{name}");
        let subjects: Vec<_> = store.links(ann).await.unwrap();
        assert_eq!(subjects, [Link::new("example", "a b").unwrap(), link()], "{name}");
        assert!(!store.unlink(bob, link()).await.unwrap(), "{name}");
        assert!(store.unlink(ann, link()).await.unwrap(), "{name}");
        assert!(store.find(Lookup::link("github", "583231")).await.unwrap().is_none(), "{name}");
        store.link(bob, link()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f07_what_a_user_has_is_their_own_and_their_roles() {
    let role = |name: &str| -> RoleName { name.parse().unwrap() };
    let permission = |name: &str| -> Permission { name.parse().unwrap() };
    for (name, store) in stores().await {
        let ann = added(&*store, "ann@example.org").await;
        for text in ["editor", "admin"] {
            let put = store.put(Described::new(Entry::Role(role(text)), "first")).await.unwrap();
            assert_eq!(put, Put::Created, "{name}");
        }
        for text in ["user:delete", "article:edit", "article:read"] {
            store.put(Described::new(Entry::Permission(permission(text)), "")).await.unwrap();
        }
        let again = Described::new(Entry::Role(role("admin")), "second");
        assert_eq!(store.put(again).await.unwrap(), Put::Updated, "{name}");
        let entries = store.entries().await.unwrap();
        let words: Vec<_> = entries.iter().map(|entry| entry.description.as_str()).collect();
        assert_eq!(words, ["second", "first", "", "", ""], "{name}");

        let grants = [
            Grant::RoleOfUser(ann, role("editor")),
            Grant::PermissionOfRole(role("editor"), permission("article:edit")),
            Grant::PermissionOfRole(role("editor"), permission("article:read")),
            Grant::PermissionOfRole(role("admin"), permission("user:delete")),
            Grant::PermissionOfUser(ann, permission("article:read")),
        ];
        for grant in &grants {
            assert!(store.grant(grant.clone()).await.unwrap(), "{name} {grant:?}");
            assert!(!store.grant(grant.clone()).await.unwrap(), "{name} {grant:?}");
        }
        let held = store.held(ann).await.unwrap();
        assert_eq!(held.roles, [role("editor")], "{name}");
        let both = [permission("article:edit"), permission("article:read")];
        assert_eq!(held.permissions, both, "{name}");
        assert_eq!(store.granted(role("editor")).await.unwrap(), both, "{name}");

        let unknown = [
            Grant::RoleOfUser(ann, role("nobody")),
            Grant::RoleOfUser(UserId::generate().unwrap(), role("admin")),
            Grant::PermissionOfUser(ann, permission("no:body")),
            Grant::PermissionOfRole(role("nobody"), permission("user:delete")),
        ];
        for grant in unknown {
            let refused = store.grant(grant.clone()).await;
            assert_eq!(kind(refused), Some(AccountErrorKind::NotFound), "{name} {grant:?}");
            assert!(!store.withdraw(grant).await.unwrap(), "{name}");
        }

        assert!(store.remove(Entry::Permission(permission("article:edit"))).await.unwrap());
        assert_eq!(store.held(ann).await.unwrap().permissions, both[1..], "{name}");
        assert!(store.remove(Entry::Role(role("editor"))).await.unwrap(), "{name}");
        assert!(!store.remove(Entry::Role(role("editor"))).await.unwrap(), "{name}");
        let held = store.held(ann).await.unwrap();
        assert_eq!((held.roles.len(), held.permissions.len()), (0, 1), "{name}");
        // A role of the same name starts with nothing.
        store.put(Described::new(Entry::Role(role("editor")), "")).await.unwrap();
        assert!(store.granted(role("editor")).await.unwrap().is_empty(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b27_a_deleted_user_leaves_nothing() {
    for (name, store) in stores().await {
        let ann = added(&*store, "ann@example.org").await;
        let token = issued(&*store, 'r', Purpose::Reset, "ann@example.org").await;
        store.link(ann, Link::new("github", "1").unwrap()).await.unwrap();
        store.put(Described::new(Entry::Role("admin".parse().unwrap()), "")).await.unwrap();
        store.grant(Grant::RoleOfUser(ann, "admin".parse().unwrap())).await.unwrap();
        assert!(store.delete(ann).await.unwrap(), "{name}");
        assert!(!store.delete(ann).await.unwrap(), "{name}");
        assert!(store.find(Lookup::Id(ann)).await.unwrap().is_none(), "{name}");
        assert!(store.find(Lookup::link("github", "1")).await.unwrap().is_none(), "{name}");
        assert!(store.held(ann).await.unwrap().roles.is_empty(), "{name}");
        // Nor does anybody inherit it who takes the address.
        added(&*store, "ann@example.org").await;
        assert!(store.reset(token, hash(1), NOW).await.unwrap().is_none(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn opening_again_and_at_once_changes_nothing() {
    let folder = Folder::new();
    for url in [folder.sqlite(), fresh_postgres().await] {
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let url = url.clone();
                tokio::spawn(async move { SqlAccounts::connect(&url).await })
            })
            .collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        let first = SqlAccounts::connect(&url).await.unwrap();
        let ann = added(&first, "ann@example.org").await;
        let second = SqlAccounts::connect(&url).await.unwrap();
        assert!(second.find(Lookup::Id(ann)).await.unwrap().is_some());
        assert!(SqlAccounts::connect("mysql://localhost").await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_a_newer_version_are_refused() {
    let newer = "UPDATE sessile_account_schema SET version = 99";
    let folder = Folder::new();
    let (file, url) = (folder.sqlite(), fresh_postgres().await);
    for url in [&file, &url] {
        drop(SqlAccounts::connect(url).await.unwrap());
    }
    let mut sqlite = SqliteConnection::connect(&file).await.unwrap();
    sqlx::query(newer).execute(&mut sqlite).await.unwrap();
    let mut postgres = PgConnection::connect(&url).await.unwrap();
    sqlx::query(newer).execute(&mut postgres).await.unwrap();
    for url in [&file, &url] {
        let error = SqlAccounts::connect(url).await.unwrap_err();
        assert!(format!("{error:?}").contains("newer version"), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b31_an_engine_that_fails_tells_the_cause_and_no_row() {
    let url = fresh_postgres().await;
    let store = SqlAccounts::connect(&url).await.unwrap();
    let mut admin = PgConnection::connect(&url).await.unwrap();
    sqlx::query("ALTER TABLE sessile_users ADD CHECK (email_key <> 'ann@example.org')")
        .execute(&mut admin)
        .await
        .unwrap();
    let error = store.insert(account("ann@example.org").password(hash(1))).await.unwrap_err();
    assert_eq!(error.kind(), AccountErrorKind::Store);
    let mut text = format!("{error} {error:?}");
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text.push_str(&format!(" {error} {error:?}"));
        cause = error.source();
    }
    assert!(text.contains("23514"), "{text}");
    for secret in ["ann@example.org", "argon2id", "AAAA"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r60_a_hash_of_an_unknown_kind_is_no_password_and_no_failure() {
    let url = fresh_postgres().await;
    let store = SqlAccounts::connect(&url).await.unwrap();
    let ann = added(&store, "ann@example.org").await;
    let mut admin = PgConnection::connect(&url).await.unwrap();
    let imported = "UPDATE sessile_users SET password_hash = 'pbkdf2_sha256$1$x$y'";
    sqlx::query(imported).execute(&mut admin).await.unwrap();
    let found = store.find(Lookup::Id(ann)).await.unwrap().unwrap();
    assert_eq!(found.password, None);
}

/// A deletion locks the user and then their tokens. Whoever goes the other way waits for it, and it
/// for them.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_issued_while_its_user_is_deleted() {
    let url = fresh_postgres().await;
    let store = SqlAccounts::connect(&url).await.unwrap();
    added(&store, "ann@example.org").await;
    issued(&store, 'e', Purpose::Reset, "ann@example.org").await;
    let mut deletion = PgConnection::connect(&url).await.unwrap();
    let mut run = async |sql: &'static str| {
        sqlx::query(sql).fetch_all(&mut deletion).await.unwrap_or_else(|error| panic!("{error}"))
    };
    run("BEGIN").await;
    run("SELECT id FROM sessile_users FOR UPDATE").await;
    // The first token has expired by then, so it is swept.
    let late = NOW.plus(Purpose::Reset.lifetime());
    let to = email("ann@example.org");
    let token = NewToken::new(digest('n', Purpose::Reset), Purpose::Reset, to, late);
    let issue = tokio::spawn(async move { store.issue(token).await });
    let blocked = "SELECT 1 FROM pg_stat_activity \
        WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))";
    while run(blocked).await.is_empty() {
        assert!(!issue.is_finished(), "it must wait for the user");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    run("DELETE FROM sessile_users").await;
    run("COMMIT").await;
    assert!(issue.await.unwrap().unwrap().is_none(), "it is nobody's any more");
}
