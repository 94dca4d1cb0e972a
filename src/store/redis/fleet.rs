//! The server or servers, behind one way to ask them.
//!
//! A command that a server refused to run is sent again where it belongs, a few times. One whose
//! outcome is unknown is sent again, once, if it only reads; a write is not, for a compare-and-swap
//! that was lost on the way back would then fail against itself.

use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, RedisError, ServerErrorKind, Value};
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
    One(Link),
    Cluster(Arc<Cluster>),
}

impl Fleet {
    pub(super) fn new(address: Address, patience: Duration) -> Self {
        let dial = match address {
            Address::Cluster { seeds, manner } => {
                return Self::Cluster(Arc::new(Cluster::new(seeds, manner, patience)));
            }
            Address::One(info) => Dial::One(info),
            Address::Sentinel { sentinels, service, manner } => {
                let link = |info| Link::new(Dial::One(info), patience);
                let sentinels = sentinels.into_iter().map(link).collect();
                Dial::Primary { sentinels, service, manner }
            }
        };
        Self::One(Link::new(dial, patience))
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::One(link) if matches!(link.whom(), Dial::One(_)) => "one server",
            Self::One(_) => "Sentinel",
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
                if Instant::now() + pause >= until {
                    return Err(failure);
                }
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
            Self::One(link) => return link.send(command, until).await,
            Self::Cluster(cluster) => cluster,
        };
        let mut map = cluster.map();
        let slot = slot(key);
        // A node that did not answer may have been replaced. Who found out may not have waited to
        // see by whom.
        let in_doubt = map.owner(slot).map(|owner| cluster.link(owner).is_in_doubt());
        if in_doubt != Some(false) {
            let refreshed = cluster.refresh(&map, until).await;
            if in_doubt.is_none() {
                refreshed?;
            }
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
        if failure.is_passing() {
            // What the failed command came to is not changed by whether the map is had.
            drop(cluster.refresh(&map, until).await);
        }
        Err(failure)
    }

    /// The servers that take writes, as far as is known, and the connection to each, for commands
    /// without a key; and what stays the same until slots move between them.
    pub(super) fn servers(&self) -> (Vec<(Peer, Link)>, String) {
        match self {
            Self::One(link) => (vec![(only(), link.clone())], String::new()),
            Self::Cluster(cluster) => {
                let map = cluster.map();
                let links = map.primaries().into_iter().map(|peer| {
                    let link = cluster.link(&peer);
                    (peer, link)
                });
                (links.collect(), map.digest())
            }
        }
    }

    /// Asks who they are now.
    pub(super) async fn look_around(&self, until: Instant) -> Result<(), Failure> {
        match self {
            Self::One(_) => Ok(()),
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
