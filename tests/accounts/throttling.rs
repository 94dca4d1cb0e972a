//! Throttling, per account and per client.

use std::time::Duration;

use sessile::Client;
use sessile::accounts::{AccountErrorKind, LogIn, Passwords, Throttle};

use super::{OTHER, PASSWORD, Service};

fn from(address: [u8; 4]) -> Client {
    Client::new(Some(address.into()), None)
}

/// What came of a log-in, and how many seconds to wait.
async fn try_it(
    service: &Service,
    name: &str,
    password: &str,
    client: Client,
) -> (AccountErrorKind, u64) {
    let attempt = LogIn::new(name, password).client(client);
    match service.accounts.log_in(attempt).await {
        Ok(_) => panic!("logged in"),
        Err(error) => (error.kind(), error.retry_after().unwrap_or_default().as_secs()),
    }
}

fn throttled(throttle: Throttle) -> Service {
    let mut service = Service::in_memory();
    service.accounts = service.accounts.throttle(throttle).passwords(Passwords::new().parallel(2));
    service
}

#[tokio::test]
async fn r59_the_wait_of_an_account_doubles_whether_it_exists_or_not() {
    use AccountErrorKind::{Credentials, Throttled};
    let service = throttled(Throttle::new().account(2));
    service.register("ann@example.org").await;
    let mut answers = Vec::new();
    for name in ["ann@example.org", "nobody@example.org"] {
        let mut answer = Vec::new();
        for client in 0..2 {
            answer.push(try_it(&service, name, OTHER, from([192, 0, 2, client])).await);
        }
        for wait in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
            answer.push(try_it(&service, name, OTHER, Client::default()).await);
            let hashed = service.accounts.password_stats().hashed;
            for _ in 0..3 {
                // Asking again makes it no longer, and is no work.
                let refused = try_it(&service, name, OTHER, Client::default()).await;
                assert_eq!(refused, (Throttled, wait), "{name}");
            }
            assert_eq!(service.accounts.password_stats().hashed, hashed);
            service.clock.advance(Duration::from_secs(wait));
        }
        answers.push(answer);
    }
    assert_eq!(answers[0], answers[1]);
    assert!(answers[0].iter().all(|answer| *answer == (Credentials, 0)), "{:?}", answers[0]);
    // Nobody is locked out for good, and a log-in clears the record.
    assert!(service.log_in("ann@example.org", PASSWORD).await.is_ok());
    assert_eq!(try_it(&service, "ann@example.org", OTHER, Client::default()).await.0, Credentials);
    assert_eq!(try_it(&service, "ann@example.org", OTHER, Client::default()).await.0, Credentials);
}

#[tokio::test]
async fn r59_a_client_that_tries_many_accounts_is_slowed_down_and_others_are_not() {
    let service = throttled(Throttle::new().client(3));
    service.register("ann@example.org").await;
    let bad = || from([192, 0, 2, 1]);
    for number in 0..4 {
        let name = format!("user{number}@example.org");
        let (kind, _) = try_it(&service, &name, OTHER, bad()).await;
        assert_eq!(kind, AccountErrorKind::Credentials);
    }
    let (kind, wait) = try_it(&service, "ann@example.org", PASSWORD, bad()).await;
    assert_eq!((kind, wait), (AccountErrorKind::Throttled, 1));
    let good = LogIn::new("ann@example.org", PASSWORD).client(from([192, 0, 2, 2]));
    assert!(service.accounts.log_in(good).await.is_ok());
    service.clock.advance(Duration::from_secs(1));
    // A log-in of one's own does not clear what was tried on others.
    let own = LogIn::new("ann@example.org", PASSWORD).client(bad());
    assert!(service.accounts.log_in(own).await.is_ok());
    assert_eq!(
        try_it(&service, "x@example.org", OTHER, bad()).await.0,
        AccountErrorKind::Credentials
    );
    assert_eq!(
        try_it(&service, "x@example.org", OTHER, bad()).await,
        (AccountErrorKind::Throttled, 2)
    );
}

