//! How many sessions are held, and how many may be.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::padded::Padded;

/// Places for sessions.
#[derive(Debug)]
pub(super) struct Room {
    held: Padded<AtomicUsize>,
    max: usize,
}

/// A place that is given back unless it is [kept](Place::keep).
#[must_use]
pub(super) struct Place<'a>(Option<&'a Room>);

impl Room {
    pub(super) fn new(max: usize) -> Self {
        Self { held: Padded::default(), max }
    }

    pub(super) fn held(&self) -> usize {
        self.held.0.load(Ordering::Relaxed)
    }

    /// A place, if one is free.
    pub(super) fn take(&self) -> Option<Place<'_>> {
        let more = |held| (held < self.max).then_some(held + 1);
        self.held.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Place(Some(self)))
    }

    /// A place beside the others, for one whose predecessor is about to leave.
    pub(super) fn squeeze_in(&self) -> Place<'_> {
        self.held.0.fetch_add(1, Ordering::Relaxed);
        Place(Some(self))
    }

    /// Gives back a place that was kept.
    pub(super) fn leave(&self) {
        self.held.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Place<'_> {
    pub(super) fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(room) = self.0 {
            room.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_not_kept_is_given_back() {
        let room = Room::new(1);
        let place = room.take().unwrap();
        assert!(room.take().is_none());
        drop(place);
        room.take().unwrap().keep();
        assert_eq!(room.held(), 1);
        room.leave();
        assert_eq!(room.held(), 0);
    }
}
