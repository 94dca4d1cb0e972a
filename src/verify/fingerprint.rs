//! Whether it is still the same client.

use super::{Consequence, Verdict, Verifier, Visit};
use crate::answer::{Answer, StoreAnswer};
use crate::client::Client;

/// Compares the client of a request with the one that logged in (NIST SP 800-63B, 5.3, session
/// monitoring). By default it [observes](Verdict::Observe) and nothing else.
///
/// A difference is a hint, not a proof. Clients change their network when they leave the house,
/// and their user agent when they are updated; who steals a ticket can imitate the agent. So begin
/// with observing, see how often it speaks up, and let it [`step_up`](Self::step_up) then: who is
/// at home logs in again for what is delicate, who is a thief cannot. That login is a
/// [`create`](crate::Session::create), which records the new client.
///
/// 1. [`user_agent`](Self::user_agent) compares without the digits, dots and underscores that make
///    up versions: an update is no difference, another browser is.
/// 2. [`network`](Self::network) compares [`Client::network`]: the address for IPv4, the first 64
///    bits for IPv6.
/// 3. What was not known at login is not compared, and neither is anything where the layer does
///    not [record clients](crate::SessionLayer::client_hints) any more. What was known and is not
///    now is a difference: a request without a user agent is not from the browser that logged in.
///
/// ```
/// # use std::net::IpAddr;
/// # use sessile::{ClientHints, Key, SessionLayer, Values, store::MemoryStore};
/// # let hints = ClientHints::from_peer(|_| None::<IpAddr>);
/// use sessile::verify::Fingerprint;
/// let sessions = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
///     .client_hints(hints)
///     .verifier(Fingerprint::network())
///     .verifier(Fingerprint::user_agent().step_up());
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "a verifier judges nothing until a layer is given it"]
pub struct Fingerprint {
    trait_of: Trait,
    consequence: Consequence,
}

/// What is compared.
#[derive(Clone, Copy, Debug)]
enum Trait {
    UserAgent,
    Network,
}

impl Fingerprint {
    /// Compares what the client calls itself.
    pub const fn user_agent() -> Self {
        Self { trait_of: Trait::UserAgent, consequence: Verdict::Observe }
    }

    /// Compares where the client is.
    pub const fn network() -> Self {
        Self { trait_of: Trait::Network, consequence: Verdict::Observe }
    }

    /// Asks for a fresh login for whatever is delicate ([`Verdict::StepUp`]).
    pub const fn step_up(mut self) -> Self {
        self.consequence = Verdict::StepUp;
        self
    }

    /// Serves the request as if it had no session, which stays for the client that logged in
    /// ([`Verdict::Void`]).
    ///
    /// ```
    /// use sessile::verify::Fingerprint;
    /// let elsewhere_is_nobody = Fingerprint::network().void();
    /// ```
    pub const fn void(mut self) -> Self {
        self.consequence = Verdict::Void;
        self
    }

    /// Ends the session, also for the client that logged in ([`Verdict::End`]). Whoever holds a
    /// ticket can then log its owner out, which they could anyway.
    ///
    /// ```
    /// use sessile::verify::Fingerprint;
    /// let machines_that_never_move = Fingerprint::network().end();
    /// ```
    pub const fn end(mut self) -> Self {
        self.consequence = Verdict::End;
        self
    }
}

impl<T> Verifier<T> for Fingerprint {
    fn verify(&self, visit: &Visit<'_, T>) -> StoreAnswer<Verdict> {
        let context = visit.record.meta.context.as_deref();
        let then = context.and_then(|context| context.client.as_ref());
        let differs =
            then.zip(visit.client).is_some_and(|(then, now)| self.trait_of.differs(then, now));
        let reason = self.trait_of.reason();
        Answer::ready(Ok(if differs { (self.consequence)(reason) } else { Verdict::Pass }))
    }
}

impl Trait {
    fn differs(self, then: &Client, now: &Client) -> bool {
        match self {
            Self::UserAgent => then.user_agent().is_some_and(|then| {
                now.user_agent().is_none_or(|now| !versionless(then).eq(versionless(now)))
            }),
            Self::Network => then.network().is_some() && then.network() != now.network(),
        }
    }

    const fn reason(self) -> &'static str {
        match self {
            Self::UserAgent => "another user agent than at login",
            Self::Network => "another network than at login",
        }
    }
}

/// A user agent without what an update changes.
fn versionless(agent: &str) -> impl Iterator<Item = char> {
    agent.chars().filter(|sign| !sign.is_ascii_digit() && !matches!(sign, '.' | '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIREFOX: &str =
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:139.0) Gecko/20100101 Firefox/139.0";

    fn client(address: Option<&str>, agent: Option<&str>) -> Client {
        Client::new(address.map(|address| address.parse().unwrap()), agent)
    }

    #[test]
    fn r65_an_update_is_no_other_user_agent() {
        let updated = FIREFOX.replace("139.0", "140.0.1").replace("10.15", "10_16");
        for (then, now, differs) in [
            (Some(FIREFOX), Some(FIREFOX), false),
            (Some(FIREFOX), Some(&*updated), false),
            (Some(FIREFOX), Some("curl/8.14.1"), true),
            (Some(FIREFOX), Some(""), true),
            (Some(FIREFOX), None, true),
            (Some(""), Some(""), false),
            (None, Some(FIREFOX), false),
            (None, None, false),
        ] {
            let (then, now) = (client(None, then), client(None, now));
            assert_eq!(Trait::UserAgent.differs(&then, &now), differs, "{:?}", now.user_agent());
        }
    }

    #[test]
    fn r65_a_network_is_that_of_a_household() {
        for (then, now, differs) in [
            (Some("192.0.2.7"), Some("192.0.2.7"), false),
            (Some("192.0.2.7"), Some("::ffff:192.0.2.7"), false),
            (Some("192.0.2.7"), Some("192.0.2.8"), true),
            (Some("192.0.2.7"), Some("2001:db8::7"), true),
            (Some("2001:db8::7"), Some("2001:db8::1:2:3:4"), false),
            (Some("2001:db8::7"), Some("2001:db8:0:1::7"), true),
            (Some("192.0.2.7"), None, true),
            (None, Some("192.0.2.7"), false),
        ] {
            let differed = Trait::Network.differs(&client(then, None), &client(now, None));
            assert_eq!(differed, differs, "{then:?} {now:?}");
        }
    }
}
