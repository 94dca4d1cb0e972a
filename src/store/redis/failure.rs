//! What can go wrong between here and Redis, in the words of a store.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::error::{OpenError, OpenErrorKind, StoreError, StoreErrorKind};

/// A command that did not succeed.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// It was not sent: the server cannot be reached.
    Unsent(RedisError),
    /// It was sent, and this is what came back, or that nothing did.
    Sent(RedisError),
    /// The time was up.
    Late,
}

impl Failure {
    pub(super) const fn error(&self) -> Option<&RedisError> {
        match self {
            Self::Unsent(error) | Self::Sent(error) => Some(error),
            Self::Late => None,
        }
    }

    /// Of what kind the server's own refusal is, if it was one.
    pub(super) fn refusal(&self) -> Option<ServerErrorKind> {
        match self.error()?.kind() {
            ErrorKind::Server(kind) => Some(kind),
            _ => None,
        }
    }

    /// Whether the key has a value of a type that the command is not for.
    pub(super) fn is_wrong_type(&self) -> bool {
        self.error().is_some_and(|error| speaks_of(error, "WRONGTYPE"))
    }

    /// Whether the server, though reached, did nothing and may do better elsewhere or later.
    pub(super) fn is_passing(&self) -> bool {
        matches!(
            self.refusal(),
            Some(
                ServerErrorKind::Moved
                    | ServerErrorKind::Ask
                    | ServerErrorKind::TryAgain
                    | ServerErrorKind::ClusterDown
                    | ServerErrorKind::MasterDown
                    | ServerErrorKind::BusyLoading
            )
        ) || self
            .error()
            .is_some_and(|error| speaks_of(error, "READONLY") || speaks_of(error, IN_TWO_PLACES))
    }

    /// The same where it was another command that failed, before the one in question was sent.
    pub(super) fn unsent(self) -> Self {
        match self {
            Self::Sent(error) => Self::Unsent(error),
            failure => failure,
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        let error = match failure {
            Failure::Late => return Self::new(StoreErrorKind::Timeout),
            Failure::Unsent(error) | Failure::Sent(error) => error,
        };
        let kind = if error.is_timeout() {
            StoreErrorKind::Timeout
        } else if error.code() == Some("OOM") {
            StoreErrorKind::Full
        } else if speaks_of(&error, "WRONGTYPE") || speaks_of(&error, "UNDECODABLE") {
            return undecodable("not a record");
        } else {
            StoreErrorKind::Unavailable
        };
        Self::new(kind).with_source(error)
    }
}

/// A script's own complaint is wrapped in words that differ from version to version.
pub(super) fn speaks_of(error: &RedisError, word: &str) -> bool {
    error.detail().is_some_and(|detail| detail.contains(word)) || error.code() == Some(word)
}

/// What is stored is not what a store of this kind wrote. Says where, never what is there.
pub(super) fn undecodable(place: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Undecodable).with_source(place)
}

/// An answer that no server of this kind gives.
pub(super) fn unexpected() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable).with_source("an answer that no Redis gives")
}

/// Why the store could not be opened.
pub(super) fn opening(failure: &Failure) -> OpenError {
    let Some(error) = failure.error().cloned() else {
        return OpenError::new(OpenErrorKind::Unreachable, "the server did not answer in time");
    };
    let kind = error.kind();
    let denied = kind == ErrorKind::AuthenticationFailed
        || kind == ErrorKind::Server(ServerErrorKind::NoPerm)
        || matches!(error.code(), Some("NOAUTH" | "WRONGPASS"))
        || ["NOPERM", "ACL failure", "NOAUTH", "WRONGPASS", "no permissions"]
            .iter()
            .any(|word| speaks_of(&error, word));
    let (kind, remedy) = if denied {
        (OpenErrorKind::Denied, NO_RIGHT)
    } else if speaks_of(&error, "READONLY") {
        (
            OpenErrorKind::Unreachable,
            "this server is a replica: name the primary, or let Sentinel find it with \
             `redis+sentinel://host:port/service`",
        )
    } else if speaks_of(&error, "DB index") {
        (OpenErrorKind::Config, "the server has no database of this number")
    } else if speaks_of(&error, "cluster support disabled") {
        (OpenErrorKind::Config, "the server is no cluster: write `redis://` for it")
    } else if kind == ErrorKind::Server(ServerErrorKind::Moved) {
        (OpenErrorKind::Config, A_CLUSTER)
    } else if speaks_of(&error, "Unknown Redis command") || speaks_of(&error, "unknown command") {
        (OpenErrorKind::Config, "the server is too old: Redis 6.2 or Valkey is needed")
    } else if error.to_string().contains("invalid peer certificate") {
        (
            OpenErrorKind::Config,
            "the server's certificate is not to be trusted: name the host as the certificate does \
             (the servers of a cluster, and those behind Sentinel, name each other), \
             and its authority with `RedisOptions::root_certificate`",
        )
    } else {
        (OpenErrorKind::Unreachable, "check the address, and that the server is up")
    };
    OpenError::new(kind, remedy).with_source(error)
}

const NO_RIGHT: &str = "check user and password, and that the user may run `@string @sortedset \
                        @keyspace @scripting time ping info role select asking client|tracking \
                        cluster|slots` on the keys of this prefix";

pub(super) const A_CLUSTER: &str =
    "the server is one of a cluster: write `redis+cluster://` for it";

/// What a server says when a script needs a key that is not here, or not yet, because the slot is
/// being moved. Scripts write nothing before they have read what they need.
const IN_TWO_PLACES: &str = "non local key";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_names_the_same_rights_as_the_remedy() {
        let documented: Vec<&str> = include_str!("mod.rs")
            .split_once("ACL SETUSER")
            .and_then(|(_, rest)| rest.split_once("```"))
            .map(|(rights, _)| rights.split_whitespace().filter_map(|word| word.strip_prefix('+')))
            .unwrap()
            .collect();
        let asked: Vec<&str> = NO_RIGHT.split('`').nth(1).unwrap().split(' ').collect();
        assert_eq!(documented, asked);
    }

    #[test]
    fn what_a_server_refused_to_do_for_now_may_be_sent_again() {
        let said = |text: &str| {
            let answer = redis::parse_redis_value(format!("-{text}\r\n").as_bytes()).unwrap();
            Failure::Sent(answer.extract_error().unwrap_err()).is_passing()
        };
        let wrapped = "ERR Error running script (call to f_12): @user_script:3: ";
        for (text, passing) in [
            ("TRYAGAIN Multiple keys request during rehashing of slot".to_owned(), true),
            ("READONLY You can't write against a read only replica.".to_owned(), true),
            (format!("{wrapped}-READONLY You can't write against a read only replica."), true),
            ("ERR Script attempted to access a non local key in a cluster node".to_owned(), true),
            (format!("{wrapped}Lua script attempted to access a non local key in a node"), true),
            ("NOREPLICAS Not enough good replicas to write.".to_owned(), false),
            ("OOM command not allowed when used memory > 'maxmemory'.".to_owned(), false),
            (format!("{wrapped}UNDECODABLE"), false),
        ] {
            assert_eq!(said(&text), passing, "{text}");
        }
    }
}
