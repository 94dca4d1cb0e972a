//! Which node of a cluster has which slot, and the connections to the nodes.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use data_encoding::HEXLOWER;
use redis::{Cmd, FromRedisValue, Value};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::address::{Manner, Peer};
use super::dial::Dial;
use super::failure::Failure;
use super::link::{Link, first};

pub(super) struct Cluster {
    seeds: Vec<Peer>,
    manner: Manner,
    patience: Duration,
    map: Mutex<Arc<SlotMap>>,
    links: Mutex<HashMap<Peer, Link>>,
    /// When the map was last asked for and what came of it, held while it is.
    asked: tokio::sync::Mutex<Option<(Instant, Result<(), Failure>)>>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SlotMap {
    /// Ranges of slots with their primaries, in order.
    ranges: Vec<(u16, u16, Peer)>,
    /// What the cluster calls these primaries. An address may depend on who is asked for it.
    names: BTreeSet<String>,
}

impl SlotMap {
    pub(super) fn owner(&self, slot: u16) -> Option<&Peer> {
        let place = self.ranges.partition_point(|(_, last, _)| *last < slot);
        self.ranges.get(place).filter(|(first, ..)| *first <= slot).map(|(.., peer)| peer)
    }

    pub(super) fn primaries(&self) -> BTreeSet<Peer> {
        self.ranges.iter().map(|(.., peer)| peer.clone()).collect()
    }

    pub(super) const fn names(&self) -> &BTreeSet<String> {
        &self.names
    }

    /// The same text for as long as no slot moves.
    pub(super) fn digest(&self) -> String {
        let (mut digest, mut last) = (Sha256::new(), None);
        for (first, _, peer) in &self.ranges {
            // A range may have been cut where nothing changes.
            if last != Some(peer) {
                digest.update(format!("{first} {peer} "));
            }
            last = Some(peer);
        }
        HEXLOWER.encode(digest.finalize().get(..DIGEST).unwrap_or_default())
    }

    /// The same map but for this slot.
    fn with(&self, slot: u16, owner: Peer) -> Self {
        let mut ranges = vec![(slot, slot, owner)];
        for (first, last, peer) in &self.ranges {
            let before = (*first, slot.saturating_sub(1).min(*last));
            let after = (slot.saturating_add(1).max(*first), *last);
            for (first, last) in [before, after] {
                if first <= last && !(first..=last).contains(&slot) {
                    ranges.push((first, last, peer.clone()));
                }
            }
        }
        ranges.sort_unstable();
        ranges.dedup();
        Self { ranges, names: self.names.clone() }
    }

    /// From the answer of this node. One that does not know its own address, or shall not tell
    /// others', leaves the host out: it is the one under which it was asked.
    fn read(asked: &str, value: Value) -> Option<Self> {
        let (mut ranges, mut names) = (Vec::new(), BTreeSet::new());
        for range in Vec::<Value>::from_redis_value(value).ok()? {
            let mut fields = Vec::<Value>::from_redis_value(range).ok()?.into_iter();
            let first = u16::from_redis_value(fields.next()?).ok()?;
            let last = u16::from_redis_value(fields.next()?).ok()?;
            let mut node = Vec::<Value>::from_redis_value(fields.next()?).ok()?.into_iter();
            let host = Option::<String>::from_redis_value(node.next()?).ok()?;
            let host = host.filter(|host| !host.is_empty()).unwrap_or_else(|| asked.to_owned());
            let port = u16::from_redis_value(node.next()?).ok()?;
            names.insert(String::from_redis_value(node.next()?).ok()?);
            ranges.push((first, last, Peer { host, port }));
        }
        ranges.sort_unstable();
        (!ranges.is_empty()).then_some(Self { ranges, names })
    }

    /// The names alone.
    pub(super) fn names_in(value: Value) -> Option<BTreeSet<String>> {
        Self::read("", value).map(|map| map.names)
    }
}

/// What every node answers with the map.
pub(super) fn question() -> Cmd {
    let mut question = redis::cmd("CLUSTER");
    question.arg("SLOTS");
    question
}

impl Cluster {
    pub(super) fn new(seeds: Vec<Peer>, manner: Manner, patience: Duration) -> Self {
        let (map, links, asked) = Default::default();
        Self { seeds, manner, patience, map, links, asked }
    }

