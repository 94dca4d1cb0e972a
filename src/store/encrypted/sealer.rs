//! XChaCha20-Poly1305 (ASVS 11.3.2) under subkeys of the application's keys.

use std::sync::{Arc, PoisonError, RwLock};

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

use super::ciphertext::Ciphertext;
use crate::error::{StoreError, StoreErrorKind};
use crate::id::Id;
use crate::key::{Key, KeyId, Keyring};
use crate::record::{Meta, Record, SessionData};
use crate::store::json;

/// Seals under the newest key of a ring, and opens under any of them.
pub(super) struct Sealer {
    ring: Keyring,
    subkeys: RwLock<Arc<Subkeys>>,
}

/// The subkeys of a ring as it was at one time.
struct Subkeys {
    epoch: u64,
    newest: Subkey,
    older: Vec<Subkey>,
}

struct Subkey {
    /// The id of the key that it comes from, as it is written.
    name: String,
    cipher: XChaCha20Poly1305,
}

impl Sealer {
    pub(super) fn new(ring: Keyring) -> Self {
        let subkeys = RwLock::new(Arc::new(Subkeys::derive(&ring)));
        Self { ring, subkeys }
    }

    pub(super) const fn ring(&self) -> &Keyring {
        &self.ring
    }

    pub(super) fn seal<T: SessionData>(
        &self,
        id: Id,
        record: &Record<T>,
    ) -> Result<Record<Ciphertext>, StoreError> {
        // How large it may be is up to the store behind, which sees how large it becomes.
        let plain = Zeroizing::new(json::encode(&record.data, usize::MAX)?);
        let text = self.subkeys().newest.seal(&context(id, &record.meta), plain.as_bytes())?;
        Ok(Record::new(record.meta.clone(), Ciphertext::new(text)))
    }

    pub(super) fn open<T: SessionData>(
        &self,
        id: Id,
        record: &Record<Ciphertext>,
    ) -> Result<Record<T>, StoreError> {
        let parts = record.data.as_str().strip_prefix(PREFIX).and_then(|rest| rest.split_once('.'));
        let Some((name, sealed)) = parts else {
            return Err(undecodable("it is not sealed, or in a form of another version"));
        };
        let subkeys = self.subkeys();
        let Some(subkey) = subkeys.iter().find(|subkey| subkey.name == name) else {
            return Err(undecodable(match name.parse::<KeyId>() {
                Ok(key) => format!("it is sealed with the key {key}, which is not in the ring"),
                Err(_) => "it names no key".to_owned(),
            }));
        };
        let plain = subkey.open(&context(id, &record.meta), sealed.as_bytes())?;
        let text = std::str::from_utf8(&plain).map_err(|_| undecodable("it is not text"))?;
        Ok(Record::new(record.meta.clone(), json::decode(text)?))
    }

    /// Of the keys that are in the ring now.
    fn subkeys(&self) -> Arc<Subkeys> {
        let epoch = self.ring.epoch();
        let subkeys = self.subkeys.read().unwrap_or_else(PoisonError::into_inner);
        if subkeys.epoch >= epoch {
            return Arc::clone(&subkeys);
        }
        drop(subkeys);
        let mut subkeys = self.subkeys.write().unwrap_or_else(PoisonError::into_inner);
        // Another call may have been here first; only what is outdated is made again.
        if subkeys.epoch < epoch {
            *subkeys = Arc::new(Subkeys::derive(&self.ring));
        }
        Arc::clone(&subkeys)
    }
}

impl Subkeys {
    fn derive(ring: &Keyring) -> Self {
        let (epoch, keys) = ring.snapshot();
        let older = keys.older.iter().map(Subkey::of).collect();
        Self { epoch, newest: Subkey::of(&keys.newest), older }
    }

    fn iter(&self) -> impl Iterator<Item = &Subkey> {
        std::iter::once(&self.newest).chain(&self.older)
    }
}

impl Subkey {
    fn of(key: &Key) -> Self {
        let cipher = XChaCha20Poly1305::new((&*key.derive("record", "")).into());
        Self { name: key.id().to_string(), cipher }
    }

