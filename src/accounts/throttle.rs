//! Throttling: how often somebody may try.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::error::AccountError;
use crate::client::Client;
use crate::clock::Timestamp;

/// How fast attempts may follow each other, per account and per client (ASVS 6.3.1).
///
/// 1. An account is what was typed to log in, whether it exists or not. A client is its IPv4
///    address or the first 64 bits of its IPv6 address.
/// 2. The first attempts are free. After each further one that fails, the next is heard after a
///    second, two seconds, four, and so on up to 15 minutes. What comes earlier is refused without
///    looking at it, and does not make the wait longer: nobody is locked out for good.
/// 3. Failures are forgiven one by one, within an hour as many as are free, the time of a wait not
///    counted. So an address that many share is not blocked by the typing errors of a week, and
///    who guesses gains nothing by pausing. What was quiet for a day is forgotten.
/// 4. An attempt under way counts as one that fails, so that a thousand at once are not a thousand
///    free ones: where the next failure would begin a wait, they are heard one at a time.
/// 5. A log-in that succeeds clears the account, and leaves the client's record as it is: who logs in
///    to an account of their own does not pay for guesses at others. A password that was reset
///    through the e-mail clears the account, too.
///
/// # Defaults
/// - per [`account`](Self::account): 5 free attempts
/// - per [`client`](Self::client): 20 free attempts, since many may share an address
///
/// The record is in this process's memory, at most 65 536 entries (4 MiB); when a bucket of eight is
/// full, the entry with the fewest failures goes. Several nodes count each for itself.
///
/// *Why not a library:* `governor` and its kin meter a steady rate. They know no failures and no
/// backoff, and their keyed state grows with the number of keys, which here is the attacker's to
/// choose.
///
/// ```
/// use std::time::Duration;
/// use sessile::accounts::{AccountErrorKind, Throttle};
/// use sessile::{Client, Timestamp};
/// let throttle = Throttle::new().account(2).longest(Duration::from_secs(60));
/// let (client, now) = (Client::default(), Timestamp::from_millis(0));
/// for _ in 0..3 {
///     drop(throttle.attempt("ann@example.org", &client, now)?); // which is to fail
/// }
/// let error = throttle.attempt("ann@example.org", &client, now).unwrap_err();
/// assert_eq!(error.kind(), AccountErrorKind::Throttled);
/// assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
/// throttle.attempt("bob@example.org", &client, now)?.succeeded();
/// # Ok::<(), sessile::accounts::AccountError>(())
/// ```
#[derive(Clone)]
pub struct Throttle {
    accounts: Limit,
    clients: Limit,
    longest: Duration,
    table: Arc<Table>,
}

/// How many attempts are free; `None` if nothing is counted.
type Limit = Option<u32>;

struct Table {
    buckets: Box<[Mutex<Vec<Entry>>]>,
    /// With a key of this process's own, so that nobody can aim at a bucket.
    hasher: RandomState,
}

#[derive(Clone, Copy)]
struct Entry {
    key: u64,
    failures: u32,
    /// How many attempts are under way.
    pending: u32,
    /// From when on the next failure to be forgiven waits for that.
    since: Timestamp,
    /// The time before which nothing is heard.
    until: Timestamp,
}

/// Whose attempts are counted, and how many are free.
#[derive(Clone, Copy)]
struct Counted {
    key: u64,
    free: u32,
}

