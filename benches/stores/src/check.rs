//! Proof that every contender does what a scenario says.

use http::HeaderValue;
use sessile_benches::data::{Member, seen};
use tower::ServiceExt as _;

use crate::contender::{Contender, Response, header, issued, request};
use crate::scenario::Scenario;

/// Goes through all scenarios. Nobody else may send requests meanwhile.
///
/// # Panics
/// If one does not do what it says.
pub async fn check(contender: &Contender) {
    let name = contender.name;
    let expected = Member::sample().user_id;
    let cookie = contender.log_in().await;

    for scenario in [Scenario::A, Scenario::B, Scenario::G] {
        let mut supply = contender.supply(scenario, 1).await;
        let request = supply.next_request().expect("one request");
        let Ok(response) = contender.service(scenario).oneshot(request).await;
        assert!(response.status().is_success(), "{name}: {scenario} is served");
        let found = if scenario == Scenario::G { seen() } else { 0 };
        assert_eq!(found, 0, "{name}: G does not get the value");
    }

    for step in 1..=3 {
        send(contender, Scenario::D, &cookie).await;
        assert_eq!(seen(), expected + step, "{name}: D counts");
    }
    send(contender, Scenario::C, &cookie).await;
    assert_eq!(seen(), expected + 3, "{name}: D is kept and C reads it");

    let response = send(contender, Scenario::E2, &cookie).await;
    let newer = header(&issued(&response).unwrap_or_else(|| panic!("{name}: E2 sets a cookie")));
    send(contender, Scenario::C, &newer).await;
    assert_eq!(seen(), expected, "{name}: E2 creates a session");
    send(contender, Scenario::C, &cookie).await;
    assert_eq!(seen(), 0, "{name}: E2 ends the old session");

    send(contender, Scenario::F, &newer).await;
    send(contender, Scenario::C, &newer).await;
    assert_eq!(seen(), 0, "{name}: F ends the session");
}

async fn send(contender: &Contender, scenario: Scenario, cookie: &HeaderValue) -> Response {
    let request = request(Some(cookie.clone()));
    let Ok(response) = contender.service(scenario).oneshot(request).await;
    assert!(response.status().is_success(), "{}: {scenario} is served", contender.name);
    response
}
