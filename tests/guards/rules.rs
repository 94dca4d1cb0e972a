//! Roles, permissions, standing, and what they combine to.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{any, get};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use sessile::guard::{
    Attempt, Guard, Policy, Principal, RequireLayer, all_permissions, any_permission, assurance,
    fresh, has_any_role, has_permission, has_role, is_active, is_verified, try_all_permissions,
    try_any_permission, try_has_any_role,
};
use sessile::{Assurance, NewSession, Refusal, Refusals};
use tower::ServiceExt;

use crate::{Holder, User, text, users};

#[tokio::test]
async fn f7_roles_and_permissions_pass_those_who_have_them_in_every_kind_of_application() {
    for (kind, layer) in [("eager", users()), ("lazy", users().lazy())] {
        let editor = Holder::of(layer.clone(), User::of(&["editor"], &["post:write"])).await;
        let both = || all_permissions(["post:write", "post:delete"]);
        assert_eq!(editor.ask(has_role("editor")).await, 200, "{kind}");
        assert_eq!(editor.ask(has_role("admin")).await, 403, "{kind}");
        assert_eq!(editor.ask(has_role("Editor")).await, 403, "{kind}: names are exact");
        assert_eq!(editor.ask(has_any_role(["admin", "editor"])).await, 200, "{kind}");
        assert_eq!(editor.ask(has_any_role(["admin", "root"])).await, 403, "{kind}");
        assert_eq!(editor.ask(has_permission("post:write")).await, 200, "{kind}");
        assert_eq!(editor.ask(has_permission("post")).await, 403, "{kind}");
        assert_eq!(editor.ask(any_permission(["post:delete", "post:write"])).await, 200, "{kind}");
        assert_eq!(editor.ask(any_permission(["post:delete", "post:read"])).await, 403, "{kind}");
        assert_eq!(editor.ask(both()).await, 403, "{kind}");
        let owner = User::of(&[], &["post:delete", "post:write", "post:read"]);
        assert_eq!(Holder::of(layer, owner).await.ask(both()).await, 200, "{kind}");
    }
}

#[tokio::test]
async fn f7_a_policy_adds_what_roles_bring() {
    let policy = Policy::new()
        .role("support", ["user:read"])
        .role("admin", ["user:read", "user:delete"])
        .permission("report:export");
    let cases: [(&str, User, [u16; 4]); 5] = [
        ("support", User::of(&["support"], &[]), [200, 403, 403, 403]),
        ("admin", User::of(&["admin"], &[]), [200, 200, 403, 200]),
        ("by themselves", User::of(&[], &["user:delete"]), [403, 200, 403, 403]),
        ("a role and a permission", User::of(&["support"], &["user:delete"]), [200, 200, 403, 200]),
        ("of no role", User::of(&["guest"], &["report:export"]), [403, 403, 200, 403]),
    ];
    for (name, user, expected) in cases {
        let holder = Holder::of(users(), user).await;
        let guards = [
            policy.has_permission("user:read"),
            policy.has_permission("user:delete"),
            policy.any_permission(["report:export"]),
            policy.all_permissions(["user:read", "user:delete"]),
        ];
        for (guard, status) in guards.into_iter().zip(expected) {
            assert_eq!(holder.ask(guard.clone()).await, status, "{name}: {guard:?}");
        }
    }
    let admin = Holder::of(users(), User::of(&["admin"], &[])).await;
    assert_eq!(admin.ask(policy.has_any_role(["support", "admin"])).await, 200);
    assert_eq!(admin.ask(policy.has_role("support")).await, 403);
}

#[tokio::test]
async fn nobody_may_anything_unless_the_data_say_so() {
    #[derive(Clone, Serialize, Deserialize)]
    struct Silent;
    impl Principal for Silent {}
    assert!(!Silent.has_role("admin") && !Silent.has_permission("a:b"));
    assert!(!Silent.is_active() && !Silent.is_verified());
}

#[tokio::test]
async fn guards_combine_and_answer_what_would_help() {
    let holder = Holder::of(users(), User::of(&["editor"], &[])).await;
    let is = |role: &'static str| has_role(role);
    let aal2 = || assurance(Assurance::Aal2);
    assert_eq!(holder.ask(is("editor").and(is_active())).await, 200);
    assert_eq!(holder.ask(is("editor").and(is("admin"))).await, 403);
    assert_eq!(holder.ask(is("admin").or(is("editor"))).await, 200);
    assert_eq!(holder.ask(is("admin").or(is("root"))).await, 403);
    assert_eq!(holder.ask(is("admin").not()).await, 200);
    assert_eq!(holder.ask(is("editor").not()).await, 403);
    // r35: a fresh log-in would help with one of two, and does not with both.
    assert_eq!(holder.ask(is("admin").or(aal2())).await, 401);
    assert_eq!(holder.ask(aal2().or(is("admin"))).await, 401);
    assert_eq!(holder.ask(aal2().or(is("editor"))).await, 200);
    assert_eq!(holder.ask(is("admin").and(aal2())).await, 403);
    assert_eq!(holder.ask(aal2().and(is("admin"))).await, 403);
    assert_eq!(holder.ask(aal2().and(is("editor"))).await, 401);
    assert_eq!(holder.ask(aal2().not()).await, 403, "what a log-in would open is not forbidden");
    let editor = |attempt: &Attempt<'_, User>| attempt.data().has_role("editor");
    assert_eq!(holder.ask(editor.and(is("admin").not())).await, 200);
}

