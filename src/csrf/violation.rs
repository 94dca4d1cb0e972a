//! What a request did wrong, and who is told.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, Method, Uri};

use crate::log;

/// Why a request looks as if another site had sent it.
///
/// ```
/// use sessile::csrf::Reason;
/// assert_eq!(Reason::NullOrigin.as_str(), "null_origin");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The browser says that another site sent it.
    CrossSite,
    /// The browser says that another host of the same site sent it, such as a neighbouring
    /// subdomain, or the same host over another scheme.
    SameSite,
    /// Its `Origin` is not the host that it was sent to.
    ForeignOrigin,
    /// Its `Origin` is `null`: a sandboxed page or a file sent it.
    NullOrigin,
    /// It does not say where it comes from, and the rule is
    /// [strict](super::RefuseCrossSite::strict).
    NoOrigin,
    /// It carries no token.
    NoToken,
    /// Its token is not one of its session.
    WrongToken,
}

impl Reason {
    /// A name that does not change, for logs and counters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CrossSite => "cross_site",
            Self::SameSite => "same_site",
            Self::ForeignOrigin => "foreign_origin",
            Self::NullOrigin => "null_origin",
            Self::NoOrigin => "no_origin",
            Self::NoToken => "no_token",
            Self::WrongToken => "wrong_token",
        }
    }
}

/// A request that was refused, or would be if the rule were not
/// [only reporting](super::RefuseCrossSite::report_only).
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use sessile::csrf::{RefuseCrossSite, Violation};
///
/// static SEEN: AtomicU64 = AtomicU64::new(0);
/// let layer = RefuseCrossSite::new().report_only().observer(|violation: &Violation<'_>| {
///     SEEN.fetch_add(1, Ordering::Relaxed);
///     let Violation { .. } = violation;
///     println!(
///         "{} {} from {}: {}, {}",
///         violation.method(),
///         violation.uri().path(),
///         violation.origin().unwrap_or("nowhere"),
///         violation.reason().as_str(),
///         if violation.is_refused() { "refused" } else { "passed all the same" },
///     );
/// });
/// # let _ = layer;
/// ```
#[derive(Clone, Copy)]
pub struct Violation<'r> {
    reason: Reason,
    method: &'r Method,
    uri: &'r Uri,
    origin: Option<&'r str>,
    refused: bool,
}

impl<'r> Violation<'r> {
    /// What is wrong with it.
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// Its method.
    pub const fn method(&self) -> &'r Method {
        self.method
    }

    /// Where it goes, as the routers before have left it.
    pub const fn uri(&self) -> &'r Uri {
        self.uri
    }

    /// What stands in its `Origin`, if that is text. Whoever sent the request wrote it.
    pub const fn origin(&self) -> Option<&'r str> {
        self.origin
    }

    /// Whether it was refused; it was not if the rule is only reporting.
    pub const fn is_refused(&self) -> bool {
        self.refused
    }
}

impl fmt::Debug for Violation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Violation")
            .field("reason", &self.reason)
            .field("method", self.method)
            .field("path", &self.uri.path())
            .field("origin", &self.origin)
            .field("refused", &self.refused)
            .finish()
    }
}

type Observer = Arc<dyn Fn(&Violation<'_>) + Send + Sync>;

/// What becomes of violations: who is told, and whether that is all.
#[derive(Clone, Default)]
pub(super) struct Watch {
    pub(super) report_only: bool,
    pub(super) observer: Option<Observer>,
}

impl Watch {
    /// Tells of a violation. Answers whether the request is to be refused.
    pub(super) fn tell(
        &self,
        reason: Reason,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> bool {
        let refused = !self.report_only;
        log::forged(reason.as_str(), refused);
        if let Some(observer) = &self.observer {
            let origin = headers.get(http::header::ORIGIN).and_then(|value| value.to_str().ok());
            observer(&Violation { reason, method, uri, origin, refused });
        }
        refused
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.report_only { "report only" } else { "refuse" })
    }
}