impl Throttle {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        let buckets = (0..BUCKETS).map(|_| Mutex::default()).collect();
        let table = Table { buckets, hasher: RandomState::new() };
        Self {
            accounts: Some(5),
            clients: Some(20),
            longest: Duration::from_secs(15 * 60),
            table: Arc::new(table),
        }
    }

    /// Sets how many attempts on an account are free.
    #[must_use]
    pub const fn account(mut self, free: u32) -> Self {
        self.accounts = Some(free);
        self
    }

    /// Sets how many attempts of a client are free.
    ///
    /// ```
    /// let throttle = sessile::accounts::Throttle::new().client(100); // behind one large NAT
    /// ```
    #[must_use]
    pub const fn client(mut self, free: u32) -> Self {
        self.clients = Some(free);
        self
    }

    /// Counts no clients, for applications that do not know their clients' addresses: behind a
    /// proxy that is not told apart, everybody would be one client.
    ///
    /// ```
    /// let throttle = sessile::accounts::Throttle::new().without_clients();
    /// ```
    #[must_use]
    pub const fn without_clients(mut self) -> Self {
        self.clients = None;
        self
    }

    /// Sets the longest wait. It is what a stranger can keep the owner of an account waiting by
    /// failing again and again, until they reset the password.
    #[must_use]
    pub const fn longest(mut self, wait: Duration) -> Self {
        self.longest = wait;
        self
    }

    /// Begins an attempt on this account by this client. It has failed unless it is said to have
    /// succeeded.
    ///
    /// # Errors
    /// [`Throttled`](super::AccountErrorKind::Throttled), with the time to wait.
    pub fn attempt(
        &self,
        account: &str,
        client: &Client,
        now: Timestamp,
    ) -> Result<Attempt<'_>, AccountError> {
        let account = self.accounts.map(|free| self.counted(("account", account), free));
        let network = client.network();
        let client = self.clients.zip(network).map(|(free, of)| self.counted(("client", of), free));
        let mut attempt = Attempt { throttle: self, account: None, client: None, now };
        if let Some(client) = client {
            self.admit(client, now)?;
            attempt.client = Some(client);
        }
        if let Some(account) = account {
            if let Err(error) = self.admit(account, now) {
                attempt.withdrawn(); // what is not heard does not count, for either
                return Err(error);
            }
            attempt.account = Some(account);
        }
        Ok(attempt)
    }

    /// Forgets what failed on this account.
    ///
    /// ```
    /// use sessile::{Client, Timestamp};
    /// let throttle = sessile::accounts::Throttle::new().account(0);
    /// let now = Timestamp::from_millis(0);
    /// drop(throttle.attempt("ann", &Client::default(), now));
    /// assert!(throttle.attempt("ann", &Client::default(), now).is_err());
    /// throttle.clear("ann");
    /// assert!(throttle.attempt("ann", &Client::default(), now).is_ok());
    /// ```
    pub fn clear(&self, account: &str) {
        self.forget(self.key(("account", account)));
    }

    fn key(&self, of: impl std::hash::Hash) -> u64 {
        self.table.hasher.hash_one(of)
    }

    fn counted(&self, of: impl std::hash::Hash, free: u32) -> Counted {
        Counted { key: self.key(of), free }
    }

    fn bucket(&self, key: u64) -> Option<MutexGuard<'_, Vec<Entry>>> {
        let at = usize::try_from(key % BUCKETS).ok()?;
        let bucket = self.table.buckets.get(at)?;
        Some(bucket.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes what is on record at this time. What says nothing any more is not kept.
    fn record<R>(
        &self,
        of: Counted,
        now: Timestamp,
        change: impl FnOnce(&mut Entry) -> R,
    ) -> Option<R> {
        let mut bucket = self.bucket(of.key)?;
        bucket.retain(|entry| now.since(entry.since) < FORGET);
        let at = bucket.iter().position(|entry| entry.key == of.key);
        let kept = at.map(|at| bucket.swap_remove(at));
        let mut entry = kept.unwrap_or_else(|| Entry::new(of.key, now));
        let outcome = change(&mut entry);
        if entry.weight() > 0 {
            if bucket.len() >= WAYS {
                let least = bucket.iter().enumerate().min_by_key(|(_, e)| (e.weight(), e.since));
                if let Some((at, _)) = least {
                    bucket.swap_remove(at);
                }
            }
            bucket.push(entry);
        }
        Some(outcome)
    }

    /// Begins an attempt, unless it must wait.
    fn admit(&self, of: Counted, now: Timestamp) -> Result<(), AccountError> {
        let wait = self.record(of, now, |entry| {
            entry.forgive(of.free, self.longest, now);
            let wait = entry.wait(of.free, now);
            if wait.is_zero() {
                entry.pending = entry.pending.saturating_add(1);
            }
            wait
        });
        match wait {
            Some(wait) if !wait.is_zero() => Err(AccountError::throttled(wait)),
            _ => Ok(()),
        }
    }

    /// The attempt that began then has failed.
    fn failed(&self, of: Counted, began: Timestamp) {
        self.record(of, began, |entry| {
            entry.pending = entry.pending.saturating_sub(1);
            entry.fail(of.free, self.longest, began);
        });
    }

    /// As if the attempt that began then had not been.
    fn take_back(&self, of: Counted, began: Timestamp) {
        self.record(of, began, |entry| entry.pending = entry.pending.saturating_sub(1));
    }

    fn forget(&self, key: u64) {
        if let Some(mut bucket) = self.bucket(key) {
            bucket.retain(|entry| entry.key != key);
        }
    }
}

