//! A report as aligned text and as JSON.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Deviation, Report, RevocationKind, TransportReport};
use crate::codec::TicketFormat;
use crate::store::{Excess, Limit};
use crate::transport::{Description, Place};

impl Report {
    /// The report as one line of JSON, for programs. Times are in seconds; what is not set is
    /// `null`.
    ///
    /// ```
    /// use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// let report: serde_json::Value = serde_json::from_str(&sessions.report().to_json())?;
    /// assert_eq!(report["transports"][0]["name"], "__Host-sid");
    /// assert_eq!(report["absolute_seconds"], 43_200);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn to_json(&self) -> String {
        json!({
            "profile": self.profile.as_ref().map(|profile| json!({
                "level": profile.level().as_str(),
                "longer_because": profile.reason(),
            })),
            "idle_seconds": seconds(self.idle),
            "absolute_seconds": seconds(self.absolute),
            "longest_idle_seconds": self.longest_idle.map(seconds),
            "longest_absolute_seconds": self.longest_absolute.map(seconds),
            "renew_after_seconds": self.renew_after.map(seconds),
            "grace_seconds": seconds(self.grace),
            "persistent": self.persistent,
            "limit": self.limit.map(|limit| json!({
                "sessions": limit.max,
                "then": beyond(limit),
            })),
            "transports": self.transports.iter().map(transport).collect::<Vec<_>>(),
            "revocation": self.revocation.as_str(),
            "key_ids": self.keys.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "verifiers": self.verifiers,
            "observed": self.observed,
            "lazy": self.lazy,
            "store_timeout_seconds": seconds(self.store_timeout),
            "anonymous_when_store_fails": self.anonymous_when_store_fails,
            "keep_edits_on_server_error": self.keep_edits_on_server_error,
            "revocation_check_seconds": seconds(self.revocation_check),
            "deviations": self.deviations.iter().map(deviation).collect::<Vec<_>>(),
        })
        .to_string()
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let choose = |on, yes: &str, no: &str| if on { yes } else { no }.to_owned();
        let mut rows = vec![
            ("profile", self.profile_row()),
            ("idle limit", span(self.idle)),
            ("absolute limit", span(self.absolute)),
            ("a single login", self.login_row()),
            ("ticket renewal", self.renewal_row()),
            (
                "kept by clients",
                choose(self.persistent, "until the absolute limit", "until they close"),
            ),
            ("sessions a subject", self.limit_row()),
        ];
        for transport in &self.transports {
            rows.push(("transport", transport_row(transport)));
        }
        rows.extend(self.key_rows().map(|key| ("key", key)));
        rows.extend([
            ("revocation", self.revocation_row()),
            ("verifiers", self.verifiers.to_string()),
            ("observer", choose(self.observed, "told of events", "none")),
            ("loading", choose(self.lazy, "when somebody asks", "before the handler")),
            ("store timeout", span(self.store_timeout)),
            (
                "when the store fails",
                choose(self.anonymous_when_store_fails, "anonymous; writes 503", "503"),
            ),
            ("edits when 5xx", choose(self.keep_edits_on_server_error, "are kept", "are dropped")),
            ("revocation check", self.check_row()),
        ]);
        rows
    }

    fn key_rows(&self) -> impl Iterator<Item = String> {
        let sealed = self.revocation != RevocationKind::Store;
        let newest = if sealed { "seals" } else { "signs" };
        let uses = std::iter::once(newest).chain(std::iter::repeat("still accepted"));
        let none = self.keys.is_empty().then(|| "none that has an id".to_owned());
        self.keys.iter().zip(uses).map(|(key, use_)| format!("{key} ({use_})")).chain(none)
    }

    fn revocation_row(&self) -> String {
        match self.revocation {
            RevocationKind::Store => "in the store".to_owned(),
            RevocationKind::DenyList(longest) => {
                format!("by a deny list, of sessions that live {} at most", span(longest))
            }
            RevocationKind::Impossible => {
                "impossible: a copied ticket passes until it expires".to_owned()
            }
        }
    }

    fn check_row(&self) -> String {
        match self.revocation {
            RevocationKind::Impossible => "none".to_owned(),
            _ => format!("every {}", span(self.revocation_check)),
        }
    }

    fn profile_row(&self) -> String {
        match &self.profile {
            None => "none".to_owned(),
            Some(profile) if profile.reason().is_none() => profile.level().to_string(),
            Some(profile) => format!("{}, with an exception", profile.level()),
        }
    }

    fn login_row(&self) -> String {
        match (self.longest_idle, self.longest_absolute) {
            (None, None) => "may choose any limits".to_owned(),
            (idle, absolute) => {
                let most = |limit: Option<Duration>| limit.map_or_else(|| "any".to_owned(), span);
                format!("at most {} idle and {} in all", most(idle), most(absolute))
            }
        }
    }

    fn renewal_row(&self) -> String {
        match self.renew_after {
            None if !self.has_generations() => {
                "none: an older ticket is as good as the newest".to_owned()
            }
            None => "never".to_owned(),
            Some(after) => format!("every {}, grace {}", span(after), span(self.grace)),
        }
    }

    fn has_generations(&self) -> bool {
        self.transports.iter().any(|transport| transport.format.has_generations())
    }

    fn limit_row(&self) -> String {
        match self.limit {
            None => "any number".to_owned(),
            Some(Limit { max, excess: Excess::Deny }) => format!("{max}; one more is refused"),
            Some(Limit { max, excess: Excess::EvictOldest }) => {
                format!("{max}; one more ends the oldest")
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("session layer\n")?;
        for (name, value) in self.rows() {
            writeln!(f, "  {name:<20}  {value}")?;
        }
        if self.deviations.is_empty() {
            return f.write_str("no deviations\n");
        }
        f.write_str("deviations\n")?;
        let heads: Vec<_> = self.deviations.iter().map(head).collect();
        let width = heads.iter().map(String::len).max().unwrap_or_default();
        for (head, deviation) in heads.iter().zip(&self.deviations) {
            writeln!(f, "  {head:<width$}  {}", Said(deviation))?;
        }
        Ok(())
    }
}

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", head(self), Said(self))
    }
}

