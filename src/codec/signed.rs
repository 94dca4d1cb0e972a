//! The ticket that names a session and cannot be made without the key.
//!
//! `base64url(id ‖ generation ‖ tag)`: 16 + 4 + 16 bytes, 48 characters. The generation is
//! big-endian. The tag is HMAC-SHA-256 of the 20 bytes before it, truncated to 128 bits (RFC
//! 2104, 5), under a subkey of the purpose: a ticket of one cookie does not open another.

mod mac;
mod text;

use std::fmt;
use std::sync::{PoisonError, RwLock};

use self::mac::{BODY_LEN, Mac, TAG_LEN, Tag};
use self::text::{BYTES_LEN, TEXT_LEN};
use super::{Opened, Ticket};
use crate::event::Rejection;
use crate::id::Id;
use crate::key::{Key, Keyring};

/// Opens and seals the tickets of one purpose.
///
/// The common path takes no lock and writes no shared memory: as long as the ring's epoch is the
/// one at construction, the MACs made then are good, and reading the epoch is a plain load of a
/// cache line that nobody writes. After a key was rolled over or revoked at run time, requests
/// share MACs behind a read lock instead until the layer is built anew, at the next restart (some
/// 10 ns more, and a cache line that all cores write). More machinery would serve the days after
/// a roll-over only.
pub(crate) struct Signed {
    ring: Keyring,
    purpose: Box<str>,
    built: Macs,
    changed: RwLock<Option<Macs>>,
}

/// A sealed ticket, ready for a cookie or a header. Aligned, so that it is seen to be ASCII word by
/// word (130 instructions fewer than byte by byte).
#[repr(align(8))]
pub(crate) struct Token([u8; TEXT_LEN]);

/// The MACs of one purpose under the keys that a ring held at one epoch.
struct Macs {
    epoch: u64,
    newest: Mac,
    older: Box<[Mac]>,
}

impl Signed {
    /// The purpose is the name of the cookie or header, with whatever sets two layers of one name
    /// apart.
    pub(crate) fn new(ring: &Keyring, purpose: &str) -> Self {
        Self {
            ring: ring.clone(),
            purpose: purpose.into(),
            built: Macs::derive(ring, purpose),
            changed: RwLock::new(None),
        }
    }

    /// What a ticket says, if one of the ring's keys made it for this purpose.
    ///
    /// `Malformed` when it is no ticket at all, `Forged` when its tag is not ours. The client
    /// must not learn which (ASVS 11.2.5).
    #[inline]
    pub(crate) fn open(&self, token: &[u8]) -> Result<Opened, Rejection> {
        let token = token.try_into().map_err(|_| Rejection::Malformed)?;
        let bytes = text::decode(token).ok_or(Rejection::Malformed)?;
        let (body, tag) = split(&bytes).ok_or(Rejection::Malformed)?;
        let ticket = read(body).ok_or(Rejection::Malformed)?;
        let old_key = self.with_macs(|macs| macs.verify(body, &tag)).ok_or(Rejection::Forged)?;
        Ok(Opened { ticket, old_key })
    }

    /// The ticket under the newest key.
    pub(crate) fn seal(&self, ticket: &Ticket) -> Token {
        let mut bytes = [0; BYTES_LEN];
        bytes[..ID_LEN].copy_from_slice(&ticket.id.into_bytes());
        bytes[ID_LEN..BODY_LEN].copy_from_slice(&ticket.generation.to_be_bytes());
        if let Some(body) = bytes.first_chunk() {
            let tag = self.with_macs(|macs| macs.newest.tag(body)).into_bytes();
            bytes[BODY_LEN..].copy_from_slice(&tag);
        }
        Token(text::encode(&bytes))
    }

    #[inline]
    fn with_macs<R>(&self, act: impl FnOnce(&Macs) -> R) -> R {
        let epoch = self.ring.epoch();
        if self.built.epoch == epoch { act(&self.built) } else { self.with_changed(epoch, act) }
    }

