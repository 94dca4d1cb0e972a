//! Hashing: by which function, at what cost, and on which threads.

use std::fmt;
use std::num::NonZero;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::available_parallelism;

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, PasswordHash as Phc, Version};
use data_encoding::BASE64_NOPAD;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use super::email::{Email, Username};
use super::error::{AccountError, AccountErrorKind};
use super::password::{Password, PasswordHash, Scheme};
use super::policy::{PasswordCheck, Policy};

/// How passwords are judged, hashed and verified.
///
/// New hashes are Argon2id. Verifying takes bcrypt as well, for imported users, and any Argon2;
/// whatever is not what a new hash would be is made one at the next log-in. Both run on threads
/// for blocking work, a bounded number at a time, so that log-ins never hold up other requests;
/// what finds the queue full gets [`Busy`](AccountErrorKind::Busy).
///
/// # Defaults
/// - Argon2id version 1.3, 19 MiB, 2 passes, 1 lane, a salt of 16 and an output of 32 bytes: the
///   least that OWASP's Password Storage Cheat Sheet allows, and less is refused
/// - [`parallel`](Self::parallel): half of the processors, at least one
/// - [`queue`](Self::queue): 64 passwords waiting
/// - [`length`](Self::length): 8 to 128 characters, counted in NFC
/// - [`check`](Self::check): [`CommonPasswords`](super::CommonPasswords); besides, nobody may have
///   their own e-mail address or username
///
/// # Imported hashes
/// bcrypt reads 72 bytes of a password and stops at NUL. A longer password never matches a bcrypt
/// hash here, whatever follows the 72 bytes: its owner takes the way of a forgotten password. As
/// long as a user has a bcrypt hash, or one that costs more than a new one, a wrong password takes as
/// long as that hash does, which may tell such accounts apart from others by time; it ends with their
/// first log-in. Where an Argon2id hash costs less, as all do when [the costs](Self::argon2id) were
/// raised, a wrong password is made to take as long as anybody's.
///
/// ```
/// use sessile::accounts::{Password, Passwords, Verified};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sessile::accounts::AccountError> {
/// let passwords = Passwords::new();
/// let hash = passwords.hash(&Password::new("correct horse battery staple")).await?;
/// assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
///
/// let typed = Password::new("correct horse battery staple");
/// assert_eq!(passwords.verify(&typed, Some(&hash)).await?, Verified::Yes);
/// assert_eq!(passwords.verify(&"tr0ub4dor&3".into(), Some(&hash)).await?, Verified::No);
/// assert_eq!(passwords.verify(&typed, None).await?, Verified::No); // and just as slowly
/// assert_eq!(passwords.stats().hashed, 4);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Passwords {
    cost: (u32, u32, u32),
    policy: Policy,
    lanes: Arc<Lanes>,
}

/// What is shared by all clones.
struct Lanes {
    /// Those that are hashed now.
    running: Arc<Semaphore>,
    /// Those, and those that wait.
    places: Arc<Semaphore>,
    parallel: usize,
    queue: usize,
    hashed: AtomicU64,
    refused: AtomicU64,
}

/// What verifying came to.
///
/// ```
/// use sessile::accounts::Verified;
/// fn may_enter(outcome: Verified) -> bool {
///     matches!(outcome, Verified::Yes | Verified::Outdated)
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verified {
    /// It is not the password.
    No,
    /// It is, and its hash is what a new one would be.
    Yes,
    /// It is, and should be hashed anew: the hash is imported, or of other parameters.
    Outdated,
}

/// What the hasher does, for metrics.
///
/// ```
/// use sessile::accounts::{PasswordStats, Passwords};
/// let PasswordStats { hashed, running, waiting, refused, .. } = Passwords::new().stats();
/// assert_eq!((hashed, running, waiting, refused), (0, 0, 0, 0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PasswordStats {
    /// How often a hash function ran to its end, for hashing and verifying alike.
    pub hashed: u64,
    /// How many run now.
    pub running: usize,
    /// How many wait for their turn.
    pub waiting: usize,
    /// How many found the queue full.
    pub refused: u64,
}