/// The sentence, and why that is accepted.
struct Said<'d>(&'d Deviation);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A name or reason with a line break in it forges no line (ASVS 16.4.1).
        write!(f, "{}", printable(&self.0.text))?;
        match &self.0.reason {
            Some(reason) => write!(f, "; accepted because: {}", printable(reason)),
            None => Ok(()),
        }
    }
}

fn head(deviation: &Deviation) -> String {
    let standard = deviation.standard.short();
    let Deviation { requirement, level, required, .. } = deviation;
    let should = if *required { "" } else { ", should" };
    format!("{standard} {requirement} ({level}{should})")
}

fn transport_row(transport: &TransportReport) -> String {
    let TransportReport { description, format, single_use, read_only } = transport;
    let tickets = match format {
        TicketFormat::Signed if *single_use => "single-use tickets, for handshakes",
        TicketFormat::Signed => "signed tickets",
        TicketFormat::Carried => "sealed tickets with the session in them",
        TicketFormat::FastapiSessions => "tickets of fastapi-sessions",
    };
    let alarm = if format.has_generations() { "" } else { ", no theft alarm" };
    let read = if *read_only { ", only read" } else { "" };
    format!("{}; {tickets}{alarm}{read}", place_row(description))
}

fn place_row(description: &Description) -> String {
    let name = printable(&description.name);
    let Place::Cookie(attributes) = &description.place else {
        return format!("{} {name}", description.place.as_str());
    };
    let mut parts = Vec::new();
    parts.extend(attributes.secure.then(|| "Secure".to_owned()));
    parts.extend(attributes.http_only.then(|| "HttpOnly".to_owned()));
    parts.push(format!("SameSite={}", attributes.same_site.as_str()));
    parts.push(format!("Path={}", attributes.path));
    parts.extend(attributes.domain.as_ref().map(|domain| format!("Domain={domain}")));
    parts.extend(attributes.partitioned.then(|| "Partitioned".to_owned()));
    parts.extend(attributes.max_age.map(|age| format!("Max-Age={}", age.as_secs())));
    format!("cookie {name}: {}", parts.join(", "))
}

fn transport(transport: &TransportReport) -> Value {
    let TransportReport { description, format, single_use, read_only } = transport;
    let mut value = json!({
        "place": description.place.as_str(),
        "name": description.name,
        "format": format.as_str(),
        "single_use": single_use,
        "read_only": read_only,
    });
    if let (Place::Cookie(attributes), Some(object)) = (&description.place, value.as_object_mut()) {
        object.extend([
            ("secure".to_owned(), attributes.secure.into()),
            ("http_only".to_owned(), attributes.http_only.into()),
            ("same_site".to_owned(), attributes.same_site.as_str().into()),
            ("path".to_owned(), (*attributes.path).into()),
            ("domain".to_owned(), attributes.domain.as_deref().into()),
            ("partitioned".to_owned(), attributes.partitioned.into()),
            ("max_age_seconds".to_owned(), attributes.max_age.map(seconds).into()),
        ]);
    }
    value
}

fn deviation(deviation: &Deviation) -> Value {
    json!({
        "standard": deviation.standard.title(),
        "requirement": deviation.requirement,
        "level": deviation.level,
        "required": deviation.required,
        "text": deviation.text,
        "accepted_because": deviation.reason,
    })
}

const fn beyond(limit: Limit) -> &'static str {
    match limit.excess {
        Excess::Deny => "deny",
        Excess::EvictOldest => "evict_oldest",
    }
}

/// Whole seconds as an integer.
fn seconds(duration: Duration) -> Value {
    if duration.subsec_nanos() == 0 {
        return duration.as_secs().into();
    }
    duration.as_secs_f64().into()
}

/// A duration in the largest unit of which it is a whole number.
pub(super) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if duration.subsec_nanos() != 0 {
        return format!("{} ms", duration.as_millis());
    }
    if seconds >= FOR_EVER {
        return "for ever".to_owned();
    }
    match seconds {
        0 => "0 s".to_owned(),
        _ if seconds.is_multiple_of(86_400) && seconds > 86_400 => {
            format!("{} d", seconds / 86_400)
        }
        _ if seconds.is_multiple_of(3600) => format!("{} h", seconds / 3600),
        _ if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}

fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A thousand years.
const FOR_EVER: u64 = 1000 * 365 * 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_told_in_its_largest_whole_unit() {
        let cases = [
            (0, "0 s"),
            (30_000, "30 s"),
            (1_500, "1500 ms"),
            (60_000, "1 min"),
            (90_000, "90 s"),
            (5_400_000, "90 min"),
            (86_400_000, "24 h"),
            (172_800_000, "2 d"),
            (2_592_000_000, "30 d"),
        ];
        for (millis, text) in cases {
            assert_eq!(span(Duration::from_millis(millis)), text);
        }
        assert_eq!(span(Duration::from_secs(u64::MAX)), "for ever");
    }
}
