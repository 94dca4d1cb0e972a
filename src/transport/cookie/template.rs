//! Writes our cookie from parts that were rendered when it was configured.

use std::time::Duration;

use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};
use memchr::memmem::Finder;

use super::settings::Settings;
use crate::error::ConfigError;
use crate::transport::TooLong;

/// The two ends of every `Set-Cookie` line of ours, and the line that removes the cookie.
#[derive(Clone)]
pub(super) struct Template {
    /// The name and `=`, prepared to be searched for.
    head: Finder<'static>,
    attributes: Box<str>,
    fixed_age: Option<Duration>,
    removal: HeaderValue,
}

impl Template {
    /// Renders settings that passed their check.
    pub(super) fn new(settings: &Settings) -> Result<Self, ConfigError> {
        let head = settings.name() + "=";
        let attributes = settings.attributes();
        // A browser takes a removal for another cookie, or drops it, unless it repeats the scope
        // and the guarantees of the creation.
        let removal = HeaderValue::try_from([&head, attributes.as_str(), MAX_AGE, "0"].concat())
            .map_err(|_| ConfigError::new("the cookie does not fit a header line: use ASCII"))?;
        Ok(Self {
            head: Finder::new(&head).into_owned(),
            attributes: attributes.into(),
            fixed_age: settings.max_age,
            removal,
        })
    }

    /// The name and `=`, as they stand in a request.
    #[inline]
    pub(super) const fn needle(&self) -> &Finder<'static> {
        &self.head
    }

    /// The line that sets the cookie; one allocation.
    pub(super) fn line(
        &self,
        ticket: &str,
        max_age: Option<Duration>,
    ) -> Result<HeaderValue, TooLong> {
        if self.name().len() + ticket.len() > LONGEST_PAIR || !are_cookie_octets(ticket) {
            return Err(TooLong);
        }
        let mut digits = [b'0'; 8];
        let age = max_age.or(self.fixed_age).map(|age| decimal(seconds(age), &mut digits));
        let (head, attributes) = (self.head.needle(), self.attributes.as_bytes());
        let tail = age.map_or(0, |age| MAX_AGE.len() + age.len());
        // Of the exact length, or it would take another allocation to become a header's value.
        let mut line = Vec::with_capacity(head.len() + ticket.len() + attributes.len() + tail);
        line.extend_from_slice(head);
        line.extend_from_slice(ticket.as_bytes());
        line.extend_from_slice(attributes);
        if let Some(age) = age {
            line.extend_from_slice(MAX_AGE.as_bytes());
            line.extend_from_slice(age);
        }
        let mut line = HeaderValue::try_from(line).map_err(|_| TooLong)?;
        // Keeps the ticket out of `{:?}` and out of HTTP/2's compression tables.
        line.set_sensitive(true);
        Ok(line)
    }

    /// The line that removes the cookie.
    pub(super) fn removal(&self) -> HeaderValue {
        self.removal.clone()
    }

    /// Puts a line of ours on the response, in place of those of the same name.
    ///
    /// A browser would keep the last one, but servers must not send two (RFC 6265bis, 4.1.1).
    pub(super) fn put(&self, headers: &mut HeaderMap, line: HeaderValue) -> Result<(), TooLong> {
        // Appending tells whether the handler sets cookies too; a look beforehand costs as much.
        match headers.try_append(SET_COOKIE, line) {
            Ok(true) => self.leave_the_last(headers),
            Ok(false) => Ok(()),
            Err(_) => Err(TooLong),
        }
    }

    /// Takes out our lines but for the last.
    fn leave_the_last(&self, headers: &mut HeaderMap) -> Result<(), TooLong> {
        let lines = headers.get_all(SET_COOKIE);
        let mut left: Vec<_> =
            lines.iter().filter(|line| !is_named(line, self.name())).cloned().collect();
        if left.len() + 1 == lines.iter().count() {
            return Ok(());
        }
        left.extend(lines.iter().next_back().cloned());
        // Not by `insert_mult`, which panics on an entry of three values and more (http 1.5.0).
        let mut left = left.into_iter();
        if let Some(first) = left.next() {
            headers.try_insert(SET_COOKIE, first).map_err(|_| TooLong)?;
        }
        left.try_for_each(|line| headers.try_append(SET_COOKIE, line).map(drop))
            .map_err(|_| TooLong)
    }

    fn name(&self) -> &[u8] {
        self.head.needle().strip_suffix(b"=").unwrap_or_default()
    }
}

