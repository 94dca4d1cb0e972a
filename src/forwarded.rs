//! Whom a request that came through proxies is from: `X-Forwarded-For` and `Forwarded` (RFC 7239).

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Which header proxies write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    XForwardedFor,
    Forwarded,
}

/// The address of the client, of which the header speaks if the peer is a proxy. Each proxy
/// appends what it saw, so that the header is read from its end, and only as far as the words are
/// a proxy's. `None` if that far nothing is known.
pub(crate) fn client_address(
    peer: IpAddr,
    headers: &HeaderMap,
    header: Header,
    is_proxy: impl Fn(IpAddr) -> bool,
) -> Option<IpAddr> {
    let mut nearest = peer.to_canonical();
    if !is_proxy(nearest) {
        return Some(nearest);
    }
    // Several lines are one list, in this order (RFC 9110, 5.3).
    for line in headers.get_all(header.name()).iter().rev() {
        for hop in header.hops(line)?.into_iter().rev() {
            nearest = hop?;
            if !is_proxy(nearest) {
                return Some(nearest);
            }
        }
    }
    Some(nearest)
}

impl Header {
    fn name(self) -> &'static HeaderName {
        match self {
            Self::XForwardedFor => &X_FORWARDED_FOR,
            Self::Forwarded => &FORWARDED,
        }
    }

    /// The hops of a line, those that name no address as `None`; `None` for a line that is not in
    /// its form, of which nobody can say where a hop ends.
    fn hops(self, line: &HeaderValue) -> Option<Vec<Option<IpAddr>>> {
        let text = line.to_str().ok()?;
        match self {
            Self::XForwardedFor => Some(listed(text)),
            Self::Forwarded => elements(text),
        }
    }
}

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static FORWARDED: HeaderName = header::FORWARDED;

fn listed(text: &str) -> Vec<Option<IpAddr>> {
    let hops = text.split(',').map(|hop| hop.trim_matches(SPACE));
    hops.filter(|hop| !hop.is_empty()).map(address).collect()
}

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

/// `for=192.0.2.60;proto=http, for="[2001:db8::1]:4711"`: read from the left, since what is
/// between quotes may look like anything.
fn elements(text: &str) -> Option<Vec<Option<IpAddr>>> {
    let (mut hops, mut hop, mut rest) = (Vec::new(), Hop::Empty, text);
    loop {
        let (pair, end, after) = pair(rest)?;
        if let Some((name, value)) = pair {
            hop = hop.with(name, value)?;
        }
        rest = after;
        if end != Some(';') {
            std::mem::replace(&mut hop, Hop::Empty).end(&mut hops);
        }
        if end.is_none() {
            return Some(hops);
        }
    }
}

/// What an element says so far.
enum Hop {
    Empty,
    /// Other things than whom it is for.
    Anonymous,
    For(Option<IpAddr>),
}

impl Hop {
    /// `None` if it is said twice whom it is for.
    fn with(self, name: &str, value: &str) -> Option<Self> {
        match self {
            Self::For(_) if name.eq_ignore_ascii_case("for") => None,
            Self::For(_) => Some(self),
            _ if name.eq_ignore_ascii_case("for") => Some(Self::For(address(value))),
            _ => Some(Self::Anonymous),
        }
    }

    /// Adds it to the hops. An empty element counts for none (RFC 9110, 5.6.1).
    fn end(self, hops: &mut Vec<Option<IpAddr>>) {
        match self {
            Self::Empty => {}
            Self::Anonymous => hops.push(None),
            Self::For(address) => hops.push(address),
        }
    }
}

/// A name and its value, what ended it, and what comes after.
type Pair<'t> = (Option<(&'t str, &'t str)>, Option<char>, &'t str);

