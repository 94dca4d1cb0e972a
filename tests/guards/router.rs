//! Guards around whole routers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::routing::any;
use http::Request;
use http::header::WWW_AUTHENTICATE;
use sessile::RequireSession;
use sessile::guard::{Guard, RequireLayer, has_role, is_active};
use sessile::transport::Bearer;
use sessile::verify::{Verdict, Visit};
use tower::{ServiceBuilder, ServiceExt, service_fn};

use crate::{Holder, User, answer, send, users};

#[tokio::test]
async fn a_router_refuses_everything_but_the_routes_that_are_named_open() {
    let guard =
        RequireSession::<User>::new().open("GET /login").open("/health").open("GET /assets/*");
    assert_eq!(guard.open_routes().collect::<Vec<_>>(), ["GET /login", "/health", "GET /assets/*"]);
    let ruled = RequireLayer::<User>::new(is_active())
        .open("GET /login")
        .open("/health")
        .open("GET /assets/*");
    assert_eq!(ruled.open_routes().count(), 3);
    let routes = || {
        Router::new()
            .route("/login", any(|| async { "login" }))
            .route("/assets/{*file}", any(|| async { "asset" }))
            .fallback(any(|| async { "anything" }))
    };
    for (kind, layer) in [("eager", users()), ("lazy", users().lazy())] {
        for app in [
            routes().layer(guard.clone()).layer(layer.clone()),
            routes().layer(ruled.clone()).layer(layer.clone()),
        ] {
            for (method, path, status) in [
                ("GET", "/login", 200),
                ("POST", "/health", 200),
                ("GET", "/assets/app.css", 200),
                ("POST", "/login", 401),
                ("GET", "/", 401),
                ("GET", "/login/", 401),
                ("GET", "/LOGIN", 401),
                ("GET", "//login", 401),
                ("GET", "/unheard/of", 401),
                ("GET", "/assets/../users", 401),
                ("GET", "/assets/%2e%2e/users", 401),
                ("GET", "/assets/..%2fusers", 401),
                ("OPTIONS", "/users", 401),
            ] {
                let response = send(&app, Request::builder().method(method).uri(path)).await;
                assert_eq!(response.status(), status, "{kind}: {method} {path}");
            }
        }
    }
}

#[test]
#[should_panic(expected = "is no route: write")]
fn what_is_no_route_cannot_be_opened() {
    drop(RequireSession::<User>::new().open("login"));
}

#[tokio::test]
async fn a_lazy_session_is_loaded_for_a_guarded_route_and_for_no_other() {
    let loads = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&loads);
    let layer = users().lazy().verifier(move |_: &Visit<'_, User>| {
        count.fetch_add(1, Ordering::Relaxed);
        Verdict::Pass
    });
    let holder = Holder::of(layer, User::of(&["user"], &[])).await;
    let guard = RequireLayer::<User>::new(has_role("user").and(is_active())).open("GET /open");
    let app = Router::new()
        .fallback(any(|| async {}))
        .layer(guard.clone())
        .layer(guard)
        .layer(holder.layer.clone());
    for (path, expected) in [("/open", 0), ("/closed", 1)] {
        let request = holder.request(path).map(|()| Body::empty());
        assert_eq!(app.clone().oneshot(request).await.unwrap().status(), 200);
        assert_eq!(
            loads.load(Ordering::Relaxed),
            expected,
            "{path}: once, however many guards ask"
        );
    }
}

#[tokio::test]
async fn a_bearer_tickets_challenge_is_a_bearers() {
    let layer = users().transport(Bearer::new());
    let service = ServiceBuilder::new()
        .layer(layer)
        .layer(RequireLayer::<User>::new(is_active()))
        .service(service_fn(|_: Request<()>| async { answer("inside") }));
    let refused = service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(refused.headers()[WWW_AUTHENTICATE], "Bearer");
}
