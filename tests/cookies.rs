//! What the cookie transport reads and writes, as a browser or an attacker sees it.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the helpers of a test fail by panicking, as the test does"
)]

use std::time::Duration;

use cookie::Cookie as Parsed;
use http::header::{COOKIE, SET_COOKIE, VARY};
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use sessile::transport::{Bearer, Candidates, Cookie, Header, SameSite, Transport};

const TICKET: &str = "dGhpcyBpcyBub3QgYSB0aWNrZXQgYnV0IGFzIGxvbmcgYXM";

// ---- what is read

#[test]
fn r16_all_cookie_lines_are_considered_in_order() {
    let lines: [&[u8]; 4] = [b"a=b", b"__Host-sid=1", b"c=d; e=f", b"__Host-sid=2; __Host-sid=3"];
    assert_eq!(found(&Cookie::host("sid"), &lines), [b"1", b"2", b"3"]);
}

#[test]
fn r17_duplicates_are_all_candidates_and_a_flood_of_them_is_cut_off() {
    let flood = "__Host-sid=x; ".repeat(1000);
    let lines: [&[u8]; 2] = [b"__Host-sid=first; __Host-sid=first", flood.as_bytes()];
    let found = found(&Cookie::host("sid"), &lines);
    assert_eq!(found.len(), Candidates::MAX);
    assert_eq!(found[..3], [b"first".as_slice(), b"first", b"x"]);
}

#[test]
fn r18_c21_c22_percent_encoded_or_space_prefixed_names_are_not_ours() {
    let cases: &[(&str, &[u8])] = &[
        ("percent-encoded underscore", b"%5F%5FHost-sid=evil"),
        ("percent-encoded letter", b"__Host-%73id=evil"),
        ("percent-encoded equals sign", b"__Host-sid%3Devil"),
        ("other case", b"__host-sid=evil"),
        ("upper case", b"__HOST-SID=evil"),
        ("misspelt prefix (C23)", b"Host__sid=evil; __Host_sid=evil"),
        ("no prefix", b"sid=evil"),
        ("secure prefix", b"__Secure-sid=evil"),
        ("nameless", b"=__Host-sid=evil"),
        ("nameless behind a blank", b" =__Host-sid=evil"),
        ("nameless, twice", b"==__Host-sid=evil"),
        ("no-break space before", b"\xc2\xa0__Host-sid=evil"),
        ("no-break space in Latin-1", b"\xa0__Host-sid=evil"),
        ("U+2000 before", b"\xe2\x80\x80__Host-sid=evil"),
        ("U+3000 before", b"a=b; \xe3\x80\x80__Host-sid=evil"),
        ("next line before", b"\xc2\x85__Host-sid=evil"),
        ("byte order mark before", b"\xef\xbb\xbf__Host-sid=evil"),
        ("no-break space after", b"__Host-sid\xc2\xa0=evil"),
        ("blank after", b"__Host-sid =evil"),
        ("tab after", b"__Host-sid\t=evil"),
        ("quoted name", b"\"__Host-sid\"=evil"),
        ("PHP's dots and brackets", b"..Host-sid=evil; __Host-sid[x]=evil"),
        ("in a foreign value", b"a=__Host-sid=evil; b=\"__Host-sid=evil"),
        ("behind a comma", b"a=b, __Host-sid=evil"),
        ("RFC 2965 version", b"$Version=1, __Host-sid=evil"),
        ("fullwidth equals sign", b"__Host-sid\xef\xbc\x9devil"),
    ];
    for (name, line) in cases {
        assert!(found(&Cookie::host("sid"), &[line]).is_empty(), "{name}");
        let both = [line, b"; __Host-sid=ours".as_slice()].concat();
        assert_eq!(found(&Cookie::host("sid"), &[&both]), [b"ours"], "{name}, then ours");
    }
}

#[test]
fn r20_a_quote_is_data_and_never_widens_a_value() {
    let cases: &[(&str, &[u8], &[&[u8]])] = &[
        ("sandwich", b"a=\"x; __Host-sid=ours; b=y\"", &[b"ours"]),
        ("open quote in ours", b"__Host-sid=\"x; a=secret; b=y\"", &[b"\"x"]),
        ("quoted value", b"__Host-sid=\"t\"", &[b"\"t\""]),
        ("escaped quote", b"__Host-sid=\"a\\\"; b=\"", &[b"\"a\\\""]),
        ("$Version first", b"$Version=1; a=\"x; __Host-sid=ours; b=y\"", &[b"ours"]),
    ];
    for (name, line, expected) in cases {
        assert_eq!(found(&Cookie::host("sid"), &[line]), *expected, "{name}");
    }
}