    /// The text that is stored.
    fn seal(&self, context: &[u8], plain: &[u8]) -> Result<String, StoreError> {
        let mut nonce = [0; NONCE_LEN];
        // So long that random nonces do not repeat under one key, whatever the number of writes.
        getrandom::fill(&mut nonce)
            .map_err(|error| StoreError::new(StoreErrorKind::Unavailable).with_source(error))?;
        let mut bytes = Vec::with_capacity(NONCE_LEN + plain.len() + TAG_LEN);
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(plain);
        let (_, message) = bytes.split_at_mut(NONCE_LEN);
        let tag = self
            .cipher
            .encrypt_inout_detached(&XNonce::from(nonce), context, message.into())
            .map_err(|_| StoreError::new(StoreErrorKind::TooLarge))?; // 256 GiB
        bytes.extend_from_slice(&tag);
        let mut text = format!("{PREFIX}{}.", self.name);
        BASE64URL_NOPAD.encode_append(&bytes, &mut text);
        Ok(text)
    }

    fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let damaged = || undecodable("it was damaged, or belongs to another session or subject");
        let bytes = BASE64URL_NOPAD.decode(sealed).map_err(|_| damaged())?;
        let (nonce, rest) = bytes.split_first_chunk::<NONCE_LEN>().ok_or_else(damaged)?;
        let (message, tag) = rest.split_last_chunk::<TAG_LEN>().ok_or_else(damaged)?;
        let mut plain = Zeroizing::new(message.to_vec());
        self.cipher
            .decrypt_inout_detached(
                &XNonce::from(*nonce),
                context,
                plain.as_mut_slice().into(),
                tag.into(),
            )
            .map_err(|_| damaged())?;
        Ok(plain)
    }
}

/// What the ciphertext is bound to: the same bytes under another id, or of another subject, do
/// not open. The rest of the metadata is the store's to keep and an administrator's to correct.
fn context(id: Id, meta: &Meta) -> Vec<u8> {
    let mut context = [LABEL, &id.into_bytes()].concat();
    context.push(u8::from(meta.subject.is_some()));
    context.extend_from_slice(meta.subject.as_deref().unwrap_or_default().as_bytes());
    context
}

/// The error never holds what was found.
fn undecodable(why: impl Into<String>) -> StoreError {
    StoreError::new(StoreErrorKind::Undecodable).with_source(why.into())
}

const PREFIX: &str = "v1.";
const LABEL: &[u8] = b"sessile record v1\0";
const NONCE_LEN: usize = 24;
const TAG_LEN: usize = 16;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use data_encoding::HEXLOWER;

    use super::*;
    use crate::clock::Timestamp;

    const SECRET: &str = "b1946ac92492d2347c6235b4d2611184f2ca1bb6c7e907d06dafe4687e579fce";

    /// From RFC draft-irtf-cfrg-xchacha-03, A.3.1.
    #[test]
    fn the_cipher_is_xchacha20_poly1305() {
        let hex = |text: &str| HEXLOWER.decode(text.as_bytes()).unwrap();
        let key: [u8; 32] = std::array::from_fn(|i| 0x80 + u8::try_from(i).unwrap());
        let nonce: [u8; 24] = std::array::from_fn(|i| 0x40 + u8::try_from(i).unwrap());
        let mut text = b"Ladies and Gentlemen of the class of '99: If I could offer you only one \
                         tip for the future, sunscreen would be it."
            .to_vec();
        let context = hex("50515253c0c1c2c3c4c5c6c7");
        let cipher = XChaCha20Poly1305::new(&key.into());
        let tag = cipher
            .encrypt_inout_detached(&nonce.into(), &context, text.as_mut_slice().into())
            .unwrap();
        assert_eq!(text[..16], hex("bd6d179d3e83d43b9576579493c0e939")[..]);
        assert_eq!(tag[..], hex("c0875924c1c7987947deafd8780acf49")[..]);
    }

    /// Fixed for ever: if this does not open, an upgrade has ended every session.
    #[test]
    fn what_this_version_sealed_opens() {
        let sealer = Sealer::new(Key::from_text(SECRET).unwrap().into());
        let id = Id::from_bytes(*b"sixteen bytes id").unwrap();
        let mut meta = Meta::new(Timestamp::from_millis(0), Duration::MAX, Duration::MAX);
        meta.subject = Some("ann".into());
        let record = Record::new(meta, Ciphertext::new(SEALED.to_owned()));
        assert_eq!(sealer.open::<Vec<u8>>(id, &record).unwrap().data, [1, 2, 3]);
    }

    const SEALED: &str = "v1.c649aee89e58b5fb.\
        DEW2OVTDd9l1odzT-j0nZxWJTPXU7vGAgeILFyKK0KpHTMJ07YTu_dnXjLBBQjc";
}
