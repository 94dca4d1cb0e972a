//! The rules: which setting falls short of which requirement.

use std::time::Duration;

use super::show::span;
use super::{Report, RevocationKind, TransportReport};
use crate::assurance::Assurance;
use crate::codec::TicketFormat;
use crate::profile;
use crate::transport::{CookieAttributes, Place, SameSite};

/// A requirement that a setting falls short of, as a [report](super::Report) lists it.
///
/// ```
/// use sessile::transport::Cookie;
/// use sessile::{Key, SessionLayer, Standard, Values, store::MemoryStore};
/// let development = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
///     .transport(Cookie::host("sid").dangerously_allow_plain_http());
/// let report = development.report();
/// let first = &report.deviations[0];
/// assert_eq!((first.standard, first.requirement, first.level), (Standard::Asvs, "3.3.1", "L1"));
/// assert_eq!(first.to_string(), "ASVS 3.3.1 (L1): cookie sid also travels over plain HTTP");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deviation {
    /// Which standard.
    pub standard: Standard,
    /// The number of the requirement, with that of its item if it is a list: `5.1.1 (3)`.
    pub requirement: &'static str,
    /// The lowest level that it belongs to: `L1` to `L3`, or `AAL1` to `AAL3`.
    pub level: &'static str,
    /// Whether the standard demands it (ASVS; SHALL) or recommends it (SHOULD).
    pub required: bool,
    /// What falls short of it, in one sentence.
    pub text: Box<str>,
    /// Why that is accepted, if somebody said so.
    pub reason: Option<Box<str>>,
}

/// A standard that a layer is measured by.
///
/// ```
/// use sessile::Standard;
/// assert_eq!(Standard::Nist.title(), "NIST SP 800-63B-4");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Standard {
    /// The OWASP Application Security Verification Standard 5.0.
    Asvs,
    /// NIST Special Publication 800-63B-4.
    Nist,
}

impl Standard {
    /// Its name with its edition.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Asvs => "OWASP ASVS 5.0",
            Self::Nist => "NIST SP 800-63B-4",
        }
    }

    pub(super) const fn short(self) -> &'static str {
        match self {
            Self::Asvs => "ASVS",
            Self::Nist => "NIST",
        }
    }
}

impl Deviation {
    fn asvs(requirement: &'static str, level: &'static str, text: impl Into<Box<str>>) -> Self {
        let standard = Standard::Asvs;
        Self { standard, requirement, level, required: true, text: text.into(), reason: None }
    }

    fn nist(
        requirement: &'static str,
        level: Assurance,
        strength: Strength,
        text: impl Into<Box<str>>,
    ) -> Self {
        let level = match level {
            Assurance::Aal1 => "AAL1",
            Assurance::Aal2 => "AAL2",
            Assurance::Aal3 => "AAL3",
        };
        let (standard, required) = (Standard::Nist, matches!(strength, Strength::Shall));
        Self { standard, requirement, level, required, text: text.into(), reason: None }
    }
}

#[derive(Clone, Copy)]
enum Strength {
    Shall,
    Should,
}

/// All deviations of a layer with these settings.
pub(super) fn all(report: &Report) -> Vec<Deviation> {
    let mut found = Vec::new();
    report.transports.iter().for_each(|transport| travelling(transport, report, &mut found));
    layer(report, &mut found);
    match &report.profile {
        Some(profile) => limits(profile.level(), report, &mut found),
        None => {
            for level in [Assurance::Aal1, Assurance::Aal2, Assurance::Aal3] {
                limits(level, report, &mut found);
            }
        }
    }
    found.sort_by_key(|deviation| deviation.standard == Standard::Nist); // stable
    found
}

fn travelling(transport: &TransportReport, report: &Report, found: &mut Vec<Deviation>) {
    let name = &*transport.description.name;
    match &transport.description.place {
        Place::Cookie(attributes) => {
            cookie_name(name, attributes, found);
            cookie_reach(name, attributes, found);
            cookie_life(name, attributes, report, found);
        }
        Place::Query => found.push(Deviation::asvs(
            "14.2.1",
            "L1",
            format!("tickets are accepted in the query parameter {name}, and so may get into logs"),
        )),
        Place::Header | Place::Bearer | Place::Other => {}
    }
    // What is only read is a legacy that is on its way out, and allowed (ASVS 5.0, appendix C).
    if transport.format == TicketFormat::FastapiSessions && !transport.read_only {
        let text = format!("tickets in cookie {name} are signed with HMAC-SHA-1");
        found.push(Deviation::asvs("11.4.1", "L1", text));
        let text = format!("the secret that signs tickets in cookie {name} may be of any length");
        found.push(Deviation::asvs("11.2.3", "L2", text));
    }
}