#[test]
fn r21_foreign_garbage_does_not_hide_our_cookie() {
    let cases: &[(&str, &[u8])] = &[
        ("non-ASCII", "naïve=ü".as_bytes()),
        ("non-UTF-8", b"\xff\xfe=\x80"),
        ("no equals sign", b"garbage"),
        ("nothing", b""),
        ("separators", b";;; ;"),
        ("equals signs", b"==="),
        ("tabs", b"\t\t"),
        ("JSON", b"a={\"b\":\"c,d\"}"),
        ("open quote", b"a=\""),
        ("name alone", b"__Host-sid"),
        ("empty cookie of our name", b"__Host-sid="),
    ];
    for (name, garbage) in cases {
        for line in [
            [garbage, b"; __Host-sid=ours".as_slice()].concat(),
            [b"__Host-sid=ours; ".as_slice(), garbage].concat(),
        ] {
            assert_eq!(found(&Cookie::host("sid"), &[&line]), [b"ours"], "{name}");
        }
        let lines = [garbage, b"__Host-sid=ours".as_slice()];
        assert_eq!(found(&Cookie::host("sid"), &lines), [b"ours"], "{name}, its own line");
    }
}

#[test]
fn r27_a_transport_reads_its_own_place_and_no_other() {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("cookie", "sid=cookie"),
        ("x-session", "header"),
        ("authorization", "Bearer bearer"),
        ("referer", "https://example.com/?sid=query"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let cases: [(&dyn Transport, &str, &str); 3] = [
        (&Cookie::named("sid"), "cookie", "cookie:sid"),
        (&Header::named("X-Session"), "header", "header:x-session"),
        (&Bearer::new(), "bearer", "bearer"),
    ];
    for (transport, value, purpose) in cases {
        let mut found = Candidates::new();
        transport.find(&headers, &mut found);
        assert_eq!(found.as_slice(), [value.as_bytes()]);
        assert_eq!(transport.purpose(), purpose);
        assert!(headers.contains_key(transport.reads()));
    }
}

// ---- what is written

#[test]
fn r14_r15_c23_b1_the_lines_are_byte_for_byte_what_they_were() {
    let week = Duration::from_secs(604_800);
    let plain = Cookie::named("cookie").dangerously_allow_plain_http();
    let cases = [
        (Cookie::host("sid"), None, "__Host-sid=t; Path=/; Secure; HttpOnly; SameSite=Lax"),
        (Cookie::secure("sid"), None, "__Secure-sid=t; Path=/; Secure; HttpOnly; SameSite=Lax"),
        (Cookie::named("id"), None, "id=t; Path=/; Secure; HttpOnly; SameSite=Lax"),
        (
            Cookie::host("sid").same_site(SameSite::Strict),
            Some(week),
            "__Host-sid=t; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=604800",
        ),
        (
            Cookie::secure("sid").domain("example.com").path("/app").same_site(SameSite::None),
            None,
            "__Secure-sid=t; Path=/app; Domain=example.com; Secure; HttpOnly; SameSite=None",
        ),
        (
            Cookie::host("sid").same_site(SameSite::None).partitioned(),
            None,
            "__Host-sid=t; Path=/; Secure; HttpOnly; SameSite=None; Partitioned",
        ),
        (
            Cookie::host("sid").dangerously_readable_by_scripts(),
            None,
            "__Host-sid=t; Path=/; Secure; SameSite=Lax",
        ),
        (
            Cookie::host("sid").dangerously_allow_plain_http(),
            None,
            "sid=t; Path=/; HttpOnly; SameSite=Lax",
        ),
        // S5: what fastapi-sessions sends by default, had it spelt its SameSite right (B1).
        (
            plain.clone().max_age(Duration::from_secs(1_209_600)),
            None,
            "cookie=t; Path=/; HttpOnly; SameSite=Lax; Max-Age=1209600",
        ),
        (
            plain.max_age(Duration::from_secs(1_209_600)),
            Some(week),
            "cookie=t; Path=/; HttpOnly; SameSite=Lax; Max-Age=604800",
        ),
    ];
    for (cookie, max_age, expected) in cases {
        assert_eq!(cookie.check(), Ok(()));
        assert_eq!(set(&cookie, "t", max_age), expected);
    }
}

#[test]
fn r19_b16_one_line_per_name_and_c29_the_handlers_own_lines_in_their_order() {
    let ours = "sid=t; Path=/; Secure; HttpOnly; SameSite=Lax";
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("none", &[], &[ours]),
        ("the handler's", &["b=1", "a=2; Path=/x"], &["b=1", "a=2; Path=/x", ours]),
        ("ours, twice", &["sid=1", "sid=2; Path=/x"], &[ours]),
        ("ours between", &["b=1", "sid=1", "a=2", "sid=2"], &[ours, "b=1", "a=2"]),
        ("blanks in the name", &[" sid =1", "b=1"], &[ours, "b=1"]),
        ("names alike", &["sid2=1", "SID=1", "=sid=1"], &["sid2=1", "SID=1", "=sid=1", ours]),
        ("in an attribute", &["a=b; sid=1"], &["a=b; sid=1", ours]),
    ];
    for (name, before, expected) in cases {
        let mut headers = HeaderMap::new();
        headers.append(VARY, HeaderValue::from_static("accept"));
        for line in *before {
            headers.append(SET_COOKIE, HeaderValue::from_static(line));
        }
        headers.append(VARY, HeaderValue::from_static("origin"));
        let cookie = Cookie::named("sid");
        for _ in 0..2 {
            cookie.attach(&mut headers, "t", None).unwrap();
        }
        let mut lines: Vec<_> = headers.get_all(SET_COOKIE).iter().collect();
        // Where ours stands among them is nobody's business but ours.
        lines.sort_by_key(|line| *line != ours);
        let mut expected = expected.to_vec();
        expected.sort_by_key(|line| *line != ours);
        assert_eq!(lines, expected, "{name}");
        assert_eq!(headers.get_all(VARY).iter().collect::<Vec<_>>(), ["accept", "origin"]);
    }
}

