//! Throttling: how often somebody may try.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use self::table::{Counted, Table};
use super::error::AccountError;
use crate::client::Client;
use crate::clock::Timestamp;

mod table;

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

impl Throttle {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self {
            accounts: Some(5),
            clients: Some(20),
            longest: Duration::from_secs(15 * 60),
            table: Arc::new(Table::new()),
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
        let account = self.accounts.map(|free| self.table.counted(("account", account), free));
        let network = client.network();
        let client = self.clients.zip(network);
        let client = client.map(|(free, of)| self.table.counted(("client", of), free));
        let mut attempt = Attempt { throttle: self, account: None, client: None, now };
        if let Some(client) = client {
            self.table.admit(client, self.longest, now)?;
            attempt.client = Some(client);
        }
        if let Some(account) = account {
            if let Err(error) = self.table.admit(account, self.longest, now) {
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
        self.table.forget(self.table.counted(("account", account), 0));
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
            self.throttle.table.forget(account);
        }
        self.withdrawn();
    }

    /// It could not be decided, and does not count.
    pub fn withdrawn(mut self) {
        for counted in self.account.take().into_iter().chain(self.client.take()) {
            self.throttle.table.take_back(counted, self.now);
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        for counted in self.account.take().into_iter().chain(self.client.take()) {
            self.throttle.table.failed(counted, self.throttle.longest, self.now);
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

#[cfg(test)]
mod tests {
    use super::*;

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
        let held = throttle.table.len();
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
    fn r59_attempts_under_way_count_as_if_they_failed_until_they_are_decided() {
        let throttle = Throttle::new().account(2);
        let (client, start) = (Client::default(), Timestamp::from_millis(1_000_000));
        let begin = |now| throttle.attempt("ann", &client, now);
        let wait = |now| begin(now).err().and_then(|error| error.retry_after());
        let free: Vec<_> = (0..3).map(|_| begin(start).unwrap()).collect();
        assert_eq!(
            wait(start),
            Some(Duration::from_secs(1)),
            "the third may be the one that begins a wait"
        );
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
        assert_eq!(wait(now), Some(Duration::from_secs(1)), "one at a time");
        one.withdrawn();
        let one = begin(now).unwrap();
        drop(one);
        assert_eq!(wait(now), Some(Duration::from_secs(900)), "unless it fails");
    }
}