/// `None` if it is neither `name=value` nor nothing at all.
fn pair(text: &str) -> Option<Pair<'_>> {
    let text = text.trim_start_matches(SPACE);
    if text.is_empty() || text.starts_with(ENDS) {
        let (end, after) = ended(text)?;
        return Some((None, end, after));
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
    let (end, after) = ended(rest)?;
    Some((Some((name, value)), end, after))
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

/// The sign between two pairs or elements, and what comes after it; `None` if it is another one.
fn ended(text: &str) -> Option<(Option<char>, &str)> {
    let text = text.trim_start_matches(SPACE);
    let mut signs = text.chars();
    match signs.next() {
        None => Some((None, "")),
        Some(sign) if ENDS.contains(&sign) => Some((Some(sign), signs.as_str())),
        Some(_) => None,
    }
}

/// Of a token (RFC 9110, 5.6.2), or of an IPv6 address that somebody forgot to quote.
const fn is_value(sign: char) -> bool {
    sign.is_ascii() && !matches!(sign, ';' | ',' | '"' | '=' | ' ' | '\t' | '\\')
}

const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

const SPACE: [char; 2] = [' ', '\t'];
const ENDS: [char; 2] = [';', ','];

#[cfg(test)]
mod tests {
    use super::*;

    /// Proxies are `10.*`, `fd00::/8` and `::1`.
    fn is_proxy(address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) => v4.octets()[0] == 10,
            IpAddr::V6(v6) => v6.segments()[0] >> 8 == 0xfd || v6.is_loopback(),
        }
    }

    fn told(peer: &str, header: Header, lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header.name(), HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        let found = client_address(peer.parse().unwrap(), &headers, header, is_proxy);
        found.map(|address| address.to_string())
    }

    #[track_caller]
    fn check(header: Header, cases: &[(&str, &[&str], Option<&str>)]) {
        for (peer, lines, expected) in cases {
            assert_eq!(told(peer, header, lines).as_deref(), *expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn r58_x_forwarded_for_counts_as_far_as_proxies_vouch_for_it() {
        let client = Some("192.0.2.7");
        check(
            Header::XForwardedFor,
            &[
                // Whoever is no proxy is not asked.
                ("203.0.113.9", &["192.0.2.7"], Some("203.0.113.9")),
                ("2001:db8::9", &["192.0.2.7"], Some("2001:db8::9")),
                // One proxy, two, and one that speaks IPv4 on an IPv6 socket.
                ("10.0.0.1", &["192.0.2.7"], client),
                ("10.0.0.1", &["192.0.2.7, 10.0.0.2"], client),
                ("::ffff:10.0.0.1", &["192.0.2.7"], client),
                ("fd00::1", &["192.0.2.7,fd00::2"], client),
                // What the client wrote stands before what the proxy appended.
                ("10.0.0.1", &["1.1.1.1, 192.0.2.7"], client),
                ("10.0.0.1", &["10.0.0.5, 192.0.2.7"], client),
                ("10.0.0.1", &["garbage, 192.0.2.7"], client),
                ("10.0.0.1", &["garbage", "192.0.2.7"], client),
                ("10.0.0.1", &["\u{ff}", "192.0.2.7, 10.0.0.2"], client),
                ("10.0.0.1", &["192.0.2.7", "10.0.0.2"], client),
                ("10.0.0.1", &["1.1.1.1", "192.0.2.7", "10.0.0.3, 10.0.0.2"], client),
                // Proxies all the way, and none that says anything.
                ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], Some("10.0.0.3")),
                ("10.0.0.1", &[], Some("10.0.0.1")),
                ("10.0.0.1", &["", " , ,"], Some("10.0.0.1")),
                // Nobody knows.
                ("10.0.0.1", &["192.0.2.7, unknown"], None),
                ("10.0.0.1", &["192.0.2.7, unknown, 10.0.0.2"], None),
                ("10.0.0.1", &["192.0.2.7", "\u{ff}"], None),
                // Every way to write an address, and some that are none.
                ("10.0.0.1", &["192.0.2.7:4711"], client),
                ("10.0.0.1", &["\t192.0.2.7 ,"], client),
                ("10.0.0.1", &["::ffff:192.0.2.7"], client),
                ("10.0.0.1", &["2001:DB8:0:0::1"], Some("2001:db8::1")),
                ("10.0.0.1", &["[2001:db8::1]"], Some("2001:db8::1")),
                ("10.0.0.1", &["[2001:db8::1]:4711"], Some("2001:db8::1")),
                ("10.0.0.1", &["2001:db8::1, [::1]:80"], Some("2001:db8::1")),
                ("10.0.0.1", &["[192.0.2.7]"], None),
                ("10.0.0.1", &["[2001:db8::1"], None),
                ("10.0.0.1", &["[]"], None),
                ("10.0.0.1", &["[2001:db8::1]:port"], None),
                ("10.0.0.1", &["192.0.2.7:99999"], None),
                ("10.0.0.1", &["192.0.2"], None),
                ("10.0.0.1", &["192.0.2.007"], None),
                ("10.0.0.1", &["fe80::1%eth0"], None),
                ("10.0.0.1", &["\"192.0.2.7\""], None),
            ],
        );
    }

    #[test]
    fn r58_forwarded_is_read_as_rfc_7239_says() {
        let (client, v6) = (Some("192.0.2.7"), Some("2001:db8:cafe::17"));
        check(
            Header::Forwarded,
            &[
                ("203.0.113.9", &["for=192.0.2.7"], Some("203.0.113.9")),
                ("10.0.0.1", &["for=192.0.2.7"], client),
                ("10.0.0.1", &["For=\"192.0.2.7:47011\""], client),
                ("10.0.0.1", &["for=192.0.2.7:47011"], client), // lenient: it should be quoted
                ("10.0.0.1", &["For=\"[2001:db8:cafe::17]:4711\""], v6),
                ("10.0.0.1", &["for=\"[2001:db8:cafe::17]\""], v6),
                ("10.0.0.1", &["for=192.0.2.7;proto=http;by=203.0.113.43"], client),
                ("10.0.0.1", &["proto=https; by=203.0.113.43; FOR=192.0.2.7"], client),
                ("10.0.0.1", &["for=192.0.2.7, for=10.0.0.2"], client),
                ("10.0.0.1", &["for=1.1.1.1", "for=192.0.2.7;host=\"a,for=2.2.2.2\""], client),
                ("10.0.0.1", &["for=192.0.2.7;host=\"\\\", for=2.2.2.2\""], client),
                ("10.0.0.1", &["for=192.0.2.7, ,"], client),
                ("10.0.0.1", &["\"", "for=192.0.2.7"], client),
                // Hops that do not say for whom, or not by address.
                ("10.0.0.1", &["for=192.0.2.7, for=unknown"], None),
                ("10.0.0.1", &["for=192.0.2.7, for=_hidden"], None),
                ("10.0.0.1", &["for=192.0.2.7, for=\"_gazonk:80\""], None),
                ("10.0.0.1", &["for=192.0.2.7, proto=https"], None),
                ("10.0.0.1", &["for=192.0.2.7, for="], None),
                // An opened quotation swallows what the proxy appends: then nothing is known.
                ("10.0.0.1", &["for=\", for=192.0.2.7"], None),
                ("10.0.0.1", &["for=6.6.6.6;x=\", for=\"[2001:db8::1]:80\""], None),
                ("10.0.0.1", &["for=6.6.6.6;x=\", for=192.0.2.7;host=\"a\""], None),
                ("10.0.0.1", &["for=1.1.1.1;for=192.0.2.7"], None),
                ("10.0.0.1", &["192.0.2.7"], None),
                ("10.0.0.1", &["for 192.0.2.7"], None),
                ("10.0.0.1", &["f\u{f6}r=192.0.2.7"], None),
                ("10.0.0.1", &["=192.0.2.7"], None),
                ("10.0.0.1", &["for=192.0.2.7\"x\""], None),
                ("10.0.0.1", &["for=192.0.2.7\", for=10.0.0.2"], None),
                ("10.0.0.1", &["for=\"192.0.2.7\"x"], None),
                ("10.0.0.1", &["for=\"192.0.2.7\\"], None),
                ("10.0.0.1", &[], Some("10.0.0.1")),
                ("10.0.0.1", &[""], Some("10.0.0.1")),
                ("10.0.0.1", &[";,;"], Some("10.0.0.1")),
            ],
        );
    }

    proptest::proptest! {
        /// Whatever is sent: no panic, and nobody is taken for somebody that no proxy named.
        #[test]
        fn r58_nothing_that_a_client_sends_makes_it_another(
            text in "[ -~]{0,40}",
            start in proptest::sample::select(vec!["", "for=", "for=\"", "10.0.0.2,", "for=10.0.0.2,"]),
        ) {
            let sent = format!("{start}{text}");
            let appended = format!("{sent}, 192.0.2.7");
            let found = told("10.0.0.1", Header::XForwardedFor, &[&appended]);
            proptest::prop_assert_eq!(found.as_deref(), Some("192.0.2.7"));
            let appended = format!("{sent}, for=192.0.2.7");
            let found = told("10.0.0.1", Header::Forwarded, &[&appended]);
            let honest = matches!(found.as_deref(), None | Some("192.0.2.7"));
            proptest::prop_assert!(honest, "{:?} {:?}", appended, found);
            let found = told("10.0.0.1", Header::Forwarded, &[&sent, "for=192.0.2.7"]);
            proptest::prop_assert_eq!(found.as_deref(), Some("192.0.2.7"));
        }
    }
}