    #[cold]
    fn with_changed<R>(&self, epoch: u64, act: impl FnOnce(&Macs) -> R) -> R {
        let changed = self.changed.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(macs) = changed.as_ref().filter(|macs| macs.epoch >= epoch) {
            return act(macs);
        }
        drop(changed);
        let mut changed = self.changed.write().unwrap_or_else(PoisonError::into_inner);
        // Another request may have been here first; only what is outdated is made again.
        if changed.as_ref().is_some_and(|macs| macs.epoch < epoch) {
            *changed = None;
        }
        act(changed.get_or_insert_with(|| Macs::derive(&self.ring, &self.purpose)))
    }
}

impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signed")
            .field("purpose", &self.purpose)
            .field("ring", &self.ring)
            .finish_non_exhaustive()
    }
}

impl Token {
    pub(crate) fn as_str(&self) -> &str {
        // Base64 is ASCII, so the default is never taken.
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Macs {
    fn derive(ring: &Keyring, purpose: &str) -> Self {
        let mac = |key: &Key| Mac::new(&key.derive("ticket", purpose));
        let (epoch, keys) = ring.snapshot();
        Self { epoch, newest: mac(&keys.newest), older: keys.older.iter().map(mac).collect() }
    }

    /// Whether the key that made this tag is an older one; `None` when it is none of them.
    #[inline]
    fn verify(&self, body: &[u8; BODY_LEN], tag: &Tag) -> Option<bool> {
        if self.newest.tag(body).matches(tag) {
            return Some(false);
        }
        self.older.iter().any(|mac| mac.tag(body).matches(tag)).then_some(true)
    }
}

#[inline]
fn split(bytes: &[u8; BYTES_LEN]) -> Option<(&[u8; BODY_LEN], Tag)> {
    Some((bytes.first_chunk()?, Tag::from_bytes(bytes.last_chunk::<TAG_LEN>()?)))
}

#[inline]
fn read(body: &[u8; BODY_LEN]) -> Option<Ticket> {
    let id = Id::from_bytes(*body.first_chunk::<ID_LEN>()?)?;
    let generation = u32::from_be_bytes(*body.last_chunk()?);
    Some(Ticket { id, generation })
}

const ID_LEN: usize = 16;

#[cfg(test)]
mod tests {
    use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
    use hmac::{Hmac, KeyInit, Mac as _};
    use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};
    use sha2::Sha256;

    use super::*;
    use crate::key::Revoked;

    const SECRET: &str = "b1946ac92492d2347c6235b4d2611184f2ca1bb6c7e907d06dafe4687e579fce";

    fn key() -> Key {
        Key::from_text(SECRET).unwrap()
    }

    fn signed() -> Signed {
        Signed::new(&key().into(), "__Host-sid")
    }

    fn ticket(generation: u32) -> Ticket {
        Ticket { id: Id::from_bytes(*b"sixteen bytes id").unwrap(), generation }
    }

    fn text(signed: &Signed) -> String {
        signed.seal(&ticket(7)).as_str().to_owned()
    }

    /// What the crates of others make of these 20 bytes.
    fn oracle(body: &[u8]) -> String {
        let subkey = key().derive("ticket", "__Host-sid");
        let mut mac = Hmac::<Sha256>::new_from_slice(subkey.as_slice()).unwrap();
        mac.update(body);
        BASE64URL_NOPAD.encode(&[body, &mac.finalize().into_bytes()[..16]].concat())
    }

    #[test]
    fn the_ticket_is_id_generation_and_tag_in_base64url() {
        let body = [b"sixteen bytes id".as_slice(), &[0, 0, 0, 7]].concat();
        assert_eq!(text(&signed()), oracle(&body));
        // Computed by another language, and fixed for ever: another text here logs everybody out with an upgrade.
        assert_eq!(text(&signed()), "c2l4dGVlbiBieXRlcyBpZAAAAAe3CyHaUBkHkG9mxqtJaSu6");
    }

    #[test]
    fn a_sealed_ticket_opens() {
        for generation in [0, 1, u32::MAX] {
            let token = signed().seal(&ticket(generation));
            let opened = Opened { ticket: ticket(generation), old_key: false };
            assert_eq!(signed().open(token.as_str().as_bytes()), Ok(opened));
        }
    }

    #[test]
    fn r03_what_is_no_ticket_is_malformed() {
        let good = text(&signed());
        let short = good.strip_suffix(|_: char| true).unwrap();
        let cases: [(&str, Vec<u8>); 14] = [
            ("empty", vec![]),
            ("one character", vec![b'A']),
            ("one less", short.into()),
            ("one more", format!("{good}A").into()),
            ("twice", good.repeat(2).into()),
            ("over-long", vec![b'A'; 1 << 20]),
            ("padding after it", format!("{good}=").into()),
            ("padding in it", format!("{short}=").into()),
            ("white space before it", format!(" {good}").into()),
            ("white space in it", format!("{short} ").into()),
            ("NUL", vec![0; 48]),
            ("a path", "../".repeat(16).into()),
            ("not UTF-8", vec![0xff; 48]),
            ("the nil id", vec![b'A'; 48]),
        ];
        for (name, token) in cases {
            assert_eq!(signed().open(&token), Err(Rejection::Malformed), "{name}");
        }
    }

    #[test]
    fn c20_only_the_canonical_alphabet_is_read() {
        // A ticket that has both characters in which the alphabets differ.
        let (token, url) = (0..)
            .map(|generation| signed().seal(&ticket(generation)))
            .map(|token| (token.as_str().to_owned(), token))
            .find(|(text, _)| text.contains('-') && text.contains('_'))
            .unwrap();
        assert!(signed().open(url.as_str().as_bytes()).is_ok());
        for (name, from, to) in [("plus", "-", "+"), ("slash", "_", "/")] {
            let standard = token.replace(from, to);
            assert_eq!(signed().open(standard.as_bytes()), Err(Rejection::Malformed), "{name}");
        }
        for stranger in (0..=255).filter(|c: &u8| !c.is_ascii_alphanumeric() && !b"-_".contains(c))
        {
            let mut bytes = token.clone().into_bytes();
            bytes[20] = stranger;
            assert_eq!(signed().open(&bytes), Err(Rejection::Malformed), "{stranger:#04x}");
        }
    }

    #[test]
    fn c02_tampering_with_any_bit_is_noticed() {
        let good = BASE64URL_NOPAD.decode(text(&signed()).as_bytes()).unwrap();
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let token = BASE64URL_NOPAD.encode(&bytes);
            assert_eq!(signed().open(token.as_bytes()), Err(Rejection::Forged), "bit {bit}");
        }
    }

