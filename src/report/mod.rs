//! What a layer is set to, and where that falls short of the standards.

mod deviation;
mod show;
mod tickets;

use std::time::Duration;

pub use self::deviation::{Deviation, Standard};
pub use self::tickets::{RevocationKind, TransportReport};
use crate::codec::TicketFormat;
use crate::key::{KeyId, Keyring};
use crate::profile::{Ceiling, Profile};
use crate::shared::Shared;
use crate::store::Limit;

/// The settings of a built layer, for whoever must know or sign what holds: its limits, where the
/// ticket travels, what happens when something fails, and each deviation from OWASP ASVS 5.0 and
/// NIST SP 800-63B-4 (ASVS 7.1.1 and 7.1.2 want the limits in writing).
///
/// Write it where the application starts, as text for people or as one line of JSON for programs.
/// It holds no secret: keys appear by their [ids](KeyId).
///
/// ```
/// use sessile::{Key, SessionLayer, Values, store::MemoryStore};
/// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
/// let report = sessions.report();
/// println!("{report}");
/// assert!(report.to_string().contains("cookie __Host-sid: Secure, HttpOnly, SameSite=Lax"));
/// assert!(report.to_json().contains(r#""idle_seconds":1800"#));
/// ```
///
/// A test can hold a layer to a standard:
///
/// ```
/// use sessile::{Event, Key, Profile, SessionLayer, Standard, Values, store::MemoryStore};
/// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
///     .profile(Profile::aal3())
///     .observer(|event: &Event<'_>| eprintln!("{event:?}"));
/// assert!(sessions.report().deviations.is_empty());
///
/// let unobserved = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
/// let deviations = unobserved.report().deviations;
/// assert!(deviations.iter().any(|d| d.standard == Standard::Asvs && d.requirement == "16.3.3"));
/// ```
///
/// # What is judged
/// ASVS 5.0: 3.3.1–3.3.4, 7.3.1, 7.4.1, 11.2.3, 11.4.1, 14.2.1, 16.3.3 and 16.5.3. NIST SP
/// 800-63B-4: the limits of 2.1.3, 2.2.3 and 2.3.3, of the [profile](Profile)'s level alone if there
/// is one, and 5.1 and 5.1.1.
/// What no setting can break (random ids, a new ticket at each login, deadlines that the server
/// keeps) is not mentioned. What a layer cannot see is not judged: protection against forged
/// requests, TLS, and what handlers do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The profile that the limits are held to.
    pub profile: Option<Profile>,
    /// How long a session may stay unused.
    pub idle: Duration,
    /// How long it may live in all.
    pub absolute: Duration,
    /// The longest idle limit that a single login may choose; none means any.
    pub longest_idle: Option<Duration>,
    /// The longest absolute limit that a single login may choose; none means any.
    pub longest_absolute: Option<Duration>,
    /// How often the ticket is renewed, so that an older one gives a thief away; none means never,
    /// or that an older one is [as good as the newest](TicketFormat::has_generations).
    pub renew_after: Option<Duration>,
    /// How long the previous ticket passes after that.
    pub grace: Duration,
    /// Whether every client keeps its ticket when it closes.
    pub persistent: bool,
    /// How many sessions a subject may have; none means any number.
    pub limit: Option<Limit>,
    /// The ways in which tickets travel, in the order in which they are tried.
    pub transports: Vec<TransportReport>,
    /// How a session can be ended before it expires.
    pub revocation: RevocationKind,
    /// The ids of the keys that make its tickets, the newest first; none if they have no ids.
    pub keys: Vec<KeyId>,
    /// How many verifiers are asked about each session.
    pub verifiers: usize,
    /// Whether anybody is told of events.
    pub observed: bool,
    /// Whether sessions are loaded only when somebody asks.
    pub lazy: bool,
    /// How long a call of the store may take.
    pub store_timeout: Duration,
    /// Whether a request whose session cannot be loaded is served as if it had none.
    pub anonymous_when_store_fails: bool,
    /// Whether edits are kept when the handler answers 5xx.
    pub keep_edits_on_server_error: bool,
    /// How often a long-lived connection asks whether its session has been ended elsewhere.
    pub revocation_check: Duration,
    /// Where this falls short of a standard, ASVS first.
    pub deviations: Vec<Deviation>,
}

impl Report {
    pub(crate) fn of<T>(keys: &Keyring, shared: &Shared<T>) -> Self {
        let expiry = &shared.expiry;
        let ceiling = shared.ceiling();
        let bounded = |limit: Duration, none: Duration| (limit != none).then_some(limit);
        let revocation = RevocationKind::of(shared);
        let longest = ceiling.absolute.min(revocation.longest());
        let transports: Vec<_> =
            shared.transports.iter().map(|bound| TransportReport::of(bound, shared)).collect();
        let signed = transports.iter().any(|one| one.format == TicketFormat::Signed);
        let mut report = Self {
            profile: shared.profile.clone(),
            idle: expiry.idle,
            absolute: expiry.absolute.min(longest),
            longest_idle: bounded(ceiling.idle.min(longest), Ceiling::NONE.idle),
            longest_absolute: bounded(longest, Ceiling::NONE.absolute),
            renew_after: expiry.renew_after.filter(|_| signed),
            grace: expiry.grace,
            persistent: expiry.persistent,
            limit: shared.limit,
            transports,
            revocation,
            keys: match &shared.tickets {
                Some(tickets) => tickets.carrier().key_ids(),
                None if signed => keys.key_ids(),
                None => Vec::new(), // the secrets of another system
            },
            verifiers: shared.verifiers.len(),
            observed: shared.observer.is_some(),
            lazy: shared.lazy,
            store_timeout: shared.store_timeout,
            anonymous_when_store_fails: shared.anonymous_when_store_fails,
            keep_edits_on_server_error: shared.keep_edits_on_server_error,
            revocation_check: shared.revocation_check,
            deviations: Vec::new(),
        };
        report.deviations = deviation::all(&report);
        report
    }
}
