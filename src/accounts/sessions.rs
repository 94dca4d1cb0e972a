//! Accounts and sessions: a log-in starts one, and much ends them.

use std::fmt;

use super::error::{AccountError, AccountErrorKind};
use super::login::LoggedIn;
use super::service::Accounts;
use super::store::{AccountAnswer, Lookup};
use super::user::{User, UserId, UserSnapshot};
use crate::error::Error;
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
    /// # let accounts = Accounts::new(MemoryAccounts::new()).sessions(layer.sessions());
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
        session.create(new.into().subject(logged_in.subject())).map_err(failed)?;
        session.commit().await.map_err(failed)?;
        let before = logged_in.user();
        let now = self.0.store.find(Lookup::Id(before.id)).await.map(|account| {
            account.map(|account| account.user).filter(|user| user.epoch == before.epoch)
        });
        match now {
            Ok(Some(user)) if user.is_active => Ok(user),
            outcome => {
                session.destroy().map_err(failed)?;
                session.commit().await.map_err(failed)?;
                outcome.and(Err(AccountErrorKind::Credentials.into()))
            }
        }
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
            Err(error) if error.kind() == crate::error::ErrorKind::NoSession => Ok(()),
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
        session.create(new.idle(meta.idle()).absolute(absolute)).map_err(failed)?;
        session.commit().await.map_err(failed)
    }

    /// A [verifier](crate::SessionLayer::verifier) that ends the sessions of users who are inactive
    /// or gone, at the next request on whatever node. It costs a look into the store per request;
    /// without it, sessions end when [`update`](Self::update) and [`delete`](Self::delete) say so.
    ///
    /// ```
    /// use sessile::accounts::{Accounts, MemoryAccounts};
    /// use sessile::{Key, SessionLayer, Values, store::MemoryStore};
    /// let accounts = Accounts::new(MemoryAccounts::new());
    /// let layer = SessionLayer::<Values>::new(MemoryStore::new(), Key::generate())
    ///     .verifier(accounts.active_users());
    /// ```
    pub fn active_users(&self) -> ActiveUsers {
        ActiveUsers(self.clone())
    }
}

/// Ends the sessions of users who are inactive or gone; made by [`Accounts::active_users`]. A session
/// without a subject is nobody's, and passes.
///
/// ```
/// use sessile::accounts::{Accounts, ActiveUsers, MemoryAccounts};
/// let verifier: ActiveUsers = Accounts::new(MemoryAccounts::new()).active_users();
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

pub(super) fn failed(error: Error) -> AccountError {
    AccountError::new(AccountErrorKind::Sessions).with_source(error)
}