impl Passwords {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        let parallel = (available_parallelism().map_or(1, NonZero::get) / 2).max(1);
        Self { cost: LEAST, policy: Policy::default(), lanes: Arc::new(Lanes::new(parallel, 64)) }
    }

    /// Sets what a hash costs: memory in KiB, passes over it, and lanes.
    ///
    /// ```
    /// let passwords = sessile::accounts::Passwords::new().argon2id(64 * 1024, 3, 4);
    /// ```
    ///
    /// # Panics
    /// Below 19456 KiB, 2 passes or 1 lane, above 1 GiB, 64 passes or 64 lanes.
    #[must_use]
    #[track_caller]
    pub fn argon2id(mut self, memory: u32, passes: u32, lanes: u32) -> Self {
        let enough = memory >= LEAST.0 && passes >= LEAST.1 && lanes >= LEAST.2;
        let bearable = memory <= 1 << 20 && passes <= 64 && lanes <= 64;
        assert!(
            enough && bearable,
            "Argon2id takes from 19456 KiB, 2 passes and 1 lane up to 1 GiB, 64 and 64"
        );
        self.cost = (memory, passes, lanes);
        self
    }

    /// Sets how many passwords are hashed at a time; at least one is. Each takes a processor, and
    /// the memory that a hash costs.
    ///
    /// ```
    /// let passwords = sessile::accounts::Passwords::new().parallel(4).queue(200);
    /// ```
    #[must_use]
    pub fn parallel(mut self, count: usize) -> Self {
        self.lanes = Arc::new(Lanes::new(count.max(1), self.lanes.queue));
        self
    }

    /// Sets how many more may wait. With ten hashes a second and processor, the last of 64 waits for
    /// some seconds; whoever waited longer would have gone away.
    #[must_use]
    pub fn queue(mut self, waiting: usize) -> Self {
        self.lanes = Arc::new(Lanes::new(self.lanes.parallel, waiting));
        self
    }

    /// Sets how many characters a new password may have. Existing ones stay good unless they are
    /// longer.
    ///
    /// ```
    /// let passwords = sessile::accounts::Passwords::new().length(15..=128); // ASVS 6.2.9, alone
    /// ```
    ///
    /// # Panics
    /// Below 8 (NIST SP 800-63B-4, 3.1.1.2), if the longest is below 64 or above 256.
    #[must_use]
    #[track_caller]
    pub fn length(mut self, characters: RangeInclusive<usize>) -> Self {
        let fits = *characters.start() >= 8 && (64..=256).contains(characters.end());
        assert!(fits, "passwords need 8 characters at least, and 64 to 256 must be allowed");
        self.policy.length = characters;
        self
    }

    /// Sets what refuses passwords that are known to attackers, in place of the built-in list.
    ///
    /// ```
    /// use sessile::accounts::{PasswordCheck, Passwords};
    /// fn strict(breached: impl PasswordCheck) -> Passwords {
    ///     Passwords::new().check(breached)
    /// }
    /// ```
    #[must_use]
    pub fn check(mut self, check: impl PasswordCheck) -> Self {
        self.policy.check = Arc::new(check);
        self
    }

    /// Whether somebody with this address and username may have this password.
    ///
    /// ```
    /// use sessile::accounts::{AccountErrorKind, Password, Passwords};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sessile::accounts::AccountError> {
    /// let email = "annabella@example.org".parse()?;
    /// let refused = Passwords::new().accept(&Password::new("Annabella"), &email, None).await;
    /// assert_eq!(refused.unwrap_err().kind(), AccountErrorKind::PasswordTrivial);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`PasswordTooShort`](AccountErrorKind::PasswordTooShort) and the other kinds of that name;
    /// whatever the check fails with.
    pub async fn accept(
        &self,
        password: &Password,
        email: &Email,
        username: Option<&Username>,
    ) -> Result<(), AccountError> {
        self.policy.accept(password, email, username).await
    }

    /// A new hash. Lengths hold here, too; whether the password is trivial is
    /// [`accept`](Self::accept)'s to say.
    ///
    /// # Errors
    /// [`PasswordTooLong`](AccountErrorKind::PasswordTooLong) before anything is hashed;
    /// [`Busy`](AccountErrorKind::Busy); [`Internal`](AccountErrorKind::Internal).
    pub async fn hash(&self, password: &Password) -> Result<PasswordHash, AccountError> {
        if !self.policy.is_possible(password) {
            return Err(AccountErrorKind::PasswordTooLong.into());
        }
        let (cost, password) = (self.cost, password.clone());
        self.run(move || hash(cost, &password)).await?
    }

    /// Whether this is the password behind the hash. Without one, as for a user who does not exist,
    /// the same work is done for nothing, so that the answer takes as long.
    ///
    /// # Errors
    /// [`Busy`](AccountErrorKind::Busy); [`Internal`](AccountErrorKind::Internal) if the system
    /// gave no random bytes.
    pub async fn verify(
        &self,
        password: &Password,
        hash: Option<&PasswordHash>,
    ) -> Result<Verified, AccountError> {
        if !self.policy.is_possible(password) {
            return Ok(Verified::No); // whoever they are, so it tells nothing
        }
        let known = hash.is_some();
        let hash = hash.map_or_else(|| self.dummy(), |hash| Ok(hash.clone()))?;
        let password = password.clone();
        let current = hash.scheme == Scheme::Argon2(Some(self.cost));
        let rest = rest(self.cost, hash.scheme);
        let verify = move || {
            let right = verify(&password, &hash);
            if let Some(rest) = rest.filter(|_| !right) {
                drop(self::hash(rest, &password));
            }
            right
        };
        let right = self.run(verify).await?;
        Ok(match (known && right, current) {
            (false, _) => Verified::No,
            (true, true) => Verified::Yes,
            (true, false) => Verified::Outdated,
        })
    }

    /// What it has done and is doing.
    pub fn stats(&self) -> PasswordStats {
        let lanes = &self.lanes;
        let running = lanes.parallel.saturating_sub(lanes.running.available_permits());
        let taken = (lanes.parallel.saturating_add(lanes.queue))
            .saturating_sub(lanes.places.available_permits());
        PasswordStats {
            hashed: lanes.hashed.load(Ordering::Relaxed),
            running,
            waiting: taken.saturating_sub(running),
            refused: lanes.refused.load(Ordering::Relaxed),
        }
    }

    /// Runs it on a thread for blocking work, when it is its turn. Dropped while it waits, it gives
    /// its place back at once; dropped while it runs, when it has finished.
    async fn run<V: Send + 'static>(
        &self,
        work: impl FnOnce() -> V + Send + 'static,
    ) -> Result<V, AccountError> {
        let place = self.lanes.place()?;
        let turn = Arc::clone(&self.lanes.running).acquire_owned().await;
        let turn = turn.map_err(|_| AccountError::new(AccountErrorKind::Busy))?;
        let lanes = Arc::clone(&self.lanes);
        let done = spawn_blocking(move || {
            let outcome = work();
            lanes.hashed.fetch_add(1, Ordering::Relaxed);
            drop((turn, place));
            outcome
        });
        done.await.map_err(|error| AccountError::new(AccountErrorKind::Internal).with_source(error))
    }

    /// A hash of no password: verifying it costs the same as a new one and never comes out right,
    /// but for one chance in 2^256.
    fn dummy(&self) -> Result<PasswordHash, AccountError> {
        let (memory, passes, lanes) = self.cost;
        let (salt, output) = (random::<16>()?, random::<32>()?);
        let (salt, output) = (BASE64_NOPAD.encode(&salt), BASE64_NOPAD.encode(&output));
        format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${output}").parse()
    }
}

