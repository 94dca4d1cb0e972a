//! Accounts in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::{AccountError, AccountErrorKind};
use super::password::PasswordHash;
use super::role::{Described, Entry, Grant, Permission, RoleName};
use super::store::{
    AccountAnswer, Held, Link, LinkStore, Lookup, NewPassword, NewToken, Put, RoleStore,
    TokenStore, UserStore,
};
use super::token::{Purpose, TokenDigest};
use super::user::{Account, User, UserChange, UserId};
use crate::clock::Timestamp;

/// Accounts in memory, for examples and tests: they end with the process. Clones share them.
///
/// ```
/// use sessile::accounts::{Accounts, MemoryAccounts, NothingToEnd};
/// let accounts = Accounts::new(MemoryAccounts::new(), NothingToEnd); // in a test of log-ins
/// ```
#[derive(Clone, Default)]
pub struct MemoryAccounts(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    users: BTreeMap<UserId, Account>,
    tokens: Vec<(NewToken, Option<UserId>)>,
    links: BTreeMap<Link, UserId>,
    entries: BTreeMap<Entry, String>,
    grants: BTreeSet<Grant>,
}

impl MemoryAccounts {
    /// Nobody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer<V>(
        &self,
        step: impl FnOnce(&mut State) -> Result<V, AccountError>,
    ) -> AccountAnswer<V> {
        AccountAnswer::ready(step(&mut self.state()))
    }
}

impl State {
    /// That nobody else has the username or the address.
    fn check_free(&self, user: &User) -> Result<(), AccountError> {
        let others = || self.users.values().map(|account| &account.user);
        let others = || others().filter(|other| other.id != user.id);
        if user.username.is_some() && others().any(|other| other.username == user.username) {
            return Err(AccountErrorKind::UsernameTaken.into());
        }
        if others().any(|other| other.email == user.email) {
            return Err(AccountErrorKind::Taken.into());
        }
        Ok(())
    }

    fn end_tokens(&mut self, id: UserId, purpose: Option<Purpose>) {
        self.tokens.retain(|(token, of)| {
            *of != Some(id) || purpose.is_some_and(|purpose| token.purpose != purpose)
        });
    }

    /// The position of a token that is good, and whose it is.
    fn token(
        &self,
        digest: &TokenDigest,
        purpose: Purpose,
        now: Timestamp,
    ) -> Option<(usize, UserId)> {
        let at = self.tokens.iter().position(|(token, _)| {
            token.digest == *digest && token.purpose == purpose && token.expires > now
        })?;
        let (token, of) = self.tokens.get(at)?;
        let user = &self.users.get(&(*of)?)?.user;
        (user.is_active && user.email == token.to).then_some((at, user.id))
    }

    fn set_password(&mut self, id: UserId, new: PasswordHash, now: Timestamp) -> Option<User> {
        self.end_tokens(id, Some(Purpose::Reset));
        let account = self.users.get_mut(&id)?;
        account.password = Some(new);
        account.user.epoch = account.user.epoch.saturating_add(1);
        account.user.updated = now;
        Some(account.user.clone())
    }

    fn knows(&self, grant: &Grant) -> bool {
        let role = |name: &RoleName| self.entries.contains_key(&Entry::Role(name.clone()));
        let permission =
            |name: &Permission| self.entries.contains_key(&Entry::Permission(name.clone()));
        match grant {
            Grant::RoleOfUser(user, name) => self.users.contains_key(user) && role(name),
            Grant::PermissionOfUser(user, name) => {
                self.users.contains_key(user) && permission(name)
            }
            Grant::PermissionOfRole(of, name) => role(of) && permission(name),
        }
    }
}

impl UserStore for MemoryAccounts {
    fn insert(&self, account: Account) -> AccountAnswer<()> {
        self.answer(|state| {
            state.check_free(&account.user)?;
            if state.users.contains_key(&account.user.id) {
                return Err(AccountErrorKind::Taken.into());
            }
            state.users.insert(account.user.id, account);
            Ok(())
        })
    }

