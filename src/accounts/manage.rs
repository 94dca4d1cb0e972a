//! Changing and deleting users; roles and permissions.

use super::error::{AccountError, AccountErrorKind};
use super::event::AccountEvent;
use super::password::{Password, PasswordHash};
use super::passwords::Verified;
use super::role::{Described, Entry, Grant};
use super::service::Accounts;
use super::sessions::{Ended, catch_up};
use super::store::{NewPassword, Put};
use super::user::{User, UserChange, UserId};
use crate::client::Client;
use crate::record::SessionData;
use crate::session::Session;

impl Accounts {
    /// Changes the password of whoever is logged in, who must give the present one. All of their
    /// other sessions end, tokens for a reset are void, and this session goes on under a new id and
    /// a new ticket (ASVS 7.4.3), unless another password or a ban comes between.
    ///
    /// ```
    /// # use sessile::accounts::{AccountError, Accounts, Password};
    /// # use sessile::{Client, Session, Values};
    /// async fn change(
    ///     accounts: &Accounts,
    ///     session: Session<Values>,
    ///     current: Password,
    ///     new: Password,
    ///     client: &Client,
    /// ) -> Result<(), AccountError> {
    ///     accounts.change_password(&session, &current, &new, client).await?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`SignedOut`](AccountErrorKind::SignedOut); [`Credentials`](AccountErrorKind::Credentials)
    /// if the present password is wrong, [`Throttled`](AccountErrorKind::Throttled) if that happens
    /// too often; the kinds that begin with `Password`; [`Busy`](AccountErrorKind::Busy);
    /// [`Conflict`](AccountErrorKind::Conflict) if it was changed meanwhile;
    /// [`Sessions`](AccountErrorKind::Sessions) if the password was changed and sessions live on;
    /// what the store fails with.
    pub async fn change_password<T: SessionData>(
        &self,
        session: &Session<T>,
        current: &Password,
        new: &Password,
        client: &Client,
    ) -> Result<User, AccountError> {
        let id = self.user_of(session).await?.id;
        let account = self.account(id).await?;
        let key = format!("change {id}");
        let attempt = self.0.throttle.attempt(&key, client, self.now())?;
        match self.0.passwords.verify(current, account.password.as_ref()).await {
            Ok(Verified::Yes | Verified::Outdated) => attempt.succeeded(),
            Ok(Verified::No) => return Err(AccountErrorKind::Credentials.into()),
            Err(error) => {
                attempt.withdrawn();
                return Err(error);
            }
        }
        let hash = self.hash_for(&account.user, new).await?;
        catch_up(session).await?;
        let (user, ended) = self.replace_password(account.user, hash).await?;
        // The password is changed, so from here on everything is tried.
        let kept = self.rotate(session, &user).await;
        ended.and(kept)?;
        Ok(user)
    }

    /// Sets a user's password, for administrators; all of the user's sessions end.
    ///
    /// ```
    /// use sessile::accounts::{AccountError, Accounts, Password, UserId};
    /// async fn set(accounts: &Accounts, id: UserId, new: Password) -> Result<(), AccountError> {
    ///     accounts.set_password(id, &new).await?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`NotFound`](AccountErrorKind::NotFound), and as for
    /// [`change_password`](Self::change_password).
    pub async fn set_password(&self, id: UserId, new: &Password) -> Result<User, AccountError> {
        let user = self.account(id).await?.user;
        let hash = self.hash_for(&user, new).await?;
        let (user, ended) = self.replace_password(user, hash).await?;
        ended?;
        Ok(user)
    }

    /// The hash of a password that this user may have.
    async fn hash_for(&self, user: &User, new: &Password) -> Result<PasswordHash, AccountError> {
        self.0.passwords.accept(new, &user.email, user.username.as_ref()).await?;
        self.0.passwords.hash(new).await
    }

    async fn replace_password(
        &self,
        user: User,
        new: PasswordHash,
    ) -> Result<Ended<User>, AccountError> {
        let accounts = self.clone();
        self.ending(user.id, async move {
            let change = NewPassword::Changed { epoch: user.epoch, new };
            let user = accounts.0.store.set_password(user.id, change, accounts.now()).await?;
            let user = user.ok_or_else(|| AccountError::new(AccountErrorKind::Conflict))?;
            accounts.clear_throttle(&user);
            accounts.tell(AccountEvent::PasswordChanged { user: user.clone() });
            Ok(user)
        })
        .await
    }