#[test]
fn r19_b16_the_last_word_counts_between_setting_and_removing() {
    let cookie = Cookie::host("sid");
    let mut headers = HeaderMap::new();
    cookie.attach(&mut headers, "t", None).unwrap();
    cookie.clear(&mut headers);
    cookie.clear(&mut headers);
    let removal = "__Host-sid=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0";
    assert_eq!(headers.get_all(SET_COOKIE).iter().collect::<Vec<_>>(), [removal]);
    cookie.attach(&mut headers, "t", None).unwrap();
    assert_eq!(headers.get_all(SET_COOKIE).iter().count(), 1);
    assert_eq!(headers[SET_COOKIE], set(&cookie, "t", None));
}

#[test]
fn r19_two_layers_with_names_of_their_own_do_not_disturb_each_other() {
    let mut headers = HeaderMap::new();
    Cookie::host("a").attach(&mut headers, "1", None).unwrap();
    Cookie::host("b").attach(&mut headers, "2", None).unwrap();
    Cookie::host("a").clear(&mut headers);
    let names: Vec<_> =
        parsed(&headers).into_iter().map(|cookie| cookie.name().to_owned()).collect();
    assert_eq!(names.len(), 2);
    assert!(names.contains(&"__Host-a".to_owned()) && names.contains(&"__Host-b".to_owned()));
}

#[test]
fn r19_a_ticket_that_is_no_cookie_value_is_refused() {
    for ticket in ["a;b", "a b", "a,b", "a\"b", "a\\b", "a\r\nb", "ü", "\0"] {
        let mut headers = HeaderMap::new();
        assert!(Cookie::host("sid").attach(&mut headers, ticket, None).is_err());
        assert!(headers.is_empty(), "{ticket:?}");
    }
}

#[test]
fn r22_a_cookie_that_browsers_would_drop_is_an_error() {
    let name = "__Host-sid".len();
    for (length, fits) in [(0, true), (4096 - name, true), (4097 - name, false), (9000, false)] {
        let mut headers = HeaderMap::new();
        headers.append(SET_COOKIE, HeaderValue::from_static("__Host-sid=before"));
        let result = Cookie::host("sid").attach(&mut headers, &"t".repeat(length), None);
        assert_eq!(result.is_ok(), fits, "{length}");
        assert_eq!(headers[SET_COOKIE] == "__Host-sid=before", !fits, "{length}");
    }
}

#[test]
fn r23_c32_a_huge_max_age_is_clamped_to_400_days() {
    for age in [Duration::MAX, Duration::from_secs(34_560_001), Duration::from_secs(u64::MAX)] {
        assert!(set(&Cookie::host("sid"), "t", Some(age)).ends_with("; Max-Age=34560000"));
        assert!(set(&Cookie::host("sid").max_age(age), "t", None).ends_with("; Max-Age=34560000"));
    }
}

