//! Where the keys are spread over a cluster: a call takes several steps.
//!
//! 1. A place in the subject's index comes before its record and goes after it. So no record is
//!    ever without a place, whatever crashes; a place without a record is harmless, and is
//!    cleared away by whoever sees it once no creation can still be under way.
//! 2. A place has a stamp that no other has, and the record says which place is its own. Clearing a
//!    place away can therefore never hit that of another session under the same id.
//! 3. A limit is decided on what was read of the index and the records, and holds because a place
//!    is taken only if the index has not changed since. Whoever is being created meanwhile is
//!    waited for.
//! 4. What a new session ends, it ends after it is there, and its record names those. A listing
//!    leaves them out from that moment.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::draft::Draft;
use super::engine::Engine;
use super::failure::unexpected;
use super::layout::owner;
use super::row::Row;
use super::script::PEEK;
use super::whole::name;
use crate::clock::Timestamp;
use crate::error::{StoreError, StoreErrorKind};
use crate::id::Id;
use crate::record::Meta;
use crate::store::{Admission, Created, Limit, Revoke, Revoked};

/// A place in the index of a subject.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    id: Id,
    /// When it was taken, in microseconds by the server's clock.
    stamp: u64,
}

impl Place {
    fn parse(member: &str) -> Option<Self> {
        let (id, stamp) = member.split_once(' ')?;
        Some(Self { id: id.parse().ok()?, stamp: stamp.parse().ok()? })
    }

    /// What the record says that has this place.
    fn entry(&self, owner: &str) -> String {
        format!("{owner}/{}", self.stamp)
    }

    /// What the record of another says that ended this one.
    fn cost(&self) -> String {
        format!("{}/{}", self.id, self.stamp)
    }

    const fn age(&self, time: u64) -> Duration {
        Duration::from_micros(time.saturating_sub(self.stamp))
    }
}

/// A place and the session that has it, if that is there.
struct Sight {
    place: Place,
    session: Option<Meta>,
    /// Nobody has the place: no session is there, or one in another place. What cannot be read may
    /// have it.
    is_void: bool,
    /// The places of sessions that it ended when it began.
    costs: BTreeSet<String>,
}

/// A page of an index.
struct Page {
    digest: String,
    /// The time of the server, in microseconds.
    time: u64,
    places: Vec<Place>,
    is_last: bool,
}

/// What became of asking for a place under a limit.
enum Verdict {
    In { stamp: String, others: Vec<String>, victims: Vec<Place> },
    Exists,
    Limit,
}

impl Engine {
    pub(super) async fn create_in_steps(
        self: Arc<Self>,
        id: Id,
        mut draft: Draft,
        admission: Admission,
        now: Timestamp,
    ) -> Result<Created, StoreError> {
        let until = self.until();
        let replacing = admission.replacing.filter(|old| *old != id);
        let limit = admission.limit.filter(|_| !draft.owner.is_empty());
        let verdict = match limit {
            Some(limit) => self.admit(id, &draft, limit, replacing, now, until).await?,
            None => self.let_in(id, &draft, until).await?,
        };
        let (stamp, others, victims) = match verdict {
            Verdict::In { stamp, others, victims } => (stamp, others, victims),
            Verdict::Exists => return Ok(Created::Exists),
            Verdict::Limit => return Ok(Created::Limit),
        };
        let mut place = String::new();
        if !stamp.is_empty() {
            place = format!("{}/{stamp}", draft.owner);
            let mut costs: Vec<String> = victims.iter().map(Place::cost).collect();
            if let Some(old) = replacing {
                let place = self.place_of(old, &draft.owner, until).await?;
                costs.extend(place.map(|place| place.cost()));
            }
            draft.place(&place, &costs);
        }
        if !self.put(id, &draft, now, until).await? {
            self.leave(id, &place, until).await?;
            return Ok(Created::Exists);
        }
        let mut evicted = Vec::new();
        for victim in victims {
            if self.end(victim.id, Some(&victim.entry(&draft.owner)), now).await? {
                evicted.push(victim.id);
            }
        }
        let replaced = match replacing {
            Some(old) => self.end(old, None, now).await?,
            None => false,
        };
        let others = others.iter().filter_map(|member| Place::parse(member)).collect();
        tokio::spawn(Arc::clone(&self).tidy(draft.owner, others));
        Ok(Created::Done { evicted, replaced })
    }

