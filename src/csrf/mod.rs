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
//! 1. `GET`, `HEAD` and `OPTIONS`, which change nothing, unless they open a
//!    [WebSocket](#websockets); and exempt routes.
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
//! # WebSockets
//!
//! Any page may open a WebSocket to any host: no CORS stands in the way, the visitor's cookie goes
//! along, and the page can then write *and read* in the visitor's name (cross-site WebSocket
//! hijacking; RFC 6455, 10.2; ASVS 4.4.2). So a handshake is judged as a `POST` is, although it is
//! a `GET` with `Upgrade: websocket`; over HTTP/2 it is a `CONNECT` (RFC 8441), which is not safe
//! anyway.
//!
//! - Browsers always send `Origin` with it (RFC 6455, 4.1), and not all of them `Sec-Fetch-Site`, so
//!   rule 4 decides for pages of this host: the proxy must keep `Host`, or the page's origin must be
//!   trusted.
//! - Programs send neither, as a rule, and pass by rule 5.
//! - Where the handshake itself proves who opens it, by a single-use ticket in the address
//!   ([`Query`](crate::transport::Query)) say, pages of anywhere may open it:
//!   [exempt](RefuseCrossSite::exempt) its route.
//!
//! # What it stands on
//!
//! - **No `GET` changes anything**, but those that open a WebSocket.
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
