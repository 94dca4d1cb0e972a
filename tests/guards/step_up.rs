//! A fresh or better log-in, where a session is not enough.

use std::time::Duration;

use http::header::{CONTENT_TYPE, SET_COOKIE, WWW_AUTHENTICATE};
use http::{HeaderValue, Request, StatusCode};
use sessile::guard::{Guard, RequireLayer, assurance, fresh, has_role};
use sessile::testkit::SimulatedClock;
use sessile::verify::{Verdict, Visit};
use sessile::{Assurance, NewSession, Refusal, Refusals, SessionRequest};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

use crate::{Holder, MINUTE, User, answer, users};

#[tokio::test]
async fn r35_p6_a_session_older_than_the_limit_must_step_up_which_is_no_log_in() {
    let clock = SimulatedClock::new();
    let layer = users().clock(clock.clone());
    let holder = Holder::of(layer, User::of(&[], &[])).await;
    let rule = || fresh(5 * MINUTE);
    assert_eq!(holder.ask(rule()).await, 200);
    clock.advance(5 * MINUTE);
    assert_eq!(holder.ask(rule()).await, 200, "to the last millisecond");
    clock.advance(Duration::from_millis(1));
    assert_eq!(holder.ask(rule()).await, 401, "however much it was used");

    let service = ServiceBuilder::new()
        .layer(holder.layer.clone())
        .layer(RequireLayer::<User>::new(rule().and(assurance(Assurance::Aal2))))
        .service(service_fn(|_: Request<()>| async { answer("inside") }));
    let step_up = service.clone().oneshot(holder.request("/")).await.unwrap();
    assert_eq!(step_up.extensions().get(), Some(&Refusal::StepUp));
    let challenge = step_up.headers()[WWW_AUTHENTICATE].to_str().unwrap();
    assert!(challenge.contains("insufficient_user_authentication"), "{challenge}");
    assert!(challenge.contains(r#"max_age="300", acr_values="aal2""#), "both at once: {challenge}");
    assert!(!step_up.headers().contains_key(SET_COOKIE), "the session stays");

    let log_in = service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(log_in.extensions().get(), Some(&Refusal::NoTicket));
    assert_eq!(log_in.headers()[WWW_AUTHENTICATE], "Session");
}

#[tokio::test]
async fn r35_an_assurance_is_that_of_the_log_in_and_none_where_nothing_is_known() {
    use Assurance::{Aal1, Aal2, Aal3};
    for (known, expected) in [
        (None, [401, 401, 401]),
        (Some(Aal1), [200, 401, 401]),
        (Some(Aal2), [200, 200, 401]),
        (Some(Aal3), [200, 200, 200]),
    ] {
        let mut new = NewSession::with(User::default());
        if let Some(level) = known {
            new = new.assurance(level);
        }
        let holder = Holder::of(users(), new).await;
        for (level, status) in [Aal1, Aal2, Aal3].into_iter().zip(expected) {
            assert_eq!(holder.ask(assurance(level)).await, status, "{known:?} before {level}");
        }
    }
}

#[tokio::test]
async fn r35_a_doubt_of_a_verifier_wants_a_fresh_log_in_for_what_is_delicate_only() {
    let doubting = users().verifier(|_: &Visit<'_, User>| Verdict::StepUp("new device"));
    let new = NewSession::with(User::of(&["admin"], &[])).assurance(Assurance::Aal3);
    let holder = Holder::of(doubting, new).await;
    assert_eq!(holder.ask(has_role("admin")).await, 200);
    assert_eq!(holder.ask(fresh(MINUTE)).await, 401);
    assert_eq!(holder.ask(assurance(Assurance::Aal1)).await, 401);
}

#[tokio::test]
async fn r35_in_grpc_a_step_up_carries_its_challenge() {
    let layer = users().refusals(Refusals::problem().with(
        Refusal::StepUp,
        StatusCode::UNAUTHORIZED,
        "confirm that it is you",
    ));
    let holder = Holder::of(layer, User::default()).await;
    let rule = assurance(Assurance::Aal2);
    let before =
        ServiceBuilder::new().layer(holder.layer.clone()).layer(RequireLayer::<User>::new(rule));
    let before = before.service(service_fn(|_: Request<()>| async { answer("") }));
    let mut request = holder.request("/");
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    let refused = before.oneshot(request).await.unwrap();
    let challenge = refused.headers()[WWW_AUTHENTICATE].clone();
    assert_eq!(refused.headers()["grpc-message"], "confirm that it is you");
    assert!(challenge.to_str().unwrap().ends_with(r#"acr_values="aal2""#), "{challenge:?}");

    let within = holder.layer.layer(service_fn(move |request: Request<()>| {
        let challenge = challenge.clone();
        async move {
            let mut inner = tonic::Request::new(());
            *inner.extensions_mut() = request.extensions().clone();
            let status = inner.permitted::<User>(&rule).await.unwrap_err();
            assert_eq!(status.message(), "confirm that it is you");
            let told = status.metadata().get("www-authenticate").unwrap();
            assert_eq!(told.as_bytes(), challenge.as_bytes());
            answer("")
        }
    }));
    within.oneshot(holder.request("/")).await.unwrap();
}
