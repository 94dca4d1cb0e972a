//! What header transports share: which fields may carry a ticket, and how one is written.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::TooLong;
use crate::error::ConfigError;

/// The field of this name, if tickets may travel in it.
pub(super) fn parse(name: &str) -> Result<HeaderName, ConfigError> {
    let field = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
        ConfigError::new(format!(
            "{name:?} is not a header name (RFC 9110, 5.1): use ASCII letters, digits and `-`"
        ))
    })?;
    match why_not(field.as_str()) {
        Some(remedy) => {
            Err(ConfigError::new(format!("the header `{field}` cannot carry tickets: {remedy}")))
        }
        None => Ok(field),
    }
}

/// Why this field (in lower case) is not ours to write, and what to do instead.
fn why_not(field: &str) -> Option<&'static str> {
    match field {
        "authorization" => Some("use `Bearer::new()`, which reads its scheme as well"),
        "cookie" | "set-cookie" => Some("use `Cookie::host(..)`"),
        "connection"
        | "http2-settings"
        | "keep-alive"
        | "proxy-authenticate"
        | "proxy-authentication-info"
        | "proxy-authorization"
        | "proxy-connection"
        | "te"
        | "trailer"
        | "transfer-encoding"
        | "upgrade" => {
            Some("proxies keep it to themselves; use a name of your own such as `x-session`")
        }
        _ if STANDARD.contains(&field) => {
            Some("HTTP gives it another meaning; use a name of your own such as `x-session`")
        }
        _ if field.starts_with("grpc-") => {
            Some("gRPC reserves the names in `grpc-`; use one of your own such as `x-session`")
        }
        _ if field.ends_with("-bin") => {
            Some("gRPC decodes the values of names in `-bin`; use one such as `x-session`")
        }
        _ => None,
    }
}

/// Writes `scheme` and the ticket as the only value of the field; one allocation.
pub(super) fn write(
    headers: &mut HeaderMap,
    field: &HeaderName,
    scheme: &str,
    ticket: &str,
) -> Result<(), TooLong> {
    let fits = field.as_str().len() + ": ".len() + scheme.len() + ticket.len() <= LONGEST_LINE;
    if !fits || !ticket.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(TooLong);
    }
    let line = [scheme, ticket].concat();
    let mut value = HeaderValue::try_from(line).map_err(|_| TooLong)?;
    // Keeps the ticket out of `{:?}` and out of HTTP/2's compression tables.
    value.set_sensitive(true);
    headers.try_insert(field.clone(), value).map(drop).map_err(|_| TooLong)
}

/// Writes the empty value, which tells the client to forget its ticket.
pub(super) fn clear(headers: &mut HeaderMap, field: &HeaderName) {
    // A map of more than 32 768 lines takes no further one, and no server sends it.
    headers.try_insert(field.clone(), HeaderValue::from_static("")).ok();
}

/// The longest header line that widespread servers accept by default (Apache httpd; others take
/// 8192): the client is to send the ticket back in one.
const LONGEST_LINE: usize = 8190;

/// Fields that steer messages, caches or access: a ticket in one of them would change how the
/// response is read.
const STANDARD: [&str; 26] = [
    "accept",
    "age",
    "allow",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-length",
    "content-range",
    "content-security-policy",
    "content-type",
    "date",
    "etag",
    "expect",
    "expires",
    "forwarded",
    "host",
    "last-modified",
    "location",
    "origin",
    "pragma",
    "range",
    "referer",
    "retry-after",
    "strict-transport-security",
    "vary",
    "www-authenticate",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_means_something_else_is_refused_with_a_remedy() {
        let cases = [
            ("", "not a header name"),
            ("x session", "not a header name"),
            ("x-session:", "not a header name"),
            ("x-sessiön", "not a header name"),
            ("x-session\r\n", "not a header name"),
            ("Authorization", "Bearer::new()"),
            ("cookie", "Cookie::host"),
            ("Set-Cookie", "Cookie::host"),
            ("connection", "`x-session`"),
            ("TE", "`x-session`"),
            ("Content-Length", "`x-session`"),
            ("vary", "`x-session`"),
            ("grpc-status", "`x-session`"),
            ("session-bin", "`x-session`"),
        ];
        for (name, remedy) in cases {
            let text = parse(name).expect_err(name).to_string();
            assert!(text.contains(remedy), "{name}: {text}");
        }
    }

    #[test]
    fn a_field_of_ones_own_passes_in_any_case() {
        for name in ["x-session", "X-Session-Ticket", "session", "sec-session"] {
            assert_eq!(parse(name).unwrap().as_str(), name.to_ascii_lowercase());
        }
    }

    #[test]
    fn r22_a_line_that_servers_would_refuse_is_not_written() {
        let field = HeaderName::from_static("x-session");
        let cases = [
            ("longest", "t".repeat(8179), true),
            ("one more", "t".repeat(8180), false),
            ("line break", "t\r\nset-cookie: a=b".to_owned(), false),
            ("blank", "t t".to_owned(), false),
            ("non-ASCII", "ü".to_owned(), false),
        ];
        for (name, ticket, written) in cases {
            let mut headers = HeaderMap::new();
            assert_eq!(write(&mut headers, &field, "", &ticket).is_ok(), written, "{name}");
            assert_eq!(headers.contains_key(&field), written, "{name}");
        }
    }
}