    /// Changes a user. One who is made inactive loses all sessions.
    ///
    /// ```
    /// use sessile::accounts::{AccountError, Accounts, UserChange, UserId};
    /// async fn ban(accounts: &Accounts, id: UserId) -> Result<(), AccountError> {
    ///     accounts.update(id, UserChange::new().active(false)).await?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`NotFound`](AccountErrorKind::NotFound), [`Taken`](AccountErrorKind::Taken),
    /// [`UsernameTaken`](AccountErrorKind::UsernameTaken), [`Sessions`](AccountErrorKind::Sessions)
    /// if the user was changed and sessions live on; what the store fails with.
    pub async fn update(&self, id: UserId, change: UserChange) -> Result<User, AccountError> {
        let barred = change.is_active == Some(false);
        let accounts = self.clone();
        let step = async move {
            let before = match &change.email {
                Some(_) => Some(accounts.user(id).await?.email),
                None => None,
            };
            let user = accounts.0.store.update(id, change, accounts.now()).await?;
            let user = user.ok_or_else(|| AccountError::new(AccountErrorKind::NotFound))?;
            let old_email = before.filter(|before| *before != user.email);
            accounts.tell(AccountEvent::Updated { user: user.clone(), old_email });
            Ok(user)
        };
        if !barred {
            return step.await;
        }
        let (user, ended) = self.ending(id, step).await?;
        ended?;
        Ok(user)
    }

    /// Deletes a user, with tokens, links and grants, and ends their sessions.
    ///
    /// ```
    /// use sessile::accounts::{AccountError, Accounts, UserId};
    /// async fn close(accounts: &Accounts, id: UserId) -> Result<(), AccountError> {
    ///     accounts.delete(id).await
    /// }
    /// ```
    ///
    /// # Errors
    /// [`NotFound`](AccountErrorKind::NotFound), [`Sessions`](AccountErrorKind::Sessions) if the user
    /// is gone and sessions live on; what the store fails with.
    pub async fn delete(&self, id: UserId) -> Result<(), AccountError> {
        let user = self.user(id).await?;
        let accounts = self.clone();
        let step = async move {
            accounts.tell_now(AccountEvent::Deleting { user: user.clone() }).await;
            if !accounts.0.store.delete(id).await? {
                return Err(AccountErrorKind::NotFound.into()); // somebody was quicker, and told it
            }
            accounts.tell(AccountEvent::Deleted { user });
            Ok(())
        };
        let ((), ended) = self.ending(id, step).await?;
        ended
    }

    /// Makes a role or a permission, or changes the words that explain it.
    ///
    /// ```
    /// use sessile::accounts::{Described, Entry, Grant};
    /// # use sessile::accounts::{Accounts, MemoryAccounts, NothingToEnd, Registration};
    /// use sessile::guard::Principal;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sessile::accounts::AccountError> {
    /// # let accounts = Accounts::new(MemoryAccounts::new(), NothingToEnd);
    /// # let ann = accounts.register(Registration::new("ann@example.org", "correct horse battery staple")).await?;
    /// accounts.put(Described::new(Entry::Role("editor".parse()?), "may change articles")).await?;
    /// accounts.put(Described::new(Entry::Permission("article:edit".parse()?), "")).await?;
    /// accounts.grant(Grant::PermissionOfRole("editor".parse()?, "article:edit".parse()?)).await?;
    /// accounts.grant(Grant::RoleOfUser(ann.id, "editor".parse()?)).await?;
    /// assert!(accounts.snapshot(ann.id).await?.has_permission("article:edit"));
    ///
    /// accounts.withdraw(Grant::RoleOfUser(ann.id, "editor".parse()?)).await?;
    /// assert!(!accounts.snapshot(ann.id).await?.has_permission("article:edit"));
    /// accounts.remove(Entry::Role("editor".parse()?)).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// What the store fails with.
    pub async fn put(&self, described: Described) -> Result<Put, AccountError> {
        let entry = described.entry.clone();
        let put = self.0.store.put(described).await?;
        self.tell(match put {
            Put::Created => AccountEvent::Created { entry },
            Put::Updated => AccountEvent::Described { entry },
        });
        Ok(put)
    }

    /// Removes a role or a permission, with every grant of it.
    ///
    /// # Errors
    /// [`NotFound`](AccountErrorKind::NotFound); what the store fails with.
    pub async fn remove(&self, entry: Entry) -> Result<(), AccountError> {
        if !self.0.store.remove(entry.clone()).await? {
            return Err(AccountErrorKind::NotFound.into());
        }
        self.tell(AccountEvent::Removed { entry });
        Ok(())
    }

    /// Gives a role or a permission. What was given already stays, and nothing is told.
    ///
    /// # Errors
    /// [`NotFound`](AccountErrorKind::NotFound) if there is no such user, role or permission; what
    /// the store fails with.
    pub async fn grant(&self, grant: Grant) -> Result<(), AccountError> {
        if self.0.store.grant(grant.clone()).await? {
            self.tell(AccountEvent::Granted { grant });
        }
        Ok(())
    }

    /// Takes a role or a permission back. What nobody had needs no taking, and nothing is told.
    ///
    /// # Errors
    /// What the store fails with.
    pub async fn withdraw(&self, grant: Grant) -> Result<(), AccountError> {
        if self.0.store.withdraw(grant.clone()).await? {
            self.tell(AccountEvent::Withdrawn { grant });
        }
        Ok(())
    }
}