    fn find(&self, by: Lookup) -> AccountAnswer<Option<Account>> {
        self.answer(|state| {
            let of = |test: &dyn Fn(&User) -> bool| {
                state.users.values().find(|account| test(&account.user)).cloned()
            };
            Ok(match by {
                Lookup::Id(id) => state.users.get(&id).cloned(),
                Lookup::Email(email) => of(&|user| user.email == email),
                Lookup::Username(name) => of(&|user| user.username.as_ref() == Some(&name)),
                Lookup::Link { provider, subject } => Link::new(&provider, &subject)
                    .ok()
                    .and_then(|link| state.links.get(&link))
                    .and_then(|id| state.users.get(id))
                    .cloned(),
            })
        })
    }

    fn update(
        &self,
        id: UserId,
        change: UserChange,
        now: Timestamp,
    ) -> AccountAnswer<Option<User>> {
        self.answer(|state| {
            let Some(account) = state.users.get(&id) else { return Ok(None) };
            let (user, moved) = change.apply(&account.user, now);
            state.check_free(&user)?;
            if moved {
                state.end_tokens(id, None);
            }
            if let Some(account) = state.users.get_mut(&id) {
                account.user = user.clone();
            }
            Ok(Some(user))
        })
    }

    fn set_password(
        &self,
        id: UserId,
        password: NewPassword,
        now: Timestamp,
    ) -> AccountAnswer<Option<User>> {
        self.answer(|state| {
            let Some(account) = state.users.get_mut(&id) else { return Ok(None) };
            match password {
                NewPassword::Rehashed { old, new } if account.password.as_ref() == Some(&old) => {
                    account.password = Some(new);
                    Ok(Some(account.user.clone()))
                }
                NewPassword::Changed { epoch, new } if account.user.epoch == epoch => {
                    Ok(state.set_password(id, new, now))
                }
                NewPassword::Rehashed { .. } | NewPassword::Changed { .. } => Ok(None),
            }
        })
    }

    fn delete(&self, id: UserId) -> AccountAnswer<bool> {
        self.answer(|state| {
            state.end_tokens(id, None);
            state.links.retain(|_, user| *user != id);
            state.grants.retain(|grant| {
                !matches!(grant, Grant::RoleOfUser(of, _) | Grant::PermissionOfUser(of, _) if *of == id)
            });
            Ok(state.users.remove(&id).is_some())
        })
    }

    fn list(&self, after: Option<UserId>, max: usize) -> AccountAnswer<Vec<User>> {
        self.answer(|state| {
            let from = after.map_or(Bound::Unbounded, Bound::Excluded);
            let page = state.users.range((from, Bound::Unbounded)).take(max);
            Ok(page.map(|(_, account)| account.user.clone()).collect())
        })
    }
}

impl TokenStore for MemoryAccounts {
    fn issue(&self, token: NewToken) -> AccountAnswer<Option<User>> {
        self.answer(|state| {
            state.tokens.retain(|(other, _)| other.expires > token.now);
            let holds = |user: &&User| user.email == token.to && user.is_active;
            let user = state.users.values().map(|account| &account.user).find(holds).cloned();
            state.tokens.push((token, user.as_ref().map(|user| user.id)));
            Ok(user)
        })
    }

    fn holder(
        &self,
        digest: TokenDigest,
        purpose: Purpose,
        now: Timestamp,
    ) -> AccountAnswer<Option<User>> {
        self.answer(|state| {
            let holder = state.token(&digest, purpose, now);
            let account = holder.and_then(|(_, id)| state.users.get(&id));
            Ok(account.map(|account| account.user.clone()))
        })
    }

    fn verify(&self, digest: TokenDigest, now: Timestamp) -> AccountAnswer<Option<User>> {
        self.answer(|state| {
            let Some((at, id)) = state.token(&digest, Purpose::Verify, now) else {
                return Ok(None);
            };
            state.tokens.swap_remove(at);
            Ok(state.users.get_mut(&id).map(|account| {
                account.user.is_verified = true;
                account.user.updated = now;
                account.user.clone()
            }))
        })
    }