    pub(super) fn map(&self) -> Arc<SlotMap> {
        Arc::clone(&self.map.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn link(&self, peer: &Peer) -> Link {
        let mut links = self.links();
        if let Some(link) = links.get(peer) {
            return link.clone();
        }
        let link = Link::new(Dial::One(self.manner.at(peer)), self.patience);
        links.insert(peer.clone(), link.clone());
        link
    }

    pub(super) const fn manner(&self) -> &Manner {
        &self.manner
    }

    /// A node says where a slot is now. The others may not know yet, so they are not asked until
    /// much has moved. Answers whether that is so.
    pub(super) fn learn(&self, slot: u16, owner: Peer) -> bool {
        let mut map = self.map.lock().unwrap_or_else(PoisonError::into_inner);
        *map = Arc::new(map.with(slot, owner));
        map.ranges.len() > PATCHED
    }

    /// Reads the map again, unless somebody just did: then what came of that is the answer. `seen`
    /// is the map that turned out to be wrong. It goes on when nobody waits any longer, for those
    /// who find out that a node is silent have no time left.
    pub(super) async fn refresh(
        self: &Arc<Self>,
        seen: &Arc<SlotMap>,
        until: Instant,
    ) -> Result<(), Failure> {
        let reading = tokio::spawn(Arc::clone(self).read_again(Arc::clone(seen)));
        match timeout_at(until, reading).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => Err(Failure::Late),
        }
    }

    async fn read_again(self: Arc<Self>, seen: Arc<SlotMap>) -> Result<(), Failure> {
        let arrived = Instant::now();
        let mut until = arrived + self.patience;
        let mut asked = timeout_at(until, self.asked.lock()).await.map_err(|_| Failure::Late)?;
        if !Arc::ptr_eq(&self.map(), &seen) {
            return Ok(());
        }
        if let Some((last, outcome)) = &*asked {
            // One whose time ran out learnt nothing.
            if *last > arrived && !matches!(outcome, Err(Failure::Late)) {
                return outcome.clone();
            }
            sleep_until(*last + PAUSE).await;
        }
        let began = Instant::now();
        until = began + self.patience;
        let outcome = self.read_map(&seen, until).await;
        *asked = Some((began, outcome.clone()));
        outcome
    }

    /// Asks all nodes that are known, each on its connection.
    async fn read_map(&self, seen: &SlotMap, until: Instant) -> Result<(), Failure> {
        let mut nodes: BTreeSet<Peer> = seen.primaries();
        nodes.extend(self.links().keys().cloned());
        nodes.extend(self.seeds.iter().cloned());
        let nodes = nodes.into_iter().map(|peer| {
            let link = self.link(&peer);
            (peer.host, link)
        });
        let read = |host: &String, value| SlotMap::read(host, value);
        let map = first(nodes.collect(), question(), until, read).await;
        self.adopt(map.map_err(|failure| failure.map_or(Failure::Late, Failure::unsent))?);
        Ok(())
    }

    fn adopt(&self, map: SlotMap) {
        let primaries = map.primaries();
        let seeds: BTreeSet<&Peer> = self.seeds.iter().collect();
        self.links().retain(|peer, _| primaries.contains(peer) || seeds.contains(peer));
        *self.map.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(map);
    }

    fn links(&self) -> MutexGuard<'_, HashMap<Peer, Link>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As many ranges as a map has that was not put together slot by slot.
const PATCHED: usize = 256;
/// The map is asked for at most this often.
const PAUSE: Duration = Duration::from_millis(100);
/// So many bytes tell one map from another.
const DIGEST: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(port: u16) -> Peer {
        Peer { host: "h".to_owned(), port }
    }

    fn map<const N: usize>(ranges: [(u16, u16, u16); N]) -> SlotMap {
        let ranges = ranges.map(|(first, last, port)| (first, last, peer(port))).into();
        SlotMap { ranges, names: BTreeSet::new() }
    }

    #[test]
    fn a_slot_belongs_to_the_range_around_it() {
        let map = map([(0, 10, 1), (11, 20, 2), (30, 40, 1)]);
        let owner = |slot| map.owner(slot).map(|peer| peer.port);
        assert_eq!([0, 10, 11, 20, 30, 40].map(owner), [1, 1, 2, 2, 1, 1].map(Some));
        assert_eq!([25, 41].map(owner), [None, None], "nobody has these");
        assert_eq!(map.primaries().len(), 2);
    }

    #[test]
    fn a_slot_that_moved_is_somebody_elses_and_the_rest_stays() {
        let map = map([(0, 10, 1), (11, 20, 2)]);
        for moved in [0, 5, 10, 11, 20, 25] {
            let patched = map.with(moved, peer(3)).with(moved, peer(3));
            for slot in 0..30 {
                let expected = map.owner(slot).cloned().filter(|_| slot != moved);
                let expected = expected.or_else(|| (slot == moved).then(|| peer(3)));
                assert_eq!(patched.owner(slot).cloned(), expected, "{slot} when {moved} moved");
            }
        }
    }

    #[test]
    fn a_digest_changes_with_what_moves_and_not_with_how_it_is_written() {
        let whole = map([(0, 10, 1), (11, 20, 2)]);
        assert_eq!(whole.digest(), map([(0, 4, 1), (5, 10, 1), (11, 20, 2)]).digest());
        assert_eq!(whole.digest(), whole.with(5, peer(2)).with(5, peer(1)).digest());
        let others = [whole.with(5, peer(2)), map([(0, 11, 1), (12, 20, 2)]), map([(0, 20, 1)])];
        for other in others {
            assert_ne!(whole.digest(), other.digest(), "{other:?}");
        }
    }

    #[test]
    fn a_node_without_a_host_is_the_one_that_was_asked() {
        let [name, nil] = ["a1b2", ""].map(|text| Value::BulkString(text.into()));
        for host in [nil, Value::Nil] {
            let node = Value::Array(vec![host, Value::Int(7), name.clone()]);
            let range = Value::Array(vec![Value::Int(0), Value::Int(9), node]);
            let map = SlotMap::read("h", Value::Array(vec![range])).unwrap();
            assert_eq!(map.owner(5), Some(&peer(7)));
            assert_eq!(map.names, BTreeSet::from(["a1b2".to_owned()]));
        }
        assert_eq!(SlotMap::read("h", Value::Array(vec![])), None, "it knows nothing");
    }
}
