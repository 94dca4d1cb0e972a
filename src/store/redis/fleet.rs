//! The server or servers, behind one way to ask them.
//!
//! A command that a server refused to run is sent again where it belongs, a few times. One whose
//! outcome is unknown is sent again, once, if it only reads; a write is not, for a compare-and-swap
//! that was lost on the way back would then fail against itself.

use std::collections::BTreeSet;
use std::time::Duration;

use redis::{Cmd, ConnectionInfo, RedisError, ServerErrorKind, Value};
use tokio::time::{Instant, sleep};

use super::address::{Address, Peer};
use super::cluster::Cluster;
use super::dial::Dial;
use super::failure::Failure;
use super::layout::slot;
use super::link::Link;

/// Whether a command may be sent again when nobody knows what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Done twice it is done once.
    Idempotent,
    /// Done twice it may undo what the first time did, or misread it.
    Once,
}

pub(super) enum Fleet {
    /// One server, or the primary that Sentinels name.
    One {
        link: Link,
        dial: Dial,
    },
    Cluster(Cluster),
}

impl Fleet {
    pub(super) fn new(address: Address, patience: Duration) -> Self {
        let dial = match address {
            Address::Cluster { seeds, manner } => {
                return Self::Cluster(Cluster::new(seeds, manner, patience));
            }
            Address::One(info) => Dial::One(info),
            Address::Sentinel { sentinels, service, manner } => {
                Dial::Primary { sentinels, service, manner }
            }
        };
        Self::One { link: Link::new(dial.clone(), patience), dial }
    }

    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::One { dial: Dial::One(_), .. } => "one server",
            Self::One { .. } => "Sentinel",
            Self::Cluster(_) => "cluster",
        }
    }

    /// Asks the server that has this key.
    pub(super) async fn ask(
        &self,
        key: &str,
        command: &Cmd,
        effect: Effect,
        until: Instant,
    ) -> Result<Value, Failure> {
        let mut pause = FIRST_PAUSE;
        let mut attempts = ATTEMPTS;
        loop {
            attempts -= 1;
            let failure = match self.attempt(key, command, until).await {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            if attempts == 0 || !self.is_worth_repeating(&failure, effect, attempts) {
                return Err(failure);
            }
            if !matches!(failure.refusal(), Some(ServerErrorKind::Moved)) && failure.is_passing() {
                sleep(pause).await;
                pause *= 2;
            }
        }
    }

    fn is_worth_repeating(&self, failure: &Failure, effect: Effect, left: u32) -> bool {
        match failure {
            Failure::Late => false,
            // A node that is down may have been replaced by now.
            Failure::Unsent(_) => matches!(self, Self::Cluster(_)) && left == ATTEMPTS - 1,
            Failure::Sent(_) if failure.is_passing() => true,
            Failure::Sent(error) => {
                effect == Effect::Idempotent
                    && error.is_connection_dropped()
                    && left == ATTEMPTS - 1
            }
        }
    }

    async fn attempt(&self, key: &str, command: &Cmd, until: Instant) -> Result<Value, Failure> {
        let cluster = match self {
            Self::One { link, .. } => return link.send(command, until).await,
            Self::Cluster(cluster) => cluster,
        };
        let mut map = cluster.map();
        let slot = slot(key);
        if map.owner(slot).is_none() {
            cluster.refresh(&map, until).await?;
            map = cluster.map();
        }
        let owner = map.owner(slot).ok_or_else(nobody)?;
        let failure = match cluster.link(owner).send(command, until).await {
            Ok(value) => return Ok(value),
            Err(failure) => failure,
        };
        if let Some(other) = redirection(&failure, owner) {
            if failure.refusal() == Some(ServerErrorKind::Ask) {
                return cluster.link(&other).send_asking(command, until).await;
            }
            if !cluster.learn(slot, other) {
                return Err(failure);
            }
        }
        if !matches!(failure, Failure::Sent(_)) || failure.is_passing() {
            // What the failed command came to is not changed by whether the map is had.
            drop(cluster.refresh(&map, until).await);
        }
        Err(failure)
    }

    /// All servers that take writes, and how to connect to each.
    pub(super) async fn primaries(
        &self,
        until: Instant,
    ) -> Result<Vec<(Peer, ConnectionInfo)>, Failure> {
        match self {
            Self::One { dial: Dial::One(info), .. } => Ok(vec![(only(), info.clone())]),
            Self::One { dial: dial @ Dial::Primary { manner, .. }, .. } => {
                let primary = dial.primary(until).await.map_err(Failure::Unsent)?;
                let info = manner.at(&primary);
                Ok(vec![(primary, info)])
            }
            Self::Cluster(cluster) => {
                cluster.refresh(&cluster.map(), until).await?;
                let primaries = cluster.map().primaries().into_iter();
                Ok(primaries
                    .map(|peer| {
                        let info = cluster.manner().at(&peer);
                        (peer, info)
                    })
                    .collect())
            }
        }
    }

    /// The connection to each of them, for commands without a key, as far as is known.
    pub(super) fn links(&self) -> Vec<(Peer, Link)> {
        match self {
            Self::One { link, .. } => vec![(only(), link.clone())],
            Self::Cluster(cluster) => {
                let primaries: BTreeSet<Peer> = cluster.map().primaries();
                primaries.into_iter().map(|peer| (peer.clone(), cluster.link(&peer))).collect()
            }
        }
    }

    /// Asks who they are now.
    pub(super) async fn look_around(&self, until: Instant) -> Result<(), Failure> {
        match self {
            Self::One { .. } => Ok(()),
            Self::Cluster(cluster) => cluster.refresh(&cluster.map(), until).await,
        }
    }
}

/// Where a slot that is being moved has gone. Without a host it is another port of the same.
fn redirection(failure: &Failure, from: &Peer) -> Option<Peer> {
    let (address, _) = failure.error()?.redirect_node()?;
    let mut peer = Peer::parse(address)?;
    if peer.host.is_empty() {
        peer.host.clone_from(&from.host);
    }
    Some(peer)
}

/// Where there is but one server its name does not matter.
const fn only() -> Peer {
    Peer { host: String::new(), port: 0 }
}

fn nobody() -> Failure {
    let error: RedisError =
        (redis::ErrorKind::ClusterConnectionNotFound, "no node of the cluster has this slot")
            .into();
    Failure::Unsent(error)
}

const ATTEMPTS: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(20);
