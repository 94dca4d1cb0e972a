//! Guards made of guards.

use std::fmt;
use std::marker::PhantomData;

use super::{Attempt, Guard};
use crate::refusal::{Denied, Refusal};

/// Passes what both pass. Made by [`Guard::and`].
///
/// ```
/// use sessile::guard::{And, IsActive, IsVerified, Principal, is_active, is_verified};
/// fn in_good_standing<T: Principal + sessile::SessionData>() -> And<IsActive, IsVerified, T> {
///     use sessile::guard::Guard;
///     is_active().and(is_verified())
/// }
/// # #[derive(Clone, serde::Serialize, serde::Deserialize)]
/// # struct Member;
/// # impl Principal for Member {}
/// # let _ = in_good_standing::<Member>();
/// ```
pub struct And<A, B, T>(A, B, PhantomData<fn(&T)>);

/// Passes what either passes. Made by [`Guard::or`].
///
/// ```
/// use sessile::guard::{Guard, HasPermission, HasRole, Or, Principal, has_permission, has_role};
/// fn may_delete<T: Principal + sessile::SessionData>() -> Or<HasRole, HasPermission, T> {
///     has_role("admin").or(has_permission("user:delete"))
/// }
/// # #[derive(Clone, serde::Serialize, serde::Deserialize)]
/// # struct Member;
/// # impl Principal for Member {}
/// # let _ = may_delete::<Member>();
/// ```
pub struct Or<A, B, T>(A, B, PhantomData<fn(&T)>);

/// Passes what the other guard forbids. Made by [`Guard::not`].
///
/// ```
/// use sessile::guard::{Guard, HasRole, Not, Principal, has_role};
/// fn not_suspended<T: Principal + sessile::SessionData>() -> Not<HasRole, T> {
///     has_role("suspended").not()
/// }
/// # #[derive(Clone, serde::Serialize, serde::Deserialize)]
/// # struct Member;
/// # impl Principal for Member {}
/// # let _ = not_suspended::<Member>();
/// ```
pub struct Not<A, T>(A, PhantomData<fn(&T)>);

// They name `T` so that `has_role("a").and(has_role("b"))` knows for whom it asks.
impl<A, B, T> And<A, B, T> {
    pub(super) const fn new(first: A, second: B) -> Self {
        Self(first, second, PhantomData)
    }
}

impl<A, B, T> Or<A, B, T> {
    pub(super) const fn new(first: A, second: B) -> Self {
        Self(first, second, PhantomData)
    }
}

impl<A, T> Not<A, T> {
    pub(super) const fn new(guard: A) -> Self {
        Self(guard, PhantomData)
    }
}

impl<A: Guard<T>, B: Guard<T>, T: 'static> Guard<T> for And<A, B, T> {
    fn check(&self, attempt: &Attempt<'_, T>) -> Result<(), Denied> {
        match self.0.check(attempt) {
            Ok(()) => self.1.check(attempt),
            Err(denied) if denied.refusal() == Refusal::Forbidden => Err(denied),
            Err(denied) => Err(match self.1.check(attempt) {
                Ok(()) => denied,
                Err(too) => harder(denied, too),
            }),
        }
    }
}

impl<A: Guard<T>, B: Guard<T>, T: 'static> Guard<T> for Or<A, B, T> {
    fn check(&self, attempt: &Attempt<'_, T>) -> Result<(), Denied> {
        let Err(denied) = self.0.check(attempt) else { return Ok(()) };
        self.1.check(attempt).map_err(|too| easier(denied, too))
    }
}

impl<A: Guard<T>, T: 'static> Guard<T> for Not<A, T> {
    fn check(&self, attempt: &Attempt<'_, T>) -> Result<(), Denied> {
        inverted(self.0.check(attempt))
    }
}

/// What to say to whoever must meet both: nobody is asked to log in again for what they may not
/// do afterwards either, and who must do so for two reasons is told both.
fn harder(first: Denied, second: Denied) -> Denied {
    match (help(first), help(second)) {
        (Help::StepUp, Help::StepUp) => first.and(second),
        (a, b) if b > a => second,
        _ => first,
    }
}