impl Entry {
    const fn new(key: u64, now: Timestamp) -> Self {
        Self { key, failures: 0, pending: 0, since: now, until: now }
    }

    /// What it would be a pity to forget.
    const fn weight(&self) -> u32 {
        self.failures.saturating_add(self.pending)
    }

    /// Forgives what is due. If the clock was set back, nobody waits longer than the longest.
    fn forgive(&mut self, free: u32, longest: Duration, now: Timestamp) {
        let latest = now.plus(longest);
        (self.until, self.since) = (self.until.min(latest), self.since.min(latest));
        let each = Duration::from_millis((HOUR / u64::from(free.max(1))).max(1));
        let due = now.since(self.since).as_millis() / each.as_millis();
        let due = u32::try_from(due).unwrap_or(u32::MAX);
        match self.failures.checked_sub(due) {
            None | Some(0) => (self.failures, self.since) = (0, now),
            Some(left) => (self.failures, self.since) = (left, self.since.plus(each * due)),
        }
    }

    /// How long the next attempt has to wait: until this is over, or, if it is, until those under
    /// way are decided that may be the failure that begins a wait.
    fn wait(&self, free: u32, now: Timestamp) -> Duration {
        let over = self.until.since(now);
        if !over.is_zero() || self.pending == 0 {
            return over;
        }
        backoff(self.weight(), free, FIRST)
    }

    fn fail(&mut self, free: u32, longest: Duration, began: Timestamp) {
        if self.failures == 0 {
            self.since = began;
        }
        self.failures = self.failures.saturating_add(1);
        let wait = backoff(self.failures, free, longest);
        if !wait.is_zero() {
            self.until = self.until.max(began.plus(wait));
            self.since = self.since.max(self.until);
        }
    }
}

/// The wait after so many failures.
fn backoff(failures: u32, free: u32, longest: Duration) -> Duration {
    match failures.checked_sub(free).and_then(|beyond| beyond.checked_sub(1)) {
        None => Duration::ZERO,
        Some(doublings) => FIRST.saturating_mul(1 << doublings.min(20)).min(longest),
    }
}

/// An attempt under way, which has failed unless it is said to have succeeded. Made by
/// [`Throttle::attempt`].
///
/// ```
/// use sessile::accounts::Attempt;
/// fn finish(attempt: Attempt<'_>, outcome: Result<bool, std::io::Error>) {
///     match outcome {
///         Ok(true) => attempt.succeeded(),
///         Ok(false) => drop(attempt),
///         Err(_) => attempt.withdrawn(), // nobody's fault
///     }
/// }
/// ```
#[must_use = "an attempt that is dropped has failed"]
pub struct Attempt<'a> {
    throttle: &'a Throttle,
    /// Both are taken out when it is decided.
    account: Option<Counted>,
    client: Option<Counted>,
    now: Timestamp,
}

impl Attempt<'_> {
    /// The account's record is cleared; the client's is as it was before.
    pub fn succeeded(mut self) {
        if let Some(account) = self.account.take() {
            self.throttle.forget(account.key);
        }
        self.withdrawn();
    }

    /// It could not be decided, and does not count.
    pub fn withdrawn(mut self) {
        for counted in self.account.take().into_iter().chain(self.client.take()) {
            self.throttle.take_back(counted, self.now);
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        for counted in self.account.take().into_iter().chain(self.client.take()) {
            self.throttle.failed(counted, self.now);
        }
    }
}

impl fmt::Debug for Attempt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attempt")
    }
}

impl Default for Throttle {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle")
            .field("accounts", &self.accounts)
            .field("clients", &self.clients)
            .field("longest", &self.longest)
            .finish_non_exhaustive()
    }
}