impl Lanes {
    fn new(parallel: usize, queue: usize) -> Self {
        let parallel = parallel.min(Semaphore::MAX_PERMITS / 2);
        let queue = queue.min(Semaphore::MAX_PERMITS / 2);
        Self {
            running: Arc::new(Semaphore::new(parallel)),
            places: Arc::new(Semaphore::new(parallel.saturating_add(queue))),
            parallel,
            queue,
            hashed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    fn place(&self) -> Result<OwnedSemaphorePermit, AccountError> {
        Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            self.refused.fetch_add(1, Ordering::Relaxed);
            AccountErrorKind::Busy.into()
        })
    }
}

fn hash(cost: (u32, u32, u32), password: &Password) -> Result<PasswordHash, AccountError> {
    let (memory, passes, lanes) = cost;
    let failed = |error| AccountError::new(AccountErrorKind::Internal).with_source(error);
    let params = Params::new(memory, passes, lanes, Some(32))
        .map_err(|_| failed("these costs are none for Argon2"))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let text = password.text()?;
    let hash: Phc = argon2
        .hash_password_with_salt(text.as_bytes(), &random::<16>()?)
        .map_err(|_| failed("hashing failed"))?;
    hash.to_string().parse()
}

/// What is missing to the work of a new hash: to memory times passes, which is what Argon2's time
/// goes by. `None` if it is too little to be seen, or cannot be compared.
fn rest(new: (u32, u32, u32), known: Scheme) -> Option<(u32, u32, u32)> {
    let Scheme::Argon2(Some((memory, passes, _))) = known else { return None };
    let (new_memory, new_passes, lanes) = new;
    let work = |memory, passes| u64::from(memory) * u64::from(passes);
    let missing = work(new_memory, new_passes).saturating_sub(work(memory, passes));
    let memory = u32::try_from(missing / u64::from(new_passes.max(1))).ok()?;
    // Less is refused (RFC 9106, 3.1).
    (memory >= 8 * lanes).then_some((memory, new_passes, lanes))
}