/// What to say to whoever need only meet one of them: what can be met.
fn easier(first: Denied, second: Denied) -> Denied {
    if help(second) < help(first) { second } else { first }
}

/// Whether a session could pass with a better proof is not known before it has one; so the answer
/// is no either way.
fn inverted(answer: Result<(), Denied>) -> Result<(), Denied> {
    match answer {
        Err(denied) => match help(denied) {
            Help::Nothing => Ok(()),
            Help::StepUp => Err(Denied::forbidden()),
            Help::Other => Err(denied),
        },
        Ok(()) => Err(Denied::forbidden()),
    }
}

/// What would help, the nearest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Help {
    StepUp,
    /// Whatever a guard of the application's own has to say, such as that a database is down.
    Other,
    Nothing,
}

const fn help(denied: Denied) -> Help {
    match denied.refusal() {
        Refusal::StepUp => Help::StepUp,
        Refusal::Forbidden => Help::Nothing,
        _ => Help::Other,
    }
}

impl<A: Clone, B: Clone, T> Clone for And<A, B, T> {
    fn clone(&self) -> Self {
        Self::new(self.0.clone(), self.1.clone())
    }
}

impl<A: Clone, B: Clone, T> Clone for Or<A, B, T> {
    fn clone(&self) -> Self {
        Self::new(self.0.clone(), self.1.clone())
    }
}

impl<A: Clone, T> Clone for Not<A, T> {
    fn clone(&self) -> Self {
        Self::new(self.0.clone())
    }
}

impl<A: fmt::Debug, B: fmt::Debug, T> fmt::Debug for And<A, B, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("And").field(&self.0).field(&self.1).finish()
    }
}

impl<A: fmt::Debug, B: fmt::Debug, T> fmt::Debug for Or<A, B, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Or").field(&self.0).field(&self.1).finish()
    }
}

impl<A: fmt::Debug, T> fmt::Debug for Not<A, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Not").field(&self.0).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::assurance::Assurance;

    #[test]
    fn two_denials_give_the_answer_that_helps() {
        let forbidden = Denied::forbidden();
        let broken = Denied::from(Refusal::StoreUnavailable);
        let minutes = |count: u64| Denied::step_up().within(Duration::from_secs(60 * count));
        let aal2 = Denied::step_up().at_least(Assurance::Aal2);
        let aal3 = Denied::step_up().at_least(Assurance::Aal3);
        let cases = [
            ("no and no", forbidden, forbidden, forbidden, forbidden),
            ("no and a step-up", forbidden, aal2, forbidden, aal2),
            ("a step-up and no", aal2, forbidden, forbidden, aal2),
            (
                "both in time and well enough",
                minutes(5),
                aal2,
                minutes(5).at_least(Assurance::Aal2),
                minutes(5),
            ),
            ("the shorter time", minutes(5), minutes(2), minutes(2), minutes(5)),
            ("the higher level", aal3, aal2, aal3, aal3),
            ("no and a failure", forbidden, broken, forbidden, broken),
            ("a failure and a step-up", broken, aal2, broken, aal2),
            ("a step-up and a failure", aal2, broken, broken, aal2),
        ];
        for (name, first, second, both, either) in cases {
            assert_eq!(harder(first, second), both, "{name}");
            assert_eq!(easier(first, second), either, "{name}");
        }
    }

    #[test]
    fn the_opposite_of_a_step_up_is_no() {
        let broken = Denied::from(Refusal::StoreUnavailable);
        assert_eq!(inverted(Ok(())), Err(Denied::forbidden()));
        assert_eq!(inverted(Err(Denied::forbidden())), Ok(()));
        assert_eq!(inverted(Err(Denied::step_up())), Err(Denied::forbidden()));
        assert_eq!(inverted(Err(broken)), Err(broken), "nobody passes because a database is down");
    }
}