    /// Takes a place without asking who else is there.
    async fn let_in(&self, id: Id, draft: &Draft, until: Instant) -> Result<Verdict, StoreError> {
        let (victims, mut others) = (Vec::new(), Vec::new());
        if draft.owner.is_empty() {
            return Ok(Verdict::In { stamp: String::new(), others, victims });
        }
        let entered = self.enter(id, draft, "", "", until).await?.ok_or_else(unexpected)?;
        others.extend(entered.others);
        Ok(Verdict::In { stamp: entered.stamp, others, victims })
    }

    /// Takes a place if the limit allows, once nobody else is about to take one that would count.
    async fn admit(
        self: &Arc<Self>,
        id: Id,
        draft: &Draft,
        limit: Limit,
        replacing: Option<Id>,
        now: Timestamp,
        until: Instant,
    ) -> Result<Verdict, StoreError> {
        for attempt in 1_u32.. {
            if Instant::now() >= until {
                break;
            }
            let page = self.peek(&draft.owner, None, i64::MAX, until).await?;
            if self.is_taken(id, now, until).await? {
                return Ok(Verdict::Exists);
            }
            let (digest, time) = (page.digest, page.time);
            let mut seen = self.see(&draft.owner, page.places).await?;
            seen.retain(|sight| sight.place.id != id && Some(sight.place.id) != replacing);
            let coming = seen.iter().filter(|sight| sight.session.is_none());
            let coming = coming.filter(|sight| sight.place.age(time) < UNDER_WAY).count();
            seen.retain(|sight| sight.session.as_ref().is_some_and(|meta| meta.is_live(now)));
            if seen.len() >= limit.max && limit.denies() {
                // Whoever took the id meanwhile may be the reason why so many are there now.
                let taken = self.is_taken(id, now, until).await?;
                return Ok(if taken { Verdict::Exists } else { Verdict::Limit });
            }
            if coming == 0 || seen.len() + coming < limit.max {
                let victims = oldest(seen, limit.max);
                if let Some(at) = self.enter(id, draft, &digest, "", until).await? {
                    return Ok(Verdict::In { stamp: at.stamp, others: at.others, victims });
                }
            }
            sleep(MOMENT * attempt.min(8)).await;
        }
        Err(StoreError::new(StoreErrorKind::Timeout).with_source("too many sessions begin at once"))
    }

    async fn is_taken(&self, id: Id, now: Timestamp, until: Instant) -> Result<bool, StoreError> {
        let bytes = self.glance(id, until).await?;
        Ok(Row::read(&bytes).is_some_and(|row| row.meta.is_live(now)))
    }

    /// The place that a session has in this index.
    async fn place_of(
        &self,
        id: Id,
        owner: &str,
        until: Instant,
    ) -> Result<Option<Place>, StoreError> {
        let bytes = self.glance_at_best(id, until).await?;
        let place = Row::read(&bytes).and_then(|row| row.place?.split_once('/'));
        let stamp = place.filter(|(whose, _)| *whose == owner).map(|(_, stamp)| stamp.parse().ok());
        Ok(stamp.flatten().map(|stamp| Place { id, stamp }))
    }

    /// Ends what a new session costs, and tries again: the new one is there already.
    async fn end(
        self: &Arc<Self>,
        id: Id,
        place: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let once = async || match place {
            Some(place) => self.delete_at(id, place, now, self.until()).await,
            None => self.delete(id, now, self.until()).await,
        };
        for pause in [MOMENT, MOMENT * 50, MOMENT * 250] {
            match once().await {
                Ok(was_live) => return Ok(was_live),
                Err(_) => sleep(pause).await,
            }
        }
        once().await
    }

