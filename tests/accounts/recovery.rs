//! Verification and forgotten passwords, on every store.

use std::time::Duration;

use sessile::accounts::AccountErrorKind;

use super::{OTHER, PASSWORD, Service, kind, nobody, stores};

const WRONG: Option<AccountErrorKind> = Some(AccountErrorKind::Token);

#[tokio::test(flavor = "multi_thread")]
async fn f10_an_address_is_verified_by_the_token_that_went_there_once() {
    for (name, store) in stores().await {
        let service = Service::new(store);
        let ann = service.register("ann@example.org").await;
        service.accounts.request_verify("ANN@example.org", &nobody()).await.unwrap();
        let token = service.told.token(2).await;
        assert!(service.accounts.verify(&token).await.unwrap().is_verified, "{name}");
        assert!(service.accounts.user(ann.id).await.unwrap().is_verified, "{name}");
        assert_eq!(kind(service.accounts.verify(&token).await), WRONG, "{name}: twice");
        // Whoever is verified is asked for nothing.
        service.accounts.request_verify("ann@example.org", &nobody()).await.unwrap();
        service.accounts.forgot("ann@example.org", &nobody()).await.unwrap();
        let told = service.told.names(4).await;
        assert!(told.iter().filter(|name| *name == "VerifyRequested").count() == 1, "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f10_b24_a_forgotten_password_is_reset_once_and_the_old_one_is_dead() {
    for (name, store) in stores().await {
        let service = Service::new(store);
        service.register("ann@example.org").await;
        service.accounts.forgot("ann@example.org", &nobody()).await.unwrap();
        let token = service.told.token(2).await;
        let weak = service.accounts.reset(&token, &"short".into()).await;
        assert_eq!(kind(weak), Some(AccountErrorKind::PasswordTooShort), "{name}");
        service.accounts.reset(&token, &OTHER.into()).await.unwrap();
        assert!(service.log_in("ann@example.org", PASSWORD).await.is_err(), "{name}");
        assert!(service.log_in("ann@example.org", OTHER).await.is_ok(), "{name}");
        let again = service.accounts.reset(&token, &PASSWORD.into()).await;
        let status = again.as_ref().map(|_| 200).unwrap_or_else(|error| error.status().as_u16());
        assert_eq!((kind(again), status), (WRONG, 400), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f10_what_is_no_token_or_for_something_else_or_late_is_refused() {
    for (name, store) in stores().await {
        let service = Service::new(store);
        service.register("ann@example.org").await;
        service.accounts.request_verify("ann@example.org", &nobody()).await.unwrap();
        let verify = service.told.token(2).await;
        service.accounts.forgot("ann@example.org", &nobody()).await.unwrap();
        let reset = service.told.token(3).await;
        assert_eq!(kind(service.accounts.verify(&reset).await), WRONG, "{name}: crosswise");
        let crossed = service.accounts.reset(&verify, &OTHER.into()).await;
        assert_eq!(kind(crossed), WRONG, "{name}: crosswise");

        let flipped = |token: &str| {
            let first = if token.starts_with('A') { "B" } else { "A" };
            first.chars().chain(token.chars().skip(1)).collect::<String>()
        };
        let junk = [
            String::new(),
            "x".repeat(43),
            "A".repeat(43),
            "A".repeat(1 << 20),
            "\u{ff41}".repeat(43),
            format!("{reset}="),
            format!(" {reset}"),
            format!("{reset}{reset}"),
            reset.to_lowercase(),
            flipped(&reset),
            "eyJhbGciOiJub25lIn0.e30.".to_owned(),
        ];
        let before = service.accounts.password_stats().hashed;
        for token in &junk {
            let refused = service.accounts.reset(token, &OTHER.into()).await;
            assert_eq!(kind(refused), WRONG, "{name}: {token:.50}");
            assert_eq!(kind(service.accounts.verify(token).await), WRONG, "{name}");
        }
        assert_eq!(service.accounts.password_stats().hashed, before, "{name}: junk is no work");
        service.clock.advance(Duration::from_secs(30 * 60));
        let late = service.accounts.reset(&reset, &OTHER.into()).await;
        assert_eq!(kind(late), WRONG, "{name}: late");
        assert!(service.log_in("ann@example.org", PASSWORD).await.is_ok(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c12_all_tokens_for_a_reset_die_with_any_change_of_the_password() {
    for (name, store) in stores().await {
        let service = Service::new(store);
        let ann = service.register("ann@example.org").await;
        let mut tokens = Vec::new();
        for count in 0..3 {
            service.accounts.forgot("ann@example.org", &nobody()).await.unwrap();
            tokens.push(service.told.token(2 + count).await);
        }
        service.accounts.reset(&tokens[1], &OTHER.into()).await.unwrap();
        for token in &tokens {
            let refused = service.accounts.reset(token, &PASSWORD.into()).await;
            assert_eq!(kind(refused), WRONG, "{name}");
        }
        service.accounts.forgot("ann@example.org", &nobody()).await.unwrap();
        let token = service.told.token(6).await;
        service.accounts.set_password(ann.id, &PASSWORD.into()).await.unwrap();
        assert_eq!(kind(service.accounts.reset(&token, &OTHER.into()).await), WRONG, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b28_asking_for_a_token_answers_the_same_for_everybody() {
    for (name, store) in stores().await {
        let service = Service::new(store);
        service.register("ann@example.org").await;
        for email in ["ann@example.org", "nobody@example.org"] {
            assert_eq!(service.accounts.forgot(email, &nobody()).await.ok(), Some(()), "{name}");
            let verify = service.accounts.request_verify(email, &nobody()).await;
            assert_eq!(verify.ok(), Some(()), "{name}");
        }
        let told = service.told.names(3).await;
        assert_eq!(told.len(), 3, "{name}: nobody else is written to: {told:?}");
        let malformed = service.accounts.forgot("ann", &nobody()).await;
        assert_eq!(kind(malformed), Some(AccountErrorKind::Email), "{name}");
    }
}
