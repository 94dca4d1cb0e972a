//! Users in memory; a database in an application of yours.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

/// What somebody who signs up says. A role is not among it: that is ours to give.
#[derive(Deserialize)]
pub(crate) struct NewUser {
    pub(crate) username: String,
    pub(crate) email: String,
    pub(crate) firstname: String,
    pub(crate) password: String,
}

/// What may be changed afterwards.
#[derive(Deserialize)]
pub(crate) struct Change {
    pub(crate) email: Option<String>,
    pub(crate) firstname: Option<String>,
}

#[derive(Clone, Serialize)]
pub(crate) struct Profile {
    username: String,
    email: String,
    role: &'static str,
    firstname: String,
}

struct User {
    profile: Profile,
    password_hash: String,
}

pub(crate) struct Users {
    users: Mutex<HashMap<String, User>>,
    /// Of a password that nobody has.
    nobodys_hash: String,
    /// As many hashes at once as there are cores for: more would only wait for each other.
    hashing: Semaphore,
}

impl Users {
    pub(crate) fn new() -> Result<Self, String> {
        let nobodys_hash = hash("nobody has this password")?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self { users: Mutex::default(), nobodys_hash, hashing: Semaphore::new(cores) })
    }

    /// Adds a user, or says why not.
    pub(crate) async fn add(&self, new: NewUser) -> Result<Profile, &'static str> {
        let NewUser { username, email, firstname, password } = new;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if username.is_empty() || username.len() > 64 || !username.chars().all(plain) {
            return Err("a username has up to 64 letters, digits, `-` and `_`");
        }
        if !(12..=128).contains(&password.len()) {
            return Err("a password has 12 to 128 characters");
        }
        let failed = "the password cannot be hashed";
        let permit = self.hashing.acquire().await.map_err(|_| failed)?;
        let hashed = tokio::task::spawn_blocking(move || hash(&password)).await;
        drop(permit);
        let password_hash = hashed.ok().and_then(Result::ok).ok_or(failed)?;
        let profile = Profile { username: username.clone(), email, role: "user", firstname };
        match self.lock().entry(username) {
            Entry::Occupied(_) => Err("this username is taken"),
            Entry::Vacant(place) => {
                Ok(place.insert(User { profile, password_hash }).profile.clone())
            }
        }
    }

    /// Whether this is the user's password. It takes as long if there is no such user.
    pub(crate) async fn verify(&self, username: &str, password: String) -> bool {
        let known = self.lock().get(username).map(|user| user.password_hash.clone());
        let exists = known.is_some();
        let hash = known.unwrap_or_else(|| self.nobodys_hash.clone());
        let Ok(_permit) = self.hashing.acquire().await else { return false };
        let right = tokio::task::spawn_blocking(move || {
            password.len() <= 128
                && PasswordHash::new(&hash).is_ok_and(|hash| {
                    Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
                })
        });
        right.await.unwrap_or(false) && exists
    }

    pub(crate) fn profile(&self, username: &str) -> Option<Profile> {
        Some(self.lock().get(username)?.profile.clone())
    }

    pub(crate) fn change(&self, username: &str, change: Change) -> Option<Profile> {
        let mut users = self.lock();
        let profile = &mut users.get_mut(username)?.profile;
        if let Some(email) = change.email {
            profile.email = email;
        }
        if let Some(firstname) = change.firstname {
            profile.firstname = firstname;
        }
        Some(profile.clone())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, User>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(password: &str) -> Result<String, String> {
    let hashed = Argon2::default().hash_password(password.as_bytes());
    hashed.map(|hash| hash.to_string()).map_err(|error| format!("no password hash: {error}"))
}
