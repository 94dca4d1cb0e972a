//! What a browser is told to forget at a log-out.

use http::{HeaderName, HeaderValue};

/// What a browser is told to forget when a session is ended by its holder (`Clear-Site-Data`, W3C
/// Clear Site Data; ASVS 14.3.1). Browsers obey it over HTTPS only.
///
/// ```
/// use sessile::SiteData;
/// # use sessile::{Key, SessionLayer, Values, store::MemoryStore};
/// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
///     .clear_site_data([SiteData::Cache, SiteData::Storage]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SiteData {
    /// What the browser has cached of this origin. Can take seconds in some browsers.
    Cache,
    /// All cookies of the registrable domain, also those of others on it.
    Cookies,
    /// What scripts have stored: local storage, databases, service workers.
    Storage,
}

impl SiteData {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Cache => "\"cache\"",
            Self::Cookies => "\"cookies\"",
            Self::Storage => "\"storage\"",
        }
    }
}

pub(crate) static CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");

/// The header's value; `None` if there is nothing to forget.
pub(crate) fn line(what: impl IntoIterator<Item = SiteData>) -> Option<HeaderValue> {
    let words: Vec<_> = what.into_iter().map(SiteData::as_str).collect();
    if words.is_empty() { None } else { HeaderValue::try_from(words.join(", ")).ok() }
}