/// Whether a `Set-Cookie` line sets a cookie of this name, as browsers read it (RFC 6265bis, 5.6:
/// up to the first `=` before the first `;`, without the blanks around).
fn is_named(line: &HeaderValue, name: &[u8]) -> bool {
    let pair = line.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    let mut sides = pair.splitn(2, |byte| *byte == b'=');
    sides.next().map(<[u8]>::trim_ascii) == Some(name) && sides.next().is_some()
}

/// Whether the value is made of `cookie-octet`s (RFC 6265bis, 4.1.1). Sixteen at a time, without
/// early exit: a ticket is three steps.
fn are_cookie_octets(value: &str) -> bool {
    let (chunks, rest) = value.as_bytes().as_chunks::<16>();
    let mut strangers = [0; 16];
    for chunk in chunks {
        for (stranger, byte) in strangers.iter_mut().zip(chunk) {
            *stranger |= u8::from(!is_cookie_octet(*byte));
        }
    }
    u128::from_ne_bytes(strangers) == 0 && rest.iter().copied().all(is_cookie_octet)
}

#[inline]
const fn is_cookie_octet(byte: u8) -> bool {
    // As a signed number, what is not ASCII is below zero.
    let visible = (byte.cast_signed() > b' '.cast_signed()) & (byte != 0x7f);
    visible & (byte != b'"') & (byte != b',') & (byte != b';') & (byte != b'\\')
}

/// Whole seconds, as many as browsers accept.
fn seconds(age: Duration) -> u32 {
    u32::try_from(age.as_secs()).unwrap_or(LONGEST_AGE).min(LONGEST_AGE)
}

/// The decimal digits of a number below 100 million.
fn decimal(mut number: u32, digits: &mut [u8; 8]) -> &[u8] {
    let mut first = digits.len();
    for (at, digit) in digits.iter_mut().enumerate().rev() {
        let [low, ..] = (number % 10).to_le_bytes();
        *digit = b'0' + low;
        first = at;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    digits.get(first..).unwrap_or_default()
}

const MAX_AGE: &str = "; Max-Age=";

/// Browsers ignore a cookie whose name and value are longer (RFC 6265bis, 5.7).
const LONGEST_PAIR: usize = 4096;

/// 400 days (RFC 6265bis, 5.5).
const LONGEST_AGE: u32 = 34_560_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r23_max_age_is_whole_seconds_and_at_most_400_days() {
        let cases = [
            ("nothing", Duration::ZERO, "0"),
            ("rounded down", Duration::from_millis(1_999), "1"),
            ("no digit lost", Duration::from_secs(10), "10"),
            ("two weeks", Duration::from_secs(1_209_600), "1209600"),
            ("just below", Duration::from_secs(34_559_999), "34559999"),
            ("400 days", Duration::from_secs(34_560_000), "34560000"),
            ("one more", Duration::from_secs(34_560_001), "34560000"),
            ("beyond 32 bits", Duration::from_secs(1 << 40), "34560000"),
            ("C32: the longest", Duration::MAX, "34560000"),
        ];
        for (name, age, expected) in cases {
            let mut digits = [b'0'; 8];
            assert_eq!(decimal(seconds(age), &mut digits), expected.as_bytes(), "{name}");
        }
    }

    #[test]
    fn a_set_cookie_line_is_ours_by_its_exact_name() {
        let cases = [
            ("same", "sid=1; Path=/", true),
            ("without attributes", "sid=1", true),
            ("empty value", "sid=", true),
            ("blanks, which browsers trim", " sid\t=1", true),
            ("longer", "sid2=1", false),
            ("shorter", "si=1", false),
            ("other case", "SID=1", false),
            ("nameless", "=sid=1", false),
            ("no pair", "sid", false),
            ("no pair but attributes", "sid; a=b", false),
            ("in an attribute", "a=b; sid=1", false),
        ];
        for (name, line, expected) in cases {
            assert_eq!(is_named(&HeaderValue::from_static(line), b"sid"), expected, "{name}");
        }
    }

    #[test]
    fn r19_only_cookie_octets_are_written() {
        for byte in 0..=0x7f_u8 {
            let allowed =
                matches!(byte, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e);
            let byte = char::from(byte).to_string();
            assert_eq!(are_cookie_octets(&byte), allowed, "{byte:?}");
            for before in 0..40 {
                let value = "x".repeat(before) + &byte + &"x".repeat(40 - before);
                assert_eq!(are_cookie_octets(&value), allowed, "{value:?}");
            }
        }
        assert!(!are_cookie_octets("ü"));
        assert!(!are_cookie_octets("sixteen octets: ü"));
    }
}