#[tokio::test]
async fn f7_active_and_verified_and_a_role_or_a_permission_in_the_seeds_words() {
    let policy = Policy::new().role("moderator", ["user:delete"]).role("admin", [""; 0]);
    let known = RequireLayer::<User>::new(is_active().and(is_verified())).refusals(
        Refusals::detail().with(Refusal::Forbidden, StatusCode::NOT_FOUND, "User not found"),
    );
    let allowed =
        policy.has_role("admin").or(policy.any_permission(["user:delete", "user:delete"]));
    let allowed = RequireLayer::<User>::new(allowed).refusals(Refusals::fastauth());
    let denied = (403, r#"{"detail":"Access denied"}"#);
    let unknown = (404, r#"{"detail":"User not found"}"#);
    let inactive = User { active: false, ..User::of(&["admin"], &[]) };
    let unverified = User { verified: false, ..User::of(&["admin"], &[]) };
    for (name, user, expected) in [
        ("the role", User::of(&["admin"], &[]), (200, "deleted")),
        ("a permission of a role", User::of(&["moderator"], &[]), (200, "deleted")),
        ("a permission", User::of(&["user"], &["user:delete"]), (200, "deleted")),
        ("neither", User::of(&["user"], &["user:read"]), denied),
        ("not active", inactive, unknown),
        ("not verified", unverified, unknown),
    ] {
        let holder = Holder::of(users(), user).await;
        let app = Router::new()
            .route("/", get(|| async { "deleted" }))
            .layer(allowed.clone())
            .layer(known.clone())
            .layer(holder.layer.clone());
        let response = app.oneshot(holder.request("/").map(|()| Body::empty())).await.unwrap();
        assert_eq!((response.status().as_u16(), &*text(response).await), expected, "{name}");
    }
}

#[tokio::test]
async fn p4_everybody_sees_their_own_profile_only() {
    let own = RequireLayer::new(|attempt: &Attempt<'_, User>| {
        let owner = attempt.uri().path().strip_prefix("/users/");
        owner.is_some() && owner == attempt.meta().subject.as_deref()
    });
    let layer = users();
    let named = NewSession::with(User::default()).subject("ann");
    let ann = Holder::of(layer.clone(), named).await;
    let nobody = Holder::of(layer, User::default()).await;
    let app =
        Router::new().fallback(any(|| async { "profile" })).layer(own).layer(ann.layer.clone());
    for (holder, path, status) in [
        (&ann, "/users/ann", 200),
        (&ann, "/users/bob", 403),
        (&ann, "/users/ann/", 403),
        (&ann, "/users/%61nn", 403),
        (&ann, "/users/", 403),
        (&ann, "/", 403),
        (&nobody, "/users/", 403),
        (&nobody, "/", 403),
    ] {
        let request = holder.request(path).map(|()| Body::empty());
        assert_eq!(app.clone().oneshot(request).await.unwrap().status(), status, "{path}");
    }
}

#[test]
fn what_a_policy_does_not_know_and_lists_of_nothing_do_not_build() {
    let policy = Policy::new().role("admin", ["user:delete"]).permission("report:export");
    let none: [&str; 0] = [];
    for (name, error, remedy) in [
        ("role", policy.try_has_role("amdin").unwrap_err(), r#"knows "admin""#),
        ("one of several", policy.try_has_any_role(["admin", "x"]).unwrap_err(), "Policy::role"),
        ("permission", policy.try_has_permission("user:remove").unwrap_err(), "\"user:delete\""),
        ("all", policy.try_all_permissions(["a:b"]).unwrap_err(), "Policy::permission"),
        ("no role", policy.try_has_any_role(none).unwrap_err(), "name the roles"),
        ("any of none", policy.try_any_permission(none).unwrap_err(), "name the permissions"),
        ("all of none", policy.try_all_permissions(none).unwrap_err(), "everybody has all"),
        ("roles", try_has_any_role(none).unwrap_err(), "name the roles"),
        ("permissions", try_any_permission(none).unwrap_err(), "name the permissions"),
        ("all permissions", try_all_permissions(none).unwrap_err(), "name the permissions"),
        ("an empty policy", Policy::new().try_has_role("admin").unwrap_err(), "none at all"),
        ("a malformed one", Policy::new().try_role("a", ["*:*"]).unwrap_err(), "user:delete"),
        ("twice", policy.clone().try_role("admin", ["a:b"]).unwrap_err(), "at once"),
        ("nameless", policy.try_role("", ["a:b"]).unwrap_err(), "give it one"),
    ] {
        assert!(error.to_string().contains(remedy), "{name}: {error}");
    }
}

#[test]
#[should_panic(expected = "is no role of this policy")]
fn an_unknown_role_panics_when_the_guard_is_made() {
    drop(Policy::new().role("admin", ["user:delete"]).has_role("root"));
}

#[test]
#[should_panic(expected = "everybody has all of no permissions")]
fn an_empty_list_of_permissions_panics_when_the_guard_is_made() {
    drop(all_permissions([""; 0]));
}

#[test]
#[should_panic(expected = "give `fresh` some minutes")]
fn a_log_in_of_no_age_panics_when_the_guard_is_made() {
    let _never = fresh(Duration::ZERO);
}