    #[test]
    fn c02_truncation_and_extension_are_noticed() {
        let good = text(&signed());
        for len in 0..good.len() {
            assert_eq!(signed().open(&good.as_bytes()[..len]), Err(Rejection::Malformed), "{len}");
        }
        for more in 1..64 {
            let token = format!("{good}{}", "A".repeat(more));
            assert_eq!(signed().open(token.as_bytes()), Err(Rejection::Malformed), "{more}");
        }
    }

    #[test]
    fn c02_the_plain_body_or_another_tag_is_never_taken() {
        let body = [b"sixteen bytes id".as_slice(), &[0, 0, 0, 7]].concat();
        let unkeyed = Hmac::<Sha256>::new_from_slice(&[]).unwrap().chain_update(&body).finalize();
        let raw = HEXLOWER.decode(SECRET.as_bytes()).unwrap();
        let underived =
            Hmac::<Sha256>::new_from_slice(&raw).unwrap().chain_update(&body).finalize();
        let cases: [(&str, &[u8]); 4] = [
            ("no tag", &[0; 16]),
            ("the id again", b"sixteen bytes id"),
            ("a tag without a key", &unkeyed.into_bytes()[..16]),
            ("a tag under the key itself", &underived.into_bytes()[..16]),
        ];
        for (name, tag) in cases {
            let token = BASE64URL_NOPAD.encode(&[&body, tag].concat());
            assert_eq!(signed().open(token.as_bytes()), Err(Rejection::Forged), "{name}");
        }
    }

