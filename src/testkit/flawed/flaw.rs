//! The ways to be wrong.

/// A way for a store to be wrong.
///
/// ```
/// use sessile::{Id, Timestamp, store::{Saved, Store}};
/// use sessile::testkit::{Flaw, Flawed};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = Flawed::new(Flaw::AnswersDoneWhenGone);
/// let touched = store.touch(Id::generate()?, Timestamp::from_millis(0)).await?;
/// assert_eq!(touched, Saved::Done, "though there is nothing to touch");
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Flaw {
    /// An unknown id that is asked for comes into being.
    AdoptsOnLoad,
    /// `create` writes over a live record.
    OverwritesOnCreate,
    /// `create` takes the id of an expired record for taken.
    RefusesExpiredIds,
    /// `replace` creates what is not there (an upsert).
    AdoptsOnReplace,
    /// `replace` does not look at the version: the last writer wins.
    IgnoresVersion,
    /// `replace` looks at the version in one step and writes in another.
    VersionCheckNotAtomic,
    /// `replace` deletes in one step and inserts in another.
    ReplacesInTwoSteps,
    /// `replace` and `touch` of what is not there claim to be done.
    AnswersDoneWhenGone,
    /// `replace` writes an older `last_seen` over a newer one.
    LosesLastSeenOnReplace,
    /// `replace` does not write the new absolute deadline.
    KeepsFirstDeadline,
    /// `replace` merges maps, so that removed fields come back.
    MergesTags,
    /// `touch` brings a deleted record back.
    ResurrectsOnTouch,
    /// `touch` prolongs a record whose deadline has come.
    RevivesExpiredOnTouch,
    /// `touch` claims to be done and notes nothing.
    TouchDoesNothing,
    /// `touch` counts as a write.
    TouchBumpsVersion,
    /// `touch` with an earlier time moves `last_seen` back.
    TouchMovesBackwards,
    /// `touch` moves the absolute deadline.
    TouchExtendsAbsolute,
    /// `touch` reads the record in one step and writes all of it in another.
    TouchRewritesRecord,
    /// `load` does not look at the deadline.
    ServesExpired,
    /// `load` takes exactly the deadline for early enough.
    ServesAtDeadline,
    /// `load` answers what it once read, whatever was written since.
    ServesStaleReads,
    /// `delete` of what is not there is an error.
    DeleteErrsWhenAbsent,
    /// The index still lists what was deleted.
    DeleteKeepsIndex,
    /// The index lists and counts what has expired.
    IndexKeepsExpired,
    /// The index loses what was replaced.
    IndexForgetsOnReplace,
    /// The index still lists a session under the subject that it had before.
    IndexKeepsOldSubject,
    /// `create` writes the record in one step and the index in another.
    IndexLagsBehind,
    /// The sessions of `anna` are listed for `ann`.
    SubjectsMatchByPrefix,
    /// Subjects are compared without regard to case and surrounding space.
    FoldsSubjects,
    /// `Revoke::One` ends the session of anybody.
    RevokesAcrossSubjects,
    /// `Revoke::Others` ends the current session as well.
    RevokeOthersTakesCurrent,
    /// `revoke` ends more than it was allowed.
    RevokeIgnoresMax,
    /// `revoke` never says that there is more.
    RevokeHidesMore,
    /// A scan leaves out sessions that belong to nobody.
    ScanSkipsNobodys,
    /// A scan shows expired sessions.
    ScanShowsExpired,
    /// `create` does not look at the limit.
    LimitIgnored,
    /// `create` counts in one step and inserts in another.
    LimitNotAtomic,
    /// Expired sessions count towards the limit.
    LimitCountsExpired,
    /// A limit of none is taken for a limit of one.
    LimitOfNoneIsOne,
    /// The newest session is evicted, not the oldest.
    EvictsNewest,
    /// Sessions that were evicted are not named.
    EvictsSilently,
    /// A taken id is noticed after others were evicted for it.
    EvictsBeforeExists,
    /// `create` leaves the session alive in whose place the new one is.
    KeepsReplaced,
    /// `create` ends the session in whose place it should be, and is then refused.
    EndsReplacedWhenRefused,
    /// The session in whose place the new one is counts towards the limit.
    CountsReplaced,
    /// `create` ends the session in whose place the new one is in a second step.
    EndsReplacedLater,
    /// `sweep` removes nothing, and says that there was nothing.
    SweepDoesNothing,
    /// `sweep` removes live records.
    SweepRemovesLive,
    /// `sweep` removes more than it was allowed.
    SweepIgnoresBound,
    /// A page begins with the last entry of the page before.
    PagesRepeat,
    /// A page is longer than it may be.
    PagesIgnoreMax,
    /// Pages are not in the order of the ids.
    PagesUnordered,
    /// `persistent` is not kept.
    ForgetsPersistent,
    /// `generation` is not kept.
    ForgetsGeneration,
    /// `confirmed` is not kept.
    ForgetsConfirmed,
    /// `context` is not kept.
    ForgetsContext,
    /// A write drops `context`.
    DropsContextOnReplace,
    /// Lists leave `context` out.
    ListsNoContext,
    /// Times are kept in whole seconds.
    RoundsTimes,
    /// Long text is cut off.
    TruncatesData,
}