const BUCKETS: u64 = 8_192;
const WAYS: usize = 8;
const FIRST: Duration = Duration::from_secs(1);
const FORGET: Duration = Duration::from_secs(24 * 3_600);
/// In milliseconds.
const HOUR: u64 = 3_600_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r59_the_wait_doubles_and_has_an_end() {
        let longest = Duration::from_secs(900);
        let cases = [
            (1, 0),
            (5, 0),
            (6, 1),
            (7, 2),
            (8, 4),
            (15, 512),
            (16, 900),
            (17, 900),
            (u32::MAX, 900),
        ];
        for (failures, seconds) in cases {
            assert_eq!(backoff(failures, 5, longest).as_secs(), seconds, "after {failures}");
        }
        assert_eq!(backoff(u32::MAX, u32::MAX, longest), Duration::ZERO);
    }

    #[test]
    fn r59_junk_does_not_push_out_who_has_failed_often() {
        let throttle = Throttle::new().account(1);
        let (client, start) = (Client::default(), Timestamp::from_millis(1_000_000));
        for second in 0..4 {
            let now = start.plus(Duration::from_secs(second * 60));
            drop(throttle.attempt("victim", &client, now));
        }
        let now = start.plus(Duration::from_secs(181));
        for junk in 0..200_000_u32 {
            drop(throttle.attempt(&junk.to_string(), &client, now));
        }
        assert!(throttle.attempt("victim", &client, now).is_err());
        let held: usize = throttle.table.buckets.iter().map(|b| b.lock().unwrap().len()).sum();
        assert!(held <= 65_536, "{held} entries");
    }

    #[test]
    fn r59_a_clock_that_was_set_back_locks_nobody_out() {
        let throttle = Throttle::new().account(0).longest(Duration::from_secs(10));
        let (client, late) = (Client::default(), Timestamp::from_millis(u64::MAX / 2));
        drop(throttle.attempt("ann", &client, late));
        let early = Timestamp::from_millis(1_000);
        let wait = throttle.attempt("ann", &client, early).unwrap_err().retry_after();
        assert_eq!(wait, Some(Duration::from_secs(10)));
        assert!(throttle.attempt("ann", &client, early.plus(Duration::from_secs(10))).is_ok());
    }

    #[test]
    fn r59_failures_are_forgiven_with_the_time_but_not_while_there_is_a_wait() {
        let (longest, start) = (Duration::from_secs(900), Timestamp::from_millis(1_000_000));
        let minutes = |count: u64| Duration::from_secs(count * 60);
        // Of five that are free in an hour, one is forgiven every twelve minutes.
        let cases = [
            ("none yet", 3, 11, 3),
            ("one", 3, 12, 2),
            ("and another", 3, 35, 1),
            ("all", 3, 36, 0),
            ("long ago", 3, 10_000, 0),
            ("after a wait of a second", 6, 12, 6),
            ("the wait does not count", 16, 15 + 11, 16),
            ("what follows it does", 16, 15 + 12, 15),
        ];
        for (name, failures, after, left) in cases {
            let mut entry = Entry::new(0, start);
            for _ in 0..failures {
                entry.fail(5, longest, start);
            }
            entry.forgive(5, longest, start.plus(minutes(after)));
            assert_eq!(entry.failures, left, "{name}");
        }
        let mut entry = Entry::new(0, start);
        for hour in 0..100 {
            entry.fail(5, longest, start.plus(minutes(60 * hour)));
            entry.forgive(5, longest, start.plus(minutes(60 * hour + 30)));
        }
        assert_eq!(entry.failures, 0, "now and then is not often");
    }

    #[test]
    fn r59_attempts_under_way_count_as_if_they_failed_until_they_are_decided() {
        let throttle = Throttle::new().account(2);
        let (client, start) = (Client::default(), Timestamp::from_millis(1_000_000));
        let begin = |now| throttle.attempt("ann", &client, now);
        let wait = |now| begin(now).err().and_then(|error| error.retry_after());
        let free: Vec<_> = (0..3).map(|_| begin(start).unwrap()).collect();
        assert_eq!(wait(start), Some(FIRST), "the third may be the one that begins a wait");
        free.into_iter().for_each(Attempt::withdrawn);
        assert_eq!(wait(start), None);
        throttle.clear("ann");

        let mut now = start;
        for _ in 0..12 {
            drop(begin(now).unwrap());
            now = now.plus(wait(now).unwrap_or_default());
        }
        // Whoever comes now does not hold up the others for longer than it takes.
        let one = begin(now).unwrap();
        assert_eq!(wait(now), Some(FIRST), "one at a time");
        one.withdrawn();
        let one = begin(now).unwrap();
        drop(one);
        assert_eq!(wait(now), Some(Duration::from_secs(900)), "unless it fails");
    }
}
