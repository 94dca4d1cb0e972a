//! The id as the map keeps it, and its hash: the id's own random bits.

use std::hash::{Hash, Hasher};

use crate::id::Id;

/// An id's bytes. [`Id`] itself is aligned to sixteen bytes, which would pad every entry of the
/// map and of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key([u8; 16]);

impl Key {
    pub(super) const FIRST: Self = Self([0; 16]);
    pub(super) const LAST: Self = Self([0xff; 16]);

    /// The first bits, as random as all.
    pub(super) const fn lead(self) -> u16 {
        let [high, low, ..] = self.0;
        u16::from_be_bytes([high, low])
    }

    /// The id again; there is always one, since only ids become keys.
    pub(super) fn id(self) -> Option<Id> {
        Id::from_bytes(self.0)
    }
}

impl From<Id> for Key {
    fn from(id: Id) -> Self {
        Self(id.into_bytes())
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(u128::from_be_bytes(self.0));
    }
}

/// Takes a hash from the key's own bits instead of computing one.
///
/// That is safe here and only here: ids are 128 bits from the operating system's generator, and
/// an id reaches the store only after its ticket verified. A client can therefore neither choose
/// ids that collide nor try any that the application did not mint.
///
/// Both halves are folded, so that the fixed bits of a version 4 UUID (somebody may restore ids
/// from elsewhere) spoil neither the choice of a shard nor the position in it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OwnBits(u64);

impl Hasher for OwnBits {
    fn write_u128(&mut self, bits: u128) {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bits.to_be_bytes();
        let high = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        let low = u64::from_be_bytes([i, j, k, l, m, n, o, p]);
        self.0 = stagger(high ^ low);
    }

    fn write(&mut self, bytes: &[u8]) {
        // Keys write one u128; this is for completeness.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Makes the last shard twice as likely as the first, and those between in proportion.
///
/// With equal shards all tables would grow at the same number of sessions: just after that they
/// would be less than half full (at a million, for one), and all the pauses would come together.
/// This way some shard grows now and then, and the whole stays about 60 % full at any number.
/// The curve `u + u (1 - u) / 3` is log2(1 + u) within 1 %, and cheap. It moves the 32 bits below
/// the seven that the table keeps as a tag; the bits that choose the place in a table stay.
fn stagger(bits: u64) -> u64 {
    const SHIFT: u32 = 25;
    const ONE: u64 = 1 << 32;
    const THIRD: u64 = ONE / 3;
    let u = (bits >> SHIFT) & (ONE - 1);
    let bent = u + ((((u * (ONE - u)) >> 32) * THIRD) >> 32);
    (bits & !((ONE - 1) << SHIFT)) | (bent << SHIFT)
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher;
    use std::hash::BuildHasherDefault;

    use super::*;

    #[test]
    fn shards_fill_in_proportion_from_one_to_two() {
        let mut counts = [0_u32; 64];
        for _ in 0..200_000 {
            let key = Key::from(Id::generate().unwrap());
            let hash = BuildHasherDefault::<OwnBits>::default().hash_one(key);
            counts[usize::try_from((hash << 7) >> 58).unwrap()] += 1;
        }
        let first: u32 = counts[..4].iter().sum();
        let last: u32 = counts[60..].iter().sum();
        let ratio = f64::from(last) / f64::from(first);
        assert!((1.75..2.1).contains(&ratio), "{counts:?}");
        assert!(counts.iter().all(|n| *n > 1_500), "{counts:?}");
    }

    #[test]
    fn the_bend_stays_in_its_field_and_never_turns_back() {
        let mut before = 0;
        for step in 0..=1_000_u64 {
            let u = (step * (u64::from(u32::MAX))) / 1_000;
            let bent = stagger((u << 25) | 0x5a5_a5a5 & ((1 << 25) - 1) | (0x55 << 57));
            assert_eq!(bent >> 57, 0x55, "tag bits stay");
            assert_eq!(bent & ((1 << 25) - 1), 0x5a5_a5a5 & ((1 << 25) - 1), "low bits stay");
            let now = (bent >> 25) & u64::from(u32::MAX);
            assert!(now >= before);
            before = now;
        }
    }

    #[test]
    fn fixed_bits_of_a_version_4_uuid_do_not_crowd_a_shard() {
        let mut counts = [0_u32; 64];
        for _ in 0..100_000 {
            let mut bytes = Id::generate().unwrap().into_bytes();
            bytes[6] = bytes[6] & 0x0f | 0x40;
            bytes[8] = bytes[8] & 0x3f | 0x80;
            let key = Key::from(Id::from_bytes(bytes).unwrap());
            let hash = BuildHasherDefault::<OwnBits>::default().hash_one(key);
            counts[usize::try_from((hash << 7) >> 58).unwrap()] += 1;
        }
        assert!(counts.iter().all(|n| (700..2_800).contains(n)), "{counts:?}");
    }
}
