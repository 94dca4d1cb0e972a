//! What is wrong with the index.

use super::flaw::Flaw;
use super::state::{LONG_AGO, State};
use crate::clock::Timestamp;
use crate::id::Id;
use crate::record::Meta;
use crate::store::{Cursor, Revoke, Revoked, Scanned};

impl State {
    pub(super) fn list(
        &self,
        flaw: Flaw,
        subject: &str,
        after: Option<Id>,
        max: usize,
        now: Timestamp,
    ) -> Vec<(Id, Meta)> {
        let mut page = self.listed(flaw, subject, now);
        let again = flaw == Flaw::PagesRepeat;
        page.retain(|(id, _)| after.is_none_or(|after| *id > after || (again && *id == after)));
        if flaw != Flaw::PagesIgnoreMax {
            page.truncate(max);
        }
        if flaw == Flaw::PagesUnordered {
            page.reverse();
        }
        if flaw == Flaw::ListsNoContext {
            page.iter_mut().for_each(|(_, meta)| meta.context = None);
        }
        page
    }

    /// All that the index has under this subject.
    pub(super) fn listed(&self, flaw: Flaw, subject: &str, now: Timestamp) -> Vec<(Id, Meta)> {
        let subject = subject_key(flaw, subject);
        let now = if flaw == Flaw::IndexKeepsExpired { LONG_AGO } else { now };
        let mut all = match flaw {
            Flaw::SubjectsMatchByPrefix => self.with_prefix(&subject, now),
            _ => self.shelf.list(&subject, None, usize::MAX, now),
        };
        all.retain(|(id, _)| !self.hidden.contains(id));
        let ghosts = self.ghosts.iter().filter(|(whose, ..)| **whose == *subject);
        all.extend(ghosts.map(|(_, id, meta)| (*id, meta.clone())));
        all.sort_by_key(|(id, _)| *id);
        all
    }

    pub(super) fn scan(
        &self,
        flaw: Flaw,
        from: Option<&Cursor>,
        max: usize,
        now: Timestamp,
    ) -> Scanned {
        let now = if flaw == Flaw::ScanShowsExpired { LONG_AGO } else { now };
        let mut step = self.shelf.scan(from, max, now);
        if flaw == Flaw::ScanSkipsNobodys {
            step.sessions.retain(|(_, meta)| meta.subject.is_some());
        }
        if flaw == Flaw::ListsNoContext {
            step.sessions.iter_mut().for_each(|(_, meta)| meta.context = None);
        }
        step
    }

    fn with_prefix(&self, prefix: &str, now: Timestamp) -> Vec<(Id, Meta)> {
        let rows = self.shelf.rows.iter().filter(|(_, row)| {
            let subject = row.meta.subject.as_deref();
            subject.is_some_and(|subject| subject.starts_with(prefix)) && row.meta.is_live(now)
        });
        rows.map(|(id, row)| (*id, row.meta.clone())).collect()
    }

    pub(super) fn revoke(
        &mut self,
        flaw: Flaw,
        subject: &str,
        which: Revoke,
        max: usize,
        now: Timestamp,
    ) -> Revoked {
        let subject = subject_key(flaw, subject);
        let (which, max) = match (flaw, which) {
            (Flaw::RevokesAcrossSubjects, Revoke::One(id)) => {
                let ended = self.shelf.delete(id, now);
                return Revoked::new(Vec::from_iter(ended.then_some(id)), false);
            }
            (Flaw::RevokeOthersTakesCurrent, Revoke::Others(_)) => (Revoke::All, max),
            (Flaw::RevokeIgnoresMax, _) => (which, usize::MAX),
            _ => (which, max),
        };
        let mut revoked = self.shelf.revoke(&subject, which, max, now);
        revoked.more &= flaw != Flaw::RevokeHidesMore;
        revoked
    }
}

/// How a subject is spelt in the index.
pub(super) fn subject_key(flaw: Flaw, subject: &str) -> String {
    match flaw {
        Flaw::FoldsSubjects => subject.trim().to_lowercase(),
        _ => subject.to_owned(),
    }
}