fn verify(password: &Password, hash: &PasswordHash) -> bool {
    match hash.scheme {
        Scheme::Argon2(_) => {
            let (Ok(text), Ok(hash)) = (password.text(), Phc::new(hash.expose())) else {
                return false;
            };
            Argon2::default().verify_password(text.as_bytes(), &hash).is_ok()
        }
        Scheme::Bcrypt => {
            let raw = password.raw();
            let whole = raw.len() <= 72 && !raw.contains(&0);
            // The work is done in any case.
            bcrypt::verify(raw, hash.expose()).unwrap_or(false) && whole
        }
    }
}

fn random<const N: usize>() -> Result<[u8; N], AccountError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| AccountError::new(AccountErrorKind::Internal).with_source(error))?;
    Ok(bytes)
}

/// <https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html>
const LEAST: (u32, u32, u32) = (19 * 1_024, 2, 1);

impl Default for Passwords {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords")
            .field("cost", &self.cost)
            .field("length", &self.policy.length)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r60_what_a_cheaper_hash_saves_is_done_all_the_same() {
        let of = |cost| Scheme::Argon2(Some(cost));
        let new = (64 * 1_024, 3, 4);
        let cases = [
            ("a new one", of(new), None),
            ("the least that is allowed", of(LEAST), Some((52_565, 3, 4))),
            ("of half the memory", of((32 * 1_024, 3, 4)), Some((32 * 1_024, 3, 4))),
            ("of two passes less", of((64 * 1_024, 1, 4)), Some((43_690, 3, 4))),
            ("a little cheaper", of((64 * 1_024 - 31, 3, 4)), None),
            ("a dearer one", of((128 * 1_024, 3, 4)), None),
            ("another kind of Argon2", Scheme::Argon2(None), None),
            ("bcrypt", Scheme::Bcrypt, None),
        ];
        for (name, known, expected) in cases {
            assert_eq!(rest(new, known), expected, "{name}");
        }
    }
}
