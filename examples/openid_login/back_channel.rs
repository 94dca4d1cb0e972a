//! OpenID Connect Back-Channel Logout 1.0: the provider says that somebody's session there has
//! ended, and the sessions here that came of it end as well.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use openidconnect::core::CoreProviderMetadata;
use serde::Deserialize;
use serde_json::{Map, Value, to_value};
use sessile::{Clock, Id, SystemClock, Timestamp};

use crate::failure::Failure;
use crate::provider::Proven;

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// What clocks may differ by.
const LEEWAY: Duration = Duration::from_secs(30);
/// How old a logout token may be. Providers send them at once, with some tries.
const OLDEST: Duration = Duration::from_secs(300);

/// For how long a logout is held against log-ins: longer than a provider's code is good for.
const HELD: Duration = Duration::from_secs(600);

/// Whose sessions shall end: all of the subject, or those of one session at the provider.
pub(crate) struct Logout {
    pub(crate) subject: Option<String>,
    pub(crate) sid: Option<String>,
    jti: String,
    until: Timestamp,
}

#[derive(Deserialize)]
struct Claims {
    sub: Option<String>,
    sid: Option<String>,
    iat: u64,
    exp: u64,
    jti: String,
    events: Map<String, Value>,
    /// Whatever it is, it must not be there: an ID token has one and is no logout token.
    #[serde(default, deserialize_with = "present")]
    nonce: bool,
}

/// Notes that there is a value, `null` included.
fn present<'de, D: serde::Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    serde::de::IgnoredAny::deserialize(value).map(|_| true)
}

/// Reads a logout token as section 2.6 wants it: of the type `logout+jwt`, signed by a key of the
/// provider, from it and for us, now, with the event, an id and no nonce.
pub(crate) fn verify(
    token: &str,
    metadata: &CoreProviderMetadata,
    client: &str,
    now: Timestamp,
) -> Result<Logout, Failure> {
    let bad = Failure::BadLogoutToken;
    let Ok(header) = decode_header(token) else { return Err(bad) };
    let right_type = header.typ.is_some_and(|typ| typ.eq_ignore_ascii_case("logout+jwt"));
    let curves = [Algorithm::ES256, Algorithm::EdDSA];
    if !right_type || !curves.contains(&header.alg) {
        return Err(bad);
    }
    let mut rules = Validation::new(header.alg);
    rules.set_issuer(&[metadata.issuer().as_str()]);
    rules.set_audience(&[client]);
    rules.set_required_spec_claims(&["iss", "aud", "exp"]);
    rules.validate_nbf = true;
    rules.leeway = LEEWAY.as_secs();

    let keys = metadata.jwks().keys().iter().filter_map(|key| {
        let key: Jwk = serde_json::from_value(to_value(key).ok()?).ok()?;
        let named = header.kid.is_none() || key.common.key_id == header.kid;
        if named { DecodingKey::from_jwk(&key).ok() } else { None }
    });
    let Some(claims) = keys
        .into_iter()
        .find_map(|key| decode::<Claims>(token, &key, &rules).ok().map(|token| token.claims))
    else {
        return Err(bad);
    };
    let issued = Timestamp::from_millis(claims.iat.saturating_mul(1000));
    let timely = issued <= now.plus(LEEWAY) && now.since(issued) <= OLDEST + LEEWAY;
    let event = claims.events.get(EVENT).is_some_and(Value::is_object);
    let somebody = claims.sub.is_some() || claims.sid.is_some();
    if !timely || !event || !somebody || claims.nonce || claims.jti.is_empty() {
        return Err(bad);
    }
    let until = Timestamp::from_millis(claims.exp.saturating_mul(1000)).plus(LEEWAY);
    Ok(Logout { subject: claims.sub, sid: claims.sid, jti: claims.jti, until })
}

/// Which sessions came of which session at the provider, who was logged out lately, and which logout
/// tokens were used. In a database where there are several nodes.
#[derive(Default)]
pub(crate) struct Logins(Mutex<Known>);

#[derive(Default)]
struct Known {
    sessions: HashMap<Id, Login>,
    logged_out: Vec<LoggedOut>,
    used: HashMap<String, Timestamp>,
}

struct LoggedOut {
    subject: Option<String>,
    sid: Option<String>,
    at: Timestamp,
}

struct Login {
    user: String,
    sid: String,
    until: Timestamp,
}

impl Logins {
    /// This session of this user, until then at the latest, came of that session at the provider.
    pub(crate) fn began(&self, id: Id, user: String, sid: String, until: Timestamp) {
        let now = Timestamp::from(SystemClock.now());
        let mut known = self.known();
        known.sessions.retain(|_, login| login.until > now);
        known.sessions.insert(id, Login { user, sid, until });
    }

    /// This session has ended, whatever ended it.
    pub(crate) fn ended(&self, id: Id) {
        self.known().sessions.remove(&id);
    }

    /// The sessions that came of this one, with their users.
    pub(crate) fn of_sid(&self, sid: &str) -> Vec<(Id, String)> {
        let known = self.known();
        let of_it = known.sessions.iter().filter(|(_, login)| login.sid == sid);
        of_it.map(|(id, login)| (*id, login.user.clone())).collect()
    }

    /// Notes that the provider has said so.
    pub(crate) fn log_out(&self, logout: &Logout, now: Timestamp) {
        let Logout { subject, sid, .. } = logout;
        let mut known = self.known();
        known.logged_out.retain(|logged_out| now.since(logged_out.at) < HELD);
        known.logged_out.push(LoggedOut { subject: subject.clone(), sid: sid.clone(), at: now });
    }

    /// Whether the provider has logged out who proved this: the session there, which does not come
    /// back, or all of the subject's since this time.
    pub(crate) fn are_logged_out(&self, proven: &Proven, since: Timestamp) -> bool {
        self.known().logged_out.iter().any(|LoggedOut { subject, sid, at }| {
            subject.as_ref().is_none_or(|subject| *subject == proven.subject)
                && match sid {
                    Some(_) => *sid == proven.sid,
                    None => *at >= since,
                }
        })
    }

    /// Uses a logout token up. A second time it is refused.
    pub(crate) fn spend(&self, logout: &Logout, now: Timestamp) -> Result<(), Failure> {
        let mut known = self.known();
        known.used.retain(|_, until| *until > now);
        match known.used.insert(logout.jti.clone(), logout.until) {
            None => Ok(()),
            Some(_) => Err(Failure::BadLogoutToken),
        }
    }

    /// What it asked for could not be done: the provider may send it again.
    pub(crate) fn unspend(&self, logout: &Logout) {
        self.known().used.remove(&logout.jti);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
