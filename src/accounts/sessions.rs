//! Accounts and sessions: a log-in starts one, and much ends them.

use std::fmt;

use super::error::{AccountError, AccountErrorKind};
use super::login::LoggedIn;
use super::service::Accounts;
use super::store::{AccountAnswer, Lookup};
use super::user::{User, UserId, UserSnapshot};
use crate::error::{Error, ErrorKind};
use crate::record::SessionData;
use crate::registry::Sessions;
use crate::session::{NewSession, Session};
use crate::store::{Answer, StoreAnswer};
use crate::verify::{Verdict, Verifier, Visit};

/// Ends all that a user is logged in by. The sessions of a layer
/// ([`SessionLayer::sessions`](crate::SessionLayer::sessions)) do; families of refresh tokens and the
/// like can.
///
/// ```
/// use sessile::accounts::{AccountAnswer, EndSessions, UserId};
///
/// struct PushSubscriptions;
///
/// impl EndSessions for PushSubscriptions {
///     fn end_all(&self, user: UserId) -> AccountAnswer<()> {
///         AccountAnswer::later(async move {
///             println!("{user} gets no more messages");
///             Ok(())
///         })
///     }
/// }
/// ```
pub trait EndSessions: Send + Sync + 'static {
    /// Ends what there is when this is called.
    fn end_all(&self, user: UserId) -> AccountAnswer<()>;
}

/// Says that there is nothing to end: another password, being made inactive, and deletion leave all
/// sessions as they are. For programs that begin none, such as an import, and for tests.
///
/// ```
/// use sessile::accounts::{Accounts, MemoryAccounts, NothingToEnd};
/// let accounts = Accounts::new(MemoryAccounts::new(), NothingToEnd);
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "complete: there is nothing to set")]
pub struct NothingToEnd;

impl EndSessions for NothingToEnd {
    fn end_all(&self, _: UserId) -> AccountAnswer<()> {
        Answer::ready(Ok(()))
    }
}

impl<T: SessionData> EndSessions for Sessions<T> {
    fn end_all(&self, user: UserId) -> AccountAnswer<()> {
        let sessions = self.clone();
        Answer::later(async move {
            sessions.revoke_all(&user.to_string()).await.map_err(failed)?;
            Ok(())
        })
    }
}

impl Accounts {
    /// Starts a session for whoever has just logged in, with the user's id as its subject, and
    /// commits it. The session that the request came with ends.
    ///
    /// Once it is there, the user is looked at again: one who was made inactive or whose password
    /// was changed between the log-in and now is not let in. So a session either exists in time to
    /// be ended with the others, or is not started (ASVS 7.4.2).
    ///
    /// ```
    /// # use sessile::accounts::{Accounts, LogIn, MemoryAccounts, Registration};
    /// # use sessile::{Key, SessionLayer, Session, Values, store::MemoryStore};
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// # use http::{Request, Response};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let layer = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// # let accounts = Accounts::new(MemoryAccounts::new(), layer.sessions());
    /// # let password = "correct horse battery staple";
    /// # accounts.register(Registration::new("ann@example.org", password)).await?;
    /// # let all = layer.sessions();
    /// # let handler = service_fn(move |request: Request<()>| {
    /// #     let (accounts, all) = (accounts.clone(), all.clone());
    /// #     let session = Session::<Values>::of(&request).unwrap().clone();
    /// #     async move {
    /// let logged_in = accounts.log_in(LogIn::new("ann@example.org", password)).await?;
    /// let user = accounts.start(&session, logged_in, Values::new()).await?;
    /// assert_eq!(all.count(&user.id.to_string()).await.unwrap(), 1);
    /// #         Ok::<_, sessile::accounts::AccountError>(Response::new(String::new()))
    /// #     }
    /// # });
    /// # layer.layer(handler).oneshot(Request::new(())).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Credentials`](AccountErrorKind::Credentials) if the user may not log in any more,
    /// [`Sessions`](AccountErrorKind::Sessions) if the session could not be written, with its error
    /// as the source; what the store fails with.
    pub async fn start<T: SessionData>(
        &self,
        session: &Session<T>,
        logged_in: LoggedIn,
        new: impl Into<NewSession<T>>,
    ) -> Result<User, AccountError> {
        self.begin(session, new.into().subject(logged_in.subject()), logged_in.user()).await
    }

    /// Begins a session for a user who was like this, if they still are once it is there.
    async fn begin<T: SessionData>(
        &self,
        session: &Session<T>,
        new: NewSession<T>,
        before: &User,
    ) -> Result<User, AccountError> {
        session.create(new).map_err(failed)?;
        session.commit().await.map_err(failed)?;
        let unproven = Unproven(Some(session));
        let user = self.unchanged(before).await;
        if user.is_err() {
            session.destroy().map_err(failed)?;
            session.commit().await.map_err(failed)?;
        }
        unproven.settled();
        user
    }