    pub(super) async fn list_in_steps(
        self: Arc<Self>,
        subject: &str,
        after: Option<Id>,
        max: usize,
        now: Timestamp,
    ) -> Result<Vec<(Id, Meta)>, StoreError> {
        let owner = owner(subject);
        // A session that ends cannot come back to its place. So if two looks see the same ones,
        // they were all there at one moment between the looks.
        let mut last: Option<Vec<Place>> = None;
        let mut found = Vec::new();
        for _ in 0..LOOKS {
            found = self.look(&owner, after, max, now).await?;
            let places = found.iter().map(|(place, _)| place.clone()).collect();
            if last.as_ref() == Some(&places) {
                break;
            }
            last = Some(places);
        }
        let subject: Arc<str> = subject.into();
        let named = found.into_iter().map(|(place, mut meta)| {
            meta.subject = Some(Arc::clone(&subject));
            (place.id, meta)
        });
        Ok(named.collect())
    }

    pub(super) async fn count_in_steps(
        self: Arc<Self>,
        subject: &str,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        Ok(self.look(&owner(subject), None, usize::MAX, now).await?.len())
    }

    /// Reads index and records once.
    async fn look(
        self: &Arc<Self>,
        owner: &str,
        mut after: Option<Id>,
        max: usize,
        now: Timestamp,
    ) -> Result<Vec<(Place, Meta)>, StoreError> {
        let mut found = Vec::new();
        let mut ended = BTreeSet::new();
        while found.len() < max {
            let page = self.peek(owner, after, PAGE, self.until()).await?;
            after = page.places.last().map(|place| place.id);
            let seen = self.see(owner, page.places).await?;
            let void: Vec<Place> = seen
                .iter()
                .filter(|sight| sight.is_void && sight.place.age(page.time) > FORGOTTEN)
                .map(|sight| sight.place.clone())
                .collect();
            if !void.is_empty() {
                tokio::spawn(Arc::clone(self).tidy(owner.to_owned(), void));
            }
            for sight in seen {
                if let Some(meta) = sight.session.filter(|meta| meta.is_live(now)) {
                    ended.extend(sight.costs);
                    found.push((sight.place, meta));
                }
            }
            found.retain(|(place, _)| !ended.contains(&place.cost()));
            if page.is_last {
                break;
            }
        }
        found.truncate(max);
        Ok(found)
    }

    pub(super) async fn revoke_in_steps(
        self: Arc<Self>,
        subject: &str,
        which: Revoke,
        max: usize,
        now: Timestamp,
    ) -> Result<Revoked, StoreError> {
        let owner = owner(subject);
        let (mut ended, mut after) = (Vec::new(), None);
        loop {
            let page = match which {
                Revoke::One(id) => self.page_of_one(id, &owner).await?,
                _ => self.peek(&owner, after, PAGE, self.until()).await?,
            };
            after = page.places.last().map(|place| place.id);
            let mut seen = self.see(&owner, page.places).await?;
            seen.retain(|sight| {
                which.includes(sight.place.id)
                    && sight.session.as_ref().is_some_and(|meta| meta.is_live(now))
            });
            let left = max - ended.len();
            let more = seen.len() > left;
            seen.truncate(left);
            let mut ends = JoinSet::new();
            for sight in seen {
                let (engine, entry) = (Arc::clone(&self), sight.place.entry(&owner));
                let id = sight.place.id;
                ends.spawn(async move {
                    let was_live = engine.delete_at(id, &entry, now, engine.until()).await?;
                    Ok::<_, StoreError>(was_live.then_some(id))
                });
            }
            for end in ends.join_all().await {
                ended.extend(end?);
            }
            if more || page.is_last {
                return Ok(Revoked::new(ended, more));
            }
        }
    }

    /// The place of one session, if it is the subject's.
    async fn page_of_one(&self, id: Id, owner: &str) -> Result<Page, StoreError> {
        let places = self.place_of(id, owner, self.until()).await?.into_iter().collect();
        Ok(Page { digest: String::new(), time: 0, places, is_last: true })
    }

