//! Hooks: what is told, and that it is told once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sessile::accounts::{
    AccountEvent, AccountHooks, Described, Entry, Grant, HookFuture, Registration, UserChange,
};
use tokio::sync::Notify;

use super::{OTHER, PASSWORD, Service, nobody, stores};

#[tokio::test(flavor = "multi_thread")]
async fn f12_each_event_is_told_once() {
    for (name, store) in stores().await {
        let service = Service::new(store);
        let accounts = &service.accounts;
        let mut expected = Vec::new();
        // One after the other, so that their order is known.
        let mut expect = async |event: &str| {
            expected.push(event.to_owned());
            let told = service.told.names(expected.len()).await;
            assert_eq!(told, expected, "{name}");
        };
        let ann = service.register("ann@example.org").await;
        expect("Registered").await;
        service.log_in("ann@example.org", PASSWORD).await.unwrap();
        expect("LoggedIn").await;
        accounts.update(ann.id, UserChange::new().username(None)).await.unwrap();
        expect("Updated").await;
        accounts.request_verify("ann@example.org", &nobody()).await.unwrap();
        expect("VerifyRequested").await;
        accounts.verify(&service.told.token(0).await).await.unwrap();
        expect("Verified").await;
        accounts.forgot("ann@example.org", &nobody()).await.unwrap();
        expect("ForgotPassword").await;
        accounts.reset(&service.told.token(0).await, &OTHER.into()).await.unwrap();
        expect("PasswordReset").await;
        accounts.set_password(ann.id, &PASSWORD.into()).await.unwrap();
        expect("PasswordChanged").await;

        let (role, permission) = ("admin".parse().unwrap(), "user:delete".parse().unwrap());
        let (role, permission) = (Entry::Role(role), Entry::Permission(permission));
        accounts.put(Described::new(role.clone(), "")).await.unwrap();
        expect("Created").await;
        accounts.put(Described::new(permission.clone(), "")).await.unwrap();
        expect("Created").await;
        accounts.put(Described::new(role.clone(), "words")).await.unwrap();
        expect("Described").await;
        let grant = Grant::RoleOfUser(ann.id, "admin".parse().unwrap());
        accounts.grant(grant.clone()).await.unwrap();
        expect("Granted").await;
        accounts.grant(grant.clone()).await.unwrap(); // nothing new
        accounts.withdraw(grant.clone()).await.unwrap();
        expect("Withdrawn").await;
        accounts.withdraw(grant).await.unwrap(); // nothing to take
        accounts.remove(role).await.unwrap();
        expect("Removed").await;
        accounts.remove(permission).await.unwrap();
        expect("Removed").await;
        expected_after_delete(&service, ann.id, expected, name).await;
    }
}

async fn expected_after_delete(
    service: &Service,
    id: sessile::accounts::UserId,
    mut expected: Vec<String>,
    name: &str,
) {
    // What fails is told to nobody.
    assert!(service.log_in("ann@example.org", OTHER).await.is_err());
    assert!(service.accounts.verify("no token").await.is_err());
    assert!(service.accounts.register(Registration::new("x", PASSWORD)).await.is_err());
    service.accounts.delete(id).await.unwrap();
    assert!(service.accounts.delete(id).await.is_err());
    expected.extend(["Deleting".to_owned(), "Deleted".to_owned()]);
    let told = service.told.names(expected.len()).await;
    assert_eq!(told, expected, "{name}");
    let shown = format!("{:?}", service.told.all());
    for secret in ["ann@", "argon2", "horse"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[tokio::test]
async fn b28_no_answer_waits_for_an_e_mail() {
    struct Stuck;
    impl AccountHooks for Stuck {
        fn on(&self, event: AccountEvent) -> HookFuture {
            Box::pin(async move {
                assert!(!matches!(event, AccountEvent::Registered { .. }), "a hook that panics");
                std::future::pending::<()>().await;
            })
        }
    }
    let service = Service::in_memory();
    let accounts = service.accounts.hooks(Stuck);
    accounts.register(Registration::new("ann@example.org", PASSWORD)).await.unwrap();
    accounts.forgot("ann@example.org", &nobody()).await.unwrap();
    accounts.forgot("nobody@example.org", &nobody()).await.unwrap();
}

#[tokio::test]
async fn f12_who_is_to_be_deleted_is_still_there_while_that_is_told() {
    struct Waits(Arc<Notify>, Arc<AtomicBool>);
    impl AccountHooks for Waits {
        fn on(&self, event: AccountEvent) -> HookFuture {
            let (notify, done) = (Arc::clone(&self.0), Arc::clone(&self.1));
            Box::pin(async move {
                if let AccountEvent::Deleting { .. } = event {
                    notify.notified().await;
                    done.store(true, Ordering::SeqCst);
                }
            })
        }
    }
    let service = Service::in_memory();
    let ann = service.register("ann@example.org").await;
    let (notify, done) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let accounts = service.accounts.hooks(Waits(notify.clone(), done.clone()));
    let deleting = accounts.clone();
    let task = tokio::spawn(async move { deleting.delete(ann.id).await });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(accounts.user(ann.id).await.is_ok() && !done.load(Ordering::SeqCst));
    notify.notify_one();
    task.await.unwrap().unwrap();
    assert!(done.load(Ordering::SeqCst) && accounts.user(ann.id).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn f12_a_changed_address_is_told_with_the_old_one_so_that_its_owner_hears_of_it() {
    for (name, store) in stores().await {
        let service = Service::new(store);
        let ann = service.register("ann@example.org").await;
        service.told.names(1).await;
        let changes = [("ANN@example.org", None), ("ann@example.net", Some("ANN@example.org"))];
        for (number, (to, expected)) in (2..).zip(changes) {
            let change = UserChange::new().email(to.parse().unwrap());
            service.accounts.update(ann.id, change).await.unwrap();
            service.told.names(number).await;
            let told = service.told.all().pop();
            let Some(AccountEvent::Updated { user, old_email, .. }) = told else {
                panic!("{name}: {told:?}");
            };
            assert_eq!(user.email.as_str(), to, "{name}");
            assert_eq!(old_email.as_ref().map(|email| email.as_str()), expected, "{name}");
        }
    }
}
