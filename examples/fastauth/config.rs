//! What can be set: the options of `FastAuthConfig`, by the names that it gives them.

use std::error::Error;
use std::time::Duration;

use sessile::Key;
use sessile::token::{CookieOverrides, TokenCookie};
use sessile::transport::SameSite;

pub(crate) struct Config {
    /// Where users and refresh tokens are kept.
    pub(crate) database: String,
    pub(crate) key: Key,
    pub(crate) access_max_age: Duration,
    pub(crate) refresh_max_age: Duration,
    pub(crate) refresh_enabled: bool,
    pub(crate) locations: Locations,
    pub(crate) access_cookie: TokenCookie,
    pub(crate) refresh_cookie: TokenCookie,
    /// Whether somebody counts as verified who has not been asked to show it.
    pub(crate) default_is_verified: bool,
    /// Who is made an administrator at the start: address and password.
    pub(crate) admin: Option<(String, String)>,
}

/// Where tokens travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Locations {
    Headers,
    Cookies,
    /// In this order: what is in the header decides, good or not.
    HeadersThenCookies,
}

impl Config {
    /// Reads the settings. A variable that makes no sense is an error and no default.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Box<dyn Error>> {
        let text = |name: &str, default: &str| variable(name).unwrap_or_else(|| default.to_owned());
        let flag = |name: &str, default| match variable(name).as_deref() {
            None => Ok(default),
            Some("true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(_) => Err(format!("{name} is neither `true` nor `false`")),
        };
        let seconds = |name: &str, default| match variable(name).map(|text| text.parse()) {
            None => Ok(Duration::from_secs(default)),
            Some(Ok(seconds)) => Ok(Duration::from_secs(seconds)),
            Some(Err(_)) => Err(format!("{name} is no number of seconds")),
        };

        let locations = match text("TOKEN_LOCATIONS", "headers,cookies").as_str() {
            "headers" => Locations::Headers,
            "cookies" => Locations::Cookies,
            "headers,cookies" => Locations::HeadersThenCookies,
            _ => return Err("TOKEN_LOCATIONS is one of headers; cookies; headers,cookies".into()),
        };
        let same_site = match text("COOKIE_SAMESITE", "lax").as_str() {
            "lax" => SameSite::Lax,
            "strict" => SameSite::Strict,
            "none" => SameSite::None,
            _ => return Err("COOKIE_SAMESITE is one of lax, strict, none".into()),
        };
        let access_max_age = seconds("ACCESS_TOKEN_MAX_AGE", 86_400)?;
        let refresh_max_age = seconds("REFRESH_TOKEN_MAX_AGE", 1_728_000)?;
        let attributes = CookieOverrides::new()
            .path(text("COOKIE_PATH", "/"))
            .same_site(same_site)
            // No script needs to read a token; with FastAuth every script could.
            .dangerously_readable_by_scripts(!flag("COOKIE_HTTPONLY", true)?)
            // Behind TLS, set COOKIE_SECURE=true.
            .dangerously_allow_plain_http(!flag("COOKIE_SECURE", false)?);
        let attributes = match variable("COOKIE_DOMAIN") {
            Some(domain) => attributes.domain(domain),
            None => attributes,
        };
        let cookie = |name: String, max_age| {
            TokenCookie::named(name).attributes(attributes.clone().max_age(max_age))
        };

        Ok(Self {
            database: text("DATABASE_URL", "sqlite:target/fastauth.db"),
            // A secret that is short, empty or from a tutorial does not start. It is never a
            // default: who knows it can be anybody.
            key: match variable("JWT_SECRET") {
                Some(secret) => {
                    Key::from_text(&secret).map_err(|error| format!("JWT_SECRET: {error}"))?
                }
                None => Key::generate(),
            },
            access_cookie: cookie(
                text("ACCESS_COOKIE_NAME", "access_token_cookie"),
                access_max_age,
            ),
            refresh_cookie: cookie(
                text("REFRESH_COOKIE_NAME", "refresh_token_cookie"),
                refresh_max_age,
            ),
            access_max_age,
            refresh_max_age,
            refresh_enabled: flag("ENABLE_REFRESH_TOKEN", true)?,
            locations,
            default_is_verified: flag("USER_DEFAULT_IS_VERIFIED", false)?,
            admin: variable("ADMIN_EMAIL").zip(variable("ADMIN_PASSWORD")),
        })
    }
}

impl Locations {
    pub(crate) fn in_headers(self) -> bool {
        self != Self::Cookies
    }

    pub(crate) fn in_cookies(self) -> bool {
        self != Self::Headers
    }
}
