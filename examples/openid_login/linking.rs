//! Whose account a log-in at the provider is: that of the link (issuer, subject), which never changes
//! hands. An address alone finds nobody, unless both sides have verified it.

use data_encoding::HEXLOWER;
use sessile::accounts::{
    Account, AccountErrorKind, AccountStore, Email, Link, Lookup, MemoryAccounts, User, UserChange,
    UserId,
};
use sessile::{Clock, SystemClock, Timestamp};
use sha2::{Digest, Sha256};

use crate::failure::Failure;
use crate::provider::Proven;

/// The issuer as the name of a provider in links: two issuers never share one.
pub(crate) fn name_of(issuer: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(issuer))
}

/// The user that this log-in is for; who is new gets an account.
pub(crate) async fn user_of(
    accounts: &impl AccountStore,
    issuer: &str,
    proven: &Proven,
) -> Result<User, Failure> {
    let link = Link::new(&name_of(issuer), &proven.subject)?;
    // Of two first log-ins at once one makes the account; the other finds it in its second round.
    for _ in 0..2 {
        if let Some(account) = accounts.find(Lookup::link(link.provider(), link.subject())).await? {
            return active(account.user);
        }
        let email = proven.verified_email.as_deref().ok_or(Failure::NoAddress)?;
        let email: Email = email.parse().map_err(|_| Failure::NoAddress)?;
        if let Some(account) = accounts.find(Lookup::Email(email.clone())).await? {
            // Somebody may have registered with an address that is not theirs and be waiting for
            // its owner to come and share the account.
            if !account.user.is_verified {
                return Err(Failure::AddressTaken);
            }
            accounts.link(account.user.id, link).await?;
            return active(account.user);
        }
        let (id, now) = (UserId::generate()?, Timestamp::from(SystemClock.now()));
        let mut account = Account::new(id, email, now);
        account.user.is_verified = true;
        match accounts.insert(account.clone()).await {
            Ok(()) => {
                accounts.link(id, link).await?;
                return Ok(account.user);
            }
            Err(error) if error.kind() == AccountErrorKind::Taken => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::Internal)
}

fn active(user: User) -> Result<User, Failure> {
    if user.is_active { Ok(user) } else { Err(Failure::Inactive) }
}

/// Accounts from before there was a provider: `old` has shown that the address is theirs, `unsure`
/// has not, `off` was switched off.
pub(crate) async fn accounts() -> Result<MemoryAccounts, Failure> {
    use sessile::accounts::UserStore;
    let (accounts, now) = (MemoryAccounts::new(), Timestamp::from(SystemClock.now()));
    for (email, change) in [
        ("old@example.org", UserChange::new().verified(true)),
        ("unsure@example.org", UserChange::new()),
        ("off@example.org", UserChange::new().verified(true).active(false)),
    ] {
        let id = UserId::generate()?;
        accounts.insert(Account::new(id, email.parse()?, now)).await?;
        accounts.update(id, change, now).await?;
    }
    Ok(accounts)
}
