//! Whom a request that came through proxies is from: `X-Forwarded-For` and `Forwarded` (RFC 7239).

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, header};

/// Which header proxies write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    XForwardedFor,
    Forwarded,
}

/// The address of the client, of which the header speaks if the peer is a proxy. Each proxy
/// appends what it saw, so that the header is read from its end, and only as far as the words are
/// a proxy's.
///
/// A proxy that does not say whom it speaks for is the last that anybody vouched for, and so is
/// itself the answer: never what stands before its words, which nobody vouches for.
pub(crate) fn client_address(
    peer: IpAddr,
    headers: &HeaderMap,
    header: Header,
    is_proxy: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let mut nearest = peer.to_canonical();
    // Several lines are one list, in this order (RFC 9110, 5.3).
    for line in headers.get_all(header.name()).iter().rev() {
        let mut rest = Some(line.as_bytes());
        while let Some(line) = rest.filter(|_| is_proxy(nearest)) {
            let (before, Some(address)) = header.last_hop(line) else { return nearest };
            (nearest, rest) = (address, before);
        }
    }
    nearest
}

impl Header {
    fn name(self) -> &'static HeaderName {
        match self {
            Self::XForwardedFor => &X_FORWARDED_FOR,
            Self::Forwarded => &FORWARDED,
        }
    }

    /// What a line has before its last hop, if anything, and the address that this hop names.
    ///
    /// Each hop is read by itself: what a client wrote into the line may be no address, no text,
    /// or the beginning of a quotation that nobody ends, and does not reach the words of the proxy
    /// behind it.
    fn last_hop(self, line: &[u8]) -> (Option<&[u8]>, Option<IpAddr>) {
        let comma = match self {
            Self::XForwardedFor => line.iter().rposition(|byte| *byte == b','),
            Self::Forwarded => last_comma(line),
        };
        let (before, hop) = match comma.and_then(|at| line.split_at_checked(at)) {
            Some((before, hop)) => (Some(before), hop.strip_prefix(b",").unwrap_or(hop)),
            None => (None, line),
        };
        // Between quotation marks there may be any byte (RFC 9110, 5.6.4).
        let hop = String::from_utf8_lossy(hop);
        let address = match self {
            Self::XForwardedFor => address(hop.trim_matches(SPACE)),
            Self::Forwarded => element(&hop),
        };
        (before, address)
    }
}

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static FORWARDED: HeaderName = header::FORWARDED;

/// An address, with or without the port that it came from. IPv6 has brackets if there is a port
/// (RFC 7239, 6), and may have them without.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = match bare {
        Some(inside) => IpAddr::V6(inside.parse().ok()?),
        None => text
            .parse::<IpAddr>()
            .or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()))
            .ok()?,
    };
    Some(address.to_canonical())
}

/// The last comma that is not quoted, as seen from the end: behind it all quotations are whole.
/// Seen from the beginning, a quotation mark of the client's would decide.
fn last_comma(line: &[u8]) -> Option<usize> {
    let mut quoted = false;
    line.iter().enumerate().rposition(|(at, byte)| {
        quoted ^= *byte == b'"' && !is_escaped(line, at);
        *byte == b',' && !quoted
    })
}

/// Whether the sign at this place has a backslash before it that is not escaped itself.
fn is_escaped(line: &[u8], at: usize) -> bool {
    let before = line.get(..at).unwrap_or_default();
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// Whom an element is for: `for=192.0.2.60;proto=http`, `for="[2001:db8::1]:4711"`. `None` if it
/// does not say, says it twice or not by address, or is no element.
fn element(text: &str) -> Option<IpAddr> {
    let (mut found, mut rest) = (None, Some(text));
    while let Some(text) = rest {
        let (pair, after) = pair(text)?;
        if let Some((name, value)) = pair
            && name.eq_ignore_ascii_case("for")
            && found.replace(value).is_some()
        {
            return None;
        }
        rest = after;
    }
    address(found?)
}

/// A name and its value, if there are any before the next semicolon, and what comes after that.
type Pair<'t> = (Option<(&'t str, &'t str)>, Option<&'t str>);

/// `None` if it is neither `name=value` nor nothing at all.
fn pair(text: &str) -> Option<Pair<'_>> {
    let text = text.trim_start_matches(SPACE);
    if text.is_empty() || text.starts_with(';') {
        return Some((None, text.strip_prefix(';')));
    }
    let (name, rest) = text.split_once('=')?;
    if name.is_empty() || !name.bytes().all(is_token) {
        return None;
    }
    let (value, rest) = match rest.strip_prefix('"') {
        // A backslash stays where it is: nothing that an address is made of needs one.
        Some(quoted) => {
            let (value, rest) = quoted.split_at_checked(closing(quoted)?)?;
            (value, rest.strip_prefix('"')?)
        }
        None => rest.split_at(rest.find(|sign| !is_value(sign)).unwrap_or(rest.len())),
    };
    let rest = rest.trim_start_matches(SPACE);
    if rest.is_empty() {
        return Some((Some((name, value)), None));
    }
    Some((Some((name, value)), Some(rest.strip_prefix(';')?)))
}

