//! What the cross-site rule is told.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, Method, Response, Uri};
use tower_layer::Layer;

use super::judge::{Judgement, Rules};
use super::origin;
use super::service::CrossSiteService;
use super::violation::{Violation, Watch};
use crate::error::ConfigError;
use crate::refusal::{Asked, Bodies, Refusal, Refusals};

/// Refuses requests that another site's page sent: see the [module](super) for which those are.
/// Belongs outside of the session's layer, around everything.
///
/// ```
/// use sessile::csrf::RefuseCrossSite;
/// # use axum::{Router, routing::post};
/// let app: Router = Router::new()
///     .route("/logout", post(|| async { "bye" }))
///     .layer(RefuseCrossSite::new());
/// ```
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct RefuseCrossSite(Arc<Policy>);

/// What all services of one layer share.
#[derive(Clone, Default)]
pub(super) struct Policy {
    rules: Rules,
    watch: Watch,
    refusals: Refusals,
    bodies: Bodies,
}

/// What becomes of a request.
pub(super) enum Course<R> {
    /// It goes on, and the answer is the same wherever it comes from.
    Unasked,
    /// It goes on, since it comes from where it does.
    Pass,
    Refuse(R),
}

impl RefuseCrossSite {
    /// Trusts no other origin, exempts no route, and lets pass what says nothing of where it comes
    /// from.
    pub fn new() -> Self {
        Self(Arc::default())
    }

    /// Lets requests from this origin pass: `scheme://host[:port]`, exactly as browsers send it.
    /// Its pages can then do in a visitor's name whatever the visitor can.
    ///
    /// ```
    /// use sessile::csrf::RefuseCrossSite;
    /// let layer = RefuseCrossSite::new().trust("https://pay.example").trust("http://localhost:5173");
    /// # let _ = layer;
    /// ```
    ///
    /// # Panics
    /// If it is no origin, or not as browsers write it.
    #[track_caller]
    #[expect(clippy::panic, reason = "documented: configuration mistakes fail at construction")]
    pub fn trust(self, origin: &str) -> Self {
        match self.try_trust(origin) {
            Ok(layer) => layer,
            Err(error) => panic!("{error}"),
        }
    }

    /// [`trust`](Self::trust) for an origin that is read at run time.
    ///
    /// ```
    /// use sessile::csrf::RefuseCrossSite;
    /// let error = RefuseCrossSite::new().try_trust("https://pay.example/").unwrap_err();
    /// assert!(error.to_string().contains("no slash, path or query"));
    /// ```
    ///
    /// # Errors
    /// If it is no origin, or not as browsers write it: with a path, a query or a trailing slash,
    /// without a scheme, in capitals, with the scheme's own port, or `null`.
    pub fn try_trust(mut self, origin: &str) -> Result<Self, ConfigError> {
        origin::check(origin)?;
        self.change().rules.trusted.push(origin.into());
        Ok(self)
    }

    /// Does not mind where requests to this route come from: for webhooks and the like, which
    /// prove by other means who sends them. In the form `POST /webhook`, `/webhook` for all
    /// methods, or with a `*` at its end for everything below (`/hooks/*`). The path must be the
    /// very same; one with dot segments, doubled or encoded slashes, or backslashes is never
    /// exempt.
    ///
    /// ```
    /// # async fn run() {
    /// # use http::{Request, Response};
    /// # use tower::{ServiceBuilder, ServiceExt, service_fn};
    /// use sessile::csrf::RefuseCrossSite;
    /// let layer = RefuseCrossSite::new().exempt("POST /webhook");
    /// # let service = ServiceBuilder::new().layer(layer)
    /// #     .service(service_fn(|_: Request<()>| async { Ok::<_, ()>(Response::new(String::new())) }));
    /// let post = |path| {
    ///     let request = Request::post(path).header("sec-fetch-site", "cross-site");
    ///     service.clone().oneshot(request.body(()).unwrap()) // behind the layer
    /// };
    /// assert_eq!(post("/webhook").await.unwrap().status(), 200);
    /// assert_eq!(post("/webhook/").await.unwrap().status(), 403);
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(run());
    /// ```
    ///
    /// # Panics
    /// If it is none of these forms.
    #[track_caller]
    pub fn exempt(mut self, route: &str) -> Self {
        self.change().rules.exempt.add(route);
        self
    }

