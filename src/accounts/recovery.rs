//! Verification of addresses, and forgotten passwords.

use super::email::Email;
use super::error::{AccountError, AccountErrorKind};
use super::event::AccountEvent;
use super::login::log_in_key;
use super::password::Password;
use super::service::Accounts;
use super::store::NewToken;
use super::token::{OneTimeToken, Purpose, TokenDigest};
use super::user::User;
use crate::client::Client;

impl Accounts {
    /// Sends a token with which a user shows that this address is theirs, by way of
    /// [`VerifyRequested`](AccountEvent::VerifyRequested).
    ///
    /// For an address that nobody has, or that is verified already, nothing is sent, and the answer
    /// is the same after the same work.
    ///
    /// ```
    /// use sessile::Client;
    /// use sessile::accounts::{AccountError, Accounts};
    /// async fn send_again(accounts: &Accounts, email: &str, client: &Client) -> Result<(), AccountError> {
    ///     accounts.request_verify(email, client).await
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Email`](AccountErrorKind::Email), [`Throttled`](AccountErrorKind::Throttled), what the
    /// store fails with.
    pub async fn request_verify(&self, email: &str, client: &Client) -> Result<(), AccountError> {
        let (user, token) = self.issue(email, client, Purpose::Verify).await?;
        if let Some(user) = user.filter(|user| !user.is_verified) {
            self.tell(AccountEvent::VerifyRequested { user, token });
        }
        Ok(())
    }

    /// Takes such a token: the address is verified. It works once.
    ///
    /// ```
    /// use sessile::accounts::{AccountError, Accounts};
    /// async fn verify(accounts: &Accounts, token: &str) -> Result<String, AccountError> {
    ///     Ok(format!("Thank you, {}!", accounts.verify(token).await?.email))
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Token`](AccountErrorKind::Token), whatever is wrong with it; what the store fails with.
    pub async fn verify(&self, token: &str) -> Result<User, AccountError> {
        let digest = TokenDigest::of(token, Purpose::Verify)?;
        let user = self.0.store.verify(digest, self.now()).await?;
        let user = user.ok_or_else(|| AccountError::new(AccountErrorKind::Token))?;
        self.tell(AccountEvent::Verified { user: user.clone() });
        Ok(user)
    }

    /// Sends a token with which a user can set a new password, by way of
    /// [`ForgotPassword`](AccountEvent::ForgotPassword). For an address that nobody has, nothing is
    /// sent, and the answer is the same after the same work.
    ///
    /// ```
    /// use sessile::Client;
    /// use sessile::accounts::{AccountError, Accounts};
    /// async fn forgot(accounts: &Accounts, email: &str, client: &Client) -> Result<&'static str, AccountError> {
    ///     accounts.forgot(email, client).await?;
    ///     Ok("If you have an account, you have got an e-mail.")
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Email`](AccountErrorKind::Email), [`Throttled`](AccountErrorKind::Throttled), what the
    /// store fails with.
    pub async fn forgot(&self, email: &str, client: &Client) -> Result<(), AccountError> {
        let (user, token) = self.issue(email, client, Purpose::Reset).await?;
        if let Some(user) = user {
            self.tell(AccountEvent::ForgotPassword { user, token });
        }
        Ok(())
    }

    /// Takes such a token and sets this password. All of the user's sessions end, their other
    /// tokens for a reset are void, and they may try to log in again if too many attempts had
    /// failed.
    ///
    /// A password that is refused leaves the token as it is. The token is spent in the very step
    /// that sets the password.
    ///
    /// ```
    /// use sessile::accounts::{AccountError, Accounts, Password};
    /// async fn reset(accounts: &Accounts, token: &str, new: Password) -> Result<(), AccountError> {
    ///     accounts.reset(token, &new).await?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Token`](AccountErrorKind::Token), whatever is wrong with it; the kinds that begin with
    /// `Password`; [`Busy`](AccountErrorKind::Busy); [`Sessions`](AccountErrorKind::Sessions) if the
    /// password was set and sessions live on; what the store fails with.
    pub async fn reset(&self, token: &str, new: &Password) -> Result<User, AccountError> {
        let wrong = || AccountError::new(AccountErrorKind::Token);
        let digest = TokenDigest::of(token, Purpose::Reset)?;
        let holder = self.0.store.holder(digest.clone(), Purpose::Reset, self.now()).await?;
        let holder = holder.ok_or_else(wrong)?;
        self.0.passwords.accept(new, &holder.email, holder.username.as_ref()).await?;
        let hash = self.0.passwords.hash(new).await?;
        let accounts = self.clone();
        let step = async move {
            let user = accounts.0.store.reset(digest, hash, accounts.now()).await?;
            let user = user.ok_or_else(wrong)?;
            accounts.clear_throttle(&user);
            accounts.tell(AccountEvent::PasswordReset { user: user.clone() });
            Ok(user)
        };
        let (user, ended) = self.ending(holder.id, step).await?;
        ended?;
        Ok(user)
    }

    /// Keeps a token for whoever has this address. Every one counts as an attempt.
    async fn issue(
        &self,
        email: &str,
        client: &Client,
        purpose: Purpose,
    ) -> Result<(Option<User>, OneTimeToken), AccountError> {
        let (email, now): (Email, _) = (email.parse()?, self.now());
        let key = format!("{} {}", purpose.name(), email.key());
        drop(self.0.throttle.attempt(&key, client, now)?);
        let token = OneTimeToken::generate()?;
        let digest = TokenDigest::of(token.expose(), purpose)?;
        let user = self.0.store.issue(NewToken::new(digest, purpose, email, now)).await?;
        Ok((user, token))
    }

    pub(super) fn clear_throttle(&self, user: &User) {
        self.0.throttle.clear(&log_in_key(user.email.key()));
        if let Some(name) = &user.username {
            self.0.throttle.clear(&log_in_key(name.key()));
        }
    }
}