#[tokio::test]
async fn r59_an_ipv6_network_is_one_client() {
    let service = throttled(Throttle::new().client(0));
    let at = |text: &str| Client::new(text.parse().ok(), None);
    try_it(&service, "a@example.org", OTHER, at("2001:db8::1")).await;
    let same = try_it(&service, "b@example.org", OTHER, at("2001:db8::ffff:2")).await;
    assert_eq!(same.0, AccountErrorKind::Throttled);
    let other = try_it(&service, "b@example.org", OTHER, at("2001:db8:0:1::1")).await;
    assert_eq!(other.0, AccountErrorKind::Credentials);
}

#[tokio::test(flavor = "multi_thread")]
async fn r59_attempts_at_once_are_counted_before_they_are_decided() {
    let service = throttled(Throttle::new().account(3));
    service.register("ann@example.org").await;
    let before = service.accounts.password_stats().hashed;
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let accounts = service.accounts.clone();
            tokio::spawn(async move {
                let attempt = LogIn::new("ann@example.org", OTHER);
                accounts.log_in(attempt).await.unwrap_err().kind()
            })
        })
        .collect();
    let mut heard = 0;
    for task in tasks {
        heard += u64::from(task.await.unwrap() == AccountErrorKind::Credentials);
    }
    assert_eq!(heard, 4, "three that are free, and the one that begins the wait");
    assert_eq!(service.accounts.password_stats().hashed - before, 4);
}

#[tokio::test]
async fn r59_a_reset_is_the_owners_way_out() {
    let service = throttled(Throttle::new().account(1));
    service.register("ann@example.org").await;
    for _ in 0..2 {
        try_it(&service, "ann@example.org", OTHER, Client::default()).await;
    }
    let (kind, _) = try_it(&service, "ann@example.org", PASSWORD, Client::default()).await;
    assert_eq!(kind, AccountErrorKind::Throttled);
    service.accounts.forgot("ann@example.org", &Client::default()).await.unwrap();
    let token = service.told.token(2).await;
    service.accounts.reset(&token, &OTHER.into()).await.unwrap();
    assert!(service.log_in("ann@example.org", OTHER).await.is_ok());
}

#[tokio::test]
async fn r59_tokens_are_throttled_too_for_everybody_alike() {
    let service = throttled(Throttle::new().account(2));
    service.register("ann@example.org").await;
    for email in ["ann@example.org", "nobody@example.org"] {
        let mut kinds = Vec::new();
        for _ in 0..5 {
            let asked = service.accounts.forgot(email, &Client::default()).await;
            kinds.push(asked.err().map(|error| error.kind()));
        }
        let throttled = Some(AccountErrorKind::Throttled);
        assert_eq!(kinds, [None, None, None, throttled, throttled], "{email}");
    }
}

#[tokio::test]
async fn r59_a_network_where_somebody_mistypes_now_and_then_is_not_slowed_down() {
    let throttle = Throttle::new();
    let service = throttled(throttle.clone());
    let network = || from([192, 0, 2, 1]);
    for number in 0..3 {
        service.register(&format!("user{number}@example.org")).await;
    }
    let log_in = async |name: &str, password: &str| {
        let attempt = LogIn::new(name, password).client(network());
        service.accounts.log_in(attempt).await.map(drop).map_err(|error| error.kind())
    };
    for hour in 0..40 {
        for _ in 0..50 {
            // What a log-in counts, without fifty hashes an hour.
            let now = service.clock.timestamp();
            throttle.attempt("user1", &network(), now).unwrap().succeeded();
            service.clock.advance(Duration::from_secs(60));
        }
        let typo = log_in("user0@example.org", OTHER).await;
        assert_eq!(typo, Err(AccountErrorKind::Credentials), "in hour {hour}");
        assert_eq!(log_in("user0@example.org", PASSWORD).await, Ok(()), "in hour {hour}");
        service.clock.advance(Duration::from_secs(600));
    }
    assert_eq!(log_in("user0@example.org", OTHER).await, Err(AccountErrorKind::Credentials));
    assert_eq!(log_in("user2@example.org", PASSWORD).await, Ok(()), "a colleague");
}