    /// The exempt routes.
    ///
    /// ```
    /// use sessile::csrf::RefuseCrossSite;
    /// let layer = RefuseCrossSite::new().exempt("POST /webhook");
    /// assert!(layer.exempt_routes().eq(["POST /webhook"]));
    /// ```
    pub fn exempt_routes(&self) -> impl Iterator<Item = &str> {
        self.0.rules.exempt.iter()
    }

    /// Refuses also requests that say nothing of where they come from. Programs other than gRPC
    /// clients must then send `Origin` or `Sec-Fetch-Site: none` as browsers do.
    ///
    /// ```
    /// # async fn run() {
    /// # use http::{Request, Response};
    /// # use tower::{ServiceBuilder, ServiceExt, service_fn};
    /// use sessile::csrf::RefuseCrossSite;
    /// let layer = RefuseCrossSite::new().strict();
    /// # let service = ServiceBuilder::new().layer(layer)
    /// #     .service(service_fn(|_: Request<()>| async { Ok::<_, ()>(Response::new(String::new())) }));
    /// let silent = Request::post("/logout").body(()).unwrap();
    /// assert_eq!(service.oneshot(silent).await.unwrap().status(), 403); // behind the layer
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(run());
    /// ```
    pub fn strict(mut self) -> Self {
        self.change().rules.strict = true;
        self
    }

    /// Says that browsers reach this site over `https` only. The pages of its own host over plain
    /// `http`, which anybody on the network can forge, are then another site to it. A server
    /// knows the scheme by itself only over HTTP/2, and not even there if TLS ends before it.
    ///
    /// ```
    /// # async fn run() {
    /// # use http::{Request, Response};
    /// # use tower::{ServiceBuilder, ServiceExt, service_fn};
    /// use sessile::csrf::RefuseCrossSite;
    /// let layer = RefuseCrossSite::new().https_only();
    /// # let service = ServiceBuilder::new().layer(layer)
    /// #     .service(service_fn(|_: Request<()>| async { Ok::<_, ()>(Response::new(String::new())) }));
    /// let forged = Request::post("/logout").header("host", "app.example");
    /// let forged = forged.header("origin", "http://app.example").body(()).unwrap();
    /// assert_eq!(service.oneshot(forged).await.unwrap().status(), 403); // behind the layer
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(run());
    /// ```
    pub fn https_only(mut self) -> Self {
        self.change().rules.https_only = true;
        self
    }

    /// Lets violations pass and only tells of them: to find out what would be refused, before
    /// anything is. Not a protection.
    ///
    /// ```
    /// # async fn run() {
    /// # use http::{Request, Response};
    /// # use tower::{ServiceBuilder, ServiceExt, service_fn};
    /// use sessile::csrf::RefuseCrossSite;
    /// let trial = RefuseCrossSite::new().report_only();
    /// # let service = ServiceBuilder::new().layer(trial)
    /// #     .service(service_fn(|_: Request<()>| async { Ok::<_, ()>(Response::new(String::new())) }));
    /// let forged = Request::post("/logout").header("sec-fetch-site", "cross-site").body(()).unwrap();
    /// assert_eq!(service.oneshot(forged).await.unwrap().status(), 200); // behind the layer
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(run());
    /// ```
    pub fn report_only(mut self) -> Self {
        self.change().watch.report_only = true;
        self
    }