    async fn peek(
        &self,
        owner: &str,
        after: Option<Id>,
        page: i64,
        until: Instant,
    ) -> Result<Page, StoreError> {
        let index = self.layout.index(owner);
        let call = PEEK.on([&index]).arg(name(after)).arg(page);
        let answer = call.texts(&self.fleet, until).await?;
        let [digest, time, members @ ..] = answer.as_slice() else {
            return Err(unexpected());
        };
        Ok(Page {
            digest: digest.clone(),
            time: time.parse().map_err(|_| unexpected())?,
            places: members.iter().filter_map(|member| Place::parse(member)).collect(),
            is_last: i64::try_from(members.len()).is_ok_and(|many| many < page),
        })
    }

    /// Reads the sessions that have these places, all at once.
    async fn see(
        self: &Arc<Self>,
        owner: &str,
        places: Vec<Place>,
    ) -> Result<Vec<Sight>, StoreError> {
        let mut reading = JoinSet::new();
        for place in places {
            let (engine, entry) = (Arc::clone(self), place.entry(owner));
            reading.spawn(async move { engine.see_one(place, &entry).await });
        }
        let mut seen = reading.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
        seen.sort_unstable_by(|one, other| one.place.cmp(&other.place));
        Ok(seen)
    }

    async fn see_one(&self, place: Place, entry: &str) -> Result<Sight, StoreError> {
        let read = self.glance(place.id, self.until()).await;
        let is_foreign = read.as_ref().is_err_and(is_undecodable);
        let bytes = if is_foreign { Vec::new() } else { read? };
        let row = Row::read(&bytes);
        let is_void = match &row {
            Some(row) => row.place != Some(entry),
            None => bytes.is_empty() && !is_foreign,
        };
        let costs = row.iter().flat_map(Row::costs).map(str::to_owned).collect();
        let session = row.filter(|row| row.place == Some(entry)).map(|row| {
            // One that cannot be read is no reason to refuse the subject's next login.
            let context = row.context().unwrap_or_default();
            let mut meta = row.meta;
            meta.context = context;
            meta
        });
        Ok(Sight { place, session, is_void, costs })
    }

    /// The same as `glance` where what cannot be read is as good as none.
    async fn glance_at_best(&self, id: Id, until: Instant) -> Result<Vec<u8>, StoreError> {
        match self.glance(id, until).await {
            Err(error) if is_undecodable(&error) => Ok(Vec::new()),
            bytes => bytes,
        }
    }

    /// Clears away places whose sessions have gone, if it can be done in passing.
    async fn tidy(self: Arc<Self>, owner: String, places: Vec<Place>) {
        let tidied = async {
            let Some(first) = places.first() else {
                return Ok(());
            };
            let before = self.peek(&owner, Some(first.id), 1, self.until()).await?.time;
            for sight in self.see(&owner, places).await? {
                if sight.is_void && sight.place.age(before) > FORGOTTEN {
                    let entry = sight.place.entry(&owner);
                    self.leave(sight.place.id, &entry, self.until()).await?;
                }
            }
            Ok::<_, StoreError>(())
        };
        // What was not done now is done when the places are seen next.
        drop(timeout(self.timeout, tidied).await);
    }
}

fn is_undecodable(error: &StoreError) -> bool {
    error.kind() == StoreErrorKind::Undecodable
}

/// Those who must go so that one more is within the limit.
fn oldest(mut live: Vec<Sight>, max: usize) -> Vec<Place> {
    let surplus = (live.len() + 1).saturating_sub(max);
    live.sort_unstable_by_key(|sight| {
        (sight.session.as_ref().map(|meta| meta.created), sight.place.id)
    });
    live.into_iter().take(surplus).map(|sight| sight.place).collect()
}

/// How long a place without a record may be that of a session about to be created, which others
/// wait for.
const UNDER_WAY: Duration = Duration::from_secs(10);
/// How long such a place is kept: much longer than any call lasts.
const FORGOTTEN: Duration = Duration::from_secs(60);
const MOMENT: Duration = Duration::from_millis(2);
/// How many places are read at a time.
const PAGE: i64 = 500;
/// How often a listing looks again when something changes under its eyes.
const LOOKS: usize = 8;
