//! What a token is for.

use std::borrow::Cow;
use std::fmt;

/// What a token is for, in its claim `type`. A token of one kind never passes as another
/// (ASVS 9.2.2).
///
/// ```
/// use sessile::token::TokenKind;
/// let reset = TokenKind::Purpose("reset_password".into());
/// assert_eq!(TokenKind::Access.to_string(), "access");
/// assert_eq!(reset.to_string(), "purpose:reset_password");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenKind {
    /// Opens what its subject may open: `access`.
    Access,
    /// Gets new access tokens: `refresh`. The refresh tokens of [`Pairs`](super::Pairs) are
    /// sessions instead, which can be ended.
    Refresh,
    /// Does one thing, such as confirming an e-mail address: `purpose:` and its name.
    Purpose(Cow<'static, str>),
}

impl TokenKind {
    /// What stands in the token. The prefix keeps a purpose from being named `access`.
    pub(super) fn claim(&self) -> Cow<'_, str> {
        match self {
            Self::Access => Cow::Borrowed(ACCESS),
            Self::Refresh => Cow::Borrowed(REFRESH),
            Self::Purpose(name) => Cow::Owned([PURPOSE, name].concat()),
        }
    }

    /// Whether a token with this claim is of this kind.
    pub(super) fn is(&self, claim: &str) -> bool {
        match self {
            Self::Access => claim == ACCESS,
            Self::Refresh => claim == REFRESH,
            Self::Purpose(name) => claim.strip_prefix(PURPOSE) == Some(name),
        }
    }
}

impl fmt::Display for TokenKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.claim())
    }
}

const ACCESS: &str = "access";
const REFRESH: &str = "refresh";
const PURPOSE: &str = "purpose:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r42_no_kind_passes_as_another() {
        let purpose = |name: &'static str| TokenKind::Purpose(name.into());
        let kinds = [
            TokenKind::Access,
            TokenKind::Refresh,
            purpose("access"),
            purpose("refresh"),
            purpose("purpose:access"),
            purpose(""),
        ];
        for (at, kind) in kinds.iter().enumerate() {
            for (other_at, other) in kinds.iter().enumerate() {
                assert_eq!(kind.is(&other.claim()), at == other_at, "{other} as {kind}");
            }
        }
        for claim in ["", "Access", "access ", "custom"] {
            assert!(!kinds.iter().any(|kind| kind.is(claim)), "{claim:?}");
        }
    }
}
