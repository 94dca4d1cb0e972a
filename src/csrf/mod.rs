//! Protection against requests that other sites send in a visitor's name (cross-site request
//! forgery; ASVS 3.5.1).
//!
//! A browser attaches the visitor's cookie to a form that another site posts here. `SameSite=Lax`,
//! the default of this crate's cookies, keeps it from most of those; not from neighbouring
//! subdomains, and not where the attacker wants no cookie to be sent: in a forged *login*, the
//! visitor works in the attacker's account without knowing. Two rules close that, independent of
//! each other:
//!
//! - [`RefuseCrossSite`] goes by what browsers say of where a request comes from. It needs no
//!   session, no token and no change of any page: put it around everything.
//! - [`Tokens`] are for those who must not rely on that alone: each form carries a value that only
//!   a page of this site can have read. [`RequireToken`] checks it in a header, and with the
//!   `axum` feature [`Verified`](Tokens) in a form.
//!
//! # What passes `RefuseCrossSite`
//!
//! 1. `GET`, `HEAD` and `OPTIONS`, which change nothing, and exempt routes.
//! 2. Requests with `Sec-Fetch-Site: same-origin`, or `none` (typed, or a bookmark).
//! 3. Requests whose `Origin` is one of those [trusted](RefuseCrossSite::trust), byte by byte.
//! 4. From browsers that send no `Sec-Fetch-Site` (before 2023, or over plain HTTP to another
//!    machine): those whose `Origin` is the host that they went to. `Origin: null` never is.
//! 5. Requests with neither header: programs, gRPC clients, and browsers before 2020. A
//!    [strict](RefuseCrossSite::strict) rule refuses them, gRPC excepted.
//!
//! So other sites, neighbouring subdomains and other ports of the same host are refused with 403
//! (gRPC: `PERMISSION_DENIED`).
//!
//! # What it stands on
//!
//! - **No `GET` changes anything.** A WebSocket handshake is a `GET` too: compare its `Origin`
//!   where you accept it, or require a token.
//! - **The proxy keeps `Host`**, which rule 4 compares with. A server behind TLS that ends
//!   elsewhere cannot tell `https` from `http`: say [`https_only`](RefuseCrossSite::https_only), and
//!   an attacker on the network cannot post from `http://` of your own host.
//! - **No script of another's runs in your pages.** It would be your page.
//!
//! ```
//! # async fn run() {
//! use http::{Request, Response};
//! use sessile::csrf::RefuseCrossSite;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! let service = ServiceBuilder::new()
//!     .layer(RefuseCrossSite::new().trust("https://pay.example"))
//!     // .layer(sessions): inside, so that no store is asked for what is refused
//!     .service(service_fn(|_: Request<()>| async { Ok::<_, ()>(Response::new(String::new())) }));
//!
//! let post = |site, origin| {
//!     let request = Request::post("/logout").header("sec-fetch-site", site);
//!     service.clone().oneshot(request.header("origin", origin).body(()).unwrap())
//! };
//! assert_eq!(post("same-origin", "https://app.example").await.unwrap().status(), 200);
//! assert_eq!(post("cross-site", "https://pay.example").await.unwrap().status(), 200);
//! assert_eq!(post("cross-site", "https://evil.example").await.unwrap().status(), 403);
//! assert_eq!(post("same-site", "https://blog.app.example").await.unwrap().status(), 403);
//! # }
//! # tokio::runtime::Runtime::new().unwrap().block_on(run());
//! ```

mod judge;
mod layer;
mod origin;
mod require;
mod service;
mod tokens;
#[cfg(feature = "axum")]
mod verified;
mod violation;

pub use self::layer::RefuseCrossSite;
pub use self::require::RequireToken;
pub use self::service::{CrossSiteFuture, CrossSiteService};
pub use self::tokens::{TOKEN_FIELD, TOKEN_HEADER, Tokens};
#[cfg(feature = "axum")]
pub use self::verified::Verified;
pub use self::violation::{Reason, Violation};