fn cookie_name(name: &str, attributes: &CookieAttributes, found: &mut Vec<Deviation>) {
    let has = |prefix| has_prefix(name, prefix);
    if !attributes.secure {
        let text = format!("cookie {name} also travels over plain HTTP");
        found.push(Deviation::asvs("3.3.1", "L1", text.clone()));
        found.push(Deviation::nist("5.1.1 (1)", Assurance::Aal1, Strength::Shall, text));
    } else if !has("__Host-") && !has("__Secure-") {
        let text = format!("cookie {name} has neither the prefix __Host- nor __Secure-");
        found.push(Deviation::asvs("3.3.1", "L1", text));
    }
    if has("__Host-") {
        return;
    }
    let text = match &attributes.domain {
        Some(domain) => format!("cookie {name} is shared with every host below {domain}"),
        None => {
            format!("cookie {name} lacks the prefix __Host-: other hosts can plant one like it")
        }
    };
    if attributes.domain.is_none() {
        found.push(Deviation::asvs("3.3.3", "L2", text.clone())); // which allows to share
    }
    found.push(Deviation::nist("5.1.1 (5)", Assurance::Aal1, Strength::Should, text));
}

fn cookie_reach(name: &str, attributes: &CookieAttributes, found: &mut Vec<Deviation>) {
    if !attributes.http_only {
        let text = format!("scripts can read cookie {name}: it is not HttpOnly");
        found.push(Deviation::asvs("3.3.4", "L2", text.clone()));
        found.push(Deviation::nist("5.1.1 (3)", Assurance::Aal1, Strength::Should, text));
    }
    if attributes.same_site == SameSite::None {
        let text = format!("cookie {name} travels with requests of all sites (SameSite=None)");
        found.push(Deviation::asvs("3.3.2", "L2", text.clone()));
        found.push(Deviation::nist("5.1.1 (6)", Assurance::Aal1, Strength::Should, text));
    }
}

fn cookie_life(
    name: &str,
    attributes: &CookieAttributes,
    report: &Report,
    found: &mut Vec<Deviation>,
) {
    let Some(age) = attributes.max_age else { return };
    let text = format!("browsers keep cookie {name} when they close, for {}", span(age));
    found.push(Deviation::nist("5.1", Assurance::Aal1, Strength::Should, text));
    if age > report.absolute {
        let text = format!(
            "browsers keep cookie {name} for {}, while sessions live {} at most",
            span(age),
            span(report.absolute)
        );
        found.push(Deviation::nist("5.1.1 (4)", Assurance::Aal1, Strength::Should, text));
    }
}

fn layer(report: &Report, found: &mut Vec<Deviation>) {
    if report.idle >= report.absolute {
        let text = "the idle limit is as long as the absolute one: inactivity ends no session";
        found.push(Deviation::asvs("7.3.1", "L2", text));
    }
    if report.revocation == RevocationKind::Impossible {
        let text = "a log-out ends no session: whoever copied its ticket goes on until it expires";
        found.push(Deviation::asvs("7.4.1", "L1", text));
    }
    if !report.observed {
        let text = "nobody is told of forged and reused tickets: there is no observer";
        found.push(Deviation::asvs("16.3.3", "L2", text));
    }
    if report.anonymous_when_store_fails {
        let text = "while the store fails, requests with a session are served as anonymous";
        found.push(Deviation::asvs("16.5.3", "L2", text));
    }
    if report.persistent {
        let text = "every client keeps its ticket when it closes";
        found.push(Deviation::nist("5.1", Assurance::Aal1, Strength::Should, text));
    }
}

