//! Calls that nobody waits for any more: a visitor has gone, or a timeout was quicker.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use sessile::Timestamp;
use sessile::accounts::{
    Account, NewToken, PasswordHash, Purpose, SqlAccounts, TokenDigest, TokenStore, UserChange,
    UserId, UserStore,
};
use sqlx::{Connection, SqliteConnection};

use super::{Folder, stores};

const NOW: Timestamp = Timestamp::from_millis(1_768_465_800_123);

/// Polls a call so many times at most, whenever it can go on, and drops it. Whether it was done.
async fn polled(call: impl Future, times: usize) -> bool {
    let (mut call, mut left) = (pin!(call), times);
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        call.as_mut().poll(cx).map(|_| true)
    })
    .await
}

fn digest(number: usize) -> TokenDigest {
    TokenDigest::of(&format!("{number:A>42}A"), Purpose::Reset).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_call_leaves_the_writer_free_and_nothing_half_done() {
    for (name, store) in stores().await {
        let email = |text: &str| text.parse().unwrap();
        let ann = Account::new(UserId::generate().unwrap(), email("ann@example.org"), NOW);
        let id = ann.user.id;
        store.insert(ann).await.unwrap();
        for limit in 0..40 {
            let change = UserChange::new().verified(true).email(email("ann@example.net"));
            let call = store.update(id, change, NOW);
            drop(tokio::time::timeout(Duration::from_micros(limit * 50), call).await);
            let back = UserChange::new().email(email("ann@example.org"));
            let user = store.update(id, back, NOW).await.unwrap().expect(name);
            assert_eq!(user.email.as_str(), "ann@example.org", "{name}");
        }
    }
}

/// Sessions may be in the same file, and nobody changes an account for hours.
#[tokio::test(flavor = "multi_thread")]
async fn no_call_keeps_the_file_locked_whether_it_is_dropped_or_comes_to_nothing() {
    let folder = Folder::new();
    let file = folder.sqlite();
    let store = SqlAccounts::connect(&file).await.unwrap();
    // Waits five seconds for a lock.
    let mut other = SqliteConnection::connect(&file).await.unwrap();
    let mut write = async |after: &str| {
        let write = "UPDATE sessile_account_schema SET version = version";
        sqlx::query(write).execute(&mut other).await.unwrap_or_else(|_| panic!("after {after}"));
    };

    let hash: PasswordHash =
        format!("$argon2id$v=19$m=19456,t=2,p=1${}${}", "A".repeat(22), "A".repeat(43))
            .parse()
            .unwrap();
    assert!(store.reset(digest(0), hash, NOW).await.unwrap().is_none());
    write("a token that nobody has").await;
    let nobody = UserId::generate().unwrap();
    assert!(store.update(nobody, UserChange::new(), NOW).await.unwrap().is_none());
    write("a change of nobody").await;

    let mut dropped = 0;
    for steps in 0..12 {
        let email = "ann@example.org".parse().unwrap();
        let token = NewToken::new(digest(steps), Purpose::Reset, email, NOW);
        dropped += usize::from(!polled(store.issue(token), steps).await);
        write(&format!("{steps} steps")).await;
    }
    assert!((2..12).contains(&dropped), "some under way, and some done: {dropped} dropped");
}