    /// The user, who is active, and whose password is the same as then.
    async fn unchanged(&self, before: &User) -> Result<User, AccountError> {
        let account = self.0.store.find(Lookup::Id(before.id)).await?;
        let user = account.map(|account| account.user);
        let user = user.filter(|user| user.is_active && user.epoch == before.epoch);
        user.ok_or_else(|| AccountErrorKind::Credentials.into())
    }

    /// Logs out: the request's session ends with the response. Without one there is nothing to do.
    ///
    /// ```
    /// # use sessile::accounts::{AccountError, Accounts};
    /// # use sessile::{Session, Values};
    /// async fn log_out(accounts: &Accounts, session: Session<Values>) -> Result<(), AccountError> {
    ///     accounts.log_out(&session)
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Sessions`](AccountErrorKind::Sessions) after the response head has left.
    pub fn log_out<T: SessionData>(&self, session: &Session<T>) -> Result<(), AccountError> {
        match session.destroy() {
            Err(error) if error.kind() == ErrorKind::NoSession => Ok(()),
            outcome => outcome.map_err(failed),
        }
    }

    /// Ends all of a user's sessions, wherever they are logged in.
    ///
    /// ```
    /// use sessile::accounts::{AccountError, Accounts, UserId};
    /// async fn log_out_everywhere(accounts: &Accounts, id: UserId) -> Result<(), AccountError> {
    ///     accounts.end_sessions(id).await
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Sessions`](AccountErrorKind::Sessions) if some could not be ended, after all were tried.
    pub async fn end_sessions(&self, id: UserId) -> Result<(), AccountError> {
        let mut outcome = Ok(());
        for sessions in &self.0.sessions {
            let ended = sessions
                .end_all(id)
                .await
                .map_err(|error| AccountError::new(AccountErrorKind::Sessions).with_source(error));
            outcome = outcome.and(ended);
        }
        outcome
    }

    /// Carries out a step that shall end a user's sessions, and ends them: in a task of its own, so
    /// that a caller who goes away does not stop it half way. If the store fails, nobody knows
    /// whether the step has happened, and the sessions end as well.
    pub(super) async fn ending<V: Send + 'static>(
        &self,
        id: UserId,
        step: impl Future<Output = Result<V, AccountError>> + Send + 'static,
    ) -> Result<Ended<V>, AccountError> {
        let accounts = self.clone();
        let work = async move {
            let outcome = step.await;
            let happened = match &outcome {
                Ok(_) => true,
                Err(error) => error.kind() == AccountErrorKind::Store,
            };
            let ended = if happened { accounts.end_sessions(id).await } else { Ok(()) };
            outcome.map(|value| (value, ended))
        };
        let lost = |error| AccountError::new(AccountErrorKind::Internal).with_source(error);
        tokio::spawn(work).await.unwrap_or_else(|error| Err(lost(error)))
    }

    /// The user whose session this is.
    ///
    /// ```
    /// # use sessile::accounts::{AccountError, Accounts, User};
    /// # use sessile::{Session, Values};
    /// async fn me(accounts: &Accounts, session: Session<Values>) -> Result<User, AccountError> {
    ///     accounts.user_of(&session).await
    /// }
    /// ```
    ///
    /// # Errors
    /// [`SignedOut`](AccountErrorKind::SignedOut) without a live session of an active user; what the
    /// store fails with.
    pub async fn user_of<T: SessionData>(
        &self,
        session: &Session<T>,
    ) -> Result<User, AccountError> {
        let signed_out = || AccountError::new(AccountErrorKind::SignedOut);
        let subject = session.meta().and_then(|meta| meta.subject).ok_or_else(signed_out)?;
        let id = subject.parse().map_err(|_| signed_out())?;
        let account = self.0.store.find(Lookup::Id(id)).await?;
        let account = account.filter(|account| account.user.is_active);
        account.map(|account| account.user).ok_or_else(signed_out)
    }

    /// The user whose session this is, with roles and permissions as they are now: for handlers, and
    /// for a layer that puts it into a request's extensions, where guards find it.
    ///
    /// ```
    /// # use sessile::accounts::{AccountError, Accounts};
    /// # use sessile::{Session, Values};
    /// use sessile::guard::Principal;
    /// async fn may_delete(accounts: &Accounts, session: Session<Values>) -> Result<bool, AccountError> {
    ///     Ok(accounts.snapshot_of(&session).await?.has_permission("user:delete"))
    /// }
    /// ```
    ///
    /// # Errors
    /// As for [`user_of`](Self::user_of).
    pub async fn snapshot_of<T: SessionData>(
        &self,
        session: &Session<T>,
    ) -> Result<UserSnapshot, AccountError> {
        let user = self.user_of(session).await?;
        let held = self.0.store.held(user.id).await?;
        Ok(UserSnapshot { user, roles: held.roles, permissions: held.permissions })
    }

