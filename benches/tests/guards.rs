//! Guards allocate nothing: a request that reads its session costs the same with them and without.

use std::convert::Infallible;
use std::time::Duration;

use http::header::{COOKIE, HeaderValue, SET_COOKIE};
use http::{Request, Response};
use serde::{Deserialize, Serialize};
use sessile::guard::{
    Attempt, Guard, Policy, Principal, RequireLayer, assurance, fresh, is_active, is_verified,
};
use sessile::store::MemoryStore;
use sessile::{Assurance, Key, NewSession, RequireSession, Session, SessionLayer};
use sessile_benches::counting::{Counting, allocations};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[derive(Clone, Serialize, Deserialize)]
struct User {
    roles: Vec<String>,
}

impl Principal for User {
    fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|own| own == role)
    }

    fn is_active(&self) -> bool {
        true
    }

    fn is_verified(&self) -> bool {
        true
    }
}

#[test]
fn a_guarded_request_allocates_no_more_than_one_that_reads_its_session() {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(compare());
}

async fn compare() {
    let sessions = SessionLayer::<User>::new(MemoryStore::new(), Key::generate());
    let log_in = sessions.layer(service_fn(|request: Request<()>| async move {
        let user = User { roles: vec!["support".into()] };
        let new = NewSession::with(user).subject("ann").assurance(Assurance::Aal2);
        Session::<User>::of(&request).unwrap().create(new).unwrap();
        Ok::<_, Infallible>(Response::new(()))
    }));
    let cookie = log_in.oneshot(Request::new(())).await.unwrap().headers()[SET_COOKIE].clone();

    let policy = Policy::new().role("support", ["user:read"]).role("admin", ["user:delete"]);
    let rules = is_active()
        .and(is_verified())
        .and(policy.has_role("admin").or(policy.any_permission(["user:delete", "user:read"])))
        .and(policy.has_role("admin").not())
        .and(fresh(Duration::from_secs(300)).and(assurance(Assurance::Aal2)))
        .and(|attempt: &Attempt<'_, User>| attempt.meta().subject.as_deref() == Some("ann"));
    // Whoever looks at the session has the response say so to caches, and that allocates.
    let inside = service_fn(|request: Request<()>| async move {
        assert!(Session::<User>::of(&request).unwrap().get().is_some());
        Ok::<_, Infallible>(Response::new(()))
    });
    let bare = sessions.layer(inside);
    let guarded = ServiceBuilder::new()
        .layer(sessions)
        .layer(RequireSession::<User>::new().open("GET /login"))
        .layer(RequireLayer::<User>::new(rules))
        .service(inside);
    assert_eq!(spent(guarded, &cookie).await, spent(bare, &cookie).await);
}

/// The allocations of a thousand requests; the fewest of three times, for the runtime has some of
/// its own.
async fn spent<S>(mut service: S, cookie: &HeaderValue) -> u64
where
    S: Service<Request<()>, Response = Response<()>, Error = Infallible>,
{
    let mut fewest = u64::MAX;
    for _ in 0..3 {
        let request = || Request::builder().header(COOKIE, cookie).body(()).unwrap();
        let requests: Vec<_> = (0..1_000).map(|_| request()).collect();
        let before = allocations();
        for request in requests {
            let response = service.ready().await.unwrap().call(request).await.unwrap();
            assert_eq!(response.status(), 200);
        }
        fewest = fewest.min(allocations() - before);
    }
    fewest
}