impl Flaw {
    /// Every flaw.
    ///
    /// ```
    /// use sessile::testkit::Flaw;
    /// for flaw in Flaw::ALL {
    ///     println!("{flaw:?}"); // a check of a store is good if it finds each of them
    /// }
    /// # assert!(Flaw::ALL.contains(&Flaw::IgnoresVersion));
    /// ```
    pub const ALL: &[Self] = &[
        Self::AdoptsOnLoad,
        Self::OverwritesOnCreate,
        Self::RefusesExpiredIds,
        Self::AdoptsOnReplace,
        Self::IgnoresVersion,
        Self::VersionCheckNotAtomic,
        Self::ReplacesInTwoSteps,
        Self::AnswersDoneWhenGone,
        Self::LosesLastSeenOnReplace,
        Self::KeepsFirstDeadline,
        Self::MergesTags,
        Self::ResurrectsOnTouch,
        Self::RevivesExpiredOnTouch,
        Self::TouchDoesNothing,
        Self::TouchBumpsVersion,
        Self::TouchMovesBackwards,
        Self::TouchExtendsAbsolute,
        Self::TouchRewritesRecord,
        Self::ServesExpired,
        Self::ServesAtDeadline,
        Self::ServesStaleReads,
        Self::DeleteErrsWhenAbsent,
        Self::DeleteKeepsIndex,
        Self::IndexKeepsExpired,
        Self::IndexForgetsOnReplace,
        Self::IndexKeepsOldSubject,
        Self::IndexLagsBehind,
        Self::SubjectsMatchByPrefix,
        Self::FoldsSubjects,
        Self::RevokesAcrossSubjects,
        Self::RevokeOthersTakesCurrent,
        Self::RevokeIgnoresMax,
        Self::RevokeHidesMore,
        Self::ScanSkipsNobodys,
        Self::ScanShowsExpired,
        Self::LimitIgnored,
        Self::LimitNotAtomic,
        Self::LimitCountsExpired,
        Self::LimitOfNoneIsOne,
        Self::EvictsNewest,
        Self::EvictsSilently,
        Self::EvictsBeforeExists,
        Self::KeepsReplaced,
        Self::EndsReplacedWhenRefused,
        Self::CountsReplaced,
        Self::EndsReplacedLater,
        Self::SweepDoesNothing,
        Self::SweepRemovesLive,
        Self::SweepIgnoresBound,
        Self::PagesRepeat,
        Self::PagesIgnoreMax,
        Self::PagesUnordered,
        Self::ForgetsPersistent,
        Self::ForgetsGeneration,
        Self::ForgetsConfirmed,
        Self::ForgetsContext,
        Self::DropsContextOnReplace,
        Self::ListsNoContext,
        Self::RoundsTimes,
        Self::TruncatesData,
    ];
}
