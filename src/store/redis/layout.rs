//! What the keys are called, and which slot of a cluster each belongs to.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::id::Id;

/// The names of all keys of one store.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    prefix: String,
}

impl Layout {
    pub(super) const fn new(prefix: String) -> Self {
        Self { prefix }
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What the keys of all records begin with, and no other key does.
    pub(super) fn sessions(&self) -> String {
        format!("{}session:", self.prefix)
    }

    pub(super) fn session(&self, id: Id) -> String {
        format!("{}session:{id}", self.prefix)
    }

    pub(super) fn index(&self, owner: &str) -> String {
        format!("{}subject:{owner}", self.prefix)
    }

    /// Two keys that no session has, in one slot.
    pub(super) fn probe(&self) -> [String; 2] {
        ["session", "subject"].map(|kind| format!("{}{kind}:{{probe}}", self.prefix))
    }

    /// Whether the prefix has a hash tag, which puts all keys into one slot.
    pub(super) fn is_pinned(&self) -> bool {
        tag(self.prefix.as_bytes()).is_some()
    }

    /// Whose record this key is.
    pub(super) fn id(&self, key: &[u8]) -> Option<Id> {
        let id = key.strip_prefix(self.prefix.as_bytes())?.strip_prefix(b"session:")?;
        std::str::from_utf8(id).ok()?.parse().ok()
    }
}

/// How a subject is named in keys: any text is 64 characters there, and no subject another's
/// beginning.
pub(super) fn owner(subject: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(subject.as_bytes()))
}

/// The slot of a key in a cluster.
pub(super) fn slot(key: &str) -> u16 {
    let key = key.as_bytes();
    crc16(tag(key).unwrap_or(key)) % SLOTS
}

/// What stands between the first `{` and the next `}`, if anything does: that alone decides.
fn tag(key: &[u8]) -> Option<&[u8]> {
    let (_, rest) = split_at_byte(key, b'{')?;
    let (tag, _) = split_at_byte(rest, b'}')?;
    (!tag.is_empty()).then_some(tag)
}

fn split_at_byte(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = memchr::memchr(at, bytes)?;
    Some((bytes.get(..place)?, bytes.get(place + 1..)?))
}

/// CRC-16/XMODEM, as the cluster specification wants it.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}

const SLOTS: u16 = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_cluster_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(slot("foo"), 12_182);
        assert_eq!(slot("{foo}:a"), slot("foo"));
        assert_eq!(slot("a{foo}b{bar}"), slot("foo"));
        assert_ne!(slot("{}foo"), slot(""), "an empty tag is none");
        assert_eq!(slot("a{b"), crc16(b"a{b") % SLOTS);
    }

    #[test]
    fn a_record_is_found_by_its_key_and_nothing_else_is_one() {
        let layout = Layout::new("shop:".to_owned());
        let id = Id::generate().unwrap();
        assert_eq!(layout.id(layout.session(id).as_bytes()), Some(id));
        let others = [layout.index(&owner("ann")), layout.probe()[0].clone(), String::new()];
        for key in others {
            assert_eq!(layout.id(key.as_bytes()), None, "{key}");
        }
        assert!(!layout.is_pinned());
        assert!(Layout::new("{shop}:".to_owned()).is_pinned());
    }
}