    /// Tells this closure of every violation (ASVS 16.3.3), within the request: it should be
    /// quick.
    ///
    /// ```
    /// use sessile::csrf::{RefuseCrossSite, Violation};
    /// let layer = RefuseCrossSite::new().observer(|violation: &Violation<'_>| {
    ///     println!("{}", violation.reason().as_str());
    /// });
    /// # let _ = layer;
    /// ```
    pub fn observer(mut self, observer: impl Fn(&Violation<'_>) + Send + Sync + 'static) -> Self {
        self.change().watch.observer = Some(Arc::new(observer));
        self
    }

    /// Sets the status and body of the refusal.
    ///
    /// ```
    /// # async fn run() {
    /// # use http::{Request, Response};
    /// # use tower::{ServiceBuilder, ServiceExt, service_fn};
    /// use http::StatusCode;
    /// use sessile::csrf::RefuseCrossSite;
    /// use sessile::{Refusal, Refusals};
    /// let refusals =
    ///     Refusals::problem().with(Refusal::CrossSite, StatusCode::BAD_REQUEST, "not from there");
    /// let layer = RefuseCrossSite::new().refusals(refusals);
    /// # let service = ServiceBuilder::new().layer(layer)
    /// #     .service(service_fn(|_: Request<()>| async { Ok::<_, ()>(Response::new(String::new())) }));
    /// let forged = Request::post("/logout").header("sec-fetch-site", "cross-site").body(()).unwrap();
    /// assert_eq!(service.oneshot(forged).await.unwrap().status(), 400); // behind the layer
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(run());
    /// ```
    pub fn refusals(mut self, refusals: Refusals) -> Self {
        self.change().refusals = refusals;
        self
    }

    /// Says how a refusal's text becomes a response body of type `B`, as
    /// [`SessionLayer::refusal_body`](crate::SessionLayer::refusal_body) does. axum's body is
    /// known; any other stays empty without this.
    ///
    /// ```
    /// # async fn run() {
    /// # use http::{Request, Response};
    /// # use tower::{ServiceBuilder, ServiceExt, service_fn};
    /// use sessile::csrf::RefuseCrossSite;
    /// let layer = RefuseCrossSite::new().refusal_body(String::into_bytes);
    /// # let service = ServiceBuilder::new().layer(layer)
    /// #     .service(service_fn(|_: Request<()>| async { Ok::<_, ()>(Response::new(Vec::new())) }));
    /// let forged = Request::post("/logout").header("sec-fetch-site", "cross-site").body(()).unwrap();
    /// let answer = service.oneshot(forged).await.unwrap(); // bodies are `Vec<u8>` here
    /// assert!(answer.body().starts_with(b"{"));
    /// # }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(run());
    /// ```
    pub fn refusal_body<B: 'static>(mut self, make: fn(String) -> B) -> Self {
        self.change().bodies.register(make);
        self
    }

    fn change(&mut self) -> &mut Policy {
        Arc::make_mut(&mut self.0)
    }
}

impl Default for RefuseCrossSite {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for RefuseCrossSite {
    type Service = CrossSiteService<S>;

    fn layer(&self, inner: S) -> CrossSiteService<S> {
        CrossSiteService::new(inner, Arc::clone(&self.0))
    }
}

impl Policy {
    pub(super) fn decide<R: Default + 'static>(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Course<Response<R>> {
        match self.rules.judge(method, uri, headers) {
            Judgement::Unasked => Course::Unasked,
            Judgement::Violation(reason) if self.watch.tell(reason, method, uri, headers) => {
                let asked = Asked::of(method, uri, headers);
                let refused = self.refusals.render(Refusal::CrossSite.into(), None, &asked);
                Course::Refuse(self.bodies.render(refused))
            }
            Judgement::Pass | Judgement::Violation(_) => Course::Pass,
        }
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("rules", &self.rules)
            .field("watch", &self.watch)
            .field("refusals", &self.refusals)
            .finish_non_exhaustive()
    }
}