    fn reset(
        &self,
        digest: TokenDigest,
        new: PasswordHash,
        now: Timestamp,
    ) -> AccountAnswer<Option<User>> {
        self.answer(|state| {
            let holder = state.token(&digest, Purpose::Reset, now);
            Ok(holder.and_then(|(_, id)| state.set_password(id, new, now)))
        })
    }
}

impl LinkStore for MemoryAccounts {
    fn link(&self, user: UserId, link: Link) -> AccountAnswer<()> {
        self.answer(|state| {
            if !state.users.contains_key(&user) {
                return Err(AccountErrorKind::NotFound.into());
            }
            if *state.links.entry(link).or_insert(user) != user {
                return Err(AccountErrorKind::Taken.into());
            }
            Ok(())
        })
    }

    fn unlink(&self, user: UserId, link: Link) -> AccountAnswer<bool> {
        self.answer(|state| {
            let theirs = state.links.get(&link) == Some(&user);
            if theirs {
                state.links.remove(&link);
            }
            Ok(theirs)
        })
    }

    fn links(&self, user: UserId) -> AccountAnswer<Vec<Link>> {
        self.answer(|state| {
            let theirs = state.links.iter().filter(|(_, of)| **of == user);
            Ok(theirs.map(|(link, _)| link.clone()).collect())
        })
    }
}

impl RoleStore for MemoryAccounts {
    fn put(&self, described: Described) -> AccountAnswer<Put> {
        self.answer(|state| {
            let before = state.entries.insert(described.entry, described.description);
            Ok(if before.is_some() { Put::Updated } else { Put::Created })
        })
    }

    fn remove(&self, entry: Entry) -> AccountAnswer<bool> {
        self.answer(|state| {
            state.grants.retain(|grant| match (grant, &entry) {
                (
                    Grant::RoleOfUser(_, role) | Grant::PermissionOfRole(role, _),
                    Entry::Role(gone),
                ) => role != gone,
                (
                    Grant::PermissionOfUser(_, held) | Grant::PermissionOfRole(_, held),
                    Entry::Permission(gone),
                ) => held != gone,
                _ => true,
            });
            Ok(state.entries.remove(&entry).is_some())
        })
    }

    fn entries(&self) -> AccountAnswer<Vec<Described>> {
        self.answer(|state| {
            let all = state.entries.iter();
            Ok(all.map(|(entry, words)| Described::new(entry.clone(), words.clone())).collect())
        })
    }

    fn grant(&self, grant: Grant) -> AccountAnswer<bool> {
        self.answer(|state| {
            if !state.knows(&grant) {
                return Err(AccountErrorKind::NotFound.into());
            }
            Ok(state.grants.insert(grant))
        })
    }

    fn withdraw(&self, grant: Grant) -> AccountAnswer<bool> {
        self.answer(|state| Ok(state.grants.remove(&grant)))
    }

    fn granted(&self, role: RoleName) -> AccountAnswer<Vec<Permission>> {
        self.answer(|state| Ok(state.granted(&role).cloned().collect()))
    }

    fn held(&self, user: UserId) -> AccountAnswer<Held> {
        self.answer(|state| {
            let roles: Vec<RoleName> = state
                .grants
                .iter()
                .filter_map(|grant| match grant {
                    Grant::RoleOfUser(of, role) if *of == user => Some(role.clone()),
                    _ => None,
                })
                .collect();
            let own = state.grants.iter().filter_map(|grant| match grant {
                Grant::PermissionOfUser(of, permission) if *of == user => Some(permission),
                _ => None,
            });
            let of_roles = roles.iter().flat_map(|role| state.granted(role));
            let permissions: BTreeSet<Permission> = own.chain(of_roles).cloned().collect();
            Ok(Held::new(roles, permissions.into_iter().collect()))
        })
    }
}

impl State {
    fn granted(&self, role: &RoleName) -> impl Iterator<Item = &Permission> {
        self.grants.iter().filter_map(move |grant| match grant {
            Grant::PermissionOfRole(of, permission) if of == role => Some(permission),
            _ => None,
        })
    }
}

impl fmt::Debug for MemoryAccounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryAccounts")
    }
}
