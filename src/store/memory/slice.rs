//! A scan in slices: which keys one step looks at.

use super::key::Key;
use crate::store::Cursor;

/// One of so many equal parts of all ids, which are random.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slice {
    place: u16,
    parts: u16,
}

impl Slice {
    /// The first of so many parts, more or less.
    pub(super) fn first(parts: usize) -> Self {
        Self { place: 0, parts: u16::try_from(parts).unwrap_or(u16::MAX).max(1) }
    }

    /// What [`Self::next`] wrote.
    pub(super) fn read(cursor: &Cursor) -> Option<Self> {
        let (place, parts) = cursor.as_str().split_once('/')?;
        let (place, parts) = (place.parse().ok()?, parts.parse().ok()?);
        (place < parts).then_some(Self { place, parts })
    }

    pub(super) fn next(self) -> Option<Cursor> {
        let Self { place, parts } = self;
        let next = place + 1;
        (next < parts).then(|| Cursor::new(format!("{next}/{parts}")))
    }

    pub(super) fn has(self, key: Key) -> bool {
        let place = (u32::from(key.lead()) * u32::from(self.parts)) >> u16::BITS;
        place == u32::from(self.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;

    #[test]
    fn every_key_is_in_one_slice() {
        for parts in [0, 1, 2, 7, 1_000, 100_000] {
            let mut slices = vec![Slice::first(parts)];
            while let Some(cursor) = slices.last().and_then(|slice| slice.next()) {
                slices.extend(Slice::read(&cursor));
            }
            assert_eq!(slices.len(), parts.clamp(1, 65_535));
            for _ in 0..20 {
                let key = Key::from(Id::generate().unwrap());
                assert_eq!(slices.iter().filter(|slice| slice.has(key)).count(), 1);
            }
            for key in [Key::FIRST, Key::LAST] {
                assert_eq!(slices.iter().filter(|slice| slice.has(key)).count(), 1);
            }
        }
    }

    #[test]
    fn a_cursor_of_another_store_leads_nowhere() {
        for text in ["", "3", "3/3", "-1/4", "0/0", "1/99999", "a/b", "1/2/3"] {
            assert_eq!(Slice::read(&Cursor::new(text)), None, "{text:?}");
        }
    }
}
