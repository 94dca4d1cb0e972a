//! One-time tokens, as rows.
//!
//! A token is spent by deleting its row and looking whether there was one, in the transaction that
//! does what it is good for. That locks the user first, as everything does that locks both, so
//! that nobody waits for each other.

use super::SqlAccounts;
use super::engine::Engine;
use super::users::{columns, first};
use crate::accounts::error::{AccountError, AccountErrorKind};
use crate::accounts::password::PasswordHash;
use crate::accounts::store::{AccountAnswer, NewToken, TokenStore};
use crate::accounts::token::{Purpose, TokenDigest};
use crate::accounts::user::User;
use crate::clock::Timestamp;

impl TokenStore for SqlAccounts {
    fn issue(&self, token: NewToken) -> AccountAnswer<Option<User>> {
        self.answer(|engine| async move {
            let mut work = engine.begin().await?;
            let values = [
                token.digest.as_str().into(),
                token.purpose.name().into(),
                token.to.key().into(),
                token.expires.as_millis().into(),
            ];
            match work.rows(ISSUE, values).await {
                // Whose it would have been was deleted meanwhile.
                Err(error) if error.kind() == AccountErrorKind::NotFound => return Ok(None),
                issued => drop(issued?),
            }
            // After the user, whom this locks: a deletion goes from the user to the tokens, too.
            work.rows(SWEEP, [token.now.as_millis().into()]).await?;
            let user = first(&work.rows(RECIPIENT, [token.to.key().into()]).await?)?;
            work.commit().await?;
            Ok(user)
        })
    }

    fn holder(
        &self,
        digest: TokenDigest,
        purpose: Purpose,
        now: Timestamp,
    ) -> AccountAnswer<Option<User>> {
        self.answer(move |engine| async move {
            let values = [digest.as_str().into(), purpose.name().into(), now.as_millis().into()];
            first(&engine.read(HOLDER, values).await?)
        })
    }

    fn verify(&self, digest: TokenDigest, now: Timestamp) -> AccountAnswer<Option<User>> {
        self.answer(move |engine| spend(engine, digest, Spent::Verified, now))
    }

    fn reset(
        &self,
        digest: TokenDigest,
        new: PasswordHash,
        now: Timestamp,
    ) -> AccountAnswer<Option<User>> {
        self.answer(move |engine| spend(engine, digest, Spent::Reset(new), now))
    }
}

/// What a token is spent for.
enum Spent {
    Verified,
    Reset(PasswordHash),
}

async fn spend(
    engine: std::sync::Arc<Engine>,
    digest: TokenDigest,
    spent: Spent,
    now: Timestamp,
) -> Result<Option<User>, AccountError> {
    let mut work = engine.begin().await?;
    let (text, at) = (digest.as_str(), now.as_millis());
    let (purpose, rows) = match spent {
        Spent::Verified => {
            let purpose = Purpose::Verify;
            let values = [text.into(), purpose.name().into(), at.into()];
            (purpose, work.rows(VERIFY, values).await?)
        }
        Spent::Reset(new) => {
            let purpose = Purpose::Reset;
            let values = [text.into(), purpose.name().into(), at.into(), new.expose().into()];
            (purpose, work.rows(RESET, values).await?)
        }
    };
    let Some(user) = first(&rows)? else { return Ok(None) };
    // Whoever comes second has waited for the user's row, and finds no token here.
    if work.rows(SPEND, [text.into()]).await?.is_empty() {
        return Ok(None);
    }
    if purpose == Purpose::Reset {
        let values = [user.id.to_string().into(), purpose.name().into()];
        work.rows(END_OTHERS, values).await?;
    }
    work.commit().await?;
    Ok(Some(user))
}

const SWEEP: &str = "DELETE FROM sessile_user_tokens WHERE expires <= $1";

/// For an address that nobody has, a row of nobody is written.
const ISSUE: &str = "INSERT INTO sessile_user_tokens (digest, purpose, user_id, email_key, expires) \
    VALUES ($1, $2, (SELECT id FROM sessile_users WHERE email_key = $3 AND is_active), $3, $4)";
const RECIPIENT: &str =
    concat!("SELECT ", columns!(), " FROM sessile_users WHERE email_key = $1 AND is_active");

/// Whether the user is who may spend the token.
macro_rules! may_spend {
    () => {
        " WHERE is_active AND EXISTS (SELECT 1 FROM sessile_user_tokens AS token \
          WHERE token.digest = $1 AND token.purpose = $2 AND token.expires > $3 \
          AND token.user_id = sessile_users.id AND token.email_key = sessile_users.email_key)"
    };
}

const HOLDER: &str = concat!("SELECT ", columns!(), " FROM sessile_users", may_spend!());
const VERIFY: &str = concat!(
    "UPDATE sessile_users SET is_verified = TRUE, updated = $3",
    may_spend!(),
    " RETURNING ",
    columns!()
);
const RESET: &str = concat!(
    "UPDATE sessile_users SET password_hash = $4, epoch = epoch + 1, updated = $3",
    may_spend!(),
    " RETURNING ",
    columns!()
);
const SPEND: &str = "DELETE FROM sessile_user_tokens WHERE digest = $1 RETURNING digest";
const END_OTHERS: &str = "DELETE FROM sessile_user_tokens WHERE user_id = $1 AND purpose = $2";