fn limits(level: Assurance, report: &Report, found: &mut Vec<Deviation>) {
    let reason = report.profile.as_ref().and_then(|profile| profile.reason()).map(Box::from);
    let mut exceeds = |what: &str, limit: Duration, longest: Duration, strength: Strength| {
        if limit > longest {
            let text =
                format!("the {what} limit is {}, not {} at most", span(limit), span(longest));
            let deviation = Deviation::nist(profile::section(level), level, strength, text);
            found.push(Deviation { reason: reason.clone(), ..deviation });
        }
    };
    // Only AAL3 says SHALL, and only of the overall limit.
    let overall = if level == Assurance::Aal3 { Strength::Shall } else { Strength::Should };
    exceeds("absolute", report.absolute, profile::longest(level), overall);
    if let Some(longest) = profile::longest_idle(level) {
        exceeds("idle", report.idle, longest, Strength::Should);
    }
}

/// As browsers match it, in any case (RFC 6265bis, 5.7).
fn has_prefix(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profile;
    use crate::transport::{Bearer, Cookie, Description, Header, Query, Transport};

    const HOUR: Duration = Duration::from_secs(3600);

    /// A layer of which nothing is to be said.
    fn faultless() -> Report {
        Report {
            profile: Some(Profile::aal2()),
            idle: HOUR,
            absolute: 12 * HOUR,
            longest_idle: None,
            longest_absolute: None,
            renew_after: None,
            grace: HOUR,
            persistent: false,
            limit: None,
            transports: vec![signed(Cookie::host("sid").describe())],
            revocation: RevocationKind::Store,
            keys: Vec::new(),
            verifiers: 0,
            observed: true,
            lazy: false,
            store_timeout: HOUR,
            anonymous_when_store_fails: false,
            keep_edits_on_server_error: false,
            revocation_check: HOUR,
            deviations: Vec::new(),
        }
    }

    fn signed(description: Description) -> TransportReport {
        let format = TicketFormat::Signed;
        TransportReport { description, format, single_use: false, read_only: false }
    }

    fn of(report: &Report) -> Vec<String> {
        let short = |one: Deviation| {
            let strength = if one.required { "" } else { "?" };
            format!("{} {}{strength} {}", one.standard.short(), one.requirement, one.level)
        };
        all(report).into_iter().map(short).collect()
    }

    #[test]
    fn r13_each_transport_setting_is_measured_by_the_requirement_that_is_about_it() {
        let plain = |cookie: Cookie| cookie.dangerously_allow_plain_http().describe();
        let (host, secure) = (|| Cookie::host("sid"), || Cookie::secure("sid"));
        let query = Query::named("ticket").describe();
        let cases: Vec<(&str, Description, &[&str])> = vec![
            ("the default", host().describe(), &[]),
            ("strict", host().same_site(SameSite::Strict).describe(), &[]),
            ("partitioned", host().partitioned().describe(), &[]),
            ("typed", Cookie::named("__HOST-sid").describe(), &[]),
            ("a header", Header::named("x-session").describe(), &[]),
            ("a bearer token", Bearer::new().describe(), &[]),
            ("a foreign one", Description::new(Place::Other, "x"), &[]),
            ("the query string", query, &["ASVS 14.2.1 L1"]),
            (
                "plain HTTP",
                plain(host()),
                &["ASVS 3.3.1 L1", "ASVS 3.3.3 L2", "NIST 5.1.1 (1) AAL1", "NIST 5.1.1 (5)? AAL1"],
            ),
            (
                "no prefix",
                Cookie::named("sid").describe(),
                &["ASVS 3.3.1 L1", "ASVS 3.3.3 L2", "NIST 5.1.1 (5)? AAL1"],
            ),
            (
                "__Secure- without need",
                secure().describe(),
                &["ASVS 3.3.3 L2", "NIST 5.1.1 (5)? AAL1"],
            ),
            ("shared", secure().domain("example.com").describe(), &["NIST 5.1.1 (5)? AAL1"]),
            (
                "readable by scripts",
                host().dangerously_readable_by_scripts().describe(),
                &["ASVS 3.3.4 L2", "NIST 5.1.1 (3)? AAL1"],
            ),
            (
                "all sites",
                host().same_site(SameSite::None).describe(),
                &["ASVS 3.3.2 L2", "NIST 5.1.1 (6)? AAL1"],
            ),
            ("kept for an hour", host().max_age(HOUR).describe(), &["NIST 5.1? AAL1"]),
            (
                "kept longer than any session",
                host().max_age(13 * HOUR).describe(),
                &["NIST 5.1? AAL1", "NIST 5.1.1 (4)? AAL1"],
            ),
        ];
        for (name, transport, expected) in cases {
            let report = Report { transports: vec![signed(transport)], ..faultless() };
            assert_eq!(of(&report), expected, "{name}");
        }
    }

    #[test]
    fn r13_each_setting_of_the_layer_is_measured_by_the_requirement_that_is_about_it() {
        let base = faultless;
        let legacy = |read_only| TransportReport {
            format: TicketFormat::FastapiSessions,
            read_only,
            ..signed(Cookie::host("sid").describe())
        };
        let cases: Vec<(&str, Report, &[&str])> = vec![
            ("nothing", base(), &[]),
            ("no observer", Report { observed: false, ..base() }, &["ASVS 16.3.3 L2"]),
            (
                "anonymous when the store fails",
                Report { anonymous_when_store_fails: true, ..base() },
                &["ASVS 16.5.3 L2"],
            ),
            ("persistent", Report { persistent: true, ..base() }, &["NIST 5.1? AAL1"]),
            (
                "an idle limit that never acts",
                Report { absolute: HOUR, ..base() },
                &["ASVS 7.3.1 L2"],
            ),
            (
                "no way to end a session",
                Report { revocation: RevocationKind::Impossible, ..base() },
                &["ASVS 7.4.1 L1"],
            ),
            ("a deny list", Report { revocation: RevocationKind::DenyList(HOUR), ..base() }, &[]),
            (
                "cookies of fastapi-sessions",
                Report { transports: vec![legacy(false)], ..base() },
                &["ASVS 11.4.1 L1", "ASVS 11.2.3 L2"],
            ),
            ("read only", Report { transports: vec![legacy(true)], ..base() }, &[]),
            ("lazy", Report { lazy: true, verifiers: 3, ..base() }, &[]),
            ("edits kept", Report { keep_edits_on_server_error: true, ..base() }, &[]),
        ];
        for (name, report, expected) in cases {
            assert_eq!(of(&report), expected, "{name}");
        }
    }

    #[test]
    fn r09_limits_are_measured_by_the_level_of_the_profile_or_by_all_three() {
        let second = Duration::from_secs(1);
        let minutes = |minutes: u32| Duration::from_secs(60) * minutes;
        let cases: Vec<(&str, Option<Profile>, Duration, Duration, &[&str])> = vec![
            ("the defaults", None, minutes(30), 12 * HOUR, &["NIST 2.3.3? AAL3"]),
            ("aal3 to the second", None, minutes(15), 12 * HOUR, &[]),
            ("overall, aal3", None, minutes(15), 12 * HOUR + second, &["NIST 2.3.3 AAL3"]),
            (
                "overall, aal2",
                None,
                minutes(15),
                24 * HOUR + second,
                &["NIST 2.2.3? AAL2", "NIST 2.3.3 AAL3"],
            ),
            (
                "idle, aal2",
                None,
                HOUR + second,
                12 * HOUR,
                &["NIST 2.2.3? AAL2", "NIST 2.3.3? AAL3"],
            ),
            (
                "overall, aal1",
                None,
                minutes(15),
                720 * HOUR + second,
                &["NIST 2.1.3? AAL1", "NIST 2.2.3? AAL2", "NIST 2.3.3 AAL3"],
            ),
            ("aal1 asks nothing more", Some(Profile::aal1()), 20 * HOUR, 720 * HOUR, &[]),
            ("aal2 is not aal3", Some(Profile::aal2()), HOUR, 24 * HOUR, &[]),
            (
                "an exception",
                Some(Profile::aal3().dangerously_allow_longer("one door")),
                HOUR,
                24 * HOUR,
                &["NIST 2.3.3 AAL3", "NIST 2.3.3? AAL3"],
            ),
        ];
        for (name, profile, idle, absolute, expected) in cases {
            let excused = profile.as_ref().is_some_and(|profile| profile.reason().is_some());
            let report = Report { profile, idle, absolute, ..faultless() };
            assert_eq!(of(&report), expected, "{name}");
            assert!(all(&report).iter().all(|one| one.reason.is_some() == excused), "{name}");
        }
    }
}
