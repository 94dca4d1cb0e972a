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
/// 3. An attempt counts when it begins, so that a thousand at once are not a thousand free ones. A
///    log-in that succeeds clears the account, and takes itself from what its client has on record.
///    A password that was reset through the e-mail clears the account, too.
/// 4. What was quiet for a day is forgotten.
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
    last: Timestamp,
    /// The time before which nothing is heard.
    until: Timestamp,
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
        let account = self.accounts.map(|free| (self.key(("account", account)), free));
        let network = client.network();
        let client = self.clients.zip(network).map(|(free, of)| (self.key(("client", of)), free));
        if let Some((key, free)) = client {
            self.admit(key, free, now)?;
        }
        if let Some((key, free)) = account {
            self.admit(key, free, now).inspect_err(|_| {
                // What is not heard does not count, for either.
                if let Some((client, _)) = client {
                    self.take_back(client, now);
                }
            })?;
        }
        let (account, client) = (account.map(|(key, _)| key), client.map(|(key, _)| key));
        Ok(Attempt { throttle: self, account, client, now })
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

    fn bucket(&self, key: u64) -> Option<MutexGuard<'_, Vec<Entry>>> {
        let at = usize::try_from(key % BUCKETS).ok()?;
        let bucket = self.table.buckets.get(at)?;
        Some(bucket.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts an attempt, unless it must wait.
    fn admit(&self, key: u64, free: u32, now: Timestamp) -> Result<(), AccountError> {
        let Some(mut bucket) = self.bucket(key) else { return Ok(()) };
        bucket.retain(|entry| now.since(entry.last) < FORGET);
        let mut failures = 1;
        if let Some(at) = bucket.iter().position(|entry| entry.key == key) {
            let mut entry = bucket.swap_remove(at);
            // No longer than the longest, also if the clock was set back.
            entry.until = entry.until.min(now.plus(self.longest));
            failures = entry.failures.saturating_add(1);
            let wait = entry.until.since(now);
            if !wait.is_zero() {
                bucket.push(entry);
                return Err(AccountError::throttled(wait));
            }
        }
        if bucket.len() >= WAYS {
            let least = bucket.iter().enumerate().min_by_key(|(_, e)| (e.failures, e.last));
            if let Some((at, _)) = least {
                bucket.swap_remove(at);
            }
        }
        let until = now.plus(backoff(failures, free, self.longest));
        bucket.push(Entry { key, failures, last: now, until });
        Ok(())
    }

    /// As if the attempt that began at this time had not been.
    fn take_back(&self, key: u64, now: Timestamp) {
        let Some(mut bucket) = self.bucket(key) else { return };
        if let Some(entry) = bucket.iter_mut().find(|entry| entry.key == key) {
            entry.failures = entry.failures.saturating_sub(1);
            if entry.last == now {
                entry.until = now;
            }
        }
    }

    fn forget(&self, key: u64) {
        if let Some(mut bucket) = self.bucket(key) {
            bucket.retain(|entry| entry.key != key);
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
    account: Option<u64>,
    client: Option<u64>,
    now: Timestamp,
}

impl Attempt<'_> {
    /// The account's record is cleared; the client's is as it was before.
    pub fn succeeded(self) {
        if let Some(account) = self.account {
            self.throttle.forget(account);
        }
        if let Some(client) = self.client {
            self.throttle.take_back(client, self.now);
        }
    }

    /// It could not be decided, and does not count.
    pub fn withdrawn(self) {
        for key in self.account.iter().chain(&self.client) {
            self.throttle.take_back(*key, self.now);
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
}
