//! Which node of a cluster has which slot, and the connections to the nodes.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{FromRedisValue, Value};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::address::{Manner, Peer};
use super::dial::{self, Dial};
use super::failure::Failure;
use super::link::Link;

pub(super) struct Cluster {
    seeds: Vec<Peer>,
    manner: Manner,
    patience: Duration,
    map: Mutex<Arc<SlotMap>>,
    links: Mutex<HashMap<Peer, Link>>,
    /// When the map was last asked for and what came of it, held while it is.
    asked: tokio::sync::Mutex<Option<(Instant, Result<(), Failure>)>>,
}

/// Ranges of slots with their primaries, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SlotMap(Vec<(u16, u16, Peer)>);

impl SlotMap {
    pub(super) fn owner(&self, slot: u16) -> Option<&Peer> {
        let place = self.0.partition_point(|(_, last, _)| *last < slot);
        self.0.get(place).filter(|(first, ..)| *first <= slot).map(|(.., peer)| peer)
    }

    pub(super) fn primaries(&self) -> BTreeSet<Peer> {
        self.0.iter().map(|(.., peer)| peer.clone()).collect()
    }

    /// The same map but for this slot.
    fn with(&self, slot: u16, owner: Peer) -> Self {
        let mut ranges = vec![(slot, slot, owner)];
        for (first, last, peer) in &self.0 {
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
        Self(ranges)
    }

    /// From the answer to `CLUSTER SLOTS`.
    fn read(value: Value) -> Option<Self> {
        let mut ranges = Vec::new();
        for range in Vec::<Value>::from_redis_value(value).ok()? {
            let mut fields = Vec::<Value>::from_redis_value(range).ok()?.into_iter();
            let first = u16::from_redis_value(fields.next()?).ok()?;
            let last = u16::from_redis_value(fields.next()?).ok()?;
            let mut node = Vec::<Value>::from_redis_value(fields.next()?).ok()?.into_iter();
            let host = Option::<String>::from_redis_value(node.next()?).ok()?.unwrap_or_default();
            let port = u16::from_redis_value(node.next()?).ok()?;
            ranges.push((first, last, Peer { host, port }));
        }
        ranges.sort_unstable();
        (!ranges.is_empty()).then_some(Self(ranges))
    }
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
        map.0.len() > PATCHED
    }

    /// Reads the map again, unless somebody just did: then what came of that is the answer. `seen`
    /// is the map that turned out to be wrong.
    pub(super) async fn refresh(&self, seen: &Arc<SlotMap>, until: Instant) -> Result<(), Failure> {
        let arrived = Instant::now();
        let mut asked = timeout_at(until, self.asked.lock()).await.map_err(|_| Failure::Late)?;
        if !Arc::ptr_eq(&self.map(), seen) {
            return Ok(());
        }
        if let Some((last, outcome)) = &*asked {
            // One whose time ran out learnt nothing.
            if *last > arrived && !matches!(outcome, Err(Failure::Late)) {
                return outcome.clone();
            }
            sleep_until(until.min(*last + PAUSE)).await;
        }
        let began = Instant::now();
        let outcome = self.read_map(seen, until).await;
        *asked = Some((began, outcome.clone()));
        outcome
    }

    /// Asks all nodes that are known.
    async fn read_map(&self, seen: &SlotMap, until: Instant) -> Result<(), Failure> {
        let mut nodes: BTreeSet<Peer> = seen.primaries();
        nodes.extend(self.links().keys().cloned());
        nodes.extend(self.seeds.iter().cloned());
        let mut question = redis::cmd("CLUSTER");
        question.arg("SLOTS");
        let nodes = nodes.iter().map(|peer| self.manner.at(peer)).collect();
        let answer = dial::first(nodes, question, until, SlotMap::read).await;
        let map = answer.map_err(|error| error.map_or(Failure::Late, Failure::Unsent))?;
        self.adopt(map);
        Ok(())
    }

    fn adopt(&self, mut map: SlotMap) {
        // A node that does not know its own name leaves it out: it is the one that was asked,
        // or, with one seed, that.
        if let Some(seed) = self.seeds.first() {
            for (.., peer) in map.0.iter_mut().filter(|(.., peer)| peer.host.is_empty()) {
                peer.host.clone_from(&seed.host);
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_belongs_to_the_range_around_it() {
        let peer = |port| Peer { host: "h".to_owned(), port };
        let map = SlotMap(vec![(0, 10, peer(1)), (11, 20, peer(2)), (30, 40, peer(1))]);
        let owner = |slot| map.owner(slot).map(|peer| peer.port);
        assert_eq!([0, 10, 11, 20, 30, 40].map(owner), [1, 1, 2, 2, 1, 1].map(Some));
        assert_eq!([25, 41].map(owner), [None, None], "nobody has these");
        assert_eq!(map.primaries().len(), 2);
    }

    #[test]
    fn a_slot_that_moved_is_somebody_elses_and_the_rest_stays() {
        let peer = |port| Peer { host: "h".to_owned(), port };
        let map = SlotMap(vec![(0, 10, peer(1)), (11, 20, peer(2))]);
        for moved in [0, 5, 10, 11, 20, 25] {
            let patched = map.with(moved, peer(3)).with(moved, peer(3));
            for slot in 0..30 {
                let expected = map.owner(slot).cloned().filter(|_| slot != moved);
                let expected = expected.or_else(|| (slot == moved).then(|| peer(3)));
                assert_eq!(patched.owner(slot).cloned(), expected, "{slot} when {moved} moved");
            }
        }
    }
}