    /// Ends the request's session in favour of a new one with the same data and limits, so that
    /// whoever else had its ticket has nothing.
    pub(super) async fn rotate<T: SessionData>(
        &self,
        session: &Session<T>,
        user: &User,
    ) -> Result<(), AccountError> {
        let (Some(data), Some(meta)) = (session.get(), session.meta()) else {
            return Err(AccountErrorKind::SignedOut.into());
        };
        let mut new = NewSession::with(T::clone(&data));
        let absolute = meta.absolute.since(meta.created);
        if meta.persistent {
            new = new.remember(absolute);
        }
        if let Some(subject) = &meta.subject {
            new = new.subject(subject.as_ref());
        }
        if let Some(context) = &meta.context {
            new = new.methods(context.methods.iter().cloned());
            if let Some(level) = context.assurance {
                new = new.assurance(level);
            }
            if let Some(class) = &context.acr {
                new = new.acr(class.clone());
            }
        }
        self.begin(session, new.idle(meta.idle()).absolute(absolute), user).await.map(drop)
    }

    /// A [verifier](crate::SessionLayer::verifier) that ends the sessions of users who are inactive
    /// or gone, at the next request on whatever node. It costs a look into the store per request;
    /// without it, sessions end when [`update`](Self::update) and [`delete`](Self::delete) say so.
    ///
    /// ```
    /// use sessile::accounts::{Accounts, MemoryAccounts};
    /// use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// let layer = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate());
    /// let accounts = Accounts::new(MemoryAccounts::new(), layer.sessions());
    /// let layer = layer.verifier(accounts.active_users());
    /// ```
    pub fn active_users(&self) -> ActiveUsers {
        ActiveUsers(self.clone())
    }
}

/// Ends the sessions of users who are inactive or gone; made by [`Accounts::active_users`]. A session
/// without a subject is nobody's, and passes.
///
/// ```
/// use sessile::accounts::{Accounts, ActiveUsers, MemoryAccounts, NothingToEnd};
/// let verifier: ActiveUsers = Accounts::new(MemoryAccounts::new(), NothingToEnd).active_users();
/// ```
#[derive(Clone)]
pub struct ActiveUsers(Accounts);

impl<T: SessionData> Verifier<T> for ActiveUsers {
    fn verify(&self, visit: &Visit<'_, T>) -> StoreAnswer<Verdict> {
        let Some(subject) = visit.record.meta.subject.clone() else {
            return Answer::ready(Ok(Verdict::Pass));
        };
        let accounts = self.0.clone();
        Answer::later(async move {
            let Ok(id) = subject.parse() else { return Ok(Verdict::End("unknown user")) };
            match accounts.user(id).await {
                Ok(user) if user.is_active => Ok(Verdict::Pass),
                Ok(_) => Ok(Verdict::End("inactive user")),
                Err(error) if error.kind() == AccountErrorKind::NotFound => {
                    Ok(Verdict::End("unknown user"))
                }
                Err(error) => {
                    Err(crate::StoreError::new(crate::StoreErrorKind::Unavailable)
                        .with_source(error))
                }
            }
        })
    }
}

impl fmt::Debug for ActiveUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ActiveUsers")
    }
}

/// What a step came to, and whether the sessions that it shall end have ended.
pub(super) type Ended<V> = (V, Result<(), AccountError>);

/// Takes over what other requests have written to the session since this one began.
pub(super) async fn catch_up<T: SessionData>(session: &Session<T>) -> Result<(), AccountError> {
    // A renewal is made on what is stored, and takes the edits of this request along.
    let caught_up = async {
        session.renew()?;
        session.commit().await
    };
    match caught_up.await {
        Ok(()) if session.meta().is_some() => Ok(()),
        Err(error) if error.kind() != ErrorKind::Gone && error.kind() != ErrorKind::NoSession => {
            Err(AccountError::new(AccountErrorKind::Store).with_source(error))
        }
        _ => Err(AccountErrorKind::SignedOut.into()), // logged out meanwhile
    }
}

/// A session whose user is still to be looked at. Dropped before, by a timeout say, it ends with the
/// response, which hands out no ticket.
struct Unproven<'a, T: SessionData>(Option<&'a Session<T>>);

impl<T: SessionData> Unproven<'_, T> {
    fn settled(mut self) {
        self.0 = None;
    }
}

impl<T: SessionData> Drop for Unproven<'_, T> {
    fn drop(&mut self) {
        if let Some(session) = self.0 {
            drop(session.destroy());
        }
    }
}

pub(super) fn failed(error: Error) -> AccountError {
    AccountError::new(AccountErrorKind::Sessions).with_source(error)
}