#[test]
fn r25_b2_a_removal_repeats_every_attribute_of_the_creation() {
    for cookie in [
        Cookie::host("sid"),
        Cookie::host("sid").same_site(SameSite::None).partitioned(),
        Cookie::secure("sid").domain("example.com").path("/app").same_site(SameSite::Strict),
        Cookie::named("sid").dangerously_readable_by_scripts(),
        Cookie::host("sid").dangerously_allow_plain_http(),
        Cookie::named("sid").max_age(Duration::from_secs(60)),
    ] {
        let mut headers = HeaderMap::new();
        cookie.clear(&mut headers);
        let removal = headers[SET_COOKIE].to_str().unwrap().to_owned();
        let created = set(&cookie, "t", Some(Duration::from_secs(60)));
        assert_eq!(removal, created.replace("=t;", "=;").replace("Max-Age=60", "Max-Age=0"));
    }
}

#[test]
fn r67_without_a_lifetime_the_cookie_ends_with_the_browser() {
    let line = set(&Cookie::host("sid"), "t", None).to_ascii_lowercase();
    assert!(!line.contains("max-age") && !line.contains("expires"));
    let line = set(&Cookie::host("sid"), "t", Some(Duration::from_secs(60)));
    assert!(line.ends_with("; Max-Age=60") && !line.contains("Expires"));
}

#[test]
fn a_cookie_that_does_not_pass_its_check_neither_reads_nor_writes() {
    let wrong = Cookie::named("").path("/; Domain=example.com");
    assert!(wrong.check().is_err());
    assert!(found(&wrong, &[b"=x", b"a=b"]).is_empty());
    let mut headers = HeaderMap::new();
    assert!(wrong.attach(&mut headers, "t", None).is_err());
    wrong.clear(&mut headers);
    assert!(headers.is_empty());
}

#[test]
fn r15_a_ticket_on_a_response_is_not_printed() {
    let mut headers = HeaderMap::new();
    Cookie::host("sid").attach(&mut headers, TICKET, None).unwrap();
    Header::named("x-session").attach(&mut headers, TICKET, None).unwrap();
    Bearer::new().attach(&mut headers, TICKET, None).unwrap();
    assert_eq!(headers.len(), 3);
    assert!(!format!("{headers:?}").contains(TICKET));
}

#[test]
fn transports_are_clone_debug_send_sync_and_dyn() {
    fn is<T: Clone + std::fmt::Debug + Send + Sync + 'static>() {}
    is::<Cookie>();
    is::<Header>();
    is::<Bearer>();
    let transport: Box<dyn Transport> = Box::new(Cookie::host("sid"));
    assert!(format!("{transport:?}").contains("__Host-"));
    assert_eq!(transport.challenge(), "Session");
}

// ---- properties

/// Bytes that a header value may hold, those that matter to a cookie parser more often.
fn header_byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        3 => prop::sample::select(b"; =\t\",\\_-sidSID".to_vec()),
        1 => (0x20_u8..=0xff).prop_filter("DEL", |byte| *byte != 0x7f),
    ]
}

/// Any line, our name and what surrounds a pair in it far more often than by chance.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        2 => prop::sample::select(vec!["sid=", "; ", ";", " ", "\t", "=", "t"])
            .prop_map(|piece| piece.as_bytes().to_vec()),
        1 => header_byte().prop_map(|byte| vec![byte]),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// A foreign pair: anything without a separator that is not a cookie of the name `sid`.
fn foreign_pair() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(header_byte().prop_filter("separator", |byte| *byte != b';'), 0..24)
        .prop_filter("ours", |pair| !pair.trim_ascii_start().starts_with(b"sid="))
}

fn same_site() -> impl Strategy<Value = SameSite> {
    prop::sample::select(vec![SameSite::Lax, SameSite::Strict, SameSite::None])
}