/// Where the quotation ends.
fn closing(quoted: &str) -> Option<usize> {
    let mut escaped = false;
    quoted.find(|sign| {
        let closes = sign == '"' && !escaped;
        escaped = sign == '\\' && !escaped;
        closes
    })
}

/// Of a token (RFC 9110, 5.6.2), or of an IPv6 address that somebody forgot to quote.
const fn is_value(sign: char) -> bool {
    sign.is_ascii() && !matches!(sign, ';' | ',' | '"' | '=' | ' ' | '\t' | '\\')
}

const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

const SPACE: [char; 2] = [' ', '\t'];

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// Proxies are `10.*`, `fd00::/8` and `::1`.
    fn is_proxy(address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) => v4.octets()[0] == 10,
            IpAddr::V6(v6) => v6.segments()[0] >> 8 == 0xfd || v6.is_loopback(),
        }
    }

    fn told(peer: &str, header: Header, lines: &[&[u8]]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header.name(), HeaderValue::from_bytes(line).unwrap());
        }
        client_address(peer.parse().unwrap(), &headers, header, is_proxy).to_string()
    }

    /// What the one proxy in front, or the last of several, sends on.
    #[track_caller]
    fn check(header: Header, cases: &[(&[&str], &str)]) {
        for (lines, expected) in cases {
            let bytes: Vec<_> = lines.iter().map(|line| line.as_bytes()).collect();
            assert_eq!(told(PROXY, header, &bytes), *expected, "{lines:?}");
        }
    }

    const PROXY: &str = "10.0.0.1";
    const CLIENT: &str = "192.0.2.7";

    #[test]
    fn r58_headers_are_asked_of_proxies_only() {
        for (peer, expected) in [
            ("203.0.113.9", "203.0.113.9"),
            ("2001:db8::9", "2001:db8::9"),
            ("10.0.0.1", CLIENT),
            ("fd00::1", CLIENT),
            ("::ffff:10.0.0.1", CLIENT), // IPv4 on an IPv6 socket
        ] {
            assert_eq!(told(peer, Header::XForwardedFor, &[b"192.0.2.7"]), expected, "{peer}");
            assert_eq!(told(peer, Header::Forwarded, &[b"for=192.0.2.7"]), expected, "{peer}");
        }
    }

    #[test]
    fn r58_x_forwarded_for_counts_as_far_as_proxies_vouch_for_it() {
        check(
            Header::XForwardedFor,
            &[
                (&["192.0.2.7, 10.0.0.2"], CLIENT),
                (&["192.0.2.7,fd00::2"], CLIENT),
                // What the client wrote stands before what the proxy appended.
                (&["1.1.1.1, 192.0.2.7"], CLIENT),
                (&["10.0.0.5, 192.0.2.7"], CLIENT),
                (&["garbage, 192.0.2.7"], CLIENT),
                (&["garbage", "192.0.2.7"], CLIENT),
                (&["192.0.2.7", "10.0.0.2"], CLIENT),
                (&["1.1.1.1", "192.0.2.7", "10.0.0.3, 10.0.0.2"], CLIENT),
                // Proxies all the way, and none that says anything.
                (&["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
                (&[], PROXY),
                (&["", " , ,"], PROXY),
                // A proxy that does not say whom it speaks for: nobody vouches for the rest.
                (&["192.0.2.7, unknown"], PROXY),
                (&["192.0.2.7, unknown, 10.0.0.2"], "10.0.0.2"),
                (&["192.0.2.7", ""], PROXY),
                (&["192.0.2.7,"], PROXY),
                (&["10.0.0.9, garbage, 10.0.0.2"], "10.0.0.2"),
                // Every way to write an address, and some that are none.
                (&["192.0.2.7:4711"], CLIENT),
                (&["\t192.0.2.7 "], CLIENT),
                (&["::ffff:192.0.2.7"], CLIENT),
                (&["2001:DB8:0:0::1"], "2001:db8::1"),
                (&["[2001:db8::1]"], "2001:db8::1"),
                (&["[2001:db8::1]:4711"], "2001:db8::1"),
                (&["2001:db8::1, [::1]:80"], "2001:db8::1"),
                (&["[192.0.2.7]"], PROXY),
                (&["[2001:db8::1"], PROXY),
                (&["[]"], PROXY),
                (&["[2001:db8::1]:port"], PROXY),
                (&["192.0.2.7:99999"], PROXY),
                (&["192.0.2"], PROXY),
                (&["192.0.2.007"], PROXY),
                (&["fe80::1%eth0"], PROXY),
                (&["\"192.0.2.7\""], PROXY),
            ],
        );
    }

    #[test]
    fn r58_forwarded_is_read_as_rfc_7239_says() {
        let v6 = "2001:db8:cafe::17";
        check(
            Header::Forwarded,
            &[
                (&["For=\"192.0.2.7:47011\""], CLIENT),
                (&["for=192.0.2.7:47011"], CLIENT), // lenient: it should be quoted
                (&["For=\"[2001:db8:cafe::17]:4711\""], v6),
                (&["for=\"[2001:db8:cafe::17]\""], v6),
                (&["for=192.0.2.7;proto=http;by=203.0.113.43"], CLIENT),
                (&["proto=https; by=203.0.113.43;; FOR=192.0.2.7;"], CLIENT),
                (&["for=192.0.2.7, for=10.0.0.2"], CLIENT),
                (&["for=1.1.1.1", "for=192.0.2.7;host=\"a,for=2.2.2.2\""], CLIENT),
                (&["for=192.0.2.7;host=\"\\\", for=2.2.2.2\""], CLIENT),
                (&["for=192.0.2.7;host=\"a, b\\\\\", for=10.0.0.2;host=\"\\\\\\\"\""], CLIENT),
                (&["for=192.0.2.7;host=\"\u{f6}\""], CLIENT),
                (&["\"", "for=192.0.2.7"], CLIENT),
                // Hops that do not say for whom, or not by address.
                (&["for=192.0.2.7, for=unknown"], PROXY),
                (&["for=192.0.2.7, for=_hidden"], PROXY),
                (&["for=192.0.2.7, for=\"_gazonk:80\""], PROXY),
                (&["for=192.0.2.7, proto=https"], PROXY),
                (&["for=192.0.2.7, for="], PROXY),
                (&["for=192.0.2.7, ,"], PROXY),
                (&["for=1.1.1.1;for=192.0.2.7"], PROXY),
                (&["192.0.2.7"], PROXY),
                (&["for 192.0.2.7"], PROXY),
                (&["f\u{f6}r=192.0.2.7"], PROXY),
                (&["=192.0.2.7"], PROXY),
                (&["for=192.0.2.7\"x\""], PROXY),
                (&["for=\"192.0.2.7\"x"], PROXY),
                (&["for=\"192.0.2.7\\"], PROXY),
                (&["for=192.0.2.7\", for=10.0.0.2"], "10.0.0.2"),
                (&[], PROXY),
                (&[""], PROXY),
                (&[";,;"], PROXY),
            ],
        );
    }

    /// Proxies append to the line that the client began.
    #[test]
    fn r58_what_a_client_wrote_does_not_reach_what_the_proxy_appended() {
        let lists: [&[u8]; 4] =
            [b"\xff, 192.0.2.7", b"\xc3, 192.0.2.7", b"\t\"\\,192.0.2.7", b",192.0.2.7"];
        for line in lists {
            assert_eq!(told(PROXY, Header::XForwardedFor, &[line]), CLIENT, "{line:?}");
        }
        let elements: [(&[u8], &str); 7] = [
            (b"\xff, for=192.0.2.7", CLIENT),
            (b"for=\", for=192.0.2.7", CLIENT),
            (b"for=\"\\, for=192.0.2.7", CLIENT),
            (b"for=6.6.6.6;x=\", for=192.0.2.7;host=\"a\"", CLIENT),
            (b"for=6.6.6.6;x=\", for=192.0.2.7;host=\";y=\\\"\"", CLIENT),
            (b"for=6.6.6.6;x=\", for=\"[2001:db8::1]:80\"", "2001:db8::1"),
            (b"for=6.6.6.6;x=\", for=192.0.2.7;host=\"\xff\"", CLIENT),
        ];
        for (line, expected) in elements {
            assert_eq!(told(PROXY, Header::Forwarded, &[line]), expected, "{line:?}");
        }
    }

    proptest::proptest! {
        /// Whatever is sent, as a line or as the host: it is the address that the proxy named.
        #[test]
        fn r58_nothing_that_a_client_sends_makes_it_another(
            start in proptest::sample::select(vec!["", "for=", "for=\"", "10.0.0.2,", "for=10.0.0.2,"]),
            sent in proptest::collection::vec(b' '..=255, 0..40),
            host in "[ -~]{0,40}",
        ) {
            let sent: Vec<_> = sent.into_iter().filter(|byte| *byte != 0x7f).collect();
            let sent = [start.as_bytes(), &sent].concat();
            let appended = [&sent, b", 192.0.2.7".as_slice()].concat();
            proptest::prop_assert_eq!(told(PROXY, Header::XForwardedFor, &[&appended]), CLIENT);
            let host = host.replace('\\', "\\\\").replace('"', "\\\"");
            let own = format!("for=192.0.2.7;host=\"{host}\";proto=https");
            let appended = [&sent, b", ".as_slice(), own.as_bytes()].concat();
            for lines in [[&*appended].as_slice(), &[&sent, own.as_bytes()]] {
                proptest::prop_assert_eq!(told(PROXY, Header::Forwarded, lines), CLIENT);
            }
        }
    }
}