    #[test]
    fn r46_a_ticket_of_another_purpose_or_key_is_forged() {
        let cases = [
            ("another purpose", Signed::new(&key().into(), "__Host-sid2")),
            ("no purpose", Signed::new(&key().into(), "")),
            ("another case", Signed::new(&key().into(), "__host-sid")),
            ("another key", Signed::new(&Key::generate().into(), "__Host-sid")),
        ];
        for (name, other) in cases {
            assert_eq!(signed().open(text(&other).as_bytes()), Err(Rejection::Forged), "{name}");
            assert_eq!(other.open(text(&signed()).as_bytes()), Err(Rejection::Forged), "{name}");
        }
    }

    #[test]
    fn c05_the_newest_key_signs_and_older_ones_verify() {
        let [old, older, new] = [(); 3].map(|()| Key::generate());
        let ring = Keyring::new(new.clone()).also_accept(old.clone()).also_accept(older.clone());
        let signed = |ring: Keyring| Signed::new(&ring, "sid");
        let all = signed(ring);
        assert!(signed(new.clone().into()).open(text(&all).as_bytes()).is_ok());
        for (key, old_key) in [(new, false), (old, true), (older, true)] {
            let token = text(&signed(key.into()));
            assert_eq!(all.open(token.as_bytes()), Ok(Opened { ticket: ticket(7), old_key }));
        }
    }

    #[test]
    fn r44_a_running_codec_follows_its_ring() {
        let (old, new) = (Key::generate(), Key::generate());
        let ring = Keyring::new(old.clone());
        let (running, other) = (Signed::new(&ring, "sid"), Signed::new(&ring, "other"));
        let before = text(&running);
        let old_key = |token: &str| running.open(token.as_bytes()).map(|opened| opened.old_key);

        ring.roll_over(new.clone());
        assert_eq!(old_key(&before), Ok(true), "the previous key still verifies");
        let after = text(&running);
        assert_eq!(old_key(&after), Ok(false), "the new key signs");
        assert!(Signed::new(&new.into(), "sid").open(after.as_bytes()).is_ok());

        assert_eq!(ring.revoke(old.id()), Ok(Revoked::Now));
        assert_eq!(old_key(&before), Err(Rejection::Forged), "revoked at once");
        assert_eq!(old_key(&after), Ok(false));
        assert!(other.open(text(&other).as_bytes()).is_ok());
        assert_eq!(other.open(before.as_bytes()), Err(Rejection::Forged));

        ring.roll_over(old);
        assert_eq!(old_key(&before), Ok(false), "a key may come back");
        assert_eq!(old_key(&after), Ok(true));
    }

    #[test]
    fn r44_requests_that_race_with_a_roll_over_all_verify() {
        let ring = Keyring::new(Key::generate());
        let signed = Signed::new(&ring, "sid");
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let token = text(&signed);
                        assert!(signed.open(token.as_bytes()).is_ok());
                    }
                });
            }
            for _ in 0..20 {
                ring.roll_over(Key::generate());
                std::thread::yield_now();
            }
        });
        assert_eq!(ring.key_ids().len(), 21);
    }

    #[test]
    fn c15_debug_shows_no_key() {
        let shown = format!("{:?} {:#?}", signed(), signed());
        assert!(shown.contains(&key().id().to_string()), "{shown}");
        let subkey = HEXLOWER.encode(key().derive("ticket", "__Host-sid").as_slice());
        for secret in [SECRET, &subkey] {
            assert!(!shown.contains(secret.split_at(16).0), "{shown}");
        }
    }

    proptest! {
        #[test]
        fn every_ticket_opens_as_what_it_was(id in any::<[u8; 16]>(), generation: u32) {
            if let Some(id) = Id::from_bytes(id) {
                let token = signed().seal(&Ticket { id, generation });
                let opened = signed().open(token.as_str().as_bytes()).unwrap();
                prop_assert_eq!(opened.ticket, Ticket { id, generation });
                prop_assert!(!opened.old_key);
            }
        }

        #[test]
        fn c20_random_bytes_are_refused_without_a_panic(
            token in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            prop_assert!(signed().open(&token).is_err());
        }

        #[test]
        fn r45_random_text_of_the_right_form_is_forged(token in "[B-Za-z0-9_-]{48}") {
            prop_assert_eq!(signed().open(token.as_bytes()), Err(Rejection::Forged));
        }
    }
}