proptest! {
    #[test]
    fn c32_arbitrary_bytes_never_panic_and_read_as_by_the_plainest_parser(
        lines in prop::collection::vec(line(), 0..5),
    ) {
        let lines: Vec<_> = lines.iter().map(Vec::as_slice).collect();
        let pairs = lines.iter().flat_map(|line| line.split(|byte| *byte == b';'));
        let values = pairs.filter_map(|pair| skip_blanks(pair).strip_prefix(b"sid="));
        let expected: Vec<_> =
            values.filter(|value| !value.is_empty()).take(Candidates::MAX).collect();
        prop_assert_eq!(found(&Cookie::named("sid"), &lines), expected);
    }

    #[test]
    fn r21_ours_is_found_with_its_exact_value_among_any_foreign_pairs(
        before in prop::collection::vec(foreign_pair(), 0..5),
        value in prop::collection::vec(header_byte(), 1..64),
        after in prop::collection::vec(foreign_pair(), 0..5),
    ) {
        let value: Vec<_> = value.into_iter().filter(|byte| *byte != b';').collect();
        prop_assume!(!value.is_empty());
        let ours = [b"sid=".as_slice(), &value].concat();
        let pairs: Vec<_> = before.into_iter().chain([ours]).chain(after).collect();
        prop_assert_eq!(found(&Cookie::named("sid"), &[&pairs.join(b"; ".as_slice())]), [&*value]);
        let lines: Vec<_> = pairs.iter().map(Vec::as_slice).collect();
        prop_assert_eq!(found(&Cookie::named("sid"), &lines), [&*value]);
    }

    #[test]
    fn r19_what_is_written_parses_back_to_the_same_attributes(
        ticket in "[A-Za-z0-9_-]{1,64}",
        name in "[A-Za-z0-9_][A-Za-z0-9_.-]{0,15}",
        path in "/[a-z/]{0,15}",
        domain in prop::option::of("[a-z][a-z0-9]{0,7}(\\.[a-z]{2,5}){1,2}"),
        same_site in same_site(),
        (plain, scripts, partitioned) in any::<(bool, bool, bool)>(),
        fixed_age in prop::option::of(1_u64..100_000_000),
        age in prop::option::of(any::<u64>()),
    ) {
        let mut ours = Cookie::named(name.clone()).path(path.clone()).same_site(same_site);
        if let Some(domain) = &domain { ours = ours.domain(domain.clone()) }
        if plain { ours = ours.dangerously_allow_plain_http() }
        if scripts { ours = ours.dangerously_readable_by_scripts() }
        if partitioned { ours = ours.partitioned() }
        if let Some(age) = fixed_age { ours = ours.max_age(Duration::from_secs(age)) }
        let demands_secure = partitioned || same_site == SameSite::None;
        prop_assert_eq!(ours.check().is_err(), plain && demands_secure);
        if plain && demands_secure {
            return Ok(());
        }

        let line = set(&ours, &ticket, age.map(Duration::from_secs));
        let parsed = Parsed::parse(line.as_str()).unwrap();
        prop_assert_eq!(parsed.name_value(), (name.as_str(), ticket.as_str()));
        prop_assert_eq!(parsed.path(), Some(path.as_str()));
        prop_assert_eq!(parsed.domain(), domain.as_deref());
        prop_assert_eq!(parsed.secure().unwrap_or(false), !plain);
        prop_assert_eq!(parsed.http_only().unwrap_or(false), !scripts);
        prop_assert_eq!(parsed.partitioned().unwrap_or(false), partitioned);
        prop_assert_eq!(
            parsed.same_site().map(|site| site.to_string()),
            Some(format!("{same_site:?}")),
        );
        prop_assert_eq!(
            parsed.max_age().map(|age| age.whole_seconds().unsigned_abs()),
            age.or(fixed_age).map(|age| age.min(34_560_000)),
        );
        prop_assert_eq!(parsed.expires(), None);
        // No attribute twice: the oracle would have taken the last one silently.
        let mut attributes: Vec<_> =
            line.split("; ").skip(1).filter_map(|part| part.split('=').next()).collect();
        let all = attributes.len();
        attributes.sort_unstable();
        attributes.dedup();
        prop_assert_eq!(attributes.len(), all);
        // And what a browser makes of it comes back to us.
        let pair = format!("{name}={ticket}");
        prop_assert_eq!(found(&ours, &[pair.as_bytes()]), [ticket.as_bytes()]);
    }
}

// ---- helpers

fn found(cookie: &Cookie, lines: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(COOKIE, HeaderValue::from_bytes(line).unwrap());
    }
    let mut found = Candidates::new();
    cookie.find(&headers, &mut found);
    found.as_slice().iter().map(|value| value.to_vec()).collect()
}

/// The one `Set-Cookie` line that attaching to an empty response leaves there.
fn set(cookie: &Cookie, ticket: &str, max_age: Option<Duration>) -> String {
    let mut headers = HeaderMap::new();
    cookie.attach(&mut headers, ticket, max_age).unwrap();
    assert_eq!(headers.len(), 1);
    headers[SET_COOKIE].to_str().unwrap().to_owned()
}

fn parsed(headers: &HeaderMap) -> Vec<Parsed<'_>> {
    let lines = headers.get_all(SET_COOKIE).iter();
    lines.map(|line| Parsed::parse(line.to_str().unwrap()).unwrap()).collect()
}

fn skip_blanks(bytes: &[u8]) -> &[u8] {
    let blanks = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    &bytes[blanks..]
}
