//! v4.local with keys of other lengths than 32 bytes, which libraries that follow the standard do
//! not take: only decryption (PASETO, Version 4, `Decrypt`).

use data_encoding::BASE64URL_NOPAD;
use orion::hazardous::mac::blake2b::{Blake2b, SecretKey, Tag};
use orion::hazardous::stream::xchacha20::{Nonce, SecretKey as StreamKey, XChaCha20};
use zeroize::Zeroizing;

use crate::error::ConfigError;

/// 1 to 64 bytes.
#[derive(Clone)]
pub(super) struct RawKey(Zeroizing<Vec<u8>>);

impl RawKey {
    pub(super) fn new(secret: &[u8]) -> Result<Self, ConfigError> {
        if (1..=64).contains(&secret.len()) {
            return Ok(Self(Zeroizing::new(secret.to_vec())));
        }
        Err(ConfigError::new(
            "a secret of fastapi-paseto has 1 to 64 bytes: an empty one opens everybody's tokens",
        ))
    }

    pub(super) fn of(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }

    /// The message and the footer of a token, if this key made it.
    pub(super) fn decrypt(&self, token: &str, implicit: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        let mut parts = token.strip_prefix(HEADER)?.split('.');
        let (body, footer) = (parts.next()?, parts.next());
        if parts.next().is_some() {
            return None;
        }
        let body = BASE64URL_NOPAD.decode(body.as_bytes()).ok()?;
        let footer = BASE64URL_NOPAD.decode(footer.unwrap_or_default().as_bytes()).ok()?;
        let (nonce, rest) = body.split_at_checked(NONCE_LEN)?;
        let (message, tag) = rest.split_at_checked(rest.len().checked_sub(TAG_LEN)?)?;

        let keys = self.hash(&[b"paseto-encryption-key", nonce], 56)?;
        let (stream_key, stream_nonce) = keys.unprotected_as_ref().split_at_checked(32)?;
        let mac_key = self.hash(&[b"paseto-auth-key-for-aead", nonce], TAG_LEN)?;
        let mac_key = SecretKey::try_from(mac_key.unprotected_as_ref()).ok()?;
        let signed = pre_authentication(&[HEADER.as_bytes(), nonce, message, &footer, implicit]);
        let tag = Tag::try_from(tag).ok()?;
        Blake2b::verify(&tag, &mac_key, TAG_LEN, &signed).ok()?;

        let mut message = message.to_vec();
        let (key, nonce) =
            (StreamKey::try_from(stream_key).ok()?, Nonce::try_from(stream_nonce).ok()?);
        XChaCha20::new(&key, &nonce).xor_keystream_into(&mut message).ok()?;
        Some((message, footer))
    }

    fn hash(&self, parts: &[&[u8]], len: usize) -> Option<Tag> {
        let mut hash = Blake2b::new(&SecretKey::try_from(&**self.0).ok()?, len).ok()?;
        for part in parts {
            hash.update(part).ok()?;
        }
        hash.finalize().ok()
    }
}

/// PAE: each part after its length, and their number before all.
fn pre_authentication(parts: &[&[u8]]) -> Vec<u8> {
    let number = |n: usize| (u64::try_from(n).unwrap_or(u64::MAX) & (u64::MAX >> 1)).to_le_bytes();
    let mut all = number(parts.len()).to_vec();
    for part in parts {
        all.extend_from_slice(&number(part.len()));
        all.extend_from_slice(part);
    }
    all
}

const HEADER: &str = "v4.local.";
const NONCE_LEN: usize = 32;
const TAG_LEN: usize = 32;
